//! A1: one `send()` for each field.

use kernel::Errno;
use kernel::arena::Arena;
use kernel::socket::Socket;
use model::message::{Field, Message};
use model::record::SendTally;

use super::{SendOptions, SendPath, send_all, start};
use crate::slots::{Slot, Slots};

/// The paper's A1.
#[derive(Debug)]
pub struct Send {
    socket: Socket,
    fields: Vec<Field>,
    stride: usize,
}

impl SendPath for Send {
    fn open(socket: Socket, message: &Message, _: &SendOptions) -> Result<Self, String> {
        Ok(Self { socket, fields: message.fields().to_vec(), stride: message.stride() })
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    #[inline]
    fn submit(
        &mut self,
        arena: &Arena,
        slot: Slot,
        _: &mut Slots,
        tally: &mut SendTally,
    ) -> Result<(), Errno> {
        let start = start(slot, self.stride);
        for field in &self.fields {
            let from = start + field.offset;
            send_all(&self.socket, arena.bytes(from..from + field.length), tally)?;
        }
        tally.messages += 1;
        Ok(())
    }
}
