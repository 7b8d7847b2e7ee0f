//! A simulated network behind the seam: sockets, kernels, wires and a clock in memory, all moved by one seed.
//!
//! [`Network`] is the world; [`Host`] one machine of it, on which a loop runs; [`Selector`], [`Stream`] and
//! [`Acceptor`] are what the real ones are in `system`. Its rules are Linux's, as far as a program can see them: what
//! a RST leaves readable, which call gets the error and how often, what closing with unread bytes does. What it does
//! not have: loss and duplication (TCP hides them), urgent data, Unix sockets.

mod calls;
mod clerk;
mod disturbed;
mod endpoint;
mod errno;
mod listening;
mod meeting;
mod names;
mod network;
mod options;
mod pipe;
mod polling;
mod random;
mod reach;
mod selector;
mod silence;
mod sockets;
mod stand_in;
mod tally;
mod trace;
mod watch;
mod wire;

pub(crate) use clerk::{Clerk, Descriptor};
pub(crate) use disturbed::{Disturbance, DisturbedAcceptor, DisturbedStream};
pub(crate) use meeting::Terms;
pub(crate) use names::Names;
pub(crate) use network::Network;
pub(crate) use selector::{Host, Selector as VirtualSelector, Shared, Waker};
pub(crate) use sockets::{Acceptor as VirtualAcceptor, Stream as VirtualStream};
pub(crate) use stand_in::{Acceptor, Selector, Stream};

pub use options::{Faults, Flavour, Options};
pub use reach::Reach;
pub use tally::Calls;
