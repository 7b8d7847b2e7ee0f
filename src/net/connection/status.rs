//! The getters of a connection, for the views and the reactor.

use std::net::SocketAddr;
use std::time::Duration;

use crate::net::values::{CloseReason, KeepAlive, SocketSettings, State};
use crate::reactor::Key;
use crate::system::Stream;

use super::Connection;
use super::outbound::OutboundState;
use super::stage::Stage;

impl Connection {
    pub(crate) fn state(&self) -> State {
        if self.stage.is_before_open() {
            return State::Opening;
        }
        let is_writable = self.outbound.state == OutboundState::Open;
        match (self.stage.is_open(), self.inbound.has_ended(), is_writable) {
            (true, false, true) => State::Open,
            (true, false, false) => State::ReadOnly,
            (true, true, true) => State::WriteOnly,
            (true, true, false) | (false, ..) => State::Closed,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.stage.is_closed()
    }

    /// Whether the handler is being told the last events of the connection, or was told.
    pub(crate) fn is_shut(&self) -> bool {
        matches!(self.stage, Stage::Closed { is_shut: true, .. })
    }

    /// Whether the connection accepts writes. A limit on queued bytes may still refuse one.
    pub(crate) fn is_writable(&self) -> bool {
        !self.stage.is_closed()
            && self.outbound.state == OutboundState::Open
            && !self.outbound.has_failed()
    }

    pub(crate) fn is_opening(&self) -> bool {
        self.stage.is_before_open()
    }

    /// Whether the stream is not connected yet.
    pub(crate) fn is_connecting(&self) -> bool {
        self.stage.is_before_open() && !self.stage.is_handshaking()
    }

    pub(crate) fn has_finished(&self) -> bool {
        self.outbound.state == OutboundState::Finished
    }

    /// Still `true` after the close.
    pub(crate) fn has_peer_ended(&self) -> bool {
        self.inbound.has_ended()
    }

    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        match self.stage {
            Stage::Closed { reason, .. } => Some(reason),
            _ => None,
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.inbound.is_paused()
    }

    pub(crate) fn owes_drain(&self) -> bool {
        self.outbound.owes_drain()
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Of a refused write, only the bytes that the kernel has taken count. Gathered bytes do not count yet.
    pub(crate) fn bytes_written(&self) -> u64 {
        self.outbound.unsent.written()
    }

    /// The written bytes that the kernel has not taken, or that are lost. Gathered bytes do not count yet.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.outbound.unsent.len() + self.lost_bytes()
    }

    /// The number of bytes that were written and that the kernel may still take.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.outbound.unsent.len()
    }

    /// The address of the peer, once the stream is connected, and also after the close.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match self.stage {
            Stage::Handshaking(_) | Stage::Open(_) | Stage::Closed { .. } => self.stage.address(),
            Stage::LookingUp(_) | Stage::Racing(_) | Stage::Connecting(_) => None,
        }
    }

    pub(super) fn open_stream(&self) -> Option<&Stream> {
        let is_connected = self.stage.is_open() || self.stage.is_handshaking();
        self.stream.as_ref().filter(|_| is_connected)
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.open_stream()?.local_address().ok().flatten()
    }

    pub(crate) fn type_of_service(&self) -> Option<u8> {
        match self.open_stream() {
            Some(stream) => u8::try_from(stream.type_of_service().ok().flatten()?).ok(),
            None => self.settings.type_of_service.filter(|_| self.may_be_tcp()),
        }
    }

    /// Whether the user can take the stream out as a socket of the standard library. Such a socket would have neither
    /// the unread bytes nor a held failure.
    pub(crate) fn can_be_detached(&self) -> bool {
        self.open_stream().is_some_and(Stream::is_standard)
            && !self.outbound.has_failed()
            && !self.has_unread()
            && !self.has_filters()
    }

    /// The stream, from its creation until the close, also before its connect and during it.
    pub(crate) fn live_stream(&self) -> Option<&Stream> {
        // While the address of a name is being chosen, the socket of an attempt is not the stream yet.
        let stream = self.stream.as_ref();
        stream.filter(|_| !self.stage.is_closed() && !self.is_choosing_address())
    }

    /// Whether closing the descriptor also removes the socket from the kernel's poll set. Some systems do so for an
    /// accepted socket whose descriptor the user never borrowed.
    pub(crate) fn close_deregisters(&self) -> bool {
        self.server.is_some() && self.stream.as_ref().is_some_and(Stream::close_deregisters)
    }

    pub(crate) fn server(&self) -> Option<Key> {
        self.server
    }

    pub(crate) fn idle_timeout(&self) -> Option<Duration> {
        self.activity.idle_timeout()
    }

    /// Whether TCP_NODELAY is set, or will be once the stream is connected. `false` if the stream is not TCP.
    pub(crate) fn no_delay(&self) -> bool {
        self.settings.no_delay && self.may_be_tcp()
    }

    pub(crate) fn keep_alive(&self) -> Option<KeepAlive> {
        self.settings
            .limits
            .keep_alive
            .filter(|_| self.may_be_tcp())
    }

    /// Whether the stream is TCP, was TCP until the close, or would become TCP.
    pub(super) fn may_be_tcp(&self) -> bool {
        match (&self.stage, &self.stream) {
            (Stage::Closed { may_be_tcp, .. }, _) => *may_be_tcp,
            (_, Some(stream)) => stream.can_be_reset(),
            // A path whose connect has failed at once has neither an address nor a stream.
            (Stage::Connecting(peer), None) => peer.address().is_some(),
            (_, None) => true,
        }
    }

    pub(crate) fn settings(&self) -> &SocketSettings {
        &self.settings
    }

    pub(super) fn is_read_once_a_report(&self) -> bool {
        let stream = self.stream.as_ref();
        stream.is_some_and(Stream::is_read_once_a_report)
    }

    pub(crate) fn is_input(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_input)
    }
}
