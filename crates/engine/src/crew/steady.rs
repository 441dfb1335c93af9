//! A steady trial: one window in thirds, and the load around it.

use kernel::clock;
use model::Nanos;
use model::record::{Machine, Side, SocketFacts};

use super::{Crew, Done, Tally};
use crate::coordinator::Broken;
use crate::gate::Phase;
use crate::instruments::cpu_busy::CpuBusy;
use crate::instruments::namespace::Namespace;
use crate::instruments::throttling::Throttling;
use crate::instruments::{Edge, Instrument as _};
use crate::meeting::MEETING;
use crate::protocol::Times;

/// How long before the window the instruments of the end and the machine are read. It takes half a millisecond, but
/// the CPU is disturbed for longer: read 5 ms before, the first third of a 250 ms window was 4 % slower than the
/// others, read 30 ms before it was not (`one_trial 'send=send message_bytes=64 threads=1' 250ms 6 200ms`, in turn).
const READING_NS: u64 = 30_000_000;

/// What was seen of a window that is over while its load goes on.
pub(super) struct Steady<T> {
    /// When the window began and ended, as ordered, and the senders were to stop, where that was.
    first_ns: u64,
    end_ns: u64,
    stop_ns: u64,
    drain: Nanos,
    /// Workers that were done by then.
    done: Vec<Option<Done<T>>>,
    socket: SocketFacts,
    namespace: Option<Namespace>,
    throttling: Option<Throttling>,
    machine: Option<CpuBusy>,
}

impl<T: Tally> Crew<T> {
    /// The whole trial, whose senders stop after the ordered tail.
    pub(super) fn run(
        mut self,
        times: &Times,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(Side<T>, Option<Machine>), Broken> {
        let result = self.window_of(times, is_over).and_then(|mut steady| {
            self.gather_until(steady.stop_ns, steady.end_ns, is_over, &mut steady.done)?;
            self.gate.open(Phase::Stop);
            let drained_ns = steady.stop_ns.saturating_add(steady.drain.0);
            self.gather_steady(steady, drained_ns, is_over)
        });
        if result.is_err() {
            self.dismiss();
        }
        result
    }

    /// A sender's load, which goes on after the window.
    pub(super) fn send_steadily(
        &mut self,
        times: &Times,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), Broken> {
        self.keep_steady(times, is_over, |_| Ok(()))
    }

    /// A receiver's window, which begins when its first bytes are there; it is over when every worker has seen its end while the
    /// senders still load it.
    pub(super) fn receive_steadily(
        &mut self,
        times: &Times,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), Broken> {
        let what = "a worker took nothing after its window";
        self.keep_steady(times, is_over, |crew| {
            crew.wait_obeyed(crew.workers, MEETING, what, is_over)
        })
    }

    fn keep_steady(
        &mut self,
        times: &Times,
        is_over: &dyn Fn() -> bool,
        seen: impl FnOnce(&Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let steady = self.window_of(times, is_over).and_then(|steady| seen(self).map(|()| steady));
        if steady.is_err() {
            self.dismiss();
        }
        self.steady = Some(steady?);
        Ok(())
    }

    /// What a steady window saw, once its senders are told to stop.
    pub(super) fn end_steady(
        &mut self,
        steady: Steady<T>,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(Side<T>, Option<Machine>), Broken> {
        self.gate.open(Phase::Stop);
        let drained_ns = clock::monotonic_ns().saturating_add(steady.drain.0);
        self.gather_steady(steady, drained_ns, is_over)
    }

    /// Loads and measures up to the end of the window.
    fn window_of(
        &mut self,
        times: &Times,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Steady<T>, Broken> {
        let moments = times.moments(clock::monotonic_ns());
        let [_, first_ns, .., end, stop_ns] = moments.edges_ns;
        let phases = [Phase::Warmup, Phase::First, Phase::Second, Phase::Third, Phase::Tail];
        let watched = self.prepare.cell.watch == model::names::Watch::Cheap;
        let mut namespace = self.namespace();
        let mut throttling = watched.then(|| Throttling::attach(()));
        let cpus = self.prepare.machine_cpus.clone();
        let mut machine = (watched && !cpus.is_empty()).then(|| CpuBusy::attach(&cpus));
        let mut done: Vec<Option<Done<T>>> = (0..self.workers).map(|_| None).collect();
        let mut socket = SocketFacts::default();
        // Reading /proc takes CPU time from the workers: it happens just before the window and just after it.
        let mut mark = |edge: Edge| {
            if let Some(machine) = &mut machine {
                machine.mark(edge, &cpus);
            }
            if let Some(namespace) = &mut namespace {
                namespace.mark(edge, ());
            }
            if let Some(throttling) = &mut throttling {
                throttling.mark(edge, ());
            }
        };
        if let Some(threads) = &mut self.ring_threads {
            threads.before_load();
        }
        for (phase, moment) in phases.into_iter().zip(moments.edges_ns) {
            if phase == Phase::First && watched {
                // Not before the warm-up is under way.
                let early = moment.saturating_sub(READING_NS.min(times.warmup_ns.0 / 2));
                self.gather_until(early, end, is_over, &mut done)?;
                mark(Edge::Start);
                // One that came in the warm-up has nothing of it in the window.
                if let Some(threads) = &mut self.ring_threads {
                    threads.before_load();
                }
            }
            self.gather_until(moment, end, is_over, &mut done)?;
            if phase == Phase::First
                && let Some(threads) = &mut self.ring_threads
            {
                threads.begin();
            }
            self.gate.open(phase);
            if phase == Phase::Tail {
                if let Some(threads) = &mut self.ring_threads {
                    threads.end();
                }
                mark(Edge::End);
                if let Some(threads) = &mut self.ring_threads {
                    threads.find();
                }
                socket = self.socket_facts()?;
            }
        }
        let (end_ns, drain) = (end, times.drain_ns);
        Ok(Steady {
            first_ns,
            end_ns,
            stop_ns,
            drain,
            done,
            socket,
            namespace,
            throttling,
            machine,
        })
    }

    /// Gathers what the workers saw.
    fn gather_steady(
        &self,
        steady: Steady<T>,
        drained_ns: u64,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(Side<T>, Option<Machine>), Broken> {
        let Steady { first_ns, end_ns, drain, mut done, .. } = steady;
        self.gather_all(drained_ns, end_ns, drain, is_over, &mut done)?;
        self.end_shared();
        if self.is_alone() {
            self.await_taken(drained_ns, drain, is_over)?;
        }
        let done: Vec<Done<T>> = done.into_iter().flatten().collect();
        let (namespace, throttling) = (steady.namespace.as_ref(), steady.throttling.as_ref());
        let side = self.side(&done, &[first_ns], steady.socket, namespace, throttling);
        Ok((side, steady.machine.map(|machine| machine.figures())))
    }
}
