//! What is missing, why, and what would give it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nic::cut;

/// What is missing, why, what would give it, and how to undo that: each at most one line.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(default)]
pub struct Missing {
    /// The thing that is missing: `hardware counters`; empty where `because` names it.
    pub what: String,
    /// Why it is missing here; empty where its name says so.
    pub because: String,
    /// A command or step that would give it; empty where none is known.
    pub unlock: String,
    /// What takes that step back; empty where nothing remains of it.
    pub undo: String,
    /// Whether it is more rounds, which no imported table can be given by going on with it.
    #[serde(skip)]
    pub is_rounds: bool,
    /// Whether its command measures on one machine, also after a run between two.
    #[serde(skip)]
    pub is_of_one_host: bool,
}

/// How a command that measures begins.
const RUN: &str = "copycost run";
/// Said before a command that measures another thing than the run between two hosts after which it is told.
pub const ON_ONE_HOST: &str = "on this machine alone";

impl Missing {
    /// Something that no command of this version gives.
    pub fn of_itself(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    /// Cells that this plan has not: the command that measures them. One that names a link is of one machine, as no other goes beside
    /// `--peer`.
    pub fn plan(command: impl Into<String>) -> Self {
        let unlock = command.into();
        let is_of_one_host = unlock.contains("--link");
        Self { what: "another plan".to_owned(), unlock, is_of_one_host, ..Self::default() }
    }

    /// The same of a command that names no link, as one that measures on one machine alone.
    #[must_use]
    pub fn on_one_host(self) -> Self {
        Self { is_of_one_host: true, ..self }
    }

    /// The same after a run to another host, whose flags these are: its command measures between the same two, or says that it does not.
    #[must_use]
    pub fn beside_peer(self, flags: &str) -> Self {
        let unlock = match self.unlock.strip_prefix(RUN) {
            _ if self.is_of_one_host => format!("{ON_ONE_HOST}: {}", self.unlock),
            Some(rest) => format!("{RUN} {flags}{rest}"),
            None => return self,
        };
        Self { unlock, ..self }
    }

    /// Rounds enough for the intervals to tell.
    pub fn rounds() -> Self {
        Self {
            what: "more rounds".to_owned(),
            unlock: "--resume with more --max-time".to_owned(),
            is_rounds: true,
            ..Self::default()
        }
    }

    /// A machine of another kind, and the command to run on it.
    pub fn machine(which: impl Into<String>, command: impl Into<String>) -> Self {
        Self { what: which.into(), unlock: command.into(), ..Self::default() }
    }

    /// The same, with another step.
    #[must_use]
    pub fn unlocked_by(self, step: impl Into<String>) -> Self {
        Self { unlock: step.into(), ..self }
    }

    /// The same, with a reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { because: reason.into(), ..self }
    }

    /// The same with texts of at most [`Nic::MOST_TEXT`] bytes each, as where another host says it.
    ///
    /// [`Nic::MOST_TEXT`]: crate::nic::Nic::MOST_TEXT
    #[must_use]
    pub fn bounded(self) -> Self {
        Self {
            what: cut(&self.what),
            because: cut(&self.because),
            unlock: cut(&self.unlock),
            undo: cut(&self.undo),
            ..self
        }
    }

    /// The same without its name: for where the thing is named already.
    #[must_use]
    pub fn unnamed(self) -> Self {
        Self { what: String::new(), ..self }
    }
}

impl From<String> for Missing {
    /// A reason that names all itself.
    fn from(reason: String) -> Self {
        Self::default().because(reason)
    }
}

impl From<Missing> for String {
    fn from(missing: Missing) -> Self {
        missing.to_string()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let undo =
            if self.undo.is_empty() { String::new() } else { format!("undo: {}", self.undo) };
        let parts = [(&self.what, ": "), (&self.because, "; "), (&self.unlock, "; "), (&undo, "")];
        let mut before = "";
        for (part, after) in parts.into_iter().filter(|(part, _)| !part.is_empty()) {
            write!(f, "{before}{part}")?;
            before = after;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_run_to_another_host_a_command_goes_there_or_says_that_it_does_not() {
        let told = |missing: Missing| missing.beside_peer("--peer h").unlock;
        let plan = || Missing::plan("copycost run --sizes 64");
        assert_eq!(told(plan()), "copycost run --peer h --sizes 64");
        assert_eq!(told(plan().on_one_host()), "on this machine alone: copycost run --sizes 64");
        // No other link goes beside --peer, whoever asks for one.
        for command in ["copycost run --link loopback,sink", "copycost run --sizes 64 --link=veth"]
        {
            assert_eq!(told(Missing::plan(command)), format!("on this machine alone: {command}"));
        }
        assert_eq!(told(Missing::rounds()), "--resume with more --max-time");
    }

    #[test]
    fn what_another_host_says_is_cut() {
        let long = || "x".repeat(1 << 20);
        let said = Missing::of_itself(long()).because(long()).unlocked_by(long());
        let kept = Missing { undo: long(), ..said }.bounded();
        for text in [&kept.what, &kept.because, &kept.unlock, &kept.undo] {
            assert_eq!(text.len(), crate::nic::Nic::MOST_TEXT);
        }
        let short = Missing::rounds().because("short");
        assert_eq!(short.clone().bounded(), short);
    }

    #[test]
    fn what_is_missing_is_said_in_one_line_without_its_empty_parts() {
        let rounds = Missing::rounds();
        assert_eq!(rounds.to_string(), "more rounds: --resume with more --max-time");
        let counters = Missing::of_itself("hardware counters").because("perf_event_paranoid is 4");
        assert_eq!(counters.to_string(), "hardware counters: perf_event_paranoid is 4");
        let unlocked = Missing {
            undo: "sysctl kernel.perf_event_paranoid=4".to_owned(),
            ..counters.unlocked_by("sysctl kernel.perf_event_paranoid=1")
        };
        assert_eq!(
            unlocked.to_string(),
            "hardware counters: perf_event_paranoid is 4; sysctl kernel.perf_event_paranoid=1; undo: sysctl kernel.perf_event_paranoid=4"
        );
        assert!(unlocked.unnamed().to_string().starts_with("perf_event_paranoid is 4; sysctl"));
        assert_eq!(Missing::from("why".to_owned()).to_string(), "why");
        assert_eq!(Missing::default().to_string(), "");
    }
}
