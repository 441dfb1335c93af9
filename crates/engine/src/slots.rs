//! The message slots of one flow: *free → submitted → accepted → released*.

/// One slot, by its number in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u32);

/// A ring of message slots. They are used in turn, so that the working set is the whole ring, and one is
/// used again only when the kernel has let go of it.
#[derive(Debug)]
pub struct Slots {
    /// Holds that the kernel has on each slot: sends of it that are not completed.
    holds: Box<[u32]>,
    next: u32,
    held: u32,
}

impl Slots {
    /// A ring of free slots; at least one.
    pub fn new(slots: u32) -> Self {
        Self { holds: vec![0; slots.max(1) as usize].into(), next: 0, held: 0 }
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
    pub(crate) fn is_turn_free(&self) -> bool {
        self.holds[self.next as usize] == 0
    }

    /// Passes the turn on: the slot whose turn it was is submitted.
    #[inline]
    pub(crate) fn advance(&mut self) {
        let next = self.next + 1;
        self.next = if next as usize == self.holds.len() { 0 } else { next };
    }

    /// The kernel took bytes of a slot by reference and holds it until a completion.
    #[inline]
    pub fn hold(&mut self, slot: Slot) {
        let holds = &mut self.holds[slot.0 as usize];
        self.held += u32::from(*holds == 0);
        *holds += 1;
    }

    /// One hold of a slot is completed.
    ///
    /// Returns false if there was none: a completion that nobody waits for.
    #[inline]
    pub fn release(&mut self, slot: Slot) -> bool {
        let Some(holds) = self.holds.get_mut(slot.0 as usize).filter(|holds| **holds > 0) else {
            return false;
        };
        *holds -= 1;
        self.held -= u32::from(*holds == 0);
        true
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
