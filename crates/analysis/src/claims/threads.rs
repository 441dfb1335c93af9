//! C10, C11, C12 and C24: throughput over threads.

use model::values::Threads;
use model::{Cell, RunCommand, SendPath};

use super::{Missing, PartKind, Reason, Ruling, Shown, effect, not_measured, premise};
use crate::comparisons::{
    completions, counters_remedy, of_moments, paths_asked, sizes_asked, threads, threads_asked,
    twins, unmeasured,
};
use crate::evidence::Evidence;
use crate::metric::Metric;
use crate::operands::Compared;
use crate::operands::names;
use crate::reason::Derived;

pub(super) const GOODPUT: Metric = Metric::GoodputGbps;
/// The size at which the paper looks for the fall.
pub(super) const LARGE: u64 = 65_536;

/// Near-linear: at least this share of the ideal speed-up.
pub(crate) const NEAR: f64 = 0.8;

/// Speed-up of each path from 1 to 4 threads at 4096 bytes.
pub(super) fn c10(evidence: &Evidence<'_>) -> Ruling {
    const PLAN: &str = "--sizes 4KiB --threads 1,4";
    let speed_ups: Vec<Compared> = paths_asked(evidence)
        .into_iter()
        .flat_map(|path| threads(evidence, GOODPUT, path, 4096, [4, 1]))
        .collect();
    if speed_ups.is_empty() {
        return not_measured(
            unmeasured(evidence, GOODPUT, &[], &[4096], &[1, 4]),
            Missing::plan(RunCommand::new(PLAN)),
        );
    }
    let near = 4.0 * NEAR;
    let seen = [Reason::each(GOODPUT, &speed_ups), Reason::AtLeast { ratio: near }];
    let ruling = if speed_ups.iter().any(|c| c.oversubscribed.is_so()) {
        effect(Shown::Unclear, seen)
            .beside([Reason::TooFewCpus])
            .lacks(Missing::machine("a machine with at least 8 usable CPUs", RunCommand::new(PLAN)))
    } else {
        let below = speed_ups.iter().any(|c| c.is_below(near));
        let reached = speed_ups.iter().all(|c| c.is_above(near));
        effect(Shown::by(below, reached), seen).lacks(Missing::rounds())
    };
    ruling.from(names(&speed_ups, GOODPUT))
}

/// Without a jump there is nothing to explain. Optimisations in the pipeline would show as more instructions a cycle:
/// a counter that can refute them, while showing them needs an intervention too.
pub(super) fn c11(evidence: &Evidence<'_>) -> Ruling {
    let jumps = threads(evidence, GOODPUT, SendPath::A2, 4096, [8, 4]);
    let Some(jump) = jumps.first() else {
        return not_measured(
            unmeasured(evidence, GOODPUT, &[SendPath::A2], &[4096], &[4, 8]),
            Missing::plan(RunCommand::new("--send sendmsg --sizes 4KiB --threads 4,8")),
        );
    };
    let no_jump = jumps.iter().any(Compared::is_no_more);
    let jumps_up = Shown::by(no_jump, jump.is_above(1.0));
    let ruling = premise(jumps_up, [Reason::each(GOODPUT, &jumps)]).from(names(&jumps, GOODPUT));
    if !ruling.is_open() {
        return ruling;
    }
    let (instructions, cycles) = (Metric::SenderInstructionsPerByte, Metric::SenderCyclesPerByte);
    let moments = evidence.combined(&[
        (1.0, &jump.cell, instructions),
        (-1.0, &jump.cell, cycles),
        (-1.0, &jump.against, instructions),
        (1.0, &jump.against, cycles),
    ]);
    let ipc = of_moments(evidence, vec![(jump.cell.clone(), jump.against.clone(), moments)]);
    let Some(seen) = Reason::derived(Derived::InstructionsPerCycle, &ipc) else {
        return ruling
            .then(PartKind::Counter, Shown::NotMeasured, [Reason::not_counted(instructions)])
            .lacks(counters_remedy(evidence, cycles, "cycles"))
            .lacks(pipeline());
    };
    let limit = 1.0 + evidence.plan.measure.margin.0;
    let refuted = jump.is_above(1.0) && ipc.iter().all(|c| c.is_below(limit));
    ruling.then(PartKind::Counter, Shown::by(refuted, false), [seen]).lacks(pipeline())
}

/// 8 threads against 4 at 65536 bytes, by path; of receivers that read, as the paper's do.
pub(super) fn falls(evidence: &Evidence<'_>) -> Vec<Compared> {
    let paths = [SendPath::A1, SendPath::A2, SendPath::A3].into_iter();
    let all = paths.flat_map(|path| threads(evidence, GOODPUT, path, LARGE, [8, 4]));
    all.filter(|fall| fall.cell.receive_path.shows_content()).collect()
}

pub(super) fn measure_falls() -> Missing {
    Missing::plan(RunCommand::new("--send send,sendmsg,zerocopy --sizes 64KiB --threads 4,8"))
}

/// What would name the pipeline as a cause.
fn pipeline() -> Missing {
    Missing::of_itself("an intervention on the pipeline, which no plan of this version has")
}

/// The paper's falls in percent, and how far from them still counts as the same.
pub(crate) const PAPER_FALLS: [(SendPath, f64); 3] =
    [(SendPath::A1, 0.27), (SendPath::A2, 0.62), (SendPath::A3, 0.66)];
const POINTS: f64 = 0.10;

/// Each path's fall within ten points of the paper's.
pub(super) fn c12(evidence: &Evidence<'_>) -> Ruling {
    let falls = falls(evidence);
    let cited = names(&falls, GOODPUT);
    let of = |path: SendPath| falls.iter().filter(move |c| c.cell.send_path == path);
    let paths = PAPER_FALLS.map(|(path, _)| path);
    if paths.iter().any(|path| of(*path).next().is_none()) {
        return not_measured(
            unmeasured(evidence, GOODPUT, &paths, &[LARGE], &[4, 8]),
            measure_falls(),
        )
        .from(cited);
    }
    let (mut elsewhere, mut all_there) = (false, true);
    for (path, fall) in PAPER_FALLS {
        let (low, high) = (1.0 - fall - POINTS, 1.0 - fall + POINTS);
        for compared in of(path) {
            elsewhere |= compared.is_above(high) || compared.is_below(low);
            all_there &= compared.is_above(low) && compared.is_below(high);
        }
    }
    let seen = [Reason::each(GOODPUT, &falls), completions(evidence)];
    effect(Shown::by(elsewhere, all_there), seen).lacks(Missing::rounds()).from(cited)
}

/// 4 threads against every other count at the largest size, by path.
pub(super) fn c24(evidence: &Evidence<'_>) -> Ruling {
    let largest = sizes_asked(evidence).into_iter().max().unwrap_or(LARGE);
    let counts = threads_asked(evidence);
    let has = |holds: fn(&u32) -> bool| counts.iter().any(holds);
    // One count on each side of four will do.
    let needed = [(1, has(|n| *n < 4)), (4, has(|n| *n == 4)), (8, has(|n| *n > 4))];
    let lacking: Vec<u32> = needed.iter().filter(|(_, has)| !has).map(|(n, _)| *n).collect();
    let missing = || {
        let counts = if lacking.is_empty() { &counts } else { &lacking };
        not_measured(
            unmeasured(evidence, GOODPUT, &[], &[largest], counts),
            Missing::plan(RunCommand::new("--sizes 64KiB --threads 1,2,4,8")),
        )
    };
    let Some(four) = Threads::new(4).filter(|_| lacking.is_empty()) else { return missing() };
    let others = twins(
        evidence,
        GOODPUT,
        |cell| cell.is_itself() && cell.message.bytes().0 == largest && cell.threads != four,
        |cell| Cell { threads: four, ..cell.clone() },
    );
    // The other count that carries most is the one that could be better.
    let better = Reason::contradicting(GOODPUT, &others, Compared::is_no_less);
    let Some(seen) = better.or_else(|| Reason::most(GOODPUT, &others)) else { return missing() };
    effect(Shown::all_less(&others), [seen]).lacks(Missing::rounds()).from(names(&others, GOODPUT))
}
