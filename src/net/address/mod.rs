//! Addresses: parsing the endpoints to connect to or to listen on, and block lists.

mod block_list;
mod into_endpoint;
mod into_listener;

pub use block_list::BlockList;
pub use into_endpoint::{IntoEndpoint, ip_family, is_ipv4, is_ipv6, parse_socket_address};
pub use into_listener::IntoListener;

pub(crate) use into_listener::ListenOn;
