//! The page of what changed between runs: what the screen shows, with every change that was looked for.

use std::io::Write;

use analysis::changes::{Change, Changes, Comparison, Difference};

use super::{hull, plain_table, table};
use crate::error::ReportError;
use crate::markup::Markup;
use crate::spelling::{ratio, short};
use crate::words::changes as words;
use crate::words::figures::metric;

/// Writes the page; it needs nothing from outside.
///
/// # Errors
/// The writer's.
pub fn write_changes_html(mut out: impl Write, changes: &Changes) -> Result<(), ReportError> {
    let title = format!("copycost: what changed since {}", words::side_name(&changes.base));
    let page = hull(&title, |html| {
        html.element("main", &[("id", "first")], |html| {
            html.leaf("h1", &[], "What changed");
            for comparison in &changes.comparisons {
                comparison_section(html, changes, comparison);
            }
        });
        html.element("footer", &[], |html| {
            html.paragraph(&format!("Written by copycost {}.", changes.copycost));
        });
    });
    let error = |why| ReportError::new("the page of changes", why);
    out.write_all(page.as_bytes()).and_then(|()| out.flush()).map_err(error)
}

fn comparison_section(html: &mut Markup, changes: &Changes, comparison: &Comparison) {
    html.element("section", &[], |html| {
        html.leaf("h2", &[], &words::side_name(&comparison.other));
        html.paragraph(&format!("Before: {}", words::side(&changes.base)));
        html.paragraph(&format!("After: {}", words::side(&comparison.other)));
        for (of, what) in [(&comparison.host, "machines"), (&comparison.settings, "settings")] {
            html.paragraph(&words::differing(of, what, &changes.base, comparison));
            differences(html, of, what);
        }
        html.leaf("h3", &[], "Changes");
        let mut lines = vec![words::answer(comparison)];
        lines.extend(comparison.attributed.iter().map(words::attributed));
        lines.extend(words::overalls(comparison));
        lines.extend(words::at_line_rate(comparison));
        lines.extend(words::seen(comparison));
        lines.extend(words::not_compared(comparison));
        lines.extend(words::cautions(&changes.base, comparison));
        lines.extend(words::beside_all(comparison));
        lines.iter().for_each(|line| html.paragraph(line));
        every_change(html, comparison);
    });
}

fn differences(html: &mut Markup, of: &[Difference], what: &str) {
    if of.is_empty() {
        return;
    }
    let values = |values: &[String]| values.join(" or ");
    let row = |it: &Difference| vec![it.fact.clone(), values(&it.base), values(&it.other)];
    let rows: Vec<Vec<String>> = of.iter().map(row).collect();
    plain_table(html, what, &["fact", "before", "after"], &rows);
}

/// What changed beyond noise; and folded away every change that was looked for.
fn every_change(html: &mut Markup, comparison: &Comparison) {
    let changed: Vec<&Change> =
        comparison.changes.iter().filter(|change| !words::verdict(change).is_empty()).collect();
    if !changed.is_empty() {
        changes_table(html, "What changed beyond noise", changed);
    }
    html.element("details", &[("class", "bulk")], |html| {
        let summary = format!("Every change that was looked for ({})", comparison.changes.len());
        html.leaf("summary", &[], &summary);
        changes_table(html, "Every change that was looked for", &comparison.changes);
    });
}

fn changes_table<'c>(
    html: &mut Markup,
    caption: &str,
    changes: impl IntoIterator<Item = &'c Change>,
) {
    let columns =
        ["what", "figure", "before", "after", "change", "beside all", "p", "corrected p", ""];
    let columns = columns.map(str::to_owned);
    table(html, caption, "plain", &columns, |html| {
        for change in changes {
            html.element("tr", &[], |html| {
                row(change).iter().for_each(|text| html.leaf("td", &[], text));
            });
        }
    });
}

fn row(change: &Change) -> Vec<String> {
    let [itself, beside] = words::told(change).map(|it| it.map_or_else(String::new, ratio));
    vec![
        words::subject(&change.subject),
        metric(change.metric),
        short(change.before),
        short(change.after),
        itself,
        beside,
        short(change.p),
        short(change.p_holm),
        words::verdict(change).to_owned(),
    ]
}
