//! A worker's instruments and its windows: what they saw between the edges.

use kernel::clock;
use kernel::run_delay::RunDelay;
use kernel::socket::Socket;
use model::names::Watch as Level;

use crate::gate::{Gate, Phase, Word};
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

/// The two edges of a window.
#[derive(Clone, Copy, Debug)]
pub struct Window<T> {
    /// Where it begins.
    pub start: Snapshot<T>,
    /// Where it ends; none while it is open.
    pub end: Option<Snapshot<T>>,
    /// Whether it is the steady control of a series, which no instrument watches.
    pub is_steady: bool,
    /// Of one that was over before its worker saw it begin: moment and CPU time of the worker when it last took note of a word.
    pub(crate) unseen_since: Option<(u64, u64)>,
    /// For how long the worker waited for a CPU since its slice's load began.
    pub(crate) waited: Waited,
}

/// For how long a worker waited for a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Nobody tells.
    Unknown,
    /// Nothing held it up, so nobody looked.
    Unasked,
    /// So many nanoseconds.
    For(u64),
}

impl<T> Window<T> {
    /// One that begins.
    pub(crate) fn begun(start: Snapshot<T>, is_steady: bool) -> Self {
        Self { start, end: None, is_steady, unseen_since: None, waited: Waited::Unasked }
    }
}

/// The instruments of a worker.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) rusage: Rusage,
    pub(crate) counters: Counters,
    pub(crate) flows: Flows,
}

/// What the worker is to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Go on.
    Load,
    /// Drain, and sleep until the next slice.
    Pause,
    /// Drain, and leave.
    Stop,
}

/// One worker's windows. It is opened by the worker itself before the start and read at the edges; in between
/// it costs one comparison a message, and what the kernel's own counting costs.
#[derive(Debug)]
pub struct Watch<T> {
    seen: Word,
    worker: usize,
    /// Whether it reads the kernel's figures of the flows.
    pub(crate) reads_flows: bool,
    pub(crate) attached: Option<Attached>,
    /// The windows so far.
    pub windows: Vec<Window<T>>,
    /// Moment and bytes at the two inner edges of the last one.
    pub inner: [(u64, u64); 2],
    /// CPU time that the work at the edges took.
    pub edge_ns: u64,
    /// CPU time from the end of each window to the silence after it.
    pub(crate) after_ns: u64,
    /// The CPU clock at the end of a window whose silence has not come yet.
    pub(crate) after_from: Option<u64>,
    /// Tells a worker that was held up for want of a CPU from one that slept in a call; none where the kernel does not tell.
    run_delay: Option<RunDelay>,
    /// For how long it had waited by the beginning of the slice's load.
    waited_ns: Option<u64>,
    /// Where the worker last took note of a word: moment and CPU time.
    noted: (u64, u64),
    /// The shortest window that it saw so far.
    shortest_ns: u64,
}

impl<T: Copy> Watch<T> {
    /// Attaches the instruments to the calling thread, with room for so many flows and one window.
    pub fn open(level: Level, flows: usize) -> Self {
        Self::for_windows(level, flows, 0, 1)
    }

    /// The same of a worker, by its number among those at its gate, with room for several windows: then nothing is
    /// allocated while they are measured.
    pub fn for_windows(level: Level, flows: usize, worker: usize, windows: usize) -> Self {
        let attached = match level {
            Level::Cheap => Some(Attached {
                rusage: Rusage::attach(()),
                counters: Counters::for_windows(windows),
                flows: Flows::with_room(flows * windows),
            }),
            Level::None => None,
        };
        let run_delay = RunDelay::open().ok();
        Self {
            seen: Word(Phase::Hold as u32),
            worker,
            reads_flows: true,
            attached,
            // And the control.
            windows: Vec::with_capacity(windows + 1),
            inner: [(0, 0); 2],
            edge_ns: 0,
            after_ns: 0,
            after_from: None,
            waited_ns: run_delay.as_ref().and_then(RunDelay::waited_ns),
            run_delay,
            noted: (clock::monotonic_ns(), clock::thread_cpu_ns()),
            shortest_ns: u64::MAX,
        }
    }

    /// The same without the kernel's figures of the flows, which another worker reads.
    #[must_use]
    pub(crate) fn without_flows(self) -> Self {
        Self { reads_flows: false, ..self }
    }

    /// The word of the gate that the worker saw last.
    pub(crate) fn seen(&self) -> Word {
        self.seen
    }

    /// Whether the gate has moved since the worker last looked.
    #[inline]
    pub(crate) fn is_edge(&self, word: Word) -> bool {
        word != self.seen
    }

    /// Takes note of a new phase, and says what comes now.
    #[cold]
    pub(crate) fn cross<'s>(
        &mut self,
        gate: &Gate,
        word: Word,
        tally: T,
        bytes: u64,
        sockets: impl Iterator<Item = &'s Socket>,
    ) -> Next {
        self.seen = word;
        let phase = word.phase();
        // A window that is still open although the next slice has begun ends late, and is told as long as it was.
        let is_over = phase >= Phase::Tail || word.windows() > self.windows.len();
        if is_over && self.is_open() {
            self.finish(tally, sockets);
        } else if phase >= Phase::First && self.windows.len() < word.windows() {
            // Windows for which a worker was held up are empty, and told as such.
            let held_up = if phase >= Phase::Tail { word.windows() } else { word.windows() - 1 };
            while self.windows.len() < held_up {
                self.miss(tally, bytes, word.is_steady());
            }
            if self.windows.len() < word.windows() {
                self.begin(tally, bytes, word.is_steady(), sockets);
            }
        } else {
            match phase {
                Phase::Second => self.inner = [(clock::monotonic_ns(), bytes); 2],
                Phase::Third => self.inner[1] = (clock::monotonic_ns(), bytes),
                Phase::Hold
                | Phase::Warmup
                | Phase::First
                | Phase::Tail
                | Phase::Pause
                | Phase::Stop => {}
            }
        }
        self.note();
        match phase {
            Phase::Stop => {
                self.leave();
                Next::Stop
            }
            Phase::Pause => Next::Pause,
            Phase::Warmup | Phase::Tail => {
                if phase == Phase::Warmup {
                    self.silent();
                    self.waited_ns = self.waited();
                }
                gate.tell(self.worker, word, bytes);
                Next::Load
            }
            Phase::Hold | Phase::First | Phase::Second | Phase::Third => Next::Load,
        }
    }

    /// Takes note of where it is at a word, but for the one that begins a window, which has an edge of its own.
    fn note(&mut self) {
        if !self.is_open() {
            self.noted = (clock::monotonic_ns(), clock::thread_cpu_ns());
        }
    }

    /// How long the thread has waited for a CPU so far. Reading it is dear beside a short window, so it is read where a slice begins and
    /// then only where a window was held up.
    fn waited(&self) -> Option<u64> {
        self.run_delay.as_ref()?.waited_ns()
    }

    /// The same since the slice's load began.
    fn waited_since(&self) -> Waited {
        match (self.waited(), self.waited_ns) {
            (Some(now), Some(before)) => Waited::For(now.saturating_sub(before)),
            _ => Waited::Unknown,
        }
    }

    /// The same, where a window of this length and CPU time may have been held up: twice as long as another, or half of it not run.
    fn waited_in(&mut self, wall_ns: u64, cpu_ns: u64) -> Waited {
        self.shortest_ns = self.shortest_ns.min(wall_ns);
        let is_held = wall_ns / 2 >= self.shortest_ns || cpu_ns <= wall_ns / 2;
        match (is_held, &self.run_delay) {
            (true, _) => self.waited_since(),
            (false, Some(_)) => Waited::Unasked,
            (false, None) => Waited::Unknown,
        }
    }

    /// Tells that everything sent is out of the worker's hands and it goes to sleep.
    pub(crate) fn paused(&mut self, gate: &Gate, bytes: u64) {
        self.silent();
        gate.tell(self.worker, self.seen, bytes);
    }

    /// The flow is over: a window that is still open ends here.
    pub fn close<'s>(&mut self, tally: T, sockets: impl Iterator<Item = &'s Socket>) {
        if self.is_open() {
            self.finish(tally, sockets);
        }
        self.leave();
    }

    /// The worker leaves.
    fn leave(&mut self) {
        if let Some(attached) = &mut self.attached {
            attached.counters.leave();
        }
    }

    /// What came after the last window is over.
    fn silent(&mut self) {
        if let Some(from) = self.after_from.take() {
            self.after_ns += clock::thread_cpu_ns().saturating_sub(from);
        }
    }

    fn is_open(&self) -> bool {
        self.windows.last().is_some_and(|window| window.end.is_none())
    }

    /// Whether a window is open whose sums the record holds.
    pub(crate) fn is_counting(&self) -> bool {
        self.windows.last().is_some_and(|window| window.end.is_none() && !window.is_steady)
    }

    fn now(tally: T) -> Snapshot<T> {
        Snapshot { cpu_ns: clock::thread_cpu_ns(), moment_ns: clock::monotonic_ns(), tally }
    }

    fn miss(&mut self, tally: T, bytes: u64, is_steady: bool) {
        let start = Self::now(tally);
        self.inner = [(start.moment_ns, bytes); 2];
        let (moment_ns, cpu_ns) = self.noted;
        self.windows.push(Window {
            end: Some(start),
            unseen_since: Some((moment_ns, cpu_ns)),
            waited: self.waited_since(),
            ..Window::begun(start, is_steady)
        });
    }

    /// The window's start: the clocks last, so that the edge's own work lies before it.
    fn begin<'s>(
        &mut self,
        tally: T,
        bytes: u64,
        is_steady: bool,
        sockets: impl Iterator<Item = &'s Socket>,
    ) {
        let entered = clock::thread_cpu_ns();
        let reads = self.reads_flows;
        if let Some(attached) = self.attached.as_mut().filter(|_| !is_steady) {
            sockets
                .filter(|_| reads)
                .for_each(|socket| attached.flows.mark_flow(Edge::Start, socket));
            attached.counters.mark(Edge::Start, ());
            attached.rusage.mark(Edge::Start, ());
        }
        let start = Self::now(tally);
        self.noted = (start.moment_ns, start.cpu_ns);
        self.windows.push(Window::begun(start, is_steady));
        self.inner = [(start.moment_ns, bytes); 2];
        self.edge_ns += start.cpu_ns - entered;
    }

    /// The window's end: the clocks first.
    fn finish<'s>(&mut self, tally: T, sockets: impl Iterator<Item = &'s Socket>) {
        let moment_ns = clock::monotonic_ns();
        let cpu_ns = clock::thread_cpu_ns();
        let reads = self.reads_flows;
        let Some(window) = self.windows.last_mut() else { return };
        window.end = Some(Snapshot { moment_ns, cpu_ns, tally });
        let began = (window.start.moment_ns, window.start.cpu_ns);
        self.after_from = (!window.is_steady).then_some(cpu_ns);
        if let Some(attached) = self.attached.as_mut().filter(|_| !window.is_steady) {
            attached.rusage.mark(Edge::End, ());
            attached.counters.mark(Edge::End, ());
            sockets
                .filter(|_| reads)
                .for_each(|socket| attached.flows.mark_flow(Edge::End, socket));
        }
        let (wall_ns, ran_ns) = (moment_ns.saturating_sub(began.0), cpu_ns.saturating_sub(began.1));
        let waited = self.waited_in(wall_ns, ran_ns);
        if let Some(window) = self.windows.last_mut() {
            window.waited = waited;
        }
        self.edge_ns += clock::thread_cpu_ns() - cpu_ns;
    }
}
