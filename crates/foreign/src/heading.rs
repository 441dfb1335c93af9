//! A column's heading as words and a unit.

use crate::unit::{Dimension, Scale};

/// What a heading says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heading {
    /// Its words, small, without those that say nothing.
    words: Vec<String>,
    /// The same as the file has them: a unit's case matters.
    spelt: Vec<String>,
    /// What stands in brackets at its end, or after a comma.
    unit: Option<String>,
}

/// Words that say nothing of what a column is.
const FILLERS: [&str; 12] =
    ["in", "of", "the", "number", "num", "nr", "no", "avg", "average", "mean", "measured", "count"];

impl Heading {
    pub(crate) fn new(text: &str) -> Self {
        let (name, unit) = bracketed(text);
        let mut spelt = Vec::new();
        for chunk in name.split(|c: char| !c.is_alphanumeric() && c != '\'') {
            if Dimension::Rate.unit(chunk).is_some() || Dimension::Size.unit(chunk).is_some() {
                spelt.push(chunk.to_owned());
            } else {
                spelt.extend(humps(chunk));
            }
        }
        spelt.retain(|word| !word.is_empty() && !FILLERS.contains(&word.to_lowercase().as_str()));
        let words = spelt.iter().map(|word| word.to_lowercase()).collect();
        Self { words, spelt, unit: unit.map(str::to_owned) }
    }

    /// Whether its words are these, separated by spaces, and how its figures scale: by a unit in brackets, or one that ends
    /// its words. None where it is not these words, or its unit is none of this dimension.
    pub(crate) fn is(&self, words: &str, dimension: Dimension) -> Option<Option<Scale>> {
        let wanted = words.split(' ').count();
        let (head, tail) = self.words.split_at_checked(wanted)?;
        if head.join(" ") != words {
            return None;
        }
        match (tail.is_empty(), &self.unit) {
            (true, None) => Some(None),
            (true, Some(unit)) => dimension.unit(unit).map(Some),
            (false, None) => {
                let spelt: Vec<&str> =
                    self.spelt.get(wanted..)?.iter().map(String::as_str).collect();
                dimension.unit(&slashed(&spelt)).map(Some)
            }
            (false, Some(_)) => None,
        }
    }

    /// How its figures scale where it is a unit of this dimension and nothing else, as `Gbps` is.
    pub(crate) fn is_unit(&self, dimension: Dimension) -> Option<Scale> {
        let spelt: Vec<&str> = self.spelt.iter().map(String::as_str).collect();
        self.unit.is_none().then(|| dimension.unit(&slashed(&spelt))).flatten()
    }

    /// The unit as it is written: what stands in brackets at its end, else its last word.
    pub(crate) fn unit_text(&self) -> Option<&str> {
        self.unit.as_deref().or_else(|| self.spelt.last().map(String::as_str))
    }

    /// Its words, separated by spaces.
    pub(crate) fn words(&self) -> String {
        self.words.join(" ")
    }
}

/// `gbit per s` and `gbit s` as `gbit/s`.
fn slashed(words: &[&str]) -> String {
    let words: Vec<&str> = words.iter().copied().filter(|word| *word != "per").collect();
    words.join("/")
}

/// A name and what stands in brackets, or after a comma, at its end.
fn bracketed(text: &str) -> (&str, Option<&str>) {
    let text = text.trim();
    for (open, close) in [('(', ')'), ('[', ']'), ('{', '}')] {
        if let Some(inside) = text.strip_suffix(close)
            && let Some((name, unit)) = inside.rsplit_once(open)
            && !name.trim().is_empty()
        {
            return (name.trim(), Some(unit.trim()).filter(|unit| !unit.is_empty()));
        }
    }
    match text.rsplit_once(',') {
        Some((name, unit)) if !name.trim().is_empty() && !unit.trim().is_empty() => {
            (name.trim(), Some(unit.trim()))
        }
        _ => (text, None),
    }
}

/// `MessageSize` as `Message`, `Size`; `LLCMisses` as `LLC`, `Misses`.
fn humps(chunk: &str) -> Vec<String> {
    let chars: Vec<char> = chunk.chars().collect();
    let mut words = vec![String::new()];
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        let after = chars.get(at + 1);
        let begins = c.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || (before.is_uppercase() && after.is_some_and(|after| after.is_lowercase()))
            });
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(*c);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_is_its_words_and_its_unit() {
        for (text, words) in [
            ("MessageSize", "message size"),
            ("Throughput_Gbps", "throughput gbps"),
            ("msg size [KiB]", "msg size"),
            ("LLCMisses", "llc misses"),
            ("LLC-load-misses", "llc load misses"),
            ("number of threads", "threads"),
            ("  Context  Switches ", "context switches"),
            ("throughput, Mbit/s", "throughput"),
            ("", ""),
            ("(x)", "x"),
        ] {
            assert_eq!(Heading::new(text).words(), words, "{text}");
        }
    }

    #[test]
    fn a_unit_stands_in_brackets_or_ends_the_words() {
        let scale = |text: &str, words: &str, dimension| Heading::new(text).is(words, dimension);
        let by = |scale| Some(Some(Scale::By(scale)));
        assert_eq!(scale("Throughput_Gbps", "throughput", Dimension::Rate), by(1.0));
        assert_eq!(scale("Throughput (GB/s)", "throughput", Dimension::Rate), by(8.0));
        assert_eq!(scale("goodput_mbit_per_s", "goodput", Dimension::Rate), by(1e-3));
        assert_eq!(scale("goodput mbit/s", "goodput", Dimension::Rate), by(1e-3));
        assert_eq!(scale("message_bytes", "message", Dimension::Size), by(1.0));
        assert_eq!(scale("throughput", "throughput", Dimension::Rate), Some(None));
        assert_eq!(scale("throughput (fast)", "throughput", Dimension::Rate), None);
        assert_eq!(scale("throughput other", "throughput", Dimension::Rate), None);
    }
}
