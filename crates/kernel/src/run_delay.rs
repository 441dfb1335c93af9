//! How long the calling thread was ready to run and had no CPU, by the scheduler's own account.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::Unavailable;

const PATH: &str = "/proc/thread-self/schedstat";

/// The scheduler's wait clock of one thread, kept open so that reading allocates nothing.
///
/// A wait is charged when it is over (`sched_info_arrive`, kernel/sched/stats.h), so that a thread that reads its own has all of it.
#[derive(Debug)]
pub struct RunDelay {
    file: File,
}

fn unavailable(because: &str) -> Unavailable {
    Unavailable {
        what: "the time that threads wait for a CPU".to_owned(),
        because: format!("{PATH}: {because}"),
        remedy:
            "it needs a kernel with CONFIG_SCHED_INFO (CONFIG_SCHEDSTATS or CONFIG_TASK_DELAY_ACCT)"
                .into(),
    }
}

impl RunDelay {
    /// Opens the calling thread's; it goes on meaning that thread whoever reads it.
    ///
    /// # Errors
    /// The kernel was built without it.
    pub fn open() -> Result<Self, Unavailable> {
        let file = File::open(PATH).map_err(|error| unavailable(&error.to_string()))?;
        let delay = Self { file };
        match delay.waited_ns() {
            Some(_) => Ok(delay),
            None => Err(unavailable("it tells nothing")),
        }
    }

    /// Nanoseconds waited since the thread began; none if the file tells nothing.
    pub fn waited_ns(&self) -> Option<u64> {
        let mut buffer = [0; 64];
        let read = self.file.read_at(&mut buffer, 0).ok()?;
        parse_waited_ns(buffer.get(..read)?)
    }
}

/// Of `RUN WAITED SLICES` in nanoseconds the second (`proc_pid_schedstat`, fs/proc/base.c). A thread that has not run yet reads no file:
/// three zeros are what a kernel without the account writes.
pub(crate) fn parse_waited_ns(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let mut fields = text.split_ascii_whitespace().map(|field| field.parse::<u64>().ok());
    let (ran, waited, slices) = (fields.next()??, fields.next()??, fields.next()??);
    (ran > 0 || slices > 0).then_some(waited)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_wait_is_the_second_of_three_and_zeros_are_no_account() {
        assert_eq!(parse_waited_ns(b"166700 2946542 2\n"), Some(2_946_542));
        assert_eq!(parse_waited_ns(b"166700 0 2\n"), Some(0));
        for odd in [&b""[..], b"0 0 0\n", b"1 x 2", b"1 2", b"1 99999999999999999999 2", b"\xff"] {
            assert_eq!(parse_waited_ns(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn this_threads_waits_never_shrink_or_there_is_a_reason() {
        match RunDelay::open() {
            Ok(delay) => {
                let before = delay.waited_ns().unwrap();
                std::thread::sleep(std::time::Duration::from_millis(1));
                assert!(delay.waited_ns().unwrap() >= before);
            }
            Err(why) => eprintln!("skipped: {why}"),
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_waited_ns(&text);
        }
    }
}
