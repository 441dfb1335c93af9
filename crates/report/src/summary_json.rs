//! `summary.json` and its published schema.

use std::io::Write;

use analysis::summary::Summary;

use crate::error::ReportError;

/// Writes `summary.json`, indented, keys in a stable order.
///
/// # Errors
/// The writer's.
pub fn write_summary(mut out: impl Write, summary: &Summary) -> Result<(), ReportError> {
    serde_json::to_writer_pretty(&mut out, summary)
        .map_err(|e| ReportError::new("summary.json", e))?;
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(|e| ReportError::new("summary.json", e))
}

/// The JSON schema of `summary.json`, published as `schema/summary.schema.json`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Summary).to_value()
}
