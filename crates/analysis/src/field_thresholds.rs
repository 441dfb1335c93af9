//! From which length on it costs less to pass a field by reference.
//!
//! A path that copies short fields passes one field of a message, and copies the others; the same message is copied whole by a
//! larger `copy-below`, or else by its twin that copies. Their ratios within a block over messages that differ in the length of
//! that field alone are a curve, of which [`crate::crossovers`] finds the place at which it changes its sign: the threshold. The
//! curves of one metric are a family of their own.

use model::{Cell, Contrast, Factor, Plan, Shared};

use crate::crossovers::{CROSSOVER_METRICS, SizeRatios, better, outcomes};
use crate::findings::{CrossoverOutcome, FieldThreshold, Others};
use crate::oversubscribed::Oversubscribed;
use crate::pairings::Places;
use crate::results::CellEstimates;
use crate::round_logs::RoundLogs;

/// In what messages differ whose thresholds are one curve.
const BUT: [Factor; 5] =
    [Factor::Send, Factor::Message, Factor::Fields, Factor::Shape, Factor::CopyBelow];

/// A field of a cell that goes by reference while all others are copied: its length, and those of the others.
pub(crate) fn passed_alone(cell: &Cell) -> Option<(u64, Others)> {
    if !cell.send_path.capabilities().copies_short_fields {
        return None;
    }
    let mut lengths = cell.field_lengths();
    let before: Vec<u64> =
        lengths.by_ref().take_while(|bytes| !cell.passes_field(*bytes)).collect();
    let bytes = cell.field_lengths().nth(before.len())?;
    let after: Vec<u64> = lengths.collect();
    let is_alone = after.iter().all(|bytes| !cell.passes_field(*bytes));
    is_alone.then_some((bytes, Others { before, after }))
}

/// Messages that differ in the length of the field that goes by reference.
struct Family {
    cell: Cell,
    others: Others,
    shared: Shared,
    /// Its length, the cell, and the one that copies it; by length ascending.
    fields: Vec<(u64, usize, usize)>,
}

/// The thresholds of every field that was passed by reference at two lengths or more, link by link.
pub(crate) fn field_thresholds(
    plan: &Plan,
    places: &Places,
    logs: &RoundLogs<'_>,
    estimates: &[CellEstimates],
) -> Vec<FieldThreshold> {
    let families = families(places);
    let mut found = Vec::new();
    for metric in CROSSOVER_METRICS {
        let (mut curves, mut of_metric) = (Vec::new(), Vec::new());
        let formed = |family: &&Family| metric.is_formed_on(family.cell.link);
        for Family { cell, others, shared, fields } in families.iter().filter(formed) {
            let field = |(bytes, cell, against): &(u64, usize, usize)| {
                let log_ratios = better(logs, metric, *cell, *against)?;
                (!log_ratios.is_empty()).then_some(SizeRatios { bytes: *bytes, log_ratios })
            };
            let curve: Vec<SizeRatios> = fields.iter().filter_map(field).collect();
            let Some(against) = cell.send_path.capabilities().copying_twin else { continue };
            let of_cells = fields.iter().flat_map(|(_, cell, against)| [cell, against]);
            of_metric.push(FieldThreshold {
                path: cell.send_path,
                against,
                link: cell.link,
                shared: shared.clone(),
                others: others.clone(),
                oversubscribed: Oversubscribed::any(
                    of_cells.map(|cell| estimates[*cell].oversubscribed),
                ),
                metric,
                outcome: CrossoverOutcome::Undecided,
                lengths: curve.iter().map(|field| field.bytes).collect(),
                unclear_lengths: Vec::new(),
            });
            curves.push(curve);
        }
        for (threshold, found) in of_metric.iter_mut().zip(outcomes(&curves, plan.measure.margin)) {
            threshold.outcome = found.outcome;
            threshold.unclear_lengths = found.unclear_sizes;
        }
        found.append(&mut of_metric);
    }
    found
}

fn families(places: &Places) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for (place, cell) in places.cells[..places.asked].iter().enumerate() {
        let Some((bytes, others)) = passed_alone(cell) else { continue };
        let Some(against) = copied_whole(places, place) else { continue };
        let shared = Shared::new(cell, &BUT);
        let is_it = |family: &&mut Family| {
            family.cell.send_path == cell.send_path
                && family.shared == shared
                && family.others == others
        };
        match families.iter_mut().find(is_it) {
            // Another threshold that passes the same field makes the same calls.
            Some(family) if family.fields.iter().any(|(known, ..)| *known == bytes) => {}
            Some(family) => family.fields.push((bytes, place, against)),
            None => {
                let fields = vec![(bytes, place, against)];
                families.push(Family { cell: cell.clone(), others, shared, fields });
            }
        }
    }
    families.iter_mut().for_each(|family| family.fields.sort_unstable());
    families.retain(|family| family.fields.len() > 1);
    families
}

/// The cell of the same block that sends the same message and copies all of it: by the same path, else by its twin.
fn copied_whole(places: &Places, place: usize) -> Option<usize> {
    let cell = &places.cells[place];
    let (_, members) = &places.blocks[places.block_of[place]];
    let is_copied = |other: &&usize| {
        let other = &places.cells[**other];
        !other.passes_by_reference()
            && Cell { copy_below: cell.copy_below, ..other.clone() } == *cell
    };
    let by_itself = members.iter().filter(|other| **other < places.asked).find(is_copied);
    let by_twin = || {
        let twin = cell.send_path.capabilities().copying_twin?;
        let twin = places.place(&Contrast::of_paths(cell.send_path, twin).twin(cell)?)?;
        (twin < places.asked && members.contains(&twin)).then_some(twin)
    };
    by_itself.copied().or_else(by_twin)
}
