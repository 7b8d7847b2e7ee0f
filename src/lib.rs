//! A single-threaded network event loop with the semantics of Node's `net`.
#![forbid(unsafe_code)]

pub mod reactor;
pub mod readiness;
pub mod schedule;
pub mod send_buffer;
pub mod slots;
pub mod text;
pub mod wheel;

mod event_loop;
mod net;
mod system;

pub use event_loop::{
    Accepted, Budget, Context, Dropped, EventLoop, Hold, LoopContext, Remote, ServerHandler,
    SocketHandler, Turn, Wait,
};
pub use net::{
    Address, BlockList, CloseReason, ConnectOptions, Endpoint, Error, Family, Flow, IntoEndpoint,
    KeepAlive, ListenOptions, Resolver, Result, Server, ServerId, Socket, SocketId, SocketOptions,
    Sockets, State, Syscall, SystemResolver, TimerId, is_ip, is_ipv4, is_ipv6,
    parse_socket_address,
};
