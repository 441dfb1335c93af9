//! Whether turns and steady windows agree, as tables of text.

use analysis::control::Agreement;
use analysis::results::Finding;
use analysis::summary::Summary;
use model::{Measured, Plan};

use crate::explained_tables::{TextTable, metric_name};
use crate::numbers::{counted, percent, ratio};
use crate::styled_text::whole;
use crate::words::figures::place;

/// In a sentence: the quotients over all comparisons, and at how many what was found.
pub(crate) fn in_short(summary: &Summary, plan: &Plan) -> String {
    let control = match &summary.control {
        Measured::Value(control) => control,
        Measured::Absent { absent } => return format!("not measured: {absent}"),
    };
    let margin = percent(plan.measure.margin.0);
    let overall = control.overall.iter().map(|all| {
        let found = match all.finding {
            Finding::Equivalent => format!("the same within ±{margin}"),
            Finding::More | Finding::Less => "not the same".to_owned(),
            Finding::Undecided | Finding::AtLineRate => {
                format!("not shown to be the same within ±{margin}")
            }
        };
        format!(
            "{} ({found})",
            whole(&format!("{} {}", metric_name(all.metric), ratio(&all.quotient)))
        )
    });
    let overall: Vec<String> = overall.collect();
    let count = |is_it: fn(&Agreement) -> bool| control.cells.iter().filter(|of| is_it(of)).count();
    format!(
        "ratios in turns over those in steady windows, {}: {}; of {} cell by cell {} differ, {} are the same, {} undecided",
        counted(control.rounds, "round", "rounds"),
        overall.join(", "),
        counted(control.cells.len(), "comparison", "comparisons"),
        count(Agreement::differs),
        count(|of| of.finding == Finding::Equivalent),
        count(|of| of.finding == Finding::Undecided),
    )
}

/// Contrasts that are told at once: of twelve paths there are 66, each with two metrics.
const MOST_CONTRASTS: usize = 16;

/// Contrast by contrast over its cells; empty where there was no control.
pub(crate) fn by_contrast(summary: &Summary) -> TextTable {
    table(summary.control.value().into_iter().flat_map(|control| &control.contrasts))
}

/// Of many contrasts a few, those that differ first, then in their own order; and how many are left out.
pub(crate) fn some_contrasts(summary: &Summary) -> (TextTable, usize) {
    let all = summary.control.value().into_iter().flat_map(|control| &control.contrasts);
    let mut places: Vec<(bool, usize, &Agreement)> =
        all.enumerate().map(|(place, row)| (!row.differs(), place, row)).collect();
    places.sort_by_key(|(agrees, place, _)| (*agrees, *place));
    let left_out = places.len().saturating_sub(MOST_CONTRASTS);
    places.truncate(MOST_CONTRASTS);
    places.sort_by_key(|(_, place, _)| *place);
    (table(places.into_iter().map(|(_, _, row)| row)), left_out)
}

/// The same in each cell.
pub(crate) fn by_cell(summary: &Summary) -> TextTable {
    table(summary.control.value().into_iter().flat_map(|control| &control.cells))
}

fn table<'a>(rows: impl Iterator<Item = &'a Agreement>) -> TextTable {
    let row = |row: &Agreement| {
        let contrast = row.contrast.as_ref();
        vec![
            contrast.map_or_else(|| "all".to_owned(), |contrast| contrast.values()),
            row.cell.as_ref().zip(contrast).map_or_else(
                || "all".to_owned(),
                |(cell, contrast)| place(cell, &[contrast.factor]),
            ),
            metric_name(row.metric).to_owned(),
            ratio(&row.turns),
            ratio(&row.steady),
            ratio(&row.quotient),
            found(row).to_owned(),
        ]
    };
    TextTable {
        heading: "Turns and steady windows",
        reading: "The ratios of the same rounds, measured in turns and in one long window of each cell: where both ways agree, the \
                  one over the other is 1.",
        columns: &["Compared", "At", "In", "In turns", "Steady", "Turns / steady", "They"],
        rows: rows.map(row).collect(),
    }
}

const fn found(row: &Agreement) -> &'static str {
    match row.finding {
        Finding::More | Finding::Less => "differ",
        Finding::Equivalent => "agree",
        Finding::Undecided | Finding::AtLineRate => "undecided",
    }
}
