//! Another host that ends are started at, over `ssh`: one connection a run, kept from round to round.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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

/// A connection that is lost in a run is made anew, so many times in a row and after waiting so long each time, until something was
/// measured over it; each time may take `ssh`'s 10 s to connect, and the greeting's own deadline, besides. Then the peer is taken for
/// gone, and the run ends: what was measured is kept, and `--resume` tries again.
const AGAIN: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(3), Duration::from_secs(10), Duration::from_secs(20)];

/// What a machine is known by, and its usable CPUs.
type Seen = (String, Vec<u32>);

/// How the connection to the other host stands.
#[derive(Debug, Default)]
struct Standing {
    session: Option<Arc<Session>>,
    /// The machine that answered first, and its CPUs: what is measured is told of it.
    first: Option<Seen>,
    /// How often it was made anew since something was measured over it.
    tries: usize,
    /// Why it is not tried any more.
    gone: Option<Missing>,
}

/// How the other host is reached, and the connection to it while there is one.
#[derive(Debug)]
pub(crate) struct Peering {
    reach: Option<Reach>,
    standing: Mutex<Standing>,
}

impl Peering {
    pub(crate) fn new(peer: Option<Peer>, program: PathBuf, interrupts: Interrupts) -> Self {
        let reach = peer.map(|peer| Reach { peer, program, interrupts });
        Self { reach, standing: Mutex::default() }
    }

    /// No other host.
    pub(crate) fn none() -> Self {
        Self { reach: None, standing: Mutex::default() }
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

    /// Why the other host, which was reached before, is not tried any more.
    pub(crate) fn gone(&self) -> Option<Missing> {
        self.standing().gone.clone()
    }

    /// Something was measured over the connection.
    pub(crate) fn has_measured(&self) {
        self.standing().tries = 0;
    }

    /// The connection, where there is one now.
    pub(crate) fn live(&self) -> Option<Arc<Session>> {
        self.standing().session.clone().filter(|session| !session.is_lost())
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, made anew where there is none any more.
    ///
    /// # Errors
    /// No peer is named, or why it is not reached, with the remedy.
    pub(crate) fn session(&self) -> Result<Arc<Session>, Missing> {
        let Some(reach) = &self.reach else {
            return Err(Missing::of_itself("link ssh")
                .because("the other host is not named")
                .unlocked_by("add --peer user@host"));
        };
        let mut standing = self.standing();
        match &standing.session {
            Some(live) if !live.is_lost() => Ok(Arc::clone(live)),
            _ => {
                // The old one first: nothing of it may still run there.
                standing.session = None;
                let session = standing.reach(
                    || reach.open(),
                    |wait| reach.wait(wait),
                    || reach.interrupts.requested().is_some(),
                )?;
                session.keep_alive()?;
                standing.session = Some(Arc::clone(&session));
                Ok(session)
            }
        }
    }
}

impl Reach {
    fn open(&self) -> Result<(Arc<Session>, Seen), Missing> {
        let session = Session::open(&self.peer, &self.program, self.interrupts)?;
        let host = &session.facts().host;
        let seen = (host.identity(), host.usable_cpus.clone());
        Ok((Arc::new(session), seen))
    }

    /// Waits, unless a signal comes.
    fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && self.interrupts.requested().is_none() {
            std::thread::sleep(Duration::from_millis(20).min(time));
        }
    }
}

impl Standing {
    /// Reaches the other host: once where it was never reached, else as often as is left of [`AGAIN`].
    fn reach<S>(
        &mut self,
        mut open: impl FnMut() -> Result<(S, Seen), Missing>,
        mut wait: impl FnMut(Duration),
        is_interrupted: impl Fn() -> bool,
    ) -> Result<S, Missing> {
        if let Some(gone) = &self.gone {
            return Err(gone.clone());
        }
        let Some(first) = self.first.clone() else {
            let (session, seen) = open()?;
            self.first = Some(seen);
            return Ok(session);
        };
        let mut last = Missing::of_itself("the other host")
            .because("the connection is lost again and again before anything is measured over it")
            .unlocked_by("see what ends it there, or on the way");
        while let Some(pause) = AGAIN.get(self.tries) {
            wait(*pause);
            if is_interrupted() {
                return Err(last.because("interrupted"));
            }
            self.tries += 1;
            match open() {
                Ok((session, seen)) if seen == first => return Ok(session),
                Ok(_) => {
                    last = Missing::of_itself("the other host")
                        .because(
                            "another machine answers, or it has other CPUs than when the run began",
                        )
                        .unlocked_by("name one machine by its address, and begin a run of its own");
                    break;
                }
                Err(why) if is_interrupted() => return Err(why),
                Err(why) => last = why,
            }
        }
        let tries = self.tries;
        let because = format!("{}, after {tries} tries to reach it again", last.because);
        Err(self.gone.insert(last.because(because)).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Opened = Result<(u32, Seen), Missing>;

    fn machine(name: &str) -> Opened {
        Ok((7, (name.to_owned(), vec![0, 1])))
    }

    fn refused() -> Opened {
        Err(Missing::of_itself("peer h").because("Connection refused").unlocked_by("start sshd"))
    }

    fn reach(standing: &mut Standing, opened: &[Opened]) -> (Result<u32, Missing>, Vec<Duration>) {
        let mut opened = opened.iter().cloned();
        let mut waits = Vec::new();
        let reached = standing.reach(|| opened.next().unwrap(), |wait| waits.push(wait), || false);
        assert_eq!(opened.count(), 0, "it was tried as often as that");
        (reached, waits)
    }

    #[test]
    fn a_peer_that_was_never_reached_is_tried_once() {
        let mut standing = Standing::default();
        let (refused, waits) = reach(&mut standing, &[refused()]);
        assert!(refused.is_err() && waits.is_empty() && standing.gone.is_none());
    }

    #[test]
    fn one_that_was_reached_is_tried_so_often_and_then_never_again() {
        let mut standing = Standing::default();
        assert_eq!(reach(&mut standing, &[machine("a")]).0, Ok(7));
        let (back, waits) = reach(&mut standing, &[refused(), refused(), machine("a")]);
        assert_eq!((back, waits.as_slice()), (Ok(7), &AGAIN[..3]));
        // Nothing was measured meanwhile: the tries go on counting.
        let (gone, waits) = reach(&mut standing, &[refused()]);
        assert_eq!(waits, AGAIN[3..]);
        let line = "peer h: Connection refused, after 4 tries to reach it again; start sshd";
        assert_eq!(gone.unwrap_err().to_string(), line);
        assert_eq!(reach(&mut standing, &[]).0.unwrap_err().to_string(), line);
    }

    #[test]
    fn what_was_measured_gives_all_tries_back() {
        let mut standing = Standing::default();
        reach(&mut standing, &[machine("a")]).0.unwrap();
        for _ in 0..3 {
            reach(&mut standing, &[refused(), refused(), refused(), machine("a")]).0.unwrap();
            standing.tries = 0;
        }
        // A connection that is made and lost before anything is measured is no better than none.
        for _ in AGAIN {
            reach(&mut standing, &[machine("a")]).0.unwrap();
        }
        let why = reach(&mut standing, &[]).0.unwrap_err().to_string();
        assert!(why.contains("lost again and again") && why.contains("after 4 tries"), "{why}");
    }

    #[test]
    fn another_machine_under_that_name_ends_the_run_at_once() {
        let mut standing = Standing::default();
        reach(&mut standing, &[machine("a")]).0.unwrap();
        let why = reach(&mut standing, &[machine("b")]).0.unwrap_err().to_string();
        assert!(why.contains("another machine answers"), "{why}");
        assert!(standing.gone.is_some());
    }

    #[test]
    fn a_signal_ends_the_waiting_and_the_peer_is_not_said_to_be_gone() {
        let mut standing = Standing::default();
        reach(&mut standing, &[machine("a")]).0.unwrap();
        let mut tried = 0;
        let open = || {
            tried += 1;
            machine("a")
        };
        assert!(standing.reach(open, |_| {}, || true).is_err());
        assert!(tried == 0 && standing.gone.is_none());
    }
}
