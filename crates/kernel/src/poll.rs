//! Waiting for sockets: one at a time with `poll`, many with `epoll`.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Instant;

use crate::error::{CallError, Errno};

/// What a descriptor is ready for. All false: the time ran out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Something can be received, or the stream has ended.
    pub readable: bool,
    /// Something can be sent.
    pub writable: bool,
    /// The error queue holds something, or the connection has died.
    pub error: bool,
    /// Both directions are shut down, or a pipe's other end is closed.
    pub hang_up: bool,
}

impl Ready {
    /// Whether the wait ended before its time.
    pub fn is_any(self) -> bool {
        self.readable || self.writable || self.error || self.hang_up
    }

    fn of(polled: &libc::pollfd) -> Self {
        let has = |event| polled.revents & event != 0;
        Self {
            readable: has(libc::POLLIN),
            writable: has(libc::POLLOUT),
            error: has(libc::POLLERR | libc::POLLNVAL),
            hang_up: has(libc::POLLHUP),
        }
    }
}

/// Waits until the error queue holds something (`POLLERR`) or the connection is over (`POLLHUP`); −1 waits
/// for ever. A dead connection raises `error` as well, and for ever: when the queue then turns out empty,
/// [`crate::socket::Socket::take_error`] says why.
///
/// # Errors
///
/// The bare `errno`: EINTR is the caller's to judge.
#[inline]
pub fn wait_error_queue(socket: &impl AsFd, timeout_ms: i32) -> Result<Ready, Errno> {
    wait(socket, 0, timeout_ms)
}

/// Waits until the descriptor is readable; −1 waits for ever. `error` and `hang_up` end the wait too.
///
/// # Errors
///
/// As [`wait_error_queue`].
pub fn wait_readable(fd: &impl AsFd, timeout_ms: i32) -> Result<Ready, Errno> {
    wait(fd, libc::POLLIN, timeout_ms)
}

/// Waits until the descriptor is writable; −1 waits for ever. `error` and `hang_up` end the wait too.
///
/// # Errors
///
/// As [`wait_error_queue`].
pub fn wait_writable(fd: &impl AsFd, timeout_ms: i32) -> Result<Ready, Errno> {
    wait(fd, libc::POLLOUT, timeout_ms)
}

/// Waits with one of the above until the descriptor is ready, interrupted or not; ETIMEDOUT at the deadline.
pub(crate) fn until<F: AsFd>(
    fd: &F,
    deadline: Instant,
    wait: impl Fn(&F, i32) -> Result<Ready, Errno>,
) -> Result<(), Errno> {
    loop {
        match wait(fd, remaining_ms(Some(deadline))) {
            Ok(ready) if ready.is_any() => return Ok(()),
            Err(errno) if !errno.is_interrupted() => return Err(errno),
            Ok(_) | Err(_) if Instant::now() >= deadline => return Err(Errno(libc::ETIMEDOUT)),
            Ok(_) | Err(_) => {}
        }
    }
}

/// Milliseconds to the deadline for `poll`: rounded up, 0 when past, −1 without one.
pub(crate) fn remaining_ms(deadline: Option<Instant>) -> i32 {
    let Some(deadline) = deadline else { return -1 };
    let left = deadline.saturating_duration_since(Instant::now());
    i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
}

fn wait(fd: &impl AsFd, events: libc::c_short, timeout_ms: i32) -> Result<Ready, Errno> {
    let mut polled = libc::pollfd { fd: fd.as_fd().as_raw_fd(), events, revents: 0 };
    // SAFETY: the pointer is to one live pollfd.
    let answer = unsafe { libc::poll(&raw mut polled, 1, timeout_ms) };
    if answer < 0 {
        return Err(Errno::last());
    }
    Ok(Ready::of(&polled))
}

/// Waits until one of the descriptors is readable, and answers what each is ready for, in their order; −1 waits for ever.
/// Unlike an [`Epoll`] it takes no descriptor, so that it works where none is left.
///
/// # Errors
///
/// As [`wait_error_queue`]; EINVAL for more descriptors than RLIMIT_NOFILE.
pub fn wait_readable_any(fds: &[BorrowedFd<'_>], timeout_ms: i32) -> Result<Vec<Ready>, Errno> {
    let polled =
        |fd: &BorrowedFd<'_>| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut polled: Vec<libc::pollfd> = fds.iter().map(polled).collect();
    let count = libc::nfds_t::try_from(polled.len()).map_err(|_| Errno(libc::EINVAL))?;
    // SAFETY: the pointer is to so many live pollfds; their descriptors are open while borrowed.
    let answer = unsafe { libc::poll(polled.as_mut_ptr(), count, timeout_ms) };
    if answer < 0 {
        return Err(Errno::last());
    }
    Ok(polled.iter().map(Ready::of).collect())
}

/// What to wait for on a descriptor of an [`Epoll`]; `error` and `hang_up` always come as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something to receive, or the end of the stream.
    Readable,
    /// Room to send.
    Writable,
    /// Only the error queue and the end of the connection.
    ErrorQueue,
}

impl Interest {
    fn events(self) -> u32 {
        match self {
            Self::Readable => libc::EPOLLIN.cast_unsigned(),
            Self::Writable => libc::EPOLLOUT.cast_unsigned(),
            Self::ErrorQueue => 0,
        }
    }
}

/// Waits for many descriptors at once, level-triggered.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

/// Room for what an [`Epoll`] reports, used again and again.
pub struct EpollEvents {
    events: Vec<libc::epoll_event>,
    filled: usize,
}

impl Epoll {
    /// An epoll instance that watches nothing yet.
    ///
    /// # Errors
    ///
    /// EMFILE above the limit of open files.
    pub fn new() -> Result<Self, CallError> {
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(CallError::last("epoll_create1", "EPOLL_CLOEXEC"));
        }
        // SAFETY: the descriptor was just made and belongs to no one else.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Watches a socket for something to receive; the token comes back with its readiness.
    ///
    /// # Errors
    ///
    /// EEXIST when it is watched already, ENOSPC above `fs.epoll.max_user_watches`.
    pub fn add(&self, socket: &impl AsFd, token: u64) -> Result<(), CallError> {
        self.watch(socket, Interest::Readable, token)
    }

    /// Watches any descriptor. Closing its last copy ends the watch.
    ///
    /// # Errors
    ///
    /// As [`Epoll::add`].
    pub fn watch(&self, fd: &impl AsFd, interest: Interest, token: u64) -> Result<(), CallError> {
        self.control(libc::EPOLL_CTL_ADD, "EPOLL_CTL_ADD", fd, interest.events(), token)
    }

    /// Watches no longer.
    ///
    /// # Errors
    ///
    /// ENOENT when it is not watched.
    pub fn remove(&self, fd: &impl AsFd) -> Result<(), CallError> {
        self.control(libc::EPOLL_CTL_DEL, "EPOLL_CTL_DEL", fd, 0, 0)
    }

    fn control(
        &self,
        operation: libc::c_int,
        name: &'static str,
        fd: &impl AsFd,
        events: u32,
        token: u64,
    ) -> Result<(), CallError> {
        let mut event = libc::epoll_event { events, u64: token };
        let watched = fd.as_fd().as_raw_fd();
        // SAFETY: the event is live and only read; the descriptors are open while borrowed.
        let answer =
            unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), operation, watched, &raw mut event) };
        if answer != 0 {
            return Err(CallError::last("epoll_ctl", name));
        }
        Ok(())
    }

    /// Waits until something is ready and fills the buffer, without allocating; −1 waits for ever, 0 events
    /// mean that the time ran out.
    ///
    /// # Errors
    ///
    /// As [`wait_error_queue`]; the buffer is empty then.
    #[inline]
    pub fn wait(&self, into: &mut EpollEvents, timeout_ms: i32) -> Result<usize, Errno> {
        into.filled = 0;
        let capacity = libc::c_int::try_from(into.events.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: the buffer has room for that many events, all initialised.
        let answer = unsafe {
            libc::epoll_wait(self.fd.as_raw_fd(), into.events.as_mut_ptr(), capacity, timeout_ms)
        };
        into.filled = usize::try_from(answer).map_err(|_| Errno::last())?;
        Ok(into.filled)
    }
}

impl EpollEvents {
    /// Room for this many events a call, at least one.
    pub fn new(capacity: usize) -> Self {
        let none = libc::epoll_event { events: 0, u64: 0 };
        Self { events: vec![none; capacity.max(1)], filled: 0 }
    }

    /// The tokens that were ready at the last wait, and what for.
    #[inline]
    pub fn ready(&self) -> impl Iterator<Item = (u64, Ready)> + '_ {
        self.events[..self.filled.min(self.events.len())].iter().map(|event| {
            // Copied out: the struct is packed on x86-64.
            let (events, token) = (event.events, event.u64);
            let has = |bit: libc::c_int| events & bit.cast_unsigned() != 0;
            let ready = Ready {
                readable: has(libc::EPOLLIN),
                writable: has(libc::EPOLLOUT),
                error: has(libc::EPOLLERR),
                hang_up: has(libc::EPOLLHUP),
            };
            (token, ready)
        })
    }
}

impl fmt::Debug for EpollEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ready()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Write, pipe};

    use super::*;

    #[test]
    fn a_pipe_is_readable_once_written_and_hangs_up_once_closed() {
        let (reader, mut writer) = pipe().unwrap();
        assert_eq!(wait_readable(&reader, 0), Ok(Ready::default()));
        assert!(!Ready::default().is_any());
        assert!(wait_writable(&writer, 0).unwrap().writable);
        writer.write_all(b"x").unwrap();
        assert!(wait_readable(&reader, -1).unwrap().readable);
        drop(writer);
        assert!(wait_readable(&reader, -1).unwrap().hang_up);
    }

    #[test]
    fn of_several_each_is_answered_in_its_place() {
        let (quiet, _quiet_writer) = pipe().unwrap();
        let (reader, mut writer) = pipe().unwrap();
        let (closed, closed_writer) = pipe().unwrap();
        let all = [quiet.as_fd(), reader.as_fd(), closed.as_fd()];
        assert_eq!(wait_readable_any(&all, 0), Ok(vec![Ready::default(); 3]));
        assert_eq!(wait_readable_any(&[], 0), Ok(vec![]));
        writer.write_all(b"x").unwrap();
        drop(closed_writer);
        let ready = wait_readable_any(&all, -1).unwrap();
        assert_eq!((ready[0].is_any(), ready[1].readable, ready[2].hang_up), (false, true, true));
    }

    #[test]
    fn epoll_names_the_token_that_is_ready() {
        let (quiet, _quiet_writer) = pipe().unwrap();
        let (reader, mut writer) = pipe().unwrap();
        let epoll = Epoll::new().unwrap();
        epoll.watch(&quiet, Interest::Readable, 7).unwrap();
        epoll.watch(&reader, Interest::Readable, u64::MAX).unwrap();
        assert_eq!(epoll.watch(&reader, Interest::Readable, 1).unwrap_err().errno.0, libc::EEXIST);
        let mut events = EpollEvents::new(0);
        assert_eq!(epoll.wait(&mut events, 0), Ok(0));
        writer.write_all(b"x").unwrap();
        assert_eq!(epoll.wait(&mut events, -1), Ok(1));
        let readable = Ready { readable: true, ..Ready::default() };
        assert_eq!(events.ready().collect::<Vec<_>>(), [(u64::MAX, readable)]);
        epoll.remove(&reader).unwrap();
        assert_eq!(epoll.wait(&mut events, 0), Ok(0));
        assert_eq!(events.ready().count(), 0);
        assert_eq!(epoll.remove(&reader).unwrap_err().errno.0, libc::ENOENT);
    }
}
