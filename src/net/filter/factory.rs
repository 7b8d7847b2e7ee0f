//! Factories of filters, which options hold: each connection gets a filter of its own.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::net::error::Result;

use super::layer::AnyFilter;

/// A factory of one filter of each connection.
#[derive(Clone)]
pub(crate) struct FilterFactory(Rc<dyn Fn(Option<SocketAddr>) -> Result<Box<dyn AnyFilter>>>);

impl FilterFactory {
    pub(crate) fn new<F: AnyFilter + 'static>(make: impl Fn() -> Result<F> + 'static) -> Self {
        Self::of_peer(move |_| make())
    }

    /// A factory that is told the address of the peer, as the kernel knows it.
    pub(crate) fn of_peer<F: AnyFilter + 'static>(
        make: impl Fn(Option<SocketAddr>) -> Result<F> + 'static,
    ) -> Self {
        Self(Rc::new(move |peer| Ok(Box::new(make(peer)?))))
    }

    pub(crate) fn make(&self, peer: Option<SocketAddr>) -> Result<Box<dyn AnyFilter>> {
        (self.0)(peer)
    }
}

impl fmt::Debug for FilterFactory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FilterFactory")
    }
}
