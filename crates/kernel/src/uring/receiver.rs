//! Receives into buffers that the kernel chooses: one multishot request on a socket, and a ring of provided buffers.
//!
//! **Order.** One request takes the buffers of the group, in the order in which they were provided (`io_ring_buffer_select`,
//! `io_ring_buffers_peek`, io_uring/kbuf.c); completions come in the order of the stream, and buffers are provided again in the order
//! in which they came. So the buffer at place i of the ring is always the i-th of the memory, and what a completion names is the next
//! one. Of a bundle all buffers are full but the last.
//!
//! **Whose memory.** A buffer is the kernel's from the moment that the ring's tail says so to the completion that names it; the kernel
//! writes it within this thread's own calls (task work, DEFER_TASKRUN), or, before Linux 6.1, on return to this thread. Only buffers that a
//! completion has named are read, and they are given back when they were shown.

use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::{AtomicU16, Ordering};

use super::layout::{self, BufferRegistration, CompletionEntry, ProvidedBuffer, Submission};
use super::{Ring, refusal};
use crate::arena::Arena;
use crate::error::{Errno, Unavailable};
use crate::socket::Socket;

/// What came of a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Bytes taken; 0 at the end of the stream. ENOBUFS: no buffer was left; EINVAL: this kernel has no multishot receive.
    pub result: Result<usize, Errno>,
    /// Buffers that they lie in.
    pub buffers: u32,
}

/// A ring that receives from one socket by one multishot request (IORING_RECV_MULTISHOT, Linux 6.0) into a ring of provided buffers
/// (IORING_REGISTER_PBUF_RING, 5.19), several of them by one completion where the kernel has bundles (IORING_RECVSEND_BUNDLE,
/// 6.10). Used by the thread that made it.
#[derive(Debug)]
pub struct Receiver {
    // First, so that the request is gone before what it writes into.
    ring: Ring,
    /// What the kernel reads buffers' places from.
    provided: Arena,
    memory: Arena,
    count: u16,
    bytes: usize,
    /// The ring's tail, which wraps.
    tail: u16,
    /// The buffer that comes next.
    next: u16,
    bundles: bool,
    is_armed: bool,
}

/// The group of the provided buffers, the only one.
const GROUP: u16 = 0;

impl Receiver {
    /// A ring of so many buffers of so many bytes; as many is the next power of two, and at most 32768.
    ///
    /// # Errors
    ///
    /// As [`Ring::new`]; a kernel without rings of provided buffers, memory, with the remedy.
    pub fn new(buffers: u16, bytes: usize) -> Result<Self, Unavailable> {
        let count = buffers.clamp(1, MOST_BUFFERS).next_power_of_two();
        let too_large =
            || no_memory("the buffers of an io_uring are larger than the address space");
        let all = bytes.checked_mul(usize::from(count)).ok_or_else(too_large)?;
        if u32::try_from(bytes).is_err() {
            return Err(no_memory("a buffer of an io_uring has at most 4 GiB"));
        }
        // Each completion names a buffer but the one that ends the request.
        let ring = Ring::new(1, u32::from(count) + 2)?;
        let memory = |bytes| Arena::new(bytes).map_err(|error| no_memory(&error.to_string()));
        let mut receiver = Self {
            bundles: ring.parameters.features & layout::FEAT_RECVSEND_BUNDLE != 0,
            ring,
            provided: memory(usize::from(count) * size_of::<ProvidedBuffer>())?,
            memory: memory(all)?,
            count,
            bytes,
            tail: 0,
            next: 0,
            is_armed: false,
        };
        receiver.register()?;
        receiver.provide(count);
        Ok(receiver)
    }

    /// Whether several buffers may come by one completion.
    pub fn bundles(&self) -> bool {
        self.bundles
    }

    /// Whether the request is with the kernel; where it is not, the next wait submits it.
    pub fn is_armed(&self) -> bool {
        self.is_armed
    }

    fn register(&self) -> Result<(), Unavailable> {
        let registration = BufferRegistration {
            ring_addr: self.provided.mapping().base().addr() as u64,
            ring_entries: u32::from(self.count),
            bgid: GROUP,
            ..BufferRegistration::default()
        };
        // SAFETY: the registration is live and names zeroed, page-aligned memory of so many entries, which lives as long as the
        // ring does (the kernel pins its pages beyond that).
        let answer = unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                self.ring.fd.as_raw_fd(),
                layout::REGISTER_PBUF_RING,
                &raw const registration,
                1,
            )
        };
        match (answer, Errno::last()) {
            (0.., _) => Ok(()),
            (_, Errno(libc::EINVAL)) => Err(refusal::too_old("IORING_REGISTER_PBUF_RING", "5.19")),
            (_, errno) => {
                Err(no_memory(&format!("io_uring_register(IORING_REGISTER_PBUF_RING): {errno}")))
            }
        }
    }

    /// Gives the kernel so many buffers, those that it took first.
    #[inline]
    fn provide(&mut self, buffers: u16) {
        let mask = self.count - 1;
        let base = self.provided.mapping().base();
        let memory = self.memory.mapping().base();
        for _ in 0..buffers {
            let place = self.tail & mask;
            let at = usize::from(place) * size_of::<ProvidedBuffer>();
            let addr = memory.wrapping_add(usize::from(place) * self.bytes).addr() as u64;
            // No more than `u32::MAX`, as `new` has seen to.
            let len = u32::try_from(self.bytes).unwrap_or(u32::MAX);
            let buffer = ProvidedBuffer { addr, len, bid: place, resv: 0 };
            // SAFETY: the place lies below the number of entries that the arena was made for; the entry is not the kernel's before
            // the tail says so. All but its last field, which in the first entry is the tail; the length again, as the kernel
            // shortens that of the last buffer of a bundle (`io_ring_buffers_peek`).
            unsafe {
                ptr::copy_nonoverlapping(
                    (&raw const buffer).cast::<u8>(),
                    base.wrapping_add(at),
                    TAIL,
                );
            }
            self.tail = self.tail.wrapping_add(1);
        }
        let tail = base.wrapping_add(TAIL).cast::<u16>();
        // SAFETY: the tail lies in the first entry, aligned, and lives as long as self; either side reads and writes it atomically
        // alone, the kernel reads only (`smp_load_acquire` in io_uring/kbuf.c).
        unsafe { AtomicU16::from_ptr(tail) }.store(self.tail, Ordering::Release);
    }

    /// Waits by one `io_uring_enter` until so many completions can be taken, `at_most_ms` long where that is given; with 0 it
    /// has the kernel post what it has and waits for none. A request that has ended is submitted again by the same call. Whether one
    /// was.
    ///
    /// # Errors
    ///
    /// The bare `errno`: EINTR; EAGAIN without memory. That the time is over is none.
    #[inline]
    pub fn wait(
        &mut self,
        socket: &Socket,
        completions: u32,
        at_most_ms: Option<u32>,
    ) -> Result<bool, Errno> {
        if self.is_armed {
            return self.ring.wait(completions, at_most_ms).map(|()| false);
        }
        let mut ioprio = layout::RECV_MULTISHOT;
        if self.bundles {
            ioprio |= layout::RECVSEND_BUNDLE;
        }
        let request = Submission {
            opcode: layout::OP_RECV,
            flags: layout::SQE_BUFFER_SELECT,
            ioprio,
            fd: socket.raw(),
            buf_index: GROUP,
            ..Submission::default()
        };
        let offsets = &self.ring.parameters.sq_off;
        let tail = self.ring.rings.word(offsets.tail).load(Ordering::Relaxed);
        self.ring.write(tail & (self.ring.parameters.sq_entries - 1), request);
        self.is_armed = self.ring.enter(tail, 1, completions, at_most_ms)? == 1;
        Ok(self.is_armed)
    }

    /// Takes the next completion, if one was posted, shows what it brought, in the order of the stream, and gives the buffers
    /// back; no system call.
    ///
    /// A buffer that is not the next one is EIO: what it holds would stand at a wrong place.
    #[inline]
    pub fn next(&mut self, mut show: impl FnMut(&[u8])) -> Option<Arrival> {
        let CompletionEntry { res, flags, .. } = self.ring.next_entry()?;
        self.is_armed = flags & layout::CQE_F_MORE != 0;
        let result = usize::try_from(res).map_err(|_| Errno(res.saturating_neg()));
        if flags & layout::CQE_F_BUFFER == 0 {
            return Some(Arrival { result: result.and_then(nothing), buffers: 0 });
        }
        let taken = result.unwrap_or(0);
        let buffers = u16::try_from(taken.div_ceil(self.bytes).max(1)).unwrap_or(u16::MAX);
        if flags >> layout::CQE_BUFFER_SHIFT != u32::from(self.next) || buffers > self.count {
            return Some(Arrival { result: Err(Errno::IO), buffers: 0 });
        }
        let at = usize::from(self.next) * self.bytes;
        let first = taken.min(self.memory.len() - at);
        for (at, bytes) in [(at, first), (0, taken - first)] {
            if bytes > 0 {
                // SAFETY: the range lies in the arena: what wraps is no longer than all buffers together; the kernel has written
                // these buffers before it posted the completion and writes them no more before `provide`.
                let piece = unsafe {
                    std::slice::from_raw_parts(self.memory.mapping().base().wrapping_add(at), bytes)
                };
                show(piece);
            }
        }
        self.next = (self.next + buffers) & (self.count - 1);
        self.provide(buffers);
        Some(Arrival { result, buffers: u32::from(buffers) })
    }
}

/// Where the ring's tail stands in the first entry.
const TAIL: usize = std::mem::offset_of!(ProvidedBuffer, resv);

/// As many as a group can have (IORING_MAX_ENTRIES).
const MOST_BUFFERS: u16 = 1 << 15;

/// Bytes come in buffers alone.
fn nothing(bytes: usize) -> Result<usize, Errno> {
    if bytes == 0 { Ok(0) } else { Err(Errno::IO) }
}

fn no_memory(because: &str) -> Unavailable {
    Unavailable {
        what: "io_uring".to_owned(),
        because: because.to_owned(),
        remedy: "use a smaller --receive-buffer, or free memory".into(),
    }
}

#[cfg(test)]
#[path = "receiver_tests.rs"]
mod tests;
