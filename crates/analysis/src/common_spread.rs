//! The spread of a cell's figures, shrunk towards what the cells of a run have in common.
//!
//! The spread of ten figures is known to ±45 % only, so that a cell's own interval says badly whether the cell is precise.
//! Cells of one run have much of their spread in common; each one's variance is therefore averaged with a prior one,
//! weighted by degrees of freedom, both estimated from the variances of all cells (G. K. Smyth, Statistical Applications in
//! Genetics and Molecular Biology 3, 2004: "moderated" variances). Intervals do not use it.

use statrs::function::gamma::digamma;

use crate::estimate::{Moments, t_975_at};

/// Freedom beyond which the prior is taken as certain.
const CERTAIN: f64 = 1e6;
/// The fewest cells that tell how much their spreads differ.
const FEWEST_CELLS: usize = 3;
/// A variance is not taken to be smaller than this share of the median one (as limma's `fitFDist`).
const SMALLEST: f64 = 1e-5;

/// What is known of a cell's variance from the other cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CommonSpread {
    /// The prior variance.
    pub variance: f64,
    /// How many figures it is worth.
    pub freedom: f64,
}

impl CommonSpread {
    /// That of these cells, each given by its figures' logarithms; none from fewer than three with two figures.
    pub fn of<'a>(cells: impl IntoIterator<Item = &'a Moments>) -> Option<Self> {
        let known = |of: &Moments| Some((of.variance()?, f64::from(of.len().checked_sub(1)?)));
        let mut cells: Vec<(f64, f64)> = cells.into_iter().filter_map(known).collect();
        cells.sort_by(|a, b| a.0.total_cmp(&b.0));
        let least = SMALLEST * cells.get(cells.len() / 2)?.0;
        if cells.len() < FEWEST_CELLS || least <= 0.0 {
            return None;
        }
        // The logarithm of a sample's variance has the mean and variance of a chi square's logarithm beside its own.
        let mut logs = Moments::default();
        let mut of_chance = Moments::default();
        for (variance, freedom) in cells {
            logs.push(variance.max(least).ln() - digamma(freedom / 2.0) + (freedom / 2.0).ln());
            of_chance.push(trigamma(freedom / 2.0));
        }
        let own = logs.variance()? - of_chance.mean();
        let freedom = 2.0 * trigamma_inverse(own);
        let log = logs.mean() + digamma(freedom / 2.0) - (freedom / 2.0).ln();
        Some(Self { variance: log.exp(), freedom })
    }

    /// Half the 95 % interval of the mean with the shrunk spread; none below two figures.
    pub fn half_interval(&self, of: &Moments) -> Option<f64> {
        let own = f64::from(of.len().checked_sub(1)?);
        let freedom = self.freedom + own;
        let variance = (self.freedom * self.variance + own * of.variance()?) / freedom;
        Some(t_975_at(freedom) * (variance / f64::from(of.len())).sqrt())
    }
}

/// The second derivative of ln Γ: by recurrence to where its asymptotic series holds
/// (Abramowitz and Stegun, 1964, 6.4.6 and 6.4.12).
fn trigamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 8.0 {
        sum += (x * x).recip();
        x += 1.0;
    }
    let y = (x * x).recip();
    sum + x.recip() * (1.0 + x.recip() / 2.0 + y * (1.0 / 6.0 - y * (1.0 / 30.0 - y / 42.0)))
}

/// Where it has a value, by bisection; it falls. [`CERTAIN`] where that is 0 or less.
fn trigamma_inverse(value: f64) -> f64 {
    let (mut low, mut high) = (1e-3_f64.ln(), (CERTAIN / 2.0).ln());
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if trigamma(middle.exp()) > value { low = middle } else { high = middle }
    }
    high.exp()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop where its own helpers fail")]
mod tests {
    use super::*;

    #[test]
    fn trigamma_has_its_known_values_and_its_inverse_gives_them_back() {
        // π²/6, and π²/2 (Abramowitz and Stegun 6.4.2 and 6.4.4).
        for (x, known) in [(1.0, 1.644_934_066_848_226), (0.5, 4.934_802_200_544_679)] {
            assert!((trigamma(x) - known).abs() < 1e-9, "{x}: {}", trigamma(x));
            assert!((trigamma_inverse(known) - x).abs() < 1e-6);
        }
        assert!(trigamma_inverse(-0.1) > 0.99 * CERTAIN / 2.0);
    }

    /// Figures with mean 0 and this standard deviation.
    fn spread(n: u32, of: f64) -> Moments {
        let mut moments = Moments::default();
        (0..n).for_each(|place| moments.push(if place % 2 == 0 { of } else { -of }));
        moments
    }

    #[test]
    fn cells_that_spread_alike_are_taken_together_and_cells_that_do_not_are_left_alone() {
        let alike = CommonSpread::of(&[spread(10, 0.02); 5]).unwrap();
        assert!(alike.freedom > 1e5, "{alike:?}");
        // Known for certain, the interval is narrower than with ten figures of one's own.
        let (of_all, of_own) =
            (alike.half_interval(&spread(10, 0.02)), spread(10, 0.02).half_interval());
        assert!(of_all.unwrap() < 0.95 * of_own.unwrap());
        let unlike: Vec<Moments> = [0.001, 0.01, 0.1, 1.0].map(|of| spread(50, of)).to_vec();
        let common = CommonSpread::of(&unlike).unwrap();
        assert!(common.freedom < 2.0, "{common:?}");
        assert_eq!(CommonSpread::of(&unlike[..2]), None);
        assert_eq!(CommonSpread::of(&[spread(10, 0.0); 5]), None, "no spread at all");
    }
}
