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

/// Each worker opens its own, before the start; they count only inside the window.
#[derive(Debug)]
pub(crate) struct Counters {
    opened: Opened,
    sched: Result<ThreadSched, String>,
    start: Option<Mark>,
    end: Option<Mark>,
}

/// One reading.
#[derive(Debug)]
struct Mark {
    hardware: CounterSnapshot,
    migrations: Option<u64>,
    switches: u64,
    cpu_ns: u64,
}

impl Counters {
    fn reading(&mut self) -> Mark {
        let usage = ThreadUsage::now();
        Mark {
            hardware: self.opened.read(),
            migrations: self.sched.as_mut().ok().and_then(ThreadSched::migrations),
            switches: usage.voluntary_switches + usage.involuntary_switches,
            cpu_ns: clock::thread_cpu_ns(),
        }
    }
}

impl Instrument for Counters {
    const NAME: Name = Name::Counters;
    const SCOPE: Scope = Scope::Worker;
    type Target<'t> = ();
    type Figures = Figures;

    fn attach((): ()) -> Self {
        let sched = ThreadSched::open().map_err(|why| missing(why).unnamed().into());
        Self { opened: Opened::open(&WANTED).counters, sched, start: None, end: None }
    }

    fn mark(&mut self, edge: Edge, (): ()) {
        match edge {
            Edge::Start => {
                // A group that does not start reads as never having run, and is told as such.
                let _ = self.opened.enable();
                self.start = Some(self.reading());
            }
            Edge::End => {
                self.end = Some(self.reading());
                let _ = self.opened.disable();
            }
        }
    }

    fn figures(&self) -> Figures {
        let (Some(start), Some(end)) = (&self.start, &self.end) else {
            return Figures::absent("the worker never saw both edges of the window");
        };
        let of = |name| match self.opened.delta_of(name, &start.hardware, &end.hardware) {
            Ok(count) => Measured::Value(Count { count: count.value, scaled: count.scaled }),
            Err(why) => Measured::absent(missing(why).unnamed()),
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
            context_switches: gained(end.switches, start.switches),
            migrations: match (&self.sched, start.migrations.zip(end.migrations)) {
                (Ok(_), Some((before, after))) => gained(after, before),
                (Ok(_), None) => Measured::absent("/proc/thread-self/sched could not be read"),
                (Err(why), _) => Measured::absent(why),
            },
            task_clock_ns: gained(end.cpu_ns, start.cpu_ns),
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
