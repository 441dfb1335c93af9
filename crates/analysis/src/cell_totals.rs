//! What the trials of one cell add up to.

use std::collections::BTreeMap;

use model::record::{Finished, Imported, Outcome, Trial};
use model::{Cell, Link, Mark, Measured, Share};

use crate::common_spread::CommonSpread;
use crate::estimate::{Estimate, Moments, Sample};
use crate::figures::context_switches;
use crate::judged::JudgedTrial;
use crate::metric::{Metric, NO_RECEIVER, Scale};
use crate::oversubscribed::Oversubscribed;
use crate::release_latency::Held;
use crate::results::{CellEstimates, PaperRow};

/// Why a cell of an imported table has no quantile of single messages.
const NO_HISTOGRAM: &str =
    "it is told of all messages together, which a table of trials does not hold";

/// A sum that is absent as soon as a part of it is.
#[derive(Clone, Debug)]
struct Total(Result<u64, String>);

impl Total {
    fn add(&mut self, part: Result<u64, String>) {
        if let Ok(total) = &mut self.0 {
            match part {
                Ok(part) => *total = total.saturating_add(part),
                Err(why) => self.0 = Err(why),
            }
        }
    }
}

/// Figures of one metric, and why the first trial without one has none.
#[derive(Clone, Debug, Default)]
struct Figures {
    sample: Sample,
    why_not: Option<String>,
}

/// What the trials of one cell add up to.
#[derive(Clone, Debug)]
pub(crate) struct CellTotals {
    pub(crate) valid: u32,
    void: u32,
    /// Why trials were void, and how often.
    reasons: BTreeMap<String, u32>,
    figures: Vec<Figures>,
    /// Of goodput and the link's cost, rounds and the logarithm in each.
    levels: [Vec<(u32, f64)>; 2],
    /// How long the buffers of its messages were held.
    held: Held,
    marks: BTreeMap<Mark, u32>,
    /// Whether a trial was; none without a trial.
    oversubscribed: Option<Oversubscribed>,
    received_bytes: Total,
    /// Of imported trials, which may lack bytes or time: their goodput in Gbit/s.
    imported_gbps: Moments,
    /// Time of the windows: bytes over their rate, summed over trials.
    window_ns: f64,
    cycles: Total,
    cache_misses: Total,
    context_switches: Total,
}

/// Goodput, and the cost that decides on a link.
const fn deciding(link: Link) -> [Metric; 2] {
    [Metric::GoodputGbps, Metric::cost_on(link)]
}

/// How the levels of a run are judged.
pub(crate) struct LevelRule {
    /// Half-width within which a level is precise; none where the plan asks for no precision.
    pub(crate) limit: Option<Share>,
    /// By how much the run's drift widens intervals.
    pub(crate) widening: f64,
    /// What the cells' spreads of goodput and of the link's cost have in common.
    pub(crate) spreads: [Option<CommonSpread>; 2],
}

const NO_VALID_TRIAL: &str = "no valid trial";
const NOT_IN_ROW: &str = "the imported file does not tell it of every row";

impl CellTotals {
    pub(crate) fn new() -> Self {
        Self {
            valid: 0,
            void: 0,
            reasons: BTreeMap::new(),
            figures: vec![Figures::default(); Metric::ALL.len()],
            levels: Default::default(),
            held: Held::default(),
            marks: BTreeMap::new(),
            oversubscribed: None,
            received_bytes: Total(Ok(0)),
            imported_gbps: Moments::default(),
            window_ns: 0.0,
            cycles: Total(Ok(0)),
            cache_misses: Total(Ok(0)),
            context_switches: Total(Ok(0)),
        }
    }

    /// Takes a trial in, with what is kept of it.
    pub(crate) fn push(&mut self, trial: &Trial, judged: &JudgedTrial) {
        let (marks, figures) = (&*judged.marks, &judged.figures);
        let knows_cpus = match &trial.outcome {
            Outcome::Imported(imported) => imported.usable_cpus.is_some(),
            Outcome::Finished(_) | Outcome::Failed(_) => !trial.settings.usable_cpus.is_empty(),
        };
        let is_so = marks.contains(&Mark::Oversubscribed);
        let known = if is_so || knows_cpus { is_so.into() } else { Oversubscribed::UNKNOWN };
        self.oversubscribed = Some(match self.oversubscribed {
            Some(before) => Oversubscribed::any([before, known]),
            None => known,
        });
        if !judged.is_valid() {
            self.void(trial, marks);
            return;
        }
        self.valid += 1;
        for mark in marks {
            *self.marks.entry(*mark).or_insert(0) += 1;
        }
        for (metric, known) in Metric::ALL.iter().zip(&mut self.figures) {
            match figures.of(*metric) {
                Ok(x) => known.sample.push(x),
                Err(why) => {
                    known.why_not.get_or_insert_with(|| why.to_owned());
                }
            }
        }
        for (levels, metric) in self.levels.iter_mut().zip(deciding(trial.cell.link)) {
            if let Ok(x) = figures.of(metric)
                && x > 0.0
            {
                levels.push((trial.round, x.ln()));
            }
        }
        if let (Outcome::Finished(finished), Ok(_)) =
            (&trial.outcome, figures.of(Metric::ReleaseMaxUs))
            && let Some(releases) = &finished.sender.releases
        {
            self.held.push(releases);
        }
        let gbps = figures.of(Metric::GoodputGbps).ok();
        match &trial.outcome {
            Outcome::Finished(finished) => self.add_windows(trial.cell.link, finished, gbps),
            Outcome::Imported(imported) => self.add_imported(imported, gbps),
            Outcome::Failed(_) => {}
        }
    }

    fn void(&mut self, trial: &Trial, marks: &[Mark]) {
        self.void += 1;
        let reason = match (&trial.outcome, marks.first()) {
            (Outcome::Failed(failure), _) => failure.why.clone(),
            (Outcome::Finished(_) | Outcome::Imported(_), Some(mark)) => {
                format!("{mark}: {}", mark.meaning())
            }
            (Outcome::Finished(_) | Outcome::Imported(_), None) => "void".to_owned(),
        };
        *self.reasons.entry(reason).or_insert(0) += 1;
    }

    fn add_windows(&mut self, link: Link, finished: &Finished, gbps: Option<f64>) {
        let bytes = finished
            .receiver
            .workers
            .iter()
            .fold(0, |sum: u64, worker| sum.saturating_add(worker.bytes.0));
        // A window without a byte adds none, and its time through no rate: nothing was received at all.
        if let Some(gbps) = gbps {
            self.received_bytes.add(Ok(bytes));
            self.window_ns += bytes as f64 * 8.0 / gbps;
        }
        let (sending, taking) = (&finished.sender, &finished.receiver);
        let both =
            |a: &Measured<model::record::Count>, b: &Measured<model::record::Count>| match (a, b) {
                (Measured::Value(a), Measured::Value(b)) => Ok(a.count.saturating_add(b.count)),
                (Measured::Absent { absent }, _) | (_, Measured::Absent { absent }) => {
                    Err(absent.clone())
                }
            };
        if !link.has_receiver() {
            let none = || Err(NO_RECEIVER.to_owned());
            self.cycles.add(none());
            self.cache_misses.add(none());
            self.context_switches.add(none());
            return;
        }
        self.cycles.add(both(&sending.counters.cycles, &taking.counters.cycles));
        self.cache_misses.add(both(&sending.counters.cache_misses, &taking.counters.cache_misses));
        self.context_switches.add(
            context_switches(sending).and_then(|a| Ok(a.saturating_add(context_switches(taking)?))),
        );
    }

    /// The file's own totals, of whichever side it counted.
    fn add_imported(&mut self, imported: &Imported, gbps: Option<f64>) {
        let told = |total: Option<u64>| total.ok_or_else(|| NOT_IN_ROW.to_owned());
        if let Some(gbps) = gbps {
            self.imported_gbps.push(gbps);
            self.window_ns += imported.totals.bytes.unwrap_or(0) as f64 * 8.0 / gbps;
        }
        self.received_bytes.add(told(imported.totals.bytes));
        self.cycles.add(told(imported.totals.cycles));
        self.cache_misses.add(told(imported.totals.cache_misses));
        self.context_switches.add(told(imported.totals.context_switches));
    }

    /// The commonest reason why there is no valid trial, `untried` where there was none at all; none where there is a valid one.
    pub(crate) fn why_none(&self, untried: &str) -> Option<String> {
        let commonest =
            || self.reasons.iter().max_by_key(|(_, times)| **times).map(|(why, _)| why.clone());
        (self.valid == 0).then(|| commonest().unwrap_or_else(|| untried.to_owned()))
    }

    /// Rounds and the logarithm of goodput, and of the link's cost, in each.
    pub(crate) const fn levels(&self) -> &[Vec<(u32, f64)>; 2] {
        &self.levels
    }

    /// The logarithms of goodput and of the link's cost; none where a figure has none.
    pub(crate) fn logs(&self, link: Link) -> [Option<&Moments>; 2] {
        let of = |deciding: Metric| {
            let place = Metric::ALL.iter().position(|metric| *metric == deciding)?;
            self.figures.get(place)?.sample.logs()
        };
        deciding(link).map(of)
    }

    fn estimate(&self, metric: Metric, figures: &Figures, widening: f64) -> Measured<Estimate> {
        if let Some(pooled) = metric.pooled() {
            if !self.held.is_empty() {
                return self.held.estimate(pooled, widening).into();
            }
            if figures.sample.estimate(metric.scale()).is_some() {
                // A table has each trial's quantile, whose mean is not the quantile of all.
                return Measured::absent(NO_HISTOGRAM);
            }
        }
        match figures.sample.estimate_widened(metric.scale(), widening) {
            // Counts and shares are never below 0, and neither is what their interval says of them.
            Some(estimate) if metric.scale() == Scale::Linear => {
                Measured::Value(Estimate { low: estimate.low.map(|low| low.max(0.0)), ..estimate })
            }
            Some(estimate) => Measured::Value(estimate),
            None => Measured::absent(figures.why_not.as_deref().unwrap_or(NO_VALID_TRIAL)),
        }
    }

    /// The cell's entry in the summary.
    pub(crate) fn estimates(
        &self,
        cell: &Cell,
        control: bool,
        levels: &LevelRule,
    ) -> CellEstimates {
        let metrics: BTreeMap<Metric, Measured<Estimate>> = Metric::ALL
            .iter()
            .zip(&self.figures)
            .map(|(metric, figures)| (*metric, self.estimate(*metric, figures, levels.widening)))
            .collect();
        let precise = match levels.limit {
            Some(limit) => {
                let of = self.logs(cell.link).into_iter().zip(&levels.spreads);
                Measured::Value(
                    of.map(|(logs, spread)| {
                        let logs = logs?;
                        let half = match spread {
                            Some(spread) => spread.half_interval(logs)?,
                            None => logs.half_interval()?,
                        };
                        Some(half * levels.widening <= limit.0.ln_1p())
                    })
                    .all(|is_narrow| is_narrow == Some(true)),
                )
            }
            None => Measured::absent("the plan asks for no precision"),
        };
        CellEstimates {
            cell: cell.clone(),
            control,
            trials: self.valid,
            void_trials: self.void,
            oversubscribed: self.oversubscribed.unwrap_or(Oversubscribed::UNKNOWN),
            precise,
            metrics,
            marks: self.marks.clone(),
            timed_releases: self.held.times(),
            paper: self.paper_row(cell),
        }
    }

    /// Bytes over the time of the windows; where a row lacks its bytes the mean over rows.
    fn throughput_gbps(&self) -> Measured<f64> {
        match &self.received_bytes.0 {
            Ok(bytes) if self.window_ns > 0.0 => {
                Measured::Value(*bytes as f64 * 8.0 / self.window_ns)
            }
            Ok(_) | Err(_) if !self.imported_gbps.is_empty() => {
                Measured::Value(self.imported_gbps.mean())
            }
            Ok(_) | Err(_) => Measured::absent(NO_VALID_TRIAL),
        }
    }

    fn paper_row(&self, cell: &Cell) -> PaperRow {
        let of_valid = |total: &Total| match &total.0 {
            Ok(_) if self.valid == 0 => Measured::absent(NO_VALID_TRIAL),
            total => Measured::from(total.clone()),
        };
        PaperRow {
            implementation: cell.send_path.paper_name().unwrap_or(cell.send_path.name()).to_owned(),
            message_bytes: cell.message.bytes().0,
            threads: cell.threads.get(),
            total_bytes: of_valid(&self.received_bytes),
            throughput_gbps: self.throughput_gbps(),
            cycles: of_valid(&self.cycles),
            cache_misses: of_valid(&self.cache_misses),
            context_switches: of_valid(&self.context_switches),
        }
    }
}
