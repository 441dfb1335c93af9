//! What laws and claims ask of a trial beside its figures.

use std::sync::Arc;

use model::record::{
    Count, Counters, CpuBusy, Finished, Machine, ReceiveTally, SendTally, Settings, Worker,
};
use model::{Measured, Nanos};

use super::Interned;
use crate::figures::{MachineNs, Reading, machine_ns_there};

/// What is kept of a trial that finished.
#[derive(Clone, Debug)]
pub(crate) struct FinishedFacts {
    /// What the senders counted over the whole trial.
    pub(crate) sent: SendTally,
    /// What the receivers counted over the whole trial.
    pub(crate) taken: ReceiveTally,
    /// What the sink counted over the whole trial, where there is one.
    pub(crate) sink: Option<SinkTotals>,
    /// Busy time of the CPUs in use beside the ends' own; or why it is absent.
    pub(crate) busy: Result<Box<BusyFacts>, Arc<str>>,
    /// The same of the receiver's machine, where it is another one.
    pub(crate) busy_there: Option<Result<Box<BusyFacts>, Arc<str>>>,
    /// Cycles and CPU time of the sender and of the receiver.
    pub(crate) cycles: [CycleFacts; 2],
    /// Bytes of the sender's arenas.
    pub(crate) sender_ring_bytes: u64,
}

/// What the sink counted over a whole trial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SinkTotals {
    /// Payload bytes that it took in order.
    pub(crate) payload_bytes: u64,
    /// Packets beyond a gap that it dropped.
    pub(crate) gaps: u64,
}

/// Busy time of the CPUs in use, in ns, beside that of the ends.
#[derive(Clone, Debug)]
pub(crate) struct BusyFacts {
    /// How long the CPUs were observed.
    pub(crate) span_ns: f64,
    /// What one CPU's figure may be off by.
    pub(crate) error_ns: f64,
    /// How many CPUs there are.
    pub(crate) cpus: usize,
    /// The busiest CPU and its busy time; none of no CPU.
    pub(crate) busiest: Option<(u32, u64)>,
    /// Busy time of all CPUs.
    pub(crate) all_ns: f64,
    /// CPU time in the same span of the ends that run there.
    pub(crate) ends_ns: f64,
    /// Busy time less what the CPUs do with both ends idle, where that was read.
    pub(crate) machine: Option<MachineNs>,
}

impl BusyFacts {
    /// Of the sender's machine, which is that of both ends where there is one.
    fn of(busy: &CpuBusy, finished: &Finished, reading: &Reading<'_>) -> Self {
        let of_workers = || {
            let sender = own_cpu_ns(&finished.sender.workers, busy.span_ns);
            match finished.receiver_machine {
                Some(_) => sender,
                None => sender + own_cpu_ns(&finished.receiver.workers, busy.span_ns),
            }
        };
        let ends_ns = finished.machine.ends_cpu_ns.map_or_else(of_workers, |ns| ns.0 as f64);
        Self::new(busy, ends_ns, reading.machine_ns(finished).ok())
    }

    /// Of the receiver's machine, which is another one.
    fn of_receiver(busy: &CpuBusy, machine: &Machine, finished: &Finished) -> Self {
        let of_workers = || own_cpu_ns(&finished.receiver.workers, busy.span_ns);
        let ends_ns = machine.ends_cpu_ns.map_or_else(of_workers, |ns| ns.0 as f64);
        Self::new(busy, ends_ns, machine_ns_there(machine).ok())
    }

    fn new(busy: &CpuBusy, ends_ns: f64, machine: Option<MachineNs>) -> Self {
        let of_cpus = busy.cpus.iter().copied().zip(busy.busy_ns.iter().copied());
        Self {
            span_ns: busy.span_ns.0 as f64,
            error_ns: busy.error_ns.0 as f64,
            cpus: busy.cpus.len(),
            busiest: of_cpus.rev().max_by_key(|(_, ns)| *ns),
            all_ns: busy.busy_ns.iter().map(|ns| *ns as f64).sum(),
            ends_ns,
            machine,
        }
    }
}

/// CPU time of a side's workers that lies within the span in which the CPUs were observed, in ns. The span holds the
/// windows; where it is shorter, only that part of them counts.
fn own_cpu_ns(workers: &[Worker], span: Nanos) -> f64 {
    let within = |worker: &Worker| {
        let window = worker.window_ns.0.max(1) as f64;
        worker.cpu_ns.0 as f64 * (span.0 as f64 / window).min(1.0)
    };
    workers.iter().map(within).sum()
}

/// What a side's counters say of its frequency; or why they say nothing.
#[derive(Clone, Debug)]
pub(crate) struct CycleFacts {
    /// CPU cycles.
    pub(crate) cycles: Result<u64, Arc<str>>,
    /// CPU time in ns.
    pub(crate) clock_ns: Result<u64, Arc<str>>,
}

impl FinishedFacts {
    pub(super) fn of(finished: &Finished, reading: &Reading<'_>, interned: &mut Interned) -> Self {
        let busy = match &finished.machine.busy {
            Measured::Absent { absent } => Err(interned.reason(absent)),
            Measured::Value(busy) => Ok(Box::new(BusyFacts::of(busy, finished, reading))),
        };
        let busy_there = finished.receiver_machine.as_deref().map(|there| match &there.busy {
            Measured::Absent { absent } => Err(interned.reason(absent)),
            Measured::Value(busy) => Ok(Box::new(BusyFacts::of_receiver(busy, there, finished))),
        });
        let mut known = |count: &Measured<Count>| match count {
            Measured::Value(count) => Ok(count.count),
            Measured::Absent { absent } => Err(interned.reason(absent)),
        };
        let mut cycles = |counters: &Counters| CycleFacts {
            cycles: known(&counters.cycles),
            clock_ns: known(&counters.task_clock_ns),
        };
        Self {
            sent: finished.sender.total,
            taken: finished.receiver.total,
            sink: finished.sink.value().map(|sink| SinkTotals {
                payload_bytes: sink.total.payload_bytes,
                gaps: sink.total.gaps,
            }),
            cycles: [cycles(&finished.sender.counters), cycles(&finished.receiver.counters)],
            busy,
            busy_there,
            sender_ring_bytes: finished.sender.ring_bytes.0,
        }
    }
}

/// Where a trial's workers ran, and the memory that they used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seating {
    /// CPUs that the ends may use.
    pub(crate) usable_cpus: Vec<u32>,
    /// CPU of each sending worker, empty where not pinned.
    pub(crate) sender_cpus: Vec<u32>,
    /// CPU of each receiving worker, empty where not pinned.
    pub(crate) receiver_cpus: Vec<u32>,
    /// Slots of each flow's ring.
    pub(crate) ring_slots: u32,
    /// Bytes that a receive call asks for.
    pub(crate) receive_buffer_bytes: u64,
}

impl Seating {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            usable_cpus: settings.usable_cpus.clone(),
            sender_cpus: settings.sender_cpus.clone(),
            receiver_cpus: settings.receiver_cpus.clone(),
            ring_slots: settings.ring_slots,
            receive_buffer_bytes: settings.receive_buffer_bytes.0,
        }
    }
}
