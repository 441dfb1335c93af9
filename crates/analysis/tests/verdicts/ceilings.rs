//! Law 8 and the shares behind it: made copying ceilings against made cells.

use analysis::explained::Explained;
use analysis::findings::{CeilingShare, ModelledSide};
use analysis::laws::law::LawState;
use analysis::laws::reason::LawReason;
use analysis::laws::reason::{BreachRecord, Figure, Wrong};
use model::audit::{Audited, Ceiling, CeilingPoint, CopiedBytes, CopyCounts, Hook};
use model::names::{Audit, Switch};
use model::record::{FailureKind, Outcome, Record};
use model::{Factor, Measured, Nanos, Placement, SendPath};

use crate::made::{Run, misses, one_thread, plan, run, run_of_goodput};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// Gbit/s of a CPU by working set, memcpy; `rep movsb` copies nine tenths of it.
const MEMCPY: [(u64, f64); 4] =
    [(16 * KIB, 1500.0), (256 * KIB, 400.0), (4 * MIB, 120.0), (64 * MIB, 70.0)];

fn point(routine: &str, working_set_bytes: u64, cpus: &[u32], gbps: f64) -> CeilingPoint {
    CeilingPoint {
        routine: routine.to_owned(),
        working_set_bytes,
        cpus: cpus.to_vec(),
        bytes_per_s: vec![gbps * 1e9 / 8.0; cpus.len()],
    }
}

/// CPUs 0 and 8, which the senders and receivers of one thread have, alone and together; together a fifth slower.
fn ceiling(factor: f64) -> Record {
    let mut points = Vec::new();
    for (bytes, gbps) in MEMCPY {
        for (routine, part) in [("memcpy", factor), ("rep-movsb", factor * 0.9)] {
            points.push(point(routine, bytes, &[0], gbps * part));
            points.push(point(routine, bytes, &[8], gbps * part));
            points.push(point(routine, bytes, &[0, 8], gbps * part * 0.8));
        }
    }
    Record::Ceiling(Ceiling { started_unix_ms: 1, spent_ns: Nanos::s(2), points })
}

fn with_ceiling(mut run: Run, ceiling: Record) -> Run {
    run.records.insert(1, ceiling);
    run
}

/// One size and thread, at the same goodput on every path.
fn at(paths: &str, sizes: &str, gbps: f64) -> Run {
    run_of_goodput(
        plan(&[(Factor::Send, paths), (Factor::Message, sizes), (Factor::Threads, "1")]),
        |_| gbps,
    )
}

fn share(explained: &Explained, path: SendPath, side: ModelledSide) -> CeilingShare {
    let mut shares = explained.ceiling_shares.iter();
    shares.find(|share| share.cell.send_path == path && share.side == side).unwrap().clone()
}

#[track_caller]
fn is_about(figure: f64, expected: f64) {
    assert!((figure / expected - 1.0).abs() < 0.01, "{figure} is not about {expected}");
}

#[test]
fn a_run_below_the_ceiling_holds_the_law_and_names_the_nearest_cell() {
    let law = with_ceiling(run(one_thread(), |_, trial| trial), ceiling(1.0)).law(8);
    assert_eq!((law.state, law.compared), (LawState::Holds, 12), "{law:#?}");
    let [LawReason::Compared { of: 12, differ: 0 }, LawReason::Nearest { share }] =
        law.reasons.as_slice()
    else {
        panic!("{law:#?}")
    };
    // 64 KiB: the kernel's copy out of one message is at 1500 Gbit/s, the path's own out of 4 MiB at 120.
    assert_eq!((share.routine.as_str(), share.working_set_bytes), ("memcpy", 4 * MIB));
}

#[test]
fn a_cell_that_copies_faster_than_its_cpus_can_breaks_the_law() {
    let run = with_ceiling(at("send,sendmsg", "64,64KiB", 130.0), ceiling(1.0));
    let law = run.law(8);
    assert_eq!((law.state, law.compared), (LawState::Broken, 4), "{law:#?}");
    // At 64 B the ring of 16 KiB lies in the fastest cache: only the large size copies from memory.
    assert_eq!(law.broken_by.len(), 2, "{law:#?}");
    for (breach, path) in law.broken_by.iter().zip([SendPath::Send, SendPath::Sendmsg]) {
        let BreachRecord::Cell { cell } = &breach.record else { panic!("{breach:#?}") };
        assert_eq!((cell.send_path, cell.message.bytes().0), (path, 65_536));
        let Wrong::Ceiling { share } = &breach.wrong else { panic!("{breach:#?}") };
        is_about(share.goodput_gbps.mean, 130.0);
        is_about(share.ceiling_gbps, 120.0);
        assert_eq!((share.routine.as_str(), share.working_set_bytes), ("memcpy", 4 * MIB));
    }
    assert_eq!(law.reasons[0], LawReason::Compared { of: 4, differ: 2 });
}

#[test]
fn the_order_of_the_records_is_of_no_account() {
    let run = with_ceiling(at("send,sendmsg", "64KiB", 130.0), ceiling(1.0));
    let mut slower_last =
        Run { plan: run.plan.clone(), host: run.host.clone(), records: run.records.clone() };
    slower_last.records.push(ceiling(0.5));
    let slower_first = with_ceiling(run, ceiling(0.5));
    let (first, last) = (slower_first.explained(), slower_last.explained());
    assert_eq!(first.ceilings, last.ceilings);
    assert_eq!(first.ceiling_shares, last.ceiling_shares);
    assert_eq!(slower_first.law(8), slower_last.law(8));
    // The highest of all segments.
    is_about(first.ceilings[0].alone[0].gbps, 1500.0);
}

#[test]
fn the_ceiling_is_that_of_the_largest_working_set_within_the_workers_memory() {
    let ring = |slots: &str| {
        let factors = [
            (Factor::Send, "sendmsg"),
            (Factor::Message, "4096"),
            (Factor::Threads, "1"),
            (Factor::Ring, slots),
        ];
        let run = with_ceiling(run_of_goodput(plan(&factors), |_| 30.0), ceiling(1.0));
        share(&run.explained(), SendPath::Sendmsg, ModelledSide::Sender)
    };
    for (slots, working_set, gbps) in [
        ("1", 16 * KIB, 1500.0),
        ("4", 16 * KIB, 1500.0),
        ("63", 16 * KIB, 1500.0),
        ("64", 256 * KIB, 400.0),
        ("1024", 4 * MIB, 120.0),
        ("16384", 64 * MIB, 70.0),
    ] {
        let share = ring(slots);
        assert_eq!((share.working_set_bytes, share.routine.as_str()), (working_set, "memcpy"));
        is_about(share.ceiling_gbps, gbps);
        is_about(share.share.mean, 30.0 / gbps);
        assert!(share.share.low.unwrap() < share.share.mean && !share.copies.audited);
    }
}

#[test]
fn the_copies_of_each_path_and_side_count() {
    let run = with_ceiling(at("sendmsg,staged,zerocopy", "64KiB", 50.0), ceiling(1.0));
    let explained = run.explained();
    for (path, copies, ceiling) in [
        (SendPath::Sendmsg, 1.0, 120.0),
        // Own copy at 120, the kernel's out of a message of 64 KiB at 1500: twice the harmonic mean.
        (SendPath::Staged, 2.0, 2.0 / (1.0 / 120.0 + 1.0 / 1500.0)),
        (SendPath::Zerocopy, 1.0, 120.0),
    ] {
        let sender = share(&explained, path, ModelledSide::Sender);
        assert_eq!((sender.copies.per_byte, sender.cpus.as_slice()), (copies, [0].as_slice()));
        is_about(sender.ceiling_gbps, ceiling);
        is_about(sender.share.mean, 50.0 * copies / ceiling);
        let receiver = share(&explained, path, ModelledSide::Receiver);
        assert_eq!((receiver.copies.per_byte, receiver.cpus.as_slice()), (1.0, [8].as_slice()));
        assert_eq!(receiver.working_set_bytes, 16 * KIB, "a receive buffer of 128 KiB");
    }
}

#[test]
fn the_ceiling_of_several_senders_is_the_sum_over_their_cpus() {
    let factors = [(Factor::Send, "sendmsg"), (Factor::Message, "64KiB"), (Factor::Threads, "4")];
    let run = with_ceiling(run_of_goodput(plan(&factors), |_| 240.0), ceiling(1.0));
    let of_four = share(&run.explained(), SendPath::Sendmsg, ModelledSide::Sender);
    assert_eq!(of_four.cpus, [0, 1, 2, 3]);
    // CPUs 1 to 3 were not measured: as fast as the fastest.
    is_about(of_four.ceiling_gbps, 480.0);
    is_about(of_four.share.mean, 0.5);
    // Unpinned, any CPU may be a sender's, but no more than four copy at the same time.
    let mut unpinned = run.changed(|trial| {
        trial.settings.sender_cpus.clear();
        trial.settings.receiver_cpus.clear();
    });
    let of_any = share(&unpinned.explained(), SendPath::Sendmsg, ModelledSide::Sender);
    assert_eq!(of_any.cpus.len(), 16);
    is_about(of_any.ceiling_gbps, 480.0);
    // Four workers on one CPU have that CPU's ceiling.
    unpinned = unpinned.changed(|trial| trial.settings.sender_cpus = vec![0; 4]);
    let of_one = share(&unpinned.explained(), SendPath::Sendmsg, ModelledSide::Sender);
    is_about(of_one.ceiling_gbps, 120.0);
    assert_eq!(unpinned.law(8).state, LawState::Broken);
}

#[test]
fn both_sides_on_the_same_cpu_share_its_time() {
    let same = |gbps| {
        let factors = [
            (Factor::Send, "sendmsg"),
            (Factor::Message, "64KiB"),
            (Factor::Threads, "1"),
            (Factor::Placement, "same"),
        ];
        let run = run_of_goodput(plan(&factors), |_| gbps).changed(|trial| {
            assert_eq!(trial.cell.placement, Placement::Same);
            trial.settings.receiver_cpus = trial.settings.sender_cpus.clone();
        });
        with_ceiling(run, ceiling(1.0)).law(8)
    };
    assert_eq!(same(108.0).state, LawState::Holds);
    let law = same(115.0);
    assert_eq!(law.state, LawState::Broken, "{law:#?}");
    let both = |wrong: &Wrong| matches!(wrong, Wrong::Figure { figure: Figure::CeilingOfBoth, is, .. } if *is > 1.0);
    assert!(both(&law.broken_by[0].wrong), "{law:#?}");
}

#[test]
fn counted_copies_take_the_place_of_expected_ones() {
    let mut run = with_ceiling(at("sendmsg", "64KiB", 100.0), ceiling(1.0));
    let trial = run.records.iter().find_map(|record| {
        if let Record::Trial(trial) = record { Some(trial.clone()) } else { None }
    });
    let trial = trial.unwrap();
    let Outcome::Finished(finished) = &trial.outcome else { panic!("it finished") };
    let counted = |bytes| Measured::Value(CopiedBytes { bytes, hook: Hook::Breakpoint });
    let audited = Audited {
        cell: trial.cell.clone(),
        audits: vec![Audit::CopyAudit],
        started_unix_ms: 1,
        settings: trial.settings.clone(),
        copies: Measured::Value(CopyCounts {
            copied_in: counted(finished.sender.total.accepted_bytes * 3 / 2),
            by_reference: counted(0),
            deferred: counted(0),
            copied_out: Measured::absent("no breakpoint was left"),
            pinned: Measured::absent("not counted"),
            functions: Vec::new(),
        }),
        calls: Measured::absent("not asked for"),
        profile: Measured::absent("not asked for"),
        outcome: trial.outcome.clone(),
    };
    run.records.push(Record::Audit(Box::new(audited)));
    let explained = run.explained();
    let sender = share(&explained, SendPath::Sendmsg, ModelledSide::Sender);
    assert!(sender.copies.audited);
    is_about(sender.share.mean, 100.0 * 1.5 / 120.0);
    assert!(!share(&explained, SendPath::Sendmsg, ModelledSide::Receiver).copies.audited);
    assert_eq!(run.law(8).state, LawState::Broken);
}

#[test]
fn without_a_ceiling_or_a_cell_nothing_is_decided() {
    let law = run(one_thread(), |_, trial| trial).law(8);
    assert_eq!(law.state, LawState::Undecidable);
    misses(&law.would_decide, "another plan", "--audits ceiling");
    let empty =
        Record::Ceiling(Ceiling { started_unix_ms: 1, spent_ns: Nanos(0), points: Vec::new() });
    let law = with_ceiling(run(one_thread(), |_, trial| trial), empty).law(8);
    // Who has asked for it is not told to.
    misses(&law.would_decide, "a copying ceiling", "no working set of it was measured");
    assert!(!law.would_decide[0].to_string().contains("--audits"), "{law:#?}");
    let nothing = run(one_thread(), |_, trial| trial.failed(FailureKind::EndLost, "it died"));
    let law = with_ceiling(nothing, ceiling(1.0)).law(8);
    assert_eq!((law.state, law.compared), (LawState::Undecidable, 0), "{law:#?}");
    assert_eq!(law.reasons, [LawReason::NoRecord]);
}

/// 150 Gbit/s over loopback and into the sink, more than the CPU copies.
fn with_sink() -> Run {
    let factors = [
        (Factor::Send, "sendmsg,staged,zerocopy"),
        (Factor::Message, "64KiB"),
        (Factor::Link, "sink"),
        (Factor::Threads, "1"),
    ];
    with_ceiling(run_of_goodput(plan(&factors), |_| 150.0), ceiling(1.0))
}

#[test]
fn the_sink_has_the_senders_shares_and_what_is_not_copied_has_none() {
    let figures = |run: &Run, path: SendPath| {
        let share = share(&run.explained(), path, ModelledSide::Sender);
        assert!(
            (share.copies.per_byte - share.copies.expected.unwrap()).abs() < 0.01,
            "{share:#?}"
        );
        (share.copies.audited, share.copies.per_byte, share.ceiling_gbps, share.share.mean)
    };
    for (run, audited) in [(with_sink(), false), (with_sink().audited(), true)] {
        let shares = run.explained().ceiling_shares;
        assert_eq!(shares.len(), 3, "{shares:#?}");
        assert!(shares.iter().all(|share| share.side == ModelledSide::Sender), "{shares:#?}");
        let (by, copies, limit, sendmsg) = figures(&run, SendPath::Sendmsg);
        assert_eq!(by, audited);
        is_about(copies, 1.0);
        is_about(limit, 120.0);
        is_about(sendmsg, 150.0 / 120.0);
        // Its own copy and the kernel's.
        is_about(figures(&run, SendPath::Staged).1, 2.0);
        let (by, copies, limit, zerocopy) = figures(&run, SendPath::Zerocopy);
        assert_eq!((by, copies, zerocopy), (audited, 0.0, 0.0));
        is_about(limit, 120.0);
    }
    // Copied after all, it has a share.
    let copied = with_sink().audited().with_audits(|audited| {
        if let (Outcome::Finished(finished), Measured::Value(copies)) =
            (&audited.outcome, &mut audited.copies)
            && let Measured::Value(deferred) = &mut copies.deferred
        {
            deferred.bytes = finished.sender.total.accepted_bytes;
        }
    });
    let zerocopy = share(&copied.explained(), SendPath::Zerocopy, ModelledSide::Sender);
    is_about(zerocopy.share.mean, 150.0 / 120.0);
    // What remains of a path that copies was not audited.
    let eliminated = with_sink().audited().with_audits(|audited| {
        if let Measured::Value(copies) = &mut audited.copies
            && let Measured::Value(copied_in) = &mut copies.copied_in
        {
            copied_in.hook = Hook::Elimination;
        }
    });
    for (path, audited) in [(SendPath::Sendmsg, false), (SendPath::Zerocopy, true)] {
        assert_eq!(figures(&eliminated, path).0, audited);
    }
}

#[test]
fn the_sinks_shares_are_shown_and_no_law() {
    assert_eq!(with_sink().law(8).state, LawState::Undecidable);
}

#[test]
fn a_broken_rate_is_no_ceiling() {
    let mut rates =
        vec![point("memcpy", 4 * MIB, &[0], f64::NAN), point("memcpy", 4 * MIB, &[0], 0.0)];
    rates[0].cpus.push(3);
    let record = Record::Ceiling(Ceiling { started_unix_ms: 1, spent_ns: Nanos(0), points: rates });
    let run = with_ceiling(
        at("zerocopy", "64KiB", 50.0).with(|cell, _| assert_eq!(cell.so_zerocopy, Switch::On)),
        record,
    );
    let explained = run.explained();
    assert_eq!((explained.ceilings.len(), explained.ceiling_shares.len()), (0, 0));
    assert_eq!(run.law(8).state, LawState::Undecidable);
}

#[test]
fn the_ceilings_are_told_by_working_set_and_routine() {
    let explained = with_ceiling(at("sendmsg", "64KiB", 50.0), ceiling(1.0)).explained();
    assert_eq!(explained.ceilings.len(), 8);
    let first = &explained.ceilings[0];
    assert_eq!((first.routine.as_str(), first.working_set_bytes), ("memcpy", 16 * KIB));
    assert_eq!(first.alone.iter().map(|rate| rate.cpu).collect::<Vec<_>>(), [0, 8]);
    is_about(*first.together_gbps.value().unwrap(), 2.0 * 1500.0 * 0.8);
    let one_cpu = vec![point("memcpy", 16 * KIB, &[3], 1000.0)];
    let record =
        Record::Ceiling(Ceiling { started_unix_ms: 1, spent_ns: Nanos(0), points: one_cpu });
    let explained = with_ceiling(at("sendmsg", "64KiB", 50.0), record).explained();
    assert_eq!(explained.ceilings[0].together_gbps.reason(), Some("one CPU is in use"));
}
