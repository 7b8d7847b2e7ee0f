//! Sockets and servers without callbacks: state machines over the reactor, and views through which users reach them.
//! [`Net`] owns the reactor, and returns each result as an [`Event`] with the key of its source. No module here knows
//! the user's handlers: `event_loop` calls the handlers.

mod address;
mod connect;
mod connection;
mod core;
mod datagram;
mod error;
mod filter;
mod listener;
mod outbox;
#[cfg(feature = "tls")]
mod tls;
mod values;
mod view;

pub use address::{
    BlockList, IntoEndpoint, IntoListener, ip_family, is_ipv4, is_ipv6, parse_socket_address,
};
pub use connect::{ConnectOptions, HostQuery, Resolver, system_resolver};
pub use datagram::{DatagramFlow, DatagramOptions, DropPolicy};
pub use error::{Error, Result, Syscall};
pub use filter::{Decoded, Filter, FilterOutput, ProxyHeader};
pub use listener::{ListenOptions, ProxyProtocol};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsFilter, TlsSide};
#[cfg(unix)]
pub use values::Descriptor;
pub use values::{
    AcceptLimit, AcceptRate, CloseReason, DatagramId, Endpoint, Family, Flow, KeepAlive, Limits,
    MinRate, MulticastInterface, Refusal, ServerId, SocketId, SocketOptions, SourceId, State,
    StdListener, StdStream, TimerId,
};
#[cfg(feature = "udp-batch")]
pub use values::{Ecn, PacketInfo};
pub use view::{DatagramSocket, Server, Socket, Sockets, Source};

pub(crate) use self::core::{
    Awake, Capacities, Closing, Due, Elapsing, Net, Standing, TargetedEvent, TimerHandle,
    WakeHandle, WakeListener, out_of_range,
};
pub(crate) use connection::Notice;
pub(crate) use datagram::{DatagramEvent, Message};
pub(crate) use listener::ServerEvent;
pub(crate) use values::{Event, Interest, Readiness, SocketEvent, SourceEvent};
