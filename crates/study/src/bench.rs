//! What the study measures with: the engine, or in tests a script.

use engine::{AuditSeen, Engine, EngineError, SeriesOrder, SliceSeen, TrialOrder};
use model::audit::CeilingPoint;
use model::record::{CpuBusy, Outcome, Settings};
use model::{Audit, Cell, Measured, Missing, Plan};

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

    /// Measures the cells of a block in turns. A cell's own failure is its outcome and ends the series: cells without one
    /// were not measured. `seen` is told of each slice that counts in the silence after it.
    ///
    /// # Errors
    /// As [`Bench::trial`].
    fn series(
        &mut self,
        order: &SeriesOrder,
        seen: &mut dyn FnMut(SliceSeen),
    ) -> Result<Vec<Option<(Settings, Outcome)>>, EngineError>;

    /// Runs one trial under heavy instruments.
    ///
    /// # Errors
    /// As [`Bench::trial`].
    fn audit(
        &mut self,
        order: &TrialOrder,
        audits: &[Audit],
    ) -> Result<(Settings, Outcome, AuditSeen), EngineError>;

    /// Whether a cell is known to be beyond this machine: its trial ends before it begins, and says why.
    fn refuses_cell(&self, _cell: &Cell) -> bool {
        false
    }

    /// Why a heavy instrument cannot be had for a cell, or for none (`cell` absent), where that is known before it is
    /// tried: then no trial of it is begun.
    fn refuses(&self, _audit: Audit, _cell: Option<&Cell>) -> Option<Missing> {
        None
    }

    /// Measures the copying bandwidth of the CPUs that a plan uses.
    ///
    /// # Errors
    /// It cannot be had.
    fn ceiling(&mut self, plan: &Plan) -> Result<Vec<CeilingPoint>, Missing>;

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

    fn series(
        &mut self,
        order: &SeriesOrder,
        seen: &mut dyn FnMut(SliceSeen),
    ) -> Result<Vec<Option<(Settings, Outcome)>>, EngineError> {
        self.series_seen(order, seen)
    }

    fn audit(
        &mut self,
        order: &TrialOrder,
        audits: &[Audit],
    ) -> Result<(Settings, Outcome, AuditSeen), EngineError> {
        Self::audit_trial(self, order, audits)
    }

    fn ceiling(&mut self, plan: &Plan) -> Result<Vec<CeilingPoint>, Missing> {
        Self::measure_ceiling(self, plan)
    }

    fn end_round(&mut self) {
        Self::end_round(self);
    }
}
