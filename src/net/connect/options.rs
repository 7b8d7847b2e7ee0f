//! What can be said of a connect before it begins.

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::net::address::BlockList;
use crate::net::values::{Family, SocketOptions};

use super::resolver::{Resolver, SharedResolver};

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
