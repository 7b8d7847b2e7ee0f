//! Faults in front of the real kernel: a seed decides which calls fail, block or move fewer bytes.

mod acceptor;
pub(super) mod call_error;
mod injector;
pub(super) mod random;
mod rates;
mod registered_token;
mod selector;
mod stream;
#[cfg(all(test, unix))]
mod tests;
mod udp;

pub(super) use acceptor::FaultyAcceptor;
pub(crate) use injector::Injector;
pub use rates::Faults;
pub(super) use selector::FaultySelector;
pub(super) use stream::FaultyStream;
pub(super) use udp::FaultyUdp;
