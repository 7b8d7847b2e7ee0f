//! The proxies in front of a server.

use std::net::SocketAddr;

use crate::net::address::BlockList;
use crate::net::error::{Error, Result};
use crate::net::filter::{AnyFilter, ProxyFilter};

/// The proxies in front of a server, such as HAProxy, nginx or a load balancer. Each sends a header of the PROXY
/// protocol (version 1 or 2) at the beginning of a connection, which says from where its client comes.
///
/// [`ListenOptions::proxy_protocol`](crate::ListenOptions::proxy_protocol) describes the effect. Only the addresses
/// that are [trusted](Self::trust) may send headers, because the server believes a header. Peers of a Unix socket have
/// no address: they are trusted, because the mode of its file says which processes may connect.
///
/// ```
/// use netloop::{ListenOptions, ProxyProtocol};
///
/// let proxies = ProxyProtocol::new().trust("10.0.0.0/8")?.trust("::1")?;
/// let options = ListenOptions::new().proxy_protocol(proxies);
/// # let _ = options;
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ProxyProtocol {
    /// The trusted addresses. The `BlockList` is only a set here, and blocks nothing.
    proxies: BlockList,
    is_optional: bool,
    admits_others: bool,
}

enum Role {
    Proxy,
    Client,
    Stranger(SocketAddr),
}

impl ProxyProtocol {
    /// Makes a value that trusts no address: every peer over IP is refused until addresses are [trusted](Self::trust)
    /// or [others are admitted](Self::admit_others).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the proxies with the addresses of one line of a configuration: `1.2.3.4`, `10.0.0.0/8`, `fe80::/10` or
    /// `1.2.3.4-1.2.3.9`, as for [`BlockList::add`].
    ///
    /// # Errors
    ///
    /// The errors of [`BlockList::add`].
    pub fn trust(mut self, rule: &str) -> Result<Self> {
        self.proxies.add(rule)?;
        Ok(self)
    }

    /// Whether a connection of a trusted proxy may begin without a header, as a simple health check does. Default:
    /// `false`, and such a connection fails.
    ///
    /// The first bytes decide, so the server hears of a connection only once the client has sent some. **If a trusted
    /// proxy sends no header, its client can then send one itself**, with any content. So the specification forbids a
    /// server to guess. Set this option only if each trusted proxy sends its own header before bytes of a client.
    pub fn optional(mut self, optional: bool) -> Self {
        self.is_optional = optional;
        self
    }

    /// Whether the server takes peers of other addresses as clients without a proxy. The bytes of such a peer are never
    /// taken for a header. Default: `false`, and the peer's connection fails at once.
    pub fn admit_others(mut self, admit: bool) -> Self {
        self.admits_others = admit;
        self
    }

    fn role(&self, peer: Option<SocketAddr>) -> Role {
        match peer {
            Some(peer) if !self.proxies.check(peer.ip()) => match self.admits_others {
                true => Role::Client,
                false => Role::Stranger(peer),
            },
            _ => Role::Proxy,
        }
    }

    pub(super) fn expects_header(&self, peer: Option<SocketAddr>) -> bool {
        matches!(self.role(peer), Role::Proxy)
    }

    /// Makes the filter that removes the header; `None` if `peer` is a client, and `ERR_PROXY_HEADER` if it is refused.
    pub(super) fn filter(&self, peer: Option<SocketAddr>) -> Result<Option<Box<dyn AnyFilter>>> {
        match self.role(peer) {
            Role::Proxy => Ok(Some(Box::new(ProxyFilter::new(peer, self.is_optional)))),
            Role::Client => Ok(None),
            Role::Stranger(peer) => {
                let text = format!("{peer}: this address is not trusted to send a PROXY header");
                Err(Error::with_code(Error::PROXY_HEADER, text).at(peer.into()))
            }
        }
    }
}
