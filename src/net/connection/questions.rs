//! What can be asked of a connection.

use std::net::SocketAddr;
use std::time::Duration;

use crate::reactor::Key;
use crate::system::Stream;

use super::{Connection, Facts, Inbound, KeepAlive, Outbound, SocketOptions, Stage, State};

impl Connection {
    pub(crate) fn state(&self) -> State {
        match (self.stage, self.inbound, self.outbound) {
            (Stage::Connecting, ..) => State::Opening,
            (Stage::Open, Inbound::Open, Outbound::Open) => State::Open,
            (Stage::Open, Inbound::Open, _) => State::ReadOnly,
            (Stage::Open, Inbound::Ended, Outbound::Open) => State::WriteOnly,
            (Stage::Open, Inbound::Ended, _) | (Stage::Closed, ..) => State::Closed,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.stage == Stage::Closed
    }

    /// Whether a write would be taken.
    pub(crate) fn is_writable(&self) -> bool {
        self.stage != Stage::Closed && self.outbound == Outbound::Open && !self.has_failed()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    #[inline]
    pub(crate) fn owes_drain(&self) -> bool {
        self.facts.contains(Facts::OWES_DRAIN)
    }

    #[inline]
    pub(super) fn is_corked(&self) -> bool {
        self.facts.contains(Facts::IS_CORKED)
    }

    /// Whether it has met a fatal error, told or not.
    #[inline]
    pub(super) fn has_failed(&self) -> bool {
        self.facts.contains(Facts::HAS_FAILED)
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    pub(crate) fn bytes_written(&self) -> u64 {
        self.bytes_written + self.part.len() as u64
    }

    /// What no kernel has taken: still to be sent, or lost with the close.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.len() + self.part.len() + self.lost_bytes()
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match self.stage {
            Stage::Connecting => None,
            _ => self.peer.address(),
        }
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match (&self.stream, self.stage) {
            (Some(stream), Stage::Open) => stream.local_address().ok().flatten(),
            _ => None,
        }
    }

    pub(crate) fn type_of_service(&self) -> Option<u8> {
        match (&self.stream, self.stage) {
            (Some(stream), Stage::Open) => {
                let value = stream.type_of_service().ok().flatten()?;
                u8::try_from(value).ok()
            }
            _ => self.options.type_of_service,
        }
    }

    /// Whether its stream can be given away as one of the standard library.
    pub(crate) fn can_be_detached(&self) -> bool {
        self.stage == Stage::Open
            && self.stream.as_ref().is_some_and(Stream::is_standard)
            && !self.has_failed()
    }

    /// The stream, from its first moment to the close.
    pub(crate) fn live_stream(&self) -> Option<&Stream> {
        match self.stage {
            Stage::Connecting | Stage::Open => self.stream.as_ref(),
            Stage::Closed => None,
        }
    }

    /// Whether to close its descriptor is all that it takes to end it: it was accepted here and was never lent, so there
    /// is no other descriptor of its socket.
    pub(crate) fn close_deregisters(&self) -> bool {
        self.server.is_some()
            && !self.is_lent()
            && self.stream.as_ref().is_some_and(Stream::close_deregisters)
    }

    pub(crate) fn server(&self) -> Option<Key> {
        self.server
    }

    pub(crate) fn idle_timeout(&self) -> Option<Duration> {
        self.idle_ns.map(|idle| Duration::from_nanos(idle.get()))
    }

    /// Whether TCP_NODELAY is or will be set; false for what is not TCP.
    pub(crate) fn no_delay(&self) -> bool {
        self.options.no_delay && self.may_be_tcp()
    }

    /// The keep-alive that is or will be set; `None` for what is not TCP.
    pub(crate) fn keep_alive(&self) -> Option<KeepAlive> {
        self.options.keep_alive.filter(|_| self.may_be_tcp())
    }

    /// Whether it is TCP, or will be: only names are dialed without a stream, and only to TCP.
    fn may_be_tcp(&self) -> bool {
        self.stream.as_ref().is_none_or(Stream::can_be_reset)
    }

    pub(crate) fn options(&self) -> &SocketOptions {
        &self.options
    }

    pub(super) fn reads_may_block(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::reads_may_block)
    }

    pub(super) fn is_input(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_input)
    }
}
