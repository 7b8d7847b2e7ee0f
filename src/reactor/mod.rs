//! Levels over the kernel's edges, for any source that mio can poll.
//!
//! A [`Reactor`] owns the selector, a slab of sources, the timer wheel and the run queue. It knows nothing of sockets,
//! and calls no user code but the [`Handler`] methods of its sources. A source is registered with the kernel when it is
//! inserted, and not again when its interest changes. The kernel's reports are kept as [`Readiness`] bits and the
//! source's wants as [`Interest`] bits. A source for which the two meet is on the run queue. To pause, to resume and to
//! wait for buffer space are bits flipped, and none of them is a system call.
//!
//! The driver of a reactor repeats three steps: [`poll`](Reactor::poll), [`begin`](Reactor::begin) a phase, and take
//! events out of it until it is over. A phase is as long as its list was when the phase began.
//!
//! ```
//! use mio::event::Source;
//! use mio::net::UdpSocket;
//! use netloop::reactor::{Handler, Interest, Phase, Reactor, Registration};
//!
//! /// Counts datagrams, one a call: it never has to drain.
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
use crate::wheel::Wheel;

use clock::Clock;
use serving::update_lists;
use source_state::{Flags, Signals, SourceState, WheelEntry};

pub use crate::readiness::{Interest, Readiness};
pub use crate::schedule::Phase;
pub use crate::slots::Key;
pub use handler::Handler;
pub use registration::Registration;

pub(crate) use crate::system::Waker;
pub(crate) use crate::wheel::TimerHandle;

/// A source with its place in the reactor.
// In this order: to apply an event touches the state alone, which then lies in one cache line with the key.
#[repr(C)]
struct Slot<T> {
    state: SourceState,
    source: T,
}

/// The source that is being served, for as long as its burst lasts.
#[derive(Clone, Copy)]
struct Burst {
    key: Key,
    left: u32,
}

/// The callback of one source, from [`Reactor::begin_callback`] to [`Reactor::end_callback`]. A flush that the source
/// asks for in between is done when the callback ends.
///
/// The end consumes the scope, so a callback ends once and under the key that it began with. A scope that is dropped,
/// as by a panic, loses no flush: its source goes on the flush list when the next callback begins.
#[derive(Debug)]
#[must_use = "what the source asks to flush leaves when the scope is given to `end_callback`"]
pub(crate) struct CallbackScope {
    key: Key,
}

/// An entry of the timer wheel that fell due.
#[derive(Debug)]
pub(crate) enum Elapsed<E> {
    /// A source made an event of its deadline.
    Source(Key, E),
    /// A timer came that the driver had armed with [`Reactor::arm`] under this key.
    Timer(Key),
    /// A timer came that the driver had armed with [`Reactor::arm_source_timer`] under this key.
    SourceTimer(Key),
}

/// A server of sources of one type, `T`. The [module](self) says how it is driven.
pub struct Reactor<T: Handler> {
    selector: Selector,
    slots: Slots<Slot<T>>,
    schedule: Schedule<Key>,
    wheel: Wheel<WheelEntry>,
    clock: Clock,
    burst: Option<Burst>,
    /// The source whose callback runs: [`end_callback`](Reactor::end_callback) flushes it, so its request to flush puts
    /// it on no list. If the callback panics, the key stays until the next one begins.
    in_callback: Option<Key>,
    /// Invariant: the number of sources with the flag [`Flags::HELD`].
    held: usize,
    /// The number of events that the kernel has delivered in all.
    events: u64,
}

impl<T: Handler> Reactor<T> {
    /// Opens a reactor that takes at most `events_capacity` events from the kernel at a time.
    ///
    /// # Errors
    ///
    /// The system's error if it has no selector to give (`epoll_create1(2)`), such as EMFILE.
    pub fn new(events_capacity: usize) -> io::Result<Self> {
        Ok(Self::with_selector(Selector::new(events_capacity)?))
    }

    /// Makes a reactor that waits with `selector`.
    pub(crate) fn with_selector(selector: Selector) -> Self {
        let clock = Clock::new(selector.now());
        Self {
            selector,
            slots: Slots::new(),
            schedule: Schedule::new(),
            wheel: Wheel::new(clock.tick()),
            clock,
            burst: None,
            in_callback: None,
            held: 0,
            events: 0,
        }
    }

    /// Registers `source`, which is called for `interest` from now on.
    ///
    /// # Errors
    ///
    /// The system's error about the registration (`epoll_ctl(2)`): EPERM for a descriptor that cannot be polled, ENOSPC
    /// beyond the user's limit of watches. The source is dropped then.
    pub fn insert(&mut self, source: T, interest: Interest) -> io::Result<Key> {
        self.insert_ready(source, interest, Readiness::empty())
            .map_err(|(error, _)| error)
    }

    /// Registers `source` as [`insert`](Self::insert) does, but assumes that it is ready for `readiness` already, and
    /// gives the source back if it cannot be registered. A source that is assumed to be writable is registered for
    /// reading alone, until a write would block.
    pub(crate) fn insert_ready(
        &mut self,
        source: T,
        interest: Interest,
        readiness: Readiness,
    ) -> Result<Key, (io::Error, T)> {
        self.insert_begun(source, interest, readiness, |_, _| ())
    }

    /// Registers `source` as [`insert_ready`](Self::insert_ready) does, with a [`visit`](Self::visit) at once.
    pub(crate) fn insert_begun(
        &mut self,
        source: T,
        interest: Interest,
        readiness: Readiness,
        begin: impl FnOnce(&mut T, &mut Registration<'_>),
    ) -> Result<Key, (io::Error, T)> {
        let state = SourceState::new(interest, readiness);
        let key = self.slots.insert(Slot { source, state });
        let slot = self.slots.get_mut(key).expect("it was inserted above");
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

    /// Inserts a source without the kernel's knowing it: to report its failure, or to be registered later.
    pub(crate) fn insert_unregistered(&mut self, source: T, interest: Interest) -> Key {
        let state = SourceState::new(interest, Readiness::empty());
        self.held += 1;
        self.slots.insert(Slot { source, state })
    }

    /// Registers the kernel's side of a source that had none when it was inserted, or has another one now.
    pub(crate) fn register(&mut self, key: Key) -> io::Result<()> {
        match self.slots.get_mut(key) {
            Some(slot) => register_with_selector(&self.selector, key, slot),
            None => Ok(()),
        }
    }

    /// Deregisters the kernel's side of a source that goes on without it, and forgets the kernel's reports. An error is
    /// ignored: it means that the kernel's side was not registered.
    pub(crate) fn deregister(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(key) {
            if let Some(source) = slot.source.source() {
                let _ = self.selector.deregister(source);
            }
            // The source's own request to report something does not depend on the kernel.
            slot.state.signals &= Signals::ACTIVATED;
            slot.state.flags.insert(Flags::WATCHES_WRITABLE);
        }
    }

    /// Takes a source out at once, without an event, and gives it back. Its key is dead from now on.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let mut slot = self.slots.remove(key)?;
        if let Some(source) = slot.source.source() {
            // It fails only if the kernel has forgotten the descriptor already.
            let _ = self.selector.deregister(source);
        }
        if let Some(handle) = slot.state.timer {
            self.wheel.cancel(handle);
        }
        if slot.state.flags.contains(Flags::HELD) {
            self.held -= 1;
        }
        Some(slot.source)
    }

    /// Returns the source under `key`; `None` if it is gone.
    pub fn get(&self, key: Key) -> Option<&T> {
        self.slots.get(key).map(|slot| &slot.source)
    }

    /// Returns the source under `key`, to change in a way that does not concern its place here.
    #[inline]
    pub(crate) fn source_mut(&mut self, key: Key) -> Option<&mut T> {
        self.slots.get_mut(key).map(|slot| &mut slot.source)
    }

    /// Lets `visitor` change the source under `key`, and then puts the source on the lists that it belongs on. Returns
    /// the visitor's answer; `None` if the source is gone.
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

    /// Gives back the memory that removed sources have left in the tables. Four bytes stay for every slot that was ever
    /// used, so that no key comes back to life. The timer wheel keeps its own memory.
    pub(crate) fn shrink(&mut self) {
        self.slots.shrink();
        self.schedule.shrink();
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

    /// Makes the source under `key` a reason to go on ([`held`](Self::held)), as it is from its insertion on. Holding
    /// it twice counts once.
    pub(crate) fn hold(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(key) {
            if !slot.state.flags.contains(Flags::HELD) {
                slot.state.flags.insert(Flags::HELD);
                self.held += 1;
            }
        }
    }

    /// Makes the source under `key` no reason to go on: libuv's `uv_unref`. Releasing it twice counts once.
    pub(crate) fn release(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(key) {
            if slot.state.flags.contains(Flags::HELD) {
                slot.state.flags.remove(Flags::HELD);
                self.held -= 1;
            }
        }
    }

    /// Whether the source under `key` is a reason to go on; `false` if it is gone.
    pub(crate) fn is_held(&self, key: Key) -> bool {
        self.slots
            .get(key)
            .is_some_and(|slot| slot.state.flags.contains(Flags::HELD))
    }

    /// Returns the number of sources that are a reason to go on. A source is one until it is
    /// [released](Self::release).
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Returns the number of events that the kernel has delivered since the reactor was made.
    #[cfg(test)]
    pub(crate) fn events(&self) -> u64 {
        self.events
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
