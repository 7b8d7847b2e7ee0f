//! [`Net`]: the reactor and all sources of one loop, and the operations that need both.
//!
//! The main modules by topic: `opening`, `connecting`, `dialing`, `listening`, `datagrams` and `custom_sources` make
//! sources. `admitting` decides on accepted connections, and `source` passes the reactor's calls to the sources.
//! `writing`, `formatting` and `requests` carry out the calls of the views. `clock`, `deadlines` and `socket_timers`
//! deal with time, `counts` with the statistics, and `standing` with shutdowns.

mod admitting;
mod clock;
mod connecting;
mod counts;
mod custom_source;
mod custom_sources;
mod datagrams;
mod deadlines;
mod dialing;
mod dropping;
mod formatting;
mod listening;
mod notices;
mod opening;
mod option_ranges;
mod overflowing;
mod ownership;
mod requests;
mod socket_timers;
mod source;
mod spinning;
mod standing;
mod writing;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use crate::net::connect::PendingLookups;
use crate::net::connection::Connection;
use crate::net::error::{Error, Result, Syscall};
use crate::net::listener::{Listener, LoopAdmission};
use crate::net::outbox::Outbox;
use crate::net::values::{
    CloseReason, DatagramId, Event, Limits, ServerId, SocketEvent, SocketId, SocketOptions,
    SocketSettings, SourceEvent, SourceId,
};
use crate::reactor::{Key, Phase, Reactor, Registration, Waker};
use crate::system::{OwnerProcess, System};

use counts::Tally;
use deadlines::{PassedDeadline, PutOffTimer};
use option_ranges::check_socket_settings;
use socket_timers::SocketTimers;
use source::{SharedResources, Source};

pub(crate) use deadlines::{Due, Elapsing};
pub(crate) use spinning::Awake;
pub(crate) use standing::Standing;

pub(crate) use option_ranges::{check_keep_alive, out_of_range};

// `event_loop` imports these two from `net`, because it may not import from the reactor directly.
pub(crate) use crate::reactor::{TimerHandle, WakeHandle};
pub(crate) use crate::system::WakeListener;

/// The network side of one loop: the reactor with its sources, and the resources that the sources share.
#[derive(Debug)]
pub(crate) struct Net {
    /// The process that made the loop. A forked child cannot use the loop.
    owner: OwnerProcess,
    reactor: Reactor<Source>,
    /// The system on which sockets are opened: the kernel, or a simulated machine.
    pub(crate) system: System,
    outbox: Outbox,
    /// The number of the turn, the reserve descriptor, and the count of open sockets for the loop's limit. An accept
    /// that finds no free descriptor gives up the reserve.
    loop_admission: LoopAdmission,
    /// The ids of all servers that are not removed. With this list, no walk over all sockets is needed to find the
    /// servers that back off.
    servers: Vec<ServerId>,
    /// The ids of all UDP sockets that are not removed.
    datagrams: Vec<DatagramId>,
    /// The buffer in which formatted writes build their text. Invariant: empty between two writes.
    scratch: String,
    /// The waker of the loop. Other threads have handles to it, which do not keep its descriptor open.
    waker: Waker,
    /// The host's callback, which another thread calls after it has woken the loop.
    wake_listener: WakeListener,
    /// The lookups that are under way. `None` until the first lookup.
    lookups: Option<PendingLookups>,
    /// The answers that were taken out of `lookups` and are not passed on yet, in the order of their arrival. Each
    /// source that asked has an entry of its own.
    answers: VecDeque<(Key, Rc<io::Result<Vec<SocketAddr>>>)>,
    /// The limits of the loop. They apply where a server has none of its own.
    limits: Limits,
    /// The number of sources at the front of the reactor's list of closes whose [places](Net::free_place) are freed
    /// already.
    closing_looked_at: usize,
    /// The sockets whose connect to an address waits for the flush phase. The serve phase may have made some of these
    /// connects already.
    planned_dials: VecDeque<SocketId>,
    socket_timers: SocketTimers,
    /// A passed deadline that is still to be decided. Its socket or source was served since the deadline passed.
    passed: Option<PassedDeadline>,
    /// The passed timers whose socket must be served again first, because a call in its service has failed. They stand
    /// in the order in which they passed. Invariant: each is in `socket_timers`.
    put_off: Vec<PutOffTimer>,
    tally: Tally,
}

/// The capacities of a loop's batch of events and of its pool of memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacities {
    /// The limit on the events that one poll takes from the kernel.
    pub(crate) events_per_poll: usize,
    /// The limit on the bytes of free chunks that the outbox keeps for later writes.
    pub(crate) pooled_bytes: usize,
}

/// An event, with the id of the socket, server, UDP socket or source of the program that it belongs to.
#[derive(Debug)]
pub(crate) enum TargetedEvent {
    /// An event for the handler of a socket.
    Socket(SocketId, SocketEvent),
    /// An event, or refused connections, for the handler of a server. The caller takes them by
    /// [`take_server_event`](Net::take_server_event) and [`take_refused`](Net::take_refused).
    Server(ServerId),
    /// An event for the handler of a UDP socket. The caller takes the event, and those that follow, by
    /// [`take_datagram_event`](Net::take_datagram_event).
    Datagram(DatagramId),
    /// An event of a source of the program. If it leads to a callback, the caller then calls
    /// [`end_source_callback`](Net::end_source_callback).
    Source(SourceId, SourceEvent),
}

/// A socket, server, UDP socket or source of the program in the close phase, whose handler is to get `on_close`.
#[derive(Debug)]
pub(crate) enum Closing {
    /// A socket that has no notice, error or marker to report: its handler gets only `on_close`.
    PlainSocket(SocketId, CloseReason),
    /// A socket that may have notices, an error or markers to report before `on_close`.
    SocketWithReports(SocketId, CloseReason, Option<Error>),
    /// A closed server that has no socket left.
    Server(ServerId),
    /// A UDP socket, which may have errors to report before `on_close`.
    Datagram(DatagramId),
    /// A source of the program.
    Source(SourceId),
}

impl Net {
    pub(crate) fn new(system: System, capacities: &Capacities, limits: Limits) -> Result<Self> {
        check_keep_alive(limits.socket.keep_alive)?;
        let selector = system.selector(capacities.events_per_poll);
        let selector = selector.map_err(|error| Error::new(Syscall::Poll, error))?;
        let reactor = Reactor::with_selector(selector);
        let waker = reactor
            .waker()
            .map_err(|error| Error::new(Syscall::Poll, error))?;
        Ok(Self {
            owner: OwnerProcess::current(),
            waker,
            wake_listener: WakeListener::default(),
            lookups: None,
            answers: VecDeque::new(),
            closing_looked_at: 0,
            planned_dials: VecDeque::new(),
            socket_timers: SocketTimers::default(),
            passed: None,
            put_off: Vec::new(),
            tally: Tally::default(),
            reactor,
            outbox: Outbox::new(capacities.pooled_bytes, limits.max_total_queued_bytes),
            loop_admission: LoopAdmission::new(&system, limits.max_connections),
            limits,
            system,
            servers: Vec::new(),
            datagrams: Vec::new(),
            scratch: String::new(),
        })
    }

    /// Returns the settings of a socket that no server has accepted: `options`, and the limits of the loop.
    fn settings_of(&self, options: &SocketOptions) -> Rc<SocketSettings> {
        Rc::new(SocketSettings::new(options, &self.limits.socket))
    }

    /// Begins the phase of the turn in which ready sources are served.
    pub(crate) fn begin_serving(&mut self) {
        self.reactor.begin(Phase::Serve);
    }

    /// Serves ready sources until one of them gives an event, whose handler [`translate_event`](Self::translate_event)
    /// finds. If the event is received data, the bytes are in `buffer`. After each source that gives no event, calls
    /// `goes_on` with the clock and the number of [moved bytes](Self::moved_bytes). `None` when all are served, or
    /// `goes_on` has returned `false`.
    // Returns the event as the source gave it, and does not translate it. With a translation here, the compiler would
    // merge the path of a message with those of all other events. The caller would then have to tell them apart again.
    #[inline(always)]
    pub(crate) fn next_while(
        &mut self,
        buffer: &mut [u8],
        mut goes_on: impl FnMut(&dyn Fn() -> Instant, u64) -> bool,
    ) -> Option<(Key, Event)> {
        let mut resources = SharedResources {
            buffer,
            outbox: &mut self.outbox,
            loop_admission: &mut self.loop_admission,
        };
        self.reactor
            .next_while(&mut resources, |reactor, resources| {
                goes_on(&|| reactor.read_clock(), resources.outbox.moved_bytes())
            })
    }

    /// Returns the event of refused connections for the handler of the server `key`. `None` if `key` is no server, or
    /// if its handler was told of them all.
    pub(crate) fn refusals_of(&self, key: Key) -> Option<TargetedEvent> {
        let id = ServerId(key);
        self.has_refusals(id).then_some(TargetedEvent::Server(id))
    }

    /// Returns a handle with which another thread can end the wait of [`poll`](Self::poll).
    pub(crate) fn wake_handle(&self) -> WakeHandle {
        self.waker.handle()
    }

    /// Returns the host's callback for wakes, which another thread calls after each wake.
    pub(crate) fn wake_listener(&self) -> WakeListener {
        self.wake_listener.clone()
    }

    /// Runs `callback` as a callback of the socket `id`. If the socket can send at once, short writes of the socket
    /// during the callback are gathered. The gathered bytes leave in one send when the callback returns.
    // Always inlined, because it runs for every message.
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

    /// Keeps `bytes`, which a replaced handler did not use. The new handler gets them on a fresh stack, before the next
    /// read and before `on_end`. Until then, the loop treats them as bytes that wait in the kernel. A pause holds them
    /// back, and without a pause [`poll`](Self::poll) does not wait. Their delivery is part of the socket's burst. But
    /// `bytes_read` has counted them already.
    ///
    /// The bytes of several calls before one delivery are delivered in the order of the calls. Returns `false`, and
    /// keeps nothing, if the socket is not open, its peer has ended, or there is no memory. Without memory, the socket
    /// fails.
    pub(crate) fn keep_unread(&mut self, id: SocketId, bytes: &[u8]) -> bool {
        let carried = self.reactor.visit(id.0, |source, registration| {
            let connection = source.connection_mut();
            connection.is_some_and(|it| it.keep_unread(bytes, registration))
        });
        carried.unwrap_or(false)
    }

    /// Ends the socket's own side after its `on_end`, unless half-open is allowed.
    pub(crate) fn answer_end(&mut self, id: SocketId) {
        self.request(id, Connection::answer_end);
    }

    pub(crate) fn connection(&self, id: SocketId) -> Option<&Connection> {
        self.reactor.get(id.0)?.connection()
    }

    pub(crate) fn listener(&self, id: ServerId) -> Option<&Listener> {
        self.reactor.get(id.0)?.listener()
    }

    /// Returns a connection, for changes that concern neither its unsent bytes nor its registration. Most other changes
    /// go through [`with_connection`](Self::with_connection).
    #[inline]
    fn connection_mut(&mut self, id: SocketId) -> Option<&mut Connection> {
        self.reactor.source_mut(id.0)?.connection_mut()
    }

    /// Returns a listener, as [`connection_mut`](Self::connection_mut) returns a connection.
    fn listener_mut(&mut self, id: ServerId) -> Option<&mut Listener> {
        self.reactor.source_mut(id.0)?.listener_mut()
    }

    /// Calls `ask` with a connection. First moves the connection's bytes from the common buffers of the outbox to its
    /// own queue. `None` for a dead id.
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

    /// Stops listening at once. The server itself is closed only after the last of its sockets is removed. Does nothing
    /// in a forked child, because the close would deregister the parent's listening socket.
    pub(crate) fn close_server(&mut self, id: ServerId) {
        let listener = self.listener(id);
        if listener.is_some_and(|listener| !listener.is_closed()) && self.check_owner().is_ok() {
            self.reactor.deregister(id.0);
            self.with_listener(id, |listener, registration| listener.stop(registration));
            self.dismiss_asker(id.0);
            // The server itself no longer keeps the loop running. Each of its open sockets still does.
            self.reactor.release(id.0);
        }
    }

    /// Begins the phase of the turn in which the loop reports closed sockets and servers. Returns whether there are any.
    #[inline(always)]
    pub(crate) fn begin_closing(&mut self) -> bool {
        // `closing_looked_at` counts from the front of the list of closes, and the phase takes sources off that front.
        self.closing_looked_at = 0;
        if self.reactor.waiting(Phase::Close) == 0 {
            return false;
        }
        self.reactor.begin(Phase::Close);
        true
    }

    /// Takes the next socket, server or source to report as closed. The descriptor of a socket or server is closed, but
    /// every id stays valid until its removal, such as [`remove_socket`](Self::remove_socket). So `on_close` can ask
    /// for addresses and counts.
    pub(crate) fn next_closing(&mut self) -> Option<Closing> {
        let key = self.reactor.next_closing()?;
        let id = SocketId(key);
        self.cancel_timers_of(key);
        let source = self.reactor.source_mut(key);
        let connection = match source {
            Some(Source::Connection(connection)) => connection,
            Some(Source::Datagrams(datagrams)) => {
                datagrams.shut();
                return Some(Closing::Datagram(DatagramId(key)));
            }
            Some(Source::Custom(_)) => return Some(Closing::Source(SourceId(key))),
            Some(Source::Listener(_) | Source::Attempt(_)) | None => {
                return Some(Closing::Server(ServerId(key)));
            }
        };
        let (reason, error) = connection.shut(&mut self.outbox);
        let closing = if connection.has_cold_state() {
            let attempts = connection.take_attempts();
            self.remove_attempts(attempts);
            Closing::SocketWithReports(id, reason, error)
        } else {
            Closing::PlainSocket(id, reason)
        };
        if self.lookups.is_some() {
            self.dismiss_asker_that_missed(id);
        }
        if self.loop_admission.take_shortage() {
            self.wake_servers();
        }
        Some(closing)
    }

    /// Removes a socket after its `on_close`. After the last socket of a stopped server, the server closes too.
    pub(crate) fn remove_socket(&mut self, id: SocketId) {
        let mut source = self.reactor.remove(id.0);
        let connection = source.as_mut().and_then(Source::connection_mut);
        let Some(connection) = connection else {
            return;
        };
        self.tally.received_before += connection.bytes_read();
        if connection.has_cold_state() {
            self.tally.panicked_filters_before += u64::from(connection.has_panicked_filter());
            self.outbox.spare.note_removal();
        }
        self.notice_slack();
        let held_place = connection.give_up_place();
        if held_place {
            self.loop_admission.free_place();
        }
        let Some(server) = connection.server().map(ServerId) else {
            return;
        };
        let listener = self.reactor.source_mut(server.0);
        let Some(listener) = listener.and_then(Source::listener_mut) else {
            return;
        };
        if held_place {
            listener.place_freed(|| connection.counted_peer());
        }
        listener.connection_closed();
        if listener.is_done() {
            self.with_listener(server, |listener, registration| {
                listener.close_if_done(registration);
            });
        }
    }

    /// Removes a server after its `on_close`.
    pub(crate) fn remove_server(&mut self, id: ServerId) {
        self.servers.retain(|server| *server != id);
        self.reactor.remove(id.0);
    }

    /// Returns the sockets that `server` has accepted and that are not removed.
    pub(crate) fn sockets_of(&self, server: ServerId) -> impl Iterator<Item = SocketId> + '_ {
        self.reactor.iter().filter_map(move |(key, source)| {
            let connection = source.connection()?;
            (connection.server() == Some(server.0)).then_some(SocketId(key))
        })
    }

    pub(crate) fn socket_is_closed(&self, id: SocketId) -> bool {
        self.connection(id).is_none_or(Connection::is_closed)
    }

    /// Returns the ids of all sockets that are not removed.
    pub(crate) fn socket_ids(&self) -> impl Iterator<Item = SocketId> + '_ {
        self.reactor
            .iter()
            .filter(|(_, source)| source.connection().is_some())
            .map(|(key, _)| SocketId(key))
    }
}
