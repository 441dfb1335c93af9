//! What got worse by more than a share, beyond doubt.

use super::attribution::{Attributed, with_contrasts};
use super::{Change, Changes, Overall, Subject, Unit};
use crate::metric::Better;
use crate::pairs::{SIGNIFICANCE, holm};

/// Something that got worse by more than was allowed.
#[allow(
    clippy::large_enum_variant,
    reason = "there are few of them, each alive for one comparison"
)]
#[derive(Clone, Debug, PartialEq)]
pub enum Worse<'a> {
    /// All cells together; said of two runs or more a side alone, as one run does not tell the machine's state from a change.
    All(&'a Overall),
    /// A cell, beyond what all have in common.
    Cell(&'a Change),
    /// A value of a factor against every other one, over all blocks or within one.
    Value(Box<Attributed>),
}

/// What got worse by more than this share. Every test that could have said so is one of a family, which gets Holm's
/// correction: that any is wrong has a probability of 5 % at most. A value is worse where it is against each of the others.
pub fn worse(changes: &Changes, share: f64) -> Vec<Worse<'_>> {
    let mut family: Vec<(f64, Worse<'_>)> = Vec::new();
    let mut tests = 0;
    for comparison in &changes.comparisons {
        for overall in comparison.overall.iter().filter(|_| comparison.unit == Unit::Runs) {
            if let Some(shift) = overall.shift {
                let p = shift.p_not_worse(share, overall.metric.better());
                family.push((p, Worse::All(overall)));
            }
        }
        let levels = comparison.changes.iter();
        let levels = levels.filter(|change| matches!(change.subject, Subject::Level { .. }));
        family.extend(levels.map(|change| {
            (change.shift.p_not_worse(share, change.metric.better()), Worse::Cell(change))
        }));
        tests += comparison.changes.len();
        for (attributed, contrasts) in with_contrasts(&comparison.changes) {
            // Worse against all: the weakest of the tests decides (R. L. Berger, Technometrics 24, 1982).
            let p = contrasts.iter().map(|seen| {
                let better = attributed.metric.better();
                if seen.is_against {
                    inverse_p(seen.change, share, better)
                } else {
                    seen.change.shift.p_not_worse(share, better)
                }
            });
            let p = p.fold(0.0, f64::max);
            family.push((p, Worse::Value(Box::new(attributed))));
        }
    }
    // Values that nothing was found of were looked at too.
    let mut p: Vec<f64> = family.iter().map(|(p, _)| *p).collect();
    p.resize(p.len().max(tests), 1.0);
    let corrected = holm(&p);
    let is_worse = |(_, p): &(Worse<'_>, f64)| *p < SIGNIFICANCE;
    family.into_iter().map(|(_, it)| it).zip(corrected).filter(is_worse).map(|(it, _)| it).collect()
}

/// The test for the denominator of a ratio, whose change is the inverse.
fn inverse_p(change: &Change, share: f64, better: Better) -> f64 {
    let mut inverse = change.shift;
    inverse.log = -inverse.log;
    inverse.p_not_worse(share, better)
}
