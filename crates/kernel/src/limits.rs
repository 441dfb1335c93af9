//! Limits that decide what can be sent and opened.

use std::fmt;

use crate::error::{CallError, Errno, Remedy, Unavailable};
use crate::process::{self, Capabilities, Capability};

/// A resource limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// This much: bytes or descriptors.
    At(u64),
    /// As much as there is.
    Unlimited,
}

impl Limit {
    fn from_raw(value: libc::rlim_t) -> Self {
        if value == libc::RLIM_INFINITY { Self::Unlimited } else { Self::At(value) }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(value) => value.fmt(f),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

/// What gives a thread or a process that the kernel refused with EAGAIN (clone(2); pids.max of cgroup v2).
pub const MORE_PROCESSES: &str = "raise ulimit -u, or pids.max of the cgroup";

fn read(
    resource: libc::__rlimit_resource_t,
    name: &'static str,
) -> Result<libc::rlimit, CallError> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit.
    match unsafe { libc::getrlimit(resource, &raw mut limit) } {
        0 => Ok(limit),
        _ => Err(CallError::last("getrlimit", name)),
    }
}

/// Bytes of memory that this process may lock (soft `RLIMIT_MEMLOCK`). Pages pinned by `MSG_ZEROCOPY` count
/// against it unless the user has CAP_IPC_LOCK; above it sends answer ENOBUFS.
///
/// # Errors
///
/// None that is known.
pub fn memlock() -> Result<Limit, CallError> {
    Ok(Limit::from_raw(read(libc::RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK")?.rlim_cur))
}

/// Whether this process may lock what a zero-copy send of so many bytes takes: two pages more than it has whole ones, which
/// CAP_IPC_LOCK is spared (`mm_account_pinned_pages`, net/core/skbuff.c). All sends of a user count together, so that one which
/// may be sent alone can still be refused beside others.
///
/// # Errors
///
/// What RLIMIT_MEMLOCK is and would have to be.
pub fn may_pin(bytes: usize) -> Result<(), Unavailable> {
    let is_spared = Capabilities::effective().is_ok_and(|it| it.has(Capability::IpcLock));
    match memlock() {
        // Where it cannot be read the send itself will tell.
        Err(_) | Ok(Limit::Unlimited) => Ok(()),
        Ok(Limit::At(_)) if is_spared => Ok(()),
        Ok(Limit::At(limit)) => fits_limit(bytes as u64, limit, process::page_size() as u64),
    }
}

fn fits_limit(bytes: u64, limit: u64, page: u64) -> Result<(), Unavailable> {
    let pages = (bytes / page).saturating_add(2);
    if pages <= limit / page {
        return Ok(());
    }
    let needed = pages.saturating_mul(page);
    Err(Unavailable {
        what: format!("locking the pages of {bytes} B for zero-copy"),
        because: format!("RLIMIT_MEMLOCK is {limit} B of at least {needed} B"),
        remedy: format!("ulimit -l {}, or run as root (CAP_IPC_LOCK)", needed.div_ceil(1024))
            .into(),
    })
}

/// What gives a zero-copy send that the kernel refuses with ENOBUFS (Documentation/networking/msg_zerocopy.rst): locked memory
/// of the user, or option memory of the socket, is used up.
pub const MORE_FOR_ZEROCOPY: &str =
    "raise ulimit -l or sudo sysctl net.core.optmem_max, or run as root (CAP_IPC_LOCK)";

/// How many descriptors this process may have open (soft `RLIMIT_NOFILE`).
///
/// # Errors
///
/// None that is known.
pub fn open_files() -> Result<Limit, CallError> {
    Ok(Limit::from_raw(read(libc::RLIMIT_NOFILE, "RLIMIT_NOFILE")?.rlim_cur))
}

/// Raises the soft limit of open files to the hard one, and answers what holds now.
///
/// # Errors
///
/// EPERM when the hard limit exceeds `fs.nr_open`.
pub fn raise_open_files() -> Result<Limit, CallError> {
    let mut limit = read(libc::RLIMIT_NOFILE, "RLIMIT_NOFILE")?;
    if limit.rlim_cur != limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the pointer is to a live rlimit, which is only read.
        let answer = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
        if answer != 0 {
            let wanted = Limit::from_raw(limit.rlim_max);
            return Err(CallError::last("setrlimit", format!("RLIMIT_NOFILE={wanted}")));
        }
    }
    Ok(Limit::from_raw(limit.rlim_cur))
}

/// Bytes of option memory a socket may use (`net.core.optmem_max`): notifications of `MSG_ZEROCOPY` that are
/// not read yet live there, and above it sends answer ENOBUFS. 20 KiB before Linux 6.8, 128 KiB since.
///
/// # Errors
///
/// Network namespaces other than the first may not show it.
pub fn optmem_max() -> Result<u64, Unavailable> {
    const PATH: &str = "/proc/sys/net/core/optmem_max";
    let unavailable = |because| Unavailable {
        what: "net.core.optmem_max".into(),
        because,
        remedy: Remedy::default(),
    };
    let text = std::fs::read_to_string(PATH).map_err(|error| {
        let errno = Errno(error.raw_os_error().unwrap_or(0));
        unavailable(format!("{PATH}: {errno}"))
    })?;
    text.trim().parse().map_err(|_| unavailable(format!("{PATH} reads {:?}", text.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_in_the_kernels_terms() {
        assert_eq!(Limit::from_raw(libc::RLIM_INFINITY).to_string(), "unlimited");
        assert_eq!(Limit::from_raw(8192).to_string(), "8192");
        assert!(Limit::At(u64::MAX) < Limit::Unlimited);
        let shown = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = shown.lines().find(|line| line.starts_with("Max locked memory")).unwrap();
        let soft = line["Max locked memory".len()..].split_whitespace().next().unwrap();
        assert_eq!(memlock().unwrap().to_string(), soft);
    }

    #[test]
    fn a_send_fits_the_locked_memory_with_two_pages_to_spare() {
        assert_eq!(fits_limit(1, 8192, 4096), Ok(()));
        assert_eq!(fits_limit(4096, 12_288, 4096), Ok(()));
        let why = fits_limit(65_536, 65_536, 4096).unwrap_err().to_string();
        assert!(why.contains("RLIMIT_MEMLOCK is 65536 B of at least 73728 B"), "{why}");
        assert!(why.ends_with("; ulimit -l 72, or run as root (CAP_IPC_LOCK)"), "{why}");
        assert!(fits_limit(1, 0, 4096).is_err() && fits_limit(u64::MAX, 1 << 40, 4096).is_err());
    }

    #[test]
    fn raising_the_open_files_leaves_soft_at_hard() {
        let raised = raise_open_files().unwrap();
        assert_eq!(open_files().unwrap(), raised);
        assert_eq!(raise_open_files().unwrap(), raised);
    }

    #[test]
    fn the_option_memory_is_read_or_the_reason_given() {
        match optmem_max() {
            Ok(bytes) => assert!(bytes > 0),
            Err(unavailable) => {
                assert!(unavailable.because.contains("optmem_max"));
                eprintln!("skipped: {unavailable}");
            }
        }
    }
}
