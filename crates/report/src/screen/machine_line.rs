//! The first line: what measured, and how it was set up.

use std::collections::BTreeSet;

use analysis::summary::Summary;
use model::host::Host;
use model::{Factor, Plan};

use crate::numbers::counted;
use crate::styled_text::{Line, Style};
use crate::words::nic::link_name;

/// `i7-1165G7, 4 cores / 8 threads, Linux 6.8, loopback, cubic, pinned: …`.
pub(super) fn machine_line(summary: &Summary, host: &Host, plan: &Plan) -> Line {
    let line = Line::wrapped(2);
    let line = match summary.run.label.as_str() {
        "" => line,
        label => line.and(Style::Strong, label).and(Style::Plain, ": "),
    };
    line.and(Style::Strong, machine_facts(summary, host, plan).join(", "))
}

/// CPU, kernel, link, congestion control and placement, each in a few words.
pub(crate) fn machine_facts(summary: &Summary, host: &Host, plan: &Plan) -> Vec<String> {
    let mut facts = Vec::new();
    facts.push(
        host.cpu_model.value().map_or_else(|| "unknown CPU".to_owned(), |model| short_model(model)),
    );
    facts.extend(cpus(host));
    if host.numa_nodes.value().is_some_and(|nodes| *nodes > 1) {
        facts.push(format!("{} NUMA nodes", host.numa_nodes.value().unwrap_or(&1)));
    }
    facts.extend(host.kernel.value().map(|release| format!("Linux {}", short_kernel(release))));
    let links: Vec<String> = plan.factors.link.iter().map(|link| link_name(*link, host)).collect();
    facts.push(match summary.run.states(Factor::Link) {
        true => links.join(" + "),
        false => "unknown link".to_owned(),
    });
    facts.extend(other_host(host));
    facts.push(summary.run.congestion.clone());
    facts.push(summary.run.placement.clone());
    facts.retain(|fact| !fact.is_empty());
    facts
}

/// What the other host is.
fn other_host(host: &Host) -> Vec<String> {
    let (Some(peer), Some(reached)) = (host.peer(), &host.reached) else { return Vec::new() };
    let model = peer.cpu_model.value().map(|model| short_model(model));
    let release = peer.kernel.value().map(|release| format!("Linux {}", short_kernel(release)));
    let of_peer: Vec<String> = [model, cpus(peer), release].into_iter().flatten().collect();
    vec![format!("other host {} ({})", reached.peer, of_peer.join(", "))]
}

/// The kernel's version without its patch level and what its builder added: `6.18`.
fn short_kernel(release: &str) -> String {
    release.split(['.', '-', '+']).take(2).collect::<Vec<_>>().join(".")
}

/// The model without trademarks, generation and nominal frequency.
fn short_model(model: &str) -> String {
    let model = model.split(" @ ").next().unwrap_or(model);
    let model = model.replace("(R)", "").replace("(TM)", "").replace("(tm)", "");
    let model = model.split_once(" Gen ").map_or(model.as_str(), |(_, rest)| rest);
    let words =
        model.split_whitespace().filter(|word| !matches!(*word, "CPU" | "Processor" | "Core"));
    words.collect::<Vec<_>>().join(" ")
}

/// Cores and threads; none where nobody knows them.
fn cpus(host: &Host) -> Option<String> {
    if host.usable_cpus.is_empty() {
        return None;
    }
    let threads = u32::try_from(host.usable_cpus.len()).unwrap_or(u32::MAX);
    let cores: Option<BTreeSet<(u32, u32)>> =
        host.cpus.iter().map(|cpu| Some((*cpu.package.value()?, *cpu.core.value()?))).collect();
    Some(match cores {
        Some(cores) if !cores.is_empty() && cores.len() < host.usable_cpus.len() => {
            let cores = u32::try_from(cores.len()).unwrap_or(u32::MAX);
            format!(
                "{} / {}",
                counted(cores, "core", "cores"),
                counted(threads, "thread", "threads")
            )
        }
        _ => counted(threads, "CPU", "CPUs"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_hosts_the_other_one_is_told() {
        assert!(other_host(&Host::unknown("0.1.0", Some(2), "not asked")).is_empty());
        let nic = || synthetic::nic("mlx5_core", Some(25_000));
        let host = synthetic::two_hosts(nic(), nic());
        assert_eq!(
            other_host(&host),
            ["other host user@server (AMD EPYC 7763 64-Core, 4 cores / 8 threads, Linux 6.12)"]
        );
    }

    #[test]
    fn a_models_name_is_what_people_call_it() {
        for (long, short) in [
            ("11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", "Intel i7-1165G7"),
            ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", "Intel Xeon E5-2680 v4"),
            ("AMD EPYC 7763 64-Core Processor", "AMD EPYC 7763 64-Core"),
            ("Neoverse-N1", "Neoverse-N1"),
        ] {
            assert_eq!(short_model(long), short);
        }
    }
}
