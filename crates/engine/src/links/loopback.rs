//! The loopback device.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kernel::Unavailable;
use kernel::socket::Socket;
use model::Family;

use super::link::{Link, LinkSetup, Raised};
use crate::child::WhichEnd;

/// How long a connection may take: a device that is down may drop its packets silently.
const CONNECTING: Duration = Duration::from_secs(1);

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
                "bring the loopback device up: sudo ip link set lo up; or allow IPv6 on it: sudo sysctl net.ipv6.conf.lo.disable_ipv6=0",
            ),
        };
        let address = SocketAddr::new(ip, 0);
        let refused = |because: String| Unavailable {
            what: format!("loopback over {}", setup.family),
            because,
            remedy: remedy.into(),
        };
        // Binding works on a device that is down: only a connection shows that packets pass.
        let listener = Socket::listen(address, 1).map_err(|error| refused(error.to_string()))?;
        let listening = listener.local_address().map_err(|error| refused(error.to_string()))?;
        Socket::stream(listening)
            .map_err(|error| refused(error.to_string()))?
            .connect(listening, CONNECTING)
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self { address })
    }
}

impl Raised for Loopback {
    fn start(&self, _: WhichEnd, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("end");
        command
    }

    fn listening_address(&self) -> SocketAddr {
        self.address
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
        let why = namespace.run(move || Loopback::raise(&setup).unwrap_err()).unwrap();
        assert!(why.to_string().ends_with("sudo ip link set lo up"), "{why}");
        assert!(!why.to_string().contains('\n'), "{why}");
    }
}
