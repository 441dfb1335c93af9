//! Raw frames onto a device, past its queue.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::{mem, ptr};

use crate::error::{CallError, Errno, Unavailable};
use crate::process::{Capabilities, Capability};

/// A packet socket that only sends (packet(7)). It is bound to no protocol, so it takes no packets, and none is copied for
/// its sake.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

fn set<T>(fd: &OwnedFd, level: i32, option: i32, value: &T) -> i32 {
    let len = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    // SAFETY: the value is live, and its length is its own.
    unsafe { libc::setsockopt(fd.as_raw_fd(), level, option, ptr::from_ref(value).cast(), len) }
}

/// The number of a network device of the caller's network namespace.
///
/// # Errors
/// ENODEV where there is no such device.
pub fn device_number(device: &str) -> Result<u32, CallError> {
    let name = CString::new(device).map_err(|_| CallError {
        call: "if_nametoindex",
        argument: device.to_owned(),
        errno: Errno(libc::ENODEV),
    })?;
    // SAFETY: the name ends with a NUL.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(CallError::last("if_nametoindex", device)),
        number => Ok(number),
    }
}

impl PacketSocket {
    /// Opens one on a device of the caller's network namespace.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW, ENODEV where there is no such device.
    pub fn open(device: &str) -> Result<Self, CallError> {
        let argument = || format!("AF_PACKET, {device}");
        // SAFETY: it takes numbers only; protocol 0 receives nothing.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(CallError::last("socket", argument()));
        }
        // SAFETY: the descriptor is new and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // Without the option frames take the usual way through the queue: slower, not wrong.
        let _ = set(&fd, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, &1i32);
        let index = i32::try_from(device_number(device)?).map_err(|_| CallError {
            call: "if_nametoindex",
            argument: device.to_owned(),
            errno: Errno(libc::ENODEV),
        })?;
        // SAFETY: all zeros is a valid address of no protocol.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or(0);
        address.sll_ifindex = index;
        let len = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or(0);
        // SAFETY: the address is live, and its length is its own.
        let bound = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) };
        if bound != 0 {
            return Err(CallError::last("bind", argument()));
        }
        Ok(Self { fd })
    }

    /// Why none could be opened, and what would have it granted (packet(7)).
    pub fn refusal(error: &CallError) -> Unavailable {
        let missing = Capabilities::effective().is_ok_and(|have| !have.has(Capability::NetRaw));
        let (because, remedy) = match error.errno.0 {
            libc::EPERM if missing => (
                format!("{error}: CAP_NET_RAW is missing"),
                "run as root: sudo copycost run --link sink; in a container add --cap-add NET_RAW",
            ),
            libc::EPERM | libc::EACCES => (
                format!("{error}: a sandbox (seccomp) or a security module forbids it"),
                "run outside of the sandbox",
            ),
            libc::EAFNOSUPPORT => (
                format!("{error}: this kernel has no packet sockets"),
                "sudo modprobe af_packet, or use a kernel with CONFIG_PACKET",
            ),
            _ => (error.to_string(), ""),
        };
        Unavailable { what: "a packet socket".to_owned(), because, remedy: remedy.into() }
    }

    /// Sends a frame, from its Ethernet header on. It does not wait.
    ///
    /// # Errors
    /// ENOBUFS or EAGAIN where there is no room now, ENETDOWN where the device is down.
    #[inline]
    pub fn send(&self, frame: &[u8]) -> Result<(), Errno> {
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: the frame is live and has that many bytes.
        let sent =
            unsafe { libc::send(self.fd.as_raw_fd(), frame.as_ptr().cast(), frame.len(), flags) };
        if sent < 0 { Err(Errno::last()) } else { Ok(()) }
    }
}
