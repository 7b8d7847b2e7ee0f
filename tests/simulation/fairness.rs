//! The reads of one socket in a row (I9).

use std::time::Instant;

/// The most reads in a row that a socket has in the serve phase. It has one if others wait, and two if none does.
const LONGEST_BURST: u32 = 2;

/// The most services of a socket for each deadline that has passed: the last one reads, and the others deliver bytes
/// that were carried over.
const MOST_SERVICES: u32 = 4;

/// The row of reads of the socket that was given bytes last.
#[derive(Default)]
pub(crate) struct Fairness {
    /// The side, and the turn: the step of the simulation and the turn's own time. Neither alone tells one turn from the
    /// next.
    row: Option<(usize, (u64, Instant))>,
    reads: u32,
    /// Whether the side was given bytes in this row that were carried over.
    was_carrying: bool,
}

impl Fairness {
    /// Notes that `side` is given bytes in `turn`.
    pub(crate) fn note_read(&mut self, side: usize, turn: (u64, Instant), is_carrying: bool) {
        if self.row != Some((side, turn)) {
            *self = Self {
                row: Some((side, turn)),
                ..Self::default()
            };
        }
        self.reads += 1;
        self.was_carrying |= is_carrying;
    }

    pub(crate) fn reads(&self) -> u32 {
        self.reads
    }

    /// The most reads in this row, if `deadlines` and timers of the side have passed at most. Each of them lets the
    /// socket read ahead of its turn, to see whether there is news.
    pub(crate) fn most_reads(&self, deadlines: u32) -> u32 {
        let services = if self.was_carrying { MOST_SERVICES } else { 1 };
        LONGEST_BURST + services * deadlines
    }
}
