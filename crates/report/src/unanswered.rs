//! What a run could not tell, and what would.

use analysis::explained::{LawState, Verdict};
use analysis::metric::Metric;
use analysis::summary::Summary;
use model::Measured;
use model::host::Host;

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
    /// What is needed first: `hardware counters`.
    pub(crate) instrument: String,
    /// Why it is absent here, and how to get it; empty where its name says that.
    pub(crate) needs: String,
    /// What stayed open without it.
    pub(crate) settles: Vec<Named>,
    /// What is needed beside it: for what, and what.
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
        let then: Vec<String> =
            self.then.iter().map(|(name, what)| format!("{name}: {what}")).collect();
        match (self.needs.as_str(), then.as_slice()) {
            (needs, []) => needs.to_owned(),
            // What settles one thing alone needs no name again.
            ("", [_]) if self.settles.len() == 1 => {
                self.then.iter().map(|(_, what)| what.as_str()).collect()
            }
            ("", then) => then.join("; "),
            (needs, then) => format!("{needs}; then: {}", then.join("; ")),
        }
    }
}

/// Questions without an answer, claims and laws that nothing here decides, by what they wait for.
pub(crate) fn unanswered(summary: &Summary, host: &Host) -> Vec<Open> {
    let explained = &summary.explained;
    let reasons = reasons(summary, host);
    let mut open = Vec::new();
    for answer in explained.answers.iter().filter(|answer| !answer.answered) {
        let named = Named { name: answer.id.to_uppercase(), anchor: format!("#{}", answer.id) };
        add(&mut open, named, parted(&answer.would_change, &reasons, host));
    }
    for claim in explained.claims.iter().filter(|c| c.verdict == Verdict::Undecidable) {
        let named = Named { name: claim.id.to_uppercase(), anchor: format!("#{}", claim.id) };
        add(&mut open, named, parted(&claim.would_decide, &reasons, host));
    }
    for law in explained.laws.iter().filter(|law| law.state == LawState::Undecidable) {
        let named = Named {
            name: format!("law {} ({})", law.id, law.name),
            anchor: format!("#law-{}-{}", law.id, law.name),
        };
        add(&mut open, named, parted(decider(&law.because), &reasons, host));
    }
    open
}

/// Metrics of hardware counters that questions and claims ask for.
const OF_COUNTERS: [Metric; 4] = [
    Metric::SenderCyclesPerByte,
    Metric::SenderLlcMissesPerKib,
    Metric::SenderL1dMissesPerKib,
    Metric::SenderCacheMissesPerKib,
];

/// Why hardware counters are absent, in the words of machine and trials; a reason that holds another comes first.
fn reasons(summary: &Summary, host: &Host) -> Vec<String> {
    let of_host = host.counters.values().filter_map(Measured::reason);
    let entries = summary.estimates.iter().filter(|entry| entry.trials > 0);
    let of_trials = entries.flat_map(|entry| {
        OF_COUNTERS.iter().filter_map(|metric| entry.metrics.get(metric)?.reason())
    });
    let mut reasons: Vec<String> = of_host.chain(of_trials).map(str::to_owned).collect();
    reasons.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    reasons.dedup();
    reasons
}

/// What would decide a law: the last clause of its reason, where it says so.
fn decider(because: &str) -> &str {
    let last = because.rsplit_once("; ").map_or(because, |(_, last)| last);
    last.strip_suffix(" would decide").unwrap_or(because)
}

/// A remedy in its parts.
#[derive(Debug, PartialEq, Eq)]
struct Remedy {
    instrument: String,
    needs: String,
    then: String,
}

/// An audit is named alike wherever it is asked for.
const AUDIT: &str = "a copy audit: copycost run --audits copy-audit, as root";

/// Parts a remedy into an instrument or machine, and the plan or intervention that is to follow.
fn parted(remedy: &str, reasons: &[String], host: &Host) -> Remedy {
    for reason in reasons {
        if let Some((_, after)) = remedy.split_once(&format!(": {reason}")) {
            return Remedy {
                instrument: counters(reason, host),
                needs: reason.clone(),
                then: after.trim_start_matches([';', ',', ' ']).to_owned(),
            }
            .without_joint();
        }
    }
    if let Some((_, after)) = remedy.split_once("a copy audit") {
        let then = after.split_once(", or ").map_or("", |(_, other)| other);
        let then = if then.is_empty() { String::new() } else { format!("or {then}") };
        return Remedy { instrument: AUDIT.to_owned(), needs: String::new(), then };
    }
    match remedy.find("copycost run") {
        Some(0) => Remedy {
            instrument: "a further plan".to_owned(),
            needs: String::new(),
            then: remedy.to_owned(),
        },
        // The plan stands in brackets, with what follows from it behind them.
        Some(at) if remedy[..at].trim_end().ends_with('(') => Remedy {
            instrument: "a further plan".to_owned(),
            needs: String::new(),
            then: remedy.to_owned(),
        },
        Some(at) => {
            let (before, plan) = remedy.split_at(at);
            let before = before.trim_end().trim_end_matches("then");
            let instrument = before.trim_end_matches([';', ':', ',', ' ']).to_owned();
            Remedy { instrument, needs: String::new(), then: plan.to_owned() }
        }
        None => Remedy { instrument: remedy.to_owned(), needs: String::new(), then: String::new() },
    }
}

impl Remedy {
    /// Without the word that joins the plan to the instrument.
    fn without_joint(mut self) -> Self {
        for joint in ["then ", "and "] {
            if let Some(rest) = self.then.strip_prefix(joint) {
                self.then = rest.to_owned();
            }
        }
        self
    }
}

/// Counted by the kernel's scheduler, without hardware.
const OF_SOFTWARE: [&str; 3] = ["context-switches", "migrations", "task-clock"];

/// The counters that are absent for a reason; by name where others of the hardware work or lack something else.
fn counters(reason: &str, host: &Host) -> String {
    let of_hardware =
        host.counters.iter().filter(|(name, _)| !OF_SOFTWARE.contains(&name.as_str()));
    let (lacking, others): (Vec<_>, Vec<_>) =
        of_hardware.partition(|(_, counter)| counter.reason() == Some(reason));
    if lacking.is_empty() || others.is_empty() {
        return "hardware counters".to_owned();
    }
    let names: Vec<&str> = lacking.iter().map(|(name, _)| name.as_str()).collect();
    format!("hardware counters ({})", names.join(", "))
}

/// Puts what waits for the same together, in the order in which instruments first come up.
fn add(open: &mut Vec<Open>, named: Named, remedy: Remedy) {
    let Remedy { instrument, needs, then } = remedy;
    let name = named.name.clone();
    let same = |one: &Open| one.instrument == instrument && one.needs == needs;
    let at = open.iter().position(same).unwrap_or_else(|| {
        open.push(Open { instrument, needs, settles: Vec::new(), then: Vec::new() });
        open.len() - 1
    });
    let Some(one) = open.get_mut(at) else { return };
    one.settles.push(named);
    if then.is_empty() {
        return;
    }
    match one.then.iter_mut().find(|(_, what)| *what == then) {
        Some((names, _)) => {
            names.push_str(", ");
            names.push_str(&name);
        }
        None => one.then.push((name, then)),
    }
}

#[cfg(test)]
mod tests {
    use analysis::synthetic;

    use super::*;

    fn grouped(of: &[(&str, &str)], reasons: &[&str]) -> Vec<(String, String, String)> {
        let reasons: Vec<String> = reasons.iter().map(|reason| (*reason).to_owned()).collect();
        let mut open = Vec::new();
        for (name, remedy) in of {
            let named = Named { name: (*name).to_owned(), anchor: String::new() };
            add(&mut open, named, parted(remedy, &reasons, &synthetic::host()));
        }
        open.iter().map(|one| (one.instrument.clone(), one.names(), one.takes())).collect()
    }

    fn is(found: &(String, String, String), instrument: &str, names: &str, takes: &str) {
        let found = (found.0.as_str(), found.1.as_str(), found.2.as_str());
        assert_eq!(found, (instrument, names, takes));
    }

    #[test]
    fn what_waits_for_the_same_instrument_stands_together_and_its_reason_is_said_once() {
        let none = "no counters here; give the guest some";
        let counters = format!("hardware counters: {none}");
        let open = grouped(
            &[
                ("Q2", &counters),
                ("C11", &format!("{counters}; and an intervention on the pipeline")),
                ("C22", &format!("{counters}; then copycost run --threads 1,8")),
                ("C23", &format!("{counters}; then copycost run --threads 1,8")),
            ],
            &[none],
        );
        assert_eq!(open.len(), 1);
        is(
            &open[0],
            "hardware counters",
            "Q2, C11, C22, C23",
            "no counters here; give the guest some; then: C11: an intervention on the pipeline; C22, C23: copycost run --threads 1,8",
        );
    }

    #[test]
    fn an_audit_a_machine_and_a_plan_are_told_apart() {
        let open = grouped(
            &[
                ("Q0", "a copy audit that counts bytes by flow (root)"),
                (
                    "C2",
                    "a copy audit (root), or that saving with one field: copycost run --fields 1,8",
                ),
                ("C8", "a machine with at least 8 usable CPUs: copycost run --threads 1,2"),
                ("C10", "a machine with at least 8 usable CPUs: copycost run --threads 1,4"),
                ("C25", "copycost run --placement split,none"),
                ("C17", "a record of contended locks"),
            ],
            &[],
        );
        assert_eq!(open.len(), 4);
        is(
            &open[0],
            AUDIT,
            "Q0, C2",
            "C2: or that saving with one field: copycost run --fields 1,8",
        );
        is(
            &open[1],
            "a machine with at least 8 usable CPUs",
            "C8, C10",
            "C8: copycost run --threads 1,2; C10: copycost run --threads 1,4",
        );
        is(&open[2], "a further plan", "C25", "copycost run --placement split,none");
        is(&open[3], "a record of contended locks", "C17", "");
    }

    #[test]
    fn a_plan_in_brackets_is_told_whole() {
        let remedy = "first the threshold (copycost run --preset break-even); then a sweep";
        let open = grouped(&[("C7", remedy)], &[]);
        assert_eq!(open.len(), 1);
        is(&open[0], "a further plan", "C7", remedy);
    }

    #[test]
    fn a_law_tells_what_would_decide_it_without_its_reason() {
        assert_eq!(
            decider("the twins differ; more rounds (--resume) would decide"),
            "more rounds (--resume)"
        );
        assert_eq!(
            decider("cycles are absent: none; on the host"),
            "cycles are absent: none; on the host"
        );
    }
}
