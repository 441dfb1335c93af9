//! Void trials, and cells that never succeed.

use engine::TrialOrder;
use model::record::{FailureKind, FinishReason, Trial};
use model::{Mark, SendPath};
use study::Event;

use crate::script::{Script, is, run, small_plan};

fn target(order: &TrialOrder) -> bool {
    is(&order.cell, SendPath::Sendmsg, 512)
}

/// The trials of the target cell.
fn of_target(ran: &crate::script::Ran) -> Vec<Trial> {
    ran.trials().into_iter().filter(|t| is(&t.cell, SendPath::Sendmsg, 512)).cloned().collect()
}

#[test]
fn a_void_trial_is_tried_again_up_to_twice_and_every_attempt_is_kept() {
    let plan = small_plan(Some(1));
    let ran = run(
        &plan,
        &mut Script::new(|order, _| {
            let trial = synthetic::trial(&order.cell, 1);
            Ok(if target(order) { trial.marked(Mark::Throttled) } else { trial })
        }),
    );
    assert_eq!(ran.reason(), FinishReason::Rounds);
    let tried = of_target(&ran);
    assert_eq!(
        tried.iter().map(|t| (t.attempt, t.settings.warmup_ns)).collect::<Vec<_>>(),
        [1, 2, 3].map(|attempt| (attempt, plan.measure.warmup))
    );
    assert_eq!(ran.trials().len(), 6);
    let mut whys = Vec::new();
    for event in &ran.events {
        if let Event::Retried { attempt, why, .. } = event {
            whys.push((*attempt, why.as_str()));
        }
    }
    assert_eq!(whys, [(2, "throttled"), (3, "throttled")]);
}

#[test]
fn a_retry_that_succeeds_is_the_last() {
    let mut first = true;
    let ran = run(
        &small_plan(Some(1)),
        &mut Script::new(|order, _| {
            let trial = synthetic::trial(&order.cell, 1);
            let fails = target(order) && std::mem::take(&mut first);
            Ok(if fails { trial.failed(FailureKind::EndLost, "it died") } else { trial })
        }),
    );
    assert_eq!(of_target(&ran).iter().map(|t| t.attempt).collect::<Vec<_>>(), [1, 2]);
    let retried = ran
        .events
        .iter()
        .any(|event| matches!(event, Event::Retried { why, .. } if why == "it died"));
    assert!(retried);
}

#[test]
fn a_noted_trial_is_not_tried_again() {
    for mark in [Mark::Retransmits, Mark::Unsettled] {
        let mut bench = Script::new(|order, _| Ok(synthetic::trial(&order.cell, 1).marked(mark)));
        assert_eq!(run(&small_plan(Some(1)), &mut bench).trials().len(), 4, "{mark}");
    }
}

#[test]
fn a_cell_that_this_machine_cannot_measure_is_told_once_and_does_not_stop_the_rest() {
    let mut plan = small_plan(None);
    plan.measure.precision = Some(model::Share(0.5));
    let ran = run(
        &plan,
        &mut Script::new(|order, n| {
            let trial = crate::script::spread(order, n, 0.001);
            Ok(if target(order) {
                trial.failed(FailureKind::Unsupported, "no such thing here")
            } else {
                trial
            })
        }),
    );
    assert_eq!(ran.reason(), FinishReason::Precise);
    assert_eq!(of_target(&ran).len(), 1);
    assert_eq!(ran.rounds()[0], (1, 4));
    assert!(ran.rounds()[1..].iter().all(|(_, trials)| *trials == 3), "{:?}", ran.rounds());
    assert!(ran.warnings().is_empty(), "{:?}", ran.warnings());
    let refusals: Vec<&str> = ran.refusals();
    assert_eq!(refusals.len(), 1);
    assert!(refusals[0].contains("no such thing here"), "{refusals:?}");
    let counted = ran.cells_counted();
    assert!(!counted.is_empty() && counted.iter().all(|cells| *cells == 3), "{counted:?}");
}

#[test]
fn what_is_known_to_be_refused_is_counted_in_no_round() {
    let mut bench = Script::new(|order, _| {
        let trial = synthetic::trial(&order.cell, 1);
        Ok(if target(order) { trial.failed(FailureKind::Unsupported, "refused") } else { trial })
    });
    bench.refused_cells = small_plan(None).cells();
    bench.refused_cells.retain(|cell| is(cell, SendPath::Sendmsg, 512));
    let ran = run(&small_plan(Some(2)), &mut bench);
    assert_eq!(of_target(&ran).len(), 1, "its reason is kept");
    let (mut numbers, mut rounds) = (Vec::new(), Vec::new());
    for event in &ran.events {
        if let Event::TrialStarted { number, of, .. } = event {
            numbers.push((*number, *of));
        }
        if let Event::RoundStarted { trials, .. } = event {
            rounds.push(*trials);
        }
    }
    assert_eq!(rounds, [3, 3]);
    assert_eq!(numbers, [(1, 3), (2, 3), (3, 3), (1, 3), (2, 3), (3, 3)]);
}

#[test]
fn where_nothing_can_be_measured_the_run_fails_and_says_so() {
    let plan = small_plan(None);
    let ran = run(
        &plan,
        &mut Script::new(|order, _| {
            Ok(synthetic::trial(&order.cell, 1)
                .failed(FailureKind::Unsupported, "no such thing here"))
        }),
    );
    let text = ran.ended.as_ref().unwrap_err().to_string();
    assert!(text.contains("no cell of this plan can be measured"), "{text}");
    assert_eq!(ran.events.last(), Some(&Event::Finished(FinishReason::Failed)));
    assert_eq!(ran.trials().len(), 4);
}

#[test]
fn a_cell_without_a_valid_trial_in_three_rounds_is_told_once_and_not_waited_for() {
    let plan = small_plan(None);
    let ran = run(
        &plan,
        &mut Script::new(|order, n| {
            let trial = crate::script::spread(order, n, 0.001);
            Ok(if target(order) { trial.marked(Mark::WindowVoid) } else { trial })
        }),
    );
    assert_eq!(ran.reason(), FinishReason::Precise);
    assert_eq!(ran.rounds().len(), 10);
    assert_eq!(of_target(&ran).len(), 30);
    assert_eq!(ran.warnings().len(), 1);
    assert!(
        ran.warnings()[0]
            .contains("no valid trial in three rounds, the last because of window-void")
    );
    let told = ran.events.iter().position(|event| matches!(event, Event::Warning(_))).unwrap();
    let rounds =
        ran.events[..told].iter().filter(|event| matches!(event, Event::RoundEnded { .. })).count();
    assert_eq!(rounds, 2);
}
