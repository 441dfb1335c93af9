//! C13, C14, C15 and C17: causes given for the fall at 8 threads.
//!
//! Where there is no fall, there is nothing to explain. Else a counter may refute a cause; showing one takes a counter
//! and an intervention.

use model::names::Switch;
use model::{Cell, Factor, SendPath};

use super::threads::{GOODPUT, LARGE, falls, measure_falls};
use super::{Missing, PartKind, Reference, Ruling, Shown, effect, premise};
use crate::comparisons::{
    against, completions, of_moments, paths_asked, sizes_asked, threads, unmeasured,
};
use crate::estimate::Moments;
use crate::evidence::{Evidence, figure};
use crate::metric::Metric;
use crate::operands::Compared;
use crate::operands::names;
use crate::reason::{Derived, Reason, Unseen};

/// What every cause of the fall takes for granted, and the falls that show it; no more follows where it is not open.
pub(super) fn fall(evidence: &Evidence<'_>) -> (Ruling, Vec<Compared>) {
    let falls = falls(evidence);
    let ruling = if falls.is_empty() {
        no_falls(evidence, &[])
    } else {
        // A fall that is not ruled out is enough to ask for its cause.
        let none = falls.iter().all(Compared::is_no_less);
        premise(Shown::by(none, true), [Reason::each(GOODPUT, &falls)]).from(names(&falls, GOODPUT))
    };
    (ruling, falls)
}

/// The falls of these paths, or of any, were not measured.
fn no_falls(evidence: &Evidence<'_>, paths: &[SendPath]) -> Ruling {
    premise(Shown::NotMeasured, [unmeasured(evidence, GOODPUT, paths, &[LARGE], &[4, 8])])
        .lacks(measure_falls())
}

/// How the goodput that 8 threads keep of what 4 carry differs between two such pairs of cells, round by round.
pub(super) fn kept(
    evidence: &Evidence<'_>,
    [eight, four]: [&Cell; 2],
    [other_eight, other_four]: [&Cell; 2],
) -> (Cell, Cell, Moments) {
    let terms = [(1.0, eight), (-1.0, four), (-1.0, other_eight), (1.0, other_four)];
    let moments = evidence.combined(&terms.map(|(weight, cell)| (weight, cell, GOODPUT)));
    (eight.clone(), other_eight.clone(), moments)
}

pub(super) const KEPT: Derived = Derived::GoodputKept { from: 4, to: 8 };

/// A last-level miss brings one cache line from memory.
const LINE: f64 = 64.0;

/// Neither shown nor refuted by these counters: the workers' last-level misses are demand reads, and leave out what was
/// prefetched and what was written.
pub(super) fn c13(evidence: &Evidence<'_>) -> Ruling {
    let (ruling, falls) = fall(evidence);
    if !ruling.is_open() {
        return ruling;
    }
    let from_memory = |compared: &Compared| {
        // At the peak, before the fall: there the paper sees the bandwidth used up.
        let estimates = evidence.cell(&compared.against)?;
        let sender = figure(estimates, Metric::SenderLlcMissesPerKib)?;
        let receiver = figure(estimates, Metric::ReceiverLlcMissesPerKib)?;
        Some((sender.high? + receiver.high?) * LINE / 1024.0)
    };
    let read: Option<Vec<f64>> = falls.iter().map(from_memory).collect();
    let (shown, seen) = match read.and_then(|bytes| bytes.into_iter().max_by(f64::total_cmp)) {
        Some(most) => (Shown::Unclear, Reason::DemandReads { bytes_per_byte: most }),
        None => (Shown::NotMeasured, Reason::not_counted(Metric::SenderLlcMissesPerKib)),
    };
    let unseen = Reason::NotInstrumented { what: Unseen::MemoryBandwidth };
    ruling
        .then(PartKind::Counter, shown, [seen, unseen])
        .lacks(Missing::of_itself("the memory controller's counters (uncore_imc or amd_umc events of the whole machine, root; not in this version), beside a measured ceiling of that memory"))
}

/// No record of these instruments tells a cache line that two CPUs write from any other miss.
pub(super) fn c14(evidence: &Evidence<'_>) -> Ruling {
    let (ruling, _) = fall(evidence);
    if !ruling.is_open() {
        return ruling;
    }
    let unseen = Reason::NotInstrumented { what: Unseen::SharedCacheLines };
    ruling
        .then(PartKind::Counter, Shown::NotMeasured, [unseen])
        .lacks(Missing::of_itself("a record of modified lines hit in other caches (perf c2c: hardware counters with memory sampling, root), and an intervention on the sockets' layout"))
}

/// Zerocopy must fall, further than every other path, and switch more than each; and with the option left off, which takes
/// the notifications away, it must fall less and switch less.
pub(super) fn c15(evidence: &Evidence<'_>) -> Ruling {
    let falls = falls(evidence);
    let of = |path: SendPath| falls.iter().filter(move |c| c.cell.send_path == path);
    // Calls per message are those of sendmsg, so that it is the fairer comparison.
    let paths = [SendPath::A2, SendPath::A1];
    let others: Vec<&Compared> = paths.into_iter().flat_map(of).collect();
    let (Some(zerocopy), false) = (of(SendPath::A3).next(), others.is_empty()) else {
        return no_falls(evidence, &[SendPath::A3, SendPath::A2, SendPath::A1]);
    };
    let seen = [Reason::each(GOODPUT, &falls), completions(evidence)];
    let mut cited = names(&falls, GOODPUT);
    if zerocopy.is_no_less() {
        return premise(Shown::No, seen).from(cited);
    }
    let further = || {
        Missing::machine(
            "a machine with at least 16 usable CPUs",
            "copycost run --send send,sendmsg,zerocopy --so-zerocopy on,off --sizes 64KiB --threads 4,8",
        )
    };
    let is_below = |a: &Compared, b: &Compared| {
        a.ratio.high.zip(b.ratio.low).is_some_and(|(high, low)| high < low)
    };
    let too_few_cpus = falls.iter().any(|c| c.oversubscribed);
    let falls_most = zerocopy.is_below(1.0)
        && others.iter().all(|other| is_below(zerocopy, other))
        && paths.iter().all(|path| of(*path).next().is_some());
    let other_falls_more = others.iter().any(|other| is_below(other, zerocopy));
    let ruling = effect(Shown::by(other_falls_more, falls_most && !too_few_cpus), seen)
        .beside(too_few_cpus.then_some(Reason::TooFewCpus));
    if !ruling.is_open() {
        return ruling.from(cited);
    }
    let switches = Metric::ContextSwitchesPerS;
    let pairs = others.iter().map(|other| (zerocopy.cell.clone(), other.cell.clone()));
    let switching = against(evidence, pairs, switches);
    cited.extend(names(&switching, switches));
    let mut shown = Shown::all_more(&switching);
    if shown == Shown::Yes && switching.len() < others.len() {
        shown = Shown::NotMeasured;
    }
    let ruling = ruling.then(PartKind::Counter, shown, [Reason::each(switches, &switching)]);
    if shown == Shown::No {
        return ruling.from(cited);
    }
    let off = |cell: &Cell| Cell { so_zerocopy: Switch::Off, ..cell.clone() };
    let without = [&off(&zerocopy.cell), &off(&zerocopy.against)];
    let on = [&zerocopy.cell, &zerocopy.against];
    let falling = of_moments(evidence, vec![kept(evidence, on, without)]);
    let busier =
        against(evidence, std::iter::once((zerocopy.cell.clone(), off(&zerocopy.cell))), switches);
    let ruling = if let (Some(further), Some(more)) = (falling.first(), busier.first()) {
        cited.extend([further.reference(GOODPUT), more.reference(switches), Reference::law(3)]);
        let shown = Shown::by(further.is_no_less(), further.is_below(1.0) && more.is_above(1.0));
        let seen =
            Reason::derived(KEPT, &falling).into_iter().chain([Reason::each(switches, &busier)]);
        ruling.then(PartKind::Intervention, shown, seen)
    } else {
        ruling.then(
            PartKind::Intervention,
            Shown::NotMeasured,
            [Reason::not_varied(Factor::SoZerocopy, "off")],
        )
    };
    ruling.lacks(further()).from(cited)
}

/// A contended spinlock burns CPU time: where per KiB costs the sender no more with 4 threads than with one, none is.
pub(super) fn c17(evidence: &Evidence<'_>) -> Ruling {
    let metric = Metric::SenderCpuNsPerKib;
    let mut compared: Vec<Compared> = Vec::new();
    for bytes in sizes_asked(evidence) {
        for path in paths_asked(evidence) {
            compared.extend(threads(evidence, metric, path, bytes, [4, 1]));
        }
    }
    let measured = compared.clone();
    compared.retain(|c| !c.oversubscribed);
    let limit = 1.0 + evidence.plan.measure.margin.0;
    let ruling = match Reason::range(metric, &compared) {
        None => {
            let seen = match Reason::range(metric, &measured) {
                Some(range) => vec![range, Reason::TooFewCpus],
                None => vec![unmeasured(evidence, metric, &[], &[], &[1, 4])],
            };
            Ruling::of(PartKind::Counter, Shown::NotMeasured, seen)
        }
        Some(seen) => {
            let none_spins = compared.iter().all(|c| c.is_below(limit));
            Ruling::of(PartKind::Counter, Shown::by(none_spins, false), [seen])
        }
    };
    if ruling.is_decided() {
        return ruling.from(names(&compared, metric));
    }
    ruling
        .beside([Reason::NotInstrumented { what: Unseen::LockContention }])
        .lacks(Missing::of_itself(
            "a record of contended locks (perf lock contention, Linux 5.19 or later, root)",
        ))
        .lacks(Missing::machine(
            "a machine with at least 8 usable CPUs",
            "copycost run --threads 1,4",
        ))
        .from(names(&compared, metric))
}
