//! When each warning is given: one rule each.

use std::collections::{BTreeMap, BTreeSet};

use model::audit::Audited;
use model::values::BusyPoll;
use model::{Audit, Cell, Contrast, Factor, Link, Mark, Measured, Plan, SendPath, saturating_sum};

use super::{Basis, MoreRounds, SmallerPlan, StepNotCounted, Warning};
use crate::control::Agreement;
use crate::copies::{NotCounted, Step, per_byte};
use crate::drift::Drift;
use crate::estimate;
use crate::metric::Metric;
use crate::pairs::widths;
use crate::results::{CellEstimates, Ending, Ratio};
use crate::stopping::Widest;

/// Instruments that cost more than this share are warned of: the figure that the project holds itself to.
const INSTRUMENT_LIMIT: f64 = 0.01;

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

pub(super) fn without_valid_trial(basis: &Basis<'_>) -> Option<Warning> {
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

pub(super) fn not_reached(basis: &Basis<'_>) -> Option<Warning> {
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

pub(super) fn line_not_recorded(basis: &Basis<'_>) -> Option<Warning> {
    let (segments, of) = (basis.without_line, basis.run.segments);
    (segments > 0 && basis.host.nics().is_some())
        .then_some(Warning::LineNotRecorded { segments, of })
}

fn is_imported(basis: &Basis<'_>) -> bool {
    !basis.run.imported.is_empty()
}

pub(super) fn imported(basis: &Basis<'_>) -> Option<Warning> {
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

pub(super) fn ended_early(basis: &Basis<'_>) -> Option<Warning> {
    let ending = basis.run.finish;
    let early = match ending {
        Ending::Interrupted | Ending::Failed => true,
        Ending::Unfinished => basis.run.trials > 0,
        Ending::Precise | Ending::Rounds | Ending::Time => false,
    };
    early.then_some(Warning::EndedEarly { ending })
}

/// Where no round is whole for want of time.
pub(super) fn limit_too_short(basis: &Basis<'_>) -> Option<Warning> {
    let plan = basis.plan;
    let limit = plan.measure.max_time?;
    let is_short = basis.run.finish == Ending::Time && basis.run.rounds == 0;
    // A link that was not tried may be refused by this machine.
    if !is_short || !has_tried_every_link(basis.estimates) {
        return None;
    }
    let Blocks { measured: blocks, of, as_blocks } = measured_blocks(plan, basis.estimates);
    if blocks == 0 || blocks >= of {
        return None;
    }
    let audits = basis.audits.spent().0;
    let in_blocks = basis.run.spent_ns.value()?.saturating_sub(audits) as f64;
    let block_ns = in_blocks / as_blocks;
    let left_ns = limit.0.saturating_sub(audits) as f64;
    Some(Warning::LimitTooShort {
        limit_s: limit.as_secs_f64(),
        blocks: count(blocks),
        of: count(of),
        block_s: block_ns / 1e9,
        smaller: smaller(plan, of, |blocks| blocks as f64 * block_ns <= left_ns),
    })
}

const fn was_tried(estimates: &CellEstimates) -> bool {
    estimates.trials > 0 || estimates.void_trials > 0
}

fn has_tried_every_link(estimates: &[CellEstimates]) -> bool {
    let links = |of: &mut dyn Iterator<Item = &CellEstimates>| -> BTreeSet<Link> {
        of.map(|estimates| estimates.cell.link).collect()
    };
    links(&mut estimates.iter())
        == links(&mut estimates.iter().filter(|estimates| was_tried(estimates)))
}

/// How far a round came.
#[derive(Default)]
struct Blocks {
    /// Blocks of which every cell was tried and one has a valid trial.
    measured: usize,
    /// All blocks but those of which every cell was tried in vain: what this machine refuses takes no time.
    of: usize,
    /// Those that were measured, and of others the share of their cells that was.
    as_blocks: f64,
}

fn measured_blocks(plan: &Plan, estimates: &[CellEstimates]) -> Blocks {
    let of_cells: BTreeMap<&Cell, &CellEstimates> =
        estimates.iter().map(|estimates| (&estimates.cell, estimates)).collect();
    let mut all = Blocks::default();
    for (_, cells) in plan.blocks() {
        let of_block: Vec<&CellEstimates> =
            cells.iter().filter_map(|cell| of_cells.get(cell).copied()).collect();
        // Another version may have measured other controls.
        let is_tried = of_block.iter().all(|it| it.control || was_tried(it))
            && of_block.iter().any(|it| was_tried(it));
        let is_valid = of_block.iter().any(|it| it.trials > 0);
        let valid = of_block.iter().filter(|it| it.trials > 0).count();
        all.measured += usize::from(is_tried && is_valid);
        all.of += usize::from(!is_tried || is_valid);
        all.as_blocks += match (is_tried, is_valid) {
            (true, true) => 1.0,
            (true, false) => 0.0,
            (false, _) => valid as f64 / of_block.len().max(1) as f64,
        };
    }
    all
}

/// The most sizes and threads of a plan whose blocks fit, its sizes first; none where no block does.
fn smaller(plan: &Plan, blocks: usize, fits: impl Fn(usize) -> bool) -> Option<SmallerPlan> {
    let [sizes, threads] = [Factor::Message, Factor::Threads].map(|of| plan.factors.get(of));
    let others = blocks.div_ceil((sizes.len() * threads.len()).max(1));
    let parts = (1..=sizes.len()).flat_map(|n| (1..=threads.len()).map(move |m| (n, m)));
    let parts = parts.filter(|part| *part != (sizes.len(), threads.len()));
    let (of_sizes, of_threads) =
        parts.filter(|(n, m)| fits(n * m * others)).max_by_key(|(n, m)| (n * m, *n))?;
    Some(SmallerPlan { sizes: fewer(sizes, of_sizes), threads: fewer(threads, of_threads) })
}

/// So many of some values, from the first to the last; nothing where that is all of them.
fn fewer(values: Vec<String>, n: usize) -> Vec<String> {
    if n >= values.len() {
        return Vec::new();
    }
    let last = values.len() - 1;
    let place = |k: usize| if n > 1 { k * last / (n - 1) } else { 0 };
    (0..n).filter_map(|k| values.get(place(k)).cloned()).collect()
}

/// Who asks for an instrument looks for what it tells.
pub(super) fn audited_nothing(basis: &Basis<'_>) -> Option<Warning> {
    let of = basis.audits.not_audited();
    (!of.is_empty()).then_some(Warning::AuditedNothing { of })
}

/// A step that is missing from the figures is not told by them. What remains of other counts stands for one where it can, and says so.
pub(super) fn audited_in_part(basis: &Basis<'_>) -> Option<Warning> {
    let cells = basis.estimates.iter().map(|estimates| &estimates.cell);
    let audited = cells.filter_map(|cell| basis.audits.of(cell, Audit::CopyAudit));
    let audited: Vec<&Audited> = audited.filter(|it| it.copies.value().is_some()).collect();
    let mut of: Vec<StepNotCounted> = Vec::new();
    for step in Step::ALL {
        for audited in &audited {
            let Err(NotCounted::Quoted { text: why }) = per_byte(audited, step) else { continue };
            let path = audited.cell.send_path;
            match of.iter_mut().find(|it| it.step == step && it.why == why) {
                Some(same) if !same.paths.contains(&path) => same.paths.push(path),
                Some(_) => {}
                None => of.push(StepNotCounted { step, paths: vec![path], why }),
            }
        }
    }
    let paths: BTreeSet<SendPath> = audited.iter().map(|it| it.cell.send_path).collect();
    for uncounted in of.iter_mut().filter(|it| it.paths.len() == paths.len()) {
        uncounted.paths.clear();
    }
    let steps: BTreeSet<Step> = of.iter().map(|it| it.step).collect();
    // That nothing was counted is told of the instrument.
    let is_nothing = steps.len() == Step::ALL.len()
        && of.iter().all(|it| it.paths.is_empty())
        && basis.audits.why_not_audited(Audit::CopyAudit).is_some();
    if of.is_empty() || is_nothing { None } else { Some(Warning::AuditedInPart { of }) }
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

pub(super) fn preliminary(basis: &Basis<'_>) -> Option<Warning> {
    let rounds = basis.run.rounds;
    // Of single rows their own warning says more.
    let is_single = is_imported(basis) && rounds <= 1;
    (basis.run.preliminary && basis.run.trials > 0 && !is_single)
        .then(|| Warning::Preliminary { rounds, more: more_rounds(basis) })
}

pub(super) fn outliers(basis: &Basis<'_>) -> Option<Warning> {
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
pub(super) fn control(basis: &Basis<'_>) -> Option<Warning> {
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

pub(super) fn trend(basis: &Basis<'_>) -> Option<Warning> {
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
pub(super) fn imprecise(basis: &Basis<'_>) -> Option<Warning> {
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
pub(super) fn load(basis: &Basis<'_>) -> Option<Warning> {
    let load = basis.run.load.value().filter(|load| load.seen)?;
    Some(Warning::Load { load: Box::new(load.clone()) })
}

/// Rounds are called alike where chance makes them so in one run of a hundred.
const ALIKE: f64 = 0.01;

pub(super) fn drift(basis: &Basis<'_>) -> Option<Warning> {
    let Drift { correlation, widening, p } = basis.run.drift.value()?;
    let p = *p.value().filter(|p| **p <= ALIKE)?;
    Some(Warning::Drift { correlation: *correlation, widening: *widening, p })
}

/// Where no cell has hardware counters; what an imported file counted stands with its columns.
pub(super) fn no_counters(basis: &Basis<'_>) -> Option<Warning> {
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
pub(super) fn copied(basis: &Basis<'_>) -> Option<Warning> {
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

pub(super) fn little_mapped(basis: &Basis<'_>) -> Option<Warning> {
    let cells = basis.estimates.iter().filter(|estimate| !estimate.control);
    let shares: Vec<f64> = cells
        .filter_map(|estimate| estimate.metrics.get(&Metric::MappedShare)?.value())
        .map(|share| share.mean)
        .collect();
    let little = || shares.iter().copied().filter(|share| *share < LITTLE);
    let least = little().min_by(f64::total_cmp)?;
    let most = little().max_by(f64::total_cmp)?;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (cells, of) = (count(little().count()), count(shares.len()));
    Some(Warning::LittleMapped { least, most, cells, of })
}

pub(super) fn ring_threads(basis: &Basis<'_>) -> Option<Warning> {
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

pub(super) fn no_busy_poll(basis: &Basis<'_>) -> Option<Warning> {
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

pub(super) fn stalled(basis: &Basis<'_>) -> Option<Warning> {
    let asked = || basis.estimates.iter().filter(|e| !e.control && e.trials > 0);
    let mean = |e: &CellEstimates, metric: Metric| Some(e.metrics.get(&metric)?.value()?.mean);
    let found: Vec<(&Cell, f64, f64)> = asked()
        .filter(|e| e.marks.contains_key(&Mark::Stalled))
        .filter_map(|e| Some((&e.cell, mean(e, Metric::StalledShare)?, mean(e, Metric::StallUs)?)))
        .collect();
    let (largest, share, stall_us) = found.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(Warning::Stalled {
        cells: count(found.len()),
        of: count(asked().count()),
        share: *share,
        stall_us: *stall_us,
        largest: (*largest).clone(),
    })
}

pub(super) fn oversubscribed(basis: &Basis<'_>) -> Option<Warning> {
    let threads: BTreeSet<u32> = basis
        .estimates
        .iter()
        .filter(|estimate| estimate.oversubscribed.is_so() && !estimate.control)
        .map(|estimate| estimate.cell.threads.get())
        .collect();
    let threads = [*threads.first()?, *threads.last()?];
    Some(Warning::Oversubscribed { threads, cpus: basis.run.usable_cpus })
}

pub(super) fn virtual_machine(basis: &Basis<'_>) -> Option<Warning> {
    let hypervisor = basis.host.virtualization.value().filter(|name| *name != "none")?;
    Some(Warning::VirtualMachine { hypervisor: hypervisor.clone() })
}

pub(super) fn limited(basis: &Basis<'_>) -> Option<Warning> {
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

pub(super) fn busy(basis: &Basis<'_>) -> Option<Warning> {
    let (trials, of) = (*basis.marks.get(&Mark::Others)?, basis.run.trials);
    (f64::from(trials) >= BUSY * f64::from(of)).then_some(Warning::Busy { trials, of })
}

pub(super) fn steal(basis: &Basis<'_>) -> Option<Warning> {
    let trials = *basis.marks.get(&Mark::Steal).filter(|n| **n > 0)?;
    let limit = basis.plan.thresholds.steal.0;
    Some(Warning::Steal { trials, of: basis.run.trials, limit })
}

pub(super) fn congestion(basis: &Basis<'_>) -> Option<Warning> {
    let system =
        basis.host.sysctls.get("net.ipv4.tcp_congestion_control").and_then(Measured::value)?;
    let used = &basis.run.congestion;
    (!used.is_empty() && used != system && basis.run.trials > 0)
        .then(|| Warning::Congestion { used: used.clone(), system: system.clone() })
}

pub(super) fn noise(basis: &Basis<'_>) -> Option<Warning> {
    let floor = basis.noise_floor.value().filter(|floor| !floor.equivalent)?;
    let told = floor.told();
    let holds_one =
        told.low.is_none_or(|low| low <= 1.0) && told.high.is_none_or(|high| high >= 1.0);
    Some(Warning::Noise {
        half_width: floor.half_width,
        goodput: floor.goodput,
        cost: floor.telling_goodput().is_none().then_some(*told),
        is_coarse: holds_one && floor.half_width > basis.plan.measure.margin.0,
    })
}

pub(super) fn instruments(basis: &Basis<'_>) -> Option<Warning> {
    let edges =
        basis.instrument_cost.edge_share.value().copied().filter(|share| *share > INSTRUMENT_LIMIT);
    let twins = basis.instrument_cost.ends_cpu_ratio.value().copied();
    // The interval must exclude the limit: noise alone is no cost.
    let twins = twins.filter(|ratio| ratio.low.is_some_and(|low| low > 1.0 + INSTRUMENT_LIMIT));
    let share =
        edges.into_iter().chain(twins.map(|ratio| ratio.mean - 1.0)).max_by(f64::total_cmp)?;
    Some(Warning::Instruments { share })
}
