//! What the kernel copied, and zerocopy against sendmsg link by link.

use super::explanations::text_table;
use super::markup::Markup;
use super::{Page, section};
use crate::link_tables::{
    NO_LINK, SIDE_BY_SIDE, break_evens, copies as counted, functions, no_audit, not_counted, ratios,
};

use crate::words::link_verdict;

/// More rows than this stand behind a click.
const FEW_ROWS: usize = 12;

pub(super) fn copies(html: &mut Markup, page: &Page) {
    let audits = &page.summary.explained.copy_audits;
    section(html, "copies", |html| {
        if audits.is_empty() {
            html.paragraph(&no_audit(&page.summary.explained));
            return;
        }
        for table in [counted(audits), not_counted(audits), functions(audits)] {
            if table.rows.len() > FEW_ROWS {
                html.element("details", &[("class", "bulk")], |html| {
                    html.leaf(
                        "summary",
                        &[],
                        &format!("{}: {} rows", table.heading, table.rows.len()),
                    );
                    text_table(html, &table);
                });
            } else if !table.rows.is_empty() {
                text_table(html, &table);
            }
        }
    });
}

pub(super) fn links(html: &mut Markup, page: &Page) {
    let explained = &page.summary.explained;
    section(html, "links", |html| {
        if explained.links.is_empty() {
            html.paragraph(NO_LINK);
            return;
        }
        for verdict in &explained.link_verdicts {
            html.paragraph(&format!("{}.", link_verdict(verdict)));
        }
        html.leaf("p", &[("class", "note")], SIDE_BY_SIDE);
        html.fixed("\n");
        text_table(html, &break_evens(&explained.links));
        let ratios = ratios(&explained.links);
        html.element("details", &[("class", "bulk")], |html| {
            html.leaf("summary", &[], &format!("{} ratios", ratios.rows.len()));
            text_table(html, &ratios);
        });
    });
}
