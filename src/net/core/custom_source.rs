//! A source of the program, as the reactor sees it.

use crate::net::values::Event;
use crate::reactor::{Interest, Readiness, Registration};

/// The state of a source of the program. The reactor serves the source before its handler is called, and only the
/// handler's calls show whether it is still ready. So the served readiness is set aside until the callback returns.
/// Else the source would be queued again before the callback, and the next poll would not wait, although nothing is
/// left to do.
#[derive(Debug)]
pub(crate) struct CustomSource {
    /// The served readiness that no call of the handler has disproved. Empty from a callback's end to the next service.
    served: Readiness,
    /// Whether a source that is ready for both directions is read next, so that neither direction starves the other.
    is_read_next: bool,
    /// The limit on callbacks in a row while no other source waits.
    burst: u32,
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

    /// Keeps an error that the kernel has reported while the source does not want to read. The source counts as ready
    /// in both directions: the first call in either returns the error.
    pub(crate) fn keep_error(registration: &mut Registration<'_>) {
        registration.assume(Readiness::READABLE | Readiness::WRITABLE);
    }

    /// Notes that a call would have blocked. Returns whether the kernel must be asked to report anew.
    pub(crate) fn would_block(
        &mut self,
        direction: Interest,
        registration: &mut Registration<'_>,
    ) -> bool {
        self.served = self.served.difference(direction.served_by());
        registration.would_block(direction);
        registration.take_rearm()
    }

    pub(crate) fn forget_readiness(&mut self, registration: &mut Registration<'_>) {
        self.served = Readiness::empty();
        registration.forget_reports();
    }

    pub(crate) fn served(&self) -> Readiness {
        self.served
    }

    /// Ends a callback: the served readiness that the handler has not disproved counts again. Returns how many
    /// callbacks the burst has left; 0 also without work, or if other sources wait.
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
