//! Every trial as a dot.

use std::collections::HashMap;

use analysis::explained::Trials;
use analysis::metric::Metric;
use analysis::summary::Estimate;
use model::{Cell, Measured};

use super::axes::as_f64;
use super::drawing::{Axis, CellBox, Drawing, Key, KeyShape, Plot, Series};
use super::groups::{Across, Group};
use super::levels::{absent, first_groups, with_figures};
use super::look::{Look, path_name};
use super::{MOST_PANELS, Run, wording};
use crate::numbers::{counted, level};

/// Beyond these shares of a cell's estimate nothing can be told apart from the rest: trials lie at the edge.
const FARTHEST: [f64; 2] = [0.4, 1.6];
/// The part of a slot that its cells fill.
const FILLED: f64 = 0.86;

/// Goodput of every trial around its cell's estimate, one panel a group.
pub(super) fn trials(run: &Run) -> Drawing {
    let of_cell: HashMap<&Cell, &Trials> =
        run.summary.explained.trials.iter().map(|trials| (&trials.cell, trials)).collect();
    let (groups, more) = first_groups(run.cells.groups(Across::Size), MOST_PANELS);
    let sizes = run.cells.sizes();
    let panels = groups.iter().map(|group| Plot {
        title: group.title(),
        remarks: Vec::new(),
        x: Axis::slots(&sizes),
        y: Axis::departures("", std::iter::empty()),
        areas: Vec::new(),
        guides: vec![vec![[0.0, 1.0], [f64::MAX, 1.0]]],
        series: series(run, group, &of_cell, &sizes),
    });
    let mut panels = with_figures(panels.collect());
    let heights = panels.iter().flat_map(|plot| &plot.series).flat_map(|series| {
        let places = series.dots.iter().chain(&series.crosses).map(|[_, y]| *y);
        places.chain(series.boxes.iter().filter_map(|cell| cell.y).flatten())
    });
    let within = heights.map(|height| height.clamp(FARTHEST[0], FARTHEST[1]));
    let y = Axis::departures("goodput of each trial around its cell's estimate", within);
    for plot in &mut panels {
        plot.y = y.clone();
    }
    let series = || panels.iter().flat_map(|plot| &plot.series);
    let mut keys = Vec::new();
    if series().any(|series| !series.crosses.is_empty()) {
        keys.push(Key {
            shape: KeyShape::Cross,
            text: "void trial: in no estimate, tried again".to_owned(),
        });
    }
    let run_facts = &run.summary.run;
    Drawing {
        name: "trials",
        title: "Every trial".to_owned(),
        lead: "Each dot is a valid trial, from left to right in the order of rounds; the line is its cell's estimate, the box the 95 % interval. What is farther than 60 % off lies at the edge.".to_owned(),
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
            let Some(trials) = of_cell.get(&entry.cell) else { continue };
            let estimate = entry.metrics.get(&Metric::GoodputGbps).and_then(Measured::value);
            let Some(slot) = sizes.iter().position(|size| *size == entry.cell.message.bytes().0)
            else {
                continue;
            };
            let width = FILLED / paths;
            let left = whole(slot) + (1.0 - FILLED) / 2.0 + whole(place) * width;
            // Cells keep a distance from each other.
            let x = [left + width * 0.08, left + width * 0.92];
            let name = run.cells.cell_name(&entry.cell);
            fill(&mut series, estimate, trials, x, &name);
        }
        all.push(series);
    }
    all
}

/// A cell's trials on its own axis, on which its estimate is 1.
fn fill(
    series: &mut Series,
    estimate: Option<&Estimate>,
    trials: &Trials,
    x: [f64; 2],
    name: &str,
) {
    let Some(estimate) = estimate.filter(|estimate| estimate.mean > 0.0) else { return };
    let on_axis = |value: f64| (value / estimate.mean).clamp(FARTHEST[0], FARTHEST[1]);
    let spread = |values: &[f64]| {
        let steps = whole(values.len()).max(1.0);
        let step = (x[1] - x[0]) / steps;
        let place =
            |(order, value): (usize, &f64)| [x[0] + (whole(order) + 0.5) * step, on_axis(*value)];
        values.iter().enumerate().map(place).collect::<Vec<_>>()
    };
    series.dots.extend(spread(&trials.goodput_gbps));
    series.crosses.extend(spread(&trials.void_goodput_gbps));
    series.boxes.push(CellBox {
        x,
        y: estimate.low.zip(estimate.high).map(|(low, high)| [on_axis(low), on_axis(high)]),
        says: format!(
            "{name}: {} Gbit/s, {}",
            level(estimate),
            counted(estimate.trials, "trial", "trials")
        ),
    });
}

fn whole(n: usize) -> f64 {
    as_f64(u64::try_from(n).unwrap_or(u64::MAX))
}
