//! What laws, answers and verdicts are drawn from: the records with their marks, and all that was derived before.

use std::collections::{BTreeMap, BTreeSet};

use model::audit::{Audited, Ceiling, RefusedAudit};
use model::host::Host;
use model::record::{Outcome, Record};
use model::{Audit, Cell, Link, Measured, Missing, Nanos, Plan, SendPath, saturating_sum};

use crate::estimate::Estimate;
use crate::estimate::Moments;
use crate::findings::{CostModel, CpuBreakdown, Crossover, NotAudited, Scaling};
use crate::judged::JudgedTrials;
use crate::line_rate::Line;
use crate::metric::Metric;
use crate::oversubscribed::Oversubscribed;
use crate::results::{CellEstimates, NoiseFloor, Ratio, RunFacts};
use crate::round_logs::{RoundLogs, difference};

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
    /// Those among a journal's records.
    pub(crate) fn among(records: &'a [Record]) -> Self {
        let mut audits = Self::default();
        for record in records {
            match record {
                Record::Audit(audited) => audits.audited.push(audited),
                Record::AuditRefused(refused) => audits.refused.push(refused),
                Record::Ceiling(ceiling) => audits.ceilings.push(ceiling),
                Record::Segment(_)
                | Record::Round(_)
                | Record::Trial(_)
                | Record::Finish(_)
                | Record::Imported(_) => {}
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

    /// What the audits took: their trials' times as ordered, and the copying ceilings.
    pub(crate) fn spent(&self) -> Nanos {
        let trial = |audited: &&Audited| {
            let of = &audited.settings;
            saturating_sum([of.warmup_ns.0, of.window_ns.0, of.tail_ns.0])
        };
        let trials = self.audited.iter().map(trial);
        let ceilings = self.ceilings.iter().map(|ceiling| ceiling.spent_ns.0);
        Nanos(saturating_sum(trials.chain(ceilings)))
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

    /// Whether an instrument was asked for, whatever it told.
    pub(crate) fn has_tried(&self, audit: Audit) -> bool {
        self.audited.iter().any(|audited| audited.audits.contains(&audit))
            || self.refused.iter().any(|refused| refused.audit == audit)
            || (audit == Audit::Ceiling && !self.ceilings.is_empty())
    }

    /// Why an instrument that was asked for told nothing of any cell: the last reason in the journal. None where it told
    /// something, and where it was not asked for.
    pub fn why_not_audited(&self, audit: Audit) -> Option<String> {
        self.refusal(audit).map(String::from)
    }

    /// The same with what would give it.
    pub(crate) fn refusal(&self, audit: Audit) -> Option<Missing> {
        let told = match audit {
            Audit::Ceiling => self.ceilings.iter().any(|ceiling| !ceiling.points.is_empty()),
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
        self.last_reason(audit, |of| of.is_none_or(|of| of == cell)).map(String::from)
    }

    /// What is missing where an instrument told nothing: the reason of one that was asked for, under this name, else `ask`.
    pub(crate) fn or_why(&self, audit: Audit, what: &str, ask: Missing) -> Missing {
        let Some(Missing { what: of, because, unlock, undo, command, .. }) = self.refusal(audit)
        else {
            return ask;
        };
        let because = match of.as_str() {
            "" => because,
            named if named == audit.name() => because,
            other => format!("{other}: {because}"),
        };
        Missing { what: what.to_owned(), because, unlock, undo, is_rounds: false, command }
    }

    /// The last reason of an instrument among those of cells that `is_about` takes; what holds for all cells has none.
    fn last_reason(
        &self,
        audit: Audit,
        is_about: impl Fn(Option<&Cell>) -> bool,
    ) -> Option<Missing> {
        let refusals = self.refused.iter().filter(|refused| refused.audit == audit);
        let refusals = refusals.map(|refused| {
            (refused.cell.as_ref(), refused.started_unix_ms, refused.refusal.clone())
        });
        let trials = self.audited.iter().filter(|audited| audited.audits.contains(&audit));
        let trials = trials.filter_map(|audited| {
            let why = why_nothing(audited, audit)?;
            Some((Some(&audited.cell), audited.started_unix_ms, Missing::from(why.to_owned())))
        });
        let ceilings =
            self.ceilings.iter().filter(|it| audit == Audit::Ceiling && it.points.is_empty());
        let ceilings =
            ceilings.map(|it| (None, it.started_unix_ms, Missing::from(NO_POINT.to_owned())));
        let reasons = refusals.chain(trials).chain(ceilings).filter(|(cell, _, _)| is_about(*cell));
        reasons.max_by_key(|(_, moment, _)| *moment).map(|(_, _, why)| why)
    }

    /// Each instrument that was asked for and told nothing of any cell, with the reason.
    pub fn not_audited(&self) -> Vec<NotAudited> {
        let reason =
            |audit: &Audit| Some(NotAudited { audit: *audit, why: self.why_not_audited(*audit)? });
        Audit::ALL.iter().filter_map(reason).collect()
    }
}

/// Why a copying ceiling that was measured tells nothing.
const NO_POINT: &str = "no working set of it was measured: no CPU was in use, or memory held none";

fn why_nothing(audited: &Audited, audit: Audit) -> Option<&str> {
    match &audited.outcome {
        Outcome::Failed(failure) => Some(&failure.why),
        Outcome::Finished(_) | Outcome::Imported(_) => audited.reason(audit),
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
    pub trials: &'a JudgedTrials,
    /// Each cell's figures round by round, from complete blocks.
    pub(crate) rounds: &'a RoundLogs<'a>,
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
    /// The line between two hosts, where there are two.
    pub line: Option<&'a Line>,
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

    /// The cells of a path that does what its name says, controls included.
    pub(crate) fn cells_of(&self, path: SendPath) -> impl Iterator<Item = &'a Cell> + use<'a> {
        let cells = self.estimates.iter().map(|estimates| &estimates.cell);
        cells.filter(move |cell| cell.send_path == path && cell.is_itself())
    }

    /// Those of one send path.
    pub(crate) fn asked_of(
        &self,
        path: SendPath,
    ) -> impl Iterator<Item = &'a CellEstimates> + use<'a> {
        self.asked().filter(move |estimates| estimates.cell.send_path == path)
    }

    /// Whether more threads than CPUs were busy in a cell.
    pub(crate) fn oversubscribed(&self, cell: &Cell) -> Oversubscribed {
        self.cell(cell).map_or(Oversubscribed::UNKNOWN, |estimates| estimates.oversubscribed)
    }

    /// A cell's entry.
    pub fn cell(&self, cell: &Cell) -> Option<&'a CellEstimates> {
        self.estimates.iter().find(|estimates| estimates.cell == *cell)
    }

    /// The logarithm of one figure of a cell, round by round, from complete blocks; also of goodput at line rate.
    pub(crate) fn logs_by_round(&self, cell: &Cell, metric: Metric) -> BTreeMap<u32, f64> {
        self.rounds.of_cell(cell, metric)
    }

    /// Whether two cells are both at line rate, so that this metric tells nothing of what they differ in.
    pub(crate) fn are_levelled(&self, metric: Metric, cell: &Cell, against: &Cell) -> bool {
        self.line.is_some_and(|line| line.levels(metric, cell, against))
    }

    /// The log-ratios of one cell against another, paired by round, from complete blocks; none of the goodput of two that are at
    /// line rate.
    pub(crate) fn paired(&self, cell: &Cell, against: &Cell, metric: Metric) -> Moments {
        if self.are_levelled(metric, cell, against) {
            return Moments::default();
        }
        self.rounds.paired(cell, against, metric)
    }

    /// The weighted sum of the logarithms of cells' figures, over the rounds that have all of them: products and quotients
    /// of several figures; none where the goodput of two cells that are at line rate is among them.
    pub(crate) fn combined(&self, terms: &[(f64, &Cell, Metric)]) -> Moments {
        let goodput = terms.iter().filter(|(.., metric)| *metric == Metric::GoodputGbps);
        let cells: BTreeSet<&Cell> = goodput.map(|(_, cell, _)| *cell).collect();
        if self.line.is_some_and(|line| cells.iter().filter(|cell| line.has(cell)).nth(1).is_some())
        {
            return Moments::default();
        }
        let logs = |(weight, cell, metric): &(f64, &Cell, Metric)| {
            (*weight, self.logs_by_round(cell, *metric))
        };
        difference(&terms.iter().map(logs).collect::<Vec<_>>())
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
