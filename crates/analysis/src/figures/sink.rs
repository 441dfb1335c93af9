//! What answers for the sink's missing peer: its helper and its program.

use model::record::{Finished, SinkFacts, SinkTally};
use model::{Bytes, Measured};

use super::{SideSums, present};

/// What the sink's helper took to answer, in ns of its CPU time; records of older versions have it by the wall clock, up
/// to all of that time.
///
/// # Errors
/// The two clocks contradict each other: more than all its CPU time.
pub(crate) fn answering_ns(sink: &SinkFacts) -> Result<f64, String> {
    let answering = sink.answering_cpu_ns.value().unwrap_or(&sink.answering_ns);
    if answering.0 > sink.helper_cpu_ns.0 {
        return Err(format!(
            "the sink's helper answered for {answering} of CPU time, but had only {}",
            sink.helper_cpu_ns
        ));
    }
    Ok(answering.0 as f64)
}

/// What the helper takes to look, without answering, in ns a ns; 0 where its CPU is not among those that are watched.
pub(super) fn looking_per_ns(finished: &Finished, helper: &SideSums) -> Result<f64, String> {
    let sink = present(&finished.sink)?;
    if !present(&finished.machine.busy)?.cpus.contains(&sink.helper_cpu) {
        return Ok(0.0);
    }
    if let Some(looking) = sink.looking_ns {
        return Ok(looking.0 as f64 / present(&finished.machine.busy)?.span_ns.0.max(1) as f64);
    }
    Ok((sink.helper_cpu_ns.0 as f64 - answering_ns(sink)?) / helper.mean_window_ns)
}

/// Softirq time of the CPUs in use within the senders' windows, in ns, where the kernel charges it to no thread; else 0:
/// the thread that was interrupted has it in its own time.
///
/// # Errors
/// It is charged to no thread, and was not read; or whether it is is not known, as 0 may then leave out most of the cost.
pub(super) fn uncharged_softirq_ns(
    finished: &Finished,
    sink: &SinkFacts,
    sender: &SideSums,
) -> Result<f64, String> {
    match &sink.softirqs_apart {
        Measured::Value(true) => {}
        Measured::Value(false) => return Ok(0.0),
        Measured::Absent { absent } => {
            return Err(format!(
                "whether this kernel charges softirqs to no thread is not known: {absent}; measure again where the kernel's configuration can be read (/proc/config.gz or /boot/config-RELEASE; in a container, the host's mounted there)"
            ));
        }
    }
    let ticks = present(&finished.machine.ticks).map_err(|why| {
        format!("this kernel charges softirqs to no thread, and their time is absent: {why}")
    })?;
    if ticks.span_ns.0 == 0 {
        return Err("softirq time was read over no time at all".to_owned());
    }
    let ns: f64 = ticks.softirq_ns.iter().map(|ns| *ns as f64).sum();
    match finished.machine.moved_bytes {
        Some(Bytes(0)) => Err("no byte passed while softirq time was read".to_owned()),
        // Read from silence to silence beside the steady window of a series.
        Some(moved) => Ok(ns / moved.0 as f64 * sender.bytes),
        None => Ok(ns / ticks.span_ns.0 as f64 * sender.mean_window_ns),
    }
}

/// How often the helper looked in the window.
///
/// # Errors
/// Never in the window; or nobody counted, as a helper that never looked would have met no flow.
pub(super) fn looks(sink: &SinkFacts) -> Result<f64, String> {
    match (sink.window.looks, sink.total.looks) {
        (_, 0) => Err("the version of copycost that measured this did not count looks".to_owned()),
        (0, _) => Err("the sink's helper did not look in the window".to_owned()),
        (looks, _) => Ok(looks as f64),
    }
}

pub(super) fn bytes_per_taken_packet(window: &SinkTally) -> Result<f64, String> {
    match window.packets {
        0 => Err("the sink took no packet in the window".to_owned()),
        packets => Ok(window.payload_bytes as f64 / packets as f64),
    }
}
