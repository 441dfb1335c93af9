//! How a server by hand and its client find each other while strangers knock, over loopback. This test program is its own
//! server where that must live under limits of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use engine::EngineError;
use engine::by_hand::{ConnectOptions, HandEnd, HandReport, TurnedAway};
use engine::protocol::{Meet, Reply, Role};
use model::Cell;

mod common;

use common::by_hand::{
    CLIENT, Client, TOKEN, Told, connect, connect_options, greet, serve, serve_options, server,
};
use common::{OrderedEnd, Test, in_windows, prepare, run_tests, this_program};

const WRONG: &str = "ff112233445566778899aabbccddeeff";
/// More than a server lets show their tokens at once, and as many as are in its queue.
const MANY: usize = 1000;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("end") => return engine::end::main(),
        Some("serve") => {
            let told = serve(&serve_options(), |address| println!("{address}"));
            let strangers = told.reports.first().map(|report| report.strangers);
            println!("{}", serde_json::json!({ "strangers": strangers }));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let tests: [Test; 8] = [
        ("a_thousand_idle_strangers_keep_no_client_out", idle_strangers),
        ("a_greeting_that_comes_a_byte_at_a_time_is_read", byte_at_a_time),
        ("a_wrong_token_is_told_apart_from_a_busy_server", wrong_token),
        ("a_second_client_is_told_at_once_and_disturbs_nothing", second_client),
        ("clients_that_ask_for_nothing_keep_nobody_out", asking_nothing),
        ("what_answers_nothing_or_something_else_is_no_server", no_server),
        ("the_first_address_that_can_be_reached_is_taken", several_addresses),
        ("a_server_of_few_descriptors_survives_and_meets", few_descriptors),
    ];
    run_tests(&tests, None)
}

/// What a test by hand came to. None where it has no figure because the CPUs were others': a worker slept through its window.
fn unless_crowded(told: Result<HandEnd, EngineError>) -> Option<HandEnd> {
    match told {
        Ok(end) => Some(end),
        Err(EngineError::Ends(why))
            if why.contains("saw less than an eighth of the window")
                || why.contains("ended before the window did") =>
        {
            None
        }
        Err(why) => panic!("{why}"),
    }
}

fn client(cell: &str, address: SocketAddr, token: &str, ms: u64) -> Option<HandEnd> {
    let token = Some(token.to_owned());
    unless_crowded(connect(&ConnectOptions { token, ..connect_options(cell, address, ms) }))
}

/// That a client was served, and has both sides; none where the server has no figure.
fn received(end: HandEnd) -> Option<HandReport> {
    let HandEnd::Report(report) = end else { panic!("{end:?}") };
    assert!(report.received.value().unwrap().total.received_bytes > 0);
    report.sent.value()?;
    Some(*report)
}

fn turned_away(end: HandEnd) -> TurnedAway {
    match end {
        HandEnd::TurnedAway(_, why) => why,
        other @ (HandEnd::Report(_) | HandEnd::NotReached(_)) => panic!("{other:?}"),
    }
}

/// Strangers, and refused calls of accept, that a server told; none where it has no figure.
fn others(server: thread::JoinHandle<Told>) -> Option<(u64, u64)> {
    let told = server.join().unwrap();
    match told.ended {
        Ok(_) => Some((told.reports[0].strangers, told.reports[0].refused_accepts)),
        Err(EngineError::Ends(why)) if why.contains("saw less than an eighth") => None,
        other => panic!("{other:?}"),
    }
}

/// A connection that says nothing; none when the server listens no more.
fn idle(address: SocketAddr) -> Option<TcpStream> {
    let stranger = TcpStream::connect(address).ok()?;
    stranger.set_nonblocking(true).unwrap();
    Some(stranger)
}

/// Keeps many idle connections until the server has ended: one that it closes is opened again at once.
fn keep_idle(address: SocketAddr, many: usize, opened: &AtomicUsize) {
    let mut strangers: Vec<TcpStream> = Vec::new();
    loop {
        let (held, closed): (Vec<_>, Vec<_>) = strangers.into_iter().partition(|stranger| {
            let read = (&*stranger).read(&mut [0]);
            read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        });
        strangers = held;
        drop(closed);
        while strangers.len() < many {
            let Some(stranger) = idle(address) else { return };
            strangers.push(stranger);
            opened.fetch_add(1, Ordering::SeqCst);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn idle_strangers() {
    let many = match kernel::limits::raise_open_files() {
        Ok(kernel::limits::Limit::At(limit)) => MANY.min(usize::try_from(limit / 2).unwrap()),
        Ok(kernel::limits::Limit::Unlimited) | Err(_) => MANY,
    };
    in_windows("a client among strangers", 400, |ms| {
        let (address, server) = server();
        let opened = Arc::new(AtomicUsize::new(0));
        let flood = {
            let opened = Arc::clone(&opened);
            thread::spawn(move || keep_idle(address, many, &opened))
        };
        while opened.load(Ordering::SeqCst) < many {
            thread::yield_now();
        }
        let served = client("threads=2", address, TOKEN, ms);
        let others = others(server);
        flood.join().unwrap();
        received(served?)?;
        let (strangers, _) = others?;
        assert!(strangers > 0, "{strangers}");
        Some(())
    });
}

fn byte_at_a_time() {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut receiver = OrderedEnd::start(|_| {});
    receiver.order(&prepare(&Cell::default(), Role::Receive, Meet::Listen(any.into())));
    let Reply::Listening(address) = receiver.reply() else { panic!("it does not listen") };
    let mut slow = TcpStream::connect(address.inet().unwrap()).unwrap();
    slow.set_nodelay(true).unwrap();
    // The token of these tests' ends, and the number of the only flow.
    for (n, byte) in [[3; 16].as_slice(), &[0; 4]].concat().into_iter().enumerate() {
        slow.write_all(&[byte]).unwrap();
        // Seen apart where it matters; each sleep takes long where the CPUs are others'.
        if [0, 15, 18].contains(&n) {
            thread::sleep(Duration::from_millis(10));
        }
    }
    assert_eq!(receiver.reply(), Reply::Ready);
}

fn wrong_token() {
    in_windows("a client after one with a wrong token", 400, |ms| {
        let (address, server) = server();
        let wrong = client("threads=1", address, WRONG, ms)?;
        assert_eq!(turned_away(wrong), TurnedAway::WrongToken);
        // A client that brings none where one is needed.
        let none = ConnectOptions { token: None, ..connect_options("threads=1", address, ms) };
        assert_eq!(turned_away(connect(&none).unwrap()), TurnedAway::WrongToken);
        received(client("threads=1", address, TOKEN, ms)?)?;
        assert_eq!(others(server)?, (2, 0));
        Some(())
    });
}

fn second_client() {
    in_windows("a client beside another", 400, |ms| {
        let (address, server) = server();
        let mut first = Client::begun(address, "threads=1", ms);
        // Under load, and while it awaits the figures.
        let second = client("threads=1", address, TOKEN, 60_000)?;
        assert_eq!(turned_away(second), TurnedAway::Occupied);
        first.read_to_the_end();
        first.flows.clear();
        assert_eq!(greet(address, TOKEN, CLIENT).1, Some(b'o'));
        // A stranger learns nothing of that.
        assert_eq!(greet(address, WRONG, CLIENT).1, None);
        first.end_with_report();
        assert_eq!(others(server)?, (1, 0));
        Some(())
    });
}

fn asking_nothing() {
    let (address, server) = server();
    // They have the token, and may ask: more than are let ask at once, so that the oldest must go.
    let mut silent: Vec<Client> = (0..40).map(|_| Client::new(address)).collect();
    assert_eq!(silent[0].hear(), "busy");
    let mut client = Client::begun(address, "threads=1", 200);
    // Those that have not been told yet are told when another one is served.
    assert_eq!(silent[39].hear(), "busy");
    client.read_to_the_end();
    client.end();
    server.join().unwrap();
}

fn no_server() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let client = |patience_ms| {
        let patience = Duration::from_millis(patience_ms);
        let options = ConnectOptions { patience, ..connect_options("threads=1", address, 60_000) };
        turned_away(connect(&options).unwrap())
    };
    assert_eq!(client(400), TurnedAway::Silent);
    let answering = thread::spawn(move || {
        // The first is the silent one's.
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    assert_eq!(client(60_000), TurnedAway::Unknown);
    answering.join().unwrap();
}

fn several_addresses() {
    // Bound and not listening: nobody else takes it, and it refuses.
    let refusing = kernel::socket::Socket::stream(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let refusing = refusing.unwrap();
    refusing.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let nobody = refusing.local_address().unwrap();
    in_windows("a client of several addresses", 400, |ms| {
        let (address, server) = server();
        let addresses = vec![nobody, address];
        let options = ConnectOptions { addresses, ..connect_options("threads=1", address, ms) };
        let report = received(unless_crowded(connect(&options))?)?;
        assert_eq!(report.peer, Some(address));
        assert_eq!(others(server)?, (0, 0));
        Some(())
    });
    let options = connect_options("threads=1", nobody, 400);
    let HandEnd::NotReached(why) = connect(&options).unwrap() else { panic!("it was reached") };
    assert!(why.contains("start the other end"), "{why}");
}

fn few_descriptors() {
    in_windows("a server of few descriptors", 400, |ms| {
        let mut server = Command::new("sh")
            .args(["-c", "ulimit -n 24 && exec \"$0\" serve"])
            .arg(this_program())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(server.stdout.take().unwrap()).lines();
        let address: SocketAddr = told.next().unwrap().unwrap().parse().unwrap();
        let idle: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
        let served = client("threads=1", address, TOKEN, ms);
        let report = told.next().unwrap().unwrap();
        assert!(server.wait().unwrap().success());
        received(served?)?;
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert!(report["strangers"].as_u64()? > 0, "{report}");
        drop(idle);
        Some(())
    });
}
