//! Numbers with a dimension, and how people write them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number of bytes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// A length of time in nanoseconds.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Nanos(pub u64);

/// A share of a whole: 0.03 is 3 %.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Share(pub f64);

/// The sum of counts, or the largest count where it would be larger: no figure of a journal may wrap to a small one.
pub fn saturating_sum(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

impl Bytes {
    /// `n` binary kilobytes.
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }

    /// `n` binary megabytes.
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }
}

impl Nanos {
    /// `n` milliseconds.
    pub const fn ms(n: u64) -> Self {
        Self(n * 1_000_000)
    }

    /// `n` seconds.
    pub const fn s(n: u64) -> Self {
        Self(n * 1_000_000_000)
    }

    /// From seconds, to the nearest nanosecond; 0 for what is no length of time.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float's cast saturates, and NaN becomes 0"
    )]
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self((seconds * 1e9).round() as u64)
    }

    /// As seconds.
    #[allow(clippy::cast_precision_loss, reason = "2^53 ns is 104 days")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// The short name of a size: `64 B`, `4 KiB`, `1 MiB`; `20000 B` where no binary unit divides it.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0 {
            n if n >= 1 << 30 && n % (1 << 30) == 0 => (n >> 30, "GiB"),
            n if n >= 1 << 20 && n % (1 << 20) == 0 => (n >> 20, "MiB"),
            n if n >= 1 << 10 && n % (1 << 10) == 0 => (n >> 10, "KiB"),
            n => (n, "B"),
        };
        f.pad(&format!("{number} {unit}"))
    }
}

/// `1.5 s`, `250 ms`, `20 µs`, `7 ns`: the largest unit that leaves no digits behind.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match self.0 {
            0 => (0, "s"),
            n if n % 60_000_000_000 == 0 => (n / 60_000_000_000, "min"),
            n if n % 1_000_000_000 == 0 => (n / 1_000_000_000, "s"),
            n if n % 1_000_000 == 0 => (n / 1_000_000, "ms"),
            n if n % 1_000 == 0 => (n / 1_000, "us"),
            n => (n, "ns"),
        };
        f.pad(&format!("{number}{unit}"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded to a ten-thousandth of a percent, so that 0.07 does not print as 7.000000000000001%; in full where that
        // would be another share, as a plan is written out to be read again.
        let percent = (self.0 * 1e6).round() / 1e4;
        if percent / 100.0 == self.0 {
            f.pad(&format!("{percent}%"))
        } else {
            f.pad(&self.0.to_string())
        }
    }
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// An exact product of a decimal text and a unit; none when it is no whole number or too large.
fn whole(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let scaled = whole.checked_mul(scale)?.checked_add(fraction)?.checked_mul(u128::from(unit))?;
    if scaled % scale == 0 { u64::try_from(scaled / scale).ok() } else { None }
}

impl FromStr for Bytes {
    type Err = String;

    /// Sizes as people write them: `64`, `64B`, `4KiB`, `64k` (65536), `20KB` (20000), `1.5MiB`.
    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let (number, unit) = split_number(trimmed);
        let wrong = || {
            format!(
                "{} is no size; write bytes (64), binary units (4KiB, 64k, 1MiB) or decimal ones (20KB)",
                crate::quoted(text)
            )
        };
        if number.is_empty() {
            return Err(wrong());
        }
        if matches!(unit, "Kb" | "Mb" | "Gb") {
            let (text, prefix) = (crate::quoted(text), unit.trim_end_matches('b'));
            return Err(format!(
                "{text} is in bits; write bytes with a large B: {number}{prefix}B"
            ));
        }
        let scale = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            _ => return Err(wrong()),
        };
        whole(number, scale).map(Self).ok_or_else(|| {
            format!("{} is not a whole number of bytes, or too large", crate::quoted(text))
        })
    }
}

impl FromStr for Nanos {
    type Err = String;

    /// Times as people write them, and as they are told: `250ms`, `10s`, `5m`, `1.5s`, `4m58s`, `1h02m`; a bare number is refused.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let (quoted, number) = (crate::quoted(text), text.trim());
            let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            let such_as = if is_number && number.len() <= 12 {
                format!("{number}s, {number}ms or {number}m")
            } else {
                "250ms, 10s, 5m or 1m30s".to_owned()
            };
            format!("{quoted} is no time; write a number and a unit, such as {such_as}")
        };
        let (mut rest, mut sum, mut above) = (text.trim(), 0_u64, u64::MAX);
        loop {
            let (number, unit) = split_number(rest);
            let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
            let (unit, more) = unit.split_at_checked(end).ok_or_else(wrong)?;
            let scale = match unit.trim() {
                "ns" => 1,
                "us" | "µs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" | "min" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                _ => return Err(wrong()),
            };
            // Each unit is smaller than the one before it, so that none is there twice.
            if number.is_empty() || scale >= above {
                return Err(wrong());
            }
            let part = whole(number, scale).ok_or_else(wrong)?;
            sum = sum.checked_add(part).ok_or_else(wrong)?;
            if more.is_empty() {
                return Ok(Self(sum));
            }
            (rest, above) = (more, scale);
        }
    }
}

impl FromStr for Share {
    type Err = String;

    /// `3%` or `0.03`; at least 0.
    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let (number, scale) = match trimmed.strip_suffix('%') {
            Some(percent) => (percent.trim(), 100.0),
            None => (trimmed, 1.0),
        };
        match number.parse::<f64>() {
            Ok(value) if value.is_finite() && value >= 0.0 => Ok(Self(value / scale)),
            _ => Err(format!("{} is no share; write it as 3% or 0.03", crate::quoted(text))),
        }
    }
}

/// A rate in bits a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitRate(pub u64);

impl BitRate {
    /// In Gbit/s (decimal).
    #[allow(clippy::cast_precision_loss, reason = "2^53 bits a second is 9 Pbit/s")]
    pub fn gbps(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// In the largest unit that gives a whole number.
impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units =
            [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
        match units.iter().find(|(scale, _)| self.0.is_multiple_of(*scale)) {
            Some((scale, unit)) => write!(f, "{}{unit}bit/s", self.0 / scale),
            // `whole` takes fractions of a unit.
            None => write!(f, "{}.{:03}kbit/s", self.0 / 1000, self.0 % 1000),
        }
    }
}

impl FromStr for BitRate {
    type Err = String;

    /// Rates as people write them: `5Gbit/s`, `800Mbit/s`, `5Gbps`, `5G`; a bare number is refused.
    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_number(text.trim());
        let wrong = || {
            format!(
                "{} is no rate; write a number and a unit, such as 5Gbit/s or 800Mbit/s",
                crate::quoted(text)
            )
        };
        let unit = unit.to_ascii_lowercase();
        let scale =
            match ["bit/s", "bps"].iter().find_map(|it| unit.strip_suffix(it)).unwrap_or(&unit) {
                "k" => 1_000,
                "m" => 1_000_000,
                "g" => 1_000_000_000,
                "t" => 1_000_000_000_000,
                _ => return Err(wrong()),
            };
        whole(number, scale).filter(|bits| *bits > 0).map(Self).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bare_number_is_refused_with_what_it_may_mean() {
        let why = "65".parse::<Nanos>().unwrap_err();
        assert!(why.ends_with("such as 65s, 65ms or 65m"), "{why}");
        let why = "x".parse::<Nanos>().unwrap_err();
        assert!(why.ends_with("such as 250ms, 10s, 5m or 1m30s"), "{why}");
    }

    #[test]
    fn a_share_is_printed_as_the_one_that_it_is() {
        let printed = |share: f64| Share(share).to_string();
        assert_eq!([0.07, 0.125, 0.012, 0.0].map(printed), ["7%", "12.5%", "1.2%", "0%"]);
        // A plan with the first was accepted, and refused as 0% when it was read again.
        for share in [1e-9, 0.012_345_678, 1.0 / 3.0, 5e-324, f64::MAX, f64::MAX / 1e6] {
            assert_eq!(printed(share).parse(), Ok(Share(share)), "{}", printed(share));
        }
    }

    #[test]
    fn a_rate_has_one_unit() {
        for text in ["5Gbit/sbit/s", "5gbpsbps", "5Gbpsbit/s"] {
            assert!(text.parse::<BitRate>().is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, bits) in [
            ("5Gbit/s", 5_000_000_000),
            ("2.5 Gbps", 2_500_000_000),
            ("800Mbit/s", 800_000_000),
            ("1T", 1_000_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(BitRate(bits)), "{text}");
        }
        for text in ["", "5", "0G", "-1G", "5GB/s", "fast", "1.2.3G", "99999999999999G"] {
            let error = text.parse::<BitRate>().unwrap_err();
            assert!(error.contains(&crate::quoted(text)), "{error}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("64", 64),
            ("64B", 64),
            ("4KiB", 4096),
            ("64k", 65536),
            ("20KB", 20_000),
            ("1MiB", 1 << 20),
            ("1.5MiB", 1_572_864),
            (" 512 ", 512),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn malformed_sizes_are_refused_with_the_text_that_was_wrong() {
        for text in [
            "",
            "-1",
            "four",
            "64XB",
            "1.0001k",
            "99999999999999999999",
            "0x40",
            "1e3",
            ".",
            "1.2.3",
            "64Kb",
        ] {
            let error = text.parse::<Bytes>().unwrap_err();
            assert!(error.contains(&crate::quoted(text)), "{error}");
        }
    }

    #[test]
    fn times_need_a_unit() {
        assert_eq!("250ms".parse(), Ok(Nanos::ms(250)));
        assert_eq!("1.5s".parse(), Ok(Nanos::ms(1500)));
        assert_eq!("5m".parse(), Ok(Nanos::s(300)));
        for (text, seconds) in [("4m58s", 298), ("1h02m", 3720), ("1h 2m 3s", 3723), ("1.5m3s", 93)]
        {
            assert_eq!(text.parse(), Ok(Nanos::s(seconds)), "{text}");
        }
        for text in [
            "250",
            "ms",
            "-1s",
            "1 fortnight",
            "0.3ns",
            "1m30",
            "30s1m",
            "1m1m",
            "1m-1s",
            "1ms5µ",
            "584y",
            "300000000h",
            "5000000h18446744073s",
        ] {
            assert!(text.parse::<Nanos>().is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_percent_or_plain() {
        assert_eq!("3%".parse(), Ok(Share(0.03)));
        assert_eq!("0.05".parse(), Ok(Share(0.05)));
        assert!("NaN".parse::<Share>().is_err());
        assert!("-1%".parse::<Share>().is_err());
        assert_eq!(Share(0.07).to_string(), "7%");
    }

    proptest! {
        #[test]
        fn every_size_and_time_reads_back_as_it_was_written(n in 0_u64..1 << 62) {
            prop_assert_eq!(Bytes(n).to_string().parse(), Ok(Bytes(n)));
            prop_assert_eq!(Nanos(n).to_string().parse(), Ok(Nanos(n)));
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".{0,24}") {
            let _ = text.parse::<Bytes>();
            let _ = text.parse::<Nanos>();
            let _ = text.parse::<Share>();
        }
    }
}
