//! The configuration of TLS, from the files that authorities issue.

use std::error::Error;
use std::ffi::OsStr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Reads a chain of certificates, the server's own first, and its key, both as PEM.
pub(crate) fn config(certificate: &OsStr, key: &OsStr) -> Result<ServerConfig, Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // Scanners ask for it. No cipher of rustls is weak, so the client's order would do.
    config.ignore_client_order = true;
    // A client that offers HTTP/2 too has to choose this one.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
