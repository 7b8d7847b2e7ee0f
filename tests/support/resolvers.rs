//! Resolvers that are told what to answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use netloop::{Error, HostQuery, Resolver};

use super::host;

/// X7: a resolver that answers every name with `addresses`, as [`host`] reads them.
pub(crate) fn answering(addresses: &[&str]) -> Arc<dyn Resolver> {
    let at = |name: &&str| SocketAddr::new(host(name), 0);
    let found: Vec<SocketAddr> = addresses.iter().map(at).collect();
    Arc::new(move |_: &HostQuery<'_>| Ok(found.clone()))
}

/// X7: a resolver that knows no name, as the system's says it.
pub(crate) fn failing(asked: &Looked) -> Arc<dyn Resolver> {
    let asked = asked.clone();
    Arc::new(move |_: &HostQuery<'_>| {
        asked.0.fetch_add(1, Ordering::SeqCst);
        Err(Error::with_code("ENOTFOUND", "there is no such name"))
    })
}

/// The number of times that a resolver was asked.
#[derive(Clone, Default)]
pub(crate) struct Looked(Arc<AtomicUsize>);

impl Looked {
    pub(crate) fn times(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
