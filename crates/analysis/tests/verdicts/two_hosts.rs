//! Between two hosts an audit watches one end, and what delivery copies hangs on what is known of the line.

use analysis::claims::claim::Verdict;
use analysis::copies::{NotCounted, Step};
use analysis::delivery::{Delivery, Unforeseen};
use analysis::findings::{BreakdownSide, DataPath, DeferredCopies, ModelledSide, NoShare};
use analysis::laws::law::LawState;
use analysis::laws::reason::{LawReason, Source};
use analysis::reason::Reason;
use model::audit::{Audited, Ceiling, CeilingPoint, OTHER_HOST, RefusedAudit};
use model::host::Host;
use model::nic::Nic;
use model::record::Record;
use model::{Audit, Factor, Link, Measured, Missing, Nanos, SendPath};
use synthetic::{nic, two_hosts};

use crate::laws::{compared, is};
use crate::made::{Run, misses, plan, run};

/// A card whose line is known.
fn card() -> Nic {
    nic("mlx5_core", Some(25_000))
}

/// Three paths at two sizes between hosts with these devices, of which this share of completions is marked copied.
fn between(here: Nic, there: Nic, copied_share: f64) -> Run {
    let plan = plan(&[
        (Factor::Threads, "1"),
        (Factor::Link, "ssh"),
        (Factor::Send, "send,sendmsg,zerocopy"),
        (Factor::Message, "4KiB,64KiB"),
    ]);
    run(plan, |_, trial| trial.copied_share(copied_share))
        .on(|host| *host = two_hosts(here.clone(), there.clone()))
}

/// The sending end runs on the other host.
fn peer_sends(host: &mut Host) {
    host.sender_host = host.receiver_host.take();
}

/// Audited on one host: of the other end nothing was counted.
fn audited_here(run: Run, sends_here: bool) -> Run {
    fn elsewhere<T>(figure: &mut Measured<T>) {
        *figure = Measured::absent(OTHER_HOST);
    }
    let run = if sends_here { run } else { run.on(peer_sends) };
    run.audited().with_audits(|audited: &mut Audited| {
        let (Measured::Value(calls), Measured::Value(copies)) =
            (&mut audited.calls, &mut audited.copies)
        else {
            return;
        };
        let Measured::Value(completions) = &mut calls.completions else { return };
        if sends_here {
            elsewhere(&mut calls.receiver);
            elsewhere(&mut completions.receiver);
            elsewhere(&mut copies.copied_out);
        } else {
            elsewhere(&mut calls.sender);
            elsewhere(&mut completions.sender);
            elsewhere(&mut copies.copied_in);
            elsewhere(&mut copies.by_reference);
            elsewhere(&mut copies.deferred);
        }
    })
}

#[test]
fn of_one_ends_calls_the_law_is_not_judged_and_broken_by_those_that_were_counted() {
    for (sends_here, lacks) in [(true, Source::ReceiverCalls), (false, Source::SenderCalls)] {
        let run = || audited_here(between(card(), card(), 0.0), sends_here);
        let law = is(
            &run(),
            2,
            LawState::Undecidable,
            |reason| matches!(reason, LawReason::Absent { source, why, .. } if *source == lacks && why == OTHER_HOST),
        );
        assert!(compared(6, 0)(&law.reasons[0]), "what was seen comes first: {law:#?}");
        assert!(law.would_decide[0].to_string().contains("--link veth"), "{law:#?}");
        let one_more = run().with_audits(|audited| {
            let Measured::Value(calls) = &mut audited.calls else { return };
            let counted = if sends_here { &mut calls.sender } else { &mut calls.receiver };
            if let (Measured::Value(counted), SendPath::Send) = (counted, audited.cell.send_path) {
                counted.values_mut().for_each(|n| *n += 1);
            }
        });
        is(&one_more, 2, LawState::Broken, compared(6, 2));
    }
}

#[test]
fn copies_of_the_other_end_are_missing_and_those_here_may_break_the_law() {
    let lacks = |of: Step| {
        move |reason: &LawReason| {
            matches!(reason, LawReason::StepNotCounted { step, why: NotCounted::Quoted { text }, .. }
                if *step == of && text == OTHER_HOST)
        }
    };
    let here = || audited_here(between(card(), card(), 0.0), true);
    let law = is(&here(), 5, LawState::Undecidable, lacks(Step::Out));
    assert!(!law.reasons.iter().any(lacks(Step::In)), "{law:#?}");
    is(
        &audited_here(between(card(), card(), 0.0), false),
        5,
        LawState::Undecidable,
        lacks(Step::In),
    );
    let twice = here().with_audits(|audited| {
        if let Measured::Value(copies) = &mut audited.copies
            && let Measured::Value(copied) = &mut copies.copied_in
        {
            copied.bytes *= 2;
        }
    });
    is(&twice, 5, LawState::Broken, |reason| {
        matches!(reason, LawReason::Compared { differ: 4, .. })
    });
    // Of what was counted at delivery nobody knows what it should be.
    let unforeseen = audited_here(between(nic("tun", None), card(), 0.0), true);
    is(&unforeseen, 5, LawState::Undecidable, |reason| {
        matches!(
            reason,
            LawReason::StepNotCounted {
                step: Step::Deferred,
                why: NotCounted::Unforeseen { .. },
                ..
            }
        )
    });
}

#[test]
fn what_an_audit_here_cannot_count_is_asked_of_a_run_that_has_both_ends() {
    let beside = |run: &Run, number: usize| {
        let asked = run.claim(number).would_decide;
        assert!(asked.iter().all(|it| !it.to_string().contains("kprobes")), "{asked:#?}");
        misses(&asked, "a copy audit of both ends of one run", "--link veth");
    };
    let there = audited_here(between(card(), card(), 0.0), false);
    let one_kernel = audited_here(between(card(), card(), 0.0), true).with_audits(|audited| {
        if let Measured::Value(copies) = &mut audited.copies {
            copies.deferred = Measured::absent("the other end may run under this very kernel");
        }
    });
    for run in [&there, &one_kernel] {
        beside(run, 1);
        let answer = run.answer(0);
        misses(&answer.would_answer, "a copy audit of both ends of one run", "--link veth");
    }
    beside(&there, 2);
    // That send copies in twice says nothing of what neither audit counted at delivery.
    let twice = one_kernel.with_audits(|audited| {
        if audited.cell.send_path == SendPath::Send
            && let Measured::Value(copies) = &mut audited.copies
            && let Measured::Value(copied) = &mut copies.copied_in
        {
            copied.bytes *= 2;
        }
    });
    beside(&twice, 2);
    // A refusal has its own reason and step.
    let refused = Missing::of_itself("copy-audit").because("no CAP_BPF").unlocked_by("run as root");
    let mut run = between(card(), card(), 0.0);
    run.records.push(Record::AuditRefused(Box::new(RefusedAudit {
        audit: Audit::CopyAudit,
        cell: None,
        started_unix_ms: 1,
        refusal: refused,
    })));
    misses(&run.claim(1).would_decide, "a copy audit", "no CAP_BPF");
}

/// Whether the completions' marks are as they should be.
fn of_marks(run: &Run) -> LawState {
    run.law(4).state
}

#[test]
fn marks_are_held_against_what_is_known_of_the_line() {
    let veth = || nic("veth", None);
    let in_one_kernel = |host: &mut Host| {
        let boot = host.boot_id.clone();
        host.receiver_host.as_mut().unwrap().boot_id = boot;
    };
    use LawState::{Broken, Holds, Undecidable};
    // Two cards take bytes from where they lie.
    assert_eq!([0.0, 1.0].map(|share| of_marks(&between(card(), card(), share))), [Holds, Broken]);
    // Two network namespaces of one machine: their packets are delivered under one kernel.
    let one = |share| of_marks(&between(veth(), veth(), share).on(in_one_kernel));
    assert_eq!([1.0, 0.0].map(one), [Holds, Broken]);
    // Of any other virtual device nobody knows it, whatever the completions say.
    let law = is(&between(veth(), veth(), 1.0), 4, Undecidable, |reason| {
        matches!(reason, LawReason::Completions { delivery, copied, completions, differ: 0, .. }
            if *delivery == Delivery::Unforeseen(Unforeseen::NoLine { device: "eth0".to_owned() })
                && copied == completions && *copied > 0)
    });
    assert_eq!(law.would_decide.len(), 1, "{law:#?}");
    assert_eq!(of_marks(&between(veth(), veth(), 0.0)), Undecidable);
    let in_one_piece =
        Nic { offloads: [("sg".to_owned(), Measured::Value(false))].into(), ..card() };
    assert_eq!(of_marks(&between(in_one_piece, card(), 1.0)), Undecidable);
    let tapped = between(card(), card(), 1.0).on(|host| host.packet_taps = Measured::Value(1));
    assert_eq!(of_marks(&tapped), Undecidable);
    let unknown = Nic { offloads: [].into(), ..card() };
    assert_eq!(of_marks(&between(unknown, card(), 0.0)), Undecidable);
}

fn of_path(run: &Run, path: SendPath) -> DataPath {
    let paths = run.explained().data_paths;
    paths.into_iter().find(|it| it.path == path && it.cell.link == Link::Ssh).unwrap()
}

#[test]
fn copies_at_delivery_to_another_host_are_what_completions_or_an_audit_say_and_else_not_known() {
    let tunnel = || nic("tun", None);
    let deferred = |run: &Run, path| of_path(run, path).copies_deferred;
    let told = |share: f64| {
        let copies = deferred(&between(tunnel(), card(), share), SendPath::Zerocopy);
        let copies = *copies.value().unwrap();
        (copies.per_byte, copies.audited, copies.expected)
    };
    assert_eq!([told(1.0), told(0.0)], [(1.0, false, None), (0.0, false, None)]);
    // Marks that mean nothing tell nothing: it is not 0.
    let silent = between(tunnel(), card(), 0.0).with(|_, finished| {
        finished.sender.total.unreliable_marks = finished.sender.total.completed;
    });
    let copies = deferred(&silent, SendPath::Zerocopy);
    let DeferredCopies::NotKnown { unforeseen } = copies else { panic!("{copies:?}") };
    assert_eq!(unforeseen, Unforeseen::NoLine { device: "eth0".to_owned() });
    // The kernel's own pages go on as they are, and a card takes others from where they lie.
    for (run, path) in
        [(&silent, SendPath::Sendmsg), (&between(card(), card(), 0.0), SendPath::Zerocopy)]
    {
        let copies = *deferred(run, path).value().unwrap();
        assert_eq!((copies.per_byte, copies.expected), (0.0, Some(0.0)), "{path}");
    }
    let audited = audited_here(silent, true).with_audits(|audited| {
        if let Measured::Value(copies) = &mut audited.copies
            && let (Measured::Value(deferred), Measured::Value(referred)) =
                (&mut copies.deferred, &copies.by_reference)
        {
            deferred.bytes = referred.bytes;
        }
    });
    let copies = *deferred(&audited, SendPath::Zerocopy).value().unwrap();
    assert!(copies.audited && copies.per_byte > 0.99 && copies.expected.is_none(), "{copies:?}");
}

#[test]
fn a_profile_is_of_the_end_that_ran_here_and_the_other_is_absent() {
    let profiled = || between(card(), card(), 0.0).profiled(|_| [10, 0, 100]);
    for (run, side) in
        [(profiled(), BreakdownSide::Receiver), (profiled().on(peer_sends), BreakdownSide::Sender)]
    {
        let explained = run.explained();
        assert!(!explained.breakdowns.is_empty());
        for breakdown in &explained.breakdowns {
            let unwatched = breakdown.unwatched.as_ref().unwrap();
            assert_eq!((unwatched.side, unwatched.why.as_str()), (side, OTHER_HOST));
        }
    }
}

fn ceiling() -> Record {
    Record::Ceiling(Ceiling {
        started_unix_ms: 1,
        spent_ns: Nanos::s(1),
        points: vec![CeilingPoint {
            routine: "memcpy".to_owned(),
            working_set_bytes: 1 << 16,
            cpus: vec![0],
            bytes_per_s: vec![1e10],
        }],
    })
}

#[test]
fn where_nobody_knows_how_often_bytes_are_copied_the_share_of_the_ceiling_is_absent_with_the_reason()
 {
    let of = |mut run: Run, has_ceiling: bool| {
        run.records.extend(has_ceiling.then(ceiling));
        let explained = run.explained();
        let paths: Vec<SendPath> =
            explained.ceiling_shares.iter().map(|share| share.cell.send_path).collect();
        (paths, explained.no_ceiling_share)
    };
    let tunnel = || between(nic("tun", None), card(), 1.0);
    let (shares, without) = of(tunnel(), true);
    assert!(shares.contains(&SendPath::Sendmsg) && !shares.contains(&SendPath::Zerocopy));
    assert!(!without.is_empty());
    let why = NoShare::Unforeseen { why: Unforeseen::NoLine { device: "eth0".to_owned() } };
    for one in &without {
        assert_eq!((one.cell.send_path, one.side), (SendPath::Zerocopy, ModelledSide::Sender));
        assert_eq!(one.why, why);
    }
    // Between cards it is known, and without a ceiling there is nothing to have a share of.
    let (shares, without) = of(between(card(), card(), 0.0), true);
    assert!(shares.contains(&SendPath::Zerocopy) && without.is_empty());
    assert_eq!(of(tunnel(), false), (Vec::new(), Vec::new()));
}

#[test]
fn the_ceiling_of_this_hosts_cpus_is_no_ceiling_of_the_other_hosts() {
    let sides = |change: fn(&mut Host)| -> Vec<ModelledSide> {
        let mut run = between(card(), card(), 0.0).on(change);
        run.records.push(ceiling());
        let mut sides: Vec<ModelledSide> =
            run.explained().ceiling_shares.iter().map(|share| share.side).collect();
        sides.dedup();
        sides
    };
    assert_eq!(sides(|_| ()), [ModelledSide::Sender]);
    assert_eq!(sides(peer_sends), [ModelledSide::Receiver]);
}

#[test]
fn claims_about_one_machine_are_not_judged_by_a_run_between_two() {
    let apart = between(nic("veth", None), nic("veth", None), 1.0);
    let alone = run(
        plan(&[(Factor::Threads, "1"), (Factor::Send, "send,sendmsg,zerocopy")]),
        |_, trial| trial.copied_share(1.0),
    );
    for number in [3, 19, 21] {
        let claim = apart.claim(number);
        assert_eq!(claim.verdict, Verdict::Undecidable, "{claim:#?}");
        assert_eq!(claim.parts[0].reasons, [Reason::TwoHosts], "{claim:#?}");
        assert!(claim.would_decide[0].command.as_ref().unwrap().is_of_one_host(), "{claim:#?}");
        assert_eq!(alone.claim(number).verdict, Verdict::Refuted, "{number}");
    }
    // What would decide it goes to the same host, or says that it does not.
    let mut beside = apart;
    let peer = [("peer", "user@server".to_owned())];
    beside.plan.set_peer(&peer).unwrap();
    let unlocks = |number| beside.claim(number).would_decide[0].unlock.clone();
    assert!(unlocks(3).starts_with("on this machine alone: copycost run --send"), "{}", unlocks(3));
    let moved = unlocks(10);
    assert!(moved.starts_with("copycost run --peer user@server --sizes"), "{moved}");
}

#[test]
fn no_other_link_is_asked_for_beside_a_peer() {
    let plan = plan(&[
        (Factor::Threads, "1"),
        (Factor::Link, "ssh"),
        (Factor::Send, "send,sendmsg,zerocopy"),
        (Factor::Message, "512,4KiB"),
    ]);
    let mut run = run(plan, |cell, trial| {
        let is_dear = cell.send_path == SendPath::Zerocopy;
        trial.ends_cpu_ns_per_kib(if is_dear { 1_800.0 } else { 900.0 })
    })
    .on(|host| *host = two_hosts(card(), card()));
    run.plan.set_peer(&[("peer", "user@server".to_owned())]).unwrap();
    let told = run.explained();
    let answers = told.answers.iter().flat_map(|it| it.would_answer.iter().chain(&it.would_change));
    let laws = told.laws.iter().flat_map(|it| &it.would_decide);
    let claims = told.claims.iter().flat_map(|it| &it.would_decide);
    let links: Vec<&Missing> =
        answers.chain(laws).chain(claims).filter(|it| it.unlock.contains("--link")).collect();
    assert!(links.iter().any(|it| it.unlock.contains("run --link loopback,sink")), "{links:#?}");
    for asked in links {
        assert!(!asked.unlock.contains("--peer"), "{asked:#?}");
    }
}
