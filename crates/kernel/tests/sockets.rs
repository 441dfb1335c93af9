//! The socket half of the crate against the running kernel, over loopback.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed step is a failed test, in its helpers too; what is skipped is said"
)]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use kernel::allocator::CountingAllocator;
use kernel::arena::Arena;
use kernel::error_queue::{ErrorQueueSpace, Notification};
use kernel::gather::{Field, Gather};
use kernel::poll::{self, Epoll, EpollEvents};
use kernel::process;
use kernel::socket::{Arrival, ReceiveFlags, SendFlags, Socket, SocketError};
use kernel::{CallError, Errno};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Far longer than anything here takes, however crowded the machine: a test that hangs must end.
const PATIENCE: Duration = Duration::from_secs(120);
const PATIENCE_MS: i32 = 120_000;

fn v4() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn v6() -> SocketAddr {
    (Ipv6Addr::LOCALHOST, 0).into()
}

/// The loopback addresses that this machine has.
fn loopbacks() -> Vec<SocketAddr> {
    let mut addresses = vec![v4()];
    match Socket::listen(v6(), 1) {
        Ok(_) => addresses.push(v6()),
        Err(refused) => eprintln!("skipped: IPv6, {refused}"),
    }
    addresses
}

/// A connection: the end that connected and the end that accepted.
fn connected(address: SocketAddr) -> (Socket, Socket) {
    let listener = Socket::listen(address, 4).unwrap();
    let near = Socket::stream(address).unwrap();
    near.connect(listener.local_address().unwrap(), PATIENCE).unwrap();
    let (far, peer) = listener.accept(Some(PATIENCE_MS)).unwrap().unwrap();
    assert_eq!(peer, near.local_address().unwrap());
    (near, far)
}

/// A connection on which `MSG_ZEROCOPY` means something; `None` (and a word about it) where it cannot.
fn connected_for_zerocopy(address: SocketAddr) -> Option<(Socket, Socket)> {
    let (near, far) = connected(address);
    match near.set_zerocopy(true) {
        Ok(()) => {
            assert!(near.zerocopy().unwrap());
            Some((near, far))
        }
        Err(SocketError::Unavailable(unavailable)) => {
            eprintln!("skipped: {unavailable}");
            None
        }
        Err(SocketError::Failed(failed)) => panic!("{failed}"),
    }
}

/// An arena with no short period, so that misplaced bytes show.
fn patterned(bytes: usize) -> Arena {
    let mut arena = Arena::new(bytes).unwrap();
    let mut state = 1u32;
    for byte in arena.bytes_mut(0..bytes) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
    arena
}

/// Receives exactly so much.
fn received(socket: &Socket, bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    socket.read_exact(&mut content, Instant::now() + PATIENCE).unwrap();
    content
}

/// Waits until the thread sleeps in the kernel.
fn await_sleep(task: &std::path::Path) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stat = std::fs::read_to_string(task.join("stat")).unwrap();
        if stat.rsplit_once(')').unwrap().1.trim_start().starts_with('S') {
            return;
        }
        assert!(Instant::now() < deadline, "the thread never slept: {stat}");
        thread::yield_now();
    }
}

fn own_task() -> std::path::PathBuf {
    std::path::Path::new("/proc").join(std::fs::read_link("/proc/thread-self").unwrap())
}

#[test]
fn options_are_read_back_as_set() {
    for address in loopbacks() {
        let (near, _far) = connected(address);
        for on in [true, false] {
            near.set_nodelay(on).unwrap();
            assert_eq!(near.nodelay().unwrap(), on);
        }
        assert_eq!(near.set_send_buffer(50_000), Ok(50_000));
        assert_eq!(near.send_buffer(), Ok(100_000), "the kernel counts its bookkeeping in");
        assert_eq!(near.set_receive_buffer(60_000), Ok(60_000));
        assert_eq!(near.receive_buffer(), Ok(120_000));
        assert_eq!(near.set_send_buffer(usize::MAX).unwrap_err().errno, Errno(libc::EINVAL));
        assert_eq!(near.receive_low_water(), Ok(1));
        assert_eq!(near.set_receive_low_water(5000), Ok(5000));
        assert_eq!(near.receive_low_water(), Ok(5000));
        let granted = near.set_receive_low_water(1 << 30).unwrap();
        assert!(granted < 1 << 30, "half of the largest buffer is the most: {granted}");
        near.set_congestion("reno").unwrap();
        assert_eq!(near.congestion().unwrap(), "reno");
        assert_eq!(near.take_error(), Ok(None));
    }
}

#[test]
fn an_unknown_congestion_control_is_refused_with_a_remedy() {
    let socket = Socket::stream(v4()).unwrap();
    for name in ["nonesuch", "reno_with_a_name_too_long", "re\0no"] {
        let refused = socket.set_congestion(name).unwrap_err();
        assert!(matches!(refused, SocketError::Unavailable(_)), "{name:?}: {refused}");
        let line = refused.to_string();
        assert!(line.contains(name) && line.contains("modprobe"), "{line}");
    }
}

#[test]
fn a_socket_that_is_no_tcp_socket_is_told_so() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let socket = Socket::from(std::os::fd::OwnedFd::from(reader));
    let failed = socket.set_zerocopy(true).unwrap_err();
    let expected = CallError {
        call: "setsockopt",
        argument: "SO_ZEROCOPY=1".into(),
        errno: Errno(libc::ENOTSOCK),
    };
    assert_eq!(failed, SocketError::Failed(expected));
    assert_eq!(socket.send(b"x", SendFlags::NONE), Err(Errno(libc::ENOTSOCK)));
}

#[test]
fn a_port_in_use_is_named_with_its_remedy() {
    let first = Socket::listen(v4(), 1).unwrap();
    let taken = first.local_address().unwrap();
    let line = Socket::listen(taken, 1).unwrap_err().to_string();
    assert!(line.contains(&taken.to_string()) && line.contains("ss -ltnp"), "{line}");
}

#[test]
fn an_address_of_another_machine_is_refused_with_its_remedy() {
    let elsewhere: SocketAddr = (Ipv4Addr::new(203, 0, 113, 1), 0).into();
    let line = Socket::listen(elsewhere, 1).unwrap_err().to_string();
    assert!(line.contains("203.0.113.1") && line.contains("ip address"), "{line}");
}

#[test]
fn a_privileged_port_is_refused_with_its_remedy() {
    if process::effective_user() == 0 {
        eprintln!("skipped: root may use every port");
        return;
    }
    match Socket::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), 1) {
        Ok(_) => eprintln!("skipped: net.ipv4.ip_unprivileged_port_start allows port 1"),
        Err(refused) => assert!(refused.to_string().contains("1024"), "{refused}"),
    }
}

#[test]
fn nobody_there_is_refused_and_a_full_backlog_times_out() {
    let listener = Socket::listen(v4(), 0).unwrap();
    let address = listener.local_address().unwrap();
    let mut waiting = Vec::new();
    let late = (0..10).find_map(|_| {
        let socket = Socket::stream(address).unwrap();
        let answer = socket.connect(address, Duration::from_millis(50));
        waiting.push(socket);
        answer.err()
    });
    let line = late.unwrap().to_string();
    assert!(line.contains("timed out") && line.contains("firewalls"), "{line}");
    drop(listener);
    let socket = Socket::stream(address).unwrap();
    let line = socket.connect(address, PATIENCE).unwrap_err().to_string();
    assert!(line.contains("refused") && line.contains("other end"), "{line}");
}

#[test]
fn accepting_ends_with_nobody_when_the_time_is_up() {
    let listener = Socket::listen(v4(), 1).unwrap();
    assert!(listener.accept(Some(0)).unwrap().is_none());
    assert!(listener.accept(Some(5)).unwrap().is_none());
    assert_eq!(Socket::stream(v4()).unwrap().accept(Some(0)).unwrap_err().errno.0, libc::EINVAL);
}

#[test]
fn one_look_at_the_queue_takes_one_connection_and_does_not_wait() {
    let listener = Socket::listen(v4(), 4).unwrap();
    assert!(matches!(listener.accept_at_once(), Ok(Arrival::Nobody)));
    let near = Socket::stream(v4()).unwrap();
    near.connect(listener.local_address().unwrap(), PATIENCE).unwrap();
    // Who connected knows of it before who listens does.
    assert!(poll::wait_readable(&listener, PATIENCE_MS).unwrap().readable);
    assert!(matches!(listener.accept_at_once(), Ok(Arrival::Connection(_))));
    assert!(matches!(listener.accept_at_once(), Ok(Arrival::Nobody)));
    // EINVAL: it does not listen.
    assert_eq!(near.accept_at_once().unwrap_err().errno.0, 22);
}

#[test]
fn handshakes_keep_their_deadline_and_notice_an_early_end() {
    let (near, far) = connected(v4());
    near.write_all(b"token", Instant::now() + PATIENCE).unwrap();
    assert_eq!(received(&far, 5), b"token");
    let mut more = [0; 4];
    let late = far.read_exact(&mut more, Instant::now() + Duration::from_millis(5)).unwrap_err();
    assert_eq!(late.errno, Errno(libc::ETIMEDOUT));
    near.write_all(b"ab", Instant::now() + PATIENCE).unwrap();
    near.shutdown(Shutdown::Write).unwrap();
    let early = far.read_exact(&mut more, Instant::now() + PATIENCE).unwrap_err();
    assert_eq!(early.errno, Errno(libc::ENODATA));
    assert!(early.argument.contains("4 bytes, 2 received"), "{early}");
    far.set_send_buffer(4096).unwrap();
    let full = far.write_all(&vec![0; 32 << 20], Instant::now() + Duration::from_millis(20));
    assert_eq!(full.unwrap_err().errno, Errno(libc::ETIMEDOUT));
}

#[test]
fn what_is_sent_arrives_by_send_and_by_sendmsg() {
    for address in loopbacks() {
        let (near, far) = connected(address);
        let arena = patterned(10_000);
        assert_eq!(near.send(arena.bytes(0..100), SendFlags::NONE), Ok(100));
        assert_eq!(received(&far, 100), arena.bytes(0..100));

        let fields: Vec<Field> = (0..8).map(|k| Field { offset: k * 192, bytes: 61 + k }).collect();
        let mut gather = Gather::new(&fields).unwrap();
        for start in [0, 1, 4096] {
            gather.point(&arena, start).unwrap();
            assert_eq!(near.send_message(&gather, SendFlags::NONE), Ok(gather.bytes()));
            let expected: Vec<u8> = fields
                .iter()
                .flat_map(|f| arena.bytes(start + f.offset..start + f.offset + f.bytes))
                .copied()
                .collect();
            assert_eq!(received(&far, gather.bytes()), expected);
        }
    }
}

#[test]
fn tcp_info_counts_the_bytes_that_went_over() {
    let (near, far) = connected(v4());
    near.write_all(&[7; 5000], Instant::now() + PATIENCE).unwrap();
    received(&far, 5000);
    let (sender, receiver) = (near.tcp_info().unwrap(), far.tcp_info().unwrap());
    assert_eq!(sender.state, Some(1));
    assert_eq!(receiver.bytes_received, Some(5000));
    assert!(sender.data_segs_out.unwrap() >= 1 && sender.snd_mss.unwrap() > 0, "{sender:?}");
    match sender.bytes_sent {
        Some(bytes) => assert!(bytes >= 5000, "{sender:?}"),
        None => eprintln!("skipped: this kernel's tcp_info has no bytes_sent"),
    }
}

#[test]
fn a_short_send_goes_on_in_the_middle_of_a_field() {
    const FIELD: usize = 65_521;
    let (near, far) = connected(v4());
    near.set_send_buffer(20_000).unwrap();
    far.set_receive_buffer(20_000).unwrap();
    let arena = patterned(8 * FIELD + 13);
    let mut gather = Gather::packed(&[FIELD; 8]).unwrap();
    gather.point(&arena, 13).unwrap();
    let reader = thread::spawn(move || received(&far, 8 * FIELD));
    let (mut sent, mut within_a_field) = (0, 0);
    while sent < gather.bytes() {
        match near.send_message(&gather, SendFlags::DONT_WAIT) {
            Ok(bytes) => {
                sent += bytes;
                within_a_field += u32::from(!sent.is_multiple_of(FIELD));
                gather.after(sent);
                assert_eq!(gather.remaining(), 8 * FIELD - sent);
            }
            Err(errno) => {
                assert!(errno.is_would_block(), "{errno}");
                poll::wait_writable(&near, PATIENCE_MS).unwrap();
            }
        }
    }
    assert!(within_a_field > 0, "no send was short");
    assert!(reader.join().unwrap() == arena.bytes(13..13 + 8 * FIELD));
}

/// Reads a notification, or waits until there is one.
fn read_notification(socket: &Socket, read: &mut Vec<Notification>) {
    match socket.read_error_queue(&mut ErrorQueueSpace::new()).unwrap() {
        Some(notification) => read.push(notification),
        None => assert!(poll::wait_error_queue(socket, PATIENCE_MS).unwrap().error),
    }
}

/// Reads notifications until so many sends are accounted for.
fn read_notifications(socket: &Socket, sends: u64, read: &mut Vec<Notification>) {
    while read.iter().map(|one| one.count()).sum::<u64>() < sends {
        read_notification(socket, read);
    }
    assert_eq!(socket.read_error_queue(&mut ErrorQueueSpace::new()), Ok(None));
}

#[test]
fn zero_copy_sends_on_loopback_are_all_notified_once_and_all_copied() {
    const SENDS: u32 = 40;
    for address in loopbacks() {
        let Some((near, far)) = connected_for_zerocopy(address) else { continue };
        let arena = patterned(64 * 1024);
        let message = Gather::packed(&[1500; 8]).unwrap();
        let bytes = message.bytes();
        let reader = thread::spawn(move || received(&far, bytes * 40));
        let mut gather = message;
        let mut sends = 0u64;
        let mut read = Vec::new();
        for slot in 0..SENDS as usize {
            gather.point(&arena, slot).unwrap();
            let mut sent = 0;
            while sent < bytes {
                match near.send_message(&gather, SendFlags::ZEROCOPY) {
                    Ok(bytes) => {
                        sent += bytes;
                        gather.after(sent);
                        sends += 1;
                    }
                    // As many as the kernel keeps notes of (net.core.optmem_max) wait for a reader that got no CPU.
                    Err(errno) => {
                        assert!(errno.is_no_buffers(), "{errno}");
                        read_notification(&near, &mut read);
                    }
                }
            }
        }
        read_notifications(&near, sends, &mut read);
        let ids: BTreeSet<u32> = read.iter().flat_map(|notification| notification.ids()).collect();
        assert!(ids.iter().copied().eq(0..u32::try_from(sends).unwrap()), "{read:?}");
        assert!(read.iter().all(|notification| notification.copied), "{read:?}");
        let content = reader.join().unwrap();
        for (slot, message) in content.chunks(bytes).enumerate() {
            assert!(message == arena.bytes(slot..slot + bytes), "message {slot}");
        }
    }
}

#[test]
fn the_zero_copy_flag_without_the_option_is_an_ordinary_copy() {
    let (near, far) = connected(v4());
    let arena = patterned(4096);
    assert!(!near.zerocopy().unwrap());
    assert_eq!(near.send(arena.bytes(0..4096), SendFlags::ZEROCOPY), Ok(4096));
    assert_eq!(received(&far, 4096), arena.bytes(0..4096));
    assert_eq!(near.read_error_queue(&mut ErrorQueueSpace::new()), Ok(None));
}

#[test]
fn an_empty_error_queue_holds_nothing_and_waiting_for_it_times_out() {
    let (near, _far) = connected(v4());
    let mut space = ErrorQueueSpace::new();
    assert_eq!(near.read_error_queue(&mut space), Ok(None));
    assert!(!poll::wait_error_queue(&near, 0).unwrap().is_any());
    assert_eq!(space.last_fault(), None);
}

#[test]
fn shutting_down_wakes_a_blocked_receive() {
    let (near, _far) = connected(v4());
    let handle = near.try_clone().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let worker = thread::spawn(move || {
        tell.send(own_task()).unwrap();
        near.receive(&mut [0; 16], ReceiveFlags::NONE)
    });
    await_sleep(&told.recv().unwrap());
    handle.shutdown(Shutdown::Both).unwrap();
    assert_eq!(worker.join().unwrap(), Ok(0));
}

#[test]
fn shutting_down_wakes_a_blocked_send() {
    let (near, _far) = connected(v4());
    let handle = near.try_clone().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let worker = thread::spawn(move || {
        let block = vec![0; 1 << 20];
        tell.send(own_task()).unwrap();
        loop {
            if let Err(errno) = near.send(&block, SendFlags::NONE) {
                return errno;
            }
        }
    });
    let task = told.recv().unwrap();
    while poll::wait_writable(&handle, 0).unwrap().writable {
        thread::yield_now();
    }
    await_sleep(&task);
    handle.shutdown(Shutdown::Both).unwrap();
    assert_eq!(worker.join().unwrap(), Errno(libc::EPIPE));
}

#[test]
fn a_peer_that_resets_leaves_an_error_and_no_signal() {
    let (near, far) = connected(v4());
    near.write_all(b"never read", Instant::now() + PATIENCE).unwrap();
    assert!(poll::wait_readable(&far, PATIENCE_MS).unwrap().readable);
    // Closing with bytes unread resets the connection (RFC 2525, 2.17).
    drop(far);
    let deadline = Instant::now() + PATIENCE;
    let mut ready = poll::wait_error_queue(&near, PATIENCE_MS).unwrap();
    // The kernel sets the error a moment before it closes (tcp_reset, net/ipv4/tcp_input.c).
    while !ready.hang_up && Instant::now() < deadline {
        ready = poll::wait_error_queue(&near, 1).unwrap();
    }
    assert!(ready.error && ready.hang_up, "{ready:?}");
    assert_eq!(near.read_error_queue(&mut ErrorQueueSpace::new()), Ok(None));
    assert_eq!(near.take_error(), Ok(Some(Errno(libc::ECONNRESET))));
    assert_eq!(near.send(b"x", SendFlags::NONE), Err(Errno(libc::EPIPE)));
    assert_eq!(near.shutdown(Shutdown::Both).unwrap_err().errno, Errno(libc::ENOTCONN));
}

#[test]
fn epoll_finds_the_flow_that_has_something() {
    let flows: Vec<_> = (0..5).map(|_| connected(v4())).collect();
    let epoll = Epoll::new().unwrap();
    for (token, (_, far)) in (100..).zip(&flows) {
        epoll.add(far, token).unwrap();
    }
    let mut events = EpollEvents::new(8);
    for (index, (near, far)) in flows.iter().enumerate() {
        near.write_all(b"x", Instant::now() + PATIENCE).unwrap();
        assert_eq!(epoll.wait(&mut events, PATIENCE_MS), Ok(1));
        let (token, ready) = events.ready().next().unwrap();
        assert_eq!(token, 100 + u64::try_from(index).unwrap());
        assert!(ready.readable && !ready.error);
        received(far, 1);
    }
}

#[test]
fn the_hot_calls_allocate_nothing() {
    let Some((near, far)) = connected_for_zerocopy(v4()) else { return };
    let arena = patterned(16 * 1024);
    let other = patterned(16 * 1024);
    let mut gather = Gather::packed(&[128; 8]).unwrap();
    let mut space = ErrorQueueSpace::new();
    let mut buffer = vec![0; 16 * 1024];
    let epoll = Epoll::new().unwrap();
    epoll.add(&far, 1).unwrap();
    let mut events = EpollEvents::new(4);
    let before = CountingAllocator::of_this_thread();
    for step in 0..50 {
        gather.point(if step % 2 == 0 { &arena } else { &other }, step * 64).unwrap();
        near.send(arena.bytes(0..64), SendFlags::NONE).unwrap();
        near.send_message(&gather, SendFlags::ZEROCOPY).unwrap();
        gather.after(100);
        near.send_message(&gather, SendFlags::DONT_WAIT).unwrap();
        epoll.wait(&mut events, PATIENCE_MS).unwrap();
        far.receive(&mut buffer, ReceiveFlags::NONE).unwrap();
        poll::wait_error_queue(&near, 0).unwrap();
        while near.read_error_queue(&mut space).unwrap().is_some() {}
    }
    assert_eq!(CountingAllocator::of_this_thread() - before, 0);
    let boxed = std::hint::black_box(Box::new(1));
    assert_eq!(CountingAllocator::of_this_thread() - before, 1, "the allocator counts {boxed}");
}

#[test]
fn busy_polling_is_taken_and_over_loopback_there_is_nothing_to_poll() {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = Socket::listen(any, 1).unwrap();
    let near = Socket::stream(any).unwrap();
    match near.set_busy_poll(50) {
        Ok(()) => assert_eq!(near.busy_poll(), Ok(50)),
        Err(SocketError::Unavailable(why)) => {
            eprintln!("skipped: {why}");
            return;
        }
        Err(why) => panic!("{why}"),
    }
    near.connect(listener.local_address().unwrap(), Duration::from_secs(20)).unwrap();
    let (far, _) = listener.accept(Some(20_000)).unwrap().unwrap();
    near.write_all(b"x", Instant::now() + Duration::from_secs(20)).unwrap();
    far.read_exact(&mut [0], Instant::now() + Duration::from_secs(20)).unwrap();
    assert_eq!(far.napi_id(), Ok(None));
    near.set_busy_poll(0).unwrap();
    assert_eq!(near.busy_poll(), Ok(0));
}
