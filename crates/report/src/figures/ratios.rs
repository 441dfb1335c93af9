//! One path against another within blocks, over size.

use std::collections::BTreeSet;

use analysis::metric::Metric;
use analysis::summary::{NoiseFloor, Ratio};
use model::{Cell, SendPath};

use super::drawing::{Area, AreaKind, Axis, Drawing, Key, KeyShape, Plot, Series};
use super::groups::{Across, Group, heights};
use super::levels::{absent, break_even, break_even_key, first_groups, with_figures};
use super::look::Look;
use super::{MOST_PANELS, Run, wording};
use crate::numbers;

const SHOWN: [(Metric, &str); 3] = [
    (Metric::GoodputGbps, "goodput, ratio"),
    (Metric::EndsCpuNsPerKib, "CPU of both ends, ratio"),
    (Metric::SenderSideCpuNsPerKib, "sender-side cost, ratio"),
];

/// Whether a pair is drawn: one that changes one thing only, and the paper's A3 against A1, which also turns eight calls
/// into one.
pub(super) fn is_crossover_of(
    crossover: &analysis::explained::Crossover,
    measured: &[SendPath],
) -> bool {
    let analysis::explained::Crossover { contrast, .. } = crossover;
    let paths = (contrast.value.parse(), contrast.against.parse());
    matches!(paths, (Ok(path), Ok(against)) if is_compared(path, against, measured))
}

/// Whether a comparison of paths is shown.
pub(super) fn is_compared(path: SendPath, against: SendPath, measured: &[SendPath]) -> bool {
    use SendPath::{Send, Sendmsg, Staged, Zerocopy};
    match (path, against) {
        (Zerocopy, Staged) | (Staged, Zerocopy) => !measured.contains(&Sendmsg),
        (Send | Staged | Sendmsg, Send | Staged | Sendmsg)
        | (Zerocopy, Send | Sendmsg | Zerocopy)
        | (Send | Sendmsg, Zerocopy) => true,
    }
}

/// The pairs of the run, in the order of its ratios.
fn pairs(run: &Run, controls: &BTreeSet<&Cell>) -> Vec<(SendPath, SendPath)> {
    let mut pairs = Vec::new();
    for ratio in drawable(run, controls) {
        let pair = (ratio.cell.send_path, ratio.against.send_path);
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs
}

fn drawable<'a>(run: &'a Run, controls: &'a BTreeSet<&Cell>) -> impl Iterator<Item = &'a Ratio> {
    run.summary.ratios.iter().filter(|ratio| {
        !controls.contains(&ratio.cell)
            && !controls.contains(&ratio.against)
            && is_compared(ratio.cell.send_path, ratio.against.send_path, &run.paths)
    })
}

/// The look of a pair: the path's own; hollow where it is not the last one that the path is compared with.
fn look(pairs: &[(SendPath, SendPath)], pair: (SendPath, SendPath)) -> Look {
    let nearest = pairs.iter().rfind(|(path, _)| *path == pair.0);
    let look = Look::of(pair.0);
    if nearest == Some(&pair) { look } else { look.hollow() }
}

/// The ratio of paths over size with the break-even.
pub(super) fn ratios_over_size(run: &Run) -> Drawing {
    let across = Across::Size;
    let controls: BTreeSet<&Cell> =
        run.summary.estimates.iter().filter(|e| e.control).map(|e| &e.cell).collect();
    let pairs = pairs(run, &controls);
    let (groups, more) = first_groups(run.cells.groups(across), MOST_PANELS / 2);
    let mut panels: Vec<Plot> = Vec::new();
    let mut keys: Vec<Key> = Vec::new();
    for group in &groups {
        for (metric, label) in SHOWN {
            let mut plot = Plot {
                title: group.title(),
                remarks: Vec::new(),
                x: Axis::sizes(&run.cells.sizes()),
                y: Axis::ratios(label, std::iter::empty()),
                areas: noise(run, metric).into_iter().collect(),
                guides: vec![vec![[0.0, 1.0], [f64::MAX, 1.0]]],
                series: series(run, group, &controls, &pairs, metric),
            };
            break_even(run, group, metric, &mut plot);
            if keys.is_empty() {
                keys.extend(break_even_key(&plot));
            }
            panels.push(plot);
        }
    }
    let mut panels = with_figures(panels);
    share_axes(&mut panels);
    let reading = groups.iter().find_map(|group| reading(run, group, &controls, &pairs));
    if !panels.is_empty() {
        keys.insert(0, Key { shape: KeyShape::Line, text: "1: both alike".to_owned() });
        if panels.iter().flat_map(|plot| &plot.areas).any(|area| area.kind == AreaKind::Noise) {
            keys.push(Key {
                shape: KeyShape::Area(AreaKind::Noise),
                text: "what two equal cells differ by (A/A)".to_owned(),
            });
        }
    }
    Drawing {
        name: "ratios-over-size",
        title: "Paths against each other within blocks, over message size".to_owned(),
        lead: "Geometric means of paired ratios, 95 % intervals. Above 1 the first path has more goodput, or costs more CPU.".to_owned(),
        notice: if panels.is_empty() { why_none(run, &controls) } else { None },
        reading: reading.unwrap_or_else(|| "No two paths could be compared.".to_owned()),
        keys,
        panels,
        columns: 2,
        notes: [more, wording::oversubscribed(&groups)].into_iter().flatten().collect(),
        ..Drawing::default()
    }
}

fn why_none(run: &Run, controls: &BTreeSet<&Cell>) -> Option<super::drawing::Notice> {
    let line = match run.paths.as_slice() {
        [only] => format!(
            "One path was measured ({only}); a ratio needs two, measured in the same blocks: --send send,sendmsg,zerocopy."
        ),
        _ => drawable(run, controls).find_map(|ratio| ratio.ratio.reason()).map_or_else(
            || "No block has two valid trials.".to_owned(),
            |reason| format!("{reason}."),
        ),
    };
    absent("There is no ratio to draw", vec![line])
}

/// What equal cells differ by, around 1.
fn noise(run: &Run, metric: Metric) -> Option<Area> {
    let NoiseFloor { goodput, ends_cpu, .. } = run.summary.noise_floor.value()?;
    let twins = if metric == Metric::GoodputGbps { Some(goodput) } else { ends_cpu.value() }?;
    Some(Area { kind: AreaKind::Noise, x: None, y: Some([twins.low?, twins.high?]) })
}

fn series(
    run: &Run,
    group: &Group,
    controls: &BTreeSet<&Cell>,
    pairs: &[(SendPath, SendPath)],
    metric: Metric,
) -> Vec<Series> {
    let all = pairs.iter().map(|(path, against)| {
        let id = format!("{path}/{against}");
        let name = format!("{path} / {against}");
        let mut series = Series::new(id, name.clone(), look(pairs, (*path, *against)));
        let mut here = rows(run, group, controls, (*path, *against), metric);
        here.sort_by_key(|ratio| ratio.cell.message.bytes());
        let mut after_gap = false;
        for ratio in here {
            let Some(estimate) = ratio.ratio.value() else {
                after_gap = true;
                continue;
            };
            let says = format!(
                "{name}, {}, {}: {}, {}",
                ratio.cell.message.bytes(),
                group.name,
                numbers::ratio(estimate),
                numbers::counted(estimate.trials, "block", "blocks")
            );
            series.points.push(super::drawing::Point {
                x: Across::Size.of(&ratio.cell),
                y: estimate.mean,
                interval: estimate.low.zip(estimate.high).map(|(low, high)| [low, high]),
                after_gap,
                says,
            });
            after_gap = false;
        }
        series
    });
    all.collect()
}

fn rows<'a>(
    run: &'a Run,
    group: &Group,
    controls: &'a BTreeSet<&Cell>,
    pair: (SendPath, SendPath),
    metric: Metric,
) -> Vec<&'a Ratio> {
    drawable(run, controls)
        .filter(|ratio| {
            ratio.metric == metric
                && (ratio.cell.send_path, ratio.against.send_path) == pair
                && group.holds(&ratio.cell, Across::Size)
        })
        .collect()
}

/// One axis for all panels of goodput, and one for all of CPU.
fn share_axes(panels: &mut [Plot]) {
    for (_, label) in SHOWN {
        let heights = heights(panels.iter().filter(|p| p.y.label == label).flat_map(|p| &p.series));
        let axis = Axis::ratios(label, heights.chain([1.0]));
        for plot in panels.iter_mut().filter(|plot| plot.y.label == label) {
            plot.y = axis.clone();
        }
    }
}

/// Goodput of every pair at the smallest and the largest size.
fn reading(
    run: &Run,
    group: &Group,
    controls: &BTreeSet<&Cell>,
    pairs: &[(SendPath, SendPath)],
) -> Option<String> {
    let parts: Vec<String> = pairs
        .iter()
        .filter_map(|pair| {
            let mut rows = rows(run, group, controls, *pair, Metric::GoodputGbps);
            rows.retain(|ratio| ratio.ratio.value().is_some());
            rows.sort_by_key(|ratio| ratio.cell.message.bytes());
            let at = |ratio: &Ratio| {
                let figure = ratio.ratio.value().map(numbers::ratio).unwrap_or_default();
                format!("{figure} at {}", ratio.cell.message.bytes())
            };
            let text = match rows.as_slice() {
                [] => return None,
                [only] => at(only),
                [first, .., last] => format!("{}, {}", at(first), at(last)),
            };
            Some(format!("{} against {}: {text}", pair.0, pair.1))
        })
        .collect();
    (!parts.is_empty()).then(|| format!("Goodput, {}: {}.", group.name, parts.join("; ")))
}
