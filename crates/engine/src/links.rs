//! The links: what lies between the two ends. One file each.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use model::{Family, Link as Name};

use crate::child::Which;

mod loopback;

pub(crate) use loopback::Loopback;

/// A way to put something between two ends.
pub(crate) trait Link {
    /// What was raised; dropping it lowers it.
    type Raised: Raised;

    /// Raises it.
    ///
    /// # Errors
    /// One line: what this machine refuses, with the remedy.
    fn raise(family: Family) -> Result<Self::Raised, String>;
}

/// A link that is up.
pub(crate) trait Raised {
    /// The command that starts an end on its side of the link.
    fn start(&self, which: Which, program: &Path) -> Command;

    /// Where the listening end should listen, port 0.
    fn listening_address(&self) -> SocketAddr;

    /// Whether both ends read the same monotonic clock.
    fn has_common_clock(&self) -> bool;
}

/// Raises the link of a name.
///
/// # Errors
/// As [`Link::raise`].
pub(crate) fn raise(link: Name, family: Family) -> Result<Box<dyn Raised>, String> {
    match link {
        Name::Loopback => Ok(Box::new(Loopback::raise(family)?)),
        Name::Veth | Name::Sink => Err(format!("{link} is not built yet")),
    }
}
