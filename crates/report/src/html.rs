//! `report.html`: the whole run on one page that needs nothing from outside.
//!
//! The page's markup is written here and in the files beside; every text of the machine or the plan comes in through
//! [`markup::Markup`], which escapes it. Style and script are files of their own, put into the page as they are.

use std::io::Write;

use analysis::summary::Summary;
use model::Plan;
use model::host::Host;

use crate::data_path::Diagram;
use crate::error::ReportError;
use crate::figures::{self, Figure};
use crate::reproduce::date;

mod cells;
mod changes;
mod cpu_time;
mod evidence;
mod explanations;
mod first_screen;
mod how;
mod links;
mod machine;

mod pictures;
mod releases;

use crate::markup::{self, Markup};
pub use changes::write_changes_html;

/// What a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// All figures.
    pub summary: &'a Summary,
    /// The machine.
    pub host: &'a Host,
    /// What was asked.
    pub plan: &'a Plan,
    /// The drawn figures; the first is the main one.
    pub figures: &'a [Figure],
    /// The drawn data paths.
    pub data_paths: &'a [Diagram],
}

/// Nothing is loaded from anywhere; style and script are the page's own.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// Writes `report.html`.
///
/// # Errors
/// The writer's.
pub fn write_html(mut out: impl Write, page: &Page) -> Result<(), ReportError> {
    let error = |why| ReportError::new("report.html", why);
    out.write_all(document(page).as_bytes()).map_err(error)?;
    out.flush().map_err(error)
}

fn document(page: &Page) -> String {
    let when = date(page.summary.run.started_unix_ms);
    hull(&format!("copycost: {} on {when}", name(page)), |html| {
        html.element("main", &[("id", "first")], |html| {
            first_screen::first_screen(html, page);
            contents(html);
            pictures::figures(html, page);
            cpu_time::cpu_time(html, page);
            pictures::data_paths(html, page);
            links::copies(html, page);
            links::links(html, page);
            releases::releases(html, page);
            evidence::answers(html, page.summary);
            evidence::claims(html, &page.summary.explained, page.plan.peer.as_ref());
            evidence::laws(html, &page.summary.explained.laws);
            explanations::explanations(html, page);
            machine::method(html, page);
            machine::machine(html, page.host);
            cells::cells(html, page);
        });
        html.element("footer", &[], |html| {
            html.paragraph(&format!(
                "Written by copycost {} from the journal of this run. Every figure on this page is one of summary.json.",
                page.summary.copycost
            ));
        });
    })
}

/// A whole page: its head, and what a function puts into its body, whose main part is called `first`.
fn hull(title: &str, body: impl FnOnce(&mut Markup)) -> String {
    let mut html = Markup::new();
    html.fixed("<!DOCTYPE html>\n");
    html.element("html", &[("lang", "en")], |html| {
        html.element("head", &[], |html| head(html, title));
        html.element("body", &[], |html| {
            html.fixed("<a class=\"skip\" href=\"#first\">To the report</a>\n");
            body(html);
            html.fixed("<script>\n");
            html.fixed(include_str!("html/script.js"));
            html.fixed("</script>\n");
        });
    });
    html.finish()
}

fn head(html: &mut Markup, title: &str) {
    html.fixed("\n<meta charset=\"utf-8\">\n");
    html.empty("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
    html.fixed(concat!(
        "\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
        "<meta name=\"color-scheme\" content=\"light dark\">\n",
        "<link rel=\"icon\" href=\"data:,\">\n"
    ));
    html.leaf("title", &[], title);
    html.fixed("\n<style>\n");
    html.fixed(include_str!("html/style.css"));
    html.fixed(figures::style());
    html.fixed("</style>\n");
}

/// What the run is called: its label, else the machine's name.
fn name<'a>(page: &Page<'a>) -> &'a str {
    crate::reproduce::name(page.summary, page.host)
}

/// The sections below the first screen: anchor and heading.
const SECTIONS: [(&str, &str); 14] = [
    ("figures", "Figures"),
    ("cpu-time", "Where the CPU time goes"),
    ("paths", "Data paths"),
    ("copies", "What the kernel copied"),
    ("links", "Zero-copy link by link"),
    ("releases", "How long buffers are held"),
    ("answers", "Answers"),
    ("claims", "Claims"),
    ("laws", "Laws"),
    ("break-even", "Break-even, cost and scaling"),
    ("ratios", "Ratios"),
    ("method", "Method"),
    ("machine", "Machine"),
    ("cells", "All cells"),
];

fn contents(html: &mut Markup) {
    html.element("nav", &[("aria-label", "Sections")], |html| {
        for (anchor, heading) in SECTIONS {
            html.leaf("a", &[("href", &format!("#{anchor}"))], heading);
            html.fixed("\n");
        }
    });
}

/// A section with its heading.
fn section(html: &mut Markup, anchor: &'static str, inside: impl FnOnce(&mut Markup)) {
    let heading =
        SECTIONS.iter().find(|(name, _)| *name == anchor).map_or(anchor, |(_, heading)| heading);
    html.element("section", &[("id", anchor)], |html| {
        html.leaf("h2", &[], heading);
        html.fixed("\n");
        inside(html);
    });
}

/// A table that scrolls within itself where it is wider than the page.
fn table(
    html: &mut Markup,
    name: &str,
    class: &str,
    columns: &[String],
    rows: impl FnOnce(&mut Markup),
) {
    let scroll = [("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", name)];
    html.element("div", &scroll, |html| {
        html.element("table", &[("class", class)], |html| {
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for column in columns {
                        html.leaf("th", &[("scope", "col")], column);
                    }
                });
            });
            html.element("tbody", &[], rows);
        });
    });
}

/// A table of text.
fn plain_table(html: &mut Markup, name: &str, columns: &[&str], rows: &[Vec<String>]) {
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    table(html, name, "plain", &columns, |html| {
        for row in rows {
            html.element("tr", &[], |html| {
                for text in row {
                    html.leaf("td", &[], text);
                }
            });
        }
    });
}
