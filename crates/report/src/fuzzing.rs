//! What the fuzz targets of this crate check (`fuzz/targets`), replayed on their corpora by its tests. Not a part of the
//! library: it is compiled for `cargo test` and `cargo fuzz` alone.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a check fails by a panic, and each is named for what it reads"
)]

use model::Plan;
use model::host::Host;
use model::record::Record;

use crate::csv_table::harmless;
use crate::markup::Markup;
use crate::styled_text::{Line, Style, folded, render, turns_direction, visible, visible_screen};

mod balance;
mod told;

use balance::{is_balanced, unescaped};
use told::{Told, tell};

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

/// Parts the plan, the machine and the records of a run.
const PARTED: &str = "\n===\n";
/// Each try takes some milliseconds for each cell and record; more of them show nothing that fewer do not.
const MOST_CELLS: usize = 16;
const MOST_RECORDS: usize = 64;

/// A run: `plan.toml`, `host.json` and the records of its journal without their envelopes, one a line. All that a command writes
/// of them can be read by what it is for: no screen drives a terminal, all markup is closed in its order, every row of a table
/// has as many fields as its heading, JSON is JSON.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut parts = text.splitn(3, PARTED);
    let (Some(plan), Some(host), Some(records)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let (Ok(plan), Ok(host)) = (Plan::from_toml(plan), serde_json::from_str::<Host>(host)) else {
        return;
    };
    let records: Vec<Record> = records
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .take(MOST_RECORDS)
        .collect();
    if plan.cells().len() > MOST_CELLS {
        return;
    }
    let told = tell(&plan, &host, &records);
    is_readable(&told);
    // The same bytes again from the same records: a report derived again is no other.
    let again = tell(&plan, &host, &records);
    assert_eq!(told.documents, again.documents);
    assert_eq!(told.tables, again.tables);
}

fn is_readable(told: &Told) {
    for screen in &told.screens {
        assert_eq!(&visible_screen(screen), screen, "a screen drives the terminal");
    }
    for page in told.pages.iter().chain(&told.pictures) {
        is_balanced(page).unwrap_or_else(|why| panic!("{why}"));
        assert!(page.chars().all(is_of_xml), "a character that XML may not hold");
    }
    assert!(!told.markdown.chars().any(|c| c.is_control() && c != '\n'));
    for table in &told.tables {
        let mut rows = csv::ReaderBuilder::new().flexible(false).from_reader(table.as_bytes());
        let columns = rows.headers().unwrap().len();
        for row in rows.records() {
            let row = row.expect("as many fields as its heading");
            assert_eq!(row.len(), columns);
            for field in &row {
                assert!(field.parse::<f64>().is_ok() || harmless(field) == field, "{field:?}");
            }
        }
    }
    for document in &told.documents {
        serde_json::from_str::<serde_json::Value>(document).expect("JSON");
    }
}

/// Characters of XML 1.0 (production 2).
fn is_of_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Control characters, and marks that turn the direction of text.
fn drives(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Any text on its way to a terminal and into markup. The first two bytes are a width and an indent.
pub fn text(bytes: &[u8]) {
    let Some(([width, indent], rest)) = bytes.split_first_chunk::<2>() else { return };
    let (width, indent) = (usize::from(*width).max(1), usize::from(*indent) % 16);
    let text = String::from_utf8_lossy(rest);
    on_a_terminal(&text, width, indent);
    in_markup(&text);
    let field = harmless(&text);
    assert!(field.ends_with(&*text) && harmless(&field) == field);
    assert!(!field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
}

fn on_a_terminal(text: &str, width: usize, indent: usize) {
    let shown = visible(text);
    assert!(!shown.contains(drives), "{shown:?}");
    assert_eq!(visible(&shown), shown);
    let safe = |c: &char| !drives(*c);
    let kept: String = text.chars().filter(safe).collect();
    assert!(shown.len() >= kept.len() && shown.len() <= 10 * text.len());
    let screen = visible_screen(text);
    let uncoloured = ["\u{1b}[1m", "\u{1b}[33m", "\u{1b}[2m", "\u{1b}[0m"]
        .iter()
        .fold(screen.to_string(), |screen, colour| screen.replace(colour, ""));
    assert!(!uncoloured.contains(|c| drives(c) && c != '\n'), "{uncoloured:?}");
    assert_eq!(screen.matches('\n').count(), text.matches('\n').count());
    let lines = [
        Line::wrapped(indent).and(Style::Strong, text).and(Style::Plain, text),
        Line::fixed().and(Style::Faint, text),
    ];
    let rendered = render(&lines, width, true);
    assert_eq!(visible_screen(&rendered), rendered);
    // Colour adds escapes and nothing else.
    let plain = ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m"]
        .iter()
        .fold(rendered, |screen, colour| screen.replace(colour, ""));
    let words = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(words(&plain), words(&render(&lines, width, false)));
    let line = visible(text).into_owned();
    let broken = folded(&line, indent, width);
    // Nothing is lost but spaces, and a line is too long only where a word is.
    assert_eq!(words(&broken), words(&line));
    let room = width.max(indent + 1);
    for (number, part) in broken.split('\n').enumerate() {
        let hang = if number == 0 { 0 } else { indent };
        let part: String = part.chars().skip(hang).collect();
        // Nor where a break would gain no room, as the next line would begin no further left.
        let before = part.trim_end_matches(' ').rsplit_once(' ');
        let begins = before.map_or(0, |(before, _)| before.chars().count() + 1);
        let gains_nothing = begins == 0 || hang + begins <= indent;
        let is_told = gains_nothing || line.contains('\u{a0}');
        assert!(hang + part.trim_end().chars().count() <= room || is_told, "{part:?}");
    }
}

fn in_markup(text: &str) {
    let mut markup = Markup::new();
    markup.element("p", &[("title", text), ("id", "x")], |markup| {
        markup.text(text);
        markup.leaf("b", &[("class", text)], text);
        markup.tag("i").with("lang", text).with_any("dir", Some(text)).text(text);
        markup.empty("br", &[("data-x", text)]);
    });
    let html = markup.finish();
    is_balanced(&html).unwrap_or_else(|why| panic!("{why}: {html}"));
    assert!(html.chars().all(is_of_xml), "{html:?}");
    assert_eq!(html.matches('<').count(), 7, "no element but ours: {html}");
    assert_eq!(html.matches('"').count(), 12, "no attribute but ours: {html}");
    let mut markup = Markup::new();
    markup.text(text);
    let mut shown = String::new();
    for c in text.chars() {
        if turns_direction(c) {
            shown.extend(c.escape_unicode());
        } else if matches!(c, '\n' | '\t') || (is_of_xml(c) && !c.is_control()) {
            shown.push(c);
        } else {
            shown.push('\u{fffd}');
        }
    }
    assert_eq!(unescaped(&markup.finish()), shown);
}

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn the_corpus_of_runs_is_told() {
        replay("run", super::run);
    }

    #[test]
    fn the_corpus_of_texts_is_shown() {
        replay("text", super::text);
    }
}
