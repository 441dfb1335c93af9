//! Options as the kernel writes them, and the disciplines of a device in a namespace.

use std::process::Command;

use super::*;
use crate::netlink::NewDevice;
use crate::netns::{Namespace, missing_capability};

/// An attribute with its header, padded.
fn nla(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap();
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A `struct tc_ratespec`.
fn ratespec(overhead: u16, bytes_per_s: u32) -> Vec<u8> {
    let mut bytes = vec![3, 1];
    bytes.extend(overhead.to_ne_bytes());
    bytes.extend([0xff, 0xff, 0, 0]);
    bytes.extend(bytes_per_s.to_ne_bytes());
    bytes
}

fn tbf(rate: u32, rate64: Option<u64>) -> Vec<u8> {
    let parms = [ratespec(0, rate), ratespec(0, 0), vec![0; 12]].concat();
    let mut options = nla(1, &parms);
    options.extend(rate64.map(|rate| nla(4, &rate.to_ne_bytes())).unwrap_or_default());
    options
}

fn class(minor: u16, parent: TcHandle, ceil: u32) -> Told {
    let parms = [ratespec(4, 1), ratespec(4, ceil), vec![0; 20]].concat();
    Told {
        index: 2,
        handle: TcHandle { major: 1, minor },
        parent,
        kind: "htb".to_owned(),
        options: nla(1, &parms),
    }
}

fn htb(default: u32) -> Told {
    let glob: Vec<u8> = [3, 10, default, 0, 0].iter().flat_map(|n: &u32| n.to_ne_bytes()).collect();
    Told {
        index: 2,
        handle: TcHandle { major: 1, minor: 0 },
        parent: TcHandle::ROOT,
        kind: "htb".to_owned(),
        options: nla(2, &glob),
    }
}

#[test]
fn a_token_bucket_tells_its_rate_also_beyond_32_bits() {
    let gbit = Shaping { bits_per_s: 1_000_000_000, overhead_bytes: 0 };
    assert_eq!(of_tbf(&tbf(125_000_000, None)), Some(gbit));
    let large = Shaping { bits_per_s: 100_000_000_000, overhead_bytes: 0 };
    assert_eq!(of_tbf(&tbf(u32::MAX, Some(12_500_000_000))), Some(large));
    assert_eq!(of_tbf(&tbf(0, None)), None);
    // Cut anywhere it tells the same or nothing.
    let whole = tbf(125_000_000, None);
    for length in 0..whole.len() {
        assert!(of_tbf(&whole[..length]).is_none_or(|shaping| shaping == gbit), "{length}");
    }
}

#[test]
fn htb_tells_the_least_ceiling_on_the_way_of_its_default_class() {
    let root = TcHandle::ROOT;
    let above = TcHandle { major: 1, minor: 1 };
    let classes = [class(1, root, 1_000), class(0x10, above, 125_000_000), class(0x20, root, 7)];
    let shaping = |root: &Told, filters| least_of_htb(root, filters, &classes);
    let least = Shaping { bits_per_s: 8_000, overhead_bytes: 4 };
    assert_eq!(shaping(&htb(0x10), false), Ok(least));
    assert_eq!(shaping(&htb(0x20), false).unwrap().bits_per_s, 56);
    assert!(shaping(&htb(0), false).unwrap_err().because.contains("no default class"));
    assert!(shaping(&htb(0x30), false).unwrap_err().because.contains("no default class"));
    assert!(shaping(&htb(0x10), true).unwrap_err().because.contains("filters"));
    // A class above itself ends.
    let around = [class(0x10, TcHandle { major: 1, minor: 0x10 }, 5)];
    assert_eq!(least_of_htb(&htb(0x10), false, &around).unwrap().bits_per_s, 40);
}

#[test]
fn what_shapes_and_is_not_read_is_not_said_to_shape_nothing() {
    let of = |kinds: &[&str]| {
        let told = |kind: &&str| Told { kind: (*kind).to_owned(), ..htb(0) };
        none_of(kinds[0], &kinds.iter().map(told).collect::<Vec<_>>()).because
    };
    assert_eq!(of(&["mq", "fq_codel"]), "mq holds packets to none");
    assert_eq!(of(&["cake"]), "what cake holds packets to is not read");
    assert_eq!(of(&["mq", "tbf"]), "what tbf beneath mq holds packets to is not read");
}

/// Runs tc in a namespace; none where it is not there.
fn tc(namespace: &Namespace, arguments: &'static str) -> Option<bool> {
    let run = || Command::new("tc").args(arguments.split(' ')).status().ok();
    namespace.run(run).unwrap().map(|status| status.success())
}

#[test]
fn the_disciplines_of_a_device_are_told_as_they_were_set() {
    if let Some(missing) = missing_capability() {
        eprintln!("skipped: {missing} is missing");
        return;
    }
    let [near, far] = [(); 2].map(|()| Namespace::create().unwrap());
    let mut netlink = Netlink::inside(&near).unwrap();
    let new = |name, last| NewDevice { name, mac: [2, 0, 0, 0, 9, last], mtu_bytes: None };
    netlink.create_veth(new("q0", 1), new("q1", 2), &far).unwrap();
    let index = netlink.device("q0").unwrap().index;
    netlink.set_up(index).unwrap();
    let told = netlink.queueing(index).unwrap();
    assert_eq!(told.kind, "noqueue");
    assert_eq!(told.shaping.unwrap_err().because, "noqueue holds packets to none");
    let set = |arguments| {
        let is_set = tc(&near, arguments);
        if is_set != Some(true) {
            eprintln!("skipped: tc {arguments} ({is_set:?})");
        }
        is_set == Some(true)
    };
    if set("qdisc add dev q0 root tbf rate 1gbit burst 256kb latency 50ms") {
        let told = netlink.queueing(index).unwrap();
        let shaping = Shaping { bits_per_s: 1_000_000_000, overhead_bytes: 0 };
        assert_eq!((told.kind.as_str(), told.shaping), ("tbf", Ok(shaping)));
    }
    if set("qdisc replace dev q0 root handle 1: htb default 10")
        && set("class add dev q0 parent 1: classid 1:1 htb rate 10mbit ceil 50gbit")
        && set("class add dev q0 parent 1:1 classid 1:10 htb rate 10mbit ceil 60gbit")
    {
        let told = netlink.queueing(index).unwrap();
        assert_eq!(told.kind, "htb");
        assert_eq!(told.shaping.unwrap().bits_per_s, 50_000_000_000);
        if set("filter add dev q0 parent 1: protocol ip prio 1 matchall classid 1:10") {
            let told = netlink.queueing(index).unwrap();
            assert!(told.shaping.unwrap_err().because.contains("filters"));
        }
    }
}
