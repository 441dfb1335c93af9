//! Claims, answers and data paths that an audit or the sink decides.

use analysis::Metric;
use analysis::answers::{Answer, AnswerFinding, CopiesInAll};
use analysis::claims::claim::Claim;
use analysis::copies::{NotCounted, Step};
use analysis::findings::CrossoverOutcome;
use analysis::laws::law::LawState;
use analysis::operands::OfPath;
use analysis::reason::PartKind::{Counter, Effect};
use analysis::reason::Reason;
use analysis::reason::Shown::{NotMeasured, Unclear};
use model::audit::{Audited, CopiedBytes, CopyCounts, Hook};
use model::record::Outcome;
use model::{Cell, Factor, Link, Measured, ReceivePath, SendPath};

use crate::made::{self, Builder, Run, gives, misses, one_thread, plan, run};

use crate::links::{made, sink_alone};

/// Changes one figure of the audits of a path: its copies a byte.
fn counted(run: Run, path: SendPath, change: impl Fn(&mut CopyCounts, u64)) -> Run {
    run.with_audits(|audited: &mut Audited| {
        let bytes = match &audited.outcome {
            Outcome::Finished(finished) => finished.sender.total.accepted_bytes,
            Outcome::Failed(_) | Outcome::Imported(_) => 0,
        };
        if audited.cell.send_path == path
            && let Measured::Value(copies) = &mut audited.copies
        {
            change(copies, bytes);
        }
    })
}

fn times(figure: &mut Measured<CopiedBytes>, bytes: u64) {
    if let Measured::Value(figure) = figure {
        figure.bytes = bytes;
    }
}

/// What audits counted of a path is such.
#[track_caller]
fn copies(claim: &Claim, path: SendPath, is_it: impl Fn(&OfPath) -> bool) {
    gives(
        claim,
        |reason| matches!(reason, Reason::Copies { of } if of.iter().any(|of| of.path == path && is_it(of))),
    );
}

/// So many copies a byte at a step.
fn at(step: Step, copies: f64) -> impl Fn(&OfPath) -> bool {
    move |of| {
        let seen = of.steps[&step];
        (seen.low - copies).abs() < 0.01 && (seen.high - copies).abs() < 0.01
    }
}

/// The audit's own reason.
fn quoted(text: &str) -> NotCounted {
    NotCounted::Quoted { text: text.to_owned() }
}

/// A step was not counted, and why.
#[track_caller]
fn not_counted(claim: &Claim, of: Step, words: &str) {
    gives(
        claim,
        |reason| matches!(reason, Reason::StepNotCounted { step, why } if *step == of && *why == quoted(words)),
    );
}

#[test]
fn c1_falls_by_one_copy_counted_on_the_way_out_and_stands_by_two() {
    let audited = || made(one_thread()).audited();
    let once = audited().refutes(1, Effect);
    copies(&once, SendPath::Send, at(Step::In, 1.0));
    copies(&once, SendPath::Send, at(Step::Deferred, 0.0));
    copies(&once, SendPath::Send, at(Step::Out, 1.0));
    let twice = counted(audited(), SendPath::Send, |copies, bytes| {
        times(&mut copies.deferred, bytes);
    });
    copies(&twice.supports(1), SendPath::Send, at(Step::Deferred, 1.0));
    made(one_thread()).leaves_open(1, Effect, NotMeasured);
    let halves = counted(audited(), SendPath::Send, |copies, bytes| {
        times(&mut copies.deferred, bytes / 2);
    });
    copies(&halves.leaves_open(1, Effect, Unclear), SendPath::Send, at(Step::Deferred, 0.5));
    let uncounted = counted(audited(), SendPath::Send, |copies, _| {
        copies.deferred = Measured::absent("kprobes are off");
    });
    not_counted(&uncounted.leaves_open(1, Effect, NotMeasured), Step::Deferred, "kprobes are off");
}

#[test]
fn c2_compares_the_copies_of_both_paths() {
    let audited = || made(one_thread()).audited();
    let same = audited().refutes(2, Effect);
    copies(&same, SendPath::Send, at(Step::In, 1.0));
    copies(&same, SendPath::Sendmsg, at(Step::In, 1.0));
    let fewer = counted(audited(), SendPath::Sendmsg, |copies, _| {
        times(&mut copies.copied_in, 0);
    });
    copies(&fewer.supports(2), SendPath::Sendmsg, at(Step::In, 0.0));
    let odd = counted(audited(), SendPath::Sendmsg, |copies, bytes| {
        times(&mut copies.copied_in, bytes / 2);
    });
    odd.leaves_open(2, Effect, Unclear);
    made(one_thread()).leaves_open(2, Counter, NotMeasured);
}

/// Copies in of every audit trial are what was accepted less what was passed by reference, and copies out are of the
/// tracepoint: a machine without breakpoint registers.
fn eliminated(run: Run) -> Run {
    run.with_audits(|audited| {
        if let Measured::Value(copies) = &mut audited.copies {
            for (figure, hook) in [
                (&mut copies.copied_in, Hook::Elimination),
                (&mut copies.copied_out, Hook::Tracepoint),
            ] {
                if let Measured::Value(figure) = figure {
                    figure.hook = hook;
                }
            }
        }
    })
}

/// What the answer to Q0 says was counted, and what it comes to.
#[track_caller]
fn in_all(answer: &Answer) -> (CopiesInAll, OfPath) {
    let AnswerFinding::Copies { total, counted, .. } = &answer.finding else {
        panic!("{answer:#?}")
    };
    (*total, counted[0].clone())
}

/// The answer to Q0 says why a step was not counted.
#[track_caller]
fn lacks(answer: &Answer, step: Step, why: &str) {
    let AnswerFinding::Copies { not_counted, .. } = &answer.finding else { panic!("{answer:#?}") };
    assert_eq!(not_counted, &[Reason::StepNotCounted { step, why: quoted(why) }]);
}

#[test]
fn what_remains_of_a_path_that_copies_decides_nothing_and_is_shown() {
    let run = eliminated(made(one_thread()).audited());
    let is_eliminated = |it: &Reason| {
        matches!(it, Reason::StepNotCounted { step: Step::In, why: NotCounted::Eliminated })
    };
    let eliminated_in = |claim: &Claim| gives(claim, is_eliminated);
    eliminated_in(&run.leaves_open(1, Effect, NotMeasured));
    eliminated_in(&run.leaves_open(2, Counter, NotMeasured));
    let answer = run.answer(0);
    assert!(!answer.answered);
    let (total, found) = in_all(&answer);
    assert_eq!(total, CopiesInAll::Unclear);
    for (step, eliminated) in [(Step::In, true), (Step::Out, false)] {
        let seen = found.steps[&step];
        assert_eq!((seen.low, seen.high, seen.eliminated), (1.0, 1.0, eliminated));
    }
    misses(&answer.would_answer, "a copy audit", "breakpoint registers");
    let explained = run.explained();
    let send = explained.data_paths.iter().find(|path| path.path == SendPath::Send).unwrap();
    assert!(!send.copies_in.audited && send.copies_out.audited);
    // A second copy cannot show in what remains, but one at delivery is counted: C1 stays open either way.
    let twice =
        counted(eliminated(made(one_thread()).audited()), SendPath::Send, |copies, bytes| {
            times(&mut copies.deferred, bytes);
        });
    eliminated_in(&twice.leaves_open(1, Effect, NotMeasured));
    // Of zerocopy what was passed by reference was counted, and what remains is no more than headers.
    let claim = run.refutes(3, Effect);
    copies(&claim, SendPath::Zerocopy, |of| {
        of.steps[&Step::In].eliminated && at(Step::In, 0.0)(of)
    });
    copies(&claim, SendPath::Zerocopy, at(Step::Deferred, 1.0));
}

#[test]
fn a_missing_hook_never_makes_sendmsg_copy_less() {
    let no_kprobes = "kprobes are not built in";
    for of_one in [SendPath::Send, SendPath::Sendmsg] {
        // Whatever one path lacks is not compared: 1 in alone is no fewer than 1 in and 1 out.
        for lacks in [
            |copies: &mut CopyCounts, why: &str| copies.deferred = Measured::absent(why),
            |copies: &mut CopyCounts, why: &str| copies.copied_out = Measured::absent(why),
        ] {
            let run = counted(made(one_thread()).audited(), of_one, |copies, _| {
                lacks(copies, no_kprobes);
            });
            run.refutes(2, Effect);
        }
        let no_in = counted(made(one_thread()).audited(), of_one, |copies, _| {
            copies.copied_in = Measured::absent("no breakpoint registers");
        });
        let claim = no_in.leaves_open(2, Counter, NotMeasured);
        not_counted(&claim, Step::In, "no breakpoint registers");
    }
    // Fewer copies in, while nobody counted those at delivery: they may only have moved there.
    let moved = counted(made(one_thread()).audited(), SendPath::Sendmsg, |copies, _| {
        times(&mut copies.copied_in, 0);
        copies.deferred = Measured::absent(no_kprobes);
    });
    not_counted(&moved.leaves_open(2, Effect, Unclear), Step::Deferred, no_kprobes);
}

#[test]
fn c3_needs_audit_and_completions_to_say_the_same() {
    let audited = || made(one_thread()).audited();
    copies(&audited().refutes(3, Effect), SendPath::Zerocopy, at(Step::Deferred, 1.0));
    let none =
        || counted(audited(), SendPath::Zerocopy, |copies, _| times(&mut copies.deferred, 0));
    let marked = |claim: &Claim, share: f64| {
        gives(
            claim,
            |it| matches!(it, Reason::Completions { copied: Measured::Value(copied), .. } if *copied == [share; 2]),
        );
    };
    marked(&none().leaves_open(3, Effect, Unclear), 1.0);
    marked(&none().with(|_, finished| finished.sender.total.copied = 0).supports(3), 0.0);
}

/// The claim has the crossover of sender-side cost into the sink beside it.
#[track_caller]
fn sinks_crossover(claim: &Claim, is_it: impl Fn(&CrossoverOutcome) -> bool) {
    gives(claim, |it| {
        matches!(it, Reason::Crossovers { of } if of.iter().all(|it| {
            it.crossover.shared.cell().link == Link::Sink
                && it.crossover.metric == Metric::SenderSideCpuNsPerKib
                && is_it(&it.crossover.outcome)
        }))
    });
}

#[test]
fn c6_has_the_sinks_own_break_even_beside_it() {
    let both = plan(&[
        (Factor::Send, "send,zerocopy"),
        (Factor::Message, "1KiB..64KiB"),
        (Factor::Threads, "1"),
        (Factor::Link, "loopback,sink"),
    ]);
    sinks_crossover(&made(both).claim(6), |it| *it != CrossoverOutcome::Undecided);
    let alone = sink_alone(&[(Factor::Send, "send,zerocopy"), (Factor::Message, "1KiB..64KiB")]);
    let claim = made(alone.clone()).leaves_open(6, Effect, NotMeasured);
    gives(&claim, |it| matches!(it, Reason::SinkAlone));
    sinks_crossover(&claim, |it| *it == CrossoverOutcome::Always);
    // Whatever the sender's side costs there, goodput was not measured.
    let dear = run(alone, |cell, trial| {
        let is_it = cell.send_path == SendPath::Zerocopy;
        if is_it { trial.sender_cpu_ns_per_kib(90_000.0) } else { trial }
    });
    gives(&dear.leaves_open(6, Effect, NotMeasured), |it| matches!(it, Reason::SinkAlone));
}

#[test]
fn c6_is_of_goodput_and_the_sinks_cost_neither_refutes_nor_supports_it() {
    let both = || {
        plan(&[
            (Factor::Send, "send,zerocopy"),
            (Factor::Message, "1KiB..64KiB"),
            (Factor::Threads, "1"),
            (Factor::Link, "loopback,sink"),
        ])
    };
    // Goodput over send's grows with the size and passes 1 there.
    let goodput = |equal_at: f64| {
        move |cell: &Cell, trial: Builder| match (cell.link, cell.send_path) {
            (Link::Sink, _) => trial,
            (_, SendPath::Zerocopy) => {
                let times = (cell.message.bytes().0 as f64 / equal_at).powf(0.3);
                trial.goodput_gbps(20.0 * times)
            }
            _ => trial.goodput_gbps(20.0),
        }
    };
    // On the sink it is cheaper at every size, which is not from 4096 bytes on.
    run(both(), goodput(4096.0)).supports(6);
    gives(
        &run(both(), goodput(1e7)).refutes(6, Effect),
        |it| matches!(it, Reason::Crossovers { of } if of[0].crossover.outcome == CrossoverOutcome::Never),
    );
    // Goodput tells nothing over loopback: the sink's cost, wherever it breaks even, is no goodput.
    let nothing = made::run_with_noise(both(), 0.4, |cell, trial| match cell.link {
        Link::Sink => trial,
        Link::Loopback | Link::Veth | Link::Unix | Link::Ssh => trial.goodput_gbps(20.0),
    });
    let claim = nothing.leaves_open(6, Effect, Unclear);
    sinks_crossover(&claim, |it| *it != CrossoverOutcome::Undecided);
}

#[test]
fn q0_is_answered_by_the_audit() {
    let answer = made(one_thread()).audited().answer(0);
    assert!(answer.answered);
    let (total, found) = in_all(&answer);
    assert_eq!(total, CopiesInAll::Two);
    assert_eq!((found.path, found.link), (SendPath::Send, Link::Loopback));
    for (step, copies) in [(Step::In, 1.0), (Step::Deferred, 0.0), (Step::Out, 1.0)] {
        let seen = found.steps[&step];
        assert_eq!((seen.low, seen.high, seen.eliminated), (copies, copies, false));
    }
    let three = counted(made(one_thread()).audited(), SendPath::Send, |copies, bytes| {
        times(&mut copies.copied_out, 2 * bytes);
    });
    assert_eq!(in_all(&three.answer(0)).0, CopiesInAll::NotTwo);
    // A hook that is missing is no zero: there may be a third copy.
    let open = counted(made(one_thread()).audited(), SendPath::Send, |copies, _| {
        copies.deferred = Measured::absent("kprobes are not built in");
    });
    let answer = open.answer(0);
    assert!(!answer.answered);
    assert_eq!(in_all(&answer).0, CopiesInAll::TwoAtLeast);
    lacks(&answer, Step::Deferred, "kprobes are not built in");
    let more = counted(made(one_thread()).audited(), SendPath::Send, |copies, bytes| {
        copies.deferred = Measured::absent("kprobes are not built in");
        times(&mut copies.copied_in, 2 * bytes);
    });
    let answer = more.answer(0);
    assert!(answer.answered);
    let (total, found) = in_all(&answer);
    assert_eq!(total, CopiesInAll::NotTwo);
    assert!(found.steps[&Step::In].low > 1.9 && !found.steps.contains_key(&Step::Deferred));
    let half = counted(made(one_thread()).audited(), SendPath::Send, |copies, _| {
        copies.copied_out = Measured::absent("no breakpoint registers");
    });
    let answer = half.answer(0);
    assert!(!answer.answered);
    assert_eq!(in_all(&answer).0, CopiesInAll::Unclear);
    lacks(&answer, Step::Out, "no breakpoint registers");
    // What another instrument watched says nothing of copies.
    let beside = counted(made(one_thread()).audited(), SendPath::Send, |copies, _| {
        copies.copied_out = Measured::absent("no breakpoint registers");
    });
    assert_eq!(beside.profiled(|_| [1, 1, 1]).answer(0), answer);
    assert!(!made(one_thread()).answer(0).answered);
}

#[test]
fn data_paths_are_of_each_link_and_hold_what_was_counted() {
    let mut two = one_thread();
    two.factors.set(Factor::Link, "loopback,sink").unwrap();
    let expected = made(two.clone()).explained().data_paths;
    assert_eq!(expected.len(), 6);
    assert!(expected.iter().all(|path| !path.copies_in.audited));
    let explained = counted(made(two).audited(), SendPath::Send, |copies, bytes| {
        times(&mut copies.copied_in, bytes / 100 * 101);
        copies.deferred = Measured::absent("kprobes are off");
    })
    .explained();
    let of = |path: SendPath, link: Link| {
        explained.data_paths.iter().find(|d| d.path == path && d.cell.link == link).unwrap()
    };
    let send = of(SendPath::Send, Link::Loopback);
    assert!(send.copies_in.audited && (send.copies_in.per_byte - 1.01).abs() < 1e-3);
    assert_eq!(send.copies_in.expected, Some(1.0));
    assert!(!send.copies_deferred.value().unwrap().audited && send.copies_out.audited);
    let zerocopy = of(SendPath::Zerocopy, Link::Sink);
    let deferred = *zerocopy.copies_deferred.value().unwrap();
    let steps = [zerocopy.copies_in, deferred, zerocopy.copies_out];
    assert!(steps.iter().all(|copies| copies.audited && copies.per_byte == 0.0), "{steps:?}");
    let audit = explained.copy_audits.iter().find(|a| a.cell == send.cell).unwrap();
    assert_eq!(audit.figures[2].per_byte.reason(), Some("kprobes are off"));
    assert_eq!(audit.functions.len(), 2);
}

/// What comes out of a socket is what the receive path takes: all, none, or what is not mapped; and calls are told apart.
#[test]
fn copies_out_and_calls_are_those_of_the_receive_path() {
    let mut receiving = one_thread();
    receiving.factors.set(Factor::Send, "sendmsg").unwrap();
    receiving.factors.set(Factor::Message, "64KiB").unwrap();
    let all: Vec<_> = ReceivePath::ALL.iter().map(|path| path.name()).collect();
    receiving.factors.set(Factor::Recv, &all.join(",")).unwrap();
    let audited = || made(receiving.clone()).audited();
    for law in [2, 5] {
        assert_eq!(audited().law(law).state, LawState::Holds, "{:#?}", audited().law(law));
    }
    let paths = audited().explained().copy_audits;
    let of = |path: ReceivePath| {
        let audit = paths.iter().find(|audit| audit.cell.receive_path == path).unwrap();
        audit.figures.iter().find(|figure| figure.name == "copied out").unwrap()
    };
    for (path, copies) in [
        (ReceivePath::Recv, 1.0),
        (ReceivePath::Recvmsg, 1.0),
        (ReceivePath::Readv, 1.0),
        (ReceivePath::RecvTrunc, 0.0),
        (ReceivePath::RecvZerocopy, 0.25),
        (ReceivePath::UringRecv, 1.0),
    ] {
        let expected = of(path).expected.unwrap();
        assert!((expected - copies).abs() < 1e-6, "{path}: {expected}");
    }
    // One that copied all the same, and one that copied what its tally calls mapped.
    for path in [ReceivePath::RecvTrunc, ReceivePath::RecvZerocopy] {
        let copied = audited().with_audits(|audited| {
            let Outcome::Finished(finished) = &audited.outcome else { return };
            let bytes = finished.receiver.total.received_bytes;
            if audited.cell.receive_path == path
                && let Measured::Value(copies) = &mut audited.copies
            {
                times(&mut copies.copied_out, bytes);
            }
        });
        assert_eq!(copied.law(5).state, LawState::Broken, "{path}");
    }
    for call in ["readv", "io_uring_enter"] {
        let uncounted = audited().with_audits(|audited| {
            if let Measured::Value(calls) = &mut audited.calls
                && let Measured::Value(calls) = &mut calls.receiver
            {
                calls.remove(call);
            }
        });
        assert_eq!(uncounted.law(2).state, LawState::Broken, "{call}");
    }
}
