//! The columns of one end: workers, tallies, calls, usage, counters, TCP and SNMP.

use model::Measured;
use model::record::{
    Calls, Count, Counters, Finished, ReceiveTally, SendTally, Side, SnmpFacts, TcpFacts, Usage,
    Worker,
};

use super::{Columns, put_list};

/// The way from a trial's reports to a part of them.
type Of<T> = for<'a> fn(&'a Finished) -> &'a T;

/// One column a field of a copied struct: its name in Rust, its name in the file where that differs, its meaning.
macro_rules! fields {
    ($columns:ident, $get:expr, $prefix:expr, $when:expr, { $( $field:ident $(as $name:literal)? = $meaning:literal; )+ }) => { $(
        let (get, name) = ($get, fields!(@name $field $($name)?));
        $columns.number(format!("{}{name}", $prefix), format!("{}{}.", $meaning, $when), move |row| {
            row.finished().and_then(get).map(|from| from.$field)
        });
    )+ };
    (@name $field:ident $name:literal) => { $name };
    (@name $field:ident) => { stringify!($field) };
}

const IN_WINDOW: &str = ", in the workers' windows";
const IN_TOTAL: &str = ", over the whole trial with warm-up and drain";

pub(super) fn sender(columns: &mut Columns) {
    let of: Of<Side<SendTally>> = |f| &f.sender;
    workers(columns, "sender", of);
    send_tally(columns, "sender_", IN_WINDOW, |f| Some(f.sender.window));
    send_tally(columns, "sender_total_", IN_TOTAL, |f| Some(f.sender.total));
    side(columns, "sender", of);
}

pub(super) fn receiver(columns: &mut Columns) {
    let of: Of<Side<ReceiveTally>> = |f| &f.receiver;
    workers(columns, "receiver", of);
    receive_tally(columns, "receiver_", IN_WINDOW, |f| Some(f.receiver.window));
    receive_tally(columns, "receiver_total_", IN_TOTAL, |f| Some(f.receiver.total));
    side(columns, "receiver", of);
}

fn workers<T: 'static>(columns: &mut Columns, side: &str, of: Of<Side<T>>) {
    let mut one_each = |name: &str, meaning: &str, value: fn(&Worker) -> String| {
        columns.add(false, format!("{side}_worker_{name}"), meaning, move |row, out| {
            if let Some(finished) = row.finished() {
                put_list(out, of(finished).workers.iter().map(value));
            }
        });
    };
    one_each("late_ns", "Each worker's start of its window after the ordered one.", |w| {
        w.late_ns.to_string()
    });
    one_each("window_ns", "Each worker's own window.", |w| w.window_ns.0.to_string());
    one_each("bytes", "Each worker's payload in its window.", |w| w.bytes.0.to_string());
    one_each("cpu_ns", "Each worker's CPU time in its window.", |w| w.cpu_ns.0.to_string());
    one_each(
        "third_bytes",
        "Each worker's payload in each third of its window, three figures a worker.",
        |w| three(w.third_bytes),
    );
    one_each("third_ns", "Length of each third, three figures a worker.", |w| three(w.third_ns));
}

fn three(thirds: [u64; 3]) -> String {
    let [first, second, third] = thirds;
    format!("{first} {second} {third}")
}

fn send_tally(
    columns: &mut Columns,
    prefix: &str,
    when: &str,
    get: fn(&Finished) -> Option<SendTally>,
) {
    fields!(columns, get, prefix, when, {
        messages = "Whole messages handed to the kernel";
        accepted_bytes = "Payload that the kernel took";
    });
    calls(columns, prefix, when, move |f| get(f).map(|t| t.calls));
    fields!(columns, get, prefix, when, {
        short_writes = "Calls that took less than they were given";
        interrupted = "Calls repeated after a signal";
        no_buffers = "Calls refused with ENOBUFS and repeated after reaping";
        slot_waits = "Waits for a free slot";
        staged_bytes = "Bytes copied by the path itself before the call";
        zerocopy_sends = "Successful non-empty zero-copy sends";
        notifications = "Zero-copy notifications read";
        completed = "Zero-copy sends that they completed";
        copied = "Completed ones that were marked copied";
        stray_ids = "Ids completed twice or never sent; must be 0";
    });
}

fn receive_tally(
    columns: &mut Columns,
    prefix: &str,
    when: &str,
    get: fn(&Finished) -> Option<ReceiveTally>,
) {
    fields!(columns, get, prefix, when, {
        received_bytes = "Payload taken";
    });
    calls(columns, prefix, when, move |f| get(f).map(|t| t.calls));
    fields!(columns, get, prefix, when, {
        interrupted = "Calls repeated after a signal";
        checked_bytes = "Payload whose content was checked";
        wrong_bytes = "Payload that was not what was sent; must be 0";
    });
    columns.number(
        format!("{prefix}first_wrong_offset"),
        format!("Offset in its flow of the first wrong byte{when}."),
        move |row| row.finished().and_then(get).and_then(|t| t.first_wrong),
    );
}

fn calls(
    columns: &mut Columns,
    prefix: &str,
    when: &str,
    get: impl Fn(&Finished) -> Option<Calls> + Copy + 'static,
) {
    fields!(columns, get, prefix, when, {
        send as "calls_send" = "send() calls";
        sendmsg as "calls_sendmsg" = "sendmsg() calls";
        recv as "calls_recv" = "recv() calls";
        recvmsg_errqueue as "calls_recvmsg_errqueue" = "recvmsg(MSG_ERRQUEUE) calls";
        poll as "calls_poll" = "poll() calls";
        epoll_wait as "calls_epoll_wait" = "epoll_wait() calls";
    });
}

fn side<T: 'static>(columns: &mut Columns, side: &str, of: Of<Side<T>>) {
    usage(columns, side, of);
    counters(columns, side, of);
    tcp(columns, side, of);
    snmp(columns, side, of);
    let mut number = |name: &str, meaning: &str, value: fn(&Side<T>) -> Option<u64>| {
        columns.number(format!("{side}_{name}"), meaning, move |row| {
            row.finished().and_then(|f| value(of(f)))
        });
    };
    number("strangers", "Strangers refused at the data port.", |s| Some(s.strangers));
    number(
        "edge_ns",
        "What the instruments took at the window's edges, all workers together.",
        |s| Some(s.edge_ns.0),
    );
    number("peak_rss_bytes", "Highest resident memory of this end so far.", |s| {
        Some(s.peak_rss_bytes.0)
    });
    number("ring_bytes", "Its arenas and buffers.", |s| Some(s.ring_bytes.0));
    number("throttled_us", "Throttled by a cgroup's CPU limit in the window.", |s| {
        s.throttled_us.value().copied()
    });
    number(
        "socket_sndbuf_bytes",
        "SO_SNDBUF at the window's end, as the kernel tells it (doubled).",
        |s| Some(s.socket.send_buffer_bytes),
    );
    number(
        "socket_rcvbuf_bytes",
        "SO_RCVBUF at the window's end, as the kernel tells it (doubled).",
        |s| Some(s.socket.receive_buffer_bytes),
    );
    let mut text = |name: &str, meaning: &str, value: fn(&Side<T>) -> String| {
        columns.text(format!("{side}_{name}"), meaning, move |row| {
            row.finished().map(|f| value(of(f)))
        });
    };
    text("socket_congestion", "TCP_CONGESTION, read back.", |s| s.socket.congestion.clone());
    text("socket_nodelay", "TCP_NODELAY, read back: true or false.", |s| {
        s.socket.nodelay.to_string()
    });
    text("socket_zerocopy", "SO_ZEROCOPY, read back: true or false.", |s| {
        s.socket.zerocopy.to_string()
    });
}

fn usage<T: 'static>(columns: &mut Columns, side: &str, of: Of<Side<T>>) {
    let get = move |f: &Finished| -> Option<Usage> { of(f).usage.value().copied() };
    let prefix = format!("{side}_");
    fields!(columns, get, prefix, IN_WINDOW, {
        user_us = "User time of the workers";
        system_us = "System time of the workers";
        voluntary_switches = "Voluntary context switches";
        involuntary_switches = "Involuntary context switches";
        minor_faults = "Page faults without input or output";
        major_faults = "Page faults with input or output";
    });
    columns.number(
        format!("{side}_after_cpu_ns"),
        "CPU time of the workers from the end of the window to the end of the drain.",
        move |row| row.finished().map(|f| of(f).after_cpu_ns.0),
    );
}

fn counters<T: 'static>(columns: &mut Columns, side: &str, of: Of<Side<T>>) {
    let mut count = |name: &str, meaning: &str, counter: fn(&Counters) -> &Measured<Count>| {
        columns.number(format!("{side}_{name}"), format!("{meaning}{IN_WINDOW}."), move |row| {
            row.finished().and_then(|f| counter(&of(f).counters).value()).map(|c| c.count)
        });
    };
    count("cycles", "CPU cycles, user and kernel", |c| &c.cycles);
    count("instructions", "Instructions", |c| &c.instructions);
    count("llc_loads", "Last-level cache read accesses", |c| &c.llc_loads);
    count("llc_misses", "Last-level cache read misses", |c| &c.llc_misses);
    count("l1d_misses", "Level-1 data cache read misses", |c| &c.l1d_misses);
    count("dtlb_misses", "Data TLB read misses", |c| &c.dtlb_misses);
    count("cache_misses", "The vendor's generic cache-misses", |c| &c.cache_misses);
    count("context_switches", "Context switches", |c| &c.context_switches);
    count("migrations", "Migrations to another CPU", |c| &c.migrations);
    count("task_clock_ns", "CPU time by the counters' own clock", |c| &c.task_clock_ns);
    columns.text(
        format!("{side}_cache_misses_event"),
        format!("The raw event behind {side}_cache_misses."),
        move |row| row.finished().and_then(|f| of(f).counters.cache_misses_event.value().cloned()),
    );
    columns.add(
        true,
        format!("{side}_scaled_counters"),
        "Counters that shared their place with others and were scaled by enabled over running time.",
        move |row, out| {
            if let Some(finished) = row.finished() {
                let all = of(finished).counters.all();
                let scaled = all.iter().filter(|(_, count)| count.value().is_some_and(|c| c.scaled));
                put_list(out, scaled.map(|(name, _)| name));
            }
        },
    );
}

fn tcp<T: 'static>(columns: &mut Columns, side: &str, of: Of<Side<T>>) {
    let get = move |f: &Finished| -> Option<TcpFacts> { of(f).tcp.value().copied() };
    let prefix = format!("{side}_tcp_");
    fields!(columns, get, prefix, "", {
        rtt_us = "Smoothed round-trip time at the window's end, mean over flows";
        cwnd_packets = "Congestion window at the window's end, mean over flows";
        mss_bytes = "Segment size for sending, mean over flows";
        retransmits = "Segments sent again in the window";
    });
    let mut optional = |name: &str, meaning: &str, value: fn(TcpFacts) -> Option<u64>| {
        columns.number(
            format!("{prefix}{name}"),
            format!("{meaning} in the window."),
            move |row| row.finished().and_then(get).and_then(value),
        );
    };
    optional("data_segments_out", "Segments with payload sent", |t| t.data_segments_out);
    optional("segments_in", "Segments received", |t| t.segments_in);
    optional("sent_bytes", "Payload sent, retransmissions included,", |t| t.sent_bytes);
    optional("retransmitted_bytes", "Payload sent again", |t| t.retransmitted_bytes);
    optional("busy_us", "Time in which the flows had something to send", |t| t.busy_us);
    optional("receiver_limited_us", "Time held back by the receiver's window", |t| {
        t.receiver_limited_us
    });
    optional("send_buffer_limited_us", "Time held back by the send buffer", |t| {
        t.send_buffer_limited_us
    });
}

fn snmp<T: 'static>(columns: &mut Columns, side: &str, of: Of<Side<T>>) {
    let get = move |f: &Finished| -> Option<SnmpFacts> { of(f).snmp.value().copied() };
    let prefix = format!("{side}_snmp_");
    fields!(columns, get, prefix, " of the namespace, in the window", {
        retransmits = "RetransSegs";
        fast = "TCPFastRetrans";
        slow_start = "TCPSlowStartRetrans";
        timeouts = "TCPTimeouts";
        loss_probes = "TCPLossProbes";
        spurious = "TCPSpuriousRTOs";
        lost_again = "TCPLostRetransmit";
        backlog_drops = "TCPBacklogDrop";
    });
}
