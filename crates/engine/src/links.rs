//! The links: what lies between the two ends. One file each.

use model::factor::Factor;
use model::values::{Mtu, Segment};
use model::{Cell, Family, Link as Name, Missing};

use crate::peering::Peering;

/// MTU of a veth device as it comes (`ETH_DATA_LEN`, linux/if_ether.h).
const DEVICE_MTU: u32 = 1500;

pub(crate) mod device_pair;
mod link;
mod loopback;
mod sink;
mod ssh;
mod unix;
mod veth;

pub(crate) use link::{Link, LinkSetup, Raised, Start};
pub(crate) use loopback::Loopback;
use sink::Sink;
use ssh::Ssh;
pub(crate) use ssh::data_address;
use unix::Unix;
use veth::Veth;

/// Calls `$body` with `$link` standing for the type of the link that `$name` names: the one dispatch.
macro_rules! with_link {
    ($name:expr, $link:ident => $body:expr) => {
        match $name {
            Name::Loopback => {
                type $link = Loopback;
                $body
            }
            Name::Veth => {
                type $link = Veth;
                $body
            }
            Name::Sink => {
                type $link = Sink;
                $body
            }
            Name::Unix => {
                type $link = Unix;
                $body
            }
            Name::Ssh => {
                type $link = Ssh;
                $body
            }
        }
    };
}

/// Raises a link.
///
/// # Errors
/// As [`Link::raise`].
pub(crate) fn raise(setup: &LinkSetup, peering: &Peering) -> Result<Box<dyn Raised>, Missing> {
    with_link!(setup.link, Kind => Ok(Box::new(Kind::raise(setup, peering)?)))
}

/// Flows that all cells that are prepared side by side on a link may have together.
pub(crate) fn most_flows(link: Name) -> u32 {
    with_link!(link, Kind => Kind::MOST_FLOWS)
}

/// Refuses a cell that varies what its link does not have: the figures would only seem to depend on it.
///
/// # Errors
/// One line that names the flag and the links that have it.
pub(crate) fn has_what_varies(cell: &Cell) -> Result<(), String> {
    let is_idle =
        |factor: &&Factor| !cell.is_default(**factor) && !factor.means_something_on(cell.link);
    if let Some(factor) = Factor::ALL.iter().find(is_idle) {
        let links = Name::ALL.iter().filter(|link| factor.means_something_on(**link));
        let names: Vec<_> = links.map(|link| link.name()).collect();
        return Err(format!(
            "--{} {}: link {} has no such setting; leave it out, or use --link {}",
            factor.key(),
            cell.get(*factor),
            cell.link,
            names.join(" or ")
        ));
    }
    if let Some(why) = cell.lacks_path() {
        return Err(why.to_string());
    }
    with_link!(cell.link, Kind => Kind::suits(cell))?;
    segment_fits(cell)
}

/// Refuses a segment that the link's packets have no room for: the kernel would take the number and send smaller ones.
fn segment_fits(cell: &Cell) -> Result<(), String> {
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
    if cell.link.capabilities().has_devices && segment > mtu - headers {
        return Err(format!(
            "--segment {segment}: an MTU of {mtu} bytes has room for {} over {}; use --mtu {} or more",
            mtu - headers,
            cell.family,
            segment + headers
        ));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it stands")]
mod tests {
    use super::*;

    #[test]
    fn cells_share_a_link_as_the_model_says() {
        let cell: Cell = "send=send link=sink message_bytes=64 threads=1".parse().unwrap();
        for factor in Factor::ALL {
            let texts = ["veth", "sender", "ipv6", "9000", "on", "1ms", "2", "1000", "0/1", "none"];
            for text in texts {
                let mut other = cell.clone();
                if other.set(*factor, text).is_ok() {
                    let same = LinkSetup::from(&cell) == LinkSetup::from(&other);
                    assert_eq!(cell.shares_link_with(&other), same, "{factor:?} {text}");
                }
            }
        }
    }
}
