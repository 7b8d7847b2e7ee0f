//! A hierarchical timer wheel over `u64` ticks.
//!
//! It knows deadlines, their order and one small payload for each. It knows no clock: the current tick is an argument
//! of [`Wheel::advance`], and the caller decides how long a tick is. It calls no code back: due timers are popped with
//! [`Wheel::next_due`].
//!
//! The tick counter is read as fourteen digits, two of eight bits and above them twelve of four. An entry lies on the
//! level of the highest digit in which its deadline differs from the current tick. This digit of its deadline names the
//! bucket:
//!
//! | level | ticks per bucket | buckets | they reach, at 1 ms a tick |
//! |------:|---------------:|------:|---------------------------:|
//! |     0 |              1 |   256 |                     256 ms |
//! |     1 |            256 |   256 |                       65 s |
//! |     2 |         65,536 |    16 |                     17 min |
//! |     3 |      1,048,576 |    16 |                      4.6 h |
//! |    13 |           2^60 |    16 |          the rest of `u64` |
//!
//! So every deadline has a place: there is no overflow list, and no uptime at which the top level is passed. When the
//! current tick enters a bucket, its entries cascade to lower levels, at most thirteen times in an entry's life. The
//! lowest two levels are the widest, so that a timeout of up to a minute cascades once or twice. Three facts follow,
//! and the code relies on all of them:
//!
//! 1. Everything on a level is earlier than everything on the levels above it, and within a level lower buckets are
//!    earlier. The first set bit of the occupancy bitmaps is therefore the nearest bucket.
//! 2. Entries with the same deadline always lie in the same list, whenever they were armed. A list is only ever
//!    appended to, also when a bucket cascades to lower levels (those are empty by then). So a list keeps arming order
//!    without a sequence number in the entry.
//! 3. A bucket never begins at or before the current tick, so the next deadline never lies in the past.
//!
//! With a million timers all the time goes into waiting for memory. So the parts touch little of it, and touch it many
//! entries at a time. The `entries` stand in one table. The lists are `chains` of their numbers. A bucket is emptied by
//! the `batch`. A timer that is cancelled or moved leaves a stale number behind. The `levels` maps deadlines to
//! buckets.

mod batch;
mod chains;
mod entries;
mod free_set;
mod levels;
mod list;

use std::fmt;

use batch::Batch;
use chains::{CELLS, Chain, Chains};
use entries::Entries;
use levels::{BUCKETS, LOWEST, Levels};
use list::{List, SEARCH_LIMIT, compact};

pub use entries::TimerHandle;

/// The deadline that never comes: an entry armed for it is kept, can be cancelled and rearmed, and never fires.
pub const NEVER: u64 = u64::MAX;

/// Timers by deadline, in ticks that the caller defines.
///
/// To arm, to cancel and to rearm cost the same for any number of timers, and allocate only when more are armed than
/// ever before. Timers fire in the order of their deadlines and, for the same deadline, in the order in which they were
/// armed. No timer fires early.
pub struct Wheel<T> {
    /// Invariant: every entry in a bucket has a deadline after `levels.now`, which is the tick of the latest `advance`.
    levels: Levels,
    entries: Entries<T>,
    chains: Chains,
    /// The buckets of all levels, then the list of the timers that never fire. Invariant: all entries of a bucket belong
    /// there by [`Levels::bucket_of`].
    lists: Box<[List; LISTS]>,
    /// The due timers, in the order in which they are popped.
    due: Chain,
    /// The number of cells of `due` that were popped since it last lost a chunk.
    popped: u32,
    /// The timers that were armed for the current tick or an earlier one, in arming order.
    overdue: Chain,
    /// The number of timers in `due` and `overdue` together. Nothing tells in which of the two a timer is: the
    /// deadlines in both have come.
    due_count: u32,
    /// The buffer for emptying buckets, taken out meanwhile. To blank a new one costs more than to move the few timers of
    /// a tick.
    batch: Option<Box<Batch>>,
    /// Deadline, position and number of the overdue while they are sorted. Kept so that sorting does not allocate.
    overdue_order: Vec<(u64, usize, u32)>,
}

impl<T: Copy> Wheel<T> {
    /// Makes an empty wheel whose current tick is `now_tick`.
    #[must_use]
    pub fn new(now_tick: u64) -> Self {
        Self {
            levels: Levels::new(now_tick),
            entries: Entries::new(),
            chains: Chains::new(),
            lists: Box::new([List::EMPTY; LISTS]),
            due: Chain::EMPTY,
            popped: 0,
            overdue: Chain::EMPTY,
            due_count: 0,
            batch: Some(Box::new(Batch::new())),
            overdue_order: Vec::new(),
        }
    }

    /// Arms a timer. It falls due in the first [`advance`](Self::advance) to `deadline_tick` or later.
    ///
    /// A deadline that has already come waits for the next `advance`, whatever tick that one names. So a callback that
    /// arms a timer for "now" cannot keep the loop popping for ever. [`NEVER`] does not fire.
    ///
    /// # Panics
    ///
    /// With two billion timers armed at once, which takes more than 80 GiB.
    #[inline]
    pub fn arm(&mut self, deadline_tick: u64, payload: T) -> TimerHandle {
        let number = loop {
            match self.entries.next_free() {
                Some(number) => break number,
                None => self.grow(),
            }
        };
        let cell = self.append(deadline_tick, number);
        self.entries.fill(number, deadline_tick, payload, cell)
    }

    /// Disarms a timer and returns its payload, also if it is due and was not popped yet. `None` if the handle is dead.
    #[inline]
    pub fn cancel(&mut self, handle: TimerHandle) -> Option<T> {
        let (deadline, payload) = self.entries.release(handle)?;
        self.remove_from_list(deadline);
        Some(payload)
    }

    /// Moves a timer to another deadline and returns whether it was still there.
    ///
    /// The handle and the payload stay. Among timers of the same deadline it counts as armed just now, also if the
    /// deadline did not change. A timer that is due and was not popped yet is no longer due.
    pub fn rearm(&mut self, handle: TimerHandle, deadline_tick: u64) -> bool {
        let Some(deadline) = self.entries.unlink(handle) else {
            return false;
        };
        self.remove_from_list(deadline);
        let cell = self.append(deadline_tick, handle.number);
        self.entries.file(handle.number, deadline_tick, cell);
        true
    }

    /// Returns the tick that a timer was armed for; `None` if the handle is dead.
    #[must_use]
    pub fn deadline(&self, handle: TimerHandle) -> Option<u64> {
        self.entries.deadline(handle)
    }

    /// Returns the number of armed timers, with those timers that are due but not popped and those timers that never
    /// fire.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.armed()
    }

    /// Whether no timer is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the earliest tick at which [`advance`](Self::advance) has something to do; `None` if no timer will fire.
    ///
    /// It never lies in the past: while a timer is due it is the current tick. It never lies after the earliest
    /// deadline. It is that deadline, unless the earliest of more than sixteen timers in the nearest bucket was cancelled
    /// or rearmed. Then it may be the deadline of the one that left. To find the new earliest would make each such call
    /// as long as the bucket; one early `advance` cascades the bucket to the level below.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        if self.due_count > 0 {
            return Some(self.levels.now);
        }
        let bucket = self.levels.nearest_bucket()?;
        Some(self.lists[bucket as usize].earliest)
    }

    /// Makes `now_tick` the current tick and every timer with a deadline up to it due.
    ///
    /// The timers that fall due are queued for [`next_due`](Self::next_due) by deadline, then by arming order. They
    /// stand behind the timers of an earlier `advance` that were not popped. The cost depends on the number of timers
    /// in the buckets that were passed, not on the number of ticks. A tick before the current one counts as the current
    /// one.
    pub fn advance(&mut self, now_tick: u64) {
        let now_tick = now_tick.max(self.levels.now);
        if !self.overdue.is_empty() {
            self.sort_overdue();
        }
        while let Some(bucket) = self.levels.nearest_bucket() {
            let start = self.levels.start_of(bucket);
            if start > now_tick {
                break;
            }
            // Time goes from bucket to bucket, so that the entries of this one are placed as seen from its first tick.
            self.levels.now = start;
            self.cascade(bucket);
        }
        self.levels.now = now_tick;
    }

    /// Pops the next due timer. Its handle is dead from here on.
    ///
    /// Timers armed or rearmed between two calls are not returned before the next [`advance`](Self::advance).
    #[inline]
    pub fn next_due(&mut self) -> Option<(TimerHandle, T)> {
        loop {
            let (cell, number) = self.chains.pop(&mut self.due, &mut self.popped)?;
            if let Some(ended) = self.entries.end(cell, number) {
                self.due_count -= 1;
                return Some(ended);
            }
        }
    }

    /// Returns the list of an entry with this deadline; `None` if the deadline has come.
    #[inline]
    fn list_of(&self, deadline: u64) -> Option<u32> {
        if deadline == NEVER {
            Some(PARKED)
        } else if deadline <= self.levels.now {
            None
        } else {
            Some(self.levels.bucket_of(deadline))
        }
    }

    /// Puts an entry at the end of the list in which it belongs, and returns its cell there.
    #[inline]
    fn append(&mut self, deadline: u64, number: u32) -> u32 {
        match self.list_of(deadline) {
            Some(place) => self.append_to(place, deadline, number),
            None => self.append_overdue(number),
        }
    }

    /// Puts an entry at the end of a list that is known, and returns its cell there.
    #[inline]
    fn append_to(&mut self, place: u32, deadline: u64, number: u32) -> u32 {
        if self.lists[place as usize].chain.is_full() {
            self.extend(place);
        }
        self.lists[place as usize].put(deadline, number, &mut self.chains)
    }

    /// Extends a list whose last chunk is full, or which has none because it was empty.
    #[inline(never)]
    fn extend(&mut self, place: u32) {
        if place != PARKED {
            self.levels.occupy(place);
        }
        self.ensure_chunk();
        let chain = &mut self.lists[place as usize].chain;
        // Without its stale cells it may have a free one.
        if chain.is_full() {
            self.chains.extend(chain);
        }
    }

    /// Puts an entry whose deadline had come when it was armed behind the others of that kind.
    #[cold]
    fn append_overdue(&mut self, number: u32) -> u32 {
        self.due_count += 1;
        if self.overdue.is_full() {
            self.ensure_chunk();
        }
        self.chains.append(&mut self.overdue, number)
    }

    /// Puts an entry whose deadline has come at the end of the due ones.
    #[inline]
    fn append_due(&mut self, number: u32) {
        if self.due.is_full() {
            self.ensure_chunk();
        }
        let cell = self.chains.append(&mut self.due, number);
        self.entries.moved(number, cell);
    }

    /// Counts an entry out of the list in which it was. Its number stays there, in a stale cell.
    #[inline]
    fn remove_from_list(&mut self, deadline: u64) {
        let Some(place) = self.list_of(deadline) else {
            self.due_count -= 1;
            return;
        };
        let list = &mut self.lists[place as usize];
        list.armed -= 1;
        list.stale += 1;
        if list.armed == 0 {
            self.clear(place);
        } else if deadline == list.earliest
            && list.armed <= SEARCH_LIMIT
            && self.levels.nearest_bucket() == Some(place)
        {
            self.refresh_nearest();
        }
    }

    /// Finds the earliest deadline of the nearest bucket, whose first entry may have gone.
    ///
    /// It is done when a bucket becomes the nearest, or loses its first entry while it is. No caller sees the earliest
    /// deadline of another bucket.
    #[inline(never)]
    fn refresh_nearest(&mut self) {
        // The buckets of the lowest level have but one deadline each.
        let nearest = self.levels.nearest_bucket();
        if let Some(bucket) = nearest.filter(|bucket| *bucket >= LOWEST) {
            let list = &mut self.lists[bucket as usize];
            // Of more than that the old value stays: it may be too early but is never too late.
            if list.armed <= SEARCH_LIMIT {
                list.compact(&mut self.chains, &mut self.entries);
            }
        }
    }

    /// Empties a list of which nothing is armed.
    #[inline(never)]
    fn clear(&mut self, place: u32) {
        let list = &mut self.lists[place as usize];
        self.chains.clear(&mut list.chain);
        *list = List::EMPTY;
        if place != PARKED {
            self.levels.vacate(place);
            self.refresh_nearest();
        }
    }

    /// Empties the bucket that the current tick has just entered: into the due list, and into lower levels.
    fn cascade(&mut self, bucket: u32) {
        if bucket < LOWEST && self.due.is_empty() {
            // All of them are due, in the order in which they stand: the chain is taken as it is.
            let list = &mut self.lists[bucket as usize];
            self.due_count += list.armed;
            self.due = std::mem::replace(&mut list.chain, Chain::EMPTY);
            return self.clear(bucket);
        }
        // It is missing only if the last use panicked.
        let mut batch = (self.batch.take()).unwrap_or_else(|| Box::new(Batch::new()));
        let below = Levels::level_below(bucket);
        while !self.lists[bucket as usize].chain.is_empty() {
            // The rest stays in its place, where `compact` finds it.
            let chain = &mut self.lists[bucket as usize].chain;
            for &(deadline, number) in batch.take(chain, &mut self.chains, &self.entries) {
                if deadline == self.levels.now {
                    self.due_count += 1;
                    self.append_due(number);
                    continue;
                }
                let mut place = below.bucket_of(deadline);
                if below.begins_with(place) {
                    // Its digit there is zero as that of the present is, so it differs further down.
                    place = self.levels.bucket_of(deadline);
                }
                let cell = self.append_to(place, deadline, number);
                self.entries.moved(number, cell);
            }
        }
        self.batch = Some(batch);
        self.clear(bucket);
    }

    /// Makes the timers due that were armed for a deadline that had already come.
    fn sort_overdue(&mut self) {
        let mut order = std::mem::take(&mut self.overdue_order);
        let mut batch = Batch::new();
        while !self.overdue.is_empty() {
            let batch = batch.take(&mut self.overdue, &mut self.chains, &self.entries);
            order.extend(
                (order.len()..)
                    .zip(batch)
                    .map(|(position, &(deadline, number))| (deadline, position, number)),
            );
        }
        // The position is part of the key because a stable sort would allocate.
        order.sort_unstable();
        for (_, _, number) in order.drain(..) {
            self.append_due(number);
        }
        self.overdue_order = order;
    }

    /// Ensures that a chain can be extended without an allocation.
    #[inline]
    fn ensure_chunk(&mut self) {
        if self.chains.is_used_up() {
            self.compact();
        }
    }

    /// Takes all stale cells out of all lists.
    #[cold]
    fn compact(&mut self) {
        for list in self.lists.iter_mut() {
            list.compact(&mut self.chains, &mut self.entries);
        }
        compact(&mut self.due, &mut self.chains, &mut self.entries);
        self.popped = 0;
        compact(&mut self.overdue, &mut self.chains, &mut self.entries);
    }

    /// Allocates for more timers, and for all their numbers in whatever lists they may be.
    #[cold]
    fn grow(&mut self) {
        self.entries.grow();
        let count = self.entries.capacity();
        // As many cells again may be stale before the lists are compacted, so that an arm pays for one entry that is
        // looked at. And each list may end in a chunk that is not full.
        let ends = count.min(LISTS + 2) + 1;
        self.chains.reserve(2 * count / CELLS as usize + ends);
    }
}

impl<T: Copy> fmt::Debug for Wheel<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Wheel")
            .field("now", &self.levels.now)
            .field("len", &self.len())
            .field("next_deadline", &self.next_deadline())
            .finish_non_exhaustive()
    }
}

/// The list of the timers that never fire: the first after the buckets of the last level.
const PARKED: u32 = BUCKETS;
const LISTS: usize = PARKED as usize + 1;

#[cfg(test)]
mod tests;
