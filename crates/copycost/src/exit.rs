//! How a command ends: what it says, and the number that a script sees.

use std::fmt;
use std::process::ExitCode;

/// The numbers of the design: 0 done, and these.
const INVALID: u8 = 1;
const USAGE: u8 = 2;
const CANNOT: u8 = 3;
const UNDECIDED: u8 = 4;
const INTERRUPTED: u8 = 130;

/// The same for `--help`.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 done; 1 done, and something is wrong: a fault (verify), \
an invalid cell or a broken law (run --strict, report --strict), a directory left out (table --strict), a change for the worse (compare --fail-over); \
2 wrong usage; 3 this machine cannot do it, or no trial is valid; 4 undecided (advise, compare --fail-over); 130 interrupted, what was measured is kept.";

/// Why a command did not simply end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// `--strict` and cells are invalid, `verify` found a fault, or `--fail-over` a change for the worse: 1.
    Invalid(String),
    /// Wrong usage, a wrong plan, a run directory that cannot be read: 2.
    Usage(String),
    /// This machine cannot do it: 3.
    Cannot(String),
    /// What was measured does not decide the question: 4.
    Undecided(String),
    /// A signal; what was measured is kept: 130.
    Interrupted(String),
}

impl Stop {
    /// What it says, without what kind of an end it is.
    pub(crate) fn why(&self) -> &str {
        match self {
            Self::Invalid(why)
            | Self::Usage(why)
            | Self::Cannot(why)
            | Self::Undecided(why)
            | Self::Interrupted(why) => why,
        }
    }

    /// The number that a script sees.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Invalid(_) => INVALID,
            Self::Usage(_) => USAGE,
            Self::Cannot(_) => CANNOT,
            Self::Undecided(_) => UNDECIDED,
            Self::Interrupted(_) => INTERRUPTED,
        })
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) | Self::Usage(why) | Self::Cannot(why) => write!(f, "error: {why}"),
            Self::Undecided(why) => write!(f, "undecided: {why}"),
            Self::Interrupted(why) => write!(f, "interrupted: {why}"),
        }
    }
}
