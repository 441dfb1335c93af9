//! What is known of the line that data goes by: the one list by which a run is gone on with, compared, or taken for an answer.

use std::collections::BTreeMap;

use crate::host::Host;
use crate::measured::Measured;
use crate::names::Link;
use crate::nic::Nic;

/// Facts by their names, in order of weight; one without a value is not known.
pub type Facts = Vec<(String, Option<String>)>;

/// A fact in which two lines differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineDiffers {
    /// Its name.
    pub fact: String,
    /// What it was.
    pub then: String,
    /// What it is.
    pub now: String,
}

/// An absent fact is the same whatever the reason: that often holds a path or a number of its own.
fn known<T: ToString>(fact: &Measured<T>) -> Option<String> {
    fact.value().map(T::to_string)
}

/// What of a device bounds and shapes what it carries. Its queues and who serves them are the machine's.
fn of_nic(whose: &str, nic: Option<&Nic>) -> Facts {
    let named = |what: &str| format!("{what} of the {whose}'s device");
    let speed = nic.and_then(|nic| known(&nic.speed_mbps));
    let mut facts = vec![
        (format!("speed of the {whose}'s device, Mbit/s"), speed),
        (named("queueing"), nic.and_then(queueing)),
        (named("driver"), nic.and_then(|nic| known(&nic.driver))),
        (named("MTU"), nic.and_then(|nic| known(&nic.mtu_bytes))),
        (named("name"), nic.map(|nic| nic.device.clone())),
    ];
    let offloads = nic.into_iter().flat_map(|nic| &nic.offloads);
    facts.extend(offloads.map(|(offload, is)| (named(offload), on(is))));
    facts
}

fn on(is: &Measured<bool>) -> Option<String> {
    is.value().map(|is| if *is { "on" } else { "off" }.to_owned())
}

/// `tbf, 1000000000 bit/s`: the discipline alone where it holds packets to no rate.
fn queueing(nic: &Nic) -> Option<String> {
    let kind = known(&nic.queueing)?;
    let Some(shaping) = nic.shaping.value() else { return Some(kind) };
    let rate = format!("{kind}, {} bit/s", shaping.bits_per_s);
    Some(match shaping.overhead_bytes {
        0 => rate,
        more => format!("{rate}, {more} B more a packet"),
    })
}

impl Host {
    /// What is known of this machine's own devices, or of those of a name.
    pub fn device_facts(&self, is_asked: impl Fn(&str) -> bool) -> Facts {
        let mtu = self.devices.iter().filter(|(name, _)| is_asked(name));
        let gathers = self.scatter_gather.iter().filter(|(name, _)| is_asked(name));
        let mut facts: Facts =
            mtu.map(|(name, mtu)| (format!("MTU of {name}"), known(mtu))).collect();
        facts.extend(gathers.map(|(name, is)| (format!("scatter-gather of {name}"), known(is))));
        if let Some(nic) = self.loopback.value().filter(|nic| is_asked(&nic.device)) {
            facts.push((format!("queueing of {}", nic.device), queueing(nic)));
            // Scatter-gather is told of every device.
            let others = nic.offloads.iter().filter(|(offload, _)| *offload != "sg");
            facts.extend(others.map(|(name, is)| (format!("{name} of {}", nic.device), on(is))));
        }
        facts
    }

    /// What bounds and shapes the line between two hosts; none where both ends run on one.
    pub fn peer_line_facts(&self) -> Facts {
        let Some(nics) = self.nics() else { return Facts::new() };
        let sides = ["sender", "receiver"].into_iter().zip(nics);
        sides.flat_map(|(whose, nic)| of_nic(whose, nic.value())).collect()
    }

    /// What is known of the lines that these links go by. Devices that a link raises for itself are of the plan and the kernel.
    pub fn line_facts(&self, links: &[Link]) -> Facts {
        let can = || links.iter().map(|link| link.capabilities());
        let is_asked = |name: &str| can().any(|can| can.host_device == Some(name));
        let mut facts =
            if can().any(|can| can.has_peer_host) { self.peer_line_facts() } else { Facts::new() };
        facts.extend(self.device_facts(is_asked));
        facts
    }

    /// Those of them that are known, as a segment of a journal keeps them.
    pub fn known_line(&self, links: &[Link]) -> BTreeMap<String, String> {
        self.line_facts(links).into_iter().filter_map(|(fact, is)| Some((fact, is?))).collect()
    }

    /// The same machines, of whose line nothing is known for this reason.
    #[must_use]
    pub fn without_line(mut self, why: &str) -> Self {
        if let Some(reached) = &mut self.reached {
            reached.nic_here = Measured::absent(why);
            reached.nic_there = Measured::absent(why);
        }
        self
    }
}

/// What is known of the line of a run: by its `host.json`, and by the segments so far of what that does not tell.
#[derive(Clone, Debug)]
pub struct KnownLine(Facts);

impl KnownLine {
    /// That of these links, by these hosts.
    pub fn of(host: &Host, links: &[Link]) -> Self {
        Self(host.line_facts(links))
    }

    /// The first fact that is another one in a segment. What is not known of either is no difference.
    pub fn differs_from(&self, segment: &BTreeMap<String, String>) -> Option<LineDiffers> {
        let kept = segment.iter().map(|(fact, is)| (fact.clone(), Some(is.clone())));
        first_difference(&self.0, &kept.collect())
    }

    /// Takes from a segment of the same line what was not known before.
    pub fn learn(&mut self, segment: &BTreeMap<String, String>) {
        for (fact, is) in segment {
            match self.0.iter_mut().find(|(name, _)| name == fact) {
                Some((_, known)) => *known = known.take().or_else(|| Some(is.clone())),
                None => self.0.push((fact.clone(), Some(is.clone()))),
            }
        }
    }
}

/// The first fact that two lists know and that differs.
fn first_difference(then: &Facts, now: &Facts) -> Option<LineDiffers> {
    then.iter().find_map(|(fact, then)| {
        let (_, now) = now.iter().find(|(name, _)| name == fact)?;
        let (then, now) = (then.clone()?, now.clone()?);
        (then != now).then(|| LineDiffers { fact: fact.clone(), then, now })
    })
}

#[cfg(test)]
mod tests {
    use crate::host::Reached;
    use crate::nic::Shaping;
    use crate::units::{Bytes, Nanos};

    use super::*;

    const SSH: [Link; 1] = [Link::Ssh];

    fn nic() -> Nic {
        let text = r#"{"device":"eth0","driver":"mlx5_core","speed_mbps":25000,"queueing":"fq","shaping":{"absent":"none"},
            "mtu_bytes":1500,"offloads":{"tso":true,"rx":{"absent":"no"}},"receive_queues":8,"transmit_queues":8,
            "interrupt_cpus":"0-7","receive_steering_cpus":"","transmit_steering_cpus":"","numa_node":0,"threaded":false,
            "deferred_interrupts":0}"#;
        serde_json::from_str(text).unwrap()
    }

    fn loopback(queueing: &str) -> Nic {
        Nic { device: "lo".to_owned(), queueing: Measured::Value(queueing.to_owned()), ..nic() }
    }

    fn hosts(change: impl FnOnce(&mut Nic)) -> Host {
        let (nic_here, mut nic_there) = (Measured::Value(nic()), nic());
        change(&mut nic_there);
        let host = Host::unknown("0.1.0", None, "made up");
        Host {
            sender_host: Some(Box::new(host.clone())),
            devices: BTreeMap::from([("lo".to_owned(), Measured::Value(65_536))]),
            reached: Some(Box::new(Reached {
                peer: "server".to_owned(),
                data_address: Measured::absent("made up"),
                line_round_trip_ns: Nanos(0),
                nic_here,
                nic_there: Measured::Value(nic_there),
                copied_bytes: Bytes(0),
                started_in_ns: Nanos(0),
            })),
            ..host
        }
    }

    fn differing(then: &Host, now: &Host, links: &[Link]) -> Option<LineDiffers> {
        KnownLine::of(then, links).differs_from(&now.known_line(links))
    }

    #[test]
    fn what_a_segment_was_first_to_tell_holds_for_those_after_it() {
        let unknown = |nic: &mut Nic| nic.queueing = Measured::absent("EINVAL");
        let shaped_to = |bits_per_s| {
            let now = hosts(|nic| {
                nic.shaping = Measured::Value(Shaping { bits_per_s, overhead_bytes: 0 });
            });
            now.known_line(&SSH)
        };
        let mut line = KnownLine::of(&hosts(unknown), &SSH);
        assert_eq!(line.differs_from(&shaped_to(100)), None);
        line.learn(&shaped_to(100));
        assert_eq!(line.differs_from(&shaped_to(100)), None);
        let differs = line.differs_from(&shaped_to(1000)).unwrap();
        assert_eq!([differs.then, differs.now], ["fq, 100 bit/s", "fq, 1000 bit/s"]);
    }

    #[test]
    fn every_fact_of_a_line_that_is_another_one_is_named_with_its_side() {
        let then = hosts(|_| ());
        assert_eq!(differing(&then, &hosts(|_| ()), &SSH), None);
        type Change = fn(&mut Nic);
        let changes: [(Change, &str, [&str; 2]); 6] = [
            (|nic| nic.device = "eth1".to_owned(), "name", ["eth0", "eth1"]),
            (|nic| nic.driver = Measured::Value("e".to_owned()), "driver", ["mlx5_core", "e"]),
            (|nic| nic.mtu_bytes = Measured::Value(9000), "MTU", ["1500", "9000"]),
            (|nic| nic.queueing = Measured::Value("tbf".to_owned()), "queueing", ["fq", "tbf"]),
            (
                |nic| {
                    let (bits_per_s, overhead_bytes) = (100, 4);
                    nic.shaping = Measured::Value(Shaping { bits_per_s, overhead_bytes });
                },
                "queueing",
                ["fq", "fq, 100 bit/s, 4 B more a packet"],
            ),
            (
                |nic| drop(nic.offloads.insert("tso".to_owned(), Measured::Value(false))),
                "tso",
                ["on", "off"],
            ),
        ];
        for (change, what, [was, is]) in changes {
            let now = hosts(change);
            let differs = LineDiffers {
                fact: format!("{what} of the sender's device"),
                then: was.to_owned(),
                now: is.to_owned(),
            };
            assert_eq!(differing(&then, &now, &SSH), Some(differs));
            assert_eq!(differing(&then, &now, &[Link::Loopback]), None, "{what}");
        }
        let now = hosts(|nic| nic.speed_mbps = Measured::Value(1000));
        let fact = differing(&then, &now, &SSH).unwrap().fact;
        assert_eq!(fact, "speed of the sender's device, Mbit/s");
    }

    #[test]
    fn what_is_not_known_is_no_difference_and_queues_are_the_machines() {
        let then = hosts(|_| ());
        for change in [
            (|nic| nic.speed_mbps = Measured::absent("EINVAL")) as fn(&mut Nic),
            |nic| nic.queueing = Measured::absent("not recorded"),
            |nic| drop(nic.offloads.insert("rx".to_owned(), Measured::Value(true))),
            |nic| nic.receive_queues = Measured::Value(1),
        ] {
            assert_eq!(differing(&then, &hosts(change), &SSH), None);
            assert_eq!(differing(&hosts(change), &then, &SSH), None);
        }
        let untold = then.clone().without_line("not recorded");
        assert_eq!(differing(&then, &untold, &SSH), None);
        assert_eq!(untold.nics().unwrap()[0].reason(), Some("not recorded"));
    }

    #[test]
    fn of_this_hosts_devices_those_count_that_a_link_goes_by() {
        let then = hosts(|_| ());
        let mut now = then.clone();
        now.devices.insert("docker0".to_owned(), Measured::Value(1500));
        assert_eq!(differing(&then, &now, &[Link::Loopback]), None);
        now.devices.insert("lo".to_owned(), Measured::Value(1500));
        let fact = differing(&then, &now, &[Link::Veth, Link::Loopback]).unwrap().fact;
        assert_eq!(fact, "MTU of lo");
        let now = Host { loopback: Measured::Value(loopback("noqueue")), ..then.clone() };
        assert_eq!(differing(&then, &now, &[Link::Loopback]), None);
        let shaped = Host { loopback: Measured::Value(loopback("netem")), ..then.clone() };
        let differs = LineDiffers {
            fact: "queueing of lo".to_owned(),
            then: "noqueue".to_owned(),
            now: "netem".to_owned(),
        };
        assert_eq!(differing(&now, &shaped, &[Link::Loopback]), Some(differs));
        assert_eq!(differing(&now, &shaped, &SSH), None);
        let mut cut = now.clone();
        let nic = Nic {
            offloads: [("tso".to_owned(), Measured::Value(false))].into(),
            ..loopback("noqueue")
        };
        cut.loopback = Measured::Value(nic);
        assert_eq!(differing(&now, &cut, &[Link::Loopback]).unwrap().fact, "tso of lo");
        let mut now = then.clone();
        now.devices.insert("lo".to_owned(), Measured::Value(1500));
        // A pair of devices is raised for each trial, as the plan says.
        assert_eq!(differing(&then, &now, &[Link::Veth, Link::Ssh]), None);
    }
}
