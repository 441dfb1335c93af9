//! What an answer rests on, in the paper's form.

use std::collections::BTreeMap;

use crate::spelling::{paths_of, reduction};
use analysis::answers::{Answer, AnswerFinding, Comparisons, Departed};
use analysis::estimate::Estimate;
use analysis::findings::{Copies, DataPath, DeferredCopies};
use analysis::metric::Metric;
use analysis::operands::Compared;
use analysis::summary::Summary;
use model::values::Threads;
use model::{Cell, Factor};

use crate::numbers::{level, percent, ratio, short};
use crate::words::figures::{metric, place};

/// A table of text.
pub(crate) struct Table {
    /// Heads, units included.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// The evidence of an answer; none where there is nothing to show.
pub(crate) fn table(summary: &Summary, answer: &Answer) -> Option<Table> {
    let table = match &answer.finding {
        AnswerFinding::Lacking { .. } => return None,
        AnswerFinding::Copies { .. } => copies(&summary.explained.data_paths),
        AnswerFinding::ByReference { .. } => by_reference(summary, answer),
        AnswerFinding::Levels { .. } => levels(summary, &answer.compared),
        AnswerFinding::Threads { bytes, .. } => threads(summary, *bytes),
        AnswerFinding::Sizes { .. } => sizes(answer.of(Metric::GoodputGbps)),
        AnswerFinding::Departures { departures, .. } => self::departures(summary, departures),
    };
    (!table.rows.is_empty()).then_some(table)
}

fn new<const N: usize>(columns: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Table {
    Table { columns: columns.map(str::to_owned).to_vec(), rows: rows.map(Vec::from).collect() }
}

/// A cell's estimate of one metric, if there is one.
pub(super) fn figure(summary: &Summary, cell: &Cell, metric: Metric) -> Option<Estimate> {
    let of_cell = summary.estimates.iter().find(|estimates| estimates.cell == *cell)?;
    of_cell.metrics.get(&metric)?.value().copied()
}

fn or_dash<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), text)
}

/// Whether more threads than CPUs were busy, where the number of CPUs is known.
fn crowded(summary: &Summary, is: bool) -> String {
    let word = match is {
        _ if summary.run.knows_no_cpus() => "unknown",
        true => "yes",
        false => "no",
    };
    word.to_owned()
}

fn copies(paths: &[DataPath]) -> Table {
    let step = |copies: Copies| {
        let expected = copies.expected.map(|expected| format!("{expected:.0} expected"));
        match (copies.audited, expected) {
            (true, Some(expected)) => format!("{:.2} counted, {expected}", copies.per_byte),
            (true, None) => format!("{:.2} counted", copies.per_byte),
            (false, Some(expected)) => expected,
            (false, None) => format!("{:.2} by completions", copies.per_byte),
        }
    };
    let deferred = |path: &DataPath| match &path.copies_deferred {
        DeferredCopies::Known(copies) => step(*copies),
        DeferredCopies::NotKnown { .. } => "not known".to_owned(),
    };
    let row = |path: &DataPath| {
        let staged = path.staged_copies.value().copied().filter(|copies| *copies > 0.0);
        let staged = staged.map_or_else(String::new, |n| format!("{n:.0} by the program, then "));
        [
            paths_of(&path.cell),
            path.cell.link.to_string(),
            or_dash(path.send_calls_per_message.value().copied(), short),
            format!("{staged}{}", step(path.copies_in)),
            deferred(path),
            step(path.copies_out),
            or_dash(path.copied_share.value().copied(), percent),
        ]
    };
    new(
        [
            "path",
            "link",
            "send calls per message",
            "copies in (the sender's call)",
            "copies at delivery (softirq)",
            "copies out (the receiver's call)",
            "completions marked copied",
        ],
        paths.iter().map(row),
    )
}

fn by_reference(summary: &Summary, answer: &Answer) -> Table {
    let row = |goodput: &Compared| {
        let cpu = answer.of(Metric::EndsCpuNsPerKib).iter().find(|c| c.cell == goodput.cell);
        let of = |cell: &Cell, metric: Metric, text: fn(f64) -> String| {
            or_dash(figure(summary, cell, metric), |e| text(e.mean))
        };
        [
            place(&goodput.cell, &[]),
            ratio(&goodput.ratio),
            or_dash(cpu, |c| ratio(&c.ratio)),
            of(&goodput.cell, Metric::CopiedShare, percent),
            of(&goodput.against, Metric::BytesPerPacket, short),
            of(&goodput.cell, Metric::BytesPerPacket, short),
            crowded(summary, goodput.oversubscribed.is_so()),
        ]
    };
    new(
        [
            "zerocopy / sendmsg at",
            "goodput",
            "CPU per KiB",
            "completions marked copied",
            "bytes per packet, sendmsg",
            "zerocopy",
            "more threads than CPUs",
        ],
        answer.of(Metric::GoodputGbps).iter().map(row),
    )
}

fn levels(summary: &Summary, compared: &[Comparisons]) -> Table {
    let rows = compared.iter().flat_map(|of| {
        let row = move |c: &Compared| {
            let level = |cell| or_dash(figure(summary, cell, of.metric), |e| level(&e));
            [
                place(&c.cell, &[Factor::Threads]),
                metric(of.metric),
                level(&c.against),
                level(&c.cell),
                reduction(&c.ratio),
            ]
        };
        of.ratios.iter().map(row)
    });
    new(["message", "figure (times in ns)", "send", "sendmsg", "reduction"], rows)
}

/// Each path over threads at one size, on the link that the questions are about: the first with a receiver.
fn threads(summary: &Summary, bytes: u64) -> Table {
    let asked = summary.estimates.iter().filter(|it| !it.control);
    let link = asked.clone().map(|it| it.cell.link).filter(|link| link.has_receiver()).min();
    let is_it = |cell: &Cell| cell.message.bytes().0 == bytes && Some(cell.link) == link;
    let mut cells: Vec<_> = asked.filter(|it| is_it(&it.cell)).collect();
    cells.sort_by_key(|it| (it.cell.send_path, it.cell.threads));
    let columns = [
        Metric::GoodputGbps,
        Metric::SenderLlcMissesPerKib,
        Metric::ContextSwitchesPerS,
        Metric::EndsCpuNsPerKib,
    ];
    let row = |it: &&analysis::results::CellEstimates| {
        let [goodput, misses, switches, cpu] =
            columns.map(|metric| or_dash(figure(summary, &it.cell, metric), |e| level(&e)));
        let crowd = crowded(summary, it.oversubscribed.is_so());
        let place = place(&it.cell, &[Factor::Message]);
        [it.cell.send_path.to_string(), place, goodput, misses, switches, cpu, crowd]
    };
    new(
        [
            "path",
            "threads",
            "goodput, Gbit/s",
            "sender's last-level misses per KiB",
            "context switches per second",
            "CPU of both ends, ns per KiB",
            "more threads than CPUs",
        ],
        cells.iter().map(row),
    )
}

/// Speed-up by size and threads, one column a thread count, as the paper lays it out. Cells that differ in another
/// factor stand in rows of their own.
fn sizes(goodput: &[Compared]) -> Table {
    let mut threads: Vec<_> = goodput.iter().map(|c| c.cell.threads).collect();
    threads.sort_unstable();
    threads.dedup();
    let mut rows: BTreeMap<Cell, Vec<&Compared>> = BTreeMap::new();
    for c in goodput {
        rows.entry(Cell { threads: Threads::ONE, ..c.cell.clone() }).or_default().push(c);
    }
    let column = |n: &Threads| {
        let crowd = goodput.iter().any(|c| c.cell.threads == *n && c.oversubscribed.is_so());
        let crowd = if crowd { " (more threads than CPUs)" } else { "" };
        let noun = if n.get() == 1 { "thread" } else { "threads" };
        format!("{n} {noun}{crowd}")
    };
    let pair = goodput.first().map(|c| format!("{} / {}", c.cell.send_path, c.against.send_path));
    let mut columns = vec![format!("{}, goodput", pair.unwrap_or_default())];
    columns.extend(threads.iter().map(column));
    let row = |(cell, row): (&Cell, &Vec<&Compared>)| {
        let mut texts = vec![place(cell, &[Factor::Threads])];
        texts.extend(
            threads
                .iter()
                .map(|n| or_dash(row.iter().find(|c| c.cell.threads == *n), |c| ratio(&c.ratio))),
        );
        texts
    };
    Table { columns, rows: rows.iter().map(row).collect() }
}

/// `0.043`, `1`, and below a thousandth its size: `2.1e-5`.
fn probability(p: f64) -> String {
    if p < 0.001 {
        return format!("{p:.1e}");
    }
    format!("{p:.3}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn departures(summary: &Summary, departures: &[Departed]) -> Table {
    let row = |it: &Departed| {
        [
            it.cell.to_string(),
            it.metric.name().to_owned(),
            short(it.measured),
            short(it.expected),
            ratio(&it.ratio),
            it.standard_errors
                .map_or_else(|| "all rounds agree".to_owned(), |errors| format!("{errors:.1}")),
            probability(it.p),
            crowded(summary, it.oversubscribed.is_so()),
        ]
    };
    new(
        [
            "cell",
            "metric",
            "measured",
            "expected",
            "measured / expected",
            "standard errors",
            "p after Holm",
            "more threads than CPUs",
        ],
        departures.iter().map(row),
    )
}
