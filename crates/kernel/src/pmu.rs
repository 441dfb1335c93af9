//! Which performance counters this machine has, and why it has not the others.

use std::path::Path;

use crate::cpu::CpuSet;
use crate::machine::tree;
use crate::perf::event::CounterName;
use crate::{Errno, Remedy, Unavailable};

const DEVICES: &str = "/sys/bus/event_source/devices";
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";

/// The strictest `kernel.perf_event_paranoid` at which an ordinary user may count kernel mode
/// (Documentation/admin-guide/sysctl/kernel.rst).
const PARANOID_WITH_KERNEL: i64 = 1;

/// The counting unit of one core type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorePmu {
    /// Its name in sysfs: `cpu`, `cpu_core`, `cpu_atom`, `armv8_pmuv3_0` …
    pub name: String,
    /// Its number for `perf_event_open`.
    pub pmu_type: u32,
    /// The CPUs of this core type; none listed means all.
    pub cpus: Vec<usize>,
    /// Named events and their raw encodings, e.g. `cache-misses` and `event=0x2e,umask=0x41`.
    pub events: Vec<(String, String)>,
    /// Capabilities, e.g. `max_precise` and `3`.
    pub caps: Vec<(String, String)>,
}

/// The counting units of a machine's cores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pmus {
    /// One for each core type; none in many virtual machines.
    pub core: Vec<CorePmu>,
}

impl Pmus {
    /// Looks the units up below `root` (`/` on a running machine).
    ///
    /// A core's unit is `cpu`, or one that lists its CPUs in a file `cpus` (uncore units have
    /// `cpumask` instead): the rule of perf's `is_pmu_core` (tools/perf/util/pmu.c).
    ///
    /// # Errors
    /// Where sysfs cannot be listed.
    pub fn discover(root: &Path) -> Result<Self, Unavailable> {
        let mut core = Vec::new();
        for name in tree::names(root, DEVICES)? {
            let device = format!("{DEVICES}/{name}");
            let cpus = tree::text(root, &format!("{device}/cpus"));
            if name != "cpu" && cpus.is_err() {
                continue;
            }
            let number = tree::number(root, &format!("{device}/type"))?;
            let Ok(pmu_type) = u32::try_from(number) else { continue };
            let cpus = cpus.ok().and_then(|list| CpuSet::parse(&list).ok()).unwrap_or_default();
            core.push(CorePmu {
                pmu_type,
                cpus: cpus.cpus().to_vec(),
                events: named(root, &format!("{device}/events")),
                caps: named(root, &format!("{device}/caps")),
                name,
            });
        }
        Ok(Self { core })
    }

    /// The CPU has more than one core type, so every counter is opened once for each.
    pub(crate) fn is_hybrid(&self) -> bool {
        self.core.len() > 1
    }

    /// What the generic `cache-misses` really counts here, e.g. `cpu/event=0x2e,umask=0x41/`: the
    /// vendors map it to different caches, so it is never shown without this name.
    ///
    /// # Errors
    /// Where no core's unit names the event.
    pub fn raw_cache_misses(&self) -> Result<String, Unavailable> {
        let named: Vec<String> = self
            .core
            .iter()
            .filter_map(|pmu| {
                let (_, raw) = pmu.events.iter().find(|(name, _)| name == "cache-misses")?;
                Some(format!("{}/{raw}/", pmu.name))
            })
            .collect();
        if named.is_empty() {
            return Err(Unavailable {
                what: "the raw event behind cache-misses".to_owned(),
                because: format!("no core's unit in {DEVICES} names it"),
                remedy: Remedy::default(),
            });
        }
        Ok(named.join(" + "))
    }
}

/// A directory of small files as pairs of name and content.
fn named(root: &Path, directory: &str) -> Vec<(String, String)> {
    let names = tree::names(root, directory).unwrap_or_default();
    let read = |name: String| {
        let content = tree::text(root, &format!("{directory}/{name}")).ok()?;
        Some((name, content))
    };
    names.into_iter().filter_map(read).collect()
}

/// What decides whether a counter may be opened, for telling why it was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// `kernel.perf_event_paranoid`, or why it is unknown (no such file: perf is not built in).
    pub paranoid: Result<i64, Unavailable>,
    /// The effective user is root.
    pub is_root: bool,
    /// The CPU says that it is virtual.
    pub is_virtual: bool,
    /// The core's counting units, or why they are unknown.
    pub pmus: Result<Pmus, Unavailable>,
}

impl Surroundings {
    /// Those of this machine and user, with `/proc` and `/sys` below `root`.
    pub fn read(root: &Path) -> Self {
        // SAFETY: geteuid takes no argument, cannot fail and touches no memory of ours.
        let user = unsafe { libc::geteuid() };
        let cpuinfo = tree::text(root, "/proc/cpuinfo").unwrap_or_default();
        Self {
            paranoid: perf_event_paranoid(root),
            is_root: user == 0,
            is_virtual: crate::machine::has_hypervisor_flag(&cpuinfo) == Some(true),
            pmus: Pmus::discover(root),
        }
    }

    /// The core's counting units, as far as known.
    pub(crate) fn core_pmus(&self) -> &[CorePmu] {
        self.pmus.as_ref().map_or(&[], |pmus| &pmus.core)
    }

    /// Why `perf_event_open` refused `counter`, and what would give it.
    pub fn explain(&self, counter: CounterName, errno: Errno) -> Unavailable {
        let (because, remedy) = match errno.0 {
            // Permission would not help where there is nothing to count with.
            libc::EACCES | libc::EPERM if !(counter.is_software() || self.may_have_a_pmu()) => {
                self.explain_missing(counter, errno)
            }
            libc::EACCES | libc::EPERM => self.explain_permission(errno),
            libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV | libc::ENXIO | libc::EINVAL => {
                self.explain_missing(counter, errno)
            }
            libc::EMFILE | libc::ENFILE => (
                format!("too many open files ({errno})"),
                "raise the limit: ulimit -n 4096".into(),
            ),
            libc::ENOSYS => (
                "this kernel has no perf_event_open (CONFIG_PERF_EVENTS is off, or a sandbox hides it)"
                    .to_owned(),
                Remedy::default(),
            ),
            libc::EBUSY | libc::ENOSPC => (
                format!("another user holds the counters ({errno})"),
                Remedy {
                    unlock: "stop other profilers, or free one: sudo sysctl kernel.nmi_watchdog=0"
                        .to_owned(),
                    undo: "sudo sysctl kernel.nmi_watchdog=1".to_owned(),
                },
            ),
            _ => (format!("perf_event_open: {errno}"), Remedy::default()),
        };
        Unavailable { what: counter.to_string(), because, remedy }
    }

    fn may_have_a_pmu(&self) -> bool {
        self.pmus.as_ref().map_or(true, |pmus| !pmus.core.is_empty())
    }

    fn explain_permission(&self, errno: Errno) -> (String, Remedy) {
        match self.paranoid {
            Ok(level) if level > PARANOID_WITH_KERNEL && !self.is_root => (
                format!(
                    "kernel.perf_event_paranoid is {level}, and counting user mode alone would miss nearly all of the work"
                ),
                Remedy {
                    unlock: "sudo sysctl kernel.perf_event_paranoid=1".to_owned(),
                    undo: format!("sudo sysctl kernel.perf_event_paranoid={level}"),
                },
            ),
            Ok(level) => (
                format!(
                    "perf_event_open is refused ({errno}) although kernel.perf_event_paranoid is {level}{}: a container's seccomp filter, a security module or kernel lockdown",
                    if self.is_root { " and the user is root" } else { "" }
                ),
                "run outside the container, or start it with --cap-add PERFMON and a seccomp profile that allows perf_event_open"
                    .into(),
            ),
            Err(ref unknown) => (
                format!("perf_event_open is refused ({errno}); {unknown}"),
                "run as root".into(),
            ),
        }
    }

    fn explain_missing(&self, counter: CounterName, errno: Errno) -> (String, Remedy) {
        if counter.is_software() {
            return (format!("this kernel does not count it ({errno})"), Remedy::default());
        }
        if !self.core_pmus().is_empty() {
            return (format!("this CPU has no such event ({errno})"), Remedy::default());
        }
        if self.is_virtual {
            return (
                "this virtual machine has no hardware counters".to_owned(),
                "on the host, give the guest a virtual PMU (QEMU: -cpu host,pmu=on), or run on bare metal"
                    .into(),
            );
        }
        (
            "this machine has no hardware counters that the kernel drives".to_owned(),
            Remedy::default(),
        )
    }
}

/// `kernel.perf_event_paranoid`: from -1 (everybody counts everything) to 2 (an ordinary user
/// counts user mode only), 3 and 4 being distributors' "nothing at all".
///
/// # Errors
/// Where the file is missing, which means that the kernel has no perf.
pub fn perf_event_paranoid(root: &Path) -> Result<i64, Unavailable> {
    let text = tree::text(root, PARANOID)?;
    text.trim().parse().map_err(|_| tree::unexpected(PARANOID, &text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tree::plant;

    fn cpu() -> CorePmu {
        CorePmu {
            name: "cpu".to_owned(),
            pmu_type: 4,
            cpus: Vec::new(),
            events: Vec::new(),
            caps: Vec::new(),
        }
    }

    fn surroundings(paranoid: i64, is_root: bool, is_virtual: bool) -> Surroundings {
        Surroundings {
            paranoid: Ok(paranoid),
            is_root,
            is_virtual,
            pmus: Ok(Pmus { core: vec![cpu()] }),
        }
    }

    #[test]
    fn a_plain_cpu_has_one_unit_and_names_its_cache_misses() {
        let root = tempfile::tempdir().unwrap();
        let events = format!("{DEVICES}/cpu/events/cache-misses");
        plant(root.path(), &format!("{DEVICES}/cpu/type"), "4");
        plant(root.path(), &events, "event=0x2e,umask=0x41");
        plant(root.path(), &format!("{DEVICES}/cpu/caps/max_precise"), "3");
        plant(root.path(), &format!("{DEVICES}/uncore_imc/type"), "12");
        plant(root.path(), &format!("{DEVICES}/uncore_imc/cpumask"), "0");
        let pmus = Pmus::discover(root.path()).unwrap();
        assert!(!pmus.is_hybrid());
        assert_eq!(pmus.core[0].pmu_type, 4);
        assert_eq!(pmus.core[0].caps, [("max_precise".to_owned(), "3".to_owned())]);
        assert_eq!(pmus.raw_cache_misses().unwrap(), "cpu/event=0x2e,umask=0x41/");
    }

    #[test]
    fn a_hybrid_cpu_has_one_unit_a_core_type() {
        let root = tempfile::tempdir().unwrap();
        for (name, number, cpus) in [("cpu_core", "4", "0-7"), ("cpu_atom", "10", "8-11")] {
            plant(root.path(), &format!("{DEVICES}/{name}/type"), number);
            plant(root.path(), &format!("{DEVICES}/{name}/cpus"), cpus);
            plant(root.path(), &format!("{DEVICES}/{name}/events/cache-misses"), "event=0x2e");
        }
        let pmus = Pmus::discover(root.path()).unwrap();
        assert!(pmus.is_hybrid());
        assert_eq!(pmus.core[0].cpus, [8, 9, 10, 11]);
        assert_eq!(pmus.raw_cache_misses().unwrap(), "cpu_atom/event=0x2e/ + cpu_core/event=0x2e/");
    }

    #[test]
    fn a_machine_without_units_says_that_the_raw_event_is_unknown() {
        assert!(Pmus::default().raw_cache_misses().is_err());
        let root = tempfile::tempdir().unwrap();
        assert!(Pmus::discover(root.path()).is_err(), "no sysfs at all is not an empty list");
    }

    #[test]
    fn a_paranoid_kernel_is_named_with_its_unlock_and_its_undo() {
        let refusal =
            surroundings(4, false, false).explain(CounterName::Cycles, Errno(libc::EACCES));
        assert!(refusal.because.contains("kernel.perf_event_paranoid is 4"), "{refusal}");
        assert!(refusal.remedy.unlock == "sudo sysctl kernel.perf_event_paranoid=1", "{refusal}");
        assert!(refusal.remedy.undo == "sudo sysctl kernel.perf_event_paranoid=4");
    }

    #[test]
    fn a_refusal_of_root_points_at_the_sandbox() {
        let refusal = surroundings(4, true, false).explain(CounterName::Cycles, Errno(libc::EPERM));
        assert!(refusal.because.contains("seccomp"), "{refusal}");
    }

    #[test]
    fn a_refusal_at_a_permissive_setting_points_at_the_sandbox() {
        let refusal =
            surroundings(1, false, false).explain(CounterName::Cycles, Errno(libc::EPERM));
        assert!(refusal.because.contains("seccomp"), "{refusal}");
    }

    #[test]
    fn a_virtual_machine_without_counters_is_told_from_a_cpu_without_one_event() {
        let mut around = surroundings(1, true, true);
        let refusal = around.explain(CounterName::LlcMisses, Errno(libc::ENOENT));
        assert!(refusal.because.contains("this CPU has no such event"), "{refusal}");
        around.pmus = Ok(Pmus::default());
        let refusal = around.explain(CounterName::LlcMisses, Errno(libc::ENOENT));
        assert!(refusal.because.contains("virtual machine"), "{refusal}");
    }

    #[test]
    fn nobody_is_told_to_unlock_what_the_machine_has_not_got() {
        let mut around = surroundings(4, false, true);
        around.pmus = Ok(Pmus::default());
        let hardware = around.explain(CounterName::Cycles, Errno(libc::EACCES));
        assert!(!hardware.remedy.unlock.contains("sysctl"), "{hardware}");
        let software = around.explain(CounterName::TaskClock, Errno(libc::EACCES));
        assert!(software.remedy.unlock.contains("sysctl"), "{software}");
    }

    #[test]
    fn every_errno_has_a_reason() {
        for errno in 1..134 {
            let refusal = surroundings(2, false, false).explain(CounterName::Cycles, Errno(errno));
            assert!(!refusal.because.is_empty());
        }
    }

    #[test]
    fn an_odd_paranoid_level_is_quoted() {
        let root = tempfile::tempdir().unwrap();
        plant(root.path(), PARANOID, "none");
        assert!(perf_event_paranoid(root.path()).unwrap_err().because.contains("none"));
        plant(root.path(), PARANOID, "-1");
        assert_eq!(perf_event_paranoid(root.path()), Ok(-1));
    }
}
