//! A small io_uring of our own, over the raw calls: sends of an arena's memory and their completions; receives into buffers that
//! the kernel chooses ([`Receiver`]).
//!
//! **Order of memory.** The kernel writes the head of the submission queue and the tail of the completion queue; both are read
//! with acquire. We write the other two, with release, so that what stands in an entry is seen before its number
//! (liburing's `io_uring_smp_store_release`). **What the kernel reads.** The descriptions of a request (`msghdr`, iovecs) are read
//! within the call that submits it (IORING_FEAT_SUBMIT_STABLE), during which they are borrowed; the payload is read later, from
//! mappings that the ring keeps. Entries that a call did not take are taken back; where a thread polls the queue (`polling.rs`)
//! nothing is, and a submission is over when that thread has taken all of it.

use std::marker::PhantomData;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::arena::{Arena, Mapping};
use crate::error::{CallError, Errno, Unavailable};
use crate::gather::Gather;
use crate::limits;
use crate::socket::Socket;

mod layout;
mod polling;
mod receiver;
mod refusal;
mod setup;
pub mod threads;

pub use polling::Entered;
pub use receiver::{Arrival, Receiver};
pub use setup::{Deferral, Polling, RingSetup};

use layout::{CompletionEntry, Parameters, ProbeAnswer, Submission, Time, WaitArgument};

/// What a request does. All wait for the whole of what they are given (MSG_WAITALL) but [`Operation::WriteFixed`], which may
/// take less, as a write may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// IORING_OP_SEND of bytes.
    Send,
    /// IORING_OP_SENDMSG of a gather.
    Sendmsg,
    /// IORING_OP_WRITE_FIXED of bytes of the registered arena.
    WriteFixed,
    /// IORING_OP_SEND_ZC of bytes.
    SendZc,
    /// IORING_OP_SENDMSG_ZC of a gather.
    SendmsgZc,
    /// IORING_OP_SEND_ZC of bytes of the registered arena (IORING_RECVSEND_FIXED_BUF).
    SendZcFixed,
    /// IORING_OP_SENDMSG_ZC of a gather within the registered arena (IORING_RECVSEND_FIXED_BUF; Linux 6.15, EINVAL before).
    SendmsgZcFixed,
}

impl Operation {
    /// The opcode, and the first kernel that has it and what is asked of it.
    const fn opcode(self) -> (u8, &'static str, &'static str) {
        match self {
            Self::Send => (layout::OP_SEND, "IORING_OP_SEND", "5.11"),
            Self::Sendmsg => (layout::OP_SENDMSG, "IORING_OP_SENDMSG", "5.11"),
            Self::WriteFixed => (layout::OP_WRITE_FIXED, "IORING_OP_WRITE_FIXED", "5.11"),
            Self::SendZc | Self::SendZcFixed => (layout::OP_SEND_ZC, "IORING_OP_SEND_ZC", "6.0"),
            Self::SendmsgZc | Self::SendmsgZcFixed => {
                (layout::OP_SENDMSG_ZC, "IORING_OP_SENDMSG_ZC", "6.1")
            }
        }
    }

    /// Whether pages are passed by reference, with a notification when the kernel has let go of them.
    pub const fn is_zerocopy(self) -> bool {
        match self {
            Self::SendZc | Self::SendmsgZc | Self::SendZcFixed | Self::SendmsgZcFixed => true,
            Self::Send | Self::Sendmsg | Self::WriteFixed => false,
        }
    }

    /// Whether it sends from the registered arena.
    pub const fn is_fixed(self) -> bool {
        match self {
            Self::WriteFixed | Self::SendZcFixed | Self::SendmsgZcFixed => true,
            Self::Send | Self::Sendmsg | Self::SendZc | Self::SendmsgZc => false,
        }
    }

    /// Whether it sends a gather, else bytes.
    pub const fn sends_gather(self) -> bool {
        match self {
            Self::Sendmsg | Self::SendmsgZc | Self::SendmsgZcFixed => true,
            Self::Send | Self::SendZc | Self::WriteFixed | Self::SendZcFixed => false,
        }
    }
}

/// What a request sends.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// A part of an arena.
    Bytes(&'a Arena, Range<usize>),
    /// A gather as it stands.
    Gather(&'a Gather),
}

/// One request on a socket.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What it does.
    pub operation: Operation,
    /// What it sends.
    pub payload: Payload<'a>,
    /// What its completions bear.
    pub data: u64,
    /// The next request of the same submission begins when this one has ended, and not at all unless it did all that was asked
    /// (IOSQE_IO_LINK).
    pub linked: bool,
    /// The notification is to say whether the bytes were copied (IORING_SEND_ZC_REPORT_USAGE, Linux 6.2; EINVAL before).
    pub reports_copies: bool,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// It has ended.
    Ended {
        /// The request's.
        data: u64,
        /// Bytes taken.
        result: Result<usize, Errno>,
        /// A notification follows (IORING_CQE_F_MORE): the memory is still the kernel's.
        notifies: bool,
    },
    /// The kernel has let go of its memory (IORING_CQE_F_NOTIF).
    Notified {
        /// The request's.
        data: u64,
        /// Marked copied; means something only where the request asked for it.
        copied: bool,
    },
}

/// Memory shared with the kernel, unmapped when it goes.
#[derive(Debug)]
struct Region {
    base: *mut u8,
    bytes: usize,
}

impl Region {
    fn map(ring: &OwnedFd, bytes: usize, offset: libc::off_t) -> Result<Self, CallError> {
        // SAFETY: a shared mapping of the ring's own memory, at an address of the kernel's choice, overlaps nothing of ours.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                ring.as_raw_fd(),
                offset,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(CallError::last("mmap", "an io_uring"));
        }
        Ok(Self { base: base.cast(), bytes })
    }

    /// A counter or flag of the rings, which kernel and program both change.
    fn word(&self, offset: u32) -> &AtomicU32 {
        // SAFETY: the kernel gave the offset for this mapping of the size that it asked for, aligned for the word; the mapping
        // lives as long as self, and either side changes the word atomically alone.
        unsafe { AtomicU32::from_ptr(self.base.wrapping_add(offset as usize).cast()) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `Region::map`, and no reference into it outlives self. It cannot fail.
        let _ = unsafe { libc::munmap(self.base.cast(), self.bytes) };
    }
}

/// An io_uring of one thread: who made it submits and waits (IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_DEFER_TASKRUN, where the
/// kernel has them: Linux 6.1), so that completions are posted within our own calls and interrupt nobody; unless its
/// [`RingSetup`] says otherwise.
///
/// Dropping it ends what is in flight: the kernel cancels requests and goes on reading, but never writes, payload pages that
/// packets refer to.
#[derive(Debug)]
pub struct Ring {
    fd: OwnedFd,
    rings: Region,
    entries: Region,
    parameters: Parameters,
    /// What requests in flight read from.
    mappings: Vec<Arc<Mapping>>,
    /// What is registered as buffer 0.
    registered: Option<Arc<Mapping>>,
    /// The descriptor of what is registered as file 0.
    registered_file: Option<libc::c_int>,
    /// The calls of the last submission, where a thread polls.
    entered: Option<Entered>,
    /// Not of another thread.
    _own: PhantomData<*mut ()>,
}

/// What sends need of an io_uring, and since when.
const NEEDED: [(u32, &str, &str); 5] = [
    (layout::FEAT_SINGLE_MMAP, "IORING_FEAT_SINGLE_MMAP", "5.4"),
    (layout::FEAT_NODROP, "IORING_FEAT_NODROP", "5.5"),
    (layout::FEAT_SUBMIT_STABLE, "IORING_FEAT_SUBMIT_STABLE", "5.5"),
    (layout::FEAT_FAST_POLL, "IORING_FEAT_FAST_POLL", "5.7"),
    (layout::FEAT_EXT_ARG, "IORING_FEAT_EXT_ARG", "5.11"),
];

impl Ring {
    fn mapped(fd: OwnedFd, parameters: Parameters) -> Result<Self, CallError> {
        let (sq, cq) = (&parameters.sq_off, &parameters.cq_off);
        let submissions = sq.array as usize + parameters.sq_entries as usize * size_of::<u32>();
        let completions =
            cq.cqes as usize + parameters.cq_entries as usize * size_of::<CompletionEntry>();
        let rings = Region::map(&fd, submissions.max(completions), layout::OFF_RINGS)?;
        let bytes = parameters.sq_entries as usize * size_of::<Submission>();
        let entries = Region::map(&fd, bytes, layout::OFF_SQES)?;
        // Each place of the queue names the entry of its own number, for good.
        for number in 0..parameters.sq_entries {
            let place = sq.array + number * 4;
            rings.word(place).store(number, Ordering::Relaxed);
        }
        let mappings = Vec::with_capacity(4);
        let entered = (parameters.flags & layout::SETUP_SQPOLL != 0).then(Entered::default);
        Ok(Self {
            fd,
            rings,
            entries,
            parameters,
            mappings,
            registered: None,
            registered_file: None,
            entered,
            _own: PhantomData,
        })
    }

    /// Whether the kernel knows an operation (IORING_REGISTER_PROBE).
    ///
    /// # Errors
    ///
    /// That it does not, and since when one does.
    pub fn supports(&self, operation: Operation) -> Result<(), Unavailable> {
        let mut answer = ProbeAnswer::default();
        let room = answer.ops.len();
        // SAFETY: the answer is live, zeroed as the kernel demands, and has room for so many operations.
        let told = unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                self.fd.as_raw_fd(),
                layout::REGISTER_PROBE,
                &raw mut answer,
                room,
            )
        };
        let (opcode, name, since) = operation.opcode();
        let known = answer.ops.get(usize::from(opcode));
        let is_known = told >= 0
            && opcode <= answer.last_op
            && known.is_some_and(|op| op.flags & layout::OP_SUPPORTED != 0);
        if is_known { Ok(()) } else { Err(refusal::too_old(name, since)) }
    }

    /// Registers an arena as the buffer of all `…Fixed` operations: its pages are pinned now, and no more when they are sent.
    ///
    /// # Errors
    ///
    /// Too much for RLIMIT_MEMLOCK, or above 1 GiB (EFAULT), with the remedy.
    pub fn register(&mut self, arena: &Arena) -> Result<(), Unavailable> {
        limits::may_pin(arena.len())?;
        let mapping = arena.mapping();
        let whole = libc::iovec { iov_base: mapping.base().cast(), iov_len: mapping.len() };
        // SAFETY: the iovec is live and names a mapping that is; the ring keeps that from here on.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                self.fd.as_raw_fd(),
                layout::REGISTER_BUFFERS,
                &raw const whole,
                1,
            )
        };
        if answer >= 0 {
            self.registered = Some(Arc::clone(mapping));
            return Ok(());
        }
        let bytes = mapping.len();
        Err(Unavailable {
            what: format!("registering {bytes} B with io_uring"),
            because: CallError::last("io_uring_register", "IORING_REGISTER_BUFFERS").to_string(),
            remedy: "use a smaller --ring (a buffer has at most 1 GiB), raise ulimit -l, or run as root (CAP_IPC_LOCK)".into(),
        })
    }

    /// Registers a socket (IORING_REGISTER_FILES): requests on it name its place in the ring's table, and the kernel looks up no
    /// descriptor. The ring keeps the connection open until it goes.
    ///
    /// # Errors
    ///
    /// What the kernel refuses, with the remedy.
    pub fn register_socket(&mut self, socket: &Socket) -> Result<(), Unavailable> {
        let file = socket.raw();
        // SAFETY: the one descriptor is live, and read within the call.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_io_uring_register,
                self.fd.as_raw_fd(),
                layout::REGISTER_FILES,
                &raw const file,
                1,
            )
        };
        if answer >= 0 {
            self.registered_file = Some(file);
            return Ok(());
        }
        Err(Unavailable {
            what: "registered files".to_owned(),
            because: CallError::last("io_uring_register", "IORING_REGISTER_FILES").to_string(),
            remedy: "raise ulimit -n, or use --registered-files off".into(),
        })
    }

    /// How many requests one submission may have.
    pub fn capacity(&self) -> u32 {
        self.parameters.sq_entries
    }

    /// Submits requests on a socket by one `io_uring_enter`, in order, and waits in it until so many completions, at
    /// most one for each of them, can be taken; where a thread polls, by as few as are needed ([`Ring::entered`]). Returns how many requests the kernel took: from the first one on; the others were never submitted. What goes beyond
    /// [`Ring::capacity`] is left out.
    ///
    /// # Errors
    ///
    /// The bare `errno`, with no request taken: EINTR; EAGAIN or EBUSY without memory or with completions that nobody took;
    /// EFAULT of a payload that does not lie in its arena, EINVAL of an operation that is given what it does not send.
    #[inline]
    pub fn submit<'a>(
        &mut self,
        socket: &Socket,
        requests: impl Iterator<Item = Request<'a>>,
        wait_for: u32,
    ) -> Result<u32, Errno> {
        let tail = self.rings.word(self.parameters.sq_off.tail).load(Ordering::Relaxed);
        let mask = self.parameters.sq_entries - 1;
        let mut count = 0;
        for request in requests.take(self.parameters.sq_entries as usize) {
            let entry = self.entry(socket, &request)?;
            self.write(tail.wrapping_add(count) & mask, entry);
            count += 1;
        }
        // More than are submitted would be waited for in vain.
        let wait_for = wait_for.min(count);
        if self.is_polled() {
            return self.hand_over(tail, count, wait_for);
        }
        self.enter(tail, count, wait_for, None)
    }

    /// Writes an entry at a place of the queue.
    #[inline]
    fn write(&mut self, place: u32, entry: Submission) {
        debug_assert!(place < self.parameters.sq_entries);
        let place = self.entries.base.cast::<Submission>().wrapping_add(place as usize);
        // SAFETY: the caller has masked the place, so that it lies below the number of entries that the region was mapped for,
        // aligned; no entry is the kernel's between two submissions, as all that it takes is copied within one (by a thread that polls, too, but
        // where that was given up as dead or stuck).
        unsafe { place.write(entry) };
    }

    /// Submits the entries that were written from a tail on, and waits; returns how many were taken. The others are taken back.
    #[inline]
    fn enter(
        &mut self,
        tail: u32,
        count: u32,
        wait_for: u32,
        at_most_ms: Option<u32>,
    ) -> Result<u32, Errno> {
        let end = tail.wrapping_add(count);
        self.rings.word(self.parameters.sq_off.tail).store(end, Ordering::Release);
        let entered = self.call(count, wait_for, at_most_ms);
        if entered == Ok(count) {
            return Ok(count);
        }
        let head = self.rings.word(self.parameters.sq_off.head).load(Ordering::Acquire);
        let taken = head.wrapping_sub(tail);
        if taken < count {
            self.rings.word(self.parameters.sq_off.tail).store(head, Ordering::Release);
        }
        match entered {
            Err(errno) if taken == 0 => Err(errno),
            Ok(_) | Err(_) => Ok(taken),
        }
    }

    /// Waits by one `io_uring_enter` until so many completions can be taken, `at_most_ms` long where that is given; with 0 it
    /// lets the kernel post what it has and waits for none.
    ///
    /// # Errors
    ///
    /// The bare `errno`: EINTR. That the time is over is none.
    #[inline]
    pub fn wait(&mut self, completions: u32, at_most_ms: Option<u32>) -> Result<(), Errno> {
        self.call(0, completions, at_most_ms).map(|_| ())
    }

    /// Takes the next completion, if one was posted; no system call.
    #[inline]
    pub fn completion(&mut self) -> Option<Completion> {
        self.next_entry().map(completion)
    }

    #[inline]
    fn next_entry(&mut self) -> Option<CompletionEntry> {
        let offsets = &self.parameters.cq_off;
        let head = self.rings.word(offsets.head).load(Ordering::Relaxed);
        if head == self.rings.word(offsets.tail).load(Ordering::Acquire) {
            return None;
        }
        let place = (head & (self.parameters.cq_entries - 1)) as usize;
        let entries = self.rings.base.wrapping_add(offsets.cqes as usize).cast::<CompletionEntry>();
        // SAFETY: the place lies below the number of entries that the region was mapped for, aligned; the kernel has written it
        // before the tail that was read with acquire, and does not again before the head says that it was read.
        let entry = unsafe { entries.wrapping_add(place).read() };
        self.rings.word(offsets.head).store(head.wrapping_add(1), Ordering::Release);
        Some(entry)
    }

    /// How many entries the kernel took.
    #[inline]
    fn call(&mut self, submit: u32, wait_for: u32, at_most_ms: Option<u32>) -> Result<u32, Errno> {
        self.call_for(layout::ENTER_GETEVENTS, submit, wait_for, at_most_ms)
    }

    #[inline]
    fn call_for(
        &mut self,
        what: u32,
        submit: u32,
        wait_for: u32,
        at_most_ms: Option<u32>,
    ) -> Result<u32, Errno> {
        let time = Time {
            seconds: i64::from(at_most_ms.unwrap_or(0) / 1000),
            nanoseconds: i64::from(at_most_ms.unwrap_or(0) % 1000) * 1_000_000,
        };
        let argument =
            WaitArgument { ts: (&raw const time).addr() as u64, ..WaitArgument::default() };
        let (flags, argument, bytes) = match at_most_ms {
            None => (what, ptr::null(), 0),
            Some(_) => {
                (what | layout::ENTER_EXT_ARG, ptr::from_ref(&argument), size_of::<WaitArgument>())
            }
        };
        // SAFETY: the argument, where there is one, and the time that it names live through the call. What the submitted entries
        // point to is borrowed by the caller (descriptions) or kept by the ring (payload).
        let answer = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.fd.as_raw_fd(),
                submit,
                wait_for,
                flags,
                argument,
                bytes,
            )
        };
        match answer {
            0.. => Ok(u32::try_from(answer).unwrap_or(u32::MAX)),
            _ => match Errno::last() {
                Errno(libc::ETIME) => Ok(0),
                errno => Err(errno),
            },
        }
    }

    #[cold]
    fn keep(&mut self, mapping: &Arc<Mapping>) {
        self.mappings.push(Arc::clone(mapping));
    }

    /// A request as the kernel reads it. Always inline: a value that is handed back is written, read before its parts have
    /// arrived, and written again, which took 10 ns a request (`perf record` of `bare_loops 30 uring-send`).
    #[inline(always)]
    fn entry(&mut self, socket: &Socket, request: &Request<'_>) -> Result<Submission, Errno> {
        let operation = request.operation;
        let (addr, len, mapping, is_gather) = match &request.payload {
            Payload::Bytes(arena, range) => {
                let mapping = arena.mapping();
                if range.start > range.end || range.end > mapping.len() {
                    return Err(Errno(libc::EFAULT));
                }
                let bytes = u32::try_from(range.len()).map_err(|_| Errno(libc::EINVAL))?;
                (mapping.base().wrapping_add(range.start).addr(), bytes, mapping, false)
            }
            Payload::Gather(gather) => {
                let mapping = gather.mapping().ok_or(Errno(libc::EFAULT))?;
                (ptr::from_ref(gather.header()).addr(), 1, mapping, true)
            }
        };
        let is_registered = || self.registered.as_ref().is_some_and(|it| Arc::ptr_eq(it, mapping));
        if operation.sends_gather() != is_gather || (operation.is_fixed() && !is_registered()) {
            return Err(Errno(libc::EINVAL));
        }
        if !self.mappings.iter().any(|own| Arc::ptr_eq(own, mapping)) {
            self.keep(mapping);
        }
        let mut ioprio = 0;
        if operation.is_zerocopy() && request.reports_copies {
            ioprio |= layout::SEND_ZC_REPORT_USAGE;
        }
        if operation.is_zerocopy() && operation.is_fixed() {
            ioprio |= layout::RECVSEND_FIXED_BUF;
        }
        // A write has no flags of messages; at no offset it is one at the file's own, which a socket has not.
        let is_write = operation == Operation::WriteFixed;
        let flags = if is_write { 0 } else { libc::MSG_NOSIGNAL | libc::MSG_WAITALL };
        let mut entry_flags = if request.linked { layout::SQE_IO_LINK } else { 0 };
        let mut fd = socket.raw();
        if self.registered_file == Some(fd) {
            // By its place in the table.
            entry_flags |= layout::SQE_FIXED_FILE;
            fd = 0;
        }
        Ok(Submission {
            opcode: operation.opcode().0,
            flags: entry_flags,
            ioprio,
            fd,
            addr: addr as u64,
            len,
            msg_flags: flags.cast_unsigned(),
            user_data: request.data,
            ..Submission::default()
        })
    }
}

fn completion(entry: CompletionEntry) -> Completion {
    let data = entry.user_data;
    if entry.flags & layout::CQE_F_NOTIF != 0 {
        let copied = entry.res.cast_unsigned() & layout::NOTIF_USAGE_ZC_COPIED != 0;
        return Completion::Notified { data, copied };
    }
    let result = usize::try_from(entry.res).map_err(|_| Errno(entry.res.saturating_neg()));
    Completion::Ended { data, result, notifies: entry.flags & layout::CQE_F_MORE != 0 }
}

#[cfg(test)]
#[path = "uring_tests.rs"]
mod tests;
