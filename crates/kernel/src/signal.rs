//! Being asked to stop: Ctrl-C, `kill`, a closed terminal. And having been stopped and continued: Ctrl-Z and `fg`, SIGSTOP and SIGCONT.
//!
//! SIGPIPE needs nothing here: Rust's runtime ignores it before `main`, and every send says `MSG_NOSIGNAL`.

use std::mem;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use crate::clock::monotonic_ns;
use crate::error::{CallError, Errno};

/// The signals that ask to stop.
const REQUESTS: [(libc::c_int, &str); 3] =
    [(libc::SIGINT, "SIGINT"), (libc::SIGTERM, "SIGTERM"), (libc::SIGHUP, "SIGHUP")];

/// The last signal that came, 0 before.
static REQUESTED: AtomicI32 = AtomicI32::new(0);
/// The pipe's writing end, −1 before it is installed. It stays open for the process's life.
static WRITER: AtomicI32 = AtomicI32::new(-1);
/// The pipe's reading end, once installed. It stays open for the process's life.
static READER: Mutex<Option<libc::c_int>> = Mutex::new(None);

/// When the first signal came, in nanoseconds of CLOCK_MONOTONIC.
static REQUESTED_AT: AtomicU64 = AtomicU64::new(0);

/// What comes sooner after the first signal is the same request: timeout(1) signals its child, and then its group.
const SAME_REQUEST_NS: u64 = 300_000_000;

/// The exit code of an interrupted run: 128 + SIGINT, for every signal.
const INTERRUPTED: libc::c_int = 130;

/// Notices requests to stop. The first SIGINT, SIGTERM or SIGHUP is only noted, so that what was measured can be
/// kept; the second ends the process at once with code 130, unless it comes within 0.3 s and so is the same request. Calls that can be restarted are (`SA_RESTART`);
/// `poll` and `epoll_wait` answer EINTR.
#[derive(Clone, Copy, Debug)]
pub struct Interrupts {
    reader: libc::c_int,
}

impl Interrupts {
    /// Installs the handlers; the second time, answers the first installation. A signal that the process was
    /// started to ignore (`nohup`, a shell's background job) stays ignored.
    ///
    /// # Errors
    ///
    /// EMFILE above the limit of open files.
    pub fn install() -> Result<Self, CallError> {
        let mut installed = READER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(reader) = *installed {
            return Ok(Self { reader });
        }
        let (reader, writer) = nonblocking_pipe()?;
        WRITER.store(writer.into_raw_fd(), Ordering::SeqCst);
        let reader = reader.into_raw_fd();
        *installed = Some(reader);
        for (signal, name) in REQUESTS {
            handle(signal, name)?;
        }
        Ok(Self { reader })
    }

    /// The signal that asked to stop, if one has.
    #[inline]
    pub fn requested(&self) -> Option<i32> {
        Some(REQUESTED.load(Ordering::Relaxed)).filter(|&signal| signal != 0)
    }
}

impl AsFd for Interrupts {
    /// Readable from the first signal on, for ever: to be polled beside other descriptors, not read.
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is the pipe's reading end, which is never closed.
        unsafe { BorrowedFd::borrow_raw(self.reader) }
    }
}

/// Has a write past the limit of file sizes (RLIMIT_FSIZE, `ulimit -f`) fail with EFBIG, as any other write that finds no room,
/// in place of ending the process by SIGXFSZ (setrlimit(2)). Children inherit it.
///
/// # Errors
///
/// None in practice: the signal is one that may be ignored.
pub fn survive_file_size_limit() -> Result<(), CallError> {
    // SAFETY: SIG_IGN runs no code of ours.
    match unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) } {
        libc::SIG_ERR => Err(CallError::last("signal", "SIGXFSZ")),
        _ => Ok(()),
    }
}

/// How often the process was continued.
static CONTINUED: AtomicU32 = AtomicU32::new(0);

/// Counts from now on how often the process is continued after a stop, which nothing in it notices otherwise: its clocks go on, and
/// no signal that stops can be handled.
///
/// # Errors
///
/// None in practice: the signal is one that may be handled.
pub fn count_continuations() -> Result<(), CallError> {
    handle_with(libc::SIGCONT, "SIGCONT", note_continuation)
}

/// How often the process was continued since it began to count. A SIGCONT that found it running counts as well.
pub fn continuations() -> u32 {
    CONTINUED.load(Ordering::SeqCst)
}

/// The handler: one atomic.
extern "C" fn note_continuation(_: libc::c_int) {
    CONTINUED.fetch_add(1, Ordering::SeqCst);
}

/// Leaves requests to stop to whoever started this process: SIGINT, SIGTERM and SIGHUP are ignored from now on. What ends a service or
/// a job sends them to each of its processes (systemd's `KillMode=control-group`, Slurm's time limit), so that a child would be
/// gone before its parent could let it finish.
///
/// # Errors
///
/// None in practice: the signals are ones that may be ignored.
pub fn leave_requests_to_parent() -> Result<(), CallError> {
    for (signal, name) in REQUESTS {
        // SAFETY: SIG_IGN runs no code of ours.
        if unsafe { libc::signal(signal, libc::SIG_IGN) } == libc::SIG_ERR {
            return Err(CallError::last("signal", name));
        }
    }
    Ok(())
}

fn nonblocking_pipe() -> Result<(OwnedFd, OwnedFd), CallError> {
    let mut ends = [-1; 2];
    // SAFETY: the pointer is to two live ints.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } != 0 {
        return Err(CallError::last("pipe2", "a pipe for signals"));
    }
    // SAFETY: the descriptor was just made and belongs to no one else.
    let reader = unsafe { OwnedFd::from_raw_fd(ends[0]) };
    // SAFETY: as above.
    let writer = unsafe { OwnedFd::from_raw_fd(ends[1]) };
    Ok((reader, writer))
}

fn handle(signal: libc::c_int, name: &'static str) -> Result<(), CallError> {
    // SAFETY: sigaction is a plain C struct for which all zeros is valid.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: the pointer for the old action is to a live struct; no new one is passed.
    if unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) } != 0 {
        return Err(CallError::last("sigaction", name));
    }
    if action.sa_sigaction == libc::SIG_IGN {
        return Ok(());
    }
    handle_with(signal, name, note)
}

/// Installs a handler that calls only what signal-safety(7) allows.
fn handle_with(
    signal: libc::c_int,
    name: &'static str,
    handler: extern "C" fn(libc::c_int),
) -> Result<(), CallError> {
    // SAFETY: sigaction is a plain C struct for which all zeros is valid: an empty mask and no restorer of our own.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the action is live, and its handler calls only what signal-safety(7) allows.
    match unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(CallError::last("sigaction", name)),
    }
}

fn is_the_same_request() -> bool {
    match REQUESTED_AT.load(Ordering::SeqCst) {
        // Another thread is still noting the first one.
        0 => true,
        at => monotonic_ns().saturating_sub(at) < SAME_REQUEST_NS,
    }
}

/// The handler: atomics, `clock_gettime`, `write` and `_exit` only, and `errno` left as it was.
extern "C" fn note(signal: libc::c_int) {
    if REQUESTED.swap(signal, Ordering::SeqCst) == 0 {
        REQUESTED_AT.store(monotonic_ns(), Ordering::SeqCst);
    } else if is_the_same_request() {
        return;
    } else {
        // SAFETY: it ends the process without running anything else of it.
        unsafe { libc::_exit(INTERRUPTED) };
    }
    let before = Errno::last();
    let byte = 1u8;
    // SAFETY: the pointer is to one live byte; the descriptor is never closed. One byte fits an empty pipe.
    let _ = unsafe { libc::write(WRITER.load(Ordering::SeqCst), (&raw const byte).cast(), 1) };
    // SAFETY: it answers the calling thread's own errno.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: the pointer is valid for the thread's life and no one else's.
    unsafe { errno.write(before.0) };
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;

    fn raise(signal: libc::c_int) {
        // SAFETY: the signal is handled by the handler above, or ends this child.
        assert_eq!(unsafe { libc::raise(signal) }, 0);
    }

    /// Run by the other tests in processes of its own; it does nothing when run as a test.
    #[test]
    fn child_that_is_asked_to_stop() {
        let Ok(told) = std::env::var("KERNEL_TEST_SIGNALS") else { return };
        let interrupts = Interrupts::install().unwrap();
        assert_eq!(Interrupts::install().unwrap().reader, interrupts.reader);
        assert_eq!(interrupts.requested(), None);
        assert!(!crate::poll::wait_readable(&interrupts, 0).unwrap().is_any());
        for signal in told.split(',').map(|signal| signal.parse().unwrap()) {
            let before = monotonic_ns();
            raise(signal);
            let came = REQUESTED_AT.load(Ordering::SeqCst);
            assert!((before..=monotonic_ns()).contains(&came));
            // At once again: the same request, however long this process then waited for a CPU.
            REQUESTED_AT.store(u64::MAX, Ordering::SeqCst);
            raise(signal);
            assert_eq!(interrupts.requested(), Some(signal));
            assert!(crate::poll::wait_readable(&interrupts, -1).unwrap().readable);
            // And later, another one.
            REQUESTED_AT.store(came, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_nanos(SAME_REQUEST_NS + 1_000_000));
        }
    }

    fn exit_code_after(shell_prefix: &str, signals: &[libc::c_int]) -> Option<i32> {
        let told: Vec<String> = signals.iter().map(ToString::to_string).collect();
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{shell_prefix} exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "signal::tests::child_that_is_asked_to_stop"])
            .env("KERNEL_TEST_SIGNALS", told.join(","));
        let as_usual = || {
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
                // SAFETY: signal(2) may be called between fork and exec. Started in the background or under nohup, a test
                // has these ignored, and no shell can take that back.
                unsafe { libc::signal(signal, libc::SIG_DFL) };
            }
            Ok(())
        };
        // SAFETY: the closure calls nothing but signal(2), and allocates nothing.
        unsafe { command.pre_exec(as_usual) }.output().unwrap().status.code()
    }

    #[test]
    fn a_continuation_is_counted_and_disturbs_nothing() {
        count_continuations().unwrap();
        let before = continuations();
        raise(libc::SIGCONT);
        assert_eq!(continuations() - before, 1);
    }

    #[test]
    fn the_first_signal_is_noted_whichever_it_is() {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            assert_eq!(exit_code_after("", &[signal]), Some(0), "signal {signal}");
        }
    }

    #[test]
    fn the_second_signal_ends_the_process_with_130() {
        assert_eq!(exit_code_after("", &[libc::SIGINT, libc::SIGINT]), Some(130));
        assert_eq!(exit_code_after("", &[libc::SIGTERM, libc::SIGHUP]), Some(130));
    }

    #[test]
    fn a_signal_that_was_ignored_from_the_start_stays_ignored() {
        // The child's own assertion that the signal was noted fails: code 101.
        assert_eq!(exit_code_after("trap '' HUP;", &[libc::SIGHUP]), Some(101));
    }
}
