//! TCP's counters of a network namespace: retransmissions by kind, and what else spoils a trial.
//!
//! They count for all connections of the namespace since it was made, so only differences over
//! a window mean something, and on a shared namespace others' traffic is in them.

use std::path::Path;

use crate::Unavailable;
use crate::machine::tree;

const SNMP: &str = "/proc/self/net/snmp";
const NETSTAT: &str = "/proc/self/net/netstat";

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $group:literal $kernel:literal,)*) => {
        /// A counter, under the kernel's name for it (net/ipv4/proc.c,
        /// Documentation/networking/snmp_counter.rst).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum SnmpCounter {
            $($(#[$doc])* $name,)*
        }

        impl SnmpCounter {
            /// Every counter that is read.
            pub const ALL: [Self; [$($kernel),*].len()] = [$(Self::$name),*];

            /// The kernel's name, e.g. `RetransSegs`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $kernel,)* }
            }

            /// The line that it stands in: `Tcp` or `TcpExt`.
            pub fn group(self) -> &'static str {
                match self { $(Self::$name => $group,)* }
            }
        }
    };
}

counters! {
    /// Segments received, bad ones included.
    InSegs = "Tcp" "InSegs",
    /// Segments sent, retransmissions apart.
    OutSegs = "Tcp" "OutSegs",
    /// Segments sent again, for whatever reason.
    RetransSegs = "Tcp" "RetransSegs",
    /// Segments received in error.
    InErrs = "Tcp" "InErrs",
    /// Resets sent.
    OutRsts = "Tcp" "OutRsts",
    /// Connections reset.
    EstabResets = "Tcp" "EstabResets",
    /// Packets with data sent for the first time.
    OrigDataSent = "TcpExt" "TCPOrigDataSent",
    /// Retransmissions that were lost again.
    LostRetransmit = "TcpExt" "TCPLostRetransmit",
    /// Fast retransmissions.
    FastRetrans = "TcpExt" "TCPFastRetrans",
    /// Retransmissions after a timeout, in slow start.
    SlowStartRetrans = "TcpExt" "TCPSlowStartRetrans",
    /// Retransmission timeouts.
    Timeouts = "TcpExt" "TCPTimeouts",
    /// Tail loss probes sent.
    LossProbes = "TcpExt" "TCPLossProbes",
    /// Losses that a tail loss probe repaired.
    LossProbeRecovery = "TcpExt" "TCPLossProbeRecovery",
    /// Timeouts that turned out needless.
    SpuriousRtos = "TcpExt" "TCPSpuriousRTOs",
    /// SYN and SYN-ACK sent again.
    SynRetrans = "TcpExt" "TCPSynRetrans",
    /// Retransmissions that the layer below refused.
    RetransFail = "TcpExt" "TCPRetransFail",
    /// Packets dropped because the receiving socket's backlog was full.
    BacklogDrop = "TcpExt" "TCPBacklogDrop",
    /// Packets dropped as the receive queue was full.
    RcvQDrop = "TcpExt" "TCPRcvQDrop",
    /// Packets joined to the one before in the receive queue.
    RcvCoalesce = "TcpExt" "TCPRcvCoalesce",
    /// Packets joined in the backlog.
    BacklogCoalesce = "TcpExt" "TCPBacklogCoalesce",
    /// Packets queued out of order.
    OfoQueue = "TcpExt" "TCPOFOQueue",
    /// Packets pruned from receive queues for want of buffer memory.
    PruneCalled = "TcpExt" "PruneCalled",
    /// Selective acknowledgements that told of a needless retransmission.
    DsackRecv = "TcpExt" "TCPDSACKRecv",
    /// Delayed acknowledgements sent.
    DelayedAcks = "TcpExt" "DelayedACKs",
    /// Sends held back to be joined with the next (TCP autocorking).
    AutoCorking = "TcpExt" "TCPAutoCorking",
    /// Receivers that closed their window to 0.
    ToZeroWindowAdv = "TcpExt" "TCPToZeroWindowAdv",
    /// Times that TCP as a whole ran short of memory.
    MemoryPressures = "TcpExt" "TCPMemoryPressures",
}

/// The counters of a namespace at one moment, or what they gained between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snmp {
    values: [Option<u64>; SnmpCounter::ALL.len()],
}

impl Snmp {
    /// Reads those of this process's network namespace.
    ///
    /// # Errors
    /// The files cannot be read, or hold no TCP.
    pub fn read() -> Result<Self, Unavailable> {
        Self::read_below(Path::new(tree::LIVE))
    }

    /// [`Snmp::read`] below another root. Kernels without `netstat` still give the first group.
    ///
    /// # Errors
    /// See there.
    pub(crate) fn read_below(root: &Path) -> Result<Self, Unavailable> {
        let snmp = tree::text(root, SNMP)?;
        let netstat = tree::text(root, NETSTAT).unwrap_or_default();
        let counters = parse_snmp(&snmp, &netstat);
        if counters.values.iter().all(Option::is_none) {
            return Err(tree::unexpected(SNMP, &snmp));
        }
        Ok(counters)
    }

    /// One counter; nothing where this kernel has not got it, which is not 0.
    pub fn get(&self, counter: SnmpCounter) -> Option<u64> {
        self.values.get(counter as usize).copied().flatten()
    }

    /// Every counter that this kernel has.
    pub fn iter(&self) -> impl Iterator<Item = (SnmpCounter, u64)> + '_ {
        SnmpCounter::ALL.into_iter().filter_map(|counter| Some((counter, self.get(counter)?)))
    }

    /// What was gained since `before`, for counters that both have.
    ///
    /// The kernel's counters are `unsigned long` and may wrap; on 64-bit machines none does.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut gained = *self;
        for (after, before) in gained.values.iter_mut().zip(before.values) {
            *after = after.zip(before).map(|(after, before)| after.wrapping_sub(before));
        }
        gained
    }
}

/// Parses the texts of `snmp` and `netstat`: pairs of lines, `Tcp: Name Name …` and `Tcp: 1 2 …`.
/// Columns that copycost does not know are passed over.
pub(crate) fn parse_snmp(snmp: &str, netstat: &str) -> Snmp {
    let mut values = [None; SnmpCounter::ALL.len()];
    for text in [snmp, netstat] {
        let mut lines = text.lines();
        while let Some(header) = lines.next() {
            let Some((group, names)) = header.split_once(':') else { continue };
            let Some((of, numbers)) = lines.next().and_then(|line| line.split_once(':')) else {
                break;
            };
            if group != of {
                continue;
            }
            let columns = names.split_ascii_whitespace().zip(numbers.split_ascii_whitespace());
            for (name, number) in columns {
                let known = |known: &&SnmpCounter| known.group() == group && known.name() == name;
                let counter = SnmpCounter::ALL.iter().find(known);
                if let Some(value) = counter.and_then(|known| values.get_mut(*known as usize)) {
                    *value = number.parse().ok();
                }
            }
        }
    }
    Snmp { values }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SNMP_TEXT: &str = "Ip: Forwarding DefaultTTL\nIp: 2 64\n\
        Tcp: RtoAlgorithm MaxConn InSegs OutSegs RetransSegs InErrs OutRsts\n\
        Tcp: 1 -1 3096 3176 5 0 7\n";
    const NETSTAT_TEXT: &str = "TcpExt: SyncookiesSent TCPTimeouts TCPOrigDataSent TCPFromTheFuture\n\
        TcpExt: 0 4 900 1\nIpExt: InNoRoutes\nIpExt: 0\n";

    #[test]
    fn counters_are_found_by_name_in_whatever_column() {
        let snmp = parse_snmp(SNMP_TEXT, NETSTAT_TEXT);
        assert_eq!(snmp.get(SnmpCounter::RetransSegs), Some(5));
        assert_eq!(snmp.get(SnmpCounter::OutSegs), Some(3176));
        assert_eq!(snmp.get(SnmpCounter::Timeouts), Some(4));
        assert_eq!(snmp.get(SnmpCounter::OrigDataSent), Some(900));
    }

    #[test]
    fn a_counter_that_this_kernel_lacks_is_absent_and_not_zero() {
        let snmp = parse_snmp(SNMP_TEXT, NETSTAT_TEXT);
        assert_eq!(snmp.get(SnmpCounter::RcvQDrop), None);
        assert_eq!(snmp.get(SnmpCounter::InErrs), Some(0));
        assert_eq!(snmp.since(&snmp).get(SnmpCounter::RcvQDrop), None);
    }

    #[test]
    fn a_difference_is_taken_counter_by_counter() {
        let before = parse_snmp(SNMP_TEXT, NETSTAT_TEXT);
        let after = parse_snmp(&SNMP_TEXT.replace(" 5 ", " 25 "), NETSTAT_TEXT);
        let gained = after.since(&before);
        assert_eq!(gained.get(SnmpCounter::RetransSegs), Some(20));
        assert_eq!(gained.get(SnmpCounter::OutSegs), Some(0));
    }

    #[test]
    fn a_name_in_another_group_is_not_taken() {
        let snmp = parse_snmp("Udp: InErrs\nUdp: 9\n", "");
        assert_eq!(snmp.get(SnmpCounter::InErrs), None);
    }

    #[test]
    fn a_file_cut_after_its_header_gives_nothing() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("proc/self/net")).unwrap();
        std::fs::write(root.path().join("proc/self/net/snmp"), "Tcp: InSegs\n").unwrap();
        assert!(Snmp::read_below(root.path()).is_err());
    }

    proptest! {
        #[test]
        fn odd_text_never_panics(text in "(Tcp:|TcpExt:|InSegs|[0-9]{1,25}|-1| |\\PC|\n){0,60}") {
            let _ = parse_snmp(&text, &text);
        }
    }
}
