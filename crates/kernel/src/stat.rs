//! What the kernel counts of every CPU in `/proc`: times by mode and load; and how it charges them.
//!
//! `/proc/stat` counts in units of 1/USER_HZ (10 ms), which is too coarse for busy times of short
//! windows (see [`crate::idle`]) but is the only source of steal and of the split by mode.

use std::path::Path;

use crate::machine::tree;
use crate::{Remedy, Unavailable};

const STAT: &str = "/proc/stat";
const LOADAVG: &str = "/proc/loadavg";
const NS_PER_S: u64 = 1_000_000_000;

/// The kernel's fixed unit of `/proc/stat` where `sysconf` does not tell (`USER_HZ`, always 100
/// on the machines that copycost runs on).
const USER_HZ: u64 = 100;

/// Units a second in `/proc/stat`: `sysconf(_SC_CLK_TCK)`.
pub fn user_hz() -> u64 {
    // SAFETY: sysconf takes a number and touches no memory of ours.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).ok().filter(|&ticks| ticks > 0).unwrap_or(USER_HZ)
}

/// One CPU's time since boot by mode (proc_stat(5)), in nanoseconds that are multiples of the unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// User mode, guests included.
    pub user_ns: u64,
    /// User mode at low priority.
    pub nice_ns: u64,
    /// Kernel mode, without the interrupts where these are told apart.
    pub system_ns: u64,
    /// Idle.
    pub idle_ns: u64,
    /// Idle with I/O outstanding; it may go backwards (proc_stat(5)).
    pub iowait_ns: u64,
    /// Hardware interrupts.
    pub irq_ns: u64,
    /// Softirqs.
    pub softirq_ns: u64,
    /// Wanted to run, but the host ran something else.
    pub steal_ns: u64,
}

impl CpuTime {
    /// What was added since `before`; a value that went backwards added 0.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            user_ns: self.user_ns.saturating_sub(before.user_ns),
            nice_ns: self.nice_ns.saturating_sub(before.nice_ns),
            system_ns: self.system_ns.saturating_sub(before.system_ns),
            idle_ns: self.idle_ns.saturating_sub(before.idle_ns),
            iowait_ns: self.iowait_ns.saturating_sub(before.iowait_ns),
            irq_ns: self.irq_ns.saturating_sub(before.irq_ns),
            softirq_ns: self.softirq_ns.saturating_sub(before.softirq_ns),
            steal_ns: self.steal_ns.saturating_sub(before.steal_ns),
        }
    }
}

/// `/proc/stat` at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Every online CPU.
    pub cpus: Vec<(usize, CpuTime)>,
    /// Context switches of all CPUs since boot, where the kernel tells.
    pub context_switches: Option<u64>,
}

impl Stat {
    /// Reads the running kernel's.
    ///
    /// # Errors
    /// The file cannot be read or has no CPU.
    pub fn read() -> Result<Self, Unavailable> {
        Self::read_below(Path::new(tree::LIVE))
    }

    /// [`Stat::read`] below another root.
    ///
    /// # Errors
    /// The file cannot be read or has no CPU.
    pub(crate) fn read_below(root: &Path) -> Result<Self, Unavailable> {
        parse_stat(&tree::text(root, STAT)?, user_hz())
    }

    /// One CPU's times.
    pub fn cpu(&self, cpu: usize) -> Option<CpuTime> {
        self.cpus.iter().find(|(number, _)| *number == cpu).map(|(_, time)| *time)
    }

    /// What every CPU spent since `before`; CPUs that came or went between are left out.
    pub fn since(&self, before: &Self) -> Vec<(usize, CpuTime)> {
        let of_cpu = |&(cpu, after): &(usize, CpuTime)| Some((cpu, after.since(before.cpu(cpu)?)));
        self.cpus.iter().filter_map(of_cpu).collect()
    }
}

/// Parses `/proc/stat` with `ticks_per_s` units a second. Lines of another shape are passed over.
///
/// # Errors
/// No line is a CPU's.
pub(crate) fn parse_stat(text: &str, ticks_per_s: u64) -> Result<Stat, Unavailable> {
    let unit_ns = NS_PER_S / ticks_per_s.max(1);
    let mut stat = Stat { cpus: Vec::new(), context_switches: None };
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(key) = words.next() else { continue };
        if let Some(cpu) = key.strip_prefix("cpu").and_then(|number| number.parse().ok()) {
            let mut next = || {
                let ticks: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
                ticks.saturating_mul(unit_ns)
            };
            let time = CpuTime {
                user_ns: next(),
                nice_ns: next(),
                system_ns: next(),
                idle_ns: next(),
                iowait_ns: next(),
                irq_ns: next(),
                softirq_ns: next(),
                steal_ns: next(),
            };
            stat.cpus.push((cpu, time));
        } else if key == "ctxt" {
            stat.context_switches = words.next().and_then(|word| word.parse().ok());
        }
    }
    if stat.cpus.is_empty() { Err(tree::unexpected(STAT, text)) } else { Ok(stat) }
}

/// Tasks running or waiting, averaged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadAverage {
    /// Over one minute.
    pub minute: f64,
    /// Over five minutes.
    pub five_minutes: f64,
    /// Over fifteen minutes.
    pub fifteen_minutes: f64,
    /// Tasks running or ready this moment, the reader among them.
    pub running: u64,
}

impl LoadAverage {
    /// Reads `/proc/loadavg` below `root`.
    ///
    /// # Errors
    /// It cannot be read or has another shape.
    pub fn read(root: &Path) -> Result<Self, Unavailable> {
        let text = tree::text(root, LOADAVG)?;
        parse_loadavg(&text).ok_or_else(|| tree::unexpected(LOADAVG, &text))
    }
}

/// Parses `/proc/loadavg`.
pub(crate) fn parse_loadavg(text: &str) -> Option<LoadAverage> {
    let mut words = text.split_ascii_whitespace();
    let mut average =
        || words.next()?.parse().ok().filter(|load: &f64| load.is_finite() && *load >= 0.0);
    let (minute, five_minutes, fifteen_minutes) = (average()?, average()?, average()?);
    let running = words.next()?.split('/').next()?.parse().ok()?;
    Some(LoadAverage { minute, five_minutes, fifteen_minutes, running })
}

/// How the kernel splits CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeAccounting {
    /// How user and kernel mode are told apart.
    pub base: BaseAccounting,
    /// Interrupt and softirq time is measured and charged to no thread
    /// (`CONFIG_IRQ_TIME_ACCOUNTING`; needs a fast clock, and `tsc=noirqtime` turns it off);
    /// otherwise the interrupted thread pays for it.
    pub irq_time: bool,
}

/// How user and kernel mode are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseAccounting {
    /// Whoever a tick meets is charged a tick; sums are exact, the split is sampled.
    Tick,
    /// Measured at every crossing, on `nohz_full` CPUs (`CONFIG_VIRT_CPU_ACCOUNTING_GEN`), by tick on
    /// the others.
    Generic,
    /// Measured at every crossing (`CONFIG_VIRT_CPU_ACCOUNTING_NATIVE`).
    Native,
}

impl TimeAccounting {
    /// Looks the mode up in the kernel's build configuration, from `/boot`, `/lib/modules`, or
    /// `/proc/config.gz` through `gzip`: outside of windows only, as it may start a process.
    ///
    /// # Errors
    /// None of them can be read.
    pub fn find() -> Result<Self, Unavailable> {
        let root = Path::new(tree::LIVE);
        let release = tree::text(root, "/proc/sys/kernel/osrelease")?;
        let places = [format!("/boot/config-{release}"), format!("/lib/modules/{release}/config")];
        let plain = places.iter().find_map(|place| tree::text(root, place).ok());
        let text = match plain {
            Some(text) => text,
            None => gunzip("/proc/config.gz").map_err(|because| Unavailable {
                what: "CPU time accounting mode".to_owned(),
                because: format!("{} is missing, and {because}", places[0]),
                remedy: Remedy::default(),
            })?,
        };
        parse_time_accounting(&text).ok_or_else(|| tree::unexpected("kernel configuration", &text))
    }
}

/// Whether softirqs are charged to no thread: by the kernel's build configuration, else by its pressure files.
///
/// # Errors
/// Neither tells: what and why, and the remedy.
pub fn irq_time() -> Result<bool, Unavailable> {
    TimeAccounting::find().map(|mode| mode.irq_time).or_else(|why| {
        by_pressure(Path::new(tree::LIVE)).ok_or_else(|| Unavailable {
            remedy: "make /boot/config-RELEASE readable here, or boot with psi=1".into(),
            ..why
        })
    })
}

/// Since 6.1 a kernel that has pressure files has one for interrupts exactly where the option is built in (`psi_proc_init` of
/// `kernel/sched/psi.c`). A container sees them even where it has no build configuration.
fn by_pressure(root: &Path) -> Option<bool> {
    let release = tree::text(root, "/proc/sys/kernel/osrelease").ok()?;
    let mut numbers = release.split(['.', '-']).map(str::parse::<u32>);
    let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    let has = |name: &str| tree::path(root, &format!("/proc/pressure/{name}")).exists();
    (version >= (6, 1) && has("cpu")).then(|| has("irq"))
}

fn gunzip(path: &str) -> Result<String, String> {
    if !Path::new(path).exists() {
        return Err(format!("{path} too"));
    }
    let output = std::process::Command::new("gzip")
        .args(["-dc", path])
        .output()
        .map_err(|error| format!("gzip, to unpack {path}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("gzip could not unpack {path}"))
    }
}

/// Parses a kernel's build configuration; nothing where it names no accounting mode at all.
pub(crate) fn parse_time_accounting(config: &str) -> Option<TimeAccounting> {
    let has = |option: &str| config.lines().any(|line| line.strip_prefix(option) == Some("=y"));
    let base = if has("CONFIG_VIRT_CPU_ACCOUNTING_NATIVE") {
        BaseAccounting::Native
    } else if has("CONFIG_VIRT_CPU_ACCOUNTING_GEN") {
        BaseAccounting::Generic
    } else if has("CONFIG_TICK_CPU_ACCOUNTING") {
        BaseAccounting::Tick
    } else {
        return None;
    };
    Some(TimeAccounting { base, irq_time: has("CONFIG_IRQ_TIME_ACCOUNTING") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAT_TEXT: &str = "cpu  30 0 3 400 5 6 7 8 0 0\ncpu0 10 0 1 100 2 3 4 5 0 0\n\
        cpu7 20 0 2 300 3 3 3 3 0 0\nintr 1 2 3\nctxt 198112\nbtime 1795417881\n";

    #[test]
    fn each_cpus_times_are_nanoseconds() {
        let stat = parse_stat(STAT_TEXT, 100).unwrap();
        assert_eq!(stat.cpus.len(), 2);
        let time = stat.cpu(0).unwrap();
        assert_eq!((time.user_ns, time.idle_ns), (100_000_000, 1_000_000_000));
        assert_eq!((time.softirq_ns, time.steal_ns), (40_000_000, 50_000_000));
        assert_eq!(stat.context_switches, Some(198_112));
        assert_eq!(stat.cpu(1), None);
    }

    #[test]
    fn pressure_files_tell_the_accounting_of_kernels_since_6_1_alone() {
        let told = |release: &str, files: &[&str]| {
            let root = tempfile::tempdir().unwrap();
            for directory in ["proc/sys/kernel", "proc/pressure"] {
                std::fs::create_dir_all(root.path().join(directory)).unwrap();
            }
            std::fs::write(root.path().join("proc/sys/kernel/osrelease"), release).unwrap();
            for file in files {
                std::fs::write(root.path().join("proc/pressure").join(file), "").unwrap();
            }
            by_pressure(root.path())
        };
        assert_eq!(told("6.1.0-41-amd64\n", &["cpu", "irq"]), Some(true));
        assert_eq!(told("6.18.44-fc\n", &["cpu"]), Some(false));
        assert_eq!(told("5.15.0\n", &["cpu"]), None);
        assert_eq!(told("6.18.0\n", &[]), None, "no pressure files at all: psi=0");
        assert_eq!(told("odd\n", &["cpu", "irq"]), None);
    }

    #[test]
    fn iowait_that_goes_backwards_adds_nothing() {
        let before = parse_stat(STAT_TEXT, 100).unwrap();
        let after =
            parse_stat("cpu0 11 0 1 100 1 3 9 5 0 0\ncpu8 1 1 1 1 1 1 1 1 1 1\n", 100).unwrap();
        let spent = after.since(&before);
        assert_eq!(spent.len(), 1, "CPU 7 went and CPU 8 came");
        assert_eq!((spent[0].1.iowait_ns, spent[0].1.softirq_ns), (0, 50_000_000));
    }

    #[test]
    fn a_stat_without_cpus_is_refused_with_what_was_found() {
        assert!(parse_stat("nothing here", 100).unwrap_err().because.contains("nothing here"));
    }

    #[test]
    fn load_averages_are_parsed() {
        let load = parse_loadavg("0.01 0.10 0.07 2/81 3758\n").unwrap();
        assert_eq!((load.minute, load.running), (0.01, 2));
        assert_eq!(parse_loadavg("a b c"), None);
    }

    #[test]
    fn the_accounting_mode_is_read_out_of_a_kernel_configuration() {
        let tick = "CONFIG_TICK_CPU_ACCOUNTING=y\n# CONFIG_IRQ_TIME_ACCOUNTING is not set\n";
        assert_eq!(
            parse_time_accounting(tick),
            Some(TimeAccounting { base: BaseAccounting::Tick, irq_time: false })
        );
        let generic = "CONFIG_VIRT_CPU_ACCOUNTING_GEN=y\nCONFIG_IRQ_TIME_ACCOUNTING=y\n";
        assert_eq!(
            parse_time_accounting(generic),
            Some(TimeAccounting { base: BaseAccounting::Generic, irq_time: true })
        );
        assert_eq!(parse_time_accounting("CONFIG_HZ=250\n"), None);
    }

    proptest! {
        #[test]
        fn odd_text_never_panics(text in "(cpu|CPU|ctxt |[0-9]{1,25}| |\\PC|\n){0,60}") {
            let _ = (parse_stat(&text, 0), parse_loadavg(&text), parse_time_accounting(&text));
        }
    }
}
