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
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use engine::by_hand::{self, HandOptions, HandReport, TurnedAway};
use engine::protocol::{Meet, Reply, Role};
use engine::{EngineError, Interrupts};
use model::{Cell, Nanos};

mod common;

use common::{OrderedEnd, PATIENCE, Test, in_windows, prepare, run_tests, this_program};

const TOKEN: &str = "00112233445566778899aabbccddeeff";
const WRONG: &str = "ff112233445566778899aabbccddeeff";
/// More than a server lets show their tokens at once.
const MANY: usize = 400;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("end") => return engine::end::main(),
        Some("serve") => {
            let duration_ms = std::env::args().nth(2).unwrap().parse().unwrap();
            let report = serve(&options("threads=1", duration_ms), |address| println!("{address}"));
            println!("{:?}", unless_crowded(report));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let tests: [Test; 8] = [
        ("more_idle_strangers_than_fit_keep_no_client_out", idle_strangers),
        ("a_greeting_that_comes_a_byte_at_a_time_is_read", byte_at_a_time),
        ("a_wrong_token_is_told_apart_from_a_busy_server", wrong_token),
        ("a_flow_that_is_there_already_is_taken_until_it_goes", taken),
        ("a_client_of_too_few_connections_is_told_so", too_few),
        ("those_who_come_too_late_are_told_that_the_server_is_busy", too_late),
        ("what_answers_nothing_or_something_else_is_no_server", no_server),
        ("a_server_without_descriptors_survives_and_meets", no_descriptors),
    ];
    run_tests(&tests, None)
}

fn options(cell: &str, duration_ms: u64) -> HandOptions {
    HandOptions {
        cell: cell.parse().unwrap(),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        token: Some(TOKEN.to_owned()),
        duration: Nanos::ms(duration_ms),
        patience: PATIENCE,
    }
}

/// What an end by hand told. None where it has no figure because the CPUs were others': a worker slept through its window, or a client
/// began when its server was about to leave.
fn unless_crowded(told: Result<HandReport, EngineError>) -> Option<HandReport> {
    match told {
        Ok(report) => Some(report),
        Err(EngineError::Ends(why))
            if why.contains("saw less than an eighth of the window")
                || why.contains("ended before the window did") =>
        {
            None
        }
        Err(why) => panic!("{why}"),
    }
}

/// Runs with servers and clients whose windows become longer until both have a figure. A server's is longer than its client's: there
/// is no common clock, and a client that starts late must see its window end.
fn meeting(what: &str, run: impl Fn(u64) -> Option<()>) {
    in_windows(what, 400, run);
}

type Told = Result<HandReport, EngineError>;

fn serve(options: &HandOptions, say: impl Fn(SocketAddr)) -> Told {
    let interrupts = Interrupts::install().unwrap();
    by_hand::serve(options, &interrupts, &mut |address, _| say(address))
}

/// A server on a thread of its own, and where it listens.
fn server(cell: &str, client_ms: u64) -> (SocketAddr, thread::JoinHandle<Told>) {
    let (told, address) = mpsc::channel();
    let options = options(cell, client_ms + client_ms / 4);
    let server = thread::spawn(move || serve(&options, |address| told.send(address).unwrap()));
    (address.recv().unwrap(), server)
}

fn client(cell: &str, address: SocketAddr, token: &str, duration_ms: u64) -> Option<HandReport> {
    let token = Some(token.to_owned());
    let options = HandOptions { address, token, ..options(cell, duration_ms) };
    unless_crowded(by_hand::connect(&options, &Interrupts::install().unwrap()))
}

/// That a client was served; none where the server left before it had its turn.
fn received(report: &HandReport) -> Option<()> {
    match report {
        HandReport::Received(side) => {
            assert!(side.total.received_bytes > 0);
            Some(())
        }
        HandReport::TurnedAway(TurnedAway::Ended) => None,
        other @ (HandReport::Sent { .. }
        | HandReport::TurnedAway(_)
        | HandReport::NotReached(_)) => panic!("{other:?}"),
    }
}

/// That a client was turned away so; none where nobody came to answer it in its time.
fn turned_away(report: &HandReport, why: TurnedAway) -> Option<()> {
    if *report == HandReport::TurnedAway(TurnedAway::Silent) && why != TurnedAway::Silent {
        return None;
    }
    assert_eq!(*report, HandReport::TurnedAway(why));
    Some(())
}

/// Strangers, and refused calls of accept, that a server told.
fn others(server: thread::JoinHandle<Told>) -> Option<(u64, u64)> {
    match unless_crowded(server.join().unwrap())? {
        HandReport::Sent { side, refused_accepts } => Some((side.strangers, refused_accepts)),
        other @ (HandReport::Received(_)
        | HandReport::TurnedAway(_)
        | HandReport::NotReached(_)) => panic!("{other:?}"),
    }
}

/// What the token and a flow's number look like on a connection.
fn greeting(flow: u8) -> Vec<u8> {
    let mut greeting = by_hand::read_token(TOKEN).unwrap().to_vec();
    greeting.extend([0, 0, 0, flow]);
    greeting
}

fn next_byte(stream: &mut TcpStream) -> Option<u8> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut byte = [0];
    match stream.read(&mut byte).unwrap() {
        0 => None,
        _ => Some(byte[0]),
    }
}

/// A connection that says nothing; none when the server listens no more.
fn idle(address: SocketAddr) -> Option<TcpStream> {
    let stranger = TcpStream::connect(address).ok()?;
    stranger.set_nonblocking(true).unwrap();
    Some(stranger)
}

/// Keeps many idle connections until the server has ended: one that it closes is opened again at once.
fn keep_idle(address: SocketAddr, opened: &AtomicUsize) {
    let mut strangers: Vec<TcpStream> = Vec::new();
    loop {
        let (held, closed): (Vec<_>, Vec<_>) = strangers.into_iter().partition(|stranger| {
            let read = (&*stranger).read(&mut [0]);
            read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        });
        strangers = held;
        drop(closed);
        while strangers.len() < MANY {
            let Some(stranger) = idle(address) else { return };
            strangers.push(stranger);
            opened.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn idle_strangers() {
    for _ in 0..3 {
        meeting("a client among strangers", |ms| {
            let (address, server) = server("threads=2", ms);
            let opened = Arc::new(AtomicUsize::new(0));
            let flood = {
                let opened = Arc::clone(&opened);
                thread::spawn(move || keep_idle(address, &opened))
            };
            while opened.load(Ordering::SeqCst) < 2 * MANY {
                thread::yield_now();
            }
            let served = client("threads=2", address, TOKEN, ms);
            flood.join().unwrap();
            received(&served?)?;
            let (strangers, _) = others(server)?;
            assert!(strangers >= MANY as u64, "{strangers}");
            Some(())
        });
    }
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
    meeting("a client after one with a wrong token", |ms| {
        let (address, server) = server("threads=1", ms);
        turned_away(&client("threads=1", address, WRONG, ms)?, TurnedAway::WrongToken)?;
        received(&client("threads=1", address, TOKEN, ms)?)?;
        assert_eq!(others(server)?, (1, 0));
        Some(())
    });
}

fn taken() {
    meeting("a client after its flows were taken", |ms| {
        let (address, server) = server("threads=2", ms);
        let mut first = TcpStream::connect(address).unwrap();
        first.write_all(&greeting(0)).unwrap();
        assert_eq!(next_byte(&mut first), Some(b'w'));
        for flow in [0, 2] {
            let mut second = TcpStream::connect(address).unwrap();
            second.write_all(&greeting(flow)).unwrap();
            assert_eq!((next_byte(&mut second), next_byte(&mut second)), (Some(b't'), None));
        }
        turned_away(&client("threads=2", address, TOKEN, ms)?, TurnedAway::Taken)?;
        // The server has noticed when it ends its side.
        first.shutdown(Shutdown::Write).unwrap();
        assert_eq!(next_byte(&mut first), None);
        received(&client("threads=2", address, TOKEN, ms)?)?;
        assert_eq!(others(server)?, (3, 0));
        Some(())
    });
}

fn too_few() {
    meeting("a client after one of too few connections", |ms| {
        let (address, server) = server("threads=2", ms);
        turned_away(&client("threads=1", address, TOKEN, ms)?, TurnedAway::Incomplete)?;
        let second = client("threads=2", address, TOKEN, ms)?;
        // The end of the first one's connection may come after the second one's beginning.
        if second == HandReport::TurnedAway(TurnedAway::Taken) {
            return None;
        }
        received(&second)?;
        assert_eq!(others(server)?, (0, 0));
        Some(())
    });
}

fn too_late() {
    meeting("a client, and those who come after it", |ms| {
        let (address, server) = server("threads=1", ms);
        let mut idle = TcpStream::connect(address).unwrap();
        received(&client("threads=1", address, TOKEN, ms)?)?;
        assert_eq!((next_byte(&mut idle), next_byte(&mut idle)), (Some(b'b'), None));
        assert_eq!(others(server)?, (1, 0));
        // It serves nobody else, and says so by not listening.
        let options = HandOptions { address, ..options("threads=1", ms) };
        match by_hand::connect(&options, &Interrupts::install().unwrap()).unwrap() {
            HandReport::NotReached(why) => assert!(why.contains("serves one client"), "{why}"),
            other @ (HandReport::Sent { .. }
            | HandReport::Received(_)
            | HandReport::TurnedAway(_)) => panic!("{other:?}"),
        }
        Some(())
    });
}

fn no_server() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let client = |ms| client("threads=1", address, TOKEN, ms).unwrap();
    turned_away(&client(400), TurnedAway::Silent).unwrap();
    let answering = thread::spawn(move || {
        // The first is the silent one's.
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    turned_away(&client(60_000), TurnedAway::Unknown).unwrap();
    answering.join().unwrap();
}

fn no_descriptors() {
    meeting("a server without descriptors", |ms| {
        let mut server = Command::new("sh")
            .args(["-c", "ulimit -n 24 && exec \"$0\" serve \"$1\""])
            .arg(this_program())
            .arg((ms + ms / 4).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(server.stdout.take().unwrap()).lines();
        let address: SocketAddr = told.next().unwrap().unwrap().parse().unwrap();
        let idle: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
        let served = client("threads=1", address, TOKEN, ms);
        let report = told.next();
        assert!(server.wait().unwrap().success());
        received(&served?)?;
        let report = report.unwrap().unwrap();
        if report == "None" {
            return None;
        }
        assert!(report.starts_with("Some(Sent"), "{report}");
        assert!(!report.contains("refused_accepts: 0"), "{report}");
        drop(idle);
        Some(())
    });
}
