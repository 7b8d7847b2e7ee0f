//! What the kernel said about a source, and what its owner wants to hear.
//!
//! The kernel tells edges: each is reported once. [`Readiness`] keeps them as levels, until an operation finds that
//! one no longer holds. [`Interest`] is changed by flipping bits here, never by a system call. A source is served
//! while both meet ([`Readiness::serves`]). This module does not know where events come from: translating those of
//! the poll is the reactor's work.

use bitflags::bitflags;

bitflags! {
    /// What the kernel has said about a source and what has not been disproved since.
    ///
    /// The bits of several events are joined by *or*: kqueue reports each direction in an event of its own. A bit is
    /// cleared by whoever learns that it no longer holds: [`READABLE`](Self::READABLE) by a read that would block,
    /// [`WRITABLE`](Self::WRITABLE) by a write that would block. The closed bits and [`ERROR`](Self::ERROR) have no second
    /// edge: they stay until a call in their direction would block, as an end or an error would have answered it. Whoever
    /// has seen the end of a direction drops its interest in it.
    ///
    /// The flags named with each bit are those that mio takes it from. No bit may be relied upon to come alone or in
    /// company; only what an operation returns is certain.
    ///
    /// ```
    /// use netloop::readiness::{Interest, Readiness};
    ///
    /// // One byte arrives: epoll reports the socket as writable, too.
    /// let readiness = Readiness::READABLE | Readiness::WRITABLE;
    /// assert!(readiness.serves(Interest::READABLE));
    /// assert!(!Readiness::WRITABLE.serves(Interest::READABLE));
    /// assert!(!readiness.serves(Interest::empty()), "a paused socket with nothing to write");
    /// ```
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Readiness: u8 {
        /// A read, a receive or an accept may succeed. epoll: `EPOLLIN` or `EPOLLPRI`; kqueue: `EVFILT_READ`.
        const READABLE = 1 << 0;

        /// A write may succeed, or a connect has come to its end. epoll: `EPOLLOUT`; kqueue: `EVFILT_WRITE`.
        ///
        /// epoll sets it in every event of a socket with room to send that is registered for it, whatever the event is
        /// about: it says nothing to an owner who has nothing to write, and must meet an [`Interest::WRITABLE`] before
        /// anyone is called.
        const WRITABLE = 1 << 1;

        /// No more data will come than what is queued already. epoll: `EPOLLHUP`, or `EPOLLIN` with `EPOLLRDHUP`;
        /// kqueue: `EVFILT_READ` with `EV_EOF`.
        ///
        /// Data may still lie before the end, and the end itself is only what a read of zero bytes says. While this
        /// bit is set a short read does not mean that the source is drained: the end comes with no edge of its own,
        /// so who stops there never hears of it.
        const READ_CLOSED = 1 << 2;

        /// Nothing more can be sent. epoll: `EPOLLHUP`, or `EPOLLERR` with `EPOLLOUT` or alone; kqueue:
        /// `EVFILT_WRITE` with `EV_EOF`.
        const WRITE_CLOSED = 1 << 3;

        /// The source has failed. epoll: `EPOLLERR`; kqueue: `EV_ERROR`, or `EV_EOF` with a code in `fflags`. On
        /// Windows a refused connect has it; a reset comes as both closed bits, and the library adds this one.
        ///
        /// The data that came before a reset can still be read, and the read after it tells which error it was: read
        /// first, close then. A refused datagram comes with this bit and without [`READABLE`](Self::READABLE), which
        /// is why the bit alone is worth a read.
        const ERROR = 1 << 4;
    }
}

bitflags! {
    /// What the owner of a source wants to be called for.
    ///
    /// Empty is a valid interest: the source stays registered, and what the kernel says is kept until it is wanted.
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Interest: u8 {
        /// Wants to read, to receive or to accept; not set while reading is paused or after the end was read.
        const READABLE = 1 << 0;

        /// Has something to write, or waits for a connect.
        const WRITABLE = 1 << 1;
    }
}

impl Readiness {
    /// Whether anything that is wanted is ready, so that the source belongs on the run queue.
    ///
    /// The end of a direction and an error count as ready for it: reading is how the end and the name of the error
    /// are found out, writing is how a refused connect is. A [`WRITABLE`](Self::WRITABLE) that nobody waits for serves
    /// nothing.
    #[inline]
    #[must_use]
    pub const fn serves(self, interest: Interest) -> bool {
        self.intersects(interest.served_by())
    }

    /// Whether the source is of no further use in either direction: it has failed, or both directions are closed.
    ///
    /// This holds whatever the interest is, so that a paused socket learns of a reset. It is not yet a reason to close
    /// for one who still wants to read: there may be data before the end or the error.
    #[inline]
    #[must_use]
    pub const fn is_closed(self) -> bool {
        self.contains(Self::ERROR) || self.contains(Self::READ_CLOSED.union(Self::WRITE_CLOSED))
    }
}

impl Interest {
    /// Every readiness that is worth a call to an owner with this interest; see [`Readiness::serves`].
    #[inline]
    #[must_use]
    pub const fn served_by(self) -> Readiness {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule in words, from the bits themselves: no operator of the types is used.
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
        for ready in 0..=u8::MAX {
            for wanted in 0..4 {
                let readiness = Readiness::from_bits_retain(ready);
                let interest = Interest::from_bits_retain(wanted);
                assert_eq!(
                    readiness.serves(interest),
                    expected(ready, wanted),
                    "{readiness:?} for {interest:?}"
                );
            }
        }
    }

    #[test]
    fn closed_is_an_error_or_the_end_of_both_directions() {
        for ready in 0..=u8::MAX {
            let both_ends = ready & 0b1100 == 0b1100;
            let error = ready & 0b1_0000 != 0;
            let readiness = Readiness::from_bits_retain(ready);
            assert_eq!(readiness.is_closed(), both_ends || error, "{readiness:?}");
        }
    }

    #[test]
    fn nothing_is_served_to_who_wants_nothing() {
        assert!(!Readiness::all().serves(Interest::empty()));
    }

    #[test]
    fn spurious_writability_serves_no_reader() {
        assert!(!Readiness::WRITABLE.serves(Interest::READABLE));
    }

    #[test]
    fn an_end_that_came_with_data_is_still_served_after_the_data() {
        let mut readiness = Readiness::READABLE | Readiness::READ_CLOSED;
        readiness.remove(Readiness::READABLE);
        assert!(readiness.serves(Interest::READABLE));
    }

    #[test]
    fn an_error_without_readable_is_worth_a_read() {
        let refused = Readiness::WRITABLE | Readiness::ERROR;
        assert!(refused.serves(Interest::READABLE));
        assert!(refused.is_closed());
    }

    #[test]
    fn more_readiness_never_takes_service_away() {
        for ready in 0..=u8::MAX {
            for wanted in 0..4 {
                let interest = Interest::from_bits_retain(wanted);
                if !Readiness::from_bits_retain(ready).serves(interest) {
                    continue;
                }
                for bit in 0..8 {
                    assert!(Readiness::from_bits_retain(ready | 1 << bit).serves(interest));
                }
            }
        }
    }
}
