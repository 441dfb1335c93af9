//! How far apart two sides lie on the logarithmic scale, from units that are independent of each other: runs, or rounds.
//!
//! Welch's t with Satterthwaite's degrees of freedom (B. L. Welch, Biometrika 34, 1947; F. E. Satterthwaite, Biometrics
//! Bulletin 2, 1946). Few units know their variance badly, so that a cell's is taken together with what the cells of its side
//! have in common ([`CommonSpread`]), and never as smaller than its own.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::common_spread::CommonSpread;
use crate::estimate::{Estimate, MOST_FREEDOM, Moments, t_975_at};
use crate::metric::Better;

/// How often a change of the size that is called detectable would be found.
const POWER: f64 = 0.9;

/// What cells have in common counts as so many times a cell's own figures at most: two or three rounds say badly whether the
/// spreads of cells are alike, and a stall in one is no rare thing. Of 28 real pairs of runs of two rounds, in which nothing
/// had changed, 2 showed a change without this limit and none with it.
const MOST_PRIOR: f64 = 3.0;

/// One side's units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Units {
    pub(super) figures: Moments,
    /// The spread that it shares with others of its side.
    pub(super) common: Option<CommonSpread>,
    /// By how much neighbouring rounds' likeness widens the error of the mean.
    pub(super) widening: f64,
}

impl Units {
    /// Units of which nothing else is known.
    pub(super) const fn alone(figures: Moments) -> Self {
        Self { figures, common: None, widening: 1.0 }
    }

    /// Variance of a unit and its degrees of freedom; none of a single unit.
    fn variance(&self) -> Option<(f64, f64)> {
        let own = self.figures.variance()?;
        let freedom = f64::from(self.figures.len().saturating_sub(1));
        Some(self.common.map_or((own, freedom), |common| {
            let prior = common.freedom.min(MOST_PRIOR * freedom);
            let all = prior + freedom;
            let shrunk = (prior * common.variance + freedom * own) / all;
            (shrunk.max(own), all)
        }))
    }
}

/// By how much one side lies above another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shift {
    /// The difference of the mean logarithms.
    pub(super) log: f64,
    /// Its standard error.
    pub(super) error: f64,
    /// Degrees of freedom of that.
    pub(super) freedom: f64,
    /// Units on both sides together.
    pub(super) units: u32,
}

/// What changes of several places have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Over {
    pub(super) shift: Shift,
    /// The variance of what each place has of its own.
    between: f64,
}

impl Over {
    /// What the change of a place weighs in it.
    pub(super) fn weight(&self, place: &Shift) -> f64 {
        (place.error.powi(2) + self.between).recip()
    }
}

impl Shift {
    /// The other side less the base. A side of one unit is taken to spread as the other one does (J. R. Crawford and D. C.
    /// Howell, The Clinical Neuropsychologist 12, 1998); none where both are one unit, or either is none.
    pub(super) fn between(base: &Units, other: &Units) -> Option<Self> {
        let known = [base.variance(), other.variance()];
        let borrowed = known[0].or(known[1])?;
        let of = |units: &Units, known: Option<(f64, f64)>| {
            let (variance, freedom) = known.unwrap_or(borrowed);
            let n = f64::from(units.figures.len());
            (n > 0.0).then(|| (variance / n * units.widening.powi(2), freedom))
        };
        let (a, b) = (of(base, known[0])?, of(other, known[1])?);
        let square = a.0 + b.0;
        // Where a variance is borrowed it is the same figure twice, not two.
        let freedom = if known.iter().any(Option::is_none) {
            borrowed.1
        } else if square > 0.0 {
            square.powi(2) / (a.0.powi(2) / a.1 + b.0.powi(2) / b.1)
        } else {
            a.1 + b.1
        };
        Some(Self {
            log: other.figures.mean() - base.figures.mean(),
            error: square.sqrt(),
            freedom,
            units: base.figures.len() + other.figures.len(),
        })
    }

    /// What changes of several places have in common, where each may have its own beside it: weighted by what is known of each
    /// (R. DerSimonian and N. Laird, Controlled Clinical Trials 7, 1986), the error by how they scatter, but not smaller than
    /// their own errors make it (J. Hartung and G. Knapp, Statistics in Medicine 20, 2001). What the scatter adds is known as
    /// well as so few places tell, the rest as well as their errors are (Satterthwaite). None of fewer than two, or where one
    /// has no error.
    pub(super) fn over(places: &[Self]) -> Option<Over> {
        let freedom = (places.len().checked_sub(1).filter(|n| *n > 0)?) as f64;
        let mean = |weights: &[f64]| {
            let sum = places.iter().zip(weights).map(|(place, weight)| weight * place.log);
            sum.sum::<f64>() / weights.iter().sum::<f64>()
        };
        let scatter = |weights: &[f64]| {
            let middle = mean(weights);
            let square = |(place, weight): (&Self, &f64)| weight * (place.log - middle).powi(2);
            places.iter().zip(weights).map(square).sum::<f64>()
        };
        let known: Vec<f64> = places.iter().map(|place| place.error.powi(-2)).collect();
        if known.iter().any(|weight| !weight.is_finite()) {
            return None;
        }
        let whole: f64 = known.iter().sum();
        let squares: f64 = known.iter().map(|weight| weight * weight).sum();
        let between = ((scatter(&known) - freedom) / (whole - squares / whole)).max(0.0);
        let weights: Vec<f64> =
            places.iter().map(|place| (place.error.powi(2) + between).recip()).collect();
        let by = (scatter(&weights) / freedom).max(1.0);
        let square = by / weights.iter().sum::<f64>();
        // Of the weighted mean's variance each place's own error has a share like its weight.
        let own = |(place, weight): (&Self, &f64)| (weight / whole.powi(2)).powi(2) / place.freedom;
        let own: f64 = places.iter().zip(&known).map(own).sum();
        let added = (square - whole.recip()).max(0.0);
        let units = places.iter().map(|place| place.units).max().unwrap_or(0);
        let shift = Self {
            log: mean(&weights),
            error: square.sqrt(),
            freedom: square.powi(2) / (own + added.powi(2) / freedom),
            units,
        };
        Some(Over { shift, between })
    }

    /// Half of its 95 % interval.
    pub(super) fn half_interval(&self) -> f64 {
        t_975_at(self.freedom) * self.error
    }

    /// The same beyond what is common to all.
    pub(super) fn beyond(self, common: f64) -> Self {
        Self { log: self.log - common, ..self }
    }

    /// The same with the error times a factor.
    pub(super) fn widened(self, by: f64) -> Self {
        Self { error: self.error * by, ..self }
    }

    /// The same with so much more variance.
    pub(super) fn scattered(self, variance: f64) -> Self {
        Self { error: (self.error.powi(2) + variance.max(0.0)).sqrt(), ..self }
    }

    /// The same with its error known no better than from so many figures.
    pub(super) fn known_as(self, freedom: f64) -> Self {
        Self { freedom: self.freedom.min(freedom).max(1.0), ..self }
    }

    /// In units of its standard error; none where that is 0.
    pub(super) fn t(&self) -> Option<f64> {
        (self.error > 0.0).then(|| self.log / self.error)
    }

    /// As a ratio with its 95 % interval.
    pub(super) fn ratio(&self) -> Estimate {
        let half = self.half_interval();
        Estimate {
            mean: self.log.exp(),
            low: Some((self.log - half).exp()),
            high: Some((self.log + half).exp().min(f64::MAX)),
            trials: self.units,
        }
    }

    /// Two-sided p of "no change".
    pub(super) fn p(&self) -> f64 {
        (2.0 * self.p_above(self.log.abs())).min(1.0)
    }

    /// p of "not worse by more than this share": small means worse beyond doubt. Of a metric of which more is better, what is
    /// left is below 1 less the share, which it cannot be where that is all of it or more; else it is above 1 and the share.
    pub(super) fn p_not_worse(&self, share: f64, better: Better) -> f64 {
        match better {
            Better::High if share >= 1.0 => 1.0,
            Better::High => self.p_above((-share).ln_1p() - self.log),
            Better::Low => self.p_above(self.log - share.ln_1p()),
            Better::None => 1.0,
        }
    }

    /// P that chance alone lies as far above as this.
    fn p_above(&self, off: f64) -> f64 {
        if self.error > 0.0 {
            student(self.freedom).map_or(1.0, |t| t.sf(off / self.error))
        } else if off > 0.0 {
            0.0
        } else {
            1.0
        }
    }

    /// The change, as a share, that a two-sided test at this level would find nine times in ten.
    pub(super) fn detectable(&self, level: f64) -> f64 {
        let quantile = |p: f64| quantile(p, self.freedom);
        ((quantile(1.0 - level / 2.0) + quantile(POWER)) * self.error).exp_m1()
    }
}

fn student(freedom: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, freedom.clamp(1.0, MOST_FREEDOM)).ok()
}

/// A quantile of Student's t; infinite where there is none.
pub(super) fn quantile(p: f64, freedom: f64) -> f64 {
    student(freedom).map_or(f64::INFINITY, |t| t.inverse_cdf(p))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop where its own helpers fail")]
mod tests {
    use super::*;

    fn units(figures: &[f64]) -> Units {
        let mut moments = Moments::default();
        figures.iter().for_each(|x| moments.push(*x));
        Units::alone(moments)
    }

    #[test]
    fn welchs_t_is_the_known_one() {
        // Student's sleep data as two samples: R's t.test(extra ~ group) has t = -1.8608, df = 17.776, p = 0.07939.
        let first = units(&[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]);
        let second = units(&[1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]);
        let shift = Shift::between(&first, &second).unwrap();
        assert!((shift.t().unwrap() - 1.8608).abs() < 1e-4, "{shift:?}");
        assert!((shift.freedom - 17.776).abs() < 1e-3);
        assert!((shift.p() - 0.079_39).abs() < 1e-5);
        assert!((shift.log - shift.half_interval() + 0.205_48).abs() < 2e-3);
    }

    #[test]
    fn a_single_unit_borrows_the_spread_of_the_others_and_two_have_none() {
        let three = units(&[1.0, 2.0, 3.0]);
        let shift = Shift::between(&units(&[5.0]), &three).unwrap();
        assert!((shift.error - (4.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((shift.freedom - 2.0).abs() < 1e-12);
        assert_eq!(Shift::between(&units(&[5.0]), &units(&[4.0])), None);
        assert_eq!(Shift::between(&units(&[]), &three), None);
    }

    #[test]
    fn what_is_worse_depends_on_which_way_is_better() {
        let shift = Shift { log: -0.2, error: 0.02, freedom: 20.0, units: 20 };
        assert!(shift.p_not_worse(0.05, Better::High) < 1e-6);
        assert!(shift.p_not_worse(0.05, Better::Low) > 0.999);
        assert!(shift.beyond(-0.16).p_not_worse(0.05, Better::High) > 0.5);
        assert!((shift.p_not_worse(0.05, Better::None) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn places_that_agree_are_weighted_by_what_is_known_and_scatter_widens() {
        let place = |log: f64, error: f64| Shift { log, error, freedom: 20.0, units: 20 };
        let over = Shift::over(&[place(0.10, 0.01), place(0.10, 0.10)]).unwrap();
        assert!((over.shift.log - 0.10).abs() < 1e-12);
        assert!((over.shift.error - (1.0_f64 / 10_100.0).sqrt()).abs() < 1e-12);
        assert!(over.weight(&place(0.0, 0.01)) > 50.0 * over.weight(&place(0.0, 0.10)));
        // Far apart, both weigh alike, and the error is that of their scatter.
        let over = Shift::over(&[place(-1.0, 0.01), place(1.0, 0.02)]).unwrap();
        assert!(over.shift.log.abs() < 1e-3 && (over.shift.error - 1.0).abs() < 1e-2, "{over:?}");
        assert_eq!(Shift::over(&[place(0.1, 0.1)]), None);
        assert_eq!(Shift::over(&[place(0.1, 0.0), place(0.2, 0.1)]), None);
    }

    #[test]
    fn figures_without_spread_are_certain() {
        let shift = Shift::between(&units(&[1.0, 1.0]), &units(&[2.0, 2.0])).unwrap();
        assert_eq!((shift.p(), shift.t()), (0.0, None));
        assert!((shift.beyond(1.0).p() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_called_detectable_is_found_nine_times_in_ten() {
        let shift = Shift { log: 0.0, error: 0.01, freedom: 1e6, units: 20 };
        // 1.96 + 1.2816 standard errors.
        assert!((shift.detectable(0.05) - 0.032_416_f64.exp_m1()).abs() < 1e-5);
    }
}
