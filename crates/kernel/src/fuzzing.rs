//! What the fuzz targets of this crate check (`fuzz/targets`), replayed on their corpora by its tests. Not a part of the
//! library: it is compiled for `cargo test` and `cargo fuzz` alone.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a check fails by a panic, and each is named for what it reads"
)]

use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;

use crate::error_queue::{self, QueuedError};
use crate::frames::{Answer, Frame, Route, WINDOW_SCALE};
use crate::netlink;
use crate::perf_format::{Count, NoCount, Sample, parse_group};
use crate::perf_samples::{PerfRecord, records};
use crate::sampling::{Folded, fold};

mod symbols;
mod texts;

pub use symbols::symbols;
pub use texts::texts;

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

/// The control bytes of an error-queue message: a range of completions has as many ids as it counts, and what is behind it
/// changes nothing.
pub fn error_queue(bytes: &[u8]) {
    match error_queue::parse(bytes) {
        Ok(range) => {
            assert!((1..=1 << 32).contains(&range.count()));
            assert!(range.contains(range.low) && range.contains(range.high));
            let count = usize::try_from(range.count()).unwrap_or(usize::MAX);
            let looked_at: Vec<u32> = range.ids().take(1000).collect();
            assert_eq!(looked_at.len(), count.min(1000));
            assert!(looked_at.iter().all(|id| range.contains(*id)));
            assert!(count > 1000 || looked_at.last() == Some(&range.high));
            if range.count() < 1 << 32 {
                assert!(!range.contains(range.high.wrapping_add(1)));
            }
            let mut longer = bytes.to_vec();
            longer.extend([0xff; 24]);
            assert_eq!(error_queue::parse(&longer), Ok(range));
        }
        Err(fault) => {
            assert_ne!(fault.errno().0, 0, "a fault is told by an errno");
            assert!(!fault.to_string().is_empty());
            if fault == QueuedError::Truncated {
                assert!(bytes.len() >= 16, "less than a header is no message at all");
            }
        }
    }
}

/// A datagram of rtnetlink, as the answer to the request whose number stands in its first four bytes.
pub fn netlink(bytes: &[u8]) {
    let Some((sequence, datagram)) = bytes.split_first_chunk::<4>() else { return };
    let sequence = u32::from_ne_bytes(*sequence);
    match netlink::read_answer(datagram, sequence, "a try") {
        Ok(netlink::Answer::Message(RouteNetlinkMessage::NewLink(link))) => {
            let device = netlink::told(link);
            // Header, family and index come first (struct nlmsghdr, struct ifinfomsg).
            let index = datagram.get(20..24).expect("a link has its index");
            assert_eq!(device.index.to_ne_bytes(), *index);
        }
        Ok(netlink::Answer::Message(RouteNetlinkMessage::NewRoute(route))) => {
            if let Some(index) = netlink::leaves_by(&route) {
                let told = datagram.windows(4).any(|bytes| bytes == index.to_ne_bytes());
                assert!(told, "a device comes from the bytes");
            }
        }
        Ok(netlink::Answer::Message(_) | netlink::Answer::Done) => {
            assert_eq!(datagram.get(8..12), Some(&sequence.to_ne_bytes()[..]));
        }
        Ok(netlink::Answer::Another) => {}
        Err(error) => {
            assert_ne!(error.errno.0, 0, "{error}");
            assert!(error.argument.starts_with("a try"));
        }
    }
}

/// A perf ring: records follow one another without a gap, and no stack is longer than its record. Read as a group of counters,
/// twice, it gives counts that are scaled up and never down.
pub fn perf(bytes: &[u8]) {
    let mut at = 0;
    let (mut samples, mut told_lost) = (0_u64, 0_u64);
    for record in records(bytes) {
        let size = || usize::from(u16::from_ne_bytes([bytes[at + 6], bytes[at + 7]]));
        match record {
            Ok(PerfRecord::Sample(sample)) => {
                let frames = sample.frames().count();
                assert!(frames <= 1 || (frames + 6) * 8 <= size(), "{frames} frames");
                samples += 1;
                at += size();
            }
            Ok(PerfRecord::Lost(lost)) => {
                told_lost = told_lost.saturating_add(lost);
                at += size();
            }
            Ok(PerfRecord::Other(_)) => at += size(),
            Err(bad) => {
                assert_eq!(bad.offset, at);
                assert!(!bad.to_string().is_empty());
                at = bytes.len();
            }
        }
    }
    assert_eq!(at, bytes.len(), "everything was read");
    let (mut folded, mut gaps) = (Folded::new(), Vec::new());
    if let Ok(lost) = fold(bytes, &mut folded, &mut gaps) {
        assert_eq!((lost, folded.values().sum::<u64>()), (told_lost, samples));
        assert_eq!(gaps.len() as u64, samples.saturating_sub(1));
    }
    let (before, after) = bytes.split_at(bytes.len() / 2);
    let sample = |bytes| {
        let group = parse_group(bytes).ok()?;
        let (id, value) = group.values().next()?;
        let sample = group.sample(id).expect("an id of the group");
        assert_eq!(sample.value, value);
        assert!(group.values().count() <= bytes.len() / 16);
        Some(sample)
    };
    if let (Some(before), Some(after)) = (sample(before), sample(after)) {
        counted(before, after);
        counted(before.joined(after), after.joined(before));
    }
}

fn counted(before: Sample, after: Sample) {
    match Count::between(before, after) {
        Ok(count) => {
            assert!(count.value >= after.value - before.value, "scaled down");
            let all_the_time = count.time_running_ns >= count.time_enabled_ns;
            assert!(!all_the_time || count.value == after.value - before.value);
            assert!(!count.scaled || !all_the_time);
        }
        Err(NoCount::NeverScheduled { time_enabled_ns }) => assert!(time_enabled_ns > 0),
        Err(NoCount::Backwards) => assert!(
            after.value < before.value
                || after.time_enabled_ns < before.time_enabled_ns
                || after.time_running_ns < before.time_running_ns
        ),
    }
}

/// A frame of the sink, built of what the bytes say, and read back by a reader that shares nothing with the builder.
pub fn frame(bytes: &[u8]) {
    let Some((given, _)) = bytes.split_first_chunk::<60>() else { return };
    let take = |from: usize, to: usize| given.get(from..to).unwrap_or_default();
    let word = |at: usize| u32::from_be_bytes(take(at, at + 4).try_into().unwrap());
    let port = |at: usize| u16::from_be_bytes(take(at, at + 2).try_into().unwrap());
    let address = |is_v4: bool, at: usize| -> IpAddr {
        if is_v4 {
            <[u8; 4]>::try_from(take(at, at + 4)).unwrap().into()
        } else {
            <[u8; 16]>::try_from(take(at, at + 16)).unwrap().into()
        }
    };
    let kinds = given[0];
    let route = Route {
        from_mac: take(1, 7).try_into().unwrap(),
        to_mac: take(7, 13).try_into().unwrap(),
        from: (address(kinds & 1 != 0, 13), port(45)),
        to: (address(kinds & 2 != 0, 29), port(47)),
    };
    let answer = match kinds >> 2 & 3 {
        0 => Answer::SynAck { mss: port(57) },
        1 => Answer::Ack,
        2 => Answer::FinAck,
        _ => Answer::Rst,
    };
    let (sequence, acknowledged) = (word(49), word(53));
    let built = Frame::build(&route, answer, sequence, acknowledged);
    assert_eq!(built.is_some(), route.from.0.is_ipv4() == route.to.0.is_ipv4());
    let Some(built) = built else { return };
    let frame = built.bytes();
    assert_eq!((&frame[..6], &frame[6..12]), (&route.to_mac[..], &route.from_mac[..]));
    let (mut pseudo, tcp) = match frame[12..14] {
        [8, 0] => {
            let ip = &frame[14..34];
            assert_eq!((ip[0], ip[9]), (0x45, 6));
            assert_eq!(usize::from(u16::from_be_bytes([ip[2], ip[3]])), frame.len() - 14);
            assert!(adds_up(ip));
            (ip[12..20].to_vec(), &frame[34..])
        }
        [0x86, 0xdd] => {
            let ip = &frame[14..54];
            assert_eq!((ip[0], ip[6]), (0x60, 6));
            assert_eq!(usize::from(u16::from_be_bytes([ip[4], ip[5]])), frame.len() - 54);
            (ip[8..40].to_vec(), &frame[54..])
        }
        ref other => panic!("{other:?}"),
    };
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    assert_eq!(pseudo, [octets(route.from.0), octets(route.to.0)].concat());
    pseudo.extend([0, 6, 0, u8::try_from(tcp.len()).unwrap()]);
    pseudo.extend(tcp);
    assert!(adds_up(&pseudo));
    assert_eq!(tcp[..2], route.from.1.to_be_bytes());
    assert_eq!(tcp[2..4], route.to.1.to_be_bytes());
    assert_eq!(tcp[4..8], sequence.to_be_bytes());
    assert_eq!(usize::from(tcp[12] >> 4) * 4, tcp.len());
    let acks = answer != Answer::Rst;
    assert_eq!(tcp[13] & 0x10 != 0, acks);
    assert_eq!(tcp[8..12], if acks { acknowledged } else { 0 }.to_be_bytes());
    if let Answer::SynAck { mss } = answer {
        assert_eq!(tcp[22..24], mss.to_be_bytes());
        assert_eq!(tcp[27], WINDOW_SCALE);
    }
}

/// Whether 16-bit words add up to all ones, as words with their checksum among them do (RFC 1071).
fn adds_up(bytes: &[u8]) -> bool {
    let words = bytes.chunks(2).map(|word| u64::from(word[0]) << 8 | u64::from(word[1]));
    let sum: u64 = words.sum();
    sum > 0 && sum.is_multiple_of(0xffff)
}

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn the_corpus_of_error_queues_is_read() {
        replay("error_queue", super::error_queue);
    }

    #[test]
    fn the_corpus_of_netlink_answers_is_read() {
        replay("netlink", super::netlink);
    }

    #[test]
    fn the_corpus_of_perf_rings_is_read() {
        replay("perf", super::perf);
    }

    #[test]
    fn the_corpus_of_frames_is_read() {
        replay("frame", super::frame);
    }

    #[test]
    fn the_corpus_of_symbols_is_read() {
        replay("symbols", super::symbols);
    }

    #[test]
    fn the_corpus_of_kernel_texts_is_read() {
        replay("kernel_texts", super::texts);
    }
}
