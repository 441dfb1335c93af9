//! TCP answers as Ethernet frames: what a peer without a socket says. Pure: bytes in, bytes out.

use std::net::IpAddr;

use crate::netlink::Mac;

/// Ethernet, IPv6 and TCP headers, and the options of a SYN-ACK.
const LONGEST: usize = 14 + 40 + 20 + 8;
const ETHERNET: usize = 14;
const TCP: usize = 20;
/// Maximum segment size (4 bytes), no operation, window scale (3 bytes).
const SYN_OPTIONS: usize = 8;
const PROTOCOL_TCP: u8 = 6;
const HOP_LIMIT: u8 = 64;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// By how much windows are shifted: the most that RFC 7323 allows (2.3), so that a window of 65535 units is 1 GiB and
/// never the limit.
pub(crate) const WINDOW_SCALE: u8 = 14;

/// Whom a frame is for, and whom it claims to be from. Both addresses are of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The device that the frame leaves.
    pub from_mac: Mac,
    /// The device that it is for.
    pub to_mac: Mac,
    /// Address and port that it claims to be from.
    pub from: (IpAddr, u16),
    /// Address and port that it is for.
    pub to: (IpAddr, u16),
}

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Accepts a connection: with a segment size and the window scale, without SACK and timestamps.
    SynAck {
        /// Bytes of payload that a segment may have.
        mss: u16,
    },
    /// Acknowledges.
    Ack,
    /// Acknowledges and ends the connection's other direction.
    FinAck,
    /// Refuses a connection that the peer holds open.
    Rst,
}

/// A frame, ready to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Frame {
    /// Builds an answer with the sequence number and the acknowledged number that it shows. Nothing is allocated.
    /// Nothing is built where the two addresses are of different families.
    pub fn build(route: &Route, answer: Answer, sequence: u32, acknowledged: u32) -> Option<Self> {
        let (flags, options) = match answer {
            Answer::SynAck { .. } => (SYN | ACK, SYN_OPTIONS),
            Answer::Ack => (ACK, 0),
            Answer::FinAck => (FIN | ACK, 0),
            // With the sequence number that the peer expects; nothing is acknowledged (RFC 9293, 3.5.2).
            Answer::Rst => (RST, 0),
        };
        let tcp_len = TCP + options;
        let mut bytes = [0; LONGEST];
        bytes[..6].copy_from_slice(&route.to_mac);
        bytes[6..12].copy_from_slice(&route.from_mac);
        let (at, pseudo) = match (route.from.0, route.to.0) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                bytes[12..14].copy_from_slice(&[0x08, 0x00]);
                let ip = &mut bytes[ETHERNET..ETHERNET + 20];
                ip[0] = 0x45;
                ip[2..4].copy_from_slice(&length(20 + tcp_len));
                // Don't fragment.
                ip[6] = 0x40;
                ip[8] = HOP_LIMIT;
                ip[9] = PROTOCOL_TCP;
                ip[12..16].copy_from_slice(&from.octets());
                ip[16..20].copy_from_slice(&to.octets());
                let pseudo = sum(0, &ip[12..20]);
                let checksum = folded(sum(0, ip));
                ip[10..12].copy_from_slice(&checksum);
                (ETHERNET + 20, pseudo)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                bytes[12..14].copy_from_slice(&[0x86, 0xdd]);
                let ip = &mut bytes[ETHERNET..ETHERNET + 40];
                ip[0] = 0x60;
                ip[4..6].copy_from_slice(&length(tcp_len));
                ip[6] = PROTOCOL_TCP;
                ip[7] = HOP_LIMIT;
                ip[8..24].copy_from_slice(&from.octets());
                ip[24..40].copy_from_slice(&to.octets());
                (ETHERNET + 40, sum(0, &ip[8..40]))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
        };
        let tcp = &mut bytes[at..at + tcp_len];
        tcp[..2].copy_from_slice(&route.from.1.to_be_bytes());
        tcp[2..4].copy_from_slice(&route.to.1.to_be_bytes());
        tcp[4..8].copy_from_slice(&sequence.to_be_bytes());
        if flags & ACK != 0 {
            tcp[8..12].copy_from_slice(&acknowledged.to_be_bytes());
        }
        tcp[12] = u8::try_from(tcp_len / 4).unwrap_or(u8::MAX) << 4;
        tcp[13] = flags;
        // A SYN-ACK's window is not scaled (RFC 7323, 2.2).
        tcp[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
        if let Answer::SynAck { mss } = answer {
            let [high, low] = mss.to_be_bytes();
            tcp[20..28].copy_from_slice(&[2, 4, high, low, 1, 3, 3, WINDOW_SCALE]);
        }
        let [high, low] = length(tcp_len);
        let checksum = folded(sum(pseudo, &[0, PROTOCOL_TCP, high, low]) + sum(0, tcp));
        tcp[16..18].copy_from_slice(&checksum);
        Some(Self { bytes, len: at + tcp_len })
    }

    /// The frame from its first byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// No frame here is longer than a few dozen bytes.
fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes()
}

/// The ones' complement sum of 16-bit words, not folded yet (RFC 1071). An even number of bytes.
fn sum(start: u32, bytes: &[u8]) -> u32 {
    bytes
        .chunks_exact(2)
        .fold(start, |sum, word| sum + u32::from(u16::from_be_bytes([word[0], word[1]])))
}

fn folded(mut sum: u32) -> [u8; 2] {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // At most 16 bits are left.
    let [_, _, high, low] = (!sum).to_be_bytes();
    [high, low]
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    /// The checksum by another way than `sum` and `folded`: bit by bit end-around carry on 16-bit additions.
    fn independent(parts: &[&[u8]]) -> u16 {
        let mut total: u16 = 0;
        for (n, byte) in parts.concat().iter().enumerate() {
            let word = if n % 2 == 0 { u16::from(*byte) << 8 } else { u16::from(*byte) };
            let (added, carried) = total.overflowing_add(word);
            total = added + u16::from(carried);
        }
        total
    }

    fn any_answer() -> impl Strategy<Value = Answer> {
        prop_oneof![
            any::<u16>().prop_map(|mss| Answer::SynAck { mss }),
            Just(Answer::Ack),
            Just(Answer::FinAck),
            Just(Answer::Rst),
        ]
    }

    fn any_route() -> impl Strategy<Value = Route> {
        let v4 = any::<(u32, u32)>()
            .prop_map(|(a, b)| (IpAddr::V4(Ipv4Addr::from(a)), IpAddr::V4(Ipv4Addr::from(b))));
        let v6 = any::<(u128, u128)>()
            .prop_map(|(a, b)| (IpAddr::V6(Ipv6Addr::from(a)), IpAddr::V6(Ipv6Addr::from(b))));
        (any::<Mac>(), any::<Mac>(), prop_oneof![v4, v6], any::<(u16, u16)>()).prop_map(
            |(from_mac, to_mac, (from, to), (a, b))| Route {
                from_mac,
                to_mac,
                from: (from, a),
                to: (to, b),
            },
        )
    }

    proptest! {
        #[test]
        fn every_frame_has_right_checksums_and_says_what_it_was_told(
            route in any_route(), answer in any_answer(), sequence: u32, acknowledged: u32
        ) {
            let frame = Frame::build(&route, answer, sequence, acknowledged).unwrap();
            let bytes = frame.bytes();
            prop_assert_eq!(&bytes[..6], &route.to_mac);
            prop_assert_eq!(&bytes[6..12], &route.from_mac);
            let (tcp, addresses) = match bytes[12..14] {
                [0x08, 0x00] => {
                    prop_assert_eq!(independent(&[&bytes[14..34]]), 0xffff);
                    prop_assert_eq!(usize::from(u16::from_be_bytes([bytes[16], bytes[17]])), bytes.len() - 14);
                    (&bytes[34..], &bytes[26..34])
                }
                [0x86, 0xdd] => {
                    prop_assert_eq!(usize::from(u16::from_be_bytes([bytes[18], bytes[19]])), bytes.len() - 54);
                    (&bytes[54..], &bytes[22..54])
                }
                _ => panic!("neither IPv4 nor IPv6"),
            };
            let len = u8::try_from(tcp.len()).unwrap();
            prop_assert_eq!(independent(&[addresses, &[0, 6, 0, len], tcp]), 0xffff);
            prop_assert_eq!(&tcp[..2], &route.from.1.to_be_bytes());
            prop_assert_eq!(&tcp[2..4], &route.to.1.to_be_bytes());
            prop_assert_eq!(&tcp[4..8], &sequence.to_be_bytes());
            let acks = if answer == Answer::Rst { 0 } else { acknowledged };
            prop_assert_eq!(&tcp[8..12], &acks.to_be_bytes());
            prop_assert_eq!(usize::from(tcp[12] >> 4) * 4, tcp.len());
            let flags = match answer {
                Answer::SynAck { .. } => 0x12,
                Answer::Ack => 0x10,
                Answer::FinAck => 0x11,
                Answer::Rst => 0x04,
            };
            prop_assert_eq!(tcp[13], flags);
            if let Answer::SynAck { mss } = answer {
                let [high, low] = mss.to_be_bytes();
                prop_assert_eq!(&tcp[20..], &[2, 4, high, low, 1, 3, 3, 14]);
            }
        }
    }

    #[test]
    fn addresses_of_two_families_give_no_frame() {
        let route = Route {
            from_mac: [2; 6],
            to_mac: [4; 6],
            from: (Ipv4Addr::LOCALHOST.into(), 1),
            to: (Ipv6Addr::LOCALHOST.into(), 2),
        };
        assert!(Frame::build(&route, Answer::Ack, 1, 2).is_none());
    }
}
