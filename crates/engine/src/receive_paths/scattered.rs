//! `recvmsg()` and `readv()` into eight pieces: what a program does that receives the fields of a message apart.

use kernel::Errno;
use kernel::scatter::Scatter;
use kernel::socket::{ReceiveFlags, Socket};
use model::record::ReceiveTally;

use super::path::{ReceiveOptions, ReceivePath, Taken};
use crate::content::Content;

/// As many as a message of the study has fields.
const PIECES: usize = 8;

fn buffer(options: &ReceiveOptions) -> Result<Scatter, String> {
    Scatter::new(options.buffer_bytes, PIECES).map_err(|error| error.to_string())
}

/// What a call gave, judged; none: it was interrupted and must be made again.
#[inline]
fn judged<C: Content>(
    answer: Result<usize, Errno>,
    buffer: &Scatter,
    content: &mut C,
    tally: &mut ReceiveTally,
) -> Result<Option<Taken>, Errno> {
    match answer {
        Ok(0) => Ok(Some(Taken::End)),
        Ok(received) => {
            tally.received_bytes += received as u64;
            content.take(buffer.first(received), tally);
            Ok(Some(Taken::Bytes(received as u64)))
        }
        Err(errno) if errno.is_interrupted() => {
            tally.interrupted += 1;
            Ok(None)
        }
        Err(errno) if errno.is_would_block() => Ok(Some(Taken::Nothing)),
        Err(errno) => Err(errno),
    }
}

/// One `recvmsg()` a time.
#[derive(Debug)]
pub struct Recvmsg {
    socket: Socket,
    flags: ReceiveFlags,
}

impl ReceivePath for Recvmsg {
    type Buffer = Scatter;

    fn buffer(options: &ReceiveOptions) -> Result<Scatter, String> {
        buffer(options)
    }

    fn open(socket: Socket, _: &mut Scatter, options: &ReceiveOptions) -> Result<Self, String> {
        let flags = if options.may_wait { ReceiveFlags::NONE } else { ReceiveFlags::DONT_WAIT };
        Ok(Self { socket, flags })
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    #[inline]
    fn take<C: Content>(
        &mut self,
        buffer: &mut Scatter,
        content: &mut C,
        tally: &mut ReceiveTally,
    ) -> Result<Taken, Errno> {
        loop {
            tally.calls.recvmsg += 1;
            let answer = self.socket.receive_message(buffer, self.flags);
            if let Some(taken) = judged(answer, buffer, content, tally)? {
                return Ok(taken);
            }
        }
    }
}

/// One `readv()` a time.
#[derive(Debug)]
pub struct Readv {
    socket: Socket,
}

impl ReceivePath for Readv {
    type Buffer = Scatter;

    fn buffer(options: &ReceiveOptions) -> Result<Scatter, String> {
        buffer(options)
    }

    fn open(socket: Socket, _: &mut Scatter, options: &ReceiveOptions) -> Result<Self, String> {
        // The call has no flags.
        socket.set_nonblocking(!options.may_wait).map_err(|error| error.to_string())?;
        Ok(Self { socket })
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    #[inline]
    fn take<C: Content>(
        &mut self,
        buffer: &mut Scatter,
        content: &mut C,
        tally: &mut ReceiveTally,
    ) -> Result<Taken, Errno> {
        loop {
            tally.calls.readv += 1;
            let answer = self.socket.read_vector(buffer);
            if let Some(taken) = judged(answer, buffer, content, tally)? {
                return Ok(taken);
            }
        }
    }
}
