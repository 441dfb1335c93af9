//! From which message size on one path is better than another.
//!
//! Each round gives a pair of paths one log-ratio a size, whose means are a curve over the logarithm of size. Between
//! two sizes the curve is the polynomial through the nearest sizes (Lagrange; two on either side where they are no more
//! than a factor of two apart, otherwise the straight line), which is linear in the log-ratios. A size whose block was left
//! out of some rounds has its mean over the others: drift cancels within the block, so that nothing is lost by it.
//!
//! Sizes are tested in fixed sequence: from an end on, each at the same level, up to the first that does not differ from 1
//! in the direction of those before (W. Maurer, L. A. Hothorn, W. Lehmacher, in Vollmar, Biometrie in der
//! chemisch-pharmazeutischen Industrie 6, 1995). *Always* and *never* take the sequence to its end, so that a curve's p is its
//! largest one (R. L. Berger, Technometrics 24, 1982); *alike* likewise, of two one-sided tests against the plan's margin at
//! every size. Each is corrected by Holm over the curves of a metric. A sequence that stops before gives *partly*: better up
//! to at least, or from at least such a size on; its level is shared evenly by the sequences from both ends of all curves,
//! and within one nothing is corrected further. A size that is shown to lie within the margin, after
//! Holm's correction over all sizes, counts for neither path. A crossover is claimed where, after the same correction, one
//! path wins at a small size and the other at a large one, and no size contradicts that; sizes outside at which neither wins
//! are told beside it. Its interval holds the sizes at which a t test at 5 % does not tell the curve's height from 0
//! (E. C. Fieller, J. Royal Statistical Society B 16, 1954): the height at the true crossover is 0, so that the test keeps it
//! in 95 % of all studies.

use model::{Contrast, Factor, Plan, Share, Shared};

use crate::estimate::{Means, Moments};
use crate::findings::{Crossover, CrossoverOutcome};
use crate::line_rate::Line;
use crate::metric::{Better, Metric};
use crate::oversubscribed::Oversubscribed;
use crate::pairings::Places;
use crate::pairs::{SIGNIFICANCE, holm};
use crate::results::CellEstimates;
use crate::round_logs::{RoundLogs, families};

/// The metrics in which crossovers are sought.
pub const CROSSOVER_METRICS: [Metric; 3] =
    [Metric::GoodputGbps, Metric::EndsCpuNsPerKib, Metric::SenderSideCpuNsPerKib];

/// Neighbouring sizes further apart than this leave a bracket.
const WIDEST_GAP: u64 = 2;
/// A gap is searched in so many steps before the last one is halved.
const STEPS: u32 = 16;
/// Halvings of a step: what is left is below a millionth of a percent.
const HALVINGS: u32 = 32;

/// One size of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct SizeRatios {
    /// Message size in bytes.
    pub bytes: u64,
    /// Rounds, ascending, and the natural logarithm of the ratio in each: above 0 where the path is better than the one
    /// that it is compared with.
    pub log_ratios: Vec<(u32, f64)>,
}

/// What a curve comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// From where on the path is better.
    pub outcome: CrossoverOutcome,
    /// Sizes outside those between which the path becomes or stops being better, at which neither path is shown to be,
    /// in bytes; none where the outcome is no crossover.
    pub unclear_sizes: Vec<u64>,
}

impl Found {
    const fn plain(outcome: CrossoverOutcome) -> Self {
        Self { outcome, unclear_sizes: Vec::new() }
    }
}

/// What each curve (sizes ascending, each above 0 bytes) comes to. All curves are one family for Holm's correction.
/// `margin` is on the ratio: 3 % means that from 1/1.03 to 1.03 two paths are alike.
pub fn outcomes(curves: &[Vec<SizeRatios>], margin: Share) -> Vec<Found> {
    let margin = margin.0.ln_1p();
    let tests: Vec<Vec<Option<Test>>> = curves
        .iter()
        .map(|curve| curve.iter().map(|size| Test::new(size, margin)).collect())
        .collect();
    let of_sizes = |p: fn(&Test) -> f64| {
        let p: Vec<f64> = tests.iter().flatten().flatten().map(p).collect();
        holm(&p).into_iter()
    };
    let (mut differences, mut equivalences) =
        (of_sizes(|test| test.p), of_sizes(|test| test.p_outside));
    let wholes = wholes(&tests);
    let mut all = Vec::with_capacity(curves.len());
    for ((curve, tests), whole) in curves.iter().zip(&tests).zip(wholes) {
        // Taken for every curve, so that each size gets its own corrected p.
        let mut signs = |test: &Option<Test>| {
            test.map_or_else(Signs::default, |test| {
                test.signs(differences.next(), equivalences.next())
            })
        };
        let signs: Vec<Signs> = tests.iter().map(&mut signs).collect();
        let found = whole_curve(whole, &signs).or_else(|| changing(curve, &signs));
        let level = SIGNIFICANCE / (2 * curves.len()) as f64;
        all.push(found.unwrap_or_else(|| Found::plain(partly(curve, tests, &signs, level))));
    }
    all
}

/// What is shown of every size of a curve at once, after Holm over the curves.
fn wholes(tests: &[Vec<Option<Test>>]) -> Vec<Option<CrossoverOutcome>> {
    /// A curve's p of "not everywhere", for one path being better and for both being alike.
    fn p(curve: &[Option<Test>]) -> Option<[f64; 2]> {
        let tests: Vec<Test> = curve.iter().copied().collect::<Option<_>>()?;
        tests.first()?;
        let largest = |p: fn(&Test) -> f64| tests.iter().map(p).fold(0.0, f64::max);
        let is_one_sided =
            tests.iter().all(|test| test.mean > 0.0) || tests.iter().all(|test| test.mean < 0.0);
        Some([
            if is_one_sided { largest(|test| test.p) } else { 1.0 },
            largest(|test| test.p_outside),
        ])
    }
    let p: Vec<Option<[f64; 2]>> = tests.iter().map(|curve| p(curve)).collect();
    let corrected = |which: usize| {
        let p: Vec<f64> = p.iter().flatten().map(|p| p[which]).collect();
        holm(&p).into_iter()
    };
    let (mut better, mut alike) = (corrected(0), corrected(1));
    let mut whole = |(p, tests): (&Option<[f64; 2]>, &Vec<Option<Test>>)| {
        (*p)?;
        let (better, alike) = (better.next()?, alike.next()?);
        let is_more = tests.iter().flatten().all(|test| test.mean > 0.0);
        match () {
            () if alike < SIGNIFICANCE => Some(CrossoverOutcome::Alike),
            () if better >= SIGNIFICANCE => None,
            () if is_more => Some(CrossoverOutcome::Always),
            () => Some(CrossoverOutcome::Never),
        }
    };
    p.iter().zip(tests).map(&mut whole).collect()
}

/// The tests of one size.
#[derive(Clone, Copy, Debug)]
struct Test {
    mean: f64,
    /// Of "no difference".
    p: f64,
    /// Of "not within the margin".
    p_outside: f64,
}

/// Which path wins at a size: 1 the path, −1 the other one, 0 not told or alike.
#[derive(Clone, Copy, Debug, Default)]
struct Signs {
    alone: i8,
    corrected: i8,
    is_alike: bool,
}

impl Test {
    fn new(size: &SizeRatios, margin: f64) -> Option<Self> {
        let mut moments = Moments::default();
        size.log_ratios.iter().for_each(|(_, log)| moments.push(*log));
        let (p, p_outside) = (moments.p_of_zero()?, moments.p_outside(margin)?);
        Some(Self { mean: moments.mean(), p, p_outside })
    }

    fn signs(self, p_holm: Option<f64>, p_outside_holm: Option<f64>) -> Signs {
        if p_outside_holm.is_some_and(|p| p < SIGNIFICANCE) {
            return Signs { is_alike: true, ..Signs::default() };
        }
        let sign = |p: f64| match () {
            () if p >= SIGNIFICANCE => 0,
            () if self.mean > 0.0 => 1,
            () => -1,
        };
        Signs { alone: sign(self.p), corrected: p_holm.map_or(0, sign), is_alike: false }
    }
}

/// An outcome of the whole curve, where no size speaks against it.
fn whole_curve(whole: Option<CrossoverOutcome>, signs: &[Signs]) -> Option<Found> {
    let whole = whole?;
    let is_won = whole != CrossoverOutcome::Alike;
    let speaks_against = is_won && signs.iter().any(|signs| signs.is_alike);
    (!speaks_against).then(|| Found::plain(whole))
}

/// Where a curve changes from one path to the other.
fn changing(curve: &[SizeRatios], signs: &[Signs]) -> Option<Found> {
    let is_shown = |sign: i8| signs.iter().any(|signs| signs.corrected == sign);
    if !is_shown(1) || !is_shown(-1) {
        return None;
    }
    // Shown signs are among the uncorrected ones, so both searches find something.
    let first = |sign: i8| signs.iter().position(|signs| signs.alone == sign);
    let last = |sign: i8| signs.iter().rposition(|signs| signs.alone == sign);
    let unclear = |from: usize, to: usize| {
        let outside = curve.iter().zip(signs).enumerate();
        let is_unclear = |(place, (_, signs)): &(usize, (&SizeRatios, &Signs))| {
            (*place < from || *place > to) && signs.alone == 0
        };
        outside.filter(is_unclear).map(|(_, (size, _))| size.bytes).collect()
    };
    match (last(-1), first(1), last(1), first(-1)) {
        (Some(worse), Some(better), _, _) if worse < better => Some(Found {
            outcome: match locate(curve, worse, better, 1.0) {
                Place::At { bytes, low, high } => CrossoverOutcome::At { bytes, low, high },
                Place::Between { low, high } => CrossoverOutcome::Bracket { low, high },
            },
            unclear_sizes: unclear(worse, better),
        }),
        (_, _, Some(better), Some(worse)) if better < worse => Some(Found {
            outcome: match locate(curve, better, worse, -1.0) {
                Place::At { bytes, low, high } => CrossoverOutcome::Until { bytes, low, high },
                Place::Between { low, high } => CrossoverOutcome::UntilBracket { low, high },
            },
            unclear_sizes: unclear(better, worse),
        }),
        _ => None,
    }
}

/// How far from either end of the sizes one path is shown to be better, each size at this level.
fn partly(
    curve: &[SizeRatios],
    tests: &[Option<Test>],
    signs: &[Signs],
    level: f64,
) -> CrossoverOutcome {
    let shown: Vec<Option<bool>> = tests
        .iter()
        .zip(signs)
        .map(|(test, signs)| {
            let test = (*test)?;
            (test.p < level && !signs.is_alike).then_some(test.mean > 0.0)
        })
        .collect();
    let bytes = |place: usize| curve.get(place).map(|size| size.bytes as f64);
    let up_to = |is_better| {
        let sizes = shown.iter().take_while(|shown| **shown == Some(is_better)).count();
        sizes.checked_sub(1).and_then(bytes)
    };
    let from = |is_better| {
        let sizes = shown.iter().rev().take_while(|shown| **shown == Some(is_better)).count();
        if sizes > 0 { bytes(curve.len() - sizes) } else { None }
    };
    let ends = [true, false].map(|is_better| (is_better, up_to(is_better), from(is_better)));
    let is_shown =
        |(_, up_to, from): &&(bool, Option<f64>, Option<f64>)| up_to.is_some() || from.is_some();
    match ends.iter().filter(is_shown).collect::<Vec<_>>().as_slice() {
        [(is_better, up_to, from)] => {
            CrossoverOutcome::Partly { is_better: *is_better, up_to: *up_to, from: *from }
        }
        _ => CrossoverOutcome::Undecided,
    }
}

/// Where a curve changes its sign, in bytes.
enum Place {
    At { bytes: f64, low: f64, high: f64 },
    Between { low: f64, high: f64 },
}

/// Where a curve that is below 0 at `from` (after a change of sign by `sign`) and above at `to` passes 0.
fn locate(curve: &[SizeRatios], from: usize, to: usize, sign: f64) -> Place {
    let between = Place::Between { low: curve[from].bytes as f64, high: curve[to].bytes as f64 };
    let gaps: Option<Vec<Gap>> =
        (from..to).map(|left| Gap::new(curve, left, sign).filter(|gap| gap.is_narrow)).collect();
    let Some(gaps) = gaps else { return between };
    let (Some(first), Some(last)) = (gaps.first(), gaps.last()) else { return between };
    // The lower end is the first size that is not shown to be below 0, the upper end the last one not shown to be above.
    let low = first.first_where(|(mean, half)| mean + half >= 0.0).unwrap_or(first.right);
    let high = last.last_where(|(mean, half)| mean - half <= 0.0).unwrap_or(last.left);
    let first_zero = gaps.iter().find_map(|gap| gap.first_where(|(mean, _)| mean >= 0.0));
    let last_zero = gaps.iter().rev().find_map(|gap| gap.last_where(|(mean, _)| mean <= 0.0));
    let middle = match (first_zero, last_zero) {
        (Some(first), Some(last)) => f64::midpoint(first, last),
        _ => f64::midpoint(low, high),
    };
    Place::At { bytes: middle.exp2(), low: low.min(middle).exp2(), high: high.max(middle).exp2() }
}

/// Two neighbouring sizes, and the curve between them.
struct Gap {
    /// Binary logarithms of the two sizes.
    left: f64,
    right: f64,
    is_narrow: bool,
    /// Binary logarithms of the sizes through which the curve is drawn.
    nodes: Vec<f64>,
    /// The log-ratios at them, times this sign.
    means: Means,
    sign: f64,
}

impl Gap {
    /// None where one of the sizes was measured in fewer than two rounds.
    fn new(curve: &[SizeRatios], left: usize, sign: f64) -> Option<Self> {
        let is_near =
            |left: usize| curve[left + 1].bytes <= curve[left].bytes.saturating_mul(WIDEST_GAP);
        let is_narrow = is_near(left);
        let before = usize::from(left > 0 && is_near(left - 1) && is_narrow);
        let after = usize::from(left + 2 < curve.len() && is_near(left + 1) && is_narrow);
        let wide = &curve[left - before..=left + 1 + after];
        let of_nodes = |nodes: &[SizeRatios]| {
            let samples: Vec<&[(u32, f64)]> =
                nodes.iter().map(|size| size.log_ratios.as_slice()).collect();
            let is_spread_known = samples.iter().all(|sample| sample.len() > 1);
            Some(Self {
                left: (curve[left].bytes as f64).log2(),
                right: (curve[left + 1].bytes as f64).log2(),
                is_narrow,
                nodes: nodes.iter().map(|size| (size.bytes as f64).log2()).collect(),
                means: Means::new(&samples).filter(|_| is_spread_known)?,
                sign,
            })
        };
        of_nodes(wide).or_else(|| of_nodes(&curve[left..=left + 1]))
    }

    /// Mean height of the curve at a place, and half of its 95 % interval.
    fn height(&self, x: f64) -> (f64, f64) {
        let weight = |node: usize| {
            let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != node);
            others.map(|(_, other)| (x - other) / (self.nodes[node] - other)).product::<f64>()
        };
        let weights: Vec<f64> = (0..self.nodes.len()).map(weight).collect();
        let at = |logs: &[f64]| {
            self.sign * logs.iter().zip(&weights).map(|(log, weight)| log * weight).sum::<f64>()
        };
        let height = self.means.linear(at(self.means.of_samples()), at);
        (height.mean(), height.half_interval().unwrap_or(f64::INFINITY))
    }

    /// The first place, from the left, at which something becomes true of the height.
    fn first_where(&self, is_so: impl Fn((f64, f64)) -> bool) -> Option<f64> {
        self.search(self.left, self.right, is_so)
    }

    /// The last place at which it is true.
    fn last_where(&self, is_so: impl Fn((f64, f64)) -> bool) -> Option<f64> {
        self.search(self.right, self.left, is_so)
    }

    fn search(&self, from: f64, to: f64, is_so: impl Fn((f64, f64)) -> bool) -> Option<f64> {
        let at = |step: u32| from + (to - from) * f64::from(step) / f64::from(STEPS);
        let step = (0..=STEPS).find(|step| is_so(self.height(at(*step))))?;
        let (mut yes, mut no) = (at(step), at(step.saturating_sub(1)));
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(yes, no);
            if is_so(self.height(middle)) { yes = middle } else { no = middle }
        }
        Some(yes)
    }
}

/// The crossovers of every contrast of the plan over message size, everything else being equal.
pub(crate) fn crossovers(
    plan: &Plan,
    places: &Places,
    logs: &RoundLogs<'_>,
    estimates: &[CellEstimates],
    line: Option<&Line>,
) -> Vec<Crossover> {
    let pairs = pairs(plan, places);
    let mut found = Vec::new();
    for metric in CROSSOVER_METRICS {
        let mut curves = Vec::new();
        let mut of_metric = Vec::new();
        let formed = |pair: &&Pair| metric.is_formed_on(pair.shared.cell().link);
        for Pair { contrast, shared, cells } in pairs.iter().filter(formed) {
            // Where both are at line rate, it is the line that they are alike by.
            let tells = |(cell, against): &&(usize, usize)| {
                let [cell, against] = [*cell, *against].map(|place| &places.cells[place]);
                !line.is_some_and(|line| line.levels(metric, cell, against))
            };
            let telling: Vec<(usize, usize)> = cells.iter().filter(tells).copied().collect();
            let curve = curve(places, logs, metric, &telling);
            of_metric.push(Crossover {
                contrast: contrast.clone(),
                shared: shared.clone(),
                oversubscribed: Oversubscribed::any(
                    cells
                        .iter()
                        .flat_map(|(cell, against)| [cell, against])
                        .map(|cell| estimates[*cell].oversubscribed),
                ),
                metric,
                outcome: CrossoverOutcome::Undecided,
                sizes: curve.iter().map(|size| size.bytes).collect(),
                unclear_sizes: Vec::new(),
            });
            curves.push(curve);
        }
        for (crossover, found) in of_metric.iter_mut().zip(outcomes(&curves, plan.measure.margin)) {
            crossover.outcome = found.outcome;
            crossover.unclear_sizes = found.unclear_sizes;
        }
        found.append(&mut of_metric);
    }
    found
}

/// Cells that differ in a contrast and in their size alone.
struct Pair {
    contrast: Contrast,
    shared: Shared,
    /// Each cell and its twin, by size ascending; at least one.
    cells: Vec<(usize, usize)>,
}

/// Every family of cells with every contrast that it has, at the sizes that both values have.
fn pairs(plan: &Plan, places: &Places) -> Vec<Pair> {
    let contrasts = plan.contrasts();
    let is_compared = |factor: &Factor| contrasts.iter().any(|c| c.factor == *factor);
    let mut pairs = Vec::new();
    for factor in Factor::ALL.iter().copied().filter(is_compared) {
        for (shared, cells) in families(places, &[factor, Factor::Message]) {
            for contrast in contrasts.iter().filter(|contrast| contrast.factor == factor) {
                let twin = |cell: &usize| {
                    let twin = places.place(&contrast.twin(&places.cells[*cell])?)?;
                    (twin < places.asked).then_some((*cell, twin))
                };
                let mut twins: Vec<(usize, usize)> = cells.iter().filter_map(twin).collect();
                twins.sort_by_key(|(cell, _)| places.cells[*cell].message);
                if !twins.is_empty() {
                    let (contrast, shared) = (contrast.clone(), shared.clone());
                    pairs.push(Pair { contrast, shared, cells: twins });
                }
            }
        }
    }
    pairs
}

/// Log-ratios of one cell against another, paired by round, above 0 where the first one is better.
pub(crate) fn better(
    logs: &RoundLogs<'_>,
    metric: Metric,
    cell: usize,
    against: usize,
) -> Option<Vec<(u32, f64)>> {
    let sign = match metric.better() {
        Better::Low => -1.0,
        Better::High | Better::None => 1.0,
    };
    let mut log_ratios = logs.paired_at(cell, against, metric)?;
    log_ratios.iter_mut().for_each(|(_, log)| *log *= sign);
    Some(log_ratios)
}

/// Log-ratios of a pair over size, above 0 where the first one is better. Sizes at which the two were never measured
/// together are left out.
fn curve(
    places: &Places,
    logs: &RoundLogs<'_>,
    metric: Metric,
    pair: &[(usize, usize)],
) -> Vec<SizeRatios> {
    let size = |(cell, against): &(usize, usize)| {
        let log_ratios = better(logs, metric, *cell, *against)?;
        let bytes = places.cells[*cell].message.bytes().0;
        (!log_ratios.is_empty()).then_some(SizeRatios { bytes, log_ratios })
    };
    pair.iter().filter_map(size).collect()
}
