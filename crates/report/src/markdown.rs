//! `report.md`: what the page says, for a pull request: answer, trust, figures, questions, claims, laws, what stayed open. Tables
//! that are evidence are folded away.

use std::fmt::Write as _;
use std::io::Write;

use analysis::explained::LawState;
use analysis::summary::Summary;
use model::Plan;
use model::host::Host;

use crate::error::ReportError;
use crate::html::Page;
use crate::plain_table::{Table, TableRow};
use crate::reproduce::{command, date};
use crate::screen::{doubts, figures_notes, figures_table, machine_facts, notes};
use crate::trust::trust;
use crate::unanswered::unanswered;
use crate::words::{recommendations, with_detail};

mod cpu_time;
mod explained;

/// Writes `report.md`.
///
/// # Errors
/// The writer's.
pub fn write_markdown(mut out: impl Write, page: &Page) -> Result<(), ReportError> {
    let error = |why| ReportError::new("report.md", why);
    let Page { summary, host, plan, .. } = *page;
    let known = &summary.explained;
    let mut parts = vec![
        head(summary, host, plan),
        answer(summary),
        broken_laws(summary),
        trust_table(summary, plan),
        figures(summary, plan),
        pictures(page),
        cpu_time::cpu_time(known),
        explained::copies(known),
        explained::links(known),
        explained::answers(&known.answers),
        explained::claims(&known.claims),
        explained::laws(&known.laws),
        explained::tables(known),
        open(summary),
        explained::method(summary),
        files(summary),
    ];
    parts.retain(|part| !part.is_empty());
    out.write_all(parts.join("\n").as_bytes()).map_err(error)?;
    out.flush().map_err(error)
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
            c => out.push(c),
        }
    }
    out
}

/// Code: backticks alone could end it.
fn code(text: &str) -> String {
    let clean: String =
        text.chars().map(|c| if c == '`' || c.is_control() { ' ' } else { c }).collect();
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

fn head(summary: &Summary, host: &Host, plan: &Plan) -> String {
    let run = &summary.run;
    let name = if run.label.is_empty() { &host.hostname } else { &run.label };
    format!(
        "# What it costs to send: {}\n\n{}\n\n{}. Measure it again: {}\n",
        plain(name),
        plain(&machine_facts(summary, host, plan).join(", ")),
        date(run.started_unix_ms),
        code(&command(plan)),
    )
}

fn answer(summary: &Summary) -> String {
    let mut out = String::new();
    for line in recommendations(summary) {
        let _ = writeln!(out, "**{}**\n", plain(&line));
    }
    for note in notes(summary) {
        let _ = writeln!(out, "{}\n", plain(&note));
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

fn broken_laws(summary: &Summary) -> String {
    let broken = summary.explained.laws.iter().filter(|law| law.state == LawState::Broken);
    broken.fold(String::new(), |mut out, law| {
        let because = plain(law.in_short());
        let _ = writeln!(out, "- ✗ **Law {} ({}) is broken:** {because}", law.id, plain(&law.name));
        out
    })
}

fn trust_table(summary: &Summary, plan: &Plan) -> String {
    let mut out = "## How far to trust it\n\n".to_owned();
    heads(&mut out, &["", "", ""]);
    for fact in trust(summary, plan) {
        let name = format!("{} {}", fact.grade.sign(), fact.name);
        row(&mut out, [name, fact.figure, fact.note].map(|text| plain(&text)));
    }
    let mut lines: Vec<String> = summary
        .warnings
        .iter()
        .map(|warning| format!("- {}", plain(&with_detail(warning))))
        .collect();
    for (name, text) in doubts(summary, plan) {
        lines.push(format!("- **{}** {}", plain(&name), plain(&text)));
    }
    if !lines.is_empty() {
        let _ = write!(out, "\n{}\n", lines.join("\n"));
    }
    out
}

fn figures(summary: &Summary, plan: &Plan) -> String {
    let mut out = "## Figures\n\n".to_owned();
    if summary.estimates.iter().all(|entry| entry.control || entry.trials == 0) {
        out.push_str("No valid trial, so there is no figure to show.\n");
        return out;
    }
    let Some(table) = figures_table(summary) else {
        out.push_str("Too many cells for a table here; they are in report.html and results.csv.\n");
        return out;
    };
    figure_rows(&mut out, &table);
    out.push('\n');
    for note in figures_notes(summary, plan) {
        let _ = writeln!(out, "- {}", plain(note.trim_start_matches("- ")));
    }
    out
}

/// The screen's table: what rows share becomes a column of its own.
fn figure_rows(out: &mut String, table: &Table) {
    let mut columns = vec![String::new(), "size".to_owned()];
    for group in &table.groups {
        columns.extend(group.columns.iter().map(|name| format!("{}: {name}", group.heading)));
    }
    heads(out, &columns);
    let mut section = &table.corner[0];
    for line in &table.rows {
        match line {
            TableRow::Section(name) => section = name,
            TableRow::Figures(name, figures) => {
                let names = [section, name].into_iter().map(|text| plain(text));
                row(out, names.chain(figures.iter().map(|figure| plain(figure))));
            }
        }
    }
}

/// Figures and data paths: where each lies, and what it says.
fn pictures(page: &Page) -> String {
    let figures = page.figures.iter().map(|f| (f.name, &f.title, &f.reading));
    let paths = page.data_paths.iter().map(|p| (p.name.as_str(), &p.title, &p.reading));
    let mut out = String::new();
    for (name, title, reading) in figures.chain(paths) {
        let title = plain(title);
        let _ = writeln!(out, "- [{title}](figures/{name}.svg): {}", plain(reading));
    }
    if out.is_empty() { out } else { format!("## Pictures\n\n{out}") }
}

fn open(summary: &Summary) -> String {
    let open = unanswered(summary);
    if open.is_empty() {
        return String::new();
    }
    let mut out = "## Not answered here, and what would answer it\n\n".to_owned();
    for one in open {
        let takes = one.takes();
        let colon = if takes.is_empty() { "" } else { ": " };
        let _ = writeln!(
            out,
            "- **{}** → {}{colon}{}",
            plain(&one.instrument),
            plain(&one.names()),
            plain(&takes)
        );
    }
    out
}

fn files(summary: &Summary) -> String {
    format!(
        "Written by copycost {}. The table of ratios, the machine's facts and every cell are in report.html of the same run.\n",
        plain(&summary.copycost)
    )
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
    }
}
