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
/// Why not, what gives it and what takes that back.
pub fn supported(path: model::ReceivePath) -> Result<(), model::Missing> {
    with_receive_path!(path, Path => <Path as ReceivePath>::supported())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::Command;

    use super::*;

    /// Set in the process that has no descriptor left.
    const LIMITED: &str = "COPYCOST_TEST_WITHOUT_DESCRIPTORS";
    const NAME: &str = "receive_paths::tests::what_refuses_a_path_and_what_gives_it_are_told_apart";

    #[test]
    fn what_refuses_a_path_and_what_gives_it_are_told_apart() {
        if std::env::var_os(LIMITED).is_none() {
            if let Err(why) = supported(model::ReceivePath::UringRecv) {
                eprintln!("not tried: {why}");
                return;
            }
            // Descriptors are the process's: the other tests of this one keep theirs.
            let ended = Command::new("sh")
                .args(["-c", "ulimit -n 32 && exec \"$0\" --exact \"$1\""])
                .arg(std::env::current_exe().unwrap())
                .arg(NAME)
                .env(LIMITED, "1")
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&ended.stdout);
            assert!(ended.status.success() && told.contains("1 passed"), "{ended:?}");
            return;
        }
        let held: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        let refused = supported(model::ReceivePath::UringRecv);
        drop(held);
        let why = refused.unwrap_err();
        assert_eq!(why.what, "io_uring");
        assert!(why.because.starts_with("io_uring_setup: "), "{why:?}");
        assert_eq!(why.unlock, "raise the limit of open files: ulimit -n");
    }
}
