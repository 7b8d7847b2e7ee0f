//! The state machine of one connection. [`Outbound`] is the direction in which this side sends, [`Inbound`] the
//! direction in which the peer sends. [`Stage`] is the progress of the whole, from the lookup of a name to the close.
//!
//! A connection makes no callback: it returns an [`Event`](crate::net::values::Event), for the handler or for `Net`.
//! Received bytes reach the handler through [`serving`] only. Written bytes wait in the [outbox](crate::net::outbox),
//! and leave it for the kernel through [`outbound`] and `writing`.

mod activity;
mod close_progress;
mod closing;
mod cold;
mod connecting;
mod deadlines;
mod filtered;
mod handshaking;
mod held;
mod inbound;
mod notice;
mod outbound;
mod overflowing;
mod pace;
mod peer_address;
mod queue_wait;
mod requests;
mod retry;
mod sent_markers;
mod serving;
mod stage;
mod status;
mod time_limits;
mod transport;
mod unread;
mod writing;

use std::net::SocketAddr;
use std::rc::Rc;

use crate::net::connect::ConnectRace;
use crate::net::error::Error;
use crate::net::outbox::Outbox;
use crate::net::values::{CloseReason, SocketSettings};
use crate::reactor::{Interest, Key, Readiness, Registration};
use crate::system::Stream;

use activity::Activity;
use cold::ColdState;
use inbound::Inbound;
use outbound::{Outbound, OutboundState};
use stage::Stage;

pub(crate) use connecting::DialStep;
pub(crate) use deadlines::NextTry;
pub(crate) use notice::Notice;
pub(crate) use overflowing::Overflow;
pub(crate) use retry::Retries;
pub(crate) use time_limits::TimeLimitCounts;

/// One connection: a socket of the user, from the request to connect, the accept or the adoption until `on_close`.
// First the fields that every message touches: with the reactor's fields for this source they fill two cache lines.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Connection {
    /// The byte stream. Invariant: `Some` from the connect, the accept or the adoption until [`shut`](Connection::shut)
    /// or [`detach`](Connection::detach). A connection to a name gets it from the first attempt that succeeds. A
    /// connect that fails at once leaves `None`. Between the notice of an attempt and its connect, the attempt's socket
    /// is here, not connected yet. A simulation has no such socket.
    stream: Option<Stream>,
    inbound: Inbound,
    bytes_read: u64,
    activity: Activity,
    outbound: Outbound,
    /// The server that accepted this connection, if a server did. The server counts the connection until the reactor
    /// has removed this source.
    server: Option<Key>,
    stage: Stage,
    settings: Rc<SocketSettings>,
    cold: Option<Box<ColdState>>,
}

impl Connection {
    fn new(stage: Stage, stream: Option<Stream>, settings: Rc<SocketSettings>) -> Self {
        Self {
            stream,
            bytes_read: 0,
            activity: Activity::new(settings.limits.idle_timeout),
            outbound: Outbound::new(&settings),
            inbound: Inbound::new(settings.pause_on_connect),
            server: None,
            stage,
            settings,
            cold: None,
        }
    }

    pub(crate) fn looking_up(race: ConnectRace, settings: Rc<SocketSettings>) -> Self {
        let timeout = race.options.connect_timeout;
        let stage = Stage::LookingUp(Box::new(race));
        Self::new(stage, None, settings).with_connect_timeout(timeout)
    }

    /// A connection to an address or a path. `stream` connects to the path. It is `None` if that failed at once, and
    /// the caller then calls [`fail_unconnected`](Self::fail_unconnected). For an address it is `None` too, and the
    /// caller then calls [`announce`](Self::announce), or fails the connection.
    pub(crate) fn connecting(
        stream: Option<Stream>,
        peer: Option<SocketAddr>,
        timeout: Option<std::time::Duration>,
        settings: Rc<SocketSettings>,
    ) -> Self {
        let stage = Stage::Connecting(peer.into());
        Self::new(stage, stream, settings).with_connect_timeout(timeout)
    }

    /// A connection that is open from the start: `server` accepted it, or the user gave it to `adopt`. With filters,
    /// the caller puts their handshake first by [`set_accepted_filters`](Self::set_accepted_filters).
    pub(crate) fn established(
        stream: Stream,
        peer: Option<SocketAddr>,
        server: Option<Key>,
        settings: Rc<SocketSettings>,
    ) -> Self {
        Self {
            server,
            ..Self::new(Stage::Open(peer.into()), Some(stream), settings)
        }
    }

    /// A connection over a descriptor that can only be read, such as a pipe.
    #[cfg(unix)]
    pub(crate) fn input(stream: Stream, settings: Rc<SocketSettings>) -> Self {
        let mut input = Self::established(stream, None, None, settings);
        input.outbound.state = OutboundState::Finished;
        input
    }

    /// Returns the interest to register with.
    pub(crate) fn first_interest(&self) -> Interest {
        if self.stage.is_handshaking() {
            Interest::READABLE
        } else if self.stage.is_before_open() {
            Interest::WRITABLE
        } else if self.inbound.is_paused() {
            Interest::empty()
        } else {
            Interest::READABLE
        }
    }

    /// Returns the readiness to assume at registration. A new send buffer is empty, so the stream counts as writable
    /// without a report. If an adopted stream's buffer is full, the first write blocks, and clears the readiness.
    pub(crate) fn first_readiness(&self) -> Readiness {
        let is_connected = self.stage.is_open() || self.stage.is_handshaking();
        match is_connected && self.outbound.state == OutboundState::Open {
            true => Readiness::WRITABLE,
            false => Readiness::empty(),
        }
    }

    /// Whether a deadline of this connection may begin to count at its registration.
    pub(crate) fn counts_time(&self) -> bool {
        self.stage.is_before_open()
            || self.activity.idle_timeout().is_some()
            || self.limits_first_byte()
    }

    /// Starts to count time. Called once, right after the insertion into the reactor.
    pub(crate) fn begin(&mut self, registration: &mut Registration<'_>) {
        self.activity.start(registration.latest_tick());
        if self.stage.is_handshaking() {
            self.begin_accepted_handshake(registration);
        }
        if self.stream.as_ref().is_some_and(Stream::is_ready_at_first) {
            registration.assume(Readiness::READABLE);
        }
        if self.counts_time() {
            self.file_deadline(registration);
        }
    }

    /// Takes out the stream and the unsent bytes, for use outside of the loop, and closes the connection.
    pub(crate) fn detach(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Option<(Stream, Vec<u8>)> {
        if !self.can_be_detached() {
            return None;
        }
        let unsent = outbox.take_all(&mut self.outbound.unsent);
        self.close(CloseReason::Detached, registration);
        Some((self.stream.take()?, unsent))
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        self.stream.as_mut()
    }
}

// With pointers of 32 bits a connection is smaller.
#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_stays_small() {
        // `Stream` is larger in builds with debug assertions, so its size is added here and not written as a number.
        let front = size_of::<Option<Stream>>() + size_of::<Inbound>();
        assert_eq!(size_of::<Connection>(), front.next_multiple_of(8) + 120);
        // They lie in the padding behind the stream of a release build.
        assert_eq!(size_of::<Inbound>(), 4);
    }
}
