//! What can be said of sockets and servers before they exist.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::net::address::{BlockList, Family};
use crate::net::connect::{Resolver, SharedResolver};

use super::keep_alive::KeepAlive;

/// The options of a socket, those that it is accepted with or connects with. The names are Node's.
///
/// ```
/// use std::time::Duration;
/// use netloop::{KeepAlive, SocketOptions};
///
/// let options = SocketOptions::new()
///     .allow_half_open(true)
///     .keep_alive(KeepAlive::after(Duration::from_secs(60)))
///     .idle_timeout(Duration::from_secs(120))
///     .max_queued_bytes(1 << 20);
/// ```
#[derive(Clone, Debug)]
pub struct SocketOptions {
    pub(crate) allow_half_open: bool,
    pub(crate) pause_on_connect: bool,
    pub(crate) no_delay: bool,
    pub(crate) keep_alive: Option<KeepAlive>,
    pub(crate) high_water_mark: usize,
    pub(crate) low_water_mark: usize,
    pub(crate) max_queued_bytes: usize,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) close_timeout: Option<Duration>,
    pub(crate) type_of_service: Option<u8>,
}

impl SocketOptions {
    /// Every option at its default, which each method names.
    pub fn new() -> Self {
        Self {
            allow_half_open: false,
            pause_on_connect: false,
            no_delay: true,
            keep_alive: None,
            high_water_mark: 64 << 10,
            low_water_mark: 0,
            max_queued_bytes: 16 << 20,
            idle_timeout: None,
            close_timeout: Some(Duration::from_secs(30)),
            type_of_service: None,
        }
    }

    /// Whether this side stays open when the peer ends, until it ends by itself. Default `false`: after
    /// [`on_end`](crate::SocketHandler::on_end) what is queued is sent, then a FIN, and the socket closes.
    pub fn allow_half_open(mut self, allow: bool) -> Self {
        self.allow_half_open = allow;
        self
    }

    /// Whether the socket begins paused: nothing is read until [`Socket::resume`](crate::Socket::resume). Default
    /// `false`.
    pub fn pause_on_connect(mut self, pause: bool) -> Self {
        self.pause_on_connect = pause;
        self
    }

    /// TCP_NODELAY. Default `true`, other than in Node: the writes of a callback leave as one anyway, so Nagle's
    /// algorithm could only delay them.
    pub fn no_delay(mut self, on: bool) -> Self {
        self.no_delay = on;
        self
    }

    /// SO_KEEPALIVE with its times. Default: off.
    pub fn keep_alive(mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Self {
        self.keep_alive = keep_alive.into();
        self
    }

    /// The type of service (IP_TOS) or traffic class (IPV6_TCLASS) of what is sent. Default: as the system has it. The
    /// two lowest bits belong to congestion control, and the system may keep them to itself.
    pub fn type_of_service(mut self, value: impl Into<Option<u8>>) -> Self {
        self.type_of_service = value.into();
        self
    }

    /// From how many queued bytes on a write answers [`Flow::Full`](crate::Flow::Full). Default 64 KiB, as in Node 22.
    pub fn high_water_mark(mut self, bytes: usize) -> Self {
        self.high_water_mark = bytes;
        self
    }

    /// Down to how many queued bytes [`on_drain`](crate::SocketHandler::on_drain) waits, but not above the high-water
    /// mark. Default 0, as in Node.
    pub fn low_water_mark(mut self, bytes: usize) -> Self {
        self.low_water_mark = bytes;
        self
    }

    /// How many bytes may pile up. A write that would pass the limit is refused whole and the socket fails with
    /// [`CloseReason::Limit`](crate::CloseReason::Limit); only a write to an empty queue is taken whatever its length,
    /// since its bytes are in memory already. Default 16 MiB; Node has no limit, which lets a peer that does not read
    /// fill the memory of a program that ignores [`Flow::Full`](crate::Flow::Full).
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.max_queued_bytes = bytes;
        self
    }

    /// After how long without a byte in either direction [`on_timeout`](crate::SocketHandler::on_timeout) comes.
    /// Default: never. Zero means never too, as in Node.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.idle_timeout = timeout.into().filter(|timeout| !timeout.is_zero());
        self
    }

    /// After `end`, how long the connection may stay without a byte moving before it is closed with
    /// [`CloseReason::TimedOut`](crate::CloseReason::TimedOut). Default 30 s; `None` waits for ever as Node does,
    /// and keeps the descriptor of every peer that vanishes then.
    pub fn close_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.close_timeout = timeout.into();
        self
    }
}

impl From<&Self> for SocketOptions {
    fn from(options: &Self) -> Self {
        options.clone()
    }
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How a server listens, and the options of what it accepts.
///
/// ```
/// use netloop::{ListenOptions, SocketOptions};
///
/// let options = ListenOptions::new()
///     .backlog(1024)
///     .max_connections(10_000)
///     .socket(SocketOptions::new().allow_half_open(true));
/// ```
#[derive(Clone)]
pub struct ListenOptions {
    pub(crate) backlog: u32,
    pub(crate) readable_all: bool,
    pub(crate) writable_all: bool,
    pub(crate) block_list: Option<Rc<BlockList>>,
    pub(crate) resolver: Option<SharedResolver>,
    pub(crate) ipv6_only: bool,
    pub(crate) reuse_port: bool,
    pub(crate) max_connections: Option<usize>,
    pub(crate) socket: SocketOptions,
}

impl ListenOptions {
    /// Every option at its default, which each method names.
    pub fn new() -> Self {
        Self {
            backlog: 511,
            readable_all: false,
            writable_all: false,
            block_list: None,
            resolver: None,
            ipv6_only: false,
            reuse_port: false,
            max_connections: None,
            socket: SocketOptions::new(),
        }
    }

    /// How many connections the kernel queues until they are accepted; it has a limit of its own
    /// (`net.core.somaxconn`). Default 511, as in Node. Beyond it a peer's connect is delayed or refused.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Whether an IPv6 address serves IPv6 peers only. Default `false`: IPv4 peers come as `::ffff:a.b.c.d`.
    pub fn ipv6_only(mut self, only: bool) -> Self {
        self.ipv6_only = only;
        self
    }

    /// SO_REUSEPORT: several sockets, of this process or of others, listen on the address, and the kernel shares out
    /// the connections. Default `false`. An error where the kernel does not share them out.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// How many connections the server holds at most; one more is accepted, closed, and reported to
    /// [`on_drop`](crate::ServerHandler::on_drop). Default: no limit. 0 drops all.
    pub fn max_connections(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.max_connections = connections.into();
        self
    }

    /// Whether everybody may read the path of a Unix socket (mode `o+r`). Default `false`: as the umask has it.
    pub fn readable_all(mut self, readable: bool) -> Self {
        self.readable_all = readable;
        self
    }

    /// Whether everybody may write the path of a Unix socket (mode `o+w`), which connecting takes. Default `false`.
    pub fn writable_all(mut self, writable: bool) -> Self {
        self.writable_all = writable;
        self
    }

    /// Peers that are closed as soon as they are accepted, without any event.
    pub fn block_list(mut self, list: impl Into<Option<Rc<BlockList>>>) -> Self {
        self.block_list = list.into();
        self
    }

    /// What looks up the name to listen on, if it is one. Default: the system.
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// The options of the sockets that are accepted.
    pub fn socket(mut self, options: SocketOptions) -> Self {
        self.socket = options;
        self
    }
}

impl fmt::Debug for ListenOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ListenOptions")
            .field("backlog", &self.backlog)
            .field("ipv6_only", &self.ipv6_only)
            .field("reuse_port", &self.reuse_port)
            .field("max_connections", &self.max_connections)
            .field("block_list", &self.block_list)
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<SocketOptions> for ListenOptions {
    fn from(options: SocketOptions) -> Self {
        Self::new().socket(options)
    }
}

/// How a socket connects, and its options.
///
/// ```
/// use std::time::Duration;
/// use netloop::ConnectOptions;
///
/// let options = ConnectOptions::new().timeout(Duration::from_secs(5));
/// ```
#[derive(Clone)]
pub struct ConnectOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) lookup_timeout: Option<Duration>,
    pub(crate) attempt_delay: Duration,
    pub(crate) auto_select_family: bool,
    pub(crate) family: Option<Family>,
    pub(crate) resolver: Option<SharedResolver>,
    pub(crate) block_list: Option<Rc<BlockList>>,
    pub(crate) local_address: Option<IpAddr>,
    pub(crate) local_port: u16,
    pub(crate) socket: SocketOptions,
}

impl ConnectOptions {
    /// Every option at its default, which each method names.
    pub fn new() -> Self {
        Self {
            timeout: None,
            lookup_timeout: Some(Duration::from_secs(30)),
            attempt_delay: Duration::from_millis(250),
            auto_select_family: true,
            family: None,
            resolver: None,
            block_list: None,
            local_address: None,
            local_port: 0,
            socket: SocketOptions::new(),
        }
    }

    /// How long connecting may take in all, lookup and attempts included, before it fails with ETIMEDOUT. Default:
    /// as long as the system tries, which is about two minutes on Linux. Node has no such option: its `timeout` is
    /// the idle timeout.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// How long looking the name up may take. Default 30 s; a lookup that takes longer fails with ETIMEDOUT, and its
    /// late answer is thrown away.
    pub fn lookup_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.lookup_timeout = timeout.into();
        self
    }

    /// Which family of addresses of a name is tried. Default: both.
    pub fn family(mut self, family: impl Into<Option<Family>>) -> Self {
        self.family = family.into();
        self
    }

    /// Whether all addresses of a name are tried, the families in turn, or only the first; Node's `autoSelectFamily`.
    /// Default `true`.
    pub fn auto_select_family(mut self, select: bool) -> Self {
        self.auto_select_family = select;
        self
    }

    /// How long an attempt is alone before the next address is tried beside it (RFC 8305, "Happy Eyeballs"). Default
    /// 250 ms. Other than in Node, the earlier attempt goes on: the first that succeeds is taken, and only then are
    /// the others closed. Less than 10 ms counts as 10 ms, as in Node.
    pub fn attempt_delay(mut self, delay: Duration) -> Self {
        self.attempt_delay = delay.max(Duration::from_millis(10));
        self
    }

    /// What looks the name up; Node's `lookup`. Default: the system ([`SystemResolver`](crate::SystemResolver)).
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// Addresses that are never connected to: the attempt fails with ERR_IP_BLOCKED, and no packet is sent. It is
    /// checked after the lookup, so that a name cannot lead past it.
    pub fn block_list(mut self, list: impl Into<Option<Rc<BlockList>>>) -> Self {
        self.block_list = list.into();
        self
    }

    /// The address to connect from. Default: the system chooses.
    pub fn local_address(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.local_address = address.into();
        self
    }

    /// The port to connect from. Default 0: the system chooses.
    pub fn local_port(mut self, port: u16) -> Self {
        self.local_port = port;
        self
    }

    /// The options of the socket.
    pub fn socket(mut self, options: SocketOptions) -> Self {
        self.socket = options;
        self
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConnectOptions")
            .field("timeout", &self.timeout)
            .field("lookup_timeout", &self.lookup_timeout)
            .field("family", &self.family)
            .field("auto_select_family", &self.auto_select_family)
            .field("attempt_delay", &self.attempt_delay)
            .field("local_address", &self.local_address)
            .field("local_port", &self.local_port)
            .field("block_list", &self.block_list)
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<SocketOptions> for ConnectOptions {
    fn from(options: SocketOptions) -> Self {
        Self::new().socket(options)
    }
}
