//! A series: slices of load with silence in between, one crew of several at a time.

use std::time::Duration;

use kernel::clock;
use model::record::{Machine, Side};
use model::values::LowWater;
use model::{Bytes, Nanos};

use super::jobs::set_low_water;
use super::{Crew, Done, Note, Tally, failed};
use crate::coordinator::{Broken, LOOK_NS, nanos, wait_until};
use crate::gate::{Phase, SliceKind};
use crate::instruments::cpu_busy::CpuBusy;
use crate::instruments::namespace::Namespace;
use crate::instruments::throttling::Throttling;
use crate::instruments::{Edge, Instrument};
use crate::meeting::MEETING;
use crate::protocol::{GREETING_BYTES, Slice};
use crate::trial::unwatched;

/// Between two looks whether the receivers' queues are empty.
const DRAIN_LOOK_NS: u64 = 30_000;

/// What was seen of a series so far.
#[derive(Debug)]
pub(super) struct Turns<T> {
    /// The slice in hand.
    kind: SliceKind,
    drain: Nanos,
    /// When each window was ordered to begin.
    ordered_ns: Vec<u64>,
    namespace: Option<Namespace>,
    throttling: Option<Throttling>,
    machine: Option<CpuBusy>,
    /// Bytes sent, and this process's CPU time, when the machine was read.
    bytes: [u64; 2],
    cpu_ns: [u64; 2],
    sent: u64,
    _tally: std::marker::PhantomData<T>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self {
            kind: SliceKind::Warmup,
            drain: Nanos(0),
            ordered_ns: Vec::new(),
            namespace: None,
            throttling: None,
            machine: None,
            bytes: [0; 2],
            cpu_ns: [0; 2],
            sent: 0,
            _tally: std::marker::PhantomData,
        }
    }
}

impl<T: Tally> Crew<T> {
    /// Opens the gate for a phase of the slice in hand.
    fn open(&self, phase: Phase) {
        let windows = u32::try_from(self.turns.ordered_ns.len()).unwrap_or(u32::MAX);
        self.gate.open_slice(windows, self.turns.kind, phase);
    }

    /// The slice begins: its load may come.
    fn begin(&mut self, slice: &Slice) {
        self.turns.kind = slice.kind;
        self.turns.drain = slice.drain_ns;
        if slice.kind == SliceKind::Counted && self.turns.ordered_ns.is_empty() {
            self.mark_series(Edge::Start);
        }
        if let Some(threads) = &mut self.ring_threads {
            threads.before_load();
        }
        if slice.kind != SliceKind::Warmup {
            // Counted from here on, so that the word of the load is another one than the last slice's.
            self.turns.ordered_ns.push(0);
        }
        self.open(Phase::Warmup);
    }

    /// What tells of the end as a whole is read in the silence before the first window and after the last.
    fn mark_series(&mut self, edge: Edge) {
        if self.prepare.cell.watch != model::names::Watch::Cheap {
            return;
        }
        if self.turns.namespace.is_none() {
            self.turns.namespace = self.namespace();
        }
        if let Some(namespace) = &mut self.turns.namespace {
            namespace.mark(edge, ());
        }
        self.turns.throttling.get_or_insert_with(|| Throttling::attach(())).mark(edge, ());
    }

    /// The window, from a moment on.
    fn window(
        &mut self,
        slice: &Slice,
        begun_ns: u64,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), Broken> {
        let first = begun_ns + slice.settle_ns.0;
        self.quiet_until(first, is_over)?;
        if slice.kind != SliceKind::Warmup {
            if let Some(ordered) = self.turns.ordered_ns.last_mut() {
                *ordered = first;
            }
            if let Some(threads) = &mut self.ring_threads {
                threads.begin();
            }
            self.open(Phase::First);
        }
        self.quiet_until(first + slice.window_ns.0, is_over)?;
        self.open(Phase::Tail);
        if slice.kind != SliceKind::Warmup
            && let Some(threads) = &mut self.ring_threads
        {
            threads.end();
        }
        Ok(())
    }

    /// Waits until a moment; a worker that breaks or leaves meanwhile ends the series.
    fn quiet_until(&self, moment_ns: u64, is_over: &dyn Fn() -> bool) -> Result<(), Broken> {
        while let Some((worker, note)) = self.note_until(moment_ns, is_over)? {
            self.too_soon(worker, note)?;
        }
        Ok(())
    }

    /// What a worker tells before the series is over.
    fn too_soon(&self, worker: usize, note: Note<T>) -> Result<(), Broken> {
        match note {
            Note::Ready => Ok(()),
            Note::Broken(broken) => Err(broken.of_worker(worker)),
            Note::Done(done) => {
                let early = failed("the connection ended before the series did");
                Err(early.after(done.total.bytes()).of_worker(worker))
            }
        }
    }

    /// A sender's slice: load from now on, which goes on after the window.
    pub(super) fn send_slice(
        &mut self,
        slice: &Slice,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), Broken> {
        self.begin(slice);
        self.window(slice, clock::monotonic_ns(), is_over)
    }

    /// Has receivers wait for as many bytes as the plan says, if it does, or no longer.
    fn low_water(&self, waits: bool) -> Result<(), Broken> {
        match self.prepare.cell.receive_low_water {
            LowWater::Fixed(bytes) => set_low_water(&self.flows, if waits { bytes } else { 1 }),
            LowWater::Auto => Ok(()),
        }
    }

    /// A receiver's slice: it begins when the first worker has taken bytes, and is over when every worker has seen the end
    /// of its window while the senders still load it.
    pub(super) fn receive_slice(
        &mut self,
        slice: &Slice,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), Broken> {
        self.low_water(true)?;
        self.begin(slice);
        self.wait_obeyed(1, MEETING, "no byte came in a slice", is_over)?;
        self.window(slice, clock::monotonic_ns(), is_over)?;
        self.wait_obeyed(self.workers, MEETING, "a worker took nothing in a slice", is_over)
    }

    /// Has senders drain and sleep; returns the bytes that they have sent since the start.
    pub(super) fn pause(&mut self, is_over: &dyn Fn() -> bool) -> Result<u64, Broken> {
        self.open(Phase::Pause);
        let patience = Duration::from_nanos(self.turns.drain.0);
        self.wait_obeyed(self.workers, patience, "a sender did not drain", is_over)?;
        if self.turns.kind != SliceKind::Warmup
            && let Some(threads) = &mut self.ring_threads
        {
            threads.after_load();
        }
        self.turns.sent = self.gate.told_bytes();
        Ok(self.turns.sent)
    }

    /// Waits until so many workers have obeyed the gate's word.
    pub(super) fn wait_obeyed(
        &self,
        workers: usize,
        patience: Duration,
        what: &str,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), Broken> {
        let deadline = clock::monotonic_ns() + nanos(patience);
        let mut answers = self.gate.answers();
        loop {
            if self.gate.obeyed() >= workers {
                return Ok(());
            }
            if let Ok((worker, note)) = self.notes.try_recv() {
                self.too_soon(worker, note)?;
            }
            if is_over() {
                return Err(failed("given up"));
            }
            if clock::monotonic_ns() >= deadline {
                let awaited = self.awaited();
                return Err(failed(format!("{what} within {} s: {awaited}", patience.as_secs())));
            }
            answers = self.gate.wait_for_answer(answers, Duration::from_nanos(LOOK_NS));
        }
    }

    /// Waits until the receivers have taken what their peers have sent: what TCP has received less what waits in the
    /// sockets (`tcpi_bytes_received`, `FIONREAD`); of unix sockets nothing may wait.
    pub(super) fn drain(&mut self, bytes: u64, is_over: &dyn Fn() -> bool) -> Result<(), Broken> {
        self.turns.sent = bytes;
        // What is less than receivers wait for would never be taken.
        self.low_water(false)?;
        let deadline = clock::monotonic_ns() + self.turns.drain.0;
        loop {
            let left = self.not_taken(bytes)?;
            if left == 0 {
                return Ok(());
            }
            if clock::monotonic_ns() >= deadline {
                return Err(failed(format!(
                    "{left} of {bytes} bytes were not received {} after the senders stopped",
                    self.turns.drain
                )));
            }
            wait_until(clock::monotonic_ns() + DRAIN_LOOK_NS, is_over)?;
        }
    }

    /// How many of the bytes that were sent since the start the receivers have not taken.
    fn not_taken(&self, bytes: u64) -> Result<u64, Broken> {
        let (mut taken, mut waiting) = (0, 0);
        let speaks_tcp = self.prepare.cell.link.speaks_tcp();
        for flow in &self.flows {
            let read = || -> Result<_, kernel::CallError> {
                // What waits is read last: what comes in between waits, and is not taken for received.
                let info = if speaks_tcp { Some(flow.tcp_info()?) } else { None };
                Ok((flow.unread_bytes()?, info))
            };
            let (unread, info) = read().map_err(|error| failed(error.to_string()))?;
            waiting += unread;
            let Some(info) = info else { continue };
            let Some(received) = info.bytes_received else {
                return Err(failed("this kernel's TCP_INFO tells no bytes_received; use --steady"));
            };
            taken += received.saturating_sub(unread);
        }
        // The senders have stopped, and a unix socket's call puts its bytes into the receiver's queue before it returns.
        if !speaks_tcp {
            return Ok(waiting);
        }
        let expected = bytes + (self.flows.len() * GREETING_BYTES) as u64;
        Ok(expected.saturating_sub(taken))
    }

    /// Reads the idle clocks.
    pub(super) fn read_machine(&mut self, edge: Edge) {
        if self.prepare.cell.watch != model::names::Watch::Cheap {
            return;
        }
        // An end that is told no CPUs has its own time to tell.
        let cpus = &self.prepare.machine_cpus;
        self.turns.bytes[edge as usize] = self.turns.sent;
        self.turns.cpu_ns[edge as usize] = clock::process_cpu_ns();
        if !cpus.is_empty() {
            self.turns.machine.get_or_insert_with(|| CpuBusy::attach(cpus)).mark(edge, cpus);
        }
    }

    /// Gathers what the workers saw of a series or a steady window, once the senders have stopped.
    pub(super) fn finish(
        mut self,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(Side<T>, Option<Machine>), Broken> {
        let finished = match self.steady.take() {
            Some(steady) => self.end_steady(steady, is_over),
            None => self.gather_series(is_over),
        };
        if finished.is_err() {
            self.dismiss();
        }
        finished
    }

    fn gather_series(
        &mut self,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(Side<T>, Option<Machine>), Broken> {
        self.mark_series(Edge::End);
        let socket = self.socket_facts()?;
        let mut done: Vec<Option<Done<T>>> = (0..self.workers).map(|_| None).collect();
        let until = clock::monotonic_ns() + self.turns.drain.0;
        self.gather_all(until, 0, self.turns.drain, is_over, &mut done)?;
        self.end_shared();
        let done: Vec<Done<T>> = done.into_iter().flatten().collect();
        let Turns { namespace, throttling, machine, bytes, cpu_ns, ordered_ns, .. } = &self.turns;
        let side = self.side(&done, ordered_ns, socket, namespace.as_ref(), throttling.as_ref());
        let between = |[start, end]: [u64; 2]| end.saturating_sub(start);
        let was_read = cpu_ns[Edge::End as usize] > 0;
        let machine = was_read.then(|| Machine {
            moved_bytes: Some(Bytes(between(*bytes))),
            ends_cpu_ns: Some(Nanos(between(*cpu_ns))),
            ..machine.as_ref().map_or_else(unwatched, Instrument::figures)
        });
        Ok((side, machine))
    }
}
