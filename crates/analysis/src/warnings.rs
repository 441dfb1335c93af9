//! What a reader must know before the figures.

use std::collections::{BTreeMap, BTreeSet};

use model::host::Host;
use model::{Cell, Mark, Measured, Plan};

use crate::comparisons::place;
use crate::estimate;
use crate::figure_text::{NO_USEFUL_INTERVAL, counted, half_width, percent, ratio};
use crate::metric::Metric;
use crate::summary::{CellEstimates, InstrumentCost, NoiseFloor, RunFacts, Warning, WarningKind};

/// What warnings are drawn from.
pub(crate) struct Known<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) host: &'a Host,
    pub(crate) run: &'a RunFacts,
    pub(crate) estimates: &'a [CellEstimates],
    pub(crate) marks: &'a BTreeMap<Mark, u32>,
    pub(crate) noise_floor: &'a Measured<NoiseFloor>,
    pub(crate) instrument_cost: &'a InstrumentCost,
}

/// Instruments that cost more than this share are warned of: the figure that the project holds itself to.
const INSTRUMENT_LIMIT: f64 = 0.01;

/// What a reader may want to know beside a warning's line.
fn detail(known: &Known<'_>, kind: WarningKind) -> String {
    match kind {
        WarningKind::NoValidTrial => why_no_valid_trial(known),
        WarningKind::Imprecise => widest(known),
        WarningKind::NoCounters => why_no_counters(known),
        WarningKind::NotReached
        | WarningKind::EndedEarly
        | WarningKind::Preliminary
        | WarningKind::Busy
        | WarningKind::Noise
        | WarningKind::Steal
        | WarningKind::Limited
        | WarningKind::Instruments
        | WarningKind::Oversubscribed
        | WarningKind::Copied
        | WarningKind::Congestion
        | WarningKind::VirtualMachine => None,
    }
    .unwrap_or_default()
}

/// The warnings, in order of weight.
pub(crate) fn warnings(known: &Known<'_>) -> Vec<Warning> {
    type Warn = fn(&Known<'_>) -> Option<String>;
    let all: [(WarningKind, Warn); 15] = [
        (WarningKind::NoValidTrial, without_valid_trial),
        (WarningKind::NotReached, not_reached),
        (WarningKind::EndedEarly, ended_early),
        (WarningKind::Preliminary, preliminary),
        (WarningKind::Busy, busy),
        (WarningKind::Noise, noise),
        (WarningKind::Imprecise, imprecise),
        (WarningKind::Steal, steal),
        (WarningKind::Limited, limited),
        (WarningKind::Instruments, instruments),
        (WarningKind::Oversubscribed, oversubscribed),
        (WarningKind::Copied, copied),
        (WarningKind::NoCounters, no_counters),
        (WarningKind::Congestion, congestion),
        (WarningKind::VirtualMachine, virtual_machine),
    ];
    let warning = |(kind, warn): &(WarningKind, Warn)| {
        let text = warn(known)?;
        Some(Warning { kind: *kind, text, detail: detail(known, *kind) })
    };
    all.iter().filter_map(warning).collect()
}

/// Cells of the plan, controls left out, in which every attempt was void.
fn void_cells<'a>(known: &Known<'a>) -> Vec<&'a Cell> {
    let void = |estimate: &&CellEstimates| {
        !estimate.control && estimate.trials == 0 && estimate.void_trials > 0
    };
    let mut cells: Vec<&Cell> =
        known.estimates.iter().filter(void).map(|estimate| &estimate.cell).collect();
    cells.sort_unstable();
    cells
}

fn without_valid_trial(known: &Known<'_>) -> Option<String> {
    let run = known.run;
    if run.trials == 0 {
        return Some("nothing was measured yet: go on with --resume".to_owned());
    }
    let cells = void_cells(known);
    let cell = cells.first()?;
    if run.void_trials == run.trials {
        return Some("no trial is valid, so there is no figure at all".to_owned());
    }
    Some(match cells.len() {
        1 => format!("no valid trial of {} at {}", cell.send_path, place(cell)),
        n => format!(
            "{n} cells have no valid trial, among them {} at {}",
            cell.send_path,
            place(cell)
        ),
    })
}

fn why_no_valid_trial(known: &Known<'_>) -> Option<String> {
    let cells = void_cells(known);
    let why = known.run.without_valid_trial.get(&cells.first()?.id())?;
    Some(format!("the reason: {why}"))
}

/// Cells of the plan, controls left out, whose turn did not come.
fn not_reached(known: &Known<'_>) -> Option<String> {
    let unreached = |estimate: &&CellEstimates| {
        !estimate.control && estimate.trials == 0 && estimate.void_trials == 0
    };
    let cells = known.estimates.iter().filter(unreached).count();
    let were = if cells == 1 { "1 cell was" } else { &format!("{cells} cells were") };
    (cells > 0 && known.run.trials > 0)
        .then(|| format!("{were} not reached yet: go on with --resume"))
}

fn ended_early(known: &Known<'_>) -> Option<String> {
    match known.run.finish.as_str() {
        "interrupted" => Some("the run was interrupted: go on with --resume".to_owned()),
        "failed" => Some(
            "the run ended in an error; what was measured is kept: go on with --resume".to_owned(),
        ),
        "unfinished" if known.run.trials > 0 => {
            Some("the run was killed, or is still going: go on with --resume".to_owned())
        }
        _ => None,
    }
}

/// How a run goes on: where the plan fixes the rounds and all are measured, time alone brings none.
fn more_rounds(known: &Known<'_>) -> String {
    match known.plan.measure.rounds {
        Some(rounds) if known.run.rounds >= rounds => {
            format!("--resume, --rounds {}, more --max-time", rounds.saturating_mul(2).max(10))
        }
        _ => "--resume, more --max-time".to_owned(),
    }
}

fn preliminary(known: &Known<'_>) -> Option<String> {
    let rounds = known.run.rounds;
    let whole = counted(rounds, "whole round", "whole rounds");
    (known.run.preliminary && known.run.trials > 0).then(|| {
        format!("preliminary, {whole}: trust intervals from 10 rounds on ({})", more_rounds(known))
    })
}

fn imprecise_cells<'a>(known: &Known<'a>) -> Vec<&'a CellEstimates> {
    let measured = |estimate: &&CellEstimates| {
        !estimate.control && estimate.trials > 0 && estimate.precise == Measured::Value(false)
    };
    known.estimates.iter().filter(measured).collect()
}

fn imprecise(known: &Known<'_>) -> Option<String> {
    let precision = known.plan.measure.precision?;
    let (missed, cells) = (imprecise_cells(known).len(), known.run.cells);
    (missed > 0).then(|| {
        format!(
            "{missed} of {cells} cells are wider than ±{}: {}",
            percent(precision.0),
            more_rounds(known)
        )
    })
}

/// The cell with the widest interval.
fn widest(known: &Known<'_>) -> Option<String> {
    let width = |estimate: &CellEstimates| {
        let of = |metric: Metric| estimate::half_width(estimate.metrics.get(&metric)?.value()?);
        Some(of(Metric::GoodputGbps)?.max(of(Metric::cost_on(estimate.cell.link))?))
    };
    let widest = imprecise_cells(known)
        .into_iter()
        .filter_map(|estimate| Some((width(estimate)?, &estimate.cell)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let (width, cell) = widest?;
    Some(format!("the widest: {} ({} at {})", half_width(width), cell.send_path, place(cell)))
}

/// Why no cell has hardware counters; none where one has.
fn why_no_counters(known: &Known<'_>) -> Option<String> {
    let cycles: Vec<_> = known
        .estimates
        .iter()
        .filter(|estimate| !estimate.control && estimate.trials > 0)
        .filter_map(|estimate| estimate.metrics.get(&Metric::SenderCyclesPerByte))
        .collect();
    if cycles.iter().any(|estimate| estimate.value().is_some()) {
        return None;
    }
    let of_host = known.host.counters.get("cycles").and_then(Measured::reason);
    let of_trials = cycles.iter().find_map(|estimate| estimate.reason());
    let why = of_host.or(of_trials)?;
    Some(why.strip_prefix("cycles: ").unwrap_or(why).to_owned())
}

fn no_counters(known: &Known<'_>) -> Option<String> {
    why_no_counters(known)?;
    Some("no hardware counters, so no cycles or cache misses: see copycost probe".to_owned())
}

/// Only what was measured: the share of completions that the kernel marked.
fn copied(known: &Known<'_>) -> Option<String> {
    let zerocopy =
        |estimate: &&CellEstimates| !estimate.control && estimate.cell.passes_by_reference();
    let mut shares = Vec::new();
    let mut links = BTreeSet::new();
    for estimate in known.estimates.iter().filter(zerocopy) {
        if let Some(share) = estimate.metrics.get(&Metric::CopiedShare).and_then(Measured::value)
            // The sink copies nothing, which is no warning and softens none.
            && (estimate.cell.link.copies_by_reference_on_delivery() || share.mean > 0.0)
        {
            shares.push(share.mean);
            links.insert(estimate.cell.link);
        }
    }
    let least = shares.iter().copied().min_by(f64::total_cmp)?;
    let most = shares.iter().copied().max_by(f64::total_cmp)?;
    let why = if links.iter().all(|link| link.copies_by_reference_on_delivery()) {
        " (delivery on this machine copies: no figure here tells what zero-copy saves on a network card)"
    } else {
        ""
    };
    // A share of 1 is a quotient of equal whole numbers, and so exact.
    if least >= 1.0 {
        Some(format!("every zero-copy completion was marked copied{why}"))
    } else if most > 0.0 {
        Some(format!(
            "from {} to {} of a cell's zero-copy completions were marked copied",
            percent(least),
            percent(most)
        ))
    } else {
        None
    }
}

fn oversubscribed(known: &Known<'_>) -> Option<String> {
    let threads: BTreeSet<(u32, u32)> = known
        .estimates
        .iter()
        .filter(|estimate| estimate.oversubscribed && !estimate.control)
        .map(|estimate| (estimate.cell.threads.get(), estimate.cell.busy_threads()))
        .collect();
    let (first, last) = (threads.first()?.0, threads.last()?.0);
    let cpus = counted(known.run.usable_cpus, "CPU", "CPUs");
    let which = match (first == last, first) {
        (true, 1) => "1 thread".to_owned(),
        (true, n) => format!("{n} threads"),
        (false, _) => format!("{first} to {last} threads"),
    };
    Some(format!("{which}: more threads than CPUs ({cpus}), so scaling says nothing here"))
}

fn virtual_machine(known: &Known<'_>) -> Option<String> {
    let hypervisor = known.host.virtualization.value().filter(|name| *name != "none")?;
    Some(format!("a virtual machine ({hypervisor}): wake-ups cost more than on bare metal"))
}

fn limited(known: &Known<'_>) -> Option<String> {
    let quota =
        known.host.cpu_quota.value().filter(|quota| **quota < known.host.usable_cpus.len() as f64);
    let battery = known.host.on_battery.value().is_some_and(|on| *on);
    match (quota, battery) {
        (Some(quota), _) => Some(format!(
            "a CPU quota of {quota} CPUs throttles the ends when they use more; lift it (cpu.max of the cgroup)"
        )),
        (None, true) => {
            Some("the machine ran on battery: frequencies may be held down; plug it in".to_owned())
        }
        (None, false) => None,
    }
}

/// From this part of all trials on, that other programs ran is the first thing to mend.
const BUSY: f64 = 0.1;

fn busy(known: &Known<'_>) -> Option<String> {
    let trials = *known.marks.get(&Mark::Others)?;
    let is_often = f64::from(trials) >= BUSY * f64::from(known.run.trials);
    is_often.then(|| {
        format!(
            "other programs used these CPUs in {trials} of {} trials: stop them, run again",
            known.run.trials
        )
    })
}

fn steal(known: &Known<'_>) -> Option<String> {
    let trials = known.marks.get(&Mark::Steal).filter(|n| **n > 0)?;
    let limit = known.plan.thresholds.steal;
    Some(format!(
        "over {limit} of CPU time stolen in {trials} of {} trials: measure when the host is quiet",
        known.run.trials
    ))
}

fn congestion(known: &Known<'_>) -> Option<String> {
    let usual =
        known.host.sysctls.get("net.ipv4.tcp_congestion_control").and_then(Measured::value)?;
    let used = &known.run.congestion;
    (!used.is_empty() && used != usual && known.run.trials > 0).then(|| {
        format!("congestion control was {used}, the system's is {usual}: --congestion system")
    })
}

fn noise(known: &Known<'_>) -> Option<String> {
    let floor = known.noise_floor.value().filter(|floor| !floor.equivalent)?;
    let margin = known.plan.measure.margin;
    let holds_one = floor.goodput.low.is_none_or(|low| low <= 1.0)
        && floor.goodput.high.is_none_or(|high| high >= 1.0);
    let width = half_width(floor.half_width);
    if holds_one && floor.half_width > margin.0 {
        if width == NO_USEFUL_INTERVAL {
            return Some(
                "equal cells differ by any amount here: more rounds, or a quieter machine"
                    .to_owned(),
            );
        }
        return Some(format!(
            "differences below {} cannot be seen here: more rounds, or a quieter machine",
            percent(floor.half_width)
        ));
    }
    Some(format!(
        "equal cells are not shown to be equal here (goodput {}, {width}): distrust differences of that order, and look for what else runs",
        ratio(&floor.goodput)
    ))
}

fn instruments(known: &Known<'_>) -> Option<String> {
    let edges =
        known.instrument_cost.edge_share.value().copied().filter(|share| *share > INSTRUMENT_LIMIT);
    let twins = known.instrument_cost.ends_cpu_ratio.value().copied();
    // The interval must exclude the limit: noise alone is no cost.
    let twins = twins.filter(|ratio| ratio.low.is_some_and(|low| low > 1.0 + INSTRUMENT_LIMIT));
    let cost =
        edges.into_iter().chain(twins.map(|ratio| ratio.mean - 1.0)).max_by(f64::total_cmp)?;
    Some(format!(
        "the instruments cost {} of the ends' CPU time; longer windows (--time) make that less",
        percent(cost)
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop where its own helpers fail")]
mod tests {
    use model::Preset;
    use model::record::{FailureKind, Record};

    use super::*;

    fn small_plan() -> Plan {
        let mut plan = Plan::preset(Preset::Default);
        plan.factors.message.truncate(1);
        plan.factors.threads.truncate(1);
        plan
    }

    fn warnings_of(plan: &Plan, records: &[Record]) -> BTreeMap<WarningKind, String> {
        let warnings = crate::summarise(plan, &synthetic::host(), records).warnings;
        warnings.into_iter().map(|warning| (warning.kind, warning.text)).collect()
    }

    fn void_where(plan: &Plan, is_void: impl Fn(&Cell) -> bool) -> Vec<Record> {
        synthetic::run(plan, 3, |cell, round| {
            let trial = synthetic::trial(cell, round);
            let failed = is_void(cell);
            if failed { trial.failed(FailureKind::CallFailed, "connect: EPERM") } else { trial }
        })
    }

    #[test]
    fn a_control_without_a_valid_trial_is_no_cell_without_one() {
        let plan = small_plan();
        let controls = plan.controls();
        let warnings = warnings_of(&plan, &void_where(&plan, |cell| controls.contains(cell)));
        assert!(!warnings.contains_key(&WarningKind::NoValidTrial), "{warnings:#?}");
        let is_void =
            |cell: &Cell| controls.contains(cell) || cell.send_path != model::SendPath::Sendmsg;
        let warnings = warnings_of(&plan, &void_where(&plan, is_void));
        let text = &warnings[&WarningKind::NoValidTrial];
        assert!(text.starts_with("2 cells have no valid trial, among them "), "{text}");
        assert!(!warnings.contains_key(&WarningKind::NotReached), "{warnings:#?}");
    }

    #[test]
    fn what_an_interruption_left_out_was_not_reached() {
        let plan = small_plan();
        let mut records = synthetic::run(&plan, 1, synthetic::trial);
        let is_trial = |record: &Record| matches!(record, Record::Trial(trial) if !plan.controls().contains(&trial.cell));
        let first = records.iter().position(is_trial).unwrap();
        records.truncate(first + 1);
        let warnings = warnings_of(&plan, &records);
        let text = &warnings[&WarningKind::NotReached];
        assert_eq!(text, "2 cells were not reached yet: go on with --resume");
        assert!(!warnings.contains_key(&WarningKind::NoValidTrial), "{warnings:#?}");
    }

    #[test]
    fn an_interval_above_100_percent_is_of_no_use() {
        let plan = small_plan();
        let records = synthetic::run(&plan, 2, |cell, round| {
            synthetic::trial(cell, round).faster(f64::from(round).powi(6))
        });
        let warnings = warnings_of(&plan, &records);
        assert!(warnings.contains_key(&WarningKind::Imprecise), "{warnings:#?}");
        let summary = crate::summarise(&plan, &synthetic::host(), &records);
        let imprecise = summary.warnings.iter().find(|it| it.kind == WarningKind::Imprecise);
        let detail = &imprecise.unwrap().detail;
        assert!(detail.starts_with("the widest: no useful interval (send"), "{detail}");
    }
}
