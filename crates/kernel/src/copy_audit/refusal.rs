//! Why a hook could not be had, and what would give it: from the kernel's answer and what is known of the machine.

use std::path::Path;

use super::counted::{Counted, Hook};
use crate::machine::tree;
use crate::{Remedy, Unavailable};

/// The errno of what the loader met, wherever in its chain of causes.
pub(super) fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.raw_os_error();
        }
        cause = error.source();
    }
    None
}

/// What a chain of errors says, in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// An error that nothing is known of.
pub(super) fn unknown_error(error: &(dyn std::error::Error + 'static)) -> Unavailable {
    let what = "the copy audit".to_owned();
    Unavailable { what, because: chain(error), remedy: Remedy::default() }
}

/// A map or program that should be in the object is not.
pub(super) fn no_map() -> Unavailable {
    let because = "the BPF object has not the maps that it was built with".to_owned();
    Unavailable { what: "the copy audit".to_owned(), because, remedy: Remedy::default() }
}

/// What decides which hooks a machine allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Surroundings {
    /// The mode of kernel lockdown, `None` where there is none.
    pub(super) lockdown: Option<String>,
    /// Whether kprobes can be opened as perf events.
    pub(super) has_kprobes: bool,
    /// Whether the kernel describes its types.
    pub(super) has_btf: bool,
}

/// The mode that is on, in the text of /sys/kernel/security/lockdown: `none [integrity] confidentiality`.
pub(crate) fn lockdown(text: &str) -> Option<String> {
    let mode = text.split_once('[')?.1.split_once(']')?.0;
    (mode != "none").then(|| mode.to_owned())
}

impl Surroundings {
    pub(super) fn read(root: &Path) -> Self {
        let text = tree::text(root, "sys/kernel/security/lockdown");
        Self {
            lockdown: text.ok().as_deref().and_then(lockdown),
            has_kprobes: tree::path(root, "sys/bus/event_source/devices/kprobe").exists(),
            has_btf: tree::path(root, "sys/kernel/btf/vmlinux").exists(),
        }
    }

    /// What is missing for a hook before it is tried at all. The offsets of a packet's fields come from the kernel's BTF,
    /// whatever the hook.
    pub(super) fn lacks(&self, hook: Hook, function: &str) -> Option<Unavailable> {
        let lacking = |because: &str, remedy: &str| {
            Some(Unavailable {
                what: format!("{hook} on {function}"),
                because: because.to_owned(),
                remedy: remedy.into(),
            })
        };
        match hook {
            Hook::Kprobe if !self.has_kprobes => lacking(
                "kprobes are not built into this kernel",
                "boot a kernel with CONFIG_KPROBE_EVENTS",
            ),
            Hook::Fentry | Hook::Kprobe if !self.has_btf => lacking(
                "this kernel has no BTF (/sys/kernel/btf/vmlinux)",
                "boot a kernel with CONFIG_DEBUG_INFO_BTF",
            ),
            Hook::Tracepoint if !self.has_btf && function == Counted::Retransmit.function() => {
                lacking(
                    "this kernel has no BTF (/sys/kernel/btf/vmlinux)",
                    "boot a kernel with CONFIG_DEBUG_INFO_BTF",
                )
            }
            Hook::Breakpoint | Hook::Fentry | Hook::Kprobe | Hook::Tracepoint => None,
        }
    }

    /// The kernel's refusal in words. `loader_text` is the loader's own text, for what is not known here.
    pub(super) fn refused(
        &self,
        hook: Hook,
        function: &str,
        errno: Option<i32>,
        loader_text: &str,
    ) -> Unavailable {
        let (because, remedy) = self.reason(hook, errno, loader_text);
        Unavailable { what: format!("{hook} on {function}"), because, remedy: remedy.into() }
    }

    fn reason(&self, hook: Hook, errno: Option<i32>, loader_text: &str) -> (String, String) {
        const NO_REMEDY: &str = "";
        let is_forbidden = matches!(errno, Some(libc::EPERM | libc::EACCES));
        if let (Some(mode), true) = (&self.lockdown, is_forbidden) {
            return (
                format!("kernel lockdown ({mode}) forbids it"),
                "boot without lockdown (Secure Boot turns it on)".to_owned(),
            );
        }
        let (because, remedy) = match (hook, errno) {
            (Hook::Breakpoint, Some(libc::ENOSPC | libc::EBUSY)) => (
                "every breakpoint register of a CPU is taken",
                "end the debugger or perf that holds them",
            ),
            (
                Hook::Breakpoint,
                Some(
                    libc::ENODEV
                    | libc::ENOENT
                    | libc::EOPNOTSUPP
                    | libc::EINVAL
                    | libc::EIO
                    | libc::ENOSYS,
                ),
            ) => ("this CPU or virtual machine has no breakpoint registers", "use another machine"),
            (Hook::Breakpoint, Some(libc::EPERM | libc::EACCES)) => (
                "perf_event_open is refused (capability CAP_PERFMON, or seccomp)",
                "run as root, outside a container",
            ),
            (Hook::Fentry, Some(libc::EBUSY)) => {
                ("the function is built without ftrace (EBUSY)", NO_REMEDY)
            }
            (Hook::Fentry, Some(libc::EPERM | libc::EACCES)) => (
                "this kernel refuses programs of the type fentry (EPERM)",
                "run as root on a kernel that has them",
            ),
            (Hook::Kprobe, Some(libc::EINVAL | libc::EADDRNOTAVAIL | libc::EILSEQ)) => {
                ("the function cannot be probed (notrace)", NO_REMEDY)
            }
            (Hook::Kprobe | Hook::Fentry, Some(libc::ENOENT)) => {
                ("this kernel has no such function", NO_REMEDY)
            }
            (Hook::Tracepoint, Some(libc::ENOENT)) => {
                ("this kernel has no such tracepoint", NO_REMEDY)
            }
            (Hook::Kprobe | Hook::Tracepoint, Some(libc::EPERM | libc::EACCES)) => (
                "BPF programs for tracing are refused (capabilities CAP_BPF and CAP_PERFMON, or seccomp)",
                "run as root, outside a container",
            ),
            (Hook::Breakpoint | Hook::Fentry | Hook::Kprobe | Hook::Tracepoint, _) => {
                // The verifier's log, if any, is many lines long; the first tells the error.
                return (
                    loader_text.lines().next().unwrap_or(loader_text).trim().to_owned(),
                    String::new(),
                );
            }
        };
        (because.to_owned(), remedy.to_owned())
    }
}

/// The reasons of all hooks that were tried on a function, in one.
pub(super) fn together(function: &str, tried: &[(Hook, Unavailable)]) -> Unavailable {
    let reasons: Vec<String> =
        tried.iter().map(|(hook, why)| format!("{hook}: {}", why.because)).collect();
    let remedy = tried.iter().fold(Remedy::default(), |all, (_, why)| all.or(why.remedy.clone()));
    Unavailable { what: format!("counting {function}"), because: reasons.join(", "), remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Surroundings {
        Surroundings { lockdown: None, has_kprobes: true, has_btf: true }
    }

    #[test]
    fn lockdown_is_the_mode_in_brackets() {
        assert_eq!(lockdown("none [integrity] confidentiality"), Some("integrity".to_owned()));
        assert_eq!(lockdown("[none] integrity confidentiality"), None);
        assert_eq!(lockdown(""), None);
    }

    #[test]
    fn a_locked_kernel_is_named_instead_of_a_missing_privilege() {
        let locked = Surroundings { lockdown: Some("confidentiality".to_owned()), ..usual() };
        let why = locked.refused(Hook::Kprobe, "skb_copy_ubufs", Some(libc::EPERM), "");
        assert_eq!(why.because, "kernel lockdown (confidentiality) forbids it");
    }

    #[test]
    fn each_hook_says_what_refused_it() {
        let because = |hook, errno| usual().refused(hook, "f", Some(errno), "odd\nlog").because;
        assert!(because(Hook::Breakpoint, libc::ENOSPC).contains("taken"));
        assert!(because(Hook::Breakpoint, libc::ENOENT).contains("no breakpoint registers"));
        assert!(because(Hook::Breakpoint, libc::EACCES).contains("CAP_PERFMON"));
        assert!(because(Hook::Fentry, libc::EBUSY).contains("without ftrace"));
        assert!(because(Hook::Fentry, libc::EPERM).contains("refuses programs of the type fentry"));
        assert!(because(Hook::Kprobe, libc::EINVAL).contains("notrace"));
        assert!(because(Hook::Tracepoint, libc::ENOENT).contains("no such tracepoint"));
        assert!(because(Hook::Tracepoint, libc::EPERM).contains("CAP_BPF"));
        assert_eq!(because(Hook::Tracepoint, libc::E2BIG), "odd");
    }

    #[test]
    fn what_is_not_built_in_is_told_without_trying() {
        let bare = Surroundings::default();
        let why = bare.lacks(Hook::Kprobe, "f").unwrap();
        assert!(why.because.contains("kprobes are not built"), "{why}");
        assert!(bare.lacks(Hook::Fentry, "f").unwrap().because.contains("BTF"));
        assert_eq!(bare.lacks(Hook::Tracepoint, "f"), None);
        assert_eq!(usual().lacks(Hook::Kprobe, "f"), None);
    }

    #[test]
    fn surroundings_are_read_below_a_root() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Surroundings::read(root.path()), Surroundings::default());
        std::fs::create_dir_all(root.path().join("sys/kernel/security")).unwrap();
        std::fs::create_dir_all(root.path().join("sys/bus/event_source/devices/kprobe")).unwrap();
        let file = root.path().join("sys/kernel/security/lockdown");
        std::fs::write(file, "none integrity [confidentiality]\n").unwrap();
        let seen = Surroundings::read(root.path());
        assert_eq!(seen.lockdown.as_deref(), Some("confidentiality"));
        assert!(seen.has_kprobes && !seen.has_btf);
    }

    #[test]
    fn several_refusals_become_one_line_with_each_remedy_once() {
        let why = |hook| (hook, usual().refused(hook, "f", Some(libc::EPERM), ""));
        let all = together("f", &[why(Hook::Kprobe), why(Hook::Tracepoint)]);
        assert_eq!(all.remedy.unlock, "run as root, outside a container");
        assert!(all.because.starts_with("kprobe: BPF programs"), "{}", all.because);
        assert!(!all.to_string().contains('\n'));
    }
}
