//! The send paths: one file each, and the one place outside of it where a path's name decides something.

mod completions_left;
mod hybrid;
mod path;
mod send;
mod send_more;
mod sendfile;
mod sendmsg;
mod splice;
mod staged;
pub(crate) mod uring;
mod uring_send;
mod uring_send_zc;
mod uring_send_zc_fixed;
mod uring_sendmsg;
mod uring_sendmsg_zc;
mod uring_write_fixed;
pub(crate) mod zerocopy;

use crate::error::missing;
use crate::ring_memory;

pub use completions_left::CompletionsLeft;
pub use hybrid::Hybrid;
pub use path::{SendOptions, SendPath, Wait};
pub use send::Send;
pub use send_more::SendMore;
pub use sendfile::Sendfile;
pub use sendmsg::Sendmsg;
pub use splice::Splice;
pub use staged::Staged;
pub use uring_send::UringSend;
pub use uring_send_zc::UringSendZc;
pub use uring_send_zc_fixed::UringSendZcFixed;
pub use uring_sendmsg::UringSendmsg;
pub use uring_sendmsg_zc::UringSendmsgZc;
pub use uring_write_fixed::UringWriteFixed;
pub use zerocopy::Zerocopy;

/// Calls `$body` with `$path` standing for the type of the path that `$name` names, reading completions as `$completions`
/// says: the one dispatch, outside of the pump, so that the pump is compiled for each path.
macro_rules! with_send_path {
    ($name:expr, $completions:expr, $path:ident => $body:expr) => {
        match $name {
            model::SendPath::Send => {
                type $path = $crate::send_paths::Send;
                $body
            }
            model::SendPath::Staged => {
                type $path = $crate::send_paths::Staged;
                $body
            }
            model::SendPath::Sendmsg => {
                type $path = $crate::send_paths::Sendmsg;
                $body
            }
            model::SendPath::SendMore => {
                type $path = $crate::send_paths::SendMore;
                $body
            }
            model::SendPath::Sendfile => {
                type $path = $crate::send_paths::Sendfile;
                $body
            }
            model::SendPath::Splice => {
                type $path = $crate::send_paths::Splice;
                $body
            }
            model::SendPath::UringSend => {
                type $path = $crate::send_paths::UringSend;
                $body
            }
            model::SendPath::UringSendmsg => {
                type $path = $crate::send_paths::UringSendmsg;
                $body
            }
            model::SendPath::UringWriteFixed => {
                type $path = $crate::send_paths::UringWriteFixed;
                $body
            }
            model::SendPath::UringSendZc => {
                type $path = $crate::send_paths::UringSendZc;
                $body
            }
            model::SendPath::UringSendmsgZc => {
                type $path = $crate::send_paths::UringSendmsgZc;
                $body
            }
            model::SendPath::UringSendZcFixed => {
                type $path = $crate::send_paths::UringSendZcFixed;
                $body
            }
            model::SendPath::Hybrid => {
                type $path = $crate::send_paths::Hybrid;
                $body
            }
            model::SendPath::Zerocopy => match $completions {
                model::Completions::Read => {
                    type $path = $crate::send_paths::Zerocopy;
                    $body
                }
                model::Completions::Left => {
                    type $path = $crate::send_paths::CompletionsLeft;
                    $body
                }
            },
        }
    };
}
pub(crate) use with_send_path;

#[cfg(test)]
mod release_latency_tests;

/// Whether this machine has a path.
///
/// # Errors
/// Why not, with the remedy and what undoes that.
pub fn supported(path: model::SendPath) -> Result<(), model::Missing> {
    with_send_path!(path, model::Completions::Read, Path => <Path as SendPath>::supported())
}

/// Whether a path can have the memory of its ring in such pages, and of such a file, here.
///
/// # Errors
/// Why not, with the remedy and what undoes that.
pub fn memory_supported(
    path: model::SendPath,
    pages: model::Pages,
    file: model::RingFile,
) -> Result<(), model::Missing> {
    with_send_path!(path, model::Completions::Read, Path => ring_memory::supported::<Path>(pages, file))
}

/// Whether this machine makes the io_uring of a cell's senders as the cell says; of a path without one, yes.
///
/// # Errors
/// Why not, with the remedy and what undoes that.
pub fn ring_supported(cell: &model::Cell) -> Result<(), model::Missing> {
    if !cell.send_path.capabilities().goes_through_uring {
        return Ok(());
    }
    let ring = kernel::uring::Ring::made_so(1, 2, &crate::crew::ring_setup(cell));
    let mut ring = ring.map_err(missing)?;
    if cell.registered_files.is_on() {
        let anywhere = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
        let socket = kernel::socket::Socket::stream(anywhere)
            .map_err(|error| model::Missing::from(error.to_string()))?;
        ring.register_socket(&socket).map_err(missing)?;
    }
    Ok(())
}
