//! The steps of a connect: each attempt is announced to the handler, and begins once the handler was told. A handler
//! may close its socket in `on_lookup`, or in any event of an attempt. Then no further connect begins, and no server
//! sees one. The same holds for a program that closes a socket right after `connect`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::rc::Rc;

use crate::net::connect::{Attempt, ConnectOptions};
use crate::net::connection::{Connection, DialStep, Notice};
use crate::net::error::{Error, Syscall};
use crate::net::values::SocketId;
use crate::reactor::{Interest, Key, Readiness, Registration};
use crate::system::{ConnectStep, Stream, System};

use super::Net;
use super::source::Source;

impl Net {
    /// Notes that the next flush phase, or a serve phase before it, is to make the connect of `id` to an address.
    pub(super) fn note_planned_dial(&mut self, id: SocketId) {
        // Drops the connects that the serve phase has made: without a flush phase the list would grow.
        while let Some(&first) = self.planned_dials.front() {
            if self.has_planned_dial(first) {
                break;
            }
            self.planned_dials.pop_front();
        }
        self.planned_dials.push_back(id);
    }

    fn has_planned_dial(&self, id: SocketId) -> bool {
        self.connection(id).is_some_and(Connection::has_dial_step)
    }

    pub(crate) fn planned_dials(&self) -> usize {
        self.planned_dials.len()
    }

    /// Takes the first planned connect off the list. `None` if there is none, or if it was made or given up already.
    pub(crate) fn next_planned_dial(&mut self) -> Option<SocketId> {
        let id = self.planned_dials.pop_front()?;
        self.has_planned_dial(id).then_some(id)
    }

    pub(crate) fn dial_on(&mut self, id: SocketId) {
        let connection = self.connection_mut(id);
        match connection.and_then(Connection::take_dial_step) {
            None => {}
            Some(DialStep::Announce) => self.announce_next_attempt(id),
            Some(DialStep::Connect(address)) => self.begin_attempt(id, address),
        }
    }

    /// Announces the attempt on the name's next address. If the attempt cannot begin, queues notices of this, and plans
    /// the next; the connection fails if nothing is left.
    fn announce_next_attempt(&mut self, id: SocketId) {
        let Some((address, options)) = self.next_candidate(id) else {
            return;
        };
        let opened = open(&self.system, address, &options);
        self.with_connection(id, |connection, registration, _| match opened {
            Ok(opened) => {
                if let Some(race) = connection.race_mut() {
                    race.announced(address);
                }
                connection.announce(address, opened, registration);
            }
            Err(failure) => {
                failure.notify(connection, address, registration);
                if let Some(race) = connection.race_mut() {
                    match failure {
                        StartFailure::Refused(error) => race.refused(address, error),
                        StartFailure::Failed(error) => race.failed(address, error),
                    }
                }
                connection.go_on_or_fail(registration);
            }
        });
    }

    fn next_candidate(&mut self, id: SocketId) -> Option<(SocketAddr, Rc<ConnectOptions>)> {
        let race = self.connection_mut(id)?.race_mut()?;
        Some((race.next_candidate()?, Rc::clone(&race.options)))
    }

    fn begin_attempt(&mut self, id: SocketId, address: SocketAddr) {
        let Some(connection) = self.connection_mut(id) else {
            return;
        };
        let opened = connection.take_opened();
        let Some(options) = connection.race().map(|race| Rc::clone(&race.options)) else {
            return self.connect_alone(id, opened, address);
        };
        // The attempt delay counts from this reading: the turn's is older than the callback that announced the attempt.
        self.reactor.note_now();
        let begun = self.insert_attempt(id, opened, address, &options);
        if begun.is_err() {
            self.note_free_descriptor();
        }
        self.with_connection(id, |connection, registration, _| match begun {
            Ok(key) => {
                connection.began_attempt(key, address, registration);
            }
            Err(error) => {
                connection.notify(Notice::AttemptFailed(address, error.clone()), registration);
                if let Some(race) = connection.race_mut() {
                    race.failed(address, error);
                }
                connection.go_on_or_fail(registration);
            }
        });
    }

    /// Connects the connection's own stream to the only address, without a race.
    fn connect_alone(&mut self, id: SocketId, opened: Option<Stream>, address: SocketAddr) {
        let local = self.connection(id).and_then(Connection::asked_local);
        let connected = self.system.connect(opened, address, local);
        let connected =
            connected.map_err(|failure| start_failure(failure, address, local).into_error());
        let begun = connected.and_then(|stream| {
            self.with_connection(id, |connection, _, _| connection.set_connecting(stream));
            let registered = self.reactor.register(id.0);
            registered.map_err(|error| Error::new(Syscall::Register, error))
        });
        self.with_connection(id, |connection, registration, _| match begun {
            Ok(()) => registration.want(Interest::WRITABLE),
            Err(error) => {
                connection.notify(Notice::AttemptFailed(address, error.clone()), registration);
                connection.fail_unconnected(error, registration);
            }
        });
    }

    fn insert_attempt(
        &mut self,
        owner: SocketId,
        opened: Option<Stream>,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> Result<Key, Error> {
        let local = local_endpoint(options, address);
        let stream = self
            .system
            .connect(opened, address, local)
            .map_err(|failure| start_failure(failure, address, local).into_error())?;
        let attempt = Attempt {
            stream,
            owner: owner.0,
            address,
            outcome: None,
        };
        let source = Source::Attempt(Box::new(attempt));
        let key = self
            .reactor
            .insert_ready(source, Interest::WRITABLE, Readiness::empty())
            .map_err(|(error, _)| Error::new(Syscall::Register, error))?;
        // The connection itself keeps the loop running, unless the user has released it.
        self.reactor.release(key);
        Ok(key)
    }
}

/// The failure of a connect that never got under way.
#[derive(Debug)]
pub(super) enum StartFailure {
    /// The system was not asked to connect: the address is on the block list, or the local address could not be bound.
    Refused(Error),
    /// The socket could not be opened, or its connect failed at once.
    Failed(Error),
}

impl StartFailure {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Refused(error) | Self::Failed(error) => error,
        }
    }

    pub(super) fn notify(
        &self,
        connection: &mut Connection,
        address: SocketAddr,
        registration: &mut Registration<'_>,
    ) {
        let error = match self {
            Self::Refused(error) => error,
            Self::Failed(error) => {
                connection.notify(Notice::AttemptBegun(address), registration);
                error
            }
        };
        connection.notify(Notice::AttemptFailed(address, error.clone()), registration);
    }
}

/// Opens a socket to connect from. `None` in a simulation, which opens the socket with the connect.
pub(super) fn open(
    system: &System,
    address: SocketAddr,
    options: &ConnectOptions,
) -> Result<Option<Stream>, StartFailure> {
    if options
        .block_list
        .as_ref()
        .is_some_and(|list| list.check(address.ip()))
    {
        let blocked = Error::with_code(Error::IP_BLOCKED, "the address is on the block list");
        return Err(StartFailure::Refused(blocked.at(address.into())));
    }
    let local = local_endpoint(options, address);
    system
        .open(address, local)
        .map_err(|failure| start_failure(failure, address, local))
}

fn start_failure(
    (step, error): (ConnectStep, std::io::Error),
    address: SocketAddr,
    local: Option<SocketAddr>,
) -> StartFailure {
    match (step, local) {
        (ConnectStep::Bind, Some(local)) => {
            StartFailure::Refused(Error::new(Syscall::Bind, error).at(local.into()))
        }
        (_, Some(local)) => StartFailure::Failed(
            Error::new(Syscall::Connect, error)
                .at(address.into())
                .bound_to(local),
        ),
        (_, None) => StartFailure::Failed(Error::new(Syscall::Connect, error).at(address.into())),
    }
}

/// Returns the local address that the user set, with the zone of the remote one if it is link-local IPv6.
pub(super) fn local_endpoint(options: &ConnectOptions, remote: SocketAddr) -> Option<SocketAddr> {
    if options.local_address.is_none() && options.local_port == 0 {
        return None;
    }
    let address = match (options.local_address, remote) {
        (Some(address), _) => address,
        (None, SocketAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
        (None, SocketAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
    };
    Some(match (address, remote) {
        (IpAddr::V6(address), SocketAddr::V6(remote)) if address.is_unicast_link_local() => {
            SocketAddrV6::new(address, options.local_port, 0, remote.scope_id()).into()
        }
        _ => SocketAddr::new(address, options.local_port),
    })
}
