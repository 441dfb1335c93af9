//! One end each, by hand: the study's server, which sends, and its client, for two terminals, two hosts, perf or strace.
//!
//! A client's first connection shows the server's token (on loopback none is needed: sixteen zero bytes) and a number that is no
//! flow's. Then it speaks lines of JSON (`control.rs`): the client says what it wants, the server accepts or says why not; the client
//! connects its flows to the same port, each with the test's own token; both make ready and begin. The connection stays open: when it
//! ends, the test ends at the other side at once, and at the end each tells the other what it measured.

use std::net::{IpAddr, SocketAddr};

use model::record::{ReceiveTally, SendTally, Side, Worker};
use model::{Cell, Measured, Nanos};

use crate::congestion::CongestionChoice;
use crate::coordinator::{Broken, failed};
use crate::protocol::{Among, Meet, Prepare, Report, Role, Times, Token};

mod client;
mod control;
mod exchange;
mod meter;
mod server;
mod terms;

pub use crate::meeting::TurnedAway;
pub use client::{ConnectOptions, HandEnd, connect};
#[cfg(any(test, fuzzing))]
pub(crate) use control::read_line;
pub use meter::Interval;
pub use server::{ServeOptions, Served, serve};
pub use terms::{LONGEST, MOST_CONNECTIONS, MOST_MEMORY};

/// The port on which `serve` listens and to which `connect` goes unless they are told otherwise; nobody has registered it (RFC 6335).
pub const PORT: u16 = 7210;

/// The addresses by which other machines can reach this one: of interfaces that are up, neither loopback nor link-local.
///
/// # Errors
/// The kernel does not tell.
pub fn own_addresses() -> Result<Vec<IpAddr>, String> {
    kernel::socket::own_addresses().map_err(|error| error.to_string())
}

/// In place of a token, where none is needed.
const LOOPBACK_TOKEN: Token = [0; 16];

/// What both sides of a test by hand measured.
#[derive(Clone, Debug, PartialEq)]
pub struct HandReport {
    /// What the client asked for.
    pub cell: Cell,
    /// How long the load lasted.
    pub time_ns: Nanos,
    /// Whether the client sent and the server received.
    pub reverse: bool,
    /// The other end, where its connection told.
    pub peer: Option<SocketAddr>,
    /// The side that sent, or why it is not known.
    pub sent: Measured<Box<Side<SendTally>>>,
    /// The side that received, or why it is not known.
    pub received: Measured<Box<Side<ReceiveTally>>>,
    /// At a server: connections that did not show the token meanwhile.
    pub strangers: u64,
    /// At a server: calls of `accept` and `poll` that the kernel refused meanwhile.
    pub refused_accepts: u64,
}

/// What happens at an end by hand, for its user.
#[derive(Clone, Copy, Debug)]
pub enum HandEvent<'e> {
    /// The server waits for clients.
    Listening {
        /// Where.
        addresses: &'e [SocketAddr],
        /// What clients must show, where they must.
        token: Option<&'e str>,
    },
    /// The load begins.
    Began {
        /// The other end.
        peer: Option<SocketAddr>,
        /// What is measured.
        cell: &'e Cell,
        /// For how long.
        time: Nanos,
        /// Whether the client sends.
        reverse: bool,
    },
    /// A second of it is over.
    Interval {
        /// What passed in it.
        interval: &'e Interval,
        /// What is measured.
        cell: &'e Cell,
    },
    /// At a server: a test is done.
    Ended(&'e HandReport),
    /// At a server: a test that had begun is over without a figure, and the next client may come.
    Failed {
        /// The client.
        peer: Option<SocketAddr>,
        /// Why.
        why: &'e str,
    },
    /// At a server: a client was not served, or left before its load began.
    NotServed {
        /// The client.
        peer: Option<SocketAddr>,
        /// Why.
        why: &'e str,
    },
    /// At a server: connections were turned away that did not show the token; told at most once a second.
    TurnedAway {
        /// How many since the last time.
        count: u64,
        /// From where the last of them came.
        last: Option<SocketAddr>,
    },
}

pub(crate) fn token_text(token: &Token) -> String {
    token.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a token as `serve` prints it: 32 hexadecimal digits.
///
/// # Errors
/// What is wrong with it.
pub fn read_token(text: &str) -> Result<Token, String> {
    let wrong =
        || format!("\"{text}\" is no token; copy the 32 hexadecimal digits that serve printed");
    let text = text.trim();
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut token = [0; 16];
    for (byte, pair) in token.iter_mut().zip(text.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(token)
}

fn prepare(cell: &Cell, role: Role, meet: Meet, token: Token) -> Result<Prepare, String> {
    let choice = CongestionChoice::find()?;
    Ok(Prepare {
        role,
        congestion: choice.resolve(&cell.congestion),
        cell: cell.clone(),
        meet,
        token,
        worker_cpus: Vec::new(),
        poller_cpus: Vec::new(),
        machine_cpus: Vec::new(),
        check: false,
        windows: 1,
        among: Among::alone(cell),
    })
}

/// By how much senders outlast their time: the receivers began up to so much later, and are to see their window end under load.
const OUTLAST: Nanos = Nanos::ms(200);

/// The window of an end by hand: from a tenth of the time on, so that connecting and slow start are left out, to a tenth
/// before its end.
fn times(time: Nanos, role: Role) -> Times {
    let tenth = Nanos(time.0 / 10);
    let outlast = if role == Role::Send { OUTLAST } else { Nanos(0) };
    Times {
        start_ns: None,
        warmup_ns: tenth,
        window_ns: Nanos(time.0 - 2 * tenth.0),
        tail_ns: Nanos(tenth.0 + outlast.0),
        drain_ns: Nanos::s(30),
    }
}

/// A worker that saw less than one in so many parts of its window has no figure, as of a slice in a record.
const MISSED: u64 = 8;

/// How much of a window, which was ordered to last so long, a worker saw of it.
fn seen_ns(late_ns: i64, window_ns: u64, ordered_ns: u64) -> u64 {
    let late_ns = u64::try_from(late_ns).unwrap_or(0);
    window_ns.min(ordered_ns.saturating_sub(late_ns))
}

/// What was measured, if every worker saw its window: one that waited in a call all the while has no figure.
fn seen(report: Report, ordered: Nanos) -> Result<Report, Broken> {
    let (workers, bytes, why) = match &report {
        Report::Sent { side, .. } => {
            (&side.workers, side.total.accepted_bytes, "the other end did not read")
        }
        Report::Received { side, .. } => {
            (&side.workers, side.total.received_bytes, "the other end did not send")
        }
        Report::Absorbed { .. } => return Ok(report),
    };
    let is_unseen = |worker: &&Worker| {
        seen_ns(worker.late_ns, worker.window_ns.0, ordered.0) < ordered.0 / MISSED
    };
    let unseen = workers.iter().filter(is_unseen).count();
    if unseen == 0 {
        return Ok(report);
    }
    let what = format!(
        "{unseen} of {} workers saw less than an eighth of the window, so that there is no figure: {why}, or the CPUs were taken; measure again, or for longer",
        workers.len()
    );
    Err(failed(what).after(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_outlast_the_window_of_receivers_that_begin_later() {
        let [sender, receiver] = [Role::Send, Role::Receive].map(|role| times(Nanos::s(10), role));
        assert_eq!((sender.warmup_ns, sender.window_ns), (Nanos::s(1), Nanos::s(8)));
        assert_eq!((receiver.warmup_ns, receiver.window_ns), (Nanos::s(1), Nanos::s(8)));
        assert!(sender.tail_ns > receiver.tail_ns);
    }

    #[test]
    fn a_worker_has_seen_what_lies_within_the_ordered_window() {
        for (late_ns, window_ns, seen) in [
            (0, 800, 800),
            (10, 2_000, 790),
            (790, 900, 10),
            (900, 300, 0),
            (i64::MAX, 0, 0),
            (-5, 800, 800),
        ] {
            assert_eq!(seen_ns(late_ns, window_ns, 800), seen, "{late_ns}, {window_ns}");
        }
    }

    #[test]
    fn a_token_reads_back_as_it_was_printed() {
        let token = [0, 1, 2, 250, 251, 252, 253, 254, 255, 9, 8, 7, 6, 5, 4, 3];
        assert_eq!(read_token(&token_text(&token)), Ok(token));
        for wrong in
            ["", "00", "zz010203040506070809101112131415", "+1010203040506070809101112131415"]
        {
            assert!(read_token(wrong).is_err(), "{wrong}");
        }
    }
}
