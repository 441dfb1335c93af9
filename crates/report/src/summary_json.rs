//! `summary.json` and its published schema.

use std::collections::BTreeMap;
use std::io::Write;

use analysis::laws::law::{Law, LawOnLink};
use analysis::summary::Summary;
use model::Link;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::ReportError;
use crate::words::fixed_load::load_savings;
use crate::words::line_rate::line_rate;
use crate::words::{
    advice, answers, claims, detail, laws, link_verdict, receiving, recommendations, warning,
};

/// The summary with the sentences that are made of its findings last.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Summary")]
struct SummaryFile<'a> {
    /// What to use, in a sentence for each of `recommendations`, then for those of `receiving`.
    answer: Vec<String>,
    /// The claims of the paper and why each came out as it did, by the claims' ids.
    claim_sentences: BTreeMap<String, Sentence>,
    /// The laws and what was seen of each, by the laws' numbers.
    law_sentences: BTreeMap<String, LawSentence>,
    /// The paper's questions and what this run answers, by the answers' ids.
    answer_sentences: BTreeMap<String, AnswerSentence>,
    /// What to beware of, in a sentence for each of `warnings`.
    warning_sentences: Vec<WarningSentence>,
    /// From which length on a field pays by reference: constants to paste, or why there is none.
    threshold_sentences: Vec<String>,
    /// What is saved where senders are held to a rate, for each link and load; none where none are.
    load_sentences: Vec<String>,
    /// What the line between two hosts carries, and which cells are at its rate; none where both ends ran on one.
    line_sentences: Vec<String>,
    /// When zerocopy costs less, in a sentence for each of `link_verdicts`.
    link_sentences: Vec<String>,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// A claim, and what was found.
#[derive(Serialize, JsonSchema)]
struct Sentence {
    /// The claim.
    text: &'static str,
    /// What this run says of it, and why.
    because: String,
}

/// A question, and what was found.
#[derive(Serialize, JsonSchema)]
struct AnswerSentence {
    /// The question.
    text: &'static str,
    /// What this run answers, or why it does not.
    because: String,
    /// What a reader must know beside it.
    notes: Vec<String>,
}

/// What to beware of.
#[derive(Serialize, JsonSchema)]
struct WarningSentence {
    /// What it means, and what mends it.
    text: String,
    /// The reason, or the cell that is meant; left out where there is no more to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
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
    /// Why on each link, for laws of single records; `unknown` is one that an imported table does not tell.
    links: BTreeMap<String, String>,
}

impl LawSentence {
    fn new(law: &Law) -> Self {
        let named = |on: &LawOnLink| on.stated_link.map_or("unknown", Link::name).to_owned();
        let on_link = |on: &LawOnLink| (named(on), laws::because(law.id, &on.reasons));
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
        let (text, because) = (claims::claim(claim), claims::because(claim));
        (claim.id.to_string(), Sentence { text, because })
    });
    let laws = summary.explained.laws.iter();
    let laws = laws.map(|law| (law.id.to_string(), LawSentence::new(law)));
    let answers = summary.explained.answers.iter().map(|answer| {
        let sentence = AnswerSentence {
            text: answers::question(answer),
            because: answers::line(summary, answer),
            notes: answers::notes(summary, answer),
        };
        (answer.id.to_string(), sentence)
    });
    let warnings = summary.warnings.iter();
    let warnings = warnings.map(|of| WarningSentence { text: warning(of), detail: detail(of) });
    let file = SummaryFile {
        answer: recommendations(summary)
            .into_iter()
            .chain(receiving(summary, usize::MAX))
            .collect(),
        claim_sentences: claims.collect(),
        law_sentences: laws.collect(),
        answer_sentences: answers.collect(),
        warning_sentences: warnings.collect(),
        threshold_sentences: advice::field_thresholds(summary),
        load_sentences: load_savings(summary),
        line_sentences: line_rate(summary).into_iter().collect(),
        link_sentences: summary.explained.link_verdicts.iter().map(link_verdict).collect(),
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
