//! What the records say of each cell so far: how precise it is, and whether it is worth another attempt.

use std::collections::{BTreeMap, BTreeSet};

use analysis::marks::judge;
use analysis::stopping::{Observations, widest};
use model::record::{Record, Trial};
use model::{Cell, Mark, Plan};

use crate::resume::{Position, is_unsupported};

/// A void trial is tried again up to twice.
pub(crate) const MAX_ATTEMPTS: u32 = 3;

/// After so many rounds in a row without a valid trial the reader is told, and the cell is no longer waited for.
const HOPELESS_ROUNDS: u32 = 3;

/// What is known of the cells.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    plan: &'a Plan,
    cells: Vec<Cell>,
    observations: Observations,
    /// Cells that this machine was found unable to measure, in this segment; a new one may have other rights.
    unsupported: BTreeSet<Cell>,
    /// Rounds in a row in which every attempt was void.
    void_rounds: BTreeMap<Cell, u32>,
}

impl<'a> Progress<'a> {
    /// What earlier segments saw, which went as far as a position.
    pub(crate) fn new(plan: &'a Plan, earlier: &[Record], position: Position) -> Self {
        let mut observations = Observations::new(plan);
        let end_rounds = |observations: &mut Observations, before: u32| {
            while observations.rounds() + 1 < before {
                observations.end_round();
            }
        };
        for record in earlier {
            if let Record::Trial(trial) = record {
                end_rounds(&mut observations, trial.round);
                observations.push(trial, &judge(trial, &plan.thresholds));
            }
        }
        end_rounds(&mut observations, position.round);
        Self {
            plan,
            cells: plan.cells(),
            observations,
            unsupported: BTreeSet::new(),
            void_rounds: BTreeMap::new(),
        }
    }

    /// Takes a trial in, and says which marks it bears.
    pub(crate) fn push(&mut self, trial: &Trial) -> Vec<Mark> {
        let marks = judge(trial, &self.plan.thresholds);
        self.observations.push(trial, &marks);
        if is_unsupported(trial) {
            self.unsupported.insert(trial.cell.clone());
        }
        marks
    }

    /// A cell is done with for this round. Whether this was the round after which to tell that it never succeeds.
    pub(crate) fn cell_ended(&mut self, cell: &Cell, valid: bool) -> bool {
        if valid {
            self.void_rounds.remove(cell);
            return false;
        }
        let rounds = self.void_rounds.entry(cell.clone()).or_insert(0);
        *rounds += 1;
        *rounds == HOPELESS_ROUNDS
    }

    /// A round is over.
    pub(crate) fn end_round(&mut self) {
        self.observations.end_round();
    }

    /// Rounds that are over, all segments.
    pub(crate) fn rounds(&self) -> u32 {
        self.observations.rounds()
    }

    /// Whether this machine was found unable to measure a cell.
    pub(crate) fn is_unsupported(&self, cell: &Cell) -> bool {
        self.unsupported.contains(cell)
    }

    /// Whether a cell needs no more rounds, or would not profit from them.
    fn is_settled(&self, cell: &Cell) -> bool {
        self.observations.is_precise(cell)
            || self.is_unsupported(cell)
            || self.void_rounds.get(cell).is_some_and(|rounds| *rounds >= HOPELESS_ROUNDS)
    }

    /// Whether a block can be left out because none of its cells needs it. Its cells' trials so far are a whole number
    /// of blocks, chosen by each block's own figures as a run of that block alone would have stopped; so leaving it out
    /// biases it no more than stopping does (the coverage test of `analysis` is simulated with stopping).
    pub(crate) fn may_skip(&self, cells: &[Cell]) -> bool {
        let plain = || cells.iter().filter(|cell| self.cells.contains(cell));
        self.plan.measure.rounds.is_none()
            && self.plan.measure.precision.is_some()
            && plain().any(|cell| self.observations.is_precise(cell))
            && plain().all(|cell| self.is_settled(cell))
    }

    /// Whether every cell that can be measured is as precise as the plan asks.
    pub(crate) fn is_precise(&self) -> bool {
        self.plan.measure.precision.is_some()
            && self.precise_cells() > 0
            && self.cells.iter().all(|cell| self.is_settled(cell))
    }

    /// How many cells are.
    pub(crate) fn precise_cells(&self) -> u32 {
        saturating(self.observations.precise_cells())
    }

    /// Cells without controls.
    pub(crate) fn cells(&self) -> u32 {
        saturating(self.cells.len())
    }

    /// The cell with the widest interval.
    pub(crate) fn widest(&self) -> Option<(Cell, f64)> {
        widest(&self.observations)
    }
}

/// A number of things as the records count them.
pub(crate) fn saturating(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
