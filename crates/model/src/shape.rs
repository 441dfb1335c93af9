//! How the bytes of a message are parted into fields.

use std::fmt;
use std::str::FromStr;

use crate::cell::Cell;
use crate::factor::Factor;
use crate::units::Bytes;
use crate::values::{FactorValue, Fields, MAX_FIELDS, MAX_MESSAGE, MessageSize};

/// Equal fields, as many as `fields` says, or fields of these lengths, such as a header and a body.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// The message's bytes in equal fields.
    Equal,
    /// One length a field, in bytes and in the order in which they are sent. They decide the size of the message.
    Lengths(Lengths),
}

/// From one to [`MAX_FIELDS`] lengths, none of them 0, of at most [`MAX_MESSAGE`] together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lengths(Vec<u64>);

impl Lengths {
    /// The lengths of a message's fields, in bytes.
    ///
    /// # Errors
    /// Too many, none, one of 0, or too large together.
    pub fn new(lengths: Vec<u64>) -> Result<Self, String> {
        if lengths.is_empty() || lengths.len() > MAX_FIELDS as usize {
            return Err(format!(
                "a message has from 1 to {MAX_FIELDS} fields, not {}",
                lengths.len()
            ));
        }
        if lengths.contains(&0) {
            return Err("a field has at least one byte".to_owned());
        }
        let sum = lengths.iter().try_fold(0_u64, |sum, length| sum.checked_add(*length));
        if sum.and_then(MessageSize::new).is_none() {
            return Err(format!(
                "a message must have from 1 byte to {MAX_MESSAGE} in all its fields"
            ));
        }
        Ok(Self(lengths))
    }

    /// The lengths, in bytes.
    pub fn bytes(&self) -> &[u64] {
        &self.0
    }
}

impl Shape {
    /// The size of the message and the number of its fields, where it decides them.
    pub fn decides(&self) -> Option<(MessageSize, Fields)> {
        let Self::Lengths(Lengths(lengths)) = self else { return None };
        // `Lengths::new` saw to it that both are.
        let fields = Fields::new(u32::try_from(lengths.len()).ok()?)?;
        Some((MessageSize::new(lengths.iter().sum())?, fields))
    }
}

/// The shapes that a list of fields' lengths stands for, as the shape factor reads them; none where the list tells how many equal
/// fields a message has. A unit (`24,64KiB`, `64B`) or a plus sign (`24+64,24+4096`, a shape an item) says that they are lengths:
/// `1,8` are two counts.
pub fn shapes_of_lengths(fields: &str) -> Option<String> {
    if fields.contains('+') {
        return Some(fields.to_owned());
    }
    let has_unit = |item: &str| {
        let unit = item.trim().trim_start_matches(|c: char| c.is_ascii_digit());
        unit.len() < item.trim().len() && unit.trim().starts_with(char::is_alphabetic)
    };
    fields.split(',').any(has_unit).then(|| fields.replace(',', "+"))
}

/// Refuses values of factors that mean nothing beside these shapes, as each of those decides size and fields.
///
/// # Errors
/// What is wrong with the first such factor, and the remedy.
pub fn check_beside_shapes(
    mut given: impl Iterator<Item = Factor>,
    shapes: &[Shape],
) -> Result<(), (Factor, String)> {
    if shapes.contains(&Shape::Equal) {
        return Ok(());
    }
    let idle = given.find(|factor| matches!(factor, Factor::Message | Factor::Fields));
    let why = |shape: &Shape| {
        format!(
            "the shape {shape} decides the size and the fields of a message; leave this out, or name equal in --shape too"
        )
    };
    match (idle, shapes.first()) {
        (Some(factor), Some(shape)) => Err((factor, why(shape))),
        (None, _) | (_, None) => Ok(()),
    }
}

/// `equal`, or the lengths in bytes with a plus sign between.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal => f.pad("equal"),
            Self::Lengths(Lengths(lengths)) => {
                let texts: Vec<String> = lengths.iter().map(u64::to_string).collect();
                f.pad(&texts.join("+"))
            }
        }
    }
}

impl FromStr for Shape {
    type Err = String;

    /// `equal`, or lengths as people write them: `24+64KiB`.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("equal") {
            return Ok(Self::Equal);
        }
        let length = |part: &str| part.parse::<Bytes>().map(|bytes| bytes.0);
        let lengths: Result<Vec<u64>, String> =
            text.split('+').take(MAX_FIELDS as usize + 1).map(length).collect();
        lengths.and_then(Lengths::new).map(Self::Lengths).map_err(|why| {
            format!("{why}; write equal, or the length of each field, such as 24+64KiB")
        })
    }
}

impl FactorValue for Shape {
    fn words() -> Vec<&'static str> {
        vec!["equal"]
    }
}

impl Cell {
    /// The same cell with the size and the number of fields that its shape decides.
    #[must_use]
    pub fn in_its_shape(self) -> Self {
        match self.shape.decides() {
            Some((message, fields)) => Self { message, fields, ..self },
            None => self,
        }
    }

    /// Lengths of its message's fields in bytes, in the order in which they are sent. Of equal ones that do not come out even the
    /// first are a byte longer.
    pub fn field_lengths(&self) -> impl Iterator<Item = u64> {
        let (bytes, count) = (self.message.bytes().0, u64::from(self.fields.get()));
        let (given, equal) = match &self.shape {
            Shape::Equal => (None, 0..count),
            Shape::Lengths(lengths) => (Some(lengths.bytes()), 0..0),
        };
        let equal = equal.map(move |index| bytes / count + u64::from(index < bytes % count));
        given.unwrap_or_default().iter().copied().chain(equal)
    }

    /// The length of the longest of them.
    pub fn longest_field(&self) -> u64 {
        match &self.shape {
            Shape::Equal => self.message.bytes().0.div_ceil(u64::from(self.fields.get())),
            Shape::Lengths(lengths) => lengths.bytes().iter().copied().max().unwrap_or(0),
        }
    }

    /// Whether size and fields are those of its shape.
    ///
    /// # Errors
    /// They are not, with the remedy.
    pub(crate) fn check_shape(&self) -> Result<(), String> {
        match self.shape.decides() {
            Some(decided) if decided != (self.message, self.fields) => Err(format!(
                "the shape {} makes messages of {} bytes in {} fields, not of {} in {}; use --shape equal, or leave out size and fields",
                self.shape, decided.0, decided.1, self.message, self.fields
            )),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use crate::{Plan, Preset};

    #[test]
    fn a_shape_reads_back_as_it_is_written_and_decides_size_and_fields() {
        for (text, written, bytes, fields) in [
            ("24+64KiB", "24+65536", 65_560, 2),
            (" 64KiB ", "65536", 65_536, 1),
            ("1+1+1", "1+1+1", 3, 3),
        ] {
            let shape: Shape = text.parse().unwrap();
            assert_eq!(shape.to_string(), written);
            assert_eq!(written.parse(), Ok(shape.clone()));
            let (message, count) = shape.decides().unwrap();
            assert_eq!((message.bytes().0, count.get()), (bytes, fields));
        }
        assert_eq!("Equal".parse(), Ok(Shape::Equal));
        assert_eq!(Shape::Equal.decides(), None);
    }

    #[test]
    fn lengths_of_fields_bear_a_unit_or_a_plus_sign_and_counts_neither() {
        for (fields, shapes) in [
            ("24,64KiB", Some("24+64KiB")),
            ("24B,100", Some("24B+100")),
            ("64 KiB", Some("64 KiB")),
            ("24+64KiB,24+4KiB", Some("24+64KiB,24+4KiB")),
            ("24+64", Some("24+64")),
            ("8", None),
            ("1,8", None),
            ("1..64", None),
            ("eight", None),
            ("", None),
        ] {
            assert_eq!(shapes_of_lengths(fields).as_deref(), shapes, "{fields}");
        }
    }

    #[test]
    fn what_is_no_shape_is_refused_with_the_way_to_write_one() {
        let many = vec!["1"; MAX_FIELDS as usize + 1].join("+");
        let large = format!("{}+1", MAX_MESSAGE.0);
        let overflowing = format!("{0}+{0}", u64::MAX);
        for text in ["", "0", "24+", "24+0", "24,64KiB", "header", &many, &large, &overflowing] {
            let why = text.parse::<Shape>().unwrap_err();
            assert!(why.ends_with("such as 24+64KiB") && !why.contains('\n'), "{text}: {why}");
        }
    }

    #[test]
    fn cells_of_a_plan_have_the_size_of_their_shape_once() {
        let mut plan = Plan::preset(Preset::Default);
        plan.factors.set(Factor::Threads, "1").unwrap();
        plan.factors.set(Factor::Shape, "24+4KiB,24+64KiB").unwrap();
        let cells = plan.cells();
        // Three paths and two shapes, whatever sizes stand beside them.
        assert_eq!(cells.len(), 6);
        for cell in cells {
            assert_eq!(cell.check(), Ok(()));
            assert_eq!(cell.id().parse(), Ok(cell.clone()));
            let message = Message::of(&cell, 4096).unwrap();
            assert_eq!(message.fields()[0].length, 24);
            assert_eq!(message.fields().len(), 2);
            assert_eq!(message.bytes() as u64, cell.message.bytes().0);
        }
        let cell: Cell = "message_bytes=64 shape=24+4096".parse().unwrap();
        let why = cell.check().unwrap_err();
        assert!(why.contains("4120 bytes in 2 fields, not of 64 in 8"), "{why}");
    }
}
