//! What to beware of, a line each: what it means, and what mends it.

use crate::numbers::duration;
use crate::spelling::{counted, factors, half_width, is_of_no_use, listed, percent, ratio, short};
use analysis::findings::NotAudited;
use analysis::results::Ending;
use analysis::warnings::{MoreRounds, SmallerPlan, StepNotCounted, Warning};
use model::{Cell, Factor, Link, Nanos};

use super::copying::untold;
use super::figures::{metric, place};
use super::load;
use super::marks::STALLED;

/// The line.
pub(crate) fn warning(warning: &Warning) -> String {
    match warning {
        Warning::NothingMeasured => "nothing was measured yet: go on with --resume".to_owned(),
        Warning::Imported { files, rows, single, one_sided, unknown_cpus, unstated } => {
            imported(*files, *rows, [*single, *one_sided, *unknown_cpus], unstated)
        }
        Warning::NotInTable { cells, of } => {
            format!("{cells} of {} stand in no row of the file", counted(*of, "cell", "cells"))
        }
        Warning::NoValidTrial { all: true, .. } => {
            "no trial is valid, so there is no figure at all".to_owned()
        }
        Warning::NoValidTrial { cells: 1, first, .. } => {
            format!("no valid trial of {}", named(first))
        }
        Warning::NoValidTrial { cells, first, .. } => {
            format!("{cells} cells have no valid trial, among them {}", named(first))
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
        Warning::LineNotRecorded { segments, of } => format!(
            "in {segments} of {} the version that measured did not record the line, which may have been another one: nothing of it is told; begin a new run",
            counted(*of, "segment", "segments")
        ),
        Warning::LimitTooShort { limit_s, blocks, of, block_s, smaller } => {
            limit_too_short(*limit_s, [*blocks, *of], *block_s, smaller.as_ref())
        }
        Warning::AuditedNothing { of } => audited_nothing(of),
        Warning::AuditedInPart { of } => audited_in_part(of),
        Warning::Preliminary { rounds: 0, more: MoreRounds::Rows } => {
            "no whole round: no file has a row of every cell, and rows of different files are not compared"
                .to_owned()
        }
        Warning::Preliminary { rounds, more } => format!(
            "preliminary, {}: trust intervals from 10 rounds on ({})",
            counted(*rounds, "whole round", "whole rounds"),
            more_rounds(*more)
        ),
        Warning::Busy { trials, of } => format!(
            "other programs used these CPUs in {trials} of {of} trials: stop them, run again"
        ),
        Warning::Noise { half_width: half, goodput, cost, is_coarse } => {
            let (what, seen) = cost.as_ref().map_or(("goodput", goodput), |cost| ("CPU", cost));
            noise(*half, what, seen, *is_coarse)
        }
        Warning::Outliers { ratios, of, .. } => format!(
            "a few rounds far from the others widen or move {ratios} of {of} ratios: ratios.csv has them without the highest and lowest tenth"
        ),
        Warning::Imprecise { wide, of, are_ratios, precision, more, .. } => format!(
            "{wide} of {} wider than ±{}: {}",
            match (are_ratios, of) {
                (true, 1) => "1 ratio is".to_owned(),
                (true, _) => format!("{of} ratios are"),
                (false, 1) => "1 cell is".to_owned(),
                (false, _) => format!("{of} cells are"),
            },
            percent(*precision),
            more_rounds(*more)
        ),
        Warning::Drift { widening, .. } => format!(
            "rounds resemble the one before: levels are of this run, and {} wider for it (ratios are not)",
            percent(widening - 1.0)
        ),
        Warning::Control { differ, of, largest } => format!(
            "turns and steady windows differ in {differ} of {of} comparisons, by up to {}: distrust differences of that order; --steady measures in long windows alone",
            percent(largest.off())
        ),
        Warning::Trend { faster, slower, of, largest } => {
            let change = |n: u32, what: &str| {
                let are = if n == 1 { "is" } else { "are" };
                (n > 0).then(|| format!("{n} {are} {what}"))
            };
            let counts = [change(*faster, "faster"), change(*slower, "slower")];
            let counts: Vec<String> = counts.into_iter().flatten().collect();
            format!(
                "of {} {} at the end of a series than at its beginning, by up to {}; rounds to come warm up longer",
                counted(*of, "cell", "cells"),
                listed(&counts),
                percent(largest.off())
            )
        }
        Warning::Load { load } => load::load(load),
        Warning::Steal { trials, of, limit } => format!(
            "over {} of CPU time stolen in {trials} of {of} trials: measure when the host is quiet",
            percent(*limit)
        ),
        Warning::Quota { cpus } => format!(
            "a quota of {} throttles the ends when they use more; lift it (cpu.max of the cgroup)",
            counted(*cpus, "CPU", "CPUs")
        ),
        Warning::Battery => {
            "the machine ran on battery: frequencies may be held down; plug it in".to_owned()
        }
        Warning::Instruments { share } => format!(
            "the instruments cost {} of the ends' CPU time; longer slices (--slice) or --steady make that less",
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
        Warning::Copied { shares: [least, most], on_delivery, over } => {
            copied(*least, *most, *on_delivery, over)
        }
        Warning::Stalled { cells, of, share, stall_us, .. } => format!(
            "in {cells} of {} bytes stood still in up to {} of the slices, for {} each; they count, as users would see them: {STALLED}",
            counted(*of, "cell", "cells"),
            percent(*share),
            stall(*stall_us)
        ),
        Warning::LittleMapped { least, most, cells, of } => {
            little_mapped([*least, *most], [*cells, *of])
        }
        Warning::RingThreads { least, most } => ring_threads(*least, *most),
        Warning::NoBusyPoll { cells, of, over } => no_busy_poll(*cells, *of, over),
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

/// What no table of another program tells.
fn imported(
    files: u32,
    rows: u64,
    [single, one_sided, unknown_cpus]: [bool; 3],
    unstated: &[Factor],
) -> String {
    let mut text = format!(
        "imported from {}, {}",
        counted(files, "file", "files"),
        counted(rows, "row", "rows")
    );
    if single {
        text.push_str(": single runs, so no interval and no verdict that needs one");
    }
    if one_sided {
        text.push_str("; counters are the sender's alone");
    }
    if unknown_cpus {
        text.push_str("; CPUs unknown, so oversubscription too (--cpus N)");
    }
    if !unstated.is_empty() {
        text.push_str(&format!("; not in the table: {}", factors(unstated)));
    }
    text
}

/// What a reader may want to know beside the line.
#[allow(clippy::wildcard_enum_match_arm, reason = "only these have more to tell")]
pub(crate) fn detail(of: &Warning) -> Option<String> {
    match of {
        Warning::NoValidTrial { why, .. } if !why.is_empty() => Some(format!("the reason: {why}")),
        Warning::NoCounters { why } => Some(why.clone()),
        Warning::AuditedInPart { of } => {
            let mut whys: Vec<String> =
                of.iter().map(|it| format!("{}: {}", it.step.words(), it.why)).collect();
            whys.dedup();
            Some(whys.join("; "))
        }
        Warning::Outliers { widest, .. } => {
            let (mean, trimmed) = (widest.ratio.value()?, widest.trimmed.value()?);
            Some(format!(
                "the widest: {}, {} / {} at {}: {}, without them {}",
                metric(widest.metric),
                widest.contrast.value,
                widest.contrast.against,
                place(&widest.cell, &[]),
                ratio(mean),
                ratio(trimmed)
            ))
        }
        Warning::Imprecise { widest: Some(widest), .. } => {
            let what = match &widest.contrast {
                Some(contrast) => format!("{} at {}", contrast.values(), place(&widest.cell, &[])),
                None => named(&widest.cell),
            };
            Some(format!("the widest: {} ({what})", half_width(widest.half_width)))
        }
        Warning::Control { largest, .. } => {
            let over = match (&largest.contrast, &largest.cell) {
                (Some(contrast), Some(cell)) => {
                    format!("{} at {}", contrast.values(), place(cell, &[contrast.factor]))
                }
                (Some(contrast), None) => format!("{} over all cells", contrast.values()),
                (None, _) => "over all".to_owned(),
            };
            Some(format!(
                "the largest: {}, {over}: {} in turns, {} steady, the one over the other {}",
                metric(largest.metric),
                ratio(&largest.turns),
                ratio(&largest.steady),
                ratio(&largest.quotient)
            ))
        }
        Warning::Trend { largest, .. } => Some(format!(
            "the largest: {}, goodput of the last third of its slices over the first third {}, after {} to warm up",
            named(&largest.cell),
            ratio(&largest.change),
            counted(largest.warmup_turns, "turn", "turns")
        )),
        Warning::Load { load } => Some(load::detail(load)),
        Warning::Stalled { share, largest, .. } => {
            Some(format!("the largest: {}, {}", named(largest), percent(*share)))
        }
        Warning::Drift { correlation, p, .. } => {
            Some(format!("correlation of neighbouring rounds {correlation:.2}, p {p:.3}"))
        }
        _ => None,
    }
}

/// The line with that.
pub(crate) fn with_detail(of: &Warning) -> String {
    let line = warning(of);
    detail(of).map_or_else(|| line.clone(), |detail| format!("{line} ({detail})"))
}

/// `sendmsg at 64 KiB, 1 thread`.
fn named(cell: &Cell) -> String {
    format!("{} at {}", cell.send_path, place(cell, &[]))
}

/// `40 ms`.
fn stall(us: f64) -> String {
    if us < 1e3 { format!("{} µs", short(us)) } else { format!("{} ms", short(us / 1e3)) }
}

/// Whole seconds, as a flag takes them.
fn flag_of_time(seconds: f64) -> String {
    format!("{}s", seconds.ceil())
}

/// `--max-time 20s sufficed for 4 of 16 blocks: …`.
fn limit_too_short(
    limit_s: f64,
    [blocks, of]: [u32; 2],
    block_s: f64,
    smaller: Option<&SmallerPlan>,
) -> String {
    let time = |seconds: f64| duration(Nanos::from_secs_f64(seconds));
    let flag = |name: &str, values: &[String]| {
        (!values.is_empty()).then(|| format!("--{name} {}", values.join(",")))
    };
    let fits = smaller.map_or_else(String::new, |SmallerPlan { sizes, threads }| {
        let flags = [flag(Factor::Message.key(), sizes), flag(Factor::Threads.key(), threads)];
        let flags: Vec<String> = flags.into_iter().flatten().collect();
        format!(", or the same command with {}, which fits", flags.join(" "))
    });
    format!(
        "--max-time {} sufficed for {blocks} of {of} blocks, at {} each: a round of all takes {} here; go on with --resume and --max-time {}{fits}",
        flag_of_time(limit_s),
        time(block_s),
        time(block_s * f64::from(of)),
        flag_of_time(block_s * f64::from(of.saturating_sub(blocks))),
    )
}

/// `--audits copy-audit told nothing: the bytes that the kernel copies were not counted: …`.
fn audited_nothing(of: &[NotAudited]) -> String {
    let one = |NotAudited { audit, why }: &NotAudited| {
        format!("--audits {audit} told nothing: {}: {why}", untold(*audit))
    };
    of.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// `--audits copy-audit could not count bytes copied in (send, sendmsg), for a reason that the report gives`.
fn audited_in_part(of: &[StepNotCounted]) -> String {
    let one = |StepNotCounted { step, paths, .. }: &StepNotCounted| {
        let paths: Vec<&str> = paths.iter().map(|path| path.name()).collect();
        let of = if paths.is_empty() { String::new() } else { format!(" ({})", paths.join(", ")) };
        format!("bytes {}{of}", step.words())
    };
    let reasons = if of.len() == 1 { "a reason" } else { "reasons" };
    format!(
        "--audits copy-audit could not count {}, for {reasons} that the report gives",
        listed(&of.iter().map(one).collect::<Vec<_>>())
    )
}

fn more_rounds(more: MoreRounds) -> String {
    match more {
        MoreRounds::Time => "--resume, more --max-time".to_owned(),
        MoreRounds::Rows => "more repetitions in the file".to_owned(),
        MoreRounds::Rounds { rounds } => format!("--resume, --rounds {rounds}, more --max-time"),
    }
}

fn noise(half: f64, what: &str, seen: &analysis::estimate::Estimate, is_coarse: bool) -> String {
    match (is_coarse, is_of_no_use(half)) {
        (true, true) => {
            "equal cells differ by any amount here: more rounds, or a quieter machine".to_owned()
        }
        (true, false) => format!(
            "differences below {} cannot be seen here: more rounds, or a quieter machine",
            percent(half)
        ),
        (false, _) => format!(
            "equal cells are not shown to be equal here ({what} {}, {}): distrust differences of that order, and look for what else runs",
            ratio(seen),
            half_width(half)
        ),
    }
}

/// Where a NAPI id is to be had.
fn no_busy_poll(cells: u32, of: u32, over: &[Link]) -> String {
    let names: Vec<&str> = over.iter().map(|link| link.name()).collect();
    format!(
        "busy polling was asked for and could not happen in {cells} of {} over {}: no NAPI id (SO_INCOMING_NAPI_ID) at the receiving connections, so that nothing is compared by it; a network card has one, a veth device with --gro on --tso off",
        counted(of, "cell", "cells"),
        names.join(" and ")
    )
}

fn little_mapped(shares: [f64; 2], [cells, of]: [u32; 2]) -> String {
    let [least, most] = shares.map(percent);
    let share = if least == most { least } else { format!("{least} to {most}") };
    let cells =
        if cells == of { String::new() } else { format!(" in {cells} of {of} cells with it") };
    format!(
        "TCP_ZEROCOPY_RECEIVE mapped {share} of what was received{cells}, the rest was copied: what can be mapped comes from a sender that passes by reference, on whole pages (--layout paged), in segments of whole pages (--segment 4108)"
    )
}

fn ring_threads(least: f64, most: f64) -> String {
    let (least, most) = (percent(least), percent(most));
    let share = if least == most { least } else { format!("{least} to {most}") };
    format!(
        "the kernel's threads for io_urings (SQPOLL, io-wq) took {share} of a sender's CPU time: that time is in every cost of the sender, and not in context switches; cycles and cache misses of a polled sender are not told"
    )
}

fn copied(least: f64, most: f64, on_delivery: bool, over: &[Link]) -> String {
    let names: Vec<String> = over.iter().map(ToString::to_string).collect();
    let names = listed(&names);
    let (over, whose) = if names.is_empty() {
        (String::new(), "here".to_owned())
    } else {
        (format!(" over {names}"), format!("of {names}"))
    };
    // A share of 1 is a quotient of equal whole numbers, and so exact.
    if least < 1.0 {
        return format!(
            "from {} to {} of a cell's zero-copy completions{over} were marked copied",
            percent(least),
            percent(most)
        );
    }
    let why = if on_delivery {
        format!(
            " (delivery on this machine copies: no figure {whose} tells what zero-copy saves on a network card)"
        )
    } else {
        String::new()
    };
    format!("every zero-copy completion{over} was marked copied{why}")
}

#[cfg(test)]
mod tests {
    use analysis::control::Agreement;
    use analysis::copies::Step;
    use analysis::estimate::Estimate;
    use analysis::metric::Metric;
    use analysis::results::{Finding, Ratio};
    use analysis::stopping::Widest;
    use analysis::trends::Trend;
    use model::{Audit, Measured, SendPath};

    use super::*;

    #[test]
    fn one_cpu_is_no_cpus() {
        let quota = |cpus| warning(&Warning::Quota { cpus });
        assert!(quota(1.0).starts_with("a quota of 1 CPU throttles"), "{}", quota(1.0));
        assert!(quota(1.5).starts_with("a quota of 1.5 CPUs throttles"), "{}", quota(1.5));
    }

    #[test]
    fn ratios_that_a_few_rounds_widen_are_told_with_what_is_left_without_them() {
        let estimate =
            |low, mean, high| Estimate { mean, low: Some(low), high: Some(high), trials: 20 };
        let cell: Cell = "send=zerocopy message_bytes=65536 threads=1".parse().unwrap();
        let widest = Ratio {
            contrast: "send: zerocopy / sendmsg".parse().unwrap(),
            block: String::new(),
            against: cell.clone(),
            cell,
            metric: Metric::GoodputGbps,
            ratio: Measured::Value(estimate(0.6, 1.0, 1.68)),
            trimmed: Measured::Value(estimate(1.17, 1.2, 1.23)),
            p: Measured::Value(0.9),
            p_holm: Measured::Value(1.0),
            finding: Finding::Undecided,
        };
        assert_eq!(
            with_detail(&Warning::Outliers { ratios: 3, of: 48, widest: Box::new(widest) }),
            "a few rounds far from the others widen or move 3 of 48 ratios: ratios.csv has them without the highest and lowest tenth (the widest: goodput, zerocopy / sendmsg at 64 KiB, 1 thread: 1.00 × [0.600, 1.68], without them 1.20 × [1.17, 1.23])"
        );
    }

    fn only(mean: f64) -> Estimate {
        Estimate { mean, low: None, high: None, trials: 1 }
    }

    fn agreement() -> Box<Agreement> {
        Box::new(Agreement {
            contrast: "send: sendmsg / send".parse().ok(),
            cell: Some(Cell::default()),
            metric: Metric::GoodputGbps,
            turns: only(1.26),
            steady: only(1.2),
            quotient: Estimate { mean: 1.05, low: Some(1.03), high: Some(1.07), trials: 12 },
            p_holm: Measured::Value(0.001),
            finding: Finding::More,
        })
    }

    fn trend(faster: u32, slower: u32, mean: f64) -> Warning {
        let largest = Trend {
            cell: Cell::default(),
            warmup_turns: 4,
            change: only(mean),
            p_holm: Measured::Value(0.001),
            significant: true,
            beyond_margin: true,
        };
        Warning::Trend { faster, slower, of: 48, largest: Box::new(largest) }
    }

    #[test]
    fn each_warning_says_what_it_means_and_what_mends_it() {
        let goodput = Estimate { mean: 1.02, low: Some(1.01), high: Some(1.03), trials: 10 };
        let noise =
            |half_width, is_coarse| Warning::Noise { half_width, goodput, cost: None, is_coarse };
        let at_line_rate =
            Warning::Noise { half_width: 0.01, goodput, cost: Some(goodput), is_coarse: false };
        let no_valid = |cells, all| Warning::NoValidTrial {
            cells,
            all,
            first: Cell::default(),
            why: "connect: EPERM".to_owned(),
        };
        let limit_too_short = |sizes: &[&str], threads: &[&str]| {
            let owned = |of: &[&str]| of.iter().map(|it| (*it).to_owned()).collect();
            let smaller = Some(SmallerPlan { sizes: owned(sizes), threads: owned(threads) });
            Warning::LimitTooShort { limit_s: 20.0, blocks: 4, of: 16, block_s: 5.0, smaller }
        };
        let place = "send at 4 KiB, 1 thread";
        for (of, line) in [
            (Warning::NothingMeasured, "nothing was measured yet: go on with --resume".to_owned()),
            (no_valid(3, true), "no trial is valid, so there is no figure at all (the reason: connect: EPERM)".to_owned()),
            (no_valid(1, false), format!("no valid trial of {place} (the reason: connect: EPERM)")),
            (no_valid(2, false), format!("2 cells have no valid trial, among them {place} (the reason: connect: EPERM)")),
            (Warning::NotReached { cells: 1 }, "1 cell was not reached yet: go on with --resume".to_owned()),
            (Warning::EndedEarly { ending: Ending::Interrupted }, "the run was interrupted: go on with --resume".to_owned()),
            (Warning::LineNotRecorded { segments: 1, of: 2 }, "in 1 of 2 segments the version that measured did not record the line, which may have been another one: nothing of it is told; begin a new run".to_owned()),
            (limit_too_short(&["64", "65536"], &["1"]), "--max-time 20s sufficed for 4 of 16 blocks, at 5 s each: a round of all takes 1m20s here; go on with --resume and --max-time 60s, or the same command with --sizes 64,65536 --threads 1, which fits".to_owned()),
            (Warning::AuditedNothing { of: vec![NotAudited { audit: Audit::CopyAudit, why: "no CAP_BPF; run as root".to_owned() }] }, "--audits copy-audit told nothing: the bytes that the kernel copies were not counted: no CAP_BPF; run as root".to_owned()),
            (Warning::AuditedInPart { of: vec![
                StepNotCounted { step: Step::In, paths: vec![SendPath::A1, SendPath::A2], why: "no breakpoint register is free".to_owned() },
                StepNotCounted { step: Step::Deferred, paths: Vec::new(), why: "no kprobes".to_owned() },
            ] }, "--audits copy-audit could not count bytes copied in (send, sendmsg) and bytes copied at delivery, for reasons that the report gives (copied in: no breakpoint register is free; copied at delivery: no kprobes)".to_owned()),
            (Warning::Preliminary { rounds: 3, more: MoreRounds::Rounds { rounds: 10 } }, "preliminary, 3 whole rounds: trust intervals from 10 rounds on (--resume, --rounds 10, more --max-time)".to_owned()),
            (noise(0.14, true), "differences below 14 % cannot be seen here: more rounds, or a quieter machine".to_owned()),
            (at_line_rate, "equal cells are not shown to be equal here (CPU 1.02 × [1.01, 1.03], ±1 %): distrust differences of that order, and look for what else runs".to_owned()),
            (noise(2.0, true), "equal cells differ by any amount here: more rounds, or a quieter machine".to_owned()),
            (noise(0.01, false), "equal cells are not shown to be equal here (goodput 1.02 × [1.01, 1.03], ±1 %): distrust differences of that order, and look for what else runs".to_owned()),
            (Warning::Imprecise { wide: 4, of: 48, are_ratios: false, precision: 0.03, widest: Some(Widest { cell: Cell::default(), contrast: None, half_width: 0.27 }), more: MoreRounds::Time }, format!("4 of 48 cells are wider than ±3 %: --resume, more --max-time (the widest: ±27 % ({place}))")),
            (Warning::Imprecise { wide: 4, of: 48, are_ratios: true, precision: 0.012, widest: Some(Widest { cell: Cell::default(), contrast: "send: sendmsg / send".parse().ok(), half_width: 0.27 }), more: MoreRounds::Time }, "4 of 48 ratios are wider than ±1.2 %: --resume, more --max-time (the widest: ±27 % (sendmsg / send at 4 KiB, 1 thread))".to_owned()),
            (Warning::Drift { correlation: 0.17, widening: 1.42, p: 0.001 }, "rounds resemble the one before: levels are of this run, and 42 % wider for it (ratios are not) (correlation of neighbouring rounds 0.17, p 0.001)".to_owned()),
            (Warning::Control { differ: 3, of: 74, largest: agreement() }, "turns and steady windows differ in 3 of 74 comparisons, by up to 5 %: distrust differences of that order; --steady measures in long windows alone (the largest: goodput, sendmsg / send at 4 KiB, 1 thread: 1.26 × in turns, 1.20 × steady, the one over the other 1.05 × [1.03, 1.07])".to_owned()),
            (trend(3, 0, 1.05), "of 48 cells 3 are faster at the end of a series than at its beginning, by up to 5 %; rounds to come warm up longer (the largest: send at 4 KiB, 1 thread, goodput of the last third of its slices over the first third 1.05 ×, after 4 turns to warm up)".to_owned()),
            (trend(1, 2, 1.0 / 1.05), "of 48 cells 1 is faster and 2 are slower at the end of a series than at its beginning, by up to 5 %; rounds to come warm up longer (the largest: send at 4 KiB, 1 thread, goodput of the last third of its slices over the first third 0.952 ×, after 4 turns to warm up)".to_owned()),
            (Warning::Oversubscribed { threads: [2, 8], cpus: 2 }, "2 to 8 threads: more threads than CPUs (2 CPUs), so scaling says nothing here".to_owned()),
            (Warning::Copied { shares: [1.0, 1.0], on_delivery: true, over: vec![Link::Loopback] }, "every zero-copy completion over loopback was marked copied (delivery on this machine copies: no figure of loopback tells what zero-copy saves on a network card)".to_owned()),
            (Warning::Copied { shares: [0.2, 0.5], on_delivery: true, over: Vec::new() }, "from 20 % to 50 % of a cell's zero-copy completions were marked copied".to_owned()),
            (Warning::Stalled { cells: 2, of: 3, share: 0.27, stall_us: 39_600.0, largest: Cell::default() }, format!("in 2 of 3 cells bytes stood still in up to 27 % of the slices, for 39.6 ms each; they count, as users would see them: {STALLED} (the largest: {place}, 27 %)")),
            (Warning::LittleMapped { least: 0.0, most: 0.0, cells: 3, of: 3 }, "TCP_ZEROCOPY_RECEIVE mapped 0 % of what was received, the rest was copied: what can be mapped comes from a sender that passes by reference, on whole pages (--layout paged), in segments of whole pages (--segment 4108)".to_owned()),
            (Warning::LittleMapped { least: 0.0, most: 0.2, cells: 6, of: 12 }, "TCP_ZEROCOPY_RECEIVE mapped 0 % to 20 % of what was received in 6 of 12 cells with it, the rest was copied: what can be mapped comes from a sender that passes by reference, on whole pages (--layout paged), in segments of whole pages (--segment 4108)".to_owned()),
            (Warning::RingThreads { least: 0.68, most: 0.89 }, "the kernel's threads for io_urings (SQPOLL, io-wq) took 68 % to 89 % of a sender's CPU time: that time is in every cost of the sender, and not in context switches; cycles and cache misses of a polled sender are not told".to_owned()),
            (Warning::NoBusyPoll { cells: 1, of: 2, over: vec![Link::Loopback] }, "busy polling was asked for and could not happen in 1 of 2 cells over loopback: no NAPI id (SO_INCOMING_NAPI_ID) at the receiving connections, so that nothing is compared by it; a network card has one, a veth device with --gro on --tso off".to_owned()),
            (Warning::Congestion { used: "cubic".to_owned(), system: "bbr".to_owned() }, "congestion control was cubic, the system's is bbr: --congestion system".to_owned()),
        ] {
            assert_eq!(with_detail(&of), line);
        }
    }
}
