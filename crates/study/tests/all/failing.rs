//! Signals, lost ends and full disks: what was measured is kept.

use engine::EngineError;
use journal::{Class, JournalError};
use model::record::{FinishReason, Record};
use study::{Event, StudyError};

use crate::script::{Memory, Script, run, run_on, small_plan};

fn interrupted_at(order: u32) -> Script<'static> {
    Script::new(move |o, number| {
        if number == order {
            Err(EngineError::Interrupted)
        } else {
            Ok(synthetic::trial(&o.cell, 1))
        }
    })
}

#[test]
fn a_signal_loses_the_trial_in_hand_and_no_other() {
    let plan = small_plan(Some(2));
    let whole = run(&plan, &mut Script::good());
    for order in 1..=8 {
        let ran = run(&plan, &mut interrupted_at(order));
        assert_eq!(ran.reason(), FinishReason::Interrupted);
        let kept = ran.trials();
        assert_eq!(kept.len(), order as usize - 1);
        assert_eq!(kept, whole.trials()[..kept.len()]);
        assert!(
            matches!(ran.records.last(), Some(Record::Finish(f)) if f.reason == FinishReason::Interrupted)
        );
        assert_eq!(ran.events.last(), Some(&Event::Finished(FinishReason::Interrupted)));
    }
}

#[test]
fn a_signal_while_the_ends_start_ends_the_run_likewise() {
    let mut bench = Script::good();
    bench.begins = vec![None, Some(EngineError::Interrupted)];
    let ran = run(&small_plan(Some(3)), &mut bench);
    assert_eq!((ran.reason(), ran.trials().len()), (FinishReason::Interrupted, 4));
}

fn lost() -> EngineError {
    EngineError::Ends("the sending end did not answer".to_owned())
}

#[test]
fn ends_that_do_not_start_are_started_twice_more() {
    let mut bench = Script::good();
    bench.begins = vec![Some(lost())];
    let ran = run(&small_plan(Some(1)), &mut bench);
    assert_eq!((ran.reason(), ran.trials().len(), bench.begun), (FinishReason::Rounds, 4, 2));
    assert_eq!(ran.warnings(), ["the sending end did not answer; both ends are started again"]);

    // A connection that was cut costs two starts before its host is reached anew.
    let mut bench = Script::good();
    bench.begins = vec![None, Some(lost()), Some(lost())];
    let ran = run(&small_plan(Some(3)), &mut bench);
    assert_eq!((ran.reason(), ran.trials().len(), bench.begun), (FinishReason::Rounds, 12, 5));

    let mut bench = Script::good();
    bench.begins = vec![None, Some(lost()), Some(lost()), Some(lost())];
    let ran = run(&small_plan(Some(3)), &mut bench);
    assert!(matches!(&ran.ended, Err(StudyError::Engine(EngineError::Ends(_)))));
    assert_eq!(ran.trials().len(), 4);
    assert!(
        matches!(ran.records.last(), Some(Record::Finish(f)) if f.reason == FinishReason::Failed)
    );
}

#[test]
fn ends_lost_within_a_block_begin_it_anew_with_fresh_ends() {
    let plan = small_plan(Some(1));
    let mut bench =
        Script::new(
            |order, number| {
                if number == 4 { Err(lost()) } else { Ok(synthetic::trial(&order.cell, 1)) }
            },
        );
    let ran = run(&plan, &mut bench);
    assert_eq!((ran.reason(), bench.begun), (FinishReason::Rounds, 2));
    let places: Vec<_> = ran.trials().iter().map(|t| (t.block, t.position)).collect();
    assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 0), (1, 1)]);
    assert!(matches!(ran.records[5], Record::Round(_)));
}

#[test]
fn ends_lost_twice_in_a_round_end_the_run_and_keep_what_was_measured() {
    let mut bench =
        Script::new(
            |order, number| {
                if number >= 4 { Err(lost()) } else { Ok(synthetic::trial(&order.cell, 1)) }
            },
        );
    let ran = run(&small_plan(Some(2)), &mut bench);
    assert_eq!(ran.ended.as_ref().unwrap_err().to_string(), "the sending end did not answer");
    assert_eq!(ran.trials().len(), 3);
    assert_eq!(ran.events.last(), Some(&Event::Finished(FinishReason::Failed)));
}

#[test]
fn a_machine_that_cannot_begin_fails_with_the_engines_words() {
    let mut bench = Script::good();
    bench.begins = vec![Some(EngineError::Unsupported("no loopback device".to_owned()))];
    let ran = run(&small_plan(Some(1)), &mut bench);
    assert_eq!(ran.ended.as_ref().unwrap_err().to_string(), "no loopback device");
}

#[test]
fn a_full_disk_is_told_and_what_was_measured_before_is_readable() {
    let plan = small_plan(Some(50));
    let whole = run(&plan, &mut Script::good());
    for room in [0, 100, 3_000, 20_000] {
        let ran = run_on(&Memory::with_room(room), &plan, &mut Script::good(), &[]);
        let Err(StudyError::Journal(why)) = &ran.ended else { panic!("{:?}", ran.ended) };
        assert!(matches!(why, JournalError::Full(_)), "{why}");
        assert_eq!(why.class(), Class::Cannot);
        let kept = ran.trials();
        assert_eq!(kept, whole.trials()[..kept.len()]);
    }
    let kept = run_on(&Memory::with_room(20_000), &plan, &mut Script::good(), &[]).trials().len();
    assert!(kept > 1, "{kept}");
}
