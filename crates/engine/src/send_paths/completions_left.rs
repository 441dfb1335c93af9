//! A3 as the paper's program does it: `sendmsg(MSG_ZEROCOPY)`, and nobody reads the error queue.
//!
//! Buffers are used again whether or not the kernel has let go of them, so that what arrives means nothing. The kernel joins
//! notifications that nobody reads (`skb_zerocopy_notify_extend`, net/core/skbuff.c), so that a connection seldom runs out of
//! option memory; where it does (ENOBUFS), one notification is read and the send repeated. After the last message all are
//! read, so that every send is accounted for. A joined notification says *copied* as its first send was.

use kernel::Errno;
use kernel::arena::Arena;
use kernel::error_queue::{ErrorQueueSpace, Notification};
use kernel::gather::Gather;
use kernel::socket::Socket;
use model::Missing;
use model::message::Message;
use model::record::SendTally;

use super::path::{SendOptions, SendPath, Wait, gather, start};
use super::zerocopy::{Wire, Zerocopy, set_zerocopy};
use crate::slots::{Slot, Slots};

/// Zero-copy sends whose completions are left where they are.
#[derive(Debug)]
pub struct CompletionsLeft<W = Socket> {
    wire: W,
    arena: Arena,
    gather: Gather,
    stride: usize,
    /// Sends that no notification was read of.
    outstanding: u64,
    space: ErrorQueueSpace,
    /// As in [`Zerocopy`]: without SO_ZEROCOPY nobody notifies.
    notifies: bool,
}

/// How long one wait for completions lasts before the connection is looked at again.
const LOOK_MS: i32 = 100;
/// Refused with nothing outstanding: so many looks before giving up. Locked memory is counted by user, so that another flow may
/// give some back.
const BARREN_LOOKS: u32 = 20;

impl<W: Wire> CompletionsLeft<W> {
    fn with_wire(
        wire: W,
        arena: Arena,
        message: &Message,
        options: &SendOptions,
    ) -> Result<Self, String> {
        Ok(Self {
            wire,
            arena,
            gather: gather(message)?,
            stride: message.stride(),
            outstanding: 0,
            space: ErrorQueueSpace::new(),
            notifies: options.so_zerocopy,
        })
    }

    fn complete(&mut self, range: Notification, tally: &mut SendTally) {
        tally.notifications += 1;
        let completed = range.count().min(self.outstanding);
        tally.stray_ids += range.count() - completed;
        tally.completed += completed;
        tally.copied += completed * u64::from(range.copied);
        self.outstanding -= completed;
    }

    /// Takes one notification if there is one.
    fn take(&mut self, tally: &mut SendTally) -> Result<bool, Errno> {
        loop {
            tally.calls.recvmsg_errqueue += 1;
            match self.wire.notification(&mut self.space) {
                Ok(None) => return Ok(false),
                Ok(Some(notification)) => {
                    self.complete(notification, tally);
                    return Ok(true);
                }
                Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Takes one notification, waiting for it; false where none came in time.
    fn await_one(&mut self, tally: &mut SendTally) -> Result<bool, Errno> {
        if self.take(tally)? {
            return Ok(true);
        }
        tally.calls.poll += 1;
        let ready = match self.wire.wait(LOOK_MS) {
            Ok(ready) => ready,
            Err(errno) if errno.is_interrupted() => {
                tally.interrupted += 1;
                return Ok(false);
            }
            Err(errno) => return Err(errno),
        };
        let taken = self.take(tally)?;
        if !taken && (ready.hang_up || ready.error) {
            // The queue is empty, so it is the connection that has died.
            return Err(Errno::BROKEN_PIPE);
        }
        Ok(taken)
    }

    /// As much as is needed to go on after a refusal: one notification, or a while for others to give memory back.
    #[cold]
    fn make_room(&mut self, barren: &mut u32, tally: &mut SendTally) -> Result<(), Errno> {
        tally.no_buffers += 1;
        if !self.await_one(tally)? && self.outstanding == 0 {
            *barren += 1;
            if *barren > BARREN_LOOKS {
                return Err(Errno::NO_BUFFERS);
            }
        }
        Ok(())
    }

    #[inline]
    fn submit(&mut self, slot: Slot, tally: &mut SendTally) -> Result<(), Errno> {
        self.gather.point(&self.arena, start(slot, self.stride))?;
        let (mut done, mut barren) = (0, 0);
        loop {
            tally.calls.sendmsg += 1;
            match self.wire.send(&self.gather) {
                Ok(sent) => {
                    tally.accepted_bytes += sent as u64;
                    if sent > 0 && self.notifies {
                        tally.zerocopy_sends += 1;
                        self.outstanding += 1;
                    }
                    done += sent;
                    if done == self.gather.bytes() {
                        tally.messages += 1;
                        return Ok(());
                    }
                    tally.short_writes += 1;
                    self.gather.after(done);
                }
                Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                Err(errno) if errno.is_no_buffers() => self.make_room(&mut barren, tally)?,
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl SendPath for CompletionsLeft {
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
        Zerocopy::supported()
    }

    fn socket(&self) -> &Socket {
        &self.wire
    }

    fn arena_mut(&mut self) -> &mut Arena {
        &mut self.arena
    }

    #[inline]
    fn submit(&mut self, slot: Slot, _: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        self.submit(slot, tally)
    }

    fn reap(&mut self, wait: Wait, _: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        match wait {
            Wait::Never => {}
            Wait::One => while self.outstanding > 0 && !self.await_one(tally)? {},
            Wait::All => {
                while self.outstanding > 0 {
                    self.await_one(tally)?;
                }
            }
        }
        Ok(())
    }

    /// Left as they are.
    fn rest(&mut self, _: &mut Slots, _: &mut SendTally) -> Result<(), Errno> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use kernel::poll::Ready;

    use super::*;

    /// Refuses the sends whose numbers are listed, and has notifications that are read or come with a wait.
    #[derive(Default)]
    struct Script {
        sends: std::cell::Cell<u32>,
        refused: Vec<u32>,
        waiting: RefCell<VecDeque<Notification>>,
        late: RefCell<VecDeque<Notification>>,
        reads: std::cell::Cell<u32>,
    }

    impl Wire for Script {
        fn send(&self, gather: &Gather) -> Result<usize, Errno> {
            self.sends.set(self.sends.get() + 1);
            if self.refused.contains(&self.sends.get()) {
                return Err(Errno::NO_BUFFERS);
            }
            Ok(gather.remaining())
        }

        fn notification(&self, _: &mut ErrorQueueSpace) -> Result<Option<Notification>, Errno> {
            self.reads.set(self.reads.get() + 1);
            Ok(self.waiting.borrow_mut().pop_front())
        }

        fn wait(&self, _: i32) -> Result<Ready, Errno> {
            self.waiting.borrow_mut().extend(self.late.borrow_mut().pop_front());
            Ok(Ready::default())
        }
    }

    fn sent(
        script: Script,
        messages: u32,
    ) -> (CompletionsLeft<Script>, SendTally, Result<(), Errno>) {
        let message =
            Message::of(&"message_bytes=800 layout=packed".parse().unwrap(), 4096).unwrap();
        let options = SendOptions {
            so_zerocopy: true,
            slots: 1,
            depth: 1,
            copy_below: 0,
            ..SendOptions::default()
        };
        let arena = Arena::new(message.stride()).unwrap();
        let mut path = CompletionsLeft::with_wire(script, arena, &message, &options).unwrap();
        let mut tally = SendTally::default();
        let all = (0..messages).try_for_each(|_| path.submit(Slot(0), &mut tally));
        (path, tally, all)
    }

    fn range(low: u32, high: u32) -> Notification {
        Notification { low, high, copied: true }
    }

    #[test]
    fn nothing_is_read_while_the_kernel_goes_on() {
        let script = Script::default();
        script.waiting.borrow_mut().push_back(range(0, 4));
        let (path, tally, all) = sent(script, 9);
        assert_eq!((all, tally.messages, tally.completed), (Ok(()), 9, 0));
        assert_eq!((path.wire.reads.get(), path.outstanding), (0, 9));
    }

    #[test]
    fn a_refusal_reads_one_notification_and_the_send_is_repeated() {
        let script = Script { refused: vec![4], ..Script::default() };
        script.late.borrow_mut().extend([range(0, 1), range(2, 2)]);
        let (path, tally, all) = sent(script, 5);
        assert_eq!((all, tally.messages, tally.no_buffers), (Ok(()), 5, 1));
        assert_eq!((tally.notifications, tally.completed, path.outstanding), (1, 2, 3));
    }

    #[test]
    fn the_last_reading_accounts_for_every_send_and_for_what_nobody_sent() {
        let (mut path, mut tally, _) = sent(Script::default(), 3);
        path.wire.waiting.borrow_mut().extend([range(0, 1), range(2, 4)]);
        while path.outstanding > 0 {
            path.await_one(&mut tally).unwrap();
        }
        assert_eq!((tally.zerocopy_sends, tally.completed, tally.copied), (3, 3, 3));
        assert_eq!(tally.stray_ids, 2);
    }

    #[test]
    fn memory_that_nobody_gives_back_is_not_awaited_for_ever() {
        let script = Script { refused: (1..1000).collect(), ..Script::default() };
        let (_, tally, all) = sent(script, 1);
        assert_eq!(all, Err(Errno::NO_BUFFERS));
        assert_eq!(tally.no_buffers, u64::from(BARREN_LOOKS) + 1);
    }
}
