//! A veth pair: the two ends in two network namespaces, whole protocol stacks on both sides.

use std::net::SocketAddr;
use std::path::Path;

use kernel::socket::Address;
use model::record::LinkFacts;
use model::{Measured, Missing};

use super::device_pair::DevicePair;
use super::link::{Link, LinkSetup, Raised, Start};
use crate::child::WhichEnd;
use crate::peering::Peering;

/// The pair as it is.
#[derive(Debug)]
pub(crate) struct Veth(DevicePair);

impl Link for Veth {
    type Raised = Self;

    fn raise(setup: &LinkSetup, _: &Peering) -> Result<Self, Missing> {
        DevicePair::raise(setup).map(Self)
    }
}

impl Raised for Veth {
    fn start(&self, which: WhichEnd, program: &Path) -> Start {
        Start::Here(self.0.start(which, program))
    }

    fn listening_address(&self) -> Address {
        SocketAddr::new(self.0.address(WhichEnd::Receiver), 0).into()
    }

    fn facts(&self) -> Measured<LinkFacts> {
        Measured::Value(self.0.facts())
    }
}
