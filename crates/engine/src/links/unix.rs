//! Unix stream sockets: one copy in, one copy out, and no TCP, packet or device between them.
//!
//! The receiving end listens on a name that the kernel chooses (unix(7), "autobind"): it lies in no file system, so that nothing
//! is left of it when the end is gone, however it went. Whoever is in the same network namespace could connect to it: one of
//! another user is turned away by what the kernel says of him (SO_PEERCRED), one of the same user by the token.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kernel::socket::{Address, Socket, SocketError};
use model::Missing;

use super::link::{Link, LinkSetup, Raised, Start};
use crate::child::WhichEnd;
use crate::peering::Peering;

/// Nothing needs raising.
#[derive(Debug)]
pub(crate) struct Unix;

/// How long the kernel may take to connect this process to itself.
const CONNECTING: Duration = Duration::from_secs(1);

/// Connects this process to itself: a sandbox may allow sockets, and none of this family.
fn connect() -> Result<(), SocketError> {
    let listener = Socket::listen(Address::ANY_UNIX, 1)?;
    let address = listener.address()?;
    Socket::stream(address)?.connect(address, CONNECTING)
}

impl Link for Unix {
    type Raised = Self;

    fn raise(setup: &LinkSetup, _: &Peering) -> Result<Self, Missing> {
        connect().map(|()| Self).map_err(|error| {
            Missing::of_itself(format!("link {}", setup.link))
                .because(error.to_string())
                .unlocked_by(
                    "allow sockets of the family AF_UNIX (seccomp, RestrictAddressFamilies)",
                )
        })
    }
}

impl Raised for Unix {
    fn start(&self, _: WhichEnd, program: &Path) -> Start {
        let mut command = Command::new(program);
        command.arg("end");
        Start::Here(command)
    }

    fn listening_address(&self) -> Address {
        Address::ANY_UNIX
    }
}
