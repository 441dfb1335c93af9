//! What several runs say of the paper's claims together.
//!
//! An experiment is made for some claims and may decide others by the way, as any run may. A claim takes the verdict of the
//! experiments that are made for it; where none of those decides it, that of any other run. Where two of the same rank
//! contradict each other, neither is taken. What an imported table says of its own study's claims stands beside: single rows
//! have no intervals, so that it decides none.

use model::Experiment;
use schemars::JsonSchema;
use serde::Serialize;

use crate::claims::claim::{Claim, Verdict};
use crate::id::Id;
use crate::own_table::TableVerdict;
use crate::summary::Summary;

/// How many claims the paper has.
const CLAIMS: usize = 25;

/// A run that is asked.
#[derive(Clone, Copy, Debug)]
pub struct Done<'a> {
    /// The experiment whose plan it has; none where it has a plan of its own.
    pub experiment: Option<Experiment>,
    /// Its name.
    pub run: &'a str,
    /// What was derived from it.
    pub summary: &'a Summary,
}

/// A run that says something of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Source {
    /// The experiment whose plan it has; none where it has a plan of its own.
    pub experiment: Option<Experiment>,
    /// Its name.
    pub run: String,
}

/// What the runs say of one claim.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Decision {
    /// The claim.
    pub id: Id,
    /// The experiments that are made for it.
    pub made_for_it: Vec<Experiment>,
    /// What they say.
    pub ruling: Decided,
    /// What the imported tables among them say of the figures that it names; the first that contradicts it, if any.
    pub own_table: Option<TableVerdict>,
}

/// What runs come to.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Decided {
    /// One verdict, with the argument of the first run that gives it.
    By {
        /// The run.
        #[serde(flatten)]
        source: Source,
        /// The verdict and why.
        claim: Claim,
    },
    /// Two runs contradict each other.
    Contradicted {
        /// The one that supports the claim.
        supporting: Source,
        /// The one that refutes it.
        refuting: Source,
    },
    /// None decides it: the first one's reason, of those that are made for it.
    Open {
        /// The run.
        #[serde(flatten)]
        source: Source,
        /// Why not.
        claim: Claim,
    },
    /// None that is made for it was run.
    NotRun,
}

/// Each claim of the paper with what the runs say of it.
pub fn decisions(done: &[Done<'_>]) -> Vec<Decision> {
    (1..=CLAIMS).map(|number| decision(number, done)).collect()
}

/// What one run says.
type Said = (Source, Claim);

fn decision(number: usize, done: &[Done<'_>]) -> Decision {
    let id = Id::Claim(number);
    let made_for_it: Vec<Experiment> = Experiment::of_claim(number).collect();
    let of_it = |one: &Done<'_>| -> Option<Said> {
        let claim = one.summary.explained.claims.iter().find(|claim| claim.id == id)?;
        let source = Source { experiment: one.experiment, run: one.run.to_owned() };
        Some((source, claim.clone()))
    };
    // Single rows of a table have no intervals, whatever its plan looks like.
    let measured = done.iter().filter(|one| one.summary.run.imported.is_empty());
    let said: Vec<Said> = measured.filter_map(of_it).collect();
    let is_made_for_it =
        |(source, _): &Said| source.experiment.is_some_and(|it| made_for_it.contains(&it));
    let (made, others): (Vec<_>, Vec<_>) = said.into_iter().partition(is_made_for_it);
    let ruling = ruling(&made).or_else(|| ruling(&others)).unwrap_or_else(|| {
        made.first().map_or(Decided::NotRun, |(source, claim)| Decided::Open {
            source: source.clone(),
            claim: claim.clone(),
        })
    });
    let checks = done.iter().flat_map(|one| &one.summary.explained.own_table);
    let own_table = checks.filter(|check| check.id == id).map(|check| check.agreement).min();
    Decision { id, made_for_it, ruling, own_table }
}

/// What the decided ones of a rank come to; none where none is.
fn ruling(said: &[Said]) -> Option<Decided> {
    let of = |verdict: Verdict| said.iter().find(|(_, claim)| claim.verdict == verdict);
    let (supporting, refuting) = (of(Verdict::Supported), of(Verdict::Refuted));
    if let (Some((supporting, _)), Some((refuting, _))) = (supporting, refuting) {
        let (supporting, refuting) = (supporting.clone(), refuting.clone());
        return Some(Decided::Contradicted { supporting, refuting });
    }
    let (source, claim) = supporting.or(refuting).or_else(|| of(Verdict::NotApplicable))?.clone();
    Some(Decided::By { source, claim })
}

/// How many claims are decided.
pub fn decided(decisions: &[Decision]) -> usize {
    let rulings = decisions.iter().filter(|it| matches!(it.ruling, Decided::By { .. })).count();
    rulings - not_applicable(decisions)
}

/// How many claims are about something that this machine has not, so that they are neither decided nor open.
pub fn not_applicable(decisions: &[Decision]) -> usize {
    let is_so = |it: &&Decision| matches!(&it.ruling, Decided::By { claim, .. } if claim.verdict == Verdict::NotApplicable);
    decisions.iter().filter(is_so).count()
}

/// Claims that no run decides, and whose study's own table contradicts them.
pub fn contradicted_by_table(decisions: &[Decision]) -> impl Iterator<Item = Id> {
    let is_so = |it: &&Decision| {
        !matches!(it.ruling, Decided::By { .. }) && it.own_table == Some(TableVerdict::Contradicts)
    };
    decisions.iter().filter(is_so).map(|it| it.id)
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

    fn of(experiment: Experiment) -> Source {
        Source { experiment: Some(experiment), run: experiment.to_string() }
    }

    fn one(experiment: Experiment, verdict: Verdict) -> Said {
        (of(experiment), claim(6, verdict))
    }

    #[test]
    fn verdicts_that_contradict_each_other_are_none() {
        let (a, b) = (Experiment::BreakEven, Experiment::Pages);
        let both = [one(a, Verdict::Supported), one(b, Verdict::Refuted)];
        let expected = Decided::Contradicted { supporting: of(a), refuting: of(b) };
        assert_eq!(ruling(&both), Some(expected));
        let Some(Decided::By { source, claim }) =
            ruling(&[one(a, Verdict::Undecidable), one(b, Verdict::Refuted)])
        else {
            panic!("decided by the one that can")
        };
        assert_eq!((source, claim.verdict), (of(b), Verdict::Refuted));
        assert_eq!(ruling(&[one(a, Verdict::Undecidable)]), None);
        let Some(Decided::By { claim, .. }) = ruling(&[one(a, Verdict::NotApplicable)]) else {
            panic!("this machine has not what it is about")
        };
        assert_eq!(claim.verdict, Verdict::NotApplicable);
    }

    #[test]
    fn an_imported_table_decides_none_whatever_its_plan_is() {
        let plan = model::Plan::preset(model::Preset::Default);
        let host = model::host::Host::unknown("0", None, "made for this test");
        let mut summary = crate::summarise(&plan, &host, &[]);
        summary.explained.claims = vec![claim(6, Verdict::Supported)];
        let made = Experiment::of_claim(6).next();
        for experiment in [made, None] {
            let rules = |summary: &Summary| {
                let all = decisions(&[Done { experiment, run: "one", summary }]);
                all.into_iter().find(|it| it.id == Id::Claim(6)).unwrap().ruling
            };
            assert!(matches!(rules(&summary), Decided::By { .. }), "{experiment:?}");
            let mut table = summary.clone();
            table.run.imported = vec![model::record::ImportedFile {
                file: "table.csv".to_owned(),
                rows: 1,
                columns: Vec::new(),
                stated: None,
                notes: Vec::new(),
            }];
            assert_eq!(rules(&table), Decided::NotRun, "{experiment:?}");
        }
    }

    #[test]
    fn what_was_not_run_decides_nothing() {
        let all = decisions(&[]);
        assert_eq!((all.len(), decided(&all)), (25, 0));
        // Nor does what is not about this machine.
        let ruling = ruling(&[one(Experiment::BreakEven, Verdict::NotApplicable)]).unwrap();
        let apart = [Decision { ruling, ..all[5].clone() }];
        assert_eq!((decided(&apart), not_applicable(&apart)), (0, 1));
        let ruling = self::ruling(&[one(Experiment::BreakEven, Verdict::Refuted)]).unwrap();
        let apart = [Decision { ruling, ..all[5].clone() }];
        assert_eq!((decided(&apart), not_applicable(&apart)), (1, 0));
        assert!(all.iter().all(|it| it.ruling == Decided::NotRun && !it.made_for_it.is_empty()));
    }
}
