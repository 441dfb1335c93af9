//! What a machine's equal cells tell, in sentences: the verdict, and what disturbs it with its remedy.

use analysis::metric::Metric;
use analysis::selftest::{
    CellNoise, Detectable, Disturbance, POWER, SelfTest, TIMES, Timer, ToldApart,
};
use model::{Factor, Measured, Nanos};

use super::figures::{metric, place};
use super::marks::cause;
use crate::numbers::duration;
use crate::spelling::{counted, listed, percent};

/// Windows that are off by more than this are told of.
const OFF: f64 = 0.05;
/// Beyond this a spread is called larger.
const LARGER: f64 = 1.5;

/// What the machine can see, and whether its intervals are to be trusted.
pub(crate) fn verdict(of: &SelfTest) -> String {
    let sees = format!("This machine can see differences of {} in a minute", sizes(of));
    let Some(goodput) = of.told_apart.first() else { return format!("{sees}.") };
    let times = told(goodput);
    if let Some(wrong) = of.told_apart.iter().find(|told| told.is_too_often()) {
        return format!(
            "Do not trust small differences here: equal cells were told apart in {} {}, where 5 % are meant. {sees} if its intervals were right.",
            metric(wrong.metric),
            told(wrong)
        );
    }
    match goodput.of {
        0 => format!("{sees}; {times}."),
        _ => format!("{sees}; equal cells were told apart {times}."),
    }
}

/// The smallest difference of goodput in a minute, size by size.
fn sizes(of: &SelfTest) -> String {
    let each: Vec<String> = of
        .noise_of(Metric::GoodputGbps)
        .map(|noise| {
            let minute = noise.detectable.iter().find(|of| of.time_ns == TIMES[1].0);
            let difference = minute.map_or_else(|| "-".to_owned(), difference);
            format!("{difference} at {}", named(of, noise))
        })
        .collect();
    listed(&each)
}

/// What a cell is called: by its size, where all have as many threads.
pub(crate) fn named(of: &SelfTest, noise: &CellNoise) -> String {
    let differs = of.noise.iter().any(|other| other.cell.threads != noise.cell.threads);
    let but: &[Factor] =
        if differs { &[Factor::Replica] } else { &[Factor::Replica, Factor::Threads] };
    place(&noise.cell, but)
}

/// A time as a column's name: `10 s`, `1 min`.
pub(crate) fn time(time: Nanos) -> String {
    let minute = Nanos::s(60).0;
    if time.0.is_multiple_of(minute) { format!("{} min", time.0 / minute) } else { duration(time) }
}

/// A difference, or `-` where no time is enough.
pub(crate) fn difference(of: &Detectable) -> String {
    of.difference.value().map_or_else(|| "-".to_owned(), |share| percent(*share))
}

fn told(of: &ToldApart) -> String {
    match of.of {
        0 => "too few rounds to say how often equal cells are told apart (10 make a study)"
            .to_owned(),
        1 => format!("{} of 1 time", of.times),
        _ => format!("{} of {} times", of.times, of.of),
    }
}

/// How often equal cells were told apart, and whether that is what should be.
pub(crate) fn told_apart(of: &ToldApart) -> String {
    let name = metric(of.metric);
    if of.of == 0 {
        return format!("{name}: {}", told(of));
    }
    let means = if of.is_too_often() {
        "more often than the 5 % that are meant: its intervals are too narrow here"
    } else {
        "no more often than the 5 % that are meant, as far as this shows"
    };
    format!(
        "{name}: equal cells told apart {}, {} [{}, {}]: {means}",
        told(of),
        percent(f64::from(of.times) / f64::from(of.of)),
        percent(of.low),
        percent(of.high)
    )
}

/// Where a cell's noise lies.
pub(crate) fn noise(all: &SelfTest, of: &CellNoise) -> String {
    let turns = match &of.turns {
        Measured::Value(turns) => format!(
            "; {} between turns, {} between series of {:.0}",
            percent(turns.between_turns),
            percent(turns.between_series),
            turns.turns
        ),
        Measured::Absent { .. } => String::new(),
    };
    format!(
        "{}, {}: ±{} over this run, {} of spread a round ({}){turns}",
        named(all, of),
        metric(of.metric),
        percent(of.noise_floor),
        percent(of.spread),
        counted(of.ratios, "ratio", "ratios")
    )
}

/// What the differences are.
pub(crate) fn method(of: &SelfTest) -> String {
    format!(
        "The smallest difference that a test at 5 % finds in {} of runs that compare two cells alone ({} a round here): (t₀.₉₇₅ + t₀.₈₀) · spread / √rounds.",
        percent(POWER),
        duration(Nanos(of.round_ns))
    )
}

/// A disturbance that was seen, with what mends it; nothing for one that was looked for in vain.
pub(crate) fn disturbance(of: &Disturbance, trials: u32) -> Option<String> {
    let seen = *of.trials.value().filter(|seen| **seen > 0)?;
    let spread = match of.spread_times.value() {
        Some(times) if *times > LARGER => format!(", ratios spread {times:.1} times as much there"),
        Some(_) => ", ratios spread no more there".to_owned(),
        None => String::new(),
    };
    let (what, remedy) = cause(of.mark);
    Some(format!("{what} in {seen} of {trials} trials{spread}: {remedy}"))
}

/// A disturbance that could not be seen, and why.
pub(crate) fn unseen(of: &Disturbance) -> Option<String> {
    let why = of.trials.reason()?;
    Some(format!("{} could not be watched: {why}", cause(of.mark).0))
}

/// What was looked for and not seen.
pub(crate) fn not_seen(of: &SelfTest) -> Option<String> {
    let none: Vec<String> = of
        .disturbances
        .iter()
        .filter(|disturbance| disturbance.trials.value() == Some(&0))
        .map(|disturbance| cause(disturbance.mark).0.to_owned())
        .collect();
    (!none.is_empty()).then(|| format!("not seen: {}", none.join(", ")))
}

/// Late timers and wake-ups, where they show, with what mends them.
pub(crate) fn timer(of: &Timer) -> Option<String> {
    (of.hundredth_off > OFF).then(|| {
        format!(
            "timers and wake-ups: 1 in 100 windows of {} is off by more than {} (half by less than {}): a quieter machine, or shallower idle states (sudo cpupower idle-set -D 0)",
            window(of.window_ns),
            percent(of.hundredth_off),
            percent(of.median_off)
        )
    })
}

fn window(ns: u64) -> String {
    format!("{:.1} ms", Nanos(ns).as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_told_of_where_they_are_off() {
        let off = |share| Timer {
            window_ns: 3_500_000,
            windows: 99,
            median_off: 0.001,
            hundredth_off: share,
        };
        assert_eq!(timer(&off(0.04)), None);
        let text = timer(&off(0.2)).unwrap_or_default();
        assert!(text.contains("windows of 3.5 ms is off by more than 20 %"), "{text}");
    }
}
