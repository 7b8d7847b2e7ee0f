//! The outbound half of a connection: the bytes from the write until the kernel has taken them. This module closes
//! nothing: the error of a failed send goes back to the [`Connection`](super::Connection).

use std::io;

use bitflags::bitflags;

use crate::net::outbox::{Outbox, Taken, Unsent};
use crate::net::values::{Flow, SocketId, SocketSettings};
use crate::reactor::{Interest, Readiness, Registration};
use crate::system::errno::is_out_of_buffers;

use super::activity::Activity;
use super::retry::{RestEnd, Retry};
use super::transport::Transport;

// `state` and `flags` lie side by side, so that `is_clear` checks both with one comparison.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) unsent: Unsent,
    /// The smaller of `high_water_mark` and `max_queued_bytes`, at most `u16::MAX`: the fast path saves little for
    /// longer writes. With an empty queue, writes that total fewer bytes are answered `Flow::Open`, and may take the
    /// fast path.
    pub(super) capacity: u16,
    pub(super) state: OutboundState,
    pub(super) flags: OutboundFlags,
    /// The failed sends in a row. The row ends when a send finds no space, or when nothing is left to send. The row
    /// also ends when a service of the reactor sends bytes of the queue or of the filters.
    pub(super) retry: Retry,
    pub(super) rest_end: RestEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum OutboundState {
    /// Writes are accepted.
    Open = 0,
    /// This side ends: the unsent bytes are sent, then a FIN.
    Ending,
    /// As `Ending`, but the connection closes once the last byte is sent, without waiting for the peer's FIN.
    EndingToClose,
    /// As `EndingToClose`, but with a RST: the pipe that wrote the bytes was cut short. A Unix socket just closes.
    EndingToReset,
    /// Our FIN is sent, or the connection can only be read, or it closes now, which sends the FIN or the RST.
    Finished,
}

bitflags! {
    /// The exceptional conditions of this half, and two of the inbound half. A set flag bars the fast path.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct OutboundFlags: u8 {
        /// A write was answered `Full`, and `on_drain` is still to come.
        const OWES_DRAIN = 1 << 0;
        /// The user has called `cork`. Unsent bytes are held back until `uncork`, the end of this side, the start of a
        /// filter, a detachment, or the high watermark. Bytes that wait for the kernel already are not held back.
        const CORKED = 1 << 1;
        /// Invariant: set exactly while `ColdState::markers` is not empty, until the close takes the markers.
        const HAS_MARKERS = 1 << 2;
        /// Nothing more is sent. `ColdState::failure` has the error, perhaps held until earlier bytes are delivered.
        const FAILED = 1 << 3;
        /// The last send failed with a transient error (EINTR, ENOBUFS, ENOMEM). The next send is tried when the entry
        /// on the timer wheel falls due, unless the kernel reports space before.
        const RESTS = 1 << 4;
        /// The last read failed with a transient error. `Inbound::retry` counts such reads. The flag keeps reads off
        /// the fast path: only the slow path ends the count, after a read that does not fail.
        const READ_FAILED = 1 << 5;
        /// As [`READ_FAILED`](Self::READ_FAILED), and the next read waits as the next send does after `RESTS`.
        const READ_RESTS = 1 << 6;
        /// A limit counts how long unsent bytes wait. Invariants: set exactly while `ColdState::queue_wait` is `Some`.
        /// Until a failure or the close, clear while nothing is unsent, except within a send.
        const WAITS = 1 << 7;
    }
}

/// The other parts of a connection, and of the loop, that a send touches.
pub(super) struct Wire<'a, 'r> {
    pub(super) transport: Transport<'a>,
    pub(super) activity: &'a mut Activity,
    pub(super) registration: &'a mut Registration<'r>,
    pub(super) outbox: &'a mut Outbox,
}

impl Outbound {
    pub(super) fn new(settings: &SocketSettings) -> Self {
        let capacity = settings
            .high_water_mark
            .min(settings.limits.max_queued_bytes);
        Self {
            unsent: Unsent::new(),
            capacity: u16::try_from(capacity).unwrap_or(u16::MAX),
            state: OutboundState::Open,
            flags: OutboundFlags::empty(),
            retry: Retry::default(),
            rest_end: RestEnd::default(),
        }
    }

    /// Whether nothing bars the fast path: a write of less than `capacity` bytes is answered `Flow::Open`, unless the
    /// bytes of all sockets meet their limit. It leaves at once if the connection is open and the kernel has space.
    #[inline]
    pub(super) fn is_clear(&self) -> bool {
        // `Open` is zero, and so are flags of which none is set.
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

    /// Whether this side is to end after the unsent bytes, and has not done so yet.
    #[inline]
    pub(super) fn is_ending(&self) -> bool {
        self.state == OutboundState::Ending || self.closes_when_sent()
    }

    #[inline]
    pub(super) fn closes_when_sent(&self) -> bool {
        matches!(
            self.state,
            OutboundState::EndingToClose | OutboundState::EndingToReset
        )
    }

    /// Holds back later writes. After `end` none comes, so a cork would only hold up the FIN.
    pub(super) fn cork(&mut self) {
        if self.state == OutboundState::Open {
            self.flags.insert(OutboundFlags::CORKED);
        }
    }

    pub(super) fn uncork(&mut self) {
        self.flags.remove(OutboundFlags::CORKED);
    }

    /// Notes that `end` was called. No write follows `end`, so no drain is owed, and a cork would only delay the FIN.
    pub(super) fn begin_end(&mut self) {
        self.state = OutboundState::Ending;
        self.flags
            .remove(OutboundFlags::OWES_DRAIN | OutboundFlags::CORKED);
    }

    /// Whether `length` more bytes may be queued. An empty queue takes any write, whose bytes are in memory already:
    /// the limit is on bytes that pile up over several writes.
    #[inline]
    pub(super) fn fits(&self, length: usize, settings: &SocketSettings) -> bool {
        let queued = self.unsent.len();
        queued == 0
            || queued.saturating_add(length) <= settings.limits.max_queued_bytes
            // An empty write always fits, even behind a first write that was longer than the limit.
            || length == 0
    }

    /// Returns the answer to a write whose bytes were accepted.
    #[inline]
    pub(super) fn answer_write(
        &mut self,
        settings: &SocketSettings,
        registration: &mut Registration<'_>,
    ) -> Flow {
        if self.unsent.is_empty() || self.unsent.len() < settings.high_water_mark {
            return Flow::Open;
        }
        self.flags.insert(OutboundFlags::OWES_DRAIN);
        registration.want(Interest::WRITABLE);
        Flow::Full
    }

    /// Whether a drain is owed, and at most the lower of both watermarks is unsent. After `true`, none is owed.
    pub(super) fn take_drain(
        &mut self,
        settings: &SocketSettings,
        registration: &mut Registration<'_>,
    ) -> bool {
        let mark = settings.low_water_mark.min(settings.high_water_mark);
        if !self.owes_drain() || self.state != OutboundState::Open || self.unsent.len() > mark {
            return false;
        }
        self.flags.remove(OutboundFlags::OWES_DRAIN);
        if self.unsent.is_empty() {
            registration.unwant(Interest::WRITABLE);
        }
        true
    }

    /// Offers the unsent bytes to the kernel in one call. Returns `false` if bytes are unsent and no call was made.
    #[inline]
    pub(super) fn flush(
        &mut self,
        settings: &SocketSettings,
        wire: &mut Wire<'_, '_>,
    ) -> io::Result<bool> {
        // While the connection waits for the kernel, the cork is ignored. Otherwise the reactor would call again and
        // again, and the drain would never be reported. The cork is also ignored if nothing is unsent. A long write may
        // have sent everything, and its drain and markers are still to be reported.
        let waits_for_kernel = wire.registration.interest().contains(Interest::WRITABLE);
        let holds_back = self.is_corked() && !self.unsent.is_empty() && !waits_for_kernel;
        if holds_back && self.unsent.len() < settings.high_water_mark {
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

    #[inline]
    pub(super) fn await_kernel(&self, registration: &mut Registration<'_>) {
        // An owed drain keeps the write interest even if nothing is unsent: the next serve phase reports the drain.
        if self.unsent.is_empty() && !self.owes_drain() {
            registration.unwant(Interest::WRITABLE);
        } else {
            registration.want(Interest::WRITABLE);
        }
    }

    /// Offers the unsent bytes, followed by `tail`, in one call. Returns how many bytes of `tail` the kernel took.
    #[inline(always)]
    pub(super) fn send(&mut self, tail: &[u8], wire: &mut Wire<'_, '_>) -> io::Result<usize> {
        let transport = &mut wire.transport;
        let taken = wire.outbox.take(&mut self.unsent, tail, |slices, spare| {
            transport.write(slices, spare)
        });
        match taken {
            Ok(taken) => {
                self.end_rest(wire.registration);
                let Taken { offered, sent, .. } = taken;
                note_sent(
                    sent,
                    offered,
                    &wire.transport,
                    wire.activity,
                    wire.registration,
                );
                Ok(taken.of_tail)
            }
            Err(error) => {
                self.note_unsent(error, wire.registration)?;
                Ok(0)
            }
        }
    }

    /// Notes that nothing is left to send: the row of failures is over. So is a rest, and the readiness that it cleared
    /// is put back.
    pub(super) fn note_all_sent(&mut self, registration: &mut Registration<'_>) {
        self.retry = Retry::default();
        self.end_rest(registration);
    }

    /// Ends a rest, and puts back the readiness that it cleared. No report would bring it back: the buffer was not
    /// full.
    #[inline]
    pub(super) fn end_rest(&mut self, registration: &mut Registration<'_>) {
        if self.flags.contains(OutboundFlags::RESTS) {
            self.flags.remove(OutboundFlags::RESTS);
            registration.assume(Readiness::WRITABLE);
        }
    }

    /// Notes a failed send. Returns the error if it is fatal. A lack of memory is fatal once it has lasted too long.
    /// After a send that would block, the kernel reports new space. After a signal or a lack of memory, this half tries
    /// again by itself.
    #[cold]
    pub(super) fn note_unsent(
        &mut self,
        error: io::Error,
        registration: &mut Registration<'_>,
    ) -> io::Result<()> {
        if error.kind() == io::ErrorKind::WouldBlock {
            registration.would_block(Interest::WRITABLE);
            self.flags.remove(OutboundFlags::RESTS);
            self.retry = Retry::default();
            return Ok(());
        }
        let is_interrupted = error.kind() == io::ErrorKind::Interrupted;
        if is_interrupted && self.retry.is_at_once() {
            // A signal changes nothing: the socket is as writable as before.
            return Ok(());
        }
        // A failure within a rest leaves the rest as it is: a shortage is fatal after a time, and not after some number
        // of calls.
        let rests = self.flags.contains(OutboundFlags::RESTS);
        let may_rest = is_interrupted || is_out_of_buffers(&error);
        if may_rest && rests {
            registration.would_block(Interest::WRITABLE);
            return Ok(());
        }
        if may_rest && (is_interrupted || !self.retry.is_exhausted()) {
            registration.would_block(Interest::WRITABLE);
            self.flags.insert(OutboundFlags::RESTS);
            let end = registration.latest_tick() + self.retry.next_rest();
            self.rest_end = RestEnd::at(end);
            registration.wake_at(end);
            return Ok(());
        }
        Err(error)
    }
}

#[inline]
pub(super) fn note_sent(
    sent: usize,
    offered: usize,
    transport: &Transport<'_>,
    activity: &mut Activity,
    registration: &mut Registration<'_>,
) {
    if sent < offered && transport.short_write_exhausts() {
        registration.fell_short(Interest::WRITABLE);
    }
    if sent > 0 {
        activity.touch(registration);
    }
}
