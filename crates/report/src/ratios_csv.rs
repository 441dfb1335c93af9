//! `ratios.csv`: one row a contrast, pair of cells and metric.

use std::io::Write;

use analysis::estimate::Estimate;
use analysis::results::{Finding, Ratio};
use analysis::summary::Summary;
use model::Cell;

use crate::csv_table::{ColumnSet, Columns, CsvColumn, Table, why_empty};
use crate::error::ReportError;
use crate::origin::Origin;

struct Ratios;

#[derive(Clone, Copy)]
struct Row<'a> {
    origin: &'a Origin,
    ratio: &'a Ratio,
}

impl Row<'_> {
    fn estimate(&self) -> Option<&Estimate> {
        self.ratio.ratio.value()
    }
}

impl Table for Ratios {
    type Row<'a> = Row<'a>;
    const FILE: &'static str = "ratios.csv";

    fn cell<'r>(row: &'r Row<'_>) -> &'r Cell {
        &row.ratio.cell
    }

    fn origin<'r>(row: &'r Row<'_>) -> &'r Origin {
        row.origin
    }
}

/// The columns of `ratios.csv`, in the order in which they are listed in `docs/FILES.md`.
pub fn ratios_columns() -> Vec<CsvColumn> {
    columns().described()
}

/// Writes `ratios.csv`: one row a ratio of the summary. Absent figures are empty, and the row says why.
///
/// # Errors
/// The writer's.
pub fn write_ratios(
    out: impl Write,
    summary: &Summary,
    origin: &Origin,
    set: ColumnSet,
) -> Result<(), ReportError> {
    let rows = summary.ratios.iter().map(|ratio| Row { origin, ratio });
    columns().write(out, rows, set)
}

fn columns() -> Columns<Ratios> {
    let mut columns = Columns::<Ratios>::new();
    columns.about("Comparison");
    columns.text(
        "contrast",
        "The factor in which the two cells differ, as `send: zerocopy / sendmsg`.",
        |r| Some(r.ratio.contrast.to_string()),
    );
    columns.text("cell", "The numerator's id, as in `results.csv`.", |r| Some(r.ratio.cell.id()));
    columns.text("against", "The denominator's id.", |r| Some(r.ratio.against.id()));
    columns.text("metric", "What is compared: a metric of `results.csv`.", |r| {
        Some(r.ratio.metric.name())
    });
    columns.about("Result");
    columns.number(
        "ratio",
        "Geometric mean of the ratios within rounds: 1.2 is 20 % more than `against`.",
        |r| r.estimate().map(|e| e.mean),
    );
    columns.number(
        "low",
        "Lower end of its 95 % confidence interval, for this ratio alone: not corrected for many comparisons.",
        |r| r.estimate()?.low,
    );
    columns.number("high", "Upper end of that interval.", |r| r.estimate()?.high);
    columns.number("pairs", "Pairs of valid trials behind it.", |r| r.estimate().map(|e| e.trials));
    let trimmed = |r: &Row<'_>| r.ratio.trimmed.value().copied();
    columns.number(
        "trimmed",
        "The same without the highest and lowest tenth of the ratios, which a stall in one round of ten moves little. No finding is made from it.",
        move |r| trimmed(r).map(|e| e.mean),
    );
    columns.number("trimmed_low", "Lower end of its 95 % confidence interval.", move |r| {
        trimmed(r)?.low
    });
    columns.number("trimmed_high", "Upper end of that interval.", move |r| trimmed(r)?.high);
    columns.number("p", "Two-sided p of \"no difference\".", |r| r.ratio.p.value().copied());
    columns.number(
        "p_corrected",
        "The same after Holm's correction over all ratios of this metric.",
        |r| r.ratio.p_holm.value().copied(),
    );
    columns.text(
        "finding",
        "What may be said after correction: `more`, `less`, `equivalent` (within the plan's margin) or `undecided`. Each metric is corrected for itself: of equal paths, a run says `more` or `less` in some metric in about 1 of 6 runs.",
        |r| Some(finding(r.ratio.finding)),
    );
    columns.text(
        "why_empty",
        "Why figures of this row are absent: each reason once, after the columns that it explains.",
        |r| Some(reasons(r.ratio)),
    );
    columns.origin();
    columns.about("Factors of `cell`");
    columns.factors();
    columns
}

fn finding(finding: Finding) -> &'static str {
    match finding {
        Finding::More => "more",
        Finding::Less => "less",
        Finding::Equivalent => "equivalent",
        Finding::Undecided => "undecided",
        Finding::AtLineRate => "at-line-rate",
    }
}

fn reasons(ratio: &Ratio) -> String {
    const NO_INTERVAL: &str = "fewer than two pairs give no interval";
    let mut absent: Vec<(&str, &str)> = Vec::new();
    absent.extend(ratio.ratio.reason().map(|why| ("ratio", why)));
    if let Some(estimate) = ratio.ratio.value() {
        let ends = [("low", estimate.low), ("high", estimate.high)];
        absent.extend(
            ends.into_iter().filter(|(_, end)| end.is_none()).map(|(end, _)| (end, NO_INTERVAL)),
        );
    }
    let trimmed = ["trimmed", "trimmed_low", "trimmed_high"];
    absent.extend(
        ratio.trimmed.reason().into_iter().flat_map(|why| trimmed.map(|column| (column, why))),
    );
    absent.extend(ratio.p.reason().map(|why| ("p", why)));
    absent.extend(ratio.p_holm.reason().map(|why| ("p_corrected", why)));
    why_empty(absent.into_iter().map(|(column, why)| (column.to_owned(), why)))
}
