//! What lay between the two ends: a link's devices, and the sink.

use serde::{Deserialize, Serialize};

use super::tallies::SinkTally;
use crate::measured::Measured;
use crate::units::Nanos;

/// The devices of a link, as the kernel reported them when they were up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkFacts {
    /// MTU in bytes, both ends.
    pub mtu_bytes: u32,
    /// TCP segmentation offload of the sender's device.
    pub tso: bool,
    /// Generic segmentation offload of the sender's device.
    pub gso: bool,
    /// Generic receive offload of the receiver's device.
    pub gro: bool,
    /// Scatter-gather of the sender's device, without which the kernel copies what is passed by reference.
    #[serde(default = "not_recorded")]
    pub scatter_gather: Measured<bool>,
    /// Packet sockets of other programs that were shown every packet of the devices when the trial was set up: what is passed by reference is
    /// copied for each.
    #[serde(default = "not_recorded")]
    pub packet_taps: Measured<u32>,
    /// CPUs that acknowledgements are steered to (receive packet steering of the sender's device); empty: none.
    pub ack_cpus: Vec<u32>,
}

/// The sink's side of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SinkFacts {
    /// Counted in the window.
    pub window: SinkTally,
    /// Counted over the whole trial.
    pub total: SinkTally,
    /// The helper's CPU.
    pub helper_cpu: u32,
    /// The helper's CPU time in the window, looking and answering.
    pub helper_cpu_ns: Nanos,
    /// How long answering took by the wall clock: on a CPU that it shares the helper may have waited in between, and softirqs
    /// that ran in it are in. With acknowledgements placed on the helper's CPU that is the sender's own work on them:
    /// packets freed, notifications posted. Records of versions before `answering_cpu_ns` hold no more than
    /// `helper_cpu_ns`.
    pub answering_ns: Nanos,
    /// The part of `helper_cpu_ns` that answering took, by the helper's own CPU clock.
    #[serde(default = "not_recorded")]
    pub answering_cpu_ns: Measured<Nanos>,
    /// Of a series: CPU time of the helper less answering between the two readings of the machine, which lie in the silence before
    /// and after a steady slice. Absent where the readings stand at the edges of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looking_ns: Option<Nanos>,
    /// Whether this kernel charges softirqs to no thread (CONFIG_IRQ_TIME_ACCOUNTING): then they are in no CPU time of
    /// the senders or the helper.
    #[serde(default = "not_recorded")]
    pub softirqs_apart: Measured<bool>,
    /// Time of the BPF program a packet, counted by the kernel so that no window is disturbed: in the tail, or in the last slice
    /// before those that count.
    pub program_ns_per_packet: Measured<f64>,
}

fn not_recorded<T>() -> Measured<T> {
    Measured::absent("the version of copycost that measured this did not record it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sinks_facts_of_an_older_version_are_read_and_lack_what_it_did_not_tell() {
        let text = r#"{"window":{"acks":3},"total":{"acks":4},"helper_cpu":1,"helper_cpu_ns":90,
            "answering_ns":10,"program_ns_per_packet":{"absent":"no packet"}}"#;
        let facts: SinkFacts = serde_json::from_str(text).unwrap();
        assert_eq!((facts.window.acks, facts.total.failed_sends), (3, 0));
        assert_eq!((facts.window.looks, facts.total.looks), (0, 0));
        assert!(facts.answering_cpu_ns.reason().unwrap().contains("did not record"));
        assert!(facts.softirqs_apart.reason().is_some());
        let again: SinkFacts =
            serde_json::from_str(&serde_json::to_string(&facts).unwrap()).unwrap();
        assert_eq!(again, facts);
    }
}
