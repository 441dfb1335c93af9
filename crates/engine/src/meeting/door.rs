//! The side that listens: one `poll` loop takes connections and reads what they show. It starts no thread and keeps a
//! bounded number of strangers, so that nobody can use up what it needs or keep others out.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use kernel::limits::{self, Limit};
use kernel::poll::{self, Ready};
use kernel::socket::{Arrival, ReceiveFlags, SendFlags, Socket};
use kernel::{CallError, Errno};

use super::answer::Answer;
use super::{BACKLOG, CLIENT, Listener, Met, is_of_another_user};
use crate::protocol::{GREETING_BYTES, Token};

#[cfg(test)]
mod tests;

/// Connections that may be showing their token at once. When one more comes the oldest goes: a client shows its token
/// as soon as it is connected, so that the oldest is the least likely to be one.
pub(super) const MOST_HANDSHAKES: usize = 256;
/// Connections taken before those that are showing their token are looked at again.
const MOST_AT_ONCE: usize = 64;
/// How soon a wish to stop is noticed.
const LOOK: Duration = Duration::from_millis(50);
/// How long nobody is accepted after the kernel refused to and there is nothing to be closed.
const SHUT: Duration = Duration::from_millis(20);

/// A connection that is showing its token.
struct Handshake {
    socket: Socket,
    greeting: [u8; GREETING_BYTES],
    read: usize,
    deadline: Instant,
}

/// How far a connection has come with its greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Part,
    All,
    /// It ended before.
    Ended,
}

/// What a connection has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    NotYet,
    /// The token of the trial in hand, and the number of its flow.
    Flow(u32),
    /// The token of a server by hand: a client that wants to be served.
    Client,
    /// Something else, or it ended.
    Wrong,
}

impl Handshake {
    fn new(socket: Socket, deadline: Instant) -> Self {
        Self { socket, greeting: [0; GREETING_BYTES], read: 0, deadline }
    }

    /// Reads what has come.
    fn look(&mut self) -> Read {
        while let Some(rest) = self.greeting.get_mut(self.read..).filter(|rest| !rest.is_empty()) {
            match self.socket.receive(rest, ReceiveFlags::DONT_WAIT) {
                Ok(0) => return Read::Ended,
                Ok(count) => self.read += count,
                Err(errno) if errno.is_interrupted() => {}
                Err(errno) if errno.is_would_block() => return Read::Part,
                Err(_) => return Read::Ended,
            }
        }
        Read::All
    }
}

/// The number of a flow that shows the right token.
pub(crate) fn read_greeting(greeting: &[u8; GREETING_BYTES], token: &Token) -> Option<u32> {
    let (shown, flow) = greeting.split_at(token.len());
    let flow: [u8; 4] = flow.try_into().ok()?;
    // All bytes are compared, whichever differs first.
    let differs = shown.iter().zip(token).fold(0, |differs, (a, b)| differs | (a ^ b));
    (differs == 0).then(|| u32::from_be_bytes(flow))
}

/// The flows of one trial.
struct Flows {
    token: Token,
    /// By their number.
    met: Vec<Option<Socket>>,
}

impl Flows {
    fn awaited(token: Token, wanted: usize) -> Self {
        Self { token, met: (0..wanted).map(|_| None).collect() }
    }
}

/// Who wants to be served by hand.
struct Clients {
    token: Token,
    /// Whether nobody is served now.
    is_free: bool,
    /// Those that have shown the token and have not been taken yet.
    arrived: Vec<Socket>,
}

/// Connections that were turned away since this was last asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strangers {
    /// How many.
    pub(crate) count: u64,
    /// From where the last one of them came, where its connection still told.
    pub(crate) last: Option<SocketAddr>,
}

/// How descriptors are waited for: [`poll::wait_readable_any`], or what a test has in its place.
type Poll = fn(&[BorrowedFd<'_>], i32) -> Result<Vec<Ready>, Errno>;

/// Listeners and everybody who has come to them.
pub(crate) struct Door<'d> {
    listeners: &'d [Listener],
    /// How long one connection may take to show its token.
    handshake: Duration,
    /// How many may be showing theirs.
    most: usize,
    flows: Flows,
    /// Who is served by hand, and told what became of them; none at a trial of an engine.
    clients: Option<Clients>,
    /// The oldest first.
    showing: VecDeque<Handshake>,
    shut_until: Option<Instant>,
    strangers: u64,
    /// Those of them that nobody has been told of.
    untold: Strangers,
    /// Connections that showed the token and left, or said more, before the load began.
    gone: u64,
    refused_accepts: u64,
    last_refusal: Option<(&'static str, Errno)>,
    poll: Poll,
}

impl<'d> Door<'d> {
    /// Waits for the flows of one trial.
    pub(super) fn new(
        listeners: &'d [Listener],
        token: Token,
        wanted: usize,
        handshake: Duration,
    ) -> Self {
        Self {
            listeners,
            handshake,
            most: MOST_HANDSHAKES,
            flows: Flows::awaited(token, wanted),
            clients: None,
            showing: VecDeque::new(),
            shut_until: None,
            strangers: 0,
            untold: Strangers::default(),
            gone: 0,
            refused_accepts: 0,
            last_refusal: None,
            poll: poll::wait_readable_any,
        }
    }

    /// Waits for clients by hand, one after the other. Strangers leave room for the descriptors of a test.
    pub(crate) fn by_hand(listeners: &'d [Listener], token: Token, handshake: Duration) -> Self {
        let clients = Clients { token, is_free: true, arrived: Vec::new() };
        let most = match limits::open_files() {
            Ok(Limit::At(limit)) => usize::try_from(limit / 4).unwrap_or(MOST_HANDSHAKES),
            Ok(Limit::Unlimited) | Err(_) => MOST_HANDSHAKES,
        };
        let most = most.clamp(1, MOST_HANDSHAKES);
        Self { clients: Some(clients), most, ..Self::new(listeners, token, 0, handshake) }
    }

    /// Whether clients by hand are let in, or told that another one is served.
    pub(crate) fn set_free(&mut self, is_free: bool) {
        if let Some(clients) = &mut self.clients {
            clients.is_free = is_free;
        }
    }

    /// Clients by hand that have come since the last call.
    pub(crate) fn take_clients(&mut self) -> Vec<Socket> {
        self.clients
            .as_mut()
            .map(|clients| std::mem::take(&mut clients.arrived))
            .unwrap_or_default()
    }

    /// Waits for the flows of the next trial. Those of the last one are strangers from now on.
    pub(crate) fn await_flows(&mut self, token: Token, wanted: usize) {
        self.flows = Flows::awaited(token, wanted);
    }

    /// The flows, by their number, once all are there; nobody is let in as one of them any more.
    pub(crate) fn take_flows(&mut self) -> Vec<Socket> {
        let met = std::mem::take(&mut self.flows.met);
        met.into_iter().flatten().collect()
    }

    /// Connections that did not show a token, so far.
    pub(crate) const fn strangers(&self) -> u64 {
        self.strangers
    }

    /// Calls of `accept` that the kernel refused, so far.
    pub(crate) const fn refused_accepts(&self) -> u64 {
        self.refused_accepts
    }

    /// Those that were turned away since the last call.
    pub(crate) fn take_untold(&mut self) -> Strangers {
        std::mem::take(&mut self.untold)
    }

    fn turn_away(&mut self, socket: &Socket) {
        self.strangers += 1;
        self.untold.count += 1;
        self.untold.last = socket.peer_address().ok().or(self.untold.last);
    }

    /// Flows that have arrived.
    pub(crate) fn arrived(&self) -> usize {
        self.flows.met.iter().flatten().count()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.flows.met.iter().all(Option::is_some)
    }

    /// Whether a client with the token came, and left or said more before the load began.
    pub(super) const fn lost_a_client(&self) -> bool {
        self.gone > 0
    }

    /// Who else came, for the end of a message.
    pub(crate) fn told_apart(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        if self.strangers > 0 {
            let _ = write!(text, ", {} strangers were turned away", self.strangers);
        }
        if self.gone > 0 {
            let _ = write!(
                text,
                ", {} with the token ended or said more than it before the load began",
                self.gone
            );
        }
        if let Some((call, errno)) = self.last_refusal {
            let _ = write!(text, ", {call} was refused {} times: {errno}", self.refused_accepts);
            if errno.is_exhausted() {
                text.push_str(" (raise ulimit -n)");
            }
        }
        text
    }

    /// Waits for what happens next, not for long and not beyond the deadline, and deals with it. What happens `beside` ends the
    /// wait, and is the caller's to deal with; where something happens to the one who is `served`, before anybody else is dealt
    /// with: who has left is no reason to send the next one away.
    ///
    /// # Errors
    /// A listener is no more.
    pub(crate) fn serve(
        &mut self,
        deadline: Instant,
        served: Option<BorrowedFd<'_>>,
        beside: &[BorrowedFd<'_>],
    ) -> Result<(), String> {
        let now = Instant::now();
        let is_open = self.shut_until.is_none_or(|until| now >= until);
        let (fds, until) = self.awaited(now, deadline, is_open);
        let count = fds.len();
        let fds: Vec<BorrowedFd<'_>> =
            served.into_iter().chain(fds).chain(beside.iter().copied()).collect();
        let left = until.saturating_duration_since(now);
        let left_ms = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        let ready = (self.poll)(&fds, left_ms);
        let ready = match ready {
            Ok(ready) => ready,
            // As where nobody came in the time.
            Err(errno) if errno.is_interrupted() => Vec::new(),
            // No memory for a list of so many, or the limit of open files is below them by now (poll(2)): fewer may fit.
            Err(errno) if errno.is_exhausted() || errno.is_invalid() => {
                self.note_refusal("poll", errno);
                if !self.drop_oldest() {
                    std::thread::sleep(SHUT.min(left));
                }
                return Ok(());
            }
            Err(errno) => {
                let argument =
                    format!("{} listeners and {count} connections", self.listeners.len());
                return Err(CallError { call: "poll", argument, errno }.to_string());
            }
        };
        let mut ready = ready.into_iter().map(Ready::is_any);
        if served.is_some() && ready.next() == Some(true) {
            return Ok(());
        }
        // One that has met has nothing to say before the load begins: it has gone, and its flow may come again.
        for met in self.flows.met.iter_mut().filter(|met| met.is_some()) {
            if ready.next() == Some(true) {
                *met = None;
                self.gone += 1;
            }
        }
        for handshake in std::mem::take(&mut self.showing) {
            if ready.next() == Some(true) {
                self.look(handshake);
            } else {
                self.showing.push_back(handshake);
            }
        }
        let now = Instant::now();
        while self.showing.front().is_some_and(|oldest| oldest.deadline <= now) {
            self.drop_oldest();
        }
        if is_open {
            self.shut_until = None;
            for listener in self.listeners {
                if ready.next() == Some(true) {
                    self.accept(listener).map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(())
    }

    /// Those that have met, those that show their token, and the listeners, in this order; and until when to wait for them.
    fn awaited(
        &self,
        now: Instant,
        deadline: Instant,
        is_open: bool,
    ) -> (Vec<BorrowedFd<'_>>, Instant) {
        let mut fds: Vec<BorrowedFd<'_>> =
            self.flows.met.iter().flatten().map(AsFd::as_fd).collect();
        fds.extend(self.showing.iter().map(|handshake| handshake.socket.as_fd()));
        let mut until = deadline.min(now + LOOK);
        if let Some(oldest) = self.showing.front() {
            until = until.min(oldest.deadline);
        }
        if is_open {
            fds.extend(self.listeners.iter().map(|listener| listener.socket.as_fd()));
        } else if let Some(shut_until) = self.shut_until {
            until = until.min(shut_until);
        }
        (fds, until)
    }

    /// Takes those that wait, up to a number.
    fn accept(&mut self, listener: &Listener) -> Result<(), CallError> {
        for _ in 0..MOST_AT_ONCE {
            match listener.socket.accept_at_once()? {
                Arrival::Nobody => return Ok(()),
                Arrival::Connection(socket) if is_of_another_user(&socket, listener.address) => {
                    self.turn_away(&socket);
                }
                Arrival::Connection(socket) => {
                    if self.showing.len() >= self.most {
                        self.drop_oldest();
                    }
                    self.look(Handshake::new(socket, Instant::now() + self.handshake));
                    if self.clients.is_none() && self.is_complete() {
                        return Ok(());
                    }
                }
                Arrival::Gone(errno) => self.note_refusal("accept", errno),
                Arrival::Refused(errno) => {
                    self.note_refusal("accept", errno);
                    let has_room = errno.is_exhausted() && self.drop_oldest();
                    if !has_room {
                        // It waits on, and the listener stays readable: looking again at once would be in vain.
                        self.shut_until = Some(Instant::now() + SHUT);
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn note_refusal(&mut self, call: &'static str, errno: Errno) {
        self.refused_accepts += 1;
        self.last_refusal = Some((call, errno));
    }

    /// Looks at what a connection shows, and deals with it.
    fn look(&mut self, mut handshake: Handshake) {
        match self.shown(&mut handshake) {
            Shown::NotYet => self.showing.push_back(handshake),
            shown @ (Shown::Flow(_) | Shown::Client | Shown::Wrong) => {
                self.settle(shown, handshake.socket);
            }
        }
    }

    fn shown(&self, handshake: &mut Handshake) -> Shown {
        match handshake.look() {
            Read::Part => return Shown::NotYet,
            Read::Ended => return Shown::Wrong,
            Read::All => {}
        }
        let greeting = &handshake.greeting;
        let clients = self.clients.as_ref();
        if clients.and_then(|clients| read_greeting(greeting, &clients.token)) == Some(CLIENT) {
            return Shown::Client;
        }
        let is_awaited = clients.is_none() || !self.flows.met.is_empty();
        match read_greeting(greeting, &self.flows.token).filter(|_| is_awaited) {
            Some(flow) => Shown::Flow(flow),
            None => Shown::Wrong,
        }
    }

    /// Makes room; whether there was anything to be closed. What the oldest has shown by now counts.
    fn drop_oldest(&mut self) -> bool {
        let Some(mut oldest) = self.showing.pop_front() else { return false };
        let shown = self.shown(&mut oldest);
        self.settle(shown, oldest.socket);
        true
    }

    /// Lets a connection in or closes it.
    fn settle(&mut self, shown: Shown, socket: Socket) {
        let flow = match shown {
            Shown::Flow(flow) => flow,
            Shown::Client => return self.settle_client(socket),
            // One without a token learns no more than that it was too slow.
            Shown::NotYet => {
                self.turn_away(&socket);
                return self.tell(&socket, Answer::Busy);
            }
            Shown::Wrong => return self.turn_away(&socket),
        };
        let place = usize::try_from(flow).ok().and_then(|flow| self.flows.met.get_mut(flow));
        // Its first connection may have gone since the last look.
        match place.filter(|place| place.as_ref().is_none_or(has_gone)) {
            Some(place) => {
                self.gone += u64::from(place.is_some());
                let socket = place.insert(socket);
                if self.clients.is_some() {
                    send(socket, Answer::Welcome);
                }
            }
            None => {
                self.turn_away(&socket);
                self.tell(&socket, Answer::Taken);
            }
        }
    }

    /// Keeps a client by hand, or tells it that another one is served: no stranger, but not let in.
    fn settle_client(&mut self, socket: Socket) {
        match &mut self.clients {
            Some(clients) if clients.is_free => {
                send(&socket, Answer::Welcome);
                clients.arrived.push(socket);
            }
            Some(_) | None => send(&socket, Answer::Occupied),
        }
    }

    fn tell(&self, socket: &Socket, answer: Answer) {
        if self.clients.is_some() {
            send(socket, answer);
        }
    }

    /// Ends the meeting of an engine's trial; whoever still shows a token comes too late.
    pub(super) fn close(mut self) -> Met {
        self.strangers += self.showing.len() as u64;
        Met { sockets: self.take_flows(), strangers: self.strangers }
    }

    /// Ends a server by hand: whoever is at the door is told to come another time, as those in the queue could not tell being too
    /// late from a wrong token.
    pub(crate) fn shut(&mut self) {
        for handshake in std::mem::take(&mut self.showing) {
            self.turn_away(&handshake.socket);
            self.tell(&handshake.socket, Answer::Busy);
        }
        for listener in self.listeners {
            for _ in 0..BACKLOG {
                let Ok(Arrival::Connection(socket)) = listener.socket.accept_at_once() else {
                    break;
                };
                self.tell(&socket, Answer::Busy);
            }
        }
    }
}

/// Whether one that has met says something or ends, before the load begins.
fn has_gone(met: &Socket) -> bool {
    poll::wait_readable(met, 0).is_ok_and(Ready::is_any)
}

/// Sends an answer; there is room for one byte, unless the connection has ended, and then nobody is left to be told.
fn send(socket: &Socket, answer: Answer) {
    let _ = socket.send(&[answer.byte()], SendFlags::DONT_WAIT);
}
