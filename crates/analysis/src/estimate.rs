//! Means with Student-t intervals, formed trial by trial.

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
    /// Lower end of the interval; absent below two trials.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Trials behind it.
    pub trials: u32,
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

    /// Standard error of the mean; none below two figures.
    pub fn standard_error(&self) -> Option<f64> {
        let freedom = f64::from(self.n.checked_sub(1).filter(|n| *n > 0)?);
        Some((self.squares.max(0.0) / freedom / f64::from(self.n)).sqrt())
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

/// P(T > t) for Student's t.
pub(crate) fn t_above(t: f64, freedom: u32) -> f64 {
    // The scale is 1 and there is at least one degree of freedom, so the distribution exists; 1 claims nothing.
    StudentsT::new(0.0, 1.0, f64::from(freedom)).map_or(1.0, |student| student.sf(t))
}

/// The 97.5 % quantile of Student's t; infinite without a degree of freedom.
pub(crate) fn t_975(freedom: u32) -> f64 {
    // Asked for after every trial and each round, always with few different arguments.
    static KNOWN: [OnceLock<f64>; 256] = [const { OnceLock::new() }; 256];
    let quantile = || {
        StudentsT::new(0.0, 1.0, f64::from(freedom))
            .map_or(f64::INFINITY, |student| student.inverse_cdf(0.975))
    };
    match KNOWN.get(freedom as usize) {
        Some(known) => *known.get_or_init(quantile),
        None => quantile(),
    }
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
        if self.is_empty() {
            return None;
        }
        let estimate = |moments: &Moments, back: fn(f64) -> f64| {
            let half = moments.half_interval();
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

    /// Half-width of the 95 % interval on the logarithmic scale, as a share: 0.03 is "within 3 %". None below two
    /// figures or with one that has no logarithm.
    pub fn half_width(&self) -> Option<f64> {
        if self.has_nonpositive { None } else { self.log.half_interval().map(f64::exp_m1) }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(figures: &[f64]) -> Sample {
        let mut sample = Sample::default();
        figures.iter().for_each(|x| sample.push(*x));
        sample
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
