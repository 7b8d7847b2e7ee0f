//! The contexts: the arguments of the callbacks, through which a handler reaches its socket, the state and the loop.

mod context;
mod datagram_context;
mod loop_context;
mod source_context;
mod verbs;

pub use context::Context;
pub use datagram_context::DatagramContext;
pub use loop_context::LoopContext;
pub use source_context::SourceContext;

pub(crate) use verbs::Verbs;
