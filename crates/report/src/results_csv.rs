//! `results.csv`: one row a cell, every metric with its interval.

use std::io::Write;

use analysis::estimate::Estimate;
use analysis::line_rate::Line;
use analysis::metric::{Metric, Pooled};
use analysis::results::CellEstimates;
use analysis::summary::Summary;
use model::{Cell, Measured};

use crate::csv_table::{ColumnSet, Columns, CsvColumn, Table, why_empty};
use crate::error::ReportError;
use crate::origin::Origin;

struct Results;

#[derive(Clone, Copy)]
struct Row<'a> {
    origin: &'a Origin,
    entry: &'a CellEstimates,
    line: Option<&'a Line>,
}

impl Table for Results {
    type Row<'a> = Row<'a>;
    const FILE: &'static str = "results.csv";

    fn cell<'r>(row: &'r Row<'_>) -> &'r Cell {
        &row.entry.cell
    }

    fn origin<'r>(row: &'r Row<'_>) -> &'r Origin {
        row.origin
    }
}

/// The columns of `results.csv`, in the order in which they are listed in `docs/FILES.md`.
pub fn results_columns() -> Vec<CsvColumn> {
    columns().described()
}

/// Writes `results.csv`: one row a cell in the plan's order, controls included. Absent figures are empty, and the row says
/// why.
///
/// # Errors
/// The writer's.
pub fn write_results(
    out: impl Write,
    summary: &Summary,
    origin: &Origin,
    set: ColumnSet,
) -> Result<(), ReportError> {
    let rows =
        summary.estimates.iter().map(|entry| Row { origin, entry, line: summary.line.as_ref() });
    columns().write(out, rows, set)
}

fn columns() -> Columns<Results> {
    let mut columns = Columns::<Results>::new();
    columns.about("Factors");
    columns.factors();
    columns.about("Cell");
    columns.text("cell", "The cell's id, the same in every file.", |r| Some(r.entry.cell.id()));
    columns.origin();
    columns.truth(
        "control",
        "Whether the cell controls the method and answers no question.",
        |r| Some(r.entry.control),
    );
    columns.number("trials", "Valid trials.", |r| Some(r.entry.trials));
    columns.number("void_trials", "Void attempts, which enter no figure.", |r| {
        Some(r.entry.void_trials)
    });
    columns.truth(
        "precise",
        "Whether the levels of goodput and of the link's cost are precise, by a spread shrunk over cells.",
        |r| r.entry.precise.value().copied(),
    );
    columns.about("Line");
    columns.number("line_rate_gbps", "Of two hosts: the rate of the line between them.", |r| {
        Some(r.line?.rate.value()?.line_gbps)
    });
    columns.number("line_goodput_gbps", "TCP goodput at that rate.", |r| {
        Some(r.line?.rate.value()?.goodput_gbps)
    });
    columns.truth(
        "at_line_rate",
        "Whether the cell's goodput is that, and so tells nothing of the cell.",
        |r| r.line.filter(|line| line.rate.value().is_some()).map(|line| line.has(&r.entry.cell)),
    );
    columns.about("Figures");
    for metric in Metric::ALL {
        let name = metric.name();
        let ends = "end of the 95 % confidence interval of";
        columns.number(name, metric.meaning(), |r| estimate(r, *metric).map(|e| e.mean));
        columns.number(format!("{name}_low"), format!("Lower {ends} {name}."), |r| {
            estimate(r, *metric)?.low
        });
        columns.number(format!("{name}_high"), format!("Upper {ends} {name}."), |r| {
            estimate(r, *metric)?.high
        });
    }
    columns.about("Remarks");
    columns.text(
        "why_empty",
        "Why figures of this row are absent: each reason once, after the columns that it explains.",
        |r| Some(reasons(r.entry)),
    );
    columns.words(
        "marks",
        "How many valid trials bear each mark, as `retransmits=3 steal=1`.",
        |r, list| list.extend(marks(r.entry)),
    );
    columns
}

/// How many valid trials of a cell bear each mark: `retransmits=3`.
pub(crate) fn marks(entry: &CellEstimates) -> Vec<String> {
    entry.marks.iter().map(|(mark, trials)| format!("{mark}={trials}")).collect()
}

fn estimate<'r>(row: &'r Row<'_>, metric: Metric) -> Option<&'r Estimate> {
    row.entry.metrics.get(&metric).and_then(Measured::value)
}

fn reasons(entry: &CellEstimates) -> String {
    const NO_INTERVAL: &str = "fewer than two trials give no interval";
    const LARGEST: &str = "a largest figure has no interval";
    const FEW_TIMED: &str = "too few timed messages lie beyond it for an interval";
    let mut absent: Vec<(String, &str)> = Vec::new();
    absent.extend(entry.precise.reason().map(|why| ("precise".to_owned(), why)));
    for (metric, estimate) in &entry.metrics {
        let name = metric.name();
        match estimate {
            Measured::Absent { absent: why } => absent.push((name.to_owned(), why)),
            Measured::Value(estimate) => {
                let ends = [("low", estimate.low), ("high", estimate.high)];
                let missing = ends.into_iter().filter(|(_, end)| end.is_none());
                let why = match metric.pooled() {
                    Some(Pooled::Largest) => LARGEST,
                    Some(Pooled::Quantile(_)) if estimate.trials > 1 => FEW_TIMED,
                    Some(Pooled::Quantile(_)) | None => NO_INTERVAL,
                };
                absent.extend(missing.map(|(end, _)| (format!("{name}_{end}"), why)));
            }
        }
    }
    why_empty(absent)
}
