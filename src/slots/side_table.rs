//! A side table under the keys of a `Slots`.

use std::collections::TryReserveError;
use std::fmt;
use std::num::NonZeroU32;

use super::{Key, SMALLEST, growth};

/// A table of further values under the keys of a [`Slots`](super::Slots). A value and the entry in the `Slots` can be
/// borrowed at the same time.
///
/// The table holds at most one value for each index, and only the key that put a value there reaches it. The table has
/// space for a `T` at each index up to the highest that was used, so box a large `T`.
pub struct SideTable<T> {
    entries: Vec<Option<(NonZeroU32, T)>>,
    /// Invariant: the number of `Some` in `entries`.
    length: usize,
}

impl<T> SideTable<T> {
    /// Makes an empty table that has not allocated.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            length: 0,
        }
    }

    /// Ensures that the insertion of a value under `key` allocates nothing. An error changes nothing.
    pub(crate) fn reserve(&mut self, key: Key) -> Result<(), TryReserveError> {
        match self.further(key) {
            Some(further) => self.entries.try_reserve_exact(further),
            None => Ok(()),
        }
    }

    /// Returns the number of entries to reserve for a value under `key`; `None` if the capacity suffices.
    fn further(&self, key: Key) -> Option<usize> {
        if key.index() < self.entries.capacity() {
            return None;
        }
        let further = key.index() + 1 - self.entries.len();
        Some(further.max(growth::<T>(self.entries.len())))
    }

    /// Puts `value` under `key`, and returns the value that is displaced. The displaced value is the former value of
    /// this index, or `value` itself if a key of a later generation holds the index.
    pub fn insert(&mut self, key: Key, value: T) -> Option<T> {
        if self.entries.len() <= key.index() {
            if let Some(further) = self.further(key) {
                self.entries.reserve_exact(further);
            }
            self.entries.resize_with(key.index() + 1, || None);
        }
        let entry = &mut self.entries[key.index()];
        if matches!(entry, Some((generation, _)) if generation.get() > key.generation()) {
            return Some(value);
        }
        match entry.replace((key.nonzero_generation(), value)) {
            Some((_, displaced)) => Some(displaced),
            None => {
                self.length += 1;
                None
            }
        }
    }

    /// Returns the value under exactly this key.
    #[cfg(any(test, feature = "internals"))]
    #[inline]
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&T> {
        match self.entries.get(key.index()) {
            Some(Some((generation, value))) if key.is_of(*generation) => Some(value),
            _ => None,
        }
    }

    /// Returns the value that was put under exactly this key, mutably.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        // `own` is not zero, so one comparison rejects both a vacant entry and another generation.
        let own = NonZeroU32::new(key.generation())?;
        match self.entries.get_mut(key.index()) {
            Some(Some((generation, value))) if *generation == own => Some(value),
            _ => None,
        }
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().flatten().map(|(_, value)| value)
    }

    /// Takes out the value under exactly this key.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let own = NonZeroU32::new(key.generation())?;
        let entry = self.entries.get_mut(key.index())?;
        let (_, value) = entry.take_if(|(generation, _)| *generation == own)?;
        self.length -= 1;
        Some(value)
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Frees the memory after the last value, unless there is no memory for the smaller table.
    pub fn shrink(&mut self) {
        let used = self.entries.iter().rposition(Option::is_some);
        let used = used.map_or(0, |last| last + 1);
        self.entries.truncate(used);
        let mut fitting = Vec::new();
        if self.entries.capacity() > used.max(SMALLEST) && fitting.try_reserve_exact(used).is_ok() {
            fitting.append(&mut self.entries);
            self.entries = fitting;
        }
    }
}

impl<T> Default for SideTable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for SideTable<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SideTable({} values)", self.length)
    }
}
