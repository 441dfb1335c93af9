//! A run's records, taken in one after the other: each trial is judged once, and of the record no more is kept than is asked later.

use model::Plan;
use model::host::Host;
use model::names::Watch;
use model::record::{FailureKind, FinishReason, Finished, Outcome, Record, Round, Trial};

use crate::cell_totals::CellTotals;
use crate::estimate::Moments;
use crate::evidence::AuditRecords;
use crate::figures::Reading;
use crate::judged::{Interned, Judge, JudgedTrial, JudgedTrials};
use crate::pairings::Places;
use crate::pairs::{Complete, Groups, Paired};
use crate::run_facts::RunTotals;
use crate::summarise::summary;
use crate::summary::Summary;
use crate::trends::Trends;

/// Why nothing is told of a line.
const LINE_NOT_RECORDED: &str =
    "the version of copycost that went on with this run did not record over which line";

/// What a run's records come to.
///
/// A trial of a cell that is not of the plan is counted among the run's trials and marks and enters nothing else. Time grows with
/// the number of records; memory with that of trials, by about 1.4 KiB each.
#[derive(Debug)]
pub struct JudgedRun {
    judge: Judge,
    interned: Interned,
    pub(crate) trials: JudgedTrials,
    pub(crate) places: Places,
    pub(crate) cells: Vec<CellTotals>,
    pub(crate) groups: Groups,
    pub(crate) run: RunTotals,
    trends: Trends,
    /// What heavy instruments told, in the journal's order.
    audits: Vec<Record>,
    /// The last round begun in this segment.
    round: Option<Round>,
    /// The highest round that the study left behind: another one began, or it finished by itself.
    pub(crate) whole_until: u32,
    pub(crate) edge_shares: Moments,
}

impl JudgedRun {
    /// No record of a plan's run yet.
    pub fn new(plan: &Plan) -> Self {
        let places = Places::new(plan);
        Self {
            judge: Judge::new(&plan.thresholds),
            interned: Interned::default(),
            trials: JudgedTrials::default(),
            cells: vec![CellTotals::new(); places.cells.len()],
            groups: Groups::new(places.blocks.iter().map(|(_, members)| members.clone()).collect()),
            places,
            run: RunTotals::default(),
            trends: Trends::default(),
            audits: Vec::new(),
            round: None,
            whole_until: 0,
            edge_shares: Moments::default(),
        }
    }

    /// All records of a plan's run, in the journal's order.
    pub fn of(plan: &Plan, records: &[Record]) -> Self {
        let mut run = Self::new(plan);
        records.iter().for_each(|record| run.push(record));
        run
    }

    /// Takes the next record in.
    pub fn push(&mut self, record: &Record) {
        match record {
            Record::Segment(segment) => {
                self.groups.begin_ends(false);
                self.round = None;
                self.run.segment(segment);
            }
            Record::Round(round) => {
                self.groups.begin_ends(true);
                self.whole_until = self.whole_until.max(round.round.saturating_sub(1));
                self.round = Some(round.clone());
                self.run.round();
            }
            Record::Finish(finish) => {
                let by_itself =
                    !matches!(finish.reason, FinishReason::Interrupted | FinishReason::Failed);
                self.groups.close(by_itself);
                if let (FinishReason::Precise | FinishReason::Rounds, Some(round)) =
                    (finish.reason, &self.round)
                {
                    self.whole_until = self.whole_until.max(round.round);
                }
                self.run.finish(finish);
            }
            Record::Trial(trial) => self.trial(trial),
            // Never timed.
            Record::Audit(_) | Record::AuditRefused(_) | Record::Ceiling(_) => {
                self.audits.push(record.clone());
            }
            Record::Imported(file) => self.run.imported.push((**file).clone()),
        }
    }

    fn trial(&mut self, trial: &Trial) {
        let marks = self.judge.marks(trial);
        // The idle baseline of a trial is that of the last round begun before it in its segment, if that is its own.
        let idle = self.round.as_ref().filter(|begun| begun.round == trial.round);
        let reading = Reading::new(trial, idle.map(|begun| &begun.idle));
        let judged = JudgedTrial::of(trial, marks, &reading, &mut self.interned);
        self.run.trial(trial, &judged.marks);
        let is_valid = judged.is_valid();
        if is_valid {
            self.trends.push(trial);
        }
        let cell = self.places.place(&trial.cell);
        if let Some(cell) = cell {
            self.cells[cell].push(trial, &judged);
        }
        let place = self.trials.push(judged.into());
        let Some(cell) = cell else {
            self.groups.close(true);
            return;
        };
        let is_unsupported = matches!(
            &trial.outcome,
            Outcome::Failed(failure) if failure.kind == FailureKind::Unsupported
        );
        self.groups.push(Paired {
            round: trial.round,
            block: self.places.block_of[cell],
            cell,
            trial: is_valid.then_some(place),
            is_unsupported,
        });
        if let (Outcome::Finished(finished), Watch::Cheap, true) =
            (&trial.outcome, trial.cell.watch, is_valid)
            && let Some(share) = edge_share(finished)
        {
            self.edge_shares.push(share);
        }
    }

    /// Every trial, judged, in the journal's order.
    pub fn trials(&self) -> &JudgedTrials {
        &self.trials
    }

    /// What heavy instruments told.
    pub fn audits(&self) -> AuditRecords<'_> {
        AuditRecords::among(&self.audits)
    }

    /// The machines, and of the line between them what holds for the whole run: `host.json` tells the first segment's.
    #[must_use]
    pub fn hosts(&self, host: Host) -> Host {
        if self.run.without_line == 0 { host } else { host.without_line(LINE_NOT_RECORDED) }
    }

    /// What was seen of cells within their series.
    pub(crate) fn trends(&self) -> &Trends {
        &self.trends
    }

    /// The complete blocks, by round and block.
    pub(crate) fn complete(&self) -> Vec<Complete> {
        self.groups.complete()
    }

    /// Everything that may be said of the run so far; `plan` is the one that it began with.
    ///
    /// Levels come from all valid trials of a cell; ratios from complete blocks only (see [`crate::pairs`]).
    pub fn summary(&self, plan: &Plan, host: &Host) -> Summary {
        summary(self, plan, host)
    }
}

/// The instruments' work at the window's edges as a share of both ends' CPU time in the window.
fn edge_share(finished: &Finished) -> Option<f64> {
    let workers = finished.sender.workers.iter().chain(&finished.receiver.workers);
    let cpu_ns = workers.map(|worker| worker.cpu_ns.0 as f64).sum::<f64>();
    let edge_ns = finished.sender.edge_ns.0 as f64 + finished.receiver.edge_ns.0 as f64;
    (cpu_ns > 0.0).then_some(edge_ns / cpu_ns)
}
