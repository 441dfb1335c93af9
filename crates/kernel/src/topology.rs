//! How the CPUs are arranged: cores, packages, nodes, shared caches, core types, frequencies.

use std::path::Path;

use crate::Unavailable;
use crate::cpu::CpuSet;
use crate::machine::tree;
use crate::pmu::Pmus;

const CPUS: &str = "/sys/devices/system/cpu";
const NODES: &str = "/sys/devices/system/node";

/// The machine's CPUs and caches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Every CPU that is present, in order.
    pub cpus: Vec<Cpu>,
    /// Every cache once.
    pub caches: Vec<Cache>,
}

/// One logical CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// The kernel's number for it.
    pub cpu: usize,
    /// It may run threads.
    pub online: bool,
    /// The core within its package; unknown while offline.
    pub core: Result<u64, Unavailable>,
    /// The package (socket).
    pub package: Result<u64, Unavailable>,
    /// The NUMA node.
    pub node: Result<usize, Unavailable>,
    /// Logical CPUs of the same physical core, itself among them.
    pub siblings: Result<Vec<usize>, Unavailable>,
    /// The lowest frequency that the CPU may run at, in kHz.
    pub min_khz: Result<u64, Unavailable>,
    /// The highest frequency that the CPU may reach, in kHz.
    pub max_khz: Result<u64, Unavailable>,
    /// On a hybrid CPU the core's type, e.g. `cpu_core`; nothing where all cores are alike.
    pub core_type: Option<String>,
}

/// One cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Distance from the core: 1, 2, 3 …
    pub level: u64,
    /// What it holds: `Data`, `Instruction` or `Unified`.
    pub kind: String,
    /// Its size in bytes.
    pub bytes: Result<u64, Unavailable>,
    /// The CPUs that share it.
    pub cpus: Vec<usize>,
}

impl Topology {
    /// Reads the topology below `root` (`/` on a running machine).
    ///
    /// # Errors
    /// sysfs has no list of CPUs.
    pub fn read(root: &Path) -> Result<Self, Unavailable> {
        let present = cpu_list(root, &format!("{CPUS}/present"))?;
        // Kernels without hotplug have no such file, and all CPUs online.
        let online = cpu_list(root, &format!("{CPUS}/online")).unwrap_or_else(|_| present.clone());
        let nodes = nodes(root);
        let pmus = Pmus::discover(root).unwrap_or_default();
        let mut caches: Vec<Cache> = Vec::new();
        let mut cpus = Vec::with_capacity(present.len());
        for cpu in present {
            let directory = format!("{CPUS}/cpu{cpu}");
            let below = |file: &str| format!("{directory}/{file}");
            for cache in caches_of(root, &below("cache")) {
                if !caches.contains(&cache) {
                    caches.push(cache);
                }
            }
            let siblings = cpu_list(root, &below("topology/core_cpus_list"))
                .or_else(|_| cpu_list(root, &below("topology/thread_siblings_list")));
            let node = nodes.as_ref().map_err(Clone::clone).and_then(|nodes| {
                let home = nodes.iter().find(|(_, cpus)| cpus.contains(&cpu));
                home.map(|(node, _)| *node).ok_or_else(|| {
                    tree::unexpected(NODES, &format!("CPU {cpu} belongs to no node"))
                })
            });
            let core_type = pmus.core.iter().find(|pmu| pmu.cpus.contains(&cpu));
            cpus.push(Cpu {
                cpu,
                online: online.contains(&cpu),
                core: tree::number(root, &below("topology/core_id")),
                package: tree::number(root, &below("topology/physical_package_id")),
                node,
                siblings,
                min_khz: tree::number(root, &below("cpufreq/cpuinfo_min_freq")),
                max_khz: tree::number(root, &below("cpufreq/cpuinfo_max_freq")),
                core_type: core_type.filter(|_| pmus.is_hybrid()).map(|pmu| pmu.name.clone()),
            });
        }
        caches.sort_by(|a, b| (a.level, &a.kind, &a.cpus).cmp(&(b.level, &b.kind, &b.cpus)));
        Ok(Self { cpus, caches })
    }

    /// The allowed logical CPUs, gathered by physical core, in order of each core's first.
    ///
    /// A CPU whose siblings are unknown counts as a core of its own.
    pub fn physical_cores(&self, allowed: &[usize]) -> Vec<Vec<usize>> {
        let mut allowed = allowed.to_vec();
        allowed.sort_unstable();
        allowed.dedup();
        let mut cores: Vec<Vec<usize>> = Vec::new();
        for cpu in allowed {
            let known = self.cpus.iter().find(|known| known.cpu == cpu);
            let siblings = known.and_then(|cpu| cpu.siblings.as_deref().ok()).unwrap_or_default();
            let home = cores
                .iter_mut()
                .find(|core| core.first().is_some_and(|first| siblings.contains(first)));
            match home {
                Some(core) => core.push(cpu),
                None => cores.push(vec![cpu]),
            }
        }
        cores
    }
}

fn nodes(root: &Path) -> Result<Vec<(usize, Vec<usize>)>, Unavailable> {
    let of_node = |name: String| {
        let node = name.strip_prefix("node")?.parse().ok()?;
        Some((node, cpu_list(root, &format!("{NODES}/{name}/cpulist")).ok()?))
    };
    Ok(tree::names(root, NODES)?.into_iter().filter_map(of_node).collect())
}

fn caches_of(root: &Path, directory: &str) -> Vec<Cache> {
    let of_index = |index: String| {
        let below = |file: &str| format!("{directory}/{index}/{file}");
        let size = tree::text(root, &below("size"));
        let parsed = size.and_then(|text| {
            parse_size(&text).ok_or_else(|| tree::unexpected(&below("size"), &text))
        });
        Some(Cache {
            level: tree::number(root, &below("level")).ok()?,
            kind: tree::text(root, &below("type")).ok()?,
            bytes: parsed,
            cpus: cpu_list(root, &below("shared_cpu_list")).ok()?,
        })
    };
    let indexes = tree::names(root, directory).unwrap_or_default();
    indexes.into_iter().filter(|name| name.starts_with("index")).filter_map(of_index).collect()
}

fn cpu_list(root: &Path, file: &str) -> Result<Vec<usize>, Unavailable> {
    let text = tree::text(root, file)?;
    let set = CpuSet::parse(&text).map_err(|_| tree::unexpected(file, &text))?;
    Ok(set.cpus().to_vec())
}

/// A size as sysfs writes it: `48K`, `2M`.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..)? {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tree::plant;
    use proptest::prelude::*;

    /// Two P cores of two threads, two E cores; one L3 for all; CPU 5 offline.
    fn hybrid() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path();
        plant(root, "/sys/devices/system/cpu/present", "0-5");
        plant(root, "/sys/devices/system/cpu/online", "0-4");
        plant(root, "/sys/devices/system/node/node0/cpulist", "0-5");
        for (cpu, core, siblings) in
            [(0, 0, "0-1"), (1, 0, "0-1"), (2, 4, "2-3"), (3, 4, "2-3"), (4, 8, "4")]
        {
            let below = |file: &str| format!("{CPUS}/cpu{cpu}/{file}");
            plant(root, &below("topology/core_id"), &core.to_string());
            plant(root, &below("topology/physical_package_id"), "0");
            plant(root, &below("topology/core_cpus_list"), siblings);
            plant(root, &below("cpufreq/cpuinfo_min_freq"), "400000");
            plant(root, &below("cpufreq/cpuinfo_max_freq"), "4700000");
            for (index, level, kind, size, shared) in [
                (0, "1", "Data", "48K", siblings),
                (1, "1", "Instruction", "32K", siblings),
                (2, "3", "Unified", "12M", "0-4"),
            ] {
                let below = |file: &str| format!("{CPUS}/cpu{cpu}/cache/index{index}/{file}");
                plant(root, &below("level"), level);
                plant(root, &below("type"), kind);
                plant(root, &below("size"), size);
                plant(root, &below("coherency_line_size"), "64");
                plant(root, &below("shared_cpu_list"), shared);
            }
        }
        for (name, number, cpus) in [("cpu_core", "4", "0-3"), ("cpu_atom", "10", "4-5")] {
            plant(root, &format!("/sys/bus/event_source/devices/{name}/type"), number);
            plant(root, &format!("/sys/bus/event_source/devices/{name}/cpus"), cpus);
        }
        tree
    }

    #[test]
    fn logical_cpus_are_gathered_by_physical_core() {
        let tree = hybrid();
        let topology = Topology::read(tree.path()).unwrap();
        assert_eq!(topology.physical_cores(&[4, 3, 0, 1, 2]), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(topology.physical_cores(&[3, 1]), [[1], [3]]);
        assert_eq!(topology.physical_cores(&[5, 77]), [[5], [77]], "unknown ones stand alone");
    }

    #[test]
    fn each_cache_is_listed_once_with_its_sharers() {
        let tree = hybrid();
        let topology = Topology::read(tree.path()).unwrap();
        assert_eq!(topology.caches.len(), 3 + 3 + 1);
        let of_all: Vec<_> = topology.caches.iter().filter(|cache| cache.level == 3).collect();
        assert_eq!((of_all[0].bytes.clone(), of_all[0].cpus.len()), (Ok(12 << 20), 5));
    }

    #[test]
    fn core_types_are_named_on_a_hybrid_cpu() {
        let tree = hybrid();
        let topology = Topology::read(tree.path()).unwrap();
        assert_eq!(topology.cpus[0].core_type.as_deref(), Some("cpu_core"));
        assert_eq!(topology.cpus[4].core_type.as_deref(), Some("cpu_atom"));
    }

    #[test]
    fn an_offline_cpu_has_no_core_and_says_so() {
        let tree = hybrid();
        let topology = Topology::read(tree.path()).unwrap();
        assert!(!topology.cpus[5].online);
        assert!(topology.cpus[5].core.is_err());
        assert_eq!(topology.cpus[5].node, Ok(0));
    }

    #[test]
    fn an_unknown_base_frequency_carries_its_reason() {
        let tree = hybrid();
        let topology = Topology::read(tree.path()).unwrap();
        assert_eq!(topology.cpus[0].min_khz, Ok(400_000));
        assert_eq!(topology.cpus[0].max_khz, Ok(4_700_000));
    }

    #[test]
    fn cache_sizes_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse_size("480K"), Some(480 << 10));
        assert_eq!(parse_size("12 parsecs"), None);
    }

    proptest! {
        #[test]
        fn odd_sizes_never_panic(text in "[0-9]{0,25}[KMG]?|\\PC{0,30}") {
            let _ = parse_size(&text);
        }
    }
}
