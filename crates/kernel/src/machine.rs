//! Facts of this machine that figures depend on; each that cannot be read carries the reason.

use std::path::Path;

use crate::stat::LoadAverage;
use crate::{Remedy, Unavailable};

pub(crate) mod cgroup;
mod cgroup_memory;
mod interfaces;
mod settings;
pub(crate) mod tree;

pub use cgroup::{CgroupCpu, Throttled};
pub use cgroup_memory::memory_limit_bytes;
pub use interfaces::Interface;
pub(crate) use settings::SYSCTLS;
pub use settings::sysctls;
pub use tree::{Fact, LIVE};

const CPU: &str = "/sys/devices/system/cpu";
const CLOCKSOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// What is known of the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// The CPU's name.
    pub cpu_model: Fact<String>,
    /// The distribution, e.g. `Debian GNU/Linux 12 (bookworm)`.
    pub os: Fact<String>,
    /// Bytes of memory that the kernel manages.
    pub memory_bytes: Fact<u64>,
    /// Real or virtual.
    pub virtualization: Virtualization,
    /// Every known CPU vulnerability and what is done against it.
    pub mitigations: Fact<Vec<(String, String)>>,
    /// How the CPUs' frequency is chosen.
    pub frequency: Frequency,
    /// It runs on battery.
    pub on_battery: Fact<bool>,
    /// The load when this was read.
    pub load: Fact<LoadAverage>,
    /// What the kernel's clocks tick with.
    pub clocksource: Fact<String>,
    /// Transparent huge pages: `always`, `madvise` or `never`.
    pub huge_pages: Fact<String>,
    /// What this process's control groups allow it of the CPUs.
    pub cpu_quota: Fact<CgroupCpu>,
    /// Kernel settings that matter to sockets or to measuring, by name.
    pub sysctls: Vec<(String, Fact<String>)>,
    /// The network interfaces of this namespace.
    pub interfaces: Fact<Vec<Interface>>,
}

/// Signs that the machine is virtual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Virtualization {
    /// The CPU's `hypervisor` flag; unknown on architectures without one.
    pub hypervisor_flag: Fact<bool>,
    /// The hypervisor that names itself in `/sys/hypervisor`, e.g. `xen`.
    pub hypervisor: Fact<String>,
    /// The firmware's maker, e.g. `QEMU`.
    pub vendor: Fact<String>,
    /// The firmware's product, e.g. `KVM Virtual Machine`.
    pub product: Fact<String>,
}

impl Virtualization {
    /// Virtual or real, where any of the signs tells.
    ///
    /// # Errors
    /// Neither the CPU nor the firmware tells.
    pub fn is_virtual(&self) -> Fact<bool> {
        const MAKERS: [&str; 11] = [
            "qemu",
            "kvm",
            "vmware",
            "virtualbox",
            "innotek",
            "xen",
            "bochs",
            "parallels",
            "amazon ec2",
            "google compute engine",
            "virtual machine",
        ];
        let firmware = [&self.vendor, &self.product];
        let firmware = firmware.map(|fact| fact.as_deref().unwrap_or_default().to_lowercase());
        let is_bare_cloud = firmware.iter().any(|name| name.contains(".metal"));
        let named = MAKERS.iter().any(|maker| firmware.iter().any(|name| name.contains(maker)));
        match &self.hypervisor_flag {
            Ok(flag) => Ok(*flag),
            Err(_) if self.hypervisor.is_ok() || (named && !is_bare_cloud) => Ok(true),
            Err(_) if self.vendor.is_ok() => Ok(false),
            Err(why) => Err(why.clone()),
        }
    }
}

/// How the CPUs' frequency is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frequency {
    /// E.g. `intel_pstate`, `acpi-cpufreq`.
    pub driver: Fact<String>,
    /// Every governor in use, once: `performance`, `powersave`, `schedutil` …
    pub governors: Fact<Vec<String>>,
    /// Frequencies above the base are allowed.
    pub turbo: Fact<bool>,
}

impl Machine {
    /// Reads all facts of the running machine.
    pub fn read() -> Self {
        Self::read_below(Path::new(LIVE))
    }

    /// [`Machine::read`] below another root.
    pub(crate) fn read_below(root: &Path) -> Self {
        let text = |file: &str| tree::text(root, file);
        Self {
            cpu_model: cpu_model(root),
            os: os(root),
            memory_bytes: memory_bytes(root),
            virtualization: virtualization(root),
            mitigations: mitigations(root),
            frequency: frequency(root),
            on_battery: on_battery(root),
            load: LoadAverage::read(root),
            clocksource: text(CLOCKSOURCE),
            huge_pages: chosen(root, "/sys/kernel/mm/transparent_hugepage/enabled"),
            cpu_quota: CgroupCpu::find(root),
            sysctls: sysctls(root),
            interfaces: interfaces::interfaces(root),
        }
    }
}

/// The `hypervisor` flag of x86's `/proc/cpuinfo`; nothing where there is no line of flags.
pub(crate) fn has_hypervisor_flag(cpuinfo: &str) -> Option<bool> {
    let flags = field(cpuinfo, "flags")?;
    Some(flags.split_ascii_whitespace().any(|flag| flag == "hypervisor"))
}

/// The first `key : value` line's value.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == key).then(|| value.trim())
    })
}

/// Virtual machines often have an empty `model name`; arm64 has none, and the firmware may tell.
fn cpu_model(root: &Path) -> Fact<String> {
    const CPUINFO: &str = "/proc/cpuinfo";
    let cpuinfo = tree::text(root, CPUINFO)?;
    let named = ["model name", "Model", "cpu model", "Processor"];
    let named = named.iter().find_map(|key| field(&cpuinfo, key).filter(|name| !name.is_empty()));
    if let Some(name) = named {
        return Ok(name.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    match (field(&cpuinfo, "CPU implementer"), field(&cpuinfo, "CPU part")) {
        (Some(implementer), Some(part)) => Ok(format!("implementer {implementer} part {part}")),
        _ => Err(tree::unexpected(CPUINFO, &cpuinfo)),
    }
}

fn os(root: &Path) -> Fact<String> {
    const OS_RELEASE: &str = "/etc/os-release";
    let text = tree::text(root, OS_RELEASE).or_else(|_| tree::text(root, "/usr/lib/os-release"))?;
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map(|name| name.trim_matches(['"', '\'']).to_owned())
        .ok_or_else(|| tree::unexpected(OS_RELEASE, &text))
}

fn memory_bytes(root: &Path) -> Fact<u64> {
    const MEMINFO: &str = "/proc/meminfo";
    let text = tree::text(root, MEMINFO)?;
    let kib = field(&text, "MemTotal").and_then(|total| total.split_whitespace().next());
    kib.and_then(|kib| kib.parse::<u64>().ok()?.checked_mul(1024))
        .ok_or_else(|| tree::unexpected(MEMINFO, &text))
}

fn virtualization(root: &Path) -> Virtualization {
    let flag = tree::text(root, "/proc/cpuinfo").and_then(|cpuinfo| {
        has_hypervisor_flag(&cpuinfo).ok_or_else(|| Unavailable {
            what: "the CPU's hypervisor flag".to_owned(),
            because: "this architecture has none".to_owned(),
            remedy: Remedy::default(),
        })
    });
    Virtualization {
        hypervisor_flag: flag,
        hypervisor: tree::text(root, "/sys/hypervisor/type"),
        vendor: tree::text(root, "/sys/class/dmi/id/sys_vendor"),
        product: tree::text(root, "/sys/class/dmi/id/product_name"),
    }
}

fn mitigations(root: &Path) -> Fact<Vec<(String, String)>> {
    let directory = format!("{CPU}/vulnerabilities");
    let state = |name: String| {
        let text = tree::text(root, &format!("{directory}/{name}")).ok()?;
        Some((name, text))
    };
    Ok(tree::names(root, &directory)?.into_iter().filter_map(state).collect())
}

fn frequency(root: &Path) -> Frequency {
    let turbo = || {
        let is = |file: &str, wanted: u64| tree::number(root, file).map(|is| is == wanted);
        is(&format!("{CPU}/intel_pstate/no_turbo"), 0)
            .or_else(|_| is(&format!("{CPU}/cpufreq/boost"), 1))
    };
    Frequency {
        driver: tree::text(root, &format!("{CPU}/cpu0/cpufreq/scaling_driver")),
        governors: each_policy(root, "scaling_governor"),
        turbo: turbo(),
    }
}

/// One file of every frequency policy; equal contents once.
fn each_policy(root: &Path, file: &str) -> Fact<Vec<String>> {
    let directory = format!("{CPU}/cpufreq");
    let mut found = Vec::new();
    let mut refusal = Unavailable {
        what: format!("{directory}/policy*/{file}"),
        because: "no frequency driver is loaded, as in most virtual machines".to_owned(),
        remedy: Remedy::default(),
    };
    for policy in tree::names(root, &directory)? {
        if policy.starts_with("policy") {
            match tree::text(root, &format!("{directory}/{policy}/{file}")) {
                Ok(text) => found.push(text),
                Err(why) => refusal = why,
            }
        }
    }
    found.sort();
    found.dedup();
    if found.is_empty() { Err(refusal) } else { Ok(found) }
}

/// A battery of the system (not of a mouse) discharges, or a mains supply is there and off.
fn on_battery(root: &Path) -> Fact<bool> {
    const SUPPLIES: &str = "/sys/class/power_supply";
    let mut mains = Vec::new();
    for supply in tree::names(root, SUPPLIES)? {
        let text = |file: &str| tree::text(root, &format!("{SUPPLIES}/{supply}/{file}"));
        if text("scope").is_ok_and(|scope| scope == "Device") {
            continue;
        }
        match text("type").as_deref() {
            Ok("Battery") if text("status").is_ok_and(|status| status == "Discharging") => {
                return Ok(true);
            }
            Ok("Mains" | "USB") => mains.extend(text("online").ok().map(|online| online == "1")),
            _ => {}
        }
    }
    // A USB supply that is not plugged in says nothing while another feeds the machine.
    let has_battery = tree::names(root, SUPPLIES)?.iter().any(|supply| {
        tree::text(root, &format!("{SUPPLIES}/{supply}/type")).is_ok_and(|kind| kind == "Battery")
    });
    Ok(has_battery && !mains.is_empty() && !mains.contains(&true))
}

/// The word in brackets of `always [madvise] never`.
fn chosen(root: &Path, file: &str) -> Fact<String> {
    let text = tree::text(root, file)?;
    let chosen = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    chosen.map(|(chosen, _)| chosen.to_owned()).ok_or_else(|| tree::unexpected(file, &text))
}

#[cfg(test)]
#[path = "machine/tests.rs"]
mod tests;
