//! `counters`: perf counters of the worker's thread, user and kernel mode.

use std::path::Path;

use kernel::machine::LIVE;
use kernel::perf::{CounterName, CounterSnapshot, Counters as Opened};
use kernel::pmu::Pmus;
use model::record::{Count, Counters as Figures};
use model::{Instrument as Name, Measured};

use super::{Edge, Instrument, Scope};

/// The counters that timing trials carry.
pub(crate) const WANTED: [CounterName; 10] = [
    CounterName::Cycles,
    CounterName::Instructions,
    CounterName::LlcLoads,
    CounterName::LlcMisses,
    CounterName::L1dMisses,
    CounterName::DtlbMisses,
    CounterName::CacheMisses,
    CounterName::ContextSwitches,
    CounterName::Migrations,
    CounterName::TaskClock,
];

/// Each worker opens its own, before the start; they count only inside the window.
#[derive(Debug)]
pub(crate) struct Counters {
    opened: Opened,
    start: Option<CounterSnapshot>,
    end: Option<CounterSnapshot>,
}

impl Instrument for Counters {
    const NAME: Name = Name::Counters;
    const SCOPE: Scope = Scope::Worker;
    type Target<'t> = ();
    type Figures = Figures;

    fn attach((): ()) -> Self {
        Self { opened: Opened::open(&WANTED).counters, start: None, end: None }
    }

    fn mark(&mut self, edge: Edge, (): ()) {
        match edge {
            Edge::Start => {
                // A group that does not start reads as never having run, and is told as such.
                let _ = self.opened.enable();
                self.start = Some(self.opened.read());
            }
            Edge::End => {
                self.end = Some(self.opened.read());
                let _ = self.opened.disable();
            }
        }
    }

    fn figures(&self) -> Figures {
        let (Some(start), Some(end)) = (&self.start, &self.end) else {
            return Figures::absent("the worker never saw both edges of the window");
        };
        let of = |name| match self.opened.delta_of(name, start, end) {
            Ok(count) => Measured::Value(Count { count: count.value, scaled: count.scaled }),
            Err(why) => Measured::absent(why.reason()),
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
            context_switches: of(CounterName::ContextSwitches),
            migrations: of(CounterName::Migrations),
            task_clock_ns: of(CounterName::TaskClock),
        }
    }
}

/// The raw event behind the vendor's generic `cache-misses`.
pub(crate) fn cache_misses_event() -> Measured<String> {
    Pmus::discover(Path::new(LIVE)).and_then(|pmus| pmus.raw_cache_misses()).into()
}

/// Adds one worker's figures to a side's: a counter that one worker lacks is absent for the side.
pub(crate) fn add(side: &mut Figures, worker: Figures) {
    fn join(side: &mut Measured<Count>, worker: Measured<Count>) {
        if let Measured::Value(sum) = side {
            match worker {
                Measured::Value(count) => {
                    sum.count += count.count;
                    sum.scaled |= count.scaled;
                }
                absent @ Measured::Absent { .. } => *side = absent,
            }
        }
    }
    join(&mut side.cycles, worker.cycles);
    join(&mut side.instructions, worker.instructions);
    join(&mut side.llc_loads, worker.llc_loads);
    join(&mut side.llc_misses, worker.llc_misses);
    join(&mut side.l1d_misses, worker.l1d_misses);
    join(&mut side.dtlb_misses, worker.dtlb_misses);
    join(&mut side.cache_misses, worker.cache_misses);
    join(&mut side.context_switches, worker.context_switches);
    join(&mut side.migrations, worker.migrations);
    join(&mut side.task_clock_ns, worker.task_clock_ns);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_one_worker_lacks_is_absent_for_the_side() {
        let count = |n| Measured::Value(Count { count: n, scaled: false });
        let figures = |cycles| Figures { cycles, ..Figures::absent("none") };
        let mut side = figures(count(5));
        add(&mut side, figures(Measured::Value(Count { count: 7, scaled: true })));
        assert_eq!(side.cycles, Measured::Value(Count { count: 12, scaled: true }));
        add(&mut side, figures(Measured::absent("no room on the PMU")));
        assert_eq!(side.cycles.reason(), Some("no room on the PMU"));
        add(&mut side, figures(count(1)));
        assert!(side.cycles.value().is_none(), "absence is not made good by the next worker");
    }
}
