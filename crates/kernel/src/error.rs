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
    /// Nothing was ready (EAGAIN).
    pub const WOULD_BLOCK: Self = Self(libc::EAGAIN);

    /// The calling thread's `errno` of the call that has just failed.
    pub fn last() -> Self {
        Self(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }

    /// The call was interrupted by a signal and may simply be repeated.
    pub fn is_interrupted(self) -> bool {
        self.0 == libc::EINTR
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
    /// A command or step that would give it, empty where nothing would.
    pub remedy: String,
}

impl Unavailable {
    /// Why, and what would give it: for where the thing itself is named already.
    pub fn reason(&self) -> String {
        if self.remedy.is_empty() {
            self.because.clone()
        } else {
            format!("{}; {}", self.because, self.remedy)
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
