//! What changed between two sides, each of one run or more: machines, cells, and the ratios of cells within blocks.
//!
//! Levels of one machine drift between runs, by more than rounds tell, and mostly all cells together. So a cell is told
//! against what all cells have in common (the median change), and what they have in common is told apart; and ratios within
//! blocks are compared as ratios of ratios, in which a run's state cancels.
//!
//! With two runs or more on a side runs are the units, as one run's rounds share a boot, a time and a state of the machine.
//! With one run a side rounds are, widened by what neighbouring rounds have in common ([`crate::drift`]) and, where the middle
//! of all changes lies further out than chance puts it, by that too (B. Devlin and K. Roeder, Biometrics 55, 1999: "genomic
//! control"): most cells are taken not to have changed. Of the ratios over all blocks each contrast is one test, within a
//! family of their own; ratios within a block and cells are another family. Each gets Holm's correction at half the error
//! rate, over all sides that are compared.

use model::{Cell, Contrast, Factor, Link};
use schemars::JsonSchema;
use serde::Serialize;

use crate::estimate::{Estimate, Moments};
use crate::metric::Metric;
use crate::pairs::{SIGNIFICANCE, holm};
use crate::results::Finding;

mod apart;
mod attribution;
mod facts;
mod measured_run;
mod shift;
mod stratum;
mod worse;

pub use apart::Apart;
pub use attribution::{Attributed, Scope, attributed};
pub use facts::Difference;
pub use measured_run::MeasuredRun;
pub use worse::{Reach, Unseen, Verdict, Worse, verdict, worse};

use shift::Shift;
use stratum::Stratum;

/// The version of this file's shape.
pub const CHANGES_VERSION: u32 = 1;

/// Two families of tests share the error rate.
const FAMILY_LEVEL: f64 = SIGNIFICANCE / 2.0;

/// Everything that may be said of what changed.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Changes {
    /// [`CHANGES_VERSION`].
    pub version: u32,
    /// Version of copycost that compared.
    pub copycost: String,
    /// The side that the others are compared with.
    pub base: SideFacts,
    /// Each other side against the base.
    pub comparisons: Vec<Comparison>,
}

/// The runs of one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SideFacts {
    /// Its runs.
    pub runs: Vec<RunName>,
}

/// A run, as far as it is told apart from others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunName {
    /// Its directory.
    pub name: String,
    /// Its label.
    pub label: String,
    /// When it began, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// Whole rounds over all blocks.
    pub rounds: u32,
    /// Whether another program measured it: its table can be added to, and not gone on with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
}

/// One side against the base.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// The other side.
    pub other: SideFacts,
    /// What its machine has otherwise.
    pub host: Vec<Difference>,
    /// What was measured otherwise, but for how long and how precisely.
    pub settings: Vec<Difference>,
    /// What is taken to be independent.
    pub unit: Unit,
    /// Cells that were compared.
    pub cells: u32,
    /// Why there is none; none where there is one.
    #[serde(skip)]
    pub apart: Option<Apart>,
    /// All cells together.
    pub overall: Vec<Overall>,
    /// Every change that was looked for, found or not: ratios over all blocks, ratios within a block, cells.
    pub changes: Vec<Change>,
    /// Values that changed against every other value of their factor, which did not change against each other.
    pub attributed: Vec<Attributed>,
    /// Cells that the base alone measured.
    pub only_in_base: Vec<CellId>,
    /// Cells that the other side alone measured.
    pub only_in_other: Vec<CellId>,
    /// Cells whose goodput is the line's in every run, and the line's rate the same within 1 %: that is no change, and was not
    /// looked for; what they cost was.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at_line_rate: Vec<CellId>,
    /// Cells of both of which some run has too few valid rounds, or a figure without a logarithm.
    pub too_few_rounds: Vec<CellId>,
    /// Figures that some run has of no cell at all, so that they were compared nowhere.
    pub not_measured: Vec<FigureOnLink>,
    /// Factors of which the table of an imported run tells nothing: in these, cells that pass for equal may differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unstated: Vec<Factor>,
    /// How large a change would have been found nine times in ten.
    pub seen: Seen,
}

/// A figure on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FigureOnLink {
    /// The link; null where an imported table does not tell it.
    #[serde(rename = "link")]
    pub stated_link: Option<Link>,
    /// The same, or the default that stands for it.
    #[serde(skip)]
    pub link: Link,
    /// The figure.
    pub metric: Metric,
}

/// A cell by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct CellId(#[schemars(with = "String")] pub Cell);

/// What is taken to be independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Runs: two or more on a side.
    Runs,
    /// Rounds: one run a side, so that a change cannot be told from how runs of one machine differ by boot and time.
    Rounds,
}

/// All cells of a link together.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Overall {
    /// The link; null where an imported table does not tell it.
    #[serde(rename = "link")]
    pub stated_link: Option<Link>,
    /// The same, or the default that stands for it.
    #[serde(skip)]
    pub link: Link,
    /// Of what.
    pub metric: Metric,
    /// How many cells.
    pub cells: u32,
    /// Geometric mean over cells of the other side over the base; absent where nothing tells its interval.
    pub ratio: Option<Estimate>,
    /// The median over cells: what each cell is told against. 1 where there are fewer than three.
    pub common: f64,
    /// Whether what all cells have in common is shown to have changed: the median, with the error of the mean. Of this figure
    /// alone, not corrected.
    pub finding: Finding,
    /// In so many of the cells the line decides goodput in some run, and not all runs are known to have had that line: what these cells
    /// have in common says nothing of the machine.
    pub at_another_line: u32,
    #[serde(skip)]
    shift: Option<Shift>,
}

impl Overall {
    /// Whether another line decides goodput in so many of its cells that what they have in common is no sign of the machine.
    pub const fn is_of_lines(&self) -> bool {
        self.at_another_line > 0 && self.at_another_line.saturating_mul(2) >= self.cells
    }
}

/// What may have changed.
#[allow(
    clippy::large_enum_variant,
    reason = "there are few of them, each alive for one comparison"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Subject {
    /// The ratio of two values of a factor, over all blocks.
    Contrast {
        /// The factor and its values.
        contrast: Contrast,
        /// In how many blocks.
        blocks: u32,
    },
    /// The same ratio within one block.
    Ratio {
        /// The factor and its values.
        contrast: Contrast,
        /// The numerator's id.
        #[schemars(with = "String")]
        cell: Box<Cell>,
        /// The denominator's id.
        #[schemars(with = "String")]
        against: Box<Cell>,
    },
    /// The level of a cell, beyond what all cells of its link have in common.
    Level {
        /// Its id.
        #[schemars(with = "String")]
        cell: Box<Cell>,
    },
}

/// Something that was looked at on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Change {
    /// Of what.
    #[serde(flatten)]
    pub subject: Subject,
    /// On which link; null where an imported table does not tell it.
    #[serde(rename = "link")]
    pub stated_link: Option<Link>,
    /// The same, or the default that stands for it.
    #[serde(skip)]
    pub link: Link,
    /// In which figure.
    pub metric: Metric,
    /// The base's: a ratio, or a cell's geometric mean in the metric's unit.
    pub before: f64,
    /// The other side's.
    pub after: f64,
    /// The other side's over the base's; of a cell beyond what all cells have in common. 95 % interval, of this one alone.
    pub ratio: Estimate,
    /// Of a cell the other side over the base as they are, likewise; absent of ratios, which are told as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub itself: Option<Estimate>,
    /// Two-sided p of "no change".
    pub p: f64,
    /// The same after Holm's correction over its family, which has half the error rate.
    pub p_holm: f64,
    /// What may be said.
    pub finding: Finding,
    #[serde(skip)]
    shift: Shift,
    /// Of a cell that is told beside all others, the shift of what it is itself.
    #[serde(skip)]
    as_it_is: Option<Shift>,
}

impl Change {
    /// Whether it is of the ratios over all blocks, which are a family of their own.
    const fn is_over_blocks(&self) -> bool {
        matches!(self.subject, Subject::Contrast { .. })
    }

    /// Whether it is shown.
    pub const fn is_found(&self) -> bool {
        matches!(self.finding, Finding::More | Finding::Less)
    }
}

/// How large a change would have been found nine times in ten; absent where nothing of the kind was compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Seen {
    /// Of ratios over all blocks.
    pub contrast: Option<Detectable>,
    /// Of ratios within a block.
    pub ratio: Option<Detectable>,
    /// Of cells.
    pub level: Option<Detectable>,
}

/// The size of a change that would have been found nine times in ten, as a share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Detectable {
    /// Of the steadiest.
    pub least: f64,
    /// Of the middle one: in half of them a change of this size would have been found.
    pub median: f64,
}

/// Compares sides with a base. What they have not in common is named; sides without a common cell give a comparison of none.
pub fn compare(base: &[MeasuredRun], others: &[Vec<MeasuredRun>]) -> Changes {
    let mut comparisons: Vec<Comparison> =
        others.iter().map(|other| compared(base, other)).collect();
    correct(&mut comparisons);
    for comparison in &mut comparisons {
        comparison.attributed = attributed(&comparison.changes);
    }
    Changes {
        version: CHANGES_VERSION,
        copycost: env!("CARGO_PKG_VERSION").to_owned(),
        base: side(base),
        comparisons,
    }
}

fn side(runs: &[MeasuredRun]) -> SideFacts {
    SideFacts { runs: runs.iter().map(run_name).collect() }
}

fn run_name(run: &MeasuredRun) -> RunName {
    RunName {
        name: run.name.clone(),
        label: run.facts.label.clone(),
        started_unix_ms: run.facts.started_unix_ms,
        rounds: run.facts.rounds,
        imported: run.is_imported(),
    }
}

/// One side against the base, its tests not yet corrected.
fn compared(base: &[MeasuredRun], other: &[MeasuredRun]) -> Comparison {
    let unit = if base.len() > 1 || other.len() > 1 { Unit::Runs } else { Unit::Rounds };
    let (base_cells, other_cells) = (cells_of(base), cells_of(other));
    let (both, only_in_base): (Vec<Cell>, Vec<Cell>) =
        base_cells.into_iter().partition(|cell| other.iter().all(|run| run.has(cell)));
    let only_in_other = other_cells.into_iter().filter(|cell| !both.contains(cell));
    let mut links: Vec<Link> = both.iter().map(|cell| cell.link).collect();
    links.sort_unstable();
    links.dedup();
    let (mut overall, mut changes, mut lacking) = (Vec::new(), Vec::new(), Vec::new());
    let (mut not_measured, mut at_line_rate) = (Vec::new(), Vec::new());
    for link in links {
        let of_link: Vec<&Cell> = both.iter().filter(|cell| cell.link == link).collect();
        for place in 0..2 {
            let Some(stratum) = Stratum::new(base, other, unit, place, &of_link) else { continue };
            // A table of goodput alone has no cost anywhere, and rounds enough.
            if place > 0 && stratum.is_nowhere {
                not_measured.push(stratum.figure());
                continue;
            }
            lacking.extend(stratum.lacking.iter().map(|cell| (*cell).clone()));
            at_line_rate.extend(stratum.lines.iter().map(|cell| CellId((*cell).clone())));
            overall.extend(stratum.overall());
            changes.extend(stratum.contrasts());
            changes.extend(stratum.levels());
        }
    }
    lacking.sort_unstable();
    lacking.dedup();
    let cells = both.len() - lacking.len();
    Comparison {
        other: side(other),
        host: facts::of_hosts(base, other),
        settings: facts::of_settings(base, other),
        unit,
        cells: u32::try_from(cells).unwrap_or(u32::MAX),
        apart: (cells == 0).then(|| apart::apart(base, other, &both)),
        overall,
        changes,
        attributed: Vec::new(),
        only_in_base: only_in_base.into_iter().map(CellId).collect(),
        only_in_other: only_in_other.map(CellId).collect(),
        at_line_rate,
        too_few_rounds: lacking.into_iter().map(CellId).collect(),
        not_measured,
        unstated: unstated(base, other),
        seen: Seen { contrast: None, ratio: None, level: None },
    }
}

/// Factors that some run does not tell.
fn unstated(base: &[MeasuredRun], other: &[MeasuredRun]) -> Vec<Factor> {
    let is_silent = |factor: &Factor| {
        let mut runs = base.iter().chain(other);
        runs.any(|run| !run.facts.states(*factor))
    };
    Factor::ALL.iter().copied().filter(is_silent).collect()
}

/// The cells of a side: those that any of its runs asks for, in the first run's order. A cell that not all of its runs have is
/// in none.
fn cells_of(side: &[MeasuredRun]) -> Vec<Cell> {
    let Some((first, rest)) = side.split_first() else { return Vec::new() };
    first.cells().filter(|cell| rest.iter().all(|run| run.has(cell))).cloned().collect()
}

/// Holm's correction in two families over all comparisons, and what could be seen with it.
fn correct(comparisons: &mut [Comparison]) {
    for over_blocks in [true, false] {
        let is_of = |change: &&mut Change| change.is_over_blocks() == over_blocks;
        let all = comparisons.iter_mut().flat_map(|comparison| &mut comparison.changes);
        let mut family: Vec<&mut Change> = all.filter(is_of).collect();
        let corrected = holm(&family.iter().map(|change| change.p).collect::<Vec<_>>());
        for (change, p) in family.iter_mut().zip(corrected) {
            change.p_holm = (p * SIGNIFICANCE / FAMILY_LEVEL).min(1.0);
            change.finding = found(change.p_holm, change.shift.log);
        }
        let level = FAMILY_LEVEL / family.len().max(1) as f64;
        for comparison in comparisons.iter_mut() {
            let seen = |is_it: fn(&Subject) -> bool| {
                let of = comparison.changes.iter().filter(|change| is_it(&change.subject));
                let of: Vec<f64> = of.map(|change| change.shift.detectable(level)).collect();
                let least = of.iter().copied().min_by(f64::total_cmp)?;
                Some(Detectable { least, median: median(of)? })
            };
            let contrast = seen(|subject| matches!(subject, Subject::Contrast { .. }));
            let ratio = seen(|subject| matches!(subject, Subject::Ratio { .. }));
            let cell = seen(|subject| matches!(subject, Subject::Level { .. }));
            if over_blocks {
                comparison.seen.contrast = contrast;
            } else {
                (comparison.seen.ratio, comparison.seen.level) = (ratio, cell);
            }
        }
    }
}

fn found(p: f64, log: f64) -> Finding {
    match p < SIGNIFICANCE {
        true if log > 0.0 => Finding::More,
        true => Finding::Less,
        false => Finding::Undecided,
    }
}

/// The middle figure; of an even number the mean of the middle two. None of none.
fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let upper = *figures.get(middle)?;
    if figures.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(upper, *figures.get(middle.checked_sub(1)?)?))
}

fn moments(figures: impl IntoIterator<Item = f64>) -> Moments {
    let mut moments = Moments::default();
    figures.into_iter().for_each(|x| moments.push(x));
    moments
}
