//! Every mark, earned and not earned, and the edges between the two.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's functions may fail it")]

use analysis::marks::{is_void, judge};
use model::names::Watch;
use model::record::{FailureKind, Finished, Outcome, SnmpFacts, TcpFacts, Trial};
use model::{Cell, Class, Link, Mark, Measured, Nanos, SendPath, Share, Thresholds};

fn judged(trial: &Trial) -> Vec<Mark> {
    judge(trial, &Thresholds::default())
}

/// A good trial, changed.
fn changed(change: impl FnOnce(&mut Finished)) -> Vec<Mark> {
    let mut trial = synthetic::trial(&Cell::default(), 1).build();
    let Outcome::Finished(finished) = &mut trial.outcome else { panic!("it failed") };
    change(finished);
    judged(&trial)
}

#[test]
fn a_good_trial_earns_no_mark_on_any_path() {
    for path in SendPath::ALL {
        for watch in Watch::ALL {
            let cell = Cell { send_path: *path, watch: *watch, ..Cell::default() };
            assert_eq!(judged(&synthetic::trial(&cell, 1).build()), [], "{cell}");
            assert_eq!(judged(&synthetic::trial(&cell, 1).counted().build()), [], "{cell}");
        }
    }
}

#[test]
fn every_mark_is_earned_alone_and_has_its_class() {
    // Repeated is earned beside an earlier attempt.
    for mark in Mark::ALL.iter().filter(|mark| **mark != Mark::Repeated) {
        let link = if *mark == Mark::HelperClock { Link::Sink } else { Link::Loopback };
        let asked = if *mark == Mark::NoBusyPoll { "50us" } else { "off" };
        let cell = Cell { link, busy_poll: asked.parse().unwrap(), ..Cell::default() };
        let marks = judged(&synthetic::trial(&cell, 1).marked(*mark).build());
        assert_eq!(marks, [*mark]);
        assert_eq!(is_void(&marks), mark.class() == Class::Void);
    }
}

/// Older versions measured again what had not settled.
#[test]
fn an_attempt_after_a_valid_one_counts_for_nothing_whatever_either_measured() {
    let plan = model::Plan::preset(model::Preset::Default);
    let attempt = |n: u32, mark: Option<Mark>| {
        let trial = synthetic::trial(&Cell::default(), 1).attempt(n);
        model::record::Record::Trial(Box::new(match mark {
            Some(mark) => trial.marked(mark).build(),
            None => trial.build(),
        }))
    };
    let marks = |first: Mark| {
        let records = [attempt(1, Some(first)), attempt(2, None), attempt(3, None)];
        let judged = analysis::JudgedRun::of(&plan, &records);
        judged.trials().all().iter().map(|it| it.marks.to_vec()).collect::<Vec<_>>()
    };
    let repeated = vec![Mark::Repeated];
    assert_eq!(marks(Mark::Unsettled), [vec![Mark::Unsettled], repeated.clone(), repeated.clone()]);
    assert_eq!(marks(Mark::Throttled), [vec![Mark::Throttled], vec![], repeated]);
}

#[test]
fn marks_come_sorted_and_once_with_the_void_ones_first() {
    let trial = synthetic::trial(&Cell::default(), 1)
        .marked(Mark::Strangers)
        .marked(Mark::Retransmits)
        .marked(Mark::Throttled)
        .build();
    assert_eq!(judged(&trial), [Mark::Throttled, Mark::Retransmits, Mark::Strangers]);
}

#[test]
fn each_kind_of_failure_has_its_mark() {
    for (kind, mark) in [
        (FailureKind::EndLost, Mark::EndLost),
        (FailureKind::CallFailed, Mark::CallFailed),
        (FailureKind::Unsupported, Mark::CallFailed),
    ] {
        assert_eq!(
            judged(&synthetic::trial(&Cell::default(), 1).failed(kind, "why").build()),
            [mark]
        );
    }
}

#[test]
fn busy_polling_that_the_receiving_connection_could_not_have_is_noted() {
    let judged_as = |id: &str, napi_id: Option<u32>| {
        let mut trial = synthetic::trial(&id.parse().unwrap(), 1).build();
        let Outcome::Finished(finished) = &mut trial.outcome else { panic!("it failed") };
        (finished.sender.socket.napi_id, finished.receiver.socket.napi_id) = (Some(3), napi_id);
        judged(&trial)
    };
    assert_eq!(judged_as("busy_poll=50us", None), [Mark::NoBusyPoll]);
    assert_eq!(judged_as("busy_poll=50us", Some(3)), []);
    assert_eq!(judged_as("send=send", None), [], "nobody asked for it");
}

#[test]
fn content_is_lost_in_four_ways() {
    let ways: [fn(&mut Finished); 4] = [
        |f| f.receiver.total.received_bytes += 1,
        |f| f.receiver.total.wrong_bytes = 1,
        |f| f.sender.total.stray_ids = 1,
        |f| f.sender.total.zerocopy_sends = f.sender.total.completed + 1,
    ];
    for way in ways {
        assert_eq!(changed(way), [Mark::ContentLost]);
    }
}

#[test]
fn a_trial_whose_thirds_disagree_is_unsettled_whether_rising_or_falling() {
    let thirds = |first: u64, last: u64| {
        changed(|f| f.receiver.workers[0].third_bytes = [first, 1_000_000, last])
    };
    assert_eq!(thirds(1_000_000, 1_000_000), []);
    assert_eq!(thirds(1_000_000, 901_000), []);
    assert_eq!(thirds(1_000_000, 890_000), [Mark::Unsettled]);
    assert_eq!(thirds(890_000, 1_000_000), [Mark::Unsettled]);
    assert_eq!(thirds(0, 1_000_000), [Mark::Unsettled]);
    assert_eq!(thirds(0, 0), []);
}

#[test]
fn thirds_are_compared_over_all_workers_and_by_their_own_lengths() {
    let cell = Cell { threads: "2".parse().unwrap(), ..Cell::default() };
    let mut trial = synthetic::trial(&cell, 1).build();
    let Outcome::Finished(finished) = &mut trial.outcome else { panic!("it failed") };
    finished.receiver.workers[0].third_bytes = [1_000_000, 0, 500_000];
    finished.receiver.workers[1].third_bytes = [500_000, 0, 1_000_000];
    assert_eq!(judged(&trial), []);
    let Outcome::Finished(finished) = &mut trial.outcome else { panic!("it failed") };
    finished.receiver.workers[1].third_bytes = [1_000_000, 0, 3_000_000];
    finished.receiver.workers[1].third_ns = [1_000_000, 0, 3_000_000];
    finished.receiver.workers[0].third_bytes = [1_000_000, 0, 3_000_000];
    finished.receiver.workers[0].third_ns = [1_000_000, 0, 3_000_000];
    assert_eq!(judged(&trial), []);
}

#[test]
fn a_window_off_either_way_or_late_is_noted_and_far_off_is_void() {
    let ordered = Nanos::ms(250).0;
    for (length, marks) in [
        (ordered * 104 / 100, vec![]),
        (ordered * 106 / 100, vec![Mark::WindowNoted]),
        (ordered * 94 / 100, vec![Mark::WindowNoted]),
        (ordered * 126 / 100, vec![Mark::WindowVoid]),
        (ordered * 74 / 100, vec![Mark::WindowVoid]),
    ] {
        assert_eq!(changed(|f| f.sender.workers[0].window_ns = Nanos(length)), marks, "{length}");
        assert_eq!(changed(|f| f.receiver.workers[0].window_ns = Nanos(length)), marks, "{length}");
    }
    assert_eq!(changed(|f| f.sender.workers[0].late_ns = 20_000_000), [Mark::WindowNoted]);
    assert_eq!(changed(|f| f.sender.workers[0].late_ns = -20_000_000), [Mark::WindowNoted]);
    assert_eq!(changed(|f| f.receiver.workers[0].late_ns = i64::MIN), [Mark::WindowVoid]);
}

#[test]
fn retransmissions_are_those_of_the_flows_or_else_of_the_namespace() {
    let again = |n| Measured::Value(TcpFacts { retransmits: n, ..TcpFacts::default() });
    let namespace = || Measured::Value(SnmpFacts { retransmits: 1, ..SnmpFacts::default() });
    assert_eq!(changed(|f| f.sender.tcp = again(2)), [Mark::Retransmits]);
    assert_eq!(
        changed(|f| f.sender.snmp = namespace()),
        [],
        "somebody else's, or before the window"
    );
    assert_eq!(
        changed(|f| {
            f.sender.tcp = Measured::absent("no TCP_INFO");
            f.sender.snmp = namespace();
        }),
        [Mark::Retransmits]
    );
}

#[test]
fn others_are_accused_only_beyond_the_error_of_the_source() {
    let with_others = |others: u64, error: Nanos| {
        changed(|f| {
            let Measured::Value(busy) = &mut f.machine.busy else { panic!("no busy time") };
            busy.busy_ns[3] += others;
            busy.error_ns = error;
        })
    };
    // 5 % of one CPU in 250 ms is 12.5 ms; the error is eight ticks of 10 ms and that of the busy time.
    assert_eq!(with_others(60_000_000, Nanos(20_000)), []);
    assert_eq!(with_others(110_000_000, Nanos(20_000)), [Mark::Others]);
    assert_eq!(with_others(110_000_000, Nanos::ms(10)), []);
}

#[test]
fn softirq_time_is_nobody_elses() {
    let marks = changed(|f| {
        let (Measured::Value(busy), Measured::Value(ticks)) =
            (&mut f.machine.busy, &mut f.machine.ticks)
        else {
            panic!("no busy time")
        };
        busy.busy_ns[3] += 110_000_000;
        ticks.softirq_ns[3] += 110_000_000;
    });
    assert_eq!(marks, []);
}

#[test]
fn what_was_not_seen_speaks_against_nobody() {
    let marks = changed(|f| {
        f.machine.busy = Measured::absent("no cpuidle");
        f.machine.ticks = Measured::absent("no /proc/stat");
        f.machine.khz = Measured::absent("no cpufreq");
        for snmp in [&mut f.sender.snmp, &mut f.receiver.snmp] {
            *snmp = Measured::absent("no /proc/net/snmp");
        }
        f.sender.tcp = Measured::absent("no TCP_INFO");
        f.sender.throttled_us = Measured::absent("no cgroup");
    });
    assert_eq!(marks, []);
}

#[test]
fn as_many_busy_threads_as_cpus_are_not_oversubscribed() {
    let on = |cpus| judged(&synthetic::trial(&Cell::default(), 1).usable_cpus(cpus).build());
    assert_eq!(on(2), []);
    assert_eq!(on(1), [Mark::Oversubscribed]);
    let mut unknown = synthetic::trial(&Cell::default(), 1).build();
    unknown.settings.usable_cpus.clear();
    assert_eq!(judged(&unknown), []);
}

#[test]
fn either_of_two_hosts_may_have_fewer_cpus_than_its_end_has_threads() {
    let cell: Cell = "link=ssh threads=2 placement=none".parse().unwrap();
    let on = |here: &[u32], there: &[u32]| {
        let mut trial = synthetic::trial(&cell, 1).build();
        trial.settings.sender_cpus.clear();
        trial.settings.receiver_cpus.clear();
        trial.settings.usable_cpus = here.to_vec();
        trial.settings.receiver_usable_cpus = Some(there.to_vec());
        judged(&trial).contains(&Mark::Oversubscribed)
    };
    assert!(!on(&[0, 1], &[0, 1]));
    assert!(on(&[0, 1, 2, 3], &[0]) && on(&[0], &[0, 1, 2, 3]));
}

#[test]
fn oversubscription_is_judged_by_the_seats_where_they_are_known() {
    let judged_on = |link: &str, senders: &[u32], receivers: &[u32]| {
        let cell = format!("link={link} threads={}", senders.len().max(1));
        let mut trial = synthetic::trial(&cell.parse::<Cell>().unwrap(), 1).usable_cpus(8).build();
        trial.settings.sender_cpus = senders.to_vec();
        trial.settings.receiver_cpus = receivers.to_vec();
        judged(&trial)
    };
    // Seven senders on half of eight CPUs, as older versions seated them, and on all but the helper's.
    assert_eq!(judged_on("sink", &[0, 1, 2, 3, 0, 1, 2], &[4]), [Mark::Oversubscribed]);
    assert_eq!(judged_on("sink", &[0, 1, 2, 3, 5, 6, 7], &[4]), []);
    // A helper that spins on a sender's CPU; a receiver there was asked for.
    assert_eq!(judged_on("sink", &[0], &[0]), [Mark::Oversubscribed]);
    assert_eq!(judged_on("loopback", &[0], &[0]), []);
    assert_eq!(judged_on("loopback", &[0, 1], &[2, 2]), [Mark::Oversubscribed]);
    assert_eq!(judged_on("loopback", &[], &[]), []);
}

#[test]
fn the_plans_thresholds_decide() {
    let trial = synthetic::trial(&Cell::default(), 1).marked(Mark::Imbalance).build();
    assert_eq!(judged(&trial), [Mark::Imbalance]);
    let lenient = Thresholds { imbalance: Share(0.05), ..Thresholds::default() };
    assert_eq!(judge(&trial, &lenient), []);
}

#[test]
fn a_record_full_of_nothing_and_one_full_of_everything_are_judged_without_panic() {
    let empty = |f: &mut Finished| {
        f.sender.workers.clear();
        f.receiver.workers.clear();
    };
    // Ends that did nothing leave all busy time to others.
    assert_eq!(changed(empty), [Mark::Others]);
    let huge = changed(|f| {
        f.sender.strangers = u64::MAX;
        f.receiver.strangers = u64::MAX;
        f.receiver.workers[0].third_bytes = [u64::MAX; 3];
        f.receiver.workers[0].third_ns = [0; 3];
        if let Measured::Value(ticks) = &mut f.machine.ticks {
            ticks.steal_ns = vec![u64::MAX; 8];
        }
    });
    assert_eq!(huge, [Mark::Steal, Mark::Strangers]);
}
