//! Facts of the network card towards an address.

use std::net::IpAddr;
use std::path::Path;

use kernel::CallError;
use kernel::cpu::CpuSet;
use kernel::machine::LIVE;
use kernel::netlink::{Device, Netlink};
use kernel::nic::Card;
use kernel::offloads::{Offload, Offloads};
use kernel::queueing::Queueing;
use model::Measured;
use model::nic::{Nic, Shaping};

use crate::error::missing;

/// Facts of the device by which packets to an address leave, of this process's network namespace; absent where no route leads there.
/// Nothing is changed and nothing needs a privilege.
pub fn facts_towards(address: IpAddr) -> Measured<Nic> {
    let found = Netlink::here().and_then(|mut netlink| {
        let name = netlink.device_towards(address)?;
        let device = netlink.device(&name)?;
        let queueing = netlink.queueing(device.index);
        Ok((name, device, queueing))
    });
    Measured::from(found).map(|(name, device, queueing)| facts_of(&name, device, queueing))
}

fn facts_of(device: &str, told: Device, queueing: Result<Queueing, CallError>) -> Nic {
    let card = Card::find(Path::new(LIVE), device, told);
    let ethtool = Offloads::here().map_err(|error| error.to_string());
    let ask = |offload: Offload| -> Measured<bool> {
        let answer = ethtool.as_ref().map_err(Clone::clone);
        answer.and_then(|ask| ask.get(device, offload).map_err(|error| error.to_string())).into()
    };
    let driver = ethtool.as_ref().map_err(Clone::clone);
    let driver = driver.and_then(|ask| ask.driver(device).map_err(|error| error.to_string()));
    let list = |cpus: Result<CpuSet, kernel::Unavailable>| -> Measured<String> {
        Measured::from(cpus).map(|cpus| cpus.to_string())
    };
    let node = card.numa_node.map_err(|why| why.to_string());
    let node = node.and_then(|n| u32::try_from(n).map_err(|_| format!("{n} is too large")));
    let (queueing, shaping) = match queueing {
        Err(error) => (Measured::absent(error.to_string()), Measured::absent(error.to_string())),
        Ok(Queueing { kind, shaping }) => (Measured::Value(kind), Measured::from(shaping)),
    };
    Nic {
        queueing,
        shaping: shaping
            .map(|of| Shaping { bits_per_s: of.bits_per_s, overhead_bytes: of.overhead_bytes }),
        device: device.to_owned(),
        driver: driver.into(),
        // Its reason stands beside the device's name.
        speed_mbps: match card.speed_mbps {
            Ok(mbps) => Measured::Value(mbps),
            Err(why) => Measured::absent(missing(why).unnamed()),
        },
        mtu_bytes: Measured::Value(u64::from(told.mtu_bytes)),
        offloads: Offload::ALL.map(|offload| (offload.name().to_owned(), ask(offload))).into(),
        receive_queues: card.receive_queues.into(),
        transmit_queues: card.transmit_queues.into(),
        interrupt_cpus: list(card.interrupt_cpus),
        receive_steering_cpus: list(card.receive_steering_cpus),
        transmit_steering_cpus: list(card.transmit_steering_cpus),
        numa_node: node.into(),
        threaded: card.threaded.into(),
        deferred_interrupts: card.deferred_interrupts.into(),
    }
    .bounded()
}

/// Facts as one line of JSON, for another machine.
///
/// # Errors
/// They are longer than [`Nic::MOST_BYTES`]: no machine's own are.
pub fn to_line(nic: &Nic) -> Result<String, String> {
    let line = serde_json::to_string(nic).map_err(|error| error.to_string())?;
    if line.len() > Nic::MOST_BYTES { Err(too_long(line.len())) } else { Ok(line) }
}

/// Reads what [`to_line`] wrote, perhaps elsewhere.
///
/// # Errors
/// It is longer than [`Nic::MOST_BYTES`], or no such facts.
pub fn from_line(line: &str) -> Result<Nic, String> {
    if line.len() > Nic::MOST_BYTES {
        return Err(too_long(line.len()));
    }
    let read = serde_json::from_str::<Nic>(line);
    read.map(Nic::bounded).map_err(|error| format!("these are no facts of a device: {error}"))
}

fn too_long(bytes: usize) -> String {
    format!("facts of a device have {bytes} bytes, and at most {} are taken", Nic::MOST_BYTES)
}

#[cfg(test)]
mod tests {
    use kernel::netlink::NewDevice;
    use kernel::netns::{Namespace, missing_capability};

    use super::*;

    #[test]
    fn facts_from_elsewhere_are_bounded() {
        let nic = facts_towards("127.0.0.1".parse().unwrap());
        let mut nic = nic.value().unwrap().clone();
        let long = format!("{}{}", to_line(&nic).unwrap(), " ".repeat(Nic::MOST_BYTES));
        assert!(from_line(&long).unwrap_err().contains("at most 4096"));
        assert!(from_line("{}").unwrap_err().contains("no facts of a device"));
        nic.device = "x".repeat(5000);
        assert!(to_line(&nic).unwrap_err().contains("at most 4096"));
    }

    #[test]
    fn loopback_is_told_with_what_it_has_and_why_it_lacks_the_rest() {
        let nic = facts_towards("127.0.0.1".parse().unwrap());
        let nic = nic.value().unwrap();
        assert_eq!(nic.device, "lo");
        assert_eq!(nic.offloads["sg"], Measured::Value(true));
        assert_eq!(nic.receive_queues, Measured::Value(1));
        assert!(nic.driver.reason().unwrap().contains("driver of lo"), "{:?}", nic.driver);
        assert!(nic.numa_node.reason().is_some() && nic.interrupt_cpus.reason().is_some());
        assert_eq!(from_line(&to_line(nic).unwrap()).as_ref(), Ok(nic));
    }

    #[test]
    fn a_veth_pair_in_a_namespace_is_told_by_what_reaches_into_it() {
        if let Some(missing) = missing_capability() {
            eprintln!("skipped: {missing} is missing");
            return;
        }
        let [near, far] = [(); 2].map(|()| Namespace::create().unwrap());
        let mut netlink = Netlink::inside(&near).unwrap();
        let new =
            |name, last| NewDevice { name, mac: [2, 0, 0, 0, 9, last], mtu_bytes: Some(9000) };
        netlink.create_veth(new("send0", 1), new("recv0", 2), &far).unwrap();
        let device = netlink.device("send0").unwrap();
        netlink.set_up(device.index).unwrap();
        netlink.add_address(device.index, "10.9.8.1".parse().unwrap(), 24).unwrap();
        let peer = "10.9.8.2".parse().unwrap();
        let nic = near.run(move || facts_towards(peer)).unwrap();
        let nic = nic.value().unwrap();
        assert_eq!((nic.device.as_str(), &nic.mtu_bytes), ("send0", &Measured::Value(9000)));
        assert_eq!(nic.driver, Measured::Value("veth".to_owned()));
        assert_eq!(nic.queueing, Measured::Value("noqueue".to_owned()));
        assert!(nic.shaping.reason().unwrap().contains("noqueue holds packets to none"));
        assert!(nic.offloads.values().all(|is| is.value().is_some()), "{:?}", nic.offloads);
        let why = nic.receive_queues.reason().unwrap();
        assert!(why.contains("another network namespace"), "{why}");
        let nowhere = near.run(|| facts_towards("10.7.7.7".parse().unwrap())).unwrap();
        assert!(nowhere.reason().unwrap().contains("route to 10.7.7.7"), "{nowhere:?}");
    }
}
