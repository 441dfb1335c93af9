//! Which CPUs a thread may use, and which it does.

use std::fmt;
use std::mem::size_of;
use std::str::FromStr;

use crate::error::{CallError, Errno};

/// Far beyond what any kernel is built for (`NR_CPUS` is at most 8192 on x86-64): a list that names a CPU from
/// here on is a mistake, and an affinity mask that does not fit is not to be had.
const MOST_CPUS: usize = 1 << 16;

const WORD_BITS: usize = libc::c_ulong::BITS as usize;

/// A set of CPUs by the kernel's numbers, ascending. Reads and writes the kernel's lists: `0-3,8`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CpuSet(Vec<usize>);

/// A text that is no list of CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCpuList {
    /// The part that could not be read.
    pub part: String,
    /// What is wrong with it.
    pub because: &'static str,
}

impl fmt::Display for BadCpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no list of CPUs: {}; write for instance 0-3,8", self.part, self.because)
    }
}

impl std::error::Error for BadCpuList {}

impl CpuSet {
    /// The CPUs, ascending, each once.
    pub fn cpus(&self) -> &[usize] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is among them.
    pub fn contains(&self, cpu: usize) -> bool {
        self.0.binary_search(&cpu).is_ok()
    }

    /// Reads a list in the kernel's format: numbers and inclusive ranges, with commas between; an empty text is
    /// an empty set.
    ///
    /// # Errors
    ///
    /// The part that is no number or range, runs backwards, or names a CPU that no kernel has.
    pub fn parse(text: &str) -> Result<Self, BadCpuList> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for part in text.split(',') {
            let bad = |because| BadCpuList { part: part.to_owned(), because };
            let number = |digits: &str| {
                // `usize::from_str` would take a plus sign as well.
                let digits = digits.trim();
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(bad("neither a number nor a range"));
                }
                match digits.parse() {
                    Ok(cpu) if cpu < MOST_CPUS => Ok(cpu),
                    Ok(_) | Err(_) => Err(bad("no kernel has that many CPUs")),
                }
            };
            match part.split_once('-') {
                None => {
                    let cpu = number(part)?;
                    ranges.push((cpu, cpu));
                }
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if first > last {
                        return Err(bad("the range runs backwards"));
                    }
                    ranges.push((first, last));
                }
            }
        }
        // Each CPU once: a text may name the same range as often as it likes.
        ranges.sort_unstable();
        let mut cpus = Vec::new();
        let mut next = 0;
        for (first, last) in ranges {
            cpus.extend(first.max(next)..=last);
            next = next.max(last + 1);
        }
        Ok(Self(cpus))
    }

    /// The set as a bit mask, lowest CPU first.
    fn mask(&self) -> Vec<libc::c_ulong> {
        let words = self.0.last().map_or(1, |last| last / WORD_BITS + 1);
        let mut mask = vec![0; words];
        for cpu in &self.0 {
            mask[cpu / WORD_BITS] |= 1 << (cpu % WORD_BITS);
        }
        mask
    }

    fn from_mask(mask: &[libc::c_ulong]) -> Self {
        let set = |&cpu: &usize| mask[cpu / WORD_BITS] >> (cpu % WORD_BITS) & 1 == 1;
        Self((0..mask.len() * WORD_BITS).filter(set).collect())
    }
}

impl FromIterator<usize> for CpuSet {
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> Self {
        let mut cpus: Vec<usize> = cpus.into_iter().collect();
        cpus.sort_unstable();
        cpus.dedup();
        Self(cpus)
    }
}

impl FromStr for CpuSet {
    type Err = BadCpuList;

    fn from_str(text: &str) -> Result<Self, BadCpuList> {
        Self::parse(text)
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.0.chunk_by(|left, right| left + 1 == *right);
        for (index, run) in runs.enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match run {
                [] => {}
                [only] => write!(f, "{only}")?,
                [first, .., last] => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// The CPUs that the calling thread may run on, which are those usable by a process that was told nothing
/// else: containers and `taskset` show here.
///
/// # Errors
///
/// None that is known.
pub fn allowed() -> Result<CpuSet, CallError> {
    // The kernel wants room for every CPU that it was built for: start with 1024 and grow.
    let mut mask: Vec<libc::c_ulong> = vec![0; 1024 / WORD_BITS];
    loop {
        let bytes = mask.len() * size_of::<libc::c_ulong>();
        // SAFETY: the pointer and the length in bytes are those of the live vector.
        let answer = unsafe { libc::sched_getaffinity(0, bytes, mask.as_mut_ptr().cast()) };
        if answer == 0 {
            return Ok(CpuSet::from_mask(&mask));
        }
        let failed = CallError::last("sched_getaffinity", format!("room for {} CPUs", bytes * 8));
        if failed.errno != Errno(libc::EINVAL) || bytes * 8 >= MOST_CPUS {
            return Err(failed);
        }
        mask.resize(mask.len() * 2, 0);
    }
}

/// Lets the calling thread run on these CPUs only; threads started afterwards inherit it.
///
/// # Errors
///
/// EINVAL when none of them exists or is allowed by the cpuset.
pub fn pin_thread(cpus: &[usize]) -> Result<(), CallError> {
    let set: CpuSet = cpus.iter().copied().collect();
    let argument = || format!("CPUs {set}");
    if set.0.last().is_some_and(|&last| last >= MOST_CPUS) {
        return Err(CallError {
            call: "sched_setaffinity",
            argument: argument(),
            errno: Errno(libc::EINVAL),
        });
    }
    let mask = set.mask();
    let bytes = mask.len() * size_of::<libc::c_ulong>();
    // SAFETY: the pointer and the length in bytes are those of the live vector, which is only read.
    match unsafe { libc::sched_setaffinity(0, bytes, mask.as_ptr().cast()) } {
        0 => Ok(()),
        _ => Err(CallError::last("sched_setaffinity", argument())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_kernels_lists_are_read_and_written_back() {
        for (text, cpus) in [
            ("0", vec![0]),
            ("0-3,8", vec![0, 1, 2, 3, 8]),
            ("0-1,3-4,2000", vec![0, 1, 3, 4, 2000]),
            ("", vec![]),
        ] {
            let set = CpuSet::parse(text).unwrap();
            assert_eq!((set.cpus(), set.to_string()), (&cpus[..], text.to_owned()));
        }
        assert_eq!(CpuSet::parse(" 3, 1-2,2\n").unwrap().to_string(), "1-3");
    }

    #[test]
    fn what_is_no_list_is_refused_with_the_part_that_is_wrong() {
        for (text, part) in [
            ("0,x", "x"),
            ("1,,2", ""),
            ("3-1", "3-1"),
            ("0-", "0-"),
            ("-1", "-1"),
            ("+1", "+1"),
            ("1-2-3", "1-2-3"),
            ("0-65536", "0-65536"),
            ("99999999999999999999999", "99999999999999999999999"),
        ] {
            let bad = CpuSet::parse(text).unwrap_err();
            assert_eq!(bad.part, part, "{text}: {bad}");
        }
        let line = CpuSet::parse("3-1").unwrap_err().to_string();
        assert!(line.contains("backwards") && line.contains("0-3,8"), "{line}");
    }

    #[test]
    fn a_pinned_thread_runs_where_it_was_told() {
        std::thread::spawn(|| {
            let before = allowed().unwrap();
            let last = *before.cpus().last().unwrap();
            pin_thread(&[last]).unwrap();
            assert_eq!(allowed().unwrap().cpus(), [last]);
            // SAFETY: no pointers are passed.
            assert_eq!(usize::try_from(unsafe { libc::sched_getcpu() }), Ok(last));
            pin_thread(before.cpus()).unwrap();
            assert_eq!(allowed().unwrap(), before);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn pinning_to_cpus_that_are_not_there_names_them() {
        for cpus in [&[][..], &[MOST_CPUS - 1], &[usize::MAX]] {
            let failed = pin_thread(cpus).unwrap_err();
            assert_eq!((failed.call, failed.errno), ("sched_setaffinity", Errno(libc::EINVAL)));
        }
    }

    proptest! {
        #[test]
        fn sets_survive_text_and_mask(cpus in prop::collection::vec(0usize..3000, 0..50)) {
            let set: CpuSet = cpus.iter().copied().collect();
            prop_assert_eq!(CpuSet::parse(&set.to_string()), Ok(set.clone()));
            prop_assert_eq!(CpuSet::from_mask(&set.mask()), set.clone());
            prop_assert!(cpus.iter().all(|&cpu| set.contains(cpu)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9,\\- x]{0,20}") {
            if let Ok(set) = CpuSet::parse(&text) {
                prop_assert_eq!(CpuSet::parse(&set.to_string()), Ok(set));
            }
        }
    }
}
