//! A pair of devices between two namespaces of our own: what the links `veth` and `sink` stand on.
//!
//! Nothing of it has a name outside, and only this value and the processes started inside hold it: when they are gone,
//! also by `kill -9`, the kernel destroys namespaces, devices and addresses. So there is nothing to sweep up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

use kernel::netlink::{Mac, Netlink, NewDevice};
use kernel::netns::Namespace;
use kernel::offloads::{Offload as Kind, Offloads};
use kernel::{CallError, netns, packet_taps};
use model::names::Offload;
use model::record::LinkFacts;
use model::values::Mtu;
use model::{Family, Measured, Missing};

use super::link::LinkSetup;
use crate::child::WhichEnd;
use crate::error::missing;

/// The sender's device, in its namespace.
pub(crate) const SENDING_DEVICE: &str = "send0";
/// The receiver's device, in its namespace.
pub(crate) const RECEIVING_DEVICE: &str = "recv0";
/// Locally administered addresses (the second bit of the first byte, IEEE 802); nobody else is on this link.
const SENDING_MAC: Mac = [0x02, 0, 0, 0, 0, 0x01];
/// The receiver's.
const RECEIVING_MAC: Mac = [0x02, 0, 0, 0, 0, 0x02];
/// Below this the kernel takes IPv6 away from a device (`IPV6_MIN_MTU`, RFC 8200 section 5).
const IPV6_LEAST_MTU: u32 = 1280;

/// Addresses for benchmarks: 198.18.0.0/15 (RFC 2544) and 2001:2::/48 (RFC 5180).
const fn address(which: WhichEnd, family: Family) -> (IpAddr, u8) {
    let last = match which {
        WhichEnd::Sender => 1,
        WhichEnd::Receiver => 2,
    };
    match family {
        Family::Ipv4 => (IpAddr::V4(Ipv4Addr::new(198, 18, 0, last)), 30),
        Family::Ipv6 => (IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, last as u16)), 64),
    }
}

/// One end of the pair.
#[derive(Debug)]
struct Side {
    which: WhichEnd,
    namespace: Namespace,
    netlink: Netlink,
    offloads: Offloads,
    /// The device's number in its namespace.
    index: u32,
}

/// Two namespaces with a device each, up, with an address of the family that was asked for.
#[derive(Debug)]
pub(crate) struct DevicePair {
    sender: Side,
    receiver: Side,
    family: Family,
    facts: LinkFacts,
}

/// A refusal of the link as it was asked for.
fn unavailable(setup: &LinkSetup, because: impl ToString) -> Missing {
    let what = format!("link {} over {}", setup.link, setup.family);
    Missing::of_itself(what).because(because.to_string())
}

/// The same where a part of it was refused. Without the rights that it takes, the whole command as root is what helps.
fn of_link(setup: &LinkSetup, why: Missing) -> Missing {
    match netns::missing_capability() {
        None => Missing { what: unavailable(setup, "").what, ..why },
        Some(name) => {
            let because = if why.because.contains(name) {
                why.because
            } else {
                format!("{}: {name} is missing", why.because)
            };
            unavailable(setup, because)
                .unlocked_by(format!("sudo copycost run --link {}", setup.link))
        }
    }
}

/// The name and the Ethernet address of an end's device.
pub(crate) const fn device(which: WhichEnd) -> (&'static str, Mac) {
    match which {
        WhichEnd::Sender => (SENDING_DEVICE, SENDING_MAC),
        WhichEnd::Receiver => (RECEIVING_DEVICE, RECEIVING_MAC),
    }
}

const fn opposite(which: WhichEnd) -> WhichEnd {
    match which {
        WhichEnd::Sender => WhichEnd::Receiver,
        WhichEnd::Receiver => WhichEnd::Sender,
    }
}

impl Side {
    fn open(which: WhichEnd) -> Result<Self, Missing> {
        let namespace = Namespace::create().map_err(missing)?;
        let opened = |error: CallError| error.to_string();
        let netlink = Netlink::inside(&namespace).map_err(opened)?;
        let offloads = Offloads::inside(&namespace).map_err(opened)?;
        Ok(Self { which, namespace, netlink, offloads, index: 0 })
    }

    /// Sets everything up but the link between the two, which was made.
    fn raise(&mut self, setup: &LinkSetup) -> Result<(), Missing> {
        let failed = |error: CallError| of_link(setup, unavailable(setup, error));
        // The same settings as on the other links, or the links would differ in more than themselves.
        self.namespace.take_over_settings().map_err(|why| of_link(setup, missing(why)))?;
        // Sockets that outlive their process, killed in the middle of a trial, hold the namespace while they try to
        // reach an end that no longer answers, by default for minutes (`tcp_orphan_retries`, net/ipv4/tcp_timer.c). With one
        // retry it is a second. Where /proc/sys is read-only, as in most containers, it stays as it is.
        let _ = self.namespace.set("net.ipv4.tcp_orphan_retries", "1");
        let lo = self.netlink.device("lo").map_err(failed)?;
        self.netlink.set_up(lo.index).map_err(failed)?;
        let (device, _) = device(self.which);
        self.index = self.netlink.device(device).map_err(failed)?.index;
        for (kind, asked) in
            [(Kind::Gso, setup.gso), (Kind::Tso, setup.tso), (Kind::Gro, setup.gro)]
        {
            let on = match asked {
                Offload::Auto => continue,
                Offload::On => true,
                Offload::Off => false,
            };
            let refused =
                |why: String| unavailable(setup, format!("--{} {asked}: {why}", kind.name()));
            match self.offloads.set(device, kind, on) {
                Ok(now) if now == on => {}
                Ok(_) => return Err(refused(format!("the kernel leaves {device} as it is"))),
                Err(error) => return Err(refused(error.to_string())),
            }
        }
        self.netlink.set_up(self.index).map_err(failed)?;
        let (own, prefix_bits) = address(self.which, setup.family);
        self.netlink.add_address(self.index, own, prefix_bits).map_err(|error| {
            let remedy = match setup.family {
                Family::Ipv4 => "",
                Family::Ipv6 => {
                    "use --family ipv4, or a kernel with IPv6 (boot without ipv6.disable=1)"
                }
            };
            failed(error).unlocked_by(remedy)
        })?;
        // Nobody has to ask who is there, in the middle of a window or on a link where nobody would answer.
        let other = opposite(self.which);
        let (its_address, _) = address(other, setup.family);
        self.netlink.add_neighbour(self.index, its_address, self::device(other).1).map_err(failed)
    }
}

impl DevicePair {
    /// Raises the pair with all that the setup asks for.
    ///
    /// # Errors
    /// The missing capability, a sandbox, a kernel without veth or IPv6, or a setting that the device does not take.
    pub(crate) fn raise(setup: &LinkSetup) -> Result<Self, Missing> {
        let mtu_bytes = match setup.mtu {
            Mtu::Auto => None,
            Mtu::Fixed(bytes) if bytes < IPV6_LEAST_MTU && setup.family == Family::Ipv6 => {
                let remedy = format!("use --family ipv4, or an MTU of at least {IPV6_LEAST_MTU}");
                return Err(unavailable(setup, format!("--mtu {bytes}: too small for IPv6"))
                    .unlocked_by(remedy));
            }
            Mtu::Fixed(bytes) => Some(bytes),
        };
        let part = |why| of_link(setup, why);
        let mut sender = Side::open(WhichEnd::Sender).map_err(part)?;
        let mut receiver = Side::open(WhichEnd::Receiver).map_err(part)?;
        let new = |which| {
            let (name, mac) = device(which);
            NewDevice { name, mac, mtu_bytes }
        };
        let (near, far) = (new(WhichEnd::Sender), new(WhichEnd::Receiver));
        sender
            .netlink
            .create_veth(near, far, &receiver.namespace)
            .map_err(missing)
            .map_err(part)?;
        sender.raise(setup)?;
        receiver.raise(setup)?;
        let facts =
            facts(&mut sender, &mut receiver, mtu_bytes).map_err(|why| unavailable(setup, why))?;
        Ok(Self { sender, receiver, family: setup.family, facts })
    }

    fn side(&self, which: WhichEnd) -> &Side {
        match which {
            WhichEnd::Sender => &self.sender,
            WhichEnd::Receiver => &self.receiver,
        }
    }

    /// The namespace of an end.
    pub(crate) fn namespace(&self, which: WhichEnd) -> &Namespace {
        &self.side(which).namespace
    }

    /// The address of an end, of the family that was asked for.
    pub(crate) fn address(&self, which: WhichEnd) -> IpAddr {
        address(which, self.family).0
    }

    /// What the kernel told of the devices when they were up, and what of them others may have changed since.
    pub(crate) fn facts(&self) -> LinkFacts {
        let gathers = self.sender.offloads.get(SENDING_DEVICE, Kind::ScatterGather);
        let taps = |side: &Side| -> Result<u32, String> {
            let count =
                side.namespace.run(packet_taps::count).map_err(|error| error.to_string())?;
            count.map_err(|why| why.to_string())
        };
        let both = || Ok::<_, String>(taps(&self.sender)?.saturating_add(taps(&self.receiver)?));
        LinkFacts {
            scatter_gather: gathers.map_err(|error| error.to_string()).into(),
            packet_taps: both().into(),
            ..self.facts.clone()
        }
    }

    /// MTU of both devices in bytes.
    pub(crate) fn mtu_bytes(&self) -> u32 {
        self.facts.mtu_bytes
    }

    /// The command that starts an end on its side.
    pub(crate) fn start(&self, which: WhichEnd, program: &std::path::Path) -> Command {
        let mut command = Command::new(program);
        command.arg("end");
        self.namespace(which).start_inside(&mut command);
        command
    }
}

/// Why the pair itself has not what is read for each trial.
const NOT_YET: &str = "read for each trial";

/// Reads back what was set.
fn facts(sender: &mut Side, receiver: &mut Side, asked: Option<u32>) -> Result<LinkFacts, String> {
    let text = |error: CallError| error.to_string();
    let near = sender.netlink.device(SENDING_DEVICE).map_err(text)?;
    let far = receiver.netlink.device(RECEIVING_DEVICE).map_err(text)?;
    let mtu_bytes = near.mtu_bytes;
    if far.mtu_bytes != mtu_bytes || asked.is_some_and(|asked| asked != mtu_bytes) {
        return Err(format!(
            "the devices' MTUs are {mtu_bytes} and {} bytes, not what was asked for",
            far.mtu_bytes
        ));
    }
    Ok(LinkFacts {
        mtu_bytes,
        tso: sender.offloads.get(SENDING_DEVICE, Kind::Tso).map_err(text)?,
        gso: sender.offloads.get(SENDING_DEVICE, Kind::Gso).map_err(text)?,
        gro: receiver.offloads.get(RECEIVING_DEVICE, Kind::Gro).map_err(text)?,
        scatter_gather: Measured::absent(NOT_YET),
        packet_taps: Measured::absent(NOT_YET),
        ack_cpus: Vec::new(),
    })
}
