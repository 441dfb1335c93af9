//! What rounds next to each other have in common, and by how much that widens the intervals of levels.
//!
//! A machine's state (clock frequency, heat, neighbours on the host) lasts longer than a round, so that the levels of one
//! round resemble those of the last. Ratios within a block are free of what its cells share; means over rounds are not:
//! their variance is larger than that of as many independent rounds by 1 + 2 Σ ρₖ, ρₖ being the correlation k rounds apart
//! (M. S. Bartlett, J. Royal Statistical Society B 8, 1946). Of these only ρ₁ can be estimated from a few dozen rounds. A
//! fading state beneath noise of its own has ρₖ = ρ₁ φᵏ⁻¹; `FADING` is taken for φ. Where 0.3 to 0.8 of the state is left
//! after a round, intervals widened so were simulated to cover 91 to 98 % (`tests/coverage.rs`), those with φ = ρ₁, no noise
//! beside the state, 77 to 95 %, and those not widened 46 to 90 %. Of a state that hardly fades within the run (0.9) they
//! cover some 80 %: a level is one of its run.

use model::Measured;
use model::plan::FEWEST_ROUNDS;
use schemars::JsonSchema;
use serde::Serialize;

use crate::order::{generator, shuffle};

/// What is left of the machine's state from one round to the next, as a share.
const FADING: f64 = 0.85;
/// The largest correlation that is believed: beyond it the intervals of so few rounds say nothing anyway.
const LARGEST: f64 = 0.9;
/// Orders of the rounds against which the one that was measured is held.
const PERMUTATIONS: u32 = 999;
/// A round counts in the test of drift when this share of the cells was measured in it.
const MOST_CELLS: f64 = 0.9;

/// How alike rounds next to each other are.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Drift {
    /// Correlation of a cell's level with that of the round before, from 0 to 0.9, over all cells; of goodput or of the
    /// link's cost, whichever is larger.
    pub correlation: f64,
    /// By how much that widens the intervals of levels: 1 is not at all.
    pub widening: f64,
    /// p of "the rounds could have come in any order": the share of random orders in which neighbours are as alike.
    pub p: Measured<f64>,
}

/// Levels of one metric: of each cell the rounds that measured it, ascending, and its figure in each.
pub type Levels = Vec<Vec<(u32, f64)>>;

impl Drift {
    /// That of a run, from the levels of each metric. Cells of fewer than 10 rounds are left out; absent where all are.
    pub fn of(metrics: &[Levels]) -> Measured<Self> {
        let metrics: Vec<Vec<Vec<(u32, f64)>>> = metrics
            .iter()
            .map(|levels| levels.iter().filter_map(|of| standard(of)).collect())
            .collect();
        match metrics.iter().filter_map(|levels| correlation(levels)).max_by(f64::total_cmp) {
            None => Measured::absent("no cell has the 10 rounds that this takes"),
            Some(correlation) => Measured::Value(Self {
                correlation,
                widening: (1.0 + 2.0 * correlation / (1.0 - correlation.max(FADING))).sqrt(),
                p: match p_of_any_order(&metrics.concat()) {
                    Some(p) => Measured::Value(p),
                    None => Measured::absent("too few rounds measured nine in ten of the cells"),
                },
            }),
        }
    }
}

/// A cell's figures with mean 0 and variance 1; none of too few rounds, or without spread.
fn standard(of: &[(u32, f64)]) -> Option<Vec<(u32, f64)>> {
    let n = of.len() as f64;
    let mean = of.iter().map(|(_, x)| x).sum::<f64>() / n;
    let spread = (of.iter().map(|(_, x)| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    let is_enough = of.len() >= FEWEST_ROUNDS as usize && spread > 1e-12 * mean.abs();
    is_enough.then(|| of.iter().map(|(round, x)| (*round, (x - mean) / spread)).collect())
}

/// The correlation of neighbours, pooled. That of n figures falls short by (1 + 4ρ) / n on average (F. H. C. Marriott and
/// J. A. Pope, Biometrika 41, 1954; M. G. Kendall, ibid.), which is made up for.
fn correlation(cells: &[Vec<(u32, f64)>]) -> Option<f64> {
    let products =
        |of: &Vec<(u32, f64)>| of.windows(2).map(|pair| pair[0].1 * pair[1].1).sum::<f64>();
    let sum: f64 = cells.iter().map(|of| products(of) + 1.0).sum();
    let weight: f64 = cells.iter().map(|of| of.len() as f64 - 4.0).sum();
    (weight > 0.0).then(|| (sum / weight).clamp(0.0, LARGEST))
}

/// A permutation test (E. J. G. Pitman, J. Royal Statistical Society Supplement 4, 1937) on the pooled correlation of
/// neighbours: whole rounds are permuted, so that what the cells of a round share is kept. Always the same permutations.
fn p_of_any_order(cells: &[Vec<(u32, f64)>]) -> Option<f64> {
    let mut measured = std::collections::BTreeMap::<u32, usize>::new();
    cells.iter().flatten().for_each(|(round, _)| *measured.entry(*round).or_default() += 1);
    measured.retain(|_, of| *of as f64 >= MOST_CELLS * cells.len() as f64);
    let rounds: Vec<u32> = measured.into_keys().collect();
    if rounds.len() < FEWEST_ROUNDS as usize {
        return None;
    }
    // What two rounds have in common, summed over cells. A round that a cell lacks adds nothing, as its mean would.
    let n = rounds.len();
    let mut alike = vec![0.0; n * n];
    for of in cells {
        let at = |(round, x): &(u32, f64)| Some((rounds.binary_search(round).ok()?, *x));
        let placed: Vec<(usize, f64)> = of.iter().filter_map(at).collect();
        for (a, x) in &placed {
            placed.iter().for_each(|(b, y)| alike[a * n + b] += x * y);
        }
    }
    let of_order =
        |order: &[usize]| order.windows(2).map(|pair| alike[pair[0] * n + pair[1]]).sum::<f64>();
    let mut order: Vec<usize> = (0..n).collect();
    let measured = of_order(&order);
    let mut random = generator(1, 0);
    let mut as_alike = 0;
    for _ in 0..PERMUTATIONS {
        shuffle(&mut order, &mut random);
        as_alike += u32::from(of_order(&order) >= measured);
    }
    Some(f64::from(1 + as_alike) / f64::from(1 + PERMUTATIONS))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop where its own helpers fail")]
mod tests {
    use super::*;

    /// Levels of three cells that go through the same figures.
    fn levels(figures: &[f64]) -> [Levels; 1] {
        [vec![(1..).zip(figures.iter().copied()).collect(); 3]]
    }

    #[test]
    fn a_trend_is_found_and_a_machine_that_alternates_is_no_drift() {
        let trend: Vec<f64> = (0..20).map(f64::from).collect();
        let found = Drift::of(&levels(&trend));
        let found = found.value().unwrap();
        assert!((found.correlation - LARGEST).abs() < 1e-12 && found.widening > 4.0, "{found:?}");
        assert_eq!(found.p, Measured::Value(0.001), "no other order is as alike");
        let alternating: Vec<f64> = trend.iter().map(|x| x % 2.0).collect();
        let found = Drift::of(&levels(&alternating));
        let found = found.value().unwrap();
        assert_eq!((found.correlation, found.widening), (0.0, 1.0));
        assert!(*found.p.value().unwrap() > 0.9);
    }

    #[test]
    fn of_few_rounds_and_of_figures_without_spread_nothing_is_said() {
        assert!(Drift::of(&levels(&[1.0, 2.0, 3.0])).reason().is_some());
        assert!(Drift::of(&levels(&[2.5; 20])).reason().is_some());
        assert!(Drift::of(&[]).reason().is_some());
    }
}
