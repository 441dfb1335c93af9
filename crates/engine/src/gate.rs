//! The one word that an end's workers watch: in which phase of the trial they are.

use std::sync::atomic::{AtomicU32, Ordering};

/// A phase of a trial, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before the start.
    Hold,
    /// Load, but nothing counts yet.
    Warmup,
    /// First third of the window.
    First,
    /// Second third.
    Second,
    /// Last third.
    Third,
    /// The window is over; senders keep the receivers loaded.
    Tail,
    /// Senders stop, everything drains.
    Stop,
}

impl Phase {
    const ALL: [Self; 7] =
        [Self::Hold, Self::Warmup, Self::First, Self::Second, Self::Third, Self::Tail, Self::Stop];

    fn from_word(word: u32) -> Self {
        Self::ALL.get(word as usize).copied().unwrap_or(Self::Stop)
    }
}

/// Opened by the coordinator, watched by the workers. It stands alone on its cache line, so that looking at
/// it stays a hit in the worker's own cache.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Gate(AtomicU32);

impl Gate {
    /// The phase. Relaxed: nothing else is read because of it.
    #[inline]
    pub fn phase(&self) -> Phase {
        Phase::from_word(self.0.load(Ordering::Relaxed))
    }

    /// The bare word, for the pump to compare with the one that it saw last.
    #[inline]
    pub(crate) fn word(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn phase_of(word: u32) -> Phase {
        Phase::from_word(word)
    }

    /// Goes to a phase; wakes workers that wait at the start.
    pub fn open(&self, phase: Phase) {
        self.0.store(phase as u32, Ordering::Relaxed);
    }
}
