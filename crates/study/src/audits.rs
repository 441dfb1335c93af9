//! Before the first round: the copying ceiling, and an audit trial of each cell for each heavy instrument asked for.

use engine::TrialOrder;
use model::audit::{Audited, Ceiling};
use model::record::{Failure, FailureKind, Outcome, Record};
use model::{Audit, Cell, Nanos};

use crate::event::Event;
use crate::progress::saturating;
use crate::study::{Halt, Running};

/// Counting needs no long window; every copy of the whole trial counts.
const COUNTED: Nanos = Nanos::ms(50);
/// Sampling does: at some kHz this gives a thousand samples a CPU and more.
const SAMPLED: Nanos = Nanos::ms(400);
/// A machine so slow that nothing was sent meanwhile, or that a connection was over too soon, is given this once.
const ONCE_MORE: Nanos = Nanos::s(1);
/// Warm-up of an audit trial.
const WARMUP: Nanos = Nanos::ms(30);

/// Whether a trial moved nothing, or failed as another may not.
fn is_worth_another(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Finished(finished) => finished.sender.total.accepted_bytes == 0,
        Outcome::Failed(failure) => failure.kind != FailureKind::Unsupported,
    }
}

impl Running<'_> {
    /// Measures and journals what the plan's heavy instruments tell; what earlier segments audited is not audited again.
    pub(crate) fn audits(&mut self, earlier: &[Record]) -> Result<(), Halt> {
        if self.plan.measure.audits.contains(&Audit::Ceiling) {
            self.ceiling()?;
        }
        let todo = self.audits_to_do(earlier);
        if todo.is_empty() {
            return Ok(());
        }
        let of = saturating(todo.len());
        self.bench.begin_round()?;
        let mut told = None;
        for (number, (audit, cell)) in (1..).zip(todo) {
            self.tell(Event::AuditStarted { cell: cell.clone(), audit, number, of });
            if let Some(why) = self.audit(audit, cell)?
                && told.as_ref() != Some(&why)
            {
                self.tell(Event::Warning(format!("{audit}: {why}")));
                told = Some(why);
            }
        }
        self.bench.end_round();
        Ok(())
    }

    fn audits_to_do(&self, earlier: &[Record]) -> Vec<(Audit, Cell)> {
        let is_done = |audit: Audit, cell: &Cell| {
            earlier.iter().any(|record| {
                matches!(record, Record::Audit(done) if done.cell == *cell
                    && done.audits.contains(&audit)
                    && matches!(done.outcome, Outcome::Finished(_)))
            })
        };
        let asked = self.plan.measure.audits.iter().copied();
        let trials = asked.filter(|audit| *audit != Audit::Ceiling);
        trials
            .flat_map(|audit| self.plan.cells().into_iter().map(move |cell| (audit, cell)))
            .filter(|(audit, cell)| !is_done(*audit, cell))
            .collect()
    }

    fn ceiling(&mut self) -> Result<(), Halt> {
        self.tell(Event::CeilingStarted);
        let started_unix_ms = self.clock.unix_ms();
        let before = self.clock.monotonic();
        match self.bench.ceiling(self.plan) {
            Ok(points) => {
                let spent_ns = Nanos(self.clock.monotonic().0.saturating_sub(before.0));
                self.append(&Record::Ceiling(Ceiling { started_unix_ms, spent_ns, points }))?;
            }
            Err(why) => self.tell(Event::Warning(format!("no copying ceiling: {why}"))),
        }
        Ok(())
    }

    /// Runs and journals one audit trial; why its instrument told nothing, where it did not.
    fn audit(&mut self, audit: Audit, cell: Cell) -> Result<Option<String>, Halt> {
        let window = if audit == Audit::Profile { SAMPLED } else { COUNTED };
        let mut order = TrialOrder {
            cell: cell.clone(),
            window,
            warmup: WARMUP,
            tail: self.plan.measure.tail,
            extended: false,
        };
        let started_unix_ms = self.clock.unix_ms();
        let (mut settings, mut outcome, mut seen) = self.bench.audit(&order, &[audit])?;
        if is_worth_another(&outcome) {
            order.window = ONCE_MORE;
            (settings, outcome, seen) = self.bench.audit(&order, &[audit])?;
        }
        let why = match &outcome {
            // The rounds leave such a cell out and tell why.
            Outcome::Failed(Failure { kind: FailureKind::Unsupported, .. }) => return Ok(None),
            Outcome::Failed(failure) => Some(failure.why.clone()),
            Outcome::Finished(_) => {
                let reason = match audit {
                    Audit::Profile => seen.profile.reason(),
                    Audit::CopyAudit => seen.copies.reason(),
                    Audit::Ceiling => None,
                };
                reason.map(str::to_owned)
            }
        };
        self.append(&Record::Audit(Box::new(Audited {
            cell,
            audits: vec![audit],
            started_unix_ms,
            settings,
            outcome,
            copies: seen.copies,
            calls: seen.calls,
            profile: seen.profile,
        })))?;
        Ok(why)
    }
}
