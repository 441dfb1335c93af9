//! The process itself: its place among others, its descriptors, its rights, and what it runs on.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use crate::error::{CallError, Errno, Unavailable};

mod capabilities;
mod status;

pub use capabilities::{Capabilities, Capability};
pub(crate) use status::status_field;

fn errno_of(error: &io::Error) -> Errno {
    Errno(error.raw_os_error().unwrap_or(0))
}

/// Moves the process into a group of its own, so that what a terminal sends to the foreground group (Ctrl-C)
/// reaches it only through its parent.
///
/// # Errors
///
/// EPERM for the leader of a session.
pub fn own_process_group() -> Result<(), CallError> {
    // SAFETY: no pointers are passed.
    match unsafe { libc::setpgid(0, 0) } {
        0 => Ok(()),
        _ => Err(CallError::last("setpgid", "a group of its own")),
    }
}

/// Has the kernel send this signal when the parent dies (`PR_SET_PDEATHSIG`).
///
/// Two traps: *parent* is the thread that started this process, so that thread must live as long as the child
/// should; and a parent that died before the call is not noticed, so watch for the end of standard input too.
///
/// # Errors
///
/// EINVAL for a number that is no signal.
pub fn die_with_parent(signal: i32) -> Result<(), CallError> {
    let refused =
        |errno| CallError { call: "prctl", argument: format!("PR_SET_PDEATHSIG={signal}"), errno };
    let number = libc::c_ulong::try_from(signal).map_err(|_| refused(Errno(libc::EINVAL)))?;
    // SAFETY: this option takes a number only.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, number) } {
        0 => Ok(()),
        _ => Err(refused(Errno::last())),
    }
}

/// Has the kernel send SIGKILL to a command's process when its parent dies, as [`die_with_parent`] does for the caller. What was
/// started before a parent dies lives on only as long as it takes to get there.
pub fn start_dying_with_parent(command: &mut Command) {
    let die = || die_with_parent(libc::SIGKILL).map_err(|error| io::Error::from(error.errno));
    // SAFETY: between fork and exec only async-signal-safe work is allowed; this is one system call. Its error's text, which
    // allocates, is made only where the kernel refuses a constant number that it knows.
    unsafe { command.pre_exec(die) };
}

/// Whether a child has ended, which is left for its parent to wait for: until then nobody else has its number.
pub fn has_ended(child: &Child) -> bool {
    let id = child.id() as libc::id_t;
    // SAFETY: all zeros is a valid siginfo_t.
    let mut told: libc::siginfo_t = unsafe { mem::zeroed() };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: the pointer is valid for writes for the call.
    let asked = unsafe { libc::waitid(libc::P_PID, id, &raw mut told, options) };
    // SAFETY: waitid fills the fields of SIGCHLD, or leaves them zero where nothing has happened.
    asked == 0 && unsafe { told.si_pid() } != 0
}

/// Kills all processes of the group that a child leads ([`std::os::unix::process::CommandExt::process_group`]). Call it before the child
/// is waited for: after that its number may be another's.
pub fn kill_group(leader: &Child) {
    if let Ok(id @ 2..) = libc::pid_t::try_from(leader.id()) {
        // SAFETY: no pointers are passed. A group that is gone is ESRCH.
        let _ = unsafe { libc::kill(-id, libc::SIGKILL) };
    }
}

/// Takes standard output away for the caller alone, and points descriptor 1 at standard error: whatever prints
/// from then on cannot disturb what the caller writes. Call it once, before any other thread runs.
///
/// # Errors
///
/// EBADF when standard output or standard error is closed.
pub fn take_standard_output() -> Result<File, CallError> {
    io::stdout().flush().map_err(|error| CallError {
        call: "write",
        argument: "what was waiting for standard output".into(),
        errno: errno_of(&error),
    })?;
    // SAFETY: the command takes a number only; it answers a new descriptor above the standard ones.
    let kept = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_DUPFD_CLOEXEC, 3) };
    if kept < 0 {
        return Err(CallError::last("fcntl", "F_DUPFD_CLOEXEC of standard output"));
    }
    // SAFETY: the descriptor was just made and belongs to no one else.
    let kept = unsafe { OwnedFd::from_raw_fd(kept) };
    // SAFETY: both are plain descriptor numbers; the standard library keeps no state about descriptor 1.
    if unsafe { libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO) } < 0 {
        return Err(CallError::last("dup2", "standard error as standard output"));
    }
    Ok(File::from(kept))
}

/// The user on whose behalf the kernel judges what the process may do; 0 is root.
pub fn effective_user() -> u32 {
    // SAFETY: no pointers are passed; it cannot fail.
    unsafe { libc::geteuid() }
}

/// What the kernel says it is (uname(2)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemName {
    /// The host's name.
    pub host: String,
    /// The kernel's release, e.g. `6.18.1-generic`.
    pub release: String,
    /// The kernel's build, e.g. `#1 SMP PREEMPT_DYNAMIC …`.
    pub version: String,
    /// The architecture, e.g. `x86_64`.
    pub machine: String,
}

/// Names of host, kernel and architecture.
pub fn system_name() -> SystemName {
    // SAFETY: utsname is arrays of characters, for which all zeros is valid.
    let mut name: libc::utsname = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a live utsname. It cannot fail with one.
    let _ = unsafe { libc::uname(&raw mut name) };
    SystemName {
        host: text(&name.nodename),
        release: text(&name.release),
        version: text(&name.version),
        machine: text(&name.machine),
    }
}

/// A C string in an array, up to its first zero.
fn text(characters: &[libc::c_char]) -> String {
    // c_char is signed or not, by architecture; to_ne_bytes suits both.
    let bytes: Vec<u8> = characters.iter().flat_map(|one| one.to_ne_bytes()).collect();
    CStr::from_bytes_until_nul(&bytes)
        .map(|text| text.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The host's name.
pub fn hostname() -> String {
    system_name().host
}

/// Bytes of a page of memory: 4096 on x86-64, up to 65536 on aarch64.
pub fn page_size() -> usize {
    // SAFETY: no pointers are passed.
    let answer = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(answer).unwrap_or(4096)
}

/// The calling thread's nice value, −20 the most urgent. Threads that it starts inherit it.
pub fn nice() -> i32 {
    // −1 is a nice value too, so that only errno could tell a failure, and there is none for oneself (getpriority(2)).
    // SAFETY: no pointers are passed.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

/// Sets the calling thread's nice value; false where it may not, which is the rule without CAP_SYS_NICE when
/// it would become more urgent.
pub fn set_nice(nice: i32) -> bool {
    // On Linux the nice value belongs to a thread, and 0 means the calling one (setpriority(2)).
    // SAFETY: no pointers are passed.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) == 0 }
}

/// 16 bytes that nobody can guess.
///
/// # Errors
///
/// ENOSYS where a sandbox forbids `getrandom`.
pub fn random_token() -> Result<[u8; 16], CallError> {
    let mut token = [0u8; 16];
    loop {
        // SAFETY: the pointer and the length are those of the live array.
        let filled = unsafe { libc::getrandom(token.as_mut_ptr().cast(), token.len(), 0) };
        if usize::try_from(filled) == Ok(token.len()) {
            return Ok(token);
        }
        // Up to 256 bytes come whole, or not at all when a signal interrupts the wait for the first entropy.
        let failed = CallError::last("getrandom", "16 bytes");
        if !failed.errno.is_interrupted() {
            return Err(failed);
        }
    }
}

/// The id of this boot: records of different ones are not to be compared blindly.
///
/// # Errors
///
/// Without a readable /proc.
pub fn boot_id() -> Result<String, Unavailable> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    let text = std::fs::read_to_string(PATH).map_err(|error| Unavailable {
        what: "the boot id".into(),
        because: format!("{PATH}: {error}"),
        remedy: "mount /proc".into(),
    })?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_status_line_is_found_by_its_whole_name() {
        let status = "VmHWMs:\t1\nVmHWM:\t  12 kB\n";
        assert_eq!(status_field(status, "VmHWM"), Some("12 kB"));
        assert_eq!(status_field(status, "Vm"), None);
    }

    #[test]
    fn names_and_sizes_agree_with_what_proc_shows() {
        let name = system_name();
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(name.release, release.trim());
        assert_eq!(hostname(), name.host);
        assert!(!name.machine.is_empty() && !name.version.is_empty());
        assert!(page_size().is_power_of_two() && page_size() >= 4096);
        assert_eq!(boot_id().unwrap().len(), 36);
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(random_token().unwrap(), random_token().unwrap());
    }

    #[test]
    fn lowering_ones_priority_is_always_allowed() {
        let lowered = || {
            assert!(set_nice(19));
            assert_eq!(nice(), 19);
        };
        std::thread::spawn(lowered).join().unwrap();
    }

    #[test]
    fn a_number_that_is_no_signal_is_refused() {
        for signal in [-1, 4096] {
            assert_eq!(die_with_parent(signal).unwrap_err().errno, Errno(libc::EINVAL));
        }
    }

    /// Run by the next test in a process of its own; it does nothing when run as a test.
    #[test]
    fn child_that_takes_its_standard_output() {
        if std::env::var_os("KERNEL_TEST_CHILD").is_none() {
            return;
        }
        own_process_group().unwrap();
        die_with_parent(libc::SIGKILL).unwrap();
        let mut kept = take_standard_output().unwrap();
        io::stdout().write_all(b"a stray print\n").unwrap();
        io::stdout().flush().unwrap();
        kept.write_all(b"the protocol\n").unwrap();
        // SAFETY: no pointers are passed.
        let group = unsafe { libc::getpgrp() };
        writeln!(kept, "group {}", u32::try_from(group) == Ok(std::process::id())).unwrap();
        // The test harness would go on printing.
        std::process::exit(0);
    }

    #[test]
    fn what_prints_goes_to_standard_error_once_standard_output_is_taken() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "process::tests::child_that_takes_its_standard_output",
                "--nocapture",
            ])
            .env("KERNEL_TEST_CHILD", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (told, strayed) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(told.ends_with("the protocol\ngroup true\n"), "{told}\n{strayed}");
        assert!(!told.contains("stray") && strayed.contains("a stray print"), "{told}\n{strayed}");
    }
}
