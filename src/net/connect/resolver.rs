//! Resolvers, which find the addresses of a name: the trait that users may implement, and the system's resolver.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use crate::net::error::{Error, Result};
use crate::net::values::Family;

/// A resolver finds the addresses of a name, as the `lookup` option of Node does.
///
/// A helper thread of the loop calls the resolver, which may block there. The loop goes on meanwhile. A socket waits
/// for the answer until its [`lookup_timeout`](crate::ConnectOptions::lookup_timeout). Several threads may call the
/// resolver at once.
///
/// Sockets that ask for the same name and family within 100 ms share one call. If that call takes longer, the loop asks
/// again when a further socket joins, or when a waiting socket closes. The loop also asks again if a waiting socket
/// times out, however early, and others still wait. The first answer is for all waiting sockets. A slow name takes at
/// most two threads, or all [threads](crate::Limits::lookup_threads) but one, whichever is more.
///
/// A closure is a resolver too:
///
/// ```
/// use std::net::SocketAddr;
/// use std::sync::Arc;
/// use netloop::{ConnectOptions, Error, HostQuery};
///
/// let options = ConnectOptions::new().resolver(Arc::new(|query: &HostQuery<'_>| match query.host {
///     "game.internal" => Ok(vec![SocketAddr::from(([10, 0, 0, 7], 0))]),
///     _ => Err(Error::with_code("ENOTFOUND", "only game.internal is known here")),
/// }));
/// ```
#[doc(alias = "lookup")]
pub trait Resolver: Send + Sync {
    /// Returns the addresses of [`query.host`](HostQuery::host), with the preferred address first.
    ///
    /// An address with port 0 gets the port that the user asked for; any other port and an IPv6 zone (`scope_id`) are
    /// kept. An empty answer counts as ENOTFOUND.
    ///
    /// # Errors
    ///
    /// `on_lookup` and `on_error` get the error with its own [code](Error::code), and with the name that was looked up.
    /// An [`io::Error`] becomes ENOTFOUND if its kind is `NotFound`, EAI_AGAIN if it is `WouldBlock` or `ResourceBusy`,
    /// and ETIMEDOUT if it is `TimedOut`.
    fn resolve(&self, query: &HostQuery<'_>) -> Result<Vec<SocketAddr>>;
}

/// The query to a [`Resolver`]: a name, and the wanted family of its addresses.
///
/// ```
/// use netloop::{Family, HostQuery, Resolver, system_resolver};
/// use std::net::SocketAddr;
///
/// /// Knows one name, and asks the system for all others.
/// fn resolve(query: &HostQuery<'_>) -> netloop::Result<Vec<SocketAddr>> {
///     match query.host {
///         "database" => Ok(vec!["127.0.0.1:0".parse().unwrap()]),
///         _ => system_resolver(query),
///     }
/// }
///
/// let query = HostQuery::new("database", Some(Family::IPv4));
/// assert_eq!(resolve.resolve(&query)?[0].ip().to_string(), "127.0.0.1");
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct HostQuery<'a> {
    /// The name to look up. For [`system_resolver`] it may also be an IPv6 address with a named zone (`fe80::1%eth0`).
    /// Only the system knows the number of such a zone, so no resolver of the program gets such a query.
    pub host: &'a str,
    /// The wanted family; `None` means both. The loop never uses an address of the other family from an answer.
    pub family: Option<Family>,
}

impl<'a> HostQuery<'a> {
    /// A query for the addresses of `host`, of one family or (`None`) of both.
    #[must_use]
    pub fn new(host: &'a str, family: Option<Family>) -> Self {
        Self { host, family }
    }
}

impl<F> Resolver for F
where
    F: Fn(&HostQuery<'_>) -> Result<Vec<SocketAddr>> + Send + Sync,
{
    fn resolve(&self, query: &HostQuery<'_>) -> Result<Vec<SocketAddr>> {
        self(query)
    }
}

#[cfg(feature = "simulation")]
impl Resolver for crate::system::simulated::Names {
    fn resolve(&self, query: &HostQuery<'_>) -> Result<Vec<SocketAddr>> {
        let found = self.look_up(query.host)?;
        Ok(found
            .into_iter()
            .map(|address| SocketAddr::new(address, 0))
            .collect())
    }
}

/// The system's resolver (`getaddrinfo(3)`), in the system's order, as in Node since version 17.
///
/// The errors have Node's codes: ENOTFOUND if there is no such name, and the system's own code if the lookup itself
/// failed (EMFILE). If a name server does not answer, Node has EAI_AGAIN. On Unix this function returns ENOTFOUND then
/// too, because the standard library hides the difference.
///
/// This function is itself a [`Resolver`], and the default of every `resolver` option, except in a simulation: there
/// the simulated network knows the names.
///
/// # Errors
///
/// ENOTFOUND, or the system's own error, as described above.
///
/// ```
/// use std::sync::Arc;
/// use netloop::{ConnectOptions, HostQuery, system_resolver};
///
/// // Asks the system for everything but one name.
/// let options = ConnectOptions::new().resolver(Arc::new(|query: &HostQuery<'_>| match query.host {
///     "game.internal" => Ok(vec![([10, 0, 0, 7], 0).into()]),
///     _ => system_resolver(query),
/// }));
/// ```
#[doc(alias = "getaddrinfo")]
pub fn system_resolver(query: &HostQuery<'_>) -> Result<Vec<SocketAddr>> {
    let mut found: Vec<SocketAddr> = Vec::new();
    for address in (query.host, 0).to_socket_addrs().map_err(failure)? {
        // `getaddrinfo` may return an address several times, once for each socket type.
        if is_of(query.family, address) && !found.contains(&address) {
            found.push(address);
        }
    }
    Ok(found)
}

pub(crate) fn is_of(family: Option<Family>, address: SocketAddr) -> bool {
    match family {
        Some(Family::IPv4) => address.is_ipv4(),
        Some(Family::IPv6) => address.is_ipv6(),
        None => true,
    }
}

/// Node distinguishes "no such name" from "try again later". On Unix the standard library drops the number that
/// `getaddrinfo` returns, and keeps only a text in the language of the process. A text must not decide a code, so both
/// errors get the commoner code, and [`io`](Error::io) has the text.
fn failure(error: io::Error) -> Error {
    if error.raw_os_error().is_some() {
        return error.into();
    }
    Error::with_code("ENOTFOUND", error.to_string())
}

#[derive(Clone)]
pub(crate) struct SharedResolver(Arc<dyn Resolver>);

impl SharedResolver {
    pub(crate) fn new(resolver: Arc<dyn Resolver>) -> Self {
        Self(resolver)
    }

    pub(super) fn resolve(&self, query: &HostQuery<'_>) -> Result<Vec<SocketAddr>> {
        self.0.resolve(query)
    }

    /// Whether both are the same resolver, so that one answer serves lookups of either.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&other.0))
    }
}

impl fmt::Debug for SharedResolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Resolver")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_of_the_system_resolver_depends_on_words() {
        for words in [
            "Name or service not known",
            "Temporary failure in name resolution",
        ] {
            let error = failure(io::Error::other(words));
            assert_eq!(error.code(), "ENOTFOUND");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn the_system_resolver_keeps_the_zone_of_an_address() {
        let query = |host| system_resolver(&HostQuery::new(host, None));
        let found = query("fe80::1%7").unwrap();
        assert_eq!(found, ["[fe80::1%7]:0".parse().unwrap()]);
    }

    #[test]
    fn the_system_resolver_answers_with_the_family_asked_for() {
        let query = |family| {
            let answer = system_resolver(&HostQuery::new("127.0.0.1", family));
            answer.unwrap().len()
        };
        assert_eq!(query(None), 1);
        assert_eq!(query(Some(Family::IPv4)), 1);
        assert_eq!(query(Some(Family::IPv6)), 0);
    }
}
