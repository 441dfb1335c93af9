//! C13, C14, C15 and C17: causes given for the fall at 8 threads.
//!
//! Where there is no fall, there is nothing to explain. Else a counter may refute a cause; showing one takes a counter
//! and an intervention.

use model::names::Switch;
use model::{Cell, SendPath};

use super::threads::{CROWD, FALLS, GOODPUT, against, falls};
use super::{Says, law_name, refuted, supported, undecidable};
use crate::comparisons::{
    Compared, copied_words, counters_remedy, extremes, names, threads, twins,
};
use crate::evidence::{Evidence, figure};
use crate::figure_text::{listed, ratio, reduction, short};
use crate::metric::Metric;

/// What every cause of the fall rests on.
enum Fall {
    /// It was not measured, or not for every path.
    Unmeasured,
    /// No path that was measured falls.
    None(Vec<Compared>),
    /// At least one may.
    Some(Vec<Compared>),
}

fn fall(evidence: &Evidence<'_>) -> Fall {
    let falls = falls(evidence);
    if falls.is_empty() {
        Fall::Unmeasured
    } else if falls.iter().all(Compared::is_no_less) {
        Fall::None(falls)
    } else {
        Fall::Some(falls)
    }
}

fn unmeasured() -> Says {
    undecidable("the fall from 4 to 8 threads at 65536 bytes was not measured", FALLS)
}

fn told(falls: &[Compared]) -> String {
    let words: Vec<String> =
        falls.iter().map(|c| format!("{} {}", c.cell.send_path, ratio(&c.ratio))).collect();
    format!("8 threads carry against 4: {}", listed(&words))
}

fn no_fall(falls: &[Compared]) -> Says {
    refuted(format!("there is no fall to explain: {}", told(falls))).from(names(falls, GOODPUT))
}

fn crowd(falls: &[Compared]) -> &'static str {
    if falls.iter().any(|c| c.oversubscribed) { CROWD } else { "" }
}

/// A last-level miss brings one cache line from memory.
const LINE: f64 = 64.0;

/// If the copies used up the memory's bandwidth, at least one byte came from memory for each that was carried.
pub(super) fn c13(evidence: &Evidence<'_>) -> Says {
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
    let intervention = "the working set as an intervention (--ring 1,4,64 with --threads 4,8)";
    match most {
        Some(most) if bytes.len() == falls.len() && most < 1.0 => refuted(format!(
            "with 4 threads both ends read at most {} bytes from memory for each byte carried, so most of the copies' traffic comes from caches; {}",
            short(most),
            told(&falls)
        ))
        .and(crowd(&falls))
        .from(cited),
        Some(most) => undecidable(
            format!(
                "with 4 threads both ends read up to {} bytes from memory for each byte carried, but no intervention shows that this is why 8 carry less; {}",
                short(most),
                told(&falls)
            ),
            format!("the memory controller's counters (root), and {intervention}"),
        )
        .and(crowd(&falls))
        .from(cited),
        None => undecidable(
            format!("{}; last-level misses were not counted", told(&falls)),
            format!(
                "{}; and {intervention}",
                counters_remedy(evidence, Metric::SenderLlcMissesPerKib, "llc-misses")
            ),
        )
        .and(crowd(&falls))
        .from(cited),
    }
}

/// No record of these instruments tells a cache line that two CPUs write from any other miss.
pub(super) fn c14(evidence: &Evidence<'_>) -> Says {
    match fall(evidence) {
        Fall::Unmeasured => unmeasured(),
        Fall::None(falls) => no_fall(&falls),
        Fall::Some(falls) => undecidable(
            format!(
                "{}; no record of these instruments tells which lines travel between caches; every worker has connections, and so sockets, of its own",
                told(&falls)
            ),
            "a record of modified lines hit in other caches (perf c2c: hardware counters with memory sampling, root), and an intervention on the sockets' layout",
        )
        .and(crowd(&falls))
        .from(names(&falls, GOODPUT)),
    }
}

/// Zerocopy must fall most and switch most; the option left off takes the notifications away.
pub(super) fn c15(evidence: &Evidence<'_>) -> Says {
    let falls = falls(evidence);
    let of = |path: SendPath| falls.iter().find(move |c| c.cell.send_path == path);
    let others: Vec<&Compared> =
        [SendPath::Send, SendPath::Sendmsg].into_iter().filter_map(of).collect();
    let (Some(zerocopy), false) = (of(SendPath::Zerocopy), others.is_empty()) else {
        return unmeasured();
    };
    let mut cited = names(&falls, GOODPUT);
    let note = crowd(&falls);
    let copied = copied_words(evidence);
    if zerocopy.is_no_less() {
        return refuted(format!("zerocopy does not fall: {}", told(&falls)))
            .and(&copied)
            .from(cited);
    }
    let falls_more =
        |c: &&&Compared| c.ratio.high.zip(zerocopy.ratio.low).is_some_and(|(high, low)| high < low);
    if let Some(more) = others.iter().find(falls_more) {
        return refuted(format!(
            "{} falls more ({} less) than zerocopy ({} less)",
            more.cell.send_path,
            reduction(&more.ratio),
            reduction(&zerocopy.ratio)
        ))
        .and(note)
        .and(&copied)
        .from(cited);
    }
    let switches = Metric::ContextSwitchesPerS;
    let against_others = twins(
        evidence,
        switches,
        |cell| *cell == zerocopy.cell,
        |cell| Cell { send_path: others[0].cell.send_path, ..cell.clone() },
    );
    cited.extend(names(&against_others, switches));
    if let Some(fewer) = against_others.iter().find(|c| c.is_no_more()) {
        return refuted(format!(
            "with 8 threads zerocopy has no more context switches than {}: {}",
            fewer.against.send_path,
            ratio(&fewer.ratio)
        ))
        .and(note)
        .and(&copied)
        .from(cited);
    }
    let off = |cell: &Cell| Cell { so_zerocopy: Switch::Off, ..cell.clone() };
    let pair = || std::iter::once((zerocopy.cell.clone(), off(&zerocopy.cell)));
    let (slower, busier) =
        (against(evidence, pair(), GOODPUT), against(evidence, pair(), switches));
    if let (Some(slower), Some(busier)) = (slower.first(), busier.first()) {
        cited.extend([slower.name(GOODPUT), busier.name(switches), law_name(3)]);
        let without = format!(
            "against the same path with SO_ZEROCOPY off, goodput is {} and context switches {}",
            ratio(&slower.ratio),
            ratio(&busier.ratio)
        );
        if slower.is_below(1.0) && busier.is_above(1.0) && !zerocopy.oversubscribed {
            return supported(format!("{}; {without}", told(&falls))).and(&copied).from(cited);
        }
        if slower.is_no_less() {
            return refuted(format!("it falls as far without notifications: {without}"))
                .and(note)
                .and(&copied)
                .from(cited);
        }
    }
    undecidable(
        format!("{}; what its notifications cost there is not shown", told(&falls)),
        "the notifications as an intervention, on a CPU for each busy thread: copycost run --send sendmsg,zerocopy --so-zerocopy on,off --sizes 64KiB --threads 4,8 on 16 CPUs or more",
    )
    .and(note)
    .and(&copied)
    .from(cited)
}

/// A contended spinlock burns CPU time: where a KiB costs the sender no more with 4 threads than with one, none is.
pub(super) fn c17(evidence: &Evidence<'_>) -> Says {
    let metric = Metric::SenderCpuNsPerKib;
    let further = "a record of contended locks (perf lock contention, Linux 5.19 or later, root), and 4 threads on 8 CPUs or more: copycost run --threads 1,4";
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
            further,
        );
    };
    let told = format!(
        "the sender's CPU a KiB with 4 threads against 1 is at most {} ({})",
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
        further,
    )
    .from(cited)
}
