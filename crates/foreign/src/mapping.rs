//! What a reader says of a column whose heading does not tell.

use std::str::FromStr;

use model::SendPath;

use crate::column::{Taken, names, recognised};

/// `COLUMN=NAME`: what a column holds; or `VALUE=PATH`: which send path a word in the column of paths is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The column's heading, or the word.
    pub of: String,
    pub(crate) to: String,
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (of, to) = text
            .rsplit_once('=')
            .map(|(of, to)| (of.trim(), to.trim()))
            .filter(|(of, to)| !of.is_empty() && !to.is_empty())
            .ok_or_else(|| {
                let text = model::quoted(text);
                format!("{text} is no COLUMN=NAME; for instance --map speed=goodput_mbps")
            })?;
        let mapping = Self { of: of.to_owned(), to: to.to_owned() };
        match (mapping.path(), recognised(to, None)) {
            (Some(_), _) | (None, Taken::As(..)) => Ok(mapping),
            (None, Taken::OneOf(which, names)) => {
                Err(format!("{text}: {which} one of: {}", names.join(", ")))
            }
            (None, Taken::Unknown) => {
                let names = names();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                Err(model::nearest::unknown("name", to, &names)
                    + ", a factor or metric of results.csv, or a send path for a word of that column")
            }
        }
    }
}

impl Mapping {
    /// The send path that it names, where it names one.
    pub(crate) fn path(&self) -> Option<SendPath> {
        self.to.parse().ok()
    }

    /// Whether it says which path a word is, rather than what a column holds.
    pub fn is_of_value(&self) -> bool {
        self.path().is_some()
    }

    /// Whether it says which path this word is.
    pub(crate) fn is_of_word(&self, word: &str) -> bool {
        self.path().is_some() && self.of.eq_ignore_ascii_case(word.trim())
    }

    /// Whether it speaks of a column with this heading.
    pub(crate) fn is_of(&self, heading: &str) -> bool {
        self.path().is_none() && self.of.eq_ignore_ascii_case(heading.trim())
    }

    /// What its column is taken as.
    pub(crate) fn taken(&self) -> Taken {
        recognised(&self.to, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_names_a_column_or_a_path_and_nothing_else() {
        let mapping: Mapping = "speed = goodput_mbps".parse().unwrap();
        assert!(mapping.is_of("Speed") && mapping.path().is_none());
        assert!("a=b=threads".parse::<Mapping>().unwrap().is_of("a=b"));
        assert_eq!(
            "fast one=zerocopy".parse::<Mapping>().unwrap().path(),
            Some(SendPath::Zerocopy)
        );
        assert!("x=ignore".parse::<Mapping>().is_ok());
        let error = |text: &str| text.parse::<Mapping>().unwrap_err();
        assert!(error("speed").contains("COLUMN=NAME"));
        assert!(error("speed=throughput").contains("in which unit"));
        assert!(error("speed=goodput_gbp").contains("did you mean \"goodput_gbps\""));
    }
}
