//! A trial: what was measured, under which settings, and what came of it.

use serde::{Deserialize, Serialize};

use super::imported::Imported;
use super::link::{LinkFacts, SinkFacts};
use super::machine::{Load, Machine, MemoryTraffic};
use super::side::Side;
use super::tallies::{ReceiveTally, SendTally};
use crate::cell::Cell;
use crate::measured::Measured;
use crate::units::{Bytes, Nanos};

/// One timed measurement of one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// What was measured.
    pub cell: Cell,
    /// The round, from 1.
    pub round: u32,
    /// Place of the block in its round, from 0.
    pub block: u32,
    /// Place of the cell in its block, from 0.
    pub position: u32,
    /// 1, or more where earlier attempts were void.
    pub attempt: u32,
    /// When, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// What was set, in effect; of an imported trial nobody knows it.
    #[serde(default, skip_serializing_if = "Settings::is_unknown")]
    pub settings: Settings,
    /// What came of it.
    pub outcome: Outcome,
}

/// The effective settings of a trial; the default stands for unknown ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The window ordered; of a series the sum of its slices' windows.
    pub window_ns: Nanos,
    /// The warm-up before it.
    pub warmup_ns: Nanos,
    /// The senders' tail after it; without a common clock it lasts until the receiving end has seen its window end.
    pub tail_ns: Nanos,
    /// Whether the warm-up was extended because an earlier attempt had not settled: versions before turns did so.
    #[serde(default)]
    pub extended: bool,
    /// CPUs that the ends may use; where they run on two hosts, the sending end.
    pub usable_cpus: Vec<u32>,
    /// CPUs that the receiving end may use, where its host is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver_usable_cpus: Option<Vec<u32>>,
    /// CPU of each sending worker, empty where not pinned.
    pub sender_cpus: Vec<u32>,
    /// CPU of each receiving worker, empty where not pinned.
    pub receiver_cpus: Vec<u32>,
    /// Slots of each flow's ring.
    pub ring_slots: u32,
    /// Bytes from one slot to the next.
    pub slot_bytes: Bytes,
    /// Bytes that a receive call asks for.
    pub receive_buffer_bytes: Bytes,
    /// The filesystem of the file that the rings lie in; none where they lie in memory alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_filesystem: Option<String>,
    /// How the cells of its block took turns; absent where the trial was one steady window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesSettings>,
}

impl Settings {
    /// Whether nothing is known of them: no trial is measured in no time.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// How the cells of a block took turns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesSettings {
    /// From the beginning of a slice's load to the beginning of its window.
    pub settle_ns: Nanos,
    /// The window of a slice.
    pub window_ns: Nanos,
    /// Turns before those that count.
    pub warmup_turns: u32,
    /// The place of this cell's slice in each turn that counts, from 0.
    pub places: Vec<u32>,
    /// The steady window measured at the end as a control; 0 for none.
    pub steady_ns: Nanos,
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Both ends finished and reported.
    Finished(Box<Finished>),
    /// It ended in an error; whatever came before is not used.
    Failed(Failure),
    /// Another program measured it, and a table told of it.
    Imported(Box<Imported>),
}

/// How a trial failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose fault it was.
    pub kind: FailureKind,
    /// One line: the call, its argument, the remedy.
    pub why: String,
}

/// Whose fault a failure was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// An end died, hung or babbled.
    EndLost,
    /// A system call failed, or a connection died.
    CallFailed,
    /// This machine cannot do it.
    Unsupported,
    /// No byte passed, says the table that it was imported from.
    NothingPassed,
}

/// Both ends' reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// The end that sent.
    pub sender: Side<SendTally>,
    /// The end that received.
    pub receiver: Side<ReceiveTally>,
    /// The machine, over the sender's window; where the ends run on two, that of the sending end.
    pub machine: Machine,
    /// The receiving end's machine, over the receiver's window, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver_machine: Option<Box<Machine>>,
    /// The link's devices, where the link has devices of its own.
    #[serde(default = "no_devices", skip_serializing_if = "is_absent")]
    pub link: Measured<LinkFacts>,
    /// What the sink counted; its `receiver` has the helper's windows and the bytes that the sink took.
    #[serde(default = "no_sink", skip_serializing_if = "is_absent")]
    pub sink: Measured<SinkFacts>,
    /// What streamed through memory beside it; none where nothing was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_traffic: Option<MemoryTraffic>,
}

impl Finished {
    /// What the machine of the engine did over a whole series, whichever end runs there.
    pub fn load_here(&self) -> Option<&Load> {
        let there = || self.receiver_machine.as_ref()?.load.as_deref();
        self.machine.load.as_deref().or_else(there)
    }
}

/// Why a record of another link has no [`SinkFacts`].
pub const NO_SINK: &str = "only the sink link has a sink";
/// Why a record of the loopback device has no [`LinkFacts`].
pub const NO_DEVICES: &str = "this link has no devices of its own";

/// Why nobody tells of segments, windows, round trips and retransmissions on a link without them.
pub const NO_TCP: &str = "a unix socket is no TCP connection: it has no segments, windows or round trips, and sends nothing again";

fn no_devices() -> Measured<LinkFacts> {
    Measured::absent(NO_DEVICES)
}

fn no_sink() -> Measured<SinkFacts> {
    Measured::absent(NO_SINK)
}

fn is_absent<T>(measured: &Measured<T>) -> bool {
    measured.value().is_none()
}
