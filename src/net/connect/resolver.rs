//! From a name to addresses: the trait that users may implement, and the system's own way.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

/// What turns names into addresses. Node's `lookup` option.
///
/// It is called on a helper thread of the loop and may block there: the loop goes on meanwhile, and gives up on an
/// answer that takes longer than the loop's time limit. Several names may be asked for at once, from several threads.
/// The same question is not asked twice at the same time.
///
/// A closure is a resolver too:
///
/// ```
/// use std::sync::Arc;
/// use netloop::ConnectOptions;
///
/// let options = ConnectOptions::new()
///     .resolver(Arc::new(|_host: &str| Ok(vec!["127.0.0.1".parse().unwrap()])));
/// ```
pub trait Resolver: Send + Sync {
    /// The addresses of `host`, the preferred one first. No address at all counts as "not found".
    ///
    /// # Errors
    ///
    /// What is to be told to `on_error`.
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

impl<F> Resolver for F
where
    F: Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync,
{
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self(host)
    }
}

#[cfg(feature = "simulation")]
impl Resolver for crate::system::simulated::Names {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.look_up(host)
    }
}

/// The system's resolver (`getaddrinfo(3)`), in the system's order, as Node has it since version 17.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let mut found: Vec<IpAddr> = Vec::new();
        for address in (host, 0).to_socket_addrs()? {
            if !found.contains(&address.ip()) {
                found.push(address.ip());
            }
        }
        Ok(found)
    }
}

/// A resolver that several loops, threads and questions share.
pub(crate) type SharedResolver = Arc<dyn Resolver>;

/// Whether two are the same, so that their answers can be shared.
pub(crate) fn is_same(one: &SharedResolver, other: &SharedResolver) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}
