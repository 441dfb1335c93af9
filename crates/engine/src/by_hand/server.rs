//! The server by hand: it stays, and serves one client after the other. One loop deals with the client that is served and with
//! whoever else comes; it starts no thread but a test's workers.

use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use kernel::process;
use kernel::socket::{Address, Socket};

use super::control::{Ask, Control, Heard, Line};
use super::exchange::{Beside, Exchange, Load, Stopped, both};
use super::{HandEvent, HandReport, LOOPBACK_TOKEN, prepare, read_token, terms, token_text};
use crate::error::EngineError;
use crate::interrupts::Interrupts;
use crate::meeting::{Door, HANDSHAKE, Listener, set_up};
use crate::protocol::Meet;

/// What a server by hand is given.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where to listen, all on the port of the first; a loopback address that this machine lacks may be among the others.
    pub addresses: Vec<SocketAddr>,
    /// The token that clients must show. Without one: none on loopback, else one that is made now.
    pub token: Option<String>,
    /// Whether to leave after the first test.
    pub once: bool,
    /// How long to wait for a client; absent: for ever.
    pub patience: Option<Duration>,
}

/// What a server by hand did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Tests that both ends finished.
    pub tests: u64,
    /// Tests that began and failed.
    pub failed: u64,
    /// Connections that did not show the token.
    pub strangers: u64,
    /// Calls of `accept` and `poll` that the kernel refused.
    pub refused_accepts: u64,
}

/// Clients that may be saying what they want at once. When one more comes the oldest goes.
const MOST_ASKING: usize = 16;
/// How long a client may take to say what it wants.
const ASKING: Duration = HANDSHAKE;
/// How long its connections may take to come.
const CONNECTING: Duration = Duration::from_secs(15);
/// How long its workers may take to get ready.
const BEGINNING: Duration = Duration::from_secs(90);
/// Strangers are told of no more often than this.
const SELDOM: Duration = Duration::from_secs(1);
/// How often a pair of ports is tried, where any will do.
const PORTS: u32 = 16;

/// Everybody at the door, and the user.
struct Reception<'r> {
    door: Door<'r>,
    tell: &'r mut dyn FnMut(HandEvent<'_>),
    told: Option<Instant>,
    /// Why there is no listener any more.
    broken: Option<String>,
}

impl Reception<'_> {
    fn serve(&mut self, until: Instant, served: Option<BorrowedFd<'_>>, beside: &[BorrowedFd<'_>]) {
        if let Err(why) = self.door.serve(until, served, beside) {
            self.broken = Some(why);
        }
        if self.told.is_none_or(|told| told.elapsed() >= SELDOM) {
            self.tell_strangers();
        }
    }

    fn tell_strangers(&mut self) {
        let strangers = self.door.take_untold();
        if strangers.count > 0 {
            self.told = Some(Instant::now());
            let (count, last) = (strangers.count, strangers.last);
            (self.tell)(HandEvent::TurnedAway { count, last });
        }
    }
}

impl Beside for Reception<'_> {
    fn wait(&mut self, until: Instant, control: Option<BorrowedFd<'_>>) {
        self.serve(until, control, &[]);
    }

    fn tell(&mut self, event: HandEvent<'_>) {
        (self.tell)(event);
    }
}

/// A client that is saying what it wants.
struct Asking {
    control: Control,
    deadline: Instant,
}

/// How a test ended.
enum Tested {
    Done(Box<HandReport>),
    /// It was over before its load began.
    NotBegun(Stopped),
    Failed(Stopped),
}

/// The study's server: serves one client after the other, as each of them asks, until it is interrupted.
///
/// # Errors
/// Interrupted in a test, or before the one test that it is for; nobody came, the test failed, or it cannot listen.
pub fn serve(
    options: &ServeOptions,
    interrupts: &Interrupts,
    tell: &mut dyn FnMut(HandEvent<'_>),
) -> Result<Served, EngineError> {
    let unsupported = EngineError::Unsupported;
    let is_local = options.addresses.iter().all(|address| address.ip().is_loopback());
    let token = match &options.token {
        Some(text) => read_token(text).map_err(unsupported)?,
        None if is_local => LOOPBACK_TOKEN,
        None => process::random_token().map_err(|error| unsupported(error.to_string()))?,
    };
    if token == LOOPBACK_TOKEN && !is_local {
        return Err(unsupported("a token of zeros stands for none, which is for loopback; choose another, or let serve make one".to_owned()));
    }
    kernel::signal::count_continuations().map_err(|error| unsupported(error.to_string()))?;
    let _ = kernel::limits::raise_open_files();
    let listeners = listen(&options.addresses).map_err(unsupported)?;
    let addresses: Vec<SocketAddr> =
        listeners.iter().filter_map(|listener| listener.address.inet()).collect();
    let text = token_text(&token);
    let shown = (token != LOOPBACK_TOKEN).then_some(text.as_str());
    tell(HandEvent::Listening { addresses: &addresses, token: shown });
    let door = Door::by_hand(&listeners, token, HANDSHAKE);
    let reception = Reception { door, tell, told: None, broken: None };
    let at = listeners.first().map_or(Address::ANY_UNIX, |listener| listener.address);
    let mut server = Server {
        reception,
        asking: Vec::new(),
        interrupts: *interrupts,
        at,
        served: Served::default(),
    };
    let served = server.serve(options);
    server.reception.door.shut();
    server.reception.tell_strangers();
    served
}

/// One listener for each address.
fn listen(addresses: &[SocketAddr]) -> Result<Vec<Listener>, String> {
    let is_there = |address: SocketAddr| {
        let any = SocketAddr::new(address.ip(), 0);
        Socket::stream(any).is_ok_and(|socket| socket.bind(any).is_ok())
    };
    let mut tries = 0;
    'ports: loop {
        tries += 1;
        let mut listeners: Vec<Listener> = Vec::new();
        for address in addresses {
            let mut address = *address;
            let first = listeners.first().and_then(|first| first.address.port());
            if let Some(port) = first {
                if address.ip().is_loopback() && !is_there(address) {
                    continue;
                }
                address.set_port(port);
            }
            match Listener::by_hand(address) {
                Ok(listener) => listeners.push(listener),
                // The first one's port, which the kernel chose, is somebody else's on this address.
                Err(_) if first.is_some() && is_any(addresses) && tries < PORTS => continue 'ports,
                Err(why) => return Err(why),
            }
        }
        return Ok(listeners);
    }
}

fn is_any(addresses: &[SocketAddr]) -> bool {
    addresses.first().is_some_and(|address| address.port() == 0)
}

struct Server<'s> {
    reception: Reception<'s>,
    asking: Vec<Asking>,
    interrupts: Interrupts,
    at: Address,
    served: Served,
}

impl Server<'_> {
    fn serve(&mut self, options: &ServeOptions) -> Result<Served, EngineError> {
        let mut deadline = options.patience.map(|patience| Instant::now() + patience);
        loop {
            let client = loop {
                if self.interrupts.requested().is_some() {
                    let is_done = !options.once;
                    return if is_done { Ok(self.served()) } else { Err(EngineError::Interrupted) };
                }
                if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return self.nobody_came(options);
                }
                if let Some(client) = self.next_client(deadline) {
                    break client;
                }
                if let Some(why) = self.reception.broken.take() {
                    return Err(EngineError::Ends(why));
                }
            };
            let (control, ask) = client;
            let peer = control.peer();
            let before = (self.reception.door.strangers(), self.reception.door.refused_accepts());
            let tested = self.test(control, &ask);
            // Who comes from now on is served.
            self.reception.door.take_flows();
            self.reception.door.set_free(true);
            match tested {
                Tested::Done(report) => {
                    self.served.tests += 1;
                    // Of a server that serves one client, those before it too.
                    let before = if options.once { (0, 0) } else { before };
                    let door = &self.reception.door;
                    let report = HandReport {
                        peer,
                        strangers: door.strangers() - before.0,
                        refused_accepts: door.refused_accepts() - before.1,
                        ..*report
                    };
                    self.reception.tell(HandEvent::Ended(&report));
                }
                Tested::NotBegun(Stopped::Interrupted) | Tested::Failed(Stopped::Interrupted) => {
                    return Err(EngineError::Interrupted);
                }
                // Another client would fare no better.
                Tested::NotBegun(Stopped::Own(why)) if options.once => {
                    return Err(EngineError::Ends(why));
                }
                Tested::NotBegun(why) => {
                    let why = why.to_string();
                    self.reception.tell(HandEvent::NotServed { peer, why: &why });
                    continue;
                }
                Tested::Failed(why) => {
                    self.served.failed += 1;
                    let why = why.of_client();
                    if options.once {
                        return Err(EngineError::Ends(why));
                    }
                    self.reception.tell(HandEvent::Failed { peer, why: &why });
                }
            }
            if options.once {
                return Ok(self.served());
            }
            deadline = options.patience.map(|patience| Instant::now() + patience);
        }
    }

    fn served(&self) -> Served {
        let door = &self.reception.door;
        let (strangers, refused_accepts) = (door.strangers(), door.refused_accepts());
        Served { strangers, refused_accepts, ..self.served }
    }

    fn nobody_came(&self, options: &ServeOptions) -> Result<Served, EngineError> {
        if self.served.tests + self.served.failed > 0 {
            return Ok(self.served());
        }
        let time = model::Nanos(crate::coordinator::nanos(options.patience.unwrap_or_default()));
        let (at, apart) = (self.at, self.reception.door.told_apart());
        Err(EngineError::Ends(format!(
            "no client came within {time} at {at}{apart}; start the other end, and check that it can reach this address"
        )))
    }

    /// Deals with who comes, once; the client that has said what it wants, if this machine has it.
    fn next_client(&mut self, deadline: Option<Instant>) -> Option<(Control, Ask)> {
        let now = Instant::now();
        let mut until = deadline.unwrap_or(now + ASKING);
        for asking in &self.asking {
            until = until.min(asking.deadline);
        }
        let fds: Vec<BorrowedFd<'_>> =
            self.asking.iter().map(|asking| asking.control.as_fd()).collect();
        self.reception.serve(until, None, &fds);
        drop(fds);
        for socket in self.reception.door.take_clients() {
            if self.asking.len() >= MOST_ASKING {
                let _ = self.asking.remove(0).control.say(&Line::Busy);
            }
            let deadline = Instant::now() + ASKING;
            self.asking.push(Asking { control: Control::new(socket), deadline });
        }
        let mut chosen = None;
        let now = Instant::now();
        for mut asking in std::mem::take(&mut self.asking) {
            if chosen.is_some() {
                // It is told so as soon as it has asked.
                self.asking.push(asking);
                continue;
            }
            let why = match asking.control.look() {
                Heard::Line(Line::Ask(ask)) => match terms::check(&ask, ask.role_of_server()) {
                    Ok(()) => {
                        chosen = Some((asking.control, *ask));
                        continue;
                    }
                    Err(why) => why,
                },
                Heard::Nothing if now < asking.deadline => {
                    self.asking.push(asking);
                    continue;
                }
                Heard::Nothing => "it did not say in time what it wants".to_owned(),
                Heard::Ended => "it left before it said what it wants".to_owned(),
                Heard::Line(_) => "it did not begin with what it wants".to_owned(),
                Heard::Wrong(why) => why,
            };
            let peer = asking.control.peer();
            let _ = asking.control.say(&Line::Refused { why: why.clone() });
            self.reception.tell(HandEvent::NotServed { peer, why: &why });
        }
        chosen
    }

    /// One test.
    fn test(&mut self, control: Control, ask: &Ask) -> Tested {
        self.reception.door.set_free(false);
        // Those who were slower to ask.
        for asking in std::mem::take(&mut self.asking) {
            let _ = asking.control.say(&Line::Busy);
        }
        for socket in self.reception.door.take_clients() {
            let _ = Control::new(socket).say(&Line::Busy);
        }
        let peer = control.peer();
        let at = self.at;
        let mut exchange = Exchange::new(control, &mut self.reception, self.interrupts);
        let load = match begin(&mut exchange, ask, at) {
            Ok(load) => load,
            Err(why) => {
                exchange.give_up(&why);
                return Tested::NotBegun(why);
            }
        };
        exchange.beside.tell(HandEvent::Began {
            peer,
            cell: &ask.cell,
            time: ask.time_ns,
            reverse: ask.reverse,
        });
        let (mut exchange, ran) = exchange.run(ask, load);
        let own = match ran {
            Ok(own) => own,
            Err(why) => {
                exchange.give_up(&why);
                return Tested::Failed(why);
            }
        };
        // The client's first: once it has this end's, it may go, and the next one come.
        let other = match exchange.other() {
            Err(Stopped::Interrupted) => {
                exchange.give_up(&Stopped::Interrupted);
                return Tested::Failed(Stopped::Interrupted);
            }
            other => other,
        };
        let _ = exchange.say(&Line::Report(Box::new(own.clone())));
        Tested::Done(Box::new(both(ask, own, other)))
    }
}

/// Up to the moment at which both ends begin.
fn begin(
    exchange: &mut Exchange<'_, Reception<'_>>,
    ask: &Ask,
    at: Address,
) -> Result<Load, Stopped> {
    let own = |error: kernel::CallError| Stopped::Own(error.to_string());
    let role = ask.role_of_server();
    let token = process::random_token().map_err(own)?;
    let wanted = ask.cell.connections() as usize;
    exchange.beside.door.await_flows(token, wanted);
    exchange.control.expect_reports();
    exchange.say(&Line::Accepted { token: token_text(&token) })?;
    let until = Instant::now() + CONNECTING;
    let mut is_ready = false;
    while !exchange.beside.door.is_complete() {
        match exchange.step(until) {
            Ok(None) => {}
            // The last of its connections was let in by the same step.
            Ok(Some(Line::Ready)) if exchange.beside.door.is_complete() => is_ready = true,
            Ok(Some(_)) => {
                return Err(Stopped::Wrong("it said what was not its turn".to_owned()));
            }
            Err(Stopped::Silent) => {
                let (arrived, apart) =
                    (exchange.beside.door.arrived(), exchange.beside.door.told_apart());
                return Err(Stopped::Wrong(format!(
                    "{arrived} of {wanted} data connections arrived in time{apart}"
                )));
            }
            Err(why) => return Err(why),
        }
    }
    let sockets = exchange.beside.door.take_flows();
    let meet = Meet::Listen(at);
    let prepare = prepare(&ask.cell, role, meet.clone(), token).map_err(Stopped::Own)?;
    for socket in &sockets {
        set_up(socket, &prepare).map_err(Stopped::Own)?;
    }
    let load = Load::ready(ask, role, meet, token, sockets).map_err(Stopped::Own)?;
    if !is_ready {
        exchange.expect(&Line::Ready, Instant::now() + BEGINNING)?;
    }
    exchange.say(&Line::Begin)?;
    Ok(load)
}
