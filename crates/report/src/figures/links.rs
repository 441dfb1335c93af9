//! Zerocopy against sendmsg, link by link: what it costs where delivery copies after all, and where nothing is copied.

use analysis::explained::{CrossoverOutcome, LinkComparison};
use analysis::figure_text::outcome;
use analysis::summary::Summary;
use model::names::AckPlacement;
use model::{Bytes, Link, Measured, SendPath};

use super::MOST_PANELS;
use super::axes::as_f64;
use super::drawing::{Area, AreaKind, Axis, Drawing, Key, KeyShape, Plot, Point, Series};
use super::groups::heights;
use super::levels::{break_even_key, place};
use super::look::Look;
use crate::link_tables::cost_name;
use crate::numbers;

/// One panel a link, on the sink one an interval; nothing for a run over one link with a receiver, whose ratios stand in a
/// figure of their own.
pub(super) fn links(summary: &Summary) -> Option<Drawing> {
    let comparisons = &summary.explained.links;
    if comparisons.iter().all(|comparison| comparison.link != Link::Sink) {
        return None;
    }
    let mut sizes: Vec<u64> =
        comparisons.iter().flat_map(|c| &c.points).map(|point| point.message_bytes).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut panels: Vec<(String, Plot)> = Vec::new();
    for comparison in comparisons {
        let title = title(comparison);
        if !panels.iter().any(|(other, _)| *other == title) {
            panels.push((title.clone(), empty(&title, &sizes)));
        }
        if let Some((_, plot)) = panels.iter_mut().find(|(other, _)| *other == title) {
            add(plot, comparison);
        }
    }
    let left = panels.len().saturating_sub(MOST_PANELS);
    let mut panels: Vec<Plot> = panels.into_iter().take(MOST_PANELS).map(|(_, p)| p).collect();
    panels.retain(|plot| plot.series.iter().any(|series| !series.is_empty()));
    // One upright axis, so that slopes can be read beside each other; the heights are of different costs.
    let heights = heights(panels.iter().flat_map(|plot| &plot.series)).chain([1.0]);
    let axis = Axis::ratios("", heights);
    for plot in &mut panels {
        plot.y = Axis { label: plot.y.label.clone(), ..axis.clone() };
    }
    let lines: Vec<&str> =
        summary.explained.link_verdicts.iter().map(|verdict| verdict.line.as_str()).collect();
    let mut keys = vec![Key {
        shape: KeyShape::Line,
        text: "1: both cost the same; below it zerocopy is cheaper".to_owned(),
    }];
    keys.extend(panels.iter().find_map(break_even_key));
    let more = (left > 0).then(|| format!("{left} more settings are in summary.json, links"));
    Some(Drawing {
        name: "zero-copy-by-link",
        title: "Zero-copy: same machine against sink".to_owned(),
        lead: "Cost a KiB of zerocopy over sendmsg, paired within blocks, 95 % intervals. Sender-side cost on the sink is not ranked against CPU of both ends.".to_owned(),
        notice: if panels.is_empty() {
            super::levels::absent(
                "There is no ratio to draw",
                vec!["No block has a valid trial of zerocopy and of sendmsg.".to_owned()],
            )
        } else {
            None
        },
        reading: lines.iter().map(|line| format!("{line}.")).collect::<Vec<_>>().join(" "),
        keys: if panels.is_empty() { Vec::new() } else { keys },
        panels,
        columns: 2,
        notes: more.into_iter().collect(),
        ..Drawing::default()
    })
}

/// `sink, acknowledged every 20us`, and what else its cells share.
fn title(comparison: &LinkComparison) -> String {
    let settings = [model::Factor::AckInterval, model::Factor::AckPlacement];
    let shared = analysis::figure_text::shared_words(&comparison.shared.without(&settings));
    match &comparison.ack_interval {
        Some(interval) => {
            format!("{}, acknowledged every {interval}, {shared}", comparison.link)
        }
        None => format!("{}, {shared}", comparison.link),
    }
}

fn empty(title: &str, sizes: &[u64]) -> Plot {
    Plot {
        title: title.to_owned(),
        remarks: Vec::new(),
        x: Axis::sizes(sizes),
        y: Axis::ratios("", std::iter::empty()),
        areas: Vec::new(),
        guides: vec![vec![[0.0, 1.0], [f64::MAX, 1.0]]],
        series: Vec::new(),
    }
}

fn add(plot: &mut Plot, comparison: &LinkComparison) {
    let (id, name, look) = match comparison.ack_placement {
        Some(AckPlacement::Sender) => (
            "zerocopy/sendmsg/sender",
            "A3 / A2, acknowledgements on the senders' CPUs",
            Look::of(SendPath::Zerocopy).hollow(),
        ),
        Some(AckPlacement::Helper) => (
            "zerocopy/sendmsg/helper",
            "A3 / A2, acknowledgements on the helper's CPU",
            Look::of(SendPath::Zerocopy),
        ),
        None => ("zerocopy/sendmsg", "A3 / A2", Look::of(SendPath::Zerocopy)),
    };
    plot.y.label = format!("{}, ratio", cost_name(comparison.link));
    let mut series = Series::new(id.to_owned(), name.to_owned(), look);
    let mut after_gap = false;
    for point in &comparison.points {
        let Measured::Value(estimate) = &point.cost_ratio else {
            after_gap = true;
            continue;
        };
        series.points.push(Point {
            x: as_f64(point.message_bytes),
            y: estimate.mean,
            interval: estimate.low.zip(estimate.high).map(|(low, high)| [low, high]),
            after_gap,
            says: format!(
                "{}, {}, {name}: {}",
                comparison.link,
                Bytes(point.message_bytes),
                numbers::ratio(estimate)
            ),
        });
        after_gap = false;
    }
    let of_placement = match comparison.ack_placement {
        Some(AckPlacement::Sender) => "on the senders' CPUs ",
        Some(AckPlacement::Helper) => "on the helper's CPU ",
        None => "",
    };
    let words: CrossoverOutcome = comparison.crossover;
    plot.remarks.push(format!("{of_placement}cheaper {}{}", outcome(&words), copied(comparison)));
    plot.areas.extend(place(&comparison.crossover).map(|x| Area {
        kind: AreaKind::BreakEven(look),
        x: Some(x),
        y: None,
    }));
    plot.series.push(series);
}

fn copied(comparison: &LinkComparison) -> String {
    let mut shares: Vec<f64> =
        comparison.points.iter().filter_map(|point| point.copied_share.value().copied()).collect();
    shares.sort_by(f64::total_cmp);
    match (shares.first(), shares.last()) {
        (Some(least), Some(most)) => {
            format!("; {} copied", numbers::share_range(*least, *most))
        }
        _ => String::new(),
    }
}
