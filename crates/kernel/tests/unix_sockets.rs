//! Unix sockets against the running kernel: how they meet, and what of TCP they do not have.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step is a failed test, in its helpers too"
)]

use std::net::Shutdown;
use std::time::{Duration, Instant};

use kernel::socket::{Address, Arrival, ReceiveFlags, SendFlags, Socket, SocketError};
use kernel::{Errno, process};

/// Far longer than anything here takes: a test that hangs must end.
const PATIENCE: Duration = Duration::from_secs(20);

fn listening(backlog: u16) -> (Socket, Address) {
    let listener = Socket::listen(Address::ANY_UNIX, backlog).unwrap();
    let address = listener.address().unwrap();
    (listener, address)
}

fn connected() -> (Socket, Socket) {
    let (listener, address) = listening(1);
    let near = Socket::stream(address).unwrap();
    near.connect(address, PATIENCE).unwrap();
    let Arrival::Connection(far) = listener.accept_at_once().unwrap() else { panic!("nobody") };
    (near, far)
}

/// How many bytes a socket takes before it would wait.
fn room(socket: &Socket) -> usize {
    let mut taken = 0;
    while let Ok(bytes) = socket.send(&[1; 1024], SendFlags::DONT_WAIT) {
        taken += bytes;
    }
    taken
}

#[test]
fn two_listeners_have_names_of_their_own_which_are_gone_with_them() {
    let ((first, one), (_second, other)) = (listening(1), listening(1));
    assert_ne!(one, other);
    assert_eq!(one.to_string().parse(), Ok(one));
    drop(first);
    let late = Socket::stream(one).unwrap().connect(one, PATIENCE).unwrap_err().to_string();
    assert!(late.contains("refused") && late.contains("is gone"), "{late}");
    assert!(!late.contains("port"), "{late}");
}

#[test]
fn bytes_arrive_the_peer_is_known_and_the_end_shows() {
    let (near, far) = connected();
    assert_eq!(near.peer_user().unwrap(), far.peer_user().unwrap());
    assert_eq!(near.peer_user().unwrap(), process::effective_user());
    near.write_all(b"token", Instant::now() + PATIENCE).unwrap();
    assert_eq!(far.unread_bytes().unwrap(), 5);
    let mut all = [0; 5];
    far.read_exact(&mut all, Instant::now() + PATIENCE).unwrap();
    assert_eq!((&all, far.unread_bytes().unwrap()), (b"token", 0));
    near.shutdown(Shutdown::Write).unwrap();
    assert_eq!(far.receive(&mut all, ReceiveFlags::NONE), Ok(0));
}

#[test]
fn a_full_queue_is_waited_for_and_no_longer_than_asked() {
    let (listener, address) = listening(0);
    let sockets: Vec<Socket> = (0..2).map(|_| Socket::stream(address).unwrap()).collect();
    sockets[0].connect(address, PATIENCE).unwrap();
    let full = sockets[1].connect(address, Duration::from_millis(20)).unwrap_err().to_string();
    assert!(full.contains("timed out") && full.contains("accepts nobody"), "{full}");
    assert!(!full.contains("firewall"), "{full}");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| sockets[1].connect(address, PATIENCE));
        assert!(matches!(listener.accept_at_once(), Ok(Arrival::Connection(_))));
        assert_eq!(waits.join().unwrap(), Ok(()));
    });
}

#[test]
fn what_is_of_tcp_is_refused_and_there_is_nothing_to_push_out() {
    let (near, _far) = connected();
    let no = Errno(libc::EOPNOTSUPP);
    assert_eq!(near.tcp_info().unwrap_err().errno, no);
    assert_eq!(near.set_nodelay(true).unwrap_err().errno, no);
    assert_eq!(near.congestion().unwrap_err().errno, no);
    assert_eq!(near.push_out(), Ok(()));
    let SocketError::Unavailable(why) = near.set_zerocopy(true).unwrap_err() else {
        panic!("another error")
    };
    assert!(why.to_string().contains("SO_ZEROCOPY"), "{why}");
}

#[test]
fn the_senders_buffer_bounds_what_waits_and_the_receivers_does_nothing() {
    let (near, far) = connected();
    far.set_receive_buffer(4096).unwrap();
    let usual = room(&near);
    let (near, far_too) = connected();
    near.set_send_buffer(16_384).unwrap();
    let small = room(&near);
    assert!(usual > 65_536 && small < 65_536, "{usual} {small}");
    assert_eq!(far.unread_bytes().unwrap(), usual as u64);
    assert_eq!(far_too.unread_bytes().unwrap(), small as u64);
}

#[test]
fn a_pacing_rate_is_taken_and_delays_nothing() {
    let (unpaced, far) = connected();
    let usual = room(&unpaced);
    assert_eq!(far.unread_bytes().unwrap(), usual as u64);
    let (near, far) = connected();
    // At this rate what fits would take minutes.
    near.set_pacing_rate(1000).unwrap();
    assert_eq!(near.pacing_rate(), Ok(1000));
    assert_eq!(room(&near), usual);
    assert_eq!(far.unread_bytes().unwrap(), usual as u64);
}
