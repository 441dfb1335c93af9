//! A figure that may be absent, with the reason.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::missing::Missing;

/// A value that was measured, or why it was not. Absent is never zero.
///
/// In files: the value itself, or `{"absent": "reason"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Measured<T> {
    /// Why there is no value, in one line with the remedy where there is one.
    // Tried first when read, so that a value type with defaulted fields cannot swallow it.
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
}
