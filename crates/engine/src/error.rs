//! How the engine fails, where no trial's record could hold it.

use model::Missing;
use thiserror::Error;

/// What the kernel crate says is missing, in the words of everyone above it: the one place where it is read.
pub(crate) fn missing(why: kernel::Unavailable) -> Missing {
    Missing {
        what: why.what,
        because: why.because,
        unlock: why.remedy.unlock,
        undo: why.remedy.undo,
        ..Missing::default()
    }
}

/// What ends more than a trial. A trial's own failure is an outcome in its record instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    /// A signal asked to stop; the trial in hand is lost.
    #[error("interrupted")]
    Interrupted,
    /// The other host is gone and was not reached again; the trial in hand is lost, and a later run may go on.
    #[error("{0}")]
    Gone(String),
    /// This machine, kernel or user cannot do what was asked.
    #[error("{0}")]
    Unsupported(String),
    /// The ends could not be started or did not answer even when started again.
    #[error("{0}")]
    Ends(String),
}
