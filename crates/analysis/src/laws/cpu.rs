//! Laws 6 and 7: CPU time against the wall clock, and cycles against CPU time.

use model::Mark;
use model::Measured;
use model::Missing;
use model::host::Host;

use super::reason::{Breach, Counted, Figure, LawReason, Source, Wrong};
use super::{decided, measure_trials, undecidable};
use crate::evidence::Evidence;
use crate::findings::ModelledSide;
use crate::judged::{BusyFacts, CycleFacts, JudgedTrial};
use crate::laws::law::Law;

const CPU: u32 = 6;
const CYCLES: u32 = 7;

/// Beyond one reading's stated error, what both sources may be off by: their edges are not read at the same instant.
const EDGES: f64 = 0.01;

/// Ends' CPU ≤ busy time of all CPUs in use ≤ CPUs × wall; and ends' CPU ≤ the machine's cost, which is that busy time less
/// what the CPUs do with the ends idle, where that was read. Where the ends run on two hosts, each host's end beside its own CPUs.
pub(super) fn cpu(evidence: &Evidence<'_>) -> Law {
    let mut compared = 0;
    let mut why_not = None;
    let mut broken = Vec::new();
    for judged in evidence.trials.all() {
        let Some(finished) = judged.finished() else { continue };
        // Workers whose windows lie elsewhere than the ordered one were not watched while they ran.
        if judged.marks.contains(&Mark::WindowVoid) {
            continue;
        }
        for busy in [&finished.busy].into_iter().chain(&finished.busy_there) {
            match busy {
                Err(why) => {
                    why_not.get_or_insert(why);
                }
                Ok(busy) => {
                    compared += 1;
                    broken.extend(wrong(busy).map(|wrong| Breach::of_trial(judged, wrong)));
                }
            }
        }
    }
    match why_not {
        Some(why) if compared == 0 => undecidable(
            CPU,
            [LawReason::absent(Source::BusyTime, &**why)],
            Missing::of_itself("a kernel that tells how long its CPUs are idle"),
        ),
        None if compared == 0 => undecidable(CPU, [LawReason::NoRecord], measure_trials()),
        _ => decided(CPU, compared, [LawReason::compared(compared, broken.len())], broken),
    }
}

fn wrong(busy: &BusyFacts) -> Option<Wrong> {
    let BusyFacts { span_ns: span, all_ns: all, ends_ns: own, .. } = *busy;
    let one_error = busy.error_ns + EDGES * span;
    if let Some((cpu, busy_ns)) = busy.busiest
        && busy_ns as f64 > span + one_error
    {
        return Some(Wrong::figure(Figure::BusyNs { cpu }, busy_ns as f64, span));
    }
    let cpus = busy.cpus.max(1) as f64;
    let edges = EDGES * span * cpus;
    if own > all + busy.error_ns * cpus + edges {
        return Some(Wrong::figure(Figure::EndsCpuNs, own, all));
    }
    let machine = busy.machine?;
    let is_below = own > machine.ns + machine.error_ns + edges;
    is_below.then(|| Wrong::figure(Figure::MachineNs, own, machine.ns))
}

/// The counters' own tolerance: both are read one after the other, and turbo steps are coarse.
const COUNTERS: f64 = 0.05;

/// A source of law 7 that is absent, and why.
struct Unknown(Source, String);

impl Unknown {
    fn law(self) -> Law {
        let Self(source, why) = self;
        let is_range = source == Source::FrequencyRange;
        let what = if is_range { "the CPU's frequency range" } else { "hardware counters" };
        let missing = Missing::of_itself(what).because(why.clone());
        undecidable(CYCLES, [LawReason::absent(source, why)], missing)
    }
}

/// The highest frequency of any of these CPUs, in Hz.
///
/// With `acpi-cpufreq` the kernel tells the highest frequency without boost, so with boost nothing is known.
fn highest_hz(host: &Host, cpus: &[u32]) -> Result<f64, Unknown> {
    let unknown = |why: &str| Unknown(Source::FrequencyRange, why.to_owned());
    let governor = host.governor.value().map_or("", String::as_str);
    if governor.contains("acpi-cpufreq") && host.turbo.value() != Some(&false) {
        return Err(unknown("acpi-cpufreq does not tell how far boost goes; switch boost off"));
    }
    let mut highest = None;
    for facts in host.cpus.iter().filter(|facts| cpus.is_empty() || cpus.contains(&facts.cpu)) {
        match &facts.max_khz {
            Measured::Value(khz) => highest = highest.max(Some(*khz)),
            Measured::Absent { absent } => {
                return Err(unknown(absent));
            }
        }
    }
    highest.map(|khz| khz as f64 * 1e3).ok_or_else(|| unknown("host.json does not hold it"))
}

/// The lowest frequency of any of these CPUs, in Hz; none where one of them does not tell it.
fn lowest_hz(host: &Host, cpus: &[u32]) -> Option<f64> {
    let of = host.cpus.iter().filter(|facts| cpus.is_empty() || cpus.contains(&facts.cpu));
    let khz: Vec<u64> = of.map(|facts| facts.min_khz.value().copied()).collect::<Option<_>>()?;
    khz.into_iter().min().map(|khz| khz as f64 * 1e3)
}

/// Cycles a second of CPU time of one side.
fn hz(side: &CycleFacts) -> Result<f64, Unknown> {
    match (&side.cycles, &side.clock_ns) {
        (Ok(_), Ok(0)) => Err(Unknown(Source::TaskClock, "it stood still".to_owned())),
        (Ok(cycles), Ok(clock_ns)) => Ok(*cycles as f64 / *clock_ns as f64 * 1e9),
        (Err(why), _) => Err(Unknown(Source::Cycles, why.to_string())),
        (_, Err(why)) => Err(Unknown(Source::TaskClock, why.to_string())),
    }
}

/// Cycles / on-CPU time lies inside the frequency range.
pub(super) fn cycles(evidence: &Evidence<'_>) -> Law {
    let (mut compared, mut without_lowest) = (0, 0);
    let mut why_not = None;
    let mut broken = Vec::new();
    for judged in evidence.trials.all() {
        match frequency(evidence.host, judged) {
            None => {}
            Some(Err(why)) => {
                why_not.get_or_insert(why);
            }
            Some(Ok(Frequency { wrong, is_lowest_known })) => {
                compared += 1;
                without_lowest += u64::from(!is_lowest_known);
                broken.extend(wrong.map(|wrong| Breach::of_trial(judged, wrong)));
            }
        }
    }
    match why_not {
        Some(why) if compared == 0 => why.law(),
        None if compared == 0 => undecidable(CYCLES, [LawReason::NoRecord], measure_trials()),
        _ => {
            let limits = LawReason::Count { of: Counted::NoLowestFrequency, n: without_lowest };
            let seen = [LawReason::compared(compared, broken.len()), limits];
            decided(CYCLES, compared, seen, broken)
        }
    }
}

/// What a trial's cycles come to.
struct Frequency {
    wrong: Option<Wrong>,
    /// Without it the lower limit is not tested.
    is_lowest_known: bool,
}

/// None for a trial that failed; an error where a source is absent.
fn frequency(host: &Host, judged: &JudgedTrial) -> Option<Result<Frequency, Unknown>> {
    let [of_sender, of_receiver] = &judged.finished()?.cycles;
    let seats = &judged.seating;
    let side = |side, of: &CycleFacts, cpus: &[u32]| -> Result<Frequency, Unknown> {
        let hz = hz(of)?;
        let highest = highest_hz(host, cpus)?;
        let lowest = lowest_hz(host, cpus);
        let limit = if hz > highest * (1.0 + COUNTERS) {
            Some(highest)
        } else {
            lowest.filter(|lowest| hz < lowest * (1.0 - COUNTERS))
        };
        let wrong = limit.map(|limit| Wrong::figure(Figure::Hz { side }, hz, limit));
        Ok(Frequency { wrong, is_lowest_known: lowest.is_some() })
    };
    let sender = side(ModelledSide::Sender, of_sender, &seats.sender_cpus);
    let receiver = side(ModelledSide::Receiver, of_receiver, &seats.receiver_cpus);
    Some(match (sender, receiver) {
        (Ok(sender), Ok(receiver)) => Ok(Frequency {
            wrong: sender.wrong.or(receiver.wrong),
            is_lowest_known: sender.is_lowest_known && receiver.is_lowest_known,
        }),
        (Err(why), _) | (_, Err(why)) => Err(why),
    })
}
