use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::gather::Field;
use crate::socket::ReceiveFlags;

pub(super) fn connected() -> (Socket, Socket) {
    let listener = Socket::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 1).unwrap();
    let address = listener.local_address().unwrap();
    let client = Socket::stream(address).unwrap();
    client.connect(address, Duration::from_secs(60)).unwrap();
    (client, listener.accept(Some(60_000)).unwrap().unwrap().0)
}

pub(super) fn numbered(bytes: usize) -> Arena {
    let mut arena = Arena::new(bytes).unwrap();
    for (index, byte) in arena.bytes_mut(0..bytes).iter_mut().enumerate() {
        *byte = u8::try_from(index % 251).unwrap();
    }
    arena
}

/// A ring, or none where this machine refuses one.
fn ring() -> Option<Ring> {
    match Ring::new(8, 64) {
        Ok(ring) => Some(ring),
        Err(why) => {
            eprintln!("skipped: {why}");
            None
        }
    }
}

pub(super) fn receive(server: &Socket, bytes: usize) -> Vec<u8> {
    let mut got = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while got.len() < bytes {
        let n = server.receive(&mut buffer, ReceiveFlags::NONE).unwrap();
        assert!(n > 0, "the stream ended");
        got.extend_from_slice(&buffer[..n]);
    }
    got
}

pub(super) fn next(ring: &mut Ring) -> Completion {
    loop {
        if let Some(completion) = ring.completion() {
            return completion;
        }
        ring.wait(1, Some(5000)).unwrap();
    }
}

/// Sends fields by a linked chain of this operation and returns what its completions said.
pub(super) fn chain(ring: &mut Ring, operation: Operation, fields: &[Range<usize>]) {
    let (client, server) = connected();
    let arena = numbered(1 << 16);
    if operation.is_fixed() {
        ring.register(&arena).unwrap();
    }
    let requests = fields.iter().enumerate().map(|(number, range)| Request {
        operation,
        payload: Payload::Bytes(&arena, range.clone()),
        data: number as u64,
        linked: number + 1 < fields.len(),
        reports_copies: true,
    });
    let count = u32::try_from(fields.len()).unwrap();
    assert_eq!(ring.submit(&client, requests, count), Ok(count));
    let mut expected = Vec::new();
    fields.iter().for_each(|range| expected.extend_from_slice(arena.bytes(range.clone())));
    assert!(receive(&server, expected.len()) == expected, "{operation:?}");
    let (mut ended, mut notified) = (0, 0);
    while ended < fields.len() || (operation.is_zerocopy() && notified < fields.len()) {
        match next(ring) {
            Completion::Ended { data, result, notifies } => {
                assert_eq!(data, ended as u64, "{operation:?}");
                assert_eq!(result, Ok(fields[ended].len()), "{operation:?}");
                assert_eq!(notifies, operation.is_zerocopy(), "{operation:?}");
                ended += 1;
            }
            Completion::Notified { copied, .. } => {
                assert!(copied, "delivery on this machine copies");
                notified += 1;
            }
        }
    }
    assert_eq!(ring.completion(), None);
}

#[test]
fn a_linked_chain_of_each_operation_arrives_in_order_and_is_completed() {
    for operation in
        [Operation::Send, Operation::WriteFixed, Operation::SendZc, Operation::SendZcFixed]
    {
        let Some(mut ring) = ring() else { return };
        if let Err(why) = ring.supports(operation) {
            eprintln!("skipped: {operation:?}: {why}");
            continue;
        }
        chain(&mut ring, operation, &[10..20, 5000..9000, 3..4]);
    }
}

#[test]
fn a_gather_is_one_request() {
    for operation in [Operation::Sendmsg, Operation::SendmsgZc, Operation::SendmsgZcFixed] {
        let Some(mut ring) = ring() else { return };
        if let Err(why) = ring.supports(operation) {
            eprintln!("skipped: {operation:?}: {why}");
            continue;
        }
        let (client, server) = connected();
        let arena = numbered(1 << 16);
        ring.register(&arena).unwrap();
        let fields = [Field { offset: 4, bytes: 3 }, Field { offset: 5000, bytes: 5000 }];
        let mut gather = Gather::new(&fields).unwrap();
        gather.point(&arena, 100).unwrap();
        gather.after(2);
        let request = Request {
            operation,
            payload: Payload::Gather(&gather),
            data: u64::MAX,
            linked: false,
            reports_copies: true,
        };
        assert_eq!(ring.submit(&client, [request].into_iter(), 1), Ok(1));
        let Completion::Ended { data: u64::MAX, result, .. } = next(&mut ring) else {
            panic!("{operation:?}: a notification before its send")
        };
        if operation == Operation::SendmsgZcFixed && result == Err(Errno(libc::EINVAL)) {
            eprintln!("skipped: no gather of registered memory here");
            continue;
        }
        assert_eq!(result, Ok(5001), "{operation:?}");
        let mut expected = arena.bytes(106..107).to_vec();
        expected.extend_from_slice(arena.bytes(5100..10_100));
        assert!(receive(&server, 5001) == expected, "{operation:?}");
    }
}

#[test]
fn a_chain_ends_where_a_request_fails_and_the_rest_is_cancelled() {
    let Some(mut ring) = ring() else { return };
    let (client, server) = connected();
    drop(server);
    let arena = numbered(100);
    let request = |number: usize| Request {
        operation: Operation::Send,
        payload: Payload::Bytes(&arena, number..number + 10),
        data: number as u64,
        linked: number < 3,
        reports_copies: false,
    };
    // The first finds out that nobody is there; so it takes two chains, or more where the answer comes late.
    let mut failed = None;
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while failed.is_none() && std::time::Instant::now() < deadline {
        assert_eq!(ring.submit(&client, (0..4).map(request), 4), Ok(4));
        let mut results = Vec::new();
        for _ in 0..4 {
            let Completion::Ended { data, result, .. } = next(&mut ring) else { panic!() };
            assert_eq!(data, results.len() as u64);
            results.push(result);
        }
        if let Some(first) = results.iter().position(Result::is_err) {
            let rest = &results[first + 1..];
            assert!(rest.iter().all(|it| *it == Err(Errno(libc::ECANCELED))), "{results:?}");
            failed = Some(results[first]);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let died = [Err(Errno(libc::EPIPE)), Err(Errno(libc::ECONNRESET))];
    assert!(failed.is_some_and(|it| died.contains(&it)), "{failed:?}");
}

#[test]
fn what_cannot_be_sent_so_is_refused_before_anything_is_submitted() {
    let Some(mut ring) = ring() else { return };
    let (client, _server) = connected();
    let arena = numbered(100);
    let gather = Gather::packed(&[4]).unwrap();
    let cases = [
        (Operation::Send, Payload::Bytes(&arena, 90..101), libc::EFAULT),
        (Operation::Sendmsg, Payload::Gather(&gather), libc::EFAULT),
        (Operation::Sendmsg, Payload::Bytes(&arena, 0..1), libc::EINVAL),
        (Operation::WriteFixed, Payload::Bytes(&arena, 0..1), libc::EINVAL),
    ];
    for (operation, payload, errno) in cases {
        let request = Request { operation, payload, data: 0, linked: false, reports_copies: false };
        assert_eq!(ring.submit(&client, [request].into_iter(), 0), Err(Errno(errno)));
    }
    assert_eq!(ring.completion(), None);
    assert_eq!(ring.wait(1, Some(10)), Ok(()), "a time that is over is no error");
}

#[test]
fn completions_beyond_the_queue_are_kept_and_more_requests_than_entries_are_left_out() {
    let Ok(mut ring) = Ring::new(4, 8) else { return };
    let (client, server) = connected();
    let arena = numbered(100);
    let mut sent = 0;
    let request = |data| Request {
        operation: Operation::Send,
        payload: Payload::Bytes(&arena, 0..7),
        data,
        linked: false,
        reports_copies: false,
    };
    for round in 0..5 {
        let requests = (0..6).map(|n| request(round * 4 + n));
        assert_eq!(ring.submit(&client, requests, 6), Ok(4), "it has four entries");
        sent += 4;
    }
    receive(&server, sent * 7);
    for expected in 0..20 {
        let Completion::Ended { data, result, .. } = next(&mut ring) else { panic!() };
        assert_eq!((data, result), (expected, Ok(7)));
    }
}

#[test]
fn a_ring_says_what_the_kernel_lacks() {
    let Some(ring) = ring() else { return };
    ring.supports(Operation::Send).unwrap();
    let why = refusal::too_old("IORING_OP_SENDMSG_ZC", "6.1").to_string();
    assert!(why.contains("Linux 6.1 or later"), "{why}");
}

#[test]
fn an_entry_of_the_completion_queue_is_read_as_the_kernel_means_it() {
    let entry = |res, flags| completion(CompletionEntry { user_data: 9, res, flags });
    let ended = |result, notifies| Completion::Ended { data: 9, result, notifies };
    assert_eq!(entry(7, 0), ended(Ok(7), false));
    assert_eq!(entry(7, layout::CQE_F_MORE), ended(Ok(7), true));
    assert_eq!(entry(-libc::EPIPE, 0), ended(Err(Errno::BROKEN_PIPE), false));
    assert_eq!(entry(i32::MIN, 0), ended(Err(Errno(i32::MAX)), false));
    assert_eq!(entry(0, layout::CQE_F_NOTIF), Completion::Notified { data: 9, copied: false });
    assert_eq!(
        entry(i32::MIN, layout::CQE_F_NOTIF),
        Completion::Notified { data: 9, copied: true }
    );
}

/// From here on this thread's calls of one number are answered with an errno, as a container's seccomp filter does; false where the
/// kernel has no such filters. It cannot be taken back.
fn refuse_calls(number: libc::c_long, errno: i32) -> bool {
    let statement = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    let errno = u32::try_from(errno).unwrap();
    let mut filter = [
        // The call's number is the first word of `struct seccomp_data`.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            u32::try_from(number).unwrap(),
            0,
            1,
        ),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno, 0, 0),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: no pointers are passed.
    let may_not_gain = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(may_not_gain, 0);
    // SAFETY: the program is live and has as many statements as it says; the kernel copies it.
    let filtered =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    filtered == 0
}

#[test]
fn a_seccomp_filter_that_refuses_or_hides_io_uring_is_told() {
    if ring().is_none() {
        return;
    }
    for (errno, told) in [
        (libc::EPERM, "a seccomp filter refuses it"),
        (libc::ENOSYS, "this kernel has no io_uring, or a seccomp filter hides it"),
    ] {
        // A filter is its thread's, and goes with it.
        let tried = std::thread::spawn(move || {
            if !refuse_calls(libc::SYS_io_uring_setup, errno) {
                eprintln!("skipped: this kernel has no seccomp filters: {}", Errno::last());
                return None;
            }
            Some(Ring::new(8, 64).map(drop))
        });
        let Some(answer) = tried.join().unwrap() else { return };
        let why = answer.unwrap_err().to_string();
        assert!(why.contains(told) && why.contains("seccomp=unconfined"), "{why}");
        assert!(!why.contains('\n'), "{why}");
    }
    assert!(ring().is_some(), "only those threads were refused");
}
