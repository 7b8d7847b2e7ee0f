//! The map from deadlines to buckets, and the order of the buckets.

pub(super) struct Levels {
    pub(super) now: u64,
    /// Invariant: bit `bucket % WORD` of word `bucket / WORD` is set if and only if the bucket has entries.
    occupied: [u64; WORDS],
    /// Invariant: bit `word` is set if and only if `occupied[word]` is not zero.
    words: u32,
}

/// The number of bits of each digit of a tick, lowest digit first. At 1 ms a tick, the two lowest digits cover a
/// minute, so an idle timeout of up to a minute cascades at most twice. The levels above seldom cascade, and have few
/// buckets, because each bucket costs memory.
const DIGITS: [u32; 14] = [8, 8, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4];

/// The number of buckets of all levels together.
pub(super) const BUCKETS: u32 = LEVELS[LEVELS.len() - 1].first + (1 << DIGITS[DIGITS.len() - 1]);

/// The number of buckets of the lowest level. All entries of such a bucket have the same deadline.
pub(super) const LOWEST: u32 = 1 << DIGITS[0];

const WORD: u32 = u64::BITS;
const WORDS: usize = (BUCKETS / WORD) as usize;

/// One level: the buckets for the values of one digit of the tick.
#[derive(Clone, Copy)]
pub(super) struct Level {
    /// The number of bits below the digit.
    shift: u32,
    /// The highest value of the digit, which is also its mask.
    highest: u32,
    /// The index of the bucket for the value zero. This bucket stays empty. An entry lies on the level of the digit in
    /// which its deadline is greater than the current tick. So this digit of its deadline is not zero.
    first: u32,
}

const LEVELS: [Level; DIGITS.len()] = {
    let mut levels = [Level {
        shift: 0,
        highest: 0,
        first: 0,
    }; DIGITS.len()];
    let (mut level, mut shift, mut first) = (0, 0, 0);
    while level < DIGITS.len() {
        levels[level] = Level {
            shift,
            highest: (1 << DIGITS[level]) - 1,
            first,
        };
        shift += DIGITS[level];
        first += 1 << DIGITS[level];
        level += 1;
    }
    levels
};

const LEVEL_OF_BIT: [Level; u64::BITS as usize] = {
    let mut of_bit = [LEVELS[0]; u64::BITS as usize];
    let (mut level, mut bit) = (0, 0);
    while bit < u64::BITS {
        if bit == LEVELS[level].shift + DIGITS[level] {
            level += 1;
        }
        of_bit[bit as usize] = LEVELS[level];
        bit += 1;
    }
    of_bit
};

/// The number of buckets of the smallest level. The first bucket of every level is a multiple of this number.
const GROUP: u32 = 1 << DIGITS[DIGITS.len() - 1];

const LEVEL_OF_GROUP: [usize; (BUCKETS / GROUP) as usize] = {
    let mut of_group = [0; (BUCKETS / GROUP) as usize];
    let (mut level, mut bucket) = (0, 0);
    while bucket < BUCKETS {
        if bucket == LEVELS[level].first + (1 << DIGITS[level]) {
            level += 1;
        }
        of_group[(bucket / GROUP) as usize] = level;
        bucket += GROUP;
    }
    of_group
};

impl Levels {
    pub(super) const fn new(now: u64) -> Self {
        Self {
            now,
            occupied: [0; WORDS],
            words: 0,
        }
    }

    /// Returns the bucket of a deadline that lies after the current tick.
    #[inline]
    pub(super) fn bucket_of(&self, deadline: u64) -> u32 {
        // The lowest bit, which never changes the level, is set so that `ilog2` need not check for zero.
        let highest_difference = ((deadline ^ self.now) | 1).ilog2();
        LEVEL_OF_BIT[highest_difference as usize].bucket_of(deadline)
    }

    /// Returns the first tick that a bucket covers.
    #[inline]
    pub(super) fn start_of(&self, bucket: u32) -> u64 {
        let level = LEVELS[LEVEL_OF_GROUP[(bucket / GROUP) as usize]];
        // In the digits above this level the bucket's ticks equal the current tick.
        let tick = (self.now >> level.shift) & !u64::from(level.highest);
        (tick | u64::from(bucket - level.first)) << level.shift
    }

    /// Returns the level of the highest digit in which the deadlines of a bucket may differ, at least the lowest level.
    pub(super) fn level_below(bucket: u32) -> Level {
        let level = LEVEL_OF_GROUP[(bucket / GROUP) as usize];
        LEVELS[level.saturating_sub(1)]
    }

    /// Returns the occupied bucket whose entries are the earliest of all.
    #[inline]
    pub(super) fn nearest_bucket(&self) -> Option<u32> {
        let word = self.words.trailing_zeros();
        let bits = self.occupied.get(word as usize)?;
        Some(word * WORD + bits.trailing_zeros())
    }

    #[inline]
    pub(super) fn occupy(&mut self, bucket: u32) {
        let word = bucket / WORD;
        self.occupied[word as usize] |= 1 << (bucket % WORD);
        self.words |= 1 << word;
    }

    #[inline]
    pub(super) fn vacate(&mut self, bucket: u32) {
        let word = bucket / WORD;
        let bits = &mut self.occupied[word as usize];
        *bits &= !(1 << (bucket % WORD));
        self.words &= !(u32::from(*bits == 0) << word);
    }
}

impl Level {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a digit has a few bits")]
    pub(super) fn bucket_of(self, deadline: u64) -> u32 {
        self.first + ((deadline >> self.shift) as u32 & self.highest)
    }

    /// Whether `bucket` is this level's bucket for the digit zero, which stays empty.
    #[inline]
    pub(super) fn begins_with(self, bucket: u32) -> bool {
        bucket == self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_cover_a_tick_and_every_bucket_has_its_level() {
        assert_eq!(DIGITS.iter().sum::<u32>(), u64::BITS);
        for bucket in 0..BUCKETS {
            let level = LEVELS[LEVEL_OF_GROUP[(bucket / GROUP) as usize]];
            assert!(
                (level.first..=level.first + level.highest).contains(&bucket),
                "{bucket}"
            );
        }
    }

    #[test]
    fn buckets_start_after_now_by_their_deadlines_and_in_order() {
        for now in (0..64).flat_map(|bit| [1 << bit, (1 << bit) - 1, u64::MAX - (1 << bit)]) {
            let levels = Levels::new(now);
            let mut before = 0;
            let deadlines = (0..64).filter_map(|bit| now.checked_add(1 << bit));
            for deadline in deadlines {
                let bucket = levels.bucket_of(deadline);
                let start = levels.start_of(bucket);
                assert!(now < start && start <= deadline, "{deadline} from {now}");
                assert!(before <= bucket, "{deadline} from {now}");
                before = bucket;
            }
        }
    }

    #[test]
    fn the_nearest_bucket_is_the_lowest_that_is_occupied() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut levels = Levels::new(0);
        let mut model = std::collections::BTreeSet::new();
        for _ in 0..10_000 {
            let bucket = random.u32(..BUCKETS) >> random.u32(..10);
            if model.remove(&bucket) {
                levels.vacate(bucket);
            } else {
                model.insert(bucket);
                levels.occupy(bucket);
            }
            assert_eq!(levels.nearest_bucket(), model.first().copied());
        }
    }
}
