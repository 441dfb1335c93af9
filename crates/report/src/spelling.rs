//! How figures are spelt in sentences, tables and pictures: three significant digits, intervals in brackets, sizes by name.
//!
//! The screen, the page, the figures and every sentence write a figure with these functions, so that it reads alike wherever it
//! stands.

use std::fmt::Display;

use model::{Bytes, Cell, Factor, Link, Shared};

use analysis::estimate::Estimate;
use analysis::findings::{Crossover, CrossoverOutcome};

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
    // Written as 0 rather than -0.
    let percent = share * 100.0 + 0.0;
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

/// The least and the largest of several shares: `4 % to 63 %`; `63 %` where they are written alike.
pub fn share_range(least: f64, most: f64) -> String {
    let (least, most) = (percent(least), percent(most));
    if least == most { most } else { format!("{least} to {most}") }
}

/// What stands for an interval from which a reader learns nothing.
pub const NO_USEFUL_INTERVAL: &str = "no useful interval";

/// Whether a half-width, as a share of its figure, is too wide to tell anything.
pub fn is_of_no_use(half_width: f64) -> bool {
    half_width > 1.0
}

/// The half-width of an interval as a share of its figure: `±3 %`; above ±100 % that it is of no use.
pub fn half_width(share: f64) -> String {
    if is_of_no_use(share) {
        NO_USEFUL_INTERVAL.to_owned()
    } else {
        format!("±{}", percent(share))
    }
}

/// A cell's paths: `zerocopy`, or where it receives in another way than usual `zerocopy to recvmsg`.
pub fn paths_of(cell: &Cell) -> String {
    if cell.is_default(Factor::Recv) || !cell.link.has_receiver() {
        cell.send_path.to_string()
    } else {
        format!("{} to {}", cell.send_path, cell.receive_path)
    }
}

/// A ratio for a narrow column: two decimals, as many as it takes below a tenth, and none where there are digits enough.
pub fn short_ratio(ratio: f64) -> String {
    if !(0.095..9_995.0).contains(&ratio) {
        return short(ratio);
    }
    let decimals = if ratio < 9.995 { 2 } else { usize::from(ratio < 99.95) };
    format!("{ratio:.decimals$}")
}

/// A figure with its half-width in whole percent, rounded up, for a narrow column: `63.0 ±6%`; `63.0 ±?%` where the interval is
/// of no use, and the figure alone where there is none.
pub fn figure_and_percent(figure: f64, half_width: Option<f64>) -> String {
    with_percent(&short(figure), half_width)
}

/// What `±?%` beside a figure means, and what would give a number.
pub const WIDE: &str = "±?%: the interval is wider than the figure itself; more rounds narrow it";

/// Whether a half-width is told as `±?%`.
pub fn is_wide(half_width: f64) -> bool {
    half_width > 0.99
}

/// The same of a figure in words.
pub fn with_percent(figure: &str, half_width: Option<f64>) -> String {
    match half_width {
        None => figure.to_owned(),
        Some(share) if is_wide(share) => format!("{figure} ±?%"),
        // 7 % is a little more than 7 hundredths in binary.
        Some(share) => format!("{figure} ±{:.0}%", (share * 100.0 - 1e-9).ceil().max(1.0)),
    }
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
            if analysis::estimate::half_width(estimate).is_some_and(is_of_no_use) =>
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

/// How much less a ratio is than 1, in percent with its interval: `42 % [40, 44]`, a small one to a decimal: `2.1 % [0.3, 3.9]`;
/// negative where it is more.
pub fn reduction(ratio: &Estimate) -> String {
    // What is shown to differ must not be written as an interval that begins with 0.
    let decimals = usize::from((1.0 - ratio.mean).abs() < 0.095);
    let percent = |ratio: f64| {
        let text = format!("{:.decimals$}", 100.0 * (1.0 - ratio));
        // Written as 0 rather than -0.
        if text.trim_matches(['-', '0', '.']).is_empty() { "0".to_owned() } else { text }
    };
    match (ratio.low, ratio.high) {
        (Some(low), Some(high)) => {
            format!("{} % [{}, {}]", percent(ratio.mean), percent(high), percent(low))
        }
        (None, _) | (_, None) => format!("{} %", percent(ratio.mean)),
    }
}

/// A size in bytes by name: a whole one as people write it (`64 B`, `4 KiB`, `20000 B`), a calculated one to one decimal
/// (`9.8 KiB`).
pub fn size(bytes: f64) -> String {
    if bytes.fract() == 0.0
        && let Ok(whole) = format!("{bytes:.0}").parse()
    {
        return Bytes(whole).to_string();
    }
    for (unit, scale) in [("MiB", 1_048_576.0), ("KiB", 1_024.0)] {
        // What would be written as 1024 of the smaller unit is 1 of this one.
        if bytes >= scale - 0.5 {
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

/// From which message size on a path is better, as the end of "it is better …": `from 9.8 KiB [8.1 KiB, 12 KiB] on`.
pub fn outcome(outcome: &CrossoverOutcome) -> String {
    match outcome {
        CrossoverOutcome::At { bytes, low, high } => {
            format!("from {} [{}, {}] on", size(*bytes), size(*low), size(*high))
        }
        CrossoverOutcome::Bracket { low, high } => {
            format!("from a size between {} and {} on", size(*low), size(*high))
        }
        CrossoverOutcome::Always => "at every size measured".to_owned(),
        CrossoverOutcome::Never => "at no size measured".to_owned(),
        CrossoverOutcome::Alike => {
            "at no size, as both are alike at every size measured".to_owned()
        }
        CrossoverOutcome::Until { bytes, low, high } => {
            format!("only below {} [{}, {}]", size(*bytes), size(*low), size(*high))
        }
        CrossoverOutcome::UntilBracket { low, high } => {
            format!("only below a size between {} and {}", size(*low), size(*high))
        }
        CrossoverOutcome::Partly { is_better: true, up_to, from } => stretch(*up_to, *from),
        CrossoverOutcome::Partly { is_better: false, up_to, from } => {
            format!("at no size shown, and worse {}", stretch(*up_to, *from))
        }
        CrossoverOutcome::Undecided => "at no size shown (intervals too wide)".to_owned(),
    }
}

/// The sizes of which something is shown from either end: `up to at least 512 B and at least from 64 KiB on`.
pub fn stretch(up_to: Option<f64>, from: Option<f64>) -> String {
    let up_to = up_to.map(|bytes| format!("up to at least {}", size(bytes)));
    let from = from.map(|bytes| format!("at least from {} on", size(bytes)));
    up_to.into_iter().chain(from).collect::<Vec<_>>().join(" and ")
}

/// The sizes beside a crossover at which it is unclear which is better: `; at 64 B neither is shown to be better`; empty
/// without any.
pub fn unclear_sizes(crossover: &Crossover) -> String {
    if crossover.unclear_sizes.is_empty() {
        return String::new();
    }
    let sizes: Vec<String> =
        crossover.unclear_sizes.iter().map(|bytes| size(*bytes as f64)).collect();
    format!("; at {} neither is shown to be better", listed(&sizes))
}

/// How a link stands in a sentence: `over loopback`, `into the sink`.
pub fn over(link: Link) -> String {
    if link.has_receiver() { format!("over {link}") } else { format!("into the {link}") }
}

/// A number with its noun: `1 thread`, `2 threads`.
pub fn counted<N: Display + PartialEq + From<u8>>(n: N, one: &str, many: &str) -> String {
    let noun = if n == N::from(1) { one } else { many };
    format!("{n} {noun}")
}

/// The size of a cell's messages by name.
pub fn message(cell: &Cell) -> String {
    Bytes(cell.message.bytes().0).to_string()
}

/// What cells share, in words: `1 thread`; other factors stay as files write them.
pub fn shared_words(shared: &Shared) -> String {
    let cell = shared.cell();
    #[allow(clippy::wildcard_enum_match_arm, reason = "only these have words of their own")]
    let word = |factor: Factor| match factor {
        Factor::Threads => counted(cell.threads.get(), "thread", "threads"),
        Factor::Message => message(cell),
        _ => format!("{}={}", factor.id_key(), cell.get(factor)),
    };
    shared.named().map(word).collect::<Vec<_>>().join(", ")
}

/// A figure as a study names it: to four decimals, without zeros behind them.
pub fn named_figure(value: f64) -> String {
    format!("{}", (value * 1e4).round() / 1e4)
}

/// Factors by their flags, those first that figures hang on most: `link, fields, layout and 24 more factors`.
pub fn factors(of: &[Factor]) -> String {
    const FIRST: [Factor; 3] = [Factor::Link, Factor::Fields, Factor::Layout];
    let first = FIRST.into_iter().filter(|factor| of.contains(factor));
    let rest = of.iter().copied().filter(|factor| !FIRST.contains(factor));
    let mut names: Vec<String> = first.chain(rest).map(|factor| factor.key().to_owned()).collect();
    if names.len() > FIRST.len() + 1 {
        let more = names.len() - FIRST.len();
        names.truncate(FIRST.len());
        names.push(format!("{more} more factors"));
    }
    listed(&names)
}

/// Where something ran, where that is known: ` on loopback`.
pub fn on(link: Option<Link>) -> String {
    link.map_or_else(String::new, |link| format!(" on {link}"))
}

/// Words with commas and a last "and".
pub fn listed(words: &[String]) -> String {
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
    fn a_figure_that_a_study_names_has_no_zeros_behind_it() {
        for (value, text) in [(0.04, "0.04"), (0.2, "0.2"), (300.0, "300"), (0.1 + 0.2, "0.3")] {
            assert_eq!(named_figure(value), text);
        }
    }

    #[test]
    fn factors_are_named_up_to_a_few() {
        let [link, fields] = [Factor::Link, Factor::Fields];
        assert_eq!(factors(&[fields, link]), "link and fields");
        let text = factors(&[Factor::Recv, fields, Factor::Flows, link, Factor::Nodelay]);
        assert_eq!(text, "link, fields, recv and 2 more factors");
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
    fn a_narrow_column_holds_a_figure_and_its_half_width() {
        for (half_width, text) in [
            (None, "63.0"),
            (Some(0.001), "63.0 ±1%"),
            (Some(0.07), "63.0 ±7%"),
            (Some(0.071), "63.0 ±8%"),
            (Some(0.99), "63.0 ±99%"),
            (Some(1.5), "63.0 ±?%"),
            (Some(f64::INFINITY), "63.0 ±?%"),
        ] {
            assert_eq!(figure_and_percent(63.04, half_width), text);
        }
    }

    #[test]
    fn a_ratio_shows_on_which_side_of_1_it_lies() {
        let near = Estimate { mean: 0.999, low: Some(0.994), high: Some(1.004), trials: 12 };
        assert_eq!(ratio(&near), "0.999 × [0.994, 1.004]");
        let exact = Estimate { mean: 1.0, low: Some(1.0), high: Some(1.0), trials: 12 };
        assert_eq!(ratio(&exact), "1.00 × [1.00, 1.00]");
    }

    #[test]
    fn a_reduction_is_what_a_ratio_lacks_to_1() {
        assert_eq!(reduction(&estimate(0.56, 0.58, 0.6)), "42 % [40, 44]");
        assert_eq!(reduction(&estimate(1.0, 1.1, 1.2)), "-10 % [-20, 0]");
        assert_eq!(reduction(&estimate(0.961, 0.979, 0.997)), "2.1 % [0.3, 3.9]");
        assert_eq!(reduction(&estimate(0.9, 1.0001, 1.1)), "0 % [-10.0, 10.0]");
    }

    #[test]
    fn sizes_between_powers_of_two_have_a_decimal() {
        for (bytes, text) in [
            (64.0, "64 B"),
            (640.2, "640 B"),
            (1_023.7, "1 KiB"),
            (4096.0, "4 KiB"),
            (10_035.2, "9.8 KiB"),
            (20_000.0, "20000 B"),
            (1_048_576.0, "1 MiB"),
            (1_572_864.3, "1.5 MiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_break_even_size_has_its_unit_and_interval() {
        let at = CrossoverOutcome::At { bytes: 10_035.2, low: 8_294.4, high: 12_288.0 };
        assert_eq!(outcome(&at), "from 9.8 KiB [8.1 KiB, 12 KiB] on");
        let bracket = CrossoverOutcome::Bracket { low: 512.0, high: 4096.0 };
        assert_eq!(outcome(&bracket), "from a size between 512 B and 4 KiB on");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(counted(1_u32, "thread", "threads"), "1 thread");
        assert_eq!(counted(0_usize, "thread", "threads"), "0 threads");
    }

    #[test]
    fn what_cells_share_is_said_in_words() {
        let shared = |id: &str, but: &[Factor]| Shared::new(&id.parse().unwrap(), but);
        for (id, but, words) in [
            ("threads=1", &[Factor::Message][..], "1 thread"),
            ("threads=8 placement=none", &[Factor::Message], "8 threads, placement=none"),
            ("message_bytes=4096", &[Factor::Threads], "4 KiB"),
            ("threads=2", &[Factor::Message, Factor::Threads], ""),
        ] {
            assert_eq!(shared_words(&shared(id, but)), words);
        }
    }

    #[test]
    fn lists_end_with_and() {
        let words: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        assert_eq!(listed(&words), "a, b and c");
        assert_eq!(listed(&[]), "");
    }
}
