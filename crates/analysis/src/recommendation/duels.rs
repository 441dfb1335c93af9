//! Every two values that there are to choose from against each other, and the advice that follows.

use std::collections::BTreeSet;

use model::capabilities::CallsPerMessage;
use model::{Cell, Contrast, Factor, SendPath, Shared};

use super::{Advice, Gain};
use crate::evidence::Evidence;
use crate::findings::{Crossover, CrossoverOutcome};
use crate::metric::{Better, Metric};
use crate::results::{Finding, Ratio};

/// Every two values of one family against each other, size by size.
pub(super) struct Duels<'a> {
    factor: Factor,
    pub(super) ratios: Vec<&'a Ratio>,
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
    pub(super) fn new(
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
            let crossover = self.crossovers.iter().find(|c| c.contrast == ratio.contrast);
            let finding = shown(ratio, crossover.copied(), self.is_low_better);
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

    pub(super) fn advice(&self, values: &[Cell]) -> Advice {
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

/// What is shown of a ratio: corrected over all comparisons of its metric, or by the sizes of its contrast in fixed sequence, as
/// the crossover of its setting has them.
pub(super) fn shown(ratio: &Ratio, crossover: Option<&Crossover>, is_low_better: bool) -> Finding {
    if ratio.finding != Finding::Undecided || ratio.ratio.value().is_none() {
        return ratio.finding;
    }
    let bytes = ratio.cell.message.bytes().0 as f64;
    let is_better = match crossover.map(|crossover| &crossover.outcome) {
        Some(CrossoverOutcome::Always) => true,
        Some(CrossoverOutcome::Never) => false,
        Some(CrossoverOutcome::Partly { is_better, up_to, from })
            if up_to.is_some_and(|up_to| bytes <= up_to)
                || from.is_some_and(|from| bytes >= from) =>
        {
            *is_better
        }
        Some(_) | None => return Finding::Undecided,
    };
    if is_better == is_low_better { Finding::Less } else { Finding::More }
}

/// Whether a path makes a plain call a field: what people start from.
fn is_plain(path: SendPath) -> bool {
    let can = path.capabilities();
    can.calls == CallsPerMessage::OneAField && !can.passes_by_reference
}
