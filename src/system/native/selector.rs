//! The selector of the operating system, through mio.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::{Events, Poll, Registry, Token};

use crate::readiness::Readiness;
use crate::system::afd::abort_as_error;

/// The token of the waker. `Key::to_token` never returns it.
const WAKER: Token = Token(usize::MAX);

/// A kernel selector with the batch that its last wait fetched.
#[derive(Debug)]
pub(crate) struct Selector {
    poll: Poll,
    events: Events,
    /// The time for which each wait polls the kernel before the thread sleeps.
    busy: Duration,
}

impl Selector {
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(capacity),
            busy: Duration::ZERO,
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

    /// Waits until a source is ready or `timeout` has passed since `asked_at`. After a Unix signal the wait continues
    /// with the rest of the time.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>, asked_at: Instant) -> io::Result<()> {
        let mut left = timeout;
        if !self.busy.is_zero() && timeout != Some(Duration::ZERO) {
            let most = timeout.map_or(self.busy, |timeout| timeout.min(self.busy));
            // The clock is read here: without a timeout `asked_at` may be old.
            if self.poll_until(Instant::now().checked_add(most))? {
                return Ok(());
            }
            left = timeout.map(|timeout| timeout.saturating_sub(asked_at.elapsed()));
        }
        loop {
            match self.poll.poll(&mut self.events, left) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    left = timeout.map(|timeout| timeout.saturating_sub(asked_at.elapsed()));
                }
                done => return done,
            }
        }
    }

    /// Polls without sleeping until a source is ready or `deadline` has come. Returns whether a source is ready.
    ///
    /// `None` stands for a deadline beyond the range of the clock.
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

    /// Passes all events of the last batch to `take`, except the waker's event. Returns the number of these events.
    #[inline(always)]
    pub(crate) fn for_each(&self, mut take: impl FnMut(usize, Readiness)) -> usize {
        let mut count = 0;
        for event in &self.events {
            if event.token() != WAKER {
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
