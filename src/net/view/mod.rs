//! The views through which users reach the sockets, servers and sources of a loop.

mod datagram_socket;
mod server;
mod socket;
mod sockets;
mod source;

// This module is the last, so that rustdoc shows the descriptors after the other methods.
#[cfg(unix)]
mod descriptor;

pub use datagram_socket::DatagramSocket;
pub use server::Server;
pub use socket::Socket;
pub use sockets::Sockets;
pub use source::Source;
