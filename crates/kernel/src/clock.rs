//! Clocks: the one that both ends of a host share, the CPU's, and sleeping until a moment.

use crate::error::{CallError, Errno};

const NS_PER_SECOND: u64 = 1_000_000_000;

fn read(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec. It cannot fail: all clocks named here exist on every
    // Linux that this runs on.
    let _ = unsafe { libc::clock_gettime(clock, &raw mut time) };
    time
}

fn nanoseconds(time: libc::timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(NS_PER_SECOND).saturating_add(rest)
}

/// `CLOCK_MONOTONIC`, ns since some moment that all processes of the machine share; never goes back, and
/// stands still during suspend. Containers with a time namespace of their own are shifted.
#[inline]
pub fn monotonic_ns() -> u64 {
    nanoseconds(read(libc::CLOCK_MONOTONIC))
}

/// CPU time of the calling thread, user and system, ns (`CLOCK_THREAD_CPUTIME_ID`): exact, not sampled.
#[inline]
pub fn thread_cpu_ns() -> u64 {
    nanoseconds(read(libc::CLOCK_THREAD_CPUTIME_ID))
}

/// CPU time of all threads of this process, ns (`CLOCK_PROCESS_CPUTIME_ID`).
pub fn process_cpu_ns() -> u64 {
    nanoseconds(read(libc::CLOCK_PROCESS_CPUTIME_ID))
}

/// CPU time of all threads of another process so far, ended ones included, ns (clock_getcpuclockid(3)): exact, not sampled.
///
/// # Errors
/// There is no such process.
pub fn cpu_ns_of(process: u32) -> Result<u64, CallError> {
    let failed =
        |errno| CallError { call: "clock_getcpuclockid", argument: process.to_string(), errno };
    let pid = libc::pid_t::try_from(process).map_err(|_| failed(Errno(libc::ESRCH)))?;
    let mut clock: libc::clockid_t = 0;
    // SAFETY: the pointer is to a live clock id. It answers the error instead of setting errno.
    let answer = unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) };
    if answer != 0 {
        return Err(failed(Errno(answer)));
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec; a clock whose process has ended since is refused.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(CallError::last("clock_gettime", process.to_string()));
    }
    Ok(nanoseconds(time))
}

/// CPU time of a thread of this process so far, ns: exact, not sampled, whichever thread asks.
///
/// # Errors
/// This process has no such thread.
pub fn cpu_ns_of_thread(thread: u32) -> Result<u64, CallError> {
    let failed = |errno| CallError { call: "clock_gettime", argument: thread.to_string(), errno };
    let id = libc::clockid_t::try_from(thread).map_err(|_| failed(Errno(libc::ESRCH)))?;
    // A thread's scheduler clock (`MAKE_THREAD_CPUCLOCK`, include/linux/posix-timers_types.h): glibc has no function for another's.
    const OF_THREAD: libc::clockid_t = 4;
    const SCHEDULER: libc::clockid_t = 2;
    let clock = (!id << 3) | OF_THREAD | SCHEDULER;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec; the clock of a thread that is not ours is refused.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(failed(Errno::last()));
    }
    Ok(nanoseconds(time))
}

/// Wall clock, ms since 1970-01-01 UTC; for labels, never for differences.
pub fn unix_ms() -> u64 {
    nanoseconds(read(libc::CLOCK_REALTIME)) / 1_000_000
}

/// Sleeps until the monotonic clock shows this; signals do not shorten it. A moment past returns at once.
pub fn sleep_until_ns(moment: u64) {
    let until = libc::timespec {
        tv_sec: libc::time_t::try_from(moment / NS_PER_SECOND).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::try_from(moment % NS_PER_SECOND).unwrap_or(0),
    };
    loop {
        // SAFETY: the time is live; an absolute sleep takes no pointer for what remains.
        let answer = unsafe {
            libc::clock_nanosleep(
                libc::CLOCK_MONOTONIC,
                libc::TIMER_ABSTIME,
                &raw const until,
                std::ptr::null_mut(),
            )
        };
        // It answers the error instead of setting errno.
        if !Errno(answer).is_interrupted() {
            return;
        }
    }
}

/// How late the kernel may wake the calling thread so as to bundle wake-ups, ns; 50 µs unless set, at least 1
/// (`PR_SET_TIMERSLACK`). Threads started afterwards inherit it.
///
/// # Errors
///
/// None that is known; a kernel without it answers EINVAL.
pub fn set_timer_slack_ns(slack: u32) -> Result<(), CallError> {
    // 0 would mean: back to the default.
    let slack_ns = libc::c_ulong::from(slack.max(1));
    // SAFETY: this option takes a number only.
    match unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, slack_ns) } {
        0 => Ok(()),
        _ => Err(CallError::last("prctl", format!("PR_SET_TIMERSLACK={slack_ns}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let mut last = monotonic_ns();
        assert!(last > 0);
        for _ in 0..1000 {
            let now = monotonic_ns();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn cpu_time_grows_with_work() {
        let before = thread_cpu_ns();
        let mut work = 0u64;
        while thread_cpu_ns() == before {
            work = std::hint::black_box(work + 1);
        }
        assert!(thread_cpu_ns() > before);
    }

    #[test]
    fn the_cpu_time_of_a_process_is_told_to_others_and_of_none_is_refused() {
        let before = process_cpu_ns();
        let told = cpu_ns_of(std::process::id()).unwrap();
        assert!(before <= told && told <= process_cpu_ns(), "{before} {told}");
        assert!(cpu_ns_of(u32::MAX).is_err());
    }

    #[test]
    fn a_sleep_ends_no_earlier_than_its_moment_and_a_past_one_at_once() {
        set_timer_slack_ns(1).unwrap();
        let moment = monotonic_ns() + 2_000_000;
        sleep_until_ns(moment);
        assert!(monotonic_ns() >= moment);
        sleep_until_ns(0);
    }

    #[test]
    fn the_wall_clock_is_past_the_writing_of_this_line() {
        assert!(unix_ms() > 1_700_000_000_000);
    }

    #[test]
    fn odd_times_saturate() {
        assert_eq!(nanoseconds(libc::timespec { tv_sec: -1, tv_nsec: -5 }), 0);
        assert_eq!(nanoseconds(libc::timespec { tv_sec: i64::MAX, tv_nsec: 1 }), u64::MAX);
    }
}
