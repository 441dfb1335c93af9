//! The laws of the design, checked on a run.
//!
//! Each law compares two independent sources. One whose sources are absent is undecidable, with what would decide it;
//! a broken one names the records that break it. Void trials are checked too: content lost and notifications missing
//! are exactly why a trial may be void.

mod a_a;
mod calls;
mod ceiling;
mod content;
mod copies;
mod cost;
mod cpu;
mod notifications;

use model::Missing;

use crate::evidence::Evidence;
use crate::explained::{Law, LawOnLink, LawState};
use crate::on_link::links_asked;

/// The most records that a broken law names.
const MOST_NAMED: usize = 20;

/// Checks every law; broken ones come first, then undecidable ones, each in the order of their numbers.
pub fn check(evidence: &Evidence<'_>) -> Vec<Law> {
    let mut laws = vec![
        of_each_link(evidence, content::content),
        of_each_link(evidence, calls::calls),
        of_each_link(evidence, notifications::notifications),
        of_each_link(evidence, notifications::copied),
        of_each_link(evidence, copies::copies),
        cpu::cpu(evidence),
        cpu::cycles(evidence),
        ceiling::ceiling(evidence),
        cost::cost(evidence),
        a_a::a_a(evidence),
        notifications::negative_control(evidence),
    ];
    laws.sort_by_key(|law| {
        let weight = match law.state {
            LawState::Broken => 0,
            LawState::Undecidable => 1,
            LawState::Holds => 2,
        };
        (weight, law.id)
    });
    laws
}

/// A law about single records, with what those of each link of the plan say by themselves: so that none holds by the
/// records of another.
fn of_each_link(evidence: &Evidence<'_>, check: fn(&Evidence<'_>) -> Law) -> Law {
    let links = links_asked(evidence).into_iter().map(|link| {
        let (trials, audits) = (evidence.trials.on(link), evidence.audits.on(link));
        let on_link = check(&Evidence { trials: &trials, audits: &audits, ..*evidence });
        LawOnLink {
            link,
            state: on_link.state,
            because: on_link.because,
            compared: on_link.compared,
        }
    });
    Law { links: links.collect(), ..check(evidence) }
}

/// What is the same of a law on every run.
struct Text {
    id: u32,
    name: &'static str,
    says: &'static str,
    sources: [&'static str; 2],
}

impl Text {
    fn law(
        &self,
        state: LawState,
        because: String,
        compared: usize,
        broken_by: Vec<String>,
    ) -> Law {
        Law {
            id: self.id,
            name: self.name.to_owned(),
            says: self.says.to_owned(),
            sources: self.sources.map(str::to_owned),
            state,
            because,
            compared: u32::try_from(compared).unwrap_or(u32::MAX),
            would_decide: Vec::new(),
            broken_by,
            links: Vec::new(),
        }
    }

    /// A law of which one source is absent, and what would give it.
    fn undecidable(&self, because: impl Into<String>, missing: Missing) -> Law {
        let law = self.law(LawState::Undecidable, because.into(), 0, Vec::new());
        Law { would_decide: vec![missing], ..law }
    }

    /// A law that was compared and that nothing breaks.
    fn holds(&self, compared: usize, because: impl Into<String>) -> Law {
        self.law(LawState::Holds, because.into(), compared, Vec::new())
    }

    /// A law that was compared and that these records break.
    fn broken(&self, compared: usize, because: impl Into<String>, mut by: Vec<String>) -> Law {
        let more = by.len().saturating_sub(MOST_NAMED);
        if more > 0 {
            by.truncate(MOST_NAMED);
            by.push(format!("and {more} more"));
        }
        self.law(LawState::Broken, because.into(), compared, by)
    }
}

/// What a run without any finished trial says of every law about records.
const NO_TRIAL: &str = "no trial finished";

/// What would give it one.
fn measure_trials() -> Missing {
    Missing::plan("copycost run, or --resume")
}
