//! C18, C20 and C21: caches.

use std::collections::BTreeMap;

use model::names::Layout;
use model::{Bytes, Cell, SendPath};

use super::{Missing, Reference, Ruling, refuted, supported, undecidable};
use crate::comparisons::{
    Compared, counter_works, counters_remedy, extremes, names, of_moments, sound, twins,
};
use crate::estimate::Moments;
use crate::evidence::Evidence;
use crate::figure_text::{counted, ratio, reduction, size};
use crate::metric::Metric;
use crate::pairs::{self, SIGNIFICANCE, holm};

/// The generic event is what the paper counted.
const MISSES: Metric = Metric::SenderCacheMissesPerKib;
const PEAK: u64 = 512;

/// Logarithm of the sender's cache misses per second, round by round: the paper counts totals of a fixed time.
fn log_misses_per_s(evidence: &Evidence<'_>, cell: &Cell) -> BTreeMap<u32, f64> {
    let goodput = evidence.logs_by_round(cell, Metric::GoodputGbps);
    let misses = evidence.logs_by_round(cell, MISSES);
    misses
        .into_iter()
        .filter_map(|(round, log)| Some((round, log + goodput.get(&round)?)))
        .collect()
}

/// Other sizes of send against 512 bytes, in the sender's cache misses per second.
fn against_peak(evidence: &Evidence<'_>, layout: impl Fn(Layout) -> bool) -> Vec<Compared> {
    let Some(peak) = model::values::MessageSize::new(PEAK) else { return Vec::new() };
    let mut family = Vec::new();
    for estimates in evidence.asked() {
        let cell = &estimates.cell;
        if cell.send_path != SendPath::A1 || cell.message == peak || !layout(cell.layout) {
            continue;
        }
        let at_peak = Cell { message: peak, ..cell.clone() };
        let (other, peak) =
            (log_misses_per_s(evidence, cell), log_misses_per_s(evidence, &at_peak));
        let mut moments = Moments::default();
        for (round, log) in other {
            if let Some(peak) = peak.get(&round) {
                moments.push(log - peak);
            }
        }
        family.push((cell.clone(), at_peak, moments));
    }
    sound(of_moments(evidence, family)).0
}

/// The peak is a figure; that alignment makes it needs another layout under which it is gone.
pub(super) fn c18(evidence: &Evidence<'_>) -> Ruling {
    let further = "--send send --sizes 64,512,4KiB,64KiB --layout scattered,packed";
    let compared = against_peak(evidence, |layout| layout != Layout::Packed);
    let Some((_, most)) = extremes(&compared) else {
        return undecidable(
            "cache misses of send at 512 bytes and at another size were not both counted",
            counters_remedy(evidence, MISSES, "cache-misses")
                .unlocked_by(format!("copycost run {further}")),
        );
    };
    let cited = names(&compared, MISSES);
    let told = format!(
        "against 512 bytes, the sender's cache misses per second are at most {}",
        most.text()
    );
    if compared.iter().any(Compared::is_no_less) {
        return refuted(format!("they do not peak at 512 bytes: {told}")).from(cited);
    }
    if !compared.iter().all(|c| c.is_below(1.0)) {
        return undecidable(format!("the intervals do not tell: {told}"), Missing::rounds())
            .from(cited);
    }
    let packed = against_peak(evidence, |layout| layout == Layout::Packed);
    let is_gone = packed.iter().any(Compared::is_no_less);
    let stays = !packed.is_empty() && packed.iter().all(|c| c.is_below(1.0));
    let cited = cited.into_iter().chain(names(&packed, MISSES));
    if is_gone {
        supported(format!("{told}, and with packed fields the peak is gone")).from(cited)
    } else if stays {
        refuted(format!(
            "{told}, but with packed fields the peak is the same: alignment is not why"
        ))
        .from(cited)
    } else {
        undecidable(
            format!("{told}, but no other layout shows why"),
            Missing::plan(format!("copycost run {further}")),
        )
        .from(cited)
    }
}

/// Each level's metric, and its name; what misses the second level is what reaches the last one.
pub(crate) const LEVELS: [(&str, Metric); 3] = [
    ("L1 data", Metric::SenderL1dMissesPerKib),
    ("L2 (reads of the last level)", Metric::SenderLlcLoadsPerKib),
    ("last level", Metric::SenderLlcMissesPerKib),
];

/// Log-ratio of sendmsg to send at each level, round by round.
pub(crate) fn log_ratios(
    evidence: &Evidence<'_>,
    cell: &Cell,
    against: &Cell,
) -> [BTreeMap<u32, f64>; 3] {
    LEVELS.map(|(_, metric)| {
        let others = evidence.logs_by_round(against, metric);
        let logs = evidence.logs_by_round(cell, metric);
        logs.into_iter()
            .filter_map(|(round, log)| Some((round, log - others.get(&round)?)))
            .collect()
    })
}

/// The last level's log-ratio must lie below the other two's, tested round by round in every block (Holm).
pub(super) fn c20(evidence: &Evidence<'_>) -> Ruling {
    let metric = Metric::SenderLlcMissesPerKib;
    let (compared, _) = sound(twins(
        evidence,
        metric,
        |cell| cell.send_path == SendPath::A2,
        |cell| Cell { send_path: SendPath::A1, ..cell.clone() },
    ));
    let mut tests: Vec<(String, Moments)> = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    for c in &compared {
        let [l1, l2, last] = log_ratios(evidence, &c.cell, &c.against);
        for (level, other) in [("L1 data", l1), ("L2", l2)] {
            let mut moments = Moments::default();
            for (round, log) in &last {
                if let Some(other) = other.get(round) {
                    moments.push(log - other);
                }
            }
            if !moments.is_empty() {
                let ratio = pairs::ratio(&moments).value().copied();
                let ratio = ratio.map(|r| ratio_words(&r, level)).unwrap_or_default();
                tests.push((format!("{ratio} at {}", crate::comparisons::place(&c.cell)), moments));
            } else {
                missing.push(format!("{level} at {}", crate::comparisons::place(&c.cell)));
            }
        }
    }
    if compared.is_empty() || tests.is_empty() {
        return undecidable(
            "misses of send and sendmsg were not counted at all three levels",
            counters_remedy(evidence, Metric::SenderL1dMissesPerKib, "l1d-misses"),
        );
    }
    let cited: Vec<Reference> =
        LEVELS.iter().flat_map(|(_, metric)| names(&compared, *metric)).collect();
    let p: Vec<f64> = tests.iter().map(|(_, m)| m.p_of_zero().unwrap_or(1.0)).collect();
    let corrected = holm(&p);
    let contradiction = tests
        .iter()
        .zip(&corrected)
        .find(|((_, moments), p)| **p < SIGNIFICANCE && moments.mean() > 0.0);
    if let Some(((told, _), _)) = contradiction {
        return refuted(format!("another level loses more of its misses: {told}")).from(cited);
    }
    let told = extremes(&compared)
        .map(|(least, most)| {
            format!(
                "last-level misses fall by {} to {}",
                reduction(&most.ratio),
                reduction(&least.ratio)
            )
        })
        .unwrap_or_default();
    if let Some(first) = missing.first() {
        return undecidable(
            format!("{told}; {first} was not counted of both paths beside the last level"),
            [Metric::SenderL1dMissesPerKib, Metric::SenderLlcLoadsPerKib]
                .into_iter()
                .zip(["l1d-misses", "llc-loads"])
                .find(|(metric, _)| !counter_works(evidence, *metric))
                .map_or_else(Missing::rounds, |(metric, counter)| {
                    counters_remedy(evidence, metric, counter)
                }),
        )
        .from(cited);
    }
    // Intersection–union: each by itself.
    if tests.iter().zip(&p).all(|((_, moments), p)| *p < SIGNIFICANCE && moments.mean() < 0.0)
        && compared.iter().all(|c| c.is_below(1.0))
    {
        supported(format!("{told}, more than at L1 and L2 in every block")).from(cited)
    } else {
        undecidable(
            format!("{told}; the intervals do not tell it from the other levels in every block"),
            Missing::rounds(),
        )
        .from(cited)
    }
}

fn ratio_words(estimate: &crate::summary::Estimate, level: &str) -> String {
    format!(
        "what is left of last-level misses is {} of what is left of {level} misses",
        ratio(estimate)
    )
}

/// By size: a message against the cache. What the ring and its connections hold together is said beside.
pub(super) fn c21(evidence: &Evidence<'_>) -> Ruling {
    const MESSAGE: u64 = 65_536;
    let l3 = evidence.host.caches.iter().filter(|cache| cache.level == 3).map(|cache| cache.bytes);
    let Some(l3) = l3.max() else {
        return undecidable(
            "the machine names no L3 cache",
            Missing::of_itself("a machine whose /sys/devices/system/cpu/cpu0/cache names an L3"),
        );
    };
    let cited = [Reference::host("caches")];
    let ring = evidence.trials.all().iter().filter_map(|judged| {
        let cell = &judged.trial.cell;
        let is_it = cell.message.bytes().0 == MESSAGE && judged.is_valid();
        is_it.then(|| judged.finished().map(|f| (f.sender.ring_bytes.0, cell)))?
    });
    let beside = ring.max_by_key(|(bytes, _)| *bytes).map_or_else(String::new, |(bytes, cell)| {
        format!(
            "the working set is another matter: the rings of {} held up to {}",
            counted(cell.threads.get() as usize, "thread", "threads"),
            size(bytes as f64)
        )
    });
    let l3_name = Bytes(l3).to_string();
    if l3 < MESSAGE {
        return supported(format!("the L3 has {l3_name}")).and(&beside).from(cited);
    }
    refuted(format!("an L3 of {l3_name} holds {} such messages", l3 / MESSAGE))
        .and(&beside)
        .from(cited)
}
