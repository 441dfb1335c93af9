//! What a send path is, and what several of them share.

use kernel::Errno;
use kernel::arena::{Arena, Pages};
use kernel::socket::{SendFlags, Socket};
use kernel::uring::RingSetup;
use model::Missing;
use model::message::{Field, Message};
use model::record::SendTally;

use crate::slots::{Slot, Slots};

/// How long to wait for completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Take what is there.
    Never,
    /// At least one.
    One,
    /// Every one that is outstanding.
    All,
}

/// What a path may need to know beside the message.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendOptions {
    /// Whether the zero-copy path asks the socket for SO_ZEROCOPY; off is the negative control.
    pub so_zerocopy: bool,
    /// Slots in the ring.
    pub slots: u32,
    /// Messages that a path through an io_uring submits together.
    pub depth: u32,
    /// Fields shorter than this, in bytes, are copied by a path that passes longer ones by reference.
    pub copy_below: usize,
    /// How its io_uring is made, where it has one.
    pub ring: RingSetup,
    /// Whether that is told of its socket once instead of with every request.
    pub registers_file: bool,
}

/// A way to hand messages to the kernel, on one flow.
pub trait SendPath: Sized {
    /// The memory of a flow's ring, in pages of some size.
    ///
    /// # Errors
    /// The call that the kernel refused.
    fn arena(bytes: usize, pages: Pages) -> Result<Arena, kernel::CallError> {
        Arena::of_pages(bytes, pages)
    }

    /// Sets the socket up and makes everything that sending needs, so that `submit` allocates nothing.
    ///
    /// `arena` is the memory of the flow's ring, slot after slot. The path holds it from here on: what sends from
    /// registered memory registers it now, and it lives as long as the kernel may read it.
    ///
    /// # Errors
    /// One line: what this machine or socket refuses, with the remedy.
    fn open(
        socket: Socket,
        arena: Arena,
        message: &Message,
        options: &SendOptions,
    ) -> Result<Self, String>;

    /// Whether this machine has the path.
    ///
    /// # Errors
    /// Why not, with the remedy and what undoes that.
    fn supported() -> Result<(), Missing> {
        Ok(())
    }

    /// The socket that it sends on.
    fn socket(&self) -> &Socket;

    /// The ring's memory, for who writes the messages.
    fn arena_mut(&mut self) -> &mut Arena;

    /// The descriptor of the io_uring that a thread polls for it, so that the same one may poll others of its worker.
    fn polled_ring(&self) -> Option<i32> {
        None
    }

    /// Hands the whole message in `slot` to the kernel, however many calls that takes; a slot that the kernel
    /// goes on reading is held in `slots`.
    ///
    /// # Errors
    /// The first errno that a repetition cannot mend.
    fn submit(&mut self, slot: Slot, slots: &mut Slots, tally: &mut SendTally)
    -> Result<(), Errno>;

    /// Hands over what the path has gathered and not yet submitted.
    ///
    /// # Errors
    /// As [`SendPath::submit`].
    fn flush(&mut self, slots: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        let _ = (slots, tally);
        Ok(())
    }

    /// Whether completions should be taken now although nobody waits for them.
    #[inline]
    fn is_reap_due(&self, slots: &Slots) -> bool {
        let _ = slots;
        false
    }

    /// Takes completions and releases their slots.
    ///
    /// # Errors
    /// The connection died while waiting.
    #[inline]
    fn reap(&mut self, wait: Wait, slots: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        let _ = (wait, slots, tally);
        Ok(())
    }

    /// What it does before a silence that is not the last: it takes every completion, so that none comes in another's turn, and
    /// waits until nobody polls for it.
    ///
    /// # Errors
    /// As [`SendPath::reap`].
    fn rest(&mut self, slots: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        self.reap(Wait::All, slots, tally)
    }
}

/// Sends all of `bytes` with `send()`: the loop that `send`, `send-more` and `staged` share.
#[inline]
pub(super) fn send_all(
    socket: &Socket,
    mut bytes: &[u8],
    flags: SendFlags,
    tally: &mut SendTally,
) -> Result<(), Errno> {
    loop {
        tally.calls.send += 1;
        match socket.send(bytes, flags) {
            Ok(sent) if sent == bytes.len() => {
                tally.accepted_bytes += sent as u64;
                return Ok(());
            }
            Ok(sent) => {
                tally.accepted_bytes += sent as u64;
                tally.short_writes += 1;
                bytes = &bytes[sent..];
            }
            Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
            Err(errno) => return Err(errno),
        }
    }
}

/// The message's fields as the kernel crate's gather wants them.
pub(super) fn gather(message: &Message) -> Result<kernel::gather::Gather, String> {
    gather_of(message.fields())
}

/// The same of some of them.
pub(super) fn gather_of(fields: &[Field]) -> Result<kernel::gather::Gather, String> {
    let fields: Vec<_> = fields
        .iter()
        .map(|field| kernel::gather::Field { offset: field.offset, bytes: field.length })
        .collect();
    kernel::gather::Gather::new(&fields).map_err(|error| error.to_string())
}

/// Where a slot begins in its arena, in bytes.
#[inline]
pub(super) fn start(slot: Slot, stride: usize) -> usize {
    slot.0 as usize * stride
}
