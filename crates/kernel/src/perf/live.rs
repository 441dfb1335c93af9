//! Counters of the running kernel, through `perf_event_open`.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::event::{CounterSource, EventRequest};
use crate::Errno;

/// `struct perf_event_attr` as first published (`PERF_ATTR_SIZE_VER0`, 64 bytes): it holds all that
/// plain counting needs, and every kernel since 2.6.31 takes it (include/uapi/linux/perf_event.h).
#[repr(C)]
#[derive(Default)]
pub(crate) struct PerfEventAttr {
    pub(crate) type_: u32,
    pub(crate) size: u32,
    pub(crate) config: u64,
    pub(crate) sample_period: u64,
    pub(crate) sample_type: u64,
    pub(crate) read_format: u64,
    pub(crate) flags: u64,
    pub(crate) wakeup_events: u32,
    pub(crate) bp_type: u32,
    pub(crate) config1: u64,
}

pub(crate) const ATTR_SIZE_VER0: u32 = 64;
const _: () = assert!(size_of::<PerfEventAttr>() == ATTR_SIZE_VER0 as usize);
const _: () = assert!(std::mem::offset_of!(PerfEventAttr, read_format) == 32);
const _: () = assert!(std::mem::offset_of!(PerfEventAttr, flags) == 40);

/// Bits of the `flags` word, on little-endian machines.
const DISABLED: u64 = 1;
const EXCLUDE_HV: u64 = 1 << 6;
const _: () = assert!(cfg!(target_endian = "little"), "the flags' bits run the other way");

const FORMAT_TOTAL_TIME_ENABLED: u64 = 1;
const FORMAT_TOTAL_TIME_RUNNING: u64 = 1 << 1;
const FORMAT_ID: u64 = 1 << 2;
const FORMAT_GROUP: u64 = 1 << 3;

const OPEN_CLOEXEC: libc::c_ulong = 1 << 3;

/// `_IO('$', 0)`, `_IO('$', 1)` and `_IOR('$', 7, __u64 *)` in the encoding that x86 and arm64
/// share (include/uapi/asm-generic/ioctl.h).
const IOC_ENABLE: libc::c_ulong = 0x2400;
const IOC_DISABLE: libc::c_ulong = 0x2401;
const IOC_ID: libc::c_ulong = 0x8008_2407;
const IOC_FLAG_GROUP: libc::c_ulong = 1;

/// The running kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct LiveSource;

impl CounterSource for LiveSource {
    type Event = OwnedFd;

    fn open(&mut self, request: EventRequest, leader: Option<&OwnedFd>) -> Result<OwnedFd, Errno> {
        let attr = PerfEventAttr {
            type_: request.event_type,
            size: ATTR_SIZE_VER0,
            config: request.config,
            read_format: FORMAT_TOTAL_TIME_ENABLED
                | FORMAT_TOTAL_TIME_RUNNING
                | FORMAT_ID
                | FORMAT_GROUP,
            flags: DISABLED | EXCLUDE_HV,
            ..PerfEventAttr::default()
        };
        let this_thread: libc::pid_t = 0;
        let any_cpu: libc::c_int = -1;
        let group: RawFd = leader.map_or(-1, AsRawFd::as_raw_fd);
        // SAFETY: `attr` lives through the call and its `size` is its real size; the kernel only
        // reads it. The other arguments are plain numbers.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attr,
                this_thread,
                any_cpu,
                group,
                OPEN_CLOEXEC,
            )
        };
        match RawFd::try_from(answer) {
            // SAFETY: the kernel has just made this descriptor, so nobody else owns it.
            Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            _ => Err(Errno::last()),
        }
    }

    fn id(&mut self, event: &OwnedFd) -> Result<u64, Errno> {
        let mut id = 0_u64;
        // SAFETY: this request writes one u64 through the pointer, which is valid for that.
        let answer = unsafe { libc::ioctl(event.as_raw_fd(), IOC_ID as _, &raw mut id) };
        if answer == 0 { Ok(id) } else { Err(Errno::last()) }
    }

    fn enable_group(&mut self, leader: &OwnedFd) -> Result<(), Errno> {
        group_request(leader, IOC_ENABLE)
    }

    fn disable_group(&mut self, leader: &OwnedFd) -> Result<(), Errno> {
        group_request(leader, IOC_DISABLE)
    }

    fn read_group(&mut self, leader: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Errno> {
        // SAFETY: the buffer is valid for writes of its length throughout the call.
        let read =
            unsafe { libc::read(leader.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
        usize::try_from(read).map_err(|_| Errno::last())
    }
}

fn group_request(leader: &OwnedFd, request: libc::c_ulong) -> Result<(), Errno> {
    // SAFETY: these requests take a flag by value and touch no memory of ours.
    let answer = unsafe { libc::ioctl(leader.as_raw_fd(), request as _, IOC_FLAG_GROUP) };
    if answer == 0 { Ok(()) } else { Err(Errno::last()) }
}
