//! Figures for services that follow them over time: Bencher's metric format
//! (<https://bencher.dev/docs/reference/bencher-metric-format>) and the lists of github-action-benchmark's custom tools
//! (<https://github.com/benchmark-action/github-action-benchmark>).
//!
//! A figure that is absent is left out: neither format has a word for it, and 0 would be a figure.

use std::collections::BTreeMap;
use std::io::Write;
use std::str::FromStr;

use analysis::changes::Changes;
use analysis::estimate::Estimate;
use analysis::metric::{Better, Metric};
use analysis::summary::Summary;
use serde::Serialize;

use crate::csv_table::unit;
use crate::error::ReportError;
use crate::spelling::{counted, short};
use crate::words::changes as words;

/// How a command prints its figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Screen,
    /// Bencher's metric format: each benchmark's measures with their intervals.
    Bmf,
    /// github-action-benchmark's `customSmallerIsBetter`: CPU cost.
    Gha,
    /// github-action-benchmark's `customBiggerIsBetter`: goodput. A file of that tool has one direction alone.
    GhaGoodput,
}

impl Format {
    /// All of them, the default first.
    pub const ALL: [Self; 4] = [Self::Screen, Self::Bmf, Self::Gha, Self::GhaGoodput];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Screen => "screen",
            Self::Bmf => "bmf",
            Self::Gha => "gha",
            Self::GhaGoodput => "gha-goodput",
        }
    }

    /// Whether a metric is printed; of a list of one direction those alone that are better so.
    fn has(self, metric: Metric) -> bool {
        match self {
            Self::Screen | Self::Bmf => true,
            Self::Gha => metric.better() == Better::Low,
            Self::GhaGoodput => metric.better() == Better::High,
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| model::nearest::unknown("format", text, &Self::ALL.map(Self::name)))
    }
}

/// A figure to follow.
struct Point {
    benchmark: String,
    measure: String,
    unit: String,
    metric: Metric,
    estimate: Estimate,
}

/// A metric of Bencher's.
#[derive(Serialize)]
struct BencherMetric {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_value: Option<f64>,
}

/// An entry of github-action-benchmark's.
#[derive(Serialize)]
struct CustomBenchmark {
    name: String,
    unit: String,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    extra: String,
}

/// Writes a run's goodput and cost, cell by cell; controls are left out. The screen has a writer of its own, and is written as
/// Bencher's format here.
///
/// # Errors
/// The writer's.
pub fn write_metrics(
    out: impl Write,
    summary: &Summary,
    format: Format,
) -> Result<(), ReportError> {
    let asked = summary.estimates.iter().filter(|entry| !entry.control);
    let points = asked.flat_map(|entry| {
        let metrics = [Metric::GoodputGbps, Metric::cost_on(entry.cell.link)];
        metrics.into_iter().filter_map(|metric| {
            Some(Point {
                benchmark: entry.cell.id(),
                measure: slug(metric),
                unit: unit(metric.name()).to_owned(),
                metric,
                estimate: *entry.metrics.get(&metric)?.value()?,
            })
        })
    });
    write(out, points.collect(), format)
}

/// Writes every change that was looked for, found or not: the other side's figure over the base's.
///
/// # Errors
/// The writer's.
pub fn write_change_metrics(
    out: impl Write,
    changes: &Changes,
    format: Format,
) -> Result<(), ReportError> {
    let several = changes.comparisons.len() > 1;
    let points = changes.comparisons.iter().flat_map(|comparison| {
        let side = words::side_name(&comparison.other);
        comparison.changes.iter().map(move |change| {
            let subject = words::subject(&change.subject);
            Point {
                benchmark: if several { format!("{side}: {subject}") } else { subject },
                measure: format!("{}-change", slug(change.metric)),
                unit: "after / before".to_owned(),
                metric: change.metric,
                estimate: change.ratio,
            }
        })
    });
    write(out, points.collect(), format)
}

/// A measure's name as Bencher keeps it: words with hyphens.
fn slug(metric: Metric) -> String {
    metric.name().replace('_', "-")
}

fn write(mut out: impl Write, points: Vec<Point>, format: Format) -> Result<(), ReportError> {
    let error = |why: std::io::Error| ReportError::new("the figures", why);
    let points = points.into_iter().filter(|point| format.has(point.metric));
    match format {
        Format::Screen | Format::Bmf => {
            let mut benchmarks: BTreeMap<String, BTreeMap<String, BencherMetric>> = BTreeMap::new();
            for point in points {
                let Estimate { mean: value, low, high, .. } = point.estimate;
                let metric = BencherMetric { value, lower_value: low, upper_value: high };
                benchmarks.entry(point.benchmark).or_default().insert(point.measure, metric);
            }
            serde_json::to_writer_pretty(&mut out, &benchmarks)
        }
        Format::Gha | Format::GhaGoodput => {
            let entries: Vec<CustomBenchmark> = points.map(custom).collect();
            serde_json::to_writer_pretty(&mut out, &entries)
        }
    }
    .map_err(|why| error(why.into()))?;
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(error)
}

fn custom(point: Point) -> CustomBenchmark {
    let Estimate { mean, low, high, trials } = point.estimate;
    let interval = low.zip(high);
    let trials = counted(trials, "trial", "trials");
    let extra = match interval {
        Some((low, high)) => format!("95 % [{}, {}]\n{trials}", short(low), short(high)),
        None => format!("no interval\n{trials}"),
    };
    CustomBenchmark {
        name: point.benchmark,
        unit: point.unit,
        value: mean,
        range: interval.map(|(low, high)| format!("± {}", short((high - mean).max(mean - low)))),
        extra,
    }
}
