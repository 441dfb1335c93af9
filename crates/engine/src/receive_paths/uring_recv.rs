//! io_uring: one multishot receive into a ring of provided buffers, several of them by one completion where the kernel has bundles.
//!
//! One `io_uring_enter` waits until something has come; `take` gives all that it brought. A request that has ended (ENOBUFS: no buffer
//! was left; a bundle that took the last one) is armed again by the next call, which has none to make for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use kernel::Errno;
use kernel::socket::{Socket, SocketError};
use kernel::uring::{Arrival, Receiver};
use model::Missing;
use model::record::ReceiveTally;

use super::path::{ReceiveOptions, ReceivePath, Taken};
use crate::content::Content;
use crate::error::missing;

/// The request, its ring and its buffers.
#[derive(Debug)]
pub struct UringRecv {
    socket: Socket,
    receiver: Receiver,
    may_wait: bool,
    /// What ended the stream, where it came behind bytes that were given first.
    over: Option<Result<(), Errno>>,
}

/// Provided buffers, together as long as a call's buffer: the working set is that of the other paths, in as many pieces.
const BUFFERS: u16 = 8;

impl UringRecv {
    /// Takes what was posted; how many bytes.
    #[inline]
    fn take_all<C: Content>(&mut self, content: &mut C, tally: &mut ReceiveTally) -> u64 {
        let mut taken = 0;
        loop {
            let arrival = self.receiver.next(|bytes| content.take(bytes, tally));
            let Some(Arrival { result, buffers }) = arrival else { return taken };
            tally.ring_completions += 1;
            tally.ring_buffers += u64::from(buffers);
            match result {
                Ok(0) => self.over = Some(Ok(())),
                Ok(received) => {
                    tally.received_bytes += received as u64;
                    taken += received as u64;
                }
                Err(errno) if errno.is_no_buffers() => tally.no_buffers += 1,
                Err(errno) if errno.is_interrupted() || errno.is_would_block() => {
                    tally.interrupted += 1;
                }
                Err(errno) => self.over = Some(Err(errno)),
            }
        }
    }
}

impl ReceivePath for UringRecv {
    /// Each flow has a ring of its own, and the buffers belong to it.
    type Buffer = ();

    fn buffer(_: &ReceiveOptions) -> Result<(), String> {
        Ok(())
    }

    fn open(socket: Socket, (): &mut (), options: &ReceiveOptions) -> Result<Self, String> {
        let bytes = options.buffer_bytes.div_ceil(usize::from(BUFFERS));
        let receiver = Receiver::new(BUFFERS, bytes).map_err(|why| why.to_string())?;
        Ok(Self { socket, receiver, may_wait: options.may_wait, over: None })
    }

    fn supported() -> Result<(), Missing> {
        let mut receiver = Receiver::new(1, 1).map_err(missing)?;
        let connected = || -> Result<(Socket, Socket), SocketError> {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let listener = Socket::listen(any, 1)?;
            let one = Socket::stream(any)?;
            one.connect(listener.local_address()?, Duration::from_secs(1))?;
            Ok((one, listener))
        };
        let (one, _listener) = connected().map_err(|error| error.to_string())?;
        // Refused at once, or armed and silent.
        let armed = receiver.wait(&one, 0, None);
        let refused = armed.and_then(|_| match receiver.next(|_| ()) {
            Some(Arrival { result: Err(errno), .. }) => Err(errno),
            Some(Arrival { result: Ok(_), .. }) | None => Ok(()),
        });
        refused.map_err(|errno| {
            Missing::of_itself("io_uring")
                .because(format!("a multishot receive is refused: {errno}"))
                .unlocked_by("use Linux 6.0 or later")
        })
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    #[inline]
    fn take<C: Content>(
        &mut self,
        (): &mut (),
        content: &mut C,
        tally: &mut ReceiveTally,
    ) -> Result<Taken, Errno> {
        loop {
            if let Some(over) = self.over {
                return over.map(|()| Taken::End);
            }
            tally.calls.io_uring_enter += 1;
            match self.receiver.wait(&self.socket, u32::from(self.may_wait), None) {
                Ok(true) => {
                    tally.armed += 1;
                    tally.armed_bundles += u64::from(self.receiver.bundles());
                }
                Ok(false) => {}
                Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
                Err(errno) => return Err(errno),
            }
            let taken = self.take_all(content, tally);
            if taken > 0 {
                return Ok(Taken::Bytes(taken));
            }
            if !self.may_wait && self.over.is_none() {
                return Ok(Taken::Nothing);
            }
        }
    }
}
