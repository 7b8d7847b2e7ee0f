//! A token bucket in whole numbers, for the rate of accepts.

use crate::net::values::AcceptRate;

/// The credit that one accept costs. Each tick (one millisecond) adds `per_second`, so that 1,000 ticks add the credit
/// of `per_second` accepts, and no fraction is lost.
const ACCEPT: u64 = 1_000;

/// The credit for further accepts, which grows with time up to that of a burst.
#[derive(Debug)]
pub(super) struct TokenBucket {
    per_second: u64,
    most: u64,
    /// Invariant: at most `most`.
    credit: u64,
    credited_to: u64,
}

impl TokenBucket {
    pub(super) fn new(rate: AcceptRate) -> Self {
        let most = u64::from(rate.burst) * ACCEPT;
        Self {
            per_second: rate.per_second.into(),
            most,
            credit: most,
            credited_to: 0,
        }
    }

    /// Takes the credit of one accept at `tick` (milliseconds), or returns `false` if too little is left.
    pub(super) fn take(&mut self, tick: u64) -> bool {
        let passed = tick.saturating_sub(self.credited_to);
        self.credited_to += passed;
        let grown = passed.saturating_mul(self.per_second);
        self.credit = self.credit.saturating_add(grown).min(self.most);
        match self.credit.checked_sub(ACCEPT) {
            Some(rest) => {
                self.credit = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    /// The naive model of the rate. A window begins at an earlier accept or now, and ends now. Each window may have as
    /// many accepts as a burst, plus the rate times its length.
    struct Model {
        rate: AcceptRate,
        taken: Vec<u64>,
    }

    impl Model {
        fn take(&mut self, tick: u64) -> bool {
            let is_within = self.taken.iter().chain([&tick]).all(|&since| {
                let taken = self.taken.iter().filter(|&&at| at >= since).count() as u64;
                let time = u64::from(self.rate.per_second) * (tick - since);
                (taken + 1) * 1_000 <= u64::from(self.rate.burst) * 1_000 + time
            });
            if is_within {
                self.taken.push(tick);
            }
            is_within
        }
    }

    fn compare(seed: u64) {
        let mut random = Rng::with_seed(seed);
        let rate = AcceptRate::per_second(random.u32(0..3_000)).burst(random.u32(0..12));
        let mut bucket = TokenBucket::new(rate);
        let taken = Vec::new();
        let mut model = Model { rate, taken };
        let mut tick = 0;
        for _ in 0..100 {
            let expected = model.take(tick);
            assert_eq!(bucket.take(tick), expected, "seed {seed}, tick {tick}");
            tick += match random.u32(0..8) {
                0..5 => 0,
                5..7 => random.u64(0..4),
                _ => random.u64(0..40),
            };
        }
    }

    #[test]
    fn an_accept_is_taken_exactly_if_every_window_has_space() {
        for seed in 0..100 {
            compare(seed);
        }
    }

    #[test]
    fn a_silence_of_any_length_gives_one_burst() {
        let mut bucket = TokenBucket::new(AcceptRate::per_second(u32::MAX).burst(3));
        for tick in [0, 1 << 40, u64::MAX] {
            let taken = (0..5).filter(|_| bucket.take(tick)).count();
            assert_eq!(taken, 3, "at {tick}");
        }
        let largest = AcceptRate::per_second(u32::MAX).burst(u32::MAX);
        assert!(TokenBucket::new(largest).take(u64::MAX));
    }

    #[test]
    fn a_slow_rate_loses_no_fraction() {
        // One accept in 333 1/3 ticks. With a burst of 1, the cap of the bucket would cut off the fractions.
        let mut bucket = TokenBucket::new(AcceptRate::per_second(3).burst(2));
        let taken: Vec<u64> = (0..=2_000).filter(|&tick| bucket.take(tick)).collect();
        assert_eq!(taken, [0, 1, 334, 667, 1_000, 1_334, 1_667, 2_000]);
    }

    #[test]
    fn time_that_seems_to_run_backwards_gives_no_credit() {
        let mut bucket = TokenBucket::new(AcceptRate::per_second(1_000).burst(1));
        assert!(bucket.take(10));
        assert!(!bucket.take(3));
        assert!(!bucket.take(10));
        assert!(bucket.take(11));
    }
}
