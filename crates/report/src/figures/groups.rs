//! Which cells share a panel, and what it is called.

use std::collections::BTreeSet;

use analysis::metric::Metric;
use analysis::results::CellEstimates;
use analysis::summary::Summary;
use model::{Bytes, Cell, Factor, Measured, ReceivePath, SendPath, Shared};

use crate::drawing::axes::{Axis, as_f64};
use crate::drawing::description::Series;
use crate::drawing::looks::DrawnPath;
use crate::numbers::{counted, level};

/// What lies across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Across {
    /// Message sizes.
    Size,
    /// Thread counts.
    Threads,
    /// What the senders' rings hold together.
    WorkingSet,
}

impl Across {
    const fn factor(self) -> Factor {
        match self {
            Self::Size => Factor::Message,
            Self::Threads => Factor::Threads,
            Self::WorkingSet => Factor::Ring,
        }
    }

    /// A cell's place.
    pub(super) fn place(self, cell: &Cell) -> f64 {
        match self {
            Self::Size => as_f64(cell.message.bytes().0),
            Self::Threads => f64::from(cell.threads.get()),
            Self::WorkingSet => as_f64(cell.ring_payload_bytes()),
        }
    }

    /// In words: what the figure is over.
    pub(super) const fn of_what(self) -> &'static str {
        match self {
            Self::Size => "message size",
            Self::Threads => "threads",
            Self::WorkingSet => "working set",
        }
    }

    /// The name of a cell's place.
    pub(super) fn name(self, cell: &Cell) -> String {
        match self {
            Self::Size => cell.message.bytes().to_string(),
            Self::Threads => counted(cell.threads.get(), "thread", "threads"),
            Self::WorkingSet => Bytes(cell.ring_payload_bytes()).to_string(),
        }
    }
}

#[derive(Clone)]
/// The run's cells without controls, and which factors tell them apart.
pub(super) struct Cells<'a> {
    entries: Vec<&'a CellEstimates>,
    varied: Vec<Factor>,
    /// Whose values are series: the paths that more of vary, sending ones of as many.
    drawn: Factor,
}

/// Cells that differ only in path and in what lies across.
pub(super) struct Group<'a> {
    /// What they share and others do not: `1 thread`.
    pub(super) name: String,
    /// Whether all of them keep more threads busy than there are CPUs.
    pub(super) oversubscribed: bool,
    key: String,
    drawn: Factor,
    entries: Vec<&'a CellEstimates>,
}

impl<'a> Cells<'a> {
    /// The cells of a run without its controls, as far as they are kept.
    pub(super) fn new(summary: &'a Summary, keep: impl Fn(&Cell) -> bool) -> Self {
        let asked = summary.estimates.iter().filter(|entry| !entry.control);
        let entries: Vec<&CellEstimates> = asked.filter(|entry| keep(&entry.cell)).collect();
        let sending: BTreeSet<SendPath> =
            entries.iter().map(|entry| entry.cell.send_path).collect();
        let receiving: BTreeSet<ReceivePath> =
            entries.iter().map(|entry| entry.cell.receive_path).collect();
        let drawn = if receiving.len() > sending.len() { Factor::Recv } else { Factor::Send };
        Self::drawn_by(entries, drawn)
    }

    /// The same, with sending paths as series.
    pub(super) fn by_send_path(&self) -> Self {
        Self::drawn_by(self.entries.clone(), Factor::Send)
    }

    fn drawn_by(entries: Vec<&'a CellEstimates>, drawn: Factor) -> Self {
        let own = [drawn, Factor::Message, Factor::Threads];
        let varied = Factor::ALL.iter().copied().filter(|factor| {
            let values: BTreeSet<String> =
                entries.iter().map(|entry| entry.cell.get(*factor)).collect();
            values.len() > 1 && !own.contains(factor)
        });
        let varied = varied.collect();
        Self { entries, varied, drawn }
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

    /// The factor whose values are series.
    pub(super) const fn drawn_factor(&self) -> Factor {
        self.drawn
    }

    /// The paths that are series, in the order of the study.
    pub(super) fn drawn(&self) -> Vec<DrawnPath> {
        let drawn = |entry: &&CellEstimates| DrawnPath::of(&entry.cell, self.drawn);
        let drawn: BTreeSet<DrawnPath> = self.entries.iter().map(drawn).collect();
        drawn.into_iter().collect()
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

    /// What the rings hold, ascending.
    pub(super) fn working_sets(&self) -> Vec<u64> {
        let sets: BTreeSet<u64> =
            self.entries.iter().map(|entry| entry.cell.ring_payload_bytes()).collect();
        sets.into_iter().collect()
    }

    /// What lies across where nothing else is asked for: message sizes, or what the rings hold where those are followed at one size.
    pub(super) fn followed(&self) -> Across {
        let follows_rings = self.sizes().len() == 1 && self.follows_rings();
        if follows_rings { Across::WorkingSet } else { Across::Size }
    }

    /// Whether so many rings were measured that they make a curve.
    pub(super) fn follows_rings(&self) -> bool {
        const FEWEST: usize = 3;
        let rings: BTreeSet<_> = self.entries.iter().map(|entry| entry.cell.ring).collect();
        rings.len() >= FEWEST
    }

    /// The axis across.
    pub(super) fn axis(&self, across: Across) -> Axis {
        match across {
            Across::Size => Axis::sizes(&self.sizes()),
            Across::Threads => Axis::threads(&self.threads()),
            Across::WorkingSet => Axis::bytes("bytes in the senders’ rings", &self.working_sets()),
        }
    }

    /// The measured size nearest to one that was asked for, on the logarithm; the smaller of two.
    pub(super) fn nearest_size(&self, wanted: u64) -> Option<u64> {
        let far = |size: u64| (as_f64(size) / as_f64(wanted)).ln().abs();
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
            drawn: self.drawn,
        }
    }

    /// The groups, in the order of the plan.
    pub(super) fn groups(&self, across: Across) -> Vec<Group<'a>> {
        let mut groups: Vec<Group> = Vec::new();
        for entry in &self.entries {
            let key = shared_key(&entry.cell, self.drawn, across);
            match groups.iter_mut().find(|group| group.key == key) {
                Some(group) => {
                    group.oversubscribed &= entry.oversubscribed.is_so();
                    group.entries.push(entry);
                }
                None => groups.push(Group {
                    name: self.name(&entry.cell, across),
                    oversubscribed: entry.oversubscribed.is_so(),
                    key,
                    drawn: self.drawn,
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
            Across::WorkingSet => format!(
                "{}, {}",
                cell.message.bytes(),
                counted(cell.threads.get(), "thread", "threads")
            ),
        };
        for factor in self.varied.iter().filter(|factor| **factor != across.factor()) {
            name.push_str(&format!(", {}={}", factor.id_key(), cell.get(*factor)));
        }
        name
    }

    /// A cell in words: `sendmsg, 4 KiB, 1 thread`.
    pub(super) fn cell_name(&self, cell: &Cell) -> String {
        let size = Bytes(cell.message.bytes().0);
        let path = DrawnPath::of(cell, self.drawn).name();
        format!("{path}, {size}, {}", self.name(cell, Across::Size))
    }
}

/// What a cell shares with its group, as text that is equal for equal groups.
fn shared_key(cell: &Cell, drawn: Factor, across: Across) -> String {
    let shared = Factor::ALL
        .iter()
        .filter(|factor| **factor != drawn && **factor != across.factor())
        .map(|factor| cell.get(*factor));
    shared.collect::<Vec<_>>().join(" ")
}

impl<'a> Group<'a> {
    /// Whether this is what the group shares.
    pub(super) fn is_named(&self, shared: &Shared, across: Across) -> bool {
        shared_key(shared.cell(), self.drawn, across) == self.key
    }

    /// Its cells.
    pub(super) fn cells(&self) -> impl Iterator<Item = &'a Cell> + '_ {
        self.entries.iter().map(|entry| &entry.cell)
    }

    /// Whether a cell belongs to it.
    pub(super) fn holds(&self, cell: &Cell, across: Across) -> bool {
        shared_key(cell, self.drawn, across) == self.key
    }

    /// Its name, and whether it is oversubscribed.
    pub(super) fn title(&self) -> String {
        if self.oversubscribed {
            format!("{}, more threads than CPUs", self.name)
        } else {
            self.name.clone()
        }
    }

    /// The cells of one path, ascending in what lies across.
    pub(super) fn of_path(&self, path: DrawnPath, across: Across) -> Vec<&'a CellEstimates> {
        let mut entries: Vec<_> =
            self.entries.iter().copied().filter(|entry| path.is_of(&entry.cell)).collect();
        entries.sort_by(|a, b| across.place(&a.cell).total_cmp(&across.place(&b.cell)));
        entries
    }

    /// One series a path of one metric.
    pub(super) fn series(
        &self,
        cells: &Cells,
        paths: &[DrawnPath],
        across: Across,
        metric: Metric,
        unit: &str,
    ) -> Vec<Series> {
        let series = paths.iter().map(|path| {
            let mut series = Series::for_path(*path);
            for entry in self.of_path(*path, across) {
                let estimate = entry.metrics.get(&metric).and_then(Measured::value);
                series.add(across.place(&entry.cell), estimate, |estimate| {
                    let trials = counted(estimate.trials, "trial", "trials");
                    let name = cells.cell_name(&entry.cell);
                    format!("{name}: {} {unit}, {trials}", level(estimate))
                });
            }
            series
        });
        series.collect()
    }
}
