//! Every trial of every cell, so that no mean hides them.

use model::Measured;

use crate::findings::{RelativeTrials, Trials};
use crate::judged::{JudgedTrial, JudgedTrials};
use crate::metric::Metric;
use crate::results::CellEstimates;

/// The trials of each cell, controls included, in the plan's order.
pub(crate) fn trial_dots(estimates: &[CellEstimates], trials: &JudgedTrials) -> Vec<Trials> {
    estimates.iter().map(|estimates| dots(estimates, trials)).collect()
}

fn dots(estimates: &CellEstimates, trials: &JudgedTrials) -> Trials {
    let mut dots = Trials {
        cell: estimates.cell.clone(),
        goodput_gbps: Vec::new(),
        ends_cpu_ns_per_kib: Vec::new(),
        void_goodput_gbps: Vec::new(),
        relative: Measured::absent("no valid trial"),
    };
    let mut valid: Vec<&JudgedTrial> = Vec::new();
    for judged in trials.of_cell(&estimates.cell) {
        if judged.is_valid() {
            valid.push(judged);
        } else if let Measured::Value(gbps) = judged.value(Metric::GoodputGbps) {
            dots.void_goodput_gbps.push(gbps);
        }
    }
    // A resumed run may have gone back to a round; its order in the journal is kept within the round.
    valid.sort_by_key(|judged| judged.round);
    let mut ends_cpu = Some(Vec::new());
    for judged in valid {
        let Measured::Value(gbps) = judged.value(Metric::GoodputGbps) else { continue };
        dots.goodput_gbps.push(gbps);
        match (judged.value(Metric::cost_on(judged.cell.link)), &mut ends_cpu) {
            (Measured::Value(ns), Some(all)) => all.push(ns),
            (Measured::Absent { .. }, _) | (_, None) => ends_cpu = None,
        }
    }
    dots.ends_cpu_ns_per_kib = ends_cpu.unwrap_or_default();
    dots.relative = relative(estimates, &dots);
    dots
}

/// The dots over their cell's estimate.
fn relative(estimates: &CellEstimates, dots: &Trials) -> Measured<RelativeTrials> {
    let estimate = match estimates.metrics.get(&Metric::GoodputGbps) {
        Some(Measured::Value(estimate)) if estimate.mean > 0.0 => estimate,
        Some(Measured::Value(_)) => return Measured::absent("the estimate is 0"),
        Some(Measured::Absent { absent }) => return Measured::absent(absent.as_str()),
        None => return Measured::absent("no goodput was estimated"),
    };
    let over = |values: &[f64]| values.iter().map(|value| value / estimate.mean).collect();
    Measured::Value(RelativeTrials {
        goodput: over(&dots.goodput_gbps),
        void_goodput: over(&dots.void_goodput_gbps),
        interval: match (estimate.low, estimate.high) {
            (Some(low), Some(high)) => over(&[low, high]),
            (None, _) | (_, None) => Vec::new(),
        },
    })
}
