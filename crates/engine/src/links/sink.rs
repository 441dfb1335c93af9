//! The sink: a veth pair whose far end drops every packet before local delivery, and a helper that answers for the
//! missing peer. So an unmodified TCP sender can be measured without a receiver, and zero-copy without a copy.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use kernel::netns::Namespace;
use kernel::packet_socket::PacketSocket;
use kernel::sink::{Sink as Program, SinkTrial};
use kernel::socket::Address;
use kernel::{Unavailable, cpu, steering};
use model::names::AckPlacement;
use model::record::LinkFacts;
use model::values::Segment;
use model::{Cell, Family, Measured, Missing, Placement};

use super::device_pair::{DevicePair, RECEIVING_DEVICE, SENDING_DEVICE};
use super::link::{Link, LinkSetup, Raised, Start};
use crate::child::WhichEnd;
use crate::error::missing;
use crate::peering::Peering;
use crate::placement::Seats;
use crate::protocol::{Absorb, Role};

/// Flow n connects to this port and n; nobody else is there.
const FIRST_PORT: u16 = 10_000;

/// The pair, and where acknowledgements are processed now.
#[derive(Debug)]
pub(crate) struct Sink {
    pair: DevicePair,
    family: Family,
    ack_placement: AckPlacement,
    /// The CPUs that were asked for; absent before the first trial.
    asked: Option<Vec<u32>>,
    ack_cpus: Vec<u32>,
}

fn refused(setup: &LinkSetup, why: Missing) -> Missing {
    Missing { what: format!("link sink over {}", setup.family), ..why }
}

/// Set-ups that this process has raised before: trying each time costs 40 ms, a tenth of a short series, most of which is waiting
/// for the kernel to let go of the program and of the socket (RCU).
static TRIED: Mutex<BTreeSet<LinkSetup>> = Mutex::new(BTreeSet::new());

fn has_been_tried(setup: &LinkSetup) -> bool {
    TRIED.lock().unwrap_or_else(PoisonError::into_inner).contains(setup)
}

/// What the helper spins on, beside the senders.
fn has_a_cpu_for_the_helper(usable: &[usize]) -> Result<(), Missing> {
    match usable {
        [only] => Err(Missing {
            because: format!(
                "its helper needs a CPU beside the senders', and only CPU {only} may be used"
            ),
            unlock: "allow a second one (taskset, cpuset), or use --link loopback or veth"
                .to_owned(),
            ..Missing::default()
        }),
        _ => Ok(()),
    }
}

/// Tries whether acknowledgements can be steered to senders: to all CPUs that they may have, as their seats are not known
/// yet.
fn try_steering(namespace: &Namespace, device: &str) -> Result<(), Missing> {
    let allowed = cpu::allowed().map_err(|error| error.to_string())?;
    let cpus: Vec<u32> = allowed.cpus().iter().filter_map(|cpu| u32::try_from(*cpu).ok()).collect();
    steering::steer(namespace, device, &cpus).map(|_| ()).map_err(|why| {
        missing(Unavailable {
            because: format!("--ack-placement sender: {}", why.because),
            remedy: why.remedy.or("use --ack-placement helper".into()),
            ..why
        })
    })
}

impl Link for Sink {
    type Raised = Self;

    /// Each has a port of its own.
    const MOST_FLOWS: u32 = 65_536 - FIRST_PORT as u32;

    fn raise(setup: &LinkSetup, _: &Peering) -> Result<Self, Missing> {
        let usable = cpu::allowed().map_err(|error| error.to_string())?;
        has_a_cpu_for_the_helper(usable.cpus()).map_err(|why| refused(setup, why))?;
        let pair = DevicePair::raise(setup)?;
        let (family, ack_placement) = (setup.family, setup.ack_placement);
        let raised = |pair| Self { pair, family, ack_placement, asked: None, ack_cpus: Vec::new() };
        if has_been_tried(setup) {
            return Ok(raised(pair));
        }
        // The receiving end will do the same, in the same place: what is refused is refused here.
        let trial = SinkTrial {
            address: pair.address(WhichEnd::Receiver),
            first_port: FIRST_PORT,
            flows: 1,
            token: [0; 16],
        };
        let inside = pair
            .namespace(WhichEnd::Receiver)
            .run(|| -> Result<(), Unavailable> {
                Program::load(&trial)?.attach(RECEIVING_DEVICE)?;
                let opened = PacketSocket::open(RECEIVING_DEVICE);
                opened.map(|_| ()).map_err(|error| PacketSocket::refusal(&error))
            })
            .map_err(|error| error.to_string().into());
        inside.and_then(|raised| raised.map_err(missing)).map_err(|why| refused(setup, why))?;
        if ack_placement == AckPlacement::Sender {
            try_steering(pair.namespace(WhichEnd::Sender), SENDING_DEVICE)
                .map_err(|why| refused(setup, why))?;
        }
        TRIED.lock().unwrap_or_else(PoisonError::into_inner).insert(setup.clone());
        Ok(raised(pair))
    }

    fn suits(cell: &Cell) -> Result<(), String> {
        if cell.ack_placement == AckPlacement::Sender && cell.placement == Placement::None {
            return Err(
                "--ack-placement sender: senders that are not pinned have no CPU to steer to; use --placement split"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

impl Raised for Sink {
    fn start(&self, which: WhichEnd, program: &Path) -> Start {
        Start::Here(self.pair.start(which, program))
    }

    fn listening_address(&self) -> Address {
        SocketAddr::new(self.pair.address(WhichEnd::Receiver), FIRST_PORT).into()
    }

    fn facts(&self) -> Measured<LinkFacts> {
        Measured::Value(LinkFacts { ack_cpus: self.ack_cpus.clone(), ..self.pair.facts() })
    }

    fn turn_to(&mut self, seats: &Seats) -> Result<(), Missing> {
        let mut to = match self.ack_placement {
            AckPlacement::Helper => Vec::new(),
            AckPlacement::Sender => seats.senders.clone(),
        };
        to.sort_unstable();
        to.dedup();
        if self.asked.as_ref() != Some(&to) && (self.asked.is_some() || !to.is_empty()) {
            self.ack_cpus =
                steering::steer(self.pair.namespace(WhichEnd::Sender), SENDING_DEVICE, &to)
                    .map_err(missing)?;
            self.asked = Some(to);
        }
        Ok(())
    }

    fn receiving_role(
        &mut self,
        cell: &Cell,
        seats: &Seats,
        usable: &[u32],
    ) -> Result<Role, Missing> {
        self.turn_to(seats)?;
        // Headers of IP and TCP without options (RFC 9293 section 3.7.1).
        let headers = match self.family {
            Family::Ipv4 => 40,
            Family::Ipv6 => 60,
        };
        let fitting = self.pair.mtu_bytes().saturating_sub(headers);
        let segment = match cell.segment {
            Segment::Fixed(bytes) => bytes,
            Segment::Auto => fitting,
        };
        Ok(Role::Absorb(Absorb {
            helper_cpu: seats.helper(usable),
            segment_bytes: u16::try_from(segment).unwrap_or(u16::MAX),
        }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it skips")]
mod tests {
    use super::*;
    use model::Link as Name;

    #[test]
    fn where_the_helper_and_a_sender_would_share_the_only_cpu_there_is_no_sink() {
        let why = has_a_cpu_for_the_helper(&[3]).unwrap_err().to_string();
        assert!(why.contains("only CPU 3 may be used") && why.contains("taskset"), "{why}");
        assert_eq!(has_a_cpu_for_the_helper(&[3, 5]), Ok(()));
    }

    #[test]
    fn acknowledgements_that_cannot_be_steered_are_refused_when_the_link_is_raised() {
        let plain = LinkSetup::plain(Name::Sink, Family::Ipv4);
        let setup = LinkSetup { ack_placement: AckPlacement::Sender, ..plain };
        let pair = match DevicePair::raise(&setup) {
            Ok(pair) => pair,
            Err(why) => return eprintln!("skipped: {why}"),
        };
        let inside = pair.namespace(WhichEnd::Sender);
        // A device without the file is what a kernel without CONFIG_RPS has.
        let why = refused(&setup, try_steering(inside, "nowhere0").unwrap_err()).to_string();
        assert!(
            why.starts_with("link sink over ipv4: --ack-placement sender: ")
                && why.contains("CONFIG_RPS, or use --ack-placement helper"),
            "{why}"
        );
        assert_eq!(try_steering(inside, SENDING_DEVICE), Ok(()));
    }
}
