//! What the reactor keeps beside each source: what it is ready for, what it wants, and which lists it is on.

use bitflags::bitflags;

use crate::readiness::{Interest, Readiness};
use crate::slots::Key;
use crate::wheel::Alarm;

/// What falls due on the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The deadline of a source.
    Source(Key),
    /// A timer of the driver's own, which the reactor only passes on.
    Timer(Key),
    /// A timer that the driver keeps for one of its sources.
    SourceTimer(Key),
}

bitflags! {
    /// What the reactor has to remember of a source beside its readiness. The requests are set by the source; the rest
    /// by the reactor alone.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Flags: u8 {
        /// Invariant: set exactly while the key is on the serve list, or its burst goes on.
        const QUEUED = 1 << 0;
        /// A wish: to flush at the next flush point.
        const WANTS_FLUSH = 1 << 1;
        /// Invariant: set exactly while the key is on the flush list.
        const FLUSH_QUEUED = 1 << 2;
        /// A wish: to be taken out.
        const WANTS_CLOSE = 1 << 3;
        /// Invariant: set from the entry on the close list until the slot is removed. Nothing of the source is served
        /// any more.
        const CLOSING = 1 << 4;
        /// A wish: to be armed again, as the descriptor may not be read until it would block, or as the kernel has to tell
        /// from now on when it is writable.
        const WANTS_REARM = 1 << 5;
        /// The source is a reason to go on.
        const HELD = 1 << 6;
        /// The kernel tells when the source becomes writable. Invariant: where this is not set, the source is not
        /// registered, or it was known to be writable and nobody has found anything else, or it requests to be armed again.
        const WATCHES_WRITABLE = 1 << 7;
        /// All that may have to be acted upon when the source has been looked at.
        const REQUESTS = Self::WANTS_FLUSH.bits() | Self::WANTS_CLOSE.bits() | Self::WANTS_REARM.bits();
    }
}

bitflags! {
    /// Reasons to serve a source: what the kernel reports, and what the source asks for itself. They are bits of one
    /// word, so that "must it be served?", which is asked several times for every message, is one comparison.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Signals: u8 {
        const READABLE = Readiness::READABLE.bits();
        const WRITABLE = Readiness::WRITABLE.bits();
        const READ_CLOSED = Readiness::READ_CLOSED.bits();
        const WRITE_CLOSED = Readiness::WRITE_CLOSED.bits();
        const ERROR = Readiness::ERROR.bits();
        /// The source asks to report something of its own, whatever the kernel says. It is always wanted.
        const ATTENTION = 1 << 7;
    }
}

impl From<Readiness> for Signals {
    #[inline]
    fn from(readiness: Readiness) -> Self {
        Self::from_bits_retain(readiness.bits())
    }
}

/// What the reactor keeps beside each source.
#[derive(Debug)]
pub(super) struct SourceState {
    /// The kernel's reports that no call has disproved since, and [`Signals::ATTENTION`].
    pub(super) signals: Signals,
    /// What the source wants to be called for.
    pub(super) interest: Interest,
    /// The signals that are worth a call. Invariant: all that serve `interest`, and in any case
    /// [`Signals::ATTENTION`] and an error: one that no read would find is for
    /// [`Handler::closed`](super::Handler::closed).
    wanted: Signals,
    pub(super) flags: Flags,
    /// The one entry on the wheel. It is never later than the next deadline, and may be earlier: it is re-filed
    /// when it falls due, not when the deadline moves.
    pub(super) alarm: Option<Alarm>,
}

impl SourceState {
    pub(super) fn new(interest: Interest, readiness: Readiness) -> Self {
        Self {
            signals: readiness.into(),
            interest,
            wanted: wanted_for(interest),
            // That it is writable is no news.
            flags: match readiness.contains(Readiness::WRITABLE) {
                true => Flags::HELD,
                false => Flags::HELD | Flags::WATCHES_WRITABLE,
            },
            alarm: None,
        }
    }

    /// In which directions the kernel tells when the source becomes ready.
    pub(super) fn watched_directions(&self) -> Interest {
        match self.flags.contains(Flags::WATCHES_WRITABLE) {
            true => Interest::all(),
            false => Interest::READABLE,
        }
    }

    /// Whether the source must be served: ready and wanted, or broken where no read would find out.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        self.signals.intersects(self.wanted)
    }

    /// Whether it requests for something.
    #[inline]
    pub(super) fn has_request(&self) -> bool {
        self.flags.intersects(Flags::REQUESTS)
    }

    /// Whether it requests for something, other than the flush that it is on the list for already.
    #[inline]
    pub(super) fn has_new_request(&self) -> bool {
        let requests = self.flags & Flags::REQUESTS;
        !requests.is_empty()
            && (requests != Flags::WANTS_FLUSH || !self.flags.contains(Flags::FLUSH_QUEUED))
    }

    /// Whether it wants to flush and is not on the list for that.
    #[inline]
    pub(super) fn needs_flush_entry(&self) -> bool {
        self.flags & (Flags::WANTS_FLUSH | Flags::FLUSH_QUEUED) == Flags::WANTS_FLUSH
    }

    /// Whether reading is all that there is to do, as it nearly always is.
    #[inline]
    pub(super) fn only_reads(&self) -> bool {
        // `READABLE` is wanted by waiter wants to read and by nobody else.
        self.signals & self.wanted == Signals::READABLE
    }

    /// The kernel's part of the signals.
    #[inline]
    pub(super) fn readiness(&self) -> Readiness {
        Readiness::from_bits(self.signals.bits())
    }

    /// Whether it is ready for `direction` and wants it.
    #[inline]
    pub(super) fn serves(&self, direction: Interest) -> bool {
        self.interest.contains(direction) && self.readiness().serves(direction)
    }

    /// An error that only [`Handler::closed`](super::Handler::closed) can look at.
    #[inline]
    pub(super) fn has_unread_error(&self) -> bool {
        self.signals.contains(Signals::ERROR) && !self.interest.contains(Interest::READABLE)
    }

    /// A write found that the kernel has no room. If it was not to tell of room, it is from now on.
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
    Signals::from(interest.served_by()) | Signals::ERROR | Signals::ATTENTION
}
