//! One `sendfile()` for each field, from a file that holds the ring: a memfd, or one on a disk (`ring_memory.rs`).
//!
//! The file's pages are put into the socket (`splice_to_socket` with MSG_SPLICE_PAGES, fs/splice.c; `sendpage` before Linux 6.5).
//! Nobody tells when they have left it, so that a message is never rewritten.

use kernel::arena::{Arena, Pages};
use kernel::socket::Socket;
use kernel::{CallError, Errno};
use model::Missing;
use model::message::{Field, Message};
use model::record::SendTally;

use super::path::{SendOptions, SendPath, start};
use crate::slots::{Slot, Slots};

/// Pages of a file, by reference.
#[derive(Debug)]
pub struct Sendfile {
    socket: Socket,
    arena: Arena,
    fields: Vec<Field>,
    stride: usize,
}

impl SendPath for Sendfile {
    fn arena(bytes: usize, pages: Pages) -> Result<Arena, CallError> {
        Arena::of_memfd(bytes, pages)
    }

    fn open(
        socket: Socket,
        arena: Arena,
        message: &Message,
        _: &SendOptions,
    ) -> Result<Self, String> {
        Ok(Self { socket, arena, fields: message.fields().to_vec(), stride: message.stride() })
    }

    fn supported() -> Result<(), Missing> {
        Ok(Self::arena(1, Pages::NORMAL).map(drop).map_err(|error| error.to_string())?)
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn arena_mut(&mut self) -> &mut Arena {
        &mut self.arena
    }

    #[inline]
    fn submit(&mut self, slot: Slot, _: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        let start = start(slot, self.stride);
        for field in &self.fields {
            let mut from = start + field.offset;
            let to = from + field.length;
            while from < to {
                tally.calls.sendfile += 1;
                match self.socket.send_file(&self.arena, from..to) {
                    // The file ends beyond the arena: nothing sent is no end of file.
                    Ok(0) => return Err(Errno::BROKEN_PIPE),
                    Ok(sent) => {
                        from += sent;
                        tally.accepted_bytes += sent as u64;
                        tally.short_writes += u64::from(from < to);
                    }
                    Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                    Err(errno) => return Err(errno),
                }
            }
        }
        tally.messages += 1;
        Ok(())
    }
}
