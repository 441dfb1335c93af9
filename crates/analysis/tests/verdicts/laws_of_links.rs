//! The laws that an audit and the sink decide: held, broken and without their sources.

use analysis::explained::{Law, LawState};
use model::audit::{Audited, CopiedBytes, CopyCounts, Hook};
use model::record::{Failure, FailureKind, Finished, Outcome, Record};
use model::{Cell, Factor, Link, Measured, SendPath};

use crate::made::{Run, misses, one_thread, plan, run};

#[track_caller]
fn is(run: &Run, id: u32, state: LawState, words: &str) -> Law {
    let law = run.law(id);
    assert_eq!(law.state, state, "{law:#?}");
    assert!(law.because.contains(words), "{law:#?}");
    assert_eq!(law.broken_by.is_empty(), state != LawState::Broken, "{law:#?}");
    assert_eq!(law.compared == 0, state == LawState::Undecidable, "{law:#?}");
    law
}

/// Every path over every link at one size.
fn links() -> Run {
    let plan = plan(&[
        (Factor::Threads, "1"),
        (Factor::Message, "4KiB"),
        (Factor::Send, "send,staged,sendmsg,zerocopy"),
        (Factor::Link, "loopback,veth,sink"),
    ]);
    run(plan, |_, trial| trial)
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
    is(&links(), 1, LawState::Holds, "in 40 trials the sink's own program counted them");
    let short = of(links(), SendPath::Send, Link::Sink, |finished| {
        if let Measured::Value(sink) = &mut finished.sink {
            sink.total.payload_bytes -= 1;
            sink.total.gaps = 2;
        }
    });
    let law = is(&short, 1, LawState::Broken, "in 10 of");
    assert!(law.broken_by[0].contains("(2 packets beyond a gap)"), "{law:#?}");
}

#[test]
fn same_machine_links_mark_every_completion_and_the_sink_none() {
    let law = is(&links(), 4, LawState::Holds, "into the sink was marked copied");
    assert!(law.because.contains("over loopback were marked copied"), "{law:#?}");
    assert!(law.because.contains("over veth were marked copied"), "{law:#?}");
    // Merged completions hide the mark of all but the first, so that this is no proof.
    let merged = "(completions may be merged without comparing this mark";
    assert_eq!(law.because.matches(merged).count(), 1, "{law:#?}");
    let marked =
        of(links(), SendPath::Zerocopy, Link::Sink, |finished| finished.sender.total.copied = 1);
    let law = is(&marked, 4, LawState::Broken, "in 10 of 10 trials into the sink");
    assert!(law.because.contains("over loopback were marked copied"), "{law:#?}");
    assert!(law.broken_by.iter().all(|name| name.contains("link=sink")), "{law:#?}");
    let unmarked =
        of(links(), SendPath::Zerocopy, Link::Veth, |finished| finished.sender.total.copied = 0);
    is(&unmarked, 4, LawState::Broken, "in 10 of 10 trials over veth not every");
}

#[test]
fn calls_are_what_the_kernel_saw_call_by_call() {
    is(&links().audited(), 2, LawState::Holds, "in 12 audit trials");
    let more = audit_of(links().audited(), SendPath::Send, Link::Loopback, |audited| {
        if let Measured::Value(calls) = &mut audited.calls {
            *calls.sender.get_mut("sendto").unwrap() += 1;
            calls.receiver.insert("epoll_wait".to_owned(), 2);
        }
    });
    let law = is(&more, 2, LawState::Broken, "differ 2 times in 12 audit trials");
    assert!(law.broken_by[0].contains("the senders tallied"), "{law:#?}");
    assert!(law.broken_by[1].contains("tallied 0 of epoll_wait, the kernel saw 2"), "{law:#?}");
    let frames = audit_of(links().audited(), SendPath::Send, Link::Sink, |audited| {
        if let Measured::Value(calls) = &mut audited.calls {
            *calls.receiver.entry("sendto".to_owned()).or_default() += 1;
        }
    });
    let law = is(&frames, 2, LawState::Broken, "differ once in 12 audit trials");
    assert!(law.broken_by[0].contains("the sink's helper tallied"), "{law:#?}");
    let law = is(&links(), 2, LawState::Undecidable, "were not counted");
    misses(&law.would_decide, "a copy audit", "--audits copy-audit, as root");
    let refused = links().audited().with_audits(|audited| {
        audited.calls = Measured::absent("raw_syscalls:sys_enter: EACCES");
    });
    is(&refused, 2, LawState::Undecidable, "EACCES");
    let one = audit_of(links().audited(), SendPath::Send, Link::Loopback, |audited| {
        audited.calls = Measured::absent("raw_syscalls:sys_enter: EACCES");
    });
    is(&one, 2, LawState::Undecidable, "in 1 audit trial of other cells they were not counted");
}

#[test]
fn the_kernel_copies_each_byte_as_often_as_path_and_link_let_expect() {
    is(&links().audited(), 5, LawState::Holds, "36 figures of 12 audit trials");
    for path in SendPath::ALL {
        for link in Link::ALL {
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
            let law = is(&twice, 5, LawState::Broken, "3 of 36 figures");
            assert!(law.broken_by[0].starts_with("audit, send="), "{law:#?}");
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
    is(&headers, 5, LawState::Holds, "36 figures");
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
    let law = is(&some, 5, LawState::Undecidable, "12 figures of 12 audit trials are within 0.01");
    assert!(law.because.contains("copied in of send over loopback"), "{law:#?}");
    assert!(law.because.contains(&format!("({NO_BREAKPOINTS})")), "{law:#?}");
    let none = without(some, |_| true, no_deferred);
    let law = is(&none, 5, LawState::Undecidable, "kprobes are not built in");
    assert!(law.because.contains(NO_BREAKPOINTS) && !law.because.contains("within"), "{law:#?}");
    // One cell is enough.
    let on = |path, link| move |cell: &Cell| cell.send_path == path && cell.link == link;
    let (send, zerocopy) = (SendPath::Send, SendPath::Zerocopy);
    for (path, link, lacks, words) in [
        (send, Link::Veth, no_in as fn(&mut CopyCounts), "copied in of send over veth"),
        (send, Link::Sink, no_in, "copied in of send into the sink"),
        (send, Link::Loopback, no_out, "copied out of send over loopback"),
        (zerocopy, Link::Loopback, no_deferred, "copied at delivery of zerocopy over loopback"),
        (zerocopy, Link::Sink, no_deferred, "copied at delivery of zerocopy into the sink"),
        (zerocopy, Link::Veth, no_out, "copied out of zerocopy over veth"),
    ] {
        let run = without(links().audited(), on(path, link), lacks);
        is(&run, 5, LawState::Undecidable, words);
    }
    // What the law does not name may be absent: a copying path defers nothing, and the sink takes nothing out.
    let unnamed = without(links().audited(), |cell| cell.send_path != zerocopy, no_deferred);
    let unnamed = without(unnamed, |cell| cell.link == Link::Sink, no_out);
    is(&unnamed, 5, LawState::Holds, "of 12 audit trials are within 0.01");
    let failed = links().audited().with_audits(|audited| {
        audited.outcome = Outcome::Failed(Failure {
            kind: FailureKind::EndLost,
            why: "the sender died".to_owned(),
        });
    });
    is(&failed, 5, LawState::Undecidable, "the sender died");
    let law =
        is(&run(one_thread(), |_, trial| trial), 5, LawState::Undecidable, "were not counted");
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
    let law = is(&eliminated(links().audited()), 5, LawState::Undecidable, "27 figures of 12");
    assert!(law.because.contains("copied in of send over loopback"), "{law:#?}");
    assert!(law.because.contains("(eliminated, not counted"), "{law:#?}");
    // Of zerocopy alone it is what was not passed by reference, which was counted.
    let mut zerocopy = links().audited();
    let of_zerocopy = |audited: &Audited| audited.cell.send_path == SendPath::Zerocopy;
    zerocopy
        .records
        .retain(|record| !matches!(record, Record::Audit(audited) if !of_zerocopy(audited)));
    is(&eliminated(zerocopy), 5, LawState::Holds, "9 figures of 3 audit trials");
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
    let law = is(&wrong, 5, LawState::Broken, "1 of 12 figures of 12 audit trials");
    assert!(law.because.contains(&format!("({NO_BREAKPOINTS})")), "{law:#?}");
    assert!(law.broken_by[0].contains("copied at delivery"), "{law:#?}");
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
    is(&again, 5, LawState::Holds, "36 figures of 12 audit trials");
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
        for link in Link::ALL {
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
        assert!(veth.because.ends_with("were not counted"), "{veth:#?}");
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
    is(&made(), 5, LawState::Holds, "within 0.01");
    let by_reference = made().with_audits(|audited| {
        if !audited.cell.so_zerocopy.is_on()
            && let Measured::Value(copies) = &mut audited.copies
        {
            copies.copied_in = Measured::Value(CopiedBytes { bytes: 0, hook: Hook::Elimination });
        }
    });
    let law = is(&by_reference, 5, LawState::Broken, "1 of");
    assert!(law.broken_by[0].contains("copied in 0.000 times a byte, not 1"), "{law:#?}");
}
