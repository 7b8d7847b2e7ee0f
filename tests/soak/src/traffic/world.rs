//! The state that the ends of all connections of a loop share.

use std::time::Duration;

use super::tally::Tally;

/// The number of breaches that are described. The others are counted.
const MOST_NOTES: usize = 10;

/// The state that a loop lends to its streams.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) tally: Tally,
    /// Connections that are connected and not closed.
    pub(crate) open: u64,
    /// The longest time that a connection is held behind its last byte.
    pub(crate) longest_hold: Duration,
    /// Whether a fault may break a connection.
    pub(crate) may_break: bool,
    notes: usize,
}

impl World {
    pub(crate) fn new(longest_hold: Duration, may_break: bool) -> Self {
        Self {
            tally: Tally::default(),
            open: 0,
            longest_hold,
            may_break,
            notes: 0,
        }
    }

    pub(crate) fn connected(&mut self) {
        self.tally.connected += 1;
        self.open += 1;
        self.tally.most_open = self.tally.most_open.max(self.open);
    }

    pub(crate) fn closed(&mut self, was_connected: bool) {
        self.tally.closed += 1;
        self.open -= u64::from(was_connected);
    }

    /// Describes a breach.
    pub(crate) fn note(&mut self, text: String) {
        self.notes += 1;
        if self.notes <= MOST_NOTES {
            eprintln!("{text}");
        }
    }
}
