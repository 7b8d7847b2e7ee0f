//! The filters between the wire and the handler of a socket.

use std::net::SocketAddr;

use crate::net::error::{Error, Result};
use crate::net::filter::{Filter, ProxyFilter, ProxyHeader};

use super::Socket;

/// Filters.
impl Socket<'_> {
    /// Puts `filter` between the wire and the handler from here on, as STARTTLS does with TLS. The filters that the
    /// socket has already stay between the wire and this one.
    ///
    /// Bytes written before leave without this filter. Bytes written after this call wait until the filter is
    /// [ready](Filter::is_ready). Then [`on_connect`](crate::SocketHandler::on_connect) comes once more.
    /// [`Limits::handshake_timeout`](crate::Limits::handshake_timeout) counts from the call. `unread` are the bytes of
    /// the running `on_data` that the handler has not used. They came without the filter, and may be an attacker's, so
    /// the call fails if there are any.
    ///
    /// # Errors
    ///
    /// [`ERR_UNREAD_BYTES`](Error::UNREAD_BYTES) if `unread` is not empty, or other received bytes wait: the program
    /// should then close the socket. [`ERR_INVALID_STATE`](Error::INVALID_STATE) if the socket is not open, has failed
    /// or is an input. The same if one side has ended, or if earlier filters still have bytes to encode: these bytes were
    /// offered to the kernel then, also from behind a cork. Nothing else has changed, and the cork holds later writes back.
    pub fn start_filter(&mut self, filter: impl Filter + 'static, unread: &[u8]) -> Result<()> {
        if !unread.is_empty() {
            return Err(Error::unread_bytes());
        }
        let started = self
            .net
            .with_connection(self.id, |connection, registration, outbox| {
                connection.start_filter(Box::new(filter), registration, outbox)
            });
        started.unwrap_or_else(|| {
            Err(Error::with_code(
                Error::INVALID_STATE,
                "the socket is gone, and cannot start a filter",
            ))
        })
    }

    /// Returns the filter of the type `F`, for calls of its methods: of several, the nearest to the handler.
    pub fn filter<F: Filter + 'static>(&self) -> Option<&F> {
        self.connection()?.find_filter()
    }

    /// Starts TLS from here on, as STARTTLS of SMTP does: see [`start_filter`](Self::start_filter). `side` is a
    /// configuration of rustls: `Arc<ServerConfig>`, or `(Arc<ClientConfig>, ServerName)`.
    ///
    /// ```
    /// use netloop::rustls::ServerConfig;
    /// use netloop::{Context, SocketHandler};
    /// use std::sync::Arc;
    ///
    /// /// A session in the clear, until its peer asks for TLS.
    /// struct Session {
    ///     config: Arc<ServerConfig>,
    /// }
    ///
    /// impl SocketHandler for Session {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         if data == b"STARTTLS\n" {
    ///             cx.socket.write(b"go ahead\n").ignore();
    ///             // Bytes after the line would be in the clear: none are handed over.
    ///             if let Err(error) = cx.socket.start_tls(Arc::clone(&self.config), b"") {
    ///                 cx.socket.destroy_with(error);
    ///             }
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`start_filter`](Self::start_filter), and those of [`TlsFilter::new`](crate::TlsFilter::new).
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn start_tls(
        &mut self,
        side: impl Into<crate::net::tls::TlsSide>,
        unread: &[u8],
    ) -> Result<()> {
        self.start_filter(crate::net::tls::TlsFilter::new(side)?, unread)
    }

    /// Returns what TLS has negotiated. `None` without TLS.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn tls(&self) -> Option<crate::net::tls::Tls<'_>> {
        self.filter::<crate::net::tls::TlsFilter>()
            .map(crate::net::tls::TlsFilter::negotiated)
    }

    /// Returns the [PROXY header](crate::ListenOptions::proxy_protocol) with which the connection began, if any.
    pub fn proxy_header(&self) -> Option<&ProxyHeader> {
        self.filter::<ProxyFilter>()?.header()
    }

    /// Returns the address of the proxy that sent the [header](Self::proxy_header). If the header has the client's
    /// address, [`peer_address`](Self::peer_address) returns that one. `None` without a header, and for a proxy at a
    /// Unix socket.
    pub fn proxy_address(&self) -> Option<SocketAddr> {
        self.filter::<ProxyFilter>()?.proxy()
    }
}
