//! Q6: the most surprising cell, found by rule.

use model::{Missing, RunCommand};

use super::expectation::{Departure, departures};
use super::{AnswerFinding, Departed, Found};
use crate::comparisons::counters_remedy;
use crate::evidence::{Evidence, figure};
use crate::metric::Metric;
use crate::pairs::{self, SIGNIFICANCE};

/// As many departures are told.
const MOST: usize = 5;

/// The largest departure that survives Holm's correction and is larger than the plan's margin.
pub(super) fn q6(evidence: &Evidence<'_>) -> Found {
    let mut all = departures(evidence);
    let margin = evidence.plan.measure.margin.0;
    let survives = |departure: &Departure| {
        departure.p_holm < SIGNIFICANCE && departure.log.mean().abs() > margin.ln_1p()
    };
    // Survivors first; then by the least departure that the interval allows, as a departure leaves smaller ones in its
    // neighbours' expectations, which little noise may make look as certain.
    all.sort_by(|a, b| {
        survives(b)
            .cmp(&survives(a))
            .then(b.shown().total_cmp(&a.shown()))
            .then(a.cell.cmp(&b.cell))
    });
    let surviving = all.iter().filter(|departure| survives(departure)).count();
    let (told, others) = all.split_at(MOST.min(all.len()));
    let is_like_first = |departure: &&Departure| {
        let first = told.first().filter(|first| first.metric == departure.metric);
        first.is_some_and(|first| first.not_told_from.contains(&departure.cell))
    };
    let told = told.iter().chain(others.iter().filter(is_like_first));
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let finding = AnswerFinding::Departures {
        tests: count(all.len()),
        surviving: count(surviving),
        margin,
        departures: told.filter_map(|departure| departed(evidence, departure)).collect(),
    };
    let more =
        Missing::plan(RunCommand::new("--sizes 64,512,4KiB,64KiB --threads 1,2,4,8 --rounds 20"));
    if all.is_empty() {
        return Found::open(finding, more);
    }
    if surviving == 0 {
        return Found::answered(finding, [more]);
    }
    let mut changes = vec![Missing::of_itself("a plan that varies one factor at that cell")];
    let cycles = Metric::SenderCyclesPerByte;
    if !evidence.asked().any(|e| figure(e, cycles).is_some()) {
        changes.push(counters_remedy(evidence, cycles, "cycles"));
    }
    Found::answered(finding, changes)
}

fn departed(evidence: &Evidence<'_>, departure: &Departure) -> Option<Departed> {
    let standard_errors = departure.standardized();
    Some(Departed {
        cell: departure.cell.clone(),
        metric: departure.metric,
        basis: departure.basis,
        measured: departure.measured_log.exp(),
        expected: (departure.measured_log - departure.log.mean()).exp(),
        ratio: *pairs::ratio(&departure.log).value()?,
        standard_errors: standard_errors.is_finite().then_some(standard_errors),
        p: departure.p_holm,
        oversubscribed: evidence.oversubscribed(&departure.cell),
        not_told_from: departure.not_told_from.clone(),
    })
}
