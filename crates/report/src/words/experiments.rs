//! What experiments decide, in sentences.

use analysis::claims::claim::Verdict;
use analysis::experiments::{
    Decided, Decision, Source, contradicted_by_table, decided, not_applicable,
};
use analysis::id::Id;
use analysis::own_table::TableVerdict;
use model::{Experiment, Link, Nanos, ON_ONE_HOST, Peer};

use super::claims;
use crate::claims_tally::{all_missing, verdict_name as verdict};
use crate::numbers::duration;

/// A run by its experiment, else by its own name.
fn named(source: &Source) -> String {
    source.experiment.map_or_else(|| source.run.clone(), |experiment| experiment.to_string())
}

/// The verdict of a decision, the run that it comes from, and why.
pub(crate) fn decision(decision: &Decision) -> (&'static str, String, String) {
    let (verdict, by, because) = match &decision.ruling {
        Decided::By { source, claim } => {
            (verdict(claim.verdict), named(source), claims::because(claim))
        }
        Decided::Contradicted { supporting, refuting } => {
            let [mut a, mut b] = [supporting, refuting].map(named);
            if a == b {
                [a, b] = [supporting, refuting].map(|source| source.run.clone());
            }
            let because = format!("{a} supports it and {b} refutes it");
            (verdict(Verdict::Undecidable), format!("{a}, {b}"), because)
        }
        Decided::Open { source, claim } => {
            let lacks = all_missing(&claim.would_decide);
            let lacks = if lacks.is_empty() { lacks } else { format!("; it takes {lacks}") };
            let because = format!("{}{lacks}", claims::because(claim));
            (verdict(Verdict::Undecidable), named(source), because)
        }
        Decided::NotRun => {
            let names: Vec<&str> = decision.made_for_it.iter().map(|it| it.name()).collect();
            let command = format!("copycost experiment run {}", names.join(" "));
            (NOT_RUN, names.join(", "), command)
        }
    };
    let table = match decision.own_table {
        Some(TableVerdict::Contradicts) => "; the study's own table contradicts it",
        Some(TableVerdict::Agrees) => "; the study's own table bears it out",
        Some(TableVerdict::NotInTable) | None => "",
    };
    (verdict, by, format!("{because}{table}"))
}

/// A claim that no run speaks of: that says nothing of this machine.
const NOT_RUN: &str = "not run";

/// How many claims are decided, how many are about nothing that is here, and which of the others the study's own table
/// contradicts.
pub(crate) fn tally(decisions: &[Decision]) -> String {
    let apart = match not_applicable(decisions) {
        0 => String::new(),
        n => format!(", {n} {}", verdict(Verdict::NotApplicable)),
    };
    let tally = format!("{} of {} claims decided{apart}", decided(decisions), decisions.len());
    let names: Vec<String> = contradicted_by_table(decisions).map(Id::name).collect();
    if names.is_empty() {
        return format!("{tally}.");
    }
    format!("{tally}; of the others the study's own table contradicts {}.", names.join(", "))
}

/// What an experiment needs beside an ordinary user's rights: `root for the sink, hardware counters for C19`; `nothing`.
pub(crate) fn needs(experiment: Experiment) -> String {
    let plan = experiment.plan();
    let is_privileged = |link: &&Link| !link.capabilities().privileges.is_empty();
    let links = plan.factors.link.iter().filter(is_privileged);
    let links = links.map(|link| format!("root for the {link}"));
    let audits = plan.measure.audits.iter().map(|audit| format!("root for the {audit}"));
    let counted = names(experiment.claims_by_counters());
    let counters = (!counted.is_empty()).then(|| format!("hardware counters for {counted}"));
    let all: Vec<String> = links.chain(audits).chain(counters).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

/// Claims by their names: `C11 C23`.
pub(crate) fn names(claims: &[usize]) -> String {
    let names = claims.iter().map(|number| Id::Claim(*number).name());
    names.collect::<Vec<_>>().join(" ")
}

/// How long an experiment takes at most.
pub(crate) fn limit(experiment: Experiment) -> String {
    let limit: Option<Nanos> = experiment.plan().measure.max_time;
    limit.map_or_else(|| "no limit".to_owned(), |limit| format!("up to {}", duration(limit)))
}

/// The experiments that are made for a claim, how long they take and what they need; none for a question. They run on one machine,
/// which is said after a run to another host.
pub(crate) fn made_for(id: Id, peer: Option<&Peer>) -> Option<String> {
    let Id::Claim(number) = id else { return None };
    let one = |experiment: Experiment| {
        format!(
            "copycost experiment run {experiment} ({}; needs {})",
            limit(experiment),
            needs(experiment)
        )
    };
    let all: Vec<String> = Experiment::of_claim(number).map(one).collect();
    let alone = peer.map(|_| format!("{ON_ONE_HOST}: ")).unwrap_or_default();
    (!all.is_empty()).then(|| format!("{alone}{}", all.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_run_to_another_host_an_experiment_is_said_to_be_of_one_machine() {
        let peer = Peer { name: "user@host".parse().unwrap(), data_address: None, sends: false };
        let told = |peer| made_for(Id::Claim(13), peer).unwrap();
        assert!(told(None).starts_with("copycost experiment run memory ("), "{}", told(None));
        assert_eq!(told(Some(&peer)), format!("on this machine alone: {}", told(None)));
        assert_eq!(made_for(Id::Question(1), Some(&peer)), None);
    }
}
