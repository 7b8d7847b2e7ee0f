//! The side of a connection that TLS starts on.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

/// The side on which TLS starts, with its configuration, for [`Socket::start_tls`](crate::Socket::start_tls) and
/// [`TlsFilter::new`](crate::TlsFilter::new).
///
/// ```
/// use netloop::TlsSide;
/// use netloop::rustls::{ClientConfig, ServerConfig};
/// use std::sync::Arc;
///
/// fn of_a_server(config: Arc<ServerConfig>) -> TlsSide {
///     TlsSide::from(config)
/// }
///
/// fn of_a_client(config: Arc<ClientConfig>) -> TlsSide {
///     let name = "example.org".try_into().expect("it is a name");
///     TlsSide::Client(config, name)
/// }
/// ```
#[derive(Clone)]
pub enum TlsSide {
    /// The server, which has a certificate.
    Server(Arc<ServerConfig>),
    /// The client, with the name that the certificate of the server has to have.
    Client(Arc<ClientConfig>, ServerName<'static>),
}

impl fmt::Debug for TlsSide {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(_) => formatter.write_str("Server"),
            Self::Client(_, name) => write!(formatter, "Client({})", name.to_str()),
        }
    }
}

impl From<Arc<ServerConfig>> for TlsSide {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self::Server(config)
    }
}

impl From<(Arc<ClientConfig>, ServerName<'static>)> for TlsSide {
    fn from((config, name): (Arc<ClientConfig>, ServerName<'static>)) -> Self {
        Self::Client(config, name)
    }
}
