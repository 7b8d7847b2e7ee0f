//! The set of the free entries of a table.

use std::collections::TryReserveError;

/// A set of numbers, as a bitmap: a million numbers take about 128 KiB, which stays in the cache. Numbers that are
/// taken one after the other name neighbouring entries. A stack, or a list through the free entries, would return the
/// numbers in the order in which timers ended. Every arm would then wait for memory.
pub(super) struct FreeSet {
    /// Row 0 has a bit for each number. Invariant: each bit of the rows above is set if and only if its word of the row
    /// below is not zero.
    rows: [Vec<u64>; ROWS],
    /// The word of row 0 that `take` empties. Its bits were moved here, and are not in row 0 any more.
    word: u64,
    /// The number for which the lowest bit of `word` stands.
    base: u32,
}

const BITS: usize = u64::BITS as usize;

/// The word whose lowest `count` bits are set.
const fn below(count: usize) -> u64 {
    match count < BITS {
        true => (1 << count) - 1,
        false => u64::MAX,
    }
}

/// A word of the topmost row stands for sixteen million numbers, so a search reads its few words one by one.
const ROWS: usize = 4;

impl FreeSet {
    pub(super) const fn new() -> Self {
        Self {
            rows: [const { Vec::new() }; ROWS],
            word: 0,
            base: 0,
        }
    }

    /// Makes space for the numbers below `count`. If there is no memory, nothing changes that a caller could see.
    pub(super) fn cover(&mut self, count: usize) -> Result<(), TryReserveError> {
        let mut count = count;
        for row in &mut self.rows {
            count = count.div_ceil(BITS);
            row.try_reserve_exact(count.saturating_sub(row.len()))?;
            row.resize(count.max(row.len()), 0);
        }
        Ok(())
    }

    /// Removes the numbers from `first` on, and frees the space for those from `count` on, if the memory for shorter
    /// rows can be had.
    pub(super) fn shrink(&mut self, first: usize, count: usize) {
        let base = self.base as usize;
        if base + BITS > first {
            self.word &= below(first.saturating_sub(base));
        }
        if let Some(word) = self.rows[0].get_mut(first / BITS) {
            *word &= below(first % BITS);
        }
        for word in self.rows[0].iter_mut().skip(first / BITS + 1) {
            *word = 0;
        }
        let mut count = count;
        for row in &mut self.rows {
            count = count.div_ceil(BITS);
            row.truncate(count);
            let mut fitting = Vec::new();
            if row.capacity() > count && fitting.try_reserve_exact(count).is_ok() {
                fitting.append(row);
                *row = fitting;
            }
        }
        for above in 1..ROWS {
            let (lower, upper) = self.rows.split_at_mut(above);
            for (bits, words) in upper[0].iter_mut().zip(lower[above - 1].chunks(BITS)) {
                let words = words.iter().rev();
                *bits = words.fold(0, |bits, word| bits << 1 | u64::from(*word != 0));
            }
        }
    }

    /// Adds a number that is not in the set, and for which [`cover`](Self::cover) has made space.
    #[inline]
    pub(super) fn insert(&mut self, number: u32) {
        let number = number as usize;
        let word = &mut self.rows[0][number / BITS];
        let before = *word;
        *word |= 1 << (number % BITS);
        if before == 0 {
            self.mark_above(number / BITS);
        }
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.rows.iter().map(|row| row.capacity() * 8).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.word == 0 && self.first_word().is_none()
    }

    #[inline]
    pub(super) fn take(&mut self) -> Option<u32> {
        if self.word == 0 {
            self.next_word()?;
        }
        let number = self.base + self.word.trailing_zeros();
        self.word &= self.word - 1;
        Some(number)
    }

    /// Moves the first word of row 0 that is not zero to `word`. `None` if all words are zero.
    #[cold]
    fn next_word(&mut self) -> Option<()> {
        let word = self.first_word()?;
        self.base = u32::try_from(word * BITS).ok()?;
        self.word = std::mem::take(&mut self.rows[0][word]);
        self.clear_above(word);
        Some(())
    }

    #[cold]
    fn mark_above(&mut self, word: usize) {
        let mut word = word;
        for row in &mut self.rows[1..] {
            row[word / BITS] |= 1 << (word % BITS);
            word /= BITS;
        }
    }

    fn clear_above(&mut self, word: usize) {
        let mut word = word;
        for row in &mut self.rows[1..] {
            row[word / BITS] &= !(1 << (word % BITS));
            if row[word / BITS] != 0 {
                break;
            }
            word /= BITS;
        }
    }

    fn first_word(&self) -> Option<usize> {
        let (top, below) = self.rows.split_last()?;
        let mut word = top.iter().position(|word| *word != 0)?;
        word = word * BITS + top[word].trailing_zeros() as usize;
        for row in below[1..].iter().rev() {
            word = word * BITS + row[word].trailing_zeros() as usize;
        }
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn gives_out_each_number_that_was_added_and_no_other() {
        for (seed, limit) in [(1, 10), (2, 64), (3, 5_000), (4, 300_000)] {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut free_set = FreeSet::new();
            let mut model = BTreeSet::new();
            let mut covered = 0;
            for step in 0..100_000 {
                // For 10,000 steps more numbers are added than taken, for the next 10,000 fewer, and so on.
                let phase = step / 10_000 % 2;
                if random.u32(..2_000) == 0 {
                    let first = random.u32(..=covered);
                    covered = random.u32(first..=covered);
                    free_set.shrink(first as usize, covered as usize);
                    model.retain(|number| *number < first);
                } else if random.u32(0..3) > phase {
                    let number = random.u32(..limit);
                    if number >= covered {
                        covered = number + 1;
                        free_set.cover(covered as usize).expect("there is memory");
                    }
                    if model.insert(number) {
                        free_set.insert(number);
                    }
                } else {
                    let at = format!("seed {seed}, step {step}");
                    let taken = free_set.take();
                    assert_eq!(taken.is_none(), model.is_empty(), "{at}");
                    assert!(taken.is_none_or(|number| model.remove(&number)), "{at}");
                }
            }
        }
    }

    #[test]
    fn numbers_come_out_in_the_order_of_memory() {
        let mut numbers: Vec<u32> = (0..10_000).collect();
        let mut free_set = FreeSet::new();
        free_set.cover(numbers.len()).expect("there is memory");
        fastrand::Rng::with_seed(1).shuffle(&mut numbers);
        for number in numbers {
            free_set.insert(number);
        }
        let taken = std::iter::from_fn(|| free_set.take());
        assert!(taken.eq(0..10_000));
    }
}
