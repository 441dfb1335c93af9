//! Law 10: the same cell twice is the same.

use model::values::Replica;
use model::{Measured, Missing};

use super::reason::{Breach, LawReason, Source, Wrong};
use super::{cells_of, decided, undecidable};
use crate::estimate::Estimate;
use crate::estimate::{t_975, t_above};
use crate::evidence::Evidence;
use crate::laws::law::Law;
use crate::metric::Metric;
use crate::pairs::{SIGNIFICANCE, holm};

const A_A: u32 = 10;

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
        Measured::Value(floor) => floor,
        Measured::Absent { absent } => {
            return undecidable(
                A_A,
                [LawReason::absent(Source::Twins, absent)],
                cells_of(
                    evidence,
                    |cell| cell.replica != Replica::ONE,
                    "a cell beside its twin: controls on, or --replica 1,2",
                ),
            );
        }
    };
    let cpu = floor.ends_cpu.value().map(|cpu| (Metric::EndsCpuNsPerKib, *cpu));
    // At line rate it is the line that twins carry the same by.
    let goodput = floor.telling_goodput().map(|goodput| (Metric::GoodputGbps, *goodput));
    let mut ratios: Vec<(Metric, Estimate)> = goodput.into_iter().chain(cpu).collect();
    let p: Vec<f64> = ratios.iter().filter_map(|(_, ratio)| p_of_one(ratio)).collect();
    let differ = !floor.equivalent && holm(&p).iter().any(|p| *p < SIGNIFICANCE);
    if differ {
        // What differs most surely comes first: it stands for all where there is no room.
        let p = |ratio: &Estimate| p_of_one(ratio).unwrap_or(1.0);
        ratios.sort_by(|(_, a), (_, b)| p(a).total_cmp(&p(b)));
    }
    let twins = ratios.into_iter().enumerate().map(|(place, (metric, ratio))| match place {
        0 if differ => LawReason::TwinsDiffer { metric, ratio },
        _ => LawReason::Twins { metric, ratio },
    });
    let seen = twins.chain([LawReason::NoiseFloor { half_width: floor.half_width }]);
    if !floor.equivalent && !differ {
        return undecidable(A_A, seen, Missing::rounds());
    }
    let cells = evidence.estimates.iter().map(|estimates| &estimates.cell);
    let by = cells.filter(|cell| differ && cell.replica != Replica::ONE);
    let by = by.map(|cell| Breach::of_cell(cell, Wrong::Twin)).collect();
    decided(A_A, floor.goodput.trials as usize, seen, by)
}
