//! TLS as a [filter](crate::Filter), on rustls. The certificates, the versions and the provider of the cryptography are the
//! user's: they come with the configuration.

mod filter;
mod negotiated;
mod side;
mod words;

pub use filter::TlsFilter;
pub use negotiated::Tls;
pub use side::TlsSide;
