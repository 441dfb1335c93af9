//! The threads that the kernel has for io_urings, in a process that has no others.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use kernel::arena::Arena;
use kernel::clock;
use kernel::socket::{ReceiveFlags, Socket};
use kernel::uring::threads::{self, Kind};
use kernel::uring::{Completion, Operation, Payload, Polling, Request, Ring, RingSetup};

fn connected() -> (Socket, Socket) {
    let listener = Socket::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 1).unwrap();
    let address = listener.local_address().unwrap();
    let client = Socket::stream(address).unwrap();
    client.connect(address, Duration::from_secs(60)).unwrap();
    (client, listener.accept(Some(60_000)).unwrap().unwrap().0)
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}: {:?}", threads::of_process());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends so many messages of 32 KiB, and takes them.
fn send(ring: &mut Ring, messages: u64) {
    let (client, server) = connected();
    let arena = Arena::new(1 << 15).unwrap();
    let mut buffer = vec![0; 1 << 15];
    for data in 0..messages {
        let payload = Payload::Bytes(&arena, 0..arena.len());
        let operation = Operation::Send;
        let request = Request { operation, payload, data, linked: false, reports_copies: false };
        assert_eq!(ring.submit(&client, [request].into_iter(), 1), Ok(1));
        loop {
            match ring.completion() {
                Some(Completion::Ended { result, .. }) => {
                    assert_eq!(result, Ok(1 << 15));
                    break;
                }
                Some(Completion::Notified { .. }) => panic!("nothing is passed by reference"),
                None => ring.wait(1, Some(1000)).unwrap(),
            }
        }
        let mut left = buffer.len();
        while left > 0 {
            left -= server.receive(&mut buffer[..left], ReceiveFlags::NONE).unwrap();
        }
    }
}

// One test, as the threads are the whole process's.
#[test]
fn who_polls_is_told_with_its_time_sleeps_at_a_pause_and_goes_with_its_ring_and_plain_sends_have_nobody()
 {
    let Ok(mut plain) = Ring::new(8, 16) else {
        eprintln!("skipped: no io_uring here");
        return;
    };
    send(&mut plain, 200);
    assert_eq!(threads::of_process().unwrap(), []);
    let cpu = kernel::cpu::allowed().unwrap().cpus().first().copied();
    let cpu = cpu.and_then(|cpu| u32::try_from(cpu).ok());
    for cpu in [None, cpu] {
        let polling = Polling { cpu, idle_ms: 1, shared_with: None };
        let setup = RingSetup { polling: Some(polling), ..RingSetup::default() };
        let mut ring = match Ring::made_so(8, 16, &setup) {
            Ok(ring) => ring,
            Err(why) => {
                eprintln!("skipped: {why}");
                return;
            }
        };
        wait_until("it names itself", || threads::of_process().unwrap().len() == 1);
        let thread = threads::of_process().unwrap()[0];
        assert_eq!(thread.kind, Kind::Poller);
        let before = thread.cpu_ns().unwrap();
        send(&mut ring, 200);
        let sent = thread.cpu_ns().unwrap() - before;
        assert!(sent > 10_000, "it sent 200 times 32 KiB in {sent} ns");
        assert!(sent < clock::process_cpu_ns(), "and is a thread of the process");
        wait_until("it sleeps", || ring.is_asleep());
        // On its way to sleep it may still run.
        let mut seen = 0;
        wait_until("its clock stands", || {
            let now = thread.cpu_ns().unwrap();
            std::mem::replace(&mut seen, now) == now
        });
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(thread.cpu_ns(), Some(seen), "nothing is taken in silence");
        drop(ring);
        wait_until("it goes", || threads::of_process().unwrap().is_empty());
        assert_eq!(thread.cpu_ns(), None);
        // As soon as it polls, too; before, it has no name, and would be taken for the next one's.
        let again = Ring::made_so(8, 16, &setup).unwrap();
        wait_until("it names itself", || threads::of_process().unwrap().len() == 1);
        drop(again);
        wait_until("it goes", || threads::of_process().unwrap().is_empty());
    }
}
