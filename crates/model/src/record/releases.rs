//! How long the kernel held buffers: a histogram, kept short.

use serde::{Deserialize, Serialize};

/// How long buffers were held, of the messages that were timed: from the moment before the call that handed a message over
/// until the path had read that all of it may be written again. Messages handed over within the windows count, however late
/// they were released.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Releases {
    /// One message in so many was timed, at random.
    pub one_in: u32,
    /// The longest time in ns.
    pub longest_ns: u64,
    /// Each octave of times has so many buckets of one width.
    pub octave: u32,
    /// Where a bucket begins in ns, and how many times lie in it; ascending, none empty.
    pub buckets: Vec<(u64, u64)>,
}

/// Buckets that a record has at most; of more the octaves are cut coarser. Times of one trial seldom lie in more than 60 of
/// a sixteenth of an octave.
pub const MOST_BUCKETS: usize = 64;

impl Releases {
    /// Of buckets that cut each octave in so many (a power of two), kept short.
    pub fn new(one_in: u32, longest_ns: u64, octave: u32, buckets: Vec<(u64, u64)>) -> Self {
        let mut releases = Self { one_in, longest_ns, octave: octave.max(1), buckets };
        while releases.buckets.len() > MOST_BUCKETS && releases.octave > 1 {
            releases.coarsen();
        }
        releases
    }

    /// Puts two neighbours together, throughout.
    fn coarsen(&mut self) {
        self.octave /= 2;
        let mut coarse: Vec<(u64, u64)> = Vec::with_capacity(self.buckets.len());
        for (from_ns, times) in std::mem::take(&mut self.buckets) {
            let from_ns = from_ns - from_ns % width(from_ns, self.octave);
            match coarse.last_mut() {
                Some((last, sum)) if *last == from_ns => *sum = sum.saturating_add(times),
                Some(_) | None => coarse.push((from_ns, times)),
            }
        }
        self.buckets = coarse;
    }

    /// Messages that were timed.
    pub fn times(&self) -> u64 {
        self.buckets.iter().fold(0, |sum: u64, (_, times)| sum.saturating_add(*times))
    }

    /// Each bucket: where it begins and ends in ns, and how many times lie in it. The last one ends at the longest time.
    pub fn spans(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.buckets.iter().map(|(from_ns, times)| {
            let end = from_ns.saturating_add(width(*from_ns, self.octave));
            (*from_ns, end.min(self.longest_ns.max(*from_ns)), *times)
        })
    }
}

/// Width in ns of the bucket that begins there, where an octave has so many: below the first whole octave 1.
pub fn width(from_ns: u64, octave: u32) -> u64 {
    let of_octave = 1_u64 << from_ns.max(1).ilog2();
    (of_octave / u64::from(octave.max(1))).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_coarser_and_loses_no_time() {
        let buckets: Vec<(u64, u64)> =
            (0..320).map(|n: u64| ((16 + n % 16) << (n / 16), n + 1)).collect();
        let sum: u64 = buckets.iter().map(|(_, times)| times).sum();
        let short = Releases::new(64, 1 << 30, 16, buckets.clone());
        assert!(short.buckets.len() <= MOST_BUCKETS, "{}", short.buckets.len());
        assert_eq!((short.times(), short.octave), (sum, 2));
        assert!(short.buckets.is_sorted_by(|a, b| a.0 < b.0));
        // Every bucket holds what began in it.
        for (from, end, times) in short.spans() {
            let within = buckets.iter().filter(|(at, _)| (from..end).contains(at));
            assert_eq!(within.map(|(_, times)| times).sum::<u64>(), times, "{from}..{end}");
        }
        let few = Releases::new(64, 100, 16, vec![(96, 3)]);
        assert_eq!((few.octave, few.spans().next()), (16, Some((96, 100, 3))));
    }

    #[test]
    fn a_forged_record_is_no_division_by_zero_and_no_overflow() {
        let text = r#"{"one_in":0,"longest_ns":0,"octave":0,"buckets":[[0,18446744073709551615],[18446744073709551615,9]]}"#;
        let forged: Releases = serde_json::from_str(text).unwrap();
        assert_eq!(forged.times(), u64::MAX);
        assert_eq!(forged.spans().last(), Some((u64::MAX, u64::MAX, 9)));
    }

    #[test]
    fn the_width_is_a_part_of_the_octave() {
        assert_eq!([0, 1, 15, 16, 31, 32, 1024].map(|at| width(at, 16)), [1, 1, 1, 1, 1, 2, 64]);
    }
}
