//! A network device as sysfs and `/proc` tell it: its speed, its queues, where its interrupts come to.
//!
//! sysfs shows the namespace in which it was mounted, which in a namespace entered later is not the process's own.

use std::path::Path;

use crate::cpu::CpuSet;
use crate::machine::Fact;
use crate::machine::tree;
use crate::netlink::Device;
use crate::{Remedy, Unavailable};

const NET: &str = "/sys/class/net";
const INTERRUPTS: &str = "/proc/interrupts";

/// What is known of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// What its line carries in Mbit/s.
    pub speed_mbps: Fact<u64>,
    /// Queues that receive.
    pub receive_queues: Fact<u32>,
    /// Queues that send.
    pub transmit_queues: Fact<u32>,
    /// CPUs that its interrupts come to.
    pub interrupt_cpus: Fact<CpuSet>,
    /// CPUs that any receiving queue hands its packets to (`rps_cpus`).
    pub receive_steering_cpus: Fact<CpuSet>,
    /// CPUs that any sending queue is chosen by (`xps_cpus`).
    pub transmit_steering_cpus: Fact<CpuSet>,
    /// NUMA node that it is attached to.
    pub numa_node: Fact<u64>,
    /// Whether threads poll it (`threaded`; Linux 5.12).
    pub threaded: Fact<bool>,
    /// How often interrupts stay off though nothing came (`napi_defer_hard_irqs`; Linux 5.8).
    pub deferred_interrupts: Fact<u64>,
}

fn unavailable(what: String, because: &str) -> Unavailable {
    Unavailable { what, because: because.to_owned(), remedy: Remedy::default() }
}

impl Card {
    /// Reads what is told below `root` of a device with this number and address; nothing, where the device of that name there is another
    /// namespace's.
    pub fn find(root: &Path, name: &str, device: Device) -> Self {
        let text = |file: &str| tree::text(root, &format!("{NET}/{name}/{file}"));
        let is_number = text("ifindex").is_ok_and(|index| index == device.index.to_string());
        let has_address = device.mac.is_none_or(|mac| {
            let bytes: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
            text("address").is_ok_and(|address| address == bytes.join(":"))
        });
        if is_number && has_address { Self::read(root, name) } else { Self::elsewhere(name) }
    }

    fn elsewhere(name: &str) -> Self {
        fn none<T>(name: &str) -> Fact<T> {
            Err(Unavailable {
                what: format!("{NET}/{name}"),
                because: "/sys shows another network namespace than this process's".to_owned(),
                remedy: "mount a sysfs in this one".into(),
            })
        }
        Self {
            speed_mbps: none(name),
            receive_queues: none(name),
            transmit_queues: none(name),
            interrupt_cpus: none(name),
            receive_steering_cpus: none(name),
            transmit_steering_cpus: none(name),
            numa_node: none(name),
            threaded: none(name),
            deferred_interrupts: none(name),
        }
    }

    fn read(root: &Path, device: &str) -> Self {
        let number = |file: &str| tree::number(root, &format!("{NET}/{device}/{file}"));
        let queues = queues(root, device);
        let count = |kind: &str| {
            let names = queues.clone()?;
            let n = names.iter().filter(|name| name.starts_with(kind)).count();
            Ok(u32::try_from(n).unwrap_or(u32::MAX))
        };
        let masks = |kind: &str, file: &str| steering(root, device, queues.clone()?, kind, file);
        Self {
            speed_mbps: speed(root, device),
            receive_queues: count("rx-"),
            transmit_queues: count("tx-"),
            interrupt_cpus: interrupt_cpus(root, device),
            receive_steering_cpus: masks("rx-", "rps_cpus"),
            transmit_steering_cpus: masks("tx-", "xps_cpus"),
            numa_node: numa_node(root, device),
            threaded: number("threaded").map(|is| is != 0),
            deferred_interrupts: number("napi_defer_hard_irqs"),
        }
    }
}

/// Whether a device lies on a bus, or stands on others that do, such as a bond or a VLAN. The speed of what does neither is made up:
/// veth says 10 Gbit/s (`veth_get_link_ksettings`, drivers/net/veth.c), tun what it is told to.
fn has_line(root: &Path, device: &str) -> bool {
    let entries = tree::names(root, &format!("{NET}/{device}")).unwrap_or_default();
    entries.iter().any(|entry| entry == "device" || entry.starts_with("lower_"))
}

/// Drivers that know no speed say −1, or EINVAL; so does a line that is down (`speed_show`, net/core/net-sysfs.c).
fn speed(root: &Path, device: &str) -> Fact<u64> {
    const NOT_TOLD: &str = "its driver tells none, as of virtual devices and lines that are down";
    let file = format!("{NET}/{device}/speed");
    if tree::path(root, &file).exists() && !has_line(root, device) {
        return Err(unavailable(
            format!("the speed of {device}"),
            "a virtual device has no line, and any speed that it tells is made up",
        ));
    }
    match std::fs::read_to_string(tree::path(root, &file)) {
        // EINVAL has this number on every Linux architecture.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            Err(unavailable(format!("the speed of {device}"), NOT_TOLD))
        }
        Err(error) => Err(tree::unreadable(&file, &error)),
        Ok(text) if text.trim().starts_with('-') || text.trim() == "0" => {
            Err(unavailable(format!("the speed of {device}"), NOT_TOLD))
        }
        Ok(text) => text.trim().parse().map_err(|_| tree::unexpected(&file, &text)),
    }
}

fn queues(root: &Path, device: &str) -> Fact<Vec<String>> {
    tree::names(root, &format!("{NET}/{device}/queues"))
}

/// The CPUs of all queues' masks. A queue has no such file where the kernel was built without, and no readable one where the device has
/// a single queue (ENOENT of `xps_cpus_show`).
fn steering(
    root: &Path,
    device: &str,
    queues: Vec<String>,
    kind: &str,
    file: &str,
) -> Fact<CpuSet> {
    let mut cpus = Vec::new();
    let mut refusal = unavailable(format!("{file} of {device}"), "it has no such queue");
    let mut is_told = false;
    for queue in queues.iter().filter(|name| name.starts_with(kind)) {
        let file = format!("{NET}/{device}/queues/{queue}/{file}");
        match tree::text(root, &file) {
            Ok(text) => {
                let mask = parse_mask(&text).ok_or_else(|| tree::unexpected(&file, &text))?;
                cpus.extend(mask);
                is_told = true;
            }
            Err(why) => refusal = why,
        }
    }
    if is_told { Ok(cpus.into_iter().collect()) } else { Err(refusal) }
}

/// The node of the device itself, or of what carries it: a virtio device lies on a PCI device. −1 is no node.
fn numa_node(root: &Path, device: &str) -> Fact<u64> {
    let told = |above: &str| tree::text(root, &format!("{NET}/{device}/{above}numa_node"));
    let text = told("device/").or_else(|_| told("device/../"));
    match text {
        Ok(text) if text == "-1" => Err(unavailable(
            format!("the NUMA node of {device}"),
            "the firmware tells none, as on machines with one node",
        )),
        Ok(text) => text.parse().map_err(|_| tree::unexpected("numa_node", &text)),
        Err(_) => Err(unavailable(
            format!("the NUMA node of {device}"),
            "it is attached to no bus that tells one, as virtual devices are",
        )),
    }
}

/// The CPUs that the device's interrupts come to now. Where some of them came since the boot, those that never did (such as of a change
/// of its configuration) are left out.
fn interrupt_cpus(root: &Path, device: &str) -> Fact<CpuSet> {
    let what = || format!("interrupts of {device}");
    let names = names_of(root, device);
    let text = tree::text(root, INTERRUPTS)?;
    let mut lines = parse_interrupts(&text);
    lines.retain(|line| is_of(&line.action, &names));
    if lines.iter().any(|line| line.came > 0) {
        lines.retain(|line| line.came > 0);
    }
    if lines.is_empty() {
        return Err(unavailable(what(), "/proc/interrupts has none, as of virtual devices"));
    }
    let mut cpus = Vec::new();
    for line in &lines {
        let list = |file: &str| tree::text(root, &format!("/proc/irq/{}/{file}", line.number));
        let list = list("effective_affinity_list").or_else(|_| list("smp_affinity_list"))?;
        let set = CpuSet::parse(&list).map_err(|_| tree::unexpected(INTERRUPTS, &list))?;
        cpus.extend_from_slice(set.cpus());
    }
    Ok(cpus.into_iter().collect())
}

/// By which names interrupts tell the device: its own, and those of what carries it on a bus (`virtio2`, `0000:03:00.0`).
fn names_of(root: &Path, device: &str) -> Vec<String> {
    let mut names = vec![device.to_owned()];
    let carrier = tree::path(root, &format!("{NET}/{device}/device"));
    // Nothing carries a virtual device.
    let Ok(carrier) = carrier.canonicalize() else { return names };
    let mut places = carrier.iter().rev().map(|place| place.to_string_lossy().into_owned());
    names.extend(places.next());
    // The one above it counts where it is a function of a PCI device; a bridge above that one is not the device.
    let is_virtio = names.last().is_some_and(|name| name.starts_with("virtio"));
    names.extend(places.next().filter(|name| is_virtio && name.contains(':')));
    names
}

/// Whether a line's words name one of these: `eth0`, `eth0-TxRx-3`, `virtio2-input.0`, `mlx5_comp0@pci:0000:03:00.0`,
/// `PCI-MSIX-0000:00:03.0`.
fn is_of(action: &str, names: &[String]) -> bool {
    action.split([' ', '\t', ',']).any(|word| {
        names.iter().any(|name| match word.strip_prefix(name.as_str()) {
            Some(rest) => rest.is_empty() || rest.starts_with(['-', '.', '@', ':', '_']),
            None => {
                name.contains(':')
                    && word
                        .strip_suffix(name.as_str())
                        .is_some_and(|before| before.ends_with(['-', ':']))
            }
        })
    })
}

/// A line of `/proc/interrupts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interrupt {
    pub(crate) number: u32,
    /// How many came since the boot, all CPUs together.
    pub(crate) came: u64,
    /// Chip, kind and who takes it.
    pub(crate) action: String,
}

/// Reads the numbered lines; those with letters are the processor's own.
pub(crate) fn parse_interrupts(text: &str) -> Vec<Interrupt> {
    let mut lines = text.lines();
    let cpus = lines.next().map_or(0, |head| head.split_whitespace().count());
    let numbered = |line: &str| {
        let (number, rest) = line.split_once(':')?;
        let number = number.trim().parse().ok()?;
        let mut rest = rest.trim_start();
        let mut came = 0_u64;
        for _ in 0..cpus {
            let (count, after) = rest.split_once(char::is_whitespace)?;
            came = came.saturating_add(count.parse().ok()?);
            rest = after.trim_start();
        }
        Some(Interrupt { number, came, action: rest.to_owned() })
    };
    lines.filter_map(numbered).collect()
}

/// CPUs of a mask as sysfs prints it: hexadecimal words of 32 bits, the highest first, with commas between (`bitmap_print_to_pagebuf`).
pub(crate) fn parse_mask(text: &str) -> Option<Vec<usize>> {
    /// No kernel has more CPUs.
    const MOST_WORDS: usize = 1 << 11;
    let words: Vec<&str> = text.trim().split(',').collect();
    if words.len() > MOST_WORDS {
        return None;
    }
    let mut cpus = Vec::new();
    for (place, word) in words.iter().rev().enumerate() {
        if word.is_empty() || word.len() > 8 || !word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let bits = u32::from_str_radix(word, 16).ok()?;
        cpus.extend((0..32).filter(|bit| bits >> bit & 1 == 1).map(|bit| place * 32 + bit));
    }
    Some(cpus)
}

#[cfg(test)]
#[path = "nic_tests.rs"]
mod tests;
