//! perf counters of a side, in one table.

use serde::{Deserialize, Serialize};

use crate::measured::Measured;

/// A counter's figure in the workers' windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The count, scaled by enabled over running time where the counter was multiplexed.
    pub count: u64,
    /// Whether it was scaled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scaled: bool,
}

/// A counter, for tables that list them all.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// Its field, the name of its column.
    pub field: &'static str,
    /// Its name in lists of counters.
    pub name: &'static str,
    /// What it counts, without the full stop.
    pub meaning: &'static str,
    /// The way to it.
    pub get: fn(&Counters) -> &Measured<Count>,
    get_mut: fn(&mut Counters) -> &mut Measured<Count>,
}

macro_rules! counters {
    (
        { $( $(#[doc = $doc:literal])+ $field:ident = $name:literal; )+ }
        $(#[$event_meta:meta])* $event:ident
        { $( $(#[doc = $late_doc:literal])+ $late_field:ident = $late_name:literal; )+ }
    ) => {
        /// perf counters, summed over workers and core types; each may be absent with its own reason.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct Counters {
            $( $(#[doc = $doc])+ pub $field: Measured<Count>, )+
            $(#[$event_meta])* pub $event: Measured<String>,
            $( $(#[doc = $late_doc])+ pub $late_field: Measured<Count>, )+
        }

        impl Counters {
            /// Every counter.
            pub const ALL: &'static [Counter] = &[
                $( counters!(@row $field $name $($doc)+), )+
                $( counters!(@row $late_field $late_name $($late_doc)+), )+
            ];

            /// All counters absent for one reason.
            pub fn absent(reason: &str) -> Self {
                Self {
                    $( $field: Measured::absent(reason), )+
                    $event: Measured::absent(reason),
                    $( $late_field: Measured::absent(reason), )+
                }
            }
        }
    };
    (@row $field:ident $name:literal $($doc:literal)+) => {
        Counter {
            field: stringify!($field),
            name: $name,
            meaning: concat!($($doc),+).trim_ascii(),
            get: |counters| &counters.$field,
            get_mut: |counters| &mut counters.$field,
        }
    };
}

counters! {
    {
        /// CPU cycles, user and kernel
        cycles = "cycles";
        /// Instructions
        instructions = "instructions";
        /// Last-level cache read accesses: on most CPUs close to the L2's read misses
        llc_loads = "llc-loads";
        /// Last-level cache read misses
        llc_misses = "llc-misses";
        /// Level-1 data cache read misses
        l1d_misses = "l1d-misses";
        /// Data TLB read misses
        dtlb_misses = "dtlb-misses";
        /// The vendor's generic `cache-misses`
        cache_misses = "cache-misses";
    }
    /// The raw event behind `cache_misses`.
    cache_misses_event
    {
        /// Context switches, as the kernel accounts them (`getrusage`)
        context_switches = "context-switches";
        /// Migrations to another CPU (`/proc/thread-self/sched`)
        migrations = "migrations";
        /// CPU time in nanoseconds (`CLOCK_THREAD_CPUTIME_ID`)
        task_clock_ns = "task-clock";
    }
}

impl Counters {
    /// Every counter's figure with the counter's name.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Measured<Count>)> {
        Self::ALL.iter().map(|counter| (counter.name, (counter.get)(self)))
    }

    /// Adds one worker's counters: one that a worker lacks is absent for the side.
    pub fn add(&mut self, worker: &Self) {
        for counter in Self::ALL {
            let sum = (counter.get_mut)(self);
            if let Measured::Value(so_far) = sum {
                match (counter.get)(worker) {
                    Measured::Value(more) => {
                        so_far.count = so_far.count.saturating_add(more.count);
                        so_far.scaled |= more.scaled;
                    }
                    absent @ Measured::Absent { .. } => *sum = absent.clone(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(count: u64, scaled: bool) -> Counters {
        let mut counters = Counters::absent("no event");
        counters.cycles = Measured::Value(Count { count, scaled });
        counters.task_clock_ns = Measured::Value(Count { count: 1, scaled: false });
        counters
    }

    #[test]
    fn a_sides_counter_is_the_sum_of_its_workers_and_absent_where_one_lacks_it() {
        let mut side = counted(3, false);
        side.add(&counted(4, true));
        assert_eq!(side.cycles, Measured::Value(Count { count: 7, scaled: true }));
        let mut lacks = counted(1, false);
        lacks.cycles = Measured::absent("no counter left");
        side.add(&lacks);
        assert_eq!(side.cycles, Measured::absent("no counter left"));
        assert_eq!(side.task_clock_ns, Measured::Value(Count { count: 3, scaled: false }));
        side.add(&counted(9, false));
        assert_eq!(side.cycles.reason(), Some("no counter left"), "the first reason stays");
    }

    #[test]
    fn every_counter_of_a_record_is_listed() {
        let object = serde_json::to_value(Counters::absent("none")).unwrap();
        let mut keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        keys.retain(|key| *key != "cache_misses_event");
        let mut listed: Vec<&str> = Counters::ALL.iter().map(|counter| counter.field).collect();
        keys.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, keys);
    }
}
