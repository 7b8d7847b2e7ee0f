//! Options of sockets, and the call that sets keep-alive on any socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// The options that are set on a socket before it listens. An adopted socket gets the backlog alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// The limit on connections that wait to be accepted. The kernel has a limit too (`net.core.somaxconn`).
    pub(crate) backlog: u32,
    /// Whether an IPv6 socket refuses IPv4 peers (IPV6_V6ONLY).
    pub(crate) ipv6_only: bool,
    /// Whether the kernel distributes connections among several sockets of the address (SO_REUSEPORT).
    pub(crate) reuse_port: bool,
    /// TCP_NODELAY of accepted connections, on systems where they inherit this option from the listener.
    pub(crate) no_delay: bool,
    /// SO_KEEPALIVE of accepted connections, on the same systems.
    pub(crate) keep_alive: Option<KeepAliveTimes>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UdpBinding {
    /// IPV6_V6ONLY.
    pub(crate) ipv6_only: bool,
    /// SO_REUSEADDR; on the BSDs and macOS SO_REUSEPORT. All sockets of the address must have it.
    pub(crate) reuse_address: bool,
    /// Whether the kernel distributes the datagrams among all sockets of the address (SO_REUSEPORT).
    pub(crate) reuse_port: bool,
    /// SO_RCVBUF; `None` keeps the system's size.
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) send_buffer: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum UdpOption {
    Broadcast(bool),
    /// IP_TTL or IPV6_UNICAST_HOPS.
    Ttl(u32),
    /// IP_MULTICAST_TTL or IPV6_MULTICAST_HOPS.
    MulticastTtl(u32),
    MulticastLoopback(bool),
    MulticastInterface(MulticastInterface),
    Join(Membership),
    Leave(Membership),
    ReceiveBuffer(usize),
    SendBuffer(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Membership {
    pub(crate) group: IpAddr,
    /// The only address whose datagrams to the group are received; `None` for a membership of any source.
    pub(crate) source: Option<IpAddr>,
    pub(crate) interface: MulticastInterface,
}

/// The network interface of a multicast group.
///
/// An IPv4 socket takes an address of the interface, and an IPv6 socket the interface's number (`ip link` shows it).
/// Where the system can, an IPv4 socket also joins a group by number, but not a group with a single source.
///
/// ```
/// use std::net::Ipv4Addr;
/// use netloop::MulticastInterface;
///
/// assert_eq!(MulticastInterface::from(2), MulticastInterface::Index(2));
/// assert_eq!(MulticastInterface::from(Ipv4Addr::LOCALHOST), MulticastInterface::Address(Ipv4Addr::LOCALHOST));
/// assert_eq!(MulticastInterface::default(), MulticastInterface::Any);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MulticastInterface {
    /// The interface that the system chooses by its routes.
    #[default]
    Any,
    /// The interface with this IPv4 address.
    Address(Ipv4Addr),
    /// The interface with this number.
    Index(u32),
}

impl From<Ipv4Addr> for MulticastInterface {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(address)
    }
}

impl From<u32> for MulticastInterface {
    fn from(index: u32) -> Self {
        Self::Index(index)
    }
}

/// The times of TCP keep-alive probes; `None` keeps the operating system's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeepAliveTimes {
    /// The time without a packet of the peer before the first probe.
    pub(crate) idle: Option<Duration>,
    pub(crate) interval: Option<Duration>,
    /// The number of unanswered probes after which the connection fails.
    pub(crate) count: Option<u32>,
}

/// Sets SO_KEEPALIVE, and those of `times` that the system can set; `None` turns SO_KEEPALIVE off.
pub(crate) fn set_keep_alive(
    socket: &SockRef<'_>,
    times: Option<KeepAliveTimes>,
) -> io::Result<()> {
    let Some(times) = times else {
        return socket.set_keepalive(false);
    };
    let mut keep_alive = TcpKeepalive::new();
    if let Some(idle) = times.idle {
        keep_alive = keep_alive.with_time(idle);
    }
    #[cfg(not(any(
        target_os = "openbsd",
        target_os = "redox",
        target_os = "solaris",
        target_os = "nto",
        target_os = "haiku",
    )))]
    {
        if let Some(interval) = times.interval {
            keep_alive = keep_alive.with_interval(interval);
        }
        if let Some(count) = times.count {
            keep_alive = keep_alive.with_retries(count);
        }
    }
    socket.set_tcp_keepalive(&keep_alive)
}
