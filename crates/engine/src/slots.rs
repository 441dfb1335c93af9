//! The message slots of one flow: *free → submitted → accepted → released*.

use crate::release_times::{ReleaseTimer, ReleaseTimes};

/// One slot, by its number in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u32);

/// A ring of message slots. They are used in turn, so that the working set is the whole ring, and one is
/// used again only when the kernel has let go of it.
///
/// Some of the messages are timed until their slot is free again ([`Slots::time`]).
#[derive(Debug)]
pub struct Slots {
    /// Holds that the kernel has on each slot: sends of it that are not completed; with [`TIMED`] where the message in it is timed.
    holds: Box<[u32]>,
    next: u32,
    held: u32,
    /// Messages until one is timed; about [`NEVER`] where none is.
    until_timed: u64,
    /// The same for when messages are timed again, or no longer.
    other: u64,
    is_timing: bool,
    timer: Option<Box<ReleaseTimer>>,
}

/// The bit of a slot's holds that says that its message is timed.
const TIMED: u32 = 1 << 31;
/// More messages than any flow sends: they are counted down all the same.
const NEVER: u64 = u64::MAX;

impl Slots {
    /// A ring of free slots; at least one.
    pub fn new(slots: u32) -> Self {
        let holds = vec![0; slots.max(1) as usize].into();
        Self {
            holds,
            next: 0,
            held: 0,
            until_timed: NEVER,
            other: NEVER,
            is_timing: false,
            timer: None,
        }
    }

    /// The same with a timer; no message is timed before [`Slots::time`] says so.
    #[must_use]
    pub fn timed_by(mut self, mut timer: ReleaseTimer) -> Self {
        self.other = timer.draw();
        self.timer = Some(Box::new(timer));
        self
    }

    /// Whether messages that are handed over from now on are timed. Those that are being timed go on to be.
    pub fn time(&mut self, is_timing: bool) {
        if self.timer.is_some() && is_timing != self.is_timing {
            std::mem::swap(&mut self.until_timed, &mut self.other);
            self.is_timing = is_timing;
        }
    }

    /// What was timed; none without a timer.
    pub fn times(&self) -> Option<&ReleaseTimes> {
        self.timer.as_deref().map(ReleaseTimer::times)
    }

    /// Number of slots.
    #[allow(clippy::cast_possible_truncation, reason = "made from a u32")]
    pub fn len(&self) -> u32 {
        self.holds.len() as u32
    }

    /// Never: a ring has at least one slot.
    pub fn is_empty(&self) -> bool {
        self.holds.is_empty()
    }

    /// The slot whose turn it is.
    #[inline]
    pub fn turn(&self) -> Slot {
        Slot(self.next)
    }

    /// Whether the kernel has let go of the slot whose turn it is.
    #[inline]
    pub fn is_turn_free(&self) -> bool {
        self.holds[self.next as usize] == 0
    }

    /// Passes the turn on: the slot whose turn it was is submitted.
    #[inline]
    pub(crate) fn advance(&mut self) {
        let next = self.next + 1;
        self.next = if next as usize == self.holds.len() { 0 } else { next };
    }

    /// Has `submit` hand over the message in the slot whose turn it is, and passes the turn on.
    ///
    /// # Errors
    /// Those of `submit`.
    #[inline]
    pub fn hand_over<E>(
        &mut self,
        submit: impl FnOnce(Slot, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let slot = self.turn();
        self.advance();
        self.until_timed -= 1;
        let is_timed = self.until_timed == 0;
        if is_timed {
            self.begin_timing(slot);
        }
        submit(slot, self)?;
        if is_timed {
            self.is_handed_over(slot);
        }
        Ok(())
    }

    /// A message that is timed is held from before it is handed over until all of it is: parts of it may be completed before.
    #[cold]
    fn begin_timing(&mut self, slot: Slot) {
        let Some(timer) = &mut self.timer else { return };
        self.until_timed = timer.draw();
        timer.begin(slot.0 as usize);
        self.holds[slot.0 as usize] |= TIMED;
        self.hold(slot);
    }

    #[cold]
    fn is_handed_over(&mut self, slot: Slot) {
        self.release(slot);
    }

    /// The kernel took bytes of a slot by reference and holds it until a completion.
    #[inline]
    pub fn hold(&mut self, slot: Slot) {
        let holds = &mut self.holds[slot.0 as usize];
        self.held += u32::from(*holds & !TIMED == 0);
        *holds += 1;
    }

    /// One hold of a slot is completed.
    ///
    /// Returns false if there was none: a completion that nobody waits for.
    #[inline]
    pub fn release(&mut self, slot: Slot) -> bool {
        let holds = self.holds.get_mut(slot.0 as usize).filter(|holds| **holds & !TIMED > 0);
        let Some(holds) = holds else { return false };
        *holds -= 1;
        let left = *holds;
        self.held -= u32::from(left & !TIMED == 0);
        if left == TIMED {
            self.end_timing(slot);
        }
        true
    }

    #[cold]
    fn end_timing(&mut self, slot: Slot) {
        self.holds[slot.0 as usize] = 0;
        if let Some(timer) = &mut self.timer {
            timer.end(slot.0 as usize);
        }
    }

    /// Slots that the kernel holds.
    #[inline]
    pub fn held(&self) -> u32 {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_only_when_every_hold_on_it_is_released() {
        let mut slots = Slots::new(2);
        let first = slots.turn();
        slots.hold(first);
        slots.hold(first);
        slots.advance();
        assert!(slots.is_turn_free());
        slots.advance();
        assert_eq!(slots.turn(), first);
        assert!(!slots.is_turn_free());
        assert!(slots.release(first));
        assert!(!slots.is_turn_free());
        assert!(slots.release(first));
        assert!(slots.is_turn_free());
        assert!(!slots.release(first), "a release too many is noticed");
        assert_eq!(slots.held(), 0);
    }
}
