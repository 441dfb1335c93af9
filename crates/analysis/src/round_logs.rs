//! Each cell's figures round by round, from complete blocks, and the families of cells that are laid side by side.

use std::collections::BTreeMap;

use model::factor::Factor;
use model::{Cell, SendPath};

use crate::metric::Metric;
use crate::pairings::Places;
use crate::pairs::{Complete, Log, Logs, RATIO_METRICS};

/// The logarithms of each cell's figures, round by round.
///
/// They come from complete blocks only, as the ratios do: what was measured in a block that was killed is compared with
/// nothing.
#[derive(Debug)]
pub(crate) struct RoundLogs(Vec<Vec<(u32, Logs)>>);

impl RoundLogs {
    pub(crate) fn new(cells: usize, complete: &[Complete]) -> Self {
        let mut by_cell = vec![Vec::new(); cells];
        // Complete blocks come sorted by round, and a cell is in one block only: so are each cell's figures.
        for block in complete {
            for (cell, logs) in &block.logs {
                by_cell[*cell].push((block.round, *logs));
            }
        }
        Self(by_cell)
    }

    /// A cell's rounds and the logarithm of one of [`RATIO_METRICS`] in each, ascending by round; rounds without a figure
    /// are left out. None where a figure had no logarithm: the others alone would be a choice among the trials.
    pub(crate) fn of(&self, cell: usize, metric: Metric) -> Option<Vec<(u32, f64)>> {
        let Some(place) = RATIO_METRICS.iter().position(|other| *other == metric) else {
            return Some(Vec::new());
        };
        let mut rounds = Vec::new();
        for (round, logs) in &self.0[cell] {
            match logs[place] {
                Log::Of(log) => rounds.push((*round, log)),
                Log::Absent => {}
                Log::Undefined => return None,
            }
        }
        Some(rounds)
    }

    /// Log-ratios of one cell against another, paired by round; none as in [`RoundLogs::of`].
    pub(crate) fn paired(
        &self,
        cell: usize,
        against: usize,
        metric: Metric,
    ) -> Option<Vec<(u32, f64)>> {
        let others: BTreeMap<u32, f64> = self.of(against, metric)?.into_iter().collect();
        let pair = |(round, log): (u32, f64)| Some((round, log - others.get(&round)?));
        Some(self.of(cell, metric)?.into_iter().filter_map(pair).collect())
    }
}

/// The cells asked for by what they share but for some factors; each family in the plan's order.
///
/// `but` sets those factors to their defaults.
pub(crate) fn families(places: &Places, but: impl Fn(&Cell) -> Cell) -> Vec<(Cell, Vec<usize>)> {
    let mut order: Vec<(Cell, Vec<usize>)> = Vec::new();
    let mut by_key: BTreeMap<Cell, usize> = BTreeMap::new();
    for (place, cell) in places.cells[..places.asked].iter().enumerate() {
        let key = but(cell);
        let family = *by_key.entry(key.clone()).or_insert_with(|| {
            order.push((key, Vec::new()));
            order.len() - 1
        });
        order[family].1.push(place);
    }
    order
}

/// The cell with its path and size at their defaults.
pub(crate) fn but_path_and_size(cell: &Cell) -> Cell {
    let usual = Cell::default();
    Cell { send_path: usual.send_path, message: usual.message, ..cell.clone() }
}

/// Id text of what a family shares: every factor that is not its default, the threads always, without the factors named.
pub(crate) fn shared_text(cell: &Cell, without: &[Factor]) -> String {
    let is_told = |factor: &&Factor| {
        let always = matches!(factor, Factor::Message | Factor::Threads);
        !without.contains(factor) && (always || !cell.is_default(**factor))
    };
    let part = |factor: &Factor| format!("{}={}", factor.id_key(), cell.get(*factor));
    let parts: Vec<String> = Factor::ALL.iter().filter(is_told).map(part).collect();
    parts.join(" ")
}

/// How people and the paper name a path: `sendmsg (A2)`.
pub(crate) fn path_name(path: SendPath) -> String {
    format!("{} ({})", path.name(), path.paper_name())
}
