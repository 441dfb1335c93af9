//! Numbers as people and spreadsheets write them: `1,234,567`, `1 234 567`, `1.234,5`, `8.1e9`.

use std::str::FromStr;

/// How a table writes fractions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimal {
    /// `1234.5`.
    Point,
    /// `1234,5`.
    Comma,
}

impl Decimal {
    /// Both, in the order of help.
    pub const ALL: [Self; 2] = [Self::Point, Self::Comma];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Point => "point",
            Self::Comma => "comma",
        }
    }

    const fn of(sign: char) -> Self {
        if sign == ',' { Self::Comma } else { Self::Point }
    }

    const fn other(self) -> Self {
        match self {
            Self::Point => Self::Comma,
            Self::Comma => Self::Point,
        }
    }
}

impl FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name);
        let found = Self::ALL.into_iter().find(|decimal| decimal.name() == text);
        found.ok_or_else(|| model::nearest::unknown("decimal sign", text, &names))
    }
}

/// Why a text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoNumber {
    /// It is none in any reading.
    Not,
    /// It is one with the other decimal sign than the rest of the table has.
    Other,
    /// `1,234` is 1234 or 1.234.
    TwoReadings,
}

/// A text's digits, told apart.
struct Parts<'t> {
    negative: bool,
    /// Digits and what stands between them.
    mantissa: &'t str,
    exponent: &'t str,
}

/// Spaces and signs that stand between thousands and nowhere else.
fn only_groups(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\'' | '’' | '_')
}

fn parts(text: &str) -> Option<Parts<'_>> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let is_exponent =
        !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit());
    let known = |c: char| c.is_ascii_digit() || c == '.' || c == ',' || only_groups(c);
    let has_digit = mantissa.bytes().any(|b| b.is_ascii_digit());
    (is_exponent && has_digit && mantissa.chars().all(known)).then_some(Parts {
        negative,
        mantissa,
        exponent,
    })
}

/// Which decimal sign a number proves, if it proves one: `1.234,5` a comma, `0.126` and `1,234,567` a point.
pub(crate) fn proves(text: &str) -> Option<Decimal> {
    sign(&parts(text)?)
}

/// Whether a text is a number with either decimal sign.
pub(crate) fn is_number(text: &str) -> bool {
    Decimal::ALL.into_iter().any(|decimal| number(text, Some(decimal)).is_ok())
}

/// A number and the unit that stands behind it: `12.3 Gbit/s`.
pub(crate) fn with_unit(text: &str) -> Option<(&str, &str)> {
    let end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (figure, unit) = text.split_at_checked(end)?;
    let unit = unit.trim();
    let is_unit = unit.starts_with(|c: char| c.is_alphabetic() || c == '%');
    (is_unit && is_number(figure)).then_some((figure, unit))
}

/// Whether a number may be thousands or a fraction: `1.234`, `1,234`.
pub(crate) fn is_open(text: &str) -> bool {
    parts(text).is_some_and(|parts| parts.mantissa.contains(['.', ',']) && sign(&parts).is_none())
}

fn sign(parts: &Parts<'_>) -> Option<Decimal> {
    let mantissa = parts.mantissa;
    let count = |sign: char| mantissa.matches(sign).count();
    let last = mantissa.rfind(['.', ',']).and_then(|at| mantissa.get(at..)?.chars().next())?;
    let decimal = Decimal::of(last);
    match (count('.'), count(',')) {
        (1.., 1..) => Some(decimal),
        (2.., _) | (_, 2..) => Some(decimal.other()),
        _ => {
            let (whole, fraction) = mantissa.split_once(last)?;
            let looks_grouped = fraction.len() == 3
                && (1..=3).contains(&whole.len())
                && !whole.starts_with('0')
                && parts.exponent == "0";
            (!looks_grouped).then_some(decimal)
        }
    }
}

/// A number, where the table has this decimal sign; none: nothing in it tells.
pub(crate) fn number(text: &str, decimal: Option<Decimal>) -> Result<f64, NoNumber> {
    let parts = parts(text).ok_or(NoNumber::Not)?;
    let decimal = match (sign(&parts), decimal) {
        (Some(proved), Some(decimal)) if proved != decimal => return Err(NoNumber::Other),
        (Some(proved), _) => proved,
        (None, Some(decimal)) => decimal,
        (None, None) if parts.mantissa.contains(',') => return Err(NoNumber::TwoReadings),
        (None, None) => Decimal::Point,
    };
    let sign = if decimal == Decimal::Point { '.' } else { ',' };
    let (whole, fraction) = parts.mantissa.split_once(sign).unwrap_or((parts.mantissa, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NoNumber::Not);
    }
    let whole = ungrouped(whole).ok_or(NoNumber::Not)?;
    let plain = format!("{whole}.{fraction}0e{}", parts.exponent);
    let value: f64 = plain.parse().map_err(|_| NoNumber::Not)?;
    match value.is_finite() {
        true if parts.negative => Ok(-value),
        true => Ok(value),
        false => Err(NoNumber::Not),
    }
}

/// Digits without what stands between groups of three; none where the groups are of another length, or parted by more
/// than one sign.
fn ungrouped(whole: &str) -> Option<String> {
    let mut signs = whole.chars().filter(|c| !c.is_ascii_digit());
    let Some(sign) = signs.next() else {
        return Some(if whole.is_empty() { "0".to_owned() } else { whole.to_owned() });
    };
    let mut groups = whole.split(sign);
    let first = groups.next()?;
    let is_group = |group: &str| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit());
    let is_first = (1..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_digit());
    (is_first && groups.all(is_group)).then(|| whole.chars().filter(char::is_ascii_digit).collect())
}

/// A number that is whole, as such; none where it is not, or too large to be told apart from its neighbours.
pub(crate) fn whole(value: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let rounded = value.round();
    let near = (value - rounded).abs() <= 1e-9 * rounded.abs().max(1.0);
    (near && (0.0..=EXACT).contains(&rounded)).then(|| format!("{rounded:.0}").parse().ok())?
}

/// Whether a cell says that there is no figure, as spreadsheets, perf and pandas do.
pub(crate) fn is_absent(text: &str) -> bool {
    const WORDS: [&str; 11] = [
        "",
        "-",
        "–",
        "n/a",
        "na",
        "nan",
        "null",
        "none",
        "#n/a",
        "<not counted>",
        "<not supported>",
    ];
    WORDS.contains(&text.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        use Decimal::{Comma, Point};
        for (text, decimal, value) in [
            ("0.126", None, 0.126),
            ("0,126", None, 0.126),
            ("1,234,567", None, 1_234_567.0),
            ("1.234.567", None, 1_234_567.0),
            ("1 234 567", None, 1_234_567.0),
            ("1\u{202f}234\u{a0}567", None, f64::NAN),
            ("1\u{a0}234,5", None, 1234.5),
            ("1'234'567.8", None, 1_234_567.8),
            ("1.234,5", None, 1234.5),
            ("1,234.5", None, 1234.5),
            ("8.1e9", None, 8.1e9),
            ("259E9", None, 259e9),
            ("8,123e9", None, 8.123e9),
            ("-3", None, -3.0),
            ("+3", None, 3.0),
            (" 64 ", None, 64.0),
            (".5", None, 0.5),
            ("5.", None, 5.0),
            ("1.234", None, 1.234),
            ("1.234", Some(Comma), 1234.0),
            ("1,234", Some(Comma), 1.234),
            ("1,234", Some(Point), 1234.0),
        ] {
            let read = number(text, decimal);
            if value.is_nan() {
                assert_eq!(read, Err(NoNumber::Not), "{text}");
            } else {
                assert_eq!(read, Ok(value), "{text}");
            }
        }
    }

    #[test]
    fn a_unit_behind_a_number_is_told_apart() {
        assert_eq!(with_unit("12.3 Gbit/s"), Some(("12.3", "Gbit/s")));
        assert_eq!(with_unit("64KiB"), Some(("64", "KiB")));
        assert_eq!(with_unit("5 %"), Some(("5", "%")));
        for text in ["", "12.3", "abc", "x 12", "12)", "1 2 3 x"] {
            assert_eq!(with_unit(text), None, "{text}");
        }
    }

    #[test]
    fn what_may_be_two_numbers_or_none_is_told_apart() {
        assert_eq!(number("1,234", None), Err(NoNumber::TwoReadings));
        assert_eq!(number("0,5", Some(Decimal::Point)), Err(NoNumber::Other));
        for text in [
            "", "abc", "1,23,456", "1.2.3", "12 34", "1e", "1e9999", "1,2.3,4", "0x40", "e5",
            "1,234,5",
        ] {
            assert!(matches!(number(text, None), Err(NoNumber::Not)), "{text}");
        }
        assert_eq!(whole(65_536.0), Some(65_536));
        assert_eq!((whole(0.5), whole(-1.0), whole(1e300)), (None, None, None));
    }
}
