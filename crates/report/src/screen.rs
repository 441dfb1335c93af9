//! The one screen at the end of a run: the machine, the answer, the cells, the doubts, where the files lie.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use analysis::explained::LawState;
use analysis::metric::Metric;
use analysis::summary::{CellEstimates, Summary};
use model::host::Host;
use model::{Class, Mark, Measured, Plan};

use crate::claims_tally::claims_tally;
use crate::numbers::{counted, duration, level, percent};
use crate::plain_table::{Group, Table, TableRow};
use crate::styled_text::{Line, Style, render};

mod caveats;
mod comparison;
mod grid;
mod machine_line;

use grid::Grid;
pub(crate) use machine_line::machine_facts;

/// How to lay out a screen.
#[derive(Clone, Copy, Debug)]
pub struct ScreenOptions<'a> {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to colour; the caller knows the terminal and `NO_COLOR`.
    pub colour: bool,
    /// The run directory, as the reader can type it.
    pub directory: &'a str,
}

/// Narrower than this nothing is laid out; lines hang over instead.
const NARROWEST: usize = 40;
/// Wider than this no sentence is easy to read.
const WIDEST_TEXT: usize = 120;
/// More rows than this make no screen: a digest stands in for the table, which is in `results.csv`.
const MOST_ROWS: usize = 40;
/// The same of columns of one metric.
const MOST_COLUMNS: usize = 12;

/// The one screen at the end of a run. Every figure is one of the summary's, to three digits.
pub fn screen(summary: &Summary, host: &Host, plan: &Plan, options: ScreenOptions) -> String {
    let width = options.width.max(NARROWEST);
    let text_width = width.min(WIDEST_TEXT);
    let grid = Grid::new(&summary.estimates);
    let mut parts: Vec<String> = Vec::new();

    let mut head = vec![machine_line::machine_line(summary, host, plan)];
    if !grid.shared.is_empty() {
        head.push(Line::wrapped(2).and(Style::Faint, format!("every cell: {}", grid.shared)));
    }
    head.extend(broken_laws(summary));
    for warning in summary.warnings.iter().filter(|warning| !is_said_below(warning)) {
        head.push(Line::wrapped(2).and(Style::Warning, "! ").and(Style::Plain, warning));
    }
    head.push(counts(summary, plan));
    parts.push(render(&head, text_width, options.colour));

    let measured = summary.estimates.iter().any(|entry| !entry.control && entry.trials > 0);
    if measured {
        if grid.rows() > MOST_ROWS || grid.columns() > MOST_COLUMNS {
            parts.push(render(&grid.digest(options.directory), text_width, options.colour));
        } else {
            let table = grid.table().lines(width);
            let notes = grid.notes(summary, plan);
            parts.push(
                render(&table, width, options.colour) + &render(&notes, text_width, options.colour),
            );
        }
    } else {
        parts.push(render(&grid::no_valid_trial(summary), text_width, options.colour));
    }

    let mut said = Vec::new();
    if measured {
        said.extend(comparison::comparisons(summary, plan, &grid, width));
        said.extend(caveats::links(summary));
        said.extend(caveats::copied_share(summary, &grid));
        said.extend(caveats::counted_copies(summary));
        said.extend(caveats::oversubscribed(summary));
    }
    parts.push(render(&said, text_width, options.colour));

    let mut doubts = Vec::new();
    if measured {
        doubts.push(caveats::noise_floor(summary));
        doubts.push(caveats::instrument_cost(summary));
        doubts.push(caveats::not_claimed(summary, plan));
    }
    doubts.push(claims_and_report(summary, options.directory));
    parts.push(render(&doubts, text_width, options.colour));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// Figures that contradict each other come before all others.
fn broken_laws(summary: &Summary) -> Vec<Line> {
    let broken = summary.explained.laws.iter().filter(|law| law.state == LawState::Broken);
    broken
        .map(|law| {
            Line::wrapped(2)
                .and(Style::Warning, format!("! law {} ({}) is broken: ", law.id, law.name))
                .and(Style::Plain, law.in_short())
        })
        .collect()
}

/// The last line: how the paper's claims came out, and the report to read on in.
fn claims_and_report(summary: &Summary, directory: &str) -> Line {
    let report = format!("{directory}/report.html");
    match claims_tally(&summary.explained.claims) {
        Some(tally) => Line::wrapped(2)
            .and(Style::Strong, "Claims of the paper: ")
            .and(Style::Plain, format!("{tally}        "))
            .and(Style::Plain, report),
        None => Line::wrapped(2).and(Style::Strong, "Report: ").and(Style::Plain, report),
    }
}

/// How many zero-copy completions were copied anyway, in one line.
pub(crate) fn copied_note(summary: &Summary) -> Option<String> {
    caveats::copied_share(summary, &Grid::new(&summary.estimates)).map(|line| line.text())
}

/// Which thread counts are oversubscribed, in one line.
pub(crate) fn oversubscribed_note(summary: &Summary) -> Option<String> {
    caveats::oversubscribed(summary).map(|line| line.text())
}

/// Noise floor, instruments and what is not claimed: a name and a text each.
pub(crate) fn doubts(summary: &Summary, plan: &Plan) -> Vec<(String, String)> {
    let lines = [
        caveats::noise_floor(summary),
        caveats::instrument_cost(summary),
        caveats::not_claimed(summary, plan),
    ];
    let split = |line: Line| {
        let text = line.text();
        match text.split_once(": ") {
            Some((name, rest)) => (format!("{name}:"), rest.to_owned()),
            None => (String::new(), text),
        }
    };
    lines.into_iter().map(split).collect()
}

/// The cells as the screen shows them, for other pages; none where they are too many to be read as a table.
pub(crate) fn figures_table(summary: &Summary) -> Option<Table> {
    let grid = Grid::new(&summary.estimates);
    (grid.rows() <= MOST_ROWS && grid.columns() <= MOST_COLUMNS).then(|| grid.table())
}

/// The legend of [`figures_table`], and why figures are absent.
pub(crate) fn figures_notes(summary: &Summary, plan: &Plan) -> Vec<String> {
    Grid::new(&summary.estimates).notes(summary, plan).iter().map(Line::text).collect()
}

/// Whether a warning has a line of its own, below the table or with the answer: what was copied anyway, and oversubscription.
pub(crate) fn is_said_below(warning: &str) -> bool {
    let copied = warning.contains("zero-copy completion") && warning.contains("marked copied");
    copied || warning.contains(": oversubscribed (")
}

/// `48 cells, 13 rounds, 4m58s; 41 within ±3 %; 2 marked; 0 invalid`, with what marked them.
fn counts(summary: &Summary, plan: &Plan) -> Line {
    let run = &summary.run;
    let mut text = format!(
        "{}, {}, {}{}",
        counted(run.cells, "cell", "cells"),
        counted(run.rounds, "round", "rounds"),
        duration(model::Nanos(run.spent_ns)),
        match run.finish.as_str() {
            "time" => " (the time was spent)",
            "interrupted" => " (interrupted)",
            "failed" => " (failed)",
            "unfinished" => " (unfinished)",
            _ => "",
        },
    );
    if run.segments > 1 {
        let _ = write!(text, " in {} segments", run.segments);
    }
    if let (Some(precise), Some(precision)) = (run.precise_cells.value(), plan.measure.precision) {
        let _ = write!(text, "; {precise} within ±{}", percent(precision.0));
    }
    let marked = |class: Class| {
        let of = marks_of(summary, class);
        // Oversubscription has a line of its own.
        let kinds = of.iter().filter(|(mark, _)| **mark != Mark::Oversubscribed);
        let kinds: Vec<String> = kinds.map(|(mark, trials)| format!("{mark} {trials}")).collect();
        if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) }
    };
    let _ = write!(
        text,
        "; of {}: {} marked{}; {} invalid{}",
        counted(run.trials, "trial", "trials"),
        run.noted_trials,
        marked(Class::Noted),
        run.void_trials,
        marked(Class::Void),
    );
    let of_none = |reached: bool| {
        let none = summary.estimates.iter().filter(|entry| !entry.control && entry.trials == 0);
        none.filter(|entry| (entry.void_trials > 0) == reached).count()
    };
    for (cells, what) in
        [(of_none(true), "without a valid trial"), (of_none(false), "not reached yet")]
    {
        if cells > 0 {
            let cells = counted(u32::try_from(cells).unwrap_or(u32::MAX), "cell", "cells");
            let _ = write!(text, "; {cells} {what}");
        }
    }
    Line::wrapped(2).and(Style::Plain, text)
}

/// All cells, controls too, one line each: id, trials, goodput and CPU with their intervals, marks.
pub fn cells_table(summary: &Summary, width: usize, colour: bool) -> String {
    let columns =
        ["trials", "goodput Gbit/s", grid::cost_heading(summary.estimates.iter()), "marks"];
    let group = Group { heading: String::new(), columns: columns.map(str::to_owned).to_vec() };
    let rows = summary.estimates.iter().map(|entry| {
        let figure = |metric: Metric| estimate(entry, metric).map_or_else(|| "-".to_owned(), level);
        let marks: Vec<String> =
            entry.marks.iter().map(|(mark, trials)| format!("{mark}={trials}")).collect();
        TableRow::Figures(
            entry.cell.id(),
            vec![
                entry.trials.to_string(),
                figure(Metric::GoodputGbps),
                figure(Metric::cost_on(entry.cell.link)),
                marks.join(" "),
            ],
        )
    });
    let corner = [String::new(), "cell".to_owned()];
    let table = Table { corner, groups: vec![group], rows: rows.collect() };
    let mut lines = table.lines(width.max(NARROWEST));
    for (why, cells) in grid::absences(summary, summary.estimates.iter()) {
        let ids: Vec<String> = cells.iter().map(|cell| cell.id()).collect();
        let text = format!("{}: {why}", ids.join("; "));
        lines.push(Line::wrapped(2).and(Style::Faint, "- ").and(Style::Plain, text));
    }
    render(&lines, width.max(NARROWEST), colour)
}

/// A cell's estimate of a metric, where there is one.
fn estimate(entry: &CellEstimates, metric: Metric) -> Option<&analysis::summary::Estimate> {
    entry.metrics.get(&metric).and_then(Measured::value)
}

/// How many trials bear each mark of a class: what notes a trial among the valid ones alone, as they are counted, what
/// voids one among all.
fn marks_of(summary: &Summary, class: Class) -> BTreeMap<Mark, u32> {
    let mut marks = BTreeMap::new();
    let valid = summary.estimates.iter().map(|entry| &entry.marks);
    let counted: Vec<_> = match class {
        Class::Noted => valid.collect(),
        Class::Void => vec![&summary.marks],
    };
    for (mark, trials) in counted.into_iter().flatten().filter(|(mark, _)| mark.class() == class) {
        *marks.entry(*mark).or_insert(0) += trials;
    }
    marks
}
