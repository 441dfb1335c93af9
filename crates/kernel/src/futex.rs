//! Waiting for a word of memory to change: futex(2), between threads of one process.

use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleeps while `word` is `seen`, `at_most` that long where it is given. May return early: look at the word again.
pub fn wait(word: &AtomicU32, seen: u32, at_most: Option<Duration>) {
    // EAGAIN (it changed before), EINTR and ETIMEDOUT all mean: look again.
    let time = at_most.map(|time| libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(time.subsec_nanos()),
    });
    let timeout = time.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the word and the time, where there is one, live as long as the call; FUTEX_WAIT reads both only.
    let _ = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            seen,
            timeout,
        )
    };
}

/// Wakes every thread that waits for `word`.
pub fn wake_all(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE takes the address alone and does not look at what stands there.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            i32::MAX,
        )
    };
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn a_thread_sleeps_until_the_word_changes_and_is_woken() {
        let word = Arc::new(AtomicU32::new(0));
        let sleeper = {
            let word = Arc::clone(&word);
            std::thread::spawn(move || {
                while word.load(Ordering::Acquire) == 0 {
                    wait(&word, 0, None);
                }
            })
        };
        word.store(1, Ordering::Release);
        wake_all(&word);
        assert!(sleeper.join().is_ok());
    }

    #[test]
    fn a_word_that_has_changed_and_a_time_that_is_over_end_the_wait() {
        let word = AtomicU32::new(7);
        wait(&word, 0, None);
        wait(&word, 7, Some(Duration::from_millis(1)));
        assert_eq!(word.load(Ordering::Relaxed), 7);
    }
}
