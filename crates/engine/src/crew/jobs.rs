//! What each worker of an end is started to do.

use std::sync::Arc;

use kernel::socket::Socket;
use kernel::uring::{Deferral, Polling, RingSetup};
use kernel::{clock, limits, process};
use model::message::Message;
use model::record::{ReceiveTally, SendTally};
use model::values::LowWater;
use model::{Bytes, Completions};

use crate::content::{Checked, Content, Pattern, Unread};
use crate::coordinator::{Broken, failed, unsupported};
use crate::gate::Gate;
use crate::meeting::Met;
use crate::protocol::Prepare;
use crate::pump::{self, ReceiveFlow, SendFlow};
use crate::receive_paths::{ReceiveOptions, ReceivePath, with_receive_path};
use crate::release_times::{ReleaseTimer, ReleaseTimes, timed_one_in};
use crate::ring_memory;
use crate::send_paths::{SendOptions, SendPath, with_send_path};
use crate::slots::Slots;
use crate::watch::Watch;

use super::{Crew, Done, Tally};

pub(super) fn start_senders(prepare: Prepare, met: Met) -> Result<Crew<SendTally>, Broken> {
    let cell = &prepare.cell;
    let message = Message::of(cell, process::page_size()).map_err(failed)?;
    let slots = cell.ring.slots(cell.message);
    let arena = message.arena(slots).ok_or_else(|| failed("the ring does not fit in memory"))?;
    let ring_bytes = arena.0 * u64::from(cell.rings());
    let message = Arc::new(message);
    let options = SendOptions {
        so_zerocopy: cell.so_zerocopy.is_on(),
        slots,
        depth: cell.depth.get(),
        // No field is longer than the address space.
        copy_below: usize::try_from(cell.copy_below.bytes().0).unwrap_or(usize::MAX),
        ring: ring_setup(cell),
        registers_file: cell.registered_files.is_on(),
    };
    let pollers = prepare.poller_cpus.clone();
    // What checks content rewrites every message; where nobody tells when that may be, the ring's content repeats instead.
    let can_rewrite = cell.send_path.capabilities().tells_release();
    if cell.rewriting.is_on() && !can_rewrite {
        return Err(unsupported(cell.check().err().unwrap_or_default()));
    }
    let rewriting = cell.rewriting.is_on() || (prepare.check && can_rewrite);
    let (path, completions) = (cell.send_path, cell.completions);
    let memory = (cell.pages, cell.sendfile_from);
    if rewriting && completions == Completions::Left {
        return Err(unsupported("completions left unread do not tell when a message may be rewritten, as checking its content takes; use --completions read".to_owned()));
    }
    // An instrument like the others, and left out where the cell is to have none.
    let one_in = (cell.awaits_releases() && cell.watch == model::names::Watch::Cheap)
        .then(|| timed_one_in(cell.message.bytes().0));
    Crew::start(prepare.clone(), met, ring_bytes, move |job: Job<SendTally>| {
        let message = Arc::clone(&message);
        let mut options = options;
        if let Some(polling) = &mut options.ring.polling
            && !pollers.is_empty()
        {
            polling.cpu = Some(pollers[job.worker % pollers.len()]);
        }
        with_send_path!(path, completions, Path => send_job::<Path>(job, &message, &options, rewriting, (arena, memory, one_in)))
    })
}

/// How the io_urings of a cell's senders are made.
pub(crate) fn ring_setup(cell: &model::Cell) -> RingSetup {
    RingSetup {
        // As short as can be: what polls in a silence is in the way of others.
        polling: cell.is_polled().then_some(Polling { cpu: None, idle_ms: 1, shared_with: None }),
        deferral: match cell.defer_taskrun {
            model::Deferral::Auto => Deferral::WhereKnown,
            model::Deferral::On => Deferral::Always,
            model::Deferral::Off => Deferral::Never,
        },
    }
}

fn send_job<P: SendPath>(
    mut job: Job<SendTally>,
    message: &Message,
    options: &SendOptions,
    rewriting: bool,
    (arena, (pages, file), one_in): (Bytes, (model::Pages, model::RingFile), Option<u32>),
) -> Result<Done<SendTally>, Broken> {
    let bytes = usize::try_from(arena.0).map_err(|_| failed("the ring does not fit in memory"))?;
    let mut flows: Vec<SendFlow<P>> = Vec::with_capacity(job.sockets.len());
    let mut options = *options;
    for (number, socket) in std::mem::take(&mut job.sockets) {
        // One thread polls for all connections of a worker.
        if let Some(polling) = &mut options.ring.polling {
            polling.shared_with = flows.first().and_then(|flow| flow.path.polled_ring());
        }
        // Written by this thread first, so its pages are near the worker's CPU.
        let arena = ring_memory::ring::<P>(bytes, pages, file).map_err(failed)?;
        let mut slots = Slots::new(options.slots);
        if let Some(one_in) = one_in {
            let timer = ReleaseTimer::new(options.slots, one_in, job.seed(number));
            slots = slots.timed_by(timer.map_err(failed)?);
        }
        let mut flow = SendFlow {
            path: P::open(socket, arena, message, &options).map_err(unsupported)?,
            slots,
            pattern: Pattern::new(&job.token, number),
            written: 0,
            is_shared: job.is_shared,
        };
        flow.fill(message);
        ring_memory::settle(flow.path.arena_mut(), file).map_err(failed)?;
        flows.push(flow);
    }
    let mut watch = job.watch(flows.len());
    let mut tally = SendTally::default();
    (job.ready)();
    pump::send(&mut flows, message, rewriting, &job.gate, &mut watch, &mut tally).map_err(
        |(doing, errno)| {
            let remedy = if errno.is_no_buffers() {
                format!("; {}", limits::MORE_FOR_ZEROCOPY)
            } else {
                String::new()
            };
            failed(format!("{doing}: {errno}{remedy}")).after(tally.accepted_bytes)
        },
    )?;
    let cpu_ns = clock::thread_cpu_ns();
    let times = flows.iter().filter_map(|flow| flow.slots.times());
    Ok(Done { watch, total: tally, cpu_ns, releases: ReleaseTimes::sum(times) })
}

pub(super) fn start_receivers(prepare: Prepare, met: Met) -> Result<Crew<ReceiveTally>, Broken> {
    let cell = &prepare.cell;
    let buffer = cell.receive_buffer.bytes(cell.message);
    let ring_bytes = buffer * u64::from(cell.threads.get());
    let (path, check) = (cell.receive_path, prepare.check);
    let repeats_after = (!cell.send_path.capabilities().tells_release())
        .then(|| u64::from(cell.ring.slots(cell.message)).saturating_mul(cell.message.bytes().0));
    if let LowWater::Fixed(bytes) = cell.receive_low_water {
        set_low_water(&met.sockets, bytes)?;
    }
    Crew::start(prepare.clone(), met, ring_bytes, move |job: Job<ReceiveTally>| {
        with_receive_path!(path, Path => if check {
            let token = job.token;
            receive_job::<Path, _>(job, buffer, |flow| {
                let pattern = Pattern::new(&token, flow);
                repeats_after
                    .map_or(Checked::new(pattern), |bytes| Checked::repeating(pattern, bytes))
            })
        } else {
            receive_job::<Path, _>(job, buffer, |_| Unread)
        })
    })
}

/// Has receive calls wait for so many bytes. It is no option to set before the greeting, which is shorter.
pub(super) fn set_low_water(sockets: &[Socket], bytes: u32) -> Result<(), Broken> {
    for socket in sockets {
        let granted = socket
            .set_receive_low_water(bytes as usize)
            .map_err(|error| failed(error.to_string()))?;
        if granted < bytes as usize {
            return Err(unsupported(format!(
                "setsockopt(SO_RCVLOWAT={bytes}): the kernel grants {granted}, half of the largest receive buffer; use a smaller --rcvlowat, or raise net.ipv4.tcp_rmem"
            )));
        }
    }
    Ok(())
}

fn receive_job<P: ReceivePath, C: Content>(
    mut job: Job<ReceiveTally>,
    buffer: u64,
    content: impl Fn(u32) -> C,
) -> Result<Done<ReceiveTally>, Broken> {
    let buffer_bytes =
        usize::try_from(buffer).map_err(|_| failed("the receive buffer is too large"))?;
    let options = ReceiveOptions { buffer_bytes, may_wait: job.sockets.len() == 1 };
    let mut buffer = P::buffer(&options).map_err(failed)?;
    let mut flows = Vec::with_capacity(job.sockets.len());
    for (number, socket) in std::mem::take(&mut job.sockets) {
        let path = P::open(socket, &mut buffer, &options).map_err(unsupported)?;
        flows.push(ReceiveFlow { path, content: content(number) });
    }
    let mut watch = job.watch(flows.len());
    let mut tally = ReceiveTally::default();
    (job.ready)();
    pump::receive(&mut flows, &mut buffer, &job.gate, &mut watch, &mut tally).map_err(
        |(doing, errno)| failed(format!("{doing}: {errno}")).after(tally.received_bytes),
    )?;
    Ok(Done { watch, total: tally, cpu_ns: clock::thread_cpu_ns(), releases: None })
}

/// What a worker starts with.
pub(super) struct Job<T> {
    pub(super) sockets: Vec<(u32, Socket)>,
    /// Whether the other workers have the same.
    pub(super) is_shared: bool,
    /// Whether they are TCP.
    pub(super) speaks_tcp: bool,
    pub(super) gate: Arc<Gate>,
    pub(super) token: crate::protocol::Token,
    pub(super) watch: model::names::Watch,
    /// Its number, and how many windows it will see.
    pub(super) worker: usize,
    pub(super) windows: usize,
    pub(super) ready: Box<dyn FnOnce() + Send>,
    pub(super) _tally: std::marker::PhantomData<T>,
}

impl<T: Tally> Job<T> {
    /// A number that is another one for each flow of each trial.
    fn seed(&self, flow: u32) -> u64 {
        let of_trial = self.token.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        of_trial ^ u64::from(flow + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// What watches the worker. Of connections that all workers have, the first one reads the kernel's figures.
    fn watch(&self, flows: usize) -> Watch<T> {
        let watch = Watch::for_windows(self.watch, flows, self.worker, self.windows);
        let is_read_by_another = self.is_shared && self.worker > 0;
        if is_read_by_another || !self.speaks_tcp { watch.without_flows() } else { watch }
    }
}
