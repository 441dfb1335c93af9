//! What got worse by more than a share, beyond doubt; and else, whether that much would have been seen.

use model::Cell;

use super::attribution::{Attributed, with_contrasts};
use super::shift::Shift;
use super::{Change, Changes, Comparison, Overall, Subject, Unit};
use crate::metric::Better;
use crate::pairs::{SIGNIFICANCE, holm};

/// What may be said of a share that nothing is allowed to get worse by.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<'a> {
    /// Something is shown to have got worse by more.
    Worse(Vec<Worse<'a>>),
    /// Nothing is, but not everything is shown not to have.
    Undecided(Unseen<'a>),
    /// Everything is shown not to have got worse by more.
    Excluded,
}

/// Of what a change of that share is neither shown nor excluded.
#[derive(Clone, Debug, PartialEq)]
pub struct Unseen<'a> {
    /// Cells of which it is neither in some figure.
    pub cells: u32,
    /// Of so many cells of both sides, over all comparisons.
    pub of: u32,
    /// Those among them that have too few valid rounds on a side for an interval.
    pub too_few_rounds: u32,
    /// The interval of a cell that reaches farthest for the worse; none where none reaches that far.
    pub widest: Option<Reach<'a, Change>>,
    /// The same of all cells together.
    pub all: Option<Reach<'a, Overall>>,
    /// Whether one run a side was compared: what all cells share may then be the machine's state.
    pub is_of_rounds: bool,
}

/// How far an interval reaches for the worse.
#[derive(Clone, Debug, PartialEq)]
pub struct Reach<'a, T> {
    /// Of what.
    pub of: &'a T,
    /// So far, as a share.
    pub share: f64,
}

impl<'a, T> Reach<'a, T> {
    fn farther(self, other: Option<Self>) -> Self {
        other.filter(|other| other.share > self.share).unwrap_or(self)
    }
}

/// Something that got worse by more than was allowed.
#[allow(
    clippy::large_enum_variant,
    reason = "there are few of them, each alive for one comparison"
)]
#[derive(Clone, Debug, PartialEq)]
pub enum Worse<'a> {
    /// All cells together; said of two runs or more a side alone, as one run does not tell the machine's state from a change.
    All(&'a Overall),
    /// A cell: of several runs a side as it is, of one also beyond what all have in common.
    Cell(&'a Change),
    /// A value of a factor against every other one, over all blocks or within one.
    Value(Box<Attributed>),
}

/// What may be said of this share. That something is worse is corrected over all tests ([`worse`]); that nothing is needs none: it is said
/// only where each cell's 95 % intervals, as it is and beside all, leave that much out, so that it is wrong as seldom as the one interval that hides it
/// (R. L. Berger, Technometrics 24, 1982). Of one run a side all cells together are asked too: that they may be slower is then undecided,
/// as it may be the machine's state.
pub fn verdict(changes: &Changes, share: f64) -> Verdict<'_> {
    let worse = worse(changes, share);
    if !worse.is_empty() {
        return Verdict::Worse(worse);
    }
    unseen(changes, share).map_or(Verdict::Excluded, Verdict::Undecided)
}

fn unseen(changes: &Changes, share: f64) -> Option<Unseen<'_>> {
    let mut unseen = Unseen {
        cells: 0,
        of: 0,
        too_few_rounds: 0,
        widest: None,
        all: None,
        is_of_rounds: changes.comparisons.iter().any(|it| it.unit == Unit::Rounds),
    };
    for comparison in &changes.comparisons {
        let mut of_all = Vec::new();
        for overall in &comparison.overall {
            let Some(shift) = overall.shift else { continue };
            if let Some(reach) = reach(&shift, share, overall.metric.better()) {
                of_all.push((overall.metric, overall.link));
                unseen.all = Some(Reach { of: overall, share: reach }.farther(unseen.all));
            }
        }
        let lacking: Vec<&Cell> = comparison.too_few_rounds.iter().map(|cell| &cell.0).collect();
        let mut cells = lacking.clone();
        for (cell, change) in levels(comparison) {
            let better = change.metric.better();
            // What all cells share and what a cell adds may each be less than is allowed, and both together more. Where what they share
            // is not, that is told of all cells.
            let is_told = of_all.contains(&(change.metric, change.link));
            let itself = change.as_it_is.filter(|_| !is_told);
            let shifts = [Some(change.shift), itself].into_iter().flatten();
            let reaches = shifts.filter_map(|shift| reach(&shift, share, better));
            let Some(reach) = reaches.max_by(f64::total_cmp) else { continue };
            unseen.widest = Some(Reach { of: change, share: reach }.farther(unseen.widest));
            cells.push(cell);
        }
        cells.sort_unstable();
        cells.dedup();
        let count = |cells: &[&Cell]| u32::try_from(cells.len()).unwrap_or(u32::MAX);
        unseen.cells += count(&cells);
        unseen.too_few_rounds += count(&lacking);
        unseen.of += comparison.cells + count(&lacking);
    }
    (unseen.cells > 0 || unseen.all.is_some()).then_some(unseen)
}

fn levels(comparison: &Comparison) -> impl Iterator<Item = (&Cell, &Change)> {
    comparison.changes.iter().filter_map(|change| match &change.subject {
        Subject::Level { cell } => Some((cell.as_ref(), change)),
        Subject::Contrast { .. } | Subject::Ratio { .. } => None,
    })
}

/// How far the 95 % interval reaches for the worse, where that is farther than this share.
fn reach(shift: &Shift, share: f64, better: Better) -> Option<f64> {
    let half = shift.half_interval();
    let reach = match better {
        Better::High => -(shift.log - half).exp_m1(),
        Better::Low => (shift.log + half).exp_m1(),
        Better::None => return None,
    };
    (reach > share).then_some(reach)
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
        family.extend(levels(comparison).map(|(_, change)| {
            let of = |shift: &Shift| shift.p_not_worse(share, change.metric.better());
            let p = match (comparison.unit, &change.as_it_is) {
                (Unit::Runs, as_it_is) => of(as_it_is.as_ref().unwrap_or(&change.shift)),
                // One run a side does not tell a change from the machine's state, which a cell shares with all others: it must be worse
                // beside them, and as it is. One that has no others beside it may owe all of it to the machine.
                (Unit::Rounds, Some(as_it_is)) => of(&change.shift).max(of(as_it_is)),
                (Unit::Rounds, None) => 1.0,
            };
            (p, Worse::Cell(change))
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
