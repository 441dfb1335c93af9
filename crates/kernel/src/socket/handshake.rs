//! Exchanges with a deadline, before a connection is handed to a worker.

use std::time::Instant;

use super::{ReceiveFlags, SendFlags, Socket};
use crate::error::{CallError, Errno};
use crate::poll;

impl Socket {
    /// Sends everything before the deadline: for handshakes, before the first zero-copy send.
    ///
    /// # Errors
    ///
    /// ETIMEDOUT at the deadline, EPIPE or ECONNRESET when the peer is gone.
    pub fn write_all(&self, bytes: &[u8], deadline: Instant) -> Result<(), CallError> {
        let mut sent = 0;
        let failed = |errno, sent| CallError {
            call: "send",
            argument: format!("a handshake of {} bytes, {sent} sent", bytes.len()),
            errno,
        };
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.send(rest, SendFlags::DONT_WAIT) {
                Ok(count) => sent += count,
                Err(errno) if errno.is_interrupted() => {}
                Err(errno) if errno.is_would_block() => {
                    poll::until(self, deadline, poll::wait_writable)
                        .map_err(|errno| failed(errno, sent))?;
                }
                Err(errno) => return Err(failed(errno, sent)),
            }
        }
        Ok(())
    }

    /// Fills the buffer before the deadline: for handshakes, before the first zero-copy send.
    ///
    /// # Errors
    ///
    /// ETIMEDOUT at the deadline, ENODATA when the stream ends before the buffer is full.
    pub fn read_exact(&self, into: &mut [u8], deadline: Instant) -> Result<(), CallError> {
        let wanted = into.len();
        let mut received = 0;
        let failed = |errno, received| CallError {
            call: "recv",
            argument: format!("a handshake of {wanted} bytes, {received} received"),
            errno,
        };
        while received < wanted {
            match self.receive(&mut into[received..], ReceiveFlags::DONT_WAIT) {
                Ok(0) => return Err(failed(Errno(libc::ENODATA), received)),
                Ok(count) => received += count,
                Err(errno) if errno.is_interrupted() => {}
                Err(errno) if errno.is_would_block() => {
                    poll::until(self, deadline, poll::wait_readable)
                        .map_err(|errno| failed(errno, received))?;
                }
                Err(errno) => return Err(failed(errno, received)),
            }
        }
        Ok(())
    }
}
