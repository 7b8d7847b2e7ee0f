//! The database against a map that looks at every key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::*;

/// Values with the milliseconds at which they expire.
type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

fn at(milliseconds: u64) -> Time {
    let began = Instant::now();
    Time::new(began + Duration::from_millis(milliseconds), began)
}

/// Calls of random operations, and the model beside it, whose keys go at the moment at which they expire.
struct Pair {
    random: fastrand::Rng,
    database: Database,
    model: Model,
    /// The lists that have a timer.
    timers: BTreeSet<Time>,
    now: u64,
}

impl Pair {
    fn step(&mut self) {
        let key = vec![self.random.u8(b'a'..b'k')];
        let value = vec![b'v'; self.random.usize(..4)];
        let now = at(self.now);
        match self.random.u8(..8) {
            0 | 1 => {
                self.database.set(&key, &value);
                self.model.insert(key, (value, None));
            }
            2 => {
                self.database.set_and_keep(&key, &value, now);
                let kept = self.model.get(&key).and_then(|(_, expiry)| *expiry);
                self.model.insert(key, (value, kept));
            }
            3 | 4 => {
                let end = self.now + self.random.u64(..2000);
                let (found, list) = self.database.expire(&key, at(end), now);
                self.timers.extend(list.map(|list| list.0));
                assert_eq!(found, self.model.contains_key(&key));
                if let Some((_, expiry)) = self.model.get_mut(&key) {
                    *expiry = Some(end);
                }
                if end == self.now {
                    self.model.remove(&key);
                }
            }
            5 => {
                let expected = self
                    .model
                    .get_mut(&key)
                    .and_then(|(_, expiry)| expiry.take());
                assert_eq!(self.database.persist(&key, now), expected.is_some());
            }
            6 => {
                let expected = self.model.remove(&key).is_some();
                assert_eq!(self.database.remove(&key, now), expected);
            }
            _ => self.pass(),
        }
    }

    /// Lets time pass. The timers that are due free their lists, each sooner or later.
    fn pass(&mut self) {
        self.now += self.random.u64(..300);
        let now = self.now;
        self.model
            .retain(|_, (_, expiry)| expiry.is_none_or(|end| now <= end));
        let due: Vec<_> = self.timers.range(..=at(now)).copied().collect();
        for list in due {
            if self.random.bool() {
                while self.database.free_expired(list, 2) {}
                self.timers.remove(&list);
            }
        }
    }

    fn compare(&self) {
        let now = at(self.now);
        let keys: BTreeSet<_> = self.database.keys(now).map(|key| key.to_vec()).collect();
        assert!(keys.iter().eq(self.model.keys()));
        for (key, (value, expiry)) in &self.model {
            assert_eq!(
                self.database.get(key, now).map(|it| &**it),
                Some(&value[..])
            );
            assert_eq!(self.database.expiry(key, now), Some(expiry.map(at)));
        }
        let expiring = self.database.entries.values();
        let expiring = expiring.filter(|entry| entry.expiry.is_some()).count();
        assert_eq!(self.database.expiring(), expiring);
        for entry in self.database.entries.values() {
            let list = entry.expiry.map(|expiry| expiry.place.due());
            assert!(
                list.is_none_or(|list| self.timers.contains(&list)),
                "a list has a timer"
            );
        }
    }
}

#[test]
fn random_operations_do_as_the_model_does() {
    for seed in 0..30 {
        let mut pair = Pair {
            random: fastrand::Rng::with_seed(seed),
            database: Database::default(),
            model: Model::new(),
            timers: BTreeSet::new(),
            now: 0,
        };
        for _ in 0..2000 {
            pair.step();
            pair.compare();
        }
    }
}

#[test]
fn an_expired_key_is_gone_before_it_is_freed() {
    let mut database = Database::default();
    database.set(b"a", b"1");
    let (found, list) = database.expire(b"a", at(100), at(0));
    let list = list.unwrap().0;
    assert!(found);
    assert!(database.get(b"a", at(99)).is_some());
    assert!(database.get(b"a", at(100)).is_some());
    assert!(database.get(b"a", at(101)).is_none());
    assert_eq!(database.len(), 1);
    assert!(!database.free_expired(list, 10));
    assert_eq!((database.len(), database.expired()), (0, 1));
}

#[test]
fn a_cleared_database_needs_no_second_timer() {
    let mut database = Database::default();
    for round in 0..3 {
        database.set(b"a", b"1");
        let (_, list) = database.expire(b"a", at(100), at(0));
        assert_eq!(list.is_some(), round == 0);
        database.clear();
        assert_eq!((database.len(), database.expiring()), (0, 0));
    }
}

#[test]
fn a_value_that_a_reply_still_sends_is_not_overwritten() {
    let mut database = Database::default();
    database.set(b"a", b"old");
    let sent = database.get(b"a", at(0)).cloned().unwrap();
    database.set(b"a", b"new");
    assert_eq!(&*sent, b"old");
    assert_eq!(&**database.get(b"a", at(0)).unwrap(), b"new");
}
