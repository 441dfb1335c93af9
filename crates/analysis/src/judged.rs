//! Every trial of a journal, judged once: its marks, its figures, and what laws and claims ask of it beside them.
//!
//! A journal of a day holds a million trials, of several kB each. What is kept here of one is about 1.4 KiB (`copycost report` of `--example long_run`), and the record is let go.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::record::{Load, Outcome, Trial};
use model::{Cell, Link, Mark, Measured, Thresholds};

use crate::figures::Reading;
use crate::marks::{is_void, judge};
use crate::metric::Metric;
use crate::pairs::{Log, Logs, RATIO_METRICS};
use crate::turn_noise::turn_rates;

mod facts;
mod interned;
mod trial_figures;

pub(crate) use facts::{BusyFacts, CycleFacts, FinishedFacts, Seating};
pub(crate) use interned::Interned;
pub(crate) use trial_figures::TrialFigures;

/// What is kept of a trial.
#[derive(Clone, Debug)]
pub struct JudgedTrial {
    /// What was measured.
    pub cell: Arc<Cell>,
    /// The round, from 1.
    pub round: u32,
    /// Its marks, void ones first.
    pub marks: Box<[Mark]>,
    pub(crate) outcome: Judged,
    pub(crate) figures: TrialFigures,
    /// Payload bytes a nanosecond that its receivers took, turn by turn; empty where it was measured steadily.
    pub(crate) turn_rates: Box<[f64]>,
    /// Of a series: whether it was to end with a steady window, the control.
    pub(crate) has_control: Option<bool>,
    /// What the usable CPUs did while its series lasted.
    pub(crate) load: Option<Arc<Load>>,
    /// Where its workers ran, and the memory that they used.
    pub(crate) seating: Arc<Seating>,
}

/// What came of a trial.
#[derive(Clone, Debug)]
pub(crate) enum Judged {
    /// Both ends finished and reported.
    Finished(Box<FinishedFacts>),
    /// It ended in an error.
    Failed,
    /// A table told of it.
    Imported,
}

impl JudgedTrial {
    /// What is kept of a trial that was read and judged.
    pub(crate) fn of(
        trial: &Trial,
        marks: Vec<Mark>,
        reading: &Reading<'_>,
        interned: &mut Interned,
    ) -> Self {
        let (outcome, load) = match &trial.outcome {
            Outcome::Finished(finished) => {
                let facts = FinishedFacts::of(finished, reading, interned);
                let load = finished.load_here().map(|load| interned.load(load));
                (Judged::Finished(Box::new(facts)), load)
            }
            Outcome::Failed(_) => (Judged::Failed, None),
            Outcome::Imported(_) => (Judged::Imported, None),
        };
        Self {
            cell: interned.cell(&trial.cell),
            round: trial.round,
            marks: marks.into_boxed_slice(),
            outcome,
            figures: TrialFigures::of_reading(reading, interned),
            turn_rates: turn_rates(trial).into_boxed_slice(),
            has_control: trial.settings.series.as_ref().map(|series| series.steady_ns.0 > 0),
            load,
            seating: interned.seating(&Seating::of(&trial.settings)),
        }
    }

    /// What both ends reported, void or not; none where the trial failed or was imported.
    pub(crate) fn finished(&self) -> Option<&FinishedFacts> {
        match &self.outcome {
            Judged::Finished(finished) => Some(finished),
            Judged::Failed | Judged::Imported => None,
        }
    }

    /// Whether it enters estimates.
    pub fn is_valid(&self) -> bool {
        !matches!(self.outcome, Judged::Failed) && !is_void(&self.marks)
    }

    /// Whether what differs between its cell and another one's was there in both: busy polling that did nothing is compared with
    /// none.
    pub(crate) fn differs_as_asked(&self, other: &Self) -> bool {
        let did_nothing = |judged: &Self| judged.marks.contains(&Mark::NoBusyPoll);
        self.cell.busy_poll == other.cell.busy_poll || !(did_nothing(self) || did_nothing(other))
    }

    /// One of its figures.
    pub fn value(&self, metric: Metric) -> Measured<f64> {
        match self.figures.of(metric) {
            Ok(value) => Measured::Value(value),
            Err(why) => Measured::absent(why),
        }
    }

    /// The logarithms of the figures of which ratios are formed.
    pub(crate) fn logs(&self) -> Logs {
        RATIO_METRICS.map(|metric| match self.figures.of(metric) {
            Ok(x) => Log::of(x),
            Err(_) => Log::Absent,
        })
    }
}

/// Judges the trials of a journal in its order.
#[derive(Clone, Debug)]
pub struct Judge {
    thresholds: Thresholds,
    round: u32,
    /// Cells of which an attempt in this round was valid.
    has_valid: HashSet<Cell>,
}

impl Judge {
    /// By these thresholds.
    pub fn new(thresholds: &Thresholds) -> Self {
        Self { thresholds: *thresholds, round: 0, has_valid: HashSet::new() }
    }

    /// The marks of the next trial.
    pub fn marks(&mut self, trial: &Trial) -> Vec<Mark> {
        if self.round != trial.round {
            self.round = trial.round;
            self.has_valid.clear();
        }
        let mut marks = judge(trial, &self.thresholds);
        if trial.attempt > 1 && self.has_valid.contains(&trial.cell) {
            // It is there because of what the earlier one measured: to prefer it would be a choice by outcome.
            marks.push(Mark::Repeated);
            marks.sort_unstable();
            marks.dedup();
        } else if is_void(&marks) {
            self.has_valid.remove(&trial.cell);
        } else {
            self.has_valid.insert(trial.cell.clone());
        }
        marks
    }
}

/// Every trial of a journal, judged, in its order; and by cell.
#[derive(Clone, Debug, Default)]
pub struct JudgedTrials {
    all: Vec<Arc<JudgedTrial>>,
    by_cell: HashMap<Arc<Cell>, Vec<usize>>,
}

impl JudgedTrials {
    /// Takes one more in, and tells its place.
    pub(crate) fn push(&mut self, judged: Arc<JudgedTrial>) -> usize {
        let place = self.all.len();
        self.by_cell.entry(Arc::clone(&judged.cell)).or_default().push(place);
        self.all.push(judged);
        place
    }

    /// The trials of one link.
    pub(crate) fn on(&self, link: Link) -> Self {
        let mut on_link = Self::default();
        for judged in self.all.iter().filter(|judged| judged.cell.link == link) {
            on_link.push(Arc::clone(judged));
        }
        on_link
    }

    /// Every trial, in the journal's order.
    pub fn all(&self) -> &[Arc<JudgedTrial>] {
        &self.all
    }

    /// A cell's trials, in the journal's order.
    pub fn of_cell<'a>(&'a self, cell: &Cell) -> impl Iterator<Item = &'a JudgedTrial> + use<'a> {
        let places = self.by_cell.get(cell).map_or(&[][..], Vec::as_slice);
        places.iter().map(|place| &*self.all[*place])
    }
}
