//! The kernel's reports about a source ([`Readiness`]), and the directions that its owner wants ([`Interest`]).
//!
//! The kernel reports edges: each change once. [`Readiness`] keeps a report as a level until an operation disproves it.
//! A source is served while it is ready for a direction that it wants ([`Readiness::serves`]).

use std::fmt;
use std::ops::BitOr;

use bitflags::bitflags;

bitflags! {
    #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
    struct ReadinessBits: u8 {
        const READABLE = 1 << 0;
        const WRITABLE = 1 << 1;
        const READ_CLOSED = 1 << 2;
        const WRITE_CLOSED = 1 << 3;
        const ERROR = 1 << 4;
        const PRIORITY = 1 << 5;
    }
}

bitflags! {
    #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
    struct InterestBits: u8 {
        const READABLE = 1 << 0;
        const WRITABLE = 1 << 1;
    }
}

/// The reports of the kernel about a source, each kept until an operation disproves it: a set of the constants below.
///
/// The bits of several events are joined by *or*: kqueue reports each direction in an event of its own. A read that
/// would block clears [`READABLE`](Self::READABLE) and [`PRIORITY`](Self::PRIORITY), a write that would block clears
/// [`WRITABLE`](Self::WRITABLE). Either clears the closed bit of its direction and [`ERROR`](Self::ERROR), each of
/// which the kernel reports only once. A call of [`Handler::on_error`](crate::reactor::Handler::on_error) clears
/// `ERROR` too. A source that has seen the end of a direction drops its interest in that direction.
///
/// Each constant names the kernel's flags from which mio derives it. A bit may come alone or with others: only the
/// result of an operation is certain.
///
/// ```
/// use netloop::reactor::{Interest, Readiness};
///
/// // One byte arrives: epoll reports the socket as writable, too.
/// let readiness = Readiness::READABLE | Readiness::WRITABLE;
/// assert!(readiness.serves(Interest::READABLE));
/// assert!(!Readiness::WRITABLE.serves(Interest::READABLE));
/// assert!(!readiness.serves(Interest::empty()), "a paused socket with nothing to write");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Readiness(ReadinessBits);

impl Readiness {
    /// A read, a receive or an accept may succeed. epoll: `EPOLLIN` or `EPOLLPRI`; kqueue: `EVFILT_READ`.
    pub const READABLE: Self = Self(ReadinessBits::READABLE);

    /// A write may succeed, or a connect has come to its end. epoll: `EPOLLOUT`; kqueue: `EVFILT_WRITE`.
    ///
    /// epoll sets this bit in every event of a socket that has buffer space and is registered for writing, whatever the
    /// event is about. So the bit leads to a call only with [`Interest::WRITABLE`].
    pub const WRITABLE: Self = Self(ReadinessBits::WRITABLE);

    /// The peer has sent its end. No data will come beyond the bytes that are queued already. epoll: `EPOLLHUP`, or
    /// `EPOLLIN` with `EPOLLRDHUP`; kqueue: `EVFILT_READ` with `EV_EOF`.
    ///
    /// Data may still lie before the end, and only a read of zero bytes proves the end. While this bit is set, a source
    /// must not stop after a short read. If the data and the end came in one edge, no further edge tells of the end.
    pub const READ_CLOSED: Self = Self(ReadinessBits::READ_CLOSED);

    /// Nothing more can be sent. epoll: `EPOLLHUP`, or `EPOLLERR` with `EPOLLOUT` or alone; kqueue: `EVFILT_WRITE`
    /// with `EV_EOF`.
    pub const WRITE_CLOSED: Self = Self(ReadinessBits::WRITE_CLOSED);

    /// The source has failed. epoll: `EPOLLERR`; kqueue: `EV_ERROR`, or `EV_EOF` with a code in `fflags`. On Windows
    /// mio sets this bit for a refused connect, and both closed bits for a reset, to which this library adds this bit.
    ///
    /// The data that came before a reset can still be read, and the read after it returns the error: read first, then
    /// close. The refusal of a sent datagram may set this bit without [`READABLE`](Self::READABLE), and a read returns
    /// that error. So this bit alone is a reason to read.
    pub const ERROR: Self = Self(ReadinessBits::ERROR);

    /// Urgent data of TCP has arrived, or another exceptional condition. epoll: `EPOLLPRI`; the other selectors never
    /// report it.
    ///
    /// A read ends at the urgent mark, even if more bytes lie after it. So a short read does not mean that nothing is
    /// left. The bit alone serves no direction: epoll reports [`READABLE`](Self::READABLE) with it.
    pub const PRIORITY: Self = Self(ReadinessBits::PRIORITY);

    pub(crate) const fn empty() -> Self {
        Self(ReadinessBits::empty())
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) const fn all() -> Self {
        Self(ReadinessBits::all())
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(crate) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Whether all bits of `other` are set.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0.contains(other.0)
    }

    #[inline]
    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0.intersects(other.0)
    }

    /// Whether a direction of `interest` is ready. The source then belongs on the run queue.
    ///
    /// The end of a direction makes that direction ready, because the next call returns the end. An error makes every
    /// wanted direction ready, because a read or write returns it.
    #[inline]
    #[must_use]
    pub const fn serves(self, interest: Interest) -> bool {
        self.intersects(interest.served_by())
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0.union(other.0))
    }

    pub(crate) const fn difference(self, other: Self) -> Self {
        Self(self.0.difference(other.0))
    }

    pub(crate) const fn intersection(self, other: Self) -> Self {
        Self(self.0.intersection(other.0))
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0.bits()
    }

    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(ReadinessBits::from_bits_truncate(bits))
    }

    pub(crate) fn set(&mut self, other: Self, is_set: bool) {
        self.0.set(other.0, is_set);
    }
}

/// The directions that the owner of a source wants to be called for: a set of the constants below. With an empty
/// interest the source stays registered, and the kernel's reports are kept until the owner wants them.
///
/// ```
/// use netloop::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.contains(Interest::READABLE));
/// assert!(!Interest::empty().contains(Interest::WRITABLE));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interest(InterestBits);

impl Interest {
    /// The owner wants to read, to receive or to accept. The owner drops this while reading is paused or has ended.
    pub const READABLE: Self = Self(InterestBits::READABLE);

    /// The owner has something to write, or waits for a connect.
    pub const WRITABLE: Self = Self(InterestBits::WRITABLE);

    /// Returns the interest in nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self(InterestBits::empty())
    }

    pub(crate) const fn all() -> Self {
        Self(InterestBits::all())
    }

    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Whether all directions of `other` are wanted.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0.contains(other.0)
    }

    #[inline]
    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0.intersects(other.0)
    }

    /// Returns all bits of readiness that [serve](Readiness::serves) this interest.
    #[inline]
    pub(crate) const fn served_by(self) -> Readiness {
        let mut readiness = Readiness::empty();
        if self.contains(Self::READABLE) {
            readiness = readiness.union(Readiness::READABLE.union(Readiness::READ_CLOSED));
        }
        if self.contains(Self::WRITABLE) {
            readiness = readiness.union(Readiness::WRITABLE.union(Readiness::WRITE_CLOSED));
        }
        if !self.is_empty() {
            readiness = readiness.union(Readiness::ERROR);
        }
        readiness
    }

    pub(crate) const fn difference(self, other: Self) -> Self {
        Self(self.0.difference(other.0))
    }

    #[cfg(test)]
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(InterestBits::from_bits_truncate(bits))
    }
}

/// Defines the operators of a set. The interface that `bitflags` generates for a public type is far longer.
macro_rules! set_traits {
    ($set:ident, $bits:ident) => {
        impl BitOr for $set {
            type Output = Self;

            #[inline]
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        // Prints the flags without the name of this private type, which the derived `Debug` would show.
        impl fmt::Debug for $bits {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                bitflags::parser::to_writer(self, formatter)
            }
        }
    };
}

set_traits!(Readiness, ReadinessBits);
set_traits!(Interest, InterestBits);

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule of `serves`, computed from plain bits without an operator of the types.
    fn expected(ready: u8, wanted: u8) -> bool {
        let is_ready = |bit: u32| ready >> bit & 1 == 1;
        let is_wanted = |bit: u32| wanted >> bit & 1 == 1;
        let (readable, writable, read_closed) = (is_ready(0), is_ready(1), is_ready(2));
        let (write_closed, error) = (is_ready(3), is_ready(4));
        (is_wanted(0) && (readable || read_closed || error))
            || (is_wanted(1) && (writable || write_closed || error))
    }

    #[test]
    fn a_source_is_served_exactly_when_something_wanted_is_ready() {
        for ready in 0..64 {
            for wanted in 0..4 {
                let readiness = Readiness::from_bits(ready);
                let interest = Interest::from_bits(wanted);
                assert_eq!(
                    readiness.serves(interest),
                    expected(ready, wanted),
                    "{readiness:?} for {interest:?}"
                );
            }
        }
    }

    #[test]
    fn an_empty_interest_is_never_served() {
        assert!(!Readiness::all().serves(Interest::empty()));
    }

    #[test]
    fn a_set_prints_the_names_of_its_bits() {
        let readiness = Readiness::READABLE | Readiness::ERROR;
        assert_eq!(format!("{readiness:?}"), "Readiness(READABLE | ERROR)");
        assert_eq!(format!("{:?}", Interest::empty()), "Interest()");
    }

    #[test]
    fn spurious_writability_serves_no_reader() {
        assert!(!Readiness::WRITABLE.serves(Interest::READABLE));
    }

    #[test]
    fn an_end_that_came_with_data_is_still_served_after_the_data() {
        let readiness = Readiness::READABLE | Readiness::READ_CLOSED;
        let readiness = readiness.difference(Readiness::READABLE);
        assert!(readiness.serves(Interest::READABLE));
    }

    #[test]
    fn an_error_without_readable_is_worth_a_read() {
        let refused = Readiness::WRITABLE | Readiness::ERROR;
        assert!(refused.serves(Interest::READABLE));
    }

    #[test]
    fn more_readiness_never_takes_service_away() {
        for ready in 0..64 {
            for wanted in 0..4 {
                let interest = Interest::from_bits(wanted);
                if !Readiness::from_bits(ready).serves(interest) {
                    continue;
                }
                for bit in 0..6 {
                    assert!(Readiness::from_bits(ready | 1 << bit).serves(interest));
                }
            }
        }
    }
}
