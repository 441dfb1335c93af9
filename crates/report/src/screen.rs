//! The one screen at the end of a run: the answer first, then the cells, what to beware of, and where the files lie.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use analysis::laws::law::LawState;
use analysis::metric::Metric;
use analysis::own_table::{TableCheck, TableVerdict};
use analysis::reference::Caveat;
use analysis::results::{CellEstimates, Ending};
use analysis::summary::Summary;
use analysis::warnings::Warning;
use model::host::Host;
use model::{Class, Mark, Measured, Plan};

use crate::claims_tally::claims_tally;
use crate::method_notes::method_notes;
use crate::numbers::{counted, duration, level, percent};
use crate::plain_table::{Group, Table, TableRow};
use crate::styled_text::{Line, Style, render};
use crate::words::advice::field_thresholds;
use crate::words::fixed_load::load_savings;
use crate::words::{self, laws, receiving, recommendations, says_copied, warning, with_detail};

mod caveats;
mod comparison;
mod grid;
mod machine_line;
mod path_rows;

use grid::Grid;
pub(crate) use machine_line::machine_facts;
use path_rows::PathRows;

/// How to lay out a screen.
#[derive(Clone, Copy, Debug)]
pub struct ScreenOptions<'a> {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to colour; the caller knows the terminal and `NO_COLOR`.
    pub colour: bool,
    /// Whether to show all warnings, and what was measured of the method itself.
    pub verbose: bool,
    /// The run directory, as the reader can type it.
    pub directory: &'a str,
}

/// Narrower than this nothing is laid out; lines hang over instead.
pub(crate) const NARROWEST: usize = 40;
/// Wider than this no sentence is easy to read.
pub(crate) const WIDEST_TEXT: usize = 120;
/// More rows than this make no screen: a digest stands in for the table, which is in `results.csv`.
const MOST_ROWS: usize = 40;
/// The same of columns of one metric.
const MOST_COLUMNS: usize = 12;

/// Send paths behind which the answer of the receiving side stands on the screen.
const MOST_BEHIND: usize = 4;

/// The most warnings that a screen shows unless all are asked for; the rest stands on the page.
const MOST_WARNINGS: usize = 5;
/// So many are shown even where the screen gets longer than [`MOST_LINES`] by them.
const LEAST_WARNINGS: usize = 1;
/// Lines that a terminal shows at once.
const MOST_LINES: usize = 40;
/// Lines of the screen of a run of many paths, as far as a row for each of the few best leaves that.
const MOST_LINES_OF_PATHS: usize = 60;

/// The one screen at the end of a run: the answer, the cells, the comparisons, what to beware of, where it was measured. Every
/// figure is one of the summary's, to three digits.
pub fn screen(summary: &Summary, host: &Host, plan: &Plan, options: ScreenOptions) -> String {
    let width = options.width.max(NARROWEST);
    let text_width = width.min(WIDEST_TEXT);
    let grid = Grid::new(&summary.estimates);
    let shown = |lines: &[Line]| render(lines, text_width, options.colour);
    if let Some(text) = nothing_finished(summary, options.directory).filter(|_| !options.verbose) {
        let mut lines = broken_laws(summary);
        lines.push(Line::wrapped(2).and(Style::Strong, text));
        let foot = shown(&foot(summary, host, plan, &grid, options));
        return shown(&lines) + "\n" + &foot;
    }
    let mut answer = broken_laws(summary);
    let sentences = recommendations(summary).into_iter().chain(receiving(summary, MOST_BEHIND));
    answer.extend(sentences.map(|line| Line::wrapped(2).and(Style::Strong, line)));
    answer.extend(
        field_thresholds(summary)
            .into_iter()
            .map(|line| Line::wrapped(2).and(Style::Faint, "Threshold: ").and(Style::Plain, line)),
    );
    answer.extend(
        load_savings(summary)
            .into_iter()
            .map(|line| Line::wrapped(2).and(Style::Faint, "Load: ").and(Style::Plain, line)),
    );
    answer.extend(
        words::line_rate::line_rate(summary)
            .map(|line| Line::wrapped(2).and(Style::Faint, "Line: ").and(Style::Plain, line)),
    );
    let foot = shown(&foot(summary, host, plan, &grid, options));
    let mut parts = vec![shown(&answer), shown(&own_table(summary, options.verbose))];
    let measured = summary.estimates.iter().any(|entry| !entry.control && entry.trials > 0);
    let has_many_paths = measured && grid.has_many_paths(width);
    let lines = |text: &str| text.lines().count();
    let above = |parts: &[String]| -> usize {
        parts.iter().map(|part| lines(part)).filter(|lines| *lines > 0).map(|lines| lines + 1).sum()
    };
    if !measured {
        parts.push(shown(&grid::no_valid_trial(summary)));
    } else if has_many_paths {
        let warnings = first_warnings(&warnings(summary, false), LEAST_WARNINGS, options.directory);
        // An empty line stands behind the tables.
        let others = above(&parts) + 1 + lines(&shown(&warnings)) + lines(&foot);
        let room = if options.verbose { usize::MAX } else { MOST_LINES_OF_PATHS };
        let tables = PathRows::new(summary, plan, &grid, width, options.directory);
        parts.push(render(&tables.lines(room.saturating_sub(others)), width, options.colour));
    } else if grid.rows() > MOST_ROWS || grid.columns() > MOST_COLUMNS {
        parts.push(shown(&grid.digest(options.directory)));
    } else {
        let table = render(&grid.table().lines(width), width, options.colour);
        parts.push(table + &shown(&grid.notes(summary, plan).lines()));
    }
    if measured {
        if !has_many_paths {
            let table = comparison::table(summary, &grid, width);
            parts.push(render(&table, width, options.colour));
        }
        if options.verbose {
            parts.push(shown(&comparison::comparisons(summary, plan, &grid)));
        }
    }
    if measured && options.verbose {
        let mut more = caveats::links(summary);
        more.extend(caveats::counted_copies(summary));
        more.extend(caveats::copied_share(summary, &grid));
        more.extend(caveats::oversubscribed(summary));
        more.extend(method_notes(summary, plan, host).into_iter().map(|note| {
            let line = Line::wrapped(2).and(Style::Strong, format!("{}: ", note.name));
            line.and(Style::Plain, note.text)
        }));
        parts.push(shown(&more));
    }
    parts.retain(|part| !part.is_empty());
    let most = if has_many_paths { MOST_LINES_OF_PATHS } else { MOST_LINES };
    let room = most.saturating_sub(above(&parts) + lines(&foot));
    let all = warnings(summary, options.verbose);
    let fits =
        |most: &usize| lines(&shown(&first_warnings(&all, *most, options.directory))) <= room;
    let most = (LEAST_WARNINGS..=MOST_WARNINGS).rev().find(fits).unwrap_or(LEAST_WARNINGS);
    let most = if options.verbose { all.len() } else { most };
    parts.push(shown(&first_warnings(&all, most, options.directory)) + &foot);
    parts.join("\n")
}

/// Of a run that was stopped before its first round was whole: what is kept, and how to go on. Tables would be all but empty, and
/// what is in them is not compared.
fn nothing_finished(summary: &Summary, directory: &str) -> Option<String> {
    let run = &summary.run;
    if run.finish != Ending::Interrupted || run.rounds > 0 {
        return None;
    }
    let next = format!("go on with: copycost run --resume {directory}");
    if run.trials == 0 {
        return Some(format!("No round was finished, and nothing is kept; {next}"));
    }
    let tried = |entry: &&CellEstimates| !entry.control && entry.trials + entry.void_trials > 0;
    let cells = summary.estimates.iter().filter(tried).count();
    Some(format!(
        "No round was finished; kept: {}, of {cells} of {}; {next} (so far: copycost report {directory} --verbose)",
        counted(run.trials, "trial", "trials"),
        counted(run.cells, "cell", "cells"),
    ))
}

/// Where it was measured, how much, and where the report lies.
fn foot(
    summary: &Summary,
    host: &Host,
    plan: &Plan,
    grid: &Grid,
    options: ScreenOptions,
) -> Vec<Line> {
    let mut foot = caveats::releases(summary, options.verbose);
    foot.push(machine_line::machine_line(summary, host, plan));
    if !grid.shared.is_empty() {
        foot.push(Line::wrapped(2).and(Style::Faint, format!("every cell: {}", grid.shared)));
    }
    foot.push(counts(summary, plan, options.verbose));
    if options.verbose {
        let how = "how it is measured, and why: section Method of the report";
        foot.push(Line::wrapped(2).and(Style::Faint, how));
    }
    foot.push(last_line(summary, options));
    foot
}

/// What to beware of, in order of weight.
fn warnings(summary: &Summary, verbose: bool) -> Vec<String> {
    let recommended = &summary.explained.recommendations;
    // The answer speaks of what was copied and of too few rounds already.
    let says_copied = !recommended.is_empty() && recommended.iter().all(says_copied);
    let is_preliminary = |caveat: &Caveat| matches!(caveat, Caveat::Preliminary { .. });
    let says_preliminary = recommended.iter().any(|it| it.caveats.iter().any(is_preliminary));
    let is_said = |warning: &Warning| {
        (says_copied && matches!(warning, Warning::Copied { .. }))
            || (says_preliminary && matches!(warning, Warning::Preliminary { .. }))
    };
    let shown = summary.warnings.iter().filter(|warning| verbose || !is_said(warning));
    shown.map(if verbose { with_detail } else { warning }).collect()
}

/// The first so many, and how many more there are.
fn first_warnings(all: &[String], most: usize, directory: &str) -> Vec<Line> {
    let line = |text: &str| Line::wrapped(2).and(Style::Warning, "! ").and(Style::Plain, text);
    let mut lines: Vec<Line> = all.iter().take(most).map(|text| line(text)).collect();
    if all.len() > most {
        let more = u32::try_from(all.len() - most).unwrap_or(u32::MAX);
        let more = counted(more, "more warning", "more warnings");
        lines.push(line(&format!("{more}: copycost report {directory} --verbose")));
    }
    lines
}

/// Figures that contradict each other come before all others.
fn broken_laws(summary: &Summary) -> Vec<Line> {
    let broken = summary.explained.laws.iter().filter(|law| law.state == LawState::Broken);
    broken
        .map(|law| {
            Line::wrapped(2)
                .and(Style::Warning, format!("! {} is broken: ", laws::law_title(law)))
                .and(Style::Plain, laws::in_short(law))
        })
        .collect()
}

/// What the study says and its own table does not, a line a claim, and the others together; with `all` a line for each of those.
fn own_table(summary: &Summary, all: bool) -> Vec<Line> {
    let checks = &summary.explained.own_table;
    if checks.is_empty() {
        return Vec::new();
    }
    let tally = words::own_table::tally(checks);
    let head = Line::wrapped(2)
        .and(Style::Strong, "The paper's claims against this table: ")
        .and(Style::Plain, tally);
    let shown: Vec<&TableCheck> =
        if all { checks.iter().collect() } else { words::own_table::worst(checks) };
    let signed = |agreement: TableVerdict, text: String| {
        let sign = match agreement {
            TableVerdict::Contradicts => "✗ ",
            TableVerdict::Agrees => "✓ ",
            TableVerdict::NotInTable => "? ",
        };
        Line::wrapped(4).and(Style::Warning, sign).and(Style::Plain, text)
    };
    let shown = shown.into_iter().map(|it| signed(it.agreement, words::own_table::line(it)));
    let others = if all { Vec::new() } else { words::own_table::others(checks) };
    let others = others.into_iter().map(|(agreement, text)| signed(agreement, text));
    std::iter::once(head).chain(shown).chain(others).collect()
}

/// The last line: the report to read on in, where it was written.
fn last_line(summary: &Summary, options: ScreenOptions) -> Line {
    let directory = options.directory;
    let report = format!("{directory}/report.html");
    let tally = claims_tally(&summary.explained.claims).filter(|_| options.verbose);
    // No line of its own: all of a default run stands on one screen.
    let method = " (how it was measured: under Method)";
    let fits = "Report: ".len() + report.chars().count() + method.len() <= options.width;
    let line = Line::wrapped(2).and(Style::Strong, "Report: ").and(Style::Plain, report);
    match tally {
        Some(tally) => line.and(Style::Plain, format!("    claims of the paper: {tally}")),
        None if fits && !options.verbose => line.and(Style::Faint, method),
        None => line,
    }
}

/// The cells as the screen shows them, for other pages; none where they are too many to be read as a table.
pub(crate) fn figures_table(summary: &Summary) -> Option<Table> {
    let grid = Grid::new(&summary.estimates);
    (grid.rows() <= MOST_ROWS && grid.columns() <= MOST_COLUMNS).then(|| grid.table())
}

/// The legend of [`figures_table`], and why figures are absent.
pub(crate) fn figures_notes(summary: &Summary, plan: &Plan) -> Vec<String> {
    Grid::new(&summary.estimates).notes(summary, plan).texts()
}

/// `48 cells, 13 rounds, 4m58s; 41 ratios to ±1.2 %; 663 trials, 2 marked, 0 void`, with what marked them.
fn counts(summary: &Summary, plan: &Plan, verbose: bool) -> Line {
    let run = &summary.run;
    let spent = run.spent_ns.value().map(|ns| format!(", {}", duration(model::Nanos(*ns))));
    let mut text = format!(
        "{}, {}{}{}",
        counted(run.cells, "cell", "cells"),
        counted(run.rounds, "round", "rounds"),
        spent.unwrap_or_default(),
        match run.finish {
            Ending::Time => " (the time was spent)",
            Ending::Interrupted => " (interrupted)",
            Ending::Failed => " (failed)",
            Ending::Unfinished => " (unfinished)",
            Ending::Precise | Ending::Rounds => "",
        },
    );
    if run.segments > 1 {
        let _ = write!(text, " in {} segments", run.segments);
    }
    let precision = plan.measure.precision;
    if let (Some(precise), Some(precision)) = (run.precise_comparisons.value(), precision)
        && run.comparisons > 0
    {
        let ratios = counted(*precise, "ratio", "ratios");
        let _ = write!(text, "; {ratios} to ±{}", percent(precision.0));
    }
    if let (Some(precise), Some(limit)) = (run.precise_cells.value(), plan.level_precision())
        && (verbose || run.comparisons == 0)
    {
        let cells = counted(*precise, "cell", "cells");
        let _ = write!(text, "; {cells} to ±{}", percent(limit.0));
    }
    let marked = |class: Class| {
        let of = marks_of(summary, class);
        // Oversubscription has a line of its own.
        let kinds = of.iter().filter(|(mark, _)| **mark != Mark::Oversubscribed);
        let kinds: Vec<String> = kinds.map(|(mark, trials)| format!("{mark} {trials}")).collect();
        if kinds.is_empty() || !verbose {
            String::new()
        } else {
            format!(" ({})", kinds.join(", "))
        }
    };
    let _ = write!(
        text,
        "; {}, {} marked{}, {} void{}",
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
        [(of_none(true), "without a valid trial"), (of_none(false), not_reached(summary))]
    {
        if cells > 0 {
            let cells = counted(u32::try_from(cells).unwrap_or(u32::MAX), "cell", "cells");
            let _ = write!(text, "; {cells} {what}");
        }
    }
    Line::wrapped(2).and(Style::Plain, text)
}

/// What is said of cells without a trial.
fn not_reached(summary: &Summary) -> &'static str {
    if summary.run.imported.is_empty() { "not reached yet" } else { "in no row of the file" }
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
    for (grid::Absence { of, why }, cells) in grid::absences(summary, summary.estimates.iter()) {
        let ids: Vec<String> = cells.iter().map(|cell| cell.id()).collect();
        let of = of.map(|of| format!("{} of ", words::figures::metric(of))).unwrap_or_default();
        let text = format!("{of}{}: {why}", ids.join("; "));
        lines.push(Line::wrapped(2).and(Style::Faint, "- ").and(Style::Plain, text));
    }
    render(&lines, width.max(NARROWEST), colour)
}

/// A cell's estimate of a metric, where there is one.
fn estimate(entry: &CellEstimates, metric: Metric) -> Option<&analysis::estimate::Estimate> {
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
