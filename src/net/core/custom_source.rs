//! A source of the program, as the reactor sees it.

use crate::net::values::Event;
use crate::reactor::{Interest, Readiness, Registration};

/// The state of a source of the program. The reactor serves the source only to learn which callback is due.
///
/// The reactor serves the source before its handler is called, and only the handler's calls show whether the source is
/// still ready. The served readiness is therefore set aside until the callback returns. Otherwise the source would be
/// queued once more before the callback, and the next poll would not wait, although nothing is left to do.
#[derive(Debug)]
pub(crate) struct CustomSource {
    /// The readiness that was served and that no call of the handler has disproved. Empty from the end of a callback
    /// until the next service.
    served: Readiness,
    /// Whether a source that is ready for both directions is read next, so that neither direction starves the other.
    is_read_next: bool,
    /// The limit on the callbacks in a row while no other source waits.
    burst: u32,
    /// The number of callbacks that the running burst has left.
    left: u32,
    is_closing: bool,
}

impl CustomSource {
    pub(crate) fn new(burst: u32) -> Self {
        let burst = burst.max(1);
        Self {
            served: Readiness::empty(),
            is_read_next: false,
            burst,
            left: burst,
            is_closing: false,
        }
    }

    pub(crate) fn on_readable(&mut self, registration: &mut Registration<'_>) -> Event {
        self.serve(Interest::READABLE, registration);
        Event::SourceReadable
    }

    pub(crate) fn on_writable(&mut self, registration: &mut Registration<'_>) -> Event {
        let reads = registration.interest().contains(Interest::READABLE)
            && registration.readiness().serves(Interest::READABLE);
        if reads && self.is_read_next {
            return self.on_readable(registration);
        }
        self.serve(Interest::WRITABLE, registration);
        Event::SourceWritable
    }

    fn serve(&mut self, direction: Interest, registration: &mut Registration<'_>) {
        self.is_read_next = direction == Interest::WRITABLE;
        self.served = registration.set_aside(direction);
    }

    /// Keeps an error that the kernel has reported while the source does not want to read. The source then counts as
    /// ready in both directions, and the first call in either direction returns the error.
    pub(crate) fn keep_error(registration: &mut Registration<'_>) {
        registration.assume(Readiness::READABLE | Readiness::WRITABLE);
    }

    /// Notes that a call in `direction` would have blocked. Returns whether the kernel must be asked to report anew.
    pub(crate) fn would_block(
        &mut self,
        direction: Interest,
        registration: &mut Registration<'_>,
    ) -> bool {
        self.served = self.served.difference(direction.served_by());
        registration.would_block(direction);
        registration.take_rearm()
    }

    /// Forgets all readiness, because the kernel is asked to report it anew.
    pub(crate) fn forget_readiness(&mut self, registration: &mut Registration<'_>) {
        self.served = Readiness::empty();
        registration.forget_reports();
    }

    /// Returns the readiness that is set aside until the callback returns; empty without a callback.
    pub(crate) fn served(&self) -> Readiness {
        self.served
    }

    /// Ends a callback: the served readiness counts again, unless the handler has disproved it. Returns the number of
    /// callbacks that the burst has left: 0 also if the source has no work, or if other sources wait.
    pub(crate) fn end_callback(
        &mut self,
        registration: &mut Registration<'_>,
        is_alone: bool,
    ) -> u32 {
        registration.assume(self.served);
        self.served = Readiness::empty();
        self.left = match registration.has_work() && is_alone {
            true => self.left.saturating_sub(1),
            false => 0,
        };
        let left = self.left;
        if left == 0 {
            self.left = self.burst;
        }
        left
    }

    pub(crate) fn close(&mut self, registration: &mut Registration<'_>) {
        self.is_closing = true;
        registration.close();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing
    }
}
