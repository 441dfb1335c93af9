//! `recv()` into one buffer.

use kernel::Errno;
use kernel::socket::{ReceiveFlags, Socket};
use model::record::ReceiveTally;

use super::{ReceivePath, Taken};
use crate::content::Content;

/// The plain way.
#[derive(Debug)]
pub struct Recv {
    socket: Socket,
    flags: ReceiveFlags,
}

impl ReceivePath for Recv {
    fn open(socket: Socket, may_wait: bool) -> Result<Self, String> {
        let flags = if may_wait { ReceiveFlags::NONE } else { ReceiveFlags::DONT_WAIT };
        Ok(Self { socket, flags })
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    #[inline]
    fn take<C: Content>(
        &mut self,
        buffer: &mut [u8],
        content: &mut C,
        tally: &mut ReceiveTally,
    ) -> Result<Taken, Errno> {
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
