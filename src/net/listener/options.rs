//! What can be said of a server before it exists.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::net::address::BlockList;
use crate::net::connect::{Resolver, SharedResolver};
use crate::net::values::SocketOptions;

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
    /// [`on_over_limit`](crate::ServerHandler::on_over_limit). Default: no limit. 0 drops all.
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
