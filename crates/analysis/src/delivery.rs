//! Whether what is passed by reference is copied when it is delivered, as far as that is known before a completion says it.

use model::host::{Host, OneKernel};
use model::nic::Nic;
use model::{Cell, Link, Measured};
use schemars::JsonSchema;
use serde::Serialize;

/// What delivery does with pages that were passed by reference with a notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// It copies them: sender and receiver are under one kernel (`skb_orphan_frags_rx`, net/core/dev.c and net/ipv4/ip_input.c).
    Copied,
    /// It does not: packets are dropped before it, or leave by a device that takes the bytes from where they lie.
    Left,
    /// Nobody knows it beforehand.
    Unforeseen(Unforeseen),
}

/// Why nobody knows beforehand whether delivery to another host copies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Unforeseen {
    /// The sender's device has no line of which anybody tells: virtual devices copy packets, hand them to a program, or pass them on.
    NoLine {
        /// Its name.
        device: String,
    },
    /// The sender's device takes packets in one piece, so that the kernel puts them together first.
    InOnePiece {
        /// Its name.
        device: String,
    },
    /// Packet sockets of the sender's host are shown every packet, and each of them gets a copy.
    Tapped {
        /// How many.
        taps: u32,
    },
    /// The run did not record what it hangs on.
    NotRecorded,
}

impl Delivery {
    /// What is known of a link from the facts of the hosts.
    pub fn of(host: &Host, link: Link) -> Self {
        let can = link.capabilities();
        if can.copies_by_reference_on_delivery {
            return Self::Copied;
        }
        if !can.has_peer_host {
            return Self::Left;
        }
        let sender = host.nics().and_then(|[sender, _]| sender.value());
        sender.map_or(Self::Unforeseen(Unforeseen::NotRecorded), |nic| between_hosts(host, nic))
    }
}

impl Delivery {
    /// What is known for a cell. A packet socket's copy is not of the pages: those that come back without a notification stay as they are.
    pub(crate) fn of_cell(host: &Host, cell: &Cell) -> Self {
        match Self::of(host, cell.link) {
            Self::Unforeseen(Unforeseen::Tapped { .. })
                if !cell.send_path.capabilities().gets_notifications =>
            {
                Self::Left
            }
            known @ (Self::Copied | Self::Left | Self::Unforeseen(_)) => known,
        }
    }
}

/// Over a line between two hosts, to which the sender's packets leave by this device.
fn between_hosts(host: &Host, nic: &Nic) -> Delivery {
    let device = || nic.device.clone();
    let (sender, receiver) = (host.of_sender(), host.of_receiver());
    let is_one_kernel = OneKernel::of(&sender.boot_id, &receiver.boot_id) == OneKernel::Yes;
    match (nic.speed_mbps.value(), nic.offloads.get("sg"), &sender.packet_taps) {
        (None, ..) if is_one_kernel => Delivery::Copied,
        (None, ..) => Delivery::Unforeseen(Unforeseen::NoLine { device: device() }),
        (Some(_), Some(Measured::Value(false)), _) => {
            Delivery::Unforeseen(Unforeseen::InOnePiece { device: device() })
        }
        (Some(_), Some(Measured::Value(true)), Measured::Value(0)) => Delivery::Left,
        (Some(_), Some(Measured::Value(true)), Measured::Value(taps)) => {
            Delivery::Unforeseen(Unforeseen::Tapped { taps: *taps })
        }
        (Some(_), ..) => Delivery::Unforeseen(Unforeseen::NotRecorded),
    }
}
