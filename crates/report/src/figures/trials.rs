//! Every trial as a dot.

use std::collections::HashMap;

use analysis::explained::{RelativeTrials, Trials};
use analysis::metric::Metric;
use model::{Cell, Measured};

use super::axes::as_f64;
use super::drawing::{Axis, CellBox, Drawing, Key, KeyShape, Plot, Series};
use super::groups::{Across, Group};
use super::levels::{absent, first_groups, with_figures};
use super::look::{Look, path_name};
use super::{MOST_PANELS, Run, wording};
use crate::numbers::{counted, level, short};

/// A trial farther from its cell's estimate than this gets an arrow at the axis' end, so that it does not squash all others.
const FARTHEST: [f64; 2] = [0.75, 1.25];
/// More trials beyond an axis than this are only counted.
const MOST_TOLD: usize = 3;
/// The part of a slot that its cells fill.
const FILLED: f64 = 0.86;

/// Goodput of every trial around its cell's estimate, one panel a group.
pub(super) fn trials(run: &Run) -> Drawing {
    let of_cell: HashMap<&Cell, &Trials> =
        run.summary.explained.trials.iter().map(|trials| (&trials.cell, trials)).collect();
    let (groups, more) = first_groups(run.cells.groups(Across::Size), MOST_PANELS);
    let sizes = run.cells.sizes();
    let panels = groups.iter().map(|group| {
        let series = series(run, group, &of_cell, &sizes);
        Plot {
            title: group.title(),
            remarks: told(&series),
            x: Axis::slots(&sizes),
            y: Axis::departures(
                "goodput of each trial around its cell's estimate",
                heights(&series),
            ),
            areas: Vec::new(),
            guides: vec![vec![[0.0, 1.0], [f64::MAX, 1.0]]],
            series,
        }
    });
    let panels = with_figures(panels.collect());
    let series = || panels.iter().flat_map(|plot| &plot.series);
    let mut keys = Vec::new();
    if series().any(|series| !series.crosses.is_empty()) {
        keys.push(Key {
            shape: KeyShape::Cross,
            text: "void trial: in no estimate, tried again".to_owned(),
        });
    }
    if series().any(|series| !series.beyond.is_empty() || !series.void_beyond.is_empty()) {
        let hollow = if series().any(|series| !series.void_beyond.is_empty()) {
            " (hollow: void)"
        } else {
            ""
        };
        keys.push(Key {
            shape: KeyShape::Arrow,
            text: format!("trial beyond the axis, more than 25 % off{hollow}"),
        });
    }
    let run_facts = &run.summary.run;
    Drawing {
        name: "trials",
        title: "Every trial".to_owned(),
        lead: "Each dot is a valid trial, from left to right in the order of rounds; the line is its cell's estimate, the box the 95 % interval. Each panel has an axis of its own.".to_owned(),
        notice: if panels.is_empty() {
            absent("No trial can be drawn", vec!["No cell has a valid trial.".to_owned()])
        } else {
            None
        },
        reading: format!(
            "{}, of which {} void and {} noted (oversubscription alone not counted).",
            counted(run_facts.trials, "trial", "trials"),
            run_facts.void_trials,
            run_facts.noted_trials
        ),
        keys,
        panels,
        columns: 1,
        notes: [more, wording::oversubscribed(&groups)].into_iter().flatten().collect(),
        ..Drawing::default()
    }
}

/// What the upright axis must hold.
fn heights(series: &[Series]) -> impl Iterator<Item = f64> {
    series.iter().flat_map(|series| {
        let places = series.dots.iter().chain(&series.crosses).map(|[_, y]| *y);
        let boxes = series.boxes.iter().filter_map(|cell| cell.y).flatten();
        places.chain(boxes.map(|end| end.clamp(FARTHEST[0], FARTHEST[1])))
    })
}

/// Where trials beyond the axis lie.
fn told(series: &[Series]) -> Vec<String> {
    let beyond = series.iter().flat_map(|series| series.beyond.iter().chain(&series.void_beyond));
    let mut beyond: Vec<f64> = beyond.map(|[_, y]| *y).collect();
    beyond.sort_by(f64::total_cmp);
    let trials = counted(beyond.len(), "trial lies", "trials lie");
    let (Some(least), Some(most)) = (beyond.first(), beyond.last()) else { return Vec::new() };
    let places = if beyond.len() <= MOST_TOLD {
        let places: Vec<String> = beyond.iter().map(|place| short(*place)).collect();
        format!("at {} ×", places.join(", "))
    } else {
        format!("from {} to {} ×", short(*least), short(*most))
    };
    vec![format!("{trials} beyond the axis, {places} the cell's estimate")]
}

fn series(
    run: &Run,
    group: &Group,
    of_cell: &HashMap<&Cell, &Trials>,
    sizes: &[u64],
) -> Vec<Series> {
    let paths = as_f64(u64::try_from(run.paths.len()).unwrap_or(1));
    let mut all = Vec::new();
    for (place, path) in run.paths.iter().enumerate() {
        let mut series = Series::new(path.name().to_owned(), path_name(*path), Look::of(*path));
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
            let says = format!(
                "{}: {} Gbit/s, {}",
                run.cells.cell_name(&entry.cell),
                level(estimate),
                counted(estimate.trials, "trial", "trials")
            );
            fill(&mut series, trials, x, says);
        }
        all.push(series);
    }
    all
}

/// A cell's trials on its own axis, on which its estimate is 1.
fn fill(series: &mut Series, trials: &RelativeTrials, x: [f64; 2], says: String) {
    spread(&trials.goodput, x, &mut series.dots, &mut series.beyond);
    spread(&trials.void_goodput, x, &mut series.crosses, &mut series.void_beyond);
    let interval = match trials.interval.as_slice() {
        [low, high] => Some([*low, *high]),
        _ => None,
    };
    series.boxes.push(CellBox { x, y: interval, says });
}

/// Puts trials side by side between two places: those within the axis, and those beyond it.
fn spread(values: &[f64], x: [f64; 2], within: &mut Vec<[f64; 2]>, beyond: &mut Vec<[f64; 2]>) {
    let step = (x[1] - x[0]) / whole(values.len()).max(1.0);
    for (order, value) in values.iter().enumerate() {
        let place = [x[0] + (whole(order) + 0.5) * step, *value];
        if (FARTHEST[0]..=FARTHEST[1]).contains(value) {
            within.push(place);
        } else {
            beyond.push(place);
        }
    }
}

fn whole(n: usize) -> f64 {
    as_f64(u64::try_from(n).unwrap_or(u64::MAX))
}
