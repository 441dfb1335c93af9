//! Stream sockets, TCP and unix: set up with care, then driven with one system call a call and nothing around it.
//!
//! Calls of set-up and handshake answer a [`CallError`] or a [`SocketError`]. The hot ones answer a bare
//! [`Errno`], do not repeat interrupted calls, and always add `MSG_NOSIGNAL`, so that a peer that is gone
//! is EPIPE whatever the process does with SIGPIPE.

use std::net::{Shutdown, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};
use std::{fmt, mem, ptr};

use crate::arena::Arena;
use crate::error::{CallError, Errno, Unavailable};
use crate::error_queue::{ErrorQueueSpace, Notification};
use crate::gather::Gather;
use crate::poll;
use crate::scatter::Scatter;

mod address;
mod handshake;
mod options;
mod own_addresses;

pub use address::{Address, UnixName};
pub use own_addresses::own_addresses;

use address::RawAddress;

/// A stream socket, TCP or unix; dropping it closes it.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
}

/// Flags of a send. `MSG_NOSIGNAL` is in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendFlags(libc::c_int);

impl SendFlags {
    /// A plain send.
    pub const NONE: Self = Self(libc::MSG_NOSIGNAL);
    /// `MSG_ZEROCOPY`: the kernel may refer to the memory instead of copying it, and notifies when it is
    /// done. Until then the memory must keep its content; only an [`Arena`] should be
    /// sent so.
    pub const ZEROCOPY: Self = Self(libc::MSG_NOSIGNAL | libc::MSG_ZEROCOPY);
    /// `MSG_DONTWAIT`: EAGAIN instead of blocking.
    pub const DONT_WAIT: Self = Self(libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT);

    /// `MSG_MORE`: more of the same follows, so that the kernel need not push a packet out.
    pub const MORE: Self = Self(libc::MSG_NOSIGNAL | libc::MSG_MORE);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Flags of a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveFlags(libc::c_int);

impl ReceiveFlags {
    /// A plain receive.
    pub const NONE: Self = Self(0);
    /// `MSG_DONTWAIT`: EAGAIN instead of blocking.
    pub const DONT_WAIT: Self = Self(libc::MSG_DONTWAIT);
    /// `MSG_PEEK`: what is taken stays.
    pub const PEEK: Self = Self(libc::MSG_PEEK);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What one look at a listener's queue found.
#[derive(Debug)]
pub enum Arrival {
    /// The next connection.
    Connection(Socket),
    /// Nobody waits.
    Nobody,
    /// A connection that died while it waited; the queue is rid of it.
    Gone(Errno),
    /// The next connection was refused and waits on: no descriptor, no memory, or forbidden (EPERM).
    Refused(Errno),
}

/// Why a socket could not be had or set up as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketError {
    /// This machine or user cannot have it as things stand; the remedy is named.
    Unavailable(Unavailable),
    /// The call failed for a reason with no known remedy.
    Failed(CallError),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(unavailable) => unavailable.fmt(f),
            Self::Failed(failed) => failed.fmt(f),
        }
    }
}

impl std::error::Error for SocketError {}

impl From<CallError> for SocketError {
    fn from(failed: CallError) -> Self {
        Self::Failed(failed)
    }
}

impl SocketError {
    /// A failed call, with the remedy if `errno` is one that has one.
    fn with_remedy(failed: CallError, remedies: &[(i32, &str)]) -> Self {
        match remedies.iter().find(|(errno, _)| *errno == failed.errno.0) {
            Some((_, remedy)) => Self::Unavailable(Unavailable {
                what: format!("{}({})", failed.call, failed.argument),
                because: failed.errno.to_string(),
                remedy: (*remedy).into(),
            }),
            None => Self::Failed(failed),
        }
    }
}

/// How long somebody waits who finds the queue of a unix listener full, before the next try.
const QUEUE_LOOK: Duration = Duration::from_millis(1);

/// What a system call that answers a count or −1 said.
#[inline]
fn counted(answer: libc::ssize_t) -> Result<usize, Errno> {
    usize::try_from(answer).map_err(|_| Errno::last())
}

// The hot calls.
impl Socket {
    /// One `send`. With [`SendFlags::ZEROCOPY`] the kernel may read `bytes` after this returns: what must
    /// hold is written at [`Arena`].
    ///
    /// # Errors
    ///
    /// The bare `errno`; EINTR and EAGAIN are the caller's to judge.
    #[inline]
    pub fn send(&self, bytes: &[u8], flags: SendFlags) -> Result<usize, Errno> {
        // SAFETY: the pointer and the length are those of a live slice, which the kernel only reads.
        let sent = unsafe { libc::send(self.raw(), bytes.as_ptr().cast(), bytes.len(), flags.0) };
        counted(sent)
    }

    /// One `sendmsg` of the gather as it stands.
    ///
    /// # Errors
    ///
    /// As [`Socket::send`].
    #[inline]
    pub fn send_message(&self, gather: &Gather, flags: SendFlags) -> Result<usize, Errno> {
        // SAFETY: the header and its iovecs are the borrowed gather's own; they point into a mapping which
        // it keeps mapped, at offsets that it has checked, and sendmsg writes to none of it.
        let sent = unsafe { libc::sendmsg(self.raw(), gather.header(), flags.0) };
        counted(sent)
    }

    /// One `sendfile` of a part of a file's arena: pages of the file are put into the socket, none is copied
    /// (`splice_direct_to_actor`, fs/splice.c). When the kernel has let go of them it tells nobody.
    ///
    /// # Errors
    ///
    /// The bare `errno`; EBADF of an arena that is no file's. SIGPIPE is not held back (`sendfile` has no flags).
    #[inline]
    pub fn send_file(&self, arena: &Arena, range: Range<usize>) -> Result<usize, Errno> {
        let file = arena.file().ok_or(Errno(libc::EBADF))?;
        let mut offset = libc::off_t::try_from(range.start).map_err(|_| Errno(libc::EINVAL))?;
        // SAFETY: both descriptors are open, and the offset is a live local of ours.
        let sent =
            unsafe { libc::sendfile(self.raw(), file.as_raw_fd(), &raw mut offset, range.len()) };
        counted(sent)
    }

    /// One `recv`; 0 is the end of the stream (or an empty buffer).
    ///
    /// # Errors
    ///
    /// As [`Socket::send`].
    #[inline]
    pub fn receive(&self, into: &mut [u8], flags: ReceiveFlags) -> Result<usize, Errno> {
        // SAFETY: the pointer and the length are those of a live slice, borrowed for writing.
        let received =
            unsafe { libc::recv(self.raw(), into.as_mut_ptr().cast(), into.len(), flags.0) };
        counted(received)
    }

    /// One `recvmsg` into the pieces of the scatter; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// As [`Socket::send`].
    #[inline]
    pub fn receive_message(&self, into: &mut Scatter, flags: ReceiveFlags) -> Result<usize, Errno> {
        let mut header = into.header();
        // SAFETY: the header is ours; its iovecs are the scatter's, borrowed exclusively, and point into the memory that it
        // owns, each with its length.
        let received = unsafe { libc::recvmsg(self.raw(), &raw mut header, flags.0) };
        counted(received)
    }

    /// One `readv` into the pieces of the scatter; 0 is the end of the stream. It has no flags: a socket that shall not wait
    /// is set so.
    ///
    /// # Errors
    ///
    /// As [`Socket::send`].
    #[inline]
    pub fn read_vector(&self, into: &mut Scatter) -> Result<usize, Errno> {
        let iovecs = into.iovecs();
        // An iovec has at most UIO_MAXIOV pieces, or the call answers EINVAL.
        let pieces = libc::c_int::try_from(iovecs.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: the iovecs are the scatter's, borrowed exclusively, as many as are named, and point into the memory that it
        // owns, each with its length.
        let received = unsafe { libc::readv(self.raw(), iovecs.as_ptr(), pieces) };
        counted(received)
    }

    /// One `recv(MSG_TRUNC)`: takes up to so many bytes off the stream without copying them anywhere (tcp(7)); 0 is its end.
    ///
    /// # Errors
    ///
    /// As [`Socket::send`]; EFAULT on a socket that is not TCP and would copy.
    #[inline]
    pub fn discard(&self, bytes: usize, flags: ReceiveFlags) -> Result<usize, Errno> {
        let flags = flags.0 | libc::MSG_TRUNC;
        // SAFETY: the kernel checks the address before it writes there, and nothing of ours is at 0.
        let received = unsafe { libc::recv(self.raw(), ptr::null_mut(), bytes, flags) };
        counted(received)
    }

    /// One `recvmsg(MSG_ERRQUEUE | MSG_DONTWAIT)`: the next notification, or `None` when the queue is empty.
    ///
    /// # Errors
    ///
    /// The bare `errno`. Something other than a notification is answered with its own `errno` or EBADMSG,
    /// and [`ErrorQueueSpace::last_fault`] tells what it was.
    #[inline]
    pub fn read_error_queue(
        &self,
        space: &mut ErrorQueueSpace,
    ) -> Result<Option<Notification>, Errno> {
        let control = space.control_mut();
        // SAFETY: msghdr is a plain C struct for which all zeros is valid. Notifications carry no payload.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = control.len();
        // SAFETY: the header is ours, and so is the control buffer that it points to, with its length.
        let answer = unsafe {
            libc::recvmsg(self.raw(), &raw mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT)
        };
        if answer < 0 {
            let errno = Errno::last();
            return if errno.is_would_block() { Ok(None) } else { Err(errno) };
        }
        space.parse(header.msg_controllen).map(Some)
    }

    #[inline]
    pub(crate) fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

// Setting up and taking down.
impl Socket {
    /// A stream socket of the address's family, neither bound nor connected, blocking, closed on exec.
    ///
    /// # Errors
    ///
    /// EAFNOSUPPORT without IPv6, EMFILE above the limit of open files; both name their remedy.
    pub fn stream(family_of: impl Into<Address>) -> Result<Self, SocketError> {
        let (family, name) = match family_of.into() {
            Address::Inet(SocketAddr::V4(_)) => (libc::AF_INET, "TCP over IPv4"),
            Address::Inet(SocketAddr::V6(_)) => (libc::AF_INET6, "TCP over IPv6"),
            Address::Unix(_) => (libc::AF_UNIX, "a unix stream"),
        };
        // SAFETY: no pointers are passed.
        let fd = unsafe { libc::socket(family, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(SocketError::with_remedy(
                CallError::last("socket", name),
                &[
                    (libc::EAFNOSUPPORT, "use an IPv4 address, or boot with IPv6 enabled"),
                    (libc::EMFILE, "raise the limit of open files: ulimit -n"),
                ],
            ));
        }
        // SAFETY: the descriptor was just made and belongs to no one else.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// A listening socket with `SO_REUSEADDR`; port 0 takes a free one, see [`Socket::local_address`].
    ///
    /// # Errors
    ///
    /// As [`Socket::stream`] and [`Socket::bind`].
    pub fn listen(address: impl Into<Address>, backlog: u16) -> Result<Self, SocketError> {
        let address = address.into();
        let socket = Self::stream(address)?;
        socket.set_reuse_address(true)?;
        socket.bind(address)?;
        socket.start_listening(backlog)?;
        Ok(socket)
    }

    /// Binds to an address of this machine; a unix socket to a name that the kernel chooses.
    ///
    /// # Errors
    ///
    /// EADDRINUSE, EACCES (a privileged port) and EADDRNOTAVAIL name their remedy.
    pub fn bind(&self, address: impl Into<Address>) -> Result<(), SocketError> {
        let address = address.into();
        let raw = RawAddress::from(address);
        // SAFETY: the address and its length belong together and live through the call.
        let answer = unsafe { libc::bind(self.raw(), raw.as_ptr(), raw.length()) };
        if answer == 0 {
            return Ok(());
        }
        Err(SocketError::with_remedy(
            CallError::last("bind", address.to_string()),
            &[
                (libc::EADDRINUSE, "choose another port, or find who has it: ss -ltnp"),
                (libc::EACCES, "choose a port from 1024 up, or run as root"),
                (libc::EADDRNOTAVAIL, "choose an address of this machine: ip address"),
            ],
        ))
    }

    /// Makes a bound socket listen. It becomes non-blocking, which what it accepts is not.
    ///
    /// # Errors
    ///
    /// EADDRINUSE when another socket listens on the address.
    pub fn start_listening(&self, backlog: u16) -> Result<(), SocketError> {
        // A connection may vanish between poll and accept: a blocking accept would then overrun its time.
        self.set_nonblocking(true)?;
        // SAFETY: no pointers are passed.
        if unsafe { libc::listen(self.raw(), libc::c_int::from(backlog)) } == 0 {
            return Ok(());
        }
        Err(SocketError::with_remedy(
            CallError::last("listen", format!("backlog {backlog}")),
            &[(libc::EADDRINUSE, "choose another port, or find who has it: ss -ltnp")],
        ))
    }

    /// The next connection and its peer. `None`: nobody came in time, or a signal interrupted the wait.
    /// Without a time it waits for as long as it takes.
    ///
    /// # Errors
    ///
    /// EMFILE above the limit of open files, EINVAL on a socket that does not listen.
    pub fn accept(&self, timeout_ms: Option<i32>) -> Result<Option<(Self, SocketAddr)>, CallError> {
        let deadline = timeout_ms
            .map(|ms| Instant::now() + Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        loop {
            let mut raw = RawAddress::empty();
            let (address, length) = raw.as_out_pointers();
            // SAFETY: the out-pointers are to a whole sockaddr_storage and its length.
            let fd = unsafe { libc::accept4(self.raw(), address, length, libc::SOCK_CLOEXEC) };
            if fd >= 0 {
                // SAFETY: the descriptor was just made and belongs to no one else.
                let socket = Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } };
                let peer = raw.decode().map_err(|errno| CallError {
                    call: "accept",
                    argument: "the peer's address".into(),
                    errno,
                })?;
                return Ok(Some((socket, peer)));
            }
            let failed = CallError::last("accept", "the next connection");
            match failed.errno.0 {
                // Gone before it was accepted: wait for the next one.
                libc::ECONNABORTED => continue,
                libc::EAGAIN => {}
                libc::EINTR => return Ok(None),
                _ => return Err(failed),
            }
            match poll::wait_readable(self, poll::remaining_ms(deadline)) {
                Ok(ready) if ready.is_any() => {}
                Ok(_) => return Ok(None),
                Err(errno) if errno.is_interrupted() => return Ok(None),
                Err(errno) => {
                    return Err(CallError { call: "poll", argument: "a listener".into(), errno });
                }
            }
        }
    }

    /// The next connection of a listener, without waiting: what one call answers, so that a caller that serves many can
    /// count what was refused and go on.
    ///
    /// # Errors
    ///
    /// What no later call would be spared: EINVAL on a socket that does not listen.
    pub fn accept_at_once(&self) -> Result<Arrival, CallError> {
        let none = ptr::null_mut();
        // SAFETY: null for the address is allowed; then the length, null as well, is not used (accept(2)).
        let fd = unsafe { libc::accept4(self.raw(), none, ptr::null_mut(), libc::SOCK_CLOEXEC) };
        if fd >= 0 {
            // SAFETY: the descriptor was just made and belongs to no one else.
            return Ok(Arrival::Connection(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } }));
        }
        let failed = CallError::last("accept", "the next connection");
        match failed.errno.0 {
            libc::EAGAIN | libc::EINTR => Ok(Arrival::Nobody),
            libc::EINVAL | libc::EBADF | libc::ENOTSOCK | libc::EFAULT => Err(failed),
            // Linux hands on what has already happened to the new connection (accept(2), "Error handling").
            libc::ECONNABORTED
            | libc::ECONNRESET
            | libc::EPROTO
            | libc::ENOPROTOOPT
            | libc::EOPNOTSUPP
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENONET => Ok(Arrival::Gone(failed.errno)),
            _ => Ok(Arrival::Refused(failed.errno)),
        }
    }

    /// Connects, within the given time.
    ///
    /// # Errors
    ///
    /// ETIMEDOUT when nothing answered in time; ECONNREFUSED, ENETUNREACH and EADDRNOTAVAIL (no local port
    /// left) name their remedy.
    pub fn connect(
        &self,
        address: impl Into<Address>,
        timeout: Duration,
    ) -> Result<(), SocketError> {
        let address = address.into();
        let failed = |errno| {
            let failed = CallError { call: "connect", argument: address.to_string(), errno };
            if address.port().is_none() {
                return SocketError::with_remedy(
                    failed,
                    &[
                        (libc::ECONNREFUSED, "the end that listened there is gone; start it again"),
                        (
                            libc::ETIMEDOUT,
                            "the end that listens there accepts nobody: see whether it is stopped",
                        ),
                    ],
                );
            }
            SocketError::with_remedy(
                failed,
                &[
                    (libc::ECONNREFUSED, "start the other end, and check the address and the port"),
                    (libc::ETIMEDOUT, "check the address, and firewalls in between"),
                    (libc::ENETUNREACH, "check the address and the routes: ip route"),
                    (libc::EADDRNOTAVAIL, "wait for old connections to leave TIME-WAIT: ss -s"),
                ],
            )
        };
        let deadline = Instant::now() + timeout;
        let raw = RawAddress::from(address);
        self.set_nonblocking(true)?;
        loop {
            // SAFETY: the address and its length belong together and live through the call.
            if unsafe { libc::connect(self.raw(), raw.as_ptr(), raw.length()) } == 0 {
                break;
            }
            let errno = Errno::last();
            // A unix socket is connected at once, or not at all while the queue of who listens is full (connect(2)).
            if address.port().is_none() && errno.is_would_block() {
                if Instant::now() >= deadline {
                    return Err(failed(Errno(libc::ETIMEDOUT)));
                }
                std::thread::sleep(QUEUE_LOOK);
                continue;
            }
            // An interrupted connect goes on in the background like one in progress (connect(2)).
            if errno.0 != libc::EINPROGRESS && !errno.is_interrupted() {
                return Err(failed(errno));
            }
            poll::until(self, deadline, poll::wait_writable).map_err(failed)?;
            if let Some(errno) = self.take_error()? {
                return Err(failed(errno));
            }
            break;
        }
        self.set_nonblocking(false)?;
        Ok(())
    }

    /// Ends one direction or both; wakes every thread that blocks on the socket, through whichever clone.
    ///
    /// # Errors
    ///
    /// ENOTCONN when there is no connection (any more).
    pub fn shutdown(&self, how: Shutdown) -> Result<(), CallError> {
        let (value, name) = match how {
            Shutdown::Read => (libc::SHUT_RD, "receiving"),
            Shutdown::Write => (libc::SHUT_WR, "sending"),
            Shutdown::Both => (libc::SHUT_RDWR, "both directions"),
        };
        // SAFETY: no pointers are passed.
        match unsafe { libc::shutdown(self.raw(), value) } {
            0 => Ok(()),
            _ => Err(CallError::last("shutdown", name)),
        }
    }

    /// A second owner of the same socket, for a thread that must be able to shut it down while another
    /// blocks on it. The connection ends when both are dropped.
    ///
    /// # Errors
    ///
    /// EMFILE above the limit of open files.
    pub fn try_clone(&self) -> Result<Self, CallError> {
        let fd = self.fd.try_clone().map_err(|error| CallError {
            call: "fcntl",
            argument: "F_DUPFD_CLOEXEC of a socket".into(),
            errno: Errno(error.raw_os_error().unwrap_or(0)),
        })?;
        Ok(Self { fd })
    }

    /// The socket's own address.
    ///
    /// # Errors
    ///
    /// EAFNOSUPPORT for a socket of another family.
    pub fn local_address(&self) -> Result<SocketAddr, CallError> {
        self.own_address(RawAddress::decode)
    }

    /// The other end's address.
    ///
    /// # Errors
    ///
    /// ENOTCONN where there is no connection (any more), EAFNOSUPPORT for a socket of another family.
    pub fn peer_address(&self) -> Result<SocketAddr, CallError> {
        let mut raw = RawAddress::empty();
        let (address, length) = raw.as_out_pointers();
        // SAFETY: the out-pointers are to a whole sockaddr_storage and its length.
        let answer = unsafe { libc::getpeername(self.raw(), address, length) };
        let decoded = if answer == 0 { raw.decode() } else { Err(Errno::last()) };
        decoded.map_err(|errno| CallError {
            call: "getpeername",
            argument: "a connection".into(),
            errno,
        })
    }

    /// Its own address, of a socket of either kind; EAFNOSUPPORT for a unix one with another name than the kernel's own.
    ///
    /// # Errors
    ///
    /// As [`Socket::local_address`].
    pub fn address(&self) -> Result<Address, CallError> {
        self.own_address(|raw| raw.decode().map(Address::Inet).or_else(|_| raw.decode_unix()))
    }

    fn own_address<T>(
        &self,
        decode: impl FnOnce(&RawAddress) -> Result<T, Errno>,
    ) -> Result<T, CallError> {
        let mut raw = RawAddress::empty();
        let (address, length) = raw.as_out_pointers();
        // SAFETY: the out-pointers are to a whole sockaddr_storage and its length.
        let answer = unsafe { libc::getsockname(self.raw(), address, length) };
        let decoded = if answer == 0 { decode(&raw) } else { Err(Errno::last()) };
        decoded.map_err(|errno| CallError {
            call: "getsockname",
            argument: "a socket".into(),
            errno,
        })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<OwnedFd> for Socket {
    /// Takes over a descriptor, e.g. an inherited one. Calls on one that is no socket answer ENOTSOCK.
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        socket.fd
    }
}
