//! What a kernel does about a peer that does not answer: it sends again, and asks; and after a while it gives up.
//!
//! Nothing of it is sent. As long as nobody is cut off everything is answered, so only the moment at which a kernel
//! would give up is on the wire, and is moot as soon as the network has healed.

use std::time::Duration;

use crate::slots::Key;
use crate::system::options::KeepAliveTimes;

use super::endpoint::{Endpoint, Phase};
use super::network::{Network, nanoseconds};
use super::wire::{Flight, Packet};

/// Linux's tcp_keepalive_time, tcp_keepalive_intvl and tcp_keepalive_probes.
const IDLE: Duration = Duration::from_secs(7200);
const INTERVAL: Duration = Duration::from_secs(75);
const PROBES: u32 = 9;

/// What a socket knows of the silence of its peer.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    /// When it has last heard of its peer.
    pub(crate) heard_at: u64,
    /// How it asks, if it does (SO_KEEPALIVE).
    keep_alive: Option<KeepAliveTimes>,
    /// When it gives up sending what is not acknowledged. Invariant: set while something that it has sent is held back.
    sending_ends_at: Option<u64>,
    /// When it gives up asking. Invariant: set while it asks and one of the two machines is cut off.
    asking_ends_at: Option<u64>,
}

impl Silence {
    /// Whether a socket still waits for what it would give up at `at`.
    pub(crate) fn ends_at(&self, at: u64) -> bool {
        // Linux does not ask while it sends again.
        match self.sending_ends_at {
            Some(end) => end == at,
            None => self.asking_ends_at == Some(at),
        }
    }

    /// When asking ends that began as late as possible before `now`: every question before was answered.
    fn end_of_asking(&self, now: u64) -> Option<u64> {
        let times = self.keep_alive?;
        let idle = nanoseconds(times.idle.unwrap_or(IDLE)).max(1);
        let answered = (now - self.heard_at) / idle * idle;
        let asked = times.interval.unwrap_or(INTERVAL) * times.count.unwrap_or(PROBES);
        Some(self.heard_at + answered + idle + nanoseconds(asked))
    }
}

impl Network {
    /// Sets SO_KEEPALIVE of the socket `key`.
    pub(crate) fn keep_alive(&mut self, key: Key, times: Option<KeepAliveTimes>) {
        if let Some(endpoint) = self.endpoints.get_mut(key) {
            endpoint.silence.keep_alive = times;
            endpoint.silence.asking_ends_at = None;
        }
        self.ask(key);
    }

    /// Something that `flight`'s sender wants to have acknowledged is held back.
    pub(in crate::system) fn is_held(&mut self, flight: &Flight) {
        let is_acknowledged = matches!(flight.packet, Packet::Bytes(_) | Packet::Fin);
        let end = self.now + nanoseconds(self.options.retransmission_timeout);
        let Some(endpoint) = self.endpoints.get_mut(flight.from) else {
            return;
        };
        if is_acknowledged && endpoint.silence.sending_ends_at.is_none() {
            endpoint.silence.sending_ends_at = Some(end);
            let machine = endpoint.watch.machine;
            self.arm_silence(flight.from, machine, end);
        }
    }

    /// Something of `flight` has got through: its sender knows that, and its receiver has heard.
    pub(in crate::system) fn is_heard(&mut self, flight: &Flight) {
        if !flight.packet.travels() {
            return;
        }
        let now = self.now;
        for key in [flight.from, flight.to] {
            if let Some(endpoint) = self.endpoints.get_mut(key) {
                endpoint.silence.heard_at = now;
                endpoint.silence.sending_ends_at = None;
            }
        }
    }

    /// Some machine was cut off, or has come back.
    pub(in crate::system) fn ask_again(&mut self) {
        let keys: Vec<Key> = self.endpoints.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.ask(key);
        }
    }

    fn ask(&mut self, key: Key) {
        let is_cut = self.is_cut_off(key);
        let now = self.now;
        let Some(endpoint) = self.endpoints.get_mut(key) else {
            return;
        };
        let machine = endpoint.watch.machine;
        let silence = &mut endpoint.silence;
        if !is_cut {
            if silence.asking_ends_at.take().is_some() {
                silence.heard_at = now;
            }
            return;
        }
        if silence.asking_ends_at.is_none() && endpoint.phase == Phase::Connected {
            silence.asking_ends_at = silence.end_of_asking(now);
            if let Some(end) = silence.asking_ends_at {
                self.arm_silence(key, machine, end);
            }
        }
    }

    fn is_cut_off(&self, key: Key) -> bool {
        let machine_of = |key| {
            self.endpoints
                .get(key)
                .map(|it: &Endpoint| it.watch.machine)
        };
        let peer = self.endpoints.get(key).and_then(|endpoint| endpoint.peer);
        match (machine_of(key), peer.and_then(machine_of)) {
            (Some(here), Some(there)) => self.are_cut(here, there),
            _ => false,
        }
    }

    fn arm_silence(&mut self, key: Key, machine: usize, end: u64) {
        self.wire
            .send(end, key, key, (machine, machine), Packet::Silence);
    }
}
