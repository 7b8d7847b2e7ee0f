//! What user code has asked for and the loop has still to do: handlers to install, deferred calls, timers, a stop.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::net::{Net, TimerId};
use crate::reactor::{Alarm, Key};
use crate::slots::Slots;

use super::LoopContext;
use super::handler::{ServerHandler, SocketHandler};
use super::remote::Mailbox;

/// A call without a socket, to be made once.
pub(super) type Call<S> = Box<dyn FnOnce(&mut LoopContext<'_, S>)>;

/// A call without a socket, to be made again and again.
type RepeatedCall<S> = Box<dyn FnMut(&mut LoopContext<'_, S>)>;

/// Whose handler lies beside a slot.
pub(super) enum Occupant<S> {
    /// A socket's.
    Socket(Box<dyn SocketHandler<S>>),
    /// A server's.
    Server(Box<dyn ServerHandler<S>>),
}

/// What a timer does when it comes.
pub(super) enum Action<S> {
    /// It is called, and the timer is over.
    Once(Call<S>),
    /// It is called each time. `None` while it is being called, and so for ever if that call panicked.
    Repeatedly(Option<RepeatedCall<S>>, Duration),
}

struct Timer<S> {
    alarm: Alarm,
    action: Action<S>,
    is_held: bool,
}

/// Everything that was asked for.
pub(super) struct Agenda<S> {
    /// Handlers of what was made within a callback: they cannot be put beside the others while one is borrowed.
    pub(super) installs: Vec<(Key, Occupant<S>)>,
    deferred: VecDeque<Call<S>>,
    timers: Slots<Timer<S>>,
    /// Invariant: how many timers have `is_held` set.
    held_timers: usize,
    pub(super) is_stopping: bool,
    pub(super) mailbox: Arc<Mailbox<S>>,
}

impl<S> Agenda<S> {
    pub(super) fn new(mailbox: Arc<Mailbox<S>>) -> Self {
        Self {
            installs: Vec::new(),
            deferred: VecDeque::new(),
            timers: Slots::new(),
            held_timers: 0,
            is_stopping: false,
            mailbox,
        }
    }

    pub(super) fn defer(&mut self, call: Call<S>) {
        self.deferred.push_back(call);
    }

    pub(super) fn deferred(&self) -> usize {
        self.deferred.len()
    }

    pub(super) fn next_deferred(&mut self) -> Option<Call<S>> {
        self.deferred.pop_front()
    }

    /// Whether a timer or a deferred call is a reason for the loop to go on.
    pub(super) fn holds_loop(&self) -> bool {
        self.held_timers > 0 || !self.deferred.is_empty()
    }

    /// Arms a timer. The clock is read for it, as a turn's reading may be old by now and no timer may come early.
    pub(super) fn arm(&mut self, net: &mut Net, after: Duration, action: Action<S>) -> TimerId {
        let deadline = net.reactor.read_clock().checked_add(after);
        let reactor = &mut net.reactor;
        let key = self.timers.insert_with(|key| Timer {
            alarm: reactor.arm(deadline, key),
            action,
            is_held: true,
        });
        self.held_timers += 1;
        TimerId(key)
    }

    pub(super) fn cancel(&mut self, net: &mut Net, id: TimerId) -> bool {
        let Some(timer) = self.timers.remove(id.0) else {
            return false;
        };
        net.reactor.disarm(timer.alarm);
        if timer.is_held {
            self.held_timers -= 1;
        }
        true
    }

    pub(super) fn set_timer_held(&mut self, id: TimerId, held: bool) {
        if let Some(timer) = self.timers.get_mut(id.0) {
            if timer.is_held != held {
                timer.is_held = held;
                if held {
                    self.held_timers += 1;
                } else {
                    self.held_timers -= 1;
                }
            }
        }
    }

    pub(super) fn due_at(&self, net: &Net, id: TimerId) -> Option<Instant> {
        let timer = self.timers.get(id.0)?;
        net.reactor.deadline_of(timer.alarm)
    }

    /// Takes out what the timer `id` does, which has come: for good, or until it is given back with
    /// [`restore`](Self::restore). A repeating one is armed again first, so that it is active within its own call.
    pub(super) fn take(&mut self, net: &mut Net, id: TimerId) -> Option<Action<S>> {
        let timer = self.timers.get_mut(id.0)?;
        let again = match &mut timer.action {
            Action::Repeatedly(call, period) => call.take().map(|call| (call, *period)),
            Action::Once(_) => None,
        };
        let Some((call, period)) = again else {
            // One that comes once, or one whose last call panicked.
            let timer = self.timers.remove(id.0)?;
            if timer.is_held {
                self.held_timers -= 1;
            }
            return Some(timer.action);
        };
        // Other callbacks may have taken long since the turn's reading of the clock.
        let deadline = net.reactor.read_clock().checked_add(period);
        timer.alarm = net.reactor.arm(deadline, id.0);
        Some(Action::Repeatedly(Some(call), period))
    }

    /// Gives a repeating timer its call back, unless it was cancelled meanwhile.
    pub(super) fn restore(&mut self, id: TimerId, call: RepeatedCall<S>) {
        if let Some(timer) = self.timers.get_mut(id.0) {
            if let Action::Repeatedly(place, _) = &mut timer.action {
                *place = Some(call);
            }
        }
    }
}

impl<S> fmt::Debug for Agenda<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Agenda")
            .field("installs", &self.installs.len())
            .field("deferred", &self.deferred.len())
            .field("timers", &self.timers.len())
            .field("is_stopping", &self.is_stopping)
            .finish_non_exhaustive()
    }
}
