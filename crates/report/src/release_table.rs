//! How long buffers of paths that pass by reference are held, as a table of text: the same in HTML and Markdown.

use analysis::metric::Metric;
use analysis::results::CellEstimates;
use analysis::summary::Summary;
use model::{Factor, Measured, SendPath};

use crate::explained_tables::TextTable;
use crate::numbers::{level, short};
use crate::words::figures::place;

/// Said where nothing was timed.
pub(crate) const NONE_TIMED: &str = "No buffer was held: the paths measured here copy, so that a buffer is free when the call returns, or nobody tells when the kernel has let go of its pages.";

/// What a reader must know of the table.
const READING: &str = "Release latency: from the moment before a message is handed over until the path has read that its buffer may be written again. Read late by the path itself is in it, as it is in an application: notifications are read when half the ring is held, or when nothing else is free. A chain of several messages (depth) counts from when each is queued. Over this time a service has to keep the buffer: goodput × latency is the memory that it takes. On one machine the copy at delivery ends it, on the sink the interval of acknowledgements stands in for the round trip.";

/// Median, 99th percentile and longest, cell by cell in the order of paths; empty where nothing was timed.
pub(crate) fn by_size(summary: &Summary) -> TextTable {
    let is_timed =
        |entry: &&CellEstimates| !entry.control && figure(entry, Metric::ReleaseMaxUs).is_some();
    let mut entries: Vec<&CellEstimates> = summary.estimates.iter().filter(is_timed).collect();
    entries.sort_by_key(|entry| {
        let place = SendPath::ALL.iter().position(|path| *path == entry.cell.send_path);
        (entry.cell.link, place)
    });
    TextTable {
        heading: "Release latency",
        reading: READING,
        columns: &[
            "Path",
            "At",
            "Median, µs",
            "99th percentile, µs",
            "Longest, µs",
            "Messages timed",
        ],
        rows: entries.into_iter().map(row).collect(),
    }
}

fn figure(entry: &CellEstimates, metric: Metric) -> Option<&analysis::estimate::Estimate> {
    entry.metrics.get(&metric).and_then(Measured::value)
}

fn row(entry: &CellEstimates) -> Vec<String> {
    let told = |metric: Metric| match entry.metrics.get(&metric) {
        Some(Measured::Value(of)) => level(of),
        Some(Measured::Absent { absent }) => format!("– ({absent})"),
        None => "–".to_owned(),
    };
    vec![
        entry.cell.send_path.to_string(),
        place(&entry.cell, &[Factor::Send]),
        told(Metric::ReleaseP50Us),
        told(Metric::ReleaseP99Us),
        figure(entry, Metric::ReleaseMaxUs).map_or_else(String::new, |of| short(of.mean)),
        entry.timed_releases.to_string(),
    ]
}
