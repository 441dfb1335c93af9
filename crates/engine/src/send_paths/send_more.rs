//! One `send()` for each field, with MSG_MORE on all but the last.
//!
//! MSG_MORE says that more follows, so that the kernel pushes no packet out before the message is whole (send(2)).

use kernel::Errno;
use kernel::arena::Arena;
use kernel::socket::{SendFlags, Socket};
use model::message::{Field, Message};
use model::record::SendTally;

use super::path::{SendOptions, SendPath, send_all, start};
use crate::slots::{Slot, Slots};

/// `send()` with the packets of one call a message.
#[derive(Debug)]
pub struct SendMore {
    socket: Socket,
    arena: Arena,
    fields: Vec<Field>,
    stride: usize,
}

impl SendPath for SendMore {
    fn open(
        socket: Socket,
        arena: Arena,
        message: &Message,
        _: &SendOptions,
    ) -> Result<Self, String> {
        Ok(Self { socket, arena, fields: message.fields().to_vec(), stride: message.stride() })
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
        let last = self.fields.len() - 1;
        for (number, field) in self.fields.iter().enumerate() {
            let from = start + field.offset;
            let flags = if number < last { SendFlags::MORE } else { SendFlags::NONE };
            send_all(&self.socket, self.arena.bytes(from..from + field.length), flags, tally)?;
        }
        tally.messages += 1;
        Ok(())
    }
}
