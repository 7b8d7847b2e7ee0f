//! The half of a connection that we send on: its bytes, from the write to the kernel. It knows neither the peer nor the
//! handler, and no failure of it closes anything: an error goes to the connection.

use std::io;

use bitflags::bitflags;

use crate::net::outbox::{Outbox, Taken, Unsent};
use crate::net::values::{Flow, SocketId, SocketOptions};
use crate::reactor::{Interest, Registration};
use crate::system::Stream;
use crate::system::errno::is_out_of_buffers;

use super::activity::Activity;

/// The wait after the kernel had no memory to send with (ENOBUFS): no edge announces that it has again.
const OUT_OF_BUFFERS_RETRY_TICKS: u64 = 10;

/// The outbound half.
// In this order: with the state and the flags beside each other, a message asks for both at once.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) unsent: Unsent,
    /// The number of bytes that, with nothing queued, reach the high-water mark or the limit. It is cut to 64 KiB,
    /// beyond which the chunks of the queue are as good as shared memory.
    pub(super) capacity: u16,
    pub(super) state: OutboundState,
    pub(super) flags: OutboundFlags,
}

/// The progress of the outbound half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum OutboundState {
    /// Writes are taken.
    Open = 0,
    /// `end` was called: the unsent bytes go out, then a FIN.
    Ending,
    /// As `Ending`, but the connection closes behind the last byte, without waiting for the peer's FIN.
    EndingToClose,
    /// Our FIN is out, or the close that follows will be it.
    Finished,
}

bitflags! {
    /// Exceptions: each one keeps a write from being sent on the fast path.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct OutboundFlags: u8 {
        /// A write answered `Full` and no drain has come since.
        const OWES_DRAIN = 1 << 0;
        /// Nothing is sent until `uncork`, or until so much is unsent that it must be.
        const CORKED = 1 << 1;
        /// The kernel has not passed every mark. Invariant: set exactly while the cold state has marks.
        const HAS_MARKERS = 1 << 2;
        /// There is a fatal error, and nothing more is sent. The error is in the cold state: one that a write met is
        /// held back until the bytes that arrived before it are read.
        const FAILED = 1 << 3;
        /// The kernel had no memory to send with; the next deadline tries again.
        const OUT_OF_BUFFERS = 1 << 4;
    }
}

/// The parts of a connection, beside its outbound half, that sending touches.
pub(super) struct Wire<'a, 'r> {
    pub(super) stream: &'a Stream,
    pub(super) activity: &'a mut Activity,
    pub(super) registration: &'a mut Registration<'r>,
    pub(super) outbox: &'a mut Outbox,
}

impl Outbound {
    pub(super) fn new(options: &SocketOptions) -> Self {
        let capacity = options.high_water_mark.min(options.max_queued_bytes);
        Self {
            unsent: Unsent::new(),
            capacity: u16::try_from(capacity).unwrap_or(u16::MAX),
            state: OutboundState::Open,
            flags: OutboundFlags::empty(),
        }
    }

    /// Whether writes are taken and nothing is exceptional. A write below the capacity would be answered `Open`, and
    /// could be sent at once if the kernel has space.
    #[inline]
    pub(super) fn is_clear(&self) -> bool {
        // Zero for the usual state and no flag: one comparison, as both lie side by side.
        u16::from_ne_bytes([self.state as u8, self.flags.bits()]) == 0 && self.unsent.is_empty()
    }

    #[inline]
    pub(super) fn is_corked(&self) -> bool {
        self.flags.contains(OutboundFlags::CORKED)
    }

    #[inline]
    pub(super) fn owes_drain(&self) -> bool {
        self.flags.contains(OutboundFlags::OWES_DRAIN)
    }

    #[inline]
    pub(super) fn has_markers(&self) -> bool {
        self.flags.contains(OutboundFlags::HAS_MARKERS)
    }

    #[inline]
    pub(super) fn has_failed(&self) -> bool {
        self.flags.contains(OutboundFlags::FAILED)
    }

    /// Whether `end` was called and our FIN is not out.
    #[inline]
    pub(super) fn is_ending(&self) -> bool {
        matches!(
            self.state,
            OutboundState::Ending | OutboundState::EndingToClose
        )
    }

    /// Begins the end: nothing more is written, so no drain comes, and a cork would only hold up the FIN.
    pub(super) fn begin_end(&mut self) {
        self.state = OutboundState::Ending;
        self.flags
            .remove(OutboundFlags::OWES_DRAIN | OutboundFlags::CORKED);
    }

    /// Whether so many bytes may be queued. One write is taken whatever its length if nothing is queued, since it takes
    /// no more memory than its writer has: the limit is for what piles up.
    #[inline]
    pub(super) fn fits(&self, length: usize, options: &SocketOptions) -> bool {
        let queued = self.unsent.len();
        queued == 0 || queued.saturating_add(length) <= options.max_queued_bytes
    }

    /// The answer to a write that was accepted.
    #[inline]
    pub(super) fn answer_write(
        &mut self,
        options: &SocketOptions,
        registration: &mut Registration<'_>,
    ) -> Flow {
        if self.unsent.is_empty() || self.unsent.len() < options.high_water_mark {
            return Flow::Open;
        }
        self.flags.insert(OutboundFlags::OWES_DRAIN);
        registration.want(Interest::WRITABLE);
        Flow::Full
    }

    /// Whether a drain is owed and due. It is owed no more then.
    pub(super) fn take_drain(
        &mut self,
        options: &SocketOptions,
        registration: &mut Registration<'_>,
    ) -> bool {
        let mark = options.low_water_mark.min(options.high_water_mark);
        if !self.owes_drain() || self.state != OutboundState::Open || self.unsent.len() > mark {
            return false;
        }
        self.flags.remove(OutboundFlags::OWES_DRAIN);
        if self.unsent.is_empty() {
            registration.unwant(Interest::WRITABLE);
        }
        true
    }

    /// Offers the unsent bytes to the kernel in one call. Returns `false` if it did not come to that: a cork holds them
    /// back, or the kernel is known to have no space.
    #[inline]
    pub(super) fn flush(
        &mut self,
        options: &SocketOptions,
        wire: &mut Wire<'_, '_>,
    ) -> io::Result<bool> {
        // Bytes that wait for the kernel are not held back, and take along those that were written behind them: to hold
        // them would be to come here again and again for as long as there is space, and the drain would never come.
        let waits_for_kernel = wire.registration.interest().contains(Interest::WRITABLE);
        if self.is_corked() && !waits_for_kernel && self.unsent.len() < options.high_water_mark {
            return Ok(false);
        }
        if !self.unsent.is_empty() {
            if !wire.registration.readiness().serves(Interest::WRITABLE) {
                let id = SocketId(wire.registration.key());
                wire.outbox.move_to_queue(id, &mut self.unsent);
                wire.registration.want(Interest::WRITABLE);
                return Ok(false);
            }
            self.send(&[], wire)?;
        }
        Ok(true)
    }

    /// Tells the reactor whether the connection has to be served when the kernel has space, now that it was flushed.
    #[inline]
    pub(super) fn await_kernel(&self, registration: &mut Registration<'_>) {
        // The drain is told by the next serve phase, on a fresh stack, and fairly among all others.
        if self.unsent.is_empty() && !self.owes_drain() {
            registration.unwant(Interest::WRITABLE);
        } else {
            registration.want(Interest::WRITABLE);
        }
    }

    /// Offers the unsent bytes and `tail` behind them to the kernel with one call, and returns how much of `tail` it
    /// took.
    #[inline(always)]
    pub(super) fn send(&mut self, tail: &[u8], wire: &mut Wire<'_, '_>) -> io::Result<usize> {
        let stream = wire.stream;
        let taken = wire
            .outbox
            .take(&mut self.unsent, tail, |slices| stream.write(slices));
        match taken {
            Ok(taken) => {
                let Taken { offered, sent, .. } = taken;
                note_sent(sent, offered, stream, wire.activity, wire.registration);
                Ok(taken.of_tail)
            }
            Err(error) => {
                self.note_unsent(error, wire.registration)?;
                Ok(0)
            }
        }
    }

    /// Notes that the kernel has taken nothing: it has no space or no memory. Returns the error if it is fatal instead.
    #[cold]
    pub(super) fn note_unsent(
        &mut self,
        error: io::Error,
        registration: &mut Registration<'_>,
    ) -> io::Result<()> {
        if error.kind() == io::ErrorKind::Interrupted {
            // It is as writable as before.
            return Ok(());
        }
        if error.kind() == io::ErrorKind::WouldBlock {
            registration.would_block(Interest::WRITABLE);
            return Ok(());
        }
        if is_out_of_buffers(&error) {
            registration.would_block(Interest::WRITABLE);
            self.flags.insert(OutboundFlags::OUT_OF_BUFFERS);
            registration.wake_at(registration.tick() + OUT_OF_BUFFERS_RETRY_TICKS);
            return Ok(());
        }
        Err(error)
    }
}

/// Notes that the kernel has taken `sent` of the bytes that it was offered.
#[inline]
pub(super) fn note_sent(
    sent: usize,
    offered: usize,
    stream: &Stream,
    activity: &mut Activity,
    registration: &mut Registration<'_>,
) {
    if sent < offered && stream.short_transfer_exhausts() {
        registration.fell_short(Interest::WRITABLE);
    }
    if sent > 0 {
        activity.touch(registration);
    }
}
