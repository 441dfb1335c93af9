//! How often the calling thread was moved to another CPU, by the scheduler's own account.
//!
//! A perf software event tells the same, but any perf event on a thread makes each of its context switches
//! more costly; this file is read at the edges of a window alone.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::Unavailable;

const PATH: &str = "/proc/thread-self/sched";

/// The scheduler's figures of one thread, kept open so that reading allocates nothing.
#[derive(Debug)]
pub struct ThreadSched {
    file: File,
    buffer: Box<[u8; 4096]>,
}

fn unavailable(because: String) -> Unavailable {
    Unavailable {
        what: "migrations".to_owned(),
        because: format!("{PATH}: {because}"),
        remedy: "it needs a kernel with CONFIG_SCHED_DEBUG".into(),
    }
}

impl ThreadSched {
    /// Opens the calling thread's; it goes on meaning that thread whoever reads it.
    ///
    /// # Errors
    /// The kernel was built without it.
    pub fn open() -> Result<Self, Unavailable> {
        let file = File::open(PATH).map_err(|error| unavailable(error.to_string()))?;
        let mut sched = Self { file, buffer: Box::new([0; 4096]) };
        match sched.migrations() {
            Some(_) => Ok(sched),
            None => Err(unavailable("it tells no se.nr_migrations".to_owned())),
        }
    }

    /// Migrations since the thread began; none if the file cannot be read any more.
    pub fn migrations(&mut self) -> Option<u64> {
        let read = self.file.read_at(&mut self.buffer[..], 0).ok()?;
        parse_migrations(self.buffer.get(..read)?)
    }
}

/// Finds `se.nr_migrations : N` (kernel/sched/debug.c, `proc_sched_show_task`).
pub(crate) fn parse_migrations(text: &[u8]) -> Option<u64> {
    let line =
        text.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"se.nr_migrations"))?;
    let value = line.rsplit(|byte| *byte == b':').next()?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_count_is_found_among_the_other_lines() {
        let text = b"cat (1, #threads: 1)\n-----\nse.sum_exec_runtime : 0.57\nse.nr_migrations                 :          3\nnr_switches : 9\n";
        assert_eq!(parse_migrations(text), Some(3));
        assert_eq!(parse_migrations(b"se.nr_migrations : x"), None);
        assert_eq!(parse_migrations(b""), None);
    }

    #[test]
    fn this_thread_has_a_count_or_a_reason() {
        match ThreadSched::open() {
            Ok(mut sched) => assert!(sched.migrations().is_some()),
            Err(why) => eprintln!("skipped: {why}"),
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_migrations(&text);
        }
    }
}
