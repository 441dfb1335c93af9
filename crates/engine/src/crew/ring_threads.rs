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

/// A thread, its clock at the last edge, and whether it ran in a window.
#[derive(Clone, Copy, Debug)]
struct Known {
    thread: RingThread,
    ns: u64,
    has_run: bool,
}

/// Reads the threads of this process's io_urings.
#[derive(Debug, Default)]
pub(super) struct RingThreads {
    /// Those that were there before the cell's rings were: of an earlier trial, which are about to end, or of another cell.
    others: Vec<RingThread>,
    known: Vec<Known>,
    windows: Vec<Taken>,
    /// After the windows, to the silence; none where there was none before the workers left.
    after: Option<Taken>,
    /// Why nobody can tell.
    absent: Option<String>,
}

/// Why nobody can tell on this kernel; asked once a process.
fn untold() -> Option<String> {
    static UNTOLD: OnceLock<Option<String>> = OnceLock::new();
    let ask = || Ring::new(1, 2).and_then(|ring| ring.tells_threads()).err();
    UNTOLD.get_or_init(|| ask().map(|why| why.to_string())).clone()
}

impl RingThreads {
    /// Before the cell's rings are made.
    pub(super) fn new() -> Self {
        let mut new = Self { absent: untold(), ..Self::default() };
        new.others = new.look();
        new
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
        // A number may be given again.
        self.others.retain(|other| there.contains(other));
        let is_known = |one: &RingThread| self.known.iter().any(|known| known.thread == *one);
        there.into_iter().filter(|one| !is_known(one) && !self.others.contains(one)).collect()
    }

    /// In the silence before a slice: what is new now was begun before it.
    pub(super) fn before_load(&mut self) {
        for thread in self.look() {
            if let Some(ns) = thread.cpu_ns() {
                self.known.push(Known { thread, ns, has_run: false });
            }
        }
    }

    /// What all known ones have taken since the last reading, in a window or beside it.
    fn read(&mut self, is_window: bool) -> Taken {
        let mut taken = Taken::default();
        for Known { thread, ns, has_run } in &mut self.known {
            // One that has ended since was idle before.
            if let Some(now) = thread.cpu_ns() {
                let ran = now.saturating_sub(*ns);
                taken.add(thread.kind, ran);
                *has_run |= is_window && ran > 0;
                *ns = now;
            }
        }
        taken
    }

    /// A window begins.
    pub(super) fn begin(&mut self) {
        self.read(false);
        self.windows.push(Taken::default());
    }

    /// It ends.
    pub(super) fn end(&mut self) {
        let taken = self.read(true);
        if let Some(window) = self.windows.last_mut() {
            *window = taken;
        }
    }

    /// In the silence after it.
    pub(super) fn after_load(&mut self) {
        let Taken { polling, working } = self.read(false);
        let after = self.after.get_or_insert_default();
        after.polling += polling;
        after.working += working;
        self.find();
    }

    /// Those that came in the window are found: before its worker leaves, whose they are.
    pub(super) fn find(&mut self) {
        for thread in self.look() {
            let ns = thread.cpu_ns().unwrap_or(0);
            if let Some(window) = self.windows.last_mut() {
                window.add(thread.kind, ns);
            }
            self.known.push(Known { thread, ns, has_run: ns > 0 });
        }
    }

    /// What they took in each window, and after all of them; nothing where nobody can tell.
    pub(super) fn in_windows(&self) -> Vec<u64> {
        if self.absent.is_some() {
            return Vec::new();
        }
        self.windows.iter().map(|window| window.all()).collect()
    }

    /// What io-wq's workers took after the windows. Who polls goes on until it sleeps, which is nobody's work: it is told apart.
    pub(super) fn after_ns(&self) -> u64 {
        match (&self.absent, self.after) {
            (None, Some(after)) => after.working,
            (Some(_), _) | (_, None) => 0,
        }
    }

    /// The sums over so many windows, the first ones.
    pub(super) fn figures(&self, windows: usize) -> Measured<Figures> {
        if let Some(why) = &self.absent {
            return Measured::absent(why);
        }
        let counted = self.windows.iter().take(windows);
        let count = |kind| {
            let of_kind = self.known.iter().filter(|one| one.has_run && one.thread.kind == kind);
            u32::try_from(of_kind.count()).unwrap_or(u32::MAX)
        };
        Measured::Value(Figures {
            pollers: count(Kind::Poller),
            polling_cpu_ns: counted.clone().map(|window| window.polling).sum(),
            polling_after_cpu_ns: self.after.map(|after| after.polling),
            workers: count(Kind::Worker),
            working_cpu_ns: counted.map(|window| window.working).sum(),
        })
    }
}
