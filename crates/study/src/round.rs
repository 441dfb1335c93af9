//! Within a round: fresh ends, blocks, and the attempts at a cell.

use analysis::Metric;
use analysis::marks::is_void;
use analysis::order::turn_orders;
use engine::{EngineError, SeriesOrder, SliceSeen, SliceTimes, TrialOrder};
use model::record::{CpuBusy, Failure, Outcome, Record, Round, Settings, Trial};
use model::{Block, Cell, Class, Mark, Measured, Nanos, Turns};

use crate::attempts::{MAX_ATTEMPTS, is_unsupported};
use crate::event::Event;
use crate::progress::saturating;
use crate::study::{Halt, Running, Todo};

/// Where in the run a cell stands.
struct Place {
    round: u32,
    block: u32,
    position: u32,
}

impl Place {
    /// The record of a cell that was measured here.
    fn trial(
        &self,
        cell: &Cell,
        attempt: u32,
        started_unix_ms: u64,
        settings: Settings,
        outcome: Outcome,
    ) -> Trial {
        Trial {
            cell: cell.clone(),
            round: self.round,
            block: self.block,
            position: self.position,
            attempt,
            started_unix_ms,
            settings,
            outcome,
        }
    }
}

/// How often ends that fail to start are started again. A connection to another host that was cut without a word can cost two
/// starts, the one that gets no answer and the one in which `ssh` gives it up, before the host is reached anew.
const STARTED_AGAIN: usize = 2;

impl Running<'_> {
    /// Starts both ends, again where that fails.
    pub(crate) fn fresh_ends(&mut self) -> Result<Measured<CpuBusy>, EngineError> {
        for _ in 0..STARTED_AGAIN {
            match self.bench.begin_round() {
                Err(EngineError::Ends(why)) => {
                    self.emit(Event::Warning(format!("{why}; both ends are started again")));
                    self.bench.end_round();
                }
                other => return other,
            }
        }
        self.bench.begin_round()
    }

    /// Starts both ends and journals that a round begins with them.
    pub(crate) fn start_ends(&mut self, round: u32) -> Result<(), Halt> {
        let started_unix_ms = self.clock.unix_ms();
        let idle = self.fresh_ends()?;
        self.append(&Record::Round(Round { round, started_unix_ms, idle }))?;
        Ok(())
    }

    /// How many of a block's cells are not known to be beyond this machine.
    pub(crate) fn measurable(&self, todo: &Todo) -> u32 {
        saturating(self.measurable_cells(todo).len())
    }

    /// A block's cells that this machine can measure.
    pub(crate) fn measurable_cells(&self, todo: &Todo) -> Vec<Cell> {
        let cells = todo.cells.iter().map(|(_, cell)| cell);
        cells.filter(|cell| !self.bench.refuses_cell(cell)).cloned().collect()
    }

    /// Measures a block's cells in turns, or one after the other where they take none. `done` trials of the round's `of`
    /// came before.
    pub(crate) fn block(
        &mut self,
        round: u32,
        todo: &Todo,
        done: u32,
        of: u32,
    ) -> Result<(), Halt> {
        let cells = self.measurable_cells(todo);
        if let Some(turns) = self.turns(round, &todo.name, &cells) {
            return self.series(round, todo, &turns, done, of);
        }
        let mut number = done;
        for (position, cell) in &todo.cells {
            let place = Place { round, block: todo.block, position: *position };
            number += u32::from(!self.bench.refuses_cell(cell));
            self.cell(cell, &place, number, of)?;
        }
        Ok(())
    }

    /// Measures a block as a series, up to three times where it fails. A cell that this machine cannot measure is left out of
    /// the next attempt.
    fn series(
        &mut self,
        round: u32,
        todo: &Todo,
        turns: &Turns,
        done: u32,
        of: u32,
    ) -> Result<(), Halt> {
        let mut left: Vec<(Place, Cell)> = Vec::new();
        for (position, cell) in &todo.cells {
            let place = Place { round, block: todo.block, position: *position };
            if self.bench.refuses_cell(cell) {
                self.cell(cell, &place, done, of)?;
            } else {
                left.push((place, cell.clone()));
            }
        }
        let mut attempt = 1;
        let mut why = String::new();
        while attempt <= MAX_ATTEMPTS && !left.is_empty() && (attempt == 1 || self.has_time()) {
            if let Some((_, cell)) = left.first() {
                let number = done + 1;
                if attempt > 1 {
                    self.emit(Event::Retried { cell: cell.clone(), attempt, why: why.clone() });
                }
                self.emit(Event::TrialStarted { cell: cell.clone(), number, of, attempt });
            }
            let outcomes = self.one_series(&todo.name, &left, turns, attempt)?;
            let mut again = Vec::new();
            let mut failed = false;
            for ((place, cell), outcome) in left.into_iter().zip(outcomes) {
                let Some(trial) = outcome else {
                    again.push((place, cell));
                    continue;
                };
                let (marks, says) = self.take_in(&trial);
                if is_unsupported(&trial) {
                    self.emit(Event::CellRefused { cell, why: says });
                } else if matches!(trial.outcome, Outcome::Failed(_)) {
                    (failed, why) = (true, says);
                    again.push((place, cell));
                } else {
                    // One that is void for what it says itself is no better in a series without the others.
                    self.end_cell(&cell, !is_void(&marks), &says);
                }
            }
            left = again;
            attempt += u32::from(failed);
        }
        for (_, cell) in &left {
            self.end_cell(cell, false, &why);
        }
        Ok(())
    }

    /// Runs and journals one series; a cell without a trial was not measured.
    fn one_series(
        &mut self,
        block: &Block,
        cells: &[(Place, Cell)],
        turns: &Turns,
        attempt: u32,
    ) -> Result<Vec<Option<Trial>>, Halt> {
        let n = cells.len();
        let Some((first, _)) = cells.first() else { return Ok(Vec::new()) };
        let all = turns.warmup_turns + turns.turns + u32::from(turns.steady.0 > 0);
        let mut orders = turn_orders(self.plan, first.round, first.block, all, n);
        let steady = if turns.steady.0 > 0 { orders.pop() } else { None };
        let counted = orders.split_off(orders.len().min(turns.warmup_turns as usize));
        let order = SeriesOrder {
            cells: cells.iter().map(|(_, cell)| cell.clone()).collect(),
            slice: SliceTimes { settle: turns.settle, window: turns.window },
            warmup_turns: orders,
            warmup_window: turns.warmup_window,
            turns: counted,
            steady: steady.map(|order| (turns.steady, order)),
        };
        let started_unix_ms = self.clock.unix_ms();
        let before = self.clock.monotonic();
        let events = &mut self.events;
        let outcomes = self.bench.series(&order, &mut |SliceSeen { cell, bytes, took }| {
            if let Some(cell) = order.cells.get(cell) {
                let took = Nanos(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
                events(Event::SliceEnded { cell: cell.clone(), bytes, took });
            }
        })?;
        let mut trials = Vec::with_capacity(n);
        for ((place, cell), outcome) in cells.iter().zip(outcomes) {
            let Some((settings, outcome)) = outcome else {
                trials.push(None);
                continue;
            };
            let trial = Box::new(place.trial(cell, attempt, started_unix_ms, settings, outcome));
            self.append(&Record::Trial(trial.clone()))?;
            trials.push(Some(*trial));
        }
        // One that failed tells nothing of what others will take.
        let finished = |trial: &Trial| matches!(trial.outcome, Outcome::Finished(_));
        if trials.iter().all(|trial| trial.as_ref().is_some_and(finished)) {
            let took = Nanos(self.clock.monotonic().0.saturating_sub(before.0));
            self.pace.series_took(block, turns, n, took);
        }
        Ok(trials)
    }

    /// Takes a trial in and tells of it: its marks, and what speaks against it.
    fn take_in(&mut self, trial: &Trial) -> (Vec<Mark>, String) {
        let marks = self.progress.push(trial);
        let goodput_gbps = analysis::figures::value(Metric::GoodputGbps, trial, None);
        let cell = trial.cell.clone();
        self.emit(Event::TrialEnded { cell, marks: marks.clone(), goodput_gbps });
        let why = speaks_against(&trial.outcome, &marks);
        (marks, why)
    }

    /// A cell is done with for this round.
    fn end_cell(&mut self, cell: &Cell, is_valid: bool, why: &str) {
        if self.progress.cell_ended(cell, is_valid) {
            self.emit(Event::Warning(format!(
                "{cell}: no valid trial in three rounds, the last because of {why}; the others go on without waiting for it"
            )));
        }
    }

    /// Tries a cell until a trial is valid, up to three times.
    fn cell(&mut self, cell: &Cell, place: &Place, number: u32, of: u32) -> Result<(), Halt> {
        let mut why = String::new();
        for attempt in 1..=MAX_ATTEMPTS {
            if attempt > 1 {
                if !self.has_time() {
                    break;
                }
                self.emit(Event::Retried { cell: cell.clone(), attempt, why: why.clone() });
            }
            if !self.bench.refuses_cell(cell) {
                self.emit(Event::TrialStarted { cell: cell.clone(), number, of, attempt });
            }
            let trial = self.trial(cell, place, attempt)?;
            let marks;
            (marks, why) = self.take_in(&trial);
            if is_unsupported(&trial) {
                self.emit(Event::CellRefused { cell: cell.clone(), why });
                return Ok(());
            }
            if !is_void(&marks) {
                self.end_cell(cell, true, "");
                return Ok(());
            }
        }
        self.end_cell(cell, false, &why);
        Ok(())
    }

    /// Runs and journals one trial.
    fn trial(&mut self, cell: &Cell, place: &Place, attempt: u32) -> Result<Trial, Halt> {
        let order = TrialOrder {
            cell: cell.clone(),
            window: self.plan.window(cell, self.bounds),
            warmup: self.plan.measure.warmup,
            tail: self.plan.measure.tail,
        };
        let started_unix_ms = self.clock.unix_ms();
        let before = self.clock.monotonic();
        let (settings, outcome) = self.bench.trial(&order)?;
        let trial = Box::new(place.trial(cell, attempt, started_unix_ms, settings, outcome));
        self.append(&Record::Trial(trial.clone()))?;
        // What was refused took no time and tells nothing of what others will take.
        if !is_unsupported(&trial) {
            let took = Nanos(self.clock.monotonic().0.saturating_sub(before.0));
            self.pace.took(cell, took);
        }
        Ok(*trial)
    }
}

/// Why a trial is void, in a few words.
fn speaks_against(outcome: &Outcome, marks: &[Mark]) -> String {
    if let Outcome::Failed(Failure { why, .. }) = outcome {
        return why.clone();
    }
    let names: Vec<_> =
        marks.iter().filter(|mark| mark.class() == Class::Void).map(|mark| mark.name()).collect();
    names.join(", ")
}
