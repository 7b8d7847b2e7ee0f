//! Options of sockets, and the call that sets keep-alive on any socket.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// The options that are set on a socket before it listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// The limit on the number of connections that wait to be accepted. The kernel also has a limit of its own
    /// (`net.core.somaxconn`).
    pub(crate) backlog: u32,
    /// Whether an IPv6 socket refuses IPv4 peers (IPV6_V6ONLY).
    pub(crate) ipv6_only: bool,
    /// Whether several sockets may listen on the address, and the kernel distributes the connections among them
    /// (SO_REUSEPORT).
    pub(crate) reuse_port: bool,
    /// TCP_NODELAY of accepted connections, on systems where connections inherit this option from the listener.
    pub(crate) no_delay: bool,
    /// SO_KEEPALIVE of accepted connections, on systems where connections inherit this option from the listener.
    pub(crate) keep_alive: Option<KeepAliveTimes>,
}

/// The times of TCP keep-alive probes; `None` keeps the operating system's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeepAliveTimes {
    /// The time without a packet of the peer before the first probe.
    pub(crate) idle: Option<Duration>,
    /// The time between two probes.
    pub(crate) interval: Option<Duration>,
    /// The number of unanswered probes after which the connection fails.
    pub(crate) count: Option<u32>,
}

/// Sets SO_KEEPALIVE on `socket`, and each of the times that is `Some`. If `times` is `None`, turns SO_KEEPALIVE off.
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
