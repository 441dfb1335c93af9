//! The figures of a run's cells and of the run as a whole.

use std::collections::BTreeMap;

use model::record::{FinishReason, ImportedFile};
use model::{Cell, Contrast, Factor, Link, Mark, Measured};
use schemars::JsonSchema;
use serde::Serialize;

use crate::drift::Drift;
use crate::estimate::{Estimate, half_width};
use crate::load::LoadFacts;
use crate::metric::Metric;
use crate::oversubscribed::Oversubscribed;
use crate::turn_noise::TurnNoise;

/// Why a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The interval of every ratio that the plan asks for is narrow enough; where it compares nothing, that of every level.
    Precise,
    /// The rounds asked for are done.
    Rounds,
    /// The time is spent.
    Time,
    /// A signal.
    Interrupted,
    /// An error that no trial can survive.
    Failed,
    /// Nothing says so: it was killed, or still goes on.
    Unfinished,
}

impl From<Option<FinishReason>> for Ending {
    fn from(reason: Option<FinishReason>) -> Self {
        match reason {
            Some(FinishReason::Precise) => Self::Precise,
            Some(FinishReason::Rounds) => Self::Rounds,
            Some(FinishReason::Time) => Self::Time,
            Some(FinishReason::Interrupted) => Self::Interrupted,
            Some(FinishReason::Failed) => Self::Failed,
            None => Self::Unfinished,
        }
    }
}

/// The run as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RunFacts {
    /// The plan's label.
    pub label: String,
    /// The preset it started from.
    pub preset: String,
    /// When it began, or was imported, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// Time spent measuring, all segments, in ns; absent where imported files do not tell how long their trials took.
    pub spent_ns: Measured<u64>,
    /// Segments: 1, or more where the run was resumed.
    pub segments: u32,
    /// Whole rounds over all blocks.
    pub rounds: u32,
    /// Whether there are too few rounds (fewer than 10) for the intervals to be trusted.
    pub preliminary: bool,
    /// Why it stopped.
    pub finish: Ending,
    /// The files that its trials were imported from; none where copycost measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imported: Vec<ImportedFile>,
    /// Factors that no column of the imported files tells: cells have copycost's defaults there, which says nothing of what
    /// was measured. None where copycost measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unstated: Vec<Factor>,
    /// Cells of the plan, without controls.
    pub cells: u32,
    /// Ratios of the plan's contrasts within blocks, each of goodput and of the link's cost.
    pub comparisons: u32,
    /// Those of which both intervals are as narrow as the plan asks; absent where it asks for no precision.
    pub precise_comparisons: Measured<u32>,
    /// Cells whose levels are precise ([`CellEstimates::precise`]); absent where the plan asks for no precision.
    pub precise_cells: Measured<u32>,
    /// How much levels of neighbouring rounds have in common, which widens the intervals of levels and of cost models.
    pub drift: Measured<Drift>,
    /// Where the noise of ratios of goodput lies, medians over blocks; absent where nothing was compared in turns.
    pub turn_noise: Measured<TurnNoise>,
    /// What else ran on the usable CPUs, and what it did to the intervals of ratios; absent where no series tells.
    pub load: Measured<LoadFacts>,
    /// Ids of the cells that are not precise.
    pub imprecise: Vec<String>,
    /// Cells without one valid trial, by id, with the commonest reason.
    pub without_valid_trial: BTreeMap<String, String>,
    /// Trials journalled, void ones included.
    pub trials: u32,
    /// Void trials.
    pub void_trials: u32,
    /// Noted trials, `oversubscribed` alone not counted.
    pub noted_trials: u32,
    /// What on the links' own devices copies what is passed by reference, link by link; none where nothing is known to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copying_devices: Vec<CopyingDevices>,
    /// The congestion control in effect, as the sockets say; more than one joined by commas.
    pub congestion: String,
    /// Where sending and receiving workers ran, in words.
    pub placement: String,
    /// CPUs that the ends could use; 0 where nobody knows, as of imported trials.
    pub usable_cpus: u32,
    /// The most resident memory of an end less its rings, in bytes.
    pub peak_rss_without_rings_bytes: Measured<u64>,
}

/// What on a link's own devices copies what is passed by reference, before anything is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CopyingDevices {
    /// The link.
    pub link: Link,
    /// Trials in which the sender's device had no scatter-gather.
    pub without_scatter_gather: u32,
    /// Trials in which a packet socket was shown every packet.
    pub tapped: u32,
    /// The most such sockets of one trial.
    pub packet_taps: u32,
}

impl RunFacts {
    /// Whether nobody knows how many CPUs the ends had, so that no cell can be told to be oversubscribed.
    pub fn knows_no_cpus(&self) -> bool {
        !self.imported.is_empty() && self.usable_cpus == 0
    }

    /// Whether it is known which value of a factor was measured.
    pub fn states(&self, factor: Factor) -> bool {
        !self.unstated.contains(&factor)
    }

    /// The link, where it is known.
    pub fn stated_link(&self, link: Link) -> Option<Link> {
        self.states(Factor::Link).then_some(link)
    }
}

/// A cell's figures.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CellEstimates {
    /// Its id.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// Whether it controls the method and answers no question.
    pub control: bool,
    /// Valid trials.
    pub trials: u32,
    /// Void attempts.
    pub void_trials: u32,
    /// Senders and receivers together against usable CPUs.
    pub oversubscribed: Oversubscribed,
    /// Whether the levels of goodput and of the link's cost are known to within the margin of equivalence, or where the plan
    /// compares nothing or asks for a coarser precision to within that; by a spread shrunk over cells. Absent where the plan
    /// asks for no precision.
    pub precise: Measured<bool>,
    /// Each metric's estimate, or why there is none.
    pub metrics: BTreeMap<Metric, Measured<Estimate>>,
    /// How many valid trials bear each mark.
    pub marks: BTreeMap<Mark, u32>,
    /// Messages whose release was timed, in all valid trials.
    #[serde(default, skip_serializing_if = "is_none_timed")]
    pub timed_releases: u64,
    /// Sums over the cell's valid windows, for `paper.csv`.
    pub paper: PaperRow,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_none_timed(timed: &u64) -> bool {
    *timed == 0
}

/// The paper's eight columns. Sums over all valid windows of a cell; throughput is their quotient.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PaperRow {
    /// `A1`, `A1'`, `A2`, `A3`.
    pub implementation: String,
    /// Message size in bytes.
    pub message_bytes: u64,
    /// Threads.
    pub threads: u32,
    /// Bytes received in all valid windows.
    pub total_bytes: Measured<u64>,
    /// Bytes over the time of the windows, in Gbit/s.
    pub throughput_gbps: Measured<f64>,
    /// Cycles of both ends; here and below, of imported trials those of whoever their file counted.
    pub cycles: Measured<u64>,
    /// Generic cache misses of both ends.
    pub cache_misses: Measured<u64>,
    /// Context switches of both ends.
    pub context_switches: Measured<u64>,
}

/// Two cells that differ in one contrast, within blocks.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Ratio {
    /// What differs between the two.
    pub contrast: Contrast,
    /// What the two cells share.
    pub block: String,
    /// The numerator's id.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// The denominator's id.
    #[schemars(with = "String")]
    pub against: Cell,
    /// Of what.
    pub metric: Metric,
    /// Geometric mean of the paired ratios and its interval; absent without a pair.
    pub ratio: Measured<Estimate>,
    /// The same without the highest and the lowest tenth of the ratios, which a stall in one round of ten moves little; no
    /// finding is made from it. Absent below ten pairs.
    pub trimmed: Measured<Estimate>,
    /// Two-sided p of "no difference", from the paired log-ratios; absent below two pairs.
    pub p: Measured<f64>,
    /// The same after Holm's correction over all ratios of this metric.
    pub p_holm: Measured<f64>,
    /// What may be said.
    pub finding: Finding,
}

impl Ratio {
    /// The trimmed ratio, where it and the mean disagree: either lies outside the other's interval, or the mean's interval is
    /// more than twice as wide.
    pub fn trimmed_apart(&self) -> Option<&Estimate> {
        let (mean, trimmed) = (self.ratio.value()?, self.trimmed.value()?);
        let is_in = |x: f64, of: &Estimate| Some(of.low? <= x && x <= of.high?);
        let wider = half_width(mean)?.ln_1p() / half_width(trimmed)?.ln_1p();
        let agree = is_in(mean.mean, trimmed)? && is_in(trimmed.mean, mean)? && wider <= 2.0;
        (!agree).then_some(trimmed)
    }
}

/// What may be said of a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// More, after correction.
    More,
    /// Less, after correction.
    Less,
    /// Equivalent within the margin (two one-sided tests).
    Equivalent,
    /// Neither shown.
    Undecided,
    /// Goodput of two cells that are both at line rate: it says nothing of what differs between them.
    AtLineRate,
}

impl Finding {
    /// The finding of the same ratio the other way round.
    #[must_use]
    pub const fn turned(self) -> Self {
        match self {
            Self::More => Self::Less,
            Self::Less => Self::More,
            Self::Equivalent => Self::Equivalent,
            Self::Undecided => Self::Undecided,
            Self::AtLineRate => Self::AtLineRate,
        }
    }
}

/// What equal cells differ by.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct NoiseFloor {
    /// Goodput of a cell against its twin within blocks.
    pub goodput: Estimate,
    /// CPU per KiB of both ends likewise.
    pub ends_cpu: Measured<Estimate>,
    /// Whose interval `half_width` is of: goodput, or the cost per KiB where twins are at line rate, as the line decides their
    /// goodput.
    pub metric: Metric,
    /// Half-width of that interval as a share: differences below it cannot be seen here.
    pub half_width: f64,
    /// Whether the twins are shown to be equivalent within the plan's margin. False is no sign of a difference where the
    /// half-width is above the margin: then nothing that small can be shown here.
    pub equivalent: bool,
}

impl NoiseFloor {
    /// Goodput of the twins, where it tells of the machine: none at line rate.
    pub fn telling_goodput(&self) -> Option<&Estimate> {
        (self.metric == Metric::GoodputGbps).then_some(&self.goodput)
    }

    /// The interval that `half_width` is of.
    pub fn told(&self) -> &Estimate {
        match self.telling_goodput() {
            Some(goodput) => goodput,
            None => self.ends_cpu.value().unwrap_or(&self.goodput),
        }
    }
}

/// What the cheap instruments cost.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct InstrumentCost {
    /// Time of their work at the window's edges, as a share of the workers' CPU time in the window; mean over trials.
    pub edge_share: Measured<f64>,
    /// CPU per KiB with them against without them, within blocks: 1.002 is 0.2 % more.
    pub ends_cpu_ratio: Measured<Estimate>,
    /// Goodput with them against without them.
    pub goodput_ratio: Measured<Estimate>,
}
