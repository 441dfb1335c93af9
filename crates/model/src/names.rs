//! The open lists and the closed choices, by the names that they bear in files and on the command line.
//!
//! A new path, link or instrument is one line here, one file in the engine, and the arms that the
//! compiler then asks for.

/// An enum whose members have kebab-case names, aliases and a line of help.
macro_rules! names {
    (
        $(#[$meta:meta])*
        $name:ident, $what:literal {
            $( $(#[$member_meta:meta])* $member:ident = $text:literal $(| $alias:literal)* ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[$member_meta])* $member, )+
        }

        impl $name {
            /// Every member, in the order of the study.
            pub const ALL: &'static [Self] = &[$( Self::$member ),+];

            /// The name in files and on the command line.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$member => $text ),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text.trim().to_ascii_lowercase().as_str() {
                    $( $text $(| $alias)* => Ok(Self::$member), )+
                    _ => Err($crate::nearest::unknown($what, text.trim(), &[$( $text ),+])),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$( $text ),+] })
            }
        }
    };
}
pub(crate) use names;

names! {
    /// A way to hand the bytes of a message to the kernel.
    SendPath, "send path" {
        /// One `send()` for each field: the paper's A1.
        Send = "send" | "a1" | "two-copy",
        /// Copy the fields into one buffer, one `send()`: the paper's A1'.
        Staged = "staged" | "a1'",
        /// One `sendmsg()` with an iovec entry for each field: the paper's A2.
        Sendmsg = "sendmsg" | "writev" | "a2" | "one-copy",
        /// One `sendmsg(MSG_ZEROCOPY)`, completions from the error queue: the paper's A3.
        Zerocopy = "zerocopy" | "msg-zerocopy" | "msg_zerocopy" | "a3" | "zero-copy",
        /// One `send()` for each field, MSG_MORE on all but the last.
        SendMore = "send-more" | "msg-more" | "msg_more",
        /// One `sendfile()` for each field, from a file that holds the ring (`--sendfile-from`).
        Sendfile = "sendfile",
        /// One `vmsplice()` of all fields into a pipe, `splice()` from there to the socket.
        Splice = "splice" | "vmsplice",
        /// io_uring: one IORING_OP_SEND for each field, linked.
        UringSend = "uring-send",
        /// io_uring: one IORING_OP_SENDMSG with an iovec entry for each field.
        UringSendmsg = "uring-sendmsg",
        /// io_uring: one IORING_OP_WRITE_FIXED for each field from the registered ring, linked.
        UringWriteFixed = "uring-write-fixed",
        /// io_uring: one IORING_OP_SEND_ZC for each field, linked.
        UringSendZc = "uring-send-zc",
        /// io_uring: one IORING_OP_SENDMSG_ZC with an iovec entry for each field.
        UringSendmsgZc = "uring-sendmsg-zc",
        /// io_uring: zero-copy from the registered ring, all fields by one request where the kernel takes that (Linux 6.15).
        UringSendZcFixed = "uring-send-zc-fixed",
        /// Runs of short fields by a copying `sendmsg()`, runs of long ones by `sendmsg(MSG_ZEROCOPY)`; MSG_MORE on all but the last.
        Hybrid = "hybrid",
    }
}

names! {
    /// A way to take bytes from the kernel.
    ReceivePath, "receive path" {
        /// `recv()` into one buffer.
        Recv = "recv",
        /// `recvmsg()` into eight pieces of the buffer.
        Recvmsg = "recvmsg",
        /// `readv()` into eight pieces of the buffer.
        Readv = "readv",
        /// `recv(MSG_TRUNC)`: takes the bytes off the stream and copies them nowhere, the floor of what receiving costs.
        RecvTrunc = "recv-trunc" | "msg-trunc" | "msg_trunc",
        /// `TCP_ZEROCOPY_RECEIVE`: pages of received packets are mapped, what cannot be is copied.
        RecvZerocopy = "recv-zerocopy" | "tcp-zerocopy-receive" | "tcp_zerocopy_receive",
        /// io_uring: one multishot receive into eight provided buffers, in bundles where the kernel has them (Linux 6.10).
        UringRecv = "uring-recv",
    }
}

names! {
    /// What lies between the two ends.
    Link, "link" {
        /// The loopback device.
        Loopback = "loopback" | "lo",
        /// A veth pair between two network namespaces that copycost makes.
        Veth = "veth",
        /// A veth pair whose far end drops every packet before local delivery; a helper answers for the missing peer.
        Sink = "sink",
        /// Stream sockets of the family AF_UNIX: one machine, without TCP, packets or a device.
        Unix = "unix" | "af-unix" | "af_unix",
        /// The network between this host and another one, whose end is started there by `ssh` (`--peer`).
        Ssh = "ssh" | "peer",
    }
}

names! {
    /// In pages of which size the messages lie.
    Pages, "pages" {
        /// The machine's: 4 KiB on most.
        Normal = "normal" | "small",
        /// Transparent huge pages, 2 MiB on most: nine tenths of the ring at least, or the cell is refused.
        Huge = "huge",
    }
}

names! {
    /// Whether the work that completes requests of an io_uring waits for the program's next call (IORING_SETUP_DEFER_TASKRUN,
    /// Linux 6.1), or interrupts it.
    Deferral, "deferral" {
        /// It waits where the kernel knows how to, and nobody else polls the ring.
        Auto = "auto",
        /// It waits; refused where the kernel does not know how to.
        On = "on" | "true" | "yes" | "1",
        /// It interrupts.
        Off = "off" | "false" | "no" | "0",
    }
}

names! {
    /// In what kind of file the messages of a path lie that sends pages of one.
    RingFile, "kind of file" {
        /// A memfd: a file in memory alone.
        Memfd = "memfd",
        /// A file without a name on a disk's filesystem, all of it in the page cache.
        File = "file" | "page-cache",
    }
}

names! {
    /// What streams through memory beside a trial.
    MemoryLoad, "memory load" {
        /// Nothing.
        Off = "off" | "none" | "no",
        /// A thread on a CPU of its own, through more memory than the last-level cache holds.
        Stream = "stream",
    }
}

names! {
    /// Whether a device takes over work of the protocol stack.
    Offload, "offload" {
        /// As the device comes.
        Auto = "auto",
        /// Off.
        Off = "off" | "false" | "no" | "0",
        /// On.
        On = "on" | "true" | "yes" | "1",
    }
}

names! {
    /// On whose CPU the sink's acknowledgements are processed (packets freed, notifications posted).
    AckPlacement, "ack placement" {
        /// On the helper's CPU, which sends them.
        Helper = "helper",
        /// On the senders' CPUs, as from a network card whose interrupts are steered there: each flow's on one of them, which its
        /// hash chooses (receive packet steering), so with several senders not always on its own sender's.
        Sender = "sender",
    }
}

names! {
    /// An instrument that is too heavy for a timing trial: it runs in audit trials of its own, or before the first trial.
    Audit, "audit" {
        /// Bytes copied by kernel function, and system calls as the kernel counts them.
        CopyAudit = "copy-audit" | "copies",
        /// Sampled stacks, sorted into categories: where the CPU time goes.
        Profile = "profile",
        /// Copying bandwidth of the CPUs in use, by routine and working set.
        Ceiling = "ceiling",
    }
}

names! {
    /// Something that observes a trial.
    Instrument, "instrument" {
        /// Messages, bytes, calls and notifications, counted by the workers themselves.
        Tally = "tally",
        /// `getrusage(RUSAGE_THREAD)` and the thread's CPU clock.
        Rusage = "rusage",
        /// `perf_event_open` counters of each worker.
        Counters = "counters",
        /// Busy, softirq and stolen time of whole CPUs.
        CpuBusy = "cpu-busy",
        /// `TCP_INFO` of each flow, and the namespace's SNMP counters.
        TcpInfo = "tcp-info",
        /// Zero-copy completions and whether they were copied after all.
        ZcNotifications = "zc-notifications",
        /// Bytes copied by kernel function, direction and process (audit trials).
        CopyAudit = "copy-audit",
        /// Sampled kernel and user stacks, by category (audit trials).
        Profile = "profile",
        /// Copying bandwidth of the CPUs in use (before a run).
        Ceiling = "ceiling",
    }
}

names! {
    /// When a path that gets notifications reads them.
    Completions, "completions" {
        /// As it goes on, and each before its buffer is used again.
        Read = "read",
        /// None until the kernel refuses to go on without (ENOBUFS); buffers are used again all the while: the paper's program.
        Left = "left",
    }
}

names! {
    /// Whether the workers of a side have connections of their own.
    Sockets, "sockets" {
        /// Each worker has its own.
        Own = "own",
        /// All of them send on, and receive from, the same.
        Shared = "shared",
    }
}

names! {
    /// How the fields of a message lie in memory; the same for every path.
    Layout, "layout" {
        /// Every field on cache lines of its own with a gap before the next.
        Scattered = "scattered",
        /// Every field on pages of its own: the paper's A3.
        Paged = "paged",
        /// The fields one after the other, without a gap.
        Packed = "packed",
    }
}

names! {
    /// The address family of the data connections.
    Family, "address family" {
        /// IPv4.
        Ipv4 = "ipv4" | "4" | "inet",
        /// IPv6.
        Ipv6 = "ipv6" | "6" | "inet6",
    }
}

names! {
    /// A switch.
    Switch, "switch" {
        /// Off.
        Off = "off" | "false" | "no" | "0",
        /// On.
        On = "on" | "true" | "yes" | "1",
    }
}

names! {
    /// Which of the cheap instruments watch a timing trial; `none` is the control that tells what they cost.
    Watch, "watch" {
        /// All cheap instruments.
        Cheap = "cheap",
        /// The tally and the two clocks alone.
        None = "none",
    }
}

impl Switch {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_names_and_the_common_ones_mean_the_same_paths() {
        assert_eq!("writev".parse(), Ok(SendPath::Sendmsg));
        assert_eq!("A3".parse(), Ok(SendPath::Zerocopy));
        assert_eq!("one-copy".parse(), Ok(SendPath::Sendmsg));
        for path in SendPath::ALL {
            assert_eq!(path.name().parse(), Ok(*path));
            if let Some(name) = path.paper_name() {
                assert_eq!(name.parse(), Ok(*path));
            }
        }
    }

    #[test]
    fn an_unknown_path_names_the_nearest_right_one() {
        let error = "sendmgs".parse::<SendPath>().unwrap_err();
        assert!(error.contains("did you mean \"sendmsg\""), "{error}");
    }
}
