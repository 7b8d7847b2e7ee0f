//! The view of what both sides of TLS have negotiated.

use std::fmt;

use rustls::pki_types::CertificateDer;
use rustls::{Connection, HandshakeKind, ProtocolVersion, SupportedCipherSuite};

/// The result of the negotiation of TLS, which [`Socket::tls`](crate::Socket::tls) returns. During the handshake, a
/// value that is not known yet is `None`.
///
/// ```
/// use netloop::{Context, SocketHandler};
///
/// struct Session;
///
/// impl SocketHandler for Session {
///     fn on_connect(&mut self, cx: &mut Context<'_>) {
///         let Some(tls) = cx.socket.tls() else { return };
///         match tls.alpn() {
///             Some(b"h2") => println!("HTTP/2, for {:?}", tls.server_name()),
///             _ => println!("{:?}, resumed: {}", tls.version(), tls.is_resumed()),
///         }
///     }
///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Tls<'a> {
    connection: &'a Connection,
}

impl<'a> Tls<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection }
    }

    /// Returns the version of TLS.
    #[doc(alias = "getProtocol")]
    pub fn version(&self) -> Option<ProtocolVersion> {
        self.connection.protocol_version()
    }

    /// Returns the cipher suite.
    #[doc(alias = "getCipher")]
    pub fn cipher_suite(&self) -> Option<SupportedCipherSuite> {
        self.connection.negotiated_cipher_suite()
    }

    /// Returns the protocol that both sides have agreed on by ALPN, if any.
    #[doc(alias = "alpnProtocol")]
    pub fn alpn(&self) -> Option<&'a [u8]> {
        self.connection.alpn_protocol()
    }

    /// Returns the name that the client has asked for (SNI). `None` on a client, and if the client has named none.
    #[doc(alias = "servername")]
    pub fn server_name(&self) -> Option<&'a str> {
        match self.connection {
            Connection::Server(connection) => connection.server_name(),
            Connection::Client(_) => None,
        }
    }

    /// Returns the certificates of the peer, its own first. `None` if the peer is a client and has sent none.
    #[doc(alias = "getPeerCertificate")]
    pub fn peer_certificates(&self) -> Option<&'a [CertificateDer<'static>]> {
        self.connection.peer_certificates()
    }

    /// Whether an earlier session was resumed.
    #[doc(alias = "isSessionReused")]
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

impl fmt::Debug for Tls<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alpn = self.alpn().map(|name| name.escape_ascii().to_string());
        formatter
            .debug_struct("Tls")
            .field("version", &self.version())
            .field("cipher_suite", &self.cipher_suite().map(|it| it.suite()))
            .field("alpn", &alpn)
            .field("server_name", &self.server_name())
            .field("is_resumed", &self.is_resumed())
            .finish()
    }
}
