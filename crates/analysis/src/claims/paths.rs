//! C4, C6 and C8: which path wins, and from where on.

use model::{Cell, Factor, RunCommand, SendPath};

use super::{Missing, PartKind, Reason, Reference, Ruling, Shown, effect, not_measured};
use crate::comparisons::{
    completions, crossed, crossovers, of_moments, path_twins, paths, unmeasured, with_a_cpu_each,
};
use crate::evidence::Evidence;
use crate::findings::{Crossover, CrossoverOutcome};
use crate::metric::Metric;
use crate::operands::Compared;
use crate::operands::{extremes, names};
use crate::reason::{Derived, contradicting};
use crate::reference::Caveat;

const GOODPUT: Metric = Metric::GoodputGbps;

/// At every size, as Q4 has it (a crossover that is *always*), and more at the smallest size than at the largest, at each
/// thread count: a test of the two gains' ratio, paired by round.
pub(super) fn c4(evidence: &Evidence<'_>) -> Ruling {
    let further = || {
        Missing::plan(RunCommand::new(
            "--send send,sendmsg --sizes 64,512,4KiB,64KiB --threads 1 --rounds 20",
        ))
    };
    let (compared, _) = with_a_cpu_each(paths(evidence, SendPath::A2, SendPath::A1, GOODPUT));
    let cited = names(&compared, GOODPUT);
    let Some(range) = Reason::range(GOODPUT, &compared) else {
        let paths = [SendPath::A1, SendPath::A2];
        return not_measured(unmeasured(evidence, GOODPUT, &paths, &[], &[]), further());
    };
    if let Some(not) = Reason::contradicting(GOODPUT, &compared, Compared::is_no_more) {
        return effect(Shown::No, [not]).from(cited);
    }
    let found = crossovers(evidence, SendPath::A2, SendPath::A1, GOODPUT);
    let everywhere = found.iter().all(|c| c.outcome == CrossoverOutcome::Always);
    let seen = [range, crossed(evidence, &found)];
    // The smallest and the largest size of each group of cells that has two.
    let ends = |small: &Compared| -> Option<[Compared; 2]> {
        let of_group =
            |c: &&Compared| Cell { message: small.cell.message, ..c.cell.clone() } == small.cell;
        let sizes = || compared.iter().filter(of_group);
        let large = sizes().max_by_key(|c| c.cell.message)?;
        let is_smallest = sizes().all(|c| c.cell.message >= small.cell.message);
        let are_two = is_smallest && small.cell.message != large.cell.message;
        are_two.then(|| [small.clone(), large.clone()])
    };
    let ends: Vec<[Compared; 2]> = compared.iter().filter_map(ends).collect();
    let ruling = effect(Shown::by(false, everywhere && !found.is_empty()), seen).from(cited);
    if ends.is_empty() {
        let one_size = Reason::NotVaried { factor: Factor::Message, value: None };
        return ruling.then(PartKind::Effect, Shown::NotMeasured, [one_size]).lacks(further());
    }
    let of_gains = |[small, large]: &[Compared; 2]| {
        let terms = [
            (1.0, &small.cell, GOODPUT),
            (-1.0, &small.against, GOODPUT),
            (-1.0, &large.cell, GOODPUT),
            (1.0, &large.against, GOODPUT),
        ];
        (small.cell.clone(), large.cell.clone(), evidence.combined(&terms))
    };
    let gains = of_moments(evidence, ends.iter().map(of_gains).collect());
    let what = Derived::Gain { path: SendPath::A2, against: SendPath::A1 };
    let not = contradicting(&gains, Compared::is_no_more);
    let seen = Reason::derived(what, if not.is_empty() { &gains } else { &not });
    let seen = seen.unwrap_or_else(|| unmeasured(evidence, GOODPUT, &[], &[], &[]));
    ruling.then(PartKind::Effect, Shown::all_more(&gains), [seen]).lacks(Missing::rounds())
}

/// The threshold of one group of cells against 4096 bytes.
enum Threshold {
    /// It is shown to lie near them.
    There,
    /// It is shown to lie elsewhere, or nowhere.
    Elsewhere,
    Unknown,
}

/// A threshold within a factor of two of the 4096 bytes that the claim names counts as there, however it was located.
const NEAR: [f64; 2] = [2048.0, 8192.0];

fn threshold(crossover: &Crossover) -> Threshold {
    let [least, most] = NEAR;
    let has = |holds: fn(f64) -> bool| crossover.sizes.iter().any(|bytes| holds(*bytes as f64));
    // "From there on" speaks of every larger size.
    let goes_on = crossover.unclear_sizes.iter().all(|bytes| (*bytes as f64) < PAGE);
    // Better already below, or not better though there were sizes beyond.
    let is_below = || has(|bytes| bytes <= NEAR[0]);
    let is_beyond = || has(|bytes| bytes >= NEAR[1]);
    let is_elsewhere = match crossover.outcome {
        CrossoverOutcome::At { low, high, .. } | CrossoverOutcome::Bracket { low, high } => {
            if least <= low && high <= most && goes_on {
                return Threshold::There;
            }
            high < least || low > most
        }
        CrossoverOutcome::Until { .. } | CrossoverOutcome::UntilBracket { .. } => true,
        CrossoverOutcome::Always => is_below(),
        CrossoverOutcome::Never | CrossoverOutcome::Alike => is_beyond(),
        // What is shown from the smallest size on, and what up to the largest.
        CrossoverOutcome::Partly { is_better: true, up_to, .. } => up_to.is_some() && is_below(),
        CrossoverOutcome::Partly { is_better: false, from, .. } => from.is_some() && is_beyond(),
        CrossoverOutcome::Undecided => false,
    };
    if is_elsewhere { Threshold::Elsewhere } else { Threshold::Unknown }
}

/// The bytes that the claim names.
const PAGE: f64 = 4096.0;

fn finer() -> Missing {
    Missing::plan(RunCommand::new("--preset break-even --send send,sendmsg,zerocopy"))
}

/// From the crossover of goodput between zerocopy and send, which makes more calls too.
pub(super) fn c6(evidence: &Evidence<'_>) -> Ruling {
    let both = [SendPath::A3, SendPath::A1];
    let mut found = crossovers(evidence, SendPath::A3, SendPath::A1, GOODPUT);
    // Fields begin on a page, of the usual length, and are as many as the paper's, so that send makes as many calls, where that was
    // measured.
    for factor in [Factor::Offset, Factor::Fields, Factor::Pages] {
        let is_usual = |c: &&Crossover| c.shared.cell().is_default(factor);
        if found.iter().any(is_usual) {
            found.retain(is_usual);
        }
    }
    if found.is_empty() {
        return not_measured(unmeasured(evidence, GOODPUT, &both, &[], &[]), finer());
    }
    let calls = Metric::SendCallsPerMessage;
    let calls = Reason::most(calls, &path_twins(evidence, calls, both, |_| true));
    let states: Vec<Threshold> = found.iter().map(|c| threshold(c)).collect();
    let elsewhere = states.iter().any(|t| matches!(t, Threshold::Elsewhere));
    let there = states.iter().all(|t| matches!(t, Threshold::There));
    let seen = [crossed(evidence, &found), Reason::SizesCount { low: NEAR[0], high: NEAR[1] }];
    let mut ruling = effect(Shown::by(elsewhere, there), seen)
        .beside(calls)
        .beside([completions(evidence)])
        .lacks(finer())
        .from(found.iter().map(|c| Reference::crossover(c)));
    // Its evidence names no cell by which this could be seen.
    if found.iter().all(|c| c.oversubscribed.is_so()) {
        ruling.caveats.push(Caveat::Oversubscribed { all: true });
    }
    ruling
}

/// The gain that the claim names.
const GAIN: (f64, f64) = (1.10, 1.20);
/// Where the interval of such a gain must lie: a gain of 10 % has an interval around 1.10 itself.
const BAND: (f64, f64) = (1.05, 1.25);

/// The largest gain of zerocopy over send, and where it lies.
pub(super) fn c8(evidence: &Evidence<'_>) -> Ruling {
    let all = paths(evidence, SendPath::A3, SendPath::A1, GOODPUT);
    let (dropped, all): (Vec<Compared>, Vec<Compared>) =
        all.into_iter().partition(|c| c.oversubscribed.is_so());
    let is_in = |c: &Compared| {
        (4096..=8192).contains(&c.cell.message.bytes().0) && (2..=4).contains(&c.cell.threads.get())
    };
    let (spot, outside): (Vec<Compared>, Vec<Compared>) = all.into_iter().partition(is_in);
    let (Some((_, best)), Some((_, other))) = (extremes(&spot), extremes(&outside)) else {
        let both = [SendPath::A3, SendPath::A1];
        let (dropped_spot, dropped_outside): (Vec<Compared>, Vec<Compared>) =
            dropped.into_iter().partition(is_in);
        let (dropped, missing) = if spot.is_empty() {
            (dropped_spot, Reason::not_measured(GOODPUT, both, [4096, 8192], [2, 4]))
        } else {
            (dropped_outside, Reason::not_measured(GOODPUT, both, [64, 65_536], []))
        };
        let seen = match Reason::range(GOODPUT, &dropped) {
            Some(range) => vec![range, Reason::TooFewCpus],
            None => vec![missing],
        };
        return effect(Shown::NotMeasured, seen).lacks(Missing::machine(
            "a machine with at least 8 usable CPUs",
            RunCommand::new("--send send,zerocopy --sizes 64,512,4KiB,8KiB,64KiB --threads 1,2,4"),
        ));
    };
    let (low, high) = GAIN;
    let may_gain = |c: &Compared| !c.is_below(low) && !c.is_above(high);
    let (least, most) = BAND;
    let gains = best.is_above(least) && best.is_below(most);
    let best_high = spot.iter().filter_map(|c| c.ratio.high).fold(f64::NEG_INFINITY, f64::max);
    let is_best = outside.iter().all(|c| c.is_below(best.ratio.low.unwrap_or(0.0)));
    let there = Shown::by(!spot.iter().any(may_gain), gains);
    let nowhere_else = Shown::by(other.is_above(best_high), is_best);
    let claimed = if there == Shown::No {
        Reason::Claimed { low, high }
    } else {
        Reason::CountsAs { low: least, high: most }
    };
    effect(there, Reason::most(GOODPUT, &spot))
        .beside([claimed])
        .then(PartKind::Effect, nowhere_else, Reason::most(GOODPUT, &outside))
        .beside([completions(evidence)])
        .lacks(Missing::rounds())
        .from(names(&spot, GOODPUT))
        .from(names(&outside, GOODPUT))
}
