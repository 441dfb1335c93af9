//! Where requests stand in a chain, what became of them, and what their completions bear.

use kernel::Errno;

use crate::slots::Slot;

/// What is known of a request of the chain in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Pending,
    Ended(Result<usize, Errno>),
}

/// What a completion bears: the slot, and the request's number.
pub(super) const fn data(slot: Slot, number: u32) -> u64 {
    (slot.0 as u64) << 32 | number as u64
}

#[allow(clippy::cast_possible_truncation, reason = "the two halves of what `data` joins")]
pub(super) const fn of_data(data: u64) -> (Slot, u32) {
    (Slot((data >> 32) as u32), data as u32)
}

/// Where a request stands in a chain: its message, and its part of that.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) message: usize,
    pub(super) part: usize,
    parts: usize,
}

impl Place {
    #[inline]
    pub(super) const fn new(at: usize, parts: usize) -> Self {
        // Nearly always; else two divisions for each message.
        if at == 0 {
            return Self { message: 0, part: 0, parts };
        }
        Self { message: at / parts, part: at % parts, parts }
    }

    /// On to the next request; whether the message is over.
    #[inline]
    pub(super) fn advance(&mut self) -> bool {
        self.part += 1;
        let is_over = self.part == self.parts;
        if is_over {
            (self.message, self.part) = (self.message + 1, 0);
        }
        is_over
    }
}
