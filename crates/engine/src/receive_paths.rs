//! The receive paths: one file each, and the one place outside of it where a path's name decides something.

use kernel::Errno;
use kernel::socket::Socket;
use model::record::ReceiveTally;

use crate::content::Content;

mod recv;

pub use recv::Recv;

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

/// A way to take bytes from the kernel, on one flow.
pub trait ReceivePath: Sized {
    /// Sets the socket up. `may_wait` is false where a worker serves several flows and waits for all of them.
    ///
    /// # Errors
    /// One line: what this machine or socket refuses, with the remedy.
    fn open(socket: Socket, may_wait: bool) -> Result<Self, String>;

    /// The socket that it receives from.
    fn socket(&self) -> &Socket;

    /// Takes what one call gives into the worker's buffer.
    ///
    /// # Errors
    /// The first errno that a repetition cannot mend.
    fn take<C: Content>(
        &mut self,
        buffer: &mut [u8],
        content: &mut C,
        tally: &mut ReceiveTally,
    ) -> Result<Taken, Errno>;
}

/// Calls `$body` with `$path` standing for the type of the path that `$name` names.
macro_rules! with_receive_path {
    ($name:expr, $path:ident => $body:expr) => {
        match $name {
            model::ReceivePath::Recv => {
                type $path = $crate::receive_paths::Recv;
                $body
            }
        }
    };
}
pub(crate) use with_receive_path;
