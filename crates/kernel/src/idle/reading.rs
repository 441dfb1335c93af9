//! What every source of idle time gives.

/// One CPU's idle time since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleReading {
    /// Nanoseconds idle.
    pub idle_ns: u64,
    /// Nanoseconds that may have to be added.
    pub uncertain_ns: u64,
}
