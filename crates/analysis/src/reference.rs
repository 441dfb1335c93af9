//! What a conclusion rests on, by name.

use model::{Cell, Contrast, Link, SendPath, Shared};
use schemars::JsonSchema;
use serde::Serialize;

use crate::findings::{CostModel, Crossover, ModelledSide};
use crate::metric::Metric;

/// One piece of evidence: a reference to what the summary holds elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Reference {
    /// A ratio between two cells.
    Ratio {
        /// Of what.
        metric: Metric,
        /// The numerator.
        #[schemars(with = "String")]
        cell: Cell,
        /// The denominator.
        #[schemars(with = "String")]
        against: Cell,
    },
    /// A figure of one cell.
    Figure {
        /// Of what.
        metric: Metric,
        /// The cell.
        #[schemars(with = "String")]
        cell: Cell,
    },
    /// A crossover.
    Crossover {
        /// In what.
        metric: Metric,
        /// What is compared.
        contrast: Contrast,
        /// What its cells share.
        shared: Shared,
    },
    /// A fitted line of cost over size.
    CostModel {
        /// Whose CPU time.
        side: ModelledSide,
        /// The path.
        path: SendPath,
        /// What its cells share.
        shared: Shared,
    },
    /// A law.
    Law {
        /// Its number.
        id: u32,
    },
    /// What audits counted of a path on a link.
    CopyAudit {
        /// The path.
        path: SendPath,
        /// The link.
        link: Link,
    },
    /// The profiles of two cells.
    Profiles {
        /// The path that passes by reference.
        #[schemars(with = "String")]
        cell: Cell,
        /// The one that copies.
        #[schemars(with = "String")]
        against: Cell,
    },
    /// A fact of `host.json`.
    Host {
        /// Its key.
        key: String,
    },
}

impl Reference {
    /// A law.
    pub(crate) const fn law(id: u32) -> Self {
        Self::Law { id }
    }

    /// A fact of the machine.
    pub(crate) fn host(key: &str) -> Self {
        Self::Host { key: key.to_owned() }
    }

    /// A crossover.
    pub(crate) fn crossover(crossover: &Crossover) -> Self {
        Self::Crossover {
            metric: crossover.metric,
            contrast: crossover.contrast.clone(),
            shared: crossover.shared.clone(),
        }
    }

    /// A fitted line.
    pub(crate) fn cost_model(model: &CostModel) -> Self {
        Self::CostModel { side: model.side, path: model.path, shared: model.shared.clone() }
    }

    /// The cells that it is of, where it names any.
    pub fn cells(&self) -> impl Iterator<Item = &Cell> {
        let (first, second) = match self {
            Self::Ratio { cell, against, .. } | Self::Profiles { cell, against } => {
                (Some(cell), Some(against))
            }
            Self::Figure { cell, .. } => (Some(cell), None),
            Self::Crossover { .. }
            | Self::CostModel { .. }
            | Self::Law { .. }
            | Self::CopyAudit { .. }
            | Self::Host { .. } => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// Whether it is an estimate over rounds, whose interval needs enough of them. Facts of the machine, laws and what every
    /// completion said need none, nor do samples, whose intervals are of their own number.
    pub(crate) fn needs_rounds(&self) -> bool {
        match self {
            Self::Ratio { metric, .. } | Self::Figure { metric, .. } => {
                *metric != Metric::CopiedShare
            }
            Self::Crossover { .. } => true,
            Self::CostModel { .. }
            | Self::Law { .. }
            | Self::CopyAudit { .. }
            | Self::Profiles { .. }
            | Self::Host { .. } => false,
        }
    }
}

/// What speaks against taking a verdict further than it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Caveat {
    /// It rests on intervals of too few rounds.
    Preliminary {
        /// Whole rounds.
        rounds: u32,
    },
    /// A law about its source is broken, so that the source is not believed.
    LawBroken {
        /// The law.
        id: u32,
    },
    /// Cells behind it keep more threads busy than there are CPUs.
    Oversubscribed {
        /// Whether every one does.
        all: bool,
    },
    /// No cause is claimed from such cells.
    NoCause,
    /// Nobody knows how many CPUs the ends had, as of imported trials.
    UnknownCpus,
}
