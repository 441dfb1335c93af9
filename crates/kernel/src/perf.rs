//! Performance counters of one thread, user and kernel mode together.
//!
//! Each worker opens its own. Counters are opened in groups small enough for the four programmable
//! counters that hyper-threaded Intel CPUs leave to a thread, so that a group is on the PMU as
//! a whole or not at all. On a hybrid CPU each group is opened once for each core type and the
//! readings are joined.

use std::fmt;
use std::path::Path;

use crate::machine::tree;
use crate::perf_format::{Count, FormatError, GROUP_BYTES, GROUP_LIMIT, Sample, parse_group};
use crate::pmu::{CorePmu, Surroundings};
use crate::{CallError, Errno, Unavailable};

mod live;

pub(crate) use live::{ATTR_SIZE_VER0, PerfEventAttr};

pub use live::LiveSource;

/// A counter that copycost knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CounterName {
    /// Unhalted core cycles.
    Cycles,
    /// Instructions retired.
    Instructions,
    /// Reads that reached the last-level cache.
    LlcLoads,
    /// Reads that missed the last-level cache.
    LlcMisses,
    /// Reads that missed the first-level data cache.
    L1dMisses,
    /// Reads that missed the data translation buffer.
    DtlbMisses,
    /// The generic `cache-misses`: whatever the vendor mapped it to, see
    /// [`crate::pmu::Pmus::raw_cache_misses`].
    CacheMisses,
    /// Context switches of the thread (software).
    ContextSwitches,
    /// Moves of the thread to another CPU (software).
    Migrations,
    /// Nanoseconds on a CPU (software).
    TaskClock,
    /// Page faults (software).
    PageFaults,
}

/// `PERF_TYPE_*` and `PERF_COUNT_*` of include/uapi/linux/perf_event.h.
const TYPE_HARDWARE: u32 = 0;
const TYPE_SOFTWARE: u32 = 1;
const TYPE_HW_CACHE: u32 = 3;
const HW_CPU_CYCLES: u64 = 0;
const HW_INSTRUCTIONS: u64 = 1;
const HW_CACHE_MISSES: u64 = 3;
const SW_TASK_CLOCK: u64 = 1;
const SW_PAGE_FAULTS: u64 = 2;
const SW_CONTEXT_SWITCHES: u64 = 3;
const SW_CPU_MIGRATIONS: u64 = 4;
const CACHE_L1D: u64 = 0;
const CACHE_LL: u64 = 2;
const CACHE_DTLB: u64 = 3;
const RESULT_ACCESS: u64 = 0;
const RESULT_MISS: u64 = 1;

/// Where the PMU's number stands in the config of a generic event on a hybrid CPU
/// (`PERF_PMU_TYPE_SHIFT`, Linux 5.13).
const PMU_TYPE_SHIFT: u32 = 32;

const GROUPS: [&[CounterName]; 5] = [
    &[CounterName::Cycles, CounterName::Instructions],
    &[CounterName::LlcLoads, CounterName::LlcMisses],
    &[CounterName::L1dMisses, CounterName::DtlbMisses],
    &[CounterName::CacheMisses],
    &[
        CounterName::ContextSwitches,
        CounterName::Migrations,
        CounterName::TaskClock,
        CounterName::PageFaults,
    ],
];
const _: () = assert!(GROUPS[4].len() <= GROUP_LIMIT);

impl CounterName {
    /// Every counter, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Cycles,
        Self::Instructions,
        Self::LlcLoads,
        Self::LlcMisses,
        Self::L1dMisses,
        Self::DtlbMisses,
        Self::CacheMisses,
        Self::ContextSwitches,
        Self::Migrations,
        Self::TaskClock,
        Self::PageFaults,
    ];

    /// The name in files and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cycles => "cycles",
            Self::Instructions => "instructions",
            Self::LlcLoads => "llc-loads",
            Self::LlcMisses => "llc-misses",
            Self::L1dMisses => "l1d-misses",
            Self::DtlbMisses => "dtlb-misses",
            Self::CacheMisses => "cache-misses",
            Self::ContextSwitches => "context-switches",
            Self::Migrations => "migrations",
            Self::TaskClock => "task-clock",
            Self::PageFaults => "page-faults",
        }
    }

    /// The kernel counts it without a PMU.
    pub fn is_software(self) -> bool {
        self.event().0 == TYPE_SOFTWARE
    }

    /// Every stretch of running code raises it, so that 0 means a counter that does not count.
    fn always_counts(self) -> bool {
        matches!(self, Self::Cycles | Self::Instructions)
    }

    fn event(self) -> (u32, u64) {
        // Reads (op 0) of a cache: cache | op << 8 | result << 16.
        let cache = |cache: u64, result: u64| (TYPE_HW_CACHE, cache | result << 16);
        match self {
            Self::Cycles => (TYPE_HARDWARE, HW_CPU_CYCLES),
            Self::Instructions => (TYPE_HARDWARE, HW_INSTRUCTIONS),
            Self::CacheMisses => (TYPE_HARDWARE, HW_CACHE_MISSES),
            Self::LlcLoads => cache(CACHE_LL, RESULT_ACCESS),
            Self::LlcMisses => cache(CACHE_LL, RESULT_MISS),
            Self::L1dMisses => cache(CACHE_L1D, RESULT_MISS),
            Self::DtlbMisses => cache(CACHE_DTLB, RESULT_MISS),
            Self::ContextSwitches => (TYPE_SOFTWARE, SW_CONTEXT_SWITCHES),
            Self::Migrations => (TYPE_SOFTWARE, SW_CPU_MIGRATIONS),
            Self::TaskClock => (TYPE_SOFTWARE, SW_TASK_CLOCK),
            Self::PageFaults => (TYPE_SOFTWARE, SW_PAGE_FAULTS),
        }
    }
}

impl fmt::Display for CounterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is asked of a source: one event of the calling thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventRequest {
    /// The counter that is meant.
    pub counter: CounterName,
    /// `perf_event_attr.type`.
    pub event_type: u32,
    /// `perf_event_attr.config`, with the PMU's number on top on a hybrid CPU.
    pub config: u64,
}

impl EventRequest {
    fn new(counter: CounterName, pmu: Option<&CorePmu>) -> Self {
        let (event_type, config) = counter.event();
        let pmu_type = pmu.map_or(0, |pmu| u64::from(pmu.pmu_type));
        Self { counter, event_type, config: config | pmu_type << PMU_TYPE_SHIFT }
    }
}

/// Where counters come from: the running kernel ([`LiveSource`]), or a script in a test, as few
/// machines have every kind of PMU.
pub trait CounterSource {
    /// One open counter; closed by its drop.
    type Event: fmt::Debug;

    /// Opens a counter of the calling thread, disabled, in the group of `leader`.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn open(
        &mut self,
        request: EventRequest,
        leader: Option<&Self::Event>,
    ) -> Result<Self::Event, Errno>;

    /// The id that tells the counter within its group's readings.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn id(&mut self, event: &Self::Event) -> Result<u64, Errno>;

    /// Starts a whole group.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn enable_group(&mut self, leader: &Self::Event) -> Result<(), Errno>;

    /// Stops a whole group.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn disable_group(&mut self, leader: &Self::Event) -> Result<(), Errno>;

    /// Reads a whole group in the layout of [`crate::perf_format`] and returns the bytes written.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn read_group(&mut self, leader: &Self::Event, buffer: &mut [u8]) -> Result<usize, Errno>;
}

#[derive(Debug)]
struct Member<E> {
    counter: CounterName,
    id: u64,
    event: E,
}

/// One group on one PMU; the leader apart, so that a group without one cannot exist.
#[derive(Debug)]
struct Group<E> {
    leader: Member<E>,
    others: Vec<Member<E>>,
}

impl<E> Group<E> {
    fn members(&self) -> impl Iterator<Item = &Member<E>> {
        std::iter::once(&self.leader).chain(&self.others)
    }
}

/// The counters of one thread.
#[derive(Debug)]
pub struct Counters<S: CounterSource = LiveSource> {
    source: S,
    groups: Vec<Group<S::Event>>,
    wanted: Vec<CounterName>,
    unavailable: Vec<(CounterName, Unavailable)>,
    /// Core types of a hybrid CPU that lack a counter which another has.
    lacking: Vec<(CounterName, String)>,
}

/// What opening gave.
#[derive(Debug)]
pub struct Opened<S: CounterSource = LiveSource> {
    /// The counters that opened, disabled.
    pub counters: Counters<S>,
    /// The others, each with its reason.
    pub unavailable: Vec<(CounterName, Unavailable)>,
    /// Those of them that another moment may give (out of descriptors or memory).
    pub transient: Vec<CounterName>,
}

impl Counters<LiveSource> {
    /// Opens the wanted counters of the *calling* thread; reading works from any thread.
    ///
    /// A missing event leaves the rest of its group alone. User mode alone is never counted.
    pub fn open(wanted: &[CounterName]) -> Opened {
        Self::open_with(LiveSource, &Surroundings::read(Path::new(tree::LIVE)), wanted)
    }
}

impl<S: CounterSource> Counters<S> {
    /// [`Counters::open`] on any source and surroundings.
    pub fn open_with(source: S, around: &Surroundings, wanted: &[CounterName]) -> Opened<S> {
        let mut opening = Opening { source, groups: Vec::new(), refused: Vec::new() };
        let core = around.core_pmus();
        let is_hybrid = core.len() > 1;
        for group in GROUPS {
            let wanted: Vec<CounterName> =
                group.iter().copied().filter(|name| wanted.contains(name)).collect();
            let is_software = group.iter().all(|name| name.is_software());
            if is_software || !is_hybrid {
                opening.open_group(&wanted, None);
            } else {
                core.iter().for_each(|pmu| opening.open_group(&wanted, Some(pmu)));
            }
        }
        let Opening { source, groups, refused } = opening;
        let mut unavailable = Vec::new();
        let mut transient = Vec::new();
        let mut lacking = Vec::new();
        for &Refused { counter, ref pmu, errno } in &refused {
            let is_open = groups.iter().flat_map(Group::members).any(|m| m.counter == counter);
            if is_open {
                lacking.push((counter, pmu.clone()));
            } else if !unavailable.iter().any(|(name, _)| *name == counter) {
                unavailable.push((counter, around.explain(counter, errno)));
                if matches!(errno.0, libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EINTR) {
                    transient.push(counter);
                }
            }
        }
        let mut each: Vec<CounterName> = wanted.to_vec();
        each.sort_unstable();
        each.dedup();
        let counters =
            Self { source, groups, wanted: each, unavailable: unavailable.clone(), lacking };
        Opened { counters, unavailable, transient }
    }

    /// Starts all groups.
    ///
    /// # Errors
    /// The group that the kernel refused to start.
    pub fn enable(&mut self) -> Result<(), CallError> {
        for group in &self.groups {
            let answer = self.source.enable_group(&group.leader.event);
            answer.map_err(|errno| ioctl_error("ENABLE", group.leader.counter, errno))?;
        }
        Ok(())
    }

    /// Stops all groups.
    ///
    /// # Errors
    /// The group that the kernel refused to stop.
    pub fn disable(&mut self) -> Result<(), CallError> {
        for group in &self.groups {
            let answer = self.source.disable_group(&group.leader.event);
            answer.map_err(|errno| ioctl_error("DISABLE", group.leader.counter, errno))?;
        }
        Ok(())
    }

    /// Reads every group with one system call each, without allocating.
    pub fn read(&mut self) -> CounterSnapshot {
        let mut snapshot = CounterSnapshot { readings: [Reading::NotOpen; CounterName::ALL.len()] };
        let mut buffer = [0_u8; GROUP_BYTES];
        for group in &self.groups {
            let length = self.source.read_group(&group.leader.event, &mut buffer);
            let parsed = length.map_err(ReadFault::Call).and_then(|length| {
                parse_group(buffer.get(..length).unwrap_or_default()).map_err(ReadFault::Format)
            });
            for member in group.members() {
                let sample =
                    parsed.and_then(|reading| reading.sample(member.id).map_err(ReadFault::Format));
                snapshot.join(member.counter, sample);
            }
        }
        snapshot
    }

    /// What every wanted counter counted between two snapshots, or why it did not.
    pub fn delta(
        &self,
        before: &CounterSnapshot,
        after: &CounterSnapshot,
    ) -> Vec<(CounterName, Result<Count, Unavailable>)> {
        self.wanted.iter().map(|&name| (name, self.delta_of(name, before, after))).collect()
    }

    /// What one counter counted between two snapshots.
    ///
    /// # Errors
    /// It was not opened, could not be read, or was never scheduled onto the PMU.
    pub fn delta_of(
        &self,
        counter: CounterName,
        before: &CounterSnapshot,
        after: &CounterSnapshot,
    ) -> Result<Count, Unavailable> {
        let absent = |because: String| Unavailable {
            what: counter.to_string(),
            because,
            remedy: String::new(),
        };
        if let Some((_, why)) = self.unavailable.iter().find(|(name, _)| *name == counter) {
            return Err(why.clone());
        }
        let sample = |snapshot: &CounterSnapshot| match snapshot.reading(counter) {
            Reading::Taken(sample) => Ok(sample),
            Reading::NotOpen => Err(absent("it was not opened".to_owned())),
            Reading::Failed(fault) => Err(absent(fault.to_string())),
        };
        let count = Count::between(sample(before)?, sample(after)?)
            .map_err(|why| absent(why.to_string()))?;
        if let Some((_, pmu)) = self.lacking.iter().find(|(name, _)| *name == counter)
            && count.scaled
        {
            // Time on a core type without the event looks like multiplexing, and extrapolating
            // over it would invent what that core did.
            return Err(absent(format!(
                "it counted for a part of the window only: the thread ran on {pmu} too, which has no such event, or the counter was multiplexed"
            )));
        }
        if counter.always_counts() && count.value == 0 && count.time_running_ns > 0 {
            return Err(absent(format!(
                "it stood at 0 through {} ns of running code: this machine's counter does not count",
                count.time_running_ns
            )));
        }
        Ok(count)
    }

    /// The counters that were asked for but did not open, each with its reason.
    pub fn unavailable(&self) -> &[(CounterName, Unavailable)] {
        &self.unavailable
    }
}

fn ioctl_error(request: &str, counter: CounterName, errno: Errno) -> CallError {
    CallError { call: "ioctl", argument: format!("PERF_EVENT_IOC_{request}, {counter}"), errno }
}

struct Refused {
    counter: CounterName,
    pmu: String,
    errno: Errno,
}

struct Opening<S: CounterSource> {
    source: S,
    groups: Vec<Group<S::Event>>,
    refused: Vec<Refused>,
}

impl<S: CounterSource> Opening<S> {
    fn open_group(&mut self, wanted: &[CounterName], pmu: Option<&CorePmu>) {
        let mut group: Option<Group<S::Event>> = None;
        for &counter in wanted {
            let request = EventRequest::new(counter, pmu);
            let leader = group.as_ref().map(|group| &group.leader.event);
            let grouped = leader.is_some();
            match self.open_member(request, group.as_ref()) {
                Ok(member) => match &mut group {
                    Some(group) => group.others.push(member),
                    None => group = Some(Group { leader: member, others: Vec::new() }),
                },
                // The event may exist yet not fit beside its leader: then it leads its own group.
                Err(Errno(libc::EINVAL | libc::ENOSPC)) if grouped => {
                    match self.open_member(request, None) {
                        Ok(member) => {
                            self.groups.push(Group { leader: member, others: Vec::new() });
                        }
                        Err(errno) => self.refuse(counter, pmu, errno),
                    }
                }
                Err(errno) => self.refuse(counter, pmu, errno),
            }
        }
        self.groups.extend(group);
    }

    fn open_member(
        &mut self,
        request: EventRequest,
        group: Option<&Group<S::Event>>,
    ) -> Result<Member<S::Event>, Errno> {
        let event = self.source.open(request, group.map(|group| &group.leader.event))?;
        let id = self.source.id(&event)?;
        Ok(Member { counter: request.counter, id, event })
    }

    fn refuse(&mut self, counter: CounterName, pmu: Option<&CorePmu>, errno: Errno) {
        let pmu = pmu.map_or_else(String::new, |pmu| pmu.name.clone());
        self.refused.push(Refused { counter, pmu, errno });
    }
}

/// Why a reading failed; small, because it is taken at the edge of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// `read` was refused.
    Call(Errno),
    /// `read` returned something odd.
    Format(FormatError),
}

impl fmt::Display for ReadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(errno) => write!(f, "reading its group failed: {errno}"),
            Self::Format(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadFault {}

/// One counter in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Not wanted, or unavailable.
    NotOpen,
    /// Its state, joined over the core types.
    Taken(Sample),
    /// It is open, but could not be read.
    Failed(ReadFault),
}

/// All counters of a thread at one moment; plain bytes, taken without allocating.
#[derive(Clone, Copy, Debug)]
pub struct CounterSnapshot {
    readings: [Reading; CounterName::ALL.len()],
}

impl CounterSnapshot {
    /// One counter's reading.
    pub fn reading(&self, counter: CounterName) -> Reading {
        self.readings.get(counter as usize).copied().unwrap_or(Reading::NotOpen)
    }

    fn join(&mut self, counter: CounterName, sample: Result<Sample, ReadFault>) {
        if let Some(reading) = self.readings.get_mut(counter as usize) {
            *reading = match (*reading, sample) {
                (Reading::Failed(fault), _) | (_, Err(fault)) => Reading::Failed(fault),
                (Reading::NotOpen, Ok(sample)) => Reading::Taken(sample),
                (Reading::Taken(first), Ok(sample)) => Reading::Taken(first.joined(sample)),
            };
        }
    }
}
