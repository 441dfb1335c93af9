//! The receiving end of the link `sink`: a BPF program that takes packets, and a helper that answers for the peer.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;

use kernel::packet_socket::PacketSocket;
use kernel::sink::{RunTime, RunTimeCount, Sink, SinkTrial};
use kernel::stat::irq_time;
use kernel::{clock, cpu, usage};
use model::record::{Counters, ReceiveTally, Side, SinkFacts, Slices, SocketFacts, Worker};
use model::{Bytes, Measured, Nanos};

use crate::child::WhichEnd;
use crate::coordinator::{Broken, failed, nanos, note_until, unsupported};
use crate::instruments::throttling::Throttling;
use crate::instruments::{Edge, Instrument};
use crate::links::device_pair;
use crate::meeting::MEETING;
use crate::protocol::{Absorb, Prepare, Times};

mod helper;

use helper::{Helper, HelperOrders, Seen, Snapshot};

/// Why the receiving side of the sink has no such figure.
const NO_SOCKET: &str = "the sink has no receiving socket";
/// How long after the coordinator's word the helper may take to leave: it may sleep for an interval.
const LEAVING_NS: u64 = 1_000_000_000;

/// Whether this kernel charges softirqs to no thread. Looked up once, before the first trial: it may start a process.
fn softirqs_apart() -> Measured<bool> {
    static APART: LazyLock<Measured<bool>> = LazyLock::new(|| irq_time().into());
    APART.clone()
}

/// What the helper tells.
enum Note {
    Met,
    Done(Box<Result<Seen, Broken>>),
}

/// The program is attached and the helper answers.
pub(crate) struct SinkCrew {
    sink: Arc<Sink>,
    orders: Arc<HelperOrders>,
    notes: mpsc::Receiver<Note>,
    helper: Option<JoinHandle<()>>,
    helper_cpu: u32,
    /// Flow n is met at this port and n.
    pub(crate) address: SocketAddr,
}

impl SinkCrew {
    /// Attaches the program and starts the helper: from now on connections are answered.
    pub(crate) fn listen(
        prepare: Prepare,
        absorb: Absorb,
        address: SocketAddr,
    ) -> Result<Self, Broken> {
        if prepare.check {
            return Err(unsupported(
                "link sink drops what it takes: no content can be compared there; use --link loopback or veth",
            ));
        }
        // Not in the window.
        let _ = softirqs_apart();
        let trial = SinkTrial {
            address: address.ip(),
            first_port: address.port(),
            flows: prepare.cell.connections(),
            token: prepare.token,
        };
        let (device, mac) = device_pair::device(WhichEnd::Receiver);
        let mut sink = Sink::load(&trial).map_err(unsupported)?;
        sink.attach(device).map_err(unsupported)?;
        let socket = PacketSocket::open(device).map_err(|error| failed(error.to_string()))?;
        let sink = Arc::new(sink);
        let orders = Arc::new(HelperOrders::default());
        let [a, b, c, d, ..] = prepare.token;
        let helper = Helper {
            sink: Arc::clone(&sink),
            socket,
            orders: Arc::clone(&orders),
            address: (address.ip(), address.port()),
            macs: (mac, device_pair::device(WhichEnd::Sender).1),
            segment_bytes: absorb.segment_bytes,
            interval_ns: prepare.cell.ack_interval.nanos().0,
            first_sequence: u32::from_be_bytes([a, b, c, d]),
        };
        let (sender, notes) = mpsc::channel();
        let helper_cpu = absorb.helper_cpu;
        let thread = std::thread::Builder::new().name("helper".to_owned()).spawn(move || {
            // The coordinator may have given up and gone.
            let met = || drop(sender.send(Note::Met));
            let done = cpu::pin_thread(&[helper_cpu as usize])
                .map_err(|error| failed(error.to_string()))
                .and_then(|()| helper.run(met));
            // Before the word that it is over: the program leaves the device with its last owner.
            drop(helper);
            let _ = sender.send(Note::Done(Box::new(done)));
        });
        let thread = thread.map_err(|error| failed(format!("starting the helper: {error}")))?;
        Ok(Self { sink, orders, notes, helper: Some(thread), helper_cpu, address })
    }

    /// Waits until every flow has shown the token.
    pub(crate) fn meet(&self, is_over: &dyn Fn() -> bool) -> Result<(), Broken> {
        let deadline = clock::monotonic_ns() + nanos(MEETING);
        match self.note_until(deadline, is_over)? {
            Some(Note::Met) => Ok(()),
            Some(Note::Done(done)) => Err(early(*done)),
            None => Err(failed(format!(
                "not all of {} data connections arrived within {} s at {}",
                self.sink.flows(),
                MEETING.as_secs(),
                self.address
            ))),
        }
    }

    fn note_until(
        &self,
        moment_ns: u64,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Option<Note>, Broken> {
        note_until(&self.notes, moment_ns, is_over, "the sink's helper is gone")
    }

    /// Waits until a moment that nothing should come before.
    fn quiet_until(&self, moment_ns: u64, is_over: &dyn Fn() -> bool) -> Result<(), Broken> {
        match self.note_until(moment_ns, is_over)? {
            Some(Note::Done(done)) => Err(early(*done)),
            Some(Note::Met) | None => Ok(()),
        }
    }

    /// Runs the trial.
    pub(crate) fn run(
        self,
        times: &Times,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(Side<ReceiveTally>, SinkFacts), Broken> {
        let moments = times.moments(clock::monotonic_ns());
        let [_, first, .., end, stop] = moments.edges_ns;
        let _ = self.orders.edges.set(moments.edges_ns);
        let mut throttling = Throttling::attach(());
        self.quiet_until(first, is_over)?;
        throttling.mark(Edge::Start, ());
        self.quiet_until(end, is_over)?;
        throttling.mark(Edge::End, ());
        let program = self.program_time(stop, is_over)?;
        let seen = match self.note_until(moments.drained_ns, is_over)? {
            Some(Note::Done(seen)) => (*seen)?,
            Some(Note::Met) | None => {
                return Err(failed(format!(
                    "the drain was not over {} after the senders stopped",
                    times.drain_ns
                )));
            }
        };
        let side = side(&seen, first, throttling.figures());
        let [from, .., to] = &seen.edges;
        let helper_cpu_ns = Nanos(to.cpu_ns.saturating_sub(from.cpu_ns));
        let facts = SinkFacts {
            window: to.tally.since(&from.tally),
            total: seen.last.tally,
            helper_cpu: self.helper_cpu,
            helper_cpu_ns,
            answering_ns: Nanos(to.answering_ns.saturating_sub(from.answering_ns)),
            answering_cpu_ns: Measured::Value(Nanos(
                to.answering_cpu_ns.saturating_sub(from.answering_cpu_ns),
            )),
            softirqs_apart: softirqs_apart(),
            program_ns_per_packet: program,
        };
        Ok((side, facts))
    }

    /// The time of the program a packet, from now until the senders stop.
    fn program_time(
        &self,
        until_ns: u64,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Measured<f64>, Broken> {
        let begun = RunTimeCount::begin().and_then(|count| Ok((count, self.sink.run_time()?)));
        self.quiet_until(until_ns, is_over)?;
        Ok(match begun.and_then(|(_count, before)| Ok((before, self.sink.run_time()?))) {
            Ok((before, after)) => per_run(before, after),
            Err(why) => Measured::absent(why.to_string()),
        })
    }
}

fn per_run(before: RunTime, after: RunTime) -> Measured<f64> {
    let runs = after.runs.saturating_sub(before.runs);
    if runs == 0 {
        return Measured::absent("no packet came in the tail of this trial");
    }
    #[allow(clippy::cast_precision_loss, reason = "a tail has far fewer than 2^53 ns and runs")]
    Measured::Value(after.ns.saturating_sub(before.ns) as f64 / runs as f64)
}

impl Drop for SinkCrew {
    /// The program leaves the device with its last owner: the next trial's must find it free.
    fn drop(&mut self) {
        self.orders.leave.store(true, Ordering::Relaxed);
        let deadline = clock::monotonic_ns() + LEAVING_NS;
        while let Ok(Some(note)) = self.note_until(deadline, &|| false) {
            if matches!(note, Note::Done(_)) {
                break;
            }
        }
        if let Some(helper) = self.helper.take().filter(JoinHandle::is_finished) {
            let _ = helper.join();
        }
    }
}

/// The helper left although the trial was not over.
fn early(done: Result<Seen, Broken>) -> Broken {
    match done {
        Ok(_) => failed("all connections ended before the trial did"),
        Err(broken) => broken,
    }
}

/// The receiving side of the record: what the program took, and the helper's windows.
fn side(seen: &Seen, first_ns: u64, throttled_us: Measured<u64>) -> Side<ReceiveTally> {
    let bytes = |snapshot: &Snapshot| snapshot.tally.payload_bytes;
    let between = |n: usize| {
        let (from, to) = (&seen.edges[n], &seen.edges[n + 1]);
        (bytes(to).saturating_sub(bytes(from)), to.moment_ns.saturating_sub(from.moment_ns))
    };
    let thirds = [between(0), between(1), between(2)];
    let [from, .., to] = &seen.edges;
    let late = i128::from(from.moment_ns) - i128::from(first_ns);
    let taken = |received_bytes| ReceiveTally { received_bytes, ..ReceiveTally::default() };
    let window_bytes = bytes(to).saturating_sub(bytes(from));
    Side {
        workers: vec![Worker {
            late_ns: i64::try_from(late).unwrap_or(i64::MAX),
            window_ns: Nanos(to.moment_ns.saturating_sub(from.moment_ns)),
            bytes: Bytes(window_bytes),
            cpu_ns: Nanos(to.cpu_ns.saturating_sub(from.cpu_ns)),
            third_bytes: thirds.map(|(bytes, _)| bytes),
            third_ns: thirds.map(|(_, ns)| ns),
            slices: Slices::default(),
            steady: None,
        }],
        window: taken(window_bytes),
        total: taken(bytes(&seen.last)),
        usage: Measured::absent(NO_SOCKET),
        after_cpu_ns: Nanos(seen.last.cpu_ns.saturating_sub(to.cpu_ns)),
        counters: Counters::absent(NO_SOCKET),
        tcp: Measured::absent(NO_SOCKET),
        snmp: Measured::absent(NO_SOCKET),
        strangers: seen.strangers,
        edge_ns: Nanos(seen.edge_ns),
        peak_rss_bytes: Bytes(usage::peak_rss_bytes()),
        ring_bytes: Bytes(0),
        socket: SocketFacts::default(),
        throttled_us,
    }
}
