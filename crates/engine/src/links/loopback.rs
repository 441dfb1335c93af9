//! The loopback device.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use kernel::Unavailable;
use kernel::socket::Socket;
use model::Family;

use super::{Link, LinkSetup, Raised};
use crate::child::Which;

/// Nothing needs raising: it is there, or this machine has no such address.
#[derive(Debug)]
pub(crate) struct Loopback {
    address: SocketAddr,
}

impl Link for Loopback {
    type Raised = Self;

    fn raise(setup: &LinkSetup) -> Result<Self, Unavailable> {
        let (ip, remedy): (IpAddr, _) = match setup.family {
            Family::Ipv4 => {
                (Ipv4Addr::LOCALHOST.into(), "bring the loopback device up: sudo ip link set lo up")
            }
            Family::Ipv6 => (
                Ipv6Addr::LOCALHOST.into(),
                "allow it: sudo sysctl net.ipv6.conf.lo.disable_ipv6=0",
            ),
        };
        let address = SocketAddr::new(ip, 0);
        Socket::listen(address, 1).map_err(|error| Unavailable {
            what: format!("loopback over {}", setup.family),
            because: error.to_string(),
            remedy: remedy.to_owned(),
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
