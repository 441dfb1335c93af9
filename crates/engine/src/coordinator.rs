//! What the coordinators of both kinds of receiving and sending ends share: failures, and waiting for their threads.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use kernel::{clock, signal};
use model::record::FailureKind;

/// Why a trial is over too soon.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) kind: FailureKind,
    pub(crate) why: String,
}

impl Broken {
    /// The same, after so many bytes.
    pub(crate) fn after(self, bytes: u64) -> Self {
        let why = format!("{} (after {bytes} bytes)", self.why);
        Self { why, ..self }
    }

    /// The same, told by a worker.
    pub(crate) fn of_worker(self, worker: usize) -> Self {
        Self { why: format!("worker {worker}: {}", self.why), ..self }
    }
}

/// How soon a wish to stop is noticed. Coarse: each look wakes a CPU that is being measured.
pub(crate) const LOOK_NS: u64 = 100_000_000;

/// A call failed, or a connection died.
pub(crate) fn failed(why: impl Into<String>) -> Broken {
    Broken { kind: FailureKind::CallFailed, why: why.into() }
}

/// This machine cannot do it.
pub(crate) fn unsupported(why: impl ToString) -> Broken {
    Broken { kind: FailureKind::Unsupported, ..failed(why.to_string()) }
}

/// Since when a process must not have been stopped. Nothing in a process notices a stop (SIGSTOP, Ctrl-Z): its windows keep their
/// length and hold less, so that whoever measures asks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unstopped(u32);

impl Unstopped {
    /// From now on.
    pub(crate) fn now() -> Self {
        Self(signal::continuations())
    }

    /// What was measured, unless the process was stopped meanwhile. A stop is the reason of whatever failed beside it.
    ///
    /// # Errors
    /// What was wrong already, or the stop.
    pub(crate) fn answer<T>(self, measured: Result<T, Broken>) -> Result<T, Broken> {
        if signal::continuations() == self.0 {
            return measured;
        }
        Err(Broken {
            kind: FailureKind::EndLost,
            ..failed(
                "stopped and continued while it measured (SIGSTOP or Ctrl-Z, then SIGCONT), so that its windows say nothing; measure again",
            )
        })
    }
}

/// A duration in nanoseconds.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Waits until a moment of CLOCK_MONOTONIC, when there is nobody left to tell something.
///
/// # Errors
/// The trial is given up.
pub(crate) fn wait_until(moment_ns: u64, is_over: &dyn Fn() -> bool) -> Result<(), Broken> {
    loop {
        if is_over() {
            return Err(failed("given up"));
        }
        let now = clock::monotonic_ns();
        if now >= moment_ns {
            return Ok(());
        }
        clock::sleep_until_ns(moment_ns.min(now + LOOK_NS));
    }
}

/// Waits until a moment of CLOCK_MONOTONIC, or until a thread tells something, whichever comes first.
///
/// # Errors
/// The trial is given up, or `gone`: nobody is left who could tell something.
pub(crate) fn note_until<N>(
    notes: &Receiver<N>,
    moment_ns: u64,
    is_over: &dyn Fn() -> bool,
    gone: &str,
) -> Result<Option<N>, Broken> {
    loop {
        if is_over() {
            return Err(failed("given up"));
        }
        let left = moment_ns.saturating_sub(clock::monotonic_ns());
        if left == 0 {
            return Ok(None);
        }
        match notes.recv_timeout(Duration::from_nanos(left.min(LOOK_NS))) {
            Ok(note) => return Ok(Some(note)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(failed(gone)),
        }
    }
}
