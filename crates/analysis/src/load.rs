//! What else ran on the usable CPUs, and what it did to the intervals.
//!
//! Each series is read once before and once after: how long the usable CPUs were busy, less what copycost's own processes used,
//! less what the hypervisor took, is what others had. Series are then split, block by block, into the half with less and the
//! half with more of it, and the deviations of their log-ratios from the ratio's median are compared: the mean absolute
//! deviation of the one half over that of the other, each ratio's first divided by its own mean, so that every ratio counts
//! alike (M. B. Brown and A. B. Forsythe, J. American Statistical Association 69, 1974). Whether it is more than chance is told
//! by permuting whole rounds (E. J. G. Pitman, J. Royal Statistical Society Supplement 4, 1937), so that what the ratios of a
//! round share is kept, and from 20 rounds on also by shifting them, so that what neighbouring rounds share is; its interval leaves one round out at a time (J. W. Tukey, Annals of Mathematical Statistics 29, 1958).
//!
//! No estimate leaves anything out for it: what the quieter half alone would give is told beside them.

use std::collections::{BTreeMap, BTreeSet};

use model::record::{CpuTicks, Load};
use model::{Measured, Thresholds};
use schemars::JsonSchema;
use serde::Serialize;

use crate::estimate::{Estimate, Moments, half_width};
use crate::judged::JudgedTrials;
use crate::metric::Metric;
use crate::order::{generator, shuffle};
use crate::pairings::{Contrasted, Places};
use crate::pairs::{Complete, ratio};
use crate::round_logs::RoundLogs;

/// What else ran on the usable CPUs while a run's series lasted.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LoadFacts {
    /// Rounds that tell of it.
    pub rounds: u32,
    /// What others took, as a share of the time of all usable CPUs.
    pub others: RoundShares,
    /// What the hypervisor took, likewise.
    pub steal: Measured<RoundShares>,
    /// What a round's share of others may be off by: the median over rounds.
    pub error: f64,
    /// The lowest and the highest mean frequency of the usable CPUs at the edges of a series, in kHz.
    pub khz: Measured<[f64; 2]>,
    /// Whether a round has more of either than the plan's thresholds `others` and `steal`, and than its sources may be off by.
    pub seen: bool,
    /// What it did to the intervals; absent where there is nothing to tell it by.
    pub effect: Measured<LoadEffect>,
}

/// Shares of the time of all usable CPUs, round by round: 0.1 is 10 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RoundShares {
    /// The median over rounds, the upper one of an even number.
    pub median: f64,
    /// The most of a round.
    pub most: f64,
}

/// What load did to the intervals of ratios (goodput and the link's cost).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LoadEffect {
    /// How far log-ratios scatter in the half with more load over the half with less: 1 is as far.
    pub scatter: Estimate,
    /// One-sided p of "no farther".
    pub p: f64,
    /// Whether they are shown to scatter farther, at 5 %.
    pub shown: bool,
    /// The mean share that others and the hypervisor took in the half with less and in the half with more.
    pub shares: [f64; 2],
    /// The half-width of the 95 % interval of a ratio: the median over ratios.
    pub half_width: f64,
    /// What it would be from the half with less load alone.
    pub half_width_quieter: f64,
}

/// No fewer rounds are split: of 8 there are 70 halves, so that chance can be told at 5 %.
const FEWEST: usize = 8;
/// Orders of the rounds against which the one that was measured is held.
const PERMUTATIONS: u32 = 999;
/// From so many rounds on, of which 40 orders keep the neighbours.
const FEWEST_KEPT: usize = 20;
/// The error rate of "they scatter farther".
const SIGNIFICANCE: f64 = 0.05;

/// The series of a block: what else ran in each, and its log-ratios.
#[derive(Clone, Debug, Default)]
pub struct BlockSeries {
    /// The share that others and the hypervisor took, by round.
    pub shares: BTreeMap<u32, f64>,
    /// The log-ratios of each contrast and metric, by round.
    pub log_ratios: Vec<Vec<(u32, f64)>>,
}

/// What a series tells, in nanoseconds of all usable CPUs.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    time: f64,
    others: f64,
    stolen: Option<f64>,
    /// What `others` may be off by.
    error: f64,
}

impl Taken {
    /// What others took is no less than told: time that the hypervisor took counts as its own even where a process clock ran on.
    fn of(load: &Load) -> Result<Self, &str> {
        let (busy, own) = match (&load.busy, &load.own_cpu_ns) {
            (Measured::Value(busy), Measured::Value(own)) => (busy, own),
            (Measured::Absent { absent }, _) | (_, Measured::Absent { absent }) => {
                return Err(absent);
            }
        };
        let total = |ns: &[u64]| ns.iter().map(|ns| *ns as f64).sum::<f64>();
        let of_ticks = |of: fn(&CpuTicks) -> f64| load.ticks.value().map(of);
        let stolen = of_ticks(|ticks| ticks.steal_ns.iter().map(|ns| *ns as f64).sum());
        // Softirqs that are charged to no thread, or perhaps to none, are taken for copycost's own.
        let interrupts = if load.interrupts_apart == Measured::Value(false) {
            0.0
        } else {
            of_ticks(|ticks| {
                let both = ticks.softirq_ns.iter().chain(&ticks.irq_ns);
                both.map(|ns| *ns as f64).sum()
            })
            .ok_or_else(|| load.ticks.reason().unwrap_or_default())?
        };
        let ticked = interrupts + stolen.unwrap_or(0.0);
        let tick = of_ticks(|ticks| ticks.tick_ns.0 as f64).filter(|_| ticked > 0.0);
        let cpus = busy.cpus.len() as f64;
        Ok(Self {
            time: busy.span_ns.0 as f64 * cpus,
            others: (total(&busy.busy_ns) - own.0 as f64 - ticked).max(0.0),
            stolen,
            error: (busy.error_ns.0 as f64 + tick.unwrap_or(0.0)) * cpus,
        })
    }

    fn share(&self) -> f64 {
        (self.others + self.stolen.unwrap_or(0.0)) / self.time
    }

    /// With another series of its round. Their errors are independent.
    fn and(self, other: Self) -> Self {
        Self {
            time: self.time + other.time,
            others: self.others + other.others,
            stolen: self.stolen.zip(other.stolen).map(|(a, b)| a + b),
            error: self.error.hypot(other.error),
        }
    }
}

impl LoadFacts {
    /// That of a run, from its complete blocks.
    pub(crate) fn of(
        places: &Places,
        contrasts: &[Contrasted],
        trials: &JudgedTrials,
        complete: &[Complete],
        logs: &RoundLogs<'_>,
        thresholds: &Thresholds,
    ) -> Measured<Self> {
        let mut series: Vec<(u32, usize, Taken)> = Vec::new();
        let mut khz: Vec<f64> = Vec::new();
        let mut why = "no series tells of it: measured steadily, or by a version that did not look";
        for Complete { round, block, trials: of_block } in complete {
            let first = of_block.iter().map(|(_, trial)| &trials.all()[*trial]);
            let first = first.into_iter().find(|judged| judged.finished().is_some());
            let Some(load) = first.and_then(|judged| judged.load.as_deref()) else {
                continue;
            };
            match Taken::of(load) {
                Ok(taken) if taken.time > 0.0 => series.push((*round, *block, taken)),
                Ok(_) => {}
                Err(absent) => why = absent,
            }
            khz.extend(load.khz.value().and_then(|edges| mean_khz(edges)));
        }
        let mut by_round: BTreeMap<u32, Taken> = BTreeMap::new();
        for (round, _, taken) in &series {
            let all = by_round.get(round).map_or(*taken, |others| others.and(*taken));
            by_round.insert(*round, all);
        }
        let rounds = || by_round.values();
        let Some(others) = RoundShares::of(rounds().map(|all| all.others / all.time)) else {
            return Measured::absent(why);
        };
        let stolen: Option<Vec<f64>> = rounds().map(|all| Some(all.stolen? / all.time)).collect();
        let steal = stolen.and_then(|shares| RoundShares::of(shares.into_iter()));
        let is_seen = |all: &Taken| {
            let others = all.others > (thresholds.others.0 * all.time).max(all.error);
            let steal = (thresholds.steal.0 * all.time).max(all.error);
            others || all.stolen.is_some_and(|ns| ns > steal)
        };
        let seen = rounds().any(is_seen);
        // A series alone is too short for coarse sources: then it is as loaded as its round.
        let is_fine = series.iter().all(|(.., taken)| taken.error <= FINE * taken.time);
        let share = |round: &u32, taken: &Taken| {
            by_round.get(round).filter(|_| !is_fine).unwrap_or(taken).share()
        };
        let effect = if seen {
            let mut blocks = vec![BlockSeries::default(); places.blocks.len()];
            for (round, block, taken) in &series {
                blocks[*block].shares.insert(*round, share(round, taken));
            }
            for pair in contrasts {
                let cost = Metric::cost_on(places.cells[pair.cell].link);
                for metric in [Metric::GoodputGbps, cost] {
                    let of = logs.paired_at(pair.cell, pair.against, metric);
                    blocks[pair.block].log_ratios.extend(of);
                }
            }
            LoadEffect::of(&blocks)
        } else {
            Measured::absent("too little else ran to tell")
        };
        Measured::Value(Self {
            rounds: u32::try_from(by_round.len()).unwrap_or(u32::MAX),
            others,
            steal: steal.map_or_else(
                || Measured::absent("/proc/stat was not read in every series"),
                Measured::Value,
            ),
            error: RoundShares::of(rounds().map(|all| all.error / all.time))
                .map_or(0.0, |error| error.median),
            khz: extremes(&khz).map_or_else(
                || Measured::absent("this machine does not tell its CPUs' frequencies"),
                Measured::Value,
            ),
            seen,
            effect,
        })
    }
}

/// A series' own share is used where it is off by no more than this.
const FINE: f64 = 0.02;

impl RoundShares {
    fn of(shares: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = shares.collect();
        sorted.sort_by(f64::total_cmp);
        Some(Self { median: *sorted.get(sorted.len() / 2)?, most: *sorted.last()? })
    }
}

fn mean_khz(edges: &[[u64; 2]]) -> Option<f64> {
    let sum: f64 = edges.iter().flatten().map(|khz| *khz as f64).sum();
    (!edges.is_empty()).then(|| sum / (2.0 * edges.len() as f64))
}

fn extremes(figures: &[f64]) -> Option<[f64; 2]> {
    let low = figures.iter().copied().min_by(f64::total_cmp)?;
    Some([low, figures.iter().copied().max_by(f64::total_cmp)?])
}

/// Deviations of a block's log-ratios in one round: their sum and number.
type Scatter = (f64, f64);

/// One block round by round: how far its log-ratios lie from their medians, and in which half of the load it is.
struct Split {
    scatter: Vec<Scatter>,
    /// Half 0 or 1 by load; none for the middle of an odd number, and where the block was not measured.
    half: Vec<Option<usize>>,
}

impl LoadEffect {
    /// That of some blocks; absent below eight rounds, where nothing scatters, and where all rounds had as much load.
    pub fn of(blocks: &[BlockSeries]) -> Measured<Self> {
        let rounds: BTreeSet<u32> =
            blocks.iter().flat_map(|block| block.shares.keys().copied()).collect();
        let rounds: Vec<u32> = rounds.into_iter().collect();
        let splits: Vec<Split> = blocks.iter().map(|block| Split::of(block, &rounds)).collect();
        let why = if rounds.len() < FEWEST {
            "fewer than 8 rounds"
        } else {
            "no ratio has 8 valid rounds to tell by"
        };
        Self::of_splits(blocks, &rounds, &splits)
            .map_or_else(|| Measured::absent(why), Measured::Value)
    }

    fn of_splits(blocks: &[BlockSeries], rounds: &[u32], splits: &[Split]) -> Option<Self> {
        let n = rounds.len();
        let mut order: Vec<usize> = (0..n).collect();
        let measured = log_scatter(splits, &order, None).filter(|_| n >= FEWEST)?;
        let is_as_far = |order: &[usize]| {
            log_scatter(splits, order, None).is_none_or(|scatter| scatter >= measured)
        };
        // Where load and noise both last for rounds, only orders that keep neighbours tell chance from more.
        let kept = if n < FEWEST_KEPT {
            0.0
        } else {
            let as_far = neighbours_kept(n).filter(|order| is_as_far(order)).count();
            as_far as f64 / (2 * n) as f64
        };
        let mut random = generator(1, 0);
        let mut as_far = 0;
        for _ in 0..PERMUTATIONS {
            shuffle(&mut order, &mut random);
            as_far += u32::from(is_as_far(&order));
        }
        let p = (f64::from(1 + as_far) / f64::from(1 + PERMUTATIONS)).max(kept);
        order.sort_unstable();
        let mut pseudo = Moments::default();
        for without in 0..n {
            let rest = log_scatter(splits, &order, Some(without))?;
            pseudo.push(n as f64 * measured - (n as f64 - 1.0) * rest);
        }
        let mut scatter = *ratio(&pseudo).value()?;
        scatter.mean = measured.exp();
        let mut shares = [Moments::default(), Moments::default()];
        let mut widths = [Vec::new(), Vec::new()];
        for (block, split) in blocks.iter().zip(splits) {
            let half = |round: &u32| split.half[rounds.binary_search(round).ok()?];
            for (round, share) in &block.shares {
                half(round).into_iter().for_each(|half| shares[half].push(*share));
            }
            for logs in &block.log_ratios {
                let quieter = logs.iter().filter(|(round, _)| half(round) == Some(0));
                if let (Some(all), Some(quieter)) = (width(logs.iter()), width(quieter)) {
                    widths[0].push(all);
                    widths[1].push(quieter);
                }
            }
        }
        let median = |widths: &[f64]| RoundShares::of(widths.iter().copied()).map(|it| it.median);
        Some(Self {
            scatter,
            p,
            shown: p <= SIGNIFICANCE,
            shares: shares.map(|half| half.mean()),
            half_width: median(&widths[0])?,
            half_width_quieter: median(&widths[1])?,
        })
    }
}

/// Every order of so many rounds in which neighbours stay neighbours: shifted around the end, as they came and backwards.
fn neighbours_kept(n: usize) -> impl Iterator<Item = Vec<usize>> {
    let shifted = move |by: usize| (0..n).map(|round| (round + by) % n).collect::<Vec<_>>();
    let backwards = move |by: usize| shifted(by).into_iter().rev().collect();
    (0..n).map(shifted).chain((0..n).map(backwards))
}

/// The half-width of a ratio's interval.
fn width<'a>(logs: impl Iterator<Item = &'a (u32, f64)>) -> Option<f64> {
    let mut moments = Moments::default();
    logs.for_each(|(_, log)| moments.push(*log));
    half_width(ratio(&moments).value()?)
}

impl Split {
    fn of(block: &BlockSeries, rounds: &[u32]) -> Self {
        let mut scatter = vec![(0.0, 0.0); rounds.len()];
        let place = |round: &u32| rounds.binary_search(round).ok();
        for logs in &block.log_ratios {
            let placed: Vec<(usize, f64)> =
                logs.iter().filter_map(|(round, log)| Some((place(round)?, *log))).collect();
            let mut sorted: Vec<f64> = placed.iter().map(|(_, log)| *log).collect();
            sorted.sort_by(f64::total_cmp);
            let n = sorted.len();
            if n < FEWEST {
                continue;
            }
            let median = f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2]);
            let mean = sorted.iter().map(|log| (log - median).abs()).sum::<f64>() / n as f64;
            if mean > 0.0 {
                for (round, log) in placed {
                    scatter[round].0 += (log - median).abs() / mean;
                    scatter[round].1 += 1.0;
                }
            }
        }
        let mut by_load: Vec<(f64, usize)> = block
            .shares
            .iter()
            .filter_map(|(round, share)| Some((*share, place(round)?)))
            .collect();
        by_load.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut half = vec![None; rounds.len()];
        let n = by_load.len();
        for (rank, (_, round)) in by_load.into_iter().enumerate() {
            half[round] = if rank < n / 2 { Some(0) } else { (rank >= n.div_ceil(2)).then_some(1) };
        }
        Self { scatter, half }
    }
}

/// The logarithm of how far log-ratios scatter in the half with more load over the half with less, where round `i` has the load
/// of round `order[i]`, perhaps without a round.
fn log_scatter(splits: &[Split], order: &[usize], without: Option<usize>) -> Option<f64> {
    let mut halves: [Scatter; 2] = [(0.0, 0.0); 2];
    for split in splits {
        for (round, (sum, count)) in split.scatter.iter().enumerate() {
            if let Some(half) = split.half[order[round]].filter(|_| without != Some(round)) {
                halves[half].0 += sum;
                halves[half].1 += count;
            }
        }
    }
    let log = ((halves[1].0 / halves[1].1) / (halves[0].0 / halves[0].1)).ln();
    log.is_finite().then_some(log)
}
