//! C13, C14, C15 and C17: causes given for the fall at 8 threads.
//!
//! Where there is no fall, there is nothing to explain. Else a counter may refute a cause; showing one takes a counter
//! and an intervention.

use model::names::Switch;
use model::{Cell, SendPath};

use super::threads::{GOODPUT, against, falls, measure_falls};
use super::{Missing, Reference, Ruling, refuted, supported, undecidable};
use crate::comparisons::{Compared, copied_words, extremes, names, of_moments, threads};
use crate::estimate::Moments;
use crate::evidence::{Evidence, figure};
use crate::figure_text::{listed, ratio, reduction, short};
use crate::metric::Metric;

/// What every cause of the fall rests on.
pub(super) enum Fall {
    /// It was not measured, or not for every path.
    Unmeasured,
    /// No path that was measured falls.
    None(Vec<Compared>),
    /// At least one may.
    Some(Vec<Compared>),
}

pub(super) fn fall(evidence: &Evidence<'_>) -> Fall {
    let falls = falls(evidence);
    if falls.is_empty() {
        Fall::Unmeasured
    } else if falls.iter().all(Compared::is_no_less) {
        Fall::None(falls)
    } else {
        Fall::Some(falls)
    }
}

pub(super) fn unmeasured() -> Ruling {
    undecidable("the fall from 4 to 8 threads at 65536 bytes was not measured", measure_falls())
}

pub(super) fn told(falls: &[Compared]) -> String {
    let words: Vec<String> =
        falls.iter().map(|c| format!("{} {}", c.cell.send_path, ratio(&c.ratio))).collect();
    format!("8 threads carry against 4: {}", listed(&words))
}

pub(super) fn no_fall(falls: &[Compared]) -> Ruling {
    refuted(format!("there is no fall to explain: {}", told(falls))).from(names(falls, GOODPUT))
}

/// A last-level miss brings one cache line from memory.
const LINE: f64 = 64.0;

/// Neither shown nor refuted by these counters: the workers' last-level misses are demand reads, and leave out what was
/// prefetched and what was written.
pub(super) fn c13(evidence: &Evidence<'_>) -> Ruling {
    let falls = match fall(evidence) {
        Fall::Unmeasured => return unmeasured(),
        Fall::None(falls) => return no_fall(&falls),
        Fall::Some(falls) => falls,
    };
    let cited = names(&falls, GOODPUT);
    let from_memory = |compared: &Compared| {
        // At the peak, before the fall: there the paper sees the bandwidth used up.
        let estimates = evidence.cell(&compared.against)?;
        let sender = figure(estimates, Metric::SenderLlcMissesPerKib)?;
        let receiver = figure(estimates, Metric::ReceiverLlcMissesPerKib)?;
        Some((sender.high? + receiver.high?) * LINE / 1024.0)
    };
    let bytes: Vec<f64> = falls.iter().filter_map(from_memory).collect();
    let most = bytes.iter().copied().max_by(f64::total_cmp);
    let read = match most {
        Some(most) if bytes.len() == falls.len() => format!(
            "with 4 threads both ends' demand reads that missed the last level brought up to {} bytes a byte carried (prefetches and writes are not counted)",
            short(most)
        ),
        Some(_) | None => "last-level misses were not counted".to_owned(),
    };
    undecidable(
        format!("{}; {read}, so how much of the memory's bandwidth was used is not known", told(&falls)),
        Missing::of_itself("the memory controller's counters (uncore_imc or amd_umc events of the whole machine, root; not in this version), beside a measured ceiling of that memory"),
    )
    .from(cited)
}

/// No record of these instruments tells a cache line that two CPUs write from any other miss.
pub(super) fn c14(evidence: &Evidence<'_>) -> Ruling {
    match fall(evidence) {
        Fall::Unmeasured => unmeasured(),
        Fall::None(falls) => no_fall(&falls),
        Fall::Some(falls) => undecidable(
            format!(
                "{}; no record of these instruments tells which lines travel between caches; every worker has connections, and so sockets, of its own",
                told(&falls)
            ),
            Missing::of_itself("a record of modified lines hit in other caches (perf c2c: hardware counters with memory sampling, root), and an intervention on the sockets' layout"),
        )
        .from(names(&falls, GOODPUT)),
    }
}

/// How much further a cell falls from 4 to 8 threads with SO_ZEROCOPY on than with it off, round by round.
fn falls_further(evidence: &Evidence<'_>, on: &Compared) -> Vec<Compared> {
    let off = |cell: &Cell| Cell { so_zerocopy: Switch::Off, ..cell.clone() };
    let logs = |cell: &Cell| evidence.logs_by_round(cell, GOODPUT);
    let (on_8, on_4) = (logs(&on.cell), logs(&on.against));
    let (off_8, off_4) = (logs(&off(&on.cell)), logs(&off(&on.against)));
    let mut moments = Moments::default();
    for (round, log) in &on_8 {
        if let (Some(on_4), Some(off_8), Some(off_4)) =
            (on_4.get(round), off_8.get(round), off_4.get(round))
        {
            moments.push((log - on_4) - (off_8 - off_4));
        }
    }
    of_moments(evidence, vec![(on.cell.clone(), off(&on.cell), moments)])
}

/// Zerocopy must fall, further than every other path, and switch more than each; and with the option left off, which takes
/// the notifications away, it must fall less and switch less.
pub(super) fn c15(evidence: &Evidence<'_>) -> Ruling {
    let falls = falls(evidence);
    let zerocopy = falls.iter().find(|c| c.cell.send_path == SendPath::A3);
    // Calls per message are those of sendmsg, so that it is the fairer comparison.
    let of = |path: SendPath| falls.iter().filter(move |c| c.cell.send_path == path);
    let others: Vec<&Compared> = [SendPath::A2, SendPath::A1].into_iter().flat_map(of).collect();
    let (Some(zerocopy), false) = (zerocopy, others.is_empty()) else {
        return unmeasured();
    };
    let mut cited = names(&falls, GOODPUT);
    let copied = copied_words(evidence);
    if zerocopy.is_no_less() {
        return refuted(format!("zerocopy does not fall: {}", told(&falls)))
            .and(&copied)
            .from(cited);
    }
    let is_below = |a: &Compared, b: &Compared| {
        a.ratio.high.zip(b.ratio.low).is_some_and(|(high, low)| high < low)
    };
    if let Some(more) = others.iter().find(|c| is_below(c, zerocopy)) {
        return refuted(format!(
            "{} falls more ({} less) than zerocopy ({} less)",
            more.cell.send_path,
            reduction(&more.ratio),
            reduction(&zerocopy.ratio)
        ))
        .and(&copied)
        .from(cited);
    }
    let switches = Metric::ContextSwitchesPerS;
    let pairs = others.iter().map(|other| (zerocopy.cell.clone(), other.cell.clone()));
    let against_others = against(evidence, pairs, switches);
    cited.extend(names(&against_others, switches));
    if let Some(fewer) = against_others.iter().find(|c| c.is_no_more()) {
        return refuted(format!(
            "with 8 threads zerocopy has no more context switches than {}: {}",
            fewer.against.send_path,
            ratio(&fewer.ratio)
        ))
        .and(&copied)
        .from(cited);
    }
    let off = Cell { so_zerocopy: Switch::Off, ..zerocopy.cell.clone() };
    let further = falls_further(evidence, zerocopy);
    let busier = against(evidence, std::iter::once((zerocopy.cell.clone(), off)), switches);
    if let (Some(further), Some(busier)) = (further.first(), busier.first()) {
        cited.extend([further.reference(GOODPUT), busier.reference(switches), Reference::law(3)]);
        let without = format!(
            "against the same path with SO_ZEROCOPY off, 8 threads keep {} as much of what 4 carry, and make {} as many context switches",
            ratio(&further.ratio),
            ratio(&busier.ratio)
        );
        let falls_most =
            zerocopy.is_below(1.0) && others.iter().all(|other| is_below(zerocopy, other));
        let paths = [SendPath::A1, SendPath::A2];
        let has_all = paths.iter().all(|path| of(*path).next().is_some());
        let switches_most =
            against_others.len() == others.len() && against_others.iter().all(|c| c.is_above(1.0));
        if further.is_below(1.0)
            && busier.is_above(1.0)
            && falls_most
            && has_all
            && switches_most
            && !falls.iter().any(|c| c.oversubscribed)
        {
            return supported(format!("{}; {without}", told(&falls))).and(&copied).from(cited);
        }
        if further.is_no_less() {
            return refuted(format!("it falls as far without notifications: {without}"))
                .and(&copied)
                .from(cited);
        }
    }
    undecidable(
        format!(
            "{}; that it falls most, and what its notifications have to do with it, is not shown",
            told(&falls)
        ),
        Missing::machine(
            "a machine with at least 16 usable CPUs",
            "copycost run --send send,sendmsg,zerocopy --so-zerocopy on,off --sizes 64KiB --threads 4,8",
        ),
    )
    .and(&copied)
    .from(cited)
}

/// A contended spinlock burns CPU time: where per KiB costs the sender no more with 4 threads than with one, none is.
pub(super) fn c17(evidence: &Evidence<'_>) -> Ruling {
    let metric = Metric::SenderCpuNsPerKib;
    let further = || {
        Missing::of_itself(
            "a record of contended locks (perf lock contention, Linux 5.19 or later, root)",
        )
    };
    let four_threads =
        || Missing::machine("a machine with at least 8 usable CPUs", "copycost run --threads 1,4");
    let mut compared: Vec<Compared> = Vec::new();
    for bytes in crate::comparisons::sizes_asked(evidence) {
        for path in crate::comparisons::paths_asked(evidence) {
            compared.extend(threads(evidence, metric, path, bytes, [4, 1]));
        }
    }
    compared.retain(|c| !c.oversubscribed);
    let Some((_, most)) = extremes(&compared) else {
        return undecidable(
            "1 and 4 threads were not both measured without oversubscription, and no record of these instruments names a lock",
            further(),
        )
        .also(four_threads());
    };
    let told = format!(
        "the sender's CPU per KiB with 4 threads against 1 is at most {} ({})",
        most.text(),
        most.cell.send_path
    );
    let limit = 1.0 + evidence.plan.measure.margin.0;
    let cited = names(&compared, metric);
    if compared.iter().all(|c| c.is_below(limit)) {
        return refuted(format!("{told}: nothing spins")).from(cited);
    }
    undecidable(
        format!("{told}; no record of these instruments names a lock, and the lock of a socket is not shared between connections"),
        further(),
    )
    .also(four_threads())
    .from(cited)
}
