//! The keys that will expire, in lists. One timer of the loop serves a list, and a list has the keys of a stretch of time.
//!
//! A read looks at the key's own time, so no key is seen a moment too long. The lists only free memory, and may be
//! late: a list falls due at most a sixteenth of a key's lifetime after the key. So a million keys need at most some
//! hundred lists and timers, whether they expire in a second or in a year.
//!
//! A key that expires takes 18 bytes and 0.3 µs more than one that stays (a million keys, of up to a month). A timer of its own
//! would take 38 bytes on the loop's wheel, and a slot and a box for its call.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The shortest stretch of time that has a list of its own, in milliseconds.
const SHORTEST_STRETCH: u64 = 64;

/// A moment, in milliseconds since the server began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Time(u64);

impl Time {
    pub(crate) fn new(now: Instant, began: Instant) -> Self {
        let since = now.saturating_duration_since(began);
        let milliseconds = u64::from(since.subsec_millis());
        Self(
            since
                .as_secs()
                .saturating_mul(1000)
                .saturating_add(milliseconds),
        )
    }

    pub(crate) fn after(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Returns the milliseconds from `earlier` to this moment.
    pub(crate) fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    pub(crate) fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.since(earlier))
    }
}

/// The place of a key in a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    list: Time,
    index: usize,
}

/// The lists, by the time at which they fall due.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    lists: HashMap<Time, Vec<Rc<[u8]>>>,
    /// The number of keys in all lists.
    length: usize,
}

impl Lists {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Puts a key that expires `at` into its list. Returns whether the list is new: it then needs a timer, which is due at
    /// [`Place::due`].
    pub(crate) fn put(&mut self, key: Rc<[u8]>, at: Time, now: Time) -> (Place, bool) {
        let list = due(at.after(1), now);
        let mut is_new = false;
        let keys = self.lists.entry(list).or_insert_with(|| {
            is_new = true;
            Vec::new()
        });
        let index = keys.len();
        keys.push(key);
        self.length += 1;
        (Place { list, index }, is_new)
    }

    /// Takes a key out of its list. Another key may move to its place, and is returned. The list keeps its timer, also if
    /// it is empty now.
    pub(crate) fn take(&mut self, place: Place) -> Option<&Rc<[u8]>> {
        let keys = self.lists.get_mut(&place.list)?;
        keys.swap_remove(place.index);
        self.length -= 1;
        keys.get(place.index)
    }

    /// Takes a key off a list that is due. After the last one the list is gone.
    pub(crate) fn pop(&mut self, list: Time) -> Option<Rc<[u8]>> {
        let key = self.lists.get_mut(&list)?.pop();
        match key {
            Some(_) => self.length -= 1,
            None => drop(self.lists.remove(&list)),
        }
        key
    }

    /// Forgets all keys. The lists keep their timers.
    pub(crate) fn clear(&mut self) {
        for keys in self.lists.values_mut() {
            *keys = Vec::new();
        }
        self.length = 0;
    }
}

impl Place {
    pub(crate) fn due(self) -> Time {
        self.list
    }
}

/// Returns when the list of a key that expires `at` falls due: later by less than a sixteenth of its lifetime, or the
/// shortest stretch.
fn due(at: Time, now: Time) -> Time {
    let lifetime = at.since(now).max(1);
    let stretch = (1 << lifetime.ilog2() >> 4).max(SHORTEST_STRETCH);
    Time(at.0.checked_next_multiple_of(stretch).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Lists, Time, due};

    #[test]
    fn a_list_is_due_soon_behind_its_keys() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..100_000 {
            let now = Time(random.u64(..) >> random.u32(20..64));
            let lifetime = random.u64(..) >> random.u32(20..64);
            let at = now.after(lifetime);
            let late = due(at, now).0 - at.0;
            assert!(late < 64.max(lifetime / 16 + 1), "{now:?} {at:?}: {late}");
        }
        assert_eq!(due(Time(u64::MAX), Time(0)), Time(u64::MAX));
    }

    #[test]
    fn a_million_keys_have_some_hundred_lists() {
        let mut random = fastrand::Rng::with_seed(6);
        for longest in [1_000, 1_000_000, 1_000_000_000, u64::MAX] {
            let now = Time(123_456_789);
            let lists: BTreeSet<_> = (0..1_000_000)
                .map(|_| due(now.after(random.u64(..longest)), now))
                .collect();
            assert!(lists.len() <= 600, "{longest}: {}", lists.len());
        }
    }

    #[test]
    fn a_key_leaves_its_list_without_a_trace() {
        let mut lists = Lists::default();
        let at = Time(1000);
        let places: Vec<_> = (0..3_u8)
            .map(|key| lists.put([key].into(), at, Time(0)))
            .collect();
        let is_new: Vec<_> = places.iter().map(|(_, is_new)| *is_new).collect();
        assert_eq!(is_new, [true, false, false]);
        let moved = lists.take(places[0].0).cloned();
        assert_eq!(moved, Some([2].into()));
        assert_eq!(lists.len(), 2);
        let list = places[0].0.due();
        assert_eq!(lists.pop(list), Some([1].into()));
        assert_eq!(lists.pop(list), Some([2].into()));
        assert_eq!(lists.pop(list), None);
        assert_eq!((lists.len(), lists.lists.len()), (0, 0));
        assert!(
            lists.put([1].into(), at, Time(0)).1,
            "the list is new again"
        );
    }
}
