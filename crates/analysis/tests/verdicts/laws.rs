//! Each law held, broken and without its sources.

use analysis::Metric;
use analysis::laws::law::{Law, LawState};
use analysis::laws::reason::LawReason;
use analysis::laws::reason::{Breach, BreachRecord, Counted, Figure, Fit, Source, Wrong};
use analysis::reason::Shown;
use model::names::Switch;
use model::record::{FailureKind, Outcome, Record};
use model::values::Replica;
use model::{Factor, Link, Mark, Measured, Plan, Preset, SendPath};

use crate::made::{CPUS, Run, count, misses, one_thread, plan, run, run_with_noise};

/// One thread, with the control cells.
fn with_controls() -> Plan {
    let mut plan = one_thread();
    plan.measure.controls = true;
    plan
}

/// The law comes out like this, and such a reason is among those it gives.
#[track_caller]
pub(crate) fn is(run: &Run, id: u32, state: LawState, shows: impl Fn(&LawReason) -> bool) -> Law {
    let law = run.law(id);
    assert_eq!(law.state, state, "{law:#?}");
    assert!(law.reasons.iter().any(shows), "{law:#?}");
    assert_eq!(law.broken_by.is_empty(), state != LawState::Broken, "{law:#?}");
    assert_eq!(law.compared == 0, state == LawState::Undecidable, "{law:#?}");
    law
}

/// So many were compared, of which so many differ.
pub(crate) fn compared(of: u32, differ: u32) -> impl Fn(&LawReason) -> bool {
    move |reason| *reason == LawReason::Compared { of, differ }
}

/// All that was compared agrees.
pub(crate) fn agrees(reason: &LawReason) -> bool {
    matches!(reason, LawReason::Compared { of: 1.., differ: 0 })
}

/// One of what was compared differs.
fn one_differs(reason: &LawReason) -> bool {
    matches!(reason, LawReason::Compared { of: 2.., differ: 1 })
}

/// A source is absent everywhere, for a reason that holds these words.
pub(crate) fn absent<'a>(source: Source, words: &'a str) -> impl Fn(&LawReason) -> bool + 'a {
    move |reason| {
        matches!(reason, LawReason::Absent { source: it, of, why }
            if *it == source && of.is_empty() && why.contains(words))
    }
}

pub(crate) fn no_record(reason: &LawReason) -> bool {
    *reason == LawReason::NoRecord
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
fn every_law_has_a_reason() {
    for run in [usual(), all_failed()] {
        let laws = run.explained().laws;
        assert!(laws.iter().all(|law| !law.reasons.is_empty()), "{laws:#?}");
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
    is(&usual(), 1, LawState::Holds, agrees);
    let unchecked = LawReason::Count { of: Counted::CheckedBytes, n: 0 };
    is(&usual(), 1, LawState::Holds, |reason| *reason == unchecked);
    let lost = run(one_thread(), |cell, trial| {
        if cell.send_path == SendPath::Send { trial.marked(Mark::ContentLost) } else { trial }
    });
    let law = is(&lost, 1, LawState::Broken, compared(120, 40));
    assert_eq!((law.broken_by.len(), law.broken_by_more), (20, 20));
    let BreachRecord::Trial { round: 1, cell } = &law.broken_by[0].record else {
        panic!("{law:#?}")
    };
    assert_eq!(cell.send_path, SendPath::Send);
    let torn = once(usual(), SendPath::Sendmsg, |f| f.sender.total.messages -= 2);
    is(&torn, 1, LawState::Broken, one_differs);
    let wrong = once(usual(), SendPath::Sendmsg, |f| f.receiver.total.wrong_bytes = 3);
    is(&wrong, 1, LawState::Broken, one_differs);
    is(&all_failed(), 1, LawState::Undecidable, no_record);
}

#[test]
fn notifications_complete_each_send_once() {
    is(&usual(), 3, LawState::Holds, agrees);
    let missing = once(usual(), SendPath::Zerocopy, |f| f.sender.total.completed -= 1);
    is(&missing, 3, LawState::Broken, one_differs);
    let twice = once(usual(), SendPath::Zerocopy, |f| f.sender.total.stray_ids = 1);
    is(&twice, 3, LawState::Broken, one_differs);
    let copying = run(plan(&[(Factor::Send, "send,sendmsg")]), |_, trial| trial);
    is(&copying, 3, LawState::Undecidable, no_record);
}

#[test]
fn loopback_marks_every_completion_copied() {
    let marked = |all: bool| {
        move |reason: &LawReason| {
            matches!(reason, LawReason::Completions { link: Link::Loopback, trials, differ, .. }
                if *trials > 0 && *differ == if all { 0 } else { *trials })
        }
    };
    is(&usual(), 4, LawState::Holds, marked(true));
    let some = run(one_thread(), |_, trial| trial.copied_share(0.5));
    is(&some, 4, LawState::Broken, marked(false));
    is(&all_failed(), 4, LawState::Undecidable, no_record);
}

#[test]
fn busy_time_lies_between_the_ends_own_and_the_wall_clock() {
    is(&usual(), 6, LawState::Holds, agrees);
    let busier = |factor: u64, of: u64| {
        once(usual(), SendPath::Send, move |f| {
            if let Measured::Value(busy) = &mut f.machine.busy {
                busy.busy_ns.iter_mut().for_each(|ns| *ns = busy.span_ns.0 * factor / of);
            }
        })
    };
    is(&busier(2, 1), 6, LawState::Broken, one_differs);
    is(&busier(0, 1), 6, LawState::Broken, one_differs);
    let idle = |mut run: Run, part: u64, of: u64| {
        for record in &mut run.records {
            if let Record::Round(round) = record
                && let Measured::Value(idle) = &mut round.idle
            {
                idle.cpus = (0..CPUS).collect();
                idle.busy_ns = vec![idle.span_ns.0 * part / of; idle.cpus.len()];
            }
        }
        run
    };
    is(&idle(usual(), 0, 1), 6, LawState::Holds, agrees);
    // Idle CPUs that did so much before the round that the trial's own cost comes out below what the ends used.
    let barely_busy = || {
        usual().with(|_, f| {
            let workers = f.sender.workers.iter().chain(&f.receiver.workers);
            let own: u64 = workers.map(|worker| worker.cpu_ns.0).sum();
            if let Measured::Value(busy) = &mut f.machine.busy {
                busy.busy_ns = vec![own / busy.cpus.len() as u64; busy.cpus.len()];
            }
        })
    };
    is(&idle(barely_busy(), 0, 1), 6, LawState::Holds, agrees);
    let moved = idle(barely_busy(), 9, 100).law(6);
    assert_eq!(moved.state, LawState::Broken, "{moved:#?}");
    let is_of_machine = |breach: &Breach| matches!(breach.wrong, Wrong::Figure { figure: Figure::MachineNs, is, should } if is > should);
    assert!(moved.broken_by.iter().all(is_of_machine), "{moved:#?}");
    // Where others used that much of them, which part they left to the ends is not known, and neither is that cost.
    is(&idle(barely_busy(), 9, 10), 6, LawState::Holds, agrees);
    // Windows far from the ordered one are not those in which the CPUs were looked at.
    let late = run(with_controls(), |cell, trial| {
        if cell.send_path == SendPath::Send { trial.marked(Mark::WindowVoid) } else { trial }
    });
    let late = once(late, SendPath::Send, |f| {
        if let Measured::Value(busy) = &mut f.machine.busy {
            busy.busy_ns.iter_mut().for_each(|ns| *ns = 0);
        }
    });
    is(&late, 6, LawState::Holds, agrees);
    // Within the source's own error nothing is broken.
    is(&busier(201, 200), 6, LawState::Holds, agrees);
    let unread = usual().with(|_, f| f.machine.busy = Measured::absent("no idle clock"));
    is(&unread, 6, LawState::Undecidable, absent(Source::BusyTime, "no idle clock"));
    is(&all_failed(), 6, LawState::Undecidable, no_record);
}

#[test]
fn cycles_are_a_frequency_that_the_cpu_has() {
    let counted = || run(one_thread(), |_, trial| trial.counted());
    is(&counted(), 7, LawState::Holds, agrees);
    let without_lowest = |reason: &LawReason| {
        matches!(reason, LawReason::Count { of: Counted::NoLowestFrequency, n: 1.. })
    };
    assert!(!counted().law(7).reasons.iter().any(without_lowest));
    let fast = once(counted(), SendPath::Send, |f| f.sender.counters.task_clock_ns = count(1e6));
    is(&fast, 7, LawState::Broken, one_differs);
    let slow = || once(counted(), SendPath::Send, |f| f.receiver.counters.cycles = count(1e3));
    is(&slow(), 7, LawState::Broken, one_differs);
    let no_lowest = slow().on(|host| {
        host.cpus.iter_mut().for_each(|cpu| cpu.min_khz = Measured::absent("no cpufreq"));
    });
    is(&no_lowest, 7, LawState::Holds, without_lowest);
    let law = is(&usual(), 7, LawState::Undecidable, absent(Source::Cycles, ""));
    misses(&law.would_decide, "hardware counters", "this machine has no hardware counters");
    let unknown = counted().on(|host| {
        host.cpus.iter_mut().for_each(|cpu| cpu.max_khz = Measured::absent("no cpufreq"));
    });
    let range = || absent(Source::FrequencyRange, "");
    let law = is(&unknown, 7, LawState::Undecidable, range());
    misses(&law.would_decide, "the CPU's frequency range", "no cpufreq");
    let boosted =
        counted().on(|host| host.governor = Measured::Value("acpi-cpufreq ondemand".to_owned()));
    let law = is(&boosted, 7, LawState::Undecidable, range());
    misses(&law.would_decide, "the CPU's frequency range", "boost");
}

#[test]
fn cost_grows_from_a_fixed_part() {
    let lines = |kind: Fit| move |reason: &LawReason| matches!(reason, LawReason::Lines { fit, n: 1.., .. } if *fit == kind);
    is(&usual(), 9, LawState::Holds, lines(Fit::AboveZero));
    let falling = run(one_thread(), |cell, trial| {
        let bytes = cell.message.bytes().0 as f64;
        let per_message = 4000.0 - 0.05 * bytes;
        trial.sender_cpu_ns_per_kib(per_message / bytes * 1024.0)
    });
    is(&falling, 9, LawState::Broken, lines(Fit::BelowZero));
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
    let law = is(&few, 9, LawState::Undecidable, lines(Fit::Untestable));
    misses(&law.would_decide, "another plan", "--preset break-even");
    // Where every break named beforehand is tested, none of them explains it.
    let many = bent(&[(Factor::Threads, "1"), (Factor::Message, "64B..16KiB")]);
    let law = is(&many, 9, LawState::Broken, lines(Fit::Unexplained));
    assert!(matches!(law.broken_by[0].wrong, Wrong::NoFit { .. }), "{law:#?}");
    // Where every interval holds 0 no line could have broken it, whatever the truth.
    let noisy = run_with_noise(one_thread(), 3.0, |_, trial| trial);
    let law = is(&noisy, 9, LawState::Undecidable, |it| {
        matches!(it, LawReason::Lines { fit: Fit::AboveZero, n: 0, .. })
    });
    misses(&law.would_decide, "more rounds", "--resume");
    let two_sizes = run(plan(&[(Factor::Message, "64,512")]), |_, trial| trial);
    let law = is(
        &two_sizes,
        9,
        LawState::Undecidable,
        absent(Source::Line, "needs 3 sizes, 2 were measured"),
    );
    misses(&law.would_decide, "another plan", "three sizes");
    let mut one_round = usual();
    one_round.records = synthetic::run(&one_round.plan, 1, synthetic::trial);
    is(&one_round, 9, LawState::Undecidable, absent(Source::Intervals, ""));
}

#[test]
fn of_many_lines_with_a_break_three_are_named() {
    let lists = [
        (Factor::Threads, "1,2,4"),
        (Factor::Message, "4KiB..256KiB"),
        (Factor::Send, "send,sendmsg"),
    ];
    let bent = run(plan(&lists), |cell, trial| {
        let bytes = cell.message.bytes().0 as f64;
        let steps = if bytes > 32_768.0 { 9000.0 } else { 0.0 };
        let per_message = 4000.0 + 0.3 * bytes + steps;
        trial
            .sender_cpu_ns_per_kib(per_message / bytes * 1024.0)
            .receiver_cpu_ns_per_kib((2000.0 + 0.2 * bytes) / bytes * 1024.0)
    });
    let breaks =
        |it: &LawReason| matches!(it, LawReason::Breaks { lines, more: 3 } if lines.len() == 3);
    let law = is(&bent, 9, LawState::Holds, breaks);
    let clauses = law.reasons.iter().filter(|it| matches!(it, LawReason::Breaks { .. }));
    assert_eq!(clauses.count(), 1, "{law:#?}");
}

#[test]
fn twins_are_the_same() {
    let floor = |reason: &LawReason| matches!(reason, LawReason::NoiseFloor { .. });
    let twins = |reason: &LawReason| matches!(reason, LawReason::Twins { .. });
    is(&usual(), 10, LawState::Holds, floor);
    let unequal =
        run(
            with_controls(),
            |cell, trial| {
                if cell.replica == Replica::ONE { trial } else { trial.faster(1.2) }
            },
        );
    let differ = |of: Metric| move |it: &LawReason| matches!(it, LawReason::TwinsDiffer { metric, .. } if *metric == of);
    let law = is(&unequal, 10, LawState::Broken, differ(Metric::GoodputGbps));
    assert!(matches!(law.reasons[0], LawReason::TwinsDiffer { .. }), "{law:#?}");
    // CPU alone differs: it comes first.
    let dear = run(with_controls(), |cell, trial| {
        if cell.replica == Replica::ONE { trial } else { trial.ends_cpu_ns_per_kib(900.0) }
    });
    let law_of_cpu = is(&dear, 10, LawState::Broken, twins);
    assert!(differ(Metric::EndsCpuNsPerKib)(&law_of_cpu.reasons[0]), "{law_of_cpu:#?}");
    let BreachRecord::Cell { cell } = &law.broken_by[0].record else { panic!("{law:#?}") };
    assert_ne!(cell.replica, Replica::ONE);
    let noisy = run_with_noise(with_controls(), 0.3, |_, trial| trial);
    is(&noisy, 10, LawState::Undecidable, twins);
    let without = run(one_thread(), |_, trial| trial);
    let law = is(&without, 10, LawState::Undecidable, absent(Source::Twins, "twin"));
    assert_eq!(law.would_decide[0].what, "another plan");
    // The plan has twins, none of which was reached.
    let mut unreached = usual();
    unreached
        .records
        .retain(|it| !matches!(it, Record::Trial(trial) if trial.cell.replica != Replica::ONE));
    let law = is(&unreached, 10, LawState::Undecidable, absent(Source::Twins, "twin"));
    assert_eq!(law.would_decide[0].what, "more rounds");
}

#[test]
fn without_the_option_nothing_is_notified_and_it_costs_as_a_copy() {
    let cost = |shown: Shown| move |reason: &LawReason| matches!(reason, LawReason::Cost { alike, .. } if *alike == shown);
    is(&usual(), 11, LawState::Holds, compared(10, 0));
    is(&usual(), 11, LawState::Holds, cost(Shown::Yes));
    let notified = usual().with(|cell, f| {
        if cell.so_zerocopy == Switch::Off {
            f.sender.total.notifications = 7;
        }
    });
    is(&notified, 11, LawState::Broken, compared(10, 10));
    let dear = run(with_controls(), |cell, trial| {
        if cell.so_zerocopy == Switch::Off { trial.ends_cpu_ns_per_kib(900.0) } else { trial }
    });
    let law = is(&dear, 11, LawState::Broken, cost(Shown::No));
    assert!(cost(Shown::No)(&law.reasons[0]), "what is wrong comes first: {law:#?}");
    let alone = {
        let mut plan = plan(&[(Factor::Threads, "1"), (Factor::Send, "zerocopy")]);
        plan.measure.controls = true;
        run(plan, |_, trial| trial)
    };
    let law = is(&alone, 11, LawState::Undecidable, absent(Source::CostOfCopy, ""));
    misses(&law.would_decide, "another plan", "sendmsg among --send");
    // No more shown than that it lies somewhere around.
    let unsteady = run_with_noise(with_controls(), 0.3, |_, trial| trial);
    let law = is(&unsteady, 11, LawState::Undecidable, cost(Shown::Unclear));
    misses(&law.would_decide, "more rounds", "--resume");
    let mut once = usual();
    once.records = synthetic::run(&once.plan, 1, synthetic::trial);
    let law = is(&once, 11, LawState::Undecidable, cost(Shown::Unclear));
    misses(&law.would_decide, "more rounds", "--resume");
    let law = is(&run(one_thread(), |_, trial| trial), 11, LawState::Undecidable, no_record);
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
