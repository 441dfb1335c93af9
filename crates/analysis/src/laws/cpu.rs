//! Laws 6 and 7: CPU time against the wall clock, and cycles against CPU time.

use model::Missing;
use model::host::Host;
use model::record::{Counters, Finished, Worker};
use model::{Measured, Nanos};

use super::{NO_TRIAL, Text, measure_trials};
use crate::evidence::Evidence;
use crate::explained::Law;
use crate::figure_text::{counted, short};
use crate::judged::JudgedTrial;

const CPU: Text = Text {
    id: 6,
    name: "cpu",
    says: "the CPUs in use are busy for no longer than the wall clock allows, and for at least the ends' own CPU time",
    sources: ["busy time of whole CPUs", "the workers' own CPU clocks"],
};

const CYCLES: Text = Text {
    id: 7,
    name: "cycles",
    says: "cycles over CPU time lie inside the CPU's frequency range",
    sources: ["the cycle counter", "the task clock and the CPU's frequency range"],
};

/// Beyond one reading's stated error, what both sources may be off by: their edges are not read at the same instant.
const EDGES: f64 = 0.01;

/// CPU time of a side's workers that lies within the span in which the CPUs were observed, in ns. The span holds the
/// windows; where it is shorter, only that part of them counts.
fn own_cpu_ns(workers: &[Worker], span: Nanos) -> f64 {
    let within = |worker: &Worker| {
        let window = worker.window_ns.0.max(1) as f64;
        worker.cpu_ns.0 as f64 * (span.0 as f64 / window).min(1.0)
    };
    workers.iter().map(within).sum()
}

/// Ends' CPU ≤ busy time of all CPUs in use ≤ CPUs × wall.
pub(super) fn cpu(evidence: &Evidence<'_>) -> Law {
    let (mut compared, mut finished_trials) = (0, 0);
    let mut why_not = None;
    let mut broken = Vec::new();
    for judged in evidence.trials.all() {
        let Some(finished) = judged.finished() else { continue };
        finished_trials += 1;
        match &finished.machine.busy {
            Measured::Absent { absent } => {
                why_not.get_or_insert(absent.clone());
            }
            Measured::Value(_) => {
                compared += 1;
                if let Some(why) = breach(finished) {
                    broken.push(format!("{}: {why}", judged.name()));
                }
            }
        }
    }
    let trials = counted(compared, "trial", "trials");
    if finished_trials == 0 {
        CPU.undecidable(NO_TRIAL, measure_trials())
    } else if compared == 0 {
        CPU.undecidable(
            format!(
                "busy time of the CPUs is absent: {}",
                why_not.unwrap_or_else(|| "it was not measured".to_owned())
            ),
            Missing::of_itself("a kernel that tells how long its CPUs are idle"),
        )
    } else if broken.is_empty() {
        CPU.holds(
            compared,
            format!("in {trials} the CPUs were busy for at least the ends' CPU time and no longer than the wall clock"),
        )
    } else {
        let because = format!("busy time and CPU time contradict in {} of {trials}", broken.len());
        CPU.broken(compared, because, broken)
    }
}

fn breach(finished: &Finished) -> Option<String> {
    let busy = finished.machine.busy.value()?;
    let span = busy.span_ns.0 as f64;
    let one_error = busy.error_ns.0 as f64 + EDGES * span;
    for (cpu, busy_ns) in busy.cpus.iter().zip(&busy.busy_ns) {
        if *busy_ns as f64 > span + one_error {
            return Some(format!("CPU {cpu} was busy for {busy_ns} ns of {span:.0}"));
        }
    }
    let own = own_cpu_ns(&finished.sender.workers, busy.span_ns)
        + own_cpu_ns(&finished.receiver.workers, busy.span_ns);
    let all: f64 = busy.busy_ns.iter().map(|ns| *ns as f64).sum();
    let error = one_error * busy.cpus.len().max(1) as f64;
    (own > all + error).then(|| {
        format!("the ends used {own:.0} ns of CPU, but the CPUs were busy for {all:.0} ns")
    })
}

/// The counters' own tolerance: both are read one after the other, and turbo steps are coarse.
const COUNTERS: f64 = 0.05;

/// A source of law 7 that is absent.
struct Unknown {
    because: &'static str,
    missing: Missing,
}

impl Unknown {
    fn counters(why: impl Into<String>) -> Self {
        let missing = Missing::of_itself("hardware counters").because(why);
        Self { because: "cycles were not counted", missing }
    }

    fn range(why: impl Into<String>) -> Self {
        let missing = Missing::of_itself("the CPU's frequency range").because(why);
        Self { because: "the CPU's frequency range is not known", missing }
    }
}

/// The highest frequency of any of these CPUs, in Hz.
///
/// With `acpi-cpufreq` the kernel tells the highest frequency without boost, so with boost nothing is known.
fn highest_hz(host: &Host, cpus: &[u32]) -> Result<f64, Unknown> {
    let governor = host.governor.value().map_or("", String::as_str);
    if governor.contains("acpi-cpufreq") && host.turbo.value() != Some(&false) {
        return Err(Unknown::range(
            "acpi-cpufreq does not tell how far boost goes; switch boost off",
        ));
    }
    let mut highest = None;
    for facts in host.cpus.iter().filter(|facts| cpus.is_empty() || cpus.contains(&facts.cpu)) {
        match &facts.max_khz {
            Measured::Value(khz) => highest = highest.max(Some(*khz)),
            Measured::Absent { absent } => {
                return Err(Unknown::range(absent));
            }
        }
    }
    highest.map(|khz| khz as f64 * 1e3).ok_or_else(|| Unknown::range("host.json does not hold it"))
}

/// The lowest frequency of any of these CPUs, in Hz; none where one of them does not tell it.
fn lowest_hz(host: &Host, cpus: &[u32]) -> Option<f64> {
    let of = host.cpus.iter().filter(|facts| cpus.is_empty() || cpus.contains(&facts.cpu));
    let khz: Vec<u64> = of.map(|facts| facts.min_khz.value().copied()).collect::<Option<_>>()?;
    khz.into_iter().min().map(|khz| khz as f64 * 1e3)
}

/// Cycles a second of CPU time of one side.
fn hz(counters: &Counters) -> Result<f64, Unknown> {
    match (&counters.cycles, &counters.task_clock_ns) {
        (Measured::Value(cycles), Measured::Value(clock)) if clock.count > 0 => {
            Ok(cycles.count as f64 / clock.count as f64 * 1e9)
        }
        (Measured::Value(_), Measured::Value(_)) => {
            Err(Unknown::counters("the task clock stood still"))
        }
        (Measured::Absent { absent }, _) => {
            Err(Unknown::counters(format!("cycles are absent: {absent}")))
        }
        (_, Measured::Absent { absent }) => {
            Err(Unknown::counters(format!("the task clock is absent: {absent}")))
        }
    }
}

/// Cycles / on-CPU time lies inside the frequency range.
pub(super) fn cycles(evidence: &Evidence<'_>) -> Law {
    let mut compared = 0;
    let mut without_lowest = 0;
    let mut why_not = None;
    let mut broken = Vec::new();
    for judged in evidence.trials.all() {
        match frequency_breach(evidence.host, judged) {
            None => {}
            Some(Err(why)) => {
                why_not.get_or_insert(why);
            }
            Some(Ok(Frequency { breach, is_lowest_known })) => {
                compared += 1;
                without_lowest += usize::from(!is_lowest_known);
                broken.extend(breach.map(|why| format!("{}: {why}", judged.name())));
            }
        }
    }
    let trials = counted(compared, "trial", "trials");
    let limits = if without_lowest == 0 {
        String::new()
    } else {
        "; the CPU's lowest frequency is not known, so that only the highest was held against them"
            .to_owned()
    };
    if compared == 0 {
        match why_not {
            Some(Unknown { because, missing }) => CYCLES.undecidable(because, missing),
            None => CYCLES.undecidable(NO_TRIAL, measure_trials()),
        }
    } else if broken.is_empty() {
        CYCLES.holds(
            compared,
            format!("in {trials} both ends ran at a frequency that the CPU has{limits}"),
        )
    } else {
        let because = format!(
            "cycles over CPU time are no frequency of this CPU in {} of {trials}{limits}",
            broken.len()
        );
        CYCLES.broken(compared, because, broken)
    }
}

/// What a trial's cycles come to.
struct Frequency {
    breach: Option<String>,
    /// Without it the lower limit is not tested.
    is_lowest_known: bool,
}

/// None for a trial that failed; an error where a source is absent.
fn frequency_breach(host: &Host, judged: &JudgedTrial<'_>) -> Option<Result<Frequency, Unknown>> {
    let finished = judged.finished()?;
    let settings = &judged.trial.settings;
    let side = |name: &str, counters: &Counters, cpus: &[u32]| -> Result<Frequency, Unknown> {
        let hz = hz(counters)?;
        let highest = highest_hz(host, cpus)?;
        let lowest = lowest_hz(host, cpus);
        let slow = lowest.unwrap_or(0.0) * (1.0 - COUNTERS);
        let limit = if hz > highest * (1.0 + COUNTERS) {
            Some(("highest", highest))
        } else if hz < slow {
            lowest.map(|lowest| ("lowest", lowest))
        } else {
            None
        };
        let breach = limit.map(|(which, limit)| {
            format!("the {name} ran at {}Hz, the CPU's {which} is {}Hz", short(hz), short(limit))
        });
        Ok(Frequency { breach, is_lowest_known: lowest.is_some() })
    };
    let sender = side("sender", &finished.sender.counters, &settings.sender_cpus);
    let receiver = side("receiver", &finished.receiver.counters, &settings.receiver_cpus);
    Some(match (sender, receiver) {
        (Ok(sender), Ok(receiver)) => Ok(Frequency {
            breach: sender.breach.or(receiver.breach),
            is_lowest_known: sender.is_lowest_known && receiver.is_lowest_known,
        }),
        (Err(why), _) | (_, Err(why)) => Err(why),
    })
}
