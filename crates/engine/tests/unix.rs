//! Whole trials over unix sockets. This test program is its own end, as in `trials.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use engine::content::Unread;
use engine::protocol::{Meet, Order, Reply, Report, Role, Times};
use engine::receive_paths::{ReceiveOptions, ReceivePath, RecvTrunc, RecvZerocopy};
use engine::send_paths::{
    Hybrid, SendOptions, SendPath, UringSendZc, UringSendZcFixed, UringSendmsgZc, Wait, Zerocopy,
};
use engine::slots::Slots;
use kernel::Errno;
use kernel::process::effective_user;
use kernel::socket::Address;
use model::message::Message;
use model::names::Switch;
use model::record::{NO_DEVICES, NO_TCP, Outcome, ReceiveTally, SendTally};
use model::{Cell, Factor, Link, Nanos, Plan, Preset};

mod common;

use common::{
    OrderedEnd, PATIENCE, TOKEN_BYTE, Test, assert_sums, connected_unix, engine, finished,
    in_windows, measure_series, order, prepare, run_tests, series, this_program, trial,
    trial_in_window,
};

/// The user "nobody" of most systems.
const NOBODY: u32 = 65_534;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("end") => return engine::end::main(),
        Some("knock") => return knock(&arguments[2], arguments[3].parse().unwrap()),
        _ => {}
    }
    let tests: [Test; 8] = [
        ("every_pair_of_paths_that_exists_delivers_what_was_sent", pairs),
        ("what_is_of_tcp_is_absent_with_the_reason", absent_figures),
        ("cells_over_unix_sockets_take_turns_and_are_drained", turns),
        ("a_path_that_the_table_lacks_is_refused_by_the_kernel_too", lacking_paths),
        ("paths_and_settings_that_do_not_exist_are_refused_before_anything_runs", refusals),
        ("the_senders_buffer_is_set", buffers),
        ("a_stranger_is_turned_away_by_user_or_token", strangers),
        ("nothing_is_left_of_an_end_that_is_killed", killed),
    ];
    run_tests(&tests, None)
}

fn pairs() {
    let mut engine = engine();
    for send in model::SendPath::ALL {
        for receive in model::ReceivePath::ALL {
            let cell =
                format!("send={send} recv={receive} link=unix message_bytes=4097 threads=2 ring=4");
            let of: Cell = cell.parse().unwrap();
            if of.lacks_path().is_some() {
                continue;
            }
            // On a crowded machine the ends may not have had their turn in so short a window.
            let tried = in_windows(&cell, 10, |ms| {
                match engine.checked_trial(&order(&cell, ms)).unwrap().1 {
                    Outcome::Failed(failure) if failure.why.contains("io_uring") => {
                        Some(Err(failure.why))
                    }
                    outcome
                    @ (Outcome::Finished(_) | Outcome::Failed(_) | Outcome::Imported(_)) => {
                        let finished = finished(outcome, &cell);
                        (finished.receiver.total.checked_bytes > 0).then_some(Ok(finished))
                    }
                }
            });
            let finished = match tried {
                Ok(finished) => finished,
                Err(why) => {
                    eprintln!("skipped: {cell}: {why}");
                    continue;
                }
            };
            let received = finished.receiver.total;
            assert_eq!(received.wrong_bytes, 0, "{cell}: first at {:?}", received.first_wrong);
            assert_eq!(received.checked_bytes, finished.sender.total.accepted_bytes, "{cell}");
        }
    }
}

fn absent_figures() {
    let finished =
        trial_in_window(&mut engine(), "send=sendmsg link=unix message_bytes=65536 threads=1", 50);
    for side in [finished.sender.tcp.reason(), finished.receiver.tcp.reason()] {
        assert_eq!(side, Some(NO_TCP));
    }
    assert_eq!(finished.sender.snmp.reason(), Some(NO_TCP));
    assert_eq!(finished.sender.retransmits(), None);
    assert_eq!(finished.link.reason(), Some(NO_DEVICES));
    let socket = finished.sender.socket;
    assert_eq!((socket.congestion.as_str(), socket.nodelay), ("", None));
    assert!(socket.send_buffer_bytes > 0 && !socket.zerocopy);
}

fn turns() {
    let cells = [
        "send=sendmsg link=unix message_bytes=65536 threads=2 flows=3",
        "send=splice link=unix message_bytes=4096 threads=1",
        "send=sendmsg link=unix message_bytes=4096 threads=2 sockets=shared",
        "send=sendmsg link=unix message_bytes=4096 threads=1 rcvlowat=65536",
    ];
    for (place, (_, finished)) in
        measure_series(&series(&cells, 4, Some(10))).into_iter().enumerate()
    {
        let (sent, received) = (&finished.sender, &finished.receiver);
        assert!(sent.total.accepted_bytes > 0, "{}", cells[place]);
        assert_eq!(received.total.received_bytes, sent.total.accepted_bytes, "{}", cells[place]);
        sent.workers.iter().chain(&received.workers).for_each(|worker| assert_sums(worker, 4));
        assert!(received.workers[0].steady.is_some());
        assert_eq!(sent.snmp.reason(), Some(NO_TCP));
    }
}

/// What a path says on a unix socket, opened and asked to send one message; none where it sent.
fn refused_sending<P: SendPath>(cell: &str) -> Option<String> {
    let (near, _far) = connected_unix();
    let cell: Cell = cell.parse().unwrap();
    let message = Message::of(&cell.in_its_shape(), 4096).unwrap();
    let options = SendOptions {
        so_zerocopy: true,
        slots: 1,
        depth: 1,
        copy_below: 1024,
        ..SendOptions::default()
    };
    let arena = P::arena(message.stride(), kernel::arena::Pages::NORMAL).unwrap();
    let mut path = match P::open(near, arena, &message, &options) {
        Ok(path) => path,
        Err(why) => return Some(why),
    };
    let (mut slots, mut tally) = (Slots::new(1), SendTally::default());
    let sent = slots.hand_over(|slot, slots| path.submit(slot, slots, &mut tally));
    let sent = sent
        .and_then(|()| path.flush(&mut slots, &mut tally))
        .and_then(|()| path.reap(Wait::All, &mut slots, &mut tally));
    sent.err().map(|errno| errno.to_string())
}

fn refused_taking<P: ReceivePath>() -> Option<String> {
    let (near, far) = connected_unix();
    near.write_all(&[7; 100], Instant::now() + Duration::from_secs(5)).unwrap();
    let options = ReceiveOptions { buffer_bytes: 8192, may_wait: true };
    let mut buffer = P::buffer(&options).unwrap();
    let mut path = match P::open(far, &mut buffer, &options) {
        Ok(path) => path,
        Err(why) => return Some(why),
    };
    let taken = path.take(&mut buffer, &mut Unread, &mut ReceiveTally::default());
    taken.err().map(|errno| errno.to_string())
}

/// What a path says on a unix socket.
type Refused = fn(&str) -> Option<String>;

fn lacking_paths() {
    let not_supported = Errno(95).to_string();
    let one = "message_bytes=16384 fields=1";
    for (refused, text) in [
        (refused_sending::<Zerocopy>(one), "SO_ZEROCOPY"),
        (refused_sending::<Hybrid>(one), "SO_ZEROCOPY"),
        (refused_taking::<RecvTrunc>(), Errno(14).to_string().as_str()),
        (refused_taking::<RecvZerocopy>(), ""),
    ] {
        let why = refused.unwrap();
        assert!(why.contains(text), "{why}");
    }
    let by_ring = [
        (UringSendZc::supported(), refused_sending::<UringSendZc> as Refused),
        (UringSendmsgZc::supported(), refused_sending::<UringSendmsgZc>),
        (UringSendZcFixed::supported(), refused_sending::<UringSendZcFixed>),
    ];
    for (supported, refused) in by_ring {
        match supported {
            Ok(()) => assert_eq!(refused(one), Some(not_supported.clone())),
            Err(why) => eprintln!("skipped: {why}"),
        }
    }
}

fn refusals() {
    for (factor, value) in [
        (Factor::Congestion, "reno"),
        (Factor::Nodelay, "on"),
        (Factor::Rcvbuf, "65536"),
        (Factor::Family, "ipv6"),
        (Factor::Segment, "1000"),
        (Factor::Rate, "1Gbit/s"),
        (Factor::BusyPoll, "50us"),
        (Factor::SoZerocopy, "off"),
        (Factor::Mtu, "9000"),
    ] {
        let mut cell = Cell { link: Link::Unix, ..Cell::default() };
        cell.set(factor, value).unwrap();
        let (_, outcome) = engine().trial(&order(&cell.id(), 20)).unwrap();
        let Outcome::Failed(failure) = outcome else { panic!("it ran") };
        let flag = format!("--{} {value}: link unix has no such setting", factor.key());
        assert!(failure.why.starts_with(&flag), "{failure:?}");
    }
    let mut plan = Plan::preset(Preset::Quick);
    plan.measure.controls = false;
    plan.factors = model::FactorLists::default();
    plan.factors.set(Factor::Link, "loopback,unix").unwrap();
    plan.factors.set(Factor::Send, "sendmsg,zerocopy").unwrap();
    assert_eq!(plan.check(), Ok(()));
    let refused = engine().unsupported(&plan);
    let lacking: Vec<_> = refused.iter().filter(|(cell, _)| cell.link == Link::Unix).collect();
    assert_eq!(lacking.len(), 1, "{refused:?}");
    assert_eq!(lacking[0].0.send_path, model::SendPath::Zerocopy);
    assert!(lacking[0].1.to_string().contains("zerocopy over unix: setsockopt(SO_ZEROCOPY)"));
    // Of a plan in which nothing else is left it is wrong usage.
    plan.factors.set(Factor::Link, "unix").unwrap();
    plan.factors.set(Factor::Send, "zerocopy,hybrid").unwrap();
    assert!(plan.check().unwrap_err().contains("--send sendmsg"), "{:?}", plan.check());
    // What the kernel never tells the release of is refused as on TCP.
    let rewritten = Cell {
        send_path: model::SendPath::Sendfile,
        link: Link::Unix,
        rewriting: Switch::On,
        ..Cell::default()
    };
    assert!(rewritten.check().is_err());
}

fn buffers() {
    let cell = "send=sendmsg link=unix message_bytes=4096 threads=1 sndbuf=65536";
    assert_eq!(trial(&mut engine(), cell, 20).sender.socket.send_buffer_bytes, 131_072);
}

/// Connects to a name and says whether the other end stays.
/// Shows a token of sixteen such bytes, and the number of the first flow.
fn knock(name: &str, token: u8) -> ExitCode {
    use std::io::{ErrorKind, Read, Write};
    let address = SocketAddr::from_abstract_name(name.trim_start_matches('@')).unwrap();
    let mut stream = UnixStream::connect_addr(&address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Who is turned away at once may be so before this is written.
    let _ = stream.write_all(&[&[token; 16][..], &[0; 4]].concat());
    // The end of the stream, or a reset; to be let in is to be answered.
    let is_closed = match stream.read(&mut [0]) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    };
    if is_closed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn listening(cell: &Cell) -> (OrderedEnd, Address) {
    let mut receiver = OrderedEnd::start(|_| {});
    receiver.order(&prepare(cell, Role::Receive, Meet::Listen(Address::ANY_UNIX)));
    let Reply::Listening(address) = receiver.reply() else { panic!("it does not listen") };
    (receiver, address)
}

fn strangers() {
    let cell = Cell { link: Link::Unix, ..Cell::default() };
    let (mut receiver, address) = listening(&cell);
    let mut known = 0;
    let mut knock = |user: u32, token: u8, reason: &str| {
        let mut command = Command::new(this_program());
        command
            .args(["knock", &address.to_string(), &token.to_string()])
            .uid(user)
            .stdout(Stdio::null());
        match command.status() {
            Ok(status) => {
                assert!(status.success(), "{reason}");
                known += 1;
            }
            Err(why) => eprintln!("skipped: {reason}: {why}"),
        }
    };
    // One of this user who shows another token, and where that can be had one of another user who shows the right one.
    knock(effective_user(), TOKEN_BYTE + 1, "a stranger with another token");
    match effective_user() {
        0 => knock(NOBODY, TOKEN_BYTE, "a stranger of another user who has the token"),
        _ => eprintln!("skipped: a stranger of another user: only root can be another one"),
    }
    let mut sender = OrderedEnd::start(|_| {});
    sender.order(&prepare(&cell, Role::Send, Meet::Connect(address)));
    assert_eq!((sender.reply(), receiver.reply()), (Reply::Ready, Reply::Ready));
    let times = Times {
        start_ns: None,
        warmup_ns: Nanos::ms(5),
        window_ns: Nanos::ms(30),
        tail_ns: Nanos::ms(5),
        drain_ns: Nanos::s(5),
    };
    receiver.order(&Order::Run(times));
    // Without a moment to begin at, it waits for the first bytes, and says so.
    assert_eq!(receiver.reply(), Reply::Ready);
    sender.order(&Order::Run(times));
    assert_eq!(receiver.reply(), Reply::WindowOver);
    sender.order(&Order::Finish);
    receiver.order(&Order::Finish);
    let Report::Received { side, .. } = receiver.finished() else { panic!("wrong report") };
    let Report::Sent { side: sent, .. } = sender.finished() else { panic!("wrong report") };
    assert_eq!(side.strangers, known);
    assert_eq!(side.total.received_bytes, sent.total.accepted_bytes);
}

fn killed() {
    let cell = Cell { link: Link::Unix, ..Cell::default() };
    let (receiver, address) = listening(&cell);
    let name = address.to_string();
    let names = || std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    assert!(names().contains(&name), "{name}");
    let kill = Command::new("kill").args(["-9", &receiver.id().to_string()]).status().unwrap();
    assert!(kill.success());
    drop(receiver);
    assert!(!names().contains(&name), "{name}");
}
