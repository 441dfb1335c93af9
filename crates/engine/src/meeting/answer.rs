//! What a server by hand answers to a greeting, and the client that waits for it.

use std::time::{Duration, Instant};

use kernel::poll;
use kernel::socket::{Address, ReceiveFlags, Socket};

use super::{Met, greet};
use crate::protocol::Prepare;

/// An answer to a greeting, one byte. A wrong token gets none: its connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The token is right and the flow was awaited.
    Welcome,
    /// All flows are there: the load begins.
    Begin,
    /// The token is right, but the flow is there already, or there is none of this number.
    Taken,
    /// There is no room, or somebody else is served; said of a connection that has shown no token, too.
    Busy,
}

impl Answer {
    const ALL: [Self; 4] = [Self::Welcome, Self::Begin, Self::Taken, Self::Busy];

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Welcome => b'w',
            Self::Begin => b'g',
            Self::Taken => b't',
            Self::Busy => b'b',
        }
    }
}

/// Why a client by hand was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// The connection was closed without an answer: the token is wrong.
    WrongToken,
    /// The token is right, but the server has this flow already or does not know it.
    Taken,
    /// The server had no room while the client tried, or serves another client.
    Busy,
    /// The connection was accepted and nothing answered in time.
    Silent,
    /// It was let in, and the server waits for more connections than this client makes.
    Incomplete,
    /// Something answered that is no server of this version.
    Unknown,
    /// It was let in, and the server ended before it sent a byte.
    Ended,
}

/// Why a client by hand did not meet its server.
#[derive(Debug)]
pub(crate) enum NotMet {
    /// The server's answer, or its silence.
    TurnedAway(TurnedAway),
    /// A call failed, or the user has given up.
    Failed(String),
}

/// What a client heard.
enum Heard {
    Answer(Answer),
    /// A byte that is no answer.
    Unknown,
    /// The stream ended.
    Closed,
    /// The connection was reset: the listener is gone, or the process.
    Reset,
    Nothing,
}

/// What a server has at least to answer, however short the time to receive.
const ANSWERING: Duration = Duration::from_millis(500);
/// How long a client waits before it asks a busy server again.
const AGAIN: Duration = Duration::from_millis(50);
/// How soon a wish to stop is noticed.
const LOOK: Duration = Duration::from_millis(50);

/// Makes one connection for each flow and waits until the server has all of them. A busy server is asked again until
/// `patience` is over; an answer may take `answering`.
pub(crate) fn connect_and_wait(
    address: Address,
    prepare: &Prepare,
    patience: Duration,
    answering: Duration,
    is_over: &dyn Fn() -> bool,
) -> Result<Met, NotMet> {
    let deadline = Instant::now() + patience;
    let answering = answering.max(ANSWERING);
    let mut sockets = Vec::new();
    for flow in 0..prepare.cell.connections() {
        sockets.push(enter(address, prepare, flow, (deadline, answering), is_over)?);
    }
    let until = Instant::now() + answering;
    for socket in &sockets {
        match hear(socket, until, is_over)? {
            Heard::Answer(Answer::Begin) => {}
            Heard::Nothing => return Err(NotMet::TurnedAway(TurnedAway::Incomplete)),
            Heard::Closed | Heard::Reset => return Err(NotMet::TurnedAway(TurnedAway::Ended)),
            Heard::Answer(_) | Heard::Unknown => {
                return Err(NotMet::TurnedAway(TurnedAway::Unknown));
            }
        }
    }
    Ok(Met { sockets, strangers: 0, refused_accepts: 0 })
}

/// Makes one connection that the server lets in.
fn enter(
    address: Address,
    prepare: &Prepare,
    flow: u32,
    (deadline, answering): (Instant, Duration),
    is_over: &dyn Fn() -> bool,
) -> Result<Socket, NotMet> {
    let mut was_busy = false;
    loop {
        let socket = match greet(address, prepare, flow, deadline) {
            Ok(socket) => socket,
            // It has closed its door since: it serves somebody else.
            Err(_) if was_busy => return Err(NotMet::TurnedAway(TurnedAway::Busy)),
            Err(why) => return Err(NotMet::Failed(why)),
        };
        let why = match hear(&socket, Instant::now() + answering, is_over)? {
            Heard::Answer(Answer::Welcome) => return Ok(socket),
            Heard::Answer(Answer::Busy) | Heard::Reset => TurnedAway::Busy,
            Heard::Answer(Answer::Taken) => TurnedAway::Taken,
            Heard::Answer(Answer::Begin) | Heard::Unknown => TurnedAway::Unknown,
            Heard::Closed => TurnedAway::WrongToken,
            Heard::Nothing => TurnedAway::Silent,
        };
        if why != TurnedAway::Busy || Instant::now() + AGAIN >= deadline {
            return Err(NotMet::TurnedAway(why));
        }
        was_busy = true;
        std::thread::sleep(AGAIN);
    }
}

/// Waits for one byte.
fn hear(socket: &Socket, until: Instant, is_over: &dyn Fn() -> bool) -> Result<Heard, NotMet> {
    let mut byte = [0];
    loop {
        match socket.receive(&mut byte, ReceiveFlags::DONT_WAIT) {
            Ok(0) => return Ok(Heard::Closed),
            Ok(_) => {
                let [byte] = byte;
                let answer = Answer::ALL.into_iter().find(|answer| answer.byte() == byte);
                return Ok(answer.map_or(Heard::Unknown, Heard::Answer));
            }
            Err(errno) if errno.is_interrupted() => {}
            Err(errno) if errno.is_would_block() => {
                let left = until.saturating_duration_since(Instant::now()).min(LOOK);
                if is_over() {
                    return Err(NotMet::Failed("given up".to_owned()));
                }
                if left.is_zero() {
                    return Ok(Heard::Nothing);
                }
                let left_ms = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
                // What the wait ended by shows when the socket is read again.
                let _ = poll::wait_readable(socket, left_ms);
            }
            Err(_) => return Ok(Heard::Reset),
        }
    }
}
