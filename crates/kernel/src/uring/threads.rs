//! The threads that the kernel has for a process's io_urings, and their CPU time.
//!
//! Since Linux 5.12 they are threads of the process (`create_io_thread`, kernel/fork.c): they stand in `/proc/self/task`, and their CPU
//! clocks may be read by any thread of it. They name themselves when they first run: `iou-sqp-N` polls the submission queue of rings
//! (io_uring/sqpoll.c), `iou-wrk-N` does what would block (io_uring/io-wq.c). N is of the host's numbers, whatever the container.

use std::fs;
use std::io;

use crate::clock;

/// What a thread is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It polls submission queues (IORING_SETUP_SQPOLL).
    Poller,
    /// It does requests that would block (io-wq).
    Worker,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingThread {
    /// Its number in this process's list.
    pub id: u32,
    /// What it is for.
    pub kind: Kind,
}

impl RingThread {
    /// Its CPU time so far in ns, exact and not sampled; none when it has ended.
    pub fn cpu_ns(&self) -> Option<u64> {
        clock::cpu_ns_of_thread(self.id).ok()
    }
}

/// Those that this process has now.
///
/// # Errors
///
/// `/proc` is not mounted, or hides the process's own threads.
pub fn of_process() -> io::Result<Vec<RingThread>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/task")? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that ends meanwhile has no name any more.
        let Ok(name) = fs::read_to_string(entry.path().join("comm")) else { continue };
        found.extend(kind(&name).map(|kind| RingThread { id, kind }));
    }
    Ok(found)
}

fn kind(name: &str) -> Option<Kind> {
    if name.starts_with("iou-sqp-") {
        Some(Kind::Poller)
    } else if name.starts_with("iou-wrk-") {
        Some(Kind::Worker)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_known_by_the_name_that_the_kernel_gives_it() {
        assert_eq!(kind("iou-sqp-17\n"), Some(Kind::Poller));
        assert_eq!(kind("iou-wrk-17\n"), Some(Kind::Worker));
        for other in ["", "iou-", "worker 0\n", "copycost\n"] {
            assert_eq!(kind(other), None, "{other:?}");
        }
    }
}
