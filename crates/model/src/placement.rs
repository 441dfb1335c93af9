//! On which CPUs the workers run.

use std::fmt;
use std::str::FromStr;

/// Where workers are pinned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Placement {
    /// Senders and receivers on disjoint physical cores where there are enough; on the sink a core for the helper and the
    /// others for the senders.
    Split,
    /// As split, over all physical cores but the last, which no worker has.
    Spare,
    /// Sender and receiver of a flow on the same CPU; refused on the sink.
    Same,
    /// Not pinned.
    None,
    /// The CPUs of each side: `0-1/2-3` (senders/receivers).
    Cpus {
        /// The senders' CPUs.
        senders: Vec<u32>,
        /// The receivers' CPUs; on the sink the first is the helper's, which no sender may share.
        receivers: Vec<u32>,
    },
}

/// A CPU list as the kernel writes it, with `+` for the comma, which separates a plan's values: `0-3+8`.
fn cpu_list(text: &str) -> Result<Vec<u32>, String> {
    let wrong = || format!("{} is no CPU list; write it as 0-3 or 0+2", crate::quoted(text));
    let mut ranges = Vec::new();
    for part in text.split('+') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.trim().parse().map_err(|_| wrong())?;
        let last: u32 = last.trim().parse().map_err(|_| wrong())?;
        if first > last || last > 65_535 {
            return Err(wrong());
        }
        ranges.push((first, last));
    }
    // Each CPU once: a text may name the same range as often as it likes.
    ranges.sort_unstable();
    let mut cpus = Vec::new();
    let mut next = 0;
    for (first, last) in ranges {
        cpus.extend(first.max(next)..=last);
        next = next.max(last + 1);
    }
    Ok(cpus)
}

/// The shortest list of ranges.
fn ranges(cpus: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *cpu => *last = *cpu,
            _ => parts.push((*cpu, *cpu)),
        }
    }
    let text = |(first, last): &(u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    parts.iter().map(text).collect::<Vec<_>>().join("+")
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Split => f.write_str("split"),
            Self::Spare => f.write_str("spare"),
            Self::Same => f.write_str("same"),
            Self::None => f.write_str("none"),
            Self::Cpus { senders, receivers } => {
                write!(f, "{}/{}", ranges(senders), ranges(receivers))
            }
        }
    }
}

impl FromStr for Placement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "split" => Ok(Self::Split),
            "spare" => Ok(Self::Spare),
            "same" => Ok(Self::Same),
            "none" => Ok(Self::None),
            other => match other.split_once('/') {
                Some((senders, receivers)) => {
                    Ok(Self::Cpus { senders: cpu_list(senders)?, receivers: cpu_list(receivers)? })
                }
                None => Err(format!(
                    "{}; or the senders' and receivers' CPUs, such as 0-1/2-3",
                    crate::nearest::unknown(
                        "placement",
                        other,
                        &["split", "spare", "same", "none"]
                    )
                )),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_that_is_named_again_is_there_once() {
        let text = format!("{}0/7+2-4+3-5", "0-65535+".repeat(10_000));
        let Ok(Placement::Cpus { senders, receivers }) = text.parse() else {
            panic!("it is a list")
        };
        assert_eq!(senders, (0..65_536).collect::<Vec<_>>());
        assert_eq!(receivers, [2, 3, 4, 5, 7]);
    }

    #[test]
    fn cpu_lists_read_back_as_they_were_written() {
        for text in ["split", "spare", "same", "none", "0-1/2-3", "0/1", "0-2+7/4+6"] {
            assert_eq!(text.parse::<Placement>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_malformed_list_is_refused() {
        for text in ["0-", "3-1/0", "a/b", "/", "spilt", "0-99999999/1"] {
            assert!(text.parse::<Placement>().is_err(), "{text}");
        }
    }
}
