//! From which size on passing by reference costs less: a constant for somebody's source.

use model::{Factor, Link, SendPath};
use schemars::JsonSchema;
use serde::Serialize;

use super::setting::Setting;
use crate::findings::CrossoverOutcome;
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
}

/// The break-evens of one link, over its settings.
pub(super) fn found(settings: &[&Setting<'_>], link: Link, summary: &Summary) -> Vec<BreakEven> {
    let metric = Metric::cost_on(link);
    let mut all: Vec<BreakEven> = Vec::new();
    for setting in settings {
        let of_it = summary.explained.crossovers.iter().filter(|crossover| {
            crossover.metric == metric
                && crossover.contrast.factor == Factor::Send
                && crossover.shared == setting.shared
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
            };
            match all.iter_mut().find(|it| it.path == path && it.against == against) {
                Some(known) => known.join(&one),
                None => all.push(one),
            }
        }
    }
    all
}

/// The path that passes by reference, the one that copies, and when the first costs less.
fn by_reference(
    [value, against]: [SendPath; 2],
    outcome: CrossoverOutcome,
) -> Option<(SendPath, SendPath, CrossoverOutcome)> {
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
