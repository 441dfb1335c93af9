//! What laws, answers and verdicts are drawn from: the records with their marks, and all that was derived before.

use std::collections::{BTreeMap, HashMap};

use model::audit::{Audited, Ceiling, RefusedAudit};
use model::host::Host;
use model::record::{CpuBusy, Finished, Outcome, Record, Trial};
use model::{Audit, Cell, Link, Mark, Measured, Plan};

use crate::estimate::Moments;
use crate::explained::{CostModel, CpuBreakdown, Crossover, NotAudited, Scaling};
use crate::figures;
use crate::marks::{is_void, judge};
use crate::metric::Metric;
use crate::summary::{CellEstimates, Estimate, NoiseFloor, Ratio, RunFacts};

/// A trial, what speaks against it, and the idle baseline of its round.
#[derive(Clone, Debug)]
pub struct JudgedTrial<'a> {
    /// The record.
    pub trial: &'a Trial,
    /// Its marks, void ones first.
    pub marks: Vec<Mark>,
    /// Busy time of the CPUs in use with both ends idle, where its round has one.
    pub idle: Option<&'a Measured<CpuBusy>>,
}

impl<'a> JudgedTrial<'a> {
    /// Both ends' reports, void or not; none where the trial failed.
    pub fn finished(&self) -> Option<&'a Finished> {
        match &self.trial.outcome {
            Outcome::Finished(finished) => Some(finished),
            Outcome::Failed(_) => None,
        }
    }

    /// Whether it enters estimates.
    pub fn is_valid(&self) -> bool {
        self.finished().is_some() && !is_void(&self.marks)
    }

    /// `round R, CELL`, as broken laws name it.
    pub fn name(&self) -> String {
        format!("round {}, {}", self.trial.round, self.trial.cell)
    }

    /// One of its figures.
    pub fn value(&self, metric: Metric) -> Measured<f64> {
        figures::value(metric, self.trial, self.idle)
    }
}

/// What heavy instruments told, in the journal's order.
#[derive(Clone, Debug, Default)]
pub struct AuditRecords<'a> {
    /// Audit trials.
    pub audited: Vec<&'a Audited>,
    /// Instruments that were asked for and could not be had.
    pub refused: Vec<&'a RefusedAudit>,
    /// Copying ceilings, one a segment.
    pub ceilings: Vec<&'a Ceiling>,
}

impl<'a> AuditRecords<'a> {
    /// Gathers them from a journal.
    pub fn new(records: &'a [Record]) -> Self {
        let mut audits = Self::default();
        for record in records {
            match record {
                Record::Audit(audited) => audits.audited.push(audited),
                Record::AuditRefused(refused) => audits.refused.push(refused),
                Record::Ceiling(ceiling) => audits.ceilings.push(ceiling),
                Record::Segment(_) | Record::Round(_) | Record::Trial(_) | Record::Finish(_) => {}
            }
        }
        audits
    }

    /// The audit trials of one link, and the refusals that are of it or of all.
    pub(crate) fn on(&self, link: Link) -> Self {
        let of_link = self.audited.iter().filter(|audited| audited.cell.link == link);
        let of_it =
            self.refused.iter().filter(|it| it.cell.as_ref().is_none_or(|of| of.link == link));
        Self {
            audited: of_link.copied().collect(),
            ceilings: self.ceilings.clone(),
            refused: of_it.copied().collect(),
        }
    }

    /// The last audit trial of a cell in which an instrument watched.
    pub fn of(&self, cell: &Cell, audit: Audit) -> Option<&'a Audited> {
        let watched =
            |audited: &&&Audited| audited.cell == *cell && audited.audits.contains(&audit);
        self.audited.iter().rev().find(watched).copied()
    }

    /// An instrument's audit trials; and whether each is its cell's last one, so that no later try replaced it.
    pub(crate) fn all_of(&self, audit: Audit) -> impl Iterator<Item = (&'a Audited, bool)> {
        let watched = self.audited.iter().filter(move |audited| audited.audits.contains(&audit));
        watched.map(move |audited| {
            let last = self.of(&audited.cell, audit);
            (*audited, last.is_some_and(|last| std::ptr::eq(last, *audited)))
        })
    }

    /// Why an instrument that was asked for told nothing of any cell: the last reason in the journal. None where it told
    /// something, and where it was not asked for.
    pub fn why_not_audited(&self, audit: Audit) -> Option<String> {
        let told = match audit {
            Audit::Ceiling => !self.ceilings.is_empty(),
            Audit::CopyAudit | Audit::Profile => {
                let mut trials = self.audited.iter().filter(|it| it.audits.contains(&audit));
                trials.any(|audited| why_nothing(audited, audit).is_none())
            }
        };
        if told { None } else { self.last_reason(audit, |_| true) }
    }

    /// Why an instrument that was asked for told nothing of a cell.
    pub fn why_cell_not_audited(&self, cell: &Cell, audit: Audit) -> Option<String> {
        if self.of(cell, audit).is_some_and(|audited| why_nothing(audited, audit).is_none()) {
            return None;
        }
        self.last_reason(audit, |of| of.is_none_or(|of| of == cell))
    }

    /// The last reason of an instrument among those of cells that `is_about` takes; what holds for all cells has none.
    fn last_reason(
        &self,
        audit: Audit,
        is_about: impl Fn(Option<&Cell>) -> bool,
    ) -> Option<String> {
        let refusals = self.refused.iter().filter(|refused| refused.audit == audit);
        let refusals = refusals.map(|refused| {
            (refused.cell.as_ref(), refused.started_unix_ms, refused.refusal.to_string())
        });
        let trials = self.audited.iter().filter(|audited| audited.audits.contains(&audit));
        let trials = trials.filter_map(|audited| {
            let why = why_nothing(audited, audit)?;
            Some((Some(&audited.cell), audited.started_unix_ms, why.to_owned()))
        });
        let reasons = refusals.chain(trials).filter(|(cell, _, _)| is_about(*cell));
        reasons.max_by_key(|(_, moment, _)| *moment).map(|(_, _, why)| why)
    }

    /// Each instrument that was asked for and told nothing of any cell, with the reason.
    pub fn not_audited(&self) -> Vec<NotAudited> {
        let reason =
            |audit: &Audit| Some(NotAudited { audit: *audit, why: self.why_not_audited(*audit)? });
        Audit::ALL.iter().filter_map(reason).collect()
    }
}

fn why_nothing(audited: &Audited, audit: Audit) -> Option<&str> {
    match &audited.outcome {
        Outcome::Failed(failure) => Some(&failure.why),
        Outcome::Finished(_) => audited.reason(audit),
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
    pub fn new(plan: &Plan, records: &'a [Record]) -> Self {
        let mut judged = Self::default();
        let mut round = None;
        for record in records {
            match record {
                Record::Round(begun) => round = Some(begun),
                Record::Segment(_) => round = None,
                Record::Finish(_)
                | Record::Audit(_)
                | Record::AuditRefused(_)
                | Record::Ceiling(_) => {}
                Record::Trial(trial) => {
                    let idle = round.filter(|begun| begun.round == trial.round);
                    judged.by_cell.entry(&trial.cell).or_default().push(judged.all.len());
                    judged.all.push(JudgedTrial {
                        trial,
                        marks: judge(trial, &plan.thresholds),
                        idle: idle.map(|begun| &begun.idle),
                    });
                }
            }
        }
        judged
    }

    /// The trials of one link.
    pub(crate) fn on(&self, link: Link) -> Self {
        let mut on_link = Self::default();
        for judged in self.all.iter().filter(|judged| judged.trial.cell.link == link) {
            on_link.by_cell.entry(&judged.trial.cell).or_default().push(on_link.all.len());
            on_link.all.push(judged.clone());
        }
        on_link
    }

    /// Every trial, in the journal's order.
    pub fn all(&self) -> &[JudgedTrial<'a>] {
        &self.all
    }

    /// A cell's trials, in the journal's order.
    pub fn of<'b>(
        &'b self,
        cell: &Cell,
    ) -> impl Iterator<Item = &'b JudgedTrial<'a>> + use<'a, 'b> {
        let places = self.by_cell.get(cell).map_or(&[][..], Vec::as_slice);
        places.iter().map(|place| &self.all[*place])
    }

    /// The logarithm of one figure of a cell, round by round: that of the last valid trial of each. Trials without the
    /// figure are left out; one whose figure is 0 or below leaves nothing, as the others alone would be a choice among
    /// the trials.
    pub fn logs_by_round(&self, cell: &Cell, metric: Metric) -> BTreeMap<u32, f64> {
        let mut logs = BTreeMap::new();
        for judged in self.of(cell).filter(|judged| judged.is_valid()) {
            match judged.value(metric) {
                Measured::Value(x) if x > 0.0 => {
                    logs.insert(judged.trial.round, x.ln());
                }
                Measured::Value(_) => return BTreeMap::new(),
                Measured::Absent { .. } => {}
            }
        }
        logs
    }

    /// The log-ratios of one cell against another, paired by round: for cells of different blocks, between which a
    /// machine's drift within a round does not cancel.
    pub fn paired(&self, cell: &Cell, against: &Cell, metric: Metric) -> Moments {
        let others = self.logs_by_round(against, metric);
        let mut moments = Moments::default();
        for (round, log) in self.logs_by_round(cell, metric) {
            if let Some(other) = others.get(&round) {
                moments.push(log - other);
            }
        }
        moments
    }
}

/// All that a law, an answer or a verdict may use.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What was asked.
    pub plan: &'a Plan,
    /// The machine.
    pub host: &'a Host,
    /// Every trial with its marks.
    pub trials: &'a JudgedTrials<'a>,
    /// What heavy instruments told.
    pub audits: &'a AuditRecords<'a>,
    /// Each cell's figures, controls included, in the plan's order.
    pub estimates: &'a [CellEstimates],
    /// Ratios of paths within blocks.
    pub ratios: &'a [Ratio],
    /// The run as a whole.
    pub run: &'a RunFacts,
    /// What equal cells differ by.
    pub noise_floor: &'a Measured<NoiseFloor>,
    /// From which size on a path is better.
    pub crossovers: &'a [Crossover],
    /// CPU a message over size.
    pub cost_models: &'a [CostModel],
    /// Goodput over threads.
    pub scaling: &'a [Scaling],
    /// Where the CPU time of each profiled cell went.
    pub breakdowns: &'a [CpuBreakdown],
}

impl<'a> Evidence<'a> {
    /// The cells that answer questions: of the plan, no controls.
    pub fn asked(&self) -> impl Iterator<Item = &'a CellEstimates> + use<'a> {
        self.estimates.iter().filter(|estimates| !estimates.control)
    }

    /// A cell's entry.
    pub fn cell(&self, cell: &Cell) -> Option<&'a CellEstimates> {
        self.estimates.iter().find(|estimates| estimates.cell == *cell)
    }

    /// A ratio between two cells of a block.
    pub fn ratio(&self, cell: &Cell, against: &Cell, metric: Metric) -> Option<&'a Ratio> {
        self.ratios.iter().find(|ratio| {
            ratio.metric == metric && ratio.cell == *cell && ratio.against == *against
        })
    }
}

/// A cell's estimate of one metric, if there is one.
pub(crate) fn figure(estimates: &CellEstimates, metric: Metric) -> Option<Estimate> {
    estimates.metrics.get(&metric).and_then(Measured::value).copied()
}
