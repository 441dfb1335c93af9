//! The laws that an audit and the sink decide: held, broken and without their sources.

use std::collections::BTreeMap;

use analysis::copies::{NotCounted, Step};
use analysis::laws::law::LawState;
use analysis::laws::reason::LawReason;
use analysis::laws::reason::{BreachRecord, Counted, Figure, PathOnLink, Source, Who, Wrong};
use model::audit::{Audited, CallCounts, CopiedBytes, CopyCounts, Hook};
use model::record::{Failure, FailureKind, Finished, Outcome, Record};
use model::shape::Shape;
use model::{Cell, Factor, Link, Measured, SendPath};

use crate::laws::{absent, agrees, compared, is};
use crate::made::{Run, misses, one_thread, plan, run};

/// The source lacks a figure of this path on this link, for a reason that holds these words.
fn absent_of<'a>(
    source: Source,
    path: SendPath,
    link: Link,
    words: &'a str,
) -> impl Fn(&LawReason) -> bool + 'a {
    move |reason| {
        matches!(reason, LawReason::Absent { source: it, of, why }
            if *it == source && of.contains(&PathOnLink { path, link }) && why.contains(words))
    }
}

/// The audits lack a step of this path on this link, for this reason where one is given.
fn no_step(
    of_step: Step,
    path: SendPath,
    link: Link,
    is_so: impl Fn(&NotCounted) -> bool,
) -> impl Fn(&LawReason) -> bool {
    move |reason| {
        matches!(reason, LawReason::StepNotCounted { step, of, why }
            if *step == of_step && of.contains(&PathOnLink { path, link }) && is_so(why))
    }
}

/// The audit's own reason holds these words.
fn quotes(words: &str) -> impl Fn(&NotCounted) -> bool {
    move |why| matches!(why, NotCounted::Quoted { text } if text.contains(words))
}

/// What is wrong with a record: a figure, what it is and what it should be.
#[track_caller]
fn figure(wrong: &Wrong) -> (Figure, f64, f64) {
    let Wrong::Figure { figure, is, should } = wrong else { panic!("{wrong:#?}") };
    (*figure, *is, *should)
}

/// Every path over every link at one size.
fn links() -> Run {
    links_with("send,staged,sendmsg,zerocopy")
}

fn links_with(paths: &str) -> Run {
    let plan = plan(&[
        (Factor::Threads, "1"),
        (Factor::Message, "4KiB"),
        (Factor::Send, paths),
        (Factor::Link, "loopback,veth,sink"),
    ]);
    run(plan, |_, trial| trial)
}

/// Those links: all that are TCP.
fn of_tcp() -> Vec<Link> {
    let is_here = |link: &Link| link.speaks_tcp() && !link.capabilities().has_peer_host;
    Link::ALL.iter().copied().filter(is_here).collect()
}

/// Changes the trials of a path over a link.
fn of(run: Run, path: SendPath, link: Link, change: impl Fn(&mut Finished)) -> Run {
    run.with(|cell, finished| {
        if cell.send_path == path && cell.link == link {
            change(finished);
        }
    })
}

/// Changes the audit trials of a path over a link.
fn audit_of(run: Run, path: SendPath, link: Link, change: impl Fn(&mut Audited)) -> Run {
    run.with_audits(|audited| {
        if audited.cell.send_path == path && audited.cell.link == link {
            change(audited);
        }
    })
}

#[test]
fn a_good_run_over_every_link_breaks_no_law() {
    let laws = links().audited().explained().laws;
    for law in &laws {
        assert_ne!(law.state, LawState::Broken, "{law:#?}");
        assert!(law.state == LawState::Holds || ![1, 2, 3, 4, 5, 6].contains(&law.id), "{law:#?}");
    }
}

#[test]
fn the_sink_must_have_counted_what_was_accepted() {
    let counted = LawReason::Count { of: Counted::SinkTrials, n: 40 };
    is(&links(), 1, LawState::Holds, |reason| *reason == counted);
    let short = of(links(), SendPath::Send, Link::Sink, |finished| {
        if let Measured::Value(sink) = &mut finished.sink {
            sink.total.payload_bytes -= 1;
            sink.total.gaps = 2;
        }
    });
    let law = is(&short, 1, LawState::Broken, compared(120, 10));
    assert_eq!(figure(&law.broken_by[0].wrong).0, Figure::SinkBytes { gaps: 2 });
}

#[test]
fn same_machine_links_mark_every_completion_and_the_sink_none() {
    let differing = |of: Link, wrong: u32| {
        move |reason: &LawReason| {
            matches!(reason, LawReason::Completions { link, trials: 10, differ, .. }
                if *link == of && *differ == wrong)
        }
    };
    for link in &of_tcp() {
        is(&links(), 4, LawState::Holds, differing(*link, 0));
    }
    let marked =
        of(links(), SendPath::Zerocopy, Link::Sink, |finished| finished.sender.total.copied = 1);
    is(&marked, 4, LawState::Broken, differing(Link::Loopback, 0));
    let law = is(&marked, 4, LawState::Broken, differing(Link::Sink, 10));
    assert!(differing(Link::Sink, 10)(&law.reasons[0]), "what is wrong comes first: {law:#?}");
    let of_sink = |record: &BreachRecord| matches!(record, BreachRecord::Trial { cell, .. } if cell.link == Link::Sink);
    assert!(law.broken_by.iter().all(|breach| of_sink(&breach.record)), "{law:#?}");
    let unmarked =
        of(links(), SendPath::Zerocopy, Link::Veth, |finished| finished.sender.total.copied = 0);
    is(&unmarked, 4, LawState::Broken, differing(Link::Veth, 10));
}

/// The calls of an end that was watched.
fn by_name(calls: &mut Measured<BTreeMap<String, u64>>) -> &mut BTreeMap<String, u64> {
    match calls {
        Measured::Value(calls) => calls,
        Measured::Absent { absent } => panic!("{absent}"),
    }
}

#[test]
fn calls_are_what_the_kernel_saw_call_by_call() {
    is(&links().audited(), 2, LawState::Holds, compared(12, 0));
    let more = audit_of(links().audited(), SendPath::Send, Link::Loopback, |audited| {
        if let Measured::Value(calls) = &mut audited.calls {
            *by_name(&mut calls.sender).get_mut("sendto").unwrap() += 1;
            by_name(&mut calls.receiver).insert("epoll_wait".to_owned(), 2);
        }
    });
    let law = is(&more, 2, LawState::Broken, compared(12, 1));
    assert_eq!(law.broken_by.len(), 2, "{law:#?}");
    let (sendto, seen, tallied) = figure(&law.broken_by[0].wrong);
    assert_eq!(sendto, Figure::Calls { who: Who::Senders, call: "sendto" });
    assert_eq!(seen, tallied + 1.0);
    let waits = Figure::Calls { who: Who::Receivers, call: "epoll_wait" };
    assert_eq!(figure(&law.broken_by[1].wrong), (waits, 2.0, 0.0));
    let frames = audit_of(links().audited(), SendPath::Send, Link::Sink, |audited| {
        if let Measured::Value(calls) = &mut audited.calls {
            *by_name(&mut calls.receiver).entry("sendto".to_owned()).or_default() += 1;
        }
    });
    let law = is(&frames, 2, LawState::Broken, compared(12, 1));
    assert_eq!(law.broken_by.len(), 1, "{law:#?}");
    let helper = Figure::Calls { who: Who::SinkHelper, call: "sendto" };
    assert_eq!(figure(&law.broken_by[0].wrong).0, helper);
    let law = is(&links(), 2, LawState::Undecidable, absent(Source::Calls, ""));
    misses(&law.would_decide, "a copy audit", "--audits copy-audit, as root");
    let refused = links().audited().with_audits(|audited| {
        audited.calls = Measured::absent("raw_syscalls:sys_enter: EACCES");
    });
    is(&refused, 2, LawState::Undecidable, absent(Source::Calls, "EACCES"));
    let one = audit_of(links().audited(), SendPath::Send, Link::Loopback, |audited| {
        audited.calls = Measured::absent("raw_syscalls:sys_enter: EACCES");
    });
    let of_send = absent_of(Source::Calls, SendPath::Send, Link::Loopback, "EACCES");
    is(&one, 2, LawState::Undecidable, of_send);
    is(&one, 2, LawState::Undecidable, compared(11, 0));
}

#[test]
fn the_kernel_copies_each_byte_as_often_as_path_and_link_let_expect() {
    let law = is(&links().audited(), 5, LawState::Holds, compared(36, 0));
    assert_eq!(law.compared, 12);
    for path in SendPath::STUDY {
        for link in &of_tcp() {
            let twice = audit_of(links().audited(), *path, *link, |audited| {
                let Outcome::Finished(finished) = &audited.outcome else { return };
                let bytes = finished.sender.total.accepted_bytes;
                if let Measured::Value(copies) = &mut audited.copies {
                    for counted in
                        [&mut copies.copied_in, &mut copies.deferred, &mut copies.copied_out]
                    {
                        if let Measured::Value(counted) = counted {
                            counted.bytes += bytes / 50;
                        }
                    }
                }
            });
            let law = is(&twice, 5, LawState::Broken, compared(36, 3));
            let record = &law.broken_by[0].record;
            assert!(matches!(record, BreachRecord::Audit { .. }), "{law:#?}");
        }
    }
    // Headers and tokens are copied too: a share of a percent breaks nothing.
    let headers = links().audited().with_audits(|audited| {
        if let Measured::Value(copies) = &mut audited.copies
            && let Measured::Value(counted) = &mut copies.copied_in
        {
            counted.bytes += 143;
        }
    });
    is(&headers, 5, LawState::Holds, compared(36, 0));
}

#[test]
fn over_a_unix_socket_bytes_are_copied_in_and_out_and_references_out_alone() {
    let over_unix = || {
        let lists = [
            (Factor::Threads, "1"),
            (Factor::Message, "4KiB"),
            (Factor::Send, "send,sendmsg,sendfile"),
            (Factor::Link, "unix"),
        ];
        run(plan(&lists), |_, trial| trial).audited()
    };
    for id in [1, 2, 5] {
        assert_eq!(over_unix().law(id).state, LawState::Holds, "law {id}");
    }
    is(&over_unix(), 5, LawState::Holds, compared(9, 0));
    let copied = audit_of(over_unix(), SendPath::Sendfile, Link::Unix, |audited| {
        let Outcome::Finished(finished) = &audited.outcome else { return };
        let bytes = finished.sender.total.accepted_bytes;
        if let Measured::Value(copies) = &mut audited.copies
            && let Measured::Value(copied_in) = &mut copies.copied_in
        {
            copied_in.bytes += bytes;
        }
    });
    is(&copied, 5, LawState::Broken, compared(9, 1));
    // What speaks of completions has nothing to look at.
    for id in [3, 4] {
        assert_eq!(over_unix().law(id).state, LawState::Undecidable, "law {id}");
    }
}

#[test]
fn pages_that_nobody_is_notified_of_are_copied_out_alone_and_their_calls_are_counted() {
    let run = || links_with("send-more,sendfile,splice").audited();
    is(&run(), 2, LawState::Holds, compared(9, 0));
    is(&run(), 5, LawState::Holds, compared(27, 0));
    for (path, link) in [(SendPath::Sendfile, Link::Loopback), (SendPath::Splice, Link::Sink)] {
        let copied = audit_of(run(), path, link, |audited| {
            let Outcome::Finished(finished) = &audited.outcome else { return };
            let bytes = finished.sender.total.accepted_bytes;
            if let Measured::Value(copies) = &mut audited.copies
                && let Measured::Value(deferred) = &mut copies.deferred
            {
                deferred.bytes += bytes;
            }
        });
        is(&copied, 5, LawState::Broken, compared(27, 1));
    }
    let one_more = audit_of(run(), SendPath::Splice, Link::Veth, |audited| {
        if let Measured::Value(calls) = &mut audited.calls {
            *by_name(&mut calls.sender).entry("vmsplice".to_owned()).or_default() += 1;
        }
    });
    let law = is(&one_more, 2, LawState::Broken, compared(9, 1));
    let calls = Figure::Calls { who: Who::Senders, call: "vmsplice" };
    assert_eq!(figure(&law.broken_by[0].wrong).0, calls);
}

#[test]
fn of_a_hybrids_messages_short_fields_are_copied_in_and_packets_with_long_ones_whole_at_delivery() {
    let run = || {
        let mut plan = plan(&[
            (Factor::Threads, "1"),
            (Factor::Send, "hybrid"),
            (Factor::Shape, "8192+24576,24+16384,24+40"),
            (Factor::Link, "loopback,sink"),
        ]);
        plan.measure.controls = false;
        run(plan, |_, trial| trial).audited()
    };
    is(&run(), 2, LawState::Holds, compared(6, 0));
    is(&run(), 4, LawState::Holds, |_| true);
    is(&run(), 5, LawState::Holds, compared(18, 0));
    let deferred = |shape: &str, link: Link, percent: u64| {
        let shape: Shape = shape.parse().unwrap();
        run().with_audits(|audited| {
            let Outcome::Finished(finished) = &audited.outcome else { return };
            let accepted = finished.sender.total.accepted_bytes;
            if audited.cell.shape == shape
                && audited.cell.link == link
                && let Measured::Value(copies) = &mut audited.copies
                && let Measured::Value(counted) = &mut copies.deferred
            {
                counted.bytes = accepted / 100 * percent;
            }
        })
    };
    // A quarter is copied in: whether it is copied at delivery again hangs on the packets that it travels in.
    is(&deferred("8192+24576", Link::Loopback, 75), 5, LawState::Holds, compared(18, 0));
    is(&deferred("8192+24576", Link::Loopback, 90), 5, LawState::Holds, compared(18, 0));
    for (shape, link, seen, should) in [
        ("8192+24576", Link::Loopback, 70, 0.75),
        ("8192+24576", Link::Loopback, 110, 1.0),
        ("24+40", Link::Loopback, 100, 0.0),
        ("8192+24576", Link::Sink, 25, 0.0),
    ] {
        let law = is(&deferred(shape, link, seen), 5, LawState::Broken, compared(18, 1));
        let (of, is, must) = figure(&law.broken_by[0].wrong);
        assert_eq!(of, Figure::Copies { step: Step::Deferred });
        let is_as_set = (is * 100.0 - seen as f64).abs() < 1.0;
        assert!(is_as_set && (must - should).abs() < 0.01, "{is} {must}");
    }
    // A notification of one run that never came.
    let lost = of(run(), SendPath::Hybrid, Link::Sink, |finished| {
        finished.sender.total.completed = finished.sender.total.completed.saturating_sub(1);
    });
    is(&lost, 3, LawState::Broken, |_| true);
    // All copied in, as if nothing had gone by reference.
    let copied = run().with_audits(|audited| {
        let Outcome::Finished(finished) = &audited.outcome else { return };
        let accepted = finished.sender.total.accepted_bytes;
        if audited.cell.passes_by_reference()
            && let Measured::Value(copies) = &mut audited.copies
            && let Measured::Value(counted) = &mut copies.copied_in
        {
            counted.bytes = accepted;
        }
    });
    is(&copied, 5, LawState::Broken, compared(18, 4));
}

#[test]
fn calls_copies_and_notifications_of_a_uring_are_held_against_the_kernels() {
    let run = || links_with("uring-send,uring-sendmsg-zc,uring-send-zc-fixed").audited();
    for (law, said) in [(2, 9), (3, 60), (4, 60), (5, 27)] {
        is(&run(), law, LawState::Holds, |reason| {
            if let LawReason::Completions { sends, completions, .. } = reason {
                return completions < sends;
            }
            compared(said, 0)(reason)
        });
    }
    let fewer = audit_of(run(), SendPath::UringSend, Link::Sink, |audited| {
        if let Measured::Value(calls) = &mut audited.calls {
            *by_name(&mut calls.sender).entry("io_uring_enter".to_owned()).or_default() -= 1;
        }
    });
    let law = is(&fewer, 2, LawState::Broken, compared(9, 1));
    let calls = Figure::Calls { who: Who::Senders, call: "io_uring_enter" };
    assert_eq!(figure(&law.broken_by[0].wrong).0, calls);
    let unseen = audit_of(run(), SendPath::UringSend, Link::Loopback, |audited| {
        if let Measured::Value(CallCounts { completions: Measured::Value(told), .. }) =
            &mut audited.calls
        {
            told.sender = told.sender.clone().map(|told| told + 1);
        }
    });
    let law = is(&unseen, 2, LawState::Broken, compared(9, 1));
    let told = Figure::RingCompletions { who: Who::Senders };
    assert_eq!(figure(&law.broken_by[0].wrong).0, told);
    // Older journals count none, and are held against the calls alone.
    let old = audit_of(run(), SendPath::UringSend, Link::Loopback, |audited| {
        if let Measured::Value(calls) = &mut audited.calls {
            calls.completions = Measured::absent("not counted");
        }
    });
    is(&old, 2, LawState::Holds, compared(9, 0));
    let lost = of(run(), SendPath::UringSendmsgZc, Link::Veth, |finished| {
        finished.sender.total.completed -= 1;
    });
    is(&lost, 3, LawState::Broken, |_| true);
    // Of marks that mean nothing no law says anything; of those that do, all must agree.
    let none = run().with(|cell, finished| {
        if cell.send_path.passes_by_reference() {
            finished.sender.total.unreliable_marks = finished.sender.total.completed;
            finished.sender.total.copied = 0;
        }
    });
    is(&none, 4, LawState::Undecidable, |_| true);
    let copied = of(run(), SendPath::UringSendmsgZc, Link::Sink, |finished| {
        finished.sender.total.copied = 1;
    });
    is(&copied, 4, LawState::Broken, |_| true);
}

/// Takes a figure away from every audit trial that is asked for.
fn without(run: Run, which: impl Fn(&Cell) -> bool, lacks: fn(&mut CopyCounts)) -> Run {
    run.with_audits(|audited| {
        if which(&audited.cell)
            && let Measured::Value(copies) = &mut audited.copies
        {
            lacks(copies);
        }
    })
}

const NO_BREAKPOINTS: &str = "no breakpoint register in this virtual machine";

fn no_in(copies: &mut CopyCounts) {
    copies.copied_in = Measured::absent(NO_BREAKPOINTS);
}

fn no_deferred(copies: &mut CopyCounts) {
    copies.deferred = Measured::absent("kprobes are not built in");
}

fn no_out(copies: &mut CopyCounts) {
    copies.copied_out = Measured::absent(NO_BREAKPOINTS);
}

#[test]
fn a_figure_that_the_law_names_and_nobody_counted_leaves_it_open_with_the_reason() {
    let some = without(without(links().audited(), |_| true, no_in), |_| true, no_out);
    is(&some, 5, LawState::Undecidable, compared(12, 0));
    let trials = LawReason::Count { of: Counted::AuditTrials, n: 12 };
    is(&some, 5, LawState::Undecidable, |reason| *reason == trials);
    let (send, zerocopy) = (SendPath::Send, SendPath::Zerocopy);
    let no = |step| no_step(step, send, Link::Loopback, quotes(NO_BREAKPOINTS));
    is(&some, 5, LawState::Undecidable, no(Step::In));
    let none = without(some, |_| true, no_deferred);
    let kprobes = no_step(Step::Deferred, zerocopy, Link::Veth, quotes("kprobes"));
    is(&none, 5, LawState::Undecidable, kprobes);
    let law = is(&none, 5, LawState::Undecidable, no(Step::In));
    assert!(!law.reasons.iter().any(agrees), "{law:#?}");
    // One cell is enough.
    let on = |path, link| move |cell: &Cell| cell.send_path == path && cell.link == link;
    for (path, link, lacks, step) in [
        (send, Link::Veth, no_in as fn(&mut CopyCounts), Step::In),
        (send, Link::Sink, no_in, Step::In),
        (send, Link::Loopback, no_out, Step::Out),
        (zerocopy, Link::Loopback, no_deferred, Step::Deferred),
        (zerocopy, Link::Sink, no_deferred, Step::Deferred),
        (zerocopy, Link::Veth, no_out, Step::Out),
    ] {
        let run = without(links().audited(), on(path, link), lacks);
        let lacks = no_step(step, path, link, |_| true);
        is(&run, 5, LawState::Undecidable, lacks);
    }
    // What the law does not name may be absent: a copying path defers nothing, and the sink takes nothing out.
    let unnamed = without(links().audited(), |cell| cell.send_path != zerocopy, no_deferred);
    let unnamed = without(unnamed, |cell| cell.link == Link::Sink, no_out);
    let law = is(&unnamed, 5, LawState::Holds, agrees);
    assert_eq!(law.compared, 12);
    let failed = links().audited().with_audits(|audited| {
        audited.outcome = Outcome::Failed(Failure {
            kind: FailureKind::EndLost,
            why: "the sender died".to_owned(),
        });
    });
    let died = no_step(Step::In, send, Link::Loopback, |why| {
        *why == NotCounted::TrialFailed { why: "the sender died".to_owned() }
    });
    is(&failed, 5, LawState::Undecidable, died);
    let unaudited = run(one_thread(), |_, trial| trial);
    let law = is(&unaudited, 5, LawState::Undecidable, absent(Source::CopiedBytes, ""));
    misses(&law.would_decide, "a copy audit", "--audits copy-audit");
}

#[test]
fn what_remains_of_a_path_that_copies_never_makes_the_law_hold() {
    let eliminated = |run: Run| {
        without(
            run,
            |_| true,
            |copies| {
                if let Measured::Value(counted) = &mut copies.copied_in {
                    counted.hook = Hook::Elimination;
                }
            },
        )
    };
    let all = eliminated(links().audited());
    is(&all, 5, LawState::Undecidable, compared(27, 0));
    let send =
        no_step(Step::In, SendPath::Send, Link::Loopback, |why| *why == NotCounted::Eliminated);
    is(&all, 5, LawState::Undecidable, send);
    // Of zerocopy alone it is what was not passed by reference, which was counted.
    let mut zerocopy = links().audited();
    let of_zerocopy = |audited: &Audited| audited.cell.send_path == SendPath::Zerocopy;
    zerocopy
        .records
        .retain(|record| !matches!(record, Record::Audit(audited) if !of_zerocopy(audited)));
    let law = is(&eliminated(zerocopy), 5, LawState::Holds, compared(9, 0));
    assert_eq!(law.compared, 3);
}

#[test]
fn a_wrong_copy_breaks_the_law_whatever_else_was_not_counted() {
    let wrong = without(without(links().audited(), |_| true, no_in), |_| true, no_out);
    let wrong = audit_of(wrong, SendPath::Zerocopy, Link::Sink, |audited| {
        if let Measured::Value(copies) = &mut audited.copies
            && let Measured::Value(deferred) = &mut copies.deferred
        {
            deferred.bytes = 1 << 40;
        }
    });
    let send = no_step(Step::In, SendPath::Send, Link::Sink, quotes(NO_BREAKPOINTS));
    is(&wrong, 5, LawState::Broken, send);
    let law = is(&wrong, 5, LawState::Broken, compared(12, 1));
    assert_eq!(law.compared, 12);
    let deferred = Figure::Copies { step: Step::Deferred };
    assert_eq!(figure(&law.broken_by[0].wrong).0, deferred);
}

#[test]
fn a_failed_audit_that_was_tried_again_and_another_instruments_trial_lack_nothing() {
    let mut again = links().audited();
    let failed: Vec<Record> = links()
        .audited()
        .with_audits(|audited| {
            audited.outcome = Outcome::Failed(Failure {
                kind: FailureKind::EndLost,
                why: "the sender died".to_owned(),
            });
        })
        .records
        .into_iter()
        .filter(|record| matches!(record, Record::Audit(_)))
        .collect();
    let place = again.records.iter().position(|record| matches!(record, Record::Audit(_))).unwrap();
    again.records.splice(place..place, failed);
    for estimates in again.summary().estimates {
        let profiled = synthetic::profiled(&estimates.cell);
        again.records.push(Record::Audit(Box::new(profiled)));
    }
    let law = is(&again, 5, LawState::Holds, compared(36, 0));
    assert_eq!(law.compared, 12);
}

#[test]
fn each_link_is_judged_by_its_own_records() {
    let on = |run: &Run, id: u32, link: Link| {
        let law = run.law(id);
        assert_eq!(law.links.len(), 3, "{law:#?}");
        law.links.into_iter().find(|on| on.link == link).unwrap()
    };
    let good = links().audited();
    for id in [1, 2, 3, 4, 5] {
        for link in &of_tcp() {
            let on = on(&good, id, *link);
            assert_eq!(on.state, LawState::Holds, "law {id}: {on:#?}");
            assert!(on.compared >= if id == 4 || id == 3 { 1 } else { 4 }, "law {id}: {on:#?}");
        }
    }
    assert!(good.law(6).links.is_empty());
    // Without audits of veth, the laws hold by the other links' records, but not there.
    let mut two = links().audited();
    let of_veth = |audited: &Audited| audited.cell.link == Link::Veth;
    two.records.retain(|record| !matches!(record, Record::Audit(audited) if of_veth(audited)));
    for id in [2, 5] {
        assert_eq!(two.law(id).state, LawState::Holds);
        let veth = on(&two, id, Link::Veth);
        assert_eq!((veth.state, veth.compared), (LawState::Undecidable, 0), "{veth:#?}");
        let source = if id == 2 { Source::Calls } else { Source::CopiedBytes };
        assert!(veth.reasons.iter().any(absent(source, "")), "{veth:#?}");
        assert_eq!(on(&two, id, Link::Sink).state, LawState::Holds);
    }
    let copied = of(links().audited(), SendPath::Zerocopy, Link::Sink, |finished| {
        finished.sender.total.copied = finished.sender.total.completed;
    });
    assert_eq!(on(&copied, 4, Link::Sink).state, LawState::Broken);
    assert_eq!(on(&copied, 4, Link::Loopback).state, LawState::Holds);
}

#[test]
fn a_control_without_the_option_is_audited_as_a_copy() {
    let mut plan = one_thread();
    plan.measure.controls = true;
    let made = || run(plan.clone(), |_, trial| trial).audited();
    is(&made(), 5, LawState::Holds, agrees);
    let by_reference = made().with_audits(|audited| {
        if !audited.cell.so_zerocopy.is_on()
            && let Measured::Value(copies) = &mut audited.copies
        {
            copies.copied_in = Measured::Value(CopiedBytes { bytes: 0, hook: Hook::Elimination });
        }
    });
    let differ = |reason: &LawReason| matches!(reason, LawReason::Compared { differ: 1, .. });
    let law = is(&by_reference, 5, LawState::Broken, differ);
    let copied_in = Figure::Copies { step: Step::In };
    assert_eq!(figure(&law.broken_by[0].wrong), (copied_in, 0.0, 1.0));
}
