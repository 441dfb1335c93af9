//! What the records say of each cell so far: how precise it is, and whether it is worth another round.

use analysis::judged::Judge;
use analysis::stopping::{Decision, Observations, Widest, decide, widest};
use analysis::turn_noise::TurnNoise;
use model::record::{Record, Trial};
use model::{Cell, MOST_ROUNDS, Mark, Plan};

use crate::resume::Position;

/// What is known of the cells.
#[derive(Debug)]
pub(crate) struct Progress {
    cells: Vec<Cell>,
    observations: Observations,
    judge: Judge,
}

impl Progress {
    /// What earlier segments saw, which went as far as a position.
    pub(crate) fn new(plan: &Plan, earlier: &[Record], position: Position) -> Self {
        let mut observations = Observations::new(plan);
        let mut judge = Judge::new(&plan.thresholds);
        let end_rounds = |observations: &mut Observations, before: u32| {
            // A damaged record may name any round.
            let before = before.min(MOST_ROUNDS);
            while observations.rounds() + 1 < before {
                observations.end_round();
            }
        };
        for record in earlier {
            if let Record::Segment(_) = record {
                observations.begin_segment();
            } else if let Record::Trial(trial) = record {
                end_rounds(&mut observations, trial.round);
                observations.push(trial, &judge.marks(trial));
            }
        }
        end_rounds(&mut observations, position.round);
        observations.begin_segment();
        Self { cells: plan.cells(), observations, judge }
    }

    /// Takes a trial in, and says which marks it bears.
    pub(crate) fn push(&mut self, trial: &Trial) -> Vec<Mark> {
        let marks = self.judge.marks(trial);
        self.observations.push(trial, &marks);
        marks
    }

    /// A cell is done with for this round. Whether this was the round after which to tell that it never succeeds.
    pub(crate) fn cell_ended(&mut self, cell: &Cell, valid: bool) -> bool {
        self.observations.end_cell(cell, valid)
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
        self.observations.is_unsupported(cell)
    }

    /// Whether a block can be left out because none of its ratios needs it.
    pub(crate) fn may_skip(&self, cells: &[Cell]) -> bool {
        self.observations.may_skip(cells)
    }

    /// Where the noise of a block's ratios lies; none before two series of turns.
    pub(crate) fn turn_noise(&self, cells: &[Cell]) -> Option<TurnNoise> {
        self.observations.turn_noise(cells)
    }

    /// The turns of warm-up that a block's next series needs; none before one was measured.
    pub(crate) fn warmup_turns(&self, cells: &[Cell]) -> Option<u32> {
        self.observations.warmup_turns(cells)
    }

    /// Whether every ratio that can be measured is as precise as the plan asks.
    pub(crate) fn is_precise(&self) -> bool {
        decide(&self.observations) == Decision::Precise
    }

    /// How many cells are.
    pub(crate) fn precise_cells(&self) -> u32 {
        saturating(self.observations.precise_cells())
    }

    /// How many ratios are as narrow as asked, and of how many; none where nothing is compared.
    pub(crate) fn narrow_ratios(&self) -> Option<(u32, u32)> {
        let (narrow, of) = self.observations.narrow_ratios()?;
        Some((saturating(narrow), saturating(of)))
    }

    /// Cells, without controls, that this machine was not found unable to measure.
    pub(crate) fn cells(&self) -> u32 {
        saturating(self.cells.iter().filter(|cell| !self.is_unsupported(cell)).count())
    }

    /// The widest interval that the run aims at.
    pub(crate) fn widest(&self) -> Option<Widest> {
        widest(&self.observations)
    }
}

/// A number of things as the records count them.
pub(crate) fn saturating(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
