//! TLS as a [filter](crate::Filter), on rustls. Certificates, versions and cryptography come from the configuration.

mod filter;
mod negotiated;
mod side;
mod words;

pub use filter::TlsFilter;
pub use negotiated::Tls;
pub use side::TlsSide;
