//! `report.md`: what the page says, short enough for a pull request: answer, trust, figures, questions, claims, laws, what stayed
//! open. Evidence is left to the page.

use std::io::Write;

use analysis::laws::law::{Law, LawState};
use analysis::summary::Summary;
use model::Plan;
use model::host::Host;

use crate::control_table;
use crate::error::ReportError;
use crate::html::Page;
use crate::method_notes::method_notes;
use crate::numbers::counted;
use crate::plain_table::{Table, TableRow};
use crate::release_table;
use crate::reproduce::{again, command, date, name};
use crate::screen::{figures_notes, figures_table, machine_facts};
use crate::styled_text::turns_direction;
use crate::trust::trust;
use crate::unanswered::{Open, unanswered};
use crate::words::advice::field_thresholds;
use crate::words::fixed_load::load_savings;
use crate::words::{laws, receiving, recommendations, warning};

mod explained;
mod section;

use section::{Section, shortened, within};

/// Writes `report.md`.
///
/// # Errors
/// The writer's.
pub fn write_markdown(mut out: impl Write, page: &Page) -> Result<(), ReportError> {
    let error = |why| ReportError::new("report.md", why);
    let Page { summary, host, plan, .. } = *page;
    let known = &summary.explained;
    let sections = vec![
        head(summary, host, plan),
        answer(summary),
        thresholds(summary),
        broken_laws(summary),
        trust_table(summary, plan),
        warnings(summary, plan, host),
        control(summary),
        figures(summary, plan),
        pictures(page),
        explained::audits(known),
        explained::links(known),
        releases(summary),
        explained::answers(summary),
        explained::own_table(&known.own_table),
        explained::claims(&known.claims),
        explained::laws(&known.laws),
        open(summary),
        files(summary),
    ];
    out.write_all(within(MOST_CHARACTERS, sections).as_bytes()).map_err(error)?;
    out.flush().map_err(error)
}

/// More than this is tedious in a pull request.
const MOST_CHARACTERS: usize = 19_900;
/// The most of a sentence; the page has the rest.
const LONGEST_SENTENCE: usize = 300;
/// The most of what a picture says, which stands below it on the page.
const LONGEST_READING: usize = 160;
/// The most of a name or a figure.
const LONGEST_NAME: usize = 80;

/// [`plain`], of a text that is cut between words where it is longer.
fn plain_short(text: &str, most: usize) -> String {
    plain(&shortened(text, most))
}

/// An item of a list.
fn item(text: &str) -> String {
    format!("- {text}\n")
}

/// Text that Markdown takes as it is: backslashes before what could be markup (CommonMark, 2.4), entities where HTML
/// could begin, one line.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '!' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            // A name of somebody who would be told.
            '@' => out.push_str("&#64;"),
            '\u{a0}' => out.push(' '),
            c if c.is_control() => out.push(' '),
            c if turns_direction(c) => out.push_str(&plain(&c.escape_unicode().to_string())),
            c => out.push(c),
        }
    }
    out
}

/// With what turns the direction of a text as escapes that are seen.
fn visible_directions(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if turns_direction(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

/// Code: backticks alone could end it.
fn code(text: &str) -> String {
    let clean = visible_directions(text);
    let clean: String =
        clean.chars().map(|c| if c == '`' || c.is_control() { ' ' } else { c }).collect();
    format!("`{}`", clean.replace('|', "\\|"))
}

fn row(out: &mut String, cells: impl IntoIterator<Item = String>) {
    out.push('|');
    for cell in cells {
        out.push(' ');
        out.push_str(&cell);
        out.push_str(" |");
    }
    out.push('\n');
}

fn heads<S: AsRef<str>>(out: &mut String, columns: &[S]) {
    row(out, columns.iter().map(|column| plain(column.as_ref())));
    row(out, columns.iter().map(|_| "---".to_owned()));
}

fn head(summary: &Summary, host: &Host, plan: &Plan) -> Section {
    let run = &summary.run;
    Section::whole(format!(
        "# What it costs to send: {}\n\n{}\n\n{}. {}: {}\n",
        plain_short(name(summary, host), LONGEST_NAME),
        plain_short(&machine_facts(summary, host, plan).join(", "), LONGEST_SENTENCE),
        date(run.started_unix_ms),
        again(summary),
        code(&command(plan)),
    ))
}

fn answer(summary: &Summary) -> Section {
    let sentences = recommendations(summary).into_iter().chain(receiving(summary, usize::MAX));
    let sentences = sentences.map(|line| format!("**{}**", plain_short(&line, LONGEST_SENTENCE)));
    Section::whole(sentences.collect::<Vec<_>>().join("\n\n") + "\n")
}

/// Constants to paste, or why there are none; what is saved at a fixed load.
fn thresholds(summary: &Summary) -> Section {
    let constants = field_thresholds(summary).into_iter().map(|line| item(&code(&line)));
    let loads =
        load_savings(summary).into_iter().map(|line| item(&plain_short(&line, LONGEST_SENTENCE)));
    let line = crate::words::line_rate::line_rate(summary)
        .map(|line| item(&plain_short(&format!("Line: {line}"), LONGEST_SENTENCE)));
    Section { rows: line.into_iter().chain(constants).chain(loads).collect(), ..Section::default() }
}

fn broken_laws(summary: &Summary) -> Section {
    let broken = summary.explained.laws.iter().filter(|law| law.state == LawState::Broken);
    let line = |law: &Law| {
        let name = plain_short(laws::law_name(law), LONGEST_NAME);
        let because = plain_short(&laws::in_short(law), LONGEST_SENTENCE);
        item(&format!("✗ **Law {} ({name}) is broken:** {because}", law.id))
    };
    Section { rows: broken.map(line).collect(), ..Section::default() }
}

fn trust_table(summary: &Summary, plan: &Plan) -> Section {
    let mut head = "## How far to trust it\n\n".to_owned();
    heads(&mut head, &["", "", ""]);
    let facts = trust(summary, plan).into_iter().map(|fact| {
        let name = format!("{} {}", fact.grade.sign(), fact.name);
        let mut line = String::new();
        let texts = [name, fact.figure, fact.note];
        row(&mut line, texts.map(|text| plain_short(&text, LONGEST_SENTENCE)));
        line
    });
    Section { head, rows: facts.collect(), foot: String::new() }
}

/// What to beware of, and what was measured of the method itself.
fn warnings(summary: &Summary, plan: &Plan, host: &Host) -> Section {
    let warnings = summary.warnings.iter().map(|it| plain_short(&warning(it), LONGEST_SENTENCE));
    // The noise floor stands in the table above, and other load among the warnings where it matters.
    let method = method_notes(summary, plan, host)
        .into_iter()
        .filter(|note| !note.is_for_the_page)
        .map(|note| format!("**{}:** {}", note.name, plain_short(&note.text, LONGEST_SENTENCE)));
    let rows = warnings.chain(method).map(|line| item(&line)).collect();
    Section { rows, ..Section::default() }
}

/// How the two ways of measuring agree, contrast by contrast.
fn control(summary: &Summary) -> Section {
    let (table, left_out) = control_table::some_contrasts(summary);
    if table.rows.is_empty() {
        return Section::default();
    }
    let mut head = format!("## {}\n\n{}\n\n", table.heading, plain(table.reading));
    heads(&mut head, table.columns);
    let line = |texts: Vec<String>| {
        let mut line = String::new();
        row(&mut line, texts.iter().map(|text| plain_short(text, LONGEST_NAME)));
        line
    };
    let foot = match left_out {
        0 => String::new(),
        _ => format!("\n{} in report.html.\n", counted(left_out, "more row", "more rows")),
    };
    Section { head, rows: table.rows.into_iter().map(line).collect(), foot }
}

fn figures(summary: &Summary, plan: &Plan) -> Section {
    let mut head = "## Figures\n\n".to_owned();
    if summary.estimates.iter().all(|entry| entry.control || entry.trials == 0) {
        head.push_str("No valid trial, so there is no figure to show.\n");
        return Section::whole(head);
    }
    let Some(table) = figures_table(summary) else {
        head.push_str(
            "Too many cells for a table here; they are in report.html and results.csv.\n",
        );
        return Section::whole(head);
    };
    let rows = figure_rows(&mut head, &table);
    let notes = figures_notes(summary, plan);
    let note = |note: &String| item(&plain_short(note, LONGEST_SENTENCE));
    let notes: String = notes.iter().take(MOST_NOTES).map(note).collect();
    let foot = if notes.is_empty() { notes } else { format!("\n{notes}") };
    Section { head, rows, foot }
}

/// More reasons for absent figures than this are left to the page.
const MOST_NOTES: usize = 3;

/// The screen's table: what rows share becomes a column of its own.
fn figure_rows(head: &mut String, table: &Table) -> Vec<String> {
    let mut columns = vec![String::new(), "size".to_owned()];
    for group in &table.groups {
        let named = group.columns.iter().map(|name| format!("{}: {name}", group.heading));
        columns.extend(named.map(|name| shortened(&name, LONGEST_NAME)));
    }
    heads(head, &columns);
    let mut section = &table.corner[0];
    let mut rows = Vec::new();
    for line in &table.rows {
        match line {
            TableRow::Section(name) => section = name,
            TableRow::Figures(name, figures) => {
                let cells = [section, name].into_iter().chain(figures);
                let mut line = String::new();
                row(&mut line, cells.map(|text| plain_short(text, LONGEST_NAME)));
                rows.push(line);
            }
        }
    }
    rows
}

/// How long buffers are held.
fn releases(summary: &Summary) -> Section {
    let table = release_table::by_size(summary);
    if table.rows.is_empty() {
        return Section::default();
    }
    let mut head = format!(
        "## {}\n\nHow long a buffer has to be kept: until the path has read that the kernel has let go of it.\n\n",
        table.heading
    );
    heads(&mut head, table.columns);
    let line = |texts: Vec<String>| {
        let mut line = String::new();
        row(&mut line, texts.iter().map(|text| plain_short(text, LONGEST_NAME)));
        line
    };
    Section { head, rows: table.rows.into_iter().map(line).collect(), foot: String::new() }
}

/// Figures and data paths: where each lies, and what it says.
fn pictures(page: &Page) -> Section {
    let figures = page.figures.iter().map(|f| (f.name, &f.title, &f.reading));
    let paths = page.data_paths.iter().map(|p| (p.name.as_str(), &p.title, &p.reading));
    let line = |(name, title, reading): (&str, &String, &String)| {
        let title = plain_short(title, LONGEST_NAME);
        item(&format!("[{title}](figures/{name}.svg): {}", plain_short(reading, LONGEST_READING)))
    };
    let rows: Vec<String> = figures.chain(paths).map(line).collect();
    let head = "## Pictures\n\n".to_owned();
    if rows.is_empty() { Section::default() } else { Section { head, rows, foot: String::new() } }
}

fn open(summary: &Summary) -> Section {
    let open = unanswered(summary);
    if open.is_empty() {
        return Section::default();
    }
    let line = |one: &Open| {
        let takes = one.takes();
        let colon = if takes.is_empty() { "" } else { ": " };
        item(&format!(
            "**{}** → {}{colon}{}",
            plain_short(&one.instrument, LONGEST_NAME),
            plain_short(&one.names(), LONGEST_SENTENCE),
            plain_short(&takes, LONGEST_SENTENCE)
        ))
    };
    Section {
        head: "## Not answered here, and what would answer it\n\n".to_owned(),
        rows: open.iter().map(line).collect(),
        foot: String::new(),
    }
}

fn files(summary: &Summary) -> Section {
    Section::whole(format!(
        "Written by copycost {}: [how it measures, and why](report.html#how). Evidence, ratios, the machine's facts and every cell are in report.html of the same run.\n",
        plain_short(&summary.copycost, LONGEST_NAME)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_be_markup() {
        assert_eq!(
            plain("<script>|*x*\n`y` [a](b) @me"),
            "&lt;script&gt;\\|\\*x\\* \\`y\\` \\[a\\](b) &#64;me"
        );
        assert_eq!(code("a`b|c"), "`a b\\|c`");
        assert_eq!(plain("a\u{202e}b"), "a\\\\u\\{202e\\}b");
        assert_eq!(code("a\u{202e}b"), "`a\\u{202e}b`");
    }
}
