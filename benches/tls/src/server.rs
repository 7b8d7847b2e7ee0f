//! A server in a process of its own: it prints its process and its port.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use netloop_tls::provider;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::peers::BASE;
use crate::{by_hand, loops, tasks};

/// The variables of the environment with the certificate and the key, as PEM.
pub(crate) const CERTIFICATE: &str = "NETLOOP_CERTIFICATE";
pub(crate) const KEY: &str = "NETLOOP_KEY";

/// Serves as the peer `kind`, for ever.
pub(crate) fn serve(kind: &str) {
    let config = Arc::new(config());
    match kind {
        "netloop" => loops::serve(config, announce),
        BASE => by_hand::serve(config, announce),
        "tokio-rustls" => tasks::serve(config, announce),
        other => panic!("no peer has the name {other}"),
    }
}

fn announce(address: SocketAddr) {
    println!("{} {}", std::process::id(), address.port());
    std::io::stdout()
        .flush()
        .expect("the measuring process reads it");
}

fn config() -> ServerConfig {
    let read = |name: &str| std::env::var(name).expect("the measuring process sets it");
    let certificate = CertificateDer::from_pem_slice(read(CERTIFICATE).as_bytes());
    let key = PrivateKeyDer::from_pem_slice(read(KEY).as_bytes());
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the versions of the provider")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.expect("a certificate")],
            key.expect("a key"),
        )
        .expect("an identity")
}
