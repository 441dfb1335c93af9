//! The receiving end of the link `sink`: a BPF program that takes packets, and a helper that answers for the peer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use kernel::Unavailable;
use kernel::packet_socket::PacketSocket;
use kernel::sink::{RunTime, RunTimeCount, Sink, SinkTotals, SinkTrial};
use kernel::{clock, cpu, usage};
use model::names::Watch as Level;
use model::record::{Counters, Machine, ReceiveTally, Side, SinkFacts, SocketFacts};
use model::{Bytes, Measured, Nanos};

use crate::child::WhichEnd;
use crate::coordinator::{Broken, failed, nanos, note_until, unsupported};
use crate::crew::{Tally, counted, worker};
use crate::gate::SliceKind;
use crate::instruments::cpu_busy::softirqs_apart;
use crate::instruments::throttling::Throttling;
use crate::instruments::{Edge, Instrument};
use crate::links::device_pair;
use crate::meeting::MEETING;
use crate::protocol::{Absorb, Prepare, Slice, Times};
use crate::threads;
use crate::trial::unwatched;
use crate::watch::Snapshot;

mod helper;

use helper::{Counted, Helper, HelperOrder, Note, Seen};

/// Why the receiving side of the sink has no such figure.
const NO_SOCKET: &str = "the sink has no receiving socket";
/// How long after the coordinator's word the helper may take to leave: it may sleep for an interval, and wait for a CPU.
const LEAVING_NS: u64 = 10_000_000_000;

/// The program on the device, which serves the flows of every cell that is prepared beside the others.
#[derive(Debug)]
pub(crate) struct SharedSink {
    program: Sink,
    /// Packets and connections of nobody's that were told already, each to the cell that looked next.
    told: [AtomicU64; 2],
}

impl SharedSink {
    fn attach(prepare: &Prepare, address: SocketAddr, device: &str) -> Result<Self, Broken> {
        let trial = SinkTrial {
            address: address.ip(),
            first_port: address.port(),
            flows: prepare.among.flows,
            token: prepare.token,
        };
        let mut program = Sink::load(&trial).map_err(unsupported)?;
        program.attach(device).map_err(unsupported)?;
        Ok(Self { program, told: Default::default() })
    }

    /// What is no flow's and was not told before.
    fn others(&self) -> SinkTotals {
        let SinkTotals { refused, strangers, .. } = self.program.totals();
        let [told_refused, told_strangers] = &self.told;
        let fresh =
            |told: &AtomicU64, n: u64| n.saturating_sub(told.fetch_max(n, Ordering::Relaxed));
        SinkTotals {
            refused: fresh(told_refused, refused),
            strangers: fresh(told_strangers, strangers),
            others: 0,
        }
    }
}

/// The program is attached and the helper answers for one cell.
pub(crate) struct SinkCrew {
    sink: Arc<SharedSink>,
    /// None once it is to leave.
    orders: Option<mpsc::Sender<HelperOrder>>,
    notes: mpsc::Receiver<Note>,
    helper: Option<JoinHandle<()>>,
    helper_cpu: u32,
    /// Flow n is met at this port and n.
    pub(crate) address: SocketAddr,
    watch: Level,
    flows: u32,
    drain: Nanos,
    program: Measured<f64>,
    throttling: Option<Throttling>,
    /// What the helper had counted, by its clock, in the last silence and when the machine was read.
    silence: Snapshot<Counted>,
    read: [Option<(u64, Snapshot<Counted>)>; 2],
}

impl SinkCrew {
    /// Attaches the program, unless it serves cells that were prepared before, and starts the helper: from now on connections
    /// are answered.
    pub(crate) fn listen(
        prepare: &Prepare,
        absorb: Absorb,
        address: SocketAddr,
        before: Option<Arc<SharedSink>>,
    ) -> Result<Self, Broken> {
        if prepare.check {
            return Err(unsupported(
                "link sink drops what it takes: no content can be compared there; use --link loopback or veth",
            ));
        }
        // Not in the window.
        let _ = softirqs_apart();
        let (device, mac) = device_pair::device(WhichEnd::Receiver);
        let sink = match before {
            Some(sink) => sink,
            None => Arc::new(SharedSink::attach(prepare, address, device)?),
        };
        let (first, flows) = (prepare.among.first, prepare.cell.connections());
        let slots = first as usize..(first + flows) as usize;
        let port = u16::try_from(u32::from(address.port()) + first).ok();
        let Some(port) = port.filter(|_| slots.end <= sink.program.flows()) else {
            return Err(failed(format!("flows {slots:?} of {} on the sink", sink.program.flows())));
        };
        let address = SocketAddr::new(address.ip(), port);
        let socket = PacketSocket::open(device).map_err(|error| failed(error.to_string()))?;
        let (orders, receiver) = mpsc::channel();
        let [a, b, c, d, ..] = prepare.token;
        let helper = Helper {
            sink: Arc::clone(&sink),
            socket,
            orders: receiver,
            slots,
            address: (address.ip(), address.port()),
            macs: (mac, device_pair::device(WhichEnd::Sender).1),
            segment_bytes: absorb.segment_bytes,
            interval_ns: prepare.cell.ack_interval.nanos().0,
            windows: prepare.windows,
            first_sequence: u32::from_be_bytes([a, b, c, d]),
        };
        let (sender, notes) = mpsc::channel();
        let helper_cpu = absorb.helper_cpu;
        let thread = threads::start("helper", "the sink's helper", move || {
            // The coordinator may have given up and gone.
            let tell = |note| drop(sender.send(note));
            let done = cpu::pin_thread(&[helper_cpu as usize])
                .map_err(|error| failed(error.to_string()))
                .and_then(|()| helper.run(&tell));
            // Before the word that it is over: the program leaves the device with its last owner.
            drop(helper);
            tell(Note::Done(Box::new(done)));
        });
        let thread = thread.map_err(unsupported)?;
        Ok(Self {
            sink,
            orders: Some(orders),
            notes,
            helper: Some(thread),
            helper_cpu,
            address,
            watch: prepare.cell.watch,
            flows,
            drain: Nanos(0),
            program: Measured::absent("no slice before those that count, in which it is read"),
            throttling: None,
            silence: Snapshot::default(),
            read: [None; 2],
        })
    }

    /// The program, for the cells that are prepared beside this one.
    pub(crate) fn sink(&self) -> Arc<SharedSink> {
        Arc::clone(&self.sink)
    }

    /// Waits until every flow has shown the token.
    pub(crate) fn meet(&self, is_over: &dyn Fn() -> bool) -> Result<(), Broken> {
        let late = || {
            format!(
                "not all of {} data connections arrived within {} s at {}",
                self.flows,
                MEETING.as_secs(),
                self.address
            )
        };
        let note = self.note_within(MEETING, is_over, late)?;
        if matches!(note, Note::Met) { Ok(()) } else { Err(early(note)) }
    }

    fn order(&self, order: HelperOrder) {
        // One that is gone has told why.
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }

    fn note_until(
        &self,
        moment_ns: u64,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Option<Note>, Broken> {
        note_until(&self.notes, moment_ns, is_over, "the sink's helper is gone")
    }

    /// The next word of the helper, which must come soon.
    fn note_within(
        &self,
        patience: Duration,
        is_over: &dyn Fn() -> bool,
        late: impl Fn() -> String,
    ) -> Result<Note, Broken> {
        let deadline = clock::monotonic_ns() + nanos(patience);
        self.note_until(deadline, is_over)?.ok_or_else(|| failed(late()))
    }

    /// Waits until a moment that nothing should come before.
    fn quiet_until(&self, moment_ns: u64, is_over: &dyn Fn() -> bool) -> Result<(), Broken> {
        self.note_until(moment_ns, is_over)?.map_or(Ok(()), |note| Err(early(note)))
    }

    /// A slice up to the end of its window; its load goes on. In one that does not count the program's time is read, so that
    /// no window is disturbed.
    pub(crate) fn slice(
        &mut self,
        slice: &Slice,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), Broken> {
        self.drain = slice.drain_ns;
        let is_warmup = slice.kind == SliceKind::Warmup;
        if !is_warmup && self.watch == Level::Cheap {
            self.throttling.get_or_insert_with(|| {
                let mut throttling = Throttling::attach(());
                throttling.mark(Edge::Start, ());
                throttling
            });
        }
        let begun = is_warmup.then(|| self.begin_program_time());
        let (settle_ns, window_ns) = (slice.settle_ns.0, slice.window_ns.0);
        self.order(HelperOrder::Slice { kind: slice.kind, settle_ns, window_ns });
        let patience = MEETING + Duration::from_nanos(settle_ns + window_ns);
        let late = || format!("no byte came in a slice within {} s", MEETING.as_secs());
        let note = self.note_within(patience, is_over, late)?;
        if !matches!(note, Note::WindowOver) {
            return Err(early(note));
        }
        if let Some(begun) = begun {
            self.program = self.program_time(begun);
        }
        Ok(())
    }

    /// Waits until the program has taken so many bytes since the start, and the helper has acknowledged them and sleeps.
    pub(crate) fn drain(&mut self, bytes: u64, is_over: &dyn Fn() -> bool) -> Result<(), Broken> {
        self.order(HelperOrder::Drain { bytes });
        let late =
            || format!("{bytes} bytes were not there {} after the senders stopped", self.drain);
        let note = self.note_within(Duration::from_nanos(self.drain.0), is_over, late)?;
        if let Note::Drained(silence) = note {
            self.silence = silence;
            return Ok(());
        }
        Err(early(note))
    }

    /// Reads what this end takes, at an edge of the steady slice.
    pub(crate) fn read_machine(&mut self, edge: Edge) {
        if self.watch == Level::Cheap {
            self.read[edge as usize] = Some((clock::process_cpu_ns(), self.silence));
        }
    }

    /// Gathers what a series saw, once the senders have stopped.
    pub(crate) fn finish(mut self, is_over: &dyn Fn() -> bool) -> Result<Absorbed, Broken> {
        if let Some(throttling) = &mut self.throttling {
            throttling.mark(Edge::End, ());
        }
        self.order(HelperOrder::Finish);
        let seen = self.gather(clock::monotonic_ns() + self.drain.0, self.drain, is_over)?;
        let unwatched_slices = || Measured::absent("this control trial ran without instruments");
        let throttled = self.throttling.as_ref().map_or_else(unwatched_slices, Instrument::figures);
        let (side, mut facts) = self.told(&seen, throttled, self.program.clone());
        let machine = match &self.read {
            [Some((from_ns, from)), Some((to_ns, to))] => {
                let between = to.tally.since(&from.tally);
                let helper_ns = to.cpu_ns.saturating_sub(from.cpu_ns);
                facts.looking_ns = Some(Nanos(helper_ns.saturating_sub(between.answering_cpu_ns)));
                let ends_cpu_ns = Some(Nanos(to_ns.saturating_sub(*from_ns)));
                Some(Machine { ends_cpu_ns, ..unwatched() })
            }
            [None, _] | [_, None] => None,
        };
        Ok(Absorbed { side, facts, machine })
    }

    /// Waits for what the helper hands back.
    fn gather(
        &self,
        until_ns: u64,
        patience: Nanos,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Seen, Broken> {
        match self.note_until(until_ns, is_over)? {
            Some(Note::Done(seen)) => *seen,
            Some(note) => Err(early(note)),
            None => {
                Err(failed(format!("the drain was not over {patience} after the senders stopped")))
            }
        }
    }

    /// Runs a steady trial.
    pub(crate) fn run(self, times: &Times, is_over: &dyn Fn() -> bool) -> Result<Absorbed, Broken> {
        let moments = times.moments(clock::monotonic_ns());
        let [_, first, .., end, stop] = moments.edges_ns;
        self.order(HelperOrder::Run(moments.edges_ns));
        let mut throttling = Throttling::attach(());
        self.quiet_until(first, is_over)?;
        throttling.mark(Edge::Start, ());
        self.quiet_until(end, is_over)?;
        throttling.mark(Edge::End, ());
        // In the tail, so that the window is not disturbed.
        let begun = self.begin_program_time();
        self.quiet_until(stop, is_over)?;
        let program = self.program_time(begun);
        let seen = self.gather(moments.drained_ns, times.drain_ns, is_over)?;
        let (side, facts) = self.told(&seen, throttling.figures(), program);
        Ok(Absorbed { side, facts, machine: None })
    }

    fn begin_program_time(&self) -> Begun {
        RunTimeCount::begin().and_then(|count| Ok((count, self.sink.program.run_time()?)))
    }

    /// The time of the program a packet, from the beginning until now.
    fn program_time(&self, begun: Begun) -> Measured<f64> {
        match begun.and_then(|(_count, before)| Ok((before, self.sink.program.run_time()?))) {
            Ok((before, after)) => per_run(before, after),
            Err(why) => Measured::absent(why.to_string()),
        }
    }

    /// What the program took and the helper's windows, as the record has them.
    fn told(
        &self,
        seen: &Seen,
        throttled_us: Measured<u64>,
        program_ns_per_packet: Measured<f64>,
    ) -> (Side<ReceiveTally>, SinkFacts) {
        let helper = worker(&seen.windows, seen.inner, &seen.ordered_ns);
        let mut window = Counted::default();
        for (start, end) in counted(&seen.windows) {
            window.add(&end.tally.since(&start.tally));
        }
        let facts = SinkFacts {
            window: window.sink,
            total: seen.last.sink,
            helper_cpu: self.helper_cpu,
            helper_cpu_ns: helper.cpu_ns,
            answering_ns: Nanos(window.answering_ns),
            answering_cpu_ns: Measured::Value(Nanos(window.answering_cpu_ns)),
            looking_ns: None,
            softirqs_apart: softirqs_apart(),
            program_ns_per_packet,
        };
        let taken = |received_bytes| ReceiveTally { received_bytes, ..ReceiveTally::default() };
        let side = Side {
            workers: vec![helper],
            window: taken(window.bytes()),
            total: taken(seen.last.bytes()),
            ring_threads: None,
            usage: Measured::absent(NO_SOCKET),
            after_cpu_ns: Nanos(seen.after_ns),
            counters: Counters::absent(NO_SOCKET),
            tcp: Measured::absent(NO_SOCKET),
            snmp: Measured::absent(NO_SOCKET),
            strangers: seen.strangers,
            edge_ns: Nanos(seen.edge_ns),
            peak_rss_bytes: Bytes(usage::peak_rss_bytes()),
            ring_bytes: Bytes(0),
            socket: SocketFacts::default(),
            throttled_us,
            releases: None,
        };
        (side, facts)
    }
}

/// While it lives the program's time is counted: and what it was at the beginning.
type Begun = Result<(RunTimeCount, RunTime), Unavailable>;

/// What the sink's end tells of a cell.
pub(crate) struct Absorbed {
    pub(crate) side: Side<ReceiveTally>,
    pub(crate) facts: SinkFacts,
    pub(crate) machine: Option<Machine>,
}

fn per_run(before: RunTime, after: RunTime) -> Measured<f64> {
    let runs = after.runs.saturating_sub(before.runs);
    if runs == 0 {
        return Measured::absent("no packet came while it was counted");
    }
    #[allow(clippy::cast_precision_loss, reason = "a tail has far fewer than 2^53 ns and runs")]
    Measured::Value(after.ns.saturating_sub(before.ns) as f64 / runs as f64)
}

impl Drop for SinkCrew {
    /// The program leaves the device with its last owner: the next trial's must find it free.
    fn drop(&mut self) {
        self.orders = None;
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

/// The helper left although the trial was not over, or said something that it was not asked.
fn early(note: Note) -> Broken {
    match note {
        Note::Done(done) => match *done {
            Ok(_) => failed("all connections ended before the trial did"),
            Err(broken) => broken,
        },
        Note::Met | Note::WindowOver | Note::Drained(_) => {
            failed("the sink's helper said what it was not asked")
        }
    }
}
