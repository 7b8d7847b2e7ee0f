//! Connections that `connect` does not make: accepted ones, and those that the user gives to the loop, or takes out.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::rc::Rc;

use crate::net::connection::Connection;
use crate::net::error::{Error, Result, Syscall};
use crate::net::listener::Listener;
use crate::net::values::{CloseReason, ServerId, SocketId, SocketOptions, StdListener, StdStream};
#[cfg(unix)]
use crate::net::values::{Limits, SocketSettings};
use crate::reactor::Registration;
use crate::system::{Acceptor, Adopted, Stream};

use super::source::Source;
use super::{Net, check_socket_settings};

impl Net {
    pub(crate) fn adopt(&mut self, stream: StdStream, options: &SocketOptions) -> Result<SocketId> {
        let adopted = take_over(stream).map_err(|error| Error::new(Syscall::Open, error))?;
        // Checked only after `take_over`: a failure before would drop a plain stream, which could block for its
        // SO_LINGER.
        let settings = self.settings_of(options);
        check_socket_settings(&settings)?;
        let Adopted {
            stream,
            peer,
            error,
        } = adopted;
        let connection = Connection::established(stream, peer, None, settings);
        connection.apply_options();
        let id = self.insert_connection(connection);
        if let Some(error) = error {
            self.with_connection(id, |connection, registration, _| {
                connection.fail_adopted(error, registration)
            });
        }
        Ok(id)
    }

    /// Adopts a descriptor of the user that is only read, such as a pipe.
    #[cfg(unix)]
    pub(crate) fn adopt_input(
        &mut self,
        descriptor: std::os::fd::BorrowedFd<'_>,
    ) -> Result<SocketId> {
        let stream =
            Stream::adopt_input(descriptor).map_err(|error| Error::new(Syscall::Open, error))?;
        // No limit applies, because there is no peer that could be too slow.
        let limits = Limits::unlimited().socket;
        let settings = Rc::new(SocketSettings::new(&SocketOptions::new(), &limits));
        Ok(self.insert_connection(Connection::input(stream, settings)))
    }

    /// Makes a socket from an accepted stream. Returns `None` if the server is gone, or if there is no memory: then a
    /// TCP peer gets a RST, and no handler is told.
    pub(crate) fn admit(
        &mut self,
        server: ServerId,
        stream: Stream,
        peer: Option<SocketAddr>,
    ) -> Option<SocketId> {
        let reserved = self.reactor.reserve();
        let listener = self.listener_mut(server)?;
        if reserved.is_err() || listener.reserve_place().is_err() {
            // This call fails for a Unix socket, which has no RST.
            let _ = stream.reset_on_close();
            return None;
        }
        // The program's closure makes the filters, and may panic. So the connection takes its place only afterwards.
        let (filters, failure) = match listener.make_filters(peer) {
            Ok(filters) => (filters, None),
            Err(error) => (None, Some(error)),
        };
        let counted = listener.first_counted_peer(peer);
        listener.connection_opened(counted);
        let has_options = listener.passes_on_options();
        let settings = listener.socket_settings();
        self.tally.accepted += 1;
        let mut connection = Connection::established(stream, peer, Some(server.0), settings);
        if !has_options {
            connection.apply_options();
        }
        // If an address is counted, it is `peer`. So the connection notes only filters, or that a known `peer` is not
        // counted.
        if filters.is_some() || counted.is_some() != peer.is_some() {
            connection.set_accepted_filters(filters, counted);
        }
        let id = self.insert_connection(connection);
        if let Some(error) = failure {
            self.with_connection(id, |connection, registration, _| {
                connection.fail_unfiltered(error, registration);
            });
        }
        Some(id)
    }

    /// Whether the server of a socket was not told of it, because the handshake has not succeeded.
    pub(crate) fn is_untold(&self, id: SocketId) -> bool {
        self.connection(id).is_some_and(Connection::is_untold)
    }

    /// Inserts a connection into the reactor. If the kernel refuses to register it, the connection fails, and its
    /// handler gets the error.
    pub(crate) fn insert_connection(&mut self, connection: Connection) -> SocketId {
        let interest = connection.first_interest();
        let readiness = connection.first_readiness();
        if connection.counts_time() {
            self.reactor.note_now();
        }
        self.loop_admission.take_place();
        let source = Source::Connection(connection);
        let begin = |source: &mut Source, registration: &mut Registration<'_>| {
            if let Source::Connection(connection) = source {
                connection.begin(registration);
            }
        };
        let inserted = self
            .reactor
            .insert_begun(source, interest, readiness, begin);
        SocketId(inserted.unwrap_or_else(|(error, source)| {
            let key = self.reactor.insert_unregistered(source, interest);
            self.reactor.visit(key, |source, registration| {
                begin(source, registration);
                if let Some(connection) = source.connection_mut() {
                    let error = Error::new(Syscall::Register, error);
                    connection.fail(error, CloseReason::Error, registration);
                }
            });
            key
        }))
    }

    /// Takes the stream out of a socket, with the bytes that the kernel did not take. The socket closes. `None` if it
    /// [cannot be detached](Connection::can_be_detached), and in a forked child: the parent's socket would be
    /// deregistered.
    pub(crate) fn detach(&mut self, id: SocketId) -> Option<(StdStream, Vec<u8>)> {
        // Checked before the flush, so that a refused detachment keeps the cork, and after it, as the flush may fail.
        let can_be_detached = self.connection(id).is_some_and(Connection::can_be_detached);
        if !can_be_detached || self.check_owner().is_err() {
            return None;
        }
        self.with_connection(id, Connection::flush_now);
        if !self.connection(id).is_some_and(Connection::can_be_detached) {
            return None;
        }
        self.reactor.deregister(id.0);
        let (stream, unsent) = self.with_connection(id, Connection::detach).flatten()?;
        Some((standard_stream(stream)?, unsent))
    }

    /// Takes the listening socket out of a server, which stops. `None` if it cannot be taken, and in a forked child.
    pub(crate) fn detach_server(&mut self, id: ServerId) -> Option<StdListener> {
        let can_be_detached = self.listener(id).is_some_and(Listener::can_be_detached);
        if !can_be_detached || self.check_owner().is_err() {
            return None;
        }
        self.reactor.deregister(id.0);
        let acceptor = self.with_listener(id, Listener::detach).flatten()?;
        // As in `close_server`: the server no longer keeps the loop running, but each of its open sockets does.
        self.reactor.release(id.0);
        standard_listener(acceptor)
    }
}

fn standard_stream(stream: Stream) -> Option<StdStream> {
    match stream.into_tcp() {
        Ok(stream) => Some(StdStream::Tcp(stream)),
        #[cfg(unix)]
        Err(stream) => stream.into_unix().ok().map(StdStream::Unix),
        #[cfg(not(unix))]
        Err(_) => None,
    }
}

fn standard_listener(acceptor: Acceptor) -> Option<StdListener> {
    match acceptor.into_tcp() {
        Ok(listener) => Some(StdListener::Tcp(listener)),
        #[cfg(unix)]
        Err(acceptor) => acceptor.into_unix().ok().map(StdListener::Unix),
        #[cfg(not(unix))]
        Err(_) => None,
    }
}

/// Makes a [`Stream`]. Fails if the socket is not connected, and never was.
fn take_over(stream: StdStream) -> io::Result<Adopted<Stream>> {
    match stream {
        StdStream::Tcp(stream) => Stream::adopt_tcp(stream),
        #[cfg(unix)]
        StdStream::Unix(stream) => Stream::adopt_unix(stream),
    }
}
