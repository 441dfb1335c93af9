//! One end's report of a trial.

use serde::{Deserialize, Serialize};

use super::counters::Counters;
use super::releases::Releases;
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
    /// CPU time of the io_urings' own threads, which the workers' holds too; none where no path of this end has any, as in
    /// journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_threads: Option<Measured<RingThreads>>,
    /// CPU time, switches and faults in the workers' windows, without the threads of io_urings.
    pub usage: Measured<Usage>,
    /// CPU time of the workers, and of io-wq's, from the end of each window to the end of the drain after it.
    pub after_cpu_ns: Nanos,
    /// Hardware and software counters in the workers' windows.
    pub counters: Counters,
    /// TCP_INFO of the flows.
    pub tcp: Measured<TcpFacts>,
    /// The namespace's counters from just before the window to its end; of a series from before its first window to its end, the
    /// other cells' slices included.
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
    /// cgroup throttling in the window, in microseconds; of a series as `snmp`.
    pub throttled_us: Measured<u64>,
    /// How long the kernel held the buffers of this end's messages; none where nobody timed it, as in journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releases: Option<Box<Releases>>,
}

impl<T> Side<T> {
    /// Segments sent again: as the flows count them between the edges of their windows, or else as the namespace does,
    /// whose span begins some milliseconds earlier and which counts everybody's.
    pub fn retransmits(&self) -> Option<u64> {
        let of_flows = self.tcp.value().map(|tcp| tcp.retransmits);
        of_flows.or_else(|| self.snmp.value().map(|snmp| snmp.retransmits))
    }
}

/// What the threads that the kernel has for a process's io_urings took of the CPUs in the windows: they are threads of the process since
/// Linux 5.12 (`create_io_thread`, kernel/fork.c).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingThreads {
    /// Threads that polled submission queues in the windows (`iou-sqp-…`).
    pub pollers: u32,
    /// Their CPU time in nanoseconds.
    pub polling_cpu_ns: u64,
    /// What they took after the windows of a series, until they slept: in no figure of the workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polling_after_cpu_ns: Option<u64>,
    /// Workers that did requests in them (`iou-wrk-…`, io-wq).
    pub workers: u32,
    /// Their CPU time in nanoseconds; of one that began in a slice since it did.
    pub working_cpu_ns: u64,
}

impl RingThreads {
    /// CPU time of both kinds in nanoseconds.
    pub const fn cpu_ns(&self) -> u64 {
        self.polling_cpu_ns.saturating_add(self.working_cpu_ns)
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
    /// Its CPU time in its window (`CLOCK_THREAD_CPUTIME_ID`), and its part of what the threads of io_urings took
    /// ([`Side::ring_threads`]): in every figure of CPU time here.
    pub cpu_ns: Nanos,
    /// Payload bytes in each third of its window.
    pub third_bytes: [u64; 3],
    /// Length of each third.
    pub third_ns: [u64; 3],
    /// Its slices, turn by turn, whose sums the figures above are; empty where the window was one steady one.
    #[serde(default, skip_serializing_if = "Slices::is_empty")]
    pub slices: Slices,
    /// Its steady window, the control of a series; none where the series has none, or where the whole trial is steady.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady: Option<Span>,
}

/// What a worker did in each slice's window, turn by turn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slices {
    /// Length of each window in nanoseconds; 0 where the worker did not run in it.
    pub window_ns: Vec<u64>,
    /// Payload bytes in it.
    pub bytes: Vec<u64>,
    /// CPU time in it in nanoseconds.
    pub cpu_ns: Vec<u64>,
    /// Zero-copy sends whose completion came in it; empty where none came in any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub completions: Vec<u64>,
    /// Those through which a single call lasted; none where the kernel does not tell how long threads wait for a CPU, and in journals of
    /// earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Vec<Held>>,
}

impl Slices {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.window_ns.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.window_ns.len()
    }

    /// Takes one more in.
    pub fn push(&mut self, span: Span) {
        self.window_ns.push(span.window_ns);
        self.bytes.push(span.bytes);
        self.cpu_ns.push(span.cpu_ns);
    }

    /// Those in which its bytes stood still, and for how long at least, in nanoseconds, where a window was to be so long.
    pub fn stalled(&self, ordered_ns: u64) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.held.iter().flatten().filter(|held| held.stalled).filter_map(move |held| {
            let slice = usize::try_from(held.slice).ok().filter(|slice| *slice < self.len())?;
            Some((slice, held.stall_ns(ordered_ns)))
        })
    }

    /// Whether next to nothing moved in a slice, beside the fastest one.
    pub fn stood_still(&self, slice: usize) -> bool {
        let rate = |span: Span| span.bytes as f64 / span.window_ns.max(1) as f64;
        let fastest = self.iter().map(rate).fold(0.0, f64::max);
        self.span(slice).is_some_and(|span| span.bytes == 0 || rate(span) * STILL < fastest)
    }

    /// One slice.
    pub fn span(&self, slice: usize) -> Option<Span> {
        Some(Span {
            window_ns: *self.window_ns.get(slice)?,
            bytes: *self.bytes.get(slice)?,
            cpu_ns: *self.cpu_ns.get(slice)?,
        })
    }

    /// Each slice in turn.
    pub fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        let figures = self.window_ns.iter().zip(&self.bytes).zip(&self.cpu_ns);
        figures.map(|((window_ns, bytes), cpu_ns)| Span {
            window_ns: *window_ns,
            bytes: *bytes,
            cpu_ns: *cpu_ns,
        })
    }
}

/// A slice has stood still that moved less than one part in so many of what the fastest one moved in the same time.
const STILL: f64 = 4.0;

/// A slice through which one call of a worker lasted: from before its window until after it, or from within it for as long again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which slice, from 0.
    pub slice: u32,
    /// Of a window of which the worker saw nothing: how long before it was to begin the worker last took note of a word, in
    /// nanoseconds. None of a window that it saw begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_ns: Option<u64>,
    /// From there, or from the beginning of its window, until it took note of the next word.
    pub held_ns: u64,
    /// Its CPU time meanwhile.
    pub cpu_ns: u64,
    /// For how long it was ready to run and had no CPU since the slice's load began.
    pub waited_ns: u64,
    /// Whether bytes stood still: it slept in a call through most of the window or for as long after it, next to nothing moved, and the
    /// other end neither waited for a CPU. Such a window is as long as ordered or longer, so that a rate is what it was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stalled: bool,
}

impl Held {
    /// Whether the worker saw nothing of the window.
    pub const fn is_unseen(&self) -> bool {
        self.before_ns.is_some()
    }

    /// Whether it slept in a call through most of a window that was to be so long, or for as long after it: it neither waited for a CPU
    /// for half of that nor ran for it.
    pub const fn slept(&self, ordered_ns: u64) -> bool {
        // What it did before a window says nothing of it; in one that it saw begin it may have run for as long as was ordered.
        let may_run = match self.before_ns {
            Some(before_ns) => before_ns.saturating_add(ordered_ns / 2),
            None => ordered_ns,
        };
        self.waited_ns <= ordered_ns / 2 && self.cpu_ns <= may_run
    }

    /// For how long it was held at least.
    pub const fn stall_ns(&self, ordered_ns: u64) -> u64 {
        match self.before_ns {
            Some(before_ns) => self.held_ns.saturating_sub(before_ns),
            None => self.held_ns.saturating_sub(ordered_ns),
        }
    }
}

/// What a worker did in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its length in nanoseconds.
    pub window_ns: u64,
    /// Payload bytes in it.
    pub bytes: u64,
    /// CPU time in it in nanoseconds.
    pub cpu_ns: u64,
}

/// What a side's first socket says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SocketFacts {
    /// TCP_CONGESTION; empty of a socket that is not TCP.
    pub congestion: String,
    /// TCP_NODELAY; none of a socket that is not TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodelay: Option<bool>,
    /// SO_SNDBUF, as the kernel tells it (doubled), at the window's end.
    pub send_buffer_bytes: u64,
    /// SO_RCVBUF likewise.
    pub receive_buffer_bytes: u64,
    /// SO_ZEROCOPY.
    pub zerocopy: bool,
    /// SO_MAX_PACING_RATE in bytes a second; none where nothing bounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pacing_bytes_per_s: Option<u64>,
    /// SO_BUSY_POLL in microseconds; none where it is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_poll_us: Option<u32>,
    /// SO_INCOMING_NAPI_ID at the window's end: what busy polling looks at. None where the last packet came through no NAPI, so that
    /// busy polling does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub napi_id: Option<u32>,
}
