//! A simulated network behind the seam: sockets, kernels, wires and a clock in memory, all moved by one seed.
//!
//! [`Network`] is the world; [`Host`] one machine of it, on which a loop runs; [`Selector`], [`Stream`] and
//! [`Acceptor`] are what the real ones are in `system`. Its rules are Linux's, as far as a program can see them: what
//! a RST leaves readable, which call gets the error and how often, what closing with unread bytes does. What it does
//! not have: loss and duplication (TCP hides them), urgent data, Unix sockets, keep-alive probes.

mod calls;
mod endpoint;
mod errno;
mod listening;
mod names;
mod network;
mod options;
mod pipe;
mod polling;
mod random;
mod selector;
mod sockets;
mod trace;
mod watch;
mod wire;

pub(crate) use calls::Terms;
pub(crate) use names::Names;
pub(crate) use network::Network;
pub(crate) use selector::{Host, Selector, Shared, Waker};
pub(crate) use sockets::{Acceptor, Stream};

pub use options::{Faults, Flavour, Options};
