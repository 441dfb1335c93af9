//! Where the CPU time goes: the figure, and each profiled cell with its flame graph.

use analysis::findings::CpuBreakdown;

use super::markup::Markup;
use super::{Page, pictures, section, table};
use crate::cpu_time_text::{largest_of, not_profiled};
use crate::explained_tables::measured;
use crate::figures::cpu_time::NAME;
use crate::numbers::percent;

pub(super) fn cpu_time(html: &mut Markup, page: &Page) {
    section(html, "cpu-time", |html| {
        let breakdowns = &page.summary.explained.breakdowns;
        if breakdowns.is_empty() {
            html.paragraph(&not_profiled(&page.summary.explained, page.plan.peer.as_ref()));
            return;
        }
        if let Some(figure) = page.figures.iter().find(|figure| figure.name == NAME) {
            pictures::figure(html, figure);
        }
        html.fixed(concat!(
            "<p>Samples of whole CPUs, kernel and programs alike, sorted by kernel function; the table of categories is ",
            "docs/CATEGORIES.md of copycost. Busy samples are those of the ends and of softirqs; idle ones and those of other ",
            "programs are none. A timer’s samples cannot fall where interrupts are off and then count just behind.</p>\n"
        ));
        let columns =
            ["Cell", "Flame graph", "Largest", "Unmapped", "Busy samples", "Lost", "CPUs idle"]
                .map(str::to_owned);
        table(html, "Profiled cells", "profiled", &columns, |html| {
            for breakdown in breakdowns {
                row(html, breakdown);
            }
        });
    });
}

fn row(html: &mut Markup, breakdown: &CpuBreakdown) {
    html.element("tr", &[], |html| {
        html.leaf("td", &[], &breakdown.cell.id());
        html.element("td", &[], |html| {
            if breakdown.busy_samples == 0 {
                // Then there is no picture.
                html.text("–");
                return;
            }
            let file = format!("figures/{}.svg", breakdown.flame_graph);
            html.leaf("a", &[("href", &file)], "SVG");
        });
        let texts = [
            largest_of(breakdown),
            unmapped(breakdown),
            format!("{} ({})", breakdown.busy_samples, breakdown.event),
            breakdown.lost.to_string(),
            measured(&breakdown.idle_share, |share| percent(*share)),
        ];
        for text in texts {
            html.leaf("td", &[], &text);
        }
    });
}

/// The share, and the functions behind it.
fn unmapped(breakdown: &CpuBreakdown) -> String {
    let share = percent(breakdown.unmapped_share);
    let named: Vec<&str> =
        breakdown.unmapped_symbols.iter().map(|one| one.symbol.as_str()).take(3).collect();
    if named.is_empty() { share } else { format!("{share}: {}", named.join(", ")) }
}
