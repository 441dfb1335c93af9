//! What changed between runs as JSON, and its published schema.

use std::io::Write;

use analysis::changes::{Changes, Comparison, Verdict};
use model::Share;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::ReportError;
use crate::words::changes as words;

/// The changes with the sentences that are made of them.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Changes")]
struct ChangesFile<'a> {
    /// What changed, for each of `comparisons`.
    answers: Vec<Answer>,
    /// What `--fail-over` comes to; absent without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fail_over: Option<FailOver>,
    #[serde(flatten)]
    changes: &'a Changes,
}

/// Whether anything got worse by more than is allowed.
#[derive(Serialize, JsonSchema)]
struct FailOver {
    /// What is allowed, as a share.
    share: f64,
    /// What may be said.
    outcome: Outcome,
    /// The same in a sentence, with the remedy where it is undecided.
    text: String,
}

/// What may be said of a change for the worse by more than is allowed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    /// It is shown: exit code 1.
    Worse,
    /// It is neither shown nor excluded: exit code 4.
    Undecided,
    /// It is excluded of every cell that was compared: exit code 0.
    Excluded,
}

/// What changed, in sentences.
#[derive(Serialize, JsonSchema)]
struct Answer {
    /// How much changed beyond noise.
    text: String,
    /// Which values of a factor changed against every other one.
    attributed: Vec<String>,
    /// That the line decided the goodput of cells on both sides; null where it did of none.
    at_line_rate: Option<String>,
    /// How large a change would have been seen; absent where nothing was compared.
    seen: Option<String>,
    /// What could not be compared.
    not_compared: Vec<String>,
    /// What to beware of.
    cautions: Vec<String>,
}

/// Writes the changes, indented, keys in a stable order; with what a share that nothing may get worse by comes to.
///
/// # Errors
/// The writer's.
pub fn write_changes(
    mut out: impl Write,
    changes: &Changes,
    verdict: Option<(Share, &Verdict<'_>)>,
) -> Result<(), ReportError> {
    let answer = |comparison: &Comparison| Answer {
        text: words::answer(comparison),
        attributed: comparison.attributed.iter().map(words::attributed).collect(),
        at_line_rate: words::at_line_rate(comparison),
        seen: words::seen(comparison),
        not_compared: words::not_compared(comparison),
        cautions: words::cautions(&changes.base, comparison),
    };
    let fail_over = verdict.map(|(allowed, verdict)| FailOver {
        share: allowed.0,
        outcome: match verdict {
            Verdict::Worse(_) => Outcome::Worse,
            Verdict::Undecided(_) => Outcome::Undecided,
            Verdict::Excluded => Outcome::Excluded,
        },
        text: words::judged(verdict, allowed, changes),
    });
    let answers = changes.comparisons.iter().map(answer).collect();
    let file = ChangesFile { answers, fail_over, changes };
    let error = |why: std::io::Error| ReportError::new("the changes", why);
    serde_json::to_writer_pretty(&mut out, &file).map_err(|why| error(why.into()))?;
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(error)
}

/// The JSON schema of what `copycost compare --json` prints, published as `schema/changes.schema.json`.
pub fn changes_schema() -> serde_json::Value {
    schemars::schema_for!(ChangesFile<'_>).to_value()
}
