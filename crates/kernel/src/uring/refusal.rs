//! Why there is no io_uring, and what gives one.

use std::fs;

use crate::error::{Errno, Remedy, Unavailable};

/// Who may use io_uring (Documentation/admin-guide/sysctl/kernel.rst; Linux 6.6).
const SYSCTL: &str = "/proc/sys/kernel/io_uring_disabled";

/// What lets a container use it; the default profiles of Docker and of containerd refuse it.
const PROFILE: &str = "allow the io_uring calls in the seccomp profile (docker run --security-opt seccomp=unconfined)";

/// Why `io_uring_setup` was refused.
pub(super) fn of_setup(errno: Errno) -> Unavailable {
    let sysctl = fs::read_to_string(SYSCTL).ok();
    explain(errno, sysctl.as_deref().map(str::trim))
}

/// The same, of what the sysctl says; none where the kernel has none.
fn explain(errno: Errno, sysctl: Option<&str>) -> Unavailable {
    let (because, remedy) = match (errno.0, sysctl) {
        (libc::ENOSYS, _) => (
            "io_uring_setup: this kernel has no io_uring, or a seccomp filter hides it".to_owned(),
            format!("use Linux 5.11 or later with CONFIG_IO_URING, or {PROFILE}").into(),
        ),
        (libc::EPERM | libc::EACCES, Some(value @ ("1" | "2"))) => {
            let whom = if value == "1" {
                "all but CAP_SYS_ADMIN and members of kernel.io_uring_group"
            } else {
                "everybody"
            };
            let sysctl = Remedy {
                unlock: "sudo sysctl kernel.io_uring_disabled=0".to_owned(),
                undo: format!("sudo sysctl kernel.io_uring_disabled={value}"),
            };
            let as_root = Remedy::from(if value == "1" { "run as root" } else { "" });
            (
                format!(
                    "io_uring_setup: kernel.io_uring_disabled is {value}, which refuses it to {whom}"
                ),
                as_root.or(sysctl),
            )
        }
        (libc::EPERM | libc::EACCES, _) => {
            (format!("io_uring_setup: {errno}: a seccomp filter refuses it"), PROFILE.into())
        }
        (libc::ENOMEM, _) => (
            format!("io_uring_setup: {errno}: the rings count as locked memory before Linux 5.12"),
            "raise ulimit -l, or run as root (CAP_IPC_LOCK)".into(),
        ),
        (libc::EMFILE, _) => {
            (format!("io_uring_setup: {errno}"), "raise the limit of open files: ulimit -n".into())
        }
        _ => (format!("io_uring_setup: {errno}"), Remedy::default()),
    };
    Unavailable { what: "io_uring".to_owned(), because, remedy }
}

/// Why a ring that a thread polls was refused.
pub(super) fn of_polling(cpu: Option<u32>, errno: Errno) -> Unavailable {
    let what = "sqpoll".to_owned();
    match (errno.0, cpu) {
        // Not io_uring's refusal of everybody, where its sysctl and filters do not refuse a plain ring.
        (libc::EPERM, _) if may_have_a_ring() => Unavailable {
            what,
            because: format!(
                "io_uring_setup(IORING_SETUP_SQPOLL): {errno}: before Linux 5.13 it takes CAP_SYS_NICE, and a security module may refuse it"
            ),
            remedy: "run as root, use Linux 5.13 or later, or --sqpoll off".into(),
        },
        (libc::EINVAL, Some(cpu)) => Unavailable {
            what,
            because: format!(
                "io_uring_setup(IORING_SETUP_SQ_AFF): {errno}: its thread may not run on CPU {cpu}"
            ),
            remedy: "allow that CPU (cpuset), or use --placement none".into(),
        },
        (libc::EAGAIN | libc::ENOMEM, _) => Unavailable {
            what,
            because: format!(
                "io_uring_setup(IORING_SETUP_SQPOLL): {errno}: its thread could not be made"
            ),
            remedy: "raise ulimit -u or the cgroup's pids.max, or use --sqpoll off".into(),
        },
        _ => Unavailable { what, ..of_setup(errno) },
    }
}

fn may_have_a_ring() -> bool {
    super::Ring::new(1, 2).is_ok()
}

/// Two ways to complete requests that exclude each other (io_uring_setup(2)).
pub(super) fn polled_and_deferred() -> Unavailable {
    Unavailable {
        what: "sqpoll".to_owned(),
        because: "io_uring_setup: the kernel refuses IORING_SETUP_SQPOLL with IORING_SETUP_DEFER_TASKRUN, as the thread that polls completes the requests".to_owned(),
        remedy: "use --sqpoll off, or --defer-taskrun auto".into(),
    }
}

/// A kernel whose io_uring lacks what sends need.
pub(super) fn too_old(lacks: &str, since: &str) -> Unavailable {
    Unavailable {
        what: "io_uring".to_owned(),
        because: format!("this kernel's lacks {lacks}"),
        remedy: format!("use Linux {since} or later").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(errno: i32, sysctl: Option<&str>) -> String {
        explain(Errno(errno), sysctl).to_string()
    }

    #[test]
    fn the_sysctl_is_told_with_what_unlocks_it_and_what_undoes_that() {
        let one = told(libc::EPERM, Some("1"));
        for part in [
            "kernel.io_uring_disabled is 1",
            "run as root, or sudo sysctl kernel.io_uring_disabled=0",
            "undo: sudo sysctl kernel.io_uring_disabled=1",
        ] {
            assert!(one.contains(part), "{one}");
        }
        let two = told(libc::EPERM, Some("2"));
        assert!(two.contains("undo: sudo sysctl kernel.io_uring_disabled=2"), "{two}");
        assert!(!two.contains("run as root") && two.contains("everybody"), "{two}");
    }

    #[test]
    fn a_filter_is_told_apart_from_the_sysctl_and_from_a_kernel_without() {
        for sysctl in [None, Some("0")] {
            let filter = told(libc::EPERM, sysctl);
            assert!(filter.contains("a seccomp filter refuses it"), "{filter}");
            assert!(!filter.contains("sysctl"), "{filter}");
        }
        assert!(told(libc::ENOSYS, None).contains("no io_uring, or a seccomp filter hides it"));
        assert!(told(libc::ENOMEM, None).contains("ulimit -l"));
        assert!(told(libc::EMFILE, None).contains("ulimit -n"));
        assert!(told(libc::EINVAL, None).ends_with(')') && !told(libc::EINVAL, None).contains(';'));
    }
}
