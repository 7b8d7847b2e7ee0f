//! The network of a loop, across its sources.

mod clock;
mod connecting;
mod formatting;
mod listening;
mod opening;
mod requests;
mod socket_timers;
mod source;
mod writing;

use crate::net::connect::PendingLookups;
use crate::net::connection::{Connection, Notice};
use crate::net::error::{Error, Result, Syscall};
use crate::net::listener::{DescriptorExhaustion, Listener, ServerEvent};
use crate::net::outbox::Outbox;
use crate::net::values::{CloseReason, Event, ServerId, SocketEvent, SocketId, TimerId};
use crate::reactor::{Elapsed, Phase, Reactor, Registration};
use crate::system::System;

use socket_timers::SocketTimers;
use source::{SharedResources, Source};

// The floor above knows the reactor through `net` only.
pub(crate) use crate::reactor::{TimerHandle, Waker};

/// Everything that a loop has to do with the network.
#[derive(Debug)]
pub(crate) struct Net {
    reactor: Reactor<Source>,
    /// Where sockets are opened.
    pub(crate) system: System,
    outbox: Outbox,
    /// The shortage of descriptors, as the servers meet it.
    exhaustion: DescriptorExhaustion,
    /// Every server, so that those that pause are found without a look at every socket.
    servers: Vec<ServerId>,
    /// Where formatted writes are put together. Invariant: empty between two writes.
    scratch: String,
    waker: Waker,
    /// The names that are being looked up; made with the first lookup.
    lookups: Option<PendingLookups>,
    /// The greatest number of threads that look names up.
    lookup_threads: usize,
    socket_timers: SocketTimers,
}

/// The limits on what the net takes at a time, and on what it keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The number of events that are taken from the kernel at a time.
    pub(crate) events_per_poll: usize,
    /// The greatest number of threads that look up names.
    pub(crate) lookup_threads: usize,
    /// The number of bytes of free chunks that are kept.
    pub(crate) pooled_bytes: usize,
}

/// An event, with the socket or server that it is for.
#[derive(Debug)]
pub(crate) enum TargetedEvent {
    /// For the handler of a socket.
    Socket(SocketId, SocketEvent),
    /// For the handler of a server, which [takes](Net::take_server_event) it from the net.
    Server(ServerId),
}

/// A deadline or timer that has fallen due.
#[derive(Debug)]
pub(crate) enum Due {
    /// A deadline of a socket or a server, with the event that it brings.
    Deadline(TargetedEvent),
    /// A timer of the loop.
    Timer(TimerId),
    /// A timer of a socket, with its token.
    SocketTimer(SocketId, u64),
}

/// A socket or server that has come to its end.
#[derive(Debug)]
pub(crate) enum Closing {
    /// A socket that is told its end alone.
    PlainSocket(SocketId, CloseReason),
    /// A socket that is told its notices and its error first, if there are any.
    SocketWithReports(SocketId, CloseReason, Option<Error>),
    /// A server, after the last of its sockets.
    Server(ServerId),
}

impl Net {
    pub(crate) fn new(system: System, limits: &Limits) -> Result<Self> {
        let selector = system.selector(limits.events_per_poll);
        let selector = selector.map_err(|error| Error::new(Syscall::Poll, error))?;
        let reactor = Reactor::with_selector(selector);
        let waker = reactor
            .waker()
            .map_err(|error| Error::new(Syscall::Poll, error))?;
        Ok(Self {
            waker,
            lookups: None,
            lookup_threads: limits.lookup_threads,
            socket_timers: SocketTimers::default(),
            reactor,
            outbox: Outbox::new(limits.pooled_bytes),
            exhaustion: DescriptorExhaustion::new(&system),
            system,
            servers: Vec::new(),
            scratch: String::new(),
        })
    }

    /// Begins the phase in which ready sources are served.
    pub(crate) fn begin_serving(&mut self) {
        self.reactor.begin(Phase::Serve);
    }

    /// Serves until something has happened. Bytes that were read are in `buffer`.
    #[inline(always)]
    pub(crate) fn next(&mut self, buffer: &mut [u8]) -> Option<TargetedEvent> {
        loop {
            let mut resources = SharedResources {
                buffer,
                outbox: &mut self.outbox,
                exhaustion: &mut self.exhaustion,
            };
            let (key, event) = self.reactor.next(&mut resources)?;
            if let Event::Socket(event) = event {
                return Some(TargetedEvent::Socket(SocketId(key), event));
            }
            let targeted = self.translate_event(key, event);
            if targeted.is_some() {
                return targeted;
            }
        }
    }

    /// The next thing that has fallen due.
    pub(crate) fn next_elapsed(&mut self) -> Option<Due> {
        loop {
            match self.reactor.next_due()? {
                Elapsed::Timer(key) => return Some(Due::Timer(TimerId(key))),
                Elapsed::SourceTimer(name) => {
                    if let Some((id, token)) = self.take_socket_timer(name) {
                        return Some(Due::SocketTimer(id, token));
                    }
                }
                Elapsed::Source(key, event) => {
                    if let Some(targeted) = self.translate_event(key, event) {
                        return Some(Due::Deadline(targeted));
                    }
                }
            }
        }
    }

    /// The handle that ends a wait from another thread.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Sends what was queued on sockets other than the one that was being served.
    #[inline]
    pub(crate) fn flush(&mut self) {
        if self.reactor.waiting(Phase::Flush) > 0 {
            self.flush_all();
        }
    }

    /// Begins a flush that [`flush_next`](Self::flush_next) does source by source.
    pub(crate) fn begin_flushing(&mut self) {
        self.reactor.begin(Phase::Flush);
    }

    /// Sends what was queued on the next source. Answers `false` when none is left.
    pub(crate) fn flush_next(&mut self) -> bool {
        self.reactor.flush_next(&mut SharedResources {
            buffer: &mut [],
            outbox: &mut self.outbox,
            exhaustion: &mut self.exhaustion,
        })
    }

    #[inline(never)]
    fn flush_all(&mut self) {
        self.reactor.begin(Phase::Flush);
        self.reactor.flush(&mut SharedResources {
            buffer: &mut [],
            outbox: &mut self.outbox,
            exhaustion: &mut self.exhaustion,
        });
    }

    /// Runs `callback` as a callback of a socket: the bytes that the socket writes in it leave as one when it returns.
    // Always: it is a part of what every message costs.
    #[inline(always)]
    pub(crate) fn with_callback<R>(
        &mut self,
        id: SocketId,
        callback: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let scope = self.begin_callback(id);
        let answer = callback(self);
        self.end_callback(scope);
        answer
    }

    pub(crate) fn take_server_event(&mut self, id: ServerId) -> Option<ServerEvent> {
        self.listener_mut(id)?.take_event()
    }

    pub(crate) fn next_notice(&mut self, id: SocketId) -> Option<Notice> {
        self.connection_mut(id)?.next_notice()
    }

    pub(crate) fn next_missed_marker(&mut self, id: SocketId) -> Option<(u64, Error)> {
        self.connection_mut(id)?.next_missed_marker()
    }

    /// Carries `bytes` over: they are delivered to the handler of the socket as if they were read again, on a fresh
    /// stack, before the next read and before the end. They count for everything as bytes that wait in the kernel do:
    /// they stay while the socket is paused, keep [`poll`](Self::poll) from waiting, and share the burst of their
    /// socket. Only `bytes_read` has them already.
    ///
    /// Bytes of several calls come in the order of the calls. Returns `false`, and keeps nothing, where no bytes can be
    /// read any more or yet.
    pub(crate) fn keep_unread(&mut self, id: SocketId, bytes: &[u8]) -> bool {
        let carried = self.reactor.visit(id.0, |source, registration| {
            let connection = source.connection_mut();
            connection.is_some_and(|it| it.keep_unread(bytes, registration))
        });
        carried.unwrap_or(false)
    }

    /// Ends the socket's own side too after `on_end`, unless half-open is allowed.
    pub(crate) fn answer_end(&mut self, id: SocketId) {
        let ends_at_once = self.with_connection(id, |connection, _, _| connection.ends_at_once());
        if ends_at_once == Some(false) {
            // Time is counted from it, and the turn's reading of the clock may be old by now.
            self.reactor.note_now();
        }
        self.with_connection(id, |connection, registration, _| {
            connection.answer_end(registration);
        });
    }

    pub(crate) fn connection(&self, id: SocketId) -> Option<&Connection> {
        self.reactor.get(id.0)?.connection()
    }

    pub(crate) fn listener(&self, id: ServerId) -> Option<&Listener> {
        self.reactor.get(id.0)?.listener()
    }

    /// A connection, to change in a way that concerns neither what is queued nor its place in the reactor.
    #[inline]
    fn connection_mut(&mut self, id: SocketId) -> Option<&mut Connection> {
        self.reactor.source_mut(id.0)?.connection_mut()
    }

    /// As [`connection_mut`](Self::connection_mut).
    fn listener_mut(&mut self, id: ServerId) -> Option<&mut Listener> {
        self.reactor.source_mut(id.0)?.listener_mut()
    }

    /// Lets `ask` change a connection, whose bytes in shared memory are settled before.
    #[inline]
    pub(crate) fn with_connection<R>(
        &mut self,
        id: SocketId,
        ask: impl FnOnce(&mut Connection, &mut Registration<'_>, &mut Outbox) -> R,
    ) -> Option<R> {
        let outbox = &mut self.outbox;
        self.reactor
            .visit(id.0, |source, registration| {
                let connection = source.connection_mut()?;
                connection.move_to_queue(registration, outbox);
                Some(ask(connection, registration, outbox))
            })
            .flatten()
    }

    pub(crate) fn with_listener<R>(
        &mut self,
        id: ServerId,
        ask: impl FnOnce(&mut Listener, &mut Registration<'_>) -> R,
    ) -> Option<R> {
        self.reactor
            .visit(id.0, |source, registration| {
                source
                    .listener_mut()
                    .map(|listener| ask(listener, registration))
            })
            .flatten()
    }

    /// Stops listening at once.
    pub(crate) fn close_server(&mut self, id: ServerId) {
        if self
            .listener(id)
            .is_some_and(|listener| !listener.is_closed())
        {
            self.reactor.deregister(id.0);
            self.with_listener(id, |listener, registration| listener.stop(registration));
            // It still waits for its sockets, and those hold the loop by themselves.
            self.reactor.release(id.0);
        }
    }

    /// Begins the phase in which what has ended is told.
    pub(crate) fn begin_closing(&mut self) {
        self.reactor.begin(Phase::Close);
    }

    /// The next thing that has ended. Its descriptor is closed, and its slot still answers until
    /// `remove_socket` or `remove_server`, so that `on_close` can ask for addresses and counts.
    pub(crate) fn next_closing(&mut self) -> Option<Closing> {
        let key = self.reactor.next_closing()?;
        let id = SocketId(key);
        self.cancel_socket_timers(id);
        let Self {
            reactor, outbox, ..
        } = self;
        let shut = reactor.visit(key, |source, _| {
            let connection = source.connection_mut()?;
            let attempts = connection.take_attempts();
            let (reason, error) = connection.shut(outbox);
            let closing = if connection.has_cold_state() {
                Closing::SocketWithReports(id, reason, error)
            } else {
                Closing::PlainSocket(id, reason)
            };
            Some((attempts, closing))
        });
        let Some((attempts, closing)) = shut.flatten() else {
            return Some(Closing::Server(ServerId(key)));
        };
        self.remove_attempts(attempts);
        if self.exhaustion.take() {
            self.wake_servers();
        }
        Some(closing)
    }

    /// Forgets a socket that has been told its end.
    pub(crate) fn remove_socket(&mut self, id: SocketId) {
        let mut source = self.reactor.remove(id.0);
        let Some(connection) = source.as_mut().and_then(Source::connection_mut) else {
            return;
        };
        let held_place = connection.give_up_place().is_some();
        let Some(server) = connection.server().map(ServerId) else {
            return;
        };
        let Some(listener) = self.listener_mut(server) else {
            return;
        };
        if held_place {
            listener.place_freed();
        }
        listener.connection_closed();
        if listener.is_done() {
            self.with_listener(server, |listener, registration| {
                listener.close_if_done(registration);
            });
        }
    }

    /// Forgets a server that has been told its end.
    pub(crate) fn remove_server(&mut self, id: ServerId) {
        self.servers.retain(|server| *server != id);
        self.reactor.remove(id.0);
    }

    /// A socket that is closed holds none of its server's places any more, though the server still waits for its end.
    pub(crate) fn free_place(&mut self, id: SocketId) {
        let connection = self.connection_mut(id);
        let server = connection.and_then(Connection::give_up_place);
        if let Some(listener) = server.and_then(|server| self.listener_mut(ServerId(server))) {
            listener.place_freed();
        }
    }

    /// Stops a server that could not accept if that is for good.
    pub(crate) fn accept_failed(&mut self, id: ServerId) {
        if self.listener(id).is_some_and(Listener::is_faulty) {
            self.close_server(id);
        }
    }

    /// Lets servers that pause try again, because a descriptor may be free.
    #[cold]
    fn wake_servers(&mut self) {
        for place in 0..self.servers.len() {
            self.with_listener(self.servers[place], |listener, registration| {
                listener.wake(registration);
            });
        }
    }

    /// The sockets that `server` accepted and that are not gone.
    pub(crate) fn sockets_of(&self, server: ServerId) -> impl Iterator<Item = SocketId> + '_ {
        self.reactor.iter().filter_map(move |(key, source)| {
            let connection = source.connection()?;
            (connection.server() == Some(server.0)).then_some(SocketId(key))
        })
    }

    pub(crate) fn socket_is_closed(&self, id: SocketId) -> bool {
        self.connection(id).is_none_or(Connection::is_closed)
    }

    /// All sockets.
    pub(crate) fn socket_ids(&self) -> impl Iterator<Item = SocketId> + '_ {
        self.reactor
            .iter()
            .filter(|(_, source)| source.connection().is_some())
            .map(|(key, _)| SocketId(key))
    }
}
