//! Connecting: an address or a path needs one connect, a name needs a lookup and a race of attempts (RFC 8305). Only
//! the connect to a path is made within the call, as in Node: every other is a step of [`dialing`](super::dialing).

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::net::address::is_ipv6;
use crate::net::connect::{
    Attempt, ConnectOptions, ConnectRace, Departure, HostQuery, PendingLookups, SharedResolver,
    system_resolver,
};
use crate::net::connection::{Connection, Notice};
use crate::net::error::{Error, Syscall, copy_of_io};
use crate::net::filter::Filters;
use crate::net::values::{
    DatagramId, Endpoint, Event, ServerId, SocketId, SocketSettings, SourceEvent, SourceId,
};
use crate::reactor::{Interest, Key, Phase, Readiness};
use crate::system::{LookupLimits, Stream, System};

use super::dialing::{local_endpoint, open};
use super::option_ranges::check_connect_options;
use super::source::Source;
use super::{Net, TargetedEvent};

impl Net {
    /// Starts to connect. The handler gets every failure of the connect later than this call. Fails at once for an
    /// option that is out of its range or has no effect on `endpoint`, or if a filter's factory fails.
    pub(crate) fn connect(
        &mut self,
        endpoint: Endpoint,
        options: &ConnectOptions,
    ) -> Result<SocketId, Error> {
        let settings = self.settings_of(&options.socket);
        check_connect_options(&endpoint, options, &settings)?;
        let filters = Filters::make(None, &options.filters)?;
        let id = match endpoint {
            Endpoint::Socket(address) => self.connect_to_address(address, options, settings),
            Endpoint::Path(path) => self.connect_to_path(&path, options, settings),
            Endpoint::Name { host, port } => self.connect_to_name(host, port, options, settings),
        };
        if let (Some(connection), Some(filters)) = (self.connection_mut(id), filters) {
            connection.set_filters(filters);
        }
        Ok(id)
    }

    /// Opens a socket, and only plans the connect: the handler is told of the attempt first, and may forbid it.
    fn connect_to_address(
        &mut self,
        address: SocketAddr,
        options: &ConnectOptions,
        settings: Rc<SocketSettings>,
    ) -> SocketId {
        let opened = open(&self.system, address, options);
        let is_planned = opened.is_ok();
        let connection =
            Connection::connecting(None, Some(address), options.connect_timeout, settings);
        let id = self.insert_connection(connection);
        self.with_connection(id, |connection, registration, _| {
            if let Some(local) = local_endpoint(options, address) {
                connection.set_asked_local(local);
            }
            match opened {
                Ok(opened) => {
                    connection.announce(address, opened, registration);
                    // The flush phase makes planned connects too, but begins only if a socket waits for a flush.
                    registration.flush_soon();
                }
                Err(failure) => {
                    failure.notify(connection, address, registration);
                    connection.fail_unconnected(failure.into_error(), registration);
                }
            }
        });
        if is_planned {
            self.note_planned_dial(id);
        }
        id
    }

    #[cfg(unix)]
    fn connect_to_path(
        &mut self,
        path: &std::path::Path,
        options: &ConnectOptions,
        settings: Rc<SocketSettings>,
    ) -> SocketId {
        let (stream, failure) = match self.system.connect_path(path) {
            Ok(stream) => (Some(stream), None),
            Err(error) => (None, Some(error)),
        };
        let connection = Connection::connecting(stream, None, options.connect_timeout, settings);
        let id = self.insert_connection(connection);
        if let Some(error) = failure {
            let error = Error::new(Syscall::Connect, error).at(Endpoint::Path(path.into()));
            self.with_connection(id, |connection, registration, _| {
                connection.fail_unconnected(error, registration);
            });
        }
        id
    }

    #[cfg(not(unix))]
    fn connect_to_path(
        &mut self,
        path: &std::path::Path,
        options: &ConnectOptions,
        settings: Rc<SocketSettings>,
    ) -> SocketId {
        let connection = Connection::connecting(None, None, options.connect_timeout, settings);
        let id = self.insert_connection(connection);
        let error = Error::new(Syscall::Connect, io::ErrorKind::Unsupported.into());
        self.with_connection(id, |connection, registration, _| {
            connection.fail_unconnected(error.at(Endpoint::Path(path.into())), registration);
        });
        id
    }

    fn connect_to_name(
        &mut self,
        host: String,
        port: u16,
        options: &ConnectOptions,
        settings: Rc<SocketSettings>,
    ) -> SocketId {
        let mut race_options = options.clone();
        let timeout = options.lookup_timeout.unwrap_or(self.limits.lookup_timeout);
        race_options.lookup_timeout = Some(timeout);
        let race = ConnectRace::new(host.clone(), port, Rc::new(race_options));
        let id = self.insert_connection(Connection::looking_up(race, settings));
        let query = HostQuery::new(&host, options.family);
        if let Err(error) = self.look_up(&query, options.resolver.as_ref(), id.0) {
            self.with_connection(id, |connection, registration, _| {
                connection.fail_lookup(error, registration);
            });
        }
        id
    }

    /// Starts the lookup of a name for the source `asker`, or joins an equal one.
    pub(super) fn look_up(
        &mut self,
        query: &HostQuery<'_>,
        resolver: Option<&SharedResolver>,
        asker: Key,
    ) -> io::Result<()> {
        let resolver = resolver_of(&self.system, resolver, query.host);
        self.dismiss_closed_askers(query, &resolver);
        // The turn's reading may be old: a program that hosts the loop may ask for a lookup between two turns.
        let now = self.reactor.read_clock();
        let (waker, listener) = (&self.waker, &self.wake_listener);
        self.lookups
            .get_or_insert_with(|| {
                let limits = LookupLimits {
                    threads: self.limits.lookup_threads,
                    waiting: self.limits.max_waiting_lookups,
                };
                let handle = waker.handle();
                let lookups = self.system.lookups(handle, listener.clone(), limits);
                PendingLookups::new(lookups, limits)
            })
            .ask(query, &resolver, asker, now)
    }

    #[inline]
    pub(crate) fn take_answers(&mut self) {
        while self.take_answer() {}
    }

    /// Passes an arrived answer to one of the sources that asked. Returns `false` if no answer waits.
    #[inline]
    pub(crate) fn take_answer(&mut self) -> bool {
        // Fast path: most loops never look up a name.
        self.lookups.is_some() && self.take_next_answer()
    }

    #[inline(never)]
    fn take_next_answer(&mut self) -> bool {
        if self.answers.is_empty() {
            self.fetch_answer();
        }
        let Some((asker, answer)) = self.answers.pop_front() else {
            return false;
        };
        self.answer(asker, &answer);
        true
    }

    /// Takes the next answer of the lookups, for each source that asked. Returns `false` if none has arrived.
    fn fetch_answer(&mut self) -> bool {
        let lookups = self.lookups.as_mut().filter(|lookups| lookups.is_waiting());
        let Some((askers, answer)) = lookups.and_then(PendingLookups::next_answer) else {
            return false;
        };
        let answer = Rc::new(answer);
        let each = askers.into_iter().map(|asker| (asker, Rc::clone(&answer)));
        self.answers.extend(each);
        true
    }

    /// Fetches all answers that have arrived. The poll has used up the wake that announced them, and a budget may put
    /// off the phase that passes them on.
    pub(crate) fn fetch_answers(&mut self) {
        while self.fetch_answer() {}
    }

    /// Passes the answer for the source `asker`, if it has arrived, ahead of earlier answers.
    pub(super) fn take_answer_of(&mut self, asker: Key) {
        self.fetch_answers();
        let place = self.answers.iter().position(|(key, _)| *key == asker);
        if let Some((_, answer)) = place.and_then(|place| self.answers.remove(place)) {
            self.answer(asker, &answer);
        }
    }

    /// Passes an answer to the source that asked. A source that no longer exists is skipped.
    fn answer(&mut self, asker: Key, answer: &io::Result<Vec<SocketAddr>>) {
        let answer = answer.as_ref().map(Vec::as_slice);
        match self.reactor.get(asker) {
            Some(Source::Listener(_)) => self.finish_listen_lookup(ServerId(asker), answer),
            Some(Source::Datagrams(_)) => self.finish_datagram_lookup(DatagramId(asker), answer),
            _ => self.finish_connect_lookup(SocketId(asker), answer),
        }
    }

    /// Removes closed sources from the lookups of `query`. Otherwise a new source would join a lookup that only closed
    /// sources wait for, although that lookup may hang.
    fn dismiss_closed_askers(&mut self, query: &HostQuery<'_>, resolver: &SharedResolver) {
        let Some(lookups) = self.lookups.as_ref().filter(|lookups| lookups.is_waiting()) else {
            return;
        };
        if self.reactor.waiting(Phase::Close) == 0 {
            return;
        }
        for asker in lookups.askers_of(query, resolver) {
            self.dismiss_asker(asker);
        }
    }

    pub(super) fn dismiss_asker_that_missed(&mut self, id: SocketId) {
        let connection = self.connection(id);
        if connection.is_some_and(Connection::has_missed_answer) {
            self.dismiss_asker(id.0);
        }
    }

    pub(super) fn dismiss_asker(&mut self, asker: Key) {
        let departure = match self.reactor.get(asker) {
            Some(Source::Connection(connection)) => connection.departure(),
            Some(Source::Listener(listener)) if listener.pending_options().is_some() => None,
            Some(Source::Datagrams(datagrams)) if datagrams.pending().is_some() => None,
            _ => Some(Departure::Left),
        };
        if let (Some(departure), Some(lookups)) = (departure, &mut self.lookups) {
            lookups.depart(asker, departure, self.reactor.read_clock());
        }
    }

    /// Returns the error to report when a deadline passes for a socket whose lookup still waits for a thread.
    pub(super) fn unasked_lookup(&self, key: Key) -> Option<io::Error> {
        let lookups = self.lookups.as_ref()?;
        let connection = self.connection(SocketId(key))?;
        connection.is_looking_up().then(|| lookups.unasked(key))?
    }

    fn finish_connect_lookup(&mut self, id: SocketId, answer: Result<&[SocketAddr], &io::Error>) {
        self.with_connection(id, |connection, registration, _| {
            if !connection.is_looking_up() {
                return;
            }
            let found = match answer {
                Ok(found) => found,
                Err(error) => return connection.fail_lookup(copy_of_io(error), registration),
            };
            let told = connection.race().map(|race| race.to_be_told(found));
            for address in told.unwrap_or_default() {
                connection.notify(Notice::LookedUp(Ok(address)), registration);
            }
            if connection.begin_race(found) {
                connection.plan_next_attempt(registration);
            } else {
                let error = io::Error::new(io::ErrorKind::NotFound, "no address of that family");
                connection.fail_lookup(error, registration);
            }
        });
    }

    /// Translates the event of the source `key` into one for a handler. Some need a decision first: whether to keep a
    /// connection that was just accepted, or whose filters have found its peer. `None` if no handler gets an event.
    #[inline]
    pub(crate) fn translate_event(&mut self, key: Key, event: Event) -> Option<TargetedEvent> {
        let to_source = |event| Some(TargetedEvent::Source(SourceId(key), event));
        match event {
            Event::Socket(event) => return Some(TargetedEvent::Socket(SocketId(key), event)),
            Event::Server => return Some(TargetedEvent::Server(ServerId(key))),
            Event::Arrival => {
                let id = ServerId(key);
                return self.screen(id).then_some(TargetedEvent::Server(id));
            }
            Event::Datagram => return Some(TargetedEvent::Datagram(DatagramId(key))),
            Event::Introduced => return self.introduce(SocketId(key)),
            Event::SourceReadable => return to_source(SourceEvent::Readable),
            Event::SourceWritable => return to_source(SourceEvent::Writable),
            Event::SourceUnarmed => return to_source(SourceEvent::Unarmed),
            Event::AttemptEnded => self.attempt_ended(key),
            Event::AttemptIsSlow => self.attempt_is_slow(SocketId(key)),
            Event::DeadlinePassed => debug_assert!(false, "`next_elapsed` handles this event"),
        }
        None
    }

    /// Plans the attempt on the next address beside the newest one, which had no answer within the attempt delay.
    fn attempt_is_slow(&mut self, id: SocketId) {
        self.with_connection(id, |connection, registration, _| {
            if let Some(slow) = connection.race().and_then(ConnectRace::newest_attempt) {
                connection.notify(Notice::AttemptIsSlow(slow), registration);
            }
            if let Some(race) = connection.race_mut() {
                race.delay_is_over();
            }
            connection.plan_next_attempt(registration);
            // The wheel's entry for this deadline has fired, and the other deadlines need an entry.
            connection.file_deadline(registration);
        });
    }

    /// Takes the result of an attempt. The first that succeeds becomes the connection, and the others are closed. The
    /// connection fails if no address and no other attempt is left.
    fn attempt_ended(&mut self, key: Key) {
        let Some(Source::Attempt(attempt)) = self.reactor.remove(key) else {
            return;
        };
        let Attempt {
            stream,
            owner,
            address,
            outcome,
        } = *attempt;
        let id = SocketId(owner);
        let is_wanted = self.with_connection(id, |connection, _, _| {
            if let Some(race) = connection.race_mut() {
                race.ended(address);
            }
            connection.is_choosing_address()
        });
        let (Some(true), Some(outcome)) = (is_wanted, outcome) else {
            return;
        };
        match outcome {
            Ok(()) => {
                self.close_attempts(id);
                self.adopt_attempt(id, stream, address);
            }
            Err(error) => {
                let mut error = Error::new(Syscall::Connect, error).at(address.into());
                self.with_connection(id, |connection, registration, _| {
                    let options = connection.race().map(|race| &race.options);
                    if let Some(local) = options.and_then(|it| local_endpoint(it, address)) {
                        error = error.bound_to(local);
                    }
                    connection.notify(Notice::AttemptFailed(address, error.clone()), registration);
                    if let Some(race) = connection.race_mut() {
                        race.failed(address, error);
                    }
                    connection.go_on_or_fail(registration);
                });
                self.note_free_descriptor();
            }
        }
    }

    fn adopt_attempt(&mut self, id: SocketId, stream: Stream, address: SocketAddr) {
        self.with_connection(id, |connection, _, _| {
            connection.set_stream(stream, address)
        });
        let registered = self.reactor.register(id.0);
        self.with_connection(id, |connection, registration, _| match registered {
            Ok(()) => {
                // The stream is connected, so it is writable. `on_writable` then finishes the connect.
                registration.assume(Readiness::WRITABLE);
                registration.want(Interest::WRITABLE);
            }
            Err(error) => {
                connection.fail_unconnected(Error::new(Syscall::Register, error), registration);
            }
        });
    }

    pub(crate) fn close_attempts(&mut self, id: SocketId) {
        let connection = self.connection_mut(id);
        let attempts = connection.map(Connection::take_attempts);
        self.remove_attempts(attempts.unwrap_or_default());
    }

    pub(crate) fn remove_attempts(&mut self, attempts: Vec<Key>) {
        if attempts.is_empty() {
            return;
        }
        for attempt in attempts {
            self.reactor.remove(attempt);
        }
        self.note_free_descriptor();
    }
}

fn resolver_of(system: &System, resolver: Option<&SharedResolver>, host: &str) -> SharedResolver {
    // An IPv6 address is looked up only if it has a zone, the name of a network interface of this machine. Only the
    // system's resolver knows the interface's number.
    let resolver = resolver.filter(|_| !is_ipv6(host));
    match (system, resolver) {
        (_, Some(resolver)) => resolver.clone(),
        #[cfg(feature = "simulation")]
        (System::Simulated(host), None) => SharedResolver::new(host.names()),
        (_, None) => shared_system_resolver(),
    }
}

fn shared_system_resolver() -> SharedResolver {
    // Each call returns the same resolver, because equal lookups are joined only if they have the same resolver.
    static SYSTEM: std::sync::OnceLock<SharedResolver> = std::sync::OnceLock::new();
    let shared = SYSTEM.get_or_init(|| SharedResolver::new(Arc::new(system_resolver)));
    shared.clone()
}
