//! Counting in the kernel which bytes it copies between user memory and sockets, function by function.
//!
//! The programs stand in `bpf/copy_audit.bpf.c`. Each function is hooked by what the machine allows, in this order: a
//! hardware execution breakpoint (lib/iov_iter.c is built without ftrace, so that nothing else can hook `_copy_from_iter`
//! and `_copy_to_iter`), fentry or fexit, a kprobe; a tracepoint has its one way. Every program is loaded on its own, so
//! that one refusal does not spoil the rest. Nothing outlives the process: programs, maps and events hang on descriptors.

use std::io::{Read, Write};
use std::os::linux::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use aya::maps::{Array, MapData, PerCpuArray, PerCpuHashMap, PerCpuValues};
use aya::{Btf, Ebpf, EbpfLoader};

use crate::Unavailable;
use crate::machine::tree;
use counted::{count, key};
use hooks::{Attachment, Refused, attach, attach_best};
use refusal::{Surroundings, chain, errno, no_map, unknown_error};

mod counted;
mod hooks;
pub(crate) mod kallsyms;
pub(crate) mod refusal;
pub mod system_calls;

pub use counted::{Count, Counted, Hook, Thread};

static OBJECT: &[u8] = aya::include_bytes_aligned!("../bpf/copy_audit.bpf.o");

/// The programs, loaded; attached between [`Self::attach`] and [`Self::detach`] only, since they cost every copy.
#[derive(Debug)]
pub struct CopyAudit {
    ebpf: Ebpf,
    hooks: Vec<(Counted, Result<Hook, Unavailable>)>,
    attached: Vec<Attachment>,
}

impl CopyAudit {
    /// Loads the programs that this machine allows; each is attached once to see whether it can be, and detached again.
    ///
    /// # Errors
    /// BPF is refused altogether, or nothing could be hooked.
    pub fn open() -> Result<Self, Unavailable> {
        let surroundings = Surroundings::read(Path::new(tree::LIVE));
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
                surroundings.refused(Hook::Tracepoint, "sockets", errno(&error), &chain(&error))
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
        let surroundings = Surroundings::read(Path::new(tree::LIVE));
        for (counted, found) in &mut self.hooks {
            let Ok(hook) = *found else { continue };
            let of_hook = counted.programs().iter().find(|(known, _)| *known == hook);
            let attached = match of_hook.and_then(|(_, name)| self.ebpf.program_mut(name)) {
                Some(program) => attach(program, *counted),
                None => Err(Refused::Known(no_map())),
            };
            match attached {
                Ok(attachments) => self.attached.extend(attachments),
                Err(why) => *found = Err(why.explain(&surroundings, hook, counted.function())),
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
        let zeros =
            |zero| PerCpuValues::try_from(vec![zero; cpus]).map_err(|error| unknown_error(&error));
        let mut counts = self.counts_mut()?;
        let keys: Vec<[u8; 8]> = counts.keys().filter_map(Result::ok).collect();
        for key in keys {
            counts.remove(&key).map_err(|error| unknown_error(&error))?;
        }
        for process in processes {
            for counted in Counted::ALL {
                for thread in [Thread::Any, Thread::Worker, Thread::Helper] {
                    let key = key(*process, counted, thread);
                    counts
                        .insert(key, zeros([0_u64; 2])?, 0)
                        .map_err(|error| unknown_error(&error))?;
                }
            }
        }
        let map = self.ebpf.map_mut("lost").ok_or_else(no_map)?;
        let mut lost: PerCpuArray<&mut MapData, u64> =
            map.try_into().map_err(|e| unknown_error(&e))?;
        let zeros = PerCpuValues::try_from(vec![0; cpus]).map_err(|error| unknown_error(&error))?;
        lost.set(0, zeros, 0).map_err(|error| unknown_error(&error))
    }

    /// Counts packets of these network namespaces alone (inodes, as [`crate::netns::inode_of`] tells them; at most two, of
    /// the two ends); none: of all.
    ///
    /// # Errors
    /// The kernel refuses to change the map of namespaces.
    pub fn watch_namespaces(&mut self, inodes: &[u32]) -> Result<(), Unavailable> {
        let map = self.ebpf.map_mut("namespaces").ok_or_else(no_map)?;
        let mut namespaces: Array<&mut MapData, u32> =
            map.try_into().map_err(|e| unknown_error(&e))?;
        let places = inodes.iter().copied().chain([0, 0]);
        for (place, inode) in (0..2).zip(places) {
            namespaces.set(place, inode, 0).map_err(|error| unknown_error(&error))?;
        }
        Ok(())
    }

    /// What was counted since the last reset.
    ///
    /// # Errors
    /// The map of counts cannot be read, or had no room, so that its counts are too low.
    pub fn read(&self) -> Result<Vec<Count>, Unavailable> {
        let map = self.ebpf.map("lost").ok_or_else(no_map)?;
        let lost: PerCpuArray<&MapData, u64> = map.try_into().map_err(|e| unknown_error(&e))?;
        let lost: u64 = lost.get(&0, 0).map_err(|error| unknown_error(&error))?.iter().sum();
        if lost > 0 {
            return Err(Unavailable {
                what: "the copy audit".to_owned(),
                because: format!("{lost} calls found no room in the map of counts"),
                remedy: "try again with fewer other processes running".into(),
            });
        }
        let map = self.ebpf.map("counts").ok_or_else(no_map)?;
        let counts: PerCpuHashMap<&MapData, [u8; 8], [u64; 2]> =
            map.try_into().map_err(|error| unknown_error(&error))?;
        let mut all = Vec::new();
        for entry in counts.iter() {
            let (key, sums) = entry.map_err(|error| unknown_error(&error))?;
            all.extend(count(key, &sums).filter(|count| count.calls > 0));
        }
        Ok(all)
    }

    fn counts_mut(
        &mut self,
    ) -> Result<PerCpuHashMap<&mut MapData, [u8; 8], [u64; 2]>, Unavailable> {
        let map = self.ebpf.map_mut("counts").ok_or_else(no_map)?;
        map.try_into().map_err(|error| unknown_error(&error))
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
        sent.map_err(|error| unknown_error(&error))?;
        let counts = self.read()?;
        for (counted, hook) in &mut self.hooks {
            let seen = counts.iter().filter(|c| c.process == own && c.counted == *counted);
            if *hook == Ok(Hook::Breakpoint) && seen.map(|c| c.bytes).sum::<u64>() < BYTES as u64 {
                let (because, remedy) =
                    ("breakpoints can be set here but are never hit", "use another machine");
                let why = Unavailable {
                    what: format!("breakpoint on {}", counted.function()),
                    because: because.to_owned(),
                    remedy: remedy.into(),
                };
                *hook = Err(refusal::together(counted.function(), &[(Hook::Breakpoint, why)]));
            }
        }
        Ok(())
    }
}

/// CPUs that the kernel keeps a place for in per-CPU maps.
fn possible_cpus() -> Result<usize, Unavailable> {
    aya::util::nr_cpus().map_err(|(path, error)| tree::unreadable(path, &error))
}
