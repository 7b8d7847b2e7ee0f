//! The views through which users reach the sockets and servers of a loop.

#[cfg(unix)]
mod descriptor;
mod server;
mod socket;
mod sockets;

pub use server::Server;
pub use socket::Socket;
pub use sockets::Sockets;
