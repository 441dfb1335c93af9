//! How a system call fails: bare while hot, with its call and argument otherwise.

use std::fmt;

/// A bare `errno`, as the hot loop sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl Errno {
    /// The peer, or this side, has closed the connection (EPIPE).
    pub const BROKEN_PIPE: Self = Self(libc::EPIPE);
    /// A buffer has no room or no memory (ENOBUFS).
    pub const NO_BUFFERS: Self = Self(libc::ENOBUFS);
    /// A signal interrupted the call (EINTR).
    pub const INTERRUPTED: Self = Self(libc::EINTR);

    /// What cannot be, short of a fault of the kernel's or ours (EIO).
    pub const IO: Self = Self(libc::EIO);
    /// Something did not come in time.
    pub const TIMED_OUT: Self = Self(libc::ETIMEDOUT);
    /// A request of a chain that ended before it began (ECANCELED).
    pub const CANCELLED: Self = Self(libc::ECANCELED);

    /// The calling thread's `errno` of the call that has just failed.
    pub fn last() -> Self {
        Self(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }

    /// The call was interrupted by a signal and may simply be repeated.
    pub fn is_interrupted(self) -> bool {
        self.0 == libc::EINTR
    }

    /// `EIO`, with which TCP_ZEROCOPY_RECEIVE tells the end of a stream.
    pub fn is_io(self) -> bool {
        self.0 == libc::EIO
    }

    /// Nothing was ready on a non-blocking call (`EAGAIN`).
    pub fn is_would_block(self) -> bool {
        self.0 == libc::EAGAIN
    }

    /// With MSG_ZEROCOPY: option memory or locked memory is exhausted; reap, wait, retry
    /// (Documentation/networking/msg_zerocopy.rst).
    pub fn is_no_buffers(self) -> bool {
        self.0 == libc::ENOBUFS
    }

    /// Whether there is no connection, or none any more.
    pub fn is_not_connected(self) -> bool {
        self.0 == libc::ENOTCONN
    }

    /// A thread that worked for us is gone (EOWNERDEAD).
    pub fn is_owner_dead(self) -> bool {
        self.0 == libc::EOWNERDEAD
    }

    /// Something must be taken first, such as completions (EBUSY).
    pub fn is_busy(self) -> bool {
        self.0 == libc::EBUSY
    }

    /// The kernel knows no such request, or not with these flags (EINVAL).
    pub fn is_invalid(self) -> bool {
        self.0 == libc::EINVAL
    }

    /// No descriptor or no memory is left (EMFILE, ENFILE, ENOBUFS, ENOMEM): closing something may help.
    pub fn is_exhausted(self) -> bool {
        matches!(self.0, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

/// A system call that failed, named with the argument that mattered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The call, e.g. `setsockopt`.
    pub call: &'static str,
    /// The argument, e.g. `TCP_CONGESTION=cubic`.
    pub argument: String,
    /// What the kernel answered.
    pub errno: Errno,
}

impl CallError {
    /// The call that has just failed on this thread.
    pub fn last(call: &'static str, argument: impl Into<String>) -> Self {
        Self { call, argument: argument.into(), errno: Errno::last() }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}): {}", self.call, self.argument, self.errno)
    }
}

impl std::error::Error for CallError {}

/// Something that this machine, kernel or user cannot have: what, why, and what would give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// The thing that is missing, e.g. `hardware counters`.
    pub what: String,
    /// Why, e.g. `perf_event_paranoid is 4`.
    pub because: String,
    /// What would give it.
    pub remedy: Remedy,
}

/// A command or step that would give what is missing, and the command that takes it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remedy {
    /// What would give it; empty where nothing would.
    pub unlock: String,
    /// What takes that back; empty where nothing needs to be.
    pub undo: String,
}

impl Remedy {
    /// Whether nothing would give it.
    pub fn is_empty(&self) -> bool {
        self.unlock.is_empty()
    }

    /// Either of two; what is taken back is the first's, where it has something to be.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self.is_empty() || self.unlock == other.unlock {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let undo = if self.undo.is_empty() { other.undo } else { self.undo };
        Self { unlock: format!("{}, or {}", self.unlock, other.unlock), undo }
    }
}

impl From<String> for Remedy {
    fn from(unlock: String) -> Self {
        Self { unlock, undo: String::new() }
    }
}

impl From<&str> for Remedy {
    fn from(unlock: &str) -> Self {
        unlock.to_owned().into()
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.undo.is_empty() {
            f.write_str(&self.unlock)
        } else {
            write!(f, "{}; undo: {}", self.unlock, self.undo)
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.because)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "; {}", self.remedy) }
    }
}

impl std::error::Error for Unavailable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_remedies_is_enough_and_what_is_undone_is_told_beside() {
        let sysctl = Remedy { unlock: "a=1".to_owned(), undo: "a=4".to_owned() };
        assert_eq!(sysctl.to_string(), "a=1; undo: a=4");
        let either = Remedy::from("run as root").or(sysctl.clone());
        assert_eq!(either.to_string(), "run as root, or a=1; undo: a=4");
        assert_eq!(sysctl.clone().or(sysctl.clone()), sysctl);
        assert_eq!(Remedy::default().or(sysctl.clone()), sysctl.clone().or(Remedy::default()));
        assert!(Remedy::default().is_empty() && Remedy::default().to_string().is_empty());
    }
}
