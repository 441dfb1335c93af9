//! What a run could not tell, and what would.

use analysis::claims::claim::Verdict;
use analysis::laws::law::LawState;
use analysis::summary::Summary;
use model::Missing;

use crate::words::laws;

/// A question, claim or law that stayed open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// `Q2`, `C11`, `law 7 (cycles)`.
    pub(crate) name: String,
    /// Where it stands on the page.
    pub(crate) anchor: String,
}

/// What one instrument, machine or plan would settle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// What is needed: `hardware counters`.
    pub(crate) instrument: String,
    /// Why it is missing here; empty where its name says that.
    pub(crate) needs: String,
    /// What stayed open without it.
    pub(crate) settles: Vec<Named>,
    /// Commands and steps: for what, and which.
    pub(crate) then: Vec<(String, String)>,
}

impl Open {
    /// The names of what it would settle.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self.settles.iter().map(|named| named.name.as_str()).collect();
        names.join(", ")
    }

    /// What it takes beside its own name, in one line; empty where there is nothing to say.
    pub(crate) fn takes(&self) -> String {
        // A step for all of them need not name them again.
        let all = self.names();
        let step = |(name, step): &(String, String)| {
            if *name == all { step.clone() } else { format!("{name}: {step}") }
        };
        let then = self.then.iter().map(step).collect::<Vec<_>>().join("; ");
        [self.needs.as_str(), &then]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// Questions without an answer, claims and laws that nothing here decides, by what they wait for.
pub(crate) fn unanswered(summary: &Summary) -> Vec<Open> {
    let explained = &summary.explained;
    let mut open = Vec::new();
    for answer in explained.answers.iter().filter(|answer| !answer.answered) {
        let named = Named { name: answer.id.name(), anchor: format!("#{}", answer.id) };
        answer.would_answer.iter().for_each(|missing| add(&mut open, &named, missing));
    }
    for claim in explained.claims.iter().filter(|c| c.verdict == Verdict::Undecidable) {
        let named = Named { name: claim.id.name(), anchor: format!("#{}", claim.id) };
        claim.would_decide.iter().for_each(|missing| add(&mut open, &named, missing));
    }
    for law in explained.laws.iter().filter(|law| law.state == LawState::Undecidable) {
        let named = Named { name: laws::law_title(law), anchor: format!("#{}", laws::anchor(law)) };
        law.would_decide.iter().for_each(|missing| add(&mut open, &named, missing));
    }
    open
}

/// Puts what waits for the same together, in the order in which instruments first come up.
fn add(open: &mut Vec<Open>, named: &Named, missing: &Missing) {
    let Missing { what, because, unlock, .. } = missing;
    // Why one instrument is missing is a reason of its own; a plan's or a machine's is not.
    let same = |one: &Open| one.instrument == *what && one.needs == *because;
    let at = open.iter().position(same).unwrap_or_else(|| {
        open.push(Open {
            instrument: what.clone(),
            needs: because.clone(),
            settles: Vec::new(),
            then: Vec::new(),
        });
        open.len() - 1
    });
    let Some(one) = open.get_mut(at) else { return };
    if !one.settles.contains(named) {
        one.settles.push(named.clone());
    }
    if unlock.is_empty() {
        return;
    }
    match one.then.iter_mut().find(|(_, step)| step == unlock) {
        Some((names, _)) => {
            names.push_str(", ");
            names.push_str(&named.name);
        }
        None => one.then.push((named.name.clone(), unlock.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::RunCommand;

    fn grouped(of: &[(&str, Missing)]) -> Vec<(String, String, String)> {
        let mut open = Vec::new();
        for (name, missing) in of {
            let named = Named { name: (*name).to_owned(), anchor: String::new() };
            add(&mut open, &named, missing);
        }
        open.iter().map(|one| (one.instrument.clone(), one.names(), one.takes())).collect()
    }

    #[test]
    fn what_waits_for_the_same_instrument_stands_together_and_its_reason_is_said_once() {
        let counters = || Missing::of_itself("hardware counters").because("none in this guest");
        let threads = || counters().unlocked_by(RunCommand::new("--threads 1,8"));
        let open = grouped(&[
            ("Q2", counters()),
            ("C11", counters()),
            ("C22", threads()),
            ("C23", threads()),
        ]);
        let takes = "none in this guest; C22, C23: copycost run --threads 1,8";
        let one = ("hardware counters".into(), "Q2, C11, C22, C23".into(), takes.into());
        assert_eq!(open, [one]);
    }

    #[test]
    fn an_audit_a_machine_and_a_plan_are_told_apart() {
        let audit = || Missing::of_itself("a copy audit").unlocked_by("--audits copy-audit");
        let open = grouped(&[
            ("Q0", audit()),
            ("C2", audit()),
            ("C2", Missing::plan(RunCommand::new("--fields 1,8"))),
            ("C8", Missing::machine("a machine with 8 CPUs", RunCommand::new("--threads 1,2"))),
            ("C25", Missing::plan(RunCommand::new("--placement split,none"))),
        ]);
        let is = |what: &str, names: &str, takes: &str| {
            (what.to_owned(), names.to_owned(), takes.to_owned())
        };
        assert_eq!(
            open,
            [
                is("a copy audit", "Q0, C2", "--audits copy-audit"),
                is(
                    "another plan",
                    "C2, C25",
                    "C2: copycost run --fields 1,8; C25: copycost run --placement split,none"
                ),
                is("a machine with 8 CPUs", "C8", "copycost run --threads 1,2"),
            ]
        );
    }
}
