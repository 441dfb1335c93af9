//! The summary of runs with a known truth, and of runs that went wrong in every way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's functions may fail it")]

use analysis::estimate::Estimate;
use analysis::results::{CellEstimates, Ending, Finding, Ratio};
use analysis::warnings::{MoreRounds, Warning};
use analysis::{Metric, Summary, summarise};
use model::names::{Switch, Watch};
use model::record::{FailureKind, Finish, FinishReason, Outcome, Record};
use model::{Cell, Factor, Mark, Measured, Nanos, Plan, Preset, SendPath};
use proptest::prelude::*;
use synthetic::NO_COUNTERS;

fn plan(preset: Preset) -> Plan {
    Plan::preset(preset)
}

fn small_plan() -> Plan {
    let mut plan = plan(Preset::Default);
    plan.factors.message.truncate(1);
    plan.factors.threads.truncate(1);
    plan
}

fn summary(plan: &Plan, records: &[Record]) -> Summary {
    summarise(plan, &synthetic::host(), records)
}

fn noisy(cell: &Cell, round: u32) -> synthetic::TrialBuilder {
    synthetic::trial(cell, round).faster(synthetic::noise(11, cell, round, 0.01))
}

fn estimate(cell: &CellEstimates, metric: Metric) -> Estimate {
    *cell.metrics[&metric].value().unwrap()
}

fn holds(estimate: &Estimate, truth: f64) -> bool {
    estimate.low.unwrap() <= truth && truth <= estimate.high.unwrap()
}

/// Asserts that a warning like this is given.
macro_rules! warns {
    ($summary:expr, $pattern:pat $(if $guard:expr)?) => {
        assert!(
            $summary.warnings.iter().any(|warning| matches!(warning, $pattern $(if $guard)?)),
            "{:#?}",
            $summary.warnings
        )
    };
}

// After the macro, which they use.
#[path = "summary/unfinished.rs"]
mod unfinished;
#[path = "summary/warned.rs"]
mod warned;

fn ratio_of(summary: &Summary, path: SendPath, against: SendPath, metric: Metric) -> Vec<&Ratio> {
    let is_it = |r: &&Ratio| {
        r.cell.send_path == path && r.against.send_path == against && r.metric == metric
    };
    summary.ratios.iter().filter(is_it).collect()
}

#[test]
fn a_good_run_is_told_whole() {
    let plan = plan(Preset::Default);
    let calm = |cell: &Cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(11, cell, round, 0.005))
    };
    let summary = summary(&plan, &synthetic::run(&plan, 12, calm));
    let run = &summary.run;
    assert_eq!((run.cells, run.rounds, run.segments, run.trials), (48, 12, 1, 51 * 12));
    assert_eq!((run.void_trials, run.noted_trials), (0, 0));
    assert!(!run.preliminary);
    assert_eq!(run.finish, Ending::Rounds);
    assert_eq!(run.congestion, "cubic");
    assert_eq!(run.placement, "senders CPU 0-3, receivers CPU 4-7, sharing physical cores");
    assert_eq!(run.usable_cpus, 8);
    assert_eq!(run.precise_cells, Measured::Value(48));
    assert_eq!((run.comparisons, &run.precise_comparisons), (48, &Measured::Value(48)));
    assert_eq!(run.peak_rss_without_rings_bytes, Measured::Value(6 << 20));
    assert_eq!(run.spent_ns, Measured::Value(51 * 12 * 400_000_000));
    assert!(run.imprecise.is_empty() && run.without_valid_trial.is_empty());

    assert_eq!(summary.estimates.len(), 51);
    assert_eq!(summary.estimates.iter().filter(|e| e.control).count(), 3);
    assert_eq!(summary.estimates.iter().filter(|e| e.oversubscribed.is_so()).count(), 12);
    // Three paths give three ratios in each of 16 blocks, each for five metrics.
    assert_eq!(summary.ratios.len(), 16 * 3 * 5);
    assert!(summary.ratios.iter().all(|ratio| ratio.p_holm.value() >= ratio.p.value()));
    assert_eq!(summary.marks.keys().collect::<Vec<_>>(), [&Mark::Oversubscribed]);
    assert_eq!(
        summary.warnings,
        [
            Warning::Oversubscribed { threads: [8, 8], cpus: 8 },
            Warning::Copied { shares: [1.0, 1.0], on_delivery: true, over: Vec::new() },
            Warning::NoCounters { why: NO_COUNTERS.to_owned() },
        ]
    );
}

#[test]
fn intervals_hold_the_truth_that_was_put_in() {
    let plan = plan(Preset::Default);
    type Truth = fn(synthetic::Figures) -> f64;
    let truths: [(Metric, Truth); 3] = [
        (Metric::GoodputGbps, |f| f.goodput_gbps),
        (Metric::SenderCpuNsPerKib, |f| f.sender_cpu_ns_per_kib),
        (Metric::EndsCpuNsPerKib, |f| f.sender_cpu_ns_per_kib + f.receiver_cpu_ns_per_kib),
    ];
    for (metric, truth) in truths {
        let (mut held, mut of) = (0, 0);
        for seed in 0..6 {
            let noisy = |cell: &Cell, round| {
                synthetic::trial(cell, round).faster(synthetic::noise(seed, cell, round, 0.01))
            };
            for cell in summary(&plan, &synthetic::run(&plan, 10, noisy)).estimates {
                let truth = truth(synthetic::likely(&cell.cell));
                of += 1;
                held += u32::from(holds(&estimate(&cell, metric), truth));
            }
        }
        // 306 cells: 95 % are 291, with a standard deviation of 4.
        assert!((279..=303).contains(&held), "{metric:?}: {held} of {of}");
    }
}

#[test]
fn drift_that_a_block_shares_cancels_in_its_ratios() {
    let plan = small_plan();
    // The machine loses half its speed during the run; sendmsg is 1.2 times as fast as send throughout.
    let records = synthetic::run(&plan, 12, |cell, round| {
        let drift = 1.0 - 0.04 * f64::from(round);
        let path = if cell.send_path == SendPath::Sendmsg { 1.2 } else { 1.0 };
        let noise = synthetic::noise(5, cell, round, 0.005);
        synthetic::trial(cell, round).goodput_gbps(10.0 * drift * path * noise)
    });
    let summary = summary(&plan, &records);
    let ratio = ratio_of(&summary, SendPath::Sendmsg, SendPath::Send, Metric::GoodputGbps)[0];
    let estimate = ratio.ratio.value().unwrap();
    assert!(holds(estimate, 1.2), "{estimate:?}");
    assert!(estimate.high.unwrap() / estimate.low.unwrap() < 1.02);
    assert_eq!(ratio.finding, Finding::More);
    let same = ratio_of(&summary, SendPath::Zerocopy, SendPath::Send, Metric::GoodputGbps)[0];
    assert_eq!(same.finding, Finding::Equivalent);
    assert_eq!(estimate.trials, 12);
    let level = summary.estimates.iter().find(|e| e.cell == ratio.cell).unwrap();
    assert_eq!(level.precise, Measured::Value(false));
    // The ratios are as precise as asked; of the levels it is told that they drift.
    assert_eq!(summary.run.precise_comparisons, Measured::Value(3));
    assert!(!summary.warnings.iter().any(|it| matches!(it, Warning::Imprecise { .. })));
    warns!(summary, Warning::Drift { .. });
    let drift = summary.run.drift.value().unwrap();
    assert!(drift.correlation > 0.5 && drift.widening > 2.0, "{drift:?}");
}

#[test]
fn ratios_that_are_wide_are_counted_and_the_widest_is_named() {
    let plan = small_plan();
    let records = synthetic::run(&plan, 12, |cell, round| {
        let spread = if cell.send_path == SendPath::Zerocopy { 0.3 } else { 0.002 };
        synthetic::trial(cell, round).faster(synthetic::noise(5, cell, round, spread))
    });
    let summary = summary(&plan, &records);
    assert_eq!(
        (summary.run.comparisons, &summary.run.precise_comparisons),
        (3, &Measured::Value(1))
    );
    let wide = |it: &Warning| {
        if let Warning::Imprecise { wide: 2, of: 3, are_ratios: true, widest, .. } = it {
            widest.clone()
        } else {
            None
        }
    };
    let widest = summary.warnings.iter().find_map(wide).unwrap();
    assert_eq!(widest.contrast.unwrap().value, "zerocopy");
    assert!(widest.half_width > 0.1);
    assert!(!summary.warnings.iter().any(|it| matches!(it, Warning::Drift { .. })));
}

#[test]
fn every_later_path_is_compared_with_every_earlier_one_in_the_order_of_the_study() {
    let mut plan = small_plan();
    plan.factors.send_path =
        vec![SendPath::Zerocopy, SendPath::Staged, SendPath::Send, SendPath::Sendmsg];
    let summary = summary(&plan, &synthetic::run(&plan, 3, noisy));
    let pairs: Vec<_> = summary
        .ratios
        .iter()
        .filter(|ratio| ratio.metric == Metric::GoodputGbps)
        .map(|ratio| (ratio.cell.send_path.name(), ratio.against.send_path.name()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("staged", "send"),
            ("sendmsg", "send"),
            ("sendmsg", "staged"),
            ("zerocopy", "send"),
            ("zerocopy", "staged"),
            ("zerocopy", "sendmsg"),
        ]
    );
}

#[test]
fn twins_give_the_noise_floor_and_the_instruments_cost() {
    let plan = small_plan();
    let records = synthetic::run(&plan, 15, |cell, round| {
        // Instruments cost 2 % of CPU here.
        let unwatched = if cell.watch == Watch::None { 0.98 } else { 1.0 };
        let ns = 400.0 * unwatched * synthetic::noise(1, cell, round, 0.002);
        synthetic::trial(cell, round)
            .goodput_gbps(10.0 * synthetic::noise(2, cell, round, 0.01))
            .ends_cpu_ns_per_kib(ns)
            .edge_ns(100_000)
    });
    let summary = summary(&plan, &records);
    let floor = summary.noise_floor.value().unwrap();
    assert!(holds(&floor.goodput, 1.0) && floor.equivalent);
    assert!(floor.half_width > 0.003 && floor.half_width < 0.02, "{}", floor.half_width);
    assert_eq!(floor.goodput.trials, 15);
    let cost = &summary.instrument_cost;
    assert!(holds(cost.ends_cpu_ratio.value().unwrap(), 1.0 / 0.98));
    assert!(holds(cost.goodput_ratio.value().unwrap(), 1.0));
    // 200 µs of both ends over their CPU time: 400 ns per KiB at 10 Gbit/s in 250 ms.
    let cpu_ns = 400.0 * 10.0 / 8.0 * 250e6 / 1024.0;
    let share = *cost.edge_share.value().unwrap();
    assert!((share / (200_000.0 / cpu_ns) - 1.0).abs() < 0.02, "{share}");
    warns!(summary, Warning::Instruments { share } if (share - 0.02).abs() < 0.002);
}

#[test]
fn twins_that_differ_are_not_called_equal() {
    let plan = small_plan();
    let records = synthetic::run(&plan, 12, |cell, round| {
        let twin = if cell.replica.get() == 2 { 1.1 } else { 1.0 };
        synthetic::trial(cell, round)
            .goodput_gbps(10.0 * twin * synthetic::noise(2, cell, round, 0.005))
    });
    let summary = summary(&plan, &records);
    assert!(!summary.noise_floor.value().unwrap().equivalent);
    warns!(summary, Warning::Noise { is_coarse: false, .. });
}

#[test]
fn the_papers_sums_have_right_quotients() {
    let mut plan = small_plan();
    plan.measure.controls = false;
    let records = synthetic::run(&plan, 4, |cell, round| {
        // Windows of different length, rates of 10 and 20: the quotient weighs by time.
        let (gbps, ms) = if round % 2 == 0 { (10.0, 300) } else { (20.0, 100) };
        let trial =
            synthetic::trial(cell, round).goodput_gbps(gbps).window(Nanos::ms(ms)).counted();
        if round == 4 { trial.marked(Mark::ContentLost) } else { trial }
    });
    let summary = summary(&plan, &records);
    let paper = &summary.estimates[0].paper;
    assert_eq!((paper.implementation.as_str(), paper.message_bytes, paper.threads), ("A1", 64, 1));
    let bytes = (20.0 * 100e6 * 2.0 + 10.0 * 300e6) / 8.0;
    assert!((*paper.total_bytes.value().unwrap() as f64 - bytes).abs() < 2.0);
    assert!((paper.throughput_gbps.value().unwrap() - bytes * 8.0 / 500e6).abs() < 1e-6);
    assert_eq!(paper.context_switches, Measured::Value(3 * 250));
    let cycles = *paper.cycles.value().unwrap() as f64;
    let cpu = bytes / 1024.0 * {
        let figures = synthetic::likely(&summary.estimates[0].cell);
        figures.sender_cpu_ns_per_kib + figures.receiver_cpu_ns_per_kib
    };
    assert!((cycles / (3.2 * cpu) - 1.0).abs() < 1e-6);
}

#[test]
fn a_sum_of_which_a_part_is_absent_is_absent() {
    let plan = small_plan();
    let records = synthetic::run(&plan, 3, |cell, round| {
        let trial = synthetic::trial(cell, round);
        if round == 2 { trial } else { trial.counted() }
    });
    let paper = &summary(&plan, &records).estimates[0].paper;
    assert_eq!(paper.cycles.reason(), Some(NO_COUNTERS));
    assert_eq!(paper.cache_misses.reason(), Some(NO_COUNTERS));
    assert!(paper.context_switches.value().is_some());
}

#[test]
fn one_path_has_no_ratios_and_still_a_noise_floor() {
    let mut plan = small_plan();
    plan.factors.send_path = vec![SendPath::Sendmsg];
    let summary = summary(&plan, &synthetic::run(&plan, 10, noisy));
    assert!(summary.ratios.is_empty());
    assert!(summary.noise_floor.value().is_some());
    assert_eq!(summary.run.rounds, 10);
}

#[test]
fn sizes_that_nobody_foresaw_and_cells_of_another_plan_do_no_harm() {
    let mut plan = small_plan();
    plan.factors.message =
        vec!["67".parse().unwrap(), "1".parse().unwrap(), "64MiB".parse().unwrap()];
    let mut records = synthetic::run(&plan, 10, noisy);
    let foreign =
        synthetic::trial(&"send=staged message_bytes=77 threads=3".parse().unwrap(), 1).build();
    records.push(Record::Trial(Box::new(foreign)));
    let summary = summary(&plan, &records);
    assert_eq!(summary.run.rounds, 10);
    assert_eq!(summary.estimates.len(), 12);
    assert_eq!(summary.run.trials, 121);
    assert!(summary.estimates.iter().all(|e| e.metrics[&Metric::GoodputGbps].value().is_some()));
}

/// Whether two files hold the same, but for the last digits of a number.
fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-12 * a.abs()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn a_summary_reads_back_from_its_file() {
    for (preset, rounds) in [(Preset::Quick, 3), (Preset::Paper, 1), (Preset::Default, 0)] {
        let plan = plan(preset);
        let written =
            serde_json::to_value(summary(&plan, &synthetic::run(&plan, rounds, noisy))).unwrap();
        let text = serde_json::to_string(&written).unwrap();
        assert!(same(&written, &serde_json::from_str(&text).unwrap()));
        for part in ["run", "estimates", "ratios", "warnings", "recommendations", "claims"] {
            assert!(!written[part].is_null(), "{part} is not in the file");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_journal_cut_anywhere_is_summarised_in_finite_figures(
        cut in 0_usize..200, again in 0_usize..200, mark in prop::sample::select(Mark::ALL), seed in 0_u64..1000
    ) {
        let plan = small_plan();
        let whole = synthetic::run(&plan, 12, |cell, round| {
            let trial = synthetic::trial(cell, round).faster(synthetic::noise(seed, cell, round, 2.0));
            if (seed + u64::from(round)).is_multiple_of(3) { trial.marked(mark) } else { trial }
        });
        let mut records = whole[..cut.min(whole.len())].to_vec();
        records.extend_from_slice(&whole[again.min(whole.len())..]);
        let summary = summary(&plan, &records);
        let valid: u32 = summary.estimates.iter().map(|e| e.trials).sum();
        prop_assert_eq!(valid + summary.run.void_trials, summary.run.trials);
        prop_assert!(summary.run.rounds <= 12);
        let finite = |e: &Estimate| e.mean.is_finite() && e.low.is_none_or(f64::is_finite) && e.high.is_none_or(f64::is_finite);
        for cell in &summary.estimates {
            prop_assert_eq!(cell.metrics.len(), Metric::ALL.len());
            for (metric, estimate) in &cell.metrics {
                let Some(estimate) = estimate.value() else { continue };
                prop_assert!(finite(estimate));
                if metric.pooled().is_some() {
                    // Of single messages there may be too few for an interval.
                    prop_assert!(estimate.low.is_none() || estimate.trials > 1);
                } else {
                    prop_assert_eq!(estimate.low.is_some(), estimate.trials > 1);
                }
                prop_assert!(estimate.trials <= cell.trials);
            }
        }
        for ratio in &summary.ratios {
            prop_assert!(ratio.ratio.value().is_none_or(finite));
            prop_assert!(ratio.ratio.value().is_none_or(|e| e.trials <= 12));
        }
        // A figure that is not finite would be written as null, and not read back.
        let text = serde_json::to_string(&summary).unwrap();
        prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
}
