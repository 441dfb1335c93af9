//! What passes each second of a load, as the kernel tells it of the connections: the workers are not asked, and nothing is added to
//! their loops.

use kernel::clock;
use kernel::socket::Socket;
use model::{Measured, Nanos};

use crate::protocol::Role;

/// A second of a load, or several where this end had no turn meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Seconds since the load began at which it began and ended, as ordered.
    pub seconds: [u64; 2],
    /// How long it was.
    pub span_ns: Nanos,
    /// Payload bytes that this side's connections moved: acknowledged where it sends, received where it receives.
    pub bytes: Measured<u64>,
    /// CPU time of this side's process in it.
    pub cpu_ns: Nanos,
}

const SECOND_NS: u64 = 1_000_000_000;

/// Reads them.
#[derive(Debug)]
pub(super) struct Meter {
    flows: Vec<Socket>,
    role: Role,
    begun_ns: u64,
    /// Whole seconds of the load.
    seconds: u64,
    read: Reading,
    told: u64,
}

#[derive(Debug)]
struct Reading {
    at_ns: u64,
    bytes: Measured<u64>,
    cpu_ns: u64,
}

impl Meter {
    /// Second handles of a load's connections, which begins now and lasts so long.
    pub(super) fn new(flows: Vec<Socket>, role: Role, time: Nanos) -> Self {
        let read = read(&flows, role);
        let seconds = time.0 / SECOND_NS;
        Self { flows, role, begun_ns: read.at_ns, seconds, read, told: 0 }
    }

    /// The interval that is over now, if one is.
    pub(super) fn look(&mut self) -> Option<Interval> {
        let passed = clock::monotonic_ns().saturating_sub(self.begun_ns) / SECOND_NS;
        let passed = passed.min(self.seconds);
        if passed <= self.told {
            return None;
        }
        let now = read(&self.flows, self.role);
        let before = std::mem::replace(&mut self.read, now);
        let seconds = [self.told, passed];
        self.told = passed;
        let bytes = match before.bytes {
            Measured::Value(before) => {
                self.read.bytes.clone().map(|now| now.saturating_sub(before))
            }
            absent @ Measured::Absent { .. } => absent,
        };
        Some(Interval {
            seconds,
            span_ns: Nanos(self.read.at_ns.saturating_sub(before.at_ns)),
            bytes,
            cpu_ns: Nanos(self.read.cpu_ns.saturating_sub(before.cpu_ns)),
        })
    }
}

fn read(flows: &[Socket], role: Role) -> Reading {
    let moved = |flow: &Socket| -> Result<u64, String> {
        let info = flow.tcp_info().map_err(|error| error.to_string())?;
        let bytes = match role {
            Role::Send => info.bytes_acked,
            Role::Receive | Role::Absorb(_) => info.bytes_received,
        };
        bytes.ok_or_else(|| "this kernel does not tell bytes of a connection".to_owned())
    };
    let bytes = flows.iter().map(moved).sum::<Result<u64, String>>().into();
    Reading { at_ns: clock::monotonic_ns(), bytes, cpu_ns: clock::process_cpu_ns() }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::time::{Duration, Instant};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn an_interval_tells_what_passed_in_it_at_either_side() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Socket::listen(any, 1).unwrap();
        let address = listener.local_address().unwrap();
        let near = Socket::stream(address).unwrap();
        near.connect(address, PATIENCE).unwrap();
        let (far, _) = listener.accept(Some(60_000)).unwrap().unwrap();
        let deadline = Instant::now() + PATIENCE;
        // What passed before is of no interval.
        near.write_all(&[1; 100], deadline).unwrap();
        far.read_exact(&mut [0; 100], deadline).unwrap();
        let meter = |socket: &Socket, role| {
            let mut meter = Meter::new(vec![socket.try_clone().unwrap()], role, Nanos::s(3));
            // As if it had begun so long ago.
            meter.begun_ns -= SECOND_NS / 2;
            meter
        };
        while near.unacknowledged_bytes().unwrap() > 0 {
            assert!(Instant::now() < deadline);
        }
        let mut meters = [meter(&near, Role::Send), meter(&far, Role::Receive)];
        near.write_all(&[1; 5000], deadline).unwrap();
        far.read_exact(&mut [0; 5000], deadline).unwrap();
        while near.unacknowledged_bytes().unwrap() > 0 {
            assert!(Instant::now() < deadline);
        }
        for meter in &mut meters {
            let interval = loop {
                if let Some(interval) = meter.look() {
                    break interval;
                }
                assert!(Instant::now() < deadline);
            };
            assert_eq!((interval.seconds[0], interval.bytes), (0, Measured::Value(5000)));
            assert!(interval.span_ns.0 > 0);
            // After the load there is none.
            meter.begun_ns = meter.begun_ns.saturating_sub(100 * SECOND_NS);
            assert_eq!(meter.look().map(|last| last.seconds[1]), Some(3));
            assert_eq!(meter.look(), None);
        }
    }
}
