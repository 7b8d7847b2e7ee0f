//! Waiting for readiness, waking from other threads, and the clock.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::{Event, Source};
use mio::{Events, Poll, Token};

use crate::readiness::Readiness;

/// The token under which the waker reports. No slot's token can be equal to it.
const WAKER: Token = Token(usize::MAX);

/// How the loop waits: a kernel selector with the batch that it filled last.
#[derive(Debug)]
pub(crate) struct Selector {
    poll: Poll,
    events: Events,
}

impl Selector {
    /// Opens a selector that fetches at most `capacity` events in one call. The kernel keeps the rest.
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(capacity),
        })
    }

    /// Reads the monotonic clock.
    pub(crate) fn now(&self) -> Instant {
        Instant::now()
    }

    /// A handle with which any thread ends a wait. One selector has exactly one (mio's rule).
    pub(crate) fn waker(&self) -> io::Result<Waker> {
        let waker = mio::Waker::new(self.poll.registry(), WAKER)?;
        Ok(Waker(Arc::new(waker)))
    }

    /// Registers `source` for both directions, once for its whole life: what is wanted of it is kept by the
    /// reactor, so that `epoll_ctl(MOD)` is never called (`DESIGN` decision 1).
    pub(crate) fn register(&self, source: &mut dyn Source, token: usize) -> io::Result<()> {
        let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
        source.register(self.poll.registry(), Token(token), both)
    }

    /// Asks for a fresh edge if `source` is still ready. Only for descriptors that may not be read to the end
    /// because a read could block, such as a terminal that is shared with a shell.
    pub(crate) fn rearm(&self, source: &mut dyn Source, token: usize) -> io::Result<()> {
        let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
        source.reregister(self.poll.registry(), Token(token), both)
    }

    /// Takes `source` out. It must happen before its descriptor is closed: a duplicate of the descriptor in
    /// another process would keep delivering its events to us otherwise.
    pub(crate) fn deregister(&self, source: &mut dyn Source) -> io::Result<()> {
        source.deregister(self.poll.registry())
    }

    /// Waits until something is ready or `timeout` has passed since `asked_at`; `None` waits without end.
    /// A signal does not end the wait: it goes on with what is left of the time.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>, asked_at: Instant) -> io::Result<()> {
        let mut left = timeout;
        loop {
            match self.poll.poll(&mut self.events, left) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    left = timeout.map(|timeout| timeout.saturating_sub(asked_at.elapsed()));
                }
                done => return done,
            }
        }
    }

    /// Hands out the last batch as plain values: a slot's token with what the kernel said of it. The waker's own
    /// event is left out, as ending the wait was all it had to do.
    pub(crate) fn batch(&self) -> impl Iterator<Item = (usize, Readiness)> + '_ {
        self.events
            .iter()
            .filter(|event| event.token() != WAKER)
            .map(|event| (event.token().0, readiness_of(event)))
    }

    /// Whether the last wait was ended by the waker, among other things.
    #[cfg(test)]
    pub(crate) fn was_woken(&self) -> bool {
        self.events.iter().any(|event| event.token() == WAKER)
    }

    /// The descriptor that becomes readable when the kernel has news, for a host that waits on our behalf.
    #[cfg(unix)]
    pub(crate) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.poll.registry().as_fd()
    }
}

/// Ends the wait of the selector that made it, from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<mio::Waker>);

impl Waker {
    /// Ends the wait under way, or the next one if there is none: a wake is never lost.
    pub(crate) fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

fn readiness_of(event: &Event) -> Readiness {
    let mut readiness = Readiness::empty();
    readiness.set(Readiness::READABLE, event.is_readable());
    readiness.set(Readiness::WRITABLE, event.is_writable());
    readiness.set(Readiness::READ_CLOSED, event.is_read_closed());
    readiness.set(Readiness::WRITE_CLOSED, event.is_write_closed());
    readiness.set(Readiness::ERROR, event.is_error());
    readiness
}
