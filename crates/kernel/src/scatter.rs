//! An iovec for `recvmsg` and `readv`: memory in pieces, filled one after the other.

use std::{fmt, mem};

use crate::arena::Arena;
use crate::error::CallError;

/// Memory that one call fills piece by piece. The pieces lie one after the other, so that what was received is the beginning of
/// the whole.
///
/// Nothing is allocated after construction.
pub struct Scatter {
    /// What the iovecs point into: never moved nor given away while they exist.
    arena: Arena,
    iovecs: Vec<libc::iovec>,
}

impl Scatter {
    /// So many bytes in so many pieces of equal length, give or take one byte; fewer pieces where there are fewer bytes.
    ///
    /// # Errors
    ///
    /// As [`Arena::new`].
    pub fn new(bytes: usize, pieces: usize) -> Result<Self, CallError> {
        let mut arena = Arena::new(bytes)?;
        let pieces = pieces.clamp(1, bytes.max(1));
        let base = arena.bytes_mut(0..bytes).as_mut_ptr();
        let iovecs = (0..pieces)
            .map(|piece| {
                let (from, to) = (bytes * piece / pieces, bytes * (piece + 1) / pieces);
                libc::iovec { iov_base: base.wrapping_add(from).cast(), iov_len: to - from }
            })
            .collect();
        Ok(Self { arena, iovecs })
    }

    /// Bytes in all.
    pub fn len(&self) -> usize {
        self.arena.len()
    }

    /// Never: it has at least one byte.
    pub fn is_empty(&self) -> bool {
        self.arena.is_empty()
    }

    /// The first bytes, as many as were received.
    ///
    /// # Panics
    ///
    /// As slices do, where there are fewer.
    #[inline]
    pub fn first(&self, bytes: usize) -> &[u8] {
        self.arena.bytes(0..bytes)
    }

    /// How many pieces it has.
    pub fn pieces(&self) -> usize {
        self.iovecs.len()
    }

    /// The iovecs, for a call that writes to them; borrowed exclusively, so that nobody reads meanwhile.
    #[inline]
    pub(crate) fn iovecs(&mut self) -> &mut [libc::iovec] {
        &mut self.iovecs
    }

    /// The header that `recvmsg` takes, made anew as the kernel writes to it.
    #[inline]
    pub(crate) fn header(&mut self) -> libc::msghdr {
        // SAFETY: msghdr is a plain C struct for which all zeros is valid and means: nothing in it.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_iov = self.iovecs.as_mut_ptr();
        header.msg_iovlen = self.iovecs.len();
        header
    }
}

impl fmt::Debug for Scatter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scatter({} bytes in {} pieces)", self.len(), self.pieces())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_lie_one_after_the_other_and_have_every_byte() {
        for (bytes, pieces, had) in [(131_072, 8, 8), (13, 8, 8), (3, 8, 3), (1, 1, 1), (7, 0, 1)] {
            let mut scatter = Scatter::new(bytes, pieces).unwrap();
            assert_eq!((scatter.len(), scatter.pieces()), (bytes, had));
            let base = scatter.first(0).as_ptr().addr();
            let mut at = base;
            for iovec in scatter.iovecs() {
                assert_eq!(iovec.iov_base.addr(), at);
                assert!(iovec.iov_len > 0);
                at += iovec.iov_len;
            }
            assert_eq!(at - base, bytes);
        }
    }
}
