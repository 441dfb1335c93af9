//! How figures are written: for people with three digits, and with every digit for files.

use model::{Measured, Nanos};

pub use crate::spelling::{counted, half_width, level, percent, ratio, share_range, short};

/// A length of time as people say it: `850 ms`, `42 s`, `4m58s`, `1h02m`.
pub fn duration(time: Nanos) -> String {
    let seconds = time.0.saturating_add(500_000_000) / 1_000_000_000;
    match seconds {
        // As much as a time can hold: that of a sum that would be longer.
        _ if time.0 == u64::MAX => "over 500 years".to_owned(),
        0 => format!("{} ms", time.0 / 1_000_000),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_told_can_be_given_again() {
        for seconds in [0, 1, 42, 59, 60, 61, 298, 3599, 3600, 3720, 86_400] {
            let told = duration(Nanos::s(seconds));
            let minutes = if seconds < 3600 { seconds } else { seconds / 60 * 60 };
            assert_eq!(told.parse(), Ok(Nanos::s(minutes)), "{told}");
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
            (u64::MAX - 1, "5124095h34m"),
            (u64::MAX, "over 500 years"),
        ] {
            assert_eq!(duration(Nanos(ns)), text);
        }
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
