//! A command that measures what is missing, part by part, and how it is written.

use std::fmt;

use crate::Link;

/// Said before a command that measures another thing than the run between two hosts after which it is told.
pub const ON_ONE_HOST: &str = "on this machine alone";

/// `copycost run` with its flags.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunCommand {
    /// The flags that name the other host, where it is told after a run to one.
    peer: Option<String>,
    /// The links that it names; none where it leaves them to the plan.
    links: Vec<Link>,
    /// Its other flags.
    flags: String,
    /// What is said behind it.
    behind: String,
    /// Whether it measures on one machine, also after a run between two.
    is_alone: bool,
}

impl RunCommand {
    /// One with these flags, none of which names a link or another host.
    pub fn new(flags: impl Into<String>) -> Self {
        Self { flags: flags.into(), ..Self::default() }
    }

    /// The same over these links. No other link goes beside another host, so that it is of one machine.
    #[must_use]
    pub fn over(self, links: &[Link]) -> Self {
        Self { links: links.to_vec(), ..self }
    }

    /// The same with more behind it: `, as root`.
    #[must_use]
    pub fn saying(self, behind: impl Into<String>) -> Self {
        Self { behind: behind.into(), ..self }
    }

    /// The same as one that measures on one machine alone.
    #[must_use]
    pub fn on_one_host(self) -> Self {
        Self { is_alone: true, ..self }
    }

    /// Whether it measures on one machine, also after a run between two.
    pub const fn is_of_one_host(&self) -> bool {
        self.is_alone || !self.links.is_empty()
    }

    /// The same told after a run to another host, whose flags these are: it goes there too, or says that it does not.
    #[must_use]
    pub fn beside_peer(self, flags: impl Into<String>) -> Self {
        Self { peer: Some(flags.into()), ..self }
    }
}

impl fmt::Display for RunCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = "copycost run";
        match &self.peer {
            Some(_) if self.is_of_one_host() => write!(f, "{ON_ONE_HOST}: {run}")?,
            Some(peer) => write!(f, "{run} {peer}")?,
            None => f.write_str(run)?,
        }
        if !self.links.is_empty() {
            let links: Vec<&str> = self.links.iter().map(|link| link.name()).collect();
            write!(f, " --link {}", links.join(","))?;
        }
        if !self.flags.is_empty() {
            write!(f, " {}", self.flags)?;
        }
        f.write_str(&self.behind)
    }
}

/// A step that would give what is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// A command that measures.
    Run(RunCommand),
    /// Anything else, in words.
    Words(String),
}

impl From<RunCommand> for Remedy {
    fn from(command: RunCommand) -> Self {
        Self::Run(command)
    }
}

impl From<String> for Remedy {
    fn from(words: String) -> Self {
        Self::Words(words)
    }
}

impl From<&str> for Remedy {
    fn from(words: &str) -> Self {
        Self::Words(words.to_owned())
    }
}
