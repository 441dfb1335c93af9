//! What a reader may want to mend before anything is measured, each in one short line. The screen at the end and
//! `copycost probe` tell of the machine at length.

use model::host::Host;
use model::{Factor, Plan};
use study::Forecast;

use crate::refusals::Refusals;
use crate::time_limit::TimeLimit;

/// What speaks against measuring this plan on this machine now.
pub(crate) fn cautions(
    host: &Host,
    plan: &Plan,
    forecast: &Forecast,
    refusals: &Refusals,
    limit: TimeLimit,
) -> Vec<String> {
    let mut cautions: Vec<String> = limit.caution(plan, forecast).into_iter().collect();
    // Whoever gave no flag of a plan did not ask for what is in no cell.
    if limit.has_plan_flags() {
        let idle = plan.idle_values();
        let asked = idle.iter().filter(|(factor, ..)| !is_of_receiver(*factor));
        cautions.extend(asked.map(|(factor, value, why)| {
            format!("--{} {value} is in no cell: {why}", factor.key())
        }));
    }
    cautions.extend(refusals.lines().iter().map(|line| format!("not measured: {line}")));
    let beside = plan.peer.as_ref().map(|peer| format!(" {}", peer.flags())).unwrap_or_default();
    cautions.extend(counters(host, &beside));
    cautions.extend(noise(host, &beside));
    cautions
}

/// The presets' own values of these say nothing of what was asked.
const fn is_of_receiver(factor: Factor) -> bool {
    matches!(factor, Factor::Recv | Factor::ReceiveBuffer | Factor::Rcvbuf)
}

/// Without these two there is no hardware counter worth the name.
const HARDWARE: [&str; 2] = ["cycles", "instructions"];

/// Counters that do not open.
fn counters(host: &Host, beside: &str) -> Option<String> {
    let absent = |name: &str| host.counters.get(name).is_some_and(|c| c.reason().is_some());
    let names: Vec<&str> =
        host.counters.keys().map(String::as_str).filter(|name| absent(name)).collect();
    if names.is_empty() {
        return None;
    }
    let what = if HARDWARE.iter().all(|name| absent(name)) {
        "no hardware counters, so no cycles and cache misses".to_owned()
    } else {
        format!("no counter for {}", names.join(", "))
    };
    Some(format!("{what} (why: copycost probe{beside})"))
}

/// What will disturb the figures, by name.
fn noise(host: &Host, beside: &str) -> Option<String> {
    let mut names: Vec<String> =
        engine::probe::noise(host).into_iter().map(|noise| noise.what).collect();
    if host.usable_cpus.len() == 1 && host.peer().is_none() {
        names.push("one usable CPU for both ends".to_owned());
    }
    (!names.is_empty())
        .then(|| format!("expect noise: {} (what to do: copycost probe{beside})", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{Measured, Nanos, Preset};

    use super::*;
    use crate::time_limit::about;

    fn text(host: &Host, plan: &Plan) -> String {
        let forecast = study::forecast(plan, host.usable_cpus.len(), |_| false);
        cautions(host, plan, &forecast, &Refusals::default(), TimeLimit::of_run(false)).join("\n")
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
    fn one_cpu_of_each_of_two_hosts_is_not_one_for_both_ends() {
        let one = Host { usable_cpus: vec![0], ..host() };
        let plan = Plan::preset(Preset::Default);
        assert!(text(&one, &plan).contains("one usable CPU for both ends"));
        let two = Host { receiver_host: Some(Box::new(one.clone())), ..one };
        assert!(!text(&two, &plan).contains("for both ends"));
    }

    #[test]
    fn what_tells_more_asks_the_same_hosts() {
        let mut plan = Plan::preset(Preset::Default);
        let battery = Host { on_battery: Measured::Value(true), ..host() };
        assert!(text(&battery, &plan).ends_with("(what to do: copycost probe)"));
        plan.set_peer(&[("peer", "user@host".to_owned())]).unwrap();
        assert!(text(&battery, &plan).ends_with("copycost probe --peer user@host)"));
    }

    #[test]
    fn a_machine_without_fault_is_not_warned_of() {
        assert_eq!(text(&host(), &Plan::preset(Preset::Default)), "");
    }

    #[test]
    fn a_value_that_no_cell_has_is_told_with_the_reason() {
        let mut plan = Plan::preset(Preset::Quick);
        plan.factors.set(Factor::Send, "send").unwrap();
        plan.factors.set(Factor::Threads, "1").unwrap();
        plan.factors.set(Factor::Sockets, "shared").unwrap();
        plan.factors.set(Factor::Completions, "left").unwrap();
        plan.check().unwrap();
        assert_eq!(
            text(&host(), &plan),
            "--completions left is in no cell: send copies and has no completions; add --send zerocopy\n\
             --sockets shared is in no cell: one worker shares with nobody; add --threads 2"
        );
        plan.factors.set(Factor::Threads, "1,2").unwrap();
        plan.factors.set(Factor::Completions, "read").unwrap();
        assert_eq!(text(&host(), &plan), "", "some cell has it");
    }

    #[test]
    fn of_a_run_that_is_gone_on_with_only_what_is_left_can_exceed_the_limit() {
        let host = host();
        let mut plan = Plan::preset(Preset::Default);
        plan.measure.rounds = Some(5);
        let told = |plan: &Plan, rounds| {
            let earlier = synthetic::run(plan, rounds, synthetic::trial);
            let cpus = host.usable_cpus.len();
            let forecast = study::forecast_rest(plan, cpus, |_| false, &earlier);
            let limit = TimeLimit::of_run(rounds > 0);
            cautions(&host, plan, &forecast, &Refusals::default(), limit).join("\n")
        };
        plan.measure.max_time = Some(Nanos::s(1));
        assert!(told(&plan, 0).contains("--max-time 1 s will be exceeded"));
        assert!(told(&plan, 3).starts_with("--max-time 1 s holds no whole round: "));
        let one = synthetic::run(&plan, 3, synthetic::trial);
        let one = study::forecast_rest(&plan, host.usable_cpus.len(), |_| false, &one).round;
        plan.measure.max_time = Some(Nanos(one.0 + one.0 / 2));
        let more = told(&plan, 3);
        assert!(more.starts_with("2 more rounds take about "), "{more}");
        assert!(more.ends_with(", so the run ends before: raise it"), "{more}");
        assert_eq!(told(&plan, 5), "", "nothing is left");
    }

    #[test]
    fn each_kind_of_fault_is_one_line() {
        let mut host = host();
        host.counters = ["cycles", "instructions"]
            .map(|name| (name.to_owned(), Measured::absent(format!("{name}: no PMU"))))
            .into();
        host.on_battery = Measured::Value(true);
        host.cpu_quota = Measured::Value(1.5);
        let mut plan = Plan::preset(Preset::Default);
        plan.measure.max_time = Some(Nanos::s(10));
        let lines = text(&host, &plan);
        for part in
            ["no hardware counters", "on battery, a quota of 1.5 CPUs (", "longer than --max-time"]
        {
            assert!(lines.contains(part), "{part}: {lines}");
        }
        assert_eq!(lines.lines().count(), 3, "{lines}");
        let forecast = study::forecast(&plan, host.usable_cpus.len(), |_| false);
        let between = u64::midpoint(forecast.round.0, forecast.least_round.0);
        plan.measure.max_time = Some(Nanos(between));
        let lines = text(&host, &plan);
        assert!(lines.contains(": the first gets fewer turns for it, and the run ends"), "{lines}");
        plan.measure.max_time = Some(Nanos::s(1));
        let lines = text(&host, &plan);
        let least = about(forecast.least_round);
        let exceeded = format!(
            "one round of this plan takes about {least}: --max-time 1 s will be exceeded, as one is measured whole; raise it, or ask for fewer --sizes, --threads or --send\n"
        );
        assert!(lines.contains(&exceeded), "{lines}");
        plan.measure.turns = Some(12);
        assert!(text(&host, &plan).contains("--threads or --send or less --turns\n"));
        host.counters.insert("cycles".to_owned(), Measured::Value("cycles".to_owned()));
        assert!(text(&host, &plan).contains("no counter for instructions (why"));
        host.usable_cpus = vec![3];
        assert!(text(&host, &plan).contains("one usable CPU"));
    }
}
