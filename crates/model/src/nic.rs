//! Facts of a network card: the device over which a route leaves this machine.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measured::Measured;

/// The device towards an address, as far as it can matter to a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Nic {
    /// The device's name, such as `eth0`.
    pub device: String,
    /// Its driver, such as `mlx5_core`.
    pub driver: Measured<String>,
    /// What its line carries in Mbit/s.
    pub speed_mbps: Measured<u64>,
    /// The queueing discipline at its root, through which packets leave, such as `fq_codel`.
    #[serde(default = "not_recorded::<String>")]
    pub queueing: Measured<String>,
    /// The rate that this one holds packets to; absent where it holds them to none.
    #[serde(default = "not_recorded::<Shaping>")]
    pub shaping: Measured<Shaping>,
    /// Bytes of the largest packet.
    pub mtu_bytes: Measured<u64>,
    /// What it takes over from the protocol stack, by ethtool's short names: `tso`, `gso`, `gro`, `sg` (scatter-gather), `rx`
    /// and `tx` (checksums).
    pub offloads: BTreeMap<String, Measured<bool>>,
    /// Queues that receive.
    pub receive_queues: Measured<u32>,
    /// Queues that send.
    pub transmit_queues: Measured<u32>,
    /// CPUs that its interrupts come to, as a list such as `0-7`.
    pub interrupt_cpus: Measured<String>,
    /// CPUs that packets are handed to after they came in (receive packet steering), as a list; empty: none, they stay.
    pub receive_steering_cpus: Measured<String>,
    /// CPUs that choose a queue of their own to send (transmit packet steering), as a list; empty: none do.
    pub transmit_steering_cpus: Measured<String>,
    /// NUMA node that it is attached to.
    pub numa_node: Measured<u32>,
    /// Whether threads of the kernel poll it in place of softirqs.
    pub threaded: Measured<bool>,
    /// How often its interrupts stay off though nothing came (`napi_defer_hard_irqs`); 0: never.
    pub deferred_interrupts: Measured<u64>,
}

/// A rate that a queueing discipline holds packets to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shaping {
    /// Bits a second, of packets with their link layer's header.
    pub bits_per_s: u64,
    /// Bytes that are counted for each packet beside that.
    pub overhead_bytes: u16,
}

fn not_recorded<T>() -> Measured<T> {
    Measured::absent("the version of copycost that measured did not record it")
}

impl Nic {
    /// The most bytes of one as JSON, whoever tells them.
    pub const MOST_BYTES: usize = 4096;
    /// The most bytes of one text in it.
    pub const MOST_TEXT: usize = 160;

    /// With every text cut to a length with which the whole has at most [`Nic::MOST_BYTES`].
    #[must_use]
    pub fn bounded(self) -> Self {
        let offloads = self.offloads.into_iter().take(6);
        Self {
            device: cut(&self.device),
            driver: bounded_text(self.driver),
            speed_mbps: bounded(self.speed_mbps),
            queueing: bounded_text(self.queueing),
            shaping: bounded(self.shaping),
            mtu_bytes: bounded(self.mtu_bytes),
            offloads: offloads
                .map(|(name, is)| (name.chars().take(4).collect(), bounded(is)))
                .collect(),
            receive_queues: bounded(self.receive_queues),
            transmit_queues: bounded(self.transmit_queues),
            interrupt_cpus: bounded_list(self.interrupt_cpus),
            receive_steering_cpus: bounded_list(self.receive_steering_cpus),
            transmit_steering_cpus: bounded_list(self.transmit_steering_cpus),
            numa_node: bounded(self.numa_node),
            threaded: bounded(self.threaded),
            deferred_interrupts: bounded(self.deferred_interrupts),
        }
    }
}

/// The first bytes of a text, whole characters, as they count in JSON: one that is escaped there has up to six.
pub(crate) fn cut(text: &str) -> String {
    let mut left = Nic::MOST_TEXT;
    let fits = |c: &char| {
        let bytes = if c.is_control() || matches!(c, '"' | '\\') { 6 } else { c.len_utf8() };
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    };
    text.chars().take_while(fits).collect()
}

fn bounded<T>(fact: Measured<T>) -> Measured<T> {
    match fact {
        Measured::Value(value) => Measured::Value(value),
        Measured::Absent { absent } => Measured::absent(cut(&absent)),
    }
}

fn bounded_text(fact: Measured<String>) -> Measured<String> {
    bounded(fact).map(|text| cut(&text))
}

/// Half of a list would be another list.
fn bounded_list(fact: Measured<String>) -> Measured<String> {
    match bounded(fact) {
        Measured::Value(list) if list.len() > Nic::MOST_TEXT => {
            let pieces = list.split(',').count();
            Measured::absent(format!("a list of {pieces} pieces is longer than is kept"))
        }
        kept @ (Measured::Value(_) | Measured::Absent { .. }) => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of which every text is this.
    fn all_of(text: &str) -> Nic {
        fn absent<T>(text: &str) -> Measured<T> {
            Measured::absent(text)
        }
        let names = ["tso", "gso", "gro", "sg", "rx", "tx"];
        Nic {
            device: text.to_owned(),
            driver: Measured::Value(text.to_owned()),
            speed_mbps: absent(text),
            queueing: absent(text),
            shaping: absent(text),
            mtu_bytes: absent(text),
            offloads: names.map(|name| (name.to_owned(), absent(text))).into(),
            receive_queues: absent(text),
            transmit_queues: absent(text),
            interrupt_cpus: absent(text),
            receive_steering_cpus: absent(text),
            transmit_steering_cpus: absent(text),
            numa_node: absent(text),
            threaded: absent(text),
            deferred_interrupts: absent(text),
        }
    }

    #[test]
    fn whatever_a_machine_says_the_facts_stay_within_their_bound() {
        for text in ["x", "\"", "\u{1}", "é", "\u{10ffff}", "\\", "\u{7f}"] {
            let nic = all_of(&text.repeat(5000)).bounded();
            let line = serde_json::to_string(&nic).unwrap();
            assert!(line.len() <= Nic::MOST_BYTES, "{text:?}: {}", line.len());
            assert_eq!(serde_json::from_str::<Nic>(&line).unwrap(), nic);
        }
    }

    #[test]
    fn a_list_that_is_too_long_is_absent_and_not_cut() {
        let list = (0..200).step_by(2).map(|cpu| cpu.to_string()).collect::<Vec<_>>().join(",");
        let nic = Nic { interrupt_cpus: Measured::Value(list), ..all_of("x") }.bounded();
        assert!(nic.interrupt_cpus.reason().unwrap().contains("100 pieces"));
        let short = Measured::Value("0-7".to_owned());
        let nic = Nic { interrupt_cpus: short.clone(), ..all_of("x") }.bounded();
        assert_eq!(nic.interrupt_cpus, short);
    }
}
