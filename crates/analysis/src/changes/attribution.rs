//! Which value of a factor changed: the one whose ratios to all others changed, while theirs to each other did not.

use model::{Contrast, Factor, Link, Shared};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Change, Subject};
use crate::estimate::Estimate;
use crate::metric::Metric;
use crate::results::Finding;

/// Where a value changed.
#[allow(
    clippy::large_enum_variant,
    reason = "there are few of them, each alive for one comparison"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "scope", rename_all = "kebab-case")]
pub enum Scope {
    /// Over all blocks.
    AllBlocks {
        /// How many.
        blocks: u32,
    },
    /// Within one block.
    Block {
        /// What its cells share.
        shared: Box<Shared>,
    },
}

/// A value of a factor that changed against every other one.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Attributed {
    /// The factor.
    #[schemars(with = "String")]
    #[serde(serialize_with = "key")]
    pub factor: Factor,
    /// The value.
    pub value: String,
    /// Where.
    #[serde(flatten)]
    pub scope: Scope,
    /// On which link; null where an imported table does not tell it.
    #[serde(rename = "link")]
    pub stated_link: Option<Link>,
    /// The same, or the default that stands for it.
    #[serde(skip)]
    pub link: Link,
    /// In which figure.
    pub metric: Metric,
    /// The change against the value against which it is smallest.
    pub ratio: Estimate,
    /// More or less.
    pub finding: Finding,
}

fn key<S: serde::Serializer>(factor: &Factor, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(factor.key())
}

/// One contrast's change as seen from one of its values.
pub(super) struct Seen<'a> {
    pub(super) change: &'a Change,
    /// Whether the value is the denominator.
    pub(super) is_against: bool,
}

impl Seen<'_> {
    /// The finding for the value.
    fn finding(&self) -> Finding {
        match (self.change.finding, self.is_against) {
            (Finding::More, true) => Finding::Less,
            (Finding::Less, true) => Finding::More,
            (finding, _) => finding,
        }
    }

    /// The ratio for the value.
    fn ratio(&self) -> Estimate {
        let ratio = self.change.ratio;
        if !self.is_against {
            return ratio;
        }
        let inverse = |x: f64| x.recip().min(f64::MAX);
        Estimate {
            mean: inverse(ratio.mean),
            low: ratio.high.map(inverse),
            high: ratio.low.map(inverse),
            ..ratio
        }
    }
}

fn contrast_of(change: &Change) -> Option<(&Contrast, Scope)> {
    match &change.subject {
        Subject::Contrast { contrast, blocks } => {
            Some((contrast, Scope::AllBlocks { blocks: *blocks }))
        }
        Subject::Ratio { contrast, cell, .. } => {
            let shared = Box::new(Shared::new(cell, &[contrast.factor]));
            Some((contrast, Scope::Block { shared }))
        }
        Subject::Level { .. } => None,
    }
}

/// A group of contrasts of one factor, in one figure and place.
struct Group<'a> {
    factor: Factor,
    scope: Scope,
    link: Link,
    metric: Metric,
    changes: Vec<(&'a Contrast, &'a Change)>,
}

impl<'a> Group<'a> {
    fn values(&self) -> Vec<&'a str> {
        let mut values: Vec<&str> = self
            .changes
            .iter()
            .flat_map(|(contrast, _)| [contrast.value.as_str(), contrast.against.as_str()])
            .collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// The contrasts of a value, and the others.
    fn split(&self, value: &str) -> (Vec<Seen<'a>>, Vec<&'a Change>) {
        let (mut of, mut others) = (Vec::new(), Vec::new());
        for (contrast, change) in &self.changes {
            if contrast.value == value {
                of.push(Seen { change, is_against: false });
            } else if contrast.against == value {
                of.push(Seen { change, is_against: true });
            } else {
                others.push(*change);
            }
        }
        (of, others)
    }
}

/// Contrasts by factor, place and figure, in their order.
fn groups(changes: &[Change]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for change in changes {
        let Some((contrast, scope)) = contrast_of(change) else { continue };
        let is_it = |group: &&mut Group<'_>| {
            group.factor == contrast.factor
                && group.metric == change.metric
                && group.link == change.link
                && group.scope == scope
        };
        match groups.iter_mut().find(is_it) {
            Some(group) => group.changes.push((contrast, change)),
            None => groups.push(Group {
                factor: contrast.factor,
                scope,
                link: change.link,
                metric: change.metric,
                changes: vec![(contrast, change)],
            }),
        }
    }
    groups
}

/// The values that changed against at least two others, all of them, while the others did not change against each other.
/// Against a single other one it cannot be told which of the two changed.
pub fn attributed(changes: &[Change]) -> Vec<Attributed> {
    with_contrasts(changes).into_iter().map(|(attributed, _)| attributed).collect()
}

/// The same, each with its contrasts.
pub(super) fn with_contrasts(changes: &[Change]) -> Vec<(Attributed, Vec<Seen<'_>>)> {
    let mut found = Vec::new();
    for group in groups(changes) {
        for value in group.values() {
            let (of, others) = group.split(value);
            let Some(first) = of.first() else { continue };
            let finding = first.finding();
            let all_alike = of.iter().all(|seen| seen.finding() == finding);
            let is_it = finding != Finding::Undecided
                && of.len() > 1
                && all_alike
                && !others.iter().any(|change| change.is_found());
            if !is_it {
                continue;
            }
            let size = |seen: &&Seen<'_>| seen.change.shift.log.abs();
            let least = of.iter().min_by(|a, b| size(a).total_cmp(&size(b)));
            let attributed = Attributed {
                factor: group.factor,
                value: value.to_owned(),
                scope: group.scope.clone(),
                stated_link: of.first().and_then(|seen| seen.change.stated_link),
                link: group.link,
                metric: group.metric,
                ratio: least.unwrap_or(first).ratio(),
                finding,
            };
            found.push((attributed, of));
        }
    }
    found
}
