//! User closures that belong to no socket. The loop keeps each until it is due, and then calls it.

use crate::net::Sockets;

use super::EventLoop;
use super::calling::Calling;
use super::contexts::LoopContext;
use super::watch::Watched;

/// A user closure that the loop calls once: for `defer`, `after` or `on_signal_once`, or at the end of a shutdown.
pub(super) type Call<S> = Box<dyn FnOnce(&mut LoopContext<'_, S>)>;

/// A user closure that the loop calls again and again: for a repeating timer, a hook or a signal.
pub(super) type RepeatedCall<S> = Box<dyn FnMut(&mut LoopContext<'_, S>)>;

/// A user closure that another thread has posted; the loop calls it once.
pub(super) type Post<S> = Box<dyn FnOnce(&mut LoopContext<'_, S>) + Send>;

impl<S> EventLoop<S> {
    /// `name` is the method that took the closure, for the stall hook.
    pub(super) fn call_once(
        &mut self,
        shared: &mut S,
        name: &'static str,
        call: impl FnOnce(&mut LoopContext<'_, S>),
    ) {
        let watched = self.watch();
        self.call(shared, Calling::Loop, call);
        self.end_watch(shared, watched, name, Watched::Loop);
    }

    pub(super) fn call(
        &mut self,
        shared: &mut S,
        calling: Calling,
        call: impl FnOnce(&mut LoopContext<'_, S>),
    ) {
        self.call_without_install(shared, calling, call);
        self.install();
    }

    /// The caller puts a repeated call back before it installs: that may drop an older handler, whose drop may panic.
    pub(super) fn call_without_install(
        &mut self,
        shared: &mut S,
        calling: Calling,
        call: impl FnOnce(&mut LoopContext<'_, S>),
    ) {
        self.calling = Some(calling);
        call(&mut LoopContext {
            sockets: Sockets::new(&mut self.net),
            shared,
            agenda: &mut self.agenda,
        });
        self.calling = None;
    }
}
