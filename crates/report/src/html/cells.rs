//! All cells in one table, to be sorted and filtered.

use analysis::estimate::Estimate;
use analysis::metric::Metric;
use analysis::results::CellEstimates;
use model::{Factor, Measured};

use super::{Page, section, table};
use crate::markup::Markup;
use crate::numbers::{counted, field, short};

/// The metrics of the table, where a cell of the run has them, and their headings.
const SHOWN: [(Metric, &str); 15] = [
    (Metric::GoodputGbps, "Goodput Gbit/s"),
    (Metric::EndsCpuNsPerKib, "CPU ns/KiB, both ends"),
    (Metric::SenderSideCpuNsPerKib, "CPU ns/KiB, sender's side (sink)"),
    (Metric::SenderSideMachineCpuNsPerKib, "CPU ns/KiB, machine without polling (sink)"),
    (Metric::SenderCpuNsPerKib, "CPU ns/KiB, sender"),
    (Metric::ReceiverCpuNsPerKib, "CPU ns/KiB, receiver"),
    (Metric::MachineCpuNsPerKib, "CPU ns/KiB, machine"),
    (Metric::SenderHostCpuNsPerKib, "CPU ns/KiB, sender's host"),
    (Metric::ReceiverHostCpuNsPerKib, "CPU ns/KiB, receiver's host"),
    (Metric::SenderCyclesPerByte, "Sender cycles/byte"),
    (Metric::ReceiverCyclesPerByte, "Receiver cycles/byte"),
    (Metric::SenderLlcMissesPerKib, "Sender LLC misses/KiB"),
    (Metric::ContextSwitchesPerS, "Context switches/s"),
    (Metric::CopiedShare, "Share copied anyway"),
    (Metric::BytesPerPacket, "Bytes/packet"),
];

/// More rows than this are folded, by link and threads.
const MOST_UNFOLDED: usize = 60;

/// The cells by what they share of link and threads, in the plan's order, and the controls.
fn folds(entries: &[CellEstimates], states_link: bool) -> Vec<(String, Vec<&CellEstimates>)> {
    let mut folds: Vec<(String, Vec<&CellEstimates>)> = Vec::new();
    for entry in entries {
        let threads = counted(entry.cell.threads.get(), "thread", "threads");
        let name = match entry.control {
            true => "controls".to_owned(),
            false if states_link => format!("{}, {threads}", entry.cell.link),
            false => threads,
        };
        match folds.iter_mut().find(|(known, _)| *known == name) {
            Some((_, of_name)) => of_name.push(entry),
            None => folds.push((name, vec![entry])),
        }
    }
    // Controls come last.
    folds.sort_by_key(|(_, entries)| entries.iter().all(|entry| entry.control));
    folds
}

/// `loopback, 1 thread: 112 cells; goodput 0.108 to 87.7 Gbit/s, CPU 157 to 76.9k ns per KiB, both ends`.
fn summary(name: &str, entries: &[&CellEstimates]) -> String {
    let range = |metric: Metric| {
        let means = || entries.iter().filter_map(move |e| Some(estimate(e, metric)?.mean));
        let (least, most) = (means().reduce(f64::min)?, means().reduce(f64::max)?);
        Some(format!("{} to {}", short(least), short(most)))
    };
    let ranges = [
        range(Metric::GoodputGbps).map(|range| format!("goodput {range} Gbit/s")),
        range(Metric::EndsCpuNsPerKib).map(|range| format!("CPU {range} ns per KiB, both ends")),
        range(Metric::SenderSideCpuNsPerKib)
            .map(|range| format!("sender-side cost {range} ns per KiB")),
    ];
    let ranges: Vec<String> = ranges.into_iter().flatten().collect();
    let cells = counted(u32::try_from(entries.len()).unwrap_or(u32::MAX), "cell", "cells");
    if ranges.is_empty() {
        return format!("{name}: {cells}");
    }
    format!("{name}: {cells}; {}", ranges.join(", "))
}

fn estimate(entry: &CellEstimates, metric: Metric) -> Option<&Estimate> {
    entry.metrics.get(&metric).and_then(Measured::value)
}

pub(super) fn cells(html: &mut Markup, page: &Page) {
    let entries = &page.summary.estimates;
    section(html, "cells", |html| {
        html.fixed(concat!(
            "<p>Every cell of the plan, controls included: means with 95 % intervals. A cell without a valid trial is grey, ",
            "and says why; so does a dash under the pointer. All metrics are in <a href=\"results.csv\">results.csv</a>.</p>\n"
        ));
        let factors: Vec<Factor> =
            Factor::ALL.iter().copied().filter(|factor| is_shown(*factor, entries)).collect();
        let metrics: Vec<(Metric, &str)> = SHOWN
            .into_iter()
            .filter(|(metric, _)| entries.iter().any(|entry| estimate(entry, *metric).is_some()))
            .collect();
        let mut columns: Vec<String> =
            factors.iter().map(|factor| heading(*factor).to_owned()).collect();
        columns.push("Trials".to_owned());
        columns.extend(metrics.iter().map(|(_, heading)| (*heading).to_owned()));
        columns.push("Marks".to_owned());
        let table_of = |html: &mut Markup, name: &str, entries: &[&CellEstimates]| {
            table(html, name, "cells sortable filterable", &columns, |html| {
                for entry in entries {
                    row(html, page, entry, &factors, &metrics);
                }
            });
        };
        if entries.len() <= MOST_UNFOLDED {
            table_of(html, "All cells", &entries.iter().collect::<Vec<_>>());
            return;
        }
        for (name, entries) in folds(entries, page.summary.run.states(Factor::Link)) {
            html.element("details", &[("class", "bulk")], |html| {
                html.leaf("summary", &[], &summary(&name, &entries));
                table_of(html, &format!("Cells, {name}"), &entries);
            });
        }
    });
}

/// Path, size and threads always; any other factor where two cells of the plan differ in it.
fn is_shown(factor: Factor, entries: &[CellEstimates]) -> bool {
    if matches!(factor, Factor::Send | Factor::Message | Factor::Threads) {
        return true;
    }
    let mut asked = entries.iter().filter(|entry| !entry.control);
    let Some(first) = asked.next() else { return false };
    let value = first.cell.get(factor);
    asked.any(|entry| entry.cell.get(factor) != value)
}

/// What makes a control differ: `control watch=none`.
fn control_name(entry: &CellEstimates, factors: &[Factor]) -> String {
    let differs = |factor: &&Factor| !factors.contains(factor) && !entry.cell.is_default(**factor);
    let differences = Factor::ALL.iter().filter(differs);
    let differences: Vec<String> = differences
        .map(|factor| format!(" {}={}", factor.id_key(), entry.cell.get(*factor)))
        .collect();
    format!("control{}", differences.concat())
}

fn heading(factor: Factor) -> &'static str {
    match factor.key() {
        "send" => "Path",
        "sizes" => "Size",
        "threads" => "Threads",
        key => key,
    }
}

fn row(
    html: &mut Markup,
    page: &Page,
    entry: &CellEstimates,
    factors: &[Factor],
    metrics: &[(Metric, &str)],
) {
    let id = entry.cell.id();
    let void = page.summary.run.without_valid_trial.get(&id).map(String::as_str);
    let class = match (entry.control, void) {
        (true, _) => "control",
        (false, Some(_)) => "void",
        (false, None) => "",
    };
    let attributes = [("data-cell", id.as_str()), ("class", class), ("title", void.unwrap_or(""))];
    // Only a row without a valid trial has something to say as a whole.
    let attributes = if void.is_some() { &attributes[..] } else { &attributes[..2] };
    html.element("tr", attributes, |html| {
        for factor in factors {
            factor_cell(html, entry, *factor);
        }
        let trials = match entry.void_trials {
            0 => entry.trials.to_string(),
            void => format!("{} (+{void} void)", entry.trials),
        };
        html.leaf("td", &[("data-value", &entry.trials.to_string()), ("class", "number")], &trials);
        for (metric, _) in metrics {
            figure(html, entry, *metric, void);
        }
        let mut marks: Vec<String> =
            entry.marks.iter().map(|(mark, trials)| format!("{mark} {trials}")).collect();
        if entry.control {
            marks.insert(0, control_name(entry, factors));
        }
        if let Some(reason) = void {
            marks.insert(0, format!("no valid trial: {reason}"));
        }
        if entry.precise == Measured::Value(false) {
            marks.push("imprecise".to_owned());
        }
        html.leaf("td", &[("class", "marks")], &marks.join(", "));
    });
}

fn factor_cell(html: &mut Markup, entry: &CellEstimates, factor: Factor) {
    let cell = &entry.cell;
    match factor.key() {
        "send" => {
            html.leaf("td", &[("class", "path")], cell.send_path.name());
        }
        "sizes" => {
            let bytes = cell.message.bytes();
            html.leaf(
                "td",
                &[("data-value", &bytes.0.to_string()), ("class", "number")],
                &bytes.to_string(),
            );
        }
        "threads" => html.leaf("td", &[("class", "number")], &cell.threads.to_string()),
        _ => html.leaf("td", &[], &cell.get(factor)),
    }
}

/// A metric's estimate with its interval, or a dash with the reason under the pointer: that of the whole cell where it has
/// no valid trial.
fn figure(html: &mut Markup, entry: &CellEstimates, metric: Metric, void: Option<&str>) {
    match entry.metrics.get(&metric) {
        Some(Measured::Value(estimate)) => {
            let value = field(Some(estimate.mean));
            html.open(
                "td",
                &[("class", "number"), ("data-metric", metric.name()), ("data-value", &value)],
            );
            html.text(&short(estimate.mean));
            if let (Some(low), Some(high)) = (estimate.low, estimate.high) {
                let interval = format!("[{}, {}]", short(low), short(high));
                html.leaf("span", &[("class", "interval")], &interval);
            }
            html.fixed("</td>");
        }
        absent => {
            let absent = absent.and_then(Measured::reason).unwrap_or("not in the summary");
            let reason = void.unwrap_or(absent);
            html.leaf(
                "td",
                &[("class", "number absent"), ("data-metric", metric.name()), ("title", reason)],
                "–",
            );
        }
    }
}
