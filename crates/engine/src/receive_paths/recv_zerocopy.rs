//! `TCP_ZEROCOPY_RECEIVE`: pages of received packets are mapped in place of the ones before, what cannot be mapped is copied.
//!
//! What can: whole pages of one page fragments, as a zero-copy sender's or a network card's with header split are. A copying
//! sender's lie in compound pages of 32 KiB (`skb_page_frag_refill`), so that all of them are copied; and segments must be whole
//! pages long (TCP_MAXSEG 4096 + 12 with timestamps), or no page begins at a page's begin after the first.
//! Source: `tcp_zerocopy_receive`, `can_map_frag` (net/ipv4/tcp.c).

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use kernel::arena::Arena;
use kernel::receive_mapping::{Mapped, ReceiveMapping};
use kernel::socket::{ReceiveFlags, Socket};
use kernel::{Errno, poll, process};
use model::Missing;
use model::record::ReceiveTally;

use super::path::{ReceiveOptions, ReceivePath, Taken};
use crate::content::Content;

/// Maps what it can.
#[derive(Debug)]
pub struct RecvZerocopy {
    socket: Socket,
    mapping: ReceiveMapping,
    may_wait: bool,
}

/// How long a wait lasts before the stream is looked at again.
const LOOK_MS: i32 = 100;

impl RecvZerocopy {
    /// Shows the mapped bytes, piece by piece, as nobody may refer to them where they lie.
    #[cold]
    fn show<C: Content>(
        &self,
        mapped: usize,
        piece: &mut [u8],
        content: &mut C,
        tally: &mut ReceiveTally,
    ) {
        let mut shown = 0;
        while shown < mapped {
            let bytes = self.mapping.copy_out(shown, piece);
            content.take(&piece[..bytes], tally);
            shown += bytes.max(1);
        }
    }

    /// Waits until there is something; whether it was waited.
    fn wait(&self, tally: &mut ReceiveTally) -> Result<bool, Errno> {
        if !self.may_wait {
            return Ok(false);
        }
        tally.calls.poll += 1;
        match poll::wait_readable(&self.socket, LOOK_MS) {
            Ok(_) => {}
            Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
            Err(errno) => return Err(errno),
        }
        Ok(true)
    }
}

impl ReceivePath for RecvZerocopy {
    /// Where what cannot be mapped is copied to.
    type Buffer = Arena;

    fn buffer(options: &ReceiveOptions) -> Result<Arena, String> {
        Arena::new(options.buffer_bytes).map_err(|error| error.to_string())
    }

    fn open(socket: Socket, _: &mut Arena, options: &ReceiveOptions) -> Result<Self, String> {
        let mapping = ReceiveMapping::new(&socket, options.buffer_bytes)
            .map_err(|error| error.to_string())?;
        Ok(Self { socket, mapping, may_wait: options.may_wait })
    }

    fn supported() -> Result<(), Missing> {
        let try_it = || -> Result<Result<Mapped, Errno>, kernel::socket::SocketError> {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let listener = Socket::listen(any, 1)?;
            let one = Socket::stream(any)?;
            one.connect(listener.local_address()?, Duration::from_secs(5))?;
            Ok(ReceiveMapping::new(&one, 1)?.receive(&one, &mut [0]))
        };
        match try_it().map_err(|error| error.to_string())? {
            Ok(_) => Ok(()),
            Err(errno) => Err(Missing::of_itself("getsockopt(TCP_ZEROCOPY_RECEIVE)")
                .because(errno.to_string())
                .unlocked_by("use Linux 5.11 or later")),
        }
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
        // Less than a page: what fits into it is copied although it could be mapped (`receive_fallback_to_copy`).
        let little = buffer.len().min(process::page_size() - 1);
        loop {
            tally.calls.zerocopy_receive += 1;
            let Mapped { mapped, copied, left } =
                match self.mapping.receive(&self.socket, &mut buffer[..little]) {
                    Ok(mapped) => mapped,
                    Err(errno) if errno.is_io() => return Ok(Taken::End),
                    Err(errno) if errno.is_interrupted() => {
                        tally.interrupted += 1;
                        continue;
                    }
                    Err(errno) => return Err(errno),
                };
            let mut taken = mapped + copied;
            tally.received_bytes += taken as u64;
            tally.mapped_bytes += mapped as u64;
            if copied > 0 {
                if C::LOOKS && mapped > 0 {
                    // They come first, and the buffer holds what was copied.
                    self.show(mapped, &mut [0; 4096], content, tally);
                }
                content.take(&buffer[..copied], tally);
            } else if C::LOOKS && mapped > 0 {
                self.show(mapped, buffer, content, tally);
            }
            if left > 0 {
                // They are there, so that nobody waits.
                let most = left.min(buffer.len());
                tally.calls.recv += 1;
                match self.socket.receive(&mut buffer[..most], ReceiveFlags::DONT_WAIT) {
                    Ok(received) => {
                        tally.received_bytes += received as u64;
                        content.take(&buffer[..received], tally);
                        taken += received;
                    }
                    Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                    Err(errno) if errno.is_would_block() => {}
                    Err(errno) => return Err(errno),
                }
            }
            if taken > 0 {
                return Ok(Taken::Bytes(taken as u64));
            }
            if !self.wait(tally)? {
                return Ok(Taken::Nothing);
            }
        }
    }
}
