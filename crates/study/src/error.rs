//! How a study fails.

use engine::EngineError;
use journal::JournalError;
use thiserror::Error;

/// Why a study ended before its time, or could not go on with a run. All that was journalled before is kept.
#[derive(Debug, Error)]
pub enum StudyError {
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The engine failed beyond one trial; the run is marked as failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The run to go on with is another one.
    #[error(transparent)]
    Differs(#[from] crate::resume::Differs),
}
