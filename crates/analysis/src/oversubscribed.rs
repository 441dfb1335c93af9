//! Whether more busy threads than usable CPUs stand behind a figure, as far as anybody knows.

use schemars::JsonSchema;
use serde::Serialize;

/// Whether more busy threads than usable CPUs stand behind something; `null` where nobody knows how many CPUs there were, as of
/// an imported table, or nothing was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Oversubscribed(Option<bool>);

impl Oversubscribed {
    /// Nobody knows.
    pub const UNKNOWN: Self = Self(None);

    /// Whether it is known to be so.
    pub const fn is_so(self) -> bool {
        matches!(self.0, Some(true))
    }

    /// Whether it is known to be so or not.
    pub const fn is_known(self) -> bool {
        self.0.is_some()
    }

    /// Of all together: so where one is, else unknown where one is. Not so of none.
    pub fn any(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self(Some(false)), |any, one| match (any.0, one.0) {
            (Some(true), _) | (_, Some(true)) => Self(Some(true)),
            (None, _) | (_, None) => Self::UNKNOWN,
            (Some(false), Some(false)) => any,
        })
    }
}

impl From<bool> for Oversubscribed {
    fn from(is_so: bool) -> Self {
        Self(Some(is_so))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_known_to_be_so_says_it_of_all_and_an_unknown_one_says_nothing_is_known() {
        let (yes, no, unknown) = (true.into(), false.into(), Oversubscribed::UNKNOWN);
        for (all, is) in [
            (vec![], no),
            (vec![no, no], no),
            (vec![no, unknown], unknown),
            (vec![unknown, yes, no], yes),
        ] {
            assert_eq!(Oversubscribed::any(all.clone()), is, "{all:?}");
        }
        assert_eq!(serde_json::to_string(&unknown).unwrap(), "null");
        assert_eq!(serde_json::to_string(&yes).unwrap(), "true");
    }
}
