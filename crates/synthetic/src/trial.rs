//! One trial, made to order: what a test is about is set, and all else went well.

mod sink;

use model::names::{Completions, MemoryLoad, Switch, Watch};
use model::record::releases::width;
use model::record::{
    Calls, Count, Counters, CpuBusy, CpuTicks, Failure, FailureKind, Finished, Machine,
    MemoryTraffic, NO_DEVICES, NO_SINK, NO_TCP, Outcome, ReceiveTally, Releases, RingThreads,
    SendTally, Settings, Side, Slices, SnmpFacts, SocketFacts, TcpFacts, Trial, Usage, Worker,
};
use model::values::Rate;
use model::{Bytes, Cell, Link, Mark, Measured, Nanos, Placement, ReceivePath, RingFile, SendPath};

use crate::series::stalled_in;
use crate::{CPUS, NO_COUNTERS, START_UNIX_MS, to_f64, to_u64};

/// What cells without instruments say in place of a figure.
const UNWATCHED: &str = "not watched: this cell measures what the instruments cost";

/// A trial in the making.
#[derive(Clone, Debug)]
pub struct TrialBuilder {
    cell: Cell,
    round: u32,
    block: u32,
    position: u32,
    attempt: u32,
    started_unix_ms: u64,
    window: Nanos,
    extended: bool,
    usable_cpus: u32,
    goodput_gbps: f64,
    sender_cpu_ns_per_kib: f64,
    receiver_cpu_ns_per_kib: f64,
    answering_ns_per_kib: f64,
    copied_share: f64,
    edge_ns: u64,
    congestion: String,
    counted: bool,
    failure: Option<Failure>,
    marks: Vec<Mark>,
}

/// A trial of a cell in which everything went well; figures as in [`likely`].
pub fn trial(cell: &Cell, round: u32) -> TrialBuilder {
    let figures = likely(cell);
    TrialBuilder {
        cell: cell.clone(),
        round,
        block: 0,
        position: 0,
        attempt: 1,
        started_unix_ms: START_UNIX_MS,
        window: Nanos::ms(250),
        extended: false,
        usable_cpus: CPUS,
        goodput_gbps: figures.goodput_gbps,
        sender_cpu_ns_per_kib: figures.sender_cpu_ns_per_kib,
        receiver_cpu_ns_per_kib: figures.receiver_cpu_ns_per_kib,
        answering_ns_per_kib: sink::ANSWERING_NS_PER_KIB,
        copied_share: if cell.link.copies_by_reference_on_delivery() { 1.0 } else { 0.0 },
        edge_ns: 60_000,
        congestion: "cubic".to_owned(),
        counted: false,
        failure: None,
        marks: Vec::new(),
    }
}

/// The figures from which everything else in a made-up trial follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// What the receivers took, in Gbit/s.
    pub goodput_gbps: f64,
    /// Sender CPU time per KiB, in ns.
    pub sender_cpu_ns_per_kib: f64,
    /// Receiver CPU time per KiB, in ns.
    pub receiver_cpu_ns_per_kib: f64,
}

/// Figures as a loopback machine might have them: a fixed cost a message and a cost a byte for each path,
/// each worker as fast as its slower side allows.
pub fn likely(cell: &Cell) -> Figures {
    if cell.link == Link::Sink {
        return sink::likely(cell);
    }
    let bytes = to_f64(cell.message.bytes().0);
    let kib = bytes / 1024.0;
    let (per_message, per_kib) = match cell.send_path {
        SendPath::Send => (3_400.0, 130.0),
        SendPath::Staged => (620.0, 160.0),
        SendPath::Sendmsg => (650.0, 115.0),
        // Without the option MSG_ZEROCOPY is sendmsg's ordinary copy.
        SendPath::Zerocopy if !cell.so_zerocopy.is_on() => (650.0, 115.0),
        SendPath::Zerocopy => (2_300.0, 150.0),
        SendPath::SendMore => (1_900.0, 115.0),
        SendPath::Sendfile => (4_800.0, 60.0),
        SendPath::Splice => (2_000.0, 60.0),
        SendPath::UringSend => (2_600.0, 120.0),
        SendPath::UringSendmsg => (800.0, 115.0),
        SendPath::UringWriteFixed => (2_700.0, 120.0),
        SendPath::UringSendZc => (4_500.0, 150.0),
        SendPath::UringSendmsgZc => (1_900.0, 150.0),
        SendPath::UringSendZcFixed => (1_600.0, 145.0),
        SendPath::Hybrid => of_runs(cell, (650.0, 115.0), (2_300.0, 150.0)),
    };
    let sender = per_message / kib + per_kib;
    let receiver = 60.0 / kib + 95.0;
    let workers = f64::from(cell.threads.get());
    let crowd = (2.0 * workers / f64::from(CPUS)).max(1.0);
    Figures {
        goodput_gbps: workers / crowd * 8.0 * 1024.0 / sender.max(receiver),
        sender_cpu_ns_per_kib: sender,
        receiver_cpu_ns_per_kib: receiver,
    }
}

/// Runs of a message that are copied, and runs that are passed by reference.
fn runs(cell: &Cell) -> (u64, u64) {
    let is_passed: Vec<bool> =
        cell.field_lengths().map(|bytes| bytes >= cell.copy_below.bytes().0).collect();
    is_passed.chunk_by(|one, next| one == next).fold((0, 0), |(copied, passed), run| {
        if run[0] { (copied, passed + 1) } else { (copied + 1, passed) }
    })
}

/// Costs per message and per KiB of runs that are copied, and of those that are passed by reference.
fn of_runs(cell: &Cell, copied: (f64, f64), passed: (f64, f64)) -> (f64, f64) {
    let (copied_runs, passed_runs) = runs(cell);
    let is_passed = |bytes: &u64| *bytes >= cell.copy_below.bytes().0;
    let share =
        to_f64(cell.field_lengths().filter(is_passed).sum()) / to_f64(cell.message.bytes().0);
    let mix = |copied: f64, passed: f64| copied * (1.0 - share) + passed * share;
    let per_message = to_f64(copied_runs) * copied.0 + to_f64(passed_runs) * passed.0;
    (per_message, mix(copied.1, passed.1))
}

/// `total` in `parts` whole parts that add up to it.
fn shares(total: u64, parts: u64) -> impl Iterator<Item = u64> {
    (0..parts).map(move |i| total / parts + u64::from(i < total % parts))
}

impl TrialBuilder {
    /// What the receivers took, in Gbit/s; the senders' bytes follow.
    #[must_use]
    pub fn goodput_gbps(self, goodput_gbps: f64) -> Self {
        Self { goodput_gbps, ..self }
    }

    /// CPU time of both ends per KiB, in ns, split between them as before.
    #[must_use]
    pub fn ends_cpu_ns_per_kib(self, ns: f64) -> Self {
        let factor = ns / (self.sender_cpu_ns_per_kib + self.receiver_cpu_ns_per_kib);
        Self {
            sender_cpu_ns_per_kib: self.sender_cpu_ns_per_kib * factor,
            receiver_cpu_ns_per_kib: self.receiver_cpu_ns_per_kib * factor,
            ..self
        }
    }

    /// CPU time of the sender per KiB, in ns.
    #[must_use]
    pub fn sender_cpu_ns_per_kib(self, sender_cpu_ns_per_kib: f64) -> Self {
        Self { sender_cpu_ns_per_kib, ..self }
    }

    /// CPU time of the receiver per KiB, in ns.
    #[must_use]
    pub fn receiver_cpu_ns_per_kib(self, receiver_cpu_ns_per_kib: f64) -> Self {
        Self { receiver_cpu_ns_per_kib, ..self }
    }

    /// Multiplies goodput by a factor and divides both sides' CPU by it.
    #[must_use]
    pub fn faster(self, factor: f64) -> Self {
        Self {
            goodput_gbps: self.goodput_gbps * factor,
            sender_cpu_ns_per_kib: self.sender_cpu_ns_per_kib / factor,
            receiver_cpu_ns_per_kib: self.receiver_cpu_ns_per_kib / factor,
            answering_ns_per_kib: self.answering_ns_per_kib / factor,
            ..self
        }
    }

    /// Time in which the sink's helper answers, in ns per KiB that it took.
    #[must_use]
    pub fn answering_ns_per_kib(self, answering_ns_per_kib: f64) -> Self {
        Self { answering_ns_per_kib, ..self }
    }

    /// Share of zero-copy completions marked copied; 1 where packets are delivered on the machine, 0 on the sink.
    #[must_use]
    pub fn copied_share(self, copied_share: f64) -> Self {
        Self { copied_share, ..self }
    }

    /// The instruments' work at the window's edges, in ns a side.
    #[must_use]
    pub fn edge_ns(self, edge_ns: u64) -> Self {
        Self { edge_ns, ..self }
    }

    /// The congestion control in effect.
    #[must_use]
    pub fn congestion(self, name: &str) -> Self {
        Self { congestion: name.to_owned(), ..self }
    }

    /// The window ordered.
    #[must_use]
    pub fn window(self, window: Nanos) -> Self {
        Self { window, ..self }
    }

    /// CPUs that the ends may use, numbered from 0.
    #[must_use]
    pub fn usable_cpus(self, usable_cpus: u32) -> Self {
        Self { usable_cpus: usable_cpus.max(1), ..self }
    }

    /// With hardware and software counters, as on a machine that has them.
    #[must_use]
    pub fn counted(self) -> Self {
        Self { counted: true, ..self }
    }

    /// Which attempt this was, from 1; the second and later ones have the extended warm-up.
    #[must_use]
    pub fn attempt(self, attempt: u32) -> Self {
        Self { attempt, extended: attempt > 1, ..self }
    }

    /// Place of the block in the round and of the cell in the block, from 0.
    #[must_use]
    pub fn place(self, block: u32, position: u32) -> Self {
        Self { block, position, ..self }
    }

    /// When it began, in milliseconds since 1970.
    #[must_use]
    pub fn started_unix_ms(self, started_unix_ms: u64) -> Self {
        Self { started_unix_ms, ..self }
    }

    /// Changes the record so that it earns this mark.
    ///
    /// `Oversubscribed` leaves one usable CPU; `NoBusyPoll` is only earned where busy polling is asked for; `Stalled` makes it a series; marks of failure make the outcome a failure; `HelperClock` is only earned
    /// on the sink.
    #[must_use]
    pub fn marked(mut self, mark: Mark) -> Self {
        if mark == Mark::Oversubscribed {
            self.usable_cpus = 1;
        }
        self.marks.push(mark);
        self
    }

    /// A trial that failed.
    #[must_use]
    pub fn failed(self, kind: FailureKind, why: &str) -> Self {
        Self { failure: Some(Failure { kind, why: why.to_owned() }), ..self }
    }

    /// The trial.
    pub fn build(self) -> Trial {
        let outcome = self.outcome();
        let pinned = self.cell.placement != Placement::None;
        let cpus = |first: u32| -> Vec<u32> {
            let workers = if pinned { self.cell.threads.get() } else { 0 };
            let half = (self.usable_cpus / 2).max(1);
            (0..workers).map(|i| (first * half + i % half) % self.usable_cpus).collect()
        };
        let (mut sender_cpus, mut receiver_cpus) = (cpus(0), cpus(1));
        if self.cell.link == Link::Sink {
            // The helper has one CPU, the senders have the others.
            receiver_cpus.truncate(1);
            let others: Vec<u32> =
                (0..self.usable_cpus).filter(|cpu| !receiver_cpus.contains(cpu)).collect();
            for (cpu, other) in sender_cpus.iter_mut().zip(others.iter().cycle()) {
                *cpu = *other;
            }
        }
        let message = self.cell.message;
        let is_stalled = self.has(Mark::Stalled);
        let mut trial = Trial {
            settings: Settings {
                window_ns: self.window,
                warmup_ns: Nanos::ms(if self.extended { 300 } else { 100 }),
                tail_ns: Nanos::ms(10),
                extended: self.extended,
                usable_cpus: (0..self.usable_cpus).collect(),
                receiver_usable_cpus: None,
                sender_cpus,
                receiver_cpus,
                ring_slots: self.cell.ring.slots(message),
                slot_bytes: Bytes(message.bytes().0 + 64),
                receive_buffer_bytes: Bytes(self.cell.receive_buffer.bytes(message)),
                ring_filesystem: (self.cell.sendfile_from == RingFile::File)
                    .then(|| "ext4".to_owned()),
                series: None,
            },
            outcome,
            cell: self.cell,
            round: self.round,
            block: self.block,
            position: self.position,
            attempt: self.attempt,
            started_unix_ms: self.started_unix_ms,
        };
        if is_stalled {
            stalled_in(&mut trial, 5);
        }
        trial
    }

    fn has(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }

    fn is_watched(&self) -> bool {
        self.cell.watch == Watch::Cheap
    }

    /// A figure that cells without instruments lack.
    fn watched<T>(&self, value: T) -> Measured<T> {
        if self.is_watched() { Measured::Value(value) } else { Measured::absent(UNWATCHED) }
    }

    /// A figure that cells whose link is not TCP lack too.
    fn of_tcp<T>(&self, value: T) -> Measured<T> {
        if self.cell.link.speaks_tcp() { self.watched(value) } else { Measured::absent(NO_TCP) }
    }

    fn outcome(&self) -> Outcome {
        if let Some(failure) = &self.failure {
            return Outcome::Failed(failure.clone());
        }
        let failed = |kind, why: &str| Outcome::Failed(Failure { kind, why: why.to_owned() });
        if self.has(Mark::EndLost) {
            return failed(FailureKind::EndLost, "the sending end died: signal 9");
        }
        if self.has(Mark::CallFailed) {
            return failed(
                FailureKind::CallFailed,
                "sendmsg: ECONNRESET: the connection was reset",
            );
        }
        if self.has(Mark::NothingPassed) {
            return failed(FailureKind::NothingPassed, "no byte passed, says line 2 of a.csv");
        }
        let bytes = to_u64(self.goodput_gbps * to_f64(self.window.0) / 8.0);
        let sent = to_u64(to_f64(bytes) * if self.has(Mark::Imbalance) { 1.02 } else { 1.0 });
        let sender_cpu = to_u64(self.sender_cpu_ns_per_kib * to_f64(sent) / 1024.0);
        let receiver_cpu = to_u64(self.receiver_cpu_ns_per_kib * to_f64(bytes) / 1024.0);
        let mut sender = self.side(self.sent(sent), self.sent(sent * 3 / 2), sent, sender_cpu);
        if self.cell.send_path.capabilities().goes_through_uring {
            // Three quarters of the work are done by who polls.
            let polls = self.cell.is_polled();
            sender.ring_threads = Some(Measured::Value(RingThreads {
                pollers: if polls { self.cell.threads.get() } else { 0 },
                polling_cpu_ns: if polls { sender_cpu * 3 / 4 } else { 0 },
                ..RingThreads::default()
            }));
            sender.window.ring_wakeups = if polls { 3 } else { 0 };
            sender.total.ring_wakeups = if polls { 5 } else { 0 };
        }
        if self.cell.completions == Completions::Left {
            // All are read when the window is over.
            let window = &mut sender.window;
            (window.completed, window.copied, window.notifications) = (0, 0, 0);
            (window.calls.recvmsg_errqueue, window.calls.poll, window.slot_waits) = (0, 0, 0);
        }
        let mut receiver =
            self.side(self.taken(bytes), self.taken(sent * 3 / 2), bytes, receiver_cpu);
        if self.cell.send_path == SendPath::Zerocopy {
            sender.after_cpu_ns = Nanos(sender_cpu / 50);
        }
        if self.cell.awaits_releases() && self.is_watched() {
            sender.releases = Some(Box::new(self.releases(sender.window.completed)));
        }
        if self.has(Mark::ContentLost) {
            receiver.total.received_bytes -= 1;
        }
        if self.has(Mark::Throttled) {
            sender.throttled_us = Measured::Value(1_500);
        }
        if self.has(Mark::Strangers) {
            receiver.strangers = 1;
        }
        if self.has(Mark::Retransmits) {
            if let Measured::Value(tcp) = &mut sender.tcp {
                tcp.retransmits = 3;
            }
            sender.snmp = Measured::Value(SnmpFacts {
                retransmits: 3,
                fast: 2,
                timeouts: 1,
                ..SnmpFacts::default()
            });
        }
        let sink = if self.cell.link == Link::Sink {
            sink::without_receiver(&mut receiver);
            Measured::Value(self.sink_facts(bytes, sent * 3 / 2, receiver_cpu))
        } else {
            Measured::absent(NO_SINK)
        };
        Outcome::Finished(Box::new(Finished {
            receiver_machine: None,
            memory_traffic: self.memory_traffic(),
            machine: self.machine(sender_cpu + receiver_cpu),
            sender,
            receiver,
            link: match self.cell.link {
                Link::Loopback | Link::Unix | Link::Ssh => Measured::absent(NO_DEVICES),
                Link::Veth | Link::Sink => Measured::Value(self.link_facts()),
            },
            sink,
        }))
    }

    fn memory_traffic(&self) -> Option<MemoryTraffic> {
        (self.cell.memory_load != MemoryLoad::Off).then_some(MemoryTraffic {
            cpu: 7,
            buffer_bytes: Bytes::mib(64),
            cache_bytes: Bytes::mib(32),
            moved_bytes: Bytes(8 * self.window.0),
            cpu_ns: self.window,
            span_ns: self.window,
        })
    }

    fn sent(&self, bytes: u64) -> SendTally {
        let messages = bytes / self.cell.message.bytes().0;
        let fields = u64::from(self.cell.fields.get());
        let mut tally = SendTally { messages, accepted_bytes: bytes, ..SendTally::default() };
        match self.cell.send_path {
            SendPath::Send => tally.calls.send = messages * fields,
            SendPath::Staged => {
                tally.calls.send = messages;
                tally.staged_bytes = bytes;
            }
            SendPath::SendMore => tally.calls.send = messages * fields,
            SendPath::Sendfile => tally.calls.sendfile = messages * fields,
            SendPath::Splice => (tally.calls.vmsplice, tally.calls.splice) = (messages, messages),
            SendPath::UringSend | SendPath::UringSendmsg | SendPath::UringWriteFixed => {
                tally.calls.io_uring_enter = messages;
                tally.ring_completions = messages;
            }
            SendPath::UringSendZc | SendPath::UringSendmsgZc | SendPath::UringSendZcFixed => {
                tally.calls.io_uring_enter = messages;
                tally.ring_completions = 2 * messages;
                tally.zerocopy_sends = messages;
                tally.completed = messages;
                tally.notifications = messages;
                // All but a few were submitted beside others.
                tally.unreliable_marks = messages - messages.div_ceil(8);
                tally.copied = to_u64(to_f64(tally.reliable_marks()) * self.copied_share);
            }
            SendPath::Hybrid => {
                let (copied, passed) = runs(&self.cell);
                tally.calls.sendmsg = messages * (copied + passed);
                tally.zerocopy_sends = messages * passed;
                tally.completed = tally.zerocopy_sends;
                tally.copied = to_u64(to_f64(tally.completed) * self.copied_share);
                tally.notifications = tally.completed.div_ceil(8);
                tally.calls.recvmsg_errqueue = tally.notifications;
            }
            SendPath::Sendmsg => tally.calls.sendmsg = messages,
            SendPath::Zerocopy => {
                tally.calls.sendmsg = messages;
                if self.cell.so_zerocopy == Switch::On {
                    tally.zerocopy_sends = messages;
                    tally.completed = messages;
                    tally.copied = to_u64(to_f64(messages) * self.copied_share);
                    tally.notifications = messages.div_ceil(8);
                    tally.calls.recvmsg_errqueue = tally.notifications;
                    tally.calls.poll = tally.notifications / 4;
                    tally.slot_waits = tally.calls.poll;
                }
            }
        }
        tally
    }

    /// One message in 64 is timed: 60 to 120 µs, and one in 200 of them half a millisecond.
    fn releases(&self, completed: u64) -> Releases {
        let timed = completed / 64;
        let late = timed / 200;
        let even = [60_u64, 70, 80, 90, 100, 110].into_iter().zip(shares(timed - late, 6));
        let bucket = |us: u64| us * 1000 - us * 1000 % width(us * 1000, 16);
        let times = even.map(|(us, times)| (bucket(us), times)).chain([(bucket(500), late)]);
        let buckets: Vec<(u64, u64)> = times.filter(|(_, times)| *times > 0).collect();
        let longest_ns = if late > 0 { 512_000 } else { 114_000 };
        Releases::new(64, longest_ns, 16, buckets)
    }

    fn taken(&self, bytes: u64) -> ReceiveTally {
        let n = bytes.div_ceil(self.cell.receive_buffer.bytes(self.cell.message).max(1));
        let uring = |completions| ReceiveTally {
            ring_completions: completions,
            ring_buffers: completions,
            armed: 1,
            armed_bundles: 1,
            ..ReceiveTally::default()
        };
        let mut tally = ReceiveTally::default();
        let (calls, mapped_bytes) = match self.cell.receive_path {
            ReceivePath::Recv | ReceivePath::RecvTrunc => {
                (Calls { recv: n, ..Calls::default() }, 0)
            }
            ReceivePath::Recvmsg => (Calls { recvmsg: n, ..Calls::default() }, 0),
            ReceivePath::Readv => (Calls { readv: n, ..Calls::default() }, 0),
            // A quarter cannot be mapped.
            ReceivePath::RecvZerocopy => {
                (Calls { zerocopy_receive: n, ..Calls::default() }, bytes - bytes / 4)
            }
            ReceivePath::UringRecv => {
                tally = uring(n);
                (Calls { io_uring_enter: n, ..Calls::default() }, 0)
            }
        };
        ReceiveTally { received_bytes: bytes, mapped_bytes, calls, ..tally }
    }

    fn side<T>(&self, window: T, total: T, bytes: u64, cpu_ns: u64) -> Side<T> {
        let threads = u64::from(self.cell.threads.get());
        let speaks_tcp = self.cell.link.speaks_tcp();
        let off = |mark, factor: f64| if self.has(mark) { factor } else { 1.0 };
        let length = to_u64(
            to_f64(self.window.0) * off(Mark::WindowNoted, 1.1) * off(Mark::WindowVoid, 1.4),
        );
        let workers = shares(bytes, threads).zip(shares(cpu_ns, threads)).map(|(bytes, cpu_ns)| {
            let mut third_bytes = [bytes / 3, bytes / 3, bytes - bytes / 3 * 2];
            if self.has(Mark::Unsettled) {
                third_bytes = [bytes / 4, bytes / 3, bytes - bytes / 4 - bytes / 3];
            }
            let third = length / 3;
            Worker {
                late_ns: 8_000,
                window_ns: Nanos(length),
                bytes: Bytes(bytes),
                cpu_ns: Nanos(cpu_ns),
                third_bytes,
                third_ns: [third, third, length - third * 2],
                slices: Slices::default(),
                steady: None,
            }
        });
        Side {
            workers: workers.collect(),
            window,
            total,
            ring_threads: None,
            usage: self.watched(Usage {
                user_us: cpu_ns / 10_000,
                system_us: cpu_ns / 1_000 - cpu_ns / 10_000,
                voluntary_switches: 120 * threads,
                involuntary_switches: 5 * threads,
                ..Usage::default()
            }),
            after_cpu_ns: Nanos(0),
            counters: self.counters(bytes, cpu_ns),
            tcp: self.of_tcp(TcpFacts {
                rtt_us: 45.0,
                cwnd_packets: 10.0,
                mss_bytes: 65_483.0,
                data_segments_out: Some(bytes.div_ceil(32_741)),
                segments_in: Some(bytes / 65_483),
                sent_bytes: Some(bytes),
                retransmitted_bytes: Some(0),
                busy_us: Some(1_000_000),
                receiver_limited_us: Some(0),
                send_buffer_limited_us: Some(0),
                ..TcpFacts::default()
            }),
            snmp: self.of_tcp(SnmpFacts::default()),
            strangers: 0,
            edge_ns: Nanos(if self.is_watched() { self.edge_ns } else { 0 }),
            peak_rss_bytes: Bytes::mib(10),
            ring_bytes: Bytes::mib(4),
            socket: SocketFacts {
                congestion: if speaks_tcp { self.congestion.clone() } else { String::new() },
                nodelay: speaks_tcp.then_some(self.cell.nodelay.is_on()),
                send_buffer_bytes: 2_626_560,
                receive_buffer_bytes: 6_291_456,
                zerocopy: self.cell.send_path == SendPath::Zerocopy
                    && self.cell.so_zerocopy.is_on(),
                pacing_bytes_per_s: match self.cell.rate {
                    Rate::Auto => None,
                    Rate::Fixed(rate) => Some(rate.0 / 8 / u64::from(self.cell.connections())),
                },
                busy_poll_us: Some(self.cell.busy_poll.micros()).filter(|us| *us > 0),
                napi_id: (speaks_tcp && !self.has(Mark::NoBusyPoll)).then_some(8193),
            },
            throttled_us: self.watched(0),
            releases: None,
        }
    }

    fn counters(&self, bytes: u64, cpu_ns: u64) -> Counters {
        if !self.is_watched() {
            return Counters::absent(UNWATCHED);
        }
        let mut counters = Counters::absent(NO_COUNTERS);
        let scaled = self.has(Mark::Multiplexed);
        let count = |x: f64| Measured::Value(Count { count: to_u64(x), scaled });
        counters.context_switches = Measured::Value(Count {
            count: 125 * u64::from(self.cell.threads.get()),
            scaled: false,
        });
        counters.migrations = Measured::Value(Count { count: 0, scaled: false });
        counters.task_clock_ns = Measured::Value(Count { count: cpu_ns, scaled: false });
        if self.counted || scaled {
            let (cpu, kib) = (to_f64(cpu_ns), to_f64(bytes) / 1024.0);
            counters.cycles = count(cpu * 3.2);
            counters.instructions = count(cpu * 4.1);
            counters.llc_loads = count(kib * 14.0);
            counters.llc_misses = count(kib * 1.5);
            counters.l1d_misses = count(kib * 19.0);
            counters.dtlb_misses = count(kib * 0.4);
            counters.cache_misses = count(kib * 2.0);
            counters.cache_misses_event = Measured::Value("cpu/event=0x2e,umask=0x41/".to_owned());
        }
        counters
    }

    fn machine(&self, ends_cpu_ns: u64) -> Machine {
        let cpus: Vec<u32> = (0..self.usable_cpus).collect();
        let n = u64::from(self.usable_cpus);
        let others = if self.has(Mark::Others) { self.window.0 / 2 } else { 0 };
        let idle = n * self.window.0 / 1_000;
        let stolen = if self.has(Mark::Steal) { self.window.0 / 10 } else { 0 };
        let last = if self.has(Mark::Frequency) { 2_400_000 } else { 3_190_000 };
        Machine {
            busy: self.watched(CpuBusy {
                source: "cpuidle".to_owned(),
                error_ns: Nanos(20_000),
                span_ns: self.window,
                cpus: cpus.clone(),
                busy_ns: shares(ends_cpu_ns + idle + others, n).collect(),
            }),
            ticks: self.watched(CpuTicks {
                tick_ns: Nanos::ms(10),
                span_ns: self.window,
                softirq_ns: shares(ends_cpu_ns / 10 / 10_000_000 * 10_000_000, n).collect(),
                irq_ns: vec![0; cpus.len()],
                steal_ns: vec![stolen; cpus.len()],
                cpus: cpus.clone(),
            }),
            khz: self.watched(cpus.iter().map(|_| [3_200_000, last]).collect()),
            moved_bytes: None,
            ends_cpu_ns: None,
            idle: None,
            load: None,
        }
    }
}
