//! A generational arena: [`Slots`] gives each entry a [`Key`], and a [`SideTable`] holds further values under the same
//! keys.
//!
//! A key carries the index of its slot and the generation of its entry. Indexes are reused, so a table with few entries
//! at a time stays small. Keys are never reused, so a dead key reaches no later entry of the same slot.

mod side_table;

use std::collections::TryReserveError;
use std::fmt;
use std::hint::black_box;
use std::num::{NonZeroU32, NonZeroU64};

use slab::Slab;

pub use side_table::SideTable;

/// The number of bits of the index within a token of 32 bits: enough for about a million sources.
const SHORT_INDEX_BITS: u32 = 20;

/// The last generation that a slot may have: one less than the type allows. So the next generation never overflows, and
/// no token of 64 bits has all bits set.
const LAST_GENERATION: u32 = u32::MAX - 1;

/// The name of one entry of a table, such as a source in a reactor, valid until that entry is removed.
///
/// A key takes 8 bytes, also as `Option<Key>`. A lookup by a dead key gives `None`. Keys are ordered by index, then by
/// generation. A key does not name its table: wrap it in a type of its own for each table. A key prints as index and
/// generation: `3v7` has generation 7 in slot 3.
///
/// ```
/// fn is_dead<T: netloop::reactor::Handler>(reactor: &netloop::reactor::Reactor<T>, key: netloop::reactor::Key) -> bool {
///     reactor.get(key).is_none()
/// }
/// ```
// One 64-bit number, which one instruction loads, stores or compares. One message needs each a dozen times.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(
    /// Invariant: the upper 32 bits are the index, the lower ones the generation, from 1 to [`LAST_GENERATION`].
    NonZeroU64,
);

impl Key {
    /// A key that no table ever gives out: no table has so many slots.
    pub(crate) const NOTHING: Self = Self::new(u32::MAX, NonZeroU32::MIN);

    const fn new(index: u32, generation: NonZeroU32) -> Self {
        let key = (index as u64) << 32 | generation.get() as u64;
        Self(NonZeroU64::new(key).expect("a generation is not zero"))
    }

    /// Returns the index of the slot, counted from zero, which all entries of the slot share.
    #[inline]
    #[must_use]
    pub(crate) const fn index(self) -> usize {
        (self.0.get() >> 32) as usize
    }

    /// Returns the generation, which rises with each entry of the slot.
    #[inline]
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the upper half is the index"
    )]
    pub(crate) const fn generation(self) -> u32 {
        self.0.get() as u32
    }

    /// Returns the key as the token under which a source is registered with the poll. On 64 bit machines the token
    /// holds the whole key, on 32 bit machines 20 bits of index and 12 bits of generation. With 12 bits, an old token
    /// counts as that of the present entry if its slot has had 4095 further entries, or a multiple. This costs a
    /// spurious wake-up. Sources from index 1,048,576 on would share tokens, but memory does not suffice for so many.
    /// No key has the token `usize::MAX`, which is free for other uses.
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

    fn nonzero_generation(self) -> NonZeroU32 {
        NonZeroU32::new(self.generation()).expect("no key has generation zero")
    }

    /// Whether the key has this `generation`. The index is not compared.
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

/// A table that chooses the keys of its entries: a slab whose keys are never given out twice.
///
/// Inserting, looking up and removing take constant time, apart from growth. A table up to its former maximum of
/// entries does not allocate, except after a [`shrink`](Self::shrink) and for a slot without a generation left.
pub struct Slots<T> {
    slab: Slab<Slot<T>>,
    /// The generation of the next entry of each index, apart from the slots. The slab forgets the content of a vacant
    /// slot, and lookups never read this table. Invariant: has a number for each slot that the slab has or had since
    /// the last [`shrink`](Self::shrink). Each is above the generations of all keys that were given out for its index.
    next_generations: Vec<u32>,
    /// For each block of [`BLOCK`] slots, the generation with which its slots begin when the table grows: a sixteenth
    /// of a byte for each. Invariant: above the generations of all keys whose slots [`shrink`](Self::shrink) has freed.
    first_generations: Vec<u32>,
    /// Invariant: the number of [`Slot::Retired`] in `slab`.
    retired: usize,
}

// A tag of its own, beside the generation: a tag in a niche of `T` takes more instructions and another cache line.
#[repr(u32)]
enum Slot<T> {
    /// A slot that has no generation left. It stays occupied for ever: if it were vacant, the slab would reuse it, and
    /// an old key could name the new entry.
    // Keep this variant before `Live`. The compiler merges this enum's tag with the tag of the slab's entry. In this
    // order, `Retired` and a vacant entry have even tags, so one bit test tells whether the slot has an entry.
    Retired,
    /// The entry that the key of this index and `generation` names.
    Live { generation: NonZeroU32, value: T },
}

/// A type at least as large as the slab's private entry type, which holds a slot or the link of a vacant entry.
type SlabEntry<T> = (usize, Slot<T>);

/// The number of slots that share one generation in `first_generations`.
const BLOCK: usize = 64;

/// The capacity up to which a table is not shrunk. Also the least number of entries by which a small table grows.
const SMALLEST: usize = 16;

impl<T> Slots<T> {
    /// Makes an empty table that has not allocated.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slab: Slab::new(),
            next_generations: Vec::new(),
            first_generations: Vec::new(),
            retired: 0,
        }
    }

    /// Inserts `value` under a key that no entry of this table had before.
    pub fn insert(&mut self, value: T) -> Key {
        self.insert_with(|_| value)
    }

    /// Inserts the value that `make` returns for the key of the new entry, for a value that knows its own key. If
    /// `make` panics, nothing is inserted, and the key that was passed to `make` stays dead.
    pub fn insert_with(&mut self, make: impl FnOnce(Key) -> T) -> Key {
        let key = self.reserve_key();
        let value = make(key);
        self.fill(key, value);
        key
    }

    pub(crate) fn insert_entry(&mut self, value: T) -> (Key, &mut T) {
        let key = self.reserve_key();
        (key, self.fill(key, value))
    }

    /// Ensures that the next insertion allocates nothing. An error changes no entry.
    // A slab that gets no memory aborts the process. So `ask_for_memory` first allocates as much, and frees it again:
    // the slab then takes the freed memory.
    pub(crate) fn reserve(&mut self) -> Result<(), TryReserveError> {
        let index = self.slab.vacant_key();
        if index == self.next_generations.len() && index == self.next_generations.capacity() {
            self.next_generations
                .try_reserve_exact(growth::<u32>(index))?;
        }
        if index == self.slab.capacity() {
            let further = growth::<T>(index);
            ask_for_memory::<SlabEntry<T>>(index + further)?;
            self.slab.reserve_exact(further);
        }
        Ok(())
    }

    #[inline]
    fn fill(&mut self, key: Key, value: T) -> &mut T {
        let generation = key.nonzero_generation();
        let entry = self.slab.vacant_entry();
        debug_assert_eq!(entry.key(), key.index());
        match entry.insert(Slot::Live { generation, value }) {
            Slot::Live { value, .. } => value,
            Slot::Retired => unreachable!("a live slot was inserted"),
        }
    }

    /// Returns the entry of `key`; `None` after its removal.
    #[inline]
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&T> {
        match self.slab.get(key.index()) {
            Some(Slot::Live { generation, value }) if key.is_of(*generation) => Some(value),
            _ => None,
        }
    }

    /// Returns the entry of `key` mutably; `None` after its removal.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slab.get_mut(key.index()) {
            Some(Slot::Live { generation, value }) if key.is_of(*generation) => Some(value),
            _ => None,
        }
    }

    /// Returns the key whose [`Key::to_token`] is `token`, if the table still has the entry of this key. Any number may
    /// be passed: one that is no key's token gives `None` (for 32 bits see [`Key::to_token`]).
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

    /// Returns the key whose token is `token`, and its entry: [`find`](Self::find) and [`get_mut`](Self::get_mut).
    #[inline]
    pub fn find_mut(&mut self, token: usize) -> Option<(Key, &mut T)> {
        if usize::BITS < 64 {
            let key = self.find(token)?;
            return self.get_mut(key).map(|value| (key, value));
        }
        let key = Key(NonZeroU64::new(token as u64)?);
        self.get_mut(key).map(|value| (key, value))
    }

    /// Removes the entry of `key`, and returns the entry. From now on the key is dead: a further removal gives `None`.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        if !self.contains(key) {
            return None;
        }
        match self.slab.try_remove(key.index()) {
            Some(Slot::Live { value, .. }) => Some(value),
            _ => None,
        }
    }

    /// Whether the table still has the entry of `key`.
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

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        self.slab.iter_mut().filter_map(|(index, slot)| match slot {
            Slot::Live { generation, value } => Some((key_at(index, *generation), value)),
            Slot::Retired => None,
        })
    }

    /// Whether the table is not small, and has memory for at least four times as many entries as it has. A
    /// [`shrink`](Self::shrink) then frees much, unless an entry lies far after the others.
    #[inline]
    #[must_use]
    pub(crate) fn has_slack(&self) -> bool {
        self.slab.capacity() > 2 * SMALLEST && self.slab.len() * 4 <= self.slab.capacity()
    }

    /// Whether the table will [have slack](Self::has_slack) once an entry is removed.
    #[inline]
    pub(crate) fn has_slack_without_one(&self) -> bool {
        self.slab.capacity() > 2 * SMALLEST && self.slab.len() * 4 <= self.slab.capacity() + 4
    }

    /// Frees the memory of the vacant slots after the last entry, which a spike may have left. Takes time for each
    /// slot. Later entries then fill the other vacant slots from the front, so that a later call frees more. Four bytes
    /// for each 64 slots that were ever used stay, because no key may be given out twice. Without memory for the
    /// smaller table, the table keeps the larger one.
    pub fn shrink(&mut self) {
        let used = self.slab.iter().next_back();
        let used = used.map_or(0, |(last, _)| last + 1);
        let has_memory = self.slab.capacity() > used.max(SMALLEST)
            && ask_for_memory::<SlabEntry<T>>(used).is_ok()
            && ask_for_memory::<u32>(used).is_ok();
        if has_memory && self.note_generations(used).is_ok() {
            self.slab.shrink_to_fit();
            self.next_generations.truncate(used);
            self.next_generations.shrink_to_fit();
        }
    }

    /// Notes for each block the highest generation of its slots from `first` on, which are about to be freed.
    fn note_generations(&mut self, first: usize) -> Result<(), TryReserveError> {
        let blocks = self.next_generations.len().div_ceil(BLOCK);
        let blocks = blocks.max(self.first_generations.len());
        let more = blocks - self.first_generations.len();
        self.first_generations.try_reserve_exact(more)?;
        self.first_generations.resize(blocks, 1);
        for (index, &generation) in self.next_generations.iter().enumerate().skip(first) {
            let noted = &mut self.first_generations[index / BLOCK];
            *noted = generation.max(*noted);
        }
        Ok(())
    }

    /// Returns a new key for the slot that the slab will fill next. The key is dead if the slot is not filled.
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
                let first = self.first_generations.get(index / BLOCK);
                self.next_generations.push(first.copied().unwrap_or(1));
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
    // Prints no entries: the type of an entry need not be `Debug`, and a table may have a hundred thousand entries.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Slots({} entries)", self.len())
    }
}

/// The size from which on an allocator such as glibc's maps pages for a table. Such a table grows without a copy
/// (`mremap(2)`), and its pages take no memory before they are used.
const MAPPED_BYTES: usize = 128 << 10;

/// The size up to which a table doubles. Below `MAPPED_BYTES`, a table that grows is copied elsewhere and leaves a hole
/// in the heap. So a table above this size takes `MAPPED_BYTES` at once.
const DOUBLED_BYTES: usize = MAPPED_BYTES / 4;

/// Returns the number of entries by which a full table of `length` entries grows. A table in mapped pages grows by a
/// sixteenth: a doubled table of a hundred thousand connections could waste as much memory as it uses.
fn growth<T>(length: usize) -> usize {
    match length * size_of::<T>() {
        0..DOUBLED_BYTES => length.max(SMALLEST),
        DOUBLED_BYTES..MAPPED_BYTES => MAPPED_BYTES / size_of::<T>() + 1 - length,
        _ => length / 16,
    }
}

/// Allocates memory for `length` entries of type `T`, and frees it again. For a long table, allocates several small
/// blocks. A freed block of mapped pages makes glibc take blocks of its size from the heap from then on
/// (M_MMAP_THRESHOLD in mallopt(3)). In the heap no table grows without a copy.
fn ask_for_memory<T>(length: usize) -> Result<(), TryReserveError> {
    let entries = (MAPPED_BYTES / 2 / size_of::<T>().max(1)).max(1);
    if length <= entries {
        // A single block, which the slab can take as it is once this function has freed it.
        let mut memory = Vec::<T>::new();
        memory.try_reserve_exact(length)?;
        black_box(&memory);
        return Ok(());
    }
    let count = length.div_ceil(entries);
    let mut blocks = Vec::<Vec<T>>::new();
    blocks.try_reserve_exact(count)?;
    for block in 0..count {
        let mut memory = Vec::new();
        memory.try_reserve_exact(entries.min(length - block * entries))?;
        blocks.push(memory);
    }
    // Without `black_box`, the compiler may remove the allocations, because nothing uses them.
    black_box(&blocks);
    Ok(())
}

fn key_at(index: usize, generation: NonZeroU32) -> Key {
    let index = u32::try_from(index).expect("four billion entries exceed any limit on descriptors");
    Key::new(index, generation)
}

/// Returns the index in `token`. If `token` was never the token of a key, the index means nothing.
fn index_in(token: usize) -> usize {
    if usize::BITS >= 64 {
        token >> (usize::BITS / 2)
    } else {
        token & ((1 << SHORT_INDEX_BITS) - 1)
    }
}

/// Returns the token of `key` where tokens have 32 bits. The generation is reduced modulo 4095, the largest number of
/// 12 bits. So these bits, and the token, are never all ones.
const fn pack_into_32_bits(key: Key) -> u64 {
    let generation = key.generation() as u64 % ((1 << (32 - SHORT_INDEX_BITS)) - 1);
    let index = key.index() as u64 & ((1 << SHORT_INDEX_BITS) - 1);
    generation << SHORT_INDEX_BITS | index
}

#[cfg(test)]
mod tests;
