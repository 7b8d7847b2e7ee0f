//! A hierarchical timer wheel over `u64` ticks.
//!
//! It knows deadlines, their order and one small payload per deadline. It knows no clock (the current tick is an
//! argument of [`Wheel::advance`]), does not decide how long a tick is, and calls nobody: what fell due is popped
//! with [`Wheel::next_due`].
//!
//! The tick counter is read as eleven digits of six bits. An entry lies on the level of the highest digit in which
//! its deadline differs from the current tick, in the slot that this digit of its deadline names:
//!
//! | level | ticks per slot | 64 slots reach, at 1 ms a tick |
//! |------:|---------------:|-------------------------------:|
//! |     0 |              1 |                          64 ms |
//! |     1 |             64 |                            4 s |
//! |     2 |          4,096 |                        4.4 min |
//! |     3 |        262,144 |                          4.7 h |
//! |    10 |           2^60 |              the rest of `u64` |
//!
//! So every deadline has a place: there is no overflow list, and no uptime at which the top level is passed.
//! When the current tick enters a slot, the slot's entries move to lower levels, at most ten times in an entry's
//! life and usually once or twice. Three things follow, and the code leans on all of them:
//!
//! 1. Everything on a level is earlier than everything on the levels above it, and within a level lower slots are
//!    earlier. The first set bit of the occupancy bitmaps is therefore the nearest slot.
//! 2. Entries with the same deadline always lie in the same list, whenever they were armed. Lists are only ever
//!    appended to, also when a slot is spread over lower levels (those are empty by then), so a list keeps arming
//!    order without a sequence number in the entry.
//! 3. A slot never begins at or before the current tick, so the next deadline never lies in the past.

use std::fmt;
use std::num::NonZeroU32;

/// The deadline that never comes: an entry armed for it is kept, can be cancelled and re-armed, and never fires.
pub const NEVER: u64 = u64::MAX;

/// Timers by deadline, in ticks that the caller defines.
///
/// Arming, cancelling and re-arming cost the same however many timers there are, and allocate only when more
/// timers are armed than ever before. Timers fire in the order of their deadlines and, for the same deadline, in
/// the order in which they were armed. Nothing fires early.
///
/// ```
/// use netloop::wheel::{NEVER, Wheel};
///
/// let mut wheel = Wheel::new(1_000);
/// let connect = wheel.arm(1_250, "connect");
/// wheel.arm(31_000, "idle");
/// wheel.arm(NEVER, "paused");
/// assert_eq!(wheel.next_deadline(), Some(1_250));
///
/// assert_eq!(wheel.cancel(connect), Some("connect"));
/// assert_eq!(wheel.next_deadline(), Some(31_000));
///
/// wheel.advance(31_000);
/// let (_, payload) = wheel.next_due().expect("its deadline has come");
/// assert_eq!(payload, "idle");
/// assert!(wheel.next_due().is_none());
/// assert_eq!(wheel.next_deadline(), None);
/// assert_eq!(wheel.len(), 1);
/// ```
pub struct Wheel<T> {
    /// The tick of the latest `advance`. Invariant: every entry in a slot has a deadline after it.
    now: u64,
    /// Armed and free entries; lists are linked through them by position.
    entries: Vec<Entry<T>>,
    /// The entries to use again. Not a list through the entries: arming would wait for memory to learn the next.
    free: Vec<u32>,
    armed: usize,
    /// One row of slots per level, then the three lists that are not slots.
    /// Invariant: all entries of a list in a level's row belong there by [`Wheel::slot_of`].
    lists: Box<[List; LISTS]>,
    /// Invariant: bit `place % SLOTS` of word `place / SLOTS` is set if and only if `lists[place]` has entries.
    occupied: [u64; LEVELS as usize + 1],
    /// Deadline, position and index of the overdue while they are sorted. Kept so that sorting does not allocate.
    overdue_order: Vec<(u64, usize, u32)>,
}

/// Names one armed timer of one [`Wheel`].
///
/// It is dead once the timer was popped or cancelled. A dead alarm is harmless: it never reaches a timer that was
/// armed later, and every call with it does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alarm {
    index: u32,
    generation: NonZeroU32,
}

impl<T: Copy> Wheel<T> {
    /// Creates an empty wheel whose current tick is `now_tick`.
    #[must_use]
    pub fn new(now_tick: u64) -> Self {
        Self {
            now: now_tick,
            entries: Vec::new(),
            free: Vec::new(),
            armed: 0,
            lists: Box::new([List::EMPTY; LISTS]),
            occupied: [0; LEVELS as usize + 1],
            overdue_order: Vec::new(),
        }
    }

    /// Arms a timer. It falls due in the first [`advance`](Self::advance) to `deadline_tick` or later.
    ///
    /// A deadline that has already come waits for the next `advance`, whatever tick that one names; so a callback
    /// that arms a timer for "now" cannot keep the loop popping for ever. [`NEVER`] does not fire.
    ///
    /// # Panics
    ///
    /// With `u32::MAX` timers armed at once, which takes more than 100 GiB.
    pub fn arm(&mut self, deadline_tick: u64, payload: T) -> Alarm {
        let index = self.take_entry(deadline_tick, payload);
        self.append(self.place_of(deadline_tick), index);
        self.armed += 1;
        let generation = self.entry(index).generation;
        Alarm { index, generation }
    }

    /// Disarms a timer and returns its payload, also when it is due but was not popped yet.
    ///
    /// `None` when the alarm is dead.
    pub fn cancel(&mut self, alarm: Alarm) -> Option<T> {
        let payload = self.find(alarm)?.payload;
        self.unlink(alarm.index);
        self.release_entry(alarm.index);
        Some(payload)
    }

    /// Moves a timer to another deadline and says whether it was still there.
    ///
    /// Handle and payload stay. Among timers of the same deadline it counts as armed just now, also when the
    /// deadline did not change. A timer that is due but was not popped yet is no longer due.
    pub fn rearm(&mut self, alarm: Alarm, deadline_tick: u64) -> bool {
        if self.find(alarm).is_none() {
            return false;
        }
        self.unlink(alarm.index);
        self.entries[alarm.index as usize].deadline = deadline_tick;
        self.append(self.place_of(deadline_tick), alarm.index);
        true
    }

    /// The tick that a timer was armed for, `None` when the alarm is dead.
    #[must_use]
    pub fn deadline(&self, alarm: Alarm) -> Option<u64> {
        self.find(alarm).map(|entry| entry.deadline)
    }

    /// How many timers are armed, with those that are due but not popped and those that never fire.
    #[must_use]
    pub fn len(&self) -> usize {
        self.armed
    }

    /// Whether no timer is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// The earliest tick at which [`advance`](Self::advance) has something to do; `None` when nothing will fire.
    ///
    /// It never lies in the past: while anything is due it is the current tick. It never lies after the earliest
    /// deadline, and it is that deadline unless the earliest of more than sixteen timers in the nearest slot
    /// was cancelled or re-armed. Then it may be the deadline of the one that left: finding the new earliest would
    /// make each such call as long as the slot, while one early `advance` splits the slot 64 ways.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        if self.list(DUE).first != END || self.list(OVERDUE).first != END {
            return Some(self.now);
        }
        self.nearest_slot().map(|place| self.list(place).earliest)
    }

    /// Makes `now_tick` the current tick and everything with a deadline up to it due.
    ///
    /// What falls due is queued for [`next_due`](Self::next_due) by deadline, then by arming order, behind what an
    /// earlier `advance` queued and nobody popped. The cost depends on the number of timers in the slots that were
    /// passed, not on the number of ticks. A tick before the current one counts as the current one.
    pub fn advance(&mut self, now_tick: u64) {
        let now_tick = now_tick.max(self.now);
        self.collect_overdue();
        while let Some(place) = self.nearest_slot() {
            let start = self.start_of(place);
            if start > now_tick {
                break;
            }
            // Time goes from slot to slot, so that what this one holds is placed as seen from its first tick.
            self.now = start;
            self.spread(place);
        }
        self.now = now_tick;
    }

    /// Pops the next due timer. Its alarm is dead from here on.
    ///
    /// Timers armed or re-armed between two calls are not returned before the next [`advance`](Self::advance).
    pub fn next_due(&mut self) -> Option<(Alarm, T)> {
        let index = self.list(DUE).first;
        // END names no entry, so this is where an empty list leaves.
        let generation = self.entries.get(index as usize)?.generation;
        let alarm = Alarm { index, generation };
        self.cancel(alarm).map(|payload| (alarm, payload))
    }

    /// Where an entry with this deadline belongs when it is armed now.
    fn place_of(&self, deadline: u64) -> u32 {
        if deadline == NEVER {
            PARKED
        } else if deadline <= self.now {
            OVERDUE
        } else {
            self.slot_of(deadline)
        }
    }

    /// The slot of a deadline that lies after the current tick.
    fn slot_of(&self, deadline: u64) -> u32 {
        let level = (deadline ^ self.now).ilog2() / DIGIT_BITS;
        let digit = (deadline >> (level * DIGIT_BITS)) & LAST_DIGIT;
        level * SLOTS + digit as u32
    }

    /// The first tick that a slot covers.
    fn start_of(&self, place: u32) -> u64 {
        let (level, digit) = (place / SLOTS, place % SLOTS);
        let shift = level * DIGIT_BITS;
        // The digits above are those of the current tick. The top level's digit has only four bits, so they are
        // cut off below the shift: a mask above it would be wider than the tick.
        let tick = (self.now >> shift) & !LAST_DIGIT | u64::from(digit);
        tick << shift
    }

    /// The slot whose entries are earlier than all others'.
    fn nearest_slot(&self) -> Option<u32> {
        (0..)
            .zip(&self.occupied[..LEVELS as usize])
            .find(|(_, row)| **row != 0)
            .map(|(level, row)| level * SLOTS + row.trailing_zeros())
    }

    /// Empties the slot that the current tick has just entered: into the due list, and into lower levels.
    fn spread(&mut self, place: u32) {
        let mut index = self.take_list(place);
        while index != END {
            let &Entry { deadline, next, .. } = self.entry(index);
            let destination = if deadline == self.now {
                DUE
            } else {
                self.slot_of(deadline)
            };
            self.append(destination, index);
            index = next;
        }
    }

    /// Makes due what was armed for a deadline that had already come.
    fn collect_overdue(&mut self) {
        let mut index = self.take_list(OVERDUE);
        let mut order = std::mem::take(&mut self.overdue_order);
        while index != END {
            let &Entry { deadline, next, .. } = self.entry(index);
            order.push((deadline, order.len(), index));
            index = next;
        }
        // The position is part of the key because a stable sort would allocate.
        order.sort_unstable();
        for (_, _, index) in order.drain(..) {
            self.append(DUE, index);
        }
        self.overdue_order = order;
    }

    fn append(&mut self, place: u32, index: u32) {
        let list = &mut self.lists[place as usize];
        let entry = &mut self.entries[index as usize];
        let last = std::mem::replace(&mut list.last, index);
        entry.place = place;
        entry.previous = last;
        entry.next = END;
        if last == END {
            list.first = index;
            list.earliest = entry.deadline;
            self.occupied[(place / SLOTS) as usize] |= 1 << (place % SLOTS);
        } else {
            list.earliest = list.earliest.min(entry.deadline);
            self.entries[last as usize].next = index;
        }
    }

    fn unlink(&mut self, index: u32) {
        let &Entry { previous, next, .. } = self.entry(index);
        let &Entry {
            deadline, place, ..
        } = self.entry(index);
        let list = &mut self.lists[place as usize];
        match previous {
            END => list.first = next,
            _ => self.entries[previous as usize].next = next,
        }
        match next {
            END => list.last = previous,
            _ => self.entries[next as usize].previous = previous,
        }
        if list.first == END {
            self.occupied[(place / SLOTS) as usize] &= !(1 << (place % SLOTS));
        } else if deadline == list.earliest && place < FIRST_NON_SLOT {
            self.refresh_earliest(place);
        }
    }

    /// Recomputes a slot's earliest deadline after the entry that had it left.
    ///
    /// The search is short by design, see [`SEARCH_LIMIT`]. When it finds nothing certain the old value stays: it may
    /// be too early but is never too late, and until a timer with that very deadline leaves nobody searches again.
    fn refresh_earliest(&mut self, place: u32) {
        let list = self.list(place);
        let mut earliest = NEVER;
        let mut index = list.first;
        for _ in 0..SEARCH_LIMIT {
            let entry = self.entry(index);
            earliest = earliest.min(entry.deadline);
            index = entry.next;
            if index == END || earliest == list.earliest {
                self.lists[place as usize].earliest = earliest;
                return;
            }
        }
    }

    /// Empties a list and returns its first entry; the entries keep their links.
    fn take_list(&mut self, place: u32) -> u32 {
        self.occupied[(place / SLOTS) as usize] &= !(1 << (place % SLOTS));
        std::mem::replace(&mut self.lists[place as usize], List::EMPTY).first
    }

    fn take_entry(&mut self, deadline: u64, payload: T) -> u32 {
        if let Some(index) = self.free.pop() {
            let entry = &mut self.entries[index as usize];
            entry.deadline = deadline;
            entry.payload = payload;
            return index;
        }
        let index = u32::try_from(self.entries.len()).unwrap_or(END);
        assert_ne!(index, END, "four billion timers are armed");
        self.entries.push(Entry {
            deadline,
            payload,
            generation: NonZeroU32::MIN,
            place: PARKED,
            previous: END,
            next: END,
        });
        index
    }

    /// Kills the entry's alarm and keeps its memory for the next timer.
    fn release_entry(&mut self, index: u32) {
        self.armed -= 1;
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.saturating_add(1);
        // After four billion uses an entry is retired, so that no alarm is ever valid twice.
        if entry.generation != NonZeroU32::MAX {
            self.free.push(index);
        }
    }

    fn find(&self, alarm: Alarm) -> Option<&Entry<T>> {
        let entry = self.entries.get(alarm.index as usize)?;
        (entry.generation == alarm.generation).then_some(entry)
    }

    fn entry(&self, index: u32) -> &Entry<T> {
        &self.entries[index as usize]
    }

    fn list(&self, place: u32) -> &List {
        &self.lists[place as usize]
    }
}

impl<T: Copy> fmt::Debug for Wheel<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Wheel")
            .field("now", &self.now)
            .field("len", &self.len())
            .field("next_deadline", &self.next_deadline())
            .finish_non_exhaustive()
    }
}

/// Bits of the tick that one level looks at: as many slots as one word has bits for.
const DIGIT_BITS: u32 = 6;
const SLOTS: u32 = 1 << DIGIT_BITS;
/// The lowest digit of a tick.
const LAST_DIGIT: u64 = 63;
/// Eleven digits of six bits cover `u64`.
const LEVELS: u32 = u64::BITS.div_ceil(DIGIT_BITS);

/// The first place after the slots of the last level. From here on lists are not ordered by deadline.
const FIRST_NON_SLOT: u32 = LEVELS * SLOTS;
/// The list of what is due, in the order in which it is popped.
const DUE: u32 = FIRST_NON_SLOT;
/// The list of what was armed for the current tick or an earlier one, in arming order.
const OVERDUE: u32 = FIRST_NON_SLOT + 1;
/// The list of what never fires.
const PARKED: u32 = FIRST_NON_SLOT + 2;
const LISTS: usize = FIRST_NON_SLOT as usize + 3;

/// The link at either end of a list.
const END: u32 = u32::MAX;

/// How many entries of a slot are looked at for its earliest deadline. It bounds what cancelling costs when timers
/// leave in the order in which they came, as request timeouts do; a loop pays with an early wake now and then.
const SEARCH_LIMIT: usize = 16;

/// One timer, or a free entry. 32 bytes with a payload of eight: two to a cache line.
struct Entry<T> {
    /// The tick asked for. It may be far in the past for an entry that is due or overdue.
    deadline: u64,
    payload: T,
    /// Invariant: differs from the generation of every alarm but the one that names this very timer.
    generation: NonZeroU32,
    /// The list that the entry is linked into. It is recorded because a deadline that has come does not tell
    /// [`DUE`] from [`OVERDUE`]; meaningless in a free entry.
    place: u32,
    previous: u32,
    next: u32,
}

/// A doubly linked list through the entries.
#[derive(Clone, Copy)]
struct List {
    /// Invariant for slots with entries: not after any deadline in the list, and not before the slot's first tick.
    earliest: u64,
    first: u32,
    last: u32,
}

impl List {
    const EMPTY: Self = Self {
        earliest: NEVER,
        first: END,
        last: END,
    };
}

#[cfg(test)]
mod tests;
