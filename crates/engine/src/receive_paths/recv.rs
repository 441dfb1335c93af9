//! `recv()` into one buffer.

use kernel::Errno;
use kernel::arena::Arena;
use kernel::socket::{ReceiveFlags, Socket};
use model::record::ReceiveTally;

use super::path::{ReceiveOptions, ReceivePath, Taken};
use crate::content::Content;

/// The plain way.
#[derive(Debug)]
pub struct Recv {
    socket: Socket,
    flags: ReceiveFlags,
}

impl ReceivePath for Recv {
    /// An arena, like the senders': resident before the start, and without huge pages.
    type Buffer = Arena;

    fn buffer(options: &ReceiveOptions) -> Result<Arena, String> {
        Arena::new(options.buffer_bytes).map_err(|error| error.to_string())
    }

    fn open(socket: Socket, _: &mut Arena, options: &ReceiveOptions) -> Result<Self, String> {
        let flags = if options.may_wait { ReceiveFlags::NONE } else { ReceiveFlags::DONT_WAIT };
        Ok(Self { socket, flags })
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    #[inline]
    fn take<C: Content>(
        &mut self,
        buffer: &mut Arena,
        content: &mut C,
        tally: &mut ReceiveTally,
    ) -> Result<Taken, Errno> {
        let buffer = buffer.bytes_mut(0..buffer.len());
        loop {
            tally.calls.recv += 1;
            match self.socket.receive(buffer, self.flags) {
                Ok(0) => return Ok(Taken::End),
                Ok(received) => {
                    tally.received_bytes += received as u64;
                    content.take(&buffer[..received], tally);
                    return Ok(Taken::Bytes(received as u64));
                }
                Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                Err(errno) if errno.is_would_block() => return Ok(Taken::Nothing),
                Err(errno) => return Err(errno),
            }
        }
    }
}
