//! `summary.json` and its published schema.

use std::io::Write;

use analysis::summary::Summary;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::ReportError;
use crate::words::recommendations;

/// The summary with the sentences that are made of its findings last.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Summary")]
struct SummaryFile<'a> {
    /// What to use, in a sentence for each of `recommendations`.
    answer: Vec<String>,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// Writes `summary.json`, indented, keys in a stable order.
///
/// # Errors
/// The writer's.
pub fn write_summary(mut out: impl Write, summary: &Summary) -> Result<(), ReportError> {
    let file = SummaryFile { answer: recommendations(summary), summary };
    serde_json::to_writer_pretty(&mut out, &file)
        .map_err(|e| ReportError::new("summary.json", e))?;
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(|e| ReportError::new("summary.json", e))
}

/// The JSON schema of `summary.json`, published as `schema/summary.schema.json`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(SummaryFile<'_>).to_value()
}
