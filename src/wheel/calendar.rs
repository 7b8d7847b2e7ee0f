//! Which slot a deadline lies in, and which slot comes next.
//!
//! It knows the present, the arithmetic of the levels, and of each slot only whether it has entries.

/// The present and the occupied slots.
pub(super) struct Calendar {
    /// The current tick.
    pub(super) now: u64,
    /// Invariant: bit `slot % SLOTS` of word `slot / SLOTS` is set if and only if the slot has entries.
    occupied: [u64; LEVELS as usize],
}

/// Bits of the tick that one level looks at: as many slots as one word has bits for.
const DIGIT_BITS: u32 = 6;
/// The slots of a level.
pub(super) const SLOTS: u32 = 1 << DIGIT_BITS;
/// The lowest digit of a tick.
const LAST_DIGIT: u64 = 63;
/// Eleven digits of six bits cover `u64`.
pub(super) const LEVELS: u32 = u64::BITS.div_ceil(DIGIT_BITS);

impl Calendar {
    pub(super) const fn new(now: u64) -> Self {
        Self {
            now,
            occupied: [0; LEVELS as usize],
        }
    }

    /// The slot of a deadline that lies after the current tick.
    #[inline]
    pub(super) fn slot_of(&self, deadline: u64) -> u32 {
        let level = (deadline ^ self.now).ilog2() / DIGIT_BITS;
        let digit = (deadline >> (level * DIGIT_BITS)) & LAST_DIGIT;
        level * SLOTS + digit as u32
    }

    /// The first tick that a slot covers.
    pub(super) fn start_of(&self, slot: u32) -> u64 {
        let (level, digit) = (slot / SLOTS, slot % SLOTS);
        let shift = level * DIGIT_BITS;
        // The digits above are those of the current tick. The top level's digit has only four bits, so they are
        // cut off below the shift: a mask above it would be wider than the tick.
        let tick = (self.now >> shift) & !LAST_DIGIT | u64::from(digit);
        tick << shift
    }

    /// The slot whose entries are earlier than all others'.
    pub(super) fn nearest_slot(&self) -> Option<u32> {
        (0..)
            .zip(&self.occupied)
            .find(|(_, row)| **row != 0)
            .map(|(level, row)| level * SLOTS + row.trailing_zeros())
    }

    /// A slot has entries now.
    #[inline]
    pub(super) fn occupy(&mut self, slot: u32) {
        self.occupied[(slot / SLOTS) as usize] |= 1 << (slot % SLOTS);
    }

    /// A slot has no entries any more.
    #[inline]
    pub(super) fn vacate(&mut self, slot: u32) {
        self.occupied[(slot / SLOTS) as usize] &= !(1 << (slot % SLOTS));
    }
}
