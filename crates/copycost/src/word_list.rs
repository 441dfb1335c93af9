//! Text with words that help and completions may offer. What it means is read later by the model's parsers, which take
//! lists and numbers too.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command, Error};

/// Takes any text, and knows the words that it may be made of.
#[derive(Clone, Debug)]
pub(crate) struct WordList(Vec<&'static str>);

impl WordList {
    /// A parser that offers these words; without any it offers nothing.
    pub(crate) const fn new(words: Vec<&'static str>) -> Self {
        Self(words)
    }

    /// Whether a text, such as a flag's help, names every word by itself.
    pub(crate) fn is_named_in(&self, text: &str) -> bool {
        let is_of_no_word = |c: char| !(c.is_alphanumeric() || c == '-');
        self.0.iter().all(|word| text.split(is_of_no_word).any(|part| part == *word))
    }
}

impl TypedValueParser for WordList {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        if self.0.is_empty() {
            return None;
        }
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_offered_and_lists_are_taken() {
        let words = WordList::new(vec!["send", "sendmsg"]);
        let flag = Arg::new("send").long("send").value_parser(words);
        assert_eq!(flag.get_possible_values().len(), 2);
        let matches = Command::new("x").arg(flag).get_matches_from(["x", "--send", "send,other"]);
        assert_eq!(matches.get_one::<String>("send").unwrap(), "send,other");
        let numbers = Arg::new("n").long("n").value_parser(WordList::new(Vec::new()));
        assert_eq!(numbers.get_possible_values().len(), 0);
    }

    #[test]
    fn a_word_within_another_is_not_named() {
        let words = WordList::new(vec!["off", "on"]);
        assert!(words.is_named_in("auto, on, off (veth)"));
        assert!(!words.is_named_in("off is the control of notifications"));
    }
}
