//! The reactor's time: one reading of the clock, and the ticks that the wheel counts in.

use std::time::{Duration, Instant};

use crate::system::MonotonicClock;
use crate::wheel::NEVER;

/// A finer resolution would be lost without the feature `precise`: mio rounds the timeout of epoll up to milliseconds.
const TICKS_PER_SECOND: u64 = 1_000;

const NANOSECONDS_PER_TICK: u64 = 1_000_000_000 / TICKS_PER_SECOND;

/// Keeps one reading of the clock as the reactor's time, until the caller passes in the next. Below it is called the
/// turn's reading. Deadlines are rounded up to ticks and the present down, so that no timer is early.
#[derive(Debug)]
pub(super) struct Clock {
    /// The clock itself, which only `read_tick` reads. The turn's reading then does not change.
    source: MonotonicClock,
    origin: Instant,
    now: Instant,
    /// Invariant: the nanoseconds from `origin` to `now`. Kept because each subtraction of two `Instant`s is a call.
    elapsed: u64,
    /// Invariant: the number of whole ticks in `elapsed`.
    tick: u64,
    /// The tick of the latest reading, from which a deadline that is set late in a turn counts. Timers fall due by
    /// `now` alone: data that came before their deadlines may still wait in the kernel. Invariant: at least `tick`.
    latest_tick: u64,
    /// Whether the wheel counts in microseconds. Sources count in milliseconds even then.
    #[cfg(all(feature = "precise", target_os = "linux"))]
    is_fine: bool,
}

impl Clock {
    pub(super) fn new(origin: Instant, source: MonotonicClock) -> Self {
        Self {
            source,
            origin,
            now: origin,
            elapsed: 0,
            tick: 0,
            latest_tick: 0,
            #[cfg(all(feature = "precise", target_os = "linux"))]
            is_fine: false,
        }
    }

    /// Makes `now` the turn's reading. A reading before the last one is ignored.
    #[inline]
    pub(super) fn set(&mut self, now: Instant) {
        let elapsed = self.elapsed_at(now);
        if elapsed > self.elapsed {
            self.now = now;
            self.elapsed = elapsed;
            self.tick = elapsed / NANOSECONDS_PER_TICK;
            self.latest_tick = self.latest_tick.max(self.tick);
        }
    }

    pub(super) fn note(&mut self, now: Instant) {
        let tick = ticks(now.saturating_duration_since(self.origin));
        self.latest_tick = self.latest_tick.max(tick);
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    #[inline]
    pub(super) fn elapsed(&self) -> u64 {
        self.elapsed
    }

    /// Returns `instant` in nanoseconds from the reactor's beginning. Zero for an earlier instant.
    #[inline]
    pub(super) fn elapsed_at(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.origin);
        let seconds = since.as_secs().saturating_mul(1_000_000_000);
        seconds.saturating_add(u64::from(since.subsec_nanos()))
    }

    #[inline]
    pub(super) fn tick(&self) -> u64 {
        self.tick
    }

    #[inline]
    pub(super) fn latest_tick(&self) -> u64 {
        self.latest_tick
    }

    pub(super) fn read_tick(&self) -> u64 {
        let since = self.source.now().saturating_duration_since(self.origin);
        ticks(since).max(self.latest_tick)
    }

    pub(super) fn instant_at(&self, tick: u64) -> Option<Instant> {
        self.origin.checked_add(Duration::from_millis(tick))
    }

    /// Returns the tick of `instant`, rounded up so that no timer is early.
    pub(super) fn tick_at(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.origin);
        ticks_rounded_up(since)
    }

    pub(super) fn tick_after(&self, duration: Duration) -> u64 {
        let since = self.now.duration_since(self.origin);
        since.checked_add(duration).map_or(NEVER, ticks_rounded_up)
    }

    /// Makes the wheel count in microseconds. Called before anything is armed.
    #[cfg(all(feature = "precise", target_os = "linux"))]
    pub(super) fn count_finely(&mut self) {
        self.is_fine = true;
    }

    #[inline]
    fn is_fine(&self) -> bool {
        #[cfg(all(feature = "precise", target_os = "linux"))]
        return self.is_fine;
        #[cfg(not(all(feature = "precise", target_os = "linux")))]
        false
    }

    #[inline]
    pub(super) fn wheel_tick(&self) -> u64 {
        match self.is_fine() {
            true => self.elapsed / 1_000,
            false => self.tick,
        }
    }

    /// Converts `tick` into a tick of the wheel. [`NEVER`] converts into itself.
    #[inline]
    pub(super) fn wheel_tick_of(&self, tick: u64) -> u64 {
        match self.is_fine() {
            true => tick.saturating_mul(1_000),
            false => tick,
        }
    }

    pub(super) fn wheel_tick_at(&self, instant: Instant) -> u64 {
        match self.is_fine() {
            true => fine_ticks(instant.saturating_duration_since(self.origin), 999),
            false => self.tick_at(instant),
        }
    }

    #[inline]
    pub(super) fn time_to(&self, wheel_tick: u64) -> Option<Duration> {
        if wheel_tick == NEVER {
            return None;
        }
        let begin = wheel_tick.saturating_mul(match self.is_fine() {
            true => 1_000,
            false => NANOSECONDS_PER_TICK,
        });
        Some(Duration::from_nanos(begin.saturating_sub(self.elapsed)))
    }

    pub(super) fn instant_of(&self, wheel_tick: u64) -> Option<Instant> {
        if wheel_tick == NEVER {
            return None;
        }
        self.origin.checked_add(match self.is_fine() {
            true => Duration::from_micros(wheel_tick),
            false => Duration::from_millis(wheel_tick),
        })
    }
}

// Computes in 64 bits and not from `as_nanos`: one 128-bit division takes about a hundred instructions.
fn ticks(duration: Duration) -> u64 {
    ticks_and(duration, duration.subsec_millis())
}

fn ticks_rounded_up(duration: Duration) -> u64 {
    ticks_and(duration, duration.subsec_nanos().div_ceil(1_000_000))
}

/// Adds `more` nanoseconds to `duration`, and returns the sum in whole microseconds, rounded down.
fn fine_ticks(duration: Duration, more: u32) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000);
    seconds.saturating_add(u64::from((duration.subsec_nanos() + more) / 1_000))
}

fn ticks_and(duration: Duration, rest_ms: u32) -> u64 {
    let seconds = duration.as_secs().saturating_mul(TICKS_PER_SECOND);
    seconds.saturating_add(u64::from(rest_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_rounded_up_and_the_present_down() {
        let origin = Instant::now();
        let mut clock = Clock::new(origin, MonotonicClock::Kernel);
        clock.set(origin + Duration::from_micros(1_900));
        assert_eq!(clock.tick(), 1);
        assert_eq!(clock.tick_after(Duration::from_micros(50)), 2);
        assert_eq!(clock.tick_after(Duration::from_micros(101)), 3);
        assert_eq!(clock.tick_at(origin + Duration::from_millis(7)), 7);
        assert_eq!(clock.tick_at(origin + Duration::from_micros(7_001)), 8);
    }

    #[test]
    fn each_reading_has_the_tick_of_its_whole_milliseconds() {
        let origin = Instant::now();
        let mut clock = Clock::new(origin, MonotonicClock::Kernel);
        let mut now = origin;
        for micros in [0, 1, 998, 1, 999, 1, 1_000, 2_500, 0, 499, 1, 60_000] {
            now += Duration::from_micros(micros);
            clock.set(now);
            assert_eq!(u128::from(clock.tick()), (now - origin).as_millis());
            assert_eq!(clock.latest_tick(), clock.tick());
        }
    }

    #[test]
    fn time_never_runs_backwards() {
        let origin = Instant::now();
        let mut clock = Clock::new(origin, MonotonicClock::Kernel);
        clock.set(origin + Duration::from_millis(10));
        clock.set(origin + Duration::from_millis(4));
        assert_eq!(clock.tick(), 10);
    }

    #[test]
    fn a_noted_reading_is_the_latest_and_leaves_the_turns_own_alone() {
        let origin = Instant::now();
        let mut clock = Clock::new(origin, MonotonicClock::Kernel);
        clock.set(origin + Duration::from_millis(3));
        clock.note(origin + Duration::from_millis(8));
        assert_eq!((clock.tick(), clock.latest_tick()), (3, 8));
        clock.note(origin + Duration::from_millis(5));
        clock.set(origin + Duration::from_millis(6));
        assert_eq!((clock.tick(), clock.latest_tick()), (6, 8));
        clock.set(origin + Duration::from_millis(9));
        assert_eq!((clock.tick(), clock.latest_tick()), (9, 9));
    }

    #[test]
    fn a_time_beyond_all_ticks_is_never() {
        let clock = Clock::new(Instant::now(), MonotonicClock::Kernel);
        assert_eq!(clock.tick_after(Duration::MAX), NEVER);
        assert_eq!(clock.instant_of(NEVER), None);
    }
}
