//! Tests of the tables against plain maps, and of the end of the generations.

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

fn key(index: u32, generation: u32) -> Key {
    let generation = NonZeroU32::new(generation).expect("a test names no generation zero");
    Key::new(index, generation)
}

/// Sets the generation of the next entry of `index`, as if all earlier entries had been inserted and removed.
fn age<T>(slots: &mut Slots<T>, index: usize, generation: u32) {
    slots.next_generations[index] = generation;
}

#[test]
fn a_key_is_eight_bytes_and_prints_index_and_generation() {
    assert_eq!(size_of::<Key>(), 8);
    assert_eq!(size_of::<Option<Key>>(), 8);
    assert_eq!(format!("{:?} {:?}", key(3, 7), key(0, 1)), "3v7 0v1");
}

// On a 32-bit machine the tag and the generation of a slot take one word each, so this guarantee does not hold there.
#[test]
#[cfg(target_pointer_width = "64")]
fn the_generation_costs_one_word_beside_a_value_with_a_niche() {
    assert_eq!(
        size_of::<Slot<Vec<u8>>>(),
        size_of::<Vec<u8>>() + size_of::<usize>()
    );
}

#[test]
fn keys_order_by_index_first() {
    assert!(key(1, 9) < key(2, 1));
    assert!(key(2, 1) < key(2, 2));
}

#[test]
fn a_dead_key_reaches_no_entry() {
    let mut slots = Slots::new();
    let old = slots.insert('a');
    assert_eq!(slots.remove(old), Some('a'));
    let new = slots.insert('b');
    assert_eq!(old.index(), new.index());
    assert_eq!(slots.get(old), None);
    assert_eq!(slots.get_mut(old), None);
    assert_eq!(slots.find(old.to_token()), None);
    assert_eq!(slots.remove(old), None);
    assert!(!slots.contains(old));
    assert_eq!(slots.get(new), Some(&'b'));
}

#[test]
fn a_value_can_know_its_own_key() {
    let mut slots = Slots::new();
    let key = slots.insert_with(|key| key);
    assert_eq!(slots.get(key), Some(&key));
}

#[test]
fn a_key_seen_by_a_maker_that_panicked_stays_dead() {
    let mut slots = Slots::<u32>::new();
    let mut seen = None;
    let result = catch_unwind(AssertUnwindSafe(|| {
        slots.insert_with(|key| {
            seen = Some(key);
            panic!("the maker fails");
        })
    }));
    assert!(result.is_err());
    assert_eq!(seen, Some(key(0, 1)));
    assert_eq!(slots.insert(1), key(0, 2));
    assert_eq!(seen.and_then(|key| slots.get(key)), None);
    assert_eq!(slots.len(), 1);
}

#[test]
fn a_slot_is_retired_when_its_generations_are_used_up() {
    let mut slots = Slots::new();
    let first = slots.insert(0);
    slots.remove(first);
    age(&mut slots, 0, LAST_GENERATION - 1);

    let last_but_one = slots.insert(1);
    assert_eq!(last_but_one, key(0, LAST_GENERATION - 1));
    slots.remove(last_but_one);
    let last = slots.insert(2);
    assert_eq!(last, key(0, LAST_GENERATION));
    assert_eq!(slots.find(last.to_token()), Some(last));
    assert_eq!(slots.remove(last), Some(2));

    let next_door = slots.insert(3);
    assert_eq!(next_door, key(1, 1));
    assert_eq!(slots.len(), 1);
    for stale in [first, last_but_one, last] {
        assert_eq!(slots.get(stale), None);
        assert_eq!(slots.remove(stale), None);
        assert_eq!(slots.find(stale.to_token()), None);
    }
    assert_eq!(slots.iter().collect::<Vec<_>>(), [(next_door, &3)]);
    slots.remove(next_door);
    assert!(slots.is_empty());
}

#[test]
fn a_maker_that_panics_in_the_last_generation_retires_the_slot() {
    let mut slots = Slots::new();
    let first = slots.insert(0);
    slots.remove(first);
    age(&mut slots, 0, LAST_GENERATION);
    let result = catch_unwind(AssertUnwindSafe(|| {
        slots.insert_with(|_| panic!("the maker fails"))
    }));
    assert!(result.is_err());
    assert_eq!(slots.insert(1), key(1, 1));
    assert_eq!(slots.len(), 1);
}

#[test]
fn shrinking_gives_memory_back_and_revives_no_key() {
    let mut slots = Slots::new();
    let stale: Vec<_> = (0..1_000).map(|value| slots.insert(value)).collect();
    for &key in &stale[1..] {
        slots.remove(key);
    }
    slots.shrink();
    assert!(slots.slab.capacity() < 100, "{}", slots.slab.capacity());
    assert_eq!(slots.first_generations, [2; 1_000_usize.div_ceil(BLOCK)]);
    assert_eq!(slots.get(stale[0]), Some(&0));
    for value in 0..1_000 {
        slots.insert(value);
    }
    for &key in &stale[1..] {
        assert_eq!(slots.get(key), None);
    }
}

#[test]
fn no_token_is_all_ones() {
    for index in [0, 1, 0xF_FFFE, 0xF_FFFF, 0x10_0000, u32::MAX - 1, u32::MAX] {
        for generation in [1, 2, 0xFFE, 0xFFF, 0x1000, 0x1FFF, LAST_GENERATION] {
            let key = key(index, generation);
            assert_ne!(key.to_token(), usize::MAX);
            assert!(pack_into_32_bits(key) < u64::from(u32::MAX));
        }
    }
}

#[test]
fn a_key_is_its_index_and_its_generation() {
    for (index, generation) in [(0, 1), (7, LAST_GENERATION), (u32::MAX, 1)] {
        let key = key(index, generation);
        assert_eq!(key.index(), index as usize);
        assert_eq!(key.generation(), generation);
        assert_eq!(key.nonzero_generation().get(), generation);
    }
}

#[test]
fn a_narrow_token_tells_4000_neighbouring_generations_apart() {
    let tokens: HashSet<_> = (5_000..5_000 + 4_095)
        .map(|generation| pack_into_32_bits(key(0xA_BCDE, generation)))
        .collect();
    assert_eq!(tokens.len(), 4_095);
    assert!(tokens.iter().all(|token| token & 0xF_FFFF == 0xA_BCDE));
}

/// Applies random operations to a table and to a map, and compares every result. Returns the number of retired slots.
fn compare_with_map(seed: u64, steps: u32) -> usize {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut slots = Slots::new();
    let mut model = BTreeMap::new();
    let mut issued: Vec<Key> = Vec::new();
    let mut distinct = HashSet::new();
    // A small table reuses its slots most often.
    let limit = random.usize(1..50);
    for step in 0..steps {
        let known = if random.bool() {
            random.choice(&issued).copied()
        } else {
            random.choice(model.keys()).copied()
        };
        match (random.u32(0..100), known) {
            (0..40, _) if model.len() < limit => {
                let key = slots.insert(step);
                assert!(
                    distinct.insert(key),
                    "{key:?} came back, seed {seed}, step {step}"
                );
                model.insert(key, step);
                issued.push(key);
            }
            (20..60, Some(key)) => {
                assert_eq!(
                    slots.remove(key),
                    model.remove(&key),
                    "seed {seed}, step {step}"
                );
            }
            (60..70, Some(key)) => {
                if let Some(value) = slots.get_mut(key) {
                    *value += 1;
                }
                model.entry(key).and_modify(|value| *value += 1);
            }
            (70..72, _) => {
                // Ages the slot that is filled next: the slot then takes at most three further entries.
                let index = slots.slab.vacant_key();
                if let Some(next) = slots.next_generations.get_mut(index) {
                    *next = (*next).max(LAST_GENERATION - random.u32(0..3));
                }
            }
            (72, _) => slots.shrink(),
            (73, _) => {
                let entries: Vec<_> = slots.iter().map(|(key, value)| (key, *value)).collect();
                let expected: Vec<_> = model.iter().map(|(key, value)| (*key, *value)).collect();
                assert_eq!(entries, expected, "seed {seed}, step {step}");
            }
            (_, Some(key)) => {
                assert_eq!(slots.get(key), model.get(&key), "seed {seed}, step {step}");
                let entry = model.get_mut(&key).map(|value| (key, value));
                assert_eq!(
                    slots.find_mut(key.to_token()),
                    entry,
                    "seed {seed}, step {step}"
                );
                let found = model.contains_key(&key).then_some(key);
                assert_eq!(
                    slots.find(key.to_token()),
                    found,
                    "seed {seed}, step {step}"
                );
            }
            (_, None) => assert_eq!(
                slots.find(random.usize(..)),
                None,
                "seed {seed}, step {step}"
            ),
        }
        assert_eq!(slots.len(), model.len(), "seed {seed}, step {step}");
    }
    for key in issued {
        assert_eq!(slots.get(key), model.get(&key), "seed {seed}, {key:?}");
    }
    slots.retired
}

#[test]
fn random_operations_agree_with_a_map() {
    let retired: usize = (0..60).map(|seed| compare_with_map(seed, 10_000)).sum();
    assert!(retired > 1_000, "only {retired} slots grew old enough");
}

#[test]
#[ignore = "takes minutes in a release build"]
fn a_hundred_million_operations_agree_with_a_map() {
    let first = first_seed();
    for seed in first..first + 1_000 {
        compare_with_map(seed, 100_000);
    }
}

/// Prints and returns the first seed of a long run: the value of the environment variable SEED, or a random number.
fn first_seed() -> u64 {
    let given = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..1 << 48));
    println!("SEED={seed}");
    seed
}

#[test]
fn a_younger_key_displaces_an_older_one_and_not_the_other_way() {
    let mut table = SideTable::new();
    assert_eq!(table.insert(key(4, 2), 'a'), None);
    assert_eq!(table.insert(key(4, 2), 'b'), Some('a'));
    assert_eq!(table.insert(key(4, 3), 'c'), Some('b'));
    assert_eq!(table.insert(key(4, 2), 'd'), Some('d'));
    assert_eq!(table.get(key(4, 3)), Some(&'c'));
    assert_eq!(table.len(), 1);
}

#[test]
fn a_side_table_agrees_with_a_map_at_random() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut table = SideTable::new();
        // The model: for each index the latest generation that has a value, with the value.
        let mut model: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for step in 0..10_000_u32 {
            let (index, generation) = (random.u32(0..20), random.u32(1..6));
            let key = key(index, generation);
            let live = model
                .get(&index)
                .copied()
                .filter(|&(held, _)| held == generation);
            match random.u32(0..100) {
                0..40 => {
                    let displaced = match model.get(&index) {
                        Some(&(held, _)) if held > generation => Some(step),
                        _ => model
                            .insert(index, (generation, step))
                            .map(|(_, value)| value),
                    };
                    assert_eq!(
                        table.insert(key, step),
                        displaced,
                        "seed {seed}, step {step}"
                    );
                }
                40..70 => {
                    let removed = live.map(|(_, value)| value);
                    if removed.is_some() {
                        model.remove(&index);
                    }
                    assert_eq!(table.remove(key), removed, "seed {seed}, step {step}");
                }
                70..75 => {
                    if let Some(value) = table.get_mut(key) {
                        *value += 1;
                    }
                    if let Some((held, value)) = model.get_mut(&index) {
                        *value += u32::from(*held == generation);
                    }
                }
                75 => table.shrink(),
                _ => assert_eq!(
                    table.get(key).copied(),
                    live.map(|(_, value)| value),
                    "seed {seed}, step {step}"
                ),
            }
            assert_eq!(table.len(), model.len(), "seed {seed}, step {step}");
        }
    }
}
