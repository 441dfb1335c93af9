//! The network interfaces, as far as sysfs tells without an ioctl.

use std::path::Path;

use super::{Fact, tree};
use crate::Unavailable;

const NET: &str = "/sys/class/net";

/// One network interface. Offloads are not in sysfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, e.g. `lo`.
    pub name: String,
    /// Bytes of the largest packet.
    pub mtu_bytes: Fact<u64>,
    /// Mbit/s; virtual interfaces and those that are down have none.
    pub speed_mbps: Fact<u64>,
    /// The device's driver; software interfaces have no device.
    pub driver: Fact<String>,
    /// `up`, `down` or `unknown` (loopback).
    pub state: Fact<String>,
    /// Packets that its queue takes.
    pub queue_packets: Fact<u64>,
    /// Receive queues that share the work.
    pub receive_queues: Fact<u64>,
    /// The first receive queue's mask of CPUs to steer to (RPS); all zeros is off.
    pub steered_to: Fact<String>,
    /// Nanoseconds for which received packets may wait to be joined (GRO).
    pub gro_flush_timeout_ns: Fact<u64>,
}

/// The interfaces of this network namespace below `root`, in order of their names.
///
/// sysfs shows the namespace in which it was mounted, which in a namespace entered later is not
/// the process's own.
///
/// # Errors
/// sysfs cannot be listed.
pub fn interfaces(root: &Path) -> Fact<Vec<Interface>> {
    let names = tree::names(root, NET)?;
    // Bonding leaves a plain file among the interfaces.
    let names =
        names.into_iter().filter(|name| tree::path(root, &format!("{NET}/{name}")).is_dir());
    Ok(names.map(|name| interface(root, name)).collect())
}

fn interface(root: &Path, name: String) -> Interface {
    let below = |file: &str| format!("{NET}/{name}/{file}");
    let number = |file: &str| tree::number(root, &below(file));
    let queues = tree::names(root, &below("queues")).map(|queues| {
        let receiving = queues.iter().filter(|queue| queue.starts_with("rx-"));
        u64::try_from(receiving.count()).unwrap_or(u64::MAX)
    });
    Interface {
        mtu_bytes: number("mtu"),
        speed_mbps: number("speed").map_err(|why| no_speed(&name, why)),
        driver: tree::link_name(root, &below("device/driver")),
        state: tree::text(root, &below("operstate")),
        queue_packets: number("tx_queue_len"),
        receive_queues: queues,
        steered_to: tree::text(root, &below("queues/rx-0/rps_cpus")),
        gro_flush_timeout_ns: number("gro_flush_timeout"),
        name,
    }
}

/// Without a speed the kernel answers EINVAL or writes -1.
fn no_speed(name: &str, why: Unavailable) -> Unavailable {
    let because = format!("{name} is software, virtual or down ({})", why.because);
    Unavailable { because, ..why }
}
