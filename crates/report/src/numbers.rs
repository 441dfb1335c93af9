//! How figures are written: three significant digits for people, every digit for files.

use analysis::summary::Estimate;
use model::{Measured, Nanos};

/// Three significant digits; thousands as `k`, millions as `M`, and so on: `0.126`, `63.0`, `254`, `101k`.
pub fn short(value: f64) -> String {
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

/// A share of a whole in percent, two significant digits below ten and whole ones above: `3 %`, `0.24 %`, `63 %`.
///
/// 100 % and 0 % are only said of exactly all and exactly nothing.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if !percent.is_finite() {
        return "-".to_owned();
    }
    if share < 1.0 && percent >= 99.5 {
        return "more than 99 %".to_owned();
    }
    // The power of ten as the rounded figure has it, so that 9.97 becomes 10 rather than 10.0.
    let power = format!("{percent:.1e}").split_once('e').and_then(|(_, e)| e.parse::<i32>().ok());
    let decimals = usize::try_from(1 - power.unwrap_or(0)).unwrap_or(0);
    let text = format!("{percent:.decimals$}");
    let trimmed =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{trimmed} %")
}

/// A length of time as people say it: `850 ms`, `42 s`, `4m58s`, `1h02m`.
pub fn duration(time: Nanos) -> String {
    let seconds = (time.0 + 500_000_000) / 1_000_000_000;
    match seconds {
        0 => format!("{} ms", time.0 / 1_000_000),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// What stands for an interval from which a reader learns nothing.
pub const NO_USEFUL_INTERVAL: &str = "no useful interval";

/// The half-width of an interval as a share of its figure: `±3 %`; above ±100 % that it is of no use.
pub fn half_width(share: f64) -> String {
    if share > 1.0 { NO_USEFUL_INTERVAL.to_owned() } else { format!("±{}", percent(share)) }
}

/// Whether an interval ends more than ten times above or below its figure.
fn is_useless(estimate: &Estimate) -> bool {
    const FACTOR: f64 = 10.0;
    let above = |high: f64| high > estimate.mean * FACTOR;
    let below = |low: f64| low * FACTOR < estimate.mean;
    estimate.high.is_some_and(above) || estimate.low.is_some_and(below)
}

/// A level with its interval: `63.0 [62.1, 63.9]`; the mean alone where there is no interval.
pub fn level(estimate: &Estimate) -> String {
    match (estimate.low, estimate.high) {
        (Some(_), Some(_))
            if analysis::estimate::half_width(estimate).is_some_and(|half| half > 1.0) =>
        {
            format!("{} [{NO_USEFUL_INTERVAL}]", short(estimate.mean))
        }
        (Some(low), Some(high)) => {
            format!("{} [{}, {}]", short(estimate.mean), short(low), short(high))
        }
        (None, _) | (_, None) => short(estimate.mean),
    }
}

/// A ratio with its interval: `1.20 × [1.17, 1.24]`.
///
/// Which side of 1 a figure lies on must show: where three digits would hide it, all get three decimals.
pub fn ratio(estimate: &Estimate) -> String {
    let figures = [Some(estimate.mean), estimate.low, estimate.high];
    let hidden =
        figures.into_iter().flatten().any(|figure| figure != 1.0 && short(figure) == "1.00");
    let digits = |figure: f64| if hidden { format!("{figure:.3}") } else { short(figure) };
    match (estimate.low, estimate.high) {
        (Some(_), Some(_)) if is_useless(estimate) => {
            format!("{} × [{NO_USEFUL_INTERVAL}]", digits(estimate.mean))
        }
        (Some(low), Some(high)) => {
            format!("{} × [{}, {}]", digits(estimate.mean), digits(low), digits(high))
        }
        (None, _) | (_, None) => format!("{} ×", digits(estimate.mean)),
    }
}

/// A field of a CSV file: the shortest text that reads back as the same number; nothing where there is none.
pub fn field(value: Option<f64>) -> String {
    value.filter(|v| v.is_finite()).map_or_else(String::new, |v| v.to_string())
}

/// A whole number's field of a CSV file, empty where it is absent.
pub fn whole_field(value: &Measured<u64>) -> String {
    value.value().map_or_else(String::new, u64::to_string)
}

/// `1 thread`, `2 threads`.
pub fn counted(n: u32, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_significant_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.126, "0.126"),
            (0.1264, "0.126"),
            (0.000_123_4, "0.000123"),
            (0.000_012_34, "1.23e-5"),
            (1.2, "1.20"),
            (9.996, "10.0"),
            (63.04, "63.0"),
            (254.4, "254"),
            (999.6, "1.00k"),
            (1234.0, "1.23k"),
            (11_480.0, "11.5k"),
            (101_300.0, "101k"),
            (259e9, "259G"),
            (1e15, "1.00e15"),
            (-2.5, "-2.50"),
            (-0.05, "-0.0500"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(short(value), text, "{value}");
        }
    }

    #[test]
    fn all_of_it_is_only_said_of_all_of_it() {
        for (share, text) in [
            (1.0, "100 %"),
            (0.999_99, "more than 99 %"),
            (0.994, "99 %"),
            (0.634, "63 %"),
            (0.1, "10 %"),
            (0.0997, "10 %"),
            (0.0252, "2.5 %"),
            (0.03, "3 %"),
            (0.002, "0.2 %"),
            (0.000_001, "0.0001 %"),
            (0.0, "0 %"),
            (102.0, "10200 %"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(percent(share), text, "{share}");
        }
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        for (ns, text) in [
            (0, "0 ms"),
            (250_000_000, "250 ms"),
            (42_000_000_000, "42 s"),
            (59_600_000_000, "1m00s"),
            (298_000_000_000, "4m58s"),
            (3_720_000_000_000, "1h02m"),
        ] {
            assert_eq!(duration(Nanos(ns)), text);
        }
    }

    #[test]
    fn an_interval_follows_its_figure_and_is_left_out_where_there_is_none() {
        let with = Estimate { mean: 1.2, low: Some(1.17), high: Some(1.24), trials: 12 };
        assert_eq!(ratio(&with), "1.20 × [1.17, 1.24]");
        assert_eq!(level(&Estimate { low: None, high: None, trials: 1, ..with }), "1.20");
    }

    #[test]
    fn an_interval_that_says_nothing_is_called_so() {
        let wide = Estimate { mean: 1.2, low: Some(0.11), high: Some(13.0), trials: 2 };
        assert_eq!(ratio(&wide), "1.20 × [no useful interval]");
        assert_eq!(level(&wide), "1.20 [no useful interval]");
        let still_told = Estimate { low: Some(0.5), high: Some(1.9), ..wide };
        assert_eq!(ratio(&still_told), "1.20 × [0.500, 1.90]");
        assert_eq!(level(&still_told), "1.20 [0.500, 1.90]");
        assert_eq!(half_width(254.97), "no useful interval");
        assert_eq!(half_width(0.051), "±5.1 %");
    }

    #[test]
    fn a_ratio_shows_on_which_side_of_1_it_lies() {
        let near = Estimate { mean: 0.999, low: Some(0.994), high: Some(1.004), trials: 12 };
        assert_eq!(ratio(&near), "0.999 × [0.994, 1.004]");
        let exact = Estimate { mean: 1.0, low: Some(1.0), high: Some(1.0), trials: 12 };
        assert_eq!(ratio(&exact), "1.00 × [1.00, 1.00]");
    }

    #[test]
    fn a_field_reads_back_as_the_same_number() {
        for value in [0.1 + 0.2, 1e-9, 123_456_789.123_456_7, 1e300] {
            assert_eq!(field(Some(value)).parse(), Ok(value));
        }
        assert_eq!(field(None), "");
        assert_eq!(field(Some(f64::INFINITY)), "");
    }
}
