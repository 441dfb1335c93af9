//! The paper's claims that name figures, against the table that was imported: arithmetic on its own rows.
//!
//! A single row has no interval, so that no verdict follows from it; but where a study says one figure and its own table holds
//! another, that can be told without any.

use std::collections::BTreeMap;

use model::values::Threads;
use model::{Cell, Measured, SendPath};
use schemars::JsonSchema;
use serde::Serialize;

use crate::claims::{NEAR, PAPER_FALLS, PEAK, RANGES};
use crate::evidence::Evidence;
use crate::id::Id;
use crate::metric::Metric;
use crate::results::CellEstimates;

/// A claim and what the table gives.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TableCheck {
    /// `c1` … `c25`.
    pub id: Id,
    /// What the study says.
    pub says: Says,
    /// What the table says of it.
    pub agreement: TableVerdict,
    /// Rows, or pairs of rows, that it holds for or not.
    pub of: u32,
    /// Those that contradict it.
    pub contradicting: u32,
    /// Figures: of those that contradict it the furthest off, else of all; at most three.
    pub gives: Vec<Given>,
    /// Other cells that have the very figure that the study names.
    pub elsewhere: Vec<Given>,
}

/// Whether a table bears a claim out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TableVerdict {
    /// It says something else.
    Contradicts,
    /// It says the same.
    Agrees,
    /// It has no row that tells.
    NotInTable,
}

/// What the study says of its figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Says {
    /// A path carries more than another in every cell.
    CarriesMore {
        /// The path.
        path: SendPath,
        /// The other.
        against: SendPath,
        /// From this message size on, in bytes.
        from_bytes: u64,
    },
    /// Goodput grows with the message size.
    GrowsWithSize,
    /// Goodput grows near-linearly with threads, by at least this factor.
    ScalesBy {
        /// From so many threads.
        from: u32,
        /// To so many.
        to: u32,
        /// Message size in bytes.
        bytes: u64,
        /// The least factor that counts as near-linear.
        least: f64,
    },
    /// More threads carry less, by this share.
    Falls {
        /// On this path.
        path: SendPath,
        /// By this share.
        share: f64,
    },
    /// This many threads carry most at the largest size.
    MostAt {
        /// Threads.
        threads: u32,
    },
    /// Cache misses of a path peak at a size.
    MissesPeakAt {
        /// The path.
        path: SendPath,
        /// Message size in bytes.
        bytes: u64,
    },
    /// The last level of cache loses the largest share of its misses.
    LastLevelLosesMost,
    /// Cycles per byte lie within a range.
    CyclesBetween {
        /// Message size in bytes.
        bytes: u64,
        /// Of this path with 8 threads alone, where the range is of a single figure.
        only: Option<SendPath>,
        /// The least.
        low: f64,
        /// The largest.
        high: f64,
    },
    /// A path takes the fewest cycles per byte.
    FewestCycles {
        /// The path.
        path: SendPath,
    },
    /// More threads lower the cycles per byte.
    MoreThreadsFewerCycles,
}

/// A figure of a cell, or of two that are compared.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Given {
    /// Of what.
    pub metric: Metric,
    /// The cell.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// Its figure.
    pub value: f64,
    /// What it is compared with.
    #[schemars(with = "Option<String>")]
    pub against: Option<Cell>,
    /// Its figure.
    pub against_value: Option<f64>,
}

impl Given {
    fn is_finite(&self) -> bool {
        let figures = [Some(self.value), self.against_value, Some(self.ratio())];
        figures.into_iter().flatten().all(f64::is_finite)
    }

    /// The first figure over the second; the first where there is no second.
    pub fn ratio(&self) -> f64 {
        self.against_value.map_or(self.value, |other| self.value / other)
    }
}

const GOODPUT: Metric = Metric::GoodputGbps;
const CYCLES: Metric = Metric::SenderCyclesPerByte;
const LARGE: u64 = 65_536;
/// A printed percentage is off by half a point, and what it was made of as much again.
const ROUNDING: f64 = 0.01;

/// Every claim that names figures; nothing of a run that copycost measured.
pub(crate) fn own_table(evidence: &Evidence<'_>) -> Vec<TableCheck> {
    if evidence.run.imported.is_empty() {
        return Vec::new();
    }
    let table = Rows(evidence.asked().collect());
    let (a1, a2, a3) = (SendPath::A1, SendPath::A2, SendPath::A3);
    let mut checks = vec![
        table.carries_more(4, a2, a1, 1),
        table.carries_more(6, a3, a1, 4096),
        table.grows_with_size(),
        table.scales_by(),
    ];
    checks.extend(PAPER_FALLS.map(|(path, share)| table.falls(path, share)));
    checks.extend([table.misses_peak(), table.last_level_loses_most()]);
    checks.extend(RANGES.map(|(bytes, of_eight, low, high)| {
        table.cycles_between(bytes, of_eight.then_some(a2), [low, high])
    }));
    checks.extend([table.fewest_cycles(a2), table.more_threads(), table.most_at(4)]);
    checks
}

/// The cells of a table.
struct Rows<'a>(Vec<&'a CellEstimates>);

fn value(estimates: &CellEstimates, metric: Metric) -> Option<f64> {
    estimates.metrics.get(&metric).and_then(Measured::value).map(|estimate| estimate.mean)
}

impl<'a> Rows<'a> {
    fn with(&self, metric: Metric) -> impl Iterator<Item = (&'a Cell, f64)> {
        self.0.iter().filter_map(move |row| Some((&row.cell, value(row, metric)?)))
    }

    fn of(&self, path: SendPath) -> impl Iterator<Item = &'a CellEstimates> {
        self.0.iter().copied().filter(move |row| row.cell.send_path == path)
    }

    fn at(&self, cell: &Cell, metric: Metric) -> Option<f64> {
        self.0.iter().find(|row| row.cell == *cell).and_then(|row| value(row, metric))
    }

    /// A cell against another one that is made of it, where both have the figure.
    fn pairs(&self, metric: Metric, other: impl Fn(&Cell) -> Option<Cell>) -> Vec<Given> {
        let pair = |(cell, value): (&Cell, f64)| {
            let against = other(cell)?;
            let against_value = Some(self.at(&against, metric)?);
            Some(Given { metric, cell: cell.clone(), value, against: Some(against), against_value })
        };
        self.with(metric).filter_map(pair).collect()
    }

    /// Cells that differ in a factor alone, by what they share; each family in the order of that factor.
    fn families(
        &self,
        metric: Metric,
        shared: impl Fn(&Cell) -> Cell,
    ) -> Vec<Vec<(&'a Cell, f64)>> {
        let mut families: BTreeMap<Cell, Vec<(&Cell, f64)>> = BTreeMap::new();
        for (cell, value) in self.with(metric) {
            families.entry(shared(cell)).or_default().push((cell, value));
        }
        families.into_values().collect()
    }

    fn carries_more(
        &self,
        number: usize,
        path: SendPath,
        against: SendPath,
        from_bytes: u64,
    ) -> TableCheck {
        let pairs = self.pairs(GOODPUT, |cell| {
            let is_it = cell.send_path == path && cell.message.bytes().0 >= from_bytes;
            is_it.then(|| Cell { send_path: against, ..cell.clone() })
        });
        let says = Says::CarriesMore { path, against, from_bytes };
        check(number, says, pairs, |given| given.ratio() > 1.0)
    }

    /// Each size against the next smaller one of its path and threads.
    fn grows_with_size(&self) -> TableCheck {
        let shared = |cell: &Cell| Cell { message: Cell::default().message, ..cell.clone() };
        let mut pairs = Vec::new();
        for mut family in self.families(GOODPUT, shared) {
            family.sort_by_key(|(cell, _)| cell.message);
            pairs.extend(neighbours(GOODPUT, &family));
        }
        check(9, Says::GrowsWithSize, pairs, |given| given.ratio() > 1.0)
    }

    fn scales_by(&self) -> TableCheck {
        let (from, to, bytes) = (1, 4, 4096);
        let pairs = self.pairs(GOODPUT, |cell| {
            let is_it = cell.message.bytes().0 == bytes && cell.threads.get() == to;
            is_it.then(|| Some(Cell { threads: Threads::new(from)?, ..cell.clone() })).flatten()
        });
        let least = f64::from(to / from) * NEAR;
        check(10, Says::ScalesBy { from, to, bytes, least }, pairs, |given| given.ratio() >= least)
    }

    fn falls(&self, path: SendPath, share: f64) -> TableCheck {
        let pairs = self.pairs(GOODPUT, |cell| {
            let is_it = cell.send_path == path
                && cell.message.bytes().0 == LARGE
                && cell.threads.get() == 8;
            is_it.then(|| Some(Cell { threads: Threads::new(4)?, ..cell.clone() })).flatten()
        });
        check(12, Says::Falls { path, share }, pairs, |given| {
            (1.0 - given.ratio() - share).abs() <= ROUNDING
        })
    }

    /// The count that carries most, of each path, against the count that is said to.
    fn most_at(&self, threads: u32) -> TableCheck {
        let largest = self.with(GOODPUT).map(|(cell, _)| cell.message).max();
        let shared = |cell: &Cell| Cell { threads: Threads::ONE, ..cell.clone() };
        let mut pairs = Vec::new();
        for mut family in self.families(GOODPUT, shared) {
            family.retain(|(cell, _)| Some(cell.message) == largest);
            let it = family.iter().position(|(cell, _)| cell.threads.get() == threads);
            let Some(it) = it.map(|place| family.remove(place)) else { continue };
            let best = family.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
            pairs.extend(best.map(|other| against(GOODPUT, it, other)));
        }
        check(24, Says::MostAt { threads }, pairs, |given| given.ratio() > 1.0)
    }

    /// Totals of cache misses at each thread count, as the study compared them: in runs of one length.
    fn misses_peak(&self) -> TableCheck {
        let (path, bytes) = (SendPath::A1, PEAK);
        let metric = Metric::SenderCacheMissesPerKib;
        let totals = self
            .of(path)
            .filter_map(|row| Some((&row.cell, *row.paper.cache_misses.value()? as f64)));
        let mut families: BTreeMap<Cell, Vec<(&Cell, f64)>> = BTreeMap::new();
        for (cell, total) in totals {
            let shared = Cell { message: Cell::default().message, ..cell.clone() };
            families.entry(shared).or_default().push((cell, total));
        }
        let mut pairs = Vec::new();
        for mut family in families.into_values() {
            let it = family.iter().position(|(cell, _)| cell.message.bytes().0 == bytes);
            let Some(it) = it.map(|place| family.remove(place)) else { continue };
            pairs.extend(family.into_iter().map(|other| against(metric, it, other)));
        }
        check(18, Says::MissesPeakAt { path, bytes }, pairs, |given| given.ratio() > 1.0)
    }

    /// The share of misses that sendmsg keeps, of the last level against each other level.
    fn last_level_loses_most(&self) -> TableCheck {
        let last = Metric::SenderLlcMissesPerKib;
        let kept = |cell: &Cell, metric: Metric| {
            let other = Cell { send_path: SendPath::A1, ..cell.clone() };
            Some(self.at(cell, metric)? / self.at(&other, metric)?)
        };
        let mut pairs = Vec::new();
        for row in self.of(SendPath::A2) {
            for level in Metric::CACHE_LEVELS.into_iter().filter(|level| *level != last) {
                if let (Some(of_last), Some(of_level)) =
                    (kept(&row.cell, last), kept(&row.cell, level))
                {
                    let against = Some(row.cell.clone());
                    let cell = row.cell.clone();
                    pairs.push(Given {
                        metric: level,
                        cell,
                        value: of_last,
                        against,
                        against_value: Some(of_level),
                    });
                }
            }
        }
        check(20, Says::LastLevelLosesMost, pairs, |given| given.ratio() < 1.0)
    }

    fn cycles_between(
        &self,
        bytes: u64,
        only: Option<SendPath>,
        [low, high]: [f64; 2],
    ) -> TableCheck {
        let path = SendPath::A2;
        let is_single = |cell: &Cell| {
            cell.send_path == path && cell.threads.get() == 8 && cell.message.bytes().0 == LARGE
        };
        let is_it =
            |cell: &Cell| cell.message.bytes().0 == bytes && is_single(cell) == only.is_some();
        let inside = |value: f64| (low..=high).contains(&value);
        let figures = |of: &dyn Fn(&Cell) -> bool| -> Vec<Given> {
            self.with(CYCLES).filter(|(cell, _)| of(cell)).map(|of| alone(CYCLES, of)).collect()
        };
        let says = Says::CyclesBetween { bytes, only, low, high };
        let mut check = check(22, says, figures(&is_it), |given| inside(given.value));
        if let (Some(path), TableVerdict::Contradicts) = (only, check.agreement) {
            let elsewhere = figures(&|cell| cell.send_path == path && !is_it(cell));
            check.elsewhere = elsewhere.into_iter().filter(|given| inside(given.value)).collect();
        }
        check
    }

    /// A path against each other one of its block.
    fn fewest_cycles(&self, path: SendPath) -> TableCheck {
        let others = [SendPath::A1, SendPath::A3];
        let pairs = others.into_iter().flat_map(|other| {
            self.pairs(CYCLES, move |cell| {
                (cell.send_path == path).then(|| Cell { send_path: other, ..cell.clone() })
            })
        });
        check(22, Says::FewestCycles { path }, pairs.collect(), |given| given.ratio() < 1.0)
    }

    /// The most threads of a path and size against the fewest.
    fn more_threads(&self) -> TableCheck {
        let shared = |cell: &Cell| Cell { threads: Threads::ONE, ..cell.clone() };
        let mut pairs = Vec::new();
        for mut family in self.families(CYCLES, shared) {
            family.sort_by_key(|(cell, _)| cell.threads);
            if let [first, .., last] = family[..] {
                pairs.push(against(CYCLES, last, first));
            }
        }
        check(23, Says::MoreThreadsFewerCycles, pairs, |given| given.ratio() < 1.0)
    }
}

fn alone(metric: Metric, (cell, value): (&Cell, f64)) -> Given {
    Given { metric, cell: cell.clone(), value, against: None, against_value: None }
}

fn against(metric: Metric, of: (&Cell, f64), (other, value): (&Cell, f64)) -> Given {
    Given { against: Some(other.clone()), against_value: Some(value), ..alone(metric, of) }
}

/// Each of a family against the one before it.
fn neighbours(metric: Metric, family: &[(&Cell, f64)]) -> Vec<Given> {
    let pairs = family.iter().zip(family.iter().skip(1));
    pairs.map(|(smaller, larger)| against(metric, *larger, *smaller)).collect()
}

/// More figures than this are counted only.
const MOST_GIVEN: usize = 3;

fn check(number: usize, says: Says, all: Vec<Given>, holds: impl Fn(&Given) -> bool) -> TableCheck {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    // Nothing over nothing contradicts nobody.
    let all: Vec<Given> = all.into_iter().filter(Given::is_finite).collect();
    let of = count(all.len());
    let (agreeing, mut wrong): (Vec<Given>, Vec<Given>) = all.into_iter().partition(holds);
    let contradicting = count(wrong.len());
    let agreement = match (of, contradicting) {
        (0, _) => TableVerdict::NotInTable,
        (_, 0) => TableVerdict::Agrees,
        _ => TableVerdict::Contradicts,
    };
    let far = |given: &Given| given.ratio().abs().ln().abs();
    wrong.sort_by(|a, b| far(b).total_cmp(&far(a)));
    let mut gives = if wrong.is_empty() { agreeing } else { wrong };
    gives.truncate(MOST_GIVEN);
    TableCheck {
        id: Id::Claim(number),
        says,
        agreement,
        of,
        contradicting,
        gives,
        elsewhere: Vec::new(),
    }
}
