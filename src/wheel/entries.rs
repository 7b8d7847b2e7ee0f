//! The armed timers, in one table. It only stores and compares the cells of [`Chains`](super::chains::Chains).

use std::collections::TryReserveError;
use std::num::NonZeroU32;

use super::chains::NONE;
use super::free_set::FreeSet;
use super::growth::next_capacity;

/// The name of one armed timer, valid until the timer fires or is cancelled. A call with a dead handle does nothing,
/// and never reaches a later timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerHandle {
    pub(super) number: u32,
    generation: NonZeroU32,
}

/// The table of armed timers and free entries. An entry's number is its index.
pub(super) struct Entries<T> {
    table: Vec<Entry<T>>,
    free_set: FreeSet,
    armed: usize,
    /// For each block of [`BLOCK`] entries, the generation with which its entries begin when the table grows: four bytes
    /// a block. Invariant: above the generations of all handles to entries that [`shrink`](Self::shrink) freed.
    first_generations: Vec<NonZeroU32>,
}

/// One timer, or a free entry. An entry takes 28 bytes with a payload of twelve bytes.
struct Entry<T> {
    /// Invariant: above the generations of all dead handles with this entry's number.
    generation: NonZeroU32,
    deadline: Deadline,
    payload: T,
    /// The cell of the entry's number; [`NONE`] while the entry is free. All other cells with this number are stale.
    cell: u32,
}

/// A tick in two halves, the lower half first. The alignment of a `u64` would make the entry larger.
#[derive(Clone, Copy)]
struct Deadline([u32; 2]);

/// The least number of entries by which the table grows. A table of at most this capacity is not shrunk.
pub(super) const SMALLEST: usize = 16;

/// The number of entries that share a generation in `first_generations`.
const BLOCK: usize = 64;

/// The last generation of an entry, which is then retired: a handle with a repeated generation could name two timers.
const LAST_GENERATION: NonZeroU32 = NonZeroU32::new(u32::MAX - 1).expect("not zero");

impl<T: Copy> Entries<T> {
    pub(super) const fn new() -> Self {
        Self {
            table: Vec::new(),
            free_set: FreeSet::new(),
            armed: 0,
            first_generations: Vec::new(),
        }
    }

    pub(super) fn armed(&self) -> usize {
        self.armed
    }

    pub(super) fn capacity(&self) -> usize {
        self.table.capacity()
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.table.capacity() * size_of::<Entry<T>>()
            + self.first_generations.capacity() * size_of::<NonZeroU32>()
            + self.free_set.held_bytes()
    }

    pub(super) fn is_full(&self) -> bool {
        // In this order, because the search for a free entry takes longer.
        self.table.len() == self.table.capacity() && self.free_set.is_empty()
    }

    /// Takes a free entry and returns its number; `None` if the table must [grow](Self::grow) first.
    #[inline]
    pub(super) fn next_free(&mut self) -> Option<u32> {
        if let Some(number) = self.free_set.take() {
            return Some(number);
        }
        let number = self.table.len();
        (number < self.table.capacity()).then(|| u32::try_from(number).unwrap_or(NONE))
    }

    pub(super) fn next_capacity(&self) -> usize {
        next_capacity::<Entry<T>>(self.table.len()).max(self.table.len() + SMALLEST)
    }

    /// Makes space for `count` entries. If there is no memory, nothing changes that a caller could see.
    #[cold]
    pub(super) fn grow(&mut self, count: usize) -> Result<(), TryReserveError> {
        self.free_set.cover(count)?;
        self.table
            .try_reserve_exact(count.saturating_sub(self.table.len()))
    }

    /// Returns the number of the last entry that is not free, plus one.
    pub(super) fn used(&self) -> usize {
        // An entry whose generations are used up stays: a new entry with its number could have no generation.
        let is_used = |entry: &Entry<T>| entry.cell != NONE || entry.generation > LAST_GENERATION;
        let used = self.table.iter().rposition(is_used);
        used.map_or(0, |last| last + 1)
    }

    /// Frees the entries from `used` on, none of which has a timer. Returns `false`, and frees nothing, without memory
    /// for smaller tables.
    pub(super) fn shrink(&mut self, used: usize) -> bool {
        let kept = used.max(SMALLEST);
        let blocks = self.table.len().div_ceil(BLOCK);
        let more = blocks.saturating_sub(self.first_generations.len());
        let mut fitting = Vec::new();
        if self.first_generations.try_reserve_exact(more).is_err()
            || fitting.try_reserve_exact(kept).is_err()
        {
            return false;
        }
        let blocks = blocks.max(self.first_generations.len());
        self.first_generations.resize(blocks, NonZeroU32::MIN);
        for (number, entry) in self.table.drain(used..).enumerate() {
            let noted = &mut self.first_generations[(used + number) / BLOCK];
            *noted = entry.generation.max(*noted);
        }
        fitting.append(&mut self.table);
        self.table = fitting;
        self.free_set.shrink(used, kept);
        true
    }

    /// Puts a timer into the entry that [`next_free`](Self::next_free) has returned.
    #[inline]
    pub(super) fn fill(
        &mut self,
        number: u32,
        deadline: u64,
        payload: T,
        cell: u32,
    ) -> TimerHandle {
        self.armed += 1;
        let deadline = Deadline::new(deadline);
        let generation;
        if let Some(entry) = self.table.get_mut(number as usize) {
            generation = entry.generation;
            entry.deadline = deadline;
            entry.payload = payload;
            entry.cell = cell;
        } else {
            let first = self.first_generations.get(number as usize / BLOCK);
            generation = first.copied().unwrap_or(NonZeroU32::MIN);
            self.table.push(Entry {
                generation,
                deadline,
                payload,
                cell,
            });
        }
        TimerHandle { number, generation }
    }

    pub(super) fn deadline(&self, handle: TimerHandle) -> Option<u64> {
        let entry = self.table.get(handle.number as usize)?;
        (entry.generation == handle.generation).then(|| entry.deadline.tick())
    }

    /// Ends a timer. From now on its handle is dead, its cell is stale and its entry is free.
    #[inline]
    pub(super) fn release(&mut self, handle: TimerHandle) -> Option<(u64, T)> {
        let entry = self.table.get_mut(handle.number as usize)?;
        if entry.generation != handle.generation {
            return None;
        }
        let ended = (entry.deadline.tick(), entry.payload);
        self.free(handle);
        Some(ended)
    }

    /// Makes the cell of a timer stale, before the timer is [filed](Self::file) again.
    #[inline]
    pub(super) fn unlink(&mut self, handle: TimerHandle) -> Option<u64> {
        let entry = self.table.get_mut(handle.number as usize)?;
        (entry.generation == handle.generation).then(|| {
            entry.cell = NONE;
            entry.deadline.tick()
        })
    }

    #[inline]
    pub(super) fn file(&mut self, number: u32, deadline: u64, cell: u32) {
        let entry = &mut self.table[number as usize];
        entry.deadline = Deadline::new(deadline);
        entry.cell = cell;
    }

    /// Notes that the number of a timer stands in another cell now.
    #[inline]
    pub(super) fn moved(&mut self, number: u32, cell: u32) {
        self.table[number as usize].cell = cell;
    }

    /// Returns the deadline and the cell of the entry `number`; `None` if `number` is [`NONE`].
    #[inline]
    pub(super) fn location(&self, number: u32) -> Option<(u64, u32)> {
        let entry = self.table.get(number as usize)?;
        Some((entry.deadline.tick(), entry.cell))
    }

    /// Ends the timer whose number stands in `cell`. `None` if the cell is stale.
    #[inline]
    pub(super) fn end(&mut self, cell: u32, number: u32) -> Option<(TimerHandle, T)> {
        let entry = self.table.get_mut(number as usize)?;
        if entry.cell != cell {
            return None;
        }
        let generation = entry.generation;
        let payload = entry.payload;
        self.free(TimerHandle { number, generation });
        Some((TimerHandle { number, generation }, payload))
    }

    /// Returns the deadline of the last timer of an entry, even if the entry is free; 0 if there was none.
    #[inline]
    pub(super) fn last_deadline(&self, number: u32) -> u64 {
        let entry = self.table.get(number as usize);
        entry.map_or(0, |entry| entry.deadline.tick())
    }

    #[inline]
    fn free(&mut self, handle: TimerHandle) {
        let Some(entry) = self.table.get_mut(handle.number as usize) else {
            return;
        };
        entry.cell = NONE;
        entry.generation = handle.generation.saturating_add(1);
        self.armed -= 1;
        if handle.generation != LAST_GENERATION {
            self.free_set.insert(handle.number);
        }
    }
}

impl Deadline {
    #[expect(clippy::cast_possible_truncation, reason = "into halves")]
    fn new(tick: u64) -> Self {
        Self([tick as u32, (tick >> u32::BITS) as u32])
    }

    #[inline]
    fn tick(self) -> u64 {
        u64::from(self.0[0]) | u64::from(self.0[1]) << u32::BITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_retired_before_its_alarms_repeat() {
        let mut entries = Entries::new();
        entries.grow(SMALLEST).expect("there is memory");
        let number = entries.next_free().expect("the table has grown");
        entries.fill(number, 5, (), 1);
        entries.table[0].generation = LAST_GENERATION;
        let (last, ()) = entries.end(1, 0).expect("it stands there");
        assert_eq!(entries.next_free(), Some(1));
        assert_eq!(entries.release(last), None);
        assert_eq!(entries.deadline(last), None);
    }

    #[test]
    fn a_timer_of_a_reactor_takes_28_bytes_and_its_handle_8() {
        assert_eq!(size_of::<Entry<[u32; 3]>>(), 28);
        assert_eq!(size_of::<Option<TimerHandle>>(), 8);
    }
}
