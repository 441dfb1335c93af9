//! One event on one CPU with its ring buffer.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::perf::{ATTR_SIZE_VER0, PerfEventAttr};
use crate::{CallError, Errno, process};

/// What raises a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampled {
    /// Unhalted cycles: only a CPU that runs has samples.
    Cycles,
    /// The CPU's clock, a timer: idling has samples too.
    CpuClock,
}

impl Sampled {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cycles => "cycles",
            Self::CpuClock => "cpu-clock",
        }
    }
}

/// `PERF_TYPE_*`, `PERF_COUNT_*`, `PERF_SAMPLE_*`, `PERF_FORMAT_LOST` (Linux 6.0) and bits of the `flags` word.
const TYPE_HARDWARE: u32 = 0;
const TYPE_SOFTWARE: u32 = 1;
const HW_CPU_CYCLES: u64 = 0;
const SW_CPU_CLOCK: u64 = 0;
const SAMPLE_IP: u64 = 1;
const SAMPLE_TID: u64 = 1 << 1;
const SAMPLE_TIME: u64 = 1 << 2;
const SAMPLE_CALLCHAIN: u64 = 1 << 5;
const SAMPLE_CPU: u64 = 1 << 7;
const FORMAT_LOST: u64 = 1 << 4;
const DISABLED: u64 = 1;
const EXCLUDE_HV: u64 = 1 << 6;
const PMU_TYPE_SHIFT: u32 = 32;
const OPEN_CLOEXEC: libc::c_ulong = 1 << 3;
/// `_IO('$', 0)` and `_IO('$', 1)`.
const IOC_ENABLE: libc::c_ulong = 0x2400;
const IOC_DISABLE: libc::c_ulong = 0x2401;

/// Where `data_head`, `data_tail`, `data_offset` and `data_size` stand in `struct perf_event_mmap_page`: after a
/// reserve that fills it up to 1 KiB.
const DATA_HEAD: usize = 1024;

/// An event on a CPU and the memory that its samples are written to.
#[derive(Debug)]
pub(super) struct Ring {
    event: OwnedFd,
    pages: Pages,
    tells_lost: bool,
}

impl Ring {
    /// Opens one, disabled, with room for `bytes` (a power of two).
    pub(super) fn open(
        sampled: Sampled,
        period: u64,
        cpu: u32,
        pmu: u32,
        bytes: usize,
    ) -> Result<Self, CallError> {
        let argument = || format!("{} of CPU {cpu}", sampled.name());
        let (event, tells_lost) = match event(sampled, period, cpu, pmu, FORMAT_LOST) {
            Ok(event) => (event, true),
            // Before Linux 6.0 no counter tells its losses.
            Err(Errno(libc::EINVAL)) => (
                event(sampled, period, cpu, pmu, 0).map_err(|errno| CallError {
                    call: "perf_event_open",
                    argument: argument(),
                    errno,
                })?,
                false,
            ),
            Err(errno) => {
                return Err(CallError { call: "perf_event_open", argument: argument(), errno });
            }
        };
        let pages = Pages::map(&event, bytes).map_err(|errno| CallError {
            call: "mmap",
            argument: argument(),
            errno,
        })?;
        Ok(Self { event, pages, tells_lost })
    }

    pub(super) fn enable(&self) -> Result<(), CallError> {
        self.request(IOC_ENABLE, "PERF_EVENT_IOC_ENABLE")
    }

    pub(super) fn disable(&self) -> Result<(), CallError> {
        self.request(IOC_DISABLE, "PERF_EVENT_IOC_DISABLE")
    }

    fn request(&self, request: libc::c_ulong, name: &'static str) -> Result<(), CallError> {
        // SAFETY: these requests take a flag by value and touch no memory of ours.
        let answer = unsafe { libc::ioctl(self.event.as_raw_fd(), request as _, 0) };
        if answer == 0 { Ok(()) } else { Err(CallError::last("ioctl", name)) }
    }

    /// The records that were written since the ring was opened, in one piece. The ring must have been disabled.
    pub(super) fn written(&self) -> Vec<u8> {
        self.pages.written()
    }

    /// Records that found no room, where the kernel tells.
    pub(super) fn lost(&self) -> Option<u64> {
        let mut words = [0_u64; 2];
        // SAFETY: the buffer is valid for writes of its length throughout the call.
        let read = unsafe {
            libc::read(self.event.as_raw_fd(), words.as_mut_ptr().cast(), size_of_val(&words))
        };
        let [_, lost] = words;
        (self.tells_lost && usize::try_from(read) == Ok(size_of_val(&words))).then_some(lost)
    }
}

fn event(
    sampled: Sampled,
    period: u64,
    cpu: u32,
    pmu: u32,
    read_format: u64,
) -> Result<OwnedFd, Errno> {
    let (type_, config) = match sampled {
        Sampled::Cycles => (TYPE_HARDWARE, HW_CPU_CYCLES | u64::from(pmu) << PMU_TYPE_SHIFT),
        Sampled::CpuClock => (TYPE_SOFTWARE, SW_CPU_CLOCK),
    };
    let attr = PerfEventAttr {
        type_,
        size: ATTR_SIZE_VER0,
        config,
        sample_period: period,
        sample_type: SAMPLE_IP | SAMPLE_TID | SAMPLE_TIME | SAMPLE_CPU | SAMPLE_CALLCHAIN,
        read_format,
        flags: DISABLED | EXCLUDE_HV,
        ..PerfEventAttr::default()
    };
    let (anybody, no_group): (libc::pid_t, RawFd) = (-1, -1);
    let cpu = libc::c_int::try_from(cpu).map_err(|_| Errno(libc::EINVAL))?;
    // SAFETY: `attr` lives through the call and its `size` is its real size; the kernel only reads it. The other
    // arguments are plain numbers.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            anybody,
            cpu,
            no_group,
            OPEN_CLOEXEC,
        )
    };
    match RawFd::try_from(answer) {
        // SAFETY: the kernel has just made this descriptor, so nobody else owns it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(Errno::last()),
    }
}

/// The mapped control page and the ring behind it; unmapped by its drop.
#[derive(Debug)]
struct Pages {
    base: *mut u8,
    page: usize,
    bytes: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; the fields never change.
unsafe impl Send for Pages {}

impl Pages {
    fn map(event: &OwnedFd, bytes: usize) -> Result<Self, Errno> {
        let page = process::page_size();
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of ours. Writable, so that the
        // kernel never overwrites what was not read.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                page + bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                event.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            Err(Errno::last())
        } else {
            Ok(Self { base: base.cast(), page, bytes })
        }
    }

    /// How far the kernel has written; what lies before is visible after this.
    fn head(&self) -> u64 {
        let head: *mut u64 = self.base.wrapping_add(DATA_HEAD).cast();
        // SAFETY: the control page is mapped and 8-aligned there, and both sides access the word atomically
        // (perf_event_open(2): read data_head, then a read barrier).
        unsafe { AtomicU64::from_ptr(head) }.load(Ordering::Acquire)
    }

    fn written(&self) -> Vec<u8> {
        // Nothing was given back (data_tail stays 0), so the kernel never went beyond the ring's end twice: the
        // records lie from its start up to the head.
        let written = usize::try_from(self.head()).unwrap_or(self.bytes).min(self.bytes);
        let mut copy = vec![0; written];
        let ring: *const u8 = self.base.wrapping_add(self.page);
        // SAFETY: the ring is `bytes` long, `written` of them at most are copied into a vector as long, and the kernel
        // has stopped writing.
        unsafe { ptr::copy_nonoverlapping(ring, copy.as_mut_ptr(), written) };
        copy
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `map` and nothing can reach it any more; a destructor can tell nobody that
        // it failed.
        let _ = unsafe { libc::munmap(self.base.cast(), self.page + self.bytes) };
    }
}
