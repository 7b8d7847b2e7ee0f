//! The PROXY protocol as a [filter](crate::Filter): in front of everything else a proxy tells where its client has come from.
//!
//! The header is parsed without I/O, in versions 1 (a line of text) and 2 (binary), as the specification of HAProxy defines
//! them.

mod fault;
mod filter;
mod header;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

pub use filter::ProxyHeader;
