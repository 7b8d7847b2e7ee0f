//! Certificates for the tests and examples of TLS, made on the spot: an authority, and identities that it vouches for.
#![allow(
    missing_debug_implementations,
    reason = "rcgen's types have none, and keys are not printed"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CipherSuiteCommon, ClientConfig, DEFAULT_VERSIONS, RootCertStore, ServerConfig,
    SupportedCipherSuite, SupportedProtocolVersion, Tls12CipherSuite, Tls13CipherSuite,
};

/// An authority that a test trusts.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate and its key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
    /// The certificate as other programs read it.
    pub certificate_pem: String,
    /// The key as other programs read it.
    pub key_pem: String,
}

impl Authority {
    /// Makes an authority.
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut params = params(&[]);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Returns the certificate of the authority as other programs read it.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Makes the identity of a server, or of a client, with `names`.
    pub fn identity(&self, names: &[&str]) -> Identity {
        self.sign(params(names))
    }

    /// Makes an identity whose time was over at the end of the year 2024.
    pub fn expired(&self, names: &[&str]) -> Identity {
        let mut params = params(names);
        params.not_before = date_time_ymd(2024, 1, 1);
        params.not_after = date_time_ymd(2025, 1, 1);
        self.sign(params)
    }

    /// Makes an identity that is valid in January 2030. Its key is of Ed25519: its signatures all have the same length.
    pub fn of_january_2030(&self, names: &[&str]) -> Identity {
        let mut params = params(names);
        params.not_before = date_time_ymd(2030, 1, 1);
        params.not_after = date_time_ymd(2030, 2, 1);
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
        self.sign_for(params, &key)
    }

    fn sign(&self, params: CertificateParams) -> Identity {
        self.sign_for(params, &KeyPair::generate().expect("a key"))
    }

    fn sign_for(&self, mut params: CertificateParams, key: &KeyPair) -> Identity {
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(key, &self.issuer).expect("a certificate");
        Identity {
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("an authority");
        roots
    }

    /// Returns the configuration of a client that trusts this authority.
    pub fn client(&self) -> ClientConfig {
        self.client_of(DEFAULT_VERSIONS)
    }

    /// Returns the configuration of a client that trusts this authority, and speaks `versions` of TLS.
    pub fn client_of(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .expect("the versions of the provider")
            .with_root_certificates(self.roots())
            .with_no_client_auth()
    }

    /// Returns the configuration of a client that trusts this authority, and has an identity.
    pub fn client_with(&self, identity: &Identity) -> ClientConfig {
        ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the versions of the provider")
            .with_root_certificates(self.roots())
            .with_client_auth_cert(identity.chain(), identity.key())
            .expect("an identity")
    }

    /// Returns the configuration of a server that asks clients for a certificate of this authority.
    pub fn server_for_clients(&self, identity: &Identity) -> ServerConfig {
        let roots = Arc::new(self.roots());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .build()
            .expect("an authority");
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the versions of the provider")
            .with_client_cert_verifier(verifier)
            .with_single_cert(identity.chain(), identity.key())
            .expect("an identity")
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Identity {
    /// Returns the configuration of a server with this identity.
    pub fn server(&self) -> ServerConfig {
        self.server_of(DEFAULT_VERSIONS)
    }

    /// Returns the configuration of a server with this identity that speaks `versions` of TLS.
    pub fn server_of(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        self.server_by(provider(), versions)
    }

    /// Returns the configuration of a server with this identity that speaks `versions` of TLS, by the cryptography of
    /// `provider`.
    pub fn server_by(
        &self,
        provider: Arc<CryptoProvider>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ServerConfig {
        ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the versions of the provider")
            .with_no_client_auth()
            .with_single_cert(self.chain(), self.key())
            .expect("an identity")
    }

    /// Returns the certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

/// Returns the provider of the cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Returns a provider whose keys encrypt `records` records at most, where those of others last for millions.
pub fn short_lived_provider(records: u64) -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    for suite in &mut provider.cipher_suites {
        let shorten = |common: &CipherSuiteCommon| CipherSuiteCommon {
            suite: common.suite,
            hash_provider: common.hash_provider,
            confidentiality_limit: records,
        };
        // A suite lives as long as the process.
        *suite = match *suite {
            SupportedCipherSuite::Tls12(it) => {
                SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                    common: shorten(&it.common),
                    ..*it
                })))
            }
            SupportedCipherSuite::Tls13(it) => {
                SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                    common: shorten(&it.common),
                    ..*it
                })))
            }
        };
    }
    Arc::new(provider)
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("valid names")
}
