//! What is missing, why, and what would give it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nic::cut;
use crate::run_command::{Remedy, RunCommand};

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
    /// The command that `unlock` writes, where it is one.
    #[serde(skip)]
    pub command: Option<Box<RunCommand>>,
}

impl Missing {
    /// Something that no command of this version gives.
    pub fn of_itself(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    /// Cells that this plan has not: the command that measures them, or which ones.
    pub fn plan(remedy: impl Into<Remedy>) -> Self {
        Self::of_itself("another plan").unlocked_by(remedy)
    }

    /// After a run to another host, whose flags these are: a command measures between the same two, or says that it does not.
    #[must_use]
    pub fn beside_peer(self, flags: &str) -> Self {
        match self.command.clone() {
            Some(command) => self.unlocked_by(command.beside_peer(flags)),
            None => self,
        }
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
    pub fn machine(which: impl Into<String>, command: impl Into<Remedy>) -> Self {
        Self::of_itself(which).unlocked_by(command)
    }

    /// The same, with another step.
    #[must_use]
    pub fn unlocked_by(self, step: impl Into<Remedy>) -> Self {
        let (unlock, command) = match step.into() {
            Remedy::Run(command) => (command.to_string(), Some(Box::new(command))),
            Remedy::Words(words) => (words, None),
        };
        Self { unlock, command, ..self }
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
    use crate::Link;

    #[test]
    fn after_a_run_to_another_host_a_command_goes_there_or_says_that_it_does_not() {
        let told = |missing: Missing| missing.beside_peer("--peer h").unlock;
        let sizes = || RunCommand::new("--sizes 64").saying(", as root");
        assert_eq!(Missing::plan(sizes()).unlock, "copycost run --sizes 64, as root");
        assert_eq!(told(Missing::plan(sizes())), "copycost run --peer h --sizes 64, as root");
        assert_eq!(told(Missing::plan(RunCommand::default())), "copycost run --peer h");
        let alone = "on this machine alone: copycost run --sizes 64, as root";
        assert_eq!(told(Missing::plan(sizes().on_one_host())), alone);
        // No other link goes beside --peer, whoever asks for one, and however often it is told.
        let over = Missing::machine("both", sizes().over(&[Link::Loopback, Link::Sink]));
        let beside = "on this machine alone: copycost run --link loopback,sink --sizes 64, as root";
        assert_eq!(told(over.clone()), beside);
        assert_eq!(told(over.beside_peer("--peer h")), beside);
        // Words are not taken for a command, whatever they begin with.
        let words = Missing::plan("copycost run --link sink");
        assert_eq!(told(words), "copycost run --link sink");
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
