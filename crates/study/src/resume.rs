//! Going on with a run: whether it is the same one, and where it stopped.

use std::collections::BTreeSet;

use analysis::round_order;
use model::host::Host;
use model::line_facts::{KnownLine, LineDiffers};
use model::record::{Outcome, Record, Segment, Trial};
use model::{Cell, Plan};
use thiserror::Error;

use crate::attempts::{MAX_ATTEMPTS, is_unsupported};

/// Why results would not belong to one run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Differs {
    /// The plan is another one.
    #[error(
        "this plan differs from the run's: it has \"{now}\" where the run has \"{then}\"; only label, precision, rounds and max-time may differ: begin a new run with --out"
    )]
    Plan {
        /// The first line of the run's plan that differs.
        then: String,
        /// The same line of the new plan.
        now: String,
    },
    /// An end's machine or its kernel is another one.
    #[error(
        "{whose} differs from the run's: it is \"{now}\", and the run's is \"{then}\": begin a new run with --out"
    )]
    Host {
        /// `this machine`, or the receiving end's where that is another one.
        whose: &'static str,
        /// The run's machine.
        then: String,
        /// This one.
        now: String,
    },
    /// Data would go over another line.
    #[error(
        "the line differs from the run's: the {} is \"{}\", and was \"{}\": put the line back, or begin a new run with --out",
        .0.fact, .0.now, .0.then
    )]
    Line(LineDiffers),
    /// Its trials were measured in another order: by a version that had other blocks, or under an edited plan.
    #[error(
        "round {round} of the run has a cell in block {block} that this version measures in another one, so that its pairs would not be complete: begin a new run with --out"
    )]
    Order {
        /// From 1.
        round: u32,
        /// Place of the block in the round, from 0.
        block: u32,
    },
}

/// Checks that a run may be gone on with: the same plan but for budget, precision, rounds and label, on the same
/// machines and kernels, each end's, and over the same line. Another boot is allowed; it begins a new segment as every resume does.
///
/// # Errors
/// The first line of the plan that differs, the machine of an end, or the line between them, of which the records tell what `host.json` does not.
pub fn check(
    plan_then: &Plan,
    plan_now: &Plan,
    host_then: &Host,
    host_now: &Host,
    earlier: &[Record],
) -> Result<(), Differs> {
    let (then, now) = (plan_then.identity(), plan_now.identity());
    if then != now {
        let mut lines = then.lines().zip(now.lines());
        let (then, now) = lines.find(|(then, now)| then != now).unwrap_or(("", ""));
        return Err(Differs::Plan { then: then.to_owned(), now: now.to_owned() });
    }
    let ends = [
        ("this machine", host_then, host_now),
        ("the receiving end's machine", host_then.of_receiver(), host_now.of_receiver()),
        ("the sending end's machine", host_then.of_sender(), host_now.of_sender()),
    ];
    for (whose, then, now) in ends {
        let (then, now) = (then.identity(), now.identity());
        if then != now {
            return Err(Differs::Host { whose, then, now });
        }
    }
    let links = &plan_now.factors.link;
    let mut line = KnownLine::of(host_then, links);
    for record in earlier {
        if let Record::Segment(Segment { line: Some(told), .. }) = record {
            line.learn(told);
        }
    }
    let differs = line.differs_from(&host_now.known_line(links));
    differs.map_or(Ok(()), |differs| Err(Differs::Line(differs)))
}

/// Checks that every trial was measured in the block in which this version measures its cell.
///
/// # Errors
/// The first trial of another order.
pub fn check_order(plan: &Plan, records: &[Record]) -> Result<(), Differs> {
    let mut known = None;
    for trial in records.iter().filter_map(trial_of) {
        let (round, order) = match known.take() {
            Some((round, order)) if round == trial.round => (round, order),
            _ => (trial.round, round_order(plan, trial.round)),
        };
        let block = usize::try_from(trial.block).ok().and_then(|place| order.get(place));
        if !block.is_some_and(|(_, cells)| cells.contains(&trial.cell)) {
            return Err(Differs::Order { round, block: trial.block });
        }
        known = Some((round, order));
    }
    Ok(())
}

/// Where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub round: u32,
    /// Place of the block in the round's order, from 0.
    pub block: u32,
}

/// The first block of the run that is not finished. Blocks are measured in the order of `analysis::round_order`, so only
/// the last one of which there is a trial can be unfinished; it is then measured again as a whole.
pub fn position(plan: &Plan, records: &[Record]) -> Position {
    let trials = || records.iter().filter_map(trial_of);
    let Some(last) = trials().next_back() else {
        return Position { round: 1, block: 0 };
    };
    let order = round_order(plan, last.round);
    let place = usize::try_from(last.block).unwrap_or(usize::MAX);
    let cells = order.get(place).map_or(&[][..], |(_, cells)| cells);
    let mut next = last.block;
    if is_finished(plan, records, last, cells) {
        next = next.saturating_add(1);
    }
    if usize::try_from(next).unwrap_or(usize::MAX) >= order.len() {
        return Position { round: last.round.saturating_add(1), block: 0 };
    }
    Position { round: last.round, block: next }
}

fn trial_of(record: &Record) -> Option<&Trial> {
    match record {
        Record::Trial(trial) => Some(trial),
        Record::Segment(_)
        | Record::Round(_)
        | Record::Audit(_)
        | Record::AuditRefused(_)
        | Record::Ceiling(_)
        | Record::Finish(_)
        | Record::Imported(_) => None,
    }
}

/// Whether every cell of the last trial's block had its last attempt in the last trial's segment and after its round's
/// beginning: ends started anew begin the block anew.
fn is_finished(plan: &Plan, records: &[Record], last: &Trial, cells: &[Cell]) -> bool {
    let end = records.iter().rposition(|record| trial_of(record).is_some()).map_or(0, |at| at + 1);
    let records = records.get(..end).unwrap_or_default();
    let segment =
        records.iter().rposition(|record| matches!(record, Record::Segment(_))).unwrap_or(0);
    let round = records.iter().rposition(|record| matches!(record, Record::Round(_))).unwrap_or(0);
    let since = |at: usize| records.iter().skip(at).filter_map(trial_of);
    let mut done: BTreeSet<&Cell> =
        since(segment).filter(|trial| is_unsupported(trial)).map(|trial| &trial.cell).collect();
    let of_block = since(round.max(segment))
        .filter(|trial| trial.round == last.round && trial.block == last.block);
    // A series that was tried often enough is over for all its cells, and one that went well is not tried again.
    let series = of_block.clone().filter(|trial| trial.settings.series.is_some());
    if series.clone().any(|trial| trial.attempt >= MAX_ATTEMPTS) {
        return true;
    }
    done.extend(series.filter(|trial| has_finished(trial)).map(|trial| &trial.cell));
    let over = of_block.filter(|trial| {
        trial.attempt >= MAX_ATTEMPTS
            || !analysis::marks::is_void(&analysis::marks::judge(trial, &plan.thresholds))
    });
    done.extend(over.map(|trial| &trial.cell));
    cells.iter().all(|cell| done.contains(cell))
}

fn has_finished(trial: &Trial) -> bool {
    matches!(trial.outcome, Outcome::Finished(_))
}
