//! The requests of user code that the loop has still to fulfil.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bitflags::bitflags;

use crate::net::{DatagramId, Net, ServerId, SocketId, SourceId};

use super::Statistics;
use super::call::{Call, RepeatedCall};
use super::handlers::{AnySource, DatagramHandler, ServerHandler, SocketHandler, pipe};
use super::hooks::{HookId, HookPlace, Hooks};
use super::mailbox::Mailbox;
use super::shutdown::Shutdowns;
#[cfg(all(unix, feature = "signals"))]
use super::signals::Signals;
use super::timers::Timers;
use super::watch::Meter;

/// The largest capacity that an empty queue of calls keeps. To grow again is cheap: each call is an allocation too.
pub(super) const KEPT_CALLS: usize = 1024;

/// A handler that waits to be put into its table.
pub(super) enum NewHandler<S> {
    Socket(SocketId, Box<dyn SocketHandler<S>>),
    Server(ServerId, Box<dyn ServerHandler<S>>),
    Datagram(DatagramId, Box<dyn DatagramHandler<S>>),
    Source(SourceId, Box<dyn AnySource<S>>),
    /// One end of a pipe. The function wraps the socket's present handler in this end.
    Pipe(SocketId, pipe::End, pipe::PutBefore<S>),
}

bitflags! {
    /// The requests that a turn looks at before its wait, in one comparison.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Demands: u8 {
        const STOP = 1;
        const BUSY = 2;
        /// A hook may have to be called before the wait.
        const PREPARE = 4;
    }
}

pub(crate) struct Agenda<S> {
    /// A callback cannot put these into their tables itself, because it borrows its own handler from a table.
    pub(super) installs: VecDeque<NewHandler<S>>,
    deferred: VecDeque<Call<S>>,
    pub(super) timers: Timers<S>,
    pub(super) hooks: Hooks<S>,
    demands: Demands,
    pub(super) shutdowns: Shutdowns<S>,
    #[cfg(all(unix, feature = "signals"))]
    pub(super) signals: Signals<S>,
    pub(super) mailbox: Arc<Mailbox<S>>,
    /// Stands in the agenda, because a context returns the statistics, and borrows the agenda but not the loop.
    pub(super) meter: Meter,
}

impl<S> Agenda<S> {
    pub(super) fn new(mailbox: Arc<Mailbox<S>>, meter: Meter) -> Self {
        Self {
            installs: VecDeque::new(),
            deferred: VecDeque::new(),
            timers: Timers::new(),
            hooks: Hooks::new(),
            demands: Demands::empty(),
            shutdowns: Shutdowns::new(),
            #[cfg(all(unix, feature = "signals"))]
            signals: Signals::new(),
            mailbox,
            meter,
        }
    }

    pub(super) fn stop(&mut self) {
        self.demands.insert(Demands::STOP);
    }

    pub(super) fn take_stop(&mut self) -> bool {
        let stops = self.demands.contains(Demands::STOP);
        self.demands.remove(Demands::STOP);
        stops
    }

    pub(super) fn set_busy(&mut self, busy: bool) {
        self.demands.set(Demands::BUSY, busy);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.demands.contains(Demands::BUSY)
    }

    pub(super) fn asks_before_wait(&self) -> bool {
        !self.demands.is_empty()
    }

    /// Whether the next turn must not wait, even if nothing is queued: a stop was asked for, or the program is busy.
    pub(super) fn forbids_wait(&self) -> bool {
        self.demands.intersects(Demands::STOP | Demands::BUSY)
    }

    pub(super) fn add_hook(&mut self, place: HookPlace, call: RepeatedCall<S>) -> HookId {
        if place == HookPlace::Prepare {
            self.demands.insert(Demands::PREPARE);
        }
        self.hooks.add(place, call)
    }

    /// Updates `PREPARE` after the hooks were called, because they may have removed the last prepare hook.
    pub(super) fn end_hooks(&mut self) {
        self.demands.set(Demands::PREPARE, self.hooks.has_prepare());
    }

    pub(super) fn statistics(&self, net: &Net) -> Statistics {
        self.meter.read(net, &self.mailbox)
    }

    pub(super) fn defer(&mut self, call: Call<S>) {
        self.deferred.push_back(call);
    }

    pub(super) fn deferred(&self) -> usize {
        self.deferred.len()
    }

    pub(super) fn next_deferred(&mut self) -> Option<Call<S>> {
        let call = self.deferred.pop_front();
        if self.deferred.is_empty() && self.deferred.capacity() > KEPT_CALLS {
            self.deferred = VecDeque::new();
        }
        call
    }

    pub(super) fn reclaim(&mut self) {
        if self.installs.is_empty() {
            self.installs = VecDeque::new();
        }
        self.timers.trim();
        self.hooks.trim();
    }

    pub(super) fn trim(&mut self) {
        self.reclaim();
        self.deferred.shrink_to_fit();
    }

    pub(super) fn holds_loop(&self) -> bool {
        #[cfg(all(unix, feature = "signals"))]
        if self.signals.hold_loop() {
            return true;
        }
        self.timers.hold_loop()
            || !self.deferred.is_empty()
            || self.hooks.hold_loop()
            || self.is_busy()
    }

    #[cfg(all(unix, feature = "signals"))]
    pub(super) fn has_signals(&self) -> bool {
        self.signals.are_due()
    }

    #[cfg(not(all(unix, feature = "signals")))]
    pub(super) const fn has_signals(&self) -> bool {
        false
    }
}

impl<S> Drop for Agenda<S> {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

impl<S> fmt::Debug for Agenda<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Agenda")
            .field("installs", &self.installs.len())
            .field("deferred", &self.deferred.len())
            .field("timers", &self.timers)
            .field("demands", &self.demands)
            .finish_non_exhaustive()
    }
}
