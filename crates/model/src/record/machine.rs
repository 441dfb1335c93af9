//! What whole CPUs did.

use serde::{Deserialize, Serialize};

use crate::measured::Measured;
use crate::units::{Bytes, Nanos};

/// What the machine did over the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Busy time of the CPUs in use, from idle residency or a like source.
    pub busy: Measured<CpuBusy>,
    /// `/proc/stat` of the CPUs in use.
    pub ticks: Measured<CpuTicks>,
    /// Frequencies at both edges, in kHz, CPU by CPU.
    pub khz: Measured<Vec<[u64; 2]>>,
    /// Of a series: payload bytes that passed between the two readings, which lie in the silence before and after a steady
    /// slice. Absent where the readings stand at the edges of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_bytes: Option<Bytes>,
    /// Of a series: CPU time of both ends, all their threads, between the two readings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_cpu_ns: Option<Nanos>,
    /// Of a series: busy time of the same CPUs in the silence beside it, both ends idle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Measured<CpuBusy>>,
    /// Of a series: what the usable CPUs did while it lasted, the same in each of its trials. Absent in steady trials, and in
    /// journals of versions that did not look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Box<Load>>,
}

/// What the usable CPUs did over a whole series, from before its connections to after its last slice: read outside the
/// slices, once at each end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Busy time of the usable CPUs, from idle residency or a like source.
    pub busy: Measured<CpuBusy>,
    /// `/proc/stat` of the same CPUs.
    pub ticks: Measured<CpuTicks>,
    /// Frequencies at both readings, in kHz, CPU by CPU.
    pub khz: Measured<Vec<[u64; 2]>>,
    /// CPU time of copycost's own processes between the readings, in ns: both ends and the engine, all their threads, from
    /// their process clocks.
    pub own_cpu_ns: Measured<Nanos>,
    /// Whether softirqs and interrupts are charged to no thread (CONFIG_IRQ_TIME_ACCOUNTING), and so are not in `own_cpu_ns`.
    pub interrupts_apart: Measured<bool>,
}

/// Why a trial has no [`MemoryTraffic`].
pub const NO_MEMORY_LOAD: &str =
    "nothing streamed through memory beside it; add --memory-load stream";

/// What a thread of the engine did that streamed through memory beside a trial (`--memory-load stream`): over the counted slices
/// of a series, or the whole of a steady trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryTraffic {
    /// The CPU that it had, which no worker has.
    pub cpu: u32,
    /// The memory that it went through again and again.
    pub buffer_bytes: Bytes,
    /// The last-level cache that this is larger than.
    pub cache_bytes: Bytes,
    /// Bytes that it read and as many that it wrote, together.
    pub moved_bytes: Bytes,
    /// Its CPU time, which is neither the ends' nor others'.
    pub cpu_ns: Nanos,
    /// From each time that it was let go to when it was stopped.
    pub span_ns: Nanos,
}

/// Busy time of CPUs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CpuBusy {
    /// Where it came from: `cpuidle`, `timer-list`, `proc-stat`.
    pub source: String,
    /// What one CPU's figure may be off by.
    pub error_ns: Nanos,
    /// Time between the two readings.
    pub span_ns: Nanos,
    /// CPU numbers.
    pub cpus: Vec<u32>,
    /// Busy nanoseconds, CPU by CPU.
    pub busy_ns: Vec<u64>,
}

/// Time by kind, CPU by CPU, from `/proc/stat`: in steps of `tick_ns`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CpuTicks {
    /// The unit of the figures below.
    pub tick_ns: Nanos,
    /// Time between the two readings.
    pub span_ns: Nanos,
    /// CPU numbers.
    pub cpus: Vec<u32>,
    /// Softirq time in nanoseconds.
    pub softirq_ns: Vec<u64>,
    /// Hardware interrupt time in nanoseconds.
    pub irq_ns: Vec<u64>,
    /// Time that the hypervisor took, in nanoseconds.
    pub steal_ns: Vec<u64>,
}
