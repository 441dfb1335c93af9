//! What the rest of the program may know of a path or a link beside its name.
//!
//! This is the one table outside the engine in which a path or a link decides anything: whoever needs to know something of
//! one asks here, so that a new path or link is a row, and is never taken for what it is not.

use crate::names::{Link, ReceivePath, SendPath};

mod of_cells;

/// How many sending calls hand one message over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallsPerMessage {
    /// One for each field.
    OneAField,
    /// One for the whole message.
    One,
    /// One for each run of neighbouring fields that are all copied, or all passed by reference.
    OneARun,
}

/// What may be known of a send path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendCapabilities {
    /// The kernel is given pages instead of copying their bytes.
    pub passes_by_reference: bool,
    /// The kernel tells when it has let go of a buffer, and whether it copied it after all. What is passed so is copied at
    /// delivery to a socket of the same machine (`skb_orphan_frags_rx`: packets with an `ubuf_info`); pages passed without stay
    /// where they are (`MSG_SPLICE_PAGES`, before Linux 6.5 `sendpage`).
    pub gets_notifications: bool,
    /// The socket is asked for SO_ZEROCOPY, without which the bytes are copied, and notifications come on its error queue, where
    /// they can be left unread.
    pub uses_error_queue: bool,
    /// The buffer must be registered with the kernel before anything is sent from it.
    pub registers_buffer: bool,
    /// Sending calls a message.
    pub calls: CallsPerMessage,
    /// The ring lies in a file (`--sendfile-from`), whose pages are what is passed.
    pub sends_from_file: bool,
    /// What is passed goes through a pipe, by one more call.
    pub goes_through_pipe: bool,
    /// Messages are requests of an io_uring, which no sending call hands over: `io_uring_enter` submits and waits. Copied marks
    /// mean something of requests that were alone (io_uring/notif.c, `io_link_skb`).
    pub goes_through_uring: bool,
    /// The path itself copies the fields together before it sends them.
    pub copies_fields_together: bool,
    /// Fields shorter than the cell's `copy-below` are copied, and the others alone are passed by reference.
    pub copies_short_fields: bool,
    /// The name of the paper's implementation, where the paper has it.
    pub paper_name: Option<&'static str>,
    /// For a path that passes by reference: the one that differs from it in copying alone.
    pub copying_twin: Option<SendPath>,
    /// The first kernel that has it on TCP; none where every supported one has it.
    pub since_kernel: Option<&'static str>,
}

const COPYING: SendCapabilities = SendCapabilities {
    passes_by_reference: false,
    gets_notifications: false,
    uses_error_queue: false,
    registers_buffer: false,
    calls: CallsPerMessage::One,
    sends_from_file: false,
    goes_through_pipe: false,
    goes_through_uring: false,
    copies_fields_together: false,
    copies_short_fields: false,
    paper_name: None,
    copying_twin: None,
    since_kernel: None,
};

/// Through an io_uring: one `io_uring_enter` a message.
const URING: SendCapabilities =
    SendCapabilities { goes_through_uring: true, since_kernel: Some("5.11"), ..COPYING };

const URING_ZEROCOPY: SendCapabilities =
    SendCapabilities { passes_by_reference: true, gets_notifications: true, ..URING };

impl SendCapabilities {
    /// Whether the program learns when a buffer may be written again: at the call's return where bytes are copied, by a
    /// notification where they are passed by reference. Of pages given by `sendfile` or `splice` it never does: what is
    /// acknowledged may still be read by a receiver of the same machine, or be waiting in a device.
    pub const fn tells_release(&self) -> bool {
        !self.passes_by_reference || self.gets_notifications
    }

    /// Whether it copies all the same where the socket is not asked for SO_ZEROCOPY, and its completions can be left unread: what
    /// else copies by a rule of its own needs neither.
    pub const fn may_copy_instead(&self) -> bool {
        self.uses_error_queue && !self.copies_short_fields
    }
}

impl SendPath {
    /// The paper's two-copy implementation: one call for each field.
    pub const A1: Self = Self::Send;
    /// The paper's one-copy implementation: one call for the message.
    pub const A2: Self = Self::Sendmsg;
    /// The paper's zero-copy implementation.
    pub const A3: Self = Self::Zerocopy;

    /// What others are held against where nobody names a path: one call a message, and a copy.
    pub const USUAL: Self = Self::Sendmsg;

    /// The paths of the study: those that are compared where nobody names any.
    pub const STUDY: &'static [Self] = &[Self::Send, Self::Staged, Self::Sendmsg, Self::Zerocopy];

    /// What may be known of it.
    pub const fn capabilities(self) -> SendCapabilities {
        match self {
            Self::Send => SendCapabilities {
                calls: CallsPerMessage::OneAField,
                paper_name: Some("A1"),
                ..COPYING
            },
            Self::Staged => SendCapabilities {
                copies_fields_together: true,
                paper_name: Some("A1'"),
                ..COPYING
            },
            Self::Sendmsg => SendCapabilities { paper_name: Some("A2"), ..COPYING },
            Self::Zerocopy => SendCapabilities {
                passes_by_reference: true,
                gets_notifications: true,
                uses_error_queue: true,
                paper_name: Some("A3"),
                copying_twin: Some(Self::Sendmsg),
                // MSG_ZEROCOPY (Documentation/networking/msg_zerocopy.rst).
                since_kernel: Some("4.14"),
                ..COPYING
            },
            Self::SendMore => SendCapabilities { calls: CallsPerMessage::OneAField, ..COPYING },
            Self::Sendfile => SendCapabilities {
                passes_by_reference: true,
                calls: CallsPerMessage::OneAField,
                sends_from_file: true,
                copying_twin: Some(Self::Send),
                ..COPYING
            },
            // One splice() a message: vmsplice() fills a pipe, and sends nothing.
            Self::Splice => SendCapabilities {
                passes_by_reference: true,
                goes_through_pipe: true,
                copying_twin: Some(Self::Sendmsg),
                ..COPYING
            },
            Self::UringSend | Self::UringSendmsg => URING,
            Self::UringWriteFixed => SendCapabilities { registers_buffer: true, ..URING },
            Self::UringSendZc => SendCapabilities {
                copying_twin: Some(Self::UringSend),
                since_kernel: Some("6.0"),
                ..URING_ZEROCOPY
            },
            Self::UringSendmsgZc => SendCapabilities {
                copying_twin: Some(Self::UringSendmsg),
                since_kernel: Some("6.1"),
                ..URING_ZEROCOPY
            },
            Self::UringSendZcFixed => SendCapabilities {
                registers_buffer: true,
                copying_twin: Some(Self::UringWriteFixed),
                since_kernel: Some("6.0"),
                ..URING_ZEROCOPY
            },
            Self::Hybrid => SendCapabilities {
                passes_by_reference: true,
                gets_notifications: true,
                uses_error_queue: true,
                calls: CallsPerMessage::OneARun,
                copies_short_fields: true,
                copying_twin: Some(Self::Sendmsg),
                since_kernel: Some("4.14"),
                ..COPYING
            },
        }
    }

    /// Whether others are held against it where nobody names a path.
    pub const fn is_usual(self) -> bool {
        matches!(self, Self::USUAL)
    }

    /// The name of the paper's implementation, where the paper has it.
    pub const fn paper_name(self) -> Option<&'static str> {
        self.capabilities().paper_name
    }

    /// Whether the kernel is given pages instead of copying their bytes.
    pub const fn passes_by_reference(self) -> bool {
        self.capabilities().passes_by_reference
    }

    /// Whether it hands a message over in one sending call that copies, and does nothing else.
    pub const fn only_copies(self) -> bool {
        let can = self.capabilities();
        matches!(can.calls, CallsPerMessage::One)
            && !can.passes_by_reference
            && !can.copies_fields_together
            && !can.goes_through_uring
    }
}

/// What becomes of the bytes that a receive path takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBytes {
    /// Each is copied into the program's memory (`_copy_to_iter`).
    Copied,
    /// Whole pages are mapped where they can be, the rest is copied.
    Mapped,
    /// They are dropped: nobody sees them.
    Dropped,
}

/// What may be known of a receive path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveCapabilities {
    /// The call that takes bytes, as a programmer writes it.
    pub call: &'static str,
    /// What becomes of them.
    pub taken: TakenBytes,
    /// Whether the kernel picks the buffer, of a ring that the program gave it beforehand.
    pub picks_buffer: bool,
    /// Whether it waits for bytes in the call that takes them, where a socket's busy polling happens (`sk_busy_loop` in
    /// `tcp_recvmsg`, net/ipv4/tcp.c), and not in `poll` or `io_uring_enter`, which have settings of their own.
    pub sleeps_in_call: bool,
    /// The first kernel that has it on TCP; none where every supported one has it.
    pub since_kernel: Option<&'static str>,
}

impl ReceivePath {
    /// What may be known of it.
    pub const fn capabilities(self) -> ReceiveCapabilities {
        const COPYING: ReceiveCapabilities = ReceiveCapabilities {
            call: "recv()",
            taken: TakenBytes::Copied,
            picks_buffer: false,
            sleeps_in_call: true,
            since_kernel: None,
        };
        match self {
            Self::Recv => COPYING,
            Self::Recvmsg => ReceiveCapabilities { call: "recvmsg()", ..COPYING },
            Self::Readv => ReceiveCapabilities { call: "readv()", ..COPYING },
            Self::RecvTrunc => ReceiveCapabilities {
                call: "recv(MSG_TRUNC)",
                taken: TakenBytes::Dropped,
                ..COPYING
            },
            Self::RecvZerocopy => ReceiveCapabilities {
                call: "TCP_ZEROCOPY_RECEIVE",
                taken: TakenBytes::Mapped,
                sleeps_in_call: false,
                // With a buffer for what cannot be mapped (`copybuf_address`, include/uapi/linux/tcp.h); the call itself is of 4.18.
                since_kernel: Some("5.11"),
                ..COPYING
            },
            Self::UringRecv => ReceiveCapabilities {
                call: "io_uring_enter()",
                picks_buffer: true,
                sleeps_in_call: false,
                // Multishot receives (io_uring_prep_recv_multishot(3)); rings of provided buffers are of 5.19, bundles of 6.10.
                since_kernel: Some("6.0"),
                ..COPYING
            },
        }
    }

    /// Whether the program gets the bytes, so that somebody can check them.
    pub const fn shows_content(self) -> bool {
        !matches!(self.capabilities().taken, TakenBytes::Dropped)
    }
}

/// Why a path does not exist on a link: by the kernel's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPath {
    /// What the kernel answers, and where that is decided.
    pub because: &'static str,
    /// What to use instead.
    pub instead: &'static str,
}

/// What may be known of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkCapabilities {
    /// Its connections are TCP: segments, windows, acknowledgements, congestion control, TCP_INFO, SO_ZEROCOPY.
    pub speaks_tcp: bool,
    /// A process takes the bytes at the far end; without one, only the sender's side can be measured.
    pub has_receiver: bool,
    /// What was passed by reference is copied when it is delivered, as sender and receiver are of one machine
    /// (`skb_orphan_frags_rx`, net/core/dev.c and net/ipv4/ip_input.c).
    pub copies_by_reference_on_delivery: bool,
    /// It has devices of its own, with an MTU and offloads.
    pub has_devices: bool,
    /// The device of this host that its packets go by, whose MTU and offloads are the host's own.
    pub host_device: Option<&'static str>,
    /// Its receiving device may join packets (generic receive offload).
    pub joins_received_packets: bool,
    /// The receiving end runs on another host.
    pub has_peer_host: bool,
    /// Both ends read the same monotonic clock.
    pub has_common_clock: bool,
    /// A helper thread answers for the missing peer, at an interval and a place of its own.
    pub has_helper: bool,
    /// Capabilities that raising it takes (capabilities(7)); none where any user can.
    pub privileges: &'static [&'static str],
}

impl Link {
    /// The link that the paper measured.
    pub const PAPER: Self = Self::Loopback;
    /// Those that tell most on one machine: one with a receiver, and one on which what goes by reference is not copied.
    pub const TELLING: [Self; 2] = [Self::Loopback, Self::Sink];
    /// The one with both ends under this kernel that goes through devices, as between two hosts.
    pub const LIKE_TWO_HOSTS: Self = Self::Veth;

    /// What may be known of it.
    pub const fn capabilities(self) -> LinkCapabilities {
        const LOCAL: LinkCapabilities = LinkCapabilities {
            speaks_tcp: true,
            has_receiver: true,
            copies_by_reference_on_delivery: true,
            has_devices: false,
            host_device: None,
            joins_received_packets: false,
            has_peer_host: false,
            has_common_clock: true,
            has_helper: false,
            privileges: &[],
        };
        match self {
            Self::Loopback => LinkCapabilities { host_device: Some("lo"), ..LOCAL },
            Self::Veth => LinkCapabilities {
                has_devices: true,
                joins_received_packets: true,
                privileges: &["CAP_SYS_ADMIN", "CAP_NET_ADMIN"],
                ..LOCAL
            },
            Self::Sink => LinkCapabilities {
                has_receiver: false,
                copies_by_reference_on_delivery: false,
                has_devices: true,
                has_helper: true,
                privileges: &["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_BPF", "CAP_NET_RAW"],
                ..LOCAL
            },
            // No packet is delivered: a sender's call puts its buffers into the receiver's queue.
            Self::Unix => LinkCapabilities {
                speaks_tcp: false,
                copies_by_reference_on_delivery: false,
                ..LOCAL
            },
            // Its devices are the hosts' own, and are not set.
            Self::Ssh => LinkCapabilities {
                copies_by_reference_on_delivery: false,
                has_peer_host: true,
                has_common_clock: false,
                ..LOCAL
            },
        }
    }

    /// Why a send path does not exist on it, whatever the machine; none where it does.
    pub const fn lacks_sending(self, path: SendPath) -> Option<NoPath> {
        let can = path.capabilities();
        if self.capabilities().speaks_tcp || !can.gets_notifications {
            return None;
        }
        // What gets notifications on TCP: by an error queue, or by an io_uring.
        Some(if can.uses_error_queue {
            NoPath {
                because: "setsockopt(SO_ZEROCOPY) is refused (sk_setsockopt, net/core/sock.c), and without it MSG_ZEROCOPY is ignored: the bytes are copied and no completion comes",
                instead: "--send sendmsg, or --link loopback",
            }
        } else {
            NoPath {
                because: "IORING_OP_SEND_ZC answers EOPNOTSUPP, as a unix socket lacks SOCK_SUPPORT_ZC (io_uring/net.c)",
                instead: "--send uring-sendmsg, or --link loopback",
            }
        })
    }

    /// Why a receive path does not exist on it, whatever the machine; none where it does.
    pub const fn lacks_receiving(self, path: ReceivePath) -> Option<NoPath> {
        if self.capabilities().speaks_tcp {
            return None;
        }
        match path.capabilities().taken {
            TakenBytes::Copied => None,
            TakenBytes::Dropped => Some(NoPath {
                because: "a unix stream does not know MSG_TRUNC (unix_stream_read_generic, net/unix/af_unix.c) and copies all the same, so that recv(MSG_TRUNC) without a buffer answers EFAULT",
                instead: "--recv recv, or --link loopback",
            }),
            TakenBytes::Mapped => Some(NoPath {
                because: "getsockopt(TCP_ZEROCOPY_RECEIVE) answers EOPNOTSUPP, as it is an option of TCP",
                instead: "--recv recv, or --link loopback",
            }),
        }
    }

    /// Whether sender and receiver are on one machine.
    pub const fn is_of_one_host(self) -> bool {
        let can = self.capabilities();
        can.has_receiver && !can.has_peer_host
    }

    /// Whether its connections are TCP.
    pub const fn speaks_tcp(self) -> bool {
        self.capabilities().speaks_tcp
    }

    /// Whether a process takes the bytes at the far end.
    pub const fn has_receiver(self) -> bool {
        self.capabilities().has_receiver
    }

    /// Whether what was passed by reference is copied when it is delivered.
    pub const fn copies_by_reference_on_delivery(self) -> bool {
        self.capabilities().copies_by_reference_on_delivery
    }
}

#[cfg(test)]
mod tests;
