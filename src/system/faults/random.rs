//! The random numbers of a simulation or of injected faults. A run draws all of them from one generator, in one order.

/// A generator whose numbers depend on its seed alone (SplitMix64, Steele, Lea and Flood 2014). The numbers of
/// `fastrand` could change with its version, but a seed must mean the same run in every release of this crate.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Draws a number below `bound`; 0 if `bound` is 0. At the bounds used here the bias is below 1 in 2^32.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        self.next() % bound
    }

    /// Draws a position in a list of `length` entries; 0 if the list is empty.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        // A number below a `usize` fits into a `usize`.
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// Draws `true` at the rate `per_mille`. At 0 it draws no number: a fault that is off must not change the others.
    pub(crate) fn chance(&mut self, per_mille: u16) -> bool {
        per_mille > 0 && self.below(1000) < u64::from(per_mille)
    }

    /// Draws one of `choices`, which must not be empty.
    pub(crate) fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_numbers() {
        let mut random = Random::new(7);
        assert_eq!(
            [random.next(), random.next()],
            [7_191_089_600_892_374_487, 309_689_372_594_955_804]
        );
    }

    #[test]
    fn chances_come_about_as_often_as_their_rate() {
        let mut random = Random::new(1);
        let count = (0..100_000).filter(|_| random.chance(100)).count();
        assert!((9_500..10_500).contains(&count), "{count}");
        assert!(!(0..1000).any(|_| random.chance(0)));
        assert!((0..1000).all(|_| random.chance(1000)));
    }
}
