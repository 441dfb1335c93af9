//! Goodput, CPU cost and context switches: estimates over size or threads.

use analysis::metric::Metric;
use analysis::results::CellEstimates;
use model::{Bytes, Measured};

use super::captions::{break_even, break_even_key};
use super::groups::{Across, Cells, Group};
use super::run::{MOST_PANELS, Run, first_groups, notice_without, share_upright, with_figures};
use super::wording;
use crate::drawing::axes::Axis;
use crate::drawing::description::{Area, AreaKind, Description, Key, KeyShape, Plot};
use crate::words::line_rate::bound;

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
const SENDER_HOST_CPU: Shown = Shown {
    metric: Metric::SenderHostCpuNsPerKib,
    label: "busy time of its CPUs in use, ns per KiB",
    unit: "ns per KiB",
};
const RECEIVER_HOST_CPU: Shown =
    Shown { metric: Metric::ReceiverHostCpuNsPerKib, ..SENDER_HOST_CPU };
const SWITCHES: Shown = Shown {
    metric: Metric::ContextSwitchesPerS,
    label: "context switches of both ends per second",
    unit: "per second",
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
        let all = || plots.iter().flat_map(Plot::heights);
        let means =
            || plots.iter().flat_map(|plot| &plot.series).flat_map(|s| &s.points).map(|p| p.y);
        let least = means().fold(f64::INFINITY, f64::min);
        let most = means().fold(0.0, f64::max);
        // An interval that reaches down to almost nothing, or far above all figures, must not squeeze everything else.
        let floor = least / 10.0;
        let ceiling = if most > 0.0 { most * 3.0 } else { f64::INFINITY };
        match self {
            Self::Log => Axis::ratios(label, all().map(|value| value.max(floor))),
            Self::Fitting if least > 0.0 && most / least >= 20.0 => {
                Axis::ratios(label, all().map(|value| value.max(floor)))
            }
            Self::Zero | Self::Fitting => {
                Axis::from_zero(label, all().map(|value| value.min(ceiling)))
            }
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
    let x = run.cells.axis(across);
    let mut plots: Vec<Plot> = groups
        .iter()
        .map(|group| Plot {
            title: if across == Across::Threads { group.name.clone() } else { group.title() },
            remarks: Vec::new(),
            x: x.clone(),
            y: Axis::unset(shown.label),
            areas: match across {
                Across::Size | Across::WorkingSet => Vec::new(),
                Across::Threads => oversubscribed_area(run, group),
            },
            guides: Vec::new(),
            series: group.series(&run.cells, &run.drawn, across, shown.metric, shown.unit),
        })
        .collect();
    if upright == Upright::Log {
        plots.iter_mut().for_each(above_0);
    }
    let y = upright.axis(shown.label, &plots);
    share_upright(&mut plots, &y);
    plots
}

/// Thread counts at which more threads are busy than there are CPUs, as an area.
pub(super) fn oversubscribed_area(run: &Run, group: &Group) -> Vec<Area> {
    let entries = || run.drawn.iter().flat_map(|path| group.of_path(*path, Across::Threads));
    let threads = |entry: &CellEstimates| f64::from(entry.cell.threads.get());
    let first =
        entries().filter(|e| e.oversubscribed.is_so()).map(threads).fold(f64::INFINITY, f64::min);
    let before = entries().filter(|e| !e.oversubscribed.is_so()).map(threads).fold(0.0, f64::max);
    if !first.is_finite() {
        return Vec::new();
    }
    // Its edge lies between the two counts; beyond the axis' end it lies at it.
    let edge = if before > 0.0 { (first * before).sqrt() } else { 0.0 };
    vec![Area { kind: AreaKind::Oversubscribed, x: Some([edge, f64::MAX]), y: None }]
}

/// The key of [`oversubscribed_area`] where a panel has it.
pub(super) fn oversubscribed_key(plots: &[Plot]) -> Option<Key> {
    let is_there =
        plots.iter().flat_map(|plot| &plot.areas).any(|a| a.kind == AreaKind::Oversubscribed);
    is_there.then(|| Key {
        shape: KeyShape::Area(AreaKind::Oversubscribed),
        text: "more busy threads than CPUs".to_owned(),
    })
}

/// One metric, one panel a group.
pub(super) fn one_metric(
    run: &Run,
    name: &'static str,
    across: Across,
    shown: Shown,
    upright: Upright,
) -> Description {
    let (groups, more) = first_groups(run.cells.groups(across), MOST_PANELS);
    let panels = with_figures(plots(run, &groups, across, shown, upright));
    let reading = groups
        .iter()
        .find_map(|group| wording::ends(group, &run.drawn, across, shown.metric, shown.unit));
    let oversubscribed = match across {
        Across::Size | Across::WorkingSet => wording::oversubscribed(&groups),
        // There it is an area of the panels.
        Across::Threads => None,
    };
    Description {
        name,
        lead: LEAD.to_owned(),
        notice: notice_without(&panels, "There is nothing to draw", || {
            reason(&run.cells, shown.metric)
        }),
        reading: reading.unwrap_or_else(|| "No cell has this figure.".to_owned()),
        keys: oversubscribed_key(&panels).into_iter().collect(),
        panels,
        notes: more.into_iter().chain(oversubscribed).collect(),
        ..Description::default()
    }
}

/// Paper's plot 1: goodput over size, one panel a thread count.
pub(super) fn goodput_over_size(run: &Run) -> Description {
    let across = run.cells.followed();
    let mut figure = one_metric(run, "goodput-over-size", across, GOODPUT, Upright::Log);
    line_rate(run, &mut figure, true);
    Description { title: format!("Goodput over {}", across.of_what()), ..figure }
}

/// The goodput at line rate as a line, where there is one and it lies near the figures: else they would be squeezed.
fn line_rate(run: &Run, figure: &mut Description, is_log: bool) {
    /// So many times the largest figure.
    const NEAR: f64 = 10.0;
    let Some(rate) = run.summary.line.as_ref().and_then(|line| line.rate.value()) else { return };
    let most = figure.panels.iter().flat_map(Plot::heights).fold(0.0, f64::max);
    let words = format!("goodput at line rate, {}", bound(rate));
    if figure.panels.is_empty() || rate.goodput_gbps > most * NEAR {
        figure.notes.push(format!("{words}: beyond the axis"));
        return;
    }
    let heights = figure.panels.iter().flat_map(Plot::heights).chain([rate.goodput_gbps]);
    let y = if is_log { Axis::ratios("", heights) } else { Axis::from_zero("", heights) };
    share_upright(&mut figure.panels, &y);
    for panel in &mut figure.panels {
        panel.guides.push(vec![[0.0, rate.goodput_gbps], [f64::MAX, rate.goodput_gbps]]);
    }
    figure.keys.push(Key { shape: KeyShape::Line, text: words });
}

/// Paper's plot 2: goodput over threads at 4 KiB, or at the size nearest to it.
pub(super) fn goodput_over_threads(run: &Run) -> Description {
    const WANTED: u64 = 4096;
    let size = run.cells.nearest_size(WANTED).unwrap_or(WANTED);
    let here = run.only(|cell| cell.message.bytes().0 == size);
    let mut figure =
        one_metric(&here, "goodput-over-threads", Across::Threads, GOODPUT, Upright::Zero);
    line_rate(run, &mut figure, false);
    figure.title = format!("Goodput over threads at {}", Bytes(size));
    if let [only] = figure.panels.as_mut_slice() {
        // The figure's own title says it.
        only.title.clear();
    }
    if size != WANTED {
        figure.notes.push(format!("4 KiB was not measured; {} is the nearest size", Bytes(size)));
    }
    if here.cells.threads().len() == 1 {
        let remedy = "one thread count was measured; --threads 1,2,4,8 shows how it scales";
        figure.notes.push(remedy.to_owned());
    }
    figure
}

/// Context switches over threads, one panel a size; of one thread count over size.
pub(super) fn context_switches(run: &Run) -> Description {
    if run.cells.threads().len() == 1 {
        let name = "context-switches-over-size";
        let across = run.cells.followed();
        let figure = one_metric(run, name, across, SWITCHES, Upright::Fitting);
        let title = format!("Context switches over {}", across.of_what());
        return Description { title, ..figure };
    }
    let name = "context-switches-over-threads";
    let figure = one_metric(run, name, Across::Threads, SWITCHES, Upright::Fitting);
    Description { title: "Context switches over threads".to_owned(), ..figure }
}

/// The cost of the run's link: of both ends, or without a receiver of the sender's side.
pub(super) fn cost(run: &Run) -> Shown {
    let has_receiver = run.cells.iter().any(|entry| entry.cell.link.has_receiver());
    if has_receiver { ENDS_CPU } else { SENDER_SIDE_CPU }
}

fn unit_of(cost: Shown) -> &'static str {
    if cost.metric == ENDS_CPU.metric {
        "ns per KiB, both ends"
    } else {
        "ns per KiB, sender-side cost"
    }
}

/// The main figure: what sender, receiver, both and the machine spend per KiB, at the fewest threads.
pub(super) fn cpu_cost(run: &Run) -> Description {
    let across = Across::Size;
    let fewest = run.cells.threads().first().copied().unwrap_or(1);
    let here = run.only(|cell| cell.threads.get() == fewest);
    // One group: what else the plan varies is in the figure with a panel for each.
    let (groups, _) = first_groups(here.cells.groups(across), 1);
    let cost = cost(run);
    let are_hosts_two = here.cells.iter().all(|it| it.cell.link.capabilities().has_peer_host);
    let shown: &[(Shown, &str)] = if cost.metric != ENDS_CPU.metric {
        &[(SENDER_SIDE_CPU, "Sender's side"), (SENDER_CPU, "Sending threads alone")]
    } else if are_hosts_two {
        // Each one's whole machine beside its end.
        &[
            (ENDS_CPU, "Both ends"),
            (MACHINE_CPU, "Both machines"),
            (SENDER_CPU, "Sender"),
            (RECEIVER_CPU, "Receiver"),
            (SENDER_HOST_CPU, "Sender's machine"),
            (RECEIVER_HOST_CPU, "Receiver's machine"),
        ]
    } else {
        &[
            (ENDS_CPU, "Both ends"),
            (MACHINE_CPU, "Machine"),
            (SENDER_CPU, "Sender"),
            (RECEIVER_CPU, "Receiver"),
        ]
    };
    let mut panels: Vec<Plot> = Vec::new();
    let mut notes: Vec<String> = Vec::new();
    for (shown, title) in shown.iter().copied() {
        let mut plots = with_figures(plots(&here, &groups, across, shown, Upright::Log));
        if plots.is_empty() {
            notes.push(format!("{title}: not drawn; {}", reason(&here.cells, shown.metric)));
        }
        for plot in &mut plots {
            plot.title = title.to_owned();
            if let (true, Some(group)) = (shown.metric == cost.metric, groups.first()) {
                break_even(run, group, shown.metric, plot);
            }
        }
        panels.extend(plots);
    }
    let y = Upright::Log.axis("", &panels);
    share_upright(&mut panels, &y);
    let name = groups.first().map_or_else(String::new, Group::title);
    let reading = groups
        .first()
        .and_then(|g| wording::ends(g, &run.drawn, across, cost.metric, unit_of(cost)));
    Description {
        name: "cpu-cost-over-size",
        title: format!("CPU cost per KiB over message size, {name}"),
        lead: LEAD.to_owned(),
        notice: notice_without(&panels, "CPU cost could not be drawn", || {
            reason(&run.cells, cost.metric)
        }),
        reading: reading.unwrap_or_else(|| "No cell of this group has CPU figures.".to_owned()),
        keys: break_even_key(&panels).into_iter().collect(),
        panels,
        notes,
        ..Description::default()
    }
}

/// What both ends spend per KiB, one panel a thread count; nothing where the main figure shows all.
pub(super) fn cpu_cost_by_group(run: &Run) -> Option<Description> {
    let across = Across::Size;
    let groups = run.cells.groups(across);
    if groups.len() < 2 {
        return None;
    }
    let (groups, more) = first_groups(groups, MOST_PANELS);
    let cost = cost(run);
    let mut panels = plots(run, &groups, across, cost, Upright::Log);
    for (plot, group) in panels.iter_mut().zip(&groups) {
        break_even(run, group, cost.metric, plot);
    }
    let panels = with_figures(panels);
    let reading = groups
        .iter()
        .rev()
        .find_map(|g| wording::ends(g, &run.drawn, across, cost.metric, unit_of(cost)));
    Some(Description {
        name: "cpu-cost-by-threads",
        title: if cost.metric == ENDS_CPU.metric {
            "CPU cost per KiB of both ends, group by group".to_owned()
        } else {
            "Sender-side cost per KiB, group by group".to_owned()
        },
        lead: LEAD.to_owned(),
        notice: notice_without(&panels, "CPU cost could not be drawn", || {
            reason(&run.cells, cost.metric)
        }),
        reading: reading.unwrap_or_else(|| "No cell has CPU figures.".to_owned()),
        keys: break_even_key(&panels).into_iter().collect(),
        panels,
        notes: [more, wording::oversubscribed(&groups)].into_iter().flatten().collect(),
        ..Description::default()
    })
}
