//! C10, C11, C12 and C24: throughput over threads.

use model::values::Threads;
use model::{Cell, SendPath};

use super::{Missing, Ruling, refuted, supported, undecidable};
use crate::comparisons::{
    Compared, counters_remedy, names, of_moments, paths_asked, threads, twins,
};
use crate::estimate::Moments;
use crate::evidence::Evidence;
use crate::figure_text::{listed, ratio, reduction};
use crate::metric::Metric;
use crate::pairs;
use crate::summary::Finding;

pub(super) const GOODPUT: Metric = Metric::GoodputGbps;
/// The size at which the paper looks for the fall.
pub(super) const LARGE: u64 = 65_536;

/// Near-linear: at least this share of the ideal speed-up.
const NEAR: f64 = 0.8;

fn by_path(compared: &[Compared]) -> String {
    let words: Vec<String> =
        compared.iter().map(|c| format!("{} {}", c.cell.send_path, ratio(&c.ratio))).collect();
    listed(&words)
}

/// Speed-up of each path from 1 to 4 threads at 4096 bytes.
pub(super) fn c10(evidence: &Evidence<'_>) -> Ruling {
    let speed_ups: Vec<Compared> = paths_asked(evidence)
        .into_iter()
        .flat_map(|path| threads(evidence, GOODPUT, path, 4096, [4, 1]))
        .collect();
    if speed_ups.is_empty() {
        return undecidable(
            "1 and 4 threads at 4096 bytes were not both measured",
            Missing::plan("copycost run --sizes 4KiB --threads 1,4"),
        );
    }
    let cited = names(&speed_ups, GOODPUT);
    let told = format!("4 threads carry against 1: {}", by_path(&speed_ups));
    if speed_ups.iter().any(|c| c.oversubscribed) {
        return undecidable(
            format!("{told}, but 4 threads a side take 8 CPUs"),
            Missing::machine(
                "a machine with at least 8 usable CPUs",
                "copycost run --sizes 4KiB --threads 1,4",
            ),
        )
        .from(cited);
    }
    let near = 4.0 * NEAR;
    if speed_ups.iter().any(|c| c.is_below(near)) {
        refuted(format!("{told}; near-linear would be 3.2 or more")).from(cited)
    } else if speed_ups.iter().all(|c| c.is_above(near)) {
        supported(format!("{told}; near-linear is 3.2 or more")).from(cited)
    } else {
        undecidable(
            format!("{told}; the intervals do not tell whether that is 3.2 or more"),
            Missing::rounds(),
        )
        .from(cited)
    }
}

/// Without a jump there is nothing to explain. Optimisations in the pipeline would show as more instructions a cycle:
/// a counter that can refute them, while showing them needs an intervention too.
pub(super) fn c11(evidence: &Evidence<'_>) -> Ruling {
    let jumps = threads(evidence, GOODPUT, SendPath::A2, 4096, [8, 4]);
    let Some(jump) = jumps.first() else {
        return undecidable(
            "sendmsg was not measured with 4 and 8 threads at 4096 bytes",
            Missing::plan("copycost run --send sendmsg --sizes 4KiB --threads 4,8"),
        );
    };
    let cited = names(&jumps, GOODPUT);
    let told = format!("8 threads carry {} of what 4 do", ratio(&jump.ratio));
    if jumps.iter().any(Compared::is_no_more) {
        return refuted(format!("there is no jump: {told}")).from(cited);
    }
    let (instructions, cycles) = (Metric::SenderInstructionsPerByte, Metric::SenderCyclesPerByte);
    let log_ipc = |cell: &Cell| {
        let cycles = evidence.logs_by_round(cell, cycles);
        let instructions = evidence.logs_by_round(cell, instructions);
        let ipc = move |(round, log): (u32, f64)| Some((round, log - cycles.get(&round)?));
        instructions.into_iter().filter_map(ipc).collect::<std::collections::BTreeMap<_, _>>()
    };
    let (eight, four) = (log_ipc(&jump.cell), log_ipc(&jump.against));
    let mut moments = Moments::default();
    for (round, log) in &eight {
        if let Some(other) = four.get(round) {
            moments.push(log - other);
        }
    }
    let Some(ipc) = pairs::ratio(&moments).value().copied() else {
        return undecidable(
            format!("{told}, but instructions a cycle were not counted"),
            counters_remedy(evidence, cycles, "cycles"),
        )
        .also(pipeline())
        .from(cited);
    };
    let told =
        format!("{told}; the sender's instructions a cycle are {} of those with 4", ratio(&ipc));
    if jump.is_above(1.0)
        && ipc.high.is_some_and(|high| high < 1.0 + evidence.plan.measure.margin.0)
    {
        return refuted(format!("{told}: the pipeline does no more a cycle")).from(cited);
    }
    undecidable(told, pipeline()).from(cited)
}

/// 8 threads against 4 at 65536 bytes, by path.
pub(super) fn falls(evidence: &Evidence<'_>) -> Vec<Compared> {
    [SendPath::A1, SendPath::A2, SendPath::A3]
        .into_iter()
        .flat_map(|path| threads(evidence, GOODPUT, path, LARGE, [8, 4]))
        .collect()
}

pub(super) fn measure_falls() -> Missing {
    Missing::plan("copycost run --send send,sendmsg,zerocopy --sizes 64KiB --threads 4,8")
}

/// What would name the pipeline as a cause.
fn pipeline() -> Missing {
    Missing::of_itself("an intervention on the pipeline, which no plan of this version has")
}

/// The paper's falls in percent, and how far from them still counts as the same.
const PAPER_FALLS: [(SendPath, f64); 3] =
    [(SendPath::A1, 0.27), (SendPath::A2, 0.62), (SendPath::A3, 0.66)];
const POINTS: f64 = 0.10;

/// Each path's fall within ten points of the paper's.
pub(super) fn c12(evidence: &Evidence<'_>) -> Ruling {
    let falls = falls(evidence);
    let of = |path: SendPath| falls.iter().filter(move |c| c.cell.send_path == path);
    if PAPER_FALLS.iter().any(|(path, _)| of(*path).next().is_none()) {
        return undecidable(
            "send, sendmsg and zerocopy were not all measured at 65536 bytes with 4 and 8 threads",
            measure_falls(),
        )
        .from(names(&falls, GOODPUT));
    }
    let word = |c: &Compared| {
        let path = c.cell.send_path;
        if c.finding == Finding::Equivalent {
            format!("{path} the same ({})", ratio(&c.ratio))
        } else if c.is_below(1.0) {
            format!("{path} {} less", reduction(&c.ratio))
        } else if c.is_above(1.0) {
            format!("{path} more ({})", ratio(&c.ratio))
        } else {
            format!("{path} not told ({})", ratio(&c.ratio))
        }
    };
    let words: Vec<String> = falls.iter().map(word).collect();
    let told = format!("8 threads carry against 4: {}", listed(&words));
    let copied = crate::comparisons::copied_words(evidence);
    let cited = names(&falls, GOODPUT);
    let mut all_there = true;
    for (path, fall) in PAPER_FALLS {
        let (low, high) = (1.0 - fall - POINTS, 1.0 - fall + POINTS);
        for compared in of(path) {
            if compared.is_above(high) || compared.is_below(low) {
                return refuted(told).and(&copied).from(cited);
            }
            all_there &= compared.is_above(low) && compared.is_below(high);
        }
    }
    if all_there {
        supported(told).and(&copied).from(cited)
    } else {
        undecidable(format!("the intervals do not tell: {told}"), Missing::rounds())
            .and(&copied)
            .from(cited)
    }
}

/// 4 threads against every other count at the largest size, by path.
pub(super) fn c24(evidence: &Evidence<'_>) -> Ruling {
    let further = || Missing::plan("copycost run --sizes 64KiB --threads 1,2,4,8");
    let (Some(four), counts) = (Threads::new(4), crate::comparisons::threads_asked(evidence))
    else {
        return undecidable("4 threads are no count", further());
    };
    let has = |holds: fn(&u32) -> bool| counts.iter().any(holds);
    if !(has(|n| *n == 4) && has(|n| *n < 4) && has(|n| *n > 4)) {
        return undecidable("4 threads, fewer and more were not all measured", further());
    }
    let largest = crate::comparisons::sizes_asked(evidence).into_iter().max().unwrap_or(LARGE);
    let others = twins(
        evidence,
        GOODPUT,
        |cell| cell.message.bytes().0 == largest && cell.threads != four,
        |cell| Cell { threads: four, ..cell.clone() },
    );
    if others.is_empty() {
        return undecidable("no round has both 4 threads and another count", further());
    }
    let cited = names(&others, GOODPUT);
    let words = |compared: &Compared| {
        format!("{} with {} against 4 threads", compared.text(), compared.cell.send_path)
    };
    if let Some(better) = others.iter().find(|c| c.is_no_less()) {
        return refuted(format!("4 threads are not the best count: {}", words(better))).from(cited);
    }
    if others.iter().all(|c| c.is_below(1.0)) {
        let next = others.iter().max_by(|a, b| a.ratio.mean.total_cmp(&b.ratio.mean));
        return supported(format!(
            "every other count carries less, at most {}",
            next.map(words).unwrap_or_default()
        ))
        .from(cited);
    }
    undecidable("the intervals do not tell 4 threads from another count", Missing::rounds())
        .from(cited)
}

/// Other cells than asked for, of which one may be a control, against each other.
pub(super) fn against(
    evidence: &Evidence<'_>,
    cells: impl Iterator<Item = (Cell, Cell)>,
    metric: Metric,
) -> Vec<Compared> {
    let family = cells.map(|(cell, against)| {
        let moments = evidence.paired(&cell, &against, metric);
        (cell, against, moments)
    });
    of_moments(evidence, family.collect())
}
