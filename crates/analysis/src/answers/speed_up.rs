//! Q4 and Q5: from which size on A2, and A3, beat A1.

use std::collections::BTreeMap;

use model::SendPath;

use super::{Found, columns, crowd_note};
use crate::comparisons::{
    Compared, copied_words, crossover_words, crossovers, extremes, is_told, paths, row_name,
};
use crate::evidence::Evidence;
use crate::explained::{Crossover, CrossoverOutcome, Table};
use crate::figure_text::ratio;
use crate::metric::Metric;
use model::Missing;

/// A1 → A2.
pub(super) fn q4(evidence: &Evidence<'_>) -> Found {
    beats(evidence, SendPath::A2)
}

/// A1 → A3, with what must be said of it.
pub(super) fn q5(evidence: &Evidence<'_>) -> Found {
    let mut found = beats(evidence, SendPath::A3);
    if found.answered {
        found.line = format!("{}; {}", found.line, copied_words(evidence));
        found.notes.push(
            "A3 against A1 also makes one call of eight: what passing by reference alone brings is A3 against A2, in Q1"
                .to_owned(),
        );
        found.would_change = format!(
            "{}; a link on which zero-copy copies nothing (a network card, a sink)",
            found.would_change
        );
    }
    found
}

fn beats(evidence: &Evidence<'_>, path: SendPath) -> Found {
    let compared = paths(evidence, path, SendPath::A1, Metric::GoodputGbps);
    let name = path.paper_name().unwrap_or(path.name());
    let all = extremes(&compared);
    let Some((least, most)) = all else {
        return Found {
            line: format!("not answered: {name} and A1 were not both measured"),
            would_answer: vec![Missing::plan(format!("copycost run --send send,{path}"))],
            ..Found::default()
        };
    };
    let of = |metric: Metric| crossovers(evidence, path, SendPath::A1, metric);
    let words = |crossovers: &[&Crossover]| {
        let words = crossovers.iter().map(|c| crossover_words(evidence, c));
        words.collect::<Vec<_>>().join("; ")
    };
    let (goodput, cpu) = (of(Metric::GoodputGbps), of(Metric::EndsCpuNsPerKib));
    let mut line = if goodput.is_empty() {
        format!("{name}'s goodput against A1's: {}", most.text())
    } else {
        format!("{name} carries more than A1 {}", words(&goodput))
    };
    if !goodput.is_empty() {
        // The range that the line speaks of: what is not oversubscribed, if there is any.
        let sound: Vec<Compared> = compared.iter().filter(|c| !c.oversubscribed).cloned().collect();
        let (least, most) = extremes(&sound).unwrap_or((least, most));
        line.push_str(&format!(": from {} to {}", least.text(), most.text()));
    }
    if !cpu.is_empty() {
        line.push_str(&format!("; it needs less CPU per KiB {}", words(&cpu)));
    }
    let undecided =
        goodput.iter().all(|c| c.outcome == CrossoverOutcome::Undecided && !is_told(evidence, c));
    let is_bracket = |c: &&&Crossover| {
        matches!(
            c.outcome,
            CrossoverOutcome::Bracket { .. } | CrossoverOutcome::UntilBracket { .. }
        )
    };
    let would_change = if undecided {
        String::new()
    } else if goodput.iter().any(|c| is_bracket(&c)) {
        "sizes in between narrow the bracket: copycost run --preset break-even".to_owned()
    } else {
        "other sizes, fields a message (--fields), another machine or kernel".to_owned()
    };
    Found {
        line,
        answered: !undecided,
        evidence: grid(name, &compared),
        would_change,
        would_answer: if undecided {
            vec![Missing::plan("copycost run --preset break-even")]
        } else {
            Vec::new()
        },
        notes: crowd_note(evidence),
    }
}

/// Speed-up by size and threads, one column a thread count, as the paper lays it out. Cells that differ in another
/// factor stand in rows of their own.
fn grid(name: &str, compared: &[Compared]) -> Table {
    let mut threads: Vec<_> = compared.iter().map(|c| c.cell.threads).collect();
    threads.sort_unstable();
    threads.dedup();
    let mut rows: BTreeMap<_, Vec<&Compared>> = BTreeMap::new();
    for c in compared {
        let row = model::Cell { threads: model::values::Threads::ONE, ..c.cell.clone() };
        rows.entry(row).or_default().push(c);
    }
    let mut columns = columns(["message"]);
    columns.extend(threads.iter().map(|n| {
        let crowd = compared.iter().any(|c| c.cell.threads == *n && c.oversubscribed);
        let crowd = if crowd { ", oversubscribed" } else { "" };
        format!("{name} / A1 goodput, {}T{crowd}", n.get())
    }));
    let row = |(cell, row): (model::Cell, Vec<&Compared>)| {
        let mut texts = vec![row_name(&cell)];
        texts.extend(threads.iter().map(|n| {
            let found = row.iter().find(|c| c.cell.threads == *n);
            found.map_or_else(|| "-".to_owned(), |c| ratio(&c.ratio))
        }));
        texts
    };
    Table { columns, rows: rows.into_iter().map(row).collect() }
}
