//! One end each, by hand: the study's server, which sends, and its client, for perf, strace or two terminals.

use std::net::SocketAddr;
use std::time::Duration;

use kernel::process;
use model::record::{ReceiveTally, SendTally, Side, Worker};
use model::{Cell, Nanos};

use crate::congestion::CongestionChoice;
use crate::coordinator::{Broken, Unstopped, failed};
use crate::crew::AnyCrew;
use crate::error::EngineError;
use crate::interrupts::Interrupts;
use crate::meeting::{Listener, Met, NotMet, connect_and_wait};
use crate::protocol::{Among, Meet, Prepare, Report, Role, Times, Token};

pub use crate::meeting::TurnedAway;

/// What both ends by hand are given.
#[derive(Clone, Debug)]
pub struct HandOptions {
    /// Path, message size, threads and the other factors. Both ends must name the same threads and flows.
    pub cell: Cell,
    /// Where to listen, or whom to connect to.
    pub address: SocketAddr,
    /// The token as printed by `serve`; `serve` without one makes one.
    pub token: Option<String>,
    /// How long to send, or to receive at most.
    pub duration: Nanos,
    /// How long to wait for the other end's connections, or for a connection to it.
    pub patience: Duration,
}

/// What an end by hand measured.
#[derive(Clone, Debug, PartialEq)]
pub enum HandReport {
    /// The server's side.
    Sent {
        /// What it measured.
        side: Box<Side<SendTally>>,
        /// Calls of `accept` that the kernel refused while it waited for the client.
        refused_accepts: u64,
    },
    /// The client's side.
    Received(Box<Side<ReceiveTally>>),
    /// The server did not serve the client.
    TurnedAway(TurnedAway),
    /// No connection could be made: why. The client may try another address.
    NotReached(String),
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

fn prepare(
    options: &HandOptions,
    role: Role,
    meet: Meet,
    token: Token,
) -> Result<Prepare, EngineError> {
    let choice = CongestionChoice::find().map_err(EngineError::Unsupported)?;
    Ok(Prepare {
        role,
        congestion: choice.resolve(&options.cell.congestion),
        cell: options.cell.clone(),
        meet,
        token,
        worker_cpus: Vec::new(),
        poller_cpus: Vec::new(),
        machine_cpus: Vec::new(),
        check: false,
        windows: 1,
        among: Among::alone(&options.cell),
    })
}

/// The window of an end by hand: from a tenth of the time on, so that connecting and slow start are left out, to a tenth
/// before its end, so that a client that starts later than its server sees its window end under load.
fn times(options: &HandOptions) -> Times {
    let tenth = Nanos(options.duration.0 / 10);
    Times {
        start_ns: None,
        warmup_ns: tenth,
        window_ns: Nanos(options.duration.0 - 2 * tenth.0),
        tail_ns: tenth,
        drain_ns: Nanos::s(30),
    }
}

/// The study's server: listens, waits for the client's connections, sends for the given time.
///
/// `say` is called with the address and the token before it waits.
///
/// # Errors
/// Interrupted, nobody came, or a call failed.
pub fn serve(
    options: &HandOptions,
    interrupts: &Interrupts,
    say: &mut dyn FnMut(SocketAddr, &str),
) -> Result<HandReport, EngineError> {
    let token = match &options.token {
        Some(text) => read_token(text).map_err(EngineError::Unsupported)?,
        None => process::random_token().map_err(|e| EngineError::Unsupported(e.to_string()))?,
    };
    let _ = kernel::limits::raise_open_files();
    let prepare = prepare(options, Role::Send, Meet::Listen(options.address.into()), token)?;
    let listener =
        Listener::open(options.address.into(), &prepare).map_err(EngineError::Unsupported)?;
    if let Some(address) = listener.address.inet() {
        say(address, &token_text(&token));
    }
    let is_over = || interrupts.requested().is_some();
    let met = listener
        .meet(&prepare, options.patience, true, is_over)
        .map_err(|why| ended(interrupts, why))?;
    conduct(prepare, met, options, interrupts)
}

/// The study's client: connects, and receives until the server is done or the time is over. A server that accepts the
/// connection and does not answer is given up after the time to receive.
///
/// # Errors
/// Interrupted, or a call failed.
pub fn connect(options: &HandOptions, interrupts: &Interrupts) -> Result<HandReport, EngineError> {
    let token = match &options.token {
        Some(text) => read_token(text).map_err(EngineError::Unsupported)?,
        None => {
            return Err(EngineError::Unsupported(
                "the token that serve printed is missing".to_owned(),
            ));
        }
    };
    let _ = kernel::limits::raise_open_files();
    let prepare = prepare(options, Role::Receive, Meet::Connect(options.address.into()), token)?;
    let is_over = || interrupts.requested().is_some();
    let answering = Duration::from_nanos(options.duration.0);
    let met =
        connect_and_wait(options.address.into(), &prepare, options.patience, answering, &is_over);
    match met {
        Ok(met) => conduct(prepare, met, options, interrupts),
        Err(NotMet::TurnedAway(why)) => Ok(HandReport::TurnedAway(why)),
        Err(NotMet::Failed(_)) if is_over() => Err(EngineError::Interrupted),
        Err(NotMet::Failed(why)) => Ok(HandReport::NotReached(why)),
    }
}

fn conduct(
    prepare: Prepare,
    met: Met,
    options: &HandOptions,
    interrupts: &Interrupts,
) -> Result<HandReport, EngineError> {
    let receives = prepare.role == Role::Receive;
    let is_over = || interrupts.requested().is_some();
    let refused_accepts = met.refused_accepts;
    kernel::signal::count_continuations()
        .map_err(|error| EngineError::Unsupported(error.to_string()))?;
    let unstopped = Unstopped::now();
    let ran = AnyCrew::start(prepare, met).and_then(|crew| crew.run(&times(options), &is_over));
    let ran = unstopped.answer(ran).and_then(|report| seen(report, times(options).window_ns));
    match ran {
        ran if receives && !is_over() && brought_nothing(&ran) => {
            Ok(HandReport::TurnedAway(TurnedAway::Ended))
        }
        Ok(Report::Sent { side, .. }) => {
            Ok(HandReport::Sent { side: Box::new(side), refused_accepts })
        }
        Ok(Report::Received { side, .. }) => Ok(HandReport::Received(Box::new(side))),
        Ok(Report::Absorbed { .. }) => {
            Err(EngineError::Ends("a sink came of an end by hand".to_owned()))
        }
        Err(broken) if receives && broken.is_early => {
            let why = format!("{}; give connect no more --time than serve", broken.why);
            Err(ended(interrupts, why))
        }
        Err(broken) => Err(ended(interrupts, broken.why)),
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
    // One that got nothing at all was not served, and is told so.
    if unseen == 0 || bytes == 0 {
        return Ok(report);
    }
    let what = format!(
        "{unseen} of {} workers saw less than an eighth of the window, so that there is no figure: {why}, or the CPUs were taken; measure again, or for longer",
        workers.len()
    );
    Err(failed(what).after(bytes))
}

/// Whether a connection ended before it brought a byte.
fn brought_nothing(ran: &Result<Report, Broken>) -> bool {
    match ran {
        Ok(Report::Received { side, .. }) => side.total.received_bytes == 0,
        Ok(Report::Sent { .. } | Report::Absorbed { .. }) => false,
        Err(broken) => broken.after_bytes == Some(0),
    }
}

fn ended(interrupts: &Interrupts, why: String) -> EngineError {
    match interrupts.requested() {
        Some(_) => EngineError::Interrupted,
        None => EngineError::Ends(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_brought_bytes_was_served() {
        let reset = |bytes| failed("receiving: reset").after(bytes).of_worker(1);
        assert_eq!(reset(64).why, "worker 1: receiving: reset (after 64 bytes)");
        assert!(brought_nothing(&Err(reset(0))) && !brought_nothing(&Err(reset(64))));
        assert!(!brought_nothing(&Err(failed("connect(127.0.0.1:1): Connection refused"))));
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
