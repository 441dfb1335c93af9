//! What the paths through an io_uring share: a message, or as many as the depth says, is a chain of linked requests, submitted by
//! one `io_uring_enter` that also waits for them.
//!
//! **Order.** More than one request of its own on a TCP socket may be taken up in any order (a first one that finds no room is
//! polled for, while the next one finds some). So a message's requests are linked, each waits for the whole of its bytes
//! (MSG_WAITALL), and the next chain is submitted when all of them have ended. A request that took less ends its chain
//! (io_uring_enter(2), IOSQE_IO_LINK), and what follows is submitted again from there.
//!
//! **A thread that polls** (IORING_SETUP_SQPOLL) begins a chain as soon as it is written; the worker waits for it by one
//! `io_uring_enter`, unless it has ended already. At a pause the worker waits until the thread sleeps, so that it takes nothing of
//! another cell's slice.
//!
//! **Release.** A zero-copy request completes twice: when it has ended (IORING_CQE_F_MORE: a notification follows), and when
//! the kernel has let go of its pages (IORING_CQE_F_NOTIF). Its slot is held from the submission to the second. The notification's
//! *copied* mark means something where the request was alone from its submission to its notification: of requests whose
//! bytes share a packet the kernel stacks the notifications and marks all but the first (`io_link_skb`, io_uring/notif.c, Linux 6.10).

use std::marker::PhantomData;

use kernel::arena::Arena;
use kernel::gather::Gather;
use kernel::socket::Socket;
use kernel::uring::{Completion, Operation, Payload, Request, Ring};
use kernel::{Errno, Unavailable, limits};
use model::Missing;
use model::message::{Field, Message};
use model::record::SendTally;

use super::path::{SendOptions, SendPath, Wait, gather, start};
use crate::error::missing;
use crate::slots::{Slot, Slots};

mod chain;
mod port;

use chain::{Outcome, Place, data, of_data};
pub(crate) use port::{Port, RingAndSocket};

/// What tells one of the paths from the others.
pub trait Kind {
    /// What a request does: one for the whole message where it sends a gather, else one for each field.
    const OPERATION: Operation;
    /// What does the same field by field, where the kernel refuses that with EINVAL.
    const ELSE: Option<Operation> = None;
}

/// A path through a ring.
#[derive(Debug)]
pub struct Uring<K, P = RingAndSocket> {
    port: P,
    arena: Arena,
    fields: Vec<Field>,
    /// One for each message of a chain.
    gathers: Vec<Gather>,
    stride: usize,
    /// Messages of the next chain, and how many make one.
    queue: Vec<Slot>,
    depth: usize,
    operation: Operation,
    /// Whether notifications are asked to say what was copied; not before Linux 6.2.
    reports_copies: bool,
    /// The number of the next request, which wraps.
    next: u32,
    /// Zero-copy requests whose notification has not come.
    outstanding: u32,
    /// Requests that took nothing and are notified all the same: a refused one (EINVAL) still has its notification, whose
    /// mark tells nothing (`io_sendrecv_fail`, io_uring/net.c).
    unsent: Vec<u32>,
    /// The request that was submitted alone, and that no other has joined since.
    alone: Option<u32>,
    /// Of the chain in hand: its first number, how many were taken, and what became of each.
    first: u32,
    chain: Vec<Outcome>,
    pending: u32,
    /// Bytes that its requests took, and those of a whole message.
    sent: usize,
    whole_message: usize,
    _kind: PhantomData<K>,
}

/// How long one wait for notifications lasts before the connection is looked at again.
const LOOK_MS: u32 = 100;
/// Refused for want of memory with nothing outstanding: so many waits of so many milliseconds before giving up.
const BARREN_WAITS: u32 = 200;
const BARREN_MS: u32 = 10;

impl<K: Kind, P: Port> Uring<K, P> {
    pub(super) fn with_port(
        port: P,
        arena: Arena,
        message: &Message,
        depth: u32,
    ) -> Result<Self, String> {
        let fields = message.fields().to_vec();
        let depth = depth.max(1) as usize;
        Ok(Self {
            port,
            arena,
            chain: Vec::with_capacity(fields.len().saturating_mul(depth)),
            fields,
            gathers: (0..depth).map(|_| gather(message)).collect::<Result<_, _>>()?,
            queue: Vec::with_capacity(depth),
            depth,
            stride: message.stride(),
            operation: K::OPERATION,
            reports_copies: true,
            next: 0,
            outstanding: 0,
            // One chain's at most, unless refusals go on while notifications lag.
            unsent: Vec::with_capacity(message.fields().len().saturating_mul(depth)),
            alone: None,
            first: 0,
            pending: 0,
            sent: 0,
            whole_message: message.bytes(),
            _kind: PhantomData,
        })
    }

    /// Takes every completion that is there; returns how many notifications.
    #[inline]
    fn take_all(&mut self, slots: &mut Slots, tally: &mut SendTally) -> u64 {
        let mut taken = 0;
        while let Some(completion) = self.port.completion() {
            tally.ring_completions += 1;
            match completion {
                Completion::Ended { data, result, notifies } => {
                    self.ended(data, result, notifies, slots, tally);
                }
                Completion::Notified { data, copied } => {
                    taken += 1;
                    self.notified(data, copied, slots, tally);
                }
            }
        }
        taken
    }

    #[inline]
    fn ended(
        &mut self,
        data: u64,
        result: Result<usize, Errno>,
        notifies: bool,
        slots: &mut Slots,
        tally: &mut SendTally,
    ) {
        let (slot, number) = of_data(data);
        let place = number.wrapping_sub(self.first) as usize;
        match self.chain.get_mut(place) {
            Some(outcome @ Outcome::Pending) => {
                *outcome = Outcome::Ended(result);
                self.pending -= 1;
                self.sent += result.unwrap_or(0);
            }
            Some(Outcome::Ended(_)) | None => {
                tally.stray_ids += 1;
                return;
            }
        }
        if !self.operation().is_zerocopy() {
            return;
        }
        if notifies && result.is_ok_and(|sent| sent > 0) {
            tally.zerocopy_sends += 1;
        } else if notifies {
            self.unsent.push(number);
        } else {
            // Refused before it referred to anything: no notification follows.
            self.outstanding -= 1;
            slots.release(slot);
        }
    }

    #[inline]
    fn notified(&mut self, data: u64, copied: bool, slots: &mut Slots, tally: &mut SendTally) {
        let (slot, number) = of_data(data);
        tally.notifications += 1;
        if self.outstanding == 0 || !slots.release(slot) {
            tally.stray_ids += 1;
            return;
        }
        self.outstanding -= 1;
        if !self.unsent.is_empty()
            && let Some(place) = self.unsent.iter().position(|unsent| *unsent == number)
        {
            self.unsent.swap_remove(place);
            return;
        }
        tally.completed += 1;
        if self.alone == Some(number) && self.reports_copies {
            tally.copied += u64::from(copied);
        } else {
            tally.unreliable_marks += 1;
        }
    }

    /// What a request does. Known to the compiler where nothing else may take its place, so that what only other operations need is left out.
    #[inline]
    const fn operation(&self) -> Operation {
        match K::ELSE {
            None => K::OPERATION,
            Some(_) => self.operation,
        }
    }

    /// Requests that make one message.
    #[inline]
    fn parts(&self) -> usize {
        if self.operation().sends_gather() { 1 } else { self.fields.len() }
    }

    /// Submits what the queued messages lack from the request `at` on, `done` bytes into it, and waits until all of it has ended.
    #[inline]
    fn send_chain(
        &mut self,
        (at, done): (usize, usize),
        slots: &mut Slots,
        tally: &mut SendTally,
    ) -> Result<(), Errno> {
        let (parts, operation) = (self.parts(), self.operation());
        let Self { port, arena, fields, gathers, queue, next, reports_copies, .. } = self;
        let (reports_copies, first) = (*reports_copies, *next);
        let (stride, rest) = (self.stride, queue.len() * parts - at);
        let mut place = Place::new(at, parts);
        let requests = (0..rest).map(|nth| {
            let slot = queue[place.message];
            let payload = if operation.sends_gather() {
                Payload::Gather(&gathers[place.message])
            } else {
                let skipped = if nth == 0 { done } else { 0 };
                let field = &fields[place.part];
                let from = start(slot, stride) + field.offset;
                Payload::Bytes(arena, from + skipped..from + field.length)
            };
            // Of a chain nobody sees more than its own requests.
            let number = first.wrapping_add(u32::try_from(nth).unwrap_or(u32::MAX));
            place.advance();
            Request {
                operation,
                payload,
                data: data(slot, number),
                linked: nth + 1 < rest,
                reports_copies,
            }
        });
        // Far fewer: the queue's entries are at most 32768.
        let wait_for = u32::try_from(rest).unwrap_or(u32::MAX);
        let taken = port.submit(requests, wait_for);
        let entered = port.entered();
        tally.calls.io_uring_enter += entered.calls;
        tally.ring_wakeups += entered.wakeups;
        let taken = taken?;
        self.first = first;
        self.next = first.wrapping_add(taken);
        self.chain.clear();
        self.chain.resize(taken as usize, Outcome::Pending);
        self.pending = taken;
        self.sent = 0;
        if operation.is_zerocopy() {
            self.alone = (taken == 1 && self.outstanding == 0).then_some(first);
            self.outstanding += taken;
            let mut place = Place::new(at, parts);
            for _ in 0..taken {
                slots.hold(self.queue[place.message]);
                place.advance();
            }
        }
        self.take_all(slots, tally);
        while self.pending > 0 {
            tally.calls.io_uring_enter += 1;
            match self.port.wait(self.pending, None) {
                Ok(()) => {}
                Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                Err(errno) => return Err(errno),
            }
            self.take_all(slots, tally);
        }
        Ok(())
    }

    /// Whether the chain was all that is queued, and all of it was taken: no request takes more than it is given.
    #[inline]
    fn is_whole(&self, at: (usize, usize)) -> bool {
        at == (0, 0) && self.sent == self.whole_message * self.queue.len()
    }

    /// How far the chain came: the request and the bytes into it, and what stopped it.
    fn progress(
        &self,
        (mut at, mut done): (usize, usize),
        tally: &mut SendTally,
    ) -> Result<((usize, usize), Option<Errno>), Errno> {
        let mut place = Place::new(at, self.parts());
        let mut stopped = None;
        for outcome in &self.chain {
            let result = match outcome {
                Outcome::Ended(result) => *result,
                Outcome::Pending => return Err(Errno::IO),
            };
            match (result, stopped) {
                (Ok(sent), None) => {
                    tally.accepted_bytes += sent as u64;
                    done += sent;
                    let whole = self.whole(place.part);
                    if done < whole {
                        tally.short_writes += 1;
                        stopped = Some(Errno::CANCELLED);
                    } else if done == whole {
                        (at, done) = (at + 1, 0);
                        tally.messages += u64::from(place.advance());
                    } else {
                        return Err(Errno::IO);
                    }
                }
                (Err(errno), None) => stopped = Some(errno),
                (Err(Errno::CANCELLED), Some(_)) => {}
                // The chain was to end there: what went on would stand in the stream at a wrong place.
                (Ok(_) | Err(_), Some(_)) => return Err(Errno::IO),
            }
        }
        Ok(((at, done), stopped))
    }

    /// Bytes of a message's request when nothing of it is sent.
    #[inline]
    fn whole(&self, part: usize) -> usize {
        if self.operation().sends_gather() {
            self.gathers[0].bytes()
        } else {
            self.fields.get(part).map_or(0, |field| field.length)
        }
    }

    /// Whether there is another way to ask for what was refused with EINVAL; it is taken from here on.
    #[cold]
    fn falls_back(&mut self) -> bool {
        match K::ELSE {
            Some(other) if self.operation() != other => {
                self.operation = other;
                true
            }
            Some(_) | None if self.operation().is_zerocopy() && self.reports_copies => {
                self.reports_copies = false;
                true
            }
            Some(_) | None => false,
        }
    }

    /// As much as is needed to go on after a refusal for want of memory.
    #[cold]
    fn make_room(
        &mut self,
        barren: &mut u32,
        slots: &mut Slots,
        tally: &mut SendTally,
    ) -> Result<(), Errno> {
        tally.no_buffers += 1;
        if self.outstanding > 0 {
            return self.await_notifications(Wait::One, slots, tally);
        }
        *barren += 1;
        if *barren > BARREN_WAITS {
            return Err(Errno::NO_BUFFERS);
        }
        tally.calls.io_uring_enter += 1;
        match self.port.wait(1, Some(BARREN_MS)) {
            Ok(()) => {}
            Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
            Err(errno) => return Err(errno),
        }
        self.take_all(slots, tally);
        Ok(())
    }

    #[inline]
    pub(super) fn submit(
        &mut self,
        slot: Slot,
        slots: &mut Slots,
        tally: &mut SendTally,
    ) -> Result<(), Errno> {
        let place = self.queue.len();
        if self.operation().sends_gather() {
            self.gathers[place].point(&self.arena, start(slot, self.stride))?;
        }
        self.queue.push(slot);
        if place + 1 < self.depth {
            // Not to be written again before it is sent.
            slots.hold(slot);
            return Ok(());
        }
        self.flush(slots, tally)
    }

    /// Sends all that is queued; what could not be sent is not tried again.
    #[inline]
    fn flush(&mut self, slots: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        let sent = self.send_queued(slots, tally);
        // The one that made the chain complete was never held for being queued.
        let queued = self.queue.len().min(self.depth - 1);
        for slot in &self.queue[..queued] {
            slots.release(*slot);
        }
        self.queue.clear();
        sent
    }

    #[inline]
    fn send_queued(&mut self, slots: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        let (mut place, mut barren) = ((0, 0), 0);
        while place.0 < self.queue.len() * self.parts() {
            let stopped = match self.send_chain(place, slots, tally) {
                Ok(()) if self.is_whole(place) => {
                    tally.accepted_bytes += self.sent as u64;
                    tally.messages += self.queue.len() as u64;
                    return Ok(());
                }
                Ok(()) => {
                    let (now, stopped) = self.progress(place, tally)?;
                    place = now;
                    stopped
                }
                Err(errno) => Some(errno),
            };
            match stopped {
                // All is sent; or what the kernel did not take, or took in part, is to be submitted.
                None | Some(Errno::CANCELLED) => {}
                Some(errno) if errno.is_interrupted() => tally.interrupted += 1,
                Some(errno)
                    if errno.is_would_block() || errno.is_busy() || errno.is_exhausted() =>
                {
                    self.make_room(&mut barren, slots, tally)?;
                }
                Some(errno) if errno.is_invalid() && place == (0, 0) && self.falls_back() => {}
                Some(errno) => return Err(errno),
            }
            if self.operation().sends_gather() && place.1 > 0 {
                self.gathers[place.0].after(place.1);
            }
        }
        Ok(())
    }

    /// Half the ring, as with MSG_ZEROCOPY. What is there was posted within the calls that submit.
    #[inline]
    pub(super) fn is_reap_due(&self, slots: &Slots) -> bool {
        K::OPERATION.is_zerocopy() && slots.held() >= slots.len().div_ceil(2)
    }

    #[inline]
    pub(super) fn reap(
        &mut self,
        wait: Wait,
        slots: &mut Slots,
        tally: &mut SendTally,
    ) -> Result<(), Errno> {
        if wait != Wait::Never && !self.queue.is_empty() {
            // Who waits for a slot may wait for one that is queued.
            self.flush(slots, tally)?;
        }
        self.await_notifications(wait, slots, tally)
    }

    fn await_notifications(
        &mut self,
        wait: Wait,
        slots: &mut Slots,
        tally: &mut SendTally,
    ) -> Result<(), Errno> {
        let mut taken = self.take_all(slots, tally);
        loop {
            let enough = match wait {
                Wait::Never => true,
                Wait::One => taken > 0 || self.outstanding == 0,
                Wait::All => self.outstanding == 0,
            };
            if enough {
                return Ok(());
            }
            tally.calls.io_uring_enter += 1;
            match self.port.wait(1, Some(LOOK_MS)) {
                Ok(()) => {}
                Err(errno) if errno.is_interrupted() => {
                    tally.interrupted += 1;
                    continue;
                }
                Err(errno) => return Err(errno),
            }
            let more = self.take_all(slots, tally);
            taken += more;
            if more == 0 {
                tally.calls.poll += 1;
                match self.port.is_over() {
                    // No notification, so it is the connection that has died.
                    Ok(true) => return Err(Errno::BROKEN_PIPE),
                    Ok(false) => {}
                    Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                    Err(errno) => return Err(errno),
                }
            }
        }
    }
}

/// Entries of the completion queue: for every zero-copy request of a full ring both of its completions, as far as the kernel allows
/// (IORING_MAX_CQ_ENTRIES is 65536; what goes beyond it keeps, IORING_FEAT_NODROP). Others complete within the call that waits for
/// their chain, and a queue as short as the kernel makes it stays in the cache.
fn completions(operation: Operation, parts: u32, options: &SendOptions) -> u32 {
    const MOST: u32 = 65_536;
    if !operation.is_zerocopy() {
        return 0;
    }
    let all = u64::from(parts) * (u64::from(options.slots) + u64::from(options.depth) + 1) * 2;
    u32::try_from(all).unwrap_or(MOST).min(MOST)
}

impl<K: Kind> SendPath for Uring<K> {
    fn open(
        socket: Socket,
        arena: Arena,
        message: &Message,
        options: &SendOptions,
    ) -> Result<Self, String> {
        let told = |why: Unavailable| missing(why).to_string();
        let fields = u32::try_from(message.fields().len()).unwrap_or(u32::MAX);
        let gathers = K::OPERATION.sends_gather() && K::ELSE.is_none();
        let parts = if gathers { 1 } else { fields };
        let requests = parts.saturating_mul(options.depth.max(1));
        let mut ring =
            Ring::made_so(requests, completions(K::OPERATION, parts, options), &options.ring)
                .map_err(told)?;
        if options.registers_file {
            ring.register_socket(&socket).map_err(told)?;
        }
        if K::OPERATION.is_fixed() {
            ring.register(&arena).map_err(told)?;
        } else if K::OPERATION.is_zerocopy() {
            limits::may_pin(message.bytes()).map_err(told)?;
        }
        Self::with_port(RingAndSocket { ring, socket }, arena, message, options.depth)
    }

    fn supported() -> Result<(), Missing> {
        let ring = Ring::new(1, 2).map_err(missing)?;
        ring.supports(K::ELSE.unwrap_or(K::OPERATION)).map_err(missing)?;
        if K::OPERATION.is_zerocopy() { limits::may_pin(1).map_err(missing) } else { Ok(()) }
    }

    fn socket(&self) -> &Socket {
        &self.port.socket
    }

    fn polled_ring(&self) -> Option<i32> {
        self.port.ring.is_polled().then(|| self.port.ring.raw())
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

    fn flush(&mut self, slots: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        self.flush(slots, tally)
    }

    #[inline]
    fn is_reap_due(&self, slots: &Slots) -> bool {
        self.is_reap_due(slots)
    }

    fn reap(&mut self, wait: Wait, slots: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        self.reap(wait, slots, tally)
    }

    fn rest(&mut self, slots: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        self.reap(Wait::All, slots, tally)?;
        self.port.rest()
    }
}

#[cfg(test)]
#[path = "uring_tests.rs"]
mod tests;
