//! What was seen of a law, and what breaks it: values with their operands, which `report` puts into sentences.

use model::{Cell, Link, SendPath, Shared};
use schemars::JsonSchema;
use serde::Serialize;

use crate::copies::{NotCounted, Step};
use crate::delivery::Delivery;
use crate::estimate::Estimate;
use crate::findings::{BreakPoint, CeilingShare, CostModel, ModelledSide};
use crate::judged::JudgedTrial;
use crate::metric::Metric;
use crate::reason::Shown;

/// Why a law holds, is broken or stays open.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum LawReason {
    /// The run holds no record of what the law is about.
    NoRecord,
    /// One of its sources is absent.
    Absent {
        /// Which one.
        source: Source,
        /// Where; empty where it is absent everywhere.
        of: Vec<PathOnLink>,
        /// Why; empty where it was not asked for.
        why: String,
    },
    /// Records or figures were compared with the other source.
    Compared {
        /// How many.
        of: u32,
        /// How many of them differ from it.
        differ: u32,
    },
    /// How much there was of something.
    Count {
        /// Of what.
        of: Counted,
        /// How much.
        n: u64,
    },
    /// What the zero-copy completions of a link were marked.
    Completions {
        /// The link.
        link: Link,
        /// What is known beforehand of its delivery.
        delivery: Delivery,
        /// Trials in which some came.
        trials: u32,
        /// Trials in which they are not marked as the link lets expect.
        differ: u32,
        /// Zero-copy sends of these trials.
        sends: u64,
        /// Their completions.
        completions: u64,
        /// Those of them that are marked copied.
        copied: u64,
    },
    /// The side of a cell that comes nearest to what its CPUs can copy.
    Nearest {
        /// How near.
        share: Box<CeilingShare>,
    },
    /// Fitted lines of cost over size of which the same was seen.
    Lines {
        /// What.
        fit: Fit,
        /// How many.
        n: u32,
        /// How many were fitted.
        of: u32,
    },
    /// Lines that do not fit, as breaks that were named beforehand are shown.
    Breaks {
        /// The first of them.
        lines: Vec<BrokenLine>,
        /// How many more there are.
        more: u32,
    },
    /// Cells against their twins.
    Twins {
        /// In what.
        metric: Metric,
        /// The ratio.
        ratio: Estimate,
    },
    /// What equal cells differ by.
    NoiseFloor {
        /// As a share, either way.
        half_width: f64,
    },
    /// What a control costs against the path that it should cost as much as.
    Cost {
        /// The control.
        #[schemars(with = "String")]
        cell: Box<Cell>,
        /// The path that copies.
        #[schemars(with = "String")]
        against: Box<Cell>,
        /// The ratio of their costs per KiB.
        ratio: Estimate,
        /// The share that it may differ by.
        limit: f64,
        /// Whether it is shown to differ by no more.
        alike: Shown,
    },
    /// Audits have no count of a step that could be another figure than the expected one.
    StepNotCounted {
        /// The step.
        step: Step,
        /// Of what.
        of: Vec<PathOnLink>,
        /// Why.
        why: NotCounted,
    },
    /// Cells are shown to differ from their twins.
    TwinsDiffer {
        /// In what, most surely.
        metric: Metric,
        /// The ratio.
        ratio: Estimate,
    },
}

impl LawReason {
    /// A source that is absent everywhere.
    pub(super) fn absent(source: Source, why: impl Into<String>) -> Self {
        Self::Absent { source, of: Vec::new(), why: why.into() }
    }

    pub(super) fn compared(of: usize, differ: usize) -> Self {
        Self::Compared { of: whole(of), differ: whole(differ) }
    }
}

/// How many there are of something.
pub(super) fn whole(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A source of a law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The kernel's count of system calls.
    Calls,
    /// The same of the senders alone.
    SenderCalls,
    /// The same of the receivers alone.
    ReceiverCalls,
    /// The kernel's count of copied bytes.
    CopiedBytes,
    /// How long the CPUs were busy.
    BusyTime,
    /// The cycle counter.
    Cycles,
    /// The task clock.
    TaskClock,
    /// The CPU's frequency range.
    FrequencyRange,
    /// How fast the CPUs copy.
    CopyingRate,
    /// A fitted line of cost over size.
    Line,
    /// Intervals of the lines' coefficients.
    Intervals,
    /// A cell beside its twin.
    Twins,
    /// The cost of a path that copies in the control's blocks.
    CostOfCopy,
}

/// What was counted beside a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Counted {
    /// Trials whose bytes the sink's program counted.
    SinkTrials,
    /// Bytes whose content was compared with what was sent.
    CheckedBytes,
    /// System calls that were tallied.
    Calls,
    /// Completions that were taken from io_urings.
    RingCompletions,
    /// Zero-copy sends.
    Sends,
    /// Audit trials that the figures are of.
    AuditTrials,
    /// Trials whose CPUs have no lowest frequency to be compared with.
    NoLowestFrequency,
}

/// A path over a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct PathOnLink {
    /// The path.
    pub path: SendPath,
    /// The link.
    pub link: Link,
}

impl PathOnLink {
    pub(super) fn of(cell: &Cell) -> Self {
        Self { path: cell.send_path, link: cell.link }
    }
}

/// What was seen of fitted lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Both coefficients are shown to be above 0.
    AboveZero,
    /// A coefficient is shown to be below 0; each of them counts.
    BelowZero,
    /// They do not fit, and no break named beforehand is shown.
    Unexplained,
    /// They do not fit, and not every break named beforehand could be tested.
    Untestable,
}

/// A fitted line of cost over size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FittedLine {
    /// Whose CPU time.
    pub side: ModelledSide,
    /// The path.
    pub path: SendPath,
    /// What its cells share.
    pub shared: Shared,
}

impl FittedLine {
    pub(super) fn of(model: &CostModel) -> Self {
        Self { side: model.side, path: model.path, shared: model.shared.clone() }
    }
}

/// A fitted line with the breaks that are shown in it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct BrokenLine {
    /// The line.
    pub line: FittedLine,
    /// The breaks.
    pub at: Vec<BreakPoint>,
}

/// A record that breaks a law.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Breach {
    /// The record.
    pub record: BreachRecord,
    /// What is wrong with it.
    pub wrong: Wrong,
}

impl Breach {
    pub(super) fn of_trial(judged: &JudgedTrial, wrong: Wrong) -> Self {
        let (round, cell) = (judged.round, Cell::clone(&judged.cell));
        Self { record: BreachRecord::Trial { round, cell }, wrong }
    }

    pub(super) fn of_cell(cell: &Cell, wrong: Wrong) -> Self {
        Self { record: BreachRecord::Cell { cell: cell.clone() }, wrong }
    }
}

/// Where a law is broken.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum BreachRecord {
    /// In one trial.
    Trial {
        /// Its round.
        round: u32,
        /// Its cell.
        #[schemars(with = "String")]
        cell: Cell,
    },
    /// In an audit trial.
    Audit {
        /// Its cell.
        #[schemars(with = "String")]
        cell: Cell,
    },
    /// In all rounds of a cell together.
    Cell {
        /// The cell.
        #[schemars(with = "String")]
        cell: Cell,
    },
    /// In all rounds of the cells behind a fitted line.
    Line {
        /// The line.
        line: FittedLine,
    },
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Wrong {
    /// A figure is not what the other source has, or lies beyond the limit that it sets.
    Figure {
        /// The figure.
        figure: Figure,
        /// What it is.
        is: f64,
        /// What it should be, or its limit.
        should: f64,
    },
    /// A side copies faster than its CPUs can.
    Ceiling {
        /// By how much.
        share: Box<CeilingShare>,
    },
    /// A coefficient of a fitted line lies below 0.
    BelowZero {
        /// Whether it is the fixed cost of a message, not the cost of a byte.
        fixed: bool,
        /// ns.
        ns: Estimate,
    },
    /// A line does not fit.
    NoFit {
        /// p of "it fits", corrected over the run's lines.
        p: f64,
    },
    /// A cell differs from its twin.
    Twin,
    /// A control costs something else than the path that copies.
    Cost {
        /// That path.
        #[schemars(with = "String")]
        against: Box<Cell>,
        /// The ratio of their costs per KiB.
        ratio: Estimate,
    },
}

impl Wrong {
    pub(super) const fn figure(figure: Figure, is: f64, should: f64) -> Self {
        Self::Figure { figure, is, should }
    }
}

/// A figure that two sources have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// Bytes received; those accepted.
    ReceivedBytes,
    /// Bytes that the sink's program took in order, with packets beyond a gap; those accepted.
    SinkBytes {
        /// Packets beyond a gap.
        gaps: u64,
    },
    /// Bytes that are not what was sent; 0.
    ChangedBytes,
    /// Bytes of whole messages; those accepted.
    MessageBytes,
    /// Calls that the kernel saw; those tallied.
    Calls {
        /// Whose.
        who: Who,
        /// The call, as kernels name it.
        call: &'static str,
    },
    /// Entries that the kernel put into completion queues; those that were taken from them.
    RingCompletions {
        /// Whose.
        who: Who,
    },
    /// Completed ids; zero-copy sends.
    Completed,
    /// Ids completed twice or never sent; 0.
    StrayIds,
    /// Completions marked copied; as many as the link lets expect.
    MarkedCopied,
    /// Copies per byte; what the kernel's source lets expect.
    Copies {
        /// The step.
        step: Step,
    },
    /// ns that a CPU was busy; at most the time that it was watched.
    BusyNs {
        /// The CPU.
        cpu: u32,
    },
    /// ns of CPU that the ends used; at most the busy time of all CPUs.
    EndsCpuNs,
    /// ns of CPU that the ends used; at most the busy time of all CPUs less what they do with the ends idle.
    MachineNs,
    /// Hz that a side ran at; the limit of the CPU that it lies beyond.
    Hz {
        /// The side.
        side: ModelledSide,
    },
    /// Copying of both sides together, which share their CPUs, as a share of the ceiling; at most 1.
    CeilingOfBoth,
    /// Notifications and completed ids without the option; 0.
    Notifications,
}

/// Who made system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// The senders.
    Senders,
    /// The receivers.
    Receivers,
    /// The sink's helper.
    SinkHelper,
}
