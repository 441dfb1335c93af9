//! What a question or a claim of the paper is called: `q4`, `c17`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// A question (`q0` … `q6`) or a claim (`c1` … `c25`) of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id {
    /// A question, by its number.
    Question(usize),
    /// A claim, by its number.
    Claim(usize),
}

impl Id {
    /// Its number.
    pub const fn number(self) -> usize {
        match self {
            Self::Question(number) | Self::Claim(number) => number,
        }
    }

    /// As readers see it: `Q4`.
    pub fn name(self) -> String {
        self.to_string().to_uppercase()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Question(number) => write!(f, "q{number}"),
            Self::Claim(number) => write!(f, "c{number}"),
        }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Id {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[qc][0-9]+$" })
    }
}
