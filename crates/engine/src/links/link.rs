//! What a link is: what it is raised from, and what is asked of it when it is up.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kernel::socket::Address;
use model::names::{AckPlacement, Offload};
use model::record::{LinkFacts, NO_DEVICES};
use model::values::Mtu;
use model::{Cell, Family, Link as Name, Measured, Missing, Nanos};

use crate::child::WhichEnd;
use crate::peering::{Peering, Session};
use crate::placement::Seats;
use crate::protocol::Role;

/// What of a cell decides how its link is raised: ends and link are kept while this stays the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkSetup {
    pub(crate) link: Name,
    pub(crate) family: Family,
    pub(crate) mtu: Mtu,
    pub(crate) tso: Offload,
    pub(crate) gso: Offload,
    pub(crate) gro: Offload,
    pub(crate) ack_placement: AckPlacement,
}

impl From<&Cell> for LinkSetup {
    fn from(cell: &Cell) -> Self {
        Self {
            link: cell.link,
            family: cell.family,
            mtu: cell.mtu,
            tso: cell.tso,
            gso: cell.gso,
            gro: cell.gro,
            ack_placement: cell.ack_placement,
        }
    }
}

impl LinkSetup {
    /// The plain link of a name, every setting as it comes.
    pub(crate) fn plain(link: Name, family: Family) -> Self {
        Self::from(&Cell { link, family, ..Cell::default() })
    }
}

/// A way to put something between two ends.
pub(crate) trait Link {
    /// What was raised; dropping it lowers it.
    type Raised: Raised;

    /// Raises it.
    ///
    /// # Errors
    /// What this machine refuses, with the remedy.
    fn raise(setup: &LinkSetup, peering: &Peering) -> Result<Self::Raised, Missing>;

    /// Flows that all cells that are prepared side by side may have together.
    const MOST_FLOWS: u32 = u32::MAX;

    /// Refuses a cell that the link would measure otherwise than it says.
    ///
    /// # Errors
    /// One line that names the flag and the remedy.
    fn suits(cell: &Cell) -> Result<(), String> {
        let _ = cell;
        Ok(())
    }
}

/// What starts an end.
pub(crate) enum Start {
    /// A command of this host.
    Here(Command),
    /// Another host.
    There(Arc<Session>),
}

/// A link that is up.
pub(crate) trait Raised {
    /// What starts an end on its side of the link.
    fn start(&self, which: WhichEnd, program: &Path) -> Start;

    /// Where the listening end should listen: port 0, or a name that the kernel chooses.
    fn listening_address(&self) -> Address;

    /// How long a line takes to the end that is farther away, and its answer back.
    fn line_round_trip(&self) -> Nanos {
        Nanos(0)
    }

    /// Its devices as the kernel told them when they were up.
    fn facts(&self) -> Measured<LinkFacts> {
        Measured::absent(NO_DEVICES)
    }

    /// Sets what follows the seats of the cell that is measured next.
    ///
    /// # Errors
    /// What this machine refuses, with the remedy.
    fn turn_to(&mut self, _: &Seats) -> Result<(), Missing> {
        Ok(())
    }

    /// What the receiving end is told to be in a trial of this cell.
    ///
    /// # Errors
    /// What this machine refuses, with the remedy.
    fn receiving_role(&mut self, _: &Cell, _: &Seats, _: &[u32]) -> Result<Role, Missing> {
        Ok(Role::Receive)
    }
}
