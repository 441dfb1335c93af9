//! What bounds the figures: copies, oversubscription, noise, the instruments, and what is not claimed.

use std::collections::BTreeMap;

use analysis::metric::Metric;
use analysis::summary::{CellEstimates, Estimate, Summary};
use model::names::Watch;
use model::{Cell, Link, Measured, Plan};

use super::estimate;
use super::grid::Grid;
use crate::link_tables::copies_note;
use crate::numbers::{counted, half_width, percent, ratio, share_range};
use crate::styled_text::{Line, Style, whole};

/// How many zero-copy completions were copied anyway.
pub(super) fn copied_share(summary: &Summary, grid: &Grid) -> Option<Line> {
    // Where the run has other links too, what the sink copied stands in its own line.
    let is_delivered = |e: &&CellEstimates| e.cell.link.has_receiver();
    let zerocopy = || {
        summary.estimates.iter().filter(|e| !e.control && e.cell.send_path.passes_by_reference())
    };
    let some_delivered = zerocopy().any(|e| is_delivered(&e));
    let cells = zerocopy().filter(|e| !some_delivered || is_delivered(e));
    let mut shares: Vec<(&Estimate, Link)> =
        cells.filter_map(|e| Some((estimate(e, Metric::CopiedShare)?, e.cell.link))).collect();
    shares.sort_by(|(a, _), (b, _)| a.mean.total_cmp(&b.mean));
    let ((low, _), (high, _)) = (shares.first()?, shares.last()?);
    let share = share_range(low.mean, high.mean);
    let reason = if low.mean >= 1.0
        && shares.iter().all(|(_, link)| link.copies_by_reference_on_delivery())
    {
        " (delivery on this machine copies)"
    } else {
        ""
    };
    let path = grid
        .paths()
        .iter()
        .find(|path| path.passes_by_reference())
        .map_or("zerocopy", |path| path.name());
    Some(Line::wrapped(2).and(Style::Strong, format!("{path}: ")).and(
        Style::Plain,
        if high.mean > 0.0 {
            format!("{} of its completions were copied anyway{reason}", whole(&share))
        } else {
            "none of its completions was copied".to_owned()
        },
    ))
}

/// When zerocopy is cheaper, link by link, where the run has a link on which nothing is copied.
pub(super) fn links(summary: &Summary) -> Vec<Line> {
    let verdicts = &summary.explained.link_verdicts;
    if verdicts.iter().all(|verdict| verdict.link.has_receiver()) {
        return Vec::new();
    }
    let line = |verdict: &analysis::explained::LinkVerdict| {
        Line::wrapped(2).and(Style::Strong, "Zero-copy: ").and(Style::Plain, &verdict.line)
    };
    verdicts.iter().map(line).collect()
}

/// What audits counted, in one line.
pub(super) fn counted_copies(summary: &Summary) -> Option<Line> {
    let note = copies_note(&summary.explained.copy_audits)?;
    Some(
        Line::wrapped(2)
            .and(Style::Strong, "Copies of each byte, counted: ")
            .and(Style::Plain, note),
    )
}

/// `8 threads: oversubscribed (16 busy threads on 8 CPUs), no cause is claimed`.
pub(super) fn oversubscribed(summary: &Summary) -> Option<Line> {
    // A worker on each side of every thread counted.
    let busy: BTreeMap<u32, u32> = summary
        .estimates
        .iter()
        .filter(|entry| entry.oversubscribed && !entry.control)
        .map(|entry| (entry.cell.threads.get(), entry.cell.busy_threads()))
        .collect();
    let (last, _) = busy.last_key_value()?;
    let list = |numbers: Vec<String>| numbers.join(", ");
    let threads = list(busy.keys().map(ToString::to_string).collect());
    let workers = list(busy.values().map(ToString::to_string).collect());
    let noun = if busy.len() == 1 && *last == 1 { "thread" } else { "threads" };
    let cpus = counted(summary.run.usable_cpus, "CPU", "CPUs");
    let are_fewer = busy.values().any(|workers| *workers <= summary.run.usable_cpus);
    let seated = if are_fewer { ", some seated on one CPU" } else { "" };
    Some(Line::wrapped(2).and(Style::Strong, format!("{threads} {noun}: ")).and(
        Style::Plain,
        format!("oversubscribed ({workers} busy threads on {cpus}{seated}), no cause is claimed"),
    ))
}

/// What equal cells differ by.
pub(super) fn noise_floor(summary: &Summary) -> Line {
    let line = Line::wrapped(2).and(Style::Strong, "Noise floor: ");
    match &summary.noise_floor {
        Measured::Absent { absent } => {
            let why = why_no_twins(summary, |cell| cell.watch == Watch::Cheap, absent);
            line.and(Style::Plain, format!("not measured: {why}"))
        }
        Measured::Value(floor) => {
            let cpu = floor
                .ends_cpu
                .value()
                .map_or_else(String::new, |e| format!(", {}", whole(&format!("CPU {}", ratio(e)))));
            let differ = if floor.equivalent { "" } else { ", not shown to be equal" };
            line.and(
                Style::Plain,
                format!(
                    "{} (a cell against its twin: {}{cpu}{differ})",
                    whole(half_width(floor.half_width).trim_start_matches('±')),
                    whole(&format!("goodput {}", ratio(&floor.goodput))),
                ),
            )
        }
    }
}

/// Why there is no pair of twins: what became of the control cells of that kind, or `otherwise` where the plan has none.
fn why_no_twins(summary: &Summary, kind: impl Fn(&Cell) -> bool, otherwise: &str) -> String {
    // SO_ZEROCOPY off is a control of another question.
    let controls = || {
        let twin = |cell: &Cell| cell.is_itself() && kind(cell);
        summary.estimates.iter().filter(move |entry| entry.control && twin(&entry.cell))
    };
    let valid: u32 = controls().map(|entry| entry.trials).sum();
    let void: u32 = controls().map(|entry| entry.void_trials).sum();
    if controls().next().is_none() {
        otherwise.to_owned()
    } else if valid > 0 {
        // What was done already is no advice.
        otherwise.split("; leave controls on").next().unwrap_or(otherwise).to_owned()
    } else if void > 0 {
        format!(
            "{} void; look at the marks, and measure when less else runs",
            if void == 1 {
                "the control trial was".to_owned()
            } else {
                format!("all {void} control trials were")
            }
        )
    } else {
        "the control cells were not reached yet; go on with --resume".to_owned()
    }
}

/// What the cheap instruments cost.
pub(super) fn instrument_cost(summary: &Summary) -> Line {
    let cost = &summary.instrument_cost;
    let edge = match &cost.edge_share {
        Measured::Value(share) => format!("{} of the workers' CPU time", whole(&percent(*share))),
        Measured::Absent { absent } => format!("not measured: {absent}"),
    };
    let against = match (&cost.ends_cpu_ratio, &cost.goodput_ratio) {
        (Measured::Value(cpu), Measured::Value(goodput)) => {
            let (cpu, goodput) =
                (format!("CPU {}", ratio(cpu)), format!("goodput {}", ratio(goodput)));
            format!("{}, {}", whole(&cpu), whole(&goodput))
        }
        (Measured::Absent { absent }, _) | (_, Measured::Absent { absent }) => {
            let why = why_no_twins(summary, |cell| cell.watch == Watch::None, absent);
            format!("not measured: {why}")
        }
    };
    let against = format!(" (with against without them: {against})");
    Line::wrapped(2).and(Style::Strong, "Instruments: ").and(Style::Plain, edge + &against)
}

/// What no figure of this run can show.
pub(super) fn not_claimed(summary: &Summary, plan: &Plan) -> Line {
    let mut not = vec!["a cause of any difference".to_owned()];
    if plan.factors.link.iter().any(|link| link.copies_by_reference_on_delivery()) {
        not.push(
            "anything of a network card (loopback has none, and copies what zero-copy spared)"
                .to_owned(),
        );
    }
    let counted = summary.estimates.iter().any(|entry| {
        [Metric::SenderCyclesPerByte, Metric::SenderLlcMissesPerKib]
            .iter()
            .any(|m| estimate(entry, *m).is_some())
    });
    if !counted {
        not.push("cycles and cache misses (not counted)".to_owned());
    }
    Line::wrapped(2).and(Style::Strong, "Not claimed: ").and(Style::Plain, not.join("; "))
}
