//! Starting threads, which the kernel may refuse.

use std::thread::{Builder, JoinHandle};

use kernel::limits::MORE_PROCESSES;

/// Starts a thread of this name; `purpose` is what it is for, as it is told where there is none.
///
/// # Errors
/// One line with the remedy: under a limit of processes `std::thread::spawn` would panic.
pub(crate) fn start<T: Send + 'static>(
    name: &str,
    purpose: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, String> {
    Builder::new().name(name.to_owned()).spawn(work).map_err(|error| refused(purpose, &error))
}

/// Why a thread or a process could not be started.
pub(crate) fn refused(what: &str, error: &std::io::Error) -> String {
    // EAGAIN (pthread_create(3), fork(2)).
    if error.kind() == std::io::ErrorKind::WouldBlock {
        return format!("starting {what}: {error}; {MORE_PROCESSES}");
    }
    format!("starting {what}: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_limit_is_told_to_be_raised() {
        let why = |errno| refused("worker 1", &std::io::Error::from_raw_os_error(errno));
        // EAGAIN and ENOENT have these numbers on every Linux architecture (asm-generic/errno-base.h).
        assert!(why(11).contains("starting worker 1: ") && why(11).contains("; raise ulimit -u"));
        assert!(!why(2).contains("ulimit"), "{}", why(2));
    }
}
