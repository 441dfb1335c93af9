//! The calls of the paths through an io_uring, and nothing else: what a script stands for in tests.

use kernel::socket::Socket;
use kernel::uring::{Completion, Entered, Request, Ring};
use kernel::{Errno, clock, poll};

/// How long a thread that polls may take to fall asleep: its idle time is a tick of the kernel's or two.
const FALLING_ASLEEP_NS: u64 = 2_000_000_000;
/// Between two looks whether it has.
const LOOK_NS: u64 = 200_000;

/// The calls that the paths make: a ring and a socket, or a script in tests.
pub trait Port {
    /// Submits these and waits for so many completions; how many requests were taken.
    ///
    /// # Errors
    /// The bare errno; nothing was taken.
    fn submit<'a>(
        &mut self,
        requests: impl Iterator<Item = Request<'a>>,
        wait_for: u32,
    ) -> Result<u32, Errno>;

    /// What the last submission took: one `io_uring_enter`, unless a thread polls.
    fn entered(&self) -> Entered {
        Entered::ONE
    }

    /// Waits until nobody polls for the ring, in a pause.
    ///
    /// # Errors
    /// The thread that polls goes on and on.
    fn rest(&self) -> Result<(), Errno> {
        Ok(())
    }

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
    fn entered(&self) -> Entered {
        self.ring.entered()
    }

    fn rest(&self) -> Result<(), Errno> {
        if !self.ring.is_polled() {
            return Ok(());
        }
        let deadline = clock::monotonic_ns() + FALLING_ASLEEP_NS;
        while !self.ring.is_asleep() {
            let now = clock::monotonic_ns();
            if now > deadline {
                return Err(Errno::TIMED_OUT);
            }
            clock::sleep_until_ns(now + LOOK_NS);
        }
        Ok(())
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
