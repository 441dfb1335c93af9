//! Means with Student-t intervals, formed trial by trial.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::metric::Scale;
use schemars::JsonSchema;
use serde::Serialize;

/// A figure with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Estimate {
    /// Mean on the metric's scale.
    pub mean: f64,
    /// Lower end of the interval; absent below two trials, of a largest figure, and of a quantile beyond which too few messages lie.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Trials behind it.
    pub trials: u32,
}

impl Estimate {
    /// The estimate of a ratio the other way round.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self {
            mean: self.mean.recip(),
            low: self.high.map(f64::recip),
            high: self.low.map(f64::recip),
            trials: self.trials,
        }
    }

    /// The same in another unit: each figure times a positive `factor`.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        Self {
            mean: self.mean * factor,
            low: self.low.map(|low| low * factor),
            high: self.high.map(|high| high * factor),
            trials: self.trials,
        }
    }

    /// Of a ratio: what is left of a `whole` that it shrinks, so that 0.85 of 2 saves 0.3.
    #[must_use]
    pub fn saved_of(&self, whole: f64) -> Self {
        Self {
            mean: (1.0 - self.mean) * whole,
            low: self.high.map(|high| (1.0 - high) * whole),
            high: self.low.map(|low| (1.0 - low) * whole),
            trials: self.trials,
        }
    }
}

/// Number, mean and spread of a sample, updated figure by figure without loss of precision
/// (B. P. Welford, Technometrics 4, 1962).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    n: u32,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Takes one more figure in.
    pub fn push(&mut self, x: f64) {
        self.n += 1;
        let off = x - self.mean;
        self.mean += off / f64::from(self.n);
        self.squares += off * (x - self.mean);
    }

    /// How many figures were taken in.
    pub const fn len(&self) -> u32 {
        self.n
    }

    /// Whether none was.
    pub const fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Their mean; 0 without any.
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// Variance of the figures; none below two.
    pub fn variance(&self) -> Option<f64> {
        let freedom = f64::from(self.n.checked_sub(1).filter(|n| *n > 0)?);
        Some(self.squares.max(0.0) / freedom)
    }

    /// The same of the figures less `x`.
    #[must_use]
    pub fn less(self, x: f64) -> Self {
        Self { mean: self.mean - x, ..self }
    }

    /// Standard error of the mean; none below two figures.
    pub fn standard_error(&self) -> Option<f64> {
        Some((self.variance()? / f64::from(self.n)).sqrt())
    }

    /// Half the 95 % interval of the mean (Student, Biometrika 6, 1908); none below two figures.
    pub fn half_interval(&self) -> Option<f64> {
        let error = self.standard_error()?;
        Some(t_975(self.n - 1) * error)
    }

    /// The two-sided p of "the mean is 0" (one-sample t test); none below two figures.
    pub fn p_of_zero(&self) -> Option<f64> {
        let error = self.standard_error()?;
        Some(match (self.mean.abs(), error) {
            (0.0, _) => 1.0,
            (_, 0.0) => 0.0,
            (off, _) => (2.0 * t_above(off / error, self.n - 1)).min(1.0),
        })
    }

    /// The p of "the mean lies outside ± `margin`": the larger one of two one-sided t tests (D. J. Schuirmann,
    /// J. Pharmacokinetics and Biopharmaceutics 15, 1987). Small means equivalent. None below two figures.
    pub fn p_outside(&self, margin: f64) -> Option<f64> {
        let error = self.standard_error()?;
        // The mean is nearer to one bound; the test against that one has the larger p.
        let room = margin - self.mean.abs();
        Some(if error == 0.0 {
            if room > 0.0 { 0.0 } else { 1.0 }
        } else {
            t_above(room / error, self.n - 1)
        })
    }
}

/// Means of several samples whose figures come by round, not each in every one: what is linear in them has an interval all
/// the same.
///
/// A sample's mean is off by what each of its n figures adds: its deviation over √(n (n − 1)). What figures of one round add
/// is summed, weighted as the samples are, before it is squared, so that what they have in common cancels or counts as it does
/// in the sum; rounds are independent (clusters: K.-Y. Liang and S. L. Zeger, Biometrika 73, 1986). Where all samples have the
/// same rounds this is Student's interval of the rounds' sums. The degrees of freedom are those of the smallest sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Means {
    of_sample: Vec<f64>,
    /// Round by round what each sample's figure adds; 0 where it has none.
    added: Vec<Vec<f64>>,
    fewest: u32,
}

impl Means {
    /// Of samples of rounds and figures; none without a sample, or where one has no figure.
    pub(crate) fn new(samples: &[&[(u32, f64)]]) -> Option<Self> {
        let fewest = samples.iter().map(|sample| sample.len()).min().filter(|n| *n > 0)?;
        let mut by_round: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        let mut of_sample = Vec::with_capacity(samples.len());
        for (place, sample) in samples.iter().enumerate() {
            let mut moments = Moments::default();
            sample.iter().for_each(|(_, x)| moments.push(*x));
            let mean = moments.mean();
            let n = f64::from(moments.len());
            for (round, x) in *sample {
                let added = by_round.entry(*round).or_insert_with(|| vec![0.0; samples.len()]);
                if let Some(added) = added.get_mut(place) {
                    *added += (x - mean) / (n * (n - 1.0).max(1.0)).sqrt();
                }
            }
            of_sample.push(mean);
        }
        let added = by_round.into_values().collect();
        Some(Self { of_sample, added, fewest: u32::try_from(fewest).unwrap_or(u32::MAX) })
    }

    /// The means, sample by sample.
    pub(crate) fn of_samples(&self) -> &[f64] {
        &self.of_sample
    }

    /// Several things linear in the samples, of these values at the means; what has none there has none.
    pub(crate) fn each_linear(
        &self,
        means: &[Option<f64>],
        of: impl Fn(&[f64]) -> Vec<Option<f64>>,
    ) -> Vec<Option<Moments>> {
        let n = f64::from(self.fewest);
        let mut moments: Vec<Option<Moments>> = means
            .iter()
            .map(|mean| Some(Moments { n: self.fewest, mean: (*mean)?, squares: 0.0 }))
            .collect();
        for added in &self.added {
            for (moments, off) in moments.iter_mut().zip(of(added)) {
                if let (Some(moments), Some(off)) = (moments, off) {
                    moments.squares += off * off * n * (n - 1.0);
                }
            }
        }
        moments
    }

    /// Something linear in the samples, of this value at the means, as if it had been seen as often as the smallest sample.
    pub(crate) fn linear(&self, mean: f64, of: impl Fn(&[f64]) -> f64) -> Moments {
        let one = self.each_linear(&[Some(mean)], |added| vec![Some(of(added))]);
        one.into_iter().flatten().next().unwrap_or_default()
    }
}

/// P(T > t) for Student's t.
pub(crate) fn t_above(t: f64, freedom: u32) -> f64 {
    // The scale is 1 and there is at least one degree of freedom, so the distribution exists; 1 claims nothing.
    StudentsT::new(0.0, 1.0, f64::from(freedom)).map_or(1.0, |student| student.sf(t))
}

/// Degrees of freedom beyond which the quantiles of Student's t are taken to be these: from here on to the normal distribution
/// they change by less than a hundredth of a percent, and the search for them (statrs) does not always end.
pub(crate) const MOST_FREEDOM: f64 = 1e5;

/// A quantile of Student's t; infinite without a degree of freedom.
pub(crate) fn t_quantile(p: f64, freedom: u32) -> f64 {
    StudentsT::new(0.0, 1.0, f64::from(freedom).min(MOST_FREEDOM))
        .map_or(f64::INFINITY, |student| student.inverse_cdf(p))
}

/// The 97.5 % quantile of Student's t; infinite without a degree of freedom.
pub(crate) fn t_975(freedom: u32) -> f64 {
    // Asked for after every trial and each round, always with few different arguments.
    static KNOWN: [OnceLock<f64>; 256] = [const { OnceLock::new() }; 256];
    match KNOWN.get(freedom as usize) {
        Some(known) => *known.get_or_init(|| t_quantile(0.975, freedom)),
        None => t_quantile(0.975, freedom),
    }
}

/// The same where the freedom need not be a whole number: between those of its neighbours, and so a little wide.
pub(crate) fn t_975_at(freedom: f64) -> f64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and beyond a million the quantile stays as it is"
    )]
    let below = freedom.min(1e6) as u32;
    let (wide, narrow) = (t_975(below), t_975(below + 1));
    if below == 0 { wide } else { wide + (freedom.min(1e6) - f64::from(below)) * (narrow - wide) }
}

/// Figures of one metric over trials, from which its estimate is formed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    log: Moments,
    linear: Moments,
    has_nonpositive: bool,
}

impl Sample {
    /// Takes one more figure in.
    pub fn push(&mut self, x: f64) {
        self.linear.push(x);
        if x > 0.0 {
            self.log.push(x.ln());
        } else {
            self.has_nonpositive = true;
        }
    }

    /// How many figures were taken in.
    pub const fn len(&self) -> u32 {
        self.linear.len()
    }

    /// Whether none was.
    pub const fn is_empty(&self) -> bool {
        self.linear.is_empty()
    }

    /// Mean and 95 % interval; none without a figure, and no interval below two.
    ///
    /// On the logarithmic scale the mean is geometric and the interval that of the mean logarithm. A single figure
    /// that has no logarithm (0 or below) puts the whole sample on the linear scale, as leaving it out would be
    /// dropping a trial.
    pub fn estimate(&self, scale: Scale) -> Option<Estimate> {
        self.estimate_widened(scale, 1.0)
    }

    /// The same with the half-width of the interval times a factor ([`crate::drift::Drift::widening`]).
    pub fn estimate_widened(&self, scale: Scale, widening: f64) -> Option<Estimate> {
        if self.is_empty() {
            return None;
        }
        let estimate = |moments: &Moments, back: fn(f64) -> f64| {
            let half = moments.half_interval().map(|half| half * widening);
            Estimate {
                mean: back(moments.mean()),
                low: half.map(|half| back(moments.mean() - half)),
                // A file cannot hold infinity.
                high: half.map(|half| back(moments.mean() + half).min(f64::MAX)),
                trials: moments.len(),
            }
        };
        Some(match scale {
            Scale::Log if !self.has_nonpositive => estimate(&self.log, f64::exp),
            Scale::Log | Scale::Linear => estimate(&self.linear, |x| x),
        })
    }

    /// Its logarithms; none with a figure that has none.
    pub fn logs(&self) -> Option<&Moments> {
        (!self.has_nonpositive).then_some(&self.log)
    }

    /// Half-width of the 95 % interval on the logarithmic scale, as a share: 0.03 is "within 3 %". None below two
    /// figures or with one that has no logarithm.
    pub fn half_width(&self) -> Option<f64> {
        self.logs()?.half_interval().map(f64::exp_m1)
    }
}

/// Half-width of an interval as a share of its middle: √(high / low) − 1. For geometric means this is
/// [`Sample::half_width`]. None without an interval of positive figures.
pub fn half_width(estimate: &Estimate) -> Option<f64> {
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) if low > 0.0 => Some(((high.ln() - low.ln()) / 2.0).exp_m1()),
        _ => None,
    }
}

/// The mean of logarithms without their highest and lowest tenth, back on the scale of ratios, with its 95 % interval: a
/// t interval with what was cut counted as the last figure that was kept (J. W. Tukey and D. H. McLaughlin, Sankhya A 25,
/// 1963; the standard error as K. K. Yuen, Biometrika 61, 1974, has it). A stall in one round of ten opens it little;
/// where all that is cut below are stalls, the tenth that is cut above makes it too low by 0.2 of the other figures'
/// standard deviation. None below ten figures, of which nothing is cut.
pub fn trimmed(logs: &[f64]) -> Option<Estimate> {
    let mut sorted = logs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let cut = sorted.len() / 10;
    let kept = sorted.get(cut..sorted.len() - cut).filter(|_| cut > 0)?;
    let (low, high) = (kept.first()?, kept.last()?);
    let (mut mean, mut winsorized) = <(Moments, Moments)>::default();
    kept.iter().for_each(|x| mean.push(*x));
    sorted.iter().for_each(|x| winsorized.push(x.clamp(*low, *high)));
    let freedom = mean.len() - 1;
    let error = (winsorized.squares / f64::from(mean.len()) / f64::from(freedom)).sqrt();
    let half = t_975(freedom) * error;
    Some(Estimate {
        mean: mean.mean().exp(),
        low: Some((mean.mean() - half).exp()),
        high: Some((mean.mean() + half).exp().min(f64::MAX)),
        trials: winsorized.len(),
    })
}

/// The mean of the first figures over that of the second ones, which come in pairs, with its 95 % interval: the ratios ρ at
/// which a t test does not tell the mean of (first − ρ·second) from 0 (E. C. Fieller, J. Royal Statistical Society B 16,
/// 1954). None without a pair, or where the second mean is 0; no interval where it is not told from 0.
pub fn quotient(pairs: &[[f64; 2]]) -> Option<Estimate> {
    let (mut over, mut under, mut both) = <(Moments, Moments, Moments)>::default();
    for [first, second] in pairs {
        over.push(*first);
        under.push(*second);
        both.push(first + second);
    }
    let (x, y) = (over.mean(), under.mean());
    if pairs.is_empty() || y == 0.0 {
        return None;
    }
    let ends = || {
        let square = |moments: &Moments| Some(moments.half_interval()?.powi(2));
        let (xx, yy, sum) = (square(&over)?, square(&under)?, square(&both)?);
        let [a, b, c] = [y * y - yy, x * y - (sum - xx - yy) / 2.0, x * x - xx];
        // Where a is above 0 the discriminant is not below 0 but for rounding.
        let root = (b * b - a * c).max(0.0).sqrt();
        (a > 0.0).then(|| ((b - root) / a, (b + root) / a))
    };
    let (low, high) = ends().unzip();
    Some(Estimate { mean: x / y, low, high, trials: over.len() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(figures: &[f64]) -> Sample {
        let mut sample = Sample::default();
        figures.iter().for_each(|x| sample.push(*x));
        sample
    }

    #[test]
    fn quantiles_of_any_freedom_are_found() {
        for p in [0.6, 0.8, 0.975, 1.0 - 1e-9] {
            let narrowest = t_quantile(p, u32::MAX);
            for freedom in (0..32).map(|power| 1_u32 << power) {
                let quantile = t_quantile(p, freedom);
                assert!(quantile.is_finite() && quantile >= narrowest, "{p} {freedom} {quantile}");
            }
        }
        assert!((t_975(u32::MAX) / 1.959_964 - 1.0).abs() < 1e-4);
    }

    fn moments(figures: &[f64]) -> Moments {
        let mut moments = Moments::default();
        figures.iter().for_each(|x| moments.push(*x));
        moments
    }

    #[test]
    fn quantiles_are_those_of_the_printed_tables() {
        // NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2.
        for (freedom, t) in
            [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042), (100, 1.984)]
        {
            assert!((t_975(freedom) - t).abs() < 6e-4, "{freedom}: {}", t_975(freedom));
        }
        assert!((t_975(100_000) - 1.960).abs() < 1e-3);
    }

    #[test]
    fn the_interval_of_students_own_sleep_data_is_the_known_one() {
        // Student 1908, additional hours of sleep, differences of the two drugs: mean 1.58, 95 % [0.70, 2.46],
        // p = 0.00283 (R's t.test(sleep) paired).
        let moments = moments(&[1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]);
        let half = moments.half_interval().unwrap();
        assert!((moments.mean() - 1.58).abs() < 1e-12);
        assert!((moments.mean() - half - 0.700_114).abs() < 1e-5, "{half}");
        assert!((moments.p_of_zero().unwrap() - 0.002_833).abs() < 1e-6);
    }

    #[test]
    fn means_over_other_rounds_have_the_interval_of_both() {
        let samples: [&[(u32, f64)]; 2] =
            [&[(1, 1.0), (2, 3.0), (3, 2.0)], &[(1, 0.5), (2, 0.1), (3, 0.9)]];
        let weighed = |means: &Means, weights: [f64; 2]| {
            let of = |x: &[f64]| x[0] * weights[0] + x[1] * weights[1];
            means.linear(of(means.of_samples()), of)
        };
        // The same rounds: a t interval of the rounds' differences.
        let is = weighed(&Means::new(&samples).unwrap(), [1.0, -1.0]);
        let should = moments(&[0.5, 2.9, 1.1]);
        assert!((is.mean() - should.mean()).abs() < 1e-12 && is.len() == 3);
        assert!((is.half_interval().unwrap() - should.half_interval().unwrap()).abs() < 1e-12);
        // No round in common: the variances of both means add up.
        let apart: Vec<(u32, f64)> = samples[1].iter().map(|(round, x)| (round + 3, *x)).collect();
        let is = weighed(&Means::new(&[samples[0], &apart]).unwrap(), [1.0, -1.0]);
        let error = |of: &[(u32, f64)]| {
            moments(&of.iter().map(|(_, x)| *x).collect::<Vec<_>>()).standard_error().unwrap()
        };
        let should = error(samples[0]).hypot(error(samples[1]));
        assert!((is.standard_error().unwrap() - should).abs() < 1e-12);
        assert_eq!(weighed(&Means::new(&[&[(1, 1.0)], samples[1]]).unwrap(), [1.0, 0.0]).len(), 1);
        assert_eq!((Means::new(&[]), Means::new(&[&[], samples[0]])), (None, None));
    }

    #[test]
    fn one_trial_has_a_mean_and_no_interval() {
        let estimate = sample(&[4.0]).estimate(Scale::Log).unwrap();
        assert!((estimate.mean - 4.0).abs() < 1e-12);
        assert_eq!((estimate.low, estimate.high, estimate.trials), (None, None, 1));
        assert_eq!(sample(&[]).estimate(Scale::Log), None);
        assert_eq!(sample(&[4.0]).half_width(), None);
    }

    #[test]
    fn a_zero_puts_a_logarithmic_metric_on_the_linear_scale() {
        let estimate = sample(&[0.0, 2.0]).estimate(Scale::Log).unwrap();
        assert!((estimate.mean - 1.0).abs() < 1e-12);
        assert_eq!(sample(&[0.0, 2.0]).half_width(), None);
    }

    #[test]
    fn equivalence_needs_both_one_sided_tests() {
        let near = moments(&[0.001, -0.002, 0.0, 0.002, -0.001, 0.001]);
        assert!(near.p_outside(0.03).unwrap() < 0.001);
        let far = moments(&[0.041, 0.038, 0.04, 0.042, 0.039, 0.04]);
        assert!(far.p_outside(0.03).unwrap() > 0.99);
        let wide = moments(&[0.4, -0.3, 0.2, -0.35, 0.1, -0.05]);
        assert!(wide.p_outside(0.03).unwrap() > 0.05);
        assert_eq!(moments(&[0.0]).p_outside(0.03), None);
    }

    #[test]
    fn figures_without_spread_are_certain() {
        let same = moments(&[0.5; 4]);
        assert_eq!(same.p_of_zero(), Some(0.0));
        assert_eq!(same.p_outside(1.0), Some(0.0));
        assert_eq!(same.p_outside(0.1), Some(1.0));
        assert_eq!(moments(&[0.0; 4]).p_of_zero(), Some(1.0));
    }

    #[test]
    fn a_trimmed_mean_is_that_of_the_figures_between_the_tenths() {
        // Student's sleep data: 0.0 and 4.6 are cut; the sum of squares about 1.44 with 0.8 and 2.4 in their places is 3.084.
        let logs = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4];
        let of = trimmed(&logs).unwrap();
        let half = 2.364_624 * (3.084_f64 / 8.0 / 7.0).sqrt();
        assert!((of.mean.ln() - 1.4).abs() < 1e-12 && of.trials == 10);
        assert!((of.low.unwrap().ln() - (1.4 - half)).abs() < 1e-6);
        assert!((of.high.unwrap().ln() - (1.4 + half)).abs() < 1e-6);
        assert_eq!(trimmed(&logs[..9]), None);
        assert_eq!(trimmed(&[]), None);
    }

    #[test]
    fn the_interval_of_a_quotient_is_fiellers() {
        // Pairs whose first figure is 0.5 of the second plus a little.
        let pairs = [[0.52, 1.0], [0.95, 2.0], [1.53, 3.0], [2.0, 4.0]];
        let is = quotient(&pairs).unwrap();
        assert!((is.mean - 0.5).abs() < 1e-12 && is.trials == 4);
        // At either end a t test of (first − end·second) has p = 5 %.
        for end in [is.low.unwrap(), is.high.unwrap()] {
            let left: Vec<f64> = pairs.iter().map(|[first, second]| first - end * second).collect();
            assert!((moments(&left).p_of_zero().unwrap() - 0.05).abs() < 1e-9);
        }
        let unclear = quotient(&[[1.0, 1.0], [1.0, -0.9], [1.0, 0.2]]).unwrap();
        assert_eq!((unclear.low, unclear.high), (None, None));
        assert_eq!(quotient(&[]), None);
        assert_eq!(quotient(&[[2.0, 4.0]]).unwrap().low, None);
    }

    proptest! {
        #[test]
        fn the_mean_lies_in_its_interval_and_between_the_extremes(
            figures in prop::collection::vec(1e-6_f64..1e9, 2..40)
        ) {
            let low = figures.iter().copied().fold(f64::INFINITY, f64::min) * (1.0 - 1e-9);
            let high = figures.iter().copied().fold(0.0, f64::max) * (1.0 + 1e-9);
            for scale in [Scale::Log, Scale::Linear] {
                let estimate = sample(&figures).estimate(scale).unwrap();
                prop_assert!(low <= estimate.mean && estimate.mean <= high);
                prop_assert!(estimate.low.unwrap() <= estimate.mean && estimate.mean <= estimate.high.unwrap());
            }
        }

        #[test]
        fn another_unit_changes_no_half_width(
            figures in prop::collection::vec(0.1_f64..100.0, 2..20), unit in 1e-3_f64..1e3
        ) {
            let scaled: Vec<f64> = figures.iter().map(|x| x * unit).collect();
            let (a, b) = (sample(&figures).half_width().unwrap(), sample(&scaled).half_width().unwrap());
            prop_assert!((a - b).abs() <= 1e-9 * (1.0 + a));
        }

        #[test]
        fn the_two_definitions_of_a_half_width_agree(figures in prop::collection::vec(0.5_f64..2.0, 2..20)) {
            let sample = sample(&figures);
            let estimate = sample.estimate(Scale::Log).unwrap();
            let (a, b) = (sample.half_width().unwrap(), half_width(&estimate).unwrap());
            prop_assert!((a - b).abs() < 1e-9 * (1.0 + a));
        }

        #[test]
        fn a_probability_lies_between_0_and_1(figures in prop::collection::vec(-1.0_f64..1.0, 2..20)) {
            let moments = moments(&figures);
            prop_assert!((0.0..=1.0).contains(&moments.p_of_zero().unwrap()));
            prop_assert!((0.0..=1.0).contains(&moments.p_outside(0.03).unwrap()));
        }
    }
}
