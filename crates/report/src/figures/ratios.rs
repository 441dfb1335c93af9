//! One path against another within blocks, over size.

use std::collections::BTreeSet;

use analysis::metric::Metric;
use analysis::results::Ratio;
use model::{Cell, SendPath};

use super::captions::{break_even, break_even_key};
use super::groups::{Across, Group};
use super::run::{
    MANY_PATHS, MOST_PANELS, Pair, Run, first_groups, notice_without, share_upright, with_figures,
};
use super::wording;
use crate::drawing::axes::Axis;
use crate::drawing::description::{Area, AreaKind, Description, Key, KeyShape, Plot, Series};
use crate::drawing::looks::Look;
use crate::numbers;

const SHOWN: [(Metric, &str); 3] = [
    (Metric::GoodputGbps, "goodput, ratio"),
    (Metric::EndsCpuNsPerKib, "CPU of both ends, ratio"),
    (Metric::SenderSideCpuNsPerKib, "sender-side cost, ratio"),
];

/// The pairs of the run, in the order of its ratios.
fn pairs<'a>(run: &'a Run, controls: &'a BTreeSet<&Cell>) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    for ratio in drawable(run, controls) {
        let pair = pair(ratio);
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    pairs
}

fn pair(ratio: &Ratio) -> Pair<'_> {
    Pair { path: ratio.cell.send_path, contrast: &ratio.contrast }
}

fn drawable<'a>(run: &'a Run, controls: &'a BTreeSet<&Cell>) -> impl Iterator<Item = &'a Ratio> {
    run.summary.ratios.iter().filter(|ratio| {
        !controls.contains(&ratio.cell)
            && !controls.contains(&ratio.against)
            && run.draws(&ratio.contrast)
    })
}

/// The look of a pair: the path's own; hollow where it is not the last one that the path is compared with.
fn look(pairs: &[Pair], pair: Pair) -> Look {
    let look = pair.look();
    let nearest = pairs.iter().rfind(|other| other.path == pair.path && other.look() == look);
    if nearest == Some(&pair) { look } else { look.hollow() }
}

/// The ratio of paths over size with the break-even.
pub(super) fn ratios_over_size(run: &Run) -> Description {
    let across = run.cells.followed();
    let controls: BTreeSet<&Cell> =
        run.summary.estimates.iter().filter(|e| e.control).map(|e| &e.cell).collect();
    let pairs = pairs(run, &controls);
    let (groups, more) = first_groups(run.cells.groups(across), MOST_PANELS / 2);
    let mut panels: Vec<Plot> = Vec::new();
    for group in &groups {
        for (metric, label) in SHOWN {
            let mut plot = Plot {
                title: group.title(),
                remarks: Vec::new(),
                x: run.cells.axis(across),
                y: Axis::unset(label),
                areas: noise(run, metric).into_iter().collect(),
                guides: vec![vec![[0.0, 1.0], [f64::MAX, 1.0]]],
                series: series(run, group, &controls, &pairs, metric),
            };
            // One size has no break-even over sizes.
            if across == Across::Size {
                break_even(run, group, metric, &mut plot);
            }
            panels.push(plot);
        }
    }
    let mut panels = with_figures(panels);
    share_axes(&mut panels);
    let reading = groups.iter().find_map(|group| reading(run, group, &controls, &pairs));
    let mut keys: Vec<Key> = Vec::new();
    if !panels.is_empty() {
        keys.push(Key { shape: KeyShape::Line, text: "1: no difference".to_owned() });
        keys.extend(break_even_key(&panels));
        if panels.iter().flat_map(|plot| &plot.areas).any(|area| area.kind == AreaKind::Noise) {
            keys.push(Key {
                shape: KeyShape::Area(AreaKind::Noise),
                text: "difference of two identical cells (A/A)".to_owned(),
            });
        }
    }
    Description {
        name: "ratios-over-size",
        title: format!("Paths against each other within blocks, over {}", across.of_what()),
        lead: "Geometric means of paired ratios, 95 % intervals. Above 1 the first path has more goodput, or costs more CPU.".to_owned(),
        notice: notice_without(&panels, "There is no ratio to draw", || why_none(run, &controls)),
        reading: reading.unwrap_or_else(|| "No two paths could be compared.".to_owned()),
        keys,
        panels,
        notes: [more, left_pairs(run), wording::oversubscribed(&groups)].into_iter().flatten().collect(),
        ..Description::default()
    }
}

/// That of many paths not every pair is drawn.
fn left_pairs(run: &Run) -> Option<String> {
    let is_left = |ratio: &Ratio| ratio.contrast.paths().is_some() && !run.draws(&ratio.contrast);
    (run.has_many_paths() && run.summary.ratios.iter().any(is_left)).then(|| {
        format!(
            "drawn are each path against {} and against the path that does the same and copies; the other pairs are in ratios.csv",
            SendPath::USUAL
        )
    })
}

fn why_none(run: &Run, controls: &BTreeSet<&Cell>) -> String {
    match run.paths.as_slice() {
        [only] => format!(
            "One path was measured ({only}); a ratio needs two, measured in the same blocks: --send send,sendmsg,zerocopy."
        ),
        _ => drawable(run, controls).find_map(|ratio| ratio.ratio.reason()).map_or_else(
            || "No block has two valid trials.".to_owned(),
            |reason| format!("{reason}."),
        ),
    }
}

/// What equal cells differ by, around 1.
fn noise(run: &Run, metric: Metric) -> Option<Area> {
    let floor = run.summary.noise_floor.value()?;
    let is_goodput = metric == Metric::GoodputGbps;
    let twins = if is_goodput { floor.telling_goodput() } else { floor.ends_cpu.value() }?;
    Some(Area { kind: AreaKind::Noise, x: None, y: Some([twins.low?, twins.high?]) })
}

fn series(
    run: &Run,
    group: &Group,
    controls: &BTreeSet<&Cell>,
    pairs: &[Pair],
    metric: Metric,
) -> Vec<Series> {
    let all = pairs.iter().map(|pair| {
        let name = pair.name();
        let mut series = Series::new(pair.id(), name.clone(), look(pairs, *pair));
        let across = run.cells.followed();
        for ratio in rows(run, group, controls, *pair, metric) {
            series.add(across.place(&ratio.cell), ratio.ratio.value(), |estimate| {
                format!(
                    "{name}, {}, {}: {}, {}",
                    across.name(&ratio.cell),
                    group.name,
                    numbers::ratio(estimate),
                    numbers::counted(estimate.trials, "block", "blocks")
                )
            });
        }
        series
    });
    all.collect()
}

/// The ratios of a pair in a group, ascending in what lies across.
fn rows<'a>(
    run: &'a Run,
    group: &Group,
    controls: &'a BTreeSet<&Cell>,
    pair: Pair,
    metric: Metric,
) -> Vec<&'a Ratio> {
    let across = run.cells.followed();
    let is_here = |ratio: &&Ratio| {
        ratio.metric == metric && self::pair(ratio) == pair && group.holds(&ratio.cell, across)
    };
    let mut rows: Vec<&Ratio> = drawable(run, controls).filter(is_here).collect();
    rows.sort_by(|a, b| across.place(&a.cell).total_cmp(&across.place(&b.cell)));
    rows
}

/// One axis for all panels of goodput, and one for all of CPU.
fn share_axes(panels: &mut [Plot]) {
    for (_, label) in SHOWN {
        let heights = panels.iter().filter(|plot| plot.y.label == label).flat_map(Plot::heights);
        let axis = Axis::ratios(label, heights.chain([1.0]));
        share_upright(panels.iter_mut().filter(|plot| plot.y.label == label), &axis);
    }
}

/// Goodput of every pair at the first and the last place; of many those with the most at the last.
fn reading(run: &Run, group: &Group, controls: &BTreeSet<&Cell>, pairs: &[Pair]) -> Option<String> {
    let mut parts: Vec<(f64, String)> = pairs
        .iter()
        .filter_map(|pair| {
            let mut rows = rows(run, group, controls, *pair, Metric::GoodputGbps);
            rows.retain(|ratio| ratio.ratio.value().is_some());
            let at = |ratio: &Ratio| {
                let figure = ratio.ratio.value().map(numbers::ratio).unwrap_or_default();
                format!("{figure} at {}", run.cells.followed().name(&ratio.cell))
            };
            let text = match rows.as_slice() {
                [] => return None,
                [only] => at(only),
                [first, .., last] => format!("{}, {}", at(first), at(last)),
            };
            let last = rows.last().and_then(|ratio| ratio.ratio.value());
            Some((last.map_or(0.0, |ratio| ratio.mean), format!("{}: {text}", pair.name())))
        })
        .collect();
    let all = parts.len();
    let mut of = String::new();
    if all > MANY_PATHS {
        parts.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        parts.truncate(wording::BEST_NAMED);
        of = format!(" (the highest of {all} pairs)");
    }
    let parts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    (!parts.is_empty()).then(|| format!("Goodput, {}: {}{of}.", group.name, parts.join("; ")))
}
