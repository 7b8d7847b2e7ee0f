//! Faults in front of the real kernel: its sockets, with calls that fail, block or come short as a seed decides.
//!
//! The rates, the chance and the errors serve the faults of the simulated network too.

mod acceptor;
pub(super) mod call_error;
mod injector;
pub(super) mod random;
mod rates;
mod selector;
mod stream;
#[cfg(all(test, unix))]
mod tests;

pub(super) use acceptor::FaultyAcceptor;
pub(crate) use injector::Injector;
pub use rates::Faults;
pub(super) use selector::FaultySelector;
pub(super) use stream::FaultyStream;
