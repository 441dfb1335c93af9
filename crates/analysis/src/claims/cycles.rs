//! C22 and C23: cycles per byte.

use std::collections::BTreeMap;

use model::{Cell, SendPath};

use super::{Missing, Reference, Ruling, refuted, supported, undecidable};
use crate::comparisons::{counters_remedy, extremes, names, of_moments, place, twins};
use crate::evidence::{Evidence, figure};
use crate::figure_text::level;
use crate::metric::Metric;
use crate::summary::Estimate;

/// The paper counted its server alone, which sends.
const CYCLES: Metric = Metric::SenderCyclesPerByte;

/// What one part of a claim comes to.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Holds,
    Fails,
    Unknown,
}

fn within(estimate: &Estimate, low: f64, high: f64) -> Part {
    match (estimate.low, estimate.high) {
        (Some(l), Some(h)) if low <= l && h <= high => Part::Holds,
        (Some(l), Some(h)) if h < low || l > high => Part::Fails,
        _ => Part::Unknown,
    }
}

/// The ranges at 64 B and 64 KiB, sendmsg the lowest of its block, and 0.04 with 8 threads, each to two digits.
pub(super) fn c22(evidence: &Evidence<'_>) -> Ruling {
    let mut parts: Vec<(Part, String, Reference)> = Vec::new();
    for estimates in evidence.asked() {
        let cell = &estimates.cell;
        let Some(cycles) = figure(estimates, CYCLES) else { continue };
        let mut part = |low: f64, high: f64, said: &str| {
            let told = format!(
                "{} with {} at {} (claimed: {said})",
                level(&cycles),
                cell.send_path,
                place(cell)
            );
            parts.push((
                within(&cycles, low, high),
                told,
                Reference::Figure { metric: CYCLES, cell: cell.clone() },
            ));
        };
        match (cell.message.bytes().0, cell.threads.get(), cell.send_path) {
            (64, ..) => part(50.0, 300.0, "50 to 300"),
            (65_536, 8, SendPath::A2) => part(0.035, 0.045, "0.04"),
            (65_536, ..) => part(0.2, 1.0, "0.2 to 1"),
            _ => {}
        }
    }
    let lowest = twins(
        evidence,
        CYCLES,
        |cell| matches!(cell.send_path, SendPath::A1 | SendPath::A3),
        |cell| Cell { send_path: SendPath::A2, ..cell.clone() },
    );
    if parts.is_empty() && lowest.is_empty() {
        return undecidable(
            "cycles at 64 bytes or 64 KiB were not counted; CPU time is, and stands in the table of cells",
            counters_remedy(evidence, CYCLES, "cycles")
                .unlocked_by("copycost run --sizes 64,64KiB --threads 1,8"),
        );
    }
    for compared in &lowest {
        let part = if compared.is_no_more() {
            Part::Fails
        } else if compared.is_above(1.0) {
            Part::Holds
        } else {
            Part::Unknown
        };
        let told = format!("{} of sendmsg's with {}", compared.text(), compared.cell.send_path);
        parts.push((part, told, compared.reference(CYCLES)));
    }
    let of = |part: Part| parts.iter().filter(move |(is, ..)| *is == part);
    let side = "cycles of the senders alone, as the paper counted";
    if let Some((_, told, _)) = of(Part::Fails).next() {
        let failing: Vec<Reference> = of(Part::Fails).map(|(_, _, name)| name.clone()).collect();
        return refuted(format!(
            "{} of {} parts fail, among them {told}",
            failing.len(),
            parts.len()
        ))
        .and(side)
        .from(std::iter::once(Reference::law(7)).chain(failing));
    }
    let cited =
        std::iter::once(Reference::law(7)).chain(parts.iter().map(|(_, _, name)| name.clone()));
    let has = |bytes: u64| evidence.asked().any(|e| e.cell.message.bytes().0 == bytes);
    if of(Part::Unknown).next().is_none() && has(64) && has(65_536) && !lowest.is_empty() {
        return supported(format!("all of {} parts hold", parts.len())).and(side).from(cited);
    }
    undecidable(
        "no part fails, but not all are shown",
        Missing::rounds().unlocked_by(
            "copycost run --send send,sendmsg,zerocopy --sizes 64,64KiB --threads 1,8",
        ),
    )
    .from(cited)
}

/// The most threads against the fewest, for each path and size.
pub(super) fn c23(evidence: &Evidence<'_>) -> Ruling {
    let mut series: BTreeMap<Cell, Vec<&Cell>> = BTreeMap::new();
    for estimates in evidence.asked() {
        let key = Cell { threads: model::values::Threads::ONE, ..estimates.cell.clone() };
        series.entry(key).or_default().push(&estimates.cell);
    }
    let ends = series.into_values().filter_map(|mut cells| {
        cells.sort_by_key(|cell| cell.threads);
        let (fewest, most) = (*cells.first()?, *cells.last()?);
        (fewest != most).then(|| {
            let moments = evidence.paired(most, fewest, CYCLES);
            (most.clone(), fewest.clone(), moments)
        })
    });
    let compared = of_moments(evidence, ends.collect());
    let Some((least, most)) = extremes(&compared) else {
        return undecidable(
            "cycles at two thread counts were not counted",
            counters_remedy(evidence, CYCLES, "cycles")
                .unlocked_by("copycost run --threads 1,2,4,8"),
        );
    };
    let cited = std::iter::once(Reference::law(7)).chain(names(&compared, CYCLES));
    let told = format!(
        "the senders' cycles per byte with most threads against fewest are from {} to {}",
        least.text(),
        most.text()
    );
    if compared.iter().any(|c| c.is_no_less()) {
        refuted(told).from(cited)
    } else if compared.iter().all(|c| c.is_below(1.0)) {
        supported(told).from(cited)
    } else {
        undecidable(format!("not shown everywhere: {told}"), Missing::rounds()).from(cited)
    }
}
