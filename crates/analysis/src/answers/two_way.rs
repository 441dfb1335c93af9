//! What two-way terms let expect of a cell from the other cells alone.
//!
//! The fit of all two-way terms to a full grid of paths, sizes and threads leaves of the figures M·y with
//! M = ⊗ (I − J/L) over the factors (L levels each, J all ones). A place that was not measured enters as a term of its own
//! (F. Yates, Empire Journal of Experimental Agriculture 1, 1933). A cell pulls the fit towards itself by its leverage
//! 1 − Mᵢᵢ; what is left of it over Mᵢᵢ is its departure from what the others alone let expect
//! (D. M. Allen, Technometrics 16, 1974).

use std::collections::BTreeMap;

use model::Cell;

/// Less than this is left of a cell, or of a place that was not measured, only by rounding.
const NOTHING: f64 = 1e-9;
/// Two cells are not told apart where their rests are this nearly proportional.
const APART: f64 = 1e-6;

/// Path, size and threads, by the number of their level.
type Place = [usize; 3];

/// Measured cells in their grid.
#[derive(Debug)]
pub(super) struct Grid {
    /// Levels of each factor.
    levels: Place,
    cells: Vec<Place>,
    /// Places that were not measured and that the others do not already determine.
    missing: Vec<Place>,
    /// The Cholesky factor of M over them, row by row.
    factor: Vec<Vec<f64>>,
}

impl Grid {
    /// Of cells that differ in path, size and threads only, each once.
    pub(super) fn new<'a>(cells: impl Iterator<Item = &'a Cell> + Clone) -> Self {
        let paths = numbered(cells.clone().map(|cell| cell.send_path));
        let sizes = numbered(cells.clone().map(|cell| cell.message));
        let threads = numbered(cells.clone().map(|cell| cell.threads));
        let cells: Vec<Place> = cells
            .map(|cell| [paths[&cell.send_path], sizes[&cell.message], threads[&cell.threads]])
            .collect();
        let levels = [paths.len(), sizes.len(), threads.len()];
        let mut grid = Self { levels, cells, missing: Vec::new(), factor: Vec::new() };
        let mut is_measured = vec![false; levels.iter().product()];
        for cell in &grid.cells {
            is_measured[grid.number(*cell)] = true;
        }
        for path in 0..levels[0] {
            for size in 0..levels[1] {
                for threads in 0..levels[2] {
                    let place = [path, size, threads];
                    if !is_measured[grid.number(place)] {
                        grid.miss(place);
                    }
                }
            }
        }
        grid
    }

    /// Takes a place out of the fit.
    fn miss(&mut self, place: Place) {
        let mut row = self.solved(|missing| self.full(missing, place));
        let pivot = self.full(place, place) - square(&row);
        if pivot > NOTHING {
            row.push(pivot.sqrt());
            self.missing.push(place);
            self.factor.push(row);
        }
    }

    fn number(&self, [path, size, threads]: Place) -> usize {
        (path * self.levels[1] + size) * self.levels[2] + threads
    }

    /// Whether a factor takes part: one path alone has its sizes and threads.
    const fn varies(&self, factor: usize) -> bool {
        factor > 0 || self.levels[0] > 1
    }

    /// M of the full grid.
    fn full(&self, a: Place, b: Place) -> f64 {
        let of = |factor: usize| {
            let same = if a[factor] == b[factor] { 1.0 } else { 0.0 };
            same - (self.levels[factor] as f64).recip()
        };
        (0..3).filter(|factor| self.varies(*factor)).map(of).product()
    }

    /// The Cholesky factor's inverse times a figure of each place that was not measured.
    fn solved(&self, figure: impl Fn(Place) -> f64) -> Vec<f64> {
        let mut solved: Vec<f64> = Vec::with_capacity(self.missing.len() + 1);
        for (place, row) in self.missing.iter().zip(&self.factor) {
            let known: f64 = row.iter().zip(&solved).map(|(a, b)| a * b).sum();
            let pivot = row.last().copied().unwrap_or(1.0);
            solved.push((figure(*place) - known) / pivot);
        }
        solved
    }

    /// Departure of each cell from what the others let expect, of figures in the cells' order; none where they say
    /// nothing of it.
    pub(super) fn departures(&self, figures: &[f64]) -> Vec<Option<f64>> {
        let left = self.deviations(figures);
        let of_missing = self.solved(|place| left[self.number(place)]);
        let of_cell = |cell: &Place| {
            let weights = self.solved(|place| self.full(place, *cell));
            let own = self.full(*cell, *cell) - square(&weights);
            let rest = left[self.number(*cell)] - product(&weights, &of_missing);
            (own > NOTHING).then(|| rest / own)
        };
        self.cells.iter().map(of_cell).collect()
    }

    /// M times the figures, with 0 where nothing was measured.
    fn deviations(&self, figures: &[f64]) -> Vec<f64> {
        let [_, sizes, threads] = self.levels;
        let mut left = vec![0.0; self.levels.iter().product()];
        for (cell, figure) in self.cells.iter().zip(figures) {
            left[self.number(*cell)] = *figure;
        }
        for (factor, step) in [sizes * threads, threads, 1].into_iter().enumerate() {
            if !self.varies(factor) {
                continue;
            }
            let levels = self.levels[factor];
            for first in (0..left.len()).filter(|number| number / step % levels == 0) {
                let line = || (0..levels).map(|level| first + level * step);
                let mean = line().map(|number| left[number]).sum::<f64>() / levels as f64;
                line().for_each(|number| left[number] -= mean);
            }
        }
        left
    }

    /// The other cells, by place, of which a departure cannot be told from one of this cell: those that share all but a
    /// factor of two levels, where the grid is full.
    pub(super) fn not_told_from(&self, cell: usize) -> Vec<usize> {
        let weights = |cell: Place| self.solved(|place| self.full(place, cell));
        let this = self.cells[cell];
        let of_this = weights(this);
        let own = self.full(this, this) - square(&of_this);
        let is_like = |other: Place| {
            let of_other = weights(other);
            let others = self.full(other, other) - square(&of_other);
            let both = self.full(this, other) - product(&of_this, &of_other);
            others > NOTHING && both * both >= (1.0 - APART) * own * others
        };
        let others = self.cells.iter().enumerate();
        others.filter(|(place, other)| *place != cell && is_like(**other)).map(|(i, _)| i).collect()
    }
}

fn numbered<T: Ord>(values: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let values: std::collections::BTreeSet<T> = values.collect();
    values.into_iter().enumerate().map(|(number, value)| (value, number)).collect()
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn square(a: &[f64]) -> f64 {
    product(a, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(paths: &[&str], sizes: &[u64], threads: &[u32]) -> Vec<Cell> {
        let mut cells = Vec::new();
        for path in paths {
            for bytes in sizes {
                for threads in threads {
                    let id = format!("send={path} message_bytes={bytes} threads={threads}");
                    cells.push(id.parse().unwrap());
                }
            }
        }
        cells
    }

    fn papers() -> Vec<Cell> {
        cells(&["send", "sendmsg", "zerocopy"], &[64, 512, 4096, 65_536], &[1, 2, 4, 8])
    }

    /// Any sum of two-way terms.
    fn expected(cell: &Cell) -> f64 {
        let path = f64::from(cell.send_path as u32);
        let size = (cell.message.bytes().0 as f64).ln();
        let threads = f64::from(cell.threads.get());
        path * size.sin() + (path + 1.0) * threads.sqrt() + size * threads * 0.01
    }

    fn departures(cells: &[Cell], odd: usize, by: f64) -> Vec<Option<f64>> {
        let figure = |(place, cell)| expected(cell) + if place == odd { by } else { 0.0 };
        let figures: Vec<f64> = cells.iter().enumerate().map(figure).collect();
        Grid::new(cells.iter()).departures(&figures)
    }

    /// The paper's grid, whole and with ever more gaps.
    fn with_gaps() -> impl Iterator<Item = Vec<Cell>> {
        const GAPS: [usize; 6] = [41, 35, 30, 20, 11, 5];
        (0..=GAPS.len()).map(|gaps| {
            let mut cells = papers();
            GAPS[..gaps].iter().for_each(|gap| drop(cells.remove(*gap)));
            cells
        })
    }

    #[test]
    fn two_way_terms_leave_nothing_in_a_grid_with_or_without_gaps() {
        for cells in with_gaps() {
            for left in departures(&cells, 0, 0.0) {
                assert!(left.is_some_and(|left| left.abs() < 1e-9), "{left:?}");
            }
        }
    }

    #[test]
    fn a_departure_is_found_whole_in_a_grid_with_or_without_gaps() {
        for cells in with_gaps() {
            for odd in [0, 7, cells.len() - 1] {
                let found = departures(&cells, odd, -0.7);
                assert!((found[odd].unwrap() + 0.7).abs() < 1e-9, "{found:?}");
            }
        }
    }

    #[test]
    fn one_path_alone_has_its_sizes_and_threads() {
        let cells = cells(&["send"], &[64, 512, 4096], &[1, 2, 4]);
        // Two-way terms of one path are its sizes and its threads, without an interaction.
        let figure = |(place, cell): (usize, &Cell)| {
            let size = (cell.message.bytes().0 as f64).ln();
            size + f64::from(cell.threads.get()) + if place == 4 { 0.5 } else { 0.0 }
        };
        let figures: Vec<f64> = cells.iter().enumerate().map(figure).collect();
        let found = Grid::new(cells.iter()).departures(&figures);
        assert!((found[4].unwrap() - 0.5).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_cell_of_which_the_others_say_nothing_has_no_departure() {
        let one_size = cells(&["send", "sendmsg"], &[64], &[1, 2, 4]);
        assert!(departures(&one_size, 0, 0.5).iter().all(Option::is_none));
    }

    #[test]
    fn of_two_levels_neither_is_told_from_the_other() {
        let three = papers();
        let grid = Grid::new(three.iter());
        assert!((0..three.len()).all(|cell| grid.not_told_from(cell).is_empty()));
        let two = cells(&["send", "sendmsg"], &[64, 512, 4096], &[1, 2, 4]);
        let grid = Grid::new(two.iter());
        assert_eq!(grid.not_told_from(4), [13]);
        let found = departures(&two, 4, -0.9);
        assert!((found[4].unwrap() + 0.9).abs() < 1e-9 && (found[13].unwrap() - 0.9).abs() < 1e-9);
        let four = cells(&["send", "sendmsg"], &[64, 512, 4096], &[1, 2]);
        assert_eq!(Grid::new(four.iter()).not_told_from(0), [1, 6, 7]);
    }
}
