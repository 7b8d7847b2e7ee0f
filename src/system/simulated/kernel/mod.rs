//! The network itself: the kernels of all machines, what is under way between them, and the clock.
//!
//! [`Network`] is the one door, and each system call of a program is a method of it. Behind it, every part owns its
//! state: [`Connections`](connections::Connections) the sockets and the wire, [`Ports`](ports::Ports) the listeners,
//! [`LookupQueue`](lookup_queue::LookupQueue) the answers under way, and [`World`](world::World) what all of them
//! depend on. No part knows another one but the world; the network makes them work together.

mod call_counts;
mod clock;
mod connections;
mod handshake;
mod listener;
mod lookup_queue;
mod machine;
mod network;
mod pipe;
mod polling;
mod ports;
mod retransmission;
mod route;
mod tcp_socket;
mod trace;
mod watch;
mod wire;
mod world;

pub use call_counts::CallCounts;
pub(crate) use machine::MachineId;
pub(crate) use network::{Network, Shared};
pub use route::Route;
pub(super) use tcp_socket::TcpState;
