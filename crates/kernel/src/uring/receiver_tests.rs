use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::Duration;

use super::*;

fn connected() -> (Socket, Socket) {
    let listener = Socket::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 1).unwrap();
    let address = listener.local_address().unwrap();
    let client = Socket::stream(address).unwrap();
    client.connect(address, Duration::from_secs(5)).unwrap();
    (client, listener.accept(Some(5000)).unwrap().unwrap().0)
}

/// A receiver, with bundles or without; none where this machine refuses one.
fn receiver(buffers: u16, bytes: usize, bundles: bool) -> Option<Receiver> {
    match Receiver::new(buffers, bytes) {
        Ok(receiver) if bundles && !receiver.bundles => {
            eprintln!("skipped: no bundles");
            None
        }
        Ok(receiver) => Some(Receiver { bundles, ..receiver }),
        Err(why) => {
            eprintln!("skipped: {why}");
            None
        }
    }
}

/// What became of a stream.
#[derive(Debug, Default)]
struct Seen {
    bytes: Vec<u8>,
    completions: u32,
    buffers: u32,
    arms: u32,
    without_buffer: u32,
}

/// Receives until the stream ends or so many bytes have come.
fn receive(receiver: &mut Receiver, socket: &Socket, bytes: usize) -> Seen {
    let mut seen = Seen::default();
    while seen.bytes.len() < bytes {
        let arrival = receiver.next(|piece| seen.bytes.extend_from_slice(piece));
        match arrival {
            Some(Arrival { result: Ok(0), .. }) => break,
            Some(Arrival { result: Ok(_), buffers }) => {
                seen.completions += 1;
                seen.buffers += buffers;
            }
            Some(Arrival { result: Err(Errno(libc::ENOBUFS)), .. }) => seen.without_buffer += 1,
            Some(Arrival { result: Err(errno), .. }) => panic!("{errno}"),
            None => seen.arms += u32::from(receiver.wait(socket, 1, Some(5000)).unwrap()),
        }
    }
    seen
}

fn numbered(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| u8::try_from(index % 251).unwrap()).collect()
}

#[test]
fn a_stream_arrives_in_order_through_buffers_that_are_used_again_and_again() {
    for bundles in [false, true] {
        for (buffers, bytes) in [(1, 4096), (4, 1000), (8, 1), (16, 65_536)] {
            let Some(mut receiver) = receiver(buffers, bytes, bundles) else { continue };
            let (client, server) = connected();
            let sent = numbered(if bytes == 1 { 300 } else { 3_000_000 });
            let sending = std::thread::spawn({
                let sent = sent.clone();
                move || {
                    let mut left = &sent[..];
                    while !left.is_empty() {
                        let n = client.send(left, crate::socket::SendFlags::NONE).unwrap();
                        left = &left[n..];
                    }
                    client.shutdown(Shutdown::Write).unwrap();
                }
            });
            let seen = receive(&mut receiver, &server, usize::MAX);
            sending.join().unwrap();
            let what = format!("{buffers} of {bytes} B, bundles {bundles}");
            assert!(seen.bytes == sent, "{} B came: {what}", seen.bytes.len());
            assert!(seen.buffers as usize >= sent.len().div_ceil(bytes), "{what}");
            assert!(seen.arms >= 1, "{what}");
            if !bundles {
                assert_eq!(seen.buffers, seen.completions, "{what}");
            }
        }
    }
}

#[test]
fn a_bundle_brings_several_buffers_by_one_completion() {
    let Some(mut receiver) = receiver(64, 100, true) else { return };
    let (client, server) = connected();
    let sent = numbered(5050);
    client.send(&sent, crate::socket::SendFlags::NONE).unwrap();
    crate::poll::wait_readable(&server, 5000).unwrap();
    let seen = receive(&mut receiver, &server, 5050);
    assert!(seen.bytes == sent);
    assert!(seen.completions < seen.buffers, "{seen:?}");
    assert!(receiver.is_armed());
}

#[test]
fn without_a_buffer_the_request_ends_and_is_armed_again() {
    let Some(mut receiver) = receiver(2, 10, false) else { return };
    let (client, server) = connected();
    client.send(&numbered(100), crate::socket::SendFlags::NONE).unwrap();
    crate::poll::wait_readable(&server, 5000).unwrap();
    let seen = receive(&mut receiver, &server, 100);
    assert!(seen.bytes == numbered(100));
    assert!(seen.without_buffer >= 4 && seen.arms > seen.without_buffer, "{seen:?}");
}

#[test]
fn the_end_and_a_reset_are_told_and_nothing_is_armed_after_them() {
    let Some(mut ended) = receiver(4, 100, false) else { return };
    let (client, server) = connected();
    assert_eq!(ended.wait(&server, 0, None), Ok(true));
    assert_eq!(ended.next(|_| panic!("nothing was sent")), None);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(ended.wait(&server, 1, Some(5000)), Ok(false));
    let over = ended.next(|_| panic!("nothing was sent"));
    assert_eq!(over.map(|arrival| arrival.result), Some(Ok(0)));
    assert!(!ended.is_armed());

    let Some(mut reset) = receiver(4, 100, false) else { return };
    let (client, server) = connected();
    reset.wait(&server, 0, None).unwrap();
    // What was sent to it and not read makes its close a reset.
    server.send(&[1], crate::socket::SendFlags::NONE).unwrap();
    crate::poll::wait_readable(&client, 5000).unwrap();
    drop(client);
    reset.wait(&server, 1, Some(5000)).unwrap();
    let over = reset.next(|_| panic!("nothing was sent"));
    assert_eq!(over.map(|arrival| arrival.result), Some(Err(Errno(libc::ECONNRESET))));
}

#[test]
fn buffers_that_cannot_be_are_refused_by_name() {
    let why = Receiver::new(2, usize::MAX).unwrap_err().to_string();
    assert!(why.contains("--receive-buffer"), "{why}");
    let why = Receiver::new(1, 1 << 33).unwrap_err().to_string();
    assert!(why.contains("at most 4 GiB"), "{why}");
}
