//! What a trial kept its machines busy for.

use model::record::{CpuBusy, Machine};
use model::{Bytes, Measured};

use super::{KIB, SideSums, present};

/// The busy time of one machine per KiB that passed while it was read.
pub(super) fn machine_cpu_ns_per_kib_of(
    machine: &Machine,
    of_round: Option<&Measured<CpuBusy>>,
    aside: f64,
    receiver: &SideSums,
) -> Result<f64, String> {
    let span = present(&machine.busy)?.span_ns.0 as f64;
    let ns = machine_ns(machine, of_round)?.ns;
    let bytes = match machine.moved_bytes {
        Some(Bytes(0)) => return Err("no byte passed while busy time was read".to_owned()),
        Some(moved) => moved.0 as f64,
        None => receiver.bytes_per_ns * span,
    };
    Ok((ns - aside * span) / (bytes / KIB))
}

/// [`machine_ns`] of the receiving end's machine, where it is another one: its baseline stands beside its reading.
///
/// # Errors
/// The same.
pub(crate) fn machine_ns_there(machine: &Machine) -> Result<MachineNs, String> {
    machine_ns(machine, None)
}

/// Busy time of the CPUs in use less what they do in the same time with both ends idle: in the silence beside the
/// reading, or else as at the round's beginning.
///
/// # Errors
/// Either was not read, or over no time; or others use the CPUs too much with both ends idle.
pub(super) fn machine_ns(
    machine: &Machine,
    of_round: Option<&Measured<CpuBusy>>,
) -> Result<MachineNs, String> {
    let busy = present(&machine.busy)?;
    let idle = machine.idle.as_ref().or(of_round);
    let idle = present(idle.ok_or("no idle baseline stands before this trial")?)?;
    if idle.span_ns.0 == 0 || busy.span_ns.0 == 0 {
        return Err("busy time was read over no time at all".to_owned());
    }
    let baseline = baseline_ns(idle, busy)?;
    // What two baselines of a round differ by, any one of them may be off by.
    let other = machine.idle.as_ref().and(of_round).and_then(Measured::value);
    let other = other.and_then(|other| baseline_ns(other, busy).ok());
    let span = busy.span_ns.0 as f64 * busy.cpus.len() as f64;
    let usual = (baseline + other.unwrap_or(baseline)) / 2.0 / span;
    if usual > OTHERS {
        return Err(format!(
            "other programs used {:.0} % of the CPUs with both ends idle, and which part of that they left to the ends cannot be told",
            usual * 100.0
        ));
    }
    let apart = other.map_or(0.0, |other| (baseline - other).abs());
    let scale = busy.span_ns.0 as f64 / idle.span_ns.0 as f64;
    let one = busy.error_ns.0 as f64 + idle.error_ns.0 as f64 * scale;
    let all: f64 = busy.busy_ns.iter().map(|ns| *ns as f64).sum();
    Ok(MachineNs { ns: all - baseline, error_ns: one * busy.cpus.len() as f64 + apart })
}

/// The share of the CPUs that others may use with both ends idle: while the ends run, others may use less of them, by an
/// unknown part of that share.
const OTHERS: f64 = 0.1;

/// What the CPUs of a reading do with both ends idle, over the reading's span, in ns.
fn baseline_ns(idle: &CpuBusy, busy: &CpuBusy) -> Result<f64, String> {
    let scale = busy.span_ns.0 as f64 / idle.span_ns.0.max(1) as f64;
    let of = |cpu: &u32| {
        let place = idle.cpus.iter().position(|other| other == cpu);
        let baseline = place.and_then(|place| idle.busy_ns.get(place));
        let baseline =
            baseline.ok_or_else(|| format!("CPU {cpu} has no idle baseline in this round"))?;
        Ok(*baseline as f64 * scale)
    };
    busy.cpus.iter().map(of).sum()
}

/// What a trial kept the machine busy for, beyond what it does with both ends idle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MachineNs {
    /// CPU time in ns.
    pub(crate) ns: f64,
    /// What its sources say that they may be off by, in ns.
    pub(crate) error_ns: f64,
}
