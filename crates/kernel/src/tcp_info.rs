//! The kernel's view of a connection, as `getsockopt(TCP_INFO)` hands it back.
//!
//! Format: `struct tcp_info` of Linux `include/uapi/linux/tcp.h`. It only ever grows at its end, and a
//! kernel answers with as much as it knows, so the length tells which fields there are.

use std::mem::offset_of;

// Two anchors of the layout that every kernel since 4.9 shares.
const _: () = assert!(offset_of!(libc::tcp_info, tcpi_pacing_rate) == 104);
const _: () = assert!(offset_of!(libc::tcp_info, tcpi_delivery_rate) == 160);

/// The byte that holds `tcpi_delivery_rate_app_limited` in its lowest bit, behind the window scales.
const APP_LIMITED_OFFSET: usize = offset_of!(libc::tcp_info, tcpi_snd_rcv_wscale) + 1;

/// A field's type, read in the machine's byte order.
trait Scalar: Sized {
    fn read(bytes: &[u8], offset: usize) -> Option<Self>;
}

macro_rules! scalars {
    ($($kind:ty),*) => {$(
        impl Scalar for $kind {
            fn read(bytes: &[u8], offset: usize) -> Option<Self> {
                bytes.get(offset..)?.first_chunk().map(|chunk| Self::from_ne_bytes(*chunk))
            }
        }
    )*};
}
scalars!(u8, u16, u32, u64);

macro_rules! tcp_info {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $field:ident,)*) => {
        /// What the kernel tells of a connection. `None`: this kernel's struct ends before the field.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct TcpInfo {
            $($(#[$doc])* pub $name: Option<$kind>,)*
            /// The delivery rate was limited by the application, not the network (since Linux 4.9).
            pub delivery_rate_app_limited: Option<bool>,
        }

        impl TcpInfo {
            /// Reads the fields that lie wholly within `bytes`, which are as many as the kernel returned.
            pub fn parse(bytes: &[u8]) -> Self {
                Self {
                    $($name: Scalar::read(bytes, offset_of!(libc::tcp_info, $field)),)*
                    delivery_rate_app_limited: bytes.get(APP_LIMITED_OFFSET).map(|byte| byte & 1 == 1),
                }
            }
        }
    };
}

tcp_info! {
    /// The state, as numbered in `net/tcp_states.h`; 1 is ESTABLISHED.
    state: u8 = tcpi_state,
    /// The congestion state: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss.
    congestion_state: u8 = tcpi_ca_state,
    /// Retransmission timeout, µs.
    rto_us: u32 = tcpi_rto,
    /// Bytes of payload a segment sent may carry.
    snd_mss: u32 = tcpi_snd_mss,
    /// Bytes of payload a segment that arrives is estimated to carry.
    rcv_mss: u32 = tcpi_rcv_mss,
    /// Segments sent and not yet acknowledged.
    unacked: u32 = tcpi_unacked,
    /// Segments selectively acknowledged.
    sacked: u32 = tcpi_sacked,
    /// Segments now believed lost.
    lost: u32 = tcpi_lost,
    /// Segments now out as retransmissions.
    retrans: u32 = tcpi_retrans,
    /// Since payload last came, ms; before the first, since the handshake.
    last_data_received_ms: u32 = tcpi_last_data_recv,
    /// Path MTU, bytes.
    pmtu: u32 = tcpi_pmtu,
    /// Smoothed round-trip time, µs.
    rtt_us: u32 = tcpi_rtt,
    /// Mean deviation of the round-trip time, µs.
    rttvar_us: u32 = tcpi_rttvar,
    /// Slow start threshold, packets.
    snd_ssthresh: u32 = tcpi_snd_ssthresh,
    /// Congestion window, packets.
    snd_cwnd: u32 = tcpi_snd_cwnd,
    /// Reordering degree, packets.
    reordering: u32 = tcpi_reordering,
    /// Round-trip time as the receiver estimates it, µs.
    rcv_rtt_us: u32 = tcpi_rcv_rtt,
    /// Receive space that autotuning has arrived at, bytes.
    rcv_space: u32 = tcpi_rcv_space,
    /// Segments retransmitted over the connection's life.
    total_retrans: u32 = tcpi_total_retrans,
    /// Pacing rate, bytes a second; all ones when unlimited.
    pacing_rate: u64 = tcpi_pacing_rate,
    /// Bytes of payload acknowledged by the peer (RFC 4898 tcpEStatsAppHCThruOctetsAcked).
    bytes_acked: u64 = tcpi_bytes_acked,
    /// Bytes of payload received (RFC 4898 tcpEStatsAppHCThruOctetsReceived).
    bytes_received: u64 = tcpi_bytes_received,
    /// Segments sent, with and without payload (RFC 4898 tcpEStatsPerfSegsOut).
    segs_out: u32 = tcpi_segs_out,
    /// Segments received (RFC 4898 tcpEStatsPerfSegsIn).
    segs_in: u32 = tcpi_segs_in,
    /// Bytes queued and not sent yet.
    notsent_bytes: u32 = tcpi_notsent_bytes,
    /// Least round-trip time, µs.
    min_rtt_us: u32 = tcpi_min_rtt,
    /// Segments with payload received (RFC 4898 tcpEStatsDataSegsIn).
    data_segs_in: u32 = tcpi_data_segs_in,
    /// Segments with payload sent (RFC 4898 tcpEStatsDataSegsOut).
    data_segs_out: u32 = tcpi_data_segs_out,
    /// Most recent delivery rate, bytes a second (since Linux 4.9).
    delivery_rate: u64 = tcpi_delivery_rate,
    /// Time in which data was being sent, µs (since Linux 4.10).
    busy_time_us: u64 = tcpi_busy_time,
    /// Time limited by the peer's receive window, µs (since Linux 4.10).
    rwnd_limited_us: u64 = tcpi_rwnd_limited,
    /// Time limited by the send buffer, µs (since Linux 4.10).
    sndbuf_limited_us: u64 = tcpi_sndbuf_limited,
    /// Packets delivered, retransmissions included (since Linux 4.18).
    delivered: u32 = tcpi_delivered,
    /// Packets delivered and marked for congestion (since Linux 4.18).
    delivered_ce: u32 = tcpi_delivered_ce,
    /// Bytes of payload sent, retransmissions included (since Linux 4.19).
    bytes_sent: u64 = tcpi_bytes_sent,
    /// Bytes of payload retransmitted (since Linux 4.19).
    bytes_retrans: u64 = tcpi_bytes_retrans,
    /// Duplicates that the peer reported (since Linux 4.19).
    dsack_dups: u32 = tcpi_dsack_dups,
    /// Times that reordering was seen (since Linux 4.19).
    reord_seen: u32 = tcpi_reord_seen,
    /// Packets that arrived out of order (since Linux 5.4).
    rcv_ooopack: u32 = tcpi_rcv_ooopack,
    /// The window that the peer advertises, bytes, scaled (since Linux 5.4).
    snd_wnd: u32 = tcpi_snd_wnd,
    /// The window advertised to the peer, bytes, scaled (since Linux 6.2).
    rcv_wnd: u32 = tcpi_rcv_wnd,
    /// Times that the flow was hashed anew (since Linux 6.2).
    rehash: u32 = tcpi_rehash,
    /// Retransmission timeouts (since Linux 6.7).
    total_rto: u16 = tcpi_total_rto,
    /// Time spent in recoveries from timeouts, ms (since Linux 6.7).
    total_rto_time_ms: u32 = tcpi_total_rto_time,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes numbered so that every field has a value of its own.
    fn numbered(length: usize) -> Vec<u8> {
        (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect()
    }

    #[test]
    fn fields_are_read_at_the_kernels_offsets() {
        let info = TcpInfo::parse(&numbered(280));
        // Offsets counted by hand in linux/tcp.h.
        assert_eq!(info.state, Some(0));
        assert_eq!(info.rto_us, Some(u32::from_ne_bytes([8, 9, 10, 11])));
        assert_eq!(info.snd_mss, Some(u32::from_ne_bytes([16, 17, 18, 19])));
        assert_eq!(info.rtt_us, Some(u32::from_ne_bytes([68, 69, 70, 71])));
        assert_eq!(info.snd_cwnd, Some(u32::from_ne_bytes([80, 81, 82, 83])));
        assert_eq!(info.total_retrans, Some(u32::from_ne_bytes([100, 101, 102, 103])));
        assert_eq!(
            info.bytes_acked,
            Some(u64::from_ne_bytes([120, 121, 122, 123, 124, 125, 126, 127]))
        );
        assert_eq!(info.min_rtt_us, Some(u32::from_ne_bytes([148, 149, 150, 151])));
        assert_eq!(
            info.busy_time_us,
            Some(u64::from_ne_bytes([168, 169, 170, 171, 172, 173, 174, 175]))
        );
        assert_eq!(
            info.bytes_sent,
            Some(u64::from_ne_bytes([200, 201, 202, 203, 204, 205, 206, 207]))
        );
        assert_eq!(info.snd_wnd, Some(u32::from_ne_bytes([228, 229, 230, 231])));
        assert_eq!(info.total_rto, Some(u16::from_ne_bytes([240, 241])));
        assert_eq!(info.delivery_rate_app_limited, Some(true));
    }

    #[test]
    fn an_older_kernels_shorter_struct_leaves_the_rest_absent() {
        // Linux 4.9 ended after the delivery rate, 5.4 after the peer's window.
        let old = TcpInfo::parse(&numbered(168));
        assert!(old.delivery_rate.is_some() && old.rtt_us.is_some());
        assert_eq!((old.busy_time_us, old.bytes_sent, old.snd_wnd), (None, None, None));
        let newer = TcpInfo::parse(&numbered(232));
        assert!(newer.snd_wnd.is_some() && newer.rcv_wnd.is_none());
        assert_eq!(TcpInfo::parse(&[]), TcpInfo::default());
    }

    proptest! {
        #[test]
        fn a_field_cut_in_the_middle_is_absent_and_never_half_read(length in 0usize..300) {
            let whole = TcpInfo::parse(&numbered(300));
            let cut = TcpInfo::parse(&numbered(length));
            for (end, part, all) in [
                (72, cut.rtt_us.map(u64::from), whole.rtt_us.map(u64::from)),
                (168, cut.delivery_rate, whole.delivery_rate),
                (232, cut.snd_wnd.map(u64::from), whole.snd_wnd.map(u64::from)),
                (242, cut.total_rto.map(u64::from), whole.total_rto.map(u64::from)),
            ] {
                prop_assert_eq!(part, if length >= end { all } else { None });
            }
        }
    }
}
