//! Where the CPU time goes, as Markdown.

use std::fmt::Write as _;

use analysis::explained::Explained;

use super::{code, heads, plain, row};
use crate::cpu_time_text::{REMEDY, largest, not_profiled};
use crate::numbers::{percent, short};

/// More profiled cells than this are left to the page.
const MOST_BREAKDOWNS: usize = 12;

/// A row a profiled cell and side; without a profile, how to get one.
pub(super) fn cpu_time(known: &Explained) -> String {
    let breakdowns = &known.breakdowns;
    let mut out = "## Where the CPU time goes\n\n".to_owned();
    if breakdowns.is_empty() {
        let _ = writeln!(out, "{}", plain(&not_profiled(known)).replace(REMEDY, &code(REMEDY)));
        return out;
    }
    heads(&mut out, &["cell", "side", "CPU ns per KiB", "of the busy samples", "unmapped"]);
    for breakdown in breakdowns.iter().take(MOST_BREAKDOWNS) {
        for side in &breakdown.sides {
            let time = side.cpu_ns_per_kib.value().map_or_else(|| "–".to_owned(), |ns| short(*ns));
            let cells = [
                breakdown.cell.id(),
                format!("{} {}", side.side.title(), percent(side.share)),
                time,
                largest(&side.categories),
                percent(side.unmapped_share),
            ];
            row(&mut out, cells.map(|text| plain(&text)));
        }
    }
    if let Some(more) = breakdowns.len().checked_sub(MOST_BREAKDOWNS).filter(|more| *more > 0) {
        let _ = writeln!(out, "\n{more} more cells are in report.html of the same run.");
    }
    out
}
