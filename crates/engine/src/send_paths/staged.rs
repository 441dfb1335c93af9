//! A1': copy the fields into one buffer, then one `send()`.

use kernel::Errno;
use kernel::arena::Arena;
use kernel::socket::{SendFlags, Socket};
use model::message::{Field, Message};
use model::record::SendTally;

use super::path::{SendOptions, SendPath, send_all, start};
use crate::slots::{Slot, Slots};

/// The "traditional approach" that the paper compares with.
#[derive(Debug)]
pub struct Staged {
    socket: Socket,
    arena: Arena,
    fields: Vec<Field>,
    stride: usize,
    buffer: Vec<u8>,
}

impl SendPath for Staged {
    fn open(
        socket: Socket,
        arena: Arena,
        message: &Message,
        _: &SendOptions,
    ) -> Result<Self, String> {
        let fields = message.fields().to_vec();
        let buffer = vec![0; message.bytes()];
        Ok(Self { socket, arena, fields, stride: message.stride(), buffer })
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
        let mut filled = 0;
        for field in &self.fields {
            let from = start + field.offset;
            let to = filled + field.length;
            self.buffer[filled..to].copy_from_slice(self.arena.bytes(from..from + field.length));
            filled = to;
        }
        tally.staged_bytes += filled as u64;
        send_all(&self.socket, &self.buffer, SendFlags::NONE, tally)?;
        tally.messages += 1;
        Ok(())
    }
}
