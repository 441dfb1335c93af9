//! Every trial of a journal, judged once: its marks, its figures, and the idle baseline of its round.

use std::collections::{HashMap, HashSet};

use model::record::{Finished, Outcome, Record, Trial};
use model::{Cell, Link, Mark, Measured, Plan, Thresholds};

use crate::figures::Reading;
use crate::marks::{is_void, judge};
use crate::metric::Metric;
use crate::pairs::{Log, Logs, RATIO_METRICS};

/// A trial, what speaks against it, and its figures.
#[derive(Clone, Debug)]
pub struct JudgedTrial<'a> {
    /// The record.
    pub trial: &'a Trial,
    /// Its marks, void ones first.
    pub marks: Vec<Mark>,
    /// Its figures, with the idle baseline of its round where that has one.
    pub reading: Reading<'a>,
}

impl<'a> JudgedTrial<'a> {
    /// Both ends' reports, void or not; none where the trial failed or was imported.
    pub fn finished(&self) -> Option<&'a Finished> {
        match &self.trial.outcome {
            Outcome::Finished(finished) => Some(finished),
            Outcome::Failed(_) | Outcome::Imported(_) => None,
        }
    }

    /// Whether it enters estimates.
    pub fn is_valid(&self) -> bool {
        !matches!(self.trial.outcome, Outcome::Failed(_)) && !is_void(&self.marks)
    }

    /// One of its figures.
    pub fn value(&self, metric: Metric) -> Measured<f64> {
        self.reading.value(metric)
    }

    /// The logarithms of the figures of which ratios are formed.
    pub(crate) fn logs(&self) -> Logs {
        RATIO_METRICS.map(|metric| match self.value(metric) {
            Measured::Value(x) => Log::of(x),
            Measured::Absent { .. } => Log::Absent,
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
pub struct JudgedTrials<'a> {
    all: Vec<JudgedTrial<'a>>,
    by_cell: HashMap<&'a Cell, Vec<usize>>,
}

impl<'a> JudgedTrials<'a> {
    /// Judges every trial of a journal by the plan's thresholds.
    ///
    /// The idle baseline of a trial is that of the last round begun before it in its segment, if that is the trial's own.
    pub fn new(plan: &Plan, records: &'a [Record]) -> Self {
        let mut judged = Self::default();
        let mut round = None;
        let mut judge = Judge::new(&plan.thresholds);
        for record in records {
            match record {
                Record::Round(begun) => round = Some(begun),
                Record::Segment(_) => round = None,
                Record::Finish(_)
                | Record::Audit(_)
                | Record::AuditRefused(_)
                | Record::Ceiling(_)
                | Record::Imported(_) => {}
                Record::Trial(trial) => {
                    let idle = round.filter(|begun| begun.round == trial.round);
                    judged.push(JudgedTrial {
                        trial,
                        marks: judge.marks(trial),
                        reading: Reading::new(trial, idle.map(|begun| &begun.idle)),
                    });
                }
            }
        }
        judged
    }

    fn push(&mut self, judged: JudgedTrial<'a>) {
        self.by_cell.entry(&judged.trial.cell).or_default().push(self.all.len());
        self.all.push(judged);
    }

    /// The trials of one link.
    pub(crate) fn on(&self, link: Link) -> Self {
        let mut on_link = Self::default();
        let of_link = self.all.iter().filter(|judged| judged.trial.cell.link == link);
        of_link.for_each(|judged| on_link.push(judged.clone()));
        on_link
    }

    /// Every trial, in the journal's order.
    pub fn all(&self) -> &[JudgedTrial<'a>] {
        &self.all
    }

    /// A cell's trials, in the journal's order.
    pub fn of_cell<'b>(
        &'b self,
        cell: &Cell,
    ) -> impl Iterator<Item = &'b JudgedTrial<'a>> + use<'a, 'b> {
        let places = self.by_cell.get(cell).map_or(&[][..], Vec::as_slice);
        places.iter().map(|place| &self.all[*place])
    }
}
