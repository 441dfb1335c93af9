//! Q6: the most surprising cell, found by rule.

use model::{Cell, Mark, Missing};

use super::expectation::{Basis, Departure, departures};
use super::{Found, columns};
use crate::comparisons::{counters_remedy, place};
use crate::evidence::{Evidence, figure};
use crate::explained::Table;
use crate::figure_text::{counted, level, listed, percent, ratio, short};
use crate::metric::Metric;
use crate::pairs::{self, SIGNIFICANCE};
use crate::summary::Estimate;

/// Rows of the table.
const ROWS: usize = 5;

/// What is told of the cell that surprises: what went with it, not why.
const COMPANIONS: [(Metric, &str); 6] = [
    (Metric::ContextSwitchesPerS, "context switches per second"),
    (Metric::BytesPerPacket, "bytes per packet"),
    (Metric::SlotWaitsPerMessage, "waits for a slot per message"),
    (Metric::Retransmits, "segments sent again"),
    (Metric::RttUs, "round-trip time in µs"),
    (Metric::SenderLlcMissesPerKib, "sender last-level misses per KiB"),
];

/// The largest departure that survives Holm's correction and is larger than the plan's margin.
pub(super) fn q6(evidence: &Evidence<'_>) -> Found {
    let mut all = departures(evidence);
    let tests = all.len();
    let further = "copycost run --sizes 64,512,4KiB,64KiB --threads 1,2,4,8 --rounds 20";
    if tests == 0 {
        return Found {
            line: "not answered: an expectation needs two sizes at two thread counts (or five sizes at one), in two rounds".to_owned(),
            would_answer: vec![Missing::plan(further)],
            ..Found::default()
        };
    }
    let margin = evidence.plan.measure.margin.0.ln_1p();
    let survives = |departure: &Departure| {
        departure.p_holm < SIGNIFICANCE && departure.log.mean().abs() > margin
    };
    // Survivors first; then by the least departure that the interval allows, as a departure leaves smaller ones in its
    // neighbours' expectations, which little noise may make look as certain.
    all.sort_by(|a, b| {
        survives(b)
            .cmp(&survives(a))
            .then(b.shown().total_cmp(&a.shown()))
            .then(a.cell.cmp(&b.cell))
    });
    let rows = all.iter().take(ROWS).map(|departure| row(evidence, departure));
    let table = Table {
        columns: columns([
            "cell",
            "metric",
            "measured",
            "expected",
            "measured / expected",
            "standard errors",
            "p after Holm",
            "oversubscribed",
        ]),
        rows: rows.collect(),
    };
    let survivors = all.iter().filter(|departure| survives(departure)).count();
    let Some(first) = all.first().filter(|departure| survives(departure)) else {
        return Found {
            line: format!(
                "nothing surprising: in {} no cell departs from what the other cells let expect, after correction and beyond {}",
                counted(tests, "test", "tests"),
                percent(evidence.plan.measure.margin.0)
            ),
            answered: true,
            evidence: table,
            would_change: format!("more cells or rounds: {further}"),
            ..Found::default()
        };
    };
    let what =
        if first.metric == Metric::GoodputGbps { "goodput" } else { "CPU per KiB of both ends" };
    let from = match first.basis {
        Basis::Additive => "what its path, size and threads do elsewhere let expect",
        Basis::Neighbours => "what the sizes beside it let expect",
    };
    let others: Vec<String> = first
        .not_told_from
        .iter()
        .filter_map(|cell| all.iter().find(|d| d.cell == *cell && d.metric == first.metric))
        .map(|other| format!("that of {} {}", named(evidence, &other.cell), factor(other)))
        .collect();
    let told = if others.is_empty() {
        format!("{}: {what} is {} of {from}", named(evidence, &first.cell), factor(first))
    } else {
        format!(
            "one of these {} cells departs, and a factor of two levels does not tell which: {what} of {} is {} of {from}, or {}",
            others.len() + 1,
            named(evidence, &first.cell),
            factor(first),
            listed(&others)
        )
    };
    let mut notes = vec![
        format!("{survivors} of {} survive the correction", counted(tests, "test", "tests")),
        "no cause is named: that takes a counter and an intervention".to_owned(),
    ];
    notes.extend(companions(evidence, &first.cell));
    Found {
        line: format!("{told} (p = {:.0e} after Holm)", first.p_holm),
        answered: true,
        evidence: table,
        would_change: if evidence.asked().any(|e| figure(e, Metric::SenderCyclesPerByte).is_some())
        {
            "an intervention at that cell: a plan that varies one factor there".to_owned()
        } else {
            format!(
                "an intervention at that cell, and {}",
                counters_remedy(evidence, Metric::SenderCyclesPerByte, "cycles")
            )
        },
        would_answer: Vec::new(),
        notes,
    }
}

fn ratio_of(departure: &Departure) -> Option<Estimate> {
    pairs::ratio(&departure.log).value().copied()
}

/// Measured over expected, with its interval.
fn factor(departure: &Departure) -> String {
    ratio_of(departure).map_or_else(|| short(departure.log.mean().exp()), |r| ratio(&r))
}

/// A cell in words: `zerocopy (A3) at 64 KiB, 8 threads`.
fn named(evidence: &Evidence<'_>, cell: &Cell) -> String {
    let crowd = if is_oversubscribed(evidence, cell) { ", oversubscribed" } else { "" };
    format!("{} at {}{crowd}", cell.send_path, place(cell))
}

fn is_oversubscribed(evidence: &Evidence<'_>, cell: &Cell) -> bool {
    evidence.cell(cell).is_some_and(|estimates| estimates.oversubscribed)
}

fn row(evidence: &Evidence<'_>, departure: &Departure) -> Vec<String> {
    let expected = departure.measured_log - departure.log.mean();
    let standardized = departure.standardized();
    vec![
        departure.cell.to_string(),
        departure.metric.name().to_owned(),
        short(departure.measured_log.exp()),
        short(expected.exp()),
        ratio_of(departure).map_or_else(|| "-".to_owned(), |r| ratio(&r)),
        if standardized.is_finite() {
            format!("{standardized:.1}")
        } else {
            "all rounds agree".to_owned()
        },
        format!("{:.1e}", departure.p_holm),
        if is_oversubscribed(evidence, &departure.cell) { "yes" } else { "no" }.to_owned(),
    ]
}

/// What was counted at that cell, and beside it by another path.
fn companions(evidence: &Evidence<'_>, cell: &Cell) -> Vec<String> {
    let Some(estimates) = evidence.cell(cell) else { return Vec::new() };
    let beside = evidence.asked().find(|other| {
        other.cell.send_path != cell.send_path
            && Cell { send_path: cell.send_path, ..other.cell.clone() } == *cell
    });
    let told: Vec<String> = COMPANIONS
        .iter()
        .filter_map(|(metric, words)| {
            let here = figure(estimates, *metric)?;
            let there = beside.and_then(|other| Some((other, figure(other, *metric)?)));
            let there = there.map_or_else(String::new, |(other, figure)| {
                format!(" ({}: {})", other.cell.send_path, level(&figure))
            });
            Some(format!("{words} {}{there}", level(&here)))
        })
        .collect();
    let mut notes = Vec::new();
    if !told.is_empty() {
        notes.push(format!("what went with it: {}", told.join("; ")));
    }
    let marks: Vec<String> = estimates
        .marks
        .iter()
        .filter(|(mark, trials)| **trials > 0 && **mark != Mark::Oversubscribed)
        .map(|(mark, trials)| format!("{mark} in {trials} of {}", estimates.trials))
        .collect();
    if !marks.is_empty() {
        notes.push(format!("its trials are marked: {}", listed(&marks)));
    }
    notes
}
