//! User closures without a socket, which the loop keeps until it calls them.

use super::loop_context::LoopContext;

/// A user closure that the loop calls once: a deferred call or a one-shot timer.
pub(super) type Call<S> = Box<dyn FnOnce(&mut LoopContext<'_, S>)>;

/// A user closure that the loop calls again and again: by a repeating timer, or for a signal.
pub(super) type RepeatedCall<S> = Box<dyn FnMut(&mut LoopContext<'_, S>)>;

/// A user closure that another thread has posted; the loop calls it once.
pub(super) type Post<S> = Box<dyn FnOnce(&mut LoopContext<'_, S>) + Send>;
