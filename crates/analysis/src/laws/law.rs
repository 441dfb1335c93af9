//! A law as it came out, as `summary.json` holds it.

use model::{Link, Missing};
use schemars::JsonSchema;
use serde::Serialize;

use super::reason::{Breach, LawReason};

/// A law of the design, checked on this run.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Law {
    /// Its number.
    pub id: u32,
    /// Whether it holds.
    pub state: LawState,
    /// What was seen, or why that is nothing; the first stands for all where there is no room.
    pub reasons: Vec<LawReason>,
    /// What would decide it; empty where it is decided.
    pub would_decide: Vec<Missing>,
    /// Records (or cells) that were compared.
    pub compared: u32,
    /// The records that break it, at most 20.
    pub broken_by: Vec<Breach>,
    /// How many more do.
    pub broken_by_more: u32,
    /// What the records of each link of the plan say of it by themselves; empty for laws that are not of single records.
    pub links: Vec<LawOnLink>,
}

/// What the records of one link say of a law.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LawOnLink {
    /// The link; null where an imported table does not tell it.
    #[serde(rename = "link")]
    pub stated_link: Option<Link>,
    /// The same, or the default that stands for it.
    #[serde(skip)]
    pub link: Link,
    /// Whether the law holds there.
    pub state: LawState,
    /// What was seen, or what is missing.
    pub reasons: Vec<LawReason>,
    /// Records of this link that were compared.
    pub compared: u32,
}

/// Whether a law holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LawState {
    /// In every record.
    Holds,
    /// Not in all.
    Broken,
    /// Its sources are absent here.
    Undecidable,
}
