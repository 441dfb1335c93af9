//! How long each CPU was idle, and so how long it was busy: finer than `/proc/stat` counts.
//!
//! Three sources, the best first (kernel/time/tick-sched.c, drivers/cpuidle/cpuidle.c,
//! fs/proc/stat.c). *Busy* means the same for all: not in the idle loop. An idle loop that polls
//! (`haltpoll`, the `POLL` state, a guest's or a user's `idle=poll`) is idle to all of them, though
//! the core is occupied; the host of a guest sees more use than the guest does.
//!
//! | source | unit | leaves out or adds |
//! |---|---|---|
//! | [`IdleSource::TimerList`] | ns | interrupts and softirqs that wake an idle CPU are busy time, as they should be; the idle period in progress is added from its start where the tick is stopped, otherwise it is uncertain by less than a tick; root only |
//! | [`IdleSource::CpuIdle`] | µs | counts a period when it ends, so a sleeping CPU may be off by the whole window; a state entered with interrupts on (`hlt` in guests) counts the interrupt and its softirqs as idle; used only while it agrees with `/proc/stat` |
//! | [`IdleSource::ProcStat`] | 1/USER_HZ | the kernel's same sum as the timer list's, period in progress included, rounded down to 10 ms, idle and iowait each |
//!
//! Measured with `cargo run --release -p copycost-kernel --example idle_sources` (2 virtual CPUs, Linux 6.18,
//! haltpoll, HZ=250, windows of 250 ms): of a CPU with a thread that spun for 125 ms of CPU time,
//! the timer list read 125.4 to 126.1 ms busy, `/proc/stat` 120 to 130 ms, and cpuidle alone 23 to
//! 120 ms, because the CPU slept at the window's edges; of a sleeping CPU the timer list read 0 to
//! 1.1 ms, and cpuidle alone -49 to 218 ms. A reading took 40, 3 and 4 us.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use crate::cpu::CpuSet;
use crate::machine::tree;
use crate::stat::{parse_stat, user_hz};
use crate::{Remedy, Unavailable};

mod reading;
pub(crate) mod timer_list;

pub use reading::IdleReading;

use timer_list::parse_timer_list;

const TIMER_LIST: &str = "/proc/timer_list";
const STAT: &str = "/proc/stat";
const NOHZ_FULL: &str = "/sys/devices/system/cpu/nohz_full";
const NS_PER_S: u64 = 1_000_000_000;
const NS_PER_US: u64 = 1_000;

/// Where idle times come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdleSource {
    /// `/proc/timer_list`, with the idle period in progress.
    TimerList,
    /// `/sys/devices/system/cpu/cpu*/cpuidle`, where `/proc/stat` does not contradict it.
    CpuIdle,
    /// `/proc/stat`, idle and iowait.
    ProcStat,
}

impl IdleSource {
    /// The name in files and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::TimerList => "timer-list",
            Self::CpuIdle => "cpuidle",
            Self::ProcStat => "proc-stat",
        }
    }
}

/// All asked CPUs at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleSnapshot {
    /// CLOCK_MONOTONIC of the initial time namespace, nanoseconds, to which the idle times refer.
    pub monotonic_ns: u64,
    /// Idle times, in the order in which the CPUs were asked for.
    pub cpus: Vec<CpuIdle>,
}

/// One CPU's idle time from every source that its clock reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuIdle {
    /// The CPU's number.
    pub cpu: usize,
    /// From the chosen source.
    pub fine: IdleReading,
    /// From `/proc/stat`, where the chosen source has to agree with it.
    pub coarse: Option<IdleReading>,
}

/// How long one CPU was busy in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// The CPU's number.
    pub cpu: usize,
    /// Nanoseconds not idle, from 0 to the window's length.
    pub busy_ns: u64,
    /// How far off that may be, either way.
    pub error_ns: u64,
    /// Where it came from; `cpuidle` falls back to `/proc/stat` for a CPU that slept at an edge.
    pub source: IdleSource,
}

/// Reads the idle times of some CPUs; keeps its files open.
#[derive(Debug)]
pub struct IdleClock {
    source: IdleSource,
    cpus: Vec<usize>,
    files: Files,
    text: Vec<u8>,
    tick_ns: u64,
    refused: Vec<Unavailable>,
}

#[derive(Debug)]
enum Files {
    TimerList(File),
    CpuIdle { states: Vec<Vec<File>>, stat: File },
    ProcStat(File),
}

impl IdleClock {
    /// The best source that this machine and user have for all of `cpus`, and the error in
    /// nanoseconds that a busy time from it has at most, either way.
    ///
    /// # Errors
    /// Not even `/proc/stat` can be read, or it lacks one of the CPUs.
    pub fn choose(cpus: &[usize]) -> Result<(Self, u64), Unavailable> {
        let mut refused = Vec::new();
        for source in [IdleSource::TimerList, IdleSource::CpuIdle, IdleSource::ProcStat] {
            match Self::open(source, cpus) {
                Ok(mut clock) => {
                    clock.refused = refused;
                    let error_ns = clock.error_ns();
                    return Ok((clock, error_ns));
                }
                Err(refusal) => refused.push(refusal),
            }
        }
        Err(refused.pop().unwrap_or_else(|| tree::unexpected(STAT, "")))
    }

    /// One source in particular; it is read once, to see that it has every CPU.
    ///
    /// # Errors
    /// The source cannot be read, or lacks one of the CPUs.
    pub fn open(source: IdleSource, cpus: &[usize]) -> Result<Self, Unavailable> {
        let files = match source {
            IdleSource::TimerList => {
                refuse_nohz_full(Path::new(tree::LIVE), cpus)?;
                Files::TimerList(open(TIMER_LIST)?)
            }
            IdleSource::CpuIdle => Files::CpuIdle {
                states: cpus.iter().map(|&cpu| state_files(cpu)).collect::<Result<_, _>>()?,
                stat: open(STAT)?,
            },
            IdleSource::ProcStat => Files::ProcStat(open(STAT)?),
        };
        let mut clock = Self {
            source,
            cpus: cpus.to_vec(),
            files,
            text: Vec::with_capacity(1 << 16),
            tick_ns: tick_ns(),
            refused: Vec::new(),
        };
        clock.read()?;
        Ok(clock)
    }

    /// The source in use.
    pub fn source(&self) -> IdleSource {
        self.source
    }

    /// Better sources that could not be had, and why.
    pub fn refused(&self) -> &[Unavailable] {
        &self.refused
    }

    /// How far off a busy time may be at most; [`Busy::error_ns`] is often far smaller.
    pub fn error_ns(&self) -> u64 {
        match self.source {
            IdleSource::TimerList => 2 * self.tick_ns,
            IdleSource::CpuIdle | IdleSource::ProcStat => stat_error_ns(),
        }
    }

    /// Reads all CPUs' idle times; its buffer is reused.
    ///
    /// # Errors
    /// The source could not be read, or a CPU went offline.
    pub fn read(&mut self) -> Result<IdleSnapshot, Unavailable> {
        match &self.files {
            Files::TimerList(file) => {
                let begin_ns = monotonic_ns();
                let text = reread(file, &mut self.text, TIMER_LIST)?;
                // The file is printed CPU by CPU after its own clock was read.
                let printing_ns = monotonic_ns().saturating_sub(begin_ns);
                let list = parse_timer_list(&text, self.tick_ns)
                    .ok_or_else(|| tree::unexpected(TIMER_LIST, &text))?;
                let of_cpu = |cpu| {
                    let mut reading = find(&list.cpus, cpu, TIMER_LIST)?;
                    reading.uncertain_ns = reading.uncertain_ns.saturating_add(printing_ns);
                    Ok(CpuIdle { cpu, fine: reading, coarse: None })
                };
                let cpus = self.cpus.iter().map(|&cpu| of_cpu(cpu)).collect::<Result<_, _>>()?;
                Ok(IdleSnapshot { monotonic_ns: list.now_ns, cpus })
            }
            Files::CpuIdle { states, stat } => {
                let begin_ns = monotonic_ns();
                let mut residencies = Vec::with_capacity(self.cpus.len());
                for (&cpu, files) in self.cpus.iter().zip(states) {
                    residencies.push((cpu, residency_ns(files, &mut self.text)?));
                }
                let text = reread(stat, &mut self.text, STAT)?;
                let monotonic_ns = monotonic_ns();
                let coarse = stat_idle(&text)?;
                let reading_ns = monotonic_ns.saturating_sub(begin_ns);
                let of_cpu = |(cpu, idle_ns)| {
                    let fine = IdleReading { idle_ns, uncertain_ns: reading_ns };
                    Ok(CpuIdle { cpu, fine, coarse: Some(find(&coarse, cpu, STAT)?) })
                };
                let cpus = residencies.into_iter().map(of_cpu).collect::<Result<_, _>>()?;
                Ok(IdleSnapshot { monotonic_ns, cpus })
            }
            Files::ProcStat(stat) => {
                let text = reread(stat, &mut self.text, STAT)?;
                let monotonic_ns = monotonic_ns();
                let idle = stat_idle(&text)?;
                let of_cpu = |cpu| Ok(CpuIdle { cpu, fine: find(&idle, cpu, STAT)?, coarse: None });
                let cpus = self.cpus.iter().map(|&cpu| of_cpu(cpu)).collect::<Result<_, _>>()?;
                Ok(IdleSnapshot { monotonic_ns, cpus })
            }
        }
    }

    /// Each CPU's busy time between two of this clock's snapshots.
    pub fn busy(&self, before: &IdleSnapshot, after: &IdleSnapshot) -> Vec<Busy> {
        busy(self.source, before, after)
    }
}

/// Each CPU's busy time between two snapshots of one source: the window less the idle time, held
/// between 0 and the window's length.
pub fn busy(source: IdleSource, before: &IdleSnapshot, after: &IdleSnapshot) -> Vec<Busy> {
    let window_ns = after.monotonic_ns.saturating_sub(before.monotonic_ns);
    let less = |before: IdleReading, after: IdleReading| {
        window_ns.saturating_sub(after.idle_ns.saturating_sub(before.idle_ns))
    };
    let of_cpu = |before: &CpuIdle| {
        let after = after.cpus.iter().find(|after| after.cpu == before.cpu)?;
        let busy_ns = less(before.fine, after.fine);
        let fine = Busy {
            cpu: before.cpu,
            busy_ns,
            error_ns: match source {
                // Either edge may be off in either direction.
                IdleSource::TimerList => {
                    before.fine.uncertain_ns.saturating_add(after.fine.uncertain_ns)
                }
                // Both edges are rounded down, so their errors cancel in part.
                IdleSource::CpuIdle | IdleSource::ProcStat => {
                    before.fine.uncertain_ns.max(after.fine.uncertain_ns)
                }
            },
            source,
        };
        let (Some(coarse_before), Some(coarse_after)) = (before.coarse, after.coarse) else {
            return Some(fine);
        };
        // The true value lies within the coarse error of the coarse one. A residency outside of
        // that lost or gained a period that was in progress at an edge.
        let coarse_ns = less(coarse_before, coarse_after);
        let error_ns = coarse_before.uncertain_ns.max(coarse_after.uncertain_ns);
        if busy_ns.abs_diff(coarse_ns) <= error_ns {
            return Some(Busy { error_ns, ..fine });
        }
        Some(Busy { busy_ns: coarse_ns, error_ns, source: IdleSource::ProcStat, ..fine })
    };
    before.cpus.iter().filter_map(of_cpu).collect()
}

/// The tick may be stopped on these CPUs while they work, which breaks the timer list's reading.
fn refuse_nohz_full(root: &Path, cpus: &[usize]) -> Result<(), Unavailable> {
    let listed = tree::text(root, NOHZ_FULL).unwrap_or_default();
    // A mask that was never set reads as `(null)`.
    let full = CpuSet::parse(&listed).unwrap_or_default();
    match cpus.iter().find(|cpu| full.contains(**cpu)) {
        None => Ok(()),
        Some(cpu) => Err(Unavailable {
            what: TIMER_LIST.to_owned(),
            because: format!("CPU {cpu} is nohz_full: its tick stops while it works, too"),
            remedy: Remedy::default(),
        }),
    }
}

fn state_files(cpu: usize) -> Result<Vec<File>, Unavailable> {
    let directory = format!("/sys/devices/system/cpu/cpu{cpu}/cpuidle");
    let states = tree::names(Path::new(tree::LIVE), &directory)?;
    let files = states
        .iter()
        .filter(|name| name.starts_with("state"))
        .map(|state| open(&format!("{directory}/{state}/time")))
        .collect::<Result<Vec<_>, _>>()?;
    if files.is_empty() { Err(tree::unexpected(&directory, "no state")) } else { Ok(files) }
}

fn residency_ns(states: &[File], text: &mut Vec<u8>) -> Result<u64, Unavailable> {
    let mut sum_us = 0_u64;
    for state in states {
        let time = reread(state, text, "cpuidle/state*/time")?;
        let time_us: u64 =
            time.trim().parse().map_err(|_| tree::unexpected("cpuidle/state*/time", &time))?;
        sum_us = sum_us.saturating_add(time_us);
    }
    Ok(sum_us.saturating_mul(NS_PER_US))
}

/// Idle and iowait of every CPU; each was rounded down to a unit.
fn stat_idle(text: &str) -> Result<Vec<(usize, IdleReading)>, Unavailable> {
    let stat = parse_stat(text, user_hz())?;
    let of_cpu = |(cpu, time): &(usize, crate::stat::CpuTime)| {
        let idle_ns = time.idle_ns.saturating_add(time.iowait_ns);
        (*cpu, IdleReading { idle_ns, uncertain_ns: stat_error_ns() })
    };
    Ok(stat.cpus.iter().map(of_cpu).collect())
}

/// Idle and iowait are each off by less than a unit.
fn stat_error_ns() -> u64 {
    2 * (NS_PER_S / user_hz())
}

fn find(cpus: &[(usize, IdleReading)], cpu: usize, file: &str) -> Result<IdleReading, Unavailable> {
    let found = cpus.iter().find(|(number, _)| *number == cpu);
    found.map(|(_, reading)| *reading).ok_or_else(|| Unavailable {
        what: format!("idle time of CPU {cpu}"),
        because: format!("{file} does not have it: the CPU is offline, or the kernel keeps none"),
        remedy: Remedy::default(),
    })
}

fn open(path: &str) -> Result<File, Unavailable> {
    File::open(path).map_err(|error| tree::unreadable(path, &error))
}

/// The file from its start again, with `pread`: no new descriptor, no seek.
fn reread<'a>(
    file: &File,
    buffer: &'a mut Vec<u8>,
    name: &str,
) -> Result<std::borrow::Cow<'a, str>, Unavailable> {
    let mut length = 0;
    loop {
        if buffer.len() < length + 4096 {
            buffer.resize((2 * buffer.len()).max(length + 8192), 0);
        }
        let offset = u64::try_from(length).unwrap_or(u64::MAX);
        let space = buffer.get_mut(length..).unwrap_or_default();
        match file.read_at(space, offset) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(tree::unreadable(name, &error)),
        }
    }
    Ok(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()))
}

/// The length of a tick: CLOCK_MONOTONIC_COARSE advances with it (time(7), clock_getres(2)).
fn tick_ns() -> u64 {
    const SLOWEST: Duration = Duration::from_millis(10);
    let mut resolution = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec through the pointer, which is valid for that.
    let answer = unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC_COARSE, &raw mut resolution) };
    if answer == 0 { nanoseconds(resolution) } else { nanoseconds_of(SLOWEST) }
}

fn nanoseconds_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn nanoseconds(time: libc::timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(NS_PER_S).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

fn monotonic_ns() -> u64 {
    crate::clock::monotonic_ns()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn snapshot(at_ms: u64, fine_ms: u64, coarse_ms: Option<u64>) -> IdleSnapshot {
        let reading = |ms: u64, uncertain_ms: u64| IdleReading {
            idle_ns: ms * MS,
            uncertain_ns: uncertain_ms * MS,
        };
        let coarse = coarse_ms.map(|ms| reading(ms, 20));
        let cpus = vec![CpuIdle { cpu: 1, fine: reading(fine_ms, 1), coarse }];
        IdleSnapshot { monotonic_ns: at_ms * MS, cpus }
    }

    #[test]
    fn busy_is_the_window_less_the_idle_time() {
        let busy =
            busy(IdleSource::TimerList, &snapshot(1000, 400, None), &snapshot(1250, 525, None));
        assert_eq!(busy[0].busy_ns, 125 * MS);
        assert_eq!(busy[0].error_ns, 2 * MS);
    }

    #[test]
    fn busy_stays_within_the_window() {
        let less = |fine| {
            let after = snapshot(1250, fine, None);
            busy(IdleSource::TimerList, &snapshot(1000, 400, None), &after)[0].busy_ns
        };
        assert_eq!(less(900), 0);
        assert_eq!(less(300), 250 * MS);
    }

    #[test]
    fn a_residency_that_agrees_with_the_kernels_ticks_is_kept() {
        let before = snapshot(1000, 400, Some(410));
        let busy = busy(IdleSource::CpuIdle, &before, &snapshot(1250, 525, Some(540)));
        assert_eq!((busy[0].busy_ns, busy[0].source), (125 * MS, IdleSource::CpuIdle));
        assert_eq!(busy[0].error_ns, 20 * MS);
    }

    #[test]
    fn a_cpu_that_slept_at_an_edge_falls_back_to_the_kernels_ticks() {
        // The residency of a period that began in the window is added after it: all looks busy.
        let before = snapshot(1000, 400, Some(410));
        let busy = busy(IdleSource::CpuIdle, &before, &snapshot(1250, 400, Some(660)));
        assert_eq!((busy[0].busy_ns, busy[0].source), (0, IdleSource::ProcStat));
    }

    #[test]
    fn a_cpu_that_went_offline_has_no_busy_time() {
        let after = IdleSnapshot { monotonic_ns: 2000, cpus: Vec::new() };
        assert_eq!(busy(IdleSource::ProcStat, &snapshot(0, 0, None), &after), []);
    }

    #[test]
    fn a_nohz_full_cpu_is_refused_for_the_timer_list() {
        let root = tempfile::tempdir().unwrap();
        let file = tree::path(root.path(), NOHZ_FULL);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, " (null)\n").unwrap();
        assert_eq!(refuse_nohz_full(root.path(), &[0, 3]), Ok(()));
        std::fs::write(&file, "2-3\n").unwrap();
        assert!(refuse_nohz_full(root.path(), &[0, 3]).is_err());
        assert_eq!(refuse_nohz_full(root.path(), &[0, 1]), Ok(()));
    }
}
