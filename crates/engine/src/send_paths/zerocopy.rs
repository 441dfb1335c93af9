//! A3: one `sendmsg(MSG_ZEROCOPY)`, completions from the error queue.
//!
//! Rules from Documentation/networking/msg_zerocopy.rst and net/core/skbuff.c (`msg_zerocopy_realloc`,
//! `__msg_zerocopy_callback`): each successful non-empty send takes the next 32-bit id, which wraps; a
//! notification completes a range of them; the pages belong to the kernel until then; ENOBUFS means that the
//! notifications' memory is used up: reap, wait, retry.

use kernel::Errno;
use kernel::arena::Arena;
use kernel::error_queue::{ErrorQueueSpace, Notification};
use kernel::gather::Gather;
use kernel::limits;
use kernel::poll::{self, Ready};
use kernel::socket::{SendFlags, Socket};
use model::Missing;
use model::message::Message;
use model::record::SendTally;

use super::path::{SendOptions, SendPath, Wait, gather, start};
use crate::slots::{Slot, Slots};

/// The calls that the path makes: a socket, or a script in tests.
pub trait Wire {
    /// One `sendmsg(MSG_ZEROCOPY)`.
    ///
    /// # Errors
    /// The bare errno.
    fn send(&self, gather: &Gather) -> Result<usize, Errno>;

    /// One `recvmsg(MSG_ERRQUEUE)`; none if the queue is empty.
    ///
    /// # Errors
    /// The bare errno.
    fn notification(&self, space: &mut ErrorQueueSpace) -> Result<Option<Notification>, Errno>;

    /// One `poll` for the error queue.
    ///
    /// # Errors
    /// The bare errno.
    fn wait(&self, timeout_ms: i32) -> Result<Ready, Errno>;
}

impl Wire for Socket {
    #[inline]
    fn send(&self, gather: &Gather) -> Result<usize, Errno> {
        self.send_message(gather, SendFlags::ZEROCOPY)
    }

    #[inline]
    fn notification(&self, space: &mut ErrorQueueSpace) -> Result<Option<Notification>, Errno> {
        self.read_error_queue(space)
    }

    fn wait(&self, timeout_ms: i32) -> Result<Ready, Errno> {
        poll::wait_error_queue(self, timeout_ms)
    }
}

/// Sends that are not completed, by id modulo the length, each with its slot.
#[derive(Debug)]
struct Outstanding {
    slots: Vec<Option<Slot>>,
    /// The id that the next successful send takes.
    next: u32,
    count: u32,
}

impl Outstanding {
    fn new(capacity: usize) -> Self {
        Self { slots: vec![None; capacity.next_power_of_two()], next: 0, count: 0 }
    }

    fn place(&self, id: u32) -> usize {
        id as usize & (self.slots.len() - 1)
    }

    fn is_full(&self) -> bool {
        self.count as usize == self.slots.len() || self.slots[self.place(self.next)].is_some()
    }

    fn add(&mut self, slot: Slot) {
        let place = self.place(self.next);
        self.slots[place] = Some(slot);
        self.next = self.next.wrapping_add(1);
        self.count += 1;
    }

    /// Takes the slot of a completed id; none if the id is not outstanding.
    fn take(&mut self, id: u32) -> Option<Slot> {
        // Ids from `next` on have not been sent, and those a whole length before it cannot be outstanding.
        let age = self.next.wrapping_sub(id);
        if age == 0 || age as usize > self.slots.len() {
            return None;
        }
        let place = self.place(id);
        let slot = self.slots[place].take()?;
        self.count -= 1;
        Some(slot)
    }
}

/// The paper's A3, done as the kernel asks.
#[derive(Debug)]
pub struct Zerocopy<W = Socket> {
    wire: W,
    arena: Arena,
    gather: Gather,
    stride: usize,
    outstanding: Outstanding,
    space: ErrorQueueSpace,
    /// Without SO_ZEROCOPY the flag is ignored, the bytes are copied and nobody notifies: the negative control.
    notifies: bool,
}

/// How long one wait for completions lasts before the connection is looked at again.
const LOOK_MS: i32 = 100;
/// ENOBUFS with nothing of our own outstanding: so many waits of so many milliseconds before giving up.
const BARREN_WAITS: u32 = 200;
const BARREN_MS: i32 = 10;

impl<W: Wire> Zerocopy<W> {
    pub(crate) fn with_wire(
        wire: W,
        arena: Arena,
        message: &Message,
        options: &SendOptions,
    ) -> Result<Self, String> {
        // A slot has one id, or more after partial sends: room to spare before a send has to wait for ids.
        let capacity = (options.slots as usize).saturating_mul(4).max(64);
        Ok(Self {
            wire,
            arena,
            gather: gather(message)?,
            stride: message.stride(),
            outstanding: Outstanding::new(capacity),
            space: ErrorQueueSpace::new(),
            notifies: options.so_zerocopy,
        })
    }

    /// Takes every notification that is there; returns how many.
    fn take_all(&mut self, slots: &mut Slots, tally: &mut SendTally) -> Result<u64, Errno> {
        let mut taken = 0;
        loop {
            tally.calls.recvmsg_errqueue += 1;
            match self.wire.notification(&mut self.space) {
                Ok(None) => return Ok(taken),
                Ok(Some(notification)) => {
                    taken += 1;
                    tally.notifications += 1;
                    self.complete(notification, slots, tally);
                }
                Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                Err(errno) => return Err(errno),
            }
        }
    }

    fn complete(&mut self, range: Notification, slots: &mut Slots, tally: &mut SendTally) {
        let sent = self.outstanding.slots.len() as u64;
        if range.count() > sent {
            // No honest range is longer than what can be outstanding: count it, do not walk 2^32 ids.
            tally.stray_ids += range.count();
            return;
        }
        for id in range.ids() {
            match self.outstanding.take(id) {
                Some(slot) if slots.release(slot) => {
                    tally.completed += 1;
                    tally.copied += u64::from(range.copied);
                }
                Some(_) | None => tally.stray_ids += 1,
            }
        }
    }

    /// Sends the rest of the gather until the kernel has taken something.
    #[inline]
    fn send_some(&mut self, slots: &mut Slots, tally: &mut SendTally) -> Result<usize, Errno> {
        let mut barren = 0;
        loop {
            while self.outstanding.is_full() {
                self.reap(Wait::One, slots, tally)?;
            }
            tally.calls.sendmsg += 1;
            match self.wire.send(&self.gather) {
                Ok(sent) => return Ok(sent),
                Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                Err(errno) if errno.is_no_buffers() => {
                    tally.no_buffers += 1;
                    if self.outstanding.count == 0 {
                        // Locked memory is counted by user, so another flow may give some back.
                        barren += 1;
                        if barren > BARREN_WAITS {
                            return Err(errno);
                        }
                        tally.calls.poll += 1;
                        match self.wire.wait(BARREN_MS) {
                            Ok(_) => {}
                            Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                            Err(errno) => return Err(errno),
                        }
                    }
                    self.reap(Wait::One, slots, tally)?;
                }
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl<W: Wire> Zerocopy<W> {
    /// The calls, for a path that makes others between them.
    pub(super) const fn wire(&self) -> &W {
        &self.wire
    }

    /// The ring's memory.
    pub(super) const fn arena(&self) -> &Arena {
        &self.arena
    }

    /// The same, for who writes the messages.
    pub(super) const fn arena_of_ring(&mut self) -> &mut Arena {
        &mut self.arena
    }

    /// What is sent of a slot.
    pub(super) const fn gather_mut(&mut self) -> &mut Gather {
        &mut self.gather
    }

    #[inline]
    pub(super) fn submit(
        &mut self,
        slot: Slot,
        slots: &mut Slots,
        tally: &mut SendTally,
    ) -> Result<(), Errno> {
        self.submit_part(slot, slots, tally)?;
        tally.messages += 1;
        Ok(())
    }

    /// Sends the gather of a slot: all of a message, or a part of it.
    #[inline]
    pub(super) fn submit_part(
        &mut self,
        slot: Slot,
        slots: &mut Slots,
        tally: &mut SendTally,
    ) -> Result<(), Errno> {
        self.gather.point(&self.arena, start(slot, self.stride))?;
        let mut done = 0;
        loop {
            let sent = self.send_some(slots, tally)?;
            tally.accepted_bytes += sent as u64;
            if sent > 0 && self.notifies {
                tally.zerocopy_sends += 1;
                self.outstanding.add(slot);
                slots.hold(slot);
            }
            done += sent;
            if done == self.gather.bytes() {
                return Ok(());
            }
            tally.short_writes += 1;
            self.gather.after(done);
        }
    }

    /// Half the ring: early enough that nobody waits, and seldom enough that notifications merge.
    #[inline]
    pub(super) fn is_reap_due(&self, slots: &Slots) -> bool {
        slots.held() >= slots.len().div_ceil(2)
    }

    pub(super) fn reap(
        &mut self,
        wait: Wait,
        slots: &mut Slots,
        tally: &mut SendTally,
    ) -> Result<(), Errno> {
        if !self.notifies {
            return Ok(());
        }
        let mut taken = self.take_all(slots, tally)?;
        loop {
            let enough = match wait {
                Wait::Never => true,
                Wait::One => taken > 0 || self.outstanding.count == 0,
                Wait::All => self.outstanding.count == 0,
            };
            if enough {
                return Ok(());
            }
            tally.calls.poll += 1;
            let ready = match self.wire.wait(LOOK_MS) {
                Ok(ready) => ready,
                Err(errno) if errno.is_interrupted() => {
                    tally.interrupted += 1;
                    continue;
                }
                Err(errno) => return Err(errno),
            };
            let more = self.take_all(slots, tally)?;
            taken += more;
            if more == 0 && (ready.hang_up || ready.error) {
                // The queue is empty, so it is the connection that has died.
                return Err(Errno::BROKEN_PIPE);
            }
        }
    }
}

/// Asks a socket for SO_ZEROCOPY, for messages of so many bytes.
pub(super) fn set_zerocopy(socket: &Socket, bytes: usize) -> Result<(), String> {
    socket.set_zerocopy(true).map_err(|error| error.to_string())?;
    limits::may_pin(bytes).map_err(|error| error.to_string())
}

impl SendPath for Zerocopy {
    fn open(
        socket: Socket,
        arena: Arena,
        message: &Message,
        options: &SendOptions,
    ) -> Result<Self, String> {
        if options.so_zerocopy {
            set_zerocopy(&socket, message.bytes())?;
        }
        Self::with_wire(socket, arena, message, options)
    }

    fn supported() -> Result<(), Missing> {
        let any = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
        let socket = Socket::stream(any).map_err(|error| error.to_string())?;
        Ok(set_zerocopy(&socket, 1)?)
    }

    fn socket(&self) -> &Socket {
        &self.wire
    }

    fn arena_mut(&mut self) -> &mut Arena {
        &mut self.arena
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
        self.is_reap_due(slots)
    }

    fn reap(&mut self, wait: Wait, slots: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        self.reap(wait, slots, tally)
    }
}

#[cfg(test)]
#[path = "zerocopy_tests.rs"]
mod tests;
