//! Law 8: nothing is copied faster than its CPUs can copy.

use super::reason::{Breach, Figure, LawReason, Source, Wrong};
use super::{decided, undecidable};
use crate::ceilings::shares;
use crate::evidence::Evidence;
use crate::findings::CeilingShare;
use crate::laws::law::Law;
use model::{Audit, Link, Missing, RunCommand};

/// Its number.
pub(crate) const CEILING: u32 = 8;

/// Goodput × copies stays under the ceiling, on each side's CPUs; where both sides share all their CPUs, on both
/// together. Broken by a cell whose whole interval lies above.
pub(super) fn ceiling(evidence: &Evidence<'_>) -> Law {
    if evidence.audits.ceilings.iter().all(|ceiling| ceiling.points.is_empty()) {
        let why = evidence.audits.why_not_audited(Audit::Ceiling).unwrap_or_default();
        let ask = Missing::plan("--audits ceiling (a few seconds)");
        return undecidable(
            CEILING,
            [LawReason::absent(Source::CopyingRate, why)],
            evidence.audits.or_why(Audit::Ceiling, "a copying ceiling", ask),
        );
    }
    let mut shares = shares(evidence);
    // Packets that the sink drops are free again at once, so that a copy's destination may stay in a cache that the
    // ceiling's does not fit: there the ceiling may be too low to be a law.
    shares.retain(|share| share.cell.link.has_receiver() && share.copies.per_byte > 0.0);
    let of_cells: Vec<&[CeilingShare]> = shares.chunk_by(|a, b| a.cell == b.cell).collect();
    let Some(nearest) = shares.iter().max_by(|a, b| a.share.mean.total_cmp(&b.share.mean)) else {
        return undecidable(
            CEILING,
            [LawReason::NoRecord],
            Missing::plan(RunCommand::default().over(&[Link::PAPER])),
        );
    };
    let broken: Vec<Breach> = of_cells.iter().filter_map(|shares| breach(shares)).collect();
    let nearest = LawReason::Nearest { share: Box::new(nearest.clone()) };
    let seen = [LawReason::compared(of_cells.len(), broken.len()), nearest];
    decided(CEILING, of_cells.len(), seen, broken)
}

/// The least that a share is.
fn least(share: &CeilingShare) -> f64 {
    share.share.low.unwrap_or(share.share.mean)
}

/// What is wrong with a cell.
fn breach(of_cell: &[CeilingShare]) -> Option<Breach> {
    let (first, others) = of_cell.split_first()?;
    if let Some(above) = of_cell.iter().find(|share| least(share) > 1.0) {
        let wrong = Wrong::Ceiling { share: Box::new(above.clone()) };
        return Some(Breach::of_cell(&above.cell, wrong));
    }
    let shared = !others.is_empty() && others.iter().all(|other| other.cpus == first.cpus);
    // Of unpinned workers nobody knows which CPU's time a copy took.
    let pinned = first.cell.placement != model::Placement::None;
    let sum: f64 = of_cell.iter().map(least).sum();
    (shared && pinned && sum > 1.0)
        .then(|| Breach::of_cell(&first.cell, Wrong::figure(Figure::CeilingOfBoth, sum, 1.0)))
}
