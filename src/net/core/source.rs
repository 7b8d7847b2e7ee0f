//! The sources of the reactor, and the methods through which the reactor calls each kind.

use mio::event;

use crate::net::connect::Attempt;
use crate::net::connection::Connection;
use crate::net::datagram::Datagrams;
use crate::net::listener::{Listener, LoopAdmission};
use crate::net::outbox::Outbox;
use crate::net::values::Event;
use crate::reactor::{Handler, Registration};

use super::custom_source::CustomSource;

/// The limit on a connection's reads in a row while no other source waits: 256 KiB with the default buffer. Then a poll
/// looks for other ready sources (D6). A short read that clears the readiness ends the burst anyway.
const READ_BURST: u32 = 2;

/// The limit while other sources wait: a peer that never stops sending delays each of them by one read a turn.
const READ_BURST_BESIDE_OTHERS: u32 = 1;

#[derive(Debug)]
pub(crate) enum Source {
    /// A connection, inline because every message touches it.
    Connection(Connection),
    /// A listening socket. Boxed, because listeners are few and large.
    Listener(Box<Listener>),
    /// A connect to one address of a name. Several may race for one connection.
    Attempt(Box<Attempt>),
    /// A UDP socket. Boxed, because it is large, and a connection is the commonest source.
    Datagrams(Box<Datagrams>),
    /// A source of the program. Its object lies beside its handler, so that a callback can borrow both.
    Custom(CustomSource),
}

/// The resources of the loop, lent to each source while it is served.
#[derive(Debug)]
pub(crate) struct SharedResources<'a> {
    /// The read buffer. Empty in calls in which no source reads.
    pub(crate) buffer: &'a mut [u8],
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) loop_admission: &'a mut LoopAdmission,
}

impl Source {
    pub(crate) fn connection(&self) -> Option<&Connection> {
        match self {
            Self::Connection(connection) => Some(connection),
            Self::Listener(_) | Self::Attempt(_) | Self::Datagrams(_) | Self::Custom(_) => None,
        }
    }

    #[inline]
    pub(crate) fn connection_mut(&mut self) -> Option<&mut Connection> {
        match self {
            Self::Connection(connection) => Some(connection),
            Self::Listener(_) | Self::Attempt(_) | Self::Datagrams(_) | Self::Custom(_) => None,
        }
    }

    pub(crate) fn listener(&self) -> Option<&Listener> {
        match self {
            Self::Listener(listener) => Some(listener),
            Self::Connection(_) | Self::Attempt(_) | Self::Datagrams(_) | Self::Custom(_) => None,
        }
    }

    pub(crate) fn listener_mut(&mut self) -> Option<&mut Listener> {
        match self {
            Self::Listener(listener) => Some(listener),
            Self::Connection(_) | Self::Attempt(_) | Self::Datagrams(_) | Self::Custom(_) => None,
        }
    }

    pub(crate) fn datagrams(&self) -> Option<&Datagrams> {
        match self {
            Self::Datagrams(datagrams) => Some(datagrams),
            Self::Connection(_) | Self::Listener(_) | Self::Attempt(_) | Self::Custom(_) => None,
        }
    }

    #[inline]
    pub(crate) fn datagrams_mut(&mut self) -> Option<&mut Datagrams> {
        match self {
            Self::Datagrams(datagrams) => Some(datagrams),
            Self::Connection(_) | Self::Listener(_) | Self::Attempt(_) | Self::Custom(_) => None,
        }
    }

    pub(crate) fn custom(&self) -> Option<&CustomSource> {
        match self {
            Self::Custom(source) => Some(source),
            Self::Connection(_) | Self::Listener(_) | Self::Attempt(_) | Self::Datagrams(_) => None,
        }
    }

    pub(crate) fn custom_mut(&mut self) -> Option<&mut CustomSource> {
        match self {
            Self::Custom(source) => Some(source),
            Self::Connection(_) | Self::Listener(_) | Self::Attempt(_) | Self::Datagrams(_) => None,
        }
    }

    #[inline(never)]
    fn readable_slow_path(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut SharedResources<'_>,
    ) -> Option<Event> {
        match self {
            Self::Listener(listener) => {
                listener.on_readable(registration, resources.loop_admission)
            }
            Self::Custom(source) => Some(source.on_readable(registration)),
            Self::Connection(_) | Self::Datagrams(_) | Self::Attempt(_) => None,
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
            Self::Datagrams(datagrams) => datagrams
                .socket_mut()
                .map(|socket| socket as &mut dyn event::Source),
            // The owner of the object lends it for each registration (`Reactor::insert_lent`).
            Self::Custom(_) => None,
        }
    }

    // Always inlined: this is the only call between the poll and the read of every message.
    #[inline(always)]
    fn on_readable(
        &mut self,
        registration: &mut Registration<'_>,
        resources: &mut SharedResources<'_>,
    ) -> Option<Event> {
        if let Self::Connection(connection) = self {
            return connection.on_readable(registration, resources.buffer, resources.outbox);
        }
        if let Self::Datagrams(datagrams) = self {
            let registration = &mut registration.reborrow();
            return datagrams.on_readable(registration, resources.buffer, resources.outbox);
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
            Self::Datagrams(datagrams) => datagrams.on_writable(registration, resources.outbox),
            Self::Custom(source) => Some(source.on_writable(registration)),
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
            Self::Datagrams(datagrams) => datagrams.on_error(registration),
            Self::Custom(_) => {
                CustomSource::keep_error(registration);
                None
            }
            // A listener gets its error from its next `accept`, and an attempt in `on_writable`: for a failed connect,
            // the kernel reports writable as well.
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
        } else {
            #[cfg(feature = "udp-batch")]
            if let Self::Datagrams(datagrams) = self {
                datagrams.send_batch(registration, resources.outbox);
            }
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
            Self::Datagrams(datagrams) => datagrams.on_activated(),
            Self::Attempt(_) | Self::Custom(_) => None,
        }
    }

    fn on_deadline(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        match self {
            Self::Connection(connection) => connection.on_deadline(registration),
            Self::Listener(listener) => {
                listener.wake(registration);
                None
            }
            Self::Datagrams(datagrams) => {
                datagrams.on_deadline(registration);
                None
            }
            // The deadline is the time of the next try to register the object, after the kernel has refused.
            Self::Custom(_) => registration.take_rearm().then_some(Event::SourceUnarmed),
            Self::Attempt(_) => None,
        }
    }

    fn close_deregisters(&self) -> bool {
        matches!(self, Self::Connection(connection) if connection.close_deregisters())
    }

    fn burst_beside_others(&self) -> u32 {
        match self {
            Self::Connection(_) => READ_BURST_BESIDE_OTHERS,
            Self::Listener(_) | Self::Attempt(_) | Self::Datagrams(_) | Self::Custom(_) => {
                self.burst()
            }
        }
    }

    #[inline]
    fn burst(&self) -> u32 {
        match self {
            Self::Connection(_) => READ_BURST,
            Self::Listener(listener) => listener.accepts_per_turn(),
            Self::Datagrams(datagrams) => datagrams.receives_per_turn(),
            // For a source of the program, the burst goes on after each callback, in `end_lent_callback`.
            Self::Attempt(_) | Self::Custom(_) => 1,
        }
    }
}
