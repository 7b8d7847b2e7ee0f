//! Serves the sources in the order of their lists, and then puts each source on the lists that its new state requires.

use crate::schedule::Schedule;
use crate::system::{Selector, is_out_of_registrations};

use super::source_state::{Flags, Signals};
use super::{Burst, CallbackScope, Handler, Interest, Key, Phase, Reactor, Registration, Slot};

impl<T: Handler> Reactor<T> {
    /// Begins a phase, which serves as many sources as the phase's list has now. A source that enters the list later
    /// waits for the next round, so no source can keep another source from being served.
    pub fn begin(&mut self, phase: Phase) {
        self.schedule.begin(phase);
    }

    /// Serves ready sources until a source gives an event, and returns this event; `None` when the phase is over. A
    /// caller with a limit on its work calls [`next_while`](Self::next_while) instead.
    pub fn next(&mut self, resources: &mut T::Resources<'_>) -> Option<(Key, T::Event)> {
        self.next_while(resources, |_, _| true)
    }

    /// Serves ready sources as [`next`](Self::next) does, but also ends if `goes_on` returns `false` after a source
    /// without an event. Such a source may do much work. Each source writes before it reads: a write frees memory.
    // Always inlined: this is the innermost loop of the event loop.
    #[inline(always)]
    pub fn next_while(
        &mut self,
        resources: &mut T::Resources<'_>,
        mut goes_on: impl FnMut(&Self, &T::Resources<'_>) -> bool,
    ) -> Option<(Key, T::Event)> {
        loop {
            let key = match self.burst {
                Some(burst) => burst.key,
                None => self.schedule.next(Phase::Serve)?,
            };
            let Some(slot) = self.slots.get_mut(key) else {
                self.burst = None;
                self.skip(Phase::Serve, key);
                continue;
            };
            let Slot { source, state } = slot;
            state.flags.remove(Flags::QUEUED);
            if state.flags.intersects(Flags::CLOSING | Flags::WANTS_CLOSE) {
                self.burst = None;
                continue;
            }
            let mut registration = Registration {
                key,
                state,
                wheel: &mut self.wheel,
                clock: &self.clock,
            };
            let event = if registration.state.only_reads() {
                source.on_readable(&mut registration, resources)
            } else if registration.state.has_work() {
                serve_slow_path(source, &mut registration.reborrow(), resources)
            } else {
                // The source needs no service now: `serve_ahead` has served it meanwhile, or its interest was removed.
                self.burst = None;
                continue;
            };
            // Fast path: a source that has read everything and requests nothing belongs on no list, and skips this.
            if state.has_work() || state.has_request() || self.burst.is_some() {
                let is_exhausted = !state.has_work() && !state.has_request();
                let may_go_on = event.is_some() && state.has_work() && !state.has_request();
                let left = match may_go_on && self.schedule.len(Phase::Serve) == 0 {
                    true => left_of(self.burst, source.burst()),
                    false => 0,
                };
                if left > 0 {
                    self.burst = Some(Burst { key, left });
                    state.flags.insert(Flags::QUEUED);
                } else if is_exhausted {
                    self.burst = None;
                } else {
                    self.continue_burst_or_update_lists(key, event.is_some());
                }
            }
            if let Some(event) = event {
                return Some((key, event));
            }
            if !goes_on(self, resources) {
                return None;
            }
        }
    }

    /// Serves the source under `key` ahead of the sources that are queued, after the flush that the source may have
    /// asked for. The source keeps its places on the lists.
    pub(crate) fn serve_ahead(
        &mut self,
        key: Key,
        resources: &mut T::Resources<'_>,
    ) -> Option<T::Event> {
        let slot = self.slots.get_mut(key)?;
        let Slot { source, state } = slot;
        if state.flags.intersects(Flags::CLOSING | Flags::WANTS_CLOSE) {
            return None;
        }
        let mut registration = Registration {
            key,
            state,
            wheel: &mut self.wheel,
            clock: &self.clock,
        };
        if registration.state.flags.contains(Flags::WANTS_FLUSH) {
            registration.state.flags.remove(Flags::WANTS_FLUSH);
            source.on_flush(&mut registration, resources);
        }
        let event = match registration.is_closing() {
            true => None,
            false => serve_slow_path(source, &mut registration, resources),
        };
        update_lists(
            key,
            slot,
            self.in_callback,
            &mut self.schedule,
            &self.selector,
        );
        event
    }

    /// Continues the burst of the source that was just served, or puts the source behind the other ready ones.
    #[inline(never)]
    fn continue_burst_or_update_lists(&mut self, key: Key, gave_event: bool) {
        let burst = self.burst.take();
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let is_closing = Flags::CLOSING | Flags::WANTS_CLOSE;
        if gave_event && slot.state.has_work() && !slot.state.flags.intersects(is_closing) {
            let most = match self.schedule.len(Phase::Serve) {
                0 => slot.source.burst(),
                _ => slot.source.burst_beside_others(),
            };
            let left = left_of(burst, most);
            slot.state.flags.insert(Flags::QUEUED);
            if left > 0 {
                // The next call of `next` continues with this source, so this source must not enter the serve list too.
                self.burst = Some(Burst { key, left });
            } else {
                self.schedule.push_again(Phase::Serve, key);
            }
        }
        update_lists(
            key,
            slot,
            self.in_callback,
            &mut self.schedule,
            &self.selector,
        );
    }

    /// Returns the next source that asked to be closed. Deregisters it, unless [closing its
    /// descriptor](Handler::close_deregisters) does. It stays, but unserved, until [`remove`](Self::remove).
    pub fn next_closing(&mut self) -> Option<Key> {
        loop {
            let key = self.schedule.next(Phase::Close)?;
            if let Some(slot) = self.slots.get_mut(key) {
                if slot.source.close_deregisters() {
                    return Some(key);
                }
                if let Some(source) = slot.source.source() {
                    // As in `remove`, an error only means that the object is not registered.
                    let _ = self.selector.deregister(source);
                }
                return Some(key);
            }
            self.skip(Phase::Close, key);
        }
    }

    /// Flushes the sources that asked for a flush before the phase began.
    pub fn flush(&mut self, resources: &mut T::Resources<'_>) {
        while self.flush_next(resources) {}
    }

    /// Flushes the next source on the flush list. Returns `false` when the phase is over.
    #[inline]
    pub(crate) fn flush_next(&mut self, resources: &mut T::Resources<'_>) -> bool {
        let Some(key) = self.schedule.next(Phase::Flush) else {
            return false;
        };
        match self.slots.get_mut(key) {
            Some(slot) => slot.state.flags.remove(Flags::FLUSH_QUEUED),
            None => self.skip(Phase::Flush, key),
        }
        self.flush_one(key, resources);
        true
    }

    pub(crate) fn in_callback(&self) -> Option<Key> {
        self.in_callback
    }

    #[inline]
    pub(crate) fn begin_callback(&mut self, key: Key) -> CallbackScope {
        debug_assert_eq!(
            self.in_callback, None,
            "the last callback was ended or abandoned"
        );
        self.in_callback = Some(key);
        CallbackScope { key }
    }

    /// Ends a callback that panicked, and so has dropped its scope. The caller calls this before the next callback.
    pub(crate) fn abandon_callback(&mut self) {
        if let Some(key) = self.in_callback.take() {
            self.update_lists_of(key);
        }
    }

    /// Ends a callback, and flushes its source if the source asked for a flush. A source that is on the flush list
    /// already, because other handlers wrote to it, stays there: all its bytes then leave in one call.
    #[inline]
    pub(crate) fn end_callback(&mut self, scope: CallbackScope, resources: &mut T::Resources<'_>) {
        let key = self.leave(scope);
        let slot = self.slots.get(key);
        if slot.is_some_and(|slot| slot.state.needs_flush_entry()) {
            self.flush_own(key, resources);
        }
    }

    /// Ends a callback with `send` in place of `on_flush`. `send` returns whether the registration is unchanged.
    #[inline(always)]
    pub(crate) fn end_callback_by(
        &mut self,
        scope: CallbackScope,
        send: impl FnOnce(&mut T, &mut Registration<'_>) -> bool,
    ) {
        let key = self.leave(scope);
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let mut registration = Registration {
            key,
            state: &mut slot.state,
            wheel: &mut self.wheel,
            clock: &self.clock,
        };
        if !send(&mut slot.source, &mut registration) {
            self.update_lists_of(key);
        }
    }

    #[inline]
    fn leave(&mut self, scope: CallbackScope) -> Key {
        self.in_callback = None;
        scope.key
    }

    #[inline(never)]
    fn update_lists_of(&mut self, key: Key) {
        self.visit(key, |_, _| ());
    }

    // Not inlined, because most callbacks end without a flush.
    #[inline(never)]
    fn flush_own(&mut self, key: Key, resources: &mut T::Resources<'_>) {
        self.flush_one(key, resources);
    }

    #[inline]
    fn flush_one(&mut self, key: Key, resources: &mut T::Resources<'_>) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        if !slot.state.needs_flush_entry() {
            return;
        }
        let flags = &mut slot.state.flags;
        flags.remove(Flags::WANTS_FLUSH);
        if flags.contains(Flags::CLOSING) {
            return;
        }
        slot.source.on_flush(
            &mut Registration {
                key,
                state: &mut slot.state,
                wheel: &mut self.wheel,
                clock: &self.clock,
            },
            resources,
        );
        update_lists(
            key,
            slot,
            self.in_callback,
            &mut self.schedule,
            &self.selector,
        );
    }
}

/// Returns the number of further events that the source may give in a row, of which `most` is the limit.
#[inline]
fn left_of(burst: Option<Burst>, most: u32) -> u32 {
    let left = burst.map_or(u32::MAX, |burst| burst.left);
    left.min(most.max(1)) - 1
}

/// The number of ticks before the next try to register a source anew, after the kernel has refused to do so.
pub(super) const REARM_RETRY_TICKS: u64 = 10;

/// Serves a source that must do more than read, until one of its methods gives an event or asks to be closed. An error
/// goes to `on_error` only if no read would return it.
#[inline(never)]
fn serve_slow_path<T: Handler>(
    source: &mut T,
    registration: &mut Registration<'_>,
    resources: &mut T::Resources<'_>,
) -> Option<T::Event> {
    if registration.state.signals.contains(Signals::ACTIVATED) {
        registration.state.signals.remove(Signals::ACTIVATED);
        if registration.state.signals.contains(Signals::REARM_REFUSED) {
            registration.wake_at(registration.tick() + REARM_RETRY_TICKS);
        }
        let event = source.on_activated(registration, resources);
        if event.is_some() || registration.is_closing() {
            return event;
        }
    }
    if registration.state.serves(Interest::WRITABLE) {
        let event = source.on_writable(registration, resources);
        if event.is_some() || registration.is_closing() {
            return event;
        }
    }
    if registration.state.serves(Interest::READABLE) {
        return source.on_readable(registration, resources);
    }
    if registration.state.has_unread_error() {
        registration.state.signals.remove(Signals::ERROR);
        return source.on_error(registration, resources);
    }
    None
}

/// Puts a source on the lists that its state requires. Invariant I7: a source that must be served is on the serve list.
/// So a call of this function follows each change of signals, interest or flags that may give a source work or a
/// request. [`Reactor::next_while`] and `Reactor::apply_events` enqueue by themselves instead.
#[inline(always)]
pub(super) fn update_lists<T: Handler>(
    key: Key,
    slot: &mut Slot<T>,
    in_callback: Option<Key>,
    schedule: &mut Schedule<Key>,
    selector: &Selector,
) {
    let state = &slot.state;
    if state.has_work() || state.has_new_request() {
        enqueue(key, slot, in_callback, schedule, selector);
    }
}

fn enqueue<T: Handler>(
    key: Key,
    slot: &mut Slot<T>,
    in_callback: Option<Key>,
    schedule: &mut Schedule<Key>,
    selector: &Selector,
) {
    let state = &mut slot.state;
    if state
        .flags
        .intersects(Flags::CLOSING | Flags::WANTS_CLOSE | Flags::WANTS_REARM)
        && close_or_rearm(key, slot, schedule, selector)
    {
        return;
    }
    let state = &mut slot.state;
    if state.has_work() && !state.flags.contains(Flags::QUEUED) {
        state.flags.insert(Flags::QUEUED);
        schedule.push(Phase::Serve, key);
    }
    if state.needs_flush_entry() && in_callback != Some(key) {
        state.flags.insert(Flags::FLUSH_QUEUED);
        schedule.push(Phase::Flush, key);
    }
}

/// Grants a rare request: to be closed, or else to be registered anew. A closing source (`true`) enters no other list.
#[cold]
fn close_or_rearm<T: Handler>(
    key: Key,
    slot: &mut Slot<T>,
    schedule: &mut Schedule<Key>,
    selector: &Selector,
) -> bool {
    let Slot { source, state } = slot;
    if state.flags.contains(Flags::CLOSING) {
        return true;
    }
    if state.flags.contains(Flags::WANTS_CLOSE) {
        // The request is cleared, so that later visits do not grant it again.
        state.flags.remove(Flags::WANTS_CLOSE);
        state.flags.insert(Flags::CLOSING);
        schedule.push(Phase::Close, key);
        return true;
    }
    state.flags.remove(Flags::WANTS_REARM);
    if let Some(source) = source.source() {
        match selector.rearm(source, key.to_token()) {
            Ok(()) => state.flags.insert(Flags::WATCHES_WRITABLE),
            // The former registration stays. No read or write returns this error, so a source that is served for it
            // would find nothing, and ask again at once.
            Err(error) if is_out_of_registrations(&error) => {
                // The wheel cannot be reached from here. `ACTIVATED` makes `serve_slow_path` arm the next try.
                state
                    .signals
                    .insert(Signals::REARM_REFUSED | Signals::ACTIVATED);
            }
            // The kernel reports nothing about the source now, so it is served: its read or write returns the error.
            Err(_) => state.signals.insert(Signals::READABLE | Signals::WRITABLE),
        }
    }
    false
}
