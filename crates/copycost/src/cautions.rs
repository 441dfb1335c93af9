//! What decides what can be measured, said before anything is.

use std::collections::BTreeMap;

use model::Plan;
use model::host::Host;
use report::numbers::duration;
use study::Forecast;

/// The machine's and the plan's, each in one line with its remedy.
pub(crate) fn cautions(host: &Host, plan: &Plan, forecast: &Forecast) -> Vec<String> {
    let mut cautions = Vec::new();
    cautions.extend(counters(host));
    if host.on_battery.value() == Some(&true) {
        cautions.push("running on battery, which holds the CPU back: plug it in".to_owned());
    }
    let usable = host.usable_cpus.len();
    if let Some(quota) = host.cpu_quota.value().filter(|quota| **quota < as_number(usable)) {
        cautions.push(format!(
            "a limit of this container or slice allows {quota:.1} of {usable} CPUs, and throttled trials are void: raise its CPU quota"
        ));
    }
    if usable == 1 {
        cautions.push("there is one usable CPU, so senders and receivers take turns on it".to_owned());
    }
    if !forecast.fits() {
        let limit = plan.measure.max_time.unwrap_or_default();
        cautions.push(format!(
            "{} rounds take about {}, longer than the {} allowed, so results will be preliminary: raise --max-time, or shorten --time or the plan",
            forecast.rounds,
            duration(forecast.least),
            duration(limit)
        ));
    }
    cautions
}

fn as_number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// Hardware counters that do not open, by reason.
fn counters(host: &Host) -> Vec<String> {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, counter) in &host.counters {
        if let Some(reason) = counter.reason() {
            by_reason.entry(reason).or_default().push(name);
        }
    }
    let all = by_reason.values().map(Vec::len).sum::<usize>() == host.counters.len();
    let mut cautions = Vec::new();
    for (reason, names) in by_reason {
        cautions.push(match all && names.len() == host.counters.len() {
            true => format!("no hardware counters ({reason}): cycles and misses are absent"),
            false => format!("no counter for {} ({reason}): their figures are absent", names.join(", ")),
        });
    }
    cautions
}

#[cfg(test)]
mod tests {
    use model::{Measured, Nanos, Preset};

    use super::*;

    fn of(host: &Host, plan: &Plan) -> String {
        cautions(host, plan, &study::forecast(plan, host.usable_cpus.len())).join("\n")
    }

    fn host() -> Host {
        let mut host = analysis::synthetic::host();
        host.usable_cpus = vec![0, 1, 2, 3];
        host.counters = BTreeMap::from([("cycles".to_owned(), Measured::Value("cycles".to_owned()))]);
        host.on_battery = Measured::Value(false);
        host.cpu_quota = Measured::absent("no quota");
        host
    }

    #[test]
    fn a_machine_without_fault_is_not_warned_of() {
        assert_eq!(of(&host(), &Plan::preset(Preset::Default)), "");
    }

    #[test]
    fn each_fault_is_told_with_its_remedy() {
        let mut host = host();
        host.counters = ["cycles", "instructions"]
            .map(|name| (name.to_owned(), Measured::absent("no PMU")))
            .into();
        host.on_battery = Measured::Value(true);
        host.cpu_quota = Measured::Value(1.5);
        let mut plan = Plan::preset(Preset::Default);
        plan.measure.max_time = Some(Nanos::s(10));
        let text = of(&host, &plan);
        for part in ["no hardware counters (no PMU)", "plug it in", "1.5 of 4 CPUs", "raise --max-time"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        host.counters.insert("cycles".to_owned(), Measured::Value("cycles".to_owned()));
        assert!(of(&host, &plan).contains("no counter for instructions (no PMU)"));
        host.usable_cpus = vec![3];
        assert!(of(&host, &plan).contains("one usable CPU"));
    }
}
