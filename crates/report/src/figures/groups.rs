//! Which cells share a panel, and what it is called.

use std::collections::BTreeSet;

use analysis::metric::Metric;
use analysis::summary::{CellEstimates, Estimate, Summary};
use model::{Bytes, Cell, Factor, Measured, SendPath};

use super::drawing::{Point, Series};
use super::look::{Look, path_name};
use crate::numbers::{counted, level};

/// What lies across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Across {
    /// Message sizes.
    Size,
    /// Thread counts.
    Threads,
}

impl Across {
    const fn factor(self) -> Factor {
        match self {
            Self::Size => Factor::Message,
            Self::Threads => Factor::Threads,
        }
    }

    /// A cell's place.
    pub(super) fn of(self, cell: &Cell) -> f64 {
        match self {
            Self::Size => super::axes::as_f64(cell.message.bytes().0),
            Self::Threads => f64::from(cell.threads.get()),
        }
    }
}

/// The run's cells without controls, and which factors tell them apart.
pub(super) struct Cells<'a> {
    entries: Vec<&'a CellEstimates>,
    varied: Vec<Factor>,
}

/// Cells that differ only in path and in what lies across.
pub(super) struct Group<'a> {
    /// What they share and others do not: `1 thread`.
    pub(super) name: String,
    /// Whether all of them keep more threads busy than there are CPUs.
    pub(super) oversubscribed: bool,
    key: String,
    entries: Vec<&'a CellEstimates>,
}

impl<'a> Cells<'a> {
    /// The cells of a run that answer questions, as far as they are kept.
    pub(super) fn of(summary: &'a Summary, keep: impl Fn(&Cell) -> bool) -> Self {
        let asked = summary.estimates.iter().filter(|entry| !entry.control);
        let entries: Vec<&CellEstimates> = asked.filter(|entry| keep(&entry.cell)).collect();
        let own = [Factor::Send, Factor::Message, Factor::Threads];
        let varied = Factor::ALL.iter().copied().filter(|factor| {
            let values: BTreeSet<String> =
                entries.iter().map(|entry| entry.cell.get(*factor)).collect();
            values.len() > 1 && !own.contains(factor)
        });
        let varied = varied.collect();
        Self { entries, varied }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every cell.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a CellEstimates> + '_ {
        self.entries.iter().copied()
    }

    /// The send paths, in the order of the study.
    pub(super) fn paths(&self) -> Vec<SendPath> {
        let measured: BTreeSet<SendPath> =
            self.entries.iter().map(|entry| entry.cell.send_path).collect();
        measured.into_iter().collect()
    }

    /// The message sizes, ascending.
    pub(super) fn sizes(&self) -> Vec<u64> {
        let sizes: BTreeSet<u64> =
            self.entries.iter().map(|entry| entry.cell.message.bytes().0).collect();
        sizes.into_iter().collect()
    }

    /// The thread counts, ascending.
    pub(super) fn threads(&self) -> Vec<u32> {
        let threads: BTreeSet<u32> =
            self.entries.iter().map(|entry| entry.cell.threads.get()).collect();
        threads.into_iter().collect()
    }

    /// The measured size nearest to one that was asked for, on the logarithm; the smaller of two.
    pub(super) fn nearest_size(&self, wanted: u64) -> Option<u64> {
        let far = |size: u64| (super::axes::as_f64(size) / super::axes::as_f64(wanted)).ln().abs();
        self.sizes().into_iter().min_by(|a, b| far(*a).total_cmp(&far(*b)))
    }

    /// The measured thread count nearest to one that was asked for, likewise.
    pub(super) fn nearest_threads(&self, wanted: u32) -> Option<u32> {
        let far = |threads: u32| (f64::from(threads) / f64::from(wanted)).ln().abs();
        self.threads().into_iter().min_by(|a, b| far(*a).total_cmp(&far(*b)))
    }

    /// Only the cells that a test lets through; which factors are varied stays as it is.
    pub(super) fn only(&self, keep: impl Fn(&Cell) -> bool) -> Self {
        Self {
            entries: self.entries.iter().copied().filter(|entry| keep(&entry.cell)).collect(),
            varied: self.varied.clone(),
        }
    }

    /// The groups, in the order of the plan.
    pub(super) fn groups(&self, across: Across) -> Vec<Group<'a>> {
        let mut groups: Vec<Group> = Vec::new();
        for entry in &self.entries {
            let key = shared_key(&entry.cell, across);
            match groups.iter_mut().find(|group| group.key == key) {
                Some(group) => {
                    group.oversubscribed &= entry.oversubscribed;
                    group.entries.push(entry);
                }
                None => groups.push(Group {
                    name: self.name(&entry.cell, across),
                    oversubscribed: entry.oversubscribed,
                    key,
                    entries: vec![entry],
                }),
            }
        }
        groups
    }

    /// What a cell shares with its group, in words.
    fn name(&self, cell: &Cell, across: Across) -> String {
        let mut name = match across {
            Across::Size => counted(cell.threads.get(), "thread", "threads"),
            Across::Threads => cell.message.bytes().to_string(),
        };
        for factor in &self.varied {
            name.push_str(&format!(", {}={}", factor.id_key(), cell.get(*factor)));
        }
        name
    }

    /// A cell in words: `sendmsg, 4 KiB, 1 thread`.
    pub(super) fn cell_name(&self, cell: &Cell) -> String {
        let size = Bytes(cell.message.bytes().0);
        format!("{}, {size}, {}", cell.send_path, self.name(cell, Across::Size))
    }
}

/// What a cell shares with its group, as text that is equal for equal groups.
fn shared_key(cell: &Cell, across: Across) -> String {
    let shared = Factor::ALL
        .iter()
        .filter(|factor| **factor != Factor::Send && **factor != across.factor())
        .map(|factor| cell.get(*factor));
    shared.collect::<Vec<_>>().join(" ")
}

impl<'a> Group<'a> {
    /// Whether id text such as `threads=1` names what this group shares.
    pub(super) fn is_named(&self, shared: &model::Shared, across: Across) -> bool {
        shared_key(shared.cell(), across) == self.key
    }

    /// Whether a cell belongs to it.
    pub(super) fn holds(&self, cell: &Cell, across: Across) -> bool {
        shared_key(cell, across) == self.key
    }

    /// Its name, and whether it is oversubscribed.
    pub(super) fn title(&self) -> String {
        if self.oversubscribed {
            format!("{}, oversubscribed", self.name)
        } else {
            self.name.clone()
        }
    }

    /// The cells of one path, ascending in what lies across.
    pub(super) fn of_path(&self, path: SendPath, across: Across) -> Vec<&'a CellEstimates> {
        let mut entries: Vec<_> =
            self.entries.iter().copied().filter(|entry| entry.cell.send_path == path).collect();
        entries.sort_by(|a, b| across.of(&a.cell).total_cmp(&across.of(&b.cell)));
        entries
    }

    /// One series a path of one metric.
    pub(super) fn series(
        &self,
        cells: &Cells,
        paths: &[SendPath],
        across: Across,
        metric: Metric,
        unit: &str,
    ) -> Vec<Series> {
        let series = paths.iter().map(|path| {
            let mut series = Series::new(path.name().to_owned(), path_name(*path), Look::of(*path));
            let mut after_gap = false;
            for entry in self.of_path(*path, across) {
                let Some(estimate) = entry.metrics.get(&metric).and_then(Measured::value) else {
                    after_gap = true;
                    continue;
                };
                let name = cells.cell_name(&entry.cell);
                series.points.push(point(across.of(&entry.cell), estimate, after_gap, &name, unit));
                after_gap = false;
            }
            series
        });
        series.collect()
    }
}

/// An estimate at its place.
pub(super) fn point(x: f64, estimate: &Estimate, after_gap: bool, name: &str, unit: &str) -> Point {
    let trials = counted(estimate.trials, "trial", "trials");
    Point {
        x,
        y: estimate.mean,
        interval: estimate.low.zip(estimate.high).map(|(low, high)| [low, high]),
        after_gap,
        says: format!("{name}: {} {unit}, {trials}", level(estimate)),
    }
}

/// Every figure of some series, interval ends included, for an axis that holds them all.
pub(super) fn heights<'s>(series: impl Iterator<Item = &'s Series>) -> impl Iterator<Item = f64> {
    series.flat_map(|series| &series.points).flat_map(|point| {
        [Some(point.y), point.interval.map(|[low, _]| low), point.interval.map(|[_, high]| high)]
            .into_iter()
            .flatten()
    })
}
