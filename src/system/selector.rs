//! The selector that a loop waits on, and its clock.

use std::io;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::{Registry, Token};

use crate::readiness::{Interest, Readiness};

#[cfg(feature = "simulation")]
use super::faults;
use super::monotonic_clock::MonotonicClock;
use super::native;
use super::platform::EVENTS_OF_SOURCE;
#[cfg(feature = "simulation")]
use super::simulated;
use super::waker::Waker;

#[derive(Debug)]
pub(crate) enum Selector {
    Kernel(native::Selector),
    #[cfg(feature = "simulation")]
    Simulated(simulated::Selector),
    #[cfg(feature = "simulation")]
    Faulty(faults::FaultySelector),
}

impl Selector {
    /// Opens the operating system's selector. A wait fetches at most `capacity` events, and the kernel keeps the rest.
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        native::Selector::new(capacity).map(Self::Kernel)
    }

    /// Makes each wait begin with at most `duration` of polling. The waits of a simulated machine take no real time.
    pub(crate) fn poll_busily(&mut self, duration: Duration) {
        match self {
            Self::Kernel(selector) => selector.poll_busily(duration),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => {}
            #[cfg(feature = "simulation")]
            Self::Faulty(selector) => selector.poll_busily(duration),
        }
    }

    /// Opens the alarm, which makes the selector's descriptor readable at a deadline. If `is_fine`, a wait ends by the
    /// alarm, and not by the timeout of epoll. Returns whether this selector has an alarm.
    #[cfg(all(feature = "precise", target_os = "linux"))]
    pub(crate) fn open_alarm(&mut self, is_fine: bool) -> io::Result<bool> {
        match self {
            Self::Kernel(selector) => selector.open_alarm(is_fine).map(|()| true),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) | Self::Faulty(_) => Ok(false),
        }
    }

    /// Makes the descriptor readable at `deadline` at the latest, if there is an alarm.
    #[cfg(all(feature = "precise", target_os = "linux"))]
    pub(crate) fn arm_alarm(&mut self, deadline: Instant) -> io::Result<()> {
        match self {
            Self::Kernel(selector) => selector.arm_alarm(deadline),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) | Self::Faulty(_) => Ok(()),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        match self {
            Self::Kernel(selector) => selector.capacity(),
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => selector.capacity(),
            #[cfg(feature = "simulation")]
            Self::Faulty(selector) => selector.capacity(),
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => selector.now(),
            _ => Instant::now(),
        }
    }

    pub(crate) fn clock(&self) -> MonotonicClock {
        match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => MonotonicClock::Simulated(selector.machine().clone()),
            _ => MonotonicClock::Kernel,
        }
    }

    /// Makes the handle with which any thread ends a wait. mio permits only one such handle for each selector.
    pub(crate) fn waker(&self) -> io::Result<Waker> {
        match self {
            Self::Kernel(selector) => selector.waker().map(Waker::Kernel),
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => Ok(Waker::Simulated(selector.waker())),
            #[cfg(feature = "simulation")]
            Self::Faulty(selector) => selector.waker().map(Waker::Kernel),
        }
    }

    /// Registers `source` for `directions`, which always include reading. The kernel reports no other direction until
    /// [`rearm`](Self::rearm). The reactor keeps reports about directions that the source does not want at present.
    pub(crate) fn register(
        &self,
        source: &mut dyn Source,
        token: usize,
        directions: Interest,
    ) -> io::Result<()> {
        source.register(self.registry(), Token(token), to_mio(directions))
    }

    /// Registers a registered `source` anew, for both directions. The next wait reports a source that is ready now.
    pub(crate) fn rearm(&self, source: &mut dyn Source, token: usize) -> io::Result<()> {
        self.rearm_for(source, token, Interest::all())
    }

    pub(crate) fn rearm_for(
        &self,
        source: &mut dyn Source,
        token: usize,
        directions: Interest,
    ) -> io::Result<()> {
        source.reregister(self.registry(), Token(token), to_mio(directions))
    }

    /// Deregisters `source`. Without this call, a duplicate of a descriptor that closes would keep delivering events.
    pub(crate) fn deregister(&self, source: &mut dyn Source) -> io::Result<()> {
        source.deregister(self.registry())
    }

    fn registry(&self) -> &Registry {
        match self {
            Self::Kernel(selector) => selector.registry(),
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => selector.registry(),
            #[cfg(feature = "simulation")]
            Self::Faulty(selector) => selector.registry(),
        }
    }

    /// Waits until a source is ready, the waker ends the wait, or `timeout` has passed since `asked_at`, a reading of
    /// the clock. After a Unix signal the wait continues with the rest of the time. A fault may end the wait early.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>, asked_at: Instant) -> io::Result<()> {
        match self {
            Self::Kernel(selector) => selector.poll(timeout, asked_at),
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => selector.poll(timeout),
            #[cfg(feature = "simulation")]
            Self::Faulty(selector) => selector.poll(timeout, asked_at),
        }
    }

    /// Passes each event of the last batch to `take`, except those of the waker and of the alarm. Returns the number.
    // Takes a closure instead of returning an iterator, because an iterator would match on the variant for each event.
    #[inline(always)]
    pub(crate) fn for_each(&self, take: impl FnMut(usize, Readiness)) -> usize {
        match self {
            Self::Kernel(selector) => selector.for_each(take),
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => pass_on(selector.batch(), take),
            #[cfg(feature = "simulation")]
            Self::Faulty(selector) => pass_on(selector.batch(), take),
        }
    }

    /// Whether the last wait fetched as many events as fit, the waker's and the alarm's included. More may be waiting.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Kernel(selector) => selector.is_full(),
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => selector.batch().len() >= selector.capacity(),
            #[cfg(feature = "simulation")]
            Self::Faulty(selector) => selector.batch().len() >= selector.capacity(),
        }
    }

    /// Returns the largest number of events that the kernel holds at a time for `sources`, the waker and the alarm.
    pub(crate) fn most_events(&self, sources: usize) -> usize {
        let of_source = match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(selector) => selector.events_of_source(),
            _ => EVENTS_OF_SOURCE,
        };
        sources.saturating_mul(of_source).saturating_add(2)
    }

    /// Returns the descriptor that is readable when the kernel has events, for a program that waits by itself.
    #[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
    pub(crate) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.registry().as_fd()
    }
}

#[cfg(feature = "simulation")]
fn pass_on(batch: &[(usize, Readiness)], mut take: impl FnMut(usize, Readiness)) -> usize {
    for &(token, readiness) in batch {
        take(token, readiness);
    }
    batch.len()
}

/// Returns `directions` in mio's type. Linux and Android are also asked for priority, which is urgent data.
fn to_mio(directions: Interest) -> mio::Interest {
    #[cfg(any(target_os = "android", target_os = "linux"))]
    const INWARD: mio::Interest = mio::Interest::READABLE.add(mio::Interest::PRIORITY);
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    const INWARD: mio::Interest = mio::Interest::READABLE;
    match directions.contains(Interest::WRITABLE) {
        true => INWARD | mio::Interest::WRITABLE,
        false => INWARD,
    }
}
