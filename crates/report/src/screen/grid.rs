//! The cells as a grid: rows by what blocks share, columns by path.

use std::collections::{BTreeMap, HashMap};

use analysis::estimate::Estimate;
use analysis::metric::Metric;
use analysis::results::CellEstimates;
use analysis::summary::Summary;
use model::{Bytes, CallsPerMessage, Cell, Factor, Mark, Measured, Plan, SendPath};

use super::{MOST_COLUMNS, estimate};
use crate::numbers::{counted, percent, short};
use crate::plain_table::{Group, Table, TableRow};
use crate::styled_text::{Line, Style};
use crate::words::figures::metric;
use crate::words::marks::void_because;

/// The two figures of the table.
const SHOWN: [(Metric, &str); 2] =
    [(Metric::GoodputGbps, "goodput Gbit/s"), (Metric::EndsCpuNsPerKib, BOTH_SIDES)];

/// The heading of the cost: on the sink it is another one.
pub(super) fn cost_heading<'a>(entries: impl Iterator<Item = &'a CellEstimates>) -> &'static str {
    let (mut sink, mut other) = (false, false);
    for entry in entries {
        sink |= !entry.cell.link.has_receiver();
        other |= entry.cell.link.has_receiver();
    }
    match (sink, other) {
        (true, false) => SENDER_SIDE,
        (true, true) => "CPU ns per KiB, both sides; sink: sender-side cost",
        (false, _) => BOTH_SIDES,
    }
}

const CYCLES: &str = "the sender's cycles per byte";
const BOTH_SIDES: &str = "CPU ns per KiB, both sides";
const SENDER_SIDE: &str = "sender-side cost, ns per KiB";

/// Whether no cell has its link's cost and some have cycles: then those stand for it, as of a table that counted them alone.
fn costs_cycles<'a>(mut entries: impl Iterator<Item = &'a CellEstimates>) -> bool {
    let mut cycles = false;
    let has_cost = entries.any(|entry| {
        cycles |= estimate(entry, Metric::SenderCyclesPerByte).is_some();
        estimate(entry, Metric::cost_on(entry.cell.link)).is_some()
    });
    !has_cost && cycles
}

/// What stands in a column for a cell: its link's own cost, or cycles.
fn shown(metric: Metric, entry: &CellEstimates, costs_cycles: bool) -> Metric {
    if metric != Metric::EndsCpuNsPerKib {
        metric
    } else if costs_cycles {
        Metric::SenderCyclesPerByte
    } else {
        Metric::cost_on(entry.cell.link)
    }
}

/// How cells are named on the screen: by what the plan varies.
pub(super) struct Naming {
    varied: Vec<Factor>,
}

impl Naming {
    /// The columns' name of a cell: its path, and what else varies within a block.
    pub(super) fn path(&self, cell: &Cell) -> String {
        let mut name = cell.send_path.to_string();
        for factor in self.others().filter(|factor| Factor::ALWAYS_WITHIN_BLOCK.contains(factor)) {
            if factor == Factor::Recv {
                name.push_str(&format!(" to {}", cell.receive_path));
            } else if !cell.is_default(factor) {
                name.push_str(&format!(" {}={}", factor.id_key(), cell.get(factor)));
            }
        }
        name
    }

    /// What its rows share: threads, and what else varies between blocks but the size.
    pub(super) fn group(&self, cell: &Cell) -> String {
        let mut name = counted(cell.threads.get(), "thread", "threads");
        for factor in self.beside_threads(cell) {
            let value = cell.get(factor);
            let named = format!("{}={value}", factor.id_key());
            name.push_str(", ");
            name.push_str(if factor == Factor::Link { &value } else { &named });
        }
        name
    }

    /// What beside threads names the group of a cell.
    pub(super) fn beside_threads(&self, cell: &Cell) -> impl Iterator<Item = Factor> + '_ {
        let between = |factor: &Factor| !Factor::ALWAYS_WITHIN_BLOCK.contains(factor);
        let link = cell.link;
        self.others().filter(between).filter(move |factor| factor.means_something_on(link))
    }

    fn others(&self) -> impl Iterator<Item = Factor> + '_ {
        let own =
            |factor: &Factor| matches!(factor, Factor::Send | Factor::Message | Factor::Threads);
        self.varied.iter().copied().filter(move |factor| !own(factor))
    }
}

/// Rows that share all but the size.
pub(super) struct RowGroup<'a> {
    pub(super) name: String,
    rows: Vec<(Bytes, Vec<Option<&'a CellEstimates>>)>,
}

impl<'a> RowGroup<'a> {
    /// The sizes, each with a cell for every column.
    pub(super) fn rows(&self) -> impl Iterator<Item = &(Bytes, Vec<Option<&'a CellEstimates>>)> {
        self.rows.iter()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &'a CellEstimates> + '_ {
        self.rows.iter().flat_map(|(_, cells)| cells.iter().flatten().copied())
    }

    /// One of the cells of a column.
    pub(super) fn cell_of(&self, column: usize) -> Option<&'a CellEstimates> {
        self.rows.iter().find_map(|(_, cells)| cells.get(column).copied().flatten())
    }
}

/// The cells without controls, in the plan's order.
pub(super) struct Grid<'a> {
    /// What differs from the defaults in every cell alike.
    pub(super) shared: String,
    pub(super) naming: Naming,
    columns: Vec<String>,
    groups: Vec<RowGroup<'a>>,
    paths: Vec<SendPath>,
}

/// The place of a name in a list, which it joins when it is new.
fn place<K: Clone + Eq + std::hash::Hash>(
    places: &mut HashMap<K, usize>,
    key: &K,
) -> (usize, bool) {
    let next = places.len();
    match places.get(key) {
        Some(place) => (*place, false),
        None => {
            places.insert(key.clone(), next);
            (next, true)
        }
    }
}

/// What stands below the table.
pub(super) struct GridNotes {
    /// What its signs mean; empty where it has none.
    legend: String,
    /// Cells without a figure, and why.
    absent: Vec<String>,
}

impl GridNotes {
    /// For the screen.
    pub(super) fn lines(self) -> Vec<Line> {
        let legend = Line::wrapped(2).and(Style::Faint, &self.legend);
        let absent = self.absent.iter().map(|text| {
            Line::wrapped(2).and(Style::Faint, "- not measured: ").and(Style::Plain, text)
        });
        (!self.legend.is_empty()).then_some(legend).into_iter().chain(absent).collect()
    }

    /// For other pages.
    pub(super) fn texts(self) -> Vec<String> {
        let absent = self.absent.into_iter().map(|text| format!("not measured: {text}"));
        (!self.legend.is_empty()).then_some(self.legend).into_iter().chain(absent).collect()
    }
}

impl<'a> Grid<'a> {
    pub(super) fn new(estimates: &'a [CellEstimates]) -> Self {
        let entries: Vec<&CellEstimates> =
            estimates.iter().filter(|entry| !entry.control).collect();
        let (naming, shared) = naming(&entries);
        let mut column_places = HashMap::new();
        let mut columns = Vec::new();
        let mut paths: Vec<SendPath> = Vec::new();
        for entry in &entries {
            let name = naming.path(&entry.cell);
            if place(&mut column_places, &name).1 {
                columns.push(name);
            }
            if !paths.contains(&entry.cell.send_path) {
                paths.push(entry.cell.send_path);
            }
        }
        let mut groups: Vec<RowGroup> = Vec::new();
        let mut group_places = HashMap::new();
        let mut row_places: HashMap<(usize, Bytes), usize> = HashMap::new();
        for entry in entries {
            let name = naming.group(&entry.cell);
            let (group, new) = place(&mut group_places, &name);
            if new {
                groups.push(RowGroup { name, rows: Vec::new() });
            }
            let Some(rows) = groups.get_mut(group).map(|group| &mut group.rows) else { continue };
            let size = entry.cell.message.bytes();
            let row = *row_places.entry((group, size)).or_insert_with(|| {
                rows.push((size, vec![None; columns.len()]));
                rows.len() - 1
            });
            let column = column_places.get(&naming.path(&entry.cell)).copied().unwrap_or(0);
            if let Some(cell) = rows.get_mut(row).and_then(|(_, cells)| cells.get_mut(column)) {
                *cell = Some(entry);
            }
        }
        Self { shared, naming, columns, groups, paths }
    }

    /// Rows of figures.
    pub(super) fn rows(&self) -> usize {
        self.groups.iter().map(|group| group.rows.len()).sum()
    }

    /// Columns of one metric.
    pub(super) fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Groups of rows that differ in more than the size, as far as they are compared: the sink's are not, beside another
    /// link's.
    pub(super) fn groups(&self) -> usize {
        let delivers = |group: &&RowGroup| {
            let mut cells = group.rows.iter().flat_map(|(_, cells)| cells.iter().flatten());
            cells.any(|entry| entry.cell.link.has_receiver())
        };
        match self.groups.iter().filter(delivers).count() {
            0 => self.groups.len(),
            delivering => delivering,
        }
    }

    pub(super) fn paths(&self) -> &[SendPath] {
        &self.paths
    }

    /// A long name stands above its rows, so that it widens no column.
    fn is_first_named_in_the_corner(&self) -> bool {
        const LONGEST: usize = 12;
        self.groups.first().is_none_or(|group| group.name.chars().count() <= LONGEST)
    }

    fn entries(&self) -> impl Iterator<Item = &'a CellEstimates> + '_ {
        self.groups.iter().flat_map(RowGroup::entries)
    }

    pub(super) fn groups_of_rows(&self) -> impl Iterator<Item = &RowGroup<'a>> {
        self.groups.iter()
    }

    /// The name of a column.
    pub(super) fn column(&self, index: usize) -> &str {
        self.columns.get(index).map_or("", String::as_str)
    }

    /// Whether its columns are too many to stand beside each other and would fill the screen with parts of a table.
    pub(super) fn has_many_paths(&self, width: usize) -> bool {
        let sizes = self.groups.iter().map(|group| group.rows.len()).max().unwrap_or(0);
        self.columns.len() > MOST_COLUMNS
            || (self.columns.len() > sizes && self.table().is_cut(width))
    }

    pub(super) fn table(&self) -> Table {
        let marks_imprecise = self.marks_imprecise();
        let costs_cycles = costs_cycles(self.entries());
        let mut rows = Vec::new();
        for (index, group) in self.groups.iter().enumerate() {
            if index > 0 || !self.is_first_named_in_the_corner() {
                rows.push(TableRow::Section(group.name.clone()));
            }
            for (size, cells) in &group.rows {
                let figures = SHOWN.iter().flat_map(|(metric, _)| {
                    cells.iter().map(move |cell| {
                        cell.map_or_else(String::new, |entry| {
                            figure(entry, shown(*metric, entry, costs_cycles), marks_imprecise)
                        })
                    })
                });
                rows.push(TableRow::Figures(size.to_string(), figures.collect()));
            }
        }
        let first = self
            .groups
            .first()
            .filter(|_| self.is_first_named_in_the_corner())
            .map_or_else(String::new, |group| group.name.clone());
        Table {
            corner: [first, "size".to_owned()],
            groups: SHOWN
                .iter()
                .map(|(metric, heading)| Group {
                    heading: if *metric != Metric::EndsCpuNsPerKib {
                        (*heading).to_owned()
                    } else if costs_cycles {
                        CYCLES.to_owned()
                    } else {
                        cost_heading(self.entries()).to_owned()
                    },
                    columns: self.columns.clone(),
                })
                .collect(),
            rows,
        }
    }

    /// What the signs in the table mean, and why figures are absent.
    pub(super) fn notes(&self, summary: &'a Summary, plan: &Plan) -> GridNotes {
        // What made an imported table's calls, and how many fields it had, nobody says.
        let is_known = summary.run.imported.is_empty();
        let mut legend = if is_known { self.calls() } else { Vec::new() };
        legend.extend(self.signs(&self.entries().collect::<Vec<_>>(), plan));
        GridNotes { legend: legend.join("; "), absent: self.absent(summary, self.entries()) }
    }

    /// What signs beside the figures of these cells mean.
    pub(super) fn signs(&self, entries: &[&CellEstimates], plan: &Plan) -> Vec<String> {
        let mut signs = Vec::new();
        if let Some(limit) = plan.level_precision()
            && self.marks_imprecise()
            && entries.iter().any(|entry| is_imprecise(entry))
        {
            signs.push(format!("~ not known to ±{}", percent(limit.0)));
        }
        if entries.iter().any(|entry| is_noted(entry)) {
            signs.push("* some trials are marked".to_owned());
        }
        signs
    }

    /// Which of these cells lack a figure, and why.
    pub(super) fn absent(
        &self,
        summary: &'a Summary,
        entries: impl Iterator<Item = &'a CellEstimates>,
    ) -> Vec<String> {
        let text = |(Absence { of, why }, cells): (Absence<'_>, Vec<&Cell>)| {
            let of = of.map(|of| format!("{} of ", metric(of))).unwrap_or_default();
            format!("{of}{} ({why})", self.named(&cells))
        };
        absences(summary, entries).into_iter().map(text).collect()
    }

    /// Whether imprecise cells are marked: where every one is, the mark would tell nothing.
    pub(super) fn marks_imprecise(&self) -> bool {
        self.entries().any(is_imprecise) && !self.entries().all(is_imprecise)
    }

    /// How many calls each path makes for a message of several fields; nothing where all make one.
    fn calls(&self) -> Vec<String> {
        let Some(most) = self.entries().map(|entry| entry.cell.fields.get()).max() else {
            return Vec::new();
        };
        let with = |calls: CallsPerMessage| -> Vec<String> {
            let paths = self.paths.iter().filter(|path| path.capabilities().calls == calls);
            paths.map(ToString::to_string).collect()
        };
        if most == 1 {
            return Vec::new();
        }
        let several = with(CallsPerMessage::OneAField);
        let in_runs = with(CallsPerMessage::OneARun);
        let of_runs = (!in_runs.is_empty()).then(|| {
            let makes = if in_runs.len() > 1 { "make" } else { "makes" };
            format!("{} {makes} a call for each run of short or long fields", in_runs.join(", "))
        });
        if several.is_empty() || several.len() == self.paths.len() {
            return of_runs.into_iter().collect();
        }
        let makes = if several.len() > 1 { "make" } else { "makes" };
        let several = several.join(", ");
        let of_runs = of_runs.map_or_else(String::new, |of_runs| format!(", {of_runs}"));
        vec![if self.entries().all(|entry| entry.cell.fields.get() == most) {
            format!(
                "{most} fields a message: {several} {makes} {most} calls{of_runs}, the others 1"
            )
        } else {
            format!("{several} {makes} a call for each field{of_runs}, the others 1")
        }]
    }

    /// `zerocopy at 64 B, 1 thread and 3 more cells`.
    fn named(&self, cells: &[&Cell]) -> String {
        let Some(first) = cells.first() else { return String::new() };
        if cells.len() > 1 && cells.len() == self.entries().count() {
            return "every cell".to_owned();
        }
        let name = format!(
            "{} at {}, {}",
            self.naming.path(first),
            first.message.bytes(),
            self.naming.group(first)
        );
        match cells.len() - 1 {
            0 => name,
            more => format!(
                "{name} and {}",
                counted(u32::try_from(more).unwrap_or(u32::MAX), "more cell", "more cells")
            ),
        }
    }

    /// The range of each path's figures, where a table would not fit a screen.
    pub(super) fn digest(&self, directory: &str) -> Vec<Line> {
        let rows = counted(u32::try_from(self.rows()).unwrap_or(u32::MAX), "row", "rows");
        let mut lines = vec![Line::wrapped(2).and(
            Style::Strong,
            format!(
                "The table has {rows} and is in {directory}/results.csv. In short, over all of it:"
            ),
        )];
        // Ranges over links that have nothing in common would say nothing: the sink's are left to the file.
        let delivers = self.entries().any(|entry| entry.cell.link.has_receiver());
        let cost = if delivers {
            "CPU {} ns per KiB, both sides"
        } else {
            "sender-side cost {} ns per KiB"
        };
        for (index, column) in self.columns.iter().enumerate().take(MOST_COLUMNS) {
            let cells: Vec<&CellEstimates> = self
                .groups
                .iter()
                .flat_map(|group| &group.rows)
                .filter_map(|(_, cells)| cells.get(index).copied().flatten())
                .filter(|entry| !delivers || entry.cell.link.has_receiver())
                .collect();
            let range = |metric: Metric| {
                let mut estimates: Vec<&Estimate> = cells
                    .iter()
                    .filter_map(|entry| estimate(entry, shown(metric, entry, false)))
                    .collect();
                estimates.sort_by(|a, b| a.mean.total_cmp(&b.mean));
                match (estimates.first(), estimates.last()) {
                    (Some(low), Some(high)) => {
                        format!("{} to {}", short(low.mean), short(high.mean))
                    }
                    (None, _) | (_, None) => "-".to_owned(),
                }
            };
            lines.push(Line::wrapped(4).and(
                Style::Plain,
                format!(
                    "{column}: goodput {} Gbit/s, {}",
                    range(Metric::GoodputGbps),
                    cost.replace("{}", &range(Metric::EndsCpuNsPerKib))
                ),
            ));
        }
        if let Some(more) = self.columns.len().checked_sub(MOST_COLUMNS).filter(|more| *more > 0) {
            let more = format!("{more} more columns in results.csv");
            lines.push(Line::wrapped(2).and(Style::Faint, more));
        }
        lines
    }
}

fn naming(entries: &[&CellEstimates]) -> (Naming, String) {
    let Some((first, rest)) = entries.split_first() else {
        return (Naming { varied: Vec::new() }, String::new());
    };
    let (varied, shared): (Vec<Factor>, Vec<Factor>) = Factor::ALL.iter().partition(|factor| {
        let value = first.cell.get(**factor);
        rest.iter().any(|entry| entry.cell.get(**factor) != value)
    });
    let named = |factor: &&Factor| {
        // These three stand in the table.
        !matches!(factor, Factor::Send | Factor::Message | Factor::Threads)
            && !first.cell.is_default(**factor)
    };
    let shared: Vec<String> = shared
        .iter()
        .filter(named)
        .map(|factor| format!("{}={}", factor.id_key(), first.cell.get(*factor)))
        .collect();
    (Naming { varied }, shared.join(" "))
}

fn is_imprecise(entry: &CellEstimates) -> bool {
    entry.precise == Measured::Value(false)
}

/// Whether trials of the cell are marked with more than what its thread count says anyway.
fn is_noted(entry: &CellEstimates) -> bool {
    entry.marks.keys().any(|mark| *mark != Mark::Oversubscribed)
}

pub(super) fn figure(entry: &CellEstimates, metric: Metric, marks_imprecise: bool) -> String {
    let Some(estimate) = estimate(entry, metric) else { return "-".to_owned() };
    let mut text = short(estimate.mean);
    if metric == Metric::GoodputGbps {
        text.push_str(if marks_imprecise && is_imprecise(entry) { "~" } else { "" });
        text.push_str(if is_noted(entry) { "*" } else { "" });
    }
    text
}

/// Why a cell has no trial at all.
const NOT_REACHED: &str = "not reached yet";
/// The same of an imported table.
const NOT_IN_TABLE: &str = "no row of the file is of this cell";

fn not_reached(summary: &Summary) -> &'static str {
    if summary.run.imported.is_empty() { NOT_REACHED } else { NOT_IN_TABLE }
}

/// What a cell lacks in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Absence<'a> {
    /// The figure; none where it lacks both.
    pub(super) of: Option<Metric>,
    /// Why.
    pub(super) why: &'a str,
}

/// Why figures of the table are absent, and of which cells.
pub(super) fn absences<'a>(
    summary: &'a Summary,
    entries: impl Iterator<Item = &'a CellEstimates>,
) -> BTreeMap<Absence<'a>, Vec<&'a Cell>> {
    let mut absent: BTreeMap<Absence<'_>, Vec<&Cell>> = BTreeMap::new();
    let entries: Vec<&CellEstimates> = entries.collect();
    let costs_cycles = costs_cycles(entries.iter().copied());
    for entry in entries {
        let missing: Vec<(Metric, &str)> = SHOWN
            .iter()
            .filter_map(|(metric, _)| {
                let metric = shown(*metric, entry, costs_cycles);
                match entry.metrics.get(&metric) {
                    Some(Measured::Value(_)) => None,
                    Some(Measured::Absent { absent }) => Some((metric, absent.as_str())),
                    None => Some((metric, "not in the summary")),
                }
            })
            .collect();
        if let Some((metric, reason)) = missing.first() {
            let of = Some(*metric).filter(|_| missing.len() < SHOWN.len());
            let why = match summary.run.without_valid_trial.get(&entry.cell.id()) {
                Some(_) if entry.void_trials == 0 => not_reached(summary),
                Some(why) => why,
                None => *reason,
            };
            absent.entry(Absence { of, why }).or_default().push(&entry.cell);
        }
    }
    absent
}

/// What stands where the table would: that there is nothing to show, and why.
pub(super) fn no_valid_trial(summary: &Summary) -> Vec<Line> {
    const MOST_REASONS: usize = 5;
    let mut reasons: BTreeMap<&str, u32> = BTreeMap::new();
    let mut void = false;
    for entry in summary.estimates.iter().filter(|entry| !entry.control) {
        let reason = match summary.run.without_valid_trial.get(&entry.cell.id()) {
            _ if entry.void_trials == 0 => not_reached(summary),
            Some(reason) => reason,
            None => "no reason is known",
        };
        void |= entry.void_trials > 0;
        *reasons.entry(reason).or_default() += 1;
    }
    let what = if void { "No valid trial" } else { "No trial yet" };
    let what = format!("{what}, so there is no figure to show.");
    let mut lines = vec![Line::wrapped(2).and(Style::Strong, what)];
    for (reason, cells) in reasons.iter().take(MOST_REASONS) {
        let cells = counted(*cells, "cell", "cells");
        lines.push(Line::wrapped(4).and(Style::Plain, format!("  {cells}: {reason}")));
    }
    if let Some(because) = void_because(summary).filter(|_| void) {
        lines.push(Line::wrapped(4).and(Style::Plain, format!("  Most: {because}.")));
    }
    if reasons.len() > MOST_REASONS {
        lines.push(
            Line::wrapped(4)
                .and(Style::Plain, "  more reasons in summary.json, run.without_valid_trial"),
        );
    }
    lines
}
