//! What changed between runs, on one screen: machines, the answer, a table of what changed, what could not be compared.

use analysis::changes::{Attributed, Change, Changes, Comparison, Difference, Scope, Subject};
use analysis::estimate::{Estimate, half_width};
use analysis::metric::Metric;
use analysis::results::Finding;
use model::Link;

use crate::plain_table::{Group, Table, TableRow};
use crate::screen::{NARROWEST, WIDEST_TEXT};
use crate::spelling::{WIDE, is_wide, short, with_percent};
use crate::styled_text::{Line, Style, render};
use crate::words::changes as words;

/// How to lay out the screen.
#[derive(Clone, Copy, Debug)]
pub struct ChangesOptions {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether to colour.
    pub colour: bool,
    /// Whether to show every fact that differs and every change that was looked for.
    pub verbose: bool,
}

/// The most facts that differ that are shown unless all are asked for.
const MOST: usize = 12;
/// The same of changes of one figure.
const MOST_CHANGES: usize = 9;

/// One screen for each side that is compared with the base.
pub fn changes_screen(changes: &Changes, options: ChangesOptions) -> String {
    let screens: Vec<String> =
        changes.comparisons.iter().map(|comparison| screen(changes, comparison, options)).collect();
    screens.join("\n")
}

/// What the machines and the settings of each side differ from the base in, where nothing else can be compared.
pub fn differences_screen(changes: &Changes, options: ChangesOptions) -> String {
    let width = options.width.clamp(NARROWEST, WIDEST_TEXT);
    let heads: Vec<String> = changes
        .comparisons
        .iter()
        .map(|comparison| render(&head(changes, comparison, options), width, options.colour))
        .collect();
    heads.join("\n")
}

/// The sides, and what they differ in.
fn head(changes: &Changes, comparison: &Comparison, options: ChangesOptions) -> Vec<Line> {
    let mut head = vec![
        Line::wrapped(8)
            .and(Style::Strong, "before  ")
            .and(Style::Plain, words::side(&changes.base)),
        Line::wrapped(8)
            .and(Style::Strong, "after   ")
            .and(Style::Plain, words::side(&comparison.other)),
    ];
    for (of, what) in [(&comparison.host, "machines"), (&comparison.settings, "settings")] {
        let heading = words::differing(of, what, &changes.base, comparison);
        head.extend(differences(of, heading, options));
    }
    head
}

fn screen(changes: &Changes, comparison: &Comparison, options: ChangesOptions) -> String {
    let width = options.width.max(NARROWEST);
    let shown = |lines: &[Line]| render(lines, width.min(WIDEST_TEXT), options.colour);
    let mut answer = vec![Line::wrapped(2).and(Style::Strong, words::answer(comparison))];
    answer.extend(
        comparison
            .attributed
            .iter()
            .filter(|of| options.verbose || is_over_all(of))
            .map(|of| Line::wrapped(2).and(Style::Strong, words::attributed(of))),
    );
    let overalls = words::overalls(comparison).into_iter();
    answer.extend(overalls.map(|text| Line::wrapped(2).and(Style::Plain, text)));
    let line = words::at_line_rate(comparison);
    answer.extend(line.map(|text| Line::wrapped(2).and(Style::Plain, text)));
    answer.extend(words::seen(comparison).map(|seen| Line::wrapped(2).and(Style::Plain, seen)));
    let (table, left_out) = table(comparison, options);
    let notes = table.iter().flat_map(|_| table_notes(comparison, options.verbose));
    let notes = notes.map(|note| Line::wrapped(2).and(Style::Faint, note));
    let mut foot: Vec<Line> = notes.collect();
    let table = table.map(|table| render(&table.lines(width), width, options.colour));
    if left_out > 0 {
        let more = format!("{left_out} more: --verbose, or --json for all that was looked for");
        foot.push(Line::wrapped(2).and(Style::Faint, more));
    }
    let warn = |text: String| Line::wrapped(2).and(Style::Warning, "! ").and(Style::Plain, text);
    foot.extend(words::not_compared(comparison).into_iter().map(warn));
    foot.extend(words::cautions(&changes.base, comparison).into_iter().map(warn));
    let mut parts = vec![shown(&head(changes, comparison, options)), shown(&answer)];
    parts.extend(table);
    parts.push(shown(&foot));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

const fn is_over_all(of: &Attributed) -> bool {
    matches!(of.scope, Scope::AllBlocks { .. })
}

fn differences(of: &[Difference], heading: String, options: ChangesOptions) -> Vec<Line> {
    let mut lines = vec![Line::wrapped(2).and(Style::Plain, heading)];
    let most = if options.verbose { of.len() } else { MOST };
    lines.extend(of.iter().take(most).map(|difference| {
        let line = Line::wrapped(4).and(Style::Strong, format!("  {}: ", difference.fact));
        line.and(Style::Plain, words::difference(difference))
    }));
    if of.len() > most {
        let more = format!("  {} more: --verbose", of.len() - most);
        lines.push(Line::wrapped(4).and(Style::Faint, more));
    }
    lines
}

/// What changed, a section a figure, and how many rows were left out; none where nothing did.
fn table(comparison: &Comparison, options: ChangesOptions) -> (Option<Table>, usize) {
    let (table, left_out) = changes_table(comparison, options.verbose);
    (Some(table).filter(|table| !table.rows.is_empty()), left_out)
}

/// What the table's figures are, and its signs.
fn table_notes(comparison: &Comparison, all: bool) -> Vec<&'static str> {
    let mut notes = Vec::new();
    let shown = || comparison.changes.iter().filter(|change| all || change.is_found());
    if shown().any(|change| words::told(change)[1].is_some()) {
        notes.push(
            "change: after / before; beside all: that / the change that all cells have in common",
        );
    }
    if shown().any(differs_from_its_sides) {
        notes.push("change over several blocks: each weighs by how well its own change is known, so that after / before differs a little");
    }
    let mut told = shown().flat_map(words::told).flatten();
    if told.any(|figure| half_width(figure).is_some_and(is_wide)) {
        notes.push(WIDE);
    }
    notes
}

/// Whether the change that is shown is visibly another figure than what is shown after it over what is shown before.
fn differs_from_its_sides(change: &Change) -> bool {
    const VISIBLY: f64 = 0.005;
    let [itself, _] = words::told(change);
    itself.is_some_and(|it| (it.mean * change.before / change.after).ln().abs() > VISIBLY)
}

/// The same for a page: of all changes that were looked for, or of those that were found, the surest first.
pub(crate) fn changes_table(comparison: &Comparison, all: bool) -> (Table, usize) {
    let mut rows = Vec::new();
    let mut left_out = 0;
    for (link, metric) in figures(comparison) {
        let of = comparison
            .changes
            .iter()
            .filter(|change| (change.link, change.metric) == (link, metric));
        let mut found: Vec<&Change> = of.filter(|change| all || change.is_found()).collect();
        if !all {
            // What holds over all blocks says most; then the surest.
            found.sort_by(|a, b| {
                kind(&a.subject).cmp(&kind(&b.subject)).then(a.p_holm.total_cmp(&b.p_holm))
            });
            left_out += found.len().saturating_sub(MOST_CHANGES);
            found.truncate(MOST_CHANGES);
        }
        if found.is_empty() {
            continue;
        }
        let overall = comparison.overall.iter().find(|it| (it.link, it.metric) == (link, metric));
        rows.push(TableRow::Section(words::section(metric, overall)));
        rows.extend(found.into_iter().map(row));
    }
    let columns = ["before", "after", "change", "beside all", ""].map(str::to_owned).to_vec();
    let groups = vec![Group { heading: String::new(), columns }];
    (Table { corner: [String::new(), "what".to_owned()], groups, rows }, left_out)
}

/// Ratios over all blocks, then cells, then ratios within a block, which follow from either.
const fn kind(subject: &Subject) -> u8 {
    match subject {
        Subject::Contrast { .. } => 0,
        Subject::Level { .. } => 1,
        Subject::Ratio { .. } => 2,
    }
}

/// The links and figures that were compared.
fn figures(comparison: &Comparison) -> Vec<(Link, Metric)> {
    let mut figures: Vec<(Link, Metric)> = Vec::new();
    for change in &comparison.changes {
        if !figures.contains(&(change.link, change.metric)) {
            figures.push((change.link, change.metric));
        }
    }
    figures
}

/// `0.777 ±2%`.
fn times(ratio: &Estimate) -> String {
    with_percent(&format!("{:.3}", ratio.mean), half_width(ratio))
}

fn row(change: &Change) -> TableRow {
    let [itself, beside] = words::told(change).map(|it| it.map_or_else(String::new, times));
    let verdict = match change.finding {
        Finding::More | Finding::Less => words::verdict(change),
        Finding::Equivalent | Finding::Undecided | Finding::AtLineRate => "",
    };
    TableRow::Figures(
        words::subject(&change.subject),
        vec![short(change.before), short(change.after), itself, beside, verdict.to_owned()],
    )
}
