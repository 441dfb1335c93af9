//! What the study explains: crossovers, cost models, scaling, laws, answers and verdicts, as `summary.json` holds them.
//!
//! Reporters show these; none of them computes a figure, a verdict or a sentence's number of its own.

use model::audit::{Hook, Owner};
use model::names::AckPlacement;
use model::{Audit, Cell, Contrast, Link, Measured, Missing, SendPath, Shared};
use schemars::JsonSchema;
use serde::Serialize;

use crate::answers::Answer;
pub use crate::cpu_breakdown::{
    BreakdownSide, CategoryShare, CpuBreakdown, SideBreakdown, UnmappedSymbol,
};
pub use crate::laws::reason::{Breach, LawReason};
use crate::metric::Metric;
use crate::reason::{Part, Shown};
use crate::recommendation::Recommendation;
use crate::reference::{Caveat, Reference};
use crate::summary::Estimate;

/// From which message size on one value of a contrast is better than the other, in one metric.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Crossover {
    /// What is compared.
    pub contrast: Contrast,
    /// What the cells share beside that and the size.
    pub shared: Shared,
    /// Whether more busy threads than usable CPUs stand behind it.
    pub oversubscribed: bool,
    /// In what.
    pub metric: Metric,
    /// From where on.
    pub outcome: CrossoverOutcome,
    /// Message sizes measured, in bytes.
    pub sizes: Vec<u64>,
    /// Of these, sizes below or above the crossover at which neither path is shown to be better; none where the outcome
    /// is no crossover.
    pub untold: Vec<u64>,
}

/// From where on a path is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum CrossoverOutcome {
    /// From this size on, with its 95 % interval; sizes in bytes.
    At {
        /// Estimate.
        bytes: f64,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// Somewhere between two neighbouring sizes that are more than a factor of two apart.
    Bracket {
        /// The larger size at which it is not yet better.
        low: f64,
        /// The smaller size at which it is.
        high: f64,
    },
    /// At every size that was measured.
    Always,
    /// At none: it is worse at every size that was measured.
    Never,
    /// At every size that was measured the two lie within the plan's margin of each other.
    Alike,
    /// It was better at small sizes and is worse from here on.
    Until {
        /// Estimate, in bytes.
        bytes: f64,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// It was better at small sizes and is worse at large ones; where it stops being better lies between two sizes that
    /// are more than a factor of two apart.
    UntilBracket {
        /// The larger size at which it is still better.
        low: f64,
        /// The smaller size at which it no longer is.
        high: f64,
    },
    /// The intervals do not tell, or the sign changes more than once.
    Undecided,
}

/// A side whose CPU time is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ModelledSide {
    /// The senders.
    Sender,
    /// The receivers.
    Receiver,
}

impl ModelledSide {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        }
    }
}

/// CPU time per message = a + b·bytes.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CostModel {
    /// What the cells share beside path and size.
    pub shared: Shared,
    /// The path.
    pub path: SendPath,
    /// Whose CPU time.
    pub side: ModelledSide,
    /// Whether more busy threads than usable CPUs stand behind it.
    pub oversubscribed: bool,
    /// a, in ns per message; absent below three sizes.
    pub per_message_ns: Measured<Estimate>,
    /// b, in ns per byte.
    pub per_byte_ns: Measured<Estimate>,
    /// p of "the line fits" (lack-of-fit test), after Holm's correction over the run's lines; small: it does not.
    pub lack_of_fit_p: Measured<f64>,
    /// The break points named beforehand that lie in the range, each with its own test.
    pub breaks: Vec<BreakPoint>,
    /// Size in bytes, measured ns per message, fitted ns per message.
    pub points: Vec<[f64; 3]>,
}

/// A size at which the cost may change its slope or jump, named beforehand.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct BreakPoint {
    /// Why one is expected there: `segment size`, `17 fragments`, `32 KiB page fragments`, `GSO size`.
    pub name: String,
    /// Where, in bytes.
    pub bytes: f64,
    /// p of "no change there" after Holm's correction; absent where too few sizes surround it.
    pub p: Measured<f64>,
}

/// Speed-up over threads.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Scaling {
    /// What the cells share beside path and threads.
    pub shared: Shared,
    /// The path.
    pub path: SendPath,
    /// One entry a thread count, ascending.
    pub points: Vec<ScalingPoint>,
}

/// Speed-up at one thread count.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ScalingPoint {
    /// Threads a side.
    pub threads: u32,
    /// Goodput against the fewest threads; paired by round.
    pub speed_up: Measured<Estimate>,
    /// Speed-up over the ratio of threads: 1 is ideal.
    pub efficiency: Measured<Estimate>,
    /// More busy threads than usable CPUs.
    pub oversubscribed: bool,
}

/// A law of the design, checked on this run.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Law {
    /// Its number.
    pub id: u32,
    /// Whether it holds.
    pub state: LawState,
    /// What was seen, or why that is nothing; the first stands for all where there is no room.
    pub reasons: Vec<LawReason>,
    /// What would decide it; empty where it is decided.
    pub would_decide: Vec<Missing>,
    /// Records (or cells) that were compared.
    pub compared: u32,
    /// The records that break it, at most 20.
    pub broken_by: Vec<Breach>,
    /// How many more do.
    pub broken_by_more: u32,
    /// What the records of each link of the plan say of it by themselves; empty for laws that are not of single records.
    pub links: Vec<LawOnLink>,
}

/// What the records of one link say of a law.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LawOnLink {
    /// The link.
    pub link: Link,
    /// Whether the law holds there.
    pub state: LawState,
    /// What was seen, or what is missing.
    pub reasons: Vec<LawReason>,
    /// Records of this link that were compared.
    pub compared: u32,
}

/// Whether a law holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LawState {
    /// In every record.
    Holds,
    /// Not in all.
    Broken,
    /// Its sources are absent here.
    Undecidable,
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The records speak for it.
    Supported,
    /// The records speak against it.
    Refuted,
    /// The records cannot tell.
    Undecidable,
    /// This machine has not what the claim is about.
    NotApplicable,
}

/// A claim of the paper and what this run says of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Claim {
    /// `c1` … `c25`.
    pub id: String,
    /// What this run says.
    pub verdict: Verdict,
    /// Why: the parts of its argument as far as the records go, the deciding one last.
    pub parts: Vec<Part>,
    /// What it rests on.
    pub evidence: Vec<Reference>,
    /// What speaks against taking it further.
    pub caveats: Vec<Caveat>,
    /// What would decide it: instrument, privilege, hardware or another plan; empty where it is decided.
    pub would_decide: Vec<Missing>,
}

impl Claim {
    /// The part that decided it; none of a claim that nothing was measured for.
    pub fn deciding(&self) -> Option<&Part> {
        let no = self.parts.iter().find(|part| matches!(part.shown, Shown::No));
        no.or_else(|| self.parts.iter().find(|part| part.shown != Shown::Yes)).or(self.parts.last())
    }

    /// Whether it rests on intervals of too few rounds.
    pub fn is_preliminary(&self) -> bool {
        self.caveats.iter().any(|caveat| matches!(caveat, Caveat::Preliminary { .. }))
    }
}

/// Every trial of a cell, so that no mean hides them.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Trials {
    /// The cell's id.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// Goodput of each valid trial in Gbit/s, in order of rounds.
    pub goodput_gbps: Vec<f64>,
    /// CPU of both ends per KiB of each valid trial in ns (on the sink: of the sender's side); as many, or none.
    pub ends_cpu_ns_per_kib: Vec<f64>,
    /// Goodput of void trials.
    pub void_goodput_gbps: Vec<f64>,
    /// The same goodputs over the cell's estimate; absent where there is no estimate.
    pub relative: Measured<RelativeTrials>,
}

/// Trials of a cell over its estimate of goodput, which is 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct RelativeTrials {
    /// Each valid trial, in order of rounds.
    pub goodput: Vec<f64>,
    /// Each void trial.
    pub void_goodput: Vec<f64>,
    /// Lower and upper end of the estimate's 95 % interval; empty where it has none.
    pub interval: Vec<f64>,
}

/// The data path of one send path, as this run saw it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DataPath {
    /// The path.
    pub path: SendPath,
    /// The cell that the figures are of.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// Sending system calls per message.
    pub send_calls_per_message: Measured<f64>,
    /// Bytes copied by the path itself a payload byte (`staged`: 1).
    pub staged_copies: Measured<f64>,
    /// Copies a payload byte from user memory to the socket; expected from the kernel's source until audited.
    pub copies_in: Copies,
    /// Copies a payload byte at delivery on the same machine.
    pub copies_deferred: Copies,
    /// Copies a payload byte from the socket to the receiver.
    pub copies_out: Copies,
    /// Pages pinned per message: as an audit counted them, else derived, the pages spanned by the iovec of a path that passes
    /// them by reference.
    pub pages_pinned_per_message: Measured<f64>,
    /// Whether an audit counted them.
    pub pages_pinned_counted: bool,
    /// Notifications per message, and the share of completions that said "copied".
    pub notifications_per_message: Measured<f64>,
    /// Share of completions marked copied.
    pub copied_share: Measured<f64>,
}

/// Copies a payload byte.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Copies {
    /// How many.
    pub per_byte: f64,
    /// Whether an audit counted them; otherwise they are expected from the kernel's source.
    pub audited: bool,
    /// How many the kernel's source lets expect on this path and link.
    pub expected: f64,
}

/// Zerocopy against sendmsg on one link, with one interval and placement of acknowledgements where the link is the sink.
///
/// The sink's figures are sender-side cost: they are laid beside another link's, never ranked against them.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LinkComparison {
    /// The link.
    pub link: Link,
    /// What the cells share beside path, size and link: `threads=1 ack_placement=sender`.
    pub shared: Shared,
    /// Time between two acknowledgements, on the sink: `20us`.
    pub ack_interval: Option<String>,
    /// Whose CPU processes acknowledgements, on the sink.
    pub ack_placement: Option<AckPlacement>,
    /// What is compared: CPU of both ends per KiB, or on the sink of the sender's side.
    pub metric: Metric,
    /// One entry a message size, ascending.
    pub points: Vec<LinkPoint>,
    /// From which size on zerocopy costs less.
    pub crossover: CrossoverOutcome,
    /// Whether more busy threads than usable CPUs stand behind it.
    pub oversubscribed: bool,
}

/// Zerocopy against sendmsg at one size.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LinkPoint {
    /// Message size in bytes.
    pub message_bytes: u64,
    /// Its cost over sendmsg's, paired within rounds; below 1 it costs less.
    pub cost_ratio: Measured<Estimate>,
    /// The sending threads' CPU over sendmsg's.
    pub sender_cpu_ratio: Measured<Estimate>,
    /// Share of its completions marked copied.
    pub copied_share: Measured<f64>,
    /// Payload bytes per packet, sendmsg's and zerocopy's.
    pub bytes_per_packet: [Measured<f64>; 2],
    /// Share of TCP's busy time held back by the send buffer, sendmsg's and zerocopy's.
    pub send_buffer_limited: [Measured<f64>; 2],
}

/// When zerocopy costs less than sendmsg on a link; on the sink over all intervals and placements of acknowledgements.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LinkVerdict {
    /// The link.
    pub link: Link,
    /// What the comparisons share beside interval and placement.
    pub shared: Shared,
    /// From which size on zerocopy costs less, and in how many settings.
    pub outcomes: Vec<LinkOutcome>,
    /// Interval and placement combinations behind it; 1 on other links.
    pub settings: u32,
    /// The intervals of acknowledgements; empty on other links.
    pub ack_intervals: Vec<String>,
    /// Whose CPU processed acknowledgements; empty on other links.
    pub ack_placements: Vec<AckPlacement>,
    /// Whether more busy threads than CPUs stand behind it.
    pub oversubscribed: bool,
    /// The least and the largest share of its completions that were marked copied; absent where no completion came.
    pub copied: Measured<[f64; 2]>,
    /// Sizes and settings compared.
    pub points: u32,
    /// Those at which the send buffer held zerocopy back, and sendmsg less.
    pub held_back: u32,
    /// Why the two were compared nowhere; none where they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<String>,
    /// Smallest size in bytes from which on it may cost less, over all settings; absent where a setting has none.
    pub from_bytes: Measured<f64>,
    /// Largest one.
    pub to_bytes: Measured<f64>,
}

/// An outcome and the settings that have it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LinkOutcome {
    /// From which size on; of several settings the sizes between which all of their break-evens lie.
    pub outcome: CrossoverOutcome,
    /// How many settings.
    pub settings: u32,
}

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
    /// What the kernel's source lets expect.
    pub expected: f64,
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

/// Everything that explains a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Explained {
    /// From which size on a path is better.
    pub crossovers: Vec<Crossover>,
    /// CPU a message over size.
    pub cost_models: Vec<CostModel>,
    /// Goodput over threads.
    pub scaling: Vec<Scaling>,
    /// The laws, broken ones first.
    pub laws: Vec<Law>,
    /// Q0 to Q6.
    pub answers: Vec<Answer>,
    /// C1 to C25.
    pub claims: Vec<Claim>,
    /// Every trial.
    pub trials: Vec<Trials>,
    /// The data path of each send path on each link.
    pub data_paths: Vec<DataPath>,
    /// Zerocopy against sendmsg link by link.
    pub links: Vec<LinkComparison>,
    /// When zerocopy costs less, link by link.
    pub link_verdicts: Vec<LinkVerdict>,
    /// What the kernel copied, cell by cell.
    pub copy_audits: Vec<CopyAudit>,
    /// The run's answer: which path to use on each link, and by how much.
    pub recommendations: Vec<Recommendation>,
    /// Where the CPU time of each profiled cell went.
    pub breakdowns: Vec<CpuBreakdown>,
    /// Copying ceilings by working set and routine; empty where none was measured.
    pub ceilings: Vec<CopyingCeiling>,
    /// How near each cell comes to them, sender then receiver; on the sink, which has no receiver, the sender alone.
    pub ceiling_shares: Vec<CeilingShare>,
    /// Instruments that were asked for and told nothing of any cell.
    pub not_audited: Vec<NotAudited>,
}

/// A heavy instrument that was asked for and told nothing of any cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotAudited {
    /// The instrument.
    pub audit: Audit,
    /// Why, and what would give it.
    pub why: String,
}

impl Explained {
    /// Why an instrument that was asked for told nothing of any cell; none where it told something or was not asked for.
    pub fn why_not_audited(&self, audit: Audit) -> Option<&str> {
        self.not_audited.iter().find(|it| it.audit == audit).map(|it| it.why.as_str())
    }
}
