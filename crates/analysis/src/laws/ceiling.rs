//! Law 8: nothing is copied faster than its CPUs can copy.

use super::Text;
use crate::ceilings::shares;
use crate::evidence::Evidence;
use crate::explained::{CeilingShare, Law, ModelledSide};
use crate::figure_text::{counted, level, percent, short, size};
use model::Missing;

const CEILING: Text = Text {
    id: 8,
    name: "ceiling",
    says: "goodput × copies per byte stays under the rate at which the same CPUs can copy",
    sources: ["goodput", "copying measured on the same CPUs at a working set that is no larger"],
};

/// Goodput × copies stays under the ceiling, on each side's CPUs; where both sides share all their CPUs, on both
/// together. Broken by a cell whose whole interval lies above.
pub(super) fn ceiling(evidence: &Evidence<'_>) -> Law {
    if evidence.audits.ceilings.iter().all(|ceiling| ceiling.points.is_empty()) {
        return CEILING.undecidable(
            "how fast these CPUs copy was not measured",
            Missing::plan("--audits ceiling (a few seconds)"),
        );
    }
    let mut shares = shares(evidence);
    // Packets that the sink drops are free again at once, so that a copy's destination may stay in a cache that the
    // ceiling's does not fit: there the ceiling may be too low to be a law.
    shares.retain(|share| share.cell.link.has_receiver() && share.copies.per_byte > 0.0);
    let of_cells: Vec<&[CeilingShare]> = shares.chunk_by(|a, b| a.cell == b.cell).collect();
    let Some(nearest) = shares.iter().max_by(|a, b| a.share.mean.total_cmp(&b.share.mean)) else {
        return CEILING.undecidable(
            "no cell over a link of this machine has a valid trial",
            Missing::plan("loopback among --link"),
        );
    };
    let broken: Vec<String> = of_cells.iter().filter_map(|shares| breach(shares)).collect();
    let cells = counted(of_cells.len(), "cell", "cells");
    if broken.is_empty() {
        let because = format!("{cells} stay under it; the nearest is {}", told(nearest));
        CEILING.holds(of_cells.len(), because)
    } else {
        let because = format!(
            "{} of {cells} copied faster than these CPUs can; something else ran while the ceiling was measured, or fewer bytes are copied than thought (--audits copy-audit)",
            broken.len()
        );
        CEILING.broken(of_cells.len(), because, broken)
    }
}

/// The least that a share is.
fn least(share: &CeilingShare) -> f64 {
    share.share.low.unwrap_or(share.share.mean)
}

/// What is wrong with a cell: its record's name and figures.
fn breach(of_cell: &[CeilingShare]) -> Option<String> {
    if let Some(above) = of_cell.iter().find(|share| least(share) > 1.0) {
        return Some(format!("all rounds, {}", told(above)));
    }
    let (first, others) = of_cell.split_first()?;
    let shared = !others.is_empty() && others.iter().all(|other| other.cpus == first.cpus);
    // Of unpinned workers nobody knows which CPU's time a copy took.
    let pinned = first.cell.placement != model::Placement::None;
    let sum: f64 = of_cell.iter().map(least).sum();
    (shared && pinned && sum > 1.0).then(|| {
        format!(
            "all rounds, {}: both sides share their CPUs, and their copies together are {} of the ceiling",
            first.cell,
            percent(sum)
        )
    })
}

/// `CELL: 60.1 [59, 61] Gbit/s × 1.00 copies on the sender's CPUs, 52 % of 115 Gbit/s (memcpy at 4 MiB)`.
fn told(share: &CeilingShare) -> String {
    let side = match share.side {
        ModelledSide::Sender => "senders'",
        ModelledSide::Receiver => "receivers'",
    };
    format!(
        "{}: {} Gbit/s × {} copies per byte on the {side} CPUs is {} of {} Gbit/s ({} at {})",
        share.cell,
        level(&share.goodput_gbps),
        short(share.copies.per_byte),
        percent(share.share.mean),
        short(share.ceiling_gbps),
        share.routine,
        size(share.working_set_bytes as f64),
    )
}
