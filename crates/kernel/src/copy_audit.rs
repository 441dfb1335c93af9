//! Counting in the kernel which bytes it copies between user memory and sockets, function by function.
//!
//! The programs stand in `bpf/copy_audit.bpf.c`. Each function is hooked by what the machine allows, in this order: a
//! hardware execution breakpoint (lib/iov_iter.c is built without ftrace, so that nothing else can hook `_copy_from_iter`
//! and `_copy_to_iter`), fentry or fexit, a kprobe; a tracepoint has its one way. Every program is loaded on its own, so
//! that one refusal does not spoil the rest. Nothing outlives the process: programs, maps and events hang on descriptors.

use std::any::Any;
use std::fmt;
use std::io::{BufReader, Read, Write};
use std::os::linux::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use aya::maps::{Array, MapData, PerCpuArray, PerCpuHashMap, PerCpuValues};
use aya::programs::perf_event::{
    BreakpointConfig, PerfEvent, PerfEventConfig, PerfEventScope, SamplePolicy,
};
use aya::programs::{FEntry, FExit, KProbe, Program, ProgramError, RawTracePoint};
use aya::{Btf, Ebpf, EbpfLoader};

use crate::Unavailable;
use crate::machine::tree;
use kallsyms::Symbol;
use refusal::Surroundings;

pub mod kallsyms;
pub(crate) mod refusal;
pub mod system_calls;

static OBJECT: &[u8] = aya::include_bytes_aligned!("../bpf/copy_audit.bpf.o");

/// What the audit may count. The numbers are those of `bpf/copy_audit.bpf.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Counted {
    /// `_copy_from_iter`: from user memory, bytes asked for. It serves files and pipes too: a worker inside `read`,
    /// `pread64` or `write` counts as [`Thread::Any`], so that a worker's copies are those of sockets.
    CopyFromIter = 1,
    /// `_copy_to_iter`: to user memory, bytes asked for; likewise.
    CopyToIter = 2,
    /// `skb_copy_ubufs`: user pages of a packet copied after all; in the watched network namespaces, by port.
    CopyUbufs = 3,
    /// `skb_zerocopy_iter_stream`: user pages put into a packet by reference, bytes taken.
    ZerocopyIter = 4,
    /// `skb_splice_from_iter` (Linux 6.5): other pages put into a packet by reference, bytes taken.
    SpliceIter = 5,
    /// `tcp_sendmsg_locked`: bytes that TCP accepted.
    SendmsgLocked = 6,
    /// Tracepoint `skb:skb_copy_datagram_iovec`: bytes about to be copied from a packet to user memory. A receive with
    /// MSG_TRUNC does not come by.
    CopyDatagram = 7,
    /// Tracepoint `sock:sock_send_length` (Linux 6.3): bytes that a socket accepted.
    SendLength = 8,
    /// Tracepoint `sock:sock_recv_length` (Linux 6.3): bytes that a socket gave.
    RecvLength = 9,
    /// Tracepoint `raw_syscalls:sys_enter`: system calls of workers and of the sink's helper; no bytes.
    SystemCalls = 10,
    /// Tracepoint `tcp:tcp_retransmit_skb`: bytes that TCP sent again, in whatever context; in the watched network
    /// namespaces, by port. Each is copied at delivery once
    /// more where delivery copies.
    Retransmit = 11,
    /// `get_user_pages_fast`: pages of user memory that the kernel took references to, as it does for MSG_ZEROCOPY
    /// (`__iov_iter_get_pages_alloc`, lib/iov_iter.c). A worker inside `futex` or `exit`, where locks are looked up the
    /// same way, counts as [`Thread::Any`]. [`Count::bytes`] holds pages.
    PinnedPages = 12,
}

/// How something is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// A hardware execution breakpoint on every CPU.
    Breakpoint,
    /// fentry or fexit.
    Fentry,
    /// A kprobe or kretprobe.
    Kprobe,
    /// A raw tracepoint.
    Tracepoint,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Breakpoint => "breakpoint",
            Self::Fentry => "fentry",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
        })
    }
}

impl Counted {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::CopyFromIter,
        Self::CopyToIter,
        Self::CopyUbufs,
        Self::ZerocopyIter,
        Self::SpliceIter,
        Self::SendmsgLocked,
        Self::CopyDatagram,
        Self::SendLength,
        Self::RecvLength,
        Self::SystemCalls,
        Self::Retransmit,
        Self::PinnedPages,
    ];

    /// The kernel's name: of a function, or `group:name` of a tracepoint.
    pub fn function(self) -> &'static str {
        match self {
            Self::CopyFromIter => "_copy_from_iter",
            Self::CopyToIter => "_copy_to_iter",
            Self::CopyUbufs => "skb_copy_ubufs",
            Self::ZerocopyIter => "skb_zerocopy_iter_stream",
            Self::SpliceIter => "skb_splice_from_iter",
            Self::SendmsgLocked => "tcp_sendmsg_locked",
            Self::CopyDatagram => "skb:skb_copy_datagram_iovec",
            Self::SendLength => "sock:sock_send_length",
            Self::RecvLength => "sock:sock_recv_length",
            Self::SystemCalls => "raw_syscalls:sys_enter",
            Self::Retransmit => "tcp:tcp_retransmit_skb",
            Self::PinnedPages => "get_user_pages_fast",
        }
    }

    /// The programs that count it, best first.
    fn programs(self) -> &'static [(Hook, &'static str)] {
        match self {
            Self::CopyFromIter => &[(Hook::Breakpoint, "at_copy_from_iter")],
            Self::CopyToIter => &[(Hook::Breakpoint, "at_copy_to_iter")],
            Self::CopyUbufs => {
                &[(Hook::Fentry, "in_copy_ubufs"), (Hook::Kprobe, "probe_copy_ubufs")]
            }
            Self::ZerocopyIter => {
                &[(Hook::Fentry, "in_zerocopy_iter"), (Hook::Kprobe, "probe_zerocopy_iter")]
            }
            Self::SpliceIter => {
                &[(Hook::Fentry, "in_splice_iter"), (Hook::Kprobe, "probe_splice_iter")]
            }
            Self::SendmsgLocked => {
                &[(Hook::Fentry, "in_sendmsg_locked"), (Hook::Kprobe, "probe_sendmsg_locked")]
            }
            Self::CopyDatagram => &[(Hook::Tracepoint, "on_copy_datagram")],
            Self::SendLength => &[(Hook::Tracepoint, "on_send_length")],
            Self::RecvLength => &[(Hook::Tracepoint, "on_recv_length")],
            Self::SystemCalls => &[(Hook::Tracepoint, "on_sys_enter")],
            Self::Retransmit => &[(Hook::Tracepoint, "on_retransmit")],
            Self::PinnedPages => {
                &[(Hook::Fentry, "in_pinned_pages"), (Hook::Kprobe, "probe_pinned_pages")]
            }
        }
    }

    fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|counted| *counted as u8 == number)
    }
}

/// Which thread of a process did it: told by the name that copycost gives its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Thread {
    /// Any other.
    Any = 0,
    /// One named `worker…`.
    Worker = 1,
    /// One named `helper…`: the sink's.
    Helper = 2,
}

/// One sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The process in whose context it happened, as this process numbers it; 0: an idle CPU; `u32::MAX`: a process
    /// that has no number here (of another pid namespace).
    pub process: u32,
    /// What.
    pub counted: Counted,
    /// Which thread of the process.
    pub thread: Thread,
    /// Of [`Counted::SystemCalls`] the call's number; of [`Counted::CopyUbufs`] and [`Counted::Retransmit`] the port that
    /// the packets were for (0 where they had none); otherwise 0.
    pub number: u16,
    /// How often.
    pub calls: u64,
    /// Bytes in all; of [`Counted::PinnedPages`] pages.
    pub bytes: u64,
}

/// `struct key` of the programs: process, what, thread, number; little-endian as both machines are.
fn key(process: u32, counted: Counted, thread: Thread) -> [u8; 8] {
    let [a, b, c, d] = process.to_le_bytes();
    [a, b, c, d, counted as u8, thread as u8, 0, 0]
}

/// The count of a key and its sums on each CPU; `None` for a number that is none of ours.
fn count([a, b, c, d, counted, thread, low, high]: [u8; 8], sums: &[[u64; 2]]) -> Option<Count> {
    Some(Count {
        process: u32::from_le_bytes([a, b, c, d]),
        counted: Counted::of_number(counted)?,
        thread: match thread {
            0 => Thread::Any,
            1 => Thread::Worker,
            2 => Thread::Helper,
            _ => return None,
        },
        number: u16::from_le_bytes([low, high]),
        calls: sums.iter().map(|[calls, _]| calls).sum(),
        bytes: sums.iter().map(|[_, bytes]| bytes).sum(),
    })
}

/// What keeps a program attached; dropping it detaches.
type Attachment = Box<dyn Any>;

/// The programs, loaded; attached between [`Self::attach`] and [`Self::detach`] only, since they cost every copy.
#[derive(Debug)]
pub struct CopyAudit {
    ebpf: Ebpf,
    hooks: Vec<(Counted, Result<Hook, Unavailable>)>,
    attached: Vec<Attachment>,
}

/// The errno of what the loader met, wherever in its chain of causes.
fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.raw_os_error();
        }
        cause = error.source();
    }
    None
}

/// What a chain of errors says, in one line.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl CopyAudit {
    /// Loads the programs that this machine allows; each is attached once to see whether it can be, and detached again.
    ///
    /// # Errors
    /// BPF is refused altogether, or nothing could be hooked.
    pub fn open() -> Result<Self, Unavailable> {
        let surroundings = Surroundings::of(Path::new(tree::LIVE));
        let namespace = std::fs::metadata("/proc/self/ns/pid")
            .map_err(|error| tree::unreadable("proc/self/ns/pid", &error))?;
        // nsfs has no device of its own: major 0, so that the kernel's number is the minor one (bpf_get_ns_current_pid_tgid).
        let device = u64::from(libc::minor(namespace.st_dev()));
        let inode = namespace.st_ino();
        let is_arm = u32::from(cfg!(target_arch = "aarch64"));
        let [read, pread, write, futex, exit] =
            [libc::SYS_read, libc::SYS_pread64, libc::SYS_write, libc::SYS_futex, libc::SYS_exit]
                // No machine has so many calls.
                .map(|call| u16::try_from(call).unwrap_or(u16::MAX));
        let btf = Btf::from_sys_fs().ok();
        let mut ebpf = EbpfLoader::new()
            .btf(btf.as_ref())
            .override_global("PIDNS_DEV", &device, true)
            .override_global("PIDNS_INO", &inode, true)
            .override_global("IS_ARM", &is_arm, true)
            .override_global("CALL_READ", &read, true)
            .override_global("CALL_PREAD", &pread, true)
            .override_global("CALL_WRITE", &write, true)
            .override_global("CALL_FUTEX", &futex, true)
            .override_global("CALL_EXIT", &exit, true)
            .load(OBJECT)
            .map_err(|error| {
                surroundings.refused(Hook::Tracepoint, "sockets", errno(&error), &told(&error))
            })?;
        let mut attached = Vec::new();
        let hooks = Counted::ALL
            .into_iter()
            .map(|counted| {
                let best = attach_best(&mut ebpf, counted, btf.as_ref(), &surroundings);
                (
                    counted,
                    best.map(|(hook, attachments)| {
                        attached.extend(attachments);
                        hook
                    }),
                )
            })
            .collect();
        let mut audit = Self { ebpf, hooks, attached };
        audit.test_breakpoints()?;
        audit.detach();
        match audit.hooks.iter().find_map(|(_, hook)| hook.as_ref().err()) {
            Some(why) if audit.hooks.iter().all(|(_, hook)| hook.is_err()) => Err(why.clone()),
            Some(_) | None => Ok(audit),
        }
    }

    /// Attaches the programs. What cannot be attached this time has its reason in [`Self::hook`] from now on.
    pub fn attach(&mut self) {
        self.detach();
        let surroundings = Surroundings::of(Path::new(tree::LIVE));
        for (counted, found) in &mut self.hooks {
            let Ok(hook) = *found else { continue };
            let of_hook = counted.programs().iter().find(|(known, _)| *known == hook);
            let attached = match of_hook.and_then(|(_, name)| self.ebpf.program_mut(name)) {
                Some(program) => attach(program, *counted),
                None => Err(Refused::Known(no_map())),
            };
            match attached {
                Ok(attachments) => self.attached.extend(attachments),
                Err(why) => *found = Err(why.told(&surroundings, hook, counted.function())),
            }
        }
    }

    /// Detaches the programs: the kernel runs as if they were not there.
    pub fn detach(&mut self) {
        self.attached.clear();
    }

    /// How something is counted here.
    ///
    /// # Errors
    /// It is not, and why.
    pub fn hook(&self, counted: Counted) -> Result<Hook, Unavailable> {
        match self.hooks.iter().find(|(known, _)| *known == counted) {
            Some((_, hook)) => hook.clone(),
            None => Err(refusal::together(counted.function(), &[])),
        }
    }

    /// Counts from 0 again, with room made beforehand for these processes.
    ///
    /// # Errors
    /// The kernel refuses to change the map of counts.
    pub fn reset(&mut self, processes: &[u32]) -> Result<(), Unavailable> {
        let cpus = possible_cpus()?;
        let zeros = |zero| PerCpuValues::try_from(vec![zero; cpus]).map_err(|error| odd(&error));
        let mut counts = self.counts_mut()?;
        let keys: Vec<[u8; 8]> = counts.keys().filter_map(Result::ok).collect();
        for key in keys {
            counts.remove(&key).map_err(|error| odd(&error))?;
        }
        for process in processes {
            for counted in Counted::ALL {
                for thread in [Thread::Any, Thread::Worker, Thread::Helper] {
                    let key = key(*process, counted, thread);
                    counts.insert(key, zeros([0_u64; 2])?, 0).map_err(|error| odd(&error))?;
                }
            }
        }
        let map = self.ebpf.map_mut("lost").ok_or_else(no_map)?;
        let mut lost: PerCpuArray<&mut MapData, u64> = map.try_into().map_err(|e| odd(&e))?;
        let zeros = PerCpuValues::try_from(vec![0; cpus]).map_err(|error| odd(&error))?;
        lost.set(0, zeros, 0).map_err(|error| odd(&error))
    }

    /// Counts packets of these network namespaces alone (inodes, as [`crate::netns::inode_of`] tells them; at most two, of
    /// the two ends); none: of all.
    ///
    /// # Errors
    /// The kernel refuses to change the map of namespaces.
    pub fn watch_namespaces(&mut self, inodes: &[u32]) -> Result<(), Unavailable> {
        let map = self.ebpf.map_mut("namespaces").ok_or_else(no_map)?;
        let mut namespaces: Array<&mut MapData, u32> = map.try_into().map_err(|e| odd(&e))?;
        let places = inodes.iter().copied().chain([0, 0]);
        for (place, inode) in (0..2).zip(places) {
            namespaces.set(place, inode, 0).map_err(|error| odd(&error))?;
        }
        Ok(())
    }

    /// What was counted since the last reset.
    ///
    /// # Errors
    /// The map of counts cannot be read, or had no room, so that its counts are too low.
    pub fn read(&self) -> Result<Vec<Count>, Unavailable> {
        let map = self.ebpf.map("lost").ok_or_else(no_map)?;
        let lost: PerCpuArray<&MapData, u64> = map.try_into().map_err(|e| odd(&e))?;
        let lost: u64 = lost.get(&0, 0).map_err(|error| odd(&error))?.iter().sum();
        if lost > 0 {
            return Err(Unavailable {
                what: "the copy audit".to_owned(),
                because: format!("{lost} calls found no room in the map of counts"),
                remedy: "try again with fewer other processes running".to_owned(),
            });
        }
        let map = self.ebpf.map("counts").ok_or_else(no_map)?;
        let counts: PerCpuHashMap<&MapData, [u8; 8], [u64; 2]> =
            map.try_into().map_err(|error| odd(&error))?;
        let mut all = Vec::new();
        for entry in counts.iter() {
            let (key, sums) = entry.map_err(|error| odd(&error))?;
            all.extend(count(key, &sums).filter(|count| count.calls > 0));
        }
        Ok(all)
    }

    fn counts_mut(
        &mut self,
    ) -> Result<PerCpuHashMap<&mut MapData, [u8; 8], [u64; 2]>, Unavailable> {
        let map = self.ebpf.map_mut("counts").ok_or_else(no_map)?;
        map.try_into().map_err(|error| odd(&error))
    }

    /// Some virtual machines take breakpoints and never hit them: bytes are sent through a local socket, and what does not
    /// see them is not used.
    fn test_breakpoints(&mut self) -> Result<(), Unavailable> {
        const BYTES: usize = 1000;
        let has = |hooks: &[(Counted, Result<Hook, Unavailable>)]| {
            hooks.iter().any(|(_, hook)| *hook == Ok(Hook::Breakpoint))
        };
        if !has(&self.hooks) {
            return Ok(());
        }
        let own = std::process::id();
        self.reset(&[own])?;
        let mut content = [0; BYTES];
        let sent = UnixStream::pair().and_then(|(mut here, mut there)| {
            here.write_all(&content)?;
            there.read_exact(&mut content)
        });
        sent.map_err(|error| odd(&error))?;
        let counts = self.read()?;
        for (counted, hook) in &mut self.hooks {
            let seen = counts.iter().filter(|c| c.process == own && c.counted == *counted);
            if *hook == Ok(Hook::Breakpoint) && seen.map(|c| c.bytes).sum::<u64>() < BYTES as u64 {
                let (because, remedy) =
                    ("breakpoints can be set here but are never hit", "use another machine");
                let why = Unavailable {
                    what: format!("breakpoint on {}", counted.function()),
                    because: because.to_owned(),
                    remedy: remedy.to_owned(),
                };
                *hook = Err(refusal::together(counted.function(), &[(Hook::Breakpoint, why)]));
            }
        }
        Ok(())
    }
}

fn odd(error: &(dyn std::error::Error + 'static)) -> Unavailable {
    let what = "the copy audit".to_owned();
    Unavailable { what, because: told(error), remedy: String::new() }
}

fn no_map() -> Unavailable {
    let because = "the BPF object has not the maps that it was built with".to_owned();
    Unavailable { what: "the copy audit".to_owned(), because, remedy: String::new() }
}

/// CPUs that the kernel keeps a place for in per-CPU maps.
fn possible_cpus() -> Result<usize, Unavailable> {
    aya::util::nr_cpus().map_err(|(path, error)| tree::unreadable(path, &error))
}

fn attach_best(
    ebpf: &mut Ebpf,
    counted: Counted,
    btf: Option<&Btf>,
    surroundings: &Surroundings,
) -> Result<(Hook, Vec<Attachment>), Unavailable> {
    let function = counted.function();
    let mut tried = Vec::new();
    for (hook, program) in counted.programs() {
        let refused = match (surroundings.lacks(*hook, function), ebpf.program_mut(program)) {
            (Some(why), _) => why,
            (None, None) => no_map(),
            (None, Some(program)) => {
                match load(program, function, btf).and_then(|()| attach(program, counted)) {
                    Ok(attachments) => return Ok((*hook, attachments)),
                    Err(why) => why.told(surroundings, *hook, function),
                }
            }
        };
        tried.push((*hook, refused));
    }
    Err(refusal::together(function, &tried))
}

enum Refused {
    Known(Unavailable),
    Loader(ProgramError),
}

impl Refused {
    fn told(self, surroundings: &Surroundings, hook: Hook, function: &str) -> Unavailable {
        match self {
            Self::Known(why) => why,
            Self::Loader(error) => {
                // A function that the kernel's BTF does not know.
                let absent = matches!(&error, ProgramError::Btf(_)).then_some(libc::ENOENT);
                let errno = errno(&error).or(absent);
                surroundings.refused(hook, function, errno, &told(&error))
            }
        }
    }
}

impl From<ProgramError> for Refused {
    fn from(error: ProgramError) -> Self {
        Self::Loader(error)
    }
}

fn load(program: &mut Program, function: &str, btf: Option<&Btf>) -> Result<(), Refused> {
    if let Ok(at) = <&mut PerfEvent>::try_from(&mut *program) {
        at.load()?;
    } else if let Ok(entry) = <&mut FEntry>::try_from(&mut *program) {
        entry.load(function, btf.ok_or_else(no_btf)?)?;
    } else if let Ok(exit) = <&mut FExit>::try_from(&mut *program) {
        exit.load(function, btf.ok_or_else(no_btf)?)?;
    } else if let Ok(probe) = <&mut KProbe>::try_from(&mut *program) {
        probe.load()?;
    } else {
        <&mut RawTracePoint>::try_from(program)?.load()?;
    }
    Ok(())
}

fn attach(program: &mut Program, counted: Counted) -> Result<Vec<Attachment>, Refused> {
    let function = counted.function();
    if let Ok(at) = <&mut PerfEvent>::try_from(&mut *program) {
        return attach_breakpoints(at, function);
    }
    let attachment: Attachment = if let Ok(entry) = <&mut FEntry>::try_from(&mut *program) {
        let id = entry.attach()?;
        Box::new(entry.take_link(id)?)
    } else if let Ok(exit) = <&mut FExit>::try_from(&mut *program) {
        let id = exit.attach()?;
        Box::new(exit.take_link(id)?)
    } else if let Ok(probe) = <&mut KProbe>::try_from(&mut *program) {
        let id = probe.attach(function, 0)?;
        Box::new(probe.take_link(id)?)
    } else {
        let tracepoint = <&mut RawTracePoint>::try_from(program)?;
        let id = tracepoint.attach(function.split_once(':').map_or(function, |(_, name)| name))?;
        Box::new(tracepoint.take_link(id)?)
    };
    Ok(vec![attachment])
}

fn no_btf() -> Refused {
    Refused::Known(Unavailable {
        what: "fentry".to_owned(),
        because: "this kernel's BTF (/sys/kernel/btf/vmlinux) cannot be read".to_owned(),
        remedy: "boot a kernel with CONFIG_DEBUG_INFO_BTF".to_owned(),
    })
}

/// One event a CPU; those of the CPUs before one that refuses are closed again.
fn attach_breakpoints(program: &mut PerfEvent, function: &str) -> Result<Vec<Attachment>, Refused> {
    let unavailable = |because: &str, remedy: &str| {
        Refused::Known(Unavailable {
            what: format!("breakpoint on {function}"),
            because: because.to_owned(),
            remedy: remedy.to_owned(),
        })
    };
    // Before Linux 6.6 an aarch64 kernel does not step over a breakpoint that has a BPF program, and stands still.
    if cfg!(target_arch = "aarch64") && !is_since(6, 6) {
        let because = "breakpoints with BPF programs hang aarch64 kernels before 6.6";
        return Err(unavailable(because, "boot Linux 6.6 or later"));
    }
    let symbol = std::fs::File::open("/proc/kallsyms")
        .and_then(|file| kallsyms::find(BufReader::new(file), function))
        .map_err(|error| Refused::Known(tree::unreadable("proc/kallsyms", &error)))?;
    let address = match symbol {
        Symbol::At(address) => address,
        Symbol::Missing => return Err(unavailable("this kernel has no such function", "")),
        Symbol::Hidden => {
            return Err(unavailable(
                "kernel addresses are hidden (kernel.kptr_restrict, CAP_SYSLOG)",
                "run as root, with sudo sysctl kernel.kptr_restrict=1",
            ));
        }
    };
    let cpus = aya::util::online_cpus()
        .map_err(|(path, error)| Refused::Known(tree::unreadable(path, &error)))?;
    let event = PerfEventConfig::Breakpoint(BreakpointConfig::Instruction { address });
    let mut attached: Vec<Attachment> = Vec::new();
    for cpu in cpus {
        let scope = PerfEventScope::AllProcessesOneCpu { cpu };
        let id = program.attach(event, scope, SamplePolicy::Period(1), false)?;
        attached.push(Box::new(program.take_link(id)?));
    }
    Ok(attached)
}

/// Whether the running kernel is this version or a later one.
fn is_since(major: u8, minor: u8) -> bool {
    aya::util::KernelVersion::current()
        .is_ok_and(|version| version >= aya::util::KernelVersion::new(major, minor, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_as_it_was_written() {
        for counted in Counted::ALL {
            let read = count(key(0x0102_0304, counted, Thread::Worker), &[[1, 10], [2, 20]]);
            let expected = Count {
                process: 0x0102_0304,
                counted,
                thread: Thread::Worker,
                number: 0,
                calls: 3,
                bytes: 30,
            };
            assert_eq!(read, Some(expected));
        }
    }

    #[test]
    fn a_system_calls_number_and_strange_kinds_are_told_apart() {
        let call = count([1, 0, 0, 0, 10, 1, 0x2c, 0x01], &[[5, 0]]).unwrap();
        assert_eq!((call.number, call.calls), (300, 5));
        assert_eq!(count([1, 0, 0, 0, 13, 0, 0, 0], &[]), None);
        assert_eq!(count([1, 0, 0, 0, 1, 3, 0, 0], &[]), None);
    }
}
