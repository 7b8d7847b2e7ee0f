//! The time after which a kernel gives up a connection whose peer does not answer. The simulation sends neither
//! retransmissions nor probes: a packet that gets through is acknowledged. When a partition or a crash holds packets
//! back, the simulation queues a timer for the moment at which the kernel gives up. If packets get through before that
//! moment, the timer has no effect.

use std::time::Duration;

use crate::system::options::KeepAliveTimes;

use super::clock::nanoseconds;

/// The defaults of Linux: tcp_keepalive_time, tcp_keepalive_intvl and tcp_keepalive_probes.
const IDLE: Duration = Duration::from_secs(7200);
const INTERVAL: Duration = Duration::from_secs(75);
const PROBES: u32 = 9;

/// The retransmission and keep-alive timeouts of a socket. All times are nanoseconds since the simulation began.
#[derive(Debug, Default)]
pub(super) struct PeerTimeouts {
    /// The time at which the last packet of the peer arrived.
    last_heard: u64,
    /// The times of the keep-alive probes; `None` without SO_KEEPALIVE.
    keep_alive: Option<KeepAliveTimes>,
    /// The time at which retransmission ends. Invariant: `Some` while a partition or a crash holds back bytes or a FIN
    /// of this socket, or their acknowledgement.
    retransmission_ends: Option<u64>,
    /// The time at which probing ends. Invariant: `Some` while the socket has SO_KEEPALIVE and a partition or a crash
    /// keeps it from its peer.
    probing_ends: Option<u64>,
}

impl PeerTimeouts {
    /// Whether the socket gives up at the time `at`. As on Linux, a socket that retransmits sends no probes.
    pub(super) fn ends_at(&self, at: u64) -> bool {
        match self.retransmission_ends {
            Some(end) => end == at,
            None => self.probing_ends == Some(at),
        }
    }

    pub(super) fn set_keep_alive(&mut self, times: Option<KeepAliveTimes>) {
        self.keep_alive = times;
        self.probing_ends = None;
    }

    /// Notes that a packet of the peer has arrived, which acknowledges all sent packets.
    pub(super) fn on_heard(&mut self, now: u64) {
        self.last_heard = now;
        self.retransmission_ends = None;
    }

    /// Notes that a packet of this socket is held back. If retransmission begins now, sets its end, and returns `end`.
    pub(super) fn on_held(&mut self, end: u64) -> Option<u64> {
        if self.retransmission_ends.is_some() {
            return None;
        }
        self.retransmission_ends = Some(end);
        Some(end)
    }

    /// Notes that the socket and its peer reach each other: the peer answers, which ends both timeouts.
    pub(super) fn on_reachable(&mut self, now: u64) {
        let was_probing = self.probing_ends.take().is_some();
        if self.retransmission_ends.take().is_some() || was_probing {
            self.last_heard = now;
        }
    }

    /// Notes that the socket cannot reach its peer. Returns the end of probing, if probing begins now.
    pub(super) fn on_partition(&mut self, now: u64) -> Option<u64> {
        if self.probing_ends.is_none() {
            self.probing_ends = self.end_of_probing(now);
            return self.probing_ends;
        }
        None
    }

    /// Returns the time of the next probe to a peer that has answered no probe. `None` without SO_KEEPALIVE.
    pub(super) fn next_probe(&self, now: u64) -> Option<u64> {
        let times = self.keep_alive?;
        let first = self.last_heard + nanoseconds(times.idle.unwrap_or(IDLE));
        let interval = nanoseconds(times.interval.unwrap_or(INTERVAL)).max(1);
        Some(first + now.saturating_sub(first).div_ceil(interval) * interval)
    }

    /// Returns the end of probing, if the peer answers no probe from `now` on. `None` without SO_KEEPALIVE.
    fn end_of_probing(&self, now: u64) -> Option<u64> {
        let times = self.keep_alive?;
        let idle = nanoseconds(times.idle.unwrap_or(IDLE)).max(1);
        let answered = (now - self.last_heard) / idle * idle;
        let probing = times.interval.unwrap_or(INTERVAL) * times.count.unwrap_or(PROBES);
        Some(self.last_heard + answered + idle + nanoseconds(probing))
    }
}
