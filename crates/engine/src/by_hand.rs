//! One end each, by hand: the study's server, which sends, and its client, for perf, strace or two terminals.

use std::net::SocketAddr;
use std::time::Duration;

use kernel::process;
use model::record::{ReceiveTally, SendTally, Side};
use model::{Cell, Nanos};

use crate::congestion::CongestionChoice;
use crate::coordinator::Broken;
use crate::crew::AnyCrew;
use crate::error::EngineError;
use crate::interrupts::Interrupts;
use crate::meeting::{self, Listener};
use crate::protocol::{Among, Meet, Prepare, Report, Role, Times, Token};

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
    /// How long to wait for the other end.
    pub patience: Duration,
}

/// What an end by hand measured.
#[derive(Clone, Debug, PartialEq)]
pub enum HandReport {
    /// The server's side.
    Sent(Box<Side<SendTally>>),
    /// The client's side.
    Received(Box<Side<ReceiveTally>>),
    /// The client's connection ended before it brought a byte: a server that refuses closes it and does not say why.
    Refused,
}

fn token_text(token: &Token) -> String {
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
        machine_cpus: Vec::new(),
        check: false,
        windows: 1,
        among: Among::alone(&options.cell),
    })
}

/// The window of an end by hand: from a tenth of the time on, so that connecting and slow start are left out.
fn times(options: &HandOptions) -> Times {
    let warmup = Nanos(options.duration.0 / 10);
    Times {
        start_ns: None,
        warmup_ns: warmup,
        window_ns: Nanos(options.duration.0 - warmup.0),
        tail_ns: Nanos(0),
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
    let prepare = prepare(options, Role::Send, Meet::Listen(options.address), token)?;
    let listener = Listener::open(options.address, &prepare).map_err(EngineError::Unsupported)?;
    say(listener.address, &token_text(&token));
    let is_over = || interrupts.requested().is_some();
    let met =
        listener.meet(&prepare, options.patience, is_over).map_err(|why| ended(interrupts, why))?;
    conduct(prepare, met, options, interrupts)
}

/// The study's client: connects, and receives until the server is done or the time is over.
///
/// # Errors
/// Interrupted, refused, or a call failed.
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
    let prepare = prepare(options, Role::Receive, Meet::Connect(options.address), token)?;
    let met = meeting::connect(options.address, false, &prepare, options.patience)
        .map_err(|why| ended(interrupts, why))?;
    conduct(prepare, met, options, interrupts)
}

fn conduct(
    prepare: Prepare,
    met: meeting::Met,
    options: &HandOptions,
    interrupts: &Interrupts,
) -> Result<HandReport, EngineError> {
    let receives = prepare.role == Role::Receive;
    let is_over = || interrupts.requested().is_some();
    let ran = AnyCrew::start(prepare, met).and_then(|crew| crew.run(&times(options), &is_over));
    match ran {
        ran if receives && !is_over() && brought_nothing(&ran) => Ok(HandReport::Refused),
        Ok(Report::Sent { side, .. }) => Ok(HandReport::Sent(Box::new(side))),
        Ok(Report::Received { side, .. }) => Ok(HandReport::Received(Box::new(side))),
        Ok(Report::Absorbed { .. }) => {
            Err(EngineError::Ends("a sink came of an end by hand".to_owned()))
        }
        Err(broken) => Err(ended(interrupts, broken.why)),
    }
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
    use crate::coordinator::failed;

    #[test]
    fn a_connection_that_brought_bytes_was_not_refused() {
        let reset = |bytes| failed("receiving: reset").after(bytes).of_worker(1);
        assert_eq!(reset(64).why, "worker 1: receiving: reset (after 64 bytes)");
        assert!(brought_nothing(&Err(reset(0))) && !brought_nothing(&Err(reset(64))));
        assert!(!brought_nothing(&Err(failed("connect(127.0.0.1:1): Connection refused"))));
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
