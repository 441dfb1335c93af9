//! Answers, claims, laws, break-even sizes and models as Markdown.

use std::fmt::Write as _;

use analysis::explained::{Answer, Claim, Explained, Law, LawState};
use analysis::summary::Summary;

use super::{heads, plain, row};
use crate::ceiling_table;
use crate::claims_tally::{all_missing, claims_tally, law_state, verdict_name};
use crate::explained_tables::{NO_CROSSOVER, TextTable, cost_models, crossovers, scaling};
use crate::html::METHOD;
use crate::link_tables::{
    NO_LINK, SIDE_BY_SIDE, break_evens, copies as copies_table, functions, no_audit, not_counted,
    ratios,
};

/// The paper's questions with their answers, each with its evidence.
pub(super) fn answers(answers: &[Answer]) -> String {
    if answers.is_empty() {
        return String::new();
    }
    let mut out = "## The paper's questions\n".to_owned();
    for answer in answers {
        let id = answer.id.to_uppercase();
        let _ = writeln!(out, "\n### {}. {}\n", plain(&id), plain(&answer.question));
        let _ = writeln!(out, "**{}**\n", plain(&answer.line));
        for note in &answer.notes {
            let _ = writeln!(out, "- {}", plain(note));
        }
        if !answer.would_answer.is_empty() {
            let missing = all_missing(&answer.would_answer);
            let _ = writeln!(out, "- Would answer it: {}", plain(&missing));
        }
        if !answer.would_change.is_empty() {
            let _ = writeln!(out, "- What would change it: {}", plain(&answer.would_change));
        }
        if !answer.evidence.rows.is_empty() {
            let table = &answer.evidence;
            folded(&mut out, &format!("Evidence for {id}"), |out| {
                text_table(out, &table.columns, &table.rows);
            });
        }
    }
    out
}

/// The verdicts in one table; the records behind them folded away.
pub(super) fn claims(claims: &[Claim]) -> String {
    let Some(tally) = claims_tally(claims) else { return String::new() };
    let mut out = format!("## Claims of the paper: {tally}\n\n");
    heads(&mut out, &["claim", "verdict", "why", "what would decide it"]);
    for claim in claims {
        let name = format!("{} {}", claim.id.to_uppercase(), claim.text);
        let verdict = verdict_name(claim.verdict).to_owned();
        let texts = [name, verdict, claim.because.clone(), all_missing(&claim.would_decide)];
        row(&mut out, texts.map(|text| plain(&text)));
    }
    if claims.iter().any(|claim| !claim.evidence.is_empty()) {
        folded(&mut out, "Evidence for the claims", |out| {
            for claim in claims.iter().filter(|claim| !claim.evidence.is_empty()) {
                let names: Vec<String> = claim.evidence.iter().map(ToString::to_string).collect();
                let names = plain(&names.join("; "));
                let _ = writeln!(out, "- **{}** {names}", plain(&claim.id.to_uppercase()));
            }
        });
    }
    out
}

/// The laws, broken ones first.
pub(super) fn laws(laws: &[Law]) -> String {
    if laws.is_empty() {
        return String::new();
    }
    let mut sorted: Vec<&Law> = laws.iter().collect();
    sorted.sort_by_key(|law| law.state != LawState::Broken);
    let count = |state| laws.iter().filter(|law| law.state == state).count();
    let mut out = format!(
        "## Laws: {} hold, {} broken, {} undecidable here\n\n",
        count(LawState::Holds),
        count(LawState::Broken),
        count(LawState::Undecidable)
    );
    heads(&mut out, &["law", "state", "what was seen", "compared"]);
    for law in &sorted {
        let [one, other] = &law.sources;
        let name = format!("{} {}. {} ({one} against {other})", law.id, law.name, law.says);
        let state = law_state(law.state).to_owned();
        let missing = all_missing(&law.would_decide);
        let would =
            if missing.is_empty() { missing } else { format!("; would decide it: {missing}") };
        let seen = format!("{}{would}", law.because);
        let texts = [name, state, seen, law.compared.to_string()];
        row(&mut out, texts.map(|text| plain(&text)));
    }
    for law in sorted.iter().filter(|law| !law.broken_by.is_empty()) {
        let head = match law.state {
            LawState::Broken => format!("What breaks law {}", law.id),
            LawState::Holds | LawState::Undecidable => format!("Evidence for law {}", law.id),
        };
        folded(&mut out, &head, |out| {
            for record in &law.broken_by {
                let _ = writeln!(out, "- {}", plain(record));
            }
        });
    }
    out
}

/// What the kernel copied.
pub(super) fn copies(known: &Explained) -> String {
    let mut out = "## What the kernel copied\n".to_owned();
    if known.copy_audits.is_empty() {
        let _ = writeln!(out, "\n{}", plain(&no_audit(known)));
    }
    folded_tables(
        &mut out,
        &[
            copies_table(&known.copy_audits),
            not_counted(&known.copy_audits),
            functions(&known.copy_audits),
        ],
    );
    out
}

/// Zerocopy against sendmsg link by link.
pub(super) fn links(known: &Explained) -> String {
    let mut out = "## Zero-copy link by link\n\n".to_owned();
    if known.links.is_empty() {
        let _ = writeln!(out, "{}", plain(NO_LINK));
        return out;
    }
    for verdict in &known.link_verdicts {
        let _ = writeln!(out, "- {}.", plain(&verdict.line));
    }
    let _ = writeln!(out, "\n{}", plain(SIDE_BY_SIDE));
    folded_tables(&mut out, &[break_evens(&known.links), ratios(&known.links)]);
    out
}

/// Break-even sizes, cost models and scaling.
pub(super) fn tables(known: &Explained) -> String {
    let mut out = "## Break-even, cost and scaling\n".to_owned();
    if known.crossovers.is_empty() {
        let _ = writeln!(out, "\n{NO_CROSSOVER}");
    }
    let tables =
        [crossovers(&known.crossovers), cost_models(&known.cost_models), scaling(&known.scaling)];
    folded_tables(&mut out, &tables);
    folded_tables(&mut out, &ceiling_table::tables(known));
    out
}

/// Each table that has rows, folded away.
fn folded_tables(out: &mut String, tables: &[TextTable]) {
    for TextTable { heading, reading, columns, rows } in tables {
        if rows.is_empty() {
            continue;
        }
        folded(out, heading, |out| {
            if !reading.is_empty() {
                let _ = writeln!(out, "{}\n", plain(reading));
            }
            text_table(out, columns, rows);
        });
    }
}

/// How it was measured, and what marks mean.
pub(super) fn method(summary: &Summary) -> String {
    let mut out = "## Method\n".to_owned();
    folded(&mut out, "How it was measured", |out| {
        let _ = writeln!(out, "{}", METHOD.map(plain).join("\n\n"));
        if !summary.marks.is_empty() {
            out.push_str("\nMarks:\n\n");
        }
        for (mark, trials) in &summary.marks {
            let _ = writeln!(out, "- **{mark}: {trials} trials.** {}", plain(mark.meaning()));
        }
    });
    out
}

fn text_table<S: AsRef<str>>(out: &mut String, columns: &[S], rows: &[Vec<String>]) {
    heads(out, columns);
    for texts in rows {
        row(out, texts.iter().map(|text| plain(text)));
    }
}

/// Something that opens where somebody asks for it; blank lines let what is inside be Markdown (CommonMark, 4.6), while the
/// heading's line is HTML, in which a backslash would be seen.
fn folded(out: &mut String, heading: &str, inside: impl FnOnce(&mut String)) {
    let heading = heading.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = write!(out, "\n<details><summary>{heading}</summary>\n\n");
    inside(out);
    out.push_str("\n</details>\n");
}
