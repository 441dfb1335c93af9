//! Each cell's figures round by round, from complete blocks: the one place where two cells are paired.

use std::collections::BTreeMap;

use model::{Cell, Factor, Shared};

use crate::estimate::Moments;
use crate::judged::{JudgedTrial, JudgedTrials};
use crate::metric::Metric;
use crate::pairings::Places;
use crate::pairs::{Complete, Log};

/// The logarithms of each cell's figures, round by round.
///
/// They come from complete blocks only: what was measured in a block that was killed is compared with nothing.
#[derive(Debug)]
pub(crate) struct RoundLogs<'a> {
    places: &'a Places,
    trials: &'a JudgedTrials,
    /// Each cell's rounds, ascending, and the place of the trial that stands for it.
    by_cell: Vec<Vec<(u32, usize)>>,
}

impl<'a> RoundLogs<'a> {
    pub(crate) fn new(places: &'a Places, trials: &'a JudgedTrials, complete: &[Complete]) -> Self {
        let mut by_cell = vec![Vec::new(); places.cells.len()];
        // Complete blocks come sorted by round, and a cell is in one block only: so are each cell's trials.
        for block in complete {
            for (cell, trial) in &block.trials {
                by_cell[*cell].push((block.round, *trial));
            }
        }
        Self { places, trials, by_cell }
    }

    /// A cell's rounds and the logarithm of one figure in each, ascending by round; rounds without the figure are left
    /// out. None where a figure had no logarithm: the others alone would be a choice among the trials.
    pub(crate) fn at(&self, cell: usize, metric: Metric) -> Option<Vec<(u32, f64)>> {
        self.of_figure(cell, |judged| judged.figures.of(metric).ok())
    }

    fn of_figure(
        &self,
        cell: usize,
        figure: impl Fn(&JudgedTrial) -> Option<f64>,
    ) -> Option<Vec<(u32, f64)>> {
        let mut rounds = Vec::new();
        for (round, trial) in &self.by_cell[cell] {
            let figure = figure(&self.trials.all()[*trial]);
            match figure.map_or(Log::Absent, Log::of) {
                Log::Of(log) => rounds.push((*round, log)),
                Log::Absent => {}
                Log::Undefined => return None,
            }
        }
        Some(rounds)
    }

    /// Log-ratios of one cell against another, paired by round; none as in [`RoundLogs::at`].
    pub(crate) fn paired_at(
        &self,
        cell: usize,
        against: usize,
        metric: Metric,
    ) -> Option<Vec<(u32, f64)>> {
        let pairs = less(self.at(cell, metric)?, self.at(against, metric)?);
        Some(self.as_asked(cell, against, pairs))
    }

    /// The same of the steady windows that are the control of a series.
    pub(crate) fn control_paired_at(
        &self,
        cell: usize,
        against: usize,
        metric: Metric,
    ) -> Option<Vec<(u32, f64)>> {
        let of =
            |cell: usize| self.of_figure(cell, |judged| judged.figures.of_control(metric).ok());
        Some(self.as_asked(cell, against, less(of(cell)?, of(against)?)))
    }

    /// Pairs of rounds without those in which what differs between the two was not there.
    fn as_asked(&self, cell: usize, against: usize, mut pairs: Vec<(u32, f64)>) -> Vec<(u32, f64)> {
        if self.places.cells[cell].busy_poll != self.places.cells[against].busy_poll {
            let trial = |cell: usize, round: u32| {
                let of_round = self.by_cell[cell].iter().find(|(of, _)| *of == round);
                of_round.map(|(_, trial)| &self.trials.all()[*trial])
            };
            pairs.retain(|(round, _)| {
                let both = trial(cell, *round).zip(trial(against, *round));
                both.is_some_and(|(one, other)| one.differs_as_asked(other))
            });
        }
        pairs
    }

    /// The logarithm of one figure of a cell, round by round; empty for a cell that is not of the plan, and where a figure
    /// had no logarithm.
    pub(crate) fn of_cell(&self, cell: &Cell, metric: Metric) -> BTreeMap<u32, f64> {
        let logs = self.places.place(cell).and_then(|place| self.at(place, metric));
        logs.unwrap_or_default().into_iter().collect()
    }

    /// The log-ratios of one cell against another, paired by round. Between cells of different blocks a machine's drift
    /// within a round does not cancel.
    pub(crate) fn paired(&self, cell: &Cell, against: &Cell, metric: Metric) -> Moments {
        difference(&[(1.0, self.of_cell(cell, metric)), (-1.0, self.of_cell(against, metric))])
    }
}

/// Figures less others of the same round.
pub(crate) fn less(figures: Vec<(u32, f64)>, others: Vec<(u32, f64)>) -> Vec<(u32, f64)> {
    let others: BTreeMap<u32, f64> = others.into_iter().collect();
    let pair = |(round, x): (u32, f64)| Some((round, x - others.get(&round)?));
    figures.into_iter().filter_map(pair).collect()
}

/// The weighted sum of several figures' logarithms, round by round, over the rounds that have all of them.
pub(crate) fn difference(of: &[(f64, BTreeMap<u32, f64>)]) -> Moments {
    let mut moments = Moments::default();
    let Some(((weight, first), others)) = of.split_first() else { return moments };
    for (round, log) in first {
        let rest = others.iter().map(|(weight, logs)| Some(weight * logs.get(round)?));
        if let Some(rest) = rest.sum::<Option<f64>>() {
            moments.push(weight * log + rest);
        }
    }
    moments
}

/// The cells asked for by what they share but for some factors; each family in the plan's order.
pub(crate) fn families(places: &Places, but: &[Factor]) -> Vec<(Shared, Vec<usize>)> {
    let mut order: Vec<(Shared, Vec<usize>)> = Vec::new();
    let mut by_key: BTreeMap<Shared, usize> = BTreeMap::new();
    for (place, cell) in places.cells[..places.asked].iter().enumerate() {
        let key = Shared::new(cell, but);
        let family = *by_key.entry(key.clone()).or_insert_with(|| {
            order.push((key, Vec::new()));
            order.len() - 1
        });
        order[family].1.push(place);
    }
    order
}
