//! The timers of the loop. The reactor holds their deadlines.

use std::fmt;
use std::time::{Duration, Instant};

use crate::net::{Net, TimerHandle, TimerId};
use crate::slots::Slots;

use super::call::{Call, RepeatedCall};

pub(super) enum Action<S> {
    Once(Call<S>),
    /// `None` while the call runs.
    Repeatedly(Option<RepeatedCall<S>>, Duration),
}

struct ArmedTimer<S> {
    handle: TimerHandle,
    action: Action<S>,
    is_held: bool,
}

pub(super) struct Timers<S> {
    timers: Slots<ArmedTimer<S>>,
    /// The number of timers that keep the loop going. Invariant: the number of timers whose `is_held` is set.
    held: usize,
}

impl<S> Timers<S> {
    pub(super) fn new() -> Self {
        Self {
            timers: Slots::new(),
            held: 0,
        }
    }

    pub(super) fn trim(&mut self) {
        self.timers.shrink();
    }

    pub(super) fn armed(&self) -> usize {
        self.timers.len()
    }

    pub(super) fn hold_loop(&self) -> bool {
        self.held > 0
    }

    pub(super) fn arm(&mut self, net: &mut Net, after: Duration, action: Action<S>) -> TimerId {
        let key = self.timers.insert_with(|key| ArmedTimer {
            handle: net.arm_timer(TimerId(key), after),
            action,
            is_held: true,
        });
        self.held += 1;
        TimerId(key)
    }

    pub(super) fn cancel(&mut self, net: &mut Net, id: TimerId) -> bool {
        let Some(timer) = self.timers.remove(id.0) else {
            return false;
        };
        net.disarm_timer(timer.handle);
        if timer.is_held {
            self.held -= 1;
        }
        true
    }

    pub(super) fn set_held(&mut self, id: TimerId, held: bool) {
        if let Some(timer) = self.timers.get_mut(id.0) {
            if timer.is_held != held {
                timer.is_held = held;
                if held {
                    self.held += 1;
                } else {
                    self.held -= 1;
                }
            }
        }
    }

    pub(super) fn is_held(&self, id: TimerId) -> bool {
        self.timers.get(id.0).is_some_and(|timer| timer.is_held)
    }

    pub(super) fn due_at(&self, net: &Net, id: TimerId) -> Option<Instant> {
        let timer = self.timers.get(id.0)?;
        net.timer_due_at(timer.handle)
    }

    /// Takes the action of a timer that has fired. A repeating timer is armed again at once, so that it exists during
    /// its own call; `restore` gives the call back.
    pub(super) fn take(&mut self, net: &mut Net, id: TimerId) -> Option<Action<S>> {
        let timer = self.timers.get_mut(id.0)?;
        let again = match &mut timer.action {
            Action::Repeatedly(call, period) => call.take().map(|call| (call, *period)),
            Action::Once(_) => None,
        };
        let Some((call, period)) = again else {
            let timer = self.timers.remove(id.0)?;
            if timer.is_held {
                self.held -= 1;
            }
            return Some(timer.action);
        };
        timer.handle = net.arm_timer(id, period);
        Some(Action::Repeatedly(Some(call), period))
    }

    /// Gives a repeating timer its call back, unless the call has cancelled the timer.
    pub(super) fn restore(&mut self, id: TimerId, call: RepeatedCall<S>) {
        if let Some(timer) = self.timers.get_mut(id.0) {
            if let Action::Repeatedly(place, _) = &mut timer.action {
                *place = Some(call);
            }
        }
    }
}

impl<S> fmt::Debug for Timers<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Timers")
            .field("armed", &self.timers.len())
            .field("held", &self.held)
            .finish()
    }
}
