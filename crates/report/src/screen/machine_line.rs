//! The first line: what measured, and how it was set up.

use std::collections::BTreeSet;

use analysis::summary::Summary;
use model::host::Host;
use model::nic::Nic;
use model::{Factor, Measured, Plan};

use crate::numbers::counted;
use crate::styled_text::{Line, Style};
use crate::words::nic::nic_line;

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
    let links: Vec<String> = plan.factors.link.iter().map(ToString::to_string).collect();
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

/// The devices between two hosts, and what the other one is.
fn other_host(host: &Host) -> Vec<String> {
    let (Some(peer), Some(reached)) = (host.peer(), &host.reached) else { return Vec::new() };
    let mut facts = Vec::new();
    let nic = |nic: &Measured<Nic>| nic.value().map(nic_line);
    facts.extend(nic(&reached.nic_here));
    let model = peer.cpu_model.value().map(|model| short_model(model));
    let release = peer.kernel.value().map(|release| format!("Linux {}", short_kernel(release)));
    let of_peer = [model, cpus(peer), release, nic(&reached.nic_there)];
    let of_peer: Vec<String> = of_peer.into_iter().flatten().collect();
    facts.push(format!("other host {} ({})", reached.peer, of_peer.join(", ")));
    facts
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
    use std::collections::BTreeMap;

    use model::host::Reached;
    use model::{Bytes, Nanos};

    use super::*;

    fn nic(driver: &str, speed_mbps: Measured<u64>) -> Measured<Nic> {
        let why = || "not read";
        Measured::Value(Nic {
            device: "eth0".to_owned(),
            driver: Measured::Value(driver.to_owned()),
            speed_mbps,
            mtu_bytes: Measured::Value(1500),
            offloads: BTreeMap::new(),
            receive_queues: Measured::absent(why()),
            transmit_queues: Measured::absent(why()),
            interrupt_cpus: Measured::absent(why()),
            receive_steering_cpus: Measured::absent(why()),
            transmit_steering_cpus: Measured::absent(why()),
            numa_node: Measured::absent(why()),
            threaded: Measured::absent(why()),
            deferred_interrupts: Measured::absent(why()),
        })
    }

    #[test]
    fn of_two_hosts_both_and_their_devices_are_told() {
        let mut host = Host::unknown("0.1.0", Some(2), "not asked");
        assert!(other_host(&host).is_empty());
        let mut peer = Host::unknown("0.1.0", Some(4), "not asked");
        peer.cpu_model = Measured::Value("Neoverse-N1".to_owned());
        host.receiver_host = Some(Box::new(peer));
        host.reached = Some(Box::new(Reached {
            peer: "user@db".to_owned(),
            data_address: Measured::Value("10.0.0.2".to_owned()),
            line_round_trip_ns: Nanos(1),
            nic_here: nic("mlx5_core", Measured::Value(25_000)),
            nic_there: Measured::absent("no route"),
            copied_bytes: Bytes(0),
            started_in_ns: Nanos(1),
        }));
        assert_eq!(
            other_host(&host),
            ["NIC mlx5_core 25 Gbit/s, MTU 1500", "other host user@db (Neoverse-N1, 4 CPUs)"]
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
