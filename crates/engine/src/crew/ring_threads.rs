//! What the kernel's threads for this end's io_urings take of the CPUs: the sender's work, done by others than its workers.
//!
//! The coordinator reads their clocks beside the word that opens and closes a window, so that no worker does: two calls a thread and
//! window. It looks for them in the silence before a slice and after it, as listing them takes longer. One that is found after a slice began
//! in it (of io-wq, whose workers stay for 5 s: `WORKER_IDLE_TIMEOUT`, io_uring/io-wq.c), and all that it did counts into that
//! window. In turns only one cell's are awake (`SendPath::rest`), so that those of the process are those of the cell.

use std::sync::OnceLock;

use kernel::uring::Ring;
use kernel::uring::threads::{self, Kind, RingThread};
use model::Measured;
use model::record::RingThreads as Figures;

/// What the threads took in one window, in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Taken {
    polling: u64,
    working: u64,
}

impl Taken {
    fn add(&mut self, kind: Kind, ns: u64) {
        match kind {
            Kind::Poller => self.polling += ns,
            Kind::Worker => self.working += ns,
        }
    }

    fn all(self) -> u64 {
        self.polling + self.working
    }
}

/// A thread and its clock at the last edge.
#[derive(Clone, Copy, Debug)]
struct Known {
    thread: RingThread,
    ns: u64,
}

/// Reads the threads of this process's io_urings.
#[derive(Debug, Default)]
pub(super) struct RingThreads {
    known: Vec<Known>,
    windows: Vec<Taken>,
    /// After the windows, to the silence.
    after_ns: u64,
    /// What has ended since, or could not be listed.
    absent: Option<String>,
    pollers: u32,
    workers: u32,
}

/// Why nobody can tell on this kernel; asked once a process.
fn untold() -> Option<String> {
    static UNTOLD: OnceLock<Option<String>> = OnceLock::new();
    let ask = || Ring::new(1, 2).and_then(|ring| ring.tells_threads()).err();
    UNTOLD.get_or_init(|| ask().map(|why| why.to_string())).clone()
}

impl RingThreads {
    pub(super) fn new() -> Self {
        Self { absent: untold(), ..Self::default() }
    }

    /// Looks which there are; returns those that were not known.
    fn look(&mut self) -> Vec<RingThread> {
        let there = match threads::of_process() {
            Ok(there) => there,
            Err(error) => {
                self.absent.get_or_insert_with(|| {
                    format!("/proc/self/task: {error}; the threads of io_urings stand there")
                });
                return Vec::new();
            }
        };
        // A number may be given again, to a thread that is another one.
        self.known.retain(|known| there.contains(&known.thread));
        there.into_iter().filter(|one| self.known.iter().all(|k| k.thread != *one)).collect()
    }

    fn keep(&mut self, thread: RingThread, ns: u64) {
        self.known.push(Known { thread, ns });
        match thread.kind {
            Kind::Poller => self.pollers += 1,
            Kind::Worker => self.workers += 1,
        }
    }

    /// In the silence before a slice: what is new now was begun before it.
    pub(super) fn before_load(&mut self) {
        for thread in self.look() {
            if let Some(ns) = thread.cpu_ns() {
                self.keep(thread, ns);
            }
        }
    }

    /// What all known ones have taken since the last reading.
    fn read(&mut self) -> Taken {
        let mut taken = Taken::default();
        for Known { thread, ns } in &mut self.known {
            // One that has ended since has taken nothing that could be told: only idle ones end.
            if let Some(now) = thread.cpu_ns() {
                taken.add(thread.kind, now.saturating_sub(*ns));
                *ns = now;
            }
        }
        taken
    }

    /// A window begins.
    pub(super) fn begin(&mut self) {
        self.read();
        self.windows.push(Taken::default());
    }

    /// It ends.
    pub(super) fn end(&mut self) {
        let taken = self.read();
        if let Some(window) = self.windows.last_mut() {
            *window = taken;
        }
    }

    /// In the silence after it: those that came in it are found.
    pub(super) fn after_load(&mut self) {
        self.after_ns += self.read().all();
        for thread in self.look() {
            let ns = thread.cpu_ns().unwrap_or(0);
            if let Some(window) = self.windows.last_mut() {
                window.add(thread.kind, ns);
            }
            self.keep(thread, ns);
        }
    }

    /// What they took in each window, and after all of them; nothing where nobody can tell.
    pub(super) fn in_windows(&self) -> Vec<u64> {
        if self.absent.is_some() {
            return Vec::new();
        }
        self.windows.iter().map(|window| window.all()).collect()
    }

    /// What they took after the windows.
    pub(super) fn after_ns(&self) -> u64 {
        if self.absent.is_some() { 0 } else { self.after_ns }
    }

    /// The sums over so many windows, the first ones.
    pub(super) fn figures(&self, windows: usize) -> Measured<Figures> {
        if let Some(why) = &self.absent {
            return Measured::absent(why);
        }
        let counted = self.windows.iter().take(windows);
        Measured::Value(Figures {
            pollers: self.pollers,
            polling_cpu_ns: counted.clone().map(|window| window.polling).sum(),
            workers: self.workers,
            working_cpu_ns: counted.map(|window| window.working).sum(),
        })
    }
}
