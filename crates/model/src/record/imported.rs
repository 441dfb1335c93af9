//! What another program measured, as a table told it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::factor::Factor;
use crate::mark::Mark;
use crate::measured::Measured;
use crate::units::Nanos;

/// A file that trials were imported from, and how it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImportedFile {
    /// The file, as it was named.
    pub file: String,
    /// Rows that became trials.
    pub rows: u64,
    /// Each column in the file's order, and what it was taken as.
    pub columns: Vec<ImportedColumn>,
    /// The factors that its columns tell; of all others its cells have copycost's defaults, which says nothing of what was
    /// measured. None: written by a version that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated: Option<Vec<Factor>>,
    /// What else was decided in reading it, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A column of an imported file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImportedColumn {
    /// Its heading, as the file has it.
    pub heading: String,
    /// The name that it was taken as, with its unit; absent where it was not used.
    pub taken_as: Measured<String>,
    /// Whether it holds what nothing else of the run tells.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lost: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
const fn is_false(it: &bool) -> bool {
    !*it
}

/// A row of an imported file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Imported {
    /// The line that it begins in, from 1.
    pub line: u64,
    /// CPUs that the ends could use, where somebody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usable_cpus: Option<u32>,
    /// The length of its window, where the file tells it or its bytes and throughput make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ns: Option<Nanos>,
    /// Figures by the names that they bear in files (`goodput_gbps`); those that the file has no column for are not among
    /// them.
    pub figures: BTreeMap<String, Measured<f64>>,
    /// The paper's totals.
    #[serde(default, skip_serializing_if = "ImportedTotals::is_empty")]
    pub totals: ImportedTotals,
    /// Marks that the file gives it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
}

/// Totals of a row, of the side that its file counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportedTotals {
    /// Payload bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// CPU cycles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u64>,
    /// Cache misses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_misses: Option<u64>,
    /// Context switches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_switches: Option<u64>,
}

impl ImportedTotals {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
