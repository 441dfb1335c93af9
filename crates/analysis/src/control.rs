//! The control of the method: whether ratios measured in turns are those of long steady windows.
//!
//! In every third round, a third of the blocks in each ([`model::is_control`]), each cell of a series also has a steady window (`Worker::steady`). Each contrast then has two ratios of the same
//! round, connections and memory, and what one is over the other holds no noise of a round but what came between the turns and
//! the steady windows. Rounds are the clusters: cells of a round share the machine's state, so that what is said of several
//! of them is Student's t over the rounds' means. Bias of a path that two contrasts share (`sendmsg` in `zerocopy / sendmsg` and
//! in `sendmsg / send`) cancels in the mean over all, and shows in each contrast. As each round has another third of the blocks,
//! what is said of several of them also scatters by what blocks differ by. On the sink, which has one end, there is goodput
//! alone.

use std::collections::BTreeMap;

use model::{Cell, Contrast, Measured, Plan, Share};
use schemars::JsonSchema;
use serde::Serialize;

use crate::estimate::{Estimate, Moments};
use crate::judged::JudgedTrials;
use crate::metric::Metric;
use crate::pairings::{Places, contrasted};
use crate::pairs::{Tested, ratio, test_family};
use crate::results::Finding;
use crate::round_logs::RoundLogs;

/// How turns and steady windows agree; each list has goodput and the cost of both ends, and is a family of its own in
/// Holm's correction.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Control {
    /// Rounds in which anything was measured both ways.
    pub rounds: u32,
    /// Over all contrasts and cells.
    pub overall: Vec<Agreement>,
    /// Each contrast over its cells.
    pub contrasts: Vec<Agreement>,
    /// Each contrast in each of its cells.
    pub cells: Vec<Agreement>,
}

/// Ratios of the same rounds, measured both ways.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Agreement {
    /// What is compared; absent over all contrasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contrast: Option<Contrast>,
    /// The numerator's id; absent over several cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub cell: Option<Cell>,
    /// Of what.
    pub metric: Metric,
    /// The ratio in turns, in the rounds that have both; geometric mean, as all of these.
    pub turns: Estimate,
    /// The ratio in steady windows.
    pub steady: Estimate,
    /// The one in turns over the one in steady windows: 1 where the methods agree.
    pub quotient: Estimate,
    /// Two-sided p of "the methods agree", after Holm's correction; absent below two rounds.
    pub p_holm: Measured<f64>,
    /// `equivalent` within the plan's margin; `more` or `less` in turns, where that is shown and the quotient lies beyond the
    /// margin; else `undecided`.
    pub finding: Finding,
}

impl Agreement {
    /// Whether the methods are shown to differ.
    pub const fn differs(&self) -> bool {
        matches!(self.finding, Finding::More | Finding::Less)
    }

    /// How far the quotient is from 1, either way round: 0.05 is 5 %.
    pub fn off(&self) -> f64 {
        self.quotient.mean.ln().abs().exp_m1()
    }
}

/// Log-ratios of a round: in turns and in steady windows.
type Both = (u32, [f64; 2]);

/// What is compared, and its rounds.
struct Sample {
    contrast: Option<Contrast>,
    cell: Option<Cell>,
    metric: Metric,
    rounds: Vec<Both>,
}

impl Control {
    /// That of a run; absent, with the reason, where no contrast was measured both ways.
    pub(crate) fn of(
        plan: &Plan,
        places: &Places,
        trials: &JudgedTrials,
        logs: &RoundLogs<'_>,
    ) -> Measured<Self> {
        let mut cells = Vec::new();
        for pair in contrasted(plan, places) {
            let Some(cell) = places.cells.get(pair.cell) else {
                continue;
            };
            for metric in [Metric::GoodputGbps, Metric::EndsCpuNsPerKib] {
                let rounds = both(logs, pair.cell, pair.against, metric);
                if !rounds.is_empty() {
                    let (contrast, cell) = (Some(pair.contrast.clone()), Some(cell.clone()));
                    cells.push(Sample { contrast, cell, metric, rounds });
                }
            }
        }
        let mut contrasts: Vec<Sample> = Vec::new();
        let mut overall: Vec<Sample> = Vec::new();
        for sample in &cells {
            for (of, contrast) in [(&mut contrasts, sample.contrast.clone()), (&mut overall, None)]
            {
                let is_it =
                    |it: &&mut Sample| it.contrast == contrast && it.metric == sample.metric;
                match of.iter_mut().find(is_it) {
                    Some(it) => it.rounds.extend(&sample.rounds),
                    None => of.push(Sample {
                        contrast,
                        cell: None,
                        metric: sample.metric,
                        rounds: sample.rounds.clone(),
                    }),
                }
            }
        }
        let rounds = overall.iter().map(|all| means(&all.rounds).len()).max().unwrap_or(0);
        if rounds == 0 {
            return Measured::absent(why_none(trials));
        }
        let agreements = |of: Vec<Sample>| agreements(of, plan.measure.margin);
        Measured::Value(Self {
            rounds: u32::try_from(rounds).unwrap_or(u32::MAX),
            overall: agreements(overall),
            contrasts: agreements(contrasts),
            cells: agreements(cells),
        })
    }

    /// Every comparison: over all, by contrast, by cell.
    pub fn all(&self) -> impl Iterator<Item = &Agreement> {
        self.overall.iter().chain(&self.contrasts).chain(&self.cells)
    }
}

fn why_none(trials: &JudgedTrials) -> &'static str {
    let mut has_control = trials.all().iter().filter_map(|judged| judged.has_control).peekable();
    if has_control.peek().is_none() {
        "nothing was measured in turns"
    } else if has_control.any(|has| has) {
        "no two cells that are compared have valid steady windows in one round"
    } else {
        "a block has steady windows in every third round, and none of these was measured"
    }
}

/// The rounds in which two cells were measured both ways.
fn both(logs: &RoundLogs<'_>, cell: usize, against: usize, metric: Metric) -> Vec<Both> {
    let turns = logs.paired_at(cell, against, metric).unwrap_or_default();
    let steady = logs.control_paired_at(cell, against, metric).unwrap_or_default();
    let steady: BTreeMap<u32, f64> = steady.into_iter().collect();
    let both = |(round, turns): (u32, f64)| Some((round, [turns, *steady.get(&round)?]));
    turns.into_iter().filter_map(both).collect()
}

/// Each round's mean.
fn means(of: &[Both]) -> Vec<[f64; 2]> {
    let mut rounds: BTreeMap<u32, [Moments; 2]> = BTreeMap::new();
    for (round, logs) in of {
        let moments = rounds.entry(*round).or_default();
        moments.iter_mut().zip(logs).for_each(|(moments, log)| moments.push(*log));
    }
    rounds.into_values().map(|moments| moments.map(|moments| moments.mean())).collect()
}

fn agreements(of: Vec<Sample>, margin: Share) -> Vec<Agreement> {
    let moments = |sample: &Sample| {
        let mut moments = [Moments::default(); 3];
        for [turns, steady] in means(&sample.rounds) {
            let logs = [turns, steady, turns - steady];
            moments.iter_mut().zip(logs).for_each(|(moments, log)| moments.push(log));
        }
        moments
    };
    let moments: Vec<[Moments; 3]> = of.iter().map(moments).collect();
    let quotients: Vec<Moments> = moments.iter().map(|[.., quotient]| *quotient).collect();
    let tested = test_family(&quotients, margin);
    let agreement = |((sample, moments), tested): ((Sample, [Moments; 3]), Option<Tested>)| {
        let [turns, steady, quotient] = moments.map(|moments| ratio(&moments).value().copied());
        let is_beyond = moments[2].mean().abs() > margin.0.ln_1p();

        Some(Agreement {
            contrast: sample.contrast,
            cell: sample.cell,
            metric: sample.metric,
            turns: turns?,
            steady: steady?,
            quotient: quotient?,
            p_holm: tested.map_or_else(
                || Measured::absent("a test needs two rounds"),
                |tested| Measured::Value(tested.p_holm),
            ),
            finding: match tested.map(|tested| tested.finding) {
                Some(Finding::More | Finding::Less) if !is_beyond => Finding::Undecided,
                found => found.unwrap_or(Finding::Undecided),
            },
        })
    };
    of.into_iter().zip(moments).zip(tested).filter_map(agreement).collect()
}
