//! The side that listens: one `poll` loop takes connections and reads what they show. It starts no thread and keeps a
//! bounded number of strangers, so that nobody can use up what it needs or keep others out.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use kernel::poll::{self, Ready};
use kernel::socket::{Address, Arrival, ReceiveFlags, SendFlags, Socket};
use kernel::{CallError, Errno};

use super::answer::Answer;
use super::{BACKLOG, Met, is_of_another_user};
use crate::protocol::{GREETING_BYTES, Token};

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

/// What a connection has shown.
enum Shown {
    NotYet,
    /// The token, and the number of its flow.
    Flow(u32),
    /// Something else, or it ended.
    Wrong,
}

impl Handshake {
    fn new(socket: Socket, deadline: Instant) -> Self {
        Self { socket, greeting: [0; GREETING_BYTES], read: 0, deadline }
    }

    /// Reads what has come.
    fn look(&mut self, token: &Token) -> Shown {
        while let Some(rest) = self.greeting.get_mut(self.read..).filter(|rest| !rest.is_empty()) {
            match self.socket.receive(rest, ReceiveFlags::DONT_WAIT) {
                Ok(0) => return Shown::Wrong,
                Ok(count) => self.read += count,
                Err(errno) if errno.is_interrupted() => {}
                Err(errno) if errno.is_would_block() => return Shown::NotYet,
                Err(_) => return Shown::Wrong,
            }
        }
        match read_greeting(&self.greeting, token) {
            Some(flow) => Shown::Flow(flow),
            None => Shown::Wrong,
        }
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

/// A listener and everybody who has come to it.
pub(super) struct Door<'d> {
    listener: &'d Socket,
    address: Address,
    token: &'d Token,
    answers: bool,
    /// How long one connection may take to show its token.
    handshake: Duration,
    /// By the number of their flow.
    met: Vec<Option<Socket>>,
    /// The oldest first.
    showing: VecDeque<Handshake>,
    shut_until: Option<Instant>,
    strangers: u64,
    /// Connections that showed the token and left, or said more, before the load began.
    gone: u64,
    refused_accepts: u64,
    last_refusal: Option<Errno>,
}

impl<'d> Door<'d> {
    pub(super) fn new(
        listener: &'d Socket,
        address: Address,
        token: &'d Token,
        wanted: usize,
        answers: bool,
        handshake: Duration,
    ) -> Self {
        Self {
            listener,
            address,
            token,
            answers,
            handshake,
            met: (0..wanted).map(|_| None).collect(),
            showing: VecDeque::new(),
            shut_until: None,
            strangers: 0,
            gone: 0,
            refused_accepts: 0,
            last_refusal: None,
        }
    }

    /// Flows that have arrived.
    pub(super) fn arrived(&self) -> usize {
        self.met.iter().flatten().count()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.met.iter().all(Option::is_some)
    }

    /// Whether a client with the token came, and left or said more before the load began.
    pub(super) const fn lost_a_client(&self) -> bool {
        self.gone > 0
    }

    /// Who else came, for the end of a message.
    pub(super) fn told_apart(&self) -> String {
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
        if let Some(errno) = self.last_refusal {
            let _ = write!(text, ", accept was refused {} times: {errno}", self.refused_accepts);
            if errno.is_exhausted() {
                text.push_str(" (raise ulimit -n)");
            }
        }
        text
    }

    /// Waits for what happens next, not for long and not beyond the deadline, and deals with it.
    ///
    /// # Errors
    /// The listener is no more.
    pub(super) fn serve(&mut self, deadline: Instant) -> Result<(), String> {
        let now = Instant::now();
        let is_open = self.shut_until.is_none_or(|until| now >= until);
        let ready = self.wait(now, deadline, is_open).map_err(|error| error.to_string())?;
        let mut ready = ready.into_iter().map(Ready::is_any);
        // One that has met has nothing to say before the load begins: it has gone, and its flow may come again.
        for met in self.met.iter_mut().filter(|met| met.is_some()) {
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
        if is_open && ready.next() == Some(true) {
            self.shut_until = None;
            self.accept().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// What those that have met, those that show their token, and the listener are ready for, in this order; empty when
    /// a signal ended the wait.
    fn wait(
        &self,
        now: Instant,
        deadline: Instant,
        is_open: bool,
    ) -> Result<Vec<Ready>, CallError> {
        let mut fds: Vec<BorrowedFd<'_>> = self.met.iter().flatten().map(AsFd::as_fd).collect();
        fds.extend(self.showing.iter().map(|handshake| handshake.socket.as_fd()));
        let mut until = deadline.min(now + LOOK);
        if let Some(oldest) = self.showing.front() {
            until = until.min(oldest.deadline);
        }
        if is_open {
            fds.push(self.listener.as_fd());
        } else if let Some(shut_until) = self.shut_until {
            until = until.min(shut_until);
        }
        let left_ms = until.saturating_duration_since(now).as_micros().div_ceil(1000);
        match poll::wait_readable_any(&fds, i32::try_from(left_ms).unwrap_or(i32::MAX)) {
            Ok(ready) => Ok(ready),
            Err(errno) if errno.is_interrupted() => Ok(Vec::new()),
            Err(errno) => {
                let argument = format!("a listener and {} connections", fds.len());
                Err(CallError { call: "poll", argument, errno })
            }
        }
    }

    /// Takes those that wait, up to a number.
    fn accept(&mut self) -> Result<(), CallError> {
        for _ in 0..MOST_AT_ONCE {
            match self.listener.accept_at_once()? {
                Arrival::Nobody => return Ok(()),
                Arrival::Connection(socket) if is_of_another_user(&socket, self.address) => {
                    self.strangers += 1;
                }
                Arrival::Connection(socket) => {
                    if self.showing.len() >= MOST_HANDSHAKES {
                        self.drop_oldest();
                    }
                    self.look(Handshake::new(socket, Instant::now() + self.handshake));
                    if self.is_complete() {
                        return Ok(());
                    }
                }
                Arrival::Gone(errno) => self.note_refusal(errno),
                Arrival::Refused(errno) => {
                    self.note_refusal(errno);
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

    fn note_refusal(&mut self, errno: Errno) {
        self.refused_accepts += 1;
        self.last_refusal = Some(errno);
    }

    /// Looks at what a connection shows, and deals with it.
    fn look(&mut self, mut handshake: Handshake) {
        match handshake.look(self.token) {
            Shown::NotYet => self.showing.push_back(handshake),
            shown @ (Shown::Flow(_) | Shown::Wrong) => self.settle(&shown, handshake.socket),
        }
    }

    /// Makes room; whether there was anything to be closed. What the oldest has shown by now counts.
    fn drop_oldest(&mut self) -> bool {
        let Some(mut oldest) = self.showing.pop_front() else { return false };
        let shown = oldest.look(self.token);
        self.settle(&shown, oldest.socket);
        true
    }

    /// Lets a connection in or closes it.
    fn settle(&mut self, shown: &Shown, socket: Socket) {
        let flow = match shown {
            Shown::Flow(flow) => *flow,
            // One without a token learns no more than that it was too slow.
            Shown::NotYet => {
                self.strangers += 1;
                return self.tell(&socket, Answer::Busy);
            }
            Shown::Wrong => {
                self.strangers += 1;
                return;
            }
        };
        let place = usize::try_from(flow).ok().and_then(|flow| self.met.get_mut(flow));
        // Its first connection may have gone since the last look.
        match place.filter(|place| place.as_ref().is_none_or(has_gone)) {
            Some(place) => {
                self.gone += u64::from(place.is_some());
                let socket = place.insert(socket);
                if self.answers {
                    send(socket, Answer::Welcome);
                }
            }
            None => {
                self.strangers += 1;
                self.tell(&socket, Answer::Taken);
            }
        }
    }

    fn tell(&self, socket: &Socket, answer: Answer) {
        if self.answers {
            send(socket, answer);
        }
    }

    /// Ends the meeting: those that have met are told to go on, everybody else to come another time.
    pub(super) fn close(mut self) -> Met {
        for socket in self.met.iter().flatten() {
            self.tell(socket, Answer::Begin);
        }
        self.strangers += self.showing.len() as u64;
        for handshake in &self.showing {
            self.tell(&handshake.socket, Answer::Busy);
        }
        // Those in the queue cannot tell being too late from a wrong token, unless they are told.
        if self.answers {
            for _ in 0..BACKLOG {
                let Ok(Arrival::Connection(socket)) = self.listener.accept_at_once() else { break };
                self.strangers += 1;
                send(&socket, Answer::Busy);
            }
        }
        Met {
            sockets: self.met.into_iter().flatten().collect(),
            strangers: self.strangers,
            refused_accepts: self.refused_accepts,
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    /// Far longer than anything here takes: only what hangs meets it.
    const PATIENCE: Duration = Duration::from_secs(60);
    const TOKEN: Token = [7; 16];

    fn served(door: &mut Door<'_>, is_so: impl Fn(&Door<'_>) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(door) {
            assert!(Instant::now() < deadline, "it did not come");
            door.serve(deadline).unwrap();
        }
    }

    #[test]
    fn one_that_does_not_show_its_token_in_time_is_told_so_and_keeps_nobody_out() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        for address in [Address::from(any), Address::ANY_UNIX] {
            let listener = Socket::listen(address, 4).unwrap();
            let address = listener.address().unwrap();
            let connected = || {
                let socket = Socket::stream(address).unwrap();
                socket.connect(address, PATIENCE).unwrap();
                socket
            };
            let limit = Duration::from_millis(20);
            let mut door = Door::new(&listener, address, &TOKEN, 1, true, limit);
            // One says nothing, the other half of what it should.
            let (silent, slow) = (connected(), connected());
            slow.write_all(&TOKEN[..8], Instant::now() + PATIENCE).unwrap();
            served(&mut door, |door| door.strangers == 2);
            assert!(door.showing.is_empty() && door.arrived() == 0);
            for turned_away in [&silent, &slow] {
                let mut told = [0];
                turned_away.read_exact(&mut told, Instant::now() + PATIENCE).unwrap();
                assert_eq!(told, [Answer::Busy.byte()]);
            }
            let client = connected();
            client.write_all(&TOKEN, Instant::now() + PATIENCE).unwrap();
            client.write_all(&[0; 4], Instant::now() + PATIENCE).unwrap();
            served(&mut door, |door| door.is_complete());
            assert_eq!((door.strangers, door.gone), (2, 0));
        }
    }
}
