//! The keys and their values. The time comes with each call, so that tests choose it.

use std::collections::HashMap;
use std::rc::Rc;

use crate::expiry::{Lists, Place, Time};

/// A key or a value, which replies and lists share.
pub(crate) type Bytes = Rc<[u8]>;

/// All keys.
#[derive(Debug, Default)]
pub(crate) struct Database {
    entries: HashMap<Bytes, Entry>,
    lists: Lists,
    /// The number of keys that have expired and were freed.
    expired: u64,
}

#[derive(Debug)]
struct Entry {
    value: Bytes,
    expiry: Option<Expiry>,
}

/// The end of a key. Invariant: the key is at `place` in the lists.
#[derive(Clone, Copy, Debug)]
struct Expiry {
    at: Time,
    place: Place,
}

/// A list of keys that has no timer yet. The caller has the loop call [`Database::free_expired`] at this time.
#[derive(Clone, Copy, Debug)]
#[must_use = "without a timer, the memory of the keys is never freed"]
pub(crate) struct NewList(pub(crate) Time);

impl Entry {
    #[inline]
    fn is_live(&self, now: Time) -> bool {
        // As in Redis: a lifetime that began late in a millisecond has not passed before the end of the last one.
        self.expiry.is_none_or(|expiry| now <= expiry.at)
    }
}

/// Reading.
impl Database {
    #[inline]
    pub(crate) fn get(&self, key: &[u8], now: Time) -> Option<&Bytes> {
        let entry = self.entries.get(key)?;
        entry.is_live(now).then_some(&entry.value)
    }

    /// Returns the time at which a key expires: `None` without such a key, and `Some(None)` if it stays.
    pub(crate) fn expiry(&self, key: &[u8], now: Time) -> Option<Option<Time>> {
        let entry = self.entries.get(key).filter(|entry| entry.is_live(now))?;
        Some(entry.expiry.map(|expiry| expiry.at))
    }

    pub(crate) fn keys(&self, now: Time) -> impl Iterator<Item = &Bytes> {
        let live = self
            .entries
            .iter()
            .filter(move |(_, entry)| entry.is_live(now));
        live.map(|(key, _)| key)
    }

    /// Returns the number of keys, with those that have expired and are not freed yet.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the number of keys that will expire.
    pub(crate) fn expiring(&self) -> usize {
        self.lists.len()
    }

    pub(crate) fn expired(&self) -> u64 {
        self.expired
    }
}

/// Writing.
impl Database {
    /// Sets a value that stays.
    #[inline]
    pub(crate) fn set(&mut self, key: &[u8], value: &[u8]) {
        match self.entries.get_mut(key) {
            Some(entry) => {
                replace(&mut entry.value, value);
                if entry.expiry.is_some() {
                    self.stay(key);
                }
            }
            None => {
                let (value, expiry) = (value.into(), None);
                self.entries.insert(key.into(), Entry { value, expiry });
            }
        }
    }

    /// Sets a value, and keeps the end of the key. A key that has expired begins anew, and stays.
    pub(crate) fn set_and_keep(&mut self, key: &[u8], value: &[u8], now: Time) {
        match self.entries.get_mut(key) {
            Some(entry) if entry.is_live(now) => replace(&mut entry.value, value),
            _ => self.set(key, value),
        }
    }

    /// Lets a key expire `at` a time, and returns whether the key is there. A time that has passed removes the key.
    pub(crate) fn expire(&mut self, key: &[u8], at: Time, now: Time) -> (bool, Option<NewList>) {
        if self.get(key, now).is_none() {
            return (false, None);
        }
        if at <= now {
            return (self.remove(key, now), None);
        }
        self.stay(key);
        let Some((key, _)) = self.entries.get_key_value(key) else {
            return (false, None);
        };
        let key = Rc::clone(key);
        let (place, is_new) = self.lists.put(Rc::clone(&key), at, now);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.expiry = Some(Expiry { at, place });
        }
        (true, is_new.then(|| NewList(place.due())))
    }

    /// Lets a key stay, and returns whether it would have expired.
    pub(crate) fn persist(&mut self, key: &[u8], now: Time) -> bool {
        self.get(key, now).is_some() && self.stay(key)
    }

    fn stay(&mut self, key: &[u8]) -> bool {
        let entry = self.entries.get_mut(key);
        let Some(expiry) = entry.and_then(|entry| entry.expiry.take()) else {
            return false;
        };
        self.leave_list(expiry.place);
        true
    }

    /// Removes a key, and returns whether it was there.
    pub(crate) fn remove(&mut self, key: &[u8], now: Time) -> bool {
        let Some(entry) = self.entries.remove(key) else {
            return false;
        };
        if let Some(expiry) = entry.expiry {
            self.leave_list(expiry.place);
        }
        entry.is_live(now)
    }

    fn leave_list(&mut self, place: Place) {
        // Another key may have moved to the place.
        let Some(moved) = self.lists.take(place) else {
            return;
        };
        let moved = self.entries.get_mut(moved);
        if let Some(expiry) = moved.and_then(|entry| entry.expiry.as_mut()) {
            expiry.place = place;
        }
    }

    /// Frees the keys of a list that is due, `most` at a time. Returns whether some are left.
    pub(crate) fn free_expired(&mut self, list: Time, most: usize) -> bool {
        for _ in 0..most {
            let Some(key) = self.lists.pop(list) else {
                return false;
            };
            self.entries.remove(&key);
            self.expired += 1;
        }
        true
    }

    /// Removes all keys.
    pub(crate) fn clear(&mut self) {
        self.entries = HashMap::new();
        self.lists.clear();
    }
}

/// Replaces a value, in its own memory if it has the same length and no reply still sends it.
#[inline]
fn replace(value: &mut Bytes, new: &[u8]) {
    match Rc::get_mut(value) {
        Some(old) if old.len() == new.len() => old.copy_from_slice(new),
        _ => *value = new.into(),
    }
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
