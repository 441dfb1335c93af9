//! Why a BPF call was refused, and what would have it granted.

use std::error::Error;
use std::io;

use crate::error::{Errno, Unavailable};

/// What gives every capability that the sink needs.
pub(super) const ROOT: &str = "run as root (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_BPF, CAP_NET_RAW): sudo copycost run --link sink";

/// The errno at the bottom of an error, where there is one.
pub(super) fn errno(error: &(dyn Error + 'static)) -> Option<Errno> {
    let mut at = Some(error);
    let mut found = None;
    while let Some(error) = at {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            found = io.raw_os_error().map(Errno).or(found);
        }
        at = error.source();
    }
    found
}

/// The errors from the outermost to the one at the bottom, each said once, on one line.
fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut at = Some(error);
    while let Some(error) = at {
        // A refusal by the verifier comes with its whole log: its first line says what and its last why.
        let text = error.to_string();
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next().unwrap_or_default().trim().to_owned();
        if !said.iter().any(|earlier| earlier.contains(&first)) {
            said.push(first);
        }
        if let Some(last) = lines.next_back() {
            said.push(last.trim().to_owned());
        }
        at = error.source();
    }
    said.join(": ")
}

/// A refusal of a call, with the remedy where its errno is one that has one.
pub(super) fn refused(what: &str, asked: &str, error: &(dyn Error + 'static)) -> Unavailable {
    explained(what, asked, errno(error), &in_one_line(error), unprivileged_bpf())
}

/// `kernel.unprivileged_bpf_disabled`: 0 where every user may load some programs.
fn unprivileged_bpf() -> Option<String> {
    let read = std::fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled").ok()?;
    Some(read.trim().to_owned())
}

fn explained(
    what: &str,
    asked: &str,
    errno: Option<Errno>,
    said: &str,
    unprivileged: Option<String>,
) -> Unavailable {
    let unavailable = |because: String, remedy: &str| Unavailable {
        what: what.to_owned(),
        because,
        remedy: remedy.to_owned(),
    };
    match errno.map(|errno| errno.0) {
        Some(libc::EPERM | libc::EACCES) => {
            let setting = unprivileged.map_or_else(String::new, |value| {
                format!(" (kernel.unprivileged_bpf_disabled={value})")
            });
            unavailable(
                format!(
                    "{asked}: this user may not{setting}, or kernel lockdown or seccomp forbids it"
                ),
                ROOT,
            )
        }
        Some(libc::ENOSYS) => unavailable(
            format!("{asked}: this kernel has no bpf() system call"),
            "use a kernel with CONFIG_BPF_SYSCALL",
        ),
        Some(libc::ENOENT | libc::EOPNOTSUPP) if asked.starts_with("tc ") => unavailable(
            format!("{asked}: this kernel has no BPF classifier for devices"),
            "use a kernel with CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS, or load them: sudo modprobe -a cls_bpf sch_ingress",
        ),
        Some(_) | None => unavailable(format!("{asked}: {said}"), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_the_privilege_is_told_which_and_how_to_get_it() {
        let why = explained(
            "the sink",
            "bpf(BPF_PROG_LOAD)",
            Some(Errno(libc::EPERM)),
            "",
            Some("2".to_owned()),
        );
        assert!(why.because.contains("bpf(BPF_PROG_LOAD)"), "{why}");
        assert!(why.because.contains("unprivileged_bpf_disabled=2"), "{why}");
        assert!(why.remedy.contains("CAP_BPF") && why.remedy.contains("sudo copycost"), "{why}");
    }

    #[test]
    fn a_kernel_without_the_classifier_is_told_apart_from_a_missing_file() {
        let asked = "tc filter add dev recv0 ingress bpf";
        let why = explained("the sink", asked, Some(Errno(libc::ENOENT)), "", None);
        assert!(why.remedy.contains("cls_bpf"), "{why}");
        let other =
            explained("the sink", "bpf(BPF_MAP_CREATE)", Some(Errno(libc::ENOENT)), "none", None);
        assert_eq!(
            (other.because.as_str(), other.remedy.as_str()),
            ("bpf(BPF_MAP_CREATE): none", "")
        );
    }

    #[test]
    fn the_cause_at_the_bottom_is_found() {
        let io_error = io::Error::from_raw_os_error(libc::EPERM);
        let error = aya::sys::SyscallError { call: "bpf_link_create", io_error };
        let error = aya::programs::ProgramError::from(error);
        assert_eq!(errno(&error), Some(Errno(libc::EPERM)));
        assert!(in_one_line(&error).contains("bpf_link_create"));
        assert!(!in_one_line(&error).contains('\n'));
    }
}
