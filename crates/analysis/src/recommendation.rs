//! What to use: per link, as a value with the ratios that it rests on.
//!
//! A send path (or, of a run of one path, a value of what else varies) is recommended that is nowhere shown to be worse than
//! another one and somewhere shown to be better, unless nothing is told of it against another one that nothing is shown to be
//! better than: by findings that are corrected over all comparisons of their metric, or by sizes in fixed sequence, as crossovers
//! are ([`crate::crossovers`]); where there is none, a break-even of two that no other one beats is. Links are never ranked
//! against each other.

use std::collections::{BTreeMap, BTreeSet};

use model::values::Rate;
use model::{Cell, Contrast, Factor, Link, Measured, ReceivePath, SendPath, Shared};
use schemars::JsonSchema;
use serde::Serialize;

use crate::estimate::Estimate;
use crate::evidence::{Evidence, figure};
use crate::findings::{Crossover, CrossoverOutcome, LinkComparison};
use crate::laws::CEILING;
use crate::laws::law::{Law, LawState};
use crate::links::comparisons_of;
use crate::metric::Metric;
use crate::on_link::{OnLink, links_asked};
use crate::reference::Caveat;
use crate::results::{Finding, Ratio};

mod duels;

mod elsewhere;

use duels::Duels;

/// What to use on one link.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Recommendation {
    /// The link; null where an imported table does not tell it.
    #[serde(rename = "link")]
    pub stated_link: Option<Link>,
    /// The same, or the default that stands for it.
    #[serde(skip)]
    pub link: Link,
    /// What there is to choose: the send path, or of a run of one path the first other factor that is compared.
    pub factor: Factor,
    /// What the cells that it is drawn from share beside that and the size; absent where none was compared.
    pub shared: Option<Shared>,
    /// The goodput; the cost where all senders are held to a rate or the line decides goodput, and where nobody receives that of
    /// the sender's side.
    pub metric: Metric,
    /// Whether it is the cost because the line between two hosts decides the goodput of cells that differ in this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_line_rate: bool,
    /// The advice.
    pub advice: Advice,
    /// Settings of this run in which the value that the advice says to use is shown to be worse than another one at some size, each by
    /// what differs in it; those that only add to another one of them are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_with: Vec<Vec<(Factor, String)>>,
    /// Of the paths whose kernel tells when memory may be written again, where the advice names one of which nobody tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_rewritten: Option<Advice>,
    /// When passing by reference costs less than copying with as many calls.
    pub by_reference: Vec<ByReference>,
    /// Of what there is to choose, the paths that pass by reference and whose every completion was marked copied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copied_anyway: Vec<SendPath>,
    /// Likewise the paths to receive that map pages where they can, and mapped less than 1 % of what came in every cell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copied_out_anyway: Vec<ReceivePath>,
    /// What speaks against taking it further.
    pub caveats: Vec<Caveat>,
}

/// With which path to receive what one send path sends over a link.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Receiving {
    /// The send path.
    pub send_path: SendPath,
    /// What to receive with.
    #[serde(flatten)]
    pub choice: Recommendation,
    /// Paths that were measured and are no choice: they drop the bytes, so that no program gets them.
    pub dropping: Vec<ReceivePath>,
}

/// The advice of a recommendation.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Advice {
    /// One value: nowhere shown to be worse than another, and somewhere better.
    Use {
        /// The value.
        value: String,
        /// The one that it is compared with here.
        against: String,
        /// Whether it is shown to be better than every other value at every size.
        everywhere: bool,
        /// Its figure over the other's, size by size.
        gains: Vec<Gain>,
    },
    /// One value up to a size and another from there on.
    BySize {
        /// The one that is better on one side of the size.
        value: String,
        /// The one that is better on the other side.
        against: String,
        /// Where.
        outcome: CrossoverOutcome,
    },
    /// Every two values are shown to lie within the plan's margin of each other at every size.
    Alike {
        /// The values.
        values: Vec<String>,
    },
    /// The intervals do not tell which of these is better.
    Unclear {
        /// The values that nothing is shown to be better than; all, where there is none.
        values: Vec<String>,
    },
    /// Several values have valid trials, and no ratio between two of them could be formed.
    NotCompared {
        /// The values.
        values: Vec<String>,
    },
    /// Paths were compared only where something keeps them from doing what their names say (a memory load, shared connections,
    /// completions left unread, copying instead), which answers an experiment's question, and not which path to use.
    NotThemselves {
        /// The paths.
        values: Vec<String>,
        /// The factors that change it, each with the value that does.
        settings: Vec<(Factor, String)>,
    },
    /// Only one value has a valid trial.
    Alone {
        /// The value.
        value: String,
    },
    /// No trial was valid.
    Nothing,
}

impl Advice {
    /// Whether a value is what to use, be it at some sizes, or no worse than what is.
    pub fn names(&self, value: &str) -> bool {
        match self {
            Self::Use { value: of, .. } | Self::Alone { value: of } => of == value,
            Self::BySize { value: one, against, .. } => one == value || against == value,
            Self::Alike { values } => values.iter().any(|of| of == value),
            Self::Unclear { .. }
            | Self::NotCompared { .. }
            | Self::NotThemselves { .. }
            | Self::Nothing => false,
        }
    }

    /// Whether comparisons stand behind it, which something may speak against.
    const fn is_drawn_from_comparisons(&self) -> bool {
        match self {
            Self::Use { .. } | Self::BySize { .. } | Self::Alike { .. } | Self::Unclear { .. } => {
                true
            }
            Self::NotCompared { .. }
            | Self::NotThemselves { .. }
            | Self::Alone { .. }
            | Self::Nothing => false,
        }
    }
}

/// What a value gains at one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Gain {
    /// Message size in bytes.
    pub message_bytes: u64,
    /// Its figure over the other's.
    pub ratio: Estimate,
    /// What is shown: corrected over all comparisons of the metric, or by the sizes of these two in fixed sequence.
    pub finding: Finding,
}

/// When a path that passes by reference costs less than its twin that copies.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ByReference {
    /// The path.
    pub path: SendPath,
    /// Its twin.
    pub against: SendPath,
    /// In what.
    pub metric: Metric,
    /// When, over all settings of the link.
    pub pays: Pays,
    /// Least and largest share of a cell's completions that were marked copied.
    pub copied_share: Measured<[f64; 2]>,
}

impl ByReference {
    /// Whether every completion was marked copied.
    pub fn is_all_copied(&self) -> bool {
        is_all(&self.copied_share)
    }
}

/// Whether it is all of every cell.
fn is_all(share: &Measured<[f64; 2]>) -> bool {
    share.value().is_some_and(|[least, _]| *least >= 1.0)
}

/// From which message size on something costs less.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Pays {
    /// At every size.
    Always,
    /// At no size: it costs more at each.
    Never,
    /// At no size: the two lie within the plan's margin of each other.
    Alike,
    /// From a size between these on, in bytes.
    From {
        /// The smallest size that it may be.
        low: f64,
        /// The largest.
        high: f64,
    },
    /// Only below a size between these, in bytes.
    Until {
        /// The smallest size that it may be.
        low: f64,
        /// The largest.
        high: f64,
    },
    /// Up to a size, or from one on, in bytes; elsewhere the intervals do not tell.
    Partly {
        /// Whether it costs less there, else more.
        less: bool,
        /// The largest size of those from the smallest on.
        #[serde(skip_serializing_if = "Option::is_none")]
        up_to: Option<f64>,
        /// The smallest size of those up to the largest.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<f64>,
    },
    /// The settings of the link differ.
    Mixed,
    /// The intervals do not tell.
    Unclear,
}

/// What to use, link by link in the plan's order.
pub(crate) fn recommendations(evidence: &Evidence<'_>, laws: &[Law]) -> Vec<Recommendation> {
    links_asked(evidence)
        .into_iter()
        .map(|link| on_link(&OnLink::new(evidence, link).evidence(evidence), link, laws))
        .collect()
}

/// With which path to receive behind each send path, link by link, where several of both were measured.
pub(crate) fn receiving(evidence: &Evidence<'_>, laws: &[Law]) -> Vec<Receiving> {
    let mut all = Vec::new();
    for link in links_asked(evidence) {
        let on = OnLink::new(evidence, link);
        let on = on.evidence(evidence);
        let measured = || on.asked().filter(|estimates| estimates.trials > 0);
        let paths: BTreeSet<SendPath> = measured().map(|e| e.cell.send_path).collect();
        let receiving: BTreeSet<ReceivePath> = measured().map(|e| e.cell.receive_path).collect();
        if paths.len() < 2 || receiving.len() < 2 {
            continue;
        }
        let dropping: Vec<ReceivePath> =
            receiving.into_iter().filter(|path| !path.shows_content()).collect();
        all.extend(paths.into_iter().map(|send_path| {
            let behind = OnLink::behind(&on, send_path);
            let choice = choose(&behind.evidence(&on), link, Factor::Recv, laws);
            Receiving { send_path, choice, dropping: dropping.clone() }
        }));
    }
    all
}

/// The laws that a recommendation rests on: the bytes that were counted, the CPU time, what the CPUs can copy, and that equal
/// cells are equal.
const LAWS: [u32; 4] = [1, 6, CEILING, 10];

/// Whether a law that a recommendation rests on is broken where it speaks: by the link's own records, where the law is about
/// single ones; what the CPUs can copy bounds only what is received.
fn is_broken_on(link: Link, law: &Law) -> bool {
    let on_link = law.links.iter().find(|on| on.link == link);
    let state = on_link.map_or(law.state, |on| on.state);
    LAWS.contains(&law.id)
        && state == LawState::Broken
        && (law.id != CEILING || link.has_receiver())
}

fn on_link(evidence: &Evidence<'_>, link: Link, laws: &[Law]) -> Recommendation {
    choose(evidence, link, choice(evidence), laws)
}

fn choose(evidence: &Evidence<'_>, link: Link, factor: Factor, laws: &[Law]) -> Recommendation {
    // Senders that are held to a rate deliver it, whichever way: what they cost decides.
    let all_paced = evidence.asked().all(|estimates| estimates.cell.rate != Rate::Auto);
    // The family that says most: with a CPU for each busy thread, then the most usual one, then the first of the plan, which
    // has the fewest threads.
    let family_in = |metric: Metric| {
        let of_metric = evidence.crossovers.iter().filter(move |c| {
            c.contrast.factor == factor
                && c.metric == metric
                && (factor != Factor::Send || are_themselves(c))
        });
        of_metric.min_by_key(|c| {
            (c.sizes.is_empty(), c.oversubscribed.is_so(), c.shared.named().count())
        })
    };
    // So does what they cost where the line decides the goodput of two that differ in the choice.
    let at_line_rate = family_in(Metric::GoodputGbps).is_some_and(|family| {
        evidence.ratios.iter().any(|ratio| {
            ratio.contrast.factor == factor
                && family.shared.has(&ratio.cell)
                && evidence.are_levelled(ratio.metric, &ratio.cell, &ratio.against)
        })
    });
    let metric = if link.has_receiver() && !all_paced && !at_line_rate {
        Metric::GoodputGbps
    } else {
        Metric::cost_on(link)
    };
    let measured = values_of(evidence, factor);
    let of_paths = |c: &&Crossover| {
        c.contrast.factor == factor
            && c.metric == metric
            && (factor != Factor::Send || are_themselves(c))
    };
    let of_metric: Vec<&Crossover> = evidence.crossovers.iter().filter(of_paths).collect();
    let first = family_in(metric);
    let shared = first.map(|crossover| crossover.shared.clone());
    let values: Vec<String> = measured.iter().map(|value| value.get(factor)).collect();
    let is_of_family = |c: &&Crossover| {
        Some(&c.shared) == shared.as_ref()
            && values.contains(&c.contrast.value)
            && values.contains(&c.contrast.against)
    };
    let family: Vec<&Crossover> = of_metric.iter().copied().filter(is_of_family).collect();
    let duels = Duels::new(evidence, factor, metric, shared.as_ref(), family.clone());
    let advice = match values.as_slice() {
        [] => Advice::Nothing,
        [only] => Advice::Alone { value: only.clone() },
        several if duels.ratios.is_empty() => {
            let (values, settings) = (several.to_vec(), altered_by(evidence, factor));
            if settings.is_empty() {
                Advice::NotCompared { values }
            } else {
                Advice::NotThemselves { values, settings }
            }
        }
        _ => duels.advice(&measured),
    };
    let not_with = match (&advice, shared.as_ref()) {
        (Advice::Use { value, .. }, Some(here)) => {
            elsewhere::not_with(evidence, value, here, &of_metric)
        }
        _ => Vec::new(),
    };
    // Of which nobody tells when their memory may be written again, and the others.
    let (telling, untold): (Vec<Cell>, Vec<Cell>) =
        measured.iter().cloned().partition(|cell| cell.send_path.capabilities().tells_release());
    let names_untold = matches!(advice, Advice::Use { .. } | Advice::BySize { .. })
        && factor == Factor::Send
        && untold.iter().any(|cell| advice.names(&cell.get(factor)));
    let if_rewritten = match telling.as_slice() {
        [] => None,
        _ if !names_untold => None,
        [only] => Some(Advice::Alone { value: only.get(factor) }),
        _ => Some(duels.advice(&telling)),
    };
    let mut caveats = Vec::new();
    if advice.is_drawn_from_comparisons() {
        if first.is_some_and(|crossover| crossover.oversubscribed.is_so()) {
            caveats.push(Caveat::Oversubscribed { all: true });
        }
        if evidence.run.preliminary {
            caveats.push(Caveat::Preliminary { rounds: evidence.run.rounds });
        }
        let broken = laws.iter().filter(|law| is_broken_on(link, law));
        caveats.extend(broken.map(|law| Caveat::LawBroken { id: law.id }));
    }
    let paths: BTreeSet<SendPath> = evidence.asked().map(|e| e.cell.send_path).collect();
    let by_reference = paths.iter().filter_map(|path| {
        let against = path.capabilities().copying_twin?;
        let contrast = Contrast::of_paths(*path, against);
        let pays = pays(&comparisons_of(evidence, &contrast), link, shared.as_ref())?;
        let metric = Metric::cost_on(link);
        // Of a table without CPU time nothing is said of cost, not even that it is unclear.
        evidence.asked().find(|e| figure(e, metric).is_some())?;
        Some(ByReference {
            path: *path,
            against,
            metric,
            pays,
            copied_share: copied(evidence, *path),
        })
    });
    let by_reference = by_reference.collect();
    let chosen = paths.iter().copied().filter(|_| factor == Factor::Send);
    let copied_anyway = chosen.filter(|path| is_all(&copied(evidence, *path))).collect();
    let copied_out_anyway = if factor == Factor::Recv { unmapping(evidence) } else { Vec::new() };
    let stated_link = evidence.run.stated_link(link);
    Recommendation {
        stated_link,
        link,
        factor,
        shared,
        metric,
        at_line_rate,
        advice,
        not_with,
        if_rewritten,
        by_reference,
        copied_anyway,
        copied_out_anyway,
        caveats,
    }
}

/// What there is to choose on this link: the send path, or of one path the first other factor of which two values have a
/// ratio.
fn choice(evidence: &Evidence<'_>) -> Factor {
    if values_of(evidence, Factor::Send).len() > 1 {
        return Factor::Send;
    }
    let compared = evidence.ratios.iter().filter(|ratio| ratio.ratio.value().is_some());
    compared.map(|ratio| ratio.contrast.factor).min().unwrap_or(Factor::Send)
}

/// The values of a factor that have a valid trial, each as the cell that has it and is the default in all else, in the order
/// of their type: paths in that of the study.
fn values_of(evidence: &Evidence<'_>, factor: Factor) -> Vec<Cell> {
    let mut values: Vec<Cell> = Vec::new();
    for estimates in evidence.asked().filter(|estimates| estimates.trials > 0) {
        let mut alone = Cell::default();
        if alone.set(factor, &estimates.cell.get(factor)).is_ok() && !values.contains(&alone) {
            values.push(alone);
        }
    }
    values.sort();
    // What drops the bytes shows what receiving costs without a copy; it receives nothing, and nobody can choose it.
    let shows = |cell: &Cell| factor != Factor::Recv || cell.receive_path.shows_content();
    if values.iter().filter(|cell| shows(cell)).count() > 1 {
        values.retain(shows);
    }
    values
}

/// What keeps the paths that were compared from doing what their names say, where that holds of every ratio; nothing where
/// none was formed, or some are of paths as they are.
fn altered_by(evidence: &Evidence<'_>, factor: Factor) -> Vec<(Factor, String)> {
    let is_formed = |ratio: &&Ratio| {
        let is_of_paths = factor == Factor::Send && ratio.contrast.factor == factor;
        is_of_paths && ratio.ratio.value().is_some()
    };
    let mut settings: Vec<(Factor, String)> = Vec::new();
    for ratio in evidence.ratios.iter().filter(is_formed) {
        let both = [&ratio.cell, &ratio.against];
        if both.iter().all(|cell| cell.is_itself()) {
            return Vec::new();
        }
        for cell in both.into_iter().filter(|cell| !cell.is_itself()) {
            let of_cell = ALTERING.iter().filter(|of| !cell.is_default(**of));
            settings.extend(of_cell.map(|of| (*of, cell.get(*of))));
        }
    }
    settings.sort();
    settings.dedup();
    settings
}

/// Whether both cells of a crossover do what their path's name says.
fn are_themselves(crossover: &Crossover) -> bool {
    let Contrast { factor, value, against } = &crossover.contrast;
    [value, against].iter().all(|value| {
        let mut cell = crossover.shared.cell().clone();
        cell.set(*factor, value).is_ok() && cell.is_itself()
    })
}

/// The factors of which a value keeps a path from doing what its name says ([`Cell::is_itself`]).
const ALTERING: [Factor; 4] =
    [Factor::SoZerocopy, Factor::Completions, Factor::Sockets, Factor::MemoryLoad];

/// The factors by which a link is set up, over which a recommendation speaks.
const SETTINGS: &[Factor] = &[Factor::Link, Factor::AckInterval, Factor::AckPlacement];

/// When passing by reference pays on a link: over all of its settings, in what is otherwise the family of the recommendation,
/// with a CPU for each busy thread, if there are any such.
fn pays(links: &[LinkComparison], link: Link, family: Option<&Shared>) -> Option<Pays> {
    let is_of_family = |comparison: &&LinkComparison| {
        family.is_none_or(|family| {
            comparison.shared.without(SETTINGS).cell() == family.without(SETTINGS).cell()
        })
    };
    let all: Vec<&LinkComparison> =
        links.iter().filter(|comparison| comparison.link == link).filter(is_of_family).collect();
    let fair: Vec<&LinkComparison> =
        all.iter().copied().filter(|c| !c.oversubscribed.is_so()).collect();
    let settings = if fair.is_empty() { all } else { fair };
    let of = settings.iter().map(|comparison| Pays::of(&comparison.crossover));
    of.reduce(Pays::over_settings)
}

impl Pays {
    /// What holds in two settings of a link at once.
    #[must_use]
    pub fn over_settings(self, other: Self) -> Self {
        match (self, other) {
            (Self::From { low, high }, Self::From { low: l, high: h }) => {
                Self::From { low: low.min(l), high: high.max(h) }
            }
            (Self::Until { low, high }, Self::Until { low: l, high: h }) => {
                Self::Until { low: low.min(l), high: high.max(h) }
            }
            (a, b) if a == b => a,
            // What is not told in one setting may be as in the other.
            (
                Self::Never | Self::Partly { less: false, .. } | Self::Unclear,
                Self::Never | Self::Partly { less: false, .. } | Self::Unclear,
            ) => Self::Unclear,
            _ => Self::Mixed,
        }
    }

    /// What a crossover of cost says.
    pub const fn of(outcome: &CrossoverOutcome) -> Self {
        match *outcome {
            CrossoverOutcome::At { low, high, .. } | CrossoverOutcome::Bracket { low, high } => {
                Self::From { low, high }
            }
            CrossoverOutcome::Until { low, high, .. }
            | CrossoverOutcome::UntilBracket { low, high } => Self::Until { low, high },
            CrossoverOutcome::Always => Self::Always,
            CrossoverOutcome::Never => Self::Never,
            CrossoverOutcome::Alike => Self::Alike,
            CrossoverOutcome::Partly { is_better, up_to, from } => {
                Self::Partly { less: is_better, up_to, from }
            }
            CrossoverOutcome::Undecided => Self::Unclear,
        }
    }
}

/// Below this share of what came it is nothing that was mapped.
const NOTHING: f64 = 0.01;

/// Paths to receive that could have mapped pages and did so in no cell.
fn unmapping(evidence: &Evidence<'_>) -> Vec<ReceivePath> {
    let mut most = BTreeMap::<ReceivePath, f64>::new();
    for estimates in evidence.asked() {
        if let Some(share) = figure(estimates, Metric::MappedShare) {
            let most = most.entry(estimates.cell.receive_path).or_default();
            *most = most.max(share.mean);
        }
    }
    most.retain(|_, share| *share < NOTHING);
    most.into_keys().collect()
}

/// Least and largest share of a path's completions that were marked copied.
fn copied(evidence: &Evidence<'_>, path: SendPath) -> Measured<[f64; 2]> {
    let by_reference = evidence.asked().filter(|estimates| {
        estimates.cell.send_path == path && estimates.cell.passes_by_reference()
    });
    let shares = by_reference.filter_map(|e| figure(e, Metric::CopiedShare)).map(|e| e.mean);
    shares.fold(Measured::absent("no completion came"), |range, share| match range {
        Measured::Value([least, most]) => Measured::Value([share.min(least), share.max(most)]),
        Measured::Absent { .. } => Measured::Value([share, share]),
    })
}
