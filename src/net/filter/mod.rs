//! Filters stand between the bytes of a connection on the wire and its handler, as TLS does. [`Filters`] read and write
//! the stream that the connection lends, and know neither the connection nor the reactor.

mod course;
mod factory;
mod faults;
mod filters;
mod interface;
mod layer;
mod outgoing;
mod passage;
mod proxy_filter;
mod proxy_header;
mod spare;
mod wire;
mod wire_buffer;

pub use interface::{Decoded, Filter, FilterOutput};
pub use proxy_header::ProxyHeader;

pub(crate) use factory::FilterFactory;
pub(crate) use filters::{Advance, Filters};
pub(crate) use layer::AnyFilter;
pub(crate) use proxy_filter::ProxyFilter;
pub(crate) use spare::SpareBuffers;
