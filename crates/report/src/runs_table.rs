//! Many runs in one table, in long form: one row a run, cell and metric, as CSV or JSON lines.

use std::io::Write;

use analysis::estimate::Estimate;
use analysis::metric::Metric;
use analysis::results::CellEstimates;
use model::{Cell, Measured};

use crate::csv_table::{ColumnSet, Columns, CsvColumn, Table, unit};
use crate::error::ReportError;
use crate::origin::Origin;
use crate::results_csv::marks;

/// What a table of several runs needs of one.
#[derive(Clone, Debug)]
pub struct RunResults {
    /// Which run it is.
    pub origin: Origin,
    /// Its cells, controls included.
    pub estimates: Vec<CellEstimates>,
}

struct Runs;

#[derive(Clone, Copy)]
struct Row<'a> {
    origin: &'a Origin,
    entry: &'a CellEstimates,
    metric: Metric,
}

impl Row<'_> {
    fn figure(&self) -> Option<&Measured<Estimate>> {
        self.entry.metrics.get(&self.metric)
    }

    fn estimate(&self) -> Option<&Estimate> {
        self.figure().and_then(Measured::value)
    }
}

impl Table for Runs {
    type Row<'a> = Row<'a>;
    const FILE: &'static str = "the table";

    fn cell<'r>(row: &'r Row<'_>) -> &'r Cell {
        &row.entry.cell
    }

    fn origin<'r>(row: &'r Row<'_>) -> &'r Origin {
        row.origin
    }
}

/// The columns of the table, in the order in which they are listed in `docs/FILES.md`.
pub fn table_columns() -> Vec<CsvColumn> {
    columns().described()
}

/// Writes the table as CSV. Absent figures are empty, and the row says why.
///
/// # Errors
/// The writer's.
pub fn write_table(
    out: impl Write,
    runs: &[RunResults],
    metrics: &[Metric],
    set: ColumnSet,
) -> Result<(), ReportError> {
    columns().write(out, rows(runs, metrics), set)
}

/// Writes the same rows as JSON lines, one object a row; what is empty in CSV is null.
///
/// # Errors
/// The writer's.
pub fn write_table_lines(
    out: impl Write,
    runs: &[RunResults],
    metrics: &[Metric],
    set: ColumnSet,
) -> Result<(), ReportError> {
    columns().write_lines(out, rows(runs, metrics), set)
}

fn rows<'a>(
    runs: &'a [RunResults],
    metrics: &'a [Metric],
) -> impl Iterator<Item = Row<'a>> + Clone {
    runs.iter().flat_map(move |run| {
        run.estimates.iter().flat_map(move |entry| {
            metrics.iter().map(move |metric| Row { origin: &run.origin, entry, metric: *metric })
        })
    })
}

fn columns() -> Columns<Runs> {
    let mut columns = Columns::<Runs>::new();
    columns.about("Run");
    columns.origin();
    columns.text("kernel", "The machine's kernel, as `uname -r`.", |r| {
        r.origin.kernel.value().cloned()
    });
    columns.text("cpu", "The machine's CPU model.", |r| r.origin.cpu.value().cloned());
    columns.hosts();
    columns.about("Factors");
    columns.factors();
    columns.about("Figure");
    columns.text("metric", "A metric of `results.csv`.", |r| Some(r.metric.name()));
    columns.text("unit", "The metric's unit.", |r| Some(unit(r.metric.name())));
    columns.number("value", "The cell's mean.", |r| r.estimate().map(|e| e.mean));
    columns.number("low", "Lower end of its 95 % confidence interval.", |r| r.estimate()?.low);
    columns.number("high", "Upper end of that interval.", |r| r.estimate()?.high);
    columns.number("trials", "Valid trials behind it.", |r| r.estimate().map(|e| e.trials));
    columns.about("Remarks");
    columns.words(
        "marks",
        "How many valid trials of the cell bear each mark, as `retransmits=3 steal=1`.",
        |r, list| list.extend(marks(r.entry)),
    );
    columns.text("cell", "The cell's id, as in `results.csv`.", |r| Some(r.entry.cell.id()));
    columns.truth(
        "control",
        "Whether the cell controls the method and answers no question.",
        |r| Some(r.entry.control),
    );
    columns.text("why_empty", "Why there is no value.", |r| {
        Some(r.figure().map_or("not formed", |figure| figure.reason().unwrap_or("")).to_owned())
    });
    columns
}
