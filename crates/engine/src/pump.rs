//! The workers' loops: what runs inside the window, compiled for each path.
//!
//! Per message one relaxed load of the gate, `submit`, and `reap` when due; no dynamic call, allocation, lock or log between the
//! edges (tests/pump_allocates_nothing.rs), and no clock but for the few messages whose release is timed (`release_times.rs`).

use std::net::Shutdown;

use kernel::Errno;
use kernel::poll::{Epoll, EpollEvents};
use kernel::socket::Socket;
use model::message::Message;
use model::record::{ReceiveTally, SendTally};

use crate::content::{Content, Pattern};
use crate::gate::Gate;
use crate::receive_paths::{ReceivePath, Taken};
use crate::send_paths::{SendPath, Wait};
use crate::slots::Slots;
use crate::watch::{Next, Watch};

/// One flow of a sending worker.
pub struct SendFlow<P> {
    /// The path, on this flow's socket and its ring's memory.
    pub path: P,
    /// Which slots of the ring are free.
    pub slots: Slots,
    /// What its messages hold.
    pub pattern: Pattern,
    /// Bytes of the stream that have been written into slots, when every message is rewritten.
    pub written: u64,
    /// Whether other workers send on the same connection: then it is not this one's to end.
    pub is_shared: bool,
}

impl<P: SendPath> SendFlow<P> {
    /// Fills every slot once, so that no page is the kernel's zero page and content is what the pattern says.
    pub fn fill(&mut self, message: &Message) {
        for _ in 0..self.slots.len() {
            self.rewrite(message);
            self.slots.advance();
        }
        self.written = 0;
    }

    /// Writes the next message of the stream into the slot whose turn it is.
    #[inline]
    fn rewrite(&mut self, message: &Message) {
        let start = self.slots.turn().0 as usize * message.stride();
        let arena = self.path.arena_mut();
        for field in message.fields() {
            let from = start + field.offset;
            self.pattern.write(self.written, arena.bytes_mut(from..from + field.length));
            self.written += field.length as u64;
        }
    }

    #[inline]
    fn send_one(
        &mut self,
        message: &Message,
        rewriting: bool,
        tally: &mut SendTally,
    ) -> Result<(), Errno> {
        while !self.slots.is_turn_free() {
            tally.slot_waits += 1;
            self.path.reap(Wait::One, &mut self.slots, tally)?;
        }
        if rewriting {
            self.rewrite(message);
        }
        let Self { path, slots, .. } = self;
        slots.hand_over(|slot, slots| path.submit(slot, slots, tally))?;
        if self.path.is_reap_due(&self.slots) {
            self.path.reap(Wait::Never, &mut self.slots, tally)?;
        }
        Ok(())
    }
}

/// Sends over the flows in turn while the gate says so. At a pause it drains and sleeps; at the stop it drains and closes
/// the sending direction.
///
/// # Errors
/// The call that failed, and where; the tally holds what was done until then.
pub fn send<P: SendPath>(
    flows: &mut [SendFlow<P>],
    message: &Message,
    rewriting: bool,
    gate: &Gate,
    watch: &mut Watch<SendTally>,
    tally: &mut SendTally,
) -> Result<(), (&'static str, Errno)> {
    loop {
        gate.wait_for_load(watch.seen());
        let next = load(flows, message, rewriting, gate, watch, tally)?;
        for flow in &mut *flows {
            let path = &mut flow.path;
            path.flush(&mut flow.slots, tally).map_err(|errno| ("flushing", errno))?;
            match next {
                Next::Stop => path.reap(Wait::All, &mut flow.slots, tally),
                Next::Load | Next::Pause => path.rest(&mut flow.slots, tally),
            }
            .map_err(|errno| ("waiting for the last zero-copy completions", errno))?;
            match next {
                Next::Stop if !flow.is_shared => end_sending(path.socket()),
                Next::Stop | Next::Load | Next::Pause => {
                    path.socket().push_out().map_err(|error| (error.call, error.errno))
                }
            }?;
        }
        if next == Next::Stop {
            return Ok(());
        }
        watch.paused(gate, tally.accepted_bytes);
    }
}

/// Ends the sending direction. A connection that died after the last send has none any more; what is told is what it died of.
fn end_sending(socket: &Socket) -> Result<(), (&'static str, Errno)> {
    socket.shutdown(Shutdown::Write).map_err(|error| {
        let errno = if error.errno.is_not_connected() {
            socket.take_error().ok().flatten().unwrap_or(Errno::BROKEN_PIPE)
        } else {
            error.errno
        };
        (error.call, errno)
    })
}

/// Sends until the gate says something else.
fn load<P: SendPath>(
    flows: &mut [SendFlow<P>],
    message: &Message,
    rewriting: bool,
    gate: &Gate,
    watch: &mut Watch<SendTally>,
    tally: &mut SendTally,
) -> Result<Next, (&'static str, Errno)> {
    if let [flow] = flows {
        // The usual case, without the turn over flows.
        loop {
            let word = gate.word();
            if watch.is_edge(word) {
                let socket = [flow.path.socket()].into_iter();
                let next = watch.cross(gate, word, *tally, tally.accepted_bytes, socket);
                flow.slots.time(watch.is_counting());
                match next {
                    Next::Load => {}
                    next @ (Next::Pause | Next::Stop) => return Ok(next),
                }
            }
            flow.send_one(message, rewriting, tally).map_err(|errno| ("sending", errno))?;
        }
    }
    let mut turn = 0;
    loop {
        let word = gate.word();
        if watch.is_edge(word) {
            let sockets = flows.iter().map(|flow| flow.path.socket());
            let next = watch.cross(gate, word, *tally, tally.accepted_bytes, sockets);
            flows.iter_mut().for_each(|flow| flow.slots.time(watch.is_counting()));
            match next {
                Next::Load => {}
                next @ (Next::Pause | Next::Stop) => return Ok(next),
            }
        }
        flows[turn].send_one(message, rewriting, tally).map_err(|errno| ("sending", errno))?;
        turn = if turn + 1 == flows.len() { 0 } else { turn + 1 };
    }
}

/// One flow of a receiving worker.
pub struct ReceiveFlow<P, C> {
    /// The path, on this flow's socket.
    pub path: P,
    /// What looks at the bytes.
    pub content: C,
}

/// Receives until every flow has ended.
///
/// # Errors
/// The call that failed, and where.
pub fn receive<P: ReceivePath, C: Content>(
    flows: &mut [ReceiveFlow<P, C>],
    buffer: &mut P::Buffer,
    gate: &Gate,
    watch: &mut Watch<ReceiveTally>,
    tally: &mut ReceiveTally,
) -> Result<(), (&'static str, Errno)> {
    gate.wait_for_load(watch.seen());
    if let [flow] = flows {
        loop {
            let word = gate.word();
            if watch.is_edge(word) {
                let socket = [flow.path.socket()].into_iter();
                watch.cross(gate, word, *tally, tally.received_bytes, socket);
            }
            let taken = flow.path.take(buffer, &mut flow.content, tally);
            if taken.map_err(|errno| ("receiving", errno))? == Taken::End {
                watch.close(*tally, [flow.path.socket()].into_iter());
                return Ok(());
            }
        }
    }
    receive_many(flows, buffer, gate, watch, tally)
}

/// Several flows: wait for any, then one call on each that is ready, so that no flow is starved.
fn receive_many<P: ReceivePath, C: Content>(
    flows: &mut [ReceiveFlow<P, C>],
    buffer: &mut P::Buffer,
    gate: &Gate,
    watch: &mut Watch<ReceiveTally>,
    tally: &mut ReceiveTally,
) -> Result<(), (&'static str, Errno)> {
    let epoll = Epoll::new().map_err(|error| ("epoll_create1", error.errno))?;
    for (number, flow) in flows.iter().enumerate() {
        epoll.add(flow.path.socket(), number as u64).map_err(|error| ("epoll_ctl", error.errno))?;
    }
    let mut events = EpollEvents::new(flows.len());
    let mut open = flows.len();
    while open > 0 {
        tally.calls.epoll_wait += 1;
        match epoll.wait(&mut events, -1) {
            Ok(_) => {}
            Err(errno) if errno.is_interrupted() => tally.interrupted += 1,
            Err(errno) => return Err(("epoll_wait", errno)),
        }
        for (number, _) in events.ready() {
            let word = gate.word();
            if watch.is_edge(word) {
                let sockets = flows.iter().map(|flow| flow.path.socket());
                watch.cross(gate, word, *tally, tally.received_bytes, sockets);
            }
            let Some(flow) = usize::try_from(number).ok().and_then(|n| flows.get_mut(n)) else {
                continue;
            };
            let taken = flow.path.take(buffer, &mut flow.content, tally);
            if taken.map_err(|errno| ("receiving", errno))? == Taken::End {
                epoll
                    .remove(flow.path.socket())
                    .map_err(|error| ("epoll_ctl(EPOLL_CTL_DEL)", error.errno))?;
                open -= 1;
            }
        }
    }
    watch.close(*tally, flows.iter().map(|flow| flow.path.socket()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::time::{Duration, Instant};

    use kernel::poll;
    use model::Cell;

    use super::*;
    use crate::gate::Phase;
    use crate::send_paths::{SendOptions, Sendmsg};

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_reset_after_the_last_send_is_told_as_one() {
        let listener = Socket::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 1).unwrap();
        let address = listener.local_address().unwrap();
        let client = Socket::stream(address).unwrap();
        client.connect(address, PATIENCE).unwrap();
        let (server, _) = listener.accept(Some(60_000)).unwrap().unwrap();
        client.write_all(b"never read", Instant::now() + PATIENCE).unwrap();
        assert!(poll::wait_readable(&server, 60_000).unwrap().readable);
        drop(server);
        while !poll::wait_error_queue(&client, 60_000).unwrap().hang_up {}

        let message = Message::of(&"message_bytes=64".parse::<Cell>().unwrap(), 4096).unwrap();
        let options = SendOptions {
            so_zerocopy: false,
            slots: 1,
            depth: 1,
            copy_below: 0,
            ..SendOptions::default()
        };
        let arena = Sendmsg::arena(message.stride(), kernel::arena::Pages::NORMAL).unwrap();
        let path = Sendmsg::open(client, arena, &message, &options).unwrap();
        let pattern = Pattern::new(&[0; 16], 0);
        let slots = Slots::new(1);
        let mut flows = [SendFlow { path, slots, pattern, written: 0, is_shared: false }];
        let mut watch = Watch::open(model::names::Watch::None, 1);
        let gate = Gate::default();
        gate.open(Phase::Stop);
        let told = send(&mut flows, &message, false, &gate, &mut watch, &mut SendTally::default());
        let (call, errno) = told.unwrap_err();
        assert_eq!(call, "shutdown");
        assert!(errno.to_string().contains("Connection reset by peer"), "{errno}");
    }
}
