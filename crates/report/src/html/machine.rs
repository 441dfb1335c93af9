//! How it was measured, and the machine's facts.

use analysis::results::RunFacts;
use model::Measured;
use model::host::Host;
use model::record::ImportedColumn;
use serde_json::Value;

use super::explanations::text_table;
use super::how::how;
use super::markup::Markup;
use super::{Page, plain_table, section};
use crate::control_table;
use crate::method_notes::method_notes;
use crate::numbers::counted;

/// How every run is measured and analysed.
const METHOD: [&str; 2] = [
    "Sender and receiver are processes of their own. The cells of a block have their connections open side by side and take \
     turns of some milliseconds in random order; each worker reads the edges of its windows, which lie inside the load, itself, and costs \
     are divided by the bytes of the same windows and side. Every round measures each block anew, on fresh processes, connections and \
     memory. Measured steadily, each cell has one long window instead.",
    "A figure is the mean over valid trials, geometric where its spread grows with it, with a 95 % Student-t interval. A \
     ratio is the geometric mean of pairs within blocks. Ratios are corrected after Holm, each metric for itself, so that of \
     equal paths about one run in six tells a difference in some metric; “equivalent” needs two one-sided tests against the \
     margin. Nothing is dropped as an outlier: a trial is void for the reasons under “marks” \
     alone. A KiB is 1024 bytes; Gbit/s are decimal. CPU of the ends is that of their workers’ threads; that of the machine \
     is whole CPUs, interrupts included. On loopback the kernel copies what zero-copy did not, so nothing here speaks of a \
     network card.",
];

/// How a run that another program measured is analysed.
const IMPORTED: &str = "Another program measured this, and how is not known here: neither who was counted but where a heading says so, nor \
     warm-up, windows, placement, link or machine. What the files do not tell is absent. Figures are those of the rows, or follow from them: bytes over throughput is the time, a total over the bytes or \
     the time is a cost or a rate. Rows that repeat a cell are its repetitions.";

/// Each file's columns, and what they were taken as.
fn imported(html: &mut Markup, run: &RunFacts) {
    html.paragraph(IMPORTED);
    if !run.unstated.is_empty() {
        let names: Vec<&str> = run.unstated.iter().map(|factor| factor.key()).collect();
        html.paragraph(&format!(
            "Not in the table, so not known, though plan.toml has copycost’s defaults: {}.",
            names.join(", ")
        ));
    }
    let files = &run.imported;
    for file in files {
        html.leaf("h3", &[], &format!("{}: {}", file.file, counted(file.rows, "row", "rows")));
        html.element("ul", &[], |html| {
            file.notes.iter().for_each(|note| html.leaf("li", &[], note));
        });
        let row = |column: &ImportedColumn| {
            let taken = match &column.taken_as {
                Measured::Value(name) => name.clone(),
                Measured::Absent { absent } => format!("not used: {absent}"),
            };
            vec![column.heading.clone(), taken]
        };
        let rows: Vec<Vec<String>> = file.columns.iter().map(row).collect();
        plain_table(html, "Columns of the file", &["Column", "Taken as"], &rows);
    }
}

pub(super) fn method(html: &mut Markup, page: &Page) {
    section(html, "method", |html| {
        let files = &page.summary.run.imported;
        if files.is_empty() {
            METHOD.iter().for_each(|paragraph| html.paragraph(paragraph));
        } else {
            imported(html, &page.summary.run);
        }
        html.element("ul", &[], |html| {
            for note in method_notes(page.summary, page.plan, page.host) {
                html.element("li", &[], |html| {
                    html.leaf("strong", &[], &format!("{}:", note.name));
                    html.text(" ");
                    html.text(&note.text);
                });
            }
        });
        how(html);
        control(html, page);
        if !page.summary.marks.is_empty() {
            html.fixed("<h3>Marks</h3>\n");
            html.element("ul", &[], |html| {
                for (mark, trials) in &page.summary.marks {
                    html.element("li", &[], |html| {
                        html.leaf("strong", &[], &format!("{mark}: {trials} trials. "));
                        html.text(mark.meaning());
                    });
                }
            });
        }
        html.element("details", &[("class", "bulk")], |html| {
            html.fixed("<summary>The plan (plan.toml)</summary>\n");
            html.leaf("pre", &[("tabindex", "0")], &page.plan.to_toml());
        });
    });
}

/// How the two ways of measuring agree; cell by cell folded away.
fn control(html: &mut Markup, page: &Page) {
    let (some, left_out) = control_table::some_contrasts(page.summary);
    if some.rows.is_empty() {
        return;
    }
    text_table(html, &some);
    if left_out > 0 {
        let all = control_table::by_contrast(page.summary);
        html.element("details", &[("class", "bulk")], |html| {
            html.leaf("summary", &[], &format!("All contrasts ({})", all.rows.len()));
            plain_table(html, "Turns and steady windows, all contrasts", all.columns, &all.rows);
        });
    }
    let by_cell = control_table::by_cell(page.summary);
    html.element("details", &[("class", "bulk")], |html| {
        html.leaf("summary", &[], &format!("Cell by cell ({})", by_cell.rows.len()));
        plain_table(html, "Turns and steady windows, cell by cell", by_cell.columns, &by_cell.rows);
    });
}

/// More entries of a list of objects than this are left to `host.json`.
const MOST_ENTRIES: usize = 8;

pub(super) fn machine(html: &mut Markup, host: &Host) {
    section(html, "machine", |html| {
        let mut facts = Vec::new();
        // A host is plain figures and texts; what could not be written could not have been read either.
        if let Ok(value) = serde_json::to_value(host) {
            flatten(&mut facts, String::new(), &value);
        }
        html.element("details", &[("class", "bulk")], |html| {
            html.leaf("summary", &[], &format!("{} facts (host.json)", facts.len()));
            html.element("dl", &[("class", "facts")], |html| {
                for (key, fact) in &facts {
                    html.leaf("dt", &[], key);
                    html.leaf("dd", &[], fact);
                    html.fixed("\n");
                }
            });
        });
    });
}

/// One line a fact, named by the keys that lead to it.
fn flatten(facts: &mut Vec<(String, String)>, key: String, value: &Value) {
    let below = |part: &str| if key.is_empty() { part.to_owned() } else { format!("{key}.{part}") };
    match value {
        Value::Object(object) => match object.get("absent").and_then(Value::as_str) {
            Some(reason) if object.len() == 1 => facts.push((key, format!("– ({reason})"))),
            _ => {
                for (part, value) in object {
                    flatten(facts, below(part), value);
                }
            }
        },
        Value::Array(entries) if entries.iter().any(Value::is_object) => {
            for (index, entry) in entries.iter().enumerate().take(MOST_ENTRIES) {
                flatten(facts, below(&index.to_string()), entry);
            }
            if let Some(more @ 1..) = entries.len().checked_sub(MOST_ENTRIES) {
                facts.push((key, format!("{more} more in host.json")));
            }
        }
        Value::Array(entries) => {
            let entries: Vec<String> = entries.iter().map(plain).collect();
            facts.push((key, entries.join(", ")));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            facts.push((key, plain(value)));
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
