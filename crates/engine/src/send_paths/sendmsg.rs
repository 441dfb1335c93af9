//! A2: one `sendmsg()` with an iovec entry for each field.

use kernel::Errno;
use kernel::arena::Arena;
use kernel::gather::Gather;
use kernel::socket::{SendFlags, Socket};
use model::message::Message;
use model::record::SendTally;

use super::path::{SendOptions, SendPath, gather, start};
use crate::slots::{Slot, Slots};

/// The paper's A2.
#[derive(Debug)]
pub struct Sendmsg {
    socket: Socket,
    arena: Arena,
    gather: Gather,
    stride: usize,
}

impl Sendmsg {
    /// What follows a call that took less than the whole message.
    #[cold]
    fn rest(&mut self, mut sent: usize, tally: &mut SendTally) -> Result<(), Errno> {
        while sent < self.gather.bytes() {
            self.gather.after(sent);
            tally.calls.sendmsg += 1;
            match self.socket.send_message(&self.gather, SendFlags::NONE) {
                Ok(more) => {
                    sent += more;
                    tally.accepted_bytes += more as u64;
                    tally.short_writes += u64::from(sent < self.gather.bytes());
                }
                Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

impl SendPath for Sendmsg {
    fn open(
        socket: Socket,
        arena: Arena,
        message: &Message,
        _: &SendOptions,
    ) -> Result<Self, String> {
        Ok(Self { socket, arena, gather: gather(message)?, stride: message.stride() })
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn arena_mut(&mut self) -> &mut Arena {
        &mut self.arena
    }

    #[inline]
    fn submit(&mut self, slot: Slot, _: &mut Slots, tally: &mut SendTally) -> Result<(), Errno> {
        self.gather.point(&self.arena, start(slot, self.stride))?;
        tally.calls.sendmsg += 1;
        match self.socket.send_message(&self.gather, SendFlags::NONE) {
            Ok(sent) => {
                tally.accepted_bytes += sent as u64;
                if sent < self.gather.bytes() {
                    tally.short_writes += 1;
                    self.rest(sent, tally)?;
                }
            }
            Err(errno) if errno.is_interrupted() => {
                tally.interrupted += 1;
                self.rest(0, tally)?;
            }
            Err(errno) => return Err(errno),
        }
        tally.messages += 1;
        Ok(())
    }
}
