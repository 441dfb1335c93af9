//! `counters`: perf counters of the worker's thread, user and kernel mode, and what the scheduler counts anyway.
//!
//! Context switches, migrations and the task clock also exist as perf software events, but any perf event on a thread makes
//! its context switches more costly: as perf events they cost 2.3 % of goodput [1.3, 3.4] and 1.9 % of CPU time [1.0, 2.8] on a machine
//! without hardware counters (40 pairs of watch=cheap and watch=none at 64 KiB, `sendmsg`, one thread). The kernel's own accounts of the same three are read at the window's edges instead.

use std::path::Path;

use kernel::clock;
use kernel::machine::LIVE;
use kernel::perf::{CounterName, CounterSnapshot, Counters as Opened};
use kernel::pmu::Pmus;
use kernel::thread_sched::ThreadSched;
use kernel::usage::ThreadUsage;
use model::record::{Count, Counters as Figures};
use model::{Instrument as Name, Measured};

use super::instrument::{Edge, Instrument, Scope};
use crate::error::missing;

/// The hardware counters that timing trials carry.
pub(crate) const WANTED: [CounterName; 7] = [
    CounterName::Cycles,
    CounterName::Instructions,
    CounterName::LlcLoads,
    CounterName::LlcMisses,
    CounterName::L1dMisses,
    CounterName::DtlbMisses,
    CounterName::CacheMisses,
];

/// Each worker opens its own, before the start; they count only inside the windows.
#[derive(Debug)]
pub(crate) struct Counters {
    opened: Opened,
    sched: Result<ThreadSched, String>,
    /// How many windows there will be.
    windows: usize,
    /// Both edges of each window so far.
    marks: Vec<(Mark, Option<Mark>)>,
    /// At the edges of one window; around all of several, as reading them takes longer than a slice can spare: then those
    /// between two windows are in.
    migrations: [Option<u64>; 2],
}

/// One reading.
#[derive(Clone, Copy, Debug)]
struct Mark {
    hardware: CounterSnapshot,
    switches: u64,
    cpu_ns: u64,
}

impl Counters {
    /// Opens them with room for so many windows, so that marking allocates nothing.
    pub(crate) fn for_windows(windows: usize) -> Self {
        let sched = ThreadSched::open().map_err(|why| missing(why).unnamed().into());
        let mut counters = Self {
            opened: Opened::open(&WANTED).counters,
            sched,
            windows,
            marks: Vec::with_capacity(windows),
            migrations: [None; 2],
        };
        if windows > 1 {
            counters.migrations[0] = counters.migrations();
        }
        counters
    }

    fn reading(&mut self) -> Mark {
        let usage = ThreadUsage::now();
        Mark {
            hardware: self.opened.read(),
            switches: usage.voluntary_switches + usage.involuntary_switches,
            cpu_ns: clock::thread_cpu_ns(),
        }
    }

    fn migrations(&mut self) -> Option<u64> {
        self.sched.as_mut().ok().and_then(ThreadSched::migrations)
    }

    /// The last window is over, or the worker leaves without having seen it.
    pub(crate) fn leave(&mut self) {
        if self.migrations[1].is_none() {
            self.migrations[1] = self.migrations();
        }
    }

    /// The sum over the windows of what lies between their edges.
    fn sum(&self, between: impl Fn(&Mark, &Mark) -> Measured<Count>) -> Measured<Count> {
        let mut sum = Count { count: 0, scaled: false };
        for (start, end) in &self.marks {
            let Some(end) = end else { continue };
            match between(start, end) {
                Measured::Value(count) => {
                    sum.count += count.count;
                    sum.scaled |= count.scaled;
                }
                absent @ Measured::Absent { .. } => return absent,
            }
        }
        Measured::Value(sum)
    }
}

impl Instrument for Counters {
    const NAME: Name = Name::Counters;
    const SCOPE: Scope = Scope::Worker;
    type Target<'t> = ();
    type Figures = Figures;

    fn attach((): ()) -> Self {
        Self::for_windows(1)
    }

    fn mark(&mut self, edge: Edge, (): ()) {
        match edge {
            Edge::Start => {
                if self.migrations[0].is_none() {
                    self.migrations[0] = self.migrations();
                }
                // A group that does not start reads as never having run, and is told as such.
                let _ = self.opened.enable();
                let mark = self.reading();
                self.marks.push((mark, None));
            }
            Edge::End => {
                let mark = self.reading();
                let _ = self.opened.disable();
                if let Some((_, end)) = self.marks.last_mut() {
                    *end = Some(mark);
                }
                if self.windows == 1 {
                    self.leave();
                }
            }
        }
    }

    fn figures(&self) -> Figures {
        if !self.marks.iter().any(|(_, end)| end.is_some()) {
            return Figures::absent("the worker never saw both edges of the window");
        }
        let of = |name| {
            self.sum(|start, end| {
                match self.opened.delta_of(name, &start.hardware, &end.hardware) {
                    Ok(count) => {
                        Measured::Value(Count { count: count.value, scaled: count.scaled })
                    }
                    Err(why) => Measured::absent(missing(why).unnamed()),
                }
            })
        };
        Figures {
            cycles: of(CounterName::Cycles),
            instructions: of(CounterName::Instructions),
            llc_loads: of(CounterName::LlcLoads),
            llc_misses: of(CounterName::LlcMisses),
            l1d_misses: of(CounterName::L1dMisses),
            dtlb_misses: of(CounterName::DtlbMisses),
            cache_misses: of(CounterName::CacheMisses),
            // Filled in once a side: it is a fact of the machine.
            cache_misses_event: Measured::absent("not looked up"),
            context_switches: self.sum(|start, end| gained(end.switches, start.switches)),
            migrations: match (&self.sched, self.migrations) {
                (Ok(_), [Some(before), Some(after)]) => gained(after, before),
                (Ok(_), _) => Measured::absent("/proc/thread-self/sched was not read at both ends"),
                (Err(why), _) => Measured::absent(why),
            },
            task_clock_ns: self.sum(|start, end| gained(end.cpu_ns, start.cpu_ns)),
        }
    }
}

fn gained(after: u64, before: u64) -> Measured<Count> {
    Measured::Value(Count { count: after.saturating_sub(before), scaled: false })
}

/// The raw event behind the vendor's generic `cache-misses`.
pub(crate) fn cache_misses_event() -> Measured<String> {
    Pmus::discover(Path::new(LIVE)).and_then(|pmus| pmus.raw_cache_misses()).into()
}
