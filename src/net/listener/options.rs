//! The options of a server.

use std::rc::Rc;
use std::sync::Arc;

use crate::net::address::BlockList;
use crate::net::connect::{Resolver, SharedResolver};
use crate::net::error::Result;
use crate::net::filter::{Filter, FilterFactory};
use crate::net::values::{Limits, SocketOptions};

use super::ProxyProtocol;

/// The options of a server, and of the sockets that it accepts.
///
/// ```
/// use netloop::{ListenOptions, SocketOptions};
///
/// let options = ListenOptions::new()
///     .backlog(1024)
///     .max_connections(10_000)
///     .socket(SocketOptions::new().allow_half_open(true));
/// ```
#[derive(Clone, Debug)]
pub struct ListenOptions {
    pub(crate) backlog: u32,
    pub(crate) readable_all: bool,
    pub(crate) writable_all: bool,
    pub(crate) block_list: Option<Rc<BlockList>>,
    pub(crate) resolver: Option<SharedResolver>,
    pub(crate) ipv6_only: bool,
    pub(crate) reuse_port: bool,
    /// `None` means that the option is not set, and `Some(None)` that there is no limit.
    pub(crate) max_connections: Option<Option<usize>>,
    pub(crate) limits: Option<Limits>,
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    /// The filters of accepted sockets. The first is next to the wire.
    pub(crate) filters: Vec<FilterFactory>,
    pub(crate) socket: SocketOptions,
}

impl ListenOptions {
    /// Options with every default; the method of each option states the default of that option.
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
            limits: None,
            proxy_protocol: None,
            filters: Vec::new(),
            socket: SocketOptions::new(),
        }
    }

    /// Sets the number of connections that the kernel queues until they are accepted. Default: 511, as in Node. The
    /// kernel caps the number (`net.core.somaxconn` on Linux). Beyond that number, a new peer waits or is refused.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Whether a server on an IPv6 address accepts IPv6 peers only. Default: `false`: `[::]` also accepts IPv4 peers,
    /// as `::ffff:a.b.c.d`. On an IPv4 address, `true` makes `listen` fail with EINVAL. No effect on a path, or a
    /// listener that is bound already.
    #[doc(alias = "ipv6Only")]
    pub fn ipv6_only(mut self, only: bool) -> Self {
        self.ipv6_only = only;
        self
    }

    /// Whether several sockets, of any process, may listen on one address (SO_REUSEPORT). The kernel distributes the
    /// connections among these sockets. Default: `false`. On a system without such sockets, `listen` fails with
    /// ENOTSUP. No effect on a path, or a listener that is bound already.
    #[doc(alias = "reusePort")]
    #[doc(alias = "SO_REUSEPORT")]
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Limits the connections that the server holds at a time. Default: [`Limits::max_connections`] of its own
    /// [limits](Self::limits), if any. `None` lifts the limit, and with 0 the server refuses each connection. The limit
    /// of the loop holds as well. A connection over the limit is accepted, closed at once, and told to
    /// [`on_over_limit`](crate::ServerHandler::on_over_limit).
    #[doc(alias = "maxConnections")]
    pub fn max_connections(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.max_connections = Some(connections.into());
        self
    }

    /// Sets the limits of the server and of its sockets. Default: those of the [loop](crate::EventLoopOptions::limits),
    /// but no [`max_connections`](Self::max_connections) of its own.
    pub fn limits(mut self, limits: impl Into<Option<Limits>>) -> Self {
        self.limits = limits.into();
        self
    }

    /// Adds a [`Filter`] between the wire and the handler of each accepted socket, after those that were added before.
    /// Default: none. `make` makes the filter of one connection.
    ///
    /// The server is told of a connection once its filters are [ready](Filter::is_ready). If a filter fails earlier, or
    /// `make` fails, [`on_handshake_failed`](crate::ServerHandler::on_handshake_failed) gets the error.
    pub fn filter<F: Filter + 'static>(mut self, make: impl Fn() -> Result<F> + 'static) -> Self {
        self.filters.push(FilterFactory::new(make));
        self
    }

    /// Reads a header of the PROXY protocol at the beginning of each connection of a trusted proxy. The header says
    /// from where the client comes. Default: `None`.
    ///
    /// The server is told of a connection once its header is whole and its filters are ready. The handler gets the
    /// bytes after the header. [`peer_address`](crate::Socket::peer_address) and
    /// [`Accepted::peer_address`](crate::Accepted::peer_address) are then the client's. If the header names no IP
    /// address (LOCAL, UNKNOWN, Unix sockets), they are the proxy's, as the specification requires.
    /// [`Socket::proxy_address`](crate::Socket::proxy_address) is the proxy's whichever header came, and
    /// [`Socket::proxy_header`](crate::Socket::proxy_header) the whole header.
    ///
    /// The header comes before all [filters](Self::filter), wherever they were added: a client's TLS begins after it.
    /// It must be complete within [`Limits::handshake_timeout`], and has at most 107 bytes in version 1 and 4,096 in
    /// version 2. A connection without a valid header, or of an address that is not trusted, is closed, unless
    /// [`optional`](ProxyProtocol::optional) or [`admit_others`](ProxyProtocol::admit_others) allows it.
    /// [`on_handshake_failed`](crate::ServerHandler::on_handshake_failed) then gets
    /// [`ERR_PROXY_HEADER`](crate::Error::PROXY_HEADER), or ETIMEDOUT.
    ///
    /// # Addresses in block lists and limits
    ///
    /// The [block list](Self::block_list) is asked twice: at the accept for the proxy's address, if it has one, and
    /// after the header for the client's. [`Limits::max_connections_per_network`] counts a connection of a trusted
    /// proxy from its header on, by the client's address. If the header names no IP address, the proxy's counts. All
    /// other limits count a connection from the accept on.
    #[doc(alias = "haproxy")]
    #[doc(alias = "accept-proxy")]
    pub fn proxy_protocol(mut self, proxies: impl Into<Option<ProxyProtocol>>) -> Self {
        self.proxy_protocol = proxies.into();
        self
    }

    /// Adds TLS to each accepted socket, as a [filter](Self::filter) after those that were added before. The server is
    /// told of a connection when its handshake is done, and of a failure by
    /// [`on_handshake_failed`](crate::ServerHandler::on_handshake_failed). [`Socket::tls`](crate::Socket::tls) tells
    /// the result.
    ///
    /// The configuration sets ALPN, the choice of a certificate by name, certificates of clients, and the resumption of
    /// sessions. If it accepts early data, or rustls refuses it, the server is refused with
    /// [ERR_INVALID_ARGUMENT](crate::Error::INVALID_ARGUMENT).
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[doc(alias = "createSecureContext")]
    pub fn tls(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        let make = move || crate::net::tls::TlsFilter::new(Arc::clone(&config));
        self.filters.push(FilterFactory::of_configuration(make));
        self
    }

    /// Whether every user of the machine may read the path of a Unix socket (mode `o+r`). Default: `false`; the umask
    /// decides. An abstract name has no mode. A server on anything but a path is refused with
    /// [ERR_INVALID_ARGUMENT](crate::Error::INVALID_ARGUMENT).
    #[doc(alias = "readableAll")]
    pub fn readable_all(mut self, readable: bool) -> Self {
        self.readable_all = readable;
        self
    }

    /// Whether every user of the machine may write to the path of a Unix socket (mode `o+w`), which a connect requires.
    /// Default: `false`; the umask decides. A server is refused as with [`readable_all`](Self::readable_all).
    #[doc(alias = "writableAll")]
    pub fn writable_all(mut self, writable: bool) -> Self {
        self.writable_all = writable;
        self
    }

    /// Sets a list of blocked addresses. The server closes an accepted peer with such an address without an event.
    /// Default: none. An address from a [PROXY header](Self::proxy_protocol) or another [`Filter`] is checked, too.
    #[doc(alias = "blockList")]
    pub fn block_list(mut self, list: impl Into<Option<Rc<BlockList>>>) -> Self {
        self.block_list = list.into();
        self
    }

    /// Sets the resolver that looks up the name to listen on. Default: the system's
    /// ([`system_resolver`](crate::system_resolver)).
    #[doc(alias = "lookup")]
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = Some(SharedResolver::new(resolver));
        self
    }

    /// Sets the options of the accepted sockets. Default: [`SocketOptions::new`].
    pub fn socket(mut self, options: SocketOptions) -> Self {
        self.socket = options;
        self
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
