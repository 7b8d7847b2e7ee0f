//! Faults in front of the real kernel, and what the simulated network draws its own faults with.

pub(super) mod errno;
pub(super) mod random;
mod sockets;

pub(crate) use sockets::{Disturbance, DisturbedAcceptor, DisturbedStream};
