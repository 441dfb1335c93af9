//! `paper.csv`: the paper's eight columns with the same meaning.

use std::io::Write;

use analysis::results::CellEstimates;
use analysis::summary::Summary;
use model::Factor;

use crate::csv_table::harmless;
use crate::error::ReportError;
use crate::numbers::{field, whole_field};

/// The paper's columns, spelt as it spelt them.
pub const PAPER_COLUMNS: [&str; 8] = [
    "Implementation",
    "MessageSize",
    "Threads",
    "TotalBytes",
    "Throughput_Gbps",
    "Cycles",
    "CacheMisses",
    "ContextSwitches",
];

/// Writes `paper.csv`: one row a cell without controls, in the plan's order. Figures are sums over all valid
/// windows of the cell, and the throughput their quotient; a column that could not be measured is empty.
///
/// Returns a note where the plan varies something that these columns cannot tell apart.
///
/// # Errors
/// The writer's.
pub fn write_paper(out: impl Write, summary: &Summary) -> Result<Option<String>, ReportError> {
    let error = |e: csv::Error| ReportError::csv("paper.csv", e);
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(PAPER_COLUMNS).map_err(error)?;
    // Without a receiver there is none of the paper's throughput; such cells stand in results.csv.
    let is_of_paper = |entry: &&CellEstimates| !entry.control && entry.cell.link.has_receiver();
    for entry in summary.estimates.iter().filter(is_of_paper) {
        let row = &entry.paper;
        csv.write_record([
            &*harmless(&row.implementation),
            &row.message_bytes.to_string(),
            &row.threads.to_string(),
            &whole_field(&row.total_bytes),
            &field(row.throughput_gbps.value().copied()),
            &whole_field(&row.cycles),
            &whole_field(&row.cache_misses),
            &whole_field(&row.context_switches),
        ])
        .map_err(error)?;
    }
    csv.flush().map_err(|e| ReportError::new("paper.csv", e))?;
    Ok(note(summary))
}

fn note(summary: &Summary) -> Option<String> {
    let entries = summary.estimates.iter().filter(|entry| !entry.control);
    let mut cells = entries.map(|entry| &entry.cell).filter(|cell| cell.link.has_receiver());
    let first = cells.next()?;
    let mut varied = vec![false; Factor::ALL.len()];
    for cell in cells {
        for (factor, varied) in Factor::ALL.iter().zip(&mut varied) {
            *varied |= cell.get(*factor) != first.get(*factor);
        }
    }
    let named: Vec<&str> = Factor::ALL
        .iter()
        .zip(varied)
        .filter(|(factor, varied)| {
            *varied && !matches!(factor, Factor::Send | Factor::Message | Factor::Threads)
        })
        .map(|(factor, _)| factor.column())
        .collect();
    if named.is_empty() {
        return None;
    }
    Some(format!(
        "paper.csv has no column for {}, which this plan varies: rows stand in the plan's order; use results.csv to tell them apart",
        named.join(", ")
    ))
}
