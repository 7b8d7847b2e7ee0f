//! Fixed steps on an absolute schedule, for a game or a sampler. This module only computes, and reads no clock.

use std::time::{Duration, Instant};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The limit on a period; a longer one is shortened. So the time of the next step stays within the range of the clock.
const LONGEST_PERIOD: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The steps that a [`Ticker`] makes after a delay, when several are due at once.
///
/// ```
/// use netloop::{CatchUp, Ticker};
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let late = start + Duration::from_millis(1_050);
/// // Ten steps a second, asked for more than a second late.
/// for (catch_up, count, skipped) in [(CatchUp::Burst(5), 5, 6), (CatchUp::Skip, 1, 10), (CatchUp::Delay, 1, 0)] {
///     let steps = Ticker::per_second(10, start).catch_up(catch_up).due(late);
///     assert_eq!((steps.count, steps.skipped), (count, skipped), "{catch_up:?}");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUp {
    /// Makes up to this number of the due steps at once, and skips the others. The schedule stays. With `u32::MAX` no
    /// step is lost, unless more than four billion are due. With a small number, a game that is slower than real time
    /// does not fall ever further behind. 0 counts as 1.
    Burst(u32),
    /// Makes one step, and skips the others. The schedule stays.
    Skip,
    /// Makes one step, and counts the next period from now: the whole schedule moves by the delay.
    Delay,
}

/// The steps that are due: the answer of [`Ticker::due`].
///
/// ```
/// use netloop::Ticker;
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let mut ticker = Ticker::per_second(10, start);
/// let steps = ticker.due(start + Duration::from_millis(250));
/// // The steps at 0, 100 and 200 ms.
/// assert_eq!((steps.count, steps.late), (3, Duration::from_millis(250)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Steps {
    /// The number of steps to make now.
    pub count: u32,
    /// The number of steps that were due, and are never made.
    pub skipped: u64,
    /// The time by which the first of the due steps is late. Zero if no step is due.
    pub late: Duration,
}

/// A schedule of fixed steps: step `n`, from 0 on, is due `n` periods after the start, however late the earlier steps
/// were made. Only [`CatchUp::Delay`] moves the schedule.
///
/// [`every`](crate::EventLoop::every) counts each period from the call before it, so that delays add up. The steps of a
/// ticker stay on their schedule, for hours. A ticker reads no clock and arms no timer: the program waits until
/// [`next_step`](Self::next_step), and asks [`due`](Self::due) for the steps to make.
///
/// ```
/// use std::time::{Duration, Instant};
/// use netloop::{CatchUp, EventLoop, Ticker};
///
/// let mut event_loop: EventLoop<u32> = EventLoop::new()?;
/// let mut ticker = Ticker::per_second(60, Instant::now()).catch_up(CatchUp::Burst(5));
/// let mut world = 0;
/// while world < 6 {
///     // The network has the time between the steps.
///     event_loop.run_until(&mut world, ticker.next_step())?;
///     for _ in 0..ticker.due(Instant::now()).count {
///         world += 1;
///     }
/// }
/// # Ok::<(), netloop::Error>(())
/// ```
///
/// In a loop that owns its thread, a timer makes the steps:
///
/// ```
/// use std::time::Instant;
/// use netloop::{EventLoop, LoopContext, Ticker};
///
/// fn step(cx: &mut LoopContext<'_, u32>, mut ticker: Ticker) {
///     *cx.shared += ticker.due(Instant::now()).count;
///     if *cx.shared < 6 {
///         let left = ticker.next_step().saturating_duration_since(Instant::now());
///         cx.after(left, move |cx| step(cx, ticker));
///     }
/// }
///
/// let mut event_loop: EventLoop<u32> = EventLoop::new()?;
/// event_loop.defer(|cx| step(cx, Ticker::per_second(60, Instant::now())));
/// let mut steps = 0;
/// event_loop.run(&mut steps)?;
/// // A machine that is late makes several at once.
/// assert!(steps >= 6);
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticker {
    /// The time from which steps are counted.
    anchor: Instant,
    /// The number of the next step, counted from `anchor`. Invariant: at most `steps`. When all steps of a span are
    /// made, the anchor moves by this span, and `next` is 0 again.
    next: u32,
    /// The number of steps in `span` nanoseconds. A rate is kept as this fraction: a rounded period would drift.
    steps: u32,
    span: u64,
    catch_up: CatchUp,
}

impl Ticker {
    /// A schedule of `rate` steps a second, whose first step is due at `start`. 0 counts as 1. After a delay, all steps
    /// are made up for, until [`catch_up`](Self::catch_up) says otherwise.
    pub fn per_second(rate: u32, start: Instant) -> Self {
        Self::of(rate.max(1), NANOS_PER_SECOND, start)
    }

    /// A schedule of one step each `period`, whose first step is due at `start`. A period of zero counts as a nanosecond,
    /// and one of more than a year as a year.
    pub fn new(period: Duration, start: Instant) -> Self {
        let period = period.min(LONGEST_PERIOD);
        let span = period.as_secs() * NANOS_PER_SECOND + u64::from(period.subsec_nanos());
        Self::of(1, span.max(1), start)
    }

    fn of(steps: u32, span: u64, start: Instant) -> Self {
        Self {
            anchor: start,
            next: 0,
            steps,
            span,
            catch_up: CatchUp::Burst(u32::MAX),
        }
    }

    /// Sets the steps that are made after a delay. Default: all of them, `CatchUp::Burst(u32::MAX)`.
    #[must_use]
    pub fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// Returns the time at which the next step is due, for [`run_until`](crate::EventLoop::run_until) or
    /// [`Wait::Until`](crate::Wait::Until).
    pub fn next_step(&self) -> Instant {
        // Rounded up, so that no step is early.
        let offset = (u64::from(self.next) * self.whole())
            .saturating_add((u64::from(self.next) * self.rest()).div_ceil(u64::from(self.steps)));
        self.anchor
            .checked_add(Duration::from_nanos(offset))
            .unwrap_or(self.anchor)
    }

    /// Returns the steps to make at `now`, and moves the schedule past them.
    pub fn due(&mut self, now: Instant) -> Steps {
        let first = self.next_step();
        // Compared first: on Windows times that are at most 100 ns apart have a distance of zero, both ways.
        if now < first {
            return Steps::default();
        }
        let late = now.saturating_duration_since(first);
        let due = self.passed(now) - u128::from(self.next) + 1;
        let most = match self.catch_up {
            CatchUp::Burst(most) => most.max(1),
            CatchUp::Skip | CatchUp::Delay => 1,
        };
        let count = u32::try_from(due).map_or(most, |due| due.min(most));
        let skipped = u64::try_from(due - u128::from(count)).unwrap_or(u64::MAX);
        match self.catch_up {
            CatchUp::Delay => {
                self.anchor = now;
                self.next = 1;
            }
            CatchUp::Burst(_) | CatchUp::Skip => self.move_by(due),
        }
        Steps {
            count,
            skipped: match self.catch_up {
                CatchUp::Delay => 0,
                CatchUp::Burst(_) | CatchUp::Skip => skipped,
            },
            late,
        }
    }

    /// Returns the number of the last step that is due at `now`, counted from the anchor.
    fn passed(&self, now: Instant) -> u128 {
        let since = now.saturating_duration_since(self.anchor).as_nanos();
        since * u128::from(self.steps) / u128::from(self.span)
    }

    /// Moves the schedule by `due` steps. The anchor moves by whole spans, which are exact.
    fn move_by(&mut self, due: u128) {
        let next = u128::from(self.next) + due;
        let (spans, next) = (next / u128::from(self.steps), next % u128::from(self.steps));
        let by = spans * u128::from(self.span);
        let second = u128::from(NANOS_PER_SECOND);
        let seconds = u64::try_from(by / second).unwrap_or(u64::MAX);
        let nanos = u32::try_from(by % second).unwrap_or(0);
        if let Some(anchor) = self.anchor.checked_add(Duration::new(seconds, nanos)) {
            self.anchor = anchor;
        }
        self.next = u32::try_from(next).unwrap_or(0);
    }

    /// The whole nanoseconds of a period.
    fn whole(&self) -> u64 {
        self.span / u64::from(self.steps)
    }

    /// The nanoseconds that a span has beyond `steps` periods of [`whole`](Self::whole) nanoseconds.
    fn rest(&self) -> u64 {
        self.span % u64::from(self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// A schedule that is written down: the time of every step, in nanoseconds since the start.
    struct Model {
        due: Vec<u128>,
        next: usize,
        period: (u128, u128),
        catch_up: CatchUp,
    }

    impl Model {
        /// A schedule that ends two spans after `length` nanoseconds, so that there is always a next step.
        fn new(steps: u128, span: u128, length: u128, catch_up: CatchUp) -> Self {
            let due = (0..).map(|step: u128| (step * span).div_ceil(steps));
            Self {
                due: due.take_while(|&due| due <= length + 2 * span).collect(),
                next: 0,
                period: (steps, span),
                catch_up,
            }
        }

        fn due(&mut self, now: u128) -> Steps {
            let passed = self.due[self.next..].iter().take_while(|&&due| due <= now);
            let passed = passed.count();
            let late = now.saturating_sub(self.due[self.next]);
            let nanos = u64::try_from(late).unwrap();
            let most = match self.catch_up {
                CatchUp::Burst(most) => usize::try_from(most.max(1)).unwrap(),
                CatchUp::Skip | CatchUp::Delay => 1,
            };
            let count = passed.min(most);
            let mut skipped = passed - count;
            self.next += passed;
            if passed > 0 && self.catch_up == CatchUp::Delay {
                let (steps, span) = self.period;
                skipped = 0;
                let rest = self.due.len() - self.next;
                self.due.truncate(self.next);
                let later = (1..=rest as u128).map(|step| now + (step * span).div_ceil(steps));
                self.due.extend(later);
            }
            Steps {
                count: u32::try_from(count).unwrap(),
                skipped: u64::try_from(skipped).unwrap(),
                late: Duration::from_nanos(nanos),
            }
        }
    }

    #[test]
    fn random_delays_agree_with_a_schedule_written_down() {
        let start = Instant::now();
        for seed in 0..100 {
            let mut random = fastrand::Rng::with_seed(seed);
            let catch_up = match random.u32(0..4) {
                0 => CatchUp::Burst(u32::MAX),
                1 => CatchUp::Burst(random.u32(0..5)),
                2 => CatchUp::Skip,
                _ => CatchUp::Delay,
            };
            let (mut ticker, steps, span) = if random.bool() {
                let rate = random.u32(1..2_000);
                let ticker = Ticker::per_second(rate, start);
                (ticker, u128::from(rate), u128::from(NANOS_PER_SECOND))
            } else {
                let period = Duration::from_nanos(random.u64(1_000..50_000_000));
                (Ticker::new(period, start), 1, period.as_nanos())
            };
            ticker = ticker.catch_up(catch_up);
            let period = u64::try_from(span / steps).unwrap();
            let mut model = Model::new(steps, span, span / steps * 2_000, catch_up);
            let mut now = 0;
            for _ in 0..200 {
                now += u128::from(random.u64(0..=period * 3));
                let at = start + Duration::from_nanos(u64::try_from(now).unwrap());
                assert_eq!(ticker.due(at), model.due(now), "seed {seed}, at {now} ns");
                let next = Duration::from_nanos(u64::try_from(model.due[model.next]).unwrap());
                assert_eq!(ticker.next_step() - start, next, "seed {seed}");
            }
        }
    }

    #[test]
    fn sixty_steps_a_second_are_sixty_after_a_day() {
        let start = Instant::now();
        let mut ticker = Ticker::per_second(60, start);
        let mut steps = 0_u64;
        // A host that asks when the next step is due, and always comes a little late.
        while ticker.next_step() - start < Duration::from_secs(86_400) {
            let asked = ticker.next_step() + Duration::from_micros(937);
            steps += u64::from(ticker.due(asked).count);
        }
        assert_eq!(steps, 60 * 86_400);
        assert_eq!(ticker.next_step() - start, Duration::from_secs(86_400));
    }

    #[test]
    fn no_step_is_due_early() {
        let start = Instant::now();
        let mut ticker = Ticker::per_second(7, start + MILLISECOND);
        assert_eq!(ticker.due(start), Steps::default());
        for _ in 0..100 {
            let due = ticker.next_step();
            assert_eq!(ticker.due(due - Duration::from_nanos(1)).count, 0);
            let steps = ticker.due(due);
            assert_eq!((steps.count, steps.late), (1, Duration::ZERO));
        }
    }

    #[test]
    fn each_way_to_catch_up_does_as_it_says() {
        let start = Instant::now();
        let late = start + MILLISECOND * 105;
        let cases = [
            (CatchUp::Burst(u32::MAX), 11, 0, 110),
            (CatchUp::Burst(4), 4, 7, 110),
            (CatchUp::Burst(0), 1, 10, 110),
            (CatchUp::Skip, 1, 10, 110),
            (CatchUp::Delay, 1, 0, 115),
        ];
        for (catch_up, count, skipped, next) in cases {
            let mut ticker = Ticker::new(MILLISECOND * 10, start).catch_up(catch_up);
            let steps = ticker.due(late);
            assert_eq!((steps.count, steps.skipped), (count, skipped));
            assert_eq!(steps.late, MILLISECOND * 105);
            assert_eq!(ticker.next_step(), start + MILLISECOND * next);
            assert_eq!(ticker.due(late).count, 0, "nothing is due twice");
        }
    }

    #[test]
    fn a_period_out_of_range_is_brought_into_it() {
        let start = Instant::now();
        let mut never = Ticker::new(Duration::MAX, start);
        assert_eq!(never.due(start).count, 1);
        assert_eq!(never.next_step(), start + LONGEST_PERIOD);
        let mut busy = Ticker::new(Duration::ZERO, start);
        assert_eq!(busy.due(start + Duration::from_nanos(9)).count, 10);
        let far = start + Duration::from_secs(1 << 36);
        assert_eq!(busy.due(far).count, u32::MAX);
        assert!(busy.next_step() > far);
        assert_eq!(Ticker::per_second(0, start).due(start).count, 1);
        let mut fast = Ticker::per_second(u32::MAX, start);
        assert_eq!(fast.due(start + Duration::from_secs(1)).count, u32::MAX);
    }
}
