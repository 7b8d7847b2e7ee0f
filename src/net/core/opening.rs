//! Connections that come from elsewhere: accepted, or made by others; and those that leave for elsewhere.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::net::connection::Connection;
use crate::net::error::{Error, Result, Syscall};
use crate::net::listener::Listener;
use crate::net::values::{CloseReason, ServerId, SocketId, SocketOptions, StdListener, StdStream};
use crate::reactor::Registration;
use crate::system::{Acceptor, Stream};

use super::Net;
use super::source::Source;

impl Net {
    /// Takes over a connection that exists already.
    pub(crate) fn adopt(&mut self, stream: StdStream, options: SocketOptions) -> Result<SocketId> {
        let (stream, peer) = take_over(stream).map_err(|error| Error::new(Syscall::Open, error))?;
        let connection = Connection::established(stream, peer, None, Rc::new(options));
        connection.apply_options();
        Ok(self.insert_connection(connection))
    }

    /// Takes over a descriptor that is only read.
    #[cfg(unix)]
    pub(crate) fn adopt_input(
        &mut self,
        descriptor: std::os::fd::BorrowedFd<'_>,
    ) -> Result<SocketId> {
        let stream =
            Stream::adopt_input(descriptor).map_err(|error| Error::new(Syscall::Open, error))?;
        let options = Rc::new(SocketOptions::new());
        Ok(self.insert_connection(Connection::input(stream, options)))
    }

    /// Makes a socket of what `server` accepted; `None` if the server is gone.
    pub(crate) fn admit(
        &mut self,
        server: ServerId,
        stream: Stream,
        peer: Option<SocketAddr>,
    ) -> Option<SocketId> {
        let listener = self.listener_mut(server)?;
        listener.connection_opened();
        let has_options = listener.passes_on_options();
        let options = listener.socket_options();
        let connection = Connection::established(stream, peer, Some(server.0), options);
        if !has_options {
            connection.apply_options();
        }
        Some(self.insert_connection(connection))
    }

    /// Gives a connection its place. Failing to register it is the connection's own failure, told as any other.
    pub(crate) fn insert_connection(&mut self, connection: Connection) -> SocketId {
        let interest = connection.first_interest();
        let readiness = connection.first_readiness();
        if connection.counts_time() {
            self.reactor.note_now();
        }
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

    /// Takes the stream out of a socket, which closes then, with the bytes that were not sent.
    pub(crate) fn detach(&mut self, id: SocketId) -> Option<(StdStream, Vec<u8>)> {
        // Asked twice: a socket of another kind keeps its cork, and the flush may meet a failure.
        if !self.connection(id).is_some_and(Connection::can_be_detached) {
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

    /// Takes the listening socket out of a server, which listens no more then.
    pub(crate) fn detach_server(&mut self, id: ServerId) -> Option<StdListener> {
        if !self.listener(id).is_some_and(Listener::can_be_detached) {
            return None;
        }
        self.reactor.deregister(id.0);
        let acceptor = self.with_listener(id, Listener::detach).flatten()?;
        // As for a server that closes: its sockets hold the loop by themselves.
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

/// Takes over a stream of the standard library, with the address of its peer. It fails if there is no peer.
fn take_over(stream: StdStream) -> io::Result<(Stream, Option<SocketAddr>)> {
    match stream {
        StdStream::Tcp(stream) => {
            let peer = stream.peer_addr()?;
            Ok((Stream::adopt_tcp(stream)?, Some(peer)))
        }
        #[cfg(unix)]
        StdStream::Unix(stream) => {
            stream.peer_addr()?;
            Ok((Stream::adopt_unix(stream)?, None))
        }
    }
}
