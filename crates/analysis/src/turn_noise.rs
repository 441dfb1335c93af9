//! How much of a ratio's noise lies between the turns of a series and how much between series, and how many turns follow.
//!
//! Turns of a series share its connections and memory; each series has its own. So the log-ratio of a series of n turns
//! has the variance between + within / n (one-way analysis of variance with random effects, S. R. Searle, G. Casella and
//! C. E. McCulloch, Variance Components, 1992, chapter 3). When a series costs `fixed` beside its turns and `turn` each,
//! the time is spent best on √(fixed / turn · within / between) turns (T. Kalibera and R. Jones, "Rigorous benchmarking
//! in reasonable time", ISMM 2013, section 6).

use model::record::{Outcome, Trial};
use schemars::JsonSchema;
use serde::Serialize;

use crate::estimate::Moments;

/// What is believed of the variance between series before any is seen: a standard deviation of 3 %, as the log-ratios of
/// paths on loopback had from 1.6 to 5.5 %.
const BELIEVED: f64 = 0.03 * 0.03;
/// As many series that belief is worth.
const BELIEVED_SERIES: f64 = 3.0;

/// The series of one contrast.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SeriesNoise {
    /// Squares of the turns' log-ratios about their series' mean, and their degrees of freedom.
    squares: f64,
    freedom: f64,
    /// Of the series' means.
    means: Moments,
    /// 1 / turns, summed over series.
    inverse_turns: f64,
}

impl SeriesNoise {
    /// Takes a series in: the rates of a cell's turns over those of another's. Turns in which either moved nothing are left
    /// out.
    pub(crate) fn push(&mut self, rates: &[f64], over: &[f64]) {
        let pairs = rates.iter().zip(over).filter(|(a, b)| **a > 0.0 && **b > 0.0);
        let logs: Vec<f64> = pairs.map(|(a, b)| (a / b).ln()).collect();
        if logs.len() < 2 {
            return;
        }
        let n = logs.len() as f64;
        let mean = logs.iter().sum::<f64>() / n;
        self.squares += logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>();
        self.freedom += n - 1.0;
        self.means.push(mean);
        self.inverse_turns += 1.0 / n;
    }
}

/// The two components of the variance of a block's log-ratios (goodput), pooled over its contrasts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TurnNoise {
    /// Standard deviation between the turns of a series: 0.1 is 10 %.
    pub between_turns: f64,
    /// Between series, beyond what their turns explain.
    pub between_series: f64,
    /// Series that this is known from.
    pub series: u32,
    /// Turns a series, on average (harmonic).
    pub turns: f64,
}

impl TurnNoise {
    /// That of some contrasts of a block; none before two series.
    pub(crate) fn of<'n>(contrasts: impl Iterator<Item = &'n SeriesNoise>) -> Option<Self> {
        let seen: Vec<&SeriesNoise> = contrasts.filter(|noise| noise.means.len() >= 2).collect();
        let sum = |of: fn(&SeriesNoise) -> f64| seen.iter().map(|noise| of(noise)).sum::<f64>();
        let series = seen.iter().map(|noise| noise.means.len()).max()?;
        let within = sum(|noise| noise.squares) / sum(|noise| noise.freedom);
        let freedom = |noise: &SeriesNoise| f64::from(noise.means.len()) - 1.0;
        let beyond = |noise: &&SeriesNoise| {
            let of_turns = within * noise.inverse_turns / f64::from(noise.means.len());
            freedom(noise) * (noise.means.variance().unwrap_or(0.0) - of_turns)
        };
        let between = seen.iter().map(beyond).sum::<f64>() / sum(freedom);
        let all = seen.iter().map(|noise| f64::from(noise.means.len())).sum::<f64>();
        Some(Self {
            between_turns: within.sqrt(),
            between_series: between.max(0.0).sqrt(),
            series,
            turns: all / sum(|noise| noise.inverse_turns),
        })
    }

    /// The medians of several blocks, the upper ones of an even number; none of no block.
    pub(crate) fn median(blocks: &[Self]) -> Option<Self> {
        let median = |of: fn(&Self) -> f64| {
            let mut figures: Vec<f64> = blocks.iter().map(of).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(figures.len() / 2).copied()
        };
        Some(Self {
            between_turns: median(|noise| noise.between_turns)?,
            between_series: median(|noise| noise.between_series)?,
            series: blocks.iter().map(|noise| noise.series).max()?,
            turns: median(|noise| noise.turns)?,
        })
    }

    /// The number of turns that makes the most of the time, where a series takes `fixed` beside them and `turn` for each, in
    /// one unit. Few series say little of the variance between them: it is drawn to what is usual.
    pub fn best_turns(&self, fixed: f64, turn: f64) -> f64 {
        let seen = f64::from(self.series) - 1.0;
        let between = (self.between_series.powi(2) * seen + BELIEVED * BELIEVED_SERIES)
            / (seen + BELIEVED_SERIES);
        (fixed / turn).sqrt() * self.between_turns / between.sqrt()
    }
}

/// Payload bytes a nanosecond that a cell's receivers took in each turn, each worker's over its own window; empty where it
/// took none.
pub(crate) fn turn_rates(trial: &Trial) -> Vec<f64> {
    let Outcome::Finished(finished) = &trial.outcome else { return Vec::new() };
    let mut rates: Vec<f64> = Vec::new();
    for worker in &finished.receiver.workers {
        rates.resize(rates.len().max(worker.slices.len()), 0.0);
        for (rate, span) in rates.iter_mut().zip(worker.slices.iter()) {
            if span.window_ns > 0 {
                *rate += span.bytes as f64 / span.window_ns as f64;
            }
        }
    }
    rates
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use rand_pcg::Pcg64;
    use synthetic::normal;

    use super::*;

    fn noise(between: f64, within: f64, series: usize, turns: usize) -> TurnNoise {
        let mut random = Pcg64::new(7, 1);
        let contrasts: Vec<SeriesNoise> = (0..2)
            .map(|_| {
                let mut noise = SeriesNoise::default();
                for _ in 0..series {
                    let mean = 0.7 + between * normal(&mut random);
                    let rates: Vec<f64> =
                        (0..turns).map(|_| (mean + within * normal(&mut random)).exp()).collect();
                    noise.push(&rates, &vec![1.0; turns]);
                }
                noise
            })
            .collect();
        TurnNoise::of(contrasts.iter()).unwrap()
    }

    #[test]
    fn both_components_are_found_whichever_is_larger() {
        for (between, within) in [(0.05, 0.2), (0.3, 0.1), (0.0, 0.2)] {
            let found = noise(between, within, 400, 10);
            assert!((found.between_turns / within - 1.0).abs() < 0.05, "{found:?}");
            assert!((found.between_series - between).abs() < 0.02, "{found:?}");
            assert!((found.turns - 10.0).abs() < 1e-9);
        }
    }

    #[test]
    fn noise_between_turns_asks_for_long_series_and_noise_between_series_for_short_ones() {
        let turns = |between, within| noise(between, within, 100, 10).best_turns(100.0, 20.0);
        let [long, short] = [turns(0.02, 0.3), turns(0.3, 0.1)];
        assert!(long > 10.0 && short < 2.0, "{long} {short}");
        // The known optimum: no other number leaves a smaller variance in the same time.
        let variance = |n: f64| (0.05_f64.powi(2) + 0.2_f64.powi(2) / n) * (100.0 + 20.0 * n);
        let exact =
            TurnNoise { between_turns: 0.2, between_series: 0.05, series: 100_000, turns: 1.0 };
        let best = exact.best_turns(100.0, 20.0);
        assert!(variance(best) < variance(best * 1.3) && variance(best) < variance(best / 1.3));
    }

    #[test]
    fn one_series_says_nothing_yet_and_two_are_not_believed_alone() {
        assert_eq!(TurnNoise::of([SeriesNoise::default()].iter()), None);
        let found = TurnNoise { between_turns: 0.2, between_series: 0.0, series: 2, turns: 10.0 };
        let turns = found.best_turns(100.0, 20.0);
        assert!(turns.is_finite() && turns < 50.0, "{turns}");
    }
}
