//! One look of the sink's helper: what waits is answered with raw frames.

use std::net::IpAddr;

use kernel::clock;
use kernel::frames::{Answer, Frame, Route};
use kernel::sink::FlowState;
use model::record::SinkTally;

use super::{Counted, Course, Helper};
use crate::coordinator::{Broken, failed};
use crate::protocol::GREETING_BYTES;
use crate::watch::Snapshot;

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
    /// A flow that is over although the window is not, or that was reset.
    fn over_too_soon(&self, flow: usize, how: &str) -> Broken {
        let bytes = self.sink.program.counts(self.slots.start + flow).payload_bytes;
        failed(format!("flow {flow}: the connection {how} before the trial was over")).after(bytes)
    }

    /// One look at every flow; what waits is answered.
    pub(super) fn look(&self, course: &mut Course) -> Result<(), Broken> {
        course.looks += 1;
        let mut began = None;
        let mut is_met = true;
        for flow in 0..course.answered.len() {
            let slot = self.slots.start + flow;
            let look = self.sink.program.look(slot);
            let last = course.answered[flow];
            is_met &= matches!(look.state, FlowState::Open | FlowState::Finished);
            match look.state {
                FlowState::Reset => return Err(self.over_too_soon(flow, "was reset by the sender")),
                FlowState::Finished if !course.may_end => {
                    return Err(self.over_too_soon(flow, "ended"));
                }
                FlowState::Listening
                | FlowState::Ungreeted
                | FlowState::Open
                | FlowState::Finished => {}
            }
            if look.refusals != last.refusals {
                began.get_or_insert_with(Began::now);
                if let Some((peer, sequence)) = self.sink.program.refused_peer(slot)
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
            let Some(peer) = self.sink.program.peer(slot) else { continue };
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

    pub(super) fn snapshot(&self, course: &mut Course) -> Snapshot<Counted> {
        // The clocks first: the table goes on while it is read.
        let (moment_ns, cpu_ns) = (clock::monotonic_ns(), clock::thread_cpu_ns());
        let others = self.sink.others();
        course.refused += others.refused;
        course.seen.strangers += others.strangers;
        let Course { frames: acks, failed_sends, looks, refused, .. } = *course;
        let mut tally = SinkTally { acks, failed_sends, looks, refused, ..SinkTally::default() };
        for slot in self.slots.clone() {
            let counts = self.sink.program.counts(slot);
            tally.packets += counts.packets;
            // The greeting is none of the trial's bytes.
            tally.payload_bytes += counts.payload_bytes.saturating_sub(GREETING_BYTES as u64);
            tally.gaps += counts.gaps;
            tally.reordered += counts.reordered;
            tally.duplicates += counts.duplicates;
            tally.duplicate_bytes += counts.duplicate_bytes;
        }
        let Course { answering_ns, answering_cpu_ns, .. } = *course;
        let tally = Counted { sink: tally, answering_ns, answering_cpu_ns };
        Snapshot { moment_ns, cpu_ns, tally }
    }
}

/// When to look next: whole intervals after the moment for which the last look was meant, so that what a look takes does
/// not lengthen them. Moments that are over by `now` are left out and not made up for.
pub(super) fn look_after(meant_ns: u64, interval_ns: u64, now_ns: u64) -> u64 {
    let interval = interval_ns.max(1);
    let over = now_ns.saturating_sub(meant_ns) / interval;
    meant_ns.saturating_add(interval.saturating_mul(over + 1))
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
