//! Runs of which something is missing: cells, trials, blocks, rounds.

use super::*;

#[test]
fn no_trial_at_all_gives_reasons_and_no_figure() {
    let plan = plan(Preset::Default);
    for records in [vec![], vec![Record::Segment(synthetic::segment(5))]] {
        let summary = summary(&plan, &records);
        assert_eq!(summary.run.trials, 0);
        assert_eq!(summary.run.finish, Ending::Unfinished);
        assert_eq!(summary.run.without_valid_trial.len(), 51);
        assert!(summary.estimates.iter().all(|e| e.metrics.values().all(|m| m.reason().is_some())));
        assert!(
            summary
                .ratios
                .iter()
                .all(|r| r.ratio.reason().is_some() && r.finding == Finding::Undecided)
        );
        assert!(summary.noise_floor.reason().is_some());
        warns!(summary, Warning::NothingMeasured);
    }
}

#[test]
fn when_all_trials_are_void_the_commonest_reason_is_told() {
    let plan = small_plan();
    let records = synthetic::run(&plan, 3, |cell, round| {
        let trial = synthetic::trial(cell, round);
        if round == 1 {
            trial.marked(Mark::Throttled)
        } else {
            trial.failed(FailureKind::CallFailed, "connect: EPERM")
        }
    });
    let summary = summary(&plan, &records);
    assert_eq!(summary.run.void_trials, summary.run.trials);
    assert!(summary.run.without_valid_trial.values().all(|why| why == "connect: EPERM"));
    assert_eq!(summary.estimates[0].void_trials, 3);
    assert_eq!(summary.marks[&Mark::CallFailed], 12);
    assert_eq!(summary.marks[&Mark::Throttled], 6);
    assert_eq!(summary.estimates[0].paper.total_bytes.value(), None);
    assert!(summary.estimates[0].paper.throughput_gbps.reason().is_some());
    warns!(summary, Warning::NoValidTrial { all: true, why, .. } if why == "connect: EPERM");
    assert_eq!(summary.run.rounds, 3, "void trials complete a block, they only give no pair");
}

#[test]
fn a_cell_that_this_machine_cannot_measure_leaves_the_rest_compared() {
    let plan = plan(Preset::Default);
    // As the study does: tried in the first round, left out of the others.
    let records: Vec<Record> = synthetic::run(&plan, 10, |cell, round| {
        let trial = noisy(cell, round);
        let is_zerocopy = cell.send_path == SendPath::Zerocopy && cell.so_zerocopy == Switch::On;
        if is_zerocopy {
            trial.failed(FailureKind::Unsupported, "SO_ZEROCOPY: ENOTSUPP")
        } else {
            trial
        }
    })
    .into_iter()
    .filter(|record| match record {
        Record::Trial(trial) => {
            trial.round == 1
                || trial.cell.send_path != SendPath::Zerocopy
                || trial.cell.so_zerocopy == Switch::Off
        }
        Record::Segment(_)
        | Record::Round(_)
        | Record::Audit(_)
        | Record::AuditRefused(_)
        | Record::Ceiling(_)
        | Record::Finish(_)
        | Record::Imported(_) => true,
    })
    .collect();
    let summary = summary(&plan, &records);
    assert_eq!(summary.run.rounds, 10);
    for ratio in ratio_of(&summary, SendPath::Sendmsg, SendPath::Send, Metric::GoodputGbps) {
        assert_eq!(ratio.ratio.value().unwrap().trials, 10);
    }
    for ratio in ratio_of(&summary, SendPath::Zerocopy, SendPath::Send, Metric::GoodputGbps) {
        assert!(ratio.ratio.reason().is_some());
    }
    assert_eq!(summary.run.without_valid_trial.len(), 16);
    warns!(summary, Warning::NoValidTrial { cells: 16, all: false, .. });
}

#[test]
fn an_unfinished_block_is_never_paired_with_the_resumed_one() {
    let mut plan = small_plan();
    plan.measure.controls = false;
    let whole = synthetic::run(&plan, 10, noisy);
    // Killed after the first trial of the last round, in which the machine was three times as fast.
    let is_last = |record: &Record| matches!(record, Record::Trial(trial) if trial.round == 10);
    let first = whole.iter().position(is_last).unwrap();
    let mut records = whole[..first].to_vec();
    let Record::Trial(fast) = &whole[first] else { panic!("no trial") };
    let fast = noisy(&fast.cell, 10).faster(3.0).started_unix_ms(fast.started_unix_ms).build();
    records.push(Record::Trial(Box::new(fast)));
    records.push(Record::Segment(synthetic::segment(1_764_000_500_000)));
    records.push(Record::Round(synthetic::round(10, 1_764_000_500_000)));
    records.extend(whole[first..].to_vec());
    let resumed = summary(&plan, &records);
    let never_killed = summary(&plan, &whole);
    assert_eq!(resumed.ratios, never_killed.ratios);
    assert_eq!((resumed.run.rounds, resumed.run.segments, resumed.run.trials), (10, 2, 31));
    // The killed segment's last trial began at 27 × 400 ms and took 360 ms; the finish tells of the other one.
    let Some(Record::Finish(finish)) = whole.last() else { panic!("no finish") };
    let spent_ns = finish.spent_ns.0 + (27 * 400 + 360) * 1_000_000;
    assert_eq!(resumed.run.spent_ns, Measured::Value(spent_ns));
    let counts: Vec<u32> = resumed.estimates.iter().map(|e| e.trials).collect();
    assert_eq!(counts.iter().sum::<u32>(), 31, "every valid trial counts for the levels");

    let cut = summary(&plan, &records[..first + 1]);
    assert_eq!(cut.run.rounds, 9);
    assert!(cut.run.preliminary);
    warns!(cut, Warning::Preliminary { rounds: 9, .. });
    warns!(cut, Warning::EndedEarly { ending: Ending::Unfinished });
    assert_eq!(cut.run.finish, Ending::Unfinished);
}

#[test]
fn blocks_that_were_precise_and_left_out_of_later_rounds_keep_the_pairs_they_have() {
    let plan = plan(Preset::BreakEven);
    let records: Vec<Record> = synthetic::run(&plan, 14, noisy)
        .into_iter()
        .filter(|record| {
            !matches!(record, Record::Trial(t) if t.round > 10 && t.cell.message.bytes().0 >= 4096)
        })
        .collect();
    let summary = summary(&plan, &records);
    assert_eq!(summary.run.rounds, 10);
    for ratio in &summary.ratios {
        let pairs = if ratio.cell.message.bytes().0 >= 4096 { 10 } else { 14 };
        assert_eq!(ratio.ratio.value().unwrap().trials, pairs);
    }
}

#[test]
fn the_last_finish_of_the_last_segment_tells_why_it_ended() {
    let plan = small_plan();
    for (reason, ending) in [
        (FinishReason::Precise, Ending::Precise),
        (FinishReason::Rounds, Ending::Rounds),
        (FinishReason::Time, Ending::Time),
        (FinishReason::Interrupted, Ending::Interrupted),
        (FinishReason::Failed, Ending::Failed),
    ] {
        let mut records = synthetic::run(&plan, 1, noisy);
        records.pop();
        records.push(Record::Finish(Finish { reason, spent_ns: Nanos::s(3) }));
        let run = summary(&plan, &records).run;
        assert_eq!((run.finish, run.spent_ns), (ending, Measured::Value(3_000_000_000)));
    }
}

#[test]
fn a_run_whose_rounds_are_all_measured_is_told_to_ask_for_more_of_them() {
    let mut plan = small_plan();
    let records = synthetic::run(&plan, 3, noisy);
    for (rounds, advice) in [
        (None, MoreRounds::Time),
        (Some(3), MoreRounds::Rounds { rounds: 10 }),
        (Some(9), MoreRounds::Time),
    ] {
        plan.measure.rounds = rounds;
        let summary = summary(&plan, &records);
        warns!(summary, Warning::Preliminary { more, .. } if *more == advice);
    }
}
