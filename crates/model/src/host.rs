//! Facts of the machine that measured.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measured::Measured;
use crate::nic::Nic;
use crate::units::{Bytes, Nanos};

/// `host.json`: the machine, as far as it can matter to a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// Version of copycost that wrote this.
    pub copycost: String,
    /// Host name.
    pub hostname: Measured<String>,
    /// Random id of this boot (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: Measured<String>,
    /// Kernel release, as `uname -r`.
    pub kernel: Measured<String>,
    /// Kernel version and build, as `uname -v`.
    pub kernel_build: Measured<String>,
    /// Machine architecture, as `uname -m`.
    pub architecture: Measured<String>,
    /// The distribution's name.
    pub distribution: Measured<String>,
    /// CPU model.
    pub cpu_model: Measured<String>,
    /// CPUs that this process may use; none: nobody knows how many, as of a machine whose results were imported.
    pub usable_cpus: Vec<u32>,
    /// Each usable CPU and its place.
    pub cpus: Vec<CpuFacts>,
    /// NUMA nodes with usable CPUs.
    pub numa_nodes: Measured<u32>,
    /// Caches of the first usable CPU.
    pub caches: Vec<CacheFacts>,
    /// The hypervisor, or `none`.
    pub virtualization: Measured<String>,
    /// Memory in bytes.
    pub memory_bytes: Measured<u64>,
    /// Bytes of a page.
    pub page_bytes: Measured<u64>,
    /// Transparent huge pages: the chosen word.
    pub transparent_hugepages: Measured<String>,
    /// Mitigations by vulnerability.
    pub mitigations: BTreeMap<String, String>,
    /// How the kernel charges interrupt time: `tick`, `irq-time`, `virtual`.
    pub cpu_time_accounting: Measured<String>,
    /// Clock source.
    pub clocksource: Measured<String>,
    /// Frequency driver and governor.
    pub governor: Measured<String>,
    /// Whether turbo frequencies are allowed.
    pub turbo: Measured<bool>,
    /// Whether it runs on battery.
    pub on_battery: Measured<bool>,
    /// Load average over a minute, at the start.
    pub load_average: Measured<f64>,
    /// CPU quota of the container or slice, in CPUs.
    pub cpu_quota: Measured<f64>,
    /// Hardware counters: the counters that open, or why none does.
    pub counters: BTreeMap<String, Measured<String>>,
    /// Settings that matter (`/proc/sys`), by their dotted names.
    pub sysctls: BTreeMap<String, Measured<String>>,
    /// Limits of this process: `memlock`, `open-files`.
    pub limits: BTreeMap<String, Measured<u64>>,
    /// Network devices: name to MTU in bytes.
    pub devices: BTreeMap<String, Measured<u64>>,
    /// Network devices that take a packet's bytes from where they lie (scatter-gather), and those that do not: for these
    /// the kernel copies what is passed by reference.
    #[serde(default)]
    pub scatter_gather: BTreeMap<String, Measured<bool>>,
    /// Packet sockets that are shown every packet of a device but loopback, as tcpdump's: what is passed by reference is copied for each.
    #[serde(default = "taps_not_recorded")]
    pub packet_taps: Measured<u32>,
    /// The loopback device of this machine.
    #[serde(default = "loopback_not_recorded")]
    pub loopback: Measured<Nic>,
    /// Effective user id.
    pub uid: Measured<u32>,
    /// The machine that the receiving end runs on, where it is another one; absent: both ends run on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver_host: Option<Box<Host>>,
    /// The same of the sending end, where that runs on another machine than the engine and the receiving end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender_host: Option<Box<Host>>,
    /// How that other machine was reached; absent: both ends run on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<Box<Reached>>,
}

/// How the machine of the other end was reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reached {
    /// What `ssh` was given.
    pub peer: String,
    /// Where the receiving end listens.
    pub data_address: Measured<String>,
    /// From a line to the peer until its answer, the median of nine, in ns: through `ssh`, both schedulers and the network, so
    /// that it is more than a packet's round trip (which the record of each trial has, as TCP measured it).
    pub line_round_trip_ns: Nanos,
    /// The device of this host by which packets to the other one leave.
    pub nic_here: Measured<Nic>,
    /// That of the other host by which packets to this one leave.
    pub nic_there: Measured<Nic>,
    /// Bytes of the program that were copied there; 0: it had this very build.
    pub copied_bytes: Bytes,
    /// From the start of `ssh` until copycost answered there, in ns.
    pub started_in_ns: Nanos,
}

/// One CPU's place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuFacts {
    /// Number of the logical CPU.
    pub cpu: u32,
    /// Physical package.
    pub package: Measured<u32>,
    /// Physical core within its package.
    pub core: Measured<u32>,
    /// NUMA node.
    pub node: Measured<u32>,
    /// Lowest frequency in kHz.
    #[serde(default = "not_recorded")]
    pub min_khz: Measured<u64>,
    /// Highest frequency in kHz.
    pub max_khz: Measured<u64>,
    /// PMU of its core type on hybrid CPUs.
    pub core_type: Option<String>,
}

fn not_recorded() -> Measured<u64> {
    Measured::absent("the version of copycost that measured did not record it")
}

fn taps_not_recorded() -> Measured<u32> {
    Measured::absent("the version of copycost that measured did not record it")
}

fn loopback_not_recorded() -> Measured<Nic> {
    Measured::absent("the version of copycost that measured did not record it")
}

/// One cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CacheFacts {
    /// 1, 2, 3 …
    pub level: u32,
    /// `Data`, `Instruction` or `Unified`.
    pub kind: String,
    /// Size in bytes.
    pub bytes: u64,
    /// CPUs that share it.
    pub shared_by: u32,
}

/// Whether two hosts are one kernel: two network namespaces of one machine pass for two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneKernel {
    /// They run in one boot.
    Yes,
    /// They run in two.
    No,
    /// One of them does not tell.
    NotTold,
}

impl OneKernel {
    /// By the random ids of both boots.
    pub fn of(one: &Measured<String>, other: &Measured<String>) -> Self {
        match (one.value(), other.value()) {
            (Some(one), Some(other)) if one == other => Self::Yes,
            (Some(_), Some(_)) => Self::No,
            (None, _) | (_, None) => Self::NotTold,
        }
    }
}

impl Host {
    /// The machine that the receiving end runs on: this one, where no other is named.
    pub fn of_receiver(&self) -> &Self {
        self.receiver_host.as_deref().unwrap_or(self)
    }

    /// The machine that the sending end runs on: this one, where no other is named.
    pub fn of_sender(&self) -> &Self {
        self.sender_host.as_deref().unwrap_or(self)
    }

    /// The other machine, where an end runs on one.
    pub fn peer(&self) -> Option<&Self> {
        self.receiver_host.as_deref().or(self.sender_host.as_deref())
    }

    /// The devices that data goes by between two hosts: of the sender's, and of the receiver's; none where both ends run on one machine.
    pub fn nics(&self) -> Option<[&Measured<Nic>; 2]> {
        let reached = self.reached.as_deref()?;
        let (here, there) = (&reached.nic_here, &reached.nic_there);
        Some(if self.sender_host.is_some() { [there, here] } else { [here, there] })
    }

    /// A machine of which only its usable CPUs may be known, as their number: whoever imports results may know no more.
    pub fn unknown(copycost: &str, cpus: Option<u32>, why: &str) -> Self {
        fn absent<T>(why: &str) -> Measured<T> {
            Measured::absent(why)
        }
        Self {
            copycost: copycost.to_owned(),
            hostname: absent(why),
            boot_id: absent(why),
            kernel: absent(why),
            kernel_build: absent(why),
            architecture: absent(why),
            distribution: absent(why),
            cpu_model: absent(why),
            usable_cpus: (0..cpus.unwrap_or(0)).collect(),
            cpus: Vec::new(),
            numa_nodes: absent(why),
            caches: Vec::new(),
            virtualization: absent(why),
            memory_bytes: absent(why),
            page_bytes: absent(why),
            transparent_hugepages: absent(why),
            mitigations: BTreeMap::new(),
            cpu_time_accounting: absent(why),
            clocksource: absent(why),
            governor: absent(why),
            turbo: absent(why),
            on_battery: absent(why),
            load_average: absent(why),
            cpu_quota: absent(why),
            counters: BTreeMap::new(),
            sysctls: BTreeMap::new(),
            limits: BTreeMap::new(),
            devices: BTreeMap::new(),
            scatter_gather: BTreeMap::new(),
            packet_taps: absent(why),
            loopback: absent(why),
            uid: absent(why),
            receiver_host: None,
            sender_host: None,
            reached: None,
        }
    }

    /// What must be equal for results to belong to one run: the machine and its kernel, not the boot.
    pub fn identity(&self) -> String {
        let facts = [&self.hostname, &self.cpu_model, &self.kernel, &self.kernel_build];
        facts.map(|fact| fact.value().map_or("unknown", String::as_str)).join(" / ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hosts_of_one_boot_are_one_kernel_and_who_does_not_tell_may_be() {
        let (one, other) = (Measured::Value("a".to_owned()), Measured::Value("b".to_owned()));
        let none = Measured::absent("not read");
        assert_eq!(OneKernel::of(&one, &one.clone()), OneKernel::Yes);
        assert_eq!(OneKernel::of(&one, &other), OneKernel::No);
        for (one, other) in [(&one, &none), (&none, &other), (&none, &none)] {
            assert_eq!(OneKernel::of(one, other), OneKernel::NotTold);
        }
    }

    #[test]
    fn an_unknown_machine_has_no_fact_but_its_cpus_and_reads_back() {
        let host = Host::unknown("0.1.0", Some(2), "imported");
        assert_eq!(host.usable_cpus, [0, 1]);
        assert_eq!(host.identity(), "unknown / unknown / unknown / unknown");
        let text = serde_json::to_string(&host).unwrap();
        assert!(text.contains(r#""kernel":{"absent":"imported"}"#), "{text}");
        assert_eq!(serde_json::from_str::<Host>(&text).unwrap(), host);
        assert!(Host::unknown("0.1.0", None, "imported").usable_cpus.is_empty());
    }
}
