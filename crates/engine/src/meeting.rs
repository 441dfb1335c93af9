//! How the two ends of a trial find each other: connections that begin with a token.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use kernel::process;
use kernel::socket::{Address, Socket};
use model::values::{BusyPoll, Rate, Segment, SocketBuffer};

use crate::protocol::{GREETING_BYTES, Prepare, Token};

mod answer;
mod door;

pub use answer::TurnedAway;
pub(crate) use answer::{Answering, NotMet, enter};
pub(crate) use door::Door;
#[cfg(any(test, fuzzing))]
pub(crate) use door::read_greeting;

/// How long all connections may take.
pub(crate) const MEETING: Duration = Duration::from_secs(10);
/// How long one connection may take to show its token. Where the CPUs are taken a client may lose its own between connecting and
/// showing it; a stranger that waits so long keeps nobody out (`door.rs`).
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(3);
/// Connections that may wait to be accepted, above a flow each: strangers in the queue must not keep others out of it.
/// The kernel takes the lower of this and net.core.somaxconn (listen(2)).
const BACKLOG: u16 = 1024;
/// In place of a flow's number: a client that wants to be served by hand. No trial has so many flows.
pub(crate) const CLIENT: u32 = u32::MAX;

/// The connections of a trial, by the number of their flow.
#[derive(Debug)]
pub(crate) struct Met {
    pub(crate) sockets: Vec<Socket>,
    /// Connections that did not show the token.
    pub(crate) strangers: u64,
}

/// Sets what must be set before a connection begins, where this end begins it; the rest of a connection's options too, as they cost nothing.
pub(crate) fn set_up(socket: &Socket, prepare: &Prepare) -> Result<(), String> {
    let cell = &prepare.cell;
    let speaks_tcp = cell.link.speaks_tcp();
    if let SocketBuffer::Fixed(bytes) = cell.send_buffer {
        let granted = socket
            .set_send_buffer(usize::try_from(bytes).unwrap_or(usize::MAX))
            .map_err(|error| error.to_string())?;
        refuse_less("SO_SNDBUF", "wmem_max", bytes, granted)?;
    }
    if let SocketBuffer::Fixed(bytes) = cell.receive_socket_buffer {
        let granted = socket
            .set_receive_buffer(usize::try_from(bytes).unwrap_or(usize::MAX))
            .map_err(|error| error.to_string())?;
        refuse_less("SO_RCVBUF", "rmem_max", bytes, granted)?;
    }
    if !speaks_tcp {
        return Ok(());
    }
    if let Segment::Fixed(bytes) = cell.segment {
        socket
            .set_maximum_segment(bytes)
            .map_err(|error| format!("{error}; use a --segment from 88 to 32767 bytes, or auto"))?;
    }
    // What net.core.busy_read gives every socket is taken back: off is off.
    match (cell.busy_poll, socket.set_busy_poll(cell.busy_poll.micros())) {
        // A kernel without the option polls for nobody.
        (BusyPoll::Auto, _) | (BusyPoll::Fixed(_), Ok(())) => {}
        (BusyPoll::Fixed(_), Err(error)) => return Err(error.to_string()),
    }
    if !prepare.congestion.is_empty() {
        socket.set_congestion(&prepare.congestion).map_err(|error| error.to_string())?;
    }
    if let Rate::Fixed(rate) = cell.rate {
        let bytes = rate.0 / 8 / u64::from(cell.connections());
        socket
            .set_pacing_rate(bytes)
            .map_err(|error| format!("{error}; use Linux 4.20 or later, or --rate max"))?;
    }
    socket.set_nodelay(cell.nodelay.is_on()).map_err(|error| error.to_string())
}

/// The kernel clips buffers silently; a record must not say what was not so.
fn refuse_less(option: &str, sysctl: &str, asked: u64, granted: usize) -> Result<(), String> {
    if (granted as u64) < asked {
        return Err(format!(
            "setsockopt({option}={asked}): the kernel grants {granted}; unlock with: sudo sysctl net.core.{sysctl}={asked}"
        ));
    }
    Ok(())
}

/// Waits for connections. It is made first, so that its address can be told.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socket,
    pub(crate) address: Address,
}

impl Listener {
    /// Listens.
    pub(crate) fn open(address: Address, prepare: &Prepare) -> Result<Self, String> {
        let socket = Socket::stream(address).map_err(|error| error.to_string())?;
        socket.set_reuse_address(true).map_err(|error| error.to_string())?;
        // Accepted connections inherit the options; the receive buffer decides the window scale at the handshake.
        set_up(&socket, prepare)?;
        socket.bind(address).map_err(|error| error.to_string())?;
        let flows = u16::try_from(prepare.cell.connections()).unwrap_or(u16::MAX);
        socket.start_listening(flows.saturating_add(BACKLOG)).map_err(|error| error.to_string())?;
        let address = socket.address().map_err(|error| error.to_string())?;
        Ok(Self { socket, address })
    }

    /// Listens for clients by hand, whose connections are set up once they have said how: they come one after the other, and what
    /// was set for one of them would be inherited by the next.
    pub(crate) fn by_hand(address: SocketAddr) -> Result<Self, String> {
        let socket = Socket::listen(address, BACKLOG).map_err(|error| error.to_string())?;
        let address = socket.address().map_err(|error| error.to_string())?;
        Ok(Self { socket, address })
    }

    /// Takes one connection for each flow; strangers are refused and counted, however many knock.
    pub(crate) fn meet(
        self,
        prepare: &Prepare,
        patience: Duration,
        is_over: impl Fn() -> bool,
    ) -> Result<Met, String> {
        let wanted = prepare.cell.connections() as usize;
        let deadline = Instant::now() + patience;
        let mut door = Door::new(std::slice::from_ref(&self), prepare.token, wanted, HANDSHAKE);
        while !door.is_complete() {
            if is_over() {
                return Err("given up".to_owned());
            }
            if Instant::now() >= deadline {
                let (arrived, apart) = (door.arrived(), door.told_apart());
                let time = model::Nanos(crate::coordinator::nanos(patience));
                let at = self.address;
                return Err(if arrived == 0 && !door.lost_a_client() {
                    format!(
                        "no client came within {time} at {at}{apart}; start the other end, and check that it can reach this address"
                    )
                } else {
                    format!(
                        "{arrived} of {wanted} data connections arrived within {time} at {at}{apart}; the other end must ask for as many threads and flows"
                    )
                });
            }
            door.serve(deadline, None, &[])?;
        }
        let met = door.close();
        for socket in &met.sockets {
            set_up(socket, prepare)?;
        }
        Ok(met)
    }
}

/// Makes one connection for each flow: all to the same port, or each to one of its own.
pub(crate) fn connect(
    address: Address,
    has_port_each: bool,
    prepare: &Prepare,
    patience: Duration,
) -> Result<Met, String> {
    let deadline = Instant::now() + patience;
    let mut sockets = Vec::new();
    for flow in 0..prepare.cell.connections() {
        let address = match address {
            Address::Inet(mut of_flow) if has_port_each => {
                let port = u32::from(of_flow.port()) + flow;
                of_flow.set_port(
                    u16::try_from(port).map_err(|_| format!("no port {port} for flow {flow}"))?,
                );
                of_flow.into()
            }
            Address::Inet(_) | Address::Unix(_) => address,
        };
        // One listener takes the flows of one cell; where each flow has a port, one serves all cells.
        let first = if has_port_each { prepare.among.first } else { 0 };
        sockets.push(greet(address, prepare, first + flow, deadline)?);
    }
    Ok(Met { sockets, strangers: 0 })
}

/// Whether the kernel says of a connection's other end that it is another user's; of TCP it says nothing.
fn is_of_another_user(socket: &Socket, address: Address) -> bool {
    matches!(address, Address::Unix(_))
        && !socket.peer_user().is_ok_and(|user| user == process::effective_user())
}

/// Makes one connection of a trial and shows the token.
pub(crate) fn greet(
    address: Address,
    prepare: &Prepare,
    flow: u32,
    deadline: Instant,
) -> Result<Socket, String> {
    let socket = Socket::stream(address).map_err(|error| error.to_string())?;
    set_up(&socket, prepare)?;
    let left = deadline.saturating_duration_since(Instant::now());
    socket.connect(address, left).map_err(|error| error.to_string())?;
    if is_of_another_user(&socket, address) {
        return Err(format!(
            "{address} is another user's by now; the end that listened there is gone"
        ));
    }
    show(&socket, &prepare.token, flow, deadline)?;
    Ok(socket)
}

/// Connects as a client by hand, and shows the server's token.
pub(crate) fn knock(
    address: SocketAddr,
    token: &Token,
    deadline: Instant,
) -> Result<Socket, String> {
    let socket = Socket::stream(address).map_err(|error| error.to_string())?;
    let left = deadline.saturating_duration_since(Instant::now());
    socket.connect(address, left).map_err(|error| error.to_string())?;
    show(&socket, token, CLIENT, deadline)?;
    Ok(socket)
}

fn show(socket: &Socket, token: &Token, number: u32, deadline: Instant) -> Result<(), String> {
    let mut greeting = [0; GREETING_BYTES];
    greeting[..16].copy_from_slice(token);
    greeting[16..].copy_from_slice(&number.to_be_bytes());
    socket.write_all(&greeting, deadline).map_err(|error| error.to_string())
}
