//! The universal scalability law, fitted to goodput over threads.
//!
//! C(N) = N / (1 + α(N − 1) + βN(N − 1)) (N. J. Gunther, Guerrilla Capacity Planning, 2007, chapter 4): α makes the curve flatten, β
//! makes it fall. Multiplied out, N / X = a + b(N − 1) + cN(N − 1) with goodput X, α = b / a and β = c / a, which least squares
//! fit in one step; each point is weighted by (X / N)², as errors are shares of X. The intervals are the jackknife's over rounds (J. W.
//! Tukey, Annals of Mathematical Statistics 29, 1958; R. G. Miller, Biometrika 61, 1974): a round's thread counts share its drift, so
//! that rounds are what is left out. They hold the noise alone, and not how well the law describes the machine.

use std::collections::{BTreeMap, BTreeSet};

use model::Measured;

use crate::estimate::{Estimate, t_975};
use crate::findings::Usl;

/// Fewer thread counts fit three figures to little more than themselves.
pub const FEWEST_COUNTS: usize = 6;

/// One thread count: the threads, and the logarithm of goodput round by round.
pub(crate) type Point = (u32, Vec<(u32, f64)>);

/// Thread counts that say nothing of the law.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LeftOut {
    /// More threads than CPUs.
    pub(crate) oversubscribed: usize,
    /// Others at line rate.
    pub(crate) at_line_rate: usize,
}

/// The law through some thread counts, ascending, beside those that were left out.
pub(crate) fn usl(points: &[Point], left_out: LeftOut) -> Measured<Usl> {
    let LeftOut { oversubscribed, at_line_rate } = left_out;
    if points.len() < FEWEST_COUNTS {
        let (left, all) = (points.len(), points.len() + oversubscribed + at_line_rate);
        let which = match (oversubscribed, at_line_rate) {
            (0, 0) => {
                return Measured::absent(format!(
                    "it takes {FEWEST_COUNTS} thread counts; {all} were measured"
                ));
            }
            (_, 0) => "without more threads than CPUs",
            (0, _) => "below line rate",
            (_, _) => "below line rate without more threads than CPUs",
        };
        return Measured::absent(format!(
            "it takes {FEWEST_COUNTS} thread counts {which}; of {all}, {left} are left"
        ));
    }
    let rounds: BTreeSet<u32> =
        points.iter().flat_map(|(_, logs)| logs.iter().map(|(round, _)| *round)).collect();
    let whole = means(points, None).and_then(|means| Some((fit(&means)?, means)));
    let Some((whole, means_of_all)) = whole else {
        return Measured::absent("a thread count has no valid trial in a complete block");
    };
    let left_out: Option<Vec<Fit>> =
        rounds.iter().map(|round| fit(&means(points, Some(*round))?)).collect();
    let Some(left_out) = left_out.filter(|fits| fits.len() >= 3) else {
        return Measured::absent("intervals take three rounds of every thread count");
    };
    let contention = jackknife(whole.alpha, left_out.iter().map(|fit| fit.alpha));
    let coherency = jackknife(whole.beta, left_out.iter().map(|fit| fit.beta));
    let off = means_of_all.iter().map(|(n, x)| (x / whole.at(*n)).ln().abs().exp_m1());
    let most = points.last().map_or(1.0, |(threads, _)| f64::from(*threads));
    let peak = ((1.0 - whole.alpha) / whole.beta).sqrt();
    let falls = coherency.low.is_some_and(|low| low > 0.0);
    Measured::Value(Usl {
        contention,
        coherency,
        thread_counts: u32::try_from(points.len()).unwrap_or(u32::MAX),
        off: off.fold(0.0, f64::max),
        peak_threads: match (falls, peak <= most) {
            (false, _) => Measured::absent("β is not shown to be above 0"),
            (true, false) => Measured::absent("beyond the threads that were measured"),
            (true, true) => Measured::Value(peak),
        },
    })
}

/// Threads and geometric mean of goodput, point by point, without one round; none where a point has no other.
fn means(points: &[Point], without: Option<u32>) -> Option<Vec<(f64, f64)>> {
    let mean = |(threads, logs): &Point| {
        let by_round: BTreeMap<u32, f64> =
            logs.iter().copied().filter(|(round, _)| Some(*round) != without).collect();
        let n = by_round.len() as f64;
        (n > 0.0).then(|| (f64::from(*threads), (by_round.values().sum::<f64>() / n).exp()))
    };
    points.iter().map(mean).collect()
}

#[derive(Clone, Copy, Debug)]
struct Fit {
    /// Goodput of one thread.
    one: f64,
    alpha: f64,
    beta: f64,
}

impl Fit {
    fn at(&self, n: f64) -> f64 {
        self.one * n / (1.0 + self.alpha * (n - 1.0) + self.beta * n * (n - 1.0))
    }
}

/// Weighted least squares of 1 = (x / n)(a + b(n − 1) + cn(n − 1)); none where the points do not tell the three apart.
fn fit(points: &[(f64, f64)]) -> Option<Fit> {
    // The normal equations, with their right side as the last column.
    let mut normal = [[0.0_f64; 4]; 3];
    for (n, x) in points {
        let share = x / n;
        let row = [share, share * (n - 1.0), share * n * (n - 1.0), 1.0];
        for (equation, factor) in normal.iter_mut().zip(row) {
            equation.iter_mut().zip(row).for_each(|(sum, term)| *sum += factor * term);
        }
    }
    let [a, b, c] = solved(normal)?;
    (a > 0.0).then(|| Fit { one: 1.0 / a, alpha: b / a, beta: c / a })
}

/// Three linear equations, by elimination; positive definite ones need no pivot.
fn solved(mut rows: [[f64; 4]; 3]) -> Option<[f64; 3]> {
    for place in 0..3 {
        let pivot = rows[place];
        for row in rows.iter_mut().skip(place + 1) {
            let factor = row[place] / pivot[place];
            row.iter_mut().zip(pivot).for_each(|(x, of_pivot)| *x -= factor * of_pivot);
        }
    }
    let [first, second, third] = rows;
    let c = third[3] / third[2];
    let b = (second[3] - second[2] * c) / second[1];
    let a = (first[3] - first[1] * b - first[2] * c) / first[0];
    [a, b, c].iter().all(|x| x.is_finite()).then_some([a, b, c])
}

/// A figure with the jackknife's interval, from what it is without each round.
fn jackknife(whole: f64, left_out: impl Iterator<Item = f64> + Clone) -> Estimate {
    let rounds = u32::try_from(left_out.clone().count()).unwrap_or(u32::MAX);
    let n = f64::from(rounds);
    let mean = left_out.clone().sum::<f64>() / n;
    let squares: f64 = left_out.map(|x| (x - mean).powi(2)).sum();
    let half = t_975(rounds.saturating_sub(1)) * (squares * (n - 1.0) / n).sqrt();
    Estimate { mean: whole, low: Some(whole - half), high: Some(whole + half), trials: rounds }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use rand_pcg::Pcg64;
    use synthetic::normal;

    use super::*;

    const THREADS: [u32; 7] = [1, 2, 4, 6, 8, 12, 16];

    /// Twelve rounds, each with a drift that all thread counts share.
    fn study(alpha: f64, beta: f64, spread: f64, random: &mut Pcg64) -> Vec<Point> {
        let drifts: Vec<f64> = (0..12).map(|_| 0.05 * normal(random)).collect();
        let truth = Fit { one: 3.0, alpha, beta };
        THREADS
            .into_iter()
            .map(|threads| {
                let log = truth.at(f64::from(threads)).ln();
                let rounds = drifts.iter().zip(1..).map(|(drift, round)| {
                    // The more threads, the more noise.
                    let noise = spread * (1.0 + f64::from(threads) / 16.0) * normal(random);
                    (round, log + drift + noise)
                });
                (threads, rounds.collect())
            })
            .collect()
    }

    #[test]
    fn the_intervals_hold_the_planted_law_in_95_of_100_studies() {
        for (alpha, beta) in [(0.05, 0.002), (0.3, 0.0), (0.0, 0.0)] {
            let mut random = Pcg64::new(11, 1);
            let mut held = [0, 0];
            let studies = 1000;
            for _ in 0..studies {
                let found = usl(&study(alpha, beta, 0.02, &mut random), LeftOut::default());
                let found = found.value().unwrap();
                for ((estimate, truth), held) in
                    [(found.contention, alpha), (found.coherency, beta)].into_iter().zip(&mut held)
                {
                    let holds = estimate.low.unwrap() <= truth && truth <= estimate.high.unwrap();
                    *held += u32::from(holds);
                }
            }
            for held in held {
                let share = f64::from(held) / f64::from(studies);
                assert!((0.93..=0.97).contains(&share), "{alpha} {beta}: {held:?}");
            }
        }
    }

    #[test]
    fn without_noise_the_law_is_found_and_its_peak_only_where_it_was_passed() {
        let mut random = Pcg64::new(1, 1);
        let found = |alpha, beta, random: &mut Pcg64| {
            usl(&study(alpha, beta, 1e-9, random), LeftOut::default()).value().unwrap().clone()
        };
        let passed = found(0.05, 0.01, &mut random);
        assert!((passed.contention.mean - 0.05).abs() < 1e-6);
        assert!((passed.coherency.mean - 0.01).abs() < 1e-6);
        assert!((passed.peak_threads.value().unwrap() - 95.0_f64.sqrt()).abs() < 1e-3);
        assert!(passed.off < 1e-6 && passed.thread_counts == 7);
        let beyond = found(0.05, 0.001, &mut random);
        assert!(beyond.peak_threads.reason().unwrap().contains("beyond"));
    }

    #[test]
    fn a_curve_of_another_kind_is_off() {
        // Goodput that stops at four threads, as on four CPUs.
        let points: Vec<Point> = THREADS
            .into_iter()
            .map(|n| (n, (1..=4).map(|round| (round, f64::from(n.min(4)).ln())).collect()))
            .collect();
        assert!(usl(&points, LeftOut::default()).value().unwrap().off > 0.1);
    }

    #[test]
    fn fewer_than_six_counts_or_three_rounds_say_nothing() {
        let mut random = Pcg64::new(1, 1);
        let mut points = study(0.1, 0.0, 0.02, &mut random);
        points.truncate(5);
        assert_eq!(
            usl(&points, LeftOut::default()).reason(),
            Some("it takes 6 thread counts; 5 were measured")
        );
        let reason = usl(&points, LeftOut { oversubscribed: 2, at_line_rate: 0 });
        assert!(reason.reason().unwrap().contains("of 7, 5 are left"), "{reason:?}");
        let reason = usl(&points, LeftOut { oversubscribed: 1, at_line_rate: 2 });
        assert!(
            reason
                .reason()
                .unwrap()
                .contains("below line rate without more threads than CPUs; of 8, 5"),
            "{reason:?}"
        );
        let mut points = study(0.1, 0.0, 0.02, &mut random);
        points.iter_mut().for_each(|(_, logs)| logs.truncate(2));
        assert!(usl(&points, LeftOut::default()).reason().unwrap().contains("three rounds"));
        points[0].1.clear();
        assert!(usl(&points, LeftOut::default()).reason().unwrap().contains("no valid trial"));
    }
}
