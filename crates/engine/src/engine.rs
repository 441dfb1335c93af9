//! The engine: two ends, and one trial at a time. It is never an end itself.

use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use kernel::topology::Topology;
use kernel::{clock, cpu, process};
use model::audit::{CeilingPoint, Refusal};
use model::message::Message;
use model::record::{CpuBusy, Failure, FailureKind, Finished, Machine, NO_SINK, Outcome, Settings};
use model::{Audit, Bytes, Cell, Measured, Nanos, Plan};

use crate::auditing::{AuditSeen, Auditing};
use crate::child::{EndProcess, Heard, Which};
use crate::congestion::CongestionChoice;
use crate::error::EngineError;
use crate::instruments::copy_audit::CopyAudit;
use crate::instruments::{Watched, ceiling, copy_audit, profile};
use crate::interrupts::{Forward, Interrupts};
use crate::links::{self, LinkSetup, Raised};
use crate::order::TrialOrder;
use crate::placement::{Seats, seat};
use crate::protocol::{Meet, Order, PROTOCOL, Prepare, Reply, Report, Role, Times, Token};

/// What an engine needs to know.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The program whose subcommand `end` is an end: usually this one.
    pub program: PathBuf,
    /// Signals that end a trial.
    pub interrupts: Interrupts,
}

/// How long an end may take to greet.
const GREETING: Duration = Duration::from_secs(10);
/// How long an end may take to prepare, meeting and filling rings included.
const PREPARING: Duration = Duration::from_secs(75);
/// How long a drain may take.
const DRAINING: Nanos = Nanos::s(15);
/// How long a reply may be late after the drain's own deadline.
const GRACE: Duration = Duration::from_secs(5);
/// From the order to run until the start: both ends must have read it.
const AHEAD: Nanos = Nanos::ms(2);
/// How long the idle baseline is measured, once a round.
const IDLE_SPAN: Nanos = Nanos::ms(200);

/// Two ends on a link, and the ear that hears both.
struct Pair {
    // Ends first: they leave before their link is lowered.
    sender: EndProcess,
    receiver: EndProcess,
    raised: Box<dyn Raised>,
    ear: mpsc::Receiver<(Which, Heard)>,
    link: LinkSetup,
}

/// Runs trials.
pub struct Engine {
    options: EngineOptions,
    forward: Forward,
    congestion: CongestionChoice,
    usable: Vec<u32>,
    cores: Vec<Vec<u32>>,
    pair: Option<Pair>,
    /// Loaded at the first audit trial that asks for it.
    copy_audit: Option<Result<CopyAudit, String>>,
}

/// How a step of a trial went wrong.
enum Trouble {
    /// The whole engine stops.
    Interrupted,
    /// The trial failed; the ends are not to be trusted any more.
    Failed(FailureKind, String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self::Failed(FailureKind::EndLost, why)
    }
}

fn lost(why: String) -> Trouble {
    Trouble::Failed(FailureKind::EndLost, why)
}

impl Pair {
    fn end(&mut self, which: Which) -> &mut EndProcess {
        match which {
            Which::Sender => &mut self.sender,
            Which::Receiver => &mut self.receiver,
        }
    }

    /// The next reply of any end.
    fn hear(&mut self, deadline: Instant, phase: &str) -> Result<(Which, Reply), Trouble> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.ear.recv_timeout(left) {
            Ok((_, Heard::Interrupted)) => Err(Trouble::Interrupted),
            Ok((which, Heard::Reply(reply))) => match *reply {
                Reply::Failed { kind, why } => {
                    Err(Trouble::Failed(kind, format!("{} while {phase}: {why}", which.name())))
                }
                reply @ (Reply::Hello { .. }
                | Reply::Idle(_)
                | Reply::Listening(_)
                | Reply::Ready
                | Reply::Finished(_)) => Ok((which, reply)),
            },
            Ok((which, Heard::Babble(text))) => Err(lost(format!(
                "{} said something that is no reply while {phase}: {text:?}",
                which.name()
            ))),
            Ok((which, Heard::Gone)) => {
                let obituary = self.end(which).obituary();
                Err(lost(format!("{obituary} while {phase}")))
            }
            Err(RecvTimeoutError::Timeout) => {
                Err(lost(format!("an end did not answer in time while {phase}")))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(lost(format!("both ends fell silent while {phase}")))
            }
        }
    }

    /// The next reply of one end; the other has nothing to say now.
    fn hear_from(
        &mut self,
        which: Which,
        deadline: Instant,
        phase: &str,
    ) -> Result<Reply, Trouble> {
        match self.hear(deadline, phase)? {
            (speaker, reply) if speaker == which => Ok(reply),
            (speaker, _) => {
                Err(lost(format!("{} spoke out of turn while {phase}", speaker.name())))
            }
        }
    }
}

fn out_of_turn(which: Which, phase: &str) -> Trouble {
    lost(format!("{} gave the wrong reply while {phase}", which.name()))
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
        let cores = match Topology::read(std::path::Path::new(kernel::machine::LIVE)) {
            Ok(topology) => {
                topology.physical_cores(allowed.cpus()).iter().map(|core| numbers(core)).collect()
            }
            // Without the topology every CPU counts as a core of its own.
            Err(_) => usable.iter().map(|cpu| vec![*cpu]).collect(),
        };
        let congestion = CongestionChoice::find().map_err(unsupported)?;
        let _ = kernel::limits::raise_open_files();
        let forward = options.interrupts.forward();
        Ok(Self { options, forward, congestion, usable, cores, pair: None, copy_audit: None })
    }

    /// What `auto` stands for in this run.
    pub fn congestion(&self) -> &CongestionChoice {
        &self.congestion
    }

    /// CPUs that the ends may use.
    pub fn usable_cpus(&self) -> &[u32] {
        &self.usable
    }

    /// Which cells of a plan this machine cannot measure, each with the reason and the remedy.
    pub fn unsupported(&self, plan: &Plan) -> Vec<(Cell, String)> {
        let mut links = std::collections::BTreeMap::new();
        let mut named = std::collections::BTreeMap::new();
        let mut paths = std::collections::BTreeMap::new();
        let memory = kernel::machine::Machine::read().memory_bytes.unwrap_or(u64::MAX);
        let mut refused = Vec::new();
        for cell in plan.cells().into_iter().chain(plan.controls()) {
            if let Err(why) = links::has_what_varies(&cell) {
                refused.push((cell, why));
                continue;
            }
            let link = links.entry(LinkSetup::from(&cell)).or_insert_with_key(|setup| {
                links::raise(setup).map(|_| ()).map_err(|why| why.to_string())
            });
            let congestion = self.congestion.resolve(&cell.congestion);
            let congestion = named
                .entry(congestion.clone())
                .or_insert_with(|| CongestionChoice::may_set(&congestion));
            let path = paths
                .entry(cell.send_path)
                .or_insert_with(|| crate::send_paths::supported(cell.send_path));
            let verdict = link
                .clone()
                .and_then(|()| congestion.clone())
                .and_then(|()| path.clone())
                .and_then(|()| seat(&cell, &self.cores).map(|_| ()))
                .and_then(|()| self.message(&cell).map(|_| ()))
                .and_then(|()| fits(&cell, memory));
            if let Err(why) = verdict {
                refused.push((cell, why));
            }
        }
        refused
    }

    /// Which of a plan's heavy instruments this machine lacks, each with the reason and the remedy.
    pub fn unsupported_audits(&self, plan: &Plan) -> Vec<(Audit, Refusal)> {
        let lacking = |audit: &Audit| {
            let supported = match audit {
                Audit::CopyAudit => copy_audit::supported().map(|_| ()),
                Audit::Profile => profile::supported().map(|_| ()),
                Audit::Ceiling => ceiling::supported(),
            };
            let refusal = supported.err().map(|why| Refusal {
                what: why.what,
                because: why.because,
                remedy: why.remedy,
            });
            refusal.map(|refusal| (*audit, refusal))
        };
        plan.measure.audits.iter().filter_map(lacking).collect()
    }

    fn message(&self, cell: &Cell) -> Result<Message, String> {
        Message::new(cell.message, cell.fields, cell.layout, process::page_size())
    }

    fn start_ends(&mut self, cell: &Cell) -> Result<(), Trouble> {
        self.pair = None;
        let link = LinkSetup::from(cell);
        let unsupported = |why: String| Trouble::Failed(FailureKind::Unsupported, why);
        links::has_what_varies(cell).map_err(unsupported)?;
        let raised = links::raise(&link).map_err(|why| unsupported(why.to_string()))?;
        let (heard, ear) = mpsc::channel();
        self.forward.to(heard.clone());
        let start = |which: Which| {
            EndProcess::start(which, raised.start(which, &self.options.program), heard.clone())
        };
        let sender = start(Which::Sender)?;
        let receiver = start(Which::Receiver)?;
        let mut pair = Pair { sender, receiver, raised, ear, link };
        let deadline = Instant::now() + GREETING;
        for which in [Which::Sender, Which::Receiver] {
            pair.end(which).order(&Order::Hello { protocol: PROTOCOL })?;
        }
        for _ in 0..2 {
            match pair.hear(deadline, "greeting")? {
                (_, Reply::Hello { protocol: PROTOCOL, .. }) => {}
                (which, Reply::Hello { protocol, build, .. }) => {
                    return Err(lost(format!(
                        "{} is version {build} with protocol {protocol}, this is protocol {PROTOCOL}; use the same version at both ends",
                        which.name()
                    )));
                }
                (which, _) => return Err(out_of_turn(which, "greeting")),
            }
        }
        self.pair = Some(pair);
        Ok(())
    }

    fn pair(&mut self, cell: &Cell) -> Result<&mut Pair, Trouble> {
        let fits = |pair: &Pair| pair.link == LinkSetup::from(cell);
        if !self.pair.as_ref().is_some_and(fits) {
            self.start_ends(cell)?;
        }
        self.pair.as_mut().ok_or_else(|| lost("the ends did not start".to_owned()))
    }

    /// Starts fresh ends and measures how busy the CPUs are while they sleep.
    ///
    /// # Errors
    /// Interrupted, or the ends could not be started.
    pub fn begin_round(&mut self) -> Result<Measured<CpuBusy>, EngineError> {
        self.pair = None;
        let usable = self.usable.clone();
        let any = Cell::default();
        let measure = |engine: &mut Self| -> Result<Measured<CpuBusy>, Trouble> {
            let pair = engine.pair(&any)?;
            pair.sender.order(&Order::Idle { cpus: usable, span_ns: IDLE_SPAN })?;
            let deadline = Instant::now() + GREETING;
            match pair.hear_from(Which::Sender, deadline, "measuring the idle machine")? {
                Reply::Idle(busy) => Ok(busy),
                Reply::Hello { .. }
                | Reply::Listening(_)
                | Reply::Ready
                | Reply::Finished(_)
                | Reply::Failed { .. } => {
                    Err(out_of_turn(Which::Sender, "measuring the idle machine"))
                }
            }
        };
        match measure(self) {
            Ok(busy) => Ok(busy),
            Err(Trouble::Interrupted) => {
                self.pair = None;
                Err(EngineError::Interrupted)
            }
            Err(Trouble::Failed(FailureKind::Unsupported, why)) => {
                Err(EngineError::Unsupported(why))
            }
            Err(Trouble::Failed(_, why)) => {
                self.pair = None;
                Err(EngineError::Ends(why))
            }
        }
    }

    /// Lets the ends go.
    pub fn end_round(&mut self) {
        if let Some(pair) = &mut self.pair {
            // An end that is gone already needs no farewell; dropping the pair closes their inputs.
            let _ = pair.sender.order(&Order::Bye);
            let _ = pair.receiver.order(&Order::Bye);
        }
        self.pair = None;
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
    /// One line: what could not be had, with the remedy; or that a signal came, which the next trial tells as well.
    pub fn measure_ceiling(&mut self, plan: &Plan) -> Result<Vec<CeilingPoint>, String> {
        let mut cpus = Vec::new();
        for cell in plan.cells() {
            if let Ok(seats) = seat(&cell, &self.cores) {
                cpus.extend(seats.in_use(&self.usable));
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
        let (seats, settings) = match settings {
            Ok((seats, settings)) => (seats, settings),
            Err((settings, why)) => {
                return Ok((*settings, failure(FailureKind::Unsupported, why)));
            }
        };
        match self.conduct(order, &seats, check, auditing) {
            Ok(finished) => Ok((settings, Outcome::Finished(Box::new(finished)))),
            Err(Trouble::Interrupted) => {
                self.pair = None;
                Err(EngineError::Interrupted)
            }
            Err(Trouble::Failed(kind, why)) => {
                // Whatever state they are in, the next trial begins with fresh ends.
                self.pair = None;
                if self.options.interrupts.requested().is_some() {
                    return Err(EngineError::Interrupted);
                }
                Ok((settings, failure(kind, why)))
            }
        }
    }

    fn settings(&self, order: &TrialOrder) -> Result<(Seats, Settings), (Box<Settings>, String)> {
        let cell = &order.cell;
        let mut settings = Settings {
            window_ns: order.window,
            warmup_ns: order.warmup,
            tail_ns: order.tail,
            extended: order.extended,
            usable_cpus: self.usable.clone(),
            sender_cpus: Vec::new(),
            receiver_cpus: Vec::new(),
            ring_slots: cell.ring.slots(cell.message),
            slot_bytes: Bytes(0),
            receive_buffer_bytes: Bytes(cell.receive_buffer.bytes(cell.message)),
        };
        let seated = seat(cell, &self.cores);
        let laid = seated.and_then(|seats| Ok((seats, self.message(cell)?)));
        match laid {
            Ok((seats, message)) => {
                settings.slot_bytes = Bytes(message.stride() as u64);
                settings.sender_cpus.clone_from(&seats.senders);
                settings.receiver_cpus.clone_from(&seats.receivers);
                Ok((seats, settings))
            }
            Err(why) => Err((Box::new(settings), why)),
        }
    }

    fn conduct(
        &mut self,
        order: &TrialOrder,
        seats: &Seats,
        check: bool,
        mut auditing: Option<&mut Auditing<'_>>,
    ) -> Result<Finished, Trouble> {
        if self.options.interrupts.requested().is_some() {
            return Err(Trouble::Interrupted);
        }
        let token: Token = process::random_token().map_err(|error| error.to_string())?;
        let congestion = self.congestion.resolve(&order.cell.congestion);
        let machine_cpus = seats.in_use(&self.usable);
        let usable = self.usable.clone();
        let pair = self.pair(&order.cell)?;
        let watched = Watched {
            sender: pair.sender.id(),
            receiver: pair.receiver.id(),
            is_sink: order.cell.link == model::Link::Sink,
            cpus: machine_cpus.clone(),
        };
        if let Some(auditing) = &mut auditing {
            auditing.before_meeting(&watched);
        }
        let role = pair
            .raised
            .receiving_role(&order.cell, seats, &usable)
            .map_err(|why| Trouble::Failed(FailureKind::Unsupported, why.to_string()))?;
        let prepare = |role, meet, worker_cpus: &[u32], machine_cpus: Vec<u32>| {
            Order::Prepare(Box::new(Prepare {
                role,
                cell: order.cell.clone(),
                meet,
                token,
                worker_cpus: worker_cpus.to_vec(),
                congestion: congestion.clone(),
                machine_cpus,
                check,
            }))
        };
        let deadline = Instant::now() + PREPARING;
        let phase = "connecting";
        let listen = Meet::Listen(pair.raised.listening_address());
        let order_receiver = prepare(role, listen, &seats.receivers, Vec::new());
        pair.receiver.order(&order_receiver)?;
        let address = match pair.hear_from(Which::Receiver, deadline, phase)? {
            Reply::Listening(address) => address,
            Reply::Hello { .. }
            | Reply::Idle(_)
            | Reply::Ready
            | Reply::Finished(_)
            | Reply::Failed { .. } => return Err(out_of_turn(Which::Receiver, phase)),
        };
        if let Some(auditing) = &mut auditing {
            auditing.before_connecting(address.port());
        }
        let connect = match role {
            Role::Absorb(_) => Meet::ConnectEach(address),
            Role::Send | Role::Receive => Meet::Connect(address),
        };
        pair.sender.order(&prepare(Role::Send, connect, &seats.senders, machine_cpus))?;
        for _ in 0..2 {
            match pair.hear(deadline, phase)? {
                (_, Reply::Ready) => {}
                (which, _) => return Err(out_of_turn(which, phase)),
            }
        }
        if let Some(auditing) = &mut auditing {
            auditing.before_run(&watched);
        }
        let start_ns = pair.raised.has_common_clock().then(|| clock::monotonic_ns() + AHEAD.0);
        let times = Times {
            start_ns,
            warmup_ns: order.warmup,
            window_ns: order.window,
            tail_ns: order.tail,
            drain_ns: DRAINING,
        };
        // The receiver first: without a common clock it must be there before the load.
        pair.receiver.order(&Order::Run(times))?;
        pair.sender.order(&Order::Run(times))?;
        let lasts = AHEAD.0 + order.warmup.0 + order.window.0 + order.tail.0 + DRAINING.0;
        let deadline = Instant::now() + Duration::from_nanos(lasts) + GRACE;
        let (mut sender, mut receiver) = (None, None);
        let mut machine = None;
        let mut sink = Measured::absent(NO_SINK);
        while sender.is_none() || receiver.is_none() {
            match pair.hear(deadline, "measuring")? {
                (Which::Sender, Reply::Finished(report)) => match *report {
                    Report::Sent { side, machine: seen } => {
                        sender = Some(side);
                        machine = seen;
                    }
                    Report::Received { .. } | Report::Absorbed { .. } => {
                        return Err(out_of_turn(Which::Sender, "measuring"));
                    }
                },
                (Which::Receiver, Reply::Finished(report)) => match *report {
                    Report::Received { side, .. } => receiver = Some(side),
                    Report::Absorbed { side, facts } => {
                        receiver = Some(side);
                        sink = Measured::Value(facts);
                    }
                    Report::Sent { .. } => return Err(out_of_turn(Which::Receiver, "measuring")),
                },
                (which, _) => return Err(out_of_turn(which, "measuring")),
            }
        }
        let (Some(sender), Some(receiver)) = (sender, receiver) else {
            return Err(lost("an end did not report".to_owned()));
        };
        let link = pair.raised.facts();
        Ok(Finished { sender, receiver, machine: machine.unwrap_or_else(unwatched), link, sink })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end_round();
    }
}

fn unwatched() -> Machine {
    const WHY: &str = "this control trial ran without instruments (watch=none)";
    Machine {
        busy: Measured::absent(WHY),
        ticks: Measured::absent(WHY),
        khz: Measured::absent(WHY),
    }
}

/// Whether a cell's rings fit into memory, and its connections into the descriptors of a process.
fn fits(cell: &Cell, memory: u64) -> Result<(), String> {
    let message = Message::new(cell.message, cell.fields, cell.layout, process::page_size())?;
    let ring = message.arena(cell.ring.slots(cell.message)).map_or(u64::MAX, |bytes| bytes.0);
    let rings = ring.saturating_mul(u64::from(cell.connections()));
    if rings > memory / 2 {
        return Err(format!(
            "its rings need {} MiB, more than half of this machine's memory; use a smaller --ring, --flows or --threads",
            rings >> 20
        ));
    }
    match kernel::limits::open_files() {
        // Each flow has two handles in an end.
        Ok(kernel::limits::Limit::At(most)) if u64::from(cell.connections()) * 2 + 64 > most => {
            Err(format!(
                "{} connections need {} open files, the limit is {most}; raise it with: ulimit -n",
                cell.connections(),
                u64::from(cell.connections()) * 2 + 64
            ))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}
