//! The network between this host and another one, whose end `ssh` starts.
//!
//! `ssh` carries the orders and replies, never the data: the ends connect to each other, over whatever lies between the hosts.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kernel::socket::Address;
use model::{Family, Missing, Nanos, Peer};

use super::link::{Link, LinkSetup, Raised, Start};
use crate::child::WhichEnd;
use crate::peering::{Peering, Session};

/// The peer, and where the receiving end listens.
#[derive(Debug)]
pub(crate) struct Ssh {
    session: Arc<Session>,
    /// Which end runs at the peer.
    there: WhichEnd,
    address: IpAddr,
}

/// Where the receiving end listens: as asked, else at the address of its host that `ssh` uses.
pub(crate) fn data_address(
    peer: &Peer,
    reached: Option<(IpAddr, IpAddr)>,
) -> Result<IpAddr, Missing> {
    let whose = if peer.sends { "this host" } else { "the peer" };
    match (peer.data_address, reached) {
        (Some(asked), _) => Ok(asked),
        (None, Some((there, here))) => Ok(if peer.sends { here } else { there }),
        (None, None) => Err(Missing::of_itself(format!("peer {}", peer.name))
            .because(format!("ssh does not tell an address of {whose} that data could go to"))
            .unlocked_by("name the one where the receiving end listens: --data-address")),
    }
}

impl Link for Ssh {
    type Raised = Self;

    fn raise(setup: &LinkSetup, peering: &Peering) -> Result<Self, Missing> {
        let session = peering.session()?;
        let Some(peer) = peering.peer() else {
            return Err(Missing::of_itself("link ssh").because("the other host is not named"));
        };
        let address = data_address(peer, session.facts().addresses)?;
        let family = if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
        if family != setup.family {
            return Err(Missing::of_itself(format!("link ssh over {}", setup.family))
                .because(format!("data goes to {address}, which is {family}"))
                .unlocked_by(format!("use --family {family}, or another --data-address")));
        }
        let there = if peer.sends { WhichEnd::Sender } else { WhichEnd::Receiver };
        Ok(Self { session, there, address })
    }
}

impl Raised for Ssh {
    fn start(&self, which: WhichEnd, program: &Path) -> Start {
        if which == self.there {
            return Start::There(Arc::clone(&self.session));
        }
        let mut command = Command::new(program);
        command.arg("end");
        Start::Here(command)
    }

    fn listening_address(&self) -> Address {
        SocketAddr::new(self.address, 0).into()
    }

    fn line_round_trip(&self) -> Nanos {
        self.session.facts().reached.line_round_trip_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_goes_where_it_is_asked_to_else_where_ssh_went() {
        let reached = Some(("10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap()));
        let peer = |asked: Option<&str>, sends| Peer {
            name: "h".parse().unwrap(),
            data_address: asked.map(|it| it.parse().unwrap()),
            sends,
        };
        let told = |peer: &Peer, reached| data_address(peer, reached).map(|it| it.to_string());
        assert_eq!(told(&peer(None, false), reached).unwrap(), "10.0.0.2");
        assert_eq!(told(&peer(None, true), reached).unwrap(), "10.0.0.1");
        assert_eq!(told(&peer(Some("10.9.9.9"), false), reached).unwrap(), "10.9.9.9");
        let why = told(&peer(None, false), None).unwrap_err().to_string();
        assert!(why.contains("--data-address"), "{why}");
    }
}
