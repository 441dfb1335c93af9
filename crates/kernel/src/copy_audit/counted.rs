//! What the audit counts, by which hook, and how a count is told apart in the kernel's map.

use std::fmt;

/// What the audit may count. The numbers are those of `bpf/copy_audit.bpf.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Counted {
    /// `_copy_from_iter`: from user memory, bytes asked for. It serves files and pipes too: a worker inside `read`,
    /// `pread64` or `write` counts as [`Thread::Any`], so that a worker's copies are those of sockets.
    CopyFromIter = 1,
    /// `_copy_to_iter`: to user memory, bytes asked for; likewise.
    CopyToIter = 2,
    /// `skb_copy_ubufs`: user pages of a packet copied after all; in the watched network namespaces, by port.
    CopyUbufs = 3,
    /// `skb_zerocopy_iter_stream`: user pages put into a packet by reference, bytes taken.
    ZerocopyIter = 4,
    /// `skb_splice_from_iter` (Linux 6.5): other pages put into a packet by reference, bytes taken.
    SpliceIter = 5,
    /// `tcp_sendmsg_locked`: bytes that TCP accepted.
    SendmsgLocked = 6,
    /// Tracepoint `skb:skb_copy_datagram_iovec`: bytes about to be copied from a packet to user memory. A receive with
    /// MSG_TRUNC does not come by.
    CopyDatagram = 7,
    /// Tracepoint `sock:sock_send_length` (Linux 6.3): bytes that a socket accepted.
    SendLength = 8,
    /// Tracepoint `sock:sock_recv_length` (Linux 6.3): bytes that a socket gave.
    RecvLength = 9,
    /// Tracepoint `raw_syscalls:sys_enter`: system calls of workers and of the sink's helper; no bytes.
    SystemCalls = 10,
    /// Tracepoint `tcp:tcp_retransmit_skb`: bytes that TCP sent again, in whatever context; in the watched network
    /// namespaces, by port. Each is copied at delivery once
    /// more where delivery copies.
    Retransmit = 11,
    /// `get_user_pages_fast`: pages of user memory that the kernel took references to, as it does for MSG_ZEROCOPY
    /// (`__iov_iter_get_pages_alloc`, lib/iov_iter.c). A worker inside `futex` or `exit`, where locks are looked up the
    /// same way, counts as [`Thread::Any`]. [`Count::bytes`] holds pages.
    PinnedPages = 12,
    /// Tracepoint `io_uring:io_uring_complete`: entries put into completion queues of io_urings; no bytes.
    RingCompletions = 13,
}

/// How something is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// A hardware execution breakpoint on every CPU.
    Breakpoint,
    /// fentry or fexit.
    Fentry,
    /// A kprobe or kretprobe.
    Kprobe,
    /// A raw tracepoint.
    Tracepoint,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Breakpoint => "breakpoint",
            Self::Fentry => "fentry",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
        })
    }
}

impl Counted {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::CopyFromIter,
        Self::CopyToIter,
        Self::CopyUbufs,
        Self::ZerocopyIter,
        Self::SpliceIter,
        Self::SendmsgLocked,
        Self::CopyDatagram,
        Self::SendLength,
        Self::RecvLength,
        Self::SystemCalls,
        Self::Retransmit,
        Self::PinnedPages,
        Self::RingCompletions,
    ];

    /// The kernel's name: of a function, or `group:name` of a tracepoint.
    pub fn function(self) -> &'static str {
        match self {
            Self::CopyFromIter => "_copy_from_iter",
            Self::CopyToIter => "_copy_to_iter",
            Self::CopyUbufs => "skb_copy_ubufs",
            Self::ZerocopyIter => "skb_zerocopy_iter_stream",
            Self::SpliceIter => "skb_splice_from_iter",
            Self::SendmsgLocked => "tcp_sendmsg_locked",
            Self::CopyDatagram => "skb:skb_copy_datagram_iovec",
            Self::SendLength => "sock:sock_send_length",
            Self::RecvLength => "sock:sock_recv_length",
            Self::SystemCalls => "raw_syscalls:sys_enter",
            Self::Retransmit => "tcp:tcp_retransmit_skb",
            Self::PinnedPages => "get_user_pages_fast",
            Self::RingCompletions => "io_uring:io_uring_complete",
        }
    }

    /// The programs that count it, best first.
    pub(super) fn programs(self) -> &'static [(Hook, &'static str)] {
        match self {
            Self::CopyFromIter => &[(Hook::Breakpoint, "at_copy_from_iter")],
            Self::CopyToIter => &[(Hook::Breakpoint, "at_copy_to_iter")],
            Self::CopyUbufs => {
                &[(Hook::Fentry, "in_copy_ubufs"), (Hook::Kprobe, "probe_copy_ubufs")]
            }
            Self::ZerocopyIter => {
                &[(Hook::Fentry, "in_zerocopy_iter"), (Hook::Kprobe, "probe_zerocopy_iter")]
            }
            Self::SpliceIter => {
                &[(Hook::Fentry, "in_splice_iter"), (Hook::Kprobe, "probe_splice_iter")]
            }
            Self::SendmsgLocked => {
                &[(Hook::Fentry, "in_sendmsg_locked"), (Hook::Kprobe, "probe_sendmsg_locked")]
            }
            Self::CopyDatagram => &[(Hook::Tracepoint, "on_copy_datagram")],
            Self::SendLength => &[(Hook::Tracepoint, "on_send_length")],
            Self::RecvLength => &[(Hook::Tracepoint, "on_recv_length")],
            Self::SystemCalls => &[(Hook::Tracepoint, "on_sys_enter")],
            Self::Retransmit => &[(Hook::Tracepoint, "on_retransmit")],
            Self::RingCompletions => &[(Hook::Tracepoint, "on_completion")],
            Self::PinnedPages => {
                &[(Hook::Fentry, "in_pinned_pages"), (Hook::Kprobe, "probe_pinned_pages")]
            }
        }
    }

    fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|counted| *counted as u8 == number)
    }
}

/// Which thread of a process did it: told by the name that copycost gives its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Thread {
    /// Any other.
    Any = 0,
    /// One named `worker…`.
    Worker = 1,
    /// One named `helper…`: the sink's.
    Helper = 2,
}

/// One sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The process in whose context it happened, as this process numbers it; 0: an idle CPU; `u32::MAX`: a process
    /// that has no number here (of another pid namespace).
    pub process: u32,
    /// What.
    pub counted: Counted,
    /// Which thread of the process.
    pub thread: Thread,
    /// Of [`Counted::SystemCalls`] the call's number; of [`Counted::CopyUbufs`] and [`Counted::Retransmit`] the port that
    /// the packets were for (0 where they had none); otherwise 0.
    pub number: u16,
    /// How often.
    pub calls: u64,
    /// Bytes in all; of [`Counted::PinnedPages`] pages.
    pub bytes: u64,
}

/// `struct key` of the programs: process, what, thread, number; little-endian as both machines are.
pub(super) fn key(process: u32, counted: Counted, thread: Thread) -> [u8; 8] {
    let [a, b, c, d] = process.to_le_bytes();
    [a, b, c, d, counted as u8, thread as u8, 0, 0]
}

/// The count of a key and its sums on each CPU; `None` for a number that is none of ours.
pub(super) fn count(
    [a, b, c, d, counted, thread, low, high]: [u8; 8],
    sums: &[[u64; 2]],
) -> Option<Count> {
    Some(Count {
        process: u32::from_le_bytes([a, b, c, d]),
        counted: Counted::of_number(counted)?,
        thread: match thread {
            0 => Thread::Any,
            1 => Thread::Worker,
            2 => Thread::Helper,
            _ => return None,
        },
        number: u16::from_le_bytes([low, high]),
        calls: sums.iter().map(|[calls, _]| calls).sum(),
        bytes: sums.iter().map(|[_, bytes]| bytes).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_as_it_was_written() {
        for counted in Counted::ALL {
            let read = count(key(0x0102_0304, counted, Thread::Worker), &[[1, 10], [2, 20]]);
            let expected = Count {
                process: 0x0102_0304,
                counted,
                thread: Thread::Worker,
                number: 0,
                calls: 3,
                bytes: 30,
            };
            assert_eq!(read, Some(expected));
        }
    }

    #[test]
    fn a_system_calls_number_and_strange_kinds_are_told_apart() {
        let call = count([1, 0, 0, 0, 10, 1, 0x2c, 0x01], &[[5, 0]]).unwrap();
        assert_eq!((call.number, call.calls), (300, 5));
        assert_eq!(count([1, 0, 0, 0, 14, 0, 0, 0], &[]), None);
        assert_eq!(count([1, 0, 0, 0, 1, 3, 0, 0], &[]), None);
    }
}
