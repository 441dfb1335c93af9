//! Many runs in one table for people: rows are cells, columns are runs.

use std::collections::{BTreeMap, BTreeSet};

use analysis::estimate::half_width;
use analysis::metric::Metric;
use analysis::results::CellEstimates;
use model::{Cell, Factor, Measured};

use crate::numbers::counted;
use crate::origin::Origin;
use crate::plain_table::{Group, Table, TableRow};
use crate::runs_table::RunResults;
use crate::spelling::{WIDE, factors, figure_and_percent, is_wide, message};
use crate::styled_text::{Line, Style, folded, render};

/// A name longer than this is cut: the table's legend has it in full.
const LONGEST_NAME: usize = 16;

/// One table a metric, and what its columns are. Runs that do not fit beside each other stand below.
pub fn runs_screen(runs: &[RunResults], metrics: &[Metric], width: usize, colour: bool) -> String {
    let (names, by) = column_names(runs);
    let cells = cells(runs);
    let varied = varied(&cells);
    let mut parts = Vec::new();
    for metric in metrics {
        let heading = Line::wrapped(2)
            .and(Style::Strong, format!("{}: ", metric.name()))
            .and(Style::Plain, metric.meaning());
        let mut lines = vec![heading];
        if runs.iter().any(|run| run.estimates.iter().any(|entry| has(entry, *metric))) {
            let beside = beside(&cells, &varied, width);
            lines.extend(
                table(runs, &names, &cells, (&varied, beside, width), *metric).lines(width),
            );
        }
        lines.extend(absent(runs, &names, *metric));
        parts.push(render(&lines, width, colour));
    }
    parts.push(render(&legend(runs, &names, by, metrics), width, colour));
    parts.join("\n")
}

/// The cells of all runs without controls, each once, in the order of the first run that has them.
fn cells(runs: &[RunResults]) -> Vec<&Cell> {
    let mut seen = BTreeSet::new();
    let asked = runs.iter().flat_map(|run| &run.estimates).filter(|entry| !entry.control);
    asked.map(|entry| &entry.cell).filter(|cell| seen.insert(*cell)).collect()
}

/// The factors in which cells differ; the path and the size first, as readers look for them.
fn varied(cells: &[&Cell]) -> Vec<Factor> {
    let differs = |factor: &Factor| {
        let mut values = cells.iter().map(|cell| cell.get(*factor));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    Factor::ALL.iter().copied().filter(differs).collect()
}

fn value(cell: &Cell, factor: Factor) -> String {
    if factor == Factor::Message { message(cell) } else { cell.get(factor) }
}

fn heading(factor: Factor) -> &'static str {
    if factor == Factor::Message { "size" } else { factor.key() }
}

/// Columns of a factor's values.
fn factor_width(cells: &[&Cell], factor: Factor) -> usize {
    let values = cells.iter().map(|cell| value(cell, factor).chars().count());
    values.chain([heading(factor).len()]).max().unwrap_or(0)
}

/// Which of the factors stand beside the figures: those that every reader looks for, and all where that leaves two columns of
/// figures their room. The others stand above the rows that share them.
fn beside(cells: &[&Cell], varied: &[Factor], width: usize) -> Vec<Factor> {
    let room = width.saturating_sub(2 * (LONGEST_NAME + 2));
    let own = |factor: &Factor| matches!(factor, Factor::Send | Factor::Message | Factor::Threads);
    let all: usize = varied.iter().map(|factor| factor_width(cells, *factor) + 2).sum();
    varied.iter().copied().filter(|factor| all <= room || own(factor)).collect()
}

fn table(
    runs: &[RunResults],
    names: &[String],
    cells: &[&Cell],
    (varied, beside, width): (&[Factor], Vec<Factor>, usize),
    metric: Metric,
) -> Table {
    let widths: Vec<usize> = beside.iter().map(|factor| factor_width(cells, *factor)).collect();
    let above: Vec<Factor> =
        varied.iter().copied().filter(|factor| !beside.contains(factor)).collect();
    let row = |of: &dyn Fn(Factor) -> String| {
        let fields = beside.iter().zip(&widths).map(|(factor, width)| {
            let text = of(*factor);
            format!("{text}{}", " ".repeat(width.saturating_sub(text.chars().count())))
        });
        fields.collect::<Vec<_>>().join("  ")
    };
    let by_cell: Vec<BTreeMap<&Cell, &CellEstimates>> = runs
        .iter()
        .map(|run| run.estimates.iter().map(|entry| (&entry.cell, entry)).collect())
        .collect();
    let figures = |cell: &Cell| -> Vec<String> {
        by_cell
            .iter()
            .map(|of| of.get(cell).map_or_else(String::new, |e| figure(e, metric)))
            .collect()
    };
    let second = second_names(runs);
    Table {
        corner: [String::new(), row(&|factor| heading(factor).to_owned())],
        groups: names
            .iter()
            .zip(second)
            .map(|(name, second)| Group { heading: name.clone(), columns: vec![second] })
            .collect(),
        rows: sections(cells, &above)
            .into_iter()
            .flat_map(|(name, cells)| {
                // A heading that is too long goes on in a line of its own.
                let heading = folded(&name, 2, width);
                let heading: Vec<String> = heading.lines().map(str::to_owned).collect();
                let rows = cells.into_iter().map(|cell| {
                    TableRow::Figures(row(&|factor| value(cell, factor)), figures(cell))
                });
                let rows: Vec<TableRow> = rows.collect();
                heading.into_iter().map(TableRow::Section).chain(rows)
            })
            .collect(),
    }
}

/// Cells by the values that they share of some factors, in the order in which those first come; without a factor one section
/// without a name.
fn sections<'a>(cells: &[&'a Cell], above: &[Factor]) -> Vec<(String, Vec<&'a Cell>)> {
    let mut sections: Vec<(String, Vec<&Cell>)> = Vec::new();
    for cell in cells {
        let shared = above.iter().map(|factor| format!("{}={}", factor.key(), cell.get(*factor)));
        let name = shared.collect::<Vec<_>>().join(" ");
        match sections.iter_mut().find(|(known, _)| *known == name) {
            Some((_, of)) => of.push(cell),
            None => sections.push((name, vec![cell])),
        }
    }
    sections
}

/// What stands under the columns' names: the label or the kernel, whichever differs.
fn second_names(runs: &[RunResults]) -> Vec<String> {
    let of: [fn(&Origin) -> &str; 2] = [|origin| &origin.label, |origin| known(&origin.kernel)];
    let differs = |of: &fn(&Origin) -> &str| {
        runs.iter().map(|run| of(&run.origin)).collect::<BTreeSet<_>>().len() > 1
    };
    match of.into_iter().find(differs) {
        Some(of) => runs.iter().map(|run| cut(of(&run.origin))).collect(),
        None => vec![String::new(); runs.len()],
    }
}

/// A cell's figure with its half-width in percent; `-` where it is absent.
fn figure(entry: &CellEstimates, metric: Metric) -> String {
    let estimate = entry.metrics.get(&metric).and_then(Measured::value);
    estimate.map_or_else(|| "-".to_owned(), |e| figure_and_percent(e.mean, half_width(e)))
}

fn has(entry: &CellEstimates, metric: Metric) -> bool {
    entry.metrics.get(&metric).and_then(Measured::value).is_some()
}

/// Where a run has no figure of a metric at all: why.
fn absent(runs: &[RunResults], names: &[String], metric: Metric) -> Vec<Line> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (run, name) in runs.iter().zip(names) {
        if run.estimates.iter().any(|entry| has(entry, metric)) {
            continue;
        }
        let mut figures = run.estimates.iter().filter_map(|entry| entry.metrics.get(&metric));
        let Some(why) = figures.find_map(Measured::reason) else { continue };
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, runs)) => runs.push(name),
            None => reasons.push((why, vec![name])),
        }
    }
    let line = |(why, runs): (&str, Vec<&str>)| {
        let text = format!("- not measured on {}: {why}", runs.join(", "));
        Line::wrapped(2).and(Style::Faint, text)
    };
    reasons.into_iter().map(line).collect()
}

/// What columns are named by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NamedBy {
    Machine,
    Label,
    Run,
    Number,
}

/// The shortest names that tell the runs apart: the machine, the label, the run, or else their numbers.
fn column_names(runs: &[RunResults]) -> (Vec<String>, NamedBy) {
    let of = |by: NamedBy| -> Vec<String> {
        let name = |(place, run): (usize, &RunResults)| match by {
            NamedBy::Machine => cut(known(&run.origin.machine)),
            NamedBy::Label => cut(&run.origin.label),
            NamedBy::Run => cut(&run.origin.run),
            NamedBy::Number => (place + 1).to_string(),
        };
        runs.iter().enumerate().map(name).collect()
    };
    let tells_apart = |names: &[String]| {
        names.iter().collect::<BTreeSet<_>>().len() == names.len()
            && names.iter().all(|name| !name.is_empty())
    };
    [NamedBy::Machine, NamedBy::Label, NamedBy::Run]
        .into_iter()
        .map(|by| (of(by), by))
        .find(|(names, _)| tells_apart(names))
        .unwrap_or_else(|| (of(NamedBy::Number), NamedBy::Number))
}

/// A fact's text; empty where nobody knows it, as of an imported run.
fn known(fact: &Measured<String>) -> &str {
    fact.value().map_or("", String::as_str)
}

fn cut(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    name.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// What the columns and the signs are.
fn legend(runs: &[RunResults], names: &[String], by: NamedBy, metrics: &[Metric]) -> Vec<Line> {
    let faint = |text: String| Line::wrapped(2).and(Style::Faint, text);
    let mut lines: Vec<Line> = runs
        .iter()
        .zip(names)
        .map(|(RunResults { origin, .. }, name)| faint(format!("{name}: {}", facts(origin, by))))
        .collect();
    let count = u32::try_from(runs.len()).unwrap_or(u32::MAX);
    lines.push(faint(format!(
        "{}; ±: half of the 95 % interval in percent, within the run; -: not measured; empty: not \
         in that run's plan",
        counted(count, "run", "runs")
    )));
    let estimates = runs.iter().flat_map(|run| &run.estimates).filter(|entry| !entry.control);
    let mut figures =
        estimates.flat_map(|entry| metrics.iter().filter_map(|of| entry.metrics.get(of)?.value()));
    if figures.any(|figure| half_width(figure).is_some_and(is_wide)) {
        lines.push(faint(WIDE.to_owned()));
    }
    lines
}

fn facts(origin: &Origin, by: NamedBy) -> String {
    let mut facts = Vec::new();
    if let Measured::Value(machine) = &origin.machine
        && (by != NamedBy::Machine || machine.chars().count() > LONGEST_NAME)
    {
        facts.push(machine.clone());
    }
    if !origin.label.is_empty() && by != NamedBy::Label {
        facts.push(format!("\"{}\"", origin.label));
    }
    if let Measured::Value(kernel) = &origin.kernel {
        facts.push(format!("Linux {kernel}"));
    }
    facts.push(origin.cpu.value().map_or("unknown CPU", String::as_str).to_owned());
    if !origin.unstated.is_empty() {
        facts.push(format!("not in its table: {}", factors(&origin.unstated)));
    }
    facts.push(format!("run {}", origin.run));
    facts.join(", ")
}
