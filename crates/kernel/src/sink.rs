//! The sink's BPF program and its table: load, attach, read without a system call.
//!
//! The program is `bpf/sink.bpf.c`, the object beside it is built from it by `cargo run -p xtask -- bpf`. Loaded
//! programs, their maps and their attachment live as long as the value here, or the process.

use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use aya::maps::{Array, Map};
use aya::programs::tc::{NlOptions, TcAttachOptions, qdisc_add_clsact};
use aya::programs::{SchedClassifier, TcAttachType, TestRun, TestRunOptions};
use aya::{Ebpf, EbpfLoader};

use crate::error::{CallError, Errno, Remedy, Unavailable};
use crate::process;

mod refusal;

use refusal::{errno, refused};

/// Aligned as an ELF file must be to be read in place.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!("../bpf/sink.bpf.o"));

/// What the program must know of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkTrial {
    /// The address that the peer connects to.
    pub address: IpAddr,
    /// Flow n connects to this port and n.
    pub first_port: u16,
    /// Flows of the trial, at least 1.
    pub flows: u32,
    /// What every connection begins with; the number of the flow follows (32 bits, big endian).
    pub token: [u8; 16],
}

/// `struct trial` of the program.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawTrial {
    sink: [u8; 16],
    token: [u8; 16],
    first_port: u32,
    flows: u32,
}

// SAFETY: plain numbers without padding.
unsafe impl aya::Pod for RawTrial {}

/// `struct published` of the program, in shared memory.
#[repr(C)]
struct RawFlow {
    next: AtomicU32,
    repeats: AtomicU32,
    state: AtomicU32,
    syns: AtomicU32,
    refusals: AtomicU32,
    port: AtomicU32,
    peer_ack: AtomicU32,
    refused_port: AtomicU32,
    source: [AtomicU32; 4],
    payload_bytes: AtomicU64,
    packets: AtomicU64,
    gaps: AtomicU64,
    reordered: AtomicU64,
    duplicates: AtomicU64,
    duplicate_bytes: AtomicU64,
    refused_source: [AtomicU32; 4],
    refused_ack: AtomicU32,
    _reserved: [AtomicU32; 3],
}

/// `struct totals` of the program, in shared memory.
#[repr(C)]
struct RawTotals {
    refused: AtomicU64,
    strangers: AtomicU64,
    others: AtomicU64,
}

/// How far a flow's connection has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowState {
    /// No connection yet.
    Listening,
    /// A SYN was seen.
    Ungreeted,
    /// It has shown the token.
    Open,
    /// Its FIN is in order: every byte before it was taken.
    Finished,
    /// It was reset by its peer.
    Reset,
}

impl FlowState {
    fn from_word(word: u32) -> Self {
        match word {
            0 => Self::Listening,
            1 => Self::Ungreeted,
            2 => Self::Open,
            3 => Self::Finished,
            _ => Self::Reset,
        }
    }
}

/// What the helper needs of a flow at a look. Each field is read for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowLook {
    /// The sequence number to acknowledge.
    pub next: u32,
    /// Packets so far that asked for an acknowledgement although `next` stayed.
    pub repeats: u32,
    /// How far its connection has got.
    pub state: FlowState,
    /// SYNs so far.
    pub syns: u32,
    /// Greetings refused so far.
    pub refusals: u32,
}

/// What was counted of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounts {
    /// Payload bytes in order, greetings included.
    pub payload_bytes: u64,
    /// Packets with payload that were taken.
    pub packets: u64,
    /// Packets beyond a gap that were dropped.
    pub gaps: u64,
    /// Packets that came early and were joined later.
    pub reordered: u64,
    /// Packets whose payload was there already.
    pub duplicates: u64,
    /// Payload bytes that were there already.
    pub duplicate_bytes: u64,
}

/// What was counted over all flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinkTotals {
    /// TCP packets that are no flow's of the trial.
    pub refused: u64,
    /// Connections that are no flow's of the trial.
    pub strangers: u64,
    /// Packets that are not TCP, such as neighbour discovery.
    pub others: u64,
}

/// How often the program ran and how long it took, as the kernel counts while a [`RunTimeCount`] lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunTime {
    /// Runs.
    pub runs: u64,
    /// Nanoseconds.
    pub ns: u64,
}

/// While it lives the kernel counts the run time of all BPF programs (`BPF_ENABLE_STATS`): about 20 ns a run.
#[derive(Debug)]
pub struct RunTimeCount {
    _fd: OwnedFd,
}

impl RunTimeCount {
    /// Begins to count.
    ///
    /// # Errors
    /// The kernel's refusal (CAP_SYS_ADMIN).
    pub fn begin() -> Result<Self, Unavailable> {
        aya::sys::enable_stats(aya::sys::Stats::RunTime).map(|fd| Self { _fd: fd }).map_err(
            |error| refused("the run time of BPF programs", "bpf(BPF_ENABLE_STATS)", &error),
        )
    }
}

/// A part of a mapped array.
struct Mapped<T> {
    base: NonNull<T>,
    entries: usize,
    bytes: usize,
}

// SAFETY: the mapping belongs to the value, and what is in it is read through atomics alone.
unsafe impl<T: Sync> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Mapped<T> {}

impl<T> Mapped<T> {
    fn new(map: BorrowedFd<'_>, entries: usize) -> Result<Self, CallError> {
        let bytes = (entries * size_of::<T>()).next_multiple_of(process::page_size());
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of ours.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        match NonNull::new(base.cast::<T>()) {
            Some(base) if base.as_ptr().cast() != libc::MAP_FAILED => {
                Ok(Self { base, entries, bytes })
            }
            Some(_) | None => Err(CallError::last("mmap", format!("{bytes} bytes of a BPF array"))),
        }
    }

    fn entries(&self) -> &[T] {
        // SAFETY: the mapping has that many entries, each valid whatever its bytes are (atomic integers), and lives as long
        // as the value.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.entries) }
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and no reference to it outlives the value.
        let _ = unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// The program, loaded for one trial.
pub struct Sink {
    program: Ebpf,
    table: Mapped<RawFlow>,
    totals: Mapped<RawTotals>,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").field("flows", &self.table.entries).finish_non_exhaustive()
    }
}

const WHAT: &str = "the sink";
/// The program's name in its object.
const PROGRAM: &str = "sink";

/// The one loader of the process. A new one reads and parses the kernel's type information, which takes tens of milliseconds and
/// which this program has no use for.
static LOADER: LazyLock<Mutex<EbpfLoader<'static>>> = LazyLock::new(|| {
    let mut loader = EbpfLoader::new();
    loader.btf(None);
    Mutex::new(loader)
});

fn missing() -> Unavailable {
    broken(format!("its object has no classifier named {PROGRAM}"))
}

fn broken(because: impl Into<String>) -> Unavailable {
    Unavailable { what: WHAT.to_owned(), because: because.into(), remedy: Remedy::default() }
}

impl Sink {
    /// Loads the program for a trial; it sees no packet yet.
    ///
    /// # Errors
    /// What this user or kernel lacks, with the remedy.
    pub fn load(trial: &SinkTrial) -> Result<Self, Unavailable> {
        let last = u64::from(trial.first_port) + u64::from(trial.flows);
        if trial.flows == 0 || last > 65_536 {
            return Err(broken(format!(
                "{} flows from port {} on do not fit into the port numbers",
                trial.flows, trial.first_port
            )));
        }
        let raw = RawTrial {
            sink: match trial.address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            },
            token: trial.token,
            first_port: u32::from(trial.first_port),
            flows: trial.flows,
        };
        let mut program = LOADER
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .map_max_entries("FLOWS", trial.flows)
            .map_max_entries("PUBLISHED", trial.flows)
            .load(&OBJECT.0)
            .map_err(|error| refused(WHAT, "bpf(BPF_MAP_CREATE)", &error))?;
        program
            .map_mut("TRIAL")
            .and_then(|map| Array::<_, RawTrial>::try_from(map).ok())
            .ok_or_else(|| broken("its object has no array named TRIAL"))?
            .set(0, raw, 0)
            .map_err(|error| refused(WHAT, "bpf(BPF_MAP_UPDATE_ELEM)", &error))?;
        classifier(&mut program)?
            .load()
            .map_err(|error| refused(WHAT, "bpf(BPF_PROG_LOAD)", &error))?;
        let flows = usize::try_from(trial.flows).unwrap_or(usize::MAX);
        let table = mapped(&program, "PUBLISHED", flows)?;
        let totals = mapped(&program, "TOTALS", 1)?;
        Ok(Self { program, table, totals })
    }

    /// Puts the program where packets enter a device of the caller's network namespace; from then on none gets past it.
    ///
    /// # Errors
    /// What this user or kernel lacks, with the remedy.
    pub fn attach(&mut self, device: &str) -> Result<(), Unavailable> {
        let classifier = classifier(&mut self.program)?;
        // Since Linux 6.6 a program is attached to a device without a queueing discipline (tcx).
        if classifier.attach(device, TcAttachType::Ingress).is_ok() {
            return Ok(());
        }
        let asked = format!("tc qdisc add dev {device} clsact");
        if let Err(error) = qdisc_add_clsact(device)
            // An earlier trial's: it stays as long as the device.
            && errno(&error) != Some(Errno(libc::EEXIST))
        {
            return Err(refused(WHAT, &asked, &error));
        }
        let options = TcAttachOptions::Netlink(NlOptions::default());
        let asked = format!("tc filter add dev {device} ingress bpf");
        classifier
            .attach_with_options(device, TcAttachType::Ingress, options)
            .map(|_| ())
            .map_err(|error| refused(WHAT, &asked, &error))
    }

    /// Runs the program once on a made frame, as if it had come (`BPF_PROG_TEST_RUN`). What it answers is the verdict of
    /// `tc`: 2 is drop.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn offer(&mut self, frame: &[u8]) -> Result<u32, Unavailable> {
        let options = TestRunOptions { data_in: Some(frame), ..TestRunOptions::default() };
        classifier(&mut self.program)?
            .test_run(options)
            .map(|ran| ran.return_value)
            .map_err(|error| refused(WHAT, "bpf(BPF_PROG_TEST_RUN)", &error))
    }

    /// Run time so far, of what ran while a [`RunTimeCount`] lived.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn run_time(&self) -> Result<RunTime, Unavailable> {
        let program = self.program.program(PROGRAM).ok_or_else(missing)?;
        let info = program.info().map_err(|error| {
            refused("the run time of the sink's program", "bpf(BPF_OBJ_GET_INFO_BY_FD)", &error)
        })?;
        let ns = u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX);
        Ok(RunTime { runs: info.run_count(), ns })
    }

    /// Flows of the trial.
    pub fn flows(&self) -> usize {
        self.table.entries
    }

    /// A look at a flow, without a system call.
    ///
    /// # Panics
    /// As slices do, where there is no such flow.
    #[inline]
    pub fn look(&self, flow: usize) -> FlowLook {
        let flow = &self.table.entries()[flow];
        // The counts of reasons first: whatever they stand for is then in `next`, or asks again at the next look.
        let repeats = flow.repeats.load(Ordering::Acquire);
        let syns = flow.syns.load(Ordering::Acquire);
        let refusals = flow.refusals.load(Ordering::Acquire);
        let state = FlowState::from_word(flow.state.load(Ordering::Acquire));
        FlowLook { next: flow.next.load(Ordering::Acquire), repeats, state, syns, refusals }
    }

    /// Whom a flow's answers are for, once a SYN was seen.
    pub fn peer(&self, flow: usize) -> Option<(IpAddr, u16)> {
        let flow = self.table.entries().get(flow)?;
        address(&flow.source, &flow.port)
    }

    /// Whose greeting was refused last, and the sequence number that it expects.
    pub fn refused_peer(&self, flow: usize) -> Option<((IpAddr, u16), u32)> {
        let flow = self.table.entries().get(flow)?;
        let peer = address(&flow.refused_source, &flow.refused_port)?;
        Some((peer, flow.refused_ack.load(Ordering::Acquire)))
    }

    /// The highest sequence number of ours that a flow's peer has acknowledged.
    pub fn peer_ack(&self, flow: usize) -> u32 {
        self.table.entries().get(flow).map_or(0, |flow| flow.peer_ack.load(Ordering::Acquire))
    }

    /// What was counted of a flow, each figure for itself.
    pub fn counts(&self, flow: usize) -> FlowCounts {
        self.table.entries().get(flow).map_or_else(FlowCounts::default, |flow| FlowCounts {
            payload_bytes: flow.payload_bytes.load(Ordering::Relaxed),
            packets: flow.packets.load(Ordering::Relaxed),
            gaps: flow.gaps.load(Ordering::Relaxed),
            reordered: flow.reordered.load(Ordering::Relaxed),
            duplicates: flow.duplicates.load(Ordering::Relaxed),
            duplicate_bytes: flow.duplicate_bytes.load(Ordering::Relaxed),
        })
    }

    /// What was counted over all flows.
    pub fn totals(&self) -> SinkTotals {
        self.totals.entries().first().map_or_else(SinkTotals::default, |totals| SinkTotals {
            refused: totals.refused.load(Ordering::Relaxed),
            strangers: totals.strangers.load(Ordering::Relaxed),
            others: totals.others.load(Ordering::Relaxed),
        })
    }
}

fn classifier(program: &mut Ebpf) -> Result<&mut SchedClassifier, Unavailable> {
    program.program_mut(PROGRAM).and_then(|program| program.try_into().ok()).ok_or_else(missing)
}

fn mapped<T>(program: &Ebpf, name: &str, entries: usize) -> Result<Mapped<T>, Unavailable> {
    let Some(Map::Array(map)) = program.map(name) else {
        return Err(broken(format!("its object has no array named {name}")));
    };
    Mapped::new(map.fd().as_fd(), entries).map_err(|error| broken(error.to_string()))
}

fn address(parts: &[AtomicU32; 4], port: &AtomicU32) -> Option<(IpAddr, u16)> {
    let mut octets = [0; 16];
    for (to, part) in octets.chunks_exact_mut(4).zip(parts) {
        // Network byte order in memory.
        to.copy_from_slice(&part.load(Ordering::Acquire).to_ne_bytes());
    }
    let port = u16::try_from(port.load(Ordering::Acquire)).ok().filter(|port| *port > 0)?;
    Some((Ipv6Addr::from(octets).to_canonical(), port))
}

/// Whether this user and kernel can have the sink's program.
///
/// # Errors
/// What is missing, with the remedy.
pub fn supported() -> Result<(), Unavailable> {
    let trial = SinkTrial {
        address: IpAddr::V6(Ipv6Addr::LOCALHOST),
        first_port: 1,
        flows: 1,
        token: [0; 16],
    };
    Sink::load(&trial).map(|_| ())
}
