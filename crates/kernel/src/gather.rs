//! A message as the kernel gathers it: an `iovec` for each field, and the `msghdr` around them.

use std::fmt;
use std::ptr;
use std::sync::Arc;

use crate::arena::{Arena, Mapping};
use crate::error::{CallError, Errno};

/// The most fields that one `sendmsg` takes (`UIO_MAXIOV`; `sendmsg` answers EMSGSIZE above).
pub(crate) const MOST_FIELDS: usize = 1024;

/// Where one field lies in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// Bytes from the beginning of the slot.
    pub offset: usize,
    /// Bytes of the field.
    pub bytes: usize,
}

/// A message's fields, ready for `sendmsg`, that can be pointed at one slot after another.
///
/// Nothing is allocated after construction, and pointing it elsewhere costs one bounds check and two
/// stores a field: the fields' extent is computed once, in the constructor. It keeps the memory mapped
/// that it points to, so a forgotten gather can at worst send bytes that have changed meanwhile.
pub struct Gather {
    fields: Vec<Field>,
    iovecs: Vec<libc::iovec>,
    header: libc::msghdr,
    span: usize,
    bytes: usize,
    /// What the iovecs point into; `None` until pointed for the first time.
    mapping: Option<Arc<Mapping>>,
    base: *mut u8,
}

// SAFETY: the raw pointers lead into the gather's own vector, which moves with it, and into the mapping,
// which it keeps alive and which belongs to no thread.
unsafe impl Send for Gather {}

impl Gather {
    /// A message of these fields, in this order. It must be pointed at a slot before it is sent.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` for more than `UIO_MAXIOV` (1024) fields, `EINVAL` when an offset or the sum of the fields
    /// overflows.
    pub fn new(fields: &[Field]) -> Result<Self, CallError> {
        let refused = |errno| CallError {
            call: "sendmsg",
            argument: format!("a message of {} fields", fields.len()),
            errno: Errno(errno),
        };
        if fields.len() > MOST_FIELDS {
            return Err(refused(libc::EMSGSIZE));
        }
        let mut span = 0usize;
        let mut bytes = 0usize;
        for field in fields {
            let end = field.offset.checked_add(field.bytes).ok_or_else(|| refused(libc::EINVAL))?;
            span = span.max(end);
            bytes = bytes.checked_add(field.bytes).ok_or_else(|| refused(libc::EINVAL))?;
        }
        let nowhere = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: msghdr is a plain C struct for which all zeros is valid and means: nothing in it.
        let header: libc::msghdr = unsafe { std::mem::zeroed() };
        Ok(Self {
            fields: fields.to_vec(),
            iovecs: vec![nowhere; fields.len()],
            header,
            span,
            bytes,
            mapping: None,
            base: ptr::null_mut(),
        })
    }

    /// A message of fields of these lengths, one directly after the other.
    ///
    /// # Errors
    ///
    /// As [`Gather::new`].
    pub fn packed(lengths: &[usize]) -> Result<Self, CallError> {
        let mut offset = 0usize;
        let fields: Vec<Field> = lengths
            .iter()
            .map(|&bytes| {
                let field = Field { offset, bytes };
                offset = offset.saturating_add(bytes);
                field
            })
            .collect();
        Self::new(&fields)
    }

    /// The fields, as given.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Bytes of the whole message.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes from the beginning of a slot to the end of the field that reaches furthest.
    pub fn span(&self) -> usize {
        self.span
    }

    /// Points the whole message at the slot that begins `start` bytes into the arena.
    ///
    /// # Errors
    ///
    /// `EFAULT`, as the kernel would say, when the slot does not lie within the arena; the gather still
    /// points where it did.
    #[inline]
    pub fn point(&mut self, arena: &Arena, start: usize) -> Result<(), Errno> {
        let shared = arena.mapping();
        if start.checked_add(self.span).is_none_or(|end| end > shared.len()) {
            return Err(Errno(libc::EFAULT));
        }
        if !self.mapping.as_ref().is_some_and(|own| Arc::ptr_eq(own, shared)) {
            self.mapping = Some(Arc::clone(shared));
        }
        self.base = shared.base().wrapping_add(start);
        for (iovec, field) in self.iovecs.iter_mut().zip(&self.fields) {
            iovec.iov_base = self.base.wrapping_add(field.offset).cast();
            iovec.iov_len = field.bytes;
        }
        self.header.msg_iov = self.iovecs.as_mut_ptr();
        self.header.msg_iovlen = self.iovecs.len();
        Ok(())
    }

    /// Leaves what follows the first `skip_bytes` of the message, counted from the message's beginning
    /// whatever was skipped before: after a short send pass all that was accepted so far. The next
    /// [`point`](Self::point) makes it whole again.
    pub fn after(&mut self, skip_bytes: usize) {
        if self.mapping.is_none() {
            return;
        }
        let mut skip = skip_bytes;
        let mut first = self.iovecs.len();
        for (index, (iovec, field)) in self.iovecs.iter_mut().zip(&self.fields).enumerate() {
            let skipped = skip.min(field.bytes);
            skip -= skipped;
            iovec.iov_base = self.base.wrapping_add(field.offset + skipped).cast();
            iovec.iov_len = field.bytes - skipped;
            if iovec.iov_len > 0 {
                first = first.min(index);
            }
        }
        let rest = &mut self.iovecs[first..];
        self.header.msg_iovlen = rest.len();
        self.header.msg_iov = rest.as_mut_ptr();
    }

    /// How many bytes a send of the gather as it stands would offer: 0 before it is pointed.
    pub fn remaining(&self) -> usize {
        let first = self.iovecs.len() - self.header.msg_iovlen;
        self.iovecs[first..].iter().map(|iovec| iovec.iov_len).sum()
    }

    /// What the iovecs point into; none before the gather was pointed.
    #[inline]
    pub(crate) fn mapping(&self) -> Option<&Arc<Mapping>> {
        self.mapping.as_ref()
    }

    /// The iovecs that `vmsplice` takes, and how many; as with [`Gather::header`].
    #[inline]
    pub(crate) fn iovecs(&self) -> (*const libc::iovec, usize) {
        (self.header.msg_iov, self.header.msg_iovlen)
    }

    /// The header that `sendmsg` takes; what it points to lives as long as the gather, which is borrowed.
    #[inline]
    pub(crate) fn header(&self) -> &libc::msghdr {
        &self.header
    }
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather")
            .field("fields", &self.fields)
            .field("base", &self.base)
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the kernel would gather.
    fn gathered(gather: &Gather, arena: &Arena) -> Vec<u8> {
        let base = arena.bytes(0..1).as_ptr().addr();
        let first = gather.iovecs.len() - gather.header.msg_iovlen;
        assert_eq!(gather.header.msg_iov.addr(), gather.iovecs[first..].as_ptr().addr());
        gather.iovecs[first..]
            .iter()
            .flat_map(|iovec| {
                let start = iovec.iov_base.addr() - base;
                arena.bytes(start..start + iovec.iov_len).to_vec()
            })
            .collect()
    }

    fn numbered(bytes: usize) -> Arena {
        let mut arena = Arena::new(bytes).unwrap();
        for (index, byte) in arena.bytes_mut(0..bytes).iter_mut().enumerate() {
            *byte = u8::try_from(index % 251).unwrap();
        }
        arena
    }

    #[test]
    fn an_unpointed_gather_offers_nothing() {
        let mut gather = Gather::packed(&[4, 4]).unwrap();
        assert_eq!((gather.remaining(), gather.bytes(), gather.span()), (0, 8, 8));
        gather.after(3);
        assert_eq!((gather.remaining(), gather.header().msg_iovlen), (0, 0));
    }

    #[test]
    fn a_slot_must_lie_within_the_arena() {
        let arena = Arena::new(100).unwrap();
        let mut gather = Gather::packed(&[30, 30]).unwrap();
        assert_eq!(gather.point(&arena, 40), Ok(()));
        assert_eq!(gather.point(&arena, 41), Err(Errno(libc::EFAULT)));
        assert_eq!(gather.point(&arena, usize::MAX), Err(Errno(libc::EFAULT)));
        assert_eq!(gathered(&gather, &arena).len(), 60, "a refused pointing leaves the last one");
    }

    #[test]
    fn a_gather_keeps_the_memory_mapped_that_it_points_to() {
        let arena = Arena::new(4096).unwrap();
        let mut gather = Gather::packed(&[8]).unwrap();
        gather.point(&arena, 0).unwrap();
        let mapping = Arc::downgrade(arena.mapping());
        drop(arena);
        assert!(mapping.upgrade().is_some());
        let other = Arena::new(4096).unwrap();
        gather.point(&other, 0).unwrap();
        assert!(mapping.upgrade().is_none());
    }

    #[test]
    fn too_many_fields_and_overflowing_ones_are_refused() {
        assert!(Gather::packed(&[1; MOST_FIELDS]).is_ok());
        let many = Gather::packed(&[1; MOST_FIELDS + 1]).unwrap_err();
        assert_eq!(many.errno, Errno(libc::EMSGSIZE));
        for fields in [
            vec![Field { offset: usize::MAX, bytes: 1 }],
            vec![Field { offset: 0, bytes: usize::MAX }, Field { offset: 0, bytes: 1 }],
        ] {
            assert_eq!(Gather::new(&fields).unwrap_err().errno, Errno(libc::EINVAL));
        }
    }

    proptest! {
        #[test]
        fn the_rest_after_any_skip_is_the_messages_tail(
            lengths in prop::collection::vec(0usize..40, 0..12),
            gap in 0usize..64,
            start in 0usize..500,
            skips in prop::collection::vec(0usize..500, 0..4),
        ) {
            let arena = numbered(4096);
            let mut offset = 0;
            let fields: Vec<Field> = lengths.iter().map(|&bytes| {
                let field = Field { offset, bytes };
                offset += bytes + gap;
                field
            }).collect();
            let mut gather = Gather::new(&fields).unwrap();
            gather.point(&arena, start).unwrap();
            let whole = gathered(&gather, &arena);
            let expected: Vec<u8> = fields.iter()
                .flat_map(|f| arena.bytes(start + f.offset..start + f.offset + f.bytes).to_vec())
                .collect();
            prop_assert_eq!(&whole, &expected);
            for skip in skips {
                gather.after(skip);
                let rest = gathered(&gather, &arena);
                prop_assert_eq!(&rest[..], &whole[skip.min(whole.len())..]);
                prop_assert_eq!(gather.remaining(), rest.len());
            }
            gather.point(&arena, start).unwrap();
            prop_assert_eq!(gathered(&gather, &arena), whole);
        }
    }
}
