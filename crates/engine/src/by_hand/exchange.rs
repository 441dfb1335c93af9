//! One test between two ends by hand, as either of them conducts it: waiting for what the other says, the load, both reports.

use std::cell::RefCell;
use std::fmt;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use kernel::socket::Socket;

use super::control::{Ask, Control, Heard, Line, shown};
use super::meter::Meter;
use super::{HandEvent, HandReport, prepare, seen, times};
use crate::coordinator::Unstopped;
use crate::crew::AnyCrew;
use crate::interrupts::Interrupts;
use crate::meeting::Met;
use crate::protocol::{Meet, Prepare, Report, Role, Token};

/// How soon a wish to stop is noticed.
const LOOK: Duration = Duration::from_millis(50);
/// How long the other end may take to say what it measured, once this end's own measurement is over.
const REPORTING: Duration = Duration::from_secs(35);

/// How long the other end may take to say why its connections ended.
const CAUSE: Duration = Duration::from_secs(1);

/// What an end does while it waits.
pub(super) trait Beside {
    /// Waits until the moment, or until the connection has something to say, and deals with whoever else comes.
    fn wait(&mut self, until: Instant, control: Option<BorrowedFd<'_>>);
    /// Tells the user.
    fn tell(&mut self, event: HandEvent<'_>);
}

/// Why a test is over before it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// This end's user has given up.
    Interrupted,
    /// The other end has left without a word.
    Left,
    /// It said nothing in time.
    Silent,
    /// It has given up, and said why.
    Failed(String),
    /// It refuses, and said why.
    Refused(String),
    /// It serves another client.
    Busy,
    /// It said what is no line, or not its turn.
    Wrong(String),
    /// This end failed.
    Own(String),
}

impl Stopped {
    /// In words, at a server.
    pub(super) fn of_client(self) -> String {
        if let Self::Own(why) = self {
            return why;
        }
        if self == Self::Left {
            return "the client left before the test was over".to_owned();
        }
        format!("the client ended the test: {self}")
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("it was interrupted"),
            Self::Left => f.write_str("it left before it said what it measured"),
            Self::Silent => f.write_str("it said nothing in time"),
            Self::Failed(why) | Self::Refused(why) | Self::Wrong(why) | Self::Own(why) => {
                f.write_str(why)
            }
            Self::Busy => f.write_str("it serves another client"),
        }
    }
}

/// One end's part of a test.
pub(super) struct Exchange<'e, B> {
    pub(super) control: Control,
    pub(super) beside: &'e mut B,
    interrupts: Interrupts,
    /// What the other end measured, where it is done before this one.
    other: Option<Report>,
    /// Whether it has left, which it may then.
    has_left: bool,
    /// Whether it has been told that this end has given up.
    has_given_up: bool,
    /// Why the load is to end now.
    stopped: Option<Stopped>,
}

impl<'e, B: Beside> Exchange<'e, B> {
    pub(super) fn new(control: Control, beside: &'e mut B, interrupts: Interrupts) -> Self {
        Self {
            control,
            beside,
            interrupts,
            other: None,
            has_left: false,
            has_given_up: false,
            stopped: None,
        }
    }

    /// Whether this end's user has given up.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupts.requested().is_some()
    }

    /// Waits once, not for long and not beyond the moment, for what the other end says.
    pub(super) fn step(&mut self, until: Instant) -> Result<Option<Line>, Stopped> {
        if let Some(line) = self.next()? {
            return Ok(Some(line));
        }
        let now = Instant::now();
        if now >= until {
            return Err(Stopped::Silent);
        }
        self.beside.wait(until.min(now + LOOK), Some(self.control.as_fd()));
        self.next()
    }

    fn next(&mut self) -> Result<Option<Line>, Stopped> {
        if self.is_interrupted() {
            return Err(Stopped::Interrupted);
        }
        match self.control.look() {
            Heard::Nothing => Ok(None),
            Heard::Ended => Err(Stopped::Left),
            Heard::Wrong(why) => Err(Stopped::Wrong(why)),
            Heard::Line(Line::Failed { why }) => Err(Stopped::Failed(shown(&why))),
            Heard::Line(Line::Refused { why }) => Err(Stopped::Refused(shown(&why))),
            Heard::Line(Line::Busy) => Err(Stopped::Busy),
            Heard::Line(line) => Ok(Some(line)),
        }
    }

    /// Waits for a line.
    pub(super) fn hear(&mut self, until: Instant) -> Result<Line, Stopped> {
        loop {
            if let Some(line) = self.step(until)? {
                return Ok(line);
            }
        }
    }

    /// Waits for a line that can only be this one.
    pub(super) fn expect(&mut self, line: &Line, until: Instant) -> Result<(), Stopped> {
        match self.hear(until)? {
            heard if heard == *line => Ok(()),
            _ => Err(not_its_turn()),
        }
    }

    pub(super) fn say(&self, line: &Line) -> Result<(), Stopped> {
        self.control.say(line).map_err(|_| Stopped::Left)
    }

    /// Tells the other end that this one has given up; where that is why, or it has left, there is nothing to be told.
    pub(super) fn give_up(&self, why: &Stopped) {
        if self.has_given_up {
            return;
        }
        let why = match why {
            Stopped::Interrupted => "the other end was interrupted (Ctrl-C)".to_owned(),
            Stopped::Left | Stopped::Failed(_) | Stopped::Refused(_) | Stopped::Busy => return,
            Stopped::Silent => "the other end waited in vain".to_owned(),
            Stopped::Wrong(why) | Stopped::Own(why) => why.clone(),
        };
        let _ = self.control.say(&Line::Failed { why });
    }

    /// The load: both ends have begun.
    pub(super) fn run(mut self, ask: &Ask, load: Load) -> (Self, Result<Report, Stopped>) {
        let Load { crew, role, flows } = load;
        let times = times(ask.time_ns, role);
        self.stopped = None;
        let unstopped = Unstopped::now();
        let meter = RefCell::new(Meter::new(flows, role, ask.time_ns));
        let this = RefCell::new(self);
        let is_over = || {
            let mut this = this.borrow_mut();
            if let Some(interval) = meter.borrow_mut().look() {
                this.beside.tell(HandEvent::Interval { interval: &interval, cell: &ask.cell });
            }
            this.is_over()
        };
        let ran = crew.run(&times, &is_over);
        // Its handles would keep the connections open.
        drop(meter);
        let ran = unstopped.answer(ran).and_then(|report| seen(report, times.window_ns));
        let mut this = this.into_inner();
        // What ended the load is why it failed.
        let ran = match (ran, this.stopped.take()) {
            (Ok(report), _) => Ok(report),
            (Err(_), Some(why)) => Err(why),
            (Err(broken), None) => Err(this.cause(broken.why)),
        };
        (this, ran)
    }

    /// Why a load failed: what the other end says of itself, such as that it was interrupted, comes before what that looks like at
    /// this end's connections.
    fn cause(&mut self, own: String) -> Stopped {
        let until = Instant::now() + CAUSE;
        loop {
            match self.step(until) {
                Ok(_) => {}
                Err(Stopped::Silent | Stopped::Refused(_) | Stopped::Busy | Stopped::Wrong(_)) => {
                    return Stopped::Own(own);
                }
                Err(Stopped::Left) if self.has_left => return Stopped::Own(own),
                Err(why) => return why,
            }
        }
    }

    /// Whether the load is to end before its time.
    fn is_over(&mut self) -> bool {
        if self.stopped.is_none() {
            let control = (!self.has_left).then(|| self.control.as_fd());
            self.beside.wait(Instant::now(), control);
            self.stopped = match self.next() {
                Ok(None) => None,
                // It is done, and has left, or is about to.
                Err(Stopped::Left) if self.other.is_some() => {
                    self.has_left = true;
                    None
                }
                Ok(Some(Line::Report(report))) if self.other.is_none() => {
                    self.other = Some(*report);
                    None
                }
                Ok(Some(_)) => Some(not_its_turn()),
                Err(why) => Some(why),
            };
        }
        // Before this end's connections end, which is what the other end would tell otherwise.
        if self.stopped == Some(Stopped::Interrupted) && !self.has_given_up {
            self.give_up(&Stopped::Interrupted);
            self.has_given_up = true;
        }
        self.stopped.is_some()
    }

    /// What the other end measured.
    pub(super) fn other(&mut self) -> Result<Report, Stopped> {
        if let Some(report) = self.other.take() {
            return Ok(report);
        }
        if let Line::Report(report) = self.hear(Instant::now() + REPORTING)? {
            return Ok(*report);
        }
        Err(not_its_turn())
    }
}

fn not_its_turn() -> Stopped {
    Stopped::Wrong("it said what was not its turn; use the same copycost at both ends".to_owned())
}

/// What waits for the load to begin.
pub(super) struct Load {
    crew: AnyCrew,
    role: Role,
    /// Second handles of its connections.
    flows: Vec<Socket>,
}

impl Load {
    /// Starts the workers.
    pub(super) fn ready(
        ask: &Ask,
        role: Role,
        meet: Meet,
        token: Token,
        sockets: Vec<Socket>,
    ) -> Result<Self, String> {
        let prepare: Prepare = prepare(&ask.cell, role, meet, token)?;
        let flows: Result<Vec<Socket>, _> = sockets.iter().map(Socket::try_clone).collect();
        let flows = flows.map_err(|error| error.to_string())?;
        let met = Met { sockets, strangers: 0 };
        let crew = AnyCrew::start(prepare, met).map_err(|broken| broken.why)?;
        Ok(Self { crew, role, flows })
    }
}

/// Both sides, where the other end told its own.
pub(super) fn both(ask: &Ask, own: Report, other: Result<Report, Stopped>) -> HandReport {
    let absent = |other: &Result<Report, Stopped>| match other {
        Ok(_) => "the other end told what it did not measure".to_owned(),
        Err(why) => format!("the other end has no figure: {why}"),
    };
    let mut report = HandReport {
        cell: ask.cell.clone(),
        time_ns: ask.time_ns,
        reverse: ask.reverse,
        peer: None,
        sent: model::Measured::absent(absent(&other)),
        received: model::Measured::absent(absent(&other)),
        strangers: 0,
        refused_accepts: 0,
    };
    let is_own_sender = matches!(own, Report::Sent { .. });
    let other = other.ok().filter(|other| matches!(other, Report::Sent { .. }) != is_own_sender);
    for side in [Some(own), other].into_iter().flatten() {
        match side {
            Report::Sent { side, .. } => report.sent = model::Measured::Value(Box::new(side)),
            Report::Received { side, .. } => {
                report.received = model::Measured::Value(Box::new(side));
            }
            Report::Absorbed { .. } => {}
        }
    }
    report
}
