//! Zerocopy against sendmsg, link by link: what it costs where delivery copies after all, and where nothing is copied.

use crate::spelling::shared_words;
use analysis::findings::LinkComparison;
use analysis::summary::Summary;
use model::names::AckPlacement;
use model::{Bytes, Factor};

use super::captions::{band, break_even_key, by_interval, caption};
use super::run::{MOST_PANELS, notice_without, share_upright, with_figures};
use crate::drawing::axes::{Axis, as_f64};
use crate::drawing::description::{Description, Key, KeyShape, Plot, Series};
use crate::drawing::looks::Look;
use crate::link_tables::cost_name;
use crate::numbers;
use crate::words::link_verdict;

/// On whose CPU acknowledgements are processed.
const SENDERS: &str = "senders' CPUs";
const HELPER: &str = "helper's CPU";

/// One panel a link, on the sink one an interval; nothing for a run over one link with a receiver, whose ratios stand in a
/// figure of their own.
pub(super) fn links(summary: &Summary) -> Option<Description> {
    let comparisons = &summary.explained.links;
    if comparisons.iter().all(|comparison| comparison.link.has_receiver()) {
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
    let shown = panels.into_iter().take(MOST_PANELS).map(|(_, plot)| plot);
    let mut panels = with_figures(shown.collect());
    // One upright axis, so that slopes can be read beside each other; the heights are of different costs.
    let axis = Axis::ratios("", panels.iter().flat_map(Plot::heights).chain([1.0]));
    share_upright(&mut panels, &axis);
    let lines: Vec<String> = summary.explained.link_verdicts.iter().map(link_verdict).collect();
    let mut keys = vec![Key {
        shape: KeyShape::Line,
        text: "1: same cost; below it zerocopy is cheaper".to_owned(),
    }];
    keys.extend(break_even_key(&panels));
    let more = (left > 0).then(|| format!("{left} more settings are in summary.json, links"));
    Some(Description {
        name: "zero-copy-by-link",
        title: "Zero-copy: same machine against sink".to_owned(),
        lead: "Cost per KiB of zerocopy over sendmsg, paired within blocks, 95 % intervals. Sender-side cost on the sink is not ranked against CPU of both ends.".to_owned(),
        notice: notice_without(&panels, "There is no ratio to draw", || {
            "No block has a valid trial of zerocopy and of sendmsg.".to_owned()
        }),
        reading: lines.iter().map(|line| format!("{line}.")).collect::<Vec<_>>().join(" "),
        keys: if panels.is_empty() { Vec::new() } else { keys },
        panels,
        notes: more.into_iter().collect(),
        ..Description::default()
    })
}

/// `sink, acknowledged every 20us`, and what else its cells share.
fn title(comparison: &LinkComparison) -> String {
    let settings = [Factor::AckInterval, Factor::AckPlacement];
    let shared = shared_words(&comparison.shared.without(&settings));
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
        y: Axis::unset(""),
        areas: Vec::new(),
        guides: vec![vec![[0.0, 1.0], [f64::MAX, 1.0]]],
        series: Vec::new(),
    }
}

fn add(plot: &mut Plot, comparison: &LinkComparison) {
    let look = Look::for_path(comparison.path);
    let (path, against) = (comparison.path, comparison.against);
    let (id, pair) = (format!("{path}/{against}"), format!("{path} / {against}"));
    let placed = |whose: &str| format!("{pair}, acknowledgements on the {whose}");
    let (id, name, look, placement) = match comparison.ack_placement {
        Some(AckPlacement::Sender) => {
            (format!("{id}/sender"), placed(SENDERS), look.hollow(), format!("on the {SENDERS}: "))
        }
        Some(AckPlacement::Helper) => {
            (format!("{id}/helper"), placed(HELPER), look, format!("on the {HELPER}: "))
        }
        None => (id, pair, look, String::new()),
    };
    plot.y.label = format!("{}, ratio", cost_name(comparison.link));
    let mut series = Series::new(id, name.clone(), look);
    for point in &comparison.points {
        series.add(as_f64(point.message_bytes), point.cost_ratio.value(), |estimate| {
            let (link, size) = (comparison.link, Bytes(point.message_bytes));
            format!("{link}, {size}, {name}: {}", numbers::ratio(estimate))
        });
    }
    // A size of a link has no finding of its own beside its interval.
    let ratios = comparison.points.iter().filter_map(|point| point.cost_ratio.value());
    let ratios: Vec<_> = ratios.map(|ratio| (ratio, by_interval(ratio))).collect();
    let caption = caption(&comparison.crossover, comparison.metric, &ratios);
    plot.remarks.push(format!("{placement}{caption}{}", copied(comparison)));
    plot.areas.extend(band(&comparison.crossover, look));
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
