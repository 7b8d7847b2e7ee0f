//! The counters of the net, for the statistics of the loop.

use std::time::Instant;

use crate::net::connect::{LookupCounts, PendingLookups};
use crate::net::connection::TimeLimitCounts;
use crate::net::datagram::DatagramCounts;
use crate::net::values::AcceptLimit;

use super::Net;

#[derive(Clone, Copy, Debug)]
pub(crate) struct NetCounts {
    pub(crate) turns: u64,
    pub(crate) polls: u64,
    /// The number of events of sources that the kernel has reported.
    pub(crate) reports: u64,
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) accepted: u64,
    /// The refused connections, by the limit that refused them.
    pub(crate) refused: [u64; AcceptLimit::ALL.len()],
    pub(crate) dropped_blocked: u64,
    pub(crate) descriptor_shortages: u64,
    pub(crate) time_limits: TimeLimitCounts,
    pub(crate) closed_over_total: u64,
    pub(crate) pressures: u64,
    /// The connections one of whose filters has panicked.
    pub(crate) panicked_filters: u64,
    pub(crate) lookups: LookupCounts,
    pub(crate) sockets: usize,
    pub(crate) servers: usize,
    pub(crate) datagram_sockets: usize,
    pub(crate) datagrams: DatagramCounts,
    pub(crate) queued_bytes: usize,
}

/// The counters that no other part of the net keeps.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    pub(super) refused: [u64; AcceptLimit::ALL.len()],
    pub(super) dropped_blocked: u64,
    pub(super) time_limits: TimeLimitCounts,
    /// The sockets that were closed because all sockets together had too many unsent bytes.
    pub(super) closed_over_total: u64,
    /// The bytes that removed connections had received. Each live connection counts its own.
    pub(super) received_before: u64,
    /// The removed connections one of whose filters has panicked.
    pub(super) panicked_filters_before: u64,
    /// The counters of removed UDP sockets.
    pub(super) datagrams_before: DatagramCounts,
}

impl Net {
    /// Returns the counters. Walks over all sockets.
    pub(crate) fn counts(&self) -> NetCounts {
        let (datagrams, queued_datagram_bytes) = self.datagram_counts();
        let mut counts = NetCounts {
            turns: self.loop_admission.turns(),
            polls: self.reactor.polls(),
            reports: self.reactor.events(),
            bytes_received: self.tally.received_before + datagrams.received_bytes,
            bytes_sent: self.outbox.sent_bytes(),
            accepted: self.tally.accepted,
            refused: self.tally.refused,
            dropped_blocked: self.tally.dropped_blocked,
            descriptor_shortages: self.loop_admission.shortages(),
            time_limits: self.tally.time_limits,
            closed_over_total: self.tally.closed_over_total,
            pressures: self.outbox.pressures(),
            panicked_filters: self.tally.panicked_filters_before,
            lookups: self
                .lookups
                .as_ref()
                .map(PendingLookups::counts)
                .unwrap_or_default(),
            sockets: 0,
            servers: self.server_count(),
            datagram_sockets: self.datagram_ids().len(),
            datagrams,
            queued_bytes: queued_datagram_bytes,
        };
        for (_, source) in self.reactor.iter() {
            if let Some(connection) = source.connection() {
                counts.sockets += 1;
                counts.bytes_received += connection.bytes_read();
                counts.panicked_filters += u64::from(connection.has_panicked_filter());
                // The unsent bytes of a closed connection are lost, and no longer wait for the kernel. The bytes that a
                // failed connection has lost do not count either.
                if !connection.is_closed() {
                    counts.queued_bytes += connection.unsent_bytes();
                }
            }
        }
        counts.queued_bytes += self.outbox.gathered_bytes();
        counts
    }

    /// Returns when the timer or deadline was due that [`next_elapsed`](Self::next_elapsed) took last.
    pub(crate) fn last_due(&self) -> Option<Instant> {
        self.reactor.last_due()
    }

    /// Whether the last poll could sleep: its timeout was not zero.
    pub(crate) fn could_wait(&self) -> bool {
        self.reactor.could_wait()
    }

    pub(crate) fn carried_over(&self) -> u64 {
        self.reactor.ready() as u64
    }
}
