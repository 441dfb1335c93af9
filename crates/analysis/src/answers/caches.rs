//! Q2: misses from send to sendmsg by level and size, or the nearest thing that was measured.

use std::collections::BTreeMap;

use model::{Cell, Missing, SendPath};

use super::{AnswerFinding, Found, Largest, LevelRatio};
use crate::comparisons::{counters_remedy, path_twins, threads_asked};
use crate::estimate::Moments;
use crate::evidence::Evidence;
use crate::metric::Metric;
use crate::operands::Compared;
use crate::pairs::{self, SIGNIFICANCE, holm};

/// The paper's table is of two threads; without them the fewest that were measured.
fn at_threads(evidence: &Evidence<'_>) -> u32 {
    let threads = threads_asked(evidence);
    if threads.contains(&2) { 2 } else { threads.first().copied().unwrap_or(1) }
}

/// Three levels where they are counted; CPU time where they are not.
pub(super) fn q2(evidence: &Evidence<'_>) -> Found {
    let threads = at_threads(evidence);
    let of = |metric: Metric| {
        let paths = [SendPath::A2, SendPath::A1];
        (metric, path_twins(evidence, metric, paths, |cell| cell.threads.get() == threads))
    };
    let by_level = Metric::CACHE_LEVELS.map(of);
    let counters = || counters_remedy(evidence, Metric::SenderL1dMissesPerKib, "l1d-misses");
    let finding = |largest, levels| AnswerFinding::Levels { threads, largest, levels };
    let counted = by_level.iter().filter(|(_, pairs)| !pairs.is_empty()).count();
    if counted == 0 {
        // The nearest thing: the senders' CPU time, with the same table.
        return Found::open(finding(Largest::NotCounted, Vec::new()), counters())
            .from([of(Metric::SenderCpuNsPerKib)]);
    }
    let levels = levels(evidence, &by_level);
    let largest = largest(&levels);
    let ratio = |level: &Level| {
        let ratio = *pairs::ratio(&level.moments()).value()?;
        Some(LevelRatio { metric: level.metric, ratio })
    };
    let is_shown = matches!(largest, Largest::First | Largest::NoneFalls);
    let finding = finding(largest, levels.iter().filter_map(ratio).collect());
    let found = if !levels.is_empty() && counted < Metric::CACHE_LEVELS.len() {
        Found::open(finding, counters())
    } else if is_shown {
        let others = [
            Missing::of_itself("another CPU's cache sizes"),
            Missing::machine("a larger working set", "--ring"),
            Missing::machine("fewer fields", "--fields"),
        ];
        Found::answered(finding, others)
    } else {
        Found::open(finding, Missing::rounds())
    };
    found.from(by_level)
}

/// One level's misses on the average over sizes, round by round.
struct Level {
    metric: Metric,
    /// Each round's mean log-ratio over the sizes that every level has.
    logs: BTreeMap<u32, f64>,
}

impl Level {
    fn moments(&self) -> Moments {
        let mut moments = Moments::default();
        self.logs.values().for_each(|log| moments.push(*log));
        moments
    }
}

/// Log-ratio of sendmsg to send at each level, round by round.
fn log_ratios(evidence: &Evidence<'_>, cell: &Cell, against: &Cell) -> [BTreeMap<u32, f64>; 3] {
    Metric::CACHE_LEVELS.map(|metric| {
        let others = evidence.logs_by_round(against, metric);
        let logs = evidence.logs_by_round(cell, metric);
        logs.into_iter()
            .filter_map(|(round, log)| Some((round, log - others.get(&round)?)))
            .collect()
    })
}

/// Over the sizes at which every counted level has pairs, in the rounds that have all of them; the level whose misses fall
/// most first.
fn levels(evidence: &Evidence<'_>, by_level: &[(Metric, Vec<Compared>); 3]) -> Vec<Level> {
    let mut pairs: Vec<&Compared> = by_level.iter().flat_map(|(_, pairs)| pairs).collect();
    pairs.sort_by_key(|pair| &pair.cell);
    pairs.dedup_by_key(|pair| &pair.cell);
    let of_pairs: Vec<[BTreeMap<u32, f64>; 3]> =
        pairs.iter().map(|pair| log_ratios(evidence, &pair.cell, &pair.against)).collect();
    let has = |level: &usize| of_pairs.iter().any(|logs| !logs[*level].is_empty());
    let counted: Vec<usize> = (0..Metric::CACHE_LEVELS.len()).filter(has).collect();
    let common: Vec<&[BTreeMap<u32, f64>; 3]> = of_pairs
        .iter()
        .filter(|logs| counted.iter().all(|level| !logs[*level].is_empty()))
        .collect();
    let level = |level: &usize| {
        let (first, others) = common.split_first()?;
        let of_round = |(round, log): (&u32, &f64)| {
            let mut sum = *log;
            for other in others {
                sum += other[*level].get(round)?;
            }
            Some((*round, sum / common.len() as f64))
        };
        let logs = first[*level].iter().filter_map(of_round).collect();
        Some(Level { metric: Metric::CACHE_LEVELS[*level], logs })
    };
    let mut levels: Vec<Level> = counted.iter().filter_map(level).collect();
    levels.retain(|level| !level.logs.is_empty());
    levels.sort_by(|a, b| a.moments().mean().total_cmp(&b.moments().mean()));
    levels
}

/// What may be said of the first of them.
fn largest(levels: &[Level]) -> Largest {
    let Some((best, others)) = levels.split_first() else { return Largest::NotTogether };
    let interval = |level: &Level| {
        let moments = level.moments();
        Some((moments.mean(), moments.half_interval()?))
    };
    if !interval(best).is_some_and(|(mean, half)| mean + half < 0.0) {
        let rises = |level| interval(level).is_some_and(|(mean, half)| mean - half > 0.0);
        return if levels.iter().all(rises) { Largest::NoneFalls } else { Largest::NoneShown };
    }
    // p of "the other falls as far".
    let p = |other: &Level| {
        let mut moments = Moments::default();
        for (round, log) in &best.logs {
            if let Some(other) = other.logs.get(round) {
                moments.push(log - other);
            }
        }
        moments.p_of_zero().unwrap_or(1.0)
    };
    let p = holm(&others.iter().map(p).collect::<Vec<_>>());
    let alike = others.iter().zip(p).filter(|(_, p)| *p >= SIGNIFICANCE);
    let alike: Vec<Metric> = alike.map(|(level, _)| level.metric).collect();
    if alike.is_empty() {
        Largest::First
    } else {
        Largest::OneOf(std::iter::once(best.metric).chain(alike).collect())
    }
}
