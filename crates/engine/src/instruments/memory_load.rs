//! `--memory-load stream`: a thread of the engine that streams through more memory than the last-level cache holds, beside a
//! trial, on a CPU that no worker has.
//!
//! It copies one half of its memory to the other, so that each byte is read from memory and written there: what workers would
//! have of the memory's bandwidth, and of the shared cache, is less by so much. It runs in the slices of the cells that ask for
//! it and sleeps in those of others. As a thread of the engine it ends with the engine, its CPU time is in neither end's cost,
//! and what others took of the machine (`load.rs`) leaves it out with the engine's own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use std::thread::JoinHandle;

use kernel::arena::Arena;
use kernel::copying::{Routine, copy};
use kernel::machine::{LIVE, Machine, memory_limit_bytes};
use kernel::topology::Topology;
use kernel::{clock, cpu};
use model::record::MemoryTraffic;
use model::{Bytes, Missing, Nanos};

use crate::placement::Seats;
use crate::threads;

/// It takes at most this part of memory, the machine's or the container's.
const PART_OF_MEMORY: u64 = 4;
/// Bytes copied between two looks at whether it is to stop, so that it stops well within a slice.
const STRETCH: usize = 256 << 10;

/// What is missing where it cannot be had.
fn lacking(because: impl Into<String>) -> Missing {
    Missing::of_itself("--memory-load stream").because(because)
}

/// How much memory it goes through, and the cache that this is larger than.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sizes {
    buffer: u64,
    cache: u64,
}

impl Sizes {
    /// Twice the last-level cache, so that each half is as large; where that is too much of the memory there is, none.
    fn of(cache: Option<u64>, memory: u64) -> Result<Self, Missing> {
        let Some(cache) = cache.filter(|bytes| *bytes > 0) else {
            return Err(lacking(
                "/sys/devices/system/cpu/cpu0/cache names no cache, so that nobody knows how much memory is more than it holds",
            )
            .unlocked_by("use a machine that tells its caches"));
        };
        let buffer = cache.saturating_mul(2).max(2 * STRETCH as u64);
        if buffer > memory / PART_OF_MEMORY {
            return Err(lacking(format!(
                "twice the last-level cache of {} MiB is more than a quarter of {} MiB of memory",
                cache >> 20,
                memory >> 20
            ))
            .unlocked_by("use a machine, or a container, with more memory"));
        }
        Ok(Self { buffer, cache })
    }

    fn of_this_machine() -> Result<Self, Missing> {
        let unknown = |why: kernel::Unavailable| lacking(why.to_string());
        let memory = Machine::read().memory_bytes.map_err(unknown)?;
        let allowed = memory_limit_bytes(Path::new(LIVE)).unwrap_or(u64::MAX);
        let topology = Topology::read(Path::new(LIVE)).map_err(unknown)?;
        let sized =
            topology.caches.iter().filter_map(|it| Some((it.level, *it.bytes.as_ref().ok()?)));
        let last = sized.max().map(|(_, bytes)| bytes);
        Self::of(last, memory.min(allowed))
    }
}

/// Whether this machine can.
///
/// # Errors
/// Its caches or its memory are not known, or the one is too large for the other.
pub(crate) fn supported() -> Result<(), Missing> {
    Sizes::of_this_machine().map(|_| ())
}

/// What is asked of the thread, on which CPU; it copies until `goes_on` is false.
struct Order {
    cpu: u32,
}

/// What it did since it was let go.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    copied: u64,
    cpu_ns: u64,
    span_ns: u64,
}

type Answer = Result<Done, String>;

/// The thread, asleep. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct MemoryLoad {
    sizes: Sizes,
    orders: Option<Sender<Order>>,
    answers: Receiver<Answer>,
    goes_on: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MemoryLoad {
    /// Starts it and waits until its memory is resident.
    ///
    /// # Errors
    /// What could not be had, with the remedy.
    pub(crate) fn start() -> Result<Self, Missing> {
        Self::with(Sizes::of_this_machine()?)
    }

    fn with(sizes: Sizes) -> Result<Self, Missing> {
        let (orders, ordered) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let goes_on = Arc::new(AtomicBool::new(false));
        let (its, half) = (Arc::clone(&goes_on), sizes.buffer / 2);
        let work = move || stream(half, &ordered, &answer, &its);
        let purpose = "a thread for --memory-load stream";
        let thread = threads::start("memory load", purpose, work).map_err(Missing::from)?;
        let load = Self { sizes, orders: Some(orders), answers, goes_on, thread: Some(thread) };
        load.answer().map_err(|why| lacking(why).unlocked_by("free some memory"))?;
        Ok(load)
    }

    /// Lets it go on this CPU. It streams until what is answered here is ended or dropped.
    ///
    /// # Errors
    /// The thread is gone.
    pub(crate) fn stream(&self, cpu: u32) -> Result<Streaming<'_>, String> {
        self.goes_on.store(true, Ordering::Release);
        let sent = self.orders.as_ref().is_some_and(|orders| orders.send(Order { cpu }).is_ok());
        if sent { Ok(Streaming { load: self, cpu, is_over: false }) } else { Err(gone()) }
    }

    /// Lets it go beside a cell that is seated so; none where nothing streams there.
    ///
    /// # Errors
    /// The thread is gone, or was never started.
    pub(crate) fn beside<'l>(
        load: Option<&'l Self>,
        seats: &Seats,
    ) -> Result<Option<Streaming<'l>>, String> {
        let Some(cpu) = seats.memory_load else { return Ok(None) };
        load.ok_or_else(gone)?.stream(cpu).map(Some)
    }

    fn answer(&self) -> Answer {
        self.answers.recv().map_err(|_| gone())?
    }
}

impl Drop for MemoryLoad {
    fn drop(&mut self) {
        self.goes_on.store(false, Ordering::Release);
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn gone() -> String {
    "--memory-load stream: its thread ended early".to_owned()
}

/// The thread at work.
#[derive(Debug)]
pub(crate) struct Streaming<'l> {
    load: &'l MemoryLoad,
    cpu: u32,
    is_over: bool,
}

impl Streaming<'_> {
    /// Stops it: what it did.
    ///
    /// # Errors
    /// It could not be pinned, or is gone.
    pub(crate) fn end(mut self) -> Result<MemoryTraffic, String> {
        let done = self.stop()?;
        let Sizes { buffer, cache } = self.load.sizes;
        Ok(MemoryTraffic {
            cpu: self.cpu,
            buffer_bytes: Bytes(buffer),
            cache_bytes: Bytes(cache),
            moved_bytes: Bytes(done.copied.saturating_mul(2)),
            cpu_ns: Nanos(done.cpu_ns),
            span_ns: Nanos(done.span_ns),
        })
    }

    fn stop(&mut self) -> Answer {
        self.is_over = true;
        self.load.goes_on.store(false, Ordering::Release);
        self.load.answer()
    }
}

impl Drop for Streaming<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            // On the way out of something that failed and is told of.
            let _ = self.stop();
        }
    }
}

/// The thread's life: ready, then each order and what it did by it.
fn stream(half: u64, ordered: &Receiver<Order>, answers: &Sender<Answer>, goes_on: &AtomicBool) {
    let arena = || {
        let bytes = usize::try_from(half).map_err(|error| error.to_string())?;
        Arena::new(bytes).map_err(|error| error.to_string())
    };
    let (mut to, from) = match arena().and_then(|to| Ok((to, arena()?))) {
        Ok(both) => both,
        Err(why) => {
            let _ = answers.send(Err(why));
            return;
        }
    };
    if answers.send(Ok(Done::default())).is_err() {
        return;
    }
    // It goes on where it stopped, so that a slice does not begin with what the last one left in a cache.
    let mut place = 0;
    while let Ok(Order { cpu }) = ordered.recv() {
        let pinned = cpu::pin_thread(&[cpu as usize])
            .map_err(|error| format!("--memory-load stream: CPU {cpu}: {error}"));
        let (began, cpu_began) = (clock::monotonic_ns(), clock::thread_cpu_ns());
        let mut copied = 0_u64;
        while pinned.is_ok() && goes_on.load(Ordering::Acquire) {
            let end = (place + STRETCH).min(to.len());
            copied +=
                copy(Routine::Memcpy, to.bytes_mut(place..end), from.bytes(place..end)) as u64;
            place = if end == to.len() { 0 } else { end };
        }
        let done = Done {
            copied,
            cpu_ns: clock::thread_cpu_ns().saturating_sub(cpu_began),
            span_ns: clock::monotonic_ns().saturating_sub(began),
        };
        if answers.send(pinned.map(|()| done)).is_err() {
            return;
        }
    }
}

/// What streamed beside each cell of a series, slice by slice.
#[derive(Debug, Default)]
pub(crate) struct Traffic(Vec<Option<MemoryTraffic>>);

impl Traffic {
    /// Adds a slice of a cell.
    pub(crate) fn add(&mut self, cell: usize, slice: MemoryTraffic) {
        let Self(cells) = self;
        if cells.len() <= cell {
            cells.resize(cell + 1, None);
        }
        if let Some(of_cell) = cells.get_mut(cell) {
            *of_cell = Some(match *of_cell {
                None => slice,
                Some(before) => MemoryTraffic {
                    moved_bytes: Bytes(before.moved_bytes.0.saturating_add(slice.moved_bytes.0)),
                    cpu_ns: Nanos(before.cpu_ns.0.saturating_add(slice.cpu_ns.0)),
                    span_ns: Nanos(before.span_ns.0.saturating_add(slice.span_ns.0)),
                    ..slice
                },
            });
        }
    }

    /// All of a cell.
    pub(crate) fn of(&self, cell: usize) -> Option<MemoryTraffic> {
        self.0.get(cell).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn its_memory_is_more_than_the_cache_and_no_more_than_a_quarter_of_all() {
        let sizes = Sizes::of(Some(30 * MIB), 1024 * MIB).unwrap();
        assert_eq!(sizes, Sizes { buffer: 60 * MIB, cache: 30 * MIB });
        let why = Sizes::of(Some(300 * MIB), 1024 * MIB).unwrap_err().to_string();
        assert!(why.contains("300 MiB is more than a quarter of 1024 MiB"), "{why}");
        let why = Sizes::of(None, 1024 * MIB).unwrap_err().to_string();
        assert!(why.contains("names no cache"), "{why}");
    }

    #[test]
    fn it_streams_while_it_is_let_go_and_sleeps_else() {
        let load = MemoryLoad::with(Sizes { buffer: 4 * MIB, cache: MIB }).unwrap();
        let cpu = u32::try_from(cpu::allowed().unwrap().cpus()[0]).unwrap();
        let mut ends = Vec::new();
        for _ in 0..2 {
            let streaming = load.stream(cpu).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(30));
            ends.push(streaming.end().unwrap());
        }
        for end in &ends {
            assert!(end.moved_bytes.0 > 0 && end.cpu_ns.0 > 0, "{end:?}");
            assert!(end.cpu_ns.0 <= end.span_ns.0 + 1_000_000, "{end:?}");
            assert_eq!((end.cpu, end.buffer_bytes.0), (cpu, 4 * MIB));
        }
        // Dropped at work, on the way out of a failure, it sleeps as well and can be let go again.
        drop(load.stream(cpu).unwrap());
        assert!(load.stream(cpu).unwrap().end().is_ok());
        let mut traffic = Traffic::default();
        ends.iter().for_each(|end| traffic.add(1, *end));
        let both = traffic.of(1).unwrap();
        assert_eq!(both.moved_bytes.0, ends[0].moved_bytes.0 + ends[1].moved_bytes.0);
        assert_eq!((traffic.of(0), traffic.of(2)), (None, None));
    }

    #[test]
    fn a_cpu_that_may_not_be_used_is_told() {
        let load = MemoryLoad::with(Sizes { buffer: 4 * MIB, cache: MIB }).unwrap();
        let why = load.stream(100_000).unwrap().end().unwrap_err();
        assert!(why.contains("CPU 100000"), "{why}");
    }
}
