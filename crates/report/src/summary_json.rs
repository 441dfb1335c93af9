//! `summary.json` and its published schema.

use std::collections::BTreeMap;
use std::io::Write;

use analysis::laws::law::{Law, LawOnLink};
use analysis::summary::Summary;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::ReportError;
use crate::words::{answers, claims, laws, recommendations};

/// The summary with the sentences that are made of its findings last.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Summary")]
struct SummaryFile<'a> {
    /// What to use, in a sentence for each of `recommendations`.
    answer: Vec<String>,
    /// The claims of the paper and why each came out as it did, by the claims' ids.
    claim_sentences: BTreeMap<String, Sentence>,
    /// The laws and what was seen of each, by the laws' numbers.
    law_sentences: BTreeMap<String, LawSentence>,
    /// The paper's questions and what this run answers, by the answers' ids.
    answer_sentences: BTreeMap<String, Sentence>,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// What was looked at, and what was found.
#[derive(Serialize, JsonSchema)]
struct Sentence {
    /// The claim, law or question.
    text: String,
    /// What this run says of it, and why.
    because: String,
}

/// A law, and what was seen of it.
#[derive(Serialize, JsonSchema)]
struct LawSentence {
    /// Its name: `content`, `calls`, `notifications`, `copied`, `copies`, `cpu`, `cycles`, `ceiling`, `cost`, `a-a`, `negative-control`.
    name: &'static str,
    /// The law itself.
    text: &'static str,
    /// Its two independent sources.
    sources: [&'static str; 2],
    /// Why it holds, is broken or is undecidable.
    because: String,
    /// What breaks it, record by record, then how many more do.
    broken_by: Vec<String>,
    /// Why on each link, for laws of single records.
    links: BTreeMap<String, String>,
}

impl LawSentence {
    fn new(law: &Law) -> Self {
        let on_link = |on: &LawOnLink| (on.link.to_string(), laws::because(law.id, &on.reasons));
        Self {
            name: laws::law_name(law),
            text: laws::states(law),
            sources: laws::sources(law),
            because: laws::law_because(law),
            broken_by: laws::broken_by(law),
            links: law.links.iter().map(on_link).collect(),
        }
    }
}

/// Writes `summary.json`, indented, keys in a stable order.
///
/// # Errors
/// The writer's.
pub fn write_summary(mut out: impl Write, summary: &Summary) -> Result<(), ReportError> {
    let claims = summary.explained.claims.iter().map(|claim| {
        let text = claims::claim(claim).to_owned();
        (claim.id.to_string(), Sentence { text, because: claims::because(claim) })
    });
    let laws = summary.explained.laws.iter();
    let laws = laws.map(|law| (law.id.to_string(), LawSentence::new(law)));
    let answers = summary.explained.answers.iter().map(|answer| {
        let text = answers::question(answer).to_owned();
        (answer.id.to_string(), Sentence { text, because: answers::line(answer) })
    });
    let file = SummaryFile {
        answer: recommendations(summary),
        claim_sentences: claims.collect(),
        law_sentences: laws.collect(),
        answer_sentences: answers.collect(),
        summary,
    };
    serde_json::to_writer_pretty(&mut out, &file)
        .map_err(|e| ReportError::new("summary.json", e))?;
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(|e| ReportError::new("summary.json", e))
}

/// The JSON schema of `summary.json`, published as `schema/summary.schema.json`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(SummaryFile<'_>).to_value()
}
