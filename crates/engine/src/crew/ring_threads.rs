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

/// Where threads are looked for and their clocks are read.
pub(super) trait Clocks {
    /// Those that are there now.
    fn there(&self) -> Result<Vec<RingThread>, String>;

    /// The CPU time of one so far, in ns; none when it has ended.
    fn cpu_ns(&self, thread: RingThread) -> Option<u64>;
}

/// Of this process.
#[derive(Debug, Default)]
pub(super) struct OfProcess;

impl Clocks for OfProcess {
    fn there(&self) -> Result<Vec<RingThread>, String> {
        threads::of_process().map_err(|error| {
            format!("/proc/self/task: {error}; the threads of io_urings stand there")
        })
    }

    fn cpu_ns(&self, thread: RingThread) -> Option<u64> {
        thread.cpu_ns()
    }
}

/// Reads the threads of this process's io_urings.
#[derive(Debug, Default)]
pub(super) struct RingThreads<C = OfProcess> {
    clocks: C,
    /// Those that were there before the cell's rings were: of an earlier trial, which are about to end, or of another cell.
    others: Vec<RingThread>,
    known: Vec<Known>,
    windows: Vec<Taken>,
    /// After the windows, to the silence; none where there was none before the workers left.
    after: Option<Taken>,
    /// Why nobody can tell.
    absent: Option<String>,
}

/// Why nobody can tell on this kernel. That it tells is asked once a process; a refusal may pass (memory, `ulimit -l`).
fn untold() -> Option<String> {
    static TOLD: OnceLock<()> = OnceLock::new();
    if TOLD.get().is_some() {
        return None;
    }
    match Ring::new(1, 2).and_then(|ring| ring.tells_threads()) {
        Ok(()) => {
            let _ = TOLD.set(());
            None
        }
        Err(why) => Some(why.to_string()),
    }
}

impl RingThreads {
    /// Before the cell's rings are made.
    pub(super) fn new() -> Self {
        Self::read_by(OfProcess, untold())
    }
}

impl<C: Clocks> RingThreads<C> {
    fn read_by(clocks: C, absent: Option<String>) -> Self {
        let (others, known, windows) = Default::default();
        let mut new = Self { clocks, others, known, windows, after: None, absent };
        new.others = new.look();
        new
    }

    /// Looks which there are; returns those that were not known.
    fn look(&mut self) -> Vec<RingThread> {
        let there = match self.clocks.there() {
            Ok(there) => there,
            Err(why) => {
                self.absent.get_or_insert(why);
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
            if let Some(ns) = self.clocks.cpu_ns(thread) {
                self.known.push(Known { thread, ns, has_run: false });
            }
        }
    }

    /// What all known ones have taken since the last reading, in a window or beside it.
    fn read(&mut self, is_window: bool) -> Taken {
        let mut taken = Taken::default();
        for Known { thread, ns, has_run } in &mut self.known {
            // One that has ended since was idle before.
            if let Some(now) = self.clocks.cpu_ns(*thread) {
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
            let ns = self.clocks.cpu_ns(thread).unwrap_or(0);
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    const POLLER: RingThread = RingThread { id: 7, kind: Kind::Poller };
    const WORKER: RingThread = RingThread { id: 8, kind: Kind::Worker };

    /// Threads with their clocks as a test sets them.
    #[derive(Clone, Default)]
    struct Made(Rc<RefCell<Vec<(RingThread, u64)>>>);

    impl Made {
        fn set(&self, thread: RingThread, ns: u64) {
            self.end(thread);
            self.0.borrow_mut().push((thread, ns));
        }

        fn end(&self, thread: RingThread) {
            self.0.borrow_mut().retain(|(one, _)| *one != thread);
        }
    }

    impl Clocks for Made {
        fn there(&self) -> Result<Vec<RingThread>, String> {
            Ok(self.0.borrow().iter().map(|(thread, _)| *thread).collect())
        }

        fn cpu_ns(&self, thread: RingThread) -> Option<u64> {
            self.0.borrow().iter().find(|(one, _)| *one == thread).map(|(_, ns)| *ns)
        }
    }

    fn figures(threads: &RingThreads<Made>) -> Figures {
        threads.figures(usize::MAX).value().copied().unwrap()
    }

    #[test]
    fn what_is_taken_before_and_after_a_window_is_not_in_it() {
        let clocks = Made::default();
        let mut threads = RingThreads::read_by(clocks.clone(), None);
        clocks.set(POLLER, 100);
        threads.before_load();
        clocks.set(POLLER, 300);
        threads.begin();
        clocks.set(POLLER, 1_300);
        threads.end();
        clocks.set(POLLER, 1_350);
        threads.after_load();
        assert_eq!(threads.in_windows(), [1_000]);
        // What polls until it sleeps is nobody's work.
        assert_eq!(threads.after_ns(), 0);
        let told = figures(&threads);
        assert_eq!((told.pollers, told.polling_cpu_ns), (1, 1_000));
        assert_eq!((told.polling_after_cpu_ns, told.workers), (Some(50), 0));
    }

    #[test]
    fn a_worker_that_comes_in_a_window_is_of_that_window_with_all_that_it_did() {
        let clocks = Made::default();
        let mut threads = RingThreads::read_by(clocks.clone(), None);
        for (came_with, then) in [(400, 450), (950, 950)] {
            threads.before_load();
            threads.begin();
            threads.end();
            clocks.set(WORKER, came_with);
            threads.after_load();
            clocks.set(WORKER, then);
        }
        // The second window began after the clock stood at 450, and was found at 950 in the silence after it.
        assert_eq!(threads.in_windows(), [400, 0]);
        assert_eq!(threads.after_ns(), 950 - 450);
        assert_eq!((figures(&threads).workers, figures(&threads).working_cpu_ns), (1, 400));
    }

    #[test]
    fn threads_of_another_cell_are_left_out_until_their_number_is_given_again() {
        let clocks = Made::default();
        clocks.set(POLLER, 10);
        let mut threads = RingThreads::read_by(clocks.clone(), None);
        let mut window = |ns| {
            threads.before_load();
            threads.begin();
            clocks.set(POLLER, ns);
            threads.end();
            threads.after_load();
            threads.in_windows()
        };
        assert_eq!(window(500), [0]);
        clocks.end(POLLER);
        assert_eq!(window(600), [0, 600], "it ended, and another has its number");
    }

    #[test]
    fn one_that_ended_keeps_what_it_took() {
        let clocks = Made::default();
        let mut threads = RingThreads::read_by(clocks.clone(), None);
        clocks.set(WORKER, 10);
        threads.before_load();
        threads.begin();
        clocks.set(WORKER, 90);
        threads.end();
        clocks.end(WORKER);
        threads.after_load();
        assert_eq!(threads.in_windows(), [80]);
        // Of the windows that count alone: a steady one comes last, and is told apart.
        assert_eq!(threads.figures(0).value().map(|told| told.working_cpu_ns), Some(0));
    }

    #[test]
    fn where_nobody_can_tell_there_is_a_reason_and_no_figure() {
        let mut threads = RingThreads::read_by(Made::default(), Some("no clocks".to_owned()));
        threads.before_load();
        threads.begin();
        threads.end();
        threads.after_load();
        assert_eq!(threads.figures(1).reason(), Some("no clocks"));
        assert!(threads.in_windows().is_empty() && threads.after_ns() == 0);
    }
}
