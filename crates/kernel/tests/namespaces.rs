//! Namespaces, veth pairs, offloads and steering over the real kernel. They need root.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "what fails outside a test function fails its test, and skips are shown"
)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;

use kernel::netlink::{Netlink, NewDevice};
use kernel::netns::{Namespace, missing_capability};
use kernel::offloads::{Offload, Offloads};
use kernel::steering;

/// Whether this test cannot run here; it says so.
fn is_skipped() -> bool {
    let missing = missing_capability();
    if let Some(name) = missing {
        eprintln!("skipped: {name} is missing");
    }
    missing.is_some()
}

const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];

/// Two namespaces with a veth pair between them, both ends down.
fn pair(mtu_bytes: Option<u32>) -> [(Namespace, Netlink); 2] {
    let [near, far] = [Namespace::create().unwrap(), Namespace::create().unwrap()];
    let mut links = [Netlink::inside(&near).unwrap(), Netlink::inside(&far).unwrap()];
    let device = |name, mac| NewDevice { name, mac, mtu_bytes };
    links[0].create_veth(device("send0", MACS[0]), device("recv0", MACS[1]), &far).unwrap();
    let [near_link, far_link] = links;
    [(near, near_link), (far, far_link)]
}

fn interfaces(namespace: &Namespace) -> BTreeSet<String> {
    let text =
        namespace.run(|| std::fs::read_to_string("/proc/thread-self/net/dev").unwrap()).unwrap();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

#[test]
fn a_new_namespace_has_a_loopback_device_that_is_down_and_nothing_else() {
    if is_skipped() {
        return;
    }
    let namespace = Namespace::create().unwrap();
    assert_eq!(interfaces(&namespace), BTreeSet::from(["lo".to_owned()]));
    let mut netlink = Netlink::inside(&namespace).unwrap();
    let lo = netlink.device("lo").unwrap();
    assert!(!lo.is_up);
    netlink.set_up(lo.index).unwrap();
    assert!(netlink.device("lo").unwrap().is_up);
    // ENODEV has this number on every Linux architecture.
    assert_eq!(netlink.device("eth77").unwrap_err().errno.0, 19);
}

#[test]
fn what_was_asked_of_a_veth_pair_reads_back_at_both_ends() {
    if is_skipped() {
        return;
    }
    let mut ends = pair(Some(9000));
    for ((namespace, netlink), (name, mac)) in
        ends.iter_mut().zip([("send0", MACS[0]), ("recv0", MACS[1])])
    {
        let device = netlink.device(name).unwrap();
        assert_eq!((device.mac, device.mtu_bytes, device.is_up), (Some(mac), 9000, false));
        assert_eq!(interfaces(namespace).len(), 2);
    }
}

#[test]
fn bytes_cross_a_veth_pair_over_both_families() {
    if is_skipped() {
        return;
    }
    let mut ends = pair(None);
    let addresses: [[IpAddr; 2]; 2] = [
        ["198.18.0.1".parse().unwrap(), "2001:2::1".parse().unwrap()],
        ["198.18.0.2".parse().unwrap(), "2001:2::2".parse().unwrap()],
    ];
    for ((_, netlink), (name, addresses)) in
        ends.iter_mut().zip([("send0", addresses[0]), ("recv0", addresses[1])])
    {
        let index = netlink.device(name).unwrap().index;
        for address in addresses {
            netlink.add_address(index, address, if address.is_ipv4() { 30 } else { 64 }).unwrap();
        }
        netlink.set_up(index).unwrap();
    }
    for (family, address) in addresses[1].into_iter().enumerate() {
        let listener =
            ends[1].0.run(|| TcpListener::bind(SocketAddr::new(address, 0)).unwrap()).unwrap();
        let to = listener.local_addr().unwrap();
        let mut sending = ends[0].0.run(|| TcpStream::connect(to).unwrap()).unwrap();
        let (mut receiving, from) = listener.accept().unwrap();
        assert_eq!(from.ip(), addresses[0][family]);
        sending.write_all(b"across").unwrap();
        let mut bytes = [0; 6];
        receiving.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"across");
    }
}

#[test]
fn a_permanent_neighbour_is_never_asked_for() {
    if is_skipped() {
        return;
    }
    let mut ends = pair(None);
    let (namespace, netlink) = &mut ends[0];
    let index = netlink.device("send0").unwrap().index;
    netlink.set_up(index).unwrap();
    netlink.add_address(index, "198.18.0.1".parse().unwrap(), 30).unwrap();
    netlink.add_neighbour(index, "198.18.0.2".parse().unwrap(), MACS[1]).unwrap();
    let table =
        namespace.run(|| std::fs::read_to_string("/proc/thread-self/net/arp").unwrap()).unwrap();
    let line = table.lines().find(|line| line.starts_with("198.18.0.2 ")).unwrap();
    // 0x6: complete and permanent (ATF_COM | ATF_PERM).
    assert!(line.contains("0x6") && line.contains("02:00:00:00:00:02"), "{line}");
}

#[test]
fn offloads_are_set_and_read_back() {
    if is_skipped() {
        return;
    }
    let ends = pair(None);
    let offloads = Offloads::inside(&ends[0].0).unwrap();
    for offload in [Offload::Tso, Offload::Gso, Offload::Gro, Offload::ScatterGather] {
        for on in [false, true, false] {
            assert_eq!(offloads.set("send0", offload, on), Ok(on), "{offload:?}");
            assert_eq!(offloads.get("send0", offload), Ok(on), "{offload:?}");
        }
    }
    // Without it the device could chain packets, and gathers nothing.
    assert_eq!(offloads.get("lo", Offload::ScatterGather), Ok(true));
    assert!(offloads.get("recv0", Offload::Gro).is_err(), "that one is in the other namespace");
    assert!(offloads.get("a name that is too long", Offload::Gro).is_err());
    for offload in Offload::ALL {
        assert!(offloads.get("send0", offload).is_ok(), "{offload:?}");
    }
    assert_eq!(offloads.driver("send0").as_deref(), Ok("veth"));
    assert!(offloads.driver("recv0").is_err());
}

#[test]
fn a_route_leads_over_the_pair_to_its_other_end_and_over_loopback_to_its_own() {
    if is_skipped() {
        return;
    }
    for addresses in ["10.9.8.1 10.9.8.2 10.9.7.1", "fd00:9::1 fd00:9::2 fd00:8::1"] {
        let mut ends = pair(None);
        let [own, peer, nowhere] = {
            let mut all = addresses.split(' ').map(|address| address.parse::<IpAddr>().unwrap());
            [(); 3].map(|()| all.next().unwrap())
        };
        let prefix = if own.is_ipv4() { 24 } else { 64 };
        for ((_, netlink), (name, address)) in
            ends.iter_mut().zip([("send0", own), ("recv0", peer)])
        {
            // The route to an address of its own is made with the address, where loopback is up by then.
            for name in ["lo", name] {
                let device = netlink.device(name).unwrap();
                netlink.set_up(device.index).unwrap();
            }
            let device = netlink.device(name).unwrap();
            netlink.add_address(device.index, address, prefix).unwrap();
        }
        let netlink = &mut ends[0].1;
        assert_eq!(netlink.device_towards(peer).as_deref(), Ok("send0"));
        // An IPv6 address is one's own when nobody else was found to have it (RFC 4862), which may take a second or two.
        let is_own = |netlink: &mut Netlink| netlink.device_towards(own).as_deref() == Ok("lo");
        assert!((0..50).any(|_| is_own(netlink) || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            false
        }));
        // ENETUNREACH has this number on every Linux architecture.
        assert_eq!(netlink.device_towards(nowhere).unwrap_err().errno.0, 101);
    }
}

#[test]
fn an_address_of_this_machine_is_reached_over_loopback() {
    let mut netlink = Netlink::here().unwrap();
    let found = netlink.device_towards("127.0.0.1".parse().unwrap());
    assert_eq!(found.as_deref(), Ok("lo"));
}

#[test]
fn steering_is_set_read_back_and_taken_back() {
    if is_skipped() {
        return;
    }
    let ends = pair(None);
    match steering::steer(&ends[0].0, "send0", &[0]) {
        Ok(cpus) => assert_eq!(cpus, [0]),
        Err(why) => {
            eprintln!("skipped: {why}");
            return;
        }
    }
    assert_eq!(steering::steer(&ends[0].0, "send0", &[]), Ok(vec![]));
    let why = steering::steer(&ends[0].0, "recv0", &[0]).unwrap_err();
    assert!(why.to_string().contains("recv0"), "{why}");
}

#[test]
fn a_process_that_is_started_inside_is_inside() {
    if is_skipped() {
        return;
    }
    let namespace = Namespace::create().unwrap();
    let inside = namespace.run(|| std::fs::read_link("/proc/thread-self/ns/net").unwrap()).unwrap();
    let mut command = Command::new("readlink");
    command.arg("/proc/self/ns/net");
    namespace.start_inside(&mut command);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), inside.to_string_lossy());
    let here = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    assert_ne!(here, inside, "the caller stays outside");
    // The started process has no descriptor of the namespace.
    let mut command = Command::new("ls");
    command.args(["-l", "/proc/self/fd"]);
    namespace.start_inside(&mut command);
    let listed = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(!listed.contains("net:["), "{listed}");
    assert!(namespace.as_fd().try_clone_to_owned().is_ok());
}

#[test]
fn without_the_right_it_says_which_is_missing() {
    if missing_capability().is_none() {
        eprintln!("skipped: this process has the right; the command line's tests drop it");
        return;
    }
    let why = Namespace::create().unwrap_err();
    assert!(why.because.contains("CAP_SYS_ADMIN"), "{why}");
    assert!(!why.remedy.is_empty());
}

#[test]
fn a_namespace_takes_over_the_settings_around_it() {
    if is_skipped() {
        return;
    }
    let setting = |namespace: &Namespace, name: &str| {
        let path = format!("/proc/sys/net/ipv4/{name}");
        namespace.run(|| std::fs::read_to_string(path).unwrap().trim().to_owned()).unwrap()
    };
    let outer = Namespace::create().unwrap();
    outer.set("net.ipv4.tcp_sack", "0").unwrap();
    outer.set("net.ipv4.tcp_wmem", "4096 20480 2097152").unwrap();
    let inner = outer.run(Namespace::create).unwrap().unwrap();
    assert_eq!(setting(&inner, "tcp_sack"), "1", "a new namespace has the kernel's default");
    outer.run(|| inner.take_over_settings()).unwrap().unwrap();
    assert_eq!(setting(&inner, "tcp_sack"), "0");
    assert_eq!(setting(&inner, "tcp_wmem"), setting(&outer, "tcp_wmem"));
    let why = inner.set("net.ipv4.no_such_setting", "1").unwrap_err();
    assert!(why.to_string().contains("no_such_setting"), "{why}");
}
