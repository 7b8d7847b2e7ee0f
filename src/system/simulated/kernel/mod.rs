//! The simulated network: the kernels of all machines, the packets between them, and the clock. Each system call of a
//! program is a method of [`Network`]. Behind these methods, every part owns its state. The parts know the
//! [`World`](world::World) but not each other; the methods of `Network` pass values between them.

mod call_counts;
mod clock;
mod connections;
mod datagrams;
mod handshake;
mod listener;
mod log;
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
