//! Figures as sentences and tables say them: three significant digits, intervals in brackets, sizes by name.
//!
//! The same spelling as on the screen and in the report, so that a figure reads alike wherever it stands.

use model::{Bytes, Cell};

use crate::summary::Estimate;

/// Three significant digits; thousands as `k`, millions as `M`: `0.126`, `63.0`, `254`, `101k`.
pub(crate) fn short(value: f64) -> String {
    const UNITS: [&str; 5] = ["", "k", "M", "G", "T"];
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return "-".to_owned();
    }
    // Rounded first, so that 999.6 becomes 1.00k rather than 1000.
    let scientific = format!("{value:.2e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let Ok(exponent) = exponent.parse::<i32>() else { return scientific };
    if !(-4..15).contains(&exponent) {
        return scientific;
    }
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa),
    };
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    let Ok(power) = usize::try_from(exponent) else {
        let zeros = usize::try_from(-1 - exponent).unwrap_or(0);
        return format!("{sign}0.{}{digits}", "0".repeat(zeros));
    };
    let (whole, fraction) = digits.split_at((power % 3 + 1).min(digits.len()));
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}{}", UNITS.get(power / 3).copied().unwrap_or(""))
}

/// A level with its interval: `63.0 [62.1, 63.9]`; the mean alone where there is no interval.
pub(crate) fn level(estimate: &Estimate) -> String {
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => {
            format!("{} [{}, {}]", short(estimate.mean), short(low), short(high))
        }
        (None, _) | (_, None) => short(estimate.mean),
    }
}

/// A ratio with its interval: `1.20 × [1.17, 1.24]`; three decimals where fewer would hide the side of 1.
pub(crate) fn ratio(estimate: &Estimate) -> String {
    let figures = [Some(estimate.mean), estimate.low, estimate.high];
    let hidden =
        figures.into_iter().flatten().any(|figure| figure != 1.0 && short(figure) == "1.00");
    let digits = |figure: f64| if hidden { format!("{figure:.3}") } else { short(figure) };
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => {
            format!("{} × [{}, {}]", digits(estimate.mean), digits(low), digits(high))
        }
        (None, _) | (_, None) => format!("{} ×", digits(estimate.mean)),
    }
}

/// How much less a ratio is than 1, in percent with its interval: `42 % [40, 44]`; negative where it is more.
pub(crate) fn reduction(ratio: &Estimate) -> String {
    let percent = |ratio: f64| {
        let percent = 100.0 * (1.0 - ratio);
        // Written as 0 rather than -0.
        format!("{:.0}", if percent.abs() < 0.5 { 0.0 } else { percent })
    };
    match (ratio.low, ratio.high) {
        (Some(low), Some(high)) => {
            format!("{} % [{}, {}]", percent(ratio.mean), percent(high), percent(low))
        }
        (None, _) | (_, None) => format!("{} %", percent(ratio.mean)),
    }
}

/// A share in percent; 100 % and 0 % are said of exactly all and exactly nothing only.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if !percent.is_finite() {
        "-".to_owned()
    } else if share < 1.0 && percent >= 99.5 {
        "more than 99 %".to_owned()
    } else if percent == 0.0 || percent.abs() >= 9.95 {
        format!("{percent:.0} %")
    } else if percent.abs() >= 0.05 {
        format!("{} %", format!("{percent:.1}").trim_end_matches(".0"))
    } else {
        "less than 0.1 %".to_owned()
    }
}

/// A size by name: `64 B`, `4 KiB`; one decimal where it lies between: `9.8 KiB`.
pub(crate) fn size(bytes: f64) -> String {
    for (unit, scale) in [("MiB", 1_048_576.0), ("KiB", 1_024.0)] {
        if bytes >= scale {
            let number = bytes / scale;
            return if (number - number.round()).abs() < 0.005 || number >= 100.0 {
                format!("{number:.0} {unit}")
            } else {
                format!("{number:.1} {unit}")
            };
        }
    }
    format!("{bytes:.0} B")
}

/// The size of a cell's messages by name.
pub(crate) fn message(cell: &Cell) -> String {
    Bytes(cell.message.bytes().0).to_string()
}

/// `1 thread`, `2 threads`.
pub(crate) fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Words with commas and a last "and".
pub(crate) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(low: f64, mean: f64, high: f64) -> Estimate {
        Estimate { mean, low: Some(low), high: Some(high), trials: 10 }
    }

    #[test]
    fn figures_are_spelt_as_on_the_screen() {
        for (value, text) in [
            (0.0, "0"),
            (0.126, "0.126"),
            (63.0, "63.0"),
            (254.4, "254"),
            (999.6, "1.00k"),
            (101e3, "101k"),
        ] {
            assert_eq!(short(value), text);
        }
        assert_eq!(ratio(&estimate(1.17, 1.2, 1.24)), "1.20 × [1.17, 1.24]");
        assert_eq!(ratio(&estimate(0.998, 1.002, 1.1)), "1.002 × [0.998, 1.100]");
        assert_eq!(level(&Estimate { low: None, high: None, ..estimate(0.0, 63.0, 0.0) }), "63.0");
    }

    #[test]
    fn a_reduction_is_what_a_ratio_lacks_to_1() {
        assert_eq!(reduction(&estimate(0.56, 0.58, 0.6)), "42 % [40, 44]");
        assert_eq!(reduction(&estimate(1.0, 1.1, 1.2)), "-10 % [-20, 0]");
    }

    #[test]
    fn sizes_between_powers_of_two_have_a_decimal() {
        for (bytes, text) in
            [(64.0, "64 B"), (4096.0, "4 KiB"), (10_035.0, "9.8 KiB"), (1_048_576.0, "1 MiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn all_and_nothing_are_said_of_exactly_that() {
        for (share, text) in [
            (1.0, "100 %"),
            (0.9999, "more than 99 %"),
            (0.0, "0 %"),
            (0.0001, "less than 0.1 %"),
            (0.042, "4.2 %"),
            (0.03, "3 %"),
        ] {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn lists_end_with_and() {
        let words: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!(listed(&words), "a, b and c");
        assert_eq!(listed(&[]), "");
    }
}
