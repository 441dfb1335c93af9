//! The words about where the CPU time goes.

use analysis::explained::Explained;
use analysis::findings::{CategoryShare, CpuBreakdown};
use model::{Audit, Peer};

use crate::link_tables::sentence;
use crate::numbers::percent;

/// What a run without a profile says: why it has none where one was asked for, else how to get one.
pub(crate) fn not_profiled(explained: &Explained, peer: Option<&Peer>) -> String {
    explained.why_not_audited(Audit::Profile).map_or_else(
        || {
            let beside = peer.map(|peer| format!("{} ", peer.flags())).unwrap_or_default();
            format!("{NOBODY_LOOKED} {beside}--audits profile.")
        },
        |why| {
            format!("A profile was asked for, and no cell of this run has one. {}", sentence(why))
        },
    )
}

const NOBODY_LOOKED: &str = "Nobody looked: no cell of this run has a profile. Get one, as root or with kernel.perf_event_paranoid at 0 or below, with copycost run";

/// Categories below this share are not named in a line of text.
const LEAST_NAMED: f64 = 0.02;
/// Said where all are below it.
const NONE: &str = "–";

/// The largest categories in a line: `data copy 37 %, TCP/IP 14 %`.
pub(crate) fn largest(categories: &[CategoryShare]) -> String {
    let mut sorted: Vec<&CategoryShare> =
        categories.iter().filter(|one| one.share >= LEAST_NAMED).collect();
    sorted.sort_by(|a, b| b.share.total_cmp(&a.share));
    let named: Vec<String> = sorted
        .iter()
        .map(|one| format!("{} {}", one.category.title(), percent(one.share)))
        .collect();
    if named.is_empty() { NONE.to_owned() } else { named.join(", ") }
}

/// The largest categories of a cell; on the sink by side, as its helper's polling says nothing of a path.
pub(crate) fn largest_of(breakdown: &CpuBreakdown) -> String {
    if let Some(unwatched) = &breakdown.unwatched {
        let side = unwatched.side.title();
        return format!("{}; {side}: {}", largest(&breakdown.categories), unwatched.why);
    }
    if breakdown.cell.link.has_receiver() {
        return largest(&breakdown.categories);
    }
    let sides = breakdown.sides.iter().map(|side| (side, largest(&side.categories)));
    let told: Vec<String> = sides
        .filter(|(_, categories)| categories != NONE)
        .map(|(side, categories)| format!("{}: {categories}", side.side.title()))
        .collect();
    told.join("; ")
}
