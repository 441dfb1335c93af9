//! What is derived from the records beside figures and ratios: crossovers, models, data paths, links, audits and profiles, as
//! `summary.json` holds them.

use std::collections::BTreeMap;

use model::names::AckPlacement;
use model::{Cell, Contrast, Link, Measured, SendPath, Shared};
use schemars::JsonSchema;
use serde::Serialize;

use crate::delivery::Unforeseen;
use crate::estimate::Estimate;
use crate::metric::Metric;
use crate::oversubscribed::Oversubscribed;

mod audits;

pub use audits::{
    BreakdownSide, CategoryShare, CeilingShare, CopyAudit, CopyFigure, CopyFunction,
    CopyingCeiling, CpuBreakdown, CpuRate, NoCeilingShare, NoShare, NotAudited, SideBreakdown,
    UnmappedSymbol, UnwatchedEnd,
};

/// From which message size on one value of a contrast is better than the other, in one metric.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Crossover {
    /// What is compared.
    pub contrast: Contrast,
    /// What the cells share beside that and the size.
    pub shared: Shared,
    /// Whether more busy threads than usable CPUs stand behind it.
    pub oversubscribed: Oversubscribed,
    /// In what.
    pub metric: Metric,
    /// From where on.
    pub outcome: CrossoverOutcome,
    /// Message sizes measured, in bytes.
    pub sizes: Vec<u64>,
    /// Of these, sizes below or above the crossover at which it is unclear which value is better; none where the outcome is
    /// no crossover.
    pub unclear_sizes: Vec<u64>,
}

/// From which length on it costs less to pass a field by reference, all other fields being copied, than to copy it with them.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FieldThreshold {
    /// The path that passes it.
    pub path: SendPath,
    /// The path that copies all of the message, or does what the first one does where it copies all.
    pub against: SendPath,
    /// The link.
    pub link: Link,
    /// What the cells share beside path and message.
    pub shared: Shared,
    /// The other fields.
    pub others: Others,
    /// Whether more busy threads than usable CPUs stand behind it.
    pub oversubscribed: Oversubscribed,
    /// In what.
    pub metric: Metric,
    /// From which length on, in bytes of the field.
    pub outcome: CrossoverOutcome,
    /// Lengths of the field that were measured, in bytes.
    pub lengths: Vec<u64>,
    /// Of these, lengths below or above the threshold at which it is unclear which way is better; none where there is no threshold.
    pub unclear_lengths: Vec<u64>,
}

/// The fields of a message beside one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Others {
    /// Lengths in bytes of those before it.
    pub before: Vec<u64>,
    /// Of those after it.
    pub after: Vec<u64>,
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
    /// At every size up to one, or from one on, or both, it is shown to be better (or worse) and in between, or beyond,
    /// the intervals do not tell.
    Partly {
        /// Whether it is better there, else worse.
        is_better: bool,
        /// The largest size of those from the smallest on, in bytes.
        #[serde(skip_serializing_if = "Option::is_none")]
        up_to: Option<f64>,
        /// The smallest size of those up to the largest, in bytes.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<f64>,
    },
    /// The intervals do not tell, or the sign changes more than once.
    Undecided,
}

impl CrossoverOutcome {
    /// The same with the two values in each other's place. What begins to be better at a size is what the other one was up to
    /// there, so that *at* and *until* change places.
    #[must_use]
    pub const fn turned(self) -> Self {
        match self {
            Self::At { bytes, low, high } => Self::Until { bytes, low, high },
            Self::Until { bytes, low, high } => Self::At { bytes, low, high },
            Self::Bracket { low, high } => Self::UntilBracket { low, high },
            Self::UntilBracket { low, high } => Self::Bracket { low, high },
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Partly { is_better, up_to, from } => {
                Self::Partly { is_better: !is_better, up_to, from }
            }
            Self::Alike => Self::Alike,
            Self::Undecided => Self::Undecided,
        }
    }
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
    pub oversubscribed: Oversubscribed,
    /// a, in ns per message; absent below three sizes.
    pub per_message_ns: Measured<Estimate>,
    /// a of each round, for comparing two lines round by round.
    #[serde(skip)]
    pub per_message_by_round: BTreeMap<u32, f64>,
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
    /// The universal scalability law through the thread counts that are no more than the CPUs; absent below six of them.
    pub usl: Measured<Usl>,
}

/// The universal scalability law, C(N) = N / (1 + α(N − 1) + βN(N − 1)): a description of the curve, and no proof of what shapes it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Usl {
    /// α, called contention: what flattens the curve.
    pub contention: Estimate,
    /// β, called coherency: what makes it fall.
    pub coherency: Estimate,
    /// Thread counts that it was fitted to.
    pub thread_counts: u32,
    /// The largest distance of one of them from the curve, as a share: 0.1 is 10 %.
    pub off: f64,
    /// Threads at which the curve is highest; absent where it is not shown to fall, or beyond the threads measured.
    pub peak_threads: Measured<f64>,
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
    pub oversubscribed: Oversubscribed,
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

/// Copies a payload byte at delivery, or why they are not known.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum DeferredCopies {
    /// As the kernel's source, an audit or the completions have them.
    Known(Copies),
    /// Nobody knows them beforehand, and neither a completion nor an audit says them.
    NotKnown {
        /// Why.
        unforeseen: Unforeseen,
    },
}

impl DeferredCopies {
    /// The copies, where they are known.
    pub const fn value(&self) -> Option<&Copies> {
        match self {
            Self::Known(copies) => Some(copies),
            Self::NotKnown { .. } => None,
        }
    }
}

/// The data path of one send path and the receive path of its cell, as this run saw it.
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
    /// Copies a payload byte at delivery. Over another host's line they are what completions or an audit say, else why nobody
    /// knows them (`unforeseen`).
    pub copies_deferred: DeferredCopies,
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
    /// How many the kernel's source lets expect on this path and link; null where nobody knows that beforehand: then `per_byte` is
    /// the share of completions that are marked copied.
    pub expected: Option<f64>,
}

/// Zerocopy against sendmsg on one link, with one interval and placement of acknowledgements where the link is the sink.
///
/// The sink's figures are sender-side cost: they are laid beside another link's, never ranked against them.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LinkComparison {
    /// The link; null where an imported table does not tell it.
    #[serde(rename = "link")]
    pub stated_link: Option<Link>,
    /// The same, or the default that stands for it.
    #[serde(skip)]
    pub link: Link,
    /// What the cells share beside path, size and link: `threads=1 ack_placement=sender`.
    pub shared: Shared,
    /// Time between two acknowledgements, on the sink: `20us`.
    pub ack_interval: Option<String>,
    /// Whose CPU processes acknowledgements, on the sink.
    pub ack_placement: Option<AckPlacement>,
    /// The path that passes by reference.
    #[serde(skip)]
    pub path: SendPath,
    /// The one that copies.
    #[serde(skip)]
    pub against: SendPath,
    /// What is compared: CPU of both ends per KiB, or on the sink of the sender's side.
    pub metric: Metric,
    /// One entry a message size, ascending.
    pub points: Vec<LinkPoint>,
    /// From which size on zerocopy costs less.
    pub crossover: CrossoverOutcome,
    /// Whether more busy threads than usable CPUs stand behind it.
    pub oversubscribed: Oversubscribed,
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
    /// The link; null where an imported table does not tell it.
    #[serde(rename = "link")]
    pub stated_link: Option<Link>,
    /// The same, or the default that stands for it.
    #[serde(skip)]
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
    pub oversubscribed: Oversubscribed,
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
