//! The state machine of one connection: two half machines, and what happens when both have come to their end.
//!
//! A connection knows nothing of handlers and makes no callback. It reads, writes and shuts down through the seam,
//! keeps its registration up to date, and returns what happened as an [`Event`](crate::net::values::Event).
//!
//! Bytes come in at one place ([`serving`]) and leave at one place ([`outbound`]), through the
//! [outbox](crate::net::outbox).

mod activity;
mod closing;
mod cold;
mod connecting;
mod deadlines;
mod inbound;
mod notice;
mod outbound;
mod peer_address;
mod requests;
mod sent_markers;
mod serving;
mod stage;
mod status;
mod unread;
mod writing;

use std::net::SocketAddr;
use std::rc::Rc;

use crate::net::connect::Dial;
use crate::net::error::Error;
use crate::net::outbox::Outbox;
use crate::net::values::{CloseReason, SocketOptions};
use crate::reactor::{Interest, Key, Readiness, Registration};
use crate::system::Stream;

use activity::Activity;
use cold::ColdState;
use inbound::Inbound;
use outbound::{Outbound, OutboundState};
use stage::Stage;

pub(crate) use notice::Notice;

/// One connection.
// In this order: the fields that a message touches come first, so that with those of the reactor they lie in two cache
// lines.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Connection {
    /// Invariant: `Some` until the close phase, unless the name is not connected yet or the connect failed at once.
    stream: Option<Stream>,
    inbound: Inbound,
    bytes_read: u64,
    activity: Activity,
    outbound: Outbound,
    /// The server that accepted it, which counts it.
    server: Option<Key>,
    stage: Stage,
    options: Rc<SocketOptions>,
    cold: Option<Box<ColdState>>,
}

impl Connection {
    fn new(stage: Stage, stream: Option<Stream>, options: Rc<SocketOptions>) -> Self {
        Self {
            stream,
            bytes_read: 0,
            activity: Activity::new(options.idle_timeout),
            outbound: Outbound::new(&options),
            inbound: Inbound::new(options.pause_on_connect),
            server: None,
            stage,
            options,
            cold: None,
        }
    }

    /// A connection to a name that is being looked up.
    pub(crate) fn looking_up(dial: Dial, options: Rc<SocketOptions>) -> Self {
        let timeout = dial.options.connect_timeout;
        let stage = Stage::LookingUp(Box::new(dial));
        Self::new(stage, None, options).with_connect_timeout(timeout)
    }

    /// A connection to an address or a path under way; without a stream it is one that cannot be made.
    pub(crate) fn connecting(
        stream: Option<Stream>,
        peer: Option<SocketAddr>,
        timeout: Option<std::time::Duration>,
        options: Rc<SocketOptions>,
    ) -> Self {
        let stage = Stage::Connecting(peer.into());
        Self::new(stage, stream, options).with_connect_timeout(timeout)
    }

    /// A connection that a server accepted, or that was adopted: it is there already.
    pub(crate) fn established(
        stream: Stream,
        peer: Option<SocketAddr>,
        server: Option<Key>,
        options: Rc<SocketOptions>,
    ) -> Self {
        Self {
            server,
            ..Self::new(Stage::Open(peer.into()), Some(stream), options)
        }
    }

    /// A descriptor that can only be read: its outbound half was never open.
    #[cfg(unix)]
    pub(crate) fn input(stream: Stream, options: Rc<SocketOptions>) -> Self {
        let mut input = Self::established(stream, None, None, options);
        input.outbound.state = OutboundState::Finished;
        input
    }

    /// The interest that it is registered with.
    pub(crate) fn first_interest(&self) -> Interest {
        if self.stage.is_before_open() {
            Interest::WRITABLE
        } else if self.inbound.is_paused {
            Interest::empty()
        } else {
            Interest::READABLE
        }
    }

    /// The readiness that needs no news of the kernel: a fresh socket has an empty send buffer.
    pub(crate) fn first_readiness(&self) -> Readiness {
        match self.stage.is_open() && self.outbound.state == OutboundState::Open {
            true => Readiness::WRITABLE,
            false => Readiness::empty(),
        }
    }

    /// Whether a deadline is counted from its beginning.
    pub(crate) fn counts_time(&self) -> bool {
        self.stage.is_before_open() || self.activity.idle_timeout().is_some()
    }

    /// Starts its clocks; once, right after it was registered.
    pub(crate) fn begin(&mut self, registration: &mut Registration<'_>) {
        self.activity.start(registration.latest_tick());
        if self.stream.as_ref().is_some_and(Stream::is_always_readable) {
            registration.assume(Readiness::READABLE);
        }
        self.file_deadline(registration);
    }

    /// Gives its stream away, with the unsent bytes; the connection is over then.
    pub(crate) fn detach(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Option<(Stream, Vec<u8>)> {
        if !self.can_be_detached() {
            return None;
        }
        let stream = self.stream.take()?;
        let unsent = outbox.take_all(&mut self.outbound.unsent);
        self.close(CloseReason::Detached, registration);
        Some((stream, unsent))
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        self.stream.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_stays_small() {
        // The stream is larger where debug assertions are on.
        let front = size_of::<Option<Stream>>() + size_of::<Inbound>();
        assert_eq!(size_of::<Connection>(), front.next_multiple_of(8) + 120);
    }
}
