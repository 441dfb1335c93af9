//! The loop over rounds, and when it ends.

use std::collections::BTreeMap;

use analysis::round_order;
use engine::EngineError;
use journal::{JournalError, Writer};
use model::record::{Finish, FinishReason, Record, Segment};
use model::{Block, Bounds, Cell, Nanos, Plan, Turns, is_control};

use crate::bench::Bench;
use crate::clock::Clock;
use crate::error::StudyError;
use crate::event::{Event, FirstRound, OutOfTime};
use crate::forecast::forecast_rest;
use crate::pace::{InSeries, Pace};
use crate::progress::{Progress, saturating};
use crate::resume::{Position, position};

/// The most turns of warm-up, however long a cell goes on getting faster or slower.
const MOST_WARMUP_TURNS: u32 = 32;

/// One process's part of a run: everything that it needs to begin, or to go on.
pub struct Study<'a> {
    /// What to measure. On resume its budget, precision and rounds may differ from the earlier segments'.
    pub plan: &'a Plan,
    /// CPUs that the ends may use, and what the line between them carries: oversubscribed cells and slow lines get longer windows.
    pub bounds: Bounds,
    /// How this segment begins; its time is set when it does.
    pub segment: Segment,
    /// What the journal holds from earlier segments; empty for a new run.
    pub earlier: &'a [Record],
    /// Measures.
    pub bench: &'a mut dyn Bench,
    /// Keeps.
    pub journal: &'a mut Writer,
    /// Tells the time.
    pub clock: &'a dyn Clock,
    /// Is told what happens, while nothing is measured.
    pub events: &'a mut dyn FnMut(Event),
}

/// A study that has begun.
pub(crate) struct Running<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) bounds: Bounds,
    pub(crate) bench: &'a mut dyn Bench,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) progress: Progress,
    pub(crate) pace: Pace<'a>,
    /// The place of each block in the plan.
    places: BTreeMap<Block, usize>,
    journal: &'a mut Writer,
    pub(crate) events: &'a mut dyn FnMut(Event),
    started: Nanos,
    /// Whether the first round takes longer than the limit, which was told before, and is measured whole all the same.
    is_first_whole: bool,
    /// Blocks that were measured in this segment.
    measured: u32,
    /// What the first round is foreseen to take; none in a segment that does not begin with it.
    foreseen: Option<Nanos>,
    /// What is left of the first round.
    rest: InSeries,
}

/// Why the loop ends early.
pub(crate) enum Halt {
    Engine(EngineError),
    Journal(JournalError),
}

impl From<EngineError> for Halt {
    fn from(why: EngineError) -> Self {
        Self::Engine(why)
    }
}

impl From<JournalError> for Halt {
    fn from(why: JournalError) -> Self {
        Self::Journal(why)
    }
}

/// A block of a round that is to be measured.
pub(crate) struct Todo {
    /// Its place in the round's order, from 0.
    pub(crate) block: u32,
    /// Its name.
    pub(crate) name: Block,
    /// Its cells with their places in the block; those that cannot be measured here are left out.
    pub(crate) cells: Vec<(u32, Cell)>,
}

impl Study<'_> {
    /// Measures until the intervals are narrow, the rounds done, the time spent, or a signal comes; journals why.
    ///
    /// The rounds asked for are those of the whole run. `max_time` is a budget of this segment: a resumed run gets it
    /// anew. A block that would end later is not begun. The first round of a run gets as many turns as fit; where not even the
    /// fewest do, as [`Forecast::first_round_outlasts_limit`](crate::Forecast::first_round_outlasts_limit) tells before, it is
    /// measured whole, and otherwise it ends with the time on a machine that is slower than foreseen, after one block at least.
    ///
    /// # Errors
    /// The journal cannot be written, or the engine fails beyond single trials; what was journalled is kept.
    pub fn run(self) -> Result<FinishReason, StudyError> {
        let position = position(self.plan, self.earlier);
        let is_refused = |cell: &Cell| self.bench.refuses_cell(cell);
        let forecast = forecast_rest(self.plan, self.bounds, is_refused, self.earlier);
        let mut running = Running {
            plan: self.plan,
            bounds: self.bounds,
            progress: Progress::new(self.plan, self.earlier, position),
            pace: Pace::new(self.plan, self.bounds),
            places: (0..)
                .zip(self.plan.blocks())
                .map(|(place, (block, _))| (block, place))
                .collect(),
            started: self.clock.monotonic(),
            bench: self.bench,
            journal: self.journal,
            clock: self.clock,
            events: self.events,
            is_first_whole: forecast.first_round_outlasts_limit(),
            measured: 0,
            foreseen: (position == Position { round: 1, block: 0 }).then(|| forecast.first_round()),
            rest: InSeries::default(),
        };
        let started_unix_ms = running.clock.unix_ms();
        running.append(&Record::Segment(Segment { started_unix_ms, ..self.segment }))?;
        let ended = running.audits(self.earlier).and_then(|()| running.rounds(position));
        running.bench.end_round();
        match ended {
            Ok(reason) => running.finish(reason),
            Err(Halt::Engine(EngineError::Interrupted)) => {
                running.finish(FinishReason::Interrupted)
            }
            Err(Halt::Engine(why @ EngineError::Gone(_))) => {
                running.finish(FinishReason::Interrupted)?;
                Err(why.into())
            }
            Err(Halt::Engine(why)) => {
                running.finish(FinishReason::Failed)?;
                Err(why.into())
            }
            Err(Halt::Journal(why)) => {
                // A full disk may yet have room for so short a line; the error to tell is the first one.
                let _ = running.finish(FinishReason::Failed);
                Err(why.into())
            }
        }
    }
}

impl Running<'_> {
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        self.journal.append(record)
    }

    pub(crate) fn emit(&mut self, event: Event) {
        (self.events)(event);
    }

    fn elapsed(&self) -> Nanos {
        Nanos(self.clock.monotonic().0.saturating_sub(self.started.0))
    }

    fn finish(&mut self, reason: FinishReason) -> Result<FinishReason, StudyError> {
        let spent_ns = self.elapsed();
        self.append(&Record::Finish(Finish { reason, spent_ns }))?;
        self.emit(Event::Finished(reason));
        Ok(reason)
    }

    fn rounds(&mut self, mut position: Position) -> Result<FinishReason, Halt> {
        loop {
            if let Some(reason) = self.is_enough() {
                return Ok(reason);
            }
            let todo = self.todo(position);
            let round = position.round;
            let begun = self.elapsed();
            if let Some(first) = todo.first() {
                if !self.fits(round, first) {
                    self.emit_out_of_time(round, &todo);
                    return Ok(FinishReason::Time);
                }
                if !self.round(position.round, &todo)? {
                    return Ok(FinishReason::Time);
                }
            } else if position.block == 0 {
                return self.nothing_to_do();
            }
            self.progress.end_round();
            let took = Nanos(self.elapsed().0.saturating_sub(begun.0));
            // A round that was begun in the middle tells nothing of a whole one.
            if position.block == 0 {
                self.pace.round_took(took);
            }
            let first = self.foreseen.take().map(|foreseen| FirstRound { took, foreseen });
            self.emit_round_end(position.round, first);
            position = Position { round: position.round.saturating_add(1), block: 0 };
        }
    }

    /// Whether the run is over at the end of a round.
    fn is_enough(&self) -> Option<FinishReason> {
        if let Some(rounds) = self.plan.measure.rounds {
            return (self.progress.rounds() >= rounds).then_some(FinishReason::Rounds);
        }
        self.progress.is_precise().then_some(FinishReason::Precise)
    }

    /// The blocks of a round that are still to be measured, in order.
    fn todo(&self, position: Position) -> Vec<Todo> {
        let order = round_order(self.plan, position.round);
        let rest = (0_u32..).zip(order).filter(|(block, _)| *block >= position.block);
        let needed = rest.filter(|(_, (_, cells))| !self.progress.may_skip(cells));
        let supported = needed.map(|(block, (name, cells))| {
            let cells =
                (0_u32..).zip(cells).filter(|(_, cell)| !self.progress.is_unsupported(cell));
            Todo { block, name, cells: cells.collect() }
        });
        supported.filter(|todo| !todo.cells.is_empty()).collect()
    }

    /// A whole round in which no block is left: nothing can be measured here.
    fn nothing_to_do(&self) -> Result<FinishReason, Halt> {
        if self.progress.precise_cells() > 0 {
            return Ok(FinishReason::Precise);
        }
        let why =
            "no cell of this plan can be measured on this machine; `copycost probe` tells why"
                .to_owned();
        Err(Halt::Engine(EngineError::Unsupported(why)))
    }

    fn fits(&self, round: u32, todo: &Todo) -> bool {
        if self.progress.rounds() == 0 && (self.is_first_whole || self.measured == 0) {
            return true;
        }
        self.pace.fits(self.elapsed(), self.expected(round, todo))
    }

    /// What a block will take.
    fn expected(&self, round: u32, todo: &Todo) -> Nanos {
        let cells = self.measurable_cells(todo);
        let turns = self.turns(round, &todo.name, &cells);
        let expected = self.pace.expected(&todo.name, &cells, turns.as_ref());
        if self.progress.rounds() > 0 {
            return expected;
        }
        // Nothing is known of this block yet but how slow the others were.
        Nanos::from_secs_f64(expected.as_secs_f64() * self.pace.slowness())
    }

    /// Tells that the first of these blocks, which are left of a round, does not fit.
    fn emit_out_of_time(&mut self, round: u32, left: &[Todo]) {
        let expected = left.iter().map(|todo| self.expected(round, todo).0);
        let left = Nanos(expected.fold(0, u64::saturating_add));
        let (blocks, elapsed, foreseen) = (self.measured, self.elapsed(), self.foreseen);
        self.emit(Event::OutOfTime(OutOfTime { round, blocks, elapsed, left, foreseen }));
    }

    /// Whether a further attempt may be begun.
    pub(crate) fn has_time(&self) -> bool {
        (self.progress.rounds() == 0 && self.is_first_whole)
            || self.pace.fits(self.elapsed(), Nanos(0))
    }

    /// What a block takes in a round, before its turns are fewer for anything's sake.
    fn in_series(&self, round: u32, todo: &Todo) -> InSeries {
        let cells = self.measurable_cells(todo);
        let place = self.places.get(&todo.name).copied().unwrap_or(0);
        let turns = self.plan.turns(&cells, self.bounds, is_control(round, place));
        let Some(turns) = turns else {
            let beside = self.pace.expected(&todo.name, &cells, None);
            return InSeries { beside, turns: Nanos(0) };
        };
        let (whole, beside) = (turns.lasts(cells.len()), turns.beside(cells.len()));
        if self.plan.measure.turns.is_some() {
            return InSeries { beside: whole, turns: Nanos(0) };
        }
        InSeries { beside, turns: Nanos(whole.0.saturating_sub(beside.0)) }
    }

    /// How a block's cells take turns in a round: as many as the plan says, or as what is known of its noise calls for.
    pub(crate) fn turns(&self, round: u32, block: &Block, cells: &[Cell]) -> Option<Turns> {
        let place = self.places.get(block).copied().unwrap_or(0);
        let mut turns = self.plan.turns(cells, self.bounds, is_control(round, place))?;
        let warmup = self.progress.warmup_turns(cells).unwrap_or(turns.warmup_turns);
        turns.warmup_turns = warmup.clamp(turns.warmup_turns, MOST_WARMUP_TURNS);
        if self.plan.measure.turns.is_some() {
            return Some(turns);
        }
        let noise = self.progress.turn_noise(cells);
        let tuned = self.pace.tuned(turns, block, cells.len(), noise.as_ref(), self.places.len());
        let is_first = self.progress.rounds() == 0;
        Some(if is_first {
            self.pace.cut(tuned, turns.turns, self.rest, self.elapsed())
        } else {
            tuned
        })
    }

    /// Measures a round's blocks; false where the time does not suffice for all of them.
    fn round(&mut self, round: u32, todo: &[Todo]) -> Result<bool, Halt> {
        let trials = todo.iter().map(|todo| self.measurable(todo)).sum();
        let blocks = saturating(todo.len());
        let elapsed = self.elapsed();
        self.emit(Event::RoundStarted { round, blocks, trials, elapsed });
        self.start_ends(round)?;
        let mut restarted = false;
        let mut done = 0;
        let is_first = self.progress.rounds() == 0;
        let parts =
            if is_first { todo } else { &[] }.iter().map(|todo| self.in_series(round, todo));
        let parts: Vec<InSeries> = parts.collect();
        self.rest = parts.iter().copied().fold(InSeries::default(), InSeries::and);
        for (number, one) in todo.iter().enumerate() {
            if !self.fits(round, one) {
                self.emit_out_of_time(round, todo.get(number..).unwrap_or_default());
                return Ok(false);
            }
            match self.block(round, one, done, trials) {
                Err(Halt::Engine(EngineError::Ends(why))) if !restarted => {
                    restarted = true;
                    self.emit(Event::Warning(format!(
                        "{why}; both ends are started again, and the block in hand is measured again"
                    )));
                    self.bench.end_round();
                    self.start_ends(round)?;
                    self.block(round, one, done, trials)?;
                }
                other => other?,
            }
            self.measured += u32::from(self.measurable(one) > 0);
            self.rest = self.rest.without(parts.get(number).copied().unwrap_or_default());
            done += self.measurable(one);
        }
        self.bench.end_round();
        Ok(true)
    }

    fn emit_round_end(&mut self, round: u32, first: Option<FirstRound>) {
        let elapsed = self.elapsed();
        let widest = self.progress.widest();
        let left = self.pace.left(round, widest.as_ref().map(|widest| widest.half_width), elapsed);
        let (precise, cells) = (self.progress.precise_cells(), self.progress.cells());
        let ratios = self.progress.narrow_ratios();
        self.emit(Event::RoundEnded {
            round,
            widest,
            ratios,
            precise,
            cells,
            elapsed,
            first,
            left,
        });
    }
}
