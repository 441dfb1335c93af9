//! What differs between the machines and the settings of two sides.

use std::collections::BTreeSet;

use model::host::Host;
use model::line_facts::Facts;
use model::plan::Measure;
use model::{Cell, Factor, Measured, Plan, Thresholds};
use schemars::JsonSchema;
use serde::Serialize;

use super::measured_run::MeasuredRun;

/// A fact in which two sides differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// Its name: `kernel`, `sysctl net.core.rmem_max`, `slice`.
    pub fact: String,
    /// What the runs of the base have; more than one where they differ among themselves.
    pub base: Vec<String>,
    /// What those of the other side have.
    pub other: Vec<String>,
    /// Whether it is which cells and audits were asked for, and not how a cell was measured.
    pub is_asked: bool,
}

/// What the machines differ in, by weight: what measures, the kernel, the CPU, then its settings. Boot, load and free memory
/// differ always and are left out.
pub(super) fn of_hosts(base: &[MeasuredRun], other: &[MeasuredRun]) -> Vec<Difference> {
    let sending = |run: &MeasuredRun| host_facts(run, &run.host, "");
    let mut differences = differences(base, other, sending);
    let any = |has: fn(&Host) -> bool| base.iter().chain(other).any(|run| has(&run.host));
    if any(|host| host.receiver_host.is_some()) {
        let receiving = |run: &MeasuredRun| host_facts(run, run.host.of_receiver(), "receiver's ");
        differences.extend(self::differences(base, other, receiving));
    }
    if any(|host| host.sender_host.is_some()) {
        let sending = |run: &MeasuredRun| host_facts(run, run.host.of_sender(), "sender's ");
        differences.extend(self::differences(base, other, sending));
    }
    differences.extend(self::differences(base, other, |run| run.host.peer_line_facts()));
    differences
}

/// What the plans and the way of measuring differ in, but for how long and how precisely.
pub(super) fn of_settings(base: &[MeasuredRun], other: &[MeasuredRun]) -> Vec<Difference> {
    let mut all = differences(base, other, |run| setting_facts(&run.plan, run));
    let asked = differences(base, other, |run| asked_facts(&run.plan, run));
    all.extend(asked.into_iter().map(|of| Difference { is_asked: true, ..of }));
    all
}

fn differences(
    base: &[MeasuredRun],
    other: &[MeasuredRun],
    facts: impl Fn(&MeasuredRun) -> Facts,
) -> Vec<Difference> {
    let of_run = |run: &MeasuredRun| (run.is_imported(), facts(run));
    let sides = [base, other].map(|side| side.iter().map(of_run).collect::<Vec<_>>());
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in sides.iter().flatten().flat_map(|(_, facts)| facts) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let of = |side: &[(bool, Facts)], name: &String| -> BTreeSet<String> {
        let of_run = |(is_imported, facts): &(bool, Facts)| {
            let found = facts.iter().find(|(other, _)| other == name);
            let value = found.and_then(|(_, value)| value.clone());
            // That a machine has no quota or sysctl tells it from one that has; a table tells no more than it has columns for.
            let absent = if found.is_some() { NOT_KNOWN } else { NOT_RECORDED };
            value.or_else(|| (!is_imported).then(|| absent.to_owned()))
        };
        side.iter().filter_map(of_run).collect()
    };
    let differing = names.into_iter().filter_map(|name| {
        let [base, other] = [&sides[0], &sides[1]].map(|side| of(side, name));
        // What is not known of a side is no difference.
        let is_known = !base.is_empty() && !other.is_empty();
        (is_known && base != other).then(|| Difference {
            fact: name.clone(),
            base: base.into_iter().collect(),
            other: other.into_iter().collect(),
            is_asked: false,
        })
    });
    differing.collect()
}

/// What stands for a fact that a run has not.
const NOT_RECORDED: &str = "not recorded";
const NOT_KNOWN: &str = "not known";

/// An absent fact is the same whatever the reason: that often holds a path or a number of its own.
fn known<T: ToString>(fact: &Measured<T>) -> Option<String> {
    fact.value().map(T::to_string)
}

fn host_facts(run: &MeasuredRun, host: &Host, whose: &str) -> Facts {
    // An imported run has neither a list of CPUs or caches nor one of counters, and this program only read its table.
    let recorded = |value: String| (!run.is_imported()).then_some(value);
    let numbers = |of: &[u32]| of.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let or_not_known = |fact: &Measured<u64>| known(fact).unwrap_or_else(|| NOT_KNOWN.to_owned());
    let frequencies: BTreeSet<String> =
        host.cpus.iter().map(|cpu| or_not_known(&cpu.max_khz)).collect();
    let frequencies = frequencies.into_iter().collect::<Vec<_>>().join(",");
    let caches = host.caches.iter().map(|cache| {
        format!("L{} {} {} B / {}", cache.level, cache.kind, cache.bytes, cache.shared_by)
    });
    let counters = host.counters.iter().filter(|(_, counter)| counter.value().is_some());
    let counters = counters.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",");
    let mut facts: Facts = [
        ("copycost", recorded(host.copycost.clone())),
        ("host", known(&host.hostname)),
        ("kernel", known(&host.kernel)),
        ("kernel build", known(&host.kernel_build)),
        ("architecture", known(&host.architecture)),
        ("distribution", known(&host.distribution)),
        ("CPU", known(&host.cpu_model)),
        ("usable CPUs", recorded(numbers(&host.usable_cpus))),
        ("highest frequency, kHz", recorded(frequencies)),
        ("caches", recorded(caches.collect::<Vec<_>>().join(", "))),
        ("NUMA nodes", known(&host.numa_nodes)),
        ("virtual machine", known(&host.virtualization)),
        ("governor", known(&host.governor)),
        ("turbo", known(&host.turbo)),
        ("on battery", known(&host.on_battery)),
        ("CPU quota", known(&host.cpu_quota)),
        ("CPU time accounting", known(&host.cpu_time_accounting)),
        ("clock source", known(&host.clocksource)),
        ("transparent huge pages", known(&host.transparent_hugepages)),
        ("page, B", known(&host.page_bytes)),
        ("memory, B", known(&host.memory_bytes)),
        ("root", known(&host.uid.as_ref().map(|uid| if *uid == 0 { "yes" } else { "no" }))),
        ("counters", recorded(counters)),
    ]
    .map(|(name, value)| (format!("{whose}{name}"), value))
    .to_vec();
    let named = |kind: &str, name: &String| format!("{whose}{kind} {name}");
    let mitigations = host.mitigations.iter();
    facts.extend(mitigations.map(|(of, how)| (named("mitigation", of), Some(how.clone()))));
    facts.extend(host.sysctls.iter().map(|(name, value)| (named("sysctl", name), known(value))));
    facts.extend(host.limits.iter().map(|(name, value)| (named("limit", name), known(value))));
    let of_devices = host.device_facts(|_| true).into_iter();
    facts.extend(of_devices.map(|(name, value)| (format!("{whose}{name}"), value)));
    facts.push((format!("{whose}packet sockets that are shown all"), known(&host.packet_taps)));
    facts
}

/// How long, how precisely and in which order: more or less of the same measurement.
const MORE_OF_THE_SAME: [&str; 6] =
    ["precision", "min-rounds", "rounds", "max-time", "margin", "seed"];
/// What is asked for beside the cells.
const AUDITS: &str = "audits";

/// None of an imported run: its plan has copycost's defaults, which nobody asked for.
fn setting_facts(plan: &Plan, run: &MeasuredRun) -> Facts {
    if run.is_imported() {
        return Facts::new();
    }
    let (steady, turns) = (["time"], ["slice", "settle", "turns"]);
    let unused: &[&str] = if plan.measure.steady { &turns } else { &steady };
    let mut facts: Facts = vec![
        ("congestion control".to_owned(), Some(run.facts.congestion.clone())),
        ("placement".to_owned(), Some(run.facts.placement.clone())),
    ];
    let keys =
        Measure::KEYS.iter().filter(|key| !MORE_OF_THE_SAME.contains(key) && **key != AUDITS);
    facts.extend(keys.map(|key| {
        let value = plan.measure.get(key).filter(|_| !unused.contains(key));
        ((*key).to_owned(), Some(value.unwrap_or_else(|| "not used".to_owned())))
    }));
    let limits = Thresholds::KEYS.iter().filter_map(|key| {
        Some((format!("threshold {key}"), Some(plan.thresholds.get(key)?.to_string())))
    });
    facts.extend(limits);
    facts
}

/// Which cells and which audits are asked for; likewise.
fn asked_facts(plan: &Plan, run: &MeasuredRun) -> Facts {
    if run.is_imported() {
        return Facts::new();
    }
    let cells = plan.cells();
    let of_factor =
        |factor: &Factor| (factor.key().to_owned(), Some(values(&cells, *factor).join(", ")));
    let audits = (AUDITS.to_owned(), plan.measure.get(AUDITS));
    // Where workers ran, and by which congestion control, is told as it was.
    let told = [Factor::Placement, Factor::Congestion];
    let factors = Factor::ALL.iter().filter(|of| !told.contains(of));
    factors.map(of_factor).chain([audits]).collect()
}

/// The values that a plan's cells have of a factor, in the plan's order. Its lists tell more and less: of cells that have a shape
/// it decides size and fields, and a value that means nothing to any cell is none of it.
fn values(cells: &[Cell], factor: Factor) -> Vec<String> {
    let of = |cells: &mut dyn Iterator<Item = &Cell>| {
        let mut seen = BTreeSet::new();
        cells.map(|cell| cell.get(factor)).filter(|value| seen.insert(value.clone())).collect()
    };
    // Beside cells to which the factor means something, the default of the others is no value that was asked for.
    let meant: Vec<String> = of(&mut cells.iter().filter(|cell| cell.idle(factor).is_none()));
    if meant.is_empty() { of(&mut cells.iter()) } else { meant }
}
