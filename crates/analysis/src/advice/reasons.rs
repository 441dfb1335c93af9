//! What was seen of paths that pass by reference where they are not the answer.

use model::host::Host;
use model::{Link, SendPath};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Choice, Source, differ_in_path};
use crate::delivery::{Delivery, Unforeseen};
use crate::evidence::figure;
use crate::links::HELD_BACK;
use crate::metric::Metric;
use crate::results::CellEstimates;

/// Something seen of a path that passes by reference which speaks against it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct WhyNot {
    /// The path.
    pub path: SendPath,
    /// What was seen.
    pub seen: Seen,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Seen {
    /// Its bytes were copied all the same.
    Copied {
        /// Share of its completions that say so.
        share: f64,
        /// Whether sender and receiver are known to be under one kernel, which copies on delivery what was passed by reference.
        is_delivered_here: bool,
        /// Why nobody could foresee whether it is copied, where it went to another host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unforeseen: Option<Unforeseen>,
        /// Packet sockets of others that were shown every packet of the link's devices, each of which takes a copy.
        packet_taps: u32,
    },
    /// The sender's device had no scatter-gather: the kernel copies for it what was passed by reference, and marks few completions.
    /// Packets that it segments are new ones without a mark (`skb_segment`, net/core/skbuff.c), others are made linear
    /// (`skb_needs_linearize`, net/core/dev.c).
    NoScatterGather,
    /// Its packets are less than half as full as those of its twin that copies: each field takes a fragment of a packet,
    /// which has 17 (`MAX_SKB_FRAGS`).
    SmallPackets {
        /// Payload bytes a packet.
        bytes: f64,
        /// The twin's.
        twin_bytes: f64,
    },
    /// It waited for room in the send buffer, which is charged whole pages for what is passed by reference
    /// (`zerocopy_fill_skb_from_iter`, net/core/datagram.c).
    HeldBack {
        /// Share of the time in which it had something to send.
        share: f64,
    },
}

/// From this share of completions on, bytes count as copied all the same.
const COPIED: f64 = 0.5;

/// What speaks against the paths that pass by reference and are not chosen, each thing once a path.
pub(super) fn why_not(
    choice: &Choice,
    link: Link,
    cells: &[&CellEstimates],
    source: &Source<'_>,
) -> Vec<WhyNot> {
    let devices = &source.summary.run.copying_devices;
    let delivery = Delivery::of(source.host, link);
    let is_delivered_here = delivery == Delivery::Copied;
    let unforeseen = match delivery {
        Delivery::Unforeseen(why) => Some(why),
        Delivery::Copied | Delivery::Left => None,
    };
    let devices = devices.iter().find(|of| of.link == link);
    let mut all: Vec<WhyNot> = Vec::new();
    for estimates in cells {
        let path = estimates.cell.send_path;
        if !path.passes_by_reference() || choice.path() == Some(path) {
            continue;
        }
        let mean = |metric: Metric| figure(estimates, metric).map(|it| it.mean);
        let twin = cells.iter().find(|other| {
            Some(other.cell.send_path) == path.capabilities().copying_twin
                && differ_in_path(&other.cell, &estimates.cell)
        });
        let of_twin = |metric: Metric| figure(twin?, metric).map(|it| it.mean);
        let copied = mean(Metric::CopiedShare).filter(|share| *share >= COPIED);
        let copied = copied.map(|share| Seen::Copied {
            share,
            is_delivered_here,
            unforeseen: unforeseen.clone(),
            packet_taps: devices.map_or(0, |of| of.packet_taps),
        });
        let gathers = devices.is_none_or(|of| of.without_scatter_gather == 0);
        let no_gather = (!gathers).then_some(Seen::NoScatterGather);
        let packets = mean(Metric::BytesPerPacket).zip(of_twin(Metric::BytesPerPacket));
        let small = packets.filter(|(own, twins)| own * 2.0 < *twins);
        let small = small.map(|(bytes, twin_bytes)| Seen::SmallPackets { bytes, twin_bytes });
        let held_back = mean(Metric::SendBufferLimitedShare).filter(|share| {
            *share >= HELD_BACK && *share > of_twin(Metric::SendBufferLimitedShare).unwrap_or(0.0)
        });
        let held_back = held_back.map(|share| Seen::HeldBack { share });
        for seen in [copied, no_gather, small, held_back].into_iter().flatten() {
            let is_known = |known: &WhyNot| {
                known.path == path
                    && std::mem::discriminant(&known.seen) == std::mem::discriminant(&seen)
            };
            if !all.iter().any(is_known) {
                all.push(WhyNot { path, seen });
            }
        }
    }
    all
}

/// What of the machine copies what is passed by reference on its way to another host, whatever a link of our own has shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CopiesHere {
    /// Network devices without scatter-gather.
    pub without_scatter_gather: Vec<String>,
    /// Packet sockets that are shown every packet of a device.
    pub packet_taps: u32,
}

/// What of a machine copies what is passed by reference where the link itself does not; none where nothing is known to. What is
/// delivered to the same machine is copied anyway.
pub(super) fn copies_here(link: Link, paths: &[SendPath], host: &Host) -> Option<CopiesHere> {
    let is_copied = Delivery::of(host, link) == Delivery::Copied;
    let host = host.of_sender();
    if is_copied || !link.speaks_tcp() || !paths.iter().any(|path| path.passes_by_reference()) {
        return None;
    }
    let lacks = host.scatter_gather.iter().filter(|(_, gathers)| gathers.value() == Some(&false));
    let here = CopiesHere {
        without_scatter_gather: lacks.map(|(device, _)| device.clone()).collect(),
        packet_taps: host.packet_taps.value().copied().unwrap_or(0),
    };
    (!here.without_scatter_gather.is_empty() || here.packet_taps > 0).then_some(here)
}
