//! The fields of a message and where they lie in a slot.

use crate::cell::Cell;
use crate::names::Layout;
use crate::units::Bytes;

/// A field: its offset from the start of the slot, and its length, both in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// From the start of the slot.
    pub offset: usize,
    /// Never 0.
    pub length: usize,
}

/// How one message lies in its slot, and slots lie in an arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    fields: Vec<Field>,
    bytes: usize,
    stride: usize,
}

/// A cache line, on every CPU that this runs on today; a larger one only widens the gaps' meaning.
const LINE: usize = 64;

impl Message {
    /// Lays out a cell's message on pages of `page` bytes.
    ///
    /// Fields as the cell's shape has them, or equal ones; where the size is no multiple of their number, the first ones are a
    /// byte longer, so that none is lost. The alignment is the same for every path.
    ///
    /// # Errors
    /// A message smaller than its number of fields, one whose slot does not fit the address space, or an offset that
    /// the layout or the page has no place for.
    pub fn of(cell: &Cell, page: usize) -> Result<Self, String> {
        cell.check_shape()?;
        let (size, layout) = (cell.message, cell.layout);
        let count = cell.fields.get() as usize;
        let shift = cell.offset.bytes() as usize;
        if shift > 0 && layout != Layout::Paged {
            return Err(format!(
                "an offset of {shift} bytes from a page's start means nothing to the layout {layout}; use --layout paged, or --offset 0"
            ));
        }
        if shift >= page {
            return Err(format!(
                "an offset of {shift} bytes lies beyond a page of {page} bytes; use a smaller --offset"
            ));
        }
        let too_large =
            || format!("a message of {size} bytes in {count} fields does not fit this machine");
        let bytes = usize::try_from(size.bytes().0).map_err(|_| too_large())?;
        if bytes < count {
            return Err(format!(
                "a message of {bytes} bytes has no room for {count} fields; use --fields {bytes} or fewer, or a larger size"
            ));
        }
        // No field is larger than the message, which fits.
        let lengths = cell.field_lengths().map(|length| usize::try_from(length).unwrap_or(bytes));
        let mut laid = Vec::with_capacity(count);
        let mut offset = shift;
        for length in lengths {
            laid.push(Field { offset, length });
            offset = match layout {
                Layout::Packed => offset + length,
                Layout::Paged => (offset + length).next_multiple_of(page) + shift,
                // A whole line free between fields, so that neighbours never merge into one page fragment.
                Layout::Scattered => (offset + length).next_multiple_of(LINE) + LINE,
            };
        }
        let stride = match layout {
            Layout::Packed => offset.next_multiple_of(LINE),
            Layout::Paged => offset - shift,
            // An odd number of lines, so that the slots' fields spread over all cache sets.
            Layout::Scattered if (offset / LINE).is_multiple_of(2) => offset + LINE,
            Layout::Scattered => offset,
        };
        Ok(Self { fields: laid, bytes, stride })
    }

    /// The fields in the order in which they are sent.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The bytes of one message.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// From the start of one slot to the start of the next, in bytes.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The length of an arena of `slots` slots.
    pub fn arena(&self, slots: u32) -> Option<Bytes> {
        self.stride.checked_mul(slots as usize).and_then(|n| u64::try_from(n).ok()).map(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(id: &str) -> Result<Message, String> {
        Message::of(&id.parse().unwrap(), 4096)
    }

    fn message(bytes: u64, fields: u32, layout: Layout) -> Result<Message, String> {
        of(&format!("message_bytes={bytes} fields={fields} layout={layout}"))
    }

    #[test]
    fn an_offset_moves_every_field_from_its_pages_start_and_may_take_a_page_more() {
        let spans = |offset: u32| {
            let cell = format!("message_bytes=8192 fields=2 layout=paged offset={offset}");
            let message = of(&cell).unwrap();
            let fields = message.fields().iter().map(|f| f.offset).collect::<Vec<_>>();
            (fields, message.stride())
        };
        assert_eq!(spans(0), (vec![0, 4096], 8192));
        assert_eq!(spans(1), (vec![1, 8193], 16_384));
        let small = of("message_bytes=4096 fields=2 layout=paged offset=2048").unwrap();
        assert_eq!((small.fields()[1].offset, small.stride()), (4096 + 2048, 8192));
    }

    #[test]
    fn an_offset_that_has_no_place_is_refused_with_the_remedy() {
        for (layout, offset, remedy) in [
            ("scattered", 1, "--layout paged"),
            ("packed", 1, "--offset 0"),
            ("paged", 4096, "--offset"),
        ] {
            let why = of(&format!("layout={layout} offset={offset}")).unwrap_err();
            assert!(why.contains(remedy) && !why.contains('\n'), "{why}");
        }
    }

    #[test]
    fn a_size_that_the_fields_do_not_divide_loses_nothing() {
        let message = message(67, 8, Layout::Packed).unwrap();
        let lengths: Vec<_> = message.fields().iter().map(|f| f.length).collect();
        assert_eq!(lengths, [9, 9, 9, 8, 8, 8, 8, 8]);
    }

    #[test]
    fn a_message_smaller_than_its_fields_is_refused_with_the_remedy() {
        assert!(message(7, 8, Layout::Scattered).unwrap_err().contains("--fields 7"));
    }

    proptest! {
        #[test]
        fn fields_never_overlap_and_hold_every_byte(
            bytes in 1_u64..300_000, fields in 1_u32..64, layout in prop::sample::select(Layout::ALL)
        ) {
            prop_assume!(bytes >= u64::from(fields));
            let message = message(bytes, fields, layout).unwrap();
            prop_assert_eq!(message.fields().iter().map(|f| f.length).sum::<usize>() as u64, bytes);
            for pair in message.fields().windows(2) {
                let gap = pair[1].offset - (pair[0].offset + pair[0].length);
                prop_assert!(pair[0].length - pair[1].length <= 1);
                match layout {
                    Layout::Packed => prop_assert_eq!(gap, 0),
                    Layout::Paged => prop_assert_eq!(pair[1].offset % 4096, 0),
                    Layout::Scattered => prop_assert!(gap >= LINE && pair[1].offset % LINE == 0),
                }
            }
            let last = message.fields().last().unwrap();
            prop_assert!(last.offset + last.length <= message.stride());
        }
    }
}
