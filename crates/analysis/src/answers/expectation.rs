//! What a cell's neighbours let expect of it, and how far it departs.
//!
//! On the logarithm, what a path costs at a size, what it costs at a thread count, and what a size costs at a thread
//! count are fitted by least squares in every round (all two-way terms; with one path its sizes and threads) to all other
//! cells. What is left of a cell is its departure. Rounds are repeats, so the mean departure has a t interval and test
//! (Student 1908) that drift of the machine between rounds does not widen. With one thread count nothing would be left, so
//! there the expectation is the cubic through the two sizes on either side (Lagrange), on the logarithm of both.

use std::collections::BTreeMap;

use model::values::Threads;
use model::{Cell, SendPath};

use super::Basis;
use super::two_way::Grid;
use crate::estimate::Moments;
use crate::evidence::Evidence;
use crate::metric::Metric;
use crate::pairs::holm;

/// A cell's departure from what was expected of it.
#[derive(Clone, Debug)]
pub(super) struct Departure {
    pub(super) cell: Cell,
    pub(super) metric: Metric,
    /// Log of measured over expected, round by round.
    pub(super) log: Moments,
    /// Mean log of what was measured in those rounds.
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
    let mut rounds: BTreeMap<u32, Vec<(usize, f64)>> = BTreeMap::new();
    for (place, cell) in cells.iter().enumerate() {
        for (round, log) in evidence.logs_by_round(cell, metric) {
            rounds.entry(round).or_default().push((place, log));
        }
    }
    let mut logs = vec![Moments::default(); cells.len()];
    let mut measured = vec![Moments::default(); cells.len()];
    for seen in rounds.values() {
        let residuals = match basis {
            Basis::Additive => additive(cells, seen),
            Basis::Neighbours => neighbours(cells, seen),
        };
        for (place, residual, log) in residuals {
            logs[place].push(residual);
            measured[place].push(log);
        }
    }
    let tested: Vec<usize> = (0..cells.len()).filter(|place| logs[*place].len() > 1).collect();
    let grid = Grid::new(tested.iter().map(|place| cells[*place]));
    let departure = |(number, place): (usize, &usize)| Departure {
        cell: cells[*place].clone(),
        metric,
        log: logs[*place],
        measured_log: measured[*place].mean(),
        basis,
        not_told_from: match basis {
            Basis::Additive => grid.not_told_from(number),
            Basis::Neighbours => Vec::new(),
        }
        .into_iter()
        .map(|other| cells[tested[other]].clone())
        .collect(),
        p_holm: 1.0,
    };
    tested.iter().enumerate().map(departure).collect()
}

/// Each cell of a round against what all two-way terms of the others let expect: place, departure, measured.
fn additive(cells: &[&Cell], seen: &[(usize, f64)]) -> Vec<(usize, f64, f64)> {
    let grid = Grid::new(seen.iter().map(|(place, _)| cells[*place]));
    let figures: Vec<f64> = seen.iter().map(|(_, log)| *log).collect();
    let departures = seen.iter().zip(grid.departures(&figures));
    departures.filter_map(|((place, log), left)| Some((*place, left?, *log))).collect()
}

/// Each cell of a round that has two sizes on either side, against the cubic through them.
fn neighbours(cells: &[&Cell], seen: &[(usize, f64)]) -> Vec<(usize, f64, f64)> {
    let mut series: BTreeMap<SendPath, Vec<(f64, usize, f64)>> = BTreeMap::new();
    for (place, log) in seen {
        let cell = cells[*place];
        let x = (cell.message.bytes().0 as f64).ln();
        series.entry(cell.send_path).or_default().push((x, *place, *log));
    }
    let mut left = Vec::new();
    for points in series.values_mut() {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        for window in points.windows(5) {
            let [a, b, (x, place, log), c, d] = window else { continue };
            let around = [a, b, c, d];
            let term = |i: &(f64, usize, f64)| {
                let others = around.iter().filter(|j| j.1 != i.1);
                others.map(|j| (x - j.0) / (i.0 - j.0)).product::<f64>() * i.2
            };
            let expected: f64 = around.iter().map(|i| term(i)).sum();
            left.push((*place, log - expected, *log));
        }
    }
    left
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
        let seen: Vec<(usize, f64)> =
            cells.iter().enumerate().map(|(place, cell)| (place, cubic(cell))).collect();
        let left = neighbours(&cells, &seen);
        assert_eq!(left.len(), 11);
        assert!(left.iter().all(|(_, left, _)| left.abs() < 1e-9));
    }
}
