//! What misbehaves at the other end of `serve` and `connect`, over loopback: clients that dawdle, leave, babble or do not read, and
//! servers that answer wrongly, send nothing or leave. Each ends with a reason or with a figure that holds.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop where it stands, and say what it skips"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use engine::EngineError;
use engine::by_hand::{ConnectOptions, HandEnd, TurnedAway};
use serde_json::{Value, json};

mod common;

use common::by_hand::{Client, Told, ask, connect, connect_options, greeting, server};
use common::{Test, has_ended, in_windows, run_tests, wait_until};

fn main() -> ExitCode {
    let tests: [Test; 13] = [
        ("both_ends_tell_both_sides_whichever_sends", both_sides),
        ("a_token_that_comes_too_slowly_is_a_strangers", slow_token),
        ("a_flow_that_leaves_or_babbles_before_the_load_may_come_again", gone_too_soon),
        ("what_a_server_refuses_is_said_at_once_and_it_goes_on", refused),
        ("a_client_that_leaves_at_any_moment_is_told_and_not_waited_for", left),
        ("a_client_that_leaves_under_load_ends_the_test", left_under_load),
        ("a_client_that_does_not_read_in_the_window_leaves_no_figure", unread_window),
        ("a_client_that_resets_at_the_end_is_told", reset_at_the_end),
        ("a_client_that_tells_no_figure_leaves_the_servers", no_report),
        ("servers_that_answer_wrongly_or_leave_are_told_apart", wrong_servers),
        ("servers_that_say_what_is_not_their_turn_are_told_apart", wrong_lines),
        ("a_server_that_leaves_under_load_ends_the_test", server_left),
        ("a_server_that_sends_nothing_in_the_window_leaves_no_figure", unsent_window),
    ];
    run_tests(&tests, None)
}

/// What is told where a worker has no figure, which is so as well where others have the CPUs.
const UNSEEN: &str = "1 of 1 workers saw less than an eighth of the window";

/// What a server that serves one client told of a test that failed; none where it has a figure.
fn failure(told: Told) -> Option<String> {
    match told.ended {
        Err(EngineError::Ends(why)) => Some(why),
        Ok(_) => None,
        Err(other) => panic!("{other:?}"),
    }
}

/// The same of one whose figure must hold: the strangers that it told. None where its worker slept through the window.
fn sent(told: Told, read: u64) -> Option<u64> {
    match told.ended {
        Ok(served) => {
            let side = told.reports[0].sent.value().unwrap();
            assert_eq!(side.total.accepted_bytes, read);
            assert!(side.workers.iter().all(|worker| worker.window_ns.0 > 0));
            assert_eq!(served.strangers, told.reports[0].strangers);
            Some(served.strangers)
        }
        Err(EngineError::Ends(why)) if why.contains(UNSEEN) => None,
        other => panic!("{other:?}"),
    }
}

fn both_sides() {
    for reverse in [false, true] {
        in_windows("both ends", 300, |ms| {
            let (address, server) = server();
            let cell = "threads=2 flows=2 message_bytes=4096 sndbuf=65536";
            let options = ConnectOptions { reverse, ..connect_options(cell, address, ms) };
            let end = connect(&options);
            let told = server.join().unwrap();
            let (Ok(HandEnd::Report(at_client)), [at_server]) = (end, told.reports.as_slice())
            else {
                assert!(told.ended.is_err(), "{told:?}");
                return None;
            };
            let (sent, received) = (at_client.sent.value()?, at_client.received.value()?);
            assert_eq!(sent.total.accepted_bytes, received.total.received_bytes);
            assert!(received.total.received_bytes > 0);
            assert_eq!((sent.workers.len(), received.workers.len()), (2, 2));
            // What the client asked for holds at the server, and both tell the same.
            assert_eq!((at_server.cell.id(), at_server.reverse), (options.cell.id(), reverse));
            assert_eq!(at_server.sent, at_client.sent);
            assert_eq!(at_server.received, at_client.received);
            assert!(sent.socket.send_buffer_bytes >= 65_536);
            Some(())
        });
    }
}

fn slow_token() {
    let strangers = in_windows("a server after a slow stranger", 200, |ms| {
        let (address, server) = server();
        let mut slow = TcpStream::connect(address).unwrap();
        // All but the last byte, which does not come: it is told that it is too late, and heard no more.
        slow.write_all(&greeting(common::by_hand::TOKEN, 0)[..19]).unwrap();
        let mut answer = Vec::new();
        slow.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"b");
        let mut client = Client::begun(address, "threads=1", ms);
        let read = client.read_to_the_end();
        client.end_with_report();
        sent(server.join().unwrap(), read)
    });
    assert_eq!(strangers, 1);
}

fn gone_too_soon() {
    let (address, server) = server();
    let mut client = Client::new(address);
    let token = client.ask("threads=2", 200);
    for more in [&b""[..], b"and more"] {
        assert_eq!(client.flow(&token, 0), Some(b'w'));
        let mut flow = client.flows.pop().unwrap();
        // One that said more may be reset before it has come to this.
        let _ = flow.write_all(more).and_then(|()| flow.shutdown(std::net::Shutdown::Write));
        assert!(!flow.read(&mut [0]).is_ok_and(|read| read > 0), "told something");
    }
    assert_eq!(client.flow(&token, 0), Some(b'w'));
    assert_eq!(client.flow(&token, 0), Some(b't'), "it is there already");
    drop(client);
    // It serves the next one.
    serves_on(address);
    let told = server.join().unwrap();
    assert_eq!(told.not_served, ["it left before it said what it measured"]);
}

/// That a server which has served nobody yet serves a client.
fn serves_on(address: SocketAddr) {
    let mut client = Client::begun(address, "threads=1", 200);
    client.read_to_the_end();
    client.end();
}

fn refused() {
    let (address, server) = server();
    let mut newer = ask("threads=1", 200);
    newer["ask"]["protocol"] = 99.into();
    newer["ask"]["version"] = "9.9.9".into();
    let pigeon = ask("send=pigeon", 200);
    let lines = [
        (newer, "connect is copycost 9.9.9 (protocol 99) and serve is copycost"),
        (pigeon, "pigeon"),
        (ask("link=sink", 200), "--link sink"),
        (ask("threads=256 flows=256", 200), "at most 1024"),
        (ask("message_bytes=16777216 threads=256", 200), "one client gets at most"),
        (ask("threads=1", 0), "--time: from 1ms to 24h"),
        (json!("ready"), "did not begin with what it wants"),
        (json!({ "ask": 7 }), "protocol none"),
        (json!(" ".repeat(20_000)), "more than 16384 bytes in one line"),
    ];
    let count = lines.len();
    for (line, part) in lines {
        let mut client = Client::new(address);
        client.say(&line);
        let answer = client.hear();
        let why = answer["refused"]["why"].as_str().unwrap_or_else(|| panic!("{answer}"));
        assert!(why.contains(part), "{why}");
    }
    serves_on(address);
    assert_eq!(server.join().unwrap().not_served.len(), count);
}

fn left() {
    let (address, server) = server();
    drop(Client::new(address));
    let mut client = Client::new(address);
    client.ask("threads=2", 200);
    drop(client);
    let mut client = Client::new(address);
    let token = client.ask("threads=1", 200);
    assert_eq!(client.flow(&token, 0), Some(b'w'));
    drop(client);
    let mut client = Client::new(address);
    client.ask("threads=1", 200);
    client.say(&json!({ "failed": { "why": "no \u{1b}[31m more" } }));
    assert_eq!(client.hear(), Value::Null);
    serves_on(address);
    let not_served = server.join().unwrap().not_served;
    assert_eq!(not_served.len(), 4, "{not_served:?}");
    assert_eq!(not_served[3], "no  [31m more");
}

fn left_under_load() {
    let (address, server) = server();
    // Its flows go on: it is the first connection that tells.
    let client = Client::begun(address, "threads=1", 60_000);
    let Client { flows, control, .. } = client;
    drop(control);
    assert!(failure(server.join().unwrap()).unwrap().contains("the client left"));
    drop(flows);
}

fn unread_window() {
    // Where others crowd the CPUs the worker may come to the window before it has filled the buffers.
    let why = in_windows("a window in which nobody reads", 300, |ms| {
        let (address, server) = server();
        let mut client = Client::begun(address, "threads=1 message_bytes=65536 sndbuf=16384", ms);
        thread::sleep(Duration::from_millis(2 * ms));
        let read = client.read_to_the_end();
        client.end_with_report();
        let told = server.join().unwrap();
        if told.ended.is_ok() {
            sent(told, read);
            return None;
        }
        failure(told)
    });
    for part in [UNSEEN, "the other end did not read"] {
        assert!(why.contains(part), "{why}");
    }
}

fn reset_at_the_end() {
    let why = in_windows("a server that sends", 100, |ms| {
        let (address, server) = server();
        let mut client = Client::begun(address, "threads=1 message_bytes=64", ms);
        let came = client.flows[0].read(&mut [0]).unwrap();
        thread::sleep(Duration::from_millis(4 * ms + 400));
        // Most of it lies unread.
        client.flows.clear();
        let told = server.join().unwrap();
        drop(client);
        (came > 0).then(|| failure(told).unwrap())
    });
    assert!(why.contains("Connection reset by peer") || why.contains("Broken pipe"), "{why}");
}

fn no_report() {
    in_windows("a server whose client has no figure", 200, |ms| {
        let (address, server) = server();
        let mut client = Client::begun(address, "threads=1", ms);
        client.read_to_the_end();
        client.flows.clear();
        // The server's own figure is there once it has heard that all is read: it waits for the client's then.
        thread::sleep(Duration::from_millis(300));
        client.say(&json!({ "failed": { "why": "it was held up" } }));
        let heard = client.hear();
        let told = server.join().unwrap();
        let report = told.reports.first()?;
        assert!(heard["report"]["sent"].is_object(), "{heard}");
        assert!(report.sent.value().is_some());
        let why = "the other end has no figure: it was held up";
        assert_eq!(report.received.reason(), Some(why));
        Some(())
    });
}

/// What a client by hand says of a server that behaves so to each connection, once it has read its greeting.
fn of_server(ms: u64, behave: impl Fn(Peer) + Send + 'static) -> Result<HandEnd, EngineError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (over, is_over) = mpsc::channel::<()>();
    listener.set_nonblocking(true).unwrap();
    let server = thread::spawn(move || {
        while is_over.try_recv().is_err() {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    if stream.read_exact(&mut [0; 20]).is_ok() {
                        behave(Peer { stream, listener: listener.try_clone().unwrap() });
                    }
                }
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
    });
    // A server without room is asked again until then.
    let patience = Duration::from_secs(2);
    let options = ConnectOptions { patience, ..connect_options("threads=1", address, ms) };
    let told = connect(&options);
    over.send(()).unwrap();
    server.join().unwrap();
    told
}

/// A server's end of a client's first connection.
struct Peer {
    stream: TcpStream,
    listener: TcpListener,
}

impl Peer {
    /// Says something; a client that has heard enough may be gone.
    fn say(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    fn say_line(&mut self, line: &Value) {
        self.say(format!("{line}\n").as_bytes());
    }

    fn hear(&self) -> String {
        let mut line = String::new();
        let _ = BufReader::new(&self.stream).read_line(&mut line);
        line
    }

    fn await_end(&self) {
        wait_until("the client's leaving", || has_ended(&self.stream));
    }

    /// Accepts, takes the one flow, and begins.
    fn begin(&mut self) -> TcpStream {
        self.say(b"w");
        assert!(self.hear().contains("\"ask\""));
        self.say_line(&json!({ "accepted": { "token": common::by_hand::TOKEN } }));
        let mut flow = loop {
            match self.listener.accept() {
                Ok((flow, _)) => break flow,
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        };
        flow.set_nonblocking(false).unwrap();
        let mut shown = [0; 20];
        flow.read_exact(&mut shown).unwrap();
        assert_eq!(shown.as_slice(), greeting(common::by_hand::TOKEN, 0));
        flow.write_all(b"w").unwrap();
        assert_eq!(self.hear(), "\"ready\"\n");
        self.say_line(&json!("begin"));
        flow
    }
}

/// As long as a client measures that gets as far as that.
const MEASURED_MS: u64 = 2_000;

fn turned_away(told: Result<HandEnd, EngineError>) -> TurnedAway {
    match told {
        Ok(HandEnd::TurnedAway(_, why)) => why,
        other => panic!("{other:?}"),
    }
}

fn ends(told: Result<HandEnd, EngineError>) -> String {
    match told {
        Err(EngineError::Ends(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn wrong_servers() {
    for (words, stays, why) in [
        (&b"t"[..], true, TurnedAway::Taken),
        (b"b", false, TurnedAway::Crowded),
        (b"o", false, TurnedAway::Occupied),
        (b"", true, TurnedAway::Silent),
        (b"", false, TurnedAway::WrongToken),
        (b"\0", true, TurnedAway::Unknown),
        (b"HTTP/1.1 400 Bad Request", true, TurnedAway::Unknown),
    ] {
        let told = of_server(MEASURED_MS, move |mut peer| {
            peer.say(words);
            if stays {
                peer.await_end();
            }
        });
        assert_eq!(turned_away(told), why, "{words:?}, stays: {stays}");
    }
}

fn wrong_lines() {
    let after_ask = |line: &'static str, stays: bool| {
        of_server(MEASURED_MS, move |mut peer| {
            peer.say(b"w");
            peer.hear();
            peer.say(line.as_bytes());
            if stays {
                peer.await_end();
            }
        })
    };
    let refused = after_ask("{\"refused\":{\"why\":\"it is a\\nSunday\"}}\n", true);
    assert_eq!(turned_away(refused), TurnedAway::Refused("it is a Sunday".to_owned()));
    assert_eq!(turned_away(after_ask("\"busy\"\n", true)), TurnedAway::Occupied);
    for (line, stays, part) in [
        ("", false, "left before the test was over"),
        ("", true, "said nothing more: is it a copycost serve?"),
        ("\"begin\"\n", true, "did not answer what was asked for"),
        ("{\"accepted\":{\"token\":\"xyz\"}}\n", true, "is no token"),
        ("nonsense\n", true, "it said what is no JSON"),
        ("{\"later\":1}\n", true, "use the same copycost at both ends"),
    ] {
        let why = ends(after_ask(line, stays));
        assert!(why.contains(part), "{line:?}: {why}");
    }
}

fn server_left() {
    let why = ends(of_server(60_000, |mut peer| {
        let mut flow = peer.begin();
        flow.write_all(&[1; 100]).unwrap();
        drop(peer);
        // The flow goes on: it is the first connection that tells.
        wait_until("the client's leaving", || has_ended(&flow));
    }));
    assert!(why.contains("left before the test was over"), "{why}");
    let why = ends(of_server(60_000, |mut peer| {
        let flow = peer.begin();
        peer.say_line(&json!({ "failed": { "why": "the other end was interrupted (Ctrl-C)" } }));
        wait_until("the client's leaving", || has_ended(&flow));
    }));
    assert!(why.contains("ended the test: the other end was interrupted"), "{why}");
}

fn unsent_window() {
    let why = in_windows("a window in which nobody sends", 300, |ms| {
        let told = of_server(ms, move |mut peer| {
            let mut flow = peer.begin();
            flow.write_all(&[1; 100]).unwrap();
            thread::sleep(Duration::from_millis(3 * ms));
            drop(flow);
            peer.await_end();
        });
        match told {
            // Where others crowd the CPUs the worker may come to the bytes when the window is open already, or the server leave
            // before the window is over.
            Ok(HandEnd::Report(_)) => None,
            Err(EngineError::Ends(why)) if why.contains("ended before the window did") => None,
            told => Some(ends(told)),
        }
    });
    for part in [UNSEEN, "the other end did not send", "(after 100 bytes)"] {
        assert!(why.contains(part), "{why}");
    }
}
