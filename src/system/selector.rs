//! Waiting for readiness, waking from other threads, and the clock.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::{Event, Source};
use mio::{Events, Poll, Registry, Token};

use crate::readiness::{Interest, Readiness};

#[cfg(feature = "simulation")]
use super::simulated;

/// The token under which the waker reports. No slot's token can be equal to it.
const WAKER: Token = Token(usize::MAX);

/// How the loop waits: a kernel selector with the batch that it filled last.
#[derive(Debug)]
pub(crate) enum Selector {
    /// The operating system's.
    Kernel {
        /// What is waited on.
        poll: Poll,
        /// What it has said last.
        events: Events,
        /// How long to ask again and again before a wait that puts the thread to sleep.
        busy: Duration,
    },
    /// That of a machine in a simulated network.
    #[cfg(feature = "simulation")]
    Simulated(simulated::Selector),
}

impl Selector {
    /// Opens a selector that fetches at most `capacity` events in one call. The kernel keeps the rest.
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        Ok(Self::Kernel {
            poll: Poll::new()?,
            events: Events::with_capacity(capacity),
            busy: Duration::ZERO,
        })
    }

    /// Asks for so long, again and again, before each wait. On a simulated machine it changes nothing, as no time passes
    /// there while one asks.
    pub(crate) fn poll_busily(&mut self, duration: Duration) {
        match self {
            Self::Kernel { busy, .. } => *busy = duration,
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => {}
        }
    }

    /// How many events it fetches at most in one call.
    pub(crate) fn capacity(&self) -> usize {
        match self {
            Self::Kernel { events, .. } => events.capacity(),
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => selector.capacity(),
        }
    }

    /// Reads the monotonic clock.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Kernel { .. } => Instant::now(),
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => selector.now(),
        }
    }

    /// A handle with which any thread ends a wait. One selector has exactly one (mio's rule).
    pub(crate) fn waker(&self) -> io::Result<Waker> {
        match self {
            Self::Kernel { poll, .. } => {
                let waker = mio::Waker::new(poll.registry(), WAKER)?;
                Ok(Waker::Kernel(Arc::new(waker)))
            }
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => selector.waker(),
        }
    }

    /// Registers `source`, to be told when it becomes ready in one of `directions`, which is always for reading: not what
    /// is wanted of it at the moment, which the reactor keeps, but what there can be news of until it is
    /// [armed again](Self::rearm).
    pub(crate) fn register(
        &self,
        source: &mut dyn Source,
        token: usize,
        directions: Interest,
    ) -> io::Result<()> {
        source.register(self.registry(), Token(token), to_mio(directions))
    }

    /// Asks to be told of both directions from now on, and of whatever `source` is ready for at the moment.
    pub(crate) fn rearm(&self, source: &mut dyn Source, token: usize) -> io::Result<()> {
        source.reregister(self.registry(), Token(token), to_mio(Interest::all()))
    }

    /// Takes `source` out. It must happen before its descriptor is closed, if there may be a duplicate: that would keep
    /// delivering its events to us otherwise.
    pub(crate) fn deregister(&self, source: &mut dyn Source) -> io::Result<()> {
        source.deregister(self.registry())
    }

    pub(super) fn registry(&self) -> &Registry {
        match self {
            Self::Kernel { poll, .. } => poll.registry(),
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => selector.registry(),
        }
    }

    /// Waits until something is ready or `timeout` has passed since `asked_at`, a reading of the clock; `None` waits
    /// without end.
    /// A signal does not end the wait: it goes on with what is left of the time.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>, asked_at: Instant) -> io::Result<()> {
        match self {
            Self::Kernel { poll, events, busy } => {
                let mut left = timeout;
                if !busy.is_zero() && timeout != Some(Duration::ZERO) {
                    let most = timeout.map_or(*busy, |timeout| timeout.min(*busy));
                    // Who asked without a limit need not have read the clock.
                    if poll_until(poll, events, Instant::now().checked_add(most))? {
                        return Ok(());
                    }
                    left = timeout.map(|timeout| timeout.saturating_sub(asked_at.elapsed()));
                }
                loop {
                    match poll.poll(events, left) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                            left =
                                timeout.map(|timeout| timeout.saturating_sub(asked_at.elapsed()));
                        }
                        done => return done,
                    }
                }
            }
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => selector.poll(timeout, asked_at),
        }
    }

    /// Hands out the last batch as plain values: a slot's token with what the kernel said of it. The waker's own
    /// event is left out, as ending the wait was all it had to do. Says how many there were.
    // Not as an iterator: which variant it is would be asked for each event.
    #[inline(always)]
    pub(crate) fn for_each(&self, mut take: impl FnMut(usize, Readiness)) -> usize {
        let mut count = 0;
        match self {
            Self::Kernel { events, .. } => {
                for event in events {
                    if event.token() != WAKER {
                        count += 1;
                        take(event.token().0, readiness_of(event));
                    }
                }
            }
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => {
                for &(token, readiness) in selector.batch() {
                    count += 1;
                    take(token, readiness);
                }
            }
        }
        count
    }

    /// Whether the last wait fetched as many events as it could, the waker's own counted, so that there may be more.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Kernel { events, .. } => {
                let last = events.capacity().saturating_sub(1);
                events.iter().nth(last).is_some()
            }
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => selector.batch().len() >= selector.capacity(),
        }
    }

    /// The descriptor that becomes readable when the kernel has news, for a host that waits on our behalf.
    #[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
    pub(crate) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        use std::os::fd::AsFd;
        match self {
            Self::Kernel { poll, .. } => poll.registry().as_fd(),
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => selector.as_fd(),
        }
    }
}

/// Ends the wait of the selector that made it, from any thread.
#[derive(Clone, Debug)]
pub(crate) enum Waker {
    /// Of the kernel's selector.
    Kernel(Arc<mio::Waker>),
    /// Of a simulated one.
    #[cfg(feature = "simulation")]
    Simulated(simulated::Waker),
}

impl Waker {
    /// Ends the wait under way, or the next one if there is none: a wake is never lost.
    pub(crate) fn wake(&self) -> io::Result<()> {
        match self {
            Self::Kernel(waker) => waker.wake(),
            #[cfg(feature = "simulation")]
            Self::Simulated(waker) => {
                waker.wake();
                Ok(())
            }
        }
    }
}

/// Asks without waiting until there is something, or `deadline` has come, if that can be said; says whether there is.
fn poll_until(poll: &mut Poll, events: &mut Events, deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        match poll.poll(events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(()) if !events.is_empty() => return Ok(true),
            Ok(()) => {}
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(false);
        }
    }
}

fn to_mio(directions: Interest) -> mio::Interest {
    match directions.contains(Interest::WRITABLE) {
        true => mio::Interest::READABLE | mio::Interest::WRITABLE,
        false => mio::Interest::READABLE,
    }
}

#[inline(always)]
fn readiness_of(event: &Event) -> Readiness {
    let mut readiness = Readiness::empty();
    readiness.set(Readiness::READABLE, event.is_readable());
    readiness.set(Readiness::WRITABLE, event.is_writable());
    if !(event.is_error() || event.is_read_closed() || event.is_write_closed()) {
        return readiness;
    }
    readiness.set(Readiness::READ_CLOSED, event.is_read_closed());
    readiness.set(Readiness::WRITE_CLOSED, event.is_write_closed());
    readiness.set(Readiness::ERROR, event.is_error());
    match cfg!(windows) {
        true => with_abort(readiness),
        false => readiness,
    }
}

/// What AFD says, with a reset called an error. It says only that nothing can be written any more, which it says of
/// nothing else (mio takes that bit from `POLL_ABORT` and `POLL_CONNECT_FAIL`); and who does not read would not hear
/// of it.
pub(super) fn with_abort(readiness: Readiness) -> Readiness {
    match readiness.contains(Readiness::WRITE_CLOSED) {
        true => readiness | Readiness::ERROR,
        false => readiness,
    }
}
