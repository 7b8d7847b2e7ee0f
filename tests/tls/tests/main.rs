//! TLS over real sockets, against itself, against rustls driven by hand and against OpenSSL; and in the simulated network.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

#[path = "../../support/mod.rs"]
mod support;

mod bulk;
mod by_hand;
mod cut;
mod errors;
#[cfg(unix)]
mod haproxy;
mod hostile;
mod negotiated;
#[cfg(unix)]
mod openssl;
mod phases;
mod simulated;
mod start_tls;

use std::sync::Arc;

use netloop::{ConnectOptions, ListenOptions};
use netloop_tls::Authority;
use rustls::pki_types::ServerName;

/// The name in the certificates of the tests.
const NAME: &str = "localhost";

fn name() -> ServerName<'static> {
    NAME.try_into().unwrap()
}

/// Options of a server and of a client that trust each other.
fn options() -> (ListenOptions, ConnectOptions) {
    let authority = Authority::new();
    let server = authority.identity(&[NAME]).server();
    (
        ListenOptions::new().tls(Arc::new(server)),
        ConnectOptions::new().tls(Arc::new(authority.client()), name()),
    )
}
