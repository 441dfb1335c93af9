//! What to use: per link, as a value with the ratios that it rests on.
//!
//! A send path (or, of a run of one path, a value of what else varies) is recommended that is nowhere shown to be worse than
//! another one and somewhere shown to be better, unless nothing is told of it against another one that nothing is shown to be
//! better than: by findings that are corrected over all comparisons of their metric, or by sizes in fixed sequence, as crossovers
//! are ([`crate::crossovers`]); where there is none, a break-even of two that no other one beats is. Links are never ranked
//! against each other.

use std::collections::BTreeSet;

use model::capabilities::CallsPerMessage;
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
use crate::metric::{Better, Metric};
use crate::on_link::{OnLink, links_asked};
use crate::reference::Caveat;
use crate::results::{Finding, Ratio};

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
    /// Of the paths whose kernel tells when memory may be written again, where the advice names one of which nobody tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_rewritten: Option<Advice>,
    /// When passing by reference costs less than copying with as many calls.
    pub by_reference: Vec<ByReference>,
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
            Self::Unclear { .. } | Self::NotCompared { .. } | Self::Nothing => false,
        }
    }

    /// Whether comparisons stand behind it, which something may speak against.
    const fn is_drawn_from_comparisons(&self) -> bool {
        match self {
            Self::Use { .. } | Self::BySize { .. } | Self::Alike { .. } | Self::Unclear { .. } => {
                true
            }
            Self::NotCompared { .. } | Self::Alone { .. } | Self::Nothing => false,
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
        several if duels.ratios.is_empty() => Advice::NotCompared { values: several.to_vec() },
        _ => duels.advice(&measured),
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
    let stated_link = evidence.run.stated_link(link);
    Recommendation {
        stated_link,
        link,
        factor,
        shared,
        metric,
        at_line_rate,
        advice,
        if_rewritten,
        by_reference,
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

/// Whether a path makes a plain call a field: what people start from.
fn is_plain(path: SendPath) -> bool {
    let can = path.capabilities();
    can.calls == CallsPerMessage::OneAField && !can.passes_by_reference
}

/// Whether both cells of a crossover do what their path's name says.
fn are_themselves(crossover: &Crossover) -> bool {
    let Contrast { factor, value, against } = &crossover.contrast;
    [value, against].iter().all(|value| {
        let mut cell = crossover.shared.cell().clone();
        cell.set(*factor, value).is_ok() && cell.is_itself()
    })
}

/// Every two values of one family against each other, size by size.
struct Duels<'a> {
    factor: Factor,
    ratios: Vec<&'a Ratio>,
    /// Of every two values.
    crossovers: Vec<&'a Crossover>,
    is_low_better: bool,
}

/// How one path fares against another: sizes at which it is shown to be better, worse, alike, and those that tell nothing.
#[derive(Clone, Copy, Default, PartialEq)]
struct Score {
    better: usize,
    worse: usize,
    alike: usize,
    unclear: usize,
}

impl<'a> Duels<'a> {
    fn new(
        evidence: &Evidence<'a>,
        factor: Factor,
        metric: Metric,
        shared: Option<&Shared>,
        crossovers: Vec<&'a Crossover>,
    ) -> Self {
        let mut ratios: Vec<&Ratio> = evidence
            .ratios
            .iter()
            .filter(|ratio| {
                ratio.metric == metric
                    && ratio.contrast.factor == factor
                    && ratio.ratio.value().is_some()
                    && shared.is_some_and(|shared| shared.has(&ratio.cell))
            })
            .collect();
        ratios.sort_by_key(|ratio| ratio.cell.message);
        Self { factor, ratios, crossovers, is_low_better: metric.better() == Better::Low }
    }

    /// One value's ratios to another, ascending by size.
    fn gains(&self, value: &Cell, against: &Cell) -> Vec<Gain> {
        let has = |cell: &Cell, of: &Cell| cell.get(self.factor) == of.get(self.factor);
        let is = |a: &Cell, b: &Cell| has(a, value) && has(b, against);
        let gain = |ratio: &&Ratio| {
            let estimate = *ratio.ratio.value()?;
            let message_bytes = ratio.cell.message.bytes().0;
            let finding = match ratio.finding {
                Finding::Undecided => self.in_sequence(&ratio.contrast, message_bytes),
                shown @ (Finding::More
                | Finding::Less
                | Finding::Equivalent
                | Finding::AtLineRate) => shown,
            };
            if is(&ratio.cell, &ratio.against) {
                Some(Gain { message_bytes, ratio: estimate, finding })
            } else if is(&ratio.against, &ratio.cell) {
                let (ratio, finding) = (estimate.inverse(), finding.turned());
                Some(Gain { message_bytes, ratio, finding })
            } else {
                None
            }
        };
        self.ratios.iter().filter_map(gain).collect()
    }

    /// What the sizes in fixed sequence show of a contrast at one of them.
    fn in_sequence(&self, contrast: &Contrast, bytes: u64) -> Finding {
        let bytes = bytes as f64;
        let is_better = match self.crossovers.iter().find(|c| c.contrast == *contrast) {
            Some(Crossover { outcome: CrossoverOutcome::Always, .. }) => true,
            Some(Crossover { outcome: CrossoverOutcome::Never, .. }) => false,
            Some(Crossover {
                outcome: CrossoverOutcome::Partly { is_better, up_to, from },
                ..
            }) if up_to.is_some_and(|up_to| bytes <= up_to)
                || from.is_some_and(|from| bytes >= from) =>
            {
                *is_better
            }
            Some(_) | None => return Finding::Undecided,
        };
        if is_better == self.is_low_better { Finding::Less } else { Finding::More }
    }

    fn score(&self, value: &Cell, against: &Cell) -> Score {
        let mut score = Score::default();
        for gain in self.gains(value, against) {
            match (gain.finding, self.is_low_better) {
                (Finding::More, false) | (Finding::Less, true) => score.better += 1,
                (Finding::Less, false) | (Finding::More, true) => score.worse += 1,
                (Finding::Equivalent, _) => score.alike += 1,
                (Finding::Undecided | Finding::AtLineRate, _) => score.unclear += 1,
            }
        }
        score
    }

    /// At how many of some sizes a value is shown to be worse than another one.
    fn beaten_at(&self, value: &Cell, values: &[Cell], is_asked: impl Fn(u64) -> bool) -> usize {
        let worse = if self.is_low_better { Finding::More } else { Finding::Less };
        let others = values.iter().filter(|other| *other != value);
        let gains = others.flat_map(|other| self.gains(value, other));
        let beaten = gains.filter(|gain| is_asked(gain.message_bytes) && gain.finding == worse);
        beaten.map(|gain| gain.message_bytes).collect::<BTreeSet<u64>>().len()
    }

    fn advice(&self, values: &[Cell]) -> Advice {
        let scores = |value: &Cell| -> Vec<(&Cell, Score)> {
            let others = values.iter().filter(|other| *other != value);
            others.map(|other| (other, self.score(value, other))).collect()
        };
        let is_unbeaten = |value: &&Cell| scores(value).iter().all(|(_, score)| score.worse == 0);
        // One of which nothing at all is told against another that may as well be the best is not the answer.
        let has_rival = |value: &Cell| {
            let untold = |score: &Score| score.unclear > 0 && score.better + score.alike == 0;
            scores(value).iter().any(|(other, score)| untold(score) && is_unbeaten(other))
        };
        let is_best = |value: &&Cell| {
            is_unbeaten(value)
                && scores(value).iter().any(|(_, score)| score.better > 0)
                && !has_rival(value)
        };
        let wins = |value: &&Cell| scores(value).iter().map(|(_, it)| it.better).sum::<usize>();
        // Of several, the one that wins most often; of these the first of the study.
        if let Some(value) = values.iter().filter(is_best).rev().max_by_key(wins) {
            let scores = scores(value);
            let nothing_else = |(_, score): &(&Cell, Score)| {
                score.better > 0 && Score { better: 0, ..*score } == Score::default()
            };
            let everywhere = scores.iter().all(nothing_else);
            // Against what people start from; else the one that it is most often better than.
            let start = |(other, score): &&(&Cell, Score)| {
                (self.factor == Factor::Send && is_plain(other.send_path), score.better)
            };
            let against = scores.iter().filter(|(_, score)| score.better > 0).max_by_key(start);
            if let Some((against, _)) = against {
                let gains = self.gains(value, against);
                let (value, against) = (value.get(self.factor), against.get(self.factor));
                return Advice::Use { value, against, everywhere, gains };
            }
        }
        let named = |name: &str| values.iter().find(|cell| cell.get(self.factor) == name);
        // One that another beats has no size of its own, whichever third one it crosses.
        let is_beaten = |value: &&Cell| {
            scores(value).iter().any(|(_, score)| score.worse > 0 && score.better == 0)
        };
        // The two of which each is beaten at the fewest of the sizes for which it would be used; of several, the first of the study.
        let beaten = |crossover: &Crossover| -> Option<usize> {
            let Contrast { value, against, .. } = &crossover.contrast;
            let (value, against) = (named(value)?, named(against)?);
            if is_beaten(&value) || is_beaten(&against) {
                return None;
            }
            let (small, large, low, high) = match crossover.outcome {
                CrossoverOutcome::At { low, high, .. }
                | CrossoverOutcome::Bracket { low, high } => (against, value, low, high),
                CrossoverOutcome::Until { low, high, .. }
                | CrossoverOutcome::UntilBracket { low, high } => (value, against, low, high),
                CrossoverOutcome::Always
                | CrossoverOutcome::Never
                | CrossoverOutcome::Alike
                | CrossoverOutcome::Partly { .. }
                | CrossoverOutcome::Undecided => return None,
            };
            let up_to = |bytes: u64| bytes as f64 <= low;
            let from = |bytes: u64| bytes as f64 >= high;
            Some(self.beaten_at(small, values, up_to) + self.beaten_at(large, values, from))
        };
        let found = self.crossovers.iter().copied();
        let best = found.filter_map(|it| Some((beaten(it)?, it))).min_by_key(|(sizes, _)| *sizes);
        if let Some((_, crossover)) = best {
            let Contrast { value, against, .. } = crossover.contrast.clone();
            return Advice::BySize { value, against, outcome: crossover.outcome };
        }
        let is_of_values = |c: &&&Crossover| {
            named(&c.contrast.value).is_some() && named(&c.contrast.against).is_some()
        };
        let mut of_values = self.crossovers.iter().filter(is_of_values).peekable();
        let has_any = of_values.peek().is_some();
        let alike = of_values.all(|c| c.outcome == CrossoverOutcome::Alike);
        let names = |of: &[&Cell]| of.iter().map(|value| value.get(self.factor)).collect();
        let all: Vec<&Cell> = values.iter().collect();
        if alike && has_any {
            return Advice::Alike { values: names(&all) };
        }
        let unbeaten: Vec<&Cell> = values.iter().filter(is_unbeaten).collect();
        Advice::Unclear { values: names(if unbeaten.len() > 1 { &unbeaten } else { &all }) }
    }
}

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
