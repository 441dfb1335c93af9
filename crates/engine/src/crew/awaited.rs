//! What the workers of an end wait for, told where a deadline comes first.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use kernel::socket::{ReceiveFlags, Socket};
use kernel::tcp_info::TcpInfo;
use kernel::{CallError, Errno, clock, poll};
use model::Nanos;

use super::{Crew, Tally, failed};
use crate::coordinator::{Broken, wait_until};
use crate::protocol::{Meet, Role};

/// Between two looks whether a peer has taken everything.
const TAKEN_LOOK_NS: u64 = 1_000_000;
/// How soon a wish to stop is noticed while nothing has come.
const LOOK_MS: i32 = 20;
/// Calls of recv in one such look.
const LOOK_READS: u32 = 16;

/// What one connection waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Waiting {
    /// Bytes that were accepted and the peer has not acknowledged.
    unacknowledged: u64,
    /// Whether those are the memory that they fill.
    is_memory: bool,
    /// The peer lets nothing be sent.
    is_shut: bool,
    /// The peer has not ended its direction.
    is_open: bool,
    /// Since payload last came, ms.
    silent_ms: Option<u32>,
}

/// States in which the peer may still send (net/tcp_states.h): established, both waits for the peer's FIN.
const OPEN: [u8; 3] = [1, 4, 5];

impl Waiting {
    /// A unix connection: what is not taken is told by the memory that it fills, and an end by what a poll finds.
    fn of_unix(flow: &Socket) -> Result<Self, CallError> {
        let ready = poll::wait_readable(flow, 0).unwrap_or_default();
        let is_over = ready.hang_up || (ready.readable && flow.unread_bytes()? == 0);
        let unacknowledged = flow.unacknowledged_bytes()?;
        Ok(Self { unacknowledged, is_memory: true, is_open: !is_over, ..Self::default() })
    }

    fn of(unacknowledged: u64, info: &TcpInfo) -> Self {
        Self {
            unacknowledged,
            is_memory: false,
            // A window smaller than a segment is as good as none: the peer's stack opens it no further until its program reads
            // (RFC 9293, 3.8.6.2.2).
            is_shut: info.snd_wnd.zip(info.snd_mss).is_some_and(|(window, mss)| window < mss),
            is_open: info.state.is_some_and(|state| OPEN.contains(&state)),
            silent_ms: info.last_data_received_ms,
        }
    }
}

/// Reads what a peer says that has nothing to say, up to some bytes a look; whether its stream has ended.
fn has_ended(flow: &Socket) -> Result<bool, Errno> {
    let mut nobodys = [0; 16 * 1024];
    for _ in 0..LOOK_READS {
        match flow.receive(&mut nobodys, ReceiveFlags::DONT_WAIT) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(errno) if errno.is_interrupted() => {}
            Err(errno) if errno.is_would_block() => return Ok(false),
            Err(errno) => return Err(errno),
        }
    }
    Ok(false)
}

/// In words, for a sender.
fn unsent(all: &[Waiting]) -> String {
    let bytes: u64 = all.iter().map(|one| one.unacknowledged).sum();
    if bytes == 0 {
        let open = all.iter().filter(|one| one.is_open).count();
        return format!(
            "the other end has acknowledged all and has not ended {open} of {} connections; it must read to the end and close them",
            all.len()
        );
    }
    let shut = all.iter().filter(|one| one.unacknowledged > 0 && one.is_shut).count();
    let why = match shut {
        0 => "it reads too slowly, or what is sent gets lost".to_owned(),
        _ => format!("the window of {shut} of {} connections is shut: it must read", all.len()),
    };
    let what = match all.iter().any(|one| one.is_memory) {
        true => format!("what fills {bytes} bytes of memory"),
        false => format!("{bytes} bytes"),
    };
    format!("the other end has not taken {what}; {why}")
}

/// In words, for a receiver.
fn unended(all: &[Waiting]) -> String {
    let open = all.iter().filter(|one| one.is_open);
    let last = open.clone().filter_map(|one| one.silent_ms).min();
    let last = last.map_or_else(String::new, |ms| {
        format!(", and the last bytes came {} ago", Nanos::ms(u64::from(ms)))
    });
    format!(
        "the other end has not ended {} of {} connections{last}; it must stop in time and end them",
        open.count(),
        all.len()
    )
}

impl<T: Tally> Crew<T> {
    /// Waits until any connection has something to take, which nobody takes before the gate opens.
    pub(crate) fn await_first_bytes(
        &self,
        patience: Duration,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), Broken> {
        let deadline = Instant::now() + patience;
        let flows: Vec<_> = self.flows.iter().map(AsFd::as_fd).collect();
        while Instant::now() < deadline {
            if is_over() {
                return Err(failed("the trial was given up"));
            }
            match poll::wait_readable_any(&flows, LOOK_MS) {
                Ok(ready) if ready.iter().any(|one| one.is_any()) => return Ok(()),
                Ok(_) => {}
                Err(errno) if errno.is_interrupted() => {}
                Err(errno) => return Err(failed(format!("waiting for the first bytes: {errno}"))),
            }
        }
        Err(failed(format!("no byte came in {} s", patience.as_secs())))
    }

    /// What this side waits for, as its connections tell.
    pub(super) fn awaited(&self) -> String {
        let read = |flow: &Socket| -> Result<Waiting, CallError> {
            if !self.prepare.cell.link.speaks_tcp() {
                return Waiting::of_unix(flow);
            }
            Ok(Waiting::of(flow.unacknowledged_bytes()?, &flow.tcp_info()?))
        };
        let all: Result<Vec<Waiting>, CallError> = self.flows.iter().map(read).collect();
        match (all, self.prepare.role) {
            (Err(error), _) => error.to_string(),
            (Ok(all), Role::Send) => unsent(&all),
            (Ok(all), Role::Receive | Role::Absorb(_)) => unended(&all),
        }
    }

    /// Whether nobody else tells what became of what was sent: a server by hand listens and sends, while the ends of a trial report
    /// to their engine.
    pub(super) fn is_alone(&self) -> bool {
        self.prepare.role == Role::Send && matches!(self.prepare.meet, Meet::Listen(_))
    }

    /// Waits until the other end has acknowledged everything and has ended its own direction, as who has read to the end does: what is
    /// acknowledged alone may still be thrown away with a reset. What it says meanwhile is nobody's, and is read lest our close
    /// be a reset.
    pub(super) fn await_taken(
        &self,
        until_ns: u64,
        patience: Nanos,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), Broken> {
        loop {
            let mut is_taken = true;
            for flow in &self.flows {
                let died = |errno: Errno| {
                    let last = flow.unacknowledged_bytes().unwrap_or(0);
                    failed(format!(
                        "the connection died in the drain: {errno}; the other end left before it had read to the end ({last} bytes were not acknowledged)"
                    ))
                };
                let has_ended = has_ended(flow).map_err(died)?;
                let left = flow.unacknowledged_bytes().map_err(|error| died(error.errno))?;
                if let Some(errno) = flow.take_error().map_err(|error| died(error.errno))? {
                    return Err(died(errno));
                }
                is_taken &= has_ended && left == 0;
            }
            if is_taken {
                return Ok(());
            }
            let now = clock::monotonic_ns();
            if now >= until_ns {
                return Err(self.not_drained(patience));
            }
            wait_until(until_ns.min(now + TAKEN_LOOK_NS), is_over)?;
        }
    }

    /// Has a multishot receive see the end of a stream without TCP, which it may miss: seen on Linux 6.18, in some of its trials, behind
    /// senders that were over at once (`tests/unix.rs`). liburing #1549 tells of the same where the end comes together with the last
    /// bytes: the kernel waits for the next event where the socket says that nothing is left to be read (`io_recv_finish`,
    /// io_uring/net.c), and a Unix socket does not count its end (`unix_stream_read_generic`, net/unix/af_unix.c), as TCP does
    /// (`tcp_inq_hint`). By that alone it could not be brought about on 6.18 (`missed_end_tests.rs`), so that there may be another way.
    /// Ending our own direction is such an event, and takes nothing away: it is asked for only where nothing is left and the peer has
    /// ended its own.
    pub(super) fn tell_ends(&self) {
        let cell = &self.prepare.cell;
        let may_miss = cell.receive_path.capabilities().picks_buffer && !cell.link.speaks_tcp();
        if self.prepare.role == Role::Send || !may_miss {
            return;
        }
        for flow in &self.flows {
            // Nothing at all comes only of a stream that has ended and is empty.
            let look = ReceiveFlags::DONT_WAIT.and(ReceiveFlags::PEEK);
            if flow.receive(&mut [0], look) == Ok(0) {
                // One that has ended altogether meanwhile needs no telling.
                let _ = flow.shutdown(std::net::Shutdown::Read);
            }
        }
    }

    /// The drain's deadline came first.
    pub(super) fn not_drained(&self, patience: Nanos) -> Broken {
        let awaited = self.awaited();
        failed(format!("the drain was not over {patience} after the senders stopped: {awaited}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(unacknowledged: u64, window: u32, state: u8, silent_ms: u32) -> Waiting {
        let info = TcpInfo {
            snd_wnd: Some(window),
            snd_mss: Some(1448),
            state: Some(state),
            last_data_received_ms: Some(silent_ms),
            ..TcpInfo::default()
        };
        Waiting::of(unacknowledged, &info)
    }

    #[test]
    fn a_sender_tells_what_was_not_taken_and_whether_the_window_is_shut() {
        let shut = [waiting(500, 0, 1, 0), waiting(0, 65_535, 1, 0)];
        let text = "the other end has not taken 500 bytes; the window of 1 of 2 connections is shut: it must read";
        assert_eq!(unsent(&shut), text);
        assert!(unsent(&[waiting(7, 65_535, 1, 0)]).contains("reads too slowly"));
        let unix = Waiting { unacknowledged: 768, is_memory: true, ..Waiting::default() };
        assert!(unsent(&[unix]).contains("has not taken what fills 768 bytes of memory"));
        assert!(unsent(&[waiting(0, 0, 5, 0)]).contains("has not ended 1 of 1 connections"));
    }

    #[test]
    fn a_receiver_tells_how_many_connections_go_on_and_since_when_they_are_silent() {
        // Of the first the peer has sent its end (CLOSE-WAIT).
        let text = unended(&[waiting(0, 0, 8, 1), waiting(0, 0, 1, 31_000)]);
        assert!(
            text.contains("not ended 1 of 2 connections, and the last bytes came 31s ago"),
            "{text}"
        );
        assert!(!unended(&[Waiting { is_open: true, ..Waiting::default() }]).contains("ago"));
    }
}
