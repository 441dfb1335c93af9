//! What the two ends by hand say to each other over a client's first connection: lines of JSON, bounded in length and time.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use kernel::socket::{ReceiveFlags, Socket};
use model::{Cell, Nanos};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::protocol::{Report, Role};

/// The version of what is said here; both ends must speak the same.
pub(crate) const HAND_PROTOCOL: u32 = 1;

/// The most bytes of a line before a client is served.
const MOST_OF_ASK: usize = 16 << 10;
/// The most bytes of a line from then on: a report of 256 workers has a quarter of it.
const MOST_OF_REPORT: usize = 1 << 20;
/// Bytes that one call reads, and calls of one look.
const PIECE: usize = 16 << 10;
const MOST_READS: u32 = 64;
/// How long saying a line may take: the other end reads nothing else meanwhile.
const SAYING: Duration = Duration::from_secs(5);
/// The most characters of what the other end says that are shown.
const MOST_SHOWN: usize = 600;

/// What a client asks for. Its first two fields are of every version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ask {
    /// [`HAND_PROTOCOL`].
    pub(crate) protocol: u32,
    /// The version of the program.
    pub(crate) version: String,
    /// Every factor.
    pub(crate) cell: Cell,
    /// How long the load lasts.
    pub(crate) time_ns: Nanos,
    /// Whether the client sends and the server receives.
    pub(crate) reverse: bool,
}

impl Ask {
    /// What the server does.
    pub(crate) const fn role_of_server(&self) -> Role {
        if self.reverse { Role::Receive } else { Role::Send }
    }

    /// What the client does.
    pub(crate) const fn role_of_client(&self) -> Role {
        if self.reverse { Role::Send } else { Role::Receive }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    /// Client: what it wants.
    Ask(Box<Ask>),
    /// Server: it is served; its flows begin with this token.
    Accepted {
        /// 32 hexadecimal digits.
        token: String,
    },
    /// Server: another client is served.
    Busy,
    /// Server: it does not do this, for this reason.
    Refused {
        /// One line.
        why: String,
    },
    /// Client: its workers wait for the load.
    Ready,
    /// Server: its workers do too, and the load begins.
    Begin,
    /// Either: what it measured.
    Report(Box<Report>),
    /// Either: it has given up, for this reason.
    Failed {
        /// One line.
        why: String,
    },
}

/// What a look at the connection found.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// A line.
    Line(Line),
    /// Nothing whole yet.
    Nothing,
    /// The other end has left.
    Ended,
    /// Something that is no line: what is wrong with it.
    Wrong(String),
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Control {
    socket: Socket,
    unread: Vec<u8>,
    most: usize,
}

impl Control {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, unread: Vec::new(), most: MOST_OF_ASK }
    }

    /// From now on lines may be as long as a report.
    pub(crate) fn expect_reports(&mut self) {
        self.most = MOST_OF_REPORT;
    }

    pub(crate) fn peer(&self) -> Option<std::net::SocketAddr> {
        self.socket.peer_address().ok()
    }

    /// Says a line, within a bounded time.
    ///
    /// # Errors
    /// The other end has left, or reads nothing.
    pub(crate) fn say(&self, line: &Line) -> Result<(), String> {
        let mut bytes = serde_json::to_vec(line).map_err(|error| error.to_string())?;
        bytes.push(b'\n');
        self.socket.write_all(&bytes, Instant::now() + SAYING).map_err(|error| error.to_string())
    }

    /// Reads what has come, and takes the first line of it.
    pub(crate) fn look(&mut self) -> Heard {
        for _ in 0..MOST_READS {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let rest = self.unread.split_off(end + 1);
                let line = std::mem::replace(&mut self.unread, rest);
                return match read_line(&line) {
                    Ok(line) => Heard::Line(line),
                    Err(why) => Heard::Wrong(why),
                };
            }
            if self.unread.len() >= self.most {
                return Heard::Wrong(format!("it said more than {} bytes in one line", self.most));
            }
            let read = self.unread.len();
            self.unread.resize(read + PIECE.min(self.most - read), 0);
            let received = match self.unread.get_mut(read..) {
                Some(room) => self.socket.receive(room, ReceiveFlags::DONT_WAIT),
                None => Ok(0),
            };
            self.unread.truncate(read + *received.as_ref().unwrap_or(&0));
            match received {
                Ok(0) => return Heard::Ended,
                Ok(_) => {}
                Err(errno) if errno.is_interrupted() => {}
                Err(errno) if errno.is_would_block() => return Heard::Nothing,
                Err(_) => return Heard::Ended,
            }
        }
        Heard::Nothing
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Reads a line; one of another version is told as such.
///
/// # Errors
/// What is wrong with it, in one line with the remedy.
pub(crate) fn read_line(line: &[u8]) -> Result<Line, String> {
    let value: Value =
        serde_json::from_slice(line).map_err(|why| format!("it said what is no JSON ({why})"))?;
    if let Some(ask) = value.get("ask") {
        let protocol = ask.get("protocol").and_then(Value::as_u64);
        if protocol != Some(u64::from(HAND_PROTOCOL)) {
            let version = ask.get("version").and_then(Value::as_str).unwrap_or("unknown");
            let protocol = protocol.map_or("none".to_owned(), |protocol| protocol.to_string());
            return Err(format!(
                "connect is copycost {} (protocol {protocol}) and serve is copycost {} (protocol {HAND_PROTOCOL}); use the same copycost at both ends",
                shown(version),
                env!("CARGO_PKG_VERSION"),
            ));
        }
    }
    serde_json::from_value(value).map_err(|why| {
        let why = why.to_string();
        format!("{}; use the same copycost at both ends", shown(&why))
    })
}

/// What the other end said, as a part of one line that drives no terminal.
pub(crate) fn shown(text: &str) -> String {
    let of = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(MOST_SHOWN).map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn ask() -> Ask {
        Ask {
            protocol: HAND_PROTOCOL,
            version: "0.1.0".to_owned(),
            cell: "send=zerocopy message_bytes=65536 threads=2".parse().unwrap(),
            time_ns: Nanos::s(10),
            reverse: false,
        }
    }

    fn connected() -> (Control, Socket) {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Socket::listen(any, 1).unwrap();
        let address = listener.local_address().unwrap();
        let client = Socket::stream(address).unwrap();
        client.connect(address, PATIENCE).unwrap();
        let (server, _) = listener.accept(Some(60_000)).unwrap().unwrap();
        (Control::new(server), client)
    }

    fn heard(control: &mut Control) -> Heard {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match control.look() {
                Heard::Nothing => assert!(Instant::now() < deadline, "nothing came"),
                heard @ (Heard::Line(_) | Heard::Ended | Heard::Wrong(_)) => return heard,
            }
        }
    }

    #[test]
    fn every_line_reads_back_as_the_same() {
        let why = "because".to_owned();
        for line in [
            Line::Ask(Box::new(ask())),
            Line::Accepted { token: "00".to_owned() },
            Line::Busy,
            Line::Refused { why: why.clone() },
            Line::Ready,
            Line::Begin,
            Line::Failed { why },
        ] {
            let text = serde_json::to_vec(&line).unwrap();
            assert!(!text.contains(&b'\n'));
            assert_eq!(read_line(&text), Ok(line));
        }
    }

    #[test]
    fn another_version_is_told_as_such_whatever_else_it_says() {
        let line = br#"{"ask":{"protocol":7,"version":"9.9\u001b[31m","cells":[1]}}"#;
        let why = read_line(line).unwrap_err();
        assert!(why.contains("copycost 9.9 [31m (protocol 7)"), "{why}");
        assert!(why.ends_with("use the same copycost at both ends"), "{why}");
        let why = read_line(br#"{"ask":{"cell":"send=send"}}"#).unwrap_err();
        assert!(why.contains("copycost unknown (protocol none)"), "{why}");
        let mut value = serde_json::to_value(Line::Ask(Box::new(ask()))).unwrap();
        value["ask"]["cell"] = "send=carrier-pigeon".into();
        let why = read_line(value.to_string().as_bytes()).unwrap_err();
        assert!(why.contains("carrier-pigeon"), "{why}");
    }

    #[test]
    fn lines_come_whole_however_they_were_cut_and_in_order() {
        let (mut control, client) = connected();
        let deadline = Instant::now() + PATIENCE;
        assert_eq!(control.look(), Heard::Nothing);
        let text = [serde_json::to_vec(&Line::Ready).unwrap(), b"\n\"begin\"\n\"bu".to_vec()];
        for byte in text.concat() {
            client.write_all(&[byte], deadline).unwrap();
        }
        assert_eq!(heard(&mut control), Heard::Line(Line::Ready));
        assert_eq!(heard(&mut control), Heard::Line(Line::Begin));
        assert_eq!(control.look(), Heard::Nothing);
        drop(client);
        assert_eq!(heard(&mut control), Heard::Ended);
    }

    #[test]
    fn a_line_without_an_end_is_given_up_at_a_bounded_length() {
        let (mut control, client) = connected();
        client.write_all(&vec![b' '; MOST_OF_ASK + 1], Instant::now() + PATIENCE).unwrap();
        let Heard::Wrong(why) = heard(&mut control) else { panic!("it was taken") };
        assert!(why.contains("more than 16384 bytes"), "{why}");
        assert_eq!(control.unread.len(), MOST_OF_ASK);
    }

    #[test]
    fn what_the_other_end_says_is_shown_as_a_part_of_one_line() {
        assert_eq!(shown("a\nb\u{1b}c"), "a b c");
        assert_eq!(shown(&"x".repeat(5000)).len(), MOST_SHOWN);
    }
}
