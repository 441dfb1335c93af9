use std::time::{Duration, Instant};

use super::super::tests::{chain, connected, next, numbered, receive};
use super::super::{
    Completion, Deferral, Operation, Payload, Polling, Request, Ring, RingSetup, threads,
};
use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// A ring that a thread polls, or none where this machine refuses one.
fn polled(shared_with: Option<&Ring>) -> Option<Ring> {
    let polling = Polling { cpu: None, idle_ms: 1, shared_with: shared_with.map(Ring::raw) };
    let setup = RingSetup { polling: Some(polling), ..RingSetup::default() };
    match Ring::made_so(8, 64, &setup) {
        Ok(ring) => Some(ring),
        Err(why) => {
            eprintln!("skipped: {why}");
            None
        }
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_chain_of_each_operation_arrives_in_order_where_a_thread_polls() {
    for operation in
        [Operation::Send, Operation::WriteFixed, Operation::SendZc, Operation::SendZcFixed]
    {
        let Some(mut ring) = polled(None) else { return };
        assert!(ring.is_polled());
        if let Err(why) = ring.supports(operation) {
            eprintln!("skipped: {operation:?}: {why}");
            continue;
        }
        chain(&mut ring, operation, &[10..20, 5000..9000, 3..4]);
    }
}

/// Numbered fields, three a chain, over one connection, with pauses in which the thread falls asleep. Returns wakeups.
fn stream(ring: &mut Ring, is_registered: bool) -> u64 {
    let (client, server) = connected();
    if is_registered {
        ring.register_socket(&client).unwrap();
    }
    let arena = numbered(60_000);
    let rounds = 40;
    let field = |n: usize| (n * 331) % 40_000..(n * 331) % 40_000 + 1 + n * 97 % 15_000;
    let mut expected = Vec::new();
    (0..rounds * 3).for_each(|n| expected.extend_from_slice(arena.bytes(field(n))));
    let total = expected.len();
    let reader = std::thread::spawn(move || receive(&server, total));
    let mut wakeups = 0;
    for round in 0..rounds {
        let requests = (0..3).map(|n| Request {
            operation: Operation::Send,
            payload: Payload::Bytes(&arena, field(round * 3 + n)),
            data: n as u64,
            linked: n < 2,
            reports_copies: false,
        });
        assert_eq!(ring.submit(&client, requests, 3), Ok(3));
        wakeups += ring.entered().wakeups;
        for n in 0..3 {
            let bytes = field(round * 3 + n).len();
            let ended = Completion::Ended { data: n as u64, result: Ok(bytes), notifies: false };
            assert_eq!(next(ring), ended);
        }
        if ring.is_polled() && round % 10 == 9 {
            wait_until("the thread sleeps", || ring.is_asleep());
        }
    }
    assert!(reader.join().unwrap() == expected, "registered: {is_registered}");
    wakeups
}

#[test]
fn the_stream_is_whole_and_in_order_through_pauses_with_and_without_a_registered_socket() {
    for is_registered in [false, true] {
        let Some(mut ring) = polled(None) else { return };
        let wakeups = stream(&mut ring, is_registered);
        // After each of three pauses it slept for certain; it may have slept elsewhere too.
        assert!((3..=40).contains(&wakeups), "{wakeups}");
    }
    let Ok(mut plain) = Ring::new(8, 64) else { return };
    assert_eq!(stream(&mut plain, true), 0);
    assert_eq!(plain.entered(), Entered::ONE);
}

#[test]
fn a_description_may_change_as_soon_as_the_submission_is_over() {
    let Some(mut ring) = polled(None) else { return };
    let (client, server) = connected();
    let arena = numbered(1 << 16);
    let fields = [
        crate::gather::Field { offset: 0, bytes: 3 },
        crate::gather::Field { offset: 10, bytes: 500 },
    ];
    let mut gather = crate::gather::Gather::new(&fields).unwrap();
    let mut expected = Vec::new();
    let rounds = 200;
    for round in 0..rounds {
        let at = round * 7;
        gather.point(&arena, at).unwrap();
        expected.extend_from_slice(arena.bytes(at..at + 3));
        expected.extend_from_slice(arena.bytes(at + 10..at + 510));
        let request = Request {
            operation: Operation::Sendmsg,
            payload: Payload::Gather(&gather),
            data: round as u64,
            linked: false,
            reports_copies: false,
        };
        // It waits for no completion, only until it was taken.
        assert_eq!(ring.submit(&client, [request].into_iter(), 0), Ok(1));
        gather.point(&arena, 60_000).unwrap();
        let Completion::Ended { data, result, .. } = next(&mut ring) else { panic!() };
        assert_eq!((data, result), (round as u64, Ok(503)));
    }
    assert!(receive(&server, expected.len()) == expected);
}

#[test]
fn a_peer_that_has_gone_ends_a_polled_chain_too() {
    let Some(mut ring) = polled(None) else { return };
    let (client, server) = connected();
    ring.register_socket(&client).unwrap();
    drop(server);
    let arena = numbered(100);
    let mut failed = None;
    let deadline = Instant::now() + PATIENCE;
    while failed.is_none() && Instant::now() < deadline {
        let request = |n: usize| Request {
            operation: Operation::Send,
            payload: Payload::Bytes(&arena, n..n + 10),
            data: n as u64,
            linked: n < 1,
            reports_copies: false,
        };
        assert_eq!(ring.submit(&client, (0..2).map(request), 2), Ok(2));
        for _ in 0..2 {
            let Completion::Ended { result, .. } = next(&mut ring) else { panic!() };
            failed = failed.or(result.err());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let died = [Errno(libc::EPIPE), Errno(libc::ECONNRESET)];
    assert!(failed.is_some_and(|errno| died.contains(&errno)), "{failed:?}");
}

#[test]
fn two_rings_share_a_thread() {
    let Some(first) = polled(None) else { return };
    let Some(mut second) = polled(Some(&first)) else { return };
    chain(&mut second, Operation::Send, &[0..1000, 5..6]);
    let nobody = Polling { cpu: None, idle_ms: 1, shared_with: Some(0) };
    let setup = RingSetup { polling: Some(nobody), ..RingSetup::default() };
    assert!(Ring::made_so(8, 64, &setup).is_err(), "standard input is no ring");
}

#[test]
fn a_deferral_beside_a_polling_thread_and_a_cpu_that_is_none_are_refused_with_the_remedy() {
    if polled(None).is_none() {
        return;
    }
    let polling = |cpu| Some(Polling { cpu, idle_ms: 1, shared_with: None });
    let both = RingSetup { polling: polling(None), deferral: Deferral::Always };
    let why = Ring::made_so(8, 64, &both).unwrap_err().to_string();
    assert!(why.contains("--sqpoll off, or --defer-taskrun auto") && !why.contains('\n'), "{why}");
    let nowhere = RingSetup { polling: polling(Some(60_000)), ..RingSetup::default() };
    let why = Ring::made_so(8, 64, &nowhere).unwrap_err().to_string();
    assert!(why.contains("CPU 60000") && why.contains("--placement none"), "{why}");
}

#[test]
fn a_ring_sends_whatever_its_deferral() {
    for deferral in [Deferral::WhereKnown, Deferral::Always, Deferral::Never] {
        let setup = RingSetup { deferral, ..RingSetup::default() };
        match Ring::made_so(8, 64, &setup) {
            Ok(mut ring) => chain(&mut ring, Operation::Send, &[0..1000, 5..6]),
            Err(why) => eprintln!("skipped: {why}"),
        }
    }
}

#[test]
fn what_a_worker_of_the_kernel_does_is_told_by_its_threads_clock() {
    let Ok(mut ring) = Ring::new(8, 64) else { return };
    if let Err(why) = ring.tells_threads() {
        eprintln!("skipped: {why}");
        return;
    }
    const SQE_ASYNC: u8 = 1 << 4;
    let (client, server) = connected();
    let bytes = 1 << 15;
    let arena = numbered(bytes);
    for round in 0..200 {
        let request = Request {
            operation: Operation::Send,
            payload: Payload::Bytes(&arena, 0..bytes),
            data: round,
            linked: false,
            reports_copies: false,
        };
        let mut entry = ring.entry(&client, &request).unwrap();
        entry.flags |= SQE_ASYNC;
        let tail = ring.rings.word(ring.parameters.sq_off.tail).load(Ordering::Relaxed);
        ring.write(tail & (ring.parameters.sq_entries - 1), entry);
        assert_eq!(ring.enter(tail, 1, 1, None), Ok(1));
        let ended = Completion::Ended { data: round, result: Ok(bytes), notifies: false };
        assert_eq!(next(&mut ring), ended);
        receive(&server, bytes);
    }
    let workers = || threads::of_process().unwrap().into_iter();
    let ns: u64 = workers()
        .filter(|thread| thread.kind == threads::Kind::Worker)
        .filter_map(|thread| thread.cpu_ns())
        .sum();
    // 200 copies of 32 KiB take more than the clock's resolution by far.
    assert!(ns > 10_000, "{ns} ns");
    assert!(ns < crate::clock::process_cpu_ns(), "they are the process's");
}
