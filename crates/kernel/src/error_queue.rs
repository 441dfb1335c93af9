//! What a socket's error queue holds: how far the kernel is done with memory sent by `MSG_ZEROCOPY`.
//!
//! Format: `recvmsg(MSG_ERRQUEUE)` leaves control messages, of which one carries a `sock_extended_err`
//! (Linux `include/uapi/linux/errqueue.h`, `Documentation/networking/msg_zerocopy.rst`).

use std::fmt;
use std::mem::{offset_of, size_of};

use crate::error::Errno;

/// `ee_origin` of a zero-copy notification (`SO_EE_ORIGIN_ZEROCOPY`, errqueue.h).
pub(crate) const ORIGIN_ZEROCOPY: u8 = 5;

/// `ee_code` bit: the kernel copied after all (`SO_EE_CODE_ZEROCOPY_COPIED`, errqueue.h).
pub(crate) const CODE_COPIED: u8 = 1;

// The kernel's layouts, which the parser below relies on.
const _: () = assert!(size_of::<libc::sock_extended_err>() == 16);
const _: () = assert!(size_of::<libc::cmsghdr>() == 16);
const _: () = assert!(offset_of!(libc::cmsghdr, cmsg_len) == 0);
const _: () = assert!(offset_of!(libc::cmsghdr, cmsg_level) == 8);
const _: () = assert!(offset_of!(libc::cmsghdr, cmsg_type) == 12);

/// Bytes of a control message's header.
const HEADER: usize = size_of::<libc::cmsghdr>();
/// Control messages begin at multiples of this (`CMSG_ALIGN`).
const ALIGNMENT: usize = size_of::<usize>();
/// Room for an extended error with an IPv6 offender (64 bytes) and what else may come along.
const CONTROL_BYTES: usize = 512;

/// The kernel has let go of a range of zero-copy sends.
///
/// Sends on a socket are numbered from 0 in the order of their successful, non-empty calls with
/// `MSG_ZEROCOPY`; the numbers wrap at 2³².
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Notification {
    /// The first send of the range (`ee_info`).
    pub low: u32,
    /// The last send of the range, inclusive (`ee_data`); less than `low` when the range wraps.
    pub high: u32,
    /// At least one send of the range was copied after all. The kernel merges neighbouring ranges without
    /// comparing this mark, so drain promptly and never read it as *all of them*.
    pub copied: bool,
}

impl Notification {
    /// How many sends the range holds: 1 to 2³².
    #[inline]
    pub fn count(self) -> u64 {
        u64::from(self.high.wrapping_sub(self.low)) + 1
    }

    /// Whether the range holds this send.
    pub fn contains(self, id: u32) -> bool {
        id.wrapping_sub(self.low) <= self.high.wrapping_sub(self.low)
    }

    /// The sends of the range in order.
    pub fn ids(self) -> impl Iterator<Item = u32> {
        (0..=self.high.wrapping_sub(self.low)).map(move |step| self.low.wrapping_add(step))
    }
}

/// Something in the error queue that is not a zero-copy notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueuedError {
    /// An extended error of another origin: an ICMP message, a timestamp, a local error.
    Other {
        /// `ee_origin`, the `SO_EE_ORIGIN_*` of errqueue.h.
        origin: u8,
        /// `ee_errno`.
        errno: Errno,
    },
    /// No control message held an extended error.
    Absent,
    /// A control message is shorter than its own header says or than an extended error is.
    Truncated,
}

impl QueuedError {
    /// The nearest `errno`: the kernel's own where there is one, else EBADMSG.
    pub fn errno(self) -> Errno {
        match self {
            Self::Other { errno, .. } if errno != Errno(0) => errno,
            Self::Other { .. } | Self::Absent | Self::Truncated => Errno(libc::EBADMSG),
        }
    }
}

impl fmt::Display for QueuedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other { origin, errno } => {
                write!(f, "the error queue held an error of origin {origin} ({errno})")
            }
            Self::Absent => f.write_str("the error queue held a message without an extended error"),
            Self::Truncated => f.write_str("the error queue held a truncated control message"),
        }
    }
}

impl std::error::Error for QueuedError {}

/// Reads the first extended error of a control buffer, as `recvmsg(MSG_ERRQUEUE)` left it.
///
/// # Errors
///
/// What the buffer holds instead of a notification. Any bytes are safe to pass.
pub fn parse(control: &[u8]) -> Result<Notification, QueuedError> {
    let mut rest = control;
    while rest.len() >= HEADER {
        let length = read_usize(rest, offset_of!(libc::cmsghdr, cmsg_len))?;
        let level = read_i32(rest, offset_of!(libc::cmsghdr, cmsg_level))?;
        let kind = read_i32(rest, offset_of!(libc::cmsghdr, cmsg_type))?;
        if length < HEADER {
            return Err(QueuedError::Truncated);
        }
        let body = rest.get(HEADER..length).ok_or(QueuedError::Truncated)?;
        if matches!(
            (level, kind),
            (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR)
        ) {
            return extended_error(body);
        }
        // Lengths are padded to the alignment, except perhaps the last one's.
        let step = length.checked_next_multiple_of(ALIGNMENT).ok_or(QueuedError::Truncated)?;
        rest = rest.get(step..).unwrap_or_default();
    }
    Err(QueuedError::Absent)
}

fn extended_error(body: &[u8]) -> Result<Notification, QueuedError> {
    let errno = read_u32(body, offset_of!(libc::sock_extended_err, ee_errno))?;
    let origin = read_u8(body, offset_of!(libc::sock_extended_err, ee_origin))?;
    let code = read_u8(body, offset_of!(libc::sock_extended_err, ee_code))?;
    let low = read_u32(body, offset_of!(libc::sock_extended_err, ee_info))?;
    let high = read_u32(body, offset_of!(libc::sock_extended_err, ee_data))?;
    if origin != ORIGIN_ZEROCOPY || errno != 0 {
        return Err(QueuedError::Other { origin, errno: Errno(errno.cast_signed()) });
    }
    Ok(Notification { low, high, copied: code & CODE_COPIED != 0 })
}

fn read<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], QueuedError> {
    bytes.get(offset..).and_then(<[u8]>::first_chunk::<N>).copied().ok_or(QueuedError::Truncated)
}

fn read_u8(bytes: &[u8], offset: usize) -> Result<u8, QueuedError> {
    read(bytes, offset).map(u8::from_ne_bytes)
}

fn read_u32(bytes: &[u8], offset: usize) -> Result<u32, QueuedError> {
    read(bytes, offset).map(u32::from_ne_bytes)
}

fn read_i32(bytes: &[u8], offset: usize) -> Result<i32, QueuedError> {
    read(bytes, offset).map(i32::from_ne_bytes)
}

fn read_usize(bytes: &[u8], offset: usize) -> Result<usize, QueuedError> {
    read(bytes, offset).map(usize::from_ne_bytes)
}

/// The buffer that notifications are read into, used again and again.
pub struct ErrorQueueSpace {
    control: ControlBuffer,
    last_fault: Option<QueuedError>,
}

/// Aligned as `recvmsg` wants control buffers.
#[repr(C, align(8))]
struct ControlBuffer([u8; CONTROL_BYTES]);

impl ErrorQueueSpace {
    /// An empty buffer.
    pub fn new() -> Self {
        Self { control: ControlBuffer([0; CONTROL_BYTES]), last_fault: None }
    }

    /// The last thing read that was not a notification, of which the hot path told only an `errno`.
    pub fn last_fault(&self) -> Option<QueuedError> {
        self.last_fault
    }

    /// The buffer, to be written by `recvmsg`.
    #[inline]
    pub(crate) fn control_mut(&mut self) -> &mut [u8] {
        &mut self.control.0
    }

    /// Parses the `filled` bytes that `recvmsg` wrote.
    #[inline]
    pub(crate) fn parse(&mut self, filled: usize) -> Result<Notification, Errno> {
        match parse(self.control.0.get(..filled).unwrap_or_default()) {
            Ok(notification) => Ok(notification),
            Err(fault) => {
                self.last_fault = Some(fault);
                Err(fault.errno())
            }
        }
    }
}

impl Default for ErrorQueueSpace {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ErrorQueueSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorQueueSpace")
            .field("last_fault", &self.last_fault)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A control message as the kernel's `put_cmsg` lays it out.
    fn control_message(level: i32, kind: i32, body: &[u8]) -> Vec<u8> {
        let mut bytes = (HEADER + body.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes
    }

    fn extended(
        errno: u32,
        origin: u8,
        code: u8,
        info: u32,
        value: u32,
        offender: usize,
    ) -> Vec<u8> {
        let mut bytes = errno.to_ne_bytes().to_vec();
        bytes.extend([origin, 0, code, 0]);
        bytes.extend(info.to_ne_bytes());
        bytes.extend(value.to_ne_bytes());
        bytes.resize(bytes.len() + offender, 0);
        bytes
    }

    fn ipv4(body: &[u8]) -> Vec<u8> {
        control_message(libc::SOL_IP, libc::IP_RECVERR, body)
    }

    #[test]
    fn an_ipv4_notification_is_read_with_its_copied_mark() {
        let copied = ipv4(&extended(0, ORIGIN_ZEROCOPY, CODE_COPIED, 3, 9, 16));
        assert_eq!(copied.len(), 48);
        assert_eq!(parse(&copied), Ok(Notification { low: 3, high: 9, copied: true }));
        let not = ipv4(&extended(0, ORIGIN_ZEROCOPY, 0, 3, 3, 16));
        assert_eq!(parse(&not), Ok(Notification { low: 3, high: 3, copied: false }));
    }

    #[test]
    fn an_ipv6_notification_is_read_behind_another_control_message() {
        let mut bytes = control_message(libc::SOL_SOCKET, libc::SO_TIMESTAMP, &[7; 13]);
        bytes.extend(control_message(
            libc::SOL_IPV6,
            libc::IPV6_RECVERR,
            &extended(0, ORIGIN_ZEROCOPY, CODE_COPIED, 1, 2, 28),
        ));
        assert_eq!(parse(&bytes), Ok(Notification { low: 1, high: 2, copied: true }));
    }

    #[test]
    fn a_range_that_wraps_is_counted_and_walked() {
        let wrapped = Notification { low: u32::MAX - 1, high: 1, copied: false };
        assert_eq!(wrapped.count(), 4);
        assert_eq!(wrapped.ids().collect::<Vec<_>>(), [u32::MAX - 1, u32::MAX, 0, 1]);
        assert!(wrapped.contains(0) && wrapped.contains(u32::MAX) && !wrapped.contains(2));
        assert_eq!(Notification { low: 5, high: 5, copied: false }.count(), 1);
        assert_eq!(Notification { low: 0, high: u32::MAX, copied: false }.count(), 1 << 32);
    }

    #[test]
    fn an_error_of_another_origin_is_told_apart() {
        let refused = libc::ECONNREFUSED.cast_unsigned();
        let icmp = ipv4(&extended(refused, libc::SO_EE_ORIGIN_ICMP, 3, 0, 0, 16));
        let fault = parse(&icmp).unwrap_err();
        let expected = QueuedError::Other {
            origin: libc::SO_EE_ORIGIN_ICMP,
            errno: Errno(libc::ECONNREFUSED),
        };
        assert_eq!((fault, fault.errno()), (expected, Errno(libc::ECONNREFUSED)));
    }

    #[test]
    fn what_is_cut_short_is_called_truncated() {
        let whole = ipv4(&extended(0, ORIGIN_ZEROCOPY, 0, 3, 9, 16));
        for kept in HEADER..whole.len() {
            assert_eq!(parse(&whole[..kept]), Err(QueuedError::Truncated), "{kept} bytes kept");
        }
        for kept in 0..HEADER {
            assert_eq!(parse(&whole[..kept]), Err(QueuedError::Absent), "{kept} bytes kept");
        }
        let short_body = ipv4(&extended(0, ORIGIN_ZEROCOPY, 0, 3, 9, 0)[..15]);
        assert_eq!(parse(&short_body), Err(QueuedError::Truncated));
    }

    #[test]
    fn a_header_that_lies_about_its_length_neither_loops_nor_panics() {
        for length in [0, 1, HEADER - 1, usize::MAX, usize::MAX - 7, 1 << 40] {
            let mut bytes = ipv4(&extended(0, ORIGIN_ZEROCOPY, 0, 3, 9, 16));
            bytes[..ALIGNMENT].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(parse(&bytes), Err(QueuedError::Truncated), "length {length}");
        }
    }

    #[test]
    fn the_hot_paths_errno_leaves_the_whole_story_in_the_space() {
        let mut space = ErrorQueueSpace::new();
        assert_eq!(space.parse(0), Err(Errno(libc::EBADMSG)));
        assert_eq!(space.last_fault(), Some(QueuedError::Absent));
        let bytes = ipv4(&extended(0, ORIGIN_ZEROCOPY, 1, 0, 0, 16));
        space.control_mut()[..bytes.len()].copy_from_slice(&bytes);
        assert_eq!(space.parse(bytes.len()), Ok(Notification { low: 0, high: 0, copied: true }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            // Random bytes hold a whole notification about never; that they are refused is the claim.
            prop_assert!(parse(&bytes).is_err());
        }

        #[test]
        fn every_notification_survives_its_way_through_the_buffer(
            low: u32, high: u32, copied: bool, ipv6: bool,
            before in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = control_message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPING, &before);
            let body = extended(0, ORIGIN_ZEROCOPY, u8::from(copied), low, high, 28);
            bytes.extend(if ipv6 {
                control_message(libc::SOL_IPV6, libc::IPV6_RECVERR, &body)
            } else {
                ipv4(&body)
            });
            prop_assert_eq!(parse(&bytes), Ok(Notification { low, high, copied }));
        }

        #[test]
        fn a_damaged_notification_never_panics(position in 0usize..64, value: u8, kept in 0usize..=64) {
            let mut bytes = control_message(
                libc::SOL_IPV6, libc::IPV6_RECVERR, &extended(0, ORIGIN_ZEROCOPY, 1, 1, 2, 28));
            bytes.resize(64, 0);
            bytes[position] = value;
            match parse(&bytes[..kept]) {
                Ok(notification) => prop_assert!(notification.count() >= 1),
                Err(fault) => prop_assert!(fault.errno() != Errno(0)),
            }
        }
    }
}
