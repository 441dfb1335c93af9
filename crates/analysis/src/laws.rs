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
pub mod law;
mod notifications;
pub mod reason;

pub(crate) use self::ceiling::CEILING;
use model::{Cell, Missing, RunCommand};

use self::reason::{Breach, LawReason, whole};
use crate::evidence::Evidence;
use crate::laws::law::{Law, LawOnLink, LawState};
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
            stated_link: evidence.run.stated_link(link),
            link,
            state: on_link.state,
            reasons: on_link.reasons,
            compared: on_link.compared,
        }
    });
    Law { links: links.collect(), ..check(evidence) }
}

/// A law of which one source is absent, and what would give it.
fn undecidable(
    id: u32,
    reasons: impl IntoIterator<Item = LawReason>,
    would_decide: Missing,
) -> Law {
    Law {
        state: LawState::Undecidable,
        would_decide: vec![would_decide],
        ..decided(id, 0, reasons, Vec::new())
    }
}

/// A law that was compared: it holds where no record breaks it.
fn decided(
    id: u32,
    compared: usize,
    reasons: impl IntoIterator<Item = LawReason>,
    mut broken_by: Vec<Breach>,
) -> Law {
    let broken_by_more = whole(broken_by.len().saturating_sub(MOST_NAMED));
    broken_by.truncate(MOST_NAMED);
    Law {
        id,
        state: if broken_by.is_empty() { LawState::Holds } else { LawState::Broken },
        reasons: reasons.into_iter().collect(),
        would_decide: Vec::new(),
        compared: whole(compared),
        broken_by,
        broken_by_more,
        links: Vec::new(),
    }
}

/// What would give a law the cells that it is about: more rounds where the plan has them, else this plan.
fn cells_of(evidence: &Evidence<'_>, are: impl Fn(&Cell) -> bool, plan: &str) -> Missing {
    let asked = [evidence.plan.cells(), evidence.plan.controls()];
    if asked.iter().flatten().any(are) { Missing::rounds() } else { Missing::plan(plan) }
}

/// What would give a run without any finished trial one.
fn measure_trials() -> Missing {
    Missing::plan(RunCommand::default().saying(", or --resume"))
}
