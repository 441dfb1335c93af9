//! The machine's facts, as `host.json` holds them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use kernel::counter_probe::{self, Answer};
use kernel::limits::{self, Limit};
use kernel::machine::{Interface, LIVE, Machine};
use kernel::offloads::{Offload, Offloads};
use kernel::stat::{BaseAccounting, TimeAccounting};
use kernel::topology::Topology;
use kernel::{Unavailable, cpu, packet_taps, process};
use model::Measured;
use model::host::{CacheFacts, CpuFacts, Host};

use crate::error::missing;
use crate::instruments::counters::WANTED;
use crate::nic::facts_towards;

fn measured<T>(fact: Result<T, Unavailable>) -> Measured<T> {
    fact.into()
}

fn number(fact: Result<u64, Unavailable>) -> Measured<u32> {
    let narrow = |n| u32::try_from(n).map_err(|_| format!("{n} is too large"));
    fact.map_err(|why| why.to_string()).and_then(narrow).into()
}

/// The number of a network device of this machine, as an address names it (`fe80::1%eth0`).
///
/// # Errors
/// There is none of this name.
pub fn device_number(device: &str) -> Result<u32, String> {
    kernel::packet_socket::device_number(device).map_err(|error| error.to_string())
}

/// Reads the machine's facts; nothing is changed and nothing needs a privilege.
pub fn facts() -> Host {
    let machine = Machine::read();
    let system = process::system_name();
    let allowed = cpu::allowed().map(|set| set.cpus().to_vec()).unwrap_or_default();
    let topology = Topology::read(Path::new(LIVE));
    let numbers = |cpus: &[usize]| -> Vec<u32> {
        cpus.iter().filter_map(|cpu| u32::try_from(*cpu).ok()).collect()
    };
    let (cpus, caches) = match &topology {
        Ok(topology) => (cpu_facts(topology, &allowed), cache_facts(topology, &allowed)),
        Err(_) => (Vec::new(), Vec::new()),
    };
    let nodes = match &topology {
        Err(why) => Measured::absent(why.to_string()),
        Ok(_) => {
            let mut nodes: Vec<u32> =
                cpus.iter().filter_map(|cpu| cpu.node.value().copied()).collect();
            nodes.sort_unstable();
            nodes.dedup();
            match u32::try_from(nodes.len()) {
                Ok(n) if n > 0 => Measured::Value(n),
                _ => Measured::absent("no CPU tells its NUMA node"),
            }
        }
    };
    let interfaces = machine.interfaces.unwrap_or_default();
    Host {
        copycost: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: Measured::Value(process::hostname()),
        boot_id: measured(process::boot_id()),
        kernel: Measured::Value(system.release),
        kernel_build: Measured::Value(system.version),
        architecture: Measured::Value(system.machine),
        distribution: measured(machine.os),
        cpu_model: measured(machine.cpu_model),
        usable_cpus: numbers(&allowed),
        cpus,
        numa_nodes: nodes,
        caches,
        virtualization: virtualization(&machine.virtualization),
        memory_bytes: measured(machine.memory_bytes),
        page_bytes: Measured::Value(process::page_size() as u64),
        transparent_hugepages: measured(machine.huge_pages),
        mitigations: machine.mitigations.unwrap_or_default().into_iter().collect(),
        cpu_time_accounting: accounting(),
        clocksource: measured(machine.clocksource),
        governor: governor(&machine.frequency),
        turbo: measured(machine.frequency.turbo),
        on_battery: measured(machine.on_battery),
        load_average: measured(machine.load).map(|load| load.minute),
        cpu_quota: match machine.cpu_quota {
            Ok(group) => match group.quota_cpus {
                Some(cpus) => Measured::Value(cpus),
                None => Measured::absent("no control group above this process sets a quota"),
            },
            Err(why) => Measured::absent(why.to_string()),
        },
        counters: counters(),
        sysctls: machine.sysctls.into_iter().map(|(name, fact)| (name, measured(fact))).collect(),
        limits: limits(),
        devices: interfaces
            .iter()
            .map(|interface| (interface.name.clone(), measured(interface.mtu_bytes.clone())))
            .collect(),
        scatter_gather: scatter_gather(&interfaces),
        packet_taps: measured(packet_taps::count()),
        loopback: facts_towards(Ipv4Addr::LOCALHOST.into()),
        uid: Measured::Value(process::effective_user()),
        // Every link has both its ends on this machine.
        receiver_host: None,
        sender_host: None,
        reached: None,
    }
}

fn scatter_gather(interfaces: &[Interface]) -> BTreeMap<String, Measured<bool>> {
    let offloads = Offloads::here();
    let of = |device: &str| -> Measured<bool> {
        let offloads = offloads.as_ref().map_err(ToString::to_string);
        let gathers = offloads.and_then(|offloads| {
            offloads.get(device, Offload::ScatterGather).map_err(|error| error.to_string())
        });
        gathers.into()
    };
    interfaces.iter().map(|interface| (interface.name.clone(), of(&interface.name))).collect()
}

fn cpu_facts(topology: &Topology, allowed: &[usize]) -> Vec<CpuFacts> {
    topology
        .cpus
        .iter()
        .filter(|cpu| allowed.contains(&cpu.cpu))
        .map(|cpu| CpuFacts {
            cpu: u32::try_from(cpu.cpu).unwrap_or(u32::MAX),
            package: number(cpu.package.clone()),
            core: number(cpu.core.clone()),
            node: number(cpu.node.clone().map(|node| node as u64)),
            min_khz: measured(cpu.min_khz.clone()),
            max_khz: measured(cpu.max_khz.clone()),
            core_type: cpu.core_type.clone(),
        })
        .collect()
}

fn cache_facts(topology: &Topology, allowed: &[usize]) -> Vec<CacheFacts> {
    let Some(first) = allowed.first() else { return Vec::new() };
    topology
        .caches
        .iter()
        .filter(|cache| cache.cpus.contains(first))
        .filter_map(|cache| {
            Some(CacheFacts {
                level: u32::try_from(cache.level).ok()?,
                kind: cache.kind.clone(),
                bytes: *cache.bytes.as_ref().ok()?,
                shared_by: u32::try_from(cache.cpus.len()).ok()?,
            })
        })
        .collect()
}

fn virtualization(signs: &kernel::machine::Virtualization) -> Measured<String> {
    measured(signs.is_virtual()).map(|is_virtual| {
        if !is_virtual {
            return "none".to_owned();
        }
        let named = [&signs.hypervisor, &signs.product, &signs.vendor];
        let name = named.into_iter().find_map(|name| name.as_ref().ok()).cloned();
        name.unwrap_or_else(|| "a hypervisor that does not name itself".to_owned())
    })
}

fn accounting() -> Measured<String> {
    measured(TimeAccounting::find()).map(|mode| {
        let base = match mode.base {
            BaseAccounting::Tick => "tick",
            BaseAccounting::Generic => "virtual-generic",
            BaseAccounting::Native => "virtual-native",
        };
        let irq = if mode.irq_time { "+irq-time" } else { "" };
        format!("{base}{irq}")
    })
}

fn governor(frequency: &kernel::machine::Frequency) -> Measured<String> {
    match (&frequency.driver, &frequency.governors) {
        (Ok(driver), Ok(governors)) => Measured::Value(format!("{driver}/{}", governors.join("+"))),
        (Err(why), _) | (_, Err(why)) => Measured::absent(why.to_string()),
    }
}

fn counters() -> BTreeMap<String, Measured<String>> {
    counter_probe::probe(&WANTED)
        .into_iter()
        .map(|(counter, answer)| {
            let fact = match answer {
                Answer::Yes { raw_event: Some(raw) } => Measured::Value(raw),
                Answer::Yes { raw_event: None } => Measured::Value("yes".to_owned()),
                Answer::No(why) | Answer::CouldNotTell(why) => {
                    Measured::absent(missing(why).unnamed())
                }
            };
            (counter.name().to_owned(), fact)
        })
        .collect()
}

fn limits() -> BTreeMap<String, Measured<u64>> {
    let of = |limit: Result<Limit, kernel::CallError>| match limit {
        Ok(Limit::At(n)) => Measured::Value(n),
        Ok(Limit::Unlimited) => Measured::absent("unlimited"),
        Err(error) => Measured::absent(error.to_string()),
    };
    BTreeMap::from([
        ("memlock".to_owned(), of(limits::memlock())),
        ("open-files".to_owned(), of(limits::open_files())),
    ])
}
