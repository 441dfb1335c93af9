//! Sampling CPUs: what runs on them, kernel and programs alike, with its stack.
//!
//! One event a CPU, whoever runs there (`pid` −1): the ends, softirqs that came upon somebody else, and idling. The
//! kernel writes samples into a ring buffer a CPU, which is read once, at the end; what found no room is counted.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use crate::machine::LIVE;
use crate::perf::CounterName;
use crate::perf_samples::{BadRecord, Frame, PerfRecord, records};
use crate::pmu::{CorePmu, Surroundings};
use crate::{CallError, Errno, Remedy, Unavailable};

mod ring;

use ring::{Ring, Sampled};

/// Between two samples of a CPU's clock: 4 in a millisecond, but not in step with the tick or any timer of whole
/// microseconds, so that what happens with a timer is not always, or never, seen.
const CLOCK_PERIOD_NS: u64 = 249_989;
/// Cycles between two samples: likewise about 4 in a millisecond. A fixed period, not a frequency, so that every sample
/// stands for equally many cycles.
const CYCLES_PERIOD: u64 = 750_019;
/// Rings are this large, in bytes: several seconds of deep stacks …
const MOST_RING_BYTES: usize = 8 << 20;
/// … but not below this, …
const LEAST_RING_BYTES: usize = 1 << 20;
/// … and together no larger than this, on machines with many CPUs.
const ALL_RINGS_BYTES: usize = 256 << 20;

/// Sampling under way; dropping it ends it and forgets what was sampled.
#[derive(Debug)]
pub struct Sampling {
    sampled: Sampled,
    cpus: Vec<u32>,
    rings: Vec<Ring>,
    began: Instant,
}

/// Equal stacks of one process on one CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampledStack {
    /// The process; 0 is the idle thread.
    pub pid: u32,
    /// The CPU.
    pub cpu: u32,
    /// The stack, innermost first.
    pub frames: Vec<Frame>,
    /// Samples.
    pub samples: u64,
}

/// What was sampled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Samples {
    /// `cycles`, or `cpu-clock`.
    pub event: &'static str,
    /// Time between two samples of a CPU, in ns: the period of `cpu-clock`; the median seen of `cycles`, which is no busy
    /// time, as the CPU may have halted in between.
    pub interval_ns: u64,
    /// How long samples were taken, in ns.
    pub span_ns: u64,
    /// The CPUs.
    pub cpus: Vec<u32>,
    /// Samples that found no room.
    pub lost: u64,
    /// The stacks, in order of process, CPU and frames.
    pub stacks: Vec<SampledStack>,
}

impl Sampling {
    /// Samples these CPUs from here on: cycles where they can be counted, else the CPUs' clock.
    ///
    /// # Errors
    /// What is refused and why, with the remedy: sampling whole CPUs takes CAP_PERFMON or
    /// `kernel.perf_event_paranoid` 0 or below.
    pub fn begin(cpus: &[u32]) -> Result<Self, Unavailable> {
        let surroundings = Surroundings::read(Path::new(LIVE));
        let sampled = [Sampled::Cycles, Sampled::CpuClock]
            .into_iter()
            .find_map(|sampled| match open(sampled, cpus, surroundings.core_pmus()) {
                Ok(rings) => Some(Ok((sampled, rings))),
                // Whatever keeps cycles from being sampled, the clock may still be.
                Err(_) if sampled == Sampled::Cycles => None,
                Err(error) => Some(Err(error)),
            })
            .unwrap_or(Err(CallError {
                call: "perf_event_open",
                argument: "no CPU".to_owned(),
                errno: Errno(libc::EINVAL),
            }));
        let (sampled, rings) = sampled.map_err(|error| refusal(&error, &surroundings))?;
        for ring in &rings {
            ring.enable().map_err(|error| refusal(&error, &surroundings))?;
        }
        Ok(Self { sampled, cpus: cpus.to_vec(), rings, began: Instant::now() })
    }

    /// What is sampled: `cycles` or `cpu-clock`.
    pub fn event(&self) -> &'static str {
        self.sampled.name()
    }

    /// Ends it and gives what was sampled, equal stacks joined.
    ///
    /// # Errors
    /// A ring could not be stopped, or holds what is no record.
    pub fn end(self) -> Result<Samples, SampleError> {
        for ring in &self.rings {
            ring.disable()?;
        }
        let span = self.began.elapsed();
        let mut lost = 0;
        let mut folded = Folded::new();
        let mut gaps: Vec<u64> = Vec::new();
        for ring in &self.rings {
            let reported = fold(&ring.written(), &mut folded, &mut gaps)?;
            // Records of losses are themselves only written once there is room again.
            lost += ring.lost().unwrap_or(0).max(reported);
        }
        let mut stacks: Vec<SampledStack> = folded
            .into_iter()
            .map(|((pid, cpu, frames), samples)| SampledStack { pid, cpu, frames, samples })
            .collect();
        stacks.sort_by_cached_key(|stack| {
            let frames: Vec<u64> = stack.frames.iter().map(|frame| frame.address).collect();
            (stack.pid, stack.cpu, frames)
        });
        Ok(Samples {
            event: self.sampled.name(),
            interval_ns: match self.sampled {
                Sampled::CpuClock => CLOCK_PERIOD_NS,
                Sampled::Cycles => median(gaps),
            },
            span_ns: u64::try_from(span.as_nanos()).unwrap_or(u64::MAX),
            cpus: self.cpus,
            lost,
            stacks,
        })
    }
}

/// Samples by process, CPU and stack.
pub(crate) type Folded = HashMap<(u32, u32, Vec<Frame>), u64>;

/// Adds the samples of one ring, and the nanoseconds between neighbours; the records that it says were lost.
pub(crate) fn fold(
    ring: &[u8],
    folded: &mut Folded,
    gaps: &mut Vec<u64>,
) -> Result<u64, BadRecord> {
    let (mut lost, mut before) = (0_u64, None);
    for record in records(ring) {
        match record? {
            PerfRecord::Sample(sample) => {
                let key = (sample.pid, sample.cpu, sample.frames().collect());
                *folded.entry(key).or_default() += 1;
                gaps.extend(before.map(|before| sample.time_ns.saturating_sub(before)));
                before = Some(sample.time_ns);
            }
            PerfRecord::Lost(count) => lost = lost.saturating_add(count),
            PerfRecord::Other(_) => {}
        }
    }
    Ok(lost)
}

/// Why samples could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SampleError {
    /// A call failed.
    Call(CallError),
    /// The buffer holds something odd.
    Record(BadRecord),
}

impl std::fmt::Display for SampleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Record(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SampleError {}

impl From<CallError> for SampleError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<BadRecord> for SampleError {
    fn from(error: BadRecord) -> Self {
        Self::Record(error)
    }
}

/// Which event this machine lets be sampled.
///
/// # Errors
/// None, with the reason and the remedy.
pub fn probe() -> Result<&'static str, Unavailable> {
    let allowed = crate::cpu::allowed().map_err(|error| Unavailable {
        what: "sampling".to_owned(),
        because: error.to_string(),
        remedy: Remedy::default(),
    })?;
    let first = allowed.cpus().first().and_then(|cpu| u32::try_from(*cpu).ok()).unwrap_or(0);
    Sampling::begin(&[first]).map(|sampling| sampling.event())
}

/// One ring a CPU, disabled.
fn open(sampled: Sampled, cpus: &[u32], pmus: &[CorePmu]) -> Result<Vec<Ring>, CallError> {
    let share = ALL_RINGS_BYTES / cpus.len().max(1);
    // Rings are a power of two.
    let most = 1 << share.clamp(LEAST_RING_BYTES, MOST_RING_BYTES).ilog2();
    let mut bytes = most;
    loop {
        let rings = cpus.iter().map(|cpu| {
            let period = match sampled {
                Sampled::Cycles => CYCLES_PERIOD,
                Sampled::CpuClock => CLOCK_PERIOD_NS,
            };
            Ring::open(sampled, period, *cpu, pmu_of(*cpu, pmus), bytes)
        });
        match rings.collect() {
            // Locked memory is limited for those without CAP_IPC_LOCK (kernel.perf_event_mlock_kb).
            Err(CallError { call: "mmap", .. }) if bytes > LEAST_RING_BYTES => bytes /= 2,
            rings => return rings,
        }
    }
}

/// The number of a CPU's own PMU, where a machine has several: on others 0, which means "the PMU".
fn pmu_of(cpu: u32, pmus: &[CorePmu]) -> u32 {
    let has = |pmu: &&CorePmu| pmu.cpus.iter().any(|own| u32::try_from(*own) == Ok(cpu));
    match pmus {
        [] | [_] => 0,
        several => several.iter().find(has).map_or(0, |pmu| pmu.pmu_type),
    }
}

fn refusal(error: &CallError, surroundings: &Surroundings) -> Unavailable {
    let what = "sampling whole CPUs".to_owned();
    if error.call == "mmap" {
        return Unavailable {
            what,
            because: format!("its buffers are refused: {error}"),
            remedy: "run as root, or raise ulimit -l or kernel.perf_event_mlock_kb".into(),
        };
    }
    match (error.errno.0, &surroundings.paranoid) {
        // 1 allows kernel mode in one's own processes; whole CPUs take 0 (kernel.rst, perf_event_paranoid).
        (libc::EACCES | libc::EPERM, Ok(level)) if *level > 0 && !surroundings.is_root => {
            Unavailable {
                what,
                because: format!(
                    "kernel.perf_event_paranoid is {level} and CAP_PERFMON is missing"
                ),
                remedy: Remedy {
                    unlock: "run as root, or: sudo sysctl kernel.perf_event_paranoid=0".to_owned(),
                    undo: format!("sudo sysctl kernel.perf_event_paranoid={level}"),
                },
            }
        }
        _ => Unavailable { what, ..surroundings.explain(CounterName::TaskClock, error.errno) },
    }
}

fn median(mut of: Vec<u64>) -> u64 {
    of.sort_unstable();
    of.get(of.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf_samples::Mode;
    use crate::pmu::Pmus;

    fn surroundings(paranoid: i64, is_root: bool) -> Surroundings {
        Surroundings {
            paranoid: Ok(paranoid),
            is_root,
            is_virtual: true,
            pmus: Ok(Pmus::default()),
        }
    }

    fn refused(errno: i32, call: &'static str) -> CallError {
        CallError { call, argument: "cpu-clock of CPU 0".to_owned(), errno: Errno(errno) }
    }

    #[test]
    fn a_busy_cpu_is_sampled_with_the_stack_of_who_keeps_it_busy() {
        let first = crate::cpu::allowed().unwrap().cpus().to_vec();
        let cpus: Vec<u32> = first.iter().map(|cpu| u32::try_from(*cpu).unwrap()).collect();
        let sampling = match Sampling::begin(&cpus) {
            Ok(sampling) => sampling,
            Err(refusal) => {
                eprintln!("skipped: {refusal}");
                return;
            }
        };
        // By its own CPU time: on a crowded CPU it is sampled when it has its turn.
        let started_ns = crate::clock::thread_cpu_ns();
        while crate::clock::thread_cpu_ns() < started_ns + 60_000_000 {
            std::hint::black_box(std::fs::read("/proc/self/stat").unwrap());
        }
        let samples = sampling.end().unwrap();
        assert!(["cycles", "cpu-clock"].contains(&samples.event));
        assert!(samples.span_ns >= 60_000_000);
        assert!(samples.interval_ns > 0);
        let own: Vec<_> =
            samples.stacks.iter().filter(|stack| stack.pid == std::process::id()).collect();
        assert!(!own.is_empty(), "{:?}", samples.stacks.len());
        let frames = || own.iter().flat_map(|stack| &stack.frames);
        assert!(frames().any(|frame| frame.mode == Mode::Kernel));
        assert!(frames().any(|frame| frame.mode == Mode::User));
        assert!(samples.stacks.iter().all(|stack| samples.cpus.contains(&stack.cpu)));
    }

    #[test]
    fn the_refusal_of_whole_cpus_names_the_level_and_how_to_go_back() {
        let told = refusal(&refused(libc::EACCES, "perf_event_open"), &surroundings(1, false));
        assert_eq!(told.because, "kernel.perf_event_paranoid is 1 and CAP_PERFMON is missing");
        assert!(told.remedy.unlock.contains("perf_event_paranoid=0"), "{told}");
        assert!(told.remedy.undo == "sudo sysctl kernel.perf_event_paranoid=1", "{told}");
        let root = refusal(&refused(libc::EPERM, "perf_event_open"), &surroundings(2, true));
        assert!(root.because.contains("seccomp"), "{root}");
        let memory = refusal(&refused(libc::EPERM, "mmap"), &surroundings(0, false));
        assert!(memory.remedy.unlock.contains("perf_event_mlock_kb"), "{memory}");
        let none = refusal(&refused(libc::ENOSYS, "perf_event_open"), &surroundings(2, true));
        assert!(none.because.contains("no perf_event_open"), "{none}");
    }

    #[test]
    fn cpus_that_are_not_there_are_refused() {
        assert!(Sampling::begin(&[100_000]).is_err());
    }

    #[test]
    fn on_a_hybrid_cpu_each_core_is_sampled_by_its_own_pmu() {
        let pmu = |number, cpus: &[usize]| CorePmu {
            name: String::new(),
            pmu_type: number,
            cpus: cpus.to_vec(),
            events: Vec::new(),
            caps: Vec::new(),
        };
        let hybrid = [pmu(4, &[0, 1]), pmu(10, &[2])];
        assert_eq!([0, 2, 7].map(|cpu| pmu_of(cpu, &hybrid)), [4, 10, 0]);
        assert_eq!(pmu_of(2, &hybrid[..1]), 0);
    }
}
