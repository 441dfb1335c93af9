//! What the line between two hosts can carry, and which cells carry as much.
//!
//! Between cells that both fill the line goodput says nothing of what they differ in: the line decides it, and what they cost in
//! CPU time is what tells them apart.

use std::net::IpAddr;

use model::host::Host;
use model::nic::Nic;
use model::{Bounds, Cell, Measured, UsableCpus};
use schemars::JsonSchema;
use serde::Serialize;

use crate::estimate::Estimate;
use crate::evidence::figure;
use crate::findings::ModelledSide;
use crate::metric::Metric;
use crate::results::{CellEstimates, Finding, Ratio};

/// A cell whose goodput reaches this share of what the line can carry is at line rate.
pub const AT_RATE: f64 = 0.97;
/// No cell is whose interval reaches below this: one that wide would reach any rate.
const LOWEST: f64 = 0.90;
/// Goodput that is shown to lie beyond this share of what a device says that its line can carry contradicts the device. A token
/// bucket lets what it saved pass at once (tc-tbf(8), `burst`), so that a short window may see more than its rate.
const BEYOND_SPEED: f64 = 1.02;
const BEYOND_SHAPING: f64 = 1.2;

/// Bytes of a packet's headers: IPv4 and TCP have 20 each (RFC 791, RFC 9293), IPv6 has 40 (RFC 8200), the timestamps of
/// RFC 7323 take 12 with their padding.
const IPV4: u64 = 20;
const IPV6: u64 = 40;
const TCP: u64 = 20;
const TIMESTAMPS: u64 = 12;
/// Bytes of an Ethernet frame beside the packet (IEEE 802.3): preamble with its delimiter 8, header 14, check sequence 4, and the
/// gap before the next one 12.
const ON_THE_WIRE: u64 = 38;
/// What a queueing discipline counts of them: the header alone.
const HEADER: u64 = 14;

/// What bounds a line.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum LineLimit {
    /// The speed of a device.
    Speed,
    /// The rate that a queueing discipline of the sender's device holds packets to. That of the receiver's device holds
    /// acknowledgements alone.
    Shaping {
        /// Which discipline.
        queueing: String,
    },
}

/// A bound of what a line carries, and the goodput at it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LineRate {
    /// What bounds it.
    pub by: LineLimit,
    /// Whose device.
    pub side: ModelledSide,
    /// Its name.
    pub device: String,
    /// The rate in Gbit/s, as the device or its queueing discipline counts.
    pub line_gbps: f64,
    /// TCP payload of a full packet, in bytes.
    pub payload_bytes: u64,
    /// What the rate counts for such a packet, in bytes.
    pub counted_bytes: u64,
    /// TCP goodput at that rate, in Gbit/s: the rate × `payload_bytes` / `counted_bytes`.
    pub goodput_gbps: f64,
}

/// A cell that is at line rate.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AtLineRate {
    /// The cell.
    #[schemars(with = "String")]
    pub cell: Cell,
    /// Its mean goodput over that of the line.
    pub share: f64,
}

/// The line between the hosts of a run.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Line {
    /// What it carries: the least of what is known to bound it.
    pub rate: Measured<LineRate>,
    /// The cells that are at that rate, in the plan's order.
    pub at_rate: Vec<AtLineRate>,
}

impl LineRate {
    /// The least of all that is known to bound the data's line between two hosts: the speeds of both devices, and the rate that
    /// the sender's device is shaped to. None where both ends run on one machine.
    ///
    /// At a rate of r TCP carries r × (MTU − headers) / (MTU + framing) of payload, where every packet is full: headers are 40
    /// bytes (60 of IPv6), 12 more with timestamps; framing is 38 bytes on an Ethernet, and the 14 of the header for a queueing discipline
    /// (`qdisc_pkt_len`, net/core/dev.c; `psched_l2t_ns`, include/net/sch_generic.h), with its `overhead`. The MTU is
    /// the lesser one of both devices', as each end tells the other its MSS.
    pub fn of(host: &Host) -> Option<Measured<Self>> {
        let [sender, receiver] = host.nics()?;
        let mtu = [sender, receiver].map(|nic| nic.value()?.mtu_bytes.value().copied());
        let Some(mtu) = mtu.into_iter().flatten().min() else {
            return Some(Measured::absent(match (sender, receiver) {
                (Measured::Absent { .. }, Measured::Absent { .. }) => why_none([sender, receiver]),
                _ => "the MTU of neither device is known".to_owned(),
            }));
        };
        let headers = headers(host);
        let Some(payload) = mtu.checked_sub(headers).filter(|payload| *payload > 0) else {
            return Some(Measured::absent(format!("an MTU of {mtu} bytes holds no payload")));
        };
        let sides = [(ModelledSide::Sender, sender), (ModelledSide::Receiver, receiver)];
        let limits = sides.into_iter().flat_map(|(side, nic)| limits(side, nic.value()));
        let of_packet = |limit: Limit| {
            let counted_bytes = mtu.saturating_add(limit.beside);
            Self {
                by: limit.by,
                side: limit.side,
                device: limit.device,
                line_gbps: limit.gbps,
                payload_bytes: payload,
                counted_bytes,
                goodput_gbps: limit.gbps * payload as f64 / counted_bytes as f64,
            }
        };
        let least = limits.map(of_packet).min_by(|a, b| a.goodput_gbps.total_cmp(&b.goodput_gbps));
        Some(match least {
            Some(least) => Measured::Value(least),
            None => Measured::absent(why_none([sender, receiver])),
        })
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and a fraction of a bit a second is nothing"
)]
fn whole_bits(gbps: f64) -> u64 {
    (gbps * 1e9) as u64
}

/// What is known of these hosts before a trial: their CPUs, and what the line between them carries.
pub fn bounds(host: &Host) -> Bounds {
    let line = LineRate::of(host).and_then(|rate| rate.value().map(|rate| rate.goodput_gbps));
    Bounds { cpus: UsableCpus::of(host), line_bits_per_s: line.map(whole_bits) }
}

/// A bound before its packet is known.
struct Limit {
    by: LineLimit,
    side: ModelledSide,
    device: String,
    gbps: f64,
    /// Bytes that are counted beside a packet.
    beside: u64,
}

fn limits(side: ModelledSide, nic: Option<&Nic>) -> Vec<Limit> {
    let Some(nic) = nic else { return Vec::new() };
    let device = || nic.device.clone();
    let speed = nic.speed_mbps.value().map(|mbps| Limit {
        by: LineLimit::Speed,
        side,
        device: device(),
        gbps: *mbps as f64 / 1e3,
        beside: ON_THE_WIRE,
    });
    let is_senders = side == ModelledSide::Sender;
    let shaping = nic.shaping.value().filter(|_| is_senders).map(|shaping| Limit {
        by: LineLimit::Shaping { queueing: nic.queueing.value().cloned().unwrap_or_default() },
        side,
        device: device(),
        gbps: shaping.bits_per_s as f64 / 1e9,
        beside: HEADER + u64::from(shaping.overhead_bytes),
    });
    speed.into_iter().chain(shaping).filter(|limit| limit.gbps > 0.0).collect()
}

/// Bytes of the headers of a packet between the hosts.
fn headers(host: &Host) -> u64 {
    let reached = host.reached.as_deref();
    let address = reached.and_then(|reached| reached.data_address.value()?.parse::<IpAddr>().ok());
    let ip = if address.is_some_and(|address| address.is_ipv6()) { IPV6 } else { IPV4 };
    // Both ends must offer them; the kernel's default is to do so.
    let is_off = |host: &Host| {
        let setting = host.sysctls.get("net.ipv4.tcp_timestamps").and_then(Measured::value);
        setting.is_some_and(|value| value.trim() == "0")
    };
    let timestamps =
        if is_off(host.of_sender()) || is_off(host.of_receiver()) { 0 } else { TIMESTAMPS };
    ip + TCP + timestamps
}

/// Why nothing bounds the line: what each device lacks, told once where both lack the same.
fn why_none(nics: [&Measured<Nic>; 2]) -> String {
    let [one, other] = nics.map(|nic| match nic {
        Measured::Value(nic) => (Some(&nic.device), nic.speed_mbps.reason().unwrap_or_default()),
        Measured::Absent { absent } => (None, absent.as_str()),
    });
    let of = |(device, why): (Option<&String>, &str)| match device {
        Some(device) => format!("{device} tells no speed ({why})"),
        None => why.to_owned(),
    };
    match (one, other) {
        ((Some(device), why), (Some(others), again)) if why == again && device != others => {
            format!("{device} and {others} tell no speed ({why})")
        }
        _ if one == other => of(one),
        _ => format!("{}; {}", of(one), of(other)),
    }
}

impl Line {
    /// The line of a run, and the cells that are at its rate; none where both ends run on one machine.
    pub(crate) fn of(host: &Host, estimates: &[CellEstimates]) -> Option<Self> {
        let rate = LineRate::of(host)?;
        let Some(known) = rate.value() else { return Some(Self { rate, at_rate: Vec::new() }) };
        let goodput = |estimates: &CellEstimates| {
            let of_line = |goodput: Estimate| goodput.times(known.goodput_gbps.recip());
            figure(estimates, Metric::GoodputGbps).map(of_line)
        };
        let is_of_line =
            |estimates: &&CellEstimates| estimates.cell.link.capabilities().has_peer_host;
        let shares = estimates.iter().filter(is_of_line);
        let shares: Vec<(&Cell, Estimate)> =
            shares.filter_map(|it| Some((&it.cell, goodput(it)?))).collect();
        let most = shares.iter().filter_map(|(_, share)| share.low).fold(0.0, f64::max);
        let beyond = match known.by {
            LineLimit::Speed => BEYOND_SPEED,
            LineLimit::Shaping { .. } => BEYOND_SHAPING,
        };
        if most > beyond {
            return Some(Self {
                rate: Measured::absent(format!(
                    "goodput went beyond the {} Gbit/s that {} tells",
                    known.line_gbps, known.device
                )),
                at_rate: Vec::new(),
            });
        }
        let at_rate = shares.into_iter().filter(|(_, share)| is_at_rate(share));
        let at_rate =
            at_rate.map(|(cell, share)| AtLineRate { cell: cell.clone(), share: share.mean });
        Some(Self { at_rate: at_rate.collect(), rate })
    }

    /// Whether a cell is at line rate.
    pub fn has(&self, cell: &Cell) -> bool {
        self.at_rate.iter().any(|at| at.cell == *cell)
    }

    /// Whether two cells both are, so that their goodput tells nothing of what they differ in.
    pub(crate) fn levels(&self, metric: Metric, cell: &Cell, against: &Cell) -> bool {
        metric == Metric::GoodputGbps && self.has(cell) && self.has(against)
    }

    /// Takes what ratios of goodput show back where both cells are at line rate.
    pub(crate) fn judge(&self, ratios: &mut [Ratio]) {
        for ratio in ratios {
            if self.levels(ratio.metric, &ratio.cell, &ratio.against) {
                ratio.finding = Finding::AtLineRate;
            }
        }
    }
}

/// Whether a share of the line's goodput, with its interval, is that of a cell at line rate. Without an interval the mean decides.
fn is_at_rate(share: &Estimate) -> bool {
    let (low, high) = (share.low.unwrap_or(share.mean), share.high.unwrap_or(share.mean));
    high >= AT_RATE && low >= LOWEST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(mean: f64, half: f64) -> Estimate {
        Estimate { mean, low: Some(mean - half), high: Some(mean + half), trials: 10 }
    }

    #[test]
    fn a_reason_that_holds_for_both_devices_is_told_once() {
        let nic = |device: &str, why: &str| {
            let mut nic = synthetic::nic("veth", None);
            nic.device = device.to_owned();
            nic.speed_mbps = Measured::absent(why);
            Measured::Value(nic)
        };
        let told = |one: &str, of, other: &str| why_none([&nic("va", one), &nic(of, other)]);
        let is_virtual = "a virtual device has no line";
        assert_eq!(
            told(is_virtual, "vb", is_virtual),
            "va and vb tell no speed (a virtual device has no line)"
        );
        assert_eq!(
            told(is_virtual, "va", is_virtual),
            "va tells no speed (a virtual device has no line)"
        );
        assert_eq!(
            told(is_virtual, "vb", "EINVAL"),
            "va tells no speed (a virtual device has no line); vb tells no speed (EINVAL)"
        );
        let unknown = Measured::absent("not recorded");
        assert_eq!(why_none([&unknown, &unknown]), "not recorded");
    }

    #[test]
    fn an_interval_that_reaches_97_percent_is_at_line_rate_unless_it_reaches_anything() {
        assert!(is_at_rate(&estimate(0.999, 0.001)) && is_at_rate(&estimate(0.965, 0.006)));
        assert!(!is_at_rate(&estimate(0.95, 0.01)) && !is_at_rate(&estimate(0.7, 0.5)));
        let single = Estimate { low: None, high: None, ..estimate(0.98, 0.0) };
        assert!(is_at_rate(&single));
    }
}
