//! The state of a UDP socket, as its view and the statistics ask for it.

use std::net::SocketAddr;

use crate::net::error::{Error, Result, Syscall};
use crate::net::values::Endpoint;

use super::{Datagrams, Stage, not_running};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DatagramCounts {
    pub(crate) received: u64,
    pub(crate) received_bytes: u64,
    pub(crate) sent: u64,
    /// The datagrams that were never sent, because of a limit on queued bytes, a refusal, an error, or a close.
    pub(crate) dropped: u64,
    /// The received datagrams that the block list has discarded.
    pub(crate) blocked: u64,
    pub(crate) truncated: u64,
    pub(crate) errors: u64,
}

impl DatagramCounts {
    pub(crate) fn add(&mut self, other: Self) {
        self.received += other.received;
        self.received_bytes += other.received_bytes;
        self.sent += other.sent;
        self.dropped += other.dropped;
        self.blocked += other.blocked;
        self.truncated += other.truncated;
        self.errors += other.errors;
    }
}

impl Datagrams {
    /// Whether the socket is closed, also if its `on_close` is still to come.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closing(_) | Stage::Closed)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(crate) fn asked(&self) -> &Endpoint {
        &self.asked
    }

    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    #[cfg(feature = "udp-batch")]
    pub(crate) fn remaining_in_batch(&self) -> usize {
        self.batch.len()
    }

    #[cfg(feature = "udp-batch")]
    pub(crate) fn packet_info(&self) -> crate::system::PacketInfo {
        self.last_info
    }

    pub(crate) fn counts(&self) -> DatagramCounts {
        self.counts
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.bytes()
    }

    pub(crate) fn queued_datagrams(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn receives_per_turn(&self) -> u32 {
        self.receives_per_turn
    }

    pub(crate) fn can_be_detached(&self) -> bool {
        self.socket().is_some_and(crate::system::Udp::is_standard)
    }

    /// Returns the size in bytes; `None` in a simulation.
    pub(crate) fn receive_buffer_size(&self) -> Result<Option<usize>> {
        let socket = self.socket().ok_or_else(not_running)?;
        let size = socket.receive_buffer();
        size.map_err(|error| Error::new(Syscall::SetOption, error))
    }

    pub(crate) fn send_buffer_size(&self) -> Result<Option<usize>> {
        let socket = self.socket().ok_or_else(not_running)?;
        let size = socket.send_buffer();
        size.map_err(|error| Error::new(Syscall::SetOption, error))
    }
}
