//! What an answer holds; `report` puts it into words and lays its evidence out.

use model::{Cell, Missing, SendPath};
use schemars::JsonSchema;
use serde::Serialize;

use crate::estimate::Estimate;
use crate::id::Id;
use crate::metric::Metric;
use crate::operands::{Compared, Crossed, OfPath};
use crate::oversubscribed::Oversubscribed;
use crate::reason::Reason;
use crate::reference::Caveat;

/// An answer to one of the paper's questions.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Answer {
    /// `q0` … `q6`.
    pub id: Id,
    /// Whether it could be answered on this machine from this run.
    pub answered: bool,
    /// What was found.
    pub finding: AnswerFinding,
    /// The comparisons that it rests on, metric by metric.
    pub compared: Vec<Comparisons>,
    /// What speaks against taking it further.
    pub caveats: Vec<Caveat>,
    /// What would change the answer; empty where there is none.
    pub would_change: Vec<Missing>,
    /// What would answer it; empty where it is answered.
    pub would_answer: Vec<Missing>,
}

impl Answer {
    /// The comparisons in one metric.
    pub fn of(&self, metric: Metric) -> &[Compared] {
        let found = self.compared.iter().find(|of| of.metric == metric);
        found.map_or(&[], |of| of.ratios.as_slice())
    }
}

/// Pairs of cells in one metric.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Comparisons {
    /// In what.
    pub metric: Metric,
    /// The pairs.
    pub ratios: Vec<Compared>,
}

/// What a question comes to.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum AnswerFinding {
    /// What the question is about was not measured.
    Lacking {
        /// What is lacking.
        reason: Reason,
    },
    /// Q0: how often a byte of the paper's first path is copied.
    Copies {
        /// What it comes to.
        total: CopiesInAll,
        /// What an audit counted of it over one link; empty where it counted nothing of that path.
        counted: Vec<OfPath>,
        /// Why it has no figure of a step.
        not_counted: Vec<Reason>,
        /// What zero-copy completions said.
        completions: Reason,
    },
    /// Q1: what passing by reference brings where the number of calls is the same.
    ByReference {
        /// Whether it saves the copy.
        saves: Saves,
        /// CPU per KiB with the option that allows it over that without it, one pair; empty where it was not left off.
        option: Vec<Compared>,
        /// What zero-copy completions said.
        completions: Reason,
    },
    /// Q2: which level's misses fall most.
    Levels {
        /// Threads of the cells.
        threads: u32,
        /// What may be said of the order.
        largest: Largest,
        /// Each counted level's mean ratio over the sizes that all of them have, the smallest first.
        levels: Vec<LevelRatio>,
    },
    /// Q3: the largest size with more threads.
    Threads {
        /// Message size in bytes.
        bytes: u64,
        /// The fewest threads.
        from: u32,
        /// The most that leave each busy thread a CPU; where none do, the most. The same as `from` where only one count
        /// was measured.
        to: u32,
    },
    /// Q4 and Q5: from which size on a path carries more.
    Sizes {
        /// The path.
        path: SendPath,
        /// What it is compared with.
        against: SendPath,
        /// Its crossovers in goodput, then in CPU per KiB.
        break_evens: Vec<Crossed>,
        /// What zero-copy completions said, of a path that has them.
        #[serde(skip_serializing_if = "Option::is_none")]
        completions: Option<Reason>,
    },
    /// Q6: cells that depart from what the others let expect.
    Departures {
        /// Cells and metrics that were tested; 0 where nothing could be expected.
        tests: u32,
        /// How many departures survive Holm's correction and lie beyond the margin.
        surviving: u32,
        /// The plan's margin of equivalence.
        margin: f64,
        /// The largest departures, those that survive first; then those that are not told from the first.
        departures: Vec<Departed>,
    },
}

/// Whether a byte is copied twice in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CopiesInAll {
    /// Once in, once out, and not at delivery.
    Two,
    /// Once in and once out; at delivery nothing was counted.
    TwoAtLeast,
    /// More or fewer.
    NotTwo,
    /// What was counted does not tell.
    Unclear,
}

/// Whether passing by reference saves a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Saves {
    /// None, and it pays for pages and notifications on top: every completion was marked copied, and the same path costs
    /// less with the option off.
    NothingAndPays,
    /// None: every completion was marked copied.
    Nothing,
    /// Not shown.
    Unclear,
}

/// What may be said of which level's misses fall most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Largest {
    /// The first level's.
    First,
    /// One of these: the first, and those that are not told apart from it.
    OneOf(Vec<Metric>),
    /// No level's fall.
    NoneFalls,
    /// No level's are shown to fall.
    NoneShown,
    /// The levels were never counted in the same round at the same sizes.
    NotTogether,
    /// No level was counted.
    NotCounted,
}

/// Misses at one level with one path over those with another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LevelRatio {
    /// What counts the level's misses.
    pub metric: Metric,
    /// The ratio.
    pub ratio: Estimate,
}

/// A cell's departure from what the other cells let expect of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Departed {
    /// The cell.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// In what.
    pub metric: Metric,
    /// What the expectation is formed from.
    pub basis: Basis,
    /// What was measured.
    pub measured: f64,
    /// What was expected.
    pub expected: f64,
    /// Measured over expected.
    pub ratio: Estimate,
    /// The departure over its standard error, on the logarithm; none where all rounds agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_errors: Option<f64>,
    /// p of "no departure", after Holm over all cells and metrics.
    pub p: f64,
    /// Whether more busy threads than usable CPUs stand behind it.
    pub oversubscribed: Oversubscribed,
    /// Other cells of which a departure would look the same: a factor of two levels does not tell which of them departs.
    #[schemars(with = "Vec<String>")]
    pub not_told_from: Vec<Cell>,
}

/// What a cell's expectation was formed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// Its path, size and threads elsewhere.
    Additive,
    /// The sizes beside it.
    Neighbours,
}
