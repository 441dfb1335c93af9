//! What equal cells tell of a machine: how noisy it is, how often they are told apart although they are equal, how small a
//! difference shows in so much time, and what disturbed it.
//!
//! Replicas of a cell are taken by twos, each in one pair, and their log-ratio is measured once a round, as that of two paths would
//! be. Of rounds in a row as many as a run needs at least make one study, and each pair of a study is tested as if somebody had
//! asked: of equal cells a test at 5 % tells 5 in 100 apart.

use std::collections::{BTreeMap, BTreeSet};

use model::plan::FEWEST_ROUNDS;
use model::record::{Finished, Machine, Outcome, Record, Trial};
use model::values::Replica;
use model::{Cell, Mark, Measured, Nanos, Plan};
use serde::Serialize;
use statrs::distribution::{Beta, ContinuousCDF};

use crate::estimate::{Moments, t_975, t_quantile};
use crate::judged::{JudgedTrial, JudgedTrials};
use crate::judged_run::JudgedRun;
use crate::metric::Metric;
use crate::pairings::Places;
use crate::pairs::SIGNIFICANCE;
use crate::summary::Summary;
use crate::turn_noise::{SeriesNoise, TurnNoise};

/// The version of this value's shape in JSON.
const VERSION: u32 = 1;

/// The times in which the smallest difference is told.
pub const TIMES: [Nanos; 3] = [Nanos::s(10), Nanos::s(60), Nanos::s(300)];

/// How often a difference of the size that is told is found.
pub const POWER: f64 = 0.8;

/// How much two sets of ratios must hold for their spreads to be compared.
const ENOUGH: u32 = 5;

/// What equal cells tell of a machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SelfTest {
    /// Version of this shape.
    pub version: u32,
    /// Whole rounds.
    pub rounds: u32,
    /// Time spent measuring, in ns.
    pub spent_ns: u64,
    /// What a round of one comparison takes here, in ns: two cells of one size, measured alone.
    pub round_ns: u64,
    /// Trials, void ones included.
    pub trials: u32,
    /// Void trials.
    pub void_trials: u32,
    /// The noise of each size, in goodput and in cost.
    pub noise: Vec<CellNoise>,
    /// How often equal cells were told apart, in goodput and in cost.
    pub told_apart: Vec<ToldApart>,
    /// What disturbed trials. What a machine does to figures most (steal, others, frequency) is there even where it was not seen.
    pub disturbances: Vec<Disturbance>,
    /// How far windows are off; absent where no valid trial has one.
    pub timer: Measured<Timer>,
}

/// The noise of one cell's ratios.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CellNoise {
    /// Which cell.
    pub cell: Cell,
    /// In which metric.
    pub metric: Metric,
    /// Pairs of equal cells.
    pub pairs: u32,
    /// Ratios of them, one a pair and round.
    pub ratios: u32,
    /// Standard deviation of the logarithm of a round's ratio: 0.02 is 2 %.
    pub spread: f64,
    /// Half the 95 % interval of one pair's ratio over the run's rounds, as a share: differences below it are noise.
    pub noise_floor: f64,
    /// Where the noise lies: between the turns of a series, or between series. Of goodput alone.
    pub turns: Measured<TurnNoise>,
    /// The smallest difference that shows in so much time.
    pub detectable: Vec<Detectable>,
}

/// The smallest difference that one comparison shows in so much time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detectable {
    /// The time, in ns.
    pub time_ns: u64,
    /// Rounds that fit into it.
    pub rounds: u32,
    /// The difference, as a share, that a test at 5 % finds in [`POWER`] of all such runs; absent where fewer than two rounds fit.
    pub difference: Measured<f64>,
}

/// How often equal cells were told apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ToldApart {
    /// In which metric.
    pub metric: Metric,
    /// So many times.
    pub times: u32,
    /// Of so many: each pair of each study.
    pub of: u32,
    /// Lower end of the 95 % interval of that rate (C. J. Clopper and E. S. Pearson, Biometrika 26, 1934).
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl ToldApart {
    /// Whether that is shown to be more than a test at 5 % should: intervals are too narrow on this machine.
    pub fn is_too_often(&self) -> bool {
        self.low > SIGNIFICANCE
    }
}

/// What speaks against trials.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disturbance {
    /// Which mark.
    pub mark: Mark,
    /// In so many trials; absent where it could not be seen.
    pub trials: Measured<u32>,
    /// How many times as much ratios spread in goodput where a trial bears the mark as where none does; absent where either are
    /// few.
    pub spread_times: Measured<f64>,
}

/// How far the windows of valid trials are from the ordered ones, as a share of these; late timers and wake-ups do that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Timer {
    /// The ordered window, in ns.
    pub window_ns: u64,
    /// Windows seen, of each worker.
    pub windows: u32,
    /// Half of them are off by at most this share.
    pub median_off: f64,
    /// One in a hundred is off by more.
    pub hundredth_off: f64,
}

/// One pair of equal cells.
#[derive(Default)]
struct Pair {
    /// Of goodput and cost: the log-ratios, round by round.
    logs: [Vec<f64>; 2],
    /// Log-ratios of goodput, and what spoke against either trial.
    marked: Vec<(f64, BTreeSet<Mark>)>,
    turns: SeriesNoise,
}

impl SelfTest {
    /// That of a run with replicas of its cells; absent, with the reason, where it has none or fewer than two rounds.
    ///
    /// `share` is the part of a round of this plan that a round of one comparison takes.
    pub fn of(plan: &Plan, records: &[Record], summary: &Summary, share: f64) -> Measured<Self> {
        let judged = JudgedRun::of(plan, records);
        let families = families(&judged.places);
        if families.is_empty() {
            return Measured::absent("no cell has a replica; give --replica 1,2,3,4");
        }
        let pairs = pairs(&judged, &families);
        let run = &summary.run;
        if run.rounds < 2 {
            return Measured::absent("noise takes two whole rounds; give more time");
        }
        let spent_ns = match run.spent_ns {
            Measured::Value(spent_ns) => spent_ns,
            Measured::Absent { ref absent } => return Measured::absent(absent.clone()),
        };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time within a run"
        )]
        let round_ns = (spent_ns as f64 / f64::from(run.rounds) * share).max(1.0) as u64;
        let mut noise = Vec::new();
        let mut told = [(0, 0); 2];
        for ((cell, _), pairs) in families.iter().zip(&pairs) {
            let metrics = [Metric::GoodputGbps, Metric::cost_on(cell.link)];
            for ((which, metric), told) in metrics.into_iter().enumerate().zip(&mut told) {
                noise.extend(cell_noise(cell, metric, which, pairs, (run.rounds, round_ns)));
                let of_pairs = pairs.iter().filter_map(|pair| pair.logs.get(which));
                for study in of_pairs.flat_map(|logs| logs.chunks_exact(FEWEST_ROUNDS as usize)) {
                    let p = moments(study).p_of_zero();
                    told.0 += u32::from(p.is_some_and(|p| p < SIGNIFICANCE));
                    told.1 += 1;
                }
            }
        }
        if noise.is_empty() {
            return Measured::absent("no pair of equal cells was measured validly in two rounds");
        }
        let cost = families
            .first()
            .map_or(Metric::EndsCpuNsPerKib, |(cell, _)| Metric::cost_on(cell.link));
        let told_apart = [Metric::GoodputGbps, cost]
            .into_iter()
            .zip(told)
            .map(|(metric, (times, of))| {
                let (low, high) = clopper_pearson(times, of);
                ToldApart { metric, times, of, low, high }
            })
            .collect();
        Measured::Value(Self {
            version: VERSION,
            rounds: run.rounds,
            spent_ns,
            round_ns,
            trials: run.trials,
            void_trials: run.void_trials,
            noise,
            told_apart,
            disturbances: disturbances(records, summary, &pairs),
            timer: timer(records, judged.trials()),
        })
    }

    /// The noise of a metric, size by size.
    pub fn noise_of(&self, metric: Metric) -> impl Iterator<Item = &CellNoise> {
        self.noise.iter().filter(move |noise| noise.metric == metric)
    }
}

/// Cells of the plan that differ in their number alone, those of one family in its order; families of one are left out.
fn families(places: &Places) -> Vec<(Cell, Vec<usize>)> {
    let mut families: BTreeMap<Cell, Vec<usize>> = BTreeMap::new();
    for (place, cell) in places.cells.iter().enumerate() {
        let key = Cell { replica: Replica::ONE, ..cell.clone() };
        families.entry(key).or_default().push(place);
    }
    for family in families.values_mut() {
        family.sort_by_key(|place| places.cells[*place].replica);
    }
    families.into_iter().filter(|(_, family)| family.len() > 1).collect()
}

/// Of each family its pairs (first and second, third and fourth …), and what complete blocks say of them.
fn pairs(judged: &JudgedRun, families: &[(Cell, Vec<usize>)]) -> Vec<Vec<Pair>> {
    let mut pairs: Vec<Vec<Pair>> = families
        .iter()
        .map(|(_, family)| family.chunks_exact(2).map(|_| Pair::default()).collect())
        .collect();
    for block in judged.complete() {
        let trials = judged.trials().all();
        let of: BTreeMap<usize, &JudgedTrial> =
            block.trials.iter().map(|(cell, trial)| (*cell, &*trials[*trial])).collect();
        for ((cell, family), pairs) in families.iter().zip(&mut pairs) {
            for (twins, pair) in family.chunks_exact(2).zip(pairs) {
                if let [Some(first), Some(second)] = [twins[0], twins[1]].map(|cell| of.get(&cell))
                {
                    pair.push(cell, first, second);
                }
            }
        }
    }
    pairs
}

impl Pair {
    fn push(&mut self, cell: &Cell, first: &JudgedTrial, second: &JudgedTrial) {
        let log = |metric: Metric| {
            let of = |judged: &JudgedTrial| judged.value(metric).value().copied();
            let ratio = of(first)? / of(second)?;
            (ratio > 0.0 && ratio.is_finite()).then(|| ratio.ln())
        };
        let logs = [Metric::GoodputGbps, Metric::cost_on(cell.link)].map(log);
        for (known, log) in self.logs.iter_mut().zip(logs) {
            known.extend(log);
        }
        if let Some(log) = logs[0] {
            let marks = first.marks.iter().chain(&*second.marks).copied().collect();
            self.marked.push((log, marks));
        }
        self.turns.push(&first.turn_rates, &second.turn_rates);
    }
}

fn moments(logs: &[f64]) -> Moments {
    let mut moments = Moments::default();
    logs.iter().for_each(|log| moments.push(*log));
    moments
}

/// The noise of one cell, pooled over its pairs; none where none has two rounds.
fn cell_noise(
    cell: &Cell,
    metric: Metric,
    which: usize,
    pairs: &[Pair],
    (rounds, round_ns): (u32, u64),
) -> Option<CellNoise> {
    let of_pairs: Vec<Moments> = pairs
        .iter()
        .filter_map(|pair| Some(moments(pair.logs.get(which)?)))
        .filter(|moments| moments.len() >= 2)
        .collect();
    let spread = pooled(&of_pairs)?;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let turns = match TurnNoise::of(pairs.iter().map(|pair| &pair.turns)) {
        _ if metric != Metric::GoodputGbps => Measured::absent("told of goodput alone"),
        Some(noise) => Measured::Value(noise),
        None => Measured::absent("the cells were not measured in turns"),
    };
    Some(CellNoise {
        cell: cell.clone(),
        metric,
        pairs: count(of_pairs.len()),
        ratios: of_pairs.iter().map(Moments::len).sum(),
        spread,
        noise_floor: (t_975(rounds.saturating_sub(1)) * spread / f64::from(rounds).sqrt()).exp_m1(),
        turns,
        detectable: TIMES.map(|time| detectable(time, round_ns, spread)).to_vec(),
    })
}

/// The standard deviation within samples, pooled; none without a degree of freedom.
fn pooled(samples: &[Moments]) -> Option<f64> {
    let freedom = |moments: &Moments| f64::from(moments.len()) - 1.0;
    let squares = |moments: &Moments| Some(moments.variance()? * freedom(moments));
    let all: f64 = samples.iter().filter_map(squares).sum();
    let freedom: f64 = samples.iter().filter(|s| s.len() >= 2).map(freedom).sum();
    (freedom > 0.0).then(|| (all / freedom).sqrt())
}

/// The smallest difference that shows in so much time, where a round takes `round_ns` and its log-ratio has this standard
/// deviation: (t₀.₉₇₅ + t₀.₈₀) · spread / √n with n rounds and n − 1 degrees of freedom (S.-C. Chow, J. Shao and H. Wang, Sample Size
/// Calculations in Clinical Research, 2008, section 3.1.1).
pub fn detectable(time: Nanos, round_ns: u64, spread: f64) -> Detectable {
    let rounds = u32::try_from(time.0 / round_ns.max(1)).unwrap_or(u32::MAX);
    let difference = if rounds < 2 {
        Measured::absent("fewer than two rounds fit into this time")
    } else {
        let quantiles = t_975(rounds - 1) + t_quantile(POWER, rounds - 1);
        Measured::Value((quantiles * spread / f64::from(rounds).sqrt()).exp_m1())
    };
    Detectable { time_ns: time.0, rounds, difference }
}

/// The 95 % interval of a rate of which so many of so many were seen.
fn clopper_pearson(times: u32, of: u32) -> (f64, f64) {
    let quantile = |a: f64, b: f64, p: f64| Beta::new(a, b).map(|beta| beta.inverse_cdf(p)).ok();
    let (seen, left) = (f64::from(times), f64::from(of) - f64::from(times));
    // Where a parameter would be 0 the end is that of the range.
    let low = if times == 0 { None } else { quantile(seen, left + 1.0, 0.025) };
    let high = if left <= 0.0 { None } else { quantile(seen + 1.0, left, 0.975) };
    (low.unwrap_or(0.0), high.unwrap_or(1.0))
}

/// The marks of the run's trials, and those that were looked for in vain.
fn disturbances(records: &[Record], summary: &Summary, pairs: &[Vec<Pair>]) -> Vec<Disturbance> {
    const LOOKED_FOR: [Mark; 3] = [Mark::Steal, Mark::Others, Mark::Frequency];
    let seen = summary.marks.iter().filter(|(_, trials)| **trials > 0).map(|(mark, _)| *mark);
    let marks: BTreeSet<Mark> = LOOKED_FOR.into_iter().chain(seen).collect();
    marks
        .into_iter()
        .map(|mark| Disturbance {
            mark,
            trials: match (summary.marks.get(&mark), unseen(records, mark)) {
                (None, Some(why)) => Measured::absent(why),
                (trials, _) => Measured::Value(trials.copied().unwrap_or(0)),
            },
            spread_times: spread_times(pairs, mark),
        })
        .collect()
}

/// Why no trial could show this mark; none where one could.
fn unseen(records: &[Record], mark: Mark) -> Option<String> {
    let machines = || trials(records).filter_map(|trial| Some(&finished(trial)?.machine));
    let reason = |of: &dyn Fn(&Machine) -> Option<String>| {
        // One that shows it is enough. A machine that was not read at all tells nothing of what it lacks.
        let reasons: Option<Vec<(bool, String)>> = machines()
            .map(|machine| Some((machine.ticks.value().is_none(), of(machine)?)))
            .collect();
        reasons?.into_iter().min_by_key(|(is_unread, _)| *is_unread).map(|(_, why)| why)
    };
    let absent = |why: Option<&str>| why.map(str::to_owned);
    #[allow(clippy::wildcard_enum_match_arm, reason = "only these come from a source of their own")]
    match mark {
        Mark::Frequency => reason(&|machine| absent(machine.khz.reason())),
        Mark::Steal => reason(&|machine| absent(machine.ticks.reason())),
        Mark::Others => reason(&|machine| absent(machine.busy.reason().or(machine.ticks.reason()))),
        _ => None,
    }
}

/// How many times as much log-ratios spread with the mark as without it.
fn spread_times(pairs: &[Vec<Pair>], mark: Mark) -> Measured<f64> {
    let mut with = Vec::new();
    let mut without = Vec::new();
    for pair in pairs.iter().flatten() {
        let (mut of_with, mut of_without) = <(Moments, Moments)>::default();
        let mean = moments(&pair.logs[0]).mean();
        for (log, marks) in &pair.marked {
            if marks.contains(&mark) { &mut of_with } else { &mut of_without }.push(log - mean);
        }
        with.push(of_with);
        without.push(of_without);
    }
    let count = |of: &[Moments]| of.iter().map(Moments::len).sum::<u32>();
    if count(&with) < ENOUGH || count(&without) < ENOUGH {
        return Measured::absent("too few ratios with it, or without it");
    }
    match (pooled(&with), pooled(&without)) {
        (Some(with), Some(without)) if without > 0.0 => Measured::Value(with / without),
        _ => Measured::absent("too few ratios of one pair with it, or without it"),
    }
}

fn trials(records: &[Record]) -> impl Iterator<Item = &Trial> {
    records.iter().filter_map(|record| match record {
        Record::Trial(trial) => Some(&**trial),
        Record::Segment(_)
        | Record::Round(_)
        | Record::Audit(_)
        | Record::AuditRefused(_)
        | Record::Ceiling(_)
        | Record::Finish(_)
        | Record::Imported(_) => None,
    })
}

fn finished(trial: &Trial) -> Option<&Finished> {
    match &trial.outcome {
        Outcome::Finished(finished) => Some(finished),
        Outcome::Failed(_) | Outcome::Imported(_) => None,
    }
}

/// How far the windows of valid trials are off.
fn timer(records: &[Record], judged: &JudgedTrials) -> Measured<Timer> {
    let mut off = Vec::new();
    let mut ordered = 0;
    let all = trials(records).zip(judged.all());
    for (trial, _) in all.filter(|(_, judged)| judged.is_valid()) {
        let Some(finished) = finished(trial) else { continue };
        let workers = finished.sender.workers.iter().chain(&finished.receiver.workers);
        match &trial.settings.series {
            Some(series) => {
                ordered = series.window_ns.0;
                let spans = workers.flat_map(|worker| worker.slices.iter());
                off.extend(spans.map(|span| apart(span.window_ns, ordered)));
            }
            None => {
                ordered = trial.settings.window_ns.0;
                off.extend(workers.map(|worker| apart(worker.window_ns.0, ordered)));
            }
        }
    }
    off.sort_by(f64::total_cmp);
    let at = |share: f64| {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place in the list"
        )]
        let place = (off.len() as f64 * share) as usize;
        off.get(place).copied()
    };
    match (at(0.5), at(0.99)) {
        (Some(median_off), Some(hundredth_off)) => Measured::Value(Timer {
            window_ns: ordered,
            windows: u32::try_from(off.len()).unwrap_or(u32::MAX),
            median_off,
            hundredth_off,
        }),
        _ => Measured::absent("no valid trial has a window"),
    }
}

fn apart(window_ns: u64, ordered_ns: u64) -> f64 {
    window_ns.abs_diff(ordered_ns) as f64 / ordered_ns.max(1) as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_rate_is_the_known_one() {
        // R's binom.test: 0 of 24, 3 of 20, 20 of 20.
        for (times, of, low, high) in
            [(0, 24, 0.0, 0.142_473), (3, 20, 0.032_071, 0.378_927), (20, 20, 0.831_566, 1.0)]
        {
            let (is_low, is_high) = clopper_pearson(times, of);
            assert!(
                (is_low - low).abs() < 1e-5 && (is_high - high).abs() < 1e-5,
                "{times} of {of}: {is_low} {is_high}"
            );
        }
        assert_eq!(clopper_pearson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn a_difference_of_the_size_that_is_told_is_found_as_often_as_is_told() {
        // Known normal noise, 20 rounds of a second: the difference told for 20 seconds, planted 4000 times.
        use rand_pcg::Pcg64;
        use synthetic::normal;
        let spread = 0.05;
        let of = detectable(Nanos::s(20), Nanos::s(1).0, spread);
        assert_eq!(of.rounds, 20);
        let planted = of.difference.value().unwrap().ln_1p();
        let mut random = Pcg64::new(3, 1);
        let mut found = 0;
        for _ in 0..4000 {
            let mut moments = Moments::default();
            (0..20).for_each(|_| moments.push(planted + spread * normal(&mut random)));
            found += u32::from(moments.p_of_zero().unwrap() < SIGNIFICANCE);
        }
        let power = f64::from(found) / 4000.0;
        assert!((power - POWER).abs() < 0.025, "{power}");
    }

    #[test]
    fn nothing_shows_in_less_than_two_rounds() {
        let of = detectable(Nanos::s(1), Nanos::s(1).0, 0.05);
        assert!(of.rounds == 1 && of.difference.value().is_none());
        let more = |seconds| {
            *detectable(Nanos::s(seconds), Nanos::s(1).0, 0.05).difference.value().unwrap()
        };
        assert!(more(10) > more(60) && more(60) > more(300));
    }
}
