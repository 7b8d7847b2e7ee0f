//! The set of the free entries of a table.

/// A set of numbers. [`take`](Self::take) takes the number that is found fastest, not the oldest.
///
/// The set is a bitmap. A set of a million numbers takes 128 KiB, which stays in the cache. Numbers that are taken one
/// after the other name neighbouring entries. A stack of numbers, or a list through the free entries, would return the
/// numbers in the order in which timers ended. Every arm would then wait for memory.
pub(super) struct FreeSet {
    /// Row 0 has a bit for each number. Invariant: each bit of the rows above is set if and only if its word of the row
    /// below is not zero.
    rows: [Vec<u64>; ROWS],
    /// A word of row 0 from which numbers are taken at present. These bits are not in row 0 any more.
    word: u64,
    /// The number for which the lowest bit of `word` stands.
    base: u32,
}

const BITS: usize = u64::BITS as usize;

/// The number of rows. A word of the topmost row stands for sixteen million numbers. So this row has few words, and a
/// search reads them one after the other.
const ROWS: usize = 4;

impl FreeSet {
    pub(super) const fn new() -> Self {
        Self {
            rows: [const { Vec::new() }; ROWS],
            word: 0,
            base: 0,
        }
    }

    /// Makes space for the numbers below `count`.
    pub(super) fn cover(&mut self, count: usize) {
        let mut count = count;
        for row in &mut self.rows {
            count = count.div_ceil(BITS);
            row.resize(count.max(row.len()), 0);
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

    /// Takes a number out of the set; `None` if the set is empty.
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

    /// Returns the index of the first word of row 0 that is not zero.
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
            free_set.cover(limit as usize);
            for step in 0..100_000 {
                // In turns of 10,000 steps, more numbers are added than taken, then fewer.
                let phase = step / 10_000 % 2;
                if random.u32(0..3) > phase {
                    let number = random.u32(..limit);
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
        free_set.cover(numbers.len());
        fastrand::Rng::with_seed(1).shuffle(&mut numbers);
        for number in numbers {
            free_set.insert(number);
        }
        let taken = std::iter::from_fn(|| free_set.take());
        assert!(taken.eq(0..10_000));
    }
}
