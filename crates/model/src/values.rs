//! The values that factors take, where they are not plain names, and how lists of them are read.

use std::fmt;
use std::str::FromStr;

use crate::names::{
    AckPlacement, Completions, Deferral, Family, Layout, Link, MemoryLoad, Offload, Pages,
    ReceivePath, RingFile, SendPath, Sockets, Switch, Watch,
};
use crate::placement::Placement;
use crate::units::{BitRate, Bytes, Nanos};

/// A value of a factor as an item of a list.
pub(crate) trait FactorValue: FromStr<Err = String> {
    /// The words that it may be; numbers are not among them.
    fn words() -> Vec<&'static str> {
        Vec::new()
    }

    /// One value, or those of a range.
    ///
    /// # Errors
    /// Text that is neither.
    fn item(text: &str) -> Result<Vec<Self>, String> {
        text.parse().map(|value| vec![value])
    }
}

macro_rules! named {
    ($( $name:ident ),+ $(,)?) => { $(
        impl FactorValue for $name {
            fn words() -> Vec<&'static str> {
                Self::ALL.iter().map(|member| member.name()).collect()
            }
        }
    )+ };
}
named!(
    SendPath,
    ReceivePath,
    Link,
    Layout,
    Family,
    Switch,
    Offload,
    Watch,
    AckPlacement,
    Pages,
    RingFile,
    Completions,
    Sockets,
    Deferral,
    MemoryLoad
);

impl FactorValue for Placement {
    fn words() -> Vec<&'static str> {
        vec!["split", "spare", "same", "none"]
    }
}

/// One value, or the powers of two of a range such as `1..8` or `64B..1MiB`.
fn one_or_range<T: FromStr<Err = String>>(
    text: &str,
    number: impl Fn(&T) -> u64,
    value: impl Fn(u64) -> Option<T>,
) -> Result<Vec<T>, String> {
    let Some((low, high)) = text.split_once("..") else { return Ok(vec![text.parse()?]) };
    let (low, high) = (number(&low.parse()?), number(&high.trim_start_matches('=').parse()?));
    if let Some(other) = [low, high].into_iter().find(|n| !n.is_power_of_two()) {
        return Err(format!(
            "a range goes by powers of two, and {other} is none; write the values with commas"
        ));
    }
    if low > high {
        return Err(format!("the range {text} runs backwards"));
    }
    let doublings = std::iter::successors(Some(low), |n| n.checked_mul(2));
    Ok(doublings.take_while(|n| *n <= high).filter_map(value).collect())
}

/// The longest message that a plan may ask for.
pub const MAX_MESSAGE: Bytes = Bytes::mib(64);
/// The most workers a side.
pub const MAX_THREADS: u32 = 256;
/// The most flows a worker.
pub const MAX_FLOWS: u32 = 256;
/// The most fields a message: the kernel's `UIO_MAXIOV` (include/uapi/linux/uio.h).
pub const MAX_FIELDS: u32 = 1024;
/// The most messages that are submitted together.
pub const MAX_DEPTH: u32 = 256;
/// The most message slots a flow.
pub const MAX_RING: u32 = 65_536;

/// A count that starts at 1 and has a limit.
fn count(what: &str, text: &str, limit: u32) -> Result<u32, String> {
    match text.trim().parse::<u32>() {
        Ok(n) if n >= 1 && n <= limit => Ok(n),
        Ok(0) => Err(format!("{what} must be at least 1, not 0")),
        _ if text.trim().bytes().all(|b| b.is_ascii_digit()) && !text.trim().is_empty() => {
            let lengths = if what == "fields" { "; lengths bear a unit: 24,64KiB" } else { "" };
            Err(format!("{what} must be at most {limit}, not {}{lengths}", text.trim()))
        }
        _ => {
            let lengths =
                if what == "fields" { ", or their lengths with a unit: 24,64KiB" } else { "" };
            Err(format!(
                "\"{}\" is no number of {what}; write a whole number from 1 to {limit}{lengths}",
                text.trim()
            ))
        }
    }
}

macro_rules! counts {
    ($( $(#[$meta:meta])* $name:ident, $what:literal, $limit:expr; )+) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// One.
            pub const ONE: Self = Self(1);

            /// A count within the limit; none if it is 0 or above it.
            pub const fn new(n: u32) -> Option<Self> {
                if n >= 1 && n <= $limit { Some(Self(n)) } else { None }
            }

            /// The number.
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                count($what, text, $limit).map(Self)
            }
        }
    )+ };
}

counts! {
    /// Workers a side.
    Threads, "threads", MAX_THREADS;
    /// Flows (connections) a worker.
    Flows, "flows", MAX_FLOWS;
    /// Fields a message.
    Fields, "fields", MAX_FIELDS;
    /// Messages that are submitted together.
    Depth, "depth", MAX_DEPTH;
    /// Which of several equal cells this is (for A/A comparisons).
    Replica, "replica", 1_000_000;
}

macro_rules! counted_by_ranges {
    ($( $name:ident ),+) => { $(
        impl FactorValue for $name {
            fn item(text: &str) -> Result<Vec<Self>, String> {
                let value = |n| u32::try_from(n).ok().and_then(Self::new);
                one_or_range(text, |count: &Self| u64::from(count.get()), value)
            }
        }
    )+ };
}
counted_by_ranges!(Threads, Flows, Fields, Depth);

impl FactorValue for Replica {}

impl Fields {
    /// The paper's eight.
    pub const EIGHT: Self = Self(8);
}

/// The length of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageSize(Bytes);

impl MessageSize {
    /// A size from 1 byte to [`MAX_MESSAGE`].
    pub const fn new(bytes: u64) -> Option<Self> {
        if bytes >= 1 && bytes <= MAX_MESSAGE.0 { Some(Self(Bytes(bytes))) } else { None }
    }

    /// The length.
    pub const fn bytes(self) -> Bytes {
        self.0
    }
}

/// In ids and files the plain number of bytes.
impl fmt::Display for MessageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.0, f)
    }
}

impl FromStr for MessageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes: Bytes = text.parse()?;
        Self::new(bytes.0).ok_or_else(|| {
            format!("a message must have from 1 byte to {MAX_MESSAGE}, not {} bytes", bytes.0)
        })
    }
}

impl FactorValue for MessageSize {
    fn item(text: &str) -> Result<Vec<Self>, String> {
        one_or_range(text, |size: &Self| size.bytes().0, Self::new)
    }
}

/// Fields shorter than this are copied by a path that passes longer ones by reference; 0 passes all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyBelow(Bytes);

impl CopyBelow {
    /// 16 KiB: the first power of two above the 10 KB from which the kernel calls MSG_ZEROCOPY effective
    /// (Documentation/networking/msg_zerocopy.rst).
    pub const DEFAULT: Self = Self(Bytes::kib(16));
    /// No field is as long as this, but one that is all of the largest message: all are copied.
    pub const ALL: Self = Self(MAX_MESSAGE);

    /// A length from 0 to [`MAX_MESSAGE`].
    pub const fn new(bytes: u64) -> Option<Self> {
        if bytes <= MAX_MESSAGE.0 { Some(Self(Bytes(bytes))) } else { None }
    }

    /// The length.
    pub const fn bytes(self) -> Bytes {
        self.0
    }
}

/// In ids and files the plain number of bytes.
impl fmt::Display for CopyBelow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.0, f)
    }
}

impl FromStr for CopyBelow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes: Bytes = text.parse()?;
        Self::new(bytes.0)
            .ok_or_else(|| format!("a field has at most {MAX_MESSAGE}, not {} bytes", bytes.0))
    }
}

impl FactorValue for CopyBelow {
    fn item(text: &str) -> Result<Vec<Self>, String> {
        one_or_range(text, |below: &Self| below.bytes().0, Self::new)
    }
}

/// A choice between the default that `auto` stands for and a number.
macro_rules! auto_or {
    ($( $(#[$meta:meta])* $name:ident, $word:literal, $parse:expr, $inner:ty, $expected:literal; )+) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            /// As the word says.
            Auto,
            /// As given.
            Fixed($inner),
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Auto => f.write_str($word),
                    Self::Fixed(n) => fmt::Display::fmt(n, f),
                }
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                if text.trim().eq_ignore_ascii_case($word) {
                    return Ok(Self::Auto);
                }
                let parse: fn(&str) -> Result<$inner, String> = $parse;
                parse(text).map(Self::Fixed).map_err(|why| format!("{why}; or write {}", $expected))
            }
        }

        impl FactorValue for $name {
            fn words() -> Vec<&'static str> {
                vec![$word]
            }
        }
    )+ };
}

fn buffer_bytes(text: &str) -> Result<u64, String> {
    let bytes: Bytes = text.parse()?;
    match bytes.0 {
        1..=0x4000_0000 => Ok(bytes.0),
        n => Err(format!("a buffer must have from 1 byte to 1 GiB, not {n} bytes")),
    }
}

fn mtu_bytes(text: &str) -> Result<u32, String> {
    let bytes: Bytes = text.parse()?;
    match u32::try_from(bytes.0) {
        // 576: what every IPv4 host takes (RFC 791); 65535: ETH_MAX_MTU.
        Ok(n @ 576..=65_535) => Ok(n),
        _ => Err(format!("an MTU must have from 576 to 65535 bytes, not {}", bytes.0)),
    }
}

fn segment_bytes(text: &str) -> Result<u32, String> {
    let bytes: Bytes = text.parse()?;
    match u32::try_from(bytes.0) {
        // TCP_MIN_MSS is 88 and MAX_TCP_WINDOW 32767 (setsockopt(TCP_MAXSEG), net/ipv4/tcp.c).
        Ok(n @ 88..=32_767) => Ok(n),
        _ => Err(format!("a segment must have from 88 to 32767 bytes, not {}", bytes.0)),
    }
}

fn pacing_rate(text: &str) -> Result<BitRate, String> {
    let rate: BitRate = text.parse()?;
    // A packet of 64 KiB takes five seconds at the lowest one; the kernel counts bytes.
    if (100_000..=1_000_000_000_000).contains(&rate.0) && rate.0.is_multiple_of(8) {
        return Ok(rate);
    }
    Err(format!("a rate must be from 100kbit/s to 1Tbit/s and whole bytes a second, not {rate}"))
}

fn busy_poll_time(text: &str) -> Result<Nanos, String> {
    let time: Nanos = text.parse()?;
    // The kernel counts microseconds; longer than a tenth of a second nobody looks who may sleep.
    if (1_000..=100_000_000).contains(&time.0) && time.0.is_multiple_of(1_000) {
        return Ok(time);
    }
    Err(format!("busy polling lasts from 1us to 100ms, in whole microseconds, not {time}"))
}

fn low_water_bytes(text: &str) -> Result<u32, String> {
    let bytes: Bytes = text.parse()?;
    match u32::try_from(bytes.0) {
        Ok(n @ 1..=0x4000_0000) => Ok(n),
        _ => Err(format!("a low-water mark must have from 1 byte to 1 GiB, not {} bytes", bytes.0)),
    }
}

auto_or! {
    /// What the senders of a cell offer together, shared by its connections alike (SO_MAX_PACING_RATE); `max` is as fast as they can.
    Rate, "max", pacing_rate, BitRate, "max";
    /// For how long a receive call looks for packets itself before it sleeps (SO_BUSY_POLL); `off` is not at all.
    BusyPoll, "off", busy_poll_time, Nanos, "off";
    /// MTU of a link's devices, in bytes; `auto` is the device's own.
    Mtu, "auto", mtu_bytes, u32, "auto";
    /// TCP_MAXSEG in bytes; `auto` leaves it to MTU and peer.
    Segment, "auto", segment_bytes, u32, "auto";
    /// SO_SNDBUF or SO_RCVBUF, in bytes as given to the kernel (which doubles them); `auto` leaves the
    /// kernel's autotuning alone.
    SocketBuffer, "auto", buffer_bytes, u64, "auto";
    /// Message slots a flow; `auto` fills 4 MiB with at least 4 and at most 256.
    Ring, "auto", |text| count("ring slots", text, MAX_RING), u32, "auto";
    /// SO_RCVLOWAT in bytes; `auto` leaves it at 1: whatever is there is taken.
    LowWater, "auto", low_water_bytes, u32, "auto";
    /// Bytes a receive call asks for; `message` is the message's size, as in the paper.
    ReceiveBuffer, "message", buffer_bytes, u64, "message";
}

impl BusyPoll {
    /// The microseconds that the kernel is given.
    pub fn micros(self) -> u32 {
        match self {
            Self::Auto => 0,
            Self::Fixed(time) => u32::try_from(time.0 / 1_000).unwrap_or(u32::MAX),
        }
    }
}

impl Segment {
    /// A page of 4 KiB and the 12 bytes that TCP's timestamps take of a segment: what TCP_ZEROCOPY_RECEIVE can map.
    pub const PAGE: Self = Self::Fixed(4096 + 12);
}

/// Bytes from a page's start at which each field of a message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u32);

impl Offset {
    /// At the page's start.
    pub const ZERO: Self = Self(0);

    /// The bytes.
    pub const fn bytes(self) -> u32 {
        self.0
    }
}

impl FactorValue for Offset {}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Offset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes: Bytes = text.parse()?;
        match u32::try_from(bytes.0) {
            // 64 KiB: the largest page of the kernels that this runs on (arm64).
            Ok(n @ 0..=65_535) => Ok(Self(n)),
            _ => Err(format!("an offset within a page has at most 65535 bytes, not {}", bytes.0)),
        }
    }
}

/// How long the sink waits between two looks at its flows: what it acknowledges, it acknowledges then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AckInterval(Nanos);

impl AckInterval {
    /// 20 µs.
    pub const DEFAULT: Self = Self(Nanos(20_000));
    /// From a round trip within a rack to one within a region: 20 µs, 100 µs, 1 ms.
    pub const SWEPT: [Self; 3] = [Self::DEFAULT, Self(Nanos(100_000)), Self(Nanos(1_000_000))];

    /// The interval.
    pub const fn nanos(self) -> Nanos {
        self.0
    }
}

impl FactorValue for AckInterval {}

impl fmt::Display for AckInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for AckInterval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time: Nanos = text.parse()?;
        if (1_000..=100_000_000).contains(&time.0) {
            Ok(Self(time))
        } else {
            Err(format!("an ack interval lies between 1us and 100ms, not {time}"))
        }
    }
}

impl Ring {
    /// The slots of a ring: what was asked for, or as many as fill 4 MiB, at least 4 and at most 256.
    pub fn slots(self, message: MessageSize) -> u32 {
        match self {
            Self::Fixed(slots) => slots,
            Self::Auto => {
                let fill = Bytes::mib(4).0 / message.bytes().0;
                u32::try_from(fill.clamp(4, 256)).unwrap_or(256)
            }
        }
    }
}

impl ReceiveBuffer {
    /// The bytes that one receive call asks for.
    pub fn bytes(self, message: MessageSize) -> u64 {
        match self {
            Self::Fixed(bytes) => bytes,
            Self::Auto => message.bytes().0,
        }
    }
}

/// The congestion control of the data connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Congestion {
    /// CUBIC if every user may set it, else Reno, else the system's; one for the whole run.
    Auto,
    /// Whatever the system's default is.
    System,
    /// A named one, such as `cubic` or `bbr`.
    Named(String),
}

impl FactorValue for Congestion {
    fn words() -> Vec<&'static str> {
        vec!["auto", "system"]
    }
}

impl fmt::Display for Congestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::System => f.write_str("system"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl FromStr for Congestion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // TCP_CA_NAME_MAX is 16 with its terminating zero (include/net/tcp.h).
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        match text {
            "auto" => Ok(Self::Auto),
            "system" => Ok(Self::System),
            _ if !text.is_empty() && text.len() < 16 && text.chars().all(plain) => {
                Ok(Self::Named(text.to_owned()))
            }
            _ => Err(format!(
                "{} is no congestion control; write auto, system or a name such as cubic",
                crate::quoted(text)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_of_nothing_and_one_too_large_are_refused() {
        assert!("0".parse::<MessageSize>().unwrap_err().contains("from 1 byte"));
        assert!("65MiB".parse::<MessageSize>().is_err());
        assert!("-4".parse::<MessageSize>().is_err());
    }

    #[test]
    fn a_range_goes_by_powers_of_two() {
        let sizes = MessageSize::item("64B..1KiB").unwrap();
        assert_eq!(
            sizes.iter().map(|s| s.bytes().0).collect::<Vec<_>>(),
            [64, 128, 256, 512, 1024]
        );
        assert!(MessageSize::item("100..200").unwrap_err().contains("100 is none"));
        assert!(MessageSize::item("1KiB..64").unwrap_err().contains("backwards"));
        let threads = Threads::item("1..8").unwrap();
        assert_eq!(threads.iter().map(|t| t.get()).collect::<Vec<_>>(), [1, 2, 4, 8]);
        assert_eq!(Flows::item("4..=16").unwrap().len(), 3);
        assert!(Threads::item("1..6").unwrap_err().contains("6 is none"));
        assert!(Threads::item("0..8").unwrap_err().contains("at least 1"));
        assert!(Threads::item("256..512").unwrap_err().contains("at most 256"));
        assert!(Replica::item("1..4").is_err());
    }

    #[test]
    fn every_word_of_a_value_is_one_of_its_values() {
        fn all_parse<T: FactorValue>() {
            for word in T::words() {
                assert!(word.parse::<T>().is_ok(), "{word}");
            }
        }
        all_parse::<Placement>();
        all_parse::<Congestion>();
        all_parse::<ReceiveBuffer>();
        all_parse::<Mtu>();
        assert_eq!(SendPath::words()[..4], ["send", "staged", "sendmsg", "zerocopy"]);
        assert!(Threads::words().is_empty());
    }

    #[test]
    fn more_threads_than_the_limit_names_the_limit() {
        assert_eq!("257".parse::<Threads>().unwrap_err(), "threads must be at most 256, not 257");
        assert!("99999999999".parse::<Threads>().unwrap_err().contains("at most 256"));
        assert!("two".parse::<Threads>().is_err());
    }

    #[test]
    fn busy_polling_is_off_or_whole_microseconds() {
        let micros = |text: &str| text.parse::<BusyPoll>().map(BusyPoll::micros);
        assert_eq!((micros("off"), micros("50us"), micros("1ms")), (Ok(0), Ok(50), Ok(1000)));
        assert_eq!("50us".parse::<BusyPoll>().unwrap().to_string(), "50us");
        for text in ["0us", "500ns", "1500ns", "1s", "50", "auto"] {
            assert!(micros(text).unwrap_err().contains("or write off"), "{text}");
        }
    }

    #[test]
    fn the_ring_fills_four_mebibytes_within_its_bounds() {
        let slots = |bytes| Ring::Auto.slots(MessageSize::new(bytes).unwrap());
        assert_eq!(slots(64), 256);
        assert_eq!(slots(65_536), 64);
        assert_eq!(slots(1 << 20), 4);
        assert_eq!(slots(64 << 20), 4);
    }
}
