//! Going on from any record.

use std::collections::BTreeMap;

use model::record::{FailureKind, FinishReason, Record, Trial};
use model::{Mark, Nanos, Plan, Share};
use study::resume::{Differs, Position, check, check_order, position};

use crate::script::{Script, go_on, is, run, small_plan, trials};

/// A bench with a void attempt in most blocks.
fn uneven() -> Script<'static> {
    Script::new(|order, number| {
        let trial = synthetic::trial(&order.cell, 1);
        Ok(if number % 5 == 2 { trial.marked(Mark::Throttled) } else { trial })
    })
}

/// A block's trials: segment, position, attempt.
type Measured = Vec<(usize, u32, u32)>;

/// The trials of each block by round and place.
fn blocks(records: &[Record]) -> BTreeMap<(u32, u32), Measured> {
    let mut segment = 0;
    let mut blocks: BTreeMap<_, Measured> = BTreeMap::new();
    for record in records {
        match record {
            Record::Segment(_) => segment += 1,
            Record::Trial(t) => {
                blocks
                    .entry((t.round, t.block))
                    .or_default()
                    .push((segment, t.position, t.attempt));
            }
            Record::Round(_)
            | Record::Audit(_)
            | Record::AuditRefused(_)
            | Record::Ceiling(_)
            | Record::Finish(_)
            | Record::Imported(_) => {}
        }
    }
    blocks
}

#[test]
fn from_every_record_a_run_goes_on_at_the_first_unfinished_block() {
    let plan = small_plan(Some(3));
    let whole = run(&plan, &mut uneven());
    let finished = blocks(&whole.records);
    assert_eq!(finished.len(), 6);
    for cut in 0..whole.records.len() {
        let earlier = &whole.records[..cut];
        let more = go_on(&plan, &mut Script::good(), earlier);
        assert_eq!(more.reason(), FinishReason::Rounds, "cut at {cut}");
        let all: Vec<Record> = earlier.iter().chain(&more.records).cloned().collect();
        let before = blocks(earlier);
        let after = blocks(&all);
        assert_eq!(after.len(), 6, "cut at {cut}");
        for (place, trials) in &after {
            // A block that was finished is not measured again, another is measured again as a whole.
            let is_finished = before.get(place) == finished.get(place);
            let again: Vec<_> =
                trials.iter().filter(|(segment, ..)| *segment == 2 || cut == 0).collect();
            let positions: Vec<_> = again.iter().map(|(_, position, _)| *position).collect();
            assert_eq!(
                positions,
                if is_finished { vec![] } else { vec![0, 1] },
                "cut at {cut}, block {place:?}"
            );
        }
    }
}

#[test]
fn a_torn_journal_goes_on_through_the_file_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let plan = small_plan(Some(2));
    let whole = run(&plan, &mut Script::good());
    let (there, mut writer) = journal::RunDirectory::begin(directory.path(), None).unwrap();
    let path = there.journal();
    for record in &whole.records {
        writer.append(record).unwrap();
    }
    drop(writer);
    let bytes = std::fs::read(&path).unwrap();
    let cut = bytes.len() * 6 / 10;
    std::fs::write(&path, &bytes[..cut]).unwrap();
    let mut resumed = there.resume_journal().unwrap();
    assert!(resumed.torn.is_some());
    let clock = study::SystemClock::new();
    let ended = study::Study {
        plan: &plan,
        bounds: 8.into(),
        segment: synthetic::segment(0),
        earlier: &resumed.records,
        bench: &mut Script::good(),
        journal: &mut resumed.writer,
        clock: &clock,
        events: &mut |_| (),
    };
    assert_eq!(ended.run().unwrap(), FinishReason::Rounds);
    let (records, torn) = there.read_journal().unwrap().read_all().unwrap();
    assert_eq!(torn, None);
    assert_eq!(blocks(&records).len(), 4);
    let kept = resumed.records.len();
    assert_eq!(records[..kept], whole.records[..kept]);
}

#[test]
fn an_interrupted_resume_is_resumed_in_turn() {
    let plan = small_plan(Some(2));
    let mut all = Vec::new();
    for _ in 0..100 {
        // Every segment is interrupted at its third trial, so it finishes one block of two.
        let mut bench = Script::new(|order, number| {
            if number == 3 {
                Err(engine::EngineError::Interrupted)
            } else {
                Ok(synthetic::trial(&order.cell, 1))
            }
        });
        let ran = go_on(&plan, &mut bench, &all);
        let reason = ran.reason();
        all.extend(ran.records);
        if reason != FinishReason::Interrupted {
            break;
        }
    }
    assert_eq!(blocks(&all).len(), 4);
    assert_eq!(trials(&all).len(), 8);
}

#[test]
fn a_finished_run_ends_at_once_and_more_rounds_are_added_to_it() {
    let whole = run(&small_plan(Some(2)), &mut Script::good());
    let again = go_on(&small_plan(Some(2)), &mut Script::good(), &whole.records);
    assert_eq!((again.reason(), again.trials().len()), (FinishReason::Rounds, 0));
    let more = go_on(&small_plan(Some(3)), &mut Script::good(), &whole.records);
    assert_eq!(more.rounds(), [(3, 4)]);
}

#[test]
fn a_segment_too_short_for_any_block_tells_what_the_round_takes() {
    let first = run(&small_plan(Some(2)), &mut Script::good());
    assert_eq!(first.out_of_time(), None);
    let mut plan = small_plan(Some(4));
    plan.measure.max_time = Some(Nanos::ms(500));
    let again = go_on(&plan, &mut Script::good(), &first.records);
    assert_eq!((again.reason(), again.trials().len()), (FinishReason::Time, 0));
    let out = again.out_of_time().unwrap();
    assert_eq!((out.round, out.blocks, out.left), (3, 0, Nanos::ms(1600)));
    // That is a limit which does.
    plan.measure.max_time = Some(out.enough());
    let enough = go_on(&plan, &mut Script::good(), &first.records);
    assert_eq!(enough.rounds(), [(3, 4)]);
    // Of a round that is cut, its rest is told.
    plan.measure.max_time = Some(Nanos::ms(1000));
    let part = go_on(&plan, &mut Script::good(), &first.records);
    let out = part.out_of_time().unwrap();
    assert_eq!((out.round, out.blocks, out.left, out.foreseen), (3, 1, Nanos::ms(800), None));
}

#[test]
fn precision_is_that_of_all_segments_and_the_time_is_that_of_this_one() {
    let mut plan = small_plan(None);
    plan.measure.max_time = Some(Nanos::s(10));
    let answer = |order: &engine::TrialOrder, n| Ok(crate::script::spread(order, n, 0.001));
    let first = run(&plan, &mut Script::new(answer));
    assert_eq!((first.reason(), first.rounds().len()), (FinishReason::Time, 6));
    let second = go_on(&plan, &mut Script::new(answer), &first.records);
    assert_eq!(second.reason(), FinishReason::Precise);
    let rounds = second.rounds();
    assert_eq!(rounds.last().unwrap().0, 10, "{rounds:?}");
}

#[test]
fn a_cell_that_could_not_be_measured_is_tried_once_more_in_a_new_segment() {
    let plan = small_plan(Some(2));
    let refusing = || {
        Script::new(|order, _| {
            let trial = synthetic::trial(&order.cell, 1);
            let refused = is(&order.cell, model::SendPath::Send, 64);
            Ok(if refused { trial.failed(FailureKind::Unsupported, "not allowed") } else { trial })
        })
    };
    let whole = run(&plan, &mut refusing());
    assert_eq!(whole.trials().len(), 7);
    for cut in 0..=whole.records.len() {
        let expected = position(&plan, &whole.records[..cut]);
        let more = go_on(&small_plan(Some(3)), &mut refusing(), &whole.records[..cut]);
        let first = more.trials()[0];
        assert_eq!((first.round, first.block), (expected.round, expected.block), "cut at {cut}");
        let refused = more
            .trials()
            .into_iter()
            .filter(|t: &&Trial| is(&t.cell, model::SendPath::Send, 64))
            .count();
        assert_eq!(refused, 1, "cut at {cut}");
    }
    assert_eq!(position(&plan, &whole.records), Position { round: 3, block: 0 });
}

#[test]
fn a_run_measured_in_other_blocks_is_not_gone_on_with() {
    let mut plan = small_plan(Some(2));
    plan.factors.set(model::Factor::Nodelay, "on,off").unwrap();
    let measured = run(&plan, &mut Script::new(|order, _| Ok(synthetic::trial(&order.cell, 1))));
    assert_eq!(check_order(&plan, &measured.records), Ok(()));
    // Where nothing compares the two values of a factor, each has blocks of its own.
    plan.contrasts = vec!["send: sendmsg / send".parse().unwrap()];
    let error = check_order(&plan, &measured.records).unwrap_err();
    assert!(matches!(error, Differs::Order { .. }), "{error}");
    assert!(error.to_string().contains("--out") && !error.to_string().contains('\n'), "{error}");
}

#[test]
fn only_budget_precision_rounds_and_label_may_differ() {
    let (plan, host) = (small_plan(Some(2)), synthetic::host());
    let mut longer: Plan = small_plan(None);
    longer.measure.max_time = Some(Nanos::s(9));
    longer.measure.precision = Some(Share(0.01));
    longer.label = "again".to_owned();
    let mut rebooted = host.clone();
    rebooted.boot_id = model::Measured::Value("another".to_owned());
    assert_eq!(check(&plan, &longer, &host, &rebooted, &[]), Ok(()));

    let mut other = plan.clone();
    other.measure.window = Nanos::ms(300);
    let error = check(&plan, &other, &host, &host, &[]).unwrap_err();
    let Differs::Plan { then, now } = &error else { panic!("{error}") };
    assert_eq!((then.as_str(), now.as_str()), ("time = \"250ms\"", "time = \"300ms\""));
    assert!(error.to_string().contains("--out") && !error.to_string().contains('\n'), "{error}");

    let mut upgraded = host.clone();
    upgraded.kernel = model::Measured::Value("6.9.1".to_owned());
    let error = check(&plan, &plan, &host, &upgraded, &[]).unwrap_err();
    assert!(matches!(&error, Differs::Host { now, .. } if now.contains("6.9.1")), "{error}");
}

#[test]
fn a_run_between_two_machines_goes_on_only_between_the_same_two() {
    let (plan, alone) = (small_plan(Some(2)), synthetic::host());
    let mut peer = alone.clone();
    peer.hostname = model::Measured::Value("peer".to_owned());
    let mut pair = alone.clone();
    pair.receiver_host = Some(Box::new(peer.clone()));
    let mut rebooted = pair.clone();
    peer.boot_id = model::Measured::Value("another".to_owned());
    rebooted.receiver_host = Some(Box::new(peer.clone()));
    assert_eq!(check(&plan, &plan, &pair, &rebooted, &[]), Ok(()));

    let mut upgraded = pair.clone();
    peer.kernel = model::Measured::Value("6.9.1".to_owned());
    upgraded.receiver_host = Some(Box::new(peer));
    for other in [&upgraded, &alone] {
        let error = check(&plan, &plan, &pair, other, &[]).unwrap_err().to_string();
        assert!(error.starts_with("the receiving end's machine differs"), "{error}");
        assert!(error.contains("peer") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn a_run_between_two_machines_goes_on_only_over_the_same_line() {
    let mut plan = small_plan(Some(2));
    plan.factors.set(model::Factor::Link, "ssh").unwrap();
    let card = || synthetic::nic("mlx5_core", Some(25_000));
    let then = synthetic::two_hosts(card(), card());
    assert_eq!(check(&plan, &plan, &then, &then, &[]), Ok(()));
    let shaped = synthetic::two_hosts(synthetic::shaped(card(), 100_000_000), card());
    let other = synthetic::two_hosts(card(), synthetic::nic("ixgbe", Some(10_000)));
    for (now, told) in [
        (
            &shaped,
            "the queueing of the sender's device is \"tbf, 100000000 bit/s\", and was \"fq_codel\"",
        ),
        (&other, "the speed of the receiver's device, Mbit/s is \"10000\", and was \"25000\""),
    ] {
        let error = check(&plan, &plan, &then, now, &[]).unwrap_err().to_string();
        let line = format!(
            "the line differs from the run's: {told}: put the line back, or begin a new run with --out"
        );
        assert_eq!(error, line);
        // Taken away it is another line too.
        assert!(matches!(check(&plan, &plan, now, &then, &[]), Err(Differs::Line(_))));
    }
    let mut narrow = synthetic::host();
    narrow.devices.insert("lo".to_owned(), model::Measured::Value(1500));
    let local = small_plan(Some(2));
    let error = check(&local, &local, &synthetic::host(), &narrow, &[]).unwrap_err();
    assert!(error.to_string().contains("the MTU of lo is \"1500\""), "{error}");
}

#[test]
fn a_record_of_any_round_and_block_is_gone_on_from() {
    let plan = small_plan(Some(2));
    for (round, block) in [(u32::MAX, 0), (u32::MAX, u32::MAX), (2, u32::MAX), (0, 0)] {
        let mut records = run(&plan, &mut Script::good()).records;
        let last = records.iter_mut().rev().find_map(|record| match record {
            Record::Trial(trial) => Some(trial),
            Record::Segment(_)
            | Record::Round(_)
            | Record::Audit(_)
            | Record::AuditRefused(_)
            | Record::Ceiling(_)
            | Record::Finish(_)
            | Record::Imported(_) => None,
        });
        let last = last.unwrap();
        (last.round, last.block) = (round, block);
        let _ = check_order(&plan, &records);
        let more = go_on(&plan, &mut Script::good(), &records);
        assert_eq!(more.reason(), FinishReason::Rounds, "{round} {block}");
    }
}
