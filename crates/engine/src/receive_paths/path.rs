//! What a receive path is.

use kernel::Errno;
use kernel::socket::Socket;
use model::Missing;
use model::record::ReceiveTally;

use crate::content::Content;

/// What one call gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Payload bytes, at least one.
    Bytes(u64),
    /// Nothing is there now; only where the path was told not to wait.
    Nothing,
    /// The sender has closed.
    End,
}

/// What a path needs to know.
#[derive(Clone, Copy, Debug)]
pub struct ReceiveOptions {
    /// Bytes that one call asks for at most.
    pub buffer_bytes: usize,
    /// Whether a call may wait; false where a worker serves several flows and waits for all of them.
    pub may_wait: bool,
}

/// A way to take bytes from the kernel, on one flow.
pub trait ReceivePath: Sized {
    /// The memory that bytes arrive in: the path's own kind, made once a worker and shared by its flows, which are served
    /// in turn, so that the working set is the same for every number of flows. A path whose memory belongs to its socket
    /// (a mapping, a ring of provided buffers) makes it in `open` and says here what it is made with.
    type Buffer;

    /// Makes a worker's memory; called by the worker itself, so that its pages are near its CPU.
    ///
    /// # Errors
    /// One line: what this machine refuses, with the remedy.
    fn buffer(options: &ReceiveOptions) -> Result<Self::Buffer, String>;

    /// Sets the socket up and makes everything that receiving needs, so that `take` allocates nothing.
    ///
    /// # Errors
    /// One line: what this machine or socket refuses, with the remedy.
    fn open(
        socket: Socket,
        buffer: &mut Self::Buffer,
        options: &ReceiveOptions,
    ) -> Result<Self, String>;

    /// Whether this machine has the path.
    ///
    /// # Errors
    /// Why not, what gives it and what takes that back.
    fn supported() -> Result<(), Missing> {
        Ok(())
    }

    /// The socket that it receives from.
    fn socket(&self) -> &Socket;

    /// Takes what one call gives, and shows it to `content` where it lies.
    ///
    /// # Errors
    /// The first errno that a repetition cannot mend.
    fn take<C: Content>(
        &mut self,
        buffer: &mut Self::Buffer,
        content: &mut C,
        tally: &mut ReceiveTally,
    ) -> Result<Taken, Errno>;
}
