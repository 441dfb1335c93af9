//! Goodput, CPU cost and context switches: estimates over size or threads.

use analysis::explained::{Crossover, CrossoverOutcome};
use analysis::figure_text;
use analysis::metric::Metric;
use analysis::summary::CellEstimates;
use model::{Bytes, Link, Measured};

use super::drawing::{Area, AreaKind, Axis, Drawing, Key, KeyShape, Notice, Plot};
use super::groups::{Across, Cells, Group, heights};
use super::look::Look;
use super::{MOST_PANELS, Run, wording};

/// How estimates are to be read.
pub(super) const LEAD: &str = "Means over valid trials; bars and bands are 95 % intervals, hidden by the mark where they are narrower.";

/// A metric in a panel: what it is called, and the unit of its figures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    pub(super) metric: Metric,
    pub(super) label: &'static str,
    pub(super) unit: &'static str,
}

const GOODPUT: Shown =
    Shown { metric: Metric::GoodputGbps, label: "goodput, Gbit/s", unit: "Gbit/s" };
pub(super) const SENDER_CPU: Shown = Shown {
    metric: Metric::SenderCpuNsPerKib,
    label: "sender CPU, ns per KiB",
    unit: "ns per KiB",
};
pub(super) const RECEIVER_CPU: Shown = Shown {
    metric: Metric::ReceiverCpuNsPerKib,
    label: "receiver CPU, ns per KiB",
    unit: "ns per KiB",
};
const ENDS_CPU: Shown = Shown {
    metric: Metric::EndsCpuNsPerKib,
    label: "CPU of both ends, ns per KiB",
    unit: "ns per KiB",
};
const SENDER_SIDE_CPU: Shown = Shown {
    metric: Metric::SenderSideCpuNsPerKib,
    label: "sender-side cost, ns per KiB",
    unit: "ns per KiB",
};
const MACHINE_CPU: Shown = Shown {
    metric: Metric::MachineCpuNsPerKib,
    label: "busy time of all CPUs in use, ns per KiB",
    unit: "ns per KiB",
};
const SWITCHES: Shown = Shown {
    metric: Metric::ContextSwitchesPerS,
    label: "context switches of both ends a second",
    unit: "a second",
};

/// How an upright axis is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upright {
    /// Over ratios: positive figures.
    Log,
    /// From 0.
    Zero,
    /// Over ratios where all figures are positive and far apart, else from 0.
    Fitting,
}

impl Upright {
    /// One axis for all of some plots.
    pub(super) fn axis(self, label: &str, plots: &[Plot]) -> Axis {
        let all = || heights(plots.iter().flat_map(|plot| &plot.series));
        let means =
            || plots.iter().flat_map(|plot| &plot.series).flat_map(|s| &s.points).map(|p| p.y);
        let least = means().fold(f64::INFINITY, f64::min);
        let most = means().fold(0.0, f64::max);
        // An interval that reaches down to almost nothing must not squeeze everything else.
        let floor = least / 10.0;
        match self {
            Self::Log => Axis::ratios(label, all().map(|value| value.max(floor))),
            Self::Fitting if least > 0.0 && most / least >= 20.0 => {
                Axis::ratios(label, all().map(|value| value.max(floor)))
            }
            Self::Zero | Self::Fitting => Axis::from_zero(label, all()),
        }
    }
}

/// Why a cost is not above 0: it is a difference to an idle machine.
const NOT_ABOVE_0: &str = "the CPUs were as busy with other programs while the ends were idle";

/// A logarithmic axis has no place for 0 and less: such points go, and the panel says which.
fn above_0(plot: &mut Plot) {
    let mut names: Vec<&str> = Vec::new();
    for series in &mut plot.series {
        let before = series.points.len();
        let mut gap = false;
        series.points.retain_mut(|point| {
            point.after_gap |= gap;
            gap = point.y <= 0.0;
            !gap
        });
        if series.points.len() < before {
            names.push(&series.name);
        }
    }
    if !names.is_empty() {
        plot.remarks
            .push(format!("not above 0, so not drawn: {}; {NOT_ABOVE_0}", names.join(", ")));
    }
}

/// Why nothing of a metric can be drawn: the reason that the cells with trials give.
pub(super) fn reason(cells: &Cells, metric: Metric) -> String {
    let absent = |entry: &CellEstimates| {
        entry.metrics.get(&metric).and_then(Measured::reason).map(str::to_owned)
    };
    let mean = |entry: &CellEstimates| Some(entry.metrics.get(&metric)?.value()?.mean);
    let means: Vec<f64> = cells.iter().filter_map(mean).collect();
    if !means.is_empty() && means.iter().all(|mean| *mean <= 0.0) {
        return format!("no figure is above 0: {NOT_ABOVE_0}");
    }
    let tried = cells.iter().filter(|entry| entry.trials > 0).find_map(absent);
    tried
        .or_else(|| cells.iter().find_map(absent))
        .unwrap_or_else(|| "no cell of this run has it".to_owned())
}

/// One panel a group of one metric, with one upright axis for all.
pub(super) fn plots(
    run: &Run,
    groups: &[Group],
    across: Across,
    shown: Shown,
    upright: Upright,
) -> Vec<Plot> {
    let x = match across {
        Across::Size => Axis::sizes(&run.cells.sizes()),
        Across::Threads => Axis::threads(&run.cells.threads()),
    };
    let mut plots: Vec<Plot> = groups
        .iter()
        .map(|group| Plot {
            title: if across == Across::Size { group.title() } else { group.name.clone() },
            remarks: Vec::new(),
            x: x.clone(),
            y: Axis::from_zero(shown.label, std::iter::empty()),
            areas: match across {
                Across::Size => Vec::new(),
                Across::Threads => crowded(run, group),
            },
            guides: Vec::new(),
            series: group.series(&run.cells, &run.paths, across, shown.metric, shown.unit),
        })
        .collect();
    if upright == Upright::Log {
        plots.iter_mut().for_each(above_0);
    }
    let y = upright.axis(shown.label, &plots);
    for plot in &mut plots {
        plot.y = y.clone();
    }
    plots
}

/// Thread counts at which more threads are busy than there are CPUs, as an area.
pub(super) fn crowded(run: &Run, group: &Group) -> Vec<Area> {
    let entries = || run.paths.iter().flat_map(|path| group.of_path(*path, Across::Threads));
    let threads = |entry: &CellEstimates| f64::from(entry.cell.threads.get());
    let first = entries().filter(|e| e.oversubscribed).map(threads).fold(f64::INFINITY, f64::min);
    let before = entries().filter(|e| !e.oversubscribed).map(threads).fold(0.0, f64::max);
    if !first.is_finite() {
        return Vec::new();
    }
    // Its edge lies between the two counts; beyond the axis' end it lies at it.
    let edge = if before > 0.0 { (first * before).sqrt() } else { 0.0 };
    vec![Area { kind: AreaKind::Oversubscribed, x: Some([edge, f64::MAX]), y: None }]
}

/// The key of [`crowded`] where a panel has it.
pub(super) fn crowded_key(plots: &[Plot]) -> Option<Key> {
    let is_there =
        plots.iter().flat_map(|plot| &plot.areas).any(|a| a.kind == AreaKind::Oversubscribed);
    is_there.then(|| Key {
        shape: KeyShape::Area(AreaKind::Oversubscribed),
        text: "more busy threads than CPUs for them".to_owned(),
    })
}

/// The first groups, and what is said of the others.
pub(super) fn first_groups<'a>(
    groups: Vec<Group<'a>>,
    most: usize,
) -> (Vec<Group<'a>>, Option<String>) {
    let left = groups.len().saturating_sub(most);
    let shown = groups.into_iter().take(most).collect();
    (
        shown,
        (left > 0)
            .then(|| format!("{left} more groups of cells are in results.csv, not drawn here")),
    )
}

/// Panels whose series are all empty say nothing.
pub(super) fn with_figures(mut plots: Vec<Plot>) -> Vec<Plot> {
    plots.retain(|plot| plot.series.iter().any(|series| !series.is_empty()));
    plots
}

/// A drawing without panels, which says why.
pub(super) fn absent(title: &str, lines: Vec<String>) -> Option<Notice> {
    Some(Notice { title: title.to_owned(), lines })
}

/// Paper's plot 1: goodput over size, one panel a thread count.
pub(super) fn goodput_over_size(run: &Run) -> Drawing {
    let across = Across::Size;
    let (groups, more) = first_groups(run.cells.groups(across), MOST_PANELS);
    let panels = with_figures(plots(run, &groups, across, GOODPUT, Upright::Log));
    let reading = groups
        .iter()
        .find_map(|g| wording::ends(g, &run.paths, across, Metric::GoodputGbps, GOODPUT.unit));
    Drawing {
        name: "goodput-over-size",
        title: "Goodput over message size".to_owned(),
        lead: LEAD.to_owned(),
        notice: if panels.is_empty() {
            absent("Goodput could not be drawn", vec![reason(&run.cells, Metric::GoodputGbps)])
        } else {
            None
        },
        reading: reading.unwrap_or_else(|| "No cell has a valid trial.".to_owned()),
        panels,
        columns: 2,
        notes: [more, wording::oversubscribed(&groups)].into_iter().flatten().collect(),
        ..Drawing::default()
    }
}

/// Paper's plot 2: goodput over threads at 4 KiB, or at the size nearest to it.
pub(super) fn goodput_over_threads(run: &Run) -> Drawing {
    const WANTED: u64 = 4096;
    let across = Across::Threads;
    let size = run.cells.nearest_size(WANTED).unwrap_or(WANTED);
    let here = run.only(|cell| cell.message.bytes().0 == size);
    let (groups, more) = first_groups(here.cells.groups(across), MOST_PANELS);
    let mut panels = with_figures(plots(&here, &groups, across, GOODPUT, Upright::Zero));
    if let [only] = panels.as_mut_slice() {
        // The figure's own title says it.
        only.title.clear();
    }
    let reading = groups
        .iter()
        .find_map(|g| wording::ends(g, &run.paths, across, Metric::GoodputGbps, GOODPUT.unit));
    let mut notes: Vec<String> = more.into_iter().collect();
    if size != WANTED {
        notes.push(format!("4 KiB was not measured; {} is the nearest size", Bytes(size)));
    }
    if here.cells.threads().len() == 1 {
        notes.push(
            "one thread count was measured; --threads 1,2,4,8 shows how it scales".to_owned(),
        );
    }
    Drawing {
        name: "goodput-over-threads",
        title: format!("Goodput over threads at {}", Bytes(size)),
        lead: LEAD.to_owned(),
        notice: if panels.is_empty() {
            absent("Goodput could not be drawn", vec![reason(&here.cells, Metric::GoodputGbps)])
        } else {
            None
        },
        reading: reading.unwrap_or_else(|| "No cell of this size has a valid trial.".to_owned()),
        keys: crowded_key(&panels).into_iter().collect(),
        panels,
        columns: 2,
        notes,
        ..Drawing::default()
    }
}

/// Context switches over threads, one panel a size.
pub(super) fn context_switches(run: &Run) -> Drawing {
    let across = Across::Threads;
    let (groups, more) = first_groups(run.cells.groups(across), MOST_PANELS);
    let panels = with_figures(plots(run, &groups, across, SWITCHES, Upright::Fitting));
    let reading = groups
        .iter()
        .rev()
        .find_map(|g| wording::ends(g, &run.paths, across, SWITCHES.metric, SWITCHES.unit));
    Drawing {
        name: "context-switches-over-threads",
        title: "Context switches over threads".to_owned(),
        lead: LEAD.to_owned(),
        notice: if panels.is_empty() {
            absent("Context switches could not be drawn", vec![reason(&run.cells, SWITCHES.metric)])
        } else {
            None
        },
        reading: reading.unwrap_or_else(|| "No cell has this figure.".to_owned()),
        keys: crowded_key(&panels).into_iter().collect(),
        panels,
        columns: 2,
        notes: more.into_iter().collect(),
        ..Drawing::default()
    }
}

/// The cost of the run's link: of both ends, or on the sink of the sender's side.
fn cost(run: &Run) -> Shown {
    let is_sink = run.cells.iter().all(|entry| entry.cell.link == Link::Sink);
    if is_sink { SENDER_SIDE_CPU } else { ENDS_CPU }
}

fn unit_of(cost: Shown) -> &'static str {
    if cost.metric == ENDS_CPU.metric {
        "ns per KiB, both ends"
    } else {
        "ns per KiB, sender-side cost"
    }
}

/// The main figure: what a KiB costs the sender, the receiver, both and the machine, at the fewest threads.
pub(super) fn cpu_cost(run: &Run) -> Drawing {
    let across = Across::Size;
    let fewest = run.cells.threads().first().copied().unwrap_or(1);
    let here = run.only(|cell| cell.threads.get() == fewest);
    // One group: what else the plan varies is in the figure with a panel for each.
    let (groups, _) = first_groups(here.cells.groups(across), 1);
    let cost = cost(run);
    let shown: &[(Shown, &str)] = if cost.metric == ENDS_CPU.metric {
        &[
            (ENDS_CPU, "Both ends"),
            (MACHINE_CPU, "Machine"),
            (SENDER_CPU, "Sender"),
            (RECEIVER_CPU, "Receiver"),
        ]
    } else {
        &[(SENDER_SIDE_CPU, "Sender's side"), (SENDER_CPU, "Sending threads alone")]
    };
    let mut panels: Vec<Plot> = Vec::new();
    let mut notes: Vec<String> = Vec::new();
    let mut keys: Vec<Key> = Vec::new();
    for (shown, title) in shown.iter().copied() {
        let mut plots = with_figures(plots(&here, &groups, across, shown, Upright::Log));
        if plots.is_empty() {
            notes.push(format!(
                "{} is absent: {}",
                title.to_lowercase(),
                reason(&here.cells, shown.metric)
            ));
        }
        for plot in &mut plots {
            plot.title = title.to_owned();
            if let (true, Some(group)) = (shown.metric == cost.metric, groups.first()) {
                break_even(run, group, shown.metric, plot);
                keys.extend(break_even_key(plot));
            }
        }
        panels.extend(plots);
    }
    let y = Upright::Log.axis("", &panels);
    for plot in &mut panels {
        plot.y = Axis { label: plot.y.label.clone(), ..y.clone() };
    }
    let name = groups.first().map_or_else(String::new, Group::title);
    let reading = groups
        .first()
        .and_then(|g| wording::ends(g, &run.paths, across, cost.metric, unit_of(cost)));
    Drawing {
        name: "cpu-cost-over-size",
        title: format!("CPU cost a KiB over message size, {name}"),
        lead: LEAD.to_owned(),
        notice: if panels.is_empty() {
            absent("CPU cost could not be drawn", vec![reason(&run.cells, cost.metric)])
        } else {
            None
        },
        reading: reading.unwrap_or_else(|| "No cell of this group has CPU figures.".to_owned()),
        keys,
        panels,
        columns: 2,
        notes,
        ..Drawing::default()
    }
}

/// What a KiB costs both ends, one panel a thread count; nothing where the main figure shows all.
pub(super) fn cpu_cost_by_group(run: &Run) -> Option<Drawing> {
    let across = Across::Size;
    let groups = run.cells.groups(across);
    if groups.len() < 2 {
        return None;
    }
    let (groups, more) = first_groups(groups, MOST_PANELS);
    let cost = cost(run);
    let mut panels = plots(run, &groups, across, cost, Upright::Log);
    let mut keys: Vec<Key> = Vec::new();
    for (plot, group) in panels.iter_mut().zip(&groups) {
        break_even(run, group, cost.metric, plot);
        keys.extend(break_even_key(plot));
    }
    keys.dedup_by(|a, b| a.text == b.text);
    let panels = with_figures(panels);
    let reading = groups
        .iter()
        .rev()
        .find_map(|g| wording::ends(g, &run.paths, across, cost.metric, unit_of(cost)));
    Some(Drawing {
        name: "cpu-cost-by-threads",
        title: if cost.metric == ENDS_CPU.metric {
            "CPU cost a KiB of both ends, group by group".to_owned()
        } else {
            "Sender-side cost a KiB, group by group".to_owned()
        },
        lead: LEAD.to_owned(),
        notice: if panels.is_empty() {
            absent("CPU cost could not be drawn", vec![reason(&run.cells, cost.metric)])
        } else {
            None
        },
        reading: reading.unwrap_or_else(|| "No cell has CPU figures.".to_owned()),
        keys,
        panels,
        columns: 2,
        notes: [more, wording::oversubscribed(&groups)].into_iter().flatten().collect(),
        ..Drawing::default()
    })
}

/// Where paths break even in this group, as areas and in words.
pub(super) fn break_even(run: &Run, group: &Group, metric: Metric, plot: &mut Plot) {
    let here = |crossover: &&Crossover| {
        crossover.metric == metric
            && super::ratios::is_crossover_of(crossover, &run.paths)
            && group.is_named(&crossover.shared, Across::Size)
    };
    for crossover in run.summary.explained.crossovers.iter().filter(here) {
        let better = if metric == Metric::GoodputGbps { "faster" } else { "cheaper" };
        let words = format!(
            "{}{}",
            figure_text::outcome(&crossover.outcome),
            figure_text::untold(crossover)
        );
        plot.remarks.push(format!(
            "{} {better} than {}: {words}",
            crossover.contrast.value, crossover.contrast.against
        ));
        let path = crossover.contrast.value.parse().unwrap_or(model::SendPath::A1);
        plot.areas.extend(place(&crossover.outcome).map(|x| Area {
            kind: AreaKind::BreakEven(Look::of(path)),
            x: Some(x),
            y: None,
        }));
    }
}

/// From where to where a break-even may lie; nothing where there is none.
pub(super) fn place(outcome: &CrossoverOutcome) -> Option<[f64; 2]> {
    match *outcome {
        CrossoverOutcome::At { low, high, .. }
        | CrossoverOutcome::Until { low, high, .. }
        | CrossoverOutcome::Bracket { low, high }
        | CrossoverOutcome::UntilBracket { low, high } => Some([low, high]),
        CrossoverOutcome::Always
        | CrossoverOutcome::Never
        | CrossoverOutcome::Alike
        | CrossoverOutcome::Undecided => None,
    }
}

/// The key of [`break_even`] where the plot has an area.
pub(super) fn break_even_key(plot: &Plot) -> Option<Key> {
    plot.areas.iter().find(|area| matches!(area.kind, AreaKind::BreakEven(_))).map(|area| Key {
        shape: KeyShape::Area(area.kind),
        text: "break-even, in the colour of the first path".to_owned(),
    })
}
