//! Law 10: the same cell twice is the same.

use model::Missing;
use model::values::Replica;

use super::Text;
use crate::estimate::{t_975, t_above};
use crate::evidence::Evidence;
use crate::explained::Law;
use crate::figure_text::{percent, ratio};
use crate::pairs::{SIGNIFICANCE, holm};
use crate::summary::Estimate;

const A_A: Text = Text {
    id: 10,
    name: "a-a",
    says: "the same cell measured twice is equivalent within the run's noise floor",
    sources: ["a cell", "its twin in the same blocks"],
};

/// Two-sided p of "the ratio is 1", from its t interval on the logarithm; none without an interval.
fn p_of_one(estimate: &Estimate) -> Option<f64> {
    let (low, high) = (estimate.low?, estimate.high?);
    let freedom = estimate.trials.checked_sub(1).filter(|freedom| *freedom > 0)?;
    let error = (high.ln() - low.ln()) / 2.0 / t_975(freedom);
    let off = estimate.mean.ln().abs();
    Some(if off == 0.0 {
        1.0
    } else if error > 0.0 {
        (2.0 * t_above(off / error, freedom)).min(1.0)
    } else {
        0.0
    })
}

/// Twins are equivalent; broken where they are shown to differ, in goodput or in CPU (Holm over both).
pub(super) fn a_a(evidence: &Evidence<'_>) -> Law {
    let floor = match evidence.noise_floor {
        model::Measured::Value(floor) => floor,
        model::Measured::Absent { absent } => {
            return A_A.undecidable(
                absent.clone(),
                Missing::plan("a cell beside its twin: controls on, or --replica 1,2"),
            );
        }
    };
    let cpu = floor.ends_cpu.value();
    let told = format!(
        "goodput of the twins {}{}; noise floor ±{}",
        ratio(&floor.goodput),
        cpu.map(|cpu| format!(", CPU per KiB {}", ratio(cpu))).unwrap_or_default(),
        percent(floor.half_width)
    );
    let compared = floor.goodput.trials as usize;
    if floor.equivalent {
        return A_A.holds(compared, told);
    }
    let p: Vec<f64> =
        [Some(&floor.goodput), cpu].into_iter().flatten().filter_map(p_of_one).collect();
    if holm(&p).iter().any(|p| *p < SIGNIFICANCE) {
        let twins = evidence.estimates.iter().map(|estimates| &estimates.cell);
        let by = twins.filter(|cell| cell.replica != Replica::ONE);
        let by = by.map(|cell| format!("all rounds, {cell}")).collect();
        return A_A.broken(
            compared,
            format!("equal cells differ: {told}; distrust differences of that order, and look for what else runs"),
            by,
        );
    }
    A_A.undecidable(
        format!("the twins are neither shown to differ nor shown to be equal: {told}"),
        Missing::rounds(),
    )
}
