//! The views through which users reach the sockets, servers and sources of a loop.

#[cfg(unix)]
mod descriptor;
mod server;
mod socket;
mod sockets;
mod source;

pub use server::Server;
pub use socket::Socket;
pub use sockets::Sockets;
pub use source::Source;
