//! What a device takes over from the protocol stack, by ethtool's ioctl (`linux/ethtool.h`).

use std::mem;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

use crate::error::{CallError, Errno};
use crate::netns::Namespace;

/// Work that a device may take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offload {
    /// TCP segmentation: one packet of up to 64 KiB leaves the stack and is cut by the device, or never where the device
    /// is software.
    Tso,
    /// Generic segmentation: the packet is cut just before the device.
    Gso,
    /// Generic receive offload: packets of one flow are joined before the stack sees them.
    Gro,
}

impl Offload {
    /// As `ethtool -K` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tso => "tso",
            Self::Gso => "gso",
            Self::Gro => "gro",
        }
    }

    /// `ETHTOOL_GTSO`, `ETHTOOL_GGSO`, `ETHTOOL_GGRO`.
    const fn asked_by(self) -> u32 {
        match self {
            Self::Tso => 0x1e,
            Self::Gso => 0x23,
            Self::Gro => 0x2b,
        }
    }

    /// `ETHTOOL_STSO`, `ETHTOOL_SGSO`, `ETHTOOL_SGRO`: each follows its question.
    const fn set_by(self) -> u32 {
        self.asked_by() + 1
    }
}

/// `struct ethtool_value`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Value {
    command: u32,
    setting: u32,
}

/// Asks and sets the offloads of one namespace's devices.
#[derive(Debug)]
pub struct Offloads {
    /// The kernel takes the namespace from the socket; its kind does not matter (`sock_ioctl`, net/socket.c).
    socket: UnixDatagram,
}

impl Offloads {
    /// Opens a socket inside the namespace; it can be used from any thread.
    ///
    /// # Errors
    ///
    /// EPERM where the namespace may not be entered, EMFILE.
    pub fn inside(namespace: &Namespace) -> Result<Self, CallError> {
        let socket = namespace.run(UnixDatagram::unbound)?.map_err(|error| CallError {
            call: "socket",
            argument: "for ethtool".into(),
            errno: Errno(error.raw_os_error().unwrap_or(0)),
        })?;
        Ok(Self { socket })
    }

    /// Whether a device does this work.
    ///
    /// # Errors
    ///
    /// ENODEV; EOPNOTSUPP on devices that know no offloads.
    pub fn get(&self, device: &str, offload: Offload) -> Result<bool, CallError> {
        let value = Value { command: offload.asked_by(), setting: 0 };
        self.call(device, offload, value).map(|setting| setting != 0)
    }

    /// Sets whether a device does this work, and answers what it does now: the kernel may leave it as it is without an
    /// error.
    ///
    /// # Errors
    ///
    /// EPERM without CAP_NET_ADMIN, EOPNOTSUPP where the device cannot change it, ENODEV.
    pub fn set(&self, device: &str, offload: Offload, on: bool) -> Result<bool, CallError> {
        let value = Value { command: offload.set_by(), setting: u32::from(on) };
        self.call(device, offload, value)?;
        self.get(device, offload)
    }

    fn call(&self, device: &str, offload: Offload, mut value: Value) -> Result<u32, CallError> {
        let argument = format!("SIOCETHTOOL {} of {device}", offload.name());
        // SAFETY: ifreq is plain bytes for which all zeros is valid.
        let mut request: libc::ifreq = unsafe { mem::zeroed() };
        // The last byte stays zero, as the kernel wants it.
        let room = request.ifr_name.len() - 1;
        if device.len() > room {
            return Err(CallError { call: "ioctl", argument, errno: Errno(libc::ENODEV) });
        }
        for (place, byte) in request.ifr_name.iter_mut().zip(device.bytes()) {
            *place = libc::c_char::from_ne_bytes([byte]);
        }
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        // SAFETY: the request names a live ethtool_value, which the kernel reads and, asked a question, writes; both
        // outlive the call.
        let answer = unsafe {
            libc::ioctl(self.socket.as_raw_fd(), libc::SIOCETHTOOL as libc::Ioctl, &raw mut request)
        };
        match answer {
            0 => Ok(value.setting),
            _ => Err(CallError::last("ioctl", argument)),
        }
    }
}
