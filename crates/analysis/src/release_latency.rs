//! How long buffers are held: quantiles over the timed messages of a trial, and of a cell's trials together.
//!
//! A trial has few timed messages, so that its own 99th percentile tells little: a cell's quantiles are those of all its trials'
//! messages together. Their interval is Woodruff's (R. S. Woodruff, J. American Statistical Association 47, 1952) over trials as
//! clusters: how far the share of messages below the quantile varies from trial to trial gives an interval of that share (by the
//! jackknife, on the logit scale so that it stays a share), and the quantiles of its two ends are the interval's.

use model::record::Releases;

use crate::estimate::{Estimate, t_975_at};
use crate::metric::Pooled;

/// Of fewer timed messages the 99th percentile is their longest, and says nothing.
const LEAST_FOR_TAIL: u64 = 100;

/// So many of the messages, on average, have to lie beyond an interval's end that can be told.
const LEAST_BEYOND: f64 = 1.0;

/// Times that lie in one bucket, in ns.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    // Where a bucket begins and ends has few significant bits.
    from: f32,
    to: f32,
    times: u32,
}

impl Span {
    /// How many of its times are no longer than `x`, as if they lay evenly.
    fn up_to(&self, x: f64) -> f64 {
        let (from, to) = (f64::from(self.from), f64::from(self.to));
        let share = if x >= to {
            1.0
        } else if x <= from {
            0.0
        } else {
            (x - from) / (to - from)
        };
        share * f64::from(self.times)
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a rounded edge stays in its bucket")]
fn spans(releases: &Releases) -> Box<[Span]> {
    let span = |(from, to, times): (u64, u64, u64)| Span {
        from: from as f32,
        to: to as f32,
        times: u32::try_from(times).unwrap_or(u32::MAX),
    };
    releases.spans().map(span).collect()
}

/// How many times are no longer than `x`, and how many there are.
fn up_to(spans: &[Span], x: f64) -> f64 {
    spans.iter().map(|span| span.up_to(x)).sum()
}

fn all(spans: &[Span]) -> f64 {
    spans.iter().map(|span| f64::from(span.times)).sum()
}

/// The time that a share of the times does not exceed; none of none.
fn quantile(spans: &[Span], share: f64) -> Option<f64> {
    let target = share * all(spans);
    let mut edges: Vec<f64> =
        spans.iter().flat_map(|span| [f64::from(span.from), f64::from(span.to)]).collect();
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    let place = edges.partition_point(|edge| up_to(spans, *edge) < target);
    let end = *edges.get(place).or(edges.last())?;
    let Some(begin) = place.checked_sub(1).and_then(|place| edges.get(place)) else {
        return Some(end);
    };
    let (below, reached) = (up_to(spans, *begin), up_to(spans, end));
    let part = if reached > below { ((target - below) / (reached - below)).min(1.0) } else { 1.0 };
    Some(begin + (end - begin) * part)
}

/// A trial's figure, in µs.
///
/// # Errors
/// Why there is none.
pub(crate) fn of_trial(releases: &Releases, pooled: Pooled) -> Result<f64, String> {
    let times = releases.times();
    if times == 0 {
        return Err(format!(
            "no message of its windows was among the one in {} that are timed",
            releases.one_in
        ));
    }
    match pooled {
        Pooled::Largest => Ok(releases.longest_ns as f64 / 1e3),
        Pooled::Quantile(share) if is_tail(share) && times < LEAST_FOR_TAIL => {
            Err(too_few().to_owned())
        }
        Pooled::Quantile(share) => {
            quantile(&spans(releases), share).map(|ns| ns / 1e3).ok_or_else(|| too_few().to_owned())
        }
    }
}

fn is_tail(share: f64) -> bool {
    share > 0.9
}

/// Why there is no 99th percentile.
const fn too_few() -> &'static str {
    "fewer than 100 messages were timed; measure longer"
}

/// The timed messages of a cell's trials.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    trials: Vec<Box<[Span]>>,
    longest_ns: u64,
}

impl Held {
    /// Takes a trial's in.
    pub(crate) fn push(&mut self, releases: &Releases) {
        if releases.times() > 0 {
            self.longest_ns = self.longest_ns.max(releases.longest_ns);
            self.trials.push(spans(releases));
        }
    }

    /// Whether no message was timed.
    pub(crate) fn is_empty(&self) -> bool {
        self.trials.is_empty()
    }

    /// How many were.
    pub(crate) fn times(&self) -> u64 {
        let times = self.trials.iter().flatten().map(|span| u64::from(span.times));
        times.fold(0, u64::saturating_add)
    }

    /// The cell's figure in µs; the half-width of its interval times a factor.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn estimate(&self, pooled: Pooled, widening: f64) -> Result<Estimate, String> {
        let trials = u32::try_from(self.trials.len()).unwrap_or(u32::MAX);
        let share = match pooled {
            Pooled::Largest => {
                let mean = self.longest_ns as f64 / 1e3;
                return Ok(Estimate { mean, low: None, high: None, trials });
            }
            Pooled::Quantile(share) => share,
        };
        if is_tail(share) && self.times() < LEAST_FOR_TAIL {
            return Err(too_few().to_owned());
        }
        let together = self.together();
        let us = |share| quantile(&together, share).map(|ns| ns / 1e3);
        let mean = us(share).ok_or_else(|| too_few().to_owned())?;
        let ends = self.shares(&together, share, mean * 1e3, widening);
        let (low, high) = ends.and_then(|[low, high]| Some((us(low)?, us(high)?))).unzip();
        Ok(Estimate { mean, low, high, trials })
    }

    /// The trials' times in one list, equal buckets together.
    fn together(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = self.trials.iter().flatten().copied().collect();
        spans.sort_by(|a, b| a.from.total_cmp(&b.from).then(a.to.total_cmp(&b.to)));
        spans.dedup_by(|next, kept| {
            let is_same = (next.from, next.to) == (kept.from, kept.to);
            if is_same {
                kept.times = kept.times.saturating_add(next.times);
            }
            is_same
        });
        spans
    }

    /// The interval of the share of times up to `x`, which is `share` of all; none where trials are too few, or where it reaches
    /// beyond what was seen.
    fn shares(&self, together: &[Span], share: f64, x: f64, widening: f64) -> Option<[f64; 2]> {
        let clusters = self.trials.len() as f64;
        if clusters < 2.0 {
            return None;
        }
        let (below, of_all) = (up_to(together, x), all(together));
        // The jackknife: the logit without each trial in turn; half a message either way keeps it finite.
        let without: Vec<f64> = self
            .trials
            .iter()
            .map(|spans| {
                let (below, of_all) = (below - up_to(spans, x), of_all - all(spans));
                ((below + 0.5) / (of_all - below + 0.5)).ln()
            })
            .collect();
        let mean = without.iter().sum::<f64>() / clusters;
        let squares: f64 = without.iter().map(|logit| (logit - mean).powi(2)).sum();
        let error = (squares * (clusters - 1.0) / clusters).sqrt();
        // A spread that few trials make up is known less well than their number says: the degrees of freedom of a variance by its
        // kurtosis (B. O'Neill, The American Statistician 68, 2014), at most as many as the normal distribution has.
        let fourth: f64 = without.iter().map(|logit| (logit - mean).powi(4)).sum();
        let kurtosis = if squares > 0.0 { fourth * clusters / squares.powi(2) } else { 3.0 };
        let freedom = 2.0 * clusters / (kurtosis - (clusters - 3.0) / (clusters - 1.0));
        let freedom = if freedom > 0.0 { freedom.min(clusters - 1.0) } else { clusters - 1.0 };
        let half = t_975_at(freedom.max(1.0)) * widening * error;
        let logit = (share / (1.0 - share)).ln();
        let ends = [logit - half, logit + half].map(|at| 1.0 / (1.0 + (-at).exp()));
        let is_seen = ends[0] * of_all >= LEAST_BEYOND && (1.0 - ends[1]) * of_all >= LEAST_BEYOND;
        is_seen.then_some(ends)
    }
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times in ns and places in a list, all small and above 0"
)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    use super::*;

    const P50: Pooled = Pooled::Quantile(0.5);
    const P99: Pooled = Pooled::Quantile(0.99);

    /// Times as the engine's histogram has them: sixteen buckets an octave.
    fn releases(times: impl IntoIterator<Item = f64>) -> Releases {
        let mut buckets = std::collections::BTreeMap::new();
        let mut longest = 0;
        for time in times {
            let ns = time as u64;
            longest = longest.max(ns);
            *buckets.entry(ns - ns % model::record::releases::width(ns, 16)).or_insert(0) += 1;
        }
        Releases::new(64, longest, 16, buckets.into_iter().collect())
    }

    #[test]
    fn quantiles_are_those_of_the_times() {
        let times = releases((1..=10_000).map(|n| f64::from(n) * 100.0));
        let (p50, p99) = (of_trial(&times, P50).unwrap(), of_trial(&times, P99).unwrap());
        assert!((p50 / 500.0 - 1.0).abs() < 0.01, "{p50}");
        assert!((p99 / 990.0 - 1.0).abs() < 0.01, "{p99}");
        assert_eq!(of_trial(&times, Pooled::Largest), Ok(1000.0));
    }

    #[test]
    fn a_late_one_is_the_longest_and_a_tail_needs_a_hundred() {
        let mut times = vec![10_000.0; 98];
        times.push(9_000_000.0);
        let few = releases(times.iter().copied());
        assert_eq!(of_trial(&few, Pooled::Largest), Ok(9000.0));
        assert_eq!(of_trial(&few, P99), Err(too_few().to_owned()));
        times.push(8_000_000.0);
        let enough = of_trial(&releases(times.iter().copied()), P99).unwrap();
        assert!((7_000.0..=9_000.0).contains(&enough) || enough < 11.0, "{enough}");
        assert!(of_trial(&releases([]), P50).unwrap_err().contains("one in 64"));
    }

    #[test]
    fn trials_with_few_messages_have_a_tail_together() {
        let mut held = Held::default();
        for trial in 0..20_u32 {
            held.push(&releases((0..50).map(|n| f64::from(1000 + n * 20 + trial))));
        }
        let of = held.estimate(P99, 1.0).unwrap();
        assert_eq!((of.trials, held.times()), (20, 1000));
        assert!((of.mean - 1.98).abs() < 0.05, "{of:?}");
        let longest = held.estimate(Pooled::Largest, 1.0).unwrap();
        assert_eq!((longest.mean, longest.low, longest.high), (1.999, None, None));
    }

    #[test]
    fn one_trial_has_no_interval_and_equal_ones_have_no_width() {
        let mut held = Held::default();
        let trial = releases((0..400).map(|n| f64::from(5000 + n)));
        held.push(&trial);
        assert_eq!(held.estimate(P50, 1.0).unwrap().low, None);
        held.push(&trial);
        let of = held.estimate(P50, 1.0).unwrap();
        assert!((of.high.unwrap() - of.low.unwrap()).abs() < 1e-9, "{of:?}");
    }

    /// Exponential times whose mean varies from trial to trial, as machines drift.
    #[test]
    fn intervals_hold_the_true_quantile() {
        let mut random = Pcg64::seed_from_u64(7);
        let spread = 0.2;
        let time = |random: &mut Pcg64, mean: f64| -mean * (1.0 - random.random::<f64>()).ln();
        let mean = |random: &mut Pcg64| {
            // A sum of twelve uniform figures is nearly normal.
            let normal = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
            20_000.0 * (spread * normal).exp()
        };
        let mut truth: Vec<f64> = (0..400_000)
            .map(|_| {
                let mean = mean(&mut random);
                time(&mut random, mean)
            })
            .collect();
        truth.sort_by(f64::total_cmp);
        for (pooled, share) in [(P50, 0.5), (P99, 0.99)] {
            let truth = truth[(truth.len() as f64 * share) as usize] / 1e3;
            let (studies, mut held_it, mut told) = (400, 0, 0);
            for _ in 0..studies {
                let mut held = Held::default();
                for _ in 0..12 {
                    let mean = mean(&mut random);
                    held.push(&releases((0..200).map(|_| time(&mut random, mean))));
                }
                let of = held.estimate(pooled, 1.0).unwrap();
                let Some((low, high)) = of.low.zip(of.high) else { continue };
                told += 1;
                held_it += u32::from((low..=high).contains(&truth));
            }
            let share = f64::from(held_it) / f64::from(told);
            assert!(told > studies * 9 / 10, "{told} of {studies} have an interval");
            assert!((0.9..=0.99).contains(&share), "{pooled:?}: {share}");
        }
    }

    #[test]
    fn forged_times_are_no_panic() {
        let forged = Releases {
            one_in: 0,
            longest_ns: 0,
            octave: 0,
            buckets: vec![(u64::MAX, u64::MAX), (5, 0), (0, u64::MAX)],
        };
        let mut held = Held::default();
        held.push(&forged);
        held.push(&forged);
        for pooled in [P50, P99, Pooled::Largest] {
            let _ = (of_trial(&forged, pooled), held.estimate(pooled, 1.0));
        }
    }
}
