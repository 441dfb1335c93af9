//! Short fields copied, long ones passed by reference.
//!
//! A message is parted into runs of neighbouring fields that go the same way, one call each: a copying `sendmsg()` for short ones,
//! `sendmsg(MSG_ZEROCOPY)` for long ones, MSG_MORE on all but the last, so that the runs share packets. Short fields are gathered
//! by the one copy that the kernel makes into the socket: a buffer of our own beside it would be a second copy, and one that is
//! passed by reference would have to be held until its notification. So a message of short fields alone is what `sendmsg` does,
//! and one of long fields alone what `zerocopy` does.

use std::cell::Cell;

use kernel::Errno;
use kernel::arena::Arena;
use kernel::error_queue::{ErrorQueueSpace, Notification};
use kernel::gather::Gather;
use kernel::poll::Ready;
use kernel::socket::{SendFlags, Socket};
use model::Missing;
use model::message::{Field, Message};
use model::record::SendTally;

use super::path::{SendOptions, SendPath, Wait, gather_of, start};
use super::zerocopy::{Wire, Zerocopy, set_zerocopy};
use crate::slots::{Slot, Slots};

/// The calls that the path makes: those of `zerocopy`, and a copying one between them.
pub trait PartWire: Wire {
    /// Whether more of the message follows what is passed by reference from here on.
    fn set_more(&self, more: bool);

    /// One copying `sendmsg`; whether more of the message follows.
    ///
    /// # Errors
    /// The bare errno.
    fn copy(&self, gather: &Gather, more: bool) -> Result<usize, Errno>;
}

/// A socket, and whether more follows.
#[derive(Debug)]
pub struct PartSocket {
    socket: Socket,
    more: Cell<bool>,
}

impl Wire for PartSocket {
    #[inline]
    fn send(&self, gather: &Gather) -> Result<usize, Errno> {
        let more = if self.more.get() { SendFlags::MORE } else { SendFlags::NONE };
        self.socket.send_message(gather, SendFlags::ZEROCOPY.and(more))
    }

    #[inline]
    fn notification(&self, space: &mut ErrorQueueSpace) -> Result<Option<Notification>, Errno> {
        self.socket.notification(space)
    }

    fn wait(&self, timeout_ms: i32) -> Result<Ready, Errno> {
        Wire::wait(&self.socket, timeout_ms)
    }
}

impl PartWire for PartSocket {
    #[inline]
    fn set_more(&self, more: bool) {
        self.more.set(more);
    }

    #[inline]
    fn copy(&self, gather: &Gather, more: bool) -> Result<usize, Errno> {
        let flags = if more { SendFlags::MORE } else { SendFlags::NONE };
        self.socket.send_message(gather, flags)
    }
}

/// Neighbouring fields that go the same way.
#[derive(Debug)]
enum Run {
    Copied(Gather),
    /// By reference. The first such run of a message is the gather that the sending path holds anyway.
    First,
    Passed(Gather),
}

/// Short fields copied, long ones passed by reference.
#[derive(Debug)]
pub struct Hybrid<W = PartSocket> {
    passing: Zerocopy<W>,
    runs: Vec<Run>,
    stride: usize,
}

/// The fields of a message in runs, and whether each is passed by reference.
fn parted(fields: &[Field], copy_below: usize) -> Vec<(bool, &[Field])> {
    let is_passed = |field: &Field| field.length >= copy_below;
    let runs = fields.chunk_by(|one, next| is_passed(one) == is_passed(next));
    runs.map(|run| (run.first().is_some_and(is_passed), run)).collect()
}

impl<W: PartWire> Hybrid<W> {
    fn with_wire(
        wire: W,
        arena: Arena,
        message: &Message,
        options: &SendOptions,
    ) -> Result<Self, String> {
        let parts = parted(message.fields(), options.copy_below);
        let passed = parts.iter().filter(|(is_passed, _)| *is_passed).count();
        let options = SendOptions {
            so_zerocopy: passed > 0,
            // Each run by reference has an id of its own.
            slots: options.slots.saturating_mul(u32::try_from(passed.max(1)).unwrap_or(u32::MAX)),
            ..*options
        };
        let mut passing = Zerocopy::with_wire(wire, arena, message, &options)?;
        let mut runs = Vec::with_capacity(parts.len());
        let mut has_first = false;
        for (is_passed, fields) in parts {
            let gather = gather_of(fields)?;
            runs.push(match (is_passed, has_first) {
                (false, _) => Run::Copied(gather),
                (true, false) => {
                    *passing.gather_mut() = gather;
                    has_first = true;
                    Run::First
                }
                (true, true) => Run::Passed(gather),
            });
        }
        Ok(Self { passing, runs, stride: message.stride() })
    }

    #[inline]
    fn submit(
        &mut self,
        slot: Slot,
        slots: &mut Slots,
        tally: &mut SendTally,
    ) -> Result<(), Errno> {
        let runs = self.runs.len();
        for (place, run) in self.runs.iter_mut().enumerate() {
            let more = place + 1 < runs;
            match run {
                Run::Copied(gather) => {
                    gather.point(self.passing.arena(), start(slot, self.stride))?;
                    copy_all(self.passing.wire(), gather, more, tally)?;
                }
                Run::First => {
                    self.passing.wire().set_more(more);
                    self.passing.submit_part(slot, slots, tally)?;
                }
                Run::Passed(gather) => {
                    self.passing.wire().set_more(more);
                    std::mem::swap(self.passing.gather_mut(), gather);
                    let sent = self.passing.submit_part(slot, slots, tally);
                    std::mem::swap(self.passing.gather_mut(), gather);
                    sent?;
                }
            }
        }
        tally.messages += 1;
        Ok(())
    }
}

/// Copies all of a run into the socket, however many calls that takes.
#[inline]
fn copy_all<W: PartWire>(
    wire: &W,
    gather: &mut Gather,
    more: bool,
    tally: &mut SendTally,
) -> Result<(), Errno> {
    let mut done = 0;
    loop {
        tally.calls.sendmsg += 1;
        match wire.copy(gather, more) {
            Ok(sent) => {
                tally.accepted_bytes += sent as u64;
                done += sent;
                if done == gather.bytes() {
                    return Ok(());
                }
                tally.short_writes += 1;
                gather.after(done);
            }
            Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
            Err(errno) => return Err(errno),
        }
    }
}

impl SendPath for Hybrid {
    fn open(
        socket: Socket,
        arena: Arena,
        message: &Message,
        options: &SendOptions,
    ) -> Result<Self, String> {
        let passed = message.fields().iter().filter(|field| field.length >= options.copy_below);
        let passed: usize = passed.map(|field| field.length).sum();
        if passed > 0 {
            set_zerocopy(&socket, passed)?;
        }
        let wire = PartSocket { socket, more: Cell::new(false) };
        Self::with_wire(wire, arena, message, options)
    }

    fn supported() -> Result<(), Missing> {
        <Zerocopy as SendPath>::supported()
    }

    fn socket(&self) -> &Socket {
        &self.passing.wire().socket
    }

    fn arena_mut(&mut self) -> &mut Arena {
        self.passing.arena_of_ring()
    }

    #[inline]
    fn submit(
        &mut self,
        slot: Slot,
        slots: &mut Slots,
        tally: &mut SendTally,
    ) -> Result<(), Errno> {
        self.submit(slot, slots, tally)
    }

    #[inline]
    fn is_reap_due(&self, slots: &Slots) -> bool {
        self.passing.is_reap_due(slots)
    }

    fn reap(&mut self, wait: Wait, slots: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        self.passing.reap(wait, slots, tally)
    }
}

#[cfg(test)]
#[path = "hybrid_tests.rs"]
mod tests;
