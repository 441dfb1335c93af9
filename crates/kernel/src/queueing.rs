//! The queueing discipline through which a device's packets leave, and the rate that it holds them to, as rtnetlink tells it.
//!
//! What a discipline is set to lies in one attribute whose form is the discipline's own (include/uapi/linux/pkt_sched.h).

use netlink_packet_core::{Nla as _, NlasIterator};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcOption};

use crate::error::CallError;
use crate::machine::Fact;
use crate::netlink::Netlink;
use crate::{Remedy, Unavailable};

/// How packets wait for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queueing {
    /// The discipline at the device's root, such as `fq_codel`.
    pub kind: String,
    /// The rate that it holds packets to; none where it holds them to none, or where that is not told.
    pub shaping: Fact<Shaping>,
}

/// A rate that packets are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shaping {
    /// Bits a second, of packets with their link layer's header (`qdisc_pkt_len`, which counts the headers of each segment of a
    /// packet that is segmented later: `qdisc_pkt_len_init`, net/core/dev.c).
    pub bits_per_s: u64,
    /// Bytes that are counted for each packet beside that (`overhead`).
    pub overhead_bytes: u16,
}

/// Disciplines that hold packets to no rate.
const PLAIN: &[&str] = &[
    "noqueue",
    "noop",
    "pfifo_fast",
    "pfifo",
    "bfifo",
    "fq_codel",
    "codel",
    "sfq",
    "pie",
    "fq_pie",
    "mq",
    "mqprio",
    "prio",
    "multiq",
    "drr",
    "red",
    "choke",
    "sfb",
    "clsact",
    "ingress",
];

fn unavailable(what: &str, because: impl Into<String>) -> Unavailable {
    Unavailable { what: what.to_owned(), because: because.into(), remedy: Remedy::default() }
}

/// A number at a place of these bytes, in this machine's order.
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(four.try_into().ok()?))
}

/// The value of one attribute among those that lie behind each other.
fn attribute(options: &[u8], kind: u16) -> Option<Vec<u8>> {
    NlasIterator::new(options).find_map(|nla| {
        let nla = nla.ok()?;
        (nla.kind() == kind).then(|| nla.value().to_vec())
    })
}

/// A `struct tc_ratespec` at a place, and the rate of 64 bits that stands for it where 32 do not hold it.
fn rate(parms: &[u8], at: usize, rate64: Option<&[u8]>) -> Option<Shaping> {
    /// Places in `struct tc_ratespec`.
    const OVERHEAD: usize = 2;
    const RATE: usize = 8;
    let spec = parms.get(at..at.checked_add(12)?)?;
    let overhead = spec.get(OVERHEAD..OVERHEAD + 2)?;
    let bytes_per_s = match rate64 {
        Some(rate) => u64::from_ne_bytes(rate.get(..8)?.try_into().ok()?),
        None => u64::from(u32_at(spec, RATE)?),
    };
    (bytes_per_s > 0).then(|| Shaping {
        bits_per_s: bytes_per_s.saturating_mul(8),
        overhead_bytes: u16::from_ne_bytes(overhead.try_into().unwrap_or_default()),
    })
}

/// The rate of a token bucket (`tbf`), from its options: TCA_TBF_PARMS begins with the rate, TCA_TBF_RATE64 stands for a larger one.
pub(crate) fn of_tbf(options: &[u8]) -> Option<Shaping> {
    const PARMS: u16 = 1;
    const RATE64: u16 = 4;
    rate(&attribute(options, PARMS)?, 0, attribute(options, RATE64).as_deref())
}

/// The most that a class of `htb` may send (`ceil`), from its options: second in TCA_HTB_PARMS, or TCA_HTB_CEIL64.
pub(crate) fn ceil_of_htb(options: &[u8]) -> Option<Shaping> {
    const PARMS: u16 = 1;
    const CEIL64: u16 = 7;
    const CEIL: usize = 12;
    rate(&attribute(options, PARMS)?, CEIL, attribute(options, CEIL64).as_deref())
}

/// The minor number of the class that takes what no filter classifies, from the options of `htb` itself: `defcls` of `struct
/// tc_htb_glob`, third in TCA_HTB_INIT. 0: none.
pub(crate) fn default_of_htb(options: &[u8]) -> Option<u16> {
    const INIT: u16 = 2;
    const DEFAULT: usize = 8;
    u16::try_from(u32_at(&attribute(options, INIT)?, DEFAULT)?).ok()
}

/// What a message says of a discipline or a class, without what belongs to its statistics.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    index: i32,
    handle: TcHandle,
    parent: TcHandle,
    kind: String,
    options: Vec<u8>,
}

impl Told {
    fn of(message: TcMessage) -> Self {
        let (header, attributes) = message.into_parts();
        let mut told = Self {
            index: header.index,
            handle: header.handle,
            parent: header.parent,
            kind: String::new(),
            options: Vec::new(),
        };
        for attribute in attributes {
            if let TcAttribute::Kind(kind) = attribute {
                told.kind = kind;
            } else if let TcAttribute::Options(options) = attribute {
                // Of a kind that the library does not know, one attribute that holds all.
                for option in options {
                    if let TcOption::Other(all) = option {
                        told.options = vec![0; all.value_len()];
                        all.emit_value(&mut told.options);
                    }
                }
            }
        }
        told
    }
}

impl Netlink {
    /// How packets wait for a device of this number.
    ///
    /// # Errors
    ///
    /// What the kernel answers in place of its disciplines.
    pub fn queueing(&mut self, index: u32) -> Result<Queueing, CallError> {
        let what = format!("queueing of device {index}");
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        let ask = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::with_index(index));
        let all = self.dump(ask, &what)?.into_iter().filter_map(|message| {
            if let RouteNetlinkMessage::NewQueueDiscipline(message) = message {
                Some(Told::of(message)).filter(|told| told.index == index)
            } else {
                None
            }
        });
        let all: Vec<Told> = all.collect();
        let Some(root) = all.iter().find(|told| told.parent == TcHandle::ROOT) else {
            // The kernel's own, which it does not tell (TCQ_F_BUILTIN).
            return Ok(Queueing { kind: "noop".to_owned(), shaping: Err(none_told("noop")) });
        };
        let shaping = match root.kind.as_str() {
            "tbf" => of_tbf(&root.options)
                .ok_or_else(|| unavailable("the rate of tbf", "the kernel tells none")),
            "htb" => self.of_htb(root, &what)?,
            kind => Err(none_of(kind, &all)),
        };
        Ok(Queueing { kind: root.kind.clone(), shaping })
    }

    fn of_htb(&mut self, root: &Told, what: &str) -> Result<Fact<Shaping>, CallError> {
        let mut ask = TcMessage::with_index(root.index);
        ask.header.parent = root.handle;
        let filters = self.dump(RouteNetlinkMessage::GetTrafficFilter(ask), what)?;
        let ask = RouteNetlinkMessage::GetTrafficClass(TcMessage::with_index(root.index));
        let classes = self.dump(ask, what)?.into_iter().filter_map(|message| {
            if let RouteNetlinkMessage::NewTrafficClass(message) = message {
                Some(Told::of(message))
            } else {
                None
            }
        });
        Ok(least_of_htb(root, !filters.is_empty(), &classes.collect::<Vec<_>>()))
    }
}

fn none_told(kind: &str) -> Unavailable {
    unavailable("a shaping rate", format!("{kind} holds packets to none"))
}

/// Why a discipline whose rate is not read tells none.
fn none_of(kind: &str, all: &[Told]) -> Unavailable {
    let is_plain = |kind: &str| PLAIN.contains(&kind);
    let other = all.iter().map(|told| told.kind.as_str()).find(|kind| !is_plain(kind));
    match other {
        None => none_told(kind),
        Some(other) if other == kind => {
            unavailable("a shaping rate", format!("what {kind} holds packets to is not read"))
        }
        Some(other) => unavailable(
            "a shaping rate",
            format!("what {other} beneath {kind} holds packets to is not read"),
        ),
    }
}

/// The least ceiling on the way from the class that takes what no filter classifies up to the root.
fn least_of_htb(root: &Told, has_filters: bool, classes: &[Told]) -> Fact<Shaping> {
    const WHAT: &str = "the rate of htb";
    if has_filters {
        return Err(unavailable(WHAT, "filters choose the class of a packet"));
    }
    let minor = default_of_htb(&root.options).filter(|minor| *minor != 0);
    let mut at = minor.map(|minor| TcHandle { major: root.handle.major, minor });
    let mut least: Option<Shaping> = None;
    // No class is above itself; the kernel has eight levels (TC_HTB_MAXDEPTH).
    for _ in 0..8 {
        let Some(class) = classes.iter().find(|class| Some(class.handle) == at) else { break };
        let ceil = ceil_of_htb(&class.options);
        least = [least, ceil].into_iter().flatten().min_by_key(|shaping| shaping.bits_per_s);
        at = Some(class.parent);
    }
    least.ok_or_else(|| unavailable(WHAT, "it has no default class, and passes packets at once"))
}

#[cfg(test)]
#[path = "queueing_tests.rs"]
mod tests;
