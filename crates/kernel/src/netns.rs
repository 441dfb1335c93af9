//! Network namespaces without a name.
//!
//! A namespace lives as long as something holds it: here a descriptor, and the processes that were started inside.
//! When they are gone, however they died, the kernel destroys it with its devices, addresses and filters. So nothing
//! can be left behind, and no address in it can clash with one of the machine's.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::{fs, io, panic, thread};

use crate::error::{CallError, Errno, Remedy, Unavailable};
use crate::limits::MORE_PROCESSES;
use crate::machine::SYSCTLS;
use crate::process::{Capabilities, Capability};

/// The calling thread's namespace (namespaces(7)).
const OWN: &str = "/proc/thread-self/ns/net";

/// An anonymous network namespace. Clones are the same namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    descriptor: Arc<OwnedFd>,
}

fn unavailable(because: impl Into<String>, remedy: impl Into<Remedy>) -> Unavailable {
    Unavailable {
        what: "a network namespace".into(),
        because: because.into(),
        remedy: remedy.into(),
    }
}

/// Why the kernel refused to make a namespace (unshare(2), namespaces(7)), `missing` being the capability that this
/// process does not have.
fn refusal(errno: Errno, missing: Option<&str>) -> Unavailable {
    let refused = format!("unshare(CLONE_NEWNET): {errno}");
    match (errno.0, missing) {
        (libc::EPERM, Some(name)) => unavailable(
            format!("{refused}: {name} is missing"),
            "run as root, or in a container with --cap-add SYS_ADMIN --cap-add NET_ADMIN",
        ),
        (libc::EPERM | libc::ENOSYS, _) => unavailable(
            format!("{refused}: a sandbox (seccomp) or a security module forbids it"),
            "run outside of the sandbox, or in a container with --security-opt seccomp=unconfined",
        ),
        (libc::ENOSPC, _) => unavailable(
            format!("{refused}: as many namespaces as user.max_net_namespaces allows"),
            "sudo sysctl user.max_net_namespaces=1024",
        ),
        (libc::EINVAL, _) => unavailable(
            format!("{refused}: this kernel has none"),
            "use a kernel with CONFIG_NET_NS",
        ),
        _ => unavailable(refused, ""),
    }
}

/// The capability that raising a link needs and that this process does not have: CAP_SYS_ADMIN makes and enters
/// namespaces, CAP_NET_ADMIN sets their devices up (capabilities(7)).
pub fn missing_capability() -> Option<&'static str> {
    let capabilities = Capabilities::effective().ok()?;
    let needed = [(Capability::SysAdmin, "CAP_SYS_ADMIN"), (Capability::NetAdmin, "CAP_NET_ADMIN")];
    needed.into_iter().find(|(one, _)| !capabilities.has(*one)).map(|(_, name)| name)
}

/// The network namespace of a process, by the inode that the kernel's own structures have too (namespaces(7)).
///
/// # Errors
/// No such process, or its namespace may not be looked at.
pub fn inode_of(process: u32) -> Result<u32, Unavailable> {
    let path = format!("/proc/{process}/ns/net");
    let failed = |because: String| unavailable(format!("{path}: {because}"), "run as root");
    let file = fs::metadata(&path).map_err(|error| failed(error.to_string()))?;
    u32::try_from(file.st_ino()).map_err(|error| failed(error.to_string()))
}

/// Moves the calling thread into the namespace for good.
fn enter(namespace: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: no pointers are passed; the descriptor is open while it is borrowed.
    match unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(Errno::last()),
    }
}

impl Namespace {
    /// Makes a namespace. It has a loopback device that is down, and nothing else.
    ///
    /// # Errors
    ///
    /// The missing capability, a sandbox, a limit, or no /proc, each with its remedy.
    pub fn create() -> Result<Self, Unavailable> {
        // A thread of its own: the caller must stay where it is, and there would be no way back without a descriptor
        // of the old namespace.
        let made = thread::Builder::new().name("namespace".into()).spawn(|| {
            // SAFETY: no pointers are passed; only the calling thread, which ends here, moves.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                let errno = Errno::last();
                return Err(refusal(errno, missing_capability()));
            }
            // Opened files of the standard library close when a program is executed.
            File::open(OWN).map_err(|error| unavailable(format!("{OWN}: {error}"), "mount /proc"))
        });
        let made = made
            .map_err(|error| unavailable(format!("starting a thread: {error}"), MORE_PROCESSES))?;
        let file = made.join().unwrap_or_else(|panic| panic::resume_unwind(panic))?;
        Ok(Self { descriptor: Arc::new(file.into()) })
    }

    /// Runs the function on a thread inside the namespace and waits for it. Sockets that it opens belong to the
    /// namespace wherever they are used later, and `/proc/sys/net` is the namespace's; `/sys` is not, see
    /// [`steering`](crate::steering).
    ///
    /// # Errors
    ///
    /// EPERM without CAP_SYS_ADMIN, EAGAIN where no thread can be started.
    pub fn run<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> Result<T, CallError> {
        thread::scope(|scope| {
            let entered = move || {
                enter(self.descriptor.as_fd())?;
                Ok(inside())
            };
            let thread = thread::Builder::new()
                .name("in namespace".into())
                .spawn_scoped(scope, entered)
                .map_err(|error| CallError {
                    call: "clone",
                    argument: format!("a thread in a network namespace; {MORE_PROCESSES}"),
                    errno: Errno(error.raw_os_error().unwrap_or(0)),
                })?;
            let ran: Result<T, Errno> =
                thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
            let argument = || "a network namespace".to_owned();
            ran.map_err(|errno| CallError { call: "setns", argument: argument(), errno })
        })
    }

    /// Has the command start its process inside the namespace; what it starts with otherwise stays. Without the
    /// right to enter, starting fails with EPERM.
    pub fn start_inside(&self, command: &mut Command) {
        let descriptor = Arc::clone(&self.descriptor);
        let enter = move || enter(descriptor.as_fd()).map_err(io::Error::from);
        // SAFETY: between fork and exec only async-signal-safe work is allowed; this is one system call, it
        // allocates nothing and takes no lock.
        unsafe { command.pre_exec(enter) };
    }
}

// Settings.
impl Namespace {
    /// Gives the namespace the caller's values of the recorded network settings (`SYSCTLS`), where it has values of
    /// its own and they differ.
    ///
    /// A new namespace begins with the first namespace's `tcp_rmem`, `tcp_wmem` and default congestion control, but
    /// with the kernel's defaults of the others, also where the machine is set otherwise (`tcp_sk_init`,
    /// net/ipv4/tcp_ipv4.c; `setup_net`, net/core/net_namespace.c). What it lacks is the whole machine's.
    ///
    /// # Errors
    ///
    /// A value that differs and cannot be set.
    pub fn take_over_settings(&self) -> Result<(), Unavailable> {
        let settings: Vec<(&str, String)> = SYSCTLS
            .into_iter()
            .filter(|name| name.starts_with("net."))
            .filter_map(|name| Some((name, fs::read_to_string(setting(name)).ok()?)))
            .collect();
        let take_over = || {
            for (name, value) in &settings {
                match fs::read_to_string(setting(name)) {
                    Ok(own) if own != *value => write_setting(name, value.trim())?,
                    Ok(_) | Err(_) => {}
                }
            }
            Ok(())
        };
        self.run(take_over).map_err(|error| unavailable(error.to_string(), "run as root"))?
    }

    /// Sets one of the namespace's settings, e.g. `net.ipv4.tcp_orphan_retries`.
    ///
    /// # Errors
    ///
    /// One that it does not have, or a value that the kernel does not take.
    pub fn set(&self, name: &str, value: &str) -> Result<(), Unavailable> {
        self.run(|| write_setting(name, value))
            .map_err(|error| unavailable(error.to_string(), "run as root"))?
    }
}

fn setting(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

/// Sets one of the calling thread's namespace.
fn write_setting(name: &str, value: &str) -> Result<(), Unavailable> {
    fs::write(setting(name), value).map_err(|error| {
        unavailable(format!("setting {name}={value} in it: {error}"), "mount /proc writable")
    })
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_why_and_what_would_help() {
        for (errno, missing, because, remedy) in [
            (libc::EPERM, Some("CAP_SYS_ADMIN"), "CAP_SYS_ADMIN is missing", "run as root"),
            (libc::EPERM, None, "a sandbox (seccomp)", "outside of the sandbox"),
            (libc::ENOSYS, Some("CAP_NET_ADMIN"), "a sandbox (seccomp)", "outside of the sandbox"),
            (libc::ENOSPC, None, "user.max_net_namespaces", "sudo sysctl"),
            (libc::EINVAL, None, "this kernel has none", "CONFIG_NET_NS"),
        ] {
            let why = refusal(Errno(errno), missing);
            assert!(why.because.contains(because) && why.remedy.unlock.contains(remedy), "{why}");
        }
        assert!(refusal(Errno(libc::ENOMEM), None).because.starts_with("unshare(CLONE_NEWNET)"));
    }
}
