//! How long the kernel holds a message: one in so many is timed, from the moment before it is handed over until the path knows that
//! its slot may be used again.
//!
//! What is timed is drawn at random, so that it keeps step with nothing: a path that reads its notifications whenever half the ring is
//! held would else be timed at the same place of its round each time. Between two messages that are timed nothing is read: a
//! message costs one subtraction.

use hdrhistogram::Histogram;
use kernel::clock;
use model::record::Releases;

/// From so many bytes on one message in so many is timed, the largest first: more of those that are few, each as much as costs less than
/// half a percent of its CPU time. Measured with `cargo bench -p copycost-engine --bench pump`; docs/METHOD_DETAILS.md says what it costs.
const TIMED: [(u64, u32); 4] = [(1 << 20, 1), (256 << 10, 4), (64 << 10, 8), (0, 32)];

/// Of messages of so many bytes one in so many is timed.
pub fn timed_one_in(message_bytes: u64) -> u32 {
    let of = TIMED.iter().find(|(from, _)| message_bytes >= *from);
    of.map_or(1, |(_, one_in)| *one_in)
}

/// Times above this count as this: more than a minute, longer than any drain is waited for.
const LONGEST_NS: u64 = 1 << 36;
/// Significant decimal digits of the histogram: 1 cuts an octave in [`OCTAVE`] buckets.
const DIGITS: u8 = 1;
/// Buckets of an octave.
const OCTAVE: u32 = 16;

/// What was timed.
#[derive(Clone, Debug)]
pub struct ReleaseTimes {
    one_in: u32,
    longest_ns: u64,
    histogram: Histogram<u32>,
}

impl ReleaseTimes {
    fn new(one_in: u32) -> Result<Self, String> {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NS, DIGITS)
            .map_err(|why| format!("the histogram of release times: {why}"))?;
        Ok(Self { one_in, longest_ns: 0, histogram })
    }

    /// Adds another flow's or worker's.
    fn add(&mut self, other: &Self) {
        self.longest_ns = self.longest_ns.max(other.longest_ns);
        // Of one making, so that it always fits.
        let _ = self.histogram.add(&other.histogram);
    }

    /// Those of several flows or workers together; none of none.
    pub(crate) fn sum<'t>(of: impl IntoIterator<Item = &'t Self>) -> Option<Self> {
        of.into_iter().fold(None, |sum, times| match sum {
            None => Some(times.clone()),
            Some(mut sum) => {
                sum.add(times);
                Some(sum)
            }
        })
    }

    /// How many messages were timed.
    pub fn len(&self) -> u64 {
        self.histogram.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    /// As the journal holds it.
    pub(crate) fn record(&self) -> Releases {
        let of = &self.histogram;
        let bucket = |value: u64, times: u32| (of.lowest_equivalent(value), u64::from(times));
        let buckets =
            of.iter_recorded().map(|it| bucket(it.value_iterated_to(), it.count_at_value()));
        Releases::new(self.one_in, self.longest_ns, OCTAVE, buckets.collect())
    }
}

/// Times the messages of one flow.
#[derive(Clone, Debug)]
pub struct ReleaseTimer {
    now_ns: fn() -> u64,
    /// When the message in each slot was handed over, where it is timed.
    begun_ns: Box<[u64]>,
    /// State of the generator (xorshift64*, S. Vigna, ACM Transactions on Mathematical Software 42, 2016); never 0.
    random: u64,
    times: ReleaseTimes,
}

impl ReleaseTimer {
    /// Of a ring of so many slots, one message in so many; flows with different seeds draw differently.
    ///
    /// # Errors
    /// Never with the bounds that are set here.
    pub fn new(slots: u32, one_in: u32, seed: u64) -> Result<Self, String> {
        Self::by_clock(slots, one_in, seed, clock::monotonic_ns)
    }

    /// The same by another clock than CLOCK_MONOTONIC.
    ///
    /// # Errors
    /// As [`ReleaseTimer::new`].
    pub fn by_clock(
        slots: u32,
        one_in: u32,
        seed: u64,
        now_ns: fn() -> u64,
    ) -> Result<Self, String> {
        let begun_ns = vec![0; slots.max(1) as usize].into();
        let times = ReleaseTimes::new(one_in.max(1))?;
        Ok(Self { now_ns, begun_ns, random: seed | 1, times })
    }

    /// How many messages from now the next one is timed: 1 to 2 N − 1, N on average.
    pub(crate) fn draw(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let drawn = self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        1 + drawn % (2 * u64::from(self.times.one_in) - 1)
    }

    /// A message is handed over now.
    pub(crate) fn begin(&mut self, slot: usize) {
        if let Some(begun) = self.begun_ns.get_mut(slot) {
            *begun = (self.now_ns)();
        }
    }

    /// Its slot may be used again.
    pub(crate) fn end(&mut self, slot: usize) {
        let Some(begun) = self.begun_ns.get(slot) else { return };
        let took = (self.now_ns)().saturating_sub(*begun);
        self.times.longest_ns = self.times.longest_ns.max(took);
        self.times.histogram.saturating_record(took);
    }

    /// What was timed.
    pub fn times(&self) -> &ReleaseTimes {
        &self.times
    }
}

#[cfg(test)]
mod tests {
    use model::record::releases::width;

    use super::*;

    fn recorded(times: impl Iterator<Item = u64>) -> ReleaseTimes {
        let mut all = ReleaseTimes::new(64).unwrap();
        for ns in times {
            all.longest_ns = all.longest_ns.max(ns);
            all.histogram.saturating_record(ns);
        }
        all
    }

    #[test]
    fn a_record_has_the_buckets_that_the_histogram_has() {
        let times = recorded((0..36).map(|octave| (1_u64 << octave) + 7 * (1 << octave) / 9));
        for (value, _) in times.record().buckets {
            let of = &times.histogram;
            assert_eq!(of.highest_equivalent(value) - value + 1, width(value, OCTAVE), "{value}");
        }
    }

    #[test]
    fn what_is_merged_is_what_was_recorded_together() {
        let (low, high) = ((1..500).map(|n| n * 300), (1..90).map(|n| n * 40_000));
        let mut sum = recorded(low.clone());
        sum.add(&recorded(high.clone()));
        let together = recorded(low.chain(high)).record();
        assert_eq!((sum.record(), sum.record().times()), (together, 588));
    }

    #[test]
    fn a_time_without_end_counts_as_the_longest_bucket_and_is_told_as_it_was() {
        let record = recorded([u64::MAX, 5].into_iter()).record();
        assert_eq!((record.times(), record.longest_ns), (2, u64::MAX));
        assert_eq!(record.buckets[0], (5, 1));
    }

    #[test]
    fn larger_messages_are_timed_more_often() {
        let of = [64, 65_535, 65_536, 300_000, 1 << 20, u64::MAX].map(timed_one_in);
        assert_eq!(of, [32, 32, 8, 4, 1, 1]);
    }

    #[test]
    fn one_in_so_many_is_drawn_on_average_and_never_at_one_distance() {
        let mut timer = ReleaseTimer::new(4, 64, 0).unwrap();
        let drawn: Vec<u64> = (0..10_000).map(|_| timer.draw()).collect();
        let mean = drawn.iter().sum::<u64>() as f64 / drawn.len() as f64;
        assert!((mean - 64.0).abs() < 1.5, "{mean}");
        assert!(drawn.contains(&1) && drawn.contains(&127) && *drawn.iter().max().unwrap() < 128);
        let mut each = ReleaseTimer::new(4, 1, 9).unwrap();
        assert!((0..100).all(|_| each.draw() == 1));
    }
}
