//! Whether cells get faster or slower within a series: whether they had warmed up when its first slice was counted.
//!
//! A trial's trend is the goodput of the last third of its slices over that of the first third. Over rounds, the clusters, the
//! mean of its logarithm is tested against 0 (Student's t), with Holm's correction over cells. Turns bring noise to all cells of
//! a series alike and as often up as down; what is left over many rounds is the cell's own.

use std::collections::BTreeMap;
use std::ops::Range;

use model::record::{Outcome, Record, Slices, Trial};
use model::{Cell, Measured, Plan, Share, saturating_sum};
use schemars::JsonSchema;
use serde::Serialize;

use crate::estimate::{Estimate, Moments};
use crate::judged_run::JudgedRun;
use crate::pairs::{SIGNIFICANCE, holm, ratio};

/// How a cell's goodput changes within a series.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Trend {
    /// The cell's id.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// Turns before those that count, in the series that this is of.
    pub warmup_turns: u32,
    /// Goodput of the last third of the slices over that of the first third: geometric mean over rounds.
    pub change: Estimate,
    /// Two-sided p of "no change" after Holm's correction over all cells; absent below two rounds.
    pub p_holm: Measured<f64>,
    /// Whether the change is shown, at 5 % over all cells.
    pub significant: bool,
    /// Whether it is larger than the plan's margin of equivalence.
    pub beyond_margin: bool,
}

impl Trend {
    /// Whether the cell is to be warmed up longer: the change is shown, and large enough to matter.
    pub const fn is_found(&self) -> bool {
        self.significant && self.beyond_margin
    }

    /// How far the change is from none, either way round: 0.05 is 5 %.
    pub fn off(&self) -> f64 {
        self.change.mean.ln().abs().exp_m1()
    }
}

/// The trend of every cell of a journal that was measured in turns. To ask after every round, keep [`Trends`].
pub fn trends(plan: &Plan, records: &[Record]) -> Vec<Trend> {
    JudgedRun::of(plan, records).trends().found(plan.measure.margin)
}

/// What was seen of cells within their series, trial by trial.
/// With another warm-up a cell is another one: what it was like with the earlier one says nothing of it now, and stays true of
/// the rounds that had it.
#[derive(Clone, Debug, Default)]
pub struct Trends(BTreeMap<(Cell, u32), BTreeMap<u32, f64>>);

impl Trends {
    /// Takes a valid trial in; one that was measured steadily tells nothing.
    pub fn push(&mut self, trial: &Trial) {
        let (Some(series), Outcome::Finished(finished)) = (&trial.settings.series, &trial.outcome)
        else {
            return;
        };
        let Some(log) = log_change(finished.receiver.workers.iter().map(|worker| &worker.slices))
        else {
            return;
        };
        let seen = self.0.entry((trial.cell.clone(), series.warmup_turns)).or_default();
        seen.insert(trial.round, log);
    }

    /// The trend of each cell under each warm-up that it had, by a margin of equivalence.
    pub fn found(&self, margin: Share) -> Vec<Trend> {
        let moments = |log_by_round: &BTreeMap<u32, f64>| {
            let mut moments = Moments::default();
            log_by_round.values().for_each(|log| moments.push(*log));
            moments
        };
        let all: Vec<(&(Cell, u32), Moments)> =
            self.0.iter().map(|(of, seen)| (of, moments(seen))).collect();
        let testable = all.iter().filter_map(|(_, moments)| moments.p_of_zero());
        let mut corrected = holm(&testable.collect::<Vec<_>>()).into_iter();
        let trend = |((cell, warmup_turns), moments): (&(Cell, u32), Moments)| {
            let p = moments.p_of_zero().and_then(|_| corrected.next());
            Some(Trend {
                cell: cell.clone(),
                warmup_turns: *warmup_turns,
                change: *ratio(&moments).value()?,
                p_holm: p
                    .map_or_else(|| Measured::absent("a test needs two rounds"), Measured::Value),
                significant: p.is_some_and(|p| p < SIGNIFICANCE),
                beyond_margin: moments.mean().abs() > margin.0.ln_1p(),
            })
        };
        all.into_iter().filter_map(trend).collect()
    }
}

/// The logarithm of what goodput is in the last third of the slices over the first third; none of fewer than two slices, and
/// where nothing came in one of the two.
fn log_change<'a>(workers: impl Iterator<Item = &'a Slices> + Clone) -> Option<f64> {
    let slices = workers.clone().map(Slices::len).min().filter(|n| *n >= 2)?;
    let third = (slices / 3).max(1);
    let rate = |range: Range<usize>| -> f64 {
        let of_worker = |slices: &Slices| {
            let spans = || slices.iter().take(range.end).skip(range.start);
            let bytes = saturating_sum(spans().map(|span| span.bytes));
            let ns = saturating_sum(spans().map(|span| span.window_ns));
            if ns > 0 { bytes as f64 / ns as f64 } else { 0.0 }
        };
        workers.clone().map(of_worker).sum()
    };
    let log = (rate(slices - third..slices) / rate(0..third)).ln();
    log.is_finite().then_some(log)
}
