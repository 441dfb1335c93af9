//! From what a run's records come to, to the summary.

use std::collections::{BTreeMap, BTreeSet};

use model::host::Host;
use model::plan::FEWEST_ROUNDS;
use model::record::Record;
use model::{Measured, Plan, Share};

use crate::cell_totals::LevelRule;
use crate::common_spread::CommonSpread;
use crate::control::Control;
use crate::drift::Drift;
use crate::explain::{Explaining, explain};
use crate::judged_run::JudgedRun;
use crate::line_rate::Line;
use crate::load::LoadFacts;
use crate::metric::Metric;
use crate::pairings::Pairings;
use crate::pairs::{Complete, widths};
use crate::results::{CellEstimates, InstrumentCost, Ratio, RunFacts};
use crate::round_logs::RoundLogs;
use crate::summary::{SUMMARY_VERSION, Summary};
use crate::turn_noise::TurnNoise;
use crate::warnings::{Basis, warnings};

/// Why a cell of an imported run has no trial.
const IN_NO_ROW: &str = "no row of the file is of this cell";

/// Everything that may be said of a run whose records are all at hand; see [`JudgedRun`].
pub fn summarise(plan: &Plan, host: &Host, records: &[Record]) -> Summary {
    JudgedRun::of(plan, records).summary(plan, host)
}

/// What was found of the run's rounds.
struct Known {
    rounds: u32,
    drift: Measured<Drift>,
    turn_noise: Measured<TurnNoise>,
    load: Measured<LoadFacts>,
}

/// Everything that may be said of a run.
pub(crate) fn summary(judged: &JudgedRun, plan: &Plan, host: &Host) -> Summary {
    let (places, trials) = (&judged.places, &judged.trials);
    let complete = judged.complete();
    let pairings = Pairings::over(plan, places, trials, &complete);
    let asked = || places.cells.iter().zip(&judged.cells).take(places.asked);
    let drift =
        Drift::of(&[0, 1].map(|metric: usize| {
            asked().map(|(_, totals)| totals.levels()[metric].clone()).collect()
        }));
    let levels = LevelRule {
        limit: plan.level_precision(),
        widening: drift.value().map_or(1.0, |drift| drift.widening),
        spreads: [0, 1].map(|metric: usize| {
            CommonSpread::of(asked().filter_map(|(cell, totals)| totals.logs(cell.link)[metric]))
        }),
    };
    let estimates: Vec<CellEstimates> = places
        .cells
        .iter()
        .zip(&judged.cells)
        .enumerate()
        .map(|(place, (cell, totals))| totals.estimates(cell, place >= places.asked, &levels))
        .collect();
    let instrument_cost = InstrumentCost {
        edge_share: if judged.edge_shares.is_empty() {
            Measured::absent("no valid trial was watched by instruments")
        } else {
            Measured::Value(judged.edge_shares.mean())
        },
        ends_cpu_ratio: pairings.watched_cost(),
        goodput_ratio: pairings.watched(Metric::GoodputGbps),
    };
    let mut ratios = pairings.ratios(places, plan.measure.margin);
    let line = Line::of(host, &estimates);
    let noise_floor = pairings.noise_floor(places, plan.measure.margin, line.as_ref());
    if let Some(line) = &line {
        line.judge(&mut ratios);
    }
    let rounds = whole_rounds(judged, &complete);
    let logs = RoundLogs::new(places, trials, &complete);
    let control = Control::of(plan, places, trials, &logs);
    let trends = judged.trends().found(plan.measure.margin);
    let load =
        LoadFacts::of(places, pairings.contrasts(), trials, &complete, &logs, &plan.thresholds);
    let known = Known { rounds, drift, turn_noise: pairings.turn_noise(), load };
    let run = run_facts(judged, plan, host, known, &estimates, &ratios);
    let audits = judged.audits();
    let basis = Basis {
        plan,
        host,
        run: &run,
        without_line: judged.run.without_line,
        estimates: &estimates,
        ratios: &ratios,
        marks: &judged.run.marks,
        noise_floor: &noise_floor,
        instrument_cost: &instrument_cost,
        control: &control,
        trends: &trends,
        audits: &audits,
    };
    let explained = explain(&Explaining {
        plan,
        host,
        audits: &audits,
        trials,
        rounds: &logs,
        places,
        estimates: &estimates,
        ratios: &ratios,
        run: &run,
        noise_floor: &noise_floor,
        line: line.as_ref(),
    });
    Summary {
        version: SUMMARY_VERSION,
        copycost: env!("CARGO_PKG_VERSION").to_owned(),
        warnings: warnings(&basis),
        run,
        estimates,
        ratios,
        marks: judged.run.marks.clone(),
        noise_floor,
        control,
        line,
        trends,
        instrument_cost,
        explained,
    }
}

/// Blocks of which any cell was tried.
fn attempted_blocks(judged: &JudgedRun) -> usize {
    let all = 0..judged.places.blocks.len();
    all.filter(|block| judged.groups.was_attempted(*block)).count()
}

/// Rounds with every block complete. Blocks that were never attempted are not waited for in rounds that the study
/// left behind: this machine cannot measure them.
fn whole_rounds(judged: &JudgedRun, complete: &[Complete]) -> u32 {
    let mut blocks: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
    for Complete { round, block, .. } in complete {
        blocks.entry(*round).or_default().insert(*block);
    }
    let all = judged.places.blocks.len();
    let attempted = attempted_blocks(judged);
    let is_whole = |(round, blocks): &(&u32, &BTreeSet<usize>)| {
        blocks.len() == all || (**round <= judged.whole_until && blocks.len() == attempted)
    };
    u32::try_from(blocks.iter().filter(is_whole).count()).unwrap_or(u32::MAX)
}

fn run_facts(
    judged: &JudgedRun,
    plan: &Plan,
    host: &Host,
    Known { rounds, drift, turn_noise, load }: Known,
    estimates: &[CellEstimates],
    ratios: &[Ratio],
) -> RunFacts {
    let mut run = judged.run.clone();
    let spent_ns = run.spent_ns();
    let asked = || estimates.iter().filter(|estimate| !estimate.control);
    let imprecise: Vec<String> = asked()
        .filter(|estimate| estimate.precise == Measured::Value(false))
        .map(|estimate| estimate.cell.id())
        .collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (cells, missed) = (count(judged.places.asked), count(imprecise.len()));
    let if_asked = |of: &dyn Fn(Share) -> u32| match plan.measure.precision {
        Some(precision) => Measured::Value(of(precision)),
        None => Measured::absent("the plan asks for no precision"),
    };
    let is_narrow = |limit: Share| move |width: Option<f64>| width.is_some_and(|it| it <= limit.0);
    let untried = if run.imported.is_empty() { "it was never tried" } else { IN_NO_ROW };
    let without_valid_trial = judged
        .places
        .cells
        .iter()
        .zip(&judged.cells)
        .filter_map(|(cell, totals)| Some((cell.id(), totals.why_none(untried)?)))
        .collect();
    RunFacts {
        label: plan.label.clone(),
        preset: plan.preset.to_string(),
        started_unix_ms: run.started_unix_ms.unwrap_or(0),
        spent_ns,
        segments: run.segments,
        rounds,
        preliminary: rounds < FEWEST_ROUNDS,
        finish: run.ending(),
        imported: run.imported.clone(),
        unstated: run.unstated(),
        cells,
        comparisons: count(ratios.iter().filter(|r| r.metric == Metric::GoodputGbps).count()),
        precise_comparisons: if_asked(&|limit| {
            count(widths(ratios).filter(|(_, width)| is_narrow(limit)(*width)).count())
        }),
        drift,
        turn_noise,
        load,
        precise_cells: if_asked(&|_| cells.saturating_sub(missed)),
        imprecise,
        without_valid_trial,
        trials: run.trials,
        void_trials: run.void_trials,
        noted_trials: run.noted_trials,
        copying_devices: run.copying_devices(),
        congestion: run.congestion(),
        placement: run.placement(host),
        usable_cpus: run.usable_cpus(host),
        peak_rss_without_rings_bytes: run.peak_rss_without_rings(),
    }
}
