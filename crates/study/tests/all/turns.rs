//! Blocks that are measured in turns.

use engine::{EngineError, SeriesOrder};
use model::record::{FailureKind, FinishReason, Outcome};
use model::{Mark, Nanos, Plan, SendPath};
use study::Event;

use crate::script::{Script, go_on, is, run, small_plan, trials};

/// [`small_plan`], in turns.
fn in_turns(rounds: u32) -> Plan {
    let mut plan = small_plan(Some(rounds));
    plan.measure.steady = false;
    plan
}

#[test]
fn a_block_is_one_series_whose_turns_hold_every_cell_in_an_order_of_its_own() {
    let mut bench = Script::good();
    let ran = run(&in_turns(2), &mut bench);
    assert_eq!(trials(&ran.records).len(), 8);
    assert_eq!(bench.series.len(), 4, "two blocks in two rounds");
    for series in &bench.series {
        let turns: Vec<&Vec<usize>> = series.warmup_turns.iter().chain(&series.turns).collect();
        assert!(turns.iter().all(|turn| turn.iter().sum::<usize>() == 1 && turn.len() == 2));
        let first = turns.iter().filter(|turn| turn[0] == 0).count();
        assert!((1..turns.len()).contains(&first), "the order changes: {first}");
    }
    assert_eq!(bench.series.iter().filter(|series| series.steady.is_some()).count(), 1);
    let orders = |n: usize| bench.series[n].turns.clone();
    assert_ne!(orders(0), orders(2), "another round has other orders");
    let mut again = Script::good();
    run(&in_turns(2), &mut again);
    assert_eq!(again.series, bench.series, "the orders follow from the seed");
}

#[test]
fn each_slice_that_counts_is_told_between_a_series_beginning_and_its_trials() {
    let mut bench = Script::good();
    let ran = run(&in_turns(1), &mut bench);
    let slices: usize = bench.series[0].turns.iter().map(Vec::len).sum();
    let first = ran.events.iter().skip_while(|it| !matches!(it, Event::TrialStarted { .. }));
    let told: Vec<&Event> =
        first.skip(1).take_while(|it| !matches!(it, Event::TrialEnded { .. })).collect();
    assert_eq!(told.len(), slices);
    for (event, cell) in told.iter().zip(bench.series[0].turns.iter().flatten()) {
        let Event::SliceEnded { cell: of, bytes, took } = event else { panic!("{event:?}") };
        assert_eq!((of, *took), (&bench.series[0].cells[*cell], Nanos::ms(6)));
        assert!(bytes.0 > 0);
    }
}

#[test]
fn a_series_that_fails_is_tried_again_whole_and_loses_no_record() {
    let mut bench = Script::new(|order, number| {
        let trial = synthetic::trial(&order.cell, 1);
        Ok(if number == 2 { trial.failed(FailureKind::CallFailed, "no route") } else { trial })
    });
    let ran = run(&in_turns(1), &mut bench);
    let failed = trials(&ran.records)
        .into_iter()
        .filter(|trial| matches!(trial.outcome, Outcome::Failed(_)))
        .count();
    assert_eq!((failed, trials(&ran.records).len()), (1, 5));
    assert!(ran.events.iter().any(|event| matches!(event, Event::Retried { attempt: 2, .. })));
}

#[test]
fn a_cell_that_this_machine_cannot_measure_leaves_the_series_to_the_others() {
    let mut bench = Script::new(|order, _| {
        let trial = synthetic::trial(&order.cell, 1);
        Ok(if is(&order.cell, SendPath::Sendmsg, 64) {
            trial.failed(FailureKind::Unsupported, "not here")
        } else {
            trial
        })
    });
    let ran = run(&in_turns(2), &mut bench);
    let of = |path, bytes| {
        let all = trials(&ran.records).into_iter();
        all.filter(|trial| is(&trial.cell, path, bytes)).count()
    };
    assert_eq!((of(SendPath::Send, 64), of(SendPath::Sendmsg, 64)), (2, 1));
    let refused = |event: &&Event| matches!(event, Event::CellRefused { .. });
    assert_eq!(ran.events.iter().filter(refused).count(), 1);
}

#[test]
fn a_signal_within_a_series_ends_the_run_and_keeps_what_came_before() {
    let mut bench = Script::new(|order, number| {
        if number > 5 {
            Err(EngineError::Interrupted)
        } else {
            Ok(synthetic::trial(&order.cell, 1))
        }
    });
    let ran = run(&in_turns(3), &mut bench);
    assert_eq!(trials(&ran.records).len(), 4, "whole series alone are kept");
    assert_eq!(ran.ended.unwrap(), FinishReason::Interrupted);
}

#[test]
fn a_void_cell_of_a_series_is_not_measured_again_by_a_resume() {
    let void = |order: &engine::TrialOrder, _| {
        let trial = synthetic::trial(&order.cell, 1);
        Ok(if is(&order.cell, SendPath::Sendmsg, 64) || is(&order.cell, SendPath::Sendmsg, 512) {
            trial.marked(Mark::ContentLost)
        } else {
            trial
        })
    };
    let ran = run(&in_turns(1), &mut Script::new(void));
    assert_eq!(trials(&ran.records).len(), 4);
    let mut bench = Script::good();
    go_on(&in_turns(1), &mut bench, &ran.records);
    assert_eq!(bench.series.len(), 0, "its round is over");
}

/// What a run of [`in_turns`] with this limit and on a machine so slow took, how it ended, and the turns of its series.
fn limited(plan: &Plan, slow: u64) -> (Nanos, FinishReason, Vec<usize>) {
    let mut bench = Script::good();
    bench.slow = slow;
    let ran = run(plan, &mut bench);
    let turns = bench.series.iter().map(|series| series.turns.len()).collect();
    (ran.spent(), ran.reason(), turns)
}

#[test]
fn a_first_round_that_would_outlast_the_limit_gets_fewer_turns_and_stays_within_it() {
    let mut plan = in_turns(1);
    let (whole, _, turns) = limited(&plan, 1);
    let most = turns[0];
    let fewest = Plan {
        measure: model::plan::Measure { turns: Some(2), ..plan.measure.clone() },
        ..plan.clone()
    };
    let (least, ..) = limited(&fewest, 1);
    let limit = Nanos(u64::midpoint(whole.0, least.0));
    plan.measure.max_time = Some(limit);
    let (spent, reason, turns) = limited(&plan, 1);
    assert_eq!((reason, turns.len()), (FinishReason::Rounds, 2), "both blocks");
    assert!(turns.iter().all(|turns| (2..most).contains(turns)), "{turns:?} of {most}");
    assert!(spent.0 <= limit.0 + limit.0 / 20, "{spent:?} of {limit:?}");
    // What the plan asks for stays.
    plan.measure.turns = Some(12);
    assert_eq!(limited(&plan, 1).2[0], 12);
}

#[test]
fn on_a_machine_slower_than_foreseen_the_first_round_ends_with_the_time() {
    let mut plan = in_turns(1);
    plan.factors.message = synthetic::without_controls(&[]).factors.message;
    let blocks = plan.blocks().len();
    let limit = study::forecast(&plan, 8, |_| false).round;
    plan.measure.max_time = Some(limit);
    let (spent, reason, turns) = limited(&plan, 6);
    assert_eq!(reason, FinishReason::Time);
    assert!((1..blocks).contains(&turns.len()), "{turns:?} of {blocks} blocks");
    assert!(spent.0 <= limit.0 * 2, "{spent:?} of {limit:?}, the last block of which was foreseen");
    // What was foreseen is told beside what is left, which is seen to take longer.
    let mut bench = Script::good();
    bench.slow = 6;
    let out = run(&plan, &mut bench).out_of_time().unwrap();
    assert_eq!((out.round, out.foreseen), (1, Some(limit)));
    assert_eq!(out.blocks as usize, turns.len());
    assert!(out.enough() > limit, "{out:?}");
}

/// The shapes of the series that a plan with these slices had, first and last.
fn shapes(speeds: fn(u32, usize) -> Vec<f64>) -> [(usize, usize); 2] {
    let mut plan = in_turns(8);
    plan.measure.max_time = Some(Nanos::s(300));
    let mut bench = Script::good();
    bench.speeds = speeds;
    run(&plan, &mut bench);
    let shape = |series: &SeriesOrder| (series.warmup_turns.len(), series.turns.len());
    [shape(&bench.series[0]), shape(&bench.series[bench.series.len() - 1])]
}

/// From -1 to 1, without a pattern.
fn noise(order: u32, slice: usize) -> f64 {
    let mixed = analysis::order::mix(u64::from(order) << 32 | slice as u64);
    (mixed >> 32) as f64 / f64::from(u32::MAX / 2) - 1.0
}

#[test]
fn turns_that_differ_much_make_series_longer_and_series_that_differ_much_make_them_shorter() {
    let of_turns =
        |order, slices| (0..slices).map(|slice| 1.0 + 0.4 * noise(order, slice)).collect();
    let of_series = |order, slices| vec![1.0 + 0.4 * noise(order, 1 << 20); slices];
    let [first, noisy] = shapes(of_turns);
    let [_, layout] = shapes(of_series);
    assert!(noisy.1 > 2 * first.1 && layout.1 < first.1, "{first:?} {noisy:?} {layout:?}");
    assert_eq!((noisy.0, layout.0), (first.0, first.0), "no cell gets faster or slower");
}

#[test]
fn cells_that_get_faster_within_a_series_are_warmed_up_longer() {
    let rising = |order, slices| {
        let speed = |slice| 1.0 + 0.02 * slice as f64 + 0.01 * noise(order, slice);
        (0..slices).map(speed).collect()
    };
    let [first, last] = shapes(rising);
    assert!(last.0 >= 2 * first.0 && last.0 <= 32, "{first:?} {last:?}");
}
