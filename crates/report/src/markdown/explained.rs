//! Questions, claims, laws, links and audits in a line each; their evidence is on the page.

use analysis::answers::Answer;
use analysis::claims::claim::Claim;
use analysis::explained::Explained;
use analysis::laws::law::{Law, LawState};
use analysis::own_table::TableCheck;
use analysis::summary::Summary;
use model::Audit;

use super::section::Section;
use super::{heads, item, plain_short, row};
use crate::claims_tally::{claims_tally, verdict_name};
use crate::cpu_time_text::not_profiled;
use crate::link_tables::{copies_note, no_audit};
use crate::words;

/// A reason that is longer than this is told on the page.
const LONGEST_REASON: usize = 120;
/// The same of a claim's own text, and of a law's.
const LONGEST_CLAIM: usize = 160;
/// The same of questions.
const LONGEST_QUESTION: usize = 200;
/// The same of answers, which hold their figures.
const LONGEST_ANSWER: usize = 400;

/// The paper's questions with their answers.
pub(super) fn answers(summary: &Summary) -> Section {
    let answers = &summary.explained.answers;
    if answers.is_empty() {
        return Section::default();
    }
    let line = |answer: &Answer| {
        let question = format!("{}. {}", answer.id.name(), words::answers::question(answer));
        let question = plain_short(&question, LONGEST_QUESTION);
        item(&format!(
            "**{question}** {}",
            plain_short(&words::answers::line(summary, answer), LONGEST_ANSWER)
        ))
    };
    Section {
        head: "## The paper's questions\n\n".to_owned(),
        rows: answers.iter().map(line).collect(),
        foot: String::new(),
    }
}

/// What the paper claims, beside what this table gives; contradictions first.
pub(super) fn own_table(checks: &[TableCheck]) -> Section {
    if checks.is_empty() {
        return Section::default();
    }
    let mut head = format!(
        "## What the paper claims, and what this table gives: {}\n\n",
        words::own_table::tally(checks)
    );
    heads(&mut head, &["claim", "the paper claims", "", "this table gives"]);
    let mut sorted: Vec<&TableCheck> = checks.iter().collect();
    sorted.sort_by_key(|check| check.agreement);
    let line = |check: &TableCheck| {
        let mut line = String::new();
        let cells = [
            check.id.name(),
            words::own_table::says(check),
            words::own_table::verdict(check.agreement).to_owned(),
            words::own_table::gives(check, words::own_table::MOST),
        ];
        row(&mut line, cells.map(|text| plain_short(&text, LONGEST_QUESTION)));
        line
    };
    Section { head, rows: sorted.into_iter().map(line).collect(), foot: String::new() }
}

/// The verdicts in one table.
pub(super) fn claims(claims: &[Claim]) -> Section {
    let Some(tally) = claims_tally(claims) else { return Section::default() };
    let mut head = format!("## Claims of the paper: {tally}\n\n");
    heads(&mut head, &["claim", "verdict", "why"]);
    let line = |claim: &Claim| {
        let mut line = String::new();
        let name = format!("{} {}", claim.id.name(), words::claims::claim(claim));
        let verdict = verdict_name(claim.verdict);
        let because = words::claims::because(claim);
        let cells = [(name.as_str(), LONGEST_CLAIM), (verdict, LONGEST_CLAIM)]
            .into_iter()
            .chain([(because.as_str(), LONGEST_REASON)]);
        row(&mut line, cells.map(|(text, most)| plain_short(text, most)));
        line
    };
    Section { head, rows: claims.iter().map(line).collect(), foot: String::new() }
}

/// How many laws hold, and those that do not: broken ones first.
pub(super) fn laws(laws: &[Law]) -> Section {
    if laws.is_empty() {
        return Section::default();
    }
    let count = |state| laws.iter().filter(|law| law.state == state).count();
    let head = format!(
        "## Laws: {} hold, {} broken, {} undecidable here\n\n",
        count(LawState::Holds),
        count(LawState::Broken),
        count(LawState::Undecidable)
    );
    let of = |state| laws.iter().filter(move |law| law.state == state);
    // What a broken law says stands at the top; here stands which trial says so.
    let broken_by = |law| words::laws::broken_by(law).into_iter().next().unwrap_or_default();
    let broken = of(LawState::Broken).map(|law| (law, "broken", broken_by(law)));
    let open = of(LawState::Undecidable)
        .map(|law| (law, "undecidable here", words::laws::law_because(law)));
    let line = |(law, state, why): (&Law, &str, String)| {
        let name = format!("{} {}", law.id, words::laws::law_name(law));
        let why = plain_short(&why, LONGEST_CLAIM);
        item(&format!("**{}** {state}: {why}", plain_short(&name, LONGEST_CLAIM)))
    };
    Section { head, rows: broken.chain(open).map(line).collect(), foot: String::new() }
}

/// What audits counted, or why they counted nothing where one was asked for.
pub(super) fn audits(known: &Explained) -> Section {
    let refused = |audit| known.why_not_audited(audit).is_some();
    let lines = [
        copies_note(&known.copy_audits).map(|note| format!("Copies of each byte, counted: {note}")),
        refused(Audit::CopyAudit).then(|| no_audit(known)),
        refused(Audit::Profile).then(|| not_profiled(known, None)),
    ];
    let rows: Vec<String> =
        lines.into_iter().flatten().map(|line| item(&plain_short(&line, LONGEST_ANSWER))).collect();
    let head = "## Audits\n\n".to_owned();
    if rows.is_empty() { Section::default() } else { Section { head, rows, foot: String::new() } }
}

/// Zerocopy against sendmsg in a line a link.
pub(super) fn links(known: &Explained) -> Section {
    let line = |it| item(&plain_short(&words::link_verdict(it), LONGEST_ANSWER));
    let rows: Vec<String> = known.link_verdicts.iter().map(line).collect();
    let head = "## Zero-copy link by link\n\n".to_owned();
    if rows.is_empty() { Section::default() } else { Section { head, rows, foot: String::new() } }
}
