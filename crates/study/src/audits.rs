//! Before the first round: the copying ceiling, and an audit trial of each cell for each heavy instrument asked for.

use engine::{EngineError, TrialOrder};
use model::audit::{Audited, Ceiling, RefusedAudit};
use model::record::{Failure, FailureKind, Outcome, Record};
use model::{Audit, Cell, Missing, Nanos};

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

/// Starting, draining and journalling an audit trial, beside the times ordered.
const AROUND: Nanos = Nanos::ms(40);
/// About what measuring the copying ceiling takes.
pub(crate) const CEILING: Nanos = Nanos::s(1);

/// The window of an audit trial.
const fn window_of(audit: Audit) -> Nanos {
    match audit {
        Audit::Profile => SAMPLED,
        Audit::CopyAudit | Audit::Ceiling => COUNTED,
    }
}

/// What an audit trial takes, without its tail.
pub(crate) const fn expected(audit: Audit) -> Nanos {
    Nanos(window_of(audit).0 + WARMUP.0 + AROUND.0)
}

/// Whether a trial moved nothing, or failed as another may not.
fn is_worth_another(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Finished(finished) => finished.sender.total.accepted_bytes == 0,
        Outcome::Failed(failure) => failure.kind != FailureKind::Unsupported,
        Outcome::Imported(_) => false,
    }
}

/// Whether earlier segments have told something of a cell.
pub(crate) fn is_done(earlier: &[Record], audit: Audit, cell: &Cell) -> bool {
    earlier.iter().any(|record| {
        matches!(record, Record::Audit(done) if done.cell == *cell
            && done.audits.contains(&audit)
            && why_nothing(done, audit).is_none())
    })
}

/// Why the trial's instrument told nothing; none where it told something.
fn why_nothing(audited: &Audited, audit: Audit) -> Option<&str> {
    match &audited.outcome {
        Outcome::Failed(failure) => Some(&failure.why),
        Outcome::Finished(_) | Outcome::Imported(_) => audited.reason(audit),
    }
}

impl Running<'_> {
    /// Measures and journals what the plan's heavy instruments tell. What earlier segments audited is not audited again;
    /// what told them nothing is tried once in each segment.
    pub(crate) fn audits(&mut self, earlier: &[Record]) -> Result<(), Halt> {
        let (refused, had): (Vec<_>, Vec<_>) = (self.plan.measure.audits.iter())
            .map(|audit| (*audit, self.bench.refuses(*audit, None)))
            .partition(|(_, refusal)| refusal.is_some());
        for (audit, refusal) in refused {
            if let Some(refusal) = refusal {
                self.refused(audit, None, refusal)?;
            }
        }
        let had: Vec<Audit> = had.into_iter().map(|(audit, _)| audit).collect();
        if had.contains(&Audit::Ceiling) {
            self.ceiling()?;
        }
        let mut todo = Vec::new();
        for (audit, cell) in self.audits_to_do(&had, earlier) {
            match self.bench.refuses(audit, Some(&cell)) {
                Some(refusal) => self.refused(audit, Some(cell), refusal)?,
                None => todo.push((audit, cell)),
            }
        }
        if todo.is_empty() {
            return Ok(());
        }
        let of = saturating(todo.len());
        match self.fresh_ends() {
            Ok(_) => {}
            // The rounds begin with ends of their own, which may be luckier.
            Err(EngineError::Ends(why)) => {
                self.bench.end_round();
                self.emit(Event::Warning(format!("no audits: {why}")));
                for (audit, cell) in todo {
                    self.refused(audit, Some(cell), why.clone().into())?;
                }
                return Ok(());
            }
            Err(other) => return Err(other.into()),
        }
        let mut told = None;
        for (number, (audit, cell)) in (1..).zip(todo) {
            self.emit(Event::AuditStarted { cell: cell.clone(), audit, number, of });
            if let Some(why) = self.audit(audit, cell)?
                && told.as_ref() != Some(&why)
            {
                self.emit(Event::Warning(format!("{audit}: {why}")));
                told = Some(why);
            }
        }
        self.bench.end_round();
        Ok(())
    }

    /// Each cell with each instrument that has not yet told something of it.
    fn audits_to_do(&self, audits: &[Audit], earlier: &[Record]) -> Vec<(Audit, Cell)> {
        let trials = audits.iter().copied().filter(|audit| *audit != Audit::Ceiling);
        trials
            .flat_map(|audit| self.plan.cells().into_iter().map(move |cell| (audit, cell)))
            .filter(|(audit, cell)| !is_done(earlier, *audit, cell))
            .collect()
    }

    /// Journals an instrument that could not be had.
    fn refused(&mut self, audit: Audit, cell: Option<Cell>, refusal: Missing) -> Result<(), Halt> {
        let started_unix_ms = self.clock.unix_ms();
        let refused = RefusedAudit { audit, cell, started_unix_ms, refusal };
        Ok(self.append(&Record::AuditRefused(Box::new(refused)))?)
    }

    fn ceiling(&mut self) -> Result<(), Halt> {
        self.emit(Event::CeilingStarted);
        let started_unix_ms = self.clock.unix_ms();
        let before = self.clock.monotonic();
        match self.bench.ceiling(self.plan) {
            Ok(points) => {
                let spent_ns = Nanos(self.clock.monotonic().0.saturating_sub(before.0));
                self.append(&Record::Ceiling(Ceiling { started_unix_ms, spent_ns, points }))?;
            }
            Err(why) => {
                self.refused(Audit::Ceiling, None, why.clone())?;
                self.emit(Event::Warning(format!("no copying ceiling: {why}")));
            }
        }
        Ok(())
    }

    /// Runs and journals one audit trial; why its instrument told nothing, where it did not.
    fn audit(&mut self, audit: Audit, cell: Cell) -> Result<Option<String>, Halt> {
        let window = window_of(audit);
        let mut order =
            TrialOrder { cell: cell.clone(), window, warmup: WARMUP, tail: self.plan.measure.tail };
        let started_unix_ms = self.clock.unix_ms();
        let (mut settings, mut outcome, mut seen) = self.bench.audit(&order, &[audit])?;
        if is_worth_another(&outcome) {
            order.window = ONCE_MORE;
            (settings, outcome, seen) = self.bench.audit(&order, &[audit])?;
        }
        if let Outcome::Failed(Failure { kind: FailureKind::Unsupported, why }) = outcome {
            // The rounds leave such a cell out and tell why.
            self.refused(audit, Some(cell), why.into())?;
            return Ok(None);
        }
        let audited = Audited {
            cell,
            audits: vec![audit],
            started_unix_ms,
            settings,
            outcome,
            copies: seen.copies,
            calls: seen.calls,
            profile: seen.profile,
        };
        let why = why_nothing(&audited, audit).map(str::to_owned);
        self.append(&Record::Audit(Box::new(audited)))?;
        Ok(why)
    }
}
