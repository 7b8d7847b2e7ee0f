//! A level-triggered reactor over mio's edge-triggered selector, for any source that mio can poll.
//!
//! A [`Reactor`] owns the selector, a slab of sources, the timer wheel and the run queue. It knows nothing of sockets,
//! and calls back only the [`Handler`] methods of its sources and the closures of its caller. A source is registered
//! when it is inserted, and not again when its interest changes. The kernel's reports are kept as [`Readiness`] bits,
//! and the wanted directions as [`Interest`] bits. So pausing and resuming only flip bits, and make no system call. A
//! source that is ready for a wanted direction is on the run queue.
//!
//! The caller repeats three steps: it [polls](Reactor::poll) the kernel, [begins](Reactor::begin) a [`Phase`], and
//! takes events until the phase is over. A phase ends after as many sources as its list had at its beginning.
//!
//! ```
//! use mio::event::Source;
//! use mio::net::UdpSocket;
//! use netloop::reactor::{Handler, Interest, Phase, Reactor, Registration};
//!
//! /// Counts datagrams, one a call: it need not read until a read would block.
//! struct Counter(UdpSocket);
//!
//! impl Handler for Counter {
//!     type Event = usize;
//!     type Resources<'a> = [u8; 64];
//!
//!     fn source(&mut self) -> Option<&mut dyn Source> {
//!         Some(&mut self.0)
//!     }
//!     fn on_readable(&mut self, registration: &mut Registration<'_>, buffer: &mut [u8; 64]) -> Option<usize> {
//!         match self.0.recv(buffer) {
//!             Ok(length) => Some(length),
//!             Err(_) => {
//!                 registration.would_block(Interest::READABLE);
//!                 None
//!             }
//!         }
//!     }
//!     fn on_writable(&mut self, _: &mut Registration<'_>, _: &mut [u8; 64]) -> Option<usize> {
//!         None
//!     }
//!     fn on_error(&mut self, _: &mut Registration<'_>, _: &mut [u8; 64]) -> Option<usize> {
//!         None
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let here = UdpSocket::bind("127.0.0.1:0".parse().unwrap())?;
//! let address = here.local_addr()?;
//! let mut reactor = Reactor::new(64)?;
//! let key = reactor.insert(Counter(here), Interest::READABLE)?;
//!
//! let there = std::net::UdpSocket::bind("127.0.0.1:0")?;
//! there.send_to(b"one", address)?;
//! there.send_to(b"three", address)?;
//!
//! let mut buffer = [0; 64];
//! let mut lengths = Vec::new();
//! while lengths.len() < 2 {
//!     reactor.poll(None)?;
//!     reactor.begin(Phase::Serve);
//!     while let Some((from, length)) = reactor.next(&mut buffer) {
//!         assert_eq!(from, key);
//!         lengths.push(length);
//!     }
//! }
//! assert_eq!(lengths, [3, 5]);
//! # Ok(())
//! # }
//! ```

mod clock;
mod handler;
mod holding;
mod lent;
mod reclaiming;
mod registration;
mod serving;
mod source_state;
#[cfg(test)]
mod tests;
mod waiting;

use std::fmt;
use std::io;

use crate::schedule::Schedule;
use crate::slots::Slots;
use crate::system::Selector;
use crate::wheel::{NEVER, Wheel};

use clock::Clock;
use serving::update_lists;
use source_state::{Flags, Signals, SourceState, WheelEntry};

pub use crate::readiness::{Interest, Readiness};
pub use crate::schedule::Phase;
pub use crate::slots::Key;
pub use handler::Handler;
pub use registration::Registration;

pub(crate) use crate::system::{WakeHandle, Waker};
pub(crate) use crate::wheel::TimerHandle;

// The state comes first to share a cache line with the slot's key: a report of the kernel touches only these.
#[repr(C)]
struct Slot<T> {
    state: SourceState,
    source: T,
}

/// The source that may give several events in a row, and the number of events that this source may still give.
#[derive(Clone, Copy)]
struct Burst {
    key: Key,
    left: u32,
}

/// A token for the callback of one source. [`Reactor::end_callback`] and [`Reactor::end_callback_by`] consume it, so a
/// callback ends once, and under the key that it began with. If a panic drops the token, no flush is lost:
/// [`Reactor::abandon_callback`] puts the source on the flush list.
#[derive(Debug)]
#[must_use = "what the source asks to flush leaves when the scope is given to `end_callback`"]
pub(crate) struct CallbackScope {
    key: Key,
}

/// An entry of the timer wheel whose deadline has passed. The key of a timer is the one that it was armed with.
#[derive(Debug)]
pub(crate) enum Elapsed<E> {
    /// The event that a source returned from [`Handler::on_deadline`], if it returned one.
    Source(Key, Option<E>),
    Timer(Key),
    SourceTimer(Key),
    /// The reactor has [reclaimed](Reactor::reclaim) unused memory, and its caller may do the same.
    Reclaimed,
}

/// A selector, sources of one type `T`, their timers and the run queue. The [module](self) shows the order of calls.
///
/// ```
/// use netloop::reactor::{Handler, Interest, Phase, Reactor, Registration};
/// # struct Alarm;
/// # impl Handler for Alarm {
/// #     type Event = &'static str;
/// #     type Resources<'a> = ();
/// #     fn source(&mut self) -> Option<&mut dyn mio::event::Source> { None }
/// #     fn on_readable(&mut self, _: &mut Registration<'_>, _: &mut ()) -> Option<&'static str> { None }
/// #     fn on_writable(&mut self, _: &mut Registration<'_>, _: &mut ()) -> Option<&'static str> { None }
/// #     fn on_error(&mut self, _: &mut Registration<'_>, _: &mut ()) -> Option<&'static str> { None }
/// #     fn on_deadline(&mut self, registration: &mut Registration<'_>) -> Option<&'static str> {
/// #         registration.close();
/// #         Some("time is up")
/// #     }
/// # }
/// # fn main() -> std::io::Result<()> {
/// // `Alarm` wants no readiness, returns an event from `on_deadline`, and closes there. The wait ends at the deadline.
/// let mut reactor = Reactor::new(16)?;
/// let key = reactor.insert(Alarm, Interest::empty())?;
/// reactor.visit(key, |_, registration| registration.set_deadline(registration.now()));
/// let elapsed = loop {
///     reactor.poll(None)?;
///     reactor.refresh_now();
///     reactor.advance();
///     if let Some(elapsed) = reactor.next_elapsed() { break elapsed }
/// };
/// assert_eq!(elapsed, (key, "time is up"));
/// reactor.begin(Phase::Close);
/// assert_eq!(reactor.next_closing(), Some(key));
/// assert!(reactor.remove(key).is_some() && reactor.is_empty());
/// # Ok(())
/// # }
/// ```
pub struct Reactor<T: Handler> {
    selector: Selector,
    slots: Slots<Slot<T>>,
    schedule: Schedule<Key>,
    wheel: Wheel<WheelEntry>,
    clock: Clock,
    burst: Option<Burst>,
    /// The source whose callback runs: a request to flush does not put it on the flush list. After a panic, the key
    /// stays until [`abandon_callback`](Reactor::abandon_callback).
    in_callback: Option<Key>,
    /// Invariant: the number of sources with the flag [`Flags::HELD`].
    held: usize,
    /// The number of events that the kernel has delivered, without those of the waker and the alarm.
    events: u64,
    polls: u64,
    /// Whether the last [`wait`](Reactor::wait) could sleep: its timeout was not zero.
    could_wait: bool,
    /// The deadline, in ticks of the wheel, of the entry that the wheel returned last.
    last_due: u64,
    /// The entry on the wheel at which unused memory is reclaimed; `None` if no unused memory was noticed.
    reclaims: Option<TimerHandle>,
}

impl<T: Handler> Reactor<T> {
    /// Opens a reactor that fetches at most `events_capacity` events from the kernel in one call.
    ///
    /// # Errors
    ///
    /// The system's error if the system refuses a selector (`epoll_create1(2)`), such as EMFILE.
    pub fn new(events_capacity: usize) -> io::Result<Self> {
        Ok(Self::with_selector(Selector::new(events_capacity)?))
    }

    pub(crate) fn with_selector(selector: Selector) -> Self {
        let clock = Clock::new(selector.now(), selector.clock());
        Self {
            selector,
            slots: Slots::new(),
            schedule: Schedule::new(Key::NOTHING),
            wheel: Wheel::new(clock.tick()),
            clock,
            burst: None,
            in_callback: None,
            held: 0,
            events: 0,
            polls: 0,
            could_wait: false,
            last_due: NEVER,
            reclaims: None,
        }
    }

    /// Registers `source`, and from now on serves the source while it is ready for a direction in `interest`.
    ///
    /// # Errors
    ///
    /// The system's error about the registration (`epoll_ctl(2)`): EPERM for a descriptor that cannot be polled, ENOSPC
    /// beyond the user's limit on watches. On an error the reactor drops the source.
    pub fn insert(&mut self, source: T, interest: Interest) -> io::Result<Key> {
        self.insert_ready(source, interest, Readiness::empty())
            .map_err(|(error, _)| error)
    }

    /// Registers `source` as [`insert`](Self::insert) does, but assumes that the source already has `readiness`. A
    /// source that is assumed to be writable is registered for reading alone, until a write would block.
    pub(crate) fn insert_ready(
        &mut self,
        source: T,
        interest: Interest,
        readiness: Readiness,
    ) -> Result<Key, (io::Error, T)> {
        self.insert_begun(source, interest, readiness, |_, _| ())
    }

    /// Does the same as [`insert_ready`](Self::insert_ready). After a success, calls `begin` as [`visit`](Self::visit)
    /// calls its visitor.
    pub(crate) fn insert_begun(
        &mut self,
        source: T,
        interest: Interest,
        readiness: Readiness,
        begin: impl FnOnce(&mut T, &mut Registration<'_>),
    ) -> Result<Key, (io::Error, T)> {
        let state = SourceState::new(interest, readiness);
        let (key, slot) = self.slots.insert_entry(Slot { source, state });
        if let Err(error) = register_with_selector(&self.selector, key, slot) {
            let slot = self.slots.remove(key).expect("it was inserted above");
            return Err((error, slot.source));
        }
        self.held += 1;
        begin(
            &mut slot.source,
            &mut Registration {
                key,
                state: &mut slot.state,
                wheel: &mut self.wheel,
                clock: &self.clock,
            },
        );
        update_lists(
            key,
            slot,
            self.in_callback,
            &mut self.schedule,
            &self.selector,
        );
        Ok(key)
    }

    /// Inserts a source that only reports a failure, or that the caller [registers](Self::register) later.
    pub(crate) fn insert_unregistered(&mut self, source: T, interest: Interest) -> Key {
        let state = SourceState::new(interest, Readiness::empty());
        self.held += 1;
        self.slots.insert(Slot { source, state })
    }

    /// Registers the object that [`Handler::source`] returns now: a first object, or one that replaces the former.
    pub(crate) fn register(&mut self, key: Key) -> io::Result<()> {
        match self.slots.get_mut(key) {
            Some(slot) => register_with_selector(&self.selector, key, slot),
            None => Ok(()),
        }
    }

    /// Deregisters the source's object, and forgets the kernel's reports about it. The source itself stays.
    pub(crate) fn deregister(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(key) {
            if let Some(source) = slot.source.source() {
                // An error only means that the object was not registered.
                let _ = self.selector.deregister(source);
            }
            // `ACTIVATED` is the source's own request, not a report of the kernel.
            slot.state.signals &= Signals::ACTIVATED;
            slot.state.flags.insert(Flags::WATCHES_WRITABLE);
        }
    }

    /// Removes a source at once, without an event, and returns it; `None` if it is gone. From then on its key is dead.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let Slot { state, source } = self.slots.get_mut(key)?;
        if let Some(source) = source.source() {
            // An error only means that the object is not registered, or not any more.
            let _ = self.selector.deregister(source);
        }
        if let Some(handle) = state.timer {
            self.wheel.cancel(handle);
        }
        if state.flags.contains(Flags::HELD) {
            self.held -= 1;
        }
        // This call comes before the removal, because after it the compiler would move the source once more.
        self.notice_slack_behind_removal();
        self.slots.remove(key).map(|slot| slot.source)
    }

    /// Returns the source under `key`; `None` if the source is gone.
    pub fn get(&self, key: Key) -> Option<&T> {
        self.slots.get(key).map(|slot| &slot.source)
    }

    #[inline]
    pub(crate) fn get_with_readiness(&self, key: Key) -> Option<(&T, Readiness)> {
        let slot = self.slots.get(key)?;
        Some((&slot.source, slot.state.readiness()))
    }

    pub(crate) fn serves(&self, key: Key, direction: Interest) -> bool {
        self.slots
            .get(key)
            .is_some_and(|slot| slot.state.serves(direction))
    }

    /// Returns the source under `key`, for a change that affects neither its interest nor its readiness.
    #[inline]
    pub(crate) fn source_mut(&mut self, key: Key) -> Option<&mut T> {
        self.slots.get_mut(key).map(|slot| &mut slot.source)
    }

    /// Calls `visitor` with the source under `key`, and then puts the source on the lists that its new state requires.
    /// Returns the result of `visitor`; `None` if the source is gone.
    #[inline]
    pub fn visit<R>(
        &mut self,
        key: Key,
        visitor: impl FnOnce(&mut T, &mut Registration<'_>) -> R,
    ) -> Option<R> {
        let slot = self.slots.get_mut(key)?;
        let mut registration = Registration {
            key,
            state: &mut slot.state,
            wheel: &mut self.wheel,
            clock: &self.clock,
        };
        let answer = visitor(&mut slot.source, &mut registration);
        update_lists(
            key,
            slot,
            self.in_callback,
            &mut self.schedule,
            &self.selector,
        );
        Some(answer)
    }

    /// Returns all sources with their keys, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> + '_ {
        self.slots.iter().map(|(key, slot)| (key, &slot.source))
    }

    /// Returns the number of sources.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no source.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn could_wait(&self) -> bool {
        self.could_wait
    }

    /// Returns the reactor's time in whole milliseconds.
    #[inline]
    pub(crate) fn tick(&self) -> u64 {
        self.clock.tick()
    }

    pub(crate) fn polls(&self) -> u64 {
        self.polls
    }
}

fn register_with_selector<T: Handler>(
    selector: &Selector,
    key: Key,
    slot: &mut Slot<T>,
) -> io::Result<()> {
    match slot.source.source() {
        Some(source) => selector.register(source, key.to_token(), slot.state.watched_directions()),
        None => Ok(()),
    }
}

impl<T: Handler> fmt::Debug for Reactor<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reactor")
            .field("sources", &self.slots.len())
            .field("held", &self.held)
            .field("timers", &self.wheel.len())
            .field("events", &self.events)
            .field("is_idle", &self.is_idle())
            .finish_non_exhaustive()
    }
}
