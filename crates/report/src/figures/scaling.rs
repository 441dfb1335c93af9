//! Speed-up over threads, with the ideal line.

use analysis::findings::{Scaling, ScalingPoint};
use model::{Measured, Shared};

use super::groups::Across;
use super::levels::{oversubscribed_area, oversubscribed_key};
use super::run::{MOST_PANELS, Run, notice_without, share_upright, with_figures};
use super::wording;
use crate::drawing::axes::Axis;
use crate::drawing::description::{Description, Key, KeyShape, Plot, Series};
use crate::drawing::looks::DrawnPath;
use crate::numbers::{counted, ratio};

const LABEL: &str = "speed-up against the fewest threads";

/// Speed-up over threads, one panel a size.
pub(super) fn scaling(run: &Run) -> Description {
    let across = Across::Threads;
    let groups = run.cells.by_send_path().groups(across);
    let mut shared: Vec<&Shared> = Vec::new();
    for entry in &run.summary.explained.scaling {
        if !shared.contains(&&entry.shared) {
            shared.push(&entry.shared);
        }
    }
    let left = shared.len().saturating_sub(MOST_PANELS);
    let mut panels: Vec<Plot> = Vec::new();
    for shared in shared.into_iter().take(MOST_PANELS) {
        let group = groups.iter().find(|group| group.is_named(shared, across));
        let here: Vec<&Scaling> =
            run.summary.explained.scaling.iter().filter(|entry| entry.shared == *shared).collect();
        panels.push(Plot {
            title: group.map_or_else(|| shared.to_string(), |group| group.name.clone()),
            remarks: Vec::new(),
            x: Axis::threads(&run.cells.threads()),
            y: Axis::unset(LABEL),
            areas: group.map_or_else(Vec::new, |group| oversubscribed_area(run, group)),
            guides: ideal(&here).into_iter().collect(),
            series: here.iter().map(|entry| series(entry)).collect(),
        });
    }
    let mut panels = with_figures(panels);
    let ideals = panels.iter().flat_map(|plot| &plot.guides).flatten().map(|[_, y]| *y);
    let y = Axis::doublings(LABEL, panels.iter().flat_map(Plot::heights).chain(ideals));
    share_upright(&mut panels, &y);
    let mut keys: Vec<Key> = Vec::new();
    if !panels.is_empty() {
        keys.push(Key {
            shape: KeyShape::Line,
            text: "ideal: N threads, N times as fast".to_owned(),
        });
        keys.extend(oversubscribed_key(&panels));
    }
    let more =
        (left > 0).then(|| format!("{left} more groups of cells are in summary.json, scaling"));
    Description {
        name: "scaling",
        title: "Speed-up over threads".to_owned(),
        lead: "Goodput against the same path at the fewest threads, paired by round; bars and bands are 95 % intervals.".to_owned(),
        notice: notice_without(&panels, "Speed-up could not be drawn", || why_none(run)),
        reading: reading(run).unwrap_or_else(|| why_none(run)),
        keys,
        panels,
        notes: [more, wording::oversubscribed(&run.cells.groups(Across::Size))].into_iter().flatten().collect(),
        ..Description::default()
    }
}

fn why_none(run: &Run) -> String {
    match run.cells.threads().as_slice() {
        [only] => format!(
            "Speed-up needs two thread counts and {} was measured: --threads 1,2,4,8.",
            counted(*only, "thread alone", "threads alone")
        ),
        _ => run
            .summary
            .explained
            .scaling
            .iter()
            .flat_map(|entry| &entry.points)
            .find_map(|point| point.speed_up.reason())
            .map_or_else(
                || "No two thread counts were measured in the same round.".to_owned(),
                |reason| format!("{reason}."),
            ),
    }
}

/// As many times as fast as there are more threads.
fn ideal(here: &[&Scaling]) -> Option<Vec<[f64; 2]>> {
    let threads =
        || here.iter().flat_map(|entry| &entry.points).map(|point| f64::from(point.threads));
    let (first, last) = (threads().fold(f64::INFINITY, f64::min), threads().fold(0.0, f64::max));
    (last > first).then(|| vec![[first, 1.0], [last, last / first]])
}

fn series(entry: &Scaling) -> Series {
    let mut series = Series::for_path(DrawnPath::Send(entry.path));
    for point in &entry.points {
        series.add(f64::from(point.threads), point.speed_up.value(), |_| tip(entry, point));
    }
    series
}

fn tip(entry: &Scaling, point: &ScalingPoint) -> String {
    let size = format!(", {}", entry.shared.cell().message.bytes());
    let figure = |figure: &Measured<_>| figure.value().map_or_else(|| "-".to_owned(), ratio);
    format!(
        "{}{size}, {}: speed-up {}, efficiency {}",
        entry.path,
        counted(point.threads, "thread", "threads"),
        figure(&point.speed_up),
        figure(&point.efficiency)
    )
}

/// The speed-up at the most threads, path by path, at the first size that has one.
fn reading(run: &Run) -> Option<String> {
    let all = &run.summary.explained.scaling;
    let last = |entry: &Scaling| {
        let point = entry.points.iter().rfind(|point| point.speed_up.value().is_some())?;
        Some((point.threads, format!("{} {}", entry.path, ratio(point.speed_up.value()?))))
    };
    let shared = all
        .iter()
        .find(|entry| last(entry).is_some_and(|(threads, _)| threads > 1))?
        .shared
        .clone();
    let here: Vec<(u32, String)> =
        all.iter().filter(|entry| entry.shared == shared).filter_map(last).collect();
    let threads = here.iter().map(|(threads, _)| *threads).max()?;
    let figures: Vec<String> =
        here.into_iter().filter(|(count, _)| *count == threads).map(|(_, text)| text).collect();
    let groups = run.cells.by_send_path().groups(Across::Threads);
    let group = groups.iter().find(|group| group.is_named(&shared, Across::Threads));
    let name = group.map_or_else(|| shared.to_string(), |group| group.name.clone());
    Some(format!(
        "At {name} the speed-up to {} was: {}.",
        counted(threads, "thread", "threads"),
        figures.join(", ")
    ))
}
