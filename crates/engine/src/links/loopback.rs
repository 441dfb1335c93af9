//! The loopback device.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kernel::socket::{Address, Socket, SocketError};
use model::{Family, Missing};

use super::link::{Link, LinkSetup, Raised, Start};
use crate::child::WhichEnd;
use crate::peering::Peering;

/// Nothing needs raising: it is there, or this machine has no such address.
#[derive(Debug)]
pub(crate) struct Loopback {
    address: SocketAddr,
}

/// How long the kernel may take to connect this process to itself.
const CONNECTING: Duration = Duration::from_secs(5);

const BRING_UP: [&str; 2] = ["sudo ip link set lo up", "sudo ip link set lo down"];
const ALLOW_IPV6: [&str; 2] =
    ["sudo sysctl net.ipv6.conf.lo.disable_ipv6=0", "sudo sysctl net.ipv6.conf.lo.disable_ipv6=1"];

/// Connects to a listener on an address: on a device that is down one may listen on 127.0.0.1, but reach nothing.
fn connect(ip: IpAddr) -> Result<(), SocketError> {
    let listener = Socket::listen(SocketAddr::new(ip, 0), 1)?;
    let address = listener.local_address()?;
    Socket::stream(address)?.connect(address, CONNECTING)
}

impl Link for Loopback {
    type Raised = Self;

    fn raise(setup: &LinkSetup, _: &Peering) -> Result<Self, Missing> {
        let ip: IpAddr = match setup.family {
            Family::Ipv4 => Ipv4Addr::LOCALHOST.into(),
            Family::Ipv6 => Ipv6Addr::LOCALHOST.into(),
        };
        connect(ip).map_err(|error| {
            // A device that is down has neither address; one that is up may yet lack that of IPv6.
            let is_up = ip.is_ipv6() && connect(Ipv4Addr::LOCALHOST.into()).is_ok();
            let (because, [unlock, undo]) = if is_up {
                (error.to_string(), ALLOW_IPV6)
            } else {
                ("the device lo is down or has no address".to_owned(), BRING_UP)
            };
            Missing {
                what: format!("loopback over {}", setup.family),
                because,
                unlock: unlock.to_owned(),
                undo: undo.to_owned(),
                ..Missing::default()
            }
        })?;
        Ok(Self { address: SocketAddr::new(ip, 0) })
    }
}

impl Raised for Loopback {
    fn start(&self, _: WhichEnd, program: &Path) -> Start {
        let mut command = Command::new(program);
        command.arg("end");
        Start::Here(command)
    }

    fn listening_address(&self) -> Address {
        self.address.into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it skips")]
mod tests {
    use kernel::netns::Namespace;
    use model::Link as Name;

    use super::*;

    #[test]
    fn a_device_that_is_down_is_refused_with_the_command_that_brings_it_up() {
        // The loopback device of a new namespace is down.
        let namespace = match Namespace::create() {
            Ok(namespace) => namespace,
            Err(why) => return eprintln!("skipped: {why}"),
        };
        let setup = LinkSetup::plain(Name::Loopback, Family::Ipv4);
        let why =
            namespace.run(move || Loopback::raise(&setup, &Peering::none()).unwrap_err()).unwrap();
        assert_eq!(why.unlock, "sudo ip link set lo up");
        assert!(!why.to_string().contains('\n'), "{why}");
    }
}
