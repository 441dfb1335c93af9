//! How the two ends of a trial find each other: connections that begin with a token.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use kernel::socket::Socket;
use model::values::{Segment, SocketBuffer};

use crate::protocol::{GREETING_BYTES, Prepare, Token};

/// How long all connections may take.
pub(crate) const MEETING: Duration = Duration::from_secs(10);
/// How long one connection may take to show its token.
const HANDSHAKE: Duration = Duration::from_millis(500);
/// Connections that may be showing their token at once; more are refused without being looked at.
const MOST_HANDSHAKES: usize = 256;

/// The connections of a trial, by the number of their flow.
#[derive(Debug)]
pub(crate) struct Met {
    pub(crate) sockets: Vec<Socket>,
    pub(crate) strangers: u64,
}

/// Sets what must be set before a connection begins; the rest of a connection's options too, as they cost nothing.
fn set_up(socket: &Socket, prepare: &Prepare) -> Result<(), String> {
    let cell = &prepare.cell;
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
    if let Segment::Fixed(bytes) = cell.segment {
        socket
            .set_maximum_segment(bytes)
            .map_err(|error| format!("{error}; use a --segment from 88 to 32767 bytes, or auto"))?;
    }
    if !prepare.congestion.is_empty() {
        socket.set_congestion(&prepare.congestion).map_err(|error| error.to_string())?;
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
    pub(crate) address: SocketAddr,
}

impl Listener {
    /// Listens.
    pub(crate) fn open(address: SocketAddr, prepare: &Prepare) -> Result<Self, String> {
        let socket = Socket::stream(address).map_err(|error| error.to_string())?;
        socket.set_reuse_address(true).map_err(|error| error.to_string())?;
        // Accepted connections inherit the options; the receive buffer decides the window scale at the handshake.
        set_up(&socket, prepare)?;
        socket.bind(address).map_err(|error| error.to_string())?;
        let backlog = u16::try_from(prepare.cell.connections().max(16)).unwrap_or(u16::MAX);
        socket.start_listening(backlog).map_err(|error| error.to_string())?;
        let address = socket.local_address().map_err(|error| error.to_string())?;
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
        let mut sockets: Vec<Option<Socket>> = (0..wanted).map(|_| None).collect();
        let mut strangers = 0;
        let mut showing = 0;
        let (shown, shows) = mpsc::channel();
        while sockets.iter().any(Option::is_none) {
            if is_over() {
                return Err("given up".to_owned());
            }
            if Instant::now() >= deadline {
                let met = sockets.iter().flatten().count();
                return Err(format!(
                    "{met} of {wanted} data connections arrived within {} s at {}; the other end must ask for as many threads and flows",
                    patience.as_secs(),
                    self.address
                ));
            }
            let timeout_ms = if showing > 0 { 1 } else { 50 };
            let accepted =
                self.socket.accept(Some(timeout_ms)).map_err(|error| error.to_string())?;
            if let Some((socket, _)) = accepted {
                if showing >= MOST_HANDSHAKES {
                    strangers += 1;
                } else {
                    // A stranger that says nothing must not keep the others waiting.
                    showing += 1;
                    let shown = shown.clone();
                    let token = prepare.token;
                    std::thread::spawn(move || {
                        let flow = read_token(&socket, &token);
                        // The meeting may be over: then the socket is closed here.
                        let _ = shown.send(flow.map(|flow| (flow, socket)));
                    });
                }
            }
            while let Ok(show) = shows.try_recv() {
                showing -= 1;
                match show {
                    Some((flow, socket)) if sockets.get(flow).is_some_and(Option::is_none) => {
                        sockets[flow] = Some(socket);
                    }
                    _ => strangers += 1,
                }
            }
        }
        let sockets: Vec<Socket> = sockets.into_iter().flatten().collect();
        for socket in &sockets {
            set_up(socket, prepare)?;
        }
        Ok(Met { sockets, strangers: strangers + showing as u64 })
    }
}

fn read_token(socket: &Socket, token: &Token) -> Option<usize> {
    let mut greeting = [0; GREETING_BYTES];
    socket.read_exact(&mut greeting, Instant::now() + HANDSHAKE).ok()?;
    let (shown, flow) = greeting.split_at(16);
    let flow: [u8; 4] = flow.try_into().ok()?;
    // All bytes are compared, whichever differs first.
    let differs = shown.iter().zip(token).fold(0, |differs, (a, b)| differs | (a ^ b));
    (differs == 0).then(|| usize::try_from(u32::from_be_bytes(flow)).ok()).flatten()
}

/// Makes one connection for each flow: all to the same port, or each to one of its own.
pub(crate) fn connect(
    address: SocketAddr,
    has_port_each: bool,
    prepare: &Prepare,
    patience: Duration,
) -> Result<Met, String> {
    let deadline = Instant::now() + patience;
    let mut sockets = Vec::new();
    // One listener takes the flows of one cell; where each flow has a port, one serves all cells.
    let first = if has_port_each { prepare.among.first } else { 0 };
    for flow in 0..prepare.cell.connections() {
        let mut address = address;
        if has_port_each {
            let port = u32::from(address.port()) + flow;
            address.set_port(
                u16::try_from(port).map_err(|_| format!("no port {port} for flow {flow}"))?,
            );
        }
        let socket = Socket::stream(address).map_err(|error| error.to_string())?;
        set_up(&socket, prepare)?;
        let left = deadline.saturating_duration_since(Instant::now());
        socket.connect(address, left).map_err(|error| error.to_string())?;
        let mut greeting = [0; GREETING_BYTES];
        greeting[..16].copy_from_slice(&prepare.token);
        greeting[16..].copy_from_slice(&(first + flow).to_be_bytes());
        socket.write_all(&greeting, deadline).map_err(|error| error.to_string())?;
        sockets.push(socket);
    }
    Ok(Met { sockets, strangers: 0 })
}
