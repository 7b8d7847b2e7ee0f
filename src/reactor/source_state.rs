//! State that the reactor keeps beside each source: its readiness, its interest, and the lists that it is on.

use bitflags::bitflags;

use crate::readiness::{Interest, Readiness};
use crate::slots::Key;
use crate::wheel::TimerHandle;

/// An entry of the timer wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WheelEntry {
    /// The deadline of a source.
    Source(Key),
    /// A timer of the driver's own, which the reactor only passes on.
    Timer(Key),
    /// A timer that the driver keeps for one of its sources.
    SourceTimer(Key),
}

bitflags! {
    /// Facts about a source that are not readiness. The source sets the requests, and the reactor alone sets the rest.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Flags: u8 {
        /// Invariant: set exactly while the key is on the serve list, or its burst goes on.
        const QUEUED = 1 << 0;
        /// Request: to flush at the next flush point.
        const WANTS_FLUSH = 1 << 1;
        /// Invariant: set exactly while the key is on the flush list.
        const FLUSH_QUEUED = 1 << 2;
        /// Request: to be taken out.
        const WANTS_CLOSE = 1 << 3;
        /// Invariant: set from the entry on the close list until the slot is removed. The source is not served any
        /// more.
        const CLOSING = 1 << 4;
        /// Request: to be registered anew. Either the descriptor may not be read until it would block, or the kernel
        /// has to report writability from now on.
        const WANTS_REARM = 1 << 5;
        /// The source is a reason to go on.
        const HELD = 1 << 6;
        /// The kernel reports when the source becomes writable.
        ///
        /// Invariant: where this is not set, one of three holds. The source is not registered; it was known to be
        /// writable and no write has disproved that; a request to be registered anew is pending.
        const WATCHES_WRITABLE = 1 << 7;
        /// All requests that are acted upon after the source was served or visited.
        const REQUESTS = Self::WANTS_FLUSH.bits() | Self::WANTS_CLOSE.bits() | Self::WANTS_REARM.bits();
    }
}

bitflags! {
    /// Reasons to serve a source: the kernel's reports and the source's own request. They are bits of one word, so that
    /// "must it be served?", asked several times for every message, is one comparison.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Signals: u8 {
        const READABLE = Readiness::READABLE.bits();
        const WRITABLE = Readiness::WRITABLE.bits();
        const READ_CLOSED = Readiness::READ_CLOSED.bits();
        const WRITE_CLOSED = Readiness::WRITE_CLOSED.bits();
        const ERROR = Readiness::ERROR.bits();
        /// The source asks to report something of its own, whatever the kernel reports. It is always wanted.
        const ACTIVATED = 1 << 7;
    }
}

impl From<Readiness> for Signals {
    #[inline]
    fn from(readiness: Readiness) -> Self {
        Self::from_bits_retain(readiness.bits())
    }
}

/// The reactor's state of one source.
#[derive(Debug)]
pub(super) struct SourceState {
    /// The kernel's reports that no call has disproved since, and [`Signals::ACTIVATED`].
    pub(super) signals: Signals,
    /// The directions in which the source wants to be called.
    pub(super) interest: Interest,
    /// The signals that are worth a call.
    ///
    /// Invariant: all that serve `interest`, and in any case [`Signals::ACTIVATED`] and an error: an error that no read
    /// would find is for [`Handler::on_error`](super::Handler::on_error).
    wanted: Signals,
    pub(super) flags: Flags,
    /// The one entry on the timer wheel. It is never later than the next deadline, and may be earlier: it is armed
    /// again when it falls due, not when the deadline moves.
    pub(super) timer: Option<TimerHandle>,
}

impl SourceState {
    pub(super) fn new(interest: Interest, readiness: Readiness) -> Self {
        Self {
            signals: readiness.into(),
            interest,
            wanted: wanted_for(interest),
            // A source that is known to be writable is registered without that direction, whose first edge would be
            // spurious.
            flags: match readiness.contains(Readiness::WRITABLE) {
                true => Flags::HELD,
                false => Flags::HELD | Flags::WATCHES_WRITABLE,
            },
            timer: None,
        }
    }

    /// Returns the directions that the kernel reports.
    pub(super) fn watched_directions(&self) -> Interest {
        match self.flags.contains(Flags::WATCHES_WRITABLE) {
            true => Interest::all(),
            false => Interest::READABLE,
        }
    }

    /// Whether the source must be served: ready for something wanted, or failed where no read would find the error.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        self.signals.intersects(self.wanted)
    }

    /// Whether a request is pending.
    #[inline]
    pub(super) fn has_request(&self) -> bool {
        self.flags.intersects(Flags::REQUESTS)
    }

    /// Whether a request is pending, other than the flush for which the source is on its list already.
    #[inline]
    pub(super) fn has_new_request(&self) -> bool {
        let requests = self.flags & Flags::REQUESTS;
        !requests.is_empty()
            && (requests != Flags::WANTS_FLUSH || !self.flags.contains(Flags::FLUSH_QUEUED))
    }

    /// Whether the source asks to flush and is not on the flush list.
    #[inline]
    pub(super) fn needs_flush_entry(&self) -> bool {
        self.flags & (Flags::WANTS_FLUSH | Flags::FLUSH_QUEUED) == Flags::WANTS_FLUSH
    }

    /// Whether reading is all that there is to do, as it nearly always is.
    #[inline]
    pub(super) fn only_reads(&self) -> bool {
        // `READABLE` is wanted only with `Interest::READABLE`.
        self.signals & self.wanted == Signals::READABLE
    }

    /// Returns the kernel's part of the signals.
    #[inline]
    pub(super) fn readiness(&self) -> Readiness {
        Readiness::from_bits(self.signals.bits())
    }

    /// Whether the source is ready for `direction` and wants it.
    #[inline]
    pub(super) fn serves(&self, direction: Interest) -> bool {
        self.interest.contains(direction) && self.readiness().serves(direction)
    }

    /// Whether there is an error that only [`Handler::on_error`](super::Handler::on_error) can look at.
    #[inline]
    pub(super) fn has_unread_error(&self) -> bool {
        self.signals.contains(Signals::ERROR) && !self.interest.contains(Interest::READABLE)
    }

    /// Notes that a write found the buffer full. A source whose writability the kernel does not report is registered
    /// anew for it.
    #[inline]
    pub(super) fn clear_writable(&mut self) {
        self.signals.remove(Signals::WRITABLE);
        if !self.flags.contains(Flags::WATCHES_WRITABLE) {
            self.flags.insert(Flags::WANTS_REARM);
        }
    }

    pub(super) fn set_interest(&mut self, interest: Interest) {
        self.interest = interest;
        self.wanted = wanted_for(interest);
    }
}

fn wanted_for(interest: Interest) -> Signals {
    Signals::from(interest.served_by()) | Signals::ERROR | Signals::ACTIVATED
}
