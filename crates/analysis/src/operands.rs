//! What reasons are made of: comparisons, crossovers, counts of audits and times of profiles.

use std::collections::BTreeMap;

use model::{Cell, Link, SendPath};
use schemars::JsonSchema;
use serde::Serialize;

use crate::copies::Step;
use crate::estimate::Estimate;
use crate::findings::Crossover;
use crate::metric::Metric;
use crate::oversubscribed::Oversubscribed;
use crate::reference::Reference;
use crate::results::Finding;

/// A ratio between two cells and what may be said of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Compared {
    /// The numerator.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// The denominator.
    #[schemars(with = "String")]
    pub against: Cell,
    /// Geometric mean of the paired ratios with its interval.
    pub ratio: Estimate,
    /// What may be said of it, corrected over the comparisons that it was made with.
    pub finding: Finding,
    /// Whether more busy threads than CPUs stand behind either cell.
    pub oversubscribed: Oversubscribed,
}

impl Compared {
    /// The 95 % interval lies above `x`.
    pub(crate) fn is_above(&self, x: f64) -> bool {
        self.ratio.low.is_some_and(|low| low > x)
    }

    /// The 95 % interval lies below `x`.
    pub(crate) fn is_below(&self, x: f64) -> bool {
        self.ratio.high.is_some_and(|high| high < x)
    }

    /// Shown to be less than 1, or to lie within the plan's margin of it.
    pub(crate) fn is_no_more(&self) -> bool {
        matches!(self.finding, Finding::Less | Finding::Equivalent)
    }

    /// Shown to be more than 1, or to lie within the plan's margin of it.
    pub(crate) fn is_no_less(&self) -> bool {
        matches!(self.finding, Finding::More | Finding::Equivalent)
    }

    /// How it stands among the evidence.
    pub(crate) fn reference(&self, metric: Metric) -> Reference {
        Reference::Ratio { metric, cell: self.cell.clone(), against: self.against.clone() }
    }
}

/// How comparisons stand among the evidence.
pub(crate) fn names(compared: &[Compared], metric: Metric) -> Vec<Reference> {
    compared.iter().map(|compared| compared.reference(metric)).collect()
}

/// The comparison of smallest and of largest ratio.
pub(crate) fn extremes(compared: &[Compared]) -> Option<(&Compared, &Compared)> {
    let by_mean = |a: &&Compared, b: &&Compared| a.ratio.mean.total_cmp(&b.ratio.mean);
    Some((compared.iter().min_by(by_mean)?, compared.iter().max_by(by_mean)?))
}

/// What passing by reference costs, against a path that copies, at an offset of the fields within their pages: over what it
/// costs at offset 0 by the same comparison, with the same messages.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct OffsetCost {
    /// The offset in bytes.
    pub offset: u32,
    /// Where more pages are touched than at offset 0, over where as many are; alone where there is no such message.
    pub ratio: Estimate,
    /// What may be said of it, corrected over the offsets.
    pub finding: Finding,
    /// Messages that touch more pages at this offset.
    pub with_more: u32,
    /// Messages that touch as many: their cost tells what the offset itself does.
    pub with_as_many: u32,
    /// Pages that the former touch more, on average.
    pub pages_more: f64,
}

/// A crossover, and at how many of its sizes the first value is shown to be better, worse or alike, or none of these.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Crossed {
    /// The crossover.
    pub crossover: Crossover,
    /// Sizes at which it is better.
    pub better: u32,
    /// Sizes at which it is worse.
    pub worse: u32,
    /// Sizes at which both are alike.
    pub alike: u32,
    /// Sizes at which the intervals do not tell.
    pub unclear: u32,
}

/// Copies a payload byte at one step, over the cells of one path on one link.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Seen {
    /// The least.
    pub low: f64,
    /// The most.
    pub high: f64,
    /// Of some cell it is what remains, not what was counted.
    pub eliminated: bool,
    /// Of every cell it can be another figure than the expected one.
    pub decides: bool,
}

/// What audits counted of one path on one link.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct OfPath {
    /// The path.
    pub path: SendPath,
    /// The link.
    pub link: Link,
    /// Its cells that were audited.
    pub cells: u32,
    /// Copies a byte at each step that has a figure.
    pub steps: BTreeMap<Step, Seen>,
}

/// What cost is told in. Samples of the clock stand for time; those of cycles stand for equally many cycles, and nobody
/// measured how long these took, so that they are compared as what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Nanoseconds per KiB.
    NsPerKib,
    /// Samples of cycles per MiB.
    CycleSamplesPerMib,
}

/// What a path that passes by reference does instead of the copy of one that copies, of one message on one link.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CopyingTime {
    /// The path that passes by reference.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// The one that copies.
    #[schemars(with = "String")]
    pub against: Cell,
    /// Of the costs.
    pub unit: Unit,
    /// Pinning and notifications, wherever they ran: a lower bound of bookkeeping, since the references to pages are dropped in
    /// `skb_release_data` and `put_page`, inline mostly, which every path's packets go through.
    pub bookkeeping: f64,
    /// An upper bound: with all page memory, and packet memory beyond that of the path that copies.
    pub at_most: f64,
    /// What its sending side copies all the same, as at delivery.
    pub still_copied: f64,
    /// What the sending side of the path that copies copies.
    pub copied: f64,
    /// Bookkeeping over the copy that it replaces: no more than it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against_the_copy: Option<Estimate>,
    /// The same of all that bookkeeping may be, releasing pages included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most_against_the_copy: Option<Estimate>,
    /// Its own copying over that of the path that copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub still_copied_share: Option<Estimate>,
    /// The part of what it costs more that bookkeeping instead of the copy explains; none where it costs no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained: Option<f64>,
}
