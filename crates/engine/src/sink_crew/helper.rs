//! The sink's helper: looks at what the program published, answers for the missing peer, waits, and looks again. Between the
//! slices of a series it sleeps.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use kernel::clock;
use kernel::netlink::Mac;
use kernel::packet_socket::PacketSocket;
use model::record::SinkTally;

use super::SharedSink;
use crate::coordinator::{Broken, failed};
use crate::crew::Tally;
use crate::gate::SliceKind;
use crate::protocol::GREETING_BYTES;
use crate::watch::{Snapshot, Window};

mod look;

use look::look_after;

/// Shorter waits spin on the clock: a sleep this short would end much later than asked.
const SHORTEST_SLEEP_NS: u64 = 50_000;
/// Between two looks where nothing is measured at most, so that connections are made and drained soon whatever the interval is.
const BRISK_INTERVAL_NS: u64 = 1_000_000;
/// How long the last acknowledgement of a peer that is gone already is waited for: longer than a FIN takes to come again
/// (TCP_RTO_MIN is 200 ms). What comes after it is nobody's, and the next trial's program would count it as refused.
const LAST_ACK_NS: u64 = 1_000_000_000;

/// What the coordinator tells its helper, which leaves when nobody is left who could.
#[derive(Debug)]
pub(super) enum HelperOrder {
    /// A steady trial, by its edges ([`crate::protocol::Moments`]).
    Run([u64; 6]),
    /// A slice, which begins with its first bytes.
    Slice { kind: SliceKind, settle_ns: u64, window_ns: u64 },
    /// Sleep when the program has taken so many bytes since the start and all are acknowledged.
    Drain { bytes: u64 },
    /// Leave when every flow's end is acknowledged.
    Finish,
}

/// What the helper tells.
pub(super) enum Note {
    /// All connections are made.
    Met,
    /// The window of the slice is over.
    WindowOver,
    /// All bytes were taken, and it goes to sleep.
    Drained(Snapshot<Counted>),
    /// It leaves.
    Done(Box<Result<Seen, Broken>>),
}

/// What is counted between the edges of a window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) sink: SinkTally,
    pub(super) answering_ns: u64,
    pub(super) answering_cpu_ns: u64,
}

impl Tally for Counted {
    fn bytes(&self) -> u64 {
        self.sink.payload_bytes
    }
    fn since(&self, earlier: &Self) -> Self {
        Self {
            sink: self.sink.since(&earlier.sink),
            answering_ns: self.answering_ns.saturating_sub(earlier.answering_ns),
            answering_cpu_ns: self.answering_cpu_ns.saturating_sub(earlier.answering_cpu_ns),
        }
    }
    fn add(&mut self, other: &Self) {
        self.sink.add(&other.sink);
        self.answering_ns += other.answering_ns;
        self.answering_cpu_ns += other.answering_cpu_ns;
    }
}

/// What the helper hands back.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) windows: Vec<Window<Counted>>,
    /// When each window was to begin.
    pub(super) ordered_ns: Vec<u64>,
    /// Moment and bytes at the two inner edges of a steady trial's window.
    pub(super) inner: [(u64, u64); 2],
    pub(super) last: Counted,
    /// CPU time from the end of each window to the silence after it.
    pub(super) after_ns: u64,
    pub(super) edge_ns: u64,
    pub(super) strangers: u64,
}

/// What the last answers of a flow were for.
#[derive(Clone, Copy, Debug, Default)]
struct Answered {
    next: u32,
    repeats: u32,
    syns: u32,
    refusals: u32,
    is_finished: bool,
}

/// The helper's state; it lives on the helper's thread.
pub(super) struct Helper {
    pub(super) sink: Arc<SharedSink>,
    pub(super) socket: PacketSocket,
    pub(super) orders: Receiver<HelperOrder>,
    /// Its flows among those of the program.
    pub(super) slots: Range<usize>,
    /// Where the first of them is met.
    pub(super) address: (IpAddr, u16),
    /// The sink's device and the peer's.
    pub(super) macs: (Mac, Mac),
    pub(super) segment_bytes: u16,
    pub(super) interval_ns: u64,
    /// Windows that it will see, the control on top.
    pub(super) windows: usize,
    /// The number of our SYNs; nothing but a FIN follows.
    pub(super) first_sequence: u32,
}

/// What changes from look to look.
#[derive(Default)]
struct Course {
    answered: Vec<Answered>,
    looks: u64,
    frames: u64,
    failed_sends: u64,
    answering_ns: u64,
    answering_cpu_ns: u64,
    last_answer_ns: u64,
    refused: u64,
    next_look_ns: u64,
    interval_ns: u64,
    is_met: bool,
    /// Whether flows may end now.
    may_end: bool,
    /// The CPU clock at the end of a window whose silence has not come yet.
    after_from: Option<u64>,
    seen: Seen,
}

impl Course {
    /// What came after the last window is over.
    fn silent(&mut self, cpu_ns: u64) {
        if let Some(from) = self.after_from.take() {
            self.seen.after_ns += cpu_ns.saturating_sub(from);
        }
    }
}

/// How a stretch of looks ended.
enum Ended {
    /// Its moment came, or what it waited for.
    AsAsked,
    Ordered(HelperOrder),
}

fn out_of_turn() -> Broken {
    failed("the sink's helper was told something out of turn")
}

impl Helper {
    /// Answers until every flow's end is acknowledged, asleep between slices. Tells what its coordinator waits for.
    pub(super) fn run(&self, tell: &dyn Fn(Note)) -> Result<Seen, Broken> {
        let mut course = Course {
            answered: vec![Answered::default(); self.slots.len()],
            interval_ns: self.brisk(),
            ..Course::default()
        };
        course.seen.windows.reserve(self.windows + 1);
        course.seen.ordered_ns.reserve(self.windows + 1);
        self.reach(&mut course, u64::MAX, &mut |course| course.is_met && self.is_silent(course))?;
        tell(Note::Met);
        loop {
            let Ok(order) = self.orders.recv() else { return Err(failed("given up")) };
            match order {
                HelperOrder::Run(edges) => {
                    self.run_steadily(&mut course, edges)?;
                    return Ok(self.hand_back(course));
                }
                HelperOrder::Slice { kind, settle_ns, window_ns } => {
                    let bytes = self.slice(&mut course, kind, settle_ns, window_ns, tell)?;
                    tell(Note::Drained(self.drain(&mut course, bytes)?));
                }
                HelperOrder::Finish => {
                    self.leave(&mut course)?;
                    return Ok(self.hand_back(course));
                }
                HelperOrder::Drain { .. } => return Err(out_of_turn()),
            }
        }
    }

    /// The interval where nothing is measured.
    fn brisk(&self) -> u64 {
        self.interval_ns.min(BRISK_INTERVAL_NS)
    }

    /// One window with its thirds.
    fn run_steadily(&self, course: &mut Course, edges: [u64; 6]) -> Result<(), Broken> {
        let [start, first, second, third, end, stop] = edges;
        self.reach_moment(course, start)?;
        course.interval_ns = self.interval_ns;
        self.reach_moment(course, first)?;
        self.open(course, first, false);
        self.reach_moment(course, second)?;
        course.seen.inner[0] = (clock::monotonic_ns(), self.taken());
        self.reach_moment(course, third)?;
        course.seen.inner[1] = (clock::monotonic_ns(), self.taken());
        self.reach_moment(course, end)?;
        self.close(course);
        course.may_end = true;
        self.reach_moment(course, stop)?;
        self.reach(course, u64::MAX, &mut |course| self.is_done(course))?;
        course.silent(clock::thread_cpu_ns());
        Ok(())
    }

    /// A slice up to the order to drain: returns how many bytes are to be there then.
    fn slice(
        &self,
        course: &mut Course,
        kind: SliceKind,
        settle_ns: u64,
        window_ns: u64,
        tell: &dyn Fn(Note),
    ) -> Result<u64, Broken> {
        let before = self.taken();
        course.interval_ns = self.interval_ns;
        self.reach(course, u64::MAX, &mut |_| self.taken() > before)?;
        let first = clock::monotonic_ns() + settle_ns;
        self.reach_moment(course, first)?;
        let is_kept = kind != SliceKind::Warmup;
        if is_kept {
            self.open(course, first, kind == SliceKind::Steady);
        }
        self.reach_moment(course, first + window_ns)?;
        if is_kept {
            self.close(course);
        }
        tell(Note::WindowOver);
        match self.attend(course, u64::MAX, &mut |_| false)? {
            Ended::Ordered(HelperOrder::Drain { bytes }) => Ok(bytes),
            Ended::Ordered(_) | Ended::AsAsked => Err(out_of_turn()),
        }
    }

    /// Until all bytes are taken and acknowledged, at two looks in a row.
    fn drain(&self, course: &mut Course, bytes: u64) -> Result<Snapshot<Counted>, Broken> {
        course.interval_ns = self.brisk();
        course.next_look_ns = 0;
        let mut was_silent = false;
        self.reach(course, u64::MAX, &mut |course| {
            let is_silent = self.taken() >= bytes && self.is_silent(course);
            std::mem::replace(&mut was_silent, is_silent) && is_silent
        })?;
        let now = self.snapshot(course);
        course.silent(now.cpu_ns);
        Ok(now)
    }

    /// Until the end of every flow is acknowledged.
    fn leave(&self, course: &mut Course) -> Result<(), Broken> {
        course.may_end = true;
        self.reach(course, u64::MAX, &mut |course| self.is_done(course))
    }

    fn hand_back(&self, mut course: Course) -> Seen {
        course.seen.last = self.snapshot(&mut course).tally;
        course.seen
    }

    fn open(&self, course: &mut Course, ordered_ns: u64, is_steady: bool) {
        let before = clock::thread_cpu_ns();
        let start = self.snapshot(course);
        course.seen.windows.push(Window::begun(start, is_steady));
        course.seen.ordered_ns.push(ordered_ns);
        course.seen.inner = [(start.moment_ns, start.tally.bytes()); 2];
        course.seen.edge_ns += clock::thread_cpu_ns().saturating_sub(before);
    }

    fn close(&self, course: &mut Course) {
        let end = self.snapshot(course);
        if let Some(window) = course.seen.windows.last_mut() {
            window.end = Some(end);
            course.after_from = (!window.is_steady).then_some(end.cpu_ns);
        }
        course.seen.edge_ns += clock::thread_cpu_ns().saturating_sub(end.cpu_ns);
    }

    /// Looks and answers until a moment.
    fn reach_moment(&self, course: &mut Course, moment_ns: u64) -> Result<(), Broken> {
        self.reach(course, moment_ns, &mut |_| false)
    }

    /// As [`Helper::attend`], where no order may come.
    fn reach(
        &self,
        course: &mut Course,
        until_ns: u64,
        is_reached: &mut dyn FnMut(&Course) -> bool,
    ) -> Result<(), Broken> {
        match self.attend(course, until_ns, is_reached)? {
            Ended::AsAsked => Ok(()),
            Ended::Ordered(_) => Err(out_of_turn()),
        }
    }

    /// Looks and answers until a moment, until `is_reached` after a look, or until something is ordered.
    fn attend(
        &self,
        course: &mut Course,
        until_ns: u64,
        is_reached: &mut dyn FnMut(&Course) -> bool,
    ) -> Result<Ended, Broken> {
        loop {
            let now = clock::monotonic_ns();
            if now >= until_ns {
                return Ok(Ended::AsAsked);
            }
            if now >= course.next_look_ns {
                self.look(course)?;
                let now = clock::monotonic_ns();
                course.next_look_ns = look_after(course.next_look_ns, course.interval_ns, now);
                if is_reached(course) {
                    return Ok(Ended::AsAsked);
                }
            }
            if let Some(order) = self.wait_until(course.next_look_ns.min(until_ns))? {
                return Ok(Ended::Ordered(order));
            }
        }
    }

    /// Sleeps where it is worth it, else spins on the clock; an order ends both.
    fn wait_until(&self, moment_ns: u64) -> Result<Option<HelperOrder>, Broken> {
        loop {
            match self.orders.try_recv() {
                Ok(order) => return Ok(Some(order)),
                Err(TryRecvError::Disconnected) => return Err(failed("given up")),
                Err(TryRecvError::Empty) => {}
            }
            let left = moment_ns.saturating_sub(clock::monotonic_ns());
            if left == 0 {
                return Ok(None);
            }
            if left < SHORTEST_SLEEP_NS {
                std::hint::spin_loop();
                continue;
            }
            match self.orders.recv_timeout(Duration::from_nanos(left)) {
                Ok(order) => return Ok(Some(order)),
                Err(RecvTimeoutError::Disconnected) => return Err(failed("given up")),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Payload bytes taken so far; the greetings are none of them.
    fn taken(&self) -> u64 {
        let of = |slot| self.sink.program.counts(slot).payload_bytes;
        self.slots.clone().map(|slot| of(slot).saturating_sub(GREETING_BYTES as u64)).sum()
    }

    /// Whether every flow was answered up to what was taken of it.
    fn is_silent(&self, course: &Course) -> bool {
        let flows = self.slots.clone().zip(&course.answered);
        flows.into_iter().all(|(slot, answered)| self.sink.program.look(slot).next == answered.next)
    }

    /// Whether every flow's end was answered and its peer knows.
    fn is_done(&self, course: &Course) -> bool {
        let is_late = clock::monotonic_ns() > course.last_answer_ns + LAST_ACK_NS;
        let last_ack = self.first_sequence.wrapping_add(2);
        self.slots.clone().zip(&course.answered).all(|(slot, answered)| {
            answered.is_finished && (is_late || self.sink.program.peer_ack(slot) == last_ack)
        })
    }
}
