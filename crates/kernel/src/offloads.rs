//! What a device takes over from the protocol stack, and who drives it, by ethtool's ioctl (`linux/ethtool.h`).

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::{mem, ptr};

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
    /// Scatter-gather: the device takes a packet's bytes from where they lie. Without it the kernel copies what is passed by
    /// reference: segments that it makes are new packets (`skb_segment`, net/core/skbuff.c), and others it makes linear
    /// (`skb_needs_linearize`, net/core/dev.c).
    ScatterGather,
    /// Checksums of received packets.
    ReceiveChecksum,
    /// Checksums of sent packets.
    TransmitChecksum,
}

impl Offload {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Tso,
        Self::Gso,
        Self::Gro,
        Self::ScatterGather,
        Self::ReceiveChecksum,
        Self::TransmitChecksum,
    ];

    /// As `ethtool -K` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tso => "tso",
            Self::Gso => "gso",
            Self::Gro => "gro",
            Self::ScatterGather => "sg",
            Self::ReceiveChecksum => "rx",
            Self::TransmitChecksum => "tx",
        }
    }

    /// `ETHTOOL_GTSO`, `ETHTOOL_GGSO`, `ETHTOOL_GGRO`, `ETHTOOL_GSG`, `ETHTOOL_GRXCSUM`, `ETHTOOL_GTXCSUM`.
    const fn asked_by(self) -> u32 {
        match self {
            Self::Tso => 0x1e,
            Self::Gso => 0x23,
            Self::Gro => 0x2b,
            Self::ScatterGather => 0x18,
            Self::ReceiveChecksum => 0x14,
            Self::TransmitChecksum => 0x16,
        }
    }

    /// `ETHTOOL_STSO` and so on: each follows its question.
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

/// `struct ethtool_gfeatures` with room for 64 features.
#[repr(C)]
#[derive(Clone, Copy)]
struct Features {
    command: u32,
    /// Blocks that there is room for; the kernel answers how many it has.
    blocks: u32,
    of: [FeatureBlock; 2],
}

/// `struct ethtool_get_features_block`: 32 features, a bit each.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct FeatureBlock {
    available: u32,
    requested: u32,
    active: u32,
    never_changed: u32,
}

/// `struct ethtool_drvinfo`: who drives a device.
#[repr(C)]
#[derive(Clone, Copy)]
struct Driver {
    command: u32,
    name: [u8; 32],
    /// Versions, the place on a bus, and how much of what else there is.
    others: [u8; 160],
}

/// The argument of an ethtool command: plain numbers, all of which the kernel may write.
trait Asked {}
impl Asked for Value {}
impl Asked for Features {}
impl Asked for Driver {}

/// `ETHTOOL_GDRVINFO`.
const GET_DRIVER: u32 = 0x03;
/// `ETHTOOL_GFEATURES`.
const GET_FEATURES: u32 = 0x3a;
/// `NETIF_F_SG_BIT`, the first of them (linux/netdev_features.h). `ETHTOOL_GSG` answers also yes for a device that could chain packets
/// (`NETIF_F_FRAGLIST`) and does not gather (`ethtool_get_feature_mask`, net/ethtool/ioctl.c).
const GATHERS: u32 = 1;

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
        namespace.run(Self::here)?
    }

    /// The same of the calling thread's own namespace.
    ///
    /// # Errors
    ///
    /// EMFILE.
    pub fn here() -> Result<Self, CallError> {
        let socket = UnixDatagram::unbound().map_err(|error| CallError {
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
        if offload == Offload::ScatterGather {
            let block = FeatureBlock::default();
            let mut features = Features { command: GET_FEATURES, blocks: 2, of: [block, block] };
            self.call(device, offload.name(), &mut features)?;
            return Ok(features.of[0].active & GATHERS != 0);
        }
        let mut value = Value { command: offload.asked_by(), setting: 0 };
        self.call(device, offload.name(), &mut value)?;
        Ok(value.setting != 0)
    }

    /// The driver of a device, such as `mlx5_core`; of a virtual one the kind, such as `veth`.
    ///
    /// # Errors
    ///
    /// ENODEV; EOPNOTSUPP where it has none, as loopback.
    pub fn driver(&self, device: &str) -> Result<String, CallError> {
        let mut driver = Driver { command: GET_DRIVER, name: [0; 32], others: [0; 160] };
        self.call(device, "driver", &mut driver)?;
        let name = driver.name.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    /// Sets whether a device does this work, and answers what it does now: the kernel may leave it as it is without an
    /// error.
    ///
    /// # Errors
    ///
    /// EPERM without CAP_NET_ADMIN, EOPNOTSUPP where the device cannot change it, ENODEV.
    pub fn set(&self, device: &str, offload: Offload, on: bool) -> Result<bool, CallError> {
        let mut value = Value { command: offload.set_by(), setting: u32::from(on) };
        self.call(device, offload.name(), &mut value)?;
        self.get(device, offload)
    }

    /// `asked` is what the command in its first word takes and answers.
    fn call<T: Asked>(&self, device: &str, what: &str, asked: &mut T) -> Result<(), CallError> {
        let argument = format!("SIOCETHTOOL {what} of {device}");
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
        request.ifr_ifru.ifru_data = ptr::from_mut(asked).cast();
        // SAFETY: the request names a live argument of its command's own type, which the kernel reads and, asked a question,
        // writes within its size; both outlive the call.
        let answer = unsafe {
            libc::ioctl(self.socket.as_raw_fd(), libc::SIOCETHTOOL as libc::Ioctl, &raw mut request)
        };
        match answer {
            0 => Ok(()),
            _ => Err(CallError::last("ioctl", argument)),
        }
    }
}
