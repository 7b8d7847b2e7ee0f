//! The questions that a socket answers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::net::connection::Connection;
use crate::net::values::{ServerId, State};

use super::Socket;

/// Questions.
impl Socket<'_> {
    /// What the socket can still do.
    pub fn state(&self) -> State {
        self.connection().map_or(State::Closed, Connection::state)
    }

    /// Whether it is closed or about to be, or the id is dead.
    pub fn is_destroyed(&self) -> bool {
        self.connection().is_none_or(Connection::is_closed)
    }

    /// Whether a write would be taken.
    pub fn is_writable(&self) -> bool {
        self.connection().is_some_and(Connection::is_writable)
    }

    /// Whether reading is paused.
    pub fn is_paused(&self) -> bool {
        self.connection().is_some_and(Connection::is_paused)
    }

    /// Whether a write has answered [`Flow::Full`] and `on_drain` is still to come.
    pub fn needs_drain(&self) -> bool {
        self.connection().is_some_and(Connection::owes_drain)
    }

    /// Whether it is a reason for [`run`](crate::EventLoop::run) to go on.
    pub fn is_held(&self) -> bool {
        self.net.is_held(self.id.0)
    }

    /// How many bytes were received; those that `on_data` is being called with are among them. Kept until after
    /// `on_close`.
    pub fn bytes_read(&self) -> u64 {
        self.connection().map_or(0, Connection::bytes_read)
    }

    /// How many bytes writes have accepted, those that are still queued included. Kept until after `on_close`.
    pub fn bytes_written(&self) -> u64 {
        let gathered = self.net.gathered_bytes(self.id) as u64;
        let written = self.connection().map_or(0, Connection::bytes_written);
        written + gathered
    }

    /// How many bytes no kernel has taken. Within `on_close`: how many were lost.
    pub fn queued_bytes(&self) -> usize {
        let queued = self.connection().map_or(0, Connection::queued_bytes);
        queued + self.net.gathered_bytes(self.id)
    }

    /// The address at this end; `None` before the connection exists, after it has closed, and for what has none. It
    /// is asked of the system (`getsockname(2)`).
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.connection().and_then(Connection::local_address)
    }

    /// The address at the other end, as accept or connect told it: kept until after `on_close`. `None` before the
    /// connection exists, and for what has none.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.connection().and_then(Connection::peer)
    }

    /// Returns the path at this end, if this is a Unix socket that is bound to one: for a socket that was accepted, the
    /// path that its server listens on. It is asked of the system (`getsockname(2)`); `None` after the close.
    #[doc(alias = "address")]
    pub fn local_path(&self) -> Option<PathBuf> {
        self.connection()?.live_stream()?.local_path()
    }

    /// Returns the path at the other end, if this is a Unix socket that is bound to one: for a socket that connected, the
    /// path that it connected to. A client seldom has one. It is asked of the system (`getpeername(2)`); `None` after the
    /// close.
    pub fn peer_path(&self) -> Option<PathBuf> {
        self.connection()?.live_stream()?.peer_path()
    }

    /// The type of service or traffic class: what the system has, or before there is a connection what was set.
    pub fn type_of_service(&self) -> Option<u8> {
        self.connection().and_then(Connection::type_of_service)
    }

    /// The addresses that were tried, in this order, if the name had several; the last one of a socket that is
    /// connected may not be the one that won, as attempts overlap. Node's `autoSelectFamilyAttemptedAddresses`.
    pub fn attempted_addresses(&self) -> Vec<SocketAddr> {
        self.connection()
            .and_then(Connection::dial)
            .map_or_else(Vec::new, |dial| dial.attempted())
    }

    /// The name that is or was connected to; `None` if it was an address.
    pub(crate) fn host(&self) -> Option<String> {
        Some(self.connection()?.dial()?.host().to_owned())
    }

    /// The server that accepted the socket; `None` for a socket that connected.
    pub fn accepted_by(&self) -> Option<ServerId> {
        self.connection().and_then(Connection::server).map(ServerId)
    }

    /// The idle timeout that is set.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.connection().and_then(Connection::idle_timeout)
    }

    /// Whether this side stays open when the peer ends.
    pub fn allows_half_open(&self) -> bool {
        self.connection()
            .is_some_and(|connection| connection.options().allow_half_open)
    }

    /// The mark from which on a write answers [`Flow::Full`].
    pub fn high_water_mark(&self) -> usize {
        self.connection()
            .map_or(0, |connection| connection.options().high_water_mark)
    }
}
