//! Addresses: how they are written, parsed and blocked.

mod block_list;
mod endpoint;
mod into_endpoint;

pub use block_list::BlockList;
pub use endpoint::{Address, Endpoint, Family};
pub use into_endpoint::{IntoEndpoint, is_ip, is_ipv4, is_ipv6, parse_socket_address};
