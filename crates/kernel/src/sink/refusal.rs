//! Why a BPF call was refused, and what would have it granted.

use std::error::Error;
use std::io;
use std::path::Path;

use crate::copy_audit::refusal::lockdown;
use crate::error::{Errno, Unavailable};
use crate::machine::tree;
use crate::process::{self, Capabilities, Capability};

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

/// What decides whether a machine lets a process load and attach the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Surroundings {
    /// The effective capabilities; `None` where /proc does not tell.
    capabilities: Option<Capabilities>,
    /// Whether the process lives in a user namespace of its own: its capabilities do not reach the kernel's BPF.
    is_in_user_namespace: bool,
    /// Whether a seccomp filter is on.
    is_filtered: bool,
    /// The mode of kernel lockdown, `None` where there is none.
    lockdown: Option<String>,
    /// `kernel.unprivileged_bpf_disabled`: 0 where every user may load some programs.
    unprivileged: Option<String>,
}

/// How the first user namespace maps its users (user_namespaces(7)).
const ALL_USERS: [&str; 3] = ["0", "0", "4294967295"];

impl Surroundings {
    fn read(root: &Path) -> Self {
        let text = |relative| tree::text(root, relative).ok();
        let status = text("proc/self/status").unwrap_or_default();
        let is_of_all = |map: String| map.split_whitespace().eq(ALL_USERS);
        Self {
            capabilities: Capabilities::parse(&status),
            is_in_user_namespace: text("proc/self/uid_map").is_some_and(|map| !is_of_all(map)),
            is_filtered: process::status_field(&status, "Seccomp") == Some("2"),
            lockdown: text("sys/kernel/security/lockdown").as_deref().and_then(lockdown),
            unprivileged: text("proc/sys/kernel/unprivileged_bpf_disabled"),
        }
    }

    /// Which of the capabilities that a call takes are missing (capabilities(7), bpf(2)): a classifier takes CAP_NET_ADMIN
    /// beside CAP_BPF, CAP_SYS_ADMIN has both; devices take CAP_NET_ADMIN; counting run times takes CAP_SYS_ADMIN.
    fn missing(&self, asked: &str) -> Vec<&'static str> {
        let Some(capabilities) = self.capabilities else { return Vec::new() };
        let has_all = capabilities.has(Capability::SysAdmin);
        let needed: &[Capability] = match asked {
            "bpf(BPF_ENABLE_STATS)" => &[Capability::SysAdmin],
            _ if asked.starts_with("tc ") => &[Capability::NetAdmin],
            _ if has_all => &[],
            _ => &[Capability::Bpf, Capability::NetAdmin],
        };
        let missing = needed.iter().filter(|one| !capabilities.has(**one));
        missing.map(|one| one.name()).collect()
    }

    /// Why a call may not be made, and the command that remedies it: the first of what is known to forbid it.
    fn forbidden(&self, asked: &str) -> (String, String) {
        let missing = self.missing(asked);
        if !missing.is_empty() {
            let setting = match &self.unprivileged {
                Some(value) if asked.starts_with("bpf(") => {
                    format!(" (kernel.unprivileged_bpf_disabled={value})")
                }
                Some(_) | None => String::new(),
            };
            let (are, flags) = (if missing.len() == 1 { "is" } else { "are" }, missing.iter());
            let flags: Vec<String> = flags
                .map(|name| format!("--cap-add {}", name.trim_start_matches("CAP_")))
                .collect();
            return (
                format!("{} {are} missing{setting}", missing.join(" and ")),
                format!(
                    "run as root: sudo copycost run --link sink; in a container add {}",
                    flags.join(" ")
                ),
            );
        }
        let (because, remedy) = if self.is_in_user_namespace {
            (
                "this user namespace's capabilities do not hold for BPF".to_owned(),
                "run as the machine's root, outside of the rootless container: sudo copycost run --link sink",
            )
        } else if self.is_filtered {
            (
                "a sandbox (seccomp) forbids it".to_owned(),
                "run outside of the sandbox, or in a container with --security-opt seccomp=unconfined",
            )
        } else if let Some(mode) = &self.lockdown {
            (
                format!("kernel lockdown ({mode}) forbids it"),
                "boot without lockdown (Secure Boot turns it on)",
            )
        } else if self.capabilities.is_none() {
            (
                "this user may not, and /proc/self/status does not tell which capability is missing".to_owned(),
                "run as root: sudo copycost run --link sink",
            )
        } else {
            (
                "a security module (SELinux, AppArmor, BPF LSM) forbids it, as no capability is missing".to_owned(),
                "look for the denial in: sudo dmesg, or sudo ausearch -m avc",
            )
        };
        (because, remedy.to_owned())
    }
}

/// A refusal of a call, with the remedy where its errno is one that has one.
pub(super) fn refused(what: &str, asked: &str, error: &(dyn Error + 'static)) -> Unavailable {
    let surroundings = Surroundings::read(Path::new(tree::LIVE));
    explained(what, asked, errno(error), &in_one_line(error), &surroundings)
}

fn explained(
    what: &str,
    asked: &str,
    errno: Option<Errno>,
    said: &str,
    surroundings: &Surroundings,
) -> Unavailable {
    let unavailable = |because: &str, remedy: &str| Unavailable {
        what: what.to_owned(),
        because: format!("{asked}: {because}"),
        remedy: remedy.into(),
    };
    // The verifier answers EACCES and EINVAL too, and then says why (`ProgramError::LoadError`).
    let log = said.split_once("Verifier output: ").map_or("", |(_, log)| log.trim());
    match errno.map(|errno| errno.0) {
        Some(libc::EACCES | libc::EINVAL) if !log.is_empty() => unavailable(said, ""),
        Some(libc::EPERM | libc::EACCES) => {
            let (because, remedy) = surroundings.forbidden(asked);
            unavailable(&because, &remedy)
        }
        // A filter may answer that there is no such call (seccomp(2)).
        Some(libc::ENOSYS) if surroundings.is_filtered => {
            let (because, remedy) = surroundings.forbidden(asked);
            unavailable(&because, &remedy)
        }
        Some(libc::ENOSYS) => unavailable(
            "this kernel has no bpf() system call",
            "use a kernel with CONFIG_BPF_SYSCALL",
        ),
        Some(libc::ENOENT | libc::EOPNOTSUPP) if asked.starts_with("tc qdisc") => unavailable(
            "this kernel has no queueing discipline clsact",
            "sudo modprobe sch_ingress, or use a kernel with CONFIG_NET_SCH_INGRESS",
        ),
        Some(libc::ENOENT | libc::EOPNOTSUPP) if asked.starts_with("tc filter") => unavailable(
            "this kernel has no BPF classifier for devices",
            "sudo modprobe cls_bpf, or use a kernel with CONFIG_NET_CLS_BPF",
        ),
        Some(libc::EINVAL) if asked == "bpf(BPF_PROG_LOAD)" => unavailable(
            &format!("{said}; this kernel may know no classifier programs"),
            "use a kernel with CONFIG_NET_CLS_BPF and CONFIG_BPF_SYSCALL",
        ),
        Some(_) | None => unavailable(said, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: &str = "bpf(BPF_PROG_LOAD)";

    /// The machine's root, where nothing forbids anything.
    fn root() -> Surroundings {
        Surroundings {
            capabilities: Capabilities::parse("CapEff:\t000001ffffffffff"),
            unprivileged: Some("2".to_owned()),
            ..Surroundings::default()
        }
    }

    fn with_capabilities(bits: &[u32]) -> Surroundings {
        let bits: u64 = bits.iter().map(|bit| 1 << bit).sum();
        Surroundings {
            capabilities: Capabilities::parse(&format!("CapEff:\t{bits:016x}")),
            ..root()
        }
    }

    fn forbidden(asked: &str, surroundings: &Surroundings) -> Unavailable {
        explained("the sink", asked, Some(Errno(libc::EPERM)), "", surroundings)
    }

    #[test]
    fn each_missing_capability_is_named_with_the_command_that_gives_it() {
        const NET_ADMIN: u32 = 12;
        const SYS_ADMIN: u32 = 21;
        const BPF: u32 = 39;
        let none = forbidden(LOAD, &with_capabilities(&[]));
        let says = "bpf(BPF_PROG_LOAD): CAP_BPF and CAP_NET_ADMIN are missing (kernel.unprivileged_bpf_disabled=2)";
        assert_eq!(none.because, says);
        assert!(none.remedy.unlock.contains("sudo copycost"), "{none}");
        assert!(none.remedy.unlock.ends_with("--cap-add BPF --cap-add NET_ADMIN"), "{none}");
        let one = forbidden(LOAD, &with_capabilities(&[BPF]));
        assert!(
            one.because.contains("CAP_NET_ADMIN is missing") && !one.because.contains("CAP_BPF")
        );
        let one = forbidden(LOAD, &with_capabilities(&[NET_ADMIN]));
        assert!(one.because.contains(": CAP_BPF is missing"), "{one}");
        let tc = forbidden("tc qdisc add dev recv0 clsact", &with_capabilities(&[BPF, SYS_ADMIN]));
        assert!(tc.because.ends_with("clsact: CAP_NET_ADMIN is missing"), "{tc}");
        let stats = forbidden("bpf(BPF_ENABLE_STATS)", &with_capabilities(&[BPF, NET_ADMIN]));
        assert!(stats.because.contains("CAP_SYS_ADMIN is missing"), "{stats}");
    }

    #[test]
    fn without_a_missing_capability_what_forbids_it_is_named() {
        let of = |surroundings: Surroundings| forbidden(LOAD, &surroundings);
        // The old catch-all has all that the program takes.
        let module = of(with_capabilities(&[21]));
        assert!(module.because.contains("a security module"), "{module}");
        let sandbox = of(Surroundings { is_filtered: true, ..root() });
        assert!(sandbox.because.contains("(seccomp)"), "{sandbox}");
        assert!(sandbox.remedy.unlock.contains("seccomp=unconfined"), "{sandbox}");
        let locked = of(Surroundings { lockdown: Some("confidentiality".to_owned()), ..root() });
        assert!(locked.because.contains("lockdown (confidentiality)"), "{locked}");
        assert!(locked.remedy.unlock.contains("boot without lockdown"), "{locked}");
        let rootless = of(Surroundings { is_in_user_namespace: true, is_filtered: true, ..root() });
        assert!(rootless.because.contains("user namespace"), "{rootless}");
        let unknown = of(Surroundings { capabilities: None, ..root() });
        assert!(unknown.because.contains("does not tell which"), "{unknown}");
        for why in [module, sandbox, locked, rootless, unknown] {
            assert!(!why.remedy.is_empty() && !why.to_string().contains('\n'), "{why}");
        }
    }

    #[test]
    fn surroundings_are_read_below_a_root() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Surroundings::read(root.path()), Surroundings::default());
        let write = |file: &str, text: &str| tree::plant(root.path(), file, text);
        write("proc/self/status", "Name:\tx\nCapEff:\t0000000000001000\nSeccomp:\t2");
        write("proc/self/uid_map", "         0       1000          1");
        write("sys/kernel/security/lockdown", "none [integrity] confidentiality");
        write("proc/sys/kernel/unprivileged_bpf_disabled", "1");
        let seen = Surroundings::read(root.path());
        assert!(seen.is_filtered && seen.is_in_user_namespace);
        assert_eq!(seen.lockdown.as_deref(), Some("integrity"));
        assert_eq!(seen.unprivileged.as_deref(), Some("1"));
        assert_eq!(seen.missing(LOAD), ["CAP_BPF"]);
        write("proc/self/uid_map", "         0          0 4294967295");
        assert!(!Surroundings::read(root.path()).is_in_user_namespace);
    }

    #[test]
    fn a_kernel_without_a_part_of_it_is_told_which() {
        let of = |asked: &str, errno: i32, said: &str| {
            explained("the sink", asked, Some(Errno(errno)), said, &root())
        };
        let qdisc = of("tc qdisc add dev recv0 clsact", libc::ENOENT, "");
        assert!(qdisc.because.contains("no queueing discipline clsact"), "{qdisc}");
        assert!(qdisc.remedy.unlock.contains("sudo modprobe sch_ingress"), "{qdisc}");
        let filter = of("tc filter add dev recv0 ingress bpf", libc::EOPNOTSUPP, "");
        assert!(filter.remedy.unlock.contains("sudo modprobe cls_bpf"), "{filter}");
        let unknown = of(LOAD, libc::EINVAL, "Invalid argument");
        assert!(unknown.remedy.unlock.contains("CONFIG_NET_CLS_BPF"), "{unknown}");
        let log = "returned EACCES. Verifier output: R1 is odd";
        let verifier = of(LOAD, libc::EACCES, log);
        assert_eq!(verifier.because, format!("{LOAD}: {log}"));
        let call = of("bpf(BPF_MAP_CREATE)", libc::ENOSYS, "");
        assert!(call.remedy.unlock.contains("CONFIG_BPF_SYSCALL"), "{call}");
        let other = of("bpf(BPF_MAP_CREATE)", libc::ENOENT, "none");
        assert_eq!(
            (other.because.as_str(), other.remedy.unlock.as_str()),
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
