//! The receive paths: one file each, and the one place outside of it where a path's name decides something.

mod path;
mod recv;
mod recv_trunc;
mod recv_zerocopy;
mod scattered;
mod uring_recv;

pub use path::{ReceiveOptions, ReceivePath, Taken};
pub use recv::Recv;
pub use recv_trunc::RecvTrunc;
pub use recv_zerocopy::RecvZerocopy;
pub use scattered::{Readv, Recvmsg};
pub use uring_recv::UringRecv;

/// Calls `$body` with `$path` standing for the type of the path that `$name` names.
macro_rules! with_receive_path {
    ($name:expr, $path:ident => $body:expr) => {
        match $name {
            model::ReceivePath::Recv => {
                type $path = $crate::receive_paths::Recv;
                $body
            }
            model::ReceivePath::Recvmsg => {
                type $path = $crate::receive_paths::Recvmsg;
                $body
            }
            model::ReceivePath::Readv => {
                type $path = $crate::receive_paths::Readv;
                $body
            }
            model::ReceivePath::RecvTrunc => {
                type $path = $crate::receive_paths::RecvTrunc;
                $body
            }
            model::ReceivePath::RecvZerocopy => {
                type $path = $crate::receive_paths::RecvZerocopy;
                $body
            }
            model::ReceivePath::UringRecv => {
                type $path = $crate::receive_paths::UringRecv;
                $body
            }
        }
    };
}
pub(crate) use with_receive_path;

/// Whether this machine has a path.
///
/// # Errors
/// Why not, with the remedy.
pub fn supported(path: model::ReceivePath) -> Result<(), String> {
    with_receive_path!(path, Path => <Path as ReceivePath>::supported())
}
