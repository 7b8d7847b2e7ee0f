//! The sources that live in the reactor, and the dispatch of its calls to them.

use mio::event::Source;

use crate::net::connect::Attempt;
use crate::net::connection::Connection;
use crate::net::listener::{Listener, Shortage};
use crate::net::outbox::{Broadcast, Gathered};
use crate::net::values::Event;
use crate::reactor::{Handler, Registration};
use crate::send_buffer::Pool;

/// How many connections a listener takes in a row before the next source is served.
const ACCEPT_BURST: u32 = 64;

/// How many full reads a connection does in a row, 2 MiB. A burst saves a poll for each of them on bulk transfers; a read
/// that is not full ends it anyway.
const READ_BURST: u32 = 16;

/// A source of this floor.
#[derive(Debug)]
pub(crate) enum Resident {
    /// One connection.
    Connection(Connection),
    /// One server; boxed, as there are few and they are large.
    Listener(Box<Listener>),
    /// One of several connects that race for a connection.
    Attempt(Box<Attempt>),
}

/// What a source is lent while it is served.
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    /// The one read buffer of the loop.
    pub(crate) buffer: &'a mut [u8],
    pub(crate) supplies: &'a mut Supplies,
}

/// What all sources use, and none has for itself.
#[derive(Debug)]
pub(crate) struct Supplies {
    /// Chunks for what is queued.
    pub(crate) pool: Pool,
    /// What several sockets are to be sent in this turn.
    pub(crate) broadcast: Broadcast,
    /// What the socket whose callback runs has written in it.
    pub(crate) gathered: Gathered,
    /// The shortage of descriptors, as the servers meet it.
    pub(crate) shortage: Shortage,
}

impl Resident {
    pub(crate) fn connection(&self) -> Option<&Connection> {
        match self {
            Self::Connection(connection) => Some(connection),
            Self::Listener(_) | Self::Attempt(_) => None,
        }
    }

    /// The connection, to change. Only who reads and replies, which leaves it as it is, goes by another way.
    #[inline]
    pub(crate) fn connection_mut(&mut self) -> Option<&mut Connection> {
        match self {
            Self::Connection(connection) => {
                connection.disturb();
                Some(connection)
            }
            Self::Listener(_) | Self::Attempt(_) => None,
        }
    }

    pub(crate) fn listener(&self) -> Option<&Listener> {
        match self {
            Self::Listener(listener) => Some(listener),
            Self::Connection(_) | Self::Attempt(_) => None,
        }
    }

    pub(crate) fn listener_mut(&mut self) -> Option<&mut Listener> {
        match self {
            Self::Listener(listener) => Some(listener),
            Self::Connection(_) | Self::Attempt(_) => None,
        }
    }
}

impl Resident {
    #[inline(never)]
    fn readable_rarely(
        &mut self,
        registration: &mut Registration<'_>,
        lent: &mut Lent<'_>,
    ) -> Option<Event> {
        match self {
            Self::Listener(listener) => {
                listener.readable(registration, &mut lent.supplies.shortage)
            }
            Self::Connection(_) | Self::Attempt(_) => None,
        }
    }
}

impl Handler for Resident {
    type Event = Event;
    type Lent<'a> = Lent<'a>;

    fn source(&mut self) -> Option<&mut dyn Source> {
        match self {
            Self::Connection(connection) => connection
                .stream_mut()
                .map(|stream| stream as &mut dyn Source),
            Self::Listener(listener) => listener
                .acceptor_mut()
                .map(|acceptor| acceptor as &mut dyn Source),
            Self::Attempt(attempt) => Some(&mut attempt.stream),
        }
    }

    // Always: it is the one call between the poll and a read, and has one caller.
    #[inline(always)]
    fn readable(
        &mut self,
        registration: &mut Registration<'_>,
        lent: &mut Lent<'_>,
    ) -> Option<Event> {
        if let Self::Connection(connection) = self {
            return connection.readable(registration, lent);
        }
        self.readable_rarely(&mut registration.reborrow(), lent)
    }

    fn writable(
        &mut self,
        registration: &mut Registration<'_>,
        lent: &mut Lent<'_>,
    ) -> Option<Event> {
        match self {
            Self::Connection(connection) => {
                connection.disturb();
                connection.writable(registration, lent)
            }
            Self::Attempt(attempt) => attempt.writable(registration),
            Self::Listener(_) => None,
        }
    }

    fn closed(
        &mut self,
        registration: &mut Registration<'_>,
        _lent: &mut Lent<'_>,
    ) -> Option<Event> {
        match self {
            Self::Connection(connection) => {
                connection.disturb();
                connection.closed(registration)
            }
            // What is wrong with a listener is told by accept, when its rest is over; an attempt is writable then.
            Self::Listener(_) | Self::Attempt(_) => None,
        }
    }

    #[inline]
    fn flush(&mut self, registration: &mut Registration<'_>, lent: &mut Lent<'_>) {
        if let Self::Connection(connection) = self {
            connection.disturb();
            connection.flush_all(registration, lent.supplies);
        }
    }

    fn attend(&mut self, _registration: &mut Registration<'_>) -> Option<Event> {
        match self {
            Self::Connection(connection) => connection.attend(),
            Self::Listener(listener) => listener.attend(),
            Self::Attempt(_) => None,
        }
    }

    fn elapsed(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        match self {
            Self::Connection(connection) => {
                connection.disturb();
                connection.elapsed(registration)
            }
            Self::Listener(listener) => {
                listener.wake(registration);
                None
            }
            Self::Attempt(_) => None,
        }
    }

    fn close_deregisters(&self) -> bool {
        matches!(self, Self::Connection(connection) if connection.close_deregisters())
    }

    #[inline]
    fn burst(&self) -> u32 {
        match self {
            Self::Connection(_) => READ_BURST,
            Self::Listener(_) => ACCEPT_BURST,
            Self::Attempt(_) => 1,
        }
    }
}
