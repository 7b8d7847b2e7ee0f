//! The simulated network itself.

pub(super) mod call_counts;
mod calls;
pub(super) mod endpoint;
mod handshake;
mod listener;
pub(super) mod lookups;
mod network;
mod pipe;
mod polling;
mod retransmission;
pub(super) mod route;
mod trace;
mod watch;
mod wire;

pub(crate) use network::Network;
