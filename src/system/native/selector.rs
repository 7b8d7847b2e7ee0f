//! The selector of the operating system, through mio.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Registry, Token};

use crate::readiness::Readiness;
use crate::system::afd::abort_as_error;
#[cfg(all(feature = "precise", target_os = "linux"))]
use crate::system::native::alarm::Alarm;

/// The token of the waker. `Key::to_token` never returns it.
const WAKER: Token = Token(usize::MAX);

/// The token of the alarm. No key has it, because the upper bits of a key's token are never all ones.
#[cfg(all(feature = "precise", target_os = "linux"))]
const ALARM: Token = Token(usize::MAX - 1);

#[derive(Debug)]
pub(crate) struct Selector {
    poll: Poll,
    events: Events,
    /// The longest time for which a wait polls the kernel before the thread sleeps.
    busy: Duration,
    interruptions: Interruptions,
    #[cfg(all(feature = "precise", target_os = "linux"))]
    alarm: Option<Alarm>,
    /// Whether waits end by the alarm, and not by epoll's milliseconds.
    #[cfg(all(feature = "precise", target_os = "linux"))]
    is_fine: bool,
}

impl Selector {
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(capacity),
            busy: Duration::ZERO,
            interruptions: Interruptions::default(),
            #[cfg(all(feature = "precise", target_os = "linux"))]
            alarm: None,
            #[cfg(all(feature = "precise", target_os = "linux"))]
            is_fine: false,
        })
    }

    pub(crate) fn poll_busily(&mut self, duration: Duration) {
        self.busy = duration;
    }

    pub(crate) fn capacity(&self) -> usize {
        self.events.capacity()
    }

    pub(crate) fn waker(&self) -> io::Result<Arc<mio::Waker>> {
        mio::Waker::new(self.registry(), WAKER).map(Arc::new)
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Waits for events. Interruptions that come at once, again and again, keep the caller no longer than `timeout`.
    /// After [`Interruptions::MOST`] of them the call returns their error.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>, asked_at: Instant) -> io::Result<()> {
        let mut left = timeout;
        if !self.busy.is_zero() && timeout != Some(Duration::ZERO) {
            let most = timeout.map_or(self.busy, |timeout| timeout.min(self.busy));
            // Counts from now and not from `asked_at`, which may be old if there is no timeout.
            if self.poll_until(Instant::now().checked_add(most))? {
                return Ok(());
            }
            left = timeout.map(|timeout| timeout.saturating_sub(asked_at.elapsed()));
        }
        #[cfg(all(feature = "precise", target_os = "linux"))]
        if self.is_fine && left != Some(Duration::ZERO) {
            if let Some(deadline) = left.and_then(|_| asked_at.checked_add(timeout?)) {
                return self.poll_finely(deadline);
            }
        }
        self.sleep(left, timeout, asked_at)
    }

    /// Waits for the time `left`. After a signal, waits for the rest of `timeout`, counted from `asked_at`.
    fn sleep(
        &mut self,
        mut left: Option<Duration>,
        timeout: Option<Duration>,
        asked_at: Instant,
    ) -> io::Result<()> {
        let mut tries = Interruptions::RESTING;
        loop {
            match self.poll.poll(&mut self.events, left) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    left = timeout.map(|timeout| timeout.saturating_sub(asked_at.elapsed()));
                    self.interruptions.meet(left, error)?;
                    if left == Some(Duration::ZERO) {
                        // No time is left. After a few more tries, returns without events: the caller polls again.
                        tries -= 1;
                        if tries == 0 {
                            return Ok(());
                        }
                    }
                }
                done => {
                    self.interruptions = Interruptions::default();
                    return done;
                }
            }
        }
    }

    /// Waits as [`sleep`](Self::sleep), but the alarm ends the wait, or the timeout of epoll if the alarm cannot be
    /// set.
    #[cfg(all(feature = "precise", target_os = "linux"))]
    fn poll_finely(&mut self, deadline: Instant) -> io::Result<()> {
        loop {
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            let is_set = match &mut self.alarm {
                Some(alarm) if !left.is_zero() => alarm.set(deadline).is_ok(),
                _ => false,
            };
            if !is_set {
                return self.sleep(Some(left), Some(left), now);
            }
            self.sleep(None, None, now)?;
            // An alarm that rings too early was set for an earlier deadline, which has been cancelled or put off.
            let is_early = self.events.iter().all(|event| event.token() == ALARM)
                && !self.events.is_empty()
                && Instant::now() < deadline;
            if !is_early {
                return Ok(());
            }
        }
    }

    #[cfg(all(feature = "precise", target_os = "linux"))]
    pub(crate) fn open_alarm(&mut self, is_fine: bool) -> io::Result<()> {
        self.alarm = Some(Alarm::open(self.registry(), ALARM)?);
        self.is_fine = is_fine;
        Ok(())
    }

    #[cfg(all(feature = "precise", target_os = "linux"))]
    pub(crate) fn arm_alarm(&mut self, deadline: Instant) -> io::Result<()> {
        match &mut self.alarm {
            Some(alarm) => alarm.set(deadline),
            None => Ok(()),
        }
    }

    /// Returns whether there are events, the waker's included. `deadline` is `None` beyond the range of the clock.
    fn poll_until(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        loop {
            match self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(()) if !self.events.is_empty() => return Ok(true),
                Ok(()) => {}
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(false);
            }
        }
    }

    #[inline(always)]
    pub(crate) fn for_each(&self, mut take: impl FnMut(usize, Readiness)) -> usize {
        let mut count = 0;
        for event in &self.events {
            if is_of_source(event.token()) {
                count += 1;
                take(event.token().0, readiness_of(event));
            }
        }
        count
    }

    pub(crate) fn is_full(&self) -> bool {
        let last = self.capacity().saturating_sub(1);
        self.events.iter().nth(last).is_some()
    }
}

#[inline(always)]
fn is_of_source(token: Token) -> bool {
    #[cfg(all(feature = "precise", target_os = "linux"))]
    return token.0 < ALARM.0;
    #[cfg(not(all(feature = "precise", target_os = "linux")))]
    return token != WAKER;
}

/// A count of the polls in a row that were interrupted at once. A filter of system calls (seccomp) may interrupt all.
#[derive(Debug, Default)]
struct Interruptions {
    count: u32,
    last: Option<Instant>,
}

impl Interruptions {
    /// An interruption counts only if it comes within this time after the one before.
    const AT_ONCE: Duration = Duration::from_millis(1);
    /// The count from which on each interruption is followed by a rest, so that the thread does not spin.
    const RESTING: u32 = 16;
    const REST: Duration = Duration::from_millis(1);
    /// The count at which the interruption becomes an error.
    const MOST: u32 = 1_000;

    /// Rests after many interruptions, and returns `error` after too many. `left` is the rest of the poll's time.
    fn meet(&mut self, left: Option<Duration>, error: io::Error) -> io::Result<()> {
        let since = self.last.map(|last| last.elapsed());
        if since.is_some_and(|since| since < Self::AT_ONCE) {
            self.count += 1;
        }
        if self.count >= Self::MOST {
            *self = Self::default();
            return Err(error);
        }
        if self.count >= Self::RESTING {
            #[expect(
                clippy::disallowed_methods,
                reason = "no poll can wait, because each one is interrupted"
            )]
            std::thread::sleep(left.map_or(Self::REST, |left| left.min(Self::REST)));
        }
        self.last = Some(Instant::now());
        Ok(())
    }
}

#[inline(always)]
fn readiness_of(event: &Event) -> Readiness {
    let mut readiness = Readiness::empty();
    readiness.set(Readiness::READABLE, event.is_readable());
    readiness.set(Readiness::WRITABLE, event.is_writable());
    let is_rare = event.is_error()
        || event.is_read_closed()
        || event.is_write_closed()
        || event.is_priority();
    if !is_rare {
        return readiness;
    }
    readiness.set(Readiness::READ_CLOSED, event.is_read_closed());
    readiness.set(Readiness::WRITE_CLOSED, event.is_write_closed());
    readiness.set(Readiness::ERROR, event.is_error());
    readiness.set(Readiness::PRIORITY, event.is_priority());
    match cfg!(windows) {
        true => abort_as_error(readiness),
        false => readiness,
    }
}
