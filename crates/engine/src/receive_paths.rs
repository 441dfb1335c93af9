//! The receive paths: one file each, and the one place outside of it where a path's name decides something.

mod path;
mod recv;

pub use path::{ReceiveOptions, ReceivePath, Taken};
pub use recv::Recv;

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

/// Whether this machine has a path.
///
/// # Errors
/// Why not, with the remedy.
pub(crate) fn supported(path: model::ReceivePath) -> Result<(), String> {
    with_receive_path!(path, Path => <Path as ReceivePath>::supported())
}
