//! `ceiling`: copying bandwidth of the CPUs in use, by routine and working set.
//!
//! Each CPU copies from one arena to another, alone, and then all at the same time. Source and destination are resident
//! before the first pass, on pages of the same size as the ring of a send path. A handful of short passes is measured of
//! each, and their median is told, so that one disturbed pass moves nothing. A second is one of the copying thread's own CPU
//! time: a ceiling must not sink when somebody else runs on the CPU.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use kernel::arena::Arena;
use kernel::copying::{Routine, copy};
use kernel::machine::{LIVE, Machine, memory_limit_bytes};
use kernel::{clock, cpu};
use model::Missing;
use model::audit::CeilingPoint;

use crate::error::missing;
use crate::threads;

/// Source and destination together: within a level-1 cache, a level-2 cache, a last-level cache, beyond most and beyond all.
const WORKING_SETS: [u64; 5] = [16 << 10, 256 << 10, 4 << 20, 64 << 20, 512 << 20];
/// Working sets of all CPUs together take at most this part of memory, the machine's or the container's.
const PART_OF_MEMORY: u64 = 4;
/// With more CPUs than this a first, a middle and a last one stand for all when each copies alone.
const MOST_ALONE: usize = 4;
/// Passes of which the median is taken.
const PASSES: usize = 5;
/// How long a pass lasts at least.
const PASS_NS: u64 = 10_000_000;
/// From the order until the pass begins, so that all CPUs have read it.
const AHEAD_NS: u64 = 200_000;
/// Bytes copied between two looks at the clock, so that looking costs nothing that shows.
const BATCH: usize = 4 << 20;

/// Measures it: some passes of [`PASS_NS`] for each routine, working set and group of CPUs, of which there are five at most, however many
/// CPUs there are. Between two groups it asks whether it is to stop.
///
/// # Errors
/// What could not be had; or that it was stopped.
pub(crate) fn measure(
    cpus: &[u32],
    is_stopped: &dyn Fn() -> bool,
) -> Result<Vec<CeilingPoint>, Missing> {
    let machine = Machine::read().memory_bytes.map_err(missing)?;
    // A container may have far less than its machine, and is killed when it takes more.
    let allowed = memory_limit_bytes(Path::new(LIVE)).unwrap_or(u64::MAX);
    Ok(measure_at(cpus, &WORKING_SETS, machine.min(allowed), PASS_NS, is_stopped)?)
}

/// Whether this machine can: copying needs nothing but memory, whose size must be known.
///
/// # Errors
/// As [`measure`].
pub(crate) fn supported() -> Result<(), kernel::Unavailable> {
    Machine::read().memory_bytes.map(|_| ())
}

fn measure_at(
    cpus: &[u32],
    working_sets: &[u64],
    memory: u64,
    pass_ns: u64,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Vec<CeilingPoint>, String> {
    let mut cpus = cpus.to_vec();
    cpus.sort_unstable();
    cpus.dedup();
    let mut groups: Vec<Vec<u32>> = alone(&cpus).into_iter().map(|cpu| vec![cpu]).collect();
    if cpus.len() > 1 {
        groups.push(cpus);
    }
    let mut points = Vec::new();
    for bytes in working_sets {
        for group in &groups {
            if is_stopped() {
                return Err("interrupted while it was measured".to_owned());
            }
            let all = bytes.saturating_mul(group.len() as u64);
            if all <= memory / PART_OF_MEMORY {
                points.extend(copy_on(group, *bytes, pass_ns)?);
            }
        }
    }
    if points.is_empty() {
        return Err(if groups.is_empty() {
            "copying ceiling: no CPU is in use; name some with --placement".to_owned()
        } else {
            format!(
                "copying ceiling: a quarter of {memory} bytes of memory holds no working set; leave --audits ceiling out"
            )
        });
    }
    Ok(points)
}

/// The CPUs that are measured alone.
fn alone(cpus: &[u32]) -> Vec<u32> {
    match cpus {
        [first, .., last] if cpus.len() > MOST_ALONE => vec![*first, cpus[cpus.len() / 2], *last],
        all => all.to_vec(),
    }
}

/// A pass that a copying thread is to make.
struct Pass {
    routine: Routine,
    start_ns: u64,
    length_ns: u64,
}

/// A copying thread as its conductor sees it.
struct Copier {
    orders: Sender<Pass>,
    answers: Receiver<Result<f64, String>>,
}

/// Measures every routine on these CPUs at the same time, each with a working set of its own.
fn copy_on(cpus: &[u32], bytes: u64, pass_ns: u64) -> Result<Vec<CeilingPoint>, String> {
    thread::scope(|scope| {
        let mut copiers = Vec::new();
        for &cpu in cpus {
            let (orders, ordered) = mpsc::channel();
            let (answer, answers) = mpsc::channel();
            thread::Builder::new()
                .name(format!("ceiling {cpu}"))
                .spawn_scoped(scope, move || copier(cpu, bytes, &ordered, &answer))
                .map_err(|error| {
                    threads::refused(
                        &format!("a thread on CPU {cpu} for the copying ceiling"),
                        &error,
                    )
                })?;
            copiers.push(Copier { orders, answers });
        }
        // Ready: pinned, and all memory resident.
        for copier in &copiers {
            answer(copier)?;
        }
        let mut points = Vec::new();
        for &routine in Routine::ALL {
            let mut passes: Vec<Vec<f64>> = vec![Vec::new(); copiers.len()];
            // The first pass fills the caches and is not counted.
            for pass in 0..=PASSES {
                let start_ns = clock::monotonic_ns() + AHEAD_NS;
                let length_ns = if pass == 0 { pass_ns / 4 } else { pass_ns };
                for copier in &copiers {
                    // A thread that is gone says why when it is asked for its answer.
                    let _ = copier.orders.send(Pass { routine, start_ns, length_ns });
                }
                for (copier, of_cpu) in copiers.iter().zip(&mut passes) {
                    let bytes_per_s = answer(copier)?;
                    if pass > 0 {
                        of_cpu.push(bytes_per_s);
                    }
                }
            }
            points.push(CeilingPoint {
                routine: routine.name().to_owned(),
                working_set_bytes: bytes,
                cpus: cpus.to_vec(),
                bytes_per_s: passes.into_iter().map(median).collect(),
            });
        }
        Ok(points)
    })
}

fn answer(copier: &Copier) -> Result<f64, String> {
    copier.answers.recv().map_err(|_| "copying ceiling: a copying thread ended early".to_owned())?
}

/// A copying thread: says that it is ready, then how many bytes a second each pass copied. It ends when its conductor
/// gives no more orders.
fn copier(cpu: u32, bytes: u64, ordered: &Receiver<Pass>, answers: &Sender<Result<f64, String>>) {
    let (mut destination, source) = match prepare(cpu, bytes) {
        Ok(arenas) => arenas,
        Err(why) => {
            // Nobody listens any more where another thread has failed already.
            let _ = answers.send(Err(why));
            return;
        }
    };
    if answers.send(Ok(0.0)).is_err() {
        return;
    }
    while let Ok(pass) = ordered.recv() {
        let bytes_per_s = copy_for(&pass, &mut destination, &source);
        if answers.send(Ok(bytes_per_s)).is_err() {
            return;
        }
    }
}

/// Pins the thread first, so that the memory comes from the CPU's own node.
fn prepare(cpu: u32, bytes: u64) -> Result<(Arena, Arena), String> {
    let failed = |error: &dyn std::fmt::Display| format!("copying ceiling: CPU {cpu}: {error}");
    cpu::pin_thread(&[cpu as usize])
        .map_err(|error| format!("{}; leave this CPU out of --placement", failed(&error)))?;
    let half = usize::try_from(bytes / 2).map_err(|error| failed(&error))?;
    let arena =
        || Arena::new(half).map_err(|error| format!("{}; free some memory", failed(&error)));
    Ok((arena()?, arena()?))
}

/// Copies for one pass and tells bytes a second of CPU time.
fn copy_for(pass: &Pass, destination: &mut Arena, source: &Arena) -> f64 {
    let half = destination.len();
    let copies = (BATCH / half.max(1)).max(1);
    while clock::monotonic_ns() < pass.start_ns {
        std::hint::spin_loop();
    }
    let end_ns = pass.start_ns.saturating_add(pass.length_ns);
    let begun = clock::thread_cpu_ns();
    let mut copied = 0_u64;
    loop {
        for _ in 0..copies {
            copied +=
                copy(pass.routine, destination.bytes_mut(0..half), source.bytes(0..half)) as u64;
        }
        if clock::monotonic_ns() >= end_ns {
            let spent = clock::thread_cpu_ns().saturating_sub(begun);
            return copied as f64 / (spent.max(1) as f64 / 1e9);
        }
    }
}

/// The middle one; of an even number the mean of the two in the middle. 0 of none.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.as_slice() {
        [] => 0.0,
        all if all.len() % 2 == 1 => all[middle],
        all => f64::midpoint(all[middle - 1], all[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: u64 = 1 << 30;
    const GO_ON: &dyn Fn() -> bool = &|| false;

    fn usable() -> Vec<u32> {
        let cpus = cpu::allowed().unwrap();
        cpus.cpus().iter().take(2).map(|cpu| u32::try_from(*cpu).unwrap()).collect()
    }

    #[test]
    fn every_routine_copies_on_each_cpu_alone_and_on_all_together() {
        let cpus = usable();
        let sets = [16 << 10, 256 << 10];
        let points = measure_at(&cpus, &sets, MEMORY, 100_000, GO_ON).unwrap();
        let groups = if cpus.len() > 1 { cpus.len() + 1 } else { 1 };
        assert_eq!(points.len(), Routine::ALL.len() * sets.len() * groups);
        for point in &points {
            assert!(sets.contains(&point.working_set_bytes));
            assert!(Routine::ALL.iter().any(|routine| routine.name() == point.routine));
            assert_eq!(point.bytes_per_s.len(), point.cpus.len());
            assert!(point.bytes_per_s.iter().all(|rate| *rate > 0.0 && rate.is_finite()));
        }
        for routine in Routine::ALL {
            let of = points.iter().filter(|point| point.routine == routine.name());
            assert_eq!(of.filter(|point| point.cpus == cpus).count(), sets.len(), "{routine}");
        }
    }

    #[test]
    fn a_working_set_beyond_a_quarter_of_memory_is_left_out() {
        let cpus = &usable()[..1];
        let points = measure_at(cpus, &WORKING_SETS, 1 << 20, 100_000, GO_ON).unwrap();
        assert!(points.iter().all(|point| point.working_set_bytes <= 256 << 10), "{points:?}");
        assert_eq!(points.len(), Routine::ALL.len() * 2);
        let none = measure_at(cpus, &WORKING_SETS, 1 << 10, 100_000, GO_ON).unwrap_err();
        assert!(none.contains("holds no working set"), "{none}");
    }

    #[test]
    fn a_signal_ends_it_between_two_pieces() {
        let cpus = &usable()[..1];
        let asked = std::cell::Cell::new(0);
        let second = || {
            asked.set(asked.get() + 1);
            asked.get() == 2
        };
        let why = measure_at(cpus, &WORKING_SETS, MEMORY, 100_000, &second).unwrap_err();
        assert!(why.contains("interrupted"), "{why}");
        assert_eq!(asked.get(), 2, "nothing is measured after it");
    }

    #[test]
    fn many_cpus_are_measured_alone_by_a_first_a_middle_and_a_last_one() {
        assert_eq!(alone(&[0, 1, 2, 3]), [0, 1, 2, 3]);
        assert_eq!(alone(&[0, 2, 4, 6, 8, 10, 12, 14]), [0, 8, 14]);
        assert_eq!(alone(&[]), [0; 0]);
    }

    #[test]
    fn a_cpu_that_is_not_there_is_named() {
        let why = measure_at(&[60_000], &WORKING_SETS, MEMORY, 100_000, GO_ON).unwrap_err();
        assert!(why.contains("CPU 60000") && why.contains("--placement"), "{why}");
        // One that works beside it does not wait for ever.
        let both = [usable()[0], 60_000];
        assert!(copy_on(&both, 16 << 10, 100_000).unwrap_err().contains("60000"));
        assert!(
            measure_at(&[], &WORKING_SETS, MEMORY, 100_000, GO_ON).unwrap_err().contains("no CPU")
        );
    }

    #[test]
    fn the_median_is_the_middle_of_the_passes() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn this_machine_can() {
        assert_eq!(supported(), Ok(()));
    }
}
