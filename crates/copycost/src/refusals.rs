//! Cells and heavy instruments that this machine cannot have: said before anything runs, and then never tried.

use std::collections::{BTreeMap, BTreeSet};

use engine::{AuditSeen, Engine, EngineError, SeriesOrder, SliceSeen, TrialOrder};
use model::audit::CeilingPoint;
use model::record::{CpuBusy, Failure, FailureKind, Outcome, Settings};
use model::{Audit, Cell, Measured, Missing, Plan};
use report::numbers::counted;
use study::Bench;

use crate::exit::Stop;

/// The cells and heavy instruments of a plan that this machine refuses, each with the reason and the remedy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals {
    cells: BTreeMap<Cell, Missing>,
    audits: BTreeMap<Audit, Missing>,
}

impl Refusals {
    /// Asks the engine.
    ///
    /// # Errors
    /// No cell can be measured.
    pub(crate) fn find(engine: &Engine, plan: &Plan) -> Result<Self, Stop> {
        let refusals = Self {
            cells: engine.unsupported(plan).into_iter().collect(),
            audits: engine.unsupported_audits(plan).into_iter().collect(),
        };
        refusals.leave_some(plan)?;
        Ok(refusals)
    }

    /// Refusals of cells alone.
    #[cfg(test)]
    pub(crate) fn of_cells(cells: impl Iterator<Item = (Cell, &'static str)>) -> Self {
        let cells = cells.map(|(cell, why)| (cell, why.to_owned().into())).collect();
        Self { cells, ..Self::default() }
    }

    /// Whether any cell of the plan can be measured.
    ///
    /// # Errors
    /// None can: why.
    fn leave_some(&self, plan: &Plan) -> Result<(), Stop> {
        if !plan.cells().iter().all(|cell| self.has(cell)) {
            return Ok(());
        }
        let reasons: BTreeSet<&Missing> = self.cells.values().collect();
        let why = match (reasons.first(), reasons.len()) {
            (Some(only), 1) => only.to_string(),
            _ => self.cell_lines().join("; "),
        };
        Err(Stop::Cannot(format!("no cell of this plan can be measured here: {why}")))
    }

    /// Whether a cell is refused.
    pub(crate) fn has(&self, cell: &Cell) -> bool {
        self.cells.contains_key(cell)
    }

    /// Each cell with its reason.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (&Cell, &Missing)> {
        self.cells.iter()
    }

    /// One line for each reason.
    pub(crate) fn lines(&self) -> Vec<String> {
        let audits = self.audits.iter().map(|(audit, why)| format!("{audit}: {why}"));
        self.cell_lines().into_iter().chain(audits).collect()
    }

    fn cell_lines(&self) -> Vec<String> {
        let mut by_reason: BTreeMap<&Missing, Vec<&Cell>> = BTreeMap::new();
        for (cell, why) in &self.cells {
            by_reason.entry(why).or_default().push(cell);
        }
        let line = |(why, cells): (&Missing, Vec<&Cell>)| {
            let first = cells.first().map(ToString::to_string).unwrap_or_default();
            match u32::try_from(cells.len() - 1) {
                Ok(0) => format!("{first}: {why}"),
                others => {
                    let others = counted(others.unwrap_or(u32::MAX), "other cell", "other cells");
                    format!("{first} and {others}: {why}")
                }
            }
        };
        by_reason.into_iter().map(line).collect()
    }
}

/// The engine, which is not asked for what it refused: those trials end before they begin.
pub(crate) struct RefusingBench<'a> {
    pub(crate) engine: &'a mut Engine,
    pub(crate) refusals: &'a Refusals,
}

impl Bench for RefusingBench<'_> {
    fn begin_round(&mut self) -> Result<Measured<CpuBusy>, EngineError> {
        self.engine.begin_round()
    }

    fn trial(&mut self, order: &TrialOrder) -> Result<(Settings, Outcome), EngineError> {
        let Some(why) = self.refusals.cells.get(&order.cell) else {
            return self.engine.trial(order);
        };
        let failure = Failure { kind: FailureKind::Unsupported, why: why.to_string() };
        Ok((self.engine.unseated(order), Outcome::Failed(failure)))
    }

    fn series(
        &mut self,
        order: &SeriesOrder,
        seen: &mut dyn FnMut(SliceSeen),
    ) -> Result<Vec<Option<(Settings, Outcome)>>, EngineError> {
        // The study asks for the refused ones as single trials.
        self.engine.series_seen(order, seen)
    }

    fn audit(
        &mut self,
        order: &TrialOrder,
        audits: &[Audit],
    ) -> Result<(Settings, Outcome, AuditSeen), EngineError> {
        self.engine.audit_trial(order, audits)
    }

    fn refuses_cell(&self, cell: &Cell) -> bool {
        self.refusals.has(cell)
    }

    fn refuses(&self, audit: Audit, cell: Option<&Cell>) -> Option<Missing> {
        let because_of_cell = || self.refusals.cells.get(cell?);
        self.refusals.audits.get(&audit).or_else(because_of_cell).cloned()
    }

    fn ceiling(&mut self, plan: &Plan) -> Result<Vec<CeilingPoint>, Missing> {
        self.engine.measure_ceiling(plan)
    }

    fn end_round(&mut self) {
        self.engine.end_round();
    }
}

#[cfg(test)]
mod tests {
    use model::Preset;

    use super::*;

    #[test]
    fn equal_reasons_are_told_once() {
        let plan = Plan::preset(Preset::Default);
        let zerocopy = |cell: &Cell| cell.send_path == model::SendPath::Zerocopy;
        let refusals = Refusals::of_cells(
            plan.cells().into_iter().filter(zerocopy).map(|cell| (cell, "too old")),
        );
        assert_eq!(refusals.leave_some(&plan), Ok(()));
        let lines = refusals.lines();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with("and 15 other cells: too old"), "{lines:?}");
    }

    #[test]
    fn a_plan_without_one_cell_that_can_be_measured_is_refused() {
        let plan = Plan::preset(Preset::Quick);
        let complaint = |why: fn(usize) -> &'static str| {
            let cells = (0..).zip(plan.cells()).map(|(n, cell)| (cell, why(n)));
            let Err(Stop::Cannot(why)) = Refusals::of_cells(cells).leave_some(&plan) else {
                panic!("accepted")
            };
            why
        };
        assert_eq!(complaint(|_| "no TCP"), "no cell of this plan can be measured here: no TCP");
        let two = complaint(|n| if n == 0 { "no TCP" } else { "no CPU" });
        assert!(two.contains("and 46 other cells: no CPU; "), "{two}");
    }
}
