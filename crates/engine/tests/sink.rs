//! Whole trials over the link `sink`, as root. This test program is its own end, as in `trials.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use engine::Engine;
use engine::gate::SliceKind;
use engine::protocol::{Absorb, Among, Meet, Order, Prepare, Reply, Report, Role, Slice};
use kernel::netlink::{Netlink, NewDevice};
use kernel::netns::Namespace;
use kernel::packet_socket::PacketSocket;
use model::record::{Finished, Outcome, Settings};
use model::{Cell, Factor, Nanos, Plan, Preset, SendPath};

mod common;

use common::{
    OrderedEnd, PATIENCE, Test, assert_sums, engine, from_now, in_windows, measure_series, order,
    prepare, run_tests, series, sink_refused, trial,
};

/// Long enough for many looks of the helper.
const WINDOW_MS: u64 = 60;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("end") {
        return engine::end::main();
    }
    let tests: [Test; 12] = [
        ("what_every_path_sends_the_program_counts", every_path),
        ("zero_copy_is_never_copied", zero_copy),
        ("both_placements_of_acknowledgements_serve_one_and_four_threads", placements),
        ("several_flows_of_a_thread_are_served", flows),
        ("long_intervals_and_odd_segments_work", intervals),
        ("what_the_sink_does_not_have_is_refused_before_anything_runs", refusals),
        ("content_cannot_be_checked_and_says_so", content),
        ("strangers_are_refused_and_the_flow_is_none_the_worse", strangers),
        ("a_sender_that_gets_no_cpu_in_a_slice_does_not_hold_the_series_up", crowded_turns),
        ("cells_take_turns_and_each_has_what_it_sent", turns),
        (
            "cells_whose_senders_sit_elsewhere_take_turns_with_acknowledgements_steered",
            steered_turns,
        ),
        ("a_strangers_packets_between_slices_and_in_them_are_no_cells_bytes", strangers_between),
    ];
    run_tests(&tests, sink_refused())
}

/// Runs trials until bytes have moved in one, and checks what must hold of every one on the sink.
fn run(engine: &mut Engine, cell: &str) -> Finished {
    in_windows(cell, WINDOW_MS, |window_ms| {
        let finished = run_once(engine, cell, window_ms);
        (finished.receiver.total.received_bytes > 0).then_some(finished)
    })
}

fn run_once(engine: &mut Engine, cell: &str, window_ms: u64) -> Finished {
    let finished = trial(engine, cell, window_ms);
    let sink = finished.sink.value().unwrap_or_else(|| panic!("{cell}: no facts of the sink"));
    let sent = finished.sender.total;
    // Law 1, from two independent sources.
    assert_eq!(sink.total.payload_bytes, sent.accepted_bytes, "{cell}");
    assert_eq!(finished.receiver.total.received_bytes, sent.accepted_bytes, "{cell}");
    assert_eq!(sink.window.payload_bytes, finished.receiver.window.received_bytes, "{cell}");
    assert_eq!((sink.total.refused, finished.receiver.strangers), (0, 0), "{cell}");
    assert_eq!((sent.copied, sent.stray_ids), (0, 0), "{cell}");
    assert_eq!(sent.completed, sent.zerocopy_sends, "{cell}");
    let answering = *sink.answering_cpu_ns.value().unwrap();
    assert!(answering <= sink.helper_cpu_ns, "{cell}");
    assert!(sink.total.acks > 0 && sink.total.packets > 0, "{cell}");
    let [worker] = finished.receiver.workers.as_slice() else { panic!("{cell}: one helper") };
    // Late looks are not made up for: never more than one in an interval, and those at the window's edges.
    let interval = cell.parse::<Cell>().unwrap().ack_interval.nanos();
    assert!(sink.window.looks <= worker.window_ns.0 / interval.0 + 2, "{cell}: {:?}", sink.window);
    assert!(sink.total.looks > 0 && sink.total.looks >= sink.window.looks, "{cell}");
    assert_eq!(worker.third_bytes.iter().sum::<u64>(), worker.bytes.0, "{cell}");
    let receiver = &finished.receiver;
    for reason in [receiver.usage.reason(), receiver.tcp.reason(), receiver.snmp.reason()] {
        assert!(reason.unwrap().contains("no receiving socket"), "{cell}");
    }
    finished
}

/// The sender's own word, which is absent where a crowded machine let it sleep through the window.
fn assert_segment(finished: &Finished, bytes: f64) {
    match finished.sender.tcp.value() {
        Some(tcp) => assert!((tcp.mss_bytes - bytes).abs() < f64::EPSILON, "{tcp:?}"),
        None => eprintln!("skipped: the segment size, {:?}", finished.sender.tcp.reason()),
    }
}

fn every_path() {
    let mut engine = engine();
    for family in ["ipv4", "ipv6"] {
        for path in SendPath::ALL {
            let cell =
                format!("send={path} link=sink message_bytes=4096 threads=1 family={family}");
            let finished = run(&mut engine, &cell);
            let facts = finished.link.value().unwrap();
            assert_eq!((facts.mtu_bytes, facts.ack_cpus.len()), (1500, 0), "{cell}");
            let payload = f64::from(if family == "ipv4" { 1460 } else { 1440 });
            assert_segment(&finished, payload);
        }
    }
}

fn zero_copy() {
    let mut engine = engine();
    for family in ["ipv4", "ipv6"] {
        for size in [64, 4096, 65_536, 262_144] {
            let cell =
                format!("send=zerocopy link=sink message_bytes={size} threads=1 family={family}");
            let finished = run(&mut engine, &cell);
            let sent = finished.sender.total;
            assert!(sent.zerocopy_sends > 0 && sent.completed > 0, "{cell}");
        }
    }
}

fn placements() {
    let mut engine = engine();
    for placement in ["helper", "sender"] {
        for threads in [1, 4] {
            for path in ["sendmsg", "zerocopy"] {
                let cell = format!(
                    "send={path} link=sink message_bytes=16384 threads={threads} ack_placement={placement}"
                );
                let finished = run(&mut engine, &cell);
                let steered = !finished.link.value().unwrap().ack_cpus.is_empty();
                assert_eq!(steered, placement == "sender", "{cell}");
            }
        }
    }
}

fn flows() {
    let mut engine = engine();
    run(&mut engine, "send=sendmsg link=sink message_bytes=4096 threads=2 flows=16");
    run(&mut engine, "send=sendmsg link=sink message_bytes=4096 threads=1 placement=none");
}

fn intervals() {
    let mut engine = engine();
    run(&mut engine, "send=zerocopy link=sink message_bytes=65536 threads=1 ack_interval=1ms");
    run(&mut engine, "send=sendmsg link=sink message_bytes=65536 threads=1 ack_interval=50ms");
    let cell = "send=sendmsg link=sink message_bytes=65536 threads=1 mtu=9000 segment=1000 tso=off";
    let finished = run(&mut engine, cell);
    let sink = finished.sink.value().unwrap();
    assert!(sink.total.payload_bytes / sink.total.packets <= 1000, "{sink:?}");
    let cell = "send=sendmsg link=sink message_bytes=65536 threads=1 mtu=9000";
    assert_segment(&run(&mut engine, cell), 8960.0);
}

fn refusals() {
    let cell =
        "send=sendmsg link=sink message_bytes=4096 threads=1 placement=none ack_placement=sender";
    let (_, outcome) = engine().trial(&order(cell, WINDOW_MS)).unwrap();
    let Outcome::Failed(failure) = outcome else { panic!("it ran") };
    assert!(
        failure.why.contains("--ack-placement sender") && failure.why.contains("--placement split")
    );
    // The rest of the plan is taken.
    let mut plan = Plan::preset(Preset::Quick);
    plan.measure.controls = false;
    plan.factors = model::FactorLists::default();
    for (factor, text) in [
        (Factor::Link, "sink"),
        (Factor::Placement, "none,split,same"),
        (Factor::AckPlacement, "helper,sender"),
    ] {
        plan.factors.set(factor, text).unwrap();
    }
    let refused = engine().unsupported(&plan);
    assert_eq!((plan.cells().len(), refused.len()), (6, 3), "{refused:?}");
    let sharing =
        refused.iter().filter(|(_, why)| why.because.contains("the helper would share CPU"));
    assert_eq!(sharing.count(), 2, "{refused:?}");
}

fn content() {
    let cell = "send=sendmsg link=sink message_bytes=4096 threads=1";
    let (_, outcome) = engine().checked_trial(&order(cell, WINDOW_MS)).unwrap();
    let Outcome::Failed(failure) = outcome else { panic!("it ran") };
    assert!(failure.why.contains("--link loopback"), "{}", failure.why);
}

/// The link as the engine raises it, but with its near side in the hands of the test.
fn raised() -> (Namespace, Namespace, [IpAddr; 2]) {
    let (near, far) = (Namespace::create().unwrap(), Namespace::create().unwrap());
    let addresses: [IpAddr; 2] = ["198.18.0.1".parse().unwrap(), "198.18.0.2".parse().unwrap()];
    let devices = [("send0", [2, 0, 0, 0, 0, 1]), ("recv0", [2, 0, 0, 0, 0, 2])];
    let new = |n: usize| NewDevice { name: devices[n].0, mac: devices[n].1, mtu_bytes: None };
    Netlink::inside(&near).unwrap().create_veth(new(0), new(1), &far).unwrap();
    for (n, namespace) in [&near, &far].into_iter().enumerate() {
        let mut netlink = Netlink::inside(namespace).unwrap();
        let index = netlink.device(devices[n].0).unwrap().index;
        netlink.set_up(index).unwrap();
        netlink.add_address(index, addresses[n], 30).unwrap();
        netlink.add_neighbour(index, addresses[1 - n], devices[1 - n].1).unwrap();
    }
    (near, far, addresses)
}

/// A segment of a sender, far ahead of what it may have sent.
fn ahead(ports: (u16, u16), sequence: u32) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 140];
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2]);
    frame.extend(ports.0.to_be_bytes());
    frame.extend(ports.1.to_be_bytes());
    frame.extend(sequence.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend([7; 100]);
    frame
}

fn strangers() {
    in_windows("a flow beside strangers", 200, |window_ms| {
        (strangers_beside(window_ms) > 0).then_some(())
    });
}

/// The bytes of a flow, in a window among strangers.
fn strangers_beside(window_ms: u64) -> u64 {
    let (near, far, addresses) = raised();
    let address = SocketAddr::new(addresses[1], 10_000);
    let cell: Cell = "send=sendmsg link=sink message_bytes=4096 threads=1".parse().unwrap();
    let mut sink = OrderedEnd::start(|end| far.start_inside(end));
    let absorb = Absorb { helper_cpu: 0, segment_bytes: 1460 };
    sink.order(&prepare(&cell, Role::Absorb(absorb), Meet::Listen(address.into())));
    assert_eq!(sink.reply(), Reply::Listening(address.into()));
    // One that knows no token is answered by a reset; one that says nothing keeps nobody waiting; a port of no flow.
    let limit = PATIENCE;
    let knock = || near.run(|| TcpStream::connect_timeout(&address, limit).unwrap()).unwrap();
    let mut wrong = knock();
    wrong.write_all(&[9; 20]).unwrap();
    wrong.set_read_timeout(Some(limit)).unwrap();
    assert_eq!(wrong.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let _silent = knock();
    let nowhere = SocketAddr::new(address.ip(), 10_001);
    let brief = Duration::from_millis(100);
    assert!(near.run(|| TcpStream::connect_timeout(&nowhere, brief)).unwrap().is_err());

    let mut sender = OrderedEnd::start(|end| near.start_inside(end));
    sender.order(&prepare(&cell, Role::Send, Meet::ConnectEach(address.into())));
    assert_eq!(sender.reply(), Reply::Ready);
    assert_eq!(sink.reply(), Reply::Ready);
    // Another's packet to the flow's port, whatever its sequence number is.
    let raw = near.run(|| PacketSocket::open("send0").unwrap()).unwrap();
    for sequence in [0, 1 << 30, 1 << 31, 3 << 30] {
        raw.send(&ahead((9, 10_000), sequence)).unwrap();
    }
    let times = from_now(5, window_ms, 5, Nanos::s(120));
    sink.order(&Order::Run(times));
    sender.order(&Order::Run(times));
    let Report::Absorbed { side, facts, .. } = sink.finished() else { panic!("wrong report") };
    let Report::Sent { side: sent, .. } = sender.finished() else { panic!("wrong report") };
    // The wrong token, the silent one, and the SYNs to the port of no flow.
    assert!(side.strangers >= 3 && facts.total.refused >= 7, "{facts:?}");
    assert_eq!(facts.total.payload_bytes, sent.total.accepted_bytes);
    facts.total.payload_bytes
}

/// A series whose slices are so long that every cell's helper looked and answered in the windows.
fn measured_in_turns(
    cells: &[&str],
    turns: usize,
    steady_ms: Option<u64>,
) -> Vec<(Settings, Finished)> {
    in_windows("turns on the sink", 4, |window_ms| {
        let mut order = series(cells, turns, steady_ms);
        order.slice.window = Nanos::ms(window_ms);
        let measured = measure_series(&order);
        let has_answered = |(_, finished): &(Settings, Finished)| {
            let sink = finished.sink.value().unwrap();
            sink.window.looks > 0 && sink.window.acks > 0
        };
        measured.iter().all(has_answered).then_some(measured)
    })
}

/// What holds of every cell of a series on the sink.
fn assert_turned(cell: &str, finished: &Finished, turns: usize) {
    let sink = finished.sink.value().unwrap_or_else(|| panic!("{cell}: no facts of the sink"));
    let (sent, received) = (&finished.sender, &finished.receiver);
    assert_eq!(sink.total.payload_bytes, sent.total.accepted_bytes, "{cell}");
    assert_eq!(received.total.received_bytes, sent.total.accepted_bytes, "{cell}");
    assert_eq!(sent.total.completed, sent.total.zerocopy_sends, "{cell}");
    assert_eq!((sent.total.copied, sent.total.stray_ids), (0, 0), "{cell}");
    assert_eq!(sink.window.payload_bytes, received.window.received_bytes, "{cell}");
    assert!(received.window.received_bytes < received.total.received_bytes, "{cell}");
    let [helper] = received.workers.as_slice() else { panic!("{cell}: one helper") };
    sent.workers.iter().chain([helper]).for_each(|worker| assert_sums(worker, turns));
    assert_eq!(helper.cpu_ns, sink.helper_cpu_ns, "{cell}");
    assert!(*sink.answering_cpu_ns.value().unwrap() <= sink.helper_cpu_ns, "{cell}");
    assert!(sink.window.looks > 0 && sink.window.looks < sink.total.looks, "{cell}");
    assert!(sink.window.acks > 0, "{cell}");
    assert!(sink.program_ns_per_packet.value().is_some(), "{cell}: {sink:?}");
}

fn turns() {
    let cells = [
        "send=sendmsg link=sink message_bytes=4096 threads=1",
        "send=zerocopy link=sink message_bytes=65536 threads=2 flows=3",
        "send=send link=sink message_bytes=65536 threads=1 ack_interval=1ms segment=1000 tso=auto",
        "send=sendmsg link=sink message_bytes=65536 threads=1 watch=none",
    ];
    for steady in [None, Some(20)] {
        let measured = measured_in_turns(&cells, 5, steady);
        for (cell, (_, finished)) in cells.iter().zip(measured) {
            assert_turned(cell, &finished, 5);
            let sink = finished.sink.value().unwrap();
            assert_eq!((sink.total.refused, finished.receiver.strangers), (0, 0), "{cell}");
            let is_read = steady.is_some() && !cell.contains("watch=none");
            assert_eq!(sink.looking_ns.is_some(), is_read, "{cell}");
            assert_eq!(finished.machine.ends_cpu_ns.is_some(), is_read, "{cell}");
            if let (Some(looking), Some(ends)) = (sink.looking_ns, finished.machine.ends_cpu_ns) {
                let helper = finished.receiver.workers[0].steady.unwrap();
                assert!(looking < ends && helper.cpu_ns < ends.0, "{cell}: {looking} {ends}");
                assert!(helper.bytes < finished.machine.moved_bytes.unwrap().0, "{cell}");
            }
        }
    }
}

/// Far more senders than CPUs, in slices of which not all of them get a part.
fn crowded_turns() {
    let cells = [
        "send=send link=sink message_bytes=4096 threads=16",
        "send=zerocopy link=sink message_bytes=65536 threads=16",
    ];
    for (cell, (_, finished)) in cells.iter().zip(measure_series(&series(&cells, 20, None))) {
        let (sent, received) = (finished.sender.total, finished.receiver.total);
        assert_eq!(received.received_bytes, sent.accepted_bytes, "{cell}");
        assert_eq!(sent.completed, sent.zerocopy_sends, "{cell}");
        finished.sender.workers.iter().for_each(|worker| assert_sums(worker, 20));
    }
}

fn steered_turns() {
    if kernel::cpu::allowed().unwrap().cpus().len() < 3 {
        eprintln!("skipped: two places for senders and one for the helper need three CPUs");
        return;
    }
    let cells = ["0/2", "1/2"].map(|placement| {
        format!(
            "send=zerocopy link=sink message_bytes=65536 threads=1 placement={placement} ack_placement=sender"
        )
    });
    let measured = measured_in_turns(&[&cells[0], &cells[1]], 4, None);
    for (n, (_, finished)) in (0..).zip(measured) {
        assert_turned(&cells[n as usize], &finished, 4);
        assert_eq!(finished.link.value().unwrap().ack_cpus, [n]);
    }
}

fn strangers_between() {
    let (near, far, addresses) = raised();
    let address = SocketAddr::new(addresses[1], 10_000);
    let cells: [Cell; 2] = [
        "send=sendmsg link=sink message_bytes=4096 threads=1 flows=2".parse().unwrap(),
        "send=zerocopy link=sink message_bytes=65536 threads=1".parse().unwrap(),
    ];
    let mut sink = OrderedEnd::start(|end| far.start_inside(end));
    let mut sender = OrderedEnd::start(|end| near.start_inside(end));
    let role = Role::Absorb(Absorb { helper_cpu: 0, segment_bytes: 1460 });
    for (cell, first) in cells.iter().zip([0, 2]) {
        let prepared = |role, meet| {
            let Order::Prepare(prepare) = prepare(cell, role, meet) else {
                panic!("no such order")
            };
            let among = Among { first, flows: 3 };
            Order::Prepare(Box::new(Prepare { among, windows: 3, ..*prepare }))
        };
        sink.order(&prepared(role, Meet::Listen(address.into())));
        let Reply::Listening(there) = sink.reply() else { panic!("it does not listen") };
        assert_eq!(there.port().map(u32::from), Some(10_000 + first));
        sender.order(&prepared(Role::Send, Meet::ConnectEach(there)));
        assert_eq!((sender.reply(), sink.reply()), (Reply::Ready, Reply::Ready));
    }
    let raw = near.run(|| PacketSocket::open("send0").unwrap()).unwrap();
    let stranger = || {
        for (port, sequence) in [(10_000, 0), (10_002, 1 << 31), (10_003, 7), (10_001, 3 << 30)] {
            raw.send(&ahead((9, port), sequence)).unwrap();
        }
    };
    let mut sent = [0; 2];
    for turn in 0..3 {
        for crew in [turn % 2, 1 - turn % 2] {
            stranger();
            let order = Order::Slice(Slice {
                crew,
                kind: SliceKind::Counted,
                settle_ns: Nanos::ms(1),
                window_ns: Nanos::ms(10),
                drain_ns: Nanos::s(120),
            });
            sink.order(&order);
            sender.order(&order);
            stranger();
            assert_eq!(sink.reply(), Reply::WindowOver);
            sender.order(&Order::Pause { crew });
            let Reply::Paused { bytes } = sender.reply() else { panic!("it does not pause") };
            assert!(bytes > sent[crew]);
            sent[crew] = bytes;
            sink.order(&Order::Drain { crew, bytes });
            assert_eq!(sink.reply(), Reply::Drained);
        }
    }
    stranger();
    // The program sees a packet when the kernel gets to it, on a crowded machine not at once.
    std::thread::sleep(Duration::from_millis(100));
    sender.order(&Order::Finish);
    sink.order(&Order::Finish);
    let mut refused = 0;
    for bytes in sent {
        let Report::Absorbed { side, facts, .. } = sink.finished() else { panic!("wrong report") };
        let Report::Sent { side: of_sender, .. } = sender.finished() else {
            panic!("wrong report")
        };
        assert_eq!(facts.total.payload_bytes, bytes);
        assert_eq!(of_sender.total.accepted_bytes, bytes);
        assert_eq!((facts.total.gaps, side.strangers), (0, 0));
        refused += facts.total.refused;
    }
    // Each was told once, whichever cell's turn it was.
    assert_eq!(refused, 4 * 13);
}
