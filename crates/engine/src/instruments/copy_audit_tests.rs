//! The figures of the copy audit, from made counts.

use super::*;

const SENDER: u32 = 100;
const RECEIVER: u32 = 200;

fn watched() -> Watched {
    Watched {
        sender: Some(SENDER),
        receiver: Some(RECEIVER),
        may_share_kernel: false,
        has_helper: false,
        speaks_tcp: true,
        cpus: vec![0, 1],
    }
}

fn of(process: u32, counted: Counted, thread: Thread, bytes: u64) -> Count {
    Count { process, counted, thread, number: 0, calls: 1, bytes }
}

fn refused(counted: Counted) -> Unavailable {
    Unavailable {
        what: format!("counting {}", counted.function()),
        because: "not here".to_owned(),
        remedy: "another kernel".into(),
    }
}

/// Everything but these is hooked, each by its best way.
fn all_but(missing: &[Counted]) -> impl Fn(Counted) -> Result<copy_audit::Hook, Unavailable> {
    move |counted| match counted {
        _ if missing.contains(&counted) => Err(refused(counted)),
        Counted::CopyFromIter | Counted::CopyToIter => Ok(copy_audit::Hook::Breakpoint),
        Counted::CopyUbufs
        | Counted::ZerocopyIter
        | Counted::SpliceIter
        | Counted::PinnedPages
        | Counted::SendmsgLocked => Ok(copy_audit::Hook::Fentry),
        Counted::CopyDatagram
        | Counted::SendLength
        | Counted::RecvLength
        | Counted::Retransmit
        | Counted::RingCompletions
        | Counted::SystemCalls => Ok(copy_audit::Hook::Tracepoint),
    }
}

fn copies(counts: &[Count], missing: &[Counted]) -> CopyCounts {
    Seen { counts, watched: &watched() }.copies(&all_but(missing))
}

fn value(figure: &Measured<CopiedBytes>) -> (u64, Hook) {
    let copied = figure.value().unwrap();
    (copied.bytes, copied.hook)
}

#[test]
fn copies_are_those_of_the_workers_and_not_of_the_pipes() {
    let counts = [
        of(SENDER, Counted::CopyFromIter, Thread::Worker, 1000),
        of(SENDER, Counted::CopyFromIter, Thread::Any, 77),
        of(RECEIVER, Counted::CopyFromIter, Thread::Any, 78),
        of(RECEIVER, Counted::CopyToIter, Thread::Worker, 999),
        of(SENDER, Counted::CopyToIter, Thread::Worker, 5),
        of(7, Counted::CopyToIter, Thread::Any, 12345),
    ];
    let copies = copies(&counts, &[]);
    assert_eq!(value(&copies.copied_in), (1000, Hook::Breakpoint));
    assert_eq!(value(&copies.copied_out), (999, Hook::Breakpoint));
    assert_eq!(value(&copies.deferred), (0, Hook::Fentry));
    let others = copies.functions.iter().find(|f| f.owner == Owner::Other).unwrap();
    assert_eq!((others.function.as_str(), others.bytes), ("_copy_to_iter", 12345));
}

#[test]
fn every_function_tells_the_hook_that_counted_it() {
    let counts = [
        of(SENDER, Counted::CopyFromIter, Thread::Worker, 1000),
        of(SENDER, Counted::CopyUbufs, Thread::Worker, 3),
        of(SENDER, Counted::SendLength, Thread::Worker, 1000),
        of(RECEIVER, Counted::RecvLength, Thread::Worker, 999),
    ];
    let hooks: Vec<(String, Hook)> = copies(&counts, &[])
        .functions
        .into_iter()
        .map(|one| (one.function, *one.hook.value().unwrap()))
        .collect();
    for (counted, hook) in [
        (Counted::CopyFromIter, Hook::Breakpoint),
        (Counted::CopyUbufs, Hook::Fentry),
        (Counted::SendLength, Hook::Tracepoint),
        (Counted::RecvLength, Hook::Tracepoint),
    ] {
        assert!(hooks.contains(&(counted.function().to_owned(), hook)), "{hooks:?}");
    }
}

#[test]
fn deferred_copies_count_in_whatever_context_they_ran() {
    let counts = [
        of(SENDER, Counted::CopyUbufs, Thread::Worker, 10),
        of(0, Counted::CopyUbufs, Thread::Any, 20),
        of(u32::MAX, Counted::CopyUbufs, Thread::Any, 30),
    ];
    let copies = copies(&counts, &[]);
    assert_eq!(value(&copies.deferred), (60, Hook::Fentry));
    let owners: Vec<Owner> = copies.functions.iter().map(|function| function.owner).collect();
    assert_eq!(owners, [Owner::Sender, Owner::Idle, Owner::Other]);
}

#[test]
fn packets_for_another_port_are_none_of_the_trials() {
    let to = |number: u16, counted| Count { number, ..of(0, counted, Thread::Any, 10) };
    let kept = |has_helper: bool, port: Option<u16>| {
        let counted = [Counted::CopyUbufs, Counted::Retransmit, Counted::SystemCalls];
        let counts = counted.into_iter().flat_map(|counted| [to(80, counted), to(81, counted)]);
        counts.filter(|count| is_of_trial(count, has_helper, port)).count()
    };
    assert_eq!(kept(false, Some(80)), 1 + 1 + 2);
    // Not yet known, or a namespace with nobody else's packets.
    assert_eq!(kept(false, None), 6);
    assert_eq!(kept(true, Some(80)), 6);
}

#[test]
fn pages_are_those_that_the_senders_workers_had_pinned() {
    let counts = [
        of(SENDER, Counted::PinnedPages, Thread::Worker, 17),
        of(SENDER, Counted::PinnedPages, Thread::Any, 100),
        of(RECEIVER, Counted::PinnedPages, Thread::Worker, 1000),
    ];
    let seen = copies(&counts, &[]);
    assert_eq!(seen.pinned, Measured::Value(PinnedPages { pages: 17, hook: Hook::Fentry }));
    assert_eq!(seen.functions, [], "pages are no bytes");
    let none = copies(&counts, &[Counted::PinnedPages]);
    assert!(none.pinned.reason().unwrap().contains("another kernel"));
}

#[test]
fn without_breakpoints_what_was_copied_in_is_what_remains() {
    let counts = [
        of(SENDER, Counted::SendLength, Thread::Worker, 1000),
        of(SENDER, Counted::SendmsgLocked, Thread::Worker, 1000),
        of(SENDER, Counted::ZerocopyIter, Thread::Worker, 900),
        of(RECEIVER, Counted::CopyDatagram, Thread::Worker, 1000),
    ];
    let missing = [Counted::CopyFromIter, Counted::CopyToIter];
    let first = copies(&counts, &missing);
    assert_eq!(value(&first.copied_in), (100, Hook::Elimination));
    assert_eq!(value(&first.by_reference), (900, Hook::Fentry));
    assert_eq!(value(&first.copied_out), (1000, Hook::Tracepoint));
    // Before Linux 6.3 there is no such tracepoint, and TCP's own function tells.
    let counts = &counts[1..];
    let older = copies(counts, &[Counted::CopyFromIter, Counted::SendLength, Counted::SpliceIter]);
    assert_eq!(value(&older.copied_in), (100, Hook::Elimination));
}

#[test]
fn a_figure_that_cannot_be_had_is_absent_with_both_reasons() {
    let missing = [Counted::CopyFromIter, Counted::ZerocopyIter, Counted::CopyUbufs];
    let copies = copies(&[of(SENDER, Counted::SendLength, Thread::Worker, 1000)], &missing);
    let why = copies.copied_in.reason().unwrap();
    assert!(why.contains("_copy_from_iter") && why.contains("skb_zerocopy_iter_stream"), "{why}");
    assert!(why.ends_with("; another kernel"), "{why}");
    assert!(copies.by_reference.reason().is_some() && copies.deferred.reason().is_some());
    assert!(copies.copied_out.value().is_some());
}

#[test]
fn the_sinks_helper_is_an_owner_of_its_own() {
    let watched = Watched { has_helper: true, ..watched() };
    let counts = [of(RECEIVER, Counted::CopyFromIter, Thread::Helper, 54)];
    let copies = Seen { counts: &counts, watched: &watched }.copies(&all_but(&[]));
    assert_eq!(copies.functions[0].owner, Owner::Helper);
    assert_eq!(value(&copies.copied_in), (0, Hook::Breakpoint));
    assert_eq!(value(&copies.copied_out), (0, Hook::Breakpoint));
}

#[test]
fn calls_are_named_and_only_the_ends_workers_are_counted() {
    // 44: sendto and 45: recvfrom on x86-64; elsewhere others, so the names are looked up.
    let named: Vec<u16> = (0..500).filter(|n| system_calls::name(*n) == Some("sendto")).collect();
    let call = |process, thread, number, calls| Count {
        process,
        counted: Counted::SystemCalls,
        thread,
        number,
        calls,
        bytes: 0,
    };
    let counts = [
        call(SENDER, Thread::Worker, named[0], 8),
        call(SENDER, Thread::Any, named[0], 100),
        call(RECEIVER, Thread::Worker, named[0], 2),
        call(RECEIVER, Thread::Helper, named[0], 50),
        call(9, Thread::Worker, named[0], 1000),
        call(SENDER, Thread::Worker, u16::MAX, 3),
    ];
    let watched = watched();
    let seen = Seen { counts: &counts, watched: &watched };
    let calls = seen.calls(&all_but(&[])).value().unwrap().clone();
    let by_sender = calls.sender.value().unwrap();
    assert_eq!(by_sender.clone().into_iter().collect::<Vec<_>>(), [("sendto".to_owned(), 8)]);
    assert_eq!(calls.receiver.value().unwrap()["sendto"], 2);
    assert!(seen.calls(&all_but(&[Counted::SystemCalls])).reason().is_some());
    let sink = Watched { has_helper: true, ..watched };
    let seen = Seen { counts: &counts, watched: &sink };
    let calls = seen.calls(&all_but(&[])).value().unwrap().clone();
    let sendto = |calls: &Measured<BTreeMap<String, u64>>| calls.value().unwrap()["sendto"];
    assert_eq!((sendto(&calls.sender), sendto(&calls.receiver)), (8, 50));
}

#[test]
fn of_an_end_on_another_host_every_figure_is_absent_with_the_remedy_and_none_is_zero() {
    let counts = [
        of(SENDER, Counted::CopyFromIter, Thread::Worker, 1000),
        of(SENDER, Counted::CopyUbufs, Thread::Worker, 70),
        of(RECEIVER, Counted::CopyToIter, Thread::Worker, 900),
        // Whose softirq it was is nobody's here.
        of(0, Counted::CopyUbufs, Thread::Any, 7),
    ];
    let seen = |watched: &Watched| {
        let seen = Seen { counts: &counts, watched };
        let calls = seen.calls(&all_but(&[])).value().unwrap().clone();
        (seen.copies(&all_but(&[])), calls)
    };
    let is_elsewhere = |why: Option<&str>| assert_eq!(why, Some(OTHER_HOST));
    let (copies, calls) = seen(&Watched { receiver: None, ..watched() });
    assert_eq!((value(&copies.copied_in).0, value(&copies.deferred).0), (1000, 77));
    assert!(calls.sender.value().is_some());
    is_elsewhere(copies.copied_out.reason());
    is_elsewhere(calls.receiver.reason());
    let completions = calls.completions.value().unwrap();
    assert_eq!(completions.sender, Measured::Value(0));
    is_elsewhere(completions.receiver.reason());
    let (copies, calls) = seen(&Watched { sender: None, ..watched() });
    assert_eq!(value(&copies.copied_out).0, 900);
    for figure in [&copies.copied_in, &copies.by_reference, &copies.deferred] {
        is_elsewhere(figure.reason());
    }
    is_elsewhere(copies.pinned.reason());
    is_elsewhere(calls.sender.reason());
    assert!(calls.receiver.value().is_some());
    // Two namespaces of one machine: what delivery copies it copies where nobody looks.
    let (copies, _) = seen(&Watched { receiver: None, may_share_kernel: true, ..watched() });
    assert_eq!(copies.deferred.reason(), Some(ONE_KERNEL));
}

#[test]
fn the_note_tells_each_figures_way() {
    let Audited { note, is_whole } =
        audited(&all_but(&[Counted::CopyFromIter, Counted::CopyUbufs]));
    assert!(!is_whole && audited(&all_but(&[])).is_whole);
    assert_eq!(
        note,
        "copied in: elimination; by reference, pages pinned: fentry; deferred: no (not here); copied out: breakpoint; calls, completions of io_uring: tracepoint"
    );
}
