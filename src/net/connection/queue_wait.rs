//! The wait of queued bytes for a peer that does not take them: the write stall, and the least rate of sending.

use crate::reactor::{Interest, Registration};

use super::Connection;
use super::outbound::OutboundFlags;
use super::pace::Pace;

/// The wait of the queue, from the first byte that the kernel did not take until the queue is empty.
#[derive(Debug)]
pub(super) struct QueueWait {
    /// The tick at which the wait began, or at which the kernel last took a byte.
    pub(super) taken_tick: u64,
    pub(super) pace: Option<Pace>,
}

impl Connection {
    pub(super) fn taken_bytes(&self) -> u64 {
        self.outbound.unsent.written() - self.outbound.unsent.len() as u64
    }

    /// If the queue waits, returns the number of bytes that the kernel has taken so far, for
    /// [`note_queue`](Self::note_queue) after the next send.
    #[inline]
    pub(super) fn taken_while_waiting(&self) -> Option<u64> {
        let waits = self.outbound.flags.contains(OutboundFlags::WAITS);
        waits.then(|| self.taken_bytes())
    }

    /// Notes after a send whether the queue waits for the kernel. A fast-path send leaves no queue, and needs no call.
    #[inline]
    pub(super) fn note_queue(&mut self, before: Option<u64>, registration: &mut Registration<'_>) {
        if self.outbound.unsent.is_empty() {
            if self.outbound.flags.contains(OutboundFlags::WAITS) {
                self.end_queue_wait();
            }
        } else if self.stage.is_open() && registration.interest().contains(Interest::WRITABLE) {
            // Otherwise the bytes wait for the connect, a handshake or the end of a cork, and not for the peer. The
            // flush of the opened connection begins the wait, and files its deadline.
            self.note_waiting_queue(before, registration);
        }
    }

    #[cold]
    fn note_waiting_queue(&mut self, before: Option<u64>, registration: &mut Registration<'_>) {
        let taken = self.taken_bytes();
        if before == Some(taken) {
            return;
        }
        let limits = &self.settings.limits;
        let rate = limits.min_send_rate;
        if limits.write_stall_timeout.is_none() && rate.is_none() {
            return;
        }
        // Read anew: the write may come at the end of a long callback.
        let tick = registration.read_tick();
        if let Some(wait) = self.cold.as_mut().and_then(|it| it.queue_wait.as_mut()) {
            wait.taken_tick = tick;
            return;
        }
        self.outbound.flags.insert(OutboundFlags::WAITS);
        self.cold_mut().queue_wait = Some(QueueWait {
            taken_tick: tick,
            pace: Pace::begin(rate, tick, taken),
        });
        self.file_deadline(registration);
    }

    /// Ends the wait: the queue is empty, or waits for a handshake from now on.
    #[cold]
    pub(super) fn end_queue_wait(&mut self) {
        self.outbound.flags.remove(OutboundFlags::WAITS);
        if let Some(cold) = &mut self.cold {
            cold.queue_wait = None;
        }
    }

    pub(super) fn queue_wait(&self) -> Option<&QueueWait> {
        let wait = self.cold.as_ref()?.queue_wait.as_ref();
        let waits = self.outbound.flags.contains(OutboundFlags::WAITS);
        debug_assert_eq!(wait.is_some(), waits, "the flag follows the wait");
        wait.filter(|_| self.stage.is_open() && !self.outbound.has_failed())
    }
}
