//! How often a cell is tried, and which failures no other attempt can mend.

use model::record::{FailureKind, Outcome, Trial};

/// A void trial is tried again up to twice.
pub(crate) const MAX_ATTEMPTS: u32 = 3;

/// Whether a trial says that this machine cannot measure its cell.
pub(crate) fn is_unsupported(trial: &Trial) -> bool {
    match &trial.outcome {
        Outcome::Failed(failure) => failure.kind == FailureKind::Unsupported,
        Outcome::Finished(_) | Outcome::Imported(_) => false,
    }
}
