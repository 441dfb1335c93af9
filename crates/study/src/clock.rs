//! The two clocks that a study reads, as a seam: tests need not wait.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use model::Nanos;

/// Tells the time.
pub trait Clock {
    /// Time since some fixed moment; it never goes back.
    fn monotonic(&self) -> Nanos;

    /// Milliseconds since 1970.
    fn unix_ms(&self) -> u64;
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Nanos {
        Nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
