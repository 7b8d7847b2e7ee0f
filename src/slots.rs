//! A generational arena: a [`Slots`] hands out one [`Key`] for each entry, and a [`SideTable`] holds more under the
//! same keys.
//!
//! A key carries the index of its slot and the generation of its entry. Indexes are reused, so a table stays as short
//! as the number of live entries. Keys are never reused, so a dead key reaches no later entry of the same slot. This
//! module knows neither the values in the slots nor a poll: a token is only a key squeezed into a `usize`.

mod side_table;

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

use slab::Slab;

pub use side_table::SideTable;

/// The width of the index within a token of 32 bits: about a million sources.
const SHORT_INDEX_BITS: u32 = 20;

/// The last generation that a slot may have. One less than the type allows, so that "the next generation" always has a
/// representation and no token of 64 bits consists of ones only.
const LAST_GENERATION: u32 = u32::MAX - 1;

/// The name of one entry of a table, such as a source in a reactor: valid until that entry is removed, and never again.
///
/// A key is small (8 bytes, also as `Option<Key>`) and is copied freely. It may outlive the entry: a lookup by a dead
/// key gives `None`. Keys order by index, then by generation. A key does not say which table it came from: wrap it in a
/// type for each table.
///
/// It prints as index and generation: `3v7` is the seventh tenant of slot 3.
// One word and not two, so that it is loaded, stored and compared at once: a message takes a dozen of each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(
    /// The index, and below it the generation. Invariant: the generation is at least 1 and at most [`LAST_GENERATION`].
    NonZeroU64,
);

impl Key {
    const fn new(index: u32, generation: NonZeroU32) -> Self {
        let key = (index as u64) << 32 | generation.get() as u64;
        Self(NonZeroU64::new(key).expect("a generation is not zero"))
    }

    /// Returns the position of the slot, dense from zero, by which a side table can be indexed. Earlier and later
    /// entries of the slot have the same.
    #[inline]
    #[must_use]
    pub(crate) const fn index(self) -> usize {
        (self.0.get() >> 32) as usize
    }

    /// Returns the number of this entry among the entries of the slot, counted from 1.
    #[inline]
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the upper half is the index"
    )]
    pub(crate) const fn generation(self) -> u32 {
        self.0.get() as u32
    }

    /// Returns the key as the number that a poll carries for a source; [`Slots::find`] turns it back.
    ///
    /// On 64 bit machines the token holds the whole key. On 32 bit machines it holds 20 bits of index and 12 bits of
    /// generation. A token that outlived its source by exactly 4095 entries of the slot would be taken for its
    /// successor's, which costs a spurious wake-up. Sources from index 1,048,576 on could not be told apart from lower
    /// ones, were there memory for so many. `usize::MAX` is never produced and is free for other uses.
    #[inline]
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the token was packed into as many bits as a usize has"
    )]
    pub(crate) const fn to_token(self) -> usize {
        if usize::BITS >= 64 {
            self.0.get() as usize
        } else {
            pack_into_32_bits(self) as usize
        }
    }

    /// Returns the generation as tables keep it.
    fn nonzero_generation(self) -> NonZeroU32 {
        NonZeroU32::new(self.generation()).expect("no key has generation zero")
    }

    /// Whether it is the key of the entry of this `generation`, at whatever index.
    #[inline]
    const fn is_of(self, generation: NonZeroU32) -> bool {
        self.generation() == generation.get()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}v{}", self.index(), self.generation())
    }
}

/// A table that chooses the keys of its entries: a slab whose keys do not come back.
///
/// To insert, to look up and to remove take constant time, and a table that stays at its size does not allocate.
pub struct Slots<T> {
    slab: Slab<Slot<T>>,
    /// The generation of the next entry for each index. It lies apart from the slots because the slab forgets a vacant
    /// slot's content, and because only `insert` needs it.
    ///
    /// Invariant: as long as the slab has ever been, also after [`Slots::shrink`]. Each is above the generations of all
    /// keys that were given out for the index.
    next_generations: Vec<u32>,
    /// Invariant: the number of [`Slot::Retired`] in `slab`.
    retired: usize,
}

enum Slot<T> {
    /// All generations were given out. The slot stays occupied for ever: the slab may reuse a vacant slot, and then a
    /// stale key could name a later entry.
    // Before the other. This and the slab's vacant entry both have an even discriminant then, and one bit tells whether
    // the slot has an entry.
    Retired,
    /// The entry that the key of this index and generation names.
    Live { generation: NonZeroU32, value: T },
}

impl<T> Slots<T> {
    /// Makes an empty table that has not allocated.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slab: Slab::new(),
            next_generations: Vec::new(),
            retired: 0,
        }
    }

    /// Inserts `value` under a key that no entry of this table had before.
    pub fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Inserts the value that `make` returns for the key of the new entry, for a value that knows its own key.
    ///
    /// If `make` panics nothing is inserted, and the key that it saw stays dead.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        let key = self.reserve_key();
        let value = make(key);
        let generation = key.nonzero_generation();
        let index = self.slab.insert(Slot::Live { generation, value });
        debug_assert_eq!(index, key.index());
        key
    }

    /// Returns the entry of `key`; `None` once that was removed.
    #[inline]
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&T> {
        match self.slab.get(key.index()) {
            Some(Slot::Live { generation, value }) if key.is_of(*generation) => Some(value),
            _ => None,
        }
    }

    /// Returns the entry of `key`, to change; `None` once that was removed.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slab.get_mut(key.index()) {
            Some(Slot::Live { generation, value }) if key.is_of(*generation) => Some(value),
            _ => None,
        }
    }

    /// Returns the key whose [`Key::to_token`] is `token`, if its entry is still here.
    ///
    /// Any number may be asked for: a token of a removed entry, and one that was never a key's, give `None`.
    #[must_use]
    pub fn find(&self, token: usize) -> Option<Key> {
        let index = index_in(token);
        match self.slab.get(index) {
            Some(&Slot::Live { generation, .. }) => {
                let key = key_at(index, generation);
                (key.to_token() == token).then_some(key)
            }
            _ => None,
        }
    }

    /// Returns the entry whose key has this token, with the key: [`find`](Self::find) and [`get_mut`](Self::get_mut) in
    /// one.
    #[inline]
    pub fn find_mut(&mut self, token: usize) -> Option<(Key, &mut T)> {
        if usize::BITS < 64 {
            let key = self.find(token)?;
            return self.get_mut(key).map(|value| (key, value));
        }
        let key = Key(NonZeroU64::new(token as u64)?);
        self.get_mut(key).map(|value| (key, value))
    }

    /// Takes the entry of `key` out. From now on the key is dead: to remove it again gives `None`.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        if !self.contains(key) {
            return None;
        }
        match self.slab.try_remove(key.index()) {
            Some(Slot::Live { value, .. }) => Some(value),
            _ => None,
        }
    }

    /// Whether the entry of `key` is still here.
    #[inline]
    #[must_use]
    pub fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    /// Returns the number of entries.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.slab.len() - self.retired
    }

    /// Whether there is no entry.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns all entries by rising index, which is not the order of insertion.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slab.iter().filter_map(|(index, slot)| match slot {
            Slot::Live { generation, value } => Some((key_at(index, *generation), value)),
            Slot::Retired => None,
        })
    }

    /// Gives back the memory of the vacant slots behind the last entry, for use after a spike.
    ///
    /// Four bytes stay for every slot that was ever used, without which its old keys could come back to life.
    pub fn shrink(&mut self) {
        self.slab.shrink_to_fit();
        self.next_generations.shrink_to_fit();
    }

    /// Returns the key for the slot that the slab will fill next. It is used up from now on, whether the slot is filled
    /// or not.
    fn reserve_key(&mut self) -> Key {
        loop {
            let index = self.slab.vacant_key();
            if index == self.slab.capacity() {
                self.slab.reserve_exact(growth::<T>(index));
            }
            if index == self.next_generations.len() {
                if index == self.next_generations.capacity() {
                    self.next_generations.reserve_exact(growth::<u32>(index));
                }
                self.next_generations.push(1);
            }
            let next_generation = &mut self.next_generations[index];
            match NonZeroU32::new(*next_generation) {
                Some(generation) if generation.get() <= LAST_GENERATION => {
                    *next_generation += 1;
                    return key_at(index, generation);
                }
                _ => {
                    self.slab.insert(Slot::Retired);
                    self.retired += 1;
                }
            }
        }
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for Slots<T> {
    // Without the entries: they need not be printable, and there may be a hundred thousand of them.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Slots({} entries)", self.len())
    }
}

/// From this size on an allocator asks the system for pages of its own, which a table that grows takes along
/// (`mremap(2)`). Below it a table that grows moves, and leaves a hole behind.
const MAPPED_BYTES: usize = 128 << 10;

/// Returns the number of entries by which a full table of `length` entries of type `T` grows. It doubles while it is
/// small, and then takes a sixteenth more at a time. A table of a hundred thousand connections that had just doubled
/// would waste as much memory as it uses.
fn growth<T>(length: usize) -> usize {
    if length * size_of::<T>() < MAPPED_BYTES {
        length.max(16)
    } else {
        length / 16
    }
}

fn key_at(index: usize, generation: NonZeroU32) -> Key {
    let index = u32::try_from(index).expect("four billion entries exceed any limit on descriptors");
    Key::new(index, generation)
}

/// Returns the index in a token; any number, if the token was never a key's.
fn index_in(token: usize) -> usize {
    if usize::BITS >= 64 {
        token >> (usize::BITS / 2)
    } else {
        token & ((1 << SHORT_INDEX_BITS) - 1)
    }
}

/// Returns the token of `key` where tokens have 32 bits. The generation is reduced modulo the largest number that its
/// bits can hold, so that neither they nor the token are ever all ones.
const fn pack_into_32_bits(key: Key) -> u64 {
    let generation = key.generation() as u64 % ((1 << (32 - SHORT_INDEX_BITS)) - 1);
    let index = key.index() as u64 & ((1 << SHORT_INDEX_BITS) - 1);
    generation << SHORT_INDEX_BITS | index
}

#[cfg(test)]
mod tests;
