//! The most surprising cell, and what went with it.

use crate::spelling::listed;
use analysis::answers::{Basis, Departed};
use analysis::metric::Metric;
use analysis::summary::Summary;
use model::{Cell, Mark};

use super::tables::figure;
use crate::numbers::{counted, level, percent, ratio};
use crate::words::figures::{metric, place};

/// What is told of the cell that surprises: what went with it, not why.
const BESIDE: [Metric; 6] = [
    Metric::ContextSwitchesPerS,
    Metric::BytesPerPacket,
    Metric::SlotWaitsPerMessage,
    Metric::Retransmits,
    Metric::RttUs,
    Metric::SenderLlcMissesPerKib,
];

pub(super) fn found(tests: u32, surviving: u32, margin: f64, departures: &[Departed]) -> String {
    let first = match departures {
        [first, ..] if surviving > 0 => first,
        _ if tests == 0 => {
            return "an expectation needs two sizes at two thread counts (or five sizes at one), in two rounds".to_owned();
        }
        _ => {
            let (tests, margin) = (counted(tests, "test", "tests"), percent(margin));
            return format!(
                "nothing surprising: in {tests} no cell departs from what the other cells let expect, after correction and beyond {margin}"
            );
        }
    };
    let from = match first.basis {
        Basis::Additive => "what its path, size and threads do elsewhere let expect",
        Basis::Neighbours => "what the sizes beside it let expect",
    };
    let what = metric(first.metric);
    let is_like =
        |it: &&Departed| it.metric == first.metric && first.not_told_from.contains(&it.cell);
    let others: Vec<String> = departures
        .iter()
        .filter(is_like)
        .map(|it| format!("that of {} {}", named(it), ratio(&it.ratio)))
        .collect();
    let factor = ratio(&first.ratio);
    let told = if others.is_empty() {
        format!("{}: {what} is {factor} of {from}", named(first))
    } else {
        format!(
            "one of these {} cells departs, and a factor of two levels does not tell which: {what} of {} is {factor} of {from}, or {}",
            others.len() + 1,
            named(first),
            listed(&others)
        )
    };
    format!("{told} (p = {:.0e} after Holm)", first.p)
}

fn named(departed: &Departed) -> String {
    let crowd = if departed.oversubscribed.is_so() { ", more threads than CPUs" } else { "" };
    format!("{} at {}{crowd}", departed.cell.send_path, place(&departed.cell, &[]))
}

/// How sure it is, and what was counted at the cell and beside it by another path.
pub(super) fn notes(
    summary: &Summary,
    surviving: u32,
    tests: u32,
    departures: &[Departed],
) -> Vec<String> {
    let Some(first) = departures.first().filter(|_| surviving > 0) else { return Vec::new() };
    let mut notes = vec![
        format!("{surviving} of {} survive the correction", counted(tests, "test", "tests")),
        "no cause is named: that takes a counter and an intervention".to_owned(),
    ];
    notes.extend(beside(summary, &first.cell));
    notes
}

/// What was counted at a cell, and beside it by another path; what its trials are marked with.
fn beside(summary: &Summary, cell: &Cell) -> Vec<String> {
    let same = |other: &Cell| Cell { send_path: cell.send_path, ..other.clone() } == *cell;
    let mut asked = summary.estimates.iter().filter(|it| !it.control && same(&it.cell));
    let (here, there) =
        (asked.clone().find(|it| it.cell == *cell), asked.find(|it| it.cell != *cell));
    let Some(here) = here else { return Vec::new() };
    let told = BESIDE.iter().filter_map(|of| {
        let there = there.and_then(|it| Some((it, figure(summary, &it.cell, *of)?)));
        let there = there.map_or_else(String::new, |(it, figure)| {
            format!(" ({}: {})", it.cell.send_path, level(&figure))
        });
        Some(format!("{} {}{there}", metric(*of), level(&figure(summary, cell, *of)?)))
    });
    let told: Vec<String> = told.collect();
    let marks = here.marks.iter().filter(|(mark, n)| **n > 0 && **mark != Mark::Oversubscribed);
    let marks: Vec<String> =
        marks.map(|(mark, n)| format!("{mark} in {n} of {}", here.trials)).collect();
    [("what went with it: ", told.join("; ")), ("its trials are marked: ", listed(&marks))]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(lead, text)| format!("{lead}{text}"))
        .collect()
}
