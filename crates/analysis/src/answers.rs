//! The paper's questions, answered from a run.

mod caches;
mod copies;
mod expectation;
mod finding;
mod speed_up;
mod surprise;
mod threads;
mod two_way;

use model::{Link, Missing, RunCommand};

pub use self::finding::{
    Answer, AnswerFinding, Basis, Comparisons, CopiesInAll, Departed, Largest, LevelRatio, Saves,
};
use crate::evidence::Evidence;
use crate::id::Id;
use crate::metric::Metric;
use crate::on_link::{main_link, no_main_link};
use crate::operands::Compared;
use crate::reason::Reason;
use crate::reference::Caveat;

/// What one question comes to.
#[derive(Clone, Debug)]
struct Found {
    finding: AnswerFinding,
    compared: Vec<Comparisons>,
    /// What would change it, of an answer; what would answer it, else.
    changes: Result<Vec<Missing>, Vec<Missing>>,
    /// Whether it speaks of every cell of the plan, of which some may be oversubscribed.
    of_cells: bool,
}

impl Found {
    fn answered(finding: AnswerFinding, changes: impl Into<Vec<Missing>>) -> Self {
        Self { finding, compared: Vec::new(), changes: Ok(changes.into()), of_cells: false }
    }

    fn open(finding: AnswerFinding, missing: Missing) -> Self {
        Self { finding, compared: Vec::new(), changes: Err(vec![missing]), of_cells: false }
    }

    fn lacking(reason: Reason, missing: Missing) -> Self {
        Self::open(AnswerFinding::Lacking { reason }, missing)
    }

    fn no_valid_trial() -> Self {
        Self::lacking(Reason::NoValidTrial, Missing::plan(RunCommand::default()))
    }

    /// With the comparisons that it rests on.
    fn from(mut self, compared: impl IntoIterator<Item = (Metric, Vec<Compared>)>) -> Self {
        let of = |(metric, ratios)| Comparisons { metric, ratios };
        self.compared = compared.into_iter().map(of).filter(|of| !of.ratios.is_empty()).collect();
        self.of_cells = true;
        self
    }
}

type Answering = fn(&Evidence<'_>) -> Found;

/// Q0 to Q6.
///
/// `evidence` is of the link that the paper's questions are about, `whole` of every link: what an audit counted on any of
/// them answers the first.
pub fn answers(evidence: &Evidence<'_>, whole: &Evidence<'_>) -> Vec<Answer> {
    const ANSWERS: [Answering; 6] =
        [copies::q1, caches::q2, threads::q3, speed_up::q4, speed_up::q5, surprise::q6];
    let found = |answer: &Answering| {
        if !is_measured(whole) {
            Found::no_valid_trial()
        } else if main_link(whole).is_none() {
            Found::lacking(
                no_main_link(whole),
                Missing::plan(RunCommand::default().over(&Link::TELLING)),
            )
        } else {
            answer(evidence)
        }
    };
    let all = std::iter::once(copies::q0(evidence, whole)).chain(ANSWERS.iter().map(found));
    let answer = |(number, found): (usize, Found)| {
        let caveats = caveats(evidence, &found);
        let Found { finding, compared, changes, of_cells: _ } = found;
        Answer {
            id: Id::Question(number),
            answered: changes.is_ok(),
            finding,
            compared,
            caveats,
            would_change: changes.clone().unwrap_or_default(),
            would_answer: changes.err().unwrap_or_default(),
        }
    };
    all.enumerate().map(answer).collect()
}

/// Whether any trial is valid.
fn is_measured(evidence: &Evidence<'_>) -> bool {
    evidence.asked().any(|estimates| estimates.trials > 0)
}

fn caveats(evidence: &Evidence<'_>, found: &Found) -> Vec<Caveat> {
    let oversubscribed = || evidence.asked().map(|estimates| estimates.oversubscribed.is_so());
    let mut caveats = Vec::new();
    if found.of_cells && oversubscribed().any(|is| is) {
        caveats.push(Caveat::Oversubscribed { all: oversubscribed().all(|is| is) });
    }
    if evidence.run.preliminary && found.changes.is_ok() {
        caveats.push(Caveat::Preliminary { rounds: evidence.run.rounds });
    }
    caveats
}
