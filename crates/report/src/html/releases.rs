//! How long buffers are held.

use super::explanations::text_table;
use super::markup::Markup;
use super::{Page, section};
use crate::release_table::{NONE_TIMED, by_size};

/// More rows than this stand behind a click.
const FEW_ROWS: usize = 24;

pub(super) fn releases(html: &mut Markup, page: &Page) {
    section(html, "releases", |html| {
        let table = by_size(page.summary);
        if table.rows.is_empty() {
            html.paragraph(NONE_TIMED);
        } else if table.rows.len() > FEW_ROWS {
            html.element("details", &[("class", "bulk")], |html| {
                html.leaf("summary", &[], &format!("{}: {} rows", table.heading, table.rows.len()));
                text_table(html, &table);
            });
        } else {
            text_table(html, &table);
        }
    });
}
