//! A1: one `send()` for each field.

use kernel::Errno;
use kernel::arena::Arena;
use kernel::socket::{SendFlags, Socket};
use model::message::{Field, Message};
use model::record::SendTally;

use super::path::{SendOptions, SendPath, send_all, start};
use crate::slots::{Slot, Slots};

/// The paper's A1.
#[derive(Debug)]
pub struct Send {
    socket: Socket,
    arena: Arena,
    fields: Vec<Field>,
    stride: usize,
}

impl SendPath for Send {
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
        for field in &self.fields {
            let from = start + field.offset;
            send_all(
                &self.socket,
                self.arena.bytes(from..from + field.length),
                SendFlags::NONE,
                tally,
            )?;
        }
        tally.messages += 1;
        Ok(())
    }
}
