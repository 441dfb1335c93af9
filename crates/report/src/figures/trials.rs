//! Every trial as a dot.

use std::collections::HashMap;

use analysis::findings::{RelativeTrials, Trials};
use analysis::metric::Metric;
use model::{Cell, Measured};

use super::groups::{Across, Group};
use super::run::{MOST_PANELS, Run, first_groups, notice_without, with_figures};
use super::wording;
use crate::drawing::axes::{Axis, as_f64};
use crate::drawing::description::{CellBox, Description, Key, KeyShape, Plot, Series};
use crate::numbers::{counted, level, short};

/// A trial farther from its cell's estimate than this gets an arrow at the axis' end, so that it squashes no others.
const FARTHEST: [f64; 2] = [0.75, 1.25];
/// More trials beyond an axis than this are only counted.
const MOST_LISTED: usize = 3;
/// The part of a slot that its cells fill.
const FILLED: f64 = 0.86;

/// Goodput of every trial around its cell's estimate, one panel a group.
pub(super) fn trials(run: &Run) -> Description {
    let of_cell: HashMap<&Cell, &Trials> =
        run.summary.explained.trials.iter().map(|trials| (&trials.cell, trials)).collect();
    let (groups, more) = first_groups(run.cells.groups(Across::Size), MOST_PANELS);
    let sizes = run.cells.sizes();
    let panels = groups.iter().map(|group| {
        let mut series = series(run, group, &of_cell, &sizes);
        let y =
            Axis::departures("goodput of each trial around its cell's estimate", heights(&series));
        for series in &mut series {
            void_beyond(series, &y);
        }
        Plot {
            title: group.title(),
            remarks: beyond(&series),
            x: Axis::slots(&sizes),
            y,
            areas: Vec::new(),
            guides: vec![vec![[0.0, 1.0], [f64::MAX, 1.0]]],
            series,
        }
    });
    let panels = with_figures(panels.collect());
    let series = || panels.iter().flat_map(|plot| &plot.series);
    let mut keys = Vec::new();
    let has_void = series().any(|s| !s.crosses.is_empty() || !s.void_beyond.is_empty());
    if has_void {
        keys.push(Key {
            shape: KeyShape::Cross,
            text: "void trial: in no estimate, tried again".to_owned(),
        });
    }
    if series().any(|series| !series.beyond.is_empty() || !series.void_beyond.is_empty()) {
        let hollow = if has_void { " (hollow: void)" } else { "" };
        keys.push(Key {
            shape: KeyShape::Arrow,
            text: format!("trial beyond the panel's axis{hollow}"),
        });
    }
    let run_facts = &run.summary.run;
    Description {
        name: "trials",
        title: "Every trial".to_owned(),
        lead: "Each dot is a valid trial, from left to right in the order of rounds; the line is its cell's estimate, the box the 95 % interval. Each panel has an axis of its own, of at most ±25 %.".to_owned(),
        notice: notice_without(&panels, "No trial can be drawn", || {
            "No cell has a valid trial.".to_owned()
        }),
        reading: format!(
            "{}, of which {} void and {} marked (not counting those marked only for more threads than CPUs).",
            counted(run_facts.trials, "trial", "trials"),
            run_facts.void_trials,
            run_facts.noted_trials
        ),
        keys,
        panels,
        notes: [more, wording::oversubscribed(&groups)].into_iter().flatten().collect(),
        ..Description::default()
    }
}

/// What the upright axis must hold: valid trials and intervals.
fn heights(series: &[Series]) -> impl Iterator<Item = f64> {
    series.iter().flat_map(|series| {
        let places = series.dots.iter().map(|[_, y]| *y);
        let boxes = series.boxes.iter().filter_map(|cell| cell.y).flatten();
        places.chain(boxes.map(|end| end.clamp(FARTHEST[0], FARTHEST[1])))
    })
}

/// Makes arrows of the void trials for which the axis has no room; they enter no estimate, and it is not made for them.
fn void_beyond(series: &mut Series, axis: &Axis) {
    let [low, high] = axis.domain;
    (series.crosses, series.void_beyond) =
        series.crosses.iter().partition(|[_, y]| (low..=high).contains(y));
}

/// Where trials beyond the axis lie.
fn beyond(series: &[Series]) -> Vec<String> {
    let beyond = series.iter().flat_map(|series| series.beyond.iter().chain(&series.void_beyond));
    let mut beyond: Vec<f64> = beyond.map(|[_, y]| *y).collect();
    beyond.sort_by(f64::total_cmp);
    let trials = counted(beyond.len(), "trial lies", "trials lie");
    let (Some(least), Some(most)) = (beyond.first(), beyond.last()) else { return Vec::new() };
    let places = if beyond.len() <= MOST_LISTED {
        let places: Vec<String> = beyond.iter().map(|place| short(*place)).collect();
        format!("at {} ×", places.join(", "))
    } else {
        format!("from {} to {} ×", short(*least), short(*most))
    };
    let void: usize = series.iter().map(|series| series.void_beyond.len()).sum();
    let void = match void {
        0 => String::new(),
        n if n == beyond.len() => " (void)".to_owned(),
        n => format!(" ({n} of them void)"),
    };
    vec![format!("{trials} beyond the axis{void}, {places} the cell's estimate")]
}

fn series(
    run: &Run,
    group: &Group,
    of_cell: &HashMap<&Cell, &Trials>,
    sizes: &[u64],
) -> Vec<Series> {
    let paths = as_f64(u64::try_from(run.drawn.len()).unwrap_or(1));
    let mut all = Vec::new();
    for (place, path) in run.drawn.iter().enumerate() {
        let mut series = Series::for_path(*path);
        for entry in group.of_path(*path, Across::Size) {
            let trials = of_cell.get(&entry.cell).and_then(|trials| trials.relative.value());
            let estimate = entry.metrics.get(&Metric::GoodputGbps).and_then(Measured::value);
            let slot = sizes.iter().position(|size| *size == entry.cell.message.bytes().0);
            let (Some(trials), Some(estimate), Some(slot)) = (trials, estimate, slot) else {
                continue;
            };
            let width = FILLED / paths;
            let left = whole(slot) + (1.0 - FILLED) / 2.0 + whole(place) * width;
            // Cells keep a distance from each other.
            let x = [left + width * 0.08, left + width * 0.92];
            let tip = format!(
                "{}: {} Gbit/s, {}",
                run.cells.cell_name(&entry.cell),
                level(estimate),
                counted(estimate.trials, "trial", "trials")
            );
            fill(&mut series, trials, x, tip);
        }
        all.push(series);
    }
    all
}

/// A cell's trials on its own axis, on which its estimate is 1.
fn fill(series: &mut Series, trials: &RelativeTrials, x: [f64; 2], tip: String) {
    let (within, beyond): (Vec<[f64; 2]>, Vec<[f64; 2]>) = spread(&trials.goodput, x)
        .into_iter()
        .partition(|[_, y]| (FARTHEST[0]..=FARTHEST[1]).contains(y));
    series.dots.extend(within);
    series.beyond.extend(beyond);
    series.crosses.extend(spread(&trials.void_goodput, x));
    let interval = match trials.interval.as_slice() {
        [low, high] => Some([*low, *high]),
        _ => None,
    };
    series.boxes.push(CellBox { x, y: interval, tip });
}

/// Trials side by side between two places.
fn spread(values: &[f64], x: [f64; 2]) -> Vec<[f64; 2]> {
    let step = (x[1] - x[0]) / whole(values.len()).max(1.0);
    let place = |(order, value): (usize, &f64)| [x[0] + (whole(order) + 0.5) * step, *value];
    values.iter().enumerate().map(place).collect()
}

fn whole(n: usize) -> f64 {
    as_f64(u64::try_from(n).unwrap_or(u64::MAX))
}
