//! What is counted in a trial, table by table. A new figure is one line here, and counted where it happens.

use serde::{Deserialize, Serialize};

use super::tally_table::{facts, tally};
use crate::names::SendPath;
use crate::units::saturating_sum;

tally! {
    /// System calls by kind. Those that were never made are left out of records.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default)]
    pub struct Calls {
        /// `send()` calls.
        send: u64 [serde(skip_serializing_if = "is_zero")],
        /// `sendmsg()` calls.
        sendmsg: u64 [serde(skip_serializing_if = "is_zero")],
        /// `sendfile()` calls.
        sendfile: u64 [serde(skip_serializing_if = "is_zero")],
        /// `splice()` calls, from a pipe to the socket.
        splice: u64 [serde(skip_serializing_if = "is_zero")],
        /// `vmsplice()` calls, into a pipe.
        vmsplice: u64 [serde(skip_serializing_if = "is_zero")],
        /// `io_uring_enter()` calls, which submit requests and wait for their completions.
        io_uring_enter: u64 [serde(skip_serializing_if = "is_zero")],
        /// `recv()` calls.
        recv: u64 [serde(skip_serializing_if = "is_zero")],
        /// `recvmsg()` calls for payload.
        recvmsg: u64 [serde(skip_serializing_if = "is_zero")],
        /// `readv()` calls.
        readv: u64 [serde(skip_serializing_if = "is_zero")],
        /// `getsockopt(TCP_ZEROCOPY_RECEIVE)` calls.
        zerocopy_receive: u64 [serde(skip_serializing_if = "is_zero")],
        /// `recvmsg(MSG_ERRQUEUE)` calls.
        recvmsg_errqueue: u64 [serde(skip_serializing_if = "is_zero")],
        /// `poll()` calls.
        poll: u64 [serde(skip_serializing_if = "is_zero")],
        /// `epoll_wait()` calls.
        epoll_wait: u64 [serde(skip_serializing_if = "is_zero")],
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Calls {
    /// Those of a receiver that take payload.
    pub fn receiving(&self) -> u64 {
        saturating_sum([
            self.recv,
            self.recvmsg,
            self.readv,
            self.zerocopy_receive,
            self.io_uring_enter,
        ])
    }

    /// Calls by which a path hands its bytes over: those that send, or those that submit requests and wait for them.
    pub fn sending(&self, path: SendPath) -> u64 {
        if path.capabilities().goes_through_uring {
            return self.io_uring_enter;
        }
        saturating_sum([self.send, self.sendmsg, self.sendfile, self.splice])
    }

    /// All system calls.
    pub fn all(&self) -> u64 {
        saturating_sum([
            self.send,
            self.sendmsg,
            self.sendfile,
            self.splice,
            self.vmsplice,
            self.io_uring_enter,
            self.recv,
            self.recvmsg,
            self.readv,
            self.zerocopy_receive,
            self.recvmsg_errqueue,
            self.poll,
            self.epoll_wait,
        ])
    }
}

tally! {
    /// What senders counted.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default)]
    pub struct SendTally {
        /// Whole messages handed to the kernel.
        messages: u64,
        /// Payload bytes that the kernel took.
        accepted_bytes: u64,
        /// System calls.
        calls: Calls,
        /// Calls that took less than they were given.
        short_writes: u64,
        /// Calls repeated after a signal.
        interrupted: u64,
        /// Calls refused with ENOBUFS and repeated after reaping.
        no_buffers: u64,
        /// Waits for a free slot.
        slot_waits: u64,
        /// Bytes copied by the path itself before the call (`staged`).
        staged_bytes: u64,
        /// Successful non-empty zero-copy sends, each of whose ids must be completed.
        zerocopy_sends: u64,
        /// Zero-copy notifications read.
        notifications: u64,
        /// Zero-copy sends that they completed.
        completed: u64,
        /// Completed ones that were marked copied (at least one byte of the range was).
        copied: u64,
        /// Ids completed twice or never sent (must be 0).
        stray_ids: u64,
        /// Completed ones whose copied mark means nothing, and is not counted: other requests were outstanding beside them
        /// (io_uring), or the kernel does not report it.
        unreliable_marks: u64 [serde(skip_serializing_if = "is_zero")],
        /// Times that a thread which polls an io_uring had gone to sleep and was woken (IORING_SQ_NEED_WAKEUP).
        ring_wakeups: u64 [serde(skip_serializing_if = "is_zero")],
        /// Completions taken from an io_uring, notifications among them.
        ring_completions: u64 [serde(skip_serializing_if = "is_zero")],
    }
}

impl SendTally {
    /// Completed zero-copy sends whose copied mark means something.
    pub fn reliable_marks(&self) -> u64 {
        self.completed.saturating_sub(self.unreliable_marks)
    }
}

tally! {
    /// What receivers counted.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default)]
    pub struct ReceiveTally {
        /// Payload bytes taken.
        received_bytes: u64,
        /// Those of them that were mapped instead of copied.
        mapped_bytes: u64 [serde(skip_serializing_if = "is_zero")],
        /// System calls.
        calls: Calls,
        /// Calls repeated after a signal.
        interrupted: u64,
        /// Completions taken from an io_uring.
        ring_completions: u64 [serde(skip_serializing_if = "is_zero")],
        /// Provided buffers that they brought: more than completions where bundles came.
        ring_buffers: u64 [serde(skip_serializing_if = "is_zero")],
        /// Multishot receives armed: the first, and one each time that one had ended.
        armed: u64 [serde(skip_serializing_if = "is_zero")],
        /// Those of them that asked for bundles: all where the kernel has bundles, else none.
        armed_bundles: u64 [serde(skip_serializing_if = "is_zero")],
        /// Multishot receives that ended because no provided buffer was left (ENOBUFS).
        no_buffers: u64 [serde(skip_serializing_if = "is_zero")],
        /// Bytes whose content was checked.
        checked_bytes: u64,
        /// Bytes that were not what was sent (must be 0).
        wrong_bytes: u64,
        /// Offset in its flow of the first wrong byte.
        first_wrong as "first_wrong_offset": Option<u64>,
    }
}

tally! {
    /// What the sink's BPF program and its helper counted; sums over flows.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default)]
    pub struct SinkTally {
        /// Packets with payload that the sink took (GSO packets count once).
        packets: u64,
        /// Payload bytes that it took in order, each counted once.
        payload_bytes: u64,
        /// Packets beyond a gap that it dropped, to be sent again.
        gaps: u64,
        /// Packets that came early and were joined later.
        reordered: u64,
        /// Packets whose payload was there already.
        duplicates: u64,
        /// Payload bytes that were there already.
        duplicate_bytes: u64,
        /// Packets that are no flow's of the trial, dropped and never answered.
        refused: u64,
        /// Frames that the helper answered with.
        acks: u64,
        /// Calls of the helper that sent nothing, as the device had no room or a signal came, and were made again.
        failed_sends: u64,
        /// Looks of the helper at the program's table (older versions recorded none).
        looks: u64,
    }
}

tally! {
    /// `getrusage(RUSAGE_THREAD)`, summed over workers.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Usage {
        /// User time of the workers, in microseconds.
        user_us: u64,
        /// System time of the workers, in microseconds.
        system_us: u64,
        /// Voluntary context switches.
        voluntary_switches: u64,
        /// Involuntary context switches.
        involuntary_switches: u64,
        /// Page faults without input or output.
        minor_faults: u64,
        /// Page faults with input or output.
        major_faults: u64,
    }
}

facts! {
    /// TCP_INFO of a side's flows between the edges of the window; sums, or means where said.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    pub struct TcpFacts {
        /// Smoothed round-trip time at the window's end in microseconds, mean over flows.
        rtt_us: f64,
        /// Congestion window at the window's end in packets, mean over flows.
        cwnd_packets: f64,
        /// Segment size for sending in bytes, mean over flows.
        mss_bytes: f64,
        /// Segments with payload sent in the window.
        data_segments_out: Option<u64>,
        /// Segments received in the window.
        segments_in: Option<u64>,
        /// Payload bytes sent in the window, retransmissions included.
        sent_bytes: Option<u64>,
        /// Payload bytes sent again in the window.
        retransmitted_bytes: Option<u64>,
        /// Segments sent again in the window.
        retransmits: u64,
        /// Time of the window in which the flows had something to send, in microseconds.
        busy_us: Option<u64>,
        /// Time of the window in which the receiver's window held them back, in microseconds.
        receiver_limited_us: Option<u64>,
        /// Time of the window in which the send buffer held them back, in microseconds.
        send_buffer_limited_us: Option<u64>,
    }
}

facts! {
    /// SNMP counters of the namespace, from some milliseconds before the window (instruments are read ahead of it) to its end,
    /// all connections of the namespace together (`/proc/net/snmp`, `/proc/net/netstat`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default)]
    pub struct SnmpFacts {
        /// `RetransSegs`: all segments sent again.
        retransmits: u64,
        /// `TCPFastRetrans`: segments sent again by fast retransmit.
        fast: u64,
        /// `TCPSlowStartRetrans`: segments sent again in slow start after a timeout.
        slow_start: u64,
        /// `TCPTimeouts`: retransmission timers that expired.
        timeouts: u64,
        /// `TCPLossProbes`: tail loss probes sent.
        loss_probes: u64,
        /// `TCPSpuriousRTOs`: timeouts that turned out to be unneeded.
        spurious: u64,
        /// `TCPLostRetransmit`: segments sent again that were lost again.
        lost_again: u64,
        /// `TCPBacklogDrop`: segments dropped because a socket's backlog was full.
        backlog_drops: u64,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally_table::{Field, Figure};
    use super::*;

    #[test]
    fn a_tally_between_two_edges_is_what_lies_between_them() {
        let early = SendTally {
            messages: 3,
            calls: Calls { sendmsg: 4, ..Calls::default() },
            ..SendTally::default()
        };
        let late =
            SendTally { messages: 10, calls: Calls { sendmsg: 14, ..Calls::default() }, ..early };
        let between = late.since(&early);
        assert_eq!((between.messages, between.calls.sendmsg), (7, 10));
        let mut sum = between;
        sum.add(&between);
        assert_eq!((sum.messages, sum.calls.sendmsg), (14, 20));
    }

    #[test]
    fn the_first_wrong_byte_is_kept_in_a_sum_and_is_no_news_after_an_earlier_one() {
        let at = |first_wrong| ReceiveTally { first_wrong, ..ReceiveTally::default() };
        let mut sum = at(None);
        sum.add(&at(Some(7)));
        sum.add(&at(Some(3)));
        assert_eq!(sum.first_wrong, Some(7));
        assert_eq!(at(Some(7)).since(&at(None)).first_wrong, Some(7));
        assert_eq!(at(Some(7)).since(&at(Some(7))).first_wrong, None);
    }

    #[test]
    fn tallies_are_written_as_journals_have_them() {
        let calls = Calls { sendmsg: 2, poll: 5, ..Calls::default() };
        let sent = SendTally { messages: 9, calls, ..SendTally::default() };
        assert_eq!(
            serde_json::to_string(&sent).unwrap(),
            r#"{"messages":9,"accepted_bytes":0,"calls":{"sendmsg":2,"poll":5},"short_writes":0,"interrupted":0,"no_buffers":0,"slot_waits":0,"staged_bytes":0,"zerocopy_sends":0,"notifications":0,"completed":0,"copied":0,"stray_ids":0}"#
        );
        let received = ReceiveTally { first_wrong: Some(7), ..ReceiveTally::default() };
        assert_eq!(
            serde_json::to_string(&received).unwrap(),
            r#"{"received_bytes":0,"calls":{},"interrupted":0,"checked_bytes":0,"wrong_bytes":0,"first_wrong":7}"#
        );
        let tcp = TcpFacts { rtt_us: 1.5, busy_us: Some(2), ..TcpFacts::default() };
        assert_eq!(
            serde_json::to_string(&tcp).unwrap(),
            r#"{"rtt_us":1.5,"cwnd_packets":0.0,"mss_bytes":0.0,"data_segments_out":null,"segments_in":null,"sent_bytes":null,"retransmitted_bytes":null,"retransmits":0,"busy_us":2,"receiver_limited_us":null,"send_buffer_limited_us":null}"#
        );
    }

    /// Every field of a tally as the journal spells it, by path, is one of its listed fields, with the same figure.
    fn lists_all<T: Serialize>(tally: &T, fields: Vec<Field<T>>, renamed: &[(&str, &str)]) {
        let mut written = Vec::new();
        let object = serde_json::to_value(tally).unwrap();
        for (key, value) in object.as_object().unwrap() {
            match value.as_object() {
                Some(part) => written.extend(
                    part.iter().map(|(name, value)| (format!("{key}_{name}"), value.to_string())),
                ),
                None => written.push((key.clone(), value.to_string())),
            }
        }
        let mut listed: Vec<(String, String)> = fields
            .into_iter()
            .map(|field| {
                let name = renamed.iter().find(|(_, column)| *column == field.name);
                let name = name.map_or(field.name, |(key, _)| (*key).to_owned());
                assert!(!field.meaning.is_empty() && !field.meaning.ends_with('.'));
                let figure = (field.get)(tally);
                (name, figure.map_or("null".to_owned(), |figure| figure.to_string()))
            })
            .collect();
        written.sort();
        listed.sort();
        assert_eq!(listed, written);
    }

    #[test]
    fn every_field_is_listed_once_with_its_figure() {
        let calls = Calls {
            send: 1,
            sendmsg: 2,
            recv: 3,
            recvmsg_errqueue: 4,
            poll: 5,
            epoll_wait: 6,
            sendfile: 7,
            splice: 8,
            vmsplice: 9,
            io_uring_enter: 10,
            recvmsg: 11,
            readv: 12,
            zerocopy_receive: 13,
        };
        lists_all(&calls, Calls::fields(), &[]);
        lists_all(
            &SendTally {
                messages: 9,
                calls,
                stray_ids: 8,
                unreliable_marks: 7,
                ring_completions: 6,
                ring_wakeups: 5,
                ..SendTally::default()
            },
            SendTally::fields(),
            &[],
        );
        let received = ReceiveTally {
            calls,
            mapped_bytes: 4,
            ring_completions: 5,
            ring_buffers: 6,
            armed: 7,
            armed_bundles: 8,
            no_buffers: 9,
            first_wrong: Some(3),
            ..ReceiveTally::default()
        };
        lists_all(&received, ReceiveTally::fields(), &[("first_wrong", "first_wrong_offset")]);
        lists_all(&SinkTally { looks: 7, ..SinkTally::default() }, SinkTally::fields(), &[]);
        lists_all(&Usage { major_faults: 2, ..Usage::default() }, Usage::fields(), &[]);
        let tcp = TcpFacts {
            rtt_us: 1.5,
            cwnd_packets: 10.25,
            mss_bytes: 0.5,
            busy_us: Some(4),
            ..TcpFacts::default()
        };
        lists_all(&tcp, TcpFacts::fields(), &[]);
        lists_all(&SnmpFacts { fast: 2, ..SnmpFacts::default() }, SnmpFacts::fields(), &[]);
    }

    #[test]
    fn all_calls_are_the_sum_of_every_kind() {
        let calls = Calls {
            send: 1,
            sendmsg: 2,
            recv: 4,
            recvmsg_errqueue: 8,
            poll: 16,
            epoll_wait: 32,
            sendfile: 64,
            splice: 128,
            vmsplice: 256,
            io_uring_enter: 512,
            recvmsg: 1024,
            readv: 2048,
            zerocopy_receive: 4096,
        };
        let listed: u64 = Calls::fields()
            .iter()
            .map(|field| match (field.get)(&calls) {
                Some(Figure::Whole(count)) => count,
                other => panic!("{} is {other:?}", field.name),
            })
            .sum();
        assert_eq!(calls.all(), listed);
    }
}
