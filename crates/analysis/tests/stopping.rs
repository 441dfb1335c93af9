//! Deciding whether another round is worth its time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test's functions may fail it, and its runs have few of the paths"
)]

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
fn one_wide_cell_keeps_the_run_going_and_its_widest_ratio_is_named() {
    let plan = small_plan();
    let observations = after(&plan, 12, |cell, round| {
        let spread = if cell.send_path == SendPath::Zerocopy { 0.3 } else { 0.005 };
        synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, spread))
    });
    assert_eq!(decide(&observations), Decision::Continue);
    let widest = widest(&observations).unwrap();
    assert_eq!(widest.cell.send_path, SendPath::Zerocopy);
    assert_eq!(widest.contrast.unwrap().value, "zerocopy");
    assert!(widest.half_width > 0.03);
    assert_eq!(observations.half_width(&widest.cell), Some(widest.half_width));
    // Each of the others is compared with it.
    assert_eq!(observations.precise_cells(), 0);
    let (narrow, of) = observations.narrow_ratios().unwrap();
    assert!(narrow > 0 && narrow < of, "{narrow} of {of}: those that it is in are wide");
    // Where it is compared with nothing, nothing waits for it.
    let mut without = plan;
    without.contrasts = vec!["send: sendmsg / send".parse().unwrap()];
    let observations = after(&without, 12, |cell, round| {
        let spread = if cell.send_path == SendPath::Zerocopy { 0.3 } else { 0.005 };
        synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, spread))
    });
    assert_eq!((decide(&observations), observations.precise_cells()), (Decision::Precise, 3));
}

/// What all cells of a block share: ratios are free of it.
fn shared(round: u32) -> f64 {
    1.0 + 0.3 * f64::from(round % 5)
}

#[test]
fn what_a_block_shares_costs_a_run_of_ratios_nothing_and_keeps_one_of_levels_going() {
    let drifting = |cell: &Cell, round: u32| {
        let noise = synthetic::noise(7, cell, round, 0.003);
        synthetic::trial(cell, round).faster(shared(round) * noise)
    };
    let mut plan = small_plan();
    assert_eq!(decide(&after(&plan, 10, drifting)), Decision::Precise);
    plan.factors.send_path = vec![SendPath::Send];
    let observations = after(&plan, 10, drifting);
    assert_eq!(decide(&observations), Decision::Continue);
    let widest = widest(&observations).unwrap();
    assert_eq!((widest.contrast, widest.half_width > 0.1), (None, true));
    assert_eq!(decide(&after(&plan, 10, noisy(0.003))), Decision::Precise);
}

#[test]
fn trials_of_a_killed_segment_are_not_paired_with_the_next_ones() {
    let plan = small_plan();
    let cells = plan.cells();
    let mut observations = Observations::new(&plan);
    for _ in 0..3 {
        observations.observe(&cells[0], 10.0, 500.0);
        observations.begin_segment();
        observations.observe(&cells[1], 11.0, 510.0);
        observations.observe(&cells[2], 12.0, 520.0);
        observations.end_round();
    }
    assert_eq!(observations.half_width(&cells[0]), None);
    let widest = widest(&observations).unwrap();
    assert_eq!(widest.contrast.unwrap().to_string(), "send: zerocopy / sendmsg");
}

#[test]
fn the_wider_one_of_goodput_and_cpu_counts() {
    let plan = small_plan();
    let observations = after(&plan, 12, |cell, round| {
        let ns = 500.0 * synthetic::noise(3, cell, round, 0.3);
        synthetic::trial(cell, round).goodput_gbps(10.0).ends_cpu_ns_per_kib(ns)
    });
    assert_eq!(decide(&observations), Decision::Continue);
    assert!(widest(&observations).unwrap().half_width > 0.1);
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
        if cell.send_path == SendPath::Send { good.marked(Mark::Throttled) } else { good }
    });
    assert_eq!(decide(&observations), Decision::Continue);
    assert_eq!(observations.half_width(&plan.cells()[0]), None);
    assert_eq!(
        widest(&observations).unwrap().contrast.unwrap().to_string(),
        "send: zerocopy / sendmsg"
    );
}

#[test]
fn a_cell_that_this_machine_cannot_measure_is_not_waited_for_unless_it_is_the_only_one() {
    let plan = small_plan();
    let without_zerocopy = |cell: &Cell, round| {
        let trial = synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, 0.005));
        match cell.send_path {
            SendPath::Zerocopy => trial.failed(FailureKind::Unsupported, "SO_ZEROCOPY: ENOTSUPP"),
            _ => trial,
        }
    };
    assert_eq!(decide(&after(&plan, 10, without_zerocopy)), Decision::Precise);
    let mut alone = plan.clone();
    alone.factors.send_path = vec![SendPath::Zerocopy];
    let observations = after(&alone, 10, without_zerocopy);
    assert_eq!(decide(&observations), Decision::Continue);
    assert!(observations.is_unsupported(&alone.cells()[0]));
    assert_eq!(widest(&observations), None);
    // Nothing is left to compare: the run aims at the level of the one path that it can measure.
    alone.factors.send_path = vec![SendPath::Send, SendPath::Zerocopy];
    let observations = after(&alone, 10, without_zerocopy);
    assert_eq!(decide(&observations), Decision::Precise);
    let widest = widest(&observations).unwrap();
    assert_eq!((widest.cell, widest.contrast), (alone.cells()[0].clone(), None));
}

#[test]
fn a_cell_void_in_three_rounds_in_a_row_is_given_up_until_another_segment_begins() {
    let plan = small_plan();
    let cell = &plan.cells()[0];
    let mut observations = Observations::new(&plan);
    let ends = |observations: &mut Observations, are_valid: &[bool]| -> Vec<bool> {
        are_valid.iter().map(|is_valid| observations.end_cell(cell, *is_valid)).collect()
    };
    // A valid round in between begins the count anew; it is told once.
    assert_eq!(ends(&mut observations, &[false, false, true]), [false; 3]);
    assert!(!observations.is_settled(cell));
    assert_eq!(ends(&mut observations, &[false, false, false]), [false, false, true]);
    assert!(observations.is_settled(cell) && !observations.is_precise(cell));
    assert_eq!(ends(&mut observations, &[false]), [false]);
    observations.begin_segment();
    assert!(!observations.is_settled(cell), "another process may have better luck");
    let foreign: Cell = "send=staged message_bytes=77".parse().unwrap();
    assert!(!observations.end_cell(&foreign, false) && !observations.is_unsupported(&foreign));
}

#[test]
fn what_one_segment_could_not_measure_the_next_one_tries() {
    let plan = small_plan();
    let cell = plan.cells()[2].clone();
    let mut observations = after(&plan, 10, |cell, round| {
        let trial = synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, 0.005));
        if cell.send_path.passes_by_reference() {
            trial.failed(FailureKind::Unsupported, "SO_ZEROCOPY: EPERM")
        } else {
            trial
        }
    });
    assert!(observations.is_settled(&cell));
    assert_eq!(decide(&observations), Decision::Precise);
    observations.begin_segment();
    assert!(!observations.is_settled(&cell) && !observations.is_unsupported(&cell));
    assert_eq!(decide(&observations), Decision::Continue);
}

#[test]
fn a_block_is_left_out_once_none_of_its_cells_needs_it_and_one_is_precise() {
    let mut plan = small_plan();
    let narrow = |plan: &Plan| after(plan, 10, noisy(0.005));
    let (_, block) = plan.blocks().remove(0);
    assert!(narrow(&plan).may_skip(&block), "controls in it need no round of their own");
    assert!(!after(&plan, 9, noisy(0.005)).may_skip(&block));
    let wide = |cell: &Cell, round: u32| {
        let spread = if cell.send_path == SendPath::A1 { 0.3 } else { 0.005 };
        synthetic::trial(cell, round).faster(synthetic::noise(7, cell, round, spread))
    };
    let mut observations = after(&plan, 10, wide);
    assert!(!observations.may_skip(&block), "one cell still needs it");
    // Given up, that cell is no longer waited for; but a block of such cells alone goes on.
    let cells = plan.cells();
    for _ in 0..3 {
        observations.end_cell(&cells[0], false);
    }
    assert!(observations.may_skip(&block));
    let mut hopeless = Observations::new(&plan);
    for cell in cells.iter().cycle().take(3 * cells.len()) {
        hopeless.end_cell(cell, false);
    }
    assert!(cells.iter().all(|cell| hopeless.is_settled(cell)) && !hopeless.may_skip(&block));
    assert_eq!(decide(&hopeless), Decision::Continue);
    // Rounds that the plan fixes are measured whole, and without a precision nothing is enough.
    plan.measure.rounds = Some(20);
    assert!(!narrow(&plan).may_skip(&block));
    plan.measure.rounds = None;
    plan.measure.precision = None;
    assert!(!narrow(&plan).may_skip(&block));
}

#[test]
fn a_tighter_plan_takes_more_rounds() {
    let mut plan = small_plan();
    let rounds = |plan: &Plan| {
        (1..200)
            .find(|rounds| decide(&after(plan, *rounds, noisy(0.02))) == Decision::Precise)
            .unwrap()
    };
    let loose = rounds(&plan);
    plan.measure.precision = Some(Share(0.01));
    assert!(rounds(&plan) > loose);
}
