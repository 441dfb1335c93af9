//! Trials over a veth link that loses, doubles, delays or marks one packet of a hundred, as root: every path delivers what it
//! accepted, whole and unchanged, and what TCP had to do about it is counted. This test program is its own end.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::fs::{self, File};
use std::process::ExitCode;

use aya::Ebpf;
use aya::maps::Array;
use aya::programs::tc::TcAttachOptions;
use aya::programs::{LinkOrder, SchedClassifier, TcAttachType};
use engine::Engine;
use kernel::netns::Namespace;
use kernel::offloads::{Offload, Offloads};
use model::record::{Finished, Outcome};
use model::values::CopyBelow;
use model::{Cell, Completions, SendPath};
use rustix::net::{AddressFamily, SocketFlags, SocketType, eth, socket_with};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

mod common;

use common::{Test, engine, finished, in_windows, order, run_tests, series, sink_refused, trial};

/// The programs of `bpf/faulty_link.bpf.c`.
const OBJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bpf/faulty_link.bpf.o");

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("end") {
        return engine::end::main();
    }
    let tests: [Test; 7] = [
        ("what_is_lost_is_sent_again_and_counted_on_every_path", losses),
        ("a_series_over_a_link_that_loses_ends_with_figures", losses_in_turns),
        ("what_comes_twice_is_taken_once_on_every_path", duplicates),
        ("what_comes_out_of_order_is_put_in_order_on_every_path", reordering),
        ("marks_of_congestion_slow_and_change_nothing_else", congestion),
        ("the_sink_takes_each_byte_once_whatever_its_link_does", sink),
        ("what_copies_before_the_sink_is_in_the_record", copying),
    ];
    run_tests(&tests, refused())
}

/// Why this machine cannot do it.
fn refused() -> Option<String> {
    let namespace = match Namespace::create() {
        Ok(namespace) => namespace,
        Err(why) => return Some(why.to_string()),
    };
    let attached = namespace.run(|| Fault::attach("lose", "lo", TcAttachType::Egress).map(drop));
    match attached {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(format!("a classifier on a device: {why}")),
        Err(why) => Some(why.to_string()),
    }
}

/// A fault of a device, from now until it is dropped.
struct Fault(Ebpf);

impl Fault {
    /// On a device of the calling thread's namespace.
    fn attach(name: &str, device: &str, at: TcAttachType) -> Result<Self, String> {
        let text = |error: &dyn std::error::Error| {
            let source = error.source().map_or_else(String::new, |source| format!(": {source}"));
            format!("{error}{source}")
        };
        let mut programs = Ebpf::load(&fs::read(OBJECT).unwrap()).map_err(|error| text(&error))?;
        let program: &mut SchedClassifier = programs.program_mut(name).unwrap().try_into().unwrap();
        program.load().map_err(|error| text(&error))?;
        // Before the sink's own program, which hands nothing on.
        let order = TcAttachOptions::TcxOrder(LinkOrder::first());
        program.attach_with_options(device, at, order).map_err(|error| text(&error))?;
        Ok(Self(programs))
    }

    /// Packets that met it.
    fn met(&self) -> u64 {
        let counts: Array<_, u64> = self.0.map("counts").unwrap().try_into().unwrap();
        counts.get(&1, 0).unwrap()
    }
}

/// Runs something in the network namespace of a child of this process that has this device: an end.
fn at_the_end_with<T: Send>(device: &str, act: impl FnOnce() -> T + Send) -> T {
    let mine = std::process::id().to_string();
    let has_device = |process: &str| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        let devices = fs::read_to_string(format!("/proc/{process}/net/dev")).unwrap_or_default();
        parent.is_some_and(|parent| parent.trim() == mine) && devices.contains(device)
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let process = processes
        .filter_map(|entry| entry.file_name().into_string().ok())
        .find(|name| name.parse::<u32>().is_ok() && has_device(name))
        .unwrap_or_else(|| panic!("no end has {device}"));
    let namespace = File::open(format!("/proc/{process}/ns/net")).unwrap();
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                move_into_link_name_space(
                    std::os::fd::AsFd::as_fd(&namespace),
                    Some(LinkNameSpaceType::Network),
                )
                .unwrap();
                act()
            })
            .join()
            .unwrap()
    })
}

/// A counter of `/proc/net/netstat` at the receiving end.
fn received_counter(name: &str) -> u64 {
    let text =
        at_the_end_with("recv0", || fs::read_to_string("/proc/thread-self/net/netstat").unwrap());
    let lines: Vec<&str> = text.lines().collect();
    let counter = lines.chunks(2).find_map(|pair| {
        let at = pair[0].split(' ').position(|column| column == name)?;
        pair[1].split(' ').nth(at)
    });
    counter.unwrap_or_else(|| panic!("no counter {name}")).parse().unwrap()
}

/// An engine whose link, set up so, has the fault.
fn faulty(link: &str, fault: &str) -> (Engine, Fault) {
    let mut engine = engine();
    trial(&mut engine, &format!("send=sendmsg {link} message_bytes=4096 threads=1"), 10);
    // What its own device drops a sender knows at once, and sends again as if it had not been sent.
    let (device, at) = match fault {
        "lose" | "delay" => ("recv0", TcAttachType::Ingress),
        _ => ("send0", TcAttachType::Egress),
    };
    let fault = at_the_end_with(device, || Fault::attach(fault, device, at)).unwrap();
    (engine, fault)
}

/// Every way to send over a link.
fn ways_to_send(link: &str) -> Vec<Cell> {
    let mut cells = Vec::new();
    for path in SendPath::ALL {
        let cell = format!("send={path} {link} message_bytes=4097 threads=2 ring=4");
        let cell: Cell = cell.parse().unwrap();
        if path.capabilities().may_copy_instead() {
            cells.push(Cell { completions: Completions::Left, ..cell.clone() });
        }
        if path.capabilities().copies_short_fields {
            let copy_below = CopyBelow::new(513).unwrap();
            cells.push(Cell { copy_below, ..cell.clone() });
        }
        cells.push(cell);
    }
    cells
}

/// Sends content that is checked, where the path lets it be, and compares what both ends tell; until something was sent.
fn delivered(engine: &mut Engine, cell: &Cell, shortest_ms: u64) -> Finished {
    in_windows(&cell.to_string(), shortest_ms, |window_ms| {
        let finished = delivered_once(engine, cell, window_ms);
        (finished.receiver.total.received_bytes > 0).then_some(finished)
    })
}

fn delivered_once(engine: &mut Engine, cell: &Cell, window_ms: u64) -> Finished {
    let is_checked = cell.completions == Completions::Read && cell.link.capabilities().has_receiver;
    let order = order(&cell.to_string(), window_ms);
    let run = if is_checked { engine.checked_trial(&order) } else { engine.trial(&order) };
    let finished = finished(run.unwrap().1, &cell.to_string());
    let (sent, received) = (&finished.sender.total, &finished.receiver.total);
    assert_eq!(sent.accepted_bytes, received.received_bytes, "{cell}");
    assert_eq!(sent.accepted_bytes, sent.messages * cell.message.bytes().0, "{cell}");
    assert_eq!((sent.zerocopy_sends, sent.stray_ids), (sent.completed, 0), "{cell}");
    if is_checked {
        assert_eq!(received.wrong_bytes, 0, "{cell}: first at {:?}", received.first_wrong);
        assert_eq!(received.checked_bytes, received.received_bytes, "{cell}");
    }
    finished
}

/// Links that carry packets of 64 KiB, and of the MTU.
const LINKS: [&str; 2] = ["link=veth", "link=veth tso=off gso=off"];

/// All ways to send over a link with a fault: how many packets met it, and how many segments were sent again in the windows.
fn over(link: &str, fault: &str, shortest_ms: u64) -> (u64, u64) {
    let (mut engine, fault) = faulty(link, fault);
    let mut again = 0;
    for cell in ways_to_send(link) {
        let met = fault.met();
        // One packet of a hundred is: where others crowd the CPUs a short trial may have had fewer.
        in_windows(&format!("{cell}: a packet that meets the fault"), shortest_ms, |window_ms| {
            let finished = delivered(&mut engine, &cell, window_ms);
            again += finished.sender.retransmits().unwrap_or(0);
            (fault.met() > met).then_some(())
        });
    }
    (fault.met(), again)
}

fn losses() {
    for link in LINKS {
        // Those that the window does not hold are told by no figure.
        in_windows(&format!("{link}: sent again"), 100, |window_ms| {
            let (_, again) = over(link, "lose", window_ms);
            (again > 0).then_some(())
        });
    }
}

fn losses_in_turns() {
    let cells = [
        "send=sendmsg link=veth message_bytes=4096 threads=1",
        "send=zerocopy link=veth message_bytes=4096 threads=1",
    ];
    let (mut engine, fault) = faulty("link=veth", "lose");
    in_windows("a packet that meets the fault", 4, |window_ms| {
        let mut order = series(&cells, 10, None);
        order.slice.window = model::Nanos::ms(window_ms);
        let outcomes = engine.series(&order).unwrap();
        for (cell, outcome) in cells.iter().zip(outcomes) {
            let Some((_, Outcome::Finished(finished))) = outcome else {
                panic!("{cell}: {outcome:?}")
            };
            let (sent, received) = (finished.sender.total, finished.receiver.total);
            assert_eq!(sent.accepted_bytes, received.received_bytes);
        }
        (fault.met() > 0).then_some(())
    });
}

/// All ways to send over each link with a fault, until packets have met it and a counter of the receiving end tells so.
fn is_counted(fault: &str, counter: &str, prepare: impl Fn() -> Result<(), String>) {
    for link in LINKS {
        let (mut engine, fault) = faulty(link, fault);
        if let Err(why) = prepare() {
            return eprintln!("skipped: {why}");
        }
        let before = received_counter(counter);
        in_windows(&format!("{link}: {counter}"), 100, |window_ms| {
            for cell in ways_to_send(link) {
                delivered(&mut engine, &cell, window_ms);
            }
            (fault.met() > 0 && received_counter(counter) > before).then_some(())
        });
    }
}

fn duplicates() {
    is_counted("duplicate", "TCPDSACKOldSent", || Ok(()));
}

fn reordering() {
    is_counted("delay", "TCPOFOQueue", || Ok(()));
}

fn congestion() {
    // As for every connection of a machine that asks for ECN (Documentation/networking/ip-sysctl.rst).
    is_counted("congest", "InCEPkts", || {
        let ask = || fs::write("/proc/sys/net/ipv4/tcp_ecn", "1");
        at_the_end_with("send0", ask).map_err(|why| format!("/proc/sys/net/ipv4/tcp_ecn: {why}"))
    });
}

fn sink() {
    if let Some(why) = sink_refused() {
        return eprintln!("skipped: {why}");
    }
    for fault in ["lose", "duplicate", "delay"] {
        let (mut engine, met) = faulty("link=sink", fault);
        in_windows(&format!("{fault} on the sink"), 100, |window_ms| {
            let seen = seen_by_the_sink(&mut engine, fault, window_ms);
            (met.met() > 0 && seen > 0).then_some(())
        });
    }
}

fn copying() {
    if let Some(why) = sink_refused() {
        return eprintln!("skipped: {why}");
    }
    let mut engine = engine();
    let cell = "send=zerocopy link=sink message_bytes=65536 threads=1";
    // Of a trial in which completions came, and in which some were marked copied where something copies: whether the device gathers,
    // and packet sockets that see all.
    let mut seen = |copies: bool| {
        in_windows(cell, 50, |window_ms| {
            let finished = trial(&mut engine, cell, window_ms);
            let facts = finished.link.value().unwrap().clone();
            let total = finished.sender.total;
            assert!(copies || total.copied == 0, "{} of {}", total.copied, total.completed);
            let facts =
                (*facts.scatter_gather.value().unwrap(), *facts.packet_taps.value().unwrap());
            (total.completed > 0 && (total.copied > 0) == copies).then_some(facts)
        })
    };
    assert_eq!(seen(false), (true, 0));
    let gather = |on| {
        let offloads = at_the_end_with("send0", Offloads::here).unwrap();
        assert_eq!(offloads.set("send0", Offload::ScatterGather, on), Ok(on));
    };
    gather(false);
    // What the kernel segments it copies without a mark: some completions have one, and not all.
    assert_eq!(seen(true), (false, 0));
    gather(true);
    for device in ["send0", "recv0"] {
        let tap = at_the_end_with(device, || {
            socket_with(
                AddressFamily::PACKET,
                SocketType::RAW,
                SocketFlags::CLOEXEC,
                Some(eth::ALL),
            )
        });
        let tap = tap.unwrap();
        assert_eq!(seen(true), (true, 1), "{device}");
        drop(tap);
    }
    assert_eq!(seen(false), (true, 0));
}

/// What the sink's program saw of a fault, on all ways to send.
fn seen_by_the_sink(engine: &mut Engine, fault: &str, window_ms: u64) -> u64 {
    let mut seen = 0;
    for cell in ways_to_send("link=sink") {
        let cell = Cell { threads: model::values::Threads::new(1).unwrap(), ..cell };
        let finished = delivered(engine, &cell, window_ms);
        let total = &finished.sink.value().unwrap().total;
        assert_eq!(total.payload_bytes, finished.sender.total.accepted_bytes, "{cell}");
        // The helper answers what came since its last look with one acknowledgement, so that a loss mostly waits for the timer, and
        // a short window may see nothing: it is told as missed.
        let worker = &finished.sender.workers[0];
        assert!(worker.bytes.0 > 0 || worker.window_ns.0 == 0, "{cell}: {worker:?}");
        seen += match fault {
            "duplicate" => total.duplicates,
            _ => total.gaps + total.reordered,
        };
    }
    seen
}
