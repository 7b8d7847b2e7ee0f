//! Calls without a socket, as the loop keeps them until it makes them.

use super::loop_context::LoopContext;

/// A call that is made once.
pub(super) type Call<S> = Box<dyn FnOnce(&mut LoopContext<'_, S>)>;

/// A call that is made again and again.
pub(super) type RepeatedCall<S> = Box<dyn FnMut(&mut LoopContext<'_, S>)>;

/// A call that another thread has posted.
pub(super) type Post<S> = Box<dyn FnOnce(&mut LoopContext<'_, S>) + Send>;
