//! The links: what lies between the two ends. One file each.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use kernel::Unavailable;
use model::factor::Factor;
use model::names::{AckPlacement, Offload};
use model::record::{LinkFacts, NO_DEVICES};
use model::values::{Mtu, Segment};
use model::{Cell, Family, Link as Name, Measured};

use crate::child::Which;
use crate::placement::Seats;
use crate::protocol::Role;

/// MTU of a veth device as it comes (`ETH_DATA_LEN`, linux/if_ether.h).
const DEVICE_MTU: u32 = 1500;

pub(crate) mod device_pair;
mod loopback;
mod sink;
mod veth;

pub(crate) use loopback::Loopback;
use sink::Sink;
use veth::Veth;

/// What of a cell decides how its link is raised: ends and link are kept while this stays the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkSetup {
    pub(crate) link: Name,
    pub(crate) family: Family,
    pub(crate) mtu: Mtu,
    pub(crate) tso: Offload,
    pub(crate) gso: Offload,
    pub(crate) gro: Offload,
    pub(crate) ack_placement: AckPlacement,
}

impl From<&Cell> for LinkSetup {
    fn from(cell: &Cell) -> Self {
        Self {
            link: cell.link,
            family: cell.family,
            mtu: cell.mtu,
            tso: cell.tso,
            gso: cell.gso,
            gro: cell.gro,
            ack_placement: cell.ack_placement,
        }
    }
}

impl LinkSetup {
    /// The plain link of a name, every setting as it comes.
    pub(crate) fn plain(link: Name, family: Family) -> Self {
        Self::from(&Cell { link, family, ..Cell::default() })
    }
}

/// A way to put something between two ends.
pub(crate) trait Link {
    /// What was raised; dropping it lowers it.
    type Raised: Raised;

    /// Raises it.
    ///
    /// # Errors
    /// What this machine refuses, with the remedy.
    fn raise(setup: &LinkSetup) -> Result<Self::Raised, Unavailable>;
}

/// A link that is up.
pub(crate) trait Raised {
    /// The command that starts an end on its side of the link.
    fn start(&self, which: Which, program: &Path) -> Command;

    /// Where the listening end should listen, port 0.
    fn listening_address(&self) -> SocketAddr;

    /// Whether both ends read the same monotonic clock.
    fn has_common_clock(&self) -> bool;

    /// Its devices as the kernel told them when they were up.
    fn facts(&self) -> Measured<LinkFacts> {
        Measured::absent(NO_DEVICES)
    }

    /// What the receiving end is told to be in a trial of this cell.
    ///
    /// # Errors
    /// What this machine refuses, with the remedy.
    fn receiving_role(&mut self, _: &Cell, _: &Seats, _: &[u32]) -> Result<Role, Unavailable> {
        Ok(Role::Receive)
    }
}

/// Raises a link.
///
/// # Errors
/// As [`Link::raise`].
pub(crate) fn raise(setup: &LinkSetup) -> Result<Box<dyn Raised>, Unavailable> {
    match setup.link {
        Name::Loopback => Ok(Box::new(Loopback::raise(setup)?)),
        Name::Veth => Ok(Box::new(Veth::raise(setup)?)),
        Name::Sink => Ok(Box::new(Sink::raise(setup)?)),
    }
}

/// Refuses a cell that varies what its link does not have: the figures would only seem to depend on it.
///
/// # Errors
/// One line that names the flag and the links that have it.
pub(crate) fn has_what_varies(cell: &Cell) -> Result<(), String> {
    const WITH_DEVICES: &[Name] = &[Name::Veth, Name::Sink];
    const WITH_ACKS: &[Name] = &[Name::Sink];
    let of_devices = [(Factor::Mtu, WITH_DEVICES), (Factor::Tso, WITH_DEVICES)];
    let of_offloads = [(Factor::Gso, WITH_DEVICES), (Factor::Gro, &[Name::Veth])];
    let of_acks = [(Factor::AckInterval, WITH_ACKS), (Factor::AckPlacement, WITH_ACKS)];
    for (factor, links) in of_devices.into_iter().chain(of_offloads).chain(of_acks) {
        if !cell.is_default(factor) && !links.contains(&cell.link) {
            let names: Vec<_> = links.iter().map(|link| link.name()).collect();
            return Err(format!(
                "--{} {}: link {} has no such setting; leave it out, or use --link {}",
                factor.key(),
                cell.get(factor),
                cell.link,
                names.join(" or ")
            ));
        }
    }
    if cell.link == Name::Sink {
        sink::suits(cell)?;
    }
    segment_fits(cell)
}

/// Refuses a segment that the link's packets have no room for: the kernel would take the number and send smaller ones.
fn segment_fits(cell: &Cell) -> Result<(), String> {
    let has_devices = matches!(cell.link, Name::Veth | Name::Sink);
    let Segment::Fixed(segment) = cell.segment else { return Ok(()) };
    // Headers of IP and TCP without options (RFC 9293 section 3.7.1).
    let headers = match cell.family {
        Family::Ipv4 => 40,
        Family::Ipv6 => 60,
    };
    let mtu = match cell.mtu {
        Mtu::Fixed(bytes) => bytes,
        Mtu::Auto => DEVICE_MTU,
    };
    if has_devices && segment > mtu - headers {
        return Err(format!(
            "--segment {segment}: an MTU of {mtu} bytes has room for {} over {}; use --mtu {} or more",
            mtu - headers,
            cell.family,
            segment + headers
        ));
    }
    Ok(())
}
