//! When to stop: once every cell's interval is as narrow as the plan asks.
//!
//! This is the sequential rule of fixed width (F. J. Anscombe, J. Royal Statistical Society B 15, 1953; Y. S. Chow
//! and H. Robbins, Annals of Mathematical Statistics 36, 1965) with Student's t for the normal quantile and a pilot of
//! `min_rounds` rounds. Looking after every round makes it stop a little too gladly on a sample that happens to spread
//! little, so the intervals cover less than 95 %. With a pilot of 10 rounds they were simulated to cover 93.5 to 95.7 %
//! whatever the spread (one cell on its own is the worst case, as several wait for each other); asking for narrow
//! intervals after two, three or four rounds in a row, or inflating the spread by 1 + 1/n, gained nothing that showed.
//! `tests/coverage.rs` holds this. Pilots shorter than 10 rounds cover less and are called preliminary.

use std::collections::HashMap;

use model::record::{FailureKind, Outcome, Trial};
use model::{Cell, Mark, Plan, Share};

use crate::estimate::Sample;
use crate::figures::Reading;
use crate::marks::is_void;
use crate::metric::Metric;

/// After so many rounds in a row without a valid trial a cell is no longer waited for.
pub const HOPELESS_ROUNDS: u32 = 3;

/// Whether another round is worth its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A cell is not as precise as asked, or too few rounds are done, or no precision is asked for.
    Continue,
    /// Every cell is.
    Precise,
}

/// What was seen of the plan's cells so far; each trial updates it, so that deciding is cheap.
#[derive(Clone, Debug)]
pub struct Observations {
    cells: Vec<Cell>,
    places: HashMap<Cell, usize>,
    seen: Vec<Seen>,
    blocks_may_end: bool,
    rounds: u32,
    min_rounds: u32,
    precision: Option<Share>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    goodput: Sample,
    cost: Sample,
    /// Whether this machine was found unable to measure it, in this segment.
    is_unsupported: bool,
    /// Rounds in a row in which every attempt was void, in this segment.
    void_rounds: u32,
    /// Whether the intervals were narrow at the end of the last round.
    is_narrow: bool,
}

impl Seen {
    /// The wider one of the two intervals.
    fn half_width(&self) -> Option<f64> {
        Some(self.goodput.half_width()?.max(self.cost.half_width()?))
    }
}

impl Observations {
    /// Nothing seen yet of the plan's cells. Controls are not waited for.
    pub fn new(plan: &Plan) -> Self {
        let cells = plan.cells();
        let all = cells.iter().cloned().chain(plan.controls());
        let places: HashMap<Cell, usize> = all.enumerate().map(|(i, cell)| (cell, i)).collect();
        let seen = vec![Seen::default(); places.len()];
        let measure = &plan.measure;
        Self {
            cells,
            places,
            seen,
            blocks_may_end: measure.rounds.is_none() && measure.precision.is_some(),
            rounds: 0,
            min_rounds: measure.min_rounds,
            precision: measure.precision,
        }
    }

    /// Takes a trial in, with the marks that it earned; a void one adds no figure.
    pub fn push(&mut self, trial: &Trial, marks: &[Mark]) {
        let Some(seen) = self.places.get(&trial.cell).map(|place| &mut self.seen[*place]) else {
            return;
        };
        if let Outcome::Failed(failure) = &trial.outcome {
            seen.is_unsupported = failure.kind == FailureKind::Unsupported;
        }
        if is_void(marks) {
            return;
        }
        seen.is_unsupported = false;
        let reading = Reading::new(trial, None);
        if let Some(goodput) = reading.value(Metric::GoodputGbps).value() {
            seen.goodput.push(*goodput);
        }
        if let Some(cost) = reading.value(Metric::cost_on(trial.cell.link)).value() {
            seen.cost.push(*cost);
        }
    }

    /// Takes the two figures of a valid trial in, goodput and the link's cost ([`Metric::cost_on`]); cells that are not of the plan are passed over.
    pub fn observe(&mut self, cell: &Cell, goodput_gbps: f64, cost_ns_per_kib: f64) {
        if let Some(seen) = self.places.get(cell).map(|place| &mut self.seen[*place]) {
            seen.goodput.push(goodput_gbps);
            seen.cost.push(cost_ns_per_kib);
        }
    }

    /// Another process measures: it may have other rights, and better luck.
    pub fn begin_segment(&mut self) {
        for seen in &mut self.seen {
            seen.is_unsupported = false;
            seen.void_rounds = 0;
        }
    }

    /// A cell is done with for this round; `is_valid` says whether one of its attempts was. Returns whether this was the
    /// round from which on it is no longer waited for.
    pub fn end_cell(&mut self, cell: &Cell, is_valid: bool) -> bool {
        let Some(seen) = self.places.get(cell).map(|place| &mut self.seen[*place]) else {
            return false;
        };
        seen.void_rounds = if is_valid { 0 } else { seen.void_rounds + 1 };
        seen.void_rounds == HOPELESS_ROUNDS
    }

    /// A round is over. Precision is looked at here and nowhere else.
    pub fn end_round(&mut self) {
        self.rounds += 1;
        let Some(precision) = self.precision else { return };
        for seen in &mut self.seen {
            seen.is_narrow = seen.half_width().is_some_and(|half| half <= precision.0);
        }
    }

    /// Rounds that are over.
    pub const fn rounds(&self) -> u32 {
        self.rounds
    }

    /// What was seen of a cell of the plan; none of a control.
    fn asked(&self, cell: &Cell) -> Option<&Seen> {
        let place = self.places.get(cell).filter(|place| **place < self.cells.len())?;
        self.seen.get(*place)
    }

    /// Half-width of a cell's wider interval (goodput, or the cost that decides on its link), as a share; none below two valid trials.
    pub fn half_width(&self, cell: &Cell) -> Option<f64> {
        self.asked(cell)?.half_width()
    }

    /// Whether a cell needs no more rounds: enough rounds are over, and its intervals are narrow. Controls never need
    /// one on their own.
    pub fn is_precise(&self, cell: &Cell) -> bool {
        match self.asked(cell) {
            Some(seen) => self.rounds >= self.min_rounds && seen.is_narrow,
            None => true,
        }
    }

    /// Whether a cell needs no more rounds, or would not profit from them.
    pub fn is_settled(&self, cell: &Cell) -> bool {
        let is_hopeless = |seen: &Seen| seen.void_rounds >= HOPELESS_ROUNDS;
        self.is_precise(cell)
            || self.is_unsupported(cell)
            || self.asked(cell).is_some_and(is_hopeless)
    }

    /// Whether a block can be left out of the rounds to come because none of its cells needs it. Its cells' trials so far
    /// are a whole number of blocks, chosen by each block's own figures as a run of that block alone would have stopped;
    /// so leaving it out biases it no more than stopping does.
    pub fn may_skip(&self, block: &[Cell]) -> bool {
        let asked = || block.iter().filter(|cell| self.asked(cell).is_some());
        self.blocks_may_end
            && asked().any(|cell| self.is_precise(cell))
            && asked().all(|cell| self.is_settled(cell))
    }

    /// How many cells of the plan are precise.
    pub fn precise_cells(&self) -> usize {
        self.cells.iter().filter(|cell| self.is_precise(cell)).count()
    }

    /// Whether a cell could not be measured on this machine at all; such a cell is not waited for.
    pub fn is_unsupported(&self, cell: &Cell) -> bool {
        self.places.get(cell).is_some_and(|place| self.seen[*place].is_unsupported)
    }
}

/// Whether to stop, asked after whole rounds: every cell is precise or would not profit from more, and one is precise.
pub fn decide(observations: &Observations) -> Decision {
    let cells = &observations.cells;
    if observations.precision.is_some()
        && cells.iter().any(|cell| observations.is_precise(cell))
        && cells.iter().all(|cell| observations.is_settled(cell))
    {
        Decision::Precise
    } else {
        Decision::Continue
    }
}

/// The cell with the widest interval, and its half-width as a share; none before any cell has two valid trials.
pub fn widest(observations: &Observations) -> Option<(Cell, f64)> {
    let widths = observations
        .cells
        .iter()
        .zip(&observations.seen)
        .filter_map(|(cell, seen)| Some((cell, seen.half_width()?)));
    widths.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(cell, width)| (cell.clone(), width))
}
