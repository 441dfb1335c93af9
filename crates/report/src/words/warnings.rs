//! What to beware of, a line each: what it means, and what mends it.

use crate::spelling::{NO_USEFUL_INTERVAL, counted, half_width, message, percent, ratio};
use analysis::results::Ending;
use analysis::warnings::{MoreRounds, Warning};
use model::Cell;

/// The line.
pub(crate) fn warning(warning: &Warning) -> String {
    match warning {
        Warning::NothingMeasured => "nothing was measured yet: go on with --resume".to_owned(),
        Warning::NoValidTrial { all: true, .. } => {
            "no trial is valid, so there is no figure at all".to_owned()
        }
        Warning::NoValidTrial { cells: 1, first, .. } => {
            format!("no valid trial of {}", place(first))
        }
        Warning::NoValidTrial { cells, first, .. } => {
            format!("{cells} cells have no valid trial, among them {}", place(first))
        }
        Warning::NotReached { cells } => {
            let were = if *cells == 1 { "1 cell was" } else { &format!("{cells} cells were") };
            format!("{were} not reached yet: go on with --resume")
        }
        Warning::EndedEarly { ending } => {
            let how = match ending {
                Ending::Interrupted => "the run was interrupted",
                Ending::Failed => "the run ended in an error; what was measured is kept",
                Ending::Unfinished | Ending::Precise | Ending::Rounds | Ending::Time => {
                    "the run was killed, or is still going"
                }
            };
            format!("{how}: go on with --resume")
        }
        Warning::Preliminary { rounds, more } => format!(
            "preliminary, {}: trust intervals from 10 rounds on ({})",
            counted(*rounds, "whole round", "whole rounds"),
            more_rounds(*more)
        ),
        Warning::Busy { trials, of } => format!(
            "other programs used these CPUs in {trials} of {of} trials: stop them, run again"
        ),
        Warning::Noise { half_width: half, goodput, is_coarse } => {
            noise(*half, goodput, *is_coarse)
        }
        Warning::Imprecise { cells, of, precision, more, .. } => format!(
            "{cells} of {of} cells are wider than ±{}: {}",
            percent(*precision),
            more_rounds(*more)
        ),
        Warning::Steal { trials, of, limit } => format!(
            "over {} of CPU time stolen in {trials} of {of} trials: measure when the host is quiet",
            percent(*limit)
        ),
        Warning::Quota { cpus } => format!(
            "a CPU quota of {cpus} CPUs throttles the ends when they use more; lift it (cpu.max of the cgroup)"
        ),
        Warning::Battery => {
            "the machine ran on battery: frequencies may be held down; plug it in".to_owned()
        }
        Warning::Instruments { share } => format!(
            "the instruments cost {} of the ends' CPU time; longer windows (--time) make that less",
            percent(*share)
        ),
        Warning::Oversubscribed { threads: [first, last], cpus } => {
            let which = if first == last {
                counted(*first, "thread", "threads")
            } else {
                format!("{first} to {last} threads")
            };
            let cpus = counted(*cpus, "CPU", "CPUs");
            format!("{which}: more threads than CPUs ({cpus}), so scaling says nothing here")
        }
        Warning::Copied { shares: [least, most], on_delivery } => {
            copied(*least, *most, *on_delivery)
        }
        Warning::NoCounters { .. } => {
            "no hardware counters, so no cycles or cache misses: see copycost probe".to_owned()
        }
        Warning::Congestion { used, system } => {
            format!("congestion control was {used}, the system's is {system}: --congestion system")
        }
        Warning::VirtualMachine { hypervisor } => {
            format!("a virtual machine ({hypervisor}): wake-ups cost more than on bare metal")
        }
    }
}

/// The line with what a reader may want to know beside it.
#[allow(clippy::wildcard_enum_match_arm, reason = "only these have more to tell")]
pub(crate) fn with_detail(of: &Warning) -> String {
    let detail = match of {
        Warning::NoValidTrial { why, .. } if !why.is_empty() => Some(format!("the reason: {why}")),
        Warning::NoCounters { why } => Some(why.clone()),
        Warning::Imprecise { widest: Some(widest), .. } => {
            Some(format!("the widest: {} ({})", half_width(widest.half_width), place(&widest.cell)))
        }
        _ => None,
    };
    let line = warning(of);
    detail.map_or_else(|| line.clone(), |detail| format!("{line} ({detail})"))
}

/// `sendmsg at 64 KiB, 1 thread`.
fn place(cell: &Cell) -> String {
    let threads = counted(cell.threads.get(), "thread", "threads");
    format!("{} at {}, {threads}", cell.send_path, message(cell))
}

fn more_rounds(more: MoreRounds) -> String {
    match more {
        MoreRounds::Time => "--resume, more --max-time".to_owned(),
        MoreRounds::Rounds { rounds } => format!("--resume, --rounds {rounds}, more --max-time"),
    }
}

fn noise(half: f64, goodput: &analysis::estimate::Estimate, is_coarse: bool) -> String {
    let width = half_width(half);
    match (is_coarse, width == NO_USEFUL_INTERVAL) {
        (true, true) => {
            "equal cells differ by any amount here: more rounds, or a quieter machine".to_owned()
        }
        (true, false) => format!(
            "differences below {} cannot be seen here: more rounds, or a quieter machine",
            percent(half)
        ),
        (false, _) => format!(
            "equal cells are not shown to be equal here (goodput {}, {width}): distrust differences of that order, and look for what else runs",
            ratio(goodput)
        ),
    }
}

fn copied(least: f64, most: f64, on_delivery: bool) -> String {
    // A share of 1 is a quotient of equal whole numbers, and so exact.
    if least < 1.0 {
        return format!(
            "from {} to {} of a cell's zero-copy completions were marked copied",
            percent(least),
            percent(most)
        );
    }
    let why = if on_delivery {
        " (delivery on this machine copies: no figure here tells what zero-copy saves on a network card)"
    } else {
        ""
    };
    format!("every zero-copy completion was marked copied{why}")
}
