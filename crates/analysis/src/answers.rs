//! The paper's questions, answered from a run.
//!
//! Each answer is one line with its interval, the evidence as a table in the paper's form, and what would change it.

mod audited;
mod caches;
mod copies;
mod expectation;
mod speed_up;
mod surprise;
mod threads;
mod two_way;

use model::Missing;

use crate::comparisons::oversubscribed_words;
use crate::evidence::Evidence;
use crate::explained::{Answer, Table};

/// The questions as the paper asks them.
const QUESTIONS: [&str; 7] = [
    "Where do the two copies of send() happen? Is it really only two? Which component does each?",
    "Why does zero-copy not always give the best throughput?",
    "Which cache level shows the largest reduction in misses, and why?",
    "How does the thread count interact with cache contention?",
    "At what message size does one-copy (A2) beat two-copy (A1) on this system?",
    "At what message size does zero-copy (A3) beat two-copy (A1) on this system?",
    "Name one unexpected result and explain it with OS or hardware concepts.",
];

/// What one question comes to.
#[derive(Clone, Debug, Default)]
struct Found {
    line: String,
    answered: bool,
    evidence: Table,
    would_change: String,
    would_answer: Vec<Missing>,
    notes: Vec<String>,
}

type Answering = fn(&Evidence<'_>) -> Found;

/// Q0 to Q6.
///
/// `evidence` is of the link that the paper's questions are about, `whole` of every link.
pub fn answers(evidence: &Evidence<'_>, whole: &Evidence<'_>) -> Vec<Answer> {
    let answer: [fn(&Evidence<'_>) -> Found; 7] =
        [copies::q0, copies::q1, caches::q2, threads::q3, speed_up::q4, speed_up::q5, surprise::q6];
    let is_measured = evidence.asked().any(|estimates| estimates.trials > 0);
    let found = |answer: Answering| {
        if is_measured {
            return answer(evidence);
        }
        Found {
            line: "not answered: no trial is valid".to_owned(),
            would_answer: vec![Missing::plan("copycost run")],
            ..Found::default()
        }
    };
    let whole = |(number, (question, answer)): (usize, (&str, Answering))| {
        let Found { line, answered, evidence: table, would_change, would_answer, mut notes } =
            audited::of(number, evidence, whole).unwrap_or_else(|| found(answer));
        notes.extend(audited::notes(number, whole));
        if evidence.run.preliminary && answered {
            notes.push(
                "preliminary: fewer than 10 rounds, so intervals are not to be trusted".to_owned(),
            );
        }
        Answer {
            id: format!("q{number}"),
            question: question.to_owned(),
            line,
            answered,
            evidence: table,
            would_change,
            would_answer,
            notes,
        }
    };
    QUESTIONS.into_iter().zip(answer).enumerate().map(whole).collect()
}

fn columns<const N: usize>(heads: [&str; N]) -> Vec<String> {
    heads.map(str::to_owned).to_vec()
}

/// What must be said beside a table with oversubscribed cells in it.
fn crowd_note(evidence: &Evidence<'_>) -> Vec<String> {
    oversubscribed_words(evidence).into_iter().collect()
}
