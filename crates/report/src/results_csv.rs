//! `results.csv`: one row a cell, every metric with its interval.

use std::io::Write;

use analysis::metric::Metric;
use analysis::summary::{CellEstimates, Summary};
use model::{Factor, Measured};

use crate::error::ReportError;
use crate::numbers::field;

/// The columns of `results.csv`: the factors, `control`, `trials`, then for each metric `m` the columns `m`,
/// `m_low` and `m_high`, last `marks`.
pub fn results_columns() -> Vec<String> {
    let mut columns: Vec<String> =
        Factor::ALL.iter().map(|factor| factor.column().to_owned()).collect();
    columns.push("control".to_owned());
    columns.push("trials".to_owned());
    for metric in Metric::ALL {
        let name = metric.name();
        columns.extend([name.to_owned(), format!("{name}_low"), format!("{name}_high")]);
    }
    columns.push("marks".to_owned());
    columns
}

/// Writes `results.csv`: one row a cell in the plan's order, controls included. Absent figures are empty.
///
/// # Errors
/// The writer's.
pub fn write_results(out: impl Write, summary: &Summary) -> Result<(), ReportError> {
    let error = |e: csv::Error| ReportError::csv("results.csv", e);
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(results_columns()).map_err(error)?;
    for entry in &summary.estimates {
        csv.write_record(row(entry)).map_err(error)?;
    }
    csv.flush().map_err(|e| ReportError::new("results.csv", e))
}

fn row(entry: &CellEstimates) -> Vec<String> {
    let mut fields: Vec<String> =
        Factor::ALL.iter().map(|factor| entry.cell.get(*factor)).collect();
    fields.push(entry.control.to_string());
    fields.push(entry.trials.to_string());
    for metric in Metric::ALL {
        let estimate = entry.metrics.get(metric).and_then(Measured::value);
        fields.push(field(estimate.map(|e| e.mean)));
        fields.push(field(estimate.and_then(|e| e.low)));
        fields.push(field(estimate.and_then(|e| e.high)));
    }
    // How many valid trials bear each mark, as `retransmits=3 steal=1`.
    let marks: Vec<String> =
        entry.marks.iter().map(|(mark, trials)| format!("{mark}={trials}")).collect();
    fields.push(marks.join(" "));
    fields
}
