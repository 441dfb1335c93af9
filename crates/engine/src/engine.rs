//! The engine: two ends, and one trial at a time. It is never an end itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use kernel::topology::Topology;
use kernel::{cpu, process};
use model::audit::CeilingPoint;
use model::host::Host;
use model::message::Message;
use model::record::{CpuBusy, Failure, FailureKind, Finished, Outcome, SeriesSettings, Settings};
use model::{Audit, Bytes, Cell, Link, Measured, Missing, Nanos, Peer, Plan, UsableCpus};

use crate::auditing::{AuditSeen, Auditing};
use crate::child::WhichEnd;
use crate::congestion::CongestionChoice;
use crate::connect::Connect;
use crate::demands::{Answers, Demand, There};
use crate::ends::{Ends, TrialError, lost};
use crate::error::{EngineError, missing};
use crate::instruments::copy_audit::CopyAudit;
use crate::instruments::memory_load::{MemoryLoad, Streaming};
use crate::instruments::{ceiling, copy_audit, memory_load, profile};
use crate::interrupts::{Forward, Interrupts};
use crate::links::{self, LinkSetup};
use crate::order::{SeriesOrder, TrialOrder};
use crate::peering::{PeerFacts, Peering, Session};
use crate::placement::{EndCpus, HostCpus, NearDevice, Seats, seat};
use crate::protocol::{Among, Order, Token};
use crate::ring_memory;
use crate::series::{Series, SeriesError, SliceSeen};
use crate::trial::Trial;

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

/// How long the idle baseline is measured, once a round.
const IDLE_SPAN: Nanos = Nanos::ms(200);

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

    /// Which cells of a plan this machine cannot measure, each with the reason and the remedy.
    pub fn unsupported(&self, plan: &Plan) -> Vec<(Cell, Missing)> {
        let mut links = BTreeMap::new();
        let room = self.room();
        let cells: Vec<Cell> = plan.cells().into_iter().chain(plan.controls()).collect();
        let mut answers = self.answers(&cells);
        let mut refused = Vec::new();
        for cell in cells {
            if let Err(why) = links::has_what_varies(&cell) {
                refused.push((cell, why.into()));
                continue;
            }
            if let Some(why) = cell.lacks_path() {
                refused.push((cell, why));
                continue;
            }
            let link = links
                .entry(LinkSetup::from(&cell))
                .or_insert_with_key(|setup| links::raise(setup, &self.peering).map(|_| ()));
            let congestion = self.congestion.resolve(&cell.congestion);
            let mut verdict = || -> Result<(), Missing> {
                cell.check()?;
                link.clone()?;
                answers.grant(&cell, self.there(cell.link), &congestion)?;
                if self.seat(&cell)?.0.memory_load.is_some() {
                    memory_load::supported()?;
                }
                self.message(&cell)?;
                Ok(fits(&[&cell], room)?)
            };
            if let Err(why) = verdict() {
                refused.push((cell, why));
            }
        }
        refused.extend(self.crowded(plan, &refused, room));
        refused
    }

    /// What the kernel of the other host grants, in the order of the demands; each with the reason and the remedy where it does not.
    ///
    /// # Errors
    /// There is no other host, it is not reached, or it did not answer.
    pub fn granted_at_peer(&self, demands: &[Demand]) -> Result<Vec<Result<(), Missing>>, Missing> {
        self.peering.session()?.probe(demands)
    }

    /// What the kernels of these cells' hosts grant: the other host is asked for all of them at once.
    fn answers(&self, cells: &[Cell]) -> Answers {
        let mut answers = Answers::default();
        let there = cells.iter().filter_map(|cell| {
            Some((cell, self.there(cell.link)?, self.congestion.resolve(&cell.congestion)))
        });
        answers.ask_there(there, |demands| self.peering.session()?.probe(demands));
        answers
    }

    /// What the rings and connections of cells must fit into: the memory of the sending end's host, and the descriptors of a process of
    /// either.
    fn room(&self) -> Room {
        let here = Room::here();
        let Some(session) = self.peering.live() else { return here };
        let there = Room::of(&session.facts().host);
        let memory = if session.facts().sends { there.memory } else { here.memory };
        Room { memory, open_files: here.open_files.min(there.open_files) }
    }

    /// The cells of blocks that take turns and do not fit side by side, though each of them would alone.
    fn crowded(
        &self,
        plan: &Plan,
        refused: &[(Cell, Missing)],
        room: Room,
    ) -> Vec<(Cell, Missing)> {
        let mut crowded = Vec::new();
        for (_, mut cells) in plan.blocks() {
            cells.retain(|cell| !refused.iter().any(|(other, _)| other == cell));
            let all: Vec<&Cell> = cells.iter().collect();
            if plan.turns(&cells, self.usable_cpus(), false).is_some()
                && let Err(why) = fits(&all, room)
            {
                let why = Missing::from(format!("{why}, or --steady, as its block takes turns"));
                crowded.extend(cells.into_iter().map(|cell| (cell, why.clone())));
            }
        }
        crowded
    }

    /// Which of a plan's heavy instruments this machine lacks, each with the reason and the remedy. Between two hosts they watch the end
    /// that runs here.
    pub fn unsupported_audits(&self, plan: &Plan) -> Vec<(Audit, Missing)> {
        let lacking = |audit: &Audit| {
            let supported = match audit {
                Audit::CopyAudit => copy_audit::supported().map(|_| ()),
                Audit::Profile => profile::supported().map(|_| ()),
                Audit::Ceiling => ceiling::supported(),
            };
            Some((*audit, missing(supported.err()?)))
        };
        plan.measure.audits.iter().filter_map(lacking).collect()
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

    /// Starts fresh ends and measures how busy the CPUs are while they sleep.
    ///
    /// # Errors
    /// Interrupted, or the ends could not be started.
    pub fn begin_round(&mut self) -> Result<Measured<CpuBusy>, EngineError> {
        self.ends = None;
        // What an earlier round saw is not this one's.
        self.receiver_idle = None;
        match self.idle_round() {
            Ok(busy) => Ok(busy),
            Err(TrialError::Interrupted) => {
                self.ends = None;
                Err(EngineError::Interrupted)
            }
            Err(TrialError::Failed(kind, why)) => {
                self.ends = None;
                if self.options.interrupts.requested().is_some() {
                    return Err(EngineError::Interrupted);
                }
                self.unless_gone()?;
                Err(match kind {
                    FailureKind::Unsupported => EngineError::Unsupported(why),
                    FailureKind::EndLost | FailureKind::CallFailed | FailureKind::NothingPassed => {
                        EngineError::Ends(why)
                    }
                })
            }
        }
    }

    /// How busy the CPUs of the sending end's host are while fresh ends sleep; that of the receiving end's, where it is another
    /// one, is kept for the trials of this round.
    fn idle_round(&mut self) -> Result<Measured<CpuBusy>, TrialError> {
        let mut cell = Cell::default();
        if let Some(setup) = self.peering.plain_setup().map_err(|why| lost(why.to_string()))? {
            (cell.link, cell.family) = setup;
        }
        let cpus = self.end_cpus(cell.link).map_err(|why| lost(why.to_string()))?;
        let ends = self.ends(&cell)?;
        let idle = ends.idle(WhichEnd::Sender, &cpus.sender.usable, IDLE_SPAN)?;
        if let Some(there) = &cpus.receiver {
            self.receiver_idle = Some(ends.idle(WhichEnd::Receiver, &there.usable, IDLE_SPAN)?);
        }
        Ok(idle)
    }

    /// Whether the other host may still be tried.
    fn unless_gone(&self) -> Result<(), EngineError> {
        self.peering.gone().map_or(Ok(()), |why| Err(EngineError::Gone(why.to_string())))
    }

    /// Lets the ends go.
    pub fn end_round(&mut self) {
        if let Some(ends) = &mut self.ends {
            // Not by `Ends::order`, which waits up to 5 s for the last word of an end that is gone: nobody is there to be told it.
            // An end that took no order sees its input closed, as both are dropped.
            let _ = ends.sender.order(&Order::Bye);
            let _ = ends.receiver.order(&Order::Bye);
        }
        self.ends = None;
    }

    /// Runs one trial; its own failure is an outcome.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`]: the trial in hand is lost.
    pub fn trial(&mut self, order: &TrialOrder) -> Result<(Settings, Outcome), EngineError> {
        self.run(order, false, None)
    }

    /// The same under heavy instruments: no timing of it means anything. An instrument that fails is absent from what was
    /// seen, with the reason.
    ///
    /// # Errors
    /// As [`Engine::trial`].
    pub fn audit_trial(
        &mut self,
        order: &TrialOrder,
        audits: &[Audit],
    ) -> Result<(Settings, Outcome, AuditSeen), EngineError> {
        // The trial borrows the engine, and its instruments the audit.
        let mut copy_audit = self.copy_audit.take();
        let mut auditing = Auditing::new(audits, &mut copy_audit);
        let ran = self.run(order, false, Some(&mut auditing));
        let seen = auditing.end();
        self.copy_audit = copy_audit;
        ran.map(|(settings, outcome)| (settings, outcome, seen))
    }

    /// Measures the copying bandwidth of the CPUs that a plan's cells use, in some seconds.
    ///
    /// # Errors
    /// What could not be had; or that a signal came, which the next trial tells as well.
    pub fn measure_ceiling(&mut self, plan: &Plan) -> Result<Vec<CeilingPoint>, Missing> {
        let mut cpus = Vec::new();
        for cell in plan.cells() {
            let Ok((seats, of_ends)) = self.seat(&cell) else { continue };
            // Of this host's end alone: the ceiling is measured here.
            match (self.there(cell.link), seats.in_use_by_receiver(&of_ends)) {
                (Some(WhichEnd::Sender), Some(here)) => cpus.extend(here),
                _ => cpus.extend(seats.in_use(&of_ends)),
            }
        }
        cpus.sort_unstable();
        cpus.dedup();
        ceiling::measure(&cpus, &|| self.options.interrupts.requested().is_some())
    }

    /// The same, every message rewritten and every byte checked by the receiver: no timing of it means anything.
    ///
    /// # Errors
    /// As [`Engine::trial`].
    pub fn checked_trial(
        &mut self,
        order: &TrialOrder,
    ) -> Result<(Settings, Outcome), EngineError> {
        self.run(order, true, None)
    }

    fn run(
        &mut self,
        order: &TrialOrder,
        check: bool,
        auditing: Option<&mut Auditing<'_>>,
    ) -> Result<(Settings, Outcome), EngineError> {
        let settings = self.settings(order);
        let failure = |kind, why| Outcome::Failed(Failure { kind, why });
        let (seats, cpus, settings) = match settings {
            Ok(seated) => seated,
            Err((settings, kind, why)) => {
                if self.options.interrupts.requested().is_some() {
                    return Err(EngineError::Interrupted);
                }
                self.unless_gone()?;
                return Ok((*settings, failure(kind, why)));
            }
        };
        // The trial borrows the engine, and what streams beside it.
        let memory_load = match self.memory_load_of([&seats]) {
            Ok(memory_load) => memory_load,
            Err(why) => return Ok((settings, failure(FailureKind::Unsupported, why.to_string()))),
        };
        let conducted = (|| {
            if self.options.interrupts.requested().is_some() {
                return Err(TrialError::Interrupted);
            }
            let streaming = MemoryLoad::beside(memory_load.as_ref(), &seats)?;
            let congestion = self.congestion.resolve(&order.cell.congestion);
            let connect = Connect {
                cell: &order.cell,
                seats: &seats,
                cpus: &cpus,
                congestion,
                check,
                windows: 1,
                token: fresh_token()?,
                among: Among::alone(&order.cell),
            };
            let trial = Trial { order, connect };
            let finished = trial.conduct(self.ends(&order.cell)?, auditing)?;
            Ok(Finished { memory_traffic: streaming.map(Streaming::end).transpose()?, ..finished })
        })();
        self.memory_load = memory_load;
        match conducted {
            Ok(mut finished) => {
                // A steady trial has no silence beside it in which this could be read.
                if let Some(there) = &mut finished.receiver_machine {
                    there.idle = self.receiver_idle.clone();
                }
                self.peering.has_measured();
                Ok((settings, Outcome::Finished(Box::new(finished))))
            }
            Err(TrialError::Interrupted) => {
                self.ends = None;
                Err(EngineError::Interrupted)
            }
            Err(TrialError::Failed(kind, why)) => {
                // Whatever state they are in, the next trial begins with fresh ends.
                self.ends = None;
                if self.options.interrupts.requested().is_some() {
                    return Err(EngineError::Interrupted);
                }
                self.unless_gone()?;
                Ok((settings, failure(kind, why)))
            }
        }
    }

    /// Measures the cells of a block in turns, each over connections and memory of its own. A cell's own failure is its
    /// outcome, and ends the series: cells without an outcome were not measured and may be asked for again.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`]: the series in hand is lost.
    pub fn series(
        &mut self,
        order: &SeriesOrder,
    ) -> Result<Vec<Option<(Settings, Outcome)>>, EngineError> {
        self.series_seen(order, &mut |_| ())
    }

    /// The same; `seen` is told of each slice that counts in the silence after it, which lasts until it returns.
    ///
    /// # Errors
    /// As [`Engine::series`].
    pub fn series_seen(
        &mut self,
        order: &SeriesOrder,
        seen: &mut dyn FnMut(SliceSeen),
    ) -> Result<Vec<Option<(Settings, Outcome)>>, EngineError> {
        let mut outcomes: Vec<Option<(Settings, Outcome)>> = vec![None; order.cells.len()];
        let failure = |kind, why| Outcome::Failed(Failure { kind, why });
        let mut seated = Vec::with_capacity(order.cells.len());
        for (cell, outcome) in order.cells.iter().zip(&mut outcomes) {
            match self.settings(&order.of_one(cell)) {
                Ok(one) => seated.push(one),
                Err((settings, kind, why)) => {
                    *outcome = Some((*settings, failure(kind, why)));
                }
            }
        }
        if self.options.interrupts.requested().is_some() {
            self.ends = None;
            return Err(EngineError::Interrupted);
        }
        self.unless_gone()?;
        let Some(first) = order.cells.first().filter(|_| seated.len() == order.cells.len()) else {
            return Ok(outcomes);
        };
        let memory_load = match self.memory_load_of(seated.iter().map(|(seats, ..)| seats)) {
            Ok(memory_load) => memory_load,
            Err(why) => {
                for (outcome, (seats, _, set)) in outcomes.iter_mut().zip(&seated) {
                    let needs_it = seats.memory_load.is_some();
                    *outcome = needs_it
                        .then(|| (set.clone(), failure(FailureKind::Unsupported, why.to_string())));
                }
                return Ok(outcomes);
            }
        };
        let flows = order.cells.iter().map(Cell::connections).sum();
        let of_all = |error| SeriesError { cell: None, error };
        let here = self.cpus.usable.clone();
        let mut series = Series {
            order,
            here: &here,
            connect: Vec::with_capacity(order.cells.len()),
            memory_load: memory_load.as_ref(),
        };
        let conducted = fresh_token().map_err(of_all).and_then(|token| {
            let mut first_flow = 0;
            for (cell, (seats, cpus, _)) in order.cells.iter().zip(&seated) {
                series.connect.push(Connect {
                    cell,
                    seats,
                    cpus,
                    congestion: self.congestion.resolve(&cell.congestion),
                    check: false,
                    windows: order.windows(),
                    token,
                    among: Among { first: first_flow, flows },
                });
                first_flow += cell.connections();
            }
            series.conduct(self.ends(first).map_err(of_all)?, seen)
        });
        let of_series: Vec<SeriesSettings> =
            (0..order.cells.len()).map(|place| series.settings(place)).collect();
        self.memory_load = memory_load;
        let settings = |place: usize, settings: &Settings| Settings {
            series: of_series.get(place).cloned(),
            ..settings.clone()
        };
        match conducted {
            Ok(finished) => {
                for (place, ((of_cell, outcome), (_, _, set))) in
                    finished.into_iter().zip(&mut outcomes).zip(&seated).enumerate()
                {
                    let finished = Outcome::Finished(Box::new(of_cell));
                    *outcome = Some((settings(place, set), finished));
                }
                self.peering.has_measured();
                Ok(outcomes)
            }
            Err(SeriesError { cell, error }) => {
                // Whatever state they are in, the next series begins with fresh ends.
                let TrialError::Failed(kind, why) = error else {
                    self.ends = None;
                    return Err(EngineError::Interrupted);
                };
                for (place, (outcome, (_, _, set))) in outcomes.iter_mut().zip(&seated).enumerate()
                {
                    if cell.is_none_or(|cell| cell == place) {
                        *outcome = Some((settings(place, set), failure(kind, why.clone())));
                    }
                }
                self.ends = None;
                if self.options.interrupts.requested().is_some() {
                    return Err(EngineError::Interrupted);
                }
                self.unless_gone()?;
                Ok(outcomes)
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

impl Drop for Engine {
    fn drop(&mut self) {
        self.end_round();
    }
}

/// What the data connections of one trial or series begin with.
fn fresh_token() -> Result<Token, TrialError> {
    process::random_token().map_err(|error| error.to_string().into())
}

/// Whether the rings of cells that exist at once fit into memory, and their connections into the descriptors of a process.
fn fits(cells: &[&Cell], Room { memory, open_files }: Room) -> Result<(), String> {
    let mut rings: u64 = 0;
    let mut connections: u64 = 0;
    let mut handles: u64 = 0;
    for cell in cells {
        let message = Message::of(cell, process::page_size())?;
        let ring = message.arena(cell.ring.slots(cell.message)).map_or(u64::MAX, |bytes| bytes.0);
        let ring = ring_memory::rounded_up(ring, cell.pages);
        rings = rings.saturating_add(ring.saturating_mul(u64::from(cell.rings())));
        connections += u64::from(cell.connections());
        handles += u64::from(cell.connections()) + u64::from(cell.rings());
    }
    if rings > memory / 2 {
        return Err(format!(
            "its rings need {} MiB, more than half of this machine's memory (or its container's); use a smaller --ring, --flows or --threads",
            rings >> 20
        ));
    }
    let most = cells.iter().map(|cell| links::most_flows(cell.link)).min().unwrap_or(u32::MAX);
    if connections > u64::from(most) {
        return Err(format!(
            "{connections} connections: their link has ports for {most}; use fewer --flows or --threads"
        ));
    }
    // Each connection has a handle of the end's own, and one of each worker that uses it.
    let needed = handles + 64;
    if needed > open_files {
        return Err(format!(
            "{connections} connections need {needed} open files, the limit is {open_files}; raise it with: ulimit -n"
        ));
    }
    Ok(())
}

/// What there is of a host's memory and of a process's descriptors; the most that can be where nobody knows.
#[derive(Clone, Copy, Debug)]
struct Room {
    memory: u64,
    open_files: u64,
}

impl Room {
    fn here() -> Self {
        // A container may have far less than its machine, and is killed when it takes more.
        let memory = kernel::machine::Machine::read().memory_bytes.unwrap_or(u64::MAX);
        let allowed =
            kernel::machine::memory_limit_bytes(std::path::Path::new(kernel::machine::LIVE));
        let open_files = match kernel::limits::open_files() {
            Ok(kernel::limits::Limit::At(most)) => most,
            Ok(kernel::limits::Limit::Unlimited) | Err(_) => u64::MAX,
        };
        Self { memory: memory.min(allowed.unwrap_or(u64::MAX)), open_files }
    }

    /// Of another host, as its facts tell.
    fn of(host: &Host) -> Self {
        let files = host.limits.get("open-files").and_then(Measured::value);
        Self {
            memory: host.memory_bytes.value().copied().unwrap_or(u64::MAX),
            open_files: files.copied().unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_machine_of_an_earlier_round_is_not_this_rounds() {
        // Nobody listens there.
        let name = "ssh://nobody@127.0.0.1:1".parse().unwrap();
        let peer = Some(Peer { name, data_address: None, sends: false });
        let (program, interrupts) = (PathBuf::from("/proc/self/exe"), Interrupts::install());
        let options = EngineOptions { program, interrupts: interrupts.unwrap(), peer };
        let mut engine = Engine::new(options).unwrap();
        engine.receiver_idle = Some(Measured::absent("of an earlier round"));
        assert!(engine.begin_round().is_err());
        assert_eq!(engine.receiver_idle, None);
    }

    #[test]
    fn rings_that_exist_side_by_side_must_fit_together() {
        let cell: Cell = "send=sendmsg message_bytes=65536 threads=1".parse().unwrap();
        // A ring of it takes 4 to 5 MiB.
        let room = Room { memory: 10 << 20, open_files: u64::MAX };
        assert_eq!(fits(&[&cell], room), Ok(()));
        let why = fits(&[&cell, &cell], room).unwrap_err();
        assert!(why.contains("more than half of this machine's memory"), "{why}");
    }
}
