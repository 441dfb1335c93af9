//! What the kernel lets this process do.

use super::status::status_field;
use crate::error::Unavailable;

/// A privilege (capabilities(7)); the value is its bit in `CapEff` (`linux/capability.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Capability {
    /// Network set-up: namespaces' devices, any congestion control, forced buffer sizes.
    NetAdmin = 12,
    /// Raw and packet sockets.
    NetRaw = 13,
    /// Lock memory without limit.
    IpcLock = 14,
    /// The catch-all: namespaces, mounts.
    SysAdmin = 21,
    /// Raise priorities, pin other users' processes.
    SysNice = 23,
    /// Counters and samples of the kernel and of others (since Linux 5.8).
    Perfmon = 38,
    /// BPF programs (since Linux 5.8).
    Bpf = 39,
}

/// The effective capabilities of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Capabilities(u64);

impl Capability {
    /// The kernel's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
            Self::IpcLock => "CAP_IPC_LOCK",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::SysNice => "CAP_SYS_NICE",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        }
    }
}

impl Capabilities {
    /// The calling process's, as `CapEff` in `/proc/self/status` tells.
    ///
    /// # Errors
    ///
    /// Without a readable /proc.
    pub fn effective() -> Result<Self, Unavailable> {
        let unavailable = |because| Unavailable {
            what: "the effective capabilities".into(),
            because,
            remedy: "mount /proc".into(),
        };
        let status = std::fs::read_to_string("/proc/self/status")
            .map_err(|error| unavailable(format!("/proc/self/status: {error}")))?;
        Self::parse(&status)
            .ok_or_else(|| unavailable("/proc/self/status has no readable CapEff".into()))
    }

    /// Reads `CapEff` out of a `/proc/PID/status`.
    pub fn parse(status: &str) -> Option<Self> {
        u64::from_str_radix(status_field(status, "CapEff")?, 16).ok().map(Self)
    }

    /// Whether the process has it. `Perfmon` and `Bpf` are also had through `SysAdmin`, as the kernel's
    /// `perfmon_capable` and `bpf_capable` have it.
    pub fn has(self, capability: Capability) -> bool {
        let bit = |capability: Capability| self.0 >> (capability as u8) & 1 == 1;
        match capability {
            Capability::Perfmon | Capability::Bpf => bit(capability) || bit(Capability::SysAdmin),
            Capability::NetAdmin
            | Capability::NetRaw
            | Capability::IpcLock
            | Capability::SysAdmin
            | Capability::SysNice => bit(capability),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capabilities(bits: &str) -> Capabilities {
        Capabilities::parse(&format!("Name:\tx\nCapPrm:\tffff\nCapEff:\t{bits}\n")).unwrap()
    }

    #[test]
    fn the_bits_are_those_of_the_kernels_header() {
        for (bits, capability) in [
            ("0000000000001000", Capability::NetAdmin),
            ("0000000000002000", Capability::NetRaw),
            ("0000000000004000", Capability::IpcLock),
            ("0000000000200000", Capability::SysAdmin),
            ("0000000000800000", Capability::SysNice),
            ("0000004000000000", Capability::Perfmon),
            ("0000008000000000", Capability::Bpf),
        ] {
            assert!(capabilities(bits).has(capability), "{capability:?}");
            assert!(!capabilities("0000000000000000").has(capability), "{capability:?}");
        }
        assert!(!capabilities("0000000000001000").has(Capability::IpcLock));
        assert!(capabilities("0000000000200000").has(Capability::Bpf));
    }

    #[test]
    fn a_status_without_readable_capabilities_is_refused() {
        for status in ["", "CapEff:", "CapEff:\txyz", "CapEff:\t11111111111111111", "XCapEff:\t1"] {
            assert_eq!(Capabilities::parse(status), None, "{status:?}");
        }
        Capabilities::effective().unwrap();
    }
}
