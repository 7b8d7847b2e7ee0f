//! Listening: an address or a path is bound at once, a name after its lookup.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

use crate::net::address::ListenOn;
use crate::net::connect::{HostQuery, at_port};
use crate::net::error::{Error, Result, Syscall, copy_of_io};
use crate::net::listener::{Admission, ListenOptions, Listener};
use crate::net::values::{Endpoint, KeepAlive, ServerId, SocketSettings, StdListener};
use crate::reactor::Interest;
use crate::system::{Acceptor, Binding, OwnedPath, System};

use super::Net;
use super::option_ranges::check_listen_options;
use super::source::Source;

impl Net {
    /// Starts to listen, or adopts a socket of the user. For a name, the handler gets the error of the lookup or bind.
    pub(crate) fn listen(&mut self, on: ListenOn, options: &ListenOptions) -> Result<ServerId> {
        let limits = options.limits.as_ref().unwrap_or(&self.limits);
        let settings = Rc::new(SocketSettings::new(&options.socket, &limits.socket));
        let admission = Admission::new(options, &self.limits);
        let checked = check_listen_options(&on, options, &settings);
        match on {
            ListenOn::Endpoint(endpoint) => {
                checked?;
                self.listen_on_endpoint(endpoint, options, settings, admission)
            }
            ListenOn::Adopted(listener) => {
                let listener = take_over(listener, options, settings, admission);
                let listener = listener.map_err(|error| Error::new(Syscall::Listen, error))?;
                // Checked only after `take_over`: a failure before would drop a plain socket, which could block for its
                // SO_LINGER.
                checked?;
                self.serve(listener)
            }
        }
    }

    fn listen_on_endpoint(
        &mut self,
        endpoint: Endpoint,
        options: &ListenOptions,
        settings: Rc<SocketSettings>,
        admission: Admission,
    ) -> Result<ServerId> {
        let binding = binding(options, &settings);
        let failed = |error| Error::new(Syscall::Listen, error).at(endpoint.clone());
        let (acceptor, path) = match &endpoint {
            Endpoint::Socket(address) => {
                let bound = self.system.bind(*address, &binding);
                (bound.map_err(failed)?, None)
            }
            Endpoint::Path(path) => {
                bind_path(&self.system, path, options, &binding).map_err(failed)?
            }
            Endpoint::Name { host, .. } => {
                return Ok(self.listen_on_name(host, &endpoint, options, settings, admission));
            }
        };
        self.serve(Listener::bound(
            acceptor, path, endpoint, options, settings, admission,
        ))
    }

    fn listen_on_name(
        &mut self,
        host: &str,
        endpoint: &Endpoint,
        options: &ListenOptions,
        settings: Rc<SocketSettings>,
        admission: Admission,
    ) -> ServerId {
        let listener = Listener::pending(endpoint.clone(), options, settings, admission);
        let source = Source::Listener(Box::new(listener));
        let id = ServerId(self.reactor.insert_unregistered(source, Interest::empty()));
        self.servers.push(id);
        let query = HostQuery::new(host, None);
        if let Err(error) = self.look_up(&query, options.resolver.as_ref(), id.0) {
            self.finish_listen_lookup(id, Err(&error));
        }
        id
    }

    /// Handles the answer to a server's lookup. As in Node, skips link-local addresses (`fe80::/10`) without a zone.
    pub(crate) fn finish_listen_lookup(
        &mut self,
        id: ServerId,
        answer: std::result::Result<&[SocketAddr], &io::Error>,
    ) {
        let listener = self.reactor.get(id.0).and_then(Source::listener);
        let Some((listener, options)) = listener.and_then(|it| Some((it, it.pending_options()?)))
        else {
            return;
        };
        let endpoint = listener.endpoint().clone();
        let bound = match answer {
            Err(error) => Err(Error::new(Syscall::Lookup, copy_of_io(error)).at(endpoint)),
            Ok(found) => {
                let binding = binding(options, &listener.socket_settings());
                bind_first(&self.system, found, endpoint, &binding)
            }
        };
        let is_bound = bound.is_ok();
        self.with_listener(id, |listener, registration| match bound {
            Ok(acceptor) => {
                listener.begin(acceptor);
                registration.want(Interest::READABLE);
                registration.activate();
            }
            Err(error) => listener.fail(error, registration),
        });
        if is_bound {
            if let Err(error) = self.reactor.register(id.0) {
                let error = Error::new(Syscall::Register, error);
                self.with_listener(id, |listener, registration| {
                    listener.fail(error, registration)
                });
            }
        }
    }

    /// Ends a server that never listened. The caller then tells its handler the error.
    pub(crate) fn listening_failed(&mut self, id: ServerId) {
        self.with_listener(id, |listener, registration| listener.stop(registration));
    }

    fn serve(&mut self, listener: Listener) -> Result<ServerId> {
        let endpoint = listener.endpoint().clone();
        let source = Source::Listener(Box::new(listener));
        let key = self
            .reactor
            .insert(source, Interest::READABLE)
            .map_err(|error| Error::new(Syscall::Listen, error).at(endpoint))?;
        let id = ServerId(key);
        self.servers.push(id);
        self.with_listener(id, |_, registration| registration.activate());
        Ok(id)
    }
}

/// Makes a listener from a bound socket, which perhaps listens already. The server does not remove the socket's path.
fn take_over(
    listener: StdListener,
    options: &ListenOptions,
    settings: Rc<SocketSettings>,
    admission: Admission,
) -> io::Result<Listener> {
    let binding = binding(options, &settings);
    let (acceptor, endpoint) = match listener {
        StdListener::Tcp(listener) => {
            let acceptor = Acceptor::adopt_tcp(listener, &binding)?;
            let address = acceptor.local_address()?;
            (acceptor, Endpoint::Socket(address.expect("it is TCP")))
        }
        #[cfg(unix)]
        StdListener::Unix(listener) => {
            let acceptor = Acceptor::adopt_unix(listener, &binding)?;
            // A socket without a name has the empty path.
            let path = acceptor.local_path().unwrap_or_default();
            (acceptor, Endpoint::Path(path))
        }
    };
    Ok(Listener::adopted(
        acceptor, endpoint, options, settings, admission,
    ))
}

fn binding(options: &ListenOptions, settings: &SocketSettings) -> Binding {
    Binding {
        backlog: options.backlog,
        ipv6_only: options.ipv6_only,
        reuse_port: options.reuse_port,
        no_delay: settings.no_delay,
        keep_alive: settings.limits.keep_alive.map(KeepAlive::times),
    }
}

#[cfg(unix)]
fn bind_path(
    system: &System,
    path: &Path,
    options: &ListenOptions,
    binding: &Binding,
) -> io::Result<(Acceptor, Option<OwnedPath>)> {
    let acceptor = system.bind_path(path, binding)?;
    let owned = OwnedPath::of(path);
    if (options.readable_all || options.writable_all) && owned.is_some() {
        Acceptor::widen_permissions(path, options.readable_all, options.writable_all)?;
    }
    Ok((acceptor, owned))
}

#[cfg(not(unix))]
fn bind_path(
    _: &System,
    _: &Path,
    _: &ListenOptions,
    _: &Binding,
) -> io::Result<(Acceptor, Option<OwnedPath>)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Binds to the first usable address. An address without a port gets the port of `endpoint`.
fn bind_first(
    system: &System,
    found: &[SocketAddr],
    endpoint: Endpoint,
    binding: &Binding,
) -> Result<Acceptor> {
    let port = endpoint.port().unwrap_or(0);
    let Some(first) = found.first() else {
        let nothing = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        return Err(Error::new(Syscall::Lookup, nothing).at(endpoint));
    };
    let usable = found.iter().find(|address| !lacks_zone(address));
    let address = at_port(*usable.unwrap_or(first), port);
    let failed = |error| Error::new(Syscall::Listen, error).at(address.into());
    if usable.is_none() {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    }
    system.bind(address, binding).map_err(failed)
}

/// Whether an address is valid on one link only, but has no zone that names the link.
pub(super) fn lacks_zone(address: &SocketAddr) -> bool {
    match address {
        SocketAddr::V6(address) => address.ip().is_unicast_link_local() && address.scope_id() == 0,
        SocketAddr::V4(_) => false,
    }
}
