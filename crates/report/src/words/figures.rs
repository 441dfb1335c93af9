//! What figures, cells and outcomes are called in sentences.

use analysis::findings::{Crossover, CrossoverOutcome};
use analysis::metric::{Better, Metric};
use analysis::operands::Crossed;
use analysis::results::{Finding, Ratio};
use analysis::summary::Summary;
use model::{Cell, Factor, Shared};

use crate::spelling::{listed, outcome, shared_words, size};

/// A metric's name in a sentence.
pub(crate) fn metric(metric: Metric) -> String {
    let name = match metric {
        Metric::GoodputGbps => "goodput",
        Metric::MessagesPerS => "messages per second",
        Metric::SenderCpuNsPerMessage => "the sender's CPU per message",
        Metric::ReceiverCpuNsPerMessage => "the receiver's CPU per message",
        Metric::SenderCpuNsPerKib => "the sender's CPU per KiB",
        Metric::ReceiverCpuNsPerKib => "the receiver's CPU per KiB",
        Metric::EndsCpuNsPerKib => "CPU per KiB of both ends",
        Metric::SenderSideCpuNsPerKib => "sender-side cost per KiB",
        Metric::SenderSideMachineCpuNsPerKib => "sender-side cost of the machine per KiB",
        Metric::MachineCpuNsPerKib => "CPU of the machine per KiB",
        Metric::SenderHostCpuNsPerKib => "CPU of the sender's host per KiB",
        Metric::ReceiverHostCpuNsPerKib => "CPU of the receiver's host per KiB",
        Metric::SoftirqNsPerKib => "softirq time per KiB",
        Metric::SenderCyclesPerByte => "the sender's cycles per byte",
        Metric::ReceiverCyclesPerByte => "the receiver's cycles per byte",
        Metric::SenderInstructionsPerByte => "the sender's instructions per byte",
        Metric::ReceiverInstructionsPerByte => "the receiver's instructions per byte",
        Metric::SenderLlcLoadsPerKib => "the sender's last-level reads per KiB",
        Metric::ReceiverLlcLoadsPerKib => "the receiver's last-level reads per KiB",
        Metric::SenderLlcMissesPerKib => "the sender's last-level misses per KiB",
        Metric::ReceiverLlcMissesPerKib => "the receiver's last-level misses per KiB",
        Metric::SenderL1dMissesPerKib => "the sender's L1 data misses per KiB",
        Metric::ReceiverL1dMissesPerKib => "the receiver's L1 data misses per KiB",
        Metric::SenderDtlbMissesPerKib => "the sender's data TLB misses per KiB",
        Metric::ReceiverDtlbMissesPerKib => "the receiver's data TLB misses per KiB",
        Metric::SenderCacheMissesPerKib => "the sender's cache misses per KiB",
        Metric::ReceiverCacheMissesPerKib => "the receiver's cache misses per KiB",
        Metric::ContextSwitchesPerS => "context switches per second",
        Metric::SenderContextSwitchesPerS => "the sender's context switches per second",
        Metric::MigrationsPerS => "migrations between CPUs per second",
        Metric::SendCallsPerMessage => "send calls per message",
        Metric::SenderCallsPerMessage => "the sender's system calls per message",
        Metric::BytesPerReceiveCall => "bytes per receive call",
        Metric::MappedShare => "share of received bytes mapped",
        Metric::BytesPerPacket => "bytes per packet",
        Metric::SendBufferLimitedShare => "share of time limited by the send buffer",
        Metric::CopiedShare => "share of completions marked copied",
        Metric::SenderCpuAfterShare => "share of the sender's CPU after the window",
        Metric::UringThreadsShare => "share of the sender's CPU in threads of its io_uring",
        Metric::ReleaseP50Us => "release latency in µs, median",
        Metric::ReleaseP99Us => "release latency in µs, 99th percentile",
        Metric::ReleaseMaxUs => "longest release latency in µs",
        Metric::SlotWaitsPerMessage => "waits for a free slot per message",
        Metric::NoBuffersPerMessage => "ENOBUFS per message",
        Metric::Retransmits => "retransmitted segments",
        Metric::StalledShare => "share of slices in which bytes stood still",
        Metric::StallUs => "time that bytes stood still in µs",
        Metric::RttUs => "round-trip time in µs",
        Metric::CwndPackets => "congestion window in packets",
        Metric::MssBytes => "segment size in bytes",
        Metric::AckIntervalUs => "interval of acknowledgements in µs",
        Metric::HelperCpuNsPerKib => "the helper's CPU per KiB",
        Metric::ProgramNsPerPacket => "the BPF program's time per packet in ns",
        Metric::MemoryLoadGbPerS => "memory traffic beside it in GB/s",
    };
    name.to_owned()
}

/// A cell without its path: `64 KiB, 1 thread`, and what else is not usual of it.
pub(crate) fn place(cell: &Cell, but: &[Factor]) -> String {
    shared_words(&Shared::new(cell, &[&[Factor::Send], but].concat()))
}

/// At how many of a crossover's sizes which finding was made.
pub(crate) fn counted_findings(summary: &Summary, crossover: &Crossover) -> Crossed {
    let low = crossover.metric.better() == Better::Low;
    let mut it =
        Crossed { crossover: crossover.clone(), better: 0, worse: 0, alike: 0, unclear: 0 };
    let ratios = summary.ratios.iter().filter(|ratio| {
        ratio.metric == crossover.metric
            && ratio.contrast == crossover.contrast
            && crossover.shared.has(&ratio.cell)
            && ratio.ratio.value().is_some()
    });
    for ratio in ratios {
        match (ratio.finding, low) {
            (Finding::More, false) | (Finding::Less, true) => it.better += 1,
            (Finding::Less, false) | (Finding::More, true) => it.worse += 1,
            (Finding::Equivalent, _) => it.alike += 1,
            (Finding::Undecided | Finding::AtLineRate, _) => it.unclear += 1,
        }
    }
    it
}

/// How many ratios of a metric were tested together: what a finding is corrected for.
pub(crate) fn tested(summary: &Summary, metric: Metric) -> usize {
    let tested = |ratio: &&Ratio| ratio.metric == metric && ratio.p.value().is_some();
    summary.ratios.iter().filter(tested).count()
}

/// At which sizes a path is better, after "it is better" where it tells that (see [`tells_where_better`]).
pub(crate) fn crossed(it: &Crossed) -> String {
    if it.crossover.outcome != CrossoverOutcome::Undecided {
        let unclear_sizes: Vec<String> =
            it.crossover.unclear_sizes.iter().map(|b| size(*b as f64)).collect();
        let but = match &unclear_sizes[..] {
            [] => String::new(),
            sizes => format!(", unclear at {}", listed(sizes)),
        };
        return format!("{}{but}{}", outcome(&it.crossover.outcome), elsewhere(it));
    }
    if is_unclear(it) {
        return "unclear at every size".to_owned();
    }
    let found = [
        (it.better, ""),
        (it.worse, "worse "),
        (it.alike, "no difference "),
        (it.unclear, "unclear "),
    ];
    let all: u32 = found.iter().map(|(n, _)| n).sum();
    let mut of = format!(" of {all} sizes");
    let told = found.into_iter().filter(|(n, _)| *n > 0);
    let told: Vec<String> =
        told.map(|(n, word)| format!("{word}at {n}{}", std::mem::take(&mut of))).collect();
    told.join(", ")
}

/// What is shown of other sizes than those from an end on that an outcome tells: `, no difference at 1`.
fn elsewhere(it: &Crossed) -> String {
    let CrossoverOutcome::Partly { is_better, .. } = it.crossover.outcome else {
        return String::new();
    };
    let other = if is_better { (it.worse, "worse") } else { (it.better, "better") };
    let told = [other, (it.alike, "no difference")].into_iter().filter(|(n, _)| *n > 0);
    told.map(|(n, word)| format!(", {word} at {n}")).collect()
}

/// Whether it tells at which sizes the path is better, be it at none.
pub(crate) fn tells_where_better(it: &Crossed) -> bool {
    it.crossover.outcome != CrossoverOutcome::Undecided || it.better > 0
}

/// Whether no size tells anything.
pub(crate) fn is_unclear(it: &Crossed) -> bool {
    it.crossover.outcome == CrossoverOutcome::Undecided && it.better + it.worse + it.alike == 0
}

/// Whether two tell the same.
pub(crate) fn is_alike(one: &Crossed, other: &Crossed) -> bool {
    let of = |it: &Crossed| [it.better, it.worse, it.alike, it.unclear];
    let (a, b) = (&one.crossover, &other.crossover);
    (is_unclear(one) && is_unclear(other))
        || (a.outcome == b.outcome
            && a.unclear_sizes == b.unclear_sizes
            && elsewhere(one) == elsewhere(other)
            && (a.outcome != CrossoverOutcome::Undecided || of(one) == of(other)))
}
