//! CPU time per message = a + b·bytes, for each path and side.
//!
//! The line is fitted by least squares to the geometric means of the sizes, each weighted by its inverse square: the spread
//! of a CPU time grows with it. As a and b are linear in the figures, they have intervals from all rounds of each size,
//! whatever the sizes of a round have in common: a size whose block was left out of some rounds has its mean over the
//! others. A figure's deviation from its mean enters as that of its logarithm, which is the same to first order and keeps
//! the means geometric.
//!
//! What is told of the line's shape is told by the rounds that measured every size, so that drift between rounds cannot
//! bend it. *Lack of fit* compares what the line leaves over with how much that varies from round to round, as in an analysis of
//! variance of repeated measures; the degrees of freedom are corrected for unequal and correlated spread (G. E. P. Box,
//! Annals of Mathematical Statistics 25, 1954; S. W. Greenhouse and S. Geisser, Psychometrika 24, 1959). *A break* is tested
//! by two lines, one on either side of a size named beforehand: their difference in height there and in slope is 0 on
//! average over rounds (T² test: H. Hotelling, Annals of Mathematical Statistics 2, 1931). Two named places between the same
//! two measured sizes cannot be told apart.

use std::collections::BTreeMap;

use model::{Cell, Factor, Measured, Shared};
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use crate::data_paths::size_beyond_fragments;
use crate::estimate::{Estimate, Means, Moments};
use crate::findings::{BreakPoint, CostModel, ModelledSide};
use crate::metric::Metric;
use crate::oversubscribed::Oversubscribed;
use crate::pairings::Places;
use crate::pairs::holm;
use crate::results::CellEstimates;
use crate::round_logs::{RoundLogs, families};

/// The fewest sizes that can show whether a line fits.
pub const FEWEST_SIZES: usize = 3;
/// The fewest sizes on either side of a break: two make a line.
const FEWEST_BESIDE: usize = 2;
/// Page fragments into which `send` copies: `SKB_FRAG_PAGE_ORDER`, net/core/sock.c.
const PAGE_FRAGMENT_BYTES: f64 = 32_768.0;
/// The largest packet handed to a device whole: `GSO_LEGACY_MAX_SIZE`, include/linux/netdevice.h.
const GSO_BYTES: f64 = 65_536.0;
/// Spread below this (a relative variance) is rounding.
const NO_SPREAD: f64 = 1e-22;

/// What one size costs.
#[derive(Clone, Debug, PartialEq)]
pub struct SizeCosts {
    /// Message size in bytes.
    pub bytes: u64,
    /// Rounds, ascending, and the natural logarithm of the CPU time per message in ns in each.
    pub log_ns: Vec<(u32, f64)>,
}

/// A fitted line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// a, in ns per message.
    pub per_message_ns: Estimate,
    /// The same of each round.
    pub per_message_by_round: BTreeMap<u32, f64>,
    /// b, in ns per byte.
    pub per_byte_ns: Estimate,
    /// p of "the line fits".
    pub lack_of_fit_p: Measured<f64>,
    /// p of "no change" at each place asked for, uncorrected.
    pub break_p: Vec<Measured<f64>>,
    /// Size in bytes, geometric mean and fitted ns per message.
    pub points: Vec<[f64; 3]>,
}

/// Fits the line to sizes (ascending, each above 0 bytes), and over the rounds that measured all of them tests the fit and a
/// break at each of `breaks` (in bytes). The intervals of a and b are widened by a factor ([`crate::drift::Drift::widening`]).
///
/// # Errors
/// Fewer than [`FEWEST_SIZES`] sizes, or one without a figure; the text says which.
pub fn fit(sizes: &[SizeCosts], breaks: &[f64], widening: f64) -> Result<Line, String> {
    if sizes.len() < FEWEST_SIZES {
        return Err(format!(
            "a line over message size needs {FEWEST_SIZES} sizes, {} measured; add --sizes",
            match sizes.len() {
                0 => "none was".to_owned(),
                1 => "1 was".to_owned(),
                n => format!("{n} were"),
            }
        ));
    }
    let samples: Vec<&[(u32, f64)]> = sizes.iter().map(|size| size.log_ns.as_slice()).collect();
    let means =
        Means::new(&samples).ok_or("a size was never measured validly; measure more rounds")?;
    let bytes: Vec<f64> = sizes.iter().map(|size| size.bytes as f64).collect();
    let mean_ns: Vec<f64> = means.of_samples().iter().map(|log| log.exp()).collect();
    let whole = Weights::new(&bytes, &mean_ns, 0..sizes.len());
    // Relative to its mean a figure is 1 on average, and off by as much as its logarithm.
    let of_means = whole.line(&vec![1.0; sizes.len()]);
    let [a, b] = [0, 1].map(|part| means.linear(of_means[part], |off| whole.line(off)[part]));
    let points = bytes
        .iter()
        .zip(&mean_ns)
        .map(|(bytes, mean)| [*bytes, *mean, a.mean() + b.mean() * bytes])
        .collect();
    let common = Rounds::new(sizes);
    let whole = common.as_ref().map(|rounds| Weights::of(rounds, 0..sizes.len()));
    let shape = || common.as_ref().zip(whole.as_ref());
    let of_no_round =
        || Measured::absent("no round measured every size validly in complete blocks");
    let by_round = |(rounds, whole): (&Rounds, &Weights)| {
        let of_round = |(round, relative): (&u32, &Vec<f64>)| (*round, whole.line(relative)[0]);
        rounds.numbers.iter().zip(&rounds.relative).map(of_round).collect()
    };
    let break_at = |at: &f64| common.as_ref().map_or_else(of_no_round, |of| break_p(of, *at));
    Ok(Line {
        per_message_ns: estimate(&a, widening),
        per_message_by_round: shape().map(by_round).unwrap_or_default(),
        per_byte_ns: estimate(&b, widening),
        lack_of_fit_p: shape().map_or_else(of_no_round, |(rounds, of)| lack_of_fit(rounds, of)),
        break_p: breaks.iter().map(break_at).collect(),
        points,
    })
}

/// Figures of the rounds that measured every size.
struct Rounds {
    numbers: Vec<u32>,
    bytes: Vec<f64>,
    /// Geometric means, in ns per message.
    mean_ns: Vec<f64>,
    /// Each round's figures over their means: 1 + the deviation of the logarithm.
    relative: Vec<Vec<f64>>,
}

impl Rounds {
    fn new(sizes: &[SizeCosts]) -> Option<Self> {
        let (first, others) = sizes.split_first()?;
        let of_round = |(round, log): &(u32, f64)| {
            let mut logs = vec![*log];
            for size in others {
                let place = size.log_ns.binary_search_by_key(round, |(round, _)| *round).ok()?;
                logs.push(size.log_ns[place].1);
            }
            Some((*round, logs))
        };
        let (numbers, mut relative): (Vec<u32>, Vec<Vec<f64>>) =
            first.log_ns.iter().filter_map(of_round).unzip();
        if relative.is_empty() {
            return None;
        }
        let mut mean_ns = Vec::new();
        for size in 0..sizes.len() {
            let mut moments = Moments::default();
            relative.iter().for_each(|round| moments.push(round[size]));
            for round in &mut relative {
                round[size] = 1.0 + round[size] - moments.mean();
            }
            mean_ns.push(moments.mean().exp());
        }
        let bytes = sizes.iter().map(|size| size.bytes as f64).collect();
        Some(Self { numbers, bytes, mean_ns, relative })
    }
}

/// Weighted least squares of some neighbouring sizes, as weights of their relative figures.
struct Weights {
    sizes: std::ops::Range<usize>,
    /// Of each size, for a and for b.
    of_size: Vec<[f64; 2]>,
}

impl Weights {
    /// At least two sizes of the rounds that measured all.
    fn of(rounds: &Rounds, sizes: std::ops::Range<usize>) -> Self {
        Self::new(&rounds.bytes, &rounds.mean_ns, sizes)
    }

    /// At least two sizes, with their means.
    fn new(bytes: &[f64], mean_ns: &[f64], sizes: std::ops::Range<usize>) -> Self {
        // Rows (1/m, n/m) against figures relative to m: their squares are weighted by 1/m². The byte column is centred, so
        // that no digits cancel.
        let row = |size: usize| {
            let mean = mean_ns[size];
            (mean.recip(), bytes[size])
        };
        let rows: Vec<(f64, f64)> = sizes.clone().map(row).collect();
        let weight: f64 = rows.iter().map(|(w, _)| w * w).sum();
        let centre = rows.iter().map(|(w, bytes)| w * w * bytes).sum::<f64>() / weight;
        let spread: f64 = rows.iter().map(|(w, bytes)| (w * (bytes - centre)).powi(2)).sum();
        let of_size = rows
            .iter()
            .map(|(w, bytes)| {
                // The figure in ns is its relative one over w.
                let height = w * w / weight / w;
                let slope = w * w * (bytes - centre) / spread / w;
                [height - slope * centre, slope]
            })
            .collect();
        Self { sizes, of_size }
    }

    /// a and b of one round's relative figures.
    fn line(&self, relative: &[f64]) -> [f64; 2] {
        let figures = &relative[self.sizes.clone()];
        let sum = |part: usize| {
            figures.iter().zip(&self.of_size).map(|(x, weights)| x * weights[part]).sum::<f64>()
        };
        [sum(0), sum(1)]
    }
}

fn estimate(moments: &Moments, widening: f64) -> Estimate {
    let half = moments.half_interval().map(|half| half * widening);
    Estimate {
        mean: moments.mean(),
        low: half.map(|half| moments.mean() - half),
        high: half.map(|half| moments.mean() + half),
        trials: moments.len(),
    }
}

const TOO_FEW_ROUNDS: &str = "the spread over rounds is not known from so few; measure more rounds";

/// What the line leaves over, against its variation from round to round.
fn lack_of_fit(rounds: &Rounds, whole: &Weights) -> Measured<f64> {
    let n = rounds.relative.len();
    if n < 2 {
        return Measured::absent(TOO_FEW_ROUNDS);
    }
    let sizes = rounds.bytes.len();
    let residuals: Vec<Vec<f64>> = rounds
        .relative
        .iter()
        .map(|round| {
            let [a, b] = whole.line(round);
            let residual =
                |size: usize| round[size] - (a + b * rounds.bytes[size]) / rounds.mean_ns[size];
            (0..sizes).map(residual).collect()
        })
        .collect();
    let mean: Vec<f64> = (0..sizes)
        .map(|size| residuals.iter().map(|round| round[size]).sum::<f64>() / n as f64)
        .collect();
    // The traces of the residuals' covariance and of its square, from the rounds' inner products.
    let centred: Vec<Vec<f64>> = residuals
        .iter()
        .map(|round| round.iter().zip(&mean).map(|(x, mean)| x - mean).collect())
        .collect();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let freedom = (n - 1) as f64;
    let trace = centred.iter().map(|round| product(round, round)).sum::<f64>() / freedom;
    let left = product(&mean, &mean);
    if trace <= NO_SPREAD {
        return Measured::Value(if left <= NO_SPREAD { 1.0 } else { 0.0 });
    }
    let mut square = 0.0;
    for (i, a) in centred.iter().enumerate() {
        square += product(a, a).powi(2);
        square += 2.0 * centred[..i].iter().map(|b| product(a, b).powi(2)).sum::<f64>();
    }
    let contrasts = (sizes - 2) as f64;
    let sphericity = (trace * trace / (contrasts * (square / (freedom * freedom))))
        .clamp(contrasts.recip(), 1.0);
    let degrees = sphericity * contrasts;
    Measured::Value(f_above(n as f64 * left / trace, degrees, degrees * freedom))
}

/// P(F > f).
fn f_above(f: f64, over: f64, under: f64) -> f64 {
    // Both degrees of freedom are above 0, so the distribution exists; 1 claims nothing.
    FisherSnedecor::new(over, under).map_or(1.0, |fisher| fisher.sf(f.max(0.0)))
}

/// Two lines instead of one, split after a size in bytes.
fn break_p(rounds: &Rounds, at: f64) -> Measured<f64> {
    let below = rounds.bytes.iter().filter(|bytes| **bytes <= at).count();
    let sizes = rounds.bytes.len();
    if below < FEWEST_BESIDE || sizes - below < FEWEST_BESIDE {
        return Measured::absent(format!(
            "a break needs {FEWEST_BESIDE} sizes on either side; {below} lie below it, {} above",
            sizes - below
        ));
    }
    let n = rounds.relative.len();
    if n < 3 {
        return Measured::absent(TOO_FEW_ROUNDS);
    }
    let (left, right) = (Weights::of(rounds, 0..below), Weights::of(rounds, below..sizes));
    let steps: Vec<[f64; 2]> = rounds
        .relative
        .iter()
        .map(|round| {
            let ([a, b], [c, d]) = (left.line(round), right.line(round));
            let slope = (d - b) * at;
            [c - a + slope, slope]
        })
        .collect();
    let of = |part: usize| {
        let mut moments = Moments::default();
        steps.iter().for_each(|step| moments.push(step[part]));
        moments
    };
    let (jump, slope) = (of(0), of(1));
    let freedom = (n - 1) as f64;
    let covariance = |i: usize, j: usize| {
        let mean = [jump.mean(), slope.mean()];
        steps.iter().map(|step| (step[i] - mean[i]) * (step[j] - mean[j])).sum::<f64>() / freedom
    };
    let (jj, ss, js) = (covariance(0, 0), covariance(1, 1), covariance(0, 1));
    let determinant = jj * ss - js * js;
    if determinant <= 1e-12 * jj * ss {
        // One of the two says all: each is tested alone (Bonferroni).
        let alone = [jump, slope].iter().filter_map(Moments::p_of_zero).fold(1.0, f64::min);
        return Measured::Value((2.0 * alone).min(1.0));
    }
    let (j, s) = (jump.mean(), slope.mean());
    let distance = (j * j * ss - 2.0 * j * s * js + s * s * jj) / determinant;
    let f = n as f64 * distance * (n - 2) as f64 / (2.0 * freedom);
    Measured::Value(f_above(f, 2.0, (n - 2) as f64))
}

/// The models of every path and side, everything but size being equal. The breaks of the whole run are one family for
/// Holm's correction, its tests of fit are another.
pub(crate) fn cost_models(
    places: &Places,
    logs: &RoundLogs<'_>,
    estimates: &[CellEstimates],
    page_bytes: Option<u64>,
    widening: f64,
) -> Vec<CostModel> {
    let mut models = Vec::new();
    for (shared, cells) in families(places, &[Factor::Message]) {
        let shared = shared.cell();
        let mut cells = cells;
        cells.sort_by_key(|cell| places.cells[*cell].message);
        for (side, metric) in [
            (ModelledSide::Sender, Metric::SenderCpuNsPerKib),
            (ModelledSide::Receiver, Metric::ReceiverCpuNsPerKib),
        ] {
            let sizes = sizes(places, logs, metric, &cells);
            let named = named_breaks(shared, &sizes, &cells, estimates, page_bytes);
            let at: Vec<f64> = named.iter().map(|(_, bytes)| *bytes).collect();
            models.push(model(shared, side, &cells, estimates, named, fit(&sizes, &at, widening)));
        }
    }
    correct(&mut models);
    models
}

fn model(
    shared: &Cell,
    side: ModelledSide,
    cells: &[usize],
    estimates: &[CellEstimates],
    named: Vec<(String, f64)>,
    line: Result<Line, String>,
) -> CostModel {
    let base = CostModel {
        shared: Shared::new(shared, &[Factor::Send, Factor::Message]),
        path: shared.send_path,
        side,
        oversubscribed: Oversubscribed::any(
            cells.iter().map(|cell| estimates[*cell].oversubscribed),
        ),
        per_message_ns: Measured::absent(""),
        per_message_by_round: BTreeMap::new(),
        per_byte_ns: Measured::absent(""),
        lack_of_fit_p: Measured::absent(""),
        breaks: Vec::new(),
        points: Vec::new(),
    };
    match line {
        Ok(line) => CostModel {
            per_message_ns: Measured::Value(line.per_message_ns),
            per_message_by_round: line.per_message_by_round,
            per_byte_ns: Measured::Value(line.per_byte_ns),
            lack_of_fit_p: line.lack_of_fit_p,
            breaks: named
                .into_iter()
                .zip(line.break_p)
                .map(|((name, bytes), p)| BreakPoint { name, bytes, p })
                .collect(),
            points: line.points,
            ..base
        },
        Err(why) => CostModel {
            per_message_ns: Measured::absent(why.clone()),
            per_byte_ns: Measured::absent(why.clone()),
            lack_of_fit_p: Measured::absent(why),
            ..base
        },
    }
}

/// CPU time per message of each size that has any, ascending.
fn sizes(places: &Places, logs: &RoundLogs<'_>, metric: Metric, cells: &[usize]) -> Vec<SizeCosts> {
    let size = |cell: &usize| {
        let bytes = places.cells[*cell].message.bytes().0;
        let kib = (bytes as f64 / 1024.0).ln();
        let mut log_ns = logs.at(*cell, metric)?;
        log_ns.iter_mut().for_each(|(_, log)| *log += kib);
        (!log_ns.is_empty()).then_some(SizeCosts { bytes, log_ns })
    };
    cells.iter().filter_map(size).collect()
}

/// The places named beforehand that lie between the smallest and the largest size.
fn named_breaks(
    shared: &Cell,
    sizes: &[SizeCosts],
    cells: &[usize],
    estimates: &[CellEstimates],
    page_bytes: Option<u64>,
) -> Vec<(String, f64)> {
    let (Some(first), Some(last)) = (sizes.first(), sizes.last()) else { return Vec::new() };
    // Larger messages fill segments; a small one's segment size is no other, but may not have been asked for.
    let mss = cells.iter().rev().find_map(|cell| {
        estimates[*cell].metrics.get(&Metric::MssBytes)?.value().map(|mss| mss.mean)
    });
    let by_reference = shared.passes_by_reference();
    let pages = page_bytes.filter(|_| by_reference);
    let fragments = pages.and_then(|page_bytes| size_beyond_fragments(shared, page_bytes));
    // From here on the longest of equal fields is passed by reference.
    let can = shared.send_path.capabilities();
    let fields = shared.fields.get() as f64;
    let switch =
        can.copies_short_fields.then(|| (shared.copy_below.bytes().0 as f64 - 1.0) * fields);
    let named = [
        ("copy-below", switch),
        ("segment size", mss),
        ("17 fragments", fragments),
        ("32 KiB page fragments", (!by_reference).then_some(PAGE_FRAGMENT_BYTES)),
        ("GSO size", Some(GSO_BYTES)),
    ];
    let is_inside = |bytes: &f64| first.bytes as f64 <= *bytes && *bytes < last.bytes as f64;
    named
        .into_iter()
        .filter_map(|(name, bytes)| Some((name.to_owned(), bytes.filter(is_inside)?)))
        .collect()
}

fn correct(models: &mut [CostModel]) {
    let p: Vec<f64> = models
        .iter()
        .flat_map(|model| model.breaks.iter().filter_map(|tested| tested.p.value().copied()))
        .collect();
    let mut corrected = holm(&p).into_iter();
    for tested in models.iter_mut().flat_map(|model| &mut model.breaks) {
        if let Measured::Value(p) = &mut tested.p
            && let Some(p_holm) = corrected.next()
        {
            *p = p_holm;
        }
    }
    let p: Vec<f64> = models.iter().filter_map(|m| m.lack_of_fit_p.value().copied()).collect();
    let mut corrected = holm(&p).into_iter();
    for model in models {
        if let Measured::Value(p) = &mut model.lack_of_fit_p
            && let Some(p_holm) = corrected.next()
        {
            *p = p_holm;
        }
    }
}
