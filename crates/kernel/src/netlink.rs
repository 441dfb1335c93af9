//! Devices, addresses and neighbours of a network namespace, over rtnetlink(7).

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NLMSG_DONE,
    NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage,
};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;

use crate::error::{CallError, Errno, Unavailable};
use crate::netns::Namespace;

/// An Ethernet address.
pub type Mac = [u8; 6];

/// A device to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewDevice<'a> {
    /// Its name; at most 15 bytes.
    pub name: &'a str,
    /// Its address.
    pub mac: Mac,
    /// Bytes of the largest packet; none: the kernel's 1500.
    pub mtu_bytes: Option<u32>,
}

/// A device as the kernel tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its number in its namespace.
    pub index: u32,
    /// Its address; none where it has none of six bytes.
    pub mac: Option<Mac>,
    /// Bytes of the largest packet.
    pub mtu_bytes: u32,
    /// Whether it is set up.
    pub is_up: bool,
}

/// A connection to one namespace's devices.
#[derive(Debug)]
pub struct Netlink {
    socket: netlink_sys::Socket,
    sequence: u32,
}

fn failed(argument: impl Into<String>, error: &io::Error) -> CallError {
    let errno = Errno(error.raw_os_error().unwrap_or(0));
    CallError { call: "rtnetlink", argument: argument.into(), errno }
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

impl Netlink {
    /// Opens a connection inside the namespace; it can be used from any thread.
    ///
    /// # Errors
    ///
    /// EPERM where the namespace may not be entered, EMFILE.
    pub fn inside(namespace: &Namespace) -> Result<Self, CallError> {
        namespace.run(Self::here)?
    }

    /// The same in the calling thread's own namespace.
    ///
    /// # Errors
    ///
    /// EMFILE.
    pub fn here() -> Result<Self, CallError> {
        let open = || -> io::Result<netlink_sys::Socket> {
            let mut socket = netlink_sys::Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&netlink_sys::SocketAddr::new(0, 0))?;
            Ok(socket)
        };
        let socket = open().map_err(|error| failed("open", &error))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The name of the device by which packets to an address leave: loopback for an address of this machine.
    ///
    /// # Errors
    ///
    /// ENETUNREACH where no route leads there.
    pub fn device_towards(&mut self, address: IpAddr) -> Result<String, CallError> {
        let what = format!("route to {address}");
        let no_answer = |to: &str| CallError {
            call: "rtnetlink",
            argument: format!("{what}: no answer to {to}"),
            errno: Errno(libc::EPROTO),
        };
        let mut ask = RouteMessage::default();
        ask.header.address_family = family(address);
        ask.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
        ask.attributes = vec![RouteAttribute::Destination(match address {
            IpAddr::V4(address) => RouteAddress::Inet(address),
            IpAddr::V6(address) => RouteAddress::Inet6(address),
        })];
        let route = match self.exchange(RouteNetlinkMessage::GetRoute(ask), 0, what.as_str())? {
            Some(RouteNetlinkMessage::NewRoute(route)) => route,
            Some(_) | None => return Err(no_answer("RTM_GETROUTE")),
        };
        let index = leaves_by(&route).ok_or_else(|| no_answer("RTM_GETROUTE with a device"))?;
        let mut ask = LinkMessage::default();
        ask.header.index = index;
        match self.exchange(RouteNetlinkMessage::GetLink(ask), 0, what.as_str())? {
            Some(RouteNetlinkMessage::NewLink(link)) => {
                name_of(&link).ok_or_else(|| no_answer("RTM_GETLINK with a name"))
            }
            Some(_) | None => Err(no_answer("RTM_GETLINK")),
        }
    }

    /// Makes a veth pair: `near` in this namespace, `far` in the other. Both are down.
    ///
    /// # Errors
    ///
    /// What is missing: the kernel's veth, CAP_NET_ADMIN; or an MTU that veth does not take.
    pub fn create_veth(
        &mut self,
        near: NewDevice<'_>,
        far: NewDevice<'_>,
        far_namespace: &Namespace,
    ) -> Result<(), Unavailable> {
        let mut peer = LinkMessage::default();
        peer.attributes = attributes(far);
        peer.attributes.push(LinkAttribute::NetNsFd(far_namespace.as_fd().as_raw_fd()));
        let mut link = LinkMessage::default();
        link.attributes = attributes(near);
        link.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]));
        let what = format!("veth pair {} and {}", near.name, far.name);
        self.change(RouteNetlinkMessage::NewLink(link), NLM_F_CREATE | NLM_F_EXCL, what).map_err(
            |error| {
                let (because, remedy) = match error.errno.0 {
                    libc::EOPNOTSUPP => (
                        format!("{error}: this kernel has no veth devices"),
                        "sudo modprobe veth, or use a kernel with CONFIG_VETH",
                    ),
                    libc::EPERM => (
                        format!("{error}: CAP_NET_ADMIN is missing"),
                        "run as root, or in a container with --cap-add NET_ADMIN",
                    ),
                    libc::EINVAL => (format!("{error}: an MTU that veth does not take"), ""),
                    _ => (error.to_string(), ""),
                };
                Unavailable { what: "a veth pair".into(), because, remedy: remedy.into() }
            },
        )
    }

    /// A device by its name.
    ///
    /// # Errors
    ///
    /// ENODEV where there is none of that name.
    pub fn device(&mut self, name: &str) -> Result<Device, CallError> {
        let mut ask = LinkMessage::default();
        ask.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        let answer = self.exchange(RouteNetlinkMessage::GetLink(ask), 0, name)?;
        match answer {
            Some(RouteNetlinkMessage::NewLink(link)) => Ok(told(link)),
            Some(_) | None => Err(CallError {
                call: "rtnetlink",
                argument: format!("{name}: no answer to RTM_GETLINK"),
                errno: Errno(libc::EPROTO),
            }),
        }
    }

    /// Sets a device up.
    ///
    /// # Errors
    ///
    /// EPERM without CAP_NET_ADMIN, ENODEV.
    pub fn set_up(&mut self, index: u32) -> Result<(), CallError> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        self.change(RouteNetlinkMessage::SetLink(link), 0, format!("set device {index} up"))
    }

    /// Gives a device an address, usable at once: IPv6 does not ask around whether somebody else has it.
    ///
    /// # Errors
    ///
    /// EPERM without CAP_NET_ADMIN, EEXIST, ENODEV; EACCES or EINVAL for IPv6 where it is disabled, also by an MTU below
    /// 1280.
    pub fn add_address(
        &mut self,
        index: u32,
        address: IpAddr,
        prefix_bits: u8,
    ) -> Result<(), CallError> {
        let mut message = AddressMessage::default();
        message.header.family = family(address);
        message.header.prefix_len = prefix_bits;
        message.header.index = index;
        message.attributes =
            vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
        if address.is_ipv6() {
            message.header.flags = AddressHeaderFlags::Nodad;
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        let what = format!("address {address}/{prefix_bits}");
        self.change(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL, what)
    }

    /// Tells for good which Ethernet address a neighbour has, so that nobody asks it.
    ///
    /// # Errors
    ///
    /// EPERM without CAP_NET_ADMIN, ENODEV.
    pub fn add_neighbour(
        &mut self,
        index: u32,
        address: IpAddr,
        mac: Mac,
    ) -> Result<(), CallError> {
        let mut message = NeighbourMessage::default();
        message.header.family = family(address);
        message.header.ifindex = index;
        message.header.state = NeighbourState::Permanent;
        message.attributes = vec![
            NeighbourAttribute::Destination(address.into()),
            NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
        ];
        let what = format!("neighbour {address}");
        self.change(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE, what)
    }

    /// A request whose answer is that it was done.
    fn change(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        what: impl Into<String>,
    ) -> Result<(), CallError> {
        self.exchange(message, flags | NLM_F_ACK, what).map(|_| ())
    }

    /// Sends one request and waits for its answer: a message, or none where the kernel only acknowledges.
    fn exchange(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        what: impl Into<String>,
    ) -> Result<Option<RouteNetlinkMessage>, CallError> {
        let what = what.into();
        self.ask(message, flags, &what)?;
        // Each answer is a datagram of its own; the longest, a device's, has some 2 KB.
        let mut buffer = vec![0; LONGEST];
        loop {
            let datagram = self.receive(&mut buffer, &what)?;
            match read_answer(datagram, self.sequence, &what)? {
                Answer::Message(message) => return Ok(Some(message)),
                Answer::Done => return Ok(None),
                Answer::Another => {}
            }
        }
    }

    /// Asks for everything of a kind, and collects the messages until the kernel says that it was all.
    pub(crate) fn dump(
        &mut self,
        message: RouteNetlinkMessage,
        what: &str,
    ) -> Result<Vec<RouteNetlinkMessage>, CallError> {
        self.ask(message, NLM_F_DUMP, what)?;
        let mut buffer = vec![0; LONGEST];
        let mut all = Vec::new();
        loop {
            let datagram = self.receive(&mut buffer, what)?;
            if read_part(datagram, self.sequence, what, &mut all)? {
                return Ok(all);
            }
        }
    }

    fn ask(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        what: &str,
    ) -> Result<(), CallError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map(|_| ()).map_err(|error| failed(what, &error))
    }

    /// The next datagram.
    fn receive<'b>(&mut self, buffer: &'b mut Vec<u8>, what: &str) -> Result<&'b [u8], CallError> {
        loop {
            match self.socket.recv(&mut buffer.as_mut_slice(), 0) {
                Ok(length) => return Ok(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(what, &error)),
            }
        }
    }
}

/// Bytes of the longest datagram.
const LONGEST: usize = 65_536;

/// Takes in the messages of a datagram that belong to a dump, and tells whether it ends the dump.
pub(crate) fn read_part(
    datagram: &[u8],
    sequence: u32,
    what: &str,
    all: &mut Vec<RouteNetlinkMessage>,
) -> Result<bool, CallError> {
    /// Bytes of a message's header, which begins with its length.
    const HEADER: usize = 16;
    let mut rest = datagram;
    while rest.len() >= HEADER {
        let length = rest.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(message) = rest.get(..length).filter(|message| message.len() >= HEADER) else {
            let argument = format!("{what}: a message of {length} bytes is cut");
            return Err(CallError { call: "rtnetlink", argument, errno: Errno(libc::EBADMSG) });
        };
        let kind = message.get(4..6).map(|kind| [kind[0], kind[1]]).map(u16::from_ne_bytes);
        let number = message.get(8..HEADER).and_then(|bytes| bytes.first_chunk());
        let is_ours = number.is_some_and(|bytes| u32::from_ne_bytes(*bytes) == sequence);
        if is_ours && kind == Some(NLMSG_DONE) {
            return Ok(true);
        }
        match read_answer(message, sequence, what)? {
            Answer::Message(message) => all.push(message),
            Answer::Done => return Ok(true),
            Answer::Another => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// What a datagram answers to a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// A message.
    Message(RouteNetlinkMessage),
    /// That it was done.
    Done,
    /// Nothing: it is for another request, or of a kind that ends none.
    Another,
}

/// Reads the first message of a datagram as the answer to a request.
pub(crate) fn read_answer(datagram: &[u8], sequence: u32, what: &str) -> Result<Answer, CallError> {
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(datagram);
    let (header, payload) = match answer {
        Ok(answer) => answer.into_parts(),
        Err(error) => {
            let argument = format!("{what}: {error}");
            return Err(CallError { call: "rtnetlink", argument, errno: Errno(libc::EBADMSG) });
        }
    };
    if header.sequence_number != sequence {
        return Ok(Answer::Another);
    }
    if let NetlinkPayload::InnerMessage(message) = payload {
        return Ok(Answer::Message(message));
    }
    if let NetlinkPayload::Error(error) = payload {
        return match error.code {
            None => Ok(Answer::Done),
            // The kernel answers errno with a minus.
            Some(code) => Err(CallError {
                call: "rtnetlink",
                argument: what.to_owned(),
                errno: Errno(code.get().wrapping_neg()),
            }),
        };
    }
    Ok(Answer::Another)
}

/// What a message tells of a device.
pub(crate) fn told(link: LinkMessage) -> Device {
    let mut device = Device {
        index: link.header.index,
        mac: None,
        mtu_bytes: 0,
        is_up: link.header.flags.contains(LinkFlags::Up),
    };
    for attribute in link.attributes {
        if let LinkAttribute::Mtu(bytes) = attribute {
            device.mtu_bytes = bytes;
        } else if let LinkAttribute::Address(bytes) = attribute {
            device.mac = Mac::try_from(bytes).ok();
        }
    }
    device
}

/// The number of the device by which a route leaves.
pub(crate) fn leaves_by(route: &RouteMessage) -> Option<u32> {
    route.attributes.iter().find_map(|attribute| {
        if let RouteAttribute::Oif(index) = attribute { Some(*index) } else { None }
    })
}

fn name_of(link: &LinkMessage) -> Option<String> {
    link.attributes.iter().find_map(|attribute| {
        if let LinkAttribute::IfName(name) = attribute { Some(name.clone()) } else { None }
    })
}

fn attributes(device: NewDevice<'_>) -> Vec<LinkAttribute> {
    let mut attributes = vec![
        LinkAttribute::IfName(device.name.to_owned()),
        LinkAttribute::Address(device.mac.to_vec()),
    ];
    attributes.extend(device.mtu_bytes.map(LinkAttribute::Mtu));
    attributes
}
