//! What heavy instruments tell: copy audits, copying ceilings, profiles.

use model::audit::{Hook, Owner};
use model::{Audit, Cell, Measured};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Copies, ModelledSide};
use crate::categories::Category;
use crate::delivery::Unforeseen;
use crate::estimate::Estimate;

/// What the kernel copied in an audit trial of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CopyAudit {
    /// The cell's id.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// Payload bytes that the senders' calls accepted in the audit trial.
    pub accepted_bytes: u64,
    /// Copied in, passed by reference, copied at delivery, copied out.
    pub figures: Vec<CopyFigure>,
    /// What each kernel function moved for whom.
    pub functions: Vec<CopyFunction>,
}

/// One figure of a copy audit.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CopyFigure {
    /// `copied in`, `passed by reference`, `copied at delivery`, `copied out`.
    pub name: String,
    /// Times a payload byte.
    pub per_byte: Measured<f64>,
    /// What the kernel's source lets expect; null where nobody knows beforehand what delivery to another host does.
    pub expected: Option<f64>,
    /// How it was counted; absent where it was not.
    pub hook: Option<Hook>,
}

/// Bytes that one kernel function moved for one owner.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CopyFunction {
    /// The kernel function or tracepoint.
    pub function: String,
    /// In whose context it ran.
    pub owner: Owner,
    /// Calls.
    pub calls: u64,
    /// Bytes.
    pub bytes: u64,
    /// What counted it.
    pub hook: Measured<Hook>,
}

/// How fast the CPUs in use copy memory, by one routine at one working set.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CopyingCeiling {
    /// The routine: `memcpy`, `rep-movsb`.
    pub routine: String,
    /// Source and destination of a CPU together, in bytes.
    pub working_set_bytes: u64,
    /// CPUs while no other one copied.
    pub alone: Vec<CpuRate>,
    /// All CPUs in use at the same time, each in a working set of its own.
    pub together: Vec<CpuRate>,
    /// The sum over the CPUs of `together`, in Gbit/s.
    pub together_gbps: Measured<f64>,
}

/// How fast a CPU copied.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CpuRate {
    /// The CPU.
    pub cpu: u32,
    /// Bits copied a second, in Gbit/s (decimal).
    pub gbps: f64,
}

/// How near a side of a cell comes to the rate at which its CPUs can copy.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CeilingShare {
    /// The cell's id.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// Whose CPUs.
    pub side: ModelledSide,
    /// The CPUs, without repetition; all usable ones where workers were not pinned.
    pub cpus: Vec<u32>,
    /// Goodput in Gbit/s.
    pub goodput_gbps: Estimate,
    /// Copies a payload byte made on these CPUs, a path's own included; expected from the kernel's source until audited.
    pub copies: Copies,
    /// The fastest routine there.
    pub routine: String,
    /// The working set whose ceiling it is: the largest measured one that is no larger than the worker's own memory
    /// (the payload of its rings, or its receive buffer), else the smallest.
    pub working_set_bytes: u64,
    /// What these CPUs can copy, in Gbit/s. With a second copy out of a staging buffer: the harmonic mean of both
    /// copies' ceilings, the second one's at a working set no larger than a message. Where nothing is copied, what one copy
    /// a byte could reach.
    pub ceiling_gbps: f64,
    /// Goodput × copies over the ceiling, with the interval of goodput. 0 where nothing is copied, as zerocopy's on the
    /// sink: no copy limits that goodput, which may lie above the ceiling.
    pub share: Estimate,
}

/// A side of a cell without a share of the copying ceiling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NoCeilingShare {
    /// The cell.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// Which side.
    pub side: ModelledSide,
    /// Why.
    pub why: NoShare,
}

/// Why a side has no share of the copying ceiling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum NoShare {
    /// Its rings are of huge pages, and the ceiling is of normal ones.
    HugePages,
    /// Nobody knows how often its bytes are copied: delivery is not foreseen, and no audit counted it.
    Unforeseen {
        /// Why not.
        why: Unforeseen,
    },
}

/// A heavy instrument that was asked for and told nothing of any cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotAudited {
    /// The instrument.
    pub audit: Audit,
    /// Why, and what would give it.
    pub why: String,
}

/// On whose account CPU time was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BreakdownSide {
    /// The end that sends, softirqs that ran in its context included.
    Sender,
    /// The end that receives, likewise.
    Receiver,
    /// The sink's helper, likewise.
    Helper,
    /// Softirqs and interrupts that came upon an idle CPU or another process.
    Machine,
}

impl BreakdownSide {
    /// Its name for reading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
            Self::Helper => "sink’s helper",
            Self::Machine => "softirq elsewhere",
        }
    }
}

/// One category's part of a side.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CategoryShare {
    /// What was done.
    pub category: Category,
    /// Share of the busy samples.
    pub share: f64,
    /// CPU time per KiB of payload, in ns.
    pub cpu_ns_per_kib: Measured<f64>,
}

/// Where the CPU time of one cell went.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CpuBreakdown {
    /// The cell's id.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// What was sampled: `cycles`, or `cpu-clock` where there is no PMU.
    pub event: String,
    /// Version of the table of categories, docs/CATEGORIES.md.
    pub table_version: u32,
    /// All samples of the CPUs in use.
    pub samples: u64,
    /// Those of the ends, and of softirqs and interrupts that came upon an idle CPU or somebody else; shares are of these.
    pub busy_samples: u64,
    /// Samples of other processes outside softirq: no part of the busy ones.
    pub elsewhere_samples: u64,
    /// Samples that the kernel had to drop.
    pub lost: u64,
    /// Share of the CPUs' time that was idle: the idle samples; absent for `cycles`, which a halted CPU does not count.
    pub idle_share: Measured<f64>,
    /// Payload of the sampled time, in KiB.
    pub payload_kib: Measured<f64>,
    /// Sender, receiver (or the sink's helper), and what ran on nobody's behalf.
    pub sides: Vec<SideBreakdown>,
    /// The end of which no sample was taken, as it ran on the other host: absent is not 0, and shares are of the other end alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unwatched: Option<UnwatchedEnd>,
    /// The categories of all sides together, the largest first.
    pub categories: Vec<CategoryShare>,
    /// Share of the busy samples that the table has no category for.
    pub unmapped_share: f64,
    /// The functions behind them, the most frequent first; at most 10.
    pub unmapped_symbols: Vec<UnmappedSymbol>,
    /// File stem of its flame graph, in `figures`.
    pub flame_graph: String,
}

/// An end that the profile did not watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnwatchedEnd {
    /// Which one.
    pub side: BreakdownSide,
    /// Why, and what would watch it.
    pub why: String,
}

/// One side's part.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SideBreakdown {
    /// Whose.
    pub side: BreakdownSide,
    /// Share of the busy samples.
    pub share: f64,
    /// The part of it that ran in softirq, as a share of the busy samples.
    pub softirq_share: f64,
    /// CPU time per KiB of payload, in ns.
    pub cpu_ns_per_kib: Measured<f64>,
    /// Its categories, in the table's order; those without a sample are left out.
    pub categories: Vec<CategoryShare>,
    /// What the table has no category for, as a share of the busy samples.
    pub unmapped_share: f64,
}

/// A function that the table does not know.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct UnmappedSymbol {
    /// Its name.
    pub symbol: String,
    /// Share of the busy samples.
    pub share: f64,
}
