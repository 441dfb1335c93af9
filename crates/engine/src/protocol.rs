//! What the engine and its ends say to each other: one JSON line an order, one a reply.

use std::net::IpAddr;

use kernel::socket::Address;
use model::host::Host;
use model::nic::Nic;
use model::record::{CpuBusy, FailureKind, Machine, ReceiveTally, SendTally, Side, SinkFacts};
use model::{Cell, Measured, Missing, Nanos};
use serde::{Deserialize, Serialize};

use crate::demands::Demand;
use crate::gate::SliceKind;

/// The version of this protocol; both sides must speak the same.
pub const PROTOCOL: u32 = 6;

/// A secret that a data connection begins with, so that a stranger is refused.
pub type Token = [u8; 16];

/// Bytes that a data connection begins with: the token and the number of its flow.
pub(crate) const GREETING_BYTES: usize = size_of::<Token>() + size_of::<u32>();

/// From the engine to an end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The first order.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
    },
    /// Measure how busy these CPUs are while both ends sleep.
    Idle {
        /// The CPUs.
        cpus: Vec<u32>,
        /// For how long.
        span_ns: Nanos,
    },
    /// Make ready for a trial, beside those that were prepared before.
    Prepare(Box<Prepare>),
    /// Run the trial that was prepared; the end replies when it is over. Where no start is ordered a receiver replies when it waits
    /// for the first bytes, with which its times begin, and when all its workers have seen the end of its window; senders go on
    /// until [`Order::Finish`].
    Run(Times),
    /// One slice of a crew that was prepared. A sender loads until it is told to pause; a receiver, whose slice begins with
    /// the first bytes, replies when its window is over.
    Slice(Slice),
    /// Senders of this crew drain and sleep; the end replies with what they have sent.
    Pause {
        /// The crew, by the order in which they were prepared.
        crew: usize,
    },
    /// Reply when this crew's receivers have taken so many bytes since the start.
    Drain {
        /// The crew.
        crew: usize,
        /// Payload bytes that its peers have sent.
        bytes: u64,
    },
    /// Read the idle clocks, the beginning or the end of a crew's steady slice, while everybody is silent.
    ReadMachine {
        /// The crew.
        crew: usize,
        /// Which of the two.
        is_end: bool,
    },
    /// The series, or the trial whose start was not ordered, is over: every crew stops, and the end replies with the report of each,
    /// in order.
    Finish,
    /// Give the trial up.
    Abort,
    /// Leave.
    Bye,
}

/// Which way an end moves bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It sends.
    Send,
    /// It receives.
    Receive,
    /// It takes packets before any socket does, and answers for the missing peer: the sink.
    Absorb(Absorb),
}

/// What the sink must know beside what every end must.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absorb {
    /// The helper's CPU.
    pub helper_cpu: u32,
    /// The segment size that it asks of its peer, in bytes.
    pub segment_bytes: u16,
}

/// How the ends find each other. Who listens is independent of who sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meet {
    /// Wait at this address; port 0 takes any that is free, `@` a name that the kernel chooses.
    Listen(#[serde(with = "as_text")] Address),
    /// Go to this address.
    Connect(#[serde(with = "as_text")] Address),
    /// Go to this address, each flow to a port of its own from this one upwards.
    ConnectEach(#[serde(with = "as_text")] Address),
}

/// An address as it is written and read.
mod as_text {
    use kernel::socket::Address;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(address: &Address, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(address)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Address, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// Where the flows of one cell stand among those of all cells that are prepared side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Among {
    /// The number of its first flow.
    pub first: u32,
    /// The flows of all cells.
    pub flows: u32,
}

impl Among {
    /// Of a cell that stands alone.
    pub fn alone(cell: &Cell) -> Self {
        Self { first: 0, flows: cell.connections() }
    }
}

/// Everything that an end needs for a trial but its times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prepare {
    /// Send or receive.
    pub role: Role,
    /// What to measure.
    pub cell: Cell,
    /// How the ends meet.
    pub meet: Meet,
    /// What every data connection begins with; on the sink the same for all cells that are prepared side by side.
    pub token: Token,
    /// Where this cell's flows stand among those of all cells that are prepared side by side.
    pub among: Among,
    /// CPU of each worker; empty: not pinned.
    pub worker_cpus: Vec<u32>,
    /// CPU of the thread that polls each worker's io_urings; empty: none polls, or not pinned.
    pub poller_cpus: Vec<u32>,
    /// The congestion control to set; empty: the system's.
    pub congestion: String,
    /// CPUs whose busy time this end measures; empty: none.
    pub machine_cpus: Vec<u32>,
    /// Whether the receiver compares every byte with what was sent.
    pub check: bool,
    /// Windows that will be measured: 1, or the slices of a series; its control comes on top.
    pub windows: usize,
}

/// One slice, as its end sees it. Its times are counted from its own beginning: no clock is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// The crew, by the order in which they were prepared.
    pub crew: usize,
    /// What it is for.
    pub kind: SliceKind,
    /// From the beginning of the load to that of the window.
    pub settle_ns: Nanos,
    /// The window.
    pub window_ns: Nanos,
    /// How long draining may take before the series is given up.
    pub drain_ns: Nanos,
}

/// When a trial happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// CLOCK_MONOTONIC of the start of the warm-up; absent where the ends have no common clock: a sender starts at once, a receiver
    /// with the first bytes.
    pub start_ns: Option<u64>,
    /// Warm-up.
    pub warmup_ns: Nanos,
    /// Window.
    pub window_ns: Nanos,
    /// Tail; without an ordered start it lasts until [`Order::Finish`].
    pub tail_ns: Nanos,
    /// How long the drain may take before the trial is given up.
    pub drain_ns: Nanos,
}

/// The moments of a trial on an end's own CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moments {
    /// Load begins; the window begins, its second and last third begin, it ends; senders stop.
    pub(crate) edges_ns: [u64; 6],
    /// The drain must be over.
    pub(crate) drained_ns: u64,
}

impl Times {
    /// The moments, where the trial starts at `now_ns` if no start was ordered.
    pub(crate) fn moments(&self, now_ns: u64) -> Moments {
        let start_ns = self.start_ns.unwrap_or(now_ns);
        let third = self.window_ns.0 / 3;
        // No order of an engine comes near the end of the clock; one that does is never over.
        let first = start_ns.saturating_add(self.warmup_ns.0);
        let second = first.saturating_add(third);
        let last = second.saturating_add(third);
        let end = first.saturating_add(self.window_ns.0);
        let stop = end.saturating_add(self.tail_ns.0);
        Moments {
            edges_ns: [start_ns, first, second, last, end, stop],
            drained_ns: stop.saturating_add(self.drain_ns.0),
        }
    }
}

/// From an end to the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Answer to [`Order::Hello`].
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The program's version.
        build: String,
        /// The boot that it runs in.
        boot_id: Measured<String>,
    },
    /// Answer to [`Order::Idle`].
    Idle(Measured<CpuBusy>),
    /// Answer to [`Order::Prepare`] of an end that listens: where.
    Listening(#[serde(with = "as_text")] Address),
    /// All flows are connected and all workers wait for the start; or a receiver waits for the first bytes.
    Ready,
    /// Answer to [`Order::Slice`], and to [`Order::Run`] without an ordered start, of an end that receives: its window is over.
    WindowOver,
    /// Answer to [`Order::Pause`].
    Paused {
        /// Payload bytes that the crew has sent since the start.
        bytes: u64,
    },
    /// Answer to [`Order::Drain`].
    Drained,
    /// Answer to [`Order::ReadMachine`].
    MachineRead,
    /// Answer to [`Order::Run`], and to [`Order::Finish`] once for each crew.
    Finished(Box<Report>),
    /// The trial is over because something went wrong.
    Failed {
        /// Whose fault it was.
        kind: FailureKind,
        /// One line.
        why: String,
    },
}

/// From the engine to another host: what `copycost peer` obeys there. A blank line says that the engine lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerOrder {
    /// The first order.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
    },
    /// Tell the facts of the host.
    Describe,
    /// Tell those of the device by which packets to this address leave.
    DescribeDevice(IpAddr),
    /// Tell which of these the kernel there grants.
    Probe {
        /// Its number, which the answer bears: one that comes late is none to the next question.
        number: u32,
        /// What is asked for.
        demands: Vec<Demand>,
    },
    /// Reply at once with the same number.
    Echo(u32),
    /// Start an end, in place of the one before it.
    Start {
        /// Its number, which each of its replies bears.
        end: u32,
    },
    /// An order for the end that was started last.
    Order(Box<Order>),
    /// Let the end go.
    Leave,
}

/// From another host to the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerReply {
    /// Answer to [`PeerOrder::Hello`].
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The program's version.
        build: String,
    },
    /// Answer to [`PeerOrder::Describe`].
    Facts(Box<Host>),
    /// Answer to [`PeerOrder::DescribeDevice`].
    Device(Box<Measured<Nic>>),
    /// Answer to [`PeerOrder::Probe`].
    Probed {
        /// Its number.
        number: u32,
        /// In the order of the demands: why not; none where it is granted.
        answers: Vec<Option<Missing>>,
    },
    /// Answer to [`PeerOrder::Echo`].
    Echo(u32),
    /// An end replied.
    Said {
        /// Its number.
        end: u32,
        /// Its reply.
        reply: Box<Reply>,
    },
    /// An end said what is no reply.
    NoReply {
        /// Its number.
        end: u32,
        /// What it said.
        text: String,
    },
    /// An end is gone, or could not be started.
    Ended {
        /// Its number.
        end: u32,
        /// How.
        how: String,
    },
}

/// What an end measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "one a trial, made and read once")]
pub enum Report {
    /// A sender's.
    Sent {
        /// Its side.
        side: Side<SendTally>,
        /// The machine, where it was told to measure it.
        machine: Option<Machine>,
    },
    /// A receiver's.
    Received {
        /// Its side.
        side: Side<ReceiveTally>,
        /// The machine, where it was told to measure it.
        machine: Option<Machine>,
    },
    /// The sink's.
    Absorbed {
        /// Its side: the bytes that it took, and the helper's windows.
        side: Side<ReceiveTally>,
        /// What else it counted.
        facts: SinkFacts,
        /// What this end took, where it was told to read it.
        machine: Option<Machine>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_that_is_ordered_beyond_the_end_of_the_clock_has_its_moments_in_order() {
        let times = Times {
            start_ns: Some(u64::MAX - 1),
            warmup_ns: Nanos::s(1),
            window_ns: Nanos(u64::MAX),
            tail_ns: Nanos::ms(1),
            drain_ns: Nanos(u64::MAX),
        };
        let moments = times.moments(0);
        assert_eq!(
            moments.edges_ns,
            [u64::MAX - 1, u64::MAX, u64::MAX, u64::MAX, u64::MAX, u64::MAX]
        );
        assert_eq!(moments.drained_ns, u64::MAX);
    }
}
