//! A network card in one line.

use model::host::Host;
use model::nic::Nic;
use model::{Link, Measured};

use crate::spelling::{counted, listed, short};

/// `NIC mlx5_core 25 Gbit/s, MTU 9000; TSO, GSO, GRO and scatter-gather on, receive checksums off; 8 queues, interrupts on CPUs 0-7, NUMA node 0`.
/// What is not known is left out: it stands in `host.json` with the reason.
pub fn nic_line(nic: &Nic) -> String {
    let mtu = nic.mtu_bytes.value().map(|bytes| format!(", MTU {bytes}"));
    let parts = [offloads(nic), Some(placement(nic)).filter(|words| !words.is_empty())];
    let parts: String = parts.iter().flatten().map(|part| format!("; {part}")).collect();
    format!("{}{}{parts}", nic_name(nic), mtu.unwrap_or_default())
}

/// `NIC mlx5_core 25 Gbit/s`; a device without a line of its own by its driver alone, as `veth`; with the rate that it is shaped to.
pub(crate) fn nic_name(nic: &Nic) -> String {
    let driver = nic.driver.value().unwrap_or(&nic.device);
    let name = match nic.speed_mbps.value() {
        Some(speed) => format!("NIC {driver} {}", speed_words(*speed)),
        None => driver.clone(),
    };
    let shaped = nic.shaping.value().map(|shaping| {
        let queueing = nic.queueing.value().map_or("shaped to", String::as_str);
        format!(" ({queueing} {})", rate_words(shaping.bits_per_s as f64 / 1e9))
    });
    name + &shaped.unwrap_or_default()
}

/// What data goes by between two hosts: one name where both ends have the same, else `NIC ixgbe 10 Gbit/s to NIC mlx5_core 25 Gbit/s`.
/// None where both ends run on one machine, or where neither device is known.
pub(crate) fn line_name(host: &Host) -> Option<String> {
    let [sender, receiver] = host.nics()?;
    let name = |nic: &Measured<Nic>| nic.value().map(nic_name);
    match (name(sender), name(receiver)) {
        (Some(one), Some(other)) if one != other => Some(format!("{one} to {other}")),
        (one, other) => one.or(other),
    }
}

/// A link as people know it: that between two hosts by their devices.
pub(crate) fn link_name(link: Link, host: &Host) -> String {
    let line = if link.capabilities().has_peer_host { line_name(host) } else { None };
    line.unwrap_or_else(|| link.to_string())
}

/// `25 Gbit/s`, `100 Mbit/s`, of a rate in Gbit/s.
pub(crate) fn rate_words(gbps: f64) -> String {
    let (rate, unit) = if gbps < 1.0 { (gbps * 1e3, "Mbit/s") } else { (gbps, "Gbit/s") };
    if rate.fract() == 0.0 && rate < 1e6 {
        format!("{rate:.0} {unit}")
    } else {
        format!("{} {unit}", short(rate))
    }
}

/// `25 Gbit/s`, `100 Mbit/s`.
fn speed_words(mbps: u64) -> String {
    if mbps < 1000 {
        return format!("{mbps} Mbit/s");
    }
    #[allow(clippy::cast_precision_loss, reason = "no line has 2^53 Mbit/s")]
    let gbps = mbps as f64 / 1000.0;
    if mbps.is_multiple_of(1000) {
        format!("{} Gbit/s", mbps / 1000)
    } else {
        format!("{} Gbit/s", short(gbps))
    }
}

/// Which are on and which are off.
fn offloads(nic: &Nic) -> Option<String> {
    const NAMES: [(&str, &str); 6] = [
        ("tso", "TSO"),
        ("gso", "GSO"),
        ("gro", "GRO"),
        ("sg", "scatter-gather"),
        ("rx", "receive checksums"),
        ("tx", "transmit checksums"),
    ];
    let those = |wanted: bool| -> Vec<String> {
        let is = |name: &str| nic.offloads.get(name).and_then(Measured::value) == Some(&wanted);
        NAMES.iter().filter(|(name, _)| is(name)).map(|(_, words)| (*words).to_owned()).collect()
    };
    let told = [(those(true), "on"), (those(false), "off")];
    let told: Vec<String> = told
        .iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, state)| format!("{} {state}", listed(names)))
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// Queues, interrupts, steering, node.
fn placement(nic: &Nic) -> String {
    let queues = match (nic.receive_queues.value(), nic.transmit_queues.value()) {
        (Some(receive), Some(transmit)) if receive == transmit => {
            Some(counted(*receive, "queue", "queues"))
        }
        (receive, transmit) => {
            let told = [(receive, "receive"), (transmit, "transmit")];
            let told: Vec<String> = told
                .iter()
                .filter_map(|(n, which)| {
                    let n = (*n)?;
                    Some(counted(*n, &format!("{which} queue"), &format!("{which} queues")))
                })
                .collect();
            (!told.is_empty()).then(|| listed(&told))
        }
    };
    let on = |what: &str, cpus: &Measured<String>| {
        cpus.value().filter(|list| !list.is_empty()).map(|list| {
            let cpus = if list.contains(['-', ',']) { "CPUs" } else { "CPU" };
            format!("{what} {cpus} {list}")
        })
    };
    let parts = [
        queues,
        on("interrupts on", &nic.interrupt_cpus),
        on("packets handed to", &nic.receive_steering_cpus),
        nic.threaded.value().filter(|is| **is).map(|_| "polled by threads".to_owned()),
        nic.numa_node.value().map(|node| format!("NUMA node {node}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Nic {
        let on = ["tso", "gso", "gro", "sg"].map(|name| (name.to_owned(), Measured::Value(true)));
        Nic {
            device: "ens1f0".to_owned(),
            driver: Measured::Value("mlx5_core".to_owned()),
            speed_mbps: Measured::Value(25_000),
            queueing: Measured::Value("mq".to_owned()),
            shaping: Measured::absent("mq holds packets to none"),
            mtu_bytes: Measured::Value(9000),
            offloads: on.into(),
            receive_queues: Measured::Value(8),
            transmit_queues: Measured::Value(8),
            interrupt_cpus: Measured::Value("0-7".to_owned()),
            receive_steering_cpus: Measured::Value(String::new()),
            transmit_steering_cpus: Measured::Value("0-7".to_owned()),
            numa_node: Measured::Value(0),
            threaded: Measured::Value(false),
            deferred_interrupts: Measured::Value(0),
        }
    }

    #[test]
    fn a_card_is_told_in_one_line() {
        assert_eq!(
            nic_line(&card()),
            "NIC mlx5_core 25 Gbit/s, MTU 9000; TSO, GSO, GRO and scatter-gather on; 8 queues, interrupts on CPUs 0-7, NUMA node 0"
        );
    }

    #[test]
    fn devices_are_named_by_driver_and_speed_and_both_where_they_differ() {
        let veth = || synthetic::nic("veth", None);
        let mlx = || synthetic::nic("mlx5_core", Some(25_000));
        let name = |here, there| line_name(&synthetic::two_hosts(here, there));
        assert_eq!(name(mlx(), mlx()).as_deref(), Some("NIC mlx5_core 25 Gbit/s"));
        assert_eq!(
            name(mlx(), synthetic::nic("ixgbe", Some(10_000))).as_deref(),
            Some("NIC mlx5_core 25 Gbit/s to NIC ixgbe 10 Gbit/s")
        );
        assert_eq!(name(veth(), veth()).as_deref(), Some("veth"));
        let shaped = synthetic::shaped(veth(), 1_000_000_000);
        assert_eq!(name(shaped, veth()).as_deref(), Some("veth (tbf 1 Gbit/s) to veth"));
        assert_eq!(rate_words(0.05), "50 Mbit/s");
        let host = synthetic::two_hosts(mlx(), mlx());
        assert_eq!(link_name(Link::Ssh, &host), "NIC mlx5_core 25 Gbit/s");
        assert_eq!(link_name(Link::Loopback, &host), "loopback");
        assert_eq!(link_name(Link::Ssh, &synthetic::host()), "ssh");
    }

    #[test]
    fn what_is_absent_is_left_out_and_what_is_off_is_told() {
        let mut other = card();
        other.driver = Measured::absent("none");
        other.speed_mbps = Measured::absent("none");
        other.numa_node = Measured::absent("none");
        other.interrupt_cpus = Measured::Value("1".to_owned());
        other.receive_steering_cpus = Measured::Value("0,1".to_owned());
        other.transmit_queues = Measured::Value(1);
        other.threaded = Measured::Value(true);
        other.offloads.insert("tso".to_owned(), Measured::Value(false));
        other.offloads.insert("rx".to_owned(), Measured::absent("none"));
        assert_eq!(
            nic_line(&other),
            "ens1f0, MTU 9000; GSO, GRO and scatter-gather on, TSO off; 8 receive queues and 1 transmit queue, interrupts on CPU 1, packets handed to CPUs 0,1, polled by threads"
        );
        other.offloads.clear();
        for fact in [&mut other.receive_queues, &mut other.transmit_queues] {
            *fact = Measured::absent("none");
        }
        other.interrupt_cpus = Measured::absent("none");
        other.receive_steering_cpus = Measured::absent("none");
        other.threaded = Measured::absent("none");
        assert_eq!(nic_line(&other), "ens1f0, MTU 9000");
        other.speed_mbps = Measured::Value(2500);
        assert!(nic_line(&other).starts_with("NIC ens1f0 2.5"), "{}", nic_line(&other));
        other.speed_mbps = Measured::Value(100);
        assert_eq!(nic_line(&other), "NIC ens1f0 100 Mbit/s, MTU 9000");
    }
}
