//! The sink's helper: looks at what the program published, answers for the missing peer, waits, and looks again.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use kernel::clock;
use kernel::frames::{Answer, Frame, Route};
use kernel::netlink::Mac;
use kernel::packet_socket::PacketSocket;
use kernel::sink::{FlowState, Sink};
use model::record::SinkTally;

use crate::coordinator::{Broken, failed};
use crate::protocol::GREETING_BYTES;

/// Shorter waits spin on the clock: a sleep this short would end much later than asked.
const SHORTEST_SLEEP_NS: u64 = 50_000;
/// Between two looks before the start, so that connections are made soon whatever the interval is.
const MEETING_INTERVAL_NS: u64 = 1_000_000;
/// How long the last acknowledgement of a peer that is gone already is waited for.
const LAST_ACK_NS: u64 = 20_000_000;

/// Where the window begins among a trial's edges ([`crate::protocol::Moments`]).
const WINDOW: usize = 1;
/// Where it ends.
const TAIL: usize = 4;
/// Where the senders stop.
const STOP: usize = 5;

/// What the coordinator tells its helper.
#[derive(Debug, Default)]
pub(super) struct HelperOrders {
    /// The trial's edges, once they are known.
    pub(super) edges: OnceLock<[u64; 6]>,
    /// Leave.
    pub(super) leave: AtomicBool,
}

/// What the helper saw at an edge.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Snapshot {
    pub(super) moment_ns: u64,
    pub(super) cpu_ns: u64,
    pub(super) answering_ns: u64,
    pub(super) answering_cpu_ns: u64,
    pub(super) tally: SinkTally,
}

/// What the helper hands back: a snapshot at each edge of the window and its thirds, and at the end.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) edges: [Snapshot; 4],
    pub(super) last: Snapshot,
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
    pub(super) sink: Arc<Sink>,
    pub(super) socket: PacketSocket,
    pub(super) orders: Arc<HelperOrders>,
    pub(super) address: (IpAddr, u16),
    /// The sink's device and the peer's.
    pub(super) macs: (Mac, Mac),
    pub(super) segment_bytes: u16,
    pub(super) interval_ns: u64,
    /// The number of our SYNs; nothing but a FIN follows.
    pub(super) first_sequence: u32,
}

/// What changes from look to look.
struct Course {
    answered: Vec<Answered>,
    looks: u64,
    frames: u64,
    failed_sends: u64,
    answering_ns: u64,
    answering_cpu_ns: u64,
    last_answer_ns: u64,
    is_met: bool,
}

/// When answering began or ended, by both clocks.
struct Began {
    moment_ns: u64,
    cpu_ns: u64,
}

impl Began {
    fn now() -> Self {
        Self { moment_ns: clock::monotonic_ns(), cpu_ns: clock::thread_cpu_ns() }
    }
}

impl Helper {
    /// Answers until every flow's FIN is acknowledged after the stop. Tells once when all connections are made.
    pub(super) fn run(&self, met: impl FnOnce()) -> Result<Seen, Broken> {
        let mut met = Some(met);
        let mut course = Course {
            answered: vec![Answered::default(); self.sink.flows()],
            looks: 0,
            frames: 0,
            failed_sends: 0,
            answering_ns: 0,
            answering_cpu_ns: 0,
            last_answer_ns: 0,
            is_met: false,
        };
        let mut edges = [Snapshot::default(); 4];
        let mut edge_ns = 0;
        let mut passed = 0;
        let mut next_look = 0;
        loop {
            if self.orders.leave.load(Ordering::Relaxed) {
                return Err(failed("given up"));
            }
            let known = self.orders.edges.get();
            let now = clock::monotonic_ns();
            while known.and_then(|edges| edges.get(passed)).is_some_and(|edge| now >= *edge) {
                if let Some(snapshot) = passed.checked_sub(WINDOW).and_then(|n| edges.get_mut(n)) {
                    let before = clock::thread_cpu_ns();
                    *snapshot = self.snapshot(&course);
                    edge_ns += clock::thread_cpu_ns().saturating_sub(before);
                }
                passed += 1;
            }
            if now >= next_look {
                self.look(&mut course, passed)?;
                if course.is_met
                    && let Some(met) = met.take()
                {
                    met();
                }
                if passed > STOP && self.is_done(&course) {
                    let last = self.snapshot(&course);
                    let strangers = self.sink.totals().strangers;
                    return Ok(Seen { edges, last, edge_ns, strangers });
                }
                let interval = match passed {
                    0 => self.interval_ns.min(MEETING_INTERVAL_NS),
                    _ => self.interval_ns,
                };
                next_look = look_after(next_look, interval, clock::monotonic_ns());
            }
            let next_edge = known.and_then(|edges| edges.get(passed)).copied().unwrap_or(u64::MAX);
            wait_until(next_look.min(next_edge));
        }
    }

    /// Whether every flow's end was answered and its peer knows.
    fn is_done(&self, course: &Course) -> bool {
        let is_late = clock::monotonic_ns() > course.last_answer_ns + LAST_ACK_NS;
        let last_ack = self.first_sequence.wrapping_add(2);
        let flows = course.answered.iter().enumerate();
        flows.into_iter().all(|(flow, answered)| {
            answered.is_finished && (is_late || self.sink.peer_ack(flow) == last_ack)
        })
    }

    /// A flow that is over although the window is not, or that was reset.
    fn over_too_soon(&self, flow: usize, how: &str) -> Broken {
        let bytes = self.sink.counts(flow).payload_bytes;
        failed(format!("flow {flow}: the connection {how} before the trial was over")).after(bytes)
    }

    /// One look at every flow; what waits is answered.
    fn look(&self, course: &mut Course, passed: usize) -> Result<(), Broken> {
        course.looks += 1;
        let mut began = None;
        let mut is_met = true;
        for flow in 0..course.answered.len() {
            let look = self.sink.look(flow);
            let last = course.answered[flow];
            is_met &= matches!(look.state, FlowState::Open | FlowState::Finished);
            match look.state {
                FlowState::Reset => return Err(self.over_too_soon(flow, "was reset by the sender")),
                FlowState::Finished if passed <= TAIL => {
                    return Err(self.over_too_soon(flow, "ended"));
                }
                FlowState::Listening
                | FlowState::Ungreeted
                | FlowState::Open
                | FlowState::Finished => {}
            }
            if look.refusals != last.refusals {
                began.get_or_insert_with(Began::now);
                if let Some((peer, sequence)) = self.sink.refused_peer(flow)
                    && !self.send(course, flow, peer, Answer::Rst, sequence, 0)?
                {
                    continue;
                }
                course.answered[flow].refusals = look.refusals;
            }
            let asks = look.next != last.next || look.repeats != last.repeats;
            let second = self.first_sequence.wrapping_add(1);
            let (answer, sequence) = match look.state {
                FlowState::Ungreeted if look.syns != last.syns || asks => {
                    (Answer::SynAck { mss: self.segment_bytes }, self.first_sequence)
                }
                FlowState::Open if asks => (Answer::Ack, second),
                FlowState::Finished if asks || !last.is_finished => (Answer::FinAck, second),
                FlowState::Listening
                | FlowState::Ungreeted
                | FlowState::Open
                | FlowState::Finished
                | FlowState::Reset => continue,
            };
            let Some(peer) = self.sink.peer(flow) else { continue };
            began.get_or_insert_with(Began::now);
            if self.send(course, flow, peer, answer, sequence, look.next)? {
                let answered = &mut course.answered[flow];
                answered.next = look.next;
                answered.repeats = look.repeats;
                answered.syns = look.syns;
                answered.is_finished = look.state == FlowState::Finished;
            }
        }
        course.is_met |= is_met;
        if let Some(began) = began {
            let ended = Began::now();
            course.last_answer_ns = ended.moment_ns;
            course.answering_ns += ended.moment_ns.saturating_sub(began.moment_ns);
            course.answering_cpu_ns += ended.cpu_ns.saturating_sub(began.cpu_ns);
        }
        Ok(())
    }

    /// Sends a frame; false where the device has no room now, and the next look tries again.
    fn send(
        &self,
        course: &mut Course,
        flow: usize,
        peer: (IpAddr, u16),
        answer: Answer,
        sequence: u32,
        acknowledged: u32,
    ) -> Result<bool, Broken> {
        let (address, first_port) = self.address;
        let port = u16::try_from(flow).unwrap_or(0).wrapping_add(first_port);
        let route =
            Route { from_mac: self.macs.0, to_mac: self.macs.1, from: (address, port), to: peer };
        let frame = Frame::build(&route, answer, sequence, acknowledged)
            .ok_or_else(|| failed("a peer of another address family"))?;
        match self.socket.send(frame.bytes()) {
            Ok(()) => {
                course.frames += 1;
                Ok(true)
            }
            Err(errno)
                if errno.is_would_block() || errno.is_no_buffers() || errno.is_interrupted() =>
            {
                course.failed_sends += 1;
                Ok(false)
            }
            Err(errno) => Err(failed(format!("send(AF_PACKET): {errno}"))),
        }
    }

    fn snapshot(&self, course: &Course) -> Snapshot {
        // The clocks first: the table goes on while it is read.
        let (moment_ns, cpu_ns) = (clock::monotonic_ns(), clock::thread_cpu_ns());
        let Course { frames: acks, failed_sends, looks, .. } = *course;
        let mut tally = SinkTally { acks, failed_sends, looks, ..SinkTally::default() };
        for flow in 0..self.sink.flows() {
            let counts = self.sink.counts(flow);
            tally.packets += counts.packets;
            // The greeting is none of the trial's bytes.
            tally.payload_bytes += counts.payload_bytes.saturating_sub(GREETING_BYTES as u64);
            tally.gaps += counts.gaps;
            tally.reordered += counts.reordered;
            tally.duplicates += counts.duplicates;
            tally.duplicate_bytes += counts.duplicate_bytes;
        }
        tally.refused = self.sink.totals().refused;
        let Course { answering_ns, answering_cpu_ns, .. } = *course;
        Snapshot { moment_ns, cpu_ns, answering_ns, answering_cpu_ns, tally }
    }
}

/// When to look next: whole intervals after the moment for which the last look was meant, so that what a look takes does
/// not lengthen them. Moments that are over by `now` are left out and not made up for.
fn look_after(meant_ns: u64, interval_ns: u64, now_ns: u64) -> u64 {
    let interval = interval_ns.max(1);
    let over = now_ns.saturating_sub(meant_ns) / interval;
    meant_ns.saturating_add(interval.saturating_mul(over + 1))
}

/// Sleeps where it is worth it, else spins on the clock.
fn wait_until(moment_ns: u64) {
    let now = clock::monotonic_ns();
    if moment_ns.saturating_sub(now) >= SHORTEST_SLEEP_NS {
        clock::sleep_until_ns(moment_ns);
        return;
    }
    while clock::monotonic_ns() < moment_ns {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::look_after;

    #[test]
    fn what_a_look_takes_does_not_lengthen_the_interval() {
        assert_eq!(look_after(1_000, 20, 1_003), 1_020);
        assert_eq!(look_after(1_000, 20, 1_000), 1_020);
    }

    #[test]
    fn looks_that_were_missed_are_left_out() {
        // Once more, at the next moment that is still to come.
        assert_eq!(look_after(1_000, 20, 1_065), 1_080);
        assert_eq!(look_after(1_000, 20, 1_060), 1_080);
        // The first look was meant for no moment.
        let now = 123_456_789;
        let next = look_after(0, 1_000, now);
        assert!(next > now && next <= now + 1_000);
    }
}
