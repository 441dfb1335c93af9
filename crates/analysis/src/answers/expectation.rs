//! What a cell's neighbours let expect of it, and how far it departs.
//!
//! On the logarithm, what a path costs at a size, what it costs at a thread count, and what a size costs at a thread
//! count are fitted by least squares (all two-way terms; with one path its sizes and threads) to the means of all other
//! cells. What is left of a cell is its departure. There is one grid for all rounds: a block that was left out of some has its
//! means over the others, as the term of its size and thread count takes up what its rounds have in common. Rounds are
//! repeats, so the departure has a t interval and test that drift of the machine between rounds does not widen. With one thread count nothing would be left, so
//! there the expectation is the cubic through the two sizes on either side (Lagrange), on the logarithm of both.

use std::collections::BTreeMap;

use model::values::Threads;
use model::{Cell, SendPath};

use super::Basis;
use super::two_way::Grid;
use crate::estimate::{Means, Moments};
use crate::evidence::Evidence;
use crate::metric::Metric;
use crate::pairs::holm;

/// A cell's departure from what was expected of it.
#[derive(Clone, Debug)]
pub(super) struct Departure {
    pub(super) cell: Cell,
    pub(super) metric: Metric,
    /// Log of measured over expected.
    pub(super) log: Moments,
    /// Mean log of what was measured.
    pub(super) measured_log: f64,
    pub(super) basis: Basis,
    /// Other cells of which a departure would look the same: a factor of two levels does not tell which of them departs.
    pub(super) not_told_from: Vec<Cell>,
    /// p of "no departure", after Holm over all cells and metrics.
    pub(super) p_holm: f64,
}

impl Departure {
    /// The least departure that its 95 % interval allows: what is shown of it, whatever its sign.
    pub(super) fn shown(&self) -> f64 {
        self.log.mean().abs() - self.log.half_interval().unwrap_or(f64::INFINITY)
    }

    /// Mean departure over its standard error; infinite where all rounds agree.
    pub(super) fn standardized(&self) -> f64 {
        match self.log.standard_error() {
            Some(error) if error > 0.0 => self.log.mean().abs() / error,
            _ if self.log.mean() == 0.0 => 0.0,
            _ => f64::INFINITY,
        }
    }
}

/// Metrics in which a cell may surprise.
pub(super) const METRICS: [Metric; 2] = [Metric::GoodputGbps, Metric::EndsCpuNsPerKib];

/// A cell that was measured in fewer than half so many rounds, where others were more often, says too little of its spread.
const ENOUGH: usize = 10;

/// A departure below this is a rounding error of the fit.
const ROUNDING: f64 = 1e-9;

/// Every cell's departure in every metric, tested as one family.
pub(super) fn departures(evidence: &Evidence<'_>) -> Vec<Departure> {
    let usual = Cell::default();
    let mut groups: BTreeMap<Cell, Vec<&Cell>> = BTreeMap::new();
    for estimates in evidence.asked() {
        let key = Cell {
            send_path: usual.send_path,
            message: usual.message,
            threads: Threads::ONE,
            ..estimates.cell.clone()
        };
        groups.entry(key).or_default().push(&estimates.cell);
    }
    let mut all = Vec::new();
    for cells in groups.into_values() {
        let basis = if distinct(cells.iter().map(|cell| cell.threads)) > 1 {
            Basis::Additive
        } else {
            Basis::Neighbours
        };
        for metric in METRICS {
            all.extend(of_group(evidence, &cells, metric, basis));
        }
    }
    let p: Vec<f64> = all
        .iter()
        .map(|departure| match departure.log.p_of_zero() {
            Some(p) if departure.log.mean().abs() > ROUNDING => p,
            _ => 1.0,
        })
        .collect();
    for (departure, p_holm) in all.iter_mut().zip(holm(&p)) {
        departure.p_holm = p_holm;
    }
    all
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> usize {
    values.collect::<std::collections::BTreeSet<_>>().len()
}

/// Departures of the cells that share everything but path, size and threads.
fn of_group(
    evidence: &Evidence<'_>,
    cells: &[&Cell],
    metric: Metric,
    basis: Basis,
) -> Vec<Departure> {
    let logs = |cell: &&Cell| -> Vec<(u32, f64)> {
        evidence.logs_by_round(cell, metric).into_iter().collect()
    };
    // Goodput at line rate is the line's, and no surprise.
    let is_lines = |cell: &&&Cell| {
        metric == Metric::GoodputGbps && evidence.line.is_some_and(|line| line.has(cell))
    };
    let cells: Vec<&Cell> = cells.iter().filter(|cell| !is_lines(cell)).copied().collect();
    let samples: Vec<Vec<(u32, f64)>> = cells.iter().map(logs).collect();
    let most = samples.iter().map(Vec::len).max().unwrap_or(0);
    let is_enough = |n: usize| n > 1 && n * 2 >= most.min(ENOUGH);
    let (mut usable, mut of_usable) = (Vec::new(), Vec::new());
    for (cell, sample) in cells.iter().zip(&samples).filter(|(_, of)| is_enough(of.len())) {
        usable.push(*cell);
        of_usable.push(sample.as_slice());
    }
    let grid = Grid::new(usable.iter().copied());
    let found = match basis {
        Basis::Additive => additive(&grid, &of_usable),
        Basis::Neighbours => neighbours(&usable, &of_usable),
    };
    let departure = |Left { place, log, measured_log }| {
        let not_told_from = match basis {
            Basis::Additive => grid.not_told_from(place),
            Basis::Neighbours => Vec::new(),
        };
        Departure {
            cell: usable[place].clone(),
            metric,
            log,
            measured_log,
            basis,
            not_told_from: not_told_from.into_iter().map(|other| usable[other].clone()).collect(),
            p_holm: 1.0,
        }
    };
    found.into_iter().map(departure).collect()
}

/// What is left of a cell.
struct Left {
    /// Among the cells.
    place: usize,
    log: Moments,
    measured_log: f64,
}

/// Each cell against what all two-way terms of the others let expect.
fn additive(grid: &Grid, samples: &[&[(u32, f64)]]) -> Vec<Left> {
    let Some(means) = Means::new(samples) else { return Vec::new() };
    // Departures are linear in the logarithms, cell by cell the same in every round.
    let of_means = grid.departures(means.of_samples());
    let of_cells = means.each_linear(&of_means, |added| grid.departures(added));
    let left = |(place, (log, measured_log)): (usize, (Option<Moments>, &f64))| {
        Some(Left { place, log: log?, measured_log: *measured_log })
    };
    of_cells.into_iter().zip(means.of_samples()).enumerate().filter_map(left).collect()
}

/// Each cell that has two sizes on either side, against the cubic through them. Sizes stand in blocks of their own, so that
/// drift cancels within a round only: the rounds that have all five sizes are looked at, or all where there are too few.
fn neighbours(cells: &[&Cell], samples: &[&[(u32, f64)]]) -> Vec<Left> {
    let mut series: BTreeMap<SendPath, Vec<usize>> = BTreeMap::new();
    for (place, cell) in cells.iter().enumerate() {
        series.entry(cell.send_path).or_default().push(place);
    }
    let mut left = Vec::new();
    for places in series.values_mut() {
        places.sort_by_key(|place| cells[*place].message);
        for window in places.windows(5) {
            let [.., place, _, _] = window else { continue };
            let x: Vec<f64> =
                window.iter().map(|place| (cells[*place].message.bytes().0 as f64).ln()).collect();
            let weight = |of: usize| {
                let others = (0..5).filter(|other| ![2, of].contains(other));
                others.map(|other| (x[2] - x[other]) / (x[of] - x[other])).product::<f64>()
            };
            let weights: Vec<f64> =
                (0..5).map(|of| if of == 2 { 1.0 } else { -weight(of) }).collect();
            let departure = |logs: &[f64]| logs.iter().zip(&weights).map(|(a, b)| a * b).sum();
            let of_window: Vec<&[(u32, f64)]> =
                window.iter().map(|place| samples[*place]).collect();
            let common = in_common(&of_window);
            let common: Vec<&[(u32, f64)]> = common.iter().map(Vec::as_slice).collect();
            let are_enough = common.iter().all(|sample| sample.len() * 2 >= ENOUGH);
            let Some(means) = Means::new(if are_enough { &common } else { &of_window }) else {
                continue;
            };
            let log = means.linear(departure(means.of_samples()), departure);
            left.push(Left { place: *place, log, measured_log: means.of_samples()[2] });
        }
    }
    left
}

/// What samples have of the rounds that all of them have.
fn in_common(samples: &[&[(u32, f64)]]) -> Vec<Vec<(u32, f64)>> {
    let has = |sample: &[(u32, f64)], round: u32| {
        sample.binary_search_by_key(&round, |(round, _)| *round).is_ok()
    };
    let is_common = |(round, _): &&(u32, f64)| samples.iter().all(|sample| has(sample, *round));
    samples.iter().map(|sample| sample.iter().filter(is_common).copied().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cubic_over_sizes_leaves_nothing() {
        let cells: Vec<Cell> = (6..=20)
            .map(|p| format!("send=send message_bytes={} threads=1", 1_u64 << p).parse().unwrap())
            .collect();
        let cells: Vec<&Cell> = cells.iter().collect();
        let cubic = |cell: &Cell| {
            let x = (cell.message.bytes().0 as f64).ln();
            1.0 + x - 0.3 * x * x + 0.02 * x * x * x
        };
        let samples: Vec<Vec<(u32, f64)>> =
            cells.iter().map(|cell| (1..=10).map(|round| (round, cubic(cell))).collect()).collect();
        let samples: Vec<&[(u32, f64)]> = samples.iter().map(Vec::as_slice).collect();
        let left = neighbours(&cells, &samples);
        assert_eq!(left.len(), 11);
        assert!(left.iter().all(|left| left.log.mean().abs() < 1e-9));
    }
}
