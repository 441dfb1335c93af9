//! Q2: misses from A1 to A2 by level and size, or the nearest thing that was measured.

use model::{Cell, SendPath};

use super::{Found, columns, crowd_note};
use crate::claims::LEVELS;
use crate::comparisons::{Compared, counters_remedy, paths, row_name, twins};
use crate::evidence::{Evidence, figure};
use crate::explained::Table;
use crate::figure_text::{level, message, ratio, reduction};
use crate::metric::Metric;

/// The paper's table is of two threads; without them the fewest that were measured.
fn at_threads(evidence: &Evidence<'_>) -> u32 {
    let threads = crate::comparisons::threads_asked(evidence);
    if threads.contains(&2) { 2 } else { threads.first().copied().unwrap_or(1) }
}

/// A1 → A2 in one metric at one thread count, as rows of the paper's table.
fn rows(
    evidence: &Evidence<'_>,
    name: &str,
    metric: Metric,
    compared: &[Compared],
) -> Vec<Vec<String>> {
    let of = |cell: &Cell| {
        let estimate = evidence.cell(cell).and_then(|e| figure(e, metric));
        estimate.map_or_else(|| "-".to_owned(), |e| level(&e))
    };
    compared
        .iter()
        .map(|c| {
            vec![
                row_name(&c.cell),
                name.to_owned(),
                of(&c.against),
                of(&c.cell),
                reduction(&c.ratio),
            ]
        })
        .collect()
}

fn table(what: &str, rows: Vec<Vec<String>>) -> Table {
    Table { columns: columns(["message", what, "A1", "A2", "reduction"]), rows }
}

/// Three levels where they are counted; CPU time where they are not.
pub(super) fn q2(evidence: &Evidence<'_>) -> Found {
    let threads = at_threads(evidence);
    let at = |cell: &Cell| cell.threads.get() == threads;
    let by_level = LEVELS.map(|(name, metric)| {
        let compared = twins(
            evidence,
            metric,
            |cell| cell.send_path == SendPath::Sendmsg && at(cell),
            |cell| Cell { send_path: SendPath::Send, ..cell.clone() },
        );
        (name, metric, compared)
    });
    if by_level.iter().all(|(_, _, compared)| compared.is_empty()) {
        return without_counters(evidence, threads);
    }
    let mut cells = Vec::new();
    for (name, metric, compared) in &by_level {
        cells.extend(rows(evidence, name, *metric, compared));
    }
    // The level whose misses fall most on the average of logarithms over sizes.
    let mean = |compared: &[Compared]| {
        let logs: f64 = compared.iter().map(|c| c.ratio.mean.ln()).sum();
        logs / compared.len() as f64
    };
    let counted = by_level.iter().filter(|(_, _, compared)| !compared.is_empty());
    let best = counted.clone().min_by(|a, b| mean(&a.2).total_cmp(&mean(&b.2)));
    let mut notes = crowd_note(evidence);
    notes.push(
        "counted on the senders; L2 misses are read from the reads that reach the last level"
            .to_owned(),
    );
    let missing = LEVELS.len() - counted.count();
    let Some((name, _, compared)) = best else { return without_counters(evidence, threads) };
    let widest = compared.iter().min_by(|a, b| a.ratio.mean.total_cmp(&b.ratio.mean));
    let widest = widest
        .map(|c| format!("by {} at {}", reduction(&c.ratio), message(&c.cell)))
        .unwrap_or_default();
    let shared = if mean(compared) < 0.0 {
        format!(
            "{name} misses fall most from A1 to A2, {widest}; why is not shown: the calls and the copy's order change together"
        )
    } else {
        format!(
            "no level's misses fall from A1 to A2 on the average over sizes; {name} changes least"
        )
    };
    let line = if missing > 0 {
        notes.push(
            "not every level was counted, so the largest reduction is only the largest counted one"
                .to_owned(),
        );
        shared
    } else {
        format!("{shared} ({threads} {})", if threads == 1 { "thread" } else { "threads" })
    };
    Found {
        line,
        answered: missing == 0,
        evidence: table("misses a KiB at", cells),
        would_change:
            "another CPU's cache sizes, a larger working set (--ring), fewer fields (--fields)"
                .to_owned(),
        notes,
    }
}

/// The nearest thing: CPU time of the senders a KiB, with the same table.
fn without_counters(evidence: &Evidence<'_>, threads: u32) -> Found {
    let metric = Metric::SenderCpuNsPerKib;
    let mut compared = paths(evidence, SendPath::Sendmsg, SendPath::Send, metric);
    compared.retain(|c| c.cell.threads.get() == threads);
    let widest = compared.iter().min_by(|a, b| a.ratio.mean.total_cmp(&b.ratio.mean));
    let nearest = widest.map_or_else(String::new, |c| {
        format!(
            "; the nearest thing measured is the senders' CPU time, where A2 needs {} of A1's at {}",
            ratio(&c.ratio),
            message(&c.cell)
        )
    });
    Found {
        line: format!("not answered: cache misses of A1 and A2 were not both counted{nearest}"),
        answered: false,
        evidence: table(
            "nearest thing measured",
            rows(evidence, "sender CPU, ns a KiB", metric, &compared),
        ),
        would_change: counters_remedy(evidence, Metric::SenderL1dMissesPerKib, "l1d-misses"),
        notes: crowd_note(evidence),
    }
}
