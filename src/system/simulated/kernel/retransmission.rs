//! The time after which a kernel gives up on a peer that does not answer.
//!
//! Nothing is really sent again, and no probe is sent. Without a partition every packet is acknowledged, so only the
//! moment of giving up is on the wire; it is moot as soon as the partition has healed.

use std::time::Duration;

use crate::system::options::KeepAliveTimes;

use super::clock::nanoseconds;

/// Linux's tcp_keepalive_time, tcp_keepalive_intvl and tcp_keepalive_probes.
const IDLE: Duration = Duration::from_secs(7200);
const INTERVAL: Duration = Duration::from_secs(75);
const PROBES: u32 = 9;

/// The timeouts of a socket whose peer may be out of reach: retransmission and keep-alive.
#[derive(Debug, Default)]
pub(super) struct PeerTimeouts {
    /// The time at which the peer was heard last.
    last_heard: u64,
    /// The times of its probes, if it has SO_KEEPALIVE.
    keep_alive: Option<KeepAliveTimes>,
    /// The end of retransmission. Invariant: set while a packet that it has sent is held back.
    retransmission_ends: Option<u64>,
    /// The end of probing. Invariant: set while it probes and a partition is between the two machines.
    probing_ends: Option<u64>,
}

impl PeerTimeouts {
    /// Whether the socket gives up at `at`. Linux does not probe while it retransmits.
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

    /// Notes that the peer was heard, which acknowledges everything sent.
    pub(super) fn on_heard(&mut self, now: u64) {
        self.last_heard = now;
        self.retransmission_ends = None;
    }

    /// Notes that a partition holds back a packet. Returns `end` if retransmission begins with this packet.
    pub(super) fn on_held(&mut self, end: u64) -> Option<u64> {
        if self.retransmission_ends.is_some() {
            return None;
        }
        self.retransmission_ends = Some(end);
        Some(end)
    }

    /// Notes that the peer can be reached, which answers all probes.
    pub(super) fn on_reachable(&mut self, now: u64) {
        if self.probing_ends.take().is_some() {
            self.last_heard = now;
        }
    }

    /// Notes that the peer cannot be reached. Returns the end of probing if that begins now.
    pub(super) fn on_partition(&mut self, now: u64) -> Option<u64> {
        if self.probing_ends.is_none() {
            self.probing_ends = self.end_of_probing(now);
            return self.probing_ends;
        }
        None
    }

    /// The end of the probes that began as late as possible before `now`: all earlier probes were answered.
    fn end_of_probing(&self, now: u64) -> Option<u64> {
        let times = self.keep_alive?;
        let idle = nanoseconds(times.idle.unwrap_or(IDLE)).max(1);
        let answered = (now - self.last_heard) / idle * idle;
        let probing = times.interval.unwrap_or(INTERVAL) * times.count.unwrap_or(PROBES);
        Some(self.last_heard + answered + idle + nanoseconds(probing))
    }
}
