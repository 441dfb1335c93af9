//! What the journal holds: trials with all that is needed to judge them, and the frame around them.
//!
//! Records carry raw figures: sums over a side's workers, and a few numbers of each worker. Times of a side
//! are of that side's own clock; sizes are bytes. Marks are not recorded: they are judged from these figures and
//! the plan's thresholds, so that a reader can judge again.

use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::measured::Measured;
use crate::units::{Bytes, Nanos};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "kebab-case")]
pub enum Record {
    /// A process begins to measure: the first one, and each resume.
    Segment(Segment),
    /// A round begins, with fresh ends.
    Round(Round),
    /// A trial ended, one way or the other.
    Trial(Box<Trial>),
    /// An audit trial of a cell: heavy instruments, never timed.
    Audit(Box<crate::audit::Audited>),
    /// A heavy instrument that was asked for and could not be had.
    AuditRefused(Box<crate::audit::RefusedAudit>),
    /// The copying ceiling, measured before the first trial of a segment.
    Ceiling(crate::audit::Ceiling),
    /// A process stopped measuring.
    Finish(Finish),
}

/// A process begins to measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Version of copycost.
    pub copycost: String,
    /// When, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// The boot it runs in; another boot begins a new segment.
    pub boot_id: Measured<String>,
    /// The machine's identity, as in `host.json`.
    pub host: String,
    /// The congestion control that `auto` or `system` stands for in this segment.
    pub congestion: String,
}

/// A round begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// From 1.
    pub round: u32,
    /// When, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// Busy time of the CPUs in use with both ends idle: what a machine does anyway.
    pub idle: Measured<CpuBusy>,
}

/// Why a process stopped measuring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finish {
    /// Why.
    pub reason: FinishReason,
    /// Time spent in this segment.
    pub spent_ns: Nanos,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FinishReason {
    /// Every cell's interval is narrow enough.
    Precise,
    /// The rounds asked for are done.
    Rounds,
    /// The time is spent.
    Time,
    /// A signal.
    Interrupted,
    /// Something that no trial can survive; the text went to the terminal.
    Failed,
}

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
    /// What was set, in effect.
    pub settings: Settings,
    /// What came of it.
    pub outcome: Outcome,
}

/// The effective settings of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The window ordered.
    pub window_ns: Nanos,
    /// The warm-up before it.
    pub warmup_ns: Nanos,
    /// The senders' tail after it.
    pub tail_ns: Nanos,
    /// Whether the warm-up was extended because an earlier attempt had not settled.
    pub extended: bool,
    /// CPUs that the ends may use.
    pub usable_cpus: Vec<u32>,
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
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Both ends finished and reported.
    Finished(Box<Finished>),
    /// It ended in an error; whatever came before is not used.
    Failed(Failure),
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
}

/// Both ends' reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// The end that sent.
    pub sender: Side<SendTally>,
    /// The end that received.
    pub receiver: Side<ReceiveTally>,
    /// The machine, over the sender's window.
    pub machine: Machine,
    /// The link's devices, where the link has devices of its own.
    #[serde(default = "no_devices", skip_serializing_if = "is_absent")]
    pub link: Measured<LinkFacts>,
    /// What the sink counted; its `receiver` has the helper's windows and the bytes that the sink took.
    #[serde(default = "no_sink", skip_serializing_if = "is_absent")]
    pub sink: Measured<SinkFacts>,
}

/// Why a record of another link has no [`SinkFacts`].
pub const NO_SINK: &str = "only the sink link has a sink";
/// Why a record of the loopback device has no [`LinkFacts`].
pub const NO_DEVICES: &str = "this link has no devices of its own";

fn no_devices() -> Measured<LinkFacts> {
    Measured::absent(NO_DEVICES)
}

fn not_told_apart<T>() -> Measured<T> {
    Measured::absent("the version of copycost that measured this did not record it")
}

fn no_sink() -> Measured<SinkFacts> {
    Measured::absent(NO_SINK)
}

fn is_absent<T>(measured: &Measured<T>) -> bool {
    measured.value().is_none()
}

/// The devices of a link, as the kernel told when they were up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkFacts {
    /// MTU in bytes, both ends.
    pub mtu_bytes: u32,
    /// TCP segmentation offload of the sender's device.
    pub tso: bool,
    /// Generic segmentation offload of the sender's device.
    pub gso: bool,
    /// Generic receive offload of the receiver's device.
    pub gro: bool,
    /// CPUs that acknowledgements are steered to (receive packet steering of the sender's device); empty: none.
    pub ack_cpus: Vec<u32>,
}

/// What the sink's BPF program counted; sums over flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkTally {
    /// Packets with payload that were taken: GSO packets count once.
    pub packets: u64,
    /// Payload bytes in order: each counted once.
    pub payload_bytes: u64,
    /// Packets beyond a gap that were dropped, to be sent again.
    pub gaps: u64,
    /// Packets that came early and were joined later.
    pub reordered: u64,
    /// Packets whose payload was there already.
    pub duplicates: u64,
    /// Payload bytes that were there already.
    pub duplicate_bytes: u64,
    /// Packets that are no flow's of the trial: dropped, never answered.
    pub refused: u64,
    /// Frames that the helper answered with.
    pub acks: u64,
    /// Calls of the helper that sent nothing, as the device had no room or a signal came; each frame was tried again.
    pub failed_sends: u64,
    /// Looks of the helper at the program's table; over a whole trial there are some, but older versions recorded none.
    pub looks: u64,
}

/// The sink's side of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SinkFacts {
    /// Counted in the window.
    pub window: SinkTally,
    /// Counted over the whole trial.
    pub total: SinkTally,
    /// The helper's CPU.
    pub helper_cpu: u32,
    /// The helper's CPU time in the window, looking and answering.
    pub helper_cpu_ns: Nanos,
    /// How long answering took by the wall clock: on a crowded CPU the helper may have waited in between, and softirqs
    /// that ran in it are in. With acknowledgements placed on the helper's CPU that is the sender's own work on them:
    /// packets freed, notifications posted. Records of versions before `answering_cpu_ns` hold no more than
    /// `helper_cpu_ns`.
    pub answering_ns: Nanos,
    /// The part of `helper_cpu_ns` that answering took, by the helper's own CPU clock.
    #[serde(default = "not_told_apart")]
    pub answering_cpu_ns: Measured<Nanos>,
    /// Whether this kernel charges softirqs to no thread (CONFIG_IRQ_TIME_ACCOUNTING): then they are in no CPU time of
    /// the senders or the helper.
    #[serde(default = "not_told_apart")]
    pub softirqs_apart: Measured<bool>,
    /// Time of the BPF program a packet, counted by the kernel in the tail, so that the window is not disturbed.
    pub program_ns_per_packet: Measured<f64>,
}

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

/// System calls by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "each is the count of the system call of its name")]
pub struct Calls {
    #[serde(skip_serializing_if = "is_zero")]
    pub send: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub sendmsg: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub recv: u64,
    /// `recvmsg(MSG_ERRQUEUE)`.
    #[serde(skip_serializing_if = "is_zero")]
    pub recvmsg_errqueue: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub poll: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub epoll_wait: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What senders counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SendTally {
    /// Whole messages handed to the kernel.
    pub messages: u64,
    /// Payload bytes that the kernel took.
    pub accepted_bytes: u64,
    /// System calls.
    pub calls: Calls,
    /// Calls that took less than they were given.
    pub short_writes: u64,
    /// Calls repeated after a signal.
    pub interrupted: u64,
    /// Calls refused with ENOBUFS and repeated after reaping.
    pub no_buffers: u64,
    /// Waits for a free slot.
    pub slot_waits: u64,
    /// Bytes copied by the path itself before the call (`staged`).
    pub staged_bytes: u64,
    /// Successful non-empty zero-copy sends: the ids that must be completed.
    pub zerocopy_sends: u64,
    /// Notifications read.
    pub notifications: u64,
    /// Ids that they completed.
    pub completed: u64,
    /// Completed ids that were marked copied (at least one byte of the range was).
    pub copied: u64,
    /// Ids completed twice or never sent: must be 0.
    pub stray_ids: u64,
}

/// What receivers counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReceiveTally {
    /// Payload bytes taken.
    pub received_bytes: u64,
    /// System calls.
    pub calls: Calls,
    /// Calls repeated after a signal.
    pub interrupted: u64,
    /// Bytes whose content was checked.
    pub checked_bytes: u64,
    /// Bytes that were not what was sent: must be 0.
    pub wrong_bytes: u64,
    /// Offset in its flow of the first wrong byte.
    pub first_wrong: Option<u64>,
}

macro_rules! tally_arithmetic {
    ($name:ident { $($field:ident),* } $(calls $calls:ident)?) => {
        impl $name {
            /// What was counted since an earlier snapshot of the same tally.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self {
                    $( $field: self.$field.wrapping_sub(earlier.$field), )*
                    $( $calls: self.$calls.since(&earlier.$calls), )?
                    ..*self
                }
            }

            /// Adds another worker's tally.
            pub fn add(&mut self, other: &Self) {
                $( self.$field += other.$field; )*
                $( self.$calls.add(&other.$calls); )?
            }
        }
    };
}

#[allow(clippy::needless_update, reason = "one macro serves tallies with and without other fields")]
mod arithmetic {
    use super::{Calls, ReceiveTally, SendTally, SinkTally};

    tally_arithmetic!(Calls { send, sendmsg, recv, recvmsg_errqueue, poll, epoll_wait });
    tally_arithmetic!(SendTally {
        messages, accepted_bytes, short_writes, interrupted, no_buffers, slot_waits, staged_bytes,
        zerocopy_sends, notifications, completed, copied, stray_ids
    } calls calls);
    tally_arithmetic!(ReceiveTally {
        received_bytes, interrupted, checked_bytes, wrong_bytes
    } calls calls);
    tally_arithmetic!(SinkTally {
        packets,
        payload_bytes,
        gaps,
        reordered,
        duplicates,
        duplicate_bytes,
        refused,
        acks,
        failed_sends,
        looks
    });
}

impl Calls {
    /// All system calls.
    pub fn all(&self) -> u64 {
        self.send + self.sendmsg + self.recv + self.recvmsg_errqueue + self.poll + self.epoll_wait
    }
}

/// `getrusage(RUSAGE_THREAD)`, summed over workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// User time in microseconds.
    pub user_us: u64,
    /// System time in microseconds.
    pub system_us: u64,
    /// Voluntary context switches.
    pub voluntary_switches: u64,
    /// Involuntary context switches.
    pub involuntary_switches: u64,
    /// Page faults without input or output.
    pub minor_faults: u64,
    /// Page faults with.
    pub major_faults: u64,
}

/// A counter's figure in the workers' windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The count, scaled by enabled over running time where the counter was multiplexed.
    pub count: u64,
    /// Whether it was scaled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scaled: bool,
}

/// perf counters, summed over workers and core types; each may be absent with its own reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// CPU cycles, user and kernel.
    pub cycles: Measured<Count>,
    /// Instructions.
    pub instructions: Measured<Count>,
    /// Last-level cache read accesses: on most CPUs close to the L2's read misses.
    pub llc_loads: Measured<Count>,
    /// Last-level cache read misses.
    pub llc_misses: Measured<Count>,
    /// Level-1 data cache read misses.
    pub l1d_misses: Measured<Count>,
    /// Data TLB read misses.
    pub dtlb_misses: Measured<Count>,
    /// The vendor's generic `cache-misses`.
    pub cache_misses: Measured<Count>,
    /// The raw event behind `cache_misses`.
    pub cache_misses_event: Measured<String>,
    /// Context switches, as the kernel accounts them (`getrusage`).
    pub context_switches: Measured<Count>,
    /// Migrations to another CPU (`/proc/thread-self/sched`).
    pub migrations: Measured<Count>,
    /// CPU time in nanoseconds (`CLOCK_THREAD_CPUTIME_ID`).
    pub task_clock_ns: Measured<Count>,
}

impl Counters {
    /// All counters absent for one reason.
    pub fn absent(reason: &str) -> Self {
        let none = || Measured::absent(reason);
        Self {
            cycles: none(),
            instructions: none(),
            llc_loads: none(),
            llc_misses: none(),
            l1d_misses: none(),
            dtlb_misses: none(),
            cache_misses: none(),
            cache_misses_event: Measured::absent(reason),
            context_switches: none(),
            migrations: none(),
            task_clock_ns: none(),
        }
    }

    /// Every counter with its name.
    pub fn all(&self) -> [(&'static str, &Measured<Count>); 10] {
        [
            ("cycles", &self.cycles),
            ("instructions", &self.instructions),
            ("llc-loads", &self.llc_loads),
            ("llc-misses", &self.llc_misses),
            ("l1d-misses", &self.l1d_misses),
            ("dtlb-misses", &self.dtlb_misses),
            ("cache-misses", &self.cache_misses),
            ("context-switches", &self.context_switches),
            ("migrations", &self.migrations),
            ("task-clock", &self.task_clock_ns),
        ]
    }
}

/// TCP_INFO of a side's flows between the edges of the window; sums, or means where said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TcpFacts {
    /// Mean smoothed round-trip time at the window's end, in microseconds.
    pub rtt_us: f64,
    /// Mean congestion window at the window's end, in packets.
    pub cwnd_packets: f64,
    /// Mean segment size for sending, in bytes.
    pub mss_bytes: f64,
    /// Segments with payload sent.
    pub data_segments_out: Option<u64>,
    /// Segments received.
    pub segments_in: Option<u64>,
    /// Payload bytes sent, retransmissions included.
    pub sent_bytes: Option<u64>,
    /// Payload bytes sent again.
    pub retransmitted_bytes: Option<u64>,
    /// Segments sent again.
    pub retransmits: u64,
    /// Time in which the flow had something to send, in microseconds.
    pub busy_us: Option<u64>,
    /// Time held back by the receiver's window, in microseconds.
    pub receiver_limited_us: Option<u64>,
    /// Time held back by the send buffer, in microseconds.
    pub send_buffer_limited_us: Option<u64>,
}

/// SNMP counters of the namespace, from some milliseconds before the window (instruments are read ahead of it) to its end,
/// all connections of the namespace together (`/proc/net/snmp`, `/proc/net/netstat`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnmpFacts {
    /// `RetransSegs`: all segments sent again.
    pub retransmits: u64,
    /// `TCPFastRetrans`.
    pub fast: u64,
    /// `TCPSlowStartRetrans`.
    pub slow_start: u64,
    /// `TCPTimeouts`: retransmission timers that expired.
    pub timeouts: u64,
    /// `TCPLossProbes`: tail loss probes sent.
    pub loss_probes: u64,
    /// `TCPSpuriousRTOs`.
    pub spurious: u64,
    /// `TCPLostRetransmit`.
    pub lost_again: u64,
    /// `TCPBacklogDrop`.
    pub backlog_drops: u64,
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

/// What the machine did over the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Busy time of the CPUs in use, from idle residency or a like source.
    pub busy: Measured<CpuBusy>,
    /// `/proc/stat` of the CPUs in use.
    pub ticks: Measured<CpuTicks>,
    /// Frequencies at both edges, in kHz, CPU by CPU.
    pub khz: Measured<Vec<[u64; 2]>>,
}

/// Busy time of CPUs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CpuBusy {
    /// Where it came from: `cpuidle`, `timer-list`, `proc-stat`.
    pub source: String,
    /// What one CPU's figure may be off by.
    pub error_ns: Nanos,
    /// Time between the two readings.
    pub span_ns: Nanos,
    /// CPU numbers.
    pub cpus: Vec<u32>,
    /// Busy nanoseconds, CPU by CPU.
    pub busy_ns: Vec<u64>,
}

/// Time by kind, CPU by CPU, from `/proc/stat`: in steps of `tick_ns`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CpuTicks {
    /// The unit of the figures below.
    pub tick_ns: Nanos,
    /// Time between the two readings.
    pub span_ns: Nanos,
    /// CPU numbers.
    pub cpus: Vec<u32>,
    /// Softirq time in nanoseconds.
    pub softirq_ns: Vec<u64>,
    /// Hardware interrupt time in nanoseconds.
    pub irq_ns: Vec<u64>,
    /// Time that the hypervisor took, in nanoseconds.
    pub steal_ns: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_between_two_edges_is_what_lies_between_them() {
        let early = SendTally {
            messages: 3,
            calls: Calls { sendmsg: 4, ..Calls::default() },
            ..SendTally::default()
        };
        let late =
            SendTally { messages: 10, calls: Calls { sendmsg: 14, ..Calls::default() }, ..early };
        let between = late.since(&early);
        assert_eq!((between.messages, between.calls.sendmsg), (7, 10));
        let mut sum = between;
        sum.add(&between);
        assert_eq!((sum.messages, sum.calls.sendmsg), (14, 20));
    }

    #[test]
    fn a_record_says_its_kind() {
        let record = Record::Finish(Finish { reason: FinishReason::Time, spent_ns: Nanos::s(1) });
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(text, r#"{"kind":"finish","body":{"reason":"time","spent_ns":1000000000}}"#);
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }

    #[test]
    fn a_refused_audit_says_why_and_reads_back() {
        let refusal = crate::audit::Refusal {
            what: "profile".to_owned(),
            because: "perf_event_paranoid is 4".to_owned(),
            remedy: "run as root".to_owned(),
        };
        assert_eq!(refusal.to_string(), "profile: perf_event_paranoid is 4; run as root");
        assert_eq!(crate::audit::Refusal::told("why").to_string(), "why");
        let record = Record::AuditRefused(Box::new(crate::audit::RefusedAudit {
            audit: crate::Audit::Profile,
            cell: None,
            started_unix_ms: 7,
            refusal,
        }));
        let text = serde_json::to_string(&record).unwrap();
        assert!(
            text.starts_with(
                r#"{"kind":"audit-refused","body":{"audit":"profile","started_unix_ms":7"#
            ),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }

    #[test]
    fn the_sinks_facts_of_an_older_version_are_read_and_lack_what_it_did_not_tell() {
        let text = r#"{"window":{"acks":3},"total":{"acks":4},"helper_cpu":1,"helper_cpu_ns":90,
            "answering_ns":10,"program_ns_per_packet":{"absent":"no packet"}}"#;
        let facts: SinkFacts = serde_json::from_str(text).unwrap();
        assert_eq!((facts.window.acks, facts.total.failed_sends), (3, 0));
        assert_eq!((facts.window.looks, facts.total.looks), (0, 0));
        assert!(facts.answering_cpu_ns.reason().unwrap().contains("did not record"));
        assert!(facts.softirqs_apart.reason().is_some());
        let again: SinkFacts =
            serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
        assert_eq!(again, facts);
    }

    #[test]
    fn an_audit_of_an_older_version_counted_no_pages() {
        let absent = r#"{"absent":"not here"}"#;
        let text = format!(
            r#"{{"copied_in":{absent},"by_reference":{absent},"deferred":{absent},"copied_out":{absent},"functions":[]}}"#
        );
        let counts: crate::audit::CopyCounts = serde_json::from_str(&text).unwrap();
        assert!(counts.pinned.reason().unwrap().contains("did not count pages"));
    }
}
