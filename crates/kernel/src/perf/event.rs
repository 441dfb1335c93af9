//! What can be counted, and what is asked of a source of counters.

use std::fmt;

use crate::Errno;

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
    pub(super) fn always_counts(self) -> bool {
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
    /// The counter's event, on a hybrid CPU of the PMU with this number.
    pub(super) fn new(counter: CounterName, pmu_type: Option<u32>) -> Self {
        let (event_type, config) = counter.event();
        let pmu_type = pmu_type.map_or(0, u64::from);
        Self { counter, event_type, config: config | pmu_type << PMU_TYPE_SHIFT }
    }
}

/// Where counters come from: the running kernel ([`crate::perf::LiveSource`]), or a script in a test, as few
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
