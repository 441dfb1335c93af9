//! What a reader must know before the figures.

use std::collections::{BTreeMap, BTreeSet};

use model::host::Host;
use model::values::BusyPoll;
use model::{Cell, Contrast, Factor, Link, Mark, Measured, Plan, saturating_sum};
use schemars::JsonSchema;
use serde::Serialize;

use crate::control::{Agreement, Control};
use crate::drift::Drift;
use crate::estimate;
use crate::estimate::Estimate;
use crate::load::LoadFacts;
use crate::metric::Metric;
use crate::pairs::widths;
use crate::results::{CellEstimates, Ending, InstrumentCost, NoiseFloor, Ratio, RunFacts};
use crate::stopping::Widest;
use crate::trends::Trend;

/// What a reader must know beside the figures.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Warning {
    /// No trial was made.
    NothingMeasured,
    /// Another program measured: what its files do not tell.
    Imported {
        /// So many files.
        files: u32,
        /// Rows of theirs.
        rows: u64,
        /// Whether each cell has one row, so that nothing has an interval.
        single: bool,
        /// Whether counters are of the sender alone.
        one_sided: bool,
        /// Whether the number of CPUs is unknown, so that no cell can be told to be oversubscribed.
        unknown_cpus: bool,
        /// Factors that they have no column for.
        unstated: Vec<Factor>,
    },
    /// Cells that the imported files have no row of.
    NotInTable {
        /// How many.
        cells: u32,
        /// Of so many.
        of: u32,
    },
    /// Cells in which every attempt was void.
    NoValidTrial {
        /// How many.
        cells: u32,
        /// Whether no trial of the whole run is valid.
        all: bool,
        /// The first of them.
        #[schemars(with = "String")]
        first: Cell,
        /// The commonest reason there; empty where none is known.
        why: String,
    },
    /// Cells whose turn did not come.
    NotReached {
        /// How many.
        cells: u32,
    },
    /// The run was interrupted, failed or was killed.
    EndedEarly {
        /// How.
        ending: Ending,
    },
    /// Too few rounds.
    Preliminary {
        /// Whole rounds.
        rounds: u32,
        /// What to ask for.
        more: MoreRounds,
    },
    /// Other programs used the CPUs.
    Busy {
        /// In so many trials.
        trials: u32,
        /// Of so many.
        of: u32,
    },
    /// Equal cells differ, or small differences cannot be seen.
    Noise {
        /// Half the width of the interval of equal cells.
        half_width: f64,
        /// Goodput of equal cells against each other.
        goodput: Estimate,
        /// Whether that interval holds 1 and is wider than the margin: the run is too coarse, rather than its cells unequal.
        is_coarse: bool,
    },
    /// Ratios that a few rounds far from the others move, or make much wider.
    Outliers {
        /// So many.
        ratios: u32,
        /// Of so many.
        of: u32,
        /// The one whose interval they widen most.
        widest: Box<Ratio>,
    },
    /// Intervals wider than asked for.
    Imprecise {
        /// Of so many ratios, or where nothing is compared levels of cells.
        wide: u32,
        /// Of so many.
        of: u32,
        /// Whether they are ratios.
        are_ratios: bool,
        /// What was asked for, as half the width over the figure.
        precision: f64,
        /// The widest; empty where none has an interval.
        #[serde(skip_serializing_if = "Option::is_none")]
        widest: Option<Widest>,
        /// What to ask for.
        more: MoreRounds,
    },
    /// Rounds next to each other are alike: the machine's state lasted longer than a round.
    Drift {
        /// Correlation of levels with those of the round before.
        correlation: f64,
        /// By how much the intervals of levels are widened for it, as a factor.
        widening: f64,
        /// p of "the rounds could have come in any order".
        p: f64,
    },
    /// Ratios measured in turns are not those of steady windows.
    Control {
        /// In so many comparisons.
        differ: u32,
        /// Of so many.
        of: u32,
        /// The one that differs most.
        largest: Box<Agreement>,
    },
    /// Cells get faster or slower within a series.
    Trend {
        /// So many are faster at its end.
        faster: u32,
        /// So many are slower.
        slower: u32,
        /// Of so many.
        of: u32,
        /// The largest.
        largest: Box<Trend>,
    },
    /// Others, or the hypervisor, took a part of the usable CPUs' time while series lasted.
    Load {
        /// How much, and what it did to the intervals.
        load: Box<LoadFacts>,
    },
    /// The hypervisor took CPU time.
    Steal {
        /// In so many trials.
        trials: u32,
        /// Of so many.
        of: u32,
        /// More than this share.
        limit: f64,
    },
    /// A CPU quota throttles the ends.
    Quota {
        /// CPUs.
        cpus: f64,
    },
    /// The machine ran on battery.
    Battery,
    /// The instruments cost more than they should.
    Instruments {
        /// Share of the ends' CPU time.
        share: f64,
    },
    /// More busy threads than CPUs.
    Oversubscribed {
        /// The fewest and the most threads of which that is so.
        threads: [u32; 2],
        /// CPUs.
        cpus: u32,
    },
    /// Of what a receive path could map, most was copied.
    LittleMapped {
        /// The least of a cell, as a share of what it received.
        least: f64,
        /// The most of a cell that is warned of.
        most: f64,
    },
    /// Threads of the kernel did a part of senders' work for their io_urings (SQPOLL, io-wq).
    RingThreads {
        /// The least of a cell where they did any, as a share of its senders' CPU time.
        least: f64,
        /// The most of a cell.
        most: f64,
    },
    /// Busy polling was asked for and did nothing, as the receiving connections had no NAPI id.
    NoBusyPoll {
        /// In so many cells.
        cells: u32,
        /// Of so many that ask for it.
        of: u32,
        /// Their links.
        over: Vec<Link>,
    },
    /// What was passed by reference was copied.
    Copied {
        /// The least and the largest share of a cell's completions.
        shares: [f64; 2],
        /// Whether every link of them copies on delivery.
        on_delivery: bool,
        /// Their links, where the run has others on which none was; else empty.
        over: Vec<Link>,
    },
    /// No hardware counters.
    NoCounters {
        /// Why.
        why: String,
    },
    /// Another congestion control than the system's.
    Congestion {
        /// The one in effect.
        used: String,
        /// The system's.
        system: String,
    },
    /// A virtual machine.
    VirtualMachine {
        /// Of this hypervisor.
        hypervisor: String,
    },
}

/// How a run goes on to more rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum MoreRounds {
    /// More time.
    Time,
    /// More rows in the imported file.
    Rows,
    /// The plan fixes the rounds and all are measured: more of them, and time for them.
    Rounds {
        /// So many.
        rounds: u32,
    },
}

/// What warnings are drawn from.
pub(crate) struct Basis<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) host: &'a Host,
    pub(crate) run: &'a RunFacts,
    pub(crate) estimates: &'a [CellEstimates],
    pub(crate) ratios: &'a [Ratio],
    pub(crate) marks: &'a BTreeMap<Mark, u32>,
    pub(crate) noise_floor: &'a Measured<NoiseFloor>,
    pub(crate) instrument_cost: &'a InstrumentCost,
    pub(crate) control: &'a Measured<Control>,
    pub(crate) trends: &'a [Trend],
}

/// Instruments that cost more than this share are warned of: the figure that the project holds itself to.
const INSTRUMENT_LIMIT: f64 = 0.01;

/// The warnings, in order of weight.
pub(crate) fn warnings(basis: &Basis<'_>) -> Vec<Warning> {
    type Warn = fn(&Basis<'_>) -> Option<Warning>;
    const ALL: [Warn; 24] = [
        imported,
        without_valid_trial,
        not_reached,
        ended_early,
        preliminary,
        busy,
        load,
        noise,
        control,
        trend,
        outliers,
        imprecise,
        drift,
        steal,
        limited,
        instruments,
        oversubscribed,
        copied,
        little_mapped,
        ring_threads,
        no_busy_poll,
        no_counters,
        congestion,
        virtual_machine,
    ];
    ALL.iter().filter_map(|warn| warn(basis)).collect()
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn without_valid_trial(basis: &Basis<'_>) -> Option<Warning> {
    let run = basis.run;
    if run.trials == 0 {
        return Some(Warning::NothingMeasured);
    }
    // Controls are no cells that anybody asked for.
    let void = |estimate: &&CellEstimates| {
        !estimate.control && estimate.trials == 0 && estimate.void_trials > 0
    };
    let cells: BTreeSet<&Cell> =
        basis.estimates.iter().filter(void).map(|estimate| &estimate.cell).collect();
    let first = *cells.first()?;
    Some(Warning::NoValidTrial {
        cells: count(cells.len()),
        all: run.void_trials == run.trials,
        why: run.without_valid_trial.get(&first.id()).cloned().unwrap_or_default(),
        first: first.clone(),
    })
}

fn not_reached(basis: &Basis<'_>) -> Option<Warning> {
    let unreached = |estimate: &&CellEstimates| {
        !estimate.control && estimate.trials == 0 && estimate.void_trials == 0
    };
    let cells = count(basis.estimates.iter().filter(unreached).count());
    (cells > 0 && basis.run.trials > 0).then_some(if is_imported(basis) {
        Warning::NotInTable { cells, of: basis.run.cells }
    } else {
        Warning::NotReached { cells }
    })
}

fn is_imported(basis: &Basis<'_>) -> bool {
    !basis.run.imported.is_empty()
}

fn imported(basis: &Basis<'_>) -> Option<Warning> {
    let files = &basis.run.imported;
    let has = |metric: Metric| {
        let figure =
            |e: &CellEstimates| e.metrics.get(&metric).is_some_and(|it| it.value().is_some());
        basis.estimates.iter().any(figure)
    };
    (!files.is_empty()).then(|| Warning::Imported {
        files: count(files.len()),
        rows: saturating_sum(files.iter().map(|file| file.rows)),
        single: basis.estimates.iter().all(|estimate| estimate.trials <= 1),
        one_sided: has(Metric::SenderCyclesPerByte) && !has(Metric::ReceiverCyclesPerByte),
        unknown_cpus: basis.run.knows_no_cpus(),
        unstated: basis.run.unstated.clone(),
    })
}

fn ended_early(basis: &Basis<'_>) -> Option<Warning> {
    let ending = basis.run.finish;
    let early = match ending {
        Ending::Interrupted | Ending::Failed => true,
        Ending::Unfinished => basis.run.trials > 0,
        Ending::Precise | Ending::Rounds | Ending::Time => false,
    };
    early.then_some(Warning::EndedEarly { ending })
}

fn more_rounds(basis: &Basis<'_>) -> MoreRounds {
    if is_imported(basis) {
        return MoreRounds::Rows;
    }
    match basis.plan.measure.rounds {
        Some(rounds) if basis.run.rounds >= rounds => {
            MoreRounds::Rounds { rounds: rounds.saturating_mul(2).max(10) }
        }
        _ => MoreRounds::Time,
    }
}

fn preliminary(basis: &Basis<'_>) -> Option<Warning> {
    let rounds = basis.run.rounds;
    // Of single rows their own warning says more.
    let is_single = is_imported(basis) && rounds <= 1;
    (basis.run.preliminary && basis.run.trials > 0 && !is_single)
        .then(|| Warning::Preliminary { rounds, more: more_rounds(basis) })
}

fn outliers(basis: &Basis<'_>) -> Option<Warning> {
    let apart: Vec<&Ratio> =
        basis.ratios.iter().filter(|ratio| ratio.trimmed_apart().is_some()).collect();
    let width = |ratio: &&&Ratio| ratio.ratio.value().and_then(estimate::half_width).unwrap_or(0.0);
    let widest = apart.iter().max_by(|a, b| width(a).total_cmp(&width(b)))?;
    Some(Warning::Outliers {
        ratios: count(apart.len()),
        of: count(basis.ratios.iter().filter(|ratio| ratio.trimmed.value().is_some()).count()),
        widest: Box::new((**widest).clone()),
    })
}

/// Where turns and steady windows are shown to differ beyond the margin.
fn control(basis: &Basis<'_>) -> Option<Warning> {
    let control = basis.control.value()?;
    // One bias shows in cells, contrasts and overall.
    let is_found = |agreement: &&Agreement| agreement.differs();
    let differ = || control.all().filter(is_found);
    Some(Warning::Control {
        differ: count(control.cells.iter().filter(is_found).count()),
        of: count(control.cells.len()),
        largest: Box::new(differ().max_by(|a, b| a.off().total_cmp(&b.off()))?.clone()),
    })
}

fn trend(basis: &Basis<'_>) -> Option<Warning> {
    let found = || basis.trends.iter().filter(|trend| trend.is_found());
    let faster = found().filter(|trend| trend.change.mean > 1.0).count();
    Some(Warning::Trend {
        faster: count(faster),
        slower: count(found().count() - faster),
        of: count(basis.trends.len()),
        largest: Box::new(found().max_by(|a, b| a.off().total_cmp(&b.off()))?.clone()),
    })
}

/// Ratios wider than asked for; where the plan compares nothing, cells.
fn imprecise(basis: &Basis<'_>) -> Option<Warning> {
    let precision = basis.plan.measure.precision?.0;
    let are_ratios = basis.run.comparisons > 0;
    let wide: Vec<(&Cell, Option<&Contrast>, Option<f64>)> = if are_ratios {
        let of = widths(basis.ratios).filter(|(_, width)| width.is_none_or(|it| it > precision));
        of.map(|(ratio, width)| (&ratio.cell, Some(&ratio.contrast), width)).collect()
    } else {
        let is_wide = |estimate: &&CellEstimates| {
            !estimate.control && estimate.trials > 0 && estimate.precise == Measured::Value(false)
        };
        let width = |estimate: &CellEstimates| {
            let of = |metric: Metric| estimate::half_width(estimate.metrics.get(&metric)?.value()?);
            Some(of(Metric::GoodputGbps)?.max(of(Metric::cost_on(estimate.cell.link))?))
        };
        let of = basis.estimates.iter().filter(is_wide);
        of.map(|estimate| (&estimate.cell, None, width(estimate))).collect()
    };
    let widths =
        wide.iter().filter_map(|(cell, contrast, width)| Some((cell, contrast, (*width)?)));
    let widest = widths.max_by(|a, b| a.2.total_cmp(&b.2)).map(|(cell, contrast, half_width)| {
        Widest { cell: (*cell).clone(), contrast: contrast.cloned(), half_width }
    });
    (!wide.is_empty()).then(|| Warning::Imprecise {
        wide: count(wide.len()),
        of: if are_ratios { basis.run.comparisons } else { basis.run.cells },
        are_ratios,
        precision,
        widest,
        more: more_rounds(basis),
    })
}

/// Where more of it is seen than the plan's thresholds.
fn load(basis: &Basis<'_>) -> Option<Warning> {
    let load = basis.run.load.value().filter(|load| load.seen)?;
    Some(Warning::Load { load: Box::new(load.clone()) })
}

/// Rounds are called alike where chance makes them so in one run of a hundred.
const ALIKE: f64 = 0.01;

fn drift(basis: &Basis<'_>) -> Option<Warning> {
    let Drift { correlation, widening, p } = basis.run.drift.value()?;
    let p = *p.value().filter(|p| **p <= ALIKE)?;
    Some(Warning::Drift { correlation: *correlation, widening: *widening, p })
}

/// Where no cell has hardware counters; what an imported file counted stands with its columns.
fn no_counters(basis: &Basis<'_>) -> Option<Warning> {
    if is_imported(basis) {
        return None;
    }
    let cycles: Vec<_> = basis
        .estimates
        .iter()
        .filter(|estimate| !estimate.control && estimate.trials > 0)
        .filter_map(|estimate| estimate.metrics.get(&Metric::SenderCyclesPerByte))
        .collect();
    if cycles.iter().any(|estimate| estimate.value().is_some()) {
        return None;
    }
    let of_host = basis.host.counters.get("cycles").and_then(Measured::reason);
    let of_trials = cycles.iter().find_map(|estimate| estimate.reason());
    Some(Warning::NoCounters { why: of_host.or(of_trials)?.to_owned() })
}

/// Only what was measured: the share of completions that the kernel marked.
fn copied(basis: &Basis<'_>) -> Option<Warning> {
    let zerocopy =
        |estimate: &&CellEstimates| !estimate.control && estimate.cell.passes_by_reference();
    let mut shares = Vec::new();
    let (mut over, mut uncopied) = (Vec::new(), false);
    for estimate in basis.estimates.iter().filter(zerocopy) {
        let link = estimate.cell.link;
        let copied = estimate.metrics.get(&Metric::CopiedShare).and_then(Measured::value);
        let Some(share) = copied else { continue };
        // A link that copies nothing is no warning and softens none.
        if !link.copies_by_reference_on_delivery() && share.mean <= 0.0 {
            uncopied = true;
            continue;
        }
        shares.push(share.mean);
        if !over.contains(&link) {
            over.push(link);
        }
    }
    let on_delivery = over.iter().all(|link| link.copies_by_reference_on_delivery());
    if !uncopied {
        over.clear();
    }
    let least = shares.iter().copied().min_by(f64::total_cmp)?;
    let most = shares.iter().copied().max_by(f64::total_cmp)?;
    (most > 0.0).then_some(Warning::Copied { shares: [least, most], on_delivery, over })
}

/// Below half, the figures are more those of copying than of mapping.
const LITTLE: f64 = 0.5;

fn little_mapped(basis: &Basis<'_>) -> Option<Warning> {
    let cells = basis.estimates.iter().filter(|estimate| !estimate.control);
    let shares = cells
        .filter_map(|estimate| estimate.metrics.get(&Metric::MappedShare)?.value())
        .map(|share| share.mean)
        .filter(|share| *share < LITTLE);
    let [least, most] = shares.fold([f64::INFINITY, f64::NEG_INFINITY], |[least, most], share| {
        [least.min(share), most.max(share)]
    });
    (least <= most).then_some(Warning::LittleMapped { least, most })
}

fn ring_threads(basis: &Basis<'_>) -> Option<Warning> {
    let cells = basis.estimates.iter().filter(|estimate| !estimate.control);
    let shares = cells
        .filter_map(|estimate| estimate.metrics.get(&Metric::UringThreadsShare)?.value())
        .map(|share| share.mean)
        .filter(|share| *share > 0.0);
    let [least, most] = shares.fold([f64::INFINITY, f64::NEG_INFINITY], |[least, most], share| {
        [least.min(share), most.max(share)]
    });
    (least <= most).then_some(Warning::RingThreads { least, most })
}

fn no_busy_poll(basis: &Basis<'_>) -> Option<Warning> {
    let asked: Vec<&CellEstimates> = basis
        .estimates
        .iter()
        .filter(|e| !e.control && e.trials > 0 && e.cell.busy_poll != BusyPoll::Auto)
        .collect();
    let idle: Vec<&CellEstimates> =
        asked.iter().copied().filter(|e| e.marks.contains_key(&Mark::NoBusyPoll)).collect();
    let over: BTreeSet<Link> = idle.iter().map(|e| e.cell.link).collect();
    (!idle.is_empty()).then(|| Warning::NoBusyPoll {
        cells: count(idle.len()),
        of: count(asked.len()),
        over: over.into_iter().collect(),
    })
}

fn oversubscribed(basis: &Basis<'_>) -> Option<Warning> {
    let threads: BTreeSet<u32> = basis
        .estimates
        .iter()
        .filter(|estimate| estimate.oversubscribed.is_so() && !estimate.control)
        .map(|estimate| estimate.cell.threads.get())
        .collect();
    let threads = [*threads.first()?, *threads.last()?];
    Some(Warning::Oversubscribed { threads, cpus: basis.run.usable_cpus })
}

fn virtual_machine(basis: &Basis<'_>) -> Option<Warning> {
    let hypervisor = basis.host.virtualization.value().filter(|name| *name != "none")?;
    Some(Warning::VirtualMachine { hypervisor: hypervisor.clone() })
}

fn limited(basis: &Basis<'_>) -> Option<Warning> {
    let host = basis.host;
    let quota = host.cpu_quota.value().filter(|quota| **quota < host.usable_cpus.len() as f64);
    let on_battery = host.on_battery.value().is_some_and(|on| *on);
    match quota {
        Some(cpus) => Some(Warning::Quota { cpus: *cpus }),
        None => on_battery.then_some(Warning::Battery),
    }
}

/// From this part of all trials on, that other programs ran is the first thing to mend.
const BUSY: f64 = 0.1;

fn busy(basis: &Basis<'_>) -> Option<Warning> {
    let (trials, of) = (*basis.marks.get(&Mark::Others)?, basis.run.trials);
    (f64::from(trials) >= BUSY * f64::from(of)).then_some(Warning::Busy { trials, of })
}

fn steal(basis: &Basis<'_>) -> Option<Warning> {
    let trials = *basis.marks.get(&Mark::Steal).filter(|n| **n > 0)?;
    let limit = basis.plan.thresholds.steal.0;
    Some(Warning::Steal { trials, of: basis.run.trials, limit })
}

fn congestion(basis: &Basis<'_>) -> Option<Warning> {
    let system =
        basis.host.sysctls.get("net.ipv4.tcp_congestion_control").and_then(Measured::value)?;
    let used = &basis.run.congestion;
    (!used.is_empty() && used != system && basis.run.trials > 0)
        .then(|| Warning::Congestion { used: used.clone(), system: system.clone() })
}

fn noise(basis: &Basis<'_>) -> Option<Warning> {
    let floor = basis.noise_floor.value().filter(|floor| !floor.equivalent)?;
    let holds_one = floor.goodput.low.is_none_or(|low| low <= 1.0)
        && floor.goodput.high.is_none_or(|high| high >= 1.0);
    Some(Warning::Noise {
        half_width: floor.half_width,
        goodput: floor.goodput,
        is_coarse: holds_one && floor.half_width > basis.plan.measure.margin.0,
    })
}

fn instruments(basis: &Basis<'_>) -> Option<Warning> {
    let edges =
        basis.instrument_cost.edge_share.value().copied().filter(|share| *share > INSTRUMENT_LIMIT);
    let twins = basis.instrument_cost.ends_cpu_ratio.value().copied();
    // The interval must exclude the limit: noise alone is no cost.
    let twins = twins.filter(|ratio| ratio.low.is_some_and(|low| low > 1.0 + INSTRUMENT_LIMIT));
    let share =
        edges.into_iter().chain(twins.map(|ratio| ratio.mean - 1.0)).max_by(f64::total_cmp)?;
    Some(Warning::Instruments { share })
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

    fn warnings_of(plan: &Plan, records: &[Record]) -> Vec<Warning> {
        crate::summarise(plan, &synthetic::host(), records).warnings
    }

    fn cells_without(warnings: &[Warning]) -> Option<u32> {
        warnings.iter().find_map(|warning| {
            if let Warning::NoValidTrial { cells, .. } = warning { Some(*cells) } else { None }
        })
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
        assert_eq!(cells_without(&warnings), None, "{warnings:#?}");
        let is_void =
            |cell: &Cell| controls.contains(cell) || cell.send_path != model::SendPath::Sendmsg;
        let warnings = warnings_of(&plan, &void_where(&plan, is_void));
        assert_eq!(cells_without(&warnings), Some(2), "{warnings:#?}");
        assert!(!warnings.iter().any(|it| matches!(it, Warning::NotReached { .. })));
    }

    #[test]
    fn what_an_interruption_left_out_was_not_reached() {
        let plan = small_plan();
        let mut records = synthetic::run(&plan, 1, synthetic::trial);
        let is_trial = |record: &Record| matches!(record, Record::Trial(trial) if !plan.controls().contains(&trial.cell));
        let first = records.iter().position(is_trial).unwrap();
        records.truncate(first + 1);
        let warnings = warnings_of(&plan, &records);
        assert!(warnings.contains(&Warning::NotReached { cells: 2 }), "{warnings:#?}");
        assert_eq!(cells_without(&warnings), None, "{warnings:#?}");
    }

    #[test]
    fn an_interval_above_100_percent_is_of_no_use() {
        let plan = small_plan();
        let records = synthetic::run(&plan, 2, |cell, round| {
            let is_wild = cell.send_path == model::SendPath::Send;
            synthetic::trial(cell, round).faster(f64::from(if is_wild { round } else { 1 }).powi(6))
        });
        let warnings = warnings_of(&plan, &records);
        let widest = warnings.iter().find_map(|warning| {
            if let Warning::Imprecise { widest, .. } = warning { widest.as_ref() } else { None }
        });
        assert!(widest.unwrap().half_width > 1.0, "{warnings:#?}");
    }
}
