//! What bounds the figures: copies, and more threads than CPUs.

use std::collections::BTreeMap;

use analysis::estimate::Estimate;
use analysis::metric::Metric;
use analysis::results::CellEstimates;
use analysis::summary::Summary;
use model::{Factor, Link, SendPath};

use super::estimate;
use super::grid::Grid;
use crate::link_tables::copies_note;
use crate::numbers::{counted, share_range};
use crate::styled_text::{Line, Style, whole};
use crate::words::advice::microseconds;
use crate::words::link_verdict;

/// How many zero-copy completions were copied anyway.
pub(super) fn copied_share(summary: &Summary, grid: &Grid) -> Option<Line> {
    // Where the run has other links too, what the sink copied stands in its own line.
    let is_delivered = |e: &&CellEstimates| e.cell.link.has_receiver();
    let zerocopy = || {
        let notified = |e: &&CellEstimates| e.cell.send_path.capabilities().gets_notifications;
        summary.estimates.iter().filter(|e| !e.control).filter(notified)
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
    let names: Vec<&str> = grid
        .paths()
        .iter()
        .filter(|path| path.capabilities().gets_notifications)
        .map(|path| path.name())
        .collect();
    let its = if names.len() > 1 { "their" } else { "its" };
    let path = names.join(", ");
    Some(Line::wrapped(2).and(Style::Strong, format!("{path}: ")).and(
        Style::Plain,
        if high.mean > 0.0 {
            format!("{} of {its} completions were copied anyway{reason}", whole(&share))
        } else {
            format!("none of {its} completions was copied")
        },
    ))
}

/// How long buffers are held, path by path: of paths that are what to use, or where none that copies was asked for; with `all` of
/// every path.
pub(super) fn releases(summary: &Summary, all: bool) -> Vec<Line> {
    let asked = || summary.estimates.iter().filter(|e| !e.control);
    let none_copies = asked().all(|e| e.cell.passes_by_reference());
    let is_told = |path: SendPath, link: Link| {
        let recommended = &summary.explained.recommendations;
        let is_recommended = || {
            recommended.iter().any(|it| {
                it.link == link && it.factor == Factor::Send && it.advice.names(path.name())
            })
        };
        all || none_copies || is_recommended()
    };
    let mut held: BTreeMap<(Link, SendPath), Vec<&CellEstimates>> = BTreeMap::new();
    for entry in asked().filter(|e| is_told(e.cell.send_path, e.cell.link)) {
        if estimate(entry, Metric::ReleaseP50Us).is_some() {
            held.entry((entry.cell.link, entry.cell.send_path)).or_default().push(entry);
        }
    }
    let line = |((link, path), entries): ((Link, SendPath), Vec<&CellEstimates>)| {
        let column =
            |metric: Metric| entries.iter().filter_map(move |e| Some(estimate(e, metric)?.mean));
        let most = |metric: Metric| column(metric).reduce(f64::max).map(microseconds);
        let medians = || column(Metric::ReleaseP50Us);
        let ends = [medians().reduce(f64::min), medians().reduce(f64::max)];
        let mut ends: Vec<String> = ends.into_iter().flatten().map(microseconds).collect();
        ends.dedup();
        let p99 = most(Metric::ReleaseP99Us).map(|us| format!("99th percentile up to {us}"));
        let longest = most(Metric::ReleaseMaxUs).map(|us| format!("longest {us}"));
        let median = format!("a buffer is held for {} (median)", whole(&ends.join(" to ")));
        let told: Vec<String> = [Some(median), p99, longest].into_iter().flatten().collect();
        let name = format!("{path}, {link}: ");
        Line::wrapped(2).and(Style::Strong, name).and(Style::Plain, told.join(", "))
    };
    held.into_iter().map(line).collect()
}

/// When zerocopy is cheaper, link by link, where the run has a link on which nothing is copied.
pub(super) fn links(summary: &Summary) -> Vec<Line> {
    let verdicts = &summary.explained.link_verdicts;
    if verdicts.iter().all(|verdict| verdict.link.has_receiver()) {
        return Vec::new();
    }
    let line = |verdict: &analysis::findings::LinkVerdict| {
        Line::wrapped(2).and(Style::Strong, "Zero-copy: ").and(Style::Plain, link_verdict(verdict))
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

/// `8 threads: more threads than CPUs (16 busy threads on 8 CPUs), no cause is claimed`.
pub(super) fn oversubscribed(summary: &Summary) -> Option<Line> {
    // A worker on each side of every thread counted.
    let busy: BTreeMap<u32, u32> = summary
        .estimates
        .iter()
        .filter(|entry| entry.oversubscribed.is_so() && !entry.control)
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
        format!(
            "more threads than CPUs ({workers} busy threads on {cpus}{seated}), no cause is claimed"
        ),
    ))
}
