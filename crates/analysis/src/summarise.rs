//! From the journal's records to the summary, in one pass.

use std::collections::{BTreeMap, BTreeSet};

use model::host::Host;
use model::names::Watch;
use model::plan::FEWEST_ROUNDS;
use model::record::{FailureKind, FinishReason, Finished, Outcome, Record, Round};
use model::{Measured, Plan, Share};

use crate::cell_totals::{CellTotals, LevelRule};
use crate::common_spread::CommonSpread;
use crate::control::Control;
use crate::drift::Drift;
use crate::estimate::Moments;
use crate::explain::{Explaining, explain};
use crate::judged::JudgedTrials;
use crate::load::LoadFacts;
use crate::metric::Metric;
use crate::pairings::{Pairings, Places};
use crate::pairs::{Complete, Groups, Paired, widths};
use crate::results::{CellEstimates, InstrumentCost, Ratio, RunFacts};
use crate::round_logs::RoundLogs;
use crate::run_facts::RunTotals;
use crate::summary::{SUMMARY_VERSION, Summary};
use crate::trends::Trends;
use crate::turn_noise::TurnNoise;
use crate::warnings::{Basis, warnings};

/// Why a cell of an imported run has no trial.
const IN_NO_ROW: &str = "no row of the file is of this cell";

/// Everything that may be said of a run.
///
/// Levels come from all valid trials of a cell; ratios from complete blocks only (see [`crate::pairs`]). A trial of a
/// cell that is not of the plan is counted among the run's trials and marks and enters nothing else. Time and memory
/// grow with the number of records.
pub fn summarise(plan: &Plan, host: &Host, records: &[Record]) -> Summary {
    let trials = JudgedTrials::new(plan, records);
    Pass::over(plan, &trials, records).close(plan, host, records)
}

/// A plan's cells by place, and the complete blocks of a journal.
pub(crate) fn complete_blocks(
    plan: &Plan,
    trials: &JudgedTrials<'_>,
    records: &[Record],
) -> (Places, Vec<Complete>) {
    let pass = Pass::over(plan, trials, records);
    let complete = pass.groups.complete();
    (pass.places, complete)
}

/// What was found of the run's rounds.
struct Known {
    rounds: u32,
    drift: Measured<Drift>,
    turn_noise: Measured<TurnNoise>,
    load: Measured<LoadFacts>,
}

struct Pass<'a> {
    trials: &'a JudgedTrials<'a>,
    places: Places,
    cells: Vec<CellTotals>,
    groups: Groups,
    run: RunTotals,
    round: Option<&'a Round>,
    /// The highest round that the study left behind: another one began, or it finished by itself.
    whole_until: u32,
    edge_shares: Moments,
}

impl<'a> Pass<'a> {
    fn new(plan: &Plan, trials: &'a JudgedTrials<'a>) -> Self {
        let places = Places::new(plan);
        Self {
            trials,
            cells: vec![CellTotals::new(); places.cells.len()],
            groups: Groups::new(places.blocks.iter().map(|(_, members)| members.clone()).collect()),
            places,
            run: RunTotals::default(),
            round: None,
            whole_until: 0,
            edge_shares: Moments::default(),
        }
    }

    /// All records taken in.
    fn over(plan: &Plan, trials: &'a JudgedTrials<'a>, records: &'a [Record]) -> Self {
        let mut pass = Self::new(plan, trials);
        let mut judged = 0..trials.all().len();
        for record in records {
            pass.push(record, &mut judged);
        }
        pass
    }

    /// Takes a record in; `judged` counts the trials.
    fn push(&mut self, record: &'a Record, judged: &mut impl Iterator<Item = usize>) {
        match record {
            Record::Segment(segment) => {
                self.groups.begin_ends(false);
                self.round = None;
                self.run.segment(segment);
            }
            Record::Round(round) => {
                self.groups.begin_ends(true);
                self.whole_until = self.whole_until.max(round.round.saturating_sub(1));
                self.round = Some(round);
                self.run.round();
            }
            Record::Finish(finish) => {
                let by_itself =
                    !matches!(finish.reason, FinishReason::Interrupted | FinishReason::Failed);
                self.groups.close(by_itself);
                if let (FinishReason::Precise | FinishReason::Rounds, Some(round)) =
                    (finish.reason, self.round)
                {
                    self.whole_until = self.whole_until.max(round.round);
                }
                self.run.finish(finish);
            }
            Record::Trial(_) => judged.by_ref().take(1).for_each(|place| self.trial(place)),
            // Never timed; what they tell is gathered by `AuditRecords`.
            Record::Audit(_) | Record::AuditRefused(_) | Record::Ceiling(_) => {}
            Record::Imported(file) => self.run.imported.push((**file).clone()),
        }
    }

    fn trial(&mut self, place: usize) {
        let judged = &self.trials.all()[place];
        let trial = judged.trial;
        self.run.trial(trial, &judged.marks);
        let Some(cell) = self.places.place(&trial.cell) else {
            self.groups.close(true);
            return;
        };
        self.cells[cell].push(judged);
        let is_unsupported = matches!(
            &trial.outcome,
            Outcome::Failed(failure) if failure.kind == FailureKind::Unsupported
        );
        let block = self.places.block_of[cell];
        self.groups.push(Paired {
            round: trial.round,
            block,
            cell,
            trial: judged.is_valid().then_some(place),
            is_unsupported,
        });
        if let (Some(finished), Watch::Cheap, true) =
            (judged.finished(), trial.cell.watch, judged.is_valid())
            && let Some(share) = edge_share(finished)
        {
            self.edge_shares.push(share);
        }
    }

    fn close(mut self, plan: &Plan, host: &Host, records: &[Record]) -> Summary {
        let places = &self.places;
        let complete = self.groups.complete();
        let pairings = Pairings::over(plan, places, self.trials, &complete);
        let asked = || places.cells.iter().zip(&self.cells).take(places.asked);
        let drift = Drift::of(&[0, 1].map(|metric: usize| {
            asked().map(|(_, totals)| totals.levels()[metric].clone()).collect()
        }));
        let levels = LevelRule {
            limit: plan.level_precision(),
            widening: drift.value().map_or(1.0, |drift| drift.widening),
            spreads: [0, 1].map(|metric: usize| {
                CommonSpread::of(
                    asked().filter_map(|(cell, totals)| totals.logs(cell.link)[metric]),
                )
            }),
        };
        let estimates: Vec<CellEstimates> = places
            .cells
            .iter()
            .zip(&self.cells)
            .enumerate()
            .map(|(place, (cell, totals))| totals.estimates(cell, place >= places.asked, &levels))
            .collect();
        let instrument_cost = InstrumentCost {
            edge_share: if self.edge_shares.is_empty() {
                Measured::absent("no valid trial was watched by instruments")
            } else {
                Measured::Value(self.edge_shares.mean())
            },
            ends_cpu_ratio: pairings.watched_cost(),
            goodput_ratio: pairings.watched(Metric::GoodputGbps),
        };
        let noise_floor = pairings.noise_floor(plan.measure.margin);
        let ratios = pairings.ratios(places, plan.measure.margin);
        let rounds = self.whole_rounds(&complete);
        let logs = RoundLogs::new(places, self.trials, &complete);
        let control = Control::of(plan, places, self.trials, &logs);
        let trends = Trends::of(self.trials).found(plan.measure.margin);
        let load = LoadFacts::of(
            places,
            pairings.contrasts(),
            self.trials,
            &complete,
            &logs,
            &plan.thresholds,
        );
        let known = Known { rounds, drift, turn_noise: pairings.turn_noise(), load };
        let run = self.run_facts(plan, host, known, &estimates, &ratios);
        let basis = Basis {
            plan,
            host,
            run: &run,
            estimates: &estimates,
            ratios: &ratios,
            marks: &self.run.marks,
            noise_floor: &noise_floor,
            instrument_cost: &instrument_cost,
            control: &control,
            trends: &trends,
        };
        let explained = explain(&Explaining {
            plan,
            host,
            records,
            trials: self.trials,
            rounds: &RoundLogs::new(&self.places, self.trials, &complete),
            places: &self.places,
            estimates: &estimates,
            ratios: &ratios,
            run: &run,
            noise_floor: &noise_floor,
        });
        Summary {
            version: SUMMARY_VERSION,
            copycost: env!("CARGO_PKG_VERSION").to_owned(),
            warnings: warnings(&basis),
            run,
            estimates,
            ratios,
            marks: self.run.marks,
            noise_floor,
            control,
            trends,
            instrument_cost,
            explained,
        }
    }

    /// Rounds with every block complete. Blocks that were never attempted are not waited for in rounds that the study
    /// left behind: this machine cannot measure them.
    fn whole_rounds(&self, complete: &[Complete]) -> u32 {
        let mut blocks: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
        for Complete { round, block, .. } in complete {
            blocks.entry(*round).or_default().insert(*block);
        }
        let all = self.places.blocks.len();
        let attempted = (0..all).filter(|block| self.groups.was_attempted(*block)).count();
        let is_whole = |(round, blocks): &(&u32, &BTreeSet<usize>)| {
            blocks.len() == all || (**round <= self.whole_until && blocks.len() == attempted)
        };
        u32::try_from(blocks.iter().filter(is_whole).count()).unwrap_or(u32::MAX)
    }

    fn run_facts(
        &mut self,
        plan: &Plan,
        host: &Host,
        Known { rounds, drift, turn_noise, load }: Known,
        estimates: &[CellEstimates],
        ratios: &[Ratio],
    ) -> RunFacts {
        let spent_ns = self.run.spent_ns();
        let asked = || estimates.iter().filter(|estimate| !estimate.control);
        let imprecise: Vec<String> = asked()
            .filter(|estimate| estimate.precise == Measured::Value(false))
            .map(|estimate| estimate.cell.id())
            .collect();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (cells, missed) = (count(self.places.asked), count(imprecise.len()));
        let if_asked = |of: &dyn Fn(Share) -> u32| match plan.measure.precision {
            Some(precision) => Measured::Value(of(precision)),
            None => Measured::absent("the plan asks for no precision"),
        };
        let is_narrow =
            |limit: Share| move |width: Option<f64>| width.is_some_and(|it| it <= limit.0);
        let untried = if self.run.imported.is_empty() { "it was never tried" } else { IN_NO_ROW };
        let without_valid_trial = self
            .places
            .cells
            .iter()
            .zip(&self.cells)
            .filter_map(|(cell, totals)| Some((cell.id(), totals.why_none(untried)?)))
            .collect();
        let run = &self.run;
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
            congestion: run.congestion(),
            placement: run.placement(host),
            usable_cpus: run.usable_cpus(host),
            peak_rss_without_rings_bytes: run.peak_rss_without_rings(),
        }
    }
}

/// The instruments' work at the window's edges as a share of both ends' CPU time in the window.
fn edge_share(finished: &Finished) -> Option<f64> {
    let workers = finished.sender.workers.iter().chain(&finished.receiver.workers);
    let cpu_ns = workers.map(|worker| worker.cpu_ns.0 as f64).sum::<f64>();
    let edge_ns = finished.sender.edge_ns.0 as f64 + finished.receiver.edge_ns.0 as f64;
    (cpu_ns > 0.0).then_some(edge_ns / cpu_ns)
}
