//! Submissions to a thread of the kernel's that polls the queue.
//!
//! The tail is published, and the thread takes what is there whenever it looks: no call is needed while it is awake. It says in the
//! queue's flags that it sleeps (IORING_SQ_NEED_WAKEUP), and is woken by a call. The full barrier between our tail and that flag is
//! liburing's (`sq_ring_needs_enter`). What the entries point to is borrowed for the submission alone, so that it is over only when
//! the thread has taken all of them, which it tells by the head (`io_commit_sqring`, after the requests were begun).

use std::sync::atomic::{Ordering, fence};

use std::time::{Duration, Instant};

use super::{Ring, layout};
use crate::error::Errno;

/// What one submission took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entered {
    /// `io_uring_enter` calls.
    pub calls: u64,
    /// Those of them that woke the thread that polls.
    pub wakeups: u64,
}

impl Entered {
    /// One call that submits and waits.
    pub const ONE: Self = Self { calls: 1, wakeups: 0 };
}

/// Looks at the head before others are let run: the thread has posted the completions, and is about to tell.
const LOOKS: u32 = 64;
/// A thread that lives and takes nothing for so long will not.
const LONGEST: Duration = Duration::from_secs(10);
/// Times that others were let run before the kernel is asked whether the thread still lives.
const YIELDS: u32 = 10_000;

impl Ring {
    /// Whether a thread polls it.
    #[inline]
    pub fn is_polled(&self) -> bool {
        self.entered.is_some()
    }

    /// The calls of the last submission.
    #[inline]
    pub fn entered(&self) -> Entered {
        self.entered.unwrap_or(Entered::ONE)
    }

    /// Whether the thread that polls sleeps, and takes nothing of the CPUs until it is woken.
    pub fn is_asleep(&self) -> bool {
        fence(Ordering::SeqCst);
        let flags = self.rings.word(self.parameters.sq_off.flags).load(Ordering::Relaxed);
        flags & layout::SQ_NEED_WAKEUP != 0
    }

    /// Completions that can be taken.
    fn ready(&self) -> u32 {
        let offsets = &self.parameters.cq_off;
        let tail = self.rings.word(offsets.tail).load(Ordering::Acquire);
        tail.wrapping_sub(self.rings.word(offsets.head).load(Ordering::Relaxed))
    }

    /// Has the thread take the entries that were written from a tail on, and waits until it has, and until so many completions can be
    /// taken; no call while it is awake and they are there already. All of them are taken, whatever a call says beside that: the next
    /// wait says it again.
    ///
    /// # Errors
    ///
    /// EOWNERDEAD: the thread is gone, and reads nothing any more. ETIMEDOUT: it lives and has taken nothing for long.
    pub(super) fn hand_over(&mut self, tail: u32, count: u32, wait_for: u32) -> Result<u32, Errno> {
        let end = tail.wrapping_add(count);
        self.rings.word(self.parameters.sq_off.tail).store(end, Ordering::Release);
        let mut entered = Entered::default();
        let mut has_waited = false;
        let (mut looks, mut yields) = (0, 0);
        let mut asked_at = None;
        let over = loop {
            let head = self.rings.word(self.parameters.sq_off.head).load(Ordering::Acquire);
            let is_taken = head == end;
            let waits = !has_waited && self.ready() < wait_for;
            if is_taken && !waits {
                break Ok(count);
            }
            // Once woken it takes all that is there.
            let wakes = !is_taken && entered.wakeups == 0 && self.is_asleep();
            let asks = yields >= YIELDS;
            if !waits && !wakes && !asks {
                looks += 1;
                if looks < LOOKS {
                    std::hint::spin_loop();
                } else {
                    // It may share our CPU.
                    std::thread::yield_now();
                    yields += 1;
                }
                continue;
            }
            yields = 0;
            if asks && asked_at.get_or_insert_with(Instant::now).elapsed() > LONGEST {
                break Err(Errno::TIMED_OUT);
            }
            let mut what = 0;
            if waits {
                what |= layout::ENTER_GETEVENTS;
            }
            if wakes {
                what |= layout::ENTER_SQ_WAKEUP;
                entered.wakeups += 1;
            }
            entered.calls += 1;
            match self.call_for(what, 0, if waits { wait_for } else { 0 }, None) {
                Ok(_) => has_waited |= waits,
                Err(errno) if errno.is_owner_dead() => break Err(errno),
                // Who submitted goes on waiting where that is for completions; what was written is with the thread.
                Err(_) => has_waited = true,
            }
        };
        self.entered = Some(entered);
        over
    }
}

#[cfg(test)]
#[path = "polling_tests.rs"]
mod tests;
