//! The pace of one direction of a connection: whether its bytes move at least at the rate of a [`MinRate`].

use crate::net::values::MinRate;

use super::activity::later;

/// The shortest time over which a rate is measured, in addition to the grace.
const MEASURE: std::time::Duration = std::time::Duration::from_secs(1);

/// The time that a peer has left before it is too slow. Each byte adds the time that one byte takes at the least rate.
/// The time left never exceeds the grace plus a second. So the peer may be silent for that long, and over any longer
/// time its bytes must come at the rate. The owner passes its counter of bytes only when the time is over.
#[derive(Debug)]
pub(super) struct Pace {
    rate: MinRate,
    time: Time,
    /// The part of the owner's counter of bytes that was turned into time. Bytes beyond it wait for the next `count`.
    counted: u64,
}

#[derive(Clone, Copy, Debug)]
enum Time {
    /// The tick at which the peer is too slow, if no byte has moved since the last count.
    Until(u64),
    /// The ticks that are left once [`go_on`](Pace::go_on) ends the rest.
    Rests(u64),
}

impl Pace {
    /// Begins at `tick`, when the counter stands at `bytes`.
    pub(super) fn begin(rate: Option<MinRate>, tick: u64, bytes: u64) -> Option<Self> {
        let rate = rate.filter(|rate| rate.bytes_per_second > 0)?;
        Some(Self {
            time: Time::Until(latest(rate, tick)),
            rate,
            counted: bytes,
        })
    }

    /// Begins anew at `tick`: the peer has all of its time left. A rest goes on.
    pub(super) fn begin_again(&mut self, tick: u64, bytes: u64) {
        self.counted = bytes;
        self.time = match self.time {
            Time::Until(_) => Time::Until(latest(self.rate, tick)),
            Time::Rests(_) => Time::Rests(latest(self.rate, 0)),
        };
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        match self.time {
            Time::Until(until) => Some(until),
            Time::Rests(_) => None,
        }
    }

    /// Adds the time of the bytes that have moved until `tick`.
    pub(super) fn count(&mut self, tick: u64, bytes: u64) {
        let Time::Until(until) = &mut self.time else {
            return;
        };
        let rate = self.rate.bytes_per_second;
        let moved = bytes.saturating_sub(self.counted);
        let ticks = moved.saturating_mul(1_000) / rate;
        let latest = latest(self.rate, tick);
        if until.saturating_add(ticks) >= latest {
            *until = latest;
            self.counted = bytes;
        } else {
            *until += ticks;
            // Bytes that give less than a whole tick are left for a later count.
            self.counted += ticks.saturating_mul(rate).div_ceil(1_000);
        }
    }

    /// Stops the time, because no byte can move until [`go_on`](Self::go_on).
    pub(super) fn rest(&mut self, tick: u64, bytes: u64) {
        self.count(tick, bytes);
        if let Time::Until(until) = self.time {
            self.time = Time::Rests(until.saturating_sub(tick));
        }
    }

    pub(super) fn go_on(&mut self, tick: u64) {
        if let Time::Rests(left) = self.time {
            // The rest may have ended at the very end of the tick.
            self.time = Time::Until(tick.saturating_add(left).saturating_add(1));
        }
    }
}

/// Returns the deadline of a peer that has all of its time left at `tick`, and moves no byte after that.
fn latest(rate: MinRate, tick: u64) -> u64 {
    later(tick, rate.grace.saturating_add(MEASURE))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: u64 = 240;

    fn rate() -> MinRate {
        MinRate::per_second(RATE).grace(Duration::from_secs(5))
    }

    /// Returns the tick at which a peer that moves `arrivals(tick)` bytes is too slow. As in a connection, the bytes
    /// are counted only when the deadline has passed.
    fn lost_at(rate: MinRate, end: u64, arrivals: impl Fn(u64) -> u64) -> Option<u64> {
        let mut pace = Pace::begin(Some(rate), 0, 0).unwrap();
        let mut bytes = 0;
        for tick in 0..end {
            bytes += arrivals(tick);
            if pace.deadline().is_some_and(|deadline| deadline <= tick) {
                pace.count(tick, bytes);
                if pace.deadline().is_some_and(|deadline| deadline <= tick) {
                    return Some(tick);
                }
            }
        }
        None
    }

    #[test]
    fn no_rate_and_a_rate_of_zero_ask_for_nothing() {
        assert!(Pace::begin(None, 0, 0).is_none());
        assert!(Pace::begin(Some(MinRate::per_second(0)), 0, 0).is_none());
    }

    #[test]
    fn a_peer_at_the_rate_is_never_too_slow() {
        for chunk in [1, 24, 240, 1_200] {
            let period = chunk * 1_000 / RATE;
            let arrivals = |tick| if tick % period == 0 { chunk } else { 0 };
            assert_eq!(lost_at(rate(), 1_000_000, arrivals), None, "{chunk}");
        }
    }

    #[test]
    fn silence_is_too_slow_after_the_grace_and_a_second() {
        assert_eq!(lost_at(rate(), 100_000, |_| 0), Some(6_001));
        let early_burst = |tick| if tick == 3 { 1 << 20 } else { 0 };
        // The burst counts when the time is over, and buys no more than the grace and a second.
        assert_eq!(lost_at(rate(), 100_000, early_burst), Some(12_002));
    }

    #[test]
    fn a_drip_is_gone_before_the_grace_and_two_seconds() {
        let drip = |tick| u64::from(tick % 1_000 == 0);
        let gone = lost_at(rate(), 100_000, drip).unwrap();
        assert!((6_001..7_000).contains(&gone), "{gone}");
        let half = |tick| if tick % 100 == 0 { RATE / 20 } else { 0 };
        assert!(lost_at(rate(), 100_000, half).unwrap() < 13_000);
    }

    #[test]
    fn single_bytes_buy_no_time_beyond_the_rate() {
        let fast = MinRate::per_second(1 << 20).grace(Duration::from_millis(100));
        let gone = lost_at(fast, 1_000_000, |_| 1).unwrap();
        assert!((1_101..1_110).contains(&gone), "{gone}");
    }

    // The model keeps fractions of a tick. The pace may give up to one tick less for each count, but never more.
    #[test]
    fn random_peers_are_lost_when_the_model_says_so() {
        let mut lost = 0;
        for seed in 1..300_u64 {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut random = move |bound: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % bound
            };
            let grace = random(3_000);
            let rate = 1 + random(5_000);
            let least = MinRate::per_second(rate).grace(Duration::from_millis(grace));
            let slack = grace + 1_001;
            let mut pace = Pace::begin(Some(least), 0, 0).unwrap();
            let mut until = slack * rate;
            let (mut bytes, mut counted, mut tick) = (0_u64, 0_u64, 0_u64);
            for counts in 1..500 {
                tick += 1 + random(400);
                bytes += random(rate / 2 + 2);
                pace.count(tick, bytes);
                until = (until + (bytes - counted) * 1_000).min((tick + slack) * rate);
                counted = bytes;
                let deadline = pace.deadline().unwrap();
                assert!(deadline * rate <= until, "seed {seed}: too much time");
                assert!(
                    (deadline + counts) * rate > until,
                    "seed {seed}: too little"
                );
                if deadline <= tick {
                    lost += 1;
                    assert!(tick >= slack, "seed {seed}: early");
                    break;
                }
            }
        }
        assert!((20..280).contains(&lost), "{lost}");
    }

    #[test]
    fn a_rest_takes_nothing_from_the_time() {
        let mut pace = Pace::begin(Some(rate()), 1_000, 500).unwrap();
        pace.rest(4_000, 500);
        assert_eq!(pace.deadline(), None);
        pace.count(9_000, 500);
        pace.rest(9_500, 500);
        pace.go_on(50_000);
        // Of the 6,001 ticks at first, 3,000 had passed before the rest.
        assert_eq!(pace.deadline(), Some(50_000 + 3_001 + 1));
        pace.go_on(60_000);
        assert_eq!(pace.deadline(), Some(53_002));
    }
}
