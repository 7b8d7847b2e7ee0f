//! The set of the free entries of a table.

/// A set of numbers. One is taken out of it wherever that is quickest.
///
/// A bit for each number: so the set of a million fits into a near cache, and numbers come out in the order of memory.
/// A stack of them, or a list through the entries, would give them out in the order in which timers ended. Every arm
/// would wait for memory then.
pub(super) struct FreeSet {
    /// The lowest row has a bit for each number, those above have one for each word of the row below.
    /// Invariant: such a bit is set if and only if the word has bits set.
    rows: [Vec<u64>; ROWS],
    /// The rest of the word that is being used up. It was taken out of the lowest row.
    word: u64,
    /// The number that the lowest bit of `word` stands for.
    base: u32,
}

const BITS: usize = u64::BITS as usize;

/// A word of the topmost row stands for sixteen million numbers. That row is searched word by word.
const ROWS: usize = 4;

impl FreeSet {
    pub(super) const fn new() -> Self {
        Self {
            rows: [const { Vec::new() }; ROWS],
            word: 0,
            base: 0,
        }
    }

    /// Allocates for the numbers below `count`.
    pub(super) fn cover(&mut self, count: usize) {
        let mut count = count;
        for row in &mut self.rows {
            count = count.div_ceil(BITS);
            row.resize(count.max(row.len()), 0);
        }
    }

    /// Adds a number that is covered, and that is not in the set.
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

    /// Takes a number out.
    #[inline]
    pub(super) fn take(&mut self) -> Option<u32> {
        if self.word == 0 {
            self.next_word()?;
        }
        let number = self.base + self.word.trailing_zeros();
        self.word &= self.word - 1;
        Some(number)
    }

    /// Takes the first word of the lowest row that has bits set out of it.
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

    /// The first word of the lowest row that has bits set.
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
                // Now more are added than taken, now fewer.
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
