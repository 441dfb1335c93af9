//! A claim of the paper and what a run makes of it, as `summary.json` holds it.

use model::Missing;
use schemars::JsonSchema;
use serde::Serialize;

use crate::id::Id;
use crate::reason::{Part, Shown};
use crate::reference::{Caveat, Reference};

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The records speak for it.
    Supported,
    /// The records speak against it.
    Refuted,
    /// The records cannot tell.
    Undecidable,
    /// This machine has not what the claim is about.
    NotApplicable,
}

/// A claim of the paper and what this run says of it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Claim {
    /// `c1` … `c25`.
    pub id: Id,
    /// What this run says.
    pub verdict: Verdict,
    /// Why: the parts of its argument as far as the records go.
    pub parts: Vec<Part>,
    /// What it rests on.
    pub evidence: Vec<Reference>,
    /// What speaks against taking it further.
    pub caveats: Vec<Caveat>,
    /// What would decide it: instrument, privilege, hardware or another plan; empty where it is decided.
    pub would_decide: Vec<Missing>,
}

impl Claim {
    /// The part that decided it: the first that is contradicted, else the first that is not shown, else the last.
    pub fn deciding(&self) -> Option<&Part> {
        let no = self.parts.iter().find(|part| matches!(part.shown, Shown::No));
        no.or_else(|| self.parts.iter().find(|part| part.shown != Shown::Yes)).or(self.parts.last())
    }

    /// Whether it rests on intervals of too few rounds.
    pub fn is_preliminary(&self) -> bool {
        self.caveats.iter().any(|caveat| matches!(caveat, Caveat::Preliminary { .. }))
    }
}
