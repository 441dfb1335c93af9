//! What is compared with what: a factor and two of its values, all else equal, within one block.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::cell::Cell;
use crate::factor::Factor;
use crate::names::{Completions, MemoryLoad, SendPath, Sockets};

/// A factor and two of its values, all else equal: `send: zerocopy / sendmsg`.
///
/// Values are kept as files spell them, so that every factor has contrasts without a type of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contrast {
    /// What differs.
    pub factor: Factor,
    /// The value of the cells that are looked at.
    pub value: String,
    /// The value of those that they are compared with.
    pub against: String,
}

impl Contrast {
    /// The contrast of a factor between two cells.
    pub fn between(factor: Factor, cell: &Cell, against: &Cell) -> Self {
        Self { factor, value: cell.get(factor), against: against.get(factor) }
    }

    /// One send path against another.
    pub fn of_paths(path: SendPath, against: SendPath) -> Self {
        let (value, against) = (path.name().to_owned(), against.name().to_owned());
        Self { factor: Factor::Send, value, against }
    }

    /// The two send paths, of a contrast of paths.
    pub fn paths(&self) -> Option<[SendPath; 2]> {
        let path = |name: &str| name.parse().ok().filter(|_| self.factor == Factor::Send);
        Some([path(&self.value)?, path(&self.against)?])
    }

    /// The cell that another is compared with; none for one that has not the contrast's value, and for one to which the factor
    /// means nothing: that would be compared with itself.
    pub fn twin(&self, cell: &Cell) -> Option<Cell> {
        if cell.get(self.factor) != self.value {
            return None;
        }
        let mut twin = cell.clone();
        twin.set(self.factor, &self.against).ok()?;
        Some(twin.on_its_link()).filter(|twin| twin != cell)
    }

    /// The two values: `zerocopy / sendmsg`.
    pub fn values(&self) -> String {
        format!("{} / {}", self.value, self.against)
    }
}

impl fmt::Display for Contrast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}: {}", self.factor.key(), self.values()))
    }
}

impl FromStr for Contrast {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{} is no contrast; write one as \"send: zerocopy / sendmsg\"",
                crate::quoted(text)
            )
        };
        let (factor, values) = text.split_once(':').ok_or_else(wrong)?;
        let (value, against) = values.split_once(" / ").ok_or_else(wrong)?;
        let factor = Factor::of_key(factor.trim())?;
        // Read as values of the factor, so that an alias is kept by its name in files.
        let spelt = |text: &str| {
            let mut cell = Cell::default();
            cell.set(factor, text.trim())?;
            Ok::<String, String>(cell.get(factor))
        };
        let (value, against) = (spelt(value)?, spelt(against)?);
        if value == against {
            return Err(format!(
                "{}: a contrast needs two values that differ",
                crate::quoted(text)
            ));
        }
        Ok(Self { factor, value, against })
    }
}

impl Serialize for Contrast {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Contrast {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Contrast".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A factor and two of its values, all else equal: `send: zerocopy / sendmsg`."
        })
    }
}

/// What cells share: a value for every factor but those in which they may differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shared {
    /// The cell with those factors at their defaults.
    cell: Cell,
    but: Vec<Factor>,
}

impl Shared {
    /// What a cell shares with those that differ from it in these factors alone.
    pub fn new(cell: &Cell, but: &[Factor]) -> Self {
        let mut cell = cell.clone();
        but.iter().for_each(|factor| cell.reset(*factor));
        Self { cell, but: but.to_vec() }
    }

    /// The cell with the factors that may differ at their defaults.
    pub const fn cell(&self) -> &Cell {
        &self.cell
    }

    /// The factors in which the cells may differ.
    pub fn but(&self) -> &[Factor] {
        &self.but
    }

    /// Whether a cell is one of them.
    pub fn has(&self, cell: &Cell) -> bool {
        let mut cell = cell.clone();
        self.but.iter().for_each(|factor| cell.reset(*factor));
        cell == self.cell
    }

    /// The same, with more factors in which they may differ.
    #[must_use]
    pub fn without(&self, more: &[Factor]) -> Self {
        let but: Vec<Factor> = self.but.iter().chain(more).copied().collect();
        Self::new(&self.cell, &but)
    }

    /// Whether the cells do what their path's name says (see [`Cell::is_itself`]), whichever path it is.
    pub fn is_itself(&self) -> bool {
        self.cell.so_zerocopy.is_on()
            && self.cell.completions == Completions::Read
            && self.cell.sockets == Sockets::Own
            && self.cell.memory_load == MemoryLoad::Off
    }

    /// The factors that its text names: those that are not at their defaults, size and threads always.
    pub fn named(&self) -> impl Iterator<Item = Factor> + '_ {
        Factor::ALL.iter().copied().filter(|factor| {
            let always = matches!(factor, Factor::Message | Factor::Threads);
            !self.but.contains(factor) && (always || !self.cell.is_default(*factor))
        })
    }
}

/// Id text: every factor that is not at its default; size and threads always, unless they may differ.
impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |factor: Factor| format!("{}={}", factor.id_key(), self.cell.get(factor));
        f.pad(&self.named().map(part).collect::<Vec<_>>().join(" "))
    }
}

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Shared {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Shared".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "What cells share, as id text: `threads=1 placement=none`; defaults are left out."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contrast_reads_back_as_it_is_written_and_knows_its_twins() {
        let contrast: Contrast = "send: A3 / writev".parse().unwrap();
        assert_eq!(contrast.to_string(), "send: zerocopy / sendmsg");
        let cell: Cell = "send=zerocopy message_bytes=64 threads=2".parse().unwrap();
        let twin = contrast.twin(&cell).unwrap();
        assert_eq!(twin.id(), "send=sendmsg message_bytes=64 threads=2");
        assert_eq!(contrast.twin(&twin), None);
        assert_eq!(Contrast::between(Factor::Send, &cell, &twin), contrast);
        // A path that hands over all fields alike has the default length, and is no twin of its own.
        let lengths: Contrast = "copy-below: 16KiB / 1KiB".parse().unwrap();
        let of = |path: &str| lengths.twin(&format!("send={path}").parse().unwrap());
        assert_eq!(of("sendmsg"), None);
        assert_eq!(of("hybrid").unwrap().get(Factor::CopyBelow), "1024");
        let option: Contrast = "so-zerocopy: on / off".parse().unwrap();
        assert_eq!(option.twin(&"send=uring-send-zc".parse().unwrap()), None);
        assert!(option.twin(&"send=zerocopy".parse().unwrap()).is_some());
    }

    #[test]
    fn what_is_no_contrast_says_how_one_is_written() {
        for (text, part) in [
            ("send", "write one as"),
            ("send: zerocopy", "write one as"),
            ("sned: a / b", "did you mean \"send\""),
            ("send: zerocopi / send", "did you mean \"zerocopy\""),
            ("nodelay: on / yes", "two values that differ"),
        ] {
            let why = text.parse::<Contrast>().unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn what_cells_share_leaves_out_what_may_differ() {
        let cell: Cell = "send=zerocopy message_bytes=64 threads=2 placement=none".parse().unwrap();
        let shared = Shared::new(&cell, &[Factor::Send, Factor::Message]);
        assert_eq!(shared.to_string(), "threads=2 placement=none");
        let other: Cell = "send=send message_bytes=512 threads=2 placement=none".parse().unwrap();
        assert!(shared.has(&other));
        assert!(!shared.has(&"send=send threads=2".parse().unwrap()));
        assert_eq!(shared.without(&[Factor::Placement]).to_string(), "threads=2");
    }
}
