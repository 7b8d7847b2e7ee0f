//! The table with keys that do not come back, beside the slab that it is made of and another one with generations.

use criterion::Criterion;
use fastrand::Rng;
use netloop::internals::slots::{Key, SideTable, Slots, to_token};
use slab::Slab;
use slotmap::{DefaultKey, SlotMap};

use crate::measure::Group;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = Group::new(criterion, "slots: insert and remove");
    let mut slots = Slots::new();
    group.each("slots", None, || {
        let key = slots.insert(7_u64);
        slots.remove(key)
    });
    let mut slab = Slab::new();
    group.each("slab", None, || {
        let index = slab.insert(7_u64);
        slab.try_remove(index)
    });
    let mut slot_map = SlotMap::new();
    group.each("slotmap", None, || {
        let key = slot_map.insert(7_u64);
        slot_map.remove(key)
    });
    drop(group);

    let mut group = Group::new(criterion, "slots: look up, at random");
    for size in SIZES {
        let (slots, keys) = filled(size);
        group.rounds(
            "slots",
            size,
            size,
            &slots,
            |_| (),
            |slots| {
                let sum: u64 = keys.iter().filter_map(|&key| slots.get(key)).sum();
                assert!(sum > 0);
            },
        );
        let tokens: Vec<_> = keys.iter().map(|&key| to_token(key)).collect();
        group.rounds(
            "slots, by token",
            size,
            size,
            &slots,
            |_| (),
            |slots| {
                let found = tokens.iter().filter(|&&token| slots.find(token).is_some());
                assert_eq!(found.count(), size);
            },
        );
        let mut side_table = SideTable::new();
        for &key in &keys {
            side_table.insert(key, 1_u64);
        }
        group.rounds(
            "side table",
            size,
            size,
            &side_table,
            |_| (),
            |side_table| {
                let sum: u64 = keys.iter().filter_map(|&key| side_table.get(key)).sum();
                assert!(sum > 0);
            },
        );
        let slab: Slab<u64> = (0..size).map(|index| (index, index as u64)).collect();
        group.rounds(
            "slab",
            size,
            size,
            &slab,
            |_| (),
            |slab| {
                let values = keys.iter().filter_map(|key| slab.get(key.index()));
                assert!(values.sum::<u64>() > 0);
            },
        );
        let (slot_map, keys) = filled_slot_map(size);
        group.rounds(
            "slotmap",
            size,
            size,
            &slot_map,
            |_| (),
            |slot_map| {
                let sum: u64 = keys.iter().filter_map(|&key| slot_map.get(key)).sum();
                assert!(sum > 0);
            },
        );
    }
    drop(group);

    let mut group = Group::new(criterion, "slots: all");
    for size in SIZES {
        let (slots, _) = filled(size);
        group.rounds(
            "slots",
            size,
            size,
            &slots,
            |_| (),
            |slots| {
                assert!(slots.iter().map(|(_, value)| value).sum::<u64>() > 0);
            },
        );
        let slab: Slab<u64> = (0..size).map(|index| (index, index as u64)).collect();
        group.rounds(
            "slab",
            size,
            size,
            &slab,
            |_| (),
            |slab| {
                assert!(slab.iter().map(|(_, value)| value).sum::<u64>() > 0);
            },
        );
        let (slot_map, _) = filled_slot_map(size);
        group.rounds(
            "slotmap",
            size,
            size,
            &slot_map,
            |_| (),
            |slot_map| {
                assert!(slot_map.values().sum::<u64>() > 0);
            },
        );
    }
}

/// A table with its keys in no order.
fn filled(size: usize) -> (Slots<u64>, Vec<Key>) {
    let mut slots = Slots::new();
    let mut keys: Vec<_> = (0..size).map(|value| slots.insert(value as u64)).collect();
    Rng::with_seed(1).shuffle(&mut keys);
    (slots, keys)
}

fn filled_slot_map(size: usize) -> (SlotMap<DefaultKey, u64>, Vec<DefaultKey>) {
    let mut slot_map = SlotMap::new();
    let mut keys: Vec<_> = (0..size)
        .map(|value| slot_map.insert(value as u64))
        .collect();
    Rng::with_seed(1).shuffle(&mut keys);
    (slot_map, keys)
}
