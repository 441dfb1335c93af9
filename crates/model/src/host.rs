//! Facts of the machine that measured.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measured::Measured;

/// `host.json`: the machine, as far as it can matter to a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Host {
    /// Version of copycost that wrote this.
    pub copycost: String,
    /// Host name.
    pub hostname: String,
    /// Random id of this boot (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: Measured<String>,
    /// Kernel release, as `uname -r`.
    pub kernel: String,
    /// Kernel version and build, as `uname -v`.
    pub kernel_build: String,
    /// Machine architecture, as `uname -m`.
    pub architecture: String,
    /// The distribution's name.
    pub distribution: Measured<String>,
    /// CPU model.
    pub cpu_model: Measured<String>,
    /// CPUs that this process may use.
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
    pub page_bytes: u64,
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
    /// Effective user id.
    pub uid: u32,
    /// The machine that the receiving end runs on, where it is another one; absent: both ends run on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver_host: Option<Box<Host>>,
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

impl Host {
    /// The machine that the receiving end runs on: this one, where no other is named.
    pub fn of_receiver(&self) -> &Self {
        self.receiver_host.as_deref().unwrap_or(self)
    }

    /// What must be equal for results to belong to one run: the machine and its kernel, not the boot.
    pub fn identity(&self) -> String {
        let model = self.cpu_model.value().map_or("unknown", String::as_str);
        format!("{} / {} / {} / {}", self.hostname, model, self.kernel, self.kernel_build)
    }
}
