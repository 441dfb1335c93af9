//! What is in the messages: a pattern that tells every place of every flow from every other.

use model::record::ReceiveTally;

/// The pattern of one flow: the byte at each offset of its stream.
///
/// Eight bytes at a time, a word is its number in the stream times an odd constant, mixed with the flow's
/// seed: no two words of a stream are equal, so lost, repeated, moved and stale bytes all show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    seed: u64,
}

/// 2^64 divided by the golden ratio, made odd (Knuth, The Art of Computer Programming, 6.4).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Pattern {
    /// The pattern of a flow of a trial.
    pub fn new(token: &[u8; 16], flow: u32) -> Self {
        let mut seed = u64::from(flow).wrapping_add(1).wrapping_mul(SPREAD);
        for part in token.chunks_exact(8) {
            let mut word = [0; 8];
            word.copy_from_slice(part);
            seed = (seed ^ u64::from_le_bytes(word)).wrapping_mul(SPREAD).rotate_left(29);
        }
        Self { seed }
    }

    #[inline]
    fn word(self, number: u64) -> [u8; 8] {
        (number.wrapping_mul(SPREAD) ^ self.seed).to_le_bytes()
    }

    /// Calls `each` with pieces of `length` bytes and what should stand there, word by word.
    #[inline]
    fn pieces(self, offset: u64, length: usize, mut each: impl FnMut(usize, &[u8])) {
        let mut done = 0;
        while done < length {
            let at = offset + done as u64;
            // Below 8, so it fits.
            let within = (at % 8) as usize;
            let take = (8 - within).min(length - done);
            let word = self.word(at / 8);
            each(done, &word[within..within + take]);
            done += take;
        }
    }

    /// Writes the bytes that stand at `offset` of the stream.
    #[inline]
    pub fn write(self, offset: u64, into: &mut [u8]) {
        self.pieces(offset, into.len(), |at, piece| {
            into[at..at + piece.len()].copy_from_slice(piece)
        });
    }

    /// How many bytes are not those that stand at `offset` of the stream, and the place of the first.
    pub fn wrong(self, offset: u64, bytes: &[u8]) -> (u64, Option<u64>) {
        let mut wrong = 0;
        let mut first = None;
        self.pieces(offset, bytes.len(), |at, piece| {
            let got = &bytes[at..at + piece.len()];
            if got != piece {
                for (index, (got, right)) in got.iter().zip(piece).enumerate() {
                    if got != right {
                        wrong += 1;
                        first.get_or_insert(offset + (at + index) as u64);
                    }
                }
            }
        });
        (wrong, first)
    }
}

/// What a receiver does with the bytes that it has taken.
pub trait Content {
    /// Whether it looks at them at all. Where nobody does, bytes need not be brought to where they could be looked at.
    const LOOKS: bool;

    /// Looks at bytes as they come, in order.
    fn take(&mut self, bytes: &[u8], tally: &mut ReceiveTally);
}

/// Looks at nothing: payload checks would be charged to the receiver.
#[derive(Clone, Copy, Debug)]
pub struct Unread;

impl Content for Unread {
    const LOOKS: bool = false;

    #[inline]
    fn take(&mut self, _: &[u8], _: &mut ReceiveTally) {}
}

/// Compares every byte with the flow's pattern.
#[derive(Clone, Copy, Debug)]
pub struct Checked {
    pattern: Pattern,
    offset: u64,
    /// After so many bytes the content begins anew.
    period: u64,
}

impl Checked {
    /// From the start of a flow whose every message is rewritten.
    pub fn new(pattern: Pattern) -> Self {
        Self { pattern, offset: 0, period: u64::MAX }
    }

    /// From the start of a flow whose messages are written once: the content of the ring, again and again. What moved by a
    /// whole number of rings does not show in it; that nothing is missing shows in the number of bytes.
    pub fn repeating(pattern: Pattern, ring_bytes: u64) -> Self {
        Self { pattern, offset: 0, period: ring_bytes.max(1) }
    }
}

impl Content for Checked {
    const LOOKS: bool = true;

    fn take(&mut self, mut bytes: &[u8], tally: &mut ReceiveTally) {
        tally.checked_bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let at = self.offset % self.period;
            let left = usize::try_from(self.period - at).unwrap_or(usize::MAX);
            let (piece, rest) = bytes.split_at(left.min(bytes.len()));
            let (wrong, first) = self.pattern.wrong(at, piece);
            tally.wrong_bytes += wrong;
            let in_flow = first.map(|place| self.offset + (place - at));
            tally.first_wrong = tally.first_wrong.or(in_flow);
            self.offset += piece.len() as u64;
            bytes = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(length: usize) -> (Pattern, Vec<u8>) {
        let pattern = Pattern::new(&[7; 16], 3);
        let mut bytes = vec![0; length];
        pattern.write(0, &mut bytes);
        (pattern, bytes)
    }

    #[test]
    fn pieces_written_anywhere_join_into_the_same_stream() {
        let (pattern, whole) = stream(1000);
        for cut in 1..40 {
            let mut pieces = vec![0; 1000];
            for (number, piece) in pieces.chunks_mut(cut).enumerate() {
                pattern.write((number * cut) as u64, piece);
            }
            assert_eq!(pieces, whole, "pieces of {cut}");
        }
    }

    #[test]
    fn content_that_repeats_with_the_ring_is_checked_across_its_end() {
        let (pattern, ring) = stream(1003);
        let mut sent = ring.repeat(3);
        for piece in [1, 7, 500, 1003, 2500] {
            let mut tally = ReceiveTally::default();
            let mut checked = Checked::repeating(pattern, 1003);
            sent.chunks(piece).for_each(|bytes| checked.take(bytes, &mut tally));
            assert_eq!((tally.checked_bytes, tally.wrong_bytes), (3009, 0), "pieces of {piece}");
        }
        // In the third round; and a byte that is lost moves all that follow.
        sent[2100] ^= 1;
        let mut tally = ReceiveTally::default();
        Checked::repeating(pattern, 1003).take(&sent, &mut tally);
        assert_eq!((tally.wrong_bytes, tally.first_wrong), (1, Some(2100)));
        sent.remove(1500);
        let mut tally = ReceiveTally::default();
        Checked::repeating(pattern, 1003).take(&sent, &mut tally);
        assert!(tally.wrong_bytes > 1400 && tally.first_wrong == Some(1500), "{tally:?}");
    }

    #[test]
    fn lost_moved_repeated_and_changed_bytes_are_all_found() {
        let (pattern, right) = stream(4096);
        let mut tally = ReceiveTally::default();
        Checked::new(pattern).take(&right, &mut tally);
        assert_eq!((tally.checked_bytes, tally.wrong_bytes, tally.first_wrong), (4096, 0, None));
        let mut changed = right.clone();
        changed[777] ^= 1;
        assert_eq!(pattern.wrong(0, &changed), (1, Some(777)));
        let mut lost = right.clone();
        lost.remove(100);
        assert!(pattern.wrong(0, &lost).0 > 3900);
        let mut moved = right.clone();
        moved.swap(8, 2048);
        assert!(pattern.wrong(0, &moved).0 >= 1);
        let mut other = vec![0; 4096];
        Pattern::new(&[7; 16], 4).write(0, &mut other);
        assert!(pattern.wrong(0, &other).0 > 3900, "another flow's stream is not this one's");
    }
}
