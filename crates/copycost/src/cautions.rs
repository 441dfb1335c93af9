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
    cautions.extend(engine::probe::noise(host));
    if host.usable_cpus.len() == 1 {
        cautions
            .push("there is one usable CPU, so senders and receivers take turns on it".to_owned());
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

/// Without these two there is no hardware counter worth the name.
const HARDWARE: [&str; 2] = ["cycles", "instructions"];

/// Counters that do not open, by reason.
fn counters(host: &Host) -> Vec<String> {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, counter) in &host.counters {
        if let Some(reason) = counter.reason() {
            // The reason may begin with the counter's name, which would keep equal reasons apart.
            let reason = reason.strip_prefix(&format!("{name}: ")).unwrap_or(reason);
            by_reason.entry(reason).or_default().push(name);
        }
    }
    let hardware = |names: &[&str]| HARDWARE.iter().all(|name| names.contains(name));
    let cautions = by_reason.into_iter().map(|(reason, names)| {
        if hardware(&names) {
            format!("no hardware counters ({reason}): cycles and misses are absent")
        } else {
            format!("no counter for {} ({reason}): their figures are absent", names.join(", "))
        }
    });
    cautions.collect()
}

#[cfg(test)]
mod tests {
    use model::{Measured, Nanos, Preset};

    use super::*;

    fn of(host: &Host, plan: &Plan) -> String {
        cautions(host, plan, &study::forecast(plan, host.usable_cpus.len())).join("\n")
    }

    fn host() -> Host {
        let mut host = synthetic::host();
        host.usable_cpus = vec![0, 1, 2, 3];
        host.counters =
            BTreeMap::from([("cycles".to_owned(), Measured::Value("cycles".to_owned()))]);
        host.on_battery = Measured::Value(false);
        host.cpu_quota = Measured::absent("no quota");
        host.virtualization = Measured::Value("none".to_owned());
        host.governor = Measured::absent("no frequency driver");
        host.load_average = Measured::Value(0.0);
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
            .map(|name| (name.to_owned(), Measured::absent(format!("{name}: no PMU"))))
            .into();
        host.on_battery = Measured::Value(true);
        host.cpu_quota = Measured::Value(1.5);
        let mut plan = Plan::preset(Preset::Default);
        plan.measure.max_time = Some(Nanos::s(10));
        let text = of(&host, &plan);
        for part in ["no hardware counters (no PMU)", "plug it in", "1.5 CPUs", "raise --max-time"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        host.counters.insert("cycles".to_owned(), Measured::Value("cycles".to_owned()));
        assert!(of(&host, &plan).contains("no counter for instructions (no PMU)"));
        host.usable_cpus = vec![3];
        assert!(of(&host, &plan).contains("one usable CPU"));
    }
}
