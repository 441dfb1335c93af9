//! Units in headings, by what they measure.

/// What a column's figures are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    /// Bits a second, told in Gbit/s.
    Rate,
    /// Bytes.
    Size,
    /// Time, told in seconds.
    Time,
    /// A count.
    Count,
    /// A word, or a number with a unit of its own.
    Plain,
}

/// How much of the told unit one of the written unit is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// So much.
    By(f64),
    /// The unit may be read in two ways.
    TwoReadings,
}

impl Dimension {
    /// A unit of this dimension; none where the text is none.
    pub(crate) fn unit(self, text: &str) -> Option<Scale> {
        let text = text.trim();
        match self {
            Self::Rate => rate(text),
            Self::Size => size(text).map(Scale::By),
            Self::Time => time(&text.to_lowercase()).map(Scale::By),
            Self::Count => count(text).map(Scale::By),
            Self::Plain => matches!(text, "#" | "n" | "count").then_some(Scale::By(1.0)),
        }
    }
}

/// Powers of ten, or of 1024 with an `i`; and what stands after.
fn prefixed(text: &str) -> (f64, &str) {
    const PREFIXES: [(char, f64, f64); 4] = [
        ('k', 1e3, 1024.0),
        ('m', 1e6, 1_048_576.0),
        ('g', 1e9, 1_073_741_824.0),
        ('t', 1e12, 1_099_511_627_776.0),
    ];
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    let found = PREFIXES.into_iter().find(|(prefix, ..)| Some(*prefix) == first);
    let Some((_, decimal, binary)) = found else { return (1.0, text) };
    let rest = chars.as_str();
    match rest.strip_prefix(['i', 'I']) {
        // `kit/s` is none, `Kibit/s` and `KiB` are.
        Some(after) if after.starts_with(['b', 'B']) => (binary, after),
        Some(_) | None => (decimal, rest),
    }
}

/// The word of a byte or a bit, and what stands after; bits a unit.
fn bits(text: &str) -> Option<(f64, &str)> {
    const WORDS: [(&str, f64); 4] = [("bytes", 8.0), ("byte", 8.0), ("bits", 1.0), ("bit", 1.0)];
    let lower = text.to_ascii_lowercase();
    let (word, bits) = WORDS.into_iter().find(|(word, _)| lower.starts_with(word))?;
    Some((bits, text.get(word.len()..)?))
}

/// `Gbit/s`, `Gbps`, `MB/s`, `GiB per second`. A lone letter is a bit or a byte by its case; where the whole unit is of one case
/// and has no `ps`, or is written large throughout, that says nothing.
fn rate(text: &str) -> Option<Scale> {
    let text = text.replace(" per ", "/").replace(['.', ' '], "");
    let (scale, rest) = prefixed(&text);
    // "gigabit": the prefix's letters are more than one.
    let rest = ["iga", "ega", "ilo", "era"]
        .iter()
        .find_map(|tail| rest.strip_prefix(tail))
        .unwrap_or(rest);
    let per_second = |text: &str| {
        let lower = text.to_ascii_lowercase();
        matches!(lower.as_str(), "/s" | "/sec" | "/second" | "ps")
    };
    if let Some((bits, after)) = bits(rest) {
        return per_second(after).then_some(Scale::By(scale * bits / 1e9));
    }
    let (letter, after) = (rest.chars().next()?, rest.get(1..)?);
    if !per_second(after) || !matches!(letter, 'b' | 'B') {
        return None;
    }
    let letters: Vec<char> = text.chars().filter(char::is_ascii_alphabetic).collect();
    let is_small = letters.iter().all(char::is_ascii_lowercase);
    let is_large = letters.iter().all(char::is_ascii_uppercase);
    let is_bps = after == "ps";
    match letter {
        'b' if is_bps => Some(Scale::By(scale / 1e9)),
        'b' if is_small && scale != 1.0 => Some(Scale::TwoReadings),
        'b' => Some(Scale::By(scale / 1e9)),
        _ if is_large && after != "/S" && !is_bps && scale != 1.0 => Some(Scale::TwoReadings),
        _ => Some(Scale::By(scale * 8.0 / 1e9)),
    }
}

/// `KiB`, `kB`, `bytes`, `Mbit`, `Mb`. A lone `b` after a large prefix is a bit; where the whole unit is small, as names of
/// columns are (`size_kb`), it is a byte: nobody counts messages in bits. [`assumed`] says so.
fn size(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let (scale, rest) = prefixed(text);
    match rest {
        "b" if text != lower => Some(scale / 8.0),
        "b" | "B" => Some(scale),
        // Without its byte a prefix is binary, as in sizes on the command line.
        "" => match lower.as_str() {
            "k" => Some(1024.0),
            "m" => Some(1_048_576.0),
            "g" => Some(1_073_741_824.0),
            _ => None,
        },
        _ => match bits(rest) {
            Some((bits, "")) => Some(scale * bits / 8.0),
            Some(_) | None => None,
        },
    }
}

/// What a unit of sizes was taken as that is written as bits are too; none where it says what it is.
pub(crate) fn assumed(text: &str) -> Option<&'static str> {
    match text.trim() {
        "kb" => Some("kb taken as kilobytes"),
        "mb" => Some("mb taken as megabytes"),
        "gb" => Some("gb taken as gigabytes"),
        _ => None,
    }
}

fn time(text: &str) -> Option<f64> {
    match text {
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1.0),
        "ms" | "msec" | "millis" | "milliseconds" => Some(1e-3),
        "us" | "µs" | "μs" | "usec" | "microseconds" => Some(1e-6),
        "ns" | "nsec" | "nanoseconds" => Some(1e-9),
        "min" | "minutes" => Some(60.0),
        "h" | "hours" => Some(3600.0),
        _ => None,
    }
}

fn count(text: &str) -> Option<f64> {
    match text.to_lowercase().as_str() {
        "k" | "thousand" | "thousands" | "1e3" | "10^3" => Some(1e3),
        "m" | "million" | "millions" | "mio" | "1e6" | "10^6" => Some(1e6),
        "g" | "bn" | "billion" | "billions" | "1e9" | "10^9" => Some(1e9),
        "count" | "#" | "total" => Some(1.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_told_apart_by_case_and_refused_where_that_says_nothing() {
        for (text, gbps) in [
            ("Gbps", 1.0),
            ("gbps", 1.0),
            ("mbps", 1e-3),
            ("Mbit/s", 1e-3),
            ("Gbit/s", 1.0),
            ("gbit/s", 1.0),
            ("GBit/s", 1.0),
            ("Gb/s", 1.0),
            ("GB/s", 8.0),
            ("GBps", 8.0),
            ("MB/s", 8e-3),
            ("MiB/s", 8.0 * 1_048_576.0 / 1e9),
            ("bytes/s", 8e-9),
            ("B/s", 8e-9),
            ("bps", 1e-9),
            ("Gigabits/s", 1.0),
            ("gbits per second", 1.0),
        ] {
            let read = Dimension::Rate.unit(text);
            assert!(
                matches!(read, Some(Scale::By(scale)) if (scale / gbps - 1.0).abs() < 1e-12),
                "{text}: {read:?}"
            );
        }
        for text in ["gb/s", "mb/s", "GBPS"] {
            assert_eq!(Dimension::Rate.unit(text), Some(Scale::TwoReadings), "{text}");
        }
        for text in ["", "s", "KiB", "foo/s", "kit/s", "µ"] {
            assert_eq!(Dimension::Rate.unit(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_times_and_counts_have_their_units() {
        for (text, bytes) in [
            ("B", 1.0),
            ("bytes", 1.0),
            ("KiB", 1024.0),
            ("KB", 1000.0),
            ("k", 1024.0),
            ("kb", 1000.0),
        ] {
            assert_eq!(Dimension::Size.unit(text), Some(Scale::By(bytes)), "{text}");
        }
        // A small b after a large prefix is a bit.
        for (text, bytes) in [("Mb", 125_000.0), ("Kbit", 125.0), ("Mib", 131_072.0), ("MB", 1e6)] {
            assert_eq!(Dimension::Size.unit(text), Some(Scale::By(bytes)), "{text}");
        }
        assert!(assumed("kb").is_some() && assumed("kB").is_none() && assumed("Kb").is_none());
        assert_eq!(Dimension::Time.unit("ms"), Some(Scale::By(1e-3)));
        assert_eq!(Dimension::Count.unit("millions"), Some(Scale::By(1e6)));
        assert_eq!(Dimension::Plain.unit("s"), None);
        assert_eq!(Dimension::Size.unit("Gbps"), None);
    }
}
