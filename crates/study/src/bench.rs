//! What the study measures with: the engine, or in tests a script.

use engine::{Engine, EngineError, TrialOrder};
use model::Measured;
use model::record::{CpuBusy, Outcome, Settings};

/// Runs single trials. It knows no rounds beyond starting fresh ends for each.
pub trait Bench {
    /// Starts fresh ends and measures what the machine does while they idle.
    ///
    /// # Errors
    /// The ends do not start or do not answer, this machine cannot do it, or a signal asks to stop.
    fn begin_round(&mut self) -> Result<Measured<CpuBusy>, EngineError>;

    /// Runs one trial. What goes wrong in the trial alone is its outcome and no error.
    ///
    /// # Errors
    /// The ends are lost for good, or a signal asks to stop; the trial in hand is lost.
    fn trial(&mut self, order: &TrialOrder) -> Result<(Settings, Outcome), EngineError>;

    /// Stops the ends; nothing happens where none run.
    fn end_round(&mut self);
}

impl Bench for Engine {
    fn begin_round(&mut self) -> Result<Measured<CpuBusy>, EngineError> {
        Self::begin_round(self)
    }

    fn trial(&mut self, order: &TrialOrder) -> Result<(Settings, Outcome), EngineError> {
        Self::trial(self, order)
    }

    fn end_round(&mut self) {
        Self::end_round(self);
    }
}
