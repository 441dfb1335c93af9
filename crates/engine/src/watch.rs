//! A worker's instruments and its window: what they saw between its edges.

use kernel::clock;
use kernel::socket::Socket;
use model::names::Watch as Level;

use crate::gate::{Gate, Phase};
use crate::instruments::counters::Counters;
use crate::instruments::flows::Flows;
use crate::instruments::rusage::Rusage;
use crate::instruments::{Edge, Instrument};

/// The clocks and the tally at an edge: what every trial reads, whatever watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot<T> {
    /// CLOCK_MONOTONIC.
    pub moment_ns: u64,
    /// CPU time of the worker's thread.
    pub cpu_ns: u64,
    /// What it had counted.
    pub tally: T,
}

/// The instruments of a worker.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) rusage: Rusage,
    pub(crate) counters: Counters,
    pub(crate) flows: Flows,
}

/// One worker's window. It is opened by the worker itself before the start and read at the edges; in between
/// it costs one comparison a message, and what the kernel's own counting costs.
#[derive(Debug)]
pub struct Watch<T> {
    seen: u32,
    pub(crate) attached: Option<Attached>,
    /// The window's start, once seen.
    pub start: Option<Snapshot<T>>,
    /// The window's end, once seen.
    pub end: Option<Snapshot<T>>,
    /// Moment and bytes at the two inner edges.
    pub inner: [(u64, u64); 2],
    /// CPU time that the work at the edges took.
    pub edge_ns: u64,
}

impl<T: Copy> Watch<T> {
    /// Attaches the instruments to the calling thread, with room for so many flows.
    pub fn open(level: Level, flows: usize) -> Self {
        let attached = match level {
            Level::Cheap => Some(Attached {
                rusage: Rusage::attach(()),
                counters: Counters::attach(()),
                flows: Flows::with_room(flows),
            }),
            Level::None => None,
        };
        let phase = Phase::Hold as u32;
        Self { seen: phase, attached, start: None, end: None, inner: [(0, 0); 2], edge_ns: 0 }
    }

    /// Whether the gate has moved since the worker last looked.
    #[inline]
    pub(crate) fn is_edge(&self, word: u32) -> bool {
        word != self.seen
    }

    /// Takes note of a new phase; true if it is time to stop sending.
    #[cold]
    pub(crate) fn cross<'s>(
        &mut self,
        word: u32,
        tally: T,
        bytes: u64,
        sockets: impl Iterator<Item = &'s Socket>,
    ) -> bool {
        self.seen = word;
        let phase = Gate::phase_of(word);
        if phase >= Phase::First && self.start.is_none() {
            self.begin(tally, bytes, sockets);
            // A worker that was held up for the whole window has an empty one, and its trial is marked.
            if phase >= Phase::Tail {
                self.finish(tally, std::iter::empty());
            }
        } else {
            match phase {
                Phase::Second => self.inner = [(clock::monotonic_ns(), bytes); 2],
                Phase::Third => self.inner[1] = (clock::monotonic_ns(), bytes),
                Phase::Tail | Phase::Stop if self.end.is_none() => self.finish(tally, sockets),
                Phase::Hold | Phase::Warmup | Phase::First | Phase::Tail | Phase::Stop => {}
            }
        }
        phase >= Phase::Stop
    }

    /// The flow is over: a window that is still open ends here.
    pub fn close<'s>(&mut self, tally: T, sockets: impl Iterator<Item = &'s Socket>) {
        if self.start.is_some() && self.end.is_none() {
            self.finish(tally, sockets);
        }
    }

    /// The window's start: the clocks last, so that the edge's own work lies before it.
    fn begin<'s>(&mut self, tally: T, bytes: u64, sockets: impl Iterator<Item = &'s Socket>) {
        let entered = clock::thread_cpu_ns();
        if let Some(attached) = &mut self.attached {
            sockets.for_each(|socket| attached.flows.mark_flow(Edge::Start, socket));
            attached.counters.mark(Edge::Start, ());
            attached.rusage.mark(Edge::Start, ());
        }
        let cpu_ns = clock::thread_cpu_ns();
        let moment_ns = clock::monotonic_ns();
        self.start = Some(Snapshot { moment_ns, cpu_ns, tally });
        self.inner = [(moment_ns, bytes); 2];
        self.edge_ns += cpu_ns - entered;
    }

    /// The window's end: the clocks first.
    fn finish<'s>(&mut self, tally: T, sockets: impl Iterator<Item = &'s Socket>) {
        let moment_ns = clock::monotonic_ns();
        let cpu_ns = clock::thread_cpu_ns();
        self.end = Some(Snapshot { moment_ns, cpu_ns, tally });
        if let Some(attached) = &mut self.attached {
            attached.rusage.mark(Edge::End, ());
            attached.counters.mark(Edge::End, ());
            sockets.for_each(|socket| attached.flows.mark_flow(Edge::End, socket));
        }
        self.edge_ns += clock::thread_cpu_ns() - cpu_ns;
    }
}
