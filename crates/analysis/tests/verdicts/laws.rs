//! Each law held, broken and without its sources.

use analysis::explained::{Law, LawState};
use model::names::Switch;
use model::record::{FailureKind, Outcome, Record};
use model::values::Replica;
use model::{Factor, Mark, Measured, Plan, Preset, SendPath};

use crate::made::{Run, count, misses, one_thread, plan, run, run_with_noise};

/// One thread, with the control cells.
fn with_controls() -> Plan {
    let mut plan = one_thread();
    plan.measure.controls = true;
    plan
}

#[track_caller]
fn is(run: &Run, id: u32, state: LawState, words: &str) -> Law {
    let law = run.law(id);
    assert_eq!(law.state, state, "{law:#?}");
    assert!(law.because.contains(words), "{law:#?}");
    assert_eq!(law.broken_by.is_empty(), state != LawState::Broken, "{law:#?}");
    assert_eq!(law.compared == 0, state == LawState::Undecidable, "{law:#?}");
    law
}

fn usual() -> Run {
    run(with_controls(), |_, trial| trial)
}

/// Changes the first finished trial of a path.
fn once(run: Run, path: SendPath, change: impl Fn(&mut model::record::Finished)) -> Run {
    let done = std::cell::Cell::new(false);
    run.with(|cell, finished| {
        if cell.send_path == path && cell.so_zerocopy == Switch::On && !done.replace(true) {
            change(finished);
        }
    })
}

fn all_failed() -> Run {
    run(with_controls(), |_, trial| trial.failed(FailureKind::EndLost, "the sender died"))
}

#[test]
fn every_law_stands_once_and_broken_ones_come_first() {
    let laws = once(usual(), SendPath::Zerocopy, |f| f.sender.total.copied -= 1).explained().laws;
    let mut ids: Vec<u32> = laws.iter().map(|law| law.id).collect();
    assert_eq!(ids[0], 4);
    ids.sort_unstable();
    assert_eq!(ids, (1..=11).collect::<Vec<_>>());
}

#[test]
fn a_law_in_short_is_its_first_reason() {
    for law in usual().explained().laws {
        assert!(law.because.starts_with(law.in_short()) && !law.in_short().is_empty(), "{law:#?}");
        assert!(!law.in_short().contains("; "), "{law:#?}");
    }
}

#[test]
fn a_good_run_breaks_no_law() {
    let plan = Plan::preset(Preset::Default);
    let laws = run(plan, |_, trial| trial.counted()).explained().laws;
    let of = |state: LawState| -> Vec<u32> {
        laws.iter().filter(|law| law.state == state).map(|law| law.id).collect()
    };
    assert_eq!(of(LawState::Broken), [0; 0], "{laws:#?}");
    assert_eq!(of(LawState::Undecidable), [2, 5, 8], "{laws:#?}");
}

#[test]
fn content_is_bytes_and_whole_messages() {
    is(&usual(), 1, LawState::Holds, "every byte accepted was received");
    let lost = run(one_thread(), |cell, trial| {
        if cell.send_path == SendPath::Send { trial.marked(Mark::ContentLost) } else { trial }
    });
    let law = is(&lost, 1, LawState::Broken, "in 40 of 120");
    assert_eq!(law.broken_by.len(), 21, "twenty names and how many more");
    assert_eq!(law.broken_by[20], "and 20 more");
    assert!(law.broken_by[0].starts_with("round 1, send=send message_bytes="), "{law:#?}");
    let torn = once(usual(), SendPath::Sendmsg, |f| f.sender.total.messages -= 2);
    is(&torn, 1, LawState::Broken, "in 1 of");
    let wrong = once(usual(), SendPath::Sendmsg, |f| f.receiver.total.wrong_bytes = 3);
    is(&wrong, 1, LawState::Broken, "in 1 of");
    is(&all_failed(), 1, LawState::Undecidable, "no trial finished");
}

#[test]
fn notifications_complete_each_send_once() {
    is(&usual(), 3, LawState::Holds, "each completed once");
    let missing = once(usual(), SendPath::Zerocopy, |f| f.sender.total.completed -= 1);
    is(&missing, 3, LawState::Broken, "in 1 of");
    let twice = once(usual(), SendPath::Zerocopy, |f| f.sender.total.stray_ids = 1);
    is(&twice, 3, LawState::Broken, "in 1 of");
    let copying = run(plan(&[(Factor::Send, "send,sendmsg")]), |_, trial| trial);
    is(&copying, 3, LawState::Undecidable, "no zero-copy send");
}

#[test]
fn loopback_marks_every_completion_copied() {
    is(&usual(), 4, LawState::Holds, "were marked copied");
    let some = run(one_thread(), |_, trial| trial.copied_share(0.5));
    is(&some, 4, LawState::Broken, "not every completion");
    is(&all_failed(), 4, LawState::Undecidable, "no zero-copy completion");
}

#[test]
fn busy_time_lies_between_the_ends_own_and_the_wall_clock() {
    is(&usual(), 6, LawState::Holds, "no longer than the wall clock");
    let busier = |factor: u64, of: u64| {
        once(usual(), SendPath::Send, move |f| {
            if let Measured::Value(busy) = &mut f.machine.busy {
                busy.busy_ns.iter_mut().for_each(|ns| *ns = busy.span_ns.0 * factor / of);
            }
        })
    };
    is(&busier(2, 1), 6, LawState::Broken, "in 1 of");
    is(&busier(0, 1), 6, LawState::Broken, "in 1 of");
    // Within the source's own error nothing is broken.
    is(&busier(201, 200), 6, LawState::Holds, "no longer than");
    let unread = usual().with(|_, f| f.machine.busy = Measured::absent("no idle clock"));
    is(&unread, 6, LawState::Undecidable, "no idle clock");
    is(&all_failed(), 6, LawState::Undecidable, "no trial finished");
}

#[test]
fn cycles_are_a_frequency_that_the_cpu_has() {
    let counted = || run(one_thread(), |_, trial| trial.counted());
    is(&counted(), 7, LawState::Holds, "a frequency that the CPU has");
    let fast = once(counted(), SendPath::Send, |f| f.sender.counters.task_clock_ns = count(1e6));
    is(&fast, 7, LawState::Broken, "in 1 of");
    let slow = || once(counted(), SendPath::Send, |f| f.receiver.counters.cycles = count(1e3));
    is(&slow(), 7, LawState::Broken, "in 1 of");
    let no_lowest = slow().on(|host| {
        host.cpus.iter_mut().for_each(|cpu| cpu.min_khz = Measured::absent("no cpufreq"));
    });
    is(&no_lowest, 7, LawState::Holds, "lowest frequency is not known");
    let law = is(&usual(), 7, LawState::Undecidable, "cycles were not counted");
    misses(&law.would_decide, "hardware counters", "this machine has no hardware counters");
    let unknown = counted().on(|host| {
        host.cpus.iter_mut().for_each(|cpu| cpu.max_khz = Measured::absent("no cpufreq"));
    });
    let law = is(&unknown, 7, LawState::Undecidable, "frequency range is not known");
    misses(&law.would_decide, "the CPU's frequency range", "no cpufreq");
    let boosted =
        counted().on(|host| host.governor = Measured::Value("acpi-cpufreq ondemand".to_owned()));
    let law = is(&boosted, 7, LawState::Undecidable, "frequency range is not known");
    misses(&law.would_decide, "the CPU's frequency range", "boost");
}

#[test]
fn cost_grows_from_a_fixed_part() {
    is(&usual(), 9, LawState::Holds, "shown to be above 0");
    let falling = run(one_thread(), |cell, trial| {
        let bytes = cell.message.bytes().0 as f64;
        let per_message = 4000.0 - 0.05 * bytes;
        trial.sender_cpu_ns_per_kib(per_message / bytes * 1024.0)
    });
    is(&falling, 9, LawState::Broken, "below 0");
    // Cheaper from somewhere on, which four sizes cannot place.
    let bent = |lists: &[(Factor, &str)]| {
        run(plan(lists), |cell, trial| {
            let bytes = cell.message.bytes().0 as f64;
            let per_message = 4000.0 + 0.3 * bytes.min(3000.0) + 0.05 * (bytes - 3000.0).max(0.0);
            trial
                .sender_cpu_ns_per_kib(per_message / bytes * 1024.0)
                .receiver_cpu_ns_per_kib((2000.0 + 0.2 * bytes) / bytes * 1024.0)
        })
    };
    let few = bent(&[(Factor::Threads, "1")]);
    let law = is(&few, 9, LawState::Undecidable, "cannot be tested with these sizes");
    misses(&law.would_decide, "another plan", "--preset break-even");
    // Where every break named beforehand is tested, none of them explains it.
    let many = bent(&[(Factor::Threads, "1"), (Factor::Message, "64B..16KiB")]);
    let law = is(&many, 9, LawState::Broken, "no break point named beforehand explains it");
    assert!(law.broken_by[0].contains("the line does not fit"), "{law:#?}");
    let two_sizes = run(plan(&[(Factor::Message, "64,512")]), |_, trial| trial);
    let law = is(&two_sizes, 9, LawState::Undecidable, "needs 3 sizes, 2 were measured");
    misses(&law.would_decide, "another plan", "three sizes");
    let mut one_round = usual();
    one_round.records = synthetic::run(&one_round.plan, 1, synthetic::trial);
    is(&one_round, 9, LawState::Undecidable, "");
}

#[test]
fn twins_are_the_same() {
    is(&usual(), 10, LawState::Holds, "noise floor");
    let unequal =
        run(
            with_controls(),
            |cell, trial| {
                if cell.replica == Replica::ONE { trial } else { trial.faster(1.2) }
            },
        );
    let law = is(&unequal, 10, LawState::Broken, "equal cells differ");
    assert!(law.broken_by[0].contains("replica=2"), "{law:#?}");
    let noisy = run_with_noise(with_controls(), 0.3, |_, trial| trial);
    is(&noisy, 10, LawState::Undecidable, "neither shown");
    is(&run(one_thread(), |_, trial| trial), 10, LawState::Undecidable, "twin");
}

#[test]
fn without_the_option_nothing_is_notified_and_it_costs_as_a_copy() {
    is(&usual(), 11, LawState::Holds, "no notification came in 10 trials");
    let notified = usual().with(|cell, f| {
        if cell.so_zerocopy == Switch::Off {
            f.sender.total.notifications = 7;
        }
    });
    is(&notified, 11, LawState::Broken, "notifications came in 10");
    let dear = run(with_controls(), |cell, trial| {
        if cell.so_zerocopy == Switch::Off { trial.ends_cpu_ns_per_kib(900.0) } else { trial }
    });
    is(&dear, 11, LawState::Broken, "the cost is not sendmsg's");
    let alone = {
        let mut plan = plan(&[(Factor::Threads, "1"), (Factor::Send, "zerocopy")]);
        plan.measure.controls = true;
        run(plan, |_, trial| trial)
    };
    let law = is(&alone, 11, LawState::Undecidable, "its cost was not compared with sendmsg's");
    misses(&law.would_decide, "another plan", "sendmsg among --send");
    // No more shown than that it lies somewhere around.
    let unsteady = run_with_noise(with_controls(), 0.3, |_, trial| trial);
    let law = is(&unsteady, 11, LawState::Undecidable, "");
    misses(&law.would_decide, "more rounds", "--resume");
    let mut once = usual();
    once.records = synthetic::run(&once.plan, 1, synthetic::trial);
    let law = is(&once, 11, LawState::Undecidable, "");
    misses(&law.would_decide, "more rounds", "--resume");
    let law = is(&run(one_thread(), |_, trial| trial), 11, LawState::Undecidable, "");
    misses(&law.would_decide, "another plan", "controls on");
}

#[test]
fn a_failed_trial_is_no_breach() {
    let mut run = usual();
    for record in run.records.iter_mut().step_by(3) {
        if let Record::Trial(trial) = record {
            trial.outcome = Outcome::Failed(model::record::Failure {
                kind: FailureKind::CallFailed,
                why: "send: ECONNRESET".to_owned(),
            });
        }
    }
    let laws = run.explained().laws;
    assert!(laws.iter().all(|law| law.state != LawState::Broken), "{laws:#?}");
}
