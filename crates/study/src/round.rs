//! Within a round: fresh ends, blocks, and the attempts at a cell.

use analysis::Metric;
use analysis::marks::is_void;
use engine::{EngineError, TrialOrder};
use model::record::{CpuBusy, Failure, Outcome, Record, Round, Trial};
use model::{Cell, Class, Mark, Measured, Nanos};

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

impl Running<'_> {
    /// Starts both ends, a second time where the first fails.
    pub(crate) fn fresh_ends(&mut self) -> Result<Measured<CpuBusy>, EngineError> {
        match self.bench.begin_round() {
            Err(EngineError::Ends(why)) => {
                self.emit(Event::Warning(format!("{why}; both ends are started again")));
                self.bench.end_round();
                self.bench.begin_round()
            }
            other => other,
        }
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
        let cells = todo.cells.iter().filter(|(_, cell)| !self.bench.refuses_cell(cell));
        saturating(cells.count())
    }

    /// Measures a block's cells one after the other. `done` trials of the round's `of` came before.
    pub(crate) fn block(
        &mut self,
        round: u32,
        todo: &Todo,
        done: u32,
        of: u32,
    ) -> Result<(), Halt> {
        let mut number = done;
        for (position, cell) in &todo.cells {
            let place = Place { round, block: todo.block, position: *position };
            number += u32::from(!self.bench.refuses_cell(cell));
            self.cell(cell, &place, number, of)?;
        }
        Ok(())
    }

    /// Tries a cell until a trial is valid, up to three times.
    fn cell(&mut self, cell: &Cell, place: &Place, number: u32, of: u32) -> Result<(), Halt> {
        let mut extended = false;
        let mut why = String::new();
        for attempt in 1..=MAX_ATTEMPTS {
            if attempt > 1 {
                self.emit(Event::Retried { cell: cell.clone(), attempt, why: why.clone() });
            }
            if !self.bench.refuses_cell(cell) {
                self.emit(Event::TrialStarted { cell: cell.clone(), number, of, attempt });
            }
            let trial = self.trial(cell, place, attempt, extended)?;
            let marks = self.progress.push(&trial);
            let goodput_gbps = analysis::figures::value(Metric::GoodputGbps, &trial, None);
            self.emit(Event::TrialEnded { cell: cell.clone(), marks: marks.clone(), goodput_gbps });
            why = speaks_against(&trial.outcome, &marks);
            if is_unsupported(&trial) {
                self.emit(Event::CellRefused { cell: cell.clone(), why });
                return Ok(());
            }
            if !is_void(&marks) {
                self.progress.cell_ended(cell, true);
                return Ok(());
            }
            extended |= marks.contains(&Mark::Unsettled);
        }
        if self.progress.cell_ended(cell, false) {
            self.emit(Event::Warning(format!(
                "{cell}: no valid trial in three rounds, the last because of {why}; the others go on without waiting for it"
            )));
        }
        Ok(())
    }

    /// Runs and journals one trial.
    fn trial(
        &mut self,
        cell: &Cell,
        place: &Place,
        attempt: u32,
        extended: bool,
    ) -> Result<Trial, Halt> {
        let order = TrialOrder {
            cell: cell.clone(),
            window: self.plan.window(cell, self.usable_cpus),
            warmup: self.pace.warmup(extended),
            tail: self.plan.measure.tail,
            extended,
        };
        let started_unix_ms = self.clock.unix_ms();
        let before = self.clock.monotonic();
        let (settings, outcome) = self.bench.trial(&order)?;
        let trial = Box::new(Trial {
            cell: cell.clone(),
            round: place.round,
            block: place.block,
            position: place.position,
            attempt,
            started_unix_ms,
            settings,
            outcome,
        });
        self.append(&Record::Trial(trial.clone()))?;
        // What was refused took no time and tells nothing of what others will take.
        if !is_unsupported(&trial) {
            let took = Nanos(self.clock.monotonic().0.saturating_sub(before.0));
            self.pace.took(cell, extended, took);
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
