//! What a path that passes by reference asks for: memory that is held, and for how long.

use analysis::advice::{Price, Released};
use model::Measured;

use crate::spelling::{percent, short, size};

/// What a path that passes by reference asks for.
pub(crate) fn price(price: &Price) -> Vec<String> {
    let copied = 1.0 - price.by_reference_share;
    let part = if copied > 0.0 {
        format!(" ({} is copied, and free at once)", percent(copied))
    } else {
        String::new()
    };
    let assumed = if price.round_trip_is_assumed {
        "; the round trip is assumed, not measured: give yours with --round-trip"
    } else {
        ""
    };
    let mut all = vec![format!(
        "memory: {} Gbit/s × {} round trip = {} pinned, not to be written until acknowledged{part}{assumed}",
        short(price.rate_gbps),
        microseconds(price.round_trip_us),
        amount(price.held_bytes)
    )];
    all.push(match &price.released_us {
        Measured::Value(released) => released_after(released),
        Measured::Absent { absent } => format!("after how long a buffer is free: {absent}"),
    });
    if let Some(limit) = price.memlock_bytes.value() {
        let enough = if *limit as f64 >= price.held_bytes { "enough" } else { "too little" };
        all.push(format!(
            "RLIMIT_MEMLOCK is {}: {enough}; raise it with ulimit -l, or give CAP_IPC_LOCK",
            size(*limit as f64)
        ));
    }
    if let (Some(bytes), Some(sends)) =
        (price.optmem_max_bytes.value(), price.pending_sends.value())
    {
        all.push(format!(
            "net.core.optmem_max is {} a connection: about {} sends may await completion, then ENOBUFS",
            size(*bytes as f64),
            short(*sends)
        ));
    }
    let completions = price.completions_per_message.value();
    let completions =
        completions.map(|n| format!("{} completions a message to be read", short(*n)));
    let kernel = price.since_kernel.as_ref().map(|version| format!("Linux {version} or later"));
    let last: Vec<String> = completions.into_iter().chain(kernel).collect();
    if !last.is_empty() {
        all.push(last.join("; "));
    }
    all
}

/// `as measured here a buffer is free after 52.1 µs (median), 107 µs (99th percentile): 109 kB held at that rate`.
fn released_after(released: &Released) -> String {
    let (tail, at) = match &released.p99 {
        Measured::Value(p99) => {
            (format!(", {} (99th percentile)", microseconds(p99.mean)), "at that rate")
        }
        Measured::Absent { absent } => {
            (format!("; no 99th percentile: {absent}"), "at that rate and the median")
        }
    };
    format!(
        "as measured here a buffer is free after {} (median){tail}: {} held {at}",
        microseconds(released.median.mean),
        amount(released.held_bytes)
    )
}

/// `52.1 µs`, `9.07 ms`.
pub(crate) fn microseconds(us: f64) -> String {
    if us >= 1000.0 { format!("{} ms", short(us / 1000.0)) } else { format!("{} µs", short(us)) }
}

/// Bytes in decimal units: `3.59 MB`.
fn amount(bytes: f64) -> String {
    let text = short(bytes);
    let number = text.trim_end_matches(char::is_alphabetic);
    format!("{number} {}B", text.strip_prefix(number).unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use analysis::estimate::Estimate;
    use model::SendPath;

    use super::*;

    #[test]
    fn amounts_have_decimal_units() {
        assert_eq!([625_000.0, 3_590_000.0, 12.0].map(amount), ["625 kB", "3.59 MB", "12.0 B"]);
    }

    #[test]
    fn the_price_tells_what_is_held_of_what_and_after_how_long_it_is_free() {
        let us = |mean: f64| Estimate { mean, low: None, high: None, trials: 9 };
        let absent = || Measured::absent("fewer than 100 messages were timed; measure longer");
        let told_of = |released_us, by_reference_share, is_assumed| {
            let one = Price {
                path: SendPath::Hybrid,
                rate_gbps: 8.0,
                round_trip_us: 1000.0,
                round_trip_is_assumed: is_assumed,
                by_reference_share,
                held_bytes: 1e6 * by_reference_share,
                released_us,
                memlock_bytes: Measured::absent("root may pin all memory"),
                optmem_max_bytes: Measured::absent("not read"),
                pending_sends: Measured::absent("not read"),
                completions_per_message: Measured::absent("not measured"),
                since_kernel: None,
            };
            price(&one)
        };
        let told = |released_us, share| told_of(released_us, share, false);
        let assumed = told_of(Measured::absent("no message was timed"), 1.0, true);
        assert!(
            assumed[0].ends_with(
                "; the round trip is assumed, not measured: give yours with --round-trip"
            ),
            "{assumed:?}"
        );
        let released = |p99| Measured::Value(Released { median: us(50.0), p99, held_bytes: 1e5 });
        assert_eq!(
            told(released(Measured::Value(us(100.0))), 1.0),
            [
                "memory: 8.00 Gbit/s × 1.00 ms round trip = 1.00 MB pinned, not to be written until acknowledged",
                "as measured here a buffer is free after 50.0 µs (median), 100 µs (99th percentile): 100 kB held at that rate",
            ]
        );
        assert_eq!(
            told(released(absent()), 0.75),
            [
                "memory: 8.00 Gbit/s × 1.00 ms round trip = 750 kB pinned, not to be written until acknowledged (25 % is copied, and free at once)",
                "as measured here a buffer is free after 50.0 µs (median); no 99th percentile: fewer than 100 messages were timed; measure longer: 100 kB held at that rate and the median",
            ]
        );
        assert_eq!(
            told(Measured::absent("no message was timed"), 1.0)[1],
            "after how long a buffer is free: no message was timed"
        );
    }
}
