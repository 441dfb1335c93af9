//! A figure that may be absent, with the reason.

use schemars::JsonSchema;
use serde::Serialize;

use crate::missing::Missing;

mod reading;

/// A value that was measured, or why it was not. Absent is never zero.
///
/// In files: the value itself, or `{"absent": "reason"}`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Measured<T> {
    /// Why there is no value, in one line with the remedy where there is one.
    Absent {
        /// The reason.
        absent: String,
    },
    /// What was measured.
    Value(T),
}

impl<T> Measured<T> {
    /// An absent figure with its reason.
    pub fn absent(reason: impl Into<String>) -> Self {
        Self::Absent { absent: reason.into() }
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent { .. } => None,
        }
    }

    /// The reason of an absence.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Value(_) => None,
            Self::Absent { absent } => Some(absent),
        }
    }

    /// What an absence lacks, by this name.
    pub fn missing(&self, what: impl Into<String>) -> Option<Missing> {
        Some(Missing::of_itself(what).because(self.reason()?))
    }

    /// The same absence, or another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Measured<U> {
        match self {
            Self::Value(value) => Measured::Value(f(value)),
            Self::Absent { absent } => Measured::Absent { absent },
        }
    }

    /// A reference to the value, or the same absence.
    pub fn as_ref(&self) -> Measured<&T> {
        match self {
            Self::Value(value) => Measured::Value(value),
            Self::Absent { absent } => Measured::Absent { absent: absent.clone() },
        }
    }
}

impl<T, E: std::fmt::Display> From<Result<T, E>> for Measured<T> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Value(value),
            Err(reason) => Self::absent(reason.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use serde::Deserialize;

    use super::*;

    #[test]
    fn an_absent_figure_keeps_its_reason_through_a_file() {
        let absent: Measured<u64> = Measured::absent("no counter");
        let text = serde_json::to_string(&absent).unwrap();
        assert_eq!(text, r#"{"absent":"no counter"}"#);
        assert_eq!(serde_json::from_str::<Measured<u64>>(&text).unwrap(), absent);
        assert_eq!(serde_json::from_str::<Measured<u64>>("0").unwrap(), Measured::Value(0));
        let missing = absent.missing("cycles").unwrap();
        assert_eq!(missing.to_string(), "cycles: no counter");
        assert_eq!(Measured::Value(0).missing("cycles"), None);
    }

    #[test]
    fn values_of_every_shape_are_told_from_absences() {
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        struct Counted {
            n: u64,
            names: Vec<String>,
        }
        fn both<T>(value: T, text: &str)
        where
            T: Clone + fmt::Debug + PartialEq + Serialize + for<'de> Deserialize<'de>,
        {
            let value = Measured::Value(value);
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
            assert_eq!(serde_json::from_str::<Measured<T>>(text).unwrap(), value);
            // From values in memory, and from a source that lends no text.
            let json: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::from_value::<Measured<T>>(json).unwrap(), value);
            assert_eq!(serde_json::from_reader::<_, Measured<T>>(text.as_bytes()).unwrap(), value);
            let absent: Measured<T> = Measured::absent("no \"source\"");
            let text = serde_json::to_string(&absent).unwrap();
            assert_eq!(serde_json::from_str::<Measured<T>>(&text).unwrap(), absent);
            assert_eq!(serde_json::from_reader::<_, Measured<T>>(text.as_bytes()).unwrap(), absent);
        }
        both(true, "true");
        both(-3_i64, "-3");
        both(0.25_f64, "0.25");
        both(u64::MAX, "18446744073709551615");
        both("absent".to_owned(), r#""absent""#);
        both(vec![[1_u64, 2]], "[[1,2]]");
        both(Counted { n: 2, names: vec!["a".to_owned()] }, r#"{"n":2,"names":["a"]}"#);
        both(crate::units::Nanos(7), "7");
        both(crate::names::Link::Sink, r#""sink""#);
        // A value with defaulted fields does not swallow an absence.
        let text = r#"{"absent":"why"}"#;
        assert_eq!(serde_json::from_str::<Measured<Counted>>(text).unwrap().reason(), Some("why"));
        // Neither, or both: refused, and the refusal says what is wrong.
        for (text, why) in [
            ("\"x\"", "invalid type: string \"x\", expected u64"),
            (r#"{"absent":3}"#, "invalid type: integer `3`, expected a string"),
            (r#"{"absent":"x","n":1}"#, "unknown field `n`"),
            ("{}", "invalid type: map, expected u64"),
            ("null", "invalid type: null, expected u64"),
        ] {
            let error = serde_json::from_str::<Measured<u64>>(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
