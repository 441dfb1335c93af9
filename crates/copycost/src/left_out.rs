//! Cells and heavy instruments that this machine cannot have: said before anything runs, and then never tried.

use std::collections::BTreeMap;

use engine::{AuditSeen, Engine, EngineError, TrialOrder};
use model::audit::{CeilingPoint, Refusal};
use model::message::Message;
use model::record::{CpuBusy, Failure, FailureKind, Outcome, Settings};
use model::{Audit, Bytes, Cell, Measured, Plan};
use report::numbers::counted;
use study::{Bench, Event};

use crate::exit::Stop;

/// The cells and heavy instruments of a plan that this machine refuses, each with the reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeftOut {
    cells: BTreeMap<Cell, String>,
    audits: BTreeMap<Audit, Refusal>,
}

impl LeftOut {
    /// Asks the engine.
    ///
    /// # Errors
    /// No cell is left.
    pub(crate) fn find(engine: &Engine, plan: &Plan) -> Result<Self, Stop> {
        let mut left_out = Self::of(plan, engine.unsupported(plan))?;
        left_out.audits = engine.unsupported_audits(plan).into_iter().collect();
        Ok(left_out)
    }

    fn of(plan: &Plan, refused: Vec<(Cell, String)>) -> Result<Self, Stop> {
        let left_out = Self { cells: refused.into_iter().collect(), audits: BTreeMap::new() };
        if plan.cells().iter().all(|cell| left_out.cells.contains_key(cell)) {
            let why = left_out.lines().join("; ");
            return Err(Stop::Cannot(format!("no cell of this plan can be measured here: {why}")));
        }
        Ok(left_out)
    }

    /// Why a heavy instrument cannot be had for a cell, or at all.
    fn refuses(&self, audit: Audit, cell: Option<&Cell>) -> Option<Refusal> {
        let of_cell = || self.cells.get(cell?).map(Refusal::told);
        self.audits.get(&audit).cloned().or_else(of_cell)
    }

    /// Each cell with its reason.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (&Cell, &str)> {
        self.cells.iter().map(|(cell, why)| (cell, why.as_str()))
    }

    /// One line for each reason.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut by_reason: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
        for (cell, why) in &self.cells {
            by_reason.entry(why).or_default().push(cell);
        }
        let line = |(why, cells): (&str, Vec<&Cell>)| {
            let first = cells.first().map(ToString::to_string).unwrap_or_default();
            match u32::try_from(cells.len() - 1) {
                Ok(0) => format!("{first}: {why}"),
                others => {
                    let others = counted(others.unwrap_or(u32::MAX), "other cell", "other cells");
                    format!("{first} and {others}: {why}")
                }
            }
        };
        let audits = self.audits.iter().map(|(audit, why)| format!("{audit}: {why}"));
        by_reason.into_iter().map(line).chain(audits).collect()
    }

    /// Whether an event only repeats what was said before the run.
    pub(crate) fn is_known(&self, event: &Event) -> bool {
        let Event::Warning(text) = event else { return false };
        self.cells.keys().any(|cell| text.starts_with(&format!("{cell}: left out")))
    }
}

/// The engine without the cells that it refused: their trials end before they begin.
pub(crate) struct WithoutLeftOut<'a> {
    pub(crate) engine: &'a mut Engine,
    pub(crate) left_out: &'a LeftOut,
}

impl Bench for WithoutLeftOut<'_> {
    fn begin_round(&mut self) -> Result<Measured<CpuBusy>, EngineError> {
        self.engine.begin_round()
    }

    fn trial(&mut self, order: &TrialOrder) -> Result<(Settings, Outcome), EngineError> {
        let Some(why) = self.left_out.cells.get(&order.cell) else {
            return self.engine.trial(order);
        };
        let failure = Failure { kind: FailureKind::Unsupported, why: why.clone() };
        Ok((planned(order, self.engine.usable_cpus()), Outcome::Failed(failure)))
    }

    fn audit(
        &mut self,
        order: &TrialOrder,
        audits: &[Audit],
    ) -> Result<(Settings, Outcome, AuditSeen), EngineError> {
        self.engine.audit_trial(order, audits)
    }

    fn refuses(&self, audit: Audit, cell: Option<&Cell>) -> Option<Refusal> {
        self.left_out.refuses(audit, cell)
    }

    fn ceiling(&mut self, plan: &Plan) -> Result<Vec<CeilingPoint>, String> {
        self.engine.measure_ceiling(plan)
    }

    fn end_round(&mut self) {
        self.engine.end_round();
    }
}

/// What would have been set.
fn planned(order: &TrialOrder, usable_cpus: &[u32]) -> Settings {
    let cell = &order.cell;
    let message = Message::new(cell.message, cell.fields, cell.layout, 4096);
    let stride = message.ok().and_then(|message| u64::try_from(message.stride()).ok());
    Settings {
        window_ns: order.window,
        warmup_ns: order.warmup,
        tail_ns: order.tail,
        extended: order.extended,
        usable_cpus: usable_cpus.to_vec(),
        sender_cpus: Vec::new(),
        receiver_cpus: Vec::new(),
        ring_slots: cell.ring.slots(cell.message),
        slot_bytes: Bytes(stride.unwrap_or_default()),
        receive_buffer_bytes: Bytes(cell.receive_buffer.bytes(cell.message)),
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
        let refused =
            plan.cells().into_iter().filter(zerocopy).map(|cell| (cell, "too old".to_owned()));
        let left_out = LeftOut::of(&plan, refused.collect()).unwrap();
        let lines = left_out.lines();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with("and 15 other cells: too old"), "{lines:?}");
        let known = Event::Warning(
            "send=zerocopy message_bytes=64 threads=1: left out from here on: x".to_owned(),
        );
        assert!(left_out.is_known(&known));
        assert!(!left_out.is_known(&Event::Warning("something else".to_owned())));
    }

    #[test]
    fn a_plan_without_one_cell_that_can_be_measured_is_refused() {
        let plan = Plan::preset(Preset::Quick);
        let refused = plan.cells().into_iter().map(|cell| (cell, "no TCP".to_owned())).collect();
        let Err(Stop::Cannot(why)) = LeftOut::of(&plan, refused) else { panic!("accepted") };
        assert!(why.ends_with("and 47 other cells: no TCP"), "{why}");
    }
}
