//! The ends by hand, as tests start them and as they speak with them.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use engine::by_hand::{self, ConnectOptions, HandEnd, HandEvent, HandReport, ServeOptions, Served};
use engine::protocol::Report;
use engine::{EngineError, Interrupts};
use model::record::{Counters, ReceiveTally, Side, SnmpFacts, SocketFacts, TcpFacts, Usage};
use model::{Bytes, Measured, Nanos};
use serde_json::{Value, json};

use super::PATIENCE;

pub(crate) const TOKEN: &str = "00112233445566778899aabbccddeeff";

/// What came of a server: its reports, what it said of clients that it did not serve, and how it ended.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) reports: Vec<HandReport>,
    pub(crate) not_served: Vec<String>,
    pub(crate) ended: Result<Served, EngineError>,
}

pub(crate) fn serve_options() -> ServeOptions {
    ServeOptions {
        addresses: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        token: Some(TOKEN.to_owned()),
        once: true,
        patience: Some(PATIENCE),
    }
}

pub(crate) fn serve(options: &ServeOptions, say: impl Fn(SocketAddr)) -> Told {
    let interrupts = Interrupts::install().unwrap();
    let (mut reports, mut not_served) = (Vec::new(), Vec::new());
    let ended = by_hand::serve(options, &interrupts, &mut |event| match event {
        HandEvent::Listening { addresses, .. } => say(addresses[0]),
        HandEvent::Ended(report) => reports.push(report.clone()),
        HandEvent::NotServed { why, .. } | HandEvent::Failed { why, .. } => {
            not_served.push(why.to_owned());
        }
        HandEvent::Began { .. } | HandEvent::Interval { .. } | HandEvent::TurnedAway { .. } => {}
    });
    Told { reports, not_served, ended }
}

/// A server on a thread of its own, and where it listens.
pub(crate) fn server() -> (SocketAddr, thread::JoinHandle<Told>) {
    let (told, address) = mpsc::channel();
    let server =
        thread::spawn(move || serve(&serve_options(), |address| told.send(address).unwrap()));
    (address.recv().unwrap(), server)
}

pub(crate) fn connect_options(cell: &str, address: SocketAddr, ms: u64) -> ConnectOptions {
    ConnectOptions {
        addresses: vec![address],
        token: Some(TOKEN.to_owned()),
        cell: cell.parse().unwrap(),
        time: Nanos::ms(ms),
        reverse: false,
        patience: PATIENCE,
    }
}

pub(crate) fn connect(options: &ConnectOptions) -> Result<HandEnd, EngineError> {
    by_hand::connect(options, &Interrupts::install().unwrap(), &mut |_| {})
}

/// What a connection begins with: a token, and the number of a flow or a client's.
pub(crate) fn greeting(token: &str, number: u32) -> Vec<u8> {
    [by_hand::read_token(token).unwrap().as_slice(), &number.to_be_bytes()].concat()
}

/// The number of no flow: a client's first connection.
pub(crate) const CLIENT: u32 = u32::MAX;

/// Connects, shows a token, and reads the answer; none where the connection is closed without one.
pub(crate) fn greet(address: SocketAddr, token: &str, number: u32) -> (TcpStream, Option<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&greeting(token, number)).unwrap();
    let mut answer = [0];
    let answer = match stream.read(&mut answer).unwrap() {
        0 => None,
        _ => Some(answer[0]),
    };
    (stream, answer)
}

/// A client that a test speaks for.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    pub(crate) control: BufReader<TcpStream>,
    pub(crate) flows: Vec<TcpStream>,
}

impl Client {
    /// Greeted and welcome; a server that still ends the test before says that it is occupied.
    pub(crate) fn new(address: SocketAddr) -> Self {
        const OCCUPIED: Option<u8> = Some(b'o');
        let patience = Duration::from_secs(10);
        let begun = Instant::now();
        let (control, answer) = loop {
            let greeted = greet(address, TOKEN, CLIENT);
            if greeted.1 != OCCUPIED || begun.elapsed() > patience {
                break greeted;
            }
            thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(answer, Some(b'w'));
        Self { address, control: BufReader::new(control), flows: Vec::new() }
    }

    pub(crate) fn say(&mut self, line: &Value) {
        writeln!(self.control.get_mut(), "{line}").unwrap();
    }

    /// The next line; nothing where the server has left.
    pub(crate) fn hear(&mut self) -> Value {
        let mut line = String::new();
        match self.control.read_line(&mut line) {
            // It has left, and what a test said lay unread.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            read => {
                read.unwrap();
            }
        }
        if line.is_empty() { Value::Null } else { serde_json::from_str(&line).unwrap() }
    }

    /// Asks, and is accepted: the token of its flows.
    pub(crate) fn ask(&mut self, cell: &str, ms: u64) -> String {
        self.say(&ask(cell, ms));
        let answer = self.hear();
        answer["accepted"]["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    pub(crate) fn flow(&mut self, token: &str, number: u32) -> Option<u8> {
        let (flow, answer) = greet(self.address, token, number);
        self.flows.push(flow);
        answer
    }

    /// Up to the beginning of a load over one connection.
    pub(crate) fn begun(address: SocketAddr, cell: &str, ms: u64) -> Self {
        let mut client = Self::new(address);
        let token = client.ask(cell, ms);
        assert_eq!(client.flow(&token, 0), Some(b'w'));
        client.say(&json!("ready"));
        assert_eq!(client.hear(), "begin");
        client
    }

    /// Reads the flow to its end.
    pub(crate) fn read_to_the_end(&mut self) -> u64 {
        let mut buffer = [0; 65_536];
        let mut read = 0;
        loop {
            match self.flows[0].read(&mut buffer).unwrap() {
                0 => return read,
                count => read += count as u64,
            }
        }
    }

    /// Leaves its flows, and the test with them.
    pub(crate) fn end(mut self) {
        self.flows.clear();
        self.say(&json!({ "failed": { "why": "a test has no figure" } }));
        while self.hear() != Value::Null {}
    }

    /// Leaves its flows, and tells the figures of a receiver.
    pub(crate) fn end_with_report(mut self) {
        self.flows.clear();
        self.say(&report());
        while self.hear() != Value::Null {}
    }
}

/// What a client asks for.
pub(crate) fn ask(cell: &str, ms: u64) -> Value {
    json!({ "ask": {
        "protocol": 1,
        "version": "test",
        "cell": cell,
        "time_ns": Nanos::ms(ms),
        "reverse": false,
    }})
}

/// What a receiver tells that has measured nothing.
fn report() -> Value {
    let absent = || Measured::absent("a test");
    let side = Side {
        workers: Vec::new(),
        window: ReceiveTally::default(),
        total: ReceiveTally::default(),
        ring_threads: None,
        usage: absent().map(|()| Usage::default()),
        after_cpu_ns: Nanos(0),
        counters: Counters::absent("a test"),
        tcp: absent().map(|()| TcpFacts::default()),
        snmp: absent().map(|()| SnmpFacts::default()),
        strangers: 0,
        edge_ns: Nanos(0),
        peak_rss_bytes: Bytes(0),
        ring_bytes: Bytes(0),
        socket: SocketFacts::default(),
        throttled_us: absent().map(|()| 0),
        releases: None,
    };
    json!({ "report": Report::Received { side, machine: None } })
}
