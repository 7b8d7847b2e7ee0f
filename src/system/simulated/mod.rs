//! A simulated network behind the seam: sockets, kernels, wires and a clock in memory, all moved by one seed.
//!
//! [`Network`] is the world; [`Host`] one machine of it, on which a loop runs; [`Selector`], [`Stream`] and
//! [`Acceptor`] are what the real ones are in `system`. Its rules are Linux's, as far as a program can see them: what
//! a RST leaves readable, which call gets the error and how often, what closing with unread bytes does. What it does
//! not have: loss and duplication (TCP hides them), urgent data, Unix sockets.

pub(super) mod kernel;
mod names;
pub(super) mod options;
mod selector;
mod sockets;

pub(crate) use kernel::Network;
pub(crate) use kernel::lookups::{Lookups, SpareDescriptor};
pub(crate) use names::Names;
pub(crate) use selector::{Host, Selector, Shared, Waker};
pub(crate) use sockets::{Acceptor, Stream};

pub use kernel::call_counts::Calls;
pub use kernel::route::Reach;
pub use options::{Flavour, Options};
