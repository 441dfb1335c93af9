//! The client by hand: it says what it wants, connects its flows, and measures its side.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use kernel::poll;
use kernel::socket::Socket;
use model::{Cell, Family, Nanos};

use super::control::{Ask, Control, HAND_PROTOCOL, Line};
use super::exchange::{Beside, Exchange, Load, Stopped, both};
use super::{HandEvent, HandReport, LOOPBACK_TOKEN, prepare, read_token, terms};
use crate::error::EngineError;
use crate::interrupts::Interrupts;
use crate::meeting::{Answering, NotMet, TurnedAway, enter, greet, knock};
use crate::protocol::{Meet, Prepare};

/// What a client by hand is given.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Where the server may listen; the first that can be reached is taken.
    pub addresses: Vec<SocketAddr>,
    /// The token as printed by `serve`; a server on loopback needs none.
    pub token: Option<String>,
    /// Path, message size, threads and the other factors; its family is that of the address.
    pub cell: Cell,
    /// How long the load lasts.
    pub time: Nanos,
    /// Whether the client sends and the server receives.
    pub reverse: bool,
    /// How long to try to connect, and to wait for an answer.
    pub patience: Duration,
}

/// How a client by hand ended.
#[derive(Clone, Debug, PartialEq)]
pub enum HandEnd {
    /// Both sides, as far as they are known.
    Report(Box<HandReport>),
    /// The server at this address did not serve it.
    TurnedAway(SocketAddr, TurnedAway),
    /// No connection could be made: why, of the last address.
    NotReached(String),
}

/// How long another address than the last may take to answer.
const NOT_THE_LAST: Duration = Duration::from_secs(3);
/// How long the server may take until its workers are ready, which fill their rings.
const BEGINNING: Duration = Duration::from_secs(90);

/// The study's client: asks for what is to be measured, and receives (or sends) until the time is over.
///
/// # Errors
/// Interrupted, this machine cannot do its part, or the test failed.
pub fn connect(
    options: &ConnectOptions,
    interrupts: &Interrupts,
    tell: &mut dyn FnMut(HandEvent<'_>),
) -> Result<HandEnd, EngineError> {
    let token = match &options.token {
        Some(text) => read_token(text).map_err(EngineError::Unsupported)?,
        None => LOOPBACK_TOKEN,
    };
    kernel::signal::count_continuations()
        .map_err(|error| EngineError::Unsupported(error.to_string()))?;
    let _ = kernel::limits::raise_open_files();
    let is_over = || interrupts.requested().is_some();
    let mut last = "no address to connect to".to_owned();
    for (n, address) in options.addresses.iter().enumerate() {
        let ask = ask(options, *address);
        terms::check(&ask, ask.role_of_client()).map_err(EngineError::Unsupported)?;
        let is_last = n + 1 == options.addresses.len();
        let patience = if is_last { options.patience } else { options.patience.min(NOT_THE_LAST) };
        let until = Instant::now() + patience;
        let answering = Answering { until, each: options.patience, is_over: &is_over };
        match enter(answering, &|until| knock(*address, &token, until)) {
            Ok(socket) => {
                let mut alone = Alone { tell };
                let exchange = Exchange::new(Control::new(socket), &mut alone, *interrupts);
                return ended(*address, test(exchange, &ask, *address, options.patience));
            }
            Err(NotMet::TurnedAway(why)) => return Ok(HandEnd::TurnedAway(*address, why)),
            Err(NotMet::GivenUp) => return Err(EngineError::Interrupted),
            Err(NotMet::Failed(_)) if is_over() => return Err(EngineError::Interrupted),
            Err(NotMet::Failed(why)) => last = why,
        }
    }
    Ok(HandEnd::NotReached(last))
}

fn ask(options: &ConnectOptions, address: SocketAddr) -> Ask {
    let family = match address {
        SocketAddr::V4(_) => Family::Ipv4,
        SocketAddr::V6(_) => Family::Ipv6,
    };
    Ask {
        protocol: HAND_PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cell: Cell { family, ..options.cell.clone() },
        time_ns: options.time,
        reverse: options.reverse,
    }
}

fn ended(address: SocketAddr, tested: Result<HandReport, Stopped>) -> Result<HandEnd, EngineError> {
    let turned_away = |why| Ok(HandEnd::TurnedAway(address, why));
    match tested {
        Ok(report) => Ok(HandEnd::Report(Box::new(HandReport { peer: Some(address), ..report }))),
        Err(Stopped::Interrupted) => Err(EngineError::Interrupted),
        Err(Stopped::Refused(why)) => turned_away(TurnedAway::Refused(why)),
        Err(Stopped::Busy) => turned_away(TurnedAway::Occupied),
        Err(Stopped::Own(why)) => Err(EngineError::Ends(why)),
        Err(Stopped::Left) => Err(EngineError::Ends(format!(
            "the server at {address} left before the test was over: see what serve says"
        ))),
        Err(Stopped::Silent) => Err(EngineError::Ends(format!(
            "the server at {address} accepted the connection and said nothing more: is it a copycost serve?"
        ))),
        Err(why @ (Stopped::Failed(_) | Stopped::Wrong(_))) => {
            Err(EngineError::Ends(format!("the server at {address} ended the test: {why}")))
        }
    }
}

/// A client has nobody else to deal with.
struct Alone<'t> {
    tell: &'t mut dyn FnMut(HandEvent<'_>),
}

impl Beside for Alone<'_> {
    fn wait(&mut self, until: Instant, control: Option<BorrowedFd<'_>>) {
        let left = until.saturating_duration_since(Instant::now());
        if let Some(control) = control.filter(|_| !left.is_zero()) {
            let left_ms = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
            // What the wait ended by shows when the connection is read.
            let _ = poll::wait_readable(&control, left_ms);
        }
    }

    fn tell(&mut self, event: HandEvent<'_>) {
        (self.tell)(event);
    }
}

/// One test, from what the client asks for to both reports.
fn test(
    mut exchange: Exchange<'_, Alone<'_>>,
    ask: &Ask,
    address: SocketAddr,
    patience: Duration,
) -> Result<HandReport, Stopped> {
    exchange.say(&Line::Ask(Box::new(ask.clone())))?;
    let Line::Accepted { token } = exchange.hear(Instant::now() + patience)? else {
        return Err(Stopped::Wrong("it did not answer what was asked for".to_owned()));
    };
    let token = read_token(&token).map_err(Stopped::Wrong)?;
    exchange.control.expect_reports();
    let load = |exchange: &Exchange<'_, _>| -> Result<Load, Stopped> {
        let meet = Meet::Connect(address.into());
        let role = ask.role_of_client();
        let prepare = prepare(&ask.cell, role, meet.clone(), token).map_err(Stopped::Own)?;
        let sockets = flows(&prepare, address, patience, exchange)?;
        Load::ready(ask, role, meet, token, sockets).map_err(Stopped::Own)
    };
    let load = load(&exchange).inspect_err(|why| exchange.give_up(why))?;
    exchange.say(&Line::Ready)?;
    let begins = exchange.expect(&Line::Begin, Instant::now() + BEGINNING);
    begins.inspect_err(|why| exchange.give_up(why))?;
    exchange.beside.tell(HandEvent::Began {
        peer: Some(address),
        cell: &ask.cell,
        time: ask.time_ns,
        reverse: ask.reverse,
    });
    let (mut exchange, ran) = exchange.run(ask, load);
    let own = ran.inspect_err(|why| exchange.give_up(why))?;
    // Where it is not heard any more, the other end has no figure either.
    let _ = exchange.say(&Line::Report(Box::new(own.clone())));
    let other = exchange.other();
    if other == Err(Stopped::Interrupted) {
        return Err(Stopped::Interrupted);
    }
    Ok(both(ask, own, other))
}

/// One connection for each flow.
fn flows(
    prepare: &Prepare,
    address: SocketAddr,
    patience: Duration,
    exchange: &Exchange<'_, Alone<'_>>,
) -> Result<Vec<Socket>, Stopped> {
    let is_over = || exchange.is_interrupted();
    let until = Instant::now() + patience;
    let answering = Answering { until, each: patience, is_over: &is_over };
    let one = |flow| {
        enter(answering, &|until| greet(address.into(), prepare, flow, until)).map_err(|why| {
            match why {
                NotMet::GivenUp => Stopped::Interrupted,
                NotMet::Failed(_) if is_over() => Stopped::Interrupted,
                NotMet::Failed(why) => Stopped::Own(why),
                NotMet::TurnedAway(why) => Stopped::Own(format!(
                    "connection {flow} of {} was not let in ({why:?}): is something between the ends?",
                    prepare.cell.connections()
                )),
            }
        })
    };
    (0..prepare.cell.connections()).map(one).collect()
}
