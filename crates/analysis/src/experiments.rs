//! What several experiments say of the paper's claims together.
//!
//! An experiment is made for some claims and may decide others by the way. A claim takes the verdict of the experiments
//! that are made for it; where none of those decides it, that of any other. Where two of the same rank contradict each other,
//! neither is taken.

use model::Experiment;
use schemars::JsonSchema;
use serde::Serialize;

use crate::claims::claim::{Claim, Verdict};
use crate::id::Id;
use crate::summary::Summary;

/// How many claims the paper has.
const CLAIMS: usize = 25;

/// An experiment that was run.
#[derive(Clone, Copy, Debug)]
pub struct Done<'a> {
    /// The experiment.
    pub experiment: Experiment,
    /// Its run.
    pub run: &'a str,
    /// What was derived from it.
    pub summary: &'a Summary,
}

/// What the experiments say of one claim.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Decision {
    /// The claim.
    pub id: Id,
    /// The experiments that are made for it.
    pub made_for_it: Vec<Experiment>,
    /// What they say.
    pub ruling: Decided,
}

/// What experiments come to.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Decided {
    /// One verdict, with the argument of the first experiment that gives it.
    By {
        /// The experiment.
        experiment: Experiment,
        /// Its run.
        run: String,
        /// The verdict and why.
        claim: Claim,
    },
    /// Two experiments contradict each other.
    Contradicted {
        /// The one that supports the claim.
        supporting: Experiment,
        /// The one that refutes it.
        refuting: Experiment,
    },
    /// None decides it: the first one's reason, of those that are made for it.
    Open {
        /// The experiment.
        experiment: Experiment,
        /// Why not.
        claim: Claim,
    },
    /// None that is made for it was run.
    NotRun,
}

/// Each claim of the paper with what the experiments say of it.
pub fn decisions(done: &[Done<'_>]) -> Vec<Decision> {
    (1..=CLAIMS).map(|number| decision(number, done)).collect()
}

fn decision(number: usize, done: &[Done<'_>]) -> Decision {
    let id = Id::Claim(number);
    let made_for_it: Vec<Experiment> = Experiment::of_claim(number).collect();
    let of_it = |one: &Done<'_>| -> Option<(Experiment, String, Claim)> {
        let claim = one.summary.explained.claims.iter().find(|claim| claim.id == id)?;
        Some((one.experiment, one.run.to_owned(), claim.clone()))
    };
    let said: Vec<(Experiment, String, Claim)> = done.iter().filter_map(of_it).collect();
    let (made, others): (Vec<_>, Vec<_>) =
        said.into_iter().partition(|(experiment, _, _)| made_for_it.contains(experiment));
    let ruling = ruling(&made).or_else(|| ruling(&others)).unwrap_or_else(|| {
        made.first().map_or(Decided::NotRun, |(experiment, _, claim)| Decided::Open {
            experiment: *experiment,
            claim: claim.clone(),
        })
    });
    Decision { id, made_for_it, ruling }
}

/// What the decided ones of a rank come to; none where none is.
fn ruling(said: &[(Experiment, String, Claim)]) -> Option<Decided> {
    let of = |verdict: Verdict| said.iter().find(|(_, _, claim)| claim.verdict == verdict);
    let (supporting, refuting) = (of(Verdict::Supported), of(Verdict::Refuted));
    if let (Some((supporting, _, _)), Some((refuting, _, _))) = (supporting, refuting) {
        return Some(Decided::Contradicted { supporting: *supporting, refuting: *refuting });
    }
    let (experiment, run, claim) =
        supporting.or(refuting).or_else(|| of(Verdict::NotApplicable))?.clone();
    Some(Decided::By { experiment, run, claim })
}

/// How many claims are decided, those that are about something this machine has not included.
pub fn decided(decisions: &[Decision]) -> usize {
    decisions.iter().filter(|it| matches!(it.ruling, Decided::By { .. })).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(number: usize, verdict: Verdict) -> Claim {
        Claim {
            id: Id::Claim(number),
            verdict,
            parts: Vec::new(),
            evidence: Vec::new(),
            caveats: Vec::new(),
            would_decide: Vec::new(),
        }
    }

    fn one(experiment: Experiment, verdict: Verdict) -> (Experiment, String, Claim) {
        (experiment, experiment.to_string(), claim(6, verdict))
    }

    #[test]
    fn verdicts_that_contradict_each_other_are_none() {
        let (a, b) = (Experiment::BreakEven, Experiment::Pages);
        let both = [one(a, Verdict::Supported), one(b, Verdict::Refuted)];
        let expected = Decided::Contradicted { supporting: a, refuting: b };
        assert_eq!(ruling(&both), Some(expected));
        let Some(Decided::By { experiment, claim, .. }) =
            ruling(&[one(a, Verdict::Undecidable), one(b, Verdict::Refuted)])
        else {
            panic!("decided by the one that can")
        };
        assert_eq!((experiment, claim.verdict), (b, Verdict::Refuted));
        assert_eq!(ruling(&[one(a, Verdict::Undecidable)]), None);
        let Some(Decided::By { claim, .. }) = ruling(&[one(a, Verdict::NotApplicable)]) else {
            panic!("this machine has not what it is about")
        };
        assert_eq!(claim.verdict, Verdict::NotApplicable);
    }

    #[test]
    fn what_was_not_run_decides_nothing() {
        let all = decisions(&[]);
        assert_eq!((all.len(), decided(&all)), (25, 0));
        assert!(all.iter().all(|it| it.ruling == Decided::NotRun && !it.made_for_it.is_empty()));
    }
}
