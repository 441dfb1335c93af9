//! A run as far as it can be compared with others: its machine, its plan and its cells' figures round by round.

use std::collections::{BTreeMap, BTreeSet};

use model::host::Host;
use model::{Cell, Contrast, Factor, Plan};

use crate::judged_run::JudgedRun;
use crate::metric::Metric;
use crate::pairings::contrasted;
use crate::results::RunFacts;
use crate::round_logs::{RoundLogs, less};
use crate::summary::Summary;

/// Rounds, ascending, and the logarithm of a figure in each.
pub(super) type Rounds = Vec<(u32, f64)>;

/// A run to be compared. Its figures come from complete blocks alone, so that ratios and levels are of the same trials.
#[derive(Clone, Debug)]
pub struct MeasuredRun {
    /// What it is called: its directory.
    pub name: String,
    /// Its plan.
    pub plan: Plan,
    /// Its machine.
    pub host: Host,
    /// The run as a whole.
    pub facts: RunFacts,
    /// The cells asked for, controls left out: goodput and the link's cost, where every figure has a logarithm.
    cells: BTreeMap<Cell, [Option<Rounds>; 2]>,
    /// Cells whose goodput is what the line carries, which says nothing of them.
    at_line_rate: BTreeSet<Cell>,
    /// The goodput that the line can carry, in Gbit/s; none where that is not known.
    line_gbps: Option<f64>,
    /// What its plan compares within blocks: contrast, cell and the cell it is compared with.
    pub(super) contrasts: Vec<(Contrast, Cell, Cell)>,
}

impl MeasuredRun {
    /// That of a run directory.
    pub fn new(
        name: String,
        plan: &Plan,
        host: &Host,
        judged: &JudgedRun,
        summary: &Summary,
    ) -> Self {
        let places = &judged.places;
        let logs = RoundLogs::new(places, &judged.trials, &judged.complete());
        let asked = places.cells.iter().take(places.asked).enumerate();
        let cells = asked.map(|(place, cell)| {
            (cell.clone(), metrics(cell).map(|metric| logs.at(place, metric)))
        });
        let contrasts = contrasted(plan, places).into_iter().filter_map(|pair| {
            // What differs between the two may not have been there.
            if pair.contrast.factor == Factor::BusyPoll
                && logs
                    .paired_at(pair.cell, pair.against, Metric::GoodputGbps)
                    .is_none_or(|pairs| pairs.is_empty())
            {
                return None;
            }
            let cell = |place: usize| places.cells.get(place).cloned();
            Some((pair.contrast.clone(), cell(pair.cell)?, cell(pair.against)?))
        });
        let at_line_rate = summary.line.iter().flat_map(|line| &line.at_rate).map(|at| &at.cell);
        Self {
            name,
            plan: plan.clone(),
            host: host.clone(),
            facts: summary.run.clone(),
            cells: cells.collect(),
            at_line_rate: at_line_rate.cloned().collect(),
            line_gbps: summary
                .line
                .as_ref()
                .and_then(|line| line.rate.value())
                .map(|rate| rate.goodput_gbps),
            contrasts: contrasts.collect(),
        }
    }

    /// Whether another program measured it.
    pub(super) fn is_imported(&self) -> bool {
        !self.facts.imported.is_empty()
    }

    /// The cells asked for.
    pub(super) fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.cells.keys()
    }

    /// Whether it asks for a cell.
    pub(super) fn has(&self, cell: &Cell) -> bool {
        self.cells.contains_key(cell)
    }

    /// The rate of the line, in Gbit/s of goodput, where it decides this figure of a cell, which is at that rate.
    pub(super) fn lines_rate(&self, cell: &Cell, metric: Metric) -> Option<f64> {
        let is_lines = metric == Metric::GoodputGbps && self.at_line_rate.contains(cell);
        self.line_gbps.filter(|_| is_lines)
    }

    /// The rate of the line, in Gbit/s of goodput, where it is known.
    pub(super) const fn line_gbps(&self) -> Option<f64> {
        self.line_gbps
    }

    /// Whether the line decides a cell's goodput.
    pub(super) fn is_at_line_rate(&self, cell: &Cell) -> bool {
        self.at_line_rate.contains(cell)
    }

    /// A cell's figure round by round; none without one.
    pub(super) fn rounds(&self, cell: &Cell, metric: usize) -> Option<Rounds> {
        let rounds = self.cells.get(cell)?.get(metric)?.clone()?;
        (!rounds.is_empty()).then_some(rounds)
    }

    /// The logarithm of the ratio of two cells, round by round; none without a round in which both were measured.
    pub(super) fn ratios(&self, cell: &Cell, against: &Cell, metric: usize) -> Option<Rounds> {
        let ratios = less(self.rounds(cell, metric)?, self.rounds(against, metric)?);
        (!ratios.is_empty()).then_some(ratios)
    }
}

/// The metrics that are compared: goodput, and the cost that decides on the cell's link.
pub(super) const fn metrics(cell: &Cell) -> [Metric; 2] {
    [Metric::GoodputGbps, Metric::cost_on(cell.link)]
}
