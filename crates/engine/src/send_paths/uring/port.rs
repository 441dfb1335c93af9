//! The calls of the paths through an io_uring, and nothing else: what a script stands for in tests.

use kernel::Errno;
use kernel::poll;
use kernel::socket::Socket;
use kernel::uring::{Completion, Request, Ring};

/// The calls that the paths make: a ring and a socket, or a script in tests.
pub trait Port {
    /// One `io_uring_enter` that submits these and waits for so many completions; how many requests were taken.
    ///
    /// # Errors
    /// The bare errno; nothing was taken.
    fn submit<'a>(
        &mut self,
        requests: impl Iterator<Item = Request<'a>>,
        wait_for: u32,
    ) -> Result<u32, Errno>;

    /// One `io_uring_enter` that waits for so many completions, for so long where that is given.
    ///
    /// # Errors
    /// The bare errno.
    fn wait(&mut self, completions: u32, at_most_ms: Option<u32>) -> Result<(), Errno>;

    /// The next completion, if there is one; no call.
    fn completion(&mut self) -> Option<Completion>;

    /// One `poll` that tells whether the connection is over.
    ///
    /// # Errors
    /// The bare errno.
    fn is_over(&self) -> Result<bool, Errno>;
}

/// A ring and the socket that its requests are on.
#[derive(Debug)]
pub struct RingAndSocket {
    pub(super) ring: Ring,
    pub(super) socket: Socket,
}

impl Port for RingAndSocket {
    #[inline]
    fn submit<'a>(
        &mut self,
        requests: impl Iterator<Item = Request<'a>>,
        wait_for: u32,
    ) -> Result<u32, Errno> {
        self.ring.submit(&self.socket, requests, wait_for)
    }

    #[inline]
    fn wait(&mut self, completions: u32, at_most_ms: Option<u32>) -> Result<(), Errno> {
        self.ring.wait(completions, at_most_ms)
    }

    #[inline]
    fn completion(&mut self) -> Option<Completion> {
        self.ring.completion()
    }

    fn is_over(&self) -> Result<bool, Errno> {
        let ready = poll::wait_error_queue(&self.socket, 0)?;
        Ok(ready.hang_up || ready.error)
    }
}
