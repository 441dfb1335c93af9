//! Axes: from where to where, and where figures stand on them.

use model::Bytes;

use crate::numbers::short;

const SIZE_LABEL: &str = "message size";
/// More figures than this on an upright axis are too many.
const MOST_TICKS: usize = 8;
/// Fewer than this are too few to read a value off.
const FEWEST_TICKS: usize = 3;

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// What it measures, with the unit.
    pub(crate) label: String,
    /// How values become places.
    pub(crate) scale: Scale,
    /// From where to where.
    pub(crate) domain: [f64; 2],
    /// Where figures stand; labels that would overlap are left out when drawn.
    pub(crate) ticks: Vec<Tick>,
}

/// How values become places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Equal steps.
    Linear,
    /// Equal ratios.
    Log,
}

/// A place with a name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// Where.
    pub(crate) at: f64,
    /// Its name.
    pub(crate) name: String,
    /// Where there is no room for all names, those of a higher rank stay.
    pub(crate) rank: u32,
}

impl Axis {
    /// Message sizes on a base-2 axis, by their names.
    pub(crate) fn sizes(sizes: &[u64]) -> Self {
        Self::bytes(SIZE_LABEL, sizes)
    }

    /// Amounts of bytes on a base-2 axis, by their names.
    pub(crate) fn bytes(label: &str, sizes: &[u64]) -> Self {
        let named = sizes.iter().map(|size| Tick {
            at: as_f64(*size),
            name: Bytes(*size).to_string(),
            rank: roundness(*size),
        });
        Self::doubling(label, named.collect())
    }

    /// Thread counts on a base-2 axis.
    pub(crate) fn threads(threads: &[u32]) -> Self {
        let named = threads.iter().map(|n| Tick {
            at: f64::from(*n),
            name: n.to_string(),
            rank: roundness(u64::from(*n)),
        });
        Self::doubling("threads per end", named.collect())
    }

    /// One that is shared and so set later.
    pub(crate) fn unset(label: &str) -> Self {
        let (scale, ticks) = (Scale::Linear, Vec::new());
        Self { label: label.to_owned(), scale, domain: [0.0, 1.0], ticks }
    }

    fn doubling(label: &str, mut ticks: Vec<Tick>) -> Self {
        ticks.sort_by(|a, b| a.at.total_cmp(&b.at));
        ticks.dedup();
        let first = ticks.first().map_or(1.0, |tick| tick.at);
        let last = ticks.last().map_or(1.0, |tick| tick.at);
        // Room for marks at both ends: an eighth of the axis, and at least half a doubling.
        let room = (last / first).powf(0.06).max(1.4);
        Self {
            label: label.to_owned(),
            scale: Scale::Log,
            domain: [first / room, last * room],
            ticks,
        }
    }

    /// Message sizes side by side, each in a slot of width 1.
    pub(crate) fn slots(sizes: &[u64]) -> Self {
        let ticks = sizes.iter().enumerate().map(|(place, size)| Tick {
            at: as_f64(u64::try_from(place).unwrap_or(u64::MAX)) + 0.5,
            name: Bytes(*size).to_string(),
            rank: roundness(*size),
        });
        let last = as_f64(u64::try_from(sizes.len()).unwrap_or(u64::MAX)).max(1.0);
        Self {
            label: SIZE_LABEL.to_owned(),
            scale: Scale::Linear,
            domain: [0.0, last],
            ticks: ticks.collect(),
        }
    }

    /// Positive figures over ratios, with all of `values` on it.
    pub(crate) fn ratios(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = ends(values.filter(|value| *value > 0.0)).unwrap_or((1.0, 1.0));
        let (low, high) = if high / low < 1.02 { (low / 1.02, high * 1.02) } else { (low, high) };
        let room = (high / low).powf(0.06);
        let domain = [low / room, high * room];
        Self { label: label.to_owned(), scale: Scale::Log, domain, ticks: log_ticks(domain) }
    }

    /// Positive figures over doublings, with all of `values` on it.
    pub(crate) fn doublings(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let axis = Self::ratios(label, values);
        let [low, high] = axis.domain;
        let powers = std::iter::successors(Some(low.log2().ceil()), |power| Some(power + 1.0));
        let ticks: Vec<Tick> =
            powers.map(f64::exp2).take_while(|at| *at <= high).map(named).collect();
        if (FEWEST_TICKS..=MOST_TICKS).contains(&ticks.len()) {
            Self { ticks, ..axis }
        } else {
            axis
        }
    }

    /// Figures from 0, with all of `values` on it.
    pub(crate) fn from_zero(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = ends(values).unwrap_or((0.0, 1.0));
        let (low, high) = (low.min(0.0), if high > 0.0 { high } else { 1.0 });
        let domain = [low * 1.06, high * 1.06];
        Self { label: label.to_owned(), scale: Scale::Linear, domain, ticks: even_ticks(domain) }
    }

    /// Departures around 1, in percent, with all of `values` on it.
    pub(crate) fn departures(label: &str, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = ends(values.chain([0.97, 1.03])).unwrap_or((0.97, 1.03));
        let room = (high - low) * 0.06;
        let domain = [low - room, high + room];
        let ticks = even_ticks([(domain[0] - 1.0) * 100.0, (domain[1] - 1.0) * 100.0]);
        let ticks = ticks.into_iter().map(|tick| Tick {
            at: tick.at / 100.0 + 1.0,
            rank: 0,
            name: if tick.at > 0.0 {
                format!("+{} %", tick.name)
            } else {
                format!("{} %", tick.name)
            },
        });
        Self { label: label.to_owned(), scale: Scale::Linear, domain, ticks: ticks.collect() }
    }

    /// Whether a value lies on it.
    pub(crate) fn holds(&self, value: f64) -> bool {
        let [low, high] = self.domain;
        (low..=high).contains(&value)
    }

    /// The share of the axis below a value, from 0 to 1; values beyond an end lie at it.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let [low, high] = self.domain;
        let share = match self.scale {
            Scale::Linear => (value - low) / (high - low),
            Scale::Log if value <= 0.0 => 0.0,
            Scale::Log => (value / low).ln() / (high / low).ln(),
        };
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }
}

/// The rank of a size's name: round sizes keep theirs before others.
fn roundness(size: u64) -> u32 {
    let doublings = size.trailing_zeros();
    if !size.is_power_of_two() {
        return doublings;
    }
    // Every third doubling first (64 B, 512 B, 4 KiB), then every second.
    match (doublings % 3, doublings % 2) {
        (0, _) => 102,
        (_, 0) => 101,
        _ => 100,
    }
}

/// A whole number as a float; sizes and counts are far below 2^53.
#[allow(clippy::cast_precision_loss, reason = "sizes and counts are far below 2^53")]
pub(crate) fn as_f64(n: u64) -> f64 {
    n as f64
}

fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|value| value.is_finite()).fold(None, |ends, value| match ends {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    })
}

/// A figure on an axis: `0.1`, `10`, `100`, `2.5k`.
fn tick_name(value: f64) -> String {
    let text = short(value);
    let digits = text.trim_end_matches(char::is_alphabetic).len();
    let (number, unit) = text.split_at(digits);
    let number = if number.contains('.') && !number.contains('e') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    format!("{number}{unit}").replace('-', "−")
}

fn named(at: f64) -> Tick {
    Tick { at, name: tick_name(at), rank: 0 }
}

/// The coarsest of decades, halves, and even steps that can be read off; every second decade and so on where there are many.
fn log_ticks(domain: [f64; 2]) -> Vec<Tick> {
    let [low, high] = domain;
    let first = low.log10().floor();
    let decades: Vec<f64> =
        std::iter::successors(Some(first), |power| (*power < high.log10()).then_some(power + 1.0))
            .collect();
    let within = |at: &f64| (low..=high).contains(at);
    for digits in [&[1.0][..], &[1.0, 3.0], &[1.0, 2.0, 5.0]] {
        let all = || {
            decades
                .iter()
                .flat_map(|power| digits.iter().map(|digit| digit * 10_f64.powf(*power)))
                .filter(within)
        };
        let count = all().count();
        if count >= FEWEST_TICKS {
            let step = count.div_ceil(MOST_TICKS);
            return all().step_by(step).map(named).collect();
        }
    }
    even_ticks(domain)
}

/// Shares in percent from 0, with all of `values` on it.
pub(crate) fn percent_axis(label: &str, values: impl Iterator<Item = f64>) -> Axis {
    let hundred = Axis::from_zero(label, values.map(|share| share * 100.0));
    let ticks = hundred.ticks.into_iter().map(|tick| Tick {
        at: tick.at / 100.0,
        name: format!("{} %", tick.name),
        ..tick
    });
    Axis {
        domain: hundred.domain.map(|end| end / 100.0),
        ticks: ticks.collect(),
        label: hundred.label,
        scale: hundred.scale,
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn even_ticks(domain: [f64; 2]) -> Vec<Tick> {
    let [low, high] = domain;
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        return Vec::new();
    }
    let power = 10_f64.powf((span / 4.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
    let step = step.into_iter().find(|step| span / step <= 6.0).unwrap_or(span);
    let first = (low / step).ceil();
    let count = std::iter::successors(Some(first), |n| Some(n + 1.0));
    count
        .map(|n| n * step)
        .take_while(|at| *at <= high)
        .map(|at| named(cleaned(at, step)))
        .collect()
}

/// A multiple of a step without the last digits that floats leave behind.
fn cleaned(at: f64, step: f64) -> f64 {
    let digits = (1.0 - step.log10()).ceil().clamp(0.0, 12.0);
    let scale = 10_f64.powf(digits);
    let value = (at * scale).round() / scale;
    if value == 0.0 { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.name.as_str()).collect()
    }

    #[test]
    fn sizes_and_threads_stand_by_their_names_on_a_base_2_axis() {
        let axis = Axis::sizes(&[64, 512, 4096, 65536]);
        assert_eq!(names(&axis), ["64 B", "512 B", "4 KiB", "64 KiB"]);
        let steps = [axis.place(128.0) - axis.place(64.0), axis.place(8192.0) - axis.place(4096.0)];
        assert!((steps[0] - steps[1]).abs() < 1e-12);
        assert_eq!(names(&Axis::threads(&[4, 1, 2, 1])), ["1", "2", "4"]);
    }

    #[test]
    fn one_size_stands_in_the_middle() {
        assert!((Axis::sizes(&[4096]).place(4096.0) - 0.5).abs() < 1e-12);
        assert!(Axis::sizes(&[]).ticks.is_empty());
    }

    #[test]
    fn every_axis_has_figures_to_read_off_and_not_too_many() {
        for (low, high) in
            [(0.1, 70.0), (1.0, 1.0), (0.98, 1.03), (30.0, 101_000.0), (1e-3, 1e9), (5.0, 9.0)]
        {
            let axis = Axis::ratios("", [low, high].into_iter());
            assert!((3..=8).contains(&axis.ticks.len()), "{low} to {high}: {:?}", names(&axis));
            let axis = Axis::from_zero("", [low, high].into_iter());
            assert!((3..=8).contains(&axis.ticks.len()), "{low} to {high}: {:?}", names(&axis));
        }
        assert_eq!(names(&Axis::from_zero("", [0.0, 3.0].into_iter())), ["0", "1", "2", "3"]);
        assert_eq!(
            names(&Axis::ratios("", [0.2, 60.0].into_iter())),
            ["0.3", "1", "3", "10", "30"]
        );
        assert!(!Axis::ratios("", std::iter::empty()).ticks.is_empty());
        assert!(!Axis::from_zero("", std::iter::empty()).ticks.is_empty());
    }

    #[test]
    fn speed_ups_stand_on_doublings() {
        assert_eq!(names(&Axis::doublings("", [0.8, 8.0].into_iter())), ["1", "2", "4", "8"]);
        assert!(Axis::doublings("", [0.98, 1.02].into_iter()).ticks.len() >= 3);
        assert!(Axis::doublings("", [1.0, 256.0].into_iter()).ticks.len() <= 8);
    }

    #[test]
    fn departures_are_percent_around_the_cells_own_estimate() {
        assert_eq!(
            names(&Axis::departures("", [0.9, 1.1].into_iter())),
            ["−10 %", "−5 %", "0 %", "+5 %", "+10 %"]
        );
    }

    #[test]
    fn what_lies_beyond_an_axis_lies_at_its_end() {
        let axis = Axis::ratios("", [1.0, 100.0].into_iter());
        assert_eq!(
            [axis.place(0.0), axis.place(-3.0), axis.place(f64::NAN), axis.place(1e9)],
            [0.0, 0.0, 0.0, 1.0]
        );
    }
}
