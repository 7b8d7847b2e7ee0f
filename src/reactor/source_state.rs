//! The state that the reactor keeps for each source: its readiness, its interest, and the lists that it is on.

use bitflags::bitflags;

use crate::readiness::{Interest, Readiness};
use crate::slots::Key;
use crate::wheel::TimerHandle;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WheelEntry {
    /// The deadline of a source, or the next try to register it anew.
    Source(Key),
    /// A timer that the reactor's caller armed for itself, which the reactor only passes on.
    Timer(Key),
    /// A timer that the reactor's caller armed for one of the sources.
    SourceTimer(Key),
    /// The time at which the reactor frees unused memory.
    Reclaim,
}

bitflags! {
    /// Facts about a source beside its readiness. The source sets the requests (`WANTS_*`). The reactor sets the other
    /// flags, and `WANTS_REARM` for a request that the kernel has refused.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Flags: u8 {
        /// Invariant, while the source is not being served: set exactly if the key is on the serve list, or is the key
        /// of `Reactor::burst`.
        const QUEUED = 1 << 0;
        const WANTS_FLUSH = 1 << 1;
        /// Invariant: set exactly while the key is on the flush list.
        const FLUSH_QUEUED = 1 << 2;
        const WANTS_CLOSE = 1 << 3;
        /// Invariant: set from the time when the key enters the close list until its slot is removed. The source is not
        /// served during that time.
        const CLOSING = 1 << 4;
        /// Request: to be registered anew for both directions, since a read may block or writability must be reported.
        const WANTS_REARM = 1 << 5;
        /// The source counts in `Reactor::held`, so that the event loop does not end.
        const HELD = 1 << 6;
        /// The kernel reports when the source becomes writable, or will do so once the source is registered. Invariant:
        /// if not set, one of three holds. [`WANTS_REARM`](Self::WANTS_REARM) or [`Signals::REARM_REFUSED`] is set; the
        /// source is not registered; or it was assumed to be writable, and no write has blocked since.
        const WATCHES_WRITABLE = 1 << 7;
        const REQUESTS = Self::WANTS_FLUSH.bits() | Self::WANTS_CLOSE.bits() | Self::WANTS_REARM.bits();
    }
}

bitflags! {
    /// Reasons to serve a source, except [`REARM_REFUSED`](Self::REARM_REFUSED). They are bits of one byte, because the
    /// reactor compares them several times for each message.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Signals: u8 {
        const READABLE = Readiness::READABLE.bits();
        const WRITABLE = Readiness::WRITABLE.bits();
        const READ_CLOSED = Readiness::READ_CLOSED.bits();
        const WRITE_CLOSED = Readiness::WRITE_CLOSED.bits();
        const ERROR = Readiness::ERROR.bits();
        const PRIORITY = Readiness::PRIORITY.bits();
        /// The kernel has refused to register the source anew. The next try comes when the source's timer entry is due.
        const REARM_REFUSED = 1 << 6;
        /// The request for [`Handler::on_activated`](super::Handler::on_activated), which is served for any interest.
        const ACTIVATED = 1 << 7;
    }
}

impl From<Readiness> for Signals {
    #[inline]
    fn from(readiness: Readiness) -> Self {
        Self::from_bits_retain(readiness.bits())
    }
}

#[derive(Debug)]
pub(super) struct SourceState {
    /// The readiness that was reported or assumed and not disproved since, and the two signals that are no readiness.
    pub(super) signals: Signals,
    pub(super) interest: Interest,
    /// The signals for which the source must be served. Invariant: all that serve `interest`, and always
    /// [`Signals::ACTIVATED`] and [`Signals::ERROR`]. If the source does not want to read, an error goes to
    /// [`Handler::on_error`](super::Handler::on_error).
    wanted: Signals,
    pub(super) flags: Flags,
    /// The one entry of the source on the timer wheel. Invariant: never later than the source's deadline. A deadline
    /// that is put off leaves the entry, and the source sets the deadline again when the entry falls due.
    pub(super) timer: Option<TimerHandle>,
}

impl SourceState {
    pub(super) fn new(interest: Interest, readiness: Readiness) -> Self {
        Self {
            signals: readiness.into(),
            interest,
            wanted: wanted_for(interest),
            // A source that is known to be writable is not watched for writing: the first edge would be spurious.
            flags: match readiness.contains(Readiness::WRITABLE) {
                true => Flags::HELD,
                false => Flags::HELD | Flags::WATCHES_WRITABLE,
            },
            timer: None,
        }
    }

    pub(super) fn watched_directions(&self) -> Interest {
        match self.flags.contains(Flags::WATCHES_WRITABLE) {
            true => Interest::all(),
            false => Interest::READABLE,
        }
    }

    /// Whether the source must be served: it is ready for a wanted direction, has an unread error, or was activated.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        self.signals.intersects(self.wanted)
    }

    /// Whether the source has begun something that the caller must finish, even if the source is not held. That is a
    /// source that waits for the kernel to take bytes or to connect, or for a flush, or has an event to report.
    pub(super) fn is_under_way(&self) -> bool {
        self.interest.contains(Interest::WRITABLE)
            || self.signals.contains(Signals::ACTIVATED)
            || self
                .flags
                .intersects(Flags::WANTS_FLUSH | Flags::FLUSH_QUEUED)
    }

    #[inline]
    pub(super) fn has_request(&self) -> bool {
        self.flags.intersects(Flags::REQUESTS)
    }

    /// Whether a request is pending, other than a flush for which the source is already on the flush list.
    #[inline]
    pub(super) fn has_new_request(&self) -> bool {
        let requests = self.flags & Flags::REQUESTS;
        !requests.is_empty()
            && (requests != Flags::WANTS_FLUSH || !self.flags.contains(Flags::FLUSH_QUEUED))
    }

    #[inline]
    pub(super) fn needs_flush_entry(&self) -> bool {
        self.flags & (Flags::WANTS_FLUSH | Flags::FLUSH_QUEUED) == Flags::WANTS_FLUSH
    }

    #[inline]
    pub(super) fn only_reads(&self) -> bool {
        // No check of the interest is needed: `wanted` has `READABLE` only with `Interest::READABLE`.
        self.signals & self.wanted == Signals::READABLE
    }

    #[inline]
    pub(super) fn readiness(&self) -> Readiness {
        Readiness::from_bits(self.signals.bits())
    }

    /// Whether the source is ready for `direction` and wants it.
    #[inline]
    pub(super) fn serves(&self, direction: Interest) -> bool {
        self.interest.contains(direction) && self.readiness().serves(direction)
    }

    /// Whether an error was reported that no read will return, because the source does not want to read.
    #[inline]
    pub(super) fn has_unread_error(&self) -> bool {
        self.signals.contains(Signals::ERROR) && !self.interest.contains(Interest::READABLE)
    }

    /// Notes that a write found the buffer full, and requests reports of writability if the kernel gives none yet.
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
