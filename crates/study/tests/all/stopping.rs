//! Order, and when a run ends.

use analysis::round_order;
use model::record::{FinishReason, Record};
use model::{Cell, Measured, Nanos, SendPath, Share};
use study::{Event, FirstRound};

use crate::script::{ROUND, Script, is, run, small_plan, spread};

#[test]
fn trials_come_in_the_plans_random_order_each_in_the_journal_with_its_place() {
    let plan = small_plan(Some(3));
    let ran = run(&plan, &mut Script::good());
    assert_eq!(ran.reason(), FinishReason::Rounds);
    let mut expected = Vec::new();
    for round in 1..=3 {
        for (block, (_, cells)) in (0..).zip(round_order(&plan, round)) {
            expected
                .extend((0..).zip(cells).map(|(position, cell)| (round, block, position, cell)));
        }
    }
    let seen: Vec<_> =
        ran.trials().iter().map(|t| (t.round, t.block, t.position, t.cell.clone())).collect();
    assert_eq!(seen, expected);
    let kinds: String = ran
        .records
        .iter()
        .map(|record| match record {
            Record::Segment(_) => 's',
            Record::Round(_) => 'r',
            Record::Trial(_) => 't',
            Record::Audit(_) => 'a',
            Record::AuditRefused(_) => 'x',
            Record::Ceiling(_) => 'c',
            Record::Finish(_) => 'f',
            Record::Imported(_) => 'i',
        })
        .collect();
    assert_eq!(kinds, "srttttrttttrttttf");
}

#[test]
fn the_segment_and_the_finish_tell_times_of_this_segment() {
    let ran = run(&small_plan(Some(2)), &mut Script::good());
    let Some(Record::Segment(segment)) = ran.records.first() else { panic!("no segment") };
    assert_eq!(segment.started_unix_ms, 1_764_000_000_000);
    let Some(Record::Finish(finish)) = ran.records.last() else { panic!("no finish") };
    assert_eq!(finish.spent_ns, Nanos(2 * ROUND.0));
}

#[test]
fn events_tell_each_trial_and_round_in_order() {
    let plan = small_plan(Some(2));
    let ran = run(&plan, &mut Script::good());
    let first = &ran.events[0];
    assert_eq!(*first, Event::RoundStarted { round: 1, blocks: 2, trials: 4, elapsed: Nanos(0) });
    let cell = ran.trials()[0].cell.clone();
    assert_eq!(
        ran.events[1],
        Event::TrialStarted { cell: cell.clone(), number: 1, of: 4, attempt: 1 }
    );
    let Event::TrialEnded { cell: ended, marks, goodput_gbps: Measured::Value(goodput) } =
        &ran.events[2]
    else {
        panic!("{:?}", ran.events[2]);
    };
    assert_eq!((ended, marks.as_slice()), (&cell, &[][..]));
    let likely = synthetic::likely(&cell).goodput_gbps;
    assert!((goodput / likely - 1.0).abs() < 1e-3, "{goodput} {likely}");
    let Event::RoundEnded { round, widest, ratios, precise, cells, elapsed, first, left } =
        &ran.events[9]
    else {
        panic!("{:?}", ran.events[9]);
    };
    // What was foreseen leaves out how long the ends take to start.
    let foreseen = Nanos::ms(1600);
    assert_eq!(*first, Some(FirstRound { took: ROUND, foreseen }));
    let later = |event: &&Event| matches!(event, Event::RoundEnded { round: 2, first: None, .. });
    assert_eq!(ran.events.iter().filter(later).count(), 1);
    assert_eq!((*round, widest, *ratios, *precise, *cells), (1, &None, Some((0, 2)), 0, 4));
    assert_eq!((*elapsed, *left), (ROUND, Some(ROUND)));
    assert_eq!(ran.events.last(), Some(&Event::Finished(FinishReason::Rounds)));
}

#[test]
fn a_run_ends_when_every_cell_is_precise_but_not_before_the_fewest_rounds() {
    let plan = small_plan(None);
    let calm = run(&plan, &mut Script::new(|order, n| Ok(spread(order, n, 0.001))));
    assert_eq!(calm.reason(), FinishReason::Precise);
    assert_eq!(calm.rounds().len(), 10);
    let noisy = run(&plan, &mut Script::new(|order, n| Ok(spread(order, n, 0.1))));
    assert_eq!(noisy.reason(), FinishReason::Precise);
    assert!(noisy.rounds().len() > 20, "{:?}", noisy.rounds());
}

#[test]
fn rounds_that_are_asked_for_are_done_whatever_the_precision() {
    let ran = run(&small_plan(Some(15)), &mut Script::good());
    assert_eq!((ran.reason(), ran.rounds().len()), (FinishReason::Rounds, 15));
}

fn noisy(cell: &Cell) -> bool {
    is(cell, SendPath::Send, 64)
}

#[test]
fn blocks_that_are_precise_leave_their_time_to_those_that_are_not() {
    let plan = small_plan(None);
    let answer = |order: &engine::TrialOrder, n| {
        Ok(spread(order, n, if noisy(&order.cell) { 0.1 } else { 0.0001 }))
    };
    let ran = run(&plan, &mut Script::new(answer));
    assert_eq!(ran.reason(), FinishReason::Precise);
    let rounds = ran.rounds();
    assert!(rounds[..10].iter().all(|(_, trials)| *trials == 4), "{rounds:?}");
    assert!(rounds.len() > 15, "{rounds:?}");
    assert!(rounds[10..].iter().all(|(_, trials)| *trials == 2), "{rounds:?}");
    let late = ran.trials().into_iter().filter(|trial| trial.round > 10);
    assert!(late.clone().all(|trial| trial.cell.message.bytes().0 == 64));
    // Blocks keep their places in the round's order, and are measured whole.
    for trial in late {
        let order = round_order(&plan, trial.round);
        let (_, cells) = &order[trial.block as usize];
        assert_eq!(cells[trial.position as usize], trial.cell);
    }
}

#[test]
fn no_block_is_left_out_when_the_rounds_are_asked_for() {
    let mut plan = small_plan(Some(14));
    plan.measure.min_rounds = 2;
    assert!(run(&plan, &mut Script::good()).rounds().iter().all(|(_, trials)| *trials == 4));
}

#[test]
fn a_block_that_would_end_after_the_limit_is_not_begun() {
    let mut plan = small_plan(Some(100));
    // Three rounds and one block of 800 ms more.
    plan.measure.max_time = Some(Nanos(3 * ROUND.0 + 950_000_000));
    let ran = run(&plan, &mut Script::good());
    assert_eq!(ran.reason(), FinishReason::Time);
    assert_eq!(ran.rounds(), [(1, 4), (2, 4), (3, 4), (4, 2)]);
    plan.measure.max_time = Some(Nanos(3 * ROUND.0 + 500_000_000));
    assert_eq!(run(&plan, &mut Script::good()).rounds(), [(1, 4), (2, 4), (3, 4)]);
}

#[test]
fn one_whole_round_is_done_whatever_it_takes() {
    let mut plan = small_plan(None);
    plan.measure.max_time = Some(Nanos::ms(1));
    let ran = run(&plan, &mut Script::good());
    assert_eq!((ran.reason(), ran.rounds()), (FinishReason::Time, vec![(1, 4)]));
}

#[test]
fn a_run_without_precision_goes_on_until_the_time_is_spent() {
    let mut plan = small_plan(None);
    plan.measure.precision = None;
    plan.measure.max_time = Some(Nanos::s(30));
    let ran = run(&plan, &mut Script::good());
    assert_eq!(ran.reason(), FinishReason::Time);
    assert_eq!(ran.rounds().len(), 18);
}

#[test]
fn the_widest_interval_and_the_time_left_are_told() {
    let mut plan = small_plan(None);
    plan.measure.precision = Some(Share(0.02));
    let answer = |order: &engine::TrialOrder, n| {
        Ok(spread(order, n, if noisy(&order.cell) { 0.1 } else { 0.001 }))
    };
    let ran = run(&plan, &mut Script::new(answer));
    let mut tenth = None;
    for event in &ran.events {
        if let Event::RoundEnded { round: 10, widest, ratios, precise, left, .. } = event {
            tenth = Some((widest.clone(), *ratios, *precise, *left));
        }
    }
    let (widest, ratios, precise, left) = tenth.unwrap();
    let widest = widest.unwrap();
    // The ratio of the noisy cell to the other one of its block, so that neither is precise.
    assert!(is(&widest.cell, SendPath::Sendmsg, 64) && widest.half_width > 0.02, "{widest:?}");
    assert_eq!(widest.contrast.map(|it| it.values()).as_deref(), Some("sendmsg / send"));
    assert_eq!((ratios, precise), (Some((1, 2)), 2));
    assert!(left.unwrap() > ROUND);
}

#[test]
fn the_study_reads_into_a_summary_with_unequal_rounds() {
    let plan = small_plan(None);
    let answer = |order: &engine::TrialOrder, n| {
        Ok(spread(order, n, if noisy(&order.cell) { 0.1 } else { 0.0001 }))
    };
    let ran = run(&plan, &mut Script::new(answer));
    let summary = analysis::summarise(&plan, &synthetic::host(), &ran.records);
    assert_eq!(summary.run.finish, analysis::results::Ending::Precise);
    assert_eq!(summary.run.precise_cells, Measured::Value(4));
    for estimates in &summary.estimates {
        let expected = ran.trials().iter().filter(|trial| trial.cell == estimates.cell).count();
        assert_eq!(estimates.trials as usize, expected);
    }
}
