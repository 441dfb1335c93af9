//! What of the machines bounds a trial before it is measured, and how long its slices must be therefore.

use crate::usable_cpus::UsableCpus;

/// What is known beforehand of what a trial has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// CPUs that the ends may use: threads that share one wait for each other.
    pub cpus: UsableCpus,
    /// Bits of payload that the line between two hosts carries a second; none where both ends run on one machine, or nobody knows.
    pub line_bits_per_s: Option<u64>,
}

impl From<UsableCpus> for Bounds {
    /// Without a line that is known.
    fn from(cpus: UsableCpus) -> Self {
        Self { cpus, line_bits_per_s: None }
    }
}

impl From<usize> for Bounds {
    /// Both ends share them.
    fn from(cpus: usize) -> Self {
        UsableCpus::from(cpus).into()
    }
}
