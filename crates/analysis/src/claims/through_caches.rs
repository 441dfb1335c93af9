//! C19: whether zerocopy has the best cache behaviour, and whether that is because nothing is copied through the cache.
//!
//! The reason falls or stands with what an audit counted; where a profile watched, with the time spent on copying too.
//! Where neither did, completions that were all marked copied still refute it: the mark says that at least one packet of
//! each was. That misses are fewest needs their counter, and that the missing copy is why needs the option left off.

use model::names::Switch;
use model::{Cell, Factor, SendPath};

use super::{Missing, PartKind, Reason, Reference, Ruling, Shown, copy_audit};
use crate::audited::{is_near, not_counted, of_path};
use crate::comparisons::{
    completions, copied_shares, counters_remedy, of_moments, path_twins, unmeasured,
    with_a_cpu_each,
};
use crate::copies::{Step, idle_audit, lacking, of_cell};
use crate::copying_time::still_copied;
use crate::evidence::Evidence;
use crate::metric::Metric;
use crate::operands::{Compared, CopyingTime, names};
use crate::results::CellEstimates;

/// From this part of sendmsg's copying on it is still done, below it is gone.
const HALF: f64 = 0.5;

fn is_medium(cell: &Cell) -> bool {
    (512..=16_384).contains(&cell.message.bytes().0)
}

/// The verdict. `main` is of the link that the claim is about, `whole` of every link.
pub(super) fn c19(main: &Evidence<'_>, whole: &Evidence<'_>) -> Ruling {
    let audited = of_path(whole, SendPath::A3);
    let profiled = profiled(main);
    let cited: Vec<Reference> = audited
        .iter()
        .map(|seen| seen.reference())
        .chain(profiled.iter().map(CopyingTime::reference))
        .collect();
    let (nothing_is, laws) = nothing_is_copied(main, &profiled);
    let counted = (!audited.is_empty()).then_some(Reason::Copies { of: audited });
    let mut seen: Vec<Reason> = counted.into_iter().chain(still_copied(&profiled)).collect();
    if nothing_is == Shown::NotMeasured {
        seen.extend(not_counted(main, SendPath::A3));
    }
    seen.push(completions(main));
    let copied = Ruling::of(PartKind::Counter, nothing_is, seen).from(laws);
    let ruling = if nothing_is == Shown::No { copied } else { by_misses(main, copied, nothing_is) };
    ruling.from(cited)
}

/// Whether it passes by reference as the paper's path does: MSG_ZEROCOPY, with completions on the error queue.
fn is_papers(cell: &Cell) -> bool {
    cell.send_path.capabilities().may_copy_instead() && cell.passes_by_reference()
}

/// The profiles of zerocopy and sendmsg at medium sizes.
fn profiled(main: &Evidence<'_>) -> Vec<CopyingTime> {
    let cells = main.asked().filter(|e| !e.oversubscribed.is_so()).map(|e| &e.cell);
    let cells = cells.filter(|cell| is_papers(cell) && is_medium(cell));
    cells.filter_map(|cell| CopyingTime::of(main, cell).ok()).collect()
}

/// Whether nothing is copied, and the laws about the source that says so. Two sources that do not say the same leave it
/// unclear; it is not measured where neither audit nor profile tells.
fn nothing_is_copied(main: &Evidence<'_>, profiled: &[CopyingTime]) -> (Shown, Vec<Reference>) {
    let of =
        |cell: &Cell, step: Step| of_cell(main.audits, cell, step).ok().map(|seen| seen.per_byte);
    let on_the_way_out = |cell: &Cell| Some(of(cell, Step::In)? + of(cell, Step::Deferred)?);
    let cells = main.asked().map(|e| &e.cell);
    let cells = cells.filter(|cell| is_papers(cell) && is_medium(cell));
    let copies: Vec<f64> = cells.filter_map(on_the_way_out).collect();
    let (least, most) = copied_shares(main).unzip();
    let (all_marked, none_marked) =
        (least.is_some_and(|least| least >= 1.0), most.is_some_and(|most| most <= 0.0));
    let any_unmarked_cell = least.is_none_or(|least| least <= 0.0);
    let is_still = |times: &CopyingTime| {
        times.still_copied_share.is_some_and(|share| share.low.is_some_and(|low| low > HALF))
    };
    let still_copied = !profiled.is_empty() && profiled.iter().all(is_still);
    let shown = if !copies.is_empty() {
        let copied = copies.iter().all(|copies| *copies > 1.0 - HALF) && !none_marked;
        let none = copies.iter().all(|copies| is_near(*copies, 0.0));
        Shown::by(copied, none && any_unmarked_cell && !still_copied)
    } else if still_copied {
        Shown::by(!none_marked, false)
    } else if all_marked {
        return (Shown::No, vec![Reference::law(3), Reference::law(4)]);
    } else {
        Shown::NotMeasured
    };
    (shown, Vec::new())
}

/// Last-level misses decide then, and the option left off parts the missing copy from the rest of the path.
fn by_misses(evidence: &Evidence<'_>, copied: Ruling, nothing_is: Shown) -> Ruling {
    let misses = Metric::SenderLlcMissesPerKib;
    let twins = |against| path_twins(evidence, misses, [SendPath::A3, against], is_medium);
    let copying = [SendPath::A1, SendPath::A2];
    let (compared, _) = with_a_cpu_each(copying.into_iter().flat_map(twins).collect());
    let fewest = compared.iter().all(|c| c.is_below(1.0));
    let audited = of_path(evidence, SendPath::A3);
    let is_counted = audited.iter().any(|seen| seen.on_the_way_out().is_some());
    let missing = match nothing_is {
        Shown::Yes if compared.is_empty() => counters_remedy(evidence, misses, "llc-misses"),
        Shown::Yes => Missing::rounds(),
        Shown::No | Shown::Unclear | Shown::NotApplicable if is_counted => idle_audit(),
        Shown::NotMeasured | Shown::No | Shown::Unclear | Shown::NotApplicable => {
            copy_audit(evidence, lacking(&not_counted(evidence, SendPath::A3)))
        }
    };
    if compared.is_empty() {
        let [send, sendmsg] = copying;
        let not = unmeasured(evidence, misses, &[SendPath::A3, send, sendmsg], &[], &[]);
        return copied.then(PartKind::Effect, Shown::NotMeasured, [not]).lacks(missing);
    }
    // Whatever the reason: where it has not the fewest there is nothing to explain.
    let seen = match Reason::contradicting(misses, &compared, Compared::is_no_less) {
        Some(more) => (Shown::No, Some(more)),
        None => (Shown::by(false, fewest), Reason::range(misses, &compared)),
    };
    let ruling = copied.then(PartKind::Effect, seen.0, seen.1).from(names(&compared, misses));
    if nothing_is != Shown::Yes || seen.0 != Shown::Yes {
        return ruling.lacks(missing);
    }
    let without =
        evidence.estimates.iter().filter(|e| e.cell.copies_instead() && !e.oversubscribed.is_so());
    let without = without.filter(|e| is_medium(&e.cell)).map(|e| {
        let on = Cell { so_zerocopy: Switch::On, ..e.cell.clone() };
        let moments = evidence.paired(&on, &e.cell, misses);
        (on, e.cell.clone(), moments)
    });
    let off = of_moments(evidence, without.collect());
    let Some(seen) = Reason::range(misses, &off) else {
        let is_dropped = |e: &CellEstimates| {
            e.cell.copies_instead() && is_medium(&e.cell) && e.oversubscribed.is_so()
        };
        let why = if evidence.estimates.iter().any(is_dropped) {
            Reason::TooFewCpus
        } else {
            Reason::not_varied(Factor::SoZerocopy, "off")
        };
        return ruling.then(PartKind::Intervention, Shown::NotMeasured, [why]).lacks(missing);
    };
    let return_with_it = off.iter().all(|c| c.is_below(1.0));
    ruling
        .then(PartKind::Intervention, Shown::by(false, return_with_it), [seen])
        .from(if return_with_it { names(&off, misses) } else { Vec::new() })
        .lacks(missing)
}
