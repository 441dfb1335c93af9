//! All counters of a thread at one moment.

use std::fmt;

use super::event::CounterName;
use crate::Errno;
use crate::perf_format::{FormatError, Sample};

/// Why a reading failed; small, because it is taken at the edge of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// `read` was refused.
    Call(Errno),
    /// `read` returned something odd.
    Format(FormatError),
}

impl fmt::Display for ReadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(errno) => write!(f, "reading its group failed: {errno}"),
            Self::Format(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadFault {}

/// One counter in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Not wanted, or unavailable.
    NotOpen,
    /// Its state, joined over the core types.
    Taken(Sample),
    /// It is open, but could not be read.
    Failed(ReadFault),
}

/// All counters of a thread at one moment; plain bytes, taken without allocating.
#[derive(Clone, Copy, Debug)]
pub struct CounterSnapshot {
    pub(super) readings: [Reading; CounterName::ALL.len()],
}

impl CounterSnapshot {
    /// One counter's reading.
    pub fn reading(&self, counter: CounterName) -> Reading {
        self.readings.get(counter as usize).copied().unwrap_or(Reading::NotOpen)
    }

    pub(super) fn join(&mut self, counter: CounterName, sample: Result<Sample, ReadFault>) {
        if let Some(reading) = self.readings.get_mut(counter as usize) {
            *reading = match (*reading, sample) {
                (Reading::Failed(fault), _) | (_, Err(fault)) => Reading::Failed(fault),
                (Reading::NotOpen, Ok(sample)) => Reading::Taken(sample),
                (Reading::Taken(first), Ok(sample)) => Reading::Taken(first.joined(sample)),
            };
        }
    }
}
