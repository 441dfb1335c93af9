//! Q3: threads against misses, switches and CPU.

use super::{Found, columns, crowd_note};
use crate::comparisons::{
    Compared, column_name, counters_remedy, paths_asked, sizes_asked, threads, threads_asked,
};
use crate::evidence::{Evidence, figure};
use crate::explained::Table;
use crate::figure_text::{counted, level, listed, ratio, size};
use crate::metric::Metric;
use model::Missing;

const MISSES: Metric = Metric::SenderLlcMissesPerKib;

/// How factors of a figure that was counted or timed are led in.
fn becomes(compared: &[Compared]) -> &'static str {
    if compared.iter().all(|c| c.ratio.mean >= 1.0) {
        "grows by"
    } else if compared.iter().all(|c| c.ratio.mean < 1.0) {
        "falls to"
    } else {
        "changes by"
    }
}

/// Each path at the largest size over threads; misses where they are counted.
pub(super) fn q3(evidence: &Evidence<'_>) -> Found {
    let (counts, sizes) = (threads_asked(evidence), sizes_asked(evidence));
    let (Some(fewest), Some(most), Some(bytes)) = (counts.first(), counts.last(), sizes.last())
    else {
        return Found::default();
    };
    let paths = paths_asked(evidence);
    let mut rows = Vec::new();
    for path in &paths {
        let at = evidence
            .asked()
            .filter(|e| e.cell.send_path == *path && e.cell.message.bytes().0 == *bytes);
        let mut at: Vec<_> = at.collect();
        at.sort_by_key(|e| e.cell.threads);
        for estimates in at {
            let of = |metric: Metric| {
                figure(estimates, metric).map_or_else(|| "-".to_owned(), |e| level(&e))
            };
            rows.push(vec![
                column_name(&estimates.cell),
                estimates.cell.threads.to_string(),
                of(Metric::GoodputGbps),
                of(MISSES),
                of(Metric::ContextSwitchesPerS),
                of(Metric::EndsCpuNsPerKib),
                if estimates.oversubscribed { "yes" } else { "no" }.to_owned(),
            ]);
        }
    }
    let table = Table {
        columns: columns([
            "path",
            "threads",
            "goodput Gbit/s",
            "sender last-level misses per KiB",
            "context switches per second",
            "CPU of both ends, ns per KiB",
            "oversubscribed",
        ]),
        rows,
    };
    let notes = crowd_note(evidence);
    if fewest == most {
        return Found {
            line: format!(
                "not answered: only {} was measured",
                counted(*fewest as usize, "thread", "threads")
            ),
            answered: false,
            evidence: table,
            would_change: String::new(),
            would_answer: vec![Missing::plan("copycost run --threads 1,2,4,8")],
            notes,
        };
    }
    // Interaction with caches is told from thread counts that each leave a busy thread its CPU.
    let sound_most = counts.iter().copied().filter(|n| {
        n > fewest
            && evidence.asked().any(|e| e.cell.threads.get() == *n)
            && evidence.asked().filter(|e| e.cell.threads.get() == *n).all(|e| !e.oversubscribed)
    });
    let reach = sound_most.max();
    let to = reach.unwrap_or(*most);
    let change = |metric: Metric| -> Vec<Compared> {
        paths
            .iter()
            .flat_map(|path| threads(evidence, metric, *path, *bytes, [to, *fewest]))
            .collect()
    };
    let words = |compared: &[Compared]| {
        let words: Vec<String> = compared
            .iter()
            .map(|c| format!("{} {}", column_name(&c.cell), ratio(&c.ratio)))
            .collect();
        listed(&words)
    };
    let (cpu, misses) = (change(Metric::EndsCpuNsPerKib), change(MISSES));
    let span = format!("from {fewest} to {to} threads at {}", size(*bytes as f64));
    let crowd = if reach.is_none() { ", oversubscribed, so no cause is claimed" } else { "" };
    let cpu_words = if cpu.is_empty() {
        "CPU per KiB was not measured at both".to_owned()
    } else {
        format!("CPU per KiB {} {}", becomes(&cpu), words(&cpu))
    };
    if misses.is_empty() {
        return Found {
            line: format!(
                "not answered: cache misses were not counted, so contention for caches cannot be seen; {span} {cpu_words}{crowd}"
            ),
            answered: false,
            evidence: table,
            would_change: String::new(),
            would_answer: vec![counters_remedy(evidence, MISSES, "llc-misses")],
            notes,
        };
    }
    Found {
        line: format!(
            "{span} the number of the senders' last-level misses per KiB {} {} and {cpu_words}{crowd}; that the one makes the other is not shown",
            becomes(&misses),
            words(&misses)
        ),
        answered: true,
        evidence: table,
        would_change:
            "a machine with more CPUs or a larger cache, another working set (--ring), another placement"
                .to_owned(),
        would_answer: Vec::new(),
        notes,
    }
}
