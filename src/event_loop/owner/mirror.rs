//! The loop's work and deadlines, shown in its descriptor, for a host that waits on the descriptor alone.

use crate::event_loop::{EventLoop, EventLoopOptions};
use crate::net::Result;

/// The option to show the loop's own work in the descriptor, and the present state of the descriptor.
#[derive(Debug)]
pub(crate) struct Mirror {
    is_on: bool,
    /// Whether the loop has made the descriptor readable, at the end of the last turn or since. `false` in a turn.
    is_readable: bool,
}

impl Mirror {
    pub(crate) fn new(options: &EventLoopOptions) -> Self {
        Self {
            is_on: options.is_descriptor_enough,
            is_readable: false,
        }
    }

    /// Forgets that the descriptor is readable, because the end of the turn decides this anew. If the turn fails or
    /// panics before its end, the host's next change makes the descriptor readable again.
    pub(crate) fn begin_turn(&mut self) {
        self.is_readable = false;
    }

    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }
}

impl<S> EventLoop<S> {
    /// Makes the descriptor readable, because the host is about to change the loop. The next turn finds out whether the
    /// change left work or a deadline. To compare deadlines before and after each call would cost more.
    pub(crate) fn show_change(&mut self) {
        if self.mirror.is_on && !self.mirror.is_readable {
            // If this fails, the next call tries again.
            self.mirror.is_readable = self.net.show_in_descriptor(true).is_ok();
        }
    }

    /// Makes the descriptor readable at once if the turn has left work, and otherwise at the next deadline.
    #[cold]
    #[inline(never)]
    pub(crate) fn show_rest(&mut self) -> Result<()> {
        let must_turn = self.must_turn();
        self.mirror.is_readable = must_turn;
        self.net.show_in_descriptor(must_turn)
    }
}
