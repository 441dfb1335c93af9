//! Another host that ends are started at, over `ssh`: one connection a run, kept from round to round.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use model::host::{Host, Reached};
use model::{Family, Link, Missing, Peer};

use crate::interrupts::Interrupts;
use crate::links;

mod end_at_peer;
mod greeting;
mod refusal;
mod session;
mod settings;

pub(crate) use end_at_peer::EndAtPeer;
pub(crate) use session::Session;
pub use settings::SSH_COMMAND;

/// What was found at the other host.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerFacts {
    /// Its facts.
    pub host: Host,
    /// Whether the sending end runs there.
    pub sends: bool,
    /// How it was reached.
    pub reached: Reached,
    /// Its address as its own `sshd` sees it, and this host's as it is seen there; absent where ssh does not tell.
    pub(crate) addresses: Option<(IpAddr, IpAddr)>,
}

/// What reaching the other host takes.
#[derive(Debug)]
struct Reach {
    peer: Peer,
    /// The program that is copied there.
    program: PathBuf,
    interrupts: Interrupts,
}

/// How the other host is reached, and the connection to it while there is one.
#[derive(Debug)]
pub(crate) struct Peering {
    reach: Option<Reach>,
    session: Mutex<Option<Arc<Session>>>,
    /// The machine that answered first, and its CPUs: what is measured is told of it.
    first: Mutex<Option<(String, Vec<u32>)>>,
}

impl Peering {
    pub(crate) fn new(peer: Option<Peer>, program: PathBuf, interrupts: Interrupts) -> Self {
        let reach = peer.map(|peer| Reach { peer, program, interrupts });
        Self { reach, session: Mutex::new(None), first: Mutex::new(None) }
    }

    /// No other host.
    pub(crate) fn none() -> Self {
        Self { reach: None, session: Mutex::new(None), first: Mutex::new(None) }
    }

    /// The other host, where one is named.
    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.reach.as_ref().map(|reach| &reach.peer)
    }

    /// The link to the other host and the family of addresses that data goes over, where there is one.
    ///
    /// # Errors
    /// As [`Peering::session`]; or no data address is known.
    pub(crate) fn plain_setup(&self) -> Result<Option<(Link, Family)>, Missing> {
        let Some(peer) = self.peer() else { return Ok(None) };
        let address = links::data_address(peer, self.session()?.facts().addresses)?;
        let family = if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
        let link = Link::ALL.iter().find(|link| link.capabilities().has_peer_host);
        Ok(link.map(|link| (*link, family)))
    }

    /// The connection, made anew where there is none any more.
    ///
    /// # Errors
    /// No peer is named, or why it is not reached, with the remedy.
    pub(crate) fn session(&self) -> Result<Arc<Session>, Missing> {
        let Some(Reach { peer, program, interrupts }) = &self.reach else {
            return Err(Missing::of_itself("link ssh")
                .because("the other host is not named")
                .unlocked_by("add --peer user@host"));
        };
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        match &*session {
            Some(live) if !live.is_lost() => Ok(Arc::clone(live)),
            _ => {
                // The old one first: nothing of it may still run there.
                *session = None;
                let new = Arc::new(Session::open(peer, program, *interrupts)?);
                let host = &new.facts().host;
                let seen = (host.identity(), host.usable_cpus.clone());
                let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
                if first.get_or_insert_with(|| seen.clone()) != &seen {
                    return Err(Missing::of_itself(format!("peer {}", peer.name))
                        .because(
                            "another machine answers, or it has other CPUs than when the run began",
                        )
                        .unlocked_by(
                            "name one machine by its address, and begin a run of its own",
                        ));
                }
                drop(first);
                new.keep_alive()?;
                *session = Some(Arc::clone(&new));
                Ok(new)
            }
        }
    }
}
