//! The longest field of the asked message, by which paths that copy short fields are told apart.

use model::shape::Shape;
use model::values::CopyBelow;
use model::{Cell, SendPath};

/// The place of a message's longest field, its length, and that of the second longest; none where two are as long.
pub(super) fn longest(cell: &Cell) -> Option<(usize, u64, u64)> {
    let mut fields: Vec<(u64, usize)> =
        cell.field_lengths().enumerate().map(|(place, bytes)| (bytes, place)).collect();
    fields.sort_unstable();
    let (longest, place) = fields.pop()?;
    let second = fields.last().map_or(0, |(bytes, _)| *bytes);
    (longest > second).then_some((place, longest, second))
}

/// From which length on a field is passed by reference, where a path copies shorter ones: the usual one where that parts the
/// longest field from the others, at a quarter of its length too; else one that does.
pub(super) fn copy_below(cell: &Cell, paths: &[SendPath]) -> CopyBelow {
    let usual = CopyBelow::DEFAULT;
    let is_asked = paths.iter().any(|path| path.capabilities().copies_short_fields);
    let (true, Shape::Lengths(_), Some((_, longest, second))) =
        (is_asked, &cell.shape, longest(cell))
    else {
        return usual;
    };
    let parts = |bytes: &u64| *bytes > second && *bytes <= longest;
    let far = longest / 4;
    if usual.bytes().0 > second && usual.bytes().0 <= far {
        return usual;
    }
    let above = second.saturating_add(1);
    let round = above.checked_next_power_of_two().unwrap_or(above);
    let of_all = [round, above].into_iter().find(|bytes| *bytes <= far);
    let bytes = of_all.or([usual.bytes().0, round, above].into_iter().find(parts));
    bytes.and_then(CopyBelow::new).unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_field_alone_is_passed_also_where_it_is_a_quarter_as_long() {
        let of = |shape: &str, paths: &[SendPath]| {
            let cell: Cell = format!("shape={shape}").parse().unwrap();
            let cell = cell.in_its_shape();
            copy_below(&cell, paths).bytes().0
        };
        let hybrid = [SendPath::Sendmsg, SendPath::Hybrid];
        for (shape, below) in [
            ("24+65536", 16_384),
            ("24+16384", 32),
            ("1000+8192", 1024),
            ("3000+8192", 4096),
            ("5000+8192+20", 8192),
            // What no length parts, and what nobody asks.
            ("65536+65536", 16_384),
            ("equal", 16_384),
        ] {
            assert_eq!(of(shape, &hybrid), below, "{shape}");
        }
        assert_eq!(of("24+4096", SendPath::STUDY), 16_384);
    }
}
