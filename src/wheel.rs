//! A hierarchical timer wheel over `u64` ticks.
//!
//! The wheel knows deadlines, their order and one small payload for each. It reads no clock and calls no code back: the
//! caller passes the current tick to [`Wheel::advance`], and pops due timers with [`Wheel::next_due`].
//!
//! The tick counter is read as fourteen digits, two of eight bits and above them twelve of four. The *entry* of a timer
//! lies on the level of the highest digit in which its deadline differs from the current tick. The value of this digit
//! in its deadline is the number of its bucket on the level:
//!
//! | level | ticks per bucket | buckets | they reach, at 1 ms a tick |
//! |------:|---------------:|------:|---------------------------:|
//! |     0 |              1 |   256 |                     256 ms |
//! |     1 |            256 |   256 |                       65 s |
//! |     2 |         65,536 |    16 |                     17 min |
//! |     3 |      1,048,576 |    16 |                      4.6 h |
//! |    13 |           2^60 |    16 |          the rest of `u64` |
//!
//! So every deadline has a bucket, at any uptime: there is no overflow list. When the current tick enters a bucket, the
//! entries of the bucket cascade to lower levels, at most thirteen times after each arming. Three facts follow:
//!
//! 1. All entries of a level are earlier than those of the levels above it, and within a level lower buckets are
//!    earlier. So the first set bit of the occupancy bitmap is the nearest bucket.
//! 2. Entries with the same deadline always lie in the same list. A list grows only at its end, and when a bucket
//!    cascades, the lists of the lower levels are empty. So a list keeps arming order without a sequence number.
//! 3. An occupied bucket begins after the current tick, so the next deadline never lies in the past.
//!
//! With a million timers nearly all the time is spent waiting for memory. So the wheel touches few cache lines, and
//! reads many entries at a time. All entries lie in one table, and the list of a bucket has their numbers, each in a
//! *cell*. A timer that is cancelled or moved leaves its number behind in a *stale* cell.

mod batch;
mod chains;
mod entries;
mod free_set;
mod growth;
mod levels;
mod list;
mod memory;

use std::fmt;

use batch::Batch;
use chains::{Chain, Chains};
use entries::Entries;
use levels::{BUCKETS, LOWEST, Levels};
use list::{List, SEARCH_LIMIT, compact};

pub use entries::TimerHandle;

/// The deadline that never comes. A timer that is armed for `NEVER` never fires, but can be cancelled and rearmed.
pub const NEVER: u64 = u64::MAX;

/// Timers in the order of their deadlines, which are ticks of a length that the caller defines.
///
/// Arming, cancelling and rearming cost the same for any number of timers. The tables grow only when more timers are
/// armed than ever since the wheel was made or last [shrunk](Wheel::shrink). A buffer for sorting grows with the number
/// of overdue timers. Timers that fall due in one [`advance`](Wheel::advance) fire by deadline, then in arming order.
/// No timer fires early.
pub struct Wheel<T> {
    /// Invariant: each entry in a bucket has a deadline after `levels.now`, the tick of the latest `advance`.
    levels: Levels,
    entries: Entries<T>,
    chains: Chains,
    /// The lists of the buckets of all levels, then that of the timers that never fire. Invariant: for each deadline in
    /// the list of a bucket, [`Levels::bucket_of`] returns this bucket.
    lists: Box<[List; LISTS]>,
    /// The entry numbers of the due timers, in the order in which they are popped.
    due: Chain,
    /// The number of cells of the first chunk of `due` that were popped.
    popped: u32,
    /// The entry numbers of the timers that were armed for the current tick or an earlier tick, in arming order.
    overdue: Chain,
    /// The number of timers in `due` and `overdue`: a cancel knows only the deadline, and cannot tell the two apart.
    due_count: u32,
    /// The buffer for emptying buckets; `None` while in use. A new one would cost more than moving a few timers.
    batch: Option<Box<Batch>>,
    /// The deadline, position and number of each overdue timer, for sorting. Kept so that sorting does not allocate.
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

    /// Arms a timer, which falls due in the first [`advance`](Self::advance) to `deadline_tick` or later.
    ///
    /// A timer whose deadline has already come falls due in the next `advance` to any tick. So a callback that arms a
    /// timer for the current tick cannot keep the loop popping for ever. A timer for [`NEVER`] does not fire.
    ///
    /// # Panics
    ///
    /// If billions of timers are armed at once, or if there is no memory. See [`reserve`](Self::reserve).
    #[inline]
    pub fn arm(&mut self, deadline_tick: u64, payload: T) -> TimerHandle {
        let number = match self.entries.next_free() {
            Some(number) => number,
            None => self.next_free_of_more(),
        };
        let cell = self.append(deadline_tick, number);
        self.entries.fill(number, deadline_tick, payload, cell)
    }

    /// Disarms a timer, even one that is due but not popped, and returns its payload; `None` if the handle is dead.
    #[inline]
    pub fn cancel(&mut self, handle: TimerHandle) -> Option<T> {
        let (deadline, payload) = self.entries.release(handle)?;
        self.remove_from_list(deadline);
        Some(payload)
    }

    /// Moves a timer to another deadline, with its handle and payload. Returns `false` if the handle is dead.
    ///
    /// Among the timers of its new deadline the timer fires after those that were armed before, even if its deadline
    /// did not change. A timer that was due and not popped is not due any more.
    pub fn rearm(&mut self, handle: TimerHandle, deadline_tick: u64) -> bool {
        let Some(deadline) = self.entries.unlink(handle) else {
            return false;
        };
        self.remove_from_list(deadline);
        let cell = self.append(deadline_tick, handle.number);
        self.entries.file(handle.number, deadline_tick, cell);
        true
    }

    /// Returns the tick that a timer was last armed for; `None` if the handle is dead.
    #[must_use]
    pub fn deadline(&self, handle: TimerHandle) -> Option<u64> {
        self.entries.deadline(handle)
    }

    /// Returns the number of armed timers, with those that are due but not popped and those that never fire.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.armed()
    }

    /// Whether no timer is armed.
    #[cfg(any(test, feature = "internals"))]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the earliest tick at which [`advance`](Self::advance) has something to do; `None` if no timer will fire.
    ///
    /// While a timer is due, this is the current tick, otherwise the earliest deadline. If the nearest bucket has, or
    /// had, more than sixteen timers, the result may be earlier: the deadline of a cancelled or rearmed timer. An exact
    /// result would need a search of the bucket in each such call, instead of one early `advance`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        if self.due_count > 0 {
            return Some(self.levels.now);
        }
        let bucket = self.levels.nearest_bucket()?;
        Some(self.lists[bucket as usize].earliest)
    }

    /// Makes `now_tick` the current tick, and makes every timer with a deadline up to that tick due.
    ///
    /// The timers that fall due are queued for [`next_due`](Self::next_due) by deadline, then in arming order, behind
    /// those that are due already. The cost depends on the number of timers in the buckets that are passed, not on the
    /// number of ticks. A `now_tick` before the current tick counts as the current tick.
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
            // The current tick moves first: `cascade` compares deadlines with it, to choose each entry's next bucket.
            self.levels.now = start;
            self.cascade(bucket);
        }
        self.levels.now = now_tick;
    }

    /// Whether [`next_due`](Self::next_due) may have a timer to pop. `false` is certain.
    #[inline]
    #[must_use]
    pub fn may_have_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Pops the next due timer, whose handle is dead from now on. A timer that is armed or rearmed between two calls
    /// comes only after the next [`advance`](Self::advance).
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

    /// Returns the deadline of the timer that [`next_due`](Self::next_due) has just popped.
    #[inline]
    pub fn deadline_of_popped(&self, handle: TimerHandle) -> u64 {
        self.entries.last_deadline(handle.number)
    }

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

    #[inline]
    fn append(&mut self, deadline: u64, number: u32) -> u32 {
        match self.list_of(deadline) {
            Some(place) => self.append_to(place, deadline, number),
            None => self.append_overdue(number),
        }
    }

    #[inline]
    fn append_to(&mut self, place: u32, deadline: u64, number: u32) -> u32 {
        if self.lists[place as usize].chain.is_full() {
            self.extend(place);
        }
        self.lists[place as usize].put(deadline, number, &mut self.chains)
    }

    /// Gives a chunk to a list that has no chunk, or whose last chunk is full.
    #[inline(never)]
    fn extend(&mut self, place: u32) {
        if place != PARKED {
            self.levels.occupy(place);
        }
        self.ensure_chunk();
        let chain = &mut self.lists[place as usize].chain;
        // `ensure_chunk` may have removed stale cells, so that the chain has a free cell now.
        if chain.is_full() {
            self.chains.extend(chain);
        }
    }

    /// Appends an entry whose deadline had come before its timer was armed or rearmed.
    #[cold]
    fn append_overdue(&mut self, number: u32) -> u32 {
        self.due_count += 1;
        if self.overdue.is_full() {
            self.ensure_chunk();
        }
        self.chains.append(&mut self.overdue, number)
    }

    #[inline]
    fn append_due(&mut self, number: u32) {
        if self.due.is_full() {
            self.ensure_chunk();
        }
        let cell = self.chains.append(&mut self.due, number);
        self.entries.moved(number, cell);
    }

    /// Removes an entry from the counts of its list. The list keeps the entry's number in a stale cell.
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

    /// Recomputes the earliest deadline of the nearest bucket: its earliest entry has left, or a cleared bucket was the
    /// nearest. Other buckets may keep a deadline that is too early, because `next_deadline` reads only the nearest.
    #[inline(never)]
    fn refresh_nearest(&mut self) {
        // On the lowest level `earliest` is exact, because all entries of a bucket have the same deadline.
        let nearest = self.levels.nearest_bucket();
        if let Some(bucket) = nearest.filter(|bucket| *bucket >= LOWEST) {
            let list = &mut self.lists[bucket as usize];
            if list.armed <= SEARCH_LIMIT {
                list.compact(&mut self.chains, &mut self.entries);
            }
        }
    }

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

    /// Moves the entries of the bucket that the current tick has just entered to `due`, or to buckets of lower levels.
    fn cascade(&mut self, bucket: u32) {
        if bucket < LOWEST && self.due.is_empty() {
            // On the lowest level all entries of the bucket are due now, and in arming order: the chain becomes `due`.
            let list = &mut self.lists[bucket as usize];
            self.due_count += list.armed;
            self.due = std::mem::replace(&mut list.chain, Chain::EMPTY);
            return self.clear(bucket);
        }
        // The batch is missing only if its last use panicked.
        let mut batch = (self.batch.take()).unwrap_or_else(|| Box::new(Batch::new()));
        let below = Levels::level_below(bucket);
        while !self.lists[bucket as usize].chain.is_empty() {
            // The chain stays in the list while it is emptied, because `append_to` may have to remove its stale cells.
            let chain = &mut self.lists[bucket as usize].chain;
            for &(deadline, number) in batch.take(chain, &mut self.chains, &self.entries) {
                if deadline == self.levels.now {
                    self.due_count += 1;
                    self.append_due(number);
                    continue;
                }
                let mut place = below.bucket_of(deadline);
                if below.begins_with(place) {
                    // The digit of the level `below` is zero in the deadline, and also in the current tick, the first
                    // tick of the emptied bucket. So the two differ in a lower digit.
                    place = self.levels.bucket_of(deadline);
                }
                let cell = self.append_to(place, deadline, number);
                self.entries.moved(number, cell);
            }
        }
        self.batch = Some(batch);
        self.clear(bucket);
    }

    fn sort_overdue(&mut self) {
        let mut order = std::mem::take(&mut self.overdue_order);
        // If there is no memory for sorting, the timers of `overdue` fire in the order of arming, not of deadlines.
        let can_sort = order.try_reserve(self.due_count as usize).is_ok();
        let mut batch = Batch::new();
        while !self.overdue.is_empty() {
            let batch = batch.take(&mut self.overdue, &mut self.chains, &self.entries);
            if !can_sort {
                batch
                    .iter()
                    .for_each(|(_, number)| self.append_due(*number));
                continue;
            }
            order.extend(
                (order.len()..)
                    .zip(batch)
                    .map(|(position, &(deadline, number))| (deadline, position, number)),
            );
        }
        // The position is part of the sort key because a stable sort would allocate.
        order.sort_unstable();
        for (_, _, number) in order.drain(..) {
            self.append_due(number);
        }
        self.overdue_order = order;
    }

    #[inline]
    fn ensure_chunk(&mut self) {
        if self.chains.is_used_up() {
            self.compact();
        }
    }

    /// Removes the stale cells, of timers that were cancelled or moved, from all chains.
    #[cold]
    fn compact(&mut self) {
        for list in self.lists.iter_mut() {
            list.compact(&mut self.chains, &mut self.entries);
        }
        compact(&mut self.due, &mut self.chains, &mut self.entries);
        self.popped = 0;
        compact(&mut self.overdue, &mut self.chains, &mut self.entries);
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

/// The index of the list of the timers that never fire: the first index after the buckets.
const PARKED: u32 = BUCKETS;
const LISTS: usize = PARKED as usize + 1;

#[cfg(test)]
mod tests;
