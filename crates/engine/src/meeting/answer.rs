//! What a server by hand answers to a greeting, and the client that waits for it.

use std::time::{Duration, Instant};

use kernel::poll;
use kernel::socket::{ReceiveFlags, Socket};

/// An answer to a greeting, one byte. A wrong token gets none: its connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The token is right: a client may say what it wants, or a flow was awaited.
    Welcome,
    /// The token is right, but the flow is there already, or there is none of this number.
    Taken,
    /// The token is right, but another client is served.
    Occupied,
    /// There is no room; said of a connection that has shown no token, too.
    Busy,
}

impl Answer {
    const ALL: [Self; 4] = [Self::Welcome, Self::Taken, Self::Occupied, Self::Busy];

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Welcome => b'w',
            Self::Taken => b't',
            Self::Occupied => b'o',
            Self::Busy => b'b',
        }
    }
}

/// Why a client by hand was not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// The connection was closed without an answer: the token is wrong.
    WrongToken,
    /// The server has this flow already, or does not know it: somebody else made it.
    Taken,
    /// The server serves another client.
    Occupied,
    /// The server had no room while the client tried.
    Crowded,
    /// The connection was accepted and nothing answered in time.
    Silent,
    /// Something answered that is no server of this version.
    Unknown,
    /// The server refuses what was asked for: why.
    Refused(String),
}

/// Why a client by hand did not meet its server.
#[derive(Debug)]
pub(crate) enum NotMet {
    /// The server's answer, or its silence.
    TurnedAway(TurnedAway),
    /// A call failed.
    Failed(String),
    /// The user has given up.
    GivenUp,
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

/// How long a client waits before it asks a crowded server again.
const AGAIN: Duration = Duration::from_millis(50);
/// How soon a wish to stop is noticed.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// How long a client tries, and whether its user has given up.
#[derive(Clone, Copy)]
pub(crate) struct Answering<'a> {
    /// Until when it connects, and asks a crowded server again.
    pub(crate) until: Instant,
    /// How long one answer may take.
    pub(crate) each: Duration,
    /// Whether it is given up.
    pub(crate) is_over: &'a dyn Fn() -> bool,
}

/// Makes one connection that the server lets in; `greet` makes one and shows the token, until a moment.
pub(crate) fn enter(
    answering: Answering<'_>,
    greet: &dyn Fn(Instant) -> Result<Socket, String>,
) -> Result<Socket, NotMet> {
    loop {
        let socket = greet(answering.until).map_err(NotMet::Failed)?;
        let why = match hear(&socket, Instant::now() + answering.each, answering.is_over)? {
            Heard::Answer(Answer::Welcome) => return Ok(socket),
            Heard::Answer(Answer::Busy) | Heard::Reset => TurnedAway::Crowded,
            Heard::Answer(Answer::Occupied) => TurnedAway::Occupied,
            Heard::Answer(Answer::Taken) => TurnedAway::Taken,
            Heard::Unknown => TurnedAway::Unknown,
            Heard::Closed => TurnedAway::WrongToken,
            Heard::Nothing => TurnedAway::Silent,
        };
        if why != TurnedAway::Crowded || Instant::now() + AGAIN >= answering.until {
            return Err(NotMet::TurnedAway(why));
        }
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
                    return Err(NotMet::GivenUp);
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
