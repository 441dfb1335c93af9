//! `cpu-busy`: busy, softirq and stolen time of whole CPUs, and their frequencies.

use std::sync::LazyLock;
use std::time::Duration;

use kernel::idle::{Busy, IdleClock, IdleSnapshot};
use kernel::stat::{Stat, irq_time, user_hz};
use kernel::{Unavailable, clock};
use model::record::{CpuBusy as BusyFigures, CpuTicks, Machine};
use model::{Instrument as Name, Measured, Nanos};

use super::instrument::{Edge, Instrument, Scope};

/// One reading of everything.
#[derive(Debug)]
struct Mark {
    idle: Result<IdleSnapshot, Unavailable>,
    stat: Result<Stat, Unavailable>,
    moment_ns: u64,
    khz: Result<Vec<u64>, String>,
}

/// The CPUs in use, at both edges.
#[derive(Debug)]
pub(crate) struct CpuBusy {
    cpus: Vec<u32>,
    clock: Result<IdleClock, Unavailable>,
    marks: [Option<Mark>; 2],
}

impl CpuBusy {
    fn reading(&mut self) -> Mark {
        Mark {
            idle: match &mut self.clock {
                Ok(clock) => clock.read(),
                Err(why) => Err(why.clone()),
            },
            moment_ns: clock::monotonic_ns(),
            stat: Stat::read(),
            khz: self.cpus.iter().map(|cpu| frequency(*cpu)).collect(),
        }
    }

    /// Busy time of CPUs over a while, for the idle baseline.
    pub(crate) fn baseline(cpus: &[u32], span: Duration) -> Measured<BusyFigures> {
        let mut instrument = Self::attach(cpus);
        instrument.mark(Edge::Start, cpus);
        std::thread::sleep(span);
        instrument.mark(Edge::End, cpus);
        instrument.figures().busy
    }
}

/// Whether this kernel charges softirqs to no thread. Looked up once, before the first trial: it may start a process.
pub(crate) fn softirqs_apart() -> Measured<bool> {
    static APART: LazyLock<Measured<bool>> = LazyLock::new(|| irq_time().into());
    APART.clone()
}

/// The frequency of a CPU in kHz.
fn frequency(cpu: u32) -> Result<u64, String> {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("CPU frequency: {path}: {error}"))?;
    text.trim().parse().map_err(|_| format!("CPU frequency: {path}: reads \"{}\"", text.trim()))
}

impl Instrument for CpuBusy {
    const NAME: Name = Name::CpuBusy;
    const SCOPE: Scope = Scope::Machine;
    type Target<'t> = &'t [u32];
    type Figures = Machine;

    fn attach(cpus: &[u32]) -> Self {
        let numbers: Vec<usize> = cpus.iter().map(|cpu| *cpu as usize).collect();
        let clock = IdleClock::choose(&numbers).map(|(clock, _)| clock);
        Self { cpus: cpus.to_vec(), clock, marks: [None, None] }
    }

    fn mark(&mut self, edge: Edge, _: &[u32]) {
        let mark = self.reading();
        self.marks[edge as usize] = Some(mark);
    }

    fn figures(&self) -> Machine {
        let [Some(start), Some(end)] = &self.marks else {
            let absent = "the end never saw both edges of the window";
            return Machine {
                busy: Measured::absent(absent),
                ticks: Measured::absent(absent),
                khz: Measured::absent(absent),
                moved_bytes: None,
                ends_cpu_ns: None,
                idle: None,
                load: None,
            };
        };
        let busy = match (&self.clock, &start.idle, &end.idle) {
            (Ok(clock), Ok(before), Ok(after)) => {
                let span_ns = after.monotonic_ns.saturating_sub(before.monotonic_ns);
                Measured::Value(busy_figures(&clock.busy(before, after), span_ns))
            }
            (Err(why), _, _) | (_, Err(why), _) | (_, _, Err(why)) => {
                Measured::absent(why.to_string())
            }
        };
        let ticks = match (&start.stat, &end.stat) {
            (Ok(before), Ok(after)) => {
                let span = end.moment_ns.saturating_sub(start.moment_ns);
                Measured::Value(self.ticks(before, after, span))
            }
            (Err(why), _) | (_, Err(why)) => Measured::absent(why.to_string()),
        };
        let khz = match (&start.khz, &end.khz) {
            (Ok(before), Ok(after)) => {
                Measured::Value(before.iter().zip(after).map(|(a, b)| [*a, *b]).collect())
            }
            (Err(why), _) | (_, Err(why)) => Measured::absent(why),
        };
        Machine { busy, ticks, khz, moved_bytes: None, ends_cpu_ns: None, idle: None, load: None }
    }
}

impl CpuBusy {
    fn ticks(&self, before: &Stat, after: &Stat, span_ns: u64) -> CpuTicks {
        let mut figures = CpuTicks {
            tick_ns: Nanos(1_000_000_000 / user_hz().max(1)),
            span_ns: Nanos(span_ns),
            cpus: Vec::new(),
            softirq_ns: Vec::new(),
            irq_ns: Vec::new(),
            steal_ns: Vec::new(),
        };
        for (cpu, time) in after.since(before) {
            let Some(cpu) = u32::try_from(cpu).ok().filter(|cpu| self.cpus.contains(cpu)) else {
                continue;
            };
            figures.cpus.push(cpu);
            figures.softirq_ns.push(time.softirq_ns);
            figures.irq_ns.push(time.irq_ns);
            figures.steal_ns.push(time.steal_ns);
        }
        figures
    }
}

fn busy_figures(cpus: &[Busy], span_ns: u64) -> BusyFigures {
    let mut sources: Vec<&str> = cpus.iter().map(|cpu| cpu.source.name()).collect();
    sources.dedup();
    BusyFigures {
        source: sources.join("+"),
        error_ns: Nanos(cpus.iter().map(|cpu| cpu.error_ns).max().unwrap_or(0)),
        span_ns: Nanos(span_ns),
        cpus: cpus.iter().filter_map(|cpu| u32::try_from(cpu.cpu).ok()).collect(),
        busy_ns: cpus.iter().map(|cpu| cpu.busy_ns).collect(),
    }
}
