//! The sources that live in the reactor, and the dispatch of its calls to them.

use mio::event;

use crate::net::connect::Attempt;
use crate::net::connection::Connection;
use crate::net::listener::{DescriptorExhaustion, Listener};
use crate::net::outbox::Outbox;
use crate::net::values::Event;
use crate::reactor::{Handler, Registration};

/// The number of connections that a listener takes in a row before the next source is served.
const ACCEPT_BURST: u32 = 64;

/// The number of full reads that a connection does in a row, 2 MiB. A burst saves a poll for each of them on bulk
/// transfers; a read that is not full ends it anyway.
const READ_BURST: u32 = 16;

/// A source that the reactor serves.
#[derive(Debug)]
pub(crate) enum Source {
    /// One connection.
    Connection(Connection),
    /// One server; boxed, as there are few and they are large.
    Listener(Box<Listener>),
    /// One of several connects that race for a connection.
    Attempt(Box<Attempt>),
}

/// The resources that the sources of a loop share, lent to each one while it is served.
#[derive(Debug)]
pub(crate) struct SharedResources<'a> {
    /// The one read buffer of the loop; empty where nothing is read.
    pub(crate) buffer: &'a mut [u8],
    pub(crate) outbox: &'a mut Outbox,
    /// The shortage of descriptors, as the servers meet it.
    pub(crate) exhaustion: &'a mut DescriptorExhaustion,
}

impl Source {
    pub(crate) fn connection(&self) -> Option<&Connection> {
        match self {
            Self::Connection(connection) => Some(connection),
            Self::Listener(_) | Self::Attempt(_) => None,
        }
    }

    #[inline]
    pub(crate) fn connection_mut(&mut self) -> Option<&mut Connection> {
        match self {
            Self::Connection(connection) => Some(connection),
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

impl Source {
    #[inline(never)]
    fn readable_slow_path(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut SharedResources<'_>,
    ) -> Option<Event> {
        match self {
            Self::Listener(listener) => listener.on_readable(registration, resources.exhaustion),
            Self::Connection(_) | Self::Attempt(_) => None,
        }
    }
}

impl Handler for Source {
    type Event = Event;
    type Resources<'a> = SharedResources<'a>;

    fn source(&mut self) -> Option<&mut dyn event::Source> {
        match self {
            Self::Connection(connection) => connection
                .stream_mut()
                .map(|stream| stream as &mut dyn event::Source),
            Self::Listener(listener) => listener
                .acceptor_mut()
                .map(|acceptor| acceptor as &mut dyn event::Source),
            Self::Attempt(attempt) => Some(&mut attempt.stream),
        }
    }

    // Always: it is the one call between the poll and a read, and has one caller.
    #[inline(always)]
    fn on_readable(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut SharedResources<'_>,
    ) -> Option<Event> {
        if let Self::Connection(connection) = self {
            return connection.on_readable(registration, resources.buffer, resources.outbox);
        }
        self.readable_slow_path(&mut registration.reborrow(), resources)
    }

    fn on_writable(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut SharedResources<'_>,
    ) -> Option<Event> {
        match self {
            Self::Connection(connection) => connection.on_writable(registration, resources.outbox),
            Self::Attempt(attempt) => attempt.on_writable(registration),
            Self::Listener(_) => None,
        }
    }

    fn on_error(
        &mut self,
        registration: &mut Registration<'_>,
        _resources: &mut SharedResources<'_>,
    ) -> Option<Event> {
        match self {
            Self::Connection(connection) => connection.on_error(registration),
            // The error of a listener is told by accept, when its pause is over; an attempt is writable then.
            Self::Listener(_) | Self::Attempt(_) => None,
        }
    }

    #[inline]
    fn on_flush(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut SharedResources<'_>,
    ) {
        if let Self::Connection(connection) = self {
            connection.flush(registration, resources.outbox);
        }
    }

    fn on_activated(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut SharedResources<'_>,
    ) -> Option<Event> {
        match self {
            Self::Connection(connection) => {
                connection.on_activated(registration, resources.buffer, resources.outbox)
            }
            Self::Listener(listener) => listener.on_activated(),
            Self::Attempt(_) => None,
        }
    }

    fn on_deadline(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        match self {
            Self::Connection(connection) => connection.on_deadline(registration),
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
