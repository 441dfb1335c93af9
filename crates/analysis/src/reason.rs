//! Why a verdict is what it is: values with their operands, which `report` puts into sentences.

use model::{Audit, Cell, Factor, Link, Measured, SendPath};
use schemars::JsonSchema;
use serde::Serialize;

use crate::copies::{NotCounted, Step};
use crate::estimate::Estimate;
use crate::metric::Metric;
use crate::operands::{Compared, CopyingTime, Crossed, OfPath, OffsetCost};

/// One part of a ruling on a claim, and what the records show of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Part {
    /// What it is in the argument.
    pub kind: PartKind,
    /// Whether the records show it.
    pub shown: Shown,
    /// What was seen of it.
    pub reasons: Vec<Reason>,
}

/// What a part is in an argument: a cause is only named where an effect, a counter and an intervention show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PartKind {
    /// What the claim takes for granted: a fall that it explains, a machine with two NUMA nodes.
    Premise,
    /// What it says happens.
    Effect,
    /// The count or time that its cause would show in.
    Counter,
    /// The same without the cause.
    Intervention,
}

/// Whether the records show a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// They show it.
    Yes,
    /// They show that it is not so.
    No,
    /// They were compared and do not tell.
    Unclear,
    /// Nothing was measured that would tell.
    NotMeasured,
    /// This machine has not what it is about.
    NotApplicable,
}

impl Shown {
    /// A part that some records contradict, or that all show; neither is unclear.
    pub(crate) const fn by(contradicted: bool, shown: bool) -> Self {
        if contradicted {
            Self::No
        } else if shown {
            Self::Yes
        } else {
            Self::Unclear
        }
    }

    /// Whether all of these are more than 1; one that is shown to be no more contradicts it.
    pub(crate) fn all_more(ratios: &[Compared]) -> Self {
        let contradicted = ratios.iter().any(Compared::is_no_more);
        Self::of_any(ratios, Self::by(contradicted, ratios.iter().all(|c| c.is_above(1.0))))
    }

    /// Whether all of these are less than 1; one that is shown to be no less contradicts it.
    pub(crate) fn all_less(ratios: &[Compared]) -> Self {
        let contradicted = ratios.iter().any(Compared::is_no_less);
        Self::of_any(ratios, Self::by(contradicted, ratios.iter().all(|c| c.is_below(1.0))))
    }

    /// Whether these are more than 1; contradicted only where every one is shown to be no more.
    pub(crate) fn more(ratios: &[Compared]) -> Self {
        let contradicted = ratios.iter().all(Compared::is_no_more);
        Self::of_any(ratios, Self::by(contradicted, ratios.iter().all(|c| c.is_above(1.0))))
    }

    /// Whether these are less than 1; contradicted only where every one is shown to be no less.
    pub(crate) fn less(ratios: &[Compared]) -> Self {
        let contradicted = ratios.iter().all(Compared::is_no_less);
        Self::of_any(ratios, Self::by(contradicted, ratios.iter().all(|c| c.is_below(1.0))))
    }

    const fn of_any(ratios: &[Compared], shown: Self) -> Self {
        if ratios.is_empty() { Self::NotMeasured } else { shown }
    }
}

/// A figure that is made of several.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Derived {
    /// The sender's instructions over its cycles.
    InstructionsPerCycle,
    /// The sender's cache misses per second.
    CacheMissesPerS,
    /// The sender's last-level misses over its misses of another level.
    LastLevelMissesPer {
        /// Misses of that level.
        level: Metric,
    },
    /// What one path carries more than another, at the size and on the cells compared.
    Gain {
        /// The path.
        path: SendPath,
        /// The other one.
        against: SendPath,
    },
    /// What more threads keep of the goodput of fewer, at the size and on the path compared.
    GoodputKept {
        /// Fewer threads.
        from: u32,
        /// More.
        to: u32,
    },
}

/// A figure of one cell.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Figured {
    /// The cell.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// Its figure.
    pub value: Estimate,
}

impl Figured {
    /// The 95 % interval lies above `x`.
    pub(crate) fn is_above(&self, x: f64) -> bool {
        self.value.low.is_some_and(|low| low > x)
    }

    /// The 95 % interval lies below `x`.
    pub(crate) fn is_below(&self, x: f64) -> bool {
        self.value.high.is_some_and(|high| high < x)
    }

    /// The 95 % interval lies within these bounds, which belong to the range.
    pub(crate) fn is_within(&self, [least, most]: [f64; 2]) -> bool {
        self.value.low.zip(self.value.high).is_some_and(|(low, high)| least <= low && high <= most)
    }
}

/// What a message costs a path's sender whatever its size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FixedCost {
    /// The path.
    pub path: SendPath,
    /// CPU time in ns.
    pub ns: Estimate,
}

/// What no instrument of this version sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unseen {
    /// How much of the memory's bandwidth is used.
    MemoryBandwidth,
    /// Cache lines that two CPUs write.
    SharedCacheLines,
    /// Which locks are contended.
    LockContention,
}

/// One thing that was seen, or that was not.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Reason {
    /// No trial of the run is valid.
    NoValidTrial,
    /// No round was measured whole.
    NoWholeRound,
    /// Comparisons, each of them told.
    Each {
        /// Of what.
        metric: Metric,
        /// The comparisons.
        ratios: Vec<Compared>,
    },
    /// Comparisons, of which the least and the most are told.
    Range {
        /// Of what.
        metric: Metric,
        /// The least ratio.
        least: Box<Compared>,
        /// The largest.
        most: Box<Compared>,
        /// How many comparisons.
        of: u32,
    },
    /// What the ratios above would have to reach.
    AtLeast {
        /// The ratio.
        ratio: f64,
    },
    /// No pair of cells with a figure: of these paths, sizes and thread counts, where they are what is missing.
    NotMeasured {
        /// The figure.
        metric: Metric,
        /// The paths that are needed.
        paths: Vec<SendPath>,
        /// The message sizes in bytes that are needed.
        sizes: Vec<u64>,
        /// The thread counts that are needed.
        threads: Vec<u32>,
    },
    /// What is compared keeps more threads busy than there are CPUs.
    TooFewCpus,
    /// The size of this machine's pages, where it is not the one that the claim names.
    PageBytes {
        /// Bytes.
        bytes: u64,
    },
    /// No record takes the cause away.
    NoIntervention,
    /// What passing by reference costs where fields begin elsewhere on their pages; none where no message touches more
    /// pages at another offset.
    OffsetCosts {
        /// By offset.
        of: Vec<OffsetCost>,
    },
    /// The share of zero-copy completions that were marked copied, over the cells.
    Completions {
        /// The least and the largest share; absent where no completion came.
        copied: Measured<[f64; 2]>,
        /// The link that always copies on delivery, where there is one alone.
        #[serde(skip_serializing_if = "Option::is_none")]
        copied_by: Option<Link>,
    },
    /// Copies a byte as audits counted them, of each path on each link.
    Copies {
        /// The counts.
        of: Vec<OfPath>,
    },
    /// Audits have no count of a step that could be another figure than the expected one.
    StepNotCounted {
        /// The step.
        step: Step,
        /// Why.
        why: NotCounted,
    },
    /// An instrument told nothing: of one cell, or of any.
    NotAudited {
        /// The instrument.
        audit: Audit,
        /// The cell.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        cell: Option<Box<Cell>>,
        /// Why, where it was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Samples of two events, which are not compared.
    UnlikeSamples {
        /// The events.
        events: [String; 2],
    },
    /// From which size on a path is better than another.
    Crossovers {
        /// Of each group of cells.
        of: Vec<Crossed>,
    },
    /// Pinning and notifying against the copy that they replace, of the pairs of profiles with the least and the largest ratio.
    Bookkeeping {
        /// One or two of them.
        ends: Vec<CopyingTime>,
        /// How many pairs.
        of: u32,
    },
    /// The copying that is still done against that of a path that copies, as above.
    StillCopied {
        /// One or two of them.
        ends: Vec<CopyingTime>,
        /// How many pairs.
        of: u32,
    },
    /// Completions say that nothing was copied on a link.
    NothingCopied {
        /// The link.
        link: Link,
    },
    /// Only a link without a receiver was measured: its figures are sender-side cost.
    SinkAlone,
    /// The ends ran on two hosts, and it is about what happens on one.
    TwoHosts,
    /// No link was measured that is TCP and has a receiver, as the paper's: a unix socket has neither segments nor windows.
    NoTcp,
    /// As a range, of what several figures make together.
    Derived {
        /// What they make.
        what: Derived,
        /// The least ratio.
        least: Box<Compared>,
        /// The largest.
        most: Box<Compared>,
        /// How many comparisons.
        of: u32,
    },
    /// A factor that the plan does not vary, or not by the value that is needed.
    NotVaried {
        /// The factor.
        factor: Factor,
        /// The value.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
    /// Figures of cells; of many, the least and the largest.
    Figures {
        /// Of what.
        metric: Metric,
        /// The figures.
        figures: Vec<Figured>,
    },
    /// Where the claim says that the figures above lie.
    Claimed {
        /// The least.
        low: f64,
        /// The largest.
        high: f64,
    },
    /// The fixed cost of a message by path; none where no line over size fits and no small message was measured.
    FixedCosts {
        /// By path.
        costs: Vec<FixedCost>,
    },
    /// The part of the fixed cost of a message with a call a field that goes with its calls.
    CallsShare {
        /// The part: n/(n − 1)·(1 − a₁/aₙ) for n fields, aₙ the fixed cost with a call a field and a₁ that with one call.
        share: Estimate,
    },
    /// What this version has no instrument for.
    NotInstrumented {
        /// What.
        what: Unseen,
    },
    /// Reads of memory by both ends that missed the last level, without prefetches and writes.
    DemandReads {
        /// At most so many bytes for a byte carried.
        bytes_per_byte: f64,
    },
    /// The machine's NUMA nodes.
    NumaNodes {
        /// How many, or why that was not recorded.
        nodes: Measured<u32>,
    },
    /// A cache against a message.
    Cache {
        /// Its level.
        level: u32,
        /// Its size in bytes; none where the machine names no such cache.
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
        /// The message's.
        message_bytes: u64,
    },
    /// The most memory that the workers of a cell touch, against a cache.
    WorkingSet {
        /// All of them together, in bytes.
        bytes: u64,
        /// The last-level cache, in bytes.
        cache_bytes: u64,
    },
    /// What the rings of a cell's senders hold together.
    Rings {
        /// How many senders.
        threads: u32,
        /// Bytes.
        bytes: u64,
    },
    /// Workers within one NUMA node were not compared with the same ones across nodes.
    NotAcrossNodes,
    /// Where the size above must lie to count as what the claim says, in bytes.
    SizesCount {
        /// The least.
        low: f64,
        /// The largest.
        high: f64,
    },
    /// Where the interval of the ratio above must lie to count as what the claim says.
    CountsAs {
        /// The least.
        low: f64,
        /// The largest.
        high: f64,
    },
}

/// Comparisons that contradict a part, the furthest from 1 first.
pub(crate) fn contradicting(
    ratios: &[Compared],
    contradicts: impl Fn(&Compared) -> bool,
) -> Vec<Compared> {
    let far = |c: &Compared| c.ratio.mean.ln().abs();
    let mut found: Vec<Compared> = ratios.iter().filter(|c| contradicts(c)).cloned().collect();
    found.sort_by(|a, b| far(b).total_cmp(&far(a)));
    found
}

impl Reason {
    /// Comparisons that contradict a part, at most three, the furthest from 1 first; nothing where none does.
    pub(crate) fn contradicting(
        metric: Metric,
        ratios: &[Compared],
        contradicts: impl Fn(&Compared) -> bool,
    ) -> Option<Self> {
        let mut ratios = contradicting(ratios, contradicts);
        ratios.truncate(3);
        (!ratios.is_empty()).then_some(Self::Each { metric, ratios })
    }

    /// That all of these are more than 1, or which are not.
    pub(crate) fn all_more(metric: Metric, ratios: &[Compared]) -> Option<Self> {
        Self::contradicting(metric, ratios, Compared::is_no_more)
            .or_else(|| Self::range(metric, ratios))
    }

    /// That all of these are less than 1, or which are not.
    pub(crate) fn all_less(metric: Metric, ratios: &[Compared]) -> Option<Self> {
        Self::contradicting(metric, ratios, Compared::is_no_less)
            .or_else(|| Self::range(metric, ratios))
    }

    /// The least and the most of comparisons; nothing of none.
    pub(crate) fn range(metric: Metric, ratios: &[Compared]) -> Option<Self> {
        let (least, most) = crate::operands::extremes(ratios)?;
        let of = u32::try_from(ratios.len()).unwrap_or(u32::MAX);
        Some(Self::Range {
            metric,
            least: Box::new(least.clone()),
            most: Box::new(most.clone()),
            of,
        })
    }

    /// The largest of comparisons; nothing of none.
    pub(crate) fn most(metric: Metric, ratios: &[Compared]) -> Option<Self> {
        let (_, most) = crate::operands::extremes(ratios)?;
        Some(Self::Each { metric, ratios: vec![most.clone()] })
    }

    /// Every comparison; that nothing was measured, where there is none.
    pub(crate) fn each(metric: Metric, ratios: &[Compared]) -> Self {
        if ratios.is_empty() {
            return Self::not_counted(metric);
        }
        Self::Each { metric, ratios: ratios.to_vec() }
    }

    /// The least and the most of comparisons of a derived figure; nothing of none.
    pub(crate) fn derived(what: Derived, ratios: &[Compared]) -> Option<Self> {
        let (least, most) = crate::operands::extremes(ratios)?;
        let of = u32::try_from(ratios.len()).unwrap_or(u32::MAX);
        let (least, most) = (Box::new(least.clone()), Box::new(most.clone()));
        Some(Self::Derived { what, least, most, of })
    }

    /// A value of a factor that the plan has not.
    pub(crate) fn not_varied(factor: Factor, value: &str) -> Self {
        Self::NotVaried { factor, value: Some(value.to_owned()) }
    }

    /// The least and the largest of figures; nothing of none.
    pub(crate) fn figures(metric: Metric, figures: &[Figured]) -> Option<Self> {
        let by_mean = |a: &&Figured, b: &&Figured| a.value.mean.total_cmp(&b.value.mean);
        let least = figures.iter().min_by(by_mean)?;
        let most = figures.iter().max_by(by_mean).filter(|most| *most != least);
        Some(Self::Figures { metric, figures: [least].into_iter().chain(most).cloned().collect() })
    }

    /// A figure that no cell has.
    pub(crate) fn not_counted(metric: Metric) -> Self {
        Self::not_measured(metric, [], [], [])
    }

    /// A figure that cells of these paths, sizes and thread counts would have to have.
    pub(crate) fn not_measured(
        metric: Metric,
        paths: impl IntoIterator<Item = SendPath>,
        sizes: impl IntoIterator<Item = u64>,
        threads: impl IntoIterator<Item = u32>,
    ) -> Self {
        Self::NotMeasured {
            metric,
            paths: paths.into_iter().collect(),
            sizes: sizes.into_iter().collect(),
            threads: threads.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_claimed_range_belong_to_it() {
        let figured = |low: f64, high: f64| {
            let value = Estimate { mean: low, low: Some(low), high: Some(high), trials: 10 };
            Figured { cell: Cell::default(), value }
        };
        assert!(figured(50.0, 300.0).is_within([50.0, 300.0]));
        assert!(!figured(49.9, 300.0).is_within([50.0, 300.0]));
        assert!(!figured(50.0, 300.1).is_within([50.0, 300.0]));
    }
}
