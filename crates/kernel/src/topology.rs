//! How the CPUs are arranged: cores, packages, nodes, shared caches, core types, frequencies.

use std::path::Path;

use crate::Unavailable;
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
    /// The highest frequency that the CPU may reach, in kHz.
    pub max_khz: Result<u64, Unavailable>,
    /// The frequency that it keeps without turbo, in kHz.
    pub base_khz: Result<u64, Unavailable>,
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
    /// Bytes of one line.
    pub line_bytes: Result<u64, Unavailable>,
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
        let online =
            cpu_list(root, &format!("{CPUS}/online")).unwrap_or_else(|_| present.clone());
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
                    tree::odd(NODES, &format!("CPU {cpu} belongs to no node"))
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
                max_khz: tree::number(root, &below("cpufreq/cpuinfo_max_freq")),
                base_khz: tree::number(root, &below("cpufreq/base_frequency")),
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

    /// The largest level's caches that hold data.
    pub fn last_level_caches(&self) -> Vec<&Cache> {
        let data = || self.caches.iter().filter(|cache| cache.kind != "Instruction");
        let last = data().map(|cache| cache.level).max();
        data().filter(|cache| Some(cache.level) == last).collect()
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
            parse_size(&text).ok_or_else(|| tree::odd(&below("size"), &text))
        });
        Some(Cache {
            level: tree::number(root, &below("level")).ok()?,
            kind: tree::text(root, &below("type")).ok()?,
            bytes: parsed,
            line_bytes: tree::number(root, &below("coherency_line_size")),
            cpus: cpu_list(root, &below("shared_cpu_list")).ok()?,
        })
    };
    let indexes = tree::names(root, directory).unwrap_or_default();
    indexes.into_iter().filter(|name| name.starts_with("index")).filter_map(of_index).collect()
}

fn cpu_list(root: &Path, file: &str) -> Result<Vec<usize>, Unavailable> {
    let text = tree::text(root, file)?;
    parse_cpu_list(&text).map_err(|_| tree::odd(file, &text))
}

/// A size as sysfs writes it: `48K`, `2M`.
fn parse_size(text: &str) -> Option<u64> {
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
