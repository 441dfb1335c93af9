//! The engine: two ends, and one trial at a time. It is never an end itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use kernel::topology::Topology;
use kernel::{cpu, process};
use model::message::Message;
use model::record::{CpuBusy, FailureKind, Settings};
use model::{Bytes, Cell, Link, Measured, Missing, Peer, UsableCpus};

use crate::child::WhichEnd;
use crate::congestion::CongestionChoice;
use crate::demands::There;
use crate::ends::{Ends, TrialError};
use crate::error::EngineError;
use crate::instruments::copy_audit::CopyAudit;
use crate::instruments::memory_load::MemoryLoad;
use crate::interrupts::{Forward, Interrupts};
use crate::order::TrialOrder;
use crate::peering::{PeerFacts, Peering, Session};
use crate::placement::{EndCpus, HostCpus, NearDevice, Seats, seat};
use crate::protocol::Token;
use crate::ring_memory;

mod refusals;
mod rounds;
mod trials;
mod turns;

/// What an engine needs to know.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The program whose subcommand `end` is an end: usually this one.
    pub program: PathBuf,
    /// Signals that end a trial.
    pub interrupts: Interrupts,
    /// The other host, for links that have one.
    pub peer: Option<Peer>,
}

/// What a trial would have had set that fails before it begins, and why it does.
type Unseated = (Box<Settings>, FailureKind, String);

/// Runs trials.
pub struct Engine {
    options: EngineOptions,
    forward: Forward,
    congestion: CongestionChoice,
    cpus: Arc<HostCpus>,
    // After the ends: those at the peer leave before the connection does.
    ends: Option<Ends>,
    peering: Peering,
    /// How busy the receiving end's host is with both ends idle, where it is another one: once a round.
    receiver_idle: Option<Measured<CpuBusy>>,
    /// Loaded at the first audit trial that asks for it.
    copy_audit: Option<Result<CopyAudit, String>>,
    /// Started by the first cell that asks for it.
    memory_load: Option<MemoryLoad>,
}

impl Engine {
    /// Looks at the machine; starts nothing yet.
    ///
    /// # Errors
    /// What no trial could do without: the CPU set, TCP sockets.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let unsupported = EngineError::Unsupported;
        let allowed = cpu::allowed().map_err(|error| unsupported(error.to_string()))?;
        let numbers = |cpus: &[usize]| -> Vec<u32> {
            cpus.iter().filter_map(|cpu| u32::try_from(*cpu).ok()).collect()
        };
        let usable = numbers(allowed.cpus());
        let (cores, nodes) = match Topology::read(std::path::Path::new(kernel::machine::LIVE)) {
            Ok(topology) => {
                let cores = topology.physical_cores(allowed.cpus());
                let node = |cpu: &kernel::topology::Cpu| {
                    let node = cpu.node.as_ref().ok()?;
                    Some((u32::try_from(cpu.cpu).ok()?, u32::try_from(*node).ok()?))
                };
                let nodes = topology.cpus.iter().filter_map(node).collect();
                (cores.iter().map(|core| numbers(core)).collect(), nodes)
            }
            // Without the topology every CPU counts as a core of its own.
            Err(_) => (usable.iter().map(|cpu| vec![*cpu]).collect(), BTreeMap::new()),
        };
        let congestion = CongestionChoice::find().map_err(unsupported)?;
        let _ = kernel::limits::raise_open_files();
        let forward = options.interrupts.forward().map_err(EngineError::Unsupported)?;
        let peering =
            Peering::new(options.peer.clone(), options.program.clone(), options.interrupts);
        let cpus = Arc::new(HostCpus { usable, cores, nodes, near: None });
        Ok(Self {
            options,
            forward,
            congestion,
            cpus,
            ends: None,
            peering,
            receiver_idle: None,
            copy_audit: None,
            memory_load: None,
        })
    }

    /// Whether a signal asked to stop.
    pub fn is_interrupted(&self) -> bool {
        self.options.interrupts.requested().is_some()
    }

    /// What was found at the other host, which is reached for it; none where the engine has none.
    ///
    /// # Errors
    /// Why it is not reached, with the remedy.
    pub fn peer_facts(&self) -> Result<Option<PeerFacts>, Missing> {
        match self.peering.peer() {
            None => Ok(None),
            Some(_) => Ok(Some(self.peering.session()?.facts().clone())),
        }
    }

    /// What `auto` stands for in this run.
    pub fn congestion(&self) -> &CongestionChoice {
        &self.congestion
    }

    /// How many CPUs the ends may use: of this host, and of the other one where it was reached.
    pub fn usable_cpus(&self) -> UsableCpus {
        let cpus = self.known_cpus(self.peering.peer().is_some());
        UsableCpus {
            sender: cpus.sender.usable.len(),
            receiver: cpus.receiver.map(|cpus| cpus.usable.len()),
        }
    }

    /// The network devices near which CPUs are taken first, of this host and of the other one, where that makes a difference.
    pub fn near_devices(&self) -> [Option<NearDevice>; 2] {
        let Some(session) = self.peering.live() else { return [None, None] };
        let here = self.cpus.near(&session.facts().reached.nic_here);
        [here.near, session.cpus().near.clone()]
    }

    /// Which end of a link's trials runs at the other host.
    fn there(&self, link: Link) -> There {
        let peer = self.peering.peer().filter(|_| link.capabilities().has_peer_host)?;
        Some(if peer.sends { WhichEnd::Sender } else { WhichEnd::Receiver })
    }

    /// The CPUs of the hosts that the ends of a link run on.
    fn end_cpus(&self, link: Link) -> Result<EndCpus, Missing> {
        if !link.capabilities().has_peer_host {
            return Ok(self.one_host());
        }
        Ok(self.two_hosts(&*self.peering.session()?))
    }

    /// The same as far as it is known without reaching the other host.
    fn known_cpus(&self, has_peer_host: bool) -> EndCpus {
        let session = self.peering.live().filter(|_| has_peer_host);
        session.map_or_else(|| self.one_host(), |session| self.two_hosts(&session))
    }

    fn one_host(&self) -> EndCpus {
        EndCpus { sender: Arc::clone(&self.cpus), receiver: None }
    }

    fn two_hosts(&self, session: &Session) -> EndCpus {
        let here = Arc::new(self.cpus.near(&session.facts().reached.nic_here));
        let there = session.cpus();
        if session.facts().sends {
            EndCpus { sender: there, receiver: Some(here) }
        } else {
            EndCpus { sender: here, receiver: Some(there) }
        }
    }

    fn seat(&self, cell: &Cell) -> Result<(Seats, EndCpus), Missing> {
        let cpus = self.end_cpus(cell.link)?;
        Ok((seat(cell, &cpus)?, cpus))
    }

    fn message(&self, cell: &Cell) -> Result<Message, String> {
        cell.check()?;
        Message::of(cell, process::page_size())
    }

    /// The ends on a cell's link: those of the last trial where they are on it, else fresh ones.
    fn ends(&mut self, cell: &Cell) -> Result<&mut Ends, TrialError> {
        if !self.ends.as_ref().is_some_and(|ends| ends.suit(cell)) {
            self.ends = None;
        }
        match &mut self.ends {
            Some(ends) => Ok(ends),
            none => {
                let ends = none.insert(Ends::start(
                    cell,
                    &self.options.program,
                    &self.peering,
                    &self.forward,
                )?);
                // A signal that came while there were no ends was forwarded to nobody.
                match self.options.interrupts.requested() {
                    Some(_) => Err(TrialError::Interrupted),
                    None => Ok(ends),
                }
            }
        }
    }

    /// What a trial would have set that is refused before it begins: none of its workers has a CPU.
    pub fn unseated(&self, order: &TrialOrder) -> Settings {
        let cell = &order.cell;
        let cpus = self.known_cpus(cell.link.capabilities().has_peer_host);
        Settings {
            window_ns: order.window,
            warmup_ns: order.warmup,
            tail_ns: order.tail,
            extended: false,
            usable_cpus: cpus.sender.usable.clone(),
            receiver_usable_cpus: cpus.receiver.map(|cpus| cpus.usable.clone()),
            sender_cpus: Vec::new(),
            receiver_cpus: Vec::new(),
            ring_slots: cell.ring.slots(cell.message),
            slot_bytes: self.message(cell).map_or(Bytes(0), |it| Bytes(it.stride() as u64)),
            receive_buffer_bytes: Bytes(cell.receive_buffer.bytes(cell.message)),
            ring_filesystem: ring_memory::filesystem(cell),
            series: None,
        }
    }

    /// What streams through memory beside cells that are seated so, taken out of the engine: started where one asks for it.
    fn memory_load_of<'s>(
        &mut self,
        seats: impl IntoIterator<Item = &'s Seats>,
    ) -> Result<Option<MemoryLoad>, Missing> {
        match self.memory_load.take() {
            None if seats.into_iter().any(|seats| seats.memory_load.is_some()) => {
                MemoryLoad::start().map(Some)
            }
            started => Ok(started),
        }
    }

    pub(crate) fn settings(
        &self,
        order: &TrialOrder,
    ) -> Result<(Seats, EndCpus, Settings), Unseated> {
        let has_peer_host = order.cell.link.capabilities().has_peer_host;
        // One that was reached before the run began may be again.
        let lost = has_peer_host.then(|| self.peering.session().err()).flatten();
        let mut settings = self.unseated(order);
        if let Some(why) = lost {
            return Err((Box::new(settings), FailureKind::EndLost, why.to_string()));
        }
        let seated = self.seat(&order.cell).map_err(|why| why.to_string());
        match seated.and_then(|seats| self.message(&order.cell).map(|_| seats)) {
            Ok((seats, cpus)) => {
                settings.sender_cpus.clone_from(&seats.senders);
                settings.receiver_cpus.clone_from(&seats.receivers);
                Ok((seats, cpus, settings))
            }
            Err(why) => Err((Box::new(settings), FailureKind::Unsupported, why)),
        }
    }
}

/// What the data connections of one trial or series begin with.
fn fresh_token() -> Result<Token, TrialError> {
    process::random_token().map_err(|error| error.to_string().into())
}
