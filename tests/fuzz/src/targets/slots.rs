//! The table of sources and the table beside it, against maps that remember every key that was ever given out.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use netloop::internals::slots::{SideTable, Slots, to_token};
use netloop::reactor::Key;

/// A small table reuses its slots most often.
const MOST_ENTRIES: usize = 24;

#[derive(Default)]
struct Tables {
    slots: Slots<u32>,
    side: SideTable<u32>,
    model: BTreeMap<Key, u32>,
    side_model: BTreeMap<Key, u32>,
    /// Every key that was given out, also the dead ones.
    issued: Vec<Key>,
}

pub(crate) fn play(input: &mut Unstructured<'_>) -> Result<()> {
    let mut tables = Tables::default();
    let mut value = 0;
    while !input.is_empty() {
        value += 1;
        let known = match tables.issued.is_empty() {
            true => None,
            false => Some(*input.choose(&tables.issued)?),
        };
        tables.step(input.arbitrary()?, known, value);
        tables.check(known);
    }
    for key in &tables.issued {
        tables.check(Some(*key));
    }
    let entries = tables.slots.iter().map(|(key, value)| (key, *value));
    assert!(entries.eq(tables.model.iter().map(|(key, value)| (*key, *value))));
    Ok(())
}

impl Tables {
    fn step(&mut self, choice: u8, known: Option<Key>, value: u32) {
        match (choice % 16, known) {
            (0..5, _) if self.model.len() < MOST_ENTRIES => {
                let key = match choice % 2 {
                    0 => self.slots.insert(value),
                    _ => self.slots.insert_with(|_| value),
                };
                assert!(!self.issued.contains(&key), "{key:?} came back");
                self.model.insert(key, value);
                self.issued.push(key);
            }
            (5..8, Some(key)) => {
                assert_eq!(self.slots.remove(key), self.model.remove(&key), "{key:?}");
                // The owner of a source forgets what lies beside it, though not always at once.
                if choice < 128 {
                    assert_eq!(
                        self.side.remove(key),
                        self.side_model.remove(&key),
                        "{key:?}"
                    );
                }
            }
            (8..10, Some(key)) if self.model.contains_key(&key) => {
                // A value of an earlier entry of the slot goes.
                let index = to_index(key);
                let earlier = self
                    .side_model
                    .keys()
                    .find(|it| to_index(**it) == index)
                    .copied();
                let displaced = earlier.and_then(|earlier| self.side_model.remove(&earlier));
                self.side_model.insert(key, value);
                assert_eq!(self.side.insert(key, value), displaced, "{key:?}");
            }
            (10, _) => self.slots.shrink(),
            (11, _) => self.side.shrink(),
            (12, Some(key)) => {
                let changed = self
                    .slots
                    .get_mut(key)
                    .map(|it| std::mem::replace(it, value));
                let expected = self.model.get_mut(&key);
                assert_eq!(
                    changed,
                    expected.map(|it| std::mem::replace(it, value)),
                    "{key:?}"
                );
            }
            (13, Some(key)) => {
                let found = self.slots.find_mut(to_token(key));
                assert_eq!(found, self.model.get_mut(&key).map(|value| (key, value)));
            }
            (14, _) => assert!(self.slots.find(usize::MAX).is_none()),
            _ => {}
        }
    }

    fn check(&self, known: Option<Key>) {
        assert_eq!(self.slots.len(), self.model.len());
        assert_eq!(self.slots.is_empty(), self.model.is_empty());
        let Some(key) = known else { return };
        let expected = self.model.get(&key);
        assert_eq!(self.slots.get(key), expected, "{key:?}");
        assert_eq!(self.slots.contains(key), expected.is_some(), "{key:?}");
        assert_eq!(self.side.get(key), self.side_model.get(&key), "{key:?}");
        // A token of 32 bits is also that of a later entry, 4,095 entries on.
        if usize::BITS >= 64 {
            assert_eq!(
                self.slots.find(to_token(key)),
                expected.map(|_| key),
                "{key:?}"
            );
        }
    }
}

/// Returns the index of a key, as a key prints it.
fn to_index(key: Key) -> String {
    let text = format!("{key:?}");
    text.split('v')
        .next()
        .map(str::to_owned)
        .expect("a key prints as index and generation")
}
