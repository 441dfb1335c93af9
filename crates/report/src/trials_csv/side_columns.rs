//! The columns of one end: workers, tallies, CPU, counters, TCP, sockets and memory.

use model::record::{
    Counters, Finished, ReceiveTally, Releases, SendTally, Side, Slices, SnmpFacts, Span, TcpFacts,
    Usage, Worker,
};

use super::{Trials, tally};
use crate::csv_table::{Columns, List};

/// The way from a trial's reports to one side's.
type SideOf<T> = for<'a> fn(&'a Finished) -> &'a Side<T>;

const IN_WINDOW: &str = ", in the workers' windows";
const IN_TOTAL: &str = ", over the whole trial with warm-up and drain";

/// What the groups of a side's columns are about.
struct Subjects {
    workers: &'static str,
    window: &'static str,
    total: &'static str,
    cpu: &'static str,
    counters: &'static str,
    tcp: &'static str,
    sockets: &'static str,
}

pub(super) fn sender(columns: &mut Columns<Trials>) {
    const SUBJECTS: Subjects = Subjects {
        workers: "Sending workers",
        window: "Sender's tally of the window",
        total: "Sender's tally of the whole trial",
        cpu: "Sender's CPU time",
        counters: "Sender's counters",
        tcp: "Sender's TCP",
        sockets: "Sender's sockets and memory",
    };
    side(columns, "sender", &SUBJECTS, |f| &f.sender, SendTally::fields);
    columns.about("Release of the sender's buffers");
    releases(columns);
}

/// Which messages were timed until their buffers were released, and what came of it.
fn releases(columns: &mut Columns<Trials>) {
    fn of(f: &Finished) -> Option<&Releases> {
        f.sender.releases.as_deref()
    }
    columns.number(
        "sender_releases_timed_one_in",
        "One message in so many was timed, at random, until its buffer was free again.",
        |row| row.finished().and_then(of).map(|releases| releases.one_in),
    );
    columns.number("sender_releases_timed", "Messages timed in the windows.", |row| {
        row.finished().and_then(of).map(|releases| releases.times())
    });
    columns.number("sender_release_longest_ns", "The longest time of them.", |row| {
        row.finished().and_then(of).map(|releases| releases.longest_ns)
    });
    let mut list = |name: &str, meaning: &str, value: fn((u64, u64, u64)) -> u64| {
        columns.numbers(format!("sender_release_bucket_{name}"), meaning, move |row, list| {
            let releases = row.finished().and_then(of);
            list.extend(releases.into_iter().flat_map(Releases::spans).map(value));
        });
    };
    list("from_ns", "Where each bucket of their histogram begins.", |(from, _, _)| from);
    list("to_ns", "Where it ends.", |(_, to, _)| to);
    list("times", "How many lie in it.", |(_, _, times)| times);
}

pub(super) fn receiver(columns: &mut Columns<Trials>) {
    const SUBJECTS: Subjects = Subjects {
        workers: "Receiving workers",
        window: "Receiver's tally of the window",
        total: "Receiver's tally of the whole trial",
        cpu: "Receiver's CPU time",
        counters: "Receiver's counters",
        tcp: "Receiver's TCP",
        sockets: "Receiver's sockets and memory",
    };
    side(columns, "receiver", &SUBJECTS, |f| &f.receiver, ReceiveTally::fields);
}

fn side<T: Copy + 'static>(
    columns: &mut Columns<Trials>,
    side: &str,
    subjects: &Subjects,
    end: SideOf<T>,
    fields: fn() -> Vec<model::record::Field<T>>,
) {
    columns.about(subjects.workers);
    workers(columns, side, end);
    columns.about(subjects.window);
    tally(columns, (&format!("{side}_"), IN_WINDOW), fields(), move |f| Some(end(f).window));
    columns.about(subjects.total);
    tally(columns, (&format!("{side}_total_"), IN_TOTAL), fields(), move |f| Some(end(f).total));
    columns.about(subjects.cpu);
    cpu(columns, side, end);
    columns.about(subjects.counters);
    counters(columns, side, end);
    columns.about(subjects.tcp);
    let tcp = move |f: &Finished| end(f).tcp.value().copied();
    tally(columns, (&format!("{side}_tcp_"), ""), TcpFacts::fields(), tcp);
    let snmp = move |f: &Finished| end(f).snmp.value().copied();
    let when = ", of the namespace in the window";
    tally(columns, (&format!("{side}_snmp_"), when), SnmpFacts::fields(), snmp);
    columns.about(subjects.sockets);
    sockets(columns, side, end);
}

fn workers<T: 'static>(columns: &mut Columns<Trials>, side: &str, end: SideOf<T>) {
    let mut one_each = |name: &str, meaning: &str, put: fn(&Worker, &mut List<'_>)| {
        columns.numbers(format!("{side}_worker_{name}"), meaning, move |row, list| {
            let workers = row.finished().into_iter().flat_map(|f| &end(f).workers);
            workers.for_each(|worker| put(worker, list));
        });
    };
    one_each("late_ns", "Each worker's start of its window after the ordered one.", |w, list| {
        list.push(w.late_ns);
    });
    one_each("window_ns", "Each worker's own window.", |w, list| list.push(w.window_ns.0));
    one_each("bytes", "Each worker's payload in its window.", |w, list| list.push(w.bytes.0));
    one_each("cpu_ns", "Each worker's CPU time in its window.", |w, list| list.push(w.cpu_ns.0));
    one_each(
        "third_bytes",
        "Each worker's payload in each third of its window, three figures a worker.",
        |w, list| list.extend(w.third_bytes),
    );
    one_each("third_ns", "Length of each third, three figures a worker.", |w, list| {
        list.extend(w.third_ns);
    });
    let mut slices = |name: &str, meaning: &str, figures: fn(&Slices) -> &[u64]| {
        columns.numbers(format!("{side}_worker_slice_{name}"), meaning, move |row, list| {
            let workers = row.finished().into_iter().flat_map(|f| &end(f).workers);
            list.extend(workers.flat_map(|worker| figures(&worker.slices).iter().copied()));
        });
    };
    slices(
        "window_ns",
        "Each worker's own window in each slice, one worker after the other.",
        |s| &s.window_ns,
    );
    slices("bytes", "Its payload in each.", |s| &s.bytes);
    slices("cpu_ns", "Its CPU time in each.", |s| &s.cpu_ns);
    if side == "sender" {
        let meaning =
            "Zero-copy sends whose completion came in each; empty where none came in any.";
        slices("completions", meaning, |s| &s.completions);
    }
    let mut steady = |name: &str, meaning: &str, value: fn(&Span) -> u64| {
        columns.numbers(format!("{side}_worker_steady_{name}"), meaning, move |row, list| {
            let workers = row.finished().into_iter().flat_map(|f| &end(f).workers);
            list.extend(workers.filter_map(|worker| worker.steady.as_ref().map(value)));
        });
    };
    steady(
        "window_ns",
        "Each worker's steady window, the control; empty where there was none.",
        |w| w.window_ns,
    );
    steady("bytes", "Each worker's payload in it.", |w| w.bytes);
    steady("cpu_ns", "Each worker's CPU time in it.", |w| w.cpu_ns);
}

fn cpu<T: 'static>(columns: &mut Columns<Trials>, side: &str, end: SideOf<T>) {
    let usage = move |f: &Finished| end(f).usage.value().copied();
    tally(columns, (&format!("{side}_"), IN_WINDOW), Usage::fields(), usage);
    let mut number = |name: &str, meaning: &str, value: fn(&Side<T>) -> Option<u64>| {
        columns.number(format!("{side}_{name}"), meaning, move |row| {
            row.finished().and_then(|f| value(end(f)))
        });
    };
    number(
        "after_cpu_ns",
        "CPU time of the workers, and of io-wq's, from the end of each window to the end of the drain after it.",
        |s| Some(s.after_cpu_ns.0),
    );
    if side == "sender" {
        number(
            "pollers",
            "Threads of the kernel that polled its io_urings in the windows (SQPOLL).",
            |s| s.ring_threads.as_ref()?.value().map(|threads| threads.pollers.into()),
        );
        number(
            "polling_cpu_ns",
            "Their CPU time in the windows, which its workers' holds too.",
            |s| s.ring_threads.as_ref()?.value().map(|threads| threads.polling_cpu_ns),
        );
        number(
            "polling_after_cpu_ns",
            "What they took after the windows of a series, until they slept.",
            |s| s.ring_threads.as_ref()?.value()?.polling_after_cpu_ns,
        );
        number(
            "ring_workers",
            "Threads of the kernel that did requests of its io_urings (io-wq).",
            |s| s.ring_threads.as_ref()?.value().map(|threads| threads.workers.into()),
        );
        number(
            "ring_workers_cpu_ns",
            "Their CPU time in the windows, which its workers' holds too.",
            |s| s.ring_threads.as_ref()?.value().map(|threads| threads.working_cpu_ns),
        );
    }
    number(
        "edge_ns",
        "What the instruments took at the window's edges, all workers together.",
        |s| Some(s.edge_ns.0),
    );
    number("throttled_us", "Throttled by a cgroup's CPU limit in the window.", |s| {
        s.throttled_us.value().copied()
    });
}

fn counters<T: 'static>(columns: &mut Columns<Trials>, side: &str, end: SideOf<T>) {
    for counter in Counters::ALL {
        columns.number(
            format!("{side}_{}", counter.field),
            format!("{}{IN_WINDOW}.", counter.meaning),
            move |row| Some((counter.get)(&end(row.finished()?).counters).value()?.count),
        );
    }
    columns.lent_text(
        format!("{side}_cache_misses_event"),
        format!("The raw event behind {side}_cache_misses."),
        move |row| end(row.finished()?).counters.cache_misses_event.value().map(String::as_str),
    );
    columns.words(
        format!("{side}_scaled_counters"),
        "Counters that shared their place with others and were scaled by enabled over running time.",
        move |row, list| {
            let all = row.finished().into_iter().flat_map(|f| end(f).counters.all());
            let scaled = all.filter(|(_, count)| count.value().is_some_and(|c| c.scaled));
            list.extend(scaled.map(|(name, _)| name));
        },
    );
}

fn sockets<T: 'static>(columns: &mut Columns<Trials>, side: &str, end: SideOf<T>) {
    columns.lent_text(
        format!("{side}_socket_congestion"),
        "TCP_CONGESTION, read back; empty of a socket that is not TCP.",
        move |row| row.finished().map(|f| &*end(f).socket.congestion),
    );
    let mut truth = |name: &str, meaning: &str, value: fn(&Side<T>) -> Option<bool>| {
        columns.text(format!("{side}_{name}"), meaning, move |row| {
            row.finished().and_then(|f| value(end(f)))
        });
    };
    truth(
        "socket_nodelay",
        "TCP_NODELAY, read back: true or false; empty of a socket that is not TCP.",
        |s| s.socket.nodelay,
    );
    truth("socket_zerocopy", "SO_ZEROCOPY, read back: true or false.", |s| Some(s.socket.zerocopy));
    let mut number = |name: &str, meaning: &str, value: fn(&Side<T>) -> u64| {
        columns.number(format!("{side}_{name}"), meaning, move |row| {
            row.finished().map(|f| value(end(f)))
        });
    };
    number(
        "socket_sndbuf_bytes",
        "SO_SNDBUF at the window's end, as the kernel tells it (doubled).",
        |s| s.socket.send_buffer_bytes,
    );
    number(
        "socket_rcvbuf_bytes",
        "SO_RCVBUF at the window's end, as the kernel tells it (doubled).",
        |s| s.socket.receive_buffer_bytes,
    );
    columns.number(
        format!("{side}_socket_pacing_bytes_per_s"),
        "SO_MAX_PACING_RATE of a connection, read back; empty where nothing bounds it.",
        move |row| row.finished().and_then(|f| end(f).socket.pacing_bytes_per_s),
    );
    columns.number(
        format!("{side}_socket_busy_poll_us"),
        "SO_BUSY_POLL of a connection, read back; empty where it is 0.",
        move |row| row.finished().and_then(|f| end(f).socket.busy_poll_us).map(u64::from),
    );
    columns.number(
        format!("{side}_socket_napi_id"),
        "SO_INCOMING_NAPI_ID of a connection at the window's end; empty where it has none, so that busy polling does nothing.",
        move |row| row.finished().and_then(|f| end(f).socket.napi_id).map(u64::from),
    );
    let mut number = |name: &str, meaning: &str, value: fn(&Side<T>) -> u64| {
        columns.number(format!("{side}_{name}"), meaning, move |row| {
            row.finished().map(|f| value(end(f)))
        });
    };
    number("strangers", "Strangers refused at the data port.", |s| s.strangers);
    number("ring_bytes", "Its arenas and buffers.", |s| s.ring_bytes.0);
    number("peak_rss_bytes", "Highest resident memory of this end so far.", |s| s.peak_rss_bytes.0);
}
