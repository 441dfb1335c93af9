//! What misbehaves at the other end of `serve` and `connect`, over loopback: clients that dawdle, leave, babble or do not read, and
//! servers that answer wrongly, send nothing or leave. Each ends with a reason or with a figure that holds.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use engine::by_hand::{self, HandOptions, HandReport, TurnedAway};
use engine::{EngineError, Interrupts};
use model::Nanos;

mod common;

use common::{Test, await_unread, has_ended, in_windows, run_tests, wait_until};

const TOKEN: &str = "00112233445566778899aabbccddeeff";

type Told = Result<HandReport, EngineError>;

fn main() -> ExitCode {
    let tests: [Test; 6] = [
        ("a_token_that_comes_too_slowly_is_a_strangers", slow_token),
        ("who_leaves_or_babbles_before_the_load_is_told_when_nobody_else_comes", gone_too_soon),
        ("a_client_that_does_not_read_in_the_window_leaves_no_figure", unread_window),
        ("a_client_that_resets_at_the_end_is_told", reset_at_the_end),
        ("servers_that_answer_wrongly_or_leave_are_told_apart", wrong_servers),
        ("a_server_that_sends_nothing_in_the_window_leaves_no_figure", unsent_window),
    ];
    run_tests(&tests, None)
}

fn options(cell: &str, duration_ms: u64) -> HandOptions {
    HandOptions {
        cell: cell.parse().unwrap(),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        token: Some(TOKEN.to_owned()),
        duration: Nanos::ms(duration_ms),
        patience: Duration::from_secs(30),
    }
}

/// A server on a thread of its own, and where it listens.
fn server(options: HandOptions) -> (SocketAddr, thread::JoinHandle<Told>) {
    let (told, address) = mpsc::channel();
    let server = thread::spawn(move || {
        let interrupts = Interrupts::install().unwrap();
        by_hand::serve(&options, &interrupts, &mut |address, _| told.send(address).unwrap())
    });
    (address.recv().unwrap(), server)
}

/// What the token and the number of the first flow look like on a connection.
fn greeting() -> Vec<u8> {
    [by_hand::read_token(TOKEN).unwrap().as_slice(), &[0; 4]].concat()
}

/// A client that has shown the token, been let in and told that the load begins.
fn client(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(&greeting()).unwrap();
    let mut answers = [0; 2];
    client.read_exact(&mut answers).unwrap();
    assert_eq!(&answers, b"wg");
    client
}

fn read_to_the_end(client: &mut TcpStream) -> u64 {
    let mut buffer = [0; 65_536];
    let mut read = 0;
    loop {
        match client.read(&mut buffer).unwrap() {
            0 => return read,
            count => read += count as u64,
        }
    }
}

/// The strangers that a server told, whose figure must hold; none where its worker slept through the window.
fn sent(told: Told, read: u64) -> Option<u64> {
    match told {
        Ok(HandReport::Sent { side, .. }) => {
            assert_eq!(side.total.accepted_bytes, read);
            assert!(side.workers.iter().all(|worker| worker.window_ns.0 > 0));
            Some(side.strangers)
        }
        Err(EngineError::Ends(why)) if why.contains(UNSEEN) => None,
        other => panic!("{other:?}"),
    }
}

/// What is told where a worker has no figure, which is so as well where others have the CPUs.
const UNSEEN: &str = "1 of 1 workers saw less than an eighth of the window";

fn slow_token() {
    let strangers = in_windows("a server after a slow stranger", 200, |duration_ms| {
        let (address, server) = server(options("threads=1", duration_ms));
        let mut slow = TcpStream::connect(address).unwrap();
        // All but the last byte, which does not come: it is told that it is too late, and heard no more.
        slow.write_all(&greeting()[..19]).unwrap();
        let mut answer = Vec::new();
        slow.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"b");
        let mut client = client(address);
        let read = read_to_the_end(&mut client);
        drop(client);
        sent(server.join().unwrap(), read)
    });
    assert_eq!(strangers, 1);
}

fn gone_too_soon() {
    // Longer than both take, who are waited for.
    let patience = Duration::from_secs(4);
    let (address, server) = server(HandOptions { patience, ..options("threads=2", 200) });
    for more in [&b""[..], b"and more"] {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(&greeting()).unwrap();
        client.read_exact(&mut [0]).unwrap();
        // One that said more may be reset before it has come to this.
        let _ = client.write_all(more).and_then(|()| client.shutdown(std::net::Shutdown::Write));
        assert!(!client.read(&mut [0]).is_ok_and(|read| read > 0), "told to begin");
    }
    let why = server.join().unwrap().unwrap_err().to_string();
    for part in ["0 of 2 data connections", "2 with the token ended or said more than it"] {
        assert!(why.contains(part), "{why}");
    }
}

fn unread_window() {
    // Where others crowd the CPUs the worker may come to the window before it has filled the buffers.
    let why = in_windows("a window in which nobody reads", 300, |duration_ms| {
        let cell = "threads=1 message_bytes=65536 sndbuf=16384";
        let (address, server) = server(options(cell, duration_ms));
        let mut client = client(address);
        thread::sleep(Duration::from_millis(2 * duration_ms));
        let read = read_to_the_end(&mut client);
        drop(client);
        match server.join().unwrap() {
            Err(error) => Some(error.to_string()),
            told @ Ok(_) => {
                sent(told, read);
                None
            }
        }
    });
    for part in [UNSEEN, "the other end did not read"] {
        assert!(why.contains(part), "{why}");
    }
}

fn reset_at_the_end() {
    let why = in_windows("a server that sends", 100, |duration_ms| {
        let (address, server) = server(options("threads=1 message_bytes=64", duration_ms));
        let mut client = client(address);
        let came = client.read(&mut [0]).unwrap();
        thread::sleep(Duration::from_millis(4 * duration_ms));
        // Most of it lies unread.
        drop(client);
        let told = server.join().unwrap();
        (came > 0).then(|| told.unwrap_err().to_string())
    });
    assert!(why.contains("Connection reset by peer") || why.contains("Broken pipe"), "{why}");
}

/// What a client by hand says of a server that behaves so to each connection, once all that the client says first lies unread:
/// where they share a crowded CPU it may come late, and a close before it is no reset.
fn of_server(duration_ms: u64, behave: impl Fn(TcpStream) + Send + 'static) -> Told {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (over, is_over) = mpsc::channel::<()>();
    listener.set_nonblocking(true).unwrap();
    let server = thread::spawn(move || {
        while is_over.try_recv().is_err() {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    if await_unread(&stream, 20) {
                        behave(stream);
                    }
                }
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
    });
    // A server that is busy is asked again until then.
    let patience = Duration::from_secs(2);
    let options = HandOptions { address, patience, ..options("threads=1", duration_ms) };
    let told = by_hand::connect(&options, &Interrupts::install().unwrap());
    over.send(()).unwrap();
    server.join().unwrap();
    told
}

/// As long as a client waits for an answer, which a crowded machine may hold up.
const ANSWERED_MS: u64 = 2_000;

fn wrong_servers() {
    let say = |words: &'static [u8], stays: bool| {
        move |mut stream: TcpStream| {
            stream.read_exact(&mut [0; 20]).unwrap();
            // A client that has heard enough may be gone.
            let _ = stream.write_all(words);
            if stays {
                wait_until("the client's leaving", || has_ended(&stream));
            }
        }
    };
    for (words, stays, why) in [
        (&b"w"[..], true, TurnedAway::Incomplete),
        (b"w", false, TurnedAway::Ended),
        (b"g", true, TurnedAway::Unknown),
        (b"ww", true, TurnedAway::Unknown),
        (b"t", true, TurnedAway::Taken),
        (b"b", false, TurnedAway::Busy),
        (b"", true, TurnedAway::Silent),
        (b"", false, TurnedAway::WrongToken),
        (b"wg", false, TurnedAway::Ended),
        (b"\0", true, TurnedAway::Unknown),
    ] {
        let told = of_server(ANSWERED_MS, say(words, stays));
        assert_eq!(told, Ok(HandReport::TurnedAway(why)), "{words:?}, stays: {stays}");
    }
    // What it was told lies unread, so that its close is a reset.
    let told = of_server(ANSWERED_MS, drop);
    assert_eq!(told, Ok(HandReport::TurnedAway(TurnedAway::Busy)));
    let told = of_server(ANSWERED_MS, |mut stream| stream.write_all(b"wg").unwrap());
    assert!(
        matches!(told, Ok(HandReport::TurnedAway(TurnedAway::Ended | TurnedAway::Busy))),
        "{told:?}"
    );
    let why = of_server(ANSWERED_MS, move |mut stream| {
        stream.write_all(b"wg and then it sends").unwrap();
        thread::sleep(Duration::from_millis(100));
    });
    let why = why.unwrap_err().to_string();
    assert!(
        why.contains("receiving: Connection reset by peer (os error 104) (after 18 bytes)"),
        "{why}"
    );
    assert!(!why.contains("--time"), "no other time helps: {why}");
}

fn unsent_window() {
    let why = in_windows("a window in which nobody sends", 300, |duration_ms| {
        let told = of_server(duration_ms, move |mut stream| {
            stream.read_exact(&mut [0; 20]).unwrap();
            stream.write_all(&[b"wg".as_slice(), &[1; 100]].concat()).unwrap();
            thread::sleep(Duration::from_millis(3 * duration_ms));
        });
        match told {
            // Where others crowd the CPUs the server may answer too late, the worker may come to the bytes when the window is open
            // already, and the client may begin when the server is about to leave.
            Ok(HandReport::TurnedAway(TurnedAway::Silent | TurnedAway::Incomplete)) => None,
            Ok(HandReport::Received(side)) if side.total.received_bytes == 100 => None,
            Err(EngineError::Ends(why)) if why.contains("ended before the window did") => None,
            told => Some(told.unwrap_err().to_string()),
        }
    });
    for part in [UNSEEN, "the other end did not send", "(after 100 bytes)"] {
        assert!(why.contains(part), "{why}");
    }
}
