//! The loopback device.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use kernel::socket::Socket;
use model::Family;

use super::{Link, Raised};
use crate::child::Which;

/// Nothing needs raising: it is there, or this machine has no such address.
#[derive(Debug)]
pub(crate) struct Loopback {
    address: SocketAddr,
}

impl Link for Loopback {
    type Raised = Self;

    fn raise(family: Family) -> Result<Self, String> {
        let ip: IpAddr = match family {
            Family::Ipv4 => Ipv4Addr::LOCALHOST.into(),
            Family::Ipv6 => Ipv6Addr::LOCALHOST.into(),
        };
        let address = SocketAddr::new(ip, 0);
        let refused = |why: String| format!("loopback over {family}: {why}");
        Socket::listen(address, 1).map_err(|error| {
            let remedy = match family {
                Family::Ipv4 => "bring the loopback device up: sudo ip link set lo up",
                Family::Ipv6 => "allow it: sudo sysctl net.ipv6.conf.lo.disable_ipv6=0",
            };
            refused(format!("{error}; {remedy}"))
        })?;
        Ok(Self { address })
    }
}

impl Raised for Loopback {
    fn start(&self, _: Which, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("end");
        command
    }

    fn listening_address(&self) -> SocketAddr {
        self.address
    }

    fn has_common_clock(&self) -> bool {
        true
    }
}
