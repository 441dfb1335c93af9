//! Marks: which trials to distrust, judged from their records and the plan's thresholds alone.

use crate::figures::answering_ns;
use model::record::{
    CpuBusy, Failure, FailureKind, Finished, Imported, Machine, Outcome, SendTally, Settings, Side,
    Span, Trial, Worker,
};
use model::values::BusyPoll;
use model::{Cell, Class, Mark, Measured, Share, Thresholds, UsableCpus};

/// The marks that a trial earns, void ones first, each once.
///
/// A source that is absent never marks: what was not seen speaks against nobody.
pub fn judge(trial: &Trial, thresholds: &Thresholds) -> Vec<Mark> {
    let mut marks = match &trial.outcome {
        Outcome::Failed(failure) => vec![of_failure(failure)],
        Outcome::Finished(finished) => of_finished(finished, &trial.settings, thresholds),
        Outcome::Imported(imported) => of_imported(imported, &trial.cell),
    };
    if let Outcome::Finished(finished) = &trial.outcome
        && trial.cell.busy_poll != BusyPoll::Auto
        && finished.receiver.socket.napi_id.is_none()
    {
        marks.push(Mark::NoBusyPoll);
    }
    if is_oversubscribed(&trial.cell, &trial.settings) {
        marks.push(Mark::Oversubscribed);
    }
    marks.sort_unstable();
    marks.dedup();
    marks
}

/// Whether threads that are meant to be busy at once wait for a CPU: more of them than CPUs, or by the seats where they
/// are known. A sender and its receiver may share one; the sink's helper, which spins, and a sender may not.
fn is_oversubscribed(cell: &Cell, settings: &Settings) -> bool {
    let Settings { usable_cpus, receiver_usable_cpus, sender_cpus, receiver_cpus, .. } = settings;
    let usable = UsableCpus {
        sender: usable_cpus.len(),
        receiver: receiver_usable_cpus.as_ref().map(Vec::len),
    };
    let is_shared = |cpus: &[u32]| cpus.iter().enumerate().any(|(n, cpu)| cpus[..n].contains(cpu));
    let helper = receiver_cpus.first().filter(|_| cell.link.capabilities().has_helper);
    cell.busy_on_hosts().exceed(usable)
        || is_shared(sender_cpus)
        || is_shared(receiver_cpus)
        || helper.is_some_and(|cpu| sender_cpus.contains(cpu))
}

/// Whether any of these makes its trial void.
pub fn is_void(marks: &[Mark]) -> bool {
    marks.iter().any(|mark| mark.class() == Class::Void)
}

fn of_failure(failure: &Failure) -> Mark {
    match failure.kind {
        FailureKind::EndLost => Mark::EndLost,
        FailureKind::CallFailed | FailureKind::Unsupported => Mark::CallFailed,
        FailureKind::NothingPassed => Mark::NothingPassed,
    }
}

/// Those that the file gives it, and whether it kept more threads busy than the CPUs that it is said to have had.
fn of_imported(imported: &Imported, cell: &Cell) -> Vec<Mark> {
    let mut marks = imported.marks.clone();
    if imported.usable_cpus.is_some_and(|cpus| cell.busy_threads() > cpus) {
        marks.push(Mark::Oversubscribed);
    }
    marks
}

fn of_finished(finished: &Finished, settings: &Settings, thresholds: &Thresholds) -> Vec<Mark> {
    let Finished { sender, receiver, machine, receiver_machine, link: _, sink, memory_traffic: _ } =
        finished;
    let of_any = |holds: &dyn Fn(&Machine) -> bool| {
        holds(machine) || receiver_machine.as_deref().is_some_and(holds)
    };
    // What the sink dropped beyond a gap is sent again.
    let gaps = sink.value().is_some_and(|sink| sink.window.gaps > 0);
    let any = |off: &dyn Fn(&Worker) -> bool| {
        sender.workers.iter().any(off) || receiver.workers.iter().any(off)
    };
    let is_void_window = any(&|worker| match &settings.series {
        Some(series) => hardly_ran(worker, series.window_ns.0, thresholds.window_void),
        None => is_off(worker, settings.window_ns.0, thresholds.window_void),
    });
    let is_noted_window = any(&|worker| match &settings.series {
        Some(series) => {
            missed(worker, series.window_ns.0) > slices(worker, thresholds.window_noted)
        }
        None => is_off(worker, settings.window_ns.0, thresholds.window_noted),
    });
    let (accepted, received) = match &settings.series {
        // Windows of a slice begin and end at both ends by their own clocks.
        Some(_) => (rate(&sender.workers), rate(&receiver.workers)),
        None => (sender.window.accepted_bytes as f64, receiver.window.received_bytes as f64),
    };
    let earned = [
        (Mark::ContentLost, is_content_lost(finished)),
        // Thirds of a series are turns apart: what differs between them is noise that its ratios do not have.
        (
            Mark::Unsettled,
            settings.series.is_none() && is_unsettled(&receiver.workers, thresholds.unsettled),
        ),
        (Mark::WindowVoid, is_void_window),
        (Mark::WindowNoted, !is_void_window && is_noted_window),
        (Mark::Stalled, any(&|worker| is_stalled(worker, settings, thresholds.window_noted))),
        (Mark::Throttled, is_throttled(sender) || is_throttled(receiver)),
        (
            Mark::Retransmits,
            gaps || sender.retransmits().max(receiver.retransmits()).is_some_and(|n| n > 0),
        ),
        (Mark::Imbalance, apart(accepted, received) > thresholds.imbalance.0),
        (Mark::Steal, of_any(&|it| stolen(it).is_some_and(|share| share > thresholds.steal.0))),
        (Mark::Others, is_shared(finished, thresholds.others)),
        (Mark::Frequency, of_any(&|it| is_frequency_changed(it, thresholds.frequency))),
        (Mark::Multiplexed, is_multiplexed(sender) || is_multiplexed(receiver)),
        (Mark::Strangers, sender.strangers > 0 || receiver.strangers > 0),
        (Mark::HelperClock, sink.value().is_some_and(|sink| answering_ns(sink).is_err())),
    ];
    earned.into_iter().filter_map(|(mark, is_earned)| is_earned.then_some(mark)).collect()
}

/// How far two figures are apart, as a share of the larger one; 0 where both are 0.
fn apart(a: f64, b: f64) -> f64 {
    let larger = a.max(b);
    if larger > 0.0 { (a - b).abs() / larger } else { 0.0 }
}

/// Laws 1 and 3 of the design, as far as a single record can tell.
fn is_content_lost(finished: &Finished) -> bool {
    let SendTally { accepted_bytes, zerocopy_sends, completed, stray_ids, .. } =
        finished.sender.total;
    let received = &finished.receiver.total;
    received.received_bytes != accepted_bytes
        || received.wrong_bytes > 0
        || stray_ids > 0
        || zerocopy_sends != completed
}

/// Whether goodput of the first and last third of the receivers' windows disagree.
fn is_unsettled(receivers: &[Worker], limit: Share) -> bool {
    let goodput = |third: usize| -> f64 {
        let rate = |worker: &Worker| match worker.third_ns[third] {
            0 => 0.0,
            ns => worker.third_bytes[third] as f64 / ns as f64,
        };
        receivers.iter().map(rate).sum()
    };
    apart(goodput(0), goodput(2)) > limit.0
}

/// Whether a worker's own window is longer, shorter, earlier or later than the ordered one by more than a share of it.
fn is_off(worker: &Worker, ordered_ns: u64, limit: Share) -> bool {
    let allowed = limit.0 * ordered_ns as f64;
    worker.window_ns.0.abs_diff(ordered_ns) as f64 > allowed
        || worker.late_ns.unsigned_abs() as f64 > allowed
}

/// Whether a worker missed more than a share of its slices, and two of them at least unless it missed all: one late wake-up is no
/// more in a series of three slices than in one of fifty.
fn hardly_ran(worker: &Worker, ordered_ns: u64, limit: Share) -> bool {
    let missed = missed(worker, ordered_ns);
    missed > slices(worker, limit).max(1.0) || missed >= worker.slices.len() as f64
}

/// Whether a worker's bytes stood still in more than a share of its slices while it slept in a call.
fn is_stalled(worker: &Worker, settings: &Settings, limit: Share) -> bool {
    settings.series.as_ref().is_some_and(|series| {
        worker.slices.stalled(series.window_ns.0).count() as f64 > slices(worker, limit)
    })
}

/// So many slices are a share of a worker's.
fn slices(worker: &Worker, share: Share) -> f64 {
    share.0 * worker.slices.len() as f64
}

/// The slices that a worker missed. Where threads share CPUs each begins its window when its turn comes, so that
/// a shorter one is as usual, and counts for as long as it was; one that ran on has a longer window, and one that slept in a call
/// while nothing moved the ordered one.
fn missed(worker: &Worker, ordered_ns: u64) -> f64 {
    let is_missed = |span: &Span| span.window_ns.saturating_mul(MISSED) < ordered_ns;
    worker.slices.iter().filter(is_missed).count() as f64
}

/// A worker missed a slice of whose window it saw less than one in so many parts.
const MISSED: u64 = 8;

/// Payload bytes a nanosecond, each worker's over its own window.
fn rate(workers: &[Worker]) -> f64 {
    workers.iter().map(|worker| worker.bytes.0 as f64 / worker.window_ns.0.max(1) as f64).sum()
}

fn is_throttled<T>(side: &Side<T>) -> bool {
    side.throttled_us.value().is_some_and(|us| *us > 0)
}

/// Nanoseconds of all CPUs.
fn total(ns: &[u64]) -> f64 {
    ns.iter().map(|ns| *ns as f64).sum()
}

/// Stolen time as a share of the time of all CPUs in use.
fn stolen(machine: &Machine) -> Option<f64> {
    let ticks = machine.ticks.value()?;
    let time = ticks.span_ns.0 as f64 * ticks.cpus.len() as f64;
    // One tick more or less says nothing over so short a time as that of a series' control.
    let tick = machine.moved_bytes.map_or(0.0, |_| ticks.tick_ns.0 as f64);
    (time > 0.0).then(|| (total(&ticks.steal_ns) - tick) / time)
}

/// CPU time of a side's workers while the machine was observed, in ns: each worker's share of its own window, as both
/// spans have their own edges.
fn on_cpu_in<T>(side: &Side<T>, span_ns: f64) -> f64 {
    let share = |worker: &Worker| match worker.window_ns.0 {
        0 => 0.0,
        window => worker.cpu_ns.0 as f64 / window as f64,
    };
    side.workers.iter().map(share).sum::<f64>() * span_ns
}

/// Whether others than the ends and softirqs used more of the CPUs in use than a share of one CPU.
///
/// The figure is a lower bound: all softirq and interrupt time counts as the ends', though a kernel without
/// CONFIG_IRQ_TIME_ACCOUNTING charged part of it to their threads already. What lies within the error of the
/// sources (one tick of `/proc/stat` a CPU beside that of the busy time) marks nothing.
fn is_shared(finished: &Finished, limit: Share) -> bool {
    let Finished { sender, receiver, machine, receiver_machine, .. } = finished;
    match receiver_machine {
        None => is_machine_shared(machine, limit, |span| {
            on_cpu_in(sender, span) + on_cpu_in(receiver, span)
        }),
        Some(there) => {
            is_machine_shared(machine, limit, |span| on_cpu_in(sender, span))
                || is_machine_shared(there, limit, |span| on_cpu_in(receiver, span))
        }
    }
}

/// The same of one machine; `workers_ns` is the CPU time of the workers that run there, in a span.
fn is_machine_shared(machine: &Machine, limit: Share, workers_ns: impl Fn(f64) -> f64) -> bool {
    let (Measured::Value(busy), Measured::Value(ticks)) = (&machine.busy, &machine.ticks) else {
        return false;
    };
    let CpuBusy { error_ns, span_ns, cpus, busy_ns, .. } = busy;
    let span = span_ns.0 as f64;
    let interrupts = total(&ticks.softirq_ns) + total(&ticks.irq_ns);
    let ends = machine.ends_cpu_ns.map_or_else(|| workers_ns(span), |ends| ends.0 as f64);
    let others = total(busy_ns) - ends - interrupts;
    let error = (error_ns.0 as f64 + ticks.tick_ns.0 as f64) * cpus.len() as f64;
    others > limit.0 * span && others > error
}

fn is_frequency_changed(machine: &Machine, limit: Share) -> bool {
    let changed = |[first, last]: &[u64; 2]| apart(*first as f64, *last as f64) > limit.0;
    machine.khz.value().is_some_and(|khz| khz.iter().any(changed))
}

fn is_multiplexed<T>(side: &Side<T>) -> bool {
    side.counters
        .all()
        .into_iter()
        .any(|(_, count)| count.value().is_some_and(|count| count.scaled))
}
