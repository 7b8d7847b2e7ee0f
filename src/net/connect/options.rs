//! The options of a connect.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::net::address::BlockList;
use crate::net::error::Result;
use crate::net::filter::{Filter, FilterFactory};
use crate::net::values::{Family, SocketOptions};

use super::resolver::{Resolver, SharedResolver};

/// The shortest delay, as in Node: with a shorter one, all addresses would be tried almost at once.
const LEAST_ATTEMPT_DELAY: Duration = Duration::from_millis(10);

/// The options of a connect, and of the socket that it makes.
///
/// ```
/// use std::time::Duration;
/// use netloop::ConnectOptions;
///
/// let options = ConnectOptions::new().connect_timeout(Duration::from_secs(5));
/// ```
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    pub(crate) connect_timeout: Option<Duration>,
    /// `Some(None)` if the caller wants no timeout; `None` if the limit of the loop applies.
    pub(crate) lookup_timeout: Option<Option<Duration>>,
    /// Invariant: at least [`LEAST_ATTEMPT_DELAY`].
    pub(crate) attempt_delay: Duration,
    pub(crate) auto_select_family: bool,
    pub(crate) family: Option<Family>,
    pub(crate) resolver: Option<SharedResolver>,
    pub(crate) block_list: Option<Rc<BlockList>>,
    pub(crate) local_address: Option<IpAddr>,
    pub(crate) local_port: u16,
    /// The filters of the socket. The first is next to the wire.
    pub(crate) filters: Vec<FilterFactory>,
    pub(crate) socket: SocketOptions,
}

impl ConnectOptions {
    /// Options with every default; the method of each option states the default of that option.
    pub fn new() -> Self {
        Self {
            connect_timeout: None,
            lookup_timeout: None,
            attempt_delay: Duration::from_millis(250),
            auto_select_family: true,
            family: None,
            resolver: None,
            block_list: None,
            local_address: None,
            local_port: 0,
            filters: Vec::new(),
            socket: SocketOptions::new(),
        }
    }

    /// Limits the time from the call to the open connection, including the lookup, the attempts and the handshake of
    /// [filters](Filter). After this time, the socket closes with ETIMEDOUT.
    ///
    /// Default: `None`. A connect then fails when the system gives up, after about two minutes on Linux. Node has no
    /// such option: its `timeout` is the [idle timeout](SocketOptions::idle_timeout).
    pub fn connect_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.connect_timeout = timeout.into();
        self
    }

    /// Limits the time that the lookup of a name takes. After this time, the socket closes with ETIMEDOUT, and gets no
    /// late answer. If no resolver was asked, because the lookup had to wait for a thread, the error says so.
    ///
    /// A timeout suggests that the lookup hangs. If other sockets wait for the same name, the loop may look it up
    /// again, on another [thread](crate::Limits::lookup_threads), and they get the first answer. Default: the [limit of
    /// the loop](crate::Limits::lookup_timeout), 30 s. With `None`, only [`connect_timeout`](Self::connect_timeout)
    /// limits the lookup. Node has no such option.
    pub fn lookup_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.lookup_timeout = Some(timeout.into());
        self
    }

    /// Restricts the addresses of a name to one family. Default: `None`, both.
    pub fn family(mut self, family: impl Into<Option<Family>>) -> Self {
        self.family = family.into();
        self
    }

    /// Whether all addresses of a name (at most 16) are tried, alternating between IPv6 and IPv4, or only the first.
    /// Default: `true`.
    #[doc(alias = "autoSelectFamily")]
    pub fn auto_select_family(mut self, select: bool) -> Self {
        self.auto_select_family = select;
        self
    }

    /// Sets the delay after which the next address of a name is tried, if the newest attempt has had no answer (RFC
    /// 8305, "Happy Eyeballs").
    ///
    /// Default: 250 ms. Less than 10 ms counts as 10 ms, as in Node. Unlike in Node, the earlier attempt goes on. The
    /// first attempt that succeeds becomes the connection, and only then are all others closed.
    #[doc(alias = "autoSelectFamilyAttemptTimeout")]
    pub fn attempt_delay(mut self, delay: Duration) -> Self {
        self.attempt_delay = delay.max(LEAST_ATTEMPT_DELAY);
        self
    }

    /// Sets the resolver that looks up the name. Default: the system's ([`system_resolver`](crate::system_resolver)).
    ///
    /// If two connects with the same `Arc` look up the same name and family at the same time, the resolver is asked
    /// once. If the lookup is slow, the resolver may be asked again: [`Resolver`] says when.
    #[doc(alias = "lookup")]
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = Some(SharedResolver::new(resolver));
        self
    }

    /// Sets a list of addresses that this connect never tries. Default: none. An attempt on a listed address fails with
    /// [ERR_IP_BLOCKED](crate::Error::IP_BLOCKED), and no packet is sent. The list is checked after the lookup, so that
    /// a name cannot lead past it.
    #[doc(alias = "blockList")]
    pub fn block_list(mut self, list: impl Into<Option<Rc<BlockList>>>) -> Self {
        self.block_list = list.into();
        self
    }

    /// Sets the address to connect from. Default: `None`, the system chooses.
    ///
    /// A link-local IPv6 address is bound in the zone of the remote address. If the system cannot bind the address, the
    /// connect fails with the error of `bind`; a connect to a name tries its other addresses first. Once every port of
    /// the address is taken, connections to different destinations share a port on Linux. A connect to a path is
    /// refused with [ERR_INVALID_ARGUMENT](crate::Error::INVALID_ARGUMENT).
    #[doc(alias = "localAddress")]
    pub fn local_address(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.local_address = address.into();
        self
    }

    /// Sets the port to connect from. Default: 0, the system chooses. A connect to a path is refused with
    /// [ERR_INVALID_ARGUMENT](crate::Error::INVALID_ARGUMENT).
    #[doc(alias = "localPort")]
    pub fn local_port(mut self, port: u16) -> Self {
        self.local_port = port;
        self
    }

    /// Adds a [`Filter`] between the wire and the handler, after those that were added before. Default: none.
    /// [`on_connect`](crate::SocketHandler::on_connect) comes once the filters are [ready](Filter::is_ready). If `make`
    /// fails, the connect returns its error.
    pub fn filter<F: Filter + 'static>(mut self, make: impl Fn() -> Result<F> + 'static) -> Self {
        self.filters.push(FilterFactory::new(make));
        self
    }

    /// Adds TLS, as a [filter](Self::filter) after those that were added before. The certificate of the server has to have
    /// `name`, which the client also asks for (SNI). [`on_connect`](crate::SocketHandler::on_connect) comes when the
    /// handshake is done, and [`Socket::tls`](crate::Socket::tls) tells what was negotiated.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[doc(alias = "servername")]
    pub fn tls(
        self,
        config: Arc<rustls::ClientConfig>,
        name: rustls::pki_types::ServerName<'static>,
    ) -> Self {
        let side = (config, name);
        self.filter(move || crate::net::tls::TlsFilter::new(side.clone()))
    }

    /// Sets the options of the socket. Default: [`SocketOptions::new`].
    pub fn socket(mut self, options: SocketOptions) -> Self {
        self.socket = options;
        self
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes options with every default, except that the socket gets `options`.
impl From<SocketOptions> for ConnectOptions {
    fn from(options: SocketOptions) -> Self {
        Self::new().socket(options)
    }
}
