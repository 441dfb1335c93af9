//! The sink's program, run on made packets (`BPF_PROG_TEST_RUN`): as root, else skipped with the reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::net::IpAddr;

use kernel::sink::{FlowState, Sink, SinkTrial};

const TOKEN: [u8; 16] = *b"0123456789abcdef";
const FIRST_PORT: u16 = 10_000;
const PEER_PORT: u16 = 40_001;
/// `TC_ACT_SHOT`.
const DROP: u32 = 2;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

fn v4() -> (IpAddr, IpAddr) {
    ("198.18.0.1".parse().unwrap(), "198.18.0.2".parse().unwrap())
}

fn v6() -> (IpAddr, IpAddr) {
    ("2001:2::1".parse().unwrap(), "2001:2::2".parse().unwrap())
}

/// A packet of a TCP sender; checksums are left to the device, as a veth device leaves them.
fn packet(
    (from, to): (IpAddr, IpAddr),
    ports: (u16, u16),
    seq: u32,
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    let tcp_len = u16::try_from(20 + payload.len()).unwrap();
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            frame.extend([8, 0, 0x45, 0]);
            frame.extend((20 + tcp_len).to_be_bytes());
            frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
            frame.extend(from.octets());
            frame.extend(to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(tcp_len.to_be_bytes());
            frame.extend([6, 64]);
            frame.extend(from.octets());
            frame.extend(to.octets());
        }
        _ => panic!("two families"),
    }
    frame.extend(ports.0.to_be_bytes());
    frame.extend(ports.1.to_be_bytes());
    frame.extend(seq.to_be_bytes());
    frame.extend(7u32.to_be_bytes());
    frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend(payload);
    frame
}

/// A loaded program and the sender that it is told of.
struct Trial {
    sink: Sink,
    ends: (IpAddr, IpAddr),
    first: u32,
}

/// `None` where this user may not load programs; says so.
fn trial(ends: (IpAddr, IpAddr), first: u32) -> Option<Trial> {
    let order = SinkTrial { address: ends.1, first_port: FIRST_PORT, flows: 3, token: TOKEN };
    match Sink::load(&order) {
        Ok(sink) => Some(Trial { sink, ends, first }),
        Err(why) if why.remedy.is_empty() => panic!("{why}"),
        Err(why) => {
            eprintln!("skipped: {why}");
            None
        }
    }
}

impl Trial {
    fn send(&mut self, at: u32, flags: u8, payload: &[u8]) {
        let seq = self.first.wrapping_add(at);
        self.send_from(PEER_PORT, seq, flags, payload);
    }

    fn send_from(&mut self, port: u16, seq: u32, flags: u8, payload: &[u8]) {
        let frame = packet(self.ends, (port, FIRST_PORT + 1), seq, flags, payload);
        assert_eq!(self.sink.offer(&frame).unwrap(), DROP);
    }

    fn data(&mut self, from: u32, to: u32) {
        self.send(from, ACK, &vec![0x55; (to - from) as usize]);
    }

    fn greet(&mut self) {
        self.send(0, SYN, &[]);
        self.send(1, ACK, &[]);
        self.send(1, ACK, &greeting(TOKEN, 1));
        assert_eq!(self.sink.look(1).state, FlowState::Open);
    }

    /// The number to acknowledge, from the SYN's.
    fn next(&self) -> u32 {
        self.sink.look(1).next.wrapping_sub(self.first)
    }
}

fn greeting(token: [u8; 16], flow: u32) -> Vec<u8> {
    [token.as_slice(), &flow.to_be_bytes()].concat()
}

#[test]
fn a_flow_is_followed_from_its_syn_to_its_fin() {
    for ends in [v4(), v6()] {
        let Some(mut trial) = trial(ends, 1000) else { return };
        trial.send(0, SYN, &[]);
        let look = trial.sink.look(1);
        assert_eq!((look.state, look.syns, trial.next()), (FlowState::Ungreeted, 1, 1));
        assert_eq!(trial.sink.peer(1), Some((ends.0, PEER_PORT)));
        trial.send(1, ACK, &[]);
        trial.send(1, ACK, &greeting(TOKEN, 1));
        assert_eq!((trial.sink.look(1).state, trial.next()), (FlowState::Open, 21));
        assert_eq!(trial.sink.peer_ack(1), 7);
        trial.data(21, 1021);
        trial.data(1021, 1022);
        assert_eq!(trial.next(), 1022);
        trial.send(1022, FIN | ACK, &[1, 2, 3]);
        let look = trial.sink.look(1);
        assert_eq!((look.state, trial.next(), look.repeats), (FlowState::Finished, 1026, 0));
        let counts = trial.sink.counts(1);
        assert_eq!((counts.payload_bytes, counts.packets), (1024, 4));
        assert_eq!(
            (counts.gaps, counts.reordered, counts.duplicates, counts.duplicate_bytes),
            (0, 0, 0, 0)
        );
        assert_eq!(trial.sink.totals().refused, 0);
    }
}

#[test]
fn nothing_beyond_a_gap_is_acknowledged_before_the_gap_is_filled() {
    let Some(mut trial) = trial(v4(), 1000) else { return };
    trial.greet();
    trial.data(121, 221);
    trial.data(321, 421);
    assert_eq!((trial.next(), trial.sink.look(1).repeats), (21, 2));
    assert_eq!(trial.sink.counts(1).payload_bytes, 20);
    trial.data(21, 121);
    assert_eq!(trial.next(), 221);
    trial.data(221, 321);
    assert_eq!(trial.next(), 421);
    let counts = trial.sink.counts(1);
    assert_eq!((counts.payload_bytes, counts.packets, counts.reordered), (420, 5, 2));
    assert_eq!((counts.gaps, counts.duplicates, counts.duplicate_bytes), (0, 0, 0));
}

#[test]
fn early_packets_without_room_are_dropped_and_counted_and_come_again() {
    let Some(mut trial) = trial(v6(), u32::MAX - 500) else { return };
    trial.greet();
    // Every second 10 bytes: nine intervals, one more than there is room for.
    for n in 0..9 {
        trial.data(31 + 20 * n, 41 + 20 * n);
    }
    assert_eq!((trial.next(), trial.sink.counts(1).gaps, trial.sink.look(1).repeats), (21, 1, 9));
    for n in 0..9 {
        trial.data(21 + 20 * n, 31 + 20 * n);
    }
    // The ninth was dropped: acknowledged up to it, not past it.
    assert_eq!(trial.next(), 191);
    trial.data(191, 201);
    assert_eq!((trial.next(), trial.sink.counts(1).payload_bytes), (201, 200));
}

#[test]
fn repeated_and_overlapping_bytes_are_counted_once() {
    let Some(mut trial) = trial(v4(), 5) else { return };
    trial.greet();
    trial.data(21, 121);
    trial.data(21, 121);
    assert_eq!((trial.next(), trial.sink.look(1).repeats), (121, 1));
    let counts = trial.sink.counts(1);
    assert_eq!((counts.duplicates, counts.duplicate_bytes), (1, 100));
    // Half old, half new.
    trial.data(71, 171);
    let counts = trial.sink.counts(1);
    assert_eq!((trial.next(), counts.duplicates, counts.duplicate_bytes), (171, 1, 150));
    // Early, repeated early, overlapping early on both sides, then what was missing with an overlap.
    trial.data(200, 220);
    trial.data(205, 215);
    trial.data(190, 230);
    let counts = trial.sink.counts(1);
    assert_eq!((trial.next(), counts.duplicates, counts.duplicate_bytes), (171, 2, 180));
    trial.data(171, 200);
    let counts = trial.sink.counts(1);
    assert_eq!((trial.next(), counts.payload_bytes, counts.duplicate_bytes), (230, 229, 190));
    assert_eq!((counts.packets, counts.reordered), (6, 2));
}

#[test]
fn sequence_numbers_wrap() {
    for first in
        [u32::MAX, u32::MAX - 1, u32::MAX - 21, u32::MAX - 100, i32::MAX.cast_unsigned() - 30]
    {
        let Some(mut trial) = trial(v4(), first) else { return };
        trial.greet();
        trial.data(121, 221);
        trial.data(90, 130);
        trial.data(21, 90);
        trial.send(221, FIN | ACK, &[]);
        let counts = trial.sink.counts(1);
        assert_eq!(
            (trial.next(), counts.payload_bytes, counts.duplicate_bytes),
            (222, 220, 9),
            "{first}"
        );
        assert_eq!(trial.sink.look(1).state, FlowState::Finished);
    }
}

#[test]
fn a_fin_counts_only_once_everything_before_it_is_there() {
    let Some(mut trial) = trial(v4(), 77) else { return };
    trial.greet();
    trial.send(121, FIN | ACK, &[]);
    assert_eq!(
        (trial.sink.look(1).state, trial.next(), trial.sink.look(1).repeats),
        (FlowState::Open, 21, 1)
    );
    trial.data(21, 121);
    assert_eq!((trial.sink.look(1).state, trial.next()), (FlowState::Finished, 122));
    // Its repetition asks for the answer again, and changes nothing else.
    trial.send(121, FIN | ACK, &[]);
    assert_eq!((trial.sink.look(1).repeats, trial.next()), (2, 122));
}

#[test]
fn a_reset_ends_a_flow_and_only_its_own_peer_can_send_it() {
    let Some(mut trial) = trial(v4(), 77) else { return };
    trial.greet();
    let seq = trial.sink.look(1).next;
    trial.send_from(PEER_PORT + 1, seq, RST, &[]);
    assert_eq!((trial.sink.look(1).state, trial.sink.totals().refused), (FlowState::Open, 1));
    trial.send_from(PEER_PORT, seq, RST, &[]);
    assert_eq!(trial.sink.look(1).state, FlowState::Reset);
}

#[test]
fn a_stranger_is_refused_and_counted() {
    let Some(mut trial) = trial(v4(), 77) else { return };
    // Data of no connection, a port outside of the trial's, another address, a second connection to a port.
    trial.send(0, ACK, &[1; 100]);
    let ends = trial.ends;
    let outside = packet(ends, (PEER_PORT, FIRST_PORT + 3), 1, SYN, &[]);
    trial.sink.offer(&outside).unwrap();
    let elsewhere =
        packet((ends.0, "198.18.0.3".parse().unwrap()), (PEER_PORT, FIRST_PORT), 1, SYN, &[]);
    trial.sink.offer(&elsewhere).unwrap();
    assert_eq!((trial.sink.totals().refused, trial.sink.totals().strangers), (3, 2));
    trial.greet();
    trial.send_from(PEER_PORT + 1, 5, SYN, &[]);
    let next = trial.sink.look(1).next;
    trial.send_from(PEER_PORT + 1, next, ACK, &[1; 100]);
    assert_eq!((trial.sink.totals().refused, trial.sink.totals().strangers), (5, 3));
    assert_eq!((trial.next(), trial.sink.counts(1).payload_bytes), (21, 20));
    assert_eq!(
        (trial.sink.look(0).state, trial.sink.look(2).state),
        (FlowState::Listening, FlowState::Listening)
    );
}

#[test]
fn a_wrong_token_is_refused_and_its_port_listens_again() {
    let Some(mut trial) = trial(v6(), 77) else { return };
    let wrong =
        [greeting([0; 16], 1), greeting(TOKEN, 2), greeting(TOKEN, 1)[..19].to_vec(), vec![1]];
    for (n, shown) in (1..).zip(&wrong) {
        trial.send_from(PEER_PORT + 9, 500, SYN, &[]);
        trial.send_from(PEER_PORT + 9, 501, ACK, shown);
        let look = trial.sink.look(1);
        assert_eq!((look.state, look.refusals), (FlowState::Listening, n));
        assert_eq!(trial.sink.refused_peer(1), Some(((v6().0, PEER_PORT + 9), 7)));
        assert_eq!(u64::from(n), trial.sink.totals().strangers);
    }
    assert_eq!(trial.sink.counts(1).payload_bytes, 0);
    trial.greet();
}

#[test]
fn a_stranger_that_says_nothing_keeps_nobody_waiting() {
    let Some(mut trial) = trial(v4(), 77) else { return };
    trial.send_from(PEER_PORT + 1, 500, SYN, &[]);
    trial.send_from(PEER_PORT + 1, 500, SYN, &[]);
    assert_eq!((trial.sink.look(1).syns, trial.sink.totals().strangers), (2, 0));
    trial.greet();
    assert_eq!((trial.sink.look(1).syns, trial.sink.totals().strangers), (3, 1));
    assert_eq!(trial.sink.peer(1), Some((v4().0, PEER_PORT)));
    trial.send_from(PEER_PORT + 1, 501, ACK, &greeting(TOKEN, 1));
    assert_eq!((trial.next(), trial.sink.totals().refused), (21, 2));
}

#[test]
fn data_before_the_greeting_waits_for_it() {
    let Some(mut trial) = trial(v4(), 77) else { return };
    trial.send(0, SYN, &[]);
    trial.data(21, 121);
    assert_eq!(
        (trial.sink.look(1).state, trial.next(), trial.sink.counts(1).gaps),
        (FlowState::Ungreeted, 1, 1)
    );
    trial.send(1, ACK, &greeting(TOKEN, 1));
    trial.data(21, 121);
    assert_eq!((trial.sink.look(1).state, trial.next()), (FlowState::Open, 121));
}

#[test]
fn what_is_no_tcp_is_dropped_and_what_is_cut_short_moves_nothing() {
    let Some(mut trial) = trial(v4(), 77) else { return };
    let arp = [&[0xff; 12][..], &[8, 6], &[0; 40]].concat();
    assert_eq!(trial.sink.offer(&arp).unwrap(), DROP);
    assert_eq!((trial.sink.totals().others, trial.sink.totals().refused), (1, 0));
    trial.greet();
    let whole =
        packet(trial.ends, (PEER_PORT, FIRST_PORT + 1), trial.sink.look(1).next, ACK, &[9; 50]);
    // The kernel makes no packets without a whole IP header.
    for len in 34..whole.len() {
        assert_eq!(trial.sink.offer(&whole[..len]).unwrap(), DROP);
    }
    assert_eq!(trial.next(), 21);
    // Bytes after the packet's own end, as a short frame is padded, are none of the flow's.
    let padded = [whole.as_slice(), &[0; 30]].concat();
    trial.sink.offer(&padded).unwrap();
    assert_eq!(trial.next(), 71);
}

/// The program against a plain model of a receiver, over random packets: what is acknowledged is what came without a
/// gap, whatever the order, repetition and overlap.
#[test]
fn whatever_comes_only_what_is_whole_is_acknowledged() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u32| {
        // xorshift64 (Marsaglia 2003).
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        u32::try_from((seed >> 33) % u64::from(below)).unwrap()
    };
    for round in 0..40 {
        let Some(mut trial) = trial(v4(), (u32::MAX - 1000).wrapping_add(50 * round)) else {
            return;
        };
        trial.greet();
        let mut came = vec![false; 2000];
        came[..21].fill(true);
        let mut offered = 0;
        for _ in 0..400 {
            let next = trial.next();
            let from = (next + random(260)).saturating_sub(60).max(21);
            let to = (from + 1 + random(80)).min(1999);
            if from >= to {
                continue;
            }
            let gaps = trial.sink.counts(1).gaps;
            trial.data(from, to);
            if trial.sink.counts(1).gaps == gaps {
                came[from as usize..to as usize].fill(true);
            }
            offered += u64::from(to - from);
            let whole = came.iter().position(|came| !came).unwrap();
            assert_eq!(trial.next() as usize, whole, "round {round}, {from}..{to}");
        }
        let counts = trial.sink.counts(1);
        assert_eq!(counts.payload_bytes + 1, u64::from(trial.next()));
        // Each byte that was offered is in order, early, repeated or dropped; early ones are those that came beyond `next`.
        let early = came[trial.next() as usize..].iter().filter(|came| **came).count() as u64;
        assert!(counts.payload_bytes - 20 + early + counts.duplicate_bytes <= offered);
        if counts.gaps == 0 {
            assert_eq!(counts.payload_bytes - 20 + early + counts.duplicate_bytes, offered);
        }
    }
}
