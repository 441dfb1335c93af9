//! The figures that a trial yields, by the names that they bear in files.

use model::Link;
use model::record::NO_TCP;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! metrics {
    ($( $(#[doc = $doc:literal])+ $metric:ident = $name:literal, $scale:ident, $better:ident; )+) => {
        /// A figure of a trial, and of a cell as the mean over its trials.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Metric { $( $(#[doc = $doc])+ $metric, )+ }

        impl Metric {
            /// Every metric, in the order of the columns.
            pub const ALL: &'static [Self] = &[$( Self::$metric ),+];

            /// The name in files; the unit ends it.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$metric => $name ),+ }
            }

            /// The scale on which its spread is judged.
            pub const fn scale(self) -> Scale {
                match self { $( Self::$metric => Scale::$scale ),+ }
            }

            /// Which direction is better, where one is.
            pub const fn better(self) -> Better {
                match self { $( Self::$metric => Better::$better ),+ }
            }

            /// What it is, in one line.
            pub fn meaning(self) -> &'static str {
                match self { $( Self::$metric => concat!($( $doc ),+).trim_ascii() ),+ }
            }
        }
    };
}

/// The scale on which a metric's mean and interval are formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Positive figures whose spread grows with them: geometric mean, interval on the logarithm.
    Log,
    /// Counts and shares that may be 0: arithmetic mean and interval.
    Linear,
}

/// A figure of single messages: of a cell that of all its trials' messages together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pooled {
    /// What this share of them does not exceed.
    Quantile(f64),
    /// The largest, which has no interval.
    Largest,
}

/// Which direction of a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    High,
    /// Less is better.
    Low,
    /// Neither.
    None,
}

metrics! {
    /// Payload that the receivers took in their windows, in Gbit/s (decimal).
    GoodputGbps = "goodput_gbps", Log, High;
    /// Whole messages' worth of goodput per second.
    MessagesPerS = "messages_per_s", Log, High;
    /// Sender CPU time per message, in ns.
    SenderCpuNsPerMessage = "sender_cpu_ns_per_message", Log, Low;
    /// Receiver CPU time per message, in ns.
    ReceiverCpuNsPerMessage = "receiver_cpu_ns_per_message", Log, Low;
    /// Sender CPU time per KiB that it sent, in ns.
    SenderCpuNsPerKib = "sender_cpu_ns_per_kib", Log, Low;
    /// Receiver CPU time per KiB that it took, in ns.
    ReceiverCpuNsPerKib = "receiver_cpu_ns_per_kib", Log, Low;
    /// CPU time of both ends per KiB, in ns; absent when one side is.
    EndsCpuNsPerKib = "ends_cpu_ns_per_kib", Log, Low;
    /// On the sink: CPU time of the senders per KiB that they sent, and of the helper where it processes their acknowledgements (packets freed, notifications posted), in ns; where the kernel charges softirqs to no thread, softirq time of the CPUs in use too, else without the softirqs that come upon an idle CPU or a kernel thread (they are in the machine's cost).
    SenderSideCpuNsPerKib = "sender_side_cpu_ns_per_kib", Log, Low;
    /// On the sink: busy time of all CPUs in use per KiB taken, softirqs in whatever context included, less what they do when idle and less the helper's looking, in ns; the sink's program and the making of acknowledgements are in it.
    SenderSideMachineCpuNsPerKib = "sender_side_machine_cpu_ns_per_kib", Log, Low;
    /// Busy time of all CPUs in use per KiB received, less what they do when idle, in ns; in turns over the steady window from silence to silence, else from up to 30 ms before the window, at the window's goodput.
    MachineCpuNsPerKib = "machine_cpu_ns_per_kib", Log, Low;
    /// Of two hosts: the same of the sender's host alone.
    SenderHostCpuNsPerKib = "sender_host_cpu_ns_per_kib", Log, Low;
    /// Of two hosts: the same of the receiver's host alone.
    ReceiverHostCpuNsPerKib = "receiver_host_cpu_ns_per_kib", Log, Low;
    /// Softirq time of all CPUs in use per KiB received, in ns.
    SoftirqNsPerKib = "softirq_ns_per_kib", Linear, Low;
    /// Sender CPU cycles per byte, user and kernel.
    SenderCyclesPerByte = "sender_cycles_per_byte", Log, Low;
    /// Receiver CPU cycles per byte.
    ReceiverCyclesPerByte = "receiver_cycles_per_byte", Log, Low;
    /// Sender instructions per byte.
    SenderInstructionsPerByte = "sender_instructions_per_byte", Log, Low;
    /// Receiver instructions per byte.
    ReceiverInstructionsPerByte = "receiver_instructions_per_byte", Log, Low;
    /// Sender last-level cache read accesses per KiB.
    SenderLlcLoadsPerKib = "sender_llc_loads_per_kib", Linear, Low;
    /// Receiver last-level cache read accesses per KiB.
    ReceiverLlcLoadsPerKib = "receiver_llc_loads_per_kib", Linear, Low;
    /// Sender last-level cache read misses per KiB.
    SenderLlcMissesPerKib = "sender_llc_misses_per_kib", Linear, Low;
    /// Receiver last-level cache read misses per KiB.
    ReceiverLlcMissesPerKib = "receiver_llc_misses_per_kib", Linear, Low;
    /// Sender level-1 data cache read misses per KiB.
    SenderL1dMissesPerKib = "sender_l1d_misses_per_kib", Linear, Low;
    /// Receiver level-1 data cache read misses per KiB.
    ReceiverL1dMissesPerKib = "receiver_l1d_misses_per_kib", Linear, Low;
    /// Sender data TLB read misses per KiB.
    SenderDtlbMissesPerKib = "sender_dtlb_misses_per_kib", Linear, Low;
    /// Receiver data TLB read misses per KiB.
    ReceiverDtlbMissesPerKib = "receiver_dtlb_misses_per_kib", Linear, Low;
    /// Sender generic cache-misses (the vendor's raw event) per KiB.
    SenderCacheMissesPerKib = "sender_cache_misses_per_kib", Linear, Low;
    /// Receiver generic cache-misses per KiB.
    ReceiverCacheMissesPerKib = "receiver_cache_misses_per_kib", Linear, Low;
    /// Context switches of both ends a second, voluntary and not.
    ContextSwitchesPerS = "context_switches_per_s", Linear, None;
    /// Context switches of the sender a second, voluntary and not.
    SenderContextSwitchesPerS = "sender_context_switches_per_s", Linear, None;
    /// Migrations of both ends' workers between CPUs, a second.
    MigrationsPerS = "migrations_per_s", Linear, None;
    /// Sending system calls per message.
    SendCallsPerMessage = "send_calls_per_message", Linear, None;
    /// All system calls of the sender a message, reaping and waiting included.
    SenderCallsPerMessage = "sender_calls_per_message", Linear, None;
    /// Bytes that a receive call took on average.
    BytesPerReceiveCall = "bytes_per_receive_call", Log, None;
    /// Share of the received bytes that was mapped instead of copied, from 0 to 1.
    MappedShare = "mapped_share", Linear, None;
    /// Payload bytes in a sent packet, before the device cuts it; on the sink as its program counted them.
    BytesPerPacket = "bytes_per_packet", Log, None;
    /// Share of the time in which TCP had something to send that it waited for room in the send buffer, from 0 to 1: TCP_INFO's tcpi_sndbuf_limited over tcpi_busy_time.
    SendBufferLimitedShare = "send_buffer_limited_share", Linear, None;
    /// Share of zero-copy completions that were copied after all, from 0 to 1.
    CopiedShare = "copied_share", Linear, None;
    /// Sender CPU time between the window and the end of the drain, as a share of its time in the window.
    SenderCpuAfterShare = "sender_cpu_after_share", Linear, None;
    /// Share of the sender's CPU time that the kernel's threads for its io_urings took (SQPOLL's, io-wq's workers), from 0 to 1; it is in every cost of the sender, and not in its context switches.
    UringThreadsShare = "uring_threads_share", Linear, None;
    /// Release latency, median over the timed messages of all trials together: from the moment before a message is handed over until its buffer may be written again, in microseconds; the notification is read when the path reads it, as in an application.
    ReleaseP50Us = "release_p50_us", Log, Low;
    /// The 99th percentile of the same.
    ReleaseP99Us = "release_p99_us", Log, Low;
    /// The longest of the same; a largest figure has no interval, and grows with the number of messages.
    ReleaseMaxUs = "release_max_us", Log, Low;
    /// Waits for a free slot per message.
    SlotWaitsPerMessage = "slot_waits_per_message", Linear, None;
    /// ENOBUFS per message.
    NoBuffersPerMessage = "no_buffers_per_message", Linear, None;
    /// Segments sent again in the window.
    Retransmits = "retransmits", Linear, None;
    /// Share of the slices in which next to nothing moved while a worker slept in one call, from 0 to 1.
    StalledShare = "stalled_share", Linear, None;
    /// How long the worker slept in such a slice at least, on average, in microseconds.
    StallUs = "stall_us", Linear, None;
    /// Smoothed round-trip time at the window's end, in microseconds.
    RttUs = "rtt_us", Linear, None;
    /// Congestion window at the window's end, in packets.
    CwndPackets = "cwnd_packets", Linear, None;
    /// Segment size, in bytes.
    MssBytes = "mss_bytes", Linear, None;
    /// On the sink: mean time between two looks of the helper in the window, in microseconds; longer than the interval asked for where looks were missed.
    AckIntervalUs = "ack_interval_us", Log, None;
    /// On the sink: CPU time of the helper per KiB taken, looking and answering, in ns.
    HelperCpuNsPerKib = "helper_cpu_ns_per_kib", Log, None;
    /// On the sink: time of its program a packet, in ns, counted while no window is open.
    ProgramNsPerPacket = "program_ns_per_packet", Log, None;
    /// What the thread of --memory-load stream read from memory and wrote there beside the trial, in GB/s (decimal).
    MemoryLoadGbPerS = "memory_load_gb_per_s", Log, None;
}

impl Metric {
    /// The sender's misses of each level of cache: what misses the second level is what reads the last one.
    pub const CACHE_LEVELS: [Self; 3] =
        [Self::SenderL1dMissesPerKib, Self::SenderLlcLoadsPerKib, Self::SenderLlcMissesPerKib];

    /// The cost that decides on a link: CPU time of both ends per KiB, or on the sink, which has no receiver, what the
    /// sender's side takes. Figures of the two are never compared with each other.
    pub const fn cost_on(link: Link) -> Self {
        if link.has_receiver() { Self::EndsCpuNsPerKib } else { Self::SenderSideCpuNsPerKib }
    }

    /// What a cell's figure is where it is not the mean of its trials' figures.
    pub const fn pooled(self) -> Option<Pooled> {
        if matches!(self, Self::ReleaseP50Us) {
            Some(Pooled::Quantile(0.5))
        } else if matches!(self, Self::ReleaseP99Us) {
            Some(Pooled::Quantile(0.99))
        } else if matches!(self, Self::ReleaseMaxUs) {
            Some(Pooled::Largest)
        } else {
            None
        }
    }

    /// Whether a figure is formed on a link at all. The sink has no receiver, so that neither its costs nor a total are
    /// known there; and only there are the sender's side and the helper told apart. What is of TCP no other socket has.
    pub const fn is_formed_on(self, link: Link) -> bool {
        let is_of_sink = matches!(
            self,
            Self::SenderSideCpuNsPerKib
                | Self::SenderSideMachineCpuNsPerKib
                | Self::AckIntervalUs
                | Self::HelperCpuNsPerKib
                | Self::ProgramNsPerPacket
        );
        let needs_receiver = matches!(
            self,
            Self::ReceiverCpuNsPerMessage
                | Self::ReceiverCpuNsPerKib
                | Self::EndsCpuNsPerKib
                | Self::MachineCpuNsPerKib
                | Self::SoftirqNsPerKib
                | Self::ReceiverCyclesPerByte
                | Self::ReceiverInstructionsPerByte
                | Self::ReceiverLlcLoadsPerKib
                | Self::ReceiverLlcMissesPerKib
                | Self::ReceiverL1dMissesPerKib
                | Self::ReceiverDtlbMissesPerKib
                | Self::ReceiverCacheMissesPerKib
                | Self::ContextSwitchesPerS
                | Self::MigrationsPerS
                | Self::BytesPerReceiveCall
                | Self::MappedShare
        );
        let is_of_tcp = matches!(
            self,
            Self::BytesPerPacket
                | Self::SendBufferLimitedShare
                | Self::Retransmits
                | Self::RttUs
                | Self::CwndPackets
                | Self::MssBytes
        );
        if is_of_tcp && !link.speaks_tcp()
            || self.is_of_one_host() && !link.capabilities().has_peer_host
        {
            return false;
        }
        if link.has_receiver() { !is_of_sink } else { !needs_receiver }
    }

    /// Whether it is of one of two hosts, which a link between them alone has.
    const fn is_of_one_host(self) -> bool {
        matches!(self, Self::SenderHostCpuNsPerKib | Self::ReceiverHostCpuNsPerKib)
    }

    /// Why a figure is not formed on a link; none where it is.
    pub const fn why_not_formed_on(self, link: Link) -> Option<&'static str> {
        if self.is_of_one_host() && link.has_receiver() && !link.capabilities().has_peer_host {
            return Some(ONE_HOST);
        }
        let is_elsewhere = self.is_formed_on(Link::PAPER);
        match (self.is_formed_on(link), link.has_receiver()) {
            (true, _) => None,
            (false, true) if is_elsewhere => Some(NO_TCP),
            (false, true) => Some(NOT_THE_SINK),
            (false, false) => Some(NO_RECEIVER),
        }
    }
}

/// Why the sink has no receiver's figure and no total (law 6 of the design).
pub const NO_RECEIVER: &str = "the sink has no receiver: sender-side cost only";
/// Why other links than those between two hosts have no figure of each.
pub const ONE_HOST: &str = "both ends run on one host";
/// Why other links have no figure of the sender's side.
pub const NOT_THE_SINK: &str = "told apart only on the sink";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metrics_name_is_its_spelling_in_files() {
        for metric in Metric::ALL {
            let mut snake = String::new();
            for c in format!("{metric:?}").chars() {
                if c.is_ascii_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.push(c.to_ascii_lowercase());
            }
            assert_eq!(snake, metric.name());
        }
    }
}
