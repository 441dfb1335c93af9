//! C18, C20 and C21: caches.

use model::names::Layout;
use model::values::{MessageSize, Ring};
use model::{Cell, Factor, RunCommand, SendPath};

use super::{Missing, PartKind, Reference, Ruling, Shown, effect, not_measured};
use crate::comparisons::{
    against, counter_works, counters_remedy, of_moments, unmeasured, with_a_cpu_each,
};
use crate::evidence::{Evidence, figure};
use crate::metric::Metric;
use crate::operands::Compared;
use crate::operands::names;
use crate::pairs::{SIGNIFICANCE, holm};
use crate::reason::{Derived, Reason, contradicting};
use crate::results::CellEstimates;

/// The generic event is what the paper counted.
const MISSES: Metric = Metric::SenderCacheMissesPerKib;
pub(crate) const PEAK: u64 = 512;

/// Other sizes of send against 512 bytes, in the sender's cache misses per second: the paper counts totals of a fixed time.
fn against_peak(evidence: &Evidence<'_>, layout: impl Fn(Layout) -> bool) -> Vec<Compared> {
    let Some(peak) = MessageSize::new(PEAK) else { return Vec::new() };
    let cells = evidence.asked_of(SendPath::A1).map(|estimates| &estimates.cell);
    let family = cells.filter(|cell| cell.message != peak && layout(cell.layout)).map(|cell| {
        let at_peak = Cell { message: peak, ..cell.clone() };
        let terms = [(1.0, cell), (-1.0, &at_peak)]
            .map(|(sign, cell)| [(sign, cell, MISSES), (sign, cell, Metric::GoodputGbps)]);
        let moments = evidence.combined(&terms.concat());
        (cell.clone(), at_peak, moments)
    });
    with_a_cpu_each(of_moments(evidence, family.collect())).0
}

/// The peak is a figure; that alignment makes it needs another layout under which it is gone.
pub(super) fn c18(evidence: &Evidence<'_>) -> Ruling {
    const PLAN: &str = "--send send --sizes 64,512,4KiB,64KiB --layout scattered,packed";
    let compared = against_peak(evidence, |layout| layout != Layout::Packed);
    let seen = |compared: &[Compared]| Reason::derived(Derived::CacheMissesPerS, compared);
    // Those sizes that have no fewer, where there are any.
    let no_fewer = |compared: &[Compared]| match contradicting(compared, Compared::is_no_less) {
        none if none.is_empty() => seen(compared),
        those => seen(&those),
    };
    let Some(peak) = no_fewer(&compared) else {
        let at_peak =
            |e: &CellEstimates| e.cell.message.bytes().0 == PEAK && figure(e, MISSES).is_some();
        let missing = if evidence.asked_of(SendPath::A1).any(at_peak) {
            Reason::NotVaried { factor: Factor::Message, value: None }
        } else {
            Reason::not_measured(MISSES, [SendPath::A1], [PEAK], [])
        };
        return not_measured(
            missing,
            counters_remedy(evidence, MISSES, "cache-misses").unlocked_by(PLAN),
        );
    };
    let ruling = effect(Shown::all_less(&compared), [peak])
        .lacks(Missing::rounds())
        .from(names(&compared, MISSES));
    if !ruling.holds() {
        return ruling;
    }
    let packed = against_peak(evidence, |layout| layout == Layout::Packed);
    // Without the peak, alignment is why; with it, it is not.
    let shown = match Shown::all_less(&packed) {
        Shown::No => Shown::Yes,
        Shown::Yes => Shown::No,
        open @ (Shown::Unclear | Shown::NotMeasured | Shown::NotApplicable) => open,
    };
    let seen = no_fewer(&packed).unwrap_or(Reason::not_varied(Factor::Layout, "packed"));
    ruling
        .then(PartKind::Intervention, shown, [seen])
        .lacks(Missing::plan(RunCommand::new(PLAN)))
        .from(names(&packed, MISSES))
}

/// The last level's log-ratio must lie below the other two's, tested round by round in every block (Holm).
pub(super) fn c20(evidence: &Evidence<'_>) -> Ruling {
    let last = Metric::SenderLlcMissesPerKib;
    let others = [
        (Metric::SenderL1dMissesPerKib, "l1d-misses"),
        (Metric::SenderLlcLoadsPerKib, "llc-loads"),
    ];
    let pairs = evidence.asked_of(SendPath::A2).map(|estimates| {
        let cell = &estimates.cell;
        (cell.clone(), Cell { send_path: SendPath::A1, ..cell.clone() })
    });
    let (compared, _) = with_a_cpu_each(against(evidence, pairs, last));
    let mut missing = Vec::new();
    let mut tests = Vec::new();
    for c in &compared {
        for (level, _) in others {
            let moments = evidence.combined(&[
                (1.0, &c.cell, last),
                (-1.0, &c.against, last),
                (-1.0, &c.cell, level),
                (1.0, &c.against, level),
            ]);
            if moments.is_empty() {
                missing.push(Reason::not_measured(level, [], [c.cell.message.bytes().0], []));
            } else {
                tests.push((level, (c.cell.clone(), c.against.clone(), moments)));
            }
        }
    }
    if tests.is_empty() {
        return not_measured(
            missing.into_iter().next().unwrap_or_else(|| {
                unmeasured(evidence, last, &[SendPath::A1, SendPath::A2], &[], &[])
            }),
            counters_remedy(evidence, Metric::SenderL1dMissesPerKib, "l1d-misses"),
        );
    }
    let cited = Metric::CACHE_LEVELS.iter().flat_map(|level| names(&compared, *level));
    let p: Vec<f64> =
        tests.iter().map(|(_, (.., moments))| moments.p_of_zero().unwrap_or(1.0)).collect();
    let contradicts: Vec<bool> = tests
        .iter()
        .zip(holm(&p))
        .map(|((_, (.., moments)), p)| p < SIGNIFICANCE && moments.mean() > 0.0)
        .collect();
    let contradicted = contradicts.contains(&true);
    // Intersection–union: each by itself.
    let shows = compared.iter().all(|c| c.is_below(1.0))
        && tests
            .iter()
            .zip(&p)
            .all(|((_, (.., moments)), p)| *p < SIGNIFICANCE && moments.mean() < 0.0);
    // The level that comes nearest, or that contradicts most.
    let nearest = tests
        .into_iter()
        .zip(contradicts)
        .filter(|(_, contradicts)| *contradicts || !contradicted)
        .map(|(test, _)| test)
        .max_by(|(_, (.., a)), (_, (.., b))| a.mean().total_cmp(&b.mean()));
    let nearest = nearest.and_then(|(level, family)| {
        Reason::derived(Derived::LastLevelMissesPer { level }, &of_moments(evidence, vec![family]))
    });
    let seen = Reason::range(last, &compared).into_iter().chain(nearest);
    let ruling = effect(Shown::by(contradicted, shows && missing.is_empty()), seen);
    let lacks = if missing.is_empty() {
        Missing::rounds()
    } else {
        let broken = others.into_iter().find(|(metric, _)| !counter_works(evidence, *metric));
        broken.map_or_else(Missing::rounds, |(metric, counter)| {
            counters_remedy(evidence, metric, counter)
        })
    };
    ruling.beside(missing.into_iter().next()).lacks(lacks).from(cited)
}

/// By size: a message against the cache. What the ring and its connections hold together is said beside. Where a ring of one
/// message was measured against one of many, a message that fits is cheaper to send again than one of many that do not.
pub(super) fn c21(evidence: &Evidence<'_>) -> Ruling {
    const MESSAGE: u64 = 65_536;
    let l3 = evidence.host.caches.iter().filter(|cache| cache.level == 3).map(|cache| cache.bytes);
    let l3 = l3.max();
    let cache = Reason::Cache { level: 3, bytes: l3, message_bytes: MESSAGE };
    let Some(l3) = l3 else {
        return not_measured(
            cache,
            Missing::of_itself("a machine whose /sys/devices/system/cpu/cpu0/cache names an L3"),
        );
    };
    let rings = evidence.trials.all().iter().filter_map(|judged| {
        let cell = &judged.cell;
        let is_it = cell.message.bytes().0 == MESSAGE && judged.is_valid();
        let finished = judged.finished().filter(|_| is_it)?;
        Some((finished.sender_ring_bytes, cell.threads.get()))
    });
    let rings = rings.max_by_key(|(bytes, _)| *bytes);
    let ruling = effect(Shown::by(l3 >= MESSAGE, true), [cache])
        .beside(rings.map(|(bytes, threads)| Reason::Rings { threads, bytes }));
    let again = sent_again(evidence, MESSAGE, l3);
    let ruling = match Reason::range(COST, &again) {
        Some(seen) => {
            let fits = again.iter().all(|c| c.is_above(1.0));
            let does_not = again.iter().all(Compared::is_no_more);
            ruling
                .then(PartKind::Intervention, Shown::by(fits, does_not), [seen])
                .from(names(&again, COST))
        }
        None => ruling,
    };
    ruling.from([Reference::host("caches")])
}

const COST: Metric = Metric::SenderCpuNsPerKib;

/// What a byte costs senders whose rings are of more messages of this size than a cache holds against those that send one again and
/// again, all else equal: rewritten or not, and with or without a thread beside it that streams through memory and the shared cache.
/// Each sender's own rings must be larger: several senders may lie beside several such caches.
fn sent_again(evidence: &Evidence<'_>, bytes: u64, cache_bytes: u64) -> Vec<Compared> {
    let one = Ring::Fixed(1);
    let rings = |cell: &Cell| {
        let ring = u64::from(cell.ring.slots(cell.message)).saturating_mul(bytes);
        ring.saturating_mul(u64::from(cell.flows.get()))
    };
    let cells = evidence.asked().map(|estimates| &estimates.cell);
    let pairs = cells
        .filter(|cell| cell.message.bytes().0 == bytes && cell.ring != one)
        .filter(|cell| rings(cell) > cache_bytes)
        .map(|cell| (cell.clone(), Cell { ring: one, ..cell.clone() }));
    with_a_cpu_each(against(evidence, pairs, COST)).0
}
