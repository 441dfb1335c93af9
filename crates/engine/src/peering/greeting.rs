//! The first words with another host: which machine it is, getting the program there, and what it tells of itself.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use kernel::process::system_name;
use model::host::Reached;
use model::nic::Nic;
use model::{Bytes, Measured, Missing, Nanos, Peer};

use super::PeerFacts;
use super::refusal::refusal;
use super::session::Ssh;
use crate::interrupts::Interrupts;
use crate::protocol::{PROTOCOL, PeerOrder, PeerReply};
use crate::threads;
use crate::{links, nic};

/// What the peer's shell runs before the program is there.
pub(super) const SCRIPT: &str = include_str!("bootstrap.sh");
/// What each of its lines begins with.
pub(super) const MARK: &str = "copycost: ";
/// How long `ssh` may take to connect and the peer to answer.
const CONNECTING: Duration = Duration::from_secs(30);
/// How long the program may take to get there.
const COPYING: Duration = Duration::from_secs(120);
/// CPUs of a host: what Linux can be built for (NR_CPUS, arch/x86/Kconfig).
const MOST_CPUS: usize = 8192;
/// Lines that are sent to and fro to measure how long that takes.
const ECHOES: u32 = 9;
/// Bytes that are written at once.
const CHUNK: usize = 64 << 10;

/// What comes from a peer.
#[derive(Debug)]
pub(super) enum Spoken {
    /// A line of the script, without its mark.
    Script(String),
    /// The peer's own reply.
    Reply(PeerReply),
    /// So much that is neither that the peer is not to be understood.
    Noise,
    /// Its output closed.
    Closed,
}

const RUNNING: u8 = 0;
const DONE: u8 = 1;
const LATE: u8 = 2;
const INTERRUPTED: u8 = 3;

/// Kills `ssh` when a deadline passes or a signal comes: what waits for its pipes then goes on.
struct Watchdog {
    state: Arc<AtomicU8>,
    has_longer: Arc<AtomicBool>,
}

impl Watchdog {
    fn start(ssh: &Arc<Ssh>, interrupts: Interrupts) -> Result<Self, String> {
        let state = Arc::new(AtomicU8::new(RUNNING));
        let has_longer = Arc::new(AtomicBool::new(false));
        let watchdog = Self { state: Arc::clone(&state), has_longer: Arc::clone(&has_longer) };
        let ssh = Arc::downgrade(ssh);
        let begun = Instant::now();
        threads::start("deadline", "a thread for ssh's deadline", move || {
            while state.load(Ordering::SeqCst) == RUNNING {
                std::thread::sleep(Duration::from_millis(20));
                let extra =
                    if has_longer.load(Ordering::SeqCst) { COPYING } else { Duration::ZERO };
                let why = match interrupts.requested() {
                    Some(_) => INTERRUPTED,
                    None if begun.elapsed() > CONNECTING + extra => LATE,
                    None => continue,
                };
                let ended =
                    state.compare_exchange(RUNNING, why, Ordering::SeqCst, Ordering::SeqCst);
                if let (Ok(_), Some(ssh)) = (ended, ssh.upgrade()) {
                    ssh.kill();
                }
            }
        })?;
        Ok(watchdog)
    }

    fn why(&self) -> Option<&'static str> {
        match self.state.load(Ordering::SeqCst) {
            LATE => Some("it did not answer in time"),
            INTERRUPTED => Some("interrupted"),
            _ => None,
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.state.compare_exchange(RUNNING, DONE, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// The greeting in progress.
struct Greeting<'g> {
    ssh: &'g Arc<Ssh>,
    spoken: &'g mpsc::Receiver<Spoken>,
    name: &'g str,
    watchdog: Watchdog,
}

/// Has a peer answer, and copies the program there if it must.
///
/// # Errors
/// Why not, with what helps.
pub(super) fn greet(
    ssh: &Arc<Ssh>,
    spoken: &mpsc::Receiver<Spoken>,
    peer: &Peer,
    program: &Path,
    interrupts: Interrupts,
) -> Result<PeerFacts, Missing> {
    let begun = Instant::now();
    let name = peer.name.as_str();
    let watchdog = Watchdog::start(ssh, interrupts)
        .map_err(|why| Missing::of_itself(format!("peer {name}")).because(why))?;
    let greeting = Greeting { ssh, spoken, name, watchdog };
    greeting.write(SCRIPT.as_bytes())?;
    let system = greeting.script("system")?;
    greeting.suits(&system)?;
    let addresses = read_addresses(&greeting.script("reached")?);
    let found = greeting.script("found")?;
    let copied_bytes = greeting.start(program, &found)?;
    greeting.hello()?;
    let started_in = begun.elapsed();
    greeting.send(&PeerOrder::Describe)?;
    let PeerReply::Facts(host) = greeting.reply()? else { return Err(greeting.misunderstood()) };
    if host.usable_cpus.len().max(host.cpus.len()) > MOST_CPUS {
        return Err(greeting.misunderstood());
    }
    let data_address = links::data_address(peer, addresses).map_err(|why| why.because);
    let there = match peer.sends {
        true => addresses.map(|(there, _)| there).ok_or_else(|| NO_ADDRESS.to_owned()),
        false => data_address.clone(),
    };
    let here = match peer.sends {
        true => data_address.clone(),
        false => there.clone().and_then(source_towards),
    };
    let reached = Reached {
        peer: name.to_owned(),
        data_address: Measured::from(data_address.map(|address| address.to_string())),
        nic_here: match there {
            Ok(there) => nic::facts_towards(there),
            Err(why) => Measured::absent(why),
        },
        nic_there: match here {
            Ok(here) => greeting.device_towards(here)?,
            Err(why) => Measured::absent(why),
        },
        line_round_trip_ns: nanos(greeting.echo()?),
        copied_bytes: Bytes(copied_bytes),
        started_in_ns: nanos(started_in),
    };
    Ok(PeerFacts { host: *host, sends: peer.sends, reached, addresses })
}

/// Why it is not known which device data leaves by.
const NO_ADDRESS: &str = "ssh does not tell an address of the other host";

/// The address that this host has for packets to another one: a socket that is connected, over which nothing is sent.
fn source_towards(address: IpAddr) -> Result<IpAddr, String> {
    /// Discard (RFC 863).
    const NO_PORT: u16 = 9;
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, NO_PORT))?;
        socket.local_addr()
    };
    source().map(|own| own.ip()).map_err(|error| format!("a route to {address}: {error}"))
}

fn nanos(time: Duration) -> Nanos {
    Nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// The peer's address and this host's by `$SSH_CONNECTION`: the client's address and port, and the server's (ssh(1)).
fn read_addresses(words: &str) -> Option<(IpAddr, IpAddr)> {
    let mut words = words.split_whitespace();
    let client = words.next()?.parse().ok()?;
    let server = words.nth(1)?.parse().ok()?;
    Some((server, client))
}

/// The SHA-256 of a file by `sha256sum`, as at the peer; none where there is no such program.
fn sha256(file: &File) -> Option<String> {
    let input = file.try_clone().ok()?;
    let output = Command::new("sha256sum").stdin(input).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let sum = text.split_whitespace().next()?;
    (sum.len() == 64 && output.status.success()).then(|| sum.to_owned())
}

impl Greeting<'_> {
    fn plain(&self, because: impl Into<String>) -> Missing {
        Missing::of_itself(format!("peer {}", self.name)).because(because)
    }

    /// The connection is gone, or was ended.
    fn gone(&self) -> Missing {
        if let Some(why) = self.watchdog.why() {
            return self
                .plain(why)
                .unlocked_by(format!("see what this says: ssh {} true", self.name));
        }
        let said = self.ssh.last_words();
        refusal(self.name, said.clone(), &said)
    }

    fn misunderstood(&self) -> Missing {
        self.plain("it answered what it was not asked")
            .unlocked_by("use the same version of copycost at both ends")
    }

    /// The peer's device towards an address of this host.
    fn device_towards(&self, address: IpAddr) -> Result<Measured<Nic>, Missing> {
        self.send(&PeerOrder::DescribeDevice(address))?;
        let PeerReply::Device(nic) = self.reply()? else { return Err(self.misunderstood()) };
        Ok(nic.map(Nic::bounded))
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Missing> {
        self.ssh.write(bytes).map_err(|_| self.gone())
    }

    fn send(&self, order: &PeerOrder) -> Result<(), Missing> {
        self.ssh.send(order).map_err(|_| self.gone())
    }

    fn next(&self) -> Result<Spoken, Missing> {
        // Not without end: what ssh started in between may keep its output open when it is killed.
        let spoken = loop {
            match self.spoken.recv_timeout(Duration::from_millis(100)) {
                Err(mpsc::RecvTimeoutError::Timeout) if self.watchdog.why().is_none() => {}
                spoken => break spoken,
            }
        };
        match spoken {
            Ok(Spoken::Closed) | Err(_) => Err(self.gone()),
            Ok(Spoken::Noise) => Err(self
                .plain("its login shell prints too much before it runs anything")
                .unlocked_by(
                    "have it print nothing where it is not interactive (.bashrc, .profile)",
                )),
            Ok(spoken) => Ok(spoken),
        }
    }

    /// The rest of the script's next line, which begins with this word.
    fn script(&self, word: &str) -> Result<String, Missing> {
        loop {
            match self.next()? {
                Spoken::Script(said) => {
                    let (first, rest) = said.split_once(' ').unwrap_or((&said, ""));
                    if first == word {
                        return Ok(rest.trim().to_owned());
                    }
                    if first == "no" {
                        return Err(self
                            .plain(format!("this program cannot be copied there: {rest}"))
                            .unlocked_by(
                                "give one of them room for programs, or install this build of copycost there",
                            ));
                    }
                    return Err(self.plain(format!("it answered {said:?}, not {word}")));
                }
                Spoken::Reply(_) => return Err(self.misunderstood()),
                Spoken::Noise | Spoken::Closed => {}
            }
        }
    }

    fn reply(&self) -> Result<PeerReply, Missing> {
        loop {
            match self.next()? {
                Spoken::Reply(reply) => return Ok(reply),
                Spoken::Script(said) => return Err(self.plain(format!("it said {said:?}"))),
                Spoken::Noise | Spoken::Closed => {}
            }
        }
    }

    /// Refuses a machine of another kind.
    fn suits(&self, system: &str) -> Result<(), Missing> {
        let own = format!("Linux {}", system_name().machine);
        if system == own {
            return Ok(());
        }
        Err(self
            .plain(format!("it is {system}, and this is {own}"))
            .unlocked_by("name a peer of the same architecture"))
    }

    /// Has the program run there: the one that is there where it is this very build, else a copy. Returns the bytes copied, 0 of the former.
    fn start(&self, program: &Path, found: &str) -> Result<u64, Missing> {
        let cannot = |error: std::io::Error| {
            self.plain(format!("{}: {error}", program.display()))
                .unlocked_by("run copycost from a file that it may read")
        };
        let mut file = File::open(program).map_err(cannot)?;
        let sum = sha256(&file);
        if sum.as_deref().is_some_and(|sum| sum == found) {
            self.write(b"use\n")?;
            return Ok(0);
        }
        file.rewind().map_err(cannot)?;
        let size = file.metadata().map_err(cannot)?.len();
        self.watchdog.has_longer.store(true, Ordering::SeqCst);
        self.write(format!("copy {size} {}\n", sum.unwrap_or_default()).as_bytes())?;
        self.script("ready")?;
        let mut chunk = vec![0; CHUNK];
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let read = file.read(chunk.get_mut(..most).unwrap_or_default()).map_err(cannot)?;
            if read == 0 {
                return Err(self.plain(format!("{} became shorter", program.display())));
            }
            self.write(chunk.get(..read).unwrap_or_default())?;
            left -= read as u64;
        }
        self.script("copied")?;
        Ok(size)
    }

    fn hello(&self) -> Result<(), Missing> {
        self.send(&PeerOrder::Hello { protocol: PROTOCOL })?;
        let PeerReply::Hello { protocol, build } = self.reply()? else {
            return Err(self.misunderstood());
        };
        if protocol == PROTOCOL {
            return Ok(());
        }
        Err(self
            .plain(format!(
                "its copycost is version {build} with protocol {protocol}, this is protocol {PROTOCOL}"
            ))
            .unlocked_by("use the same version of copycost at both ends"))
    }

    /// How long a line takes to the peer and back: the median of several.
    fn echo(&self) -> Result<Duration, Missing> {
        let mut took = Vec::new();
        for number in 0..ECHOES {
            let sent = Instant::now();
            self.send(&PeerOrder::Echo(number))?;
            if self.reply()? != PeerReply::Echo(number) {
                return Err(self.misunderstood());
            }
            took.push(sent.elapsed());
        }
        took.sort();
        Ok(took.get(took.len() / 2).copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_addresses_are_read_as_the_peer_sees_them() {
        let (there, here) = read_addresses("10.0.0.1 40000 10.0.0.2 22").unwrap();
        assert_eq!((there.to_string(), here.to_string()), ("10.0.0.2".into(), "10.0.0.1".into()));
        assert!(read_addresses("fe80::1 4 ::1 22").is_some());
        for text in ["", "10.0.0.1 4", "a b c d", "fe80::1%eth0 4 fe80::2%eth0 22"] {
            assert_eq!(read_addresses(text), None, "{text}");
        }
    }
}
