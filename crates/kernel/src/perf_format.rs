//! What `read` on a group of perf counters returns, and the arithmetic on it.
//!
//! The layout is that of `PERF_FORMAT_GROUP | TOTAL_TIME_ENABLED | TOTAL_TIME_RUNNING | ID`
//! (perf_event_open(2), "Reading results"): the number of counters, the time enabled, the time
//! running, then a value and an id for each counter, every one a `u64` of the machine's byte order.

use std::fmt;

/// The most counters that one group of ours holds.
pub(crate) const GROUP_LIMIT: usize = 8;

/// Bytes that the largest group of ours needs.
pub(crate) const GROUP_BYTES: usize = WORD * (HEADER_WORDS + 2 * GROUP_LIMIT);

const WORD: usize = size_of::<u64>();
const HEADER_WORDS: usize = 3;

/// Shortfalls of running against enabled time below 1/1000 are the microseconds between the
/// reads of two groups, not multiplexing.
const MULTIPLEXED_BELOW_PER_MILLE: u64 = 999;

/// Why a group's buffer could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// The kernel returned fewer bytes than the counters it announces need.
    Truncated {
        /// Bytes returned.
        bytes: usize,
        /// Bytes that the announced counters need.
        wanted: usize,
    },
    /// The group holds no counter with this id.
    NoSuchId(u64),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { bytes, wanted } => {
                write!(f, "the kernel returned {bytes} bytes of a counter group, not {wanted}")
            }
            Self::NoSuchId(id) => write!(f, "the counter group has no counter of id {id}"),
        }
    }
}

impl std::error::Error for FormatError {}

/// One reading of a group of counters, still in its buffer.
#[derive(Clone, Copy, Debug)]
pub struct GroupReading<'a> {
    /// Nanoseconds for which the group was enabled and its thread on a CPU.
    pub time_enabled_ns: u64,
    /// Nanoseconds of these for which the group was on the PMU.
    pub time_running_ns: u64,
    pairs: &'a [u8],
}

impl GroupReading<'_> {
    /// Each counter's id and value, in the order of opening.
    pub fn values(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.pairs.chunks_exact(2 * WORD).filter_map(|pair| Some((word(pair, 1)?, word(pair, 0)?)))
    }

    /// The sample of the counter with this id.
    ///
    /// # Errors
    /// [`FormatError::NoSuchId`] where the group has no such counter.
    pub fn sample(&self, id: u64) -> Result<Sample, FormatError> {
        let (_, value) =
            self.values().find(|(found, _)| *found == id).ok_or(FormatError::NoSuchId(id))?;
        Ok(Sample {
            value,
            time_enabled_ns: self.time_enabled_ns,
            time_running_ns: self.time_running_ns,
        })
    }
}

/// Reads the bytes that the kernel returned for one group; nothing is copied.
///
/// # Errors
/// [`FormatError::Truncated`] where the bytes end before the counters do.
pub(crate) fn parse_group(bytes: &[u8]) -> Result<GroupReading<'_>, FormatError> {
    let truncated = |words: usize| FormatError::Truncated {
        bytes: bytes.len(),
        wanted: words.saturating_mul(WORD),
    };
    let header = || Some((word(bytes, 0)?, word(bytes, 1)?, word(bytes, 2)?));
    let (counters, time_enabled_ns, time_running_ns) =
        header().ok_or_else(|| truncated(HEADER_WORDS))?;
    let words = usize::try_from(counters)
        .unwrap_or(usize::MAX)
        .saturating_mul(2)
        .saturating_add(HEADER_WORDS);
    let pairs = bytes
        .get(HEADER_WORDS * WORD..words.saturating_mul(WORD))
        .ok_or_else(|| truncated(words))?;
    Ok(GroupReading { time_enabled_ns, time_running_ns, pairs })
}

fn word(bytes: &[u8], index: usize) -> Option<u64> {
    let start = index * WORD;
    let word: [u8; WORD] = bytes.get(start..start + WORD)?.try_into().ok()?;
    Some(u64::from_ne_bytes(word))
}

/// A counter's state at one moment, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Events counted while on the PMU.
    pub value: u64,
    /// Nanoseconds enabled with the thread on a CPU.
    pub time_enabled_ns: u64,
    /// Nanoseconds on the PMU.
    pub time_running_ns: u64,
}

impl Sample {
    /// The same counter on another core type of a hybrid CPU, joined.
    ///
    /// A thread is on one core type at a time, and both counters stay enabled meanwhile, so
    /// values and running times add up and the enabled time is shared. Scaling each by its own
    /// enabled/running first, as for a single PMU, would count the thread once on each core type
    /// (tools/perf/Documentation/intel-hybrid.txt shows such percentages).
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self {
            value: self.value.saturating_add(other.value),
            time_enabled_ns: self.time_enabled_ns.max(other.time_enabled_ns),
            time_running_ns: self.time_running_ns.saturating_add(other.time_running_ns),
        }
    }
}

/// What a counter counted between two samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Events, scaled to the whole enabled time.
    pub value: u64,
    /// The counter shared the PMU with others (multiplexing), so `value` is an extrapolation.
    pub scaled: bool,
    /// Nanoseconds for which the counter was enabled and its thread on a CPU.
    pub time_enabled_ns: u64,
    /// Nanoseconds of these for which it counted.
    pub time_running_ns: u64,
}

/// Why two samples give no count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoCount {
    /// Enabled, but on the PMU at no time of the window.
    NeverScheduled {
        /// Nanoseconds enabled.
        time_enabled_ns: u64,
    },
    /// The later sample is below the earlier one.
    Backwards,
}

impl fmt::Display for NoCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverScheduled { time_enabled_ns } => {
                write!(f, "never scheduled onto the PMU in {time_enabled_ns} ns of being enabled")
            }
            Self::Backwards => f.write_str("the later reading is below the earlier one"),
        }
    }
}

impl std::error::Error for NoCount {}

impl Count {
    /// The count from `before` to `after`, scaled by enabled/running time where the counter was
    /// multiplexed (perf_event_open(2), `PERF_FORMAT_TOTAL_TIME_RUNNING`).
    ///
    /// A thread that did not run at all has enabled time 0 and a true count of 0.
    ///
    /// # Errors
    /// [`NoCount`] where the counter never ran although it was enabled, or went backwards.
    pub fn between(before: Sample, after: Sample) -> Result<Self, NoCount> {
        let grown = |after: u64, before: u64| after.checked_sub(before).ok_or(NoCount::Backwards);
        let counted = grown(after.value, before.value)?;
        let time_enabled_ns = grown(after.time_enabled_ns, before.time_enabled_ns)?;
        let time_running_ns = grown(after.time_running_ns, before.time_running_ns)?;
        if time_running_ns == 0 && time_enabled_ns > 0 {
            return Err(NoCount::NeverScheduled { time_enabled_ns });
        }
        let value = if time_running_ns < time_enabled_ns {
            let scaled = u128::from(counted) * u128::from(time_enabled_ns)
                / u128::from(time_running_ns.max(1));
            u64::try_from(scaled).unwrap_or(u64::MAX)
        } else {
            counted
        };
        let scaled = u128::from(time_running_ns) * 1000
            < u128::from(time_enabled_ns) * u128::from(MULTIPLEXED_BELOW_PER_MILLE);
        Ok(Self { value, scaled, time_enabled_ns, time_running_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn buffer(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn sample(value: u64, time_enabled_ns: u64, time_running_ns: u64) -> Sample {
        Sample { value, time_enabled_ns, time_running_ns }
    }

    #[test]
    fn a_group_of_two_gives_each_counter_its_own_value() {
        let bytes = buffer(&[2, 1000, 1000, 7777, 41, 5555, 42]);
        let group = parse_group(&bytes).unwrap();
        assert_eq!(group.sample(41), Ok(sample(7777, 1000, 1000)));
        assert_eq!(group.sample(42), Ok(sample(5555, 1000, 1000)));
        assert_eq!(group.sample(43), Err(FormatError::NoSuchId(43)));
    }

    #[test]
    fn an_undisturbed_counter_is_not_scaled() {
        let count = Count::between(sample(100, 10, 10), sample(350, 1010, 1010)).unwrap();
        assert_eq!((count.value, count.scaled), (250, false));
    }

    #[test]
    fn a_multiplexed_counter_is_scaled_by_the_window_alone_and_marked() {
        // Before the window it ran all the time; in the window a quarter of it.
        let count = Count::between(sample(1000, 4000, 4000), sample(1100, 8000, 5000)).unwrap();
        assert_eq!((count.value, count.scaled), (400, true));
        assert_eq!((count.time_enabled_ns, count.time_running_ns), (4000, 1000));
    }

    #[test]
    fn a_counter_that_never_ran_is_absent_and_not_zero() {
        let none = Count::between(sample(0, 0, 0), sample(0, 5000, 0));
        assert_eq!(none, Err(NoCount::NeverScheduled { time_enabled_ns: 5000 }));
    }

    #[test]
    fn a_thread_that_slept_through_the_window_counted_a_true_zero() {
        let count = Count::between(sample(9, 50, 50), sample(9, 50, 50)).unwrap();
        assert_eq!((count.value, count.scaled), (0, false));
    }

    #[test]
    fn a_counter_that_goes_backwards_is_absent() {
        assert_eq!(Count::between(sample(9, 50, 50), sample(8, 60, 60)), Err(NoCount::Backwards));
    }

    #[test]
    fn a_truncated_buffer_is_named_with_its_lengths() {
        let whole = buffer(&[2, 1000, 1000, 7777, 41, 5555, 42]);
        for length in 0..whole.len() {
            let wanted = if length < 24 { 24 } else { 56 };
            assert_eq!(
                parse_group(&whole[..length]).unwrap_err(),
                FormatError::Truncated { bytes: length, wanted }
            );
        }
    }

    #[test]
    fn an_absurd_number_of_counters_is_a_truncated_buffer() {
        let bytes = buffer(&[u64::MAX, 1, 1, 1, 1]);
        assert!(matches!(parse_group(&bytes), Err(FormatError::Truncated { .. })));
    }

    #[test]
    fn a_hybrid_thread_is_counted_once_although_both_counters_were_enabled() {
        // 600 of 1000 ns on a P core, 400 on an E core: nothing is left to extrapolate.
        let before = sample(0, 0, 0).joined(sample(0, 0, 0));
        let after = sample(6000, 1000, 600).joined(sample(2000, 1000, 400));
        let count = Count::between(before, after).unwrap();
        assert_eq!((count.value, count.scaled), (8000, false));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(group) = parse_group(&bytes) {
                let listed = group.values().count();
                prop_assert!(listed * 16 + 24 <= bytes.len());
            }
        }

        #[test]
        fn scaling_never_lowers_a_count(
            value in 0..u64::MAX / 2, running in 1..u64::MAX / 4, waiting in 0..u64::MAX / 4,
        ) {
            let count = Count::between(
                Sample::default(), sample(value, running + waiting, running)).unwrap();
            prop_assert!(count.value >= value);
        }
    }
}
