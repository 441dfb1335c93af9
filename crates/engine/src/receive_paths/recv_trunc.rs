//! `recv(MSG_TRUNC)`: bytes are taken off the stream and copied nowhere.

use kernel::Errno;
use kernel::socket::{ReceiveFlags, Socket};
use model::record::ReceiveTally;

use super::path::{ReceiveOptions, ReceivePath, Taken};
use crate::content::Content;

/// What receiving costs without the copy.
#[derive(Debug)]
pub struct RecvTrunc {
    socket: Socket,
    flags: ReceiveFlags,
    at_once: usize,
}

impl ReceivePath for RecvTrunc {
    type Buffer = ();

    fn buffer(_: &ReceiveOptions) -> Result<(), String> {
        Ok(())
    }

    fn open(socket: Socket, (): &mut (), options: &ReceiveOptions) -> Result<Self, String> {
        let flags = if options.may_wait { ReceiveFlags::NONE } else { ReceiveFlags::DONT_WAIT };
        Ok(Self { socket, flags, at_once: options.buffer_bytes })
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    /// `content` sees nothing: there is nothing to see.
    #[inline]
    fn take<C: Content>(
        &mut self,
        (): &mut (),
        _: &mut C,
        tally: &mut ReceiveTally,
    ) -> Result<Taken, Errno> {
        loop {
            tally.calls.recv += 1;
            match self.socket.discard(self.at_once, self.flags) {
                Ok(0) => return Ok(Taken::End),
                Ok(received) => {
                    tally.received_bytes += received as u64;
                    return Ok(Taken::Bytes(received as u64));
                }
                Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                Err(errno) if errno.is_would_block() => return Ok(Taken::Nothing),
                Err(errno) => return Err(errno),
            }
        }
    }
}
