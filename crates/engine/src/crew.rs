//! One end's workers: started, watched and gathered by its coordinator.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use kernel::socket::Socket;
use kernel::{clock, cpu};
use model::record::{ReceiveTally, SendTally, SocketFacts};
use model::{Nanos, Sockets};

use crate::coordinator::{Broken, failed, nanos, note_until, unsupported, wait_until};
use crate::gate::{Gate, Phase};
use crate::instruments::namespace::Namespace;
use crate::instruments::{Edge, Instrument as _};
use crate::meeting::Met;
use crate::protocol::{Prepare, Report, Role, Slice, Times};
use crate::release_times::ReleaseTimes;
use crate::sink_crew::{Absorbed, SharedSink, SinkCrew};
use crate::threads;
use crate::watch::Watch;

mod awaited;
mod jobs;
#[cfg(test)]
mod missed_end_tests;
mod ring_threads;
mod side;
mod steady;
mod turns;

pub(crate) use jobs::ring_setup;
use jobs::{Job, start_receivers, start_senders};
use ring_threads::RingThreads;
pub(crate) use side::{counted, worker};

/// What a worker hands back.
struct Done<T> {
    watch: Watch<T>,
    total: T,
    /// Thread CPU time when the drain was over.
    cpu_ns: u64,
    /// How long the kernel held its messages; none where that is not timed.
    releases: Option<ReleaseTimes>,
}

/// What a worker tells its coordinator.
enum Note<T> {
    Ready,
    Done(Box<Done<T>>),
    Broken(Broken),
}

/// A tally that knows its payload bytes.
pub(crate) trait Tally: Copy + Default + Send + 'static {
    fn bytes(&self) -> u64;
    /// Zero-copy sends whose completion came; only senders have any.
    fn completions(&self) -> u64 {
        0
    }
    fn since(&self, earlier: &Self) -> Self;
    fn add(&mut self, other: &Self);
}

impl Tally for SendTally {
    fn bytes(&self) -> u64 {
        self.accepted_bytes
    }
    fn completions(&self) -> u64 {
        self.completed
    }
    fn since(&self, earlier: &Self) -> Self {
        Self::since(self, earlier)
    }
    fn add(&mut self, other: &Self) {
        Self::add(self, other);
    }
}

impl Tally for ReceiveTally {
    fn bytes(&self) -> u64 {
        self.received_bytes
    }
    fn since(&self, earlier: &Self) -> Self {
        Self::since(self, earlier)
    }
    fn add(&mut self, other: &Self) {
        Self::add(self, other);
    }
}

/// Workers that are ready and wait at the gate.
pub(crate) struct Crew<T> {
    gate: Arc<Gate>,
    notes: mpsc::Receiver<(usize, Note<T>)>,
    workers: usize,
    /// Second handles of all flows, to wake workers that block and to look at the sockets.
    flows: Vec<Socket>,
    strangers: u64,
    ring_bytes: u64,
    prepare: Prepare,
    /// What was seen of a series so far.
    turns: turns::Turns<T>,
    /// What was seen of a steady window that is over while its load goes on.
    steady: Option<steady::Steady<T>>,
    /// What else works for its senders; none where no io_uring does.
    ring_threads: Option<RingThreads>,
}

/// A crew of either role.
pub(crate) enum AnyCrew {
    Senders(Crew<SendTally>),
    Receivers(Crew<ReceiveTally>),
    Sink(SinkCrew),
}

impl AnyCrew {
    /// Starts the workers of a trial and waits until all are ready.
    pub(crate) fn start(prepare: Prepare, met: Met) -> Result<Self, Broken> {
        match prepare.role {
            Role::Send => Ok(Self::Senders(start_senders(prepare, met)?)),
            Role::Receive => Ok(Self::Receivers(start_receivers(prepare, met)?)),
            Role::Absorb(_) => Err(failed("the sink has no sockets to start with")),
        }
    }

    /// The sink's program, where it is one of its cells.
    pub(crate) fn sink(&self) -> Option<Arc<SharedSink>> {
        match self {
            Self::Sink(crew) => Some(crew.sink()),
            Self::Senders(_) | Self::Receivers(_) => None,
        }
    }

    /// One slice of a series, up to its tail.
    pub(crate) fn slice(
        &mut self,
        slice: &Slice,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), Broken> {
        match self {
            Self::Senders(crew) => crew.send_slice(slice, is_over),
            Self::Receivers(crew) => crew.receive_slice(slice, is_over),
            Self::Sink(crew) => crew.slice(slice, is_over),
        }
    }

    /// Ends a slice: senders drain and sleep. Returns the bytes that they have sent since the start.
    pub(crate) fn pause(&mut self, is_over: &dyn Fn() -> bool) -> Result<u64, Broken> {
        match self {
            Self::Senders(crew) => crew.pause(is_over),
            Self::Receivers(_) | Self::Sink(_) => Err(failed("told to pause a receiver")),
        }
    }

    /// Waits until receivers have taken so many bytes since the start.
    pub(crate) fn drain(&mut self, bytes: u64, is_over: &dyn Fn() -> bool) -> Result<(), Broken> {
        match self {
            Self::Senders(_) => Err(failed("told to drain a sender")),
            Self::Receivers(crew) => crew.drain(bytes, is_over),
            Self::Sink(crew) => crew.drain(bytes, is_over),
        }
    }

    /// Reads the idle clocks at an edge of the steady slice.
    pub(crate) fn read_machine(&mut self, edge: Edge) {
        match self {
            Self::Senders(crew) => crew.read_machine(edge),
            Self::Receivers(crew) => crew.read_machine(edge),
            Self::Sink(crew) => crew.read_machine(edge),
        }
    }

    /// Ends the load of a series.
    pub(crate) fn stop(&self) {
        match self {
            Self::Senders(crew) => crew.gate.open(Phase::Stop),
            // They leave when the flows end.
            Self::Receivers(_) | Self::Sink(_) => {}
        }
    }

    /// Gathers what a series saw, once it is stopped.
    pub(crate) fn finish(self, is_over: &dyn Fn() -> bool) -> Result<Report, Broken> {
        match self {
            Self::Senders(crew) => {
                let (side, machine) = crew.finish(is_over)?;
                Ok(Report::Sent { side, machine })
            }
            Self::Receivers(crew) => {
                let (side, machine) = crew.finish(is_over)?;
                Ok(Report::Received { side, machine })
            }
            Self::Sink(crew) => crew.finish(is_over).map(Report::from),
        }
    }

    /// The load of a trial without an ordered start, up to the end of its window: senders go on until they are stopped, and receivers
    /// have all seen that end while they do.
    pub(crate) fn load(&mut self, times: &Times, is_over: &dyn Fn() -> bool) -> Result<(), Broken> {
        match self {
            Self::Senders(crew) => crew.send_steadily(times, is_over),
            Self::Receivers(crew) => crew.receive_steadily(times, is_over),
            Self::Sink(_) => {
                Err(failed("the sink is on its sender's clock, and its start is ordered"))
            }
        }
    }

    /// Runs the trial.
    pub(crate) fn run(self, times: &Times, is_over: &dyn Fn() -> bool) -> Result<Report, Broken> {
        match self {
            Self::Senders(crew) => {
                let (side, machine) = crew.run(times, is_over)?;
                Ok(Report::Sent { side, machine })
            }
            Self::Receivers(crew) => {
                let (side, machine) = crew.run(times, is_over)?;
                Ok(Report::Received { side, machine })
            }
            Self::Sink(crew) => crew.run(times, is_over).map(Report::from),
        }
    }
}

impl From<Absorbed> for Report {
    fn from(Absorbed { side, facts, machine }: Absorbed) -> Self {
        Self::Absorbed { side, facts, machine }
    }
}

fn pin(cpus: &[u32], worker: usize) -> Result<(), Broken> {
    if cpus.is_empty() {
        return Ok(());
    }
    let cpu = cpus[worker % cpus.len()];
    cpu::pin_thread(&[cpu as usize]).map_err(|error| failed(error.to_string()))
}

/// How long workers may take to get ready: arenas are written once, and large ones take a while.
const GETTING_READY: Duration = Duration::from_secs(60);
/// How long receivers go on after their peers before they are told of an end that they may have missed.
const END_LOOK_NS: u64 = 20_000_000;
/// How long woken workers may take to leave.
const LEAVING: Duration = Duration::from_secs(3);

impl<T: Tally> Crew<T> {
    fn start(
        prepare: Prepare,
        met: Met,
        ring_bytes: u64,
        work: impl Fn(Job<T>) -> Result<Done<T>, Broken> + Clone + Send + 'static,
    ) -> Result<Self, Broken> {
        let workers = prepare.cell.threads.get() as usize;
        let gate = Arc::new(Gate::for_workers(workers));
        let (sender, notes) = mpsc::channel();
        let mut flows = Vec::new();
        for socket in &met.sockets {
            flows.push(socket.try_clone().map_err(|error| failed(error.to_string()))?);
        }
        let each = prepare.cell.flows.get() as usize;
        let is_shared = prepare.cell.sockets == Sockets::Shared;
        if is_shared && prepare.check {
            return Err(unsupported("on a shared connection messages come in no order, so that their content cannot be checked; use --sockets own".to_owned()));
        }
        let mut sockets = (0..).zip(met.sockets);
        // Before its workers make their rings: what is there now is of others.
        let has_ring = prepare.cell.send_path.capabilities().goes_through_uring;
        let ring_threads = (has_ring && matches!(prepare.role, Role::Send)).then(RingThreads::new);
        for worker in 0..workers {
            let of_worker = if is_shared {
                let handles =
                    (0..).zip(&flows).map(|(number, flow)| Ok((number, flow.try_clone()?)));
                handles
                    .collect::<Result<_, kernel::CallError>>()
                    .map_err(|error| failed(error.to_string()))?
            } else {
                sockets.by_ref().take(each).collect()
            };
            let ready = {
                let sender = sender.clone();
                Box::new(move || {
                    let _ = sender.send((worker, Note::Ready));
                })
            };
            let job = Job {
                sockets: of_worker,
                is_shared,
                speaks_tcp: prepare.cell.link.speaks_tcp(),
                gate: Arc::clone(&gate),
                token: prepare.token,
                watch: prepare.cell.watch,
                worker,
                windows: prepare.windows,
                ready,
                _tally: std::marker::PhantomData,
            };
            let (sender, work, cpus) = (sender.clone(), work.clone(), prepare.worker_cpus.clone());
            let gate = Arc::clone(&gate);
            let name = format!("worker {worker}");
            let started = threads::start(&name, &name, move || {
                let done = pin(&cpus, worker).and_then(|()| work(job));
                // The coordinator may have given up and gone.
                let _ = sender.send((
                    worker,
                    match done {
                        Ok(done) => Note::Done(Box::new(done)),
                        Err(broken) => Note::Broken(broken),
                    },
                ));
                gate.nudge();
            });
            started.map_err(|why| unsupported(format!("{why}, or use fewer --threads")))?;
        }
        let strangers = met.strangers;
        let turns = turns::Turns::default();
        let crew = Self {
            gate,
            notes,
            workers,
            flows,
            strangers,
            ring_bytes,
            prepare,
            turns,
            steady: None,
            ring_threads,
        };
        crew.wait_ready()?;
        Ok(crew)
    }

    fn wait_ready(&self) -> Result<(), Broken> {
        for _ in 0..self.workers {
            match self.notes.recv_timeout(GETTING_READY) {
                Ok((_, Note::Ready)) => {}
                Ok((worker, Note::Broken(broken))) => {
                    self.wake();
                    return Err(broken.of_worker(worker));
                }
                Ok((_, Note::Done(_))) | Err(_) => {
                    self.wake();
                    return Err(failed("a worker did not get ready"));
                }
            }
        }
        Ok(())
    }

    /// Ends every blocking call on the flows: `shutdown` wakes `send` (EPIPE) and `recv` (0).
    fn wake(&self) {
        self.gate.open(Phase::Stop);
        for flow in &self.flows {
            // One that is closed already needs no waking.
            let _ = flow.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Waits until a moment, or until a worker is done, whichever comes first.
    fn note_until(
        &self,
        moment_ns: u64,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Option<(usize, Note<T>)>, Broken> {
        note_until(&self.notes, moment_ns, is_over, "all workers are gone")
    }

    /// Has every worker leave. One that does not when it is woken is ended with its process.
    fn dismiss(&self) {
        self.wake();
        let deadline = clock::monotonic_ns() + nanos(LEAVING);
        let mut left = self.workers;
        while left > 0 {
            match self.note_until(deadline, &|| false) {
                Ok(Some((_, Note::Done(_) | Note::Broken(_)))) => left -= 1,
                Ok(Some((_, Note::Ready))) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }

    /// Waits until every worker is done.
    fn gather_all(
        &self,
        until_ns: u64,
        window_end_ns: u64,
        patience: Nanos,
        is_over: &dyn Fn() -> bool,
        done: &mut [Option<Done<T>>],
    ) -> Result<(), Broken> {
        while done.iter().any(Option::is_none) {
            let look_ns = until_ns.min(clock::monotonic_ns() + END_LOOK_NS);
            match self.note_until(look_ns, is_over)? {
                Some((worker, note)) => self.keep(worker, note, window_end_ns, done)?,
                None if look_ns < until_ns => self.tell_ends(),
                None => return Err(self.not_drained(patience)),
            }
        }
        Ok(())
    }

    /// Waits until a moment and keeps what workers report meanwhile.
    fn gather_until(
        &self,
        moment_ns: u64,
        window_end_ns: u64,
        is_over: &dyn Fn() -> bool,
        done: &mut [Option<Done<T>>],
    ) -> Result<(), Broken> {
        while done.iter().any(Option::is_none) {
            match self.note_until(moment_ns, is_over)? {
                Some((worker, note)) => self.keep(worker, note, window_end_ns, done)?,
                None => return Ok(()),
            }
        }
        // Without a common clock a sender that is ahead may end the flows before this end's own stop.
        wait_until(moment_ns, is_over)
    }

    fn keep(
        &self,
        worker: usize,
        note: Note<T>,
        window_end_ns: u64,
        done: &mut [Option<Done<T>>],
    ) -> Result<(), Broken> {
        match note {
            Note::Ready => Ok(()),
            Note::Broken(broken) => Err(broken.of_worker(worker)),
            // By the clock, not by this coordinator's phase: on an oversubscribed CPU it may be late itself.
            Note::Done(finished) if clock::monotonic_ns() < window_end_ns => {
                let over = failed("the connection ended before the window did");
                Err(over.after(finished.total.bytes()).of_worker(worker))
            }
            Note::Done(finished) => {
                done[worker] = Some(*finished);
                Ok(())
            }
        }
    }

    /// Ends the connections that workers share, once all have sent their last; those that end of themselves have ended then.
    fn end_shared(&self) {
        if self.prepare.cell.sockets == Sockets::Shared {
            for flow in &self.flows {
                // One that the peer has closed already needs no ending.
                let _ = flow.shutdown(std::net::Shutdown::Write);
            }
        }
    }

    /// What watches the namespace's TCP, where the trial has any.
    fn namespace(&self) -> Option<Namespace> {
        let cell = &self.prepare.cell;
        let is_watched = cell.watch == model::names::Watch::Cheap && cell.link.speaks_tcp();
        is_watched.then(|| Namespace::attach(()))
    }

    fn socket_facts(&self) -> Result<SocketFacts, Broken> {
        let flow = self.flows.first().ok_or_else(|| failed("a trial without a flow"))?;
        let speaks_tcp = self.prepare.cell.link.speaks_tcp();
        let read = || -> Result<SocketFacts, kernel::CallError> {
            Ok(SocketFacts {
                congestion: if speaks_tcp { flow.congestion()? } else { String::new() },
                nodelay: if speaks_tcp { Some(flow.nodelay()?) } else { None },
                send_buffer_bytes: flow.send_buffer()? as u64,
                receive_buffer_bytes: flow.receive_buffer()? as u64,
                zerocopy: flow.zerocopy()?,
                pacing_bytes_per_s: Some(flow.pacing_rate()?).filter(|rate| *rate != u64::MAX),
                // A kernel without busy polling knows neither option, and polls nothing.
                busy_poll_us: flow.busy_poll().ok().filter(|us| *us > 0),
                napi_id: flow.napi_id().ok().flatten(),
            })
        };
        read().map_err(|error| failed(error.to_string()))
    }
}
