//! From which message size on one path is better, in words.

use analysis::explained::CrossoverOutcome;

use crate::numbers::short;

/// A size that need not be whole: `64 B`, `9.80 KiB`, `1.20 MiB`.
pub(crate) fn size(bytes: f64) -> String {
    const KIB: f64 = 1024.0;
    let (number, unit) = match bytes {
        b if b >= KIB * KIB => (b / KIB / KIB, "MiB"),
        b if b >= KIB => (b / KIB, "KiB"),
        b => (b, "B"),
    };
    if number.fract() == 0.0 {
        format!("{number:.0} {unit}")
    } else {
        format!("{} {unit}", short(number))
    }
}

/// `from 9.80 KiB [8.10 KiB, 12.0 KiB] on`.
pub(crate) fn outcome(outcome: &CrossoverOutcome) -> String {
    match outcome {
        CrossoverOutcome::At { bytes, low, high } => {
            format!("from {} [{}, {}] on", size(*bytes), size(*low), size(*high))
        }
        CrossoverOutcome::Bracket { low, high } => {
            format!("from somewhere between {} and {} on", size(*low), size(*high))
        }
        CrossoverOutcome::Always => "at every size measured".to_owned(),
        CrossoverOutcome::Never => "never in this range".to_owned(),
        CrossoverOutcome::Alike => "at no size: both are alike at every size measured".to_owned(),
        CrossoverOutcome::Until { bytes, low, high } => {
            format!("until {} [{}, {}]", size(*bytes), size(*low), size(*high))
        }
        CrossoverOutcome::UntilBracket { low, high } => {
            format!("until somewhere between {} and {}", size(*low), size(*high))
        }
        CrossoverOutcome::Undecided => "undecided".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_even_size_has_its_unit_and_interval() {
        let at = CrossoverOutcome::At { bytes: 10_035.2, low: 8294.4, high: 12_288.0 };
        assert_eq!(outcome(&at), "from 9.80 KiB [8.10 KiB, 12 KiB] on");
        let bracket = CrossoverOutcome::Bracket { low: 512.0, high: 4096.0 };
        assert_eq!(outcome(&bracket), "from somewhere between 512 B and 4 KiB on");
        assert_eq!(size(1_258_291.2), "1.20 MiB");
    }
}
