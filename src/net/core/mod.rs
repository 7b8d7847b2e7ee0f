//! [`Net`]: the reactor and all sources of one loop, and the operations that need both.

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
mod opening_datagrams;
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

// `event_loop` may not import from the reactor directly.
pub(crate) use crate::reactor::{TimerHandle, WakeHandle};
pub(crate) use crate::system::WakeListener;

/// The network side of one loop: the reactor with its sources, and the resources that the sources share.
#[derive(Debug)]
pub(crate) struct Net {
    /// The process that made the loop. A forked child cannot use the loop.
    owner: OwnerProcess,
    reactor: Reactor<Source>,
    /// The kernel, or a simulated machine.
    pub(crate) system: System,
    outbox: Outbox,
    loop_admission: LoopAdmission,
    /// All servers that are not removed. The list spares a walk over all sockets to find the servers that back off.
    servers: Vec<ServerId>,
    datagrams: Vec<DatagramId>,
    /// The buffer of formatted writes. Invariant: empty between two writes.
    scratch: String,
    /// Other threads have handles to it, which do not keep its descriptor open.
    waker: Waker,
    /// The host's callback, which another thread calls after it has woken the loop.
    wake_listener: WakeListener,
    /// `None` until the first lookup.
    lookups: Option<PendingLookups>,
    /// The answers that were taken out of `lookups`, in arrival order, with an entry for each source that asked.
    answers: VecDeque<(Key, Rc<io::Result<Vec<SocketAddr>>>)>,
    /// The limits of the loop, which apply where a server has none of its own.
    limits: Limits,
    /// The number of sources at the front of the list of closes whose [places](Net::free_place) are freed already.
    closing_looked_at: usize,
    /// The sockets whose connect waits for the flush phase. The serve phase may have made some connects already.
    planned_dials: VecDeque<SocketId>,
    socket_timers: SocketTimers,
    /// A deadline that is still to be decided, after its socket or source was served.
    passed: Option<PassedDeadline>,
    /// The passed timers whose socket is to be served again, as a call in its service has failed. In the order in which
    /// they passed. Invariant: each is in `socket_timers`.
    put_off: Vec<PutOffTimer>,
    tally: Tally,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacities {
    pub(crate) events_per_poll: usize,
    /// The limit on the bytes of free chunks that the outbox keeps for later writes.
    pub(crate) pooled_bytes: usize,
}

#[derive(Debug)]
pub(crate) enum TargetedEvent {
    Socket(SocketId, SocketEvent),
    /// An event or refused connections, which the caller takes with [`take_server_event`](Net::take_server_event) and
    /// [`take_refused`](Net::take_refused).
    Server(ServerId),
    /// Events of a UDP socket, which the caller takes one by one with
    /// [`take_datagram_event`](Net::take_datagram_event).
    Datagram(DatagramId),
    /// An event whose callback, if any, the caller ends with [`end_source_callback`](Net::end_source_callback).
    Source(SourceId, SourceEvent),
}

/// A socket, server or other source in the close phase, whose handler is to get `on_close`.
#[derive(Debug)]
pub(crate) enum Closing {
    /// A socket whose handler gets only `on_close`.
    PlainSocket(SocketId, CloseReason),
    /// A socket that may have notices, an error or markers to report first.
    SocketWithReports(SocketId, CloseReason, Option<Error>),
    /// A closed server that has no socket left.
    Server(ServerId),
    /// A UDP socket, which may have errors to report first.
    Datagram(DatagramId),
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

    fn settings_of(&self, options: &SocketOptions) -> Rc<SocketSettings> {
        Rc::new(SocketSettings::new(options, &self.limits.socket))
    }

    pub(crate) fn begin_serving(&mut self) {
        self.reactor.begin(Phase::Serve);
    }

    /// Serves ready sources until one gives an event, for [`translate_event`](Self::translate_event). Received data is
    /// in `buffer`. After each source without an event, calls `goes_on` with the clock and
    /// [`moved_bytes`](Self::moved_bytes). `None` when all are served, or `goes_on` has returned `false`.
    // Leaves the translation to the caller: otherwise the compiler would merge the path of a message with those of all
    // other events.
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

    /// Returns the event of refused connections, if `key` is a server whose handler was not told of all.
    pub(crate) fn refusals_of(&self, key: Key) -> Option<TargetedEvent> {
        let id = ServerId(key);
        self.has_refusals(id).then_some(TargetedEvent::Server(id))
    }

    pub(crate) fn wake_handle(&self) -> WakeHandle {
        self.waker.handle()
    }

    pub(crate) fn wake_listener(&self) -> WakeListener {
        self.wake_listener.clone()
    }

    /// Runs `callback` as a callback of the socket `id`. If the socket can send at once, its short writes during the
    /// callback are gathered, and leave in one send at the end.
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

    /// Keeps `bytes` that a replaced handler did not use. The new handler gets them, in the order of the calls, on a
    /// fresh stack, before the next read and `on_end`. Until then they count as bytes that wait in the kernel: a pause
    /// holds them back, and without a pause [`poll`](Self::poll) does not wait. Their delivery is part of the socket's
    /// burst. But `bytes_read` has counted them already. Returns `false`, and keeps nothing, if the socket is not open,
    /// its peer has ended, or there is no memory (then the socket fails).
    pub(crate) fn keep_unread(&mut self, id: SocketId, bytes: &[u8]) -> bool {
        let carried = self.reactor.visit(id.0, |source, registration| {
            let connection = source.connection_mut();
            connection.is_some_and(|it| it.keep_unread(bytes, registration))
        });
        carried.unwrap_or(false)
    }

    pub(crate) fn answer_end(&mut self, id: SocketId) {
        self.request(id, Connection::answer_end);
    }

    pub(crate) fn connection(&self, id: SocketId) -> Option<&Connection> {
        self.reactor.get(id.0)?.connection()
    }

    pub(crate) fn listener(&self, id: ServerId) -> Option<&Listener> {
        self.reactor.get(id.0)?.listener()
    }

    /// Returns a connection, for changes that concern neither its unsent bytes nor its registration.
    #[inline]
    fn connection_mut(&mut self, id: SocketId) -> Option<&mut Connection> {
        self.reactor.source_mut(id.0)?.connection_mut()
    }

    fn listener_mut(&mut self, id: ServerId) -> Option<&mut Listener> {
        self.reactor.source_mut(id.0)?.listener_mut()
    }

    /// Calls `ask` with a connection, after its bytes in the outbox's common buffers have moved to its own queue.
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

    /// Stops listening at once; the server itself closes after the removal of its last socket. Does nothing in a forked
    /// child, because the close would deregister the parent's listening socket.
    pub(crate) fn close_server(&mut self, id: ServerId) {
        let listener = self.listener(id);
        if listener.is_some_and(|listener| !listener.is_closed()) && self.check_owner().is_ok() {
            self.reactor.deregister(id.0);
            self.with_listener(id, |listener, registration| listener.stop(registration));
            // The descriptor is free at once, and the close is told behind that of the last connection.
            self.note_free_descriptor();
            self.dismiss_asker(id.0);
            // The server itself no longer keeps the loop running. Each of its open sockets still does.
            self.reactor.release(id.0);
        }
    }

    /// Closes a server that has stopped, if nothing of it is left.
    pub(crate) fn close_server_if_done(&mut self, id: ServerId) {
        self.with_listener(id, |listener, registration| {
            listener.close_if_done(registration);
        });
    }

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

    /// Takes the next source to report as closed. The descriptor of a socket or server is closed. But every id stays
    /// valid until the source is removed, as by [`remove_socket`](Self::remove_socket), so that `on_close` can ask for
    /// addresses and counts.
    pub(crate) fn next_closing(&mut self) -> Option<Closing> {
        let key = self.reactor.next_closing()?;
        let id = SocketId(key);
        self.cancel_timers_of(key);
        // The close of any source may have freed a descriptor. The woken servers accept after this phase.
        self.note_free_descriptor();
        let source = self.reactor.source_mut(key);
        let connection = match source {
            Some(Source::Connection(connection)) => connection,
            Some(Source::Datagrams(datagrams)) => {
                datagrams.shut(&mut self.outbox);
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
            self.resume_sources_of(id);
            self.note_paused_for(id, None);
            Closing::SocketWithReports(id, reason, error)
        } else {
            Closing::PlainSocket(id, reason)
        };
        if self.lookups.is_some() {
            self.dismiss_asker_that_missed(id);
        }
        Some(closing)
    }

    /// Removes a socket after its `on_close`. A stopped server closes after its last socket.
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
            self.close_server_if_done(server);
        }
    }

    pub(crate) fn remove_server(&mut self, id: ServerId) {
        self.servers.retain(|server| *server != id);
        self.reactor.remove(id.0);
    }

    /// Returns the sockets of `server` that are not removed.
    pub(crate) fn sockets_of(&self, server: ServerId) -> impl Iterator<Item = SocketId> + '_ {
        self.reactor.iter().filter_map(move |(key, source)| {
            let connection = source.connection()?;
            (connection.server() == Some(server.0)).then_some(SocketId(key))
        })
    }

    pub(crate) fn socket_is_closed(&self, id: SocketId) -> bool {
        self.connection(id).is_none_or(Connection::is_closed)
    }

    pub(crate) fn socket_ids(&self) -> impl Iterator<Item = SocketId> + '_ {
        self.reactor
            .iter()
            .filter(|(_, source)| source.connection().is_some())
            .map(|(key, _)| SocketId(key))
    }
}
