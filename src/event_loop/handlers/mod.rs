//! The handlers: the traits that users implement for their sockets, servers, UDP sockets and sources.

mod datagram_handler;
pub(super) mod pipe;
mod server_handler;
mod socket_handler;
mod source_handler;

pub use datagram_handler::DatagramHandler;
pub use server_handler::{Accepted, FailedHandshake, OverLimit, ServerHandler};
pub use socket_handler::SocketHandler;
pub use source_handler::SourceHandler;

pub(crate) use server_handler::Accept;
pub(crate) use source_handler::{AnySource, Attached, SourceCall};
