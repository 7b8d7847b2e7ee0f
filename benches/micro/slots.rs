//! The table with keys that do not come back, beside the slab that it is made of and another one with generations.

use criterion::Criterion;
use fastrand::Rng;
use netloop::internals::slots::{SideTable, Slots, to_token};
use slab::Slab;
use slotmap::SlotMap;

use crate::measure::Group;

macro_rules! insert_and_remove {
    ($group:expr, $name:literal, $table:expr, $remove:ident) => {
        let mut table = $table;
        $group.each($name, 1, || {
            let key = table.insert(7_u64);
            table.$remove(key)
        });
    };
}

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = Group::new(criterion, "slots: insert and remove");
    insert_and_remove!(group, "slots", Slots::new(), remove);
    insert_and_remove!(group, "slab", Slab::new(), try_remove);
    insert_and_remove!(group, "slotmap", SlotMap::new(), remove);
    drop(group);
    let mut group = Group::new(criterion, "slots: look up, at random");
    for size in [1_000, 10_000, 100_000] {
        let (mut slots, mut slab, mut slot_map) = (Slots::new(), Slab::new(), SlotMap::new());
        let mut side_table = SideTable::new();
        let mut keys = Vec::new();
        for value in 0..size as u64 {
            let key = slots.insert(value);
            side_table.insert(key, value);
            keys.push((key, slab.insert(value), slot_map.insert(value)));
        }
        Rng::with_seed(1).shuffle(&mut keys);
        let all = (0..size as u64).sum::<u64>();
        group.rounds("slots", size, &slots, |slots| {
            let values = keys.iter().filter_map(|(key, ..)| slots.get(*key));
            assert_eq!(values.sum::<u64>(), all);
        });
        let tokens: Vec<_> = keys.iter().map(|(key, ..)| to_token(*key)).collect();
        group.rounds("slots, by token", size, &slots, |slots| {
            let found = tokens.iter().filter(|token| slots.find(**token).is_some());
            assert_eq!(found.count(), size);
        });
        group.rounds("side table", size, &side_table, |side_table| {
            let values = keys.iter().filter_map(|(key, ..)| side_table.get(*key));
            assert_eq!(values.sum::<u64>(), all);
        });
        group.rounds("slab", size, &slab, |slab| {
            let values = keys.iter().filter_map(|(_, key, _)| slab.get(*key));
            assert_eq!(values.sum::<u64>(), all);
        });
        group.rounds("slotmap", size, &slot_map, |slot_map| {
            let values = keys.iter().filter_map(|(.., key)| slot_map.get(*key));
            assert_eq!(values.sum::<u64>(), all);
        });
    }
}
