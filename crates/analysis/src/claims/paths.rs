//! C4 and C6 to C8: which path wins, and from where on.

use model::{Cell, Factor, SendPath};

use super::{Missing, PartKind, Reason, Reference, Ruling, Shown, Verdict, effect, not_measured};
use crate::comparisons::{
    completions, crossed, crossovers, path_twins, paths, unmeasured, with_a_cpu_each,
};
use crate::evidence::Evidence;
use crate::findings::{Crossover, CrossoverOutcome};
use crate::metric::Metric;
use crate::operands::Compared;
use crate::operands::{extremes, names};
use crate::reference::Caveat;

const GOODPUT: Metric = Metric::GoodputGbps;

/// At every size (intersection–union: each one shown by itself, R. L. Berger, Technometrics 24, 1982), and more at the
/// smallest size than at the largest, at each thread count.
pub(super) fn c4(evidence: &Evidence<'_>) -> Ruling {
    let further = || {
        Missing::plan(
            "copycost run --send send,sendmsg --sizes 64,512,4KiB,64KiB --threads 1 --rounds 20",
        )
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
    let everywhere = compared.iter().all(|c| c.is_above(1.0));
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
    let ruling = effect(Shown::by(false, everywhere), [range]).from(cited);
    if ends.is_empty() {
        let one_size = Reason::NotVaried { factor: Factor::Message, value: None };
        return ruling.then(PartKind::Effect, Shown::NotMeasured, [one_size]).lacks(further());
    }
    let is_less = |a: &Compared, b: &Compared| b.ratio.low.is_some_and(|low| a.is_below(low));
    let reversed: Vec<[Compared; 2]> =
        ends.iter().filter(|[small, large]| is_less(small, large)).cloned().collect();
    let most_at_small = ends.iter().all(|[small, large]| is_less(large, small));
    let shown = Shown::by(!reversed.is_empty(), most_at_small);
    // What all show has its least and its most above.
    let pairs = if reversed.is_empty() { &ends } else { &reversed };
    let seen = (!most_at_small).then(|| Reason::each(GOODPUT, &pairs.concat()));
    ruling.then(PartKind::Effect, shown, seen).lacks(Missing::rounds())
}

/// The threshold of one group of cells against 4096 bytes.
enum Threshold {
    /// It is shown to lie there, as narrowly as this claim asks.
    There,
    /// It is elsewhere, or nowhere.
    Elsewhere,
    Unknown,
}

/// The bytes that the claim names.
const PAGE: f64 = 4096.0;
/// An interval that lies within this factor of them shows the threshold there.
const NEAR: f64 = 2.0;

fn threshold(crossover: &Crossover) -> Threshold {
    let has = |holds: fn(f64) -> bool| crossover.sizes.iter().any(|bytes| holds(*bytes as f64));
    // "From there on" speaks of every larger size.
    let goes_on = crossover.unclear_sizes.iter().all(|bytes| (*bytes as f64) < PAGE);
    match crossover.outcome {
        CrossoverOutcome::At { low, high, .. } if high < PAGE || low > PAGE => Threshold::Elsewhere,
        CrossoverOutcome::At { low, high, .. }
            if PAGE / NEAR <= low && high <= PAGE * NEAR && goes_on =>
        {
            Threshold::There
        }
        CrossoverOutcome::Bracket { low, high } if high < PAGE || low >= PAGE => {
            Threshold::Elsewhere
        }
        // Better at 4096 bytes, and not yet at the next smaller size that tells.
        CrossoverOutcome::Bracket { high, .. } if (high - PAGE).abs() < 1.0 && goes_on => {
            Threshold::There
        }
        CrossoverOutcome::Until { .. } | CrossoverOutcome::UntilBracket { .. } => {
            Threshold::Elsewhere
        }
        // Better already below, or not better though there were sizes from 4096 on.
        CrossoverOutcome::Always if has(|bytes| bytes < PAGE) => Threshold::Elsewhere,
        CrossoverOutcome::Never | CrossoverOutcome::Alike if has(|bytes| bytes >= PAGE) => {
            Threshold::Elsewhere
        }
        CrossoverOutcome::At { .. }
        | CrossoverOutcome::Bracket { .. }
        | CrossoverOutcome::Always
        | CrossoverOutcome::Never
        | CrossoverOutcome::Alike
        | CrossoverOutcome::Undecided => Threshold::Unknown,
    }
}

fn finer() -> Missing {
    Missing::plan("copycost run --preset break-even --send send,sendmsg,zerocopy")
}

/// From the crossover of goodput between zerocopy and send, which makes more calls too.
pub(super) fn c6(evidence: &Evidence<'_>) -> Ruling {
    let both = [SendPath::A3, SendPath::A1];
    let found = crossovers(evidence, SendPath::A3, SendPath::A1, GOODPUT);
    if found.is_empty() {
        return not_measured(unmeasured(evidence, GOODPUT, &both, &[], &[]), finer());
    }
    let calls = Metric::SendCallsPerMessage;
    let calls = Reason::most(calls, &path_twins(evidence, calls, both, |_| true));
    let states: Vec<Threshold> = found.iter().map(|c| threshold(c)).collect();
    let elsewhere = states.iter().any(|t| matches!(t, Threshold::Elsewhere));
    let there = states.iter().all(|t| matches!(t, Threshold::There));
    let mut ruling = effect(Shown::by(elsewhere, there), [crossed(evidence, &found)])
        .beside(calls)
        .beside([completions(evidence)])
        .lacks(finer())
        .from(found.iter().map(|c| Reference::crossover(c)));
    // Its evidence names no cell by which this could be seen.
    if found.iter().all(|c| c.oversubscribed) {
        ruling.caveats.push(Caveat::Oversubscribed { all: true });
    }
    ruling
}

/// Without a threshold at 4096 there is nothing to explain; with one, the reason needs an offset that no plan of this
/// version can vary.
pub(super) fn c7(evidence: &Evidence<'_>) -> Ruling {
    let mut ruling = c6(evidence);
    for part in &mut ruling.parts {
        part.kind = PartKind::Premise;
    }
    let page = evidence.host.page_bytes;
    let ruling = match ruling.verdict {
        Verdict::Supported if page != 4096 => {
            ruling.then(PartKind::Intervention, Shown::No, [Reason::PageBytes { bytes: page }])
        }
        Verdict::Supported => {
            ruling.then(PartKind::Intervention, Shown::NotMeasured, [Reason::NoIntervention])
        }
        Verdict::Refuted | Verdict::Undecidable | Verdict::NotApplicable => ruling,
    };
    ruling.lacks(Missing::of_itself(
        "sizes around the page and a sweep of the fields' offset within it, which no plan of this version can vary, on machines with pages of 4 and of 16 or 64 KiB",
    ))
}

/// The gain that the claim names.
const GAIN: (f64, f64) = (1.10, 1.20);
/// Where the interval of such a gain must lie: a gain of 10 % has an interval around 1.10 itself.
const BAND: (f64, f64) = (1.05, 1.25);

/// The largest gain of zerocopy over send, and where it lies.
pub(super) fn c8(evidence: &Evidence<'_>) -> Ruling {
    let all = paths(evidence, SendPath::A3, SendPath::A1, GOODPUT);
    let (dropped, all): (Vec<Compared>, Vec<Compared>) =
        all.into_iter().partition(|c| c.oversubscribed);
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
            "copycost run --send send,zerocopy --sizes 64,512,4KiB,8KiB,64KiB --threads 1,2,4",
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
