//! From which size on passing by reference costs less: a constant for somebody's source.

use model::{Factor, Link, SendPath};
use schemars::JsonSchema;
use serde::Serialize;

use super::setting::Setting;
use crate::findings::{CrossoverOutcome, FieldThreshold, Others};
use crate::metric::Metric;
use crate::recommendation::Pays;
use crate::summary::Summary;

/// From which message size on a path that passes by reference costs less than another path.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct BreakEven {
    /// The path.
    pub path: SendPath,
    /// The other one.
    pub against: SendPath,
    /// In what.
    pub metric: Metric,
    /// When it costs less, over all settings.
    pub pays: Pays,
    /// The size to switch at, in bytes, where there is one: the estimate, or where only sizes on either side are known, or
    /// settings differ, the size from which on it is shown to pay in all of them.
    pub threshold_bytes: Option<u64>,
    /// The smallest and the largest size in bytes that were compared.
    pub sizes: [u64; 2],
    /// Where it is a threshold for one field, all sizes being lengths of it: the other fields, which are copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others: Option<Others>,
}

/// The break-evens of one link, over its settings.
pub(super) fn found(settings: &[&Setting<'_>], link: Link, summary: &Summary) -> Vec<BreakEven> {
    let metric = Metric::cost_on(link);
    let mut all: Vec<BreakEven> = Vec::new();
    for setting in settings {
        let of_it = summary.explained.crossovers.iter().filter(|crossover| {
            crossover.metric == metric
                && crossover.contrast.factor == Factor::Send
                && crossover.shared.without(&[Factor::CopyBelow]) == setting.shared
        });
        for crossover in of_it {
            let Some(paths) = crossover.contrast.paths() else { continue };
            let Some((path, against, outcome)) = by_reference(paths, crossover.outcome) else {
                continue;
            };
            let (Some(smallest), Some(largest)) =
                (crossover.sizes.iter().min(), crossover.sizes.iter().max())
            else {
                continue;
            };
            let threshold_bytes = threshold(&outcome);
            let pays = Pays::of(&outcome);
            let one = BreakEven {
                path,
                against,
                metric,
                pays,
                threshold_bytes,
                sizes: [*smallest, *largest],
                others: None,
            };
            put(&mut all, one);
        }
    }
    all
}

/// The thresholds of fields, each over all the settings that it was found in; of those with a CPU for each busy thread, where
/// there are any.
pub fn of_fields<'a>(found: impl Iterator<Item = &'a FieldThreshold> + Clone) -> Vec<BreakEven> {
    let of_cost = found.filter(|it| it.metric == Metric::cost_on(it.link) && it.lengths.len() > 1);
    let all_busy = of_cost.clone().all(|it| it.oversubscribed.is_so());
    let mut all = Vec::new();
    for it in of_cost.filter(|it| all_busy || !it.oversubscribed.is_so()) {
        let (Some(least), Some(most)) = (it.lengths.iter().min(), it.lengths.iter().max()) else {
            continue;
        };
        let one = BreakEven {
            path: it.path,
            against: it.against,
            metric: it.metric,
            pays: Pays::of(&it.outcome),
            threshold_bytes: threshold(&it.outcome),
            sizes: [*least, *most],
            others: Some(it.others.clone()),
        };
        put(&mut all, one);
    }
    all
}

/// Takes one more setting in.
fn put(all: &mut Vec<BreakEven>, one: BreakEven) {
    let is_it = |it: &&mut BreakEven| {
        (it.path, it.against, &it.others) == (one.path, one.against, &one.others)
    };
    match all.iter_mut().find(is_it) {
        Some(known) => known.join(&one),
        None => all.push(one),
    }
}

/// The path that passes by reference, the one that copies, and when the first costs less. One that itself copies short fields
/// has a threshold for fields, and none for messages.
fn by_reference(
    [value, against]: [SendPath; 2],
    outcome: CrossoverOutcome,
) -> Option<(SendPath, SendPath, CrossoverOutcome)> {
    if [value, against].iter().any(|path| path.capabilities().copies_short_fields) {
        return None;
    }
    match [value.passes_by_reference(), against.passes_by_reference()] {
        [true, false] => Some((value, against, outcome)),
        [false, true] => Some((against, value, outcome.turned())),
        [true, true] | [false, false] => None,
    }
}

fn threshold(outcome: &CrossoverOutcome) -> Option<u64> {
    let bytes = match *outcome {
        CrossoverOutcome::At { bytes, .. } => bytes,
        CrossoverOutcome::Bracket { high, .. } => high,
        CrossoverOutcome::Always
        | CrossoverOutcome::Never
        | CrossoverOutcome::Alike
        | CrossoverOutcome::Until { .. }
        | CrossoverOutcome::UntilBracket { .. }
        | CrossoverOutcome::Partly { .. }
        | CrossoverOutcome::Undecided => return None,
    };
    Some(whole(bytes))
}

impl BreakEven {
    /// Takes another setting in.
    fn join(&mut self, other: &Self) {
        self.pays = self.pays.over_settings(other.pays);
        self.threshold_bytes = match self.pays {
            Pays::From { high, .. } => Some(whole(high)),
            Pays::Always
            | Pays::Never
            | Pays::Alike
            | Pays::Until { .. }
            | Pays::Partly { .. }
            | Pays::Mixed
            | Pays::Unclear => None,
        };
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float's cast saturates, and sizes are far below 2^53"
)]
fn whole(bytes: f64) -> u64 {
    bytes.round() as u64
}
