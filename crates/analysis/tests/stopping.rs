//! Deciding whether another round is worth its time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's functions may fail it")]

use analysis::marks::judge;
use analysis::stopping::{Decision, Observations, decide, widest};
use model::record::FailureKind;
use model::{Cell, Mark, Plan, Preset, SendPath, Share};
use synthetic::TrialBuilder;

fn small_plan() -> Plan {
    let mut plan = Plan::preset(Preset::Default);
    plan.factors.message.truncate(1);
    plan.factors.threads.truncate(1);
    plan
}

/// Observations after some rounds of the plan's cells.
fn after(
    plan: &Plan,
    rounds: u32,
    mut figures: impl FnMut(&Cell, u32) -> TrialBuilder,
) -> Observations {
    let mut observations = Observations::new(plan);
    for round in 1..=rounds {
        for (_, cells) in analysis::round_order(plan, round) {
            for cell in cells {
                let trial = figures(&cell, round).build();
                observations.push(&trial, &judge(&trial, &plan.thresholds));
            }
        }
        observations.end_round();
    }
    observations
}

fn noisy(spread: f64) -> impl FnMut(&Cell, u32) -> TrialBuilder {
    move |cell, round| {
        synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, spread))
    }
}

#[test]
fn a_quiet_machine_is_done_after_the_fewest_rounds_and_no_sooner() {
    let plan = small_plan();
    assert_eq!(decide(&Observations::new(&plan)), Decision::Continue);
    assert_eq!(decide(&after(&plan, 9, noisy(0.005))), Decision::Continue);
    assert_eq!(decide(&after(&plan, 10, noisy(0.005))), Decision::Precise);
}

#[test]
fn one_wide_cell_keeps_the_run_going_and_is_named() {
    let plan = small_plan();
    let observations = after(&plan, 12, |cell, round| {
        let spread = if cell.send_path == SendPath::Zerocopy { 0.3 } else { 0.005 };
        synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, spread))
    });
    assert_eq!(decide(&observations), Decision::Continue);
    let (cell, width) = widest(&observations).unwrap();
    assert_eq!(cell.send_path, SendPath::Zerocopy);
    assert!(width > 0.03);
    assert_eq!(observations.half_width(&cell), Some(width));
    assert!(!observations.is_precise(&cell));
    assert_eq!(observations.precise_cells(), 2);
}

#[test]
fn the_wider_one_of_goodput_and_cpu_counts() {
    let plan = small_plan();
    let observations = after(&plan, 12, |cell, round| {
        let ns = 500.0 * synthetic::noise(3, cell, round, 0.3);
        synthetic::trial(cell, round).goodput_gbps(10.0).ends_cpu_ns_per_kib(ns)
    });
    assert_eq!(decide(&observations), Decision::Continue);
    assert!(widest(&observations).unwrap().1 > 0.1);
}

#[test]
fn without_a_precision_nothing_is_ever_precise() {
    let mut plan = small_plan();
    plan.measure.precision = None;
    assert_eq!(decide(&after(&plan, 20, noisy(0.001))), Decision::Continue);
}

#[test]
fn controls_are_not_waited_for() {
    let plan = small_plan();
    let controls = plan.controls();
    assert_eq!(controls.len(), 3);
    let observations = after(&plan, 10, |cell, round| {
        let spread = if controls.contains(cell) { 0.5 } else { 0.005 };
        synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, spread))
    });
    assert_eq!(decide(&observations), Decision::Precise);
}

#[test]
fn void_trials_add_nothing() {
    let plan = small_plan();
    let observations = after(&plan, 15, |cell, round| {
        let good = synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, 0.005));
        if cell.send_path == SendPath::Send { good.marked(Mark::Unsettled) } else { good }
    });
    assert_eq!(decide(&observations), Decision::Continue);
    assert_eq!(observations.half_width(&plan.cells()[0]), None);
}

#[test]
fn a_cell_that_this_machine_cannot_measure_is_not_waited_for_unless_it_is_the_only_one() {
    let plan = small_plan();
    let without_zerocopy = |cell: &Cell, round| {
        let trial = synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, 0.005));
        match cell.send_path {
            SendPath::Zerocopy => trial.failed(FailureKind::Unsupported, "SO_ZEROCOPY: ENOTSUPP"),
            SendPath::Send | SendPath::Staged | SendPath::Sendmsg => trial,
        }
    };
    assert_eq!(decide(&after(&plan, 10, without_zerocopy)), Decision::Precise);
    let mut alone = plan.clone();
    alone.factors.send_path = vec![SendPath::Zerocopy];
    let observations = after(&alone, 10, without_zerocopy);
    assert_eq!(decide(&observations), Decision::Continue);
    assert!(observations.is_unsupported(&alone.cells()[0]));
    assert_eq!(widest(&observations), None);
}

#[test]
fn a_tighter_plan_takes_more_rounds() {
    let mut plan = small_plan();
    let rounds = |plan: &Plan| {
        (1..200)
            .find(|rounds| decide(&after(plan, *rounds, noisy(0.05))) == Decision::Precise)
            .unwrap()
    };
    let loose = rounds(&plan);
    plan.measure.precision = Some(Share(0.02));
    assert!(rounds(&plan) > loose);
}
