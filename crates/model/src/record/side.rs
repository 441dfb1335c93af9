//! One end's report of a trial.

use serde::{Deserialize, Serialize};

use super::counters::Counters;
use super::tallies::{SnmpFacts, TcpFacts, Usage};
use crate::measured::Measured;
use crate::units::{Bytes, Nanos};

/// One end's report: sums over its workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side<T> {
    /// Each worker, briefly.
    pub workers: Vec<Worker>,
    /// Counted in the workers' windows.
    pub window: T,
    /// Counted over the whole trial, warm-up and drain included.
    pub total: T,
    /// CPU time, switches and faults in the workers' windows.
    pub usage: Measured<Usage>,
    /// CPU time of the workers from the end of the window to the end of the drain.
    pub after_cpu_ns: Nanos,
    /// Hardware and software counters in the workers' windows.
    pub counters: Counters,
    /// TCP_INFO of the flows.
    pub tcp: Measured<TcpFacts>,
    /// The namespace's counters from just before the window to its end.
    pub snmp: Measured<SnmpFacts>,
    /// Strangers refused at the data port.
    pub strangers: u64,
    /// CPU time of the instruments' work at the edges of the window, all workers together.
    pub edge_ns: Nanos,
    /// Highest resident memory of this end so far.
    pub peak_rss_bytes: Bytes,
    /// Bytes of its arenas and buffers.
    pub ring_bytes: Bytes,
    /// What was set on the sockets, read back from the first flow.
    pub socket: SocketFacts,
    /// cgroup throttling in the window, in microseconds.
    pub throttled_us: Measured<u64>,
}

impl<T> Side<T> {
    /// Segments sent again: as the flows count them between the edges of their windows, or else as the namespace does,
    /// whose span begins some milliseconds earlier and which counts everybody's.
    pub fn retransmits(&self) -> Option<u64> {
        let of_flows = self.tcp.value().map(|tcp| tcp.retransmits);
        of_flows.or_else(|| self.snmp.value().map(|snmp| snmp.retransmits))
    }
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Its own start of the window, relative to the ordered one.
    pub late_ns: i64,
    /// Length of its own window.
    pub window_ns: Nanos,
    /// Payload bytes in its window.
    pub bytes: Bytes,
    /// Its CPU time in its window (`CLOCK_THREAD_CPUTIME_ID`).
    pub cpu_ns: Nanos,
    /// Payload bytes in each third of its window.
    pub third_bytes: [u64; 3],
    /// Length of each third.
    pub third_ns: [u64; 3],
}

/// What a side's first socket says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SocketFacts {
    /// TCP_CONGESTION.
    pub congestion: String,
    /// TCP_NODELAY.
    pub nodelay: bool,
    /// SO_SNDBUF, as the kernel tells it (doubled), at the window's end.
    pub send_buffer_bytes: u64,
    /// SO_RCVBUF likewise.
    pub receive_buffer_bytes: u64,
    /// SO_ZEROCOPY.
    pub zerocopy: bool,
}
