//! C4 and C6 to C8: which path wins, and from where on.

use model::{Cell, SendPath};

use super::{Missing, Reference, Ruling, refuted, supported, undecidable};
use crate::comparisons::{
    Compared, copied_words, crossover_words, crossovers, extremes, names, paths, sound,
};
use crate::evidence::Evidence;
use crate::explained::{Crossover, CrossoverOutcome};
use crate::metric::Metric;
use crate::reference::Caveat;

/// At every size (intersection–union: each one shown by itself, R. L. Berger, Technometrics 24, 1982), and more at the
/// smallest size than at the largest, at each thread count.
pub(super) fn c4(evidence: &Evidence<'_>) -> Ruling {
    let metric = Metric::GoodputGbps;
    let further = || {
        Missing::plan(
            "copycost run --send send,sendmsg --sizes 64,512,4KiB,64KiB --threads 1 --rounds 20",
        )
    };
    let (compared, _) = sound(paths(evidence, SendPath::A2, SendPath::A1, metric));
    let Some((least, most)) = extremes(&compared) else {
        return undecidable("send and sendmsg were not both measured", further());
    };
    let cited = names(&compared, metric);
    if let Some(not) = compared.iter().find(|c| c.is_no_more()) {
        return refuted(format!("sendmsg's goodput is {} of send's: no gain there", not.text()))
            .from(cited);
    }
    let at_ends = |cell: &Cell| -> Option<(&Compared, &Compared)> {
        let same = |c: &&Compared| Cell { message: cell.message, ..c.cell.clone() } == *cell;
        let by_size = |c: &&Compared| c.cell.message;
        let small = compared.iter().filter(same).min_by_key(by_size)?;
        let large = compared.iter().filter(same).max_by_key(by_size)?;
        (small.cell.message != large.cell.message).then_some((small, large))
    };
    let ends: Vec<_> = compared.iter().filter_map(|c| at_ends(&c.cell)).collect();
    if let Some((small, large)) = ends
        .iter()
        .find(|(small, large)| small.ratio.high < large.ratio.low && small.ratio.high.is_some())
    {
        return refuted(format!(
            "the gain is not largest at small messages: {}, but {}",
            small.text(),
            large.text()
        ))
        .from(cited);
    }
    let everywhere = compared.iter().all(|c| c.is_above(1.0));
    let most_at_small = !ends.is_empty()
        && ends
            .iter()
            .all(|(small, large)| small.ratio.low > large.ratio.high && large.ratio.high.is_some());
    let told =
        format!("sendmsg's goodput against send's is from {} to {}", least.text(), most.text());
    if everywhere && most_at_small {
        supported(told).from(cited)
    } else if ends.is_empty() {
        undecidable(format!("only one size was measured: {told}"), further()).from(cited)
    } else {
        undecidable(format!("not shown at every size: {told}"), Missing::rounds()).from(cited)
    }
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
    let goes_on = crossover.untold.iter().all(|bytes| (*bytes as f64) < PAGE);
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

/// From the crossover of goodput between zerocopy and send.
pub(super) fn c6(evidence: &Evidence<'_>) -> Ruling {
    let found = crossovers(evidence, SendPath::A3, SendPath::A1, Metric::GoodputGbps);
    if found.is_empty() {
        return undecidable("zerocopy and send were not both measured over sizes", finer());
    }
    let words: Vec<String> = found.iter().map(|c| crossover_words(evidence, c)).collect();
    let told = format!("zerocopy's goodput beats send's {}", words.join("; "));
    let note =
        format!("against send it also makes one call of eight, and {}", copied_words(evidence));
    let cited: Vec<Reference> = found.iter().map(|c| Reference::crossover(c)).collect();
    let states: Vec<Threshold> = found.iter().map(|c| threshold(c)).collect();
    let says = if states.iter().any(|t| matches!(t, Threshold::Elsewhere)) {
        refuted(told)
    } else if states.iter().all(|t| matches!(t, Threshold::There)) {
        supported(format!("{told}; an interval within a factor of two of 4096 bytes counts"))
    } else {
        undecidable(format!("{told}: whether from 4096 bytes on is not told"), finer())
    };
    let mut ruling = says.and(&note).from(cited);
    // Its evidence names no cell by which this could be seen.
    if found.iter().all(|c| c.oversubscribed) {
        ruling.caveats.push(Caveat::Oversubscribed { all: true });
    }
    ruling
}

/// Without a threshold at 4096 there is nothing to explain; with one, the reason needs an offset that no plan of this
/// version can vary.
pub(super) fn c7(evidence: &Evidence<'_>) -> Ruling {
    let further = || {
        Missing::of_itself(
            "sizes around the page and a sweep of the fields' offset within it, which no plan of this version can vary, on machines with pages of 4 and of 16 or 64 KiB",
        )
    };
    let page = evidence.host.page_bytes;
    let premise = c6(evidence);
    let caveats = premise.caveats;
    let ruling = match premise.verdict {
        crate::explained::Verdict::Refuted => refuted(format!(
            "there is no threshold at 4096 bytes to explain here (a page has {page}): {}",
            premise.because
        ))
        .from(premise.evidence),
        crate::explained::Verdict::Supported if page != 4096 => refuted(format!(
            "the threshold lies at 4096 bytes though a page has {page}: {}",
            premise.because
        ))
        .from(premise.evidence),
        crate::explained::Verdict::Supported => undecidable(
            format!(
                "a threshold near 4096 bytes does not show that the page is why: {}",
                premise.because
            ),
            further(),
        )
        .from(premise.evidence),
        crate::explained::Verdict::Undecidable | crate::explained::Verdict::NotApplicable => {
            undecidable(
                format!(
                    "whether there is such a threshold is itself undecided: {}",
                    premise.because
                ),
                further(),
            )
            .first(premise.would_decide)
            .from(premise.evidence)
        }
    };
    Ruling { caveats, ..ruling }
}

/// Where the interval of a gain of 10 to 20 % must lie: a gain of 10 % has an interval around 1.10 itself.
const BAND: (f64, f64) = (1.05, 1.25);

/// The largest gain of zerocopy over send, and where it lies.
pub(super) fn c8(evidence: &Evidence<'_>) -> Ruling {
    let metric = Metric::GoodputGbps;
    let further = Missing::machine(
        "a machine with at least 8 usable CPUs",
        "copycost run --send send,zerocopy --sizes 64,512,4KiB,8KiB,64KiB --threads 1,2,4",
    );
    let all = paths(evidence, SendPath::A3, SendPath::A1, metric);
    let is_in = |c: &Compared| {
        (4096..=8192).contains(&c.cell.message.bytes().0) && (2..=4).contains(&c.cell.threads.get())
    };
    let all: Vec<Compared> = all.into_iter().filter(|c| !c.oversubscribed).collect();
    let (spot, outside): (Vec<Compared>, Vec<Compared>) = all.into_iter().partition(is_in);
    let (Some((_, best)), Some((_, other))) = (extremes(&spot), extremes(&outside)) else {
        return undecidable(
            "zerocopy and send were not both measured at 4 to 8 KiB with 2 to 4 threads and elsewhere, without oversubscription",
            further,
        );
    };
    let note = copied_words(evidence);
    let cited: Vec<Reference> =
        names(&spot, metric).into_iter().chain(names(&outside, metric)).collect();
    let told = format!("the largest gain there is {}, elsewhere {}", best.text(), other.text());
    let may_gain = |c: &Compared| !c.is_below(1.10) && !c.is_above(1.20);
    if !spot.iter().any(may_gain) {
        return refuted(format!("no cell of that spot gains 10 to 20 %: {told}"))
            .and(&note)
            .from(cited);
    }
    let best_high = spot.iter().filter_map(|c| c.ratio.high).fold(f64::NEG_INFINITY, f64::max);
    if other.is_above(best_high) {
        return refuted(format!("it gains more elsewhere: {told}")).and(&note).from(cited);
    }
    let (least, most) = BAND;
    if best.is_above(least)
        && best.is_below(most)
        && outside.iter().all(|c| c.is_below(best.ratio.low.unwrap_or(0.0)))
    {
        return supported(format!(
            "{told}; an interval within {least} to {most} counts as 10 to 20 %"
        ))
        .and(&note)
        .from(cited);
    }
    undecidable(format!("the intervals do not tell: {told}"), Missing::rounds())
        .and(&note)
        .from(cited)
}
